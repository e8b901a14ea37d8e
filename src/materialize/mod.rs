//! Built-in materializations, as plain functions.
//!
//! In: a `MaterializationJob` (the node's relation, SQL, config, what exists) and `Steps`, which
//! performs the operations on the database. Out: whether the node was published. SQL that dbt
//! generates by a public macro is requested by name (`PublicMacroCall`), so that a project can
//! override the macro. Must not know: connections, threads, how macros are rendered. The tests use
//! a fake database.

mod agate;
mod candidate;
mod delta;
mod external;
mod function;
mod incremental;
mod materialized_view;
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
pub(crate) use seed_types::{SeedColumn, TypeInference, infer_types};
pub(crate) use stored_rows::{create_rows, insert_rows};

use crate::diag::{Code, Diagnostic};
use crate::engine::{
    EngineSpec, ExistingColumn, ExistingRelation, Relation, RelationKind, TransactionSupport,
};
use crate::manifest::{Materialization, TypedConfig};
use crate::outcome::NodeError;
use crate::source::{Span, SqlText};
use std::sync::Arc;

/// An argument of a macro call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PublicMacroArg {
    None,
    Flag(bool),
    Text(String),
    Relation(Relation),
    /// The node's `model` in templates.
    Model,
    /// The node's compiled SQL.
    Compiled,
    Columns(Vec<ExistingColumn>),
    /// A config value.
    Json(serde_json::Value),
    Dict(Vec<(&'static str, PublicMacroArg)>),
}

/// A call of a public macro by name. The text that it returns is executed, unless it is empty.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PublicMacroCall {
    pub(crate) name: String,
    pub(crate) args: Vec<PublicMacroArg>,
}

impl PublicMacroCall {
    fn new(name: &str, args: Vec<PublicMacroArg>) -> PublicMacroCall {
        PublicMacroCall { name: name.to_owned(), args }
    }
}

/// When hooks run: before or after the node is stored, inside or outside of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookTime {
    BeforeOutside,
    BeforeInside,
    AfterInside,
    AfterOutside,
}

/// What the guards of a node are run on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AuditSubject {
    /// A relation beside the published one; other sessions can read it.
    Candidate(Relation),
    /// The published name, inside the open transaction.
    Inside,
}

/// The end of a build that did not fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MaterializationOutcome {
    Published,
    /// A guard failed. The relation is the one kept for inspection, if there is one.
    Rejected(Option<Relation>),
}

/// The result of loading a seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeedLoadOutcome {
    Loaded,
    /// The first rows had other types than the whole file; its columns are these. The table is
    /// still empty.
    OtherTypes(Vec<SeedColumn>),
}

pub(crate) type StepResult = Result<(), NodeError>;

/// The operations of a materialization, called in the order of their execution.
pub(crate) trait Steps {
    /// Executes SQL that Strata generated.
    fn execute(&mut self, sql: SqlText) -> StepResult;
    /// Calls a public macro and executes the text that it returns.
    fn call_macro(&mut self, call: &PublicMacroCall) -> StepResult;
    /// Calls the macro that creates a function for one of its overloads.
    fn create_overload(&mut self, index: usize, call: &PublicMacroCall) -> StepResult;
    /// Calls a public macro and returns its text, which is not executed.
    fn ask_macro(&mut self, call: &PublicMacroCall) -> Result<String, NodeError>;
    /// Tells the user something that does not stop the build.
    fn warn(&mut self, message: String);
    /// Writes a line into the log, which is shown with `--debug`.
    fn log(&mut self, message: String);
    /// Says in the results that nothing was done.
    fn skip(&mut self, message: String);
    /// The path of a file, which is relative to the project's folder.
    fn locate_file(&self, path: &str) -> String;
    /// Gives a file or folder another name, in the place of what has that name.
    fn move_file(&mut self, from: &str, to: &str) -> StepResult;
    /// Removes a file or folder, if it is there.
    fn remove_file(&mut self, path: &str) -> StepResult;
    /// Runs the node's hooks that belong to `time`.
    fn run_hooks(&mut self, time: HookTime) -> StepResult;
    /// Loads the rows of a seed into an empty table.
    fn load_seed(&mut self, table: &Relation, seed: &SeedJob)
    -> Result<SeedLoadOutcome, NodeError>;
    /// Changes columns of a table; `takes_away` if some are dropped.
    fn alter_columns(
        &mut self,
        table: &Relation,
        statements: &[String],
        takes_away: bool,
    ) -> StepResult;
    fn drop_relation(&mut self, relation: &ExistingRelation) -> StepResult;
    /// The columns of an existing relation.
    fn describe_relation(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, NodeError>;
    /// The columns that the node's query would return.
    fn describe_query(&mut self) -> Result<Vec<ExistingColumn>, NodeError>;
    fn begin(&mut self) -> StepResult;
    /// Commits the open transaction, without a publication.
    fn commit(&mut self) -> StepResult;
    /// Runs the guards; returns whether all of them passed.
    fn audit(&mut self, audited: &AuditSubject) -> Result<bool, NodeError>;
    /// Gives the candidate the published name and moves over what belongs to the old relation or
    /// depends on it, in the open transaction if the engine has transactions.
    fn publish(&mut self, candidate: &Relation, kind: RelationKind) -> StepResult;
    /// Gives the published relation what belonged to its predecessor, except for what the hooks
    /// have recreated.
    fn reattach_objects(&mut self) -> StepResult;
    /// Records the publication and commits its transaction.
    fn finish(&mut self) -> StepResult;
    /// Rolls back the open transaction, if there is one.
    fn roll_back(&mut self) -> StepResult;
    /// Keeps a candidate that failed its tests under another name.
    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        kept: &Relation,
        kind: RelationKind,
    ) -> StepResult;
}

/// The inputs of a materialization.
#[derive(Clone, Debug)]
pub(crate) struct MaterializationJob {
    pub(crate) target: Relation,
    /// The span of the node's definition.
    pub(crate) span: Span,
    pub(crate) existing: Option<ExistingRelation>,
    pub(crate) config: Arc<TypedConfig>,
    pub(crate) full_refresh: bool,
    pub(crate) engine: &'static EngineSpec,
    pub(crate) has_inside_post_hooks: bool,
    pub(crate) has_outside_post_hooks: bool,
    pub(crate) has_inside_pre_hooks: bool,
    /// Whether grants and comments are set: not by the batches between the first and the last one,
    /// which may run at the same time.
    pub(crate) is_described: bool,
    /// Candidates and rejected relations that earlier runs left behind.
    pub(crate) leftovers: Vec<ExistingRelation>,
    pub(crate) seed: Option<SeedJob>,
    /// The macro that creates the function, given its name.
    pub(crate) function: Option<String>,
    /// How many overloads the function has.
    pub(crate) overloads: usize,
}

impl MaterializationJob {
    /// Whether several statements can run in one transaction.
    fn has_transactions(&self) -> bool {
        self.engine.capabilities.transactions == TransactionSupport::Full
    }

    /// An error in the project.
    fn mistake(&self, message: impl Into<String>) -> NodeError {
        NodeError::lasting(Diagnostic::error(Code::Materialization, message).primary(self.span, ""))
    }

    /// Drops the relation that an earlier run left under a name, if there is one.
    fn drop_leftover(&self, relation: &Relation, steps: &mut dyn Steps) -> StepResult {
        let left = self.leftovers.iter().find(|l| l.relation.same(relation, self.engine.dialect));
        left.map_or(Ok(()), |left| steps.drop_relation(left))
    }
}

/// A seed's file and the columns found in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedJob {
    pub(crate) path: String,
    /// The path relative to the project.
    pub(crate) file: String,
    pub(crate) columns: Vec<SeedColumn>,
    /// The number of rows; `None` if the file was not read to its end.
    pub(crate) rows: Option<u64>,
    /// Columns with timestamps whose offsets from UTC the engine drops.
    pub(crate) offsets_dropped: Vec<String>,
    /// The state of the type inference, if `columns` have the types of the first rows only.
    pub(crate) provisional: Option<TypeInference>,
    pub(crate) delimiter: String,
    pub(crate) quote_columns: bool,
}

/// Stores a node with a built-in materialization.
pub(crate) fn store_node(
    materialization: Materialization,
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    match materialization {
        Materialization::Table | Materialization::View => {
            stored::store_full(materialization, job, steps)
        }
        Materialization::MaterializedView => materialized_view::store_materialized_view(job, steps),
        Materialization::External => external::store_external(job, steps),
        Materialization::Seed => seed::store_seed(job, steps),
        // On a first build, on a full refresh, or in place of a view, the whole table is built.
        Materialization::Incremental if !has_table(job) || job.full_refresh => {
            stored::store_full(materialization, job, steps)
        }
        Materialization::Incremental => incremental::store_incremental(job, steps),
        Materialization::Snapshot if job.existing.is_none() => {
            stored::store_full(materialization, job, steps)
        }
        Materialization::Snapshot => snapshot::store_snapshot(job, steps),
        Materialization::Function => function::store_function(job, steps),
        Materialization::TableFunction => function::store_table_function(job, steps),
        Materialization::Ephemeral => Ok(MaterializationOutcome::Published),
    }
}

fn has_table(job: &MaterializationJob) -> bool {
    job.existing.as_ref().is_some_and(|e| e.kind == RelationKind::Table)
}
