//! Builds on SQLite, and what is special about it: no dates and decimals, one writer, schemas that
//! are files, words in double quotes that are texts.

mod builds;
mod differential;
mod faults;
mod macros;
mod users;

use crate::project::Project;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

/// The file of the schema `main`.
const FILE: &str = "shop.db";

const PROFILES: &str = "shop: {target: dev, outputs: {dev: {type: sqlite, threads: 2, database: shop, schema: main, schemas_and_paths: {main: shop.db}}}}\n";

/// A project with a profile for SQLite.
pub(crate) fn project(files: &[(&str, &str)]) -> Project {
    let mut all = files.to_vec();
    all.push(("profiles.yml", PROFILES));
    Project::new(&all)
}

/// Opens the file as another program would.
pub(crate) fn database(p: &Project) -> Connection {
    Connection::open(p.path().join(FILE)).unwrap()
}

/// Writes to the file as another program would.
pub(crate) fn run_sql(p: &Project, sql: &str) {
    database(p).execute_batch(sql).unwrap();
}

/// Runs a query and returns its rows as text, with columns joined by `|`.
pub(crate) fn rows(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let width = statement.column_count();
    let line = |row: &Row<'_>| {
        let cells = (0..width).map(|i| cell(row, i).unwrap_or("null".to_owned()));
        Ok(cells.collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], line).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A value as text; `None` for null.
fn cell(row: &Row<'_>, at: usize) -> Option<String> {
    match row.get_ref(at).unwrap() {
        ValueRef::Null => None,
        ValueRef::Integer(i) => Some(i.to_string()),
        ValueRef::Real(f) => Some(f.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("{bytes:?}")),
    }
}

/// The version that `--version` and the manifest report is that of the library.
#[test]
fn the_version_is_that_of_the_library() {
    let ran = project(&[]).ok(&["--version"]);
    assert!(ran.out.contains(&format!("SQLite {}", rusqlite::version())), "{}", ran.out);
}
