//! The part of Python's `datetime` that templates use.
//!
//! In: dates and times of engines and of templates. Out: values that print, compare and calculate
//! as those of Python's `datetime` do. An aware time is stored as the local time and its offset, so
//! that no method needs the rules of a time zone.

use super::zones::{Zone, zone_of};
use crate::jinja::{Args, METHODS, error};
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use minijinja::value::{DynObject, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

const MICROS_OF_DAY: i128 = 86_400_000_000;

/// The maximum number of days of a `timedelta`.
const MOST_DAYS: i128 = 999_999_999;

/// A date, a datetime or a time (aware if it has a zone, else naive), or a duration in
/// microseconds.
#[derive(Clone, Debug)]
pub(super) enum TemporalValue {
    Date(Date),
    At(DateTime, Option<Zone>),
    Time(Time, Option<Zone>),
    Delta(i128),
}

pub(super) fn temporal_value(moment: TemporalValue) -> Value {
    Value::from_object(moment)
}

/// An aware datetime in UTC.
pub(super) fn from_timestamp(at: Timestamp) -> Value {
    temporal_value(TemporalValue::At(jiff::tz::Offset::UTC.to_datetime(at), Some(Zone::utc())))
}

/// An aware datetime of a time in UTC.
pub(super) fn from_utc(at: DateTime) -> Value {
    temporal_value(TemporalValue::At(at, Some(Zone::utc())))
}

/// A text that Python's `datetime.fromisoformat` reads, in the form that `isoformat` gives it, and
/// the time in it without its zone.
pub(crate) fn read_iso_datetime(text: &str) -> Option<(String, DateTime)> {
    let value = super::iso::parse_iso_text("datetime", text)?;
    let TemporalValue::At(at, zone) = value.downcast_object_ref::<TemporalValue>()? else {
        return None;
    };
    let zone = zone.as_ref().map_or_else(String::new, |z| z.offset_text(":"));
    Some((format!("{}{zone}", crate::manifest::naive_text(*at)), *at))
}

/// Parses a date or timestamp in ISO format, as engines print them.
pub(super) fn from_text(text: &str) -> Option<Value> {
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return Some(temporal_value(TemporalValue::Date(date)));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(from_timestamp(at));
    }
    text.parse::<DateTime>().ok().map(|d| temporal_value(TemporalValue::At(d, None)))
}

/// The instant of a datetime; a naive one is in UTC, as in dbt. `None` for dates and other values.
pub(crate) fn instant_of_value(value: &Value) -> Option<Timestamp> {
    let TemporalValue::At(at, zone) = value.downcast_object_ref::<TemporalValue>()? else {
        return None;
    };
    let offset = zone.as_ref().map_or(0, Zone::offset);
    jiff::tz::Offset::from_seconds(offset).ok()?.to_timestamp(*at).ok()
}

/// The instant of a datetime in ISO format; `None` for a date without a time.
pub(crate) fn instant_of_text(text: &str) -> Option<Timestamp> {
    instant_of_value(&from_text(text)?)
}

fn out_of_range() -> Error {
    error("date value out of range")
}

/// A `timedelta`; an error if it exceeds Python's limits.
pub(super) fn duration_value(micros: i128) -> Result<Value, Error> {
    let days = micros.div_euclid(MICROS_OF_DAY);
    if days.abs() > MOST_DAYS {
        return Err(error(format!("days={days}; must have magnitude <= {MOST_DAYS}")));
    }
    Ok(temporal_value(TemporalValue::Delta(micros)))
}

fn micros_of(at: DateTime) -> i128 {
    at.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_micros()
}

fn add_micros(at: DateTime, micros: i128) -> Result<DateTime, Error> {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let seconds = i64::try_from(seconds).map_err(|_| out_of_range())?;
    let sum = at
        .checked_add(SignedDuration::new(seconds, rest as i32 * 1000))
        .map_err(|_| out_of_range())?;
    if sum.year() < 1 { Err(out_of_range()) } else { Ok(sum) }
}

/// Rounds half to even, as Python does for durations.
fn rounded(f: f64) -> i128 {
    f.round_ties_even() as i128
}

impl TemporalValue {
    pub(super) fn date(&self) -> Option<Date> {
        match self {
            TemporalValue::Date(d) => Some(*d),
            TemporalValue::At(d, _) => Some(d.date()),
            TemporalValue::Time(..) | TemporalValue::Delta(_) => None,
        }
    }

    pub(super) fn time(&self) -> Option<Time> {
        match self {
            TemporalValue::At(d, _) => Some(d.time()),
            TemporalValue::Time(t, _) => Some(*t),
            TemporalValue::Date(_) | TemporalValue::Delta(_) => None,
        }
    }

    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            TemporalValue::At(_, zone) | TemporalValue::Time(_, zone) => zone.as_ref(),
            TemporalValue::Date(_) | TemporalValue::Delta(_) => None,
        }
    }

    /// `self + micros`; `None` for a time of day, to which nothing can be added.
    fn plus(&self, micros: i128) -> Result<Option<Value>, Error> {
        Ok(Some(match self {
            TemporalValue::Date(d) => {
                let days = micros.div_euclid(MICROS_OF_DAY) * MICROS_OF_DAY;
                temporal_value(TemporalValue::Date(
                    add_micros(d.to_datetime(Time::midnight()), days)?.date(),
                ))
            }
            TemporalValue::At(d, zone) => {
                temporal_value(TemporalValue::At(add_micros(*d, micros)?, zone.clone()))
            }
            TemporalValue::Delta(d) => duration_value(d + micros)?,
            TemporalValue::Time(..) => return Ok(None),
        }))
    }

    /// The time from `other` to `self`.
    fn minus(&self, other: &TemporalValue) -> Result<Option<i128>, Error> {
        Ok(match (self, other) {
            (TemporalValue::Date(a), TemporalValue::Date(b)) => {
                Some(a.duration_since(*b).as_micros())
            }
            (TemporalValue::At(_, a), TemporalValue::At(_, b)) if a.is_some() != b.is_some() => {
                return Err(error("can't subtract offset-naive and offset-aware datetimes"));
            }
            (TemporalValue::At(..), TemporalValue::At(..)) => {
                self.universal().zip(other.universal()).map(|(a, b)| a - b)
            }
            _ => None,
        })
    }

    /// Microseconds since 1970 in UTC. A naive datetime is taken as UTC; `None` if this is not a
    /// datetime.
    fn universal(&self) -> Option<i128> {
        match self {
            TemporalValue::At(at, zone) => {
                Some(micros_of(*at) - i128::from(zone.as_ref().map_or(0, Zone::offset)) * 1_000_000)
            }
            _ => None,
        }
    }

    /// The result of an operator, given by the name of its method in Python; `None` where Python
    /// returns `NotImplemented`.
    fn operate(&self, operator: &str, other: &Value) -> Result<Option<Value>, Error> {
        let moment = other.downcast_object_ref::<TemporalValue>();
        match (operator, self, moment) {
            ("__add__" | "__radd__", own, Some(TemporalValue::Delta(d))) => own.plus(*d),
            ("__add__" | "__radd__", TemporalValue::Delta(d), Some(other)) => other.plus(*d),
            ("__sub__", TemporalValue::Delta(a), Some(TemporalValue::Delta(b))) => {
                duration_value(a - b).map(Some)
            }
            // Python subtracts only the whole days of a duration from a date, rounded down.
            ("__sub__", TemporalValue::Date(_), Some(TemporalValue::Delta(d))) => {
                self.plus(-d.div_euclid(MICROS_OF_DAY) * MICROS_OF_DAY)
            }
            ("__sub__", own, Some(TemporalValue::Delta(d))) => own.plus(-d),
            ("__sub__", own, Some(other)) => own.minus(other)?.map(duration_value).transpose(),
            (_, TemporalValue::Delta(a), Some(TemporalValue::Delta(b))) => divide(operator, *a, *b),
            (_, TemporalValue::Delta(a), None) => scale(operator, *a, other),
            _ => Ok(None),
        }
    }

    pub(super) fn strftime(&self, format: &str) -> Result<String, Error> {
        let at = match self {
            TemporalValue::Date(d) => d.to_datetime(Time::midnight()),
            TemporalValue::At(d, _) => *d,
            TemporalValue::Time(t, _) => Date::constant(1900, 1, 1).to_datetime(*t),
            TemporalValue::Delta(d) => return Ok(delta_text(*d)),
        };
        let mut pattern = String::with_capacity(format.len());
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '%' { chars.next() } else { None }) {
                ('%', Some('f')) => pattern.push_str("%6f"),
                ('%', Some('c')) => pattern.push_str("%a %b %e %H:%M:%S %Y"),
                ('%', Some('x')) => pattern.push_str("%m/%d/%y"),
                ('%', Some('X')) => pattern.push_str("%H:%M:%S"),
                ('%', Some('z')) => {
                    pattern.push_str(&self.zone().map_or_else(String::new, |z| z.offset_text("")))
                }
                ('%', Some('Z')) => {
                    pattern.push_str(&self.zone().map_or_else(String::new, Zone::abbreviation))
                }
                ('%', Some(other)) => pattern.extend(['%', other]),
                (c, _) => pattern.push(c),
            }
        }
        if format.ends_with('%') && !format.ends_with("%%") {
            pattern.push('%');
        }
        jiff::fmt::strtime::format(&pattern, at)
            .map_err(|e| error(format!("`{format}` cannot be formatted: {e}")))
    }

    fn isoformat(&self, separator: &str, precision: &str) -> Result<String, Error> {
        let zone = self.zone().map_or_else(String::new, |z| z.offset_text(":"));
        Ok(match self {
            TemporalValue::Date(d) => d.to_string(),
            TemporalValue::At(d, _) => {
                format!("{}{separator}{}{zone}", d.date(), time_text(d.time(), precision)?)
            }
            TemporalValue::Time(t, _) => format!("{}{zone}", time_text(*t, precision)?),
            TemporalValue::Delta(d) => delta_text(*d),
        })
    }

    /// Python's `repr`: the expression that constructs the value.
    fn repr_text(&self) -> String {
        let zone = self.zone().map_or_else(String::new, |z| format!(", tzinfo={}", z.repr_text()));
        match self {
            TemporalValue::Date(d) => {
                format!("datetime.date({}, {}, {})", d.year(), d.month(), d.day())
            }
            TemporalValue::At(d, _) => {
                let day = format!("{}, {}, {}", d.year(), d.month(), d.day());
                format!("datetime.datetime({day}, {}{zone})", clock_arguments(d.time()))
            }
            TemporalValue::Time(t, _) => format!("datetime.time({}{zone})", clock_arguments(*t)),
            TemporalValue::Delta(d) => {
                let rest = d.rem_euclid(MICROS_OF_DAY);
                let parts = [
                    ("days", d.div_euclid(MICROS_OF_DAY)),
                    ("seconds", rest / 1_000_000),
                    ("microseconds", rest % 1_000_000),
                ];
                let parts: Vec<String> = parts
                    .iter()
                    .filter(|(_, n)| *n != 0)
                    .map(|(name, n)| format!("{name}={n}"))
                    .collect();
                format!(
                    "datetime.timedelta({})",
                    if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }
                )
            }
        }
    }

    /// `min`, `max` and `resolution` of the class.
    fn limit(&self, key: &str) -> Option<TemporalValue> {
        let (first, last) = (Date::constant(1, 1, 1), Date::constant(9999, 12, 31));
        let end = Time::constant(23, 59, 59, 999_999_000);
        Some(match (self, key) {
            (TemporalValue::Date(_), "min") => TemporalValue::Date(first),
            (TemporalValue::Date(_), "max") => TemporalValue::Date(last),
            (TemporalValue::Date(_), "resolution") => TemporalValue::Delta(MICROS_OF_DAY),
            (TemporalValue::At(..), "min") => {
                TemporalValue::At(first.to_datetime(Time::midnight()), None)
            }
            (TemporalValue::At(..), "max") => TemporalValue::At(last.to_datetime(end), None),
            (TemporalValue::Time(..), "min") => TemporalValue::Time(Time::midnight(), None),
            (TemporalValue::Time(..), "max") => TemporalValue::Time(end, None),
            (TemporalValue::Delta(_), "min") => TemporalValue::Delta(-MOST_DAYS * MICROS_OF_DAY),
            (TemporalValue::Delta(_), "max") => {
                TemporalValue::Delta((MOST_DAYS + 1) * MICROS_OF_DAY - 1)
            }
            (_, "resolution") => TemporalValue::Delta(1),
            _ => return None,
        })
    }

    /// Calls the method of an operator, such as `__add__`. Without an operand it is a unary one.
    fn call_operator(&self, method: &str, operand: Option<&Value>) -> Result<Value, Error> {
        if let (TemporalValue::Delta(d), None) = (self, operand) {
            return match method {
                "__neg__" => duration_value(-d),
                "__pos__" => duration_value(*d),
                "__abs__" => duration_value(d.abs()),
                _ => Err(unknown_method()),
            };
        }
        let other = operand.ok_or_else(unknown_method)?;
        self.operate(method, other)?.ok_or_else(unknown_method)
    }

    /// `utcoffset()`, `tzname()` or `dst()`; none without a zone.
    fn call_zone(&self, method: &str) -> Result<Value, Error> {
        let Some(zone) = self.zone() else { return Ok(super::none()) };
        let seconds = match method {
            "tzname" => return Ok(Value::from(zone.abbreviation())),
            "dst" => zone.daylight(),
            _ => Some(zone.offset()),
        };
        match seconds {
            Some(seconds) => duration_value(i128::from(seconds) * 1_000_000),
            None => Ok(super::none()),
        }
    }

    /// `weekday()` and the other methods that depend on the date.
    fn call_calendar(&self, method: &str) -> Result<Value, Error> {
        let date = self.require_date(method)?;
        Ok(match method {
            "weekday" => Value::from(date.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(date.weekday().to_monday_one_offset()),
            "toordinal" => {
                Value::from(date.duration_since(Date::constant(1, 1, 1)).as_hours() / 24 + 1)
            }
            "isocalendar" => iso_calendar(date),
            _ => time_tuple(date, self.time().unwrap_or_default()),
        })
    }

    /// The date of this value; an error if it has none.
    fn require_date(&self, method: &str) -> Result<Date, Error> {
        self.date()
            .ok_or_else(|| Error::new(ErrorKind::UnknownMethod, format!("this has no `{method}`")))
    }
}

fn unknown_method() -> Error {
    Error::from(ErrorKind::UnknownMethod)
}

fn divide(operator: &str, a: i128, b: i128) -> Result<Option<Value>, Error> {
    if b == 0 && matches!(operator, "__truediv__" | "__floordiv__" | "__mod__") {
        return Err(error("integer division or modulo by zero"));
    }
    Ok(Some(match operator {
        "__truediv__" => Value::from(a as f64 / b as f64),
        "__floordiv__" => Value::from(a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)),
        "__mod__" => {
            duration_value(a.rem_euclid(b) + if b < 0 && a.rem_euclid(b) != 0 { b } else { 0 })?
        }
        _ => return Ok(None),
    }))
}

/// The result of an operator on a duration and a number.
fn scale(operator: &str, micros: i128, number: &Value) -> Result<Option<Value>, Error> {
    if !matches!(number.kind(), ValueKind::Number | ValueKind::Bool) {
        return Ok(None);
    }
    let whole = number.as_i64().filter(|_| number.is_integer()).map(i128::from);
    let float = f64::try_from(number.clone()).unwrap_or(f64::from(u8::from(number.is_true())));
    if float == 0.0 && matches!(operator, "__truediv__" | "__floordiv__") {
        return Err(error("integer division or modulo by zero"));
    }
    let result = match (operator, whole) {
        ("__mul__" | "__rmul__", Some(n)) => micros * n,
        ("__mul__" | "__rmul__", None) => rounded(micros as f64 * float),
        ("__truediv__", _) => rounded(micros as f64 / float),
        ("__floordiv__", Some(n)) => {
            micros.div_euclid(n) - i128::from(n < 0 && micros.rem_euclid(n) != 0)
        }
        _ => return Ok(None),
    };
    duration_value(result).map(Some)
}

fn time_text(t: Time, precision: &str) -> Result<String, Error> {
    let micros = t.subsec_nanosecond() / 1000;
    let whole = format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    Ok(match precision {
        "auto" if micros == 0 => whole,
        "auto" | "microseconds" => format!("{whole}.{micros:06}"),
        "milliseconds" => format!("{whole}.{:03}", micros / 1000),
        "seconds" => whole,
        "minutes" => whole[..5].to_owned(),
        "hours" => whole[..2].to_owned(),
        _ => return Err(error("Unknown timespec value")),
    })
}

/// The time as arguments of a Python constructor, without zeros at the end.
fn clock_arguments(t: Time) -> String {
    let micros = t.subsec_nanosecond() / 1000;
    let mut text = format!("{}, {}", t.hour(), t.minute());
    if t.second() != 0 || micros != 0 {
        text.push_str(&format!(", {}", t.second()));
    }
    if micros != 0 {
        text.push_str(&format!(", {micros}"));
    }
    text
}

/// Prints a duration as Python does: `1 day, 2:03:04`.
pub(super) fn delta_text(micros: i128) -> String {
    let days = micros.div_euclid(MICROS_OF_DAY);
    let rest = micros.rem_euclid(MICROS_OF_DAY);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let mut text = match days {
        0 => String::new(),
        1 | -1 => format!("{days} day, "),
        _ => format!("{days} days, "),
    };
    text.push_str(&format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    if fraction != 0 {
        text.push_str(&format!(".{fraction:06}"));
    }
    text
}

/// Values of different kinds, such as a date and a datetime, or a naive and an aware one, are not
/// equal.
impl PartialEq for TemporalValue {
    fn eq(&self, other: &TemporalValue) -> bool {
        self.order(other) == Some(Ordering::Equal)
    }
}

impl TemporalValue {
    fn order(&self, other: &TemporalValue) -> Option<Ordering> {
        match (self, other) {
            (TemporalValue::Date(a), TemporalValue::Date(b)) => Some(a.cmp(b)),
            (TemporalValue::At(_, a), TemporalValue::At(_, b)) if a.is_some() == b.is_some() => {
                Some(self.universal().cmp(&other.universal()))
            }
            (TemporalValue::Time(a, _), TemporalValue::Time(b, _)) => Some(a.cmp(b)),
            (TemporalValue::Delta(a), TemporalValue::Delta(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

const OF_DATES: &[&str] = &[
    "strftime",
    "isoformat",
    "weekday",
    "isoweekday",
    "toordinal",
    "isocalendar",
    "timetuple",
    "ctime",
    "replace",
    "__format__",
    "fromordinal",
    "fromisoformat",
    "today",
];
const OF_DATETIMES: &[&str] = &[
    "date",
    "time",
    "timetz",
    "timestamp",
    "astimezone",
    "utcoffset",
    "tzname",
    "dst",
    "utctimetuple",
    "combine",
    "strptime",
    "now",
    "utcnow",
    "fromtimestamp",
    "utcfromtimestamp",
];

impl Object for TemporalValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !matches!(**self, TemporalValue::Delta(0))
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if key == crate::jinja::REPR {
            return Some(Value::from(self.repr_text()));
        }
        if key == crate::jinja::ORDER {
            return Some(Value::from(match &**self {
                TemporalValue::Date(_) => "date",
                TemporalValue::At(_, None) => "naive datetime",
                TemporalValue::At(_, Some(_)) => "aware datetime",
                TemporalValue::Time(..) => "time",
                TemporalValue::Delta(_) => "timedelta",
            }));
        }
        if let Some(limit) = self.limit(key) {
            return Some(temporal_value(limit));
        }
        if key == METHODS {
            let names = match &**self {
                TemporalValue::Delta(_) => vec!["total_seconds"],
                TemporalValue::Time(..) => {
                    vec!["strftime", "isoformat", "replace", "utcoffset", "tzname", "dst"]
                }
                TemporalValue::Date(_) => OF_DATES.to_vec(),
                TemporalValue::At(..) => [OF_DATES, OF_DATETIMES].concat(),
            };
            return Some(Value::from(names));
        }
        if let TemporalValue::Delta(micros) = &**self {
            let rest = micros.rem_euclid(MICROS_OF_DAY);
            return Some(Value::from(match key {
                "days" => micros.div_euclid(MICROS_OF_DAY) as i64,
                "seconds" => (rest / 1_000_000) as i64,
                "microseconds" => (rest % 1_000_000) as i64,
                _ => return None,
            }));
        }
        let (date, time) = (self.date(), self.time());
        Some(match key {
            "year" => Value::from(date?.year()),
            "month" => Value::from(date?.month()),
            "day" => Value::from(date?.day()),
            "hour" => Value::from(time?.hour()),
            "minute" => Value::from(time?.minute()),
            "second" => Value::from(time?.second()),
            "microsecond" => Value::from(time?.subsec_nanosecond() / 1000),
            "fold" => time.map(|_| Value::from(0))?,
            "tzinfo" => time
                .map(|_| self.zone().map_or_else(super::none, |z| Value::from_object(z.clone())))?,
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method.starts_with("__") && method != "__format__" {
            return self.call_operator(method, args.first());
        }
        let args = Args::parse(args)?;
        Ok(match (method, &**self) {
            (
                "strftime" | "__format__",
                TemporalValue::Date(_) | TemporalValue::At(..) | TemporalValue::Time(..),
            ) => match args.text(0, "format")? {
                format if format.is_empty() && method == "__format__" => {
                    Value::from(self.isoformat(" ", "auto")?)
                }
                format => Value::from(self.strftime(&format)?),
            },
            ("isoformat", TemporalValue::Date(_)) => Value::from(self.isoformat("T", "auto")?),
            ("isoformat", TemporalValue::At(..)) => {
                let separator =
                    args.get(0, "sep").map_or_else(|| "T".to_owned(), ToString::to_string);
                let precision =
                    args.get(1, "timespec").map_or_else(|| "auto".to_owned(), ToString::to_string);
                Value::from(self.isoformat(&separator, &precision)?)
            }
            ("isoformat", TemporalValue::Time(..)) => {
                let precision =
                    args.get(0, "timespec").map_or_else(|| "auto".to_owned(), ToString::to_string);
                Value::from(self.isoformat("", &precision)?)
            }
            ("date", TemporalValue::At(at, _)) => temporal_value(TemporalValue::Date(at.date())),
            ("time", TemporalValue::At(at, _)) => {
                temporal_value(TemporalValue::Time(at.time(), None))
            }
            ("timetz", TemporalValue::At(at, zone)) => {
                temporal_value(TemporalValue::Time(at.time(), zone.clone()))
            }
            (
                "weekday" | "isoweekday" | "toordinal" | "isocalendar" | "timetuple"
                | "utctimetuple",
                _,
            ) => self.call_calendar(method)?,
            ("ctime", TemporalValue::Date(_) | TemporalValue::At(..)) => {
                Value::from(self.strftime("%a %b %e %H:%M:%S %Y")?)
            }
            ("timestamp", TemporalValue::At(..)) => {
                Value::from(self.universal().unwrap_or_default() as f64 / 1e6)
            }
            ("utcoffset" | "tzname" | "dst", TemporalValue::At(..) | TemporalValue::Time(..)) => {
                self.call_zone(method)?
            }
            ("total_seconds", TemporalValue::Delta(d)) => Value::from(*d as f64 / 1e6),
            (
                "replace",
                TemporalValue::Date(_) | TemporalValue::At(..) | TemporalValue::Time(..),
            ) => replace(self, &args)?,
            ("astimezone", TemporalValue::At(at, zone)) => {
                let utc = add_micros(
                    *at,
                    -i128::from(zone.as_ref().map_or(0, Zone::offset)) * 1_000_000,
                )?;
                let target =
                    zone_of(args.get(0, "tz"))?.unwrap_or_else(Zone::utc).at_universal(utc);
                let local = add_micros(utc, i128::from(target.offset()) * 1_000_000)?;
                temporal_value(TemporalValue::At(local, Some(target)))
            }
            // As in Python, class methods can be called on values too.
            (_, TemporalValue::At(..)) => {
                super::modules::class_call("datetime", state, method, &args)?
            }
            (_, TemporalValue::Date(_)) => {
                super::modules::class_call("date", state, method, &args)?
            }
            _ => return Err(unknown_method()),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat(" ", "auto").map_err(|_| fmt::Error)?)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        self.order(other.downcast_ref::<TemporalValue>()?)
    }
}

fn replace(moment: &TemporalValue, args: &Args) -> Result<Value, Error> {
    let (date, time) = (moment.date(), moment.time());
    let day = date.map(|d| {
        [
            ("year", i64::from(d.year())),
            ("month", i64::from(d.month())),
            ("day", i64::from(d.day())),
        ]
    });
    let clock = time.map(|t| {
        let micros = i64::from(t.subsec_nanosecond() / 1000);
        let (hour, minute) = (i64::from(t.hour()), i64::from(t.minute()));
        [
            ("hour", hour),
            ("minute", minute),
            ("second", i64::from(t.second())),
            ("microsecond", micros),
        ]
    });
    let names = day.into_iter().flatten().chain(clock.into_iter().flatten());
    let mut parts = Vec::new();
    for (i, (name, old)) in names.enumerate() {
        let given = args.get(i, name);
        parts.push(
            given
                .map_or(Some(old), Value::as_i64)
                .ok_or_else(|| error("an integer is required"))?,
        );
    }
    let zone = match args.named.get("tzinfo") {
        Some(zone) => zone_of(Some(zone))?,
        None => moment.zone().cloned(),
    };
    Ok(temporal_value(match (date, time) {
        (Some(_), None) => TemporalValue::Date(make_date(&parts)?),
        (Some(_), Some(_)) => {
            TemporalValue::At(make_date(&parts)?.to_datetime(make_time(&parts[3..])?), zone)
        }
        _ => TemporalValue::Time(make_time(&parts)?, zone),
    }))
}

/// A date from a year, a month and a day.
pub(super) fn make_date(parts: &[i64]) -> Result<Date, Error> {
    let [year, month, day, ..] = parts else {
        return Err(error("a date needs a year, a month and a day"));
    };
    if !(1..=9999).contains(year) {
        return Err(error(format!("year {year} is out of range")));
    }
    let date =
        Date::new(*year as i16, i8::try_from(*month).unwrap_or(0), i8::try_from(*day).unwrap_or(0));
    date.map_err(|_| error(format!("month {month} or day {day} is out of range")))
}

/// A time from an hour, a minute, a second and microseconds; missing parts are zero.
pub(super) fn make_time(parts: &[i64]) -> Result<Time, Error> {
    let mut clock = [0; 4];
    for (slot, part) in clock.iter_mut().zip(parts) {
        *slot = *part;
    }
    let [hour, minute, second, micros] = clock;
    if !(0..1_000_000).contains(&micros) {
        return Err(error("microsecond must be in 0..999999"));
    }
    let [hour, minute, second] = [hour, minute, second].map(|n| i8::try_from(n).unwrap_or(-1));
    Time::new(hour, minute, second, micros as i32 * 1000)
        .map_err(|_| error("hour must be in 0..23, minute and second in 0..59"))
}

#[derive(Debug)]
struct NamedTuple {
    name: &'static str,
    fields: &'static [&'static str],
    values: Vec<i64>,
}

impl NamedTuple {
    fn repr_text(&self) -> String {
        let parts: Vec<String> =
            self.fields.iter().zip(&self.values).map(|(field, n)| format!("{field}={n}")).collect();
        format!("{}({})", self.name, parts.join(", "))
    }
}

impl Object for NamedTuple {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(name) if name == crate::jinja::REPR => Some(Value::from(self.repr_text())),
            Some(name) => {
                self.fields.iter().position(|f| *f == name).map(|i| Value::from(self.values[i]))
            }
            None => self.values.get(key.as_usize()?).map(|n| Value::from(*n)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(self.values.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.get_value(&Value::from(crate::jinja::REPR)).unwrap_or_default();
        write!(f, "{text}")
    }
}

fn iso_calendar(date: Date) -> Value {
    let iso = date.iso_week_date();
    let values =
        vec![iso.year().into(), iso.week().into(), iso.weekday().to_monday_one_offset().into()];
    Value::from_object(NamedTuple {
        name: "datetime.IsoCalendarDate",
        fields: &["year", "week", "weekday"],
        values,
    })
}

fn time_tuple(date: Date, time: Time) -> Value {
    let fields = &[
        "tm_year", "tm_mon", "tm_mday", "tm_hour", "tm_min", "tm_sec", "tm_wday", "tm_yday",
        "tm_isdst",
    ];
    let values = vec![
        date.year().into(),
        date.month().into(),
        date.day().into(),
        time.hour().into(),
        time.minute().into(),
        time.second().into(),
        date.weekday().to_monday_zero_offset().into(),
        date.day_of_year().into(),
        -1,
    ];
    Value::from_object(NamedTuple { name: "time.struct_time", fields, values })
}
