//! Runs a plan.
//!
//! In: a `Plan`, a `Compiler`, a connection. Out: events as they happen, and a `RunResult` for each
//! node. One loop owns queue, counters, cancellation and the relation cache; workers own a
//! connection each, never print and never touch shared state. Must not know: how events are shown.

mod audit;
#[cfg(test)]
mod batch_tests;
mod batches;
mod build;
mod clone;
mod comment;
mod custom;
mod events;
mod executed;
mod export;
mod failure;
mod freshness;
mod function;
mod fused;
mod hooks;
mod input_columns;
mod node;
mod publish;
mod queue;
mod seed;
mod steps;
#[cfg(test)]
mod stopping_tests;
mod test;
#[cfg(test)]
mod testing;
mod unit_test;
mod unnamed;
mod worker;

pub(crate) use batches::{BatchProgress, EndedBatch, find_batches};
pub(crate) use events::{
    Event, NodeVerdict, ShowRowsError, SkippedStale, SkippedStaleReason, StatusTotals,
};
pub(crate) use executed::ExecutedSql;
pub(crate) use export::export_target;
pub(crate) use freshness::{FreshnessRequest, check_sources};
pub(crate) use hooks::CancelWatch;
pub(crate) use publish::PublicationState;
pub(crate) use queue::{RunRequest, artifact_path, report_empty_run, run_plan};

use crate::compile::Compiler;
use crate::context::{DatabaseAccess, DeferredRelations, RenderSession, RenderSubject};
use crate::diag::{Diagnostic, WarningOptions};
use crate::engine::{Dialect, EngineError, ExistingRelations, Relation, Warehouse};
use crate::manifest::EventWindow;
use crate::outcome::BatchResults;
use crate::system::System;
use camino::Utf8PathBuf;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions {
    pub(crate) threads: usize,
    pub(crate) fail_fast: bool,
    pub(crate) full_refresh: bool,
    pub(crate) store_failures: bool,
    pub(crate) empty: bool,
    /// The relations of another state that stand for nodes.
    pub(crate) deferred: DeferredRelations,
    /// The relations of another state that are cloned; `None`: nodes are built.
    pub(crate) cloned: Option<DeferredRelations>,
    pub(crate) write_files: bool,
    /// Failed tests skip the descendants of the tested node, as in `build`.
    pub(crate) tests_hold_back: bool,
    /// Which warnings count as errors.
    pub(crate) warnings: WarningOptions,
    /// The indices of steps that are needed only if one of their inputs changes.
    pub(crate) conditional_steps: HashSet<usize>,
    /// The number of a failing test's rows to return for display; 0 for none.
    pub(crate) sample: usize,
    /// After this time, no further steps are started.
    pub(crate) budget: Option<Duration>,
    /// Exports only report what they would do.
    pub(crate) dry_run: bool,
    /// The event times to which `--sample` filters what is read.
    pub(crate) sampled: Option<EventWindow>,
    pub(crate) batches: BatchOptions,
}

/// Which batches of microbatch models a run builds.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchOptions {
    /// The event times of the command line; `None`: up to `now`.
    pub(crate) window: Option<EventWindow>,
    /// When the run began, or that of the run that is retried.
    pub(crate) now: jiff::Timestamp,
    /// What became of the batches in the run that is retried, by unique id.
    pub(crate) retried: Arc<HashMap<String, BatchResults>>,
}

/// The state that all workers share.
pub(crate) struct RunContext {
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) options: RunOptions,
    pub(crate) system: Arc<dyn System>,
    pub(crate) target_path: Utf8PathBuf,
    /// Set when the user interrupts the run.
    pub(crate) cancel: CancelToken,
    /// Set when no further work is begun, because something failed with `--fail-fast`.
    pub(crate) stopping: CancelToken,
    /// The keys of the relations that this run builds.
    pub(crate) builds: HashSet<String>,
    /// The keys of the relations that were published so far.
    pub(crate) published: Mutex<HashSet<String>>,
    /// The times of earlier writes to services that limit the rate of writes.
    pub(crate) pace: crate::sink::RequestPace,
    /// Opens a separate in-memory database, with which files are written.
    pub(crate) scratch: fn() -> Result<Box<dyn Warehouse>, EngineError>,
    /// Held while a publication touches other relations: only one runs at a time.
    pub(crate) publishing: Mutex<()>,
    /// `None` if the run does not record publications.
    pub(crate) publication_state: Option<Arc<PublicationState>>,
}

impl RunContext {
    /// A session for a text that is rendered beside the nodes' own, such as a hook.
    fn open_session(
        &self,
        package: &Arc<str>,
        subject: RenderSubject,
        db: DatabaseAccess,
    ) -> Arc<RenderSession> {
        let compiler = &self.compiler;
        let bindings = Arc::new(compiler.bindings(false));
        let runtime = compiler.runtime(&bindings, &Arc::new(ExistingRelations::Unknown));
        RenderSession::execute(&compiler.context, package, subject, runtime, db)
    }

    /// Whether this run will still build a relation.
    fn builds_later(&self, relation: &Relation, dialect: Dialect) -> bool {
        let key = relation.key(dialect);
        self.builds.contains(&key)
            && !self.published.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }
}

/// A failure outside of the steps of a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("nothing was run, since the template of the hook `{0}` failed")]
    HookTemplate(Arc<str>),
    #[error("nothing was run, since the query comment cannot be made: {}", .0.message)]
    QueryComment(Box<Diagnostic>),
}

/// A flag that asks the work to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
