//! Parses the ISO 8601 formats that Python's `fromisoformat` accepts.

use super::datetime::{TemporalValue, make_date, make_time, temporal_value};
use super::zones::Zone;
use jiff::civil::{Date, Time, Weekday};
use minijinja::value::Value;

/// Parses a text for `datetime`, `date` or `time`.
pub(super) fn parse_iso_text(class: &str, text: &str) -> Option<Value> {
    Some(temporal_value(match class {
        "date" => TemporalValue::Date(parse_date(text)?),
        "time" => {
            let (time, zone) = parse_time(text.strip_prefix('T').unwrap_or(text))?;
            TemporalValue::Time(time, zone)
        }
        _ => {
            let length = date_length(text)?;
            let date = parse_date(text.get(..length)?)?;
            let rest = text.get(length..)?;
            let Some(separator) = rest.chars().next() else {
                return Some(temporal_value(TemporalValue::At(
                    date.to_datetime(Time::midnight()),
                    None,
                )));
            };
            let (time, zone) = parse_time(&rest[separator.len_utf8()..])?;
            TemporalValue::At(date.to_datetime(time), zone)
        }
    }))
}

/// The date of a day in an ISO week.
pub(super) fn week_date(year: i64, week: i64, day: i64) -> Option<Date> {
    let weekday = Weekday::from_monday_one_offset(i8::try_from(day).ok()?).ok()?;
    let date =
        jiff::civil::ISOWeekDate::new(i16::try_from(year).ok()?, i8::try_from(week).ok()?, weekday)
            .ok()?;
    Some(date.date())
}

/// The length of the date at the start of the text.
fn date_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    Some(match (bytes.get(4)?, bytes.get(5)) {
        (b'-', Some(b'W')) if bytes.get(8) == Some(&b'-') && count_digits(bytes, 9) > 0 => 10,
        (b'-', Some(b'W')) => 8,
        (b'-', _) => 10,
        (b'W', _) if count_digits(bytes, 5) == 3 => 8,
        (b'W', _) => 7,
        _ => 8,
    })
}

fn count_digits(bytes: &[u8], from: usize) -> usize {
    bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count()
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn parse_date(text: &str) -> Option<Date> {
    let (year, rest) = (number(text.get(..4)?)?, text.get(4..)?);
    let plain: String = rest.chars().filter(|c| *c != '-').collect();
    // Either all parts are separated by hyphens or none are.
    let apart = rest.matches('-').count();
    if let Some(week) = plain.strip_prefix('W') {
        let day = week.get(2..).filter(|d| !d.is_empty());
        let expected = if rest.starts_with('-') { 1 + usize::from(day.is_some()) } else { 0 };
        return (apart == expected)
            .then(|| week_date(year, number(week.get(..2)?)?, day.map_or(Some(1), number)?))?;
    }
    if plain.len() != 4
        || !(apart == 0
            || (apart == 2 && rest.starts_with('-') && rest.as_bytes().get(3) == Some(&b'-')))
    {
        return None;
    }
    make_date(&[year, number(&plain[..2])?, number(&plain[2..])?]).ok()
}

fn parse_time(text: &str) -> Option<(Time, Option<Zone>)> {
    let at = text.find(['Z', '+', '-']);
    let (clock, offset) = at.map_or((text, ""), |at| text.split_at(at));
    let zone = match offset {
        "" => None,
        "Z" => Some(Zone::fixed(0, None)),
        offset => {
            let parts = parse_clock(&offset[1..])?;
            let seconds = i32::try_from(parts[0] * 3600 + parts[1] * 60 + parts[2]).ok()?;
            Some(Zone::fixed(if offset.starts_with('-') { -seconds } else { seconds }, None))
        }
    };
    Some((make_time(&parse_clock(clock)?).ok()?, zone))
}

/// Parses hour, minute, second and microsecond.
fn parse_clock(text: &str) -> Option<[i64; 4]> {
    let (whole, fraction) = text.split_once(['.', ',']).map_or((text, None), |(w, f)| (w, Some(f)));
    let parts: Vec<&str> = if whole.contains(':') {
        whole.split(':').collect()
    } else {
        (0..whole.len()).step_by(2).map(|i| whole.get(i..i + 2).unwrap_or_default()).collect()
    };
    if parts.is_empty() || parts.len() > 3 || parts.iter().any(|p| p.len() != 2) {
        return None;
    }
    let mut out = [0; 4];
    for (slot, part) in out.iter_mut().zip(&parts) {
        *slot = number(part)?;
    }
    if let Some(fraction) = fraction {
        let digits: String = fraction.chars().take(6).collect();
        out[3] =
            number(&format!("{digits:0<6}")).filter(|_| !digits.is_empty() && parts.len() == 3)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are the output of Python 3.11.
    #[test]
    fn texts() {
        for (class, text, printed) in [
            ("datetime", "2024-01-05", "2024-01-05 00:00:00"),
            ("datetime", "2024-01-05T10:00:00+02:00", "2024-01-05 10:00:00+02:00"),
            ("datetime", "2024-W01-5", "2024-01-05 00:00:00"),
            ("datetime", "20240105T101530.5Z", "2024-01-05 10:15:30.500000+00:00"),
            ("date", "20240105", "2024-01-05"),
            ("date", "2024W015", "2024-01-05"),
            ("time", "10:00", "10:00:00"),
            ("time", "T1030", "10:30:00"),
        ] {
            assert_eq!(
                parse_iso_text(class, text).map(|v| v.to_string()).as_deref(),
                Some(printed),
                "{text}"
            );
        }
        for (class, text) in
            [("date", "2024-0105"), ("date", "2024-13-01"), ("time", "1"), ("datetime", "x")]
        {
            assert!(parse_iso_text(class, text).is_none(), "{text}");
        }
    }
}
