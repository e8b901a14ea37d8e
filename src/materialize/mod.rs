//! How a node is stored, as resumable functions.
//!
//! In: a `Job` (the node's relation, SQL, config, what exists) and the replies to what was asked.
//! Out: `Next`, one request after the other. Pure: tests script the replies. SQL that dbt makes by
//! a public macro is asked for by name (`MacroCall`), so that a project's override counts. Must not
//! know: connections, threads, how macros are rendered.

mod agate;
mod incremental;
mod schema_change;
mod seed;
mod seed_reader;
mod seed_rows;
mod seed_types;
mod snapshot;
mod stored;

pub(crate) use seed_rows::SeedRows;
pub(crate) use seed_types::{Inference, infer};

use crate::engine::{Capabilities, ExistingColumn, ExistingRelation, Relation, RelationKind};
use crate::manifest::NodeConfig;
use crate::source::SqlText;
use std::sync::Arc;

/// An argument of a macro.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    None,
    Flag(bool),
    Text(String),
    Relation(Relation),
    /// The node's compiled SQL.
    Compiled,
    Columns(Vec<ExistingColumn>),
    /// A config value.
    Json(serde_json::Value),
    Dict(Vec<(&'static str, Arg)>),
}

/// A public macro, by name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MacroCall {
    pub(crate) name: String,
    pub(crate) args: Vec<Arg>,
}

/// Something to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    Sql(SqlText),
    /// The text that the macro gives is run, if there is any.
    Call(MacroCall),
    /// Sends a seed's rows to a `copy ... from stdin`.
    Load {
        copy: String,
        seed: Box<SeedJob>,
        /// The table, when its types come from the file.
        typed: Option<String>,
    },
    /// Changes the columns of the published table.
    Alter {
        statements: Vec<String>,
        /// Columns are dropped.
        takes_away: bool,
    },
    /// Gives the candidate the published name, with what belongs to the old relation and depends on
    /// it.
    Swap {
        candidate: Relation,
        kind: RelationKind,
    },
    /// Gives the published relation what belonged to the one whose place it took, once the hooks
    /// have made what they make.
    Carry,
    /// The node's hooks of one kind: before or after, inside the transaction or outside.
    Hooks {
        post: bool,
        inside: bool,
    },
}

impl Statement {
    fn sql(text: impl Into<String>) -> Statement {
        Statement::Sql(SqlText::from(text.into()))
    }

    fn call(name: &str, args: Vec<Arg>) -> Statement {
        Statement::Call(MacroCall { name: name.to_owned(), args })
    }
}

/// What the guards of a node are run on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Audited {
    /// A relation beside the published one; others can read it.
    Candidate(Relation),
    /// The published name, inside the open transaction.
    Inside,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Next {
    Run(Vec<Statement>),
    /// Columns of a relation.
    Describe(Relation),
    /// Columns that the node's own query would give.
    DescribeQuery,
    /// Opens the transaction that `Publish` commits and `Discard` rolls back.
    Begin(Vec<Statement>),
    /// Commits the open transaction, with nothing published.
    Commit,
    Audit(Audited),
    /// Runs the statements in the open transaction, or in one of their own, and commits.
    Publish(Vec<Statement>),
    /// Rolls an open transaction back; then runs the statements.
    Discard(Vec<Statement>),
    /// Finished: what was published.
    Done(Vec<Relation>),
}

/// The answer to the last request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// Begin.
    Start,
    Ok,
    Columns(Vec<ExistingColumn>),
    /// Whether all guards let it through.
    Passed(bool),
}

/// What is to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) target: Relation,
    pub(crate) existing: Option<ExistingRelation>,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) full_refresh: bool,
    pub(crate) capabilities: Capabilities,
    pub(crate) has_inside_post_hooks: bool,
    pub(crate) has_outside_post_hooks: bool,
    pub(crate) has_inside_pre_hooks: bool,
    /// What earlier runs left under the candidate's and the rejected one's name.
    pub(crate) leftovers: Vec<ExistingRelation>,
    pub(crate) seed: Option<SeedJob>,
}

/// A seed's file and what was found in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedJob {
    pub(crate) path: String,
    /// The same as the project names it.
    pub(crate) file: String,
    pub(crate) columns: Vec<(String, String)>,
    /// How many rows it has, where all of them were read.
    pub(crate) rows: Option<u64>,
    /// Columns with time stamps whose offsets from UTC the engine drops.
    pub(crate) offsets_dropped: Vec<String>,
    /// The columns whose types the project gives.
    pub(crate) given: Vec<String>,
    /// The types are those of the first rows: what they can still become.
    pub(crate) provisional: Option<Inference>,
    pub(crate) delimiter: String,
    pub(crate) quote_columns: bool,
}

/// A materialization.
pub(crate) trait Materialize: Send {
    /// Takes the answer to the last request and gives the next one. An error is a mistake of the
    /// project's.
    fn next(&mut self, reply: Reply) -> Result<Next, String>;
}

/// The materialization of a name, when it is one of ours.
pub(crate) fn materialization(name: &str, job: Job) -> Option<Box<dyn Materialize>> {
    Some(match name {
        "table" => Box::new(stored::Stored::new(job, RelationKind::Table)),
        "view" => Box::new(stored::Stored::new(job, RelationKind::View)),
        "materialized_view" => Box::new(stored::Stored::new(job, RelationKind::MaterializedView)),
        "snapshot" => match &job.existing {
            Some(_) => Box::new(snapshot::Snapshot::new(job)),
            None => Box::new(
                stored::Stored::new(job, RelationKind::Table).building("strata_snapshot_table"),
            ),
        },
        "seed" => Box::new(seed::Seed::new(job)),
        "incremental" => {
            // A first build, a rebuild, or a view in the way: the whole is built like a table.
            let delta = job.existing.as_ref().is_some_and(|e| e.kind == RelationKind::Table)
                && !job.full_refresh;
            if delta {
                Box::new(incremental::Incremental::new(job))
            } else {
                Box::new(stored::Stored::new(job, RelationKind::Table))
            }
        }
        _ => return None,
    })
}

/// `drop table|view if exists`, by what is there.
fn drop_existing(
    existing: Option<&ExistingRelation>,
    dialect: crate::engine::Dialect,
) -> Option<Statement> {
    let existing = existing?;
    Some(Statement::sql(format!(
        "drop {} if exists {} cascade",
        existing.kind.sql(),
        existing.relation.render(dialect)
    )))
}

/// Drops what an earlier run left under a name; an engine refuses to drop a table as a view, so
/// that the kind counts.
fn drop_leftover(job: &Job, relation: &Relation) -> Option<Statement> {
    let dialect = job.capabilities.dialect;
    drop_existing(job.leftovers.iter().find(|l| l.relation.same(relation, dialect)), dialect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Capabilities, Dialect};
    use crate::manifest::Layer;

    fn capabilities() -> Capabilities {
        Capabilities {
            adapter: "duckdb",
            dialect: Dialect::DUCKDB,
            fuse_predicates: false,
            savepoints: false,
            index_after_rename: true,
            shared: false,
            locks_for_columns: false,
            reads_files: true,
            default_strategy: ("delete+insert", "append"),
            strategies: &["append", "delete+insert", "merge"],
            checks_strategy_first: false,
            commits_each_statement: false,
            catalog_by_relations: false,
        }
    }

    fn columns(names: &[&str]) -> Vec<ExistingColumn> {
        names
            .iter()
            .map(|n| ExistingColumn { name: (*n).to_owned(), data_type: "INTEGER".to_owned() })
            .collect()
    }

    fn job(existing: Option<RelationKind>, config: &[(&str, serde_json::Value)]) -> Job {
        let target = Relation::new(Some("db"), Some("main"), "m");
        let mut values = NodeConfig::default();
        for (key, value) in config {
            values.merge(key, value.clone(), Layer::InFile, None);
        }
        let hooks =
            values.get("post-hook").and_then(|h| h.as_array()).is_some_and(|h| !h.is_empty());
        Job {
            existing: existing
                .map(|kind| ExistingRelation::new(target.clone(), kind, columns(&["a"]))),
            target,
            config: Arc::new(values),
            full_refresh: false,
            capabilities: capabilities(),
            has_inside_post_hooks: hooks,
            has_outside_post_hooks: false,
            has_inside_pre_hooks: false,
            leftovers: Vec::new(),
            seed: None,
        }
    }

    /// Drives a materialization with scripted replies and writes down what it asked for.
    fn script(name: &str, job: Job, passes: bool) -> Vec<String> {
        let mut machine = materialization(name, job).unwrap();
        let mut reply = Reply::Start;
        let mut out = Vec::new();
        loop {
            let next = machine.next(reply).unwrap();
            reply = match &next {
                Next::Describe(_) | Next::DescribeQuery => Reply::Columns(columns(&["a", "b"])),
                Next::Audit(_) => Reply::Passed(passes),
                _ => Reply::Ok,
            };
            let texts = |list: &[Statement]| {
                let one = |s: &Statement| match s {
                    Statement::Sql(sql) => sql.as_str().to_owned(),
                    Statement::Call(call) => format!("{}()", call.name),
                    Statement::Load { copy, .. } => copy.clone(),
                    Statement::Alter { statements, .. } => statements.join("; "),
                    Statement::Swap { candidate, kind } => {
                        format!("swap in {} {}", kind.sql(), candidate.identifier())
                    }
                    Statement::Carry => "hooks and what they leave".to_owned(),
                    Statement::Hooks { post, inside } => {
                        format!(
                            "{} hooks {}",
                            if *post { "post" } else { "pre" },
                            if *inside { "inside" } else { "outside" }
                        )
                    }
                };
                list.iter().map(one).filter(|t| !t.contains("hooks")).collect::<Vec<_>>().join("; ")
            };
            match &next {
                Next::Run(list) => out.push(format!("run: {}", texts(list))),
                Next::Begin(list) => out.push(format!("begin: {}", texts(list))),
                Next::Publish(list) => out.push(format!("publish: {}", texts(list))),
                Next::Discard(list) => out.push(format!("discard: {}", texts(list))),
                Next::Describe(_) => out.push("describe".to_owned()),
                Next::DescribeQuery => out.push("describe query".to_owned()),
                Next::Commit => out.push("commit".to_owned()),
                Next::Audit(Audited::Candidate(r)) => out.push(format!("audit {}", r.identifier())),
                Next::Audit(Audited::Inside) => out.push("audit inside".to_owned()),
                Next::Done(relations) => {
                    out.push(format!("done: {}", relations.len()));
                    return out;
                }
            }
        }
    }

    #[test]
    fn a_table_is_swapped_in_after_its_audit() {
        let steps = script("table", job(Some(RelationKind::View), &[]), true);
        assert_eq!(
            steps,
            [
                "run: create_table_as()",
                "audit m__candidate",
                "publish: swap in table m__candidate; create_indexes()",
                "run: ",
                "done: 1",
            ]
        );
    }

    #[test]
    fn what_does_not_pass_is_kept_under_another_name() {
        let steps = script("view", job(None, &[]), false);
        assert_eq!(
            steps[2],
            "discard: alter view \"db\".\"main\".\"m__candidate\" rename to \"m__rejected\""
        );
        assert_eq!(steps.last().map(String::as_str), Some("done: 0"));
    }

    #[test]
    fn post_hooks_in_the_transaction_are_audited_inside_the_swap() {
        let steps =
            script("table", job(None, &[("post-hook", serde_json::json!("select 1"))]), true);
        assert!(
            steps[1].starts_with("begin: swap in table") && steps[2] == "audit inside",
            "{steps:?}"
        );
        assert_eq!(steps[3], "publish: ");
    }

    #[test]
    fn a_delta_changes_the_schema_before_it_writes() {
        let config = [
            ("on_schema_change", serde_json::json!("append_new_columns")),
            ("unique_key", serde_json::json!("a")),
        ];
        let steps = script("incremental", job(Some(RelationKind::Table), &config), true);
        assert_eq!(steps[2], "describe");
        assert!(
            steps[3].starts_with(
                "run: alter table \"db\".\"main\".\"m\" add column \"b\" INTEGER; get_incremental_delete_insert_sql();"
            ),
            "{steps:?}"
        );
        assert_eq!(&steps[4..6], ["audit inside", "publish: "]);
        let first = script("incremental", job(None, &config), true);
        assert_eq!(first[0], "run: create_table_as()");
    }
}
