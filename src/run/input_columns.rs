//! The columns of the inputs of unit tests: those of their relations, or those that they would have
//! once they are built.

use super::failure::{compile_error, database_error, sql_error};
use super::node::NodeRun;
use super::seed::read_seed;
use crate::context::{Bindings, BoundQuery, DatabaseAccess};
use crate::engine::{ExistingColumn, ExistingRelations, SqlType};
use crate::manifest::{Node, NodeId, NodeKind};
use crate::outcome::NodeError;
use crate::source::SqlText;
use std::collections::HashSet;
use std::sync::Arc;

/// The columns that a snapshot adds to those of its query, and whether they hold times.
const SNAPSHOT_COLUMNS: [(&str, bool); 4] = [
    ("dbt_scd_id", false),
    ("dbt_updated_at", true),
    ("dbt_valid_from", true),
    ("dbt_valid_to", true),
];

pub(super) struct InputColumns<'a> {
    run: &'a NodeRun<'a>,
    existing: &'a Arc<ExistingRelations>,
    db: &'a DatabaseAccess,
}

impl<'a> InputColumns<'a> {
    pub(super) fn new(
        run: &'a NodeRun<'a>,
        existing: &'a Arc<ExistingRelations>,
        db: &'a DatabaseAccess,
    ) -> InputColumns<'a> {
        InputColumns { run, existing, db }
    }

    /// The columns of a node. `None`: nothing tells them.
    pub(super) fn find(&self, node: &Node) -> Result<Option<Vec<ExistingColumn>>, NodeError> {
        if let Some(columns) = self.of_relation(node)? {
            return Ok(Some(columns));
        }
        let mut planned =
            PlannedQueries { columns: self, bindings: Bindings::default(), seen: HashSet::new() };
        planned.add(node)?;
        let Some(query) = planned.bindings.query(node.id) else { return Ok(None) };
        let sql = planned.complete(query.clone())?;
        let found = self.run.connection.with(|warehouse| warehouse.describe_query(&sql));
        found.map(Some).map_err(|e| sql_error(&e, &sql, node.span))
    }

    /// The columns of the relation of a node. `None`: it is not there.
    pub(super) fn of_relation(
        &self,
        node: &Node,
    ) -> Result<Option<Vec<ExistingColumn>>, NodeError> {
        let own = self.run.shared.compiler.deferred_relation(node.id).or(node.relation.as_ref());
        let Some(relation) = own else { return Ok(None) };
        let found = self.run.connection.with(|w| w.list_castable_columns(relation));
        let columns = found.map_err(|e| database_error(&e, node))?;
        Ok((!columns.is_empty()).then_some(columns))
    }
}

/// Queries that stand for nodes that are not built yet, parents before children.
struct PlannedQueries<'a> {
    columns: &'a InputColumns<'a>,
    bindings: Bindings,
    seen: HashSet<NodeId>,
}

impl PlannedQueries<'_> {
    /// Adds the query of a node that is not built, after those of its parents.
    fn add(&mut self, node: &Node) -> Result<(), NodeError> {
        if !self.seen.insert(node.id) {
            return Ok(());
        }
        let is_built = !node.is_ephemeral() && self.columns.of_relation(node)?.is_some();
        if is_built {
            return Ok(());
        }
        for parent in &node.depends_on {
            self.add(self.columns.run.manifest().node(*parent))?;
        }
        if node.is_ephemeral() {
            return Ok(());
        }
        if let Some(query) = self.query_of(node)? {
            let name = format!("__dbt__cte__{}_{}", node.alias, node.id.number());
            self.bindings.bind_query(node.id, name, query);
        }
        Ok(())
    }

    fn query_of(&self, node: &Node) -> Result<Option<BoundQuery>, NodeError> {
        Ok(match &node.kind {
            NodeKind::Model { .. } if node.sql => Some(self.body_of(node)?),
            NodeKind::Snapshot => Some(self.snapshot_query(self.body_of(node)?)),
            NodeKind::Seed => {
                let seed = read_seed(&self.columns.run.of(node.id))?;
                let columns = seed.columns.iter();
                Some(self.nulls(columns.map(|c| (c.name.as_str(), c.data_type.as_str()))))
            }
            _ => self.described_query(node),
        })
    }

    /// The query of a model, in which nodes that are not built are CTEs.
    fn body_of(&self, node: &Node) -> Result<BoundQuery, NodeError> {
        let compiler = &self.columns.run.shared.compiler;
        let bindings = Arc::new(self.bindings.clone());
        let InputColumns { existing, db, .. } = *self.columns;
        let compiled = compiler
            .compile_body(node.id, &bindings, existing, db)
            .map_err(|e| compile_error(e, node))?;
        Ok(BoundQuery { sql: compiled.sql, ctes: compiled.ctes })
    }

    fn snapshot_query(&self, body: BoundQuery) -> BoundQuery {
        let types = self.columns.run.engine().types;
        let mut sql = SqlText::new();
        sql.push_str("select *");
        for (name, is_time) in SNAPSHOT_COLUMNS {
            let kind = match is_time {
                true => SqlType::Timestamp { zoned: false, nanos: false },
                false => SqlType::Text { length: None },
            };
            let kind = (types.write)(&kind).unwrap_or_default();
            sql.push_str(&format!(", cast(null as {kind}) as {name}"));
        }
        sql.push_str(" from (\n");
        sql.push(&body.sql);
        sql.push_str("\n) snapshot_query");
        BoundQuery { sql: Arc::new(sql), ctes: body.ctes }
    }

    /// A row of nulls with the columns that a properties file lists. `None` if it does not list
    /// them all with their types.
    fn described_query(&self, node: &Node) -> Option<BoundQuery> {
        let columns = node.columns.iter().map(|c| Some((c.name.as_str(), c.data_type.as_deref()?)));
        let columns: Vec<(&str, &str)> = columns.collect::<Option<_>>()?;
        (!columns.is_empty()).then(|| self.nulls(columns.into_iter()))
    }

    fn nulls<'c>(&self, columns: impl Iterator<Item = (&'c str, &'c str)>) -> BoundQuery {
        let dialect = self.columns.run.engine().dialect;
        let cells =
            columns.map(|(name, kind)| format!("cast(null as {kind}) as {}", dialect.quoted(name)));
        let text = format!("select {}", cells.collect::<Vec<_>>().join(", "));
        BoundQuery { sql: Arc::new(text.as_str().into()), ctes: Vec::new() }
    }

    /// A query with the CTEs that it refers to.
    fn complete(&self, query: BoundQuery) -> Result<SqlText, NodeError> {
        let InputColumns { existing, db, run } = *self.columns;
        let compiler = &run.shared.compiler;
        let bindings = Arc::new(self.bindings.clone());
        let completed = compiler.complete_query(query, &bindings, existing, db);
        completed.map(|sql| (*sql).clone()).map_err(|e| compile_error(e, run.node))
    }
}
