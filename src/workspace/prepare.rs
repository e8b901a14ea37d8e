//! Prepares a run for a selection: inspects the database, compares with the last publications and
//! makes the plan.

use super::changes::{
    ChangeRequest, KnownNodes, KnownPublications, compare_with_publications, read_publications,
    retain_stale,
};
use super::{BuildOptions, Notice, Notices, Revision, WorkspaceError};
use crate::changes::{Judgement, NodeDefinition, Verdict};
use crate::diag::{Code, Diagnostic};
use crate::engine::{EngineError, ExistingRelations, Warehouse};
use crate::hash::FastMap;
use crate::inspect::inspect_relations;
use crate::manifest::{Manifest, NodeId, NodeSet};
use crate::outcome::RunResult;
use crate::plan::{Action, CommandVerb, Plan};
use crate::run::{
    CancelToken, Event, NodeVerdict, PublicationState, RunContext, RunError, RunOptions,
    RunRequest, run_plan,
};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The number of a failing test's rows that `watch` shows.
const SAMPLE: usize = 5;

/// A run that is ready to begin.
pub(crate) struct PreparedRun {
    pub(crate) plan: Plan,
    /// The verdict on each node; `None` unless only changed nodes are built.
    pub(crate) verdicts: Option<FastMap<NodeId, Verdict>>,
    shared: Arc<RunContext>,
    existing: ExistingRelations,
    warehouse: Box<dyn Warehouse>,
    cancel: CancelToken,
}

impl PreparedRun {
    /// Runs the plan. Failures of single nodes are part of the results.
    ///
    /// # Errors
    /// A failure outside of the steps: of a connection, of a schema, or of recording test results.
    pub(crate) fn carry_out(
        self,
        notices: &mut Notices<'_>,
    ) -> Result<(Vec<RunResult>, f64), RunError> {
        let hooks = !self.plan.steps.is_empty();
        let PreparedRun { plan, shared, existing, warehouse, cancel, .. } = self;
        let request = RunRequest { shared, plan: &plan, existing, warehouse, cancel, hooks };
        run_and_time(request, notices)
    }

    /// Sends the verdicts as an event: of all nodes but up-to-date tests or, with `due`, only of
    /// the nodes that are to be built.
    pub(crate) fn tell_verdicts(&self, manifest: &Manifest, due: bool, notices: &mut Notices<'_>) {
        if let Some(verdicts) = &self.verdicts {
            notices(Notice::Run(verdicts_event(manifest, verdicts, due)));
        }
    }
}

/// Runs a plan and returns the results with the run's duration in seconds.
pub(crate) fn run_and_time(
    request: RunRequest<'_>,
    notices: &mut Notices<'_>,
) -> Result<(Vec<RunResult>, f64), RunError> {
    let mut seconds = 0.0;
    let results = run_plan(request, &mut |event| {
        if let Event::RunFinished { seconds: s, .. } = &event {
            seconds = *s;
        }
        notices(Notice::Run(event));
    })?;
    Ok((results, seconds))
}

fn verdicts_event(manifest: &Manifest, verdicts: &FastMap<NodeId, Verdict>, due: bool) -> Event {
    let is_told = |id: &NodeId| !due && !manifest.node(*id).resource_type().is_check();
    let told = verdicts.iter().filter(|(id, v)| **v != Verdict::Fresh || is_told(id));
    let mut ids: Vec<NodeId> = told.map(|(id, _)| *id).collect();
    ids.sort();
    let nodes = ids.into_iter().map(|id| manifest.node(id));
    let nodes = nodes.map(|node| NodeVerdict {
        unique_id: node.unique_id.clone(),
        kind: node.resource_type(),
        name: node.display_name(),
        verdict: verdicts[&node.id].clone(),
    });
    Event::VerdictsReached { nodes: nodes.collect() }
}

/// The inputs of `prepare_run` that do not come from the user's request.
pub(crate) struct RunInputs<'a> {
    pub(crate) cancel: &'a CancelToken,
    pub(crate) budget: Option<Duration>,
    /// The state of the database, if an earlier build in this process left it known.
    pub(crate) known: Option<(ExistingRelations, KnownPublications)>,
    /// Computes the current definitions of nodes. It is called only if they are needed.
    pub(crate) define: &'a mut DefineNodes<'a>,
    /// Removes from the selection, and from its verdicts, the nodes that are not to be built now.
    pub(crate) narrow: &'a mut NarrowSelection<'a>,
}

pub(crate) type DefineNodes<'a> =
    dyn FnMut(&NodeSet) -> FastMap<NodeId, NodeDefinition> + Send + 'a;
pub(crate) type NarrowSelection<'a> =
    dyn FnMut(&mut NodeSet, &mut FastMap<NodeId, Verdict>, &KnownNodes) + 'a;

/// Inspects the database and plans the run; if `options.changed` is set, only of what is stale.
pub(crate) fn prepare_run(
    revision: &Revision,
    options: &BuildOptions,
    mut selected: NodeSet,
    mut warehouse: Box<dyn Warehouse>,
    inputs: RunInputs<'_>,
    notices: &mut Notices<'_>,
) -> Result<PreparedRun, WorkspaceError> {
    let make = options.changed.is_some();
    // Defining nodes and inspecting the database both take long in projects with thousands of
    // nodes, so they run side by side. Without `make`, whether definitions are needed is known only
    // after `look_up`.
    let (defined, looked) = std::thread::scope(|scope| {
        let defined = (options.publishes_relations() && make)
            .then(|| scope.spawn(|| (inputs.define)(&selected)));
        let looked = match inputs.known {
            Some((existing, recorded)) => Ok((existing, Some(recorded))),
            None => look_up(revision, &selected, warehouse.as_mut(), options),
        };
        (defined.and_then(|d| d.join().ok()), looked)
    });
    let (mut existing, recorded) = looked?;
    let (mut verdicts, mut notes) = (None, None);
    if let Some(recorded) = recorded {
        let own = defined.unwrap_or_else(|| (inputs.define)(&selected));
        let request = ChangeRequest {
            revision,
            selected: &selected,
            existing: &existing,
            options: options.changed.unwrap_or_default(),
            cancel: inputs.cancel,
        };
        let compared =
            compare_with_publications(&request, recorded, own, warehouse.as_mut(), notices)?;
        let (known, Judgement { verdicts: mut found, versions }) = compared;
        if make {
            (inputs.narrow)(&mut selected, &mut found, &known);
            retain_stale(&revision.manifest, &mut selected, &found);
            verdicts = Some(found);
        }
        notes = Some(known.into_publication_state(versions, make, options));
    }
    let is_built = |id: NodeId| options.publishes_relations() && selected.contains(id);
    let deferred = revision.defer_relations(&selected, &is_built, &existing)?;
    let own = deferred.keys().filter_map(|id| revision.manifest.node(*id).relation.as_ref());
    existing.add_stand_ins(own);
    let plan = revision.plan(options, &selected, &existing).map_err(|d| *d)?;
    if options.audit && options.verb == CommandVerb::Build {
        tell_late_tests(revision, &selected, notices);
    }
    let run_options = RunOptions {
        full_refresh: options.full_refresh,
        store_failures: options.store_failures,
        empty: options.empty,
        tests_hold_back: options.verb == CommandVerb::Build,
        budget: inputs.budget,
        sample: if options.changed.is_some_and(|c| c.edits_only) { SAMPLE } else { 0 },
        deferred,
        cloned: revision.find_cloned(options)?,
        sampled: options.times.sample,
        batches: options.batch_options(start_of_build(revision, options)),
        conditional_steps: verdicts
            .as_ref()
            .map(|v| conditional_steps(&plan, v))
            .unwrap_or_default(),
        ..default_run_options(revision, options.fail_fast)
    };
    let shared = build_run_context(revision, inputs.cancel, &selected, &plan, run_options, notes);
    Ok(PreparedRun { plan, verdicts, shared, existing, warehouse, cancel: inputs.cancel.clone() })
}

/// When a build began. A command that stays begins anew with each build.
fn start_of_build(revision: &Revision, options: &BuildOptions) -> jiff::Timestamp {
    let stays = options.changed.is_some_and(|changed| changed.edits_only);
    if stays { revision.settings.system.now() } else { revision.settings.started }
}

/// The indices of the steps that have to run only if one of their inputs changes.
fn conditional_steps(plan: &Plan, verdicts: &FastMap<NodeId, Verdict>) -> HashSet<usize> {
    let is_conditional =
        |id: &NodeId| matches!(verdicts.get(id), Some(Verdict::MaybeStale(_)) | None);
    let steps = plan.steps.iter().enumerate();
    let conditional = steps.filter(|(_, s)| {
        s.action != Action::NoOp && is_conditional(&s.node) && s.guards.iter().all(is_conditional)
    });
    conditional.map(|(i, _)| i).collect()
}

/// The existing relations and, if the command publishes, the recorded publications.
fn look_up(
    revision: &Revision,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
    options: &BuildOptions,
) -> Result<(ExistingRelations, Option<KnownPublications>), EngineError> {
    // A second connection costs nothing if only this process uses the database (it is not
    // `shared`), so relations are listed there while publications are read here.
    let mut other = (!warehouse.engine().capabilities.is_shared)
        .then(|| warehouse.open_another().ok())
        .flatten();
    let list = |w: &mut dyn Warehouse| inspect_relations(w, &revision.manifest, selected.iter());
    std::thread::scope(|scope| {
        let listed = other.as_mut().map(|w| scope.spawn(|| list(w.as_mut())));
        let recorded = match options.publishes_relations() {
            true => read_publications(revision, selected, warehouse, options.changed.is_some())?,
            false => None,
        };
        let existing = listed.and_then(|l| l.join().ok()).unwrap_or_else(|| list(warehouse))?;
        Ok((existing, recorded))
    })
}

/// Warns of tested nodes that a custom materialization builds: it publishes them itself, so their
/// tests run too late to hold the publication back.
fn tell_late_tests(revision: &Revision, selected: &NodeSet, notices: &mut Notices<'_>) {
    let nodes = selected.iter().map(|id| revision.manifest.node(id));
    for node in nodes.filter(|n| n.resource_type().is_refable()) {
        if revision.publishes_itself(node.id) && is_tested(revision, selected, node.id) {
            let message = format!(
                "`{}` is built by a materialization of the project, which publishes by itself",
                node.name
            );
            let d = Diagnostic::warning(Code::Ignored, message)
                .primary(node.span, "its tests run after it is published");
            notices(Notice::Diagnostics(vec![d]));
        }
    }
}

/// Whether a generic test of the selection depends on a node.
fn is_tested(revision: &Revision, selected: &NodeSet, id: NodeId) -> bool {
    let mut children = revision.manifest.graph.children(id).into_iter();
    children.any(|c| selected.contains(c) && revision.manifest.node(c).generic_test().is_some())
}

pub(crate) fn default_run_options(revision: &Revision, fail_fast: bool) -> RunOptions {
    RunOptions {
        threads: revision.target().threads,
        fail_fast,
        write_files: revision.settings.write_json,
        warnings: revision.settings.warnings.clone(),
        ..RunOptions::default()
    }
}

/// The state that a run's workers share. Without `publication_state`, no
/// publications are recorded.
pub(crate) fn build_run_context(
    revision: &Revision,
    cancel: &CancelToken,
    selected: &NodeSet,
    plan: &Plan,
    options: RunOptions,
    publication_state: Option<Arc<PublicationState>>,
) -> Arc<RunContext> {
    let manifest = &revision.manifest;
    let ids = selected.iter().map(|id| manifest.node(id).unique_id.clone()).collect();
    let built = plan.steps.iter().filter(|s| s.action == Action::Build);
    let relations = built.filter_map(|s| manifest.node(s.node).relation.as_ref());
    Arc::new(RunContext {
        compiler: Arc::new(revision.compiler(ids).with_deferred(options.deferred.clone())),
        options,
        system: revision.settings.system.clone(),
        target_path: manifest.project.target_path.clone(),
        builds: relations.map(|r| r.key(manifest.project.dialect)).collect(),
        cancel: cancel.clone(),
        stopping: CancelToken::default(),
        published: Mutex::default(),
        publishing: Mutex::new(()),
        scratch: crate::adapter::open_scratch_database,
        pace: Default::default(),
        publication_state,
    })
}
