//! What has changed since the last build, and what has to be built for it.
//!
//! In: `Manifest`, a `Compiler` (offline), what exists, the prints that publications left
//! (`outcome::PublicationFingerprint`), versions of sources. Out: for each node a `Verdict` with its reason. A node
//! has to be built when what it says itself, or the version of something that it reads, is another
//! than its publication was made from. Must not know: connections, where prints are kept, how nodes
//! are built.

mod own;
mod reasons;

pub(crate) use own::{CompileCache, Own, own_prints};
pub(crate) use reasons::{
    Compare, Judged, Verdict, nodes_print, readings, verdicts, version_of_view,
};
