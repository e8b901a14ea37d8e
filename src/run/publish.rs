//! Records publications: their inputs, in the same transaction, and their effect.

use super::node::NodeRun;
use super::steps::NodeSteps;
use crate::changes::{FAILED_BATCHES, read_parents, version_of_view};
use crate::engine::{Content, EngineError, RelationKind, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, Materialization, Node, NodeId, UniqueId};
use crate::outcome::{
    NodeError, PublicationEffect, PublicationFingerprint, RunResult, RunStatus, StoredRelation,
    column_pairs,
};
use crate::state::Publications;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The state of a run that records publications.
pub(crate) struct PublicationState {
    pub(crate) publications: Publications,
    /// The parts of each node's definition.
    pub(crate) definitions: FastMap<NodeId, Arc<BTreeMap<String, String>>>,
    /// The records of the previous publications, by unique id.
    pub(crate) recorded: FastMap<String, PublicationFingerprint>,
    /// Whether the content of relations is compared, so that unchanged ones do not cause their
    /// children to be built.
    pub(crate) fingerprints_content: bool,
    /// The current version of each node's relation: recorded earlier, or published by this run.
    pub(crate) versions: Mutex<FastMap<NodeId, String>>,
}

impl PublicationState {
    /// The current version of each parent's relation, by unique id; parents without a known version
    /// are left out.
    pub(super) fn parents(&self, manifest: &Manifest, node: &Node) -> BTreeMap<String, String> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parents = BTreeMap::new();
        for id in read_parents(manifest, node) {
            if let Some(version) = versions.get(&id) {
                parents.insert(manifest.node(id).unique_id.to_string(), version.clone());
            }
        }
        parents
    }

    fn publish(&self, id: NodeId, version: String) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, version);
    }
}

/// The state of a node before it is built.
pub(super) struct StateBeforeBuild {
    parents: BTreeMap<String, String>,
    /// The version of the published relation, and its number of rows.
    version: Option<String>,
    rows: Option<i64>,
    columns: Option<Vec<(String, String)>>,
}

/// The versions of a node's parents and the state of its published relation. With
/// `fingerprints_content`, the content of a table that has no content fingerprint yet is read to
/// make one.
pub(super) fn read_state_before_build(
    notes: &PublicationState,
    run: &NodeRun<'_>,
) -> StateBeforeBuild {
    let node = run.node;
    let known = notes.recorded.get(&*node.unique_id);
    let there = node.relation.as_ref().and_then(|r| run.existing.find(r));
    let mut before = StateBeforeBuild {
        parents: notes.parents(run.manifest(), node),
        version: known.map(|p| p.version.clone()),
        rows: known.and_then(|p| p.stored.as_ref()?.rows),
        columns: there.map(|r| column_pairs(&r.columns)),
    };
    let is_compared = before.version.as_ref().is_some_and(|v| tells_content(v));
    let has_rows = |kind| kind != RelationKind::View || stores_rows(node);
    if let Some(there) = there.filter(|there| !node.is_function() && has_rows(there.kind))
        && notes.fingerprints_content
        && !is_compared
        && let Ok(content) =
            run.connection.with(|w| w.fingerprint_content(&there.relation, &there.columns))
    {
        before.version =
            Some(content_version(&content, before.columns.as_deref().unwrap_or_default()));
        before.rows = Some(content.rows);
    }
    before
}

/// Whether what a node is stored as has rows of its own. That of a project's materialization counts
/// as a table.
fn stores_rows(node: &Node) -> bool {
    node.materialization().is_none_or(Materialization::has_rows)
}

/// Whether equal versions of this kind mean equal content, and different ones different content.
fn tells_content(version: &str) -> bool {
    version.starts_with(CONTENT) || version.starts_with("view:")
}

const CONTENT: &str = "content:";

/// A version that is equal for equal rows in equal columns.
fn content_version(content: &Content, columns: &[(String, String)]) -> String {
    let columns = columns.iter().flat_map(|(name, kind)| [name.clone(), kind.clone()]);
    let parts = [content.rows.to_string(), content.fingerprint.clone()].into_iter().chain(columns);
    format!("{CONTENT}{}", Fingerprint::of_parts(parts).hex())
}

impl NodeSteps<'_> {
    /// Records the node's publication on its connection, inside the open transaction if there is
    /// one.
    pub(super) fn record_publication(
        &self,
        before: &StateBeforeBuild,
    ) -> Result<Option<PublicationEffect>, NodeError> {
        match &self.run.shared.publication_state {
            Some(notes) => {
                self.run.ask(|warehouse| write_publication(notes, self.run.node, before, warehouse))
            }
            None => Ok(None),
        }
    }
}

/// Records that some batches of a node failed, so that it counts as stale.
pub(super) fn write_failed_batches(
    notes: &PublicationState,
    node: &Node,
    before: &StateBeforeBuild,
    warehouse: &mut dyn Warehouse,
) -> Result<(), EngineError> {
    let Some(own) = notes.definitions.get(&node.id) else { return Ok(()) };
    let mut own = own.clone();
    Arc::make_mut(&mut own).insert(FAILED_BATCHES.to_owned(), "true".to_owned());
    write_definition(notes, node, &own, before, warehouse).map(drop)
}

/// Records the relation that now has the node's name, and returns what has changed. `None` if the
/// run has no definition of the node.
pub(super) fn write_publication(
    notes: &PublicationState,
    node: &Node,
    before: &StateBeforeBuild,
    warehouse: &mut dyn Warehouse,
) -> Result<Option<PublicationEffect>, EngineError> {
    match notes.definitions.get(&node.id) {
        Some(own) => write_definition(notes, node, own, before, warehouse),
        None => Ok(None),
    }
}

fn write_definition(
    notes: &PublicationState,
    node: &Node,
    own: &Arc<BTreeMap<String, String>>,
    before: &StateBeforeBuild,
    warehouse: &mut dyn Warehouse,
) -> Result<Option<PublicationEffect>, EngineError> {
    let Some(relation) = &node.relation else { return Ok(None) };
    let dialect = warehouse.engine().dialect;
    let kind = node.relation_kind();
    let listed = match kind {
        RelationKind::Function => Vec::new(),
        _ => warehouse.list_columns_of_existing(relation)?,
    };
    let columns = column_pairs(&listed);
    let has_rows = stores_rows(node);
    let content = match kind {
        _ if !has_rows => None,
        _ if notes.fingerprints_content => Some(warehouse.fingerprint_content(relation, &listed)?),
        _ => None,
    };
    let version = match &content {
        Some(content) => content_version(content, &columns),
        None if !has_rows => version_of_view(own, &before.parents),
        None => format!("build:{}", uuid::Uuid::new_v4().simple()),
    };
    let fingerprint = PublicationFingerprint {
        own: (**own).clone(),
        parents: before.parents.clone(),
        version: version.clone(),
        stored: Some(StoredRelation {
            relation: relation.render(dialect),
            kind: kind.as_str().to_owned(),
            columns,
            id: match kind {
                RelationKind::Function => warehouse.find_function(relation)?.and_then(|f| f.id),
                _ => warehouse.relation_id(relation)?,
            },
            rows: content.as_ref().map(|c| c.rows),
        }),
    };
    notes.publications.note(warehouse, relation, &node.unique_id, &fingerprint)?;
    let stored = fingerprint.stored.unwrap_or_default();
    let effect = PublicationEffect {
        changed: before.version.as_ref() != Some(&version),
        rows_before: before.rows,
        rows_after: stored.rows,
        ..PublicationEffect::of_columns(before.columns.as_deref(), &stored.columns)
    };
    notes.publish(node.id, version);
    Ok(Some(effect))
}

/// Records the results of tests. A test that did not run keeps its earlier record.
pub(super) fn record_tests(
    notes: &PublicationState,
    manifest: &Manifest,
    results: &[RunResult],
    warehouse: &mut dyn Warehouse,
) -> Result<(), EngineError> {
    let mut prints: Vec<(UniqueId, PublicationFingerprint)> = Vec::new();
    for result in results {
        if matches!(result.outcome.status, RunStatus::Skipped | RunStatus::NoOp) {
            continue;
        }
        let Some(node) = manifest.get(&result.unique_id) else { continue };
        let Some(own) =
            notes.definitions.get(&node.id).filter(|_| !node.resource_type().is_published())
        else {
            continue;
        };
        let fingerprint = PublicationFingerprint {
            own: (**own).clone(),
            parents: notes.parents(manifest, node),
            version: result.outcome.status.as_str().to_owned(),
            stored: None,
        };
        prints.push((result.unique_id.clone(), fingerprint));
    }
    for piece in prints.chunks(NOTES_A_STATEMENT) {
        notes.publications.record_tests(warehouse, piece)?;
    }
    Ok(())
}

/// The number of tests that one statement records.
const NOTES_A_STATEMENT: usize = 500;
