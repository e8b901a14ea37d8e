//! The rows of a seed, inserted one after the other in one transaction.

use super::errors::engine_error;
use super::{Sqlite, catalog, runtime_error};
use crate::engine::sqlite::{DIALECT, SPEC};
use crate::engine::{EngineError, ExistingColumn, Load, Loaded, SqlType, Warehouse};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use rusqlite::types::Value;

pub(super) fn load_seed(sqlite: &mut Sqlite, load: &mut Load<'_>) -> Result<Loaded, EngineError> {
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

impl Declared {
    /// The column of a name, quoted or not; one that the table does not have is of no type.
    fn of_name(name: &str, columns: &[ExistingColumn]) -> Declared {
        let name = name.trim_matches('"').replace("\"\"", "\"");
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
        let data_type = found.map(|c| c.data_type.clone()).unwrap_or_default();
        let kind = (SPEC.types.read)(&data_type);
        Declared { name, data_type, kind }
    }
}

/// The columns in the order of the file.
fn columns_of(sqlite: &Sqlite, load: &Load<'_>) -> Result<Vec<Declared>, EngineError> {
    let columns = catalog::list_columns(sqlite, load.table)?;
    Ok(load.columns.iter().map(|name| Declared::of_name(name, &columns)).collect())
}

fn insert_all(
    sqlite: &Sqlite,
    sql: &str,
    columns: &[Declared],
    load: &mut Load<'_>,
) -> Result<u64, EngineError> {
    let mut statement = sqlite.prepare(sql)?;
    let mut count = 0;
    while load.rows.next_row().map_err(|e| runtime_error(e.to_string()))? {
        count += 1;
        let values = read_row(load, columns, count)?;
        statement.execute(rusqlite::params_from_iter(values)).map_err(engine_error)?;
    }
    Ok(count)
}

/// The values of the row that was read last; `number` is its place in the file, for messages.
fn read_row(load: &Load<'_>, columns: &[Declared], number: u64) -> Result<Vec<Value>, EngineError> {
    let mut values = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        let Some(text) = load.rows.value(i) else {
            values.push(Value::Null);
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        let Some(value) = value_of(&text, &column.kind) else {
            let Declared { name, data_type, .. } = column;
            return Err(runtime_error(format!(
                "row {number}, column {name}: `{text}` is not of the type {data_type}"
            )));
        };
        values.push(value);
    }
    Ok(values)
}

/// A text as its column stores it, which would take any; none if it is not of the column's type. The
/// affinity of the column makes numbers of numbers, and knows no truth values and no times.
fn value_of(text: &str, kind: &SqlType) -> Option<Value> {
    let trimmed = text.trim();
    match kind {
        SqlType::Boolean => boolean(trimmed).map(|b| Value::Integer(i64::from(b))),
        SqlType::Integer { bits, .. } => whole(trimmed, *bits).map(Value::Integer),
        SqlType::Float { .. } => number(trimmed).map(Value::Real),
        SqlType::Decimal { digits } => decimal(trimmed, *digits),
        SqlType::Date => day(trimmed).map(|date| Value::Text(date.to_string())),
        SqlType::Timestamp { .. } => moment(trimmed).map(|at| Value::Text(text_of(at))),
        SqlType::Time => trimmed.parse::<Time>().ok().map(|_| Value::Text(trimmed.to_owned())),
        _ => Some(Value::Text(text.to_owned())),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number of so many bits, also written as `1.0`.
fn whole(text: &str, bits: u16) -> Option<i64> {
    let number = text.parse::<i64>().ok().or_else(|| {
        let number = number(text).filter(|n| n.fract() == 0.0 && n.abs() < 9e15)?;
        Some(number as i64)
    })?;
    let limit = 1_i64.checked_shl(u32::from(bits) - 1).filter(|_| bits < 64);
    limit.is_none_or(|limit| (-limit..limit).contains(&number)).then_some(number)
}

/// A number that there is: neither infinite nor none.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// A double, rounded to the digits behind the point, of which it has no more before it than the type
/// allows.
fn decimal(text: &str, digits: Option<(u16, u16)>) -> Option<Value> {
    let value = number(text)?;
    let Some((all, scale)) = digits else { return Some(Value::Text(text.to_owned())) };
    let rounded: f64 = format!("{value:.*}", usize::from(scale)).parse().ok()?;
    let is_small = rounded.abs() < 10_f64.powi(i32::from(all) - i32::from(scale));
    is_small.then_some(Value::Real(rounded))
}

/// A day as `2024-01-31`; of a time, its day.
fn day(text: &str) -> Option<Date> {
    moment(text).map(DateTime::date)
}

/// A time with or without its hours; one with an offset in UTC.
fn moment(text: &str) -> Option<DateTime> {
    // Without hyphens it is a number, whoever else reads a date in it.
    if !text.contains('-') {
        return None;
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Some(Offset::UTC.to_datetime(at)),
        Err(_) => text.parse::<DateTime>().ok(),
    }
}

/// As SQLite's own functions write it.
fn text_of(at: DateTime) -> String {
    at.to_string().replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str, data_type: &str) -> Option<Value> {
        value_of(text, &(SPEC.types.read)(data_type))
    }

    #[test]
    fn values_have_one_form_each() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (written, data_type, value) in [
            ("True", "boolean", Value::Integer(1)),
            ("12", "integer", Value::Integer(12)),
            ("1.0", "bigint", Value::Integer(1)),
            ("127", "tinyint", Value::Integer(127)),
            ("-1.5e3", "real", Value::Real(-1500.0)),
            ("1.239", "numeric(5,2)", Value::Real(1.24)),
            ("2024-01-31", "date", text("2024-01-31")),
            ("2024-01-31 10:00:00", "date", text("2024-01-31")),
            ("2024-01-31", "timestamp", text("2024-01-31 00:00:00")),
            ("2024-01-31T10:00", "timestamp", text("2024-01-31 10:00:00")),
            ("2024-01-31 10:00:00+02:00", "timestamp", text("2024-01-31 08:00:00")),
            ("2024-01-31T10:00:00Z", "timestamp", text("2024-01-31 10:00:00")),
            ("10:30:00", "time", text("10:30:00")),
            ("007", "varchar(9)", text("007")),
            ("anything", "hstore", text("anything")),
        ] {
            assert_eq!(stored(written, data_type), Some(value), "{written} as {data_type}");
        }
    }

    #[test]
    fn what_is_not_of_its_type_is_refused() {
        for (text, data_type) in [
            ("soon", "boolean"),
            ("x", "integer"),
            ("1.5", "bigint"),
            ("300", "tinyint"),
            ("70000", "smallint"),
            ("nan", "double"),
            ("1e400", "double"),
            ("a", "numeric"),
            ("123456.7", "numeric(5,2)"),
            ("2024", "date"),
            ("20240105", "date"),
            ("soon", "timestamp"),
            ("25:00:00", "time"),
        ] {
            assert_eq!(stored(text, data_type), None, "{text} as {data_type}");
        }
    }
}
