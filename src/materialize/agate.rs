//! Parses the values of seeds as agate does for dbt (dbt_common's `build_type_tester`).
//!
//! In: the text of one cell. Out: its value as a number, a date, a timestamp or a boolean; `None`
//! if it is not one. Dates and timestamps are parsed by `strptime` with one format each, other
//! timestamps by isodate, which requires a `T` between date and time. Must not know: columns,
//! files, engines.

use crate::decimal::Decimal;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

/// Whether a value is null, whatever the column's type: `null` or an empty text.
pub(super) fn is_null(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.eq_ignore_ascii_case("null")
}

/// Signs that agate strips from both ends of a number, in this order.
const CURRENCIES: [char; 19] =
    ['؋', '$', 'ƒ', '៛', '¥', '₡', '₱', '£', '€', '¢', '﷼', '₪', '₩', '₭', '₮', '₦', '฿', '₤', '₫'];

/// Parses a number: without `%`, one minus sign, currency signs and thousands separators, it must
/// be a literal of Python's `Decimal`.
pub(super) fn parse_number(text: &str) -> Option<Decimal> {
    let mut rest = text.trim().trim_matches('%');
    let negative = rest.starts_with('-');
    if negative {
        rest = &rest[1..];
    }
    for sign in CURRENCIES {
        rest = rest.trim_matches(sign);
    }
    // Python cannot compute with a signalling NaN.
    let signalling = rest.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("snan"));
    let value = Decimal::parse(&rest.replace(',', "")).filter(|_| !signalling)?;
    // Python multiplies by the sign, which rounds to 28 digits.
    Some(if negative { value.negated() } else { value.rounded() })
}

/// Parses `true` or `false`, in any case.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.replace(',', "");
    let text = text.trim();
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

/// Python's `strptime(text, '%Y-%m-%d')`.
pub(super) fn parse_date(text: &str) -> Option<Date> {
    let (date, rest) = strptime_date(text.trim())?;
    rest.is_empty().then_some(date)
}

/// A timestamp with its offset from UTC in minutes, if the text has one.
pub(super) type OffsetTimestamp = (DateTime, Option<i32>);

/// Python's `strptime(text, '%Y-%m-%d %H:%M:%S')`: a blank in the format matches one or more.
pub(super) fn parse_timestamp(text: &str) -> Option<OffsetTimestamp> {
    let (date, rest) = strptime_date(text.trim())?;
    let clock = rest.trim_start();
    if clock.len() == rest.len() {
        return None;
    }
    let (hour, rest) = up_to(clock, 2, 23)?;
    let (minute, rest) = up_to(rest.strip_prefix(':')?, 2, 59)?;
    let (second, rest) = up_to(rest.strip_prefix(':')?, 2, 59)?;
    let time = Time::new(hour as i8, minute as i8, second as i8, 0).ok()?;
    rest.is_empty().then(|| (date.to_datetime(time), None))
}

/// Parses year, month and day at the start of a text; returns the rest.
fn strptime_date(text: &str) -> Option<(Date, &str)> {
    let (year, rest) = digits(text, 4)?;
    let (month, rest) = up_to(rest.strip_prefix('-')?, 2, 12)?;
    let rest = rest.strip_prefix('-')?;
    // `%d` also accepts a blank and one digit.
    let (day, rest) = match rest.strip_prefix(' ') {
        Some(after) => digits(after, 1)?,
        None => up_to(rest, 2, 31)?,
    };
    Some((Date::new(year as i16, month as i8, day as i8).ok().filter(|_| year > 0)?, rest))
}

/// Parses the longest number of at most `most` digits that does not exceed `limit`.
fn up_to(text: &str, most: usize, limit: u32) -> Option<(u32, &str)> {
    (1..=most).rev().find_map(|n| digits(text, n).filter(|(value, _)| *value <= limit))
}

/// Parses exactly `n` ASCII digits; returns the rest.
fn digits(text: &str, n: usize) -> Option<(u32, &str)> {
    let head = text.get(..n).filter(|h| h.bytes().all(|b| b.is_ascii_digit()))?;
    Some((head.parse().ok()?, &text[n..]))
}

/// Parses a text that consists of two digits.
fn two_digits(text: &str) -> Option<u32> {
    digits(text, 2).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

/// Python's `isodate.parse_datetime`: ISO 8601 in basic and extended forms, with week and ordinal
/// dates, and fractions of the last part.
pub(super) fn iso_timestamp(text: &str) -> Option<OffsetTimestamp> {
    let (date, time) = text.trim().split_once('T')?;
    if time.contains('T') {
        return None;
    }
    let (time, offset) = iso_time(time)?;
    Some((iso_date(date)?.to_datetime(time), offset))
}

/// The forms of a date: `Y` year, `M` month, `D` day, `w` week, `d` day of the week, `O` day of the
/// year, `C` century.
const DATE_FORMS: [&str; 12] =
    ["Y-M-D", "YMD", "Y-Ww-d", "YWwd", "Y-O", "YO", "Y-Ww", "YWw", "Y-M", "YM", "Y", "C"];

fn iso_date(text: &str) -> Option<Date> {
    // The first form that matches decides, even if its date does not exist.
    DATE_FORMS.iter().find_map(|form| fields(text, form)).and_then(|found| found.date())
}

#[derive(Default)]
struct DateFields {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    week: Option<u32>,
    weekday: Option<u32>,
    ordinal: Option<u32>,
    century: Option<u32>,
}

impl DateFields {
    fn date(&self) -> Option<Date> {
        if let Some(century) = self.century {
            return Date::new(i16::try_from(century * 100 + 1).ok()?, 1, 1).ok();
        }
        let year = i16::try_from(self.year?).ok().filter(|y| *y > 0)?;
        let first = Date::new(year, 1, 1).ok()?;
        if let Some(week) = self.week {
            let iso = first.iso_week_date();
            let weeks = i64::from(week) - i64::from(iso.week() == 1);
            let days = i64::from(self.weekday.unwrap_or(1))
                - i64::from(iso.weekday().to_monday_one_offset());
            return first.checked_add((weeks * 7 + days).days()).ok();
        }
        if let Some(ordinal) = self.ordinal {
            return first.checked_add((i64::from(ordinal) - 1).days()).ok();
        }
        let month = self.month.map_or(1, |m| m.max(1));
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(self.day.unwrap_or(1)).ok()?).ok()
    }
}

fn fields(text: &str, form: &str) -> Option<DateFields> {
    let mut found = DateFields::default();
    let mut rest = text;
    for part in form.chars() {
        let (slot, width) = match part {
            'Y' => (&mut found.year, 4),
            'M' => (&mut found.month, 2),
            'D' => (&mut found.day, 2),
            'w' => (&mut found.week, 2),
            'd' => (&mut found.weekday, 1),
            'O' => (&mut found.ordinal, 3),
            'C' => (&mut found.century, 2),
            literal => {
                rest = rest.strip_prefix(literal)?;
                continue;
            }
        };
        let (value, after) = digits(rest, width)?;
        *slot = Some(value);
        rest = after;
    }
    rest.is_empty().then_some(found)
}

/// Parses `hh:mm:ss.fff`, `hhmmss`, `hh:mm.f`, `hhmm` or `hh.f`, with or without an offset.
fn iso_time(text: &str) -> Option<(Time, Option<i32>)> {
    let at = text.find(['Z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(at);
    let offset = iso_offset(zone)?;
    let (whole, fraction) = match clock.split_once([',', '.']) {
        Some((whole, fraction))
            if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) =>
        {
            (whole, fraction)
        }
        Some(_) => return None,
        None => (clock, ""),
    };
    let parts: Vec<u32> = match whole.split(':').collect::<Vec<_>>().as_slice() {
        [one] if matches!(one.len(), 2 | 4 | 6) => (0..one.len() / 2)
            .map(|i| digits(&one[i * 2..], 2).map(|(n, _)| n))
            .collect::<Option<_>>()?,
        many if many.len() > 1 && many.len() < 4 => {
            many.iter().map(|part| two_digits(part)).collect::<Option<_>>()?
        }
        _ => return None,
    };
    // A fraction belongs to the last part; microseconds are truncated, not rounded.
    let unit: i64 = [3_600_000_000, 60_000_000, 1_000_000][parts.len() - 1];
    let nines: String = fraction.chars().take(15).collect();
    let fraction = i128::from(nines.parse::<i64>().unwrap_or(0)) * i128::from(unit)
        / 10_i128.pow(u32::try_from(nines.len()).unwrap_or(0));
    let fraction = i64::try_from(fraction).ok()?;
    let [hour, minute, second] =
        [0, 1, 2].map(|i: usize| i64::from(parts.get(i).copied().unwrap_or_default()));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let time =
        Time::new((minutes / 60) as i8, (minutes % 60) as i8, second as i8, (micros * 1000) as i32)
            .ok()?;
    Some((time, offset))
}

/// Parses `Z`, `+hh`, `+hhmm`, `+hh:mm` or nothing, which is `Some(None)`.
fn iso_offset(zone: &str) -> Option<Option<i32>> {
    let negative = match zone {
        "" => return Some(None),
        "Z" => return Some(Some(0)),
        _ => zone.starts_with('-'),
    };
    let (hours, rest) = digits(&zone[1..], 2)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" if rest.is_empty() => 0,
        text => two_digits(text)?,
    };
    let total = (hours * 60 + minutes) as i32;
    Some(Some(if negative { -total } else { total }))
}

/// Converts a timestamp to UTC and drops its offset, as dbt does before it inserts into Postgres.
pub(super) fn in_utc((moment, offset): OffsetTimestamp) -> Option<DateTime> {
    moment.checked_sub(i64::from(offset.unwrap_or(0)).minutes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso(text: &str) -> Option<String> {
        iso_timestamp(text).and_then(in_utc).map(|t| t.to_string())
    }

    #[test]
    fn iso_forms() {
        for (text, utc) in [
            ("2024-01-05T10:00:00", Some("2024-01-05T10:00:00")),
            ("2024-01-05T10:00:00+02:00", Some("2024-01-05T08:00:00")),
            ("2024-01-05T10:00:00-0530", Some("2024-01-05T15:30:00")),
            ("20240105T100000", Some("2024-01-05T10:00:00")),
            ("2024-W01-5T10:00:00", Some("2024-01-05T10:00:00")),
            ("2024-005T10", Some("2024-01-05T10:00:00")),
            ("2024-01-05T10:30.5", Some("2024-01-05T10:30:30")),
            ("2024-01-05T10:00:00.123456789", Some("2024-01-05T10:00:00.123456")),
            ("2024-01-05t10:00:00", None),
            ("2024-01-05T10:00:60", None),
            ("2024-01-05 10:00:00", None),
            ("2024-02-30T10:00:00", None),
        ] {
            assert_eq!(iso(text).as_deref(), utc, "{text}");
        }
    }

    #[test]
    fn formats_of_strptime() {
        for (text, fits) in [
            ("2024-1-5 1:2:3", true),
            ("2024-01-05  10:00:00", true),
            (" 2024-01-05 10:00:00 ", true),
            ("2024-01-05 10:00:00.5", false),
            ("2024-01-05 10:00:00Z", false),
            ("2024-01-05 10:00", false),
            ("2024-01-05 24:00:00", false),
            ("2024-01-0510:00:00", false),
        ] {
            assert_eq!(parse_timestamp(text).is_some(), fits, "{text}");
        }
        assert!(
            parse_date("2024-1-5").is_some()
                && parse_date("2024-02-30").is_none()
                && parse_date("24-01-05").is_none()
        );
    }
}
