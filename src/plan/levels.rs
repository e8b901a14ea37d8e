//! The order in which ready steps begin, as dbt's queue has it.
//!
//! dbt takes the graph of the selected nodes (edges go through what is not selected; in `build`
//! what depends on a tested node also depends on its tests), and counts how many nodes stand above
//! each on the longest way. What is ready first begins first; of nodes that become ready at one
//! moment, the one with the smallest pair of that level and the unique id. There is no barrier
//! between levels.

use super::edges::first_behind;
use super::steps::{PlanRequest, Verb, has_step};
use crate::manifest::{NodeId, UniqueId};
use std::collections::HashMap;

/// What decides between steps that are ready: the smallest begins. A unit test comes right before
/// its model.
pub(super) type StartKey = (usize, UniqueId, bool, UniqueId);

/// The keys of all nodes that have a step or guard one. `order`: parents before children.
pub(super) fn start_keys(request: &PlanRequest<'_>, order: &[NodeId]) -> HashMap<NodeId, StartKey> {
    let manifest = request.manifest;
    let mut tests_before: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    if request.verb == Verb::Build {
        for test in manifest.nodes.iter().map(|n| n.id).filter(|id| request.is_test(*id)) {
            for waiting in first_behind(request, test) {
                tests_before.entry(waiting).or_default().push(test);
            }
        }
    }
    let mut levels = vec![0usize; manifest.nodes.len()];
    // What a node hands to those behind it: its level, and one more where it counts.
    let mut heights = vec![0usize; manifest.nodes.len()];
    for id in with_tests_first(request, order, &tests_before) {
        let tests = tests_before.get(&id).into_iter().flatten();
        let above = manifest.node(id).depends_on.iter().chain(tests);
        levels[id.index()] = above.map(|p| heights[p.index()]).max().unwrap_or(0);
        let counts = has_step(request, id) || counts_ephemeral(request, id);
        heights[id.index()] = levels[id.index()] + usize::from(counts);
    }
    let mut keys = HashMap::new();
    for id in order.iter().copied().filter(|id| has_step(request, *id)) {
        let node = manifest.node(id);
        let model = request.is_unit_test(id).then(|| node.depends_on.first()).flatten();
        let key = match model {
            Some(model) => (
                levels[model.index()],
                manifest.node(*model).unique_id.clone(),
                false,
                node.unique_id.clone(),
            ),
            None => (levels[id.index()], node.unique_id.clone(), true, node.unique_id.clone()),
        };
        keys.insert(id, key);
    }
    keys
}

/// Ephemeral models are in dbt's graph, though nothing is run for them.
fn counts_ephemeral(request: &PlanRequest<'_>, id: NodeId) -> bool {
    let stores = !matches!(request.verb, Verb::Test | Verb::Export);
    stores && request.selected.contains(id) && request.manifest.node(id).is_ephemeral()
}

/// The order with each test moved before the nodes that wait for it.
fn with_tests_first(
    request: &PlanRequest<'_>,
    order: &[NodeId],
    tests_before: &HashMap<NodeId, Vec<NodeId>>,
) -> Vec<NodeId> {
    let mut out = Vec::with_capacity(order.len());
    let mut placed = vec![false; request.manifest.nodes.len()];
    for id in order {
        let tests = tests_before.get(id).into_iter().flatten();
        for id in tests.chain([id]) {
            if !std::mem::replace(&mut placed[id.index()], true) {
                out.push(*id);
            }
        }
    }
    out
}
