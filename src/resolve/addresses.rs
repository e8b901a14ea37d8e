//! Checks the relations that the project writes.

use crate::diag::{Code, Diagnostic};
use crate::engine::{Dialect, Relation, helper_names};
use crate::manifest::{Node, NodeKind, OutputAddress, OutputRole, check_addresses};
use rayon::prelude::*;
use std::sync::Arc;

/// Checks that no two nodes write the same relation: models (even ephemeral ones, as in dbt),
/// seeds, snapshots, and tests that store their failing rows. The temporary relations of a build
/// must not collide with other relations either.
pub(super) fn check_relations(
    nodes: &[Arc<Node>],
    dialect: Dialect,
    store_failures: bool,
) -> Vec<Diagnostic> {
    let outputs: Vec<OutputAddress> =
        nodes.par_iter().flat_map_iter(|node| outputs(node, dialect, store_failures)).collect();
    check_addresses(&outputs, Code::DuplicateRelation)
}

fn outputs(node: &Node, dialect: Dialect, store_failures: bool) -> Vec<OutputAddress> {
    let Some(relation) = node.relation.as_ref().filter(|r| r.external.is_none()) else {
        return Vec::new();
    };
    match &node.kind {
        NodeKind::Source(_) => vec![output_of(node, dialect, relation, OutputRole::Read)],
        NodeKind::Test(_) if node.stores_failures(store_failures).is_some() => {
            vec![output_of(node, dialect, relation, OutputRole::Published)]
        }
        _ if !node.resource_type().is_refable() => Vec::new(),
        _ if node.is_ephemeral() => vec![output_of(node, dialect, relation, OutputRole::Published)],
        _ => {
            let [published, helpers @ ..] = helper_names(relation, dialect);
            let published = output_of(node, dialect, &published, OutputRole::Published);
            let helpers = helpers.iter().map(|r| output_of(node, dialect, r, OutputRole::Helper));
            std::iter::once(published).chain(helpers).collect()
        }
    }
}

fn output_of(
    node: &Node,
    dialect: Dialect,
    relation: &Relation,
    role: OutputRole,
) -> OutputAddress {
    OutputAddress {
        address: relation.key(dialect),
        shown: relation.render(dialect),
        writer: node.unique_id.to_string(),
        span: node.span,
        role,
    }
}
