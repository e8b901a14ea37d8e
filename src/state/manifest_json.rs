//! Writes `manifest.json` v12, node by node, and `semantic_manifest.json` beside it.

use super::semantic_json::write_semantic_manifest;
use super::{ArtifactMetadata, time};
use crate::config::{Json, JsonMap};
use crate::hash::{Fingerprint, md5_hex};
use crate::manifest::{MacroInfo, Manifest, Node, NodeId, ResourceType, UniqueId, artifact_id};
use crate::source::SqlText;
use crate::system::{System, SystemError};
use camino::Utf8Path;
use rayon::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// The SQL of compiled nodes, with the path of its file, by unique id.
pub(crate) type CompiledCode = HashMap<UniqueId, (Arc<SqlText>, String)>;

pub(crate) fn write_manifest(
    system: &dyn System,
    folder: &Utf8Path,
    manifest: &Manifest,
    metadata: &ArtifactMetadata,
    compiled: &CompiledCode,
) -> Result<(), SystemError> {
    system.write_stream(&folder.join("manifest.json"), &mut |out| {
        write(out, manifest, metadata, compiled)
    })?;
    write_semantic_manifest(system, folder, manifest)?;
    write_own_facts(system, folder, metadata)
}

/// Our own facts about a folder's manifest, in a file beside it: dbt's manifest admits no keys but
/// its own.
const OWN_FACTS: &str = "strata.json";

/// The fingerprint of the inputs that a folder's manifest was made from. `None` if it is not known,
/// or if another program has written the manifest since.
pub(crate) fn manifest_inputs(system: &dyn System, folder: &Utf8Path) -> Option<Fingerprint> {
    let facts: Json = serde_json::from_str(&system.read(&folder.join(OWN_FACTS)).ok()?).ok()?;
    if facts.get("strata_build").and_then(Json::as_str) != Some(crate::BUILD) {
        return None;
    }
    let fact = |key: &str| facts.pointer(&format!("/manifest/{key}"))?.as_str();
    let mut head = Vec::new();
    system.open(&folder.join("manifest.json")).ok()?.take(1024).read_to_end(&mut head).ok()?;
    let written_by = format!("\"invocation_id\":\"{}\"", fact("invocation_id")?);
    let is_ours = String::from_utf8_lossy(&head).contains(&written_by);
    Fingerprint::from_hex(fact("inputs")?).filter(|_| is_ours)
}

fn write_own_facts(
    system: &dyn System,
    folder: &Utf8Path,
    metadata: &ArtifactMetadata,
) -> Result<(), SystemError> {
    let facts = json!({
        "strata_version": crate::VERSION,
        "strata_build": crate::BUILD,
        "manifest": {
            "invocation_id": metadata.invocation_id,
            "inputs": metadata.inputs.map(Fingerprint::hex),
        },
    });
    system.write_atomic(&folder.join(OWN_FACTS), format!("{facts}\n").as_bytes())
}

fn section(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::Source => "sources",
        ResourceType::Exposure | ResourceType::Export => "exposures",
        ResourceType::Metric => "metrics",
        ResourceType::SemanticModel => "semantic_models",
        ResourceType::SavedQuery => "saved_queries",
        ResourceType::UnitTest => "unit_tests",
        ResourceType::Function => "functions",
        _ => "nodes",
    }
}

fn write(
    out: &mut dyn Write,
    manifest: &Manifest,
    metadata: &ArtifactMetadata,
    compiled: &CompiledCode,
) -> io::Result<()> {
    out.write_all(b"{\"metadata\": ")?;
    out.write_all(metadata_json(manifest, metadata).to_string().as_bytes())?;
    for name in ["nodes", "sources"] {
        nodes(out, manifest, name, compiled)?;
    }
    entries(
        out,
        "macros",
        manifest.macros.iter().map(|m| (m.unique_id.to_string(), macro_json(m))),
    )?;
    let docs = manifest.docs.iter().map(|d| {
        let json = json!({
            "name": &*d.name, "resource_type": "doc", "package_name": &*d.package, "path": d.path,
            "original_file_path": d.original_file_path, "unique_id": &*d.unique_id, "block_contents": d.text,
        });
        (d.unique_id.to_string(), json)
    });
    entries(out, "docs", docs)?;
    nodes(out, manifest, "exposures", compiled)?;
    nodes(out, manifest, "metrics", compiled)?;
    let groups = manifest.groups.iter().map(|group| (group.unique_id(), group.to_json()));
    entries(out, "groups", groups)?;
    out.write_all(b",\n\"selectors\": ")?;
    serde_json::to_writer(&mut *out, &manifest.selectors)?;
    let mut disabled: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for node in &manifest.disabled {
        disabled
            .entry(artifact_id(&node.unique_id).into_owned())
            .or_default()
            .push(Json::Object(manifest.node_json(node)));
    }
    entries(out, "disabled", disabled.into_iter().map(|(k, v)| (k, Json::Array(v))))?;
    entries(out, "parent_map", linked_ids(manifest, false))?;
    entries(out, "child_map", linked_ids(manifest, true))?;
    let mut group_map: BTreeMap<String, Vec<Json>> =
        manifest.groups.iter().map(|g| (g.name.to_string(), Vec::new())).collect();
    for node in &manifest.nodes {
        let tested = node.generic_test().and_then(|test| test.attached);
        let grouped = tested.map_or(&**node, |id| manifest.node(id));
        if let Some(group) = grouped.config.text("group") {
            group_map.entry(group.into_owned()).or_default().push(Json::from(&*node.unique_id));
        }
    }
    entries(out, "group_map", group_map.into_iter().map(|(k, v)| (k, Json::Array(v))))?;
    for name in ["saved_queries", "semantic_models", "unit_tests", "functions"] {
        nodes(out, manifest, name, compiled)?;
    }
    out.write_all(b"}\n")
}

fn metadata_json(manifest: &Manifest, metadata: &ArtifactMetadata) -> Json {
    let project = &manifest.project;
    json!({
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
        "dbt_version": crate::DBT_VERSION,
        "generated_at": time(metadata.generated),
        "invocation_id": metadata.invocation_id,
        "invocation_started_at": time(metadata.started),
        "env": metadata.env,
        "project_name": &*project.name,
        "project_id": md5_hex(&project.name),
        "user_id": null,
        "send_anonymous_usage_stats": false,
        "adapter_type": &*project.target.adapter,
        "quoting": { "database": true, "schema": true, "identifier": true, "column": null },
        "run_started_at": time(metadata.started),
    })
}

/// The parents or the children of each node, as sorted ids. As in dbt, also of tests that have no
/// place in the graph.
fn linked_ids(manifest: &Manifest, children: bool) -> impl Iterator<Item = (String, Json)> {
    let mut unplaced_children: HashMap<NodeId, Vec<Cow<'_, str>>> = HashMap::new();
    for node in manifest.unplaced.iter().filter(|_| children) {
        for parent in &node.depends_on {
            unplaced_children.entry(*parent).or_default().push(artifact_id(&node.unique_id));
        }
    }
    let placed = manifest.nodes.iter().map(move |node| match children {
        true => {
            let mut ids = ids_of(manifest, &manifest.graph.children(node.id));
            ids.extend(unplaced_children.remove(&node.id).into_iter().flatten());
            (node, ids)
        }
        false => (node, ids_of(manifest, &node.depends_on)),
    });
    let unplaced = manifest.unplaced.iter().map(move |node| match children {
        true => (node, Vec::new()),
        false => (node, ids_of(manifest, &node.depends_on)),
    });
    placed.chain(unplaced).map(|(node, mut ids)| {
        ids.sort_unstable();
        let ids: Json = ids.iter().map(|id| Json::from(&**id)).collect();
        (artifact_id(&node.unique_id).into_owned(), ids)
    })
}

fn ids_of<'m>(manifest: &'m Manifest, nodes: &[NodeId]) -> Vec<Cow<'m, str>> {
    nodes.iter().map(|id| artifact_id(&manifest.node(*id).unique_id)).collect()
}

/// Writes one section of nodes. They are serialized in parallel, in batches, to limit memory.
fn nodes(
    out: &mut dyn Write,
    manifest: &Manifest,
    name: &str,
    compiled: &CompiledCode,
) -> io::Result<()> {
    const PIECE: usize = 512;
    let unplaced = manifest.unplaced.iter().map(|node| &**node);
    let all = manifest.all().map(|node| (node, true)).chain(unplaced.map(|node| (node, false)));
    let members: Vec<(&Node, bool)> =
        all.filter(|(node, _)| section(node.resource_type()) == name).collect();
    write!(out, ",\n\"{name}\": {{")?;
    let mut first = true;
    for piece in members.chunks(PIECE) {
        let texts: Vec<String> = piece
            .par_iter()
            .map(|(node, placed)| {
                let mut map = manifest.node_json(node);
                if let Some(config) = map.get_mut("config").filter(|_| !placed) {
                    config["enabled"] = Json::Bool(false);
                }
                // In dbt's manifest a unit test has its definition only.
                let is_unit_test = node.resource_type() == ResourceType::UnitTest;
                if let Some((sql, path)) = compiled.get(&node.unique_id).filter(|_| !is_unit_test) {
                    map.insert("compiled_path".into(), Json::from(path.as_str()));
                    map.insert("compiled".into(), Json::Bool(true));
                    map.insert("compiled_code".into(), Json::from(sql.as_str()));
                    map.insert("extra_ctes_injected".into(), Json::Bool(true));
                    map.insert("extra_ctes".into(), Json::Array(Vec::new()));
                }
                let json = serde_json::to_string(&map).unwrap_or_default();
                format!("{}: {}", Json::from(&*artifact_id(&node.unique_id)), json)
            })
            .collect();
        for text in texts {
            out.write_all(if first { b"\n" } else { b",\n" })?;
            first = false;
            out.write_all(text.as_bytes())?;
        }
    }
    out.write_all(b"}")
}

fn entries(
    out: &mut dyn Write,
    name: &str,
    pairs: impl Iterator<Item = (String, Json)>,
) -> io::Result<()> {
    write!(out, ",\n\"{name}\": {{")?;
    for (i, (key, value)) in pairs.enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        write!(out, "{}: {value}", Json::from(key))?;
    }
    out.write_all(b"}")
}

fn macro_json(m: &MacroInfo) -> Json {
    let mut map = JsonMap::new();
    map.insert("name".into(), Json::from(&*m.name));
    map.insert("resource_type".into(), Json::from("macro"));
    map.insert("package_name".into(), Json::from(&*m.package));
    map.insert("path".into(), Json::from(&*m.path));
    map.insert("original_file_path".into(), Json::from(&*m.original_file_path));
    map.insert("unique_id".into(), Json::from(&*m.unique_id));
    map.insert("macro_sql".into(), Json::from(&*m.sql));
    map.insert("depends_on".into(), json!({ "macros": m.depends_on }));
    map.insert("description".into(), Json::from(m.description.as_str()));
    map.insert("meta".into(), Json::Object(m.meta.clone()));
    map.insert("docs".into(), json!({ "show": true, "node_color": null }));
    map.insert(
        "config".into(),
        json!({ "meta": {}, "docs": { "show": true, "node_color": null } }),
    );
    map.insert("patch_path".into(), m.patch_path.as_deref().map_or(Json::Null, Json::from));
    map.insert("arguments".into(), m.arguments.clone());
    map.insert("created_at".into(), Json::from(0.0));
    let languages = Some(&m.languages).filter(|languages| !languages.is_empty());
    map.insert("supported_languages".into(), languages.map_or(Json::Null, |l| json!(l)));
    Json::Object(map)
}
