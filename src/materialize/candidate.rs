//! Candidates: built beside the published relation, audited, then swapped in or kept aside.

use super::{
    AuditSubject, HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg,
    PublicMacroCall, StepResult, Steps,
};
use crate::engine::{Relation, RelationKind, candidate_name, rejected_name};
use crate::outcome::NodeError;

/// The name of a candidate of this kind.
pub(super) fn candidate_of(job: &MaterializationJob, kind: RelationKind) -> Relation {
    candidate_name(&job.target, job.engine.dialect).with_kind(kind)
}

/// Audits a finished candidate and publishes it, or keeps it aside if a guard fails.
pub(super) fn audit_and_publish(
    job: &MaterializationJob,
    candidate: &Relation,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    // Post-hooks in the transaction need the published name, so the guards run after them, inside
    // the swap.
    if job.has_inside_post_hooks && job.has_transactions() {
        steps.begin()?;
        swap_in(job, candidate, kind, steps)?;
        if !steps.audit(&AuditSubject::Inside)? {
            return put_aside(job, candidate, kind, steps);
        }
    } else {
        if !steps.audit(&AuditSubject::Candidate(candidate.clone()))? {
            return put_aside(job, candidate, kind, steps);
        }
        if job.has_transactions() {
            steps.begin()?;
        }
        swap_in(job, candidate, kind, steps)?;
    }
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}

/// Publishes the candidate and gives it everything that a published relation has.
fn swap_in(
    job: &MaterializationJob,
    candidate: &Relation,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> StepResult {
    steps.publish(candidate, kind)?;
    create_indexes(job, &job.target.clone().with_kind(kind), true, steps)?;
    // An earlier rejected version is outdated now.
    job.drop_leftover(&rejected_name(&job.target, job.engine.dialect), steps)?;
    finish_inside(job, kind, steps)
}

/// Keeps a candidate that failed its tests, for inspection.
fn put_aside(
    job: &MaterializationJob,
    candidate: &Relation,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    steps.roll_back()?;
    let rejected = rejected_name(&job.target, job.engine.dialect);
    job.drop_leftover(&rejected, steps)?;
    steps.keep_rejected(candidate, &rejected, kind)?;
    Ok(MaterializationOutcome::Rejected(Some(rejected)))
}

/// Creates the configured indexes: on the candidate, before the swap, unless the engine wants them
/// after the rename.
pub(super) fn create_indexes(
    job: &MaterializationJob,
    relation: &Relation,
    is_renamed: bool,
    steps: &mut dyn Steps,
) -> StepResult {
    let is_table = relation.kind == Some(RelationKind::Table);
    if !is_table || job.engine.capabilities.index_after_rename != is_renamed {
        return Ok(());
    }
    steps.call_macro(&PublicMacroCall::new(
        "create_indexes",
        vec![PublicMacroArg::Relation(relation.clone())],
    ))
}

/// The steps after a relation is published, in its transaction: hooks, grants, comments.
pub(super) fn finish_inside(
    job: &MaterializationJob,
    kind: RelationKind,
    steps: &mut dyn Steps,
) -> StepResult {
    steps.run_hooks(HookTime::AfterInside)?;
    if !job.has_outside_post_hooks {
        steps.reattach_objects()?;
    }
    let target = PublicMacroArg::Relation(job.target.clone().with_kind(kind));
    let Some(config) = job.config.build().filter(|_| job.is_described) else { return Ok(()) };
    if let Some(grants) = &config.grants {
        let is_there = PublicMacroArg::Flag(job.existing.is_some());
        let args = vec![target.clone(), PublicMacroArg::Json(grants.clone()), is_there];
        steps.call_macro(&PublicMacroCall::new("apply_grants", args))?;
    }
    if config.persists_docs {
        steps.call_macro(&PublicMacroCall::new(
            "persist_docs",
            vec![target, PublicMacroArg::Model],
        ))?;
    }
    Ok(())
}

/// The steps after a publication is committed.
pub(super) fn finish_outside(job: &MaterializationJob, steps: &mut dyn Steps) -> StepResult {
    steps.run_hooks(HookTime::AfterOutside)?;
    if job.has_outside_post_hooks {
        steps.reattach_objects()?;
    }
    Ok(())
}
