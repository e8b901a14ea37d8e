//! The outcomes of nodes.
//!
//! In: what a worker observed. Out: results for artifacts and consoles, the fingerprint that a
//! publication records, the changes that it made. Must not know: drivers, how a node is built, who
//! reads.

mod batches;
mod compared_rows;
mod failure;
mod freshness;
mod publication;
mod result;
mod row_diff;

pub(crate) use batches::BatchResults;
pub(crate) use compared_rows::{DifferingRow, RowDiff};
pub(crate) use failure::NodeError;
pub(crate) use freshness::{FreshnessMeasurement, SourceFreshness};
pub(crate) use publication::{
    PublicationEffect, PublicationFingerprint, StoredRelation, column_pairs,
};
pub(crate) use result::{NodeOutcome, RunResult, RunStatus, SkipReason, Timing};
pub(crate) use row_diff::describe_difference;
