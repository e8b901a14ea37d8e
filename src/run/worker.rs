//! A worker: a thread that runs one step at a time.

use super::RunContext;
use super::batches::BatchProgress;
use super::build::{BuildResult, BuildTask, build_node};
use super::comment::make_comment;
use super::export::run_export;
use super::failure::database_error;
use super::node::NodeRun;
use super::test::{TestRun, run_test};
use super::unit_test::run_unit_test;
use crate::context::internal_diagnostic;
use crate::engine::{Connection, ExistingRelations, Lease, Pool};
use crate::manifest::{Node, NodeId, NodeKind};
use crate::outcome::NodeOutcome;
use crate::plan::Action;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::Scope;

/// The stack size of workers, in bytes: deep macro recursion needs room.
pub(super) const STACK: usize = 16 << 20;

/// Measures wall-clock time.
#[derive(Debug)]
pub(super) struct Clock(std::time::Instant);

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "durations are measured here and nowhere else in the run"
    )]
    pub(super) fn start() -> Clock {
        Clock(std::time::Instant::now())
    }

    pub(super) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// A step to run. `existing` has the relations under the names that the build of its node uses.
pub(super) struct StepTask {
    pub(super) step: usize,
    pub(super) node: NodeId,
    pub(super) action: Action,
    pub(super) guards: Vec<NodeId>,
    pub(super) existing: Arc<ExistingRelations>,
}

/// A worker's message about its step.
pub(super) enum WorkerMessage {
    Waiting { step: usize, text: Option<String> },
    Batch { step: usize, progress: BatchProgress },
    Done(Box<StepDone>),
}

/// A thread that runs one task after the other.
struct Worker {
    shared: Arc<RunContext>,
    pool: Arc<Pool>,
    number: usize,
    tasks: Receiver<StepTask>,
    said: Sender<WorkerMessage>,
}

impl Worker {
    fn run(self) {
        for task in &self.tasks {
            let news = StepNews {
                waiting: &|text| self.tell_waiting(task.step, text),
                batch: &|progress| self.tell_batch(task.step, progress),
            };
            let done = carry_out(&self.shared, &self.pool, self.number, &task, &news);
            if self.said.send(WorkerMessage::Done(Box::new(done))).is_err() {
                break;
            }
        }
    }

    fn tell_waiting(&self, step: usize, text: Option<&str>) {
        let _ = self.said.send(WorkerMessage::Waiting { step, text: text.map(str::to_owned) });
    }

    fn tell_batch(&self, step: usize, progress: BatchProgress) {
        let _ = self.said.send(WorkerMessage::Batch { step, progress });
    }
}

/// What is told of a step while it runs.
struct StepNews<'a> {
    /// It waits for something; `None`: it goes on.
    waiting: &'a dyn Fn(Option<&str>),
    batch: &'a (dyn Fn(BatchProgress) + Sync),
}

/// Starts worker threads, possibly fewer than asked for if the system refuses. Returns the queue of
/// each; dropping a queue ends its thread.
pub(super) fn start_workers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    threads: usize,
    shared: &Arc<RunContext>,
    pool: &Arc<Pool>,
    said: &Sender<WorkerMessage>,
) -> Vec<Sender<StepTask>> {
    let mut queues = Vec::with_capacity(threads);
    for number in 0..threads {
        let (queue, tasks) = unbounded::<StepTask>();
        queues.push(queue);
        let (shared, pool, said) = (shared.clone(), pool.clone(), said.clone());
        let worker = Worker { shared, pool, number, tasks, said };
        let spawned = std::thread::Builder::new()
            .name(format!("Thread-{}", number + 1))
            .stack_size(STACK)
            .spawn_scoped(scope, move || worker.run());
        if spawned.is_err() {
            break;
        }
    }
    queues
}

pub(super) struct StepDone {
    pub(super) worker: usize,
    pub(super) step: usize,
    pub(super) built: BuildResult,
    pub(super) started: jiff::Timestamp,
    pub(super) seconds: f64,
}

/// Runs a task on a connection from the pool. A panic fails the node, not the run.
fn carry_out(
    shared: &RunContext,
    pool: &Arc<Pool>,
    worker: usize,
    task: &StepTask,
    news: &StepNews<'_>,
) -> StepDone {
    let started = shared.system.now();
    let clock = Clock::start();
    let built = match task.action {
        Action::NoOp => BuildResult::plain(NodeOutcome::no_op()),
        _ => match pool.lease() {
            Ok(lease) => carry_out_on(shared, pool, task, lease, news),
            Err(e) => {
                let e = database_error(&e, shared.compiler.manifest.node(task.node));
                BuildResult::plain(NodeOutcome::error(*e.diagnostic, e.transient))
            }
        },
    };
    StepDone { worker, step: task.step, built, started, seconds: clock.seconds() }
}

fn carry_out_on(
    shared: &RunContext,
    pool: &Arc<Pool>,
    task: &StepTask,
    lease: Lease,
    news: &StepNews<'_>,
) -> BuildResult {
    let (node, connection): (&Node, &Connection) =
        (shared.compiler.manifest.node(task.node), &lease);
    let (guards, existing) = (task.guards.as_slice(), &task.existing);
    let comment = match make_comment(shared, node) {
        Ok(comment) => comment,
        Err(e) => return BuildResult::plain(NodeOutcome::error(*e, false)),
    };
    connection.with(|warehouse| warehouse.set_comment(comment.clone()));
    let result = catch_unwind(AssertUnwindSafe(|| match task.action {
        Action::Build => {
            let tell = news.batch;
            let task = BuildTask {
                shared,
                pool,
                node,
                guards,
                existing,
                connection,
                tell,
                comment: &comment,
            };
            let mut built = build_node(&task, news.waiting);
            built.executed.set_comment(comment.clone());
            built
        }
        Action::Test => {
            let bindings = Arc::new(shared.compiler.bindings(false));
            test(&NodeRun { shared, node, bindings: &bindings, existing, connection })
        }
        Action::Export => BuildResult::plain(run_export(shared, node, connection)),
        Action::NoOp => BuildResult::plain(NodeOutcome::no_op()),
    }));
    result.unwrap_or_else(|panic| {
        // The connection may have an open transaction, or a result that is only half read.
        lease.close();
        let message = format!("`{}` made the tool panic: {}", node.name, panic_text(&*panic));
        BuildResult::plain(NodeOutcome::error(internal_diagnostic(message), false))
    })
}

fn test(run: &NodeRun<'_>) -> BuildResult {
    let TestRun { outcome, compiled, .. } = match &run.node.kind {
        NodeKind::UnitTest(unit_test) => run_unit_test(run, unit_test),
        _ => run_test(run, None),
    };
    BuildResult { compiled, ..BuildResult::plain(outcome) }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown".to_owned())
}
