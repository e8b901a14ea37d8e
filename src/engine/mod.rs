//! What passes and effects say to each other about databases: data and traits, no driver.
//!
//! In: names, SQL, what a database holds. Out: `Relation`s and `Dialect`s, `Warehouse`, the trait
//! that an adapter implements, with its replies and errors; what exists. Must not know: any driver,
//! nodes, how one is built, what became of it.

mod abilities;
mod beside;
mod cell;
mod dialect;
mod error;
mod existing;
mod relation;
mod reply;
mod state;
mod warehouse;

pub(crate) use abilities::Capabilities;
pub(crate) use beside::{candidate_name, is_beside, own_names, rejected_name};
pub(crate) use cell::{Cell, Table};
pub(crate) use dialect::Dialect;
pub(crate) use error::{EngineError, EngineErrorKind};
pub(crate) use existing::{Content, Existing, ExistingColumn, ExistingRelation, schema_key};
pub(crate) use relation::{Relation, RelationKind};
pub(crate) use reply::{Fetch, Reply};
pub(crate) use state::{DatabaseState, FileState};
pub(crate) use warehouse::{Cancel, Change, Opener, Patience, Swap, Warehouse};
