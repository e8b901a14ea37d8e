//! Compiles nodes without a database, for comparisons and for analysis of their SQL.
//!
//! The template of an incremental model or snapshot may ask whether its table exists, so such a
//! node has two forms: fresh, as on the first build, and incremental, as on later ones.

use super::{CompileError, Compiler};
use crate::context::{Bindings, RenderRead};
use crate::diag::Diagnostic;
use crate::engine::{ExistingRelation, ExistingRelations, RelationKind};
use crate::hash::FastMap;
use crate::manifest::{Manifest, Materialization, Node, NodeId};
use crate::source::SqlText;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Nodes with their SQL in each form.
pub(crate) struct CompiledProject {
    manifest: Arc<Manifest>,
    nodes: FastMap<NodeId, CompiledNode>,
}

#[derive(Debug, Default)]
pub(crate) struct CompiledNode {
    pub(crate) full_build: CompiledForm,
    /// `None` if the node is not incremental, or if its fresh form is broken.
    pub(crate) incremental: Option<CompiledForm>,
    /// The external inputs read (variables, environment, target, macros) by its renders.
    pub(crate) reads: BTreeSet<RenderRead>,
    /// The error, if the node cannot be compiled.
    pub(crate) error: Option<Box<Diagnostic>>,
}

/// The result of compiling one form of a node.
#[derive(Clone, Debug, Default)]
pub(crate) enum CompiledForm {
    Sql(Arc<SqlText>),
    /// The template queries the database, so that there is no SQL without it.
    NeedsDatabase,
    /// The form is broken, or was not compiled.
    #[default]
    None,
}

impl CompiledNode {
    pub(crate) fn forms(&self) -> impl Iterator<Item = &CompiledForm> {
        std::iter::once(&self.full_build).chain(&self.incremental)
    }

    /// Whether all forms have SQL. Only then is the result determined by the external inputs read.
    pub(crate) fn is_whole(&self) -> bool {
        self.forms().all(|form| matches!(form, CompiledForm::Sql(_)))
    }
}

impl CompiledProject {
    pub(crate) fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&CompiledNode> {
        self.nodes.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// Compiles nodes in all their forms, in parallel.
pub(crate) fn compile_project(compiler: &Compiler, nodes: &[NodeId]) -> CompiledProject {
    let manifest = compiler.manifest.clone();
    let compile = |id: &NodeId| (*id, compile_forms(compiler, manifest.node(*id)));
    let nodes = nodes.par_iter().map(compile).collect::<Vec<_>>().into_iter().collect();
    CompiledProject { manifest, nodes }
}

fn compile_forms(compiler: &Compiler, node: &Node) -> CompiledNode {
    let mut compiled = CompiledNode::default();
    compiled.full_build = compile_form(compiler, node, ExistingRelations::Unknown, &mut compiled);
    let grows = node.materialization().is_some_and(Materialization::grows);
    if let (true, None, Some(existing)) = (grows, &compiled.error, own_table(compiler, node)) {
        let form = compile_form(compiler, node, existing, &mut compiled);
        compiled.incremental = Some(form);
    }
    compiled
}

/// The node's table, as a later build would find it. Its columns are left out: compilation does not
/// depend on them.
fn own_table(compiler: &Compiler, node: &Node) -> Option<ExistingRelations> {
    let relation = node.relation.clone()?;
    let table = ExistingRelation::new(relation, RelationKind::Table, Vec::new());
    let dialect = compiler.manifest.project.dialect;
    Some(ExistingRelations::known(dialect, vec![table], HashSet::new()))
}

fn compile_form(
    compiler: &Compiler,
    node: &Node,
    existing: ExistingRelations,
    compiled: &mut CompiledNode,
) -> CompiledForm {
    let bindings = Arc::new(Bindings::default());
    match compiler.compile(node.id, &bindings, &Arc::new(existing), None) {
        Ok(found) => {
            compiled.reads.extend(found.reads);
            CompiledForm::Sql(found.sql)
        }
        Err(CompileError::NeedsDatabase) => CompiledForm::NeedsDatabase,
        Err(CompileError::Diagnostic(d)) => {
            compiled.error = Some(d);
            CompiledForm::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{MemorySystem, System};
    use crate::workspace::testing::workspace;

    /// Compiles the model `m` of a project in memory.
    fn compile(m: &str) -> CompiledNode {
        let files = [
            ("/project/project.yml", "name: shop"),
            ("/project/models/a.sql", "select 1 as id"),
            ("/project/models/m.sql", m),
        ];
        let system: Arc<dyn System> = Arc::new(MemorySystem::with_files(files));
        let compiler = workspace(system).read().unwrap().revision.unwrap().compiler(Vec::new());
        let id = compiler.manifest.get("model.shop.m").unwrap().id;
        let mut project = compile_project(&compiler, &[id]);
        assert_eq!(project.len(), 1);
        project.nodes.remove(&id).unwrap()
    }

    fn sql(form: &CompiledForm) -> &str {
        match form {
            CompiledForm::Sql(sql) => sql.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_grows_has_two_forms() {
        let plain = compile("select * from {{ ref('a') }}");
        assert!(sql(&plain.full_build).contains("\"a\"") && plain.incremental.is_none());
        let grows = compile(
            "{{ config(materialized='incremental') }}select {{ is_incremental() | int }} as later",
        );
        assert_eq!(sql(&grows.full_build), "select 0 as later");
        assert_eq!(sql(grows.incremental.as_ref().unwrap()), "select 1 as later");
    }

    #[test]
    fn a_question_to_the_database_is_no_mistake() {
        let asks = compile("{% if execute %}{{ run_query('select 1') }}{% endif %}select 1 as id");
        assert!(matches!(asks.full_build, CompiledForm::NeedsDatabase) && asks.error.is_none());
        assert!(!asks.is_whole(), "it is compiled each time");
        let broken = compile("{{ exceptions.raise_compiler_error('no') if execute }}select 1");
        assert!(broken.error.is_some_and(|d| d.message.contains("no")));
    }
}
