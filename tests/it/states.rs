//! Work with the artifacts of another state or of an earlier run: `--defer`, `clone`, `retry`.

use crate::project::Project;

const A: (&str, &str) = ("models/a.sql", "{{ config(materialized='table') }} select 1 as id");
const B: (&str, &str) =
    ("models/b.sql", "select id, '{{ target.schema }}' as built_in from {{ ref('a') }}");
const C: (&str, &str) = ("models/c.sql", "select * from {{ ref('b') }}");
const TARGETS: (&str, &str) = (
    "profiles.yml",
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: dev}, prod: {type: duckdb, path: shop.duckdb, schema: prod}}}",
);

/// A project that is built in `prod`, with that state in `prod/`.
fn with_production(files: &[(&str, &str)]) -> Project {
    let p = Project::new(&[files, &[TARGETS]].concat());
    p.ok(&["build", "--target", "prod"]);
    p.write("prod/manifest.json", &p.read("target/manifest.json"));
    p
}

#[test]
fn what_is_not_there_is_read_from_the_state_that_is_deferred_to() {
    let p = with_production(&[A, B, C]);
    let out = p.run(&["build", "-s", "c"]);
    assert_eq!(out.code, 1, "there is no dev.b");
    p.ok(&["build", "-s", "c", "--defer", "--state", "prod"]);
    assert_eq!(p.rows("select built_in from dev.c"), ["prod"]);
    // What is there is read here, unless the other state is favored.
    p.ok(&["build", "-s", "a", "b"]);
    p.ok(&["build", "-s", "c", "--defer", "--state", "prod"]);
    assert_eq!(p.rows("select built_in from dev.c"), ["dev"]);
    p.ok(&["build", "-s", "c", "--defer", "--favor-state", "--defer-state", "prod"]);
    assert_eq!(p.rows("select built_in from dev.c"), ["prod"]);
    // A node that is built in the same run is read here in any case.
    p.ok(&["build", "-s", "b", "c", "--defer", "--favor-state", "--state", "prod"]);
    assert_eq!(p.rows("select built_in from dev.c"), ["dev"]);
}

#[test]
fn compile_show_and_tests_defer_too() {
    let test = (
        "models/p.yml",
        "models: [{name: b, columns: [{name: id, data_tests: [{relationships: {arguments: {to: ref('a'), field: id}}}]}]}]
unit_tests: [{name: u, model: c, given: [{input: ref('b'), rows: [{id: 7}]}], expect: {rows: [{id: 7}]}}]",
    );
    let p = with_production(&[A, B, C, test]);
    let out = p.ok(&["compile", "-s", "c", "--defer", "--state", "prod"]);
    assert!(out.out.contains("\"prod\".\"b\""), "{}", out.out);
    let out = p.ok(&[
        "compile",
        "--inline",
        "select * from {{ ref('b') }}",
        "--defer",
        "--state",
        "prod",
    ]);
    assert!(out.out.contains("\"prod\".\"b\""), "{}", out.out);
    let out = p.ok(&["show", "-s", "c", "--defer", "--state", "prod", "--output", "json"]);
    assert!(out.out.contains("\"built_in\": \"prod\""), "{}", out.out);
    p.ok(&["test", "--defer", "--state", "prod"]);
    p.ok(&["build", "-s", "b", "--defer", "--state", "prod"]);
    assert_eq!(p.rows("select count(*) from dev.b"), ["1"]);
}

#[test]
fn deferring_needs_a_state() {
    let p = Project::new(&[A]);
    let out = p.run(&["run", "--defer"]);
    assert_eq!(out.code, 2);
    assert!(out.err.contains("--defer-state DIR"), "{}", out.err);
    let out = p.run(&["run", "--defer", "--state", "gone"]);
    assert!(out.err.contains("gone has no manifest.json"), "{}", out.err);
}

#[test]
fn a_clone_is_a_view_of_the_other_state() {
    let new = ("models/new.sql", "select 1 as id");
    let p = with_production(&[A, B, C]);
    p.write(new.0, new.1);
    let out = p.ok(&["clone", "--state", "prod"]);
    assert!(out.out.contains("`model.shop.new` has no relation in the state"), "{}", out.out);
    let kinds = "select table_name, table_type from information_schema.tables where table_schema = 'dev' order by 1";
    assert_eq!(p.rows(kinds), ["a|VIEW", "b|VIEW", "c|VIEW"]);
    assert_eq!(p.rows("select built_in from dev.c"), ["prod"]);
    p.ok(&["build", "-s", "a"]);
    let out = p.ok(&["clone", "--state", "prod", "-s", "a"]);
    assert!(out.out.contains("dev.a is there already"), "{}", out.out);
    assert_eq!(p.rows(kinds)[0], "a|BASE TABLE");
    p.ok(&["clone", "--state", "prod", "-s", "a", "--full-refresh"]);
    assert_eq!(p.rows(kinds)[0], "a|VIEW");
    assert_eq!(p.run(&["clone"]).code, 2, "there is no state");
}

#[test]
fn a_retry_repeats_what_did_not_succeed_with_the_arguments_of_then() {
    let p = Project::new(&[
        A,
        (
            "models/b.sql",
            "select id / (select max(n) from {{ source('raw', 't') }}) as id, {{ var('x') }} as x from {{ ref('a') }}",
        ),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        ("models/d.sql", "select 1 as id"),
        (
            "models/p.yml",
            "sources: [{name: raw, schema: main, tables: [{name: t}]}]
models: [{name: b, columns: [{name: x, data_tests: [not_null]}]}]",
        ),
    ]);
    assert_eq!(p.run(&["retry"]).code, 2, "there is no earlier run");
    assert_eq!(p.run(&["build", "-s", "+c", "--vars", "{x: 5}"]).code, 1);
    p.database().execute_batch("create table t as select 1 as n").unwrap();
    let out = p.ok(&["retry"]);
    let done: Vec<String> = p.statuses().into_iter().map(|(id, _)| id).collect();
    assert_eq!(done.len(), 3, "{done:?}: {}", out.out);
    assert!(
        !done.contains(&"model.shop.a".to_owned()) && !done.contains(&"model.shop.d".to_owned())
    );
    assert_eq!(p.rows("select x from c"), ["5"]);
    let out = p.ok(&["retry"]);
    assert!(out.out.contains("nothing to retry"), "{}", out.out);
}

#[test]
fn a_model_is_published_by_a_retry_only_if_all_its_tests_pass() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id, null::integer as n"),
        (
            "models/p.yml",
            "models: [{name: a, columns: [{name: id, data_tests: [unique]}, {name: n, data_tests: [not_null]}]}]",
        ),
    ]);
    assert_eq!(p.run(&["build"]).code, 1);
    p.write("models/a.sql", "select 1 as id, 2 as n union all select 1, 3");
    assert_eq!(p.run(&["retry"]).code, 1, "the test that had passed holds it back now");
    assert!(p.status("test.shop.unique_a_id").contains("fail"));
    assert_eq!(
        p.rows("select count(*) from information_schema.tables where table_name = 'a'"),
        ["0"]
    );
}

#[test]
fn a_test_of_a_disabled_model_is_in_the_maps_of_the_manifest() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id"),
        ("models/gone.sql", "{{ config(enabled=false) }} select 1 as id"),
        (
            "models/p.yml",
            "models: [{name: gone, columns: [{name: id, data_tests: [not_null, {relationships: {arguments: {to: ref('a'), field: id}}}]}]}]",
        ),
    ]);
    p.ok(&["parse"]);
    let manifest: serde_json::Value =
        serde_json::from_str(&p.read("target/manifest.json")).unwrap();
    let parents = manifest["parent_map"].as_object().unwrap();
    let children = manifest["child_map"].as_object().unwrap();
    let ids: Vec<&String> = parents.keys().collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let related = ids.iter().find(|id| id.contains("relationships_gone")).unwrap();
    assert_eq!(parents[*related], serde_json::json!(["model.shop.a"]));
    assert_eq!(children["model.shop.a"], serde_json::json!([related]));
    assert_eq!(children[*related], serde_json::json!([]));
}

/// A model with a contract, and versions of another one.
fn contracted(columns: &str, versions: &str) -> String {
    format!(
        "models:
  - {{name: a, config: {{contract: {{enforced: true}}}}, columns: [{columns}]}}
  - {{name: v, config: {{contract: {{enforced: true}}}}, latest_version: 1, columns: [{{name: id, data_type: int}}], versions: {versions}}}
"
    )
}

#[test]
fn a_change_that_breaks_a_contract_is_told_when_modified_nodes_are_asked_for() {
    let both = "{name: id, data_type: int}, {name: n, data_type: int}";
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id, 2 as n"),
        ("models/v_v1.sql", "select 1 as id"),
        ("models/v_v2.sql", "select 1 as id"),
        ("models/s.yml", &contracted(both, "[{v: 1}, {v: 2}]")),
    ]);
    p.ok(&["parse"]);
    p.write("before/manifest.json", &p.read("target/manifest.json"));
    let modified = ["ls", "-s", "state:modified", "--state", "before"];
    assert!(!p.ok(&modified).err.contains("contract"));

    p.write("models/s.yml", &contracted("{name: id, data_type: text}", "[{v: 1}, {v: 2}]"));
    let ran = p.ok(&modified);
    assert_eq!(ran.out, "shop.a\n");
    assert!(
        ran.err.contains("warning[W0017]: Breaking change to the contract of `a`")
            && ran.err.contains("Columns were removed: n")
            && ran.err.contains("Columns with data_type changes: id (int -> text)"),
        "{}",
        ran.err
    );
    // Nobody asks for what is modified.
    assert!(!p.ok(&["ls", "-s", "state:old", "--state", "before"]).err.contains("contract"));
    let strict = "{error: [UnversionedBreakingChange]}";
    assert_eq!(p.run(&[&modified[..], &["--warn-error-options", strict]].concat()).code, 2);

    // A version that is gone is an error: its readers name it.
    p.write("models/s.yml", &contracted(both, "[{v: 1}]"));
    p.remove("models/v_v2.sql");
    let ran = p.run(&modified);
    assert!(
        ran.code == 2
            && ran.err.contains("error[E2018]: Breaking change to the contract of `v`")
            && ran.err.contains("'model.shop.v.v2' was deleted or renamed"),
        "{}",
        ran.err
    );
}

#[test]
fn a_state_in_the_target_path_is_told() {
    let p = Project::new(&[A]);
    p.ok(&["parse"]);
    let ran = p.ok(&["ls", "-s", "state:modified", "--state", "target"]);
    assert!(ran.err.contains("warning[W0018]: `--state` is the target path"), "{}", ran.err);
}

#[test]
fn the_graph_is_summed_up_with_the_edges_of_tests() {
    let test = ("models/p.yml", "models: [{name: a, columns: [{name: id, data_tests: [unique]}]}]");
    let p = Project::new(&[A, B, test]);
    let edges = |graph: &serde_json::Value| -> Vec<String> {
        let nodes = graph.as_object().unwrap();
        let name = |id: &serde_json::Value| nodes[&id.to_string()]["name"].to_string();
        let after = |node: &serde_json::Value| node["succ"].as_array().cloned().unwrap_or_default();
        let mut edges = Vec::new();
        for node in nodes.values() {
            edges.extend(after(node).iter().map(|to| format!("{} {}", node["name"], name(to))));
        }
        edges.sort();
        edges.iter().map(|edge| edge.replace('"', "")).collect()
    };
    let read = || -> serde_json::Value {
        serde_json::from_str(&p.read("target/graph_summary.json")).unwrap()
    };
    let test = "test.shop.unique_a_id";
    let linked = ["model.shop.a model.shop.b", "model.shop.a test.shop.unique_a_id"];
    p.ok(&["run"]);
    let summary = read();
    assert!(summary["_invocation_id"].is_string() && summary.get("with_test_edges").is_none());
    let found = edges(&summary["linked"]);
    assert!(found[0] == linked[0] && found[1].starts_with(linked[1]), "{found:?}");
    p.ok(&["build"]);
    let found = edges(&read()["with_test_edges"]);
    assert!(found.len() == 3 && found[2].starts_with(test), "{found:?}");
    assert!(found[2].ends_with("model.shop.b"), "{found:?}");
}
