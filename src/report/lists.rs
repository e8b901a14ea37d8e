//! Prints the nodes of `ls`, one per line.

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

/// The default keys of `--output json`.
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

/// Prints nodes. `keys` are those of `--output json`; empty: the default keys.
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

/// The selector that matches this node only.
fn selector(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(s) => format!("source:{}.{}.{}", node.package, s.source_name, node.name),
        NodeKind::Exposure(_) => format!("exposure:{}.{}", node.package, node.name),
        NodeKind::Export(_) => format!("export:{}.{}", node.package, node.name),
        NodeKind::UnitTest(_) => format!("unit_test:{}.{}", node.package, node.name),
        NodeKind::Semantic(_) => {
            format!("{}:{}.{}", node.resource_type().as_str(), node.package, node.name)
        }
        _ => node.fqn.iter().map(|p| &**p).collect::<Vec<_>>().join("."),
    }
}

fn list_name(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(s) => format!("{}.{}", s.source_name, node.name),
        NodeKind::UnitTest(test) => test.versioned_name(&node.name),
        _ => node.display_name(),
    }
}

/// The values of the given keys as a JSON object. Dots in a key address nested objects; missing
/// keys are left out.
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
