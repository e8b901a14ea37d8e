//! `--defer`: references to nodes that are not there print the relations of another state, such as
//! production.
//!
//! In: the manifest of that state, what exists here, what is going to be built. Out: the relations
//! that stand for nodes. As in dbt, a node that is not there is looked up in the other state;
//! with `--favor-state` every node is that is not selected.

use super::{BuildOptions, Revision, WorkspaceError};
use crate::config::Json;
use crate::context::DeferredRelations;
use crate::diag::{Code, Diagnostic};
use crate::engine::{ExistingRelations, Relation};
use crate::manifest::{Node, NodeId, NodeSet};
use crate::plan::CommandVerb;
use crate::select::PreviousState;
use crate::state::load_state;
use crate::system::normalize_path;
use camino::Utf8PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeferOptions {
    /// The folder of the other state's artifacts; `None`: that of `--state`.
    pub(crate) folder: Option<Utf8PathBuf>,
    pub(crate) favors_state: bool,
}

impl Revision {
    /// The relations of the other state that stand for nodes; none without `--defer`. Nodes that
    /// `is_built` names are there when they are read.
    pub(crate) fn defer_relations(
        &self,
        selected: &NodeSet,
        is_built: &dyn Fn(NodeId) -> bool,
        existing: &ExistingRelations,
    ) -> Result<DeferredRelations, WorkspaceError> {
        let Some(options) = &self.settings.defer else { return Ok(DeferredRelations::default()) };
        let state = self.read_deferred_state()?;
        let relations = self.other_relations(&state);
        let deferred = relations.filter(|(node, _)| {
            let favored = options.favors_state && !selected.contains(node.id);
            let is_there = node.relation.as_ref().is_some_and(|r| existing.find(r).is_some());
            !is_built(node.id) && (favored || !is_there)
        });
        Ok(Arc::new(deferred.map(|(node, relation)| (node.id, relation)).collect()))
    }

    /// The relations of the other state that are cloned; `None` for other commands.
    pub(super) fn find_cloned(
        &self,
        options: &BuildOptions,
    ) -> Result<Option<DeferredRelations>, WorkspaceError> {
        if options.verb != CommandVerb::Clone {
            return Ok(None);
        }
        let state = self.read_deferred_state()?;
        let relations = self.other_relations(&state).map(|(node, relation)| (node.id, relation));
        Ok(Some(Arc::new(relations.collect())))
    }

    /// The relation that each node has in another state.
    pub(crate) fn other_relations<'s>(
        &'s self,
        state: &'s PreviousState,
    ) -> impl Iterator<Item = (&'s Node, Relation)> + 's {
        let nodes = self.stored_nodes().map(|id| self.manifest.node(id));
        nodes.filter(|node| !node.is_ephemeral()).filter_map(|node| {
            let other = state.nodes.get(&*node.unique_id)?;
            let is_ephemeral = other.pointer("/config/materialized") == Some(&"ephemeral".into());
            (!is_ephemeral).then(|| Some((node, relation_of(node, other)?))).flatten()
        })
    }

    /// The state that `--defer-state` names, else `--state`.
    pub(crate) fn read_deferred_state(&self) -> Result<PreviousState, WorkspaceError> {
        let settings = &self.settings;
        let own = settings.defer.as_ref().and_then(|options| options.folder.as_ref());
        let own = own.map(|folder| normalize_path(&settings.system.current_dir().join(folder)));
        let Some(folder) = own.or_else(|| settings.state_folder()) else {
            let message = "deferring needs the artifacts of another state";
            let d = Diagnostic::error(Code::Selector, message);
            return Err(d.help("name their folder: --state DIR, or --defer-state DIR").into());
        };
        let current = &self.manifest.project.target_path;
        let found = load_state(settings.system.as_ref(), &folder, current)?;
        match found.filter(|state| !state.nodes.is_empty()) {
            Some(state) => Ok(state),
            None => {
                let d = Diagnostic::error(Code::Selector, format!("{folder} has no manifest.json"));
                Err(d.help("copy that of the run to defer to there").into())
            }
        }
    }
}

/// The relation that a node has in another manifest.
fn relation_of(node: &Node, other: &Json) -> Option<Relation> {
    let part = |key: &str| other.get(key).and_then(Json::as_str);
    let mut relation = Relation::new(part("database"), part("schema"), part("alias")?);
    if let Some(own) = &node.relation {
        relation.quote = own.quote;
        relation.kind = own.kind;
    }
    Some(relation)
}
