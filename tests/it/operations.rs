//! `source freshness`, `run-operation` and `docs generate`. The expected results were observed with
//! dbt 1.11.16.

use crate::project::Project;
use serde_json::{Value, json};

const SOURCES: &str = "
sources:
  - name: raw
    schema: main
    config:
      loaded_at_field: ts
      freshness: {warn_after: {count: 1, period: day}, error_after: {count: 10, period: day}}
    tables:
      - name: fresh
      - name: old
        config:
          loaded_at_field: ts::timestamp
          freshness: {warn_after: {count: 12, period: hour}}
      - name: stale
        config: {freshness: {warn_after: null, error_after: {count: 1, period: minute}, filter: id > 0}}
      - name: empty
      - name: missing
      - name: not_checked
        config: {freshness: null}
      - name: asked
        config:
          loaded_at_query: \"select max(ts) from {{ this }} -- {{ model.name }} {{ source_node.name }}\"
      - name: off_duty
        config: {enabled: false}
  - name: bare
    schema: main
    tables:
      - name: old
        freshness: {warn_after: {count: 1, period: day}}
      - name: dates
        loaded_at_field: d
        freshness: {warn_after: {count: 1, period: day}}
";

fn sources() -> Project {
    let p = Project::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-start: create table if not exists hooks(n int)\n\
             on-run-end: insert into hooks values ({{ results | length }})\n",
        ),
        ("models/sources.yml", SOURCES),
        ("models/a.sql", "select * from {{ source('raw', 'fresh') }}"),
        (
            "models/b.sql",
            "{{ config(materialized='table') }} select id as \"ID\" from {{ ref('a') }}",
        ),
    ]);
    p.database()
        .execute_batch(
            "create table fresh as select 1 as id, now() as ts;
             create table old as select 1 as id, now() - interval 2 day as ts;
             create table stale as select 1 as id, now()::timestamp - interval 2 day as ts;
             create table empty(id int, ts timestamp);
             create table asked as select 1 as id, timestamp '2024-01-01 10:00:00.5' as ts;
             create table dates as select current_date as d;",
        )
        .unwrap();
    p
}

fn artifact(p: &Project, path: &str) -> Value {
    serde_json::from_str(&p.read(path)).unwrap()
}

/// The result of a source in `sources.json`.
fn of<'a>(artifact: &'a Value, id: &str) -> &'a Value {
    let found = artifact["results"].as_array().unwrap().iter().find(|r| r["unique_id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {artifact}"))
}

#[test]
fn freshness_is_measured_and_judged() {
    let p = sources();
    let ran = p.run(&["source", "freshness"]);
    assert_eq!(ran.code, 1, "{}\n{}", ran.out, ran.err);
    let json = artifact(&p, "target/sources.json");
    assert_eq!(
        json["metadata"]["dbt_schema_version"],
        "https://schemas.getdbt.com/dbt/sources/v3.json"
    );
    let status = |id: &str| of(&json, id)["status"].clone();
    assert_eq!(status("source.shop.raw.fresh"), "pass");
    assert_eq!(status("source.shop.raw.old"), "warn");
    for id in ["source.shop.raw.stale", "source.shop.raw.empty", "source.shop.raw.asked"] {
        assert_eq!(status(id), "error", "{id}");
    }
    for id in ["source.shop.raw.missing", "source.shop.bare.old", "source.shop.bare.dates"] {
        assert_eq!(status(id), "runtime error", "{id}");
    }
    assert_eq!(json["results"].as_array().unwrap().len(), 8);
    let asked = of(&json, "source.shop.raw.asked");
    assert_eq!(asked["max_loaded_at"], "2024-01-01T10:00:00.500000+00:00");
    assert_eq!(asked["adapter_response"], json!({ "_message": "OK" }));
    assert_eq!(of(&json, "source.shop.raw.empty")["max_loaded_at"], "0001-01-01T00:00:00+00:00");
    assert_eq!(
        of(&json, "source.shop.raw.old")["criteria"],
        json!({
            "warn_after": { "count": 12, "period": "hour" }, "error_after": { "count": 10, "period": "day" },
            "filter": null,
        })
    );
    assert_eq!(
        of(&json, "source.shop.raw.stale")["criteria"],
        json!({ "warn_after": null, "error_after": { "count": 1, "period": "minute" }, "filter": "id > 0" })
    );
    let age = of(&json, "source.shop.raw.old")["max_loaded_at_time_ago_in_s"].as_f64().unwrap();
    assert!((172_800.0..173_800.0).contains(&age), "{age}");
    assert!(ran.out.contains("2 days old, configured to warn after 12 hours"), "{}", ran.out);
    assert!(ran.err.contains("E4008") && ran.err.contains("no `loaded_at_field`"), "{}", ran.err);
    // Hooks run before and after. Those that succeed are not among the results.
    assert_eq!(p.rows("select n from hooks"), ["8"]);
}

#[test]
fn a_warning_is_no_failure_and_the_place_can_be_chosen() {
    let p = sources();
    let select = [
        "source",
        "snapshot-freshness",
        "--select",
        "source:raw.fresh",
        "source:raw.old",
        "-o",
        "out/s.json",
    ];
    p.ok(&select);
    assert_eq!(artifact(&p, "out/s.json")["results"].as_array().unwrap().len(), 2);
    assert!(!p.path().join("target/sources.json").exists());
    let nothing = p.ok(&["source", "freshness", "--select", "source:raw.not_checked"]);
    assert!(nothing.err.contains("W0006"), "{}", nothing.err);
    assert_eq!(artifact(&p, "target/sources.json")["results"], json!([]));
}

#[test]
fn hooks_can_be_left_out_and_macros_replaced() {
    let p = sources();
    p.write(
        "project.yml",
        "name: shop\nprofile: shop\non-run-start: select nope\nflags: {source_freshness_run_project_hooks: false}\n",
    );
    p.write(
        "macros/m.sql",
        "{% macro collect_freshness(source, loaded_at_field, filter) %}\
         {% call statement('c', fetch_result=true, auto_begin=false) %}\
         select timestamp '2020-01-01', timestamp '2020-01-01 00:00:01'{% endcall %}\
         {{ return(load_result('c')) }}{% endmacro %}",
    );
    p.ok(&["source", "freshness", "--select", "source:raw.stale"]);
    let json = artifact(&p, "target/sources.json");
    assert_eq!(of(&json, "source.shop.raw.stale")["max_loaded_at_time_ago_in_s"], 1.0);
}

#[test]
fn fresher_sources_can_be_selected() {
    let p = sources();
    let freshness = ["source", "freshness", "--select", "source:raw.fresh", "source:raw.old"];
    p.ok(&freshness);
    p.write("before/sources.json", &p.read("target/sources.json"));
    let fresher =
        ["ls", "--select", "source_status:fresher+", "--state", "before", "--output", "name"];
    assert_eq!(p.ok(&fresher).out, "");
    p.database().execute_batch("insert into fresh select 2, now()").unwrap();
    p.ok(&freshness);
    assert_eq!(p.ok(&fresher).out, "a\nb\nraw.fresh\n");
    let none = p.run(&["ls", "--select", "source_status:fresher", "--state", "target/nothing"]);
    assert_eq!(none.code, 2, "{}", none.err);
}

#[test]
fn places_of_freshness_merge() {
    let p = Project::new(&[(
        "models/sources.yml",
        "
sources:
  - name: r
    tables: [{name: unset}]
  - name: k
    freshness: {warn_after: {count: 1, period: day}}
    loaded_at_field: top
    tables:
      - {name: to_null, loaded_at_field: null}
      - {name: null_below, config: {loaded_at_field: null}}
      - {name: query, loaded_at_query: select 1}
      - {name: no_warning, config: {freshness: {warn_after: null}}}
      - {name: half, freshness: {warn_after: {count: 2}}}
      - {name: anew, freshness: null, config: {freshness: {error_after: {count: 2, period: hour}}}}
  - name: q
    freshness: {warn_after: {count: 1, period: day}}
    loaded_at_query: select 2
    tables:
      - {name: field, loaded_at_field: f}
",
    )]);
    p.ok(&["parse"]);
    let manifest = artifact(&p, "target/manifest.json");
    let limits = |warn: Value, error: Value| json!({ "warn_after": warn, "error_after": error, "filter": null });
    let unset = json!({ "count": null, "period": null });
    let day = || limits(json!({ "count": 1, "period": "day" }), unset.clone());
    let all = |id: &str| {
        let s = &manifest["sources"][format!("source.shop.{id}")];
        assert_eq!(s["freshness"], s["config"]["freshness"], "{id}");
        (s["loaded_at_field"].clone(), s["loaded_at_query"].clone(), s["freshness"].clone())
    };
    assert_eq!(all("r.unset"), (json!(null), json!(null), limits(unset.clone(), unset.clone())));
    assert_eq!(all("k.to_null"), (json!(null), json!(null), day()));
    assert_eq!(all("k.null_below"), (json!("top"), json!(null), day()));
    assert_eq!(all("k.query"), (json!("top"), json!("select 1"), day()));
    assert_eq!(all("k.no_warning").2, limits(unset.clone(), unset.clone()));
    assert_eq!(all("k.half").2, day());
    assert_eq!(all("k.anew").2, limits(unset.clone(), json!({ "count": 2, "period": "hour" })));
    assert_eq!(all("q.field"), (json!("f"), json!(null), day()));
    p.write(
        "models/sources.yml",
        "sources: [{name: r, freshness: {warn_after: {count: 1, period: week}}, tables: [{name: t}]}]",
    );
    let wrong = p.run(&["parse"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("E0003") && wrong.err.contains("minute, hour or day"),
        "{}",
        wrong.err
    );
}

#[test]
fn operations_get_arguments_and_say_things() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id"),
        (
            "macros/m.sql",
            "{% macro say(x, y=1) %}{{ log('said ' ~ x ~ y, info=true) }}{% do print('this: ' ~ (this is defined)) %}\
             {% do return(x) %}{% endmacro %}\n\
             {% macro know() %}{% do print(flags.WHICH ~ ' ' ~ execute ~ ' ' ~ ref('a')) %}{% endmacro %}\n\
             {% macro bad() %}{% do run_query('select nope') %}{% endmacro %}\n\
             {% macro no() %}{{ exceptions.raise_compiler_error('no way') }}{% endmacro %}\n",
        ),
    ]);
    let said = p.ok(&["run-operation", "say", "--args", "{x: 1, y: 2}"]);
    assert_eq!(said.out, "said 12\nthis: False\n");
    let results = artifact(&p, "target/run_results.json");
    let result = &results["results"][0];
    assert_eq!(
        (&result["unique_id"], &result["status"]),
        (&json!("macro.shop.say"), &json!("success"))
    );
    assert_eq!((&result["failures"], &result["thread_id"]), (&json!(0), &json!("MainThread")));
    assert_eq!(results["args"]["args"], json!({ "x": 1, "y": 2 }));
    assert_eq!(
        p.ok(&["run-operation", "shop.know"]).out,
        "run-operation True \"shop\".\"main\".\"a\"\n"
    );
    p.ok(&["run-operation", "dbt.current_timestamp"]);
    for (args, code, message) in [
        (vec!["bad"], 1, "nope"),
        (vec!["no"], 1, "no way"),
        (vec!["say", "--args", "{z: 1}"], 1, "E1002"),
        (vec!["sya"], 2, "did you mean `say`?"),
        (vec!["lib.say"], 2, "no package of this project"),
        (vec!["say", "--args", "[1]"], 2, "--args takes a YAML mapping"),
    ] {
        let ran = p.run(&[vec!["run-operation"], args.clone()].concat());
        assert_eq!(ran.code, code, "{args:?}\n{}\n{}", ran.out, ran.err);
        assert!(ran.err.contains(message), "{args:?}\n{}", ran.err);
    }
    p.run(&["run-operation", "bad"]);
    assert_eq!(p.status("macro.shop.bad"), "error");
}

#[test]
fn operations_keep_what_is_committed() {
    let p = Project::new(&[(
        "macros/m.sql",
        "{% macro alone() %}{% do run_query('create table alone as select 1 as x') %}{% endmacro %}\n\
         {% macro begun() %}{% call statement('a') %}create table begun as select 1 as x{% endcall %}{% endmacro %}\n\
         {% macro done() %}{% call statement('a') %}create table done as select 1 as x{% endcall %}\
         {% do adapter.commit() %}{% endmacro %}\n\
         {% macro half() %}{% do run_query('create table half as select 1 as x') %}{% do run_query('select nope') %}\
         {% endmacro %}\n\
         {% macro new_schema() %}{% do adapter.create_schema(api.Relation.create(database=target.database, schema='extra')) %}\
         {% endmacro %}\n",
    )]);
    for name in ["alone", "begun", "done", "new_schema"] {
        p.ok(&["run-operation", name]);
    }
    assert_eq!(p.run(&["run-operation", "half"]).code, 1);
    let tables = "select table_name from duckdb_tables() order by 1";
    assert_eq!(p.rows(tables), ["alone", "done", "half"]);
    assert_eq!(p.rows("select count(*) from duckdb_schemas() where schema_name = 'extra'"), ["1"]);
}

#[test]
fn the_catalog_has_what_the_database_has() {
    let p = sources();
    p.write(
        "models/b.yml",
        "models: [{name: b, description: model b, config: {persist_docs: {relation: true, columns: true}},\n\
         columns: [{name: ID, description: the id}]}]",
    );
    p.ok(&["run"]);
    let said = p.ok(&["docs", "generate"]);
    assert!(said.out.contains("catalog of"), "{}", said.out);
    let catalog = artifact(&p, "target/catalog.json");
    assert_eq!(
        catalog["metadata"]["dbt_schema_version"],
        "https://schemas.getdbt.com/dbt/catalog/v1.json"
    );
    assert_eq!(catalog["errors"], json!(null));
    let has_stats = json!({
        "id": "has_stats", "label": "Has Stats?", "value": false, "include": false,
        "description": "Indicates whether there are statistics for this table",
    });
    assert_eq!(
        catalog["nodes"]["model.shop.b"],
        json!({
            "metadata": {
                "type": "BASE TABLE", "schema": "main", "name": "b", "database": "shop", "comment": "model b", "owner": null,
            },
            "columns": { "ID": { "type": "INTEGER", "index": 1, "name": "ID", "comment": "the id" } },
            "stats": { "has_stats": has_stats },
            "unique_id": "model.shop.b",
        })
    );
    let a = &catalog["nodes"]["model.shop.a"];
    assert_eq!(a["metadata"]["type"], "VIEW");
    assert_eq!(a["columns"]["ts"]["type"], "TIMESTAMP WITH TIME ZONE");
    let ids = |catalog: &Value, section: &str| {
        let mut ids: Vec<String> = catalog[section].as_object().unwrap().keys().cloned().collect();
        ids.sort();
        ids
    };
    assert_eq!(
        ids(&catalog, "sources"),
        [
            "source.shop.bare.dates",
            "source.shop.bare.old",
            "source.shop.raw.asked",
            "source.shop.raw.empty",
            "source.shop.raw.fresh",
            "source.shop.raw.old",
            "source.shop.raw.stale",
        ]
    );
    let manifest = artifact(&p, "target/manifest.json");
    assert_eq!(manifest["nodes"]["model.shop.a"]["compiled"], true);
    p.ok(&["docs", "generate", "--select", "b"]);
    let some = artifact(&p, "target/catalog.json");
    assert_eq!(
        (ids(&some, "nodes"), ids(&some, "sources")),
        (vec!["model.shop.b".to_owned()], Vec::new())
    );
    p.ok(&["docs", "generate", "--no-compile", "--select", "b"]);
    assert_eq!(ids(&artifact(&p, "target/catalog.json"), "nodes").len(), 2);
    p.ok(&["docs", "generate", "--empty-catalog"]);
    assert_eq!(artifact(&p, "target/catalog.json")["nodes"], json!({}));
    // An error in a model ends the command, while an error of the catalog macro is part of the
    // catalog.
    p.write("macros/m.sql", "{% macro get_catalog(information_schema, schemas) %}{% endmacro %}");
    assert_eq!(p.run(&["docs", "generate"]).code, 1);
    assert_eq!(artifact(&p, "target/catalog.json")["errors"].as_array().map(Vec::len), Some(1));
    p.write("models/a.sql", "select {{ nope.x }} as id");
    assert_eq!(p.run(&["docs", "generate"]).code, 2);
}

/// Results as packages read them in `on-run-end` and as `run_results.json` has them, observed with
/// dbt 1.11.16.
const TELLS: &str = "name: shop\nprofile: shop\non-run-end:\n  - \"{% for r in results %}{{ log(r.node.name ~ '|' ~ r.message ~ '|' ~ \
    r.adapter_response.get('code') ~ '|' ~ r.adapter_response.get('rows_affected') ~ '|' ~ r.failures ~ '|' ~ r.timing | length ~ '|' ~ \
    (r.node.compiled_code is defined) ~ '|' ~ (r.node.config.full_refresh is none) ~ '|' ~ r.node.config.get('nothing', 7), info=true) }}\
    {% endfor %}\"\n";

fn told(p: &Project, target: &str) -> Vec<String> {
    let ran = p.ok(&["build", "--threads", "1", "--no-audit", "--target", target]);
    ran.out.lines().filter(|l| l.matches('|').count() == 8).map(str::to_owned).collect()
}

const TOLD_FILES: &[(&str, &str)] = &[
    ("project.yml", TELLS),
    ("seeds/sd.csv", "id,n\n1,a\n2,b\n"),
    ("models/v.sql", "select 1 as id"),
    (
        "models/i.sql",
        "{{ config(materialized='incremental', unique_key='id') }} select 1 as id union all select 2",
    ),
    (
        "models/s.yml",
        "models: [{name: v, columns: [{name: id, data_tests: [not_null, unique]}]}]\n\
         exposures: [{name: ex, type: dashboard, owner: {email: a@b.c}, depends_on: [ref('v')]}]\n",
    ),
];

#[test]
fn hooks_at_the_end_see_what_dbt_shows_them() {
    let p = Project::new(TOLD_FILES);
    assert_eq!(
        told(&p, "dev"),
        [
            "i|OK|None|None|None|2|True|True|7",
            "v|OK|None|None|None|2|True|True|7",
            "sd|INSERT 2|INSERT|2|None|2|False|True|7",
            "not_null_v_id|None|None|None|0|2|True|True|7",
            "unique_v_id|None|None|None|0|2|True|True|7",
            "ex|NO-OP|None|None|0|2|False|True|7",
        ]
    );
    let Some(server) = crate::postgres::Server::new("told") else { return };
    let p = crate::postgres::project(&server, TOLD_FILES);
    told(&p, "direct");
    assert_eq!(
        told(&p, "direct"),
        [
            "i|INSERT 0 2|INSERT|2|None|2|True|True|7",
            "v|CREATE VIEW|CREATE VIEW|-1|None|2|True|True|7",
            "sd|INSERT 2|INSERT|2|None|2|False|True|7",
            "not_null_v_id|None|SELECT|1|0|2|True|True|7",
            "unique_v_id|None|SELECT|1|0|2|True|True|7",
            "ex|NO-OP|None|None|0|2|False|True|7",
        ]
    );
}

#[test]
fn a_header_that_a_model_sets_by_the_macro_goes_before_its_sql() {
    let p = Project::new(&[(
        "models/m.sql",
        "{% call set_sql_header(config) %}create or replace temp macro plus(a) as a + 41;{% endcall %}\n\
         {{ config(materialized='table') }} select plus(1) as x",
    )]);
    p.ok(&["build"]);
    assert_eq!(p.rows("select x from m"), ["42"]);
    assert!(p.ok(&["show", "--select", "m"]).out.contains("42"));
}

#[test]
fn colours_reach_a_pipe_only_when_they_are_asked_for() {
    let p = Project::new(&[
        ("models/m.sql", "select 1 as x"),
        ("models/bad.sql", "select y from nowhere"),
    ]);
    let plain = p.run(&["build"]);
    assert!(!format!("{}{}", plain.out, plain.err).contains('\u{1b}'));
    let painted = p.run(&["build", "--use-colors"]);
    assert!(painted.out.contains('\u{1b}') && painted.err.contains('\u{1b}'), "{painted:?}");
}

#[test]
fn results_and_groups_are_plain_data_for_hooks_that_store_them() {
    let hook = "{% for r in results %}{{ log('RESULT ' ~ tojson(r.to_dict()), info=true) }}{{ log('NODE ' ~ tojson(r.node.to_dict()), info=true) }}{% endfor %}{% if execute %}{{ log('GROUPS ' ~ tojson(graph.groups), info=true) }}{% endif %}";
    let project = format!("name: shop\nprofile: shop\non-run-end: {}\n", serde_json::json!(hook));
    let p = Project::new(&[
        ("project.yml", &project),
        ("models/a.sql", "select 1 as id"),
        (
            "models/s.yml",
            "groups: [{name: g, owner: {name: o}}]\nmodels: [{name: a, config: {group: g, meta: {k: [1]}}}]\n",
        ),
    ]);
    let out = p.ok(&["build"]).out;
    let json_of = |word: &str| -> serde_json::Value {
        let line = out.lines().find_map(|line| line.split_once(word)).unwrap().1;
        serde_json::from_str(line).unwrap()
    };
    let result = json_of("RESULT ");
    assert_eq!(result["node"]["config"]["meta"], serde_json::json!({"k": [1]}));
    assert_eq!(result["status"], "success");
    assert_eq!(json_of("NODE ")["config"]["materialized"], "view");
    assert_eq!(json_of("GROUPS ")["group.shop.g"]["owner"]["name"], "o");
}
