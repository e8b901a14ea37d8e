//! `strata watch` and `--changed`: the real binary, real files, and the data afterwards.

mod changed;
mod driver;
mod files;
mod law;
mod screen;
mod sqlite;

use crate::project::Project;
use driver::Watch;

const SHOP: &[(&str, &str)] = &[
    ("seeds/raw.csv", "id,amount\n1,10\n2,20\n3,30\n"),
    ("models/stg.sql", "select id, amount from {{ ref('raw') }}"),
    (
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} as amount from {{ ref('stg') }}",
    ),
    (
        "models/mart.sql",
        "{{ config(materialized='table') }} select count(*) as n, sum(amount) as total from {{ ref('mid') }}",
    ),
    ("models/other.sql", "{{ config(materialized='table') }} select 1 as x"),
    ("macros/m.sql", "{% macro double(x) %}{{ x }} * 2{% endmacro %}"),
    (
        "models/s.yml",
        "models: [{name: mid, columns: [{name: id, data_tests: [unique, not_null]}]}]",
    ),
];

#[test]
fn a_save_builds_what_it_changes_and_says_why() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &["--show", "mart"]);
    assert_eq!(w.first.built(), ["mart", "mid", "other", "raw", "stg"]);
    assert_eq!(w.first.shown(), [serde_json::json!({ "n": 3, "total": 120 })]);

    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} + 1 as amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!(
        (build.read("parsed"), build.read("macro_files"), build.read("resolved")),
        (1, 0, 1)
    );
    assert_eq!(build.last("built")["compiled"], 0, "what came out then is its SQL");
    assert_eq!(build.built(), ["mart", "mid"]);
    assert_eq!(build.reason("mid").0, "changed");
    assert!(build.reason("mid").1.starts_with("SQL changed: "), "{:?}", build.reason("mid"));
    assert_eq!(build.reason("mart"), ("follows".to_owned(), "if mid changes".to_owned()));
    assert_eq!(build.shown(), [serde_json::json!({ "n": 3, "total": 123 })]);
    assert_eq!(build.tests(), ["not_null_mid_id", "unique_mid_id"]);

    // Added and removed columns are reported.
    p.write("models/mid.sql", "{{ config(materialized='table') }} select id, {{ double('amount') }} + 1 as amount, 'x' as note from {{ ref('stg') }}");
    let build = w.build();
    assert_eq!(build.effect("mid")["added"], serde_json::json!(["note"]));
    assert_eq!(build.effect("mid")["rows_after"], 3);
    // `mart` came out the same, so nothing is reported for it.
    assert_eq!(build.effect("mart")["changed"], false);
    w.stop();
    driver::equals_a_fresh_build(&p);
}

#[test]
fn what_comes_out_the_same_sets_off_nothing() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} + 0 as amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!(build.built(), ["mid"]);
    assert_eq!(build.effect("mid")["changed"], false);
    assert_eq!(build.status("mart"), "no-op");
    // A comment changes no SQL.
    p.write("models/mid.sql", "-- a comment\n{{ config(materialized='table') }} select id, {{ double('amount') }} + 0 as amount from {{ ref('stg') }}");
    assert_eq!(w.build().built(), Vec::<String>::new());
    w.stop();
}

#[test]
fn what_others_do_between_two_saves_is_seen() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    let edit = |n: u32| {
        p.write(
            "models/mid.sql",
            &format!(
                "{{{{ config(materialized='table') }}}} select id, amount + {n} as amount from {{{{ ref('stg') }}}}"
            ),
        )
    };
    edit(1);
    assert_eq!(w.build().built(), ["mart", "mid"]);
    p.database()
        .execute_batch("drop table other; alter table mart add column extra integer")
        .unwrap();
    edit(2);
    let build = w.build();
    assert_eq!(build.built(), ["mart", "mid", "other"]);
    assert_eq!(
        (build.reason("other").0, build.reason("mart").0),
        ("missing".to_owned(), "altered".to_owned())
    );
    edit(3);
    assert_eq!(w.build().built(), ["mart", "mid"]);
    w.stop();
    driver::equals_a_fresh_build(&p);
}

#[test]
fn a_macro_renders_its_callers_again() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    p.write("macros/m.sql", "{% macro double(x) %}{{ x }} * 20{% endmacro %}");
    let build = w.build();
    assert_eq!(
        (build.read("macro_files"), build.read("parsed")),
        (1, 1),
        "its one caller is rendered"
    );
    assert_eq!(build.built(), ["mart", "mid"]);
    // A new macro may be one that other files failed to find.
    p.write("models/other.sql", "{{ config(materialized='table') }} select {{ one() }} as x");
    let build = w.build();
    let told = |l: &serde_json::Value| {
        l["message"].as_str().is_some_and(|m| m.starts_with("`one` is not defined"))
    };
    assert!(
        build.lines.iter().any(|l| l["event"] == "diagnostic" && told(l)),
        "{:#?}",
        build.lines
    );
    p.write("macros/one.sql", "{% macro one() %}11{% endmacro %}");
    let build = w.build();
    assert_eq!(build.built(), ["other"]);
    w.stop();
    driver::equals_a_fresh_build(&p);
}

#[test]
fn variables_seeds_and_properties_count() {
    let p = Project::new(SHOP);
    p.write("models/v.sql", "{{ config(materialized='table') }} select {{ var('n', 1) }} as n");
    let mut w = Watch::start(&p, &[]);
    p.write("project.yml", "name: shop\nprofile: shop\nvars: {n: 7}\n");
    let build = w.build();
    assert_eq!((build.built(), build.read("parsed")), (vec!["v".to_owned()], 1));
    p.write("seeds/raw.csv", "id,amount\n1,10\n2,20\n3,31\n");
    let build = w.build();
    assert_eq!(build.reason("raw").0, "changed");
    assert!(build.built().contains(&"mart".to_owned()));
    // If a test fails, its rows are reported, and the old version remains published.
    p.write(
        "models/s.yml",
        "models: [{name: mid, columns: [{name: amount, data_tests: [{accepted_values: {values: [20]}}]}]}]",
    );
    let build = w.build();
    let failed = build
        .lines
        .iter()
        .find(|l| l["event"] == "node_finished" && l["status"] == "fail")
        .unwrap();
    assert_eq!(failed["sample"].as_array().unwrap().len(), 2, "{failed}");
    assert_eq!(build.last("built")["failed"], 1);
    p.write("models/s.yml", "models: [{name: stg, config: {materialized: table}}]");
    let build = w.build();
    let why = "config materialized changed: not set -> table".to_owned();
    assert_eq!(build.reason("stg"), ("changed".to_owned(), why));
    w.stop();
}

#[test]
fn mistakes_are_told_and_the_last_good_relations_stay() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    p.write("models/mid.sql", "select {{ nope from {{ ref('stg') }}");
    let read = w.reading();
    let d = read.lines.iter().find(|l| l["event"] == "diagnostic").unwrap();
    assert_eq!(
        (d["severity"].as_str(), d["path"].as_str(), d["line"].as_i64()),
        (Some("error"), Some("models/mid.sql"), Some(1))
    );
    assert_eq!(p.rows("select total::int from mart"), ["120"]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount from {{ ref('stg') }}",
    );
    assert_eq!(w.build().built(), ["mart", "mid"]);
    // The engine rejects this SQL.
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, nope from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!(
        (build.status("mid"), build.status("mart")),
        ("error".to_owned(), "skipped".to_owned())
    );
    // A failed node is not tried again after a save that does not affect it.
    p.write("models/other.sql", "{{ config(materialized='table') }} select 2 as x");
    let build = w.build();
    assert_eq!(build.built(), ["other"]);
    assert!(build.left().contains(&"mid".to_owned()), "{:?}", build.left());
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount from {{ ref('stg') }}",
    );
    w.build();
    w.stop();
    driver::equals_a_fresh_build(&p);
}

#[test]
fn a_newer_save_ends_what_it_makes_obsolete() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select 1 as id, count(*) as amount from range(200000000) a, range(40) b where (a.range + b.range) % 7 = 3",
    );
    w.wait_for(|l| l["event"] == "node_started" && l["name"] == "main.mid");
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount + 5 as amount from {{ ref('stg') }}",
    );
    w.wait_for(|l| l["event"] == "obsolete");
    w.wait_for(|l| l["event"] == "built" && l["obsolete"] == true);
    w.wait_for(|l| l["event"] == "built" && l["obsolete"] == false);
    w.stop();
    assert_eq!(p.rows("select total::int from mart"), ["75"]);
    driver::equals_a_fresh_build(&p);
}

#[test]
fn depth_and_checks_only() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &["--depth", "0"]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!((build.built(), build.left()), (vec!["mid".to_owned()], vec!["mart".to_owned()]));
    w.stop();
    assert_eq!(p.rows("select total::int from mart"), ["120"], "it is stale");
    let mut w = Watch::begin(&p, &["--no-build"]);
    w.wait_for(|l| l["event"] == "checked" && l["errors"] == 0);
    p.write("models/mid.sql", "select * from {{ ref('nothing') }}");
    let read = w.reading();
    assert_eq!(read.read("errors"), 1);
    w.stop();
    assert_eq!(p.rows("select total::int from mart"), ["120"]);
}

#[test]
fn others_read_the_file_all_the_time() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let path = p.path().join("shop.duckdb");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut read, mut refused) = (0, 0);
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                match driver::read_only(&path) {
                    Ok(connection) => {
                        // `mid` and `mart` are swapped in one after the other, but each of them is
                        // always complete.
                        let rows = crate::project::rows(&connection, "select n from mart");
                        assert_eq!(rows, ["3"]);
                        assert_eq!(
                            crate::project::rows(&connection, "select count(*) from mid"),
                            ["3"]
                        );
                        read += 1;
                    }
                    Err(e) => {
                        let text = e.to_string();
                        assert!(text.contains("lock"), "{text}");
                        refused += 1;
                    }
                }
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
            (read, refused)
        });
        for i in 0..8 {
            p.write(
                "models/mid.sql",
                &format!(
                    "{{{{ config(materialized='table') }}}} select id, amount + {i} as amount from {{{{ ref('stg') }}}}"
                ),
            );
            assert_eq!(w.build().built(), ["mart", "mid"], "save {i}");
            // Leaves the reader some time before the next save.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        let (read, refused) = reader.join().unwrap();
        assert!(read > 20, "{read} reads, {refused} refused");
    });
    w.stop();
}

#[test]
fn on_postgres_too() {
    let Some(server) = crate::postgres::Server::new("watch") else { return };
    let p = crate::postgres::project(&server, SHOP);
    let schema = server.schema("direct");
    let mut w = Watch::start(&p, &["--show", "mart"]);
    assert_eq!(w.first.built(), ["mart", "mid", "other", "raw", "stg"]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} + 1 as amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!(build.built(), ["mart", "mid"]);
    assert_eq!(build.shown(), [serde_json::json!({ "n": 3, "total": 123 })]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} + 1 + 0 as amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!((build.built(), build.status("mart")), (vec!["mid".to_owned()], "no-op".to_owned()));
    p.write("models/stg.sql", "select id, amount + 1 as amount from {{ ref('raw') }}");
    assert_eq!(w.build().built(), ["mart", "mid", "stg"]);
    // The next command notices that another program has replaced a relation.
    w.stop();
    server.run(&format!(
        "drop table {schema}.mart; create table {schema}.mart as select 3::bigint as n, 0::numeric as total"
    ));
    let ran = p.ok(&["build", "--changed", "--assume-sources-unchanged"]);
    assert!(ran.out.contains("model mart: altered outside"), "{}", ran.out);
    assert_eq!(server.rows(&format!("select total from {schema}.mart")), ["129"]);
    assert!(p.ok(&["build", "--changed"]).out.contains("nothing to do"));
}
