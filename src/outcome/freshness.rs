//! How old the data of a source was found to be.

use super::RunResult;
use crate::manifest::{FreshnessStatus, Threshold};
use jiff::Timestamp;

/// What the database answered, and what that means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) max_loaded_at: Timestamp,
    pub(crate) snapshotted_at: Timestamp,
    /// Seconds from the one to the other.
    pub(crate) age: f64,
    pub(crate) status: FreshnessStatus,
}

/// A source's line in `sources.json`.
#[derive(Clone, Debug)]
pub(crate) struct SourceFreshness {
    pub(crate) criteria: Threshold,
    /// None: it could not be measured, and the result says why.
    pub(crate) measured: Option<Measured>,
    pub(crate) result: RunResult,
}
