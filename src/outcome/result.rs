//! The result of a node.

use super::{BatchResults, PublicationEffect, RowDiff};
use crate::config::Json;
use crate::diag::Diagnostic;
use crate::engine::Table;
use crate::manifest::{ResourceType, UniqueId};
use crate::source::{Span, SqlText};
use std::sync::Arc;

/// dbt's statuses in `run_results.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Success,
    Error,
    /// Some batches of a model succeeded, and some failed.
    PartialSuccess,
    Skipped,
    NoOp,
    Pass,
    Fail,
    Warn,
}

impl RunStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            RunStatus::Success => "success",
            RunStatus::Error => "error",
            RunStatus::PartialSuccess => "partial success",
            RunStatus::Skipped => "skipped",
            RunStatus::NoOp => "no-op",
            RunStatus::Pass => "pass",
            RunStatus::Fail => "fail",
            RunStatus::Warn => "warn",
        }
    }

    /// The status as artifacts write it for a resource type: a source that is too old has the
    /// status `error`, one that could not be measured `runtime error`.
    pub(crate) fn named(self, kind: ResourceType) -> &'static str {
        match (kind, self) {
            (ResourceType::Source, RunStatus::Fail) => "error",
            (ResourceType::Source, RunStatus::Error) => "runtime error",
            _ => self.as_str(),
        }
    }

    /// Whether a result with this status makes the whole run fail.
    pub(crate) fn is_failure(self) -> bool {
        self.is_bad() || self == RunStatus::Skipped
    }

    /// Whether the node or test itself failed, at least in part.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, RunStatus::Error | RunStatus::PartialSuccess | RunStatus::Fail)
    }
}

/// The times of one phase of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timing {
    pub(crate) name: &'static str,
    pub(crate) started: jiff::Timestamp,
    pub(crate) completed: jiff::Timestamp,
}

impl Timing {
    /// The two phases that artifacts list. Only the whole step is measured, so `compile` has no
    /// duration.
    pub(crate) fn of_step(started: jiff::Timestamp, completed: jiff::Timestamp) -> Vec<Timing> {
        vec![
            Timing { name: "compile", started, completed: started },
            Timing { name: "execute", started, completed },
        ]
    }
}

/// The diagnostic of a failed node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeFailure {
    pub(crate) diagnostic: Diagnostic,
    /// Whether running the node again can help.
    pub(crate) transient: bool,
}

/// Why a node or a test did not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SkipReason {
    #[error("interrupted")]
    Interrupted,
    /// `--fail-fast`.
    #[error("stopped after the first failure")]
    Stopped,
    #[error("an on-run-start hook failed")]
    StartHookFailed,
    #[error("an earlier hook failed")]
    EarlierHookFailed,
    /// `--time-budget`.
    #[error("left: the time is used up")]
    OutOfTime,
    #[error("`{0}` failed or was skipped")]
    ParentFailed(String),
    /// The tested node failed before its tests could run.
    #[error("`{0}` was not built")]
    NotBuilt(String),
    /// A relation that the test reads does not exist.
    #[error("`{0}`, which it reads, was not built")]
    ReadNotBuilt(String),
    #[error("an earlier test ended the transaction")]
    TransactionEnded,
}

/// A worker's report of a node.
#[derive(Clone, Debug)]
pub(crate) struct NodeOutcome {
    pub(crate) status: RunStatus,
    pub(crate) message: Option<String>,
    pub(crate) failures: Option<i64>,
    pub(crate) adapter_response: Json,
    pub(crate) failed: Option<NodeFailure>,
    /// `None` if it was not skipped.
    pub(crate) skipped: Option<SkipReason>,
    /// The span of a test's definition.
    pub(crate) place: Option<Span>,
    pub(crate) compiled: Option<Arc<SqlText>>,
    /// The first failing rows of a test, if the run asks for a sample.
    pub(crate) sample: Option<Arc<Table>>,
    /// The rows in which a unit test's result differs from the expected one.
    pub(crate) row_diff: Option<Arc<RowDiff>>,
    /// The changes that a publication made, if the run compares contents.
    pub(crate) effect: Option<PublicationEffect>,
    /// What became of the batches; `None` for a node without batches.
    pub(crate) batches: Option<BatchResults>,
}

impl NodeOutcome {
    pub(crate) fn new(status: RunStatus) -> NodeOutcome {
        NodeOutcome {
            status,
            message: None,
            failures: None,
            adapter_response: Json::Object(serde_json::Map::new()),
            failed: None,
            skipped: None,
            place: None,
            compiled: None,
            sample: None,
            row_diff: None,
            effect: None,
            batches: None,
        }
    }

    /// The outcome of a node that is only listed: an exposure, a saved query.
    pub(crate) fn no_op() -> NodeOutcome {
        NodeOutcome {
            message: Some("NO-OP".to_owned()),
            failures: Some(0),
            ..NodeOutcome::new(RunStatus::NoOp)
        }
    }

    pub(crate) fn skipped(why: SkipReason) -> NodeOutcome {
        NodeOutcome {
            message: Some(why.to_string()),
            skipped: Some(why),
            ..NodeOutcome::new(RunStatus::Skipped)
        }
    }

    pub(crate) fn error(diagnostic: Diagnostic, transient: bool) -> NodeOutcome {
        NodeOutcome {
            message: Some(diagnostic.message.clone()),
            failed: Some(NodeFailure { diagnostic, transient }),
            ..NodeOutcome::new(RunStatus::Error)
        }
    }
}

/// A node's entry in `run_results.json`.
#[derive(Clone, Debug)]
pub(crate) struct RunResult {
    pub(crate) unique_id: UniqueId,
    pub(crate) outcome: NodeOutcome,
    pub(crate) thread: String,
    pub(crate) seconds: f64,
    pub(crate) timing: Vec<Timing>,
    pub(crate) relation_name: Option<String>,
    /// The node in words, `model a (models/a.sql)`, where it is part of a run.
    pub(crate) title: Option<Arc<str>>,
}

impl RunResult {
    /// The message for `run_results.json`. As in dbt, that of an error begins with its class and the
    /// node, by which readers of the file tell errors apart.
    pub(crate) fn artifact_message(&self) -> Option<String> {
        let message = self.outcome.message.as_deref()?;
        let is_whole = self.outcome.status == RunStatus::Error && self.outcome.batches.is_none();
        let failed = self.outcome.failed.as_ref().filter(|_| is_whole);
        let class = failed.and_then(|f| f.diagnostic.code.dbt_class());
        Some(match class.zip(self.title.as_deref()) {
            Some((class, title)) => {
                format!("{class} in {title}\n  {}", message.replace('\n', "\n  "))
            }
            None => message.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_executed_in_all_of_its_time() {
        let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
        let timing = Timing::of_step(at(1), at(3));
        let phases: Vec<_> = timing.iter().map(|t| (t.name, t.started, t.completed)).collect();
        assert_eq!(phases, [("compile", at(1), at(1)), ("execute", at(1), at(3))]);
    }
}
