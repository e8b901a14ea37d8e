//! Functions of the database: built in their turn, called by models, tests and hooks, compared with
//! what was built before.

use crate::postgres::{self, Server};
use crate::project::Project;

const DOUBLE: (&str, &str) = ("functions/double.sql", "select x * 2");
const PLUS: (&str, &str) = ("functions/deep/plus.sql", "select {{ function('double') }}(x) + y");
const PROPERTIES: (&str, &str) = (
    "functions/f.yml",
    "functions:
  - name: double
    description: twice
    arguments: [{name: x, data_type: integer}]
    returns: {data_type: integer}
    config: {volatility: deterministic}
  - name: plus
    arguments: [{name: x, data_type: integer}, {name: y, data_type: integer, default_value: 10}]
    returns: {data_type: integer}
    config: {schema: fun}
",
);
const MODEL: (&str, &str) = (
    "models/m.sql",
    "{{ config(materialized='table') }} select {{ function('plus') }}(id) as p, {{ function('plus') }}(id, 1) as q from (select 3 as id) s",
);
const CHECKED: (&str, &str) = (
    "models/m.yml",
    "models: [{name: m, columns: [{name: p, data_tests: [not_null]}]}]
unit_tests: [{name: u, model: m, given: [], expect: {rows: [{p: 16, q: 7}]}}]
",
);

fn project(more: &[(&str, &str)]) -> Project {
    Project::new(&[&[DOUBLE, PLUS, PROPERTIES, MODEL, CHECKED], more].concat())
}

fn ids(p: &Project) -> Vec<String> {
    p.statuses().into_iter().map(|(id, status)| format!("{id} {status}")).collect()
}

#[test]
fn a_function_is_built_before_what_calls_it() {
    let p = project(&[("tests/t.sql", "select 1 where {{ function('double') }}(2) <> 4")]);
    p.ok(&["build"]);
    let found = ids(&p);
    let place = |id: &str| found.iter().position(|line| line.starts_with(id)).unwrap();
    assert!(place("function.shop.double success") < place("function.shop.plus success"));
    assert!(place("function.shop.plus") < place("unit_test.shop.m.u pass"), "{found:?}");
    assert!(place("unit_test.shop.m.u") < place("model.shop.m success"), "{found:?}");
    assert!(place("function.shop.double") < place("test.shop.t pass"), "{found:?}");
    assert_eq!(p.rows("select p, q from m"), ["16|7"]);
    let results: serde_json::Value =
        serde_json::from_str(&p.read("target/run_results.json")).unwrap();
    let double = &results["results"][place("function.shop.double")];
    assert_eq!(double["relation_name"], r#""shop"."main"."double""#);
    assert!(p.read("target/run/shop/functions/double.sql").contains("macro"));
    let manifest: serde_json::Value =
        serde_json::from_str(&p.read("target/manifest.json")).unwrap();
    let plus = &manifest["functions"]["function.shop.plus"];
    assert_eq!(plus["depends_on"]["nodes"][0], "function.shop.double");
    assert_eq!(plus["arguments"][1]["default_value"], 10);
    assert_eq!(manifest["parent_map"]["model.shop.m"][0], "function.shop.plus");
}

#[test]
fn commands_know_functions() {
    let p = project(&[]);
    assert_eq!(p.ok(&["ls", "--resource-type", "function"]).out, "shop.double\nshop.deep.plus\n");
    assert_eq!(
        p.ok(&["ls", "-s", "resource_type:function,+m"]).out,
        "shop.double\nshop.deep.plus\n"
    );
    assert_eq!(p.ok(&["ls", "-s", "path:functions/deep"]).out, "shop.deep.plus\n");
    assert!(
        p.ok(&["compile", "-s", "plus"]).out.contains(r#"select "shop"."main"."double"(x) + y"#)
    );
    // As in dbt, only `build` makes functions.
    let ran = p.run(&["run"]);
    assert_eq!((ran.code, ids(&p)), (1, vec!["model.shop.m error".to_owned()]));
    p.ok(&["build", "--exclude", "m"]);
    p.ok(&["run", "--empty"]);
    assert_eq!(p.rows("select p from m"), ["16"]);
    let shown =
        p.ok(&["show", "--inline", "select {{ function('plus') }}(1) as n", "--output", "json"]);
    assert!(shown.out.contains("12"), "{}", shown.out);
    let ran = p.run(&["show", "-s", "double"]);
    assert!(ran.code == 2 && ran.err.contains("nothing that can be shown"), "{}", ran.err);
}

#[test]
fn a_change_of_a_function_rebuilds_what_calls_it() {
    let p = project(&[]);
    let changed = ["build", "--changed"];
    p.ok(&changed);
    assert!(p.ok(&changed).out.contains("nothing to do"), "nothing was edited");
    p.write("functions/double.sql", "select x * 3");
    let ran = p.run(&changed);
    assert!(ran.out.contains("function double: SQL changed"), "{}", ran.out);
    assert_eq!(ran.code, 1, "the unit test knows that the function is another");
    assert_eq!(p.rows("select p from m"), ["16"], "held back");
    p.write("models/m.yml", &CHECKED.1.replace("16, q: 7", "19, q: 10"));
    p.ok(&changed);
    assert_eq!(p.rows("select p from m"), ["19"]);
    p.write("functions/f.yml", &PROPERTIES.1.replace("default_value: 10", "default_value: 20"));
    let ran = p.run(&changed);
    assert!(ran.out.contains("function plus: signature changed"), "{}", ran.out);
    p.write("models/m.yml", "");
    p.ok(&changed);
    assert_eq!(p.rows("select p from m"), ["29"]);
    assert!(p.ok(&changed).out.contains("nothing to do"));
    // A hand that meddles with the database is noticed.
    p.database().execute_batch("create or replace macro double(x) as x").unwrap();
    let ran = p.ok(&changed);
    assert!(ran.out.contains("function double: altered outside"), "{}", ran.out);
    p.database().execute_batch("drop macro main_fun.plus").unwrap();
    let ran = p.ok(&changed);
    assert!(ran.out.contains("function plus: its relation is gone"), "{}", ran.out);
}

#[test]
fn states_tell_changed_functions() {
    let p = project(&[]);
    p.ok(&["parse", "--target-path", "state"]);
    let modified = |select: &str| p.ok(&["ls", "--state", "state", "-s", select]).out;
    assert_eq!(modified("state:modified"), "");
    p.write("functions/double.sql", "select x * 3");
    assert_eq!(modified("state:modified"), "shop.double\n");
    assert_eq!(
        modified("state:modified.body+"),
        "shop.double\nshop.deep.plus\nshop.m\nshop.not_null_m_p\nunit_test:shop.u\n"
    );
    p.write("functions/double.sql", DOUBLE.1);
    p.write("functions/f.yml", &PROPERTIES.1.replace("default_value: 10", "default_value: 20"));
    assert_eq!(modified("state:modified"), "shop.deep.plus\n");
    p.write("functions/more.sql", "select 1");
    p.write("functions/more.yml", "functions: [{name: more, returns: {data_type: integer}}]");
    assert_eq!(modified("state:new"), "shop.more\n");
}

#[test]
fn a_function_of_another_state_is_deferred_to() {
    let p = project(&[]);
    p.ok(&["build"]);
    p.ok(&["parse", "--target-path", "state"]);
    let other = p.read("profiles.yml");
    p.write("profiles.yml", &other.replace("shop.duckdb", "shop.duckdb, schema: other"));
    let ran = p.ok(&["compile", "-s", "m", "--defer", "--state", "state"]);
    assert!(ran.out.contains(r#""shop"."main_fun"."plus"(id)"#), "{}", ran.out);
    p.ok(&["build", "--exclude", "m"]);
    let ran = p.ok(&["compile", "-s", "m", "--defer", "--state", "state"]);
    assert!(ran.out.contains(r#""shop"."other_fun"."plus"(id)"#), "{}", ran.out);
}

#[test]
fn what_cannot_be_made_is_told_and_holds_up_its_callers_only() {
    let p = project(&[
        ("functions/py.py", "def entry(x):\n    return x\n"),
        ("functions/js.js", "return x;"),
        ("functions/agg.sql", "select sum(x)"),
        ("functions/bare.sql", "select 1"),
        ("functions/own.sql", "x"),
        ("functions/bad.sql", "select nothing_of_the_kind(x)"),
        (
            "functions/more.yml",
            "functions:
  - {name: py, arguments: [{name: x, data_type: int}], returns: {data_type: int}, config: {entry_point: entry, runtime_version: '3.11'}}
  - {name: agg, arguments: [{name: x, data_type: int}], returns: {data_type: int}, config: {type: aggregate}}
  - {name: own, arguments: [{name: x, data_type: int}], returns: {data_type: int}, config: {type: table}}
  - {name: bad, arguments: [{name: x, data_type: int}], returns: {data_type: int}}
",
        ),
        (
            "macros/own.sql",
            "{% macro duckdb__table_function_sql(relation) %}create or replace macro {{ relation }}(x) as table select {{ model.compiled_code }} as x{% endmacro %}",
        ),
        ("models/a.sql", "select {{ function('py') }}(1) as x"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "select * from {{ function('own') }}(7)"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    for line in [
        "`py` is a Python function, which cannot be run",
        "`js` is a JavaScript function, which cannot be run",
        "functions of the type aggregate are not there on DuckDB (`agg`)",
        "duckdb__aggregate_function_sql",
        "nothing says what the function `bare` returns",
        "nothing_of_the_kind",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    let found = ids(&p);
    for line in [
        "model.shop.a skipped",
        "model.shop.b skipped",
        "model.shop.c success",
        "model.shop.m success",
    ] {
        assert!(found.contains(&line.to_owned()), "{line}: {found:?}");
    }
    assert_eq!(p.rows("select * from c"), ["7"]);
}

#[test]
fn hooks_snapshots_and_generic_tests_call_functions() {
    let p = project(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-end: \"create or replace table at_end as select {{ function('double') }}(4) as n\"\n",
        ),
        (
            "macros/t.sql",
            "{% test doubled(model, column_name) %}select 1 from {{ model }} where {{ function('double') }}({{ column_name }}) <> 2 * {{ column_name }}{% endtest %}",
        ),
        (
            "models/h.sql",
            "{{ config(materialized='table', post_hook=\"create or replace table by_hook as select {{ function('double') }}(id) as n from {{ this }}\") }} select 5 as id",
        ),
        ("models/h.yml", "models: [{name: h, columns: [{name: id, data_tests: [doubled]}]}]"),
        (
            "snapshots/s.sql",
            "{% snapshot s %}{{ config(strategy='check', unique_key='id', check_cols='all') }} select {{ function('double') }}(2) as id{% endsnapshot %}",
        ),
        (
            "models/e.sql",
            "{{ config(materialized='ephemeral') }} select {{ function('double') }}(21) as n",
        ),
        ("models/reader.sql", "{{ config(materialized='table') }} select * from {{ ref('e') }}"),
    ]);
    p.ok(&["build"]);
    let found = [
        "select n from at_end",
        "select n from by_hook",
        "select id from s",
        "select n from reader",
    ];
    assert_eq!(found.map(|sql| p.rows(sql).join(" ")), ["8", "10", "4", "42"]);
    assert_eq!(
        p.ok(&["ls", "-s", "double+1", "--resource-type", "test"]).out,
        "shop.doubled_h_id\n"
    );
    // What failed is retried, and only that.
    p.write("functions/double.sql", "select nothing_of_the_kind(x)");
    assert_eq!(p.run(&["build"]).code, 1);
    p.write("functions/double.sql", DOUBLE.1);
    p.ok(&["retry"]);
    assert_eq!(p.status("function.shop.double"), "success");
    assert_eq!(p.status("model.shop.h"), "success");
}

#[test]
fn functions_have_comments_and_grants() {
    let config = "name: shop\nprofile: shop\nfunctions: {shop: {+persist_docs: {relation: true}, +grants: {execute: [public]}}}\nmodels: {shop: {+persist_docs: {relation: true}}}\n";
    let rows = "{{ config(materialized='table_function') }} select 1 as id";
    let p = project(&[
        ("project.yml", config),
        ("models/f.sql", rows),
        ("models/f.yml", "models: [{name: f, description: rows}]"),
    ]);
    p.ok(&["build"]);
    let comments = "select function_name, comment from duckdb_functions() where comment is not null and not internal order by 1";
    assert_eq!(p.rows(comments), ["double|twice", "f|rows"]);
    let Some(server) = Server::new("granted") else { return };
    let p = postgres::project(&server, &[DOUBLE, PLUS, PROPERTIES, MODEL, ("project.yml", config)]);
    p.ok(&["build"]);
    let schema = server.schema("direct");
    let found = server.rows(&format!(
        "select obj_description(p.oid, 'pg_proc'), p.proacl::text like '%=X/%' from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = '{schema}'"
    ));
    assert_eq!(found, ["twice|true"]);
}

#[test]
fn mistakes_in_properties_have_their_place() {
    let said = |path: &str, text: &str| {
        let p = project(&[(path, text)]);
        let ran = p.run(&["parse"]);
        assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
        ran.err
    };
    let err = said(
        "functions/f.yml",
        &PROPERTIES.1.replace(
            "{name: x, data_type: integer}, {name: y, data_type: integer, default_value: 10}",
            "{name: y, data_type: integer, default_value: 10}, {name: x, data_type: integer}",
        ),
    );
    assert!(
        err.contains("the argument `x` of `plus` has no default, and one before it has"),
        "{err}"
    );
    let err = said("functions/f.yml", &PROPERTIES.1.replace("deterministic", "often"));
    assert!(
        err.contains(
            "`volatility` of a function is deterministic, stable, non-deterministic, not `often`"
        ),
        "{err}"
    );
    let err = said(
        "functions/f.yml",
        &PROPERTIES.1.replacen("    returns: {data_type: integer}\n", "", 1),
    );
    assert!(err.contains("returns"), "{err}");
    let err = said("models/m.sql", "select {{ function('doubel') }}(1)");
    assert!(
        err.contains("function `doubel` not found")
            && err.contains("a function named `double` exists"),
        "{err}"
    );
    let err = said("models/m.sql", "select {{ function('other', 'double') }}(1)");
    assert!(err.contains("function `double` not found in package `other`"), "{err}");
}

#[test]
fn postgres_has_functions_with_defaults_and_volatility() {
    let Some(server) = Server::new("functions") else { return };
    let files = [DOUBLE, PLUS, PROPERTIES, MODEL, CHECKED];
    let p = postgres::project(&server, &files);
    p.ok(&["build", "--changed"]);
    let schema = server.schema("direct");
    let found = server.rows(&format!(
        "select p.proname, p.provolatile, p.pronargdefaults from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('{schema}', '{schema}_fun') order by 1"
    ));
    assert_eq!(found, ["double|i|0", "plus|v|1"]);
    assert_eq!(server.rows(&format!("select p, q from {schema}.m")), ["16|7"]);
    assert!(p.ok(&["build", "--changed"]).out.contains("nothing to do"));
    // What calls it goes on while it is replaced.
    p.write("functions/double.sql", "select x * 3");
    p.write("models/m.yml", "");
    p.ok(&["build", "--changed"]);
    assert_eq!(server.rows(&format!("select p, q from {schema}.m")), ["19|10"]);
    // A function whose result changes has to be dropped: Postgres says so, a full refresh does it.
    p.write(
        "functions/f.yml",
        &PROPERTIES.1.replacen("returns: {data_type: integer}", "returns: {data_type: bigint}", 1),
    );
    let ran = p.run(&["build", "-s", "double"]);
    assert!(ran.code == 1 && ran.err.contains("--full-refresh"), "{}", ran.err);
    assert_eq!(server.rows(&format!("select p, q from {schema}.m")), ["19|10"]);
    p.write("functions/deep/plus.sql", "select ({{ function('double') }}(x) + y)::int");
    p.ok(&["build", "--full-refresh"]);
    assert_eq!(server.rows(&format!("select p, q from {schema}.m")), ["19|10"]);
    assert!(p.ok(&["build", "--changed"]).out.contains("nothing to do"));
    server.run(&format!("drop function {schema}_fun.plus"));
    let ran = p.ok(&["build", "--changed"]);
    assert!(ran.out.contains("function plus: its relation is gone"), "{}", ran.out);
}

const OVERLOADED: &[(&str, &str)] = &[
    ("functions/shown.sql", "select 'number ' || x"),
    ("functions/shown_text.sql", "select 'text ' || x || ' {{ var('mark', '!') }}'"),
    ("functions/shown_both.sql", "select {{ function('double') }}(x) + count(*)::int from {{ ref('base') }}"),
    ("functions/double.sql", "select x * 2"),
    ("models/base.sql", "{{ config(materialized='table') }} select 1 as id"),
    (
        "models/m.sql",
        "{{ config(materialized='table') }} select {{ function('shown') }}(1) as a, {{ function('shown') }}('x'::text) as b, {{ function('shown') }}(1, 2) as c",
    ),
    (
        "functions/f.yml",
        "functions:
  - {name: double, arguments: [{name: x, data_type: integer}], returns: {data_type: integer}}
  - name: shown
    arguments: [{name: x, data_type: integer}]
    returns: {data_type: text}
    overloads:
      - {defined_in: shown_text, arguments: [{name: x, data_type: text}], description: of a text}
      - {defined_in: shown_both, arguments: [{name: x, data_type: integer}, {name: y, data_type: integer}], returns: {data_type: integer}}
",
    ),
];

#[test]
fn a_function_may_have_overloads_with_texts_of_their_own() {
    let Some(server) = Server::new("overloads") else { return };
    let p = postgres::project(&server, OVERLOADED);
    p.ok(&["build"]);
    let s = server.schema("direct");
    assert_eq!(server.rows(&format!("select a, b, c from {s}.m")), ["number 1|text x !|3"]);
    let manifest: serde_json::Value =
        serde_json::from_str(&p.read("target/manifest.json")).unwrap();
    let functions = manifest["functions"].as_object().unwrap();
    assert_eq!(functions.len(), 2, "the files of overloads are no nodes");
    let shown = &functions["function.shop.shown"];
    assert_eq!(
        shown["depends_on"]["nodes"],
        serde_json::json!(["model.shop.base", "function.shop.double"])
    );
    assert_eq!(shown["overloads"][0]["defined_in"], "shown_text");
    assert!(shown["overloads"][1]["raw_body"].as_str().unwrap().contains("ref('base')"));

    // A change of an overload's text is a change of the function.
    p.write("before/manifest.json", &p.read("target/manifest.json"));
    p.write("functions/shown_text.sql", "select 'words ' || x");
    assert_eq!(p.ok(&["ls", "-s", "state:modified", "--state", "before"]).out, "shop.shown\n");
    p.ok(&["build", "--changed"]);
    assert_eq!(server.rows(&format!("select b from {s}.m")), ["words x"]);

    // All of them are there, or none is.
    p.write("functions/shown_text.sql", "select 'lost ' || x");
    p.write("functions/shown_both.sql", "select nope");
    assert_eq!(p.run(&["build", "-s", "shown"]).code, 1);
    assert_eq!(server.rows(&format!("select {s}.shown('x'::text)")), ["words x"]);
}

#[test]
fn a_wrong_overload_is_told_with_its_place() {
    let of = |overloads: &str| {
        let yaml = format!(
            "functions: [{{name: f, returns: {{data_type: int}}, overloads: {overloads}}}, {{name: h, returns: {{data_type: int}}, overloads: [{{defined_in: g}}]}}]"
        );
        let p = Project::new(&[
            ("functions/f.sql", "select 1"),
            ("functions/g.sql", "select 2"),
            ("functions/h.sql", "select 3"),
            ("functions/f.yml", &yaml),
        ]);
        let ran = p.run(&["parse"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        ran.err
    };
    assert!(of("[{defined_in: nope}]").contains("has no file of this name"));
    assert!(of("[{defined_in: f}]").contains("is the function itself"));
    assert!(of("[{defined_in: g}]").contains("belongs to another function as well"));
    // DuckDB would replace one by the other.
    let p = Project::new(OVERLOADED);
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1 && ran.err.contains("functions with overloads are not there on DuckDB"),
        "{}",
        ran.err
    );
}
