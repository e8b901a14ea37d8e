//! What passes and effects say to each other about databases: data and traits, no driver.
//!
//! In: relations and SQL. Out: `Warehouse`, the trait that an adapter implements; statements,
//! replies, results, what exists. Must not know: any driver, how a node is built.

mod existing;
mod freshness;
mod print;
mod result;
mod state;
mod warehouse;

pub(crate) use existing::{Existing, ExistingColumn, ExistingRelation, schema_key};
pub(crate) use freshness::{Measured, SourceFreshness};
pub(crate) use print::{Content, Effect, Print, Stored, column_pairs};
pub(crate) use result::{NodeOutcome, RunResult, RunStatus, Timing};
pub(crate) use state::{DatabaseState, FileState};
pub(crate) use warehouse::{
    Cancel, Capabilities, Cell, Change, EngineError, EngineErrorKind, Fetch, Opener, Patience,
    Reply, Swap, Table, Warehouse,
};
