//! `ls`: which nodes a selection names.

use super::project::{choose, open};
use super::{Exit, Invocation};
use crate::config::{Json, JsonMap};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Manifest, Node, NodeKind, ResourceType};
use crate::select::Selection;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ListOutput {
    #[default]
    Selector,
    Name,
    Path,
    Json,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ListArgs {
    pub(crate) selection: Selection,
    pub(crate) output: ListOutput,
    pub(crate) keys: Vec<String>,
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

pub(crate) fn list(inv: &mut Invocation, args: &ListArgs) -> Exit {
    let project = open(inv)?;
    // Analyses are listed only when they are asked for, hooks never.
    let asked = !args.selection.resource_types.is_empty();
    let listed =
        |t: &ResourceType| *t != ResourceType::Operation && (asked || *t != ResourceType::Analysis);
    let types: Vec<ResourceType> = ResourceType::ALL.into_iter().filter(listed).collect();
    let selected = choose(inv, project, &args.selection, &types)?;
    let manifest = &project.manifest;
    let mut nodes: Vec<&Node> = selected.iter().map(|id| manifest.node(id)).collect();
    nodes.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    if nodes.is_empty() {
        inv.warn(&[Diagnostic::warning(Code::EmptySelection, "the selection matches no node")])?;
        return Ok(0);
    }
    for node in nodes {
        inv.console.out(&line(manifest, node, args));
    }
    Ok(0)
}

fn line(manifest: &Manifest, node: &Node, args: &ListArgs) -> String {
    match args.output {
        ListOutput::Selector => selector(node),
        ListOutput::Name => match &node.kind {
            NodeKind::Source(s) => format!("{}.{}", s.source_name, node.name),
            _ => node.display_name(),
        },
        ListOutput::Path => node.original_file_path.to_string(),
        ListOutput::Json => {
            let json = manifest.node_json(node);
            let default: Vec<String> = KEYS.iter().map(|k| (*k).to_owned()).collect();
            let keys = if args.keys.is_empty() { &default } else { &args.keys };
            let mut out = JsonMap::new();
            for key in keys {
                let found = key
                    .split('.')
                    .try_fold(Json::Object(json.clone()), |j, part| j.get(part).cloned());
                if let Some(value) = found {
                    out.insert(key.clone(), value);
                }
            }
            Json::Object(out).to_string()
        }
    }
}

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
