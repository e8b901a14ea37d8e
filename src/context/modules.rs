//! `modules`: the Python modules that dbt offers (`datetime`, `pytz`, `re`, `itertools`).

use super::datetime::{
    TemporalValue, duration_value, make_date, make_time, temporal_value as moment,
};
use super::reads::RenderQuestion;
use super::session::{RenderSession, TemplateWarning};
use super::zones::{Zone, zone_of};
use crate::diag::DbtEvent;
use crate::jinja::{Args, METHODS, dict, error, with_extension};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use minijinja::value::{Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

const ITERTOOLS_DEPRECATED: &str = "`modules.itertools` is out of date: dbt has deprecated it. Write a loop, or use a macro of your own";

pub(super) fn modules_value() -> Value {
    let classes = [Class::DateTime, Class::Date, Class::Time, Class::TimeDelta, Class::TzInfo];
    let datetime = classes.map(|c| (Value::from(c.name()), Value::from_object(c)));
    dict([
        (Value::from("datetime"), dict(datetime)),
        (Value::from("pytz"), Value::from_object(Class::Pytz)),
        (Value::from("re"), Value::from_object(Class::Re)),
        (Value::from("itertools"), Value::from_object(Class::Itertools)),
    ])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    DateTime,
    Date,
    Time,
    TimeDelta,
    TzInfo,
    Pytz,
    Re,
    Itertools,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::DateTime => "datetime",
            Class::Date => "date",
            Class::Time => "time",
            Class::TimeDelta => "timedelta",
            Class::TzInfo => "tzinfo",
            Class::Pytz => "pytz",
            Class::Re => "re",
            Class::Itertools => "itertools",
        }
    }

    fn methods(self) -> &'static [&'static str] {
        match self {
            Class::DateTime => &[
                "now",
                "today",
                "utcnow",
                "strptime",
                "fromisoformat",
                "fromtimestamp",
                "utcfromtimestamp",
                "fromordinal",
                "fromisocalendar",
                "combine",
            ],
            Class::Date => {
                &["today", "fromisoformat", "fromtimestamp", "fromordinal", "fromisocalendar"]
            }
            Class::Time => &["fromisoformat"],
            Class::Pytz => &["timezone"],
            Class::Re => super::regex::FUNCTIONS,
            Class::Itertools => super::itertools::FUNCTIONS,
            Class::TimeDelta | Class::TzInfo => &[],
        }
    }
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (**self, key.as_str()?) {
            (class, METHODS) => Some(Value::from(class.methods().to_vec())),
            (Class::Pytz, "utc") => Some(Value::from_object(Zone::utc())),
            (Class::Re, name) => super::regex::Flag::named(name).map(Value::from_object),
            (Class::Date, "min") => Some(moment(TemporalValue::Date(Date::constant(1, 1, 1)))),
            (Class::Date, "max") => Some(moment(TemporalValue::Date(Date::constant(9999, 12, 31)))),
            (Class::DateTime, "min" | "max") => {
                moment(TemporalValue::At(DateTime::constant(1, 1, 1, 0, 0, 0, 0), None))
                    .get_attr(key.as_str()?)
                    .ok()
            }
            (Class::TimeDelta, "min" | "max" | "resolution") => {
                moment(TemporalValue::Delta(0)).get_attr(key.as_str()?).ok()
            }
            (Class::Time, "min" | "max") => {
                moment(TemporalValue::Time(Time::midnight(), None)).get_attr(key.as_str()?).ok()
            }
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        let clock = ["hour", "minute", "second", "microsecond"];
        Ok(match **self {
            Class::Date => moment(TemporalValue::Date(read_day(&args)?)),
            Class::DateTime => {
                let time = make_time(&read_numbers(&args, &clock, 3)?)?;
                let day = read_day(&args)?;
                moment(TemporalValue::At(day.to_datetime(time), zone_of(args.get(7, "tzinfo"))?))
            }
            Class::Time => moment(TemporalValue::Time(
                make_time(&read_numbers(&args, &clock, 0)?)?,
                zone_of(args.get(4, "tzinfo"))?,
            )),
            Class::TimeDelta => timedelta(&args)?,
            other => return Err(error(format!("'{}' is not callable", other.name()))),
        })
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        match **self {
            Class::DateTime | Class::Date | Class::Time => {
                class_call(self.name(), state, method, &args)
            }
            Class::Pytz if method == "timezone" => {
                Ok(Value::from_object(Zone::named(&args.text(0, "zone")?)?))
            }
            Class::Re => super::regex::call_regex(method, &args),
            Class::Itertools => {
                let session = with_extension::<RenderSession>(state)?;
                let warning = TemplateWarning::deprecated(
                    DbtEvent::ModulesItertoolsUsageDeprecation,
                    ITERTOOLS_DEPRECATED,
                    session.site(state),
                );
                session.record().warnings.push(warning);
                super::itertools::call_itertools(state, method, &args)
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match **self {
            Class::Pytz | Class::Re | Class::Itertools => write!(f, "<module '{}'>", self.name()),
            class => write!(f, "<class 'datetime.{}'>", class.name()),
        }
    }
}

/// Reads integer arguments, starting at position `from`; missing ones are zero.
fn read_numbers(args: &Args, names: &[&str], from: usize) -> Result<Vec<i64>, Error> {
    let mut numbers = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        numbers.push(match args.get(from + i, name) {
            None => 0,
            Some(v) => v
                .as_i64()
                .filter(|_| v.is_integer())
                .ok_or_else(|| error(format!("`{name}` must be an integer")))?,
        });
    }
    Ok(numbers)
}

/// Reads the required arguments year, month and day.
fn read_day(args: &Args) -> Result<Date, Error> {
    const NAMES: [&str; 3] = ["year", "month", "day"];
    for (i, name) in NAMES.iter().enumerate() {
        args.require(i, name)?;
    }
    make_date(&read_numbers(args, &NAMES, 0)?)
}

/// `timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)`. Integers are
/// summed exactly, floats are rounded.
fn timedelta(args: &Args) -> Result<Value, Error> {
    let units = [
        ("days", 86_400_000_000i128),
        ("seconds", 1_000_000),
        ("microseconds", 1),
        ("milliseconds", 1000),
        ("minutes", 60_000_000),
        ("hours", 3_600_000_000),
        ("weeks", 604_800_000_000),
    ];
    if let Some(name) = args.named.keys().find(|k| !units.iter().any(|(name, _)| name == k)) {
        return Err(error(format!("'{name}' is an invalid keyword argument for timedelta()")));
    }
    let (mut whole, mut part) = (0i128, 0.0f64);
    for (i, (name, unit)) in units.into_iter().enumerate() {
        let Some(given) = args.get(i, name) else { continue };
        if !matches!(given.kind(), ValueKind::Number | ValueKind::Bool) {
            return Err(error(format!("unsupported type for timedelta {name} component")));
        }
        match given.as_i64().filter(|_| given.is_integer()) {
            Some(n) => whole += i128::from(n) * unit,
            None => {
                part += f64::try_from(given.clone()).unwrap_or(f64::from(u8::from(given.is_true())))
                    * unit as f64
            }
        }
    }
    duration_value(whole + part.round_ties_even() as i128)
}

/// Calls a class method of `datetime.datetime`, `datetime.date` or `datetime.time`.
pub(super) fn class_call(
    class: &str,
    state: &mut State<'_, '_>,
    method: &str,
    args: &Args,
) -> Result<Value, Error> {
    Ok(match (class, method) {
        ("date", "today") => moment(TemporalValue::Date(
            ask_now(state)?.to_zoned_datetime(TimeZone::system()).date(),
        )),
        ("datetime", "now") => local_time(ask_now(state)?, zone_of(args.get(0, "tz"))?),
        ("datetime", "today") => local_time(ask_now(state)?, None),
        ("datetime", "utcnow") => {
            moment(TemporalValue::At(Offset::UTC.to_datetime(ask_now(state)?), None))
        }
        ("datetime", "strptime") => {
            parse_time(&args.text(0, "date_string")?, &args.text(1, "format")?)?
        }
        ("datetime" | "date" | "time", "fromisoformat") => {
            let text = args.text(0, "date_string")?;
            super::iso::parse_iso_text(class, &text)
                .ok_or_else(|| error(format!("Invalid isoformat string: '{text}'")))?
        }
        ("datetime", "fromtimestamp") => local_time(timestamp(args)?, zone_of(args.get(1, "tz"))?),
        ("datetime", "utcfromtimestamp") => {
            moment(TemporalValue::At(Offset::UTC.to_datetime(timestamp(args)?), None))
        }
        ("date", "fromtimestamp") => moment(TemporalValue::Date(
            timestamp(args)?.to_zoned_datetime(TimeZone::system()).date(),
        )),
        ("datetime" | "date", "fromordinal") => {
            let days = args.require(0, "ordinal")?.as_i64().filter(|n| (1..=3_652_059).contains(n));
            let days = days.ok_or_else(|| error("ordinal must be between 1 and 3652059"))? - 1;
            let day = Date::constant(1, 1, 1).checked_add(SignedDuration::from_hours(days * 24));
            day_of_class(class, day.map_err(|e| error(e.to_string()))?)
        }
        ("datetime" | "date", "fromisocalendar") => {
            let [year, week, day] =
                [args.require(0, "year")?, args.require(1, "week")?, args.require(2, "day")?]
                    .map(|v| v.as_i64().unwrap_or(0));
            let date = super::iso::week_date(year, week, day);
            day_of_class(class, date.ok_or_else(|| error("Invalid week or day"))?)
        }
        ("datetime", "combine") => {
            let (day, time) = (args.require(0, "date")?, args.require(1, "time")?);
            let day = day.downcast_object_ref::<TemporalValue>().and_then(TemporalValue::date);
            let time = time
                .downcast_object_ref::<TemporalValue>()
                .and_then(|t| Some((t.time()?, t.zone().cloned())));
            let (day, (time, zone)) =
                day.zip(time).ok_or_else(|| error("combine() needs a date and a time"))?;
            moment(TemporalValue::At(day.to_datetime(time), zone))
        }
        (_, other) => {
            return Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("type object 'datetime.{class}' has no `{other}`"),
            ));
        }
    })
}

/// The current time. Records the read, since the result of the render depends on it.
fn ask_now(state: &mut State<'_, '_>) -> Result<Timestamp, Error> {
    let session = with_extension::<RenderSession>(state)?;
    session.record_read(RenderQuestion::Now);
    Ok(session.project.system.now())
}

/// An aware datetime in the zone or, without one, a naive one in the system's zone.
fn local_time(at: Timestamp, zone: Option<Zone>) -> Value {
    let utc = Offset::UTC.to_datetime(at);
    let Some(zone) = zone else {
        return moment(TemporalValue::At(
            at.to_zoned_datetime(TimeZone::system()).datetime(),
            None,
        ));
    };
    let zone = zone.at_universal(utc);
    let local = utc.checked_add(SignedDuration::from_secs(zone.offset().into())).unwrap_or(utc);
    moment(TemporalValue::At(local, Some(zone)))
}

fn day_of_class(class: &str, day: Date) -> Value {
    match class {
        "date" => moment(TemporalValue::Date(day)),
        _ => moment(TemporalValue::At(day.to_datetime(Time::midnight()), None)),
    }
}

fn timestamp(args: &Args) -> Result<Timestamp, Error> {
    let seconds = f64::try_from(args.require(0, "timestamp")?.clone())
        .map_err(|_| error("a number is required"))?;
    let micros = (seconds * 1e6).round_ties_even() as i64;
    Timestamp::from_microsecond(micros).map_err(|_| error("timestamp out of range"))
}

fn parse_time(text: &str, format: &str) -> Result<Value, Error> {
    let wrong = || error(format!("time data '{text}' does not match format '{format}'"));
    let parsed = jiff::fmt::strtime::parse(format, text).map_err(|_| wrong())?;
    // Parts that the format does not name default to 1 January 1900, 00:00.
    let (year, month, day) =
        (parsed.year().unwrap_or(1900), parsed.month().unwrap_or(1), parsed.day().unwrap_or(1));
    let date = match parsed.to_date() {
        Ok(date) => date,
        Err(_) => Date::new(year, month, day).map_err(|_| wrong())?,
    };
    let time = match parsed.to_time() {
        Ok(time) => time,
        Err(_) => Time::new(
            parsed.hour().unwrap_or(0),
            parsed.minute().unwrap_or(0),
            parsed.second().unwrap_or(0),
            0,
        )
        .map_err(|_| wrong())?,
    };
    let zone = parsed.offset().map(|offset| Zone::fixed(offset.seconds(), None));
    Ok(moment(TemporalValue::At(date.to_datetime(time), zone)))
}
