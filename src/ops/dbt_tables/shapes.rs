//! Compares `yaml.json`: the values that a key of a YAML file accepts. Each row is a project with
//! one file in which a value has another shape, and whether dbt could parse the project.

use super::{read_project, report, settings_of, share, table};
use crate::config::{Json, parse_yaml};
use crate::source::FileId;
use crate::workspace::testing::written_manifest;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The project files of a row.
fn files(table: &Json, case: &Json) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let set = case["with"].as_str().map(|name| &table["sets"][name]);
    for part in [Some(&table["base"]), set, Some(&case["other"])].into_iter().flatten() {
        for (path, text) in part.as_object().into_iter().flatten() {
            match text.as_str() {
                Some(text) => files.insert(path.clone(), text.to_owned()),
                None => files.remove(path),
            };
        }
    }
    if let (Some(path), Some(text)) =
        (case["file"].as_str().filter(|f| !f.starts_with("--")), case["text"].as_str())
    {
        files.insert(path.to_owned(), text.to_owned());
    }
    files
}

/// Whether a fact of the manifest is compared: relations, names, descriptions, versions,
/// dependencies, tags and configs.
fn is_compared(id: &str, key: &str) -> bool {
    let kind = id.split('.').next().unwrap_or_default();
    let own = [
        "alias",
        "database",
        "schema",
        "identifier",
        "description",
        "relation_name",
        "version",
        "latest_version",
    ];
    let known = own.contains(&key)
        || key == "depends_on.nodes"
        || key == "tags"
        || key.starts_with("config.");
    // A test is stored only on request, but dbt gives it a relation name regardless.
    let unasked = kind == "test" && key == "relation_name";
    matches!(kind, "model" | "seed" | "snapshot" | "test" | "source" | "exposure")
        && known
        && !unasked
}

/// The facts of a row that differ in Strata's manifest.
fn facts(case: &Json, manifest: &Json) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, facts) in case["facts"].as_object().into_iter().flatten() {
        let node =
            ["nodes", "sources", "exposures"].iter().find_map(|section| manifest[section].get(id));
        for (key, expected) in
            facts.as_object().into_iter().flatten().filter(|(key, _)| is_compared(id, key))
        {
            let Some(node) = node else {
                wrong.push(format!("{id} is not there"));
                break;
            };
            let found = key
                .split('.')
                .try_fold(node, |node, part| node.get(part))
                .cloned()
                .unwrap_or_default();
            if found != *expected {
                wrong.push(format!("{key} of {id}: {expected}, not {found}"));
            }
        }
    }
    wrong
}

/// The differing facts if the project parses, else the first error.
fn answer(table: &Json, case: &Json) -> Result<Vec<String>, String> {
    let mut settings = settings_of(&files(table, case));
    if case["file"] == "--vars" {
        let parsed = parse_yaml(FileId(0), case["text"].as_str().unwrap_or_default());
        match parsed.value.to_json() {
            Json::Object(vars) => settings.load.vars = vars,
            _ => return Err("no mapping".to_owned()),
        }
    }
    let reading = read_project(settings);
    let failed = reading.diagnostics.iter().find(|d| d.is_error());
    match (failed, &reading.revision) {
        (Some(d), _) => Err(format!("{}: {}", d.code, d.message)),
        (None, None) => Err("nothing is said".to_owned()),
        (None, Some(revision)) => {
            let manifest = written_manifest(&revision.manifest);
            Ok(facts(case, &serde_json::from_str(&manifest).unwrap()))
        }
    }
}

#[test]
fn shapes_are_taken_as_by_dbt() {
    let table = table("yaml.json");
    let known = super::table("yaml-known.json");
    let cases = table["cases"].as_array().unwrap();
    let cases: Vec<&Json> =
        cases.iter().filter(|c| c.get("command").is_none()).step_by(share()).collect();
    let answers: Vec<Result<Vec<String>, String>> =
        cases.par_iter().map(|case| answer(&table, case)).collect();
    let (mut wrong, mut mended) = (Vec::new(), Vec::new());
    let (mut other, mut equal) = (BTreeMap::new(), Vec::new());
    let known_facts = super::table("yaml-facts-known.json");
    for (case, answer) in cases.iter().zip(answers) {
        let name = case["name"].as_str().unwrap();
        let same = answer.is_ok() == (case["result"] == "ok");
        let text = &case["text"];
        let key = format!("{name}: {text}");
        let facts = answer.as_ref().map(Vec::as_slice).unwrap_or_default();
        match (facts.is_empty(), known_facts.get(&key)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => equal.push(key),
            (false, None) => {
                other.insert(key, facts.to_vec());
            }
        }
        let listed = known
            .get(name)
            .filter(|k| k["texts"].as_array().is_some_and(|texts| texts.contains(text)));
        match (same, listed) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => mended.push(format!("{name}: {text}")),
            (false, None) => wrong.push(serde_json::json!({
                "name": name, "file": case["file"], "text": case["text"], "dbt": case["message"], "here": answer.err(),
            })),
        }
    }
    if !other.is_empty() {
        report(&[serde_json::to_value(&other).unwrap()]);
    } else {
        report(&wrong);
    }
    assert!(
        mended.is_empty(),
        "no longer different, to be taken out of yaml-known.json: {mended:#?}"
    );
    let first: Vec<&Json> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} of {} differ: {first:#?}", wrong.len(), cases.len());
    let first: Vec<_> = other.iter().take(5).collect();
    assert!(other.is_empty(), "{} have other facts: {first:#?}", other.len());
    assert!(
        equal.is_empty(),
        "no longer different, to be taken out of yaml-facts-known.json: {equal:#?}"
    );
}
