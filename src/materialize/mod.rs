//! How a node is stored, as straight functions.
//!
//! In: a `Job` (the node's relation, SQL, config, what exists) and `Steps`, which carries out what
//! is asked of the database. Out: whether the node was published. SQL that dbt makes by a public
//! macro is asked for by name (`PublicMacro`), so that a project's override counts. Must not know:
//! connections, threads, how macros are rendered. The tests play the database.

mod agate;
mod candidate;
mod delta;
mod incremental;
mod schema_change;
mod seed;
mod seed_reader;
mod seed_rows;
mod seed_types;
mod snapshot;
mod stored;
mod stored_rows;
#[cfg(test)]
mod testing;

pub(crate) use seed_rows::SeedRows;
pub(crate) use seed_types::{Inference, SeedColumn, infer_types};
pub(crate) use stored_rows::{create_rows, insert_rows};

use crate::diag::{Code, Diagnostic};
use crate::engine::{
    EngineSpec, ExistingColumn, ExistingRelation, Relation, RelationKind, Transactions,
};
use crate::manifest::{Materialization, TypedConfig};
use crate::outcome::NodeError;
use crate::source::{Span, SqlText};
use std::sync::Arc;

/// An argument of a macro.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    None,
    Flag(bool),
    Text(String),
    Relation(Relation),
    /// The node itself, as templates have it.
    Model,
    /// The node's compiled SQL.
    Compiled,
    Columns(Vec<ExistingColumn>),
    /// A config value.
    Json(serde_json::Value),
    Dict(Vec<(&'static str, Arg)>),
}

/// A public macro, by name. The text that it gives is run, if there is any.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PublicMacro {
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
}

impl PublicMacro {
    fn new(name: &str, args: Vec<Arg>) -> PublicMacro {
        PublicMacro { name: name.to_owned(), args }
    }
}

/// When hooks are run: before or after the node is stored, inside the transaction or outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookTime {
    BeforeOutside,
    BeforeInside,
    AfterInside,
    AfterOutside,
}

/// What the guards of a node are run on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Audited {
    /// A relation beside the published one; others can read it.
    Candidate(Relation),
    /// The published name, inside the open transaction.
    Inside,
}

/// How a build ended that did not fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    Published,
    /// Guards held it back: what is kept of it, if anything is.
    Rejected(Option<Relation>),
}

/// How the rows of a seed came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeedEnding {
    Loaded,
    /// The first rows had other types than the whole file, whose columns these are: the table is
    /// still empty.
    OtherTypes(Vec<SeedColumn>),
}

pub(crate) type Done = Result<(), NodeError>;

/// What a materialization asks for, in the order in which it wants it done.
pub(crate) trait Steps {
    /// Runs SQL of ours.
    fn execute(&mut self, sql: SqlText) -> Done;
    /// Runs what a public macro writes.
    fn call(&mut self, call: &PublicMacro) -> Done;
    /// The node's hooks of one time.
    fn run_hooks(&mut self, time: HookTime) -> Done;
    /// Sends the rows of a seed into an empty table.
    fn load(&mut self, table: &Relation, seed: &SeedJob) -> Result<SeedEnding, NodeError>;
    /// Changes columns of a table.
    fn alter(&mut self, table: &Relation, statements: &[String], takes_away: bool) -> Done;
    fn drop_if_there(&mut self, relation: &ExistingRelation) -> Done;
    /// Columns of a relation that is there.
    fn describe(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, NodeError>;
    /// Columns that the node's own query would give.
    fn describe_query(&mut self) -> Result<Vec<ExistingColumn>, NodeError>;
    fn begin(&mut self) -> Done;
    /// Commits the open transaction, with nothing published.
    fn commit(&mut self) -> Done;
    /// Runs the guards; whether all of them let it through.
    fn audit(&mut self, audited: &Audited) -> Result<bool, NodeError>;
    /// Gives the candidate the published name, with what belongs to the old relation and depends on
    /// it: in the open transaction, where the engine has any.
    fn publish(&mut self, candidate: &Relation, kind: RelationKind) -> Done;
    /// Gives the published relation what belonged to the one whose place it took, once the hooks
    /// have made what they make.
    fn carry(&mut self) -> Done;
    /// Notes what is published now, and ends the transaction in which it was.
    fn finish(&mut self) -> Done;
    /// Rolls back the open transaction, if there is one.
    fn roll_back(&mut self) -> Done;
    /// Keeps a candidate that did not pass under another name.
    fn keep_rejected(&mut self, candidate: &Relation, kept: &Relation, kind: RelationKind) -> Done;
}

/// What is to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) target: Relation,
    /// Where the node is written.
    pub(crate) span: Span,
    pub(crate) existing: Option<ExistingRelation>,
    pub(crate) config: Arc<TypedConfig>,
    pub(crate) full_refresh: bool,
    pub(crate) engine: &'static EngineSpec,
    pub(crate) has_inside_post_hooks: bool,
    pub(crate) has_outside_post_hooks: bool,
    pub(crate) has_inside_pre_hooks: bool,
    /// What earlier runs left under the candidate's and the rejected one's name.
    pub(crate) leftovers: Vec<ExistingRelation>,
    pub(crate) seed: Option<SeedJob>,
}

impl Job {
    /// Whether what belongs together can be done in one transaction.
    fn has_transactions(&self) -> bool {
        self.engine.abilities.transactions == Transactions::Full
    }

    /// A mistake of the project's.
    fn mistake(&self, message: impl Into<String>) -> NodeError {
        NodeError::lasting(Diagnostic::error(Code::Runtime, message).primary(self.span, ""))
    }

    /// Drops what an earlier run left under a name.
    fn drop_leftover(&self, relation: &Relation, steps: &mut dyn Steps) -> Done {
        let left = self.leftovers.iter().find(|l| l.relation.same(relation, self.engine.dialect));
        left.map_or(Ok(()), |left| steps.drop_if_there(left))
    }
}

/// A seed's file and what was found in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedJob {
    pub(crate) path: String,
    /// The same as the project names it.
    pub(crate) file: String,
    pub(crate) columns: Vec<SeedColumn>,
    /// How many rows it has, where all of them were read.
    pub(crate) rows: Option<u64>,
    /// Columns with time stamps whose offsets from UTC the engine drops.
    pub(crate) offsets_dropped: Vec<String>,
    /// The types are those of the first rows: what they can still become.
    pub(crate) provisional: Option<Inference>,
    pub(crate) delimiter: String,
    pub(crate) quote_columns: bool,
}

/// Stores a node by a materialization that is built in.
pub(crate) fn store_node(
    materialization: Materialization,
    job: &Job,
    steps: &mut dyn Steps,
) -> Result<Ending, NodeError> {
    match materialization {
        Materialization::Table | Materialization::View | Materialization::MaterializedView => {
            stored::store_whole(materialization, job, steps)
        }
        Materialization::Seed => seed::store_seed(job, steps),
        // A first build, a rebuild, or a view in the way: the whole is built like a table.
        Materialization::Incremental if !has_table(job) || job.full_refresh => {
            stored::store_whole(materialization, job, steps)
        }
        Materialization::Incremental => incremental::store_delta(job, steps),
        Materialization::Snapshot if job.existing.is_none() => {
            stored::store_whole(materialization, job, steps)
        }
        Materialization::Snapshot => snapshot::store_versions(job, steps),
        Materialization::Ephemeral => Ok(Ending::Published),
    }
}

fn has_table(job: &Job) -> bool {
    job.existing.as_ref().is_some_and(|e| e.kind == RelationKind::Table)
}
