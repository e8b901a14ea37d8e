//! What can happen to a build on SQLite from outside: kills, signals, locks, broken files, files
//! that cannot see each other.

use super::{database, project, rows};
use crate::project::Ran;
use rusqlite::Connection;
use std::process::Stdio;
use std::time::Duration;

/// Enough rows to interrupt a statement while it runs.
const MANY: &str = "with recursive n(id) as (select 1 union all select id + 1 from n where id < 200000) select id from n";

/// Runs for minutes.
const SLOW: &str = "{{ config(materialized='table') }} with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) as n from n";

/// Checks the file on disk with a connection that lacks the functions of a build.
fn integrity(db: &Connection) -> String {
    rows(db, "pragma integrity_check").join(",")
}

#[test]
fn a_killed_build_leaves_whole_relations_and_the_next_build_works() {
    let p = project(&[
        ("models/a.sql", &format!("{{{{ config(materialized='table') }}}} {MANY}")),
        (
            "models/b.sql",
            "{{ config(materialized='table') }} select id, id * 2 as d from {{ ref('a') }}",
        ),
        (
            "models/s.yml",
            "models: [{name: b, columns: [{name: id, data_tests: [unique, not_null]}]}]",
        ),
    ]);
    p.ok(&["build"]);
    for wait in [20, 60, 100, 140, 180, 240, 320] {
        let mut child =
            p.command(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = child.kill();
        let _ = child.wait();
        let db = database(&p);
        let counts = rows(&db, "select (select count(*) from a), (select count(*) from b)");
        assert_eq!(counts, ["200000|200000"], "killed after {wait} ms");
        assert_eq!(integrity(&db), "ok");
    }
    p.ok(&["build"]);
    let left = "select count(*) from sqlite_schema where name like '%__dbt_tmp'";
    assert_eq!(rows(&database(&p), left), ["0"]);
}

#[test]
fn readers_see_whole_relations_while_they_are_replaced() {
    let p = project(&[
        ("models/a.sql", &format!("{{{{ config(materialized='table') }}}} {MANY}")),
        ("models/v.sql", "select id from {{ ref('a') }}"),
    ]);
    p.ok(&["build"]);
    let mut child =
        p.command(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        // A new connection each time, as if programs came and went.
        let db = database(&p);
        assert_eq!(rows(&db, "select count(*) from v"), ["200000"]);
        looks += 1;
    }
    assert!(child.wait().unwrap().success());
    assert!(looks > 1, "the build was over after {looks} looks");
}

#[test]
fn a_file_that_another_writes_is_waited_for_or_named() {
    let p = project(&[("models/a.sql", "{{ config(materialized='table') }} select 1 as x")]);
    p.ok(&["build"]);
    let held = database(&p);
    held.execute_batch("begin immediate; create table other (x)").unwrap();
    let ran = p.run(&["build", "--lock-timeout", "1"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("database is locked"), "{}", ran.err);
    assert!(ran.err.contains("--lock-timeout"), "what to do next: {}", ran.err);
    p.build_after(|| held.execute_batch("commit").unwrap());
}

#[test]
fn two_builds_at_once_wait_for_each_other() {
    let p = project(&[("models/a.sql", &format!("{{{{ config(materialized='table') }}}} {MANY}"))]);
    let both = [p.start(&["build"]), p.start(&["build"])];
    for child in both {
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
    assert_eq!(rows(&database(&p), "select count(*) from a"), ["200000"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_what_runs_and_writes_results() {
    let p = project(&[
        ("models/slow.sql", SLOW),
        ("models/after.sql", "select * from {{ ref('slow') }}"),
    ]);
    let ran = p.interrupted_build();
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let statuses = (p.status("model.shop.slow"), p.status("model.shop.after"));
    assert_eq!(statuses, ("error".into(), "skipped".into()));
    assert_eq!(
        rows(&database(&p), "select count(*) from sqlite_schema where name like 'slow%'"),
        ["0"]
    );
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let p = project(&[("models/a.sql", "select 1 as x")]);
    let text = "this is not a database, and it is long enough to be read as a header of one, or so one hopes. ".repeat(20);
    p.write("shop.db", &text);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("shop.db") && ran.err.contains("not a database"), "{}", ran.err);
    assert!(p.read("shop.db").starts_with("this is not"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let p = crate::project::Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: sqlite, schemas_and_paths: {main: nowhere/shop.db}}}}\n",
        ),
        ("models/a.sql", "select 1 as x"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("nowhere/shop.db"), "{}", ran.err);
}

/// By default, SQLite takes a word in double quotes that is not a column as a text, which is never
/// null.
#[test]
fn a_misspelt_column_in_double_quotes_is_an_error() {
    let p = project(&[
        ("models/a.sql", "{{ config(materialized='table') }} select 1 as amount"),
        (
            "models/s.yml",
            "models: [{name: a, columns: [{name: amuont, quote: true, data_tests: [not_null]}]}]",
        ),
        (
            "models/b.sql",
            "{{ config(materialized='table') }} select \"no_such_column\" as x from {{ ref('a') }}",
        ),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("no such column: amuont")
            || ran.err.contains("no such column: \"amuont\""),
        "{}",
        ran.err
    );
    assert_eq!(p.status("test.shop.not_null_a__amuont_"), "error");
    p.remove("models/s.yml");
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1 && ran.err.contains("no_such_column") && ran.err.contains("models/b.sql:1:"),
        "{}",
        ran.err
    );
}

#[test]
fn a_view_cannot_read_another_file_and_a_table_can() {
    let view = "{{ config(schema='marts') }} select x from {{ ref('a') }}";
    let p = project(&[
        ("models/a.sql", "{{ config(materialized='table') }} select 1 as x"),
        ("models/v.sql", view),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let said = "a view reads its own file alone, and the schema main is another";
    assert!(ran.err.contains(said) && ran.err.contains("materialized: table"), "{}", ran.err);
    p.write(
        "models/v.sql",
        &view.replace("schema='marts'", "schema='marts', materialized='table'"),
    );
    p.ok(&["build"]);
    let marts = Connection::open(p.path().join("main_marts.db")).unwrap();
    assert_eq!(rows(&marts, "select x from v"), ["1"]);
}

#[test]
fn more_schemas_than_can_be_attached_are_an_error_that_says_how_many() {
    let models: Vec<(String, String)> = (0..11)
        .map(|i| {
            (
                format!("models/m{i}.sql"),
                format!("{{{{ config(materialized='table', schema='s{i}') }}}} select {i} as x"),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = models.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let p = project(&files);
    let ran = p.run(&["build"]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("10") && ran.err.contains("attached"), "{}", ran.err);
}

#[test]
fn a_reference_that_is_broken_is_found_before_anyone_reads_it() {
    let parent = "{{ config(materialized='table') }} select 1 as id";
    let contract = |name: &str, constraint: &str| {
        format!(
            "  - name: {name}\n    config: {{contract: {{enforced: true}}}}\n    columns: [{{name: id, data_type: integer, constraints: [{constraint}]}}]\n"
        )
    };
    let yml = format!(
        "models:\n{}{}",
        contract("parent", "{type: primary_key}"),
        contract("child", "{type: foreign_key, to: ref('parent'), to_columns: [id]}")
    );
    let p = project(&[
        ("models/parent.sql", parent),
        (
            "models/child.sql",
            "{{ config(materialized='table') }} select 1 as id -- {{ ref('parent') }}",
        ),
        ("models/s.yml", &yml),
    ]);
    p.ok(&["build"]);
    p.ok(&["build"]);
    p.write(
        "models/child.sql",
        "{{ config(materialized='table') }} select 2 as id -- {{ ref('parent') }}",
    );
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("child") && ran.err.to_lowercase().contains("foreign key"),
        "{}",
        ran.err
    );
    assert_eq!(rows(&database(&p), "select id from child"), ["1"]);
}
