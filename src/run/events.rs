//! Everything that can be observed of a run. Events own their data.

use crate::context::LogLine;
use crate::diag::Diagnostic;
use crate::manifest::{ResourceType, UniqueId};
use crate::outcome::{RunResult, RunStatus};
use std::collections::BTreeMap;

/// How many nodes ended how.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    counts: BTreeMap<&'static str, usize>,
}

impl Totals {
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

/// What is thought of a node before a run: `build`, `maybe` or `same`, and why.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) unique_id: UniqueId,
    pub(crate) kind: ResourceType,
    pub(crate) name: String,
    pub(crate) verdict: &'static str,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

impl Judged {
    pub(crate) fn same(unique_id: UniqueId, kind: ResourceType, name: String) -> Judged {
        Judged {
            unique_id,
            kind,
            name,
            verdict: "same",
            code: "same",
            reason: "unchanged".to_owned(),
        }
    }
}

/// A node that is stale and is not built now.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) unique_id: String,
    pub(crate) name: String,
    /// Why it is stale, and why it is left.
    pub(crate) reason: String,
    pub(crate) why: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Judged {
        nodes: Vec<Judged>,
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
        unique_id: UniqueId,
        kind: ResourceType,
        name: String,
        what: String,
    },
    /// A node waits for what another run does; without a text it goes on.
    NodeWaiting {
        unique_id: UniqueId,
        kind: ResourceType,
        name: String,
        what: String,
        text: Option<String>,
    },
    NodeFinished {
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
        totals: Totals,
        seconds: f64,
    },
}
