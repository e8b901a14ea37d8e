//! Drivers: the only place that knows databases by name.
//!
//! In: a target. Out: `Warehouse`s. Must not know: nodes, plans, output. What differs between
//! engines shows elsewhere only as `Capabilities` and as the statements that macros write for them.

mod duckdb;
mod postgres;

use crate::config::TargetOptions;
use crate::engine::{
    Content, DatabaseState, EngineError, EngineErrorKind, Fetch, Patience, Warehouse,
};
use crate::system::System;

/// Opens a target.
pub(crate) fn connect(
    target: &TargetOptions,
    patience: Patience,
) -> Result<Box<dyn Warehouse>, EngineError> {
    match &*target.adapter {
        // A file that another process has open is most often open for long.
        "duckdb" => duckdb::connect(target, patience.lock.unwrap_or_default()),
        "postgres" => Ok(Box::new(postgres::connect(target, patience)?)),
        other => {
            let mut e = EngineError::new(
                EngineErrorKind::Unsupported,
                format!("this version cannot connect to `{other}`"),
            );
            e.hint = Some("targets of type duckdb and postgres can be built".to_owned());
            Err(e)
        }
    }
}

/// Whether several processes can use the database of a target at once.
pub(crate) fn is_shared(target: &TargetOptions) -> bool {
    &*target.adapter != "duckdb"
}

/// The state of a target's database, told without opening it. None: only the database itself can
/// tell.
pub(crate) fn untouched(system: &dyn System, target: &TargetOptions) -> Option<DatabaseState> {
    match &*target.adapter {
        "duckdb" => duckdb::state(system, target),
        _ => None,
    }
}

/// A database of its own in memory, to make files with.
pub(crate) fn scratch() -> Result<Box<dyn Warehouse>, EngineError> {
    duckdb::in_memory()
}

/// A step of a check with what was found.
pub(crate) type Step = (&'static str, Result<String, EngineError>);

/// Checks a target step by step; the first step that fails is the last.
pub(crate) fn diagnose(target: &TargetOptions, patience: Patience) -> Vec<Step> {
    match &*target.adapter {
        "postgres" => postgres::diagnose(target, patience),
        _ => vec![("database", connect(target, patience).and_then(|mut w| can_build(w.as_mut())))],
    }
}

/// Asks for the version, and looks whether relations can be made; nothing stays behind.
fn can_build(warehouse: &mut dyn Warehouse) -> Result<String, EngineError> {
    let reply = warehouse.run(&"select version()".into(), Fetch::Rows(Some(1)))?;
    let version =
        reply.table.and_then(|t| t.rows.first().and_then(|r| r.first()).map(|c| c.display()));
    warehouse.run(&"begin".into(), Fetch::Nothing)?;
    let made = warehouse.run(&"create schema strata_debug_check".into(), Fetch::Nothing);
    warehouse.run(&"rollback".into(), Fetch::Nothing)?;
    made?;
    let schemas = warehouse.schemas()?.len();
    Ok(format!(
        "connected, version {}, {schemas} schemas, relations can be made",
        version.unwrap_or_default()
    ))
}

/// The answer to a question for rows and their print.
fn content(rows: Vec<Vec<String>>) -> Content {
    let [count, fingerprint] =
        <[String; 2]>::try_from(rows.into_iter().next().unwrap_or_default()).unwrap_or_default();
    Content { rows: count.parse().unwrap_or(0), fingerprint }
}
