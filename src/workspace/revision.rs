//! The project as its files were at one moment. A revision is immutable, and several threads can
//! use it at once.

use super::Settings;
use super::changes::comparable_nodes;
use super::request::BuildOptions;
use crate::cache::{read_cache_file, write_cache_file};
use crate::changes::{CompileCache, NodeDefinition, define_nodes};
use crate::compile::Compiler;
use crate::config::{SelectorDefinition, Yaml};
use crate::context::{ContextProject, RenderRead};
use crate::diag::{Checked, Diagnostic};
use crate::engine::{Connection, EngineError, ExistingRelations, Target, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::inspect_relations;
use crate::jinja::Renderer;
use crate::manifest::{Manifest, NodeId, NodeSet, ResourceType, UniqueId};
use crate::plan::{Plan, PlanRequest, plan_steps};
use crate::run::{CancelToken, CancelWatch};
use crate::select::{PreviousState, Selection, select_nodes};
use crate::source::SourceMap;
use crate::state::{ReadingRecord, load_state};
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
    /// A fingerprint of all inputs of the revision. `None` if it was not requested, or if an input
    /// is different in each invocation.
    pub(crate) inputs: Option<Fingerprint>,
    /// The record of the reading. `None` if `inputs` were not requested, or if there are errors.
    pub(super) reading: Option<ReadingRecord>,
    /// The `airflow:` block of the project file.
    pub(crate) airflow: Option<Yaml>,
    /// The diagnostics of the reading, warnings first.
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(super) compiled: Arc<SharedCompileCache>,
}

/// The compile cache of this process, or of an earlier one if that stored it. `None` until it is
/// first needed.
#[derive(Default)]
pub(super) struct SharedCompileCache(Mutex<Option<CompileCache>>);

#[cfg(test)]
impl SharedCompileCache {
    /// Round-trips the cache through its stored form.
    pub(super) fn round_trip_bytes(&self) {
        use crate::cache::CacheFile;
        let mut compiled = self.0.lock().unwrap();
        if let Some(cache) = compiled.as_mut() {
            *cache = CompileCache::from_bytes(&cache.to_bytes()).unwrap();
        }
    }
}

/// The definitions of nodes, as they are compared with those of the last publication.
pub(crate) struct NodeDefinitions {
    pub(crate) nodes: FastMap<NodeId, NodeDefinition>,
    /// How many nodes had to be compiled, because the cache did not have them.
    pub(crate) compiled: usize,
}

impl Revision {
    pub(crate) fn target(&self) -> &Target {
        &self.manifest.project.target
    }

    pub(crate) fn fingerprint_macros(&self) -> Fingerprint {
        self.renderer.registry().fingerprint()
    }

    /// Whether the project can be built, that is, has no errors.
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

    /// All nodes that may be stored as relations.
    pub(crate) fn stored_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.manifest.nodes.iter().filter(|n| n.resource_type().is_published()).map(|n| n.id)
    }

    /// Whether a custom materialization, of the project or a package, builds a node.
    pub(crate) fn publishes_itself(&self, id: NodeId) -> bool {
        let node = self.manifest.node(id);
        let (registry, overrides) = (self.renderer.registry(), self.context.explicit_overrides);
        registry.materialization(&node.package, &node.materialized(), overrides).is_some()
    }

    pub(crate) fn connect(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        crate::adapter::connect(self.target(), self.settings.patience)
    }

    /// A connection for work outside of a run: its statements are cancelled when the token is set.
    pub(crate) fn connect_alone(
        &self,
        cancel: &CancelToken,
    ) -> Result<(Connection, CancelWatch), EngineError> {
        let warehouse = self.connect()?;
        let watch = CancelWatch::new(cancel, warehouse.cancel_handle());
        Ok((Connection::new(warehouse), watch))
    }

    /// The existing relations of all nodes; `ExistingRelations::Unknown` without a connection.
    pub(crate) fn inspect_stored(
        &self,
        connection: Option<&Connection>,
    ) -> Result<ExistingRelations, EngineError> {
        let Some(connection) = connection else { return Ok(ExistingRelations::Unknown) };
        connection
            .with(|warehouse| inspect_relations(warehouse, &self.manifest, self.stored_nodes()))
    }

    /// A compiler of the revision's nodes; `selected` is the value of `selected_resources`.
    pub(crate) fn compiler(&self, selected: Vec<UniqueId>) -> Compiler {
        Compiler::new(
            self.manifest.clone(),
            self.renderer.clone(),
            self.context.clone(),
            self.map.clone(),
            selected,
        )
    }

    /// Plans the steps of a command.
    ///
    /// # Errors
    /// The selection cannot be planned as a whole; then nothing of it runs.
    pub(crate) fn plan(
        &self,
        options: &BuildOptions,
        selected: &NodeSet,
        existing: &ExistingRelations,
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

    /// The current definitions of nodes. Those that are not cached are compiled without a database,
    /// and stored for other processes.
    pub(super) fn define_nodes(&self, nodes: &[NodeId]) -> NodeDefinitions {
        let mut compiled = self.compiled.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = &self.manifest.project.target_path;
        let store = self.settings.cache_system();
        let cache = compiled.get_or_insert_with(|| {
            store.and_then(|system| read_cache_file(system, folder)).unwrap_or_default()
        });
        let nodes = define_nodes(&self.compiler(Vec::new()), nodes, cache);
        if let Some(system) = store.filter(|_| cache.is_changed()) {
            // A failure to write the cache costs only time.
            let _ = write_cache_file(system, folder, cache);
        }
        NodeDefinitions { nodes, compiled: cache.compiled() }
    }

    /// The definitions of the selected nodes that get a verdict.
    pub(crate) fn define_selected(&self, selected: &NodeSet) -> NodeDefinitions {
        self.define_nodes(&comparable_nodes(self, selected))
    }

    /// The errors of nodes that cannot be compiled, found without a database, in the order of
    /// nodes.
    pub(crate) fn check(&self, selected: &NodeSet) -> Vec<Diagnostic> {
        let ids: Vec<NodeId> = selected.iter().collect();
        let own = self.define_nodes(&ids).nodes;
        let mut broken: Vec<(NodeId, Diagnostic)> =
            own.into_iter().filter_map(|(id, own)| Some((id, *own.error?))).collect();
        broken.sort_by_key(|(id, _)| *id);
        broken.into_iter().map(|(_, d)| d).collect()
    }

    /// The external inputs read (variables, environment, target, macros) when the nodes were
    /// compiled.
    pub(super) fn reads_of_compiled(&self, nodes: &NodeSet) -> BTreeSet<RenderRead> {
        let compiled = self.compiled.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = nodes.iter().map(|id| &*self.manifest.node(id).unique_id);
        let Some(cache) = compiled.as_ref() else { return BTreeSet::new() };
        cache.reads(ids).into_iter().cloned().collect()
    }
}
