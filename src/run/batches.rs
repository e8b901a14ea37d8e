//! Builds a model in batches, each for a span of event times.
//!
//! In: a model with a `MicrobatchConfig`. Out: one result for all of its batches. The first and
//! the last batch run alone; between them several run at the same time where that is asked for and
//! the engine can do it. A batch is published when its query has succeeded: the tests of the model
//! run once, after its last batch. When the first batch fails, the others are not tried.

use super::BatchOptions;
use super::ExecutedSql;
use super::build::{BuildResult, BuildTask, build_once};
use super::failure::internal_error;
use super::node::NodeRun;
use super::publish::{StateBeforeBuild, write_failed_batches};
use super::queue::write_node_files;
use super::worker::{Clock, STACK};
use crate::context::{BatchContext, LogLine};
use crate::diag::{Code, Diagnostic};
use crate::engine::{
    BatchConcurrency, Connection, ExistingRelation, ExistingRelations, Lease, Relation,
    RelationKind, ScratchTables, TransactionSupport, Warehouse,
};
use crate::manifest::{EventWindow, MicrobatchConfig, Node, utc_of};
use crate::outcome::{BatchResults, NodeError, NodeOutcome, RunStatus};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a worker tells of a batch of the node that it builds.
#[derive(Clone, Debug)]
pub(crate) struct BatchProgress {
    /// The name of the batch: the beginning of its span (`2024-01-31`).
    pub(crate) batch: String,
    /// Its place among the batches of the run, from 1.
    pub(crate) index: usize,
    pub(crate) total: usize,
    /// `None`: it has begun.
    pub(crate) ended: Option<EndedBatch>,
}

#[derive(Clone, Debug)]
pub(crate) struct EndedBatch {
    pub(crate) status: RunStatus,
    pub(crate) message: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) executed: ExecutedSql,
}

/// A batch that was tried.
struct TriedBatch {
    index: usize,
    built: BuildResult,
}

pub(super) fn build_batches(
    building: &BuildTask<'_>,
    run: &NodeRun<'_>,
    config: &MicrobatchConfig,
    before: Option<StateBeforeBuild>,
) -> BuildResult {
    let options = &run.shared.options;
    let found =
        find_batches(run.node, config, run.existing, options.full_refresh, &options.batches);
    let found = match found {
        Ok(found) => found,
        Err(e) => return BuildResult::failed(e),
    };
    let work = BatchWork {
        building,
        run,
        config,
        batches: &found.batches,
        is_incremental: found.is_incremental,
        before: Mutex::new(before),
        state: Mutex::new(WorkState { existing: run.existing.clone(), tried: Vec::new() }),
    };
    work.build_all();
    work.record_failed();
    let state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    conclude(run, config, found, state.tried)
}

/// The batches that a run builds.
#[derive(Clone, Debug)]
pub(crate) struct FoundBatches {
    pub(crate) batches: Vec<EventWindow>,
    /// Whether the first batch is applied to the table that is there.
    is_incremental: bool,
    /// The batches that succeeded in the run that is retried.
    done_before: Vec<EventWindow>,
}

/// The batches that a build of a node has. `full_refresh` is that of the command.
pub(crate) fn find_batches(
    node: &Node,
    config: &MicrobatchConfig,
    existing: &ExistingRelations,
    full_refresh: bool,
    options: &BatchOptions,
) -> Result<FoundBatches, NodeError> {
    if let Some(retried) = options.retried.get(&*node.unique_id) {
        // What succeeded is in the table, so that nothing may replace it.
        return Ok(FoundBatches {
            batches: retried.failed.clone(),
            is_incremental: true,
            done_before: retried.successful.clone(),
        });
    }
    let target = node.relation.as_ref().and_then(|target| existing.find(target));
    let is_table = target.is_some_and(|there| there.kind == RelationKind::Table);
    let own = node.typed.build().and_then(|build| build.full_refresh);
    let is_incremental = is_table && !own.unwrap_or(full_refresh);
    let batches = config.batches(is_incremental, options.window, utc_of(options.now));
    let batches = batches.map_err(|e| {
        let message = format!("`{}` cannot be built in batches: {e}", node.name);
        NodeError::lasting(Diagnostic::error(Code::Runtime, message).primary(node.span, ""))
    })?;
    Ok(FoundBatches { batches, is_incremental, done_before: Vec::new() })
}

/// The batches of a node, and what several threads know of them.
struct BatchWork<'a> {
    building: &'a BuildTask<'a>,
    run: &'a NodeRun<'a>,
    config: &'a MicrobatchConfig,
    batches: &'a [EventWindow],
    is_incremental: bool,
    /// The state before the first batch; the last one takes it to record the publication.
    before: Mutex<Option<StateBeforeBuild>>,
    state: Mutex<WorkState>,
}

struct WorkState {
    /// The relations that exist under the names that the node's build uses.
    existing: Arc<ExistingRelations>,
    tried: Vec<TriedBatch>,
}

impl BatchWork<'_> {
    fn lock(&self) -> MutexGuard<'_, WorkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build_all(&self) {
        let (connection, last) = (self.run.connection, self.batches.len().saturating_sub(1));
        if self.batches.is_empty() || !self.try_batch(0, connection) {
            return;
        }
        let between = BatchQueue { next: AtomicUsize::new(1), end: last };
        let threads = if self.runs_side_by_side() { self.run.shared.options.threads } else { 1 };
        std::thread::scope(|scope| {
            for _ in 1..threads.min(last.saturating_sub(1)) {
                let Some(first) = self.building.pool.lease_spare() else { break };
                let between = &between;
                // If no thread can be started, the loop below builds the batches.
                let _ = std::thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, move || self.help(between, first));
            }
            while self.try_next(&between, connection) {}
        });
        if last > 0 && !self.must_stop() {
            self.try_batch(last, connection);
        }
    }

    /// Whether the batches between the first and the last one run at the same time.
    fn runs_side_by_side(&self) -> bool {
        let engine = self.run.engine().capabilities;
        // Otherwise batches would use one candidate, or one scratch table.
        let are_apart = engine.transactions == TransactionSupport::Full
            && engine.scratch == ScratchTables::Temporary;
        are_apart
            && match engine.batches {
                BatchConcurrency::Never => false,
                BatchConcurrency::Asked => self.config.concurrent == Some(true),
                BatchConcurrency::Usual => {
                    self.config.concurrent.unwrap_or(!self.config.reads_itself)
                }
            }
    }

    /// Builds batches on idle connections, beginning with `first`. The connection is returned after
    /// each batch, so that a node that becomes ready waits for one batch at most.
    fn help(&self, between: &BatchQueue, first: Lease) {
        let mut spare = Some(first);
        while let Some(lease) = spare.take() {
            let tried = catch_unwind(AssertUnwindSafe(|| self.try_next(between, &lease)));
            let has_more = match tried {
                Ok(has_more) => has_more,
                Err(panic) => {
                    // The connection may have an open transaction.
                    lease.close();
                    resume_unwind(panic);
                }
            };
            drop(lease);
            spare = if has_more { self.building.pool.lease_spare() } else { None };
        }
    }

    /// Builds the next batch that no thread has taken; `false` if there is none.
    fn try_next(&self, between: &BatchQueue, connection: &Connection) -> bool {
        if self.must_stop() {
            return false;
        }
        let index = between.next.fetch_add(1, Ordering::Relaxed);
        if index >= between.end {
            return false;
        }
        self.try_batch(index, connection);
        true
    }

    fn must_stop(&self) -> bool {
        self.run.shared.cancel.is_cancelled() || self.run.shared.stopping.is_cancelled()
    }

    /// Builds a batch; returns whether that succeeded.
    fn try_batch(&self, index: usize, connection: &Connection) -> bool {
        let context = self.context_of(index);
        let name = context.name();
        self.tell(&name, index, None);
        let clock = Clock::start();
        let existing = self.lock().existing.clone();
        let bindings = Arc::new(self.run.bindings.in_batch(context));
        let run = NodeRun { bindings: &bindings, existing: &existing, connection, ..*self.run };
        connection.with(|warehouse| warehouse.set_comment(self.building.comment.clone()));
        let building = BuildTask { guards: &[], connection, ..*self.building };
        let built = build_once(&building, &run, self.state_to_record(index));
        let compiled = built.compiled.as_ref().map(|c| c.sql.as_str());
        write_node_files(run.shared, run.node, Some(&name), compiled, &built.executed.main_text());
        let (status, message) = (built.outcome.status, built.outcome.message.clone());
        let mut executed = built.executed.clone();
        executed.set_comment(self.building.comment.clone());
        self.note(index, built);
        let seconds = clock.seconds();
        self.tell(&name, index, Some(EndedBatch { status, message, seconds, executed }));
        status == RunStatus::Success
    }

    fn context_of(&self, index: usize) -> BatchContext {
        BatchContext {
            window: self.batches[index],
            size: self.config.size,
            is_first: index == 0,
            is_last: index + 1 == self.batches.len(),
            is_incremental: index > 0 || self.is_incremental,
        }
    }

    /// The state that the last batch records with its publication, if no batch has failed.
    fn state_to_record(&self, index: usize) -> Option<StateBeforeBuild> {
        if index + 1 < self.batches.len() {
            return None;
        }
        if self.lock().tried.iter().any(|t| t.built.outcome.status.is_bad()) {
            return None;
        }
        self.before.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records that some batches failed, if others are in the table. What cannot be recorded is
    /// found out by the next build, which compares more.
    fn record_failed(&self) {
        let is_published =
            self.lock().tried.iter().any(|t| t.built.outcome.status == RunStatus::Success);
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(notes), Some(before)) = (&self.run.shared.publication_state, before) else {
            return;
        };
        if is_published {
            let node = self.run.node;
            let record = |w: &mut dyn Warehouse| write_failed_batches(notes, node, &before, w);
            let _ = self.run.connection.with(record);
        }
    }

    fn note(&self, index: usize, built: BuildResult) {
        let mut state = self.lock();
        let mut existing = (*state.existing).clone();
        built.changes.iter().for_each(|(relation, now)| existing.update(relation, now.clone()));
        state.existing = Arc::new(existing);
        state.tried.push(TriedBatch { index, built: without_sql(built) });
    }

    fn tell(&self, name: &str, index: usize, ended: Option<EndedBatch>) {
        let (batch, total) = (name.to_owned(), self.batches.len());
        (self.building.tell)(BatchProgress { batch, index: index + 1, total, ended });
    }
}

/// The result of a batch without its SQL, which is in files: that of thousands of batches would take
/// much memory.
fn without_sql(mut built: BuildResult) -> BuildResult {
    if let Some(compiled) = built.compiled.take() {
        built.logs.splice(0..0, compiled.logs);
        built.warnings.splice(0..0, compiled.warnings);
    }
    built.outcome.compiled = None;
    BuildResult { executed: ExecutedSql::default(), ..built }
}

/// The batches that several threads share: from the second one up to `end`.
struct BatchQueue {
    next: AtomicUsize,
    end: usize,
}

/// The result of a node from those of its batches.
fn conclude(
    run: &NodeRun<'_>,
    config: &MicrobatchConfig,
    found: FoundBatches,
    mut tried: Vec<TriedBatch>,
) -> BuildResult {
    // The batches ended in any order; what exists is what the last one to end has seen.
    let changes: Vec<(Relation, Option<ExistingRelation>)> =
        tried.iter_mut().flat_map(|t| std::mem::take(&mut t.built.changes)).collect();
    tried.sort_by_key(|t| t.index);
    let mut results = BatchResults::default();
    let mut outcomes = tried.iter().map(|t| (t.index, t.built.outcome.status)).peekable();
    for (index, window) in found.batches.iter().enumerate() {
        let status = outcomes.next_if(|(i, _)| *i == index).map(|(_, status)| status);
        let list = match status {
            Some(RunStatus::Success) => &mut results.successful,
            _ => &mut results.failed,
        };
        list.push(*window);
    }
    let mut outcome = outcome_of(run, config, &found, &results, &tried);
    results.successful.extend(found.done_before);
    outcome.batches = Some(results);
    let (mut logs, mut warnings): (Vec<LogLine>, Vec<Diagnostic>) = Default::default();
    for batch in tried {
        logs.extend(batch.built.logs);
        for warning in batch.built.warnings {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    BuildResult { changes, logs, warnings, ..BuildResult::plain(outcome) }
}

fn outcome_of(
    run: &NodeRun<'_>,
    config: &MicrobatchConfig,
    found: &FoundBatches,
    results: &BatchResults,
    tried: &[TriedBatch],
) -> NodeOutcome {
    let (good, bad) = (results.successful.len(), results.failed.len());
    let total = good + bad;
    let (status, message) = match (good, bad) {
        (_, 0) => (RunStatus::Success, "SUCCESS".to_owned()),
        (0, _) => (RunStatus::Error, "ERROR".to_owned()),
        _ => (RunStatus::PartialSuccess, format!("PARTIAL SUCCESS ({good}/{total})")),
    };
    let effect = tried.last().and_then(|t| t.built.outcome.effect.clone());
    let plain = NodeOutcome { effect, failures: Some(0), ..NodeOutcome::new(status) };
    if bad == 0 {
        return NodeOutcome { message: Some(message), ..plain };
    }
    let mut failures = tried.iter().filter_map(|t| Some((t, t.built.outcome.failed.as_ref()?)));
    let transient = failures.clone().all(|(_, failure)| failure.transient);
    let diagnostic = match failures.next() {
        Some((batch, failure)) => {
            let name = config.size.name_of(found.batches[batch.index].start);
            let note = match (bad, total) {
                (_, 1) => format!("in the batch {name}"),
                (1, _) => format!("in the batch {name}, 1 of {total}"),
                _ => format!(
                    "in the batch {name}: {bad} of {total} batches failed or were not tried"
                ),
            };
            failure.diagnostic.clone().note(note)
        }
        None if run.shared.stopping.is_cancelled() || run.shared.cancel.is_cancelled() => {
            let message =
                format!("`{}` was stopped: {bad} of {total} batches are left", run.node.name);
            Diagnostic::error(Code::Runtime, message).primary(run.node.span, "")
        }
        None => *internal_error("a batch was lost").diagnostic,
    };
    let diagnostic = match good + found.done_before.len() {
        0 => diagnostic,
        _ => diagnostic.help("`strata retry` builds only the batches that failed"),
    };
    let NodeOutcome { failed, .. } = NodeOutcome::error(diagnostic, transient);
    NodeOutcome { failed, message: Some(message), ..plain }
}
