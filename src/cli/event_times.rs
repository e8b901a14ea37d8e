//! The event times of a command line: `--event-time-start`, `--event-time-end`, `--sample`.
//!
//! In: the flags' texts, or those of their variables. Out: windows of event times in UTC, or what is
//! wrong with the texts.

use super::flags::read_mapping;
use crate::config::{JsonMap, python_str};
use crate::manifest::{BatchSize, EventWindow};
use jiff::civil::{DateTime, date};

#[derive(Debug, thiserror::Error)]
pub(super) enum EventTimeError {
    #[error("{0} is a time such as 2024-01-31 or 2024-01-31T12:00:00, not `{1}`")]
    NoTime(&'static str, String),
    #[error("--event-time-start and --event-time-end are given together: {0} is missing")]
    OnlyOne(&'static str),
    #[error("--event-time-start is before --event-time-end")]
    NoTimeBetween,
    #[error(
        "--sample is a number and a size (`3 days`) or `{{start: TIME, end: TIME}}`, not `{0}`"
    )]
    NoSample(String),
    #[error("the size of --sample is hour, day, month or year, not `{0}`")]
    NoSize(String),
    #[error("{0}")]
    NoMapping(String),
}

const START: &str = "--event-time-start";
const END: &str = "--event-time-end";

/// The window of `--event-time-start` and `--event-time-end`, which are given together.
pub(super) fn read_event_times(
    start: Option<&str>,
    end: Option<&str>,
) -> Result<Option<EventWindow>, EventTimeError> {
    let (start, end) = match (start, end) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(EventTimeError::OnlyOne(START)),
        (Some(_), None) => return Err(EventTimeError::OnlyOne(END)),
        (Some(start), Some(end)) => (start, end),
    };
    let no_time = |flag, text: &str| EventTimeError::NoTime(flag, text.to_owned());
    let start = read_time(start).ok_or_else(|| no_time(START, start))?;
    let end = read_time(end).ok_or_else(|| no_time(END, end))?;
    if start >= end {
        return Err(EventTimeError::NoTimeBetween);
    }
    Ok(Some(EventWindow { start, end }))
}

/// A time in one of the forms that dbt takes: a date, or a date and a time with `T` or a blank.
fn read_time(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(['T', ' ']).map_or((text, None), |(d, t)| (d, Some(t)));
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = time.map_or(Some([0; 3]), |time| numbers(time, ':'))?;
    let small = |n: i16| i8::try_from(n).ok();
    let day = jiff::civil::Date::new(year, small(month)?, small(day)?).ok();
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    Some(day.filter(|day| *day >= date(1, 1, 1))?.to_datetime(time))
}

fn numbers(text: &str, between: char) -> Option<[i16; 3]> {
    let parts: Option<Vec<i16>> = text.split(between).map(number).collect();
    parts?.try_into().ok()
}

fn number(part: &str) -> Option<i16> {
    let is_number = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    part.parse().ok().filter(|_| is_number)
}

/// The window of `--sample`: a number of hours, days, months or years up to now, or a mapping with
/// `start` and `end`.
pub(super) fn read_sample(text: &str, now: DateTime) -> Result<EventWindow, EventTimeError> {
    if text.trim_start().starts_with('{') {
        return read_window(text);
    }
    let no_sample = || EventTimeError::NoSample(text.to_owned());
    let (count, size) = text.split_once(' ').ok_or_else(no_sample)?;
    let count: i64 = count.parse().map_err(|_| no_sample())?;
    let word = size.to_lowercase();
    let found = BatchSize::parse(word.trim_end_matches('s'));
    let found = found.ok_or_else(|| EventTimeError::NoSize(size.to_owned()))?;
    EventWindow::before(now, found, count).ok_or_else(no_sample)
}

fn read_window(text: &str) -> Result<EventWindow, EventTimeError> {
    let map =
        read_mapping("--sample", text).map_err(|e| EventTimeError::NoMapping(e.to_string()))?;
    match (time_at(&map, "start"), time_at(&map, "end")) {
        (Some(start), Some(end)) => Ok(EventWindow { start, end }),
        _ => Err(EventTimeError::NoSample(text.to_owned())),
    }
}

fn time_at(map: &JsonMap, key: &str) -> Option<DateTime> {
    let written = map.get(key).filter(|value| !value.is_null()).map(python_str)?;
    crate::context::read_iso_datetime(&written).map(|(_, time)| time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_read_in_three_forms() {
        for (text, expected) in [
            ("2024-01-31", "2024-01-31T00:00:00"),
            ("2024-01-31T05:06:07", "2024-01-31T05:06:07"),
            ("2024-1-2 5:6:7", "2024-01-02T05:06:07"),
        ] {
            assert_eq!(read_time(text), Some(at(expected)), "{text}");
        }
        for text in
            ["", "soon", "2024-01", "2024-02-30", "2024-01-31T05:06", "2024-01-31T05:06:07Z"]
        {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn both_times_are_given_in_their_order() {
        let read = |start, end| read_event_times(start, end).map_err(|e| e.to_string());
        assert_eq!(read(None, None), Ok(None));
        let window = read(Some("2024-01-01"), Some("2024-01-02")).unwrap().unwrap();
        assert_eq!(window.end, at("2024-01-02T00:00:00"));
        assert!(
            read(Some("2024-01-01"), None).unwrap_err().contains("--event-time-end is missing")
        );
        assert!(read(None, Some("2024-01-01")).unwrap_err().contains("start is missing"));
        assert!(read(Some("2024-01-01"), Some("2024-01-01")).unwrap_err().contains("is before"));
        assert!(read(Some("x"), Some("2024-01-01")).unwrap_err().contains("not `x`"));
    }

    #[test]
    fn samples() {
        let now = at("2024-03-31T10:20:30");
        let read = |text| read_sample(text, now).map_err(|e| e.to_string());
        assert_eq!(read("3 days").unwrap().start, at("2024-03-28T10:20:30"));
        assert_eq!(read("1 Month").unwrap().start, at("2024-02-29T10:20:30"));
        let window = read("{start: '2024-01-01', end: 2024-01-02 10:00:00}").unwrap();
        assert_eq!(
            window,
            EventWindow { start: at("2024-01-01T00:00:00"), end: at("2024-01-02T10:00:00") }
        );
        let stored =
            read(r#"{"start":"2024-01-01T00:00:00+00:00","end":"2024-01-02T00:00:00.5+00:00"}"#);
        assert!(stored.is_ok(), "{stored:?}");
        assert!(read("3").unwrap_err().contains("a number and a size"));
        assert!(read("three days").unwrap_err().contains("a number and a size"));
        assert!(read("3 weeks").unwrap_err().contains("not `weeks`"));
        assert!(read("{start: 2024-01-01}").is_err());
    }
}
