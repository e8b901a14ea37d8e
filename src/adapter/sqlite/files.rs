//! The files that a run has attached: those that it uses, and no others. A file is made, and put into
//! WAL mode, when a schema of the project is made there; what only a source is in stays as it is.

use super::locks::BuildLock;
use super::statements::SchemaStatement;
use super::{Sqlite, catalog, connect, runtime_error};
use crate::engine::sqlite::{DIALECT, SqliteOptions};
use crate::engine::{EngineError, EngineErrorKind, Patience, Target};
use crate::system::{OsSystem, System};
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
        let lock = BuildLock::new(&options.main, patience.build.unwrap_or(BUILD_WAIT));
        Ok(Files {
            main: options.main.clone(),
            database: target.database.to_string(),
            options: options.clone(),
            attached: Mutex::default(),
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

impl Sqlite {
    pub(super) fn run_schema_statement(
        &self,
        statement: &SchemaStatement,
    ) -> Result<(), EngineError> {
        match statement {
            SchemaStatement::Create(schema) => self.make_schema(schema),
            SchemaStatement::Drop(schema) => self.empty_schema(schema),
        }
    }

    /// Attaches the file of a schema, which is made when something is written there.
    pub(super) fn make_schema(&self, schema: &str) -> Result<(), EngineError> {
        if !is_plain_name(schema) {
            let message =
                format!("a schema cannot be called `{schema}`: its name is that of a file");
            let mut error = runtime_error(message);
            error.hint = Some("letters, digits and underscores".to_owned());
            return Err(error);
        }
        if !self.is_attached(schema)? {
            self.attach_file(schema)?;
        }
        if self.in_transaction() {
            return Ok(());
        }
        connect::set_wal(&self.connection, schema, self.files.wait)
    }

    pub(super) fn is_attached(&self, schema: &str) -> Result<bool, EngineError> {
        let there = catalog::attached_schemas(self)?;
        Ok(there.iter().any(|name| name.eq_ignore_ascii_case(schema)))
    }

    fn attach_file(&self, schema: &str) -> Result<(), EngineError> {
        self.files.add(schema);
        self.attach_new().inspect_err(|_| self.files.forget_last())
    }

    /// Attaches a schema that has a file; whether it is attached then.
    pub(super) fn attach_if_there(&self, schema: &str) -> Result<bool, EngineError> {
        if self.is_attached(schema)? {
            return Ok(true);
        }
        let path = self.files.options.path_of(schema);
        if !is_plain_name(schema) || !OsSystem::default().is_file(path.as_str().into()) {
            return Ok(false);
        }
        self.attach_file(schema).map(|()| true)
    }

    /// What is wrong with a schema that a statement names and no file has.
    pub(super) fn missing_file(&self, schema: &str) -> Option<EngineError> {
        let named = self.files.options.named(schema)?;
        let message = format!("the schema {schema} has no file: {named} is not there");
        let mut error = EngineError::new(EngineErrorKind::Connection, message);
        error.hint = Some("`schemas_and_paths` of the profile says where it is".to_owned());
        Some(error)
    }

    /// Drops all that is in a schema; its file stays, and holds nothing.
    fn empty_schema(&self, schema: &str) -> Result<(), EngineError> {
        for found in catalog::list(self, "", schema)? {
            let name = found.relation.render(DIALECT);
            self.batch(&format!("drop {} if exists {name}", found.kind.sql()))?;
        }
        Ok(())
    }
}

/// A name that needs no quotes, and is no path.
fn is_plain_name(schema: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    !schema.is_empty()
        && !schema.starts_with(|c: char| c.is_ascii_digit())
        && schema.chars().all(is_of_name)
}
