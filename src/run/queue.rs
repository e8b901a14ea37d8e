//! The main loop of a run.

use super::RunError;
use super::audit::GuardResult;
use super::batches::BatchProgress;
use super::comment::make_comment;
use super::events::{Event, StatusTotals};
use super::hooks::{CancelWatch, on_run_end_context, run_hooks};
use super::publish::record_tests;
use super::unnamed::{builder_of_missing, is_downstream};
use super::worker::{Clock, StepDone, StepTask, WorkerMessage, start_workers};
use super::{CancelToken, RunContext};
use crate::engine::{
    Connection, EngineError, ExistingRelation, ExistingRelations, Pool, Warehouse,
    WriteConcurrency, helper_names,
};
use crate::manifest::{Node, NodeId, NodeKind, ResourceType};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, SkipReason, Timing};
use crate::plan::{Action, Plan, StartOrder, Step, stored_reads};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long the loop waits for a message before it checks for cancellation.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// The number of rounds of the loop between two attempts to cancel running statements.
const CANCEL_EVERY: usize = 5;

pub(crate) struct RunRequest<'a> {
    pub(crate) shared: Arc<RunContext>,
    pub(crate) plan: &'a Plan,
    pub(crate) existing: ExistingRelations,
    pub(crate) warehouse: Box<dyn Warehouse>,
    pub(crate) cancel: CancelToken,
    /// Whether the project's on-run hooks run before and after the steps.
    pub(crate) hooks: bool,
}

/// Emits the events of a run without steps.
pub(crate) fn report_empty_run(threads: usize, emit: &mut dyn FnMut(Event)) {
    emit(Event::RunStarted { steps: 0, tests: 0, threads });
    emit(Event::RunFinished { totals: StatusTotals::default(), seconds: 0.0 });
}

/// Runs a plan. Failures of nodes are results; an error is a failure outside of the steps.
pub(crate) fn run_plan(
    request: RunRequest<'_>,
    emit: &mut dyn FnMut(Event),
) -> Result<Vec<RunResult>, RunError> {
    let clock = Clock::start();
    let RunRequest { shared, plan, existing, warehouse, cancel, hooks } = request;
    if plan.steps.is_empty() && plan.schemas.is_empty() && !hooks {
        report_empty_run(shared.options.threads, emit);
        return Ok(Vec::new());
    }
    // As in dbt, a comment that cannot be made ends the run before its first statement.
    if let Some(step) = plan.steps.first() {
        let node = shared.compiler.manifest.node(step.node);
        make_comment(&shared, node).map_err(RunError::QueryComment)?;
    }
    let tests = plan.steps.iter().map(|s| s.guards.len()).sum::<usize>()
        + plan.steps.iter().filter(|s| s.action == Action::Test).count();
    emit(Event::RunStarted { steps: plan.steps.len(), tests, threads: shared.options.threads });
    let mut existing = existing;
    // Guards run on idle connections, so that there may be more connections than steps.
    let pool = Pool::new(warehouse, shared.options.threads)?;
    let mut results = Vec::new();
    let mut totals = StatusTotals::default();
    let manifest = shared.compiler.manifest.clone();
    {
        let lease = pool.lease()?;
        create_schemas(plan, &lease, &mut existing, emit)?;
        if hooks {
            let _watch = CancelWatch::new(&cancel, lease.with(|w| w.cancel_handle()));
            let ran = run_hooks(&shared, &manifest.on_run_start, &lease, Vec::new(), emit);
            results = ran.results;
            count_hooks(&mut totals, &results);
            // As in dbt: a statement that fails lets the run go on, a template that fails does not.
            if let Some(hook) = ran.unwritten {
                emit(Event::RunFinished { totals, seconds: clock.seconds() });
                return Err(RunError::HookTemplate(hook.name.clone()));
            }
        }
    }
    let mut state = Scheduler::new(&shared, plan, existing, totals);
    let unready = shared.compiler.context.flags_set.contains("skip_nodes_if_on_run_start_fails")
        && results.iter().any(|r| r.outcome.status == RunStatus::Error);
    let threads = shared.options.threads.min(plan.steps.len()).max(1);
    let (said_tx, said) = unbounded::<WorkerMessage>();
    std::thread::scope(|scope| {
        let queues = start_workers(scope, threads, &shared, &pool, &said_tx);
        let mut workers = Workers { idle: (0..queues.len()).rev().collect(), queues, said };
        let control = RunControl { clock: &clock, pool: &pool, cancel: &cancel, unready };
        let why = state.carry_on(&mut workers, &control, &mut results, emit);
        state.skip_rest(&why, &mut results, emit);
    });
    if hooks && !cancel.is_cancelled() && !manifest.on_run_end.is_empty() {
        let lease = pool.lease()?;
        let _watch = CancelWatch::new(&cancel, lease.with(|w| w.cancel_handle()));
        let extra = on_run_end_context(&shared, &results);
        let ended = run_hooks(&shared, &manifest.on_run_end, &lease, extra, emit).results;
        count_hooks(&mut state.totals, &ended);
        results.extend(ended);
    }
    if let Some(notes) = &shared.publication_state {
        pool.lease()?.with(|warehouse| record_tests(notes, &manifest, &results, warehouse))?;
    }
    emit(Event::RunFinished { totals: state.totals.clone(), seconds: clock.seconds() });
    Ok(results)
}

/// The worker threads, by number.
struct Workers {
    queues: Vec<Sender<StepTask>>,
    idle: Vec<usize>,
    /// The messages of all workers.
    said: Receiver<WorkerMessage>,
}

/// Everything that can end a run before its last step, and the connections to cancel then.
struct RunControl<'a> {
    clock: &'a Clock,
    pool: &'a Arc<Pool>,
    cancel: &'a CancelToken,
    /// An on-run-start hook failed and no step may start.
    unready: bool,
}

/// Creates schemas, one after the other: two transactions that create the same schema conflict.
fn create_schemas(
    plan: &Plan,
    connection: &Connection,
    existing: &mut ExistingRelations,
    emit: &mut dyn FnMut(Event),
) -> Result<(), EngineError> {
    for (database, schema) in &plan.schemas {
        connection.with(|warehouse| warehouse.create_schema(database, schema))?;
        existing.add_schema(database, schema);
        emit(Event::SchemaCreated { name: schema.clone() });
    }
    Ok(())
}

/// Only failed hooks count: the totals are about nodes.
fn count_hooks(totals: &mut StatusTotals, results: &[RunResult]) {
    let statuses = results.iter().map(|r| r.outcome.status);
    statuses.filter(|status| *status != RunStatus::Success).for_each(|status| totals.add(status));
}

/// The queue, the counters and the cache of existing relations.
struct Scheduler<'a> {
    shared: &'a Arc<RunContext>,
    plan: &'a Plan,
    existing: ExistingRelations,
    totals: StatusTotals,
    /// Ready steps, as (moment at which they became ready, turn, index).
    ready: BTreeSet<(usize, usize, usize)>,
    has_one_writer: bool,
    /// The number of steps that have ended, or always 0 if the order of the plan is not by level.
    moment: usize,
    waiting: Vec<usize>,
    behind: Vec<Vec<usize>>,
    running: HashSet<usize>,
    /// The number of steps that have ended.
    ended: usize,
    /// For each step that has begun, the value of `ended` at that moment.
    began_at: Vec<usize>,
    /// For each step that has ended, the value of `ended` right after it.
    ended_at: Vec<Option<usize>>,
    /// For each step, the failed step because of which it is skipped.
    skipped: Vec<Option<String>>,
    /// For each running step, the guards that cannot run, with the reason.
    blind: Vec<Vec<(NodeId, SkipReason)>>,
    /// Whether a step has left the content of its relation as it was.
    same: Vec<bool>,
    shown: usize,
    total: usize,
    /// How many nodes have been started.
    begun: usize,
    stopped: bool,
}

impl<'a> Scheduler<'a> {
    fn new(
        shared: &'a Arc<RunContext>,
        plan: &'a Plan,
        existing: ExistingRelations,
        totals: StatusTotals,
    ) -> Scheduler<'a> {
        let n = plan.steps.len();
        let engine = shared.compiler.manifest.project.target.engine;
        let mut state = Scheduler {
            shared,
            plan,
            existing,
            totals,
            ready: BTreeSet::new(),
            has_one_writer: engine.capabilities.writers == WriteConcurrency::One,
            moment: 0,
            waiting: vec![0; n],
            behind: vec![Vec::new(); n],
            running: HashSet::new(),
            ended: 0,
            began_at: vec![0; n],
            ended_at: vec![None; n],
            skipped: vec![None; n],
            blind: vec![Vec::new(); n],
            same: vec![false; n],
            shown: 0,
            begun: 0,
            total: n + plan.steps.iter().map(|s| s.guards.len()).sum::<usize>(),
            stopped: false,
        };
        for (i, step) in plan.steps.iter().enumerate() {
            let before: BTreeSet<usize> = step.parents.iter().chain(&step.after).copied().collect();
            state.waiting[i] = before.len();
            for b in before {
                state.behind[b].push(i);
            }
            if state.waiting[i] == 0 {
                state.ready.insert((0, step.turn, i));
            }
        }
        state
    }

    fn node(&self, id: NodeId) -> &'a Node {
        // The manifest is borrowed for `'a`, which outlives the loop.
        self.shared.compiler.manifest.node(id)
    }

    /// Runs steps until none can start any more and all that started have ended. Returns the reason
    /// for skipping the others.
    fn carry_on(
        &mut self,
        workers: &mut Workers,
        control: &RunControl<'_>,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) -> SkipReason {
        let RunControl { clock, pool, cancel, unready } = *control;
        let mut cancelled = false;
        let mut ticks = 0;
        loop {
            ticks += 1;
            // Cancel repeatedly: a statement may have started since the last attempt.
            if cancelled && ticks % CANCEL_EVERY == 0 {
                pool.cancel();
            }
            if cancel.is_cancelled() && !cancelled {
                cancelled = true;
                emit(Event::Interrupted);
                pool.cancel();
            }
            let budget = self.shared.options.budget;
            let over = budget.is_some_and(|b| clock.seconds() > b.as_secs_f64());
            if !cancelled && !self.stopped && !over && !unready {
                self.start_ready(workers, emit);
            }
            if self.running.is_empty() {
                break;
            }
            match workers.said.recv_timeout(TICK) {
                Ok(WorkerMessage::Waiting { step, text }) => self.wait(step, text, emit),
                Ok(WorkerMessage::Batch { step, progress }) => {
                    self.tell_batch(step, progress, emit)
                }
                Ok(WorkerMessage::Done(done)) => {
                    workers.idle.push(done.worker);
                    self.finish(*done, results, emit);
                    if self.stopped && !cancelled {
                        // With `--fail-fast`, running statements are cancelled too.
                        pool.cancel();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        match (cancelled, self.stopped) {
            (true, _) => SkipReason::Interrupted,
            (_, true) => SkipReason::Stopped,
            _ if unready => SkipReason::StartHookFailed,
            _ => SkipReason::OutOfTime,
        }
    }

    /// Gives ready steps to idle workers.
    fn start_ready(&mut self, workers: &mut Workers, emit: &mut dyn FnMut(Event)) {
        while let Some(worker) = workers.idle.last().copied() {
            let Some(step) = self.next_ready() else { break };
            workers.idle.pop();
            let task = self.start(step, emit);
            if workers.queues[worker].send(task).is_err() {
                break;
            }
        }
    }

    /// The next step to start, if there is one. If the engine allows one writer only, no two steps
    /// build at the same time.
    fn next_ready(&mut self) -> Option<usize> {
        let is_taken = self.has_one_writer && self.running.iter().any(|step| self.builds(*step));
        let mut waiting = self.ready.iter();
        let next = *waiting.find(|(_, _, step)| !(is_taken && self.builds(*step)))?;
        self.ready.remove(&next);
        Some(next.2)
    }

    fn builds(&self, step: usize) -> bool {
        self.plan.steps[step].action == Action::Build
    }

    fn start(&mut self, index: usize, emit: &mut dyn FnMut(Event)) -> StepTask {
        let step = &self.plan.steps[index];
        let node = self.node(step.node);
        self.running.insert(index);
        self.began_at[index] = self.ended;
        self.begun += 1;
        emit(Event::NodeStarted {
            node: self.shared.compiler.manifest.shared_node(step.node),
            index: self.begun,
            total: self.total,
            unique_id: node.unique_id.clone(),
            kind: node.resource_type(),
            name: label(node),
            what: what(node),
        });
        let (guards, blind) = self.runnable_guards(step);
        self.blind[index] = blind;
        StepTask {
            step: index,
            node: step.node,
            action: step.action,
            guards,
            existing: Arc::new(self.own(node)),
        }
    }

    fn wait(&self, index: usize, text: Option<String>, emit: &mut dyn FnMut(Event)) {
        let node = self.node(self.plan.steps[index].node);
        let (unique_id, kind) = (node.unique_id.clone(), node.resource_type());
        emit(Event::NodeWaiting { unique_id, kind, name: label(node), what: what(node), text });
    }

    fn tell_batch(&self, index: usize, progress: BatchProgress, emit: &mut dyn FnMut(Event)) {
        let node = self.node(self.plan.steps[index].node);
        let (unique_id, kind) = (node.unique_id.clone(), node.resource_type());
        let (name, what) = (label(node), what(node));
        emit(Event::BatchChanged { unique_id, kind, name, what, progress });
    }

    /// The guards of a step that can run, and those that read a relation that does not exist
    /// because another node failed to build it. The latter say nothing about this node.
    fn runnable_guards(&self, step: &Step) -> (Vec<NodeId>, Vec<(NodeId, SkipReason)>) {
        let mut guards = Vec::with_capacity(step.guards.len());
        let mut blind = Vec::new();
        for test in &step.guards {
            match self.missing_read(*test, step.node) {
                None => guards.push(*test),
                Some(name) => blind.push((*test, SkipReason::ReadNotBuilt(name.to_owned()))),
            }
        }
        (guards, blind)
    }

    /// The name of a relation, other than the guarded one, that a test reads and that is known not
    /// to exist.
    fn missing_read(&self, test: NodeId, guarded: NodeId) -> Option<&'a str> {
        if !self.existing.is_known() {
            return None;
        }
        let reads = stored_reads(&self.shared.compiler.manifest, test);
        reads.into_iter().filter(|id| *id != guarded).map(|id| self.node(id)).find_map(|node| {
            let relation = node.relation.as_ref().filter(|r| r.external.is_none())?;
            (!self.existing.is_readable(relation)).then_some(&*node.name)
        })
    }

    /// The relations that exist under a node's own name or the names that its build uses beside it.
    fn own(&self, node: &Node) -> ExistingRelations {
        let dialect = self.shared.compiler.manifest.project.dialect;
        let mut found: Vec<ExistingRelation> = Vec::new();
        if let Some(relation) = &node.relation {
            for r in helper_names(relation, dialect) {
                found.extend(self.existing.find(&r).cloned());
            }
        }
        ExistingRelations::known(dialect, found, HashSet::new())
    }

    fn finish(
        &mut self,
        done: StepDone,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) {
        let StepDone { worker, step: index, built, started, seconds } = done;
        self.running.remove(&index);
        for (relation, now) in built.changes {
            self.existing.update(&relation, now);
        }
        if let Some(other) = self.builder_of_missing(index, &built.outcome) {
            self.repeat_after(other, index, emit);
            return;
        }
        let step = &self.plan.steps[index];
        let node = self.node(step.node);
        if let Some(compiled) = &built.compiled {
            compiled.logs.iter().for_each(|line| emit(Event::Log { line: line.clone() }));
            compiled.warnings.iter().for_each(|d| emit(Event::Warning { diagnostic: d.clone() }));
        }
        built.logs.iter().for_each(|line| emit(Event::Log { line: line.clone() }));
        built.warnings.iter().for_each(|d| emit(Event::Warning { diagnostic: d.clone() }));
        let compiled = built.compiled.as_ref().map(|c| c.sql.as_str());
        write_node_files(self.shared, node, None, compiled, &built.executed.main_text());
        if !built.executed.is_empty() {
            let node = self.shared.compiler.manifest.shared_node(node.id);
            emit(Event::Executed { node, sql: built.executed });
        }
        let thread = format!("Thread-{}", worker + 1);
        for GuardResult { test, run, seconds } in built.guards {
            let test = self.node(test);
            let sql = run.outcome.compiled.clone();
            write_node_files(self.shared, test, None, sql.as_ref().map(|c| c.as_str()), "");
            let result = self.result(test, run.outcome, &thread, started, seconds);
            self.report(test, result, true, results, emit);
        }
        for (id, why) in std::mem::take(&mut self.blind[index]) {
            let test = self.node(id);
            let result = self.result(test, NodeOutcome::skipped(why), "main", started, 0.0);
            self.report(test, result, true, results, emit);
        }
        let failed = self.holds_back(node, built.outcome.status);
        self.same[index] = step.action == Action::Test
            || built.outcome.effect.as_ref().is_some_and(|e| !e.changed);
        let result = self.result(node, built.outcome, &thread, started, seconds);
        self.report(node, result, false, results, emit);
        if failed {
            // Guards that did not get their turn are skipped with the node.
            let seen: HashSet<Arc<str>> = results.iter().map(|r| r.unique_id.clone()).collect();
            for id in &step.guards {
                let test = self.node(*id);
                if !seen.contains(&test.unique_id) {
                    let outcome = NodeOutcome::skipped(SkipReason::NotBuilt(node.name.to_string()));
                    let result = self.result(test, outcome, "main", started, 0.0);
                    self.report(test, result, true, results, emit);
                }
            }
        }
        self.release(index, failed.then(|| label(node)), results, emit);
    }

    /// The step that builds the relation which a failed step did not find, because the step reads it
    /// without `ref`. `None` if it had ended before the failed step began, so that a second attempt
    /// would fail as well, and if waiting for it would close a cycle.
    fn builder_of_missing(&self, index: usize, outcome: &NodeOutcome) -> Option<usize> {
        let manifest = &self.shared.compiler.manifest;
        let began_at = self.began_at[index];
        let is_later = |step: usize| self.ended_at[step].is_none_or(|ended_at| ended_at > began_at);
        let other = builder_of_missing(self.plan, manifest, is_later, outcome)?;
        (!is_downstream(&self.behind, index, other)).then_some(other)
    }

    /// Lets a step begin again once `other` has ended, or now if it has.
    fn repeat_after(&mut self, other: usize, index: usize, emit: &mut dyn FnMut(Event)) {
        self.wait(index, Some(self.without_ref(other)), emit);
        if self.ended_at[other].is_some() {
            self.make_ready(index);
        } else {
            self.behind[other].push(index);
            self.waiting[index] = 1;
        }
    }

    fn make_ready(&mut self, index: usize) {
        self.ready.insert((self.moment, self.plan.steps[index].turn, index));
    }

    fn without_ref(&self, other: usize) -> String {
        let name = label(self.node(self.plan.steps[other].node));
        format!("{name}, which it reads without `ref`")
    }

    /// Whether the node's descendants are skipped (semantics 3.12).
    fn holds_back(&self, node: &Node, status: RunStatus) -> bool {
        match status {
            RunStatus::Error | RunStatus::PartialSuccess => {
                self.shared.options.tests_hold_back || node.resource_type() != ResourceType::Test
            }
            RunStatus::Fail | RunStatus::Skipped => self.shared.options.tests_hold_back,
            _ => false,
        }
    }

    /// Frees the steps that waited for a step; those that depend on a failed one are skipped at
    /// once.
    fn release(
        &mut self,
        index: usize,
        failed: Option<String>,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) {
        if self.plan.order == StartOrder::Level {
            self.moment += 1;
        }
        let mut stack = vec![(index, failed)];
        while let Some((index, failed)) = stack.pop() {
            self.ended += 1;
            self.ended_at[index] = Some(self.ended);
            for next in self.behind[index].clone() {
                if let Some(cause) = &failed
                    && self.plan.steps[next].parents.contains(&index)
                {
                    self.skipped[next].get_or_insert_with(|| cause.clone());
                }
                self.waiting[next] -= 1;
                if self.waiting[next] == 0 {
                    match self.skipped[next].clone() {
                        Some(cause) => {
                            let why = SkipReason::ParentFailed(cause.to_string());
                            self.skip(next, &why, results, emit);
                            stack.push((next, Some(cause)));
                        }
                        None if self.is_idle(next) => {
                            self.same[next] = true;
                            self.leave(next, results, emit);
                            stack.push((next, None));
                        }
                        None => self.make_ready(next),
                    }
                }
            }
        }
    }

    /// Whether a step is needed only if one of its inputs changes, and none has.
    fn is_idle(&self, index: usize) -> bool {
        let step = &self.plan.steps[index];
        let before = step.parents.iter().chain(&step.after);
        self.shared.options.conditional_steps.contains(&index)
            && before.into_iter().all(|b| self.same[*b])
    }

    /// Reports a step that was not needed.
    fn leave(&mut self, index: usize, results: &mut Vec<RunResult>, emit: &mut dyn FnMut(Event)) {
        let step = &self.plan.steps[index];
        let now = self.shared.system.now();
        for id in step.guards.iter().copied().chain([step.node]) {
            let node = self.node(id);
            let message = Some("what it reads is as it was".to_owned());
            let outcome = NodeOutcome { message, ..NodeOutcome::new(RunStatus::NoOp) };
            let result = self.result(node, outcome, "main", now, 0.0);
            self.report(node, result, id != step.node, results, emit);
        }
    }

    fn skip(
        &mut self,
        index: usize,
        why: &SkipReason,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) {
        let step = &self.plan.steps[index];
        let now = self.shared.system.now();
        for id in step.guards.iter().copied().chain([step.node]) {
            let node = self.node(id);
            let result = self.result(node, NodeOutcome::skipped(why.clone()), "main", now, 0.0);
            self.report(node, result, id != step.node, results, emit);
        }
    }

    fn skip_rest(
        &mut self,
        why: &SkipReason,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) {
        let seen: HashSet<Arc<str>> = results.iter().map(|r| r.unique_id.clone()).collect();
        for index in 0..self.plan.steps.len() {
            if !seen.contains(&self.node(self.plan.steps[index].node).unique_id) {
                self.skip(index, why, results, emit);
            }
        }
    }

    fn result(
        &self,
        node: &Node,
        outcome: NodeOutcome,
        thread: &str,
        started: jiff::Timestamp,
        seconds: f64,
    ) -> RunResult {
        let completed = started
            .checked_add(jiff::SignedDuration::try_from_secs_f64(seconds).unwrap_or_default())
            .unwrap_or(started);
        let ran = outcome.status != RunStatus::Skipped;
        let timing = if ran { Timing::of_step(started, completed) } else { Vec::new() };
        let dialect = self.shared.compiler.manifest.project.dialect;
        let stored = node.resource_type().is_published();
        RunResult {
            unique_id: node.unique_id.clone(),
            relation_name: node.relation.as_ref().filter(|_| stored).map(|r| r.render(dialect)),
            outcome,
            thread: thread.to_owned(),
            seconds,
            timing,
            title: Some(
                format!(
                    "{} {} ({})",
                    node.resource_type().as_str(),
                    node.name,
                    node.original_file_path
                )
                .into(),
            ),
        }
    }

    fn report(
        &mut self,
        node: &Node,
        result: RunResult,
        guarded: bool,
        results: &mut Vec<RunResult>,
        emit: &mut dyn FnMut(Event),
    ) {
        self.shown += 1;
        self.totals.add(result.outcome.status);
        if self.shared.options.fail_fast
            && result.outcome.status.is_failure()
            && result.outcome.status != RunStatus::Skipped
        {
            self.stopped = true;
            self.shared.stopping.cancel();
        }
        emit(Event::NodeFinished {
            node: self.shared.compiler.manifest.shared_node(node.id),
            name: label(node),
            kind: node.resource_type(),
            what: what(node),
            result: Box::new(result.clone()),
            index: self.shown,
            total: self.total,
            guarded,
        });
        results.push(result);
    }
}

/// Writes the SQL of a node, or of a batch of it, to `compiled/` and `run/` below the target path. A
/// failure to write is ignored.
pub(super) fn write_node_files(
    shared: &RunContext,
    node: &Node,
    batch: Option<&str>,
    compiled: Option<&str>,
    executed: &str,
) {
    if !shared.options.write_files {
        return;
    }
    let own = artifact_path(node);
    let path = batch.map_or_else(|| own.clone(), |batch| path_of_batch(&own, batch));
    for (folder, text) in [("compiled", compiled.unwrap_or_default()), ("run", executed)] {
        if !text.is_empty() {
            let path = shared.target_path.join(folder).join(&path);
            let _ = shared.system.write_generated(&path, text.as_bytes());
        }
    }
}

/// The artifact of a batch: `models/m/m_2024-01-31.sql` for `models/m.sql`.
fn path_of_batch(own: &str, batch: &str) -> String {
    let stem = own.strip_suffix(".sql").unwrap_or(own);
    let name = stem.rsplit('/').next().unwrap_or(stem);
    format!("{stem}/{name}_{batch}.sql")
}

/// `<package>/<path>`. The artifact of a node defined in YAML is a file below the path of its
/// properties file.
pub(crate) fn artifact_path(node: &Node) -> String {
    if let NodeKind::UnitTest(test) = &node.kind {
        let file = &node.original_file_path;
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = test.versioned_name(&node.name);
        return format!("{}/{file}/{folder}/{name}.sql", node.package);
    }
    let own = node.generic_test().is_none() && node.original_file_path.ends_with(".sql");
    if own || node.resource_type() == ResourceType::Seed {
        format!("{}/{}", node.package, node.original_file_path)
    } else {
        format!(
            "{}/{}/{}",
            node.package,
            node.original_file_path,
            node.path.rsplit('/').next().unwrap_or(&node.path)
        )
    }
}

fn label(node: &Node) -> String {
    match (&node.relation, node.resource_type()) {
        (Some(relation), kind) if kind.is_published() => relation.short(),
        _ => node.display_name(),
    }
}

/// The kind of a node for messages: `table model`, `seed`, `test`.
fn what(node: &Node) -> String {
    match node.resource_type() {
        ResourceType::Model => format!("{} model", node.materialized()),
        other => other.as_str().replace('_', " "),
    }
}
