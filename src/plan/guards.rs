//! Decides which test guards which node (the guard rule of ARCHITECTURE.md: each test guards at
//! most one node).

use super::steps::{CommandVerb, PlanRequest};
use crate::manifest::{Manifest, NodeId};
use petgraph::algo::has_path_connecting;
use petgraph::graphmap::DiGraphMap;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The node that each guarding test guards, order edges (before, behind), and the tests that guard
/// nothing, with the reason.
#[derive(Debug, Default)]
pub(super) struct TestPlacement {
    pub(super) guards: HashMap<NodeId, NodeId>,
    pub(super) order: Vec<(NodeId, NodeId)>,
    pub(super) unguarded: Vec<(NodeId, String)>,
}

/// Decides for every selected data test which node it guards.
///
/// G is the set of nodes that the test reads and that this run builds as a candidate or a delta.
/// The test guards the last node of G in plan order; everything else that it reads and this run
/// builds is published before, by order edges. If no other node of G depends on the tested node,
/// the tested one counts as the last, so that a `relationships` test holds back the referencing
/// relation.
pub(super) fn place_tests(request: &PlanRequest<'_>, position: &[usize]) -> TestPlacement {
    debug_assert_eq!(request.verb, CommandVerb::Build);
    let mut out = TestPlacement::default();
    // The dependencies and the order edges so far, to detect cycles.
    let mut graph: Option<DiGraphMap<NodeId, ()>> = None;
    for id in request.selected.iter().filter(|id| request.is_test(*id)) {
        let test = request.manifest.node(id);
        let candidates: Vec<NodeId> =
            test.depends_on.iter().copied().filter(|n| has_candidate(request, *n)).collect();
        if candidates.is_empty() {
            if test
                .depends_on
                .iter()
                .map(|n| request.manifest.node(*n))
                .any(|n| request.builds(n.id) && !n.is_function() || n.is_ephemeral())
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
        // An edge along the graph's order closes no cycle unless an earlier one went against it.
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

/// Whether the run builds a SQL node beside its published relation: the node is no function, has
/// not opted out of audits (`audit: false`), its materialization does not publish the relation
/// itself, and it is not built in batches, each of which is published.
fn has_candidate(request: &PlanRequest<'_>, id: NodeId) -> bool {
    let node = request.manifest.node(id);
    request.builds(id)
        && node.sql
        && !node.is_function()
        && node.typed.build().is_none_or(|config| config.is_audited)
        && node.typed.microbatch().is_none()
        && !(request.publishes_itself)(id)
}

/// The stored relations that a node reads, directly or through ephemeral models.
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
            && !request.existing.is_readable(relation)
    })
}

/// The tested node, unless another node of G depends on it; then the last node of G in the graph's
/// order.
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

#[cfg(test)]
mod tests {
    use super::super::CommandVerb;
    use super::super::testing::{Trial, tests_of_models};
    use super::stored_reads;
    use crate::engine::RelationKind;

    const A: (&str, &str) = ("models/a.sql", "select 1 as id");
    const B: (&str, &str) = ("models/b.sql", "select 2 as id");
    const C: (&str, &str) = ("models/c.sql", "select 3 as id");
    /// A model that reads `a`.
    const B_ON_A: (&str, &str) = ("models/b.sql", "select 2 as id -- {{ ref('a') }}");

    /// A plan of models and their tests.
    fn trial(models: &[(&str, &str)], tests: &[(&str, &str, &str)]) -> Trial {
        let properties = tests_of_models(tests);
        Trial::new(&[models, &[("models/p.yml", properties.as_str())]].concat())
    }

    /// The tests that guard nothing although the command audits, with the reason.
    fn unguarded(trial: &Trial) -> Vec<(String, String)> {
        trial.named(&trial.plan().unguarded)
    }

    fn because(test: &str, reason: &str) -> Vec<(String, String)> {
        vec![(test.to_owned(), reason.to_owned())]
    }

    const NOTHING_BESIDE: &str = "reads nothing that is built beside the published relation";
    const CIRCLE: &str = "its relations wait for each other";

    #[test]
    fn a_test_of_one_node_guards_it() {
        let trial = trial(&[A, B_ON_A], &[("t", "a", ""), ("u", "a", ""), ("v", "b", "")]);
        assert_eq!(trial.lines(), ["a [t u]", "b [v] <a"]);
        assert!(unguarded(&trial).is_empty());
    }

    #[test]
    fn a_test_of_two_nodes_guards_the_later_one() {
        for (tested, other) in [("a", "ref('b')"), ("b", "ref('a')")] {
            let trial = trial(&[A, B_ON_A], &[("t", tested, other)]);
            assert_eq!(trial.lines(), ["a", "b [t] <a ~a"], "{tested}");
            assert!(unguarded(&trial).is_empty());
        }
    }

    #[test]
    fn a_node_that_depends_on_the_tested_one_on_any_way_is_later() {
        let files = [
            A,
            ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('a') }}"),
            ("models/x.sql", "select * from {{ ref('e') }}"),
            ("models/b.sql", "select * from {{ ref('x') }}"),
        ];
        let trial = trial(&files, &[("t", "a", "ref('b')")]).without(&["x"]);
        assert_eq!(trial.lines(), ["a", "b [t] <a ~a"]);
    }

    /// This makes a `relationships` test hold back the referencing relation.
    #[test]
    fn of_nodes_that_do_not_depend_on_each_other_the_tested_one_is_the_later() {
        let of_a = trial(&[A, B], &[("t", "a", "ref('b')")]);
        assert_eq!(of_a.lines(), ["a [t] ~b", "b"]);
        let of_b = trial(&[A, B], &[("t", "b", "ref('a')")]);
        assert_eq!(of_b.lines(), ["a", "b [t] ~a"]);
    }

    #[test]
    fn a_test_without_a_tested_node_guards_the_last_that_it_reads() {
        for reads in ["{{ ref('a') }} {{ ref('c') }}", "{{ ref('c') }} {{ ref('a') }}"] {
            let test = format!("select 1 -- {reads}");
            let below_b = ("models/c.sql", "select 3 as id -- {{ ref('b') }}");
            let trial = Trial::new(&[A, B_ON_A, below_b, ("tests/t.sql", test.as_str())]);
            assert_eq!(trial.lines(), ["a", "b <a", "c [t] <b ~a"], "{reads}");
        }
    }

    #[test]
    fn what_is_read_through_an_ephemeral_model_is_published_before() {
        let trial = Trial::new(&[
            A,
            B,
            ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('a') }}"),
            ("tests/t.sql", "select 1 -- {{ ref('e') }} {{ ref('b') }}"),
        ]);
        assert_eq!(trial.lines(), ["a", "b [t] ~a"]);
    }

    #[test]
    fn what_is_not_built_beside_its_relation_is_tested_when_it_is_published() {
        let not_audited = ("models/a.sql", "{{ config(audit=false) }} select 1 as id");
        let python = ("models/a.py", "def model(dbt, session):\n    return 1\n");
        for model in [not_audited, python] {
            let trial = trial(&[model], &[("t", "a", "")]);
            assert_eq!(trial.lines(), ["a", "t <a"], "{}", model.0);
            assert_eq!(unguarded(&trial), because("t", NOTHING_BESIDE));
        }
        let own = Trial { publishes_itself: "a", ..trial(&[A], &[("t", "a", "")]) };
        assert_eq!(own.lines(), ["a", "t <a"]);
        assert_eq!(unguarded(&own), because("t", NOTHING_BESIDE));
        let ephemeral = ("models/a.sql", "{{ config(materialized='ephemeral') }} select 1 as id");
        let trial = trial(&[ephemeral], &[("t", "a", "")]);
        assert_eq!(trial.lines(), ["t"]);
        assert_eq!(unguarded(&trial), because("t", NOTHING_BESIDE));
    }

    #[test]
    fn a_test_of_what_is_not_built_needs_no_reason() {
        let of_rest = trial(&[A, B], &[("t", "a", "")]).without(&["a"]);
        assert_eq!(of_rest.lines(), ["b", "t"]);
        assert!(unguarded(&of_rest).is_empty());
        let source = "sources: [{name: raw, tables: [{name: r, \
                      columns: [{name: id, data_tests: [{not_null: {name: t}}]}]}]}]";
        let of_source = Trial::new(&[("models/s.yml", source)]);
        assert_eq!(of_source.lines(), ["t"]);
        assert!(unguarded(&of_source).is_empty());
        let of_nothing = Trial::new(&[A, ("tests/t.sql", "select 1")]);
        assert_eq!(of_nothing.lines(), ["a", "t"]);
        assert!(unguarded(&of_nothing).is_empty());
    }

    #[test]
    fn of_two_nodes_the_one_that_is_audited_is_guarded() {
        let not_audited = ("models/a.sql", "{{ config(audit=false) }} select 1 as id");
        let trial = trial(&[not_audited, B], &[("t", "a", "ref('b')")]);
        assert_eq!(trial.lines(), ["a", "b [t] ~a"]);
        assert!(unguarded(&trial).is_empty());
    }

    #[test]
    fn a_node_is_not_guarded_by_a_test_of_what_waits_for_it() {
        let below_a =
            ("models/b.sql", "{{ config(audit=false) }} select 2 as id -- {{ ref('a') }}");
        let trial = trial(&[A, below_a], &[("t", "a", "ref('b')")]);
        assert_eq!(trial.lines(), ["a", "b <a", "t <a b"]);
        assert_eq!(unguarded(&trial), because("t", CIRCLE));
    }

    #[test]
    fn the_test_that_would_close_a_circle_guards_nothing() {
        let (t1, t2) = (("t1", "a", "ref('b')"), ("t2", "b", "ref('a')"));
        let first = trial(&[A, B], &[t1, t2]);
        assert_eq!(first.lines(), ["a [t1] ~b", "b", "t2 <a b"]);
        assert_eq!(unguarded(&first), because("t2", CIRCLE));
        let second = trial(&[A, B], &[t2, t1]);
        assert_eq!(second.lines(), ["a", "b [t2] ~a", "t1 <a b"]);
        assert_eq!(unguarded(&second), because("t1", CIRCLE));
    }

    #[test]
    fn a_circle_is_seen_over_the_edges_of_several_tests() {
        let (t1, t2, t3) =
            (("t1", "a", "ref('b')"), ("t2", "b", "ref('c')"), ("t3", "c", "ref('a')"));
        let forth = trial(&[A, B, C], &[t1, t2, t3]);
        assert_eq!(forth.lines(), ["a [t1] ~b", "b [t2] ~c", "c", "t3 <a c"]);
        assert_eq!(unguarded(&forth), because("t3", CIRCLE));
        let back = trial(&[A, B, C], &[t3, t2, t1]);
        assert_eq!(back.lines(), ["a", "b [t2] ~c", "c [t3] ~a", "t1 <a b"]);
        assert_eq!(unguarded(&back), because("t1", CIRCLE));
    }

    #[test]
    fn a_test_whose_other_relation_is_missing_guards_nothing() {
        let of_two = || trial(&[A, B], &[("t", "a", "ref('b')")]);
        let without_b = || of_two().without(&["b"]);
        let missing = "reads `b`, which this run does not build and the database does not have";
        let gone = without_b().beside(&[]);
        assert_eq!(gone.lines(), ["a", "t <a"]);
        assert_eq!(unguarded(&gone), because("t", missing));
        let there = without_b().beside(&[("b", RelationKind::Table)]);
        assert_eq!(there.lines(), ["a [t]"]);
        assert_eq!(without_b().lines(), ["a [t]"], "nothing is known of the database");
        assert_eq!(of_two().beside(&[]).lines(), ["a [t] ~b", "b"], "both are built");
    }

    #[test]
    fn what_lies_outside_of_the_database_is_not_missing() {
        let source =
            |config: &str| format!("sources: [{{name: raw, tables: [{{name: r{config}}}]}}]");
        let properties = tests_of_models(&[("t", "a", "source('raw', 'r')")]);
        let lines = |config: &str| {
            let source = source(config);
            let files =
                [A, ("models/p.yml", properties.as_str()), ("models/s.yml", source.as_str())];
            Trial::new(&files).beside(&[]).lines()
        };
        assert_eq!(lines(""), ["a", "t <a"]);
        assert_eq!(lines(", config: {external_location: r.csv}"), ["a [t]"]);
    }

    #[test]
    fn only_a_build_that_audits_has_guards() {
        let audited = || trial(&[A], &[("t", "a", "")]);
        assert_eq!(audited().lines(), ["a [t]"]);
        assert_eq!(audited().unaudited().lines(), ["a", "t <a"]);
        assert!(unguarded(&audited().unaudited()).is_empty());
        assert_eq!(audited().asked_to(CommandVerb::Run).lines(), ["a"]);
        assert_eq!(audited().asked_to(CommandVerb::Test).lines(), ["t"]);
        assert_eq!(audited().without(&["t"]).lines(), ["a"]);
    }

    #[test]
    fn stored_reads_are_those_through_ephemeral_models() {
        let ephemeral = "{{ config(materialized='ephemeral') }} select 1 as id -- ";
        let (e, f) = (
            format!("{ephemeral} {{{{ ref('a') }}}} {{{{ source('raw', 'r') }}}}"),
            format!("{ephemeral} {{{{ ref('e') }}}} {{{{ ref('b') }}}} {{{{ ref('a') }}}}"),
        );
        let trial = Trial::new(&[
            A,
            B_ON_A,
            ("models/e.sql", e.as_str()),
            ("models/f.sql", f.as_str()),
            ("models/m.sql", "select * from {{ ref('f') }}"),
            ("models/s.yml", "sources: [{name: raw, tables: [{name: r}]}]"),
        ]);
        let read = |name: &str| -> Vec<String> {
            stored_reads(&trial.manifest, trial.id(name)).iter().map(|id| trial.name(*id)).collect()
        };
        assert_eq!(read("m"), ["a", "b", "r"]);
        assert_eq!(read("b"), ["a"]);
        assert_eq!(read("a"), [""; 0]);
    }
}
