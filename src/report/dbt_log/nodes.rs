//! The start and the end of a node.

use super::{DbtLine, LogLevel};
use crate::config::{Json, JsonMap};
use crate::manifest::{Node, NodeKind, ResourceType};
use crate::outcome::{RunResult, RunStatus};
use serde_json::json;

/// The place of a node in its run.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodePlace<'a> {
    pub(super) node: &'a Node,
    /// What it is, and its name: `view model main.a`.
    pub(super) description: &'a str,
    pub(super) index: usize,
    pub(super) total: usize,
}

/// A moment as Python's `isoformat` writes it without an offset.
fn python_moment(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string()
}

/// The `node_info` of a line.
pub(super) fn node_info(node: &Node, result: Option<&RunResult>) -> Json {
    let times = result.and_then(|r| Some((r.timing.first()?, r.timing.last()?)));
    let (started, finished) = times
        .map(|(first, last)| (python_moment(first.started), python_moment(last.completed)))
        .unwrap_or_default();
    let status = result.map_or("started", |r| r.outcome.status.named(node.resource_type()));
    let relation = node.relation.as_ref().map_or(Json::Object(JsonMap::new()), |relation| {
        json!({
            "alias": node.alias,
            "database": relation.database(),
            "schema": relation.schema(),
            "relation_name": result.and_then(|r| r.relation_name.clone()).unwrap_or_else(|| relation.short()),
        })
    });
    json!({
        "materialized": node.materialized(),
        "meta": node.config.get("meta").cloned().unwrap_or_else(|| json!({})),
        "node_checksum": node.checksum.value,
        "node_finished_at": finished,
        "node_name": node.name,
        "node_path": node.path,
        "node_relation": relation,
        "node_started_at": started,
        "node_status": status,
        "resource_type": node.resource_type().as_str(),
        "unique_id": node.unique_id,
    })
}

pub(super) fn describe_start(place: NodePlace<'_>) -> [DbtLine; 2] {
    let NodePlace { node, description, index, total } = place;
    let info = node_info(node, None);
    let begun = DbtLine::new(
        ("NodeStart", "Q024"),
        LogLevel::Debug,
        format!("{} has begun", node.unique_id),
        json!({ "node_info": info }),
    );
    let message = format!("{index} of {total} START {description}");
    let shown = match node.resource_type() {
        ResourceType::Operation => {
            let data = json!({ "statement": node.name, "index": index, "total": total, "node_info": info });
            DbtLine::new(("LogHookStartLine", "Q032"), LogLevel::Info, message, data)
        }
        _ => {
            let data = json!({ "description": description, "index": index, "total": total, "node_info": info });
            DbtLine::new(("LogStartLine", "Q011"), LogLevel::Info, message, data)
        }
    };
    [begun, shown]
}

pub(super) fn describe_finish(place: NodePlace<'_>, result: &RunResult) -> [DbtLine; 2] {
    let NodePlace { node, index, total, .. } = place;
    let mut data = json!({
        "index": index, "total": total, "execution_time": result.seconds,
        "node_info": node_info(node, Some(result)),
    });
    let (name, own) = result_event(place, result);
    if let (Json::Object(data), Json::Object(own)) = (&mut data, own) {
        data.extend(own);
    }
    let shown = DbtLine::new(name, level_of(result), result_message(place, result), data);
    let timing: Vec<Json> = (result.timing.iter())
        .map(|t| {
            let (started, completed) = (t.started.to_string(), t.completed.to_string());
            json!({ "name": t.name, "started_at": started, "completed_at": completed })
        })
        .collect();
    let outcome = &result.outcome;
    let finished = DbtLine::new(
        ("NodeFinished", "Q025"),
        LogLevel::Debug,
        format!("{} has finished", node.unique_id),
        json!({
            "node_info": node_info(node, Some(result)),
            "run_result": {
                "status": outcome.status.named(node.resource_type()),
                "message": outcome.message.as_deref().unwrap_or_default(),
                "execution_time": result.seconds,
                "thread": result.thread,
                "num_failures": outcome.failures.unwrap_or(0),
                "adapter_response": outcome.adapter_response,
                "timing_info": timing,
            },
        }),
    );
    [shown, finished]
}

fn level_of(result: &RunResult) -> LogLevel {
    match result.outcome.status {
        RunStatus::Error | RunStatus::PartialSuccess | RunStatus::Fail => LogLevel::Error,
        RunStatus::Warn => LogLevel::Warn,
        _ => LogLevel::Info,
    }
}

fn result_message(place: NodePlace<'_>, result: &RunResult) -> String {
    let NodePlace { description, index, total, .. } = place;
    let word = match result.outcome.status {
        RunStatus::Success => "OK",
        RunStatus::Error => "ERROR",
        RunStatus::PartialSuccess => "PARTIAL SUCCESS",
        RunStatus::Skipped => "SKIP",
        RunStatus::NoOp => "NO-OP",
        RunStatus::Pass => "PASS",
        RunStatus::Fail => "FAIL",
        RunStatus::Warn => "WARN",
    };
    let failures = match (result.outcome.status, result.outcome.failures) {
        (RunStatus::Fail | RunStatus::Warn, Some(n)) => format!(" {n}"),
        _ => String::new(),
    };
    format!("{index} of {total} {word}{failures} {description} [{:.2} s]", result.seconds)
}

/// dbt's event for the result of a node, and the data that only this event has.
fn result_event(place: NodePlace<'_>, result: &RunResult) -> ((&'static str, &'static str), Json) {
    let NodePlace { node, description, total, .. } = place;
    let kind = node.resource_type();
    let outcome = &result.outcome;
    let schema = node.relation.as_ref().and_then(|r| r.schema()).unwrap_or_default();
    match outcome.status {
        RunStatus::Skipped => {
            let own =
                json!({ "resource_type": kind.as_str(), "schema": schema, "node_name": node.name });
            return (("SkippingDetails", "Q034"), own);
        }
        RunStatus::NoOp => {
            let own = json!({ "description": description, "status": "no-op" });
            return (("LogNodeNoOpResult", "Q019"), own);
        }
        _ => {}
    }
    let status = outcome.status.named(kind);
    let said = match outcome.status {
        RunStatus::Error => "ERROR",
        _ => outcome.message.as_deref().unwrap_or("OK"),
    };
    match kind {
        ResourceType::Seed => {
            let own = json!({
                "status": status, "result_message": said, "schema": schema, "relation": node.alias,
            });
            (("LogSeedResult", "Q016"), own)
        }
        ResourceType::Snapshot => {
            let own = json!({
                "status": status, "description": description, "result_message": said, "cfg": {},
            });
            (("LogSnapshotResult", "Q015"), own)
        }
        ResourceType::Test | ResourceType::UnitTest => {
            let own = json!({
                "name": node.name, "status": status, "num_models": total,
                "num_failures": outcome.failures.unwrap_or(0),
            });
            (("LogTestResult", "Q007"), own)
        }
        ResourceType::Source => {
            let source = match &node.kind {
                NodeKind::Source(source) => &*source.source_name,
                _ => "",
            };
            let own = json!({ "status": status, "source_name": source, "table_name": node.name });
            (("LogFreshnessResult", "Q018"), own)
        }
        ResourceType::Operation => {
            (("LogHookEndLine", "Q033"), json!({ "status": status, "statement": node.name }))
        }
        ResourceType::Function => {
            (("LogFunctionResult", "Q047"), json!({ "status": said, "description": description }))
        }
        ResourceType::Model => {
            (("LogModelResult", "Q012"), json!({ "status": said, "description": description }))
        }
        _ => (("LogNodeResult", "Q008"), json!({ "status": said, "description": description })),
    }
}
