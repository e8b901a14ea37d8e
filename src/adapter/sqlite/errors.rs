//! SQLite's errors by their codes (SQLite documentation, "Result and Error Codes").

use crate::engine::{EngineError, EngineErrorKind};
use rusqlite::ErrorCode;

/// SQLITE_BUSY_SNAPSHOT: another transaction has written since this one started to read.
const BUSY_SNAPSHOT: i32 = 517;

pub(super) fn engine_error(e: rusqlite::Error) -> EngineError {
    match e {
        rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
            let mut out = of_code(&error, Some(&msg));
            out.position = usize::try_from(offset).ok().map(|at| (at, 1));
            out
        }
        rusqlite::Error::SqliteFailure(error, message) => of_code(&error, message.as_deref()),
        other => EngineError::new(EngineErrorKind::Runtime, other.to_string()),
    }
}

fn of_code(error: &rusqlite::ffi::Error, message: Option<&str>) -> EngineError {
    let text = message.map_or_else(|| error.to_string(), str::to_owned);
    let kind = match error.code {
        _ if error.extended_code == BUSY_SNAPSHOT => EngineErrorKind::Conflict,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => EngineErrorKind::Locked,
        ErrorCode::OperationInterrupted => EngineErrorKind::Cancelled,
        ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
            EngineErrorKind::Connection
        }
        // SQLITE_ERROR: the statement itself is wrong.
        ErrorCode::Unknown => EngineErrorKind::Sql,
        _ => EngineErrorKind::Runtime,
    };
    let mut out = EngineError::new(kind, &text);
    out.names_missing =
        text.starts_with("no such table: ") || text.starts_with("unknown database ");
    if let Some((_, schema)) = text.split_once(" cannot reference objects in database ") {
        out.message =
            format!("a view reads its own file alone, and the schema {schema} is another");
        out.hint = Some("materialized: table, or a schema for both: a schema is a file".to_owned());
    }
    if kind == EngineErrorKind::Locked {
        out.hint = Some(
            "another process writes to the file: wait for it with --lock-timeout SECONDS"
                .to_owned(),
        );
    }
    out
}

/// Whether a statement failed because it writes to a file that is attached for reading.
pub(super) fn is_read_only(e: &EngineError) -> bool {
    e.message == "attempt to write a readonly database"
}

/// The schema of a missing relation, or the missing schema itself; `None` for other errors.
pub(super) fn missing_schema(e: &EngineError) -> Option<&str> {
    if let Some(table) = e.message.strip_prefix("no such table: ")
        && let Some((schema, _)) = table.split_once('.')
    {
        return Some(schema);
    }
    e.message.strip_prefix("unknown database ").map(|name| name.trim_matches('"'))
}

/// An error of one of several statements, located in the whole text.
pub(super) fn with_offset(mut e: EngineError, offset: usize) -> EngineError {
    e.position = e.position.map(|(at, length)| (at + offset, length));
    e
}
