//! Snapshots whose table exists: changed rows are staged, the versions that they replace are
//! closed, and the new versions are inserted, all in one transaction (semantics 3.10), or on a copy
//! if the engine has no transactions. A first snapshot is built like a table.

use super::candidate::{audit_and_publish, candidate_of, finish_inside, finish_outside};
use super::delta::{copy_published_table, drop_scratch, scratch_of};
use super::{
    AuditSubject, HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg,
    PublicMacroCall, StepResult, Steps,
};
use crate::engine::{ExistingColumn, Relation, RelationKind, rejected_name};
use crate::manifest::HardDeletes;
use crate::outcome::NodeError;

pub(super) fn store_snapshot(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    check_table(job)?;
    steps.run_hooks(HookTime::BeforeOutside)?;
    if !job.has_transactions() {
        return store_on_copy(job, steps);
    }
    steps.begin()?;
    steps.run_hooks(HookTime::BeforeInside)?;
    stage_and_merge(job, &job.target, steps)?;
    job.drop_leftover(&rejected_name(&job.target, job.engine.dialect), steps)?;
    finish_inside(job, RelationKind::Table, steps)?;
    if !steps.audit(&AuditSubject::Inside)? {
        steps.roll_back()?;
        return Ok(MaterializationOutcome::Rejected(None));
    }
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}

fn store_on_copy(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let candidate = candidate_of(job, RelationKind::Table);
    steps.run_hooks(HookTime::BeforeInside)?;
    let columns = job.existing.as_ref().map(|e| e.columns.as_slice()).unwrap_or_default();
    copy_published_table(job, &candidate, columns, &["*".to_owned()], steps)?;
    stage_and_merge(job, &candidate, steps)?;
    audit_and_publish(job, &candidate, RelationKind::Table, steps)
}

/// Stages the changed rows and merges them into a table: the published one, or its copy.
fn stage_and_merge(
    job: &MaterializationJob,
    table: &Relation,
    steps: &mut dyn Steps,
) -> StepResult {
    let staging = scratch_of(job);
    let args = vec![
        PublicMacroArg::Relation(staging.clone()),
        PublicMacroArg::Relation(job.target.clone()),
        PublicMacroArg::Compiled,
    ];
    steps.call_macro(&PublicMacroCall::new("strata_snapshot_staging", args))?;
    let staged = steps.describe_relation(&staging)?;
    merge(job, table, &staging, &staged, steps)?;
    drop_scratch(job, &staging, steps)
}

fn merge(
    job: &MaterializationJob,
    table: &Relation,
    staging: &Relation,
    staged: &[ExistingColumn],
    steps: &mut dyn Steps,
) -> StepResult {
    let columns: Vec<&ExistingColumn> = staged.iter().filter(|c| !is_helper(&c.name)).collect();
    let known = job.existing.as_ref().map(|e| e.columns.as_slice()).unwrap_or_default();
    let new = columns.iter().filter(|c| !known.iter().any(|old| old.name == c.name));
    let new: Vec<ExistingColumn> = new.map(|c| (*c).clone()).collect();
    let table = PublicMacroArg::Relation(table.clone());
    if !new.is_empty() {
        let args = vec![table.clone(), PublicMacroArg::Columns(new)];
        steps.call_macro(&PublicMacroCall::new("create_columns", args))?;
    }
    let dialect = job.engine.dialect;
    let names = columns.iter().map(|c| serde_json::Value::from(dialect.quoted(&c.name))).collect();
    let names = PublicMacroArg::Json(serde_json::Value::Array(names));
    let args = vec![table, PublicMacroArg::Relation(staging.clone()), names];
    steps.call_macro(&PublicMacroCall::new("snapshot_merge_sql", args))
}

/// Whether a column of the staging table does not belong in the snapshot.
fn is_helper(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "dbt_change_type" || name.starts_with("dbt_unique_key")
}

/// Checks that an existing relation is a snapshot's table.
fn check_table(job: &MaterializationJob) -> StepResult {
    let Some(existing) = &job.existing else { return Ok(()) };
    let name = job.target.short();
    if existing.kind != RelationKind::Table {
        let kind = existing.kind.sql();
        return Err(job.mistake(format!("{name} is a {kind}, not the table of a snapshot")));
    }
    let mut wanted = vec!["dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"];
    let config = job.config.snapshot();
    if config.is_some_and(|snapshot| snapshot.hard_deletes == HardDeletes::NewRecord) {
        wanted.push("dbt_is_deleted");
    }
    let missing: Vec<String> = wanted
        .into_iter()
        .map(|key| meta_name(job, key))
        .filter(|name| !existing.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(", ");
    let message = format!("{name} has no column {missing}: it is not the table of this snapshot");
    Err(job.mistake(message))
}

/// The name of a column that snapshots add; a project can rename it.
fn meta_name(job: &MaterializationJob, key: &str) -> String {
    job.config.snapshot().map_or(key, |snapshot| snapshot.column_name(key)).to_owned()
}
