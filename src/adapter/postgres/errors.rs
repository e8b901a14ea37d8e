//! Postgres' errors: a SQLSTATE, a message and, for errors in SQL, a position.
//! (PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".)

use crate::engine::{EngineError, EngineErrorKind};
use postgres::error::{DbError, ErrorPosition, SqlState};

pub(super) fn connection_error(message: impl Into<String>) -> EngineError {
    EngineError::new(EngineErrorKind::Connection, message)
}

/// Classifies an error of the driver; `sql` is the statement, needed for the position.
pub(super) fn engine_error(e: &postgres::Error, sql: &str) -> EngineError {
    match e.as_db_error() {
        Some(db) => db_error(db, sql),
        None => {
            let text = std::error::Error::source(e)
                .map_or_else(|| e.to_string(), |cause| format!("{e}: {cause}"));
            let lost = e.is_closed() || text.contains("communicating with the server");
            if !lost {
                return EngineError::new(EngineErrorKind::Runtime, text);
            }
            // rustls reports an unexpected end of the connection with a link to its documentation.
            let why = if text.contains("close_notify") {
                "the server closed it".to_owned()
            } else {
                text
            };
            connection_error(format!("the connection was lost: {why}"))
        }
    }
}

fn db_error(db: &DbError, sql: &str) -> EngineError {
    let code = db.code();
    let class = &code.code()[..2];
    let kind = if *code == SqlState::QUERY_CANCELED && !db.message().contains("timeout") {
        EngineErrorKind::Cancelled
    } else if *code == SqlState::LOCK_NOT_AVAILABLE {
        EngineErrorKind::Locked
    } else if class == "40" || is_replaced_meanwhile(db) {
        // Serialization failure or deadlock: the transaction can be retried.
        EngineErrorKind::Conflict
    } else if class == "08" || class == "57" && *code != SqlState::QUERY_CANCELED {
        // The server is shutting down or starting up, or an administrator ended the session.
        EngineErrorKind::Connection
    } else if class == "42"
        || class == "3D"
        || class == "3F"
        || *code == SqlState::FEATURE_NOT_SUPPORTED
    {
        EngineErrorKind::Sql
    } else {
        EngineErrorKind::Runtime
    };
    let mut error = EngineError::new(kind, format!("{} (SQLSTATE {})", db.message(), code.code()));
    error.code = Some(code.code().to_owned());
    error.names_missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code);
    for extra in [db.detail(), db.where_()].into_iter().flatten() {
        error.message.push('\n');
        error.message.push_str(extra.lines().next().unwrap_or_default());
    }
    error.position = match db.position() {
        Some(ErrorPosition::Original(at)) => byte_of(sql, *at as usize).map(|b| (b, 1)),
        _ => None,
    };
    error.hint = advice_of_functions(code)
        .or(db.hint().map(str::to_owned))
        .or_else(|| advice(code).filter(|_| kind != EngineErrorKind::Cancelled));
    error
}

/// Whether a statement met a relation that another session was just replacing; a retry will find
/// the new one. Postgres has no SQLSTATE for this.
fn is_replaced_meanwhile(db: &DbError) -> bool {
    let signs =
        ["could not open relation with OID", "cache lookup failed for", "tuple concurrently"];
    *db.code() == SqlState::INTERNAL_ERROR && signs.iter().any(|s| db.message().starts_with(s))
}

/// Advice where the server's own names a statement that a project has no place for.
fn advice_of_functions(code: &SqlState) -> Option<String> {
    let text = "--full-refresh drops a function that cannot be replaced; views that call it are in its way";
    (*code == SqlState::INVALID_FUNCTION_DEFINITION).then(|| text.to_owned())
}

/// Advice for errors to which the server adds none.
fn advice(code: &SqlState) -> Option<String> {
    let text = match *code {
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the right to the profile's user, or set `role` in the profile"
        }
        SqlState::DISK_FULL => "free space on the server's disk, then run again",
        SqlState::OUT_OF_MEMORY | SqlState::CONFIGURATION_LIMIT_EXCEEDED => {
            "run with fewer --threads"
        }
        SqlState::TOO_MANY_CONNECTIONS => "run with fewer --threads, or connect through a pooler",
        SqlState::QUERY_CANCELED => {
            "the server's statement_timeout ended it: raise it for this role, or make the model faster"
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check user and password in profiles.yml, PGPASSWORD and ~/.pgpass"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Converts Postgres' position, in characters from 1, to a byte offset.
fn byte_of(sql: &str, character: usize) -> Option<usize> {
    sql.char_indices().map(|(b, _)| b).chain([sql.len()]).nth(character.checked_sub(1)?)
}

/// Whether a `create ... if not exists` failed because another session created the object at the
/// same moment: the SQLSTATE of a unique violation, or of a duplicate schema, table or object.
pub(super) fn is_made_meanwhile(e: &EngineError) -> bool {
    matches!(e.code.as_deref(), Some("23505" | "42P06" | "42P07" | "42710"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters() {
        assert_eq!(byte_of("select 'é', x", 13), Some(13));
        assert_eq!(byte_of("ab", 3), Some(2));
        assert_eq!(byte_of("ab", 0), None);
    }
}
