//! Opens files and configures connections.

use super::errors::engine_error;
use super::files::{FileAccess, Files, SchemaFile};
use super::{fingerprint, functions, literal};
use crate::engine::sqlite::DIALECT;
use crate::engine::{EngineError, EngineErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::time::Duration;

/// The settings of every connection. Foreign keys are checked before each commit instead of per
/// statement, because tables are replaced one after the other.
const SETTINGS: &str = "pragma synchronous = normal; pragma foreign_keys = off";

pub(super) fn open_connection(files: &Files) -> Result<Connection, EngineError> {
    let connection =
        open_with_settings(files).map_err(|e| unopened(&files.main, engine_error(e)))?;
    set_wal(&connection, "main", files.wait).map_err(|e| unopened(&files.main, e))?;
    register_functions(&connection).map_err(|e| unopened(&files.main, engine_error(e)))?;
    Ok(connection)
}

fn open_with_settings(files: &Files) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&files.main, flags)?;
    connection.busy_timeout(files.wait)?;
    for (option, value) in [
        // Otherwise a name in double quotes that is not a column would be a text, so that a test of
        // it could pass.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // Otherwise a table that views read could not be renamed.
        (DbConfig::SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, true),
    ] {
        connection.set_db_config(option, value)?;
    }
    connection.execute_batch(SETTINGS)?;
    Ok(connection)
}

fn register_functions(connection: &Connection) -> rusqlite::Result<()> {
    functions::register_functions(connection)?;
    fingerprint::register_fingerprint_function(connection)
}

/// The time between two attempts to change a file's journal mode.
const STEP: Duration = Duration::from_millis(50);

/// Sets a file to WAL mode, in which readers are not blocked by a writer. The change briefly needs
/// exclusive access, for which SQLite itself does not wait.
pub(super) fn set_wal(
    connection: &Connection,
    schema: &str,
    wait: Duration,
) -> Result<(), EngineError> {
    let name = DIALECT.quoted(schema);
    let mut tries = wait.as_millis() / STEP.as_millis();
    loop {
        let mode = query_text(connection, &format!("pragma {name}.journal_mode"))?;
        if mode == "wal" {
            return Ok(());
        }
        match query_text(connection, &format!("pragma {name}.journal_mode = wal")) {
            Ok(_) => return Ok(()),
            Err(e) if e.kind != EngineErrorKind::Locked || tries == 0 => return Err(e),
            Err(_) => {}
        }
        tries -= 1;
        std::thread::sleep(STEP);
    }
}

fn query_text(connection: &Connection, sql: &str) -> Result<String, EngineError> {
    connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(engine_error)
}

/// Attaches a file. If it is attached for writing, it is created if needed.
pub(super) fn attach_file(connection: &Connection, file: &SchemaFile) -> Result<(), EngineError> {
    let SchemaFile { schema, path, access } = file;
    let name = DIALECT.quoted(schema);
    let mode = match access {
        FileAccess::Read => "ro",
        FileAccess::Write => "rwc",
    };
    let address = literal(&format!("{}?mode={mode}", file_uri(path)));
    let mut sql = format!("attach {address} as {name}");
    // The setting cannot change within a transaction.
    if *access == FileAccess::Write && connection.is_autocommit() {
        sql.push_str(&format!("; pragma {name}.synchronous = normal"));
    }
    connection.execute_batch(&sql).map_err(|e| {
        let mut error = engine_error(e);
        if error.message.contains("too many attached databases") {
            let message = format!("the schema `{schema}` cannot be attached: {}", error.message);
            error = EngineError::new(EngineErrorKind::Unsupported, message);
            error.hint = Some("a schema is a file: put models into fewer schemas".to_owned());
            return error;
        }
        unopened(path, error)
    })
}

/// A path as a URI (SQLite documentation, "Uniform Resource Identifiers", 3.1).
fn file_uri(path: &str) -> String {
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}")
}

pub(super) fn detach_schema(connection: &Connection, schema: &str) -> Result<(), EngineError> {
    let sql = format!("detach {}", DIALECT.quoted(schema));
    connection.execute_batch(&sql).map_err(engine_error)
}

/// The error for a file that cannot be opened.
fn unopened(path: &str, error: EngineError) -> EngineError {
    let message = format!("cannot open {path}: {}", error.message);
    if error.kind == EngineErrorKind::Locked {
        return EngineError { message, ..error };
    }
    let mut out = EngineError::new(EngineErrorKind::Connection, message);
    let hint = if error.message.contains("readonly") {
        "the file, and the folder that it is in, have to be writable"
    } else {
        "is its folder there, and is the file a database of SQLite?"
    };
    out.hint = Some(hint.to_owned());
    out
}
