//! From a selection to a run that is ready to begin: the database is looked at, what has changed is
//! judged, the plan made.

use super::changed::{self, Look, Noted, judge, maybe, narrow, noted};
use super::compile::compiler;
use super::project::Project;
use super::run::RunArgs;
use super::{CliError, Invocation};
use crate::changes::{Own, Verdict};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Existing, Warehouse};
use crate::hash::FastMap;
use crate::inspect::inspect;
use crate::manifest::{NodeId, NodeSet};
use crate::plan::{Action, Plan, PlanRequest, Verb, plan};
use crate::run::{Interrupt, Notes, RunOptions, RunRequest, Shared};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whether a project's own materialization builds a node.
pub(super) fn publishes_itself(project: &Project) -> impl Fn(NodeId) -> bool + '_ {
    |id| {
        let node = project.manifest.node(id);
        project
            .engine
            .registry()
            .materialization(
                &node.package,
                &node.materialized(),
                project.context.explicit_overrides,
            )
            .is_some()
    }
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
    /// What the database holds, where that is known.
    pub(super) seen: Option<(Existing, Noted)>,
    /// What nodes say now.
    pub(super) say: &'a mut Say<'a>,
    /// Takes out of a selection, and of its verdicts, what is not to be built now.
    pub(super) leave: &'a mut Leave<'a>,
}

pub(super) type Say<'a> = dyn FnMut(&NodeSet) -> FastMap<NodeId, Own> + Send + 'a;
pub(super) type Leave<'a> =
    dyn FnMut(&mut NodeSet, &mut FastMap<NodeId, Verdict>, &changed::Known) + 'a;

/// Looks at the database and plans; with `changed`, what has to be built of the selection.
pub(super) fn prepare(
    inv: &mut Invocation,
    project: &Project,
    args: &RunArgs,
    mut selected: NodeSet,
    mut warehouse: Box<dyn Warehouse>,
    wanted: Wanted<'_>,
) -> Result<Prepared, CliError> {
    let publishes = matches!(args.verb, Verb::Build | Verb::Run | Verb::Seed | Verb::Snapshot);
    let make = args.changed.is_some();
    // Both take long where there are thousands of nodes. Without `make` it is not known yet whether
    // nodes are asked.
    let (said, seen) = std::thread::scope(|scope| {
        let asked = (publishes && make).then(|| scope.spawn(|| (wanted.say)(&selected)));
        let seen = match wanted.seen {
            Some((existing, noted)) => Ok((existing, Some(noted))),
            None => look_up(project, &selected, warehouse.as_mut(), publishes, make),
        };
        (asked.and_then(|a| a.join().ok()), seen)
    });
    let (existing, found) = seen?;
    let (mut verdicts, mut notes) = (None, None);
    if let Some(noted) = found {
        let own = said.unwrap_or_else(|| (wanted.say)(&selected));
        let at = Look {
            project,
            selected: &selected,
            existing: &existing,
            how: args.changed.unwrap_or_default(),
        };
        let (known, (mut found, versions)) = judge(inv, &at, noted, own, warehouse.as_mut())?;
        if args.changed.is_some() {
            (wanted.leave)(&mut selected, &mut found, &known);
            narrow(project, &mut selected, &found);
            verdicts = Some(found);
        }
        notes = Some(changed::notes(known, versions, args.changed.is_some(), args.empty));
    }
    let plan = planned(inv, project, args, &selected, &existing)?;
    if args.audit && args.verb == Verb::Build {
        warn_of_own_materializations(inv, project, &selected);
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

/// The plan of a command for what is selected.
pub(super) fn planned(
    inv: &mut Invocation,
    project: &Project,
    args: &RunArgs,
    selected: &NodeSet,
    existing: &Existing,
) -> Result<Plan, CliError> {
    let request = PlanRequest {
        manifest: &project.manifest,
        selected,
        existing,
        verb: args.verb,
        audit: args.audit,
        full_refresh: args.full_refresh,
        store_failures: args.store_failures,
        order: inv.start_order,
        publishes_itself: &publishes_itself(project),
    };
    checked_plan(inv, &request)
}

/// A plan, or the end of the command: nothing is run of a selection that cannot be placed as a
/// whole.
pub(super) fn checked_plan(
    inv: &mut Invocation,
    request: &PlanRequest<'_>,
) -> Result<Plan, CliError> {
    plan(request).map_err(|d| {
        inv.console.diagnostic(&d);
        CliError::Reported
    })
}

/// What exists, and what publications left if that is asked for.
fn look_up(
    project: &Project,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
    publishes: bool,
    make: bool,
) -> Result<(Existing, Option<Noted>), CliError> {
    // Another connection to a database in this process costs nothing.
    let mut other = (!warehouse.engine().abilities.shared).then(|| warehouse.fork().ok()).flatten();
    let list = |w: &mut dyn Warehouse| inspect(w, &project.manifest, selected.iter());
    std::thread::scope(|scope| {
        let listed = other.as_mut().map(|w| scope.spawn(|| list(w.as_mut())));
        let found = match publishes {
            true => noted(project, selected, warehouse, make)?,
            false => None,
        };
        let existing = listed.and_then(|l| l.join().ok()).unwrap_or_else(|| list(warehouse))?;
        Ok((existing, found))
    })
}

/// A project's own materialization publishes by itself: its tests come too late to hold anything
/// back.
fn warn_of_own_materializations(inv: &mut Invocation, project: &Project, selected: &NodeSet) {
    let (manifest, itself) = (&project.manifest, publishes_itself(project));
    for node in
        selected.iter().map(|id| manifest.node(id)).filter(|n| n.resource_type().is_refable())
    {
        let tested = || {
            let mut children = manifest.graph.children(node.id).into_iter();
            children.any(|c| selected.contains(c) && manifest.node(c).generic_test().is_some())
        };
        if itself(node.id) && tested() {
            let message = format!(
                "`{}` is built by a materialization of the project, which publishes by itself",
                node.name
            );
            let d = Diagnostic::warning(Code::Ignored, message)
                .primary(node.span, "its tests run after it is published");
            inv.console.diagnostic(&d);
        }
    }
}

/// Options of a run that does nothing special.
pub(super) fn options(inv: &Invocation, project: &Project, fail_fast: bool) -> RunOptions {
    RunOptions {
        threads: project.target().threads,
        fail_fast,
        write_files: inv.write_json,
        warnings: inv.warnings.clone(),
        ..RunOptions::default()
    }
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
