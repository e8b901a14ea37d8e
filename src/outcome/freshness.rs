//! The freshness of a source.

use super::RunResult;
use crate::manifest::{FreshnessStatus, FreshnessThreshold};
use jiff::Timestamp;

/// A measured load time and its evaluation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FreshnessMeasurement {
    pub(crate) max_loaded_at: Timestamp,
    pub(crate) snapshotted_at: Timestamp,
    /// Seconds from `max_loaded_at` to `snapshotted_at`.
    pub(crate) age: f64,
    pub(crate) status: FreshnessStatus,
}

/// A source's entry in `sources.json`.
#[derive(Clone, Debug)]
pub(crate) struct SourceFreshness {
    pub(crate) criteria: FreshnessThreshold,
    /// `None` if it could not be measured; `result` has the reason.
    pub(crate) measured: Option<FreshnessMeasurement>,
    pub(crate) result: RunResult,
}
