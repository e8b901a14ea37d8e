//! Generates files from the graph: a DAG file for Airflow, diagrams of the data.
//!
//! In: `Manifest`, a `Plan` or a `KeyGraph`, options. Out: `GeneratedFile`s, with the same bytes
//! for the same project. Names and texts of the project are written to each language by its only
//! encoder. Must not know: files on disk, databases, what is done with the files.

pub(crate) mod airflow;
pub(crate) mod erd;

use camino::Utf8PathBuf;

/// A generated file, to be written or to be compared with the existing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GeneratedFile {
    /// Relative to the project's folder.
    pub(crate) path: Utf8PathBuf,
    pub(crate) content: String,
}
