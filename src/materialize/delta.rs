//! Helpers for new rows of an existing table: where they are stored, and what they are applied to.

use super::stored::CREATE_TABLE;
use super::{MaterializationJob, PublicMacroArg, PublicMacroCall, StepResult, Steps};
use crate::engine::{
    ExistingColumn, ExistingRelation, Relation, RelationKind, ScratchTables, scratch_name,
};
use crate::source::SqlText;

/// The table that stores the new rows until they are applied.
pub(super) fn scratch_of(job: &MaterializationJob) -> Relation {
    scratch_name(&job.target, job.engine).with_kind(RelationKind::Table)
}

/// Whether other sessions can see the scratch table. If so, an earlier run may have left one.
fn is_seen(job: &MaterializationJob) -> bool {
    job.engine.capabilities.scratch == ScratchTables::Named
}

/// Stores the rows of the node's query.
pub(super) fn keep_rows(
    job: &MaterializationJob,
    scratch: &Relation,
    steps: &mut dyn Steps,
) -> StepResult {
    if is_seen(job) {
        drop_scratch(job, scratch, steps)?;
    }
    let is_temporary = PublicMacroArg::Flag(!is_seen(job));
    let args =
        vec![is_temporary, PublicMacroArg::Relation(scratch.clone()), PublicMacroArg::Compiled];
    steps.call_macro(&PublicMacroCall::new(CREATE_TABLE, args))
}

pub(super) fn drop_scratch(
    job: &MaterializationJob,
    scratch: &Relation,
    steps: &mut dyn Steps,
) -> StepResult {
    if is_seen(job) {
        let kind = RelationKind::Table;
        return steps.drop_relation(&ExistingRelation::new(scratch.clone(), kind, Vec::new()));
    }
    let name = scratch.render(job.engine.dialect);
    steps.execute(SqlText::from(format!("drop table if exists {name}")))
}

/// Copies the published table, as these items of a `select`, to where its next version is made,
/// which has these columns.
pub(super) fn copy_published_table(
    job: &MaterializationJob,
    candidate: &Relation,
    columns: &[ExistingColumn],
    items: &[String],
    steps: &mut dyn Steps,
) -> StepResult {
    job.drop_leftover(candidate, steps)?;
    let published = job.target.render(job.engine.dialect);
    let select = format!("select {} from {published}", items.join(", "));
    let (relation, columns) =
        (PublicMacroArg::Relation(candidate.clone()), PublicMacroArg::Columns(columns.to_vec()));
    let args = vec![relation, columns, PublicMacroArg::Text(select)];
    steps.call_macro(&PublicMacroCall::new("strata_copy_table", args))
}
