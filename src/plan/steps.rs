//! Steps and their order.

use super::guards::{Guarded, place};
use super::{Plan, Step, StepId};
use crate::engine::Existing;
use crate::manifest::{Manifest, NodeId, NodeKind, ResourceType};
use crate::select::NodeSet;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
    Compile,
    Export,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Build,
    Test,
    /// Hand a published relation on.
    Export,
    /// Exposures and the like: a line in the results.
    NoOp,
}

/// What is to be planned.
pub(crate) struct PlanRequest<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) selected: &'a NodeSet,
    pub(crate) existing: &'a Existing,
    pub(crate) verb: Verb,
    /// Audit before publishing: `build` without `--no-audit`.
    pub(crate) audit: bool,
    pub(crate) full_refresh: bool,
    /// Tests that say nothing about it store their failing rows.
    pub(crate) store_failures: bool,
    /// Nodes that a Jinja materialization builds: it publishes by itself.
    pub(crate) publishes_itself: &'a dyn Fn(NodeId) -> bool,
}

impl PlanRequest<'_> {
    pub(super) fn is_test(&self, id: NodeId) -> bool {
        matches!(self.manifest.node(id).kind, NodeKind::Test(_))
    }

    /// Whether this run stores the node.
    pub(super) fn builds(&self, id: NodeId) -> bool {
        let node = self.manifest.node(id);
        self.selected.contains(id)
            && node.resource_type().is_refable()
            && !node.is_ephemeral()
            && !matches!(self.verb, Verb::Test | Verb::Export)
    }
}

/// Plans a command.
pub(crate) fn plan(request: &PlanRequest<'_>) -> Plan {
    let manifest = request.manifest;
    let order = manifest.graph.order().unwrap_or_default();
    let mut position = vec![0usize; manifest.nodes.len()];
    for (i, id) in order.iter().enumerate() {
        position[id.index()] = i;
    }
    let placed: Guarded =
        if request.audit && request.verb == Verb::Build { place(request, &position) } else { Guarded::default() };
    // Nodes with a step of their own: stored nodes, exposures, and tests that guard nothing.
    let own: Vec<NodeId> =
        order.iter().copied().filter(|id| has_step(request, *id) && !placed.guards.contains_key(id)).collect();
    let members: HashSet<NodeId> = own.iter().copied().collect();
    let nearest = Nearest::new(manifest, &members);
    let mut edges: HashMap<NodeId, Edges> = HashMap::new();
    for id in &own {
        let mut parents = nearest.above(*id);
        if request.verb == Verb::Test {
            parents.clear();
        }
        edges.insert(*id, Edges { parents, after: BTreeSet::new() });
    }
    for (before, behind) in &placed.order {
        if let Some(e) = edges.get_mut(behind) {
            e.after.insert(*before);
        }
    }
    let mut unplaced_tests: Vec<NodeId> = own.iter().copied().filter(|id| request.is_test(*id)).collect();
    if request.verb == Verb::Build {
        hold_back(request, &own, &unplaced_tests, &mut edges);
    } else {
        unplaced_tests.clear();
    }
    let mut guards: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (test, node) in &placed.guards {
        guards.entry(*node).or_default().push(*test);
    }
    assemble(request, own, edges, guards, placed, &position)
}

#[derive(Default)]
struct Edges {
    parents: BTreeSet<NodeId>,
    after: BTreeSet<NodeId>,
}

fn has_step(request: &PlanRequest<'_>, id: NodeId) -> bool {
    if !request.selected.contains(id) {
        return false;
    }
    let node = request.manifest.node(id);
    match node.resource_type() {
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot => {
            !node.is_ephemeral() && !matches!(request.verb, Verb::Test | Verb::Export)
        }
        ResourceType::Function => request.verb == Verb::Build,
        ResourceType::Test | ResourceType::UnitTest => matches!(request.verb, Verb::Build | Verb::Test),
        ResourceType::Export => matches!(request.verb, Verb::Build | Verb::Export),
        ResourceType::Exposure | ResourceType::SavedQuery => request.verb == Verb::Build,
        _ => false,
    }
}

/// dbt's edge test -> node: what depends on all that a test reads waits for the test (RULES 3.12). A unit test comes
/// before its model.
fn hold_back(request: &PlanRequest<'_>, own: &[NodeId], tests: &[NodeId], edges: &mut HashMap<NodeId, Edges>) {
    let manifest = request.manifest;
    let unit: Vec<NodeId> =
        own.iter().copied().filter(|id| matches!(manifest.node(*id).kind, NodeKind::UnitTest(_))).collect();
    for test in unit {
        for model in manifest.node(test).depends_on.clone() {
            if let Some(e) = edges.get_mut(&test) {
                e.parents.remove(&model);
            }
            if let Some(e) = edges.get_mut(&model) {
                e.parents.insert(test);
            }
        }
    }
    for test in tests {
        let reads = &manifest.node(*test).depends_on;
        let Some((first, rest)) = reads.split_first() else { continue };
        let below = |id: NodeId| {
            let mut start = fixedbitset::FixedBitSet::with_capacity(manifest.nodes.len());
            start.insert(id.index());
            manifest.graph.reach(&start, false, None)
        };
        let mut common = below(*first);
        for id in rest {
            common.intersect_with(&below(*id));
        }
        for id in common.ones().map(|i| NodeId(i as u32)) {
            if !request.is_test(id)
                && let Some(e) = edges.get_mut(&id)
            {
                e.parents.insert(*test);
            }
        }
    }
}

/// The nearest nodes above with a step, through nodes that have none.
struct Nearest<'a> {
    manifest: &'a Manifest,
    members: &'a HashSet<NodeId>,
}

impl<'a> Nearest<'a> {
    fn new(manifest: &'a Manifest, members: &'a HashSet<NodeId>) -> Nearest<'a> {
        Nearest { manifest, members }
    }

    fn above(&self, id: NodeId) -> BTreeSet<NodeId> {
        let mut out = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut stack: Vec<NodeId> = self.manifest.node(id).depends_on.clone();
        while let Some(parent) = stack.pop() {
            if !seen.insert(parent) {
                continue;
            }
            if self.members.contains(&parent) {
                out.insert(parent);
            } else {
                stack.extend(self.manifest.node(parent).depends_on.iter().copied());
            }
        }
        out
    }
}

/// Numbers the steps so that predecessors come first, and measures the critical path.
fn assemble(
    request: &PlanRequest<'_>,
    own: Vec<NodeId>,
    edges: HashMap<NodeId, Edges>,
    mut guards: HashMap<NodeId, Vec<NodeId>>,
    placed: Guarded,
    position: &[usize],
) -> Plan {
    let mut waiting: HashMap<NodeId, usize> = HashMap::new();
    let mut behind: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for id in &own {
        let Some(e) = edges.get(id) else { continue };
        let before: BTreeSet<NodeId> = e.parents.union(&e.after).copied().collect();
        waiting.insert(*id, before.len());
        for b in before {
            behind.entry(b).or_default().push(*id);
        }
    }
    // Kahn's algorithm, the graph's own order deciding between ready ones.
    let mut ready: BTreeSet<(usize, NodeId)> =
        own.iter().filter(|id| waiting.get(id) == Some(&0)).map(|id| (position[id.index()], *id)).collect();
    let mut number: HashMap<NodeId, StepId> = HashMap::new();
    let mut sorted = Vec::with_capacity(own.len());
    while let Some((_, id)) = ready.pop_first() {
        number.insert(id, sorted.len());
        sorted.push(id);
        for next in behind.get(&id).into_iter().flatten() {
            if let Some(n) = waiting.get_mut(next) {
                *n -= 1;
                if *n == 0 {
                    ready.insert((position[next.index()], *next));
                }
            }
        }
    }
    let mut rank: HashMap<NodeId, usize> = HashMap::new();
    for id in sorted.iter().rev() {
        let longest = behind.get(id).into_iter().flatten().filter_map(|n| rank.get(n)).max();
        rank.insert(*id, longest.map_or(1, |r| r + 1));
    }
    let mut plan =
        Plan { steps: Vec::with_capacity(sorted.len()), schemas: schemas(request), unguarded: placed.unguarded };
    for id in sorted {
        let e = &edges[&id];
        let numbers = |set: &BTreeSet<NodeId>| {
            let mut out: Vec<StepId> = set.iter().filter_map(|n| number.get(n).copied()).collect();
            out.sort_unstable();
            out
        };
        let mut own_guards = guards.remove(&id).unwrap_or_default();
        own_guards.sort();
        let node = request.manifest.node(id);
        let action = match node.resource_type() {
            ResourceType::Test | ResourceType::UnitTest => Action::Test,
            ResourceType::Export => Action::Export,
            ResourceType::Exposure | ResourceType::SavedQuery => Action::NoOp,
            _ => Action::Build,
        };
        plan.steps.push(Step {
            node: id,
            action,
            guards: own_guards,
            parents: numbers(&e.parents),
            after: numbers(&e.after),
            rank: rank.get(&id).copied().unwrap_or(1),
            reason: reason(request, id, action),
        });
    }
    plan
}

/// Why a node is built, and how.
fn reason(request: &PlanRequest<'_>, id: NodeId, action: Action) -> String {
    if action != Action::Build {
        return String::new();
    }
    let node = request.manifest.node(id);
    let materialized = node.materialized();
    let existing = node.relation.as_ref().and_then(|r| request.existing.find(r));
    if !request.existing.is_known() {
        return materialized.into_owned();
    }
    match (existing, &*materialized) {
        (None, _) => format!("{materialized}, new"),
        (Some(_), "incremental" | "snapshot") if !request.full_refresh => {
            format!("{materialized}, adds to what is there")
        }
        (Some(_), _) if request.full_refresh => format!("{materialized}, full refresh"),
        (Some(found), _) if found.kind.as_str() != &*materialized && matches!(&*materialized, "table" | "view") => {
            format!("{materialized}, replaces a {}", found.kind.as_str())
        }
        (Some(_), _) => format!("{materialized}, replaces"),
    }
}

/// Schemas of what is built, and of failing rows that may be stored, that are not there yet.
fn schemas(request: &PlanRequest<'_>) -> Vec<(String, String)> {
    let mut out = BTreeSet::new();
    let stores =
        |id: NodeId| request.is_test(id) && request.manifest.node(id).stores_failures(request.store_failures).is_some();
    for id in request.selected.iter().filter(|id| request.builds(*id) || stores(*id)) {
        let Some(relation) = &request.manifest.node(id).relation else { continue };
        if let (Some(database), Some(schema)) = (relation.database(), relation.schema())
            && !request.existing.has_schema(database, schema)
        {
            out.insert((database.to_owned(), schema.to_owned()));
        }
    }
    out.into_iter().collect()
}
