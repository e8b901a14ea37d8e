//! Events as the JSON lines of `--log-format json`: a name and data for each.

use super::table::rows_json;
use crate::config::{Json, JsonMap};
use crate::diag::diagnostic_json;
use crate::manifest::ResourceType;
use crate::outcome::RunResult;
use crate::run::{BatchProgress, EndedBatch, Event, NodeVerdict};
use crate::source::SourceMap;
use serde_json::json;

/// The lines of an event; several for one that tells of many nodes.
pub(super) fn event_lines(event: &Event, map: &SourceMap) -> Vec<(&'static str, Json)> {
    let one = match event {
        Event::VerdictsReached { nodes } => return nodes.iter().map(verdict_line).collect(),
        Event::RunStarted { steps, tests, threads } => {
            ("run_started", json!({ "steps": steps, "tests": tests, "threads": threads }))
        }
        Event::FreshnessStarted { sources, threads } => {
            ("freshness_started", json!({ "sources": sources, "threads": threads }))
        }
        Event::SchemaCreated { name } => ("schema_created", json!({ "schema": name })),
        Event::NodeStarted { unique_id, kind, name, .. } => {
            ("node_started", node_data(unique_id, *kind, name))
        }
        Event::NodeWaiting { unique_id, kind, name, text, .. } => {
            let mut data = node_data(unique_id, *kind, name);
            data["for"] = text.clone().into();
            ("node_waiting", data)
        }
        Event::BatchChanged { unique_id, kind, name, progress, .. } => {
            batch_line(unique_id, *kind, name, progress)
        }
        Event::Executed { .. } => return Vec::new(),
        Event::NodeFinished { name, kind, result, guarded, index, total, .. } => {
            let mut data = result_data(result, *kind, name, map);
            data["guard"] = (*guarded).into();
            data["index"] = (*index).into();
            data["total"] = (*total).into();
            ("node_finished", data)
        }
        Event::Log { line } => ("log", json!({ "message": line.text, "info": line.info })),
        Event::Warning { diagnostic } => ("diagnostic", diagnostic_json(diagnostic, map)),
        Event::Interrupted => ("interrupted", json!({})),
        Event::RunFinished { totals, seconds } => {
            let counts: JsonMap = totals.iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            ("run_finished", json!({ "totals": counts, "seconds": seconds }))
        }
    };
    vec![one]
}

fn node_data(unique_id: &str, kind: ResourceType, name: &str) -> Json {
    json!({ "unique_id": unique_id, "resource_type": kind.as_str(), "name": name })
}

fn verdict_line(n: &NodeVerdict) -> (&'static str, Json) {
    let mut data = node_data(&n.unique_id, n.kind, &n.name);
    data["verdict"] = n.verdict.word().into();
    data["reason"] = n.verdict.code().into();
    data["message"] = n.verdict.to_string().into();
    ("node_judged", data)
}

fn result_data(result: &RunResult, kind: ResourceType, name: &str, map: &SourceMap) -> Json {
    let outcome = &result.outcome;
    let mut data = node_data(&result.unique_id, kind, name);
    data["status"] = outcome.status.named(kind).into();
    data["seconds"] = result.seconds.into();
    data["message"] = outcome.message.clone().into();
    data["failures"] = outcome.failures.into();
    if let Some(failed) = &outcome.failed {
        data["diagnostic"] = diagnostic_json(&failed.diagnostic, map);
    }
    if let Some(sample) = &outcome.sample {
        data["sample"] = rows_json(sample);
    }
    if let Some(effect) = &outcome.effect {
        data["effect"] = effect.to_json();
    }
    data
}

/// The name and the data of the JSON line of a batch.
fn batch_line(
    unique_id: &str,
    kind: ResourceType,
    name: &str,
    progress: &BatchProgress,
) -> (&'static str, Json) {
    let mut data = json!({
        "unique_id": unique_id, "resource_type": kind.as_str(), "name": name,
        "batch": progress.batch, "index": progress.index, "total": progress.total,
    });
    let Some(EndedBatch { status, message, seconds, .. }) = &progress.ended else {
        return ("batch_started", data);
    };
    data["status"] = status.as_str().into();
    data["message"] = message.clone().into();
    data["seconds"] = (*seconds).into();
    ("batch_finished", data)
}
