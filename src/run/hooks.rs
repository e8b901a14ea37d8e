//! Runs on-run hooks, and makes the context of those at the end.

use super::comment::make_comment;
use super::events::Event;
use super::failure::sql_error;
use super::queue::artifact_path;
use super::worker::Clock;
use super::{CancelToken, RunContext};
use crate::compile::{render_hook, subject_of};
use crate::context::{DatabaseAccess, node_config};
use crate::diag::Diagnostic;
use crate::engine::{Cancel, Connection};
use crate::jinja::{dict, from_json, list, make_pair};
use crate::manifest::{Node, NodeId, ResourceType};
use crate::outcome::{BatchResults, NodeOutcome, RunResult, RunStatus, SkipReason, Timing};
use crate::source::SqlText;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use minijinja::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often a watch checks the cancel token.
const LOOK_UP: Duration = Duration::from_millis(200);

/// Cancels the statements of a connection for as long as the cancel token is set. Used for hooks,
/// and for commands without a run.
pub(crate) struct CancelWatch(
    #[expect(dead_code, reason = "the thread ends when it is dropped")] Sender<()>,
);

impl CancelWatch {
    pub(crate) fn new(cancel: &CancelToken, statement: Arc<dyn Cancel>) -> CancelWatch {
        let (sender, receiver) = crossbeam_channel::bounded::<()>(0);
        let cancel = cancel.clone();
        // If no thread can be started, a hook cannot be interrupted; nothing else is lost.
        let _ = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || stop_while_cancelled(&receiver, &cancel, statement.as_ref()));
        CancelWatch(sender)
    }
}

/// Checks the token at each interval until the sender is dropped.
fn stop_while_cancelled(receiver: &Receiver<()>, cancel: &CancelToken, statement: &dyn Cancel) {
    while receiver.recv_timeout(LOOK_UP) == Err(RecvTimeoutError::Timeout) {
        if cancel.is_cancelled() {
            statement.cancel();
        }
    }
}

/// What came of on-run hooks.
pub(super) struct HookResults {
    pub(super) results: Vec<RunResult>,
    /// The hook whose template failed, and so has no SQL to run.
    pub(super) unwritten: Option<Arc<Node>>,
}

/// Runs on-run hooks one after the other; after a failure the remaining ones are skipped.
pub(super) fn run_hooks(
    shared: &Arc<RunContext>,
    ids: &[NodeId],
    connection: &Connection,
    extra: Vec<(&'static str, Value)>,
    emit: &mut dyn FnMut(Event),
) -> HookResults {
    let mut results = Vec::new();
    let mut unwritten = None;
    let mut failed = false;
    for (i, id) in ids.iter().enumerate() {
        let node = shared.compiler.manifest.node(*id);
        let started = shared.system.now();
        let clock = Clock::start();
        emit(Event::NodeStarted {
            node: shared.compiler.manifest.shared_node(*id),
            index: i + 1,
            total: ids.len(),
            unique_id: node.unique_id.clone(),
            kind: ResourceType::Operation,
            name: node.name.to_string(),
            what: "hook".to_owned(),
        });
        let outcome = if failed {
            NodeOutcome::skipped(SkipReason::EarlierHookFailed)
        } else {
            let commented = make_comment(shared, node)
                .map(|comment| connection.with(|warehouse| warehouse.set_comment(comment)));
            match commented.and_then(|_| write_hook(shared, node, connection, &extra, emit)) {
                Ok(sql) => execute_hook(node, &sql, connection),
                Err(d) => {
                    unwritten = Some(shared.compiler.manifest.shared_node(*id));
                    NodeOutcome::error(*d, false)
                }
            }
        };
        failed |= outcome.status == RunStatus::Error;
        let result = RunResult {
            unique_id: node.unique_id.clone(),
            outcome,
            thread: "main".to_owned(),
            seconds: clock.seconds(),
            timing: Timing::of_step(started, shared.system.now()),
            relation_name: None,
            title: None,
        };
        emit(Event::NodeFinished {
            node: shared.compiler.manifest.shared_node(*id),
            name: node.name.to_string(),
            kind: ResourceType::Operation,
            what: "hook".to_owned(),
            result: Box::new(result.clone()),
            index: i + 1,
            total: ids.len(),
            guarded: false,
        });
        results.push(result);
    }
    HookResults { results, unwritten }
}

/// Renders a hook.
fn write_hook(
    shared: &RunContext,
    node: &Node,
    connection: &Connection,
    extra: &[(&'static str, Value)],
    emit: &mut dyn FnMut(Event),
) -> Result<SqlText, Box<Diagnostic>> {
    let mut subject = subject_of(node);
    subject.this = None;
    subject.extra = extra.to_vec();
    let db = DatabaseAccess::Live(connection.clone());
    let session = shared.open_session(&node.package, subject, db);
    let raw = node.text.as_ref().map(|t| t.raw.to_string()).unwrap_or_default();
    let rendered = render_hook(&shared.compiler.renderer, &session, &raw, node.span);
    for line in session.take_record().logs {
        emit(Event::Log { line });
    }
    rendered
}

fn execute_hook(node: &Node, sql: &SqlText, connection: &Connection) -> NodeOutcome {
    let is_empty = sql.as_str().trim().is_empty();
    match (!is_empty).then(|| connection.with(|warehouse| warehouse.execute(sql))) {
        Some(Err(e)) => {
            let e = sql_error(&e, sql, node.span);
            NodeOutcome::error(*e.diagnostic, e.transient)
        }
        _ => NodeOutcome {
            message: Some(passed_message(node)),
            failures: Some(0),
            ..NodeOutcome::new(RunStatus::Success)
        },
    }
}

/// The message that dbt has: `shop.on-run-end.0 passed` for the node `shop-on-run-end-0`.
fn passed_message(node: &Node) -> String {
    let parts: Vec<&str> = node.name.rsplitn(5, '-').collect();
    match parts[..] {
        [number, end, "run", "on", project] => format!("{project}.on-run-{end}.{number} passed"),
        _ => format!("{} passed", node.name),
    }
}

/// The variables `results`, `schemas` and `database_schemas` of on-run-end hooks.
pub(super) fn on_run_end_context(
    shared: &RunContext,
    results: &[RunResult],
) -> Vec<(&'static str, Value)> {
    let manifest = &shared.compiler.manifest;
    let mut schemas: BTreeSet<(String, String)> = BTreeSet::new();
    let mut all = Vec::new();
    for result in results {
        let Some(node) = manifest.get(&result.unique_id) else { continue };
        // Hooks are listed only if they failed.
        if node.resource_type() == ResourceType::Operation
            && result.outcome.status == RunStatus::Success
        {
            continue;
        }
        let is_stored =
            matches!(result.outcome.status, RunStatus::Success | RunStatus::PartialSuccess);
        if is_stored
            && let Some(relation) = &node.relation
            && let (Some(d), Some(s)) = (relation.database(), relation.schema())
        {
            schemas.insert((d.to_owned(), s.to_owned()));
        }
        all.push(result_value(shared, node, result));
    }
    let names: Vec<Value> = schemas
        .iter()
        .map(|(_, s)| s.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(Value::from)
        .collect();
    let pairs =
        schemas.iter().map(|(d, s)| make_pair(d.as_str().into(), s.as_str().into())).collect();
    vec![("results", list(all)), ("schemas", list(names)), ("database_schemas", list(pairs))]
}

/// A result with its node, as in dbt: the node has its compiled SQL, and its config is `none` for
/// keys that are not set.
fn result_value(shared: &RunContext, node: &Node, result: &RunResult) -> Value {
    let outcome = &result.outcome;
    let timing = result.timing.iter().map(|t| {
        let (started, completed) = (t.started.to_string(), t.completed.to_string());
        serde_json::json!({ "name": t.name, "started_at": started, "completed_at": completed })
    });
    let json = serde_json::json!({
        "status": outcome.status.named(node.resource_type()), "execution_time": result.seconds,
        "failures": outcome.failures, "message": outcome.message, "thread_id": result.thread,
        "unique_id": &*result.unique_id, "adapter_response": outcome.adapter_response,
        "timing": timing.collect::<Vec<_>>(),
        "batch_results": outcome.batches.as_ref().map(BatchResults::to_json),
    });
    let mut of_node = shared.compiler.manifest.node_json(node);
    let config = of_node.remove("config").unwrap_or_default();
    if let Some(compiled) = &outcome.compiled {
        of_node.insert("compiled".into(), true.into());
        of_node.insert("compiled_code".into(), compiled.as_str().into());
        of_node.insert("compiled_path".into(), artifact_path(node).into());
    }
    let members = of_node.iter().map(|(k, v)| (Value::from(k.as_str()), from_json(v)));
    let of_node = dict(members.chain([(Value::from("config"), node_config(&config))]));
    let results = json.as_object().into_iter().flatten();
    let results = results.map(|(k, v)| (Value::from(k.as_str()), from_json(v)));
    dict(results.chain([(Value::from("node"), of_node)]))
}
