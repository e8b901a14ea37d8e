//! `debug`: checks everything that a build needs, step by step, and says what is wrong.

use super::{CliError, Exit, Invocation};
use crate::diag::Diagnostic;
use crate::load::load;
use std::sync::Arc;

pub(crate) fn debug(inv: &mut Invocation) -> Exit {
    inv.console.out(&super::version_line());
    let (sources, map, diagnostics) = load(&inv.system, &inv.load)?;
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    let Some(mut sources) = sources else {
        inv.console.set_map(Arc::new(map));
        inv.console.out("project and profile: not usable");
        inv.console.diagnostics(&diagnostics);
        return Ok(1);
    };
    inv.console.set_map(Arc::new(std::mem::take(&mut sources.map)));
    let root = &sources.root().root;
    inv.console.out(&format!("project:  {} in {root}", sources.root().name()));
    match &sources.profiles_path {
        Some(path) => inv.console.out(&format!("profiles: {path}")),
        None => inv.console.out("profiles: none found, the default target is used"),
    }
    let target = &sources.target;
    inv.console.out(&format!("target:   {} of profile {} ({})", target.name, target.profile_name, target.adapter));
    for (key, value) in &target.visible {
        if !matches!(key.as_str(), "type") && !value.is_null() {
            inv.console.out(&format!("            {key}: {}", crate::config::python_str(value)));
        }
    }
    inv.console.diagnostics(&diagnostics);
    if failed {
        return Ok(1);
    }
    match check(inv, target) {
        Ok(line) => {
            inv.console.out(&format!("database: {line}"));
            inv.console.out("all checks passed");
            Ok(0)
        }
        Err(e) => {
            inv.console.failure(&e.to_string(), &e.hints());
            Ok(1)
        }
    }
}

/// Connects, asks for the version, and looks whether relations can be made.
fn check(inv: &Invocation, target: &crate::config::TargetOptions) -> Result<String, CliError> {
    let mut warehouse = crate::adapter::connect(target, inv.lock_timeout)?;
    let version = crate::adapter::engine_version(warehouse.as_mut())?;
    let run = |w: &mut dyn crate::engine::Warehouse, sql: &str| w.run(&sql.into(), crate::engine::Fetch::Nothing);
    run(warehouse.as_mut(), "begin")?;
    let made = run(warehouse.as_mut(), "create schema strata_debug_check");
    run(warehouse.as_mut(), "rollback")?;
    made?;
    let schemas = warehouse.schemas()?.len();
    Ok(format!("connected, version {version}, {schemas} schemas, relations can be made"))
}
