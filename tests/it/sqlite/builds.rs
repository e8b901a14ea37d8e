//! What each command does on SQLite: materializations, seeds, snapshots, contracts, introspection,
//! exports, watch.

use super::{database, project, rows, run_sql};
use crate::project::Project;
use rusqlite::Connection;

#[test]
fn a_table_has_the_types_of_its_parents_and_those_that_are_described() {
    let p = project(&[
        ("seeds/s.csv", "i,f,d,t,b,x\n1,1.5,2024-01-31,2024-01-31 10:00:00,true,a\n2,,,,false,\n"),
        ("models/v.sql", "select *, f * 2 as twice from {{ ref('s') }}"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select *, round(f, 2) as money from {{ ref('v') }}",
        ),
        (
            "models/s.yml",
            "models: [{name: t, columns: [{name: money, data_type: 'decimal(18,2)'}]}]",
        ),
    ]);
    p.ok(&["build"]);
    let types = |table: &str| {
        rows(
            &database(&p),
            &format!(
                "select group_concat(name || ' ' || type, ', ') from pragma_table_info('{table}')"
            ),
        )
    };
    assert_eq!(types("s"), ["i INTEGER, f REAL, d DATE, t TIMESTAMP, b BOOLEAN, x TEXT"]);
    assert_eq!(
        types("t"),
        ["i INTEGER, f REAL, d DATE, t TIMESTAMP, b BOOLEAN, x TEXT, twice , money decimal(18,2)"]
    );
    let values = rows(
        &database(&p),
        "select i, f, d, t, b, x, twice, money, typeof(b), typeof(d) from t order by i",
    );
    assert_eq!(
        values,
        [
            "1|1.5|2024-01-31|2024-01-31 10:00:00|1|a|3|1.5|integer|text",
            "2|null|null|null|0|null|null|null|integer|null"
        ]
    );
}

#[test]
fn a_strict_table_refuses_what_does_not_fit() {
    let strict =
        |x: &str| format!("{{{{ config(materialized='table', strict=true) }}}} select {x} as x");
    let p = project(&[
        ("models/t.sql", &strict("1")),
        ("models/s.yml", "models: [{name: t, columns: [{name: x, data_type: integer}]}]"),
    ]);
    p.ok(&["build"]);
    assert_eq!(rows(&database(&p), "select strict from pragma_table_list('t')"), ["1"]);
    p.write("models/t.sql", &strict("'a'"));
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1 && ran.err.contains("cannot store TEXT value in INTEGER column t"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(rows(&database(&p), "select x from t"), ["1"]);
}

#[test]
fn incremental_models_append_replace_and_refuse_to_merge() {
    let model = |config: &str| {
        format!(
            "{{{{ config(materialized='incremental', {config}) }}}} select id, amount from {{{{ source('raw', 'orders') }}}}{{% if is_incremental() %}} where at > '2024-01-01'{{% endif %}}"
        )
    };
    let p = project(&[
        ("models/s.yml", "sources: [{name: raw, schema: main, tables: [{name: orders}]}]"),
        ("models/appended.sql", &model("incremental_strategy='append'")),
        ("models/replaced.sql", &model("unique_key='id'")),
        (
            "models/by_two.sql",
            &model("unique_key=['id', 'amount'], incremental_strategy='delete+insert'"),
        ),
    ]);
    run_sql(
        &p,
        "create table orders (id integer, amount real, at date); insert into orders values (1, 10, '2024-01-01'), (2, 20, '2024-01-01')",
    );
    p.ok(&["build"]);
    run_sql(&p, "insert into orders values (2, 25, '2024-01-02'), (3, 30, '2024-01-02')");
    // The candidate of a killed build.
    run_sql(&p, "create table appended__dbt_tmp (x)");
    p.ok(&["build"]);
    let left = "select count(*) from sqlite_schema where name like '%candidate'";
    assert_eq!(rows(&database(&p), left), ["0"]);

    let all = |table: &str| {
        rows(&database(&p), &format!("select id, amount from {table} order by id, amount"))
    };
    assert_eq!(all("appended"), ["1|10", "2|20", "2|25", "3|30"]);
    assert_eq!(all("replaced"), ["1|10", "2|25", "3|30"]);
    assert_eq!(all("by_two"), ["1|10", "2|20", "2|25", "3|30"]);
    p.write("models/merged.sql", &model("unique_key='id', incremental_strategy='merge'"));
    let ran = p.run(&["build"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("`merge`") && ran.err.contains("delete+insert"), "{}", ran.err);
}

#[test]
fn compile_sees_the_columns_that_a_build_sees() {
    let p = project(&[(
        "models/t.sql",
        "{{ config(materialized='incremental') }} select date('now') as d\n\
         {% if is_incremental() %}-- {% for c in adapter.get_columns_in_relation(this) %}{{ c.name }}:{{ c.data_type }}{% endfor %}{% endif %}",
    )]);
    p.ok(&["build"]);
    let compiled = p.ok(&["compile", "--select", "t"]).out;
    assert!(compiled.contains("-- d:text"), "{compiled}");
}

#[test]
fn columns_that_come_and_go() {
    let model = |columns: &str, change: &str| {
        format!(
            "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='{change}') }}}} select {columns}"
        )
    };
    let p = project(&[
        ("models/appending.sql", &model("1 as id, 'a' as name", "append_new_columns")),
        ("models/syncing.sql", &model("1 as id, 'a' as name", "sync_all_columns")),
        ("models/failing.sql", &model("1 as id", "fail")),
    ]);
    p.ok(&["build"]);
    p.write("models/appending.sql", &model("2 as id, 7 as extra", "append_new_columns"));
    p.write("models/syncing.sql", &model("2 as id, 7 as extra", "sync_all_columns"));
    p.write("models/failing.sql", &model("1 as id, 2 as more", "fail"));
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let status = |name: &str| p.status(&format!("model.shop.{name}"));
    assert_eq!(
        [status("appending"), status("syncing"), status("failing")],
        ["success", "success", "error"],
        "{}",
        ran.err
    );
    let db = database(&p);
    assert_eq!(
        rows(&db, "select id, name, extra from appending order by id"),
        ["1|a|null", "2|null|7"]
    );
    assert_eq!(rows(&db, "select id, extra from syncing order by id"), ["1|null", "2|7"]);
    assert_eq!(
        rows(&db, "select group_concat(name) from pragma_table_info('syncing')"),
        ["id,extra"]
    );
    assert_eq!(rows(&db, "select group_concat(name) from pragma_table_info('failing')"), ["id"]);
}

/// A type cannot be altered, so the table is copied together with its rows.
#[test]
fn a_column_of_another_type_keeps_its_rows() {
    let model = |id: &str, x: &str| {
        format!(
            "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}}} select {id} as id, x from (select {x} as x)"
        )
    };
    let p = project(&[
        ("models/m.sql", &model("1", "1")),
        ("models/s.yml", "models: [{name: m, columns: [{name: x, data_type: integer}]}]"),
    ]);
    p.ok(&["build"]);
    p.write("models/s.yml", "models: [{name: m, columns: [{name: x, data_type: text}]}]");
    p.write("models/m.sql", &model("2", "'b'"));
    p.ok(&["build"]);
    let db = database(&p);
    assert_eq!(rows(&db, "select id, x, typeof(x) from m order by id"), ["1|1|text", "2|b|text"]);
    assert_eq!(rows(&db, "select type from pragma_table_info('m') where name = 'x'"), ["TEXT"]);
}

#[test]
fn snapshots_note_changes_and_deletions() {
    let p = project(&[
        (
            "snapshots/by_check.sql",
            "{% snapshot by_check %}{{ config(strategy='check', unique_key='id', check_cols='all', hard_deletes='new_record') }} select * from {{ source('raw', 'people') }}{% endsnapshot %}",
        ),
        (
            "snapshots/s.yml",
            "sources: [{name: raw, schema: main, tables: [{name: people}]}]\nsnapshots:\n  - name: by_time\n    relation: source('raw', 'people')\n    config: {strategy: timestamp, unique_key: [id], updated_at: at, hard_deletes: invalidate, dbt_valid_to_current: \"'9999-12-31'\", snapshot_meta_column_names: {dbt_valid_to: until}}\n",
        ),
    ]);
    run_sql(
        &p,
        "create table people (id integer, name text, at timestamp); insert into people values (1, 'a', '2024-01-01 00:00:00'), (2, 'b', '2024-01-01 00:00:00')",
    );
    p.ok(&["snapshot"]);
    p.ok(&["snapshot"]);
    run_sql(
        &p,
        "update people set name = 'A', at = '2024-02-01 00:00:00' where id = 1; delete from people where id = 2",
    );
    p.ok(&["snapshot"]);
    let db = database(&p);
    let found = rows(
        &db,
        "select id, name, dbt_is_deleted, dbt_valid_to is null from by_check order by id, dbt_valid_from, dbt_is_deleted",
    );
    assert_eq!(found, ["1|a|False|0", "1|A|False|1", "2|b|False|0", "2|b|True|1"]);
    let found = rows(&db, "select id, name, date(until) from by_time order by id, dbt_valid_from");
    assert_eq!(found[..2], ["1|a|2024-02-01".to_owned(), "1|A|9999-12-31".to_owned()]);
    assert!(found.len() == 3 && !found[2].contains("9999"), "{found:?}");
}

#[test]
fn a_contract_is_held() {
    let yml = "models:\n  - name: t\n    config: {contract: {enforced: true}}\n    constraints: [{type: check, expression: amount > 0}]\n    columns:\n      - {name: id, data_type: integer, constraints: [{type: not_null}, {type: primary_key}]}\n      - {name: amount, data_type: real}\n";
    let model = |row: &str| format!("{{{{ config(materialized='table') }}}} select {row}");
    let p = project(&[("models/s.yml", yml), ("models/t.sql", &model("1 as id, 2.5 as amount"))]);
    p.ok(&["build"]);
    for (row, message) in [
        ("null as id, 2.5 as amount", "NOT NULL constraint failed"),
        ("1 as id, -1.0 as amount", "CHECK constraint failed"),
        ("1 as id, 1.0 as amount union all select 1, 2.0", "UNIQUE constraint failed"),
        ("1 as id", "contract"),
    ] {
        p.write("models/t.sql", &model(row));
        let ran = p.run(&["build"]);
        assert!(ran.code == 1 && ran.err.contains(message), "{row}: {}{}", ran.out, ran.err);
        assert_eq!(rows(&database(&p), "select id, amount from t"), ["1|2.5"], "{row}");
    }
}

#[test]
fn a_seed_row_that_does_not_fit_is_named() {
    let p = project(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\nseeds: {shop: {s: {+column_types: {n: integer, code: varchar(9)}}}}\n",
        ),
        ("seeds/s.csv", "n,code\n1,007\n"),
    ]);
    p.ok(&["seed"]);
    assert_eq!(rows(&database(&p), "select n, code, typeof(code) from s"), ["1|007|text"]);
    p.write("seeds/s.csv", "n,code\n1,007\nx,008\n");
    let ran = p.run(&["seed", "--full-refresh"]);
    assert!(
        ran.code == 1 && ran.err.contains("row 2, column n: `x` is not of the type INTEGER"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(rows(&database(&p), "select n, code from s"), ["1|007"]);
}

#[test]
fn tests_stand_between_a_relation_and_its_readers() {
    let model = |n: &str| format!("{{{{ config(materialized='table') }}}} select {n} as id");
    let p = project(&[
        ("models/t.sql", &model("1")),
        ("models/after.sql", "{{ config(materialized='table') }} select id from {{ ref('t') }}"),
        (
            "models/s.yml",
            "models: [{name: t, columns: [{name: id, data_tests: [not_null, unique, {accepted_values: {arguments: {values: [1, 2], quote: false}}}]}]}]",
        ),
    ]);
    p.ok(&["build"]);
    p.write("models/t.sql", &model("9"));
    let ran = p.run(&["build", "--store-failures"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(rows(&database(&p), "select id from t"), ["1"]);
    assert_eq!(p.status("model.shop.after"), "skipped");
}

/// On SQLite, the number that an expression returns never equals a text, so the test has to tell
/// what its values are.
#[test]
fn accepted_values_are_numbers_and_truth_values_too() {
    let accepted = |column: &str, values: &str| {
        format!(
            "{{name: {column}, data_tests: [{{accepted_values: {{arguments: {{values: [{values}]}}}}}}]}}"
        )
    };
    let tests = |n: &str| {
        let columns = [
            accepted("n", n),
            accepted("x", "1.5"),
            accepted("b", "true"),
            accepted("t", "a, '7'"),
        ];
        format!("models: [{{name: m, columns: [{}]}}]", columns.join(", "))
    };
    let p = project(&[
        (
            "models/m.sql",
            "select 1 as n, 1.5 as x, 1 = 1 as b, 'a' as t union all select 2, 1.5, 1 = 1, '7'",
        ),
        ("models/s.yml", &tests("1, 2")),
    ]);
    p.ok(&["build"]);
    p.write("models/s.yml", &tests("1, 3"));
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(p.status("test.shop.accepted_values_m_n"), "fail");
}

#[test]
fn indexes_come_with_their_table() {
    let p = project(&[(
        "models/t.sql",
        "{{ config(materialized='table', indexes=[{'columns': ['id'], 'unique': true}, {'columns': ['id', 'x']}]) }} select 1 as id, 2 as x",
    )]);
    for _ in 0..2 {
        p.ok(&["build"]);
        let indexes =
            rows(&database(&p), "select count(*), sum(\"unique\") from pragma_index_list('t')");
        assert_eq!(indexes, ["2|1"]);
    }
}

#[test]
fn schemas_are_files_that_a_source_may_be_in() {
    let p = Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: sqlite, schema: main, schemas_and_paths: {main: shop.db, django: data/app.sqlite3}, schema_directory: schemas}}}\n",
        ),
        ("schemas/.keep", ""),
        ("data/.keep", ""),
        ("models/s.yml", "sources: [{name: app, schema: django, tables: [{name: users}]}]"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select id from {{ source('app', 'users') }}",
        ),
        (
            "models/m.sql",
            "{{ config(materialized='table', schema='marts') }} select id from {{ ref('t') }}",
        ),
    ]);
    let app = Connection::open(p.path().join("data/app.sqlite3")).unwrap();
    app.execute_batch("create table users (id integer); insert into users values (7)").unwrap();
    p.ok(&["build"]);
    p.ok(&["build"]);
    assert_eq!(rows(&database(&p), "select id from t"), ["7"]);
    let marts = Connection::open(p.path().join("schemas/main_marts.db")).unwrap();
    assert_eq!(rows(&marts, "select id from m"), ["7"]);
    let left = rows(&app, "select group_concat(name) from sqlite_schema");
    assert_eq!(left, ["users"], "nothing is written where only a source is");
}

#[test]
fn a_schema_whose_file_is_not_there_yet_is_made() {
    let p = project(&[
        ("models/t.sql", "{{ config(materialized='table') }} select 1 as a"),
        ("models/v.sql", "select a from {{ ref('t') }}"),
    ]);
    for (schema, paths, file) in
        [("named", ", named: n.db", "n.db"), ("found", "", "found.db"), ("main", "", "shop.db")]
    {
        p.write(
            "profiles.yml",
            &format!(
                "shop: {{target: dev, outputs: {{dev: {{type: sqlite, schema: {schema}, schemas_and_paths: {{main: shop.db{paths}}}}}}}}}\n"
            ),
        );
        let ran = p.ok(&["build"]);
        assert!(ran.out.contains(&format!("{file}, schema {schema}")), "{}", ran.out);
        let db = Connection::open(p.path().join(file)).unwrap();
        assert_eq!(rows(&db, "select a from v"), ["1"]);
    }
}

#[test]
fn a_source_is_stale_or_fresh() {
    let p = project(&[(
        "models/s.yml",
        "sources:\n  - name: raw\n    schema: main\n    config: {freshness: {warn_after: {count: 1, period: day}, error_after: {count: 10, period: day}}}\n    tables:\n      - {name: old, config: {loaded_at_field: at}}\n      - {name: new, config: {loaded_at_field: at}}\n",
    )]);
    run_sql(
        &p,
        "create table old (at timestamp); insert into old values ('2020-01-01 00:00:00'); create table new (at timestamp); insert into new values (datetime('now'))",
    );
    let ran = p.run(&["source", "freshness"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let json: serde_json::Value = serde_json::from_str(&p.read("target/sources.json")).unwrap();
    let statuses: Vec<(&str, &str)> = json["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["unique_id"].as_str().unwrap(), r["status"].as_str().unwrap()))
        .collect();
    let mut statuses = statuses;
    statuses.sort_unstable();
    assert_eq!(statuses, [("source.shop.raw.new", "pass"), ("source.shop.raw.old", "error")]);
}

#[test]
fn questions_docs_and_exports() {
    let p = project(&[
        ("seeds/s.csv", "id,amount,day,flag\n1,2.5,2024-01-31,true\n2,,,false\n"),
        ("models/t.sql", "{{ config(materialized='table') }} select * from {{ ref('s') }}"),
        ("models/v.sql", "select id from {{ ref('t') }}"),
        (
            "models/s.yml",
            "models: [{name: t, columns: [{name: id, data_tests: [unique, not_null]}]}, {name: v, columns: [{name: id, data_tests: [{relationships: {arguments: {to: ref('t'), field: id}}}]}]}]\nexports:\n  - {name: c, type: csv, model: ref('t')}\n  - {name: j, type: json, model: ref('t')}\n  - {name: p, type: parquet, model: ref('t')}\n",
        ),
    ]);
    p.ok(&["build"]);
    let ran = p.ok(&[
        "show",
        "--inline",
        "select id, flag, day from {{ ref('t') }} order by id",
        "--output",
        "json",
    ]);
    assert!(
        ran.out.contains("\"flag\": true") && ran.out.contains("\"2024-01-31\""),
        "{}",
        ran.out
    );
    p.ok(&["docs", "generate"]);
    let catalog: serde_json::Value = serde_json::from_str(&p.read("target/catalog.json")).unwrap();
    assert_eq!(catalog["nodes"]["model.shop.t"]["columns"]["day"]["type"], "DATE", "{catalog}");
    assert_eq!(catalog["nodes"]["model.shop.v"]["metadata"]["type"], "VIEW");
    assert_eq!(catalog["nodes"]["seed.shop.s"]["columns"]["id"]["index"], 1);
    p.ok(&["export", "erd", "--refresh"]);
    assert!(p.read("docs/erd.dbml").contains("flag"), "columns of the database are drawn");
    p.ok(&["export", "files"]);
    assert_eq!(
        p.read("target/exports/c.csv").replace("\r\n", "\n"),
        "id,amount,day,flag\n1,2.5,2024-01-31,true\n2,,,false\n"
    );
    let parquet = p.path().join("target/exports/p.parquet");
    let typed = duckdb::Connection::open_in_memory().unwrap();
    let found = crate::project::rows(
        &typed,
        &format!(
            "select id, amount, flag, typeof(id), typeof(day), typeof(flag) from '{}' order by id",
            parquet.display()
        ),
    );
    assert_eq!(found, ["1|2.5|true|BIGINT|DATE|BOOLEAN", "2|null|false|BIGINT|DATE|BOOLEAN"]);
}

#[test]
fn an_unchanged_project_builds_nothing_and_another_writer_is_seen() {
    let p = project(&[
        ("seeds/s.csv", "id\n1\n"),
        ("models/t.sql", "{{ config(materialized='table') }} select id from {{ ref('s') }}"),
        ("models/after.sql", "select id from {{ ref('t') }}"),
    ]);
    let changed = || p.ok(&["build", "--changed"]).out;
    changed();
    assert!(changed().contains("nothing to do"));
    // As long as the other program has the file open, its change is only in the `-wal` file.
    let other = database(&p);
    other.execute_batch("drop table t").unwrap();
    assert!(changed().contains("its relation is gone"));
    drop(other);
    assert!(changed().contains("nothing to do"));
    p.write(
        "models/t.sql",
        "{{ config(materialized='table') }} select id + 1 as id from {{ ref('s') }}",
    );
    assert!(changed().contains("SQL changed"));
    assert_eq!(rows(&database(&p), "select id from after"), ["2"]);
}

#[test]
fn hooks_operations_and_debug() {
    let p = project(&[
        (
            "macros/m.sql",
            "{% macro note(text) %}{% do run_query(\"create table if not exists notes (t text)\") %}{% do run_query(\"insert into notes values ('\" ~ text ~ \"')\") %}{% endmacro %}{% macro begin_a_note() %}{% call statement() %}insert into notes values ('b'){% endcall %}{% endmacro %}",
        ),
        (
            "models/t.sql",
            "{{ config(materialized='table', pre_hook=\"create table if not exists hooks (x text)\", post_hook=[\"insert into hooks select 'it''s; ' || count(*) from {{ this }}\"]) }} select 1 as x",
        ),
    ]);
    p.ok(&["build"]);
    assert_eq!(rows(&database(&p), "select x from hooks"), ["it's; 1"]);
    p.ok(&["run-operation", "note", "--args", "{text: a}"]);
    assert_eq!(rows(&database(&p), "select t from notes"), ["a"]);
    // A transaction that an operation begins but does not commit is rolled back.
    p.ok(&["run-operation", "begin_a_note"]);
    assert_eq!(rows(&database(&p), "select t from notes"), ["a"]);
    let ran = p.ok(&["debug"]);
    assert!(ran.out.contains("sqlite") && ran.out.contains("shop.db"), "{}", ran.out);
}

#[test]
fn mistakes_in_a_profile_are_told() {
    for (output, message) in [
        ("{type: sqlite}", "names no file for the schema `main`"),
        (
            "{type: sqlite, schemas_and_paths: {main: shop.db}, extensions: [text.so]}",
            "extensions of SQLite are not loaded",
        ),
        ("{type: sqlite, schemas_and_paths: {main: ':memory:'}}", "a database in memory"),
    ] {
        let p = Project::new(&[
            ("profiles.yml", &format!("shop: {{target: dev, outputs: {{dev: {output}}}}}\n")),
            ("models/a.sql", "select 1 as x"),
        ]);
        let ran = p.run(&["build"]);
        assert!(
            ran.code == 2 && ran.err.contains(message) && ran.err.contains("profiles.yml:1:"),
            "{output}: {}",
            ran.err
        );
    }
}
