//! The trait that adapters implement.

use super::{
    Capabilities, Content, EngineError, ExistingColumn, ExistingRelation, Fetch, Relation,
    RelationKind, Reply,
};
use crate::source::SqlText;
use std::sync::Arc;
use std::time::Duration;

/// Stops the statement that a connection is running.
pub(crate) trait Cancel: Send + Sync {
    fn cancel(&self);
}

/// Opens another connection to the same database, from any thread.
pub(crate) type Opener = Arc<dyn Fn() -> Result<Box<dyn Warehouse>, EngineError> + Send + Sync>;

/// How long to wait for others; none: as long as the engine waits by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Patience {
    /// For what another session or process has locked.
    pub(crate) lock: Option<Duration>,
    /// For a relation that another run is building.
    pub(crate) build: Option<Duration>,
}

/// A candidate that takes the place of the published relation.
#[derive(Clone, Copy)]
pub(crate) struct Swap<'a> {
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
    /// swap does so.
    pub(crate) take_turn: &'a dyn Fn(),
    /// Waits, and lets other nodes of the run publish meanwhile: called while nothing is locked,
    /// before another attempt.
    pub(crate) pause: &'a dyn Fn(Duration),
}

/// A change of a table's columns.
#[derive(Clone, Copy)]
pub(crate) struct Change<'a> {
    pub(crate) relation: &'a Relation,
    pub(crate) statements: &'a [String],
    /// Columns are dropped: what reads them is in the way.
    pub(crate) takes_away: bool,
    pub(crate) built_later: &'a dyn Fn(&Relation) -> bool,
    /// As that of `Swap`.
    pub(crate) pause: &'a dyn Fn(Duration),
}

/// One connection to a database.
pub(crate) trait Warehouse: Send {
    fn capabilities(&self) -> &Capabilities;
    /// Runs one or several statements and answers for the last one.
    fn run(&mut self, sql: &SqlText, fetch: Fetch) -> Result<Reply, EngineError>;
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
    /// All schemas as (database, schema).
    fn schemas(&mut self) -> Result<Vec<(String, String)>, EngineError>;
    /// Sends rows to a `copy ... from stdin`; the number of rows that came in.
    fn copy_in(
        &mut self,
        statement: &str,
        input: &mut dyn std::io::Read,
    ) -> Result<u64, EngineError>;
    /// In the open transaction, gives the candidate the published name, with what belongs to the
    /// old relation and what depends on it. The SQL that was run. An error leaves the transaction
    /// to be rolled back.
    fn swap(&mut self, swap: &Swap<'_>) -> Result<Vec<String>, EngineError>;
    /// After a swap and the node's hooks: gives the relation what belonged to the one whose place
    /// it took, as far as the hooks have not made it anew. The SQL that was run.
    fn carry(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        let _ = relation;
        Ok(Vec::new())
    }
    /// Changes columns, in the open transaction or one of its own. The SQL that was run.
    fn alter(&mut self, change: &Change<'_>) -> Result<Vec<String>, EngineError>;
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
    /// Writes out what is committed and not yet in its place, where an engine keeps such. What
    /// fails is written later.
    fn settle(&mut self) {}
    fn opener(&self) -> Result<Opener, EngineError>;
    /// Another connection to the same database.
    fn fork(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        self.opener()?()
    }
    /// A handle that another thread can use to stop what runs.
    fn cancel_handle(&self) -> Arc<dyn Cancel>;
}
