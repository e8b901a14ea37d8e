//! Incremental models whose table is there: a delta, applied and audited inside one transaction.
//!
//! Where the engine locks a table for a change of its columns, added columns are committed before,
//! drops come last, and a change of types is made on a candidate.

use super::schema_change::{Change, change};
use super::stored::{afterwards, finishing, indexes, reject, swap};
use super::{Arg, Audited, Job, MacroCall, Materialize, Next, Reply, Statement, drop_leftover};
use crate::engine::{ExistingColumn, Relation, RelationKind, candidate_name, rejected_name};

enum State {
    Start,
    QueryDescribed,
    Widened,
    Begun,
    DeltaDescribed,
    TargetDescribed,
    Applied,
    Saved,
    Audited,
    Published,
    Discarded,
    Finished,
}

pub(super) struct Incremental {
    job: Job,
    delta: Relation,
    /// Where the delta is applied when types change: a copy with the new types.
    candidate: Option<Relation>,
    /// Columns to drop when the delta is published.
    drop_last: Vec<String>,
    state: State,
}

impl Incremental {
    pub(super) fn new(job: Job) -> Incremental {
        Incremental {
            delta: delta_relation(&job.target),
            job,
            candidate: None,
            drop_last: Vec::new(),
            state: State::Start,
        }
    }

    /// The strategy: the config's, else the engine's default by whether there is a key.
    fn strategy(&self) -> String {
        let written = self.job.config.text("incremental_strategy").filter(|s| s != "default");
        let keyed = self
            .job
            .config
            .get("unique_key")
            .is_some_and(|k| !k.as_array().is_some_and(Vec::is_empty));
        let (with_key, without) = self.job.capabilities.default_strategy;
        written.map_or_else(
            || (if keyed { with_key } else { without }).to_owned(),
            std::borrow::Cow::into_owned,
        )
    }

    fn apply(&self, columns: Vec<ExistingColumn>) -> Statement {
        let config = |key: &str| self.job.config.get(key).cloned().map_or(Arg::None, Arg::Json);
        let target = self.candidate.as_ref().unwrap_or(&self.job.target);
        let args = Arg::Dict(vec![
            ("target_relation", Arg::Relation(target.clone())),
            ("temp_relation", Arg::Relation(self.delta.clone())),
            ("unique_key", config("unique_key")),
            ("dest_columns", Arg::Columns(columns)),
            (
                "incremental_predicates",
                self.job
                    .config
                    .get("predicates")
                    .or(self.job.config.get("incremental_predicates"))
                    .cloned()
                    .map_or(Arg::None, Arg::Json),
            ),
        ]);
        let name = format!("get_incremental_{}_sql", self.strategy().replace('+', "_"));
        Statement::Call(MacroCall { name, args: vec![args] })
    }

    fn mode(&self) -> String {
        self.job
            .config
            .text("on_schema_change")
            .map_or_else(|| "ignore".to_owned(), std::borrow::Cow::into_owned)
    }

    fn change(&self, delta: &[ExistingColumn]) -> Result<Change, String> {
        let published =
            self.job.existing.as_ref().map(|e| e.columns.as_slice()).unwrap_or_default();
        change(&self.mode(), &self.job.target, published, delta, self.job.capabilities.dialect)
    }

    /// Changes of columns that are made before the transaction of the delta, by the columns of the
    /// query.
    fn widen(&mut self, query: &[ExistingColumn]) -> Result<Vec<Statement>, String> {
        let change = self.change(query)?;
        let dialect = self.job.capabilities.dialect;
        if !change.retyped.is_empty() {
            let candidate =
                candidate_name(&self.job.target, dialect).with_kind(RelationKind::Table);
            let columns: Vec<String> =
                query.iter().map(|c| self.carried(c, &change.retyped)).collect();
            let mut out: Vec<Statement> =
                drop_leftover(&self.job, &candidate).into_iter().collect();
            let select =
                format!("select {} from {}", columns.join(", "), self.job.target.render(dialect));
            out.push(Statement::call(
                "create_table_as",
                vec![Arg::Flag(false), Arg::Relation(candidate.clone()), Arg::Text(select)],
            ));
            out.extend(indexes(&self.job, &candidate, false));
            self.candidate = Some(candidate);
            if let Some(existing) = &mut self.job.existing {
                existing.columns = query.to_vec();
            }
            return Ok(out);
        }
        if let Some(existing) = &mut self.job.existing {
            let new = query
                .iter()
                .filter(|c| !existing.columns.iter().any(|e| e.name == c.name))
                .cloned();
            let new: Vec<ExistingColumn> =
                if change.add.is_empty() { Vec::new() } else { new.collect() };
            existing.columns.extend(new);
        }
        Ok(alter(change.add, false).into_iter().collect())
    }

    /// A column of the copy: as it was, in its new type, or null.
    fn carried(&self, column: &ExistingColumn, retyped: &[ExistingColumn]) -> String {
        let name = self.job.capabilities.dialect.quoted(&column.name);
        let there = self
            .job
            .existing
            .as_ref()
            .is_some_and(|e| e.columns.iter().any(|c| c.name == column.name));
        match (there, retyped.contains(column)) {
            (false, _) => format!("cast(null as {}) as {name}", column.data_type),
            (true, true) => format!("cast({name} as {}) as {name}", column.data_type),
            (true, false) => name,
        }
    }

    fn begin(&self) -> Next {
        Next::Begin(vec![
            Statement::Hooks { post: false, inside: true },
            Statement::call(
                "create_table_as",
                vec![Arg::Flag(true), Arg::Relation(self.delta.clone()), Arg::Compiled],
            ),
        ])
    }

    fn write(&mut self, delta: &[ExistingColumn]) -> Result<Vec<Statement>, String> {
        let change = self.change(delta)?;
        let dialect = self.job.capabilities.dialect;
        let late = self.job.capabilities.locks_for_columns;
        let mut out: Vec<Statement> = alter(change.add, false).into_iter().collect();
        if late {
            self.drop_last = change.drop;
        } else {
            out.extend(alter(change.drop, true));
        }
        out.extend(change.retype);
        out.push(self.apply(change.columns));
        out.push(Statement::sql(format!("drop table if exists {}", self.delta.render(dialect))));
        if self.candidate.is_none() {
            out.extend(drop_leftover(&self.job, &rejected_name(&self.job.target, dialect)));
            out.extend(finishing(&self.job, RelationKind::Table));
        }
        Ok(out)
    }
}

fn alter(statements: Vec<String>, takes_away: bool) -> Option<Statement> {
    (!statements.is_empty()).then_some(Statement::Alter { statements, takes_away })
}

/// The temporary table of new rows: seen by its connection only.
pub(super) fn delta_relation(target: &Relation) -> Relation {
    let mut delta = target.renamed("strata_delta").with_kind(RelationKind::Table);
    delta.path[0] = None;
    delta.path[1] = None;
    delta
}

impl Materialize for Incremental {
    fn next(&mut self, reply: Reply) -> Result<Next, String> {
        Ok(match (std::mem::replace(&mut self.state, State::Finished), reply) {
            (State::Start, _) => {
                let first = self.job.capabilities.locks_for_columns
                    && matches!(&*self.mode(), "append_new_columns" | "sync_all_columns");
                self.state = if first { State::QueryDescribed } else { State::Begun };
                Next::Run(vec![Statement::Hooks { post: false, inside: false }])
            }
            (State::QueryDescribed, _) => {
                self.state = State::Widened;
                Next::DescribeQuery
            }
            (State::Widened, Reply::Columns(query)) => {
                self.state = State::Begun;
                Next::Run(self.widen(&query)?)
            }
            (State::Begun, _) => {
                self.state = State::DeltaDescribed;
                self.begin()
            }
            (State::DeltaDescribed, _) => {
                self.state = State::TargetDescribed;
                Next::Describe(self.delta.clone())
            }
            (State::TargetDescribed, Reply::Columns(delta)) => {
                self.state = State::Applied;
                Next::Run(self.write(&delta)?)
            }
            (State::Widened | State::TargetDescribed, _) => {
                return Err("the delta has no columns".to_owned());
            }
            (State::Applied, _) if self.candidate.is_some() => {
                self.state = State::Saved;
                Next::Commit
            }
            (State::Applied, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Inside)
            }
            (State::Saved, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Candidate(
                    self.candidate.clone().unwrap_or_else(|| self.job.target.clone()),
                ))
            }
            (State::Audited, Reply::Passed(true)) => {
                self.state = State::Published;
                let drop = std::mem::take(&mut self.drop_last);
                Next::Publish(match &self.candidate {
                    Some(candidate) => swap(&self.job, candidate, RelationKind::Table),
                    None => alter(drop, true).into_iter().collect(),
                })
            }
            (State::Audited, _) => {
                self.state = State::Discarded;
                let keep = |c: &Relation| reject(&self.job, c, RelationKind::Table);
                Next::Discard(self.candidate.as_ref().map(keep).unwrap_or_default())
            }
            (State::Published, _) => Next::Run(afterwards(&self.job)),
            (State::Finished, _) => {
                Next::Done(vec![self.job.target.clone().with_kind(RelationKind::Table)])
            }
            (State::Discarded, _) => Next::Done(Vec::new()),
        })
    }
}
