//! Seeds: CSV files that are loaded, audited and swapped in.

use super::candidate::{audit_and_publish, candidate_of, create_indexes};
use super::{
    HookTime, MaterializationJob, MaterializationOutcome, SeedJob, SeedLoadOutcome, Steps,
};
use crate::engine::{Dialect, ExistingRelation, Relation, RelationKind};
use crate::outcome::NodeError;
use crate::source::SqlText;

pub(super) fn store_seed(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let Some(seed) = &job.seed else { return Err(job.mistake("the seed has no file")) };
    if let Some(message) = changed_header(job, seed) {
        return Err(job.mistake(message));
    }
    let candidate = candidate_of(job, RelationKind::Table);
    steps.run_hooks(HookTime::BeforeOutside)?;
    steps.run_hooks(HookTime::BeforeInside)?;
    job.drop_leftover(&candidate, steps)?;
    let mut seed = seed.clone();
    loop {
        steps.execute(create_table(job, &candidate, &seed))?;
        match steps.load_seed(&candidate, &seed)? {
            SeedLoadOutcome::Loaded => break,
            SeedLoadOutcome::OtherTypes(columns) => {
                // Load again, with the types of the whole file.
                let (empty, kind) = (candidate.clone(), RelationKind::Table);
                steps.drop_relation(&ExistingRelation::new(empty, kind, Vec::new()))?;
                (seed.columns, seed.provisional) = (columns, None);
            }
        }
    }
    create_indexes(job, &candidate, false, steps)?;
    audit_and_publish(job, &candidate, RelationKind::Table, steps)
}

/// The existing table, whose columns a seed keeps unless it is a full refresh.
fn filled_before(job: &MaterializationJob) -> Option<&ExistingRelation> {
    job.existing.as_ref().filter(|e| e.kind == RelationKind::Table && !job.full_refresh)
}

fn create_table(job: &MaterializationJob, candidate: &Relation, seed: &SeedJob) -> SqlText {
    let dialect = job.engine.dialect;
    let name = candidate.render(dialect);
    // An existing seed keeps its columns and types; a file that does not fit is an error.
    let columns: Vec<String> = match filled_before(job) {
        Some(existing) if job.engine.capabilities.keeps_types_of_queries => {
            let published = existing.relation.render(dialect);
            let sql = format!("create table {name} as select * from {published} where false");
            return SqlText::from(sql);
        }
        Some(existing) => {
            let columns = existing.columns.iter();
            columns.map(|c| format!("{} {}", dialect.quoted(&c.name), c.data_type)).collect()
        }
        None => {
            let names = seed.column_names(dialect).into_iter().zip(&seed.columns);
            names.map(|(name, column)| format!("{name} {}", column.data_type)).collect()
        }
    };
    SqlText::from(format!("create table {name} ({})", columns.join(", ")))
}

impl SeedJob {
    /// The name of a column as SQL.
    fn shown(&self, name: &str, dialect: Dialect) -> String {
        if self.quote_columns { dialect.quoted(name) } else { name.to_owned() }
    }

    /// The names of the columns as SQL, in the order of the file. Values are inserted by name,
    /// because the order of the table's columns may differ.
    pub(crate) fn column_names(&self, dialect: Dialect) -> Vec<String> {
        self.columns.iter().map(|c| self.shown(&c.name, dialect)).collect()
    }
}

/// The error for a file whose columns are not those of the existing table, where their values would
/// end up in wrong columns. `None` if the columns match.
fn changed_header(job: &MaterializationJob, seed: &SeedJob) -> Option<String> {
    let existing = filled_before(job)?;
    let file: Vec<&str> = seed.columns.iter().map(|c| c.name.as_str()).collect();
    let table: Vec<&str> = existing.columns.iter().map(|c| c.name.as_str()).collect();
    (as_set(&file) != as_set(&table)).then(|| {
        format!(
            "the columns of {} are {}; those of {} are {}: `--full-refresh` makes the table anew",
            seed.file,
            file.join(", "),
            existing.relation.short(),
            table.join(", "),
        )
    })
}

/// Names in the form in which they are compared: trimmed, in lower case and sorted.
fn as_set(names: &[&str]) -> Vec<String> {
    let mut out: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
    out.sort();
    out
}
