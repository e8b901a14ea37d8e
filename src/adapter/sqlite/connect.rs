//! Opening a file, and how every connection behaves.

use super::errors::engine_error;
use super::files::Files;
use super::{fingerprint, functions, literal};
use crate::engine::sqlite::DIALECT;
use crate::engine::{EngineError, EngineErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// What holds for every connection: readers go on while one writes, and foreign keys are looked at
/// before a commit, since tables are replaced one after the other.
const SETTINGS: &str = "pragma journal_mode = wal; pragma synchronous = normal; \
                        pragma foreign_keys = off";

pub(super) fn open(files: &Files) -> Result<Connection, EngineError> {
    let failed = |e: rusqlite::Error| unopened(&files.main, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&files.main, flags).map_err(failed)?;
    connection.busy_timeout(files.wait).map_err(failed)?;
    for (option, value) in [
        // A name in double quotes that is no column would be a text, and a test of it would pass.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // A table that views read could not be renamed.
        (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, true),
    ] {
        connection.set_db_config(option, value).map_err(failed)?;
    }
    connection.execute_batch(SETTINGS).map_err(failed)?;
    functions::register(&connection).map_err(failed)?;
    fingerprint::register(&connection).map_err(failed)?;
    Ok(connection)
}

pub(super) fn attach(connection: &Connection, schema: &str, path: &str) -> Result<(), EngineError> {
    let sql = format!(
        "attach {} as {name}; pragma {name}.journal_mode = wal; \
         pragma {name}.synchronous = normal",
        literal(path),
        name = DIALECT.quoted(schema)
    );
    connection.execute_batch(&sql).map_err(|e| {
        let mut error = engine_error(&e);
        if error.message.contains("too many attached databases") {
            let message = format!("the schema `{schema}` cannot be attached: {}", error.message);
            error = EngineError::new(EngineErrorKind::Unsupported, message);
            error.hint = Some("a schema is a file: put models into fewer schemas".to_owned());
            return error;
        }
        unopened(path, &e)
    })
}

/// What is wrong with a file.
fn unopened(path: &str, e: &rusqlite::Error) -> EngineError {
    let error = engine_error(e);
    if error.kind == EngineErrorKind::Locked {
        return error;
    }
    let message = format!("cannot open {path}: {}", error.message);
    let mut out = EngineError::new(EngineErrorKind::Connection, message);
    out.hint = Some("is its folder there, and is the file a database of SQLite?".to_owned());
    out
}
