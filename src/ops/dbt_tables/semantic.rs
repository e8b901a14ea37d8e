//! Compares what `semantic.json` says of changes of a project with semantic models, metrics and
//! saved queries: whether dbt takes it, and what its manifests have.

use super::{PROFILES, read_project, report, settings_of, share, table};
use crate::config::{Json, JsonMap};
use crate::diag::Code;
use crate::manifest::{Manifest, NodeKind, ResourceType};
use crate::workspace::testing::semantic_manifest;
use rayon::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const LAYER: [(&str, ResourceType); 3] = [
    ("semantic_models", ResourceType::SemanticModel),
    ("metrics", ResourceType::Metric),
    ("saved_queries", ResourceType::SavedQuery),
];

fn files_of(table: &Json, case: &Json) -> BTreeMap<String, String> {
    let files = table["files"].as_object().unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let mut files: BTreeMap<String, String> =
        files.iter().map(|(path, content)| (path.clone(), text(content))).collect();
    files.insert("profiles.yml".to_owned(), PROFILES.replace(":memory:", "shop.duckdb"));
    match (&case["old"], &case["new"]) {
        (Json::String(old), Json::String(new)) if !old.is_empty() => {
            let every = table["every"].as_array().unwrap();
            let path = every.iter().map(text).find(|path| files[path].contains(old)).unwrap();
            let changed = files[&path].replace(old, new);
            files.insert(path, changed);
        }
        (old, new) => {
            let added = [old, new].into_iter().filter_map(Json::as_array);
            added.for_each(|file| drop(files.insert(text(&file[0]), text(&file[1]))));
        }
    }
    files
}

/// JSON without what differs from run to run.
fn strip(value: &mut Json) {
    match value {
        Json::Object(map) => {
            map.retain(|key, _| !matches!(key.as_str(), "created_at" | "dsi_package_version"));
            map.values_mut().for_each(strip);
        }
        Json::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn found_manifest(manifest: &Manifest) -> Json {
    let mut found = JsonMap::new();
    let mut disabled = JsonMap::new();
    let mut parents = JsonMap::new();
    for (section, kind) in LAYER {
        let nodes = manifest.nodes.iter().filter(|node| node.resource_type() == kind);
        let all = nodes.map(|n| (n.unique_id.to_string(), Json::Object(manifest.node_json(n))));
        found.insert(section.to_owned(), Json::Object(all.collect()));
        for node in manifest.disabled.iter().filter(|node| node.resource_type() == kind) {
            disabled
                .entry(node.unique_id.to_string())
                .or_insert_with(|| json!([]))
                .as_array_mut()
                .unwrap()
                .push(Json::Object(manifest.node_json(node)));
        }
    }
    let mut spines = JsonMap::new();
    for node in &manifest.nodes {
        if let NodeKind::Model { time_spine: Some(spine), .. } = &node.kind {
            spines.insert(node.unique_id.to_string(), spine.to_json());
        }
        if matches!(node.kind, NodeKind::Semantic(_) | NodeKind::Exposure(_)) {
            let mut ids: Vec<&str> =
                node.depends_on.iter().map(|id| &*manifest.node(*id).unique_id).collect();
            ids.sort_unstable();
            parents.insert(node.unique_id.to_string(), json!(ids));
        }
    }
    found.insert("spines".to_owned(), Json::Object(spines));
    found.insert("disabled".to_owned(), Json::Object(disabled));
    found.insert("parents".to_owned(), Json::Object(parents));
    Json::Object(found)
}

/// The sections of the unchanged project, with those of the case over them.
fn expected(base: &Json, change: &Json) -> Json {
    let mut all = base.clone();
    if change == base {
        return all;
    }
    for (section, value) in change.as_object().into_iter().flatten() {
        match (all[section].as_object_mut(), value.as_object()) {
            (Some(known), Some(own)) => {
                for (key, value) in own {
                    known.insert(key.clone(), value.clone());
                }
                known.retain(|key, value| !(value.is_null() && own.contains_key(key)));
            }
            _ => all[section] = value.clone(),
        }
    }
    all
}

/// Lists in the order of their names: dbt lists what a changed file defines at the end.
fn sort_resources(manifest: &mut Json) {
    for (section, _) in LAYER {
        if let Some(items) = manifest[section].as_array_mut() {
            items.sort_by_key(|item| item["name"].to_string());
        }
    }
}

fn compare(table: &Json, base: &Json, case: &Json) -> Option<Json> {
    let reading = read_project(settings_of(&files_of(table, case)));
    let errors: Vec<&str> =
        (reading.diagnostics.iter().filter(|d| d.is_error())).map(|d| d.message.as_str()).collect();
    let name = json!([case["old"], case["new"]]);
    if errors.is_empty() == case.get("error").is_some() {
        return Some(json!({ "case": name, "dbt": case, "found": errors }));
    }
    if !errors.is_empty() {
        return None;
    }
    let doubts = reading.diagnostics.iter().any(|d| d.code == Code::SemanticDoubt);
    let warned = case["warned"].as_array().unwrap().contains(&json!("SemanticValidationFailure"));
    if doubts != warned {
        return Some(json!({ "case": name, "doubts": doubts, "dbt": case["told"] }));
    }
    let manifest = &reading.revision.as_ref().unwrap().manifest;
    let wanted = expected(&base["manifest"], &case["manifest"]);
    let mut found = found_manifest(manifest);
    strip(&mut found);
    if let Some(difference) = differences("", &wanted, &found) {
        return Some(json!({ "case": name, "manifest": difference }));
    }
    let mut wanted = expected(&base["semantic_manifest"], &case["semantic_manifest"]);
    let mut found = semantic_manifest(manifest);
    strip(&mut found);
    sort_resources(&mut wanted);
    sort_resources(&mut found);
    let difference = differences("", &wanted, &found)?;
    Some(json!({ "case": name, "semantic_manifest": difference }))
}

/// The first place where two values differ, with both.
fn differences(path: &str, wanted: &Json, found: &Json) -> Option<Json> {
    match (wanted, found) {
        (Json::Object(a), Json::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            let missing = json!("no such key");
            keys.into_iter().find_map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&missing), b.get(key).unwrap_or(&missing));
                differences(&format!("{path}/{key}"), a, b)
            })
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(i, (a, b))| differences(&format!("{path}/{i}"), a, b))
        }
        (Json::Number(a), Json::Number(b)) if a.as_f64() == b.as_f64() => None,
        (a, b) if a == b => None,
        (a, b) => Some(json!({ "at": path, "dbt": a, "found": b })),
    }
}

#[test]
fn the_semantic_layer_is_as_in_dbt() {
    let table = table("semantic.json");
    let cases = table["cases"].as_array().unwrap();
    let known = super::table("semantic-known.json");
    let told: Vec<(String, Option<Json>)> = cases
        .par_iter()
        .step_by(if share() == 1 { 1 } else { 4 })
        .map(|case| {
            let name = format!("{} -> {}", case["old"], case["new"]);
            (name, compare(&table, &cases[0], case))
        })
        .collect();
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    for (name, difference) in told {
        match (difference, known.get(&name)) {
            (Some(difference), None) => wrong.push(difference),
            (None, Some(_)) => mended.push(name),
            _ => {}
        }
    }
    report(&wrong);
    assert!(wrong.is_empty(), "{} cases are others, the first: {:#}", wrong.len(), wrong[0]);
    assert!(mended.is_empty(), "equal now, and to be taken from semantic-known.json: {mended:#?}");
}
