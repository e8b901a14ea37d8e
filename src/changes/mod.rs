//! What has changed since the last build, and what has to be built for it.
//!
//! In: `Manifest`, a `Compiler` (offline), what exists, the prints that publications left
//! (`outcome::PublicationFingerprint`), versions of sources. Out: for each node a `Verdict` with its reason. A node
//! has to be built when what it says itself, or the version of something that it reads, is another
//! than its publication was made from. Must not know: connections, where prints are kept, how nodes
//! are built.

mod cache;
mod definition;
mod parts;
mod reasons;
#[cfg(test)]
mod testing;

pub(crate) use cache::CompileCache;
pub(crate) use definition::{NodeDefinition, define_nodes};
pub(crate) use reasons::{
    Compare, Judged, Verdict, fingerprint_definitions, judge_nodes, read_parents, version_of_view,
};
