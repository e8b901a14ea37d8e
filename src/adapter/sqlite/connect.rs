//! Opening a file, and how every connection behaves.

use super::errors::engine_error;
use super::files::{FileAccess, Files, SchemaFile};
use super::{fingerprint, functions, literal};
use crate::engine::sqlite::DIALECT;
use crate::engine::{EngineError, EngineErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::time::Duration;

/// What holds for every connection: foreign keys are looked at before a commit, since tables are
/// replaced one after the other.
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
        // A name in double quotes that is no column would be a text, and a test of it would pass.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // A table that views read could not be renamed.
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

/// Between two attempts to change the mode of a file.
const STEP: Duration = Duration::from_millis(50);

/// Puts a file into the mode in which readers go on while one writes. The change needs the file alone
/// for a moment, and SQLite does not wait for that by itself.
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

/// Attaches a file, which is made if it is there to be written.
pub(super) fn attach_file(connection: &Connection, file: &SchemaFile) -> Result<(), EngineError> {
    let SchemaFile { schema, path, access } = file;
    let name = DIALECT.quoted(schema);
    let mode = match access {
        FileAccess::Read => "ro",
        FileAccess::Write => "rwc",
    };
    let address = literal(&format!("{}?mode={mode}", file_uri(path)));
    let mut sql = format!("attach {address} as {name}");
    // A transaction keeps the setting that it began with.
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

/// What is wrong with a file.
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
