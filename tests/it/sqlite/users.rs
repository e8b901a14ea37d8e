//! Problems that early users ran into: values that changed silently, files that others could no
//! longer read.

use super::{database, project, rows, run_sql};
use crate::project::Project;
use rusqlite::Connection;

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
    // More files than SQLite can attach, none of which the project uses.
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
    p.build_after(|| held.execute_batch("commit").unwrap());
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

#[test]
fn values_of_a_union_stay_as_they_are() {
    let p = project(&[
        ("seeds/a.csv", "zip,n,d\n00123,5,2024-01-31\n007,7,2024-02-01\n"),
        ("seeds/s.yml", "seeds: [{name: a, config: {column_types: {zip: text, d: date}}}]"),
        (
            "models/u.sql",
            "{{ config(materialized='table') }} select 'zip' as k, zip as v from {{ ref('a') }} union all select 'n', n from {{ ref('a') }}",
        ),
        (
            "models/w.sql",
            "{{ config(materialized='table') }} select '2023' as v union all select d from {{ ref('a') }}",
        ),
        ("models/v.sql", "select zip as v from {{ ref('a') }} except select n from {{ ref('a') }}"),
        ("models/i.sql", "{{ config(materialized='incremental') }} select v from {{ ref('v') }}"),
        (
            "models/same.sql",
            "{{ config(materialized='table') }} select d, n from {{ ref('a') }} union select d, n from {{ ref('a') }}",
        ),
    ]);
    p.ok(&["build"]);
    let db = database(&p);
    let found = |sql: &str| rows(&db, sql);
    assert_eq!(found("select quote(v) from u order by 1"), ["'00123'", "'007'", "5", "7"]);
    assert_eq!(found("select quote(v) from w order by v limit 1"), ["'2023'"]);
    assert_eq!(found("select quote(v) from i order by 1"), ["'00123'", "'007'"]);
    let types = "select group_concat(type) from pragma_table_info('same')";
    assert_eq!(found(types), ["DATE,INTEGER"], "types that agree stay");
}

#[test]
fn a_cast_keeps_all_digits_and_takes_only_what_is_of_the_type() {
    let all = [
        ("'9007199254740993'", "bigint", "9007199254740993"),
        ("9007199254740995", "bigint", "9007199254740995"),
        ("'9223372036854775807'", "bigint", "9223372036854775807"),
        ("'9223372036854775808'", "bigint", "null"),
        ("1e19", "bigint", "null"),
        ("'00123'", "integer", "123"),
        ("'+5'", "integer", "5"),
        ("'-2.5'", "integer", "-3"),
        ("'12abc'", "integer", "null"),
        ("''", "integer", "null"),
        ("0.1 + 0.2", "double", "0.30000000000000004"),
        ("'1e3'", "numeric(18,2)", "1000.0"),
        ("'00123'", "string", "'00123'"),
        ("'1e5'", "uuid", "'1e5'"),
        ("'1.0'", "json", "'1.0'"),
        ("'2024-02-30'", "date", "null"),
        ("'now'", "date", "null"),
        ("'12:00'", "timestamp", "null"),
        ("2024", "date", "null"),
        ("'2451545'", "timestamp", "null"),
        ("'2024-02-29T10:11:12.5+01:00'", "timestamp", "'2024-02-29 09:11:12.5'"),
        ("'2024-02-29 10:00:00'", "timestamp", "'2024-02-29 10:00:00'"),
        ("'2024-02-29 10:11:12'", "date", "'2024-02-29'"),
        ("'10:30:00'", "time", "'10:30:00'"),
    ];
    let columns: Vec<String> = all
        .iter()
        .enumerate()
        .map(|(i, (value, kind, _))| {
            format!("{{{{ dbt.safe_cast(\"{value}\", '{kind}') }}}} as c{i}")
        })
        .collect();
    let p = project(&[("models/m.sql", &format!("select {}", columns.join(",\n")))]);
    p.ok(&["build"]);
    // Another program reads the values: casts use only functions that are built into SQLite.
    let db = Connection::open(p.path().join("shop.db")).unwrap();
    for (i, (value, kind, expected)) in all.iter().enumerate() {
        let found = rows(&db, &format!("select coalesce(quote(c{i}), 'null') from m"));
        assert_eq!(found[0].to_lowercase(), expected.to_lowercase(), "{value} as {kind}");
    }
}

#[test]
fn types_that_templates_see_are_types_to_cast_to() {
    let p = project(&[
        (
            "models/a.sql",
            "{{ config(materialized='table') }} select date('2024-01-31') as d, upper('00123') as code, count(*) as n, avg(1.5) as x, 2 as k from (select 1)",
        ),
        (
            "models/b.sql",
            "-- depends_on: {{ ref('a') }}\nselect {% for c in adapter.get_columns_in_relation(ref('a')) %}cast({{ c.quoted }} as {{ c.data_type }}) as {{ c.name }}{{ ',' if not loop.last }}{% endfor %} from {{ ref('a') }}",
        ),
    ]);
    p.ok(&["build"]);
    let db = database(&p);
    assert_eq!(rows(&db, "select * from b"), rows(&db, "select * from a"));
    assert_eq!(
        rows(&db, "select quote(d), quote(code), typeof(n), typeof(x) from b"),
        ["'2024-01-31'|'00123'|integer|real"]
    );
}

#[test]
fn words_that_say_nothing_to_sqlite_keep_texts() {
    let p = project(&[
        ("seeds/a.csv", "id,j,ip\n00000000000000000000000000000012,1.0,10\n"),
        (
            "seeds/s.yml",
            "seeds: [{name: a, config: {column_types: {id: uuid, j: json, ip: inet}}}]\nmodels: [{name: t, columns: [{name: id, data_type: uuid}, {name: j, data_type: json}, {name: n, data_type: number}]}]",
        ),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select '1e5' as id, '1.0' as j, '7' as n from {{ ref('a') }}",
        ),
    ]);
    p.ok(&["build"]);
    let db = database(&p);
    let seed = rows(&db, "select quote(id), quote(j), quote(ip) from a");
    assert_eq!(seed, ["'00000000000000000000000000000012'|'1.0'|'10'"]);
    assert_eq!(rows(&db, "select quote(id), quote(j), n from t"), ["'1e5'|'1.0'|7"]);
}

/// A project that reads one table of a file that another program writes.
fn with_an_app() -> Project {
    Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: sqlite, schema: marts, schemas_and_paths: {main: shop.db, app: app.db, log: log.db}}}}\n",
        ),
        ("models/s.yml", "sources: [{name: app, schema: app, tables: [{name: users}]}]"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select id from {{ source('app', 'users') }}",
        ),
    ])
}

#[test]
fn who_writes_a_source_is_not_in_the_way_and_its_file_stays_as_it_is() {
    let p = with_an_app();
    let path = p.path().join("app.db");
    let app = Connection::open(&path).unwrap();
    // The foreign keys of the source's file are not checked, not even those that are invalid.
    app.execute_batch(
        "pragma journal_mode = wal; create table users (id integer); insert into users values (7); \
         create table par (id, x); create table ch (a, pid references par(id)); begin immediate; insert into users values (8)",
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        p.ok(&["build", "--lock-timeout", "0"]);
    }
    assert_eq!(std::fs::read(&path).unwrap(), before, "nothing of its log was written out");
    app.execute_batch("commit").unwrap();
    p.ok(&["build", "--changed"]);
    let marts = Connection::open(p.path().join("marts.db")).unwrap();
    assert_eq!(rows(&marts, "select id from t order by id"), ["7", "8"]);
}

#[test]
fn a_hook_may_write_into_a_file_that_was_only_read() {
    let p = with_an_app();
    let log = Connection::open(p.path().join("log.db")).unwrap();
    log.execute_batch("create table runs (name)").unwrap();
    let app = Connection::open(p.path().join("app.db")).unwrap();
    app.execute_batch("create table users (id integer); insert into users values (7)").unwrap();
    let hook = |transaction: bool| {
        format!(
            "{{{{ config(materialized='table', post_hook={{'sql': \"insert into log.runs select count(*) from log.runs\", 'transaction': {transaction}}}) }}}} select id from {{{{ source('app', 'users') }}}}"
        )
    };
    for (i, transaction) in [true, false, true].into_iter().enumerate() {
        p.write(
            "models/t.sql",
            &hook(transaction).replace("true", "True").replace("false", "False"),
        );
        p.ok(&["build"]);
        assert_eq!(rows(&log, "select count(*) from runs"), [(i + 1).to_string()]);
    }
}
