//! `projects.json`: the minimal projects of the findings, each with a command and dbt's result.
//! `order.json`: the order in which dbt starts nodes on one thread.

use super::{compare, table};
use crate::project::Project;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One row in this many is compared; all with `STRATA_TABLES=all`, which `./test` sets.
fn share() -> usize {
    if std::env::var_os("STRATA_TABLES").is_some_and(|v| v == "all") { 1 } else { 10 }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn made(files: &[&Value]) -> Project {
    let project = Project::new(&[("dbt_project.yml", ""), ("profiles.yml", "")]);
    for (path, text) in files.iter().flat_map(|files| files.as_object().into_iter().flatten()) {
        match text.as_str() {
            Some(text) => project.write(path, text),
            None => project.remove(path),
        }
    }
    project
}

/// Runs a command without audits, which dbt does not have.
fn run(project: &Project, command: &[&str]) -> (i32, String) {
    let mut command = project.command(command);
    let output =
        command.args(["--profiles-dir", "."]).env("STRATA_NO_AUDIT", "true").output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn artifact(project: &Project, name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(project.path().join("target").join(name)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether nodes of this kind are compared. The others are not supported yet.
fn is_compared(id: &str) -> bool {
    let kind = id.split('.').next().unwrap_or_default();
    matches!(kind, "model" | "seed" | "snapshot" | "test" | "source" | "exposure")
}

fn results(project: &Project) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = artifact(project, "run_results.json");
    let list = found
        .as_ref()
        .and_then(|results| results["results"].as_array())
        .cloned()
        .unwrap_or_default();
    list.iter().map(|r| (text(&r["unique_id"]), text(&r["status"]))).collect()
}

/// Adds the differences in the nodes of the manifest.
fn nodes(expected: &Value, project: &Project, out: &mut Vec<String>) {
    let Some(expected) = expected.as_object() else { return };
    let manifest = artifact(project, "manifest.json").unwrap_or_default();
    let sections = ["nodes", "sources", "exposures"];
    let find = |id: &str| sections.iter().find_map(|section| manifest[section].get(id));
    for (id, facts) in expected.iter().filter(|(id, _)| is_compared(id)) {
        let Some(node) = find(id) else {
            out.push(format!("{id} is not there"));
            continue;
        };
        for key in ["alias", "schema", "database", "description", "identifier"] {
            let Some(value) = facts.get(key) else { continue };
            if node.get(key) != Some(value) {
                out.push(format!("{key} of {id}: {value}, not {}", node[key]));
            }
        }
        let parents: BTreeSet<&str> = texts(&facts["parents"]).into_iter().collect();
        let own: BTreeSet<&str> = texts(&node["depends_on"]["nodes"]).into_iter().collect();
        if parents != own {
            out.push(format!("parents of {id}: {parents:?}, not {own:?}"));
        }
    }
}

fn rows(facts: &Value, project: &Project, out: &mut Vec<String>) {
    let Some(queries) = facts["rows"].as_object() else { return };
    let database = duckdb::Connection::open(project.path().join("lab.duckdb")).unwrap();
    for (sql, expected) in queries {
        let cell = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        let line = |row: &Value| {
            row.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join("|")
        };
        let expected: Vec<String> = expected.as_array().into_iter().flatten().map(line).collect();
        let found =
            database.prepare(sql).map(|_| crate::project::rows(&database, sql)).unwrap_or_default();
        if found != expected {
            out.push(format!("{sql}: {expected:?}, not {found:?}"));
        }
    }
}

fn difference(case: &Value) -> Vec<String> {
    let project = made(&[&case["files"]]);
    for before in case["before"].as_array().into_iter().flatten() {
        run(&project, &texts(before));
    }
    let command = texts(&case["command"]);
    let (code, stdout) = run(&project, &command);
    let mut out = Vec::new();
    if i64::from(code) != case["exit"].as_i64().unwrap() {
        out.push(format!("exit code {}, not {code}", case["exit"]));
    }
    let facts = &case["facts"];
    if command[0] == "ls" {
        let id = |line: &str| {
            Some(serde_json::from_str::<Value>(line).ok()?["unique_id"].as_str()?.to_owned())
        };
        let listed: BTreeSet<String> = stdout.lines().filter_map(id).collect();
        let expected: BTreeSet<String> =
            texts(&facts["listed"]).into_iter().map(str::to_owned).collect();
        if listed != expected {
            out.push(format!("listed {expected:?}, not {listed:?}"));
        }
        return out;
    }
    if let Some(expected) = facts["results"].as_array() {
        let found = results(&project);
        for result in expected {
            let (id, status) = (result[0].as_str().unwrap(), result[1].as_str().unwrap());
            if is_compared(id) && found.get(id).is_none_or(|own| own != status) {
                out.push(format!("{id}: {status}, not {:?}", found.get(id)));
            }
        }
    }
    if code < 2 && facts.get("nodes").is_some() {
        nodes(&facts["nodes"], &project, &mut out);
    }
    rows(facts, &project, &mut out);
    out
}

/// Divides the work among a few threads, because the binary mostly waits for the disk.
fn on_threads<T: Sync>(
    work: &[T],
    one: &(dyn Fn(&T) -> Option<(String, String)> + Sync),
) -> BTreeMap<String, String> {
    std::thread::scope(|scope| {
        let parts = work.chunks(work.len().div_ceil(3).max(1));
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().filter_map(one).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn minimal_projects_end_as_in_dbt() {
    let table = table("projects.json");
    let known = super::table("projects-known.json");
    let cases: Vec<&Value> = table["cases"].as_array().unwrap().iter().step_by(share()).collect();
    let key = |case: &Value| {
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        format!("{} {}: {}", text("id"), text("name"), texts(&case["command"]).join(" "))
    };
    let looked_at: BTreeSet<String> = cases.iter().map(|case| key(case)).collect();
    let different = on_threads(&cases, &|case| {
        let found = difference(case);
        (!found.is_empty()).then(|| (key(case), found.join("; ")))
    });
    compare(different, &known, &|name| looked_at.contains(name));
}

fn difference_in_order(table: &Value, case: &Value) -> Vec<String> {
    let project = made(&[&table["base"], &table["projects"][case["project"].as_str().unwrap()]]);
    for before in case["before"].as_array().into_iter().flatten() {
        run(&project, &texts(before));
    }
    let (code, _) = run(&project, &[&texts(&case["command"])[..], &["--threads", "1"]].concat());
    let mut found = Vec::new();
    if i64::from(code) != case["exit"].as_i64().unwrap() {
        found.push(format!("exit code {}, not {code}", case["exit"]));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pairs = case["results"].as_array().unwrap().iter().map(|r| (text(&r[0]), text(&r[1])));
    let expected: BTreeMap<String, String> = pairs.filter(|(id, _)| is_compared(id)).collect();
    let own: BTreeMap<String, String> =
        results(&project).into_iter().filter(|(id, _)| is_compared(id)).collect();
    if own != expected {
        found.push(format!("results {expected:?}, not {own:?}"));
    } else if case.get("unstable").is_none() {
        // A skipped node has no start time.
        let ran =
            |id: &str| own.get(id).is_some_and(|status| status != "skipped" && status != "no-op");
        let expected: Vec<&str> = texts(&case["order"]).into_iter().filter(|id| ran(id)).collect();
        let order: Vec<String> = started(&project).into_iter().filter(|id| ran(id)).collect();
        if order != expected {
            found.push(format!("order {expected:?}, not {order:?}"));
        }
    }
    found
}

#[test]
fn nodes_start_in_the_order_of_dbt() {
    let table = table("order.json");
    let known = super::table("order-known.json");
    let all = table["runs"].as_array().unwrap().iter().enumerate();
    // `ls` starts no nodes, and `compile` uses all cores.
    let runs =
        all.filter(|(_, run)| !matches!(texts(&run["command"])[0], "ls" | "compile" | "retry"));
    let runs: Vec<(usize, &Value)> = runs.step_by(share()).collect();
    let key = |(i, run): &(usize, &Value)| {
        format!("{i} {}: {}", run["project"].as_str().unwrap(), texts(&run["command"]).join(" "))
    };
    let looked_at: BTreeSet<String> = runs.iter().map(&key).collect();
    let different = on_threads(&runs, &|numbered| {
        let found = difference_in_order(&table, numbered.1);
        (!found.is_empty()).then(|| (key(numbered), found.join("; ")))
    });
    compare(different, &known, &|name| looked_at.contains(name));
}

/// The nodes of the last run in the order in which they started.
fn started(project: &Project) -> Vec<String> {
    let results = artifact(project, "run_results.json").unwrap_or_default();
    let mut all: Vec<(String, String)> = Vec::new();
    for result in results["results"].as_array().into_iter().flatten() {
        let began = result["timing"]
            .as_array()
            .and_then(|t| t.first())
            .map(|t| t["started_at"].to_string());
        all.push((
            began.unwrap_or_default(),
            result["unique_id"].as_str().unwrap_or_default().to_owned(),
        ));
    }
    all.sort();
    all.into_iter().map(|(_, id)| id).collect()
}
