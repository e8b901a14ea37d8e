//! What a command will do, as data: steps with their order, what each test guards, and why.
//!
//! In: `Manifest`, the selected `NodeSet`, `Existing`, the verb. Out: `Plan`. No side effects:
//! `strata plan`, the run and exports read this same value. Must not know: SQL, connections,
//! output.

mod edges;
mod guards;
mod law;
mod levels;
mod steps;
#[cfg(test)]
mod testing;

pub(crate) use guards::stored_reads;
pub(crate) use steps::{Action, PlanRequest, StartOrder, Verb, plan_steps};

use crate::manifest::NodeId;

/// A number within one plan.
pub(crate) type StepId = usize;

/// What is done with one node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) node: NodeId,
    pub(crate) action: Action,
    /// Tests that are run on the candidate before it is published.
    pub(crate) guards: Vec<NodeId>,
    /// Steps whose failure skips this one.
    pub(crate) parents: Vec<StepId>,
    /// Steps that only come first.
    pub(crate) after: Vec<StepId>,
    /// Of the steps that are ready, the one with the smallest turn begins.
    pub(crate) turn: usize,
    pub(crate) reason: String,
}

/// Ordered steps: a step's parents and predecessors have smaller numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Schemas to create first: (database, schema).
    pub(crate) schemas: Vec<(String, String)>,
    /// Tests that run after publication though the command audits, with the reason.
    pub(crate) unguarded: Vec<(NodeId, String)>,
    /// What somebody who wonders about the order should know of a node.
    pub(crate) notes: Vec<(NodeId, String)>,
    pub(crate) order: StartOrder,
}
