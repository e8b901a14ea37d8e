//! `run-operation`: calls a macro.

use super::compile::compiler;
use super::project::{Project, connect_alone, metadata, open, write};
use super::{CliError, Exit, Invocation};
use crate::compile::MacroCall;
use crate::config::JsonMap;
use crate::context::{Transactions, Unit};
use crate::diag::{Code, Diagnostic, nearest};
use crate::jinja::{MacroDef, from_json};
use crate::manifest::{NodeConfig, ResourceType};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, Timing};
use crate::run::Event;
use crate::state::write_run_results;
use minijinja::value::Value;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct OperationArgs {
    /// `macro`, or `package.macro`.
    pub(crate) name: String,
    pub(crate) args: JsonMap,
}

pub(crate) fn run_operation(inv: &mut Invocation, args: &OperationArgs) -> Exit {
    let started = inv.system.now();
    let project = open(inv)?;
    write(inv, project)?;
    let (package, def) = find(inv, project, &args.name)?;
    let (connection, _watch) = connect_alone(inv, project)?;
    let transactions = if connection.engine().adapter.commits_each_statement {
        Transactions::Maker
    } else {
        Transactions::Asked { open: false }
    };
    let call = MacroCall {
        def: &def,
        package: &package,
        unit: unit(&def),
        args: args.args.iter().map(|(name, value)| (name.as_str(), from_json(value))).collect(),
        span: def.span,
        transactions,
    };
    let begun = inv.system.now();
    let called = compiler(project, Vec::new()).call(call, Some(&connection));
    let ended = inv.system.now();
    for line in called.logs {
        inv.console.event(&Event::Log { line });
    }
    let warned = inv.warn(&called.warnings);
    let outcome = match called.value {
        Ok(_) => NodeOutcome { failures: Some(0), ..NodeOutcome::new(RunStatus::Success) },
        Err(d) => {
            inv.console.diagnostic(&d);
            NodeOutcome { failures: Some(1), ..NodeOutcome::error(*d, false) }
        }
    };
    let failed = outcome.status.is_failure();
    let seconds = ended.duration_since(begun).as_secs_f64();
    let result = RunResult {
        unique_id: def.unique_id.clone(),
        outcome,
        thread: "MainThread".to_owned(),
        seconds,
        timing: vec![
            Timing { name: "compile", started, completed: begun },
            Timing { name: "execute", started: begun, completed: ended },
        ],
        relation_name: None,
    };
    if inv.write_json {
        let folder = &project.manifest.project.target_path;
        write_run_results(
            inv.system.as_ref(),
            folder,
            &[result],
            seconds,
            &metadata(inv),
            &inv.load.scrubber,
        )?;
    }
    warned?;
    Ok(u8::from(failed))
}

/// The macro that a name means, and the package that its names are looked up in first: the one that
/// is written, else the root project.
fn find(
    inv: &mut Invocation,
    project: &Project,
    name: &str,
) -> Result<(Arc<str>, Arc<MacroDef>), CliError> {
    let registry = project.engine.registry();
    let root = &project.manifest.project.name;
    let (package, short, found) = match name.split_once('.') {
        Some((package, short)) => (Arc::from(package), short, registry.lookup_in(package, short)),
        None => (root.clone(), name, registry.lookup_anywhere(name)),
    };
    if let Some(def) = found {
        return Ok((package, def.clone()));
    }
    let within = if short == name { String::new() } else { format!(" in package `{package}`") };
    let d = Diagnostic::error(Code::UnknownMacro, format!("there is no macro `{short}`{within}"));
    let near = if !registry.is_package(&package) {
        Some(format!(
            "`{package}` is no package of this project; `strata deps` links those that are missing"
        ))
    } else {
        nearest(short, registry.names(&package)).map(|n| format!("did you mean `{n}`?"))
    };
    inv.console.diagnostic(&d.help_if(near, |text| text));
    Err(CliError::Reported)
}

/// What the macro's context knows of itself. `this` is not defined there.
fn unit(def: &MacroDef) -> Unit {
    Unit {
        unique_id: def.unique_id.clone(),
        name: def.name.clone(),
        kind: ResourceType::Operation,
        file: None,
        this: None,
        config: Arc::new(NodeConfig::default()),
        node: None,
        model: serde_json::json!({
            "name": &*def.name, "resource_type": "macro", "package_name": &*def.package, "unique_id": &*def.unique_id,
            "path": &*def.path, "original_file_path": &*def.path,
        }),
        compiled: None,
        extra: vec![("this", Value::UNDEFINED)],
    }
}
