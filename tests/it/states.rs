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
