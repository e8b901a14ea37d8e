//! Warns of configs in project files that apply to no node.

use crate::config::{ProjectOptions, Yaml, YamlMap};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::hash::FastSet;
use crate::load::LoadedProject;
use crate::manifest::{Node, ResourceType};
use crate::parse::{folders, sections};
use rayon::prelude::*;
use std::sync::Arc;

/// Warns of each folder in the root project's file that contains no node.
pub(super) fn warn_unused_configs(
    sources: &LoadedProject,
    nodes: &[&[Arc<Node>]],
    out: &mut Vec<Diagnostic>,
) {
    let options = &sources.root().options;
    let all = nodes.par_iter().flat_map(|nodes| nodes.par_iter());
    let used = all
        .fold(FastSet::default, |used, node| mark_used(used, node, options))
        .reduce(FastSet::default, join_sets);
    for (section, tree) in &options.sections {
        if let Some(map) = tree.as_map() {
            walk(section, map, &mut Vec::new(), &used, out);
        }
    }
}

/// Adds the addresses of the folders that a node is in.
fn mark_used(mut used: FastSet<usize>, node: &Node, options: &ProjectOptions) -> FastSet<usize> {
    if node.resource_type() == ResourceType::Operation {
        return used;
    }
    for section in sections(node.resource_type()) {
        let tree = options.section(section).and_then(Yaml::as_map);
        used.extend(folders(tree, &node.fqn).skip(1).map(|map| std::ptr::from_ref(map).addr()));
    }
    used
}

fn join_sets(mut a: FastSet<usize>, b: FastSet<usize>) -> FastSet<usize> {
    a.extend(b);
    a
}

fn walk(
    section: &'static str,
    map: &YamlMap,
    path: &mut Vec<Arc<str>>,
    used: &FastSet<usize>,
    out: &mut Vec<Diagnostic>,
) {
    for (key, value) in map.iter() {
        let Some(inner) = value.as_map().filter(|_| !key.text.starts_with('+')) else { continue };
        path.push(key.text.clone());
        if used.contains(&std::ptr::from_ref(inner).addr()) {
            walk(section, inner, path, used, out);
        } else {
            let shown = path.iter().map(|p| &**p).collect::<Vec<_>>().join(".");
            let config = matches!(
                &*key.text,
                "meta"
                    | "grants"
                    | "persist_docs"
                    | "quoting"
                    | "docs"
                    | "contract"
                    | "column_types"
            );
            let d = Diagnostic::dbt_warning(
                Code::UnusedConfig,
                DbtEvent::UnusedResourceConfigPath,
                format!("`{section}.{shown}` in the project file applies to nothing"),
            )
            .primary(key.span, "no node is in this folder");
            out.push(if config {
                d.help(format!("to set the config, write `+{}:`", key.text))
            } else {
                d
            });
        }
        path.pop();
    }
}
