//! Inspects the relations that exist before a run.
//!
//! In: a `Warehouse` and the nodes that a command works on. Out: `ExistingRelations`. Takes one
//! query for relations and one for columns per schema. Must not know: what will be built.

use crate::engine::{EngineError, ExistingRelations, Warehouse, schema_key};
use crate::manifest::{Manifest, NodeId};
use std::collections::{BTreeSet, HashSet};

/// Schemas as (database, schema).
pub(crate) type Schemas = BTreeSet<(String, String)>;

/// The schemas of `nodes` and of their direct parents.
pub(crate) fn schemas_of(manifest: &Manifest, nodes: impl Iterator<Item = NodeId>) -> Schemas {
    let mut schemas = Schemas::new();
    for id in nodes {
        let around = std::iter::once(id).chain(manifest.node(id).depends_on.iter().copied());
        let relations = around.filter_map(|id| manifest.node(id).relation.as_ref());
        schemas.extend(relations.filter_map(|r| r.stored_schema(manifest.project.dialect)));
    }
    schemas
}

/// The schemas of the functions among `nodes` and their direct parents.
fn schemas_of_functions(manifest: &Manifest, nodes: &[NodeId]) -> Schemas {
    let mut schemas = Schemas::new();
    for id in nodes {
        let around = std::iter::once(*id).chain(manifest.node(*id).depends_on.iter().copied());
        let functions = around.map(|id| manifest.node(id)).filter(|node| node.is_function());
        let relations = functions.filter_map(|node| node.relation.as_ref());
        schemas.extend(relations.filter_map(|r| r.stored_schema(manifest.project.dialect)));
    }
    schemas
}

/// Lists the relations in the schemas of `nodes` and of their direct parents.
pub(crate) fn inspect_relations(
    warehouse: &mut dyn Warehouse,
    manifest: &Manifest,
    nodes: impl Iterator<Item = NodeId>,
) -> Result<ExistingRelations, EngineError> {
    let dialect = warehouse.engine().dialect;
    let nodes: Vec<NodeId> = nodes.collect();
    let schemas = schemas_of(manifest, nodes.iter().copied());
    let listed: Vec<(&str, &str)> = schemas.iter().map(|(d, s)| (d.as_str(), s.as_str())).collect();
    let mut relations = if listed.is_empty() {
        Vec::new()
    } else {
        warehouse.list_relations_of_schemas(&listed)?
    };
    let functions = schemas_of_functions(manifest, &nodes);
    if !functions.is_empty() {
        let listed: Vec<(&str, &str)> =
            functions.iter().map(|(d, s)| (d.as_str(), s.as_str())).collect();
        relations.extend(warehouse.list_functions(&listed)?);
    }
    let known: HashSet<String> =
        warehouse.list_schemas()?.iter().map(|(d, s)| schema_key(dialect, d, s)).collect();
    Ok(ExistingRelations::known(dialect, relations, known))
}
