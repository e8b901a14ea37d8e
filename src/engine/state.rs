//! Whether a database is as it was, as far as that can be told from outside.

use crate::hash::Fingerprint;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// A database's files. Two states that are equal hold the same: nothing was written between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseState(pub(crate) Vec<FileState>);

/// A file of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    pub(crate) path: Utf8PathBuf,
    /// What the system knows it by: its number, size and times.
    pub(crate) stamp: String,
    /// A fingerprint of its head, which each write of the database changes.
    pub(crate) head: Fingerprint,
}
