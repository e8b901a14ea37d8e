//! The batch that a render of a microbatch model builds.

use super::datetime::from_utc;
use crate::jinja::dict;
use crate::manifest::{BatchSize, EventWindow};
use minijinja::value::Value;

/// A batch of a microbatch model, and its place among the batches of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BatchContext {
    pub(crate) window: EventWindow,
    pub(crate) size: BatchSize,
    /// Pre-hooks run with the first batch, post-hooks with the last one.
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
    /// Whether the batch is applied to the table that is there, even on a full refresh.
    pub(crate) is_incremental: bool,
}

/// The config keys under which dbt's templates find the times of the batch, too.
const START_KEY: &str = "__dbt_internal_microbatch_event_time_start";
const END_KEY: &str = "__dbt_internal_microbatch_event_time_end";

impl BatchContext {
    /// The name of the batch in messages and files: `2024-01-31`.
    pub(crate) fn name(&self) -> String {
        self.size.name_of(self.window.start)
    }

    /// `model.batch`.
    pub(super) fn value(&self) -> Value {
        dict([
            (Value::from("id"), Value::from(self.size.id_of(self.window.start))),
            (Value::from("event_time_start"), from_utc(self.window.start)),
            (Value::from("event_time_end"), from_utc(self.window.end)),
        ])
    }

    /// The keys that are added to the node's config.
    pub(super) fn config_keys(&self) -> [(&'static str, Value); 2] {
        [(START_KEY, from_utc(self.window.start)), (END_KEY, from_utc(self.window.end))]
    }
}
