//! Why a node failed while it was built.

use crate::diag::Diagnostic;

/// A failure of a node: what to tell, and whether a retry can help.
#[derive(Debug)]
pub(crate) struct NodeError {
    pub(crate) diagnostic: Box<Diagnostic>,
    /// Trying again later can help.
    pub(crate) transient: bool,
    /// Trying again at once can help: a lost connection, a deadlock.
    pub(crate) again: bool,
}

impl NodeError {
    /// A mistake that stays one.
    pub(crate) fn lasting(diagnostic: Diagnostic) -> NodeError {
        Box::new(diagnostic).into()
    }
}

impl From<Box<Diagnostic>> for NodeError {
    fn from(diagnostic: Box<Diagnostic>) -> NodeError {
        NodeError { diagnostic, transient: false, again: false }
    }
}
