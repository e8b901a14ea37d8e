//! The whole: projects, macros, nodes.

use super::{Graph, Lookup, Node, NodeId, UniqueId};
use crate::config::{Json, JsonMap};
use crate::engine::{Dialect, Target};
use crate::hash::FastMap;
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The root project or an installed package.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: Arc<str>,
    pub(crate) root: Utf8PathBuf,
}

/// What all passes behind `load` need to know of the project.
#[derive(Clone, Debug)]
pub(crate) struct ProjectInfo {
    pub(crate) name: Arc<str>,
    pub(crate) root: Utf8PathBuf,
    /// The root project first, then packages by name.
    pub(crate) packages: Vec<Package>,
    pub(crate) target: Target,
    pub(crate) dialect: Dialect,
    pub(crate) target_path: Utf8PathBuf,
    /// `flags: state_modified_compare_more_unrendered_values`.
    pub(crate) compare_written: bool,
}

/// A macro as the artifacts list it.
#[derive(Clone, Debug)]
pub(crate) struct MacroInfo {
    pub(crate) unique_id: UniqueId,
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) sql: Arc<str>,
    pub(crate) depends_on: Vec<Arc<str>>,
    pub(crate) description: String,
    pub(crate) meta: JsonMap,
    pub(crate) arguments: Json,
    pub(crate) patch_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    pub(crate) owner: JsonMap,
    pub(crate) original_file_path: String,
    pub(crate) description: Option<String>,
}

/// A resource that is carried in the manifest but is no node of the run: doc blocks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtherResource {
    pub(crate) unique_id: UniqueId,
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    pub(crate) original_file_path: String,
    pub(crate) text: String,
}

/// The resolved project.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) project: ProjectInfo,
    /// Shared with the next manifest of the process, as far as nothing has changed.
    pub(crate) nodes: Vec<Arc<Node>>,
    /// Nodes with `enabled: false`; they have no id in the graph.
    pub(crate) disabled: Vec<Arc<Node>>,
    /// Tests of what is missing or disabled. As in dbt they are in the artifact, not enabled, and
    /// nowhere else.
    pub(crate) unplaced: Vec<Arc<Node>>,
    pub(crate) graph: Graph,
    pub(crate) lookup: Lookup,
    pub(crate) macros: Vec<MacroInfo>,
    pub(crate) docs: Vec<OtherResource>,
    pub(crate) groups: Vec<Group>,
    pub(crate) selectors: JsonMap,
    pub(crate) by_unique_id: FastMap<UniqueId, NodeId>,
    /// On-run hooks in the order in which they run.
    pub(crate) on_run_start: Vec<NodeId>,
    pub(crate) on_run_end: Vec<NodeId>,
}

impl Manifest {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// All nodes, in id order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Node> + Clone {
        self.nodes.iter().map(|n| &**n)
    }

    pub(crate) fn get(&self, unique_id: &str) -> Option<&Node> {
        self.by_unique_id.get(unique_id).map(|id| self.node(*id))
    }
}
