//! The state and the helpers that all work on one node shares.

use super::RunContext;
use super::failure::{database_error, sql_error};
use crate::compile::{CompileError, Compiled};
use crate::context::{Bindings, DatabaseAccess, RenderSession};
use crate::diag::{Diagnostic, Severity, WarningLevel};
use crate::engine::{
    Connection, EngineError, EngineSpec, ExistingRelations, Reply, Table, Warehouse,
};
use crate::manifest::{Manifest, Node, NodeId};
use crate::outcome::NodeError;
use crate::source::SqlText;
use std::sync::Arc;

/// A node that is built or tested on a connection.
#[derive(Clone, Copy)]
pub(super) struct NodeRun<'a> {
    pub(super) shared: &'a RunContext,
    pub(super) node: &'a Node,
    pub(super) bindings: &'a Arc<Bindings>,
    /// The relations that exist under the node's own name or the names that its build uses beside
    /// it.
    pub(super) existing: &'a Arc<ExistingRelations>,
    pub(super) connection: &'a Connection,
}

impl<'a> NodeRun<'a> {
    pub(super) fn manifest(&self) -> &'a Manifest {
        &self.shared.compiler.manifest
    }

    pub(super) fn engine(&self) -> &'static EngineSpec {
        self.connection.engine()
    }

    /// The same run, but for another node.
    pub(super) fn of(self, id: NodeId) -> NodeRun<'a> {
        NodeRun { node: self.shared.compiler.manifest.node(id), ..self }
    }

    /// Compiles the node. A warning that is promoted to an error fails it.
    pub(super) fn compile(&self) -> Result<Compiled, CompileError> {
        let NodeRun { node, bindings, existing, connection, .. } = *self;
        let compiled =
            self.shared.compiler.compile(node.id, bindings, existing, Some(connection))?;
        let warnings = &self.shared.options.warnings;
        let is_promoted = |d: &&Diagnostic| warnings.weigh(d.code, d.event) == WarningLevel::Error;
        match compiled.warnings.iter().find(is_promoted) {
            Some(d) => {
                let d = Diagnostic { severity: Severity::Error, ..d.clone() };
                Err(CompileError::Diagnostic(Box::new(d)))
            }
            None => Ok(compiled),
        }
    }

    /// A session of the node without a connection, for macros that only generate SQL.
    pub(super) fn offline_session(&self) -> Arc<RenderSession> {
        self.shared.compiler.session(
            self.node,
            self.bindings,
            self.existing,
            DatabaseAccess::Offline,
        )
    }

    /// Runs a database operation whose errors have no place in a template.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&mut dyn Warehouse) -> Result<T, EngineError>,
    ) -> Result<T, NodeError> {
        self.connection.with(question).map_err(|e| database_error(&e, self.node))
    }

    /// Executes SQL; an error is located in the template.
    pub(super) fn execute(&self, sql: &SqlText) -> Result<Reply, NodeError> {
        self.connection.with(|w| w.execute(sql)).map_err(|e| sql_error(&e, sql, self.node.span))
    }

    /// Runs a query and fetches at most `limit` rows.
    pub(super) fn fetch(&self, sql: &SqlText, limit: usize) -> Result<(Reply, Table), NodeError> {
        let found = self.connection.with(|w| w.fetch(sql, Some(limit)));
        found.map_err(|e| sql_error(&e, sql, self.node.span))
    }
}
