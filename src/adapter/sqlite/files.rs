//! The files that a run has attached, and the statements that make and drop them.

use super::locks::BuildLock;
use super::{Sqlite, catalog, runtime_error};
use crate::engine::sqlite::{DIALECT, SqliteOptions};
use crate::engine::{EngineError, Patience, Target};
use crate::system::OsSystem;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long to wait for who writes, when nothing is asked for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// ... and for a build of another process.
const BUILD_WAIT: Duration = Duration::from_secs(60 * 60);

/// What all connections to one database share.
pub(super) struct Files {
    /// The file of the schema `main`.
    pub(super) main: String,
    /// What the database is called in names that have one.
    pub(super) database: String,
    options: SqliteOptions,
    /// The other schemas with their files, in the order in which they were attached.
    attached: Mutex<Vec<(String, String)>>,
    pub(super) wait: Duration,
    pub(super) lock: BuildLock,
}

impl Files {
    pub(super) fn of(target: &Target, patience: Patience) -> Result<Files, EngineError> {
        let options: &SqliteOptions = target.options()?;
        let mut attached = options.schemas.clone();
        attached.extend(options.found_in_directory(&OsSystem::default()));
        let lock = BuildLock::new(&options.main, patience.build.unwrap_or(BUILD_WAIT));
        Ok(Files {
            main: options.main.clone(),
            database: target.database.to_string(),
            options: options.clone(),
            attached: Mutex::new(attached),
            wait: patience.lock.unwrap_or(LOCK_WAIT),
            lock,
        })
    }

    /// Those that were attached after the first `known`.
    pub(super) fn after(&self, known: usize) -> Vec<(String, String)> {
        let all = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(known..).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// Notes a schema that is to be attached by all connections.
    fn add(&self, schema: &str) {
        let mut all = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|(name, _)| name.eq_ignore_ascii_case(schema)) {
            all.push((schema.to_owned(), self.options.path_of(schema)));
        }
    }

    fn forget_last(&self) {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner).pop();
    }
}

/// `create schema` and `drop schema`, which SQLite does not have: a schema is a file.
#[derive(Debug, PartialEq)]
pub(super) enum SchemaStatement {
    Create(String),
    Drop(String),
}

impl SchemaStatement {
    pub(super) fn read(sql: &str) -> Option<SchemaStatement> {
        let mut words = sql.trim().trim_end_matches(';').split_whitespace();
        let verb = words.next()?.to_ascii_lowercase();
        if !matches!(verb.as_str(), "create" | "drop")
            || !words.next()?.eq_ignore_ascii_case("schema")
        {
            return None;
        }
        let rest: Vec<&str> = words
            .filter(|w| {
                !["if", "not", "exists", "cascade"].iter().any(|k| w.eq_ignore_ascii_case(k))
            })
            .collect();
        let [name] = rest[..] else { return None };
        let name = name.trim_matches('"').replace("\"\"", "\"");
        Some(if verb == "create" {
            SchemaStatement::Create(name)
        } else {
            SchemaStatement::Drop(name)
        })
    }
}

impl Sqlite {
    pub(super) fn run_schema_statement(
        &mut self,
        statement: &SchemaStatement,
    ) -> Result<(), EngineError> {
        match statement {
            SchemaStatement::Create(schema) => self.make_schema(schema),
            SchemaStatement::Drop(schema) => self.empty_schema(schema),
        }
    }

    /// Attaches the file of a schema, which is made when something is written there.
    pub(super) fn make_schema(&mut self, schema: &str) -> Result<(), EngineError> {
        let there = catalog::attached_schemas(self)?;
        if there.iter().any(|name| name.eq_ignore_ascii_case(schema)) {
            return Ok(());
        }
        if self.in_transaction() {
            let message = format!("the schema `{schema}` cannot be made inside a transaction");
            return Err(runtime_error(message));
        }
        self.files.add(schema);
        self.attach_new().inspect_err(|_| self.files.forget_last())
    }

    /// Drops all that is in a schema; its file stays, and holds nothing.
    fn empty_schema(&mut self, schema: &str) -> Result<(), EngineError> {
        for found in catalog::list(self, "", schema)? {
            let name = found.relation.render(DIALECT);
            self.batch(&format!("drop {} if exists {name}", found.kind.sql()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SchemaStatement::{Create, Drop};
    use super::*;

    #[test]
    fn statements_of_schemas() {
        let read = SchemaStatement::read;
        assert_eq!(read("create schema if not exists \"a b\""), None, "one word");
        assert_eq!(read("create schema if not exists \"marts\""), Some(Create("marts".into())));
        assert_eq!(read("drop schema if exists marts cascade;"), Some(Drop("marts".into())));
        assert_eq!(read("create table schema (a)"), None);
    }
}
