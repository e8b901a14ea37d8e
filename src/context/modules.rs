//! `modules`: the parts of Python's library that dbt offers (`datetime`, `pytz`, `re`, `itertools`).

use super::datetime::{Moment, from_timestamp, value as moment, zone_of};
use super::reads::Question;
use super::session::Session;
use crate::jinja::{Args, dict, error, list, with_extension};
use fancy_regex::Regex;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, State};
use std::sync::Arc;

pub(super) fn value() -> Value {
    let class = |c: Class| Value::from_object(c);
    let datetime = dict([
        (Value::from("datetime"), class(Class::DateTime)),
        (Value::from("date"), class(Class::Date)),
        (Value::from("time"), class(Class::Time)),
        (Value::from("timedelta"), class(Class::TimeDelta)),
        (Value::from("timezone"), dict([(Value::from("utc"), Value::from("UTC"))])),
    ]);
    dict([
        (Value::from("datetime"), datetime),
        (Value::from("pytz"), class(Class::Pytz)),
        (Value::from("re"), class(Class::Re)),
        (Value::from("itertools"), class(Class::Itertools)),
    ])
}

#[derive(Clone, Copy, Debug)]
enum Class {
    DateTime,
    Date,
    Time,
    TimeDelta,
    Pytz,
    Re,
    Itertools,
}

impl Object for Class {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (**self, key.as_str()?) {
            (Class::Pytz, "utc" | "UTC") => Some(Value::from_object(Zone("UTC".to_owned()))),
            (Class::Re, "IGNORECASE" | "I") => Some(Value::from(2)),
            (Class::Re, "MULTILINE" | "M") => Some(Value::from(8)),
            (Class::Re, "DOTALL" | "S") => Some(Value::from(16)),
            (Class::Re, "VERBOSE" | "X") => Some(Value::from(64)),
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        let n = |i: usize, key: &str, default: i64| args.get(i, key).and_then(Value::as_i64).unwrap_or(default);
        let bad = |_| error("value out of range");
        Ok(match **self {
            Class::Date => moment(Moment::Date(
                Date::new(n(0, "year", 0) as i16, n(1, "month", 0) as i8, n(2, "day", 0) as i8).map_err(bad)?,
            )),
            Class::DateTime => {
                let date =
                    Date::new(n(0, "year", 0) as i16, n(1, "month", 0) as i8, n(2, "day", 0) as i8).map_err(bad)?;
                let nanos = n(6, "microsecond", 0) * 1000;
                let time =
                    Time::new(n(3, "hour", 0) as i8, n(4, "minute", 0) as i8, n(5, "second", 0) as i8, nanos as i32)
                        .map_err(bad)?;
                moment(Moment::Naive(DateTime::from_parts(date, time)))
            }
            Class::Time => moment(Moment::Time(
                Time::new(n(0, "hour", 0) as i8, n(1, "minute", 0) as i8, n(2, "second", 0) as i8, 0).map_err(bad)?,
            )),
            Class::TimeDelta => {
                let f =
                    |i: usize, key: &str| args.get(i, key).and_then(|v| f64::try_from(v.clone()).ok()).unwrap_or(0.0);
                let seconds = f(0, "days") * 86400.0
                    + f(1, "seconds")
                    + f(2, "microseconds") / 1e6
                    + f(3, "milliseconds") / 1e3
                    + f(4, "minutes") * 60.0
                    + f(5, "hours") * 3600.0
                    + f(6, "weeks") * 604_800.0;
                moment(Moment::Delta(
                    SignedDuration::try_from_secs_f64(seconds).map_err(|_| error("duration out of range"))?,
                ))
            }
            other => return Err(error(format!("{other:?} is a module, not a function"))),
        })
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        match **self {
            Class::DateTime | Class::Date => class_method(**self, state, method, &args),
            Class::Pytz if method == "timezone" => {
                zone_of(args.get(0, "zone"))?;
                Ok(Value::from_object(Zone(args.text(0, "zone")?)))
            }
            Class::Re => regex(method, &args),
            Class::Itertools => itertools(method, &args),
            other => Err(error(format!("{other:?} has no `{method}`"))),
        }
    }
}

/// A time zone of `pytz`; prints its name.
#[derive(Debug)]
struct Zone(String);

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("zone")).then(|| Value::from(self.0.as_str()))
    }

    /// `localize(naive)`, and `normalize(aware)`.
    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let zone = zone_of(Some(&Value::from(self.0.as_str())))?;
        let at = args.first().and_then(|v| v.downcast_object::<Moment>());
        match (method, at.as_deref()) {
            ("localize", Some(Moment::Naive(d))) => {
                Ok(moment(Moment::Aware(d.to_zoned_datetime(zone).map_err(|e| error(e.to_string()))?)))
            }
            ("normalize", Some(Moment::Aware(z))) => Ok(moment(Moment::Aware(z.with_time_zone(zone)))),
            _ => Err(error(format!("a time zone has no `{method}` for this value"))),
        }
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn class_method(class: Class, state: &mut State<'_, '_>, method: &str, args: &Args) -> Result<Value, Error> {
    let session = with_extension::<Session>(state)?;
    let now = || {
        session.asked(Question::Now);
        session.project.system.now()
    };
    let parse_iso =
        |text: &str| super::datetime::from_text(text).ok_or_else(|| error(format!("invalid date `{text}`")));
    let date_only = matches!(class, Class::Date);
    Ok(match method {
        "now" | "today" | "utcnow" if date_only => moment(Moment::Date(now().to_zoned_datetime(TimeZone::UTC).date())),
        "now" => match args.get(0, "tz").filter(|v| !v.is_none()) {
            Some(zone) => moment(Moment::Aware(now().to_zoned_datetime(zone_of(Some(zone))?))),
            None => moment(Moment::Naive(now().to_zoned_datetime(TimeZone::system()).datetime())),
        },
        "utcnow" => moment(Moment::Naive(now().to_zoned_datetime(TimeZone::UTC).datetime())),
        "today" => moment(Moment::Naive(now().to_zoned_datetime(TimeZone::system()).datetime())),
        "strptime" => {
            let (text, format) = (args.text(0, "date_string")?, args.text(1, "format")?);
            let parsed = jiff::fmt::strtime::parse(&format, &text).map_err(|e| error(e.to_string()))?;
            let date = parsed.to_date().map_err(|e| error(e.to_string()))?;
            moment(Moment::Naive(DateTime::from_parts(date, parsed.to_time().unwrap_or_default())))
        }
        "fromisoformat" => parse_iso(&args.text(0, "date_string")?)?,
        "fromtimestamp" | "utcfromtimestamp" => {
            let seconds =
                f64::try_from(args.require(0, "timestamp")?.clone()).map_err(|_| error("expected a number"))?;
            let at = jiff::Timestamp::from_second(seconds as i64).map_err(|e| error(e.to_string()))?;
            from_timestamp(at)
        }
        "combine" => {
            let date: Date = args.text(0, "date")?.parse().map_err(|_| error("expected a date"))?;
            let time: Time = args.text(1, "time")?.parse().map_err(|_| error("expected a time"))?;
            moment(Moment::Naive(DateTime::from_parts(date, time)))
        }
        other => return Err(error(format!("datetime has no `{other}`"))),
    })
}

/// A match object: `group(n)`, `groups()`, `start()`, `end()`.
#[derive(Debug)]
struct Match {
    groups: Vec<Option<String>>,
    names: Vec<(String, usize)>,
    span: (usize, usize),
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let text = |g: &Option<String>| g.as_deref().map_or_else(super::none, Value::from);
        Ok(match method {
            "group" => {
                let index = match args.first() {
                    None => 0,
                    Some(v) => match v.as_str() {
                        Some(name) => self
                            .names
                            .iter()
                            .find(|(n, _)| n == name)
                            .map(|(_, i)| *i)
                            .ok_or_else(|| error("no such group"))?,
                        None => v.as_usize().unwrap_or(0),
                    },
                };
                self.groups.get(index).map(text).ok_or_else(|| error("no such group"))?
            }
            "groups" => Value::from(Tuple::from(self.groups.iter().skip(1).map(text).collect::<Vec<_>>())),
            "groupdict" => dict(self.names.iter().map(|(n, i)| (Value::from(n.as_str()), text(&self.groups[*i])))),
            "start" => Value::from(self.span.0),
            "end" => Value::from(self.span.1),
            "span" => Value::from(Tuple::from(vec![Value::from(self.span.0), Value::from(self.span.1)])),
            other => return Err(error(format!("a match has no `{other}`"))),
        })
    }
}

fn compile(pattern: &str, flags: i64, anchor: &str, end: &str) -> Result<Regex, Error> {
    let mut options = String::new();
    for (bit, letter) in [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')] {
        if flags & bit != 0 {
            options.push(letter);
        }
    }
    let options = if options.is_empty() { String::new() } else { format!("(?{options})") };
    // Python writes named groups as (?P<name>...), which this engine knows, too.
    Regex::new(&format!("{options}{anchor}(?:{pattern}){end}"))
        .map_err(|e| error(format!("invalid regular expression: {e}")))
}

fn regex(method: &str, args: &Args) -> Result<Value, Error> {
    let failed = |e: fancy_regex::Error| error(e.to_string());
    let pattern = args.text(0, "pattern")?;
    let find = |anchor: &str, end: &str| -> Result<Value, Error> {
        let text = args.text(1, "string")?;
        let flags = args.get(2, "flags").and_then(Value::as_i64).unwrap_or(0);
        let re = compile(&pattern, flags, anchor, end)?;
        let Some(found) = re.captures(&text).map_err(failed)? else { return Ok(super::none()) };
        let names = re.capture_names().enumerate().filter_map(|(i, n)| n.map(|n| (n.to_owned(), i))).collect();
        let whole = found.get(0).map_or((0, 0), |m| (m.start(), m.end()));
        let groups = (0..found.len()).map(|i| found.get(i).map(|m| m.as_str().to_owned())).collect();
        Ok(Value::from_object(Match { groups, names, span: whole }))
    };
    match method {
        "match" => find(r"\A", ""),
        "fullmatch" => find(r"\A", r"\z"),
        "search" => find("", ""),
        "compile" => Ok(Value::from_object(Pattern(pattern))),
        "escape" => Ok(Value::from(fancy_regex::escape(&pattern).into_owned())),
        "findall" => {
            let text = args.text(1, "string")?;
            let re = compile(&pattern, args.get(2, "flags").and_then(Value::as_i64).unwrap_or(0), "", "")?;
            let mut out = Vec::new();
            for found in re.captures_iter(&text) {
                let found = found.map_err(failed)?;
                let group = |i: usize| Value::from(found.get(i).map_or("", |m| m.as_str()));
                out.push(match found.len() {
                    1 => group(0),
                    2 => group(1),
                    n => Value::from(Tuple::from((1..n).map(group).collect::<Vec<_>>())),
                });
            }
            Ok(list(out))
        }
        "sub" => {
            let (replacement, text) = (args.text(1, "repl")?, args.text(2, "string")?);
            let count = args.get(3, "count").and_then(Value::as_usize).unwrap_or(0);
            let re = compile(&pattern, args.get(4, "flags").and_then(Value::as_i64).unwrap_or(0), "", "")?;
            let template = python_replacement(&replacement);
            Ok(Value::from(re.replacen(&text, count, template.as_str()).into_owned()))
        }
        "split" => {
            let text = args.text(1, "string")?;
            let re = compile(&pattern, 0, "", "")?;
            let parts: Result<Vec<Value>, Error> =
                re.split(&text).map(|p| p.map(Value::from).map_err(failed)).collect();
            Ok(list(parts?))
        }
        other => Err(error(format!("re has no `{other}`"))),
    }
}

/// `\1` and `\g<name>` as this engine writes them; a dollar is a dollar.
fn python_replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(d) if d.is_ascii_digit() => out.push_str(&format!("${{{d}}}")),
                Some('g') if chars.peek() == Some(&'<') => {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                    out.push_str(&format!("${{{name}}}"));
                }
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

#[derive(Debug)]
struct Pattern(String);

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let mut args = Args::parse(args)?;
        args.positional.insert(0, Value::from(self.0.as_str()));
        regex(method, &args)
    }
}

fn itertools(method: &str, args: &Args) -> Result<Value, Error> {
    let lists =
        || args.positional.iter().map(|v| v.try_iter().map(|i| i.collect::<Vec<_>>())).collect::<Result<Vec<_>, _>>();
    let tuples = |rows: Vec<Vec<Value>>| list(rows.into_iter().map(|r| Value::from(Tuple::from(r))).collect());
    Ok(match method {
        "chain" => list(lists()?.into_iter().flatten().collect()),
        "product" => {
            let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
            for items in lists()? {
                rows = rows
                    .into_iter()
                    .flat_map(|r| items.iter().map(move |i| [r.clone(), vec![i.clone()]].concat()))
                    .collect();
            }
            tuples(rows)
        }
        "combinations" | "permutations" => {
            let items: Vec<Value> = args.require(0, "iterable")?.try_iter()?.collect();
            let n = args.get(1, "r").and_then(Value::as_usize).unwrap_or(items.len());
            let mut rows = Vec::new();
            choose(items.len(), n, method == "combinations", &mut Vec::new(), &mut rows);
            tuples(rows.into_iter().map(|r| r.into_iter().map(|i| items[i].clone()).collect()).collect())
        }
        "zip_longest" => {
            let all = lists()?;
            let longest = all.iter().map(Vec::len).max().unwrap_or(0);
            tuples(
                (0..longest)
                    .map(|i| all.iter().map(|l| l.get(i).cloned().unwrap_or_else(super::none)).collect())
                    .collect(),
            )
        }
        "islice" => {
            let items: Vec<Value> = args.require(0, "iterable")?.try_iter()?.collect();
            let n = |i: usize| args.positional.get(i).and_then(Value::as_usize);
            let (from, to) = match (n(1), n(2)) {
                (Some(a), Some(b)) => (a, b),
                (Some(b), None) => (0, b),
                _ => (0, items.len()),
            };
            list(items.into_iter().skip(from).take(to.saturating_sub(from)).collect())
        }
        "accumulate" => {
            let items: Vec<Value> = args.require(0, "iterable")?.try_iter()?.collect();
            let mut sum = 0.0;
            list(
                items
                    .into_iter()
                    .map(|v| {
                        sum += f64::try_from(v).unwrap_or(0.0);
                        Value::from(sum)
                    })
                    .collect(),
            )
        }
        other => return Err(error(format!("itertools.{other} is not available"))),
    })
}

fn choose(len: usize, n: usize, ordered: bool, chosen: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
    if chosen.len() == n {
        out.push(chosen.clone());
        return;
    }
    let from = if ordered { chosen.last().map_or(0, |l| l + 1) } else { 0 };
    for i in from..len {
        if !chosen.contains(&i) {
            chosen.push(i);
            choose(len, n, ordered, chosen, out);
            chosen.pop();
        }
    }
}
