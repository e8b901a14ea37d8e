//! Finds out how a function is created, or why it cannot be.

use super::node::NodeRun;
use crate::diag::{Code, Diagnostic};
use crate::manifest::{FunctionKind, Node, NodeKind};
use crate::outcome::NodeError;

/// The macro that creates the node, if it is a function: that of its kind (`scalar_function_sql`) and
/// of the engine, which a project may define.
pub(super) fn find_creating_macro(run: &NodeRun<'_>) -> Result<Option<String>, NodeError> {
    let node = run.node;
    let (NodeKind::Function(function), Some(config)) = (&node.kind, node.typed.function()) else {
        return Ok(None);
    };
    if function.returns.is_none() {
        return Err(undescribed(node));
    }
    if !function.overloads.is_empty() && !run.engine().capabilities.has_overloads {
        return Err(without_overloads(run));
    }
    let name = format!("{}_function_sql", config.kind.name());
    let registry = run.shared.compiler.renderer.registry();
    let found = registry.dispatch(&node.package, &name, Some("dbt")).ok();
    // The macro that is not the engine's own writes the SQL of others.
    let found =
        found.filter(|def| run.engine().capabilities.has_functions || !registry.is_internal(def));
    match found {
        Some(def) => Ok(Some(def.name.to_string())),
        None => Err(unsupported(run, config.kind, &name)),
    }
}

fn undescribed(node: &Node) -> NodeError {
    let name = &node.name;
    let message = format!("nothing says what the function `{name}` returns");
    let d = Diagnostic::error(Code::YamlShape, message).primary(node.span, "");
    NodeError::lasting(d.help(format!(
        "describe it in a properties file: functions: [{{name: {name}, returns: {{data_type: int}}}}]"
    )))
}

fn without_overloads(run: &NodeRun<'_>) -> NodeError {
    let (name, engine) = (&run.node.name, run.engine().label);
    let message = format!("functions with overloads are not there on {engine} (`{name}`)");
    let d = Diagnostic::error(Code::Unsupported, message).primary(run.node.span, "");
    NodeError::lasting(d.help("give each a name of its own"))
}

fn unsupported(run: &NodeRun<'_>, kind: FunctionKind, name: &str) -> NodeError {
    let (node, engine) = (run.node, run.engine());
    let what = match engine.capabilities.has_functions {
        true => format!("functions of the type {}", kind.name()),
        false => "functions".to_owned(),
    };
    let message = format!("{what} are not there on {} (`{}`)", engine.label, node.name);
    let place = node.config.entry("type").and_then(|entry| entry.span).unwrap_or(node.span);
    let d = Diagnostic::error(Code::Unsupported, message).primary(place, "");
    NodeError::lasting(d.help(format!(
        "a macro `{}__{name}` of the project can create it; else leave it out: --exclude",
        engine.name
    )))
}
