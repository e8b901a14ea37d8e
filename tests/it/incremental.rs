//! Incremental models on a real database.

use crate::project::Project;

fn model(config: &str, sql: &str) -> String {
    format!("{{{{ config(materialized='incremental'{config}) }}}} {sql}")
}

#[test]
fn strategies_write_what_they_say() {
    for (config, expected) in [
        (", incremental_strategy='append'", vec!["1|old", "1|new", "2|new"]),
        (", unique_key='id'", vec!["1|new", "2|new"]),
        (", unique_key=['id'], incremental_strategy='delete+insert'", vec!["1|new", "2|new"]),
        (", unique_key='id', incremental_strategy='merge'", vec!["1|new", "2|new"]),
    ] {
        let p = Project::new(&[("models/m.sql", &model(config, "select 1 as id, 'old' as v"))]);
        p.ok(&["build"]);
        let second = "{% if is_incremental() %} select * from (values (1, 'new'), (2, 'new')) t (id, v) {% else %} select 1 as id, 'old' as v {% endif %}";
        p.write("models/m.sql", &model(config, second));
        p.ok(&["build"]);
        let mut expected = expected.clone();
        expected.sort_unstable();
        let mut found = p.rows("select id, v from m");
        found.sort_unstable();
        assert_eq!(found, expected, "{config}");
        p.ok(&["build", "--full-refresh"]);
        assert_eq!(p.rows("select id, v from m"), ["1|old"], "{config}");
    }
}

#[test]
fn schema_changes_follow_the_mode() {
    for (mode, code, columns) in [
        ("ignore", 0, "a,b"),
        ("fail", 1, "a,b"),
        ("append_new_columns", 0, "a,b,c"),
        ("sync_all_columns", 0, "a,c"),
    ] {
        let config = format!(", on_schema_change='{mode}'");
        let p = Project::new(&[("models/m.sql", &model(&config, "select 1 as a, 'x' as b"))]);
        p.ok(&["build"]);
        let next = if mode == "ignore" {
            "select 2 as a, 'y' as b, 3 as c"
        } else {
            "select 2 as a, 3 as c"
        };
        p.write("models/m.sql", &model(&config, next));
        assert_eq!(p.run(&["build"]).code, code, "{mode}");
        let found =
            p.rows("select column_name from duckdb_columns() where table_name = 'm' order by column_index").join(",");
        assert_eq!(found, columns, "{mode}");
        assert_eq!(p.rows("select count(*) from m"), [if code == 0 { "2" } else { "1" }], "{mode}");
    }
}

#[test]
fn a_view_becomes_a_table_and_back() {
    let p = Project::new(&[
        ("models/m.sql", "select 1 as a"),
        ("models/n.sql", "select * from {{ ref('m') }}"),
    ]);
    let kind = "select table_type from information_schema.tables where table_name = 'm'";
    p.ok(&["build"]);
    assert_eq!(p.rows(kind), ["VIEW"]);
    p.write("models/m.sql", "{{ config(materialized='table') }} select 1 as a");
    p.ok(&["build"]);
    assert_eq!(p.rows(kind), ["BASE TABLE"]);
    p.write("models/m.sql", &model("", "select 2 as a"));
    p.ok(&["build"]);
    assert_eq!(p.rows("select a from n order by 1"), ["1", "2"]);
    p.write("models/m.sql", "select 3 as a");
    p.ok(&["build"]);
    assert_eq!(p.rows(kind), ["VIEW"]);
}

#[test]
fn ephemeral_models_are_ctes_of_their_readers() {
    let p = Project::new(&[
        ("models/a.sql", "{{ config(materialized='ephemeral') }} select 1 as x"),
        (
            "models/b.sql",
            "{{ config(materialized='ephemeral') }} with c as (select * from {{ ref('a') }}) select x + 1 as x from c",
        ),
        (
            "models/m.sql",
            "with recursive t as (select x from {{ ref('b') }} union all select x + 1 from t where x < 4) select * from t",
        ),
    ]);
    p.ok(&["build"]);
    assert_eq!(p.rows("select x from m order by 1"), ["2", "3", "4"]);
    assert_eq!(
        p.rows("select count(*) from information_schema.tables where table_schema = 'main'"),
        ["1"]
    );
}
