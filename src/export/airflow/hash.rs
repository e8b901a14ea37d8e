//! The hash of a graph of tasks: as long as it is the same, a generated file can run the project.

use super::tasks::Dag;
use crate::config::{AirflowOptions, Json};
use crate::manifest::{Manifest, Node};
use serde_json::json;

/// The part of the hash for each task, as JSON.
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

/// Sixteen hexadecimal digits over task ids, edges, nodes, assets, granularity and options. SQL,
/// texts and arguments of tests are left out, so that changes of these do not stop scheduled runs.
pub(super) fn hash_dag(manifest: &Manifest, dag: &Dag, options: &AirflowOptions) -> String {
    let whole =
        json!(["strata dag 1", dag.granularity.as_str(), options.to_json(), lines(manifest, dag)]);
    crate::hash::sha256_hex(&whole.to_string())[..16].to_owned()
}

/// A node as it is hashed. The id of a generic test ends in a hash of its arguments, so the test's
/// name, node and column are used instead.
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
