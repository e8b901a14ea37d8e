//! Models that are built in batches of time.

use crate::postgres::Server;
use crate::project::{Project, Ran};
use serde_json::{Value, json};

/// Rows of four days. `d` of the last one is 0 while the variable `broken` is set.
const INPUT: &str = "{{ config(materialized='table', event_time='ts') }}
select * from (values (1, timestamp '2024-01-01 00:00:00', 1), (2, timestamp '2024-01-02 23:59:59', 1),
  (3, timestamp '2024-01-03 12:00:00', 1), (4, timestamp '2024-01-04 00:00:00', 1)) as t (id, ts, d)";

/// A model in batches of a day, with more configs and a query.
fn model(config: &str, sql: &str) -> String {
    format!(
        "{{{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='ts', \
         batch_size='day', begin='2024-01-01'{config}) }}}}\n{sql}"
    )
}

const COPY: &str = "select * from {{ ref('input') }}";

/// Fails for the batches whose names are in the variable `broken`.
const BREAKING: &str = "select *{% if model.batch.id in var('broken', []) %}, no_such_column{% endif %} \
                        from {{ ref('input') }}";

fn project(config: &str, sql: &str, more: &[(&str, &str)]) -> Project {
    let m = model(config, sql);
    Project::new(&[&[("models/input.sql", INPUT), ("models/m.sql", m.as_str())], more].concat())
}

/// Builds the batches of some days of January.
fn build(p: &Project, from: u8, to: u8, more: &[&str]) -> Ran {
    let (from, to) = (format!("2024-01-{from:02}"), format!("2024-01-{to:02}"));
    p.run(&[&["build", "--event-time-start", &from, "--event-time-end", &to], more].concat())
}

fn ids(p: &Project) -> Vec<String> {
    p.rows("select id from m order by id")
}

/// The result of a node in the last run.
fn result(p: &Project, id: &str) -> Value {
    let all: Value = serde_json::from_str(&p.read("target/run_results.json")).unwrap();
    let found = all["results"].as_array().unwrap().iter().find(|r| r["unique_id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {all}")).clone()
}

fn day(day: u8) -> Value {
    json!([
        format!("2024-01-{day:02}T00:00:00+00:00"),
        format!("2024-01-{:02}T00:00:00+00:00", day + 1)
    ])
}

fn batches(good: &[u8], bad: &[u8]) -> Value {
    let days = |days: &[u8]| days.iter().map(|d| day(*d)).collect::<Vec<_>>();
    json!({ "successful": days(good), "failed": days(bad) })
}

#[test]
fn a_batch_replaces_its_span_of_time() {
    let p = project("", COPY, &[]);
    let ran = build(&p, 1, 4, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ids(&p), ["1", "2", "3"]);
    assert!(ran.out.contains("batch 2 of 3 of main.m: 2024-01-02"), "{}", ran.out);
    assert!(ran.out.contains("incremental model main.m  3 batches"), "{}", ran.out);
    let m = result(&p, "model.shop.m");
    assert_eq!(m["batch_results"], batches(&[1, 2, 3], &[]));
    assert_eq!((&m["message"], &m["compiled"]), (&json!("SUCCESS"), &json!(false)));
    // A row that is gone from a batch goes, one of another batch stays.
    p.write(
        "models/input.sql",
        &INPUT.replace("(2, timestamp '2024-01-02", "(5, timestamp '2024-01-03"),
    );
    assert_eq!(build(&p, 3, 5, &[]).code, 0);
    assert_eq!(ids(&p), ["1", "2", "3", "4", "5"]);
    assert_eq!(build(&p, 2, 3, &[]).code, 0);
    assert_eq!(ids(&p), ["1", "3", "4", "5"]);
    assert_eq!(result(&p, "model.shop.m")["batch_results"], batches(&[2], &[]));
}

#[test]
fn without_times_batches_reach_from_the_beginning_or_the_lookback_to_now() {
    let now = "select 1 as id, current_timestamp::timestamp as ts";
    let input = format!("{{{{ config(materialized='table', event_time='ts') }}}} {now}");
    let config = ", batch_size='year', begin='2020-06-01', lookback=2";
    let m = model("", COPY).replace(", batch_size='day', begin='2024-01-01'", config);
    let m = m.replace("batch_size='day', begin='2024-01-01'", &config[2..]);
    let p = Project::new(&[("models/input.sql", &input), ("models/m.sql", &m)]);
    p.ok(&["build"]);
    let of = |p: &Project| result(p, "model.shop.m")["batch_results"]["successful"].clone();
    let first = of(&p);
    assert_eq!(first[0], json!(["2020-01-01T00:00:00+00:00", "2021-01-01T00:00:00+00:00"]));
    assert_eq!(ids(&p), ["1"]);
    p.ok(&["build"]);
    let all = first.as_array().unwrap();
    assert_eq!(of(&p), json!(all[all.len() - 3..]), "two years back, and this one");
    p.ok(&["build", "--full-refresh"]);
    assert_eq!(of(&p), first);
}

#[test]
fn what_a_text_sees_of_its_batch() {
    let text = "-- {{ model.batch.id }} {{ model.batch.event_time_start }} {{ model.config.__dbt_internal_microbatch_event_time_end }}
-- {{ config.get('__dbt_internal_microbatch_event_time_start') }} {{ is_incremental() }} {{ ref('input').render() }}
select i.* from {{ ref('input') }} i join {{ ref('e') }} using (id) join {{ source('raw', 'input') }} s using (id)";
    let p = project(
        "",
        text,
        &[
            (
                "models/e.sql",
                "{{ config(materialized='ephemeral', event_time='ts') }}select id, ts from {{ ref('input') }}",
            ),
            (
                "models/s.yml",
                "sources: [{name: raw, schema: main, tables: [{name: input, config: {event_time: ts}, columns: [{name: ts, quote: true}]}]}]",
            ),
        ],
    );
    assert_eq!(build(&p, 1, 3, &[]).code, 0);
    assert_eq!(ids(&p), ["1", "2"]);
    let rows = |name: &str, column: &str| {
        format!(
            "(select * from {name} where {column} >= '2024-01-02 00:00:00+00:00' and {column} < '2024-01-03 00:00:00+00:00')"
        )
    };
    let input = "\"shop\".\"main\".\"input\"";
    assert_eq!(
        p.read("target/compiled/shop/models/m/m_2024-01-02.sql"),
        format!(
            "with __dbt__cte__e as (\nselect id, ts from {input}\n) \
             -- 20240102 2024-01-02 00:00:00+00:00 2024-01-03 00:00:00+00:00\n\
             -- 2024-01-02 00:00:00+00:00 True {input}\n\
             select i.* from {} i join {} using (id) join {} s using (id)",
            rows(input, "ts"),
            rows("__dbt__cte__e", "ts"),
            rows(input, "\"ts\"")
        )
    );
    assert!(p.read("target/compiled/shop/models/m/m_2024-01-01.sql").contains("False"));
    assert!(p.read("target/run/shop/models/m/m_2024-01-02.sql").contains("delete from"));
    // Without a batch nothing is filtered.
    p.ok(&["compile", "-s", "m"]);
    assert!(!p.read("target/compiled/shop/models/m.sql").contains("where"));
}

#[test]
fn a_batch_that_fails_leaves_the_others_and_is_retried_alone() {
    let p = project("", BREAKING, &[("models/child.sql", "select * from {{ ref('m') }}")]);
    let ran = build(&p, 1, 5, &["--vars", "{broken: ['20240102', '20240104']}"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(ids(&p), ["1", "3"]);
    let m = result(&p, "model.shop.m");
    assert_eq!(m["status"], "partial success");
    assert_eq!(m["message"], "PARTIAL SUCCESS (2/4)");
    assert_eq!(m["batch_results"], batches(&[1, 3], &[2, 4]));
    assert_eq!(p.status("model.shop.child"), "skipped");
    assert!(ran.err.contains("no_such_column"), "{}", ran.err);
    assert!(ran.err.contains("in the batch 2024-01-02: 2 of 4 batches"), "{}", ran.err);
    // The batches that succeeded are not built again: their rows would be gone.
    p.write("models/input.sql", &INPUT.replace("(1, timestamp", "(9, timestamp"));
    p.ok(&["run", "-s", "input"]);
    let before = p.read("target/run_results.json");
    std::fs::create_dir(p.path().join("earlier")).unwrap();
    assert_eq!(
        build(&p, 1, 5, &["--vars", "{broken: ['20240102', '20240104']}", "-s", "m+"]).code,
        1
    );
    assert!(before != p.read("target/run_results.json"));
    let again = p.run(&["retry", "--vars", "{broken: ['20240104']}"]);
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.out.contains("batch 1 of 2"), "{}", again.out);
    assert_eq!(result(&p, "model.shop.m")["batch_results"], batches(&[2, 1, 3], &[4]));
    p.ok(&["retry", "--vars", "{}"]);
    assert_eq!(ids(&p), ["2", "3", "4", "9"]);
    assert_eq!(result(&p, "model.shop.m")["status"], "success");
    assert_eq!(p.status("model.shop.child"), "success");
    assert!(p.ok(&["retry"]).out.contains("nothing"), "all is well");
}

#[test]
fn after_the_first_batch_fails_no_other_is_tried() {
    let p = project("", BREAKING, &[]);
    assert_eq!(build(&p, 1, 4, &["--vars", "{broken: ['20240101']}"]).code, 1);
    let m = result(&p, "model.shop.m");
    assert_eq!((&m["status"], &m["message"]), (&json!("error"), &json!("ERROR")));
    assert_eq!(m["batch_results"], batches(&[], &[1, 2, 3]));
    assert!(p.rows("from duckdb_tables() where table_name = 'm'").is_empty());
    // Nothing succeeded, so that a retry begins anew.
    p.ok(&["retry", "--vars", "{}"]);
    assert_eq!(ids(&p), ["1", "2", "3"]);
}

#[test]
fn a_retry_of_a_full_refresh_keeps_what_succeeded() {
    let p = project("", BREAKING, &[]);
    assert_eq!(build(&p, 1, 4, &[]).code, 0);
    assert_eq!(build(&p, 1, 4, &["--full-refresh", "--vars", "{broken: ['20240102']}"]).code, 1);
    assert_eq!(ids(&p), ["1", "3"]);
    p.ok(&["retry", "--vars", "{}"]);
    assert_eq!(ids(&p), ["1", "2", "3"]);
}

#[test]
fn tests_run_once_after_the_last_batch_and_readers_wait_for_them() {
    let p = project(
        "",
        COPY,
        &[
            ("models/child.sql", "select * from {{ ref('m') }}"),
            (
                "models/p.yml",
                "models: [{name: m, columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1, 2]}}}]}]}]",
            ),
        ],
    );
    let times = ["--event-time-start", "2024-01-01", "--event-time-end", "2024-01-04"];
    let plan = p.ok(&[&["plan"], &times[..]].concat()).out;
    assert!(plan.contains("built beside"), "the test guards nothing: {plan}");
    assert!(plan.contains("new; 3 batches, 2024-01-01 to 2024-01-03"), "{plan}");
    assert_eq!(build(&p, 1, 3, &[]).code, 0);
    assert_eq!(p.statuses().len(), 4);
    let ran = build(&p, 1, 4, &[]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert_eq!(p.status("model.shop.m"), "success");
    assert_eq!(p.status("test.shop.accepted_values"), "fail");
    assert_eq!(p.status("model.shop.child"), "skipped");
    assert_eq!(ids(&p), ["1", "2", "3"], "what was built is published");
}

#[test]
fn hooks_run_with_the_first_and_the_last_batch() {
    let hooks = ", pre_hook='create table if not exists log (t varchar)', \
                 post_hook=\"insert into log values ('{{ model.batch.id }}')\"";
    let p = project(hooks, COPY, &[]);
    assert_eq!(build(&p, 1, 4, &[]).code, 0);
    assert_eq!(p.rows("from log"), ["20240103"]);
    assert_eq!(build(&p, 2, 3, &[]).code, 0);
    assert_eq!(p.rows("from log"), ["20240103", "20240102"]);
}

#[test]
fn a_materialization_of_the_project_gets_batches_too() {
    let own = "{% materialization incremental, adapter='duckdb' %}
      {% do log(model.batch.id ~ ' ' ~ is_incremental() ~ ' ' ~ (pre_hooks | length) ~ ' ' ~ (post_hooks | length), info=true) %}
      {{ run_hooks(pre_hooks) }}
      {% call statement('main') %}create or replace table {{ this }} as {{ sql }}{% endcall %}
      {{ run_hooks(post_hooks) }}
      {{ return({'relations': [this]}) }}
    {% endmaterialization %}";
    let hooks = ", pre_hook='select 1', post_hook='select 2'";
    let p = project(
        hooks,
        COPY,
        &[
            ("macros/m.sql", own),
            (
                "project.yml",
                "name: shop\nprofile: shop\nflags: {require_explicit_package_overrides_for_builtin_materializations: false}\n",
            ),
        ],
    );
    let ran = build(&p, 1, 4, &["--threads", "1", "-s", "+m"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said = ["20240101 False 1 0", "20240102 True 0 0", "20240103 True 0 1"];
    said.iter().for_each(|line| assert!(ran.out.contains(line), "{line}: {}", ran.out));
}

#[test]
fn many_batches_at_the_same_time_write_one_table() {
    let rows = "select i as id, timestamp '2024-01-01' + interval (i) hour as ts from range(24 * 30) t (i)";
    let input = format!("{{{{ config(materialized='table', event_time='ts') }}}} {rows}");
    let m = model(", persist_docs={'relation': true, 'columns': true}", COPY);
    let yml = "models: [{name: m, description: all, columns: [{name: id, description: its id}]}]";
    let p =
        Project::new(&[("models/input.sql", &input), ("models/m.sql", &m), ("models/p.yml", yml)]);
    for _ in 0..3 {
        let ran = build(&p, 1, 31, &["--threads", "4"]);
        assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
        assert_eq!(p.rows("select count(*), count(distinct id) from m"), ["720|720"]);
    }
}

#[test]
fn a_sample_filters_what_models_read() {
    let p = project(
        "",
        COPY,
        &[
            (
                "models/plain.sql",
                "{{ config(materialized='table') }}select * from {{ ref('input') }}",
            ),
            (
                "models/whole.sql",
                "{{ config(materialized='table') }}select * from {{ ref('input').render() }}",
            ),
            (
                "snapshots/s.yml",
                "snapshots: [{name: s, relation: ref('input'), config: {strategy: timestamp, unique_key: id, updated_at: ts}}]",
            ),
            ("tests/t.sql", "select count(*) from {{ ref('input') }} having count(*) != 4"),
        ],
    );
    p.ok(&["build", "--changed", "-s", "input"]);
    let sample = "{start: '2024-01-02', end: '2024-01-03 18:00:00'}";
    let ran = p.ok(&["build", "--sample", sample]);
    assert_eq!(p.rows("select id from plain order by id"), ["2", "3"], "{}", ran.out);
    assert_eq!(p.rows("select id from s order by id"), ["2", "3"]);
    assert_eq!(p.rows("select count(*) from whole"), ["4"]);
    assert_eq!(ids(&p), ["2", "3"], "the batches of the sample");
    assert_eq!(result(&p, "model.shop.m")["batch_results"], batches(&[2, 3], &[]));
    assert!(
        p.read("target/compiled/shop/models/m/m_2024-01-03.sql")
            .contains("< '2024-01-03 18:00:00+00:00'")
    );
    let args: Value = serde_json::from_str(&p.read("target/run_results.json")).unwrap();
    assert_eq!(args["args"]["sample"]["start"], "2024-01-02T00:00:00+00:00");
    let plan = p.ok(&["plan", "--changed"]).out;
    assert!(plan.contains("was built with --sample"), "{plan}");
    let ran = p.command(&["run", "-s", "plain"]).env("DBT_SAMPLE", "3 days").output().unwrap();
    assert!(ran.status.success());
    assert_eq!(p.rows("select count(*) from plain"), ["0"]);
}

#[test]
fn wrong_times_end_the_command() {
    let p = project("", COPY, &[]);
    for (args, part) in [
        (&["build", "--event-time-start", "2024-01-01"][..], "--event-time-end is missing"),
        (
            &["run", "--event-time-start", "2024-01-02", "--event-time-end", "2024-01-01"],
            "is before",
        ),
        (&["run", "--sample", "3 weeks"], "hour, day, month or year"),
    ] {
        let ran = p.run(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.err.contains(part), "{args:?}: {}", ran.err);
    }
    let m = model(", lookback='x'", COPY).replace("event_time='ts', ", "");
    p.write("models/m.sql", &m);
    let ran = p.run(&["parse"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("E2017") && ran.err.contains("`lookback` of `m`"), "{}", ran.err);
    assert!(ran.err.contains("must provide an 'event_time'"), "{}", ran.err);
}

#[test]
fn log_lines_tell_of_batches() {
    let p = project("", BREAKING, &[]);
    let ran = build(&p, 1, 3, &["--log-format", "json", "--vars", "{broken: ['20240102']}"]);
    let lines = ran.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_batches: Vec<Value> =
        lines.filter(|l| l["event"].as_str().unwrap().starts_with("batch_")).collect();
    let told: Vec<String> = of_batches
        .iter()
        .map(|l| {
            format!("{} {} {} {}", l["event"], l["batch"], l["index"], l["status"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        told,
        [
            "batch_started 2024-01-01 1 null",
            "batch_finished 2024-01-01 1 success",
            "batch_started 2024-01-02 2 null",
            "batch_finished 2024-01-02 2 error",
        ]
    );
}

#[test]
fn only_what_has_changed_is_built_but_for_batches() {
    let p = project(
        "",
        BREAKING,
        &[("models/child.sql", "{{ config(materialized='table') }}select * from {{ ref('m') }}")],
    );
    assert_eq!(build(&p, 1, 4, &["--changed"]).code, 0);
    let plan = p.ok(&["plan", "--changed"]).out;
    assert!(plan.contains("the time for its batches"), "{plan}");
    // The new batches have no rows, so that what reads the model stays as it is.
    let ran = p.ok(&["build", "--changed"]);
    assert!(
        ran.out.contains("no-op") || !ran.out.contains("table model main.child  "),
        "{}",
        ran.out
    );
    assert_eq!(build(&p, 1, 4, &["--vars", "{broken: ['20240102']}"]).code, 1);
    let plan = p.ok(&["plan", "--changed"]).out;
    assert!(plan.contains("some of its batches failed"), "{plan}");
}

#[test]
fn without_rows_batches_are_built_too() {
    let p = project("", COPY, &[]);
    assert_eq!(build(&p, 1, 4, &["--empty"]).code, 0);
    assert!(ids(&p).is_empty());
    assert_eq!(result(&p, "model.shop.m")["batch_results"], batches(&[1, 2, 3], &[]));
}

#[test]
fn sqlite_compares_the_instants_of_texts() {
    let input = "{{ config(materialized='table', event_time='ts') }}
        select 1 as id, '2024-01-01' as ts union all select 2, '2024-01-02T23:59:59' union all
        select 3, '2024-01-03 12:00:00+00:00' union all select 4, '2024-01-04 00:00:00'";
    let m = model("", COPY);
    let p = Project::new(&[
        ("models/input.sql", input),
        ("models/m.sql", &m),
        (
            "models/out.sql",
            "{{ config(materialized='table') }}select group_concat(id) as ids from (select id from {{ ref('m') }} order by id)",
        ),
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: sqlite, schema: main, schemas_and_paths: {main: shop.db}, schema_directory: schemas}}}\n",
        ),
    ]);
    let shown = |p: &Project| p.ok(&["show", "out", "--output", "json"]).out;
    for _ in 0..2 {
        let ran = build(&p, 1, 4, &[]);
        assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
        assert!(shown(&p).contains("1,2,3"), "{}", shown(&p));
    }
}

const OF_POSTGRES: &str = "{{ config(materialized='table', event_time='ts') }}
select i as id, timestamptz '2024-01-01 00:00:00+00' + i * interval '12 hours' as ts from generate_series(0, 19) as i";

#[test]
fn on_postgres_batches_are_merged_by_key_and_may_run_at_the_same_time() {
    let Some(server) = Server::new("microbatch") else { return };
    let schema = server.schema("direct");
    let query =
        "select *, pg_backend_pid() as pid, pg_sleep(0.1)::text as slept from {{ ref('input') }}";
    let m = model(", unique_key='id', concurrent_batches=true", query);
    let files = [("models/input.sql", OF_POSTGRES), ("models/m.sql", m.as_str())];
    let p = crate::postgres::project(&server, &files);
    for _ in 0..2 {
        let ran = build(&p, 1, 11, &["--threads", "4"]);
        assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
        assert_eq!(
            server.rows(&format!("select count(*), count(distinct id) from {schema}.m")),
            ["20|20"]
        );
        assert_eq!(
            server.rows(&format!("select count(distinct pid) > 1 from {schema}.m")),
            ["true"]
        );
    }
    // By default they run one after the other there.
    p.write("models/m.sql", &model(", unique_key='id'", query));
    assert_eq!(build(&p, 1, 11, &["--threads", "4"]).code, 0);
    assert_eq!(server.rows(&format!("select count(distinct pid) from {schema}.m")), ["1"]);
    p.write("models/m.sql", &model("", query));
    let ran = build(&p, 1, 3, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("unique_key"), "{}", ran.err);
}

#[test]
fn on_postgres_an_interrupt_leaves_the_batches_that_are_done() {
    let Some(server) = Server::new("stopped_batches") else { return };
    let schema = server.schema("direct");
    let query = "select *, pg_sleep(case when id >= 4 then 30 else 0 end)::text as slept from {{ ref('input') }}";
    let m = model(", unique_key='id'", query);
    let files = [("models/input.sql", OF_POSTGRES), ("models/m.sql", m.as_str())];
    let p = crate::postgres::project(&server, &files);
    p.ok(&["run", "-s", "input"]);
    let child = p.start(&[
        "run",
        "-s",
        "m",
        "--event-time-start",
        "2024-01-01",
        "--event-time-end",
        "2024-01-06",
    ]);
    let begun = std::time::Instant::now();
    let done =
        format!("select count(*) from pg_tables where schemaname = '{schema}' and tablename = 'm'");
    let rows = format!("select count(*) from {schema}.m");
    while begun.elapsed().as_secs() < 30
        && (server.rows(&done) != ["1"] || server.rows(&rows) != ["4"])
    {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    crate::project::interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{} {}", ran.out, ran.err);
    let found = &result(&p, "model.shop.m")["batch_results"];
    assert_eq!(*found, batches(&[1, 2], &[3, 4, 5]), "{} {}", ran.out, ran.err);
    p.write("models/m.sql", &m.replace("then 30", "then 0"));
    p.ok(&["retry"]);
    assert_eq!(server.rows(&format!("select count(*) from {schema}.m")), ["10"]);
}
