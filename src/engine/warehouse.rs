//! The trait that adapters implement: verbs, one for each thing that is asked of a database.

use super::{
    Cell, Content, EngineError, EngineSpec, ExistingColumn, ExistingRelation, Load, Loaded,
    ParquetFile, Relation, RelationKind, Reply, Table,
};
use crate::source::SqlText;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Stops the statement that a connection is running.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self);
}

/// Opens another connection to the same database, from any thread.
pub(crate) type Opener = Arc<dyn Fn() -> Result<Box<dyn Warehouse>, EngineError> + Send + Sync>;

/// How long to wait for others; none: as long as the engine waits by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patience {
    /// ... for a lock.
    pub(crate) lock: Option<Duration>,
    /// ... for a relation that another run builds.
    pub(crate) build: Option<Duration>,
}

/// A candidate that takes the place of the published relation.
#[derive(Clone, Copy)]
pub(crate) struct Publication<'a> {
    pub(crate) published: &'a Relation,
    /// What stands there now.
    pub(crate) existing: Option<&'a ExistingRelation>,
    pub(crate) candidate: &'a Relation,
    pub(crate) kind: RelationKind,
    /// Post-hooks follow, which may make what belongs to the relation: `carry` gives it the rest.
    pub(crate) has_hooks: bool,
    /// Whether this run builds a relation later: then it may be dropped when it no longer fits.
    pub(crate) built_later: &'a dyn Fn(&Relation) -> bool,
    /// Waits until no other node of the run touches more than its own relation: called before this
    /// publication does so.
    pub(crate) take_turn: &'a dyn Fn(),
    /// Waits, and lets other nodes of the run publish meanwhile: called while nothing is locked,
    /// before another attempt.
    pub(crate) pause: &'a dyn Fn(Duration),
}

/// A change of a table's columns.
#[derive(Clone, Copy)]
pub(crate) struct ColumnChange<'a> {
    pub(crate) relation: &'a Relation,
    pub(crate) statements: &'a [String],
    /// Columns are dropped: what reads them is in the way.
    pub(crate) takes_away: bool,
    pub(crate) built_later: &'a dyn Fn(&Relation) -> bool,
    /// As that of `Publication`.
    pub(crate) pause: &'a dyn Fn(Duration),
}

/// A row of the table in which publications are noted: a node, and the fingerprint of what stands
/// there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note<'a> {
    pub(crate) node: &'a str,
    pub(crate) fingerprint: &'a str,
}

/// Takes the rows of a result one after the other, until it breaks off.
pub(crate) type EachRow<'a> = dyn FnMut(Vec<Cell>) -> ControlFlow<()> + 'a;

/// One connection to a database.
///
/// Statements that change relations give the SQL that they ran, for the files under `run/`.
pub(crate) trait Warehouse: Send {
    fn engine(&self) -> &'static EngineSpec;
    fn version(&mut self) -> Result<String, EngineError>;

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), EngineError>;
    fn commit(&mut self) -> Result<(), EngineError>;
    fn rollback(&mut self) -> Result<(), EngineError>;

    /// Runs one or several statements and answers for the last one.
    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError>;
    /// Runs statements and gives the rows of the last one; the reply has the columns.
    fn rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError>;
    /// Columns that a query would give, without running it.
    fn describe(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError>;

    /// The relations of a schema with their columns.
    fn list(&mut self, database: &str, schema: &str) -> Result<Vec<ExistingRelation>, EngineError>;
    /// The same of several schemas, as (database, schema).
    fn list_all(&mut self, schemas: &[(&str, &str)]) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for (database, schema) in schemas {
            out.extend(self.list(database, schema)?);
        }
        Ok(out)
    }
    /// Columns of one relation; none if it is not there.
    fn columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError>;
    /// The same of one that is there, also in an open transaction.
    fn columns_of_existing(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        self.columns(relation)
    }
    /// The same for templates, which write types into casts: each type is one to which values of its
    /// column can be cast without a change.
    fn columns_to_cast(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        self.columns(relation)
    }
    /// All schemas as (database, schema).
    fn schemas(&mut self) -> Result<Vec<(String, String)>, EngineError>;
    /// What stands under each of some names now.
    fn find(&mut self, relations: &[Relation]) -> Result<Vec<ExistingRelation>, EngineError>;
    /// How many rows a relation has, and a fingerprint of them that does not depend on their order.
    fn content(
        &mut self,
        relation: &Relation,
        columns: &[ExistingColumn],
    ) -> Result<Content, EngineError>;
    /// The engine's own number of a table, as `list` has it; none where it has none.
    fn id_of(&mut self, relation: &Relation) -> Result<Option<String>, EngineError> {
        let _ = relation;
        Ok(None)
    }

    /// Makes a schema that is not there; one that another session makes at the same moment is there.
    fn create_schema(&mut self, database: &str, schema: &str) -> Result<(), EngineError>;
    /// Sends the rows of a seed into a table.
    fn load(&mut self, load: &mut Load<'_>) -> Result<Loaded, EngineError>;
    /// In the open transaction, where the engine has any, gives the candidate the published name,
    /// with what belongs to the old relation and what depends on it. An error leaves the transaction
    /// to be rolled back.
    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError>;
    /// After a publication and the node's hooks: gives the relation what belonged to the one whose
    /// place it took, as far as the hooks have not made it anew.
    fn carry(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        let _ = relation;
        Ok(Vec::new())
    }
    /// Keeps a candidate that did not pass under the name `rejected`, whose place is free.
    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError>;
    /// Drops a relation that may be there, with what depends on it.
    fn drop_if_there(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError>;
    /// Changes columns, in the open transaction or one of its own.
    fn alter(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError>;

    /// The rows of a table of notes, as (node, fingerprint).
    fn notes(&mut self, table: &Relation) -> Result<Vec<(String, String)>, EngineError>;
    /// Makes a table of notes that is not there.
    fn create_notes(&mut self, table: &Relation) -> Result<(), EngineError>;
    /// Writes notes, in the open transaction or one of its own.
    fn note(&mut self, table: &Relation, notes: &[Note<'_>]) -> Result<(), EngineError>;

    /// How many rows of a relation fit each of some conditions, counted in one scan. An error in an
    /// open transaction leaves it as it was.
    fn count_rows(
        &mut self,
        relation: &Relation,
        conditions: &[String],
    ) -> Result<Vec<Cell>, EngineError>;
    /// Makes a Parquet file of a file of rows in JSON, where the engine can.
    fn write_parquet(&mut self, file: &ParquetFile<'_>) -> Result<(), EngineError> {
        let _ = file;
        Err(EngineError::unsupported(format!("{} writes no Parquet files", self.engine().label)))
    }

    /// Makes sure of the connection before work begins: one that was lost is opened again.
    fn ready(&mut self) -> Result<(), EngineError>;
    /// Keeps other builds away from a relation until `unlock`. Waits for the build that has it, and
    /// says so now and then by `waiting`, whose text follows the relation's name; without a text,
    /// that it goes on.
    fn lock(
        &mut self,
        relation: &Relation,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<(), EngineError>;
    fn unlock(&mut self, relation: &Relation);
    /// Writes out what is committed and not yet in its place, where an engine keeps such. What fails
    /// is written later.
    fn settle(&mut self) {}
    fn opener(&self) -> Result<Opener, EngineError>;
    /// Another connection to the same database.
    fn fork(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        self.opener()?()
    }
    /// A handle that another thread can use to stop what runs.
    fn cancel_handle(&self) -> Arc<dyn Cancel>;
}

/// Keeps a row where fewer than `limit` are kept; breaks off once there are as many.
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
    /// Runs statements and fetches rows of the last one, `limit` at most.
    pub(crate) fn fetch(
        &mut self,
        sql: &SqlText,
        limit: Option<usize>,
    ) -> Result<(Reply, Table), EngineError> {
        let mut rows = Vec::new();
        let mut reply = self.rows(sql, &mut |row| take_row(&mut rows, row, limit))?;
        let columns = std::mem::take(&mut reply.columns);
        Ok((reply, Table { columns, rows }))
    }

    /// Drops what stands under a name.
    pub(crate) fn drop_found(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        let mut done = Vec::new();
        for found in self.find(std::slice::from_ref(relation))? {
            done.extend(self.drop_if_there(&found)?);
        }
        Ok(done)
    }
}
