//! What has to be built since the last time: the verdict of each node, from what its publication
//! was made from.

use super::prepare::{options as run_options, shared};
use super::project::Project;
use super::{CliError, Invocation};
use crate::cache::{read_stored, write_stored};
use crate::changes::{Compare, CompileCache, Judged, Own, Verdict, own_prints, readings, verdicts};
use crate::diag::{Diagnostic, Severity};
use crate::engine::{Existing, Warehouse};
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::manifest::{Manifest, NodeId, NodeKind, NodeSet, ResourceType};
use crate::outcome::PublicationFingerprint;
use crate::plan::{Action, Plan};
use crate::run::{FreshnessRequest, Notes, RunOptions, check_sources};
use crate::state::Publications;
use crate::system::System;
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

/// What publications left.
pub(super) struct Noted {
    publications: Publications,
    before: FastMap<String, PublicationFingerprint>,
}

/// The same, and what nodes say now.
pub(super) struct Known {
    noted: Noted,
    own: FastMap<NodeId, Own>,
}

impl Known {
    /// A print of all that a node's verdict comes from: the same as long as nothing has changed for
    /// it. One that reads something that is built now has none.
    pub(super) fn causes(
        &self,
        manifest: &Manifest,
        verdicts: &FastMap<NodeId, Verdict>,
    ) -> FastMap<String, Fingerprint> {
        let moves = |id: &NodeId| verdicts.get(id).is_some_and(|v| *v != Verdict::Same);
        let mut out = FastMap::default();
        #[expect(clippy::iter_over_hash_type, reason = "each node is looked at by itself")]
        for (id, own) in &self.own {
            let node = manifest.node(*id);
            let parents = readings(manifest, node);
            if !moves(id) || parents.iter().any(moves) {
                continue;
            }
            let version = |p: &NodeId| {
                self.noted.before.get(&*manifest.node(*p).unique_id).map(|b| b.version.clone())
            };
            let own = own.parts.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
            let parts = own.chain(parents.iter().map(|p| version(p).unwrap_or_default()));
            out.insert(node.unique_id.to_string(), Fingerprint::of_parts(parts));
        }
        out
    }
}

/// Where prints are stored, if they are.
type Store = Option<Arc<dyn System>>;

/// The stored prints of compiled nodes.
pub(crate) fn read_compile_cache(store: &Store, project: &Project) -> CompileCache {
    let read = |system: &Arc<dyn System>| {
        read_stored(system.as_ref(), &project.manifest.project.target_path)
    };
    store.as_ref().and_then(read).unwrap_or_default()
}

/// What the selected nodes say now.
pub(super) fn own(
    store: &Store,
    project: &Project,
    selected: &NodeSet,
    prints: &mut CompileCache,
) -> FastMap<NodeId, Own> {
    let ids: Vec<NodeId> = selected.iter().filter(|id| is_judged(project, *id)).collect();
    let compiler = super::compile::compiler(project, Vec::new());
    let own = own_prints(&compiler, &ids, prints);
    if let Some(system) = store.as_ref().filter(|_| prints.is_changed()) {
        // A cache that cannot be written costs time only.
        let _ = write_stored(system.as_ref(), &project.manifest.project.target_path, prints);
    }
    own
}

/// Reads what the last publications were made from. With `make` the table is made where it is
/// missing; else none means that builds are not noted in this database.
pub(super) fn noted(
    project: &Project,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
    make: bool,
) -> Result<Option<Noted>, CliError> {
    let manifest = &project.manifest;
    let publications = match Publications::find(warehouse, manifest, selected.iter())? {
        Some(found) if !make => found,
        None if !make => return Ok(None),
        _ => Publications::make(warehouse, manifest, selected.iter())?,
    };
    let before = publications.read(warehouse)?;
    Ok(Some(Noted { publications, before }))
}

/// What is looked at.
pub(super) struct Look<'a> {
    pub(super) project: &'a Project,
    pub(super) selected: &'a NodeSet,
    pub(super) existing: &'a Existing,
    pub(super) how: Judge,
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
    look: &Look<'_>,
    noted: Noted,
    own: FastMap<NodeId, Own>,
    warehouse: &mut dyn Warehouse,
) -> Result<(Known, Judged), CliError> {
    let Look { project, selected, existing, how } = *look;
    let sources = source_versions(inv, project, selected, warehouse)?;
    let judged = verdicts(&Compare {
        manifest: &project.manifest,
        own: &own,
        before: &noted.before,
        existing,
        sources: &sources,
        assume_sources: how.assume_sources,
        edits_only: how.edits_only,
        selected: &|id| selected.contains(id),
    });
    Ok((Known { noted, own }, judged))
}

/// The sources that the selection rests on and that say when they were loaded.
pub(super) fn asked_sources(manifest: &Manifest, selected: &NodeSet) -> Vec<NodeId> {
    let mut queue: VecDeque<NodeId> = selected.iter().collect();
    let mut seen: FastSet<NodeId> = queue.iter().copied().collect();
    let mut asked = Vec::new();
    while let Some(id) = queue.pop_front() {
        if let NodeKind::Source(table) = &manifest.node(id).kind
            && (table.loaded_at_field.is_some() || table.loaded_at_query.is_some())
        {
            asked.push(id);
        }
        queue.extend(manifest.node(id).depends_on.iter().filter(|p| seen.insert(**p)));
    }
    asked
}

/// When the sources were loaded, as far as they say.
fn source_versions(
    inv: &mut Invocation,
    project: &Project,
    selected: &NodeSet,
    warehouse: &mut dyn Warehouse,
) -> Result<FastMap<NodeId, String>, CliError> {
    let manifest = &project.manifest;
    let asked = asked_sources(manifest, selected);
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
        inv.console
            .diagnostic(&Diagnostic { severity: Severity::Warning, ..failed.diagnostic.clone() });
    }
    let version = |s: crate::outcome::SourceFreshness| {
        let id = *manifest.by_unique_id.get(&s.result.unique_id)?;
        Some((id, s.measured?.max_loaded_at.to_string()))
    };
    Ok(run.sources.into_iter().filter_map(version).collect())
}

/// What a run notes of its nodes.
pub(super) fn notes(
    known: Known,
    versions: FastMap<NodeId, String>,
    compares: bool,
    empty: bool,
) -> Arc<Notes> {
    let parts = |mut own: Own| {
        if empty {
            // What is published without rows has to be built again.
            Arc::make_mut(&mut own.parts).insert("empty".to_owned(), "true".to_owned());
        }
        own.parts
    };
    Arc::new(Notes {
        publications: known.noted.publications,
        own: known.own.into_iter().map(|(id, own)| (id, parts(own))).collect(),
        before: known.noted.before,
        compares,
        versions: Mutex::new(versions),
    })
}

/// Leaves in a selection what has to be built, or may have to be, with what hangs on it: exports
/// and the like.
pub(super) fn narrow(
    project: &Project,
    selected: &mut NodeSet,
    verdicts: &FastMap<NodeId, Verdict>,
) {
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
    let of_nodes = steps
        .filter(|(_, s)| maybe(&s.node) && s.guards.iter().all(maybe) && s.action != Action::NoOp);
    of_nodes.map(|(i, _)| i).collect()
}
