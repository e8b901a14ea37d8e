//! What waits for what, besides what reads what.

use super::steps::PlanRequest;
use crate::manifest::{Manifest, NodeId, ResourceType};
use fixedbitset::FixedBitSet;
use petgraph::algo::has_path_connecting;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeSet, HashMap, HashSet};

#[derive(Default)]
pub(super) struct Edges {
    /// Steps whose failure skips this one.
    pub(super) parents: BTreeSet<NodeId>,
    /// Steps that only come first.
    pub(super) after: BTreeSet<NodeId>,
}

/// The nearest nodes above with a step, through nodes that have none.
pub(super) struct Nearest<'a> {
    manifest: &'a Manifest,
    members: &'a HashSet<NodeId>,
}

impl<'a> Nearest<'a> {
    pub(super) fn new(manifest: &'a Manifest, members: &'a HashSet<NodeId>) -> Nearest<'a> {
        Nearest { manifest, members }
    }

    pub(super) fn above(&self, id: NodeId) -> BTreeSet<NodeId> {
        let parents = self.manifest.node(id).depends_on.clone();
        self.walk(parents, |id| self.manifest.node(id).depends_on.clone())
    }

    /// The nearest nodes with a step among these and below them.
    fn below(&self, from: Vec<NodeId>) -> BTreeSet<NodeId> {
        self.walk(from, |id| self.manifest.graph.children(id))
    }

    /// Goes on from each node without a step to the next ones.
    fn walk(&self, from: Vec<NodeId>, next: impl Fn(NodeId) -> Vec<NodeId>) -> BTreeSet<NodeId> {
        let mut out = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut stack = from;
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            if self.members.contains(&id) {
                out.insert(id);
            } else {
                stack.extend(next(id));
            }
        }
        out
    }
}

/// Tests and unit tests check nodes; nothing but what is stored or handed on is held back by
/// another test.
fn is_check(request: &PlanRequest<'_>, id: NodeId) -> bool {
    request.is_test(id) || request.is_unit_test(id)
}

/// The first nodes that depend on all that a data test reads: they wait for the test, and what is
/// below them with them (semantics 3.12).
pub(super) fn first_behind(request: &PlanRequest<'_>, test: NodeId) -> Vec<NodeId> {
    let manifest = request.manifest;
    let reads = &manifest.node(test).depends_on;
    let Some((first, rest)) = reads.split_first() else { return Vec::new() };
    if rest.is_empty() {
        return readers_of(request, *first).collect();
    }
    if reads.iter().any(|id| readers_of(request, *id).next().is_none()) {
        return Vec::new();
    }
    let mut common = reach_below(manifest, *first);
    for id in rest {
        common.intersect_with(&reach_below(manifest, *id));
    }
    let nodes = common.ones().map(|i| NodeId(i as u32));
    nodes.filter(|id| is_first_of(request, &common, *id)).collect()
}

/// What reads a node and does not check it.
fn readers_of(request: &PlanRequest<'_>, id: NodeId) -> impl Iterator<Item = NodeId> {
    let children = request.manifest.graph.children(id);
    children.into_iter().filter(move |child| !is_check(request, *child))
}

/// All nodes below a node, on any way.
fn reach_below(manifest: &Manifest, id: NodeId) -> FixedBitSet {
    let mut start = FixedBitSet::with_capacity(manifest.nodes.len());
    start.insert(id.index());
    manifest.graph.reach(&start, false, None)
}

/// Whether none of some nodes stands right above this one, which is no check.
fn is_first_of(request: &PlanRequest<'_>, nodes: &FixedBitSet, id: NodeId) -> bool {
    let above = &request.manifest.node(id).depends_on;
    !is_check(request, id) && !above.iter().any(|p| nodes.contains(p.index()))
}

/// Makes what depends on tested nodes wait for their tests, and a model for its unit tests.
pub(super) fn hold_back(
    request: &PlanRequest<'_>,
    own: &[NodeId],
    members: &HashSet<NodeId>,
    edges: &mut HashMap<NodeId, Edges>,
) {
    let nearest = Nearest::new(request.manifest, members);
    for test in own.iter().copied().filter(|id| request.is_test(*id)) {
        for waiting in nearest.below(first_behind(request, test)) {
            // Below a node without a step there may be a test of it.
            if !is_check(request, waiting)
                && let Some(e) = edges.get_mut(&waiting)
            {
                e.parents.insert(test);
            }
        }
    }
    // After the tests: a unit test waits for whatever its model waits for, and the model for it.
    for test in own.iter().copied().filter(|id| request.is_unit_test(*id)) {
        let mut before = BTreeSet::new();
        for model in &request.manifest.node(test).depends_on {
            if let Some(e) = edges.get_mut(model) {
                before.extend(e.parents.iter().copied().filter(|p| !request.is_unit_test(*p)));
                e.parents.insert(test);
            }
        }
        if let Some(e) = edges.get_mut(&test) {
            e.parents.retain(|p| !request.manifest.node(test).depends_on.contains(p));
            e.parents.extend(before);
        }
    }
}

/// The relation of a node as a key; none for one outside of the database.
fn relation_key(manifest: &Manifest, id: NodeId) -> Option<String> {
    let relation = manifest.node(id).relation.as_ref().filter(|r| r.external.is_none())?;
    Some(relation.key(manifest.project.dialect))
}

/// Puts what reads a source behind the step that builds the relation of that source: a seed that
/// fills it, say. Such an edge only orders. Where it would close a cycle there is none, and a note
/// says so.
pub(super) fn order_sources(
    request: &PlanRequest<'_>,
    members: &HashSet<NodeId>,
    guards: &HashMap<NodeId, NodeId>,
    edges: &mut HashMap<NodeId, Edges>,
) -> Vec<(NodeId, String)> {
    let manifest = request.manifest;
    let sources = manifest.nodes.iter().filter(|n| n.resource_type() == ResourceType::Source);
    let sources: HashMap<String, NodeId> =
        sources.filter_map(|n| Some((relation_key(manifest, n.id)?, n.id))).collect();
    if sources.is_empty() {
        return Vec::new();
    }
    let mut builders: Vec<(NodeId, NodeId)> = Vec::new();
    for id in members.iter().copied().filter(|id| request.builds(*id)) {
        let source = relation_key(manifest, id).and_then(|key| sources.get(&key));
        builders.extend(source.map(|source| (*source, id)));
    }
    builders.sort();
    if builders.is_empty() {
        return Vec::new();
    }
    let mut graph = DiGraphMap::<NodeId, ()>::new();
    #[expect(clippy::iter_over_hash_type, reason = "a graph has its edges in any order")]
    for (id, e) in edges.iter() {
        for before in e.parents.iter().chain(&e.after) {
            graph.add_edge(*before, *id, ());
        }
    }
    let mut notes = Vec::new();
    let with_guards: HashSet<NodeId> = members.iter().chain(guards.keys()).copied().collect();
    for (source, builder) in builders {
        let readers = Nearest::new(manifest, &with_guards).below(manifest.graph.children(source));
        // A guard runs with the node that it guards.
        let steps: BTreeSet<NodeId> = readers.iter().map(|r| *guards.get(r).unwrap_or(r)).collect();
        for reader in steps.into_iter().filter(|r| *r != builder) {
            if has_path_connecting(&graph, reader, builder, None) {
                let (source, builder) = (manifest.node(source), manifest.node(builder));
                let why = format!(
                    "reads source `{}` before `{}` builds that relation, since `{}` depends on it",
                    source.display_name(),
                    builder.name,
                    builder.name
                );
                notes.push((reader, why));
            } else if let Some(e) = edges.get_mut(&reader) {
                graph.add_edge(builder, reader, ());
                e.after.insert(builder);
            }
        }
    }
    notes
}
