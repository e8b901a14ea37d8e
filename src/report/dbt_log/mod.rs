//! What happens, as lines of dbt's structured log.
//!
//! In: events, diagnostics, messages. Out: for each of them the lines that dbt writes of the same,
//! with dbt's names, codes, levels and data; a message in our own words. Must not know: where the
//! lines are written.
//!
//! Source: "Events and logs" in dbt's documentation (log version 3), and the events of dbt-core 1.11.

mod nodes;
mod runs;

pub(super) use runs::{describe_command_end, describe_command_start};

use nodes::{NodePlace, describe_finish, describe_start};
use runs::{describe_batch, describe_run_end, describe_run_start, describe_sql};

use crate::config::{Json, JsonMap};
use crate::context::LogLine;
use crate::diag::{Diagnostic, Severity};
use crate::manifest::Node;
use crate::outcome::{RunResult, RunStatus};
use crate::run::Event;
use serde_json::json;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl LogLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(super) struct DbtLine {
    pub(super) name: &'static str,
    pub(super) code: &'static str,
    pub(super) level: LogLevel,
    pub(super) message: String,
    /// The `data` of the line, without the message, which is added to it.
    pub(super) data: JsonMap,
}

impl DbtLine {
    pub(super) fn new(
        (name, code): (&'static str, &'static str),
        level: LogLevel,
        message: impl Into<String>,
        data: Json,
    ) -> DbtLine {
        let data = match data {
            Json::Object(map) => map,
            _ => JsonMap::new(),
        };
        DbtLine { name, code, level, message: message.into(), data }
    }

    /// A message without a meaning of its own.
    pub(super) fn note(message: &str) -> DbtLine {
        DbtLine::new(("Note", "Z050"), LogLevel::Info, message, Json::Null)
    }

    /// The error that made the command fail.
    pub(super) fn failure(message: &str) -> DbtLine {
        let data = json!({ "exc": message });
        DbtLine::new(("MainEncounteredError", "Z002"), LogLevel::Error, message, data)
    }

    /// dbt's name in our spelling of events: `stats_line`.
    pub(super) fn event(&self) -> String {
        let mut event = String::new();
        let mut was_upper = true;
        for c in self.name.chars() {
            if c.is_uppercase() && !was_upper {
                event.push('_');
            }
            was_upper = c.is_uppercase();
            event.extend(c.to_lowercase());
        }
        event
    }

    /// The line as a log record of OpenTelemetry, of the type that dbt 1.12 shows to its users.
    ///
    /// Source: `dbt/parser/v2.py` of dbt-core 1.12.
    pub(super) fn to_otel(&self, moment: jiff::Timestamp) -> String {
        let severity = match self.level {
            LogLevel::Debug => 5,
            LogLevel::Info => 9,
            LogLevel::Warn => 13,
            LogLevel::Error => 17,
        };
        let record = json!({
            "record_type": "LogRecord",
            "event_type": "v1.public.events.fusion.log.UserLogMessage",
            "time_unix_nano": moment.as_nanosecond().to_string(),
            "severity_number": severity,
            "severity_text": self.level.as_str().to_uppercase(),
            "body": self.message,
            "attributes": {},
        });
        record.to_string()
    }

    /// The line as dbt writes it: `{info, data}`.
    pub(super) fn to_json(&self, moment: jiff::Timestamp, invocation: &str) -> Json {
        let mut data = self.data.clone();
        data.entry("msg").or_insert_with(|| self.message.as_str().into());
        json!({ "info": self.info(moment, invocation), "data": data })
    }

    fn info(&self, moment: jiff::Timestamp, invocation: &str) -> Json {
        json!({
            "category": "",
            "code": self.code,
            "extra": {},
            "invocation_id": invocation,
            "level": self.level.as_str(),
            "msg": self.message,
            "name": self.name,
            "pid": std::process::id(),
            "thread": std::thread::current().name().unwrap_or("worker"),
            "ts": moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        })
    }
}

/// What the last lines of a run repeat of it.
#[derive(Debug, Default)]
pub(super) struct RunDescriber {
    /// The nodes that did not succeed, and those that warn.
    failures: Vec<(Arc<Node>, RunResult)>,
    is_interrupted: bool,
}

impl RunDescriber {
    /// The lines of an event, in dbt's order.
    pub(super) fn describe_event(&mut self, event: &Event) -> Vec<DbtLine> {
        match event {
            Event::RunStarted { steps, tests, threads } => {
                vec![describe_run_start(steps + tests, *threads)]
            }
            Event::FreshnessStarted { sources, threads } => {
                vec![describe_run_start(*sources, *threads)]
            }
            Event::SchemaCreated { name } => vec![DbtLine::note(&format!("created schema {name}"))],
            Event::NodeStarted { node, what, name, index, total, .. } => {
                let description = format!("{what} {name}");
                let (index, total) = (*index, *total);
                describe_start(NodePlace { node, description: &description, index, total }).into()
            }
            Event::NodeWaiting { text: Some(text), .. } => {
                vec![DbtLine::note(&format!("waiting for {text}"))]
            }
            Event::BatchChanged { name, what, progress, .. } => {
                describe_batch(&format!("{what} {name}"), progress)
            }
            Event::Executed { node, sql } => describe_sql(sql, Some(node)),
            Event::NodeFinished { node, what, name, index, total, result, .. } => {
                let status = result.outcome.status;
                if status.is_bad() || status == RunStatus::Warn {
                    self.failures.push((node.clone(), (**result).clone()));
                }
                let description = format!("{what} {name}");
                let (index, total) = (*index, *total);
                let place = NodePlace { node, description: &description, index, total };
                describe_finish(place, result).into()
            }
            Event::Log { line } => vec![describe_log(line)],
            Event::Interrupted => {
                self.is_interrupted = true;
                vec![DbtLine::note("running statements are cancelled, the rest is skipped")]
            }
            Event::RunFinished { totals, .. } => {
                let RunDescriber { failures, is_interrupted } = std::mem::take(self);
                describe_run_end(totals, &failures, is_interrupted)
            }
            Event::VerdictsReached { .. } | Event::NodeWaiting { .. } | Event::Warning { .. } => {
                Vec::new()
            }
        }
    }
}

/// A warning or an error of the project. One that dbt does not have goes by our code.
pub(super) fn describe_diagnostic(d: &Diagnostic, message: String) -> DbtLine {
    let name = match d.event {
        Some(event) => (event.name(), event.code()),
        None => (d.code.as_str(), d.code.as_str()),
    };
    let level = match d.severity {
        Severity::Warning => LogLevel::Warn,
        Severity::Error => LogLevel::Error,
    };
    DbtLine::new(name, level, message, Json::Null)
}

/// A line that a template logged or printed.
pub(super) fn describe_log(line: &LogLine) -> DbtLine {
    let (name, level) = match (line.print, line.info) {
        (true, _) => (("PrintEvent", "Z052"), LogLevel::Info),
        (false, true) => (("JinjaLogInfo", "I062"), LogLevel::Info),
        (false, false) => (("JinjaLogDebug", "I063"), LogLevel::Debug),
    };
    DbtLine::new(name, level, line.text.clone(), Json::Null)
}
