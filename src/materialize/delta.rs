//! Helpers for new rows of an existing table: where they are stored, and what they are applied to.

use super::stored::CREATE_TABLE;
use super::{Arg, Done, Job, PublicMacro, Steps};
use crate::engine::{
    ExistingColumn, ExistingRelation, Relation, RelationKind, Scratch, scratch_name,
};
use crate::source::SqlText;

/// The table that stores the new rows until they are applied.
pub(super) fn scratch_of(job: &Job) -> Relation {
    scratch_name(&job.target, job.engine).with_kind(RelationKind::Table)
}

/// Whether other sessions can see that table, so that an earlier run may have left one.
fn is_seen(job: &Job) -> bool {
    job.engine.abilities.scratch == Scratch::Named
}

/// Stores the rows of the node's query.
pub(super) fn keep_rows(job: &Job, scratch: &Relation, steps: &mut dyn Steps) -> Done {
    if is_seen(job) {
        drop_scratch(job, scratch, steps)?;
    }
    let is_temporary = Arg::Flag(!is_seen(job));
    let args = vec![is_temporary, Arg::Relation(scratch.clone()), Arg::Compiled];
    steps.call(&PublicMacro::new(CREATE_TABLE, args))
}

pub(super) fn drop_scratch(job: &Job, scratch: &Relation, steps: &mut dyn Steps) -> Done {
    if is_seen(job) {
        let kind = RelationKind::Table;
        return steps.drop_if_there(&ExistingRelation::new(scratch.clone(), kind, Vec::new()));
    }
    let name = scratch.render(job.engine.dialect);
    steps.execute(SqlText::from(format!("drop table if exists {name}")))
}

/// Copies the published table, as these items of a `select`, to where its next version is made, which
/// has these columns.
pub(super) fn copy_published_table(
    job: &Job,
    candidate: &Relation,
    columns: &[ExistingColumn],
    items: &[String],
    steps: &mut dyn Steps,
) -> Done {
    job.drop_leftover(candidate, steps)?;
    let published = job.target.render(job.engine.dialect);
    let select = format!("select {} from {published}", items.join(", "));
    let (relation, columns) = (Arg::Relation(candidate.clone()), Arg::Columns(columns.to_vec()));
    let args = vec![relation, columns, Arg::Text(select)];
    steps.call(&PublicMacro::new("strata_copy_table", args))
}
