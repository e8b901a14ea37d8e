//! The nodes that `ls` names: a line each.

use super::console::Console;
use crate::config::{Json, JsonMap};
use crate::manifest::{Manifest, Node, NodeKind};
use crate::ops::ListReport;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListOutput {
    #[default]
    Selector,
    Name,
    Path,
    Json,
}

/// What `--output json` prints by default.
const KEYS: &[&str] = &[
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// `keys` are those of `--output json`; none: the usual ones.
pub(crate) fn print_list(
    console: &Console,
    report: &ListReport,
    output: ListOutput,
    keys: &[String],
) {
    for node in report.nodes() {
        console.out(&match output {
            ListOutput::Selector => selector(node),
            ListOutput::Name => list_name(node),
            ListOutput::Path => node.original_file_path.to_string(),
            ListOutput::Json => list_json(report.manifest(), node, keys),
        });
    }
}

/// The selector that names a node and nothing else.
fn selector(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(s) => format!("source:{}.{}.{}", node.package, s.source_name, node.name),
        NodeKind::Exposure(_) => format!("exposure:{}.{}", node.package, node.name),
        NodeKind::Export(_) => format!("export:{}.{}", node.package, node.name),
        NodeKind::UnitTest(_) => format!("unit_test:{}.{}", node.package, node.name),
        NodeKind::Semantic(kind, _) => format!("{}:{}.{}", kind.as_str(), node.package, node.name),
        _ => node.fqn.iter().map(|p| &**p).collect::<Vec<_>>().join("."),
    }
}

fn list_name(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(s) => format!("{}.{}", s.source_name, node.name),
        _ => node.display_name(),
    }
}

/// An object of the keys that a node has; a key with dots leads into objects.
fn list_json(manifest: &Manifest, node: &Node, keys: &[String]) -> String {
    let json = Json::Object(manifest.node_json(node));
    let usual = KEYS.iter().copied().filter(|_| keys.is_empty());
    let mut out = JsonMap::new();
    for key in usual.chain(keys.iter().map(String::as_str)) {
        let found = key.split('.').try_fold(&json, |value, part| value.get(part));
        if let Some(value) = found {
            out.insert(key.to_owned(), value.clone());
        }
    }
    Json::Object(out).to_string()
}
