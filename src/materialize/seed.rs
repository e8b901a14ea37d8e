//! Seeds: a CSV file, loaded by the engine itself, audited, swapped in.

use super::stored::{afterwards, indexes, reject, swap};
use super::{Audited, Job, Materialize, Next, Reply, SeedJob, Statement, drop_leftover};
use crate::engine::{Dialect, Relation, RelationKind, candidate_name};

enum State {
    Start,
    Loaded,
    Audited,
    Published,
    Discarded,
    Finished,
}

pub(super) struct Seed {
    job: Job,
    candidate: Relation,
    state: State,
}

impl Seed {
    pub(super) fn new(job: Job) -> Seed {
        let candidate =
            candidate_name(&job.target, job.capabilities.dialect).with_kind(RelationKind::Table);
        Seed { job, candidate, state: State::Start }
    }

    fn load(&self, seed: &SeedJob) -> Vec<Statement> {
        let dialect = self.job.capabilities.dialect;
        let name = self.candidate.render(dialect);
        let published = self
            .job
            .existing
            .as_ref()
            .filter(|e| e.kind == RelationKind::Table && !self.job.full_refresh);
        let create = match published {
            // A seed that is there keeps its columns and types; a file that no longer fits is an
            // error.
            Some(existing) => {
                format!(
                    "create table {name} as select * from {} where false",
                    existing.relation.render(dialect)
                )
            }
            None => {
                let quoted =
                    |c: &str| if seed.quote_columns { dialect.quoted(c) } else { c.to_owned() };
                let columns: Vec<String> =
                    seed.columns.iter().map(|(c, t)| format!("{} {t}", quoted(c))).collect();
                format!("create table {name} ({})", columns.join(", "))
            }
        };
        // The header's columns may be in another order than the table's: values go by name.
        let header = match published {
            Some(_) => {
                let listed: Vec<String> =
                    seed.columns.iter().map(|(c, _)| dialect.quoted(c)).collect();
                format!(" ({})", listed.join(", "))
            }
            None => String::new(),
        };
        let mut out = vec![
            Statement::Hooks { post: false, inside: false },
            Statement::Hooks { post: false, inside: true },
        ];
        out.extend(drop_leftover(&self.job, &self.candidate));
        out.push(Statement::sql(create));
        if self.job.capabilities.reads_files {
            out.push(Statement::sql(format!(
                "copy {name}{header} from {} (format csv, header true, delimiter {})",
                Dialect::literal(&seed.path),
                Dialect::literal(&seed.delimiter)
            )));
        } else {
            // Values go by the names in the header, as dbt inserts them.
            let quoted =
                |c: &str| if seed.quote_columns { dialect.quoted(c) } else { c.to_owned() };
            let listed: Vec<String> = seed.columns.iter().map(|(c, _)| quoted(c)).collect();
            let copy = format!("copy {name} ({}) from stdin", listed.join(", "));
            let typed = published.is_none().then(|| name.clone());
            out.push(Statement::Load { copy, seed: Box::new(seed.clone()), typed });
        }
        out.extend(indexes(&self.job, &self.candidate, false));
        out
    }
}

/// A file whose header names other columns than the table that it fills: they would be loaded into
/// the wrong ones, or not at all.
fn changed_header(job: &Job, seed: &SeedJob) -> Option<String> {
    let existing =
        job.existing.as_ref().filter(|e| e.kind == RelationKind::Table && !job.full_refresh)?;
    let sorted = |columns: &mut dyn Iterator<Item = &String>| {
        let mut out: Vec<String> = columns.map(|c| c.trim().to_lowercase()).collect();
        out.sort();
        out
    };
    let file = sorted(&mut seed.columns.iter().map(|(c, _)| c));
    let table = sorted(&mut existing.columns.iter().map(|c| &c.name));
    (file != table).then(|| {
        let listed = |columns: &mut dyn Iterator<Item = &String>| {
            columns.map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        format!(
            "the columns of {} are {}; those of {} are {}: `--full-refresh` makes the table anew",
            seed.file,
            listed(&mut seed.columns.iter().map(|(c, _)| c)),
            existing.relation.short(),
            listed(&mut existing.columns.iter().map(|c| &c.name)),
        )
    })
}

impl Materialize for Seed {
    fn next(&mut self, reply: Reply) -> Result<Next, String> {
        Ok(match (&self.state, reply) {
            (State::Start, _) => {
                let seed = self.job.seed.clone().ok_or("the seed has no file")?;
                if let Some(message) = changed_header(&self.job, &seed) {
                    return Err(message);
                }
                self.state = State::Loaded;
                Next::Run(self.load(&seed))
            }
            (State::Loaded, _) => {
                self.state = State::Audited;
                Next::Audit(Audited::Candidate(self.candidate.clone()))
            }
            (State::Audited, Reply::Passed(true)) => {
                self.state = State::Published;
                Next::Publish(swap(&self.job, &self.candidate, RelationKind::Table))
            }
            (State::Audited, _) => {
                self.state = State::Discarded;
                Next::Discard(reject(&self.job, &self.candidate, RelationKind::Table))
            }
            (State::Published, _) => {
                self.state = State::Finished;
                Next::Run(afterwards(&self.job))
            }
            (State::Finished, _) => {
                Next::Done(vec![self.job.target.clone().with_kind(RelationKind::Table)])
            }
            (State::Discarded, _) => Next::Done(Vec::new()),
        })
    }
}
