//! Everything that can be observed of a run. Events own their data.

use super::{BatchProgress, ExecutedSql};
use crate::changes::Verdict;
use crate::context::LogLine;
use crate::diag::Diagnostic;
use crate::manifest::{Node, ResourceType, UniqueId};
use crate::outcome::{RunResult, RunStatus};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of results by status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StatusTotals {
    counts: BTreeMap<&'static str, usize>,
}

impl StatusTotals {
    pub(crate) fn add(&mut self, status: RunStatus) {
        *self.counts.entry(status.as_str()).or_default() += 1;
    }

    pub(crate) fn get(&self, status: RunStatus) -> usize {
        self.counts.get(status.as_str()).copied().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> + '_ {
        self.counts.iter().map(|(k, v)| (*k, *v))
    }
}

/// The verdict on a node before a run.
#[derive(Clone, Debug)]
pub(crate) struct NodeVerdict {
    pub(crate) unique_id: UniqueId,
    pub(crate) kind: ResourceType,
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
}

/// A stale node that is not built now.
#[derive(Clone, Debug)]
pub(crate) struct SkippedStale {
    pub(crate) unique_id: String,
    pub(crate) name: String,
    /// Why the node is stale.
    pub(crate) verdict: Verdict,
    pub(crate) why: SkippedStaleReason,
}

/// Why a stale node is not built now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SkippedStaleReason {
    #[error("it failed, and nothing has changed for it since")]
    FailedBefore,
    #[error("it reads something that is left")]
    ReadsSkipped,
    #[error("beyond --depth")]
    TooDeep,
}

/// Why the first rows of a relation cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShowRowsError {
    #[error("`{0}` is not stored")]
    NotStored(String),
    #[error("{0}")]
    Engine(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    VerdictsReached {
        nodes: Vec<NodeVerdict>,
    },
    RunStarted {
        steps: usize,
        tests: usize,
        threads: usize,
    },
    FreshnessStarted {
        sources: usize,
        threads: usize,
    },
    SchemaCreated {
        name: String,
    },
    NodeStarted {
        node: Arc<Node>,
        /// How many have been started, with this one.
        index: usize,
        total: usize,
        unique_id: UniqueId,
        kind: ResourceType,
        name: String,
        what: String,
    },
    /// A node waits for another run or step; with `text: None` it goes on.
    NodeWaiting {
        unique_id: UniqueId,
        kind: ResourceType,
        name: String,
        what: String,
        text: Option<String>,
    },
    /// A batch of a running node has begun or ended.
    BatchChanged {
        unique_id: UniqueId,
        kind: ResourceType,
        name: String,
        what: String,
        progress: BatchProgress,
    },
    /// The statements that were executed for a node that has ended.
    Executed {
        node: Arc<Node>,
        sql: ExecutedSql,
    },
    NodeFinished {
        node: Arc<Node>,
        name: String,
        kind: ResourceType,
        what: String,
        result: Box<RunResult>,
        index: usize,
        total: usize,
        guarded: bool,
    },
    Log {
        line: LogLine,
    },
    Warning {
        diagnostic: Diagnostic,
    },
    Interrupted,
    RunFinished {
        totals: StatusTotals,
        seconds: f64,
    },
}
