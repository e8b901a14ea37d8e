//! Decides which nodes have to be built again, by comparing each with the publication recorded for
//! it in the database.

use super::prepare::{build_run_context, default_run_options};
use super::request::{BuildOptions, ChangeOptions};
use super::{Notice, Notices, Revision};
use crate::changes::{
    ComparisonInputs, Judgement, NodeDefinition, Verdict, fingerprint_definitions, judge_nodes,
    read_parents,
};
use crate::diag::{Diagnostic, Severity};
use crate::engine::{EngineError, ExistingRelations, Warehouse};
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::manifest::{Manifest, NodeId, NodeKind, NodeSet};
use crate::outcome::{PublicationFingerprint, SourceFreshness};
use crate::plan::Plan;
use crate::run::{CancelToken, FreshnessRequest, PublicationState, RunOptions, check_sources};
use crate::state::Publications;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The publications recorded in the database, by unique id.
pub(crate) struct KnownPublications {
    publications: Publications,
    before: FastMap<String, PublicationFingerprint>,
}

/// The recorded publications and the current definitions of the nodes.
pub(crate) struct KnownNodes {
    recorded: KnownPublications,
    own: FastMap<NodeId, NodeDefinition>,
}

impl KnownNodes {
    pub(super) fn fingerprint_definitions(&self, manifest: &Manifest) -> Fingerprint {
        fingerprint_definitions(manifest, &self.own)
    }

    /// Fingerprints of everything that leads to a node's verdict, by unique id: a fingerprint stays
    /// the same as long as the reasons to build the node do. Nodes that are up to date, and nodes
    /// with a parent that is to be built, are left out.
    pub(crate) fn fingerprint_causes(
        &self,
        manifest: &Manifest,
        verdicts: &FastMap<NodeId, Verdict>,
    ) -> FastMap<String, Fingerprint> {
        let moves = |id: &NodeId| verdicts.get(id).is_some_and(|v| *v != Verdict::Fresh);
        let mut out = FastMap::default();
        #[expect(clippy::iter_over_hash_type, reason = "each node is looked at by itself")]
        for (id, own) in &self.own {
            let node = manifest.node(*id);
            let parents = read_parents(manifest, node);
            if !moves(id) || parents.iter().any(moves) {
                continue;
            }
            let own = own.parts.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
            let versions = parents.iter().map(|p| self.version_of(manifest, *p));
            let parts = own.chain(versions);
            out.insert(node.unique_id.to_string(), Fingerprint::of_parts(parts));
        }
        out
    }

    fn version_of(&self, manifest: &Manifest, id: NodeId) -> String {
        let before = self.recorded.before.get(&*manifest.node(id).unique_id);
        before.map(|b| b.version.clone()).unwrap_or_default()
    }

    /// The state that a run needs to record its publications. With `fingerprints_content`, the
    /// content of each published relation is compared with its predecessor, so that an unchanged
    /// one does not cause its children to be built.
    pub(super) fn into_publication_state(
        self,
        versions: FastMap<NodeId, String>,
        fingerprints_content: bool,
        options: &BuildOptions,
    ) -> Arc<PublicationState> {
        let mut parts: FastMap<_, _> =
            self.own.into_iter().map(|(id, own)| (id, own.parts)).collect();
        // A relation built from no rows, or from some, has to be rebuilt by the next build.
        let partial = [("empty", options.empty), ("sample", options.times.sample.is_some())];
        for (part, _) in partial.into_iter().filter(|(_, is_so)| *is_so) {
            parts.values_mut().for_each(|parts| {
                Arc::make_mut(parts).insert(part.to_owned(), "true".to_owned());
            });
        }
        Arc::new(PublicationState {
            publications: self.recorded.publications,
            definitions: parts,
            recorded: self.recorded.before,
            fingerprints_content,
            versions: Mutex::new(versions),
        })
    }
}

/// Reads the recorded publications. With `make`, the publications table is created if it is
/// missing; without, `None` means that the database has no such table.
pub(super) fn read_publications(
    revision: &Revision,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
    make: bool,
) -> Result<Option<KnownPublications>, EngineError> {
    let manifest = &revision.manifest;
    let publications = match Publications::find(warehouse, manifest, selected.iter())? {
        Some(found) if !make => found,
        None if !make => return Ok(None),
        _ => Publications::make(warehouse, manifest, selected.iter())?,
    };
    let before = publications.read(warehouse)?;
    Ok(Some(KnownPublications { publications, before }))
}

/// The inputs of a comparison with the recorded publications.
pub(crate) struct ChangeRequest<'a> {
    pub(crate) revision: &'a Revision,
    pub(crate) selected: &'a NodeSet,
    pub(crate) existing: &'a ExistingRelations,
    pub(crate) options: ChangeOptions,
    pub(crate) cancel: &'a CancelToken,
}

/// The nodes of a selection that get a verdict: tests, and whatever is stored as a relation.
pub(super) fn comparable_nodes(revision: &Revision, selected: &NodeSet) -> Vec<NodeId> {
    let nodes = selected.iter().map(|id| revision.manifest.node(id));
    let compared = nodes.filter(|node| match node.resource_type() {
        kind if kind.is_check() => true,
        kind => kind.is_published() && !node.is_ephemeral(),
    });
    compared.map(|node| node.id).collect()
}

/// Reads what was recorded, defines the selected nodes and compares. `None` if no build was
/// recorded in this database. Nothing is written to it.
pub(crate) fn compare_selected(
    request: &ChangeRequest<'_>,
    warehouse: &mut dyn Warehouse,
    notices: &mut Notices<'_>,
) -> Result<Option<(KnownNodes, Judgement)>, EngineError> {
    let ChangeRequest { revision, selected, .. } = *request;
    let Some(recorded) = read_publications(revision, selected, warehouse, false)? else {
        return Ok(None);
    };
    let own = revision.define_selected(selected).nodes;
    compare_with_publications(request, recorded, own, warehouse, notices).map(Some)
}

/// The verdicts on the selected nodes, with the current versions of the relations.
pub(super) fn compare_with_publications(
    request: &ChangeRequest<'_>,
    recorded: KnownPublications,
    own: FastMap<NodeId, NodeDefinition>,
    warehouse: &mut dyn Warehouse,
    notices: &mut Notices<'_>,
) -> Result<(KnownNodes, Judgement), EngineError> {
    let ChangeRequest { revision, selected, existing, options, .. } = *request;
    let sources = measure_sources(request, warehouse, notices)?;
    let judgement = judge_nodes(&ComparisonInputs {
        manifest: &revision.manifest,
        definitions: &own,
        recorded: &recorded.before,
        existing,
        source_versions: &sources,
        assume_sources: options.assume_sources,
        edits_only: options.edits_only,
        is_selected: &|id| selected.contains(id),
    });
    Ok((KnownNodes { recorded, own }, judgement))
}

/// The sources upstream of the selection that declare how their load time is found.
pub(super) fn sources_with_load_time(manifest: &Manifest, selected: &NodeSet) -> Vec<NodeId> {
    let mut queue: VecDeque<NodeId> = selected.iter().collect();
    let mut seen: FastSet<NodeId> = queue.iter().copied().collect();
    let mut dated = Vec::new();
    while let Some(id) = queue.pop_front() {
        if let NodeKind::Source(table) = &manifest.node(id).kind
            && (table.loaded_at_field.is_some() || table.loaded_at_query.is_some())
        {
            dated.push(id);
        }
        queue.extend(manifest.node(id).depends_on.iter().filter(|p| seen.insert(**p)));
    }
    dated
}

/// The time at which each source was last loaded; sources that could not be measured are left out.
fn measure_sources(
    request: &ChangeRequest<'_>,
    warehouse: &mut dyn Warehouse,
    notices: &mut Notices<'_>,
) -> Result<FastMap<NodeId, String>, EngineError> {
    let ChangeRequest { revision, selected, cancel, .. } = *request;
    let manifest = &revision.manifest;
    let asked = sources_with_load_time(manifest, selected);
    if asked.is_empty() {
        return Ok(FastMap::default());
    }
    let options = RunOptions { write_files: false, ..default_run_options(revision, false) };
    let nodes: NodeSet = asked.iter().copied().collect();
    let shared = build_run_context(revision, cancel, &nodes, &Plan::default(), options, None);
    let request = FreshnessRequest {
        shared,
        sources: &asked,
        warehouse: warehouse.open_another()?,
        cancel: cancel.clone(),
        hooks: false,
    };
    let run = check_sources(request, &mut |_| {})?;
    // A source that cannot be measured has no version, so the nodes that read it are built.
    let unmeasured = run.sources.iter().filter_map(|s| s.result.outcome.failed.as_ref());
    let warnings: Vec<Diagnostic> = unmeasured
        .map(|f| Diagnostic { severity: Severity::Warning, ..f.diagnostic.clone() })
        .collect();
    if !warnings.is_empty() {
        notices(Notice::Diagnostics(warnings));
    }
    Ok(run.sources.into_iter().filter_map(|s| version_of_source(manifest, s)).collect())
}

fn version_of_source(manifest: &Manifest, source: SourceFreshness) -> Option<(NodeId, String)> {
    let id = *manifest.by_unique_id.get(&source.result.unique_id)?;
    Some((id, source.measured?.max_loaded_at.to_string()))
}

/// Narrows a selection to the nodes that are or may be stale. A node without a verdict, such as an
/// export, stays if one of its parents does.
pub(crate) fn retain_stale(
    manifest: &Manifest,
    selected: &mut NodeSet,
    verdicts: &FastMap<NodeId, Verdict>,
) {
    let moves = |id: NodeId| verdicts.get(&id).is_some_and(|v| *v != Verdict::Fresh);
    selected.retain(|id| match verdicts.get(&id) {
        Some(verdict) => *verdict != Verdict::Fresh,
        None => manifest.node(id).depends_on.iter().any(|p| moves(*p)),
    });
}
