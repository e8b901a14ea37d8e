//! The errors of the workspace.

use crate::diag::Diagnostic;
use crate::engine::{EngineError, EngineErrorKind};
use crate::run::RunError;
use crate::system::SystemError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The project or the request is wrong. The diagnostics were not reported yet.
    #[error("the project has errors")]
    Diagnostics(Vec<Diagnostic>),
    #[error("stopped: this warning is an error here (--warn-error, --warn-error-options)")]
    Promoted,
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    Run(RunError),
}

impl WorkspaceError {
    /// Suggestions for what the user can do next.
    pub(crate) fn hints(&self) -> Vec<String> {
        let WorkspaceError::Engine(e) = self else { return Vec::new() };
        let mut hints: Vec<String> = e.hint.iter().cloned().collect();
        if e.kind == EngineErrorKind::Connection {
            hints.push("`strata debug` checks the connection step by step".to_owned());
        }
        hints
    }
}

impl From<RunError> for WorkspaceError {
    fn from(e: RunError) -> WorkspaceError {
        match e {
            RunError::Engine(e) => WorkspaceError::Engine(e),
            RunError::QueryComment(d) => WorkspaceError::Diagnostics(vec![*d]),
            other => WorkspaceError::Run(other),
        }
    }
}

impl From<Diagnostic> for WorkspaceError {
    fn from(d: Diagnostic) -> WorkspaceError {
        WorkspaceError::Diagnostics(vec![d])
    }
}
