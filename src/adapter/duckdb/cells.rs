//! DuckDB's values as cells.

use crate::engine::Cell;
use duckdb::types::{TimeUnit, Value};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

pub(super) fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Boolean(b) => Cell::Bool(b),
        Value::TinyInt(i) => Cell::Int(i.into()),
        Value::SmallInt(i) => Cell::Int(i.into()),
        Value::Int(i) => Cell::Int(i.into()),
        Value::BigInt(i) => Cell::Int(i),
        Value::HugeInt(i) => i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int),
        Value::UHugeInt(i) => i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int),
        Value::UTinyInt(i) => Cell::Int(i.into()),
        Value::USmallInt(i) => Cell::Int(i.into()),
        Value::UInt(i) => Cell::Int(i.into()),
        Value::UBigInt(i) => i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int),
        Value::Float(f) => Cell::Float(f.into()),
        Value::Double(f) => Cell::Float(f),
        Value::Decimal(d) => Cell::Decimal(d.to_string()),
        Value::Timestamp(unit, n) => timestamp(unit, n),
        Value::Text(s) | Value::Enum(s) => Cell::Text(s),
        Value::Blob(bytes) | Value::Geometry(bytes) => Cell::Text(crate::hash::hex(&bytes)),
        Value::Date32(days) => match Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(days)) {
            Ok(date) => Cell::Date(date.to_string()),
            Err(_) => Cell::Text(format!("{days} days since 1970-01-01")),
        },
        Value::Time64(unit, n) => time(unit, n),
        Value::Interval { months, days, nanos } => Cell::Text(interval(months, days, nanos)),
        other => Cell::Json(Box::new(json(other))),
    }
}

fn nanos(unit: TimeUnit, n: i64) -> i128 {
    let factor = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    i128::from(n) * factor
}

fn timestamp(unit: TimeUnit, n: i64) -> Cell {
    match Timestamp::from_nanosecond(nanos(unit, n)) {
        Ok(at) => {
            let at = at.to_zoned_datetime(TimeZone::UTC).datetime();
            Cell::Timestamp(at.to_string().replacen('T', " ", 1))
        }
        Err(_) => Cell::Text(n.to_string()),
    }
}

fn time(unit: TimeUnit, n: i64) -> Cell {
    let total = nanos(unit, n);
    let seconds = total / 1_000_000_000;
    let time = Time::new(
        (seconds / 3600) as i8,
        (seconds / 60 % 60) as i8,
        (seconds % 60) as i8,
        (total % 1_000_000_000) as i32,
    );
    time.map_or_else(|_| Cell::Text(n.to_string()), |t| Cell::Time(t.to_string()))
}

/// `1 year 2 months 3 days 04:05:06`, as DuckDB prints it.
fn interval(months: i32, days: i32, nanos: i64) -> String {
    let mut parts = Vec::new();
    let mut part = |n: i32, unit: &str| {
        if n != 0 {
            parts.push(format!("{n} {unit}{}", if n.abs() == 1 { "" } else { "s" }));
        }
    };
    part(months / 12, "year");
    part(months % 12, "month");
    part(days, "day");
    let micros = nanos / 1000;
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        let n = micros.unsigned_abs();
        let fraction = if n.is_multiple_of(1_000_000) { String::new() } else { format!(".{:06}", n % 1_000_000) };
        let seconds = n / 1_000_000;
        parts.push(format!("{sign}{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    }
    parts.join(" ")
}

fn json(value: Value) -> Json {
    match value {
        Value::List(items) | Value::Array(items) => Json::Array(items.into_iter().map(json).collect()),
        Value::Struct(fields) => {
            Json::Object(fields.iter().map(|(k, v)| (k.clone(), json(v.clone()))).collect::<Map<_, _>>())
        }
        Value::Map(pairs) => {
            Json::Object(pairs.iter().map(|(k, v)| (cell(k.clone()).display(), json(v.clone()))).collect::<Map<_, _>>())
        }
        Value::Union(inner) => json(*inner),
        other => cell(other).to_json(),
    }
}

/// A name for the type of a result's column, from its Arrow type.
pub(super) fn type_name(arrow: &duckdb::arrow::datatypes::DataType) -> String {
    use duckdb::arrow::datatypes::DataType as T;
    match arrow {
        T::Boolean => "BOOLEAN".to_owned(),
        T::Int8 => "TINYINT".to_owned(),
        T::Int16 => "SMALLINT".to_owned(),
        T::Int32 => "INTEGER".to_owned(),
        T::Int64 => "BIGINT".to_owned(),
        T::UInt8 => "UTINYINT".to_owned(),
        T::UInt16 => "USMALLINT".to_owned(),
        T::UInt32 => "UINTEGER".to_owned(),
        T::UInt64 => "UBIGINT".to_owned(),
        T::Float32 => "FLOAT".to_owned(),
        T::Float64 => "DOUBLE".to_owned(),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "VARCHAR".to_owned(),
        T::Date32 | T::Date64 => "DATE".to_owned(),
        T::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        T::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        T::Time32(_) | T::Time64(_) => "TIME".to_owned(),
        T::Decimal128(38, 0) => "HUGEINT".to_owned(),
        T::Decimal128(p, s) => format!("DECIMAL({p},{s})"),
        T::Interval(_) => "INTERVAL".to_owned(),
        T::Binary | T::LargeBinary => "BLOB".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}
