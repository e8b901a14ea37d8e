//! Writes published relations to the targets of exports: files and Google Sheets.
//!
//! In: the rows of a relation, a rendered target. Out: `WrittenRows`, or a `SinkError` that says
//! what to do. Readers of the target see the old or the new content, never a part of it. Must not
//! know: nodes, plans, output; which database the rows are from.

mod files;
mod parquet;
mod sheets;

pub(crate) use files::{output_path, write_file};
pub(crate) use parquet::write_parquet;
pub(crate) use sheets::{RequestPace, write_sheet};

use crate::engine::{Cell, SqlType};
use crate::system::{System, SystemError};
use camino::Utf8Path;

/// A column of an export.
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

/// The settings of one export that do not depend on its target.
pub(crate) struct SinkJob<'a> {
    pub(crate) export_name: &'a str,
    /// An id that all attempts of one run share, so that rows are not appended twice.
    pub(crate) run_id: &'a str,
    /// Only report what would change.
    pub(crate) dry_run: bool,
    pub(crate) system: &'a dyn System,
    pub(crate) project: &'a Utf8Path,
    pub(crate) target_path: &'a Utf8Path,
    /// Whether the user has interrupted the run.
    pub(crate) is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// Shared by all exports of the process, because the service limits the writes per user.
    pub(crate) pace: &'a RequestPace,
}

/// What was written, or would be in a dry run.
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
    /// Whether a retry can help.
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

/// A number with its noun: `1 row`, `2 rows`.
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
