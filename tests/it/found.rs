//! Reads the relations in a database, in a form in which two engines can be compared.

use crate::project::{Project, Ran};
use duckdb::Connection;
use std::collections::BTreeMap;
use std::path::Path;

/// A relation with its columns and types. The order of the rows does not depend on the engine.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// Makes a relation from lines in the form of `packed`.
pub(crate) fn table(lines: Vec<String>, columns: Vec<(String, String)>) -> Found {
    let split = |line: String| -> Vec<Option<String>> {
        line.split('\u{1}').map(|cell| (cell != "\u{2}").then(|| cell.to_owned())).collect()
    };
    let mut rows: Vec<Vec<Option<String>>> = lines.into_iter().map(split).collect();
    // Numbers that differ in the last digits must not change places.
    rows.sort_by_cached_key(|row| {
        row.iter().map(|c| c.as_deref().map(rounded)).collect::<Vec<_>>()
    });
    Found { columns, rows }
}

fn rounded(cell: &str) -> String {
    cell.parse::<f64>()
        .map_or_else(|_| cell.to_owned(), |n| format!("{n:.6}").replace("-0.000000", "0.000000"))
}

/// A SQL expression for a row as one text: cells are separated by \u{1}, and null is \u{2}.
pub(crate) fn packed(columns: &[(String, String)], text: &str) -> String {
    let cell =
        |(name, _): &(String, String)| format!("coalesce(cast(\"{name}\" as {text}), chr(2))");
    columns.iter().map(cell).collect::<Vec<_>>().join(" || chr(1) || ")
}

pub(crate) fn on_duckdb(file: &Path) -> BTreeMap<String, Found> {
    let db = Connection::open(file).unwrap();
    let read = |sql: &str| crate::project::rows(&db, sql);
    let mut out = BTreeMap::new();
    for name in read(
        "select schema_name || '.' || table_name from (select schema_name, table_name from duckdb_tables() union all select schema_name, view_name from duckdb_views() where not internal)",
    ) {
        let (schema, table_name) = name.split_once('.').unwrap();
        let columns: Vec<(String, String)> = read(&format!(
            "select column_name || '|' || data_type from duckdb_columns() where schema_name = '{schema}' and table_name = '{table_name}' order by column_index"
        ))
        .iter()
        .map(|l| l.split_once('|').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap())
        .collect();
        let lines = read(&format!(
            "select {} from \"{schema}\".\"{table_name}\"",
            packed(&columns, "varchar")
        ));
        let short = if schema == "main" {
            table_name.to_owned()
        } else {
            format!("{}.{table_name}", schema.trim_start_matches("main_"))
        };
        out.insert(short, table(lines, columns));
    }
    out
}

/// Runs a command if it may change a database.
pub(crate) fn builds(p: &Project, args: &[String]) -> Option<Ran> {
    let verb = args.iter().find(|a| !a.starts_with('-'))?;
    let builds = ["build", "run", "seed", "snapshot", "test"].contains(&verb.as_str());
    builds.then(|| p.run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
}
