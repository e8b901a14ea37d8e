//! Reads the rows of unit tests: mappings in YAML, CSV or a query in YAML or in a file below
//! `tests/fixtures`, or the file of a seed.

use super::NodeMaker;
use crate::config::{Json, Yaml, YamlMap};
use crate::context::RenderQuestion;
use crate::diag::{Code, Diagnostic};
use crate::load::FileKind;
use crate::manifest::{
    Fixture, FixtureCell, FixtureFormat, FixtureRow, FixtureRows, GivenNode, RefCall, ResourceType,
    RowsFrom,
};
use crate::parse::{Properties, PropertyEntry};
use crate::source::{FileId, Span};
use camino::Utf8Path;
use std::sync::Arc;

/// Reads the fixtures of one unit test.
pub(super) struct FixtureReader<'m, 'g> {
    maker: &'m mut NodeMaker<'g>,
    file: &'m Properties,
    entry: &'m PropertyEntry,
}

impl<'m, 'g> FixtureReader<'m, 'g> {
    pub(super) fn new(
        maker: &'m mut NodeMaker<'g>,
        file: &'m Properties,
        entry: &'m PropertyEntry,
    ) -> FixtureReader<'m, 'g> {
        FixtureReader { maker, file, entry }
    }

    /// The rows of an input. A seed without rows has those of its file.
    pub(super) fn given(&mut self, map: &YamlMap, node: &GivenNode, span: Span) -> Fixture {
        let has = |key| map.get(key).is_some_and(|y| !y.is_null());
        if let (false, GivenNode::Ref(call)) = (has("rows") || has("fixture"), node)
            && read_format(map) == FixtureFormat::Dict
        {
            let rows = FixtureRows::Table(self.seed_rows(call, span));
            return Fixture { format: FixtureFormat::Dict, from: RowsFrom::Seed, rows, span };
        }
        self.fixture(map, span, "input")
    }

    pub(super) fn expected(&mut self) -> Fixture {
        let entry = self.entry;
        let place = entry.map.get("expect");
        let span = place.map_or(entry.span, |y| y.span);
        match place.and_then(Yaml::as_map) {
            Some(map) => self.fixture(map, span, "expected"),
            // The shape of the file has been reported.
            None => Fixture {
                format: FixtureFormat::Dict,
                from: RowsFrom::Properties,
                rows: FixtureRows::Table(Vec::new()),
                span,
            },
        }
    }

    fn fixture(&mut self, map: &YamlMap, span: Span, what: &str) -> Fixture {
        let format = read_format(map);
        let rows = map.get("rows").filter(|y| !y.is_null());
        let file = map.get("fixture").filter(|y| !y.is_null());
        let place = rows.or(file).map_or(span, |y| y.span);
        let text = rows.and_then(Yaml::as_str);
        let (from, found) = match (format, file, text) {
            (FixtureFormat::Dict, ..) => {
                (RowsFrom::Properties, rows.and_then(|y| self.dict_rows(y)))
            }
            (_, Some(file), _) => {
                let name = file.scalar_text().unwrap_or_default();
                let found = self.file_rows(&name, format, file.span);
                (RowsFrom::File(name), Some(found))
            }
            (FixtureFormat::Csv, None, Some(text)) => {
                let found = self.csv_rows(text, &CsvPlace::Properties(place));
                (RowsFrom::Properties, Some(FixtureRows::Table(found)))
            }
            (FixtureFormat::Sql, None, Some(text)) => {
                (RowsFrom::Properties, Some(FixtureRows::Query(text.into())))
            }
            (FixtureFormat::Csv | FixtureFormat::Sql, None, None) => (RowsFrom::Properties, None),
        };
        let rows = found.unwrap_or_else(|| {
            self.refuse_rows(format, place, what);
            FixtureRows::Table(Vec::new())
        });
        let rows = match rows {
            FixtureRows::Table(rows) => FixtureRows::Table(promote_whole_row(rows)),
            query @ FixtureRows::Query(_) => query,
        };
        Fixture { format, from, rows, span: place }
    }

    fn refuse_rows(&mut self, format: FixtureFormat, place: Span, what: &str) {
        let wanted = match format {
            FixtureFormat::Dict => "a list of mappings",
            FixtureFormat::Csv => "text with a line of column names, or `fixture` names a file",
            FixtureFormat::Sql => "a query, or `fixture` names a file",
        };
        let message = format!(
            "the {what} rows of the unit test `{}` do not match their format `{}`",
            self.entry.name,
            format.as_str()
        );
        let d = Diagnostic::error(Code::YamlShape, message).primary(place, "");
        self.maker.out.push(d.help(format!("`rows` of this format are {wanted}")));
    }

    /// `None` if it is no list of mappings.
    fn dict_rows(&mut self, rows: &Yaml) -> Option<FixtureRows> {
        let crate::config::YamlValue::Seq(items) = &rows.value else { return None };
        let rows = items.iter().map(|item| {
            let cells = item.as_map()?.iter().map(|(key, value)| FixtureCell {
                column: key.text.clone(),
                value: value.to_json(),
                span: key.span,
            });
            Some(FixtureRow { cells: cells.collect(), span: item.span })
        });
        Some(FixtureRows::Table(rows.collect::<Option<_>>()?))
    }

    /// The rows in a file below `tests/fixtures` of the same package.
    fn file_rows(&mut self, name: &str, format: FixtureFormat, place: Span) -> FixtureRows {
        let ending = format.as_str();
        let packages = self.maker.ground.sources.packages.iter();
        let mut own = packages.filter(|package| **package.name() == *self.file.package);
        let files = own.next().into_iter().flat_map(|package| &package.files);
        let mut found = files.filter(|file| {
            let path = Utf8Path::new(&*file.path);
            file.kind == FileKind::Fixture
                && path.file_stem() == Some(name)
                && path.extension() == Some(ending)
        });
        let first = found.next();
        if let Some((first, second)) = first.zip(found.next()) {
            let (first, second) = (&first.original_file_path, &second.original_file_path);
            let message = format!("two fixtures have the name `{name}`: {first} and {second}");
            let d = Diagnostic::error(Code::DuplicateName, message).primary(place, "named here");
            self.maker.out.push(d.help("rename one of them"));
        }
        let Some(found) = first else {
            let message = format!("there is no file for the fixture `{name}`");
            self.maker.out.push(
                Diagnostic::error(Code::YamlShape, message)
                    .primary(place, "named here")
                    .help(format!("make tests/fixtures/{name}.{ending}")),
            );
            return FixtureRows::Table(Vec::new());
        };
        let text = self.maker.ground.sources.map.text(found.file).clone();
        match format {
            // dbt reads files without the white space around their text.
            FixtureFormat::Sql => FixtureRows::Query(text.trim().into()),
            FixtureFormat::Csv | FixtureFormat::Dict => {
                FixtureRows::Table(self.csv_rows(&text, &CsvPlace::File(found.file)))
            }
        }
    }

    /// The rows in the file of a seed, all of them texts, as dbt takes them.
    fn seed_rows(&mut self, call: &RefCall, span: Span) -> Vec<FixtureRow> {
        let ground = self.maker.ground;
        let package = call.package.as_ref().unwrap_or(&self.file.package);
        let mut seeds = ground.parsed.nodes.iter().filter(|node| {
            node.kind == ResourceType::Seed && node.package == *package && node.name == call.name
        });
        let root = ground.sources.packages.iter().find(|p| p.name() == package);
        let (Some(seed), Some(root)) = (seeds.next(), root) else {
            let message = format!(
                "Unable to find seed '{package}.{}' for unit tests: an input of `{}` has no rows",
                call.name, self.entry.name
            );
            let d = Diagnostic::error(Code::YamlShape, message).primary(span, "");
            self.maker.out.push(d.help("give it `rows`; `rows: []` stands for an empty relation"));
            return Vec::new();
        };
        let path = root.root.join(&*seed.original_file_path);
        let question = RenderQuestion::File(path.to_string());
        self.maker.reads.insert(ground.context.read(question));
        match ground.context.system.read(&path) {
            Ok(text) => self.csv_rows(&text, &CsvPlace::Elsewhere(span)),
            Err(e) => {
                let d = Diagnostic::error(Code::SeedData, e.to_string()).primary(span, "");
                self.maker.out.push(d);
                Vec::new()
            }
        }
    }

    /// The rows of a CSV text, the values as text. In a fixture a missing value is null; in the
    /// file of a seed it is the empty text.
    fn csv_rows(&mut self, text: &str, place: &CsvPlace) -> Vec<FixtureRow> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header: Vec<Arc<str>> = match reader.headers() {
            Ok(header) => header.iter().map(Arc::from).collect(),
            Err(_) => return Vec::new(),
        };
        let keeps_empty = matches!(place, CsvPlace::Elsewhere(_));
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(e) => {
                    let d = Diagnostic::error(Code::YamlShape, e.to_string());
                    self.maker.out.push(d.primary(place.whole(), ""));
                    break;
                }
            };
            let at = record.position().map_or(0, |position| position.byte() as usize);
            let line = text[at..].lines().next().unwrap_or_default();
            let span = self.place_line(place, text, at, line);
            if record.len() > header.len() {
                let (has, names) = (record.len(), header.len());
                let message = format!("this row has {has} values, the header {names}");
                self.maker.out.push(Diagnostic::error(Code::YamlShape, message).primary(span, ""));
                continue;
            }
            let cells = header.iter().enumerate().map(|(i, column)| FixtureCell {
                column: column.clone(),
                value: match record.get(i) {
                    Some(value) if !value.is_empty() || keeps_empty => Json::from(value),
                    _ => Json::Null,
                },
                span,
            });
            rows.push(FixtureRow { cells: cells.collect(), span });
        }
        rows
    }

    /// The place of a line of a CSV text.
    fn place_line(&self, place: &CsvPlace, text: &str, at: usize, line: &str) -> Span {
        match place {
            CsvPlace::File(file) => Span::new(*file, at, at + line.len()),
            CsvPlace::Elsewhere(span) => *span,
            CsvPlace::Properties(span) => {
                // A block scalar is indented in the file, so lines are counted.
                let number = text[..at].matches('\n').count();
                let whole = self.maker.ground.sources.map.text(span.file);
                let found = nth_line_after(whole, span.start as usize, number);
                let found = found.filter(|(_, found)| found.trim() == line.trim());
                found.map_or(*span, |(start, found)| {
                    let indent = found.len() - found.trim_start().len();
                    Span::new(span.file, start + indent, start + found.trim_end().len())
                })
            }
        }
    }
}

/// Where a CSV text is.
enum CsvPlace {
    Properties(Span),
    File(FileId),
    /// In a file that is not among the sources; the place is that of its name.
    Elsewhere(Span),
}

impl CsvPlace {
    fn whole(&self) -> Span {
        match self {
            CsvPlace::Properties(span) | CsvPlace::Elsewhere(span) => *span,
            CsvPlace::File(file) => Span::file(*file),
        }
    }
}

fn read_format(map: &YamlMap) -> FixtureFormat {
    map.get_text("format").and_then(|text| FixtureFormat::parse(&text)).unwrap_or_default()
}

/// The start and the text of the line `number` lines below the one of a position.
fn nth_line_after(text: &str, from: usize, number: usize) -> Option<(usize, &str)> {
    let mut start = from;
    for _ in 0..number {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let rest = text.get(start..)?;
    Some((start, rest.lines().next().unwrap_or_default()))
}

/// Swaps the first row without nulls with the first row, as dbt does: the compared columns are those
/// of the first row, and some engines take the types of a union from it.
fn promote_whole_row(mut rows: Vec<FixtureRow>) -> Vec<FixtureRow> {
    let is_whole = |row: &FixtureRow| row.cells.iter().all(|cell| !cell.value.is_null());
    if let Some(i) = rows.iter().position(is_whole) {
        rows.swap(0, i);
    }
    rows
}
