//! The rows of a seed, inserted one after the other in one transaction.

use super::errors::engine_error;
use super::{Sqlite, catalog, runtime_error};
use crate::engine::sqlite::{DIALECT, SPEC};
use crate::engine::{EngineError, Load, Loaded, SqlType, Warehouse};
use rusqlite::types::Value;

pub(super) fn load(sqlite: &mut Sqlite, load: &mut Load<'_>) -> Result<Loaded, EngineError> {
    let kinds = kinds_of(sqlite, load)?;
    let marks = vec!["?"; load.columns.len()].join(", ");
    let sql = format!("insert into {} values ({marks})", load.place(DIALECT));
    let own = !sqlite.in_transaction();
    if own {
        sqlite.begin()?;
    }
    let inserted = insert_all(sqlite, &sql, &kinds, load);
    match (own, &inserted) {
        (true, Ok(_)) => sqlite.batch("commit")?,
        (true, Err(_)) => sqlite.rollback()?,
        (false, _) => {}
    }
    Ok(Loaded { rows: Some(inserted?), executed: vec![sql] })
}

/// The types that the table declares, in the order of the file.
fn kinds_of(sqlite: &Sqlite, load: &Load<'_>) -> Result<Vec<SqlType>, EngineError> {
    let columns = catalog::columns(sqlite, load.table)?;
    let kind = |name: &String| {
        let name = name.trim_matches('"').replace("\"\"", "\"");
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
        found.map_or(SqlType::Other(String::new()), |c| (SPEC.types.read)(&c.data_type))
    };
    Ok(load.columns.iter().map(kind).collect())
}

fn insert_all(
    sqlite: &Sqlite,
    sql: &str,
    kinds: &[SqlType],
    load: &mut Load<'_>,
) -> Result<u64, EngineError> {
    let mut statement = sqlite.connection.prepare(sql).map_err(|e| engine_error(&e))?;
    let mut count = 0;
    while load.rows.next_row().map_err(|e| runtime_error(e.to_string()))? {
        let value = |(i, kind)| {
            let text = load.rows.value(i)?;
            Some(value_of(String::from_utf8_lossy(&text).into_owned(), kind))
        };
        let values: Vec<Option<Value>> = kinds.iter().enumerate().map(value).collect();
        statement.execute(rusqlite::params_from_iter(values)).map_err(|e| engine_error(&e))?;
        count += 1;
    }
    Ok(count)
}

/// A text as its column stores it: the affinity of the column turns numbers into numbers, and knows
/// no truth values.
fn value_of(text: String, kind: &SqlType) -> Value {
    match (kind, text.trim().to_ascii_lowercase().as_str()) {
        (SqlType::Boolean, "true" | "t" | "yes" | "y" | "1") => Value::Integer(1),
        (SqlType::Boolean, "false" | "f" | "no" | "n" | "0") => Value::Integer(0),
        _ => Value::Text(text),
    }
}
