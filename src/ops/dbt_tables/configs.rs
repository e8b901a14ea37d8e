//! Compares the sections `config` and `enabled` of `jinja.json`: the value of an expression used as
//! a config in the project file, in a properties file and in the model.

use super::{PROFILES, read_project, report, settings_of, share, table};
use crate::config::Json;
use crate::diag::Diagnostic;
use rayon::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// The value that a model's config has in the manifest, or the error.
fn answer(base: &Json, key: &str, case: &Json) -> Result<Json, String> {
    let text = case["text"].as_str().unwrap();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (path, content) in base.as_object().unwrap() {
        if let Some(content) = content.as_str() {
            files.insert(path.clone(), content.to_owned());
        }
    }
    files.insert("profiles.yml".to_owned(), PROFILES.to_owned());
    let nest = if key == "enabled" {
        json!({ "enabled": text })
    } else {
        json!({ "meta": { "a": text } })
    };
    let mut model = "select 1".to_owned();
    match case["where"].as_str().unwrap() {
        "project" => {
            let plus: serde_json::Map<String, Json> = nest
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (format!("+{k}"), v.clone()))
                .collect();
            let file = files.entry("dbt_project.yml".to_owned()).or_default();
            file.push_str(&format!("models: {}\n", json!({ "p": { "m": plus } })));
        }
        "yaml" => {
            let properties = json!({ "version": 2, "models": [{ "name": "m", "config": nest }] });
            files.insert("models/m.yml".to_owned(), properties.to_string());
        }
        _ if key == "enabled" => model = format!("{{{{ config(enabled={text}) }}}}select 1"),
        _ => model = format!("{{{{ config(meta={{'a': {text}}}) }}}}select 1"),
    }
    files.insert("models/m.sql".to_owned(), model);
    let mut settings = settings_of(&files);
    if let Some(vars) = case.get("vars").and_then(Json::as_object) {
        settings.load.vars = vars.clone();
    }
    let reading = read_project(settings);
    let error =
        reading.diagnostics.iter().find(|d| Diagnostic::is_error(d)).map(|d| d.message.clone());
    if let Some(error) = error {
        return Err(error);
    }
    let revision = reading.revision.ok_or("no project")?;
    let node = revision.manifest.get("model.p.m");
    if key == "enabled" {
        return Ok(Json::Bool(node.is_some()));
    }
    let config = node.map(|n| revision.manifest.node_json(n)).ok_or("no model")?;
    Ok(config["config"]["meta"].get("a").cloned().unwrap_or_default())
}

#[test]
fn values_of_configs_are_as_in_dbt() {
    let table = table("jinja.json");
    let known = super::table("configs-known.json");
    let cases: Vec<(&str, &Json)> = ["config", "enabled"]
        .into_iter()
        .flat_map(|key| table[key].as_array().unwrap().iter().map(move |case| (key, case)))
        .step_by(share())
        .collect();
    let told: Vec<(String, Json, Result<Json, String>)> = cases
        .par_iter()
        .map(|(key, case)| {
            let vars =
                case.get("vars").filter(|v| !v.is_null()).map(Json::to_string).unwrap_or_default();
            let name = format!(
                "{key}, {}: {} {vars}",
                case["where"].as_str().unwrap(),
                case["text"].as_str().unwrap()
            );
            (name.trim().to_owned(), case["result"].clone(), answer(&table["project"], key, case))
        })
        .collect();
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    for (name, expected, found) in told {
        let same = match &found {
            // An error object in place of a value: only that dbt failed is compared, not its
            // message.
            Err(_) => expected == "error",
            Ok(found) => expected != "error" && *found == expected,
        };
        match (same, known.get(&name)) {
            (false, None) => wrong.push(
                json!({ "case": name, "dbt": expected, "found": found.unwrap_or_else(|e| json!({ "error": e })) }),
            ),
            (true, Some(_)) => mended.push(name),
            _ => {}
        }
    }
    report(&wrong);
    assert!(wrong.is_empty(), "{} values are others, the first: {:#}", wrong.len(), wrong[0]);
    assert!(mended.is_empty(), "equal now, and to be taken from configs-known.json: {mended:#?}");
}
