//! `run-operation`: calls a macro.

use super::OpsError;
use crate::compile::MacroCall;
use crate::config::JsonMap;
use crate::context::{RenderSubject, TransactionControl};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::jinja::{MacroDef, from_json};
use crate::manifest::{NodeConfig, ResourceType};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, Timing};
use crate::workspace::{
    Notice, Notices, Revision, Workspace, WorkspaceError, tell_warnings, write_plain_manifest,
    write_results,
};
use minijinja::value::Value;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct OperationOptions {
    /// `macro` or `package.macro`.
    pub(crate) name: String,
    pub(crate) args: JsonMap,
}

pub(crate) struct OperationReport {
    pub(crate) has_failed: bool,
}

pub(crate) fn run_operation(
    workspace: &mut Workspace,
    options: &OperationOptions,
    notices: &mut Notices<'_>,
) -> Result<OperationReport, OpsError> {
    let system = workspace.settings().system.clone();
    let started = system.now();
    let revision = workspace.open(notices)?;
    write_plain_manifest(&revision)?;
    let (package, def) = find_macro(&revision, &options.name)?;
    let (connection, _watch) = revision.connect_alone(workspace.cancel_token())?;
    let transactions = match connection.engine().adapter.commits_each_statement {
        true => TransactionControl::Creator,
        false => TransactionControl::Session { open: false },
    };
    let args = options.args.iter();
    let call = MacroCall {
        def: &def,
        lookup_package: &package,
        subject: operation_subject(&def),
        args: args.map(|(name, value)| (name.as_str(), from_json(value))).collect(),
        span: def.span,
        transactions,
    };
    let begun = system.now();
    let called = revision.compiler(Vec::new()).call(call, Some(&connection));
    let ended = system.now();
    for line in called.logs {
        notices(Notice::log(line));
    }
    let warned = tell_warnings(&revision.settings, &called.warnings, notices);
    let outcome = match called.value {
        Ok(_) => NodeOutcome { failures: Some(0), ..NodeOutcome::new(RunStatus::Success) },
        Err(d) => {
            notices(Notice::Diagnostics(vec![(*d).clone()]));
            NodeOutcome { failures: Some(1), ..NodeOutcome::error(*d, false) }
        }
    };
    let has_failed = outcome.status.is_failure();
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
        title: None,
    };
    let folder = &revision.manifest.project.target_path;
    write_results(&revision.settings, folder, &[result], seconds)?;
    warned?;
    Ok(OperationReport { has_failed })
}

/// Finds the macro with this name. Also returns the package in which the names within the macro are
/// looked up first: the package that `name` gives, else the root project.
fn find_macro(revision: &Revision, name: &str) -> Result<(Arc<str>, Arc<MacroDef>), OpsError> {
    let registry = revision.renderer.registry();
    let root = &revision.manifest.project.name;
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
        nearest_name(short, registry.names(&package)).map(|n| format!("did you mean `{n}`?"))
    };
    Err(WorkspaceError::from(d.help_if(near, |text| text)).into())
}

/// Stands in for the node that a macro does not have. `this` is not defined.
fn operation_subject(def: &MacroDef) -> RenderSubject {
    RenderSubject {
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
        overrides: None,
        overload: None,
    }
}
