//! The outcomes of nodes.
//!
//! In: what a worker observed. Out: results for artifacts and consoles, the fingerprint that a
//! publication records, the changes that it made. Must not know: drivers, how a node is built, who
//! reads.

mod failure;
mod freshness;
mod publication;
mod result;
mod row_diff;

pub(crate) use failure::NodeError;
pub(crate) use freshness::{FreshnessMeasurement, SourceFreshness};
pub(crate) use publication::{
    PublicationEffect, PublicationFingerprint, StoredRelation, column_pairs,
};
pub(crate) use result::{NodeOutcome, RunResult, RunStatus, SkipReason, Timing};
#[cfg_attr(
    not(test),
    expect(unused_imports, reason = "for unit tests, which are not run yet")
)]
pub(crate) use row_diff::describe_difference;
