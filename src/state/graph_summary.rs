//! Writes `graph_summary.json`: the edges of the graph, with a number for each node.

use super::ArtifactMetadata;
use crate::config::{Json, JsonMap};
use crate::manifest::{Manifest, NodeId};
use crate::system::{System, SystemError};
use camino::Utf8Path;
use serde_json::json;

/// An edge, from the node that comes first.
pub(crate) type GraphEdge = (NodeId, NodeId);

/// Writes the graph to the target path, as dbt does for those who measure it. `test_edges`: those
/// that a build adds, for which the file has the graph once more.
pub(crate) fn write_graph_summary(
    system: &dyn System,
    manifest: &Manifest,
    metadata: &ArtifactMetadata,
    test_edges: Option<&[GraphEdge]>,
) -> Result<(), SystemError> {
    let mut summary = JsonMap::new();
    summary.insert("_invocation_id".to_owned(), metadata.invocation_id.as_str().into());
    summary.insert("linked".to_owned(), list_nodes(manifest, &[]));
    if let Some(edges) = test_edges {
        summary.insert("with_test_edges".to_owned(), list_nodes(manifest, edges));
    }
    let path: &Utf8Path = &manifest.project.target_path;
    system.write_stream(&path.join("graph_summary.json"), &mut |out| {
        serde_json::to_writer(out, &summary).map_err(Into::into)
    })
}

/// The nodes by number, each with the numbers of those that come after it.
fn list_nodes(manifest: &Manifest, more: &[GraphEdge]) -> Json {
    let mut after: Vec<Vec<u32>> = Vec::with_capacity(manifest.nodes.len());
    for node in &manifest.nodes {
        after.push(manifest.graph.children(node.id).iter().map(|child| child.0).collect());
    }
    for (from, to) in more {
        after[from.index()].push(to.0);
    }
    let mut nodes = JsonMap::new();
    for (node, after) in manifest.nodes.iter().zip(after) {
        let kind = node.resource_type().as_str();
        let mut entry = json!({ "name": &*node.unique_id, "type": kind });
        if !after.is_empty() {
            entry["succ"] = after.into();
        }
        nodes.insert(node.id.0.to_string(), entry);
    }
    Json::Object(nodes)
}
