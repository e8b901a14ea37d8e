//! Errors of databases.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineErrorKind {
    /// The SQL was rejected before it ran.
    Sql,
    /// The statement failed while it ran.
    Runtime,
    Connection,
    /// Another process holds a lock.
    Locked,
    /// A deadlock or a serialization failure between two transactions.
    Conflict,
    Cancelled,
    /// The engine or Strata does not support the operation.
    Unsupported,
}

/// An error of a database. `position` is the offset and the length of its place in the statement,
/// in bytes, if the engine reports one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct EngineError {
    pub(crate) kind: EngineErrorKind,
    pub(crate) message: String,
    pub(crate) position: Option<(usize, usize)>,
    pub(crate) hint: Option<String>,
    /// The engine's own code, such as a SQLSTATE.
    pub(crate) code: Option<String>,
    /// The statement names a relation or schema that does not exist.
    pub(crate) names_missing: bool,
}

impl EngineError {
    /// Creates an error; credentials in the message are masked.
    pub(crate) fn new(kind: EngineErrorKind, message: impl Into<String>) -> EngineError {
        let message = crate::secret::mask_credentials(&message.into()).into_owned();
        EngineError { kind, message, position: None, hint: None, code: None, names_missing: false }
    }

    /// The error for an operation that the engine or Strata does not support.
    pub(crate) fn unsupported(message: impl Into<String>) -> EngineError {
        EngineError::new(EngineErrorKind::Unsupported, message)
    }

    /// Whether a later retry can help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            EngineErrorKind::Connection | EngineErrorKind::Locked | EngineErrorKind::Conflict
        )
    }
}
