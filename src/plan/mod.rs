//! Plans a command as data: steps with their order, the tests that guard them, and the reasons.
//!
//! In: `Manifest`, the selected `NodeSet`, `ExistingRelations`, the verb. Out: `Plan`. No side
//! effects: `strata plan`, the run and exports read this same value. Must not know: SQL,
//! connections, output.

mod edges;
mod guards;
mod law;
mod levels;
mod steps;
#[cfg(test)]
mod testing;

pub(crate) use edges::list_test_edges;
pub(crate) use guards::stored_reads;
pub(crate) use steps::{Action, CommandVerb, PlanRequest, StartOrder, plan_steps};

use crate::manifest::NodeId;

/// The index of a step within its plan.
pub(crate) type StepId = usize;

/// The action that a command takes for one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) node: NodeId,
    pub(crate) action: Action,
    /// Tests that run on the candidate before it is published.
    pub(crate) guards: Vec<NodeId>,
    /// Steps whose failure skips this one.
    pub(crate) parents: Vec<StepId>,
    /// Steps that have to finish before this one, whether they succeed or not.
    pub(crate) after: Vec<StepId>,
    /// The position among steps that are ready: the smallest starts first.
    pub(crate) turn: usize,
    pub(crate) reason: String,
}

/// Steps in topological order: a step's `parents` and `after` have smaller indices.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Missing schemas, which are created first, as (database, schema).
    pub(crate) schemas: Vec<(String, String)>,
    /// Tests that run only after publication although the command audits, with the reason.
    pub(crate) unguarded: Vec<(NodeId, String)>,
    /// Remarks about the order, for users who wonder about a node's place in it.
    pub(crate) notes: Vec<(NodeId, String)>,
    pub(crate) order: StartOrder,
}
