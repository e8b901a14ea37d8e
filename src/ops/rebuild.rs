//! The rebuild of `watch` after each save. The database is open only while it builds.

use super::OpsError;
use crate::changes::Verdict;
use crate::diag::Checked;
use crate::engine::{EngineErrorKind, Table, Warehouse, limit_rows, select_all};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, NodeId, NodeSet};
use crate::outcome::{RunResult, RunStatus};
use crate::plan::CommandVerb;
use crate::run::{CancelToken, Event, ShowRowsError, SkippedStale, SkippedStaleReason};
use crate::select::Selection;
use crate::system::SystemError;
use crate::workspace::{
    BuildOptions, ChangeOptions, KnownDatabase, NodeDefinitions, Notice, Revision, RunInputs,
    prepare_run, resource_types_of,
};
use std::panic::resume_unwind;
use std::time::Duration;

/// The nodes that `watch` builds.
pub(crate) fn select_for_watch(
    revision: &Revision,
    selection: &Selection,
) -> Result<Checked<NodeSet>, SystemError> {
    revision.select(selection, resource_types_of(CommandVerb::Build))
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RebuildLimits {
    /// How many levels of descendants of a changed node are built; `None`: all.
    pub(crate) depth: Option<usize>,
    pub(crate) budget: Option<Duration>,
}

/// The unique ids of nodes that failed, with the fingerprint of the causes of the attempt. A node
/// is not tried again with the same causes.
pub(crate) type FailedCauses = FastMap<String, Fingerprint>;

pub(crate) struct RebuildRequest<'a> {
    pub(crate) revision: &'a Revision,
    pub(crate) selected: NodeSet,
    pub(crate) limits: RebuildLimits,
    pub(crate) failed_before: &'a FailedCauses,
    /// The node whose first rows are shown after the rebuild.
    pub(crate) show: Option<NodeId>,
    pub(crate) rows: usize,
    pub(crate) cancel: &'a CancelToken,
}

#[derive(Default)]
pub(crate) struct RebuildReport {
    pub(crate) results: Vec<RunResult>,
    pub(crate) left: Vec<SkippedStale>,
    pub(crate) failed: FailedCauses,
    /// The number of nodes that were compiled in order to be compared.
    pub(crate) compiled: usize,
}

/// A notification during a rebuild.
pub(crate) enum RebuildProgress {
    /// The database is locked by another process.
    Waiting(String),
    /// The first rows of the node to show. Sent before the database is closed, since closing a
    /// large one takes long.
    Shown(Result<Table, ShowRowsError>),
    Event(Event),
}

/// Builds what has changed. `known` is the state of the database after the last rebuild.
pub(crate) fn rebuild_changed(
    request: RebuildRequest<'_>,
    known: &mut Option<KnownDatabase>,
    emit: &mut dyn FnMut(RebuildProgress),
) -> Result<RebuildReport, OpsError> {
    let RebuildRequest { revision, selected, limits, failed_before, show, rows, cancel } = request;
    let (definitions, opened) = std::thread::scope(|scope| {
        let defined = scope.spawn(|| revision.define_selected(&selected));
        let opened = wait_for_database(revision, cancel, emit);
        (defined.join().unwrap_or_else(|panic| resume_unwind(panic)), opened)
    });
    let Some(warehouse) = opened? else { return Ok(RebuildReport::default()) };
    let NodeDefinitions { nodes: own, compiled } = definitions;
    // The second handle keeps the database open for the rows shown at the end.
    let mut after = warehouse.open_another()?;
    let changes = ChangeOptions { assume_sources: true, edits_only: true };
    let options = BuildOptions { changed: Some(changes), ..BuildOptions::of(CommandVerb::Build) };
    let manifest = &revision.manifest;
    let mut left = Vec::new();
    let mut causes: FailedCauses = FastMap::default();
    let mut own = Some(own);
    let inputs = RunInputs {
        cancel,
        budget: limits.budget,
        known: known.take().and_then(|k| k.take_if_same(revision, &selected)),
        define: &mut |_| own.take().unwrap_or_default(),
        narrow: &mut |selected, verdicts, nodes| {
            causes = nodes.fingerprint_causes(manifest, verdicts);
            let limit = Limit { manifest, limits: &limits, failed_before, causes: &causes };
            left = limit.leave_out(selected, verdicts);
        },
    };
    let notices = &mut |notice| {
        if let Notice::Run(event) = notice {
            emit(RebuildProgress::Event(event));
        }
    };
    let prepared = prepare_run(revision, &options, selected.clone(), warehouse, inputs, notices)?;
    prepared.tell_verdicts(manifest, true, notices);
    let (results, _) = prepared.carry_out(notices)?;
    if let Some(id) = show {
        emit(RebuildProgress::Shown(fetch_first_rows(manifest, id, rows, after.as_mut())));
    }
    let mut failed = FailedCauses::default();
    if !cancel.is_cancelled() {
        failed = failed_with_causes(&results, &causes);
        *known = KnownDatabase::look(revision, &selected, after.as_mut());
    }
    Ok(RebuildReport { results, left, failed, compiled })
}

/// The nodes that failed, with the fingerprints of their causes. Skipped nodes were not tried.
fn failed_with_causes(results: &[RunResult], causes: &FailedCauses) -> FailedCauses {
    let has_failed = |r: &&RunResult| r.outcome.failed.is_some() || r.outcome.status.is_failure();
    let tried = results.iter().filter(|r| r.outcome.status != RunStatus::Skipped);
    let causes = tried
        .filter(has_failed)
        .filter_map(|r| Some((r.unique_id.to_string(), *causes.get(&*r.unique_id)?)));
    causes.collect()
}

/// Waits for a database that another process has locked. `None` if cancelled.
fn wait_for_database(
    revision: &Revision,
    cancel: &CancelToken,
    emit: &mut dyn FnMut(RebuildProgress),
) -> Result<Option<Box<dyn Warehouse>>, OpsError> {
    const STEP: Duration = Duration::from_millis(15);
    let mut is_told = false;
    while !cancel.is_cancelled() {
        match revision.connect() {
            Err(e) if e.kind == EngineErrorKind::Locked => {
                if !std::mem::replace(&mut is_told, true) {
                    emit(RebuildProgress::Waiting(e.message));
                }
                std::thread::sleep(STEP);
            }
            other => return Ok(Some(other?)),
        }
    }
    Ok(None)
}

/// Removes nodes from a rebuild that are not built now.
struct Limit<'a> {
    manifest: &'a Manifest,
    limits: &'a RebuildLimits,
    failed_before: &'a FailedCauses,
    causes: &'a FailedCauses,
}

impl Limit<'_> {
    /// Removes from a selection the nodes that are too far below a change, and those that failed
    /// before with the same causes.
    fn leave_out(
        &self,
        selected: &mut NodeSet,
        verdicts: &mut FastMap<NodeId, Verdict>,
    ) -> Vec<SkippedStale> {
        let mut left = Vec::new();
        let mut distance: FastMap<NodeId, usize> = FastMap::default();
        let mut out: FastMap<NodeId, SkippedStaleReason> = FastMap::default();
        for id in self.manifest.graph.order().unwrap_or_default() {
            let node = self.manifest.node(id);
            let above = node.depends_on.iter().filter_map(|p| distance.get(p)).max().copied();
            if node.is_ephemeral() {
                distance.extend(above.map(|n| (id, n)));
            }
            let verdict = verdicts.get(&id).filter(|v| **v != Verdict::Fresh);
            let Some(verdict) = verdict else { continue };
            let is_stored = node.resource_type().is_published();
            let steps = match verdict {
                Verdict::Stale(_) if !is_stored => above.unwrap_or(0),
                Verdict::Stale(_) => 0,
                _ => above.map_or(0, |n| n + usize::from(is_stored)),
            };
            distance.insert(id, steps);
            let Some(why) = self.reason_to_leave(id, steps, &out) else { continue };
            out.insert(id, why);
            if is_stored {
                left.push(SkippedStale {
                    unique_id: node.unique_id.to_string(),
                    name: node.display_name(),
                    verdict: verdict.clone(),
                    why,
                });
            }
        }
        selected.retain(|id| !out.contains_key(&id));
        verdicts.retain(|id, _| !out.contains_key(id));
        left
    }

    fn reason_to_leave(
        &self,
        id: NodeId,
        steps: usize,
        out: &FastMap<NodeId, SkippedStaleReason>,
    ) -> Option<SkippedStaleReason> {
        let node = self.manifest.node(id);
        let before = self.failed_before.get(&*node.unique_id);
        let is_left = |p: &NodeId| {
            out.contains_key(p) && self.manifest.node(*p).resource_type().is_published()
        };
        if before.is_some_and(|then| self.causes.get(&*node.unique_id) == Some(then)) {
            Some(SkippedStaleReason::FailedBefore)
        } else if node.resource_type().is_published() && node.depends_on.iter().any(is_left) {
            Some(SkippedStaleReason::ReadsSkipped)
        } else if self.limits.depth.is_some_and(|depth| steps > depth) {
            Some(SkippedStaleReason::TooDeep)
        } else {
            None
        }
    }
}

/// The first rows of a node's published relation.
fn fetch_first_rows(
    manifest: &Manifest,
    id: NodeId,
    rows: usize,
    warehouse: &mut dyn Warehouse,
) -> Result<Table, ShowRowsError> {
    let node = manifest.node(id);
    let Some(relation) = node.relation.as_ref().filter(|_| !node.is_ephemeral()) else {
        return Err(ShowRowsError::NotStored(node.name.to_string()));
    };
    let sql = limit_rows(&select_all(relation, warehouse.engine()), rows);
    warehouse
        .fetch(&sql, Some(rows))
        .map(|(_, table)| table)
        .map_err(|e| ShowRowsError::Engine(e.message))
}
