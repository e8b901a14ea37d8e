//! Snapshots whose table is there: changed rows are staged, the versions they replace are closed,
//! the new ones are inserted, all in one transaction (RULES 3.10). A first snapshot is built like a
//! table.

use super::incremental::delta_relation;

use super::stored::{afterwards, finishing};
use super::{Arg, Audited, Job, Materialize, Next, Reply, Statement, drop_leftover};
use crate::engine::{ExistingColumn, Relation, RelationKind, rejected_name};

enum State {
    Start,
    Begun,
    Staged,
    Described,
    Merged,
    Audited,
    Published,
    Discarded,
    Finished,
}

pub(super) struct Snapshot {
    job: Job,
    staging: Relation,
    state: State,
}

impl Snapshot {
    pub(super) fn new(job: Job) -> Snapshot {
        Snapshot { staging: delta_relation(&job.target), job, state: State::Start }
    }

    /// The name of a column that snapshots add; a project can rename it.
    fn meta(&self, key: &str) -> String {
        let named = self
            .job
            .config
            .map("snapshot_meta_column_names")
            .and_then(|m| m.get(key))
            .and_then(|v| v.as_str());
        named.unwrap_or(key).to_owned()
    }

    /// A table that is there must be a snapshot.
    fn check(&self) -> Result<(), String> {
        let Some(existing) = &self.job.existing else { return Ok(()) };
        if existing.kind != RelationKind::Table {
            return Err(format!(
                "{} is a {}, not the table of a snapshot",
                self.job.target.short(),
                existing.kind.sql()
            ));
        }
        let mut wanted = vec!["dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"];
        if self.job.config.text("hard_deletes").as_deref() == Some("new_record") {
            wanted.push("dbt_is_deleted");
        }
        let there = |name: &str| existing.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
        let missing: Vec<String> =
            wanted.into_iter().map(|k| self.meta(k)).filter(|n| !there(n)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{} has no column {}: it is not the table of this snapshot",
            self.job.target.short(),
            missing.join(", ")
        ))
    }

    /// Columns of the staging rows that belong into the table.
    fn merge(&self, staged: &[ExistingColumn]) -> Vec<Statement> {
        let dialect = self.job.capabilities.dialect;
        let helper = |name: &str| {
            name.eq_ignore_ascii_case("dbt_change_type")
                || name.to_ascii_lowercase().starts_with("dbt_unique_key")
        };
        let columns: Vec<&ExistingColumn> = staged.iter().filter(|c| !helper(&c.name)).collect();
        let old = self.job.existing.as_ref().map(|e| e.columns.as_slice()).unwrap_or_default();
        let new = columns.iter().filter(|c| !old.iter().any(|o| o.name == c.name));
        let new: Vec<ExistingColumn> = new.map(|c| (*c).clone()).collect();
        let mut out = Vec::new();
        if !new.is_empty() {
            out.push(Statement::call(
                "create_columns",
                vec![Arg::Relation(self.job.target.clone()), Arg::Columns(new)],
            ));
        }
        let names = columns.iter().map(|c| serde_json::Value::from(dialect.quoted(&c.name)));
        out.push(Statement::call(
            "snapshot_merge_sql",
            vec![
                Arg::Relation(self.job.target.clone()),
                Arg::Relation(self.staging.clone()),
                Arg::Json(serde_json::Value::Array(names.collect())),
            ],
        ));
        out.push(Statement::sql(format!("drop table if exists {}", self.staging.render(dialect))));
        out.extend(drop_leftover(&self.job, &rejected_name(&self.job.target, dialect)));
        out.extend(finishing(&self.job, RelationKind::Table));
        out
    }
}

impl Materialize for Snapshot {
    fn next(&mut self, reply: Reply) -> Result<Next, String> {
        Ok(match (std::mem::replace(&mut self.state, State::Finished), reply) {
            (State::Start, _) => {
                self.check()?;
                self.state = State::Begun;
                Next::Run(vec![Statement::Hooks { post: false, inside: false }])
            }
            (State::Begun, _) => {
                self.state = State::Staged;
                Next::Begin(vec![
                    Statement::Hooks { post: false, inside: true },
                    Statement::call(
                        "strata_snapshot_staging",
                        vec![
                            Arg::Relation(self.staging.clone()),
                            Arg::Relation(self.job.target.clone()),
                            Arg::Compiled,
                        ],
                    ),
                ])
            }
            (State::Staged, _) => {
                self.state = State::Described;
                Next::Describe(self.staging.clone())
            }
            (State::Described, Reply::Columns(staged)) => {
                self.state = State::Merged;
                Next::Run(self.merge(&staged))
            }
            (State::Described, _) => return Err("the snapshot's query has no columns".to_owned()),
            (State::Merged, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Inside)
            }
            (State::Audited, Reply::Passed(true)) => {
                self.state = State::Published;
                Next::Publish(Vec::new())
            }
            (State::Audited, _) => {
                self.state = State::Discarded;
                Next::Discard(Vec::new())
            }
            (State::Published, _) => Next::Run(afterwards(&self.job)),
            (State::Finished, _) => {
                Next::Done(vec![self.job.target.clone().with_kind(RelationKind::Table)])
            }
            (State::Discarded, _) => Next::Done(Vec::new()),
        })
    }
}
