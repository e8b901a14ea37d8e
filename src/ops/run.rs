//! `build`, `run`, `test`, `seed`, `snapshot`.

use super::changed::{self, Judge, judge, kept_prints, known, maybe, narrow, own};
use super::compile::compiler;
use super::dag::verified;
use super::project::{Project, choose, connect, metadata, open, write, write_compiled, write_if_new};
use super::{CliError, Exit, Invocation};
use crate::changes::{Own, Verdict};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Existing, RunResult, RunStatus, Warehouse};
use crate::hash::FastMap;
use crate::inspect::inspect;
use crate::manifest::{NodeId, ResourceType};
use crate::plan::{Action, Plan, PlanRequest, Verb, plan};
use crate::run::{Event, Interrupt, Judged, Notes, RunOptions, RunRequest, Shared, artifact_path, run};
use crate::select::{NodeSet, Selection};
use crate::state::write_run_results;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a run is asked for.
#[derive(Clone, Debug)]
pub(crate) struct RunArgs {
    pub(crate) verb: Verb,
    pub(crate) selection: Selection,
    pub(crate) full_refresh: bool,
    pub(crate) fail_fast: bool,
    pub(crate) store_failures: bool,
    pub(crate) empty: bool,
    pub(crate) audit: bool,
    /// Build only what has changed since the last time.
    pub(crate) changed: Option<Judge>,
}

/// The resource types of a command (`ls` uses those of `build` and more).
pub(super) fn types(verb: Verb) -> &'static [ResourceType] {
    match verb {
        Verb::Build => &[
            ResourceType::Model,
            ResourceType::Seed,
            ResourceType::Snapshot,
            ResourceType::Test,
            ResourceType::UnitTest,
            ResourceType::Exposure,
            ResourceType::SavedQuery,
            ResourceType::Function,
        ],
        Verb::Run => &[ResourceType::Model],
        Verb::Test => &[ResourceType::Test, ResourceType::UnitTest],
        Verb::Seed => &[ResourceType::Seed],
        Verb::Snapshot => &[ResourceType::Snapshot],
        Verb::Export => &[ResourceType::Export],
        Verb::Compile => &[ResourceType::Model, ResourceType::Snapshot, ResourceType::Analysis, ResourceType::Test],
    }
}

/// Whether a project's own materialization builds a node.
pub(super) fn publishes_itself(project: &Project) -> impl Fn(NodeId) -> bool + '_ {
    |id| {
        let node = project.manifest.node(id);
        project
            .engine
            .registry()
            .materialization(&node.package, &node.materialized(), project.context.explicit_overrides)
            .is_some()
    }
}

pub(crate) fn run_verb(inv: &mut Invocation, args: &RunArgs) -> Exit {
    let project = open(inv)?;
    let mut selection = args.selection.clone();
    if let Some(nodes) = verified(inv, &project)? {
        selection.nodes = Some(nodes);
    }
    let selected = choose(inv, &project, &selection, types(args.verb))?;
    if args.changed.is_some() {
        write_if_new(inv, &project)?
    } else {
        write(inv, &project)?
    }
    if selected.len() == 0 {
        inv.nothing_for_a_task()?;
        let d = Diagnostic::warning(Code::EmptySelection, "the selection matches nothing to do");
        inv.console.diagnostic(&d.help("`strata ls` shows what there is"));
        results(inv, &project, &[], 0.0)?;
        return Ok(if inv.warn_error { 2 } else { 0 });
    }
    let warehouse = connect(inv, &project)?;
    let quiet = inv.quietly(inv.interrupt.clone());
    let say = &mut |selected: &NodeSet| own(&quiet, &project, selected, &mut kept_prints(&quiet, &project));
    let all = Wanted { budget: None, say, leave: &mut |_, _, _| {} };
    let Prepared { plan, request, verdicts } = prepare(inv, &project, args, selected, warehouse, all)?;
    if let Some(verdicts) = &verdicts {
        inv.console.event(&judged(&project, verdicts, false));
    }
    let (all, seconds) = carry_out(inv, request.of(&plan))?;
    results(inv, &project, &all, seconds)?;
    let compiled = all.iter().filter_map(|r| {
        let node = project.manifest.get(&r.unique_id)?;
        let path = format!("target/compiled/{}", artifact_path(node));
        Some((r.unique_id.clone(), (r.outcome.compiled.clone()?, path)))
    });
    if !all.is_empty() {
        write_compiled(inv, &project, &compiled.collect())?;
    }
    let failed = all.iter().any(|r| r.outcome.status.is_failure());
    advice(inv, &project, args, &all, failed);
    Ok(inv.conclude(&all, seconds))
}

/// Rows of a failing test that a loop shows.
const SAMPLE: usize = 5;

/// A run that is ready to begin.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) request: Ready,
    /// What is thought of each node, when the run was asked for changes only.
    pub(super) verdicts: Option<FastMap<NodeId, Verdict>>,
}

/// What a request has besides its plan.
pub(super) struct Ready {
    shared: Arc<Shared>,
    existing: Existing,
    warehouse: Box<dyn Warehouse>,
    interrupt: Interrupt,
}

impl Ready {
    pub(super) fn of(self, plan: &Plan) -> RunRequest<'_> {
        let Ready { shared, existing, warehouse, interrupt } = self;
        RunRequest { shared, plan, existing, warehouse, interrupt, hooks: !plan.steps.is_empty() }
    }
}

/// What a loop wants otherwise than a command.
pub(super) struct Wanted<'a> {
    pub(super) budget: Option<Duration>,
    /// What nodes say now.
    pub(super) say: &'a mut dyn FnMut(&NodeSet) -> FastMap<NodeId, Own>,
    /// Takes out of a selection, and of its verdicts, what is not to be built now.
    pub(super) leave: &'a mut Leave<'a>,
}

pub(super) type Leave<'a> = dyn FnMut(&mut NodeSet, &mut FastMap<NodeId, Verdict>, &changed::Known) + 'a;

/// Looks at the database and plans; with `changed`, what has to be built of the selection.
pub(super) fn prepare(
    inv: &mut Invocation,
    project: &Project,
    args: &RunArgs,
    mut selected: NodeSet,
    mut warehouse: Box<dyn Warehouse>,
    wanted: Wanted<'_>,
) -> Result<Prepared, CliError> {
    let existing = inspect(warehouse.as_mut(), &project.manifest, selected.iter())?;
    let publishes = matches!(args.verb, Verb::Build | Verb::Run | Verb::Seed | Verb::Snapshot);
    let make = args.changed.is_some();
    let known = match publishes {
        true => known(project, &selected, warehouse.as_mut(), make, wanted.say)?,
        false => None,
    };
    let (mut verdicts, mut notes) = (None, None);
    if let Some(known) = known {
        let how = args.changed.unwrap_or_default();
        let (mut found, versions) = judge(inv, project, &selected, &existing, &known, how, warehouse.as_mut())?;
        if args.changed.is_some() {
            (wanted.leave)(&mut selected, &mut found, &known);
            narrow(project, &mut selected, &found);
            verdicts = Some(found);
        }
        notes = Some(changed::notes(known, versions, args.changed.is_some(), args.empty));
    }
    let itself = publishes_itself(project);
    let plan = plan(&PlanRequest {
        manifest: &project.manifest,
        selected: &selected,
        existing: &existing,
        verb: args.verb,
        audit: args.audit,
        full_refresh: args.full_refresh,
        store_failures: args.store_failures,
        publishes_itself: &itself,
    });
    if args.audit && args.verb == Verb::Build {
        warn_of_own_materializations(inv, project, &selected, &itself);
    }
    let options = RunOptions {
        full_refresh: args.full_refresh,
        store_failures: args.store_failures,
        empty: args.empty,
        tests_hold_back: args.verb == Verb::Build,
        budget: wanted.budget,
        sample: if args.changed.is_some_and(|j| j.edits_only) { SAMPLE } else { 0 },
        maybe: verdicts.as_ref().map(|v| maybe(&plan, v)).unwrap_or_default(),
        ..options(inv, project, args.fail_fast)
    };
    let shared = shared_with(inv, project, &selected, &plan, options, notes);
    let request = Ready { shared, existing, warehouse, interrupt: inv.interrupt.clone() };
    Ok(Prepared { plan, request, verdicts })
}

/// A project's own materialization publishes by itself: its tests come too late to hold anything back.
fn warn_of_own_materializations(
    inv: &mut Invocation,
    project: &Project,
    selected: &NodeSet,
    itself: &dyn Fn(NodeId) -> bool,
) {
    let manifest = &project.manifest;
    for node in selected.iter().map(|id| manifest.node(id)).filter(|n| n.resource_type().is_refable()) {
        let tested = || {
            let mut children = manifest.graph.children(node.id).into_iter();
            children.any(|c| selected.contains(c) && manifest.node(c).generic_test().is_some())
        };
        if itself(node.id) && tested() {
            let message =
                format!("`{}` is built by a materialization of the project, which publishes by itself", node.name);
            let d =
                Diagnostic::warning(Code::Ignored, message).primary(node.span, "its tests run after it is published");
            inv.console.diagnostic(&d);
        }
    }
}

/// What is thought of the nodes, for those who look on: of tests, and with `due` of all, only what is to be done.
pub(super) fn judged(project: &Project, verdicts: &FastMap<NodeId, Verdict>, due: bool) -> Event {
    let manifest = &project.manifest;
    let told = |id: &NodeId| !due && manifest.node(*id).resource_type() != ResourceType::Test;
    let mut ids: Vec<&NodeId> =
        verdicts.iter().filter(|(id, v)| **v != Verdict::Same || told(id)).map(|(id, _)| id).collect();
    ids.sort();
    let one = |id: &&NodeId| {
        let node = manifest.node(**id);
        let (verdict, reason) = match &verdicts[*id] {
            Verdict::Stale(reason) => ("build", Some(reason)),
            Verdict::Maybe(reason) => ("maybe", Some(reason)),
            Verdict::Same => ("same", None),
        };
        Judged {
            unique_id: node.unique_id.clone(),
            kind: node.resource_type(),
            name: node.display_name(),
            verdict,
            code: reason.map_or("same", |r| r.code()),
            reason: reason.map_or_else(|| "unchanged".to_owned(), ToString::to_string),
        }
    };
    Event::Judged { nodes: ids.iter().map(one).collect() }
}

/// Options of a run that does nothing special.
pub(super) fn options(inv: &Invocation, project: &Project, fail_fast: bool) -> RunOptions {
    RunOptions { threads: project.target().threads, fail_fast, write_files: inv.write_json, ..RunOptions::default() }
}

/// What the workers of a run share that notes no publications.
pub(super) fn shared(
    inv: &Invocation,
    project: &Project,
    selected: &NodeSet,
    plan: &Plan,
    options: RunOptions,
) -> Arc<Shared> {
    shared_with(inv, project, selected, plan, options, None)
}

fn shared_with(
    inv: &Invocation,
    project: &Project,
    selected: &NodeSet,
    plan: &Plan,
    options: RunOptions,
    notes: Option<Arc<Notes>>,
) -> Arc<Shared> {
    let manifest = &project.manifest;
    let ids = selected.iter().map(|id| manifest.node(id).unique_id.clone()).collect();
    let built = plan.steps.iter().filter(|s| s.action == Action::Build);
    let relations = built.filter_map(|s| manifest.node(s.node).relation.as_ref());
    Arc::new(Shared {
        compiler: Arc::new(compiler(project, ids)),
        options,
        system: inv.system.clone(),
        target_path: manifest.project.target_path.clone(),
        builds: relations.map(|r| r.key(manifest.project.dialect)).collect(),
        interrupt: inv.interrupt.clone(),
        published: Mutex::default(),
        publishing: Mutex::new(()),
        scratch: crate::adapter::scratch,
        pace: Default::default(),
        notes,
    })
}

/// Carries out a plan and shows it; the results and the seconds that it took.
pub(super) fn carry_out(inv: &mut Invocation, request: RunRequest<'_>) -> Result<(Vec<RunResult>, f64), CliError> {
    let mut seconds = 0.0;
    let console = &mut inv.console;
    let all = run(request, &mut |event| {
        if let Event::RunFinished { seconds: s, .. } = &event {
            seconds = *s;
        }
        console.event(&event);
    })?;
    Ok((all, seconds))
}

pub(super) fn results(inv: &Invocation, project: &Project, all: &[RunResult], seconds: f64) -> Result<(), CliError> {
    if inv.write_json {
        let folder = &project.manifest.project.target_path;
        write_run_results(inv.system.as_ref(), folder, all, seconds, &metadata(inv), &inv.load.scrubber)?;
    }
    Ok(())
}

/// Where the result is, and the next command to try.
fn advice(inv: &Invocation, project: &Project, args: &RunArgs, all: &[RunResult], failed: bool) {
    if inv.console.is_json() {
        return;
    }
    let target = &project.manifest.project.target;
    // The next command is for the same database.
    let there = inv.load.target.as_deref().map(|t| format!(" --target {t}")).unwrap_or_default();
    // What was interrupted needs no mending.
    if failed && inv.interrupt.is_set() {
        return;
    }
    if failed {
        // What is to be built again: a node that failed, or the one that a failed test is written on.
        let node = |r: &RunResult| project.manifest.get(&r.unique_id);
        let bad = |r: &&RunResult| matches!(r.outcome.status, RunStatus::Error | RunStatus::Fail);
        let built = all.iter().filter(bad).filter_map(node).find(|n| n.resource_type().is_refable());
        let tested = || {
            let test = all.iter().filter(bad).filter_map(node).next()?;
            let attached = test.generic_test().and_then(|t| t.attached).or(test.depends_on.last().copied());
            attached.map(|id| project.manifest.node(id))
        };
        if let Some(node) = built.or_else(tested) {
            inv.console.say(&format!("after mending it: strata build --select {}+{there}", node.name));
        }
        return;
    }
    if args.verb == Verb::Test {
        return;
    }
    let place = if target.duckdb.path.is_empty() { target.database.to_string() } else { target.duckdb.path.clone() };
    // The last model that was built is what most readers came for.
    let last = all
        .iter()
        .rev()
        .filter_map(|r| project.manifest.get(&r.unique_id))
        .find(|n| n.resource_type() == ResourceType::Model);
    inv.console.say(&format!("the result is in {place}, schema {}", target.schema));
    if let Some(node) = last {
        inv.console.say(&format!("look at it: strata show {}{there}", node.name));
    }
}
