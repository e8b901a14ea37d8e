//! `debug`: checks everything that a build needs, step by step, and says what is wrong.

use super::{CliError, Exit, Invocation};
use crate::diag::Diagnostic;
use crate::load::load;
use crate::source::SourceMap;
use std::sync::Arc;

pub(crate) fn debug(inv: &mut Invocation) -> Exit {
    inv.console.out(&super::version_line());
    let (sources, map, diagnostics) = load(&inv.system, &inv.load, SourceMap::default())?;
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
    inv.console.out(&format!(
        "target:   {} of profile {} ({})",
        target.name, target.profile_name, target.adapter
    ));
    for (key, value) in &target.visible {
        if !matches!(key.as_str(), "type") && !value.is_null() {
            inv.console.out(&format!("            {key}: {}", crate::config::python_str(value)));
        }
    }
    inv.console.diagnostics(&diagnostics);
    if failed {
        return Ok(1);
    }
    for (name, found) in crate::adapter::diagnose(target, inv.patience) {
        match found {
            Ok(line) => inv.console.out(&format!("{:<9} {line}", format!("{name}:"))),
            Err(e) => {
                inv.console.out(&format!("{:<9} failed", format!("{name}:")));
                let error = CliError::from(e);
                // This is the check that the hint of other commands speaks of.
                let hints: Vec<String> =
                    error.hints().into_iter().filter(|h| !h.contains("strata debug")).collect();
                inv.console.failure(&error.to_string(), &hints);
                return Ok(1);
            }
        }
    }
    inv.console.out("all checks passed");
    Ok(0)
}
