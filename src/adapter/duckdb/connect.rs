//! Opens a DuckDB database for a target.

use super::DuckDb;
use super::errors::engine_error;
use crate::config::{Json, python_str};
use crate::engine::duckdb::{DIALECT, DuckDbOptions};
use crate::engine::{Dialect, EngineError, EngineErrorKind, Target, Warehouse};
use duckdb::{Config, Connection};
use std::sync::Arc;
use std::time::Duration;

/// Opens the database, attaches the databases that the profile lists, and prepares the statements
/// that each connection starts with.
pub(super) fn open_database(
    target: &Target,
    wait: Duration,
) -> Result<Box<dyn Warehouse>, EngineError> {
    let connection = open(target, wait)?;
    // Errors in JSON have positions; set this before any statement can fail.
    connection.execute_batch("set errors_as_json = true").map_err(engine_error)?;
    let profile: &DuckDbOptions = target.options()?;
    for (name, repository) in &profile.extensions {
        let from = repository.as_deref().map(|r| format!(" from {r}")).unwrap_or_default();
        let loaded = connection.execute_batch(&format!("load {name}"));
        if loaded.is_err() {
            connection.execute_batch(&format!("install {name}{from}; load {name}")).map_err(
                |e| {
                    let mut error = engine_error(e);
                    error.hint = Some(format!(
                        "the profile asks for the extension `{name}`, which DuckDB downloads"
                    ));
                    error
                },
            )?;
        }
    }
    for secret in &profile.secrets {
        let name = secret
            .iter()
            .find(|(k, _)| k == "name")
            .map(|(_, v)| python_str(v))
            .unwrap_or_default();
        let options = secret.iter().filter(|(k, _)| !matches!(k.as_str(), "name" | "persistent"));
        let options: Vec<String> = options.map(|(k, v)| format!("{k} {}", literal(v))).collect();
        let sql = format!("create or replace secret {name} ({})", options.join(", "));
        connection.execute_batch(&sql).map_err(|e| without_values(engine_error(e), secret))?;
    }
    for attach in &profile.attach {
        let mut options = Vec::new();
        if let Some(kind) = &attach.kind {
            options.push(format!("type {kind}"));
        }
        if attach.read_only {
            options.push("read_only".to_owned());
        }
        options.extend(attach.options.iter().map(|(k, v)| format!("{k} {}", literal(v))));
        let alias = attach
            .alias
            .as_deref()
            .map(|a| format!(" as {}", DIALECT.quoted(a)))
            .unwrap_or_default();
        let options =
            if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
        let sql =
            format!("attach if not exists {}{alias}{options}", Dialect::literal(&attach.path));
        connection.execute_batch(&sql).map_err(engine_error)?;
    }
    let mut session = vec!["set errors_as_json = true".to_owned()];
    let folder = profile.file_folder.iter();
    session.extend(folder.map(|f| format!("set file_search_path = {}", Dialect::literal(f))));
    session.extend(profile.settings.iter().map(|(k, v)| format!("set {k} = {}", literal(v))));
    // `database:` may name an attached database.
    session.push(format!("use {}", DIALECT.quoted(&target.database)));
    Ok(Box::new(DuckDb::new(connection, Arc::new(session))?))
}

/// A database in memory, which ends with its last connection.
pub(in crate::adapter) fn in_memory() -> Result<Box<dyn Warehouse>, EngineError> {
    let connection = Connection::open_in_memory().map_err(engine_error)?;
    Ok(Box::new(DuckDb::new(connection, Arc::new(vec!["set errors_as_json = true".to_owned()]))?))
}

fn open(target: &Target, wait: Duration) -> Result<Connection, EngineError> {
    const STEP: Duration = Duration::from_millis(200);
    let profile: &DuckDbOptions = target.options()?;
    let mut waited = Duration::ZERO;
    loop {
        let mut config = Config::default();
        // Both options are on by default. Nothing may be downloaded that the profile does not ask
        // for.
        for (key, value) in
            [("autoinstall_known_extensions", "false"), ("allow_community_extensions", "false")]
        {
            config = config.with(key, value).map_err(engine_error)?;
        }
        for (key, value) in &profile.config_options {
            config = config.with(key, python_str(value)).map_err(engine_error)?;
        }
        let opened = match profile.path.as_str() {
            "" | ":memory:" => Connection::open_in_memory_with_flags(config),
            path => Connection::open_with_flags(path, config),
        };
        match opened {
            Ok(connection) => return Ok(connection),
            Err(e) => {
                let mut error = engine_error(e);
                if error.kind == EngineErrorKind::Locked && waited < wait {
                    std::thread::sleep(STEP);
                    waited += STEP;
                    continue;
                }
                if error.kind == EngineErrorKind::Locked && !wait.is_zero() {
                    error.message =
                        format!("{}, still after {:.0} s", error.message, wait.as_secs_f64());
                    error.hint = Some("close it there, or wait longer".to_owned());
                }
                if error.kind != EngineErrorKind::Locked {
                    error.kind = EngineErrorKind::Connection;
                    error.message = format!("cannot open {}: {}", profile.path, error.message);
                    if error.message.contains("not a valid DuckDB database") {
                        error.hint = Some(
                            "the file is something else, or damaged: give another `path`, or move it away".to_owned(),
                        );
                    }
                }
                return Err(error);
            }
        }
    }
}

/// Masks the values of a secret in an error, because DuckDB quotes the rejected statement.
fn without_values(mut error: EngineError, secret: &[(String, Json)]) -> EngineError {
    let shown = ["name", "type", "provider", "scope"];
    for (_, value) in secret.iter().filter(|(key, _)| !shown.contains(&key.to_lowercase().as_str()))
    {
        let value = literal(value);
        error.message = error.message.replace(&value, "*****");
    }
    error
}

/// The value of a setting as SQL.
fn literal(value: &Json) -> String {
    match value {
        Json::String(s) => Dialect::literal(s),
        Json::Bool(b) => b.to_string(),
        Json::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let pairs: Vec<String> =
                map.iter().map(|(k, v)| format!("'{k}': {}", literal(v))).collect();
            format!("map {{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::duckdb::target_of_path;
    use crate::system::OsSystem;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "plays somebody who copies and moves files")]
    fn what_is_written_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.duckdb");
        let path = path.to_str().unwrap();
        let system = OsSystem::default();
        let target = target_of_path("t", path);
        let now = || target.connection.database_state(&system);
        assert_eq!(now(), None, "there is no file");
        let write = |sql: &str| {
            let mut w = open_database(&target, Duration::ZERO).unwrap();
            w.execute(&sql.into()).unwrap();
            w
        };
        drop(write("create table t as select 1 as a"));
        let first = now().unwrap();
        drop(write("select * from t"));
        assert_eq!(now(), Some(first.clone()), "reading writes nothing");
        let mut open = write("insert into t select 2");
        assert_eq!(now(), None, "the row is beside the file");
        open.checkpoint();
        let second = now().unwrap();
        assert_ne!(second, first);
        drop(open);
        assert_eq!(now(), Some(second.clone()), "closing writes nothing more");
        // An older copy that is put back counts as another file.
        let copy = folder.path().join("copy");
        std::fs::copy(path, &copy).unwrap();
        drop(write("update t set a = 3"));
        std::fs::rename(&copy, path).unwrap();
        assert!(now().is_some_and(|third| third != second));
        assert_eq!(target_of_path("t", ":memory:").connection.database_state(&system), None);
    }
}
