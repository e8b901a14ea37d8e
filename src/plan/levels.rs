//! The order in which ready steps start, as in dbt's queue.
//!
//! dbt takes the graph of the selected nodes (edges pass through nodes that are not selected; in
//! `build`, a node that depends on a tested node also depends on its tests). A node's level is the
//! number of nodes above it on the longest path. Nodes start in the order in which they become
//! ready; of those that become ready at the same moment, the one with the smallest pair of level
//! and unique id is first. There is no barrier between levels.

use super::edges::first_behind;
use super::steps::{CommandVerb, PlanRequest, has_step};
use crate::manifest::{NodeId, UniqueId};
use std::collections::HashMap;

/// The sort key of steps that are ready: the smallest starts first. A unit test has the key of its
/// model, and comes right before it.
pub(super) type StartKey = (usize, UniqueId, bool, UniqueId);

/// The keys of all nodes that have a step or guard one. `order` has parents before children.
pub(super) fn start_keys(request: &PlanRequest<'_>, order: &[NodeId]) -> HashMap<NodeId, StartKey> {
    let manifest = request.manifest;
    let mut tests_before: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    if request.verb == CommandVerb::Build {
        for test in manifest.nodes.iter().map(|n| n.id).filter(|id| request.is_test(*id)) {
            for waiting in first_behind(manifest, test) {
                tests_before.entry(waiting).or_default().push(test);
            }
        }
    }
    let mut levels = vec![0usize; manifest.nodes.len()];
    // The level that a node gives to its children: its own, plus one if it counts as a node.
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

/// Whether an ephemeral model counts for levels: dbt's graph contains it, although nothing runs.
fn counts_ephemeral(request: &PlanRequest<'_>, id: NodeId) -> bool {
    let stores = !matches!(request.verb, CommandVerb::Test | CommandVerb::Export);
    stores && request.selected.contains(id) && request.manifest.node(id).is_ephemeral()
}

/// The order of nodes, with each test moved before the nodes that wait for it.
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Trial, tests_of_models};
    use super::*;

    const A: (&str, &str) = ("models/a.sql", "select 1 as id");
    const C_ON_A: (&str, &str) = ("models/c.sql", "select * from {{ ref('a') }}");
    const E_ON_A: (&str, &str) =
        ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('a') }}");

    /// The level of each node that has a key, by name.
    fn levels(trial: &Trial) -> Vec<(String, usize)> {
        let order = trial.manifest.graph.order().unwrap();
        let keys = trial.ask(|request| start_keys(request, &order));
        let mut levels: Vec<(String, usize)> =
            keys.iter().map(|(id, key)| (trial.name(*id), key.0)).collect();
        levels.sort();
        levels
    }

    fn named(levels: &[(&str, usize)]) -> Vec<(String, usize)> {
        levels.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
    }

    #[test]
    fn a_level_is_the_number_of_selected_nodes_above_on_the_longest_way() {
        let trial = Trial::new(&[
            ("models/s.yml", "sources: [{name: raw, tables: [{name: r}]}]"),
            ("models/a.sql", "select * from {{ source('raw', 'r') }}"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
            ("models/d.sql", "select * from {{ ref('b') }}, {{ ref('a') }}"),
            E_ON_A,
            ("models/f.sql", "select * from {{ ref('e') }}"),
            ("models/x.sql", "select * from {{ ref('a') }}"),
            ("models/y.sql", "select * from {{ ref('x') }}"),
        ])
        .without(&["x"]);
        let of_models = [("a", 0), ("b", 1), ("d", 2), ("f", 2), ("y", 1)];
        assert_eq!(levels(&trial), named(&of_models));
        let trial = trial.without(&["e"]);
        assert_eq!(levels(&trial)[3], ("f".to_owned(), 1), "an ephemeral model counts if selected");
    }

    #[test]
    fn in_a_build_a_test_is_above_what_waits_for_it() {
        let tests = tests_of_models(&[("t", "a", "")]);
        let tested = || Trial::new(&[A, C_ON_A, ("models/p.yml", tests.as_str())]);
        let with_test = named(&[("a", 0), ("c", 2), ("t", 1)]);
        assert_eq!(levels(&tested()), with_test, "whether or not it is a step of its own");
        assert_eq!(levels(&tested().unaudited()), with_test);
        let models = named(&[("a", 0), ("c", 1)]);
        assert_eq!(levels(&tested().without(&["t"])), models);
        assert_eq!(levels(&tested().asked_to(CommandVerb::Run)), models);
    }

    #[test]
    fn a_test_is_above_what_waits_for_it_wherever_it_stands_in_the_order() {
        let exposure = "exposures: \
            [{name: x, type: dashboard, owner: {name: o}, depends_on: [ref('a')]}]";
        let trial = Trial::new(&[
            A,
            ("tests/t.sql", "select * from {{ ref('a') }}"),
            ("models/x.yml", exposure),
        ]);
        assert_eq!(levels(&trial), named(&[("a", 0), ("t", 1), ("x", 2)]));
    }

    #[test]
    fn what_only_tests_or_exports_counts_nothing_that_is_stored() {
        let properties = tests_of_models(&[("t", "f", "")])
            + "exports: [{name: x, type: csv, model: ref('f')}]\n";
        let trial = || {
            Trial::new(&[
                A,
                E_ON_A,
                ("models/f.sql", "select * from {{ ref('e') }}"),
                ("models/p.yml", properties.as_str()),
            ])
        };
        assert_eq!(levels(&trial()), named(&[("a", 0), ("f", 2), ("t", 3), ("x", 4)]));
        assert_eq!(levels(&trial().asked_to(CommandVerb::Test)), named(&[("t", 0)]));
        assert_eq!(levels(&trial().asked_to(CommandVerb::Export)), named(&[("x", 0)]));
    }

    #[test]
    fn ready_steps_begin_by_level_then_by_id_unit_tests_right_before_their_models() {
        let unit_test = "unit_tests: \
            [{name: u, model: c, given: [], expect: {rows: [{id: 1}]}}]\n";
        let properties = tests_of_models(&[("t", "y", "")]) + unit_test;
        let trial = || {
            Trial::new(&[
                A,
                C_ON_A,
                ("models/b.sql", "select * from {{ ref('a') }}"),
                ("models/d.sql", "select * from {{ ref('y') }}"),
                ("models/y.sql", "select 2 as id"),
                ("models/p.yml", properties.as_str()),
            ])
            .unaudited()
        };
        assert_eq!(trial().by_turn(), ["a", "y", "b", "u", "c", "t", "d"]);
        assert_eq!(trial().asked_to(CommandVerb::Run).by_turn(), ["a", "y", "b", "c", "d"]);
    }
}
