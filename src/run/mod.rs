//! Carries out a plan.
//!
//! In: a `Plan`, a `Compiler`, a connection. Out: events as they happen, and a `RunResult` for each
//! node. One loop owns queue, counters, cancellation and the relation cache; workers own a
//! connection each, never print and never touch shared state. Must not know: how events are shown.

mod audit;
mod build;
mod custom;
mod events;
mod export;
mod failure;
mod freshness;
mod fused;
mod hooks;
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
mod unnamed;
mod worker;

pub(crate) use events::{Event, Left, LeftReason, NoRows, NodeVerdict, Totals};
pub(crate) use export::export_target;
pub(crate) use freshness::{FreshnessRequest, check_sources};
pub(crate) use hooks::Watch;
pub(crate) use publish::Notes;
pub(crate) use queue::{RunRequest, artifact_path, run_nothing, run_plan};

use crate::compile::Compiler;
use crate::diag::WarningOptions;
use crate::engine::{Dialect, EngineError, Relation, Warehouse};
use crate::system::System;
use camino::Utf8PathBuf;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a plan is carried out.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOptions {
    pub(crate) threads: usize,
    pub(crate) fail_fast: bool,
    pub(crate) full_refresh: bool,
    pub(crate) store_failures: bool,
    pub(crate) empty: bool,
    pub(crate) write_files: bool,
    /// Failed tests skip what is below them, as in `build`.
    pub(crate) tests_hold_back: bool,
    /// Which warnings are failures.
    pub(crate) warnings: WarningOptions,
    /// Steps that are needed only when something that they read has changed, by number.
    pub(crate) maybe: HashSet<usize>,
    /// How many rows of a failing test are kept to be shown.
    pub(crate) sample: usize,
    /// Steps that have not begun by then are left.
    pub(crate) budget: Option<Duration>,
    /// Exports only say what they would do.
    pub(crate) dry_run: bool,
}

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) options: RunOptions,
    pub(crate) system: Arc<dyn System>,
    pub(crate) target_path: Utf8PathBuf,
    /// Set when the user asks to stop.
    pub(crate) cancel: CancelToken,
    /// Keys of the relations that this run builds.
    pub(crate) builds: HashSet<String>,
    /// Those of them that are published by now.
    pub(crate) published: Mutex<HashSet<String>>,
    /// When exports wrote to a service that counts writes.
    pub(crate) pace: crate::sink::Pace,
    /// Opens a database of its own in memory, to make files with.
    pub(crate) scratch: fn() -> Result<Box<dyn Warehouse>, EngineError>,
    /// Swaps are done one after the other.
    pub(crate) publishing: Mutex<()>,
    /// Where publications are noted, if they are.
    pub(crate) notes: Option<Arc<Notes>>,
}

impl Shared {
    /// Whether the run has still to build a relation.
    fn builds_later(&self, relation: &Relation, dialect: Dialect) -> bool {
        let key = relation.key(dialect);
        self.builds.contains(&key)
            && !self.published.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }
}

/// Set when somebody asks to stop; each copy is the same token.
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
