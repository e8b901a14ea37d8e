//! SQL functions that other engines have and SQLite lacks, for dates and texts. Mathematical
//! functions are compiled in (`.cargo/config.toml`).
//!
//! Dates and times are ISO texts. A date stays a date as long as only whole days are added or
//! truncated.

use crate::hash::md5_hex;
use fancy_regex::Regex;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::{Span, Timestamp};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use std::sync::Arc;

pub(super) fn register_functions(connection: &Connection) -> Result<()> {
    register_dates(connection)?;
    register_texts(connection)
}

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// The error for an invalid argument.
fn wrong(message: impl Into<String>) -> Error {
    Error::UserFunctionError(message.into().into())
}

fn register_dates(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("date_trunc", 2, FLAGS, |c| {
        let Some(at) = moment(c, 1)? else { return Ok(None) };
        let unit = unit(c, 0)?;
        Ok(Some(truncate(at, unit).ok_or_else(|| out_of_range(c, 1))?.text()))
    })?;
    connection.create_scalar_function("dateadd", 3, FLAGS, |c| {
        let (Some(count), Some(at)) = (c.get::<Option<i64>>(1)?, moment(c, 2)?) else {
            return Ok(None);
        };
        let unit = unit(c, 0)?;
        Ok(Some(add(at, unit, count).ok_or_else(|| out_of_range(c, 2))?.text()))
    })?;
    connection.create_scalar_function("datediff", 3, FLAGS, |c| {
        let (Some(from), Some(to)) = (moment(c, 1)?, moment(c, 2)?) else { return Ok(None) };
        let unit = unit(c, 0)?;
        Ok(Some(boundaries(to.at, unit) - boundaries(from.at, unit)))
    })
}

/// A part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn parse(text: &str) -> Option<Unit> {
        Some(match text.trim_end_matches('s') {
            "microsecond" => Unit::Microsecond,
            "millisecond" => Unit::Millisecond,
            "second" => Unit::Second,
            "minute" => Unit::Minute,
            "hour" => Unit::Hour,
            "day" => Unit::Day,
            "week" => Unit::Week,
            "month" => Unit::Month,
            "quarter" => Unit::Quarter,
            "year" => Unit::Year,
            _ => return None,
        })
    }

    fn is_of_days(self) -> bool {
        matches!(self, Unit::Day | Unit::Week | Unit::Month | Unit::Quarter | Unit::Year)
    }
}

fn unit(c: &Context<'_>, argument: usize) -> Result<Unit> {
    let text = c.get::<String>(argument)?.to_ascii_lowercase();
    Unit::parse(&text).ok_or_else(|| wrong(format!("`{text}` is not a part of a date")))
}

/// A date, or a date with a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    at: DateTime,
    is_date: bool,
}

impl Moment {
    /// Parses ISO text; a time with an offset is converted to UTC.
    fn parse(text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Ok(date) = text.parse::<Date>()
            && text.len() <= 10
        {
            return Some(Moment { at: date.to_datetime(Default::default()), is_date: true });
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            let at = jiff::tz::TimeZone::UTC.to_datetime(at);
            return Some(Moment { at, is_date: false });
        }
        Some(Moment { at: text.parse::<DateTime>().ok()?, is_date: false })
    }

    fn text(self) -> String {
        if self.is_date {
            self.at.date().to_string()
        } else {
            self.at.to_string().replacen('T', " ", 1)
        }
    }
}

fn moment(c: &Context<'_>, argument: usize) -> Result<Option<Moment>> {
    let text = match c.get_raw(argument) {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => {
            return Err(wrong(format!(
                "{number} is a number, not a date: `cast(x as date)` makes one of a text; date(x) does not"
            )));
        }
        _ => c.get::<String>(argument)?,
    };
    let found = Moment::parse(&text);
    found.map(Some).ok_or_else(|| wrong(format!("`{text}` is neither a date nor a time")))
}

fn out_of_range(c: &Context<'_>, argument: usize) -> Error {
    let text = c.get::<String>(argument).unwrap_or_default();
    wrong(format!("what is asked of `{text}` is no date that there is"))
}

fn truncate(m: Moment, unit: Unit) -> Option<Moment> {
    let at = m.at;
    let date = match unit {
        Unit::Year => first_of_month(at, 1)?,
        Unit::Quarter => first_of_month(at, (at.month() - 1) / 3 * 3 + 1)?,
        Unit::Month => first_of_month(at, at.month())?,
        Unit::Week => {
            let days = at.date().weekday().since(Weekday::Monday);
            at.date().checked_sub(Span::new().days(days)).ok()?
        }
        _ => at.date(),
    };
    let time = at.time();
    let second = jiff::civil::time(time.hour(), time.minute(), time.second(), 0);
    let time = match unit {
        Unit::Hour => jiff::civil::time(time.hour(), 0, 0, 0),
        Unit::Minute => jiff::civil::time(time.hour(), time.minute(), 0, 0),
        Unit::Second => second,
        Unit::Millisecond => {
            second.checked_add(Span::new().milliseconds(i64::from(time.millisecond()))).ok()?
        }
        Unit::Microsecond => time,
        _ => Default::default(),
    };
    Some(Moment { at: date.to_datetime(time), is_date: m.is_date && unit.is_of_days() })
}

/// The first day of a month in the year of `at`.
fn first_of_month(at: DateTime, month: i8) -> Option<Date> {
    Date::new(at.year(), month, 1).ok()
}

/// Adds units; a day that the resulting month lacks becomes the month's last day.
fn add(m: Moment, unit: Unit, count: i64) -> Option<Moment> {
    let span = Span::new();
    let span = match unit {
        Unit::Microsecond => span.try_microseconds(count),
        Unit::Millisecond => span.try_milliseconds(count),
        Unit::Second => span.try_seconds(count),
        Unit::Minute => span.try_minutes(count),
        Unit::Hour => span.try_hours(count),
        Unit::Day => span.try_days(count),
        Unit::Week => span.try_weeks(count),
        Unit::Month => span.try_months(count),
        Unit::Quarter => span.try_months(count.checked_mul(3)?),
        Unit::Year => span.try_years(count),
    };
    let at = m.at.checked_add(span.ok()?).ok()?;
    Some(Moment { at, is_date: m.is_date && unit.is_of_days() })
}

/// The number of units that have begun since a fixed moment, so that differences count the
/// boundaries in between. Weeks begin on Sunday, as in dbt's `datediff`.
fn boundaries(at: DateTime, unit: Unit) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    let days = i64::from((at.date() - epoch).get_days());
    let months = i64::from(at.year()) * 12 + i64::from(at.month()) - 1;
    let time = at.time();
    let hours = days * 24 + i64::from(time.hour());
    let minutes = hours * 60 + i64::from(time.minute());
    let seconds = minutes * 60 + i64::from(time.second());
    let nanos = i64::from(time.subsec_nanosecond());
    match unit {
        Unit::Year => i64::from(at.year()),
        Unit::Quarter => months.div_euclid(3),
        Unit::Month => months,
        // January 1st, 1970 was a Thursday.
        Unit::Week => (days + 4).div_euclid(7),
        Unit::Day => days,
        Unit::Hour => hours,
        Unit::Minute => minutes,
        Unit::Second => seconds,
        Unit::Millisecond => seconds * 1_000 + nanos / 1_000_000,
        Unit::Microsecond => seconds * 1_000_000 + nanos / 1_000,
    }
}

fn register_texts(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("md5", 1, FLAGS, |c| {
        Ok(c.get::<Option<String>>(0)?.map(|text| md5_hex(&text)))
    })?;
    connection.create_scalar_function("split_part", 3, FLAGS, |c| {
        let text = c.get::<Option<String>>(0)?;
        let (delimiter, number) = (c.get::<Option<String>>(1)?, c.get::<Option<i64>>(2)?);
        let (Some(text), Some(delimiter), Some(number)) = (text, delimiter, number) else {
            return Ok(None);
        };
        Ok(Some(part_of(&text, &delimiter, number).to_owned()))
    })?;
    // `text regexp pattern` calls this function with the pattern first.
    connection.create_scalar_function("regexp", 2, FLAGS, |c| {
        let Some(text) = c.get::<Option<String>>(1)? else { return Ok(None) };
        let pattern: Arc<Regex> = c.get_or_create_aux(0, compile_regex)?;
        pattern.is_match(&text).map(Some).map_err(|e| wrong(e.to_string()))
    })
}

fn compile_regex(
    value: ValueRef<'_>,
) -> std::result::Result<Regex, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Regex::new(value.as_str()?)?)
}

/// A part of a text between delimiters, counted from 1 or, if negative, from the end; empty if
/// there is no such part.
fn part_of<'a>(text: &'a str, delimiter: &str, number: i64) -> &'a str {
    let parts: Vec<&str> =
        if delimiter.is_empty() { vec![text] } else { text.split(delimiter).collect() };
    let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    let at = if number < 0 { count + number } else { number - 1 };
    usize::try_from(at).ok().and_then(|at| parts.get(at)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sql: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        register_functions(&connection).unwrap();
        let value = connection.query_row(&format!("select {sql}"), [], |row| row.get(0));
        match value {
            Ok(rusqlite::types::Value::Null) => "null".to_owned(),
            Ok(rusqlite::types::Value::Text(text)) => text,
            Ok(rusqlite::types::Value::Integer(i)) => i.to_string(),
            Ok(rusqlite::types::Value::Real(f)) => f.to_string(),
            Ok(other) => format!("{other:?}"),
            Err(e) => format!("error: {e}"),
        }
    }

    #[test]
    fn dates() {
        for (sql, expected) in [
            ("date_trunc('week', '2024-02-04')", "2024-01-29"),
            ("date_trunc('month', '2024-02-04 10:11:12')", "2024-02-01 00:00:00"),
            ("date_trunc('hour', '2024-02-04 10:11:12.5')", "2024-02-04 10:00:00"),
            ("date_trunc('quarter', null)", "null"),
            ("dateadd('month', 1, '2024-01-31')", "2024-02-29"),
            ("dateadd('day', -1, '2024-03-01')", "2024-02-29"),
            ("dateadd('hour', -1, '2024-03-01')", "2024-02-29 23:00:00"),
            ("datediff('day', '2024-02-28 23:59:59', '2024-03-01')", "2"),
            ("datediff('week', '2024-02-03', '2024-02-04')", "1"),
            ("datediff('month', '2024-01-31', '2024-02-01')", "1"),
            ("datediff('second', '2024-01-01', '2024-01-02T00:00:01Z')", "86401"),
            ("datediff('day', null, '2024-02-04')", "null"),
        ] {
            assert_eq!(ask(sql), expected, "{sql}");
        }
        assert!(ask("date_trunc('day', 'soon')").contains("`soon` is neither a date nor a time"));
        assert!(ask("date_trunc('moon', '2024-02-04')").contains("`moon` is not a part of a date"));
    }

    #[test]
    fn texts_and_numbers() {
        for (sql, expected) in [
            ("split_part('a/b/c', '/', 2)", "b"),
            ("split_part('a/b/c', '/', -1)", "c"),
            ("split_part('a/b/c', '/', 9)", ""),
            ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
            ("'abc' regexp '^a.c$'", "1"),
            ("power(2, 10)", "1024"),
            ("floor(-1.5)", "-2"),
            ("sqrt(-1)", "null"),
        ] {
            assert_eq!(ask(sql), expected, "{sql}");
        }
    }
}
