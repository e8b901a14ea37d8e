//! Converts DuckDB's values to cells.

use crate::engine::Cell;
use duckdb::types::{TimeUnit, Value};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

/// Converts a value of a column; timestamps with a time zone are shown in UTC.
pub(super) fn decode_cell(value: Value, data_type: &str) -> Cell {
    match plain_cell(value) {
        Cell::Timestamp(text) if data_type == ZONED => Cell::Timestamp(format!("{text}+00:00")),
        other => other,
    }
}

const ZONED: &str = "TIMESTAMP WITH TIME ZONE";

fn plain_cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Boolean(b) => Cell::Bool(b),
        Value::TinyInt(i) => Cell::Int(i.into()),
        Value::SmallInt(i) => Cell::Int(i.into()),
        Value::Int(i) => Cell::Int(i.into()),
        Value::BigInt(i) => Cell::Int(i),
        Value::HugeInt(i) => {
            i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int)
        }
        Value::UHugeInt(i) => {
            i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int)
        }
        Value::UTinyInt(i) => Cell::Int(i.into()),
        Value::USmallInt(i) => Cell::Int(i.into()),
        Value::UInt(i) => Cell::Int(i.into()),
        Value::UBigInt(i) => {
            i64::try_from(i).map_or_else(|_| Cell::Decimal(i.to_string()), Cell::Int)
        }
        Value::Float(f) => Cell::Float(f.into()),
        Value::Double(f) => Cell::Float(f),
        Value::Decimal(d) => Cell::Decimal(d.to_string()),
        Value::Timestamp(unit, n) => timestamp(unit, n),
        Value::Text(s) | Value::Enum(s) => Cell::Text(s),
        Value::Blob(bytes) | Value::Geometry(bytes) => Cell::Text(crate::hash::hex(&bytes)),
        Value::Date32(i32::MAX) => Cell::Text("infinity".to_owned()),
        Value::Date32(days) if days == -i32::MAX => Cell::Text("-infinity".to_owned()),
        Value::Date32(days) => {
            let span = jiff::Span::new().try_days(days);
            match span.and_then(|span| Date::constant(1970, 1, 1).checked_add(span)) {
                Ok(date) if date.year() > 0 => Cell::Date(date.to_string()),
                _ => Cell::Text(far_date(days.into())),
            }
        }
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
    let at = Timestamp::from_nanosecond(nanos(unit, n))
        .map(|at| at.to_zoned_datetime(TimeZone::UTC).datetime());
    match at {
        Ok(at) if at.year() > 0 => Cell::Timestamp(at.to_string().replacen('T', " ", 1)),
        _ if n == i64::MAX => Cell::Text("infinity".to_owned()),
        _ if n == -i64::MAX => Cell::Text("-infinity".to_owned()),
        _ => {
            let (day, rest) = (86_400_000_000_000, nanos(unit, n));
            let time = time(TimeUnit::Nanosecond, rest.rem_euclid(day) as i64).display();
            Cell::Text(format!("{} {time}", far_date(rest.div_euclid(day) as i64)))
        }
    }
}

/// Formats a date outside of the years 1 to 9999 as DuckDB does. The algorithm is Howard Hinnant's
/// `civil_from_days`.
fn far_date(days: i64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        1.. => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{:04}-{month:02}-{day:02} (BC)", 1 - year),
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

/// Formats an interval as DuckDB does: `1 year 2 months 3 days 04:05:06`.
fn interval(months: i32, days: i32, nanos: i64) -> String {
    let counts = [(months / 12, "year"), (months % 12, "month"), (days, "day")];
    let counts = counts.into_iter().filter(|(n, _)| *n != 0);
    let mut parts: Vec<String> = counts.map(|(n, unit)| count_units(n, unit)).collect();
    let micros = nanos / 1000;
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        let n = micros.unsigned_abs();
        let fraction = if n.is_multiple_of(1_000_000) {
            String::new()
        } else {
            format!(".{:06}", n % 1_000_000)
        };
        let seconds = n / 1_000_000;
        parts.push(format!(
            "{sign}{:02}:{:02}:{:02}{fraction}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ));
    }
    parts.join(" ")
}

fn count_units(n: i32, unit: &str) -> String {
    format!("{n} {unit}{}", if n.abs() == 1 { "" } else { "s" })
}

fn json(value: Value) -> Json {
    match value {
        Value::List(items) | Value::Array(items) => {
            Json::Array(items.into_iter().map(json).collect())
        }
        Value::Struct(fields) => Json::Object(
            fields.iter().map(|(k, v)| (k.clone(), json(v.clone()))).collect::<Map<_, _>>(),
        ),
        Value::Map(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(k, v)| (plain_cell(k.clone()).display(), json(v.clone())))
                .collect::<Map<_, _>>(),
        ),
        Value::Union(inner) => json(*inner),
        other => plain_cell(other).to_json(),
    }
}

/// The type name of a result's column, from its Arrow type.
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
        T::Timestamp(_, Some(_)) => ZONED.to_owned(),
        T::Time32(_) | T::Time64(_) => "TIME".to_owned(),
        T::Decimal128(38, 0) => "HUGEINT".to_owned(),
        T::Decimal128(p, s) => format!("DECIMAL({p},{s})"),
        T::Interval(_) => "INTERVAL".to_owned(),
        T::Binary | T::LargeBinary => "BLOB".to_owned(),
        other => other.to_string().to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_far_away_are_printed_as_duckdb_does() {
        let text = |v: Value| match plain_cell(v) {
            Cell::Text(s) | Cell::Date(s) | Cell::Timestamp(s) => s,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(Value::Date32(17_542_597)), "50000-01-01");
        assert_eq!(text(Value::Date32(-4_000_000)), "8983-05-17 (BC)");
        assert_eq!(text(Value::Date32(0)), "1970-01-01");
        assert_eq!(text(Value::Date32(i32::MAX)), "infinity");
        assert_eq!(text(Value::Timestamp(TimeUnit::Microsecond, -i64::MAX)), "-infinity");
        assert_eq!(
            text(Value::Timestamp(TimeUnit::Microsecond, 1_515_680_424_000_000_000)),
            "50000-01-01 12:00:00"
        );
    }
}
