//! Reads a seed's file: its header and column types, and its rows for loading.

use super::failure::internal_error;
use super::node::NodeRun;
use crate::diag::{Code, Diagnostic};
use crate::engine::SeedLoading;
use crate::manifest::Node;
use crate::materialize::{SeedJob, SeedRows, infer_types};
use crate::outcome::NodeError;
use camino::Utf8Path;
use std::io::Read;

/// The number of rows that types are first inferred from if rows are sent as a stream. The others
/// are checked while they are sent.
const FIRST_ROWS: usize = 10_000;

/// Reads a seed's header and infers the types of its columns, streaming: from all rows if the
/// engine reads the file itself, otherwise from the first `FIRST_ROWS`.
pub(super) fn read_seed(run: &NodeRun<'_>) -> Result<SeedJob, NodeError> {
    let node = run.node;
    let root = run.manifest().root_of(&node.package);
    let path = Utf8Path::new(root).join(&*node.original_file_path);
    let Some(config) = node.typed.seed() else {
        return Err(internal_error(&format!("`{}` is no seed", node.name)));
    };
    let Some(delimiter) = config.delimiter else {
        let message = format!("`delimiter` of the seed `{}` is one character, not ``", node.name);
        let place = node.config.entry("delimiter").and_then(|entry| entry.span);
        let d = Diagnostic::error(Code::Materialization, message);
        return Err(NodeError::lasting(d.primary(place.unwrap_or(node.span), "")));
    };
    let input = run.shared.system.open(&path);
    let input = input.map_err(|e| file_error(node, &e.to_string(), None))?;
    let reads_files = run.engine().capabilities.seed_loading == SeedLoading::File;
    let limit = (!reads_files).then_some(FIRST_ROWS);
    let inferred =
        infer_types(input, delimiter, &|column| config.column_types.get(column).cloned(), limit);
    let (found, complete) = inferred.map_err(|e| file_error(node, &e.message, Some(e.line)))?;
    // The engine's CSV reader drops the offsets of such timestamps, as it does for dbt.
    let with_offsets = if reads_files { found.with_offsets() } else { Vec::new() };
    Ok(SeedJob {
        path: path.into_string(),
        file: node.original_file_path.to_string(),
        offsets_dropped: with_offsets.into_iter().map(str::to_owned).collect(),
        columns: found.columns(run.engine()),
        rows: complete.then(|| found.rows()),
        provisional: (!complete).then_some(found),
        delimiter: char::from(delimiter).to_string(),
        quote_columns: config.quotes_columns,
    })
}

/// An error in the file, with its line if that is known.
fn file_error(node: &Node, message: &str, line: Option<u64>) -> NodeError {
    let line = line.map(|line| format!("{line}: ")).unwrap_or_else(|| " ".to_owned());
    let message = format!("{}:{line}{message}", node.original_file_path);
    let d = Diagnostic::error(Code::SeedData, message);
    NodeError::lasting(d.help("mend the file; the published relation is as it was"))
}

/// Opens the rows of a seed, from the first one.
pub(super) fn open_rows(
    run: &NodeRun<'_>,
    seed: &SeedJob,
) -> Result<SeedRows<Box<dyn Read + Send>>, NodeError> {
    let input = run.shared.system.open(seed.path.as_str().into());
    let input = input.map_err(|e| {
        let message = format!("{}: {e}", run.node.original_file_path);
        NodeError::lasting(Diagnostic::error(Code::SeedData, message))
    })?;
    let delimiter = seed.delimiter.bytes().next().unwrap_or(b',');
    Ok(SeedRows::new(input, delimiter, &seed.columns, run.engine(), seed.provisional.clone()))
}

/// A warning for each column of a seed whose timestamps lose their offsets.
pub(super) fn offset_warnings(node: &Node, seed: &SeedJob) -> Vec<Diagnostic> {
    seed.offsets_dropped.iter().map(|column| offset_warning(node, seed, column)).collect()
}

fn offset_warning(node: &Node, seed: &SeedJob, column: &str) -> Diagnostic {
    let message = format!("{}: the offsets from UTC in `{column}` are dropped", seed.file);
    let d = Diagnostic::warning(Code::SeedData, message).primary(node.span, "");
    d.help(format!(
        "write the times in UTC, or give the column a type: \
         column_types: {{{column}: timestamptz}}"
    ))
}
