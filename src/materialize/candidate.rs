//! Candidates: built beside the published relation, audited, then swapped in or kept aside.

use super::{Arg, Audited, Done, Ending, HookTime, Job, PublicMacro, Steps};
use crate::engine::{Relation, RelationKind, candidate_name, rejected_name};
use crate::outcome::NodeError;

/// The name of a candidate of this kind.
pub(super) fn candidate_of(job: &Job, kind: RelationKind) -> Relation {
    candidate_name(&job.target, job.engine.dialect).with_kind(kind)
}

/// Audits a finished candidate and publishes it, or keeps it aside if a guard fails.
pub(super) fn audit_and_publish(
    job: &Job,
    candidate: &Relation,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> Result<Ending, NodeError> {
    // Post-hooks in the transaction need the published name, so the guards run after them, inside
    // the swap.
    if job.has_inside_post_hooks && job.has_transactions() {
        steps.begin()?;
        swap_in(job, candidate, kind, steps)?;
        if !steps.audit(&Audited::Inside)? {
            return put_aside(job, candidate, kind, steps);
        }
    } else {
        if !steps.audit(&Audited::Candidate(candidate.clone()))? {
            return put_aside(job, candidate, kind, steps);
        }
        if job.has_transactions() {
            steps.begin()?;
        }
        swap_in(job, candidate, kind, steps)?;
    }
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(Ending::Published)
}

/// Publishes the candidate and gives it everything that a published relation has.
fn swap_in(job: &Job, candidate: &Relation, kind: RelationKind, steps: &mut dyn Steps) -> Done {
    steps.publish(candidate, kind)?;
    create_indexes(job, &job.target.clone().with_kind(kind), true, steps)?;
    // An earlier rejected version is outdated now.
    job.drop_leftover(&rejected_name(&job.target, job.engine.dialect), steps)?;
    finish_inside(job, kind, steps)
}

/// Keeps a candidate that failed its tests, for inspection.
fn put_aside(
    job: &Job,
    candidate: &Relation,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> Result<Ending, NodeError> {
    steps.roll_back()?;
    let rejected = rejected_name(&job.target, job.engine.dialect);
    job.drop_leftover(&rejected, steps)?;
    steps.keep_rejected(candidate, &rejected, kind)?;
    Ok(Ending::Rejected(Some(rejected)))
}

/// Creates the configured indexes: on the candidate, before the swap, unless the engine wants them
/// after the rename.
pub(super) fn create_indexes(
    job: &Job,
    relation: &Relation,
    is_renamed: bool,
    steps: &mut dyn Steps,
) -> Done {
    let is_table = relation.kind == Some(RelationKind::Table);
    if !is_table || job.engine.abilities.index_after_rename != is_renamed {
        return Ok(());
    }
    steps.call(&PublicMacro::new("create_indexes", vec![Arg::Relation(relation.clone())]))
}

/// The steps after a relation is published, in its transaction: hooks, grants, comments.
pub(super) fn finish_inside(job: &Job, kind: RelationKind, steps: &mut dyn Steps) -> Done {
    steps.run_hooks(HookTime::AfterInside)?;
    if !job.has_outside_post_hooks {
        steps.carry()?;
    }
    let target = Arg::Relation(job.target.clone().with_kind(kind));
    let Some(config) = job.config.build() else { return Ok(()) };
    if let Some(grants) = &config.grants {
        let is_there = Arg::Flag(job.existing.is_some());
        let args = vec![target.clone(), Arg::Json(grants.clone()), is_there];
        steps.call(&PublicMacro::new("apply_grants", args))?;
    }
    if config.persists_docs {
        steps.call(&PublicMacro::new("persist_docs", vec![target, Arg::Model]))?;
    }
    Ok(())
}

/// The steps after a publication is committed.
pub(super) fn finish_outside(job: &Job, steps: &mut dyn Steps) -> Done {
    steps.run_hooks(HookTime::AfterOutside)?;
    if job.has_outside_post_hooks {
        steps.carry()?;
    }
    Ok(())
}
