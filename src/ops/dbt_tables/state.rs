//! Compares `state.json`: what `state:` selects after one change to a project. Each row gives the
//! old or the new project as edits of a base project that has a node of every kind.

use super::{read_project, report, settings_of, share, table};
use crate::config::Json;
use crate::manifest::ResourceType;
use crate::select::{IndirectSelection, PreviousState, Selection, select_nodes};
use crate::system::MemorySystem;
use crate::workspace::Revision;
use crate::workspace::testing::written_manifest;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The kinds that are compared. The others, such as metrics and the Python functions of warehouses,
/// are not supported by Strata and have an issue of their own.
const KINDS: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Test,
    ResourceType::UnitTest,
    ResourceType::Source,
    ResourceType::Exposure,
];

const PARTS: &[&str] =
    &["body", "configs", "relation", "persisted_descriptions", "macros", "contract"];

type Files = BTreeMap<String, String>;

struct Side {
    revision: Arc<Revision>,
    manifest: Json,
}

/// The files of the base project with the edits of a case.
fn edited(base: &Files, edits: &Json) -> Files {
    let mut files = base.clone();
    for (path, edit) in edits.as_object().into_iter().flatten() {
        match edit {
            Json::Null => {
                files.remove(path);
            }
            Json::String(text) => {
                files.insert(path.clone(), text.clone());
            }
            Json::Array(replacements) => {
                for replacement in replacements {
                    let (old, new) =
                        (replacement[0].as_str().unwrap(), replacement[1].as_str().unwrap());
                    let text = files.get_mut(path).unwrap();
                    *text = text.replacen(old, new, 1);
                }
            }
            other => panic!("an edit that is no edit: {other}"),
        }
    }
    files
}

fn side(files: &Files, case: &Json, changed: bool) -> Option<Side> {
    let mut files = files.clone();
    let flag = case["flag"].as_bool().unwrap();
    for text in files.values_mut() {
        *text = text.replace("@FLAG@", if flag { "true" } else { "false" });
    }
    let mut settings = settings_of(&files);
    if changed {
        if let Some(vars) = case["vars"].as_object() {
            settings.load.vars = vars.clone();
        }
        if let Some(target) = case["target"].as_str() {
            settings.load.target = Some(target.to_owned());
        }
        if let Some(env) = case["env"].as_object() {
            let placed: Vec<(String, &str)> =
                files.iter().map(|(p, t)| (format!("/project/{p}"), t.as_str())).collect();
            let mut memory = MemorySystem::with_files(placed.iter().map(|(p, t)| (p.as_str(), *t)));
            env.iter().for_each(|(key, value)| memory.set_env(key, value.as_str().unwrap()));
            settings.system = Arc::new(memory);
        }
    }
    let revision = read_project(settings).revision?;
    let text = written_manifest(&revision.manifest);
    Some(Side { revision, manifest: serde_json::from_str(&text).unwrap() })
}

fn listed(new: &Side, old: &Side, criterion: &str) -> BTreeSet<String> {
    let previous = PreviousState::new(Some(&old.manifest), None);
    let selection = Selection {
        select: vec![criterion.to_owned()],
        indirect: IndirectSelection::Empty,
        ..Selection::default()
    };
    let set = select_nodes(&new.revision.manifest, &selection, &[], Some(&previous), KINDS).value;
    set.iter().map(|id| new.revision.manifest.node(id).unique_id.to_string()).collect()
}

/// The ids whose kind is compared.
fn wanted(ids: &Json) -> BTreeSet<String> {
    let known = |id: &str| {
        let kind = id.split('.').next().unwrap_or_default();
        matches!(kind, "model" | "seed" | "snapshot" | "test" | "unit_test" | "source" | "exposure")
    };
    ids.as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .filter(|id| known(id))
        .map(str::to_owned)
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, compared row by row")]
fn state_is_told_as_by_dbt() {
    let table = table("state.json");
    let known = super::table("state-known.json");
    let mut base = Files::new();
    for (path, text) in table["base"].as_object().unwrap() {
        base.insert(path.clone(), text.as_str().unwrap().to_owned());
    }
    let cases = table["cases"].as_array().unwrap();
    let mut edits_of: BTreeMap<&str, &Json> = BTreeMap::new();
    for case in cases {
        if case.get("edits").is_some() {
            edits_of.insert(case["name"].as_str().unwrap(), case);
        }
    }
    let (mut wrong, mut mended, mut right) = (Vec::new(), Vec::new(), 0);
    // For most cases the flag makes no difference.
    let plain: BTreeMap<(&str, &str), &Json> = (cases.iter().filter(|case| case["flag"] == false))
        .map(|case| ((case["name"].as_str().unwrap(), case["order"].as_str().unwrap()), case))
        .collect();
    let base_of =
        |flag: bool| side(&base, &serde_json::json!({ "flag": flag }), false).expect("the base");
    let unchanged = [base_of(false), base_of(true)];
    let mut by_name: BTreeMap<(&str, bool), Vec<&Json>> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.get("error").is_none()) {
        by_name
            .entry((case["name"].as_str().unwrap(), case["flag"] == true))
            .or_default()
            .push(case);
    }
    let taken: Vec<((&str, bool), Vec<&Json>)> = by_name.into_iter().step_by(share()).collect();
    let changed: Vec<Option<Side>> = taken
        .par_iter()
        .map(|((name, flag), cases)| {
            let mut whole = edits_of.get(name).copied().unwrap_or(cases[0]).clone();
            whole["flag"] = Json::Bool(*flag);
            side(&edited(&base, &whole["edits"]), &whole, true)
        })
        .collect();
    let pairs = taken
        .iter()
        .zip(&changed)
        .flat_map(|(((name, _), cases), side)| cases.iter().map(move |c| (*name, *c, side)));
    for (name, case, other) in pairs {
        let order = case["order"].as_str().unwrap();
        let expected = if case["same"] == true { plain[&(name, order)] } else { case };
        let Some(other) = other else {
            wrong.push(serde_json::json!({ "name": name, "what": "the project is refused" }));
            continue;
        };
        let unchanged = &unchanged[usize::from(case["flag"] == true)];
        let (new, old) = if order == "forth" { (other, unchanged) } else { (unchanged, other) };
        let mut different = BTreeMap::new();
        let mut check = |criterion: &str, expected: &Json| {
            if expected.is_string() {
                return;
            }
            let (here, there) = (listed(new, old, criterion), wanted(expected));
            if here != there {
                let more: Vec<&String> = here.difference(&there).collect();
                let less: Vec<&String> = there.difference(&here).collect();
                different.insert(
                    criterion.to_owned(),
                    serde_json::json!({ "more": more, "less": less }),
                );
            }
        };
        check("state:modified", &expected["modified"]);
        check("state:new", &expected["new"]);
        for part in PARTS {
            check(&format!("state:modified.{part}"), &expected["parts"][part]);
        }
        let flagged = if case["flag"] == true { ", flagged" } else { "" };
        let key = format!("{name}, {order}{flagged}");
        match (different.is_empty(), known.get(&key)) {
            (true, None) => right += 1,
            (true, Some(_)) => mended.push(key),
            (false, Some(_)) => {}
            (false, None) => wrong.push(serde_json::json!({ "name": key, "different": different })),
        }
    }
    report(&wrong);
    assert!(
        mended.is_empty(),
        "no longer different, to be taken out of state-known.json: {mended:#?}"
    );
    let first: Vec<&Json> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} of {} differ: {first:#?}", wrong.len(), wrong.len() + right);
}
