//! Tables and views: built beside the published relation, audited, swapped in.

use super::{Arg, Audited, Job, Materialize, Next, Reply, Statement, drop_leftover};
use crate::engine::{Relation, RelationKind, candidate_name, rejected_name};

enum State {
    Start,
    Begun,
    Saved,
    Built,
    Audited,
    InsideSwap,
    Published,
    Discarded,
    Finished,
}

/// Builds a candidate and swaps it in.
pub(super) struct Stored {
    job: Job,
    kind: RelationKind,
    candidate: Relation,
    /// The macro that gives the SQL of the candidate.
    by: &'static str,
    state: State,
}

impl Stored {
    pub(super) fn new(job: Job, kind: RelationKind) -> Stored {
        let candidate = candidate_name(&job.target, job.capabilities.dialect).with_kind(kind);
        let by = match kind {
            RelationKind::View => "get_create_view_as_sql",
            RelationKind::MaterializedView => "get_create_materialized_view_as_sql",
            _ => "create_table_as",
        };
        Stored { job, kind, candidate, by, state: State::Start }
    }

    /// Builds the candidate by another macro of (relation, SQL).
    pub(super) fn building(self, by: &'static str) -> Stored {
        Stored { by, ..self }
    }

    fn build(&self) -> Vec<Statement> {
        let mut out = vec![Statement::Hooks { post: false, inside: true }];
        out.extend(drop_leftover(&self.job, &self.candidate));
        let mut args = vec![Arg::Relation(self.candidate.clone()), Arg::Compiled];
        if self.by == "create_table_as" {
            args.insert(0, Arg::Flag(false));
        }
        out.push(Statement::call(self.by, args));
        out.extend(indexes(&self.job, &self.candidate, false));
        out
    }

    /// Drops the published relation and gives the candidate its name.
    fn swap(&self) -> Vec<Statement> {
        swap(&self.job, &self.candidate, self.kind)
    }
}

/// The statements of a swap, with what belongs to the published name.
pub(super) fn swap(job: &Job, candidate: &Relation, kind: RelationKind) -> Vec<Statement> {
    let dialect = job.capabilities.dialect;
    let mut out = vec![Statement::Swap { candidate: candidate.clone(), kind }];
    out.extend(indexes(job, &job.target.clone().with_kind(kind), true));
    // A version that was rejected before is out of date now.
    out.extend(drop_leftover(job, &rejected_name(&job.target, dialect)));
    out.extend(finishing(job, kind));
    out
}

/// The indexes that the config asks for: made on the candidate, outside the swap, where the engine
/// lets an indexed table be renamed.
pub(super) fn indexes(job: &Job, relation: &Relation, renamed: bool) -> Option<Statement> {
    let here = relation.kind == Some(RelationKind::Table)
        && job.capabilities.index_after_rename == renamed;
    here.then(|| Statement::call("create_indexes", vec![Arg::Relation(relation.clone())]))
}

/// What follows the creation of a published relation: hooks, grants, comments.
pub(super) fn finishing(job: &Job, kind: RelationKind) -> Vec<Statement> {
    let target = job.target.clone().with_kind(kind);
    let mut out = vec![Statement::Hooks { post: true, inside: true }];
    if !job.has_outside_post_hooks {
        out.push(Statement::Carry);
    }
    if let Some(grants) =
        job.config.get("grants").filter(|g| g.as_object().is_some_and(|m| !m.is_empty()))
    {
        out.push(Statement::call(
            "apply_grants",
            vec![
                Arg::Relation(target.clone()),
                Arg::Json(grants.clone()),
                Arg::Flag(job.existing.is_some()),
            ],
        ));
    }
    if job.config.map("persist_docs").is_some_and(|m| m.values().any(|v| v.as_bool() == Some(true)))
    {
        out.push(Statement::Call(super::MacroCall {
            name: "persist_docs".to_owned(),
            args: vec![Arg::Relation(target), Arg::Text("model".to_owned())],
        }));
    }
    out
}

/// What follows the commit of a publication.
pub(super) fn afterwards(job: &Job) -> Vec<Statement> {
    let mut out = vec![Statement::Hooks { post: true, inside: false }];
    if job.has_outside_post_hooks {
        out.push(Statement::Carry);
    }
    out
}

/// Keeps a candidate that did not pass, for inspection.
pub(super) fn reject(job: &Job, candidate: &Relation, kind: RelationKind) -> Vec<Statement> {
    let dialect = job.capabilities.dialect;
    let rejected = rejected_name(&job.target, dialect);
    let mut out: Vec<Statement> = drop_leftover(job, &rejected).into_iter().collect();
    out.push(Statement::sql(format!(
        "alter {} {} rename to {}",
        kind.sql(),
        candidate.render(dialect),
        dialect.quoted(rejected.stored(dialect).identifier())
    )));
    out
}

impl Materialize for Stored {
    fn next(&mut self, reply: Reply) -> Result<Next, String> {
        Ok(match (&self.state, reply) {
            // Pre-hooks in the transaction hold for the statement that builds: `set local ...`.
            (State::Start, _) if self.job.has_inside_pre_hooks => {
                self.state = State::Begun;
                Next::Run(vec![Statement::Hooks { post: false, inside: false }])
            }
            (State::Begun, _) => {
                self.state = State::Saved;
                Next::Begin(self.build())
            }
            (State::Saved, _) => {
                self.state = State::Built;
                Next::Commit
            }
            (State::Start, _) => {
                self.state = State::Built;
                let mut all = vec![Statement::Hooks { post: false, inside: false }];
                all.extend(self.build());
                Next::Run(all)
            }
            // In-transaction post-hooks see the published name: the guards run after them, inside
            // the swap.
            (State::Built, _) if self.job.has_inside_post_hooks => {
                self.state = State::InsideSwap;
                Next::Begin(self.swap())
            }
            (State::Built, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Candidate(self.candidate.clone()))
            }
            (State::InsideSwap, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Inside)
            }
            (State::Audited, Reply::Passed(true)) => {
                self.state = State::Published;
                Next::Publish(if self.job.has_inside_post_hooks { Vec::new() } else { self.swap() })
            }
            (State::Audited, _) => {
                self.state = State::Discarded;
                Next::Discard(reject(&self.job, &self.candidate, self.kind))
            }
            (State::Published, _) => {
                self.state = State::Finished;
                Next::Run(afterwards(&self.job))
            }
            (State::Finished, _) => Next::Done(vec![self.job.target.clone().with_kind(self.kind)]),
            (State::Discarded, _) => Next::Done(Vec::new()),
        })
    }
}
