//! Stores nodes as a whole: tables, views, and first builds of incremental models and snapshots.

use super::candidate::{audit_and_publish, candidate_of, create_indexes};
use super::{
    HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg, PublicMacroCall, Steps,
};
use crate::engine::{RelationKind, backup_name};
use crate::manifest::Materialization;
use crate::outcome::NodeError;

/// Builds a candidate from the node's query and swaps it in.
pub(super) fn store_full(
    materialization: Materialization,
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let kind = materialization.relation_kind().unwrap_or(RelationKind::Table);
    let candidate = candidate_of(job, kind);
    steps.run_hooks(HookTime::BeforeOutside)?;
    // Pre-hooks such as `set local ...` only affect the building statement in the same transaction.
    let together = job.has_inside_pre_hooks && job.has_transactions();
    if together {
        steps.begin()?;
    }
    steps.run_hooks(HookTime::BeforeInside)?;
    job.drop_leftover(&candidate, steps)?;
    job.drop_leftover(&backup_name(&job.target, job.engine.dialect), steps)?;
    if let Some(name) = materialization.create_macro() {
        let mut args = vec![PublicMacroArg::Relation(candidate.clone()), PublicMacroArg::Compiled];
        if name == CREATE_TABLE {
            args.insert(0, PublicMacroArg::Flag(false));
        }
        steps.call_macro(&PublicMacroCall::new(name, args))?;
    }
    create_indexes(job, &candidate, false, steps)?;
    if together {
        steps.commit()?;
    }
    audit_and_publish(job, &candidate, kind, steps)
}

/// dbt's macro with the arguments (is temporary, relation, SQL).
pub(super) const CREATE_TABLE: &str = "create_table_as";
