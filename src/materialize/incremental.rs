//! Incremental models whose table exists: a delta is applied and audited inside one transaction.
//!
//! If the engine locks a table while its columns change, then new columns are committed first,
//! columns are dropped last, and types are changed on a candidate. Types are also changed on a
//! candidate if they cannot be changed in place. An engine without transactions over several
//! statements applies every delta to a candidate.

use super::candidate::{
    audit_and_publish, candidate_of, create_indexes, finish_inside, finish_outside,
};
use super::delta::{copy_published_table, drop_scratch, keep_rows, scratch_of};
use super::schema_change::{SchemaChange, change_columns};
use super::{
    AuditSubject, HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg,
    PublicMacroCall, StepResult, Steps,
};
use crate::config::Json;
use crate::engine::{ExistingColumn, Relation, RelationKind, rejected_name};
use crate::manifest::IncrementalConfig;
use crate::outcome::NodeError;

pub(super) fn store_incremental(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let default = IncrementalConfig::default();
    let config = job.config.incremental().unwrap_or(&default);
    let mode = config.on_schema_change;
    let published = job.existing.as_ref().map(|e| e.columns.clone()).unwrap_or_default();
    let mut delta = Delta { job, config, columns: published, candidate: None };
    steps.run_hooks(HookTime::BeforeOutside)?;
    let abilities = &job.engine.capabilities;
    let changes_first = abilities.locks_for_columns || !abilities.alters_types;
    if changes_first && mode.widens() || !job.has_transactions() {
        delta.prepare_table(steps)?;
    }
    if job.has_transactions() {
        steps.begin()?;
    }
    steps.run_hooks(HookTime::BeforeInside)?;
    let dropped_last = delta.apply(steps)?;
    match &delta.candidate {
        Some(candidate) => {
            if job.has_transactions() {
                steps.commit()?;
            }
            audit_and_publish(job, candidate, RelationKind::Table, steps)
        }
        None => finish_in_place(job, &dropped_last, steps),
    }
}

/// Finishes a delta that was applied to the published table, in the open transaction.
fn finish_in_place(
    job: &MaterializationJob,
    dropped_last: &[String],
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    job.drop_leftover(&rejected_name(&job.target, job.engine.dialect), steps)?;
    // A build that was killed may have left a candidate.
    job.drop_leftover(&candidate_of(job, RelationKind::Table), steps)?;
    finish_inside(job, RelationKind::Table, steps)?;
    if !steps.audit(&AuditSubject::Inside)? {
        steps.roll_back()?;
        return Ok(MaterializationOutcome::Rejected(None));
    }
    alter(&job.target, dropped_last, true, steps)?;
    steps.finish()?;
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}

/// New rows and the table that they are applied to.
struct Delta<'a> {
    job: &'a MaterializationJob,
    config: &'a IncrementalConfig,
    /// The columns of the table that the rows are applied to.
    columns: Vec<ExistingColumn>,
    /// The copy that the rows are applied to; `None` for the published table itself.
    candidate: Option<Relation>,
}

impl Delta<'_> {
    /// Changes columns before the transaction of the delta, to match those of the query. If the
    /// published table cannot be changed, a copy of it is made.
    fn prepare_table(&mut self, steps: &mut dyn Steps) -> StepResult {
        let query = steps.describe_query()?;
        let change = self.change_for(&query)?;
        if change.retyped.is_empty() && self.job.has_transactions() {
            if !self.job.engine.capabilities.locks_for_columns {
                // New columns are added together with the rows.
                return Ok(());
            }
            // Columns to be dropped remain until the delta is published.
            let new: Vec<ExistingColumn> = change
                .after
                .iter()
                .filter(|c| self.columns.iter().all(|old| old.name != c.name))
                .cloned()
                .collect();
            self.columns.extend(new);
            return alter(&self.job.target, &change.add, false, steps);
        }
        let candidate = candidate_of(self.job, RelationKind::Table);
        let items: Vec<String> =
            change.after.iter().map(|column| self.carried(column, &change.retyped)).collect();
        copy_published_table(self.job, &candidate, &change.after, &items, steps)?;
        create_indexes(self.job, &candidate, false, steps)?;
        self.columns = change.after;
        self.candidate = Some(candidate);
        Ok(())
    }

    /// The `select` item for a column of the copy: the old value, cast to a new type if it changes,
    /// or null for a new column.
    fn carried(&self, column: &ExistingColumn, retyped: &[ExistingColumn]) -> String {
        let name = self.job.engine.dialect.quoted(&column.name);
        let is_there = self.columns.iter().any(|c| c.name == column.name);
        let value = if is_there { name.as_str() } else { "null" };
        // If types belong to values (the engine cannot alter them), a cast would change the values,
        // and is not needed.
        let has_new_type = !is_there || retyped.contains(column);
        if has_new_type && self.job.engine.capabilities.alters_types {
            return format!("cast({value} as {}) as {name}", column.data_type);
        }
        if is_there { name } else { format!("null as {name}") }
    }

    /// Writes the rows of the query into the table. Returns the statements that drop columns if
    /// these lock the table, to be run at the end.
    fn apply(&self, steps: &mut dyn Steps) -> Result<Vec<String>, NodeError> {
        let scratch = scratch_of(self.job);
        keep_rows(self.job, &scratch, steps)?;
        let rows = steps.describe_relation(&scratch)?;
        let change = self.change_for(&rows)?;
        let table = self.candidate.as_ref().unwrap_or(&self.job.target);
        alter(table, &change.add, false, steps)?;
        let is_late = self.job.engine.capabilities.locks_for_columns;
        if !is_late {
            alter(table, &change.drop, true, steps)?;
        }
        change.retype.iter().try_for_each(|call| steps.call_macro(call))?;
        steps.call_macro(&self.write(table, &scratch, change.columns))?;
        drop_scratch(self.job, &scratch, steps)?;
        Ok(if is_late { change.drop } else { Vec::new() })
    }

    fn change_for(&self, rows: &[ExistingColumn]) -> Result<SchemaChange, NodeError> {
        let MaterializationJob { target, engine, .. } = self.job;
        change_columns(self.config.on_schema_change, target, &self.columns, rows, engine)
            .map_err(|mistake| self.job.mistake(mistake.to_string()))
    }

    /// The call of the strategy's macro: the configured one, or else the engine's default, which
    /// depends on whether there is a unique key.
    fn write(
        &self,
        table: &Relation,
        scratch: &Relation,
        columns: Vec<ExistingColumn>,
    ) -> PublicMacroCall {
        let args = PublicMacroArg::Dict(vec![
            ("target_relation", PublicMacroArg::Relation(table.clone())),
            ("temp_relation", PublicMacroArg::Relation(scratch.clone())),
            ("unique_key", optional_arg(self.config.unique_key.as_ref())),
            ("dest_columns", PublicMacroArg::Columns(columns)),
            ("incremental_predicates", optional_arg(self.config.predicates.as_ref())),
        ]);
        let name = format!("get_incremental_{}_sql", self.strategy().replace('+', "_"));
        PublicMacroCall { name, args: vec![args] }
    }

    fn strategy(&self) -> String {
        if let Some(written) = &self.config.strategy {
            return written.clone();
        }
        let has_key = self.config.has_key();
        let (with_key, without) = self.job.engine.capabilities.default_strategy;
        (if has_key { with_key } else { without }).to_owned()
    }
}

fn optional_arg(value: Option<&Json>) -> PublicMacroArg {
    value.cloned().map_or(PublicMacroArg::None, PublicMacroArg::Json)
}

fn alter(
    table: &Relation,
    statements: &[String],
    takes_away: bool,
    steps: &mut dyn Steps,
) -> StepResult {
    if statements.is_empty() { Ok(()) } else { steps.alter_columns(table, statements, takes_away) }
}
