//! The errors of use cases.

use crate::diag::Diagnostic;
use crate::workspace::WorkspaceError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpsError {
    #[error(transparent)]
    Workspace(WorkspaceError),
    /// The request cannot be carried out; the hints name the next action.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// The project differs from the one that the scheduler's file was made from.
    #[error("the project no longer matches the file that runs it: {}", changes.join("; "))]
    Drift { changes: Vec<String> },
}

impl<E: Into<WorkspaceError>> From<E> for OpsError {
    fn from(e: E) -> OpsError {
        OpsError::Workspace(e.into())
    }
}

impl OpsError {
    pub(crate) fn usage(message: impl Into<String>) -> OpsError {
        OpsError::Usage { message: message.into(), hints: Vec::new() }
    }

    pub(crate) fn usage_with_hint(message: impl Into<String>, hint: impl Into<String>) -> OpsError {
        OpsError::Usage { message: message.into(), hints: vec![hint.into()] }
    }

    /// The diagnostics that caused this error, if any. They have not been reported yet.
    pub(crate) fn diagnostics(&self) -> Option<&[Diagnostic]> {
        match self {
            OpsError::Workspace(WorkspaceError::Diagnostics(list)) => Some(list),
            _ => None,
        }
    }

    /// The suggested next actions.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            OpsError::Workspace(e) => e.hints(),
            OpsError::Usage { hints, .. } => hints.clone(),
            OpsError::Drift { .. } => {
                vec!["write the file again and deploy both: strata export airflow".to_owned()]
            }
        }
    }

    /// Whether a retry a little later may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, OpsError::Workspace(WorkspaceError::Engine(e)) if e.is_transient())
    }
}
