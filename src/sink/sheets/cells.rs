//! Converts values of a database to cells of a sheet.

use crate::engine::{Cell, SqlType};
use crate::sink::files::significant_digits;
use google_sheets4::api::{CellData, ExtendedValue, NumberFormat};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Google's limit for the characters of a cell, counted in UTF-16 code units.
const LONGEST: usize = 50_000;

/// Up to this, a double holds all integers.
const WHOLE: u64 = 1 << 53;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellOptions {
    pub(super) nan_as_text: bool,
    pub(super) cut_long_text: bool,
}

/// A cell's value as Sheets stores it. A text is never interpreted as a formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SheetValue {
    Empty,
    Bool(bool),
    Number(f64),
    Text(String),
}

impl SheetValue {
    /// The cell for a request. An empty value stands for null, because the API's client drops nulls
    /// from lists, so that columns would shift.
    pub(super) fn data(&self) -> CellData {
        let mut value = ExtendedValue::default();
        match self {
            SheetValue::Empty => return CellData::default(),
            SheetValue::Bool(b) => value.bool_value = Some(*b),
            SheetValue::Number(n) => value.number_value = Some(*n),
            SheetValue::Text(s) => value.string_value = Some(s.clone()),
        }
        CellData { user_entered_value: Some(value), ..CellData::default() }
    }

    /// The approximate size in a request, in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            SheetValue::Empty => 3,
            SheetValue::Bool(_) | SheetValue::Number(_) => 64,
            SheetValue::Text(s) => {
                48 + s
                    .bytes()
                    .map(|b| if b < 0x20 { 6 } else { 1 + usize::from(b == b'"' || b == b'\\') })
                    .sum::<usize>()
            }
        }
    }

    /// The value as part of an upsert key. Numbers are equal whatever their types were. Sheets do
    /// not store empty texts, so these equal empty cells.
    pub(super) fn key(&self) -> String {
        match self {
            SheetValue::Empty => String::new(),
            SheetValue::Text(s) if s.is_empty() => String::new(),
            SheetValue::Bool(b) => format!("b{b}"),
            SheetValue::Number(n) => format!("n{n}"),
            SheetValue::Text(s) => format!("t{s}"),
        }
    }
}

/// Converts a value. Dates and times become serial numbers: days since 1899-12-30. Integers beyond
/// 2^53, and decimals with more digits than a double holds, become texts. The error is the length
/// of a text that is too long.
pub(super) fn sheet_value(cell: &Cell, choices: CellOptions) -> Result<SheetValue, usize> {
    Ok(match cell {
        Cell::Null => SheetValue::Empty,
        Cell::Bool(b) => SheetValue::Bool(*b),
        Cell::Int(i) if i.unsigned_abs() <= WHOLE => SheetValue::Number(*i as f64),
        Cell::Int(i) => SheetValue::Text(i.to_string()),
        Cell::Float(f) if f.is_finite() => SheetValue::Number(if *f == 0.0 { 0.0 } else { *f }),
        Cell::Float(f) if choices.nan_as_text => SheetValue::Text(f.to_string()),
        Cell::Float(_) => SheetValue::Empty,
        Cell::Decimal(s) => match s.parse::<f64>() {
            Ok(n) if n.is_finite() && significant_digits(s) <= 15 => SheetValue::Number(n),
            // Postgres' numeric can be infinite or NaN too.
            Ok(n) if !n.is_finite() && !choices.nan_as_text => SheetValue::Empty,
            _ => SheetValue::Text(s.clone()),
        },
        Cell::Date(s) => s
            .parse::<Date>()
            .ok()
            .and_then(|d| serial(d.to_datetime(Time::midnight())))
            .map_or_else(|| SheetValue::Text(s.clone()), SheetValue::Number),
        Cell::Timestamp(s) => timestamp(s)
            .and_then(serial)
            .map_or_else(|| SheetValue::Text(s.clone()), SheetValue::Number),
        Cell::Time(s) => match s.parse::<Time>() {
            Ok(t) => SheetValue::Number(seconds_of(t) / 86_400.0),
            Err(_) => SheetValue::Text(s.clone()),
        },
        Cell::Text(s) => text(s, choices)?,
        Cell::Json(j) => text(&j.to_string(), choices)?,
    })
}

fn text(s: &str, choices: CellOptions) -> Result<SheetValue, usize> {
    // There are never more UTF-16 code units than bytes.
    if s.len() <= LONGEST {
        return Ok(SheetValue::Text(s.to_owned()));
    }
    let length: usize = s.chars().map(char::len_utf16).sum();
    if length <= LONGEST {
        return Ok(SheetValue::Text(s.to_owned()));
    }
    if !choices.cut_long_text {
        return Err(length);
    }
    Ok(SheetValue::Text(cut(s)))
}

/// The longest prefix of a text that fits into a cell.
fn cut(s: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for c in s.chars() {
        length += c.len_utf16();
        if length > LONGEST {
            break;
        }
        out.push(c);
    }
    out
}

/// Parses a timestamp. One with an offset is converted to UTC, because sheets have no time zones.
fn timestamp(s: &str) -> Option<DateTime> {
    let zoned =
        s.parse::<jiff::Timestamp>().ok().map(|t| t.to_zoned_datetime(TimeZone::UTC).datetime());
    zoned.or_else(|| s.parse::<DateTime>().ok())
}

fn seconds_of(t: Time) -> f64 {
    let whole = i64::from(t.hour()) * 3600 + i64::from(t.minute()) * 60 + i64::from(t.second());
    whole as f64 + f64::from(t.subsec_nanosecond()) / 1e9
}

/// Sheets count days from 1899-12-30 and have no earlier dates.
fn serial(at: DateTime) -> Option<f64> {
    let days = (at.date() - Date::constant(1899, 12, 30)).get_days();
    (days >= 0).then(|| f64::from(days) + seconds_of(at.time()) / 86_400.0)
}

/// The number format of a column: its own, or else one for its type.
pub(super) fn number_format_of(column: &SqlType, own: Option<&str>) -> Option<NumberFormat> {
    let (kind, pattern) = match column {
        SqlType::Timestamp { .. } => ("DATE_TIME", Some("yyyy-mm-dd hh:mm:ss".to_owned())),
        SqlType::Date => ("DATE", Some("yyyy-mm-dd".to_owned())),
        SqlType::Time => ("TIME", Some("hh:mm:ss".to_owned())),
        SqlType::Integer { .. } => ("NUMBER", Some("0".to_owned())),
        SqlType::Decimal { digits: Some((_, 0)) } => ("NUMBER", Some("0".to_owned())),
        SqlType::Decimal { digits: Some((_, scale)) } => {
            ("NUMBER", Some(format!("0.{}", "0".repeat(usize::from(*scale).min(10)))))
        }
        _ => ("NUMBER", None),
    };
    let pattern = own.map(str::to_owned).or(pattern)?;
    Some(NumberFormat { type_: Some(kind.to_owned()), pattern: Some(pattern) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: CellOptions = CellOptions { nan_as_text: false, cut_long_text: false };

    fn of(cell: Cell) -> SheetValue {
        sheet_value(&cell, PLAIN).unwrap()
    }

    #[test]
    fn dates_are_days_since_1899() {
        assert_eq!(of(Cell::Date("1899-12-31".into())), SheetValue::Number(1.0));
        assert_eq!(of(Cell::Date("2024-01-31".into())), SheetValue::Number(45322.0));
        assert_eq!(of(Cell::Timestamp("2024-01-31 12:00:00".into())), SheetValue::Number(45322.5));
        assert_eq!(
            of(Cell::Timestamp("2024-01-31 13:00:00+01:00".into())),
            SheetValue::Number(45322.5)
        );
        assert_eq!(of(Cell::Time("06:00:00".into())), SheetValue::Number(0.25));
        // A date before the first day, and a value that is not a date.
        assert_eq!(of(Cell::Date("1850-01-01".into())), SheetValue::Text("1850-01-01".into()));
        assert_eq!(of(Cell::Timestamp("infinity".into())), SheetValue::Text("infinity".into()));
    }

    #[test]
    fn numbers_that_a_double_does_not_hold_are_text() {
        assert_eq!(of(Cell::Int(1 << 53)), SheetValue::Number(9_007_199_254_740_992.0));
        assert_eq!(of(Cell::Int((1 << 53) + 1)), SheetValue::Text("9007199254740993".into()));
        assert_eq!(of(Cell::Decimal("0.100".into())), SheetValue::Number(0.1));
        assert_eq!(
            of(Cell::Decimal("1234567890123456.5".into())),
            SheetValue::Text("1234567890123456.5".into())
        );
        assert_eq!(of(Cell::Float(f64::NAN)), SheetValue::Empty);
        let text = CellOptions { nan_as_text: true, ..PLAIN };
        assert_eq!(
            sheet_value(&Cell::Float(f64::NEG_INFINITY), text),
            Ok(SheetValue::Text("-inf".into()))
        );
        assert_eq!(
            sheet_value(&Cell::Decimal("NaN".into()), text),
            Ok(SheetValue::Text("NaN".into()))
        );
    }

    #[test]
    fn text_stays_text_and_has_an_end() {
        assert_eq!(of(Cell::Text("=1+1".into())), SheetValue::Text("=1+1".into()));
        let long = "😀".repeat(25_001);
        assert_eq!(sheet_value(&Cell::Text(long.clone()), PLAIN), Err(50_002));
        let cut = CellOptions { cut_long_text: true, ..PLAIN };
        let Ok(SheetValue::Text(short)) = sheet_value(&Cell::Text(long), cut) else {
            panic!("no text")
        };
        assert_eq!(short.chars().count(), 25_000);
    }

    #[test]
    fn formats_follow_types() {
        let pattern = |kind: SqlType| number_format_of(&kind, None).and_then(|f| f.pattern);
        let decimal = |scale| SqlType::Decimal { digits: Some((18, scale)) };
        let stamp = SqlType::Timestamp { zoned: false, nanos: false };
        let whole = SqlType::Integer { bits: 64, signed: true };
        assert_eq!(pattern(decimal(2)).as_deref(), Some("0.00"));
        assert_eq!(pattern(decimal(0)).as_deref(), Some("0"));
        assert_eq!(pattern(stamp).as_deref(), Some("yyyy-mm-dd hh:mm:ss"));
        assert_eq!(pattern(whole).as_deref(), Some("0"));
        let double = SqlType::Float { bits: 64 };
        let plain = [
            SqlType::Text { length: None },
            double.clone(),
            SqlType::Other("INTERVAL".to_owned()),
            SqlType::Decimal { digits: None },
        ];
        assert_eq!(plain.map(pattern), [None, None, None, None]);
        assert_eq!(
            number_format_of(&double, Some("0%")).and_then(|f| f.pattern).as_deref(),
            Some("0%")
        );
    }
}
