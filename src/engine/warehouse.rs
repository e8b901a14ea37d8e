//! The trait that adapters implement.

use super::{Content, ExistingColumn, ExistingRelation};
use crate::manifest::{Dialect, Relation, RelationKind};
use crate::source::SqlText;
use std::sync::Arc;
use std::time::Duration;

/// What an engine can do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capabilities {
    pub(crate) adapter: &'static str,
    pub(crate) dialect: Dialect,
    /// A predicate scan over many columns beats many queries (DESIGN: measured per engine).
    pub(crate) fuse_predicates: bool,
    /// A transaction can go on after a statement of it failed.
    pub(crate) savepoints: bool,
    /// Indexes must be made after a table got its final name.
    pub(crate) index_after_rename: bool,
    /// Others build in the same database at the same time.
    pub(crate) shared: bool,
    /// A change of columns locks the table for all readers: it is made in a transaction of its own.
    pub(crate) locks_for_columns: bool,
    /// `copy` reads files of this machine; else rows are sent.
    pub(crate) reads_files: bool,
    /// The strategy of an incremental model that names none: (with unique key, without).
    pub(crate) default_strategy: (&'static str, &'static str),
    pub(crate) strategies: &'static [&'static str],
    /// Whether dbt looks for the macro of an incremental strategy on the first build, too, which
    /// does not need it yet.
    pub(crate) checks_strategy_first: bool,
    /// Whether dbt begins nothing on this engine for a macro of `run-operation`: each statement is
    /// committed by itself (seen with dbt-postgres 1.10.2, whose `BEGIN` is left to the driver,
    /// which thinks that one is open).
    pub(crate) commits_each_statement: bool,
    /// Whether dbt asks the catalog by relations (`get_catalog_relations`), not only by schemas
    /// (`get_catalog`).
    pub(crate) catalog_by_relations: bool,
}

/// A value of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Exact numbers that no `i64` or `f64` holds: decimals, huge integers.
    Decimal(String),
    Text(String),
    /// ISO text: `2024-01-31`, `2024-01-31 10:00:00.5`, `10:00:00`.
    Date(String),
    Timestamp(String),
    Time(String),
    /// Lists, structs and maps, as JSON.
    Json(Box<serde_json::Value>),
}

impl Cell {
    /// For people: null is empty.
    pub(crate) fn display(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Bool(b) => b.to_string(),
            Cell::Int(i) => i.to_string(),
            Cell::Float(f) => f.to_string(),
            Cell::Decimal(s)
            | Cell::Text(s)
            | Cell::Date(s)
            | Cell::Timestamp(s)
            | Cell::Time(s) => s.clone(),
            Cell::Json(j) => j.to_string(),
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Cell::Null => Json::Null,
            Cell::Bool(b) => Json::Bool(*b),
            Cell::Int(i) => Json::from(*i),
            Cell::Float(f) => Json::from(*f),
            // Whole numbers are exact, however many digits they have.
            Cell::Decimal(s) if !s.contains(['.', 'e', 'E']) => {
                s.parse().map_or_else(|_| Json::String(s.clone()), Json::Number)
            }
            Cell::Decimal(s) => {
                s.parse::<f64>().map_or_else(|_| Json::String(s.clone()), Json::from)
            }
            Cell::Text(s) | Cell::Date(s) | Cell::Timestamp(s) | Cell::Time(s) => {
                Json::String(s.clone())
            }
            Cell::Json(j) => (**j).clone(),
        }
    }

    /// Whether it is a number without a fraction.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Cell::Int(_) | Cell::Bool(_) => true,
            Cell::Float(f) => f.fract() == 0.0,
            Cell::Decimal(s) => {
                s.split_once('.').is_none_or(|(_, rest)| rest.bytes().all(|b| b == b'0'))
            }
            _ => false,
        }
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        match self {
            Cell::Int(i) => Some(*i),
            Cell::Float(f) => Some(*f as i64),
            Cell::Decimal(s) => s.parse::<f64>().ok().map(|f| f as i64),
            Cell::Bool(b) => Some(i64::from(*b)),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Cell::Bool(b) => *b,
            other => other.as_i64().is_some_and(|i| i != 0),
        }
    }
}

/// Rows that were fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<ExistingColumn>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// How many rows of a result are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    Nothing,
    Rows(Option<usize>),
}

/// What a statement answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    /// dbt's message: `OK`, `SELECT 5`.
    pub(crate) message: String,
    pub(crate) rows_affected: Option<i64>,
    pub(crate) table: Option<Table>,
}

impl Reply {
    pub(crate) fn ok() -> Reply {
        Reply { message: "OK".to_owned(), ..Reply::default() }
    }

    /// Of a seed's rows.
    pub(crate) fn of_load(rows: u64) -> Reply {
        Reply {
            message: format!("INSERT {rows}"),
            rows_affected: i64::try_from(rows).ok(),
            table: None,
        }
    }

    /// `adapter_response` of `run_results.json`: the message, its words without numbers, the rows,
    /// -1 where a statement has none (as Python's database drivers say, PEP 249).
    pub(crate) fn to_json(&self) -> serde_json::Value {
        if self.message == "OK" {
            return serde_json::json!({ "_message": "OK" });
        }
        let code: Vec<&str> =
            self.message.split(' ').filter(|w| w.parse::<i64>().is_err()).collect();
        let counts = code.len() < self.message.split(' ').count();
        let rows = self.rows_affected.filter(|_| counts).unwrap_or(-1);
        serde_json::json!({ "_message": self.message, "code": code.join(" "), "rows_affected": rows })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineErrorKind {
    /// The SQL was rejected before it ran.
    Sql,
    /// It failed while it ran.
    Runtime,
    Connection,
    /// Another process holds what is needed.
    Locked,
    /// Two transactions got in each other's way: a deadlock, a serialization failure.
    Conflict,
    Cancelled,
    /// The target asks for what the tool does not have.
    Unsupported,
}

/// A database's complaint, with the byte range of the statement where it gives one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct EngineError {
    pub(crate) kind: EngineErrorKind,
    pub(crate) message: String,
    pub(crate) position: Option<(usize, usize)>,
    pub(crate) hint: Option<String>,
    /// The engine's own code: a SQLSTATE.
    pub(crate) code: Option<String>,
}

impl EngineError {
    /// Whether what was to be made "if not exists" is there, because another session made it at the
    /// same moment: SQLSTATE of a unique violation, or of a duplicate schema, table or object.
    pub(crate) fn is_made_meanwhile(&self) -> bool {
        matches!(self.code.as_deref(), Some("23505" | "42P06" | "42P07" | "42710"))
    }

    /// Credentials in what a driver says are masked.
    pub(crate) fn new(kind: EngineErrorKind, message: impl Into<String>) -> EngineError {
        let message = crate::secret::mask_credentials(&message.into()).into_owned();
        EngineError { kind, message, position: None, hint: None, code: None }
    }

    /// Whether trying again later can help.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            EngineErrorKind::Connection | EngineErrorKind::Locked | EngineErrorKind::Conflict
        )
    }
}

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
    /// How many rows a relation has, and a print of them that does not depend on their order.
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
