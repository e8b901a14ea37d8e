//! Resolves the text of selectors to a set of nodes.
//!
//! In: `Manifest`, the selection arguments of a command, perhaps a previous state. Out:
//! `Checked<NodeSet>`. Three types: text -> `SelectorExpr<Unresolved>` (raw names, spans) ->
//! `SelectorExpr<Resolved>` (methods and values checked, each with the nodes that it matches) -> a
//! bitset over node ids. Tests join each criterion before the sets combine (semantics 1.14). Must
//! not know: what is done with the nodes.

mod contracts;
mod evaluate;
mod expr;
mod methods;
mod modified;
mod named;
mod previous;

pub(crate) use expr::IndirectSelection;
pub(crate) use previous::PreviousState;

use crate::config::SelectorDefinition;
use crate::diag::{Checked, Code, Diagnostic};
use crate::manifest::{Manifest, NodeId, NodeKind, NodeSet, ResourceType};
use crate::outcome::BatchResults;
use std::collections::HashMap;
use std::sync::Arc;

/// The selection arguments of a command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) select: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) selector: Option<String>,
    pub(crate) indirect: IndirectSelection,
    /// Empty: all types that the command works on.
    pub(crate) resource_types: Vec<ResourceType>,
    pub(crate) exclude_resource_types: Vec<ResourceType>,
    /// The unique ids of exactly the nodes to select, instead of any selector.
    pub(crate) nodes: Option<Vec<String>>,
    /// The nodes of an earlier run to repeat, instead of any selector.
    pub(crate) retried: Option<RetriedNodes>,
}

/// What did not succeed in an earlier run, by unique id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RetriedNodes {
    pub(crate) failed: Vec<String>,
    /// Tests that did succeed. They run again with the nodes that they test, so that nothing is
    /// published without them.
    pub(crate) passed_tests: Vec<String>,
    /// The batches of models some of whose batches succeeded, by unique id.
    pub(crate) batches: Arc<HashMap<String, BatchResults>>,
    /// When the earlier run began: its batches reach up to then.
    pub(crate) started: Option<jiff::Timestamp>,
}

impl RetriedNodes {
    /// The nodes that are still in the project.
    fn find(&self, manifest: &Manifest) -> NodeSet {
        let find = |id: &String| manifest.by_unique_id.get(id.as_str()).copied();
        let mut set: NodeSet = self.failed.iter().filter_map(find).collect();
        let is_built =
            |id: &NodeId| set.contains(*id) && manifest.node(*id).resource_type().is_published();
        let tests = self.passed_tests.iter().filter_map(find);
        let tests = tests.filter(|test| manifest.node(*test).depends_on.iter().any(is_built));
        let tests: Vec<NodeId> = tests.collect();
        tests.into_iter().for_each(|test| set.insert(test));
        set
    }
}

/// Whether a selection has valid syntax, regardless of the project.
#[cfg(any(test, fuzzing))]
pub(crate) fn is_readable(selection: &Selection, selectors: &[SelectorDefinition]) -> bool {
    named::build_expression(selection, selectors).is_ok()
}

/// The nodes that a command works on: those that the selection matches and that are of the given
/// types.
pub(crate) fn select_nodes(
    manifest: &Manifest,
    selection: &Selection,
    selectors: &[SelectorDefinition],
    previous: Option<&PreviousState>,
    types: &[ResourceType],
) -> Checked<NodeSet> {
    let mut out = Vec::new();
    let mut set = match (&selection.retried, &selection.nodes) {
        (Some(retried), _) => retried.find(manifest),
        (None, Some(ids)) => {
            let mut set = NodeSet::default();
            for id in ids {
                match manifest.by_unique_id.get(id.as_str()) {
                    Some(id) => set.insert(*id),
                    None => out.push(Diagnostic::error(
                        Code::Selector,
                        format!("node `{id}` is not in the project"),
                    )),
                }
            }
            set
        }
        (None, None) => {
            let written = match named::build_expression(selection, selectors) {
                Ok(expr) => expr,
                Err(d) => return Checked::new(NodeSet::default(), vec![*d]),
            };
            let resolved =
                methods::resolve_methods(&written, manifest, previous).drain_into(&mut out);
            match resolved {
                Some(expr) => evaluate::evaluate_expression(&expr, manifest).into(),
                None => NodeSet::default(),
            }
        }
    };
    set.retain(|id| {
        let node = manifest.node(id);
        // As in dbt, a file without text is not selected.
        if node.text.as_ref().is_some_and(|text| text.raw.trim().is_empty())
            && !matches!(node.kind, NodeKind::Seed)
        {
            return false;
        }
        let kind = node.resource_type();
        let wanted =
            selection.resource_types.is_empty() || selection.resource_types.contains(&kind);
        types.contains(&kind) && wanted && !selection.exclude_resource_types.contains(&kind)
    });
    Checked::new(set, out)
}
