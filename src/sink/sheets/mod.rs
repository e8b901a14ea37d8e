//! Writes to Google Sheets with its API (version 4).
//!
//! In: a table, a spreadsheet and a tab in it. Out: the tab with the table's rows. `batchUpdate`
//! applies all of its requests or none, so a single batch makes all visible changes. For a small
//! table it contains the cells; for a large one it copies them from a hidden tab that was filled
//! before. The batch also writes a note (developer metadata) with the run and the write, by which a
//! write whose response was lost is recognized.
//!
//! `auth` finds credentials, `client` sends requests and retries them, `cells` converts values,
//! `requests` builds the parts of a batch, `sheet` decides what goes where, `write` puts it all in
//! order. Must not know: databases, nodes.

mod auth;
mod cells;
mod client;
mod errors;
mod requests;
mod rows;
mod sheet;
mod write;

pub(crate) use client::RequestPace;

use super::{SinkError, SinkJob, SinkTable, WrittenRows};
use crate::config::SheetTarget;

/// Writes a table to a sheet, on an async runtime of its own.
pub(crate) fn write_sheet(
    target: &SheetTarget,
    table: &SinkTable,
    job: &SinkJob<'_>,
) -> Result<WrittenRows, SinkError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| SinkError::new(format!("no thread for the requests: {e}")))?;
    runtime.block_on(async {
        let client = client::Client::connect(target, job).await?;
        write::write_table(&client, target, table, job).await
    })
}
