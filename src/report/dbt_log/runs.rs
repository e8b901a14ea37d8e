//! The start and the end of a command and of a run.

use super::nodes::node_info;
use super::{DbtLine, LogLevel};
use crate::config::Json;
use crate::manifest::{Node, ResourceType};
use crate::outcome::{RunResult, RunStatus};
use crate::report::console::count_of;
use crate::run::{BatchProgress, EndedBatch, ExecutedSql, StatusTotals};
use serde_json::json;
use std::sync::Arc;

/// dbt's version of the structure of log lines.
const LOG_VERSION: u8 = 3;

/// The version, and the command line, in which secrets are masked.
pub(in crate::report) fn describe_command_start(command: &str) -> Vec<DbtLine> {
    let data = json!({ "version": format!("={}", crate::DBT_VERSION), "log_version": LOG_VERSION });
    let message = format!("strata {} (as dbt {})", crate::VERSION, crate::DBT_VERSION);
    let version = DbtLine::new(("MainReportVersion", "A001"), LogLevel::Info, message, data);
    let data = json!({ "args": { "invocation_command": command } });
    let message = format!("running {command}");
    let arguments = DbtLine::new(("MainReportArgs", "A002"), LogLevel::Debug, message, data);
    vec![version, arguments]
}

pub(in crate::report) fn describe_command_end(
    command: &str,
    success: bool,
    seconds: f64,
    moment: jiff::Timestamp,
) -> DbtLine {
    let word = if success { "has succeeded" } else { "has failed" };
    let data = json!({
        "command": format!("strata {command}"), "success": success, "elapsed": seconds,
        "completed_at": moment.to_string(),
    });
    let message = format!("{command} {word} after {seconds:.2} s");
    DbtLine::new(("CommandCompleted", "Q039"), LogLevel::Debug, message, data)
}

pub(super) fn describe_run_start(nodes: usize, threads: usize) -> DbtLine {
    let data = json!({ "num_threads": threads, "node_count": nodes, "target_name": "" });
    let (threads, nodes) = (count_of(threads, "thread"), count_of(nodes, "node"));
    let message = format!("{threads} for {nodes}");
    DbtLine::new(("ConcurrencyLine", "Q027"), LogLevel::Info, message, data)
}

/// A batch of a model that has begun or ended; before its end, what was executed for it.
pub(super) fn describe_batch(description: &str, progress: &BatchProgress) -> Vec<DbtLine> {
    let BatchProgress { batch, index, total, ended } = progress;
    let mut data = json!({
        "description": description, "batch_index": index, "total_batches": total,
    });
    let place = format!("batch {index} of {total} of {description}: {batch}");
    let Some(EndedBatch { status, seconds, executed, .. }) = ended else {
        let message = format!("START {place}");
        return vec![DbtLine::new(("LogStartBatch", "Q045"), LogLevel::Info, message, data)];
    };
    data["status"] = status.as_str().into();
    data["execution_time"] = (*seconds).into();
    let (word, level) = match status.is_bad() {
        true => ("ERROR", LogLevel::Error),
        false => ("OK", LogLevel::Info),
    };
    let message = format!("{word} {place} [{seconds:.2} s]");
    let mut lines = describe_sql(executed, None);
    lines.push(DbtLine::new(("LogBatchResult", "Q046"), level, message, data));
    lines
}

/// The statements that were executed for a node.
pub(super) fn describe_sql(executed: &ExecutedSql, node: Option<&Node>) -> Vec<DbtLine> {
    let info = node.map_or_else(|| json!({}), |node| node_info(node, None));
    let name = node.map_or("", |node| &*node.unique_id);
    let lines = executed.texts().map(|sql| {
        let data = json!({ "sql": sql, "conn_name": name, "node_info": info });
        DbtLine::new(("SQLQuery", "E016"), LogLevel::Debug, sql, data)
    });
    lines.collect()
}

/// `failures`: the nodes that did not succeed, and those that warn.
pub(super) fn describe_run_end(
    totals: &StatusTotals,
    failures: &[(Arc<Node>, RunResult)],
    is_interrupted: bool,
) -> Vec<DbtLine> {
    let (errors, warnings) =
        (totals.get(RunStatus::Error) + totals.get(RunStatus::Fail), totals.get(RunStatus::Warn));
    let message = format!(
        "completed with {} and {}",
        count_of(errors, "error"),
        count_of(warnings, "warning")
    );
    let data = json!({
        "num_errors": errors, "num_warnings": warnings, "num_partial_success": totals.get(RunStatus::PartialSuccess),
        "keyboard_interrupt": is_interrupted,
    });
    let mut lines = vec![DbtLine::new(("EndOfRunSummary", "Z030"), LogLevel::Info, message, data)];
    failures.iter().for_each(|(node, result)| lines.extend(describe_failure(node, result)));
    let stats = json!({
        "pass": totals.get(RunStatus::Success) + totals.get(RunStatus::Pass),
        "warn": warnings,
        "error": errors,
        "skip": totals.get(RunStatus::Skipped),
        "noop": totals.get(RunStatus::NoOp),
        "total": totals.iter().map(|(_, count)| count).sum::<usize>(),
    });
    let message = format!(
        "PASS={} WARN={} ERROR={} SKIP={} NO-OP={} TOTAL={}",
        stats["pass"], stats["warn"], stats["error"], stats["skip"], stats["noop"], stats["total"]
    );
    let data = json!({ "stats": stats });
    lines.push(DbtLine::new(("StatsLine", "Z023"), LogLevel::Info, message, data));
    lines
}

fn describe_failure(node: &Node, result: &RunResult) -> [DbtLine; 2] {
    let kind: ResourceType = node.resource_type();
    let is_warning = result.outcome.status == RunStatus::Warn;
    let message = result.artifact_message().unwrap_or_default();
    let (head, tail, level, word) = match is_warning {
        true => (
            ("RunResultWarning", "Z021"),
            ("RunResultWarningMessage", "Z046"),
            LogLevel::Warn,
            "warning",
        ),
        false => {
            (("RunResultFailure", "Z022"), ("RunResultError", "Z024"), LogLevel::Error, "failure")
        }
    };
    let info: Json = node_info(node, Some(result));
    let data = json!({
        "node_info": info, "node_name": node.name, "path": node.original_file_path,
        "resource_type": kind.as_str(),
    });
    let title = format!("{word} in {} {} ({})", kind.as_str(), node.name, node.original_file_path);
    let text = json!({ "node_info": info, "msg": message });
    [DbtLine::new(head, level, title, data), DbtLine::new(tail, level, message, text)]
}
