//! `plan`: makes the steps of a build without executing them.

use super::OpsError;
use super::choose::choose_nodes;
use crate::changes::Verdict;
use crate::engine::{EngineError, ExistingRelations};
use crate::hash::FastMap;
use crate::inspect::inspect_relations;
use crate::manifest::{EventWindow, Manifest, NodeId};
use crate::plan::{Action, Plan};
use crate::run::find_batches;
use crate::workspace::{
    BuildOptions, ChangeRequest, Notices, Revision, Workspace, compare_selected, resource_types_of,
    retain_stale,
};
use std::sync::Arc;

pub(crate) struct PlanReport {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) plan: Plan,
    /// Nodes that `--changed` does not build.
    pub(crate) unchanged: Vec<NodeId>,
    /// The connection error, if the plan was made without knowledge of the database.
    pub(crate) without_database: Option<EngineError>,
    /// Whether `--changed` has nothing to compare with, since no build was recorded in this
    /// database.
    pub(crate) is_unrecorded: bool,
}

pub(crate) fn plan_build(
    workspace: &mut Workspace,
    options: &BuildOptions,
    notices: &mut Notices<'_>,
) -> Result<PlanReport, OpsError> {
    let revision = workspace.open(notices)?;
    let types = resource_types_of(options.verb);
    let mut selected = choose_nodes(&revision, &options.selection, types, notices)?;
    let (mut verdicts, mut without_database) = (None, None);
    let mut existing = ExistingRelations::Unknown;
    match revision.connect() {
        Ok(mut warehouse) => {
            existing = inspect_relations(warehouse.as_mut(), &revision.manifest, selected.iter())?;
            if let Some(changes) = options.changed {
                let request = ChangeRequest {
                    revision: &revision,
                    selected: &selected,
                    existing: &existing,
                    options: changes,
                    cancel: workspace.cancel_token(),
                };
                let compared = compare_selected(&request, warehouse.as_mut(), notices)?;
                verdicts = compared.map(|(_, judgement)| judgement.verdicts);
            }
        }
        Err(e) => without_database = Some(e),
    }
    let is_unrecorded =
        options.changed.is_some() && verdicts.is_none() && without_database.is_none();
    if let Some(verdicts) = &verdicts {
        retain_stale(&revision.manifest, &mut selected, verdicts);
    }
    let mut plan = revision.plan(options, &selected, &existing).map_err(|d| *d)?;
    let verdicts = verdicts.unwrap_or_default();
    add_batches(&mut plan, &revision, options, &existing);
    add_reasons(&mut plan, &verdicts);
    let same = verdicts.iter().filter(|(_, v)| **v == Verdict::Fresh);
    let mut unchanged: Vec<NodeId> = same.map(|(id, _)| *id).collect();
    unchanged.sort();
    let manifest = revision.manifest.clone();
    Ok(PlanReport { manifest, plan, unchanged, without_database, is_unrecorded })
}

/// Adds the batches to each step that has some. Without a database it is not known which.
fn add_batches(
    plan: &mut Plan,
    revision: &Revision,
    options: &BuildOptions,
    existing: &ExistingRelations,
) {
    if !existing.is_known() {
        return;
    }
    let times = options.batch_options(revision.settings.started);
    for step in plan.steps.iter_mut().filter(|step| step.action == Action::Build) {
        let node = revision.manifest.node(step.node);
        let Some(config) = node.typed.microbatch() else { continue };
        let found = find_batches(node, config, existing, options.full_refresh, &times);
        let Ok(found) = found else { continue };
        let name = |window: Option<&EventWindow>| {
            window.map(|window| config.size.name_of(window.start)).unwrap_or_default()
        };
        let (first, last) = (name(found.batches.first()), name(found.batches.last()));
        let text = match found.batches.len() {
            1 => format!("1 batch, {first}"),
            n => format!("{n} batches, {first} to {last}"),
        };
        step.reason = format!("{}; {text}", step.reason);
    }
}

/// Adds to each step the reason why its node is stale.
fn add_reasons(plan: &mut Plan, verdicts: &FastMap<NodeId, Verdict>) {
    for step in &mut plan.steps {
        let Some(why) = verdicts.get(&step.node).and_then(Verdict::reason) else { continue };
        let how = std::mem::take(&mut step.reason);
        step.reason = if how.is_empty() { why.to_string() } else { format!("{how}; {why}") };
    }
}
