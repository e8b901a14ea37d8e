//! Inserts the rows of a seed one by one, in one transaction.

use super::errors::engine_error;
use super::{Sqlite, catalog, runtime_error};
use crate::engine::sqlite::{DIALECT, SPEC};
use crate::engine::{EngineError, ExistingColumn, SeedLoad, SeedLoadReport, SqlType, Warehouse};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use rusqlite::types::Value;

pub(super) fn load_seed(
    sqlite: &mut Sqlite,
    load: &mut SeedLoad<'_>,
) -> Result<SeedLoadReport, EngineError> {
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
    Ok(SeedLoadReport { rows: Some(inserted?), executed: vec![sql] })
}

/// A column as the table declares it.
struct SeedColumnType {
    name: String,
    data_type: String,
    kind: SqlType,
}

impl SeedColumnType {
    /// The column with this name, quoted or not. It has no type if the table lacks it.
    fn of_name(name: &str, columns: &[ExistingColumn]) -> SeedColumnType {
        let name = name.trim_matches('"').replace("\"\"", "\"");
        let found = columns.iter().find(|c| c.name.eq_ignore_ascii_case(&name));
        let data_type = found.map(|c| c.data_type.clone()).unwrap_or_default();
        let kind = (SPEC.types.read)(&data_type);
        SeedColumnType { name, data_type, kind }
    }
}

/// The columns in the order of the file.
fn columns_of(sqlite: &Sqlite, load: &SeedLoad<'_>) -> Result<Vec<SeedColumnType>, EngineError> {
    let columns = catalog::list_columns(sqlite, load.table)?;
    Ok(load.columns.iter().map(|name| SeedColumnType::of_name(name, &columns)).collect())
}

fn insert_all(
    sqlite: &Sqlite,
    sql: &str,
    columns: &[SeedColumnType],
    load: &mut SeedLoad<'_>,
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

/// The values of the current row; `number` is its position in the file, for messages.
fn read_row(
    load: &SeedLoad<'_>,
    columns: &[SeedColumnType],
    number: u64,
) -> Result<Vec<Value>, EngineError> {
    let mut values = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        let Some(text) = load.rows.value(i) else {
            values.push(Value::Null);
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        let Some(value) = value_of(&text, &column.kind) else {
            let SeedColumnType { name, data_type, .. } = column;
            return Err(runtime_error(format!(
                "row {number}, column {name}: `{text}` is not of the type {data_type}"
            )));
        };
        values.push(value);
    }
    Ok(values)
}

/// The value to store for a text; `None` if the text does not fit the column's type. SQLite would
/// accept any text: affinities convert numbers, but know no booleans and no times.
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

/// Parses an integer that fits into `bits` bits; `1.0` is accepted too.
fn whole(text: &str, bits: u16) -> Option<i64> {
    let number = text.parse::<i64>().ok().or_else(|| {
        let number = number(text).filter(|n| n.fract() == 0.0 && n.abs() < 9e15)?;
        Some(number as i64)
    })?;
    let limit = 1_i64.checked_shl(u32::from(bits) - 1).filter(|_| bits < 64);
    limit.is_none_or(|limit| (-limit..limit).contains(&number)).then_some(number)
}

/// Parses a finite number.
fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

/// Parses a number and rounds it to the declared scale; `None` if it has more digits before the
/// point than the type allows. Without a declared scale, the text itself is stored.
fn decimal(text: &str, digits: Option<(u16, u16)>) -> Option<Value> {
    let value = number(text)?;
    let Some((all, scale)) = digits else { return Some(Value::Text(text.to_owned())) };
    let rounded: f64 = format!("{value:.*}", usize::from(scale)).parse().ok()?;
    let is_small = rounded.abs() < 10_f64.powi(i32::from(all) - i32::from(scale));
    is_small.then_some(Value::Real(rounded))
}

/// Parses a date such as `2024-01-31`, or the date of a timestamp.
fn day(text: &str) -> Option<Date> {
    moment(text).map(DateTime::date)
}

/// Parses a timestamp with or without a time of day; an offset is converted to UTC.
fn moment(text: &str) -> Option<DateTime> {
    // Texts without hyphens count as numbers, even if a parser would accept them as dates.
    if !text.contains('-') {
        return None;
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Some(Offset::UTC.to_datetime(at)),
        Err(_) => text.parse::<DateTime>().ok(),
    }
}

/// Formats a timestamp as SQLite's own functions do.
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
