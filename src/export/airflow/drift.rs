//! Finds the differences between a generated file and the current project.

use super::hash::{hash_dag, node_shape};
use super::tasks::{Dag, DagTask};
use crate::config::{AirflowOptions, Json};
use crate::manifest::Manifest;
use std::collections::{BTreeMap, BTreeSet};

/// The tasks of a file or of a project, by id.
type Tasks = BTreeMap<String, TaskEntry>;

/// The command of a task, the ids of its upstream tasks, and its nodes.
type TaskEntry = (String, BTreeSet<String>, BTreeSet<String>);

/// The maximum number of differences to list.
const MOST: usize = 8;

/// `None` if `expected` is the hash of the current graph. Otherwise the changes since the file was
/// written, as far as its text reveals them.
pub(crate) fn find_drift(
    manifest: &Manifest,
    dag: &Dag,
    options: &AirflowOptions,
    expected: &str,
    file: Option<&str>,
) -> Option<Vec<String>> {
    if hash_dag(manifest, dag, options) == expected {
        return None;
    }
    let now = of_project(manifest, dag);
    let Some(before) = file.and_then(of_file) else {
        return Some(vec![
            "the file that was generated cannot be read to say what changed".to_owned(),
        ]);
    };
    let mut out = differences(manifest, &before, &now);
    if out.is_empty() {
        out.push("the granularity, an asset or an option of `airflow:` is another one".to_owned());
    }
    if out.len() > MOST {
        let more = out.len() - MOST;
        out.truncate(MOST);
        out.push(format!("and {more} more"));
    }
    Some(out)
}

fn of_project(manifest: &Manifest, dag: &Dag) -> Tasks {
    dag.tasks.iter().map(|task| (task.id.clone(), task_entry(manifest, dag, task))).collect()
}

fn task_entry(manifest: &Manifest, dag: &Dag, task: &DagTask) -> TaskEntry {
    let upstream = task.upstream.iter().map(|n| dag.tasks[*n].id.clone()).collect();
    let nodes = task.nodes.iter().map(|id| manifest.node(*id).unique_id.to_string()).collect();
    (task.kind.as_str().to_owned(), upstream, nodes)
}

/// Reads the list of tasks from a file that `dag_file` wrote. The list is JSON, except for a
/// trailing comma.
fn of_file(text: &str) -> Option<Tasks> {
    let (_, rest) = text.split_once("\nTASKS = ")?;
    let (list, _) = rest.split_once("\n]\n")?;
    let rows: Json = serde_json::from_str(&format!("{}\n]", list.trim_end_matches(','))).ok()?;
    rows.as_array()?.iter().map(read_row).collect()
}

fn read_row(row: &Json) -> Option<(String, TaskEntry)> {
    let task = row.get("task").and_then(Json::as_str)?;
    let run = row.get("run").and_then(Json::as_str)?;
    let entry = (run.to_owned(), texts_at(row, "after"), texts_at(row, "nodes"));
    Some((task.to_owned(), entry))
}

fn texts_at(row: &Json, key: &str) -> BTreeSet<String> {
    let items = row.get(key).and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

fn differences(manifest: &Manifest, before: &Tasks, now: &Tasks) -> Vec<String> {
    let mut out = Vec::new();
    let (old_home, new_home) = (tasks_by_node(before), tasks_by_node(now));
    // A test whose arguments changed has another id, but is still the same test.
    let shapes: BTreeSet<String> = new_home
        .keys()
        .filter(|id| !old_home.contains_key(*id))
        .filter_map(|id| manifest.get(id))
        .filter(|n| n.generic_test().is_some())
        .map(|n| node_shape(manifest, n))
        .collect();
    let renamed_tests =
        old_home.keys().filter(|id| id.starts_with("test.") && !new_home.contains_key(*id)).count();
    for (id, task) in &new_home {
        match old_home.get(id) {
            None if id.starts_with("test.") && shapes.len() == renamed_tests => {}
            None => out.push(format!("`{id}` is new, in the task {task}")),
            Some(old) if old != task => {
                out.push(format!("`{id}` moved from the task {old} to {task}"))
            }
            Some(_) => {}
        }
    }
    for (id, task) in old_home.iter().filter(|(id, _)| !new_home.contains_key(*id)) {
        if !(id.starts_with("test.") && shapes.len() == renamed_tests) {
            out.push(format!("`{id}` of the task {task} is gone"));
        }
    }
    for (id, (kind, upstream, _)) in now {
        let Some((old_kind, old_upstream, _)) = before.get(id) else { continue };
        if kind != old_kind {
            out.push(format!("the task {id} runs `strata {kind}`, before `strata {old_kind}`"));
        }
        for new in upstream.difference(old_upstream) {
            out.push(format!("the task {id} now waits for {new}"));
        }
        for gone in old_upstream.difference(upstream) {
            out.push(format!("the task {id} waits for {gone} no more"));
        }
    }
    out
}

/// The id of the task of each node.
fn tasks_by_node(tasks: &Tasks) -> BTreeMap<String, String> {
    tasks
        .iter()
        .flat_map(|(id, (.., nodes))| nodes.iter().map(move |n| (n.clone(), id.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again() {
        let text = "x = 1\nTASKS = [\n    {\"task\": \"a.b\", \"run\": \"build\", \"nodes\": [\"m,]\"]},\n    {\n        \
                    \"task\": \"a.c\",\n        \"run\": \"test\",\n        \"after\": [\"a.b\"],\n        \"nodes\": \
                    [\n            \"t\"\n        ]\n    },\n]\ny = 2\n";
        let tasks = of_file(text).unwrap();
        assert_eq!(tasks["a.b"].2.iter().collect::<Vec<_>>(), ["m,]"]);
        assert_eq!(tasks["a.c"].0, "test");
        assert_eq!(of_file("TASKS = nothing"), None);
    }
}
