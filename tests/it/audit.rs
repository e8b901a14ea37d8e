//! Write, audit, publish: bad data never lands.

use crate::project::Project;

const MODEL: &str = "{{ config(materialized='table') }} select * from {{ ref('raw') }}";
const TESTS: &str = "models: [{name: m, columns: [{name: id, data_tests: [unique, not_null]}]}]";

fn shop(seed: &str) -> Project {
    Project::new(&[("seeds/raw.csv", seed), ("models/m.sql", MODEL), ("models/m.yml", TESTS)])
}

#[test]
fn a_failing_test_leaves_the_published_table_and_keeps_the_new_one() {
    let p = shop("id\n1\n2\n");
    p.ok(&["build"]);
    p.write("seeds/raw.csv", "id\n1\n1\n3\n");
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("error[E4005]: built, not published: 1 test failed (unique_m_id)"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("main.m__rejected"), "{}", ran.err);
    assert_eq!(p.rows("select * from m order by 1"), ["1", "2"]);
    assert_eq!(p.rows("select * from m__rejected order by 1"), ["1", "1", "3"]);
    assert_eq!(p.status("model.shop.m"), "error");
    assert_eq!(p.status("test.shop.unique_m_id"), "fail");
    assert_eq!(p.status("test.shop.not_null_m_id"), "pass");
    // After a correction the model is published, and the rejected version is dropped.
    p.write("seeds/raw.csv", "id\n4\n");
    p.ok(&["build"]);
    assert_eq!(p.rows("select * from m"), ["4"]);
    assert_eq!(p.rows("select table_name from duckdb_tables() order by 1"), ["m", "raw"]);
}

#[test]
fn without_audit_it_is_published_and_then_tested() {
    let p = shop("id\n1\n1\n");
    assert_eq!(p.run(&["build", "--no-audit"]).code, 1);
    assert_eq!(p.rows("select count(*) from m"), ["2"]);
    assert_eq!(
        (p.status("model.shop.m"), p.status("test.shop.unique_m_id")),
        ("success".into(), "fail".into())
    );
}

#[test]
fn what_depends_on_a_rejected_node_is_skipped() {
    let p = shop("id\n1\n1\n");
    p.write("models/n.sql", "select * from {{ ref('m') }}");
    assert_eq!(p.run(&["build"]).code, 1);
    assert_eq!(p.status("model.shop.n"), "skipped");
    assert_eq!(
        p.rows("select count(*) from duckdb_tables() where table_name in ('m', 'n')"),
        ["0"]
    );
}

#[test]
fn a_warning_does_not_hold_back() {
    let p = shop("id\n1\n1\n");
    p.write(
        "models/m.yml",
        "models: [{name: m, columns: [{name: id, data_tests: [{unique: {config: {severity: warn}}}]}]}]",
    );
    p.ok(&["build"]);
    assert_eq!(p.rows("select count(*) from m"), ["2"]);
    assert_eq!(p.status("test.shop.unique_m_id"), "warn");
}

#[test]
fn a_relationship_holds_back_the_referencing_mart() {
    let p = Project::new(&[
        ("models/child.sql", "{{ config(materialized='table') }} select 1 as id, 7 as parent_id"),
        ("models/parent.sql", "{{ config(materialized='table') }} select 1 as id"),
        (
            "models/s.yml",
            "models: [{name: child, columns: [{name: parent_id, data_tests: [{relationships: {arguments: {to: ref('parent'), field: id}}}]}]}]",
        ),
    ]);
    let plan = p.ok(&["plan"]);
    let (parent, child) =
        (plan.out.find("model main.parent").unwrap(), plan.out.find("model main.child").unwrap());
    assert!(
        parent < child && plan.out[child..].contains("guarded by relationships_child_"),
        "{}",
        plan.out
    );
    assert_eq!(p.run(&["build"]).code, 1);
    assert_eq!(
        (p.status("model.shop.parent"), p.status("model.shop.child")),
        ("success".into(), "error".into())
    );
    assert_eq!(
        p.rows("select table_name from duckdb_tables() order by 1"),
        ["child__rejected", "parent"]
    );
}

/// Each kind of node fails in turn, which must not change the published data.
#[test]
fn no_kind_of_failure_changes_published_data() {
    let p = Project::new(&[
        ("seeds/raw.csv", "id\n1\n"),
        ("models/v.sql", "select id from {{ ref('raw') }}"),
        ("models/t.sql", "{{ config(materialized='table') }} select id from {{ ref('v') }}"),
        (
            "models/i.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select id from {{ ref('v') }}",
        ),
        ("models/s.yml", "models: [{name: i, columns: [{name: id, data_tests: [not_null]}]}]"),
    ]);
    p.ok(&["build"]);
    let all = "select 'raw', id from raw union all select 'v', id from v union all select 't', id from t union all select 'i', id from i order by 1, 2";
    let before = p.rows(all);
    for (path, bad, good) in [
        ("seeds/raw.csv", "id\n1\n2,3\n", "id\n1\n"),
        ("seeds/raw.csv", "id\nx\n", "id\n1\n"),
        ("models/v.sql", "select nope from {{ ref('raw') }}", "select id from {{ ref('raw') }}"),
        ("models/v.sql", "select {{ nope() }}", "select id from {{ ref('raw') }}"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select id::varchar || 'x' as t, ('x' || id)::integer as id from {{ ref('v') }}",
            "{{ config(materialized='table') }} select id from {{ ref('v') }}",
        ),
        (
            "models/i.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select null::integer as id from {{ ref('v') }}",
            "{{ config(materialized='incremental', unique_key='id') }} select id from {{ ref('v') }}",
        ),
        (
            "models/i.sql",
            "{{ config(materialized='incremental', unique_key='nope') }} select id from {{ ref('v') }}",
            "{{ config(materialized='incremental', unique_key='id') }} select id from {{ ref('v') }}",
        ),
    ] {
        p.write(path, bad);
        let ran = p.run(&["build"]);
        assert_ne!(ran.code, 0, "{path}: {bad}");
        assert_eq!(p.rows(all), before, "{path}: {bad}\n{}", ran.err);
        p.write(path, good);
    }
    p.ok(&["build"]);
    assert_eq!(p.rows(all), before);
}

#[test]
fn stored_failures_are_the_failing_rows() {
    let p = shop("id\n1\n1\n2\n");
    assert_eq!(p.run(&["build", "--store-failures"]).code, 1);
    assert_eq!(p.rows("select * from main_dbt_test__audit.unique_m_id"), ["1|2"]);
}

#[test]
fn failures_of_a_rolled_back_delta_are_stored() {
    let model = |v: &str| {
        format!(
            "{{{{ config(materialized='incremental') }}}} select {v} as id, date '2024-01-31' as d, 'it''s' as t"
        )
    };
    let p = Project::new(&[
        ("models/i.sql", &model("1")),
        (
            "models/s.yml",
            "models: [{name: i, columns: [{name: id, data_tests: [{not_null: {config: {store_failures: true}}}]}]}]",
        ),
    ]);
    p.ok(&["build"]);
    p.write("models/i.sql", &model("null::integer"));
    assert_eq!(p.run(&["build"]).code, 1);
    assert_eq!(p.rows("select count(*) from i"), ["1"]);
    assert_eq!(
        p.rows("select id, d::varchar, t from main_dbt_test__audit.not_null_i_id"),
        ["null|2024-01-31|it's"]
    );
}

#[test]
fn descriptions_and_indexes_belong_to_the_published_relation() {
    let p = Project::new(&[
        (
            "models/t.sql",
            "{{ config(materialized='table', persist_docs={'relation': true, 'columns': true}, indexes=[{'columns': ['id'], 'unique': true}]) }} select 1 as id",
        ),
        (
            "models/v.sql",
            "{{ config(persist_docs={'relation': true}) }} select id from {{ ref('t') }}",
        ),
        (
            "models/s.yml",
            "models: [{name: t, description: it's t, columns: [{name: id, description: its key}]}, {name: v, description: a view}]",
        ),
    ]);
    for _ in 0..2 {
        p.ok(&["build"]);
        assert_eq!(
            p.rows("select comment from duckdb_tables() where table_name = 't'"),
            ["it's t"]
        );
        assert_eq!(
            p.rows("select comment from duckdb_columns() where table_name = 't'"),
            ["its key"]
        );
        assert_eq!(p.rows("select comment from duckdb_views() where view_name = 'v'"), ["a view"]);
        assert_eq!(p.rows("select table_name, is_unique from duckdb_indexes()"), ["t|true"]);
    }
}

#[test]
fn what_an_interrupted_dbt_left_is_dropped() {
    let p = Project::new(&[
        ("models/v.sql", "select 1 as id"),
        ("models/t.sql", "{{ config(materialized='table') }} select 1 as id"),
    ]);
    p.ok(&["build"]);
    for (kind, name) in [("view", "v"), ("table", "t")] {
        for suffix in ["__dbt_tmp", "__dbt_backup"] {
            let sql = format!("create {kind} {name}{suffix} as select 2 as id");
            p.database().execute_batch(&sql).unwrap();
        }
    }
    p.ok(&["build"]);
    assert_eq!(p.rows("select table_name from information_schema.tables order by 1"), ["t", "v"]);
}
