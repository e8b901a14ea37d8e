//! `ls`: lists the nodes of a selection.

use super::OpsError;
use super::choose::{choose_nodes, tell_empty_selection};
use crate::manifest::{Manifest, Node, NodeId, ResourceType};
use crate::select::Selection;
use crate::workspace::{Notices, Workspace};
use std::sync::Arc;

/// The listed nodes, sorted by unique id.
pub(crate) struct ListReport {
    manifest: Arc<Manifest>,
    ids: Vec<NodeId>,
}

impl ListReport {
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.ids.iter().map(|id| self.manifest.node(*id))
    }
}

pub(crate) fn list_nodes(
    workspace: &mut Workspace,
    selection: &Selection,
    notices: &mut Notices<'_>,
) -> Result<ListReport, OpsError> {
    let revision = workspace.open(notices)?;
    let selected = choose_nodes(&revision, selection, &listed_types(selection), notices)?;
    if selected.len() == 0 {
        let message = "the selection matches no node";
        tell_empty_selection(&revision, message, None, notices)?;
    }
    let manifest = revision.manifest.clone();
    let mut ids: Vec<NodeId> = selected.iter().collect();
    ids.sort_by(|a, b| manifest.node(*a).unique_id.cmp(&manifest.node(*b).unique_id));
    Ok(ListReport { manifest, ids })
}

/// Analyses are listed only if a resource type is given; hooks are never listed.
fn listed_types(selection: &Selection) -> Vec<ResourceType> {
    let mut types = ResourceType::ALL.to_vec();
    types.retain(|t| *t != ResourceType::Operation);
    if selection.resource_types.is_empty() {
        types.retain(|t| *t != ResourceType::Analysis);
    }
    types
}
