//! A worker: a thread with a connection that carries out one step at a time.

use super::Shared;
use super::build::{Built, build};
use super::execute::sql_error;
use super::export::export;
use super::pool::Pool;
use super::test::{TestRun, run_test};
use crate::context::Bindings;
use crate::diag::{Code, Diagnostic};
use crate::engine::Existing;
use crate::manifest::{NodeId, NodeKind};
use crate::outcome::NodeOutcome;
use crate::plan::Action;
use crate::source::SqlText;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Deep macro recursion needs room.
pub(super) const STACK: usize = 16 << 20;

/// Wall time of a step.
#[derive(Debug)]
pub(super) struct Clock(std::time::Instant);

impl Clock {
    #[allow(clippy::disallowed_methods)] // durations are measured here and nowhere else in the run
    pub(super) fn start() -> Clock {
        Clock(std::time::Instant::now())
    }

    pub(super) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// One step, with what exists of its own relation.
pub(super) struct Task {
    pub(super) step: usize,
    pub(super) node: NodeId,
    pub(super) action: Action,
    pub(super) guards: Vec<NodeId>,
    pub(super) existing: Arc<Existing>,
}

/// What a worker says of its step: how it goes on, or how it ended.
pub(super) enum Said {
    Waiting { step: usize, text: Option<String> },
    Done(Box<Done>),
}

/// The end of a step.
pub(super) struct Done {
    pub(super) worker: usize,
    pub(super) step: usize,
    pub(super) built: Built,
    pub(super) started: jiff::Timestamp,
    pub(super) seconds: f64,
}

/// Carries out a task on a connection of the pool. A panic fails the node, not the run.
pub(super) fn carry_out(
    shared: &Shared,
    pool: &Pool,
    worker: usize,
    task: &Task,
    waiting: &dyn Fn(Option<&str>),
) -> Done {
    let started = shared.system.now();
    let clock = Clock::start();
    let mut own = None;
    let lost = |e: crate::engine::EngineError| {
        let e = sql_error(&e, &SqlText::new(), shared.compiler.manifest.node(task.node).span);
        let built = Built::plain(NodeOutcome::error(*e.diagnostic, e.transient));
        Done { worker, step: task.step, built, started, seconds: clock.seconds() }
    };
    if task.action != Action::NoOp {
        match pool.take() {
            Ok(mut connection) => match connection.ready() {
                Ok(()) => own = Some(connection),
                Err(e) => {
                    pool.give(Some(connection));
                    return lost(e);
                }
            },
            Err(e) => return lost(e),
        }
    }
    let warehouse = &mut own;
    let result = catch_unwind(AssertUnwindSafe(|| match task.action {
        Action::Build => {
            build(shared, pool, task.node, &task.guards, &task.existing, warehouse, waiting)
        }
        Action::Test
            if matches!(shared.compiler.manifest.node(task.node).kind, NodeKind::UnitTest(_)) =>
        {
            let node = shared.compiler.manifest.node(task.node);
            let d = Diagnostic::error(
                Code::Unsupported,
                format!("unit test `{}` cannot be run yet", node.name),
            );
            Built::plain(NodeOutcome::error(
                d.primary(node.span, "").help("leave it out: --exclude test_type:unit"),
                false,
            ))
        }
        Action::Test => {
            let bindings = Arc::new(Bindings::default());
            let TestRun { outcome, compiled, .. } =
                run_test(shared, task.node, &bindings, &task.existing, warehouse, None);
            Built { compiled, ..Built::plain(outcome) }
        }
        Action::Export => Built::plain(export(shared, task.node, warehouse)),
        Action::NoOp => Built::plain(NodeOutcome::no_op()),
    }));
    if task.action != Action::NoOp {
        pool.give(own);
    }
    let built = result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".to_owned());
        let name = &shared.compiler.manifest.node(task.node).name;
        Built::plain(NodeOutcome::error(
            crate::context::internal(format!("`{name}` made the tool panic: {text}")),
            false,
        ))
    });
    Done { worker, step: task.step, built, started, seconds: clock.seconds() }
}
