//! The rows of a seed, inserted one after the other in one transaction.

use super::errors::engine_error;
use super::{Sqlite, catalog, runtime_error};
use crate::engine::sqlite::{DIALECT, SPEC};
use crate::engine::{EngineError, Load, Loaded, SqlType, Warehouse};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use rusqlite::types::Value;

pub(super) fn load(sqlite: &mut Sqlite, load: &mut Load<'_>) -> Result<Loaded, EngineError> {
    let columns = columns_of(sqlite, load)?;
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!("insert into {} values ({marks})", load.place(DIALECT));
    let own = !sqlite.in_transaction();
    if own {
        sqlite.begin()?;
    }
    let inserted = insert_all(sqlite, &sql, &columns, load);
    match (own, &inserted) {
        (true, Ok(_)) => sqlite.batch("commit")?,
        (true, Err(_)) => sqlite.rollback()?,
        (false, _) => {}
    }
    Ok(Loaded { rows: Some(inserted?), executed: vec![sql] })
}

/// A column as the table declares it.
struct Declared {
    name: String,
    data_type: String,
    kind: SqlType,
}

/// The columns in the order of the file.
fn columns_of(sqlite: &Sqlite, load: &Load<'_>) -> Result<Vec<Declared>, EngineError> {
    let columns = catalog::columns(sqlite, load.table)?;
    let declared = |name: &String| {
        let name = name.trim_matches('"').replace("\"\"", "\"");
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
        let data_type = found.map(|c| c.data_type.clone()).unwrap_or_default();
        let kind = (SPEC.types.read)(&data_type);
        Declared { name, data_type, kind }
    };
    Ok(load.columns.iter().map(declared).collect())
}

fn insert_all(
    sqlite: &Sqlite,
    sql: &str,
    columns: &[Declared],
    load: &mut Load<'_>,
) -> Result<u64, EngineError> {
    let mut statement = sqlite.connection.prepare(sql).map_err(|e| engine_error(&e))?;
    let mut count = 0;
    while load.rows.next_row().map_err(|e| runtime_error(e.to_string()))? {
        count += 1;
        let value = |(i, column): (usize, &Declared)| {
            let Some(text) = load.rows.value(i) else { return Ok(Value::Null) };
            let text = String::from_utf8_lossy(&text);
            let misfit = || {
                let Declared { name, data_type, .. } = column;
                runtime_error(format!("row {count}, column {name}: `{text}` is no {data_type}"))
            };
            value_of(&text, &column.kind).ok_or_else(misfit)
        };
        let values: Vec<Value> =
            columns.iter().enumerate().map(value).collect::<Result<_, EngineError>>()?;
        statement.execute(rusqlite::params_from_iter(values)).map_err(|e| engine_error(&e))?;
    }
    Ok(count)
}

/// A text as its column stores it, which would take any; none if it is not of the column's type. The
/// affinity of the column makes numbers of numbers, and knows no truth values.
fn value_of(text: &str, kind: &SqlType) -> Option<Value> {
    let trimmed = text.trim();
    let fits = match kind {
        SqlType::Boolean => {
            return match trimmed.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" => Some(Value::Integer(1)),
                "false" | "f" | "no" | "n" | "0" => Some(Value::Integer(0)),
                _ => None,
            };
        }
        SqlType::Integer { .. } => trimmed.parse::<i64>().is_ok(),
        SqlType::Float { .. } | SqlType::Decimal { .. } => trimmed.parse::<f64>().is_ok(),
        SqlType::Date => trimmed.parse::<Date>().is_ok(),
        SqlType::Timestamp { .. } => {
            trimmed.parse::<DateTime>().is_ok() || trimmed.parse::<Timestamp>().is_ok()
        }
        _ => true,
    };
    fits.then(|| Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_their_types() {
        let stored = |text: &str, data_type: &str| value_of(text, &(SPEC.types.read)(data_type));
        assert_eq!(stored("True", "boolean"), Some(Value::Integer(1)));
        assert_eq!(stored("soon", "boolean"), None);
        let as_it_is = [
            ("12", "integer"),
            ("-1.5e3", "real"),
            ("1.50", "decimal(18,2)"),
            ("2024-01-31", "date"),
            ("2024-01-31 10:00:00", "timestamp"),
            ("2024-01-31T10:00:00Z", "timestamp"),
            ("007", "varchar(9)"),
            ("anything", "hstore"),
        ];
        for (text, data_type) in as_it_is {
            assert_eq!(stored(text, data_type), Some(Value::Text(text.to_owned())), "{text}");
        }
        for (text, data_type) in
            [("x", "integer"), ("1.5", "bigint"), ("a", "numeric"), ("2024", "date")]
        {
            assert_eq!(stored(text, data_type), None, "{text} as {data_type}");
        }
    }
}
