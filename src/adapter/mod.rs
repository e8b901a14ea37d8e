//! Drivers: the only place that knows databases by name.
//!
//! In: a target. Out: `Warehouse`s. Must not know: nodes, plans, output. What differs between engines shows elsewhere
//! only as `Capabilities` and as the statements that macros write for them.

mod duckdb;

use crate::config::TargetOptions;
use crate::engine::{EngineError, EngineErrorKind, Warehouse};
use std::time::Duration;

/// Opens a target. `wait` is how long to wait for a lock that another process holds.
pub(crate) fn connect(target: &TargetOptions, wait: Duration) -> Result<Box<dyn Warehouse>, EngineError> {
    match &*target.adapter {
        "duckdb" => duckdb::connect(target, wait),
        other => {
            let mut e =
                EngineError::new(EngineErrorKind::Unsupported, format!("this version cannot connect to `{other}`"));
            e.hint = Some("targets of type duckdb can be built".to_owned());
            Err(e)
        }
    }
}

/// A line about the engine for `debug` and `--version`.
pub(crate) fn engine_version(warehouse: &mut dyn Warehouse) -> Result<String, EngineError> {
    let reply = warehouse.run(&"select version()".into(), crate::engine::Fetch::Rows(Some(1)))?;
    Ok(reply.table.and_then(|t| t.rows.first().and_then(|r| r.first()).map(|c| c.display())).unwrap_or_default())
}
