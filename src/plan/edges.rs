//! Edges between steps, beyond the dependencies of the manifest.

use super::steps::PlanRequest;
use crate::manifest::{Manifest, NodeId, ResourceType};
use fixedbitset::FixedBitSet;
use petgraph::algo::has_path_connecting;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeSet, HashMap, HashSet};

#[derive(Default)]
pub(super) struct StepEdges {
    /// Steps whose failure skips this one.
    pub(super) parents: BTreeSet<NodeId>,
    /// Steps that have to finish before this one, whether they succeed or not.
    pub(super) after: BTreeSet<NodeId>,
}

/// Finds the nearest nodes with a step, passing through nodes that have none.
pub(super) struct NearestMembers<'a> {
    manifest: &'a Manifest,
    members: &'a HashSet<NodeId>,
}

impl<'a> NearestMembers<'a> {
    pub(super) fn new(manifest: &'a Manifest, members: &'a HashSet<NodeId>) -> NearestMembers<'a> {
        NearestMembers { manifest, members }
    }

    pub(super) fn above(&self, id: NodeId) -> BTreeSet<NodeId> {
        let parents = self.manifest.node(id).depends_on.clone();
        self.walk(parents, |id| self.manifest.node(id).depends_on.clone())
    }

    /// The nearest nodes with a step among `from` and their descendants.
    fn below(&self, from: Vec<NodeId>) -> BTreeSet<NodeId> {
        self.walk(from, |id| self.manifest.graph.children(id))
    }

    /// Follows `next` from each node without a step until nodes with a step are reached.
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

/// Whether a node is a test or a unit test. Tests are not held back by other data tests.
fn is_check(manifest: &Manifest, id: NodeId) -> bool {
    manifest.node(id).resource_type().is_check()
}

/// The edges that a build adds to those of the manifest, each from a data test to a node that waits
/// for it.
pub(crate) fn list_test_edges(manifest: &Manifest) -> Vec<(NodeId, NodeId)> {
    let tests = manifest.nodes.iter().filter(|n| n.resource_type() == ResourceType::Test);
    let behind =
        |test: NodeId| first_behind(manifest, test).into_iter().map(move |waiting| (test, waiting));
    tests.flat_map(|test| behind(test.id)).collect()
}

/// The first nodes that depend on everything that a data test reads. They wait for the test, and so
/// do their descendants (semantics 3.12).
pub(super) fn first_behind(manifest: &Manifest, test: NodeId) -> Vec<NodeId> {
    let reads = &manifest.node(test).depends_on;
    let Some((first, rest)) = reads.split_first() else { return Vec::new() };
    if rest.is_empty() {
        return readers_of(manifest, *first).collect();
    }
    if reads.iter().any(|id| readers_of(manifest, *id).next().is_none()) {
        return Vec::new();
    }
    let mut common = reach_below(manifest, *first);
    for id in rest {
        common.intersect_with(&reach_below(manifest, *id));
    }
    let nodes = common.ones().map(|i| NodeId(i as u32));
    nodes.filter(|id| is_first_of(manifest, &common, *id)).collect()
}

/// The children of a node that are not tests.
fn readers_of(manifest: &Manifest, id: NodeId) -> impl Iterator<Item = NodeId> {
    let children = manifest.graph.children(id);
    children.into_iter().filter(move |child| !is_check(manifest, *child))
}

/// All descendants of a node.
fn reach_below(manifest: &Manifest, id: NodeId) -> FixedBitSet {
    let mut start = FixedBitSet::with_capacity(manifest.nodes.len());
    start.insert(id.index());
    manifest.graph.reach(&start, false, None)
}

/// Whether a node of the set is not a test and has no parent in the set.
fn is_first_of(manifest: &Manifest, nodes: &FixedBitSet, id: NodeId) -> bool {
    let above = &manifest.node(id).depends_on;
    !is_check(manifest, id) && !above.iter().any(|p| nodes.contains(p.index()))
}

/// Makes the descendants of tested nodes wait for the tests, and a model for its unit tests.
pub(super) fn hold_back(
    request: &PlanRequest<'_>,
    own: &[NodeId],
    members: &HashSet<NodeId>,
    edges: &mut HashMap<NodeId, StepEdges>,
) {
    let nearest = NearestMembers::new(request.manifest, members);
    for test in own.iter().copied().filter(|id| request.is_test(*id)) {
        for waiting in nearest.below(first_behind(request.manifest, test)) {
            // A descendant that has a step can itself be a test, which does not wait.
            if !is_check(request.manifest, waiting)
                && let Some(e) = edges.get_mut(&waiting)
            {
                e.parents.insert(test);
            }
        }
    }
    // After the data tests: a unit test waits for everything that its model waits for, and the
    // model waits for the unit test.
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

/// The key of a node's relation; `None` if it has none in the database.
fn relation_key(manifest: &Manifest, id: NodeId) -> Option<String> {
    let relation = manifest.node(id).relation.as_ref().filter(|r| r.external.is_none())?;
    Some(relation.key(manifest.project.dialect))
}

/// Puts the readers of a source behind the step that builds the source's relation, such as a seed
/// that fills it. These edges only order. An edge that would close a cycle is left out and reported
/// in the returned notes.
pub(super) fn order_sources(
    request: &PlanRequest<'_>,
    members: &HashSet<NodeId>,
    guards: &HashMap<NodeId, NodeId>,
    edges: &mut HashMap<NodeId, StepEdges>,
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
        let readers =
            NearestMembers::new(manifest, &with_guards).below(manifest.graph.children(source));
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

#[cfg(test)]
mod tests {
    use super::super::CommandVerb;
    use super::super::testing::{Trial, tests_of_models};

    const A: (&str, &str) = ("models/a.sql", "select 1 as id");
    const B_ON_A: (&str, &str) = ("models/b.sql", "select * from {{ ref('a') }}");
    const E_ON_A: (&str, &str) =
        ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('a') }}");

    /// The plan of models and their tests, which have steps of their own.
    fn trial(models: &[(&str, &str)], properties: &str) -> Trial {
        Trial::new(&[models, &[("models/p.yml", properties)]].concat()).unaudited()
    }

    fn unit_tests(names: &[&str], model: &str) -> String {
        let one = |name: &&str| {
            format!(
                "  - {{name: {name}, model: {model}, given: [], expect: {{rows: [{{id: 1}}]}}}}\n"
            )
        };
        format!("unit_tests:\n{}", names.iter().map(one).collect::<String>())
    }

    #[test]
    fn a_step_waits_for_the_nearest_steps_above() {
        let trial = Trial::new(&[
            A,
            E_ON_A,
            ("models/b.sql", "select * from {{ ref('e') }}"),
            ("models/c.sql", "select * from {{ ref('b') }} join {{ ref('e') }} using (id)"),
            ("models/x.sql", "select * from {{ ref('b') }}"),
            ("models/d.sql", "select * from {{ ref('x') }}"),
        ]);
        assert_eq!(trial.without(&["x"]).lines(), ["a", "b <a", "c <a b", "d <b"]);
    }

    #[test]
    fn what_reads_a_tested_node_waits_for_its_test() {
        let models = [A, B_ON_A, ("models/c.sql", "select * from {{ ref('b') }}")];
        let tested = || trial(&models, &tests_of_models(&[("t", "a", "")]));
        assert_eq!(tested().lines(), ["a", "b <a t", "c <b", "t <a"]);
        assert_eq!(tested().without(&["b"]).lines(), ["a", "c <a t", "t <a"]);
        assert_eq!(tested().without(&["t"]).lines(), ["a", "b <a", "c <b"]);
        assert_eq!(tested().asked_to(CommandVerb::Run).lines(), ["a", "b <a", "c <b"]);
    }

    #[test]
    fn checks_do_not_wait_for_each_other() {
        let tests = tests_of_models(&[("t1", "a", ""), ("t2", "a", "")]);
        assert_eq!(trial(&[A], &tests).lines(), ["a", "t1 <a", "t2 <a"]);
        let two = unit_tests(&["u1", "u2"], "a");
        assert_eq!(trial(&[A], &two).lines(), ["a <u1 u2", "u1", "u2"]);
        assert_eq!(
            trial(&[A], &(tests + &two)).lines(),
            ["a <u1 u2", "t1 <a", "t2 <a", "u1", "u2"]
        );
    }

    #[test]
    fn a_unit_test_waits_for_what_its_model_waits_for() {
        let properties = tests_of_models(&[("t", "a", "")]) + &unit_tests(&["u1", "u2"], "b");
        let both = || trial(&[A, B_ON_A], &properties);
        assert_eq!(both().lines(), ["a", "b <a t u1 u2", "t <a", "u1 <a t", "u2 <a t"]);
        assert_eq!(both().without(&["b"]).lines(), ["a", "t <a", "u1 <a", "u2 <a"]);
        assert_eq!(both().asked_to(CommandVerb::Test).lines(), ["t", "u1", "u2"]);
    }

    #[test]
    fn a_test_holds_back_readers_behind_an_ephemeral_model_but_no_check_there() {
        let models = [A, E_ON_A, ("models/b.sql", "select * from {{ ref('e') }}")];
        let tests = tests_of_models(&[("of_a", "a", ""), ("of_e", "e", "")]);
        assert_eq!(trial(&models, &tests).lines(), ["a", "b <a of_a of_e", "of_a <a", "of_e <a"]);
    }

    #[test]
    fn a_test_of_several_nodes_holds_back_the_first_that_depend_on_all() {
        let models = [
            A,
            ("models/b.sql", "select 2 as id"),
            ("models/c.sql", "select * from {{ ref('a') }}"),
            ("models/d.sql", "select * from {{ ref('a') }}, {{ ref('b') }}"),
            ("models/f.sql", "select * from {{ ref('d') }}"),
            ("models/g.sql", "select * from {{ ref('b') }}, {{ ref('c') }}"),
        ];
        let tests = tests_of_models(&[("t", "a", "ref('b')")]);
        assert_eq!(
            trial(&models, &tests).lines(),
            ["a", "b", "c <a", "d <a b t", "f <d", "g <b c t", "t <a b"]
        );
        assert_eq!(
            trial(&models[..3], &tests).lines(),
            ["a", "b", "c <a", "t <a b"],
            "nothing reads b"
        );
    }

    /// A plan with a source `raw.r`, whose relation is `raw_t`.
    fn with_source(models: &[(&str, &str)], properties: &str) -> Trial {
        let source = "sources: [{name: raw, schema: main, tables: [{name: r, identifier: raw_t}]}]";
        let files = [("models/s.yml", source), ("models/p.yml", properties)];
        Trial::new(&[models, &files].concat())
    }

    /// A model that builds the relation of the source.
    const BUILDER: (&str, &str) = ("models/z.sql", "{{ config(alias='raw_t') }} select 1 as id");
    const READER: (&str, &str) = ("models/m.sql", "select * from {{ source('raw', 'r') }}");

    #[test]
    fn what_builds_the_relation_of_a_source_comes_before_what_reads_the_source() {
        let ephemeral = "{{ config(materialized='ephemeral') }} select * from ";
        let ephemeral = format!("{ephemeral} {{{{ source('raw', 'r') }}}}");
        let models = [
            A,
            BUILDER,
            READER,
            ("models/e.sql", ephemeral.as_str()),
            ("models/n.sql", "select * from {{ ref('e') }}"),
            ("models/x.sql", "select * from {{ source('raw', 'r') }}"),
            ("models/y.sql", "select * from {{ ref('x') }}"),
        ];
        let trial = || with_source(&models, "").without(&["x"]);
        assert_eq!(trial().lines(), ["a", "m ~z", "n ~z", "y ~z", "z"]);
        assert!(trial().plan().notes.is_empty());
        assert_eq!(trial().asked_to(CommandVerb::Run).lines(), ["a", "m ~z", "n ~z", "y ~z", "z"]);
        assert_eq!(trial().without(&["z"]).lines(), ["a", "m", "n", "y"]);
    }

    #[test]
    fn a_seed_may_fill_a_source() {
        let seed = ("seeds/raw_t.csv", "id\n1\n");
        assert_eq!(with_source(&[seed, READER], "").lines(), ["m ~raw_t", "raw_t"]);
    }

    #[test]
    fn a_node_waits_for_the_builder_of_a_source_that_its_guard_reads() {
        let properties = tests_of_models(&[("t", "a", "source('raw', 'r')")]);
        let guarded = with_source(&[A, BUILDER], &properties);
        assert_eq!(guarded.lines(), ["a [t] ~z", "z"]);
        assert_eq!(guarded.unaudited().lines(), ["a", "t <a ~z", "z"]);
        let of_builder = tests_of_models(&[("t", "z", "source('raw', 'r')")]);
        let of_builder = with_source(&[BUILDER], &of_builder);
        assert_eq!(of_builder.lines(), ["z [t]"]);
        assert!(of_builder.plan().notes.is_empty());
    }

    #[test]
    fn a_builder_may_read_its_own_source() {
        let own = "{{ config(alias='raw_t') }} select * from {{ source('raw', 'r') }}";
        let trial = with_source(&[("models/z.sql", own)], "");
        assert_eq!(trial.lines(), ["z"]);
        assert!(trial.plan().notes.is_empty());
    }

    #[test]
    fn what_lies_outside_of_the_database_is_built_by_nobody() {
        let source = "sources: [{name: raw, schema: main, tables: [{name: r, identifier: raw_t, \
                      config: {external_location: r.csv}}]}]";
        let trial = Trial::new(&[BUILDER, READER, ("models/s.yml", source)]);
        assert_eq!(trial.lines(), ["m", "z"]);
    }

    fn note(reader: &str, source: &str, builder: &str) -> Vec<(String, String)> {
        let why = format!(
            "reads source `raw.{source}` before `{builder}` builds that relation, \
             since `{builder}` depends on it"
        );
        vec![(reader.to_owned(), why)]
    }

    #[test]
    fn a_reader_that_the_builder_depends_on_is_noted() {
        let builder = "{{ config(alias='raw_t') }} select * from {{ ref('m') }}";
        let trial = with_source(&[READER, ("models/z.sql", builder)], "");
        assert_eq!(trial.lines(), ["m", "z <m"]);
        assert_eq!(trial.named(&trial.plan().notes), note("m", "r", "z"));
    }

    #[test]
    fn edges_that_only_order_close_no_circle_either() {
        // The guard puts `m` before `z`.
        let guard = tests_of_models(&[("t", "z", "ref('m')")]);
        let guarded = with_source(&[READER, BUILDER], &guard);
        assert_eq!(guarded.lines(), ["m", "z [t] ~m"]);
        assert_eq!(guarded.named(&guarded.plan().notes), note("m", "r", "z"));
        // Each of two builders reads the relation that the other one builds.
        let of_two = Trial::new(&[
            ("models/b1.sql", "{{ config(alias='t1') }} select * from {{ source('raw', 'r2') }}"),
            ("models/b2.sql", "{{ config(alias='t2') }} select * from {{ source('raw', 'r1') }}"),
            (
                "models/s.yml",
                "sources: [{name: raw, schema: main, tables: \
                 [{name: r1, identifier: t1}, {name: r2, identifier: t2}]}]",
            ),
        ]);
        assert_eq!(of_two.lines(), ["b1", "b2 ~b1"]);
        assert_eq!(of_two.named(&of_two.plan().notes), note("b1", "r2", "b2"));
    }
}
