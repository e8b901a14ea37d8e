//! Groups the steps of a plan into tasks of a DAG: each step and each test is in exactly one.

use crate::config::{ExportType, Json};
use crate::manifest::{Manifest, Node, NodeId, NodeKind, ResourceType};
use crate::plan::{Action, Plan};
use fixedbitset::FixedBitSet;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::unionfind::UnionFind;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a task comprises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Granularity {
    #[default]
    Model,
    Layer,
    Component,
    Project,
}

impl Granularity {
    pub(crate) const ALL: [Granularity; 4] =
        [Granularity::Model, Granularity::Layer, Granularity::Component, Granularity::Project];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Granularity::Model => "model",
            Granularity::Layer => "layer",
            Granularity::Component => "component",
            Granularity::Project => "project",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Granularity> {
        Granularity::ALL.into_iter().find(|g| g.as_str() == text)
    }
}

/// The command that a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskKind {
    Build,
    Test,
    ExportSheets,
    ExportFiles,
}

impl TaskKind {
    /// The name in the DAG file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TaskKind::Build => "build",
            TaskKind::Test => "test",
            TaskKind::ExportSheets => "export sheets",
            TaskKind::ExportFiles => "export files",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DagTask {
    /// `group.name`, or `name` without a group.
    pub(crate) id: String,
    pub(crate) kind: TaskKind,
    /// The nodes that it builds, then the tests that it runs, each in plan order.
    pub(crate) nodes: Vec<NodeId>,
    /// The indices of the tasks that come before.
    pub(crate) upstream: BTreeSet<usize>,
    /// The assets that it updates, and those that it reads.
    pub(crate) outlets: Vec<String>,
    pub(crate) inlets: Vec<String>,
}

impl DagTask {
    pub(crate) fn group(&self) -> Option<&str> {
        self.id.split_once('.').map(|(group, _)| group)
    }
}

/// The graph of tasks. Groups are in the order of the data, and names in alphabetical order within
/// a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dag {
    pub(crate) granularity: Granularity,
    pub(crate) tasks: Vec<DagTask>,
    /// Layers that were merged into one task because they depend on each other.
    pub(crate) merged: Vec<Vec<String>>,
    /// The box that each group of tasks is drawn in. Groups that wait for each other share one:
    /// Airflow 3 draws no cycles.
    pub(crate) boxes: BTreeMap<String, String>,
}

pub(crate) struct DagRequest<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) plan: &'a Plan,
    pub(crate) granularity: Granularity,
    pub(crate) asset_layers: &'a [String],
}

/// The layer of a node: the first folder below that of its resource type. Seeds, snapshots and
/// sources are layers, and so is each package.
pub(crate) fn layer_of(manifest: &Manifest, node: &Node) -> String {
    match node.resource_type() {
        ResourceType::Source => "sources".to_owned(),
        _ if node.package != manifest.project.name => node.package.to_string(),
        ResourceType::Seed => "seeds".to_owned(),
        ResourceType::Snapshot => "snapshots".to_owned(),
        _ => match node.fqn.as_slice() {
            [_, folder, .., _] => folder.to_string(),
            _ => "models".to_owned(),
        },
    }
}

/// Groups all steps of the plan into tasks.
pub(crate) fn build_dag(request: &DagRequest<'_>) -> Dag {
    let manifest = request.manifest;
    let mut groups = Groups::default();
    let layout = Layout::new(request);
    let places: Vec<Place> = (0..request.plan.steps.len()).map(|s| layout.place(s)).collect();
    let of_step: Vec<usize> = places.into_iter().map(|p| groups.number(p)).collect();
    let merged = groups.merge(request.plan, &of_step);
    let of_step: Vec<usize> = of_step.iter().map(|g| groups.merged[*g]).collect();
    let mut tasks: BTreeMap<usize, DagTask> = BTreeMap::new();
    for (i, step) in request.plan.steps.iter().enumerate() {
        let task = tasks.entry(of_step[i]).or_insert_with(|| DagTask {
            id: String::new(),
            kind: TaskKind::Test,
            nodes: Vec::new(),
            upstream: BTreeSet::new(),
            outlets: Vec::new(),
            inlets: Vec::new(),
        });
        task.kind = match (step.action, &manifest.node(step.node).kind) {
            (_, NodeKind::Export(e)) if e.kind == ExportType::GoogleSheets => {
                TaskKind::ExportSheets
            }
            (_, NodeKind::Export(_)) => TaskKind::ExportFiles,
            (Action::Build, _) => TaskKind::Build,
            _ => task.kind,
        };
        task.nodes.push(step.node);
        task.nodes.extend(&step.guards);
        let before = step.parents.iter().chain(&step.after).map(|p| of_step[*p]);
        task.upstream.extend(before.filter(|t| *t != of_step[i]));
    }
    name(manifest, &groups, &mut tasks);
    let mut dag = order(tasks, request.granularity);
    dag.merged = merged;
    assets(request, &mut dag);
    reduce(&mut dag.tasks);
    dag.boxes = boxes(&dag.tasks);
    for task in &mut dag.tasks {
        // Tests come last, so that lists begin with the nodes that are built.
        task.nodes.sort_by_key(|id| matches!(manifest.node(*id).kind, NodeKind::Test(_)));
    }
    dag
}

/// The key of the task that a step belongs to, with the task's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    group: Option<String>,
    name: String,
    /// Set for tasks of a single node, to distinguish those with equal names.
    unique_id: Option<String>,
}

impl Place {
    /// The place of a task for one node.
    fn of_node(group: String, node: &Node) -> Place {
        let unique_id = Some(node.unique_id.to_string());
        Place { group: Some(group), name: node.display_name(), unique_id }
    }

    /// The place of a task that is shared by all steps with this name.
    fn shared(name: String) -> Place {
        Place { group: None, name, unique_id: None }
    }
}

/// The plan, with indices for placing its steps.
struct Layout<'a> {
    request: &'a DagRequest<'a>,
    /// The step of each node.
    step_of: HashMap<NodeId, usize>,
    /// The first step in the connected component of each step.
    first: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn new(request: &'a DagRequest<'a>) -> Layout<'a> {
        let steps = &request.plan.steps;
        let mut of: UnionFind<usize> = UnionFind::new(steps.len());
        // An export connects nothing: it is a task of its own.
        for (i, step) in steps.iter().enumerate().filter(|(_, s)| s.action != Action::Export) {
            step.parents.iter().chain(&step.after).for_each(|before| {
                of.union(i, *before);
            });
        }
        // Readers of the same source belong together too.
        let mut reader: HashMap<NodeId, usize> = HashMap::new();
        for (i, step) in steps.iter().enumerate().filter(|(_, s)| s.action != Action::Export) {
            for source in &request.manifest.node(step.node).depends_on {
                of.union(i, *reader.entry(*source).or_insert(i));
            }
        }
        let labels = of.into_labeling();
        let mut first: HashMap<usize, usize> = HashMap::new();
        labels.iter().enumerate().for_each(|(i, label)| {
            first.entry(*label).or_insert(i);
        });
        Layout {
            request,
            step_of: steps.iter().enumerate().map(|(i, s)| (s.node, i)).collect(),
            first: labels.iter().map(|label| first[label]).collect(),
        }
    }

    fn place(&self, step: usize) -> Place {
        let (manifest, plan) = (self.request.manifest, self.request.plan);
        let node = manifest.node(plan.steps[step].node);
        if matches!(node.kind, NodeKind::Export(_)) {
            return Place::of_node("exports".to_owned(), node);
        }
        // A test that guards nothing is placed with the last of the nodes that it reads.
        let home = match plan.steps[step].action {
            Action::Test => {
                self.last_read(node).map_or_else(|| "tests".to_owned(), |n| layer_of(manifest, n))
            }
            _ => layer_of(manifest, node),
        };
        match self.request.granularity {
            Granularity::Model => Place::of_node(home, node),
            Granularity::Layer => Place::shared(home),
            Granularity::Component => {
                let first = manifest.node(plan.steps[self.first[step]].node);
                Place::shared(format!("component_{}", first.display_name()))
            }
            Granularity::Project => Place::shared("build".to_owned()),
        }
    }

    /// The node read by a test that comes last in the plan; a source if it reads nothing else.
    fn last_read(&self, test: &Node) -> Option<&'a Node> {
        let last = test.depends_on.iter().max_by_key(|id| self.step_of.get(id));
        last.map(|id| self.request.manifest.node(*id))
    }
}

#[derive(Default)]
struct Groups {
    numbers: HashMap<Place, usize>,
    places: Vec<Place>,
    /// For each group, the group that it was merged into.
    merged: Vec<usize>,
}

impl Groups {
    fn number(&mut self, place: Place) -> usize {
        let next = self.places.len();
        let number = *self.numbers.entry(place.clone()).or_insert(next);
        if number == next {
            self.places.push(place);
        }
        number
    }

    /// Merges groups that depend on each other into the first of them, which gets all names.
    fn merge(&mut self, plan: &Plan, of_step: &[usize]) -> Vec<Vec<String>> {
        let mut graph: DiGraph<(), ()> = DiGraph::new();
        self.places.iter().for_each(|_| {
            graph.add_node(());
        });
        for (i, step) in plan.steps.iter().enumerate() {
            for before in
                step.parents.iter().chain(&step.after).filter(|b| of_step[**b] != of_step[i])
            {
                graph.update_edge(NodeIndex::new(of_step[*before]), NodeIndex::new(of_step[i]), ());
            }
        }
        self.merged = (0..self.places.len()).collect();
        let mut merged = Vec::new();
        for cycle in tarjan_scc(&graph).into_iter().filter(|c| c.len() > 1) {
            let mut members: Vec<usize> = cycle.iter().map(|n| n.index()).collect();
            members.sort_unstable();
            let names: Vec<String> = members.iter().map(|m| self.places[*m].name.clone()).collect();
            members.iter().for_each(|m| self.merged[*m] = members[0]);
            self.places[members[0]].name = names.join("_and_");
            merged.push(names);
        }
        merged.sort();
        merged
    }
}

/// Removes edges that are implied by others.
fn reduce(tasks: &mut [DagTask]) {
    let mut before: HashMap<usize, FixedBitSet> = HashMap::new();
    for number in topological(tasks.iter().enumerate()) {
        let upstream = tasks[number].upstream.clone();
        let mut all = FixedBitSet::with_capacity(tasks.len());
        upstream.iter().for_each(|u| all.union_with(&before[u]));
        tasks[number].upstream.retain(|u| !all.contains(*u));
        upstream.iter().for_each(|u| all.insert(*u));
        before.insert(number, all);
    }
}

fn boxes(tasks: &[DagTask]) -> BTreeMap<String, String> {
    let mut groups: Vec<&str> = Vec::new();
    for group in tasks.iter().filter_map(DagTask::group) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let number = |task: &DagTask| groups.iter().position(|g| Some(*g) == task.group());
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    groups.iter().for_each(|_| {
        graph.add_node(());
    });
    for task in tasks {
        for before in task.upstream.iter().map(|n| &tasks[*n]) {
            if let (Some(a), Some(b)) = (number(before), number(task))
                && a != b
            {
                graph.update_edge(NodeIndex::new(a), NodeIndex::new(b), ());
            }
        }
    }
    let mut out = BTreeMap::new();
    for cycle in tarjan_scc(&graph) {
        let mut members: Vec<usize> = cycle.iter().map(|n| n.index()).collect();
        members.sort_unstable();
        let names: Vec<&str> = members.iter().map(|m| groups[*m]).collect();
        out.extend(names.iter().map(|n| ((*n).to_owned(), names.join("_"))));
    }
    out
}

/// Gives tasks ids that Airflow accepts: letters, digits, `_` and `-`, with the group before a dot.
/// Names that had to be changed, or that would be equal, get a hash as suffix.
fn name(manifest: &Manifest, groups: &Groups, tasks: &mut BTreeMap<usize, DagTask>) {
    let mut ids: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, task) in tasks.iter_mut() {
        let place = &groups.places[*number];
        let name = key(&place.name, 120);
        task.id = match &place.group {
            Some(group) => format!("{}.{name}", key(group, 80)),
            None => name,
        };
        ids.entry(task.id.to_ascii_lowercase()).or_default().push(*number);
    }
    // A task must not have the name of a group.
    let boxes: Vec<String> =
        tasks.values().filter_map(DagTask::group).map(str::to_ascii_lowercase).collect();
    for task in tasks.values_mut().filter(|t| boxes.contains(&t.id.to_ascii_lowercase())) {
        task.id.push_str("_layer");
    }
    for numbers in ids.values().filter(|n| n.len() > 1) {
        for number in numbers {
            let own = groups.places[*number].unique_id.clone();
            if let Some(task) = tasks.get_mut(number) {
                let own =
                    own.or_else(|| Some(manifest.node(*task.nodes.first()?).unique_id.to_string()));
                task.id = format!("{}_{}", task.id, digest(&own.unwrap_or_default()));
            }
        }
    }
}

fn key(text: &str, most: usize) -> String {
    // A dot is expected in versions; other replaced characters could make two names equal.
    let plain = text.chars().all(|c| is_legal(c) || c == '.') && text.len() <= most;
    let mut out: String =
        text.chars().map(|c| if is_legal(c) { c } else { '_' }).take(most).collect();
    if !plain || out.is_empty() {
        out = format!("{out}_{}", digest(text));
    }
    out
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn digest(text: &str) -> String {
    crate::hash::md5_hex(text)[..8].to_owned()
}

/// Sorts tasks by group, in the order of each group's first task, then by id. Edges are renumbered.
fn order(tasks: BTreeMap<usize, DagTask>, by: Granularity) -> Dag {
    let in_order = topological(tasks.iter().map(|(n, t)| (*n, t)));
    let mut rank: HashMap<Option<String>, usize> = HashMap::new();
    for (position, number) in in_order.iter().enumerate() {
        rank.entry(tasks[number].group().map(str::to_owned)).or_insert(position);
    }
    let position: HashMap<usize, usize> =
        in_order.into_iter().enumerate().map(|(p, n)| (n, p)).collect();
    let mut list: Vec<(usize, DagTask)> = tasks.into_iter().collect();
    list.sort_by_key(|(number, task)| {
        let group = task.group().map(str::to_owned);
        let place = if group.is_some() { rank[&group] } else { position[number] };
        // Exports come last, whatever they wait for.
        (group.as_deref() == Some("exports"), place, task.id.clone())
    });
    let renumbered: HashMap<usize, usize> =
        list.iter().enumerate().map(|(new, (old, _))| (*old, new)).collect();
    let tasks = list.into_iter().map(|(_, task)| DagTask {
        upstream: task.upstream.iter().map(|n| renumbered[n]).collect(),
        ..task
    });
    Dag { granularity: by, tasks: tasks.collect(), merged: Vec::new(), boxes: BTreeMap::new() }
}

/// The indices of tasks in topological order; ids decide between tasks that are ready.
fn topological<'a>(tasks: impl Iterator<Item = (usize, &'a DagTask)>) -> Vec<usize> {
    let tasks: BTreeMap<usize, &DagTask> = tasks.collect();
    let mut waiting: HashMap<usize, usize> =
        tasks.iter().map(|(n, t)| (*n, t.upstream.len())).collect();
    let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, task) in &tasks {
        task.upstream.iter().for_each(|u| behind.entry(*u).or_default().push(*number));
    }
    let mut ready: BTreeSet<(&str, usize)> =
        tasks.iter().filter(|(n, _)| waiting[n] == 0).map(|(n, t)| (t.id.as_str(), *n)).collect();
    let mut out = Vec::with_capacity(tasks.len());
    while let Some((_, number)) = ready.pop_first() {
        out.push(number);
        for next in behind.get(&number).into_iter().flatten() {
            let left = waiting.entry(*next).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                ready.insert((tasks[next].id.as_str(), *next));
            }
        }
    }
    out
}

/// Assigns assets: each mart is an outlet of the last task that audits it, and sources with
/// `meta.airflow_asset` are inlets.
fn assets(request: &DagRequest<'_>, dag: &mut Dag) {
    let manifest = request.manifest;
    let mut position = vec![0; dag.tasks.len()];
    topological(dag.tasks.iter().enumerate())
        .into_iter()
        .enumerate()
        .for_each(|(p, n)| position[n] = p);
    let mut audits: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (number, task) in dag.tasks.iter().enumerate() {
        for id in &task.nodes {
            let node = manifest.node(*id);
            let tested = node.generic_test().and_then(|t| t.attached);
            let about =
                tested.or_else(|| matches!(node.kind, NodeKind::Model { .. }).then_some(*id));
            audits.entry(about.unwrap_or(*id)).or_default().push(number);
        }
    }
    let built: HashSet<NodeId> = dag.tasks.iter().flat_map(|t| &t.nodes).copied().collect();
    for (id, mut numbers) in audits {
        let node = manifest.node(id);
        let is_mart =
            request.asset_layers.contains(&layer_of(manifest, node)) && !node.is_ephemeral();
        if !matches!(node.kind, NodeKind::Model { .. }) || !is_mart || !built.contains(&id) {
            continue;
        }
        numbers.sort_by_key(|n| position[*n]);
        numbers.dedup();
        if let Some((last, before)) = numbers.split_last() {
            // All tests of the mart must have run before the asset is updated.
            dag.tasks[*last].upstream.extend(before);
            dag.tasks[*last].outlets.push(asset(&[
                &node.package,
                &layer_of(manifest, node),
                &node.display_name(),
            ]));
        }
    }
    for task in &mut dag.tasks {
        let sources = task
            .nodes
            .iter()
            .flat_map(|id| &manifest.node(*id).depends_on)
            .map(|id| manifest.node(*id));
        let named = sources.filter(|n| n.resource_type() == ResourceType::Source).filter_map(|n| {
            let meta = n.config.map("meta")?;
            meta.get("airflow_asset").and_then(Json::as_str).map(|name| asset(&[name]))
        });
        task.inlets = named.collect::<BTreeSet<String>>().into_iter().collect();
        task.outlets.sort();
    }
}

/// The name of an asset. Airflow accepts only ASCII; other characters are written as their codes.
fn asset(parts: &[&str]) -> String {
    parts.join("/").chars().map(encode_character).collect()
}

fn encode_character(c: char) -> String {
    match c {
        ' '..='~' if c != '%' => c.to_string(),
        c => format!("%{:X}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ExistingRelations;
    use crate::manifest::NodeSet;
    use crate::plan::{CommandVerb, PlanRequest, StartOrder, plan_steps};
    use crate::resolve::testing::project;
    use proptest::prelude::*;

    /// A plan of everything but exposures, and its tasks.
    fn dags(files: &[(&str, &str)]) -> (Manifest, Plan, Vec<Dag>) {
        let (manifest, out) = project(files);
        assert!(out.iter().all(|d| !d.is_error()), "{out:?}");
        let wanted = |n: &&Node| n.resource_type() != ResourceType::Exposure;
        let selected: NodeSet = manifest.all().filter(wanted).map(|n| n.id).collect();
        let plan = plan_steps(&PlanRequest {
            manifest: &manifest,
            selected: &selected,
            existing: &ExistingRelations::Unknown,
            verb: CommandVerb::Build,
            audit: true,
            full_refresh: false,
            store_failures: false,
            order: StartOrder::Level,
            publishes_itself: &|_| false,
        })
        .unwrap();
        let marts = ["marts".to_owned()];
        let dags = Granularity::ALL
            .map(|by| {
                build_dag(&DagRequest {
                    manifest: &manifest,
                    plan: &plan,
                    granularity: by,
                    asset_layers: &marts,
                })
            })
            .to_vec();
        (manifest, plan, dags)
    }

    /// All tasks that come before each task.
    fn ancestors(dag: &Dag) -> Vec<BTreeSet<usize>> {
        let order = topological(dag.tasks.iter().enumerate());
        assert_eq!(order.len(), dag.tasks.len(), "a circle of tasks");
        let mut all: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); dag.tasks.len()];
        for number in order {
            for before in dag.tasks[number].upstream.clone() {
                let theirs = all[before].clone();
                all[number].extend(theirs);
                all[number].insert(before);
            }
        }
        all
    }

    fn check(plan: &Plan, dag: &Dag) {
        let mut home: HashMap<NodeId, usize> = HashMap::new();
        let mut ids = BTreeSet::new();
        for (number, task) in dag.tasks.iter().enumerate() {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            assert!(
                task.id.chars().all(legal)
                    && task.id.len() <= 250
                    && task.id.matches('.').count() <= 1
            );
            assert!(ids.insert(task.id.to_ascii_lowercase()), "{} twice", task.id);
            for node in &task.nodes {
                assert_eq!(home.insert(*node, number), None, "a node in two tasks");
            }
            assert!(task.outlets.iter().all(|o| o.is_ascii()));
        }
        let before = ancestors(dag);
        for step in &plan.steps {
            let task = home[&step.node];
            assert!(step.guards.iter().all(|g| home[g] == task), "a test away from what it guards");
            for other in step.parents.iter().chain(&step.after).map(|s| home[&plan.steps[*s].node])
            {
                assert!(
                    other == task || before[task].contains(&other),
                    "an edge of the plan is lost"
                );
            }
        }
        assert_eq!(home.len(), plan.steps.iter().map(|s| 1 + s.guards.len()).sum::<usize>());
        // The boxes that groups are drawn in must not wait for each other in a cycle.
        let drawn = |n: usize| dag.tasks[n].group().map(|g| dag.boxes[g].clone());
        let mut edges: DiGraph<String, ()> = DiGraph::new();
        let names: BTreeSet<String> = dag.boxes.values().cloned().collect();
        let at: HashMap<String, NodeIndex> =
            names.into_iter().map(|n| (n.clone(), edges.add_node(n))).collect();
        for (n, task) in dag.tasks.iter().enumerate() {
            for (a, b) in task
                .upstream
                .iter()
                .filter_map(|u| Some((drawn(*u)?, drawn(n)?)))
                .filter(|(a, b)| a != b)
            {
                edges.update_edge(at[&a], at[&b], ());
            }
        }
        assert!(!petgraph::algo::is_cyclic_directed(&edges));
    }

    #[test]
    fn names_that_airflow_does_not_take_are_written_otherwise() {
        let long = format!("models/marts/{}.sql", "x".repeat(240));
        let files = [
            ("models/marts/größe.sql", "select 1 as id"),
            ("models/marts/gr__e.sql", "select 1 as id"),
            ("models/exports/m_v1.sql", "select 1 as id"),
            ("models/exports/m.yml", "models: [{name: m, versions: [{v: 1}]}]"),
            ("models/a b/one.sql", "select 1 as id"),
            (long.as_str(), "select 1 as id"),
            ("models/marts/e.yml", "exports: [{name: one, type: csv, model: ref('one')}]"),
        ];
        let (_, plan, dags) = dags(&files);
        dags.iter().for_each(|dag| check(&plan, dag));
        let ids: Vec<&str> = dags[0].tasks.iter().map(|t| t.id.as_str()).collect();
        assert!(ids.contains(&"exports.m_v1") && ids.contains(&"marts.gr__e"), "{ids:?}");
        assert!(dags[0].tasks.iter().flat_map(|t| &t.outlets).any(|o| o == "shop/marts/gr%F6%DFe"));
    }

    #[test]
    fn layers_that_need_each_other_are_one_task() {
        let (_, plan, dags) = dags(&[
            ("models/a/one.sql", "select 1 as id"),
            ("models/b/two.sql", "select * from {{ ref('one') }}"),
            ("models/a/three.sql", "select * from {{ ref('two') }}"),
        ]);
        dags.iter().for_each(|dag| check(&plan, dag));
        assert_eq!(dags[1].tasks.len(), 1);
        assert_eq!(dags[1].merged, [["a", "b"]]);
        assert_eq!(dags[0].boxes["a"], "a_b");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_step_has_one_task_and_no_edge_is_lost(
            models in prop::collection::vec((0usize..4, prop::collection::vec(any::<prop::sample::Index>(), 0..3), 0usize..6), 1..14),
        ) {
            let layers = ["staging", "intermediate", "marts", "reports"];
            let mut files: Vec<(String, String)> = Vec::new();
            for (n, (layer, refs, tests)) in models.iter().enumerate() {
                let parents: BTreeSet<usize> = if n == 0 { BTreeSet::new() } else { refs.iter().map(|i| i.index(n)).collect() };
                let from: Vec<String> = parents.iter().map(|p| format!("{{{{ ref('m{p}') }}}}")).collect();
                let header = if tests % 3 == 2 { "{{ config(audit=false) }}" } else { "" };
                let sql = format!("{header} select 1 as id -- {}", from.join(" "));
                files.push((format!("models/{}/m{n}.sql", layers[*layer]), sql));
                let other = (n * 5 + tests) % models.len();
                let test = match tests {
                    0 => continue,
                    1 | 2 => "not_null".to_owned(),
                    // `other` can also be a model further down.
                    _ => format!("relationships: {{arguments: {{to: \"ref('m{other}')\", field: id}}}}"),
                };
                let yml = format!("models: [{{name: m{n}, columns: [{{name: id, data_tests: [{test}]}}]}}]");
                let yml = if *tests > 2 { yml.replace(&format!("[{test}]"), &format!("[{{{test}}}]")) } else { yml };
                files.push((format!("models/{}/m{n}.yml", layers[*layer]), yml));
            }
            let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
            let (_, plan, dags) = dags(&files);
            dags.iter().for_each(|dag| check(&plan, dag));
        }
    }
}
