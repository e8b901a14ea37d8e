//! Stores functions. One is replaced in place: what calls it goes on calling it, and no data test
//! could hold it back.

use super::candidate::{finish_inside, finish_outside};
use super::{
    HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg, PublicMacroCall, Steps,
};
use crate::engine::RelationKind;
use crate::outcome::NodeError;

/// Stores a function of the project, with the macro of its kind. Its overloads are created in the
/// same transaction: all of them are there, or none is.
pub(super) fn store_function(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let name = job.function.as_deref().unwrap_or_default();
    let target = PublicMacroArg::Relation(job.target.clone().with_kind(RelationKind::Function));
    create(job, &PublicMacroCall::new(name, vec![target]), steps)
}

/// Stores a model as a function that gives its rows.
pub(super) fn store_table_function(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let target = PublicMacroArg::Relation(job.target.clone().with_kind(RelationKind::Function));
    let args = vec![target, PublicMacroArg::Compiled];
    create(job, &PublicMacroCall::new("strata_table_function_sql", args), steps)
}

fn create(
    job: &MaterializationJob,
    call: &PublicMacroCall,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    steps.run_hooks(HookTime::BeforeOutside)?;
    if job.has_transactions() {
        steps.begin()?;
    }
    steps.run_hooks(HookTime::BeforeInside)?;
    steps.call_macro(call)?;
    for index in 0..job.overloads {
        steps.create_overload(index, call)?;
    }
    finish_inside(job, RelationKind::Function, steps)?;
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}
