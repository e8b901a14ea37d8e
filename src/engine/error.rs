//! What a database complains of.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineErrorKind {
    /// The SQL was rejected before it ran.
    Sql,
    /// It failed while it ran.
    Runtime,
    Connection,
    /// Another process holds what is needed.
    Locked,
    /// Two transactions got in each other's way: a deadlock, a serialization failure.
    Conflict,
    Cancelled,
    /// The target asks for what the tool does not have.
    Unsupported,
}

/// A database's complaint, with the byte range of the statement where it gives one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct EngineError {
    pub(crate) kind: EngineErrorKind,
    pub(crate) message: String,
    pub(crate) position: Option<(usize, usize)>,
    pub(crate) hint: Option<String>,
    /// The engine's own code: a SQLSTATE.
    pub(crate) code: Option<String>,
    /// The statement names a relation or a schema that is not there.
    pub(crate) names_missing: bool,
}

impl EngineError {
    /// Credentials in what a driver says are masked.
    pub(crate) fn new(kind: EngineErrorKind, message: impl Into<String>) -> EngineError {
        let message = crate::secret::mask_credentials(&message.into()).into_owned();
        EngineError { kind, message, position: None, hint: None, code: None, names_missing: false }
    }

    /// What the tool or the engine cannot do.
    pub(crate) fn unsupported(message: impl Into<String>) -> EngineError {
        EngineError::new(EngineErrorKind::Unsupported, message)
    }

    /// Whether trying again later can help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            EngineErrorKind::Connection | EngineErrorKind::Locked | EngineErrorKind::Conflict
        )
    }
}
