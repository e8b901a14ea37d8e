//! Why a use case could not be carried out.

use crate::diag::Diagnostic;
use crate::workspace::WorkspaceError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpsError {
    #[error(transparent)]
    Workspace(WorkspaceError),
    /// What was asked for cannot be; the hints say the next action.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// The project is not the one that the scheduler's file was made of.
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

    /// What is wrong with the project, where that is why: it has places and was not told yet.
    pub(crate) fn diagnostics(&self) -> Option<&[Diagnostic]> {
        match self {
            OpsError::Workspace(WorkspaceError::Diagnostics(list)) => Some(list),
            _ => None,
        }
    }

    /// What to do next.
    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            OpsError::Workspace(e) => e.hints(),
            OpsError::Usage { hints, .. } => hints.clone(),
            OpsError::Drift { .. } => {
                vec!["write the file again and deploy both: strata export airflow".to_owned()]
            }
        }
    }

    /// Whether the same may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, OpsError::Workspace(WorkspaceError::Engine(e)) if e.is_transient())
    }
}
