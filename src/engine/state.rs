//! The state of a database, as far as it can be observed without opening it.

use crate::hash::Fingerprint;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// The state of a database's files. If two states are equal, nothing was written in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatabaseState(pub(crate) Vec<FileState>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState {
    pub(crate) path: Utf8PathBuf,
    /// The file's inode number, size and times.
    pub(crate) stamp: String,
    /// A fingerprint of the file's first bytes, which change with each write of the database.
    pub(crate) head: Fingerprint,
}
