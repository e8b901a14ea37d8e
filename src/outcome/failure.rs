//! The failure of a node.

use crate::diag::Diagnostic;

/// The failure of a node: its diagnostic, and whether a retry can help.
#[derive(Debug)]
pub(crate) struct NodeError {
    pub(crate) diagnostic: Box<Diagnostic>,
    /// Whether running the node again later can help.
    pub(crate) transient: bool,
    /// Whether an immediate retry can help, as after a lost connection or a deadlock.
    pub(crate) is_retryable_now: bool,
}

impl NodeError {
    /// A failure that a retry cannot fix.
    pub(crate) fn lasting(diagnostic: Diagnostic) -> NodeError {
        Box::new(diagnostic).into()
    }
}

impl From<Box<Diagnostic>> for NodeError {
    fn from(diagnostic: Box<Diagnostic>) -> NodeError {
        NodeError { diagnostic, transient: false, is_retryable_now: false }
    }
}
