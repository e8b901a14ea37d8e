//! DuckDB's errors: JSON with a type, a message and, for errors in SQL, a position.

use crate::engine::{EngineError, EngineErrorKind};
use crate::system::command_line_of_process;

/// Classifies an error of the driver. Connections run with `errors_as_json`.
pub(super) fn engine_error(e: duckdb::Error) -> EngineError {
    let text = match e {
        duckdb::Error::DuckDBFailure(_, Some(text)) => text,
        other => other.to_string(),
    };
    let parsed = text
        .find('{')
        .and_then(|at| serde_json::from_str::<serde_json::Value>(text[at..].trim()).ok());
    let Some(json) = parsed else {
        let kind = if text.contains("INTERRUPT") {
            EngineErrorKind::Cancelled
        } else {
            EngineErrorKind::Runtime
        };
        return lock_error(&text).unwrap_or_else(|| EngineError::new(kind, text));
    };
    let exception = text_at(&json, "exception_type");
    let message = text_at(&json, "exception_message");
    let kind = match exception {
        "Parser" | "Binder" | "Catalog" | "Syntax" | "Not implemented" => EngineErrorKind::Sql,
        "Interrupt" | "INTERRUPT" => EngineErrorKind::Cancelled,
        "Connection" | "HTTP" => EngineErrorKind::Connection,
        _ => EngineErrorKind::Runtime,
    };
    // `location` is a text of the form "[byte offset, length]"; older errors have only `position`.
    let position = json
        .get("location")
        .and_then(serde_json::Value::as_str)
        .and_then(|l| serde_json::from_str::<Vec<usize>>(l).ok())
        .and_then(|l| Some((*l.first()?, l.get(1).copied().unwrap_or(1))))
        .or_else(|| text_at(&json, "position").parse().ok().map(|at| (at, 1)));
    let mut error = EngineError::new(kind, format!("{exception} Error: {}", message.trim()));
    error.position = position;
    error.names_missing = exception == "Catalog" && message.contains(" does not exist");
    lock_error(message).unwrap_or(error)
}

fn text_at<'a>(json: &'a serde_json::Value, key: &str) -> &'a str {
    json.get(key).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// The error for a database file that another process holds, naming that process. `None` if the
/// text is about something else.
fn lock_error(text: &str) -> Option<EngineError> {
    if !text.contains("Could not set lock on file") {
        return None;
    }
    let file = text.split('"').nth(1).unwrap_or("the database file");
    let pid = text
        .split("PID ")
        .nth(1)
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let holder = match pid
        .as_deref()
        .and_then(|p| p.parse().ok())
        .and_then(|p: u32| Some((p, command_line_of_process(p)?)))
    {
        Some((pid, command)) if !command.is_empty() => format!("process {pid} (`{command}`)"),
        Some((pid, _)) => format!("process {pid}"),
        None => pid.map_or_else(|| "another process".to_owned(), |p| format!("process {p}")),
    };
    let mut e = EngineError::new(EngineErrorKind::Locked, format!("{file} is in use by {holder}"));
    e.hint = Some("close it there, or wait for it with --lock-timeout SECONDS".to_owned());
    Some(e)
}
