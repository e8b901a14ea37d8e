//! Checks that the configs of snapshots are complete.
//!
//! In: the enabled nodes. Out: an error for each snapshot that lacks what its strategy reads. Must
//! not know: what a snapshot does, or which columns its query has.
//!
//! Source: `SnapshotConfig.final_validate` of dbt 1.11, which runs at parse.

use crate::config::Json;
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Node, ResourceType};
use std::sync::Arc;

/// Reports snapshots that cannot run with their config.
pub(super) fn check_snapshots(nodes: &[Arc<Node>]) -> Vec<Diagnostic> {
    let snapshots = nodes.iter().filter(|node| node.resource_type() == ResourceType::Snapshot);
    snapshots.filter_map(|node| missing_config(node).or_else(|| unread_config(node))).collect()
}

/// The error for the first key that the strategy needs and the config lacks.
fn missing_config(node: &Node) -> Option<Diagnostic> {
    let needs: &[&str] = match node.config.text("strategy").as_deref() {
        Some("timestamp") => &["unique_key", "updated_at"],
        Some("check") => &["unique_key", "check_cols"],
        // A strategy of the project may need other keys, which are not known here.
        Some(_) => &["unique_key"],
        None => &["strategy", "unique_key"],
    };
    let key = needs.iter().find(|key| node.config.get(key).is_none_or(is_empty))?;
    let d =
        Diagnostic::error(Code::YamlShape, format!("the snapshot `{}` needs `{key}`", node.name));
    Some(d.primary(node.span, "").help(format!("add `{key}` to its config")))
}

/// The error for a `check_cols` that the strategy cannot use.
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

/// Whether a value is false in Python, which counts as not set.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(keys) => keys.is_empty(),
        _ => false,
    }
}
