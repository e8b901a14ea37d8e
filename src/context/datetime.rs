//! Python's dates and times, as far as templates use them.

use crate::jinja::{Args, error};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A date, a naive or aware datetime, a time or a duration.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moment {
    Date(Date),
    Naive(DateTime),
    Aware(ZonedDateTime),
    Time(Time),
    Delta(SignedDuration),
}

pub(super) fn value(moment: Moment) -> Value {
    Value::from_object(moment)
}

/// An aware datetime in UTC.
pub(super) fn from_timestamp(at: Timestamp) -> Value {
    value(Moment::Aware(at.to_zoned_datetime(TimeZone::UTC)))
}

/// ISO text of a date or time stamp, as engines print them.
pub(super) fn from_text(text: &str) -> Option<Value> {
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return Some(value(Moment::Date(date)));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(from_timestamp(at));
    }
    text.parse::<DateTime>().ok().map(|d| value(Moment::Naive(d)))
}

/// The instant that a value is: a time without a zone is one of UTC, as dbt takes it. Dates are none.
pub(crate) fn instant(value: &Value) -> Option<Timestamp> {
    match value.downcast_object_ref::<Moment>()? {
        Moment::Aware(at) => Some(at.timestamp()),
        Moment::Naive(at) => at.to_zoned_datetime(TimeZone::UTC).ok().map(|at| at.timestamp()),
        Moment::Date(_) | Moment::Time(_) | Moment::Delta(_) => None,
    }
}

impl Moment {
    fn date(&self) -> Option<Date> {
        match self {
            Moment::Date(d) => Some(*d),
            Moment::Naive(d) => Some(d.date()),
            Moment::Aware(z) => Some(z.date()),
            Moment::Time(_) | Moment::Delta(_) => None,
        }
    }

    fn time(&self) -> Option<Time> {
        match self {
            Moment::Naive(d) => Some(d.time()),
            Moment::Aware(z) => Some(z.time()),
            Moment::Time(t) => Some(*t),
            Moment::Date(_) | Moment::Delta(_) => None,
        }
    }

    /// `self + delta`.
    pub(super) fn plus(&self, delta: SignedDuration) -> Result<Moment, Error> {
        let failed = |_| error("date out of range");
        Ok(match self {
            Moment::Date(d) => {
                Moment::Date(d.checked_add(SignedDuration::from_hours(delta.as_hours() / 24 * 24)).map_err(failed)?)
            }
            Moment::Naive(d) => Moment::Naive(d.checked_add(delta).map_err(failed)?),
            Moment::Aware(z) => Moment::Aware(z.checked_add(delta).map_err(failed)?),
            Moment::Delta(d) => Moment::Delta(*d + delta),
            Moment::Time(_) => return Err(error("a time and a duration cannot be added")),
        })
    }

    /// The time from `other` to `self`.
    fn minus(&self, other: &Moment) -> Result<SignedDuration, Error> {
        Ok(match (self, other) {
            (Moment::Date(a), Moment::Date(b)) => a.duration_since(*b),
            (Moment::Naive(a), Moment::Naive(b)) => a.duration_since(*b),
            (Moment::Aware(a), Moment::Aware(b)) => a.timestamp().duration_since(b.timestamp()),
            _ => return Err(error("dates of different kinds cannot be subtracted")),
        })
    }

    fn strftime(&self, format: &str) -> String {
        // Jiff writes `%f` without the six digits that Python gives; the rest agrees.
        let format = format.replace("%f", "%6f");
        match self {
            Moment::Date(d) => d.strftime(&format).to_string(),
            Moment::Naive(d) => d.strftime(&format).to_string(),
            Moment::Aware(z) => z.strftime(&format).to_string(),
            Moment::Time(t) => t.strftime(&format).to_string(),
            Moment::Delta(d) => delta_text(*d),
        }
    }

    fn isoformat(&self, separator: char) -> String {
        let micros = |t: Time| if t.subsec_nanosecond() == 0 { "" } else { ".%6f" };
        match self {
            Moment::Date(d) => d.to_string(),
            Moment::Naive(d) => d.strftime(&format!("%Y-%m-%d{separator}%H:%M:%S{}", micros(d.time()))).to_string(),
            Moment::Aware(z) => z.strftime(&format!("%Y-%m-%d{separator}%H:%M:%S{}%:z", micros(z.time()))).to_string(),
            Moment::Time(t) => t.strftime(&format!("%H:%M:%S{}", micros(*t))).to_string(),
            Moment::Delta(d) => delta_text(*d),
        }
    }
}

/// `1 day, 2:03:04`, as Python prints a timedelta.
fn delta_text(d: SignedDuration) -> String {
    let micros = d.as_micros();
    let days = micros.div_euclid(86_400_000_000);
    let rest = micros.rem_euclid(86_400_000_000);
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

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Moment::Delta(d) = &**self {
            let micros = d.as_micros();
            let rest = micros.rem_euclid(86_400_000_000);
            return Some(Value::from(match key {
                "days" => micros.div_euclid(86_400_000_000) as i64,
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
            "tzinfo" => match &**self {
                Moment::Aware(z) => Value::from(z.time_zone().iana_name().unwrap_or("UTC")),
                _ => super::none(),
            },
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        let date = || self.date().ok_or_else(|| error("this has no date"));
        Ok(match method {
            "strftime" | "__format__" => Value::from(self.strftime(&args.text(0, "format")?)),
            "isoformat" => {
                let separator =
                    args.get(0, "sep").and_then(|s| s.as_str().and_then(|s| s.chars().next())).unwrap_or('T');
                Value::from(self.isoformat(separator))
            }
            "date" => value(Moment::Date(date()?)),
            "time" => value(Moment::Time(self.time().unwrap_or_default())),
            "weekday" => Value::from(date()?.weekday().to_monday_zero_offset()),
            "isoweekday" => Value::from(date()?.weekday().to_monday_one_offset()),
            "toordinal" => Value::from(
                i64::from(date()?.since(Date::constant(1, 1, 1)).map_err(|_| error("date out of range"))?.get_days())
                    + 1,
            ),
            "timestamp" => {
                let at = match &**self {
                    Moment::Aware(z) => z.timestamp(),
                    Moment::Naive(d) => {
                        d.to_zoned_datetime(TimeZone::UTC).map_err(|_| error("date out of range"))?.timestamp()
                    }
                    _ => return Err(error("this has no time stamp")),
                };
                Value::from(at.as_duration().as_secs_f64())
            }
            "__add__" | "__sub__" => {
                let other = args.require(0, "other")?.downcast_object::<Moment>();
                let other =
                    other.ok_or_else(|| error("dates are added to and subtracted from durations and dates only"))?;
                match (method, &*other) {
                    ("__add__", Moment::Delta(d)) => value(self.plus(*d)?),
                    ("__sub__", Moment::Delta(d)) => value(self.plus(-*d)?),
                    ("__sub__", other) => value(Moment::Delta(self.minus(other)?)),
                    _ => return Err(error("two dates cannot be added")),
                }
            }
            "total_seconds" => match &**self {
                Moment::Delta(d) => Value::from(d.as_secs_f64()),
                _ => return Err(Error::from(ErrorKind::UnknownMethod)),
            },
            "replace" => replace(self, &args)?,
            "astimezone" => {
                let zone = zone_of(args.get(0, "tz"))?;
                match &**self {
                    Moment::Aware(z) => value(Moment::Aware(z.with_time_zone(zone))),
                    Moment::Naive(d) => {
                        let z = d.to_zoned_datetime(TimeZone::UTC).map_err(|_| error("date out of range"))?;
                        value(Moment::Aware(z.with_time_zone(zone)))
                    }
                    _ => return Err(Error::from(ErrorKind::UnknownMethod)),
                }
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat(' '))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        match (&**self, other.downcast_ref::<Moment>()?) {
            (Moment::Date(a), Moment::Date(b)) => Some(a.cmp(b)),
            (Moment::Naive(a), Moment::Naive(b)) => Some(a.cmp(b)),
            (Moment::Aware(a), Moment::Aware(b)) => Some(a.timestamp().cmp(&b.timestamp())),
            (Moment::Time(a), Moment::Time(b)) => Some(a.cmp(b)),
            (Moment::Delta(a), Moment::Delta(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// A time zone value: a name as text.
pub(super) fn zone_of(value: Option<&Value>) -> Result<TimeZone, Error> {
    match value.filter(|v| !v.is_none()) {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(&name.to_string()).map_err(|_| error(format!("unknown time zone `{name}`"))),
    }
}

fn replace(moment: &Moment, args: &Args) -> Result<Value, Error> {
    let n = |key: &str, old: i64| args.named.get(key).and_then(Value::as_i64).unwrap_or(old);
    let date = moment.date().unwrap_or_default();
    let time = moment.time().unwrap_or_default();
    let bad = |_| error("value out of range");
    let date = Date::new(
        n("year", date.year().into()) as i16,
        n("month", date.month().into()) as i8,
        n("day", date.day().into()) as i8,
    )
    .map_err(bad)?;
    let micros = n("microsecond", i64::from(time.subsec_nanosecond() / 1000));
    let time = Time::new(
        n("hour", time.hour().into()) as i8,
        n("minute", time.minute().into()) as i8,
        n("second", time.second().into()) as i8,
        (micros * 1000) as i32,
    )
    .map_err(bad)?;
    let naive = DateTime::from_parts(date, time);
    Ok(value(match (moment, args.named.get("tzinfo")) {
        (_, Some(zone)) if zone.is_none() => Moment::Naive(naive),
        (_, Some(zone)) => Moment::Aware(naive.to_zoned_datetime(zone_of(Some(zone))?).map_err(bad)?),
        (Moment::Date(_), None) => Moment::Date(date),
        (Moment::Aware(z), None) => Moment::Aware(naive.to_zoned_datetime(z.time_zone().clone()).map_err(bad)?),
        (Moment::Time(_), None) => Moment::Time(time),
        _ => Moment::Naive(naive),
    }))
}
