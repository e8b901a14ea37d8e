//! Drivers: the only module that knows databases by name.
//!
//! In: a target. Out: `Warehouse`s. Must not know: nodes, plans, output. Elsewhere, engines differ
//! only by their `EngineSpec`s and by the statements that macros generate for them.

mod duckdb;
mod notes;
mod postgres;
mod sqlite;

use crate::engine::{
    Content, Dialect, EngineError, EngineErrorKind, EngineSpec, Relation, Target, WaitTimeouts,
    Warehouse, names_of_engines,
};

/// A connection, or the error that prevented it.
type Opened = Result<Box<dyn Warehouse>, EngineError>;

struct Driver {
    engine: &'static EngineSpec,
    connect: fn(&Target, WaitTimeouts) -> Opened,
    diagnose: fn(&Target, WaitTimeouts) -> Vec<CheckStep>,
}

/// All drivers. `engine::ENGINES` is the only other list of them.
static DRIVERS: [&Driver; 3] = [&duckdb::DRIVER, &postgres::DRIVER, &sqlite::DRIVER];

fn driver_of(target: &Target) -> Result<&'static Driver, EngineError> {
    DRIVERS.into_iter().find(|driver| driver.engine == target.engine).ok_or_else(|| {
        let message = format!("this version cannot connect to `{}`", target.adapter);
        let mut e = EngineError::new(EngineErrorKind::Unsupported, message);
        e.hint = Some(format!("targets of type {} can be built", names_of_engines().join(", ")));
        e
    })
}

pub(crate) fn connect(
    target: &Target,
    patience: WaitTimeouts,
) -> Result<Box<dyn Warehouse>, EngineError> {
    (driver_of(target)?.connect)(target, patience)
}

/// Opens a separate in-memory database, with which files are written.
pub(crate) fn open_scratch_database() -> Result<Box<dyn Warehouse>, EngineError> {
    duckdb::in_memory()
}

/// A step of a check: its name, and its finding or the error.
pub(crate) type CheckStep = (&'static str, Result<String, EngineError>);

/// Checks a target step by step, up to the first step that fails.
pub(crate) fn diagnose_target(target: &Target, patience: WaitTimeouts) -> Vec<CheckStep> {
    match driver_of(target) {
        Ok(driver) => (driver.diagnose)(target, patience),
        Err(e) => vec![("database", Err(e))],
    }
}

/// The check of an embedded engine, which is a single step.
fn diagnose_embedded(target: &Target, patience: WaitTimeouts) -> Vec<CheckStep> {
    let probe = "create schema strata_debug_check";
    vec![("database", connect(target, patience).and_then(|mut w| can_build(w.as_mut(), probe)))]
}

/// Returns the version, and runs a statement in a transaction to find out whether relations can be
/// created. The transaction is rolled back.
fn can_build(warehouse: &mut dyn Warehouse, probe: &str) -> Result<String, EngineError> {
    let version = warehouse.version()?;
    warehouse.begin()?;
    let made = warehouse.execute(&probe.into());
    warehouse.rollback()?;
    made?;
    let schemas = warehouse.list_schemas()?.len();
    let noun = if schemas == 1 { "schema" } else { "schemas" };
    Ok(format!("connected, version {version}, {schemas} {noun}, relations can be made"))
}

/// The query for `Warehouse::count_rows`.
fn count_of(relation: &Relation, conditions: &[String], dialect: Dialect) -> String {
    let counts: Vec<String> =
        conditions.iter().map(|c| format!("count(*) filter (where {c})")).collect();
    format!("select\n  {}\nfrom {}", counts.join(",\n  "), relation.render(dialect))
}

/// Parses the result of a query for the number of rows and their fingerprint.
fn content(rows: Vec<Vec<String>>) -> Content {
    let [count, fingerprint] =
        <[String; 2]>::try_from(rows.into_iter().next().unwrap_or_default()).unwrap_or_default();
    Content { rows: count.parse().unwrap_or(0), fingerprint }
}
