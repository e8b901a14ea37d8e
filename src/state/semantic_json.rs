//! Writes `semantic_manifest.json`, from which dbt's MetricFlow makes queries.

use crate::config::Json;
use crate::manifest::{FoundNode, Manifest, NodeKind, ResourceType};
use crate::system::{System, SystemError};
use camino::Utf8Path;
use serde_json::json;

/// The model that is a time spine of days by its name.
const LEGACY_SPINE: &str = "metricflow_time_spine";

pub(super) fn write_semantic_manifest(
    system: &dyn System,
    folder: &Utf8Path,
    manifest: &Manifest,
) -> Result<(), SystemError> {
    let text = semantic_manifest(manifest).to_string();
    system.write_stream(&folder.join("semantic_manifest.json"), &mut |out| {
        out.write_all(text.as_bytes())
    })
}

fn semantic_manifest(manifest: &Manifest) -> Json {
    let spines = manifest.all().filter_map(|node| match &node.kind {
        NodeKind::Model { time_spine: Some(spine), .. } => {
            Some(manifest.time_spine_json(node, spine))
        }
        _ => None,
    });
    let spines: Vec<Json> = spines.collect();
    let models = resources(manifest, ResourceType::SemanticModel);
    let legacy = if models.is_empty() { None } else { legacy_spine(manifest) };
    json!({
        "semantic_models": models,
        "metrics": resources(manifest, ResourceType::Metric),
        "project_configuration": {
            "time_spine_table_configurations": Vec::from_iter(legacy),
            "metadata": null,
            // The version of the package whose form this is.
            "dsi_package_version": { "major_version": "0", "minor_version": "9", "patch_version": "0" },
            "time_spines": spines,
        },
        "saved_queries": resources(manifest, ResourceType::SavedQuery),
    })
}

fn resources(manifest: &Manifest, kind: ResourceType) -> Vec<Json> {
    let nodes = manifest.all().filter(|node| node.resource_type() == kind);
    let items = nodes.filter_map(|node| match &node.kind {
        NodeKind::Semantic(item) => Some(manifest.semantic_layer_json(node, item)),
        _ => None,
    });
    items.collect()
}

fn legacy_spine(manifest: &Manifest) -> Option<Json> {
    let found = manifest.lookup.find_ref(None, LEGACY_SPINE, None, &manifest.project.name);
    let FoundNode::Node(id) = found else { return None };
    let node = manifest.node(id);
    if matches!(node.kind, NodeKind::Model { time_spine: Some(_), .. }) {
        return None;
    }
    let relation = node.relation.as_ref()?;
    Some(json!({
        "location": relation.render(manifest.project.dialect), "column_name": "date_day",
        "grain": "day",
    }))
}
