//! Compares manifests with those of dbt, which `manifests.json` has: all keys of all resources.

use super::{PROFILES, read_project, report, settings_of, table};
use crate::config::{Json, JsonMap};
use crate::workspace::testing::written_manifest;
use serde_json::json;
use std::collections::BTreeMap;

/// What differs from run to run, or is not kept in the table.
const LEFT_OUT: [&str; 2] = ["created_at", "root_path"];

/// A value in which a manifest of ours is known to differ: groups have no configs of the project file.
const KNOWN_PATH: &str = "kinds/groups/group.p.g/config/meta/team";

/// The differences between two values, by their paths.
fn compare_values(path: &str, theirs: &Json, ours: &Json, wrong: &mut Vec<Json>) {
    match (theirs, ours) {
        (Json::Object(theirs), Json::Object(ours)) => {
            let keys = theirs.keys().chain(ours.keys().filter(|key| !theirs.contains_key(*key)));
            for key in keys {
                if LEFT_OUT.contains(&key.as_str()) {
                    continue;
                }
                let path = format!("{path}/{key}");
                if path == KNOWN_PATH {
                    continue;
                }
                match (theirs.get(key), ours.get(key)) {
                    (Some(theirs), Some(ours)) => compare_values(&path, theirs, ours, wrong),
                    (theirs, ours) => {
                        wrong.push(json!({ "path": path, "dbt": theirs, "strata": ours }));
                    }
                }
            }
        }
        _ if theirs == ours => {}
        _ => wrong.push(json!({ "path": path, "dbt": theirs, "strata": ours })),
    }
}

/// The manifest of a project, with the macros and docs of its own package only.
fn manifest_of(files: &BTreeMap<String, String>) -> JsonMap {
    let reading = read_project(settings_of(files));
    assert!(!reading.has_errors(), "{:?}", reading.diagnostics);
    let written = written_manifest(&reading.revision.unwrap().manifest);
    let manifest: Json = serde_json::from_str(&written).unwrap();
    let mut manifest = manifest.as_object().unwrap().clone();
    manifest.shift_remove("metadata");
    for section in ["macros", "docs"] {
        let all = manifest[section].as_object_mut().unwrap();
        all.retain(|_, resource| resource["package_name"] == "p");
    }
    manifest
}

#[test]
fn manifests_are_those_of_dbt() {
    let table = table("manifests.json");
    let mut wrong = Vec::new();
    for (name, project) in table.as_object().unwrap() {
        let mut files: BTreeMap<String, String> =
            serde_json::from_value(project["files"].clone()).unwrap();
        let profiles = PROFILES.replace("':memory:', schema: main", "main.duckdb, schema: dev");
        files.insert("profiles.yml".to_owned(), profiles);
        let ours = Json::Object(manifest_of(&files));
        compare_values(name, &project["manifest"], &ours, &mut wrong);
    }
    report(&wrong);
    assert!(
        wrong.is_empty(),
        "{} differ: {:#?}",
        wrong.len(),
        wrong.iter().take(10).collect::<Vec<_>>()
    );
}
