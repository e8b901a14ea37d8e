//! Stores functions. One is replaced in place: what calls it goes on calling it, and no data test
//! could hold it back.

use super::candidate::{finish_inside, finish_outside};
use super::{
    HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg, PublicMacroCall, Steps,
};
use crate::engine::RelationKind;
use crate::outcome::NodeError;

pub(super) fn store_function(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let target = job.target.clone().with_kind(RelationKind::Function);
    steps.run_hooks(HookTime::BeforeOutside)?;
    if job.has_transactions() {
        steps.begin()?;
    }
    steps.run_hooks(HookTime::BeforeInside)?;
    if let Some(name) = &job.function {
        let args = vec![PublicMacroArg::Relation(target)];
        steps.call_macro(&PublicMacroCall::new(name, args))?;
    }
    finish_inside(job, RelationKind::Function, steps)?;
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}
