//! The date from which on a model should no longer be used.
//!
//! In: the date as it is written. Out: the moment, in dbt's form. Must not know: the current time.

use crate::source::Span;
use jiff::ZonedDateTime;
use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deprecation {
    /// The moment in ISO 8601, with the time and the offset from UTC, as in dbt's manifest.
    pub(crate) date: String,
    /// Whether the moment was past when the project was resolved.
    pub(crate) is_past: bool,
    pub(crate) span: Span,
}

/// The moment that a date stands for: its midnight if it has no time, and local time if it has no
/// offset, as in dbt. `None` if it is not written in ISO 8601.
pub(crate) fn read_moment(text: &str) -> Option<ZonedDateTime> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let moment = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let zone = match pieces.to_numeric_offset() {
        Some(offset) => TimeZone::fixed(offset),
        None => TimeZone::system(),
    };
    moment.to_zoned_datetime(zone).ok()
}

/// A moment as Python's `isoformat` writes it.
pub(crate) fn write_moment(moment: &ZonedDateTime) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_a_time_and_an_offset() {
        let read = |text: &str| read_moment(text).map(|moment| write_moment(&moment));
        let of_day = read("2026-03-01").unwrap();
        assert!(of_day.starts_with("2026-03-01T00:00:00+") || of_day.contains("T00:00:00-"));
        let with_time = read("2026-03-01 10:00:00+02:00");
        assert_eq!(with_time.as_deref(), Some("2026-03-01T10:00:00+02:00"));
        assert_eq!(read("2026-03-01T10:00:00Z").as_deref(), Some("2026-03-01T10:00:00+00:00"));
        assert_eq!(read("1 March 2026"), None);
    }
}
