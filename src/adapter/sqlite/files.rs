//! The files that the connections of a run have attached: only those that the run uses. A file is
//! created and set to WAL mode when something is built in it. Files that are only read are attached
//! read-only, so that no transaction locks them and none of their logs is checkpointed.

use super::locks::BuildLock;
use super::statements::SchemaStatement;
use super::{Sqlite, catalog, connect, errors, runtime_error};
use crate::engine::sqlite::{DIALECT, SqliteOptions};
use crate::engine::{EngineError, EngineErrorKind, Target, WaitTimeouts};
use crate::system::{OsSystem, System};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long to wait by default for another writer.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long to wait by default for a build of another process.
const BUILD_WAIT: Duration = Duration::from_secs(60 * 60);

/// The schema of the file that a connection opens.
const MAIN: &str = "main";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileAccess {
    Read,
    Write,
}

#[derive(Clone, Debug)]
pub(super) struct SchemaFile {
    pub(super) schema: String,
    pub(super) path: String,
    pub(super) access: FileAccess,
}

/// The state that all connections to a database share.
pub(super) struct Files {
    /// The file of the schema `main`.
    pub(super) main: String,
    /// The name of the database, for names that include one.
    pub(super) database: String,
    options: SqliteOptions,
    /// The other schemas in use, in the order in which they were attached.
    used: Mutex<Vec<SchemaFile>>,
    pub(super) wait: Duration,
    pub(super) lock: BuildLock,
}

impl Files {
    pub(super) fn of(target: &Target, patience: WaitTimeouts) -> Result<Files, EngineError> {
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

    /// The schemas besides `main` that each connection has to attach.
    pub(super) fn all(&self) -> Vec<SchemaFile> {
        self.used().clone()
    }

    /// Records that all connections attach a schema. Write access is never reduced to read access
    /// again.
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

    /// Gives write access to all schemas in use.
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

    /// Attaches the file of a schema for writing, which creates it if needed.
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

    /// Attaches the file of a schema if needed, or attaches it again for writing if it was attached
    /// for reading.
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

    /// Runs `work`, which may write to a file that was only read so far; if so, it is run again
    /// with write access.
    pub(super) fn with_write_access<T>(
        &self,
        mut work: impl FnMut() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match work() {
            Err(e) if self.can_write_now(&e)? => work(),
            done => done,
        }
    }

    /// Whether a statement that failed to write to a read-only file may be sent again. Within a
    /// transaction it is an error instead, because the transaction has to start over.
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

    /// Whether a schema is attached. The database is asked too, because a hook may have attached
    /// files that are not in this connection's own list.
    pub(super) fn is_attached(&self, schema: &str) -> Result<bool, EngineError> {
        if schema.eq_ignore_ascii_case(MAIN)
            || self.attached.borrow().iter().any(|(name, _)| name.eq_ignore_ascii_case(schema))
        {
            return Ok(true);
        }
        let there = catalog::attached_schemas(self)?;
        Ok(there.iter().any(|name| name.eq_ignore_ascii_case(schema)))
    }

    /// The schemas that this connection can write to.
    pub(super) fn written_schemas(&self) -> Vec<String> {
        let attached = self.attached.borrow();
        let written = attached.iter().filter(|(_, access)| *access == FileAccess::Write);
        std::iter::once(MAIN)
            .chain(written.map(|(schema, _)| schema.as_str()))
            .map(str::to_owned)
            .collect()
    }

    /// Attaches the file of a schema if it exists; returns whether the schema is attached now.
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

    /// The error for a schema that the profile lists but whose file does not exist; `None` for
    /// other schemas.
    pub(super) fn missing_file(&self, schema: &str) -> Option<EngineError> {
        let named = self.files.options.named(schema)?;
        let message = format!("the schema {schema} has no file: {named} is not there");
        let mut error = EngineError::new(EngineErrorKind::Connection, message);
        error.hint = Some("`schemas_and_paths` of the profile says where it is".to_owned());
        Some(error)
    }

    /// Drops all relations of a schema; its empty file remains.
    fn empty_schema(&self, schema: &str) -> Result<(), EngineError> {
        for found in catalog::list_relations(self, "", schema)? {
            let name = found.relation.render(DIALECT);
            self.batch(&format!("drop {} if exists {name}", found.kind.sql()))?;
        }
        Ok(())
    }
}

/// Whether a name needs no quotes and is not a path.
fn is_plain_name(schema: &str) -> bool {
    !schema.is_empty()
        && !schema.starts_with(|c: char| c.is_ascii_digit())
        && schema.chars().all(|c| c.is_alphanumeric() || c == '_')
}
