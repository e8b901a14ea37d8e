//! Finds out what has changed since the last build, and so what has to be built.
//!
//! In: `Manifest`, a `Compiler` (offline), existing relations, the fingerprints recorded by
//! publications (`outcome::PublicationFingerprint`), versions of sources. Out: a `Verdict` with its
//! reason for each node. A node is stale if its definition, or the version of one of its parents,
//! differs from the one that its publication was made from. Must not know: connections, where
//! fingerprints are stored, how nodes are built.

mod cache;
mod definition;
mod parts;
mod reasons;
#[cfg(test)]
mod testing;

pub(crate) use cache::CompileCache;
pub(crate) use definition::{NodeDefinition, define_nodes};
pub(crate) use reasons::{
    ComparisonInputs, FAILED_BATCHES, Judgement, Verdict, fingerprint_definitions, judge_nodes,
    read_parents, version_of_view,
};
