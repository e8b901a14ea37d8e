//! Notes what a publication was made from, in its transaction, and what it changed.

use super::execute::{Executor, NodeError};
use crate::changes::{readings, version_of_view};
use crate::context::Db;
use crate::engine::{Content, EngineError, Existing, Fetch, RelationKind, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, Node, NodeId, UniqueId};
use crate::outcome::{
    Effect, NodeOutcome, PublicationFingerprint, RunResult, RunStatus, StoredRelation, column_pairs,
};
use crate::state::Publications;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a run that notes publications knows of its nodes.
pub(crate) struct Notes {
    pub(crate) publications: Publications,
    /// What each node says itself, in parts.
    pub(crate) own: FastMap<NodeId, Arc<BTreeMap<String, String>>>,
    /// What the last publications were made from.
    pub(crate) before: FastMap<String, PublicationFingerprint>,
    /// Whether content is compared, so that what is as it was sets off nothing.
    pub(crate) compares: bool,
    /// What can be read now, by node: from before, and of this run.
    pub(crate) versions: Mutex<FastMap<NodeId, String>>,
}

impl Notes {
    /// The versions of a node's parents that can be read now.
    pub(super) fn parents(&self, manifest: &Manifest, node: &Node) -> BTreeMap<String, String> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |id: NodeId| {
            Some((manifest.node(id).unique_id.to_string(), versions.get(&id)?.clone()))
        };
        readings(manifest, node).into_iter().filter_map(one).collect()
    }

    fn publish(&self, id: NodeId, version: String) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, version);
    }
}

/// What is known of a node before it is built.
pub(super) struct Before {
    parents: BTreeMap<String, String>,
    /// The version of what is published, and its rows.
    version: Option<String>,
    rows: Option<i64>,
    columns: Option<Vec<(String, String)>>,
}

/// What a node is made from, and what is published now. The content of a table that has no print
/// yet is looked at.
pub(super) fn before(
    notes: &Notes,
    manifest: &Manifest,
    node: &Node,
    existing: &Existing,
    warehouse: Option<&mut Box<dyn Warehouse>>,
) -> Before {
    let known = notes.before.get(&*node.unique_id);
    let there = node.relation.as_ref().and_then(|r| existing.find(r));
    let mut before = Before {
        parents: notes.parents(manifest, node),
        version: known.map(|p| p.version.clone()),
        rows: known.and_then(|p| p.stored.as_ref()?.rows),
        columns: there.map(|r| column_pairs(&r.columns)),
    };
    let compared =
        before.version.as_ref().is_some_and(|v| v.starts_with(CONTENT) || v.starts_with("view:"));
    if let (true, false, Some(there), Some(warehouse)) =
        (notes.compares, compared, there, warehouse)
        && there.kind != RelationKind::View
        && let Ok(content) = warehouse.content(&there.relation, &there.columns)
    {
        before.version =
            Some(content_version(&content, before.columns.as_deref().unwrap_or_default()));
        before.rows = Some(content.rows);
    }
    before
}

const CONTENT: &str = "content:";

/// The same for the same rows in the same columns.
fn content_version(content: &Content, columns: &[(String, String)]) -> String {
    let columns = columns.iter().flat_map(|(name, kind)| [name.clone(), kind.clone()]);
    let parts = [content.rows.to_string(), content.fingerprint.clone()].into_iter().chain(columns);
    format!("{CONTENT}{}", Fingerprint::of_parts(parts).hex())
}

impl Executor<'_> {
    /// Notes the publication of the node on its connection, in the open transaction if there is
    /// one.
    pub(super) fn note_publication(
        &mut self,
        before: &Before,
    ) -> Result<Option<Effect>, NodeError> {
        let Some(notes) = &self.shared.notes else { return Ok(None) };
        let failed = |e: EngineError| super::execute::sql_error(&e, &"".into(), self.node.span);
        let effect = match &mut *self.session.db() {
            Db::Live(warehouse) => {
                note(notes, self.node, before, warehouse.as_mut()).map_err(failed)?
            }
            _ => None,
        };
        Ok(effect)
    }
}

/// Writes the print of what now stands under a node's name; what it changed.
pub(super) fn note(
    notes: &Notes,
    node: &Node,
    before: &Before,
    warehouse: &mut dyn Warehouse,
) -> Result<Option<Effect>, EngineError> {
    let (Some(relation), Some(own)) = (&node.relation, notes.own.get(&node.id)) else {
        return Ok(None);
    };
    let dialect = warehouse.capabilities().dialect;
    let listed = warehouse.columns_of_existing(relation)?;
    let columns = column_pairs(&listed);
    let kind = match &*node.materialized() {
        "view" => RelationKind::View,
        "materialized_view" => RelationKind::MaterializedView,
        _ => RelationKind::Table,
    };
    let content = match kind {
        RelationKind::View => None,
        _ if notes.compares => Some(warehouse.content(relation, &listed)?),
        _ => None,
    };
    let version = match &content {
        Some(content) => content_version(content, &columns),
        None if kind == RelationKind::View => version_of_view(own, &before.parents),
        None => format!("build:{}", uuid::Uuid::new_v4().simple()),
    };
    let print = PublicationFingerprint {
        own: (**own).clone(),
        parents: before.parents.clone(),
        version: version.clone(),
        stored: Some(StoredRelation {
            relation: relation.render(dialect),
            kind: kind.as_str().to_owned(),
            columns,
            id: warehouse.id_of(relation)?,
            rows: content.as_ref().map(|c| c.rows),
        }),
    };
    if let Some(sql) = notes.publications.note(dialect, relation, &node.unique_id, &print) {
        warehouse.run(&sql.into(), Fetch::Nothing)?;
    }
    let stored = print.stored.unwrap_or_default();
    let effect = Effect {
        changed: before.version.as_ref() != Some(&version),
        rows_before: before.rows,
        rows_after: stored.rows,
        ..Effect::of_columns(before.columns.as_deref(), &stored.columns)
    };
    notes.publish(node.id, version);
    Ok(Some(effect))
}

/// Notes the tests of a run. One that was not run keeps its last note.
pub(super) fn note_tests(
    notes: &Notes,
    manifest: &Manifest,
    results: &[RunResult],
    warehouse: &mut dyn Warehouse,
) -> Result<(), EngineError> {
    let ran = |o: &NodeOutcome| !matches!(o.status, RunStatus::Skipped | RunStatus::NoOp);
    let mut prints: Vec<(UniqueId, PublicationFingerprint)> = Vec::new();
    for result in results.iter().filter(|r| ran(&r.outcome)) {
        let Some(node) = manifest.get(&result.unique_id) else { continue };
        let Some(own) = notes.own.get(&node.id).filter(|_| !node.resource_type().is_refable())
        else {
            continue;
        };
        let print = PublicationFingerprint {
            own: (**own).clone(),
            parents: notes.parents(manifest, node),
            version: result.outcome.status.as_str().to_owned(),
            stored: None,
        };
        prints.push((result.unique_id.clone(), print));
    }
    let dialect = warehouse.capabilities().dialect;
    for piece in prints.chunks(500) {
        let rows: Vec<(&str, &PublicationFingerprint)> =
            piece.iter().map(|(id, print)| (&**id, print)).collect();
        if let Some(sql) = notes.publications.note_tests(dialect, &rows) {
            warehouse.run(&format!("begin; {sql}; commit").into(), Fetch::Nothing)?;
        }
    }
    Ok(())
}
