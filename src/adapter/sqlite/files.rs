//! The files that a run has attached: those that it uses, and no others. A file is made, and put into
//! WAL mode, when something of the project is written there. What is only read is attached for reading,
//! so that no transaction locks it, and nobody writes its log into it.

use super::locks::BuildLock;
use super::statements::SchemaStatement;
use super::{Sqlite, catalog, connect, errors, runtime_error};
use crate::engine::sqlite::{DIALECT, SqliteOptions};
use crate::engine::{EngineError, EngineErrorKind, Patience, Target};
use crate::system::{OsSystem, System};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long to wait for who writes, when nothing is asked for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// ... and for a build of another process.
const BUILD_WAIT: Duration = Duration::from_secs(60 * 60);

/// The schema of the file that a connection opens.
const MAIN: &str = "main";

/// What a file is attached for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileAccess {
    Read,
    Write,
}

/// A schema with its file.
#[derive(Clone, Debug)]
pub(super) struct SchemaFile {
    pub(super) schema: String,
    pub(super) path: String,
    pub(super) access: FileAccess,
}

/// What all connections to one database share.
pub(super) struct Files {
    /// The file of the schema `main`.
    pub(super) main: String,
    /// What the database is called in names that have one.
    pub(super) database: String,
    options: SqliteOptions,
    /// The other schemas that are used, in the order in which they were attached.
    used: Mutex<Vec<SchemaFile>>,
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
            used: Mutex::default(),
            wait: patience.lock.unwrap_or(LOCK_WAIT),
            lock,
        })
    }

    fn used(&self) -> MutexGuard<'_, Vec<SchemaFile>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schemas that a connection has to have attached besides `main`.
    pub(super) fn all(&self) -> Vec<SchemaFile> {
        self.used().clone()
    }

    /// Notes what all connections attach a schema for: who writes once may go on to.
    fn add(&self, schema: &str, access: FileAccess) {
        let mut used = self.used();
        match used.iter_mut().find(|file| file.schema.eq_ignore_ascii_case(schema)) {
            Some(file) if access == FileAccess::Write => file.access = access,
            Some(_) => {}
            None => {
                let path = self.options.path_of(schema);
                used.push(SchemaFile { schema: schema.to_owned(), path, access });
            }
        }
    }

    /// Lets every schema be written that is used.
    fn open_all_for_writing(&self) {
        self.used().iter_mut().for_each(|file| file.access = FileAccess::Write);
    }

    fn forget(&self, schema: &str) {
        self.used().retain(|file| !file.schema.eq_ignore_ascii_case(schema));
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
        self.use_schema(schema, FileAccess::Write)?;
        if self.in_transaction() {
            return Ok(());
        }
        connect::set_wal(&self.connection, schema, self.files.wait)
    }

    /// Attaches the file of a schema, unless it is: for writing even if it was for reading.
    pub(super) fn use_schema(&self, schema: &str, access: FileAccess) -> Result<(), EngineError> {
        let is_attached = self.is_attached(schema)?;
        if is_attached && (access == FileAccess::Read || schema.eq_ignore_ascii_case(MAIN)) {
            return Ok(());
        }
        self.files.add(schema, access);
        self.attach_new().inspect_err(|_| {
            if !is_attached {
                self.files.forget(schema);
            }
        })
    }

    /// Does something that may be the first to write into a file that was only read: it is done again
    /// once the file can be written.
    pub(super) fn with_write_access<T>(
        &self,
        mut work: impl FnMut() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match work() {
            Err(e) if self.can_write_now(&e)? => work(),
            done => done,
        }
    }

    /// After a statement that could not write what is attached for reading: whether it may be sent
    /// again. A transaction has to begin anew.
    fn can_write_now(&self, error: &EngineError) -> Result<bool, EngineError> {
        let is_closed =
            self.attached.borrow().iter().any(|(_, access)| *access == FileAccess::Read);
        if !errors::is_read_only(error) || !is_closed {
            return Ok(false);
        }
        self.files.open_all_for_writing();
        if self.in_transaction() {
            let message = "a file that was only read has to be opened for writing";
            return Err(EngineError::new(EngineErrorKind::Conflict, message));
        }
        self.attach_new().map(|()| true)
    }

    /// What this connection has attached itself is known; a hook may have attached more.
    pub(super) fn is_attached(&self, schema: &str) -> Result<bool, EngineError> {
        if schema.eq_ignore_ascii_case(MAIN)
            || self.attached.borrow().iter().any(|(name, _)| name.eq_ignore_ascii_case(schema))
        {
            return Ok(true);
        }
        let there = catalog::attached_schemas(self)?;
        Ok(there.iter().any(|name| name.eq_ignore_ascii_case(schema)))
    }

    /// The schemas that this connection can write.
    pub(super) fn written_schemas(&self) -> Vec<String> {
        let attached = self.attached.borrow();
        let written = attached.iter().filter(|(_, access)| *access == FileAccess::Write);
        std::iter::once(MAIN)
            .chain(written.map(|(schema, _)| schema.as_str()))
            .map(str::to_owned)
            .collect()
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
        self.use_schema(schema, FileAccess::Read).map(|()| true)
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
        for found in catalog::list_relations(self, "", schema)? {
            let name = found.relation.render(DIALECT);
            self.batch(&format!("drop {} if exists {name}", found.kind.sql()))?;
        }
        Ok(())
    }
}

/// A name that needs no quotes, and is no path.
fn is_plain_name(schema: &str) -> bool {
    !schema.is_empty()
        && !schema.starts_with(|c: char| c.is_ascii_digit())
        && schema.chars().all(|c| c.is_alphanumeric() || c == '_')
}
