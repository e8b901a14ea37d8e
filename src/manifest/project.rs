//! The manifest: the whole project with its macros and nodes.

use super::{Graph, Node, NodeId, NodeLookup, UniqueId};
use crate::config::{Json, JsonMap, QueryCommentOption};
use crate::engine::{Dialect, Target};
use crate::hash::FastMap;
use camino::Utf8PathBuf;
use serde_json::json;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: Arc<str>,
    pub(crate) root: Utf8PathBuf,
}

/// The properties of the project that passes after `load` need.
#[derive(Clone, Debug)]
pub(crate) struct ProjectInfo {
    pub(crate) name: Arc<str>,
    pub(crate) root: Utf8PathBuf,
    /// The root project first, then packages by name.
    pub(crate) packages: Vec<Package>,
    pub(crate) target: Target,
    pub(crate) dialect: Dialect,
    pub(crate) target_path: Utf8PathBuf,
    /// The folders that `docs generate` copies, relative to the project.
    pub(crate) asset_paths: Vec<String>,
    pub(crate) query_comment: QueryCommentOption,
    /// `flags: state_modified_compare_more_unrendered_values`.
    pub(crate) compare_unrendered: bool,
}

/// A macro as artifacts list it.
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
    /// Of a materialization, the languages of the models that it builds.
    pub(crate) languages: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    pub(crate) owner: JsonMap,
    pub(crate) path: String,
    pub(crate) original_file_path: String,
    pub(crate) description: Option<String>,
}

impl Group {
    pub(crate) fn unique_id(&self) -> String {
        format!("group.{}.{}", self.package, self.name)
    }

    /// The group as artifacts have it, and `graph`.
    pub(crate) fn to_json(&self) -> Json {
        json!({
            "name": &*self.name,
            "resource_type": "group",
            "package_name": &*self.package,
            "path": self.path,
            "original_file_path": self.original_file_path,
            "unique_id": self.unique_id(),
            "owner": self.owner,
            "description": self.description,
            "config": { "meta": {} },
        })
    }
}

/// A resource that is in the manifest but not a node: a doc block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DocResource {
    pub(crate) unique_id: UniqueId,
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    pub(crate) path: String,
    pub(crate) original_file_path: String,
    pub(crate) text: String,
}

/// The resolved project. What an edit of a text cannot change is shared with the next manifest of
/// the process, and so are unchanged nodes.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) project: ProjectInfo,
    /// The nodes by id.
    pub(crate) nodes: Vec<Arc<Node>>,
    /// Nodes with `enabled: false`. They are not in the graph.
    pub(crate) disabled: Vec<Arc<Node>>,
    /// Tests of missing or disabled nodes. As in dbt, they are only written to the artifact, among
    /// the disabled nodes.
    pub(crate) unplaced: Vec<Arc<Node>>,
    pub(crate) graph: Arc<Graph>,
    pub(crate) lookup: Arc<NodeLookup>,
    pub(crate) macros: Arc<Vec<MacroInfo>>,
    pub(crate) docs: Arc<Vec<DocResource>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) selectors: JsonMap,
    pub(crate) by_unique_id: Arc<FastMap<UniqueId, NodeId>>,
    /// The on-run hooks, in the order in which they run.
    pub(crate) on_run_start: Vec<NodeId>,
    pub(crate) on_run_end: Vec<NodeId>,
}

impl Manifest {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    pub(crate) fn shared_node(&self, id: NodeId) -> Arc<Node> {
        self.nodes[id.index()].clone()
    }

    /// All nodes, in id order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Node> + Clone {
        self.nodes.iter().map(|n| &**n)
    }

    pub(crate) fn get(&self, unique_id: &str) -> Option<&Node> {
        self.by_unique_id.get(unique_id).map(|id| self.node(*id))
    }
}
