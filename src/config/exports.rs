//! `exports:` in properties files: the destinations of published relations.

use super::{Yaml, YamlMap, YamlValue, unknown_keys};
use crate::diag::{Checked, Code, Diagnostic, nearest_name};
use crate::source::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExportType {
    GoogleSheets,
    Csv,
    Parquet,
    Json,
}

impl ExportType {
    pub(crate) const ALL: [ExportType; 4] =
        [ExportType::GoogleSheets, ExportType::Csv, ExportType::Parquet, ExportType::Json];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ExportType::GoogleSheets => "google_sheets",
            ExportType::Csv => "csv",
            ExportType::Parquet => "parquet",
            ExportType::Json => "json",
        }
    }

    /// The keys of this type, in addition to those of every export.
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            ExportType::GoogleSheets => &[
                "spreadsheet",
                "sheet",
                "mode",
                "key",
                "columns",
                "credentials",
                "nan",
                "long_text",
            ],
            ExportType::Csv => &["path", "columns", "header", "delimiter"],
            ExportType::Parquet | ExportType::Json => &["path", "columns"],
        }
    }
}

/// The keys of every export.
pub(crate) const EXPORT_KEYS: &[&str] = &[
    "name",
    "type",
    "model",
    "description",
    "enabled",
    "config",
    "tags",
    "meta",
    "owner",
    "label",
    "maturity",
    "url",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportColumn {
    pub(crate) name: String,
    pub(crate) header: Option<String>,
    /// A number format of Google Sheets, such as `#,##0.00`.
    pub(crate) format: Option<String>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SheetMode {
    Replace,
    Append,
    /// The key columns, by which existing rows are found.
    Upsert(Vec<String>),
}

/// The fields of an export to Google Sheets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SheetTarget {
    /// The id of the spreadsheet, without the rest of its URL.
    pub(crate) spreadsheet: String,
    pub(crate) sheet: String,
    pub(crate) mode: SheetMode,
    pub(crate) columns: Vec<ExportColumn>,
    /// The path of a credentials file; `None`: the file that the environment names.
    pub(crate) credentials: Option<String>,
    pub(crate) nan_as_text: bool,
    pub(crate) cut_long_text: bool,
}

/// The fields of an export to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileTarget {
    pub(crate) format: ExportType,
    /// Relative to the project; `None`: a file below the target path.
    pub(crate) path: Option<String>,
    pub(crate) columns: Vec<ExportColumn>,
    pub(crate) header: bool,
    pub(crate) delimiter: char,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExportTarget {
    Sheet(SheetTarget),
    File(FileTarget),
}

/// Checks what can be checked before the fields are rendered: the type, the model and unknown keys.
pub(crate) fn check_export(map: &YamlMap, span: Span) -> Checked<Option<ExportType>> {
    let mut out = Vec::new();
    let names = ExportType::ALL.map(ExportType::as_str);
    let kind = match map.get("type") {
        None => {
            let d = Diagnostic::error(Code::Export, "an export needs a `type`").primary(span, "");
            out.push(d.help(format!("one of {}", names.join(", "))));
            None
        }
        Some(y) => {
            let text = y.scalar_text().unwrap_or_default();
            let found = ExportType::ALL.into_iter().find(|k| k.as_str() == text);
            if found.is_none() {
                out.push(
                    Diagnostic::error(Code::Export, format!("`{text}` is no type of export"))
                        .primary(y.span, format!("one of {}", names.join(", ")))
                        .did_you_mean(nearest_name(&text, names.iter().copied())),
                );
            }
            found
        }
    };
    if map.get("model").and_then(Yaml::scalar_text).is_none() {
        let d = Diagnostic::error(Code::Export, "an export needs a `model`").primary(span, "");
        out.push(d.help("model: ref('name')"));
        return Checked::new(None, out);
    }
    if let Some(kind) = kind {
        let known = [EXPORT_KEYS, kind.keys()].concat();
        unknown_keys(map, &known, &format!("an export of type {}", kind.as_str()), &mut out);
        if kind == ExportType::GoogleSheets && map.get("spreadsheet").is_none() {
            let d =
                Diagnostic::error(Code::Export, "an export to Google Sheets needs a `spreadsheet`");
            out.push(d.primary(span, "").help("its id, or its address in the browser"));
            return Checked::new(None, out);
        }
    }
    Checked::new(kind, out)
}

/// Reads the rendered fields of an export. `None` if there are errors.
pub(crate) fn read_export(
    kind: ExportType,
    map: &YamlMap,
    span: Span,
) -> Checked<Option<ExportTarget>> {
    let mut fields = Fields { map, span, out: Vec::new() };
    let columns = fields.columns();
    let target = match kind {
        ExportType::GoogleSheets => {
            let spreadsheet = fields.text("spreadsheet").unwrap_or_default();
            if spreadsheet.is_empty() {
                fields.wrong(
                    "spreadsheet",
                    "is empty: it is the id of a spreadsheet, or its address in the browser",
                );
            }
            let key = fields.list("key");
            let mode = match fields.one_of("mode", &["replace", "append", "upsert"]) {
                "append" => SheetMode::Append,
                "upsert" => {
                    if key.is_empty() {
                        fields
                            .wrong("mode", "is upsert, which needs a `key`: the columns that a row is found again by");
                    }
                    SheetMode::Upsert(key)
                }
                _ => SheetMode::Replace,
            };
            ExportTarget::Sheet(SheetTarget {
                spreadsheet: spreadsheet_id(&spreadsheet).to_owned(),
                sheet: fields
                    .text("sheet")
                    .filter(|s| !s.is_empty())
                    .unwrap_or_else(|| "Sheet1".to_owned()),
                mode,
                columns,
                credentials: fields.text("credentials").filter(|s| !s.is_empty()),
                nan_as_text: fields.one_of("nan", &["empty", "text"]) == "text",
                cut_long_text: fields.one_of("long_text", &["error", "cut"]) == "cut",
            })
        }
        format => {
            let delimiter = fields.text("delimiter").unwrap_or_else(|| ",".to_owned());
            let mut chars = delimiter.chars();
            let delimiter = match (chars.next(), chars.next()) {
                (Some(c), None) if c.is_ascii() && !"\"\r\n".contains(c) => c,
                _ => {
                    fields.wrong("delimiter", "is one ASCII character, no quote and no line break");
                    ','
                }
            };
            ExportTarget::File(FileTarget {
                format,
                path: fields.text("path").filter(|s| !s.is_empty()),
                columns,
                header: fields.flag("header", true),
                delimiter,
            })
        }
    };
    let whole = !fields.out.iter().any(Diagnostic::is_error);
    Checked::new(whole.then_some(target), fields.out)
}

/// The id in a URL such as `https://docs.google.com/spreadsheets/d/ID/edit#gid=0`. Other text is
/// taken as the id itself.
fn spreadsheet_id(text: &str) -> &str {
    match text.trim().split_once("/spreadsheets/d/") {
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or(rest),
        None => text.trim(),
    }
}

struct Fields<'a> {
    map: &'a YamlMap,
    span: Span,
    out: Vec<Diagnostic>,
}

impl Fields<'_> {
    fn wrong(&mut self, key: &str, why: &str) {
        let place = self.map.get(key).map_or(self.span, |y| y.span);
        self.out.push(Diagnostic::error(Code::Export, format!("`{key}` {why}")).primary(place, ""));
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        let text = y.scalar_text();
        if text.is_none() {
            self.wrong(key, &format!("is text, not {}", y.kind()));
        }
        text
    }

    fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.map.get(key).map(Yaml::as_bool) {
            None => default,
            Some(Some(value)) => value,
            Some(None) => {
                self.wrong(key, "is true or false");
                default
            }
        }
    }

    /// Reads a text that must be one of `words`; the first is the default.
    fn one_of(&mut self, key: &str, words: &[&'static str]) -> &'static str {
        let Some(text) = self.text(key) else { return words[0] };
        words.iter().find(|w| **w == text).copied().unwrap_or_else(|| {
            self.wrong(key, &format!("is {}, not `{text}`", words.join(" or ")));
            words[0]
        })
    }

    fn list(&mut self, key: &str) -> Vec<String> {
        let items = self.map.get(key).map(Yaml::items).unwrap_or_default();
        items.iter().filter_map(Yaml::scalar_text).collect()
    }

    fn columns(&mut self) -> Vec<ExportColumn> {
        let mut columns: Vec<ExportColumn> = Vec::new();
        for item in self.map.get("columns").map(Yaml::items).unwrap_or_default() {
            let column = match &item.value {
                YamlValue::Map(map) => {
                    unknown_keys(
                        map,
                        &["name", "header", "format"],
                        "a column of an export",
                        &mut self.out,
                    );
                    map.get_text("name")
                        .map(|name| (name, map.get_text("header"), map.get_text("format")))
                }
                _ => item.scalar_text().map(|name| (name, None, None)),
            };
            match column {
                Some((name, ..)) if columns.iter().any(|c| c.name == name) => {
                    let d = Diagnostic::error(
                        Code::Export,
                        format!("the column `{name}` is listed twice"),
                    );
                    self.out.push(d.primary(item.span, ""));
                }
                Some((name, header, format)) => {
                    columns.push(ExportColumn { name, header, format, span: item.span });
                }
                None => {
                    let d = Diagnostic::error(
                        Code::Export,
                        "a column is a name, or a mapping with a `name`",
                    );
                    self.out.push(d.primary(item.span, ""));
                }
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    fn read(kind: ExportType, text: &str) -> (Option<ExportTarget>, Vec<String>) {
        let tree = parse_yaml(FileId(0), text).value;
        let checked = read_export(kind, tree.as_map().unwrap(), tree.span);
        (checked.value, checked.diagnostics.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn fields_of_a_sheet() {
        let text = "spreadsheet: https://docs.google.com/spreadsheets/d/abc-1/edit#gid=0\nmode: upsert\nkey: a\n\
                    columns: [a, {name: b, header: B, format: '0.0'}]\n";
        let (target, messages) = read(ExportType::GoogleSheets, text);
        assert!(messages.is_empty(), "{messages:?}");
        let Some(ExportTarget::Sheet(sheet)) = target else { panic!("no sheet") };
        assert_eq!((&*sheet.spreadsheet, &*sheet.sheet), ("abc-1", "Sheet1"));
        assert_eq!(sheet.mode, SheetMode::Upsert(vec!["a".to_owned()]));
        assert_eq!(sheet.columns[1].header.as_deref(), Some("B"));
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        let (target, messages) = read(
            ExportType::GoogleSheets,
            "spreadsheet: ''\nmode: merge\nnan: 1\ncolumns: [a, a]\n",
        );
        assert_eq!(target, None);
        assert_eq!(messages.len(), 4, "{messages:?}");
        let (target, messages) = read(ExportType::Csv, "delimiter: ';;'\nheader: 1\n");
        assert_eq!((target, messages.len()), (None, 2));
    }

    #[test]
    fn type_and_model_are_needed() {
        let check = |text: &str| {
            let tree = parse_yaml(FileId(0), text).value;
            let checked = check_export(tree.as_map().unwrap(), tree.span);
            (checked.value, checked.diagnostics.len())
        };
        assert_eq!(check("{type: csv, model: x}"), (Some(ExportType::Csv), 0));
        assert_eq!(check("{type: xls, model: x}"), (None, 1));
        assert_eq!(check("{type: csv}"), (None, 1));
        assert_eq!(check("{type: csv, model: x, sheet: y}"), (Some(ExportType::Csv), 1));
    }
}
