//! The `airflow:` block of the project file: the options of the generated DAG file.

use super::{Json, Yaml, YamlMap, unknown_keys};
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::Span;
use serde_json::json;

/// The number of times that Airflow retries a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    pub(crate) models: u32,
    pub(crate) tests: u32,
    pub(crate) exports: u32,
}

/// A callback that Airflow calls if a run is not finished this many minutes after it was queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) minutes: u32,
    /// A dotted path to a function.
    pub(crate) callback: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AirflowOptions {
    /// `None`: the project's name.
    pub(crate) dag_id: Option<String>,
    pub(crate) description: Option<String>,
    /// Five fields of cron, or a preset.
    pub(crate) schedule: String,
    pub(crate) timezone: String,
    pub(crate) start_date: (i16, i8, i8),
    pub(crate) owner: String,
    pub(crate) tags: Vec<String>,
    pub(crate) retries: Retries,
    pub(crate) retry_delay_seconds: u32,
    pub(crate) pool: Option<String>,
    pub(crate) max_active_tasks: Option<u32>,
    /// The dotted paths of functions, in the order of `CALLBACKS`.
    pub(crate) callbacks: [Option<String>; 3],
    pub(crate) timeout_minutes: Option<u32>,
    pub(crate) deadline: Option<Deadline>,
    /// The program that the workers run.
    pub(crate) command: String,
    /// `None`: the parent of the DAG file's folder.
    pub(crate) project_dir: Option<String>,
    pub(crate) profiles_dir: Option<String>,
    pub(crate) target: Option<String>,
    /// The layers whose models are announced as assets.
    pub(crate) asset_layers: Vec<String>,
    /// The number of hours that a run without a data interval covers.
    pub(crate) manual_interval_hours: u32,
}

/// The events of `callbacks:`.
pub(crate) const CALLBACKS: [&str; 3] = ["on_failure", "on_success", "on_retry"];

/// All keys, in the order of the documentation.
pub(crate) const AIRFLOW_KEYS: &[&str] = &[
    "dag_id",
    "description",
    "schedule",
    "timezone",
    "start_date",
    "owner",
    "tags",
    "retries",
    "retry_delay_seconds",
    "pool",
    "max_active_tasks",
    "callbacks",
    "timeout_minutes",
    "deadline",
    "command",
    "project_dir",
    "profiles_dir",
    "target",
    "asset_layers",
    "manual_interval_hours",
];

/// The presets that Airflow's timetable accepts instead of five fields.
const PRESETS: &[&str] = &["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"];

impl Default for AirflowOptions {
    fn default() -> AirflowOptions {
        AirflowOptions {
            dag_id: None,
            description: None,
            schedule: "@daily".to_owned(),
            timezone: "UTC".to_owned(),
            start_date: (2024, 1, 1),
            owner: "strata".to_owned(),
            tags: vec!["strata".to_owned()],
            retries: Retries { models: 2, tests: 0, exports: 5 },
            retry_delay_seconds: 300,
            pool: None,
            max_active_tasks: None,
            callbacks: [None, None, None],
            timeout_minutes: None,
            deadline: None,
            command: "strata".to_owned(),
            project_dir: None,
            profiles_dir: None,
            target: None,
            asset_layers: vec!["marts".to_owned()],
            manual_interval_hours: 24,
        }
    }
}

impl AirflowOptions {
    /// All values, for the hash of the graph, since the behaviour of the DAG file depends on each
    /// of them.
    pub(crate) fn to_json(&self) -> Json {
        let (year, month, day) = self.start_date;
        json!({
            "dag_id": self.dag_id, "description": self.description, "schedule": self.schedule,
            "timezone": self.timezone, "start_date": format!("{year:04}-{month:02}-{day:02}"), "owner": self.owner,
            "tags": self.tags, "retries": [self.retries.models, self.retries.tests, self.retries.exports],
            "retry_delay_seconds": self.retry_delay_seconds, "pool": self.pool,
            "max_active_tasks": self.max_active_tasks, "callbacks": self.callbacks,
            "timeout_minutes": self.timeout_minutes,
            "deadline": self.deadline.as_ref().map(|d| json!([d.minutes, d.callback])), "command": self.command,
            "project_dir": self.project_dir, "profiles_dir": self.profiles_dir, "target": self.target,
            "asset_layers": self.asset_layers, "manual_interval_hours": self.manual_interval_hours,
        })
    }
}

/// Reads the block. Options that are not set have their defaults.
#[expect(clippy::too_many_lines, reason = "a line or two for each option")]
pub(crate) fn read_airflow(block: Option<&Yaml>) -> Checked<AirflowOptions> {
    let mut options = AirflowOptions::default();
    let Some(block) = block.filter(|y| !y.is_null()) else {
        return Checked::new(options, Vec::new());
    };
    let Some(map) = block.as_map() else {
        let d = Diagnostic::error(
            Code::Airflow,
            format!("`airflow:` is a mapping, not {}", block.kind()),
        );
        return Checked::new(options, vec![d.primary(block.span, "")]);
    };
    let mut read = Reader { map, span: block.span, out: Vec::new() };
    unknown_keys(map, AIRFLOW_KEYS, "`airflow:`", &mut read.out);
    options.dag_id = read.text("dag_id");
    if options.dag_id.as_deref().is_some_and(|id| !is_key(id)) {
        read.wrong("dag_id", "has letters, digits, `_`, `-` and `.` only, and at most 250 of them");
    }
    options.description = read.text("description");
    if map.get("schedule").is_some_and(Yaml::is_null) {
        read.wrong("schedule", "has no value: a DAG has a schedule, by default @daily");
    }
    if let Some(schedule) = read.text("schedule") {
        if !is_schedule(&schedule) {
            let presets = PRESETS.join(", ");
            read.wrong(
                "schedule",
                &format!("is five fields of cron (`0 5 * * *`) or one of {presets}"),
            );
        }
        options.schedule = schedule;
    }
    if let Some(name) = read.text("timezone") {
        if jiff::tz::TimeZone::get(&name).is_err() {
            read.wrong("timezone", "is no name of a time zone, such as UTC or Europe/Berlin");
        }
        options.timezone = name;
    }
    if let Some(text) = read.text("start_date") {
        match text.parse::<jiff::civil::Date>() {
            Ok(date) => options.start_date = (date.year(), date.month(), date.day()),
            Err(_) => read.wrong("start_date", "is a date: 2026-01-31"),
        }
    }
    options.owner = read.text("owner").unwrap_or(options.owner);
    options.tags = read.list("tags").unwrap_or(options.tags);
    if let Some(inner) = read.mapping("retries", &["models", "tests", "exports"]) {
        let old = options.retries;
        options.retries = Retries {
            models: inner.number("models", 0).unwrap_or(old.models),
            tests: inner.number("tests", 0).unwrap_or(old.tests),
            exports: inner.number("exports", 0).unwrap_or(old.exports),
        };
        read.out.extend(inner.complaints());
    }
    options.retry_delay_seconds =
        read.number("retry_delay_seconds", 0).unwrap_or(options.retry_delay_seconds);
    options.pool = read.text("pool");
    options.max_active_tasks = read.number("max_active_tasks", 1);
    if let Some(inner) = read.mapping("callbacks", &CALLBACKS) {
        options.callbacks = CALLBACKS.map(|key| inner.dotted(key));
        read.out.extend(inner.complaints());
    }
    options.timeout_minutes = read.number("timeout_minutes", 1);
    if let Some(inner) = read.mapping("deadline", &["minutes", "callback"]) {
        match (inner.number("minutes", 1), inner.dotted("callback")) {
            (Some(minutes), Some(callback)) => {
                options.deadline = Some(Deadline { minutes, callback })
            }
            _ if inner.complaints().is_empty() => {
                read.wrong("deadline", "needs `minutes` and a `callback`")
            }
            _ => {}
        }
        read.out.extend(inner.complaints());
    }
    options.command = read.text("command").filter(|c| !c.is_empty()).unwrap_or(options.command);
    options.project_dir = read.text("project_dir");
    options.profiles_dir = read.text("profiles_dir");
    options.target = read.text("target");
    options.asset_layers = read.list("asset_layers").unwrap_or(options.asset_layers);
    options.manual_interval_hours =
        read.number("manual_interval_hours", 1).unwrap_or(options.manual_interval_hours);
    Checked::new(options, read.out)
}

/// Whether Airflow accepts a text as the id of a DAG or a task.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 250
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn is_schedule(text: &str) -> bool {
    let fields: Vec<&str> = text.split(' ').collect();
    PRESETS.contains(&text)
        || (fields.len() == 5
            && fields.iter().all(|field| is_cron_field(field))
            // The ranges of minutes, hours, days, months and days of the week.
            && fields
                .iter()
                .zip([(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)])
                .all(|(field, (least, most))| has_numbers_within(field, least, most)))
}

fn is_cron_field(field: &str) -> bool {
    !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || "*,-/#?L".contains(c))
}

/// Whether all numbers of a cron field are in its range. Names and steps (after a slash) are not
/// checked.
fn has_numbers_within(field: &str, least: u32, most: u32) -> bool {
    field.split([',', '-']).all(|part| {
        let number = part.split('/').next().unwrap_or_default();
        number.parse::<u32>().map_or(true, |n| (least..=most).contains(&n))
    })
}

struct Reader<'a> {
    map: &'a YamlMap,
    span: Span,
    out: Vec<Diagnostic>,
}

/// A mapping within the block. It collects the errors in it.
struct Inner<'a> {
    name: &'a str,
    map: &'a YamlMap,
    out: std::cell::RefCell<Vec<Diagnostic>>,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, key: &str, why: &str) {
        let place = self.map.get(key).map_or(self.span, |y| y.span);
        self.out
            .push(Diagnostic::error(Code::Airflow, format!("`{key}` {why}")).primary(place, ""));
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        let text = y.scalar_text();
        if text.is_none() {
            self.wrong(key, &format!("is text, not {}", y.kind()));
        }
        text
    }

    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let items = self.map.get(key)?.items();
        let texts: Option<Vec<String>> = items.iter().map(Yaml::scalar_text).collect();
        if texts.is_none() {
            self.wrong(key, "is a list of texts");
        }
        texts
    }

    fn number(&mut self, key: &str, least: u32) -> Option<u32> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        let number = whole(y, least);
        if number.is_none() {
            self.wrong(key, &format!("is a whole number, {least} or more"));
        }
        number
    }

    fn mapping(&mut self, key: &'a str, keys: &[&str]) -> Option<Inner<'a>> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        match y.as_map() {
            Some(map) => {
                unknown_keys(map, keys, &format!("`{key}`"), &mut self.out);
                Some(Inner { name: key, map, out: Default::default() })
            }
            None => {
                self.wrong(key, &format!("is a mapping of {}, not {}", keys.join(", "), y.kind()));
                None
            }
        }
    }
}

impl Inner<'_> {
    fn wrong(&self, y: &Yaml, key: &str, why: &str) {
        let d = Diagnostic::error(Code::Airflow, format!("`{key}` of `{}` {why}", self.name));
        self.out.borrow_mut().push(d.primary(y.span, ""));
    }

    fn number(&self, key: &str, least: u32) -> Option<u32> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        let number = whole(y, least);
        if number.is_none() {
            self.wrong(y, key, &format!("is a whole number, {least} or more"));
        }
        number
    }

    /// Reads a path such as `package.module.function`.
    fn dotted(&self, key: &str) -> Option<String> {
        let y = self.map.get(key).filter(|y| !y.is_null())?;
        let path = y.scalar_text().filter(|t| t.contains('.') && t.split('.').all(is_identifier));
        if path.is_none() {
            self.wrong(y, key, "is a dotted path to a function: package.module.function");
        }
        path
    }

    fn complaints(&self) -> Vec<Diagnostic> {
        self.out.borrow().clone()
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn whole(y: &Yaml, least: u32) -> Option<u32> {
    y.to_json().as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n >= least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    fn read(text: &str) -> Checked<AirflowOptions> {
        read_airflow(Some(&parse_yaml(FileId(0), text).value))
    }

    #[test]
    fn every_option_is_read() {
        let text = "dag_id: shop-night\nschedule: '0 5 * * 1-5'\ntimezone: Europe/Berlin\nstart_date: 2025-02-03\n\
                    retries: {models: 1}\ncallbacks: {on_failure: alerts.chat.post}\ndeadline: {minutes: 90, \
                    callback: alerts.late}\ntags: [a]\nmanual_interval_hours: 48\n";
        let checked = read(text);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        let o = checked.value;
        assert_eq!((o.schedule.as_str(), o.start_date), ("0 5 * * 1-5", (2025, 2, 3)));
        assert_eq!(o.retries, Retries { models: 1, tests: 0, exports: 5 });
        assert_eq!(o.callbacks[0].as_deref(), Some("alerts.chat.post"));
        assert_eq!(o.deadline.map(|d| d.minutes), Some(90));
    }

    #[test]
    fn schedules_are_cron() {
        let good = ["0 5 * * *", "*/15 0-6,12 1 jan-dec mon", "@weekly", "0 5 L * 7"];
        let bad = [
            "61 5 * * *",
            "0 24 * * *",
            "0 5 0 * *",
            "0 5 * 13 *",
            "0 5 * *",
            "@once",
            "0  5 * * *",
        ];
        assert!(good.iter().all(|s| is_schedule(s)) && !bad.iter().any(|s| is_schedule(s)));
    }

    #[test]
    fn mistakes_are_told_all_at_once() {
        let text = "schedule: daily\ntimezone: Mars/Base\nstart_date: soon\nretries: {models: -1}\npool: [a]\n\
                    callbacks: {on_failure: 'os.system(1)'}\ndag_id: 'a b'\nnope: 1\ndeadline: {minutes: 5}\n";
        let out = read(text).diagnostics;
        assert_eq!(out.len(), 9, "{out:?}");
        assert_eq!(out.iter().filter(|d| d.is_error()).count(), 8);
        assert!(out.iter().all(|d| d.primary.is_some()));
    }
}
