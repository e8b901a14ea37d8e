//! Property tests of plans, over random graphs.

#[cfg(test)]
mod tests {
    use crate::engine::ExistingRelations;
    use crate::manifest::{Manifest, NodeId, NodeSet, ResourceType};
    use crate::plan::steps::has_step;
    use crate::plan::{CommandVerb, Plan, PlanRequest, StartOrder, plan_steps};
    use crate::resolve::testing::project;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A random model: the earlier models that it reads, its config, and its tests.
    #[derive(Clone, Debug)]
    struct Sketch {
        reads: Vec<usize>,
        config: usize,
        not_null: bool,
        relationships: Option<usize>,
        unit_test: bool,
        source: bool,
    }

    const CONFIGS: [&str; 4] = [
        "",
        "{{ config(materialized='ephemeral') }}",
        "{{ config(audit=false) }}",
        "{{ config(alias='raw_t') }}",
    ];

    fn sketch() -> impl Strategy<Value = Sketch> {
        let reads = prop::collection::vec(0usize..12, 0..3);
        let relationships = prop::option::weighted(0.3, 0usize..12);
        let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
        (reads, prop::sample::select(vec![0usize, 0, 0, 0, 1, 2]), relationships, flags).prop_map(
            |(reads, config, relationships, (not_null, unit_test, source))| Sketch {
                reads,
                config,
                not_null,
                relationships,
                unit_test,
                source,
            },
        )
    }

    /// The files of a project. `builder` is the model that builds the relation of the only source.
    fn files(models: &[Sketch], builder: Option<usize>) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let mut properties = String::from(
            "sources: [{name: raw, schema: main, tables: [{name: raw_t, data_tests: [{not_null: {column_name: c}}]}]}]\nmodels:\n",
        );
        let mut unit_tests = String::from("unit_tests:\n");
        for (i, model) in models.iter().enumerate() {
            let config = if builder == Some(i) { CONFIGS[3] } else { CONFIGS[model.config] };
            let mut sql = format!("{config} select 1 as c");
            for read in model.reads.iter().filter(|r| **r < i) {
                sql.push_str(&format!(" -- {{{{ ref('m{read}') }}}}"));
            }
            if model.source {
                sql.push_str(" -- {{ source('raw', 'raw_t') }}");
            }
            files.push((format!("models/m{i}.sql"), sql));
            properties.push_str(&format!(
                "  - name: m{i}\n    columns:\n      - name: c\n        data_tests:\n          - unique\n"
            ));
            if model.not_null {
                properties.push_str("          - not_null\n");
            }
            if let Some(to) = model.relationships.filter(|to| *to < models.len()) {
                properties.push_str(&format!(
                    "          - relationships: {{arguments: {{to: ref('m{to}'), field: c}}}}\n"
                ));
            }
            if model.unit_test {
                unit_tests.push_str(&format!(
                    "  - {{name: u{i}, model: m{i}, given: [], expect: {{rows: [{{c: 1}}]}}}}\n"
                ));
            }
        }
        let unit_tests =
            if models.iter().any(|m| m.unit_test) { unit_tests } else { String::new() };
        files.push(("models/p.yml".to_owned(), properties + &unit_tests));
        files
    }

    fn planned(manifest: &Manifest, selected: &NodeSet, audit: bool, order: StartOrder) -> Plan {
        let request = PlanRequest {
            manifest,
            selected,
            existing: &ExistingRelations::Unknown,
            verb: CommandVerb::Build,
            audit,
            full_refresh: false,
            store_failures: false,
            order,
            publishes_itself: &|_| false,
        };
        let plan = plan_steps(&request).unwrap_or_else(|d| panic!("{}", d.message));
        let mut seen: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (number, step) in plan.steps.iter().enumerate() {
            assert!(
                step.parents.iter().chain(&step.after).all(|p| *p < number),
                "a step comes before what it waits for"
            );
            for id in step.guards.iter().chain([&step.node]) {
                *seen.entry(*id).or_default() += 1;
            }
        }
        for node in manifest.all() {
            let expected = usize::from(has_step(&request, node.id));
            assert_eq!(seen.get(&node.id).copied().unwrap_or(0), expected, "{}", node.unique_id);
        }
        plan
    }

    /// For each step, all steps that it waits for, directly or not.
    fn before(plan: &Plan) -> Vec<std::collections::BTreeSet<usize>> {
        let mut all: Vec<std::collections::BTreeSet<usize>> = Vec::new();
        for step in &plan.steps {
            let mut mine = std::collections::BTreeSet::new();
            for p in step.parents.iter().chain(&step.after) {
                mine.insert(*p);
                mine.extend(all[*p].iter().copied());
            }
            all.push(mine);
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_selected_node_that_runs_has_one_place(
            models in prop::collection::vec(sketch(), 1..10),
            builder in prop::option::of(0usize..10),
            excluded in prop::collection::vec(0usize..40, 0..6),
            audit in any::<bool>(),
            longest in any::<bool>(),
        ) {
            let builder = builder.filter(|b| models.get(*b).is_some_and(|m| m.config != 1));
            let files = files(&models, builder);
            let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
            let (manifest, out) = project(&files);
            prop_assert!(out.iter().all(|d| !d.is_error()), "{:?}", out);
            let ids = manifest.all().map(|n| n.id);
            let selected: NodeSet = ids.filter(|id| !excluded.contains(&id.index())).collect();
            let order = if longest { StartOrder::LongestPath } else { StartOrder::Level };
            let plan = planned(&manifest, &selected, audit, order);
            // A model comes after the nodes that it reads and after its unit tests; its data tests
            // come after it or guard it.
            let before = before(&plan);
            let number: BTreeMap<NodeId, usize> = plan.steps.iter().enumerate().map(|(i, s)| (s.node, i)).collect();
            for (i, step) in plan.steps.iter().enumerate() {
                let node = manifest.node(step.node);
                for read in &node.depends_on {
                    let Some(other) = number.get(read) else { continue };
                    match node.resource_type() {
                        ResourceType::UnitTest => prop_assert!(before[*other].contains(&i)),
                        _ => prop_assert!(before[i].contains(other)),
                    }
                }
                for guard in &step.guards {
                    for read in manifest.node(*guard).depends_on.iter().filter(|r| **r != step.node) {
                        prop_assert!(number.get(read).is_none_or(|other| before[i].contains(other)));
                    }
                }
            }
            // Readers of the source come after the model that builds its relation, or a note says
            // why not.
            if let Some(built) = builder.and_then(|b| manifest.get(&format!("model.shop.m{b}"))).and_then(|n| number.get(&n.id)) {
                let source = manifest.all().find(|n| n.resource_type() == ResourceType::Source).map(|n| n.id);
                for (i, step) in plan.steps.iter().enumerate().filter(|(i, _)| i != built) {
                    let reads = manifest.node(step.node).depends_on.iter().any(|r| Some(*r) == source);
                    let noted = plan.notes.iter().any(|(n, _)| *n == step.node);
                    prop_assert!(!reads || noted || before[i].contains(built), "{:?}", manifest.node(step.node).unique_id);
                }
            }
        }
    }

    #[test]
    fn a_unit_test_and_a_data_test_of_one_model_close_no_cycle() {
        let (manifest, _) = project(&[
            ("models/a.sql", "select 1 as c"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
            (
                "models/p.yml",
                "models: [{name: a, columns: [{name: c, data_tests: [not_null]}]}]\nunit_tests: [{name: u, model: a, given: [], expect: {rows: [{c: 1}]}}]\n",
            ),
        ]);
        let selected: NodeSet = manifest.all().map(|n| n.id).collect();
        for audit in [true, false] {
            let plan = planned(&manifest, &selected, audit, StartOrder::Level);
            let names: Vec<&str> =
                plan.steps.iter().map(|s| &*manifest.node(s.node).name).collect();
            assert_eq!(
                names,
                if audit { vec!["u", "a", "b"] } else { vec!["u", "a", "not_null_a_c", "b"] }
            );
        }
    }

    /// The order in which dbt 1.11 runs the project of finding K16 with one thread: by level, then
    /// by unique id.
    #[test]
    fn ready_steps_begin_by_level_then_by_id() {
        let (manifest, _) = project(&[
            ("models/aroot.sql", "select 1 as x"),
            ("models/deep1.sql", "select 1 as x -- {{ ref('aroot') }}"),
            ("models/deep2.sql", "select * from {{ ref('deep1') }}"),
            ("models/hid.sql", "select 2 as x"),
        ]);
        let selected: NodeSet = manifest.all().map(|n| n.id).collect();
        let by_turn = |order| {
            let plan = planned(&manifest, &selected, false, order);
            let mut steps: Vec<_> = plan
                .steps
                .iter()
                .map(|s| (s.turn, manifest.node(s.node).name.to_string()))
                .collect();
            steps.sort();
            steps.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(by_turn(StartOrder::Level), ["aroot", "hid", "deep1", "deep2"]);
        assert_eq!(by_turn(StartOrder::LongestPath), ["aroot", "deep1", "hid", "deep2"]);
    }
}
