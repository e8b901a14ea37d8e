//! Measures the freshness of sources.

use super::events::{Event, StatusTotals};
use super::failure::database_error;
use super::hooks::{on_run_end_context, run_hooks};
use super::queue::TICK;
use super::worker::{Clock, STACK};
use super::{CancelToken, RunContext};
use crate::compile::{MacroCall, render_hook, subject_of};
use crate::config::Json;
use crate::context::{
    Bindings, DatabaseAccess, LogLine, RelationValue, RenderSession, TransactionControl,
    instant_of_text, instant_of_value, internal_diagnostic, response_json, rows_of,
};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, EngineError, ExistingRelations, Pool, Warehouse};
use crate::manifest::{
    FreshnessStatus, FreshnessThreshold, Node, NodeId, NodeKind, ResourceType, SourceTable,
};
use crate::outcome::{
    FreshnessMeasurement, NodeOutcome, RunResult, RunStatus, SourceFreshness, Timing,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use jiff::Timestamp;
use minijinja::value::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The first second of the year 1: the load time of a source without rows, as in dbt.
const NEVER: i64 = -62_135_596_800;

/// The inputs of `check_sources`.
pub(crate) struct FreshnessRequest<'a> {
    pub(crate) shared: Arc<RunContext>,
    pub(crate) sources: &'a [NodeId],
    pub(crate) warehouse: Box<dyn Warehouse>,
    pub(crate) cancel: CancelToken,
    /// Whether the project's on-run hooks run before and after.
    pub(crate) hooks: bool,
}

/// The results of `check_sources`.
pub(crate) struct FreshnessRun {
    /// In the order in which they finished.
    pub(crate) sources: Vec<SourceFreshness>,
    /// A hook or a source failed, or the user interrupted the run.
    pub(crate) failed: bool,
    pub(crate) seconds: f64,
}

/// A message from a worker.
enum Message {
    Started(NodeId),
    Done(NodeId, Box<FreshnessAnswer>),
}

struct FreshnessAnswer {
    freshness: SourceFreshness,
    said: MacroOutput,
}

/// Logs and warnings of templates.
#[derive(Default)]
struct MacroOutput {
    logs: Vec<LogLine>,
    warnings: Vec<Diagnostic>,
}

/// Measures all sources, each on an idle connection. Failures of sources are part of the results.
pub(crate) fn check_sources(
    request: FreshnessRequest<'_>,
    emit: &mut dyn FnMut(Event),
) -> Result<FreshnessRun, EngineError> {
    let clock = Clock::start();
    let FreshnessRequest { shared, sources, warehouse, cancel, hooks } = request;
    let manifest = shared.compiler.manifest.clone();
    let threads = shared.options.threads.min(sources.len()).max(1);
    emit(Event::FreshnessStarted { sources: sources.len(), threads });
    let mut progress = FreshnessProgress::new(sources.len());
    let pool = Pool::new(warehouse, threads)?;
    if hooks {
        let lease = pool.lease()?;
        let results = run_hooks(&shared, &manifest.on_run_start, &lease, Vec::new(), emit).results;
        progress.count(&results);
        progress.all.extend(results);
    }
    let (task_tx, task_rx) = unbounded::<NodeId>();
    for id in sources {
        let _ = task_tx.send(*id);
    }
    drop(task_tx);
    let (message_tx, message_rx) = unbounded::<Message>();
    let mut stopped = false;
    let mut begun = 0;
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (shared, pool) = (shared.clone(), pool.clone());
            let (tasks, messages) = (task_rx.clone(), message_tx.clone());
            let worker = Worker { shared, pool, number, tasks, messages };
            let thread = std::thread::Builder::new().name(format!("Thread-{}", number + 1));
            if thread.stack_size(STACK).spawn_scoped(scope, move || worker.run()).is_err() {
                break;
            }
        }
        drop(message_tx);
        loop {
            if cancel.is_cancelled() && !stopped {
                stopped = true;
                emit(Event::Interrupted);
                drain(&task_rx);
                pool.cancel();
            }
            match message_rx.recv_timeout(TICK) {
                Ok(Message::Started(id)) => {
                    let node = manifest.node(id);
                    begun += 1;
                    emit(Event::NodeStarted {
                        node: manifest.shared_node(id),
                        index: begun,
                        total: progress.total,
                        unique_id: node.unique_id.clone(),
                        kind: ResourceType::Source,
                        name: node.display_name(),
                        what: WHAT.to_owned(),
                    });
                }
                Ok(Message::Done(id, answer)) => {
                    let result = progress.add(*answer, emit);
                    if shared.options.fail_fast && result.outcome.status.is_failure() {
                        drain(&task_rx);
                    }
                    emit(progress.finished(manifest.shared_node(id), result));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    if hooks && !stopped {
        let extra = on_run_end_context(&shared, &progress.all);
        let ended = run_hooks(&shared, &manifest.on_run_end, &*pool.lease()?, extra, emit);
        progress.count(&ended.results);
    }
    let seconds = clock.seconds();
    let FreshnessProgress { totals, failed, answers, .. } = progress;
    emit(Event::RunFinished { totals, seconds });
    Ok(FreshnessRun { sources: answers, failed: failed || stopped, seconds })
}

/// Removes the tasks that no worker has taken.
fn drain(tasks: &Receiver<NodeId>) {
    while tasks.try_recv().is_ok() {}
}

/// The results so far.
struct FreshnessProgress {
    /// In the order in which they finished.
    answers: Vec<SourceFreshness>,
    /// The number of sources to measure.
    total: usize,
    /// The results for on-run-end hooks: those of on-run-start hooks, then those of sources.
    all: Vec<RunResult>,
    totals: StatusTotals,
    failed: bool,
}

impl FreshnessProgress {
    fn new(total: usize) -> FreshnessProgress {
        let (answers, all) = (Vec::new(), Vec::new());
        FreshnessProgress { answers, total, all, totals: StatusTotals::default(), failed: false }
    }

    fn count(&mut self, results: &[RunResult]) {
        results.iter().for_each(|r| self.totals.add(r.outcome.status));
        self.failed |= results.iter().any(|r| r.outcome.status.is_failure());
    }

    /// Emits the logs and warnings of an answer, records it and returns its result.
    fn add(&mut self, answer: FreshnessAnswer, emit: &mut dyn FnMut(Event)) -> RunResult {
        let FreshnessAnswer { freshness, said } = answer;
        said.logs.into_iter().for_each(|line| emit(Event::Log { line }));
        said.warnings.into_iter().for_each(|diagnostic| emit(Event::Warning { diagnostic }));
        let result = freshness.result.clone();
        self.answers.push(freshness);
        self.count(std::slice::from_ref(&result));
        self.all.push(result.clone());
        result
    }

    /// The event for the latest answer.
    fn finished(&self, node: Arc<Node>, result: RunResult) -> Event {
        Event::NodeFinished {
            name: node.display_name(),
            node,
            kind: ResourceType::Source,
            what: WHAT.to_owned(),
            result: Box::new(result),
            index: self.answers.len(),
            total: self.total,
            guarded: false,
        }
    }
}

/// A thread that measures one source after the other.
struct Worker {
    shared: Arc<RunContext>,
    pool: Arc<Pool>,
    number: usize,
    tasks: Receiver<NodeId>,
    messages: Sender<Message>,
}

impl Worker {
    fn run(self) {
        for id in &self.tasks {
            let _ = self.messages.send(Message::Started(id));
            let answer = check(&self.shared, &self.pool, self.number, id);
            let _ = self.messages.send(Message::Done(id, Box::new(answer)));
        }
    }
}

/// The first words of a source's line on the console.
const WHAT: &str = "freshness of";

/// Measures one source on an idle connection. A panic fails the source, not the run.
fn check(shared: &RunContext, pool: &Arc<Pool>, worker: usize, id: NodeId) -> FreshnessAnswer {
    let node = shared.compiler.manifest.node(id);
    let (started, clock) = (shared.system.now(), Clock::start());
    let mut said = MacroOutput::default();
    let mut criteria = FreshnessThreshold::default();
    let answered = match (&node.kind, pool.lease()) {
        (NodeKind::Source(table), Ok(lease)) => {
            criteria = table.freshness.clone().unwrap_or_default();
            let answered = catch_unwind(AssertUnwindSafe(|| {
                measure(shared, node, table, &criteria, &lease, &mut said)
            }));
            answered.unwrap_or_else(|_| {
                lease.close();
                let message = format!("`{}` made the tool panic", node.display_name());
                Err(Box::new(internal_diagnostic(message)))
            })
        }
        (NodeKind::Source(_), Err(e)) => Err(database_error(&e, node).diagnostic),
        _ => Err(Box::new(internal_diagnostic(format!("`{}` is no source", node.name)))),
    };
    let (measured, outcome) = match answered {
        Ok((measured, adapter_response)) => {
            let status = match measured.status {
                FreshnessStatus::Pass => RunStatus::Pass,
                FreshnessStatus::Warn => RunStatus::Warn,
                FreshnessStatus::Error => RunStatus::Fail,
            };
            let outcome = NodeOutcome {
                message: message(&measured, &criteria),
                adapter_response,
                place: Some(node.span),
                ..NodeOutcome::new(status)
            };
            (Some(measured), outcome)
        }
        Err(d) => (None, NodeOutcome::error(*d, false)),
    };
    let timing = vec![
        Timing { name: "compile", started, completed: started },
        Timing { name: "execute", started, completed: shared.system.now() },
    ];
    let result = RunResult {
        unique_id: node.unique_id.clone(),
        outcome,
        thread: format!("Thread-{}", worker + 1),
        seconds: clock.seconds(),
        timing,
        relation_name: node
            .relation
            .as_ref()
            .map(|r| r.render(shared.compiler.manifest.project.dialect)),
        title: None,
    };
    FreshnessAnswer { freshness: SourceFreshness { criteria, measured, result }, said }
}

/// The load time, the current time and the status of a source, with the engine's response.
fn measure(
    shared: &RunContext,
    node: &Node,
    table: &SourceTable,
    criteria: &FreshnessThreshold,
    connection: &Connection,
    said: &mut MacroOutput,
) -> Result<(FreshnessMeasurement, Json), Box<Diagnostic>> {
    let relation = node.relation.clone().map_or_else(
        || Value::from(()),
        |r| RelationValue::value(r, shared.compiler.context.target.engine),
    );
    let (macro_name, args) = match (&table.loaded_at_query, &table.loaded_at_field) {
        (Some(query), _) => {
            let sql = query_text(shared, node, query, connection, said)?;
            let args = vec![("source", relation), ("loaded_at_query", Value::from(sql))];
            ("collect_freshness_custom_sql", args)
        }
        (None, Some(field)) => {
            let filter = criteria.filter.as_deref().map_or_else(|| Value::from(()), Value::from);
            let args = vec![
                ("source", relation),
                ("loaded_at_field", Value::from(field.as_str())),
                ("filter", filter),
            ];
            ("collect_freshness", args)
        }
        (None, None) => {
            let name = node.display_name();
            return Err(mistake(
                node,
                format!("the age of `{name}` cannot be measured: it has no `loaded_at_field`"),
                "name the column that says when a row was loaded: config: {loaded_at_field: ...}; the database itself \
                 keeps no time",
            ));
        }
    };
    let compiler = &shared.compiler;
    let root = &compiler.manifest.project.name;
    let Some(def) = compiler.renderer.registry().lookup_anywhere(macro_name).cloned() else {
        return Err(Box::new(Diagnostic::error(
            Code::UnknownMacro,
            format!("there is no macro `{macro_name}`"),
        )));
    };
    let call = MacroCall {
        def: &def,
        lookup_package: root,
        subject: subject_of(node),
        args,
        span: node.span,
        transactions: TransactionControl::Creator,
    };
    let called = compiler.call(call, Some(connection));
    said.logs.extend(called.logs);
    said.warnings.extend(called.warnings);
    let value = called.value?;
    let (max_loaded_at, snapshotted_at) = read_times(shared, node, macro_name, &value)?;
    let age = snapshotted_at.duration_since(max_loaded_at).as_micros() as f64 / 1e6;
    let measured =
        FreshnessMeasurement { max_loaded_at, snapshotted_at, age, status: criteria.status(age) };
    Ok((measured, response_json(&value)))
}

/// The latest load time and the current time, from a macro's result.
fn read_times(
    shared: &RunContext,
    node: &Node,
    macro_name: &str,
    answer: &Value,
) -> Result<(Timestamp, Timestamp), Box<Diagnostic>> {
    let name = node.display_name();
    let rows = rows_of(answer).map(|(_, rows)| rows).unwrap_or_default();
    let [row] = rows.as_slice() else {
        return Err(mistake(
            node,
            format!("the macro `{macro_name}` gave {} rows for `{name}`, not one", rows.len()),
            "it returns a result of `load_result`: one row with the newest load time and the time now",
        ));
    };
    let [loaded, now] = row.as_slice() else {
        return Err(mistake(
            node,
            format!("the macro `{macro_name}` gave {} columns for `{name}`, not two", row.len()),
            "it returns a result of `load_result`: one row with the newest load time and the time now",
        ));
    };
    let max_loaded_at = if loaded.is_none() {
        Timestamp::from_second(NEVER).unwrap_or(Timestamp::MIN)
    } else {
        read_time(shared, node, loaded, "load time")?
    };
    Ok((max_loaded_at, read_time(shared, node, now, "present time")?))
}

fn read_time(
    shared: &RunContext,
    node: &Node,
    value: &Value,
    what: &str,
) -> Result<Timestamp, Box<Diagnostic>> {
    let are_texts = shared.compiler.context.target.engine.capabilities.times_are_texts;
    let text = value.as_str().filter(|_| are_texts);
    text.map_or_else(|| instant_of_value(value), instant_of_text).ok_or_else(|| {
        let name = node.display_name();
        let message = format!("the {what} of `{name}` is `{value}`, which is no timestamp");
        mistake(node, message, "cast it to a timestamp")
    })
}

/// The error for a source whose freshness cannot be measured.
fn mistake(node: &Node, message: String, help: &str) -> Box<Diagnostic> {
    let d = Diagnostic::error(Code::Freshness, message).primary(node.span, "this table");
    Box::new(d.help(help))
}

/// Renders `loaded_at_query`, with the source as `this` and `source_node`.
fn query_text(
    shared: &RunContext,
    node: &Node,
    query: &str,
    connection: &Connection,
    said: &mut MacroOutput,
) -> Result<String, Box<Diagnostic>> {
    let compiler = &shared.compiler;
    let mut subject = subject_of(node);
    let model = crate::jinja::from_json(&Json::Object(compiler.manifest.node_json(node)));
    subject.extra = vec![("source_node", model)];
    let runtime =
        compiler.runtime(&Arc::new(Bindings::default()), &Arc::new(ExistingRelations::Unknown));
    let db = DatabaseAccess::Live(connection.clone());
    let session = RenderSession::execute(&compiler.context, &node.package, subject, runtime, db);
    let text = render_hook(&compiler.renderer, &session, query, node.span);
    let record = session.take_record();
    said.logs.extend(record.logs);
    said.warnings.extend(crate::parse::warning_diagnostics(record.warnings, node.span));
    text.map(|sql| sql.into_string())
}

/// The age of a source that is too old; `None` if it is fresh.
fn message(measured: &FreshnessMeasurement, criteria: &FreshnessThreshold) -> Option<String> {
    let (word, limit) = match measured.status {
        FreshnessStatus::Pass => return None,
        FreshnessStatus::Warn => ("warn", &criteria.warn_after),
        FreshnessStatus::Error => ("error", &criteria.error_after),
    };
    let age = if measured.max_loaded_at.as_second() == NEVER {
        "no row has a load time".to_owned()
    } else {
        format!("{} old", words(measured.age))
    };
    let limit = limit.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(format!("{age}, configured to {word} after {limit}"))
}

/// A number of seconds in words.
fn words(seconds: f64) -> String {
    let units = [(86_400.0, "day"), (3600.0, "hour"), (60.0, "minute")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| seconds >= 2.0 * size).unwrap_or((1.0, "second"));
    let n = (seconds / size).floor();
    format!("{n} {unit}{}", if n == 1.0 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn ages() {
        assert_eq!(
            [words(1.2), words(119.0), words(120.0), words(90_000.0), words(172_800.0)],
            ["1 second", "119 seconds", "2 minutes", "25 hours", "2 days"]
        );
    }
}
