//! Batches of time: how a microbatch model is cut into spans, and what each span is called.
//!
//! All times are in UTC. The arithmetic is that of dbt's `MicrobatchBuilder`; `tests/dbt/batches.json`
//! has its answers.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

/// A span of event times: from `start`, up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventWindow {
    pub(crate) start: DateTime,
    pub(crate) end: DateTime,
}

impl EventWindow {
    /// The times that are in both windows.
    pub(crate) fn intersect(self, other: EventWindow) -> EventWindow {
        EventWindow { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// The window of a sample, given as a number and a size (`3 days`), that ends now.
    pub(crate) fn before(now: DateTime, size: BatchSize, count: i64) -> Option<EventWindow> {
        let span = match size {
            BatchSize::Hour => count.hours(),
            BatchSize::Day => count.days(),
            BatchSize::Month => count.months(),
            BatchSize::Year => count.years(),
        };
        let start = now.checked_sub(span).ok().filter(|start| is_python_year(*start))?;
        Some(EventWindow { start, end: now })
    }
}

/// A time as Python prints an aware datetime: `2024-01-31 00:00:00+00:00`.
pub(crate) fn utc_text(at: DateTime) -> String {
    iso_text(at).replacen('T', " ", 1)
}

/// A time in ISO format, as artifacts have it: `2024-01-31T00:00:00+00:00`.
pub(crate) fn iso_text(at: DateTime) -> String {
    format!("{}+00:00", naive_text(at))
}

/// A time without a zone: `2024-01-31T00:00:00`, with microseconds if there are any.
pub(crate) fn naive_text(at: DateTime) -> String {
    let micros = at.subsec_nanosecond() / 1000;
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{}{fraction}", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// The time of an instant, to the microsecond.
pub(crate) fn utc_of(at: jiff::Timestamp) -> DateTime {
    let at = jiff::tz::Offset::UTC.to_datetime(at);
    let rest = i64::from(at.subsec_nanosecond() % 1000);
    at.checked_sub(rest.nanoseconds()).unwrap_or(at)
}

/// Python's `datetime` has the years 1 to 9999.
fn is_python_year(at: DateTime) -> bool {
    (1..=9999).contains(&at.year())
}

/// The size of a batch (`batch_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BatchSize {
    Hour,
    Day,
    Month,
    Year,
}

impl BatchSize {
    pub(crate) const ALL: [BatchSize; 4] =
        [BatchSize::Hour, BatchSize::Day, BatchSize::Month, BatchSize::Year];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BatchSize::Hour => "hour",
            BatchSize::Day => "day",
            BatchSize::Month => "month",
            BatchSize::Year => "year",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<BatchSize> {
        BatchSize::ALL.into_iter().find(|size| size.as_str() == text)
    }

    /// The beginning of the batch in which a time is.
    fn truncate(self, at: DateTime) -> DateTime {
        let midnight = |date: Date| date.to_datetime(Time::midnight());
        match self {
            BatchSize::Hour => {
                at.date().to_datetime(Time::new(at.hour(), 0, 0, 0).unwrap_or(Time::midnight()))
            }
            BatchSize::Day => midnight(at.date()),
            BatchSize::Month => midnight(at.date().first_of_month()),
            BatchSize::Year => midnight(at.date().first_of_year()),
        }
    }

    /// The beginning of the batch that is `count` batches behind that of a time.
    fn offset(self, at: DateTime, count: i64) -> Result<DateTime, BatchError> {
        let span = match self {
            BatchSize::Hour => jiff::Span::new().try_hours(count),
            BatchSize::Day => jiff::Span::new().try_days(count),
            BatchSize::Month => jiff::Span::new().try_months(count),
            BatchSize::Year => jiff::Span::new().try_years(count),
        };
        let moved = span.and_then(|span| self.truncate(at).checked_add(span));
        moved.ok().filter(|at| is_python_year(*at)).ok_or(BatchError::OutOfRange)
    }

    /// The first end of a batch that is not before a time.
    fn ceiling(self, at: DateTime) -> Result<DateTime, BatchError> {
        let start = self.truncate(at);
        if start == at { Ok(at) } else { self.offset(start, 1) }
    }

    /// The name of the batch that begins at a time: `2024-01-31T05`, `2024-01-31`, `2024-01`, `2024`.
    pub(crate) fn name_of(self, start: DateTime) -> String {
        let format = match self {
            BatchSize::Hour => "%Y-%m-%dT%H",
            BatchSize::Day => "%Y-%m-%d",
            BatchSize::Month => "%Y-%m",
            BatchSize::Year => "%Y",
        };
        start.strftime(format).to_string()
    }

    /// The id of the batch that begins at a time: its name without hyphens.
    pub(crate) fn id_of(self, start: DateTime) -> String {
        self.name_of(start).replace('-', "")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("its batches would begin or end outside of the years 1 to 9999")]
    OutOfRange,
}

/// What a microbatch model says of its batches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MicrobatchConfig {
    pub(crate) size: BatchSize,
    /// The time from which the model is built at first.
    pub(crate) begin: DateTime,
    /// How many batches before the last one are built again.
    pub(crate) lookback: i64,
    /// `concurrent_batches`; `None`: as the engine does it, unless the text reads `this`.
    pub(crate) concurrent: Option<bool>,
    /// Whether the text reads `this`.
    pub(crate) reads_itself: bool,
}

impl MicrobatchConfig {
    /// The batches that a run builds, the oldest first. Without a window (`--event-time-start` and
    /// `--event-time-end`, or `--sample`) they end with the one in which `now` is.
    pub(crate) fn batches(
        &self,
        is_incremental: bool,
        window: Option<EventWindow>,
        now: DateTime,
    ) -> Result<Vec<EventWindow>, BatchError> {
        let size = self.size;
        let end = size.ceiling(window.map_or(now, |window| window.end))?;
        let start = match window {
            Some(window) => size.truncate(window.start),
            None if !is_incremental => size.truncate(self.begin),
            // The end is the end of a batch, so the batch before it does not count as looked back.
            None => size.offset(end, -(self.lookback.saturating_add(1)))?,
        };
        let mut batches = Vec::new();
        let mut from = start;
        loop {
            let to = size.offset(from, 1)?;
            if to >= end {
                batches.push(EventWindow { start: from, end });
                return Ok(batches);
            }
            batches.push(EventWindow { start: from, end: to });
            from = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn time(text: &Value) -> DateTime {
        text.as_str().unwrap().parse().unwrap()
    }

    /// The rows of `tests/dbt/batches.json`: what dbt's own builder answers.
    #[test]
    fn batches_are_those_of_dbt() {
        let rows = include_str!("../../tests/dbt/batches.json");
        let rows: Vec<Value> = serde_json::from_str(rows).unwrap();
        assert!(rows.len() > 1000, "{}", rows.len());
        for row in rows {
            let config = MicrobatchConfig {
                size: BatchSize::parse(row["size"].as_str().unwrap()).unwrap(),
                begin: time(&row["begin"]),
                lookback: row["lookback"].as_i64().unwrap(),
                concurrent: None,
                reads_itself: false,
            };
            let window = row
                .get("start")
                .map(|start| EventWindow { start: time(start), end: time(&row["end"]) });
            let is_incremental = row["incremental"].as_bool().unwrap();
            let found = config.batches(is_incremental, window, time(&row["now"]));
            let found: Value = match found {
                Err(_) => Value::Null,
                Ok(batches) => {
                    let ends = batches.iter().map(|b| {
                        let name = config.size.name_of(b.start);
                        let id = config.size.id_of(b.start);
                        serde_json::json!([iso_text(b.start), utc_text(b.end), name, id])
                    });
                    // Of long lists the table has the first and the last two.
                    let mut all: Vec<Value> = ends.collect();
                    let count = all.len();
                    if count > 4 {
                        all.drain(2..count - 2);
                    }
                    serde_json::json!({ "count": count, "batches": all })
                }
            };
            assert_eq!(found, row["answer"], "{row}");
        }
    }

    #[test]
    fn samples_keep_the_time_of_day() {
        let now: DateTime = "2024-03-31T10:20:30".parse().unwrap();
        let start = |size, count| EventWindow::before(now, size, count).map(|w| utc_text(w.start));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(start(BatchSize::Hour, 11), text("2024-03-30 23:20:30+00:00"));
        assert_eq!(start(BatchSize::Day, 3), text("2024-03-28 10:20:30+00:00"));
        assert_eq!(start(BatchSize::Month, 1), text("2024-02-29 10:20:30+00:00"));
        assert_eq!(start(BatchSize::Year, 1), text("2023-03-31 10:20:30+00:00"));
        assert_eq!(start(BatchSize::Year, 3000), None);
    }

    #[test]
    fn the_times_in_both_windows() {
        let window = |start: &str, end: &str| EventWindow {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        };
        let day = window("2024-01-02T00:00:00", "2024-01-03T00:00:00");
        let sample = window("2024-01-01T12:00:00", "2024-01-02T12:00:00");
        let both = window("2024-01-02T00:00:00", "2024-01-02T12:00:00");
        assert_eq!((day.intersect(sample), sample.intersect(day)), (both, both));
    }
}
