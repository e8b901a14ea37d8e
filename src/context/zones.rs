//! The time zones of templates: those of `pytz`, and `datetime.timezone`.
//!
//! In: names and offsets. Out: zones with the offset that they have at a time. Must not know: dates
//! that use them.

use super::datetime::{TemporalValue, delta_text, duration_value, temporal_value};
use crate::jinja::{METHODS, REPR, error};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The origin of a zone, which decides how it prints.
#[derive(Clone, Debug)]
enum Kind {
    /// `pytz.timezone(name)`.
    Named(TimeZone),
    /// `datetime.timezone(offset)`, or the offset of an ISO text.
    Fixed,
}

/// A zone at one point in time, with its offset in seconds at that time.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    kind: Kind,
    name: String,
    offset: i32,
    daylight: bool,
    abbreviation: String,
}

/// The zone of an argument; `None` if the argument is none or missing.
pub(super) fn zone_of(argument: Option<&Value>) -> Result<Option<Zone>, Error> {
    let Some(argument) = argument.filter(|v| !v.is_none() && !v.is_undefined()) else {
        return Ok(None);
    };
    match argument.downcast_object_ref::<Zone>() {
        Some(zone) => Ok(Some(zone.clone())),
        None => Zone::named(&argument.to_string()).map(Some),
    }
}

impl Zone {
    pub(super) fn utc() -> Zone {
        let kind = Kind::Named(TimeZone::UTC);
        Zone {
            kind,
            name: "UTC".to_owned(),
            offset: 0,
            daylight: false,
            abbreviation: "UTC".to_owned(),
        }
    }

    /// A zone of the time zone database. Until it is combined with a time, it has its earliest
    /// offset, as in `pytz`.
    pub(super) fn named(name: &str) -> Result<Zone, Error> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Zone::utc());
        }
        let zone = TimeZone::get(name).map_err(|_| error(format!("unknown time zone `{name}`")))?;
        let info = zone.to_offset_info(jiff::Timestamp::MIN);
        let (offset, abbreviation) = (info.offset().seconds(), info.abbreviation().to_owned());
        // `pytz` rounds local mean times to whole minutes.
        let offset = (f64::from(offset) / 60.0).round() as i32 * 60;
        Ok(Zone {
            kind: Kind::Named(zone),
            name: name.to_owned(),
            offset,
            daylight: false,
            abbreviation,
        })
    }

    /// `datetime.timezone(offset)`.
    pub(super) fn fixed(offset: i32, name: Option<String>) -> Zone {
        let mut zone = Zone {
            kind: Kind::Fixed,
            name: String::new(),
            offset,
            daylight: false,
            abbreviation: String::new(),
        };
        let text =
            if offset == 0 { "UTC".to_owned() } else { format!("UTC{}", zone.offset_text(":")) };
        zone.abbreviation = name.clone().unwrap_or(text);
        zone.name = name.unwrap_or_default();
        zone
    }

    /// Seconds east of UTC.
    pub(super) fn offset(&self) -> i32 {
        self.offset
    }

    /// The offset as `+02:00`, with the given separator.
    pub(super) fn offset_text(&self, separator: &str) -> String {
        let (sign, n) = (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs());
        let seconds = if n % 60 == 0 { String::new() } else { format!("{separator}{:02}", n % 60) };
        format!("{sign}{:02}{separator}{:02}{seconds}", n / 3600, n / 60 % 60)
    }

    pub(super) fn abbreviation(&self) -> String {
        self.abbreviation.clone()
    }

    /// The offset of daylight saving time in seconds; `None` for fixed zones.
    pub(super) fn daylight(&self) -> Option<i32> {
        match self.kind {
            Kind::Named(_) => Some(if self.daylight { 3600 } else { 0 }),
            Kind::Fixed => None,
        }
    }

    /// The zone with its offset at a time in UTC.
    pub(super) fn at_universal(self, utc: DateTime) -> Zone {
        let Kind::Named(zone) = &self.kind else { return self };
        let Ok(at) = jiff::tz::Offset::UTC.to_timestamp(utc) else { return self };
        let info = zone.to_offset_info(at);
        let (offset, daylight) = (info.offset().seconds(), info.dst().is_dst());
        let abbreviation = info.abbreviation().to_owned();
        Zone { offset, daylight, abbreviation, ..self }
    }

    /// The zone with its offset at a local time. An ambiguous time counts as standard time.
    fn at_local(self, local: DateTime) -> Zone {
        let Kind::Named(zone) = &self.kind else { return self };
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } => before,
            AmbiguousOffset::Fold { after, .. } => after,
        };
        match offset.to_timestamp(local) {
            Ok(at) => {
                let utc = jiff::tz::Offset::UTC.to_datetime(at);
                self.at_universal(utc)
            }
            Err(_) => self,
        }
    }

    pub(super) fn repr_text(&self) -> String {
        match &self.kind {
            Kind::Fixed if self.offset == 0 && self.name.is_empty() => {
                "datetime.timezone.utc".to_owned()
            }
            Kind::Fixed => {
                let offset =
                    temporal_value(TemporalValue::Delta(i128::from(self.offset) * 1_000_000));
                let name =
                    if self.name.is_empty() { String::new() } else { format!(", '{}'", self.name) };
                format!("datetime.timezone({}{name})", offset.get_attr(REPR).unwrap_or_default())
            }
            Kind::Named(_) if self.name == "UTC" => "<UTC>".to_owned(),
            Kind::Named(_) => {
                let offset = delta_text(i128::from(self.offset) * 1_000_000);
                let signed = if self.offset < 0 { offset } else { format!("+{offset}") };
                let kind = if self.daylight { "DST" } else { "STD" };
                format!("<DstTzInfo '{}' {}{signed} {kind}>", self.name, self.abbreviation)
            }
        }
    }
}

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str()?, &self.kind) {
            (REPR, _) => Some(Value::from(self.repr_text())),
            ("zone", Kind::Named(_)) => Some(Value::from(self.name.as_str())),
            (METHODS, Kind::Named(_)) => {
                Some(Value::from(vec!["localize", "normalize", "utcoffset", "tzname", "dst"]))
            }
            (METHODS, Kind::Fixed) => Some(Value::from(vec!["utcoffset", "tzname", "dst"])),
            _ => None,
        }
    }

    /// Methods of `pytz`, such as `localize(naive)` and `normalize(aware)`.
    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let at = args.first().and_then(|v| v.downcast_object::<TemporalValue>());
        match (method, at.as_deref(), &self.kind) {
            ("localize", Some(TemporalValue::At(local, None)), Kind::Named(_)) => {
                let zone = Zone::clone(self).at_local(*local);
                Ok(temporal_value(TemporalValue::At(*local, Some(zone))))
            }
            ("localize", Some(TemporalValue::At(_, Some(_))), Kind::Named(_)) => {
                Err(error("Not naive datetime (tzinfo is already set)"))
            }
            ("normalize", Some(TemporalValue::At(_, Some(_))), Kind::Named(_)) => {
                let zone = Value::from_object(Zone::clone(self));
                args[0].call_method(state, "astimezone", &[zone])
            }
            ("utcoffset", Some(TemporalValue::At(local, _)), _) => {
                duration_value(i128::from(Zone::clone(self).at_local(*local).offset) * 1_000_000)
            }
            ("tzname", Some(TemporalValue::At(local, _)), _) => {
                Ok(Value::from(Zone::clone(self).at_local(*local).abbreviation))
            }
            _ => Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("a time zone has no `{method}` for this value"),
            )),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.name.is_empty() { &self.abbreviation } else { &self.name })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Zone>()?;
        Some((&self.name, self.offset).cmp(&(&other.name, other.offset)))
    }
}
