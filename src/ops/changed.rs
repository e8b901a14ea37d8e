//! What has to be built since the last time: the verdict of each node, from what its publication was made from.

use super::project::Project;
use super::run::{options as run_options, shared};
use super::{CliError, Invocation};
use crate::changes::{Compare, Judged, KeptPrints, Own, Verdict, own_prints, readings, verdicts};
use crate::diag::{Diagnostic, Severity};
use crate::engine::{Existing, Print, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, NodeId, NodeKind, ResourceType};
use crate::plan::{Action, Plan};
use crate::run::{FreshnessRequest, Notes, RunOptions, check_sources};
use crate::select::NodeSet;
use crate::state::{Publications, read_prints, write_prints};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

/// How `--changed` judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judge {
    /// Sources of which nothing tells whether they have changed are as they were.
    pub(crate) assume_sources: bool,
    /// Only what was edited counts, not what may differ by itself.
    pub(crate) edits_only: bool,
}

/// What publications left, and what nodes say now.
pub(super) struct Known {
    pub(super) publications: Publications,
    before: FastMap<String, Print>,
    own: FastMap<NodeId, Own>,
}

impl Known {
    /// A print of all that a node's verdict comes from: the same as long as nothing has changed for it. One that reads
    /// something that is built now has none.
    pub(super) fn causes(
        &self,
        manifest: &Manifest,
        verdicts: &FastMap<NodeId, Verdict>,
    ) -> FastMap<String, Fingerprint> {
        let moves = |id: &NodeId| verdicts.get(id).is_some_and(|v| *v != Verdict::Same);
        let mut out = FastMap::default();
        for (id, own) in &self.own {
            let node = manifest.node(*id);
            let parents = readings(manifest, node);
            if !moves(id) || parents.iter().any(moves) {
                continue;
            }
            let version = |p: &NodeId| self.before.get(&*manifest.node(*p).unique_id).map(|b| b.version.clone());
            let own = own.parts.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
            let parts = own.chain(parents.iter().map(|p| version(p).unwrap_or_default()));
            out.insert(node.unique_id.to_string(), Fingerprint::of_parts(parts));
        }
        out
    }
}

/// The stored prints of compiled nodes; empty without a cache.
pub(crate) fn kept_prints(inv: &Invocation, project: &Project) -> KeptPrints {
    match inv.cache {
        true => read_prints(inv.system.as_ref(), &project.manifest.project.target_path),
        false => KeptPrints::default(),
    }
}

/// What the selected nodes say now.
pub(super) fn own(
    inv: &Invocation,
    project: &Project,
    selected: &NodeSet,
    prints: &mut KeptPrints,
) -> FastMap<NodeId, Own> {
    let ids: Vec<NodeId> = selected.iter().filter(|id| is_judged(project, *id)).collect();
    let compiler = super::compile::compiler(project, Vec::new());
    let own = own_prints(&compiler, &ids, prints);
    if inv.cache && prints.is_changed() {
        // A cache that cannot be written costs time only.
        let _ = write_prints(inv.system.as_ref(), &project.manifest.project.target_path, prints);
    }
    own
}

/// Reads what the last publications were made from. With `make` the table is made where it is missing; else none means
/// that builds are not noted here. What nodes say is asked for only if it is needed.
pub(super) fn known(
    project: &Project,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
    make: bool,
    own: &mut dyn FnMut(&NodeSet) -> FastMap<NodeId, Own>,
) -> Result<Option<Known>, CliError> {
    let manifest = &project.manifest;
    let publications = match Publications::find(warehouse, manifest, selected.iter())? {
        Some(found) if !make => found,
        None if !make => return Ok(None),
        _ => Publications::make(warehouse, manifest, selected.iter())?,
    };
    let before = publications.read(warehouse)?;
    Ok(Some(Known { publications, before, own: own(selected) }))
}

/// What a verdict is given on.
fn is_judged(project: &Project, id: NodeId) -> bool {
    let node = project.manifest.node(id);
    match node.resource_type() {
        ResourceType::Test => true,
        kind => kind.is_refable() && !node.is_ephemeral(),
    }
}

/// The verdicts on the selected nodes, and the versions that can be read now.
pub(super) fn judge(
    inv: &mut Invocation,
    project: &Project,
    selected: &NodeSet,
    existing: &Existing,
    known: &Known,
    how: Judge,
    warehouse: &mut dyn Warehouse,
) -> Result<Judged, CliError> {
    let sources = source_versions(inv, project, selected, warehouse)?;
    Ok(verdicts(&Compare {
        manifest: &project.manifest,
        own: &known.own,
        before: &known.before,
        existing,
        sources: &sources,
        assume_sources: how.assume_sources,
        edits_only: how.edits_only,
        selected: &|id| selected.contains(id),
    }))
}

/// When the sources that the selection rests on were loaded, as far as they say.
fn source_versions(
    inv: &mut Invocation,
    project: &Project,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
) -> Result<FastMap<NodeId, String>, CliError> {
    let manifest = &project.manifest;
    let mut queue: VecDeque<NodeId> = selected.iter().collect();
    let mut seen: HashSet<NodeId> = queue.iter().copied().collect();
    let mut asked = Vec::new();
    while let Some(id) = queue.pop_front() {
        if let NodeKind::Source(table) = &manifest.node(id).kind
            && (table.loaded_at_field.is_some() || table.loaded_at_query.is_some())
        {
            asked.push(id);
        }
        queue.extend(manifest.node(id).depends_on.iter().filter(|p| seen.insert(**p)));
    }
    if asked.is_empty() {
        return Ok(FastMap::default());
    }
    let options = RunOptions { write_files: false, ..run_options(inv, project, false) };
    let shared = shared(inv, project, &asked.iter().copied().collect(), &Plan::default(), options);
    let request = FreshnessRequest {
        shared,
        sources: &asked,
        warehouse: warehouse.fork()?,
        interrupt: inv.interrupt.clone(),
        hooks: false,
    };
    let run = check_sources(request, &mut |_| {})?;
    // What cannot be measured has no version: what reads it is built.
    for failed in run.sources.iter().filter_map(|s| s.result.outcome.failed.as_ref()) {
        inv.console.diagnostic(&Diagnostic { severity: Severity::Warning, ..failed.diagnostic.clone() });
    }
    let version = |s: crate::engine::SourceFreshness| {
        let id = *manifest.by_unique_id.get(&s.result.unique_id)?;
        Some((id, s.measured?.max_loaded_at.to_string()))
    };
    Ok(run.sources.into_iter().filter_map(version).collect())
}

/// What a run notes of its nodes.
pub(super) fn notes(known: Known, versions: FastMap<NodeId, String>, compares: bool, empty: bool) -> Arc<Notes> {
    let parts = |mut own: Own| {
        if empty {
            // What is published without rows has to be built again.
            Arc::make_mut(&mut own.parts).insert("empty".to_owned(), "true".to_owned());
        }
        own.parts
    };
    Arc::new(Notes {
        publications: known.publications,
        own: known.own.into_iter().map(|(id, own)| (id, parts(own))).collect(),
        before: known.before,
        compares,
        versions: Mutex::new(versions),
    })
}

/// Leaves in a selection what has to be built, or may have to be, with what hangs on it: exports and the like.
pub(super) fn narrow(project: &Project, selected: &mut NodeSet, verdicts: &FastMap<NodeId, Verdict>) {
    let moves = |id: NodeId| verdicts.get(&id).is_some_and(|v| *v != Verdict::Same);
    selected.retain(|id| match verdicts.get(&id) {
        Some(verdict) => *verdict != Verdict::Same,
        None => project.manifest.node(id).depends_on.iter().any(|p| moves(*p)),
    });
}

/// The steps that are needed only if something that they read changes.
pub(super) fn maybe(plan: &Plan, verdicts: &FastMap<NodeId, Verdict>) -> HashSet<usize> {
    let maybe = |id: &NodeId| matches!(verdicts.get(id), Some(Verdict::Maybe(_)) | None);
    let steps = plan.steps.iter().enumerate();
    let of_nodes = steps.filter(|(_, s)| maybe(&s.node) && s.guards.iter().all(maybe) && s.action != Action::NoOp);
    of_nodes.map(|(i, _)| i).collect()
}
