//! Which test guards which node (the guard rule of ARCHITECTURE.md: each test guards at most one node).

use super::steps::{PlanRequest, Verb};
use crate::manifest::{Manifest, NodeId};
use petgraph::algo::has_path_connecting;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Tests with the node that each guards, and order edges (before, behind).
#[derive(Debug, Default)]
pub(super) struct Guarded {
    pub(super) guards: HashMap<NodeId, NodeId>,
    pub(super) order: Vec<(NodeId, NodeId)>,
    pub(super) unguarded: Vec<(NodeId, String)>,
}

/// Places every selected data test.
///
/// G is what a test reads and this run builds with a candidate or a delta. The test guards the last
/// of G in plan order; all else that it reads and this run builds is published before, by order
/// edges. Among relations that do not depend on each other the tested one is the last, so that a
/// `relationships` test holds back the referencing relation.
pub(super) fn place_tests(request: &PlanRequest<'_>, position: &[usize]) -> Guarded {
    debug_assert_eq!(request.verb, Verb::Build);
    let mut out = Guarded::default();
    // Dependencies plus the order edges so far, to see circles.
    let mut graph: Option<DiGraphMap<NodeId, ()>> = None;
    for id in request.selected.iter().filter(|id| request.is_test(*id)) {
        let test = request.manifest.node(id);
        let candidates: Vec<NodeId> =
            test.depends_on.iter().copied().filter(|n| has_candidate(request, *n)).collect();
        if candidates.is_empty() {
            if test
                .depends_on
                .iter()
                .any(|n| request.builds(*n) || request.manifest.node(*n).is_ephemeral())
            {
                out.unguarded.push((
                    id,
                    "reads nothing that is built beside the published relation".to_owned(),
                ));
            }
            continue;
        }
        if let Some(missing) = missing_relation(request, id) {
            let name = &request.manifest.node(missing).name;
            out.unguarded.push((
                id,
                format!(
                    "reads `{name}`, which this run does not build and the database does not have"
                ),
            ));
            continue;
        }
        let target =
            last(request, test.generic_test().and_then(|t| t.attached), &candidates, position);
        let reads = stored_reads(request.manifest, id);
        let others: Vec<NodeId> =
            reads.into_iter().filter(|n| request.builds(*n) && *n != target).collect();
        // An edge along the graph's order closes no circle unless an earlier one went against it.
        let forward = others.iter().all(|o| position[o.index()] < position[target.index()]);
        if !forward || graph.is_some() {
            let graph = graph.get_or_insert_with(|| dependencies(request, &out.order));
            if others.iter().any(|o| has_path_connecting(&*graph, target, *o, None)) {
                out.unguarded.push((id, "its relations wait for each other".to_owned()));
                continue;
            }
        }
        for other in others {
            if let Some(graph) = &mut graph {
                graph.add_edge(other, target, ());
            }
            out.order.push((other, target));
        }
        out.guards.insert(id, target);
    }
    out
}

/// Built beside the published relation: not ephemeral, not opted out, not by a materialization that
/// publishes itself.
fn has_candidate(request: &PlanRequest<'_>, id: NodeId) -> bool {
    let node = request.manifest.node(id);
    request.builds(id)
        && node.sql
        && node.typed.build().is_none_or(|config| config.is_audited)
        && !(request.publishes_itself)(id)
}

/// The stored relations that a node reads, through ephemeral models.
pub(crate) fn stored_reads(manifest: &Manifest, id: NodeId) -> BTreeSet<NodeId> {
    let mut out = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut stack = manifest.node(id).depends_on.clone();
    while let Some(read) = stack.pop() {
        let node = manifest.node(read);
        if !seen.insert(read) {
            continue;
        }
        if node.is_ephemeral() {
            stack.extend(node.depends_on.iter().copied());
        } else if node.relation.is_some() {
            out.insert(read);
        }
    }
    out
}

/// A relation that the test reads, that this run does not build, and that is known not to exist.
fn missing_relation(request: &PlanRequest<'_>, test: NodeId) -> Option<NodeId> {
    if !request.existing.is_known() {
        return None;
    }
    stored_reads(request.manifest, test).into_iter().find(|id| {
        let Some(relation) = &request.manifest.node(*id).relation else { return false };
        !request.builds(*id)
            && relation.external.is_none()
            && request.existing.find(relation).is_none()
    })
}

/// The tested node, unless another of G depends on it; then the last in the graph's order.
fn last(
    request: &PlanRequest<'_>,
    attached: Option<NodeId>,
    candidates: &[NodeId],
    position: &[usize],
) -> NodeId {
    let latest =
        candidates.iter().copied().max_by_key(|id| position[id.index()]).unwrap_or(candidates[0]);
    match attached.filter(|a| candidates.contains(a)) {
        Some(tested) => {
            let below = candidates
                .iter()
                .any(|c| *c != tested && request.manifest.graph.has_path(tested, *c));
            if below { latest } else { tested }
        }
        None => latest,
    }
}

fn dependencies(request: &PlanRequest<'_>, order: &[(NodeId, NodeId)]) -> DiGraphMap<NodeId, ()> {
    let mut graph = DiGraphMap::new();
    for node in &request.manifest.nodes {
        for parent in &node.depends_on {
            graph.add_edge(*parent, node.id, ());
        }
    }
    for (before, behind) in order {
        graph.add_edge(*before, *behind, ());
    }
    graph
}
