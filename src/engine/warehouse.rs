//! The trait that adapters implement, with one method for each database operation.

use super::{
    Cell, Content, EngineError, EngineSpec, ExistingColumn, ExistingRelation, ParquetFile,
    QueryComment, Relation, RelationKind, Reply, SeedLoad, SeedLoadReport, Table,
};
use crate::source::SqlText;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Cancels the statement that a connection is running.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self);
}

/// Opens another connection to the same database, from any thread.
pub(crate) type Opener = Arc<dyn Fn() -> Result<Box<dyn Warehouse>, EngineError> + Send + Sync>;

/// How long to wait for other sessions. `None`: as long as the engine does by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WaitTimeouts {
    /// For a lock.
    pub(crate) lock: Option<Duration>,
    /// For a relation that another run is building.
    pub(crate) build: Option<Duration>,
}

/// A candidate that is to replace the published relation.
#[derive(Clone, Copy)]
pub(crate) struct Publication<'a> {
    pub(crate) published: &'a Relation,
    /// The relation that now has the published name.
    pub(crate) existing: Option<&'a ExistingRelation>,
    pub(crate) candidate: &'a Relation,
    pub(crate) kind: RelationKind,
    /// Post-hooks follow that may recreate what belongs to the relation (indexes, grants and so
    /// on); `reattach_objects` then restores the rest.
    pub(crate) has_hooks: bool,
    /// Whether this run will build a relation later. Such a relation may be dropped if it no longer
    /// fits.
    pub(crate) is_built_later: &'a dyn Fn(&Relation) -> bool,
    /// Waits until no other node of the run touches more than its own relation. To be called before
    /// this publication does so.
    pub(crate) take_turn: &'a dyn Fn(),
    /// Sleeps and lets other nodes of the run publish meanwhile. To be called between two attempts,
    /// while no locks are held.
    pub(crate) pause: &'a dyn Fn(Duration),
}

#[derive(Clone, Copy)]
pub(crate) struct ColumnChange<'a> {
    pub(crate) relation: &'a Relation,
    pub(crate) statements: &'a [String],
    /// Columns are dropped, so that views which read them are in the way.
    pub(crate) takes_away: bool,
    pub(crate) is_built_later: &'a dyn Fn(&Relation) -> bool,
    /// As in `Publication`.
    pub(crate) pause: &'a dyn Fn(Duration),
}

/// A row of the table of recorded publications: a node and the fingerprint of its publication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRow<'a> {
    pub(crate) node: &'a str,
    pub(crate) fingerprint: &'a str,
}

/// Receives the rows of a result one after the other, until it breaks off.
pub(crate) type EachRow<'a> = dyn FnMut(Vec<Cell>) -> ControlFlow<()> + 'a;

/// A connection to a database.
///
/// Methods that change relations return the SQL that they ran, for the files in `run/`.
pub(crate) trait Warehouse: Send {
    fn engine(&self) -> &'static EngineSpec;
    fn version(&mut self) -> Result<String, EngineError>;

    /// Sets the comment that `execute` and `stream_rows` send along from now on, and returns the one before. An engine
    /// whose statements nobody watches ignores it.
    fn set_comment(&mut self, comment: Option<Arc<QueryComment>>) -> Option<Arc<QueryComment>> {
        let _ = comment;
        None
    }
    fn begin(&mut self) -> Result<(), EngineError>;
    fn commit(&mut self) -> Result<(), EngineError>;
    fn rollback(&mut self) -> Result<(), EngineError>;

    /// Runs one or more statements and returns the reply to the last one.
    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError>;
    /// Runs statements and passes on the rows of the last one; the reply has the columns.
    fn stream_rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError>;
    /// The columns that a query would return, without running it.
    fn describe_query(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError>;

    /// The relations of a schema with their columns.
    fn list_relations(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<ExistingRelation>, EngineError>;
    /// `list_relations` for several schemas, given as (database, schema).
    fn list_relations_of_schemas(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for (database, schema) in schemas {
            out.extend(self.list_relations(database, schema)?);
        }
        Ok(out)
    }
    /// The relations of schemas, given as (database, schema), that are no part of something else, as
    /// a partition is of its table.
    fn list_independent_relations(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        self.list_relations_of_schemas(schemas)
    }
    /// The columns of a relation; empty if it does not exist.
    fn list_columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError>;
    /// The columns of a relation that exists, possibly only in the open transaction.
    fn list_columns_of_existing(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        self.list_columns(relation)
    }
    /// The columns for templates, which use the types in casts: each type is one to which the
    /// column's values can be cast without a change.
    fn list_castable_columns(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        self.list_columns(relation)
    }
    /// All schemas as (database, schema).
    fn list_schemas(&mut self) -> Result<Vec<(String, String)>, EngineError>;
    /// The relations that now exist under any of these names.
    fn find_relations(
        &mut self,
        relations: &[Relation],
    ) -> Result<Vec<ExistingRelation>, EngineError>;
    /// The functions of schemas, given as (database, schema). The id of each tells its definition.
    fn list_functions(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let _ = schemas;
        Ok(Vec::new())
    }
    /// The number of rows of a relation, and a fingerprint of them that does not depend on their
    /// order.
    fn fingerprint_content(
        &mut self,
        relation: &Relation,
        columns: &[ExistingColumn],
    ) -> Result<Content, EngineError>;
    /// The engine's own id of a table, as in `list_relations`; `None` if it has none.
    fn relation_id(&mut self, relation: &Relation) -> Result<Option<String>, EngineError> {
        let _ = relation;
        Ok(None)
    }

    /// Creates a schema if it does not exist. It is no error if another session creates it at the
    /// same time.
    fn create_schema(&mut self, database: &str, schema: &str) -> Result<(), EngineError>;
    /// Loads the rows of a seed into a table.
    fn load_seed(&mut self, load: &mut SeedLoad<'_>) -> Result<SeedLoadReport, EngineError>;
    /// Gives the candidate the published name, in the open transaction if the engine has
    /// transactions, and moves everything over that belongs to the old relation or depends on it.
    /// After an error, the transaction has to be rolled back.
    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError>;
    /// Called after a publication and the node's hooks: gives the relation what belonged to its
    /// predecessor, as far as the hooks have not recreated it.
    fn reattach_objects(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        let _ = relation;
        Ok(Vec::new())
    }
    /// Renames a candidate that failed its tests to `rejected`, a name that is free.
    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError>;
    /// Drops a relation, if it exists, with everything that depends on it.
    fn drop_relation(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError>;
    /// Changes columns, in the open transaction or in one of its own.
    fn alter_columns(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError>;

    /// The rows of a table of recorded publications, as (node, fingerprint).
    fn read_state(&mut self, table: &Relation) -> Result<Vec<(String, String)>, EngineError>;
    /// Creates a table of recorded publications that does not exist.
    fn create_state_table(&mut self, table: &Relation) -> Result<(), EngineError>;
    /// Records publications, in the open transaction or in one of its own.
    fn record_state(&mut self, table: &Relation, notes: &[StateRow<'_>])
    -> Result<(), EngineError>;

    /// The number of rows that match each condition, counted in one scan. An error leaves an open
    /// transaction usable.
    fn count_rows(
        &mut self,
        relation: &Relation,
        conditions: &[String],
    ) -> Result<Vec<Cell>, EngineError>;
    /// Writes a Parquet file from a file of JSON rows, if the engine can.
    fn write_parquet(&mut self, file: &ParquetFile<'_>) -> Result<(), EngineError> {
        let _ = file;
        Err(EngineError::unsupported(format!("{} writes no Parquet files", self.engine().label)))
    }

    /// Checks the connection before work begins, and reopens it if it was lost.
    fn ensure_connected(&mut self) -> Result<(), EngineError>;
    /// Locks a relation against other builds until `unlock`. While it waits for the holder of the
    /// lock, it reports so from time to time through `waiting`, with a text that follows the
    /// relation's name; a call with `None` reports that the build goes on.
    fn lock(
        &mut self,
        relation: &Relation,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<(), EngineError>;
    fn unlock(&mut self, relation: &Relation);
    /// Writes committed changes to their final place, if the engine keeps them elsewhere at first.
    /// An error is ignored: the changes are written later.
    fn checkpoint(&mut self) {}
    fn connection_opener(&self) -> Result<Opener, EngineError>;
    /// Opens another connection to the same database.
    fn open_another(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        self.connection_opener()?()
    }
    /// A handle with which another thread can cancel the running statement.
    fn cancel_handle(&self) -> Arc<dyn Cancel>;
}

/// Adds a row unless there are `limit` rows already; breaks once there are.
fn take_row(rows: &mut Vec<Vec<Cell>>, row: Vec<Cell>, limit: Option<usize>) -> ControlFlow<()> {
    if limit.is_none_or(|limit| rows.len() < limit) {
        rows.push(row);
    }
    match limit {
        Some(limit) if rows.len() >= limit => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    }
}

impl dyn Warehouse + '_ {
    /// Runs statements and fetches at most `limit` rows of the last one.
    pub(crate) fn fetch(
        &mut self,
        sql: &SqlText,
        limit: Option<usize>,
    ) -> Result<(Reply, Table), EngineError> {
        let mut rows = Vec::new();
        let mut reply = self.stream_rows(sql, &mut |row| take_row(&mut rows, row, limit))?;
        let columns = std::mem::take(&mut reply.columns);
        Ok((reply, Table { columns, rows }))
    }

    /// The function that has this name, if there is one.
    pub(crate) fn find_function(
        &mut self,
        function: &Relation,
    ) -> Result<Option<ExistingRelation>, EngineError> {
        let dialect = self.engine().dialect;
        let Some((database, schema)) = function.stored_schema(dialect) else { return Ok(None) };
        let all = self.list_functions(&[(&database, &schema)])?;
        Ok(all.into_iter().find(|found| found.relation.same(function, dialect)))
    }

    /// Drops the relation that has this name, if there is one.
    pub(crate) fn drop_found(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        let mut done = Vec::new();
        for found in self.find_relations(std::slice::from_ref(relation))? {
            done.extend(self.drop_relation(&found)?);
        }
        Ok(done)
    }
}
