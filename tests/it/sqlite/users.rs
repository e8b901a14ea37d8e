//! What people met who tried it: values that changed in silence, files that others could no longer read.

use super::{database, project, rows};
use crate::project::{Project, Ran};
use rusqlite::Connection;
use std::process::Stdio;
use std::time::Duration;

fn run_sql(p: &Project, sql: &str) {
    database(p).execute_batch(sql).unwrap();
}

#[test]
fn a_column_that_gets_a_type_keeps_its_values() {
    let model = |query: &str| {
        format!(
            "{{{{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}}} {query}"
        )
    };
    let p = project(&[
        (
            "models/m.sql",
            &model(
                "select 1 as id, date(d) as d, b || '' as b, n from {{ source('raw', 'typed') }}",
            ),
        ),
        ("models/s.yml", "sources: [{name: raw, schema: main, tables: [{name: typed}]}]"),
    ]);
    run_sql(
        &p,
        "create table typed (d date, b boolean, n text); insert into typed values ('2024-01-31', 'true', 'x')",
    );
    p.ok(&["build"]);
    p.write(
        "models/m.sql",
        &model("select 2 as id, d, b, cast(7 as integer) as n from {{ source('raw', 'typed') }}"),
    );
    p.ok(&["build"]);
    let found = rows(&database(&p), "select id, d, b, n, typeof(n) from m order by id");
    assert_eq!(found, ["1|2024-01-31|true|x|text", "2|2024-01-31|true|7|integer"]);
}

#[test]
fn files_with_views_are_read_by_others_under_any_name() {
    let p = project(&[
        (
            "models/t.sql",
            "{{ config(materialized='table', schema='marts') }} select 1 as id, '2024-01-31' as day",
        ),
        (
            "models/v.sql",
            "{{ config(schema='marts') }} with main as (select id, day from {{ ref('t') }}) select main.id, date(main.day) as day from main",
        ),
        (
            "models/w.sql",
            "{{ config(schema='marts') }} select v.id from {{ ref('v') }} as v join {{ ref('t') }} as t on v.id = t.id",
        ),
        ("models/here.sql", "select 2 as id"),
        ("models/there.sql", "select id from {{ ref('here') }}"),
    ]);
    for _ in 0..2 {
        p.ok(&["build"]);
        let marts = Connection::open(p.path().join("main_marts.db")).unwrap();
        assert_eq!(rows(&marts, "select v.day, w.id from v, w"), ["2024-01-31|1"]);
        let other = Connection::open_in_memory().unwrap();
        let path = p.path().join("shop.db");
        other.execute_batch(&format!("attach '{}' as app", path.display())).unwrap();
        assert_eq!(rows(&other, "select id from app.there"), ["2"]);
    }
}

#[test]
fn a_broken_view_is_not_published() {
    let p = project(&[
        ("models/base.sql", "{{ config(materialized='table') }} select 1 as a"),
        ("models/v.sql", "select a from {{ ref('base') }}"),
    ]);
    p.ok(&["build"]);
    for (query, message) in [
        ("select aa from {{ ref('base') }}", "no such column: aa"),
        ("select \"aa\" from {{ ref('base') }}", "no such column"),
        ("select a from nowhere", "no such table: nowhere"),
        ("select nofunc(a) as a from {{ ref('base') }}", "no such function: nofunc"),
        ("select 1 union select 1, 2", "do not have the same number of result columns"),
    ] {
        p.write("models/v.sql", query);
        let ran = p.run(&["build"]);
        assert!(ran.code == 1 && ran.err.contains(message), "{query}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("models/v.sql:1:"), "{query}: {}", ran.err);
        assert_eq!(rows(&database(&p), "select a from v"), ["1"], "{query}");
    }
}

#[test]
fn a_model_is_one_query() {
    let p = project(&[("models/v.sql", "select 1 as a; drop table precious")]);
    run_sql(&p, "create table precious (x)");
    for config in ["", "{{ config(materialized='table') }} "] {
        p.write("models/v.sql", &format!("{config}select 1 as a; drop table precious"));
        let ran = p.run(&["build"]);
        assert!(
            ran.code == 1 && ran.err.contains("`v` has 2 statements"),
            "{}{}",
            ran.out,
            ran.err
        );
        assert_eq!(rows(&database(&p), "select count(*) from precious"), ["0"]);
    }
    p.write("models/v.sql", "select 1 as a; -- the end");
    p.ok(&["build"]);
}

#[test]
fn names_have_no_database_to_differ_by() {
    let model = |database: &str| {
        format!(
            "{{{{ config(materialized='table', database='{database}', alias='b') }}}} select 1 as x"
        )
    };
    let p = project(&[("models/a.sql", &model("one")), ("models/b.sql", &model("two"))]);
    let ran = p.run(&["build"]);
    assert!(ran.code == 2 && ran.err.contains("E2006"), "{}{}", ran.out, ran.err);
}

#[test]
fn files_of_others_stay_as_they_are() {
    let p = Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: sqlite, schemas_and_paths: {main: shop.db, app: app/db.sqlite3, gone: app/nowhere.db}}}}\n",
        ),
        ("app/.keep", ""),
        (
            "models/s.yml",
            "sources: [{name: app, schema: app, tables: [{name: users}]}, {name: gone, schema: gone, tables: [{name: t}]}]",
        ),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select id from {{ source('app', 'users') }}",
        ),
    ]);
    let app = Connection::open(p.path().join("app/db.sqlite3")).unwrap();
    app.execute_batch("create table users (id integer); insert into users values (7)").unwrap();
    // More than could be attached, and of no concern to the project.
    for i in 0..14 {
        let other = Connection::open(p.path().join(format!("other{i}.db"))).unwrap();
        other.execute_batch("create table x (a)").unwrap();
    }
    p.ok(&["build"]);
    p.ok(&["build", "--changed"]);
    assert_eq!(rows(&database(&p), "select id from t"), ["7"]);
    for file in ["app/db.sqlite3", "other3.db"] {
        let other = Connection::open(p.path().join(file)).unwrap();
        assert_eq!(rows(&other, "pragma journal_mode"), ["delete"], "{file}");
    }
    p.write("models/u.sql", "select * from {{ source('gone', 't') }}");
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1 && ran.err.contains("app/nowhere.db is not there"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!p.path().join("app/nowhere.db").exists());
}

#[test]
fn what_others_broke_does_not_count() {
    let p = project(&[("models/t.sql", "{{ config(materialized='table') }} select 1 as x")]);
    run_sql(
        &p,
        "pragma foreign_keys = off; create table parents (id integer primary key); create table children (parent integer references parents); insert into children values (9)",
    );
    p.ok(&["build"]);
    p.write("models/t.sql", "{{ config(materialized='table', post_hook='insert into children values (8)') }} select 1 as x");
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1
            && ran
                .err
                .contains("2 rows of main.children have a foreign key without a row in parents"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert_eq!(rows(&database(&p), "select parent from children"), ["9"]);
}

#[test]
fn a_file_that_is_not_in_wal_mode_is_waited_for() {
    let p = project(&[("models/t.sql", "{{ config(materialized='table') }} select 1 as x")]);
    let held = database(&p);
    held.execute_batch("create table other (x); begin immediate; insert into other values (1)")
        .unwrap();
    let waiting = p
        .command(&["build", "--lock-timeout", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(400));
    held.execute_batch("commit").unwrap();
    let ran = Ran::from(waiting.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn a_function_of_a_date_is_the_same_each_time() {
    let p = project(&[
        ("seeds/s.csv", "d\n2024-01-31\n"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select date(d, '+1 day') as d, strftime('%Y', d) as y from {{ ref('s') }}",
        ),
    ]);
    let changed = || p.ok(&["build", "--changed"]).out;
    changed();
    assert!(changed().contains("nothing to do"));
    for query in ["select date('now') as d", "select date() as d", "select current_date as d"] {
        p.write("models/t.sql", &format!("{{{{ config(materialized='table') }}}} {query}"));
        changed();
        assert!(changed().contains("which differs each time"), "{query}");
    }
}

#[test]
fn a_strict_table_takes_usual_types() {
    let p = project(&[
        (
            "models/t.sql",
            "{{ config(materialized='table', strict=true) }} select 1 as a, 'x' as b, '2024-01-31' as d, 1.5 as n",
        ),
        (
            "models/s.yml",
            "models: [{name: t, columns: [{name: b, data_type: varchar(9)}, {name: d, data_type: date}, {name: n, data_type: 'numeric(5,2)'}]}]",
        ),
    ]);
    p.ok(&["build"]);
    let types = "select group_concat(name || ' ' || type, ', ') from pragma_table_info('t')";
    assert_eq!(rows(&database(&p), types), ["a ANY, b TEXT, d TEXT, n REAL"]);
}

#[test]
fn a_hook_may_make_a_trigger() {
    let trigger = "create trigger if not exists watching after insert on noted begin insert into log values (new.x); update log set x = x + 1; end; insert into noted values (1)";
    let p = project(&[(
        "models/t.sql",
        &format!("{{{{ config(materialized='table', post_hook=\"{trigger}\") }}}} select 1 as x"),
    )]);
    run_sql(&p, "create table noted (x); create table log (x)");
    p.ok(&["build"]);
    assert_eq!(rows(&database(&p), "select x from log"), ["2"]);
}
