//! Makes the steps of a plan and orders them.

use super::edges::{NearestMembers, StepEdges, hold_back, order_sources};
use super::guards::{TestPlacement, place_tests};
use super::levels::{StartKey, start_keys};
use super::{Plan, Step, StepId};
use crate::diag::{Code, Diagnostic};
use crate::engine::ExistingRelations;
use crate::manifest::{Manifest, Materialization, NodeId, NodeKind, NodeSet, ResourceType};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The command that is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandVerb {
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
    Compile,
    Export,
    /// Views of the relations of another state. No step waits for another one.
    Clone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Build,
    Test,
    /// Exports a published relation.
    Export,
    /// Exposures and saved queries: nothing runs, but they have a line in the results.
    NoOp,
}

/// The inputs of a plan.
pub(crate) struct PlanRequest<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) selected: &'a NodeSet,
    pub(crate) existing: &'a ExistingRelations,
    pub(crate) verb: CommandVerb,
    /// Audit before publishing: `build` without `--no-audit`.
    pub(crate) audit: bool,
    pub(crate) full_refresh: bool,
    /// Whether tests store their failing rows if their config does not say.
    pub(crate) store_failures: bool,
    pub(crate) order: StartOrder,
    /// Whether a custom (Jinja) materialization builds a node, and so publishes it itself.
    pub(crate) publishes_itself: &'a dyn Fn(NodeId) -> bool,
}

impl PlanRequest<'_> {
    pub(super) fn is_test(&self, id: NodeId) -> bool {
        matches!(self.manifest.node(id).kind, NodeKind::Test(_))
    }

    pub(super) fn is_unit_test(&self, id: NodeId) -> bool {
        matches!(self.manifest.node(id).kind, NodeKind::UnitTest(_))
    }

    /// Whether this run stores the node as a relation.
    pub(super) fn builds(&self, id: NodeId) -> bool {
        let node = self.manifest.node(id);
        self.selected.contains(id)
            && node.resource_type().is_published()
            && !node.is_ephemeral()
            && (node.resource_type().is_refable() || self.verb == CommandVerb::Build)
            && !matches!(self.verb, CommandVerb::Test | CommandVerb::Export)
    }
}

/// Which of the ready steps starts first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StartOrder {
    /// In the order in which they become ready, as in dbt's queue; of those that become ready at
    /// the same moment, by level in the graph of selected nodes, then by unique id. Projects that
    /// read a relation without `ref` depend on this.
    #[default]
    Level,
    /// By the length of the longest chain of steps behind it, the longest first. This gives the
    /// shortest run if there are many threads.
    LongestPath,
}

/// Plans a command. An error is a bug in this module: every selected node must get its place.
pub(crate) fn plan_steps(request: &PlanRequest<'_>) -> Result<Plan, Box<Diagnostic>> {
    let manifest = request.manifest;
    let Some(order) = manifest.graph.order() else { return Err(unplaced("the graph has a cycle")) };
    let mut position = vec![0usize; manifest.nodes.len()];
    for (i, id) in order.iter().enumerate() {
        position[id.index()] = i;
    }
    let placed: TestPlacement = if request.audit && request.verb == CommandVerb::Build {
        place_tests(request, &position)
    } else {
        TestPlacement::default()
    };
    // Nodes with a step of their own: stored nodes, exposures, and tests that guard nothing.
    let own: Vec<NodeId> = order
        .iter()
        .copied()
        .filter(|id| has_step(request, *id) && !placed.guards.contains_key(id))
        .collect();
    let members: HashSet<NodeId> = own.iter().copied().collect();
    let nearest = NearestMembers::new(manifest, &members);
    let mut edges: HashMap<NodeId, StepEdges> = HashMap::new();
    for id in &own {
        let mut parents = nearest.above(*id);
        if matches!(request.verb, CommandVerb::Test | CommandVerb::Clone) {
            parents.clear();
        }
        edges.insert(*id, StepEdges { parents, after: BTreeSet::new() });
    }
    for (before, behind) in &placed.order {
        if let Some(e) = edges.get_mut(behind) {
            e.after.insert(*before);
        }
    }
    if request.verb == CommandVerb::Build {
        hold_back(request, &own, &members, &mut edges);
    }
    let notes = order_sources(request, &members, &placed.guards, &mut edges);
    let mut guards: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (test, node) in placed.guards.iter().collect::<BTreeMap<_, _>>() {
        guards.entry(*node).or_default().push(*test);
    }
    let keys = start_keys(request, &order);
    let parts = Parts { own, edges, guards, unguarded: placed.unguarded, notes };
    assemble(request, parts, &position, &keys)
}

fn unplaced(why: &str) -> Box<Diagnostic> {
    let d = Diagnostic::error(Code::Internal, format!("the run cannot be planned: {why}"));
    Box::new(
        d.help("nothing was run; please report this with the project's `strata ls --output json`"),
    )
}

/// Whether a selected node gets a result of its own from the command.
pub(super) fn has_step(request: &PlanRequest<'_>, id: NodeId) -> bool {
    if !request.selected.contains(id) {
        return false;
    }
    let node = request.manifest.node(id);
    match node.resource_type() {
        ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot => {
            !node.is_ephemeral() && !matches!(request.verb, CommandVerb::Test | CommandVerb::Export)
        }
        ResourceType::Function => request.verb == CommandVerb::Build,
        ResourceType::Test | ResourceType::UnitTest => {
            matches!(request.verb, CommandVerb::Build | CommandVerb::Test)
        }
        ResourceType::Export => matches!(request.verb, CommandVerb::Build | CommandVerb::Export),
        ResourceType::Exposure | ResourceType::SavedQuery => request.verb == CommandVerb::Build,
        _ => false,
    }
}

/// The nodes and edges that `assemble` makes steps from.
struct Parts {
    own: Vec<NodeId>,
    edges: HashMap<NodeId, StepEdges>,
    guards: HashMap<NodeId, Vec<NodeId>>,
    unguarded: Vec<(NodeId, String)>,
    notes: Vec<(NodeId, String)>,
}

/// Sorts the steps topologically and gives each its turn.
fn assemble(
    request: &PlanRequest<'_>,
    parts: Parts,
    position: &[usize],
    keys: &HashMap<NodeId, StartKey>,
) -> Result<Plan, Box<Diagnostic>> {
    let Parts { own, edges, mut guards, unguarded, notes } = parts;
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
    // Kahn's algorithm; the graph's own order decides between nodes that are ready.
    let mut ready: BTreeSet<(usize, NodeId)> = own
        .iter()
        .filter(|id| waiting.get(id) == Some(&0))
        .map(|id| (position[id.index()], *id))
        .collect();
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
    if let Some(id) = own.iter().find(|id| !number.contains_key(id)) {
        return Err(unplaced(&format!(
            "`{}` waits for itself",
            request.manifest.node(*id).unique_id
        )));
    }
    let turns = turns(request, &sorted, &behind, keys);
    let mut plan = Plan {
        steps: Vec::with_capacity(sorted.len()),
        schemas: schemas(request),
        unguarded,
        notes,
        order: request.order,
    };
    for id in sorted {
        let e = &edges[&id];
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
            parents: step_numbers(&e.parents, &number),
            after: step_numbers(&e.after, &number),
            turn: turns[&id],
            reason: reason(request, id, action),
        });
    }
    Ok(plan)
}

fn step_numbers(nodes: &BTreeSet<NodeId>, numbers: &HashMap<NodeId, StepId>) -> Vec<StepId> {
    let mut out: Vec<StepId> = nodes.iter().filter_map(|n| numbers.get(n).copied()).collect();
    out.sort_unstable();
    out
}

/// The position of each step in the order in which ready ones start.
fn turns(
    request: &PlanRequest<'_>,
    sorted: &[NodeId],
    behind: &HashMap<NodeId, Vec<NodeId>>,
    keys: &HashMap<NodeId, StartKey>,
) -> HashMap<NodeId, usize> {
    let mut order: Vec<NodeId> = sorted.to_vec();
    match request.order {
        StartOrder::Level => order.sort_by_cached_key(|id| keys.get(id).cloned()),
        StartOrder::LongestPath => {
            let mut length: HashMap<NodeId, usize> = HashMap::new();
            for id in sorted.iter().rev() {
                let longest =
                    behind.get(id).into_iter().flatten().filter_map(|n| length.get(n)).max();
                length.insert(*id, longest.map_or(1, |r| r + 1));
            }
            order.sort_by_key(|id| std::cmp::Reverse(length.get(id).copied().unwrap_or(1)));
        }
    }
    order.into_iter().enumerate().map(|(turn, id)| (id, turn)).collect()
}

/// How a node is built and why, for `strata plan`. Empty for other actions.
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
    let Some(found) = existing else { return format!("{materialized}, new") };
    let built_in = node.materialization();
    if request.full_refresh {
        return format!("{materialized}, full refresh");
    }
    if built_in.is_some_and(Materialization::grows) {
        return format!("{materialized}, adds to what is there");
    }
    let is_plain = matches!(built_in, Some(Materialization::Table | Materialization::View));
    if is_plain && built_in.and_then(Materialization::relation_kind) != Some(found.kind) {
        return format!("{materialized}, replaces a {}", found.kind.as_str());
    }
    format!("{materialized}, replaces")
}

fn stores_failures(request: &PlanRequest<'_>, id: NodeId) -> bool {
    request.is_test(id)
        && request.manifest.node(id).stores_failures(request.store_failures).is_some()
}

/// The schemas of built nodes and of stored test failures that do not exist yet.
fn schemas(request: &PlanRequest<'_>) -> Vec<(String, String)> {
    let mut out = BTreeSet::new();
    let stored =
        request.selected.iter().filter(|id| request.builds(*id) || stores_failures(request, *id));
    for id in stored {
        let Some(relation) = &request.manifest.node(id).relation else { continue };
        if let Some((database, schema)) = relation.stored_schema(request.manifest.project.dialect)
            && !request.existing.has_schema(&database, &schema)
        {
            out.insert((database, schema));
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Trial, tests_of_models};
    use super::*;
    use crate::engine::RelationKind;
    use crate::resolve::testing::project;

    /// A project with a node of each type.
    fn all_types() -> Trial {
        let properties = "sources: [{name: raw, tables: [{name: r}]}]\n\
            models: [{name: m, columns: [{name: id, data_tests: [{not_null: {name: t}}]}]}]\n\
            unit_tests: [{name: u, model: m, given: [], expect: {rows: [{id: 1}]}}]\n\
            exposures: [{name: x, type: dashboard, owner: {name: o}, depends_on: [ref('m')]}]\n\
            exports: [{name: p, type: csv, model: ref('m')}]\n\
            saved_queries: [{name: q, query_params: {metrics: []}}]\n";
        Trial::new(&[
            ("project.yml", "name: shop\non-run-start: [select 1]\n"),
            ("models/m.sql", "select 1 as id"),
            ("models/e.sql", "{{ config(materialized='ephemeral') }} select 1 as id"),
            ("models/p.yml", properties),
            ("seeds/s.csv", "id\n1\n"),
            (
                "snapshots/n.sql",
                "{% snapshot n %}{{ config(strategy='check', unique_key='id', check_cols='all') }}\
                 select * from {{ ref('m') }}{% endsnapshot %}",
            ),
            ("functions/f.sql", "select 1"),
            ("analyses/an.sql", "select 1"),
        ])
    }

    #[test]
    fn each_command_has_its_steps() {
        let steps = |verb: CommandVerb| {
            let trial = all_types().asked_to(verb).unaudited();
            let mut names: Vec<String> =
                trial.plan().steps.iter().map(|step| trial.name(step.node)).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(steps(CommandVerb::Build), "f m n p q s t u x");
        for verb in
            [CommandVerb::Run, CommandVerb::Seed, CommandVerb::Snapshot, CommandVerb::Compile]
        {
            assert_eq!(steps(verb), "m n s", "{verb:?}");
        }
        assert_eq!(steps(CommandVerb::Test), "t u");
        assert_eq!(steps(CommandVerb::Export), "p");
    }

    #[test]
    fn what_is_not_selected_has_no_step() {
        let trial = all_types().unaudited().without(&["f", "m", "n", "p", "q", "t", "x"]);
        assert_eq!(trial.lines(), ["s", "u"]);
    }

    #[test]
    fn a_step_does_what_its_node_is_for() {
        let trial = all_types().unaudited();
        let plan = trial.plan();
        let action =
            |name: &str| plan.steps.iter().find(|step| step.node == trial.id(name)).unwrap().action;
        for (names, expected) in [
            ("f m n s", Action::Build),
            ("t u", Action::Test),
            ("p", Action::Export),
            ("q x", Action::NoOp),
        ] {
            for name in names.split(' ') {
                assert_eq!(action(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_run_builds_what_is_selected_and_stored() {
        let built = |trial: &Trial| {
            let all = trial.manifest.all().map(|node| node.id);
            let built =
                trial.ask(|request| all.filter(|id| request.builds(*id)).collect::<Vec<_>>());
            built.into_iter().map(|id| trial.name(id)).collect::<Vec<_>>()
        };
        assert_eq!(built(&all_types()), ["f", "m", "s", "n"]);
        assert_eq!(built(&all_types().without(&["m"])), ["f", "s", "n"]);
        assert_eq!(built(&all_types().asked_to(CommandVerb::Compile)), ["m", "s", "n"]);
        for verb in [CommandVerb::Test, CommandVerb::Export] {
            assert_eq!(built(&all_types().asked_to(verb)), [""; 0], "{verb:?}");
        }
    }

    #[test]
    fn steps_are_numbered_behind_all_that_they_wait_for() {
        let trial = Trial::new(&[
            ("models/a.sql", "select 1 as id"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
            ("models/c.sql", "select * from {{ ref('a') }}"),
            ("models/d.sql", "select * from {{ ref('c') }}, {{ ref('b') }}, {{ ref('a') }}"),
            ("models/p.yml", &*tests_of_models(&[("t2", "a", ""), ("t1", "a", "")])),
        ]);
        let steps = trial.plan().steps;
        assert_eq!((&*trial.name(steps[0].node), &steps[0].parents), ("a", &vec![]));
        assert_eq!((&*trial.name(steps[3].node), &steps[3].parents), ("d", &vec![0, 1, 2]));
        assert_eq!(steps[1].parents, [0]);
        assert_eq!(steps[0].guards, [trial.id("t2"), trial.id("t1")], "in the order of their ids");
    }

    #[test]
    fn a_plan_says_in_which_order_ready_steps_begin() {
        let files = [
            ("models/a.sql", "select 1 as id"),
            ("models/b.sql", "select 2 as id"),
            ("models/c.sql", "select * from {{ ref('b') }}"),
        ];
        let level = Trial::new(&files);
        assert_eq!((level.plan().order, level.by_turn()), (StartOrder::Level, names("a b c")));
        let longest = Trial { order: StartOrder::LongestPath, ..level };
        assert_eq!(longest.plan().order, StartOrder::LongestPath);
        assert_eq!(longest.by_turn()[0], "b");
    }

    fn names(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    /// The reason to build the model `m` with the given config, where `stands` is the kind of the
    /// existing relation.
    fn reason_of(config: &str, stands: Option<RelationKind>, full_refresh: bool) -> String {
        let text = format!("{{{{ config({config}) }}}} select 1 as id");
        let trial = Trial::new(&[("models/m.sql", text.as_str())]);
        let relations: Vec<(&str, RelationKind)> =
            stands.map(|kind| ("m", kind)).into_iter().collect();
        let trial = Trial { full_refresh, ..trial.beside(&relations) };
        trial.plan().steps[0].reason.clone()
    }

    #[test]
    fn a_step_says_why_its_node_is_built() {
        use RelationKind::{MaterializedView, Table, View};
        for (config, stands, full_refresh, expected) in [
            ("materialized='table'", None, false, "table, new"),
            ("materialized='table'", None, true, "table, new"),
            ("materialized='table'", Some(Table), false, "table, replaces"),
            ("materialized='table'", Some(View), false, "table, replaces a view"),
            ("materialized='table'", Some(View), true, "table, full refresh"),
            ("materialized='view'", Some(View), false, "view, replaces"),
            ("materialized='view'", Some(Table), false, "view, replaces a table"),
            ("materialized='incremental'", None, false, "incremental, new"),
            (
                "materialized='incremental'",
                Some(Table),
                false,
                "incremental, adds to what is there",
            ),
            ("materialized='incremental'", Some(Table), true, "incremental, full refresh"),
            ("materialized='materialized_view'", Some(Table), false, "materialized_view, replaces"),
            (
                "materialized='table'",
                Some(MaterializedView),
                false,
                "table, replaces a materialized_view",
            ),
            ("materialized='mine'", Some(View), false, "mine, replaces"),
        ] {
            assert_eq!(reason_of(config, stands, full_refresh), expected, "{config} {stands:?}");
        }
    }

    #[test]
    fn without_a_database_a_step_says_how_its_node_is_stored() {
        let trial = all_types().unaudited();
        let plan = trial.plan();
        let reason = |name: &str| {
            &*plan.steps.iter().find(|step| step.node == trial.id(name)).unwrap().reason
        };
        assert_eq!(["m", "s", "n"].map(reason), ["view", "seed", "snapshot"]);
        assert_eq!(["t", "u", "x", "p"].map(reason), [""; 4], "nothing is built");
    }

    /// The schemas that a command creates first.
    fn schemas_of(trial: &Trial) -> Vec<String> {
        let schemas = trial.plan().schemas;
        schemas.into_iter().map(|(database, schema)| format!("{database}.{schema}")).collect()
    }

    #[test]
    fn schemas_of_what_is_stored_are_made_first_where_they_are_not_there() {
        let trial = |test_config: &str| {
            let properties = format!(
                "models: [{{name: a, columns: [{{name: id, data_tests: \
                 [{{not_null: {{name: t, config: {{{test_config}}}}}}}]}}]}}]"
            );
            Trial::new(&[
                ("models/a.sql", "select 1 as id"),
                ("models/b.sql", "{{ config(schema='mart') }} select 1 as id"),
                ("models/p.yml", properties.as_str()),
            ])
        };
        let (main, mart, audit) = ("shop.main", "shop.main_mart", "shop.main_dbt_test__audit");
        assert_eq!(schemas_of(&trial("")), [main, mart]);
        assert_eq!(schemas_of(&trial("").beside(&[])), [mart], "main is there");
        assert_eq!(schemas_of(&trial("").without(&["b"])), [main]);
        assert_eq!(schemas_of(&trial("store_failures: true")), [main, audit, mart]);
        let by_flag = |config: &str| Trial { store_failures: true, ..trial(config) };
        assert_eq!(schemas_of(&by_flag("")), [main, audit, mart]);
        assert_eq!(schemas_of(&by_flag("store_failures: false")), [main, mart]);
        assert_eq!(schemas_of(&by_flag("").asked_to(CommandVerb::Test)), [audit]);
    }

    #[test]
    fn a_circle_is_a_mistake_that_is_told() {
        let (manifest, _) = project(&[
            ("models/a.sql", "select * from {{ ref('b') }}"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
        ]);
        let trial = Trial::of(manifest);
        let told = trial.ask(plan_steps).unwrap_err();
        assert_eq!(told.code, Code::Internal);
        assert_eq!(told.message, "the run cannot be planned: the graph has a cycle");
        assert_eq!(told.help.len(), 1, "{:?}", told.help);
        // Two edges that form a cycle, which no rule of this module creates.
        let own = vec![trial.id("a"), trial.id("b")];
        let waits = |id: NodeId| StepEdges { parents: [id].into(), after: BTreeSet::new() };
        let edges = [(own[0], waits(own[1])), (own[1], waits(own[0]))].into();
        let (unguarded, notes) = (Vec::new(), Vec::new());
        let parts = Parts { own, edges, guards: HashMap::new(), unguarded, notes };
        let told = trial.ask(|request| assemble(request, parts, &[0, 1], &HashMap::new()));
        let message = told.unwrap_err().message;
        assert_eq!(message, "the run cannot be planned: `model.shop.a` waits for itself");
    }
}
