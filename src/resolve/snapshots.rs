//! Snapshots whose config says too little to run them.
//!
//! In: the enabled nodes. Out: an error for each snapshot that lacks what its strategy reads. Must
//! not know: what a snapshot does, or which columns its query has.
//!
//! Source: `SnapshotConfig.final_validate` of dbt 1.11, which asks at parse.

use crate::config::Json;
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Node, ResourceType};
use std::sync::Arc;

/// Snapshots that cannot run with the config that they have.
pub(super) fn check_snapshots(nodes: &[Arc<Node>]) -> Vec<Diagnostic> {
    let snapshots = nodes.iter().filter(|node| node.resource_type() == ResourceType::Snapshot);
    snapshots.filter_map(|node| missing_config(node).or_else(|| unread_config(node))).collect()
}

/// The first key that the strategy needs and the config does not give.
fn missing_config(node: &Node) -> Option<Diagnostic> {
    let needs: &[&str] = match node.config.text("strategy").as_deref() {
        Some("timestamp") => &["unique_key", "updated_at"],
        Some("check") => &["unique_key", "check_cols"],
        // A strategy of the project's own knows what else it needs.
        Some(_) => &["unique_key"],
        None => &["strategy", "unique_key"],
    };
    let key = needs.iter().find(|key| node.config.get(key).is_none_or(is_empty))?;
    let d =
        Diagnostic::error(Code::YamlShape, format!("the snapshot `{}` needs `{key}`", node.name));
    Some(d.primary(node.span, "").help(format!("add `{key}` to its config")))
}

/// A `check_cols` that is not what the strategy reads.
fn unread_config(node: &Node) -> Option<Diagnostic> {
    let columns = node.config.get("check_cols").filter(|columns| !is_empty(columns))?;
    let message = match (node.config.text("strategy").as_deref(), columns.as_str()) {
        (Some("timestamp"), _) => {
            format!(
                "the snapshot `{}` compares by time and has `check_cols`, which nothing reads",
                node.name
            )
        }
        (Some("check"), Some(text)) if text != "all" => {
            format!("`check_cols` is `all` or a list, not `{text}`")
        }
        _ => return None,
    };
    let span = node.config.entry("check_cols").and_then(|entry| entry.span).unwrap_or(node.span);
    Some(Diagnostic::error(Code::YamlShape, message).primary(span, ""))
}

/// Whether Python takes the value for false: what is empty is not given.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(keys) => keys.is_empty(),
        _ => false,
    }
}
