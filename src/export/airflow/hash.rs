//! The hash of a graph of tasks: what must be the same for a generated file to run a project.

use super::tasks::Dag;
use crate::config::{AirflowOptions, Json};
use crate::manifest::{Manifest, Node};
use serde_json::json;

/// What the hash holds of each task, as JSON.
fn lines(manifest: &Manifest, dag: &Dag) -> Vec<Json> {
    let mut lines: Vec<Json> = Vec::with_capacity(dag.tasks.len());
    for task in &dag.tasks {
        let mut nodes: Vec<String> =
            task.nodes.iter().map(|id| node_shape(manifest, manifest.node(*id))).collect();
        nodes.sort();
        let mut upstream: Vec<&str> =
            task.upstream.iter().map(|n| dag.tasks[*n].id.as_str()).collect();
        upstream.sort_unstable();
        lines.push(json!([
            task.id,
            task.kind.as_str(),
            upstream,
            nodes,
            task.outlets,
            task.inlets
        ]));
    }
    lines.sort_by_key(|line| line[0].as_str().map(str::to_owned));
    lines
}

/// Sixteen hexadecimal digits over task ids, edges, nodes, assets, granularity and options. Not
/// over SQL, texts and the arguments of tests: a change of these does not stop what is scheduled.
pub(super) fn hash_dag(manifest: &Manifest, dag: &Dag, options: &AirflowOptions) -> String {
    let whole = json!(["strata dag 1", dag.by.as_str(), options.to_json(), lines(manifest, dag)]);
    crate::hash::sha256_hex(&whole.to_string())[..16].to_owned()
}

/// A node as the hash knows it. The id of a generic test ends in a hash of its arguments, so its
/// test, its node and its column stand for it.
pub(super) fn node_shape(manifest: &Manifest, node: &Node) -> String {
    match node.generic_test() {
        Some(test) => {
            let attached =
                test.attached.map(|id| &*manifest.node(id).unique_id).unwrap_or_default();
            let column = test.column.as_deref().unwrap_or_default();
            format!("test {} {} {attached} {column}", node.package, test.name)
        }
        None => node.unique_id.to_string(),
    }
}
