//! Published relations written to where exports say: files, Google Sheets.
//!
//! In: the rows of a relation, a rendered target. Out: `Written`, or a `SinkError` that says what
//! to do. A reader of the target sees the old or the new content, never a part. Must not know:
//! nodes, plans, output; which database the rows are from.

mod files;
mod parquet;
mod sheets;

pub(crate) use files::{path_of, write_file};
pub(crate) use parquet::write_parquet;
pub(crate) use sheets::{Pace, write_sheet};

use crate::engine::{Cell, SqlType};
use crate::system::{System, SystemError};
use camino::Utf8Path;

/// A column as it is exported.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkColumn {
    pub(crate) name: String,
    pub(crate) header: String,
    pub(crate) kind: SqlType,
    /// A number format of Google Sheets.
    pub(crate) format: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SinkTable {
    pub(crate) columns: Vec<SinkColumn>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// What holds for one export, whatever its target.
pub(crate) struct SinkJob<'a> {
    pub(crate) export: &'a str,
    /// The same for each attempt of one run: what was appended is not appended twice.
    pub(crate) run: &'a str,
    /// Only say what would change.
    pub(crate) dry_run: bool,
    pub(crate) system: &'a dyn System,
    pub(crate) project: &'a Utf8Path,
    pub(crate) target_path: &'a Utf8Path,
    /// Whether the user wants to stop.
    pub(crate) stopped: &'a (dyn Fn() -> bool + Sync),
    /// Shared by all exports of the process: a service counts the writes of a user.
    pub(crate) pace: &'a Pace,
}

/// What was written, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WrittenRows {
    pub(crate) message: String,
    pub(crate) rows: usize,
    pub(crate) cells: usize,
    pub(crate) requests: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SinkError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// Another try can help.
    pub(crate) transient: bool,
}

impl SinkError {
    fn new(message: impl Into<String>) -> SinkError {
        SinkError { message: message.into(), help: None, transient: false }
    }

    fn of_file(e: SystemError) -> SinkError {
        SinkError::new(e.to_string())
    }

    fn help(mut self, help: impl Into<String>) -> SinkError {
        self.help = Some(help.into());
        self
    }
}

/// `1 row`, `2 rows`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
