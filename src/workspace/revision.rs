//! The project as its files were at one moment. It does not change, and several threads can work on
//! it at once.

use super::Settings;
use super::reading::Folder;
use super::request::BuildOptions;
use crate::cache::{read_stored, write_stored};
use crate::changes::{CompileCache, NodeDefinition, define_nodes};
use crate::compile::Compiler;
use crate::config::{SelectorDefinition, Yaml};
use crate::context::{ContextProject, RenderRead};
use crate::diag::{Checked, Diagnostic};
use crate::engine::{Connection, EngineError, Existing, Target, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::inspect_relations;
use crate::jinja::Renderer;
use crate::manifest::{Manifest, NodeId, NodeSet, ResourceType, UniqueId};
use crate::plan::{Plan, PlanRequest, plan_steps};
use crate::run::{CancelToken, Watch};
use crate::select::{PreviousState, Selection, select_nodes};
use crate::source::SourceMap;
use crate::state::load_state;
use crate::system::SystemError;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct Revision {
    pub(crate) settings: Arc<Settings>,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) context: Arc<ContextProject>,
    pub(crate) map: Arc<SourceMap>,
    pub(crate) selectors: Vec<SelectorDefinition>,
    /// A fingerprint of all that it is made of. None: something in it is made anew each time, or
    /// nobody asked.
    pub(crate) inputs: Option<Fingerprint>,
    /// The `airflow:` block of the project file.
    pub(crate) airflow: Option<Yaml>,
    /// Where its files are.
    pub(super) folders: Vec<Folder>,
    /// What there was to say of it, warnings first.
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(super) compiled: Arc<CompiledBefore>,
}

/// What was compiled before, by this process or, if it is stored, by an earlier one. None: it was
/// not looked for yet.
#[derive(Default)]
pub(super) struct CompiledBefore(Mutex<Option<CompileCache>>);

#[cfg(test)]
impl CompiledBefore {
    /// The same after it was stored and read again.
    pub(super) fn through_bytes(&self) {
        use crate::cache::Stored;
        let mut compiled = self.0.lock().unwrap();
        if let Some(cache) = compiled.as_mut() {
            *cache = CompileCache::from_bytes(&cache.to_bytes()).unwrap();
        }
    }
}

/// What nodes say of themselves.
pub(crate) struct Definitions {
    pub(crate) nodes: FastMap<NodeId, NodeDefinition>,
    /// How many had to be compiled to know it.
    pub(crate) compiled: usize,
}

impl Revision {
    pub(crate) fn target(&self) -> &Target {
        &self.manifest.project.target
    }

    /// A fingerprint of all macros.
    pub(crate) fn fingerprint_macros(&self) -> Fingerprint {
        self.renderer.registry().fingerprint()
    }

    /// Whether it can be built: nothing in it is wrong.
    pub(crate) fn is_whole(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The nodes that a selection names.
    ///
    /// # Errors
    /// The artifacts of `--state` cannot be read.
    pub(crate) fn select(
        &self,
        selection: &Selection,
        types: &[ResourceType],
    ) -> Result<Checked<NodeSet>, SystemError> {
        let previous = self.read_previous_state()?;
        Ok(select_nodes(&self.manifest, selection, &self.selectors, previous.as_ref(), types))
    }

    fn read_previous_state(&self) -> Result<Option<PreviousState>, SystemError> {
        let Some(folder) = self.settings.state_folder() else { return Ok(None) };
        let current = &self.manifest.project.target_path;
        load_state(self.settings.system.as_ref(), &folder, current)
    }

    /// All nodes that can be built, for what looks at existing relations.
    pub(crate) fn stored_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.manifest.nodes.iter().filter(|n| n.resource_type().is_refable()).map(|n| n.id)
    }

    /// Whether a materialization of the project builds a node.
    pub(crate) fn publishes_itself(&self, id: NodeId) -> bool {
        let node = self.manifest.node(id);
        let (registry, overrides) = (self.renderer.registry(), self.context.explicit_overrides);
        registry.materialization(&node.package, &node.materialized(), overrides).is_some()
    }

    pub(crate) fn connect(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        crate::adapter::connect(self.target(), self.settings.patience)
    }

    /// A connection for what is no run: what it asks is stopped when the token is set.
    pub(crate) fn connect_alone(
        &self,
        cancel: &CancelToken,
    ) -> Result<(Connection, Watch), EngineError> {
        let warehouse = self.connect()?;
        let watch = Watch::new(cancel, warehouse.cancel_handle());
        Ok((Connection::new(warehouse), watch))
    }

    /// What exists of all that the project stores; nothing is known without a database.
    pub(crate) fn inspect_stored(
        &self,
        connection: Option<&Connection>,
    ) -> Result<Existing, EngineError> {
        let Some(connection) = connection else { return Ok(Existing::Unknown) };
        connection
            .with(|warehouse| inspect_relations(warehouse, &self.manifest, self.stored_nodes()))
    }

    /// A compiler of its nodes; `selected` are what `selected_resources` says.
    pub(crate) fn compiler(&self, selected: Vec<UniqueId>) -> Compiler {
        Compiler::new(
            self.manifest.clone(),
            self.renderer.clone(),
            self.context.clone(),
            self.map.clone(),
            selected,
        )
    }

    /// The steps of what a command was asked for.
    ///
    /// # Errors
    /// Nothing is run of a selection that cannot be placed as a whole.
    pub(crate) fn plan(
        &self,
        options: &BuildOptions,
        selected: &NodeSet,
        existing: &Existing,
    ) -> Result<Plan, Box<Diagnostic>> {
        plan_steps(&PlanRequest {
            manifest: &self.manifest,
            selected,
            existing,
            verb: options.verb,
            audit: options.audit,
            full_refresh: options.full_refresh,
            store_failures: options.store_failures,
            order: self.settings.start_order,
            publishes_itself: &|id| self.publishes_itself(id),
        })
    }

    /// What nodes say now: compiled without a database where that is needed to know it. What is
    /// made anew is stored for other processes.
    pub(crate) fn define_nodes(&self, nodes: &[NodeId]) -> Definitions {
        let mut compiled = self.compiled.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = &self.manifest.project.target_path;
        let store = self.settings.store();
        let cache = compiled.get_or_insert_with(|| {
            store.and_then(|system| read_stored(system, folder)).unwrap_or_default()
        });
        let nodes = define_nodes(&self.compiler(Vec::new()), nodes, cache);
        if let Some(system) = store.filter(|_| cache.is_changed()) {
            // A cache that cannot be written costs time only.
            let _ = write_stored(system, folder, cache);
        }
        Definitions { nodes, compiled: cache.compiled() }
    }

    /// What is wrong with nodes that cannot be compiled, found without a database.
    pub(crate) fn check(&self, selected: &NodeSet) -> Vec<Diagnostic> {
        let ids: Vec<NodeId> = selected.iter().collect();
        let own = self.define_nodes(&ids).nodes;
        let mut broken: Vec<(NodeId, Diagnostic)> =
            own.into_iter().filter_map(|(id, own)| Some((id, *own.broken?))).collect();
        broken.sort_by_key(|(id, _)| *id);
        broken.into_iter().map(|(_, d)| d).collect()
    }

    /// What the compiled texts of nodes asked of the world.
    pub(super) fn reads_of_compiled(&self, nodes: &NodeSet) -> BTreeSet<RenderRead> {
        let compiled = self.compiled.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = nodes.iter().map(|id| &*self.manifest.node(id).unique_id);
        let Some(cache) = compiled.as_ref() else { return BTreeSet::new() };
        cache.reads(ids).into_iter().cloned().collect()
    }
}
