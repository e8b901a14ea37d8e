//! Overrides of packages' sources by other packages (`overrides:`, which dbt has deprecated).
//!
//! In: what all properties files say of sources. Out: a source as it is after its override. As in
//! dbt 1.11, a key that is written replaces the package's; `config` and `freshness` of an
//! overridden source, and `quoting` and `freshness` of an overridden table, are replaced even if
//! the override does not have them.

use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::hash::{FastMap, FastSet};
use crate::parse::{
    ParsedProject, ParsedSource, ParsedTest, Properties, SourceOverride, TableOverride, TestTarget,
};
use crate::source::Span;
use std::borrow::Cow;

pub(super) struct Overrides<'a> {
    /// The overrides by package and source.
    by_source: FastMap<(&'a str, &'a str), &'a SourceOverride>,
}

impl<'a> Overrides<'a> {
    pub(super) fn new(parsed: &'a ParsedProject, out: &mut Vec<Diagnostic>) -> Overrides<'a> {
        let mut by_source: FastMap<(&str, &str), &SourceOverride> = FastMap::default();
        for change in parsed.properties.iter().flat_map(|file| &file.overrides) {
            if let Some(first) = by_source.insert((&change.package, &change.source), change) {
                let message = format!(
                    "the source `{}` of `{}` is overridden twice",
                    change.source, change.package
                );
                let d = Diagnostic::error(Code::DuplicateName, message)
                    .primary(change.span, "again here");
                out.push(d.secondary(first.span, "first here").help("override it in one place"));
            }
        }
        if !by_source.is_empty() {
            warn_unused(parsed, by_source.values().copied(), out);
        }
        Overrides { by_source }
    }

    /// A source table with its override applied.
    pub(super) fn apply<'s>(
        &self,
        package: &str,
        parsed: &'s ParsedSource,
    ) -> Cow<'s, ParsedSource> {
        let Some(change) = self.by_source.get(&(package, &*parsed.source)) else {
            return Cow::Borrowed(parsed);
        };
        let of_source = change.map.without(&["name", "overrides", "tables"]);
        let mut changed = parsed.clone();
        changed.source_map =
            parsed.source_map.without(&["config", "freshness"]).overridden_by(&of_source);
        if let Some(table) = table(change, &parsed.table) {
            changed.table_map =
                parsed.table_map.without(&["quoting", "freshness"]).overridden_by(&table.map);
            if table.map.get("columns").is_some() {
                changed.columns = table.columns.clone();
            }
        }
        Cow::Owned(changed)
    }

    /// Whether an override replaces a test that a package has on its own source.
    pub(super) fn replace(&self, file: &Properties, test: &ParsedTest) -> bool {
        let TestTarget::Source { source, table: name } = &test.target else { return false };
        if file.package != test.package {
            return false;
        }
        let change = self.by_source.get(&(&*file.package, &**source));
        change.and_then(|change| table(change, name)).is_some_and(|table| match test.column {
            Some(_) => table.map.get("columns").is_some(),
            None => table.map.get_any(&["data_tests", "tests"]).is_some(),
        })
    }
}

fn table<'a>(change: &'a SourceOverride, name: &str) -> Option<&'a TableOverride> {
    change.tables.iter().find(|table| &*table.table == name)
}

fn warn_unused<'a>(
    parsed: &ParsedProject,
    changes: impl Iterator<Item = &'a SourceOverride>,
    out: &mut Vec<Diagnostic>,
) {
    let mut sources: FastSet<(&str, &str)> = FastSet::default();
    let mut tables: FastSet<(&str, &str, &str)> = FastSet::default();
    for file in &parsed.properties {
        for source in &file.sources {
            sources.insert((&file.package, &source.source));
            tables.insert((&file.package, &source.source, &source.table));
        }
    }
    for change in changes {
        let (package, source) = (&*change.package, &*change.source);
        if !sources.contains(&(package, source)) {
            let message = format!("`{package}` has no source `{source}` to override");
            out.push(unused_override(message, change.span));
            continue;
        }
        for table in change.tables.iter().filter(|t| !tables.contains(&(package, source, &t.table)))
        {
            let message = format!(
                "the source `{source}` of `{package}` has no table `{}` to override",
                table.table
            );
            out.push(unused_override(message, table.span));
        }
    }
}

fn unused_override(message: String, span: Span) -> Diagnostic {
    Diagnostic::dbt_warning(Code::UnknownNode, DbtEvent::UnusedTables, message)
        .primary(span, "overridden here")
}
