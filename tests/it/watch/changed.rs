//! `build --changed`: what is skipped, what is not, and why.

use super::SHOP;
use super::driver::{content, copy};
use crate::project::{Project, Ran};

/// The nodes that a build found stale, with the reasons that it printed.
fn due(ran: &Ran) -> Vec<String> {
    let line = |l: &str| {
        let l = l.trim_start();
        l.strip_prefix("build  ").map(str::to_owned)
    };
    ran.out.lines().filter_map(line).collect()
}

fn changed(p: &Project) -> Ran {
    p.ok(&["build", "--changed"])
}

#[test]
fn nothing_is_built_twice() {
    let p = Project::new(SHOP);
    // A plain build does not create the table of publications.
    p.ok(&["build"]);
    assert_eq!(
        p.rows("select count(*) from duckdb_tables() where table_name = 'strata_state'"),
        ["0"]
    );
    assert!(p.ok(&["plan", "--changed"]).out.contains("no build was noted"));
    assert_eq!(due(&changed(&p)).len(), 5);
    let again = changed(&p);
    assert!(
        again.out.contains("5 nodes unchanged") && again.out.contains("nothing to do"),
        "{}",
        again.out
    );
    let plan = p.ok(&["plan", "--changed"]);
    assert!(
        plan.out.contains("- model mart  (unchanged)") && plan.out.contains("0 steps"),
        "{}",
        plan.out
    );
    // After an edit, the plan shows the reason, and the node is built together with those that
    // depend on it.
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount from {{ ref('stg') }}",
    );
    let plan = p.ok(&["plan", "--changed"]);
    assert!(plan.out.contains("main.mid  (table, replaces; SQL changed: "), "{}", plan.out);
    assert!(plan.out.contains("main.mart  (table, replaces; if mid changes)"), "{}", plan.out);
    let json: serde_json::Value =
        serde_json::from_str(&p.ok(&["plan", "--changed", "--json"]).out).unwrap();
    assert_eq!(json["unchanged"].as_array().unwrap().len(), 3, "{json}");
    assert_eq!(due(&changed(&p)).len(), 1);
    assert!(due(&changed(&p)).is_empty());
    // From now on plain builds record their publications, too.
    p.write("models/other.sql", "{{ config(materialized='table') }} select 5 as x");
    p.ok(&["build", "--select", "other"]);
    assert!(due(&changed(&p)).is_empty());
    p.ok(&["build", "--select", "other", "--empty"]);
    assert_eq!(due(&changed(&p)), ["model other: was built with --empty"]);
    p.ok(&["run", "--select", "mid"]);
    let after = due(&changed(&p));
    assert!(after.len() == 1 && after[0].starts_with("model mart: mid changed: "), "{after:?}");
    let fresh = copy(&p);
    fresh.ok(&["build"]);
    assert_eq!(content(&p.database()), content(&fresh.database()));
}

#[test]
fn what_happened_to_the_database_is_seen() {
    let p = Project::new(SHOP);
    changed(&p);
    let backup = std::fs::read(p.path().join("shop.duckdb")).unwrap();
    p.database().execute_batch("drop table mart").unwrap();
    assert_eq!(due(&changed(&p)), ["model mart: its relation is gone"]);
    p.database().execute_batch("alter table mart add column extra integer").unwrap();
    assert_eq!(due(&changed(&p)), ["model mart: altered outside: column extra INTEGER"]);
    p.database().execute_batch("drop view stg; create table stg as select * from raw").unwrap();
    assert_eq!(due(&changed(&p)), ["model stg: altered outside: a table, not a view"]);
    // The records in a restored database match its relations.
    p.write("models/other.sql", "{{ config(materialized='table') }} select 9 as x");
    changed(&p);
    std::fs::write(p.path().join("shop.duckdb"), backup).unwrap();
    let ran = changed(&p);
    assert_eq!(due(&ran).len(), 1, "{}", ran.out);
    assert!(due(&ran)[0].starts_with("model other: SQL changed: "));
    // The other target has not been built yet.
    p.write(
        "profiles.yml",
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}, prod: {type: duckdb, path: prod.duckdb}}}\n",
    );
    assert_eq!(due(&p.ok(&["build", "--changed", "--target", "prod"])).len(), 5);
    assert!(due(&changed(&p)).is_empty());
}

#[test]
fn sources_are_known_by_when_they_were_loaded() {
    let p = Project::new(&[
        (
            "models/s.yml",
            "sources:\n  - name: raw\n    schema: main\n    tables:\n      - {name: known, config: {loaded_at_field: loaded}}\n      - {name: unknown}\n",
        ),
        (
            "models/a.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ source('raw', 'known') }}",
        ),
        (
            "models/b.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ source('raw', 'unknown') }}",
        ),
        ("models/v.sql", "select * from {{ source('raw', 'unknown') }}"),
        (
            "models/c.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ ref('v') }}",
        ),
        ("models/d.sql", "{{ config(materialized='table') }} select * from {{ ref('b') }}"),
    ]);
    p.database()
        .execute_batch(
            "create table known as select 1 as id, timestamp '2024-01-01' as loaded; create table unknown as select 1 as id",
        )
        .unwrap();
    changed(&p);
    // Nodes that read a source without a load time are always built. Their descendants are built
    // only if they have changed.
    let ran = changed(&p);
    let names: Vec<String> =
        due(&ran).iter().map(|l| l.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["model b", "model c", "model v"], "{}", ran.out);
    assert!(ran.out.contains("model b: reads raw.unknown, of which nothing tells"), "{}", ran.out);
    assert!(ran.out.contains("maybe  model d: if b changes"), "{}", ran.out);
    assert!(due(&p.ok(&["build", "--changed", "--assume-sources-unchanged"])).is_empty());
    p.database().execute_batch("insert into known values (2, timestamp '2024-02-01')").unwrap();
    let ran = p.ok(&["build", "--changed", "--assume-sources-unchanged"]);
    assert_eq!(
        due(&ran),
        ["model a: raw.known has new rows: 2024-01-01T00:00:00Z -> 2024-02-01T00:00:00Z"]
    );
    assert_eq!(p.rows("select n from a"), ["2"]);
    assert_eq!(p.run(&["build", "--assume-sources-unchanged"]).code, 2, "it belongs to --changed");
}

#[test]
fn what_may_differ_by_itself_is_never_skipped() {
    let p = Project::new(&[
        ("models/clock.sql", "{{ config(materialized='table') }} select current_date as d"),
        (
            "models/started.sql",
            "{{ config(materialized='table') }} select '{{ run_started_at }}' as t",
        ),
        (
            "models/asks.sql",
            "{{ config(materialized='table') }} {% set n = run_query('select 1').columns[0].values()[0] if execute else 0 %} select {{ n }} as n",
        ),
        ("models/view.sql", "select now() as t"),
        ("models/reads.sql", "{{ config(materialized='table') }} select * from {{ ref('view') }}"),
        ("models/below.sql", "{{ config(materialized='table') }} select * from {{ ref('clock') }}"),
        ("models/still.sql", "{{ config(materialized='table') }} select 1 as x"),
    ]);
    changed(&p);
    let ran = changed(&p);
    let names: Vec<String> =
        due(&ran).iter().map(|l| l.split(':').next().unwrap().replace("model ", "")).collect();
    assert_eq!(names, ["asks", "clock", "reads", "started", "view"], "{}", ran.out);
    assert!(
        ran.out.contains("model clock: uses current_date, which differs each time"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("model asks: asks the database while it is compiled"), "{}", ran.out);
    assert!(ran.out.contains("maybe  model below: if clock changes"), "{}", ran.out);
}

#[test]
fn incremental_models_and_snapshots_and_tests() {
    let p = Project::new(&[
        ("seeds/s.csv", "id,v\n1,a\n"),
        (
            "models/inc.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select id, v from {{ ref('s') }}{% if is_incremental() %} where id >= (select max(id) from {{ this }}){% endif %}",
        ),
        (
            "snapshots/snap.sql",
            "{% snapshot snap %}{{ config(strategy='check', unique_key='id', check_cols='all') }} select * from {{ ref('s') }}{% endsnapshot %}",
        ),
        ("models/s.yml", "models: [{name: inc, columns: [{name: id, data_tests: [unique]}]}]"),
        ("tests/one.sql", "select * from {{ ref('inc') }} where v = 'bad'"),
    ]);
    changed(&p);
    assert!(changed(&p).out.contains("nothing to do"));
    p.write("seeds/s.csv", "id,v\n1,a\n2,bad\n");
    let ran = p.run(&["build", "--changed"]);
    assert_eq!(ran.code, 1, "the test fails: {}", ran.out);
    assert!(
        ran.out.contains("after mending it: strata build --changed --select inc+"),
        "{}",
        ran.out
    );
    // The delta was not published, so the node stays stale until its test passes.
    assert_eq!(p.rows("select count(*) from inc"), ["1"]);
    assert_eq!(p.run(&["build", "--changed"]).code, 1);
    p.write("seeds/s.csv", "id,v\n1,a\n2,good\n");
    p.ok(&["build", "--changed"]);
    assert_eq!(p.rows("select count(*) from inc"), ["2"]);
    assert!(changed(&p).out.contains("nothing to do"));
    // Edits of the incremental form count, too.
    p.write(
        "models/inc.sql",
        "{{ config(materialized='incremental', unique_key='id') }} select id, v from {{ ref('s') }}{% if is_incremental() %} where id > (select max(id) from {{ this }}){% endif %}",
    );
    assert!(due(&changed(&p))[0].starts_with("model inc: SQL changed: "));
    // A new test runs, but its node is not built for it.
    p.write(
        "models/s.yml",
        "models: [{name: inc, columns: [{name: id, data_tests: [unique, not_null]}]}]",
    );
    let ran = changed(&p);
    assert!(due(&ran).is_empty() && ran.out.contains("1 passed"), "{}", ran.out);
}

#[test]
fn while_nothing_moves_the_database_is_not_opened() {
    let rows: String = (0..200_000).map(|i| format!("{i:06}\n")).collect();
    let seed = format!("id\n{rows}");
    let mut files = SHOP.to_vec();
    files.extend([
        ("seeds/large.csv", seed.as_str()),
        (
            "models/asked.sql",
            "{{ config(materialized='table') }} select {{ var('n', 1) }} as n, '{{ env_var(\"SHOP_X\", \"x\") }}' as x",
        ),
        ("models/many.sql", "{{ config(materialized='table') }} select max(id) as top from {{ ref('large') }}"),
        ("project.yml", "name: shop\nprofile: shop\nmodels: {shop: {nowhere: {+materialized: table}}}\n"),
    ]);
    let p = Project::new(&files);
    let said = |ran: &Ran| format!("{}{}", ran.out, ran.err);
    assert!(said(&changed(&p)).contains("nowhere"), "there is a warning to be told each time");
    // Another process holds the file, so that a command that opens it fails.
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let held = p.database();
        let ran = Ran::from(p.command(args).envs(env.iter().copied()).output().unwrap());
        drop(held);
        ran
    };
    let opens = |args: &[&str], env: &[(&str, &str)]| {
        let ran = run(args, env);
        assert!(ran.code == 0 || said(&ran).contains("lock"), "{ran:?}");
        ran.code != 0
    };
    const BUILD: &[&str] = &["build", "--changed"];
    let quick = run(BUILD, &[]);
    assert_eq!(quick.code, 0, "{quick:?}");
    assert!(
        said(&quick).contains("nowhere") && quick.out.contains("8 nodes unchanged"),
        "{quick:?}"
    );
    p.remove("target/strata_settled.bin");
    assert!(opens(BUILD, &[]));
    assert_eq!(said(&changed(&p)), said(&quick), "it says what a build says that looks");
    assert!(!opens(BUILD, &[]));
    // Another request opens the database.
    assert!(opens(&["build", "--changed", "--select", "mid"], &[]));
    assert!(
        !opens(&["build", "--changed", "--no-cache"], &[]),
        "nodes that say the same need no look, either"
    );
    assert!(opens(&["build", "--changed", "--vars", "{n: 2}"], &[]));
    assert!(opens(BUILD, &[("SHOP_X", "y")]));
    changed(&p);
    assert!(!opens(BUILD, &[("SHOP_Y", "y")]), "nobody asked for it");
    // So does any change of the inputs. If a change is undone, the database stays closed.
    let edits = [
        (
            "models/mid.sql",
            "{{ config(materialized='table') }} select id, amount from {{ ref('stg') }}",
        ),
        ("models/new.sql", "select 1 as x"),
        ("macros/m.sql", "{% macro double(x) %}{{ x }} * 3{% endmacro %}"),
        ("seeds/raw.csv", "id,amount\n1,10\n2,20\n3,31\n"),
        ("seeds/large.csv", &seed.replacen("000007", "999999", 1)),
        ("target/strata_settled.bin", "no such thing"),
    ];
    for (path, text) in edits {
        let before = std::fs::read(p.path().join(path)).ok();
        p.write(path, text);
        assert!(opens(BUILD, &[]), "{path}");
        match before {
            Some(bytes) => std::fs::write(p.path().join(path), bytes).unwrap(),
            None => p.remove(path),
        }
        changed(&p);
        assert!(!opens(BUILD, &[]), "{path}");
    }
    // The manifest is written again if it is missing or was made with other variables. This does
    // not require opening the database.
    let inputs = || {
        let facts: serde_json::Value = serde_json::from_str(&p.read("target/strata.json")).unwrap();
        assert!(p.path().join("target/manifest.json").exists());
        facts["manifest"]["inputs"].as_str().unwrap().to_owned()
    };
    let manifest = inputs();
    p.remove("target/manifest.json");
    assert!(!opens(BUILD, &[]));
    assert_eq!(inputs(), manifest);
    p.ok(&["parse", "--no-cache", "--vars", "{n: 3}"]);
    assert_ne!(inputs(), manifest);
    assert!(!opens(BUILD, &[]));
    assert_eq!(inputs(), manifest);
    // The database has changed: another program wrote to it, it was restored, or a `.wal` file
    // appeared.
    let copy = std::fs::read(p.path().join("shop.duckdb")).unwrap();
    p.database().execute_batch("create or replace table other as select 1 as x").unwrap();
    assert!(opens(BUILD, &[]));
    changed(&p);
    assert!(!opens(BUILD, &[]));
    std::fs::write(p.path().join("shop.duckdb"), copy).unwrap();
    assert!(opens(BUILD, &[]));
    changed(&p);
    p.database()
        .execute_batch("pragma disable_checkpoint_on_shutdown; insert into other values (2)")
        .unwrap();
    assert!(opens(BUILD, &[]));
}

#[test]
fn what_a_text_refers_to_counts() {
    let sets = "{{ config(materialized='table') }}{% set x = ref('one') %}{% set y = ref('two') %}";
    let p = Project::new(&[
        ("models/one.sql", "select 1 as a"),
        ("models/two.sql", "select 2 as a"),
        (
            "models/inside.sql",
            "{{ config(materialized='ephemeral') }} select a + {{ more() }} as a from {{ ref('two') }}",
        ),
        (
            "models/pair.sql",
            &format!("{sets}select x.a as first, y.a as second from {{{{ x }}}} x, {{{{ y }}}} y"),
        ),
        (
            "models/outside.sql",
            "{{ config(materialized='table') }} select * from {{ ref('inside') }}",
        ),
        ("macros/m.sql", "{% macro more() %}1{% endmacro %}"),
    ]);
    changed(&p);
    assert!(due(&changed(&p)).is_empty());
    // The same references in another order.
    p.write(
        "models/pair.sql",
        &format!("{sets}select x.a as first, y.a as second from {{{{ y }}}} x, {{{{ x }}}} y"),
    );
    assert!(due(&changed(&p))[0].starts_with("model pair: SQL changed: "));
    assert_eq!(p.rows("select first, second from pair"), ["2|1"]);
    // The same reference to a relation that has another name.
    p.write("models/one.sql", "{{ config(alias='uno') }} select 1 as a");
    let names = |ran: &Ran| {
        due(ran).iter().map(|l| l.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&changed(&p)), ["model one", "model pair"]);
    // An edit of an ephemeral model, and of a macro that it calls.
    p.write(
        "models/inside.sql",
        "{{ config(materialized='ephemeral') }} select a + 10 + {{ more() }} as a from {{ ref('two') }}",
    );
    assert_eq!(names(&changed(&p)), ["model outside"]);
    p.write("macros/m.sql", "{% macro more() %}100{% endmacro %}");
    assert_eq!(names(&changed(&p)), ["model outside"]);
    assert_eq!(p.rows("select a from outside"), ["112"]);
}

#[test]
fn hooks_and_tests_ask_the_world_too() {
    let p = Project::new(&[
        (
            "models/hooked.sql",
            "{{ config(materialized='table', pre_hook=\"create or replace table h as select '{{ env_var('SHOP_H', '1') }}' as e, {{ limit() }} as l\") }} select 1 as id",
        ),
        ("models/s.yml", "models: [{name: hooked, columns: [{name: id, data_tests: [below]}]}]"),
        (
            "macros/m.sql",
            "{% macro limit() %}{{ var('most', 10) }}{% endmacro %}{% test below(model, column_name) %}select * from {{ model }} where {{ column_name }} > {{ limit() }}{% endtest %}",
        ),
    ]);
    changed(&p);
    assert!(due(&changed(&p)).is_empty());
    let ran = Ran::from(p.command(&["build", "--changed"]).env("SHOP_H", "2").output().unwrap());
    assert!(
        due(&ran).len() == 1 && due(&ran)[0].starts_with("model hooked: hooks changed: "),
        "{ran:?}"
    );
    assert_eq!(p.rows("select e, l from h"), ["2|10"]);
    changed(&p);
    let ran = p.run(&["build", "--changed", "--vars", "{most: 0}"]);
    assert_eq!(ran.code, 1, "the test fails with it: {ran:?}");
}
