//! What is known about the data without reading it.
//!
//! In: `Manifest`. Out: `KeyGraph`: which columns identify a row, and which refer to another table.
//! Must not know: databases, output. Columns, types and lineage of compiled SQL will be here, too.

mod keys;

pub(crate) use keys::{KeyGraph, KeyOrigin, TableKey, build_key_graph};
