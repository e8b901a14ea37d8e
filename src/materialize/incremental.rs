//! Incremental models whose table is there: a delta, applied and audited inside one transaction.

use super::names::rejected_name;
use super::schema_change::change;
use super::stored::finishing;
use super::{Arg, Audited, Job, MacroCall, Materialize, Next, Reply, Statement, drop_leftover};
use crate::engine::ExistingColumn;
use crate::manifest::{Relation, RelationKind};

enum State {
    Start,
    Begun,
    DeltaDescribed,
    TargetDescribed,
    Applied,
    Audited,
    Published,
    Discarded,
    Finished,
}

pub(super) struct Incremental {
    job: Job,
    delta: Relation,
    state: State,
}

impl Incremental {
    pub(super) fn new(job: Job) -> Incremental {
        // Temporary: seen by this connection only.
        let mut delta =
            job.target.renamed(&format!("{}__dbt_tmp", job.target.identifier())).with_kind(RelationKind::Table);
        delta.path[0] = None;
        delta.path[1] = None;
        Incremental { job, delta, state: State::Start }
    }

    /// The strategy: the config's, else the engine's default by whether there is a key.
    fn strategy(&self) -> String {
        let written = self.job.config.text("incremental_strategy").filter(|s| s != "default");
        let keyed = self.job.config.get("unique_key").is_some_and(|k| !k.as_array().is_some_and(Vec::is_empty));
        let (with_key, without) = self.job.capabilities.default_strategy;
        written.map_or_else(|| (if keyed { with_key } else { without }).to_owned(), std::borrow::Cow::into_owned)
    }

    fn apply(&self, columns: Vec<ExistingColumn>) -> Statement {
        let config = |key: &str| self.job.config.get(key).cloned().map_or(Arg::None, Arg::Json);
        let args = Arg::Dict(vec![
            ("target_relation", Arg::Relation(self.job.target.clone())),
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
}

impl Materialize for Incremental {
    fn next(&mut self, reply: Reply) -> Result<Next, String> {
        Ok(match (std::mem::replace(&mut self.state, State::Finished), reply) {
            (State::Start, _) => {
                self.state = State::Begun;
                Next::Run(vec![Statement::Hooks { post: false, inside: false }])
            }
            (State::Begun, _) => {
                self.state = State::DeltaDescribed;
                Next::Begin(vec![
                    Statement::Hooks { post: false, inside: true },
                    Statement::sql(format!(
                        "drop table if exists {}",
                        self.delta.render(self.job.capabilities.dialect)
                    )),
                    Statement::call(
                        "create_table_as",
                        vec![Arg::Flag(true), Arg::Relation(self.delta.clone()), Arg::Compiled],
                    ),
                ])
            }
            (State::DeltaDescribed, _) => {
                self.state = State::TargetDescribed;
                Next::Describe(self.delta.clone())
            }
            (State::TargetDescribed, Reply::Columns(delta)) => {
                let published = self.job.existing.as_ref().map(|e| e.columns.clone()).unwrap_or_default();
                let mode = self.job.config.text("on_schema_change").map(std::borrow::Cow::into_owned);
                let change = change(
                    mode.as_deref().unwrap_or("ignore"),
                    &self.job.target,
                    &published,
                    &delta,
                    self.job.capabilities.dialect,
                )?;
                let mut statements = change.statements;
                statements.push(self.apply(change.columns));
                statements.push(Statement::sql(format!(
                    "drop table if exists {}",
                    self.delta.render(self.job.capabilities.dialect)
                )));
                statements
                    .extend(drop_leftover(&self.job, &rejected_name(&self.job.target, self.job.capabilities.dialect)));
                statements.extend(finishing(&self.job, RelationKind::Table));
                self.state = State::Applied;
                Next::Run(statements)
            }
            (State::TargetDescribed, _) => return Err("the delta has no columns".to_owned()),
            (State::Applied, _) => {
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
            (State::Published, _) => Next::Run(vec![Statement::Hooks { post: true, inside: false }]),
            (State::Finished, _) => {
                self.state = State::Finished;
                Next::Done(vec![self.job.target.clone().with_kind(RelationKind::Table)])
            }
            (State::Discarded, _) => Next::Done(Vec::new()),
        })
    }
}
