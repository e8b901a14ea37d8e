//! What can happen to a run from outside: kills, locks, broken files, signals.

use crate::project::{Project, Ran};
use std::process::Stdio;
use std::time::Duration;

const SLOW: &str = "{{ config(materialized='table') }} select count(*) as n from range(200000000) a, range(40) b where (a.range + b.range) % 7 = 3";

#[test]
fn a_killed_build_leaves_whole_relations_and_the_next_build_works() {
    let p = Project::new(&[
        (
            "models/a.sql",
            "{{ config(materialized='table') }} select range as id from range(200000)",
        ),
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
    for wait in [20, 60, 100, 140, 180] {
        let mut child =
            p.command(&["build"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(
            p.rows("select (select count(*) from a), (select count(*) from b)"),
            ["200000|200000"],
            "killed after {wait} ms"
        );
    }
    p.ok(&["build"]);
    assert_eq!(
        p.rows("select count(*) from duckdb_tables() where table_name like '%__dbt_tmp'"),
        ["0"]
    );
}

#[test]
fn a_locked_database_names_its_holder_or_is_waited_for() {
    let p = Project::new(&[("models/a.sql", "select 1 as x")]);
    p.ok(&["build"]);
    // This process holds the file.
    let held = p.database();
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains(&format!("process {}", std::process::id())), "{}", ran.err);
    assert!(ran.err.contains("--lock-timeout"), "{}", ran.err);
    p.build_after(|| drop(held));
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_what_runs_and_writes_results() {
    let p = Project::new(&[
        ("models/slow.sql", SLOW),
        ("models/after.sql", "select * from {{ ref('slow') }}"),
    ]);
    let ran = p.interrupted_build();
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(
        (p.status("model.shop.slow"), p.status("model.shop.after")),
        ("error".into(), "skipped".into())
    );
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let p = Project::new(&[("models/a.sql", "select 1 as x")]);
    p.write(
        "shop.duckdb",
        "this is not a database, and it is long enough to be read as a header of one, or so one hopes\n",
    );
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("shop.duckdb") && ran.err.contains("hint:"), "{}", ran.err);
    assert!(p.read("shop.duckdb").starts_with("this is not"));
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing() {
    if !std::path::Path::new("/dev/full").exists() {
        eprintln!("skipped: no /dev/full here");
        return;
    }
    // Artifacts are written to a device that is always full. The build reports it, and keeps its
    // data.
    let p = Project::new(&[("models/a.sql", "{{ config(materialized='table') }} select 1 as x")]);
    p.ok(&["build"]);
    let ran = p.run(&["build", "--target-path", "/dev/full/x"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("/dev/full"), "{}", ran.err);
    assert_eq!(p.rows("select x from a"), ["1"]);
}

#[test]
fn a_macro_that_calls_itself_for_ever_is_an_error_of_its_node() {
    let p = Project::new(&[
        ("macros/r.sql", "{% macro r(n) %}{% if true %}{{ r(n + 1) }}{% endif %}{% endmacro %}"),
        ("models/a.sql", "select 1 as x {% if execute %}{{ r(0) }}{% endif %}"),
        ("models/b.sql", "select 2 as x"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("recursion") && ran.err.contains("macros/r.sql"), "{}", ran.err);
    assert_eq!(p.rows("select x from b"), ["2"]);
}

#[test]
fn secrets_are_never_shown() {
    let p = Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, password: \"{{ env_var('DBT_ENV_SECRET_PW') }}\"}}}\n",
        ),
        ("models/a.sql", "select 'hunter22' as p, nope"),
    ]);
    let output = p.command(&["build"]).env("DBT_ENV_SECRET_PW", "hunter22").output().unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, 1);
    assert!(
        !ran.out.contains("hunter22") && !ran.err.contains("hunter22"),
        "{}{}",
        ran.out,
        ran.err
    );
    // The text of a project file is not secret, so artifacts have it unchanged. Messages never
    // contain the value.
    let results: serde_json::Value =
        serde_json::from_str(&p.read("target/run_results.json")).unwrap();
    let message = results["results"][0]["message"].as_str().unwrap();
    assert!(!message.contains("hunter22"), "{message}");
    assert!(p.read("target/manifest.json").contains("select 'hunter22' as p, nope"));
    assert!(ran.err.contains("*****"), "{}", ran.err);
}

/// The files that a project with a password leaves behind, without ids, times and paths.
fn left_behind(password: &str) -> Vec<(String, String)> {
    let profiles = format!(
        "shop: {{target: dev, outputs: {{dev: {{type: duckdb, path: shop.duckdb, password: {password}}}}}}}\n"
    );
    let p = Project::new(&[
        ("profiles.yml", &profiles),
        ("models/main.sql", "select 1 as a, 'postgres' as test"),
        ("models/b.sql", "select * from {{ ref('main') }} where test = 'postgres'"),
        (
            "models/s.yml",
            "models: [{name: b, description: a test of main, columns: [{name: a, data_tests: [unique]}]}]",
        ),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let mut out = vec![
        ("out".to_owned(), ran.out),
        ("dag".to_owned(), p.run(&["dag"]).out),
        ("ls".to_owned(), p.run(&["ls"]).out),
    ];
    for file in ["manifest.json", "run_results.json", "compiled/shop/models/b.sql"] {
        out.push((file.to_owned(), p.read(&format!("target/{file}"))));
    }
    let varies = [
        r#""(generated_at|created_at|invocation_id|started_at|completed_at|invocation_started_at|strata_inputs)": ?"?[^",}]*"?"#,
        r#""execution_time": ?[0-9.e-]+|"elapsed_time": ?[0-9.e-]+"#,
        r"\d+ ms|\d+\.\d+ s",
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?",
    ]
    .map(|pattern| fancy_regex::Regex::new(pattern).unwrap());
    let place = p.path().display().to_string();
    for (_, text) in &mut out {
        *text = text.replace(&place, "PLACE");
        for pattern in &varies {
            *text = pattern.replace_all(text, "-").into_owned();
        }
    }
    out
}

#[test]
fn a_password_changes_nothing_that_is_written() {
    let random = left_behind("q8Zt3vKx71");
    for password in ["postgres", "main", "test", "select", "a", "b", "shop"] {
        for ((what, expected), (_, found)) in random.iter().zip(left_behind(password)) {
            assert_eq!(*expected, found, "{what} with the password `{password}`");
        }
    }
}

#[test]
fn a_message_about_a_profile_quotes_none_of_its_lines() {
    let p = Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {path: shop.duckdb, password: hunter22}}}\n",
        ),
        ("models/a.sql", "select 1 as id"),
    ]);
    for args in [&["build"][..], &["build", "--target", "prod"], &["build", "--profile", "other"]] {
        let ran = p.run(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.err.contains("profiles.yml:1:"), "{}", ran.err);
        assert!(
            !ran.out.contains("hunter22") && !ran.err.contains("hunter22"),
            "{}{}",
            ran.out,
            ran.err
        );
    }
}

#[test]
fn what_is_read_without_ref_may_come_to_be_while_the_reader_fails() {
    // Readers and what they read run side by side: some of the relations come to be between a
    // reader's failure and the moment at which the run hears of it.
    let count = 40;
    let mut files = Vec::new();
    for i in 0..count {
        files.push((format!("models/m{i}_a_reader.sql"), format!("select * from main.m{i}_base")));
        files.push((format!("models/m{i}_base.sql"), "select 1 as id".to_owned()));
    }
    let named: Vec<_> = files.iter().map(|(path, sql)| (path.as_str(), sql.as_str())).collect();
    let p = Project::new(&named);
    p.ok(&["build", "--threads", "8"]);
    let readers = (0..count).filter(|i| p.rows(&format!("from m{i}_a_reader")) == ["1"]);
    assert_eq!(readers.count(), count);
}

#[test]
fn what_is_read_without_ref_is_waited_for() {
    // The reader comes first in alphabetical order, and nothing declares that it needs the other
    // model.
    let p = Project::new(&[
        ("models/a_reader.sql", "{{ config(materialized='table') }} select * from main.z_base"),
        ("models/z_base.sql", "select 1 as id"),
        (
            "models/s.yml",
            "models: [{name: a_reader, columns: [{name: id, data_tests: [unique, not_null]}]}]",
        ),
    ]);
    let ran = p.ok(&["build", "--threads", "1"]);
    assert!(
        ran.out.contains("waiting for main.z_base, which it reads without `ref`"),
        "{}",
        ran.out
    );
    assert_eq!(p.rows("select id from a_reader"), ["1"]);
    // If the relation never appears, this is reported once, as an error.
    let p = Project::new(&[
        ("models/a_reader.sql", "{{ config(materialized='table') }} select * from main.z_base"),
        ("models/z_base.sql", "select 1 as id from nowhere"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(
        (ran.code, p.status("model.shop.a_reader"), p.status("model.shop.z_base")),
        (1, "error".into(), "error".into())
    );
}
