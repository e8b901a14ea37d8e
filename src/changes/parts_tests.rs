//! Tests of which change affects which part of a node.

use super::super::CompileCache;
use super::super::testing::{
    File, assert_changes, changed_parts, compiler, define, parts_of, with,
};
use crate::diag::Code;

const TABLE: File<'_> = ("models/m.sql", "{{ config(materialized='table') }} select 1 as id");
const VARS: File<'_> = ("project.yml", "name: shop\nvars: {v: 1, w: 1, x: 1}\n");

/// The project file with another value for one variable.
fn vars_with(name: &str) -> String {
    VARS.1.replace(&format!("{name}: 1"), &format!("{name}: 2"))
}

fn names_of_parts(files: &[File<'_>], name: &str) -> Vec<String> {
    parts_of(&compiler(files, &[]), name).into_keys().collect()
}

#[test]
fn each_kind_of_node_has_its_parts() {
    let files = [
        TABLE,
        ("models/p.yml", "models: [{name: m, columns: [{name: id, data_tests: [unique]}]}]"),
        ("seeds/s.csv", "id\n1\n"),
        ("tests/g.sql", "select * from {{ ref('m') }}"),
        (
            "snapshots/n.sql",
            "{% snapshot n %}{{ config(strategy='check', unique_key='id', check_cols='all') }} \
             select * from {{ ref('m') }}{% endsnapshot %}",
        ),
    ];
    assert_eq!(names_of_parts(&files, "m"), ["SQL", "config"]);
    assert_eq!(names_of_parts(&files, "n"), ["SQL", "config"]);
    assert_eq!(names_of_parts(&files, "s"), ["config", "data"]);
    assert_eq!(names_of_parts(&files, "g"), ["SQL", "config"]);
    assert_eq!(names_of_parts(&files, "unique_m_id"), ["arguments", "config"]);
    let own = "{% macro create_table_as(temporary, relation, sql) %}x{% endmacro %}";
    let files = with(&files, "macros/s.sql", own);
    assert_eq!(names_of_parts(&files, "m"), ["SQL", "config", "materialization"]);
    assert_eq!(names_of_parts(&files, "n"), ["SQL", "config", "materialization"]);
    assert_eq!(names_of_parts(&files, "s"), ["config", "data", "materialization"]);
    assert_eq!(names_of_parts(&files, "g"), ["SQL", "config"], "a test is not stored");
    assert_eq!(names_of_parts(&files, "unique_m_id"), ["arguments", "config"]);
}

#[test]
fn config_counts_as_far_as_it_says_something_of_the_data() {
    let config = |config: &str| {
        let text = format!("{{{{ config(materialized='table'{config}) }}}} select 1 as id");
        parts_of(&compiler(&[("models/m.sql", &*text)], &[]), "m")["config"].clone()
    };
    assert_eq!(config(""), r#"{"materialized":"table"}"#);
    assert_eq!(
        config(", unique_key='id', alias='n', schema=none"),
        r#"{"alias":"n","materialized":"table","unique_key":"id"}"#
    );
    for aside in [
        "tags=['x']",
        "meta={'k': 1}",
        "docs={'show': false}",
        "access='public'",
        "enabled=true",
        "audit=false",
        "full_refresh=true",
        "event_time='id'",
        "lookback=3",
        "begin='2024-01-01'",
        "batch_size='day'",
        "concurrent_batches=true",
        "pre_hook='select 1'",
        "post_hook='select 1'",
        "persist_docs={'relation': true}",
    ] {
        assert_eq!(config(&format!(", {aside}")), r#"{"materialized":"table"}"#, "{aside}");
    }
}

#[test]
fn a_text_counts_without_comments() {
    let changed = "{{ config(materialized='table') }} select 2 as id";
    let noted = "{{ config(materialized='table') }}\nselect 1 as id -- one";
    assert_changes(
        "m",
        &[TABLE],
        &[
            (TABLE.0, TABLE.1, changed, &["SQL"]),
            (TABLE.0, TABLE.1, noted, &[]),
            (TABLE.0, TABLE.1, "select 1 as id", &["config"]),
        ],
    );
}

/// A properties file that gives the model `m` a hook.
fn hooked(hook: &str) -> String {
    format!("models:\n  - name: m\n    config:\n      pre-hook: \"{hook}\"\n")
}

/// The macro `stamp`, which calls `inner`, which reads a variable; and `other`, which nobody calls.
const STAMP: &str = "{% macro stamp() %}{{ inner() }}{% endmacro %}\
    {% macro inner() %}{{ var('w') }}{% endmacro %}\
    {% macro other() %}1{% endmacro %}";

#[test]
fn hooks_change_with_their_text_and_with_all_that_they_call_and_ask() {
    let properties = hooked("select {{ stamp() }}, {{ var('v') }}");
    let files = [TABLE, VARS, ("macros/m.sql", STAMP), ("models/p.yml", &*properties)];
    let stamp = STAMP.replace("{{ inner() }}", "{{ inner() }} + 1");
    let inner = STAMP.replace("{{ var('w') }}", "{{ var('w') }} + 1");
    let other = STAMP.replace("%}1{%", "%}2{%");
    let (edited, after) = (hooked("select 2"), properties.replace("pre-hook", "post-hook"));
    let both = format!("{properties}      post-hook: select 1\n");
    assert_changes(
        "m",
        &files,
        &[
            ("models/p.yml", "", &properties, &["hooks"]),
            ("models/p.yml", "", &after, &["hooks"]),
            ("models/p.yml", &properties, &edited, &["hooks"]),
            ("models/p.yml", &properties, &both, &["hooks"]),
            ("macros/m.sql", STAMP, &stamp, &["hooks"]),
            ("macros/m.sql", STAMP, &inner, &["hooks"]),
            ("macros/m.sql", STAMP, &other, &[]),
            (VARS.0, VARS.1, &vars_with("v"), &["hooks"]),
            (VARS.0, VARS.1, &vars_with("w"), &["hooks"]),
            (VARS.0, VARS.1, &vars_with("x"), &[]),
        ],
    );
    assert_eq!(names_of_parts(&[TABLE, VARS], "m"), ["SQL", "config"], "without hooks");
    let none = "models: [{name: m, config: {pre-hook: [], post-hook: []}}]";
    let files = [TABLE, ("models/p.yml", none)];
    assert_eq!(names_of_parts(&files, "m"), ["SQL", "config"]);
}

#[test]
fn a_variable_whose_name_is_not_written_out_may_be_any() {
    let properties = hooked("{% set n = 'v' %}select {{ var(n) }}");
    let files = [TABLE, ("models/p.yml", &*properties)];
    assert_changes("m", &files, &[(VARS.0, VARS.1, &vars_with("x"), &["hooks"])]);
}

#[test]
fn a_hook_may_ask_the_environment() {
    let properties = hooked("select '{{ env_var('E', 'none') }}'");
    let files = [TABLE, ("models/p.yml", &*properties)];
    let [unset, one, two, other] = [
        compiler(&files, &[]),
        compiler(&files, &[("E", "1")]),
        compiler(&files, &[("E", "2")]),
        compiler(&files, &[("E", "1"), ("F", "1")]),
    ];
    assert_eq!(changed_parts("m", &unset, &one), ["hooks"]);
    assert_eq!(changed_parts("m", &one, &two), ["hooks"]);
    assert_eq!(changed_parts("m", &one, &other), [""; 0]);
}

#[test]
fn a_materialization_of_the_project_is_part_of_what_it_stores() {
    let mine = "{% materialization mine, default %}\
        {{ inner() }}{{ var('v') }}\
        {% endmaterialization %}\
        {% macro inner() %}1{% endmacro %}\
        {% macro other() %}1{% endmacro %}";
    let model = ("models/m.sql", "{{ config(materialized='mine') }} select 1 as id");
    let files = [model, VARS, ("macros/mine.sql", mine)];
    let own = mine.replace("{{ inner() }}", "{{ inner() }} ");
    let inner = mine.replace("inner() %}1", "inner() %}2");
    let other = mine.replace("other() %}1", "other() %}2");
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("macros/mine.sql", mine, &own, &["materialization"]),
        ("macros/mine.sql", mine, &inner, &["materialization"]),
        ("macros/mine.sql", mine, &other, &[]),
        (VARS.0, VARS.1, &vars_with("v"), &["materialization"]),
        (VARS.0, VARS.1, &vars_with("x"), &[]),
    ];
    assert_changes("m", &files, rows);
    assert_changes("m", &with(&files, TABLE.0, TABLE.1), &[("macros/mine.sql", mine, &own, &[])]);
}

#[test]
fn what_the_project_changes_in_storing_is_part_of_every_node() {
    let define =
        |name: &str, body: &str| format!("{{% macro {name}(a, b, c) %}}{body}{{% endmacro %}}");
    for name in ["create_table_as", "default__create_table_as", "get_merge_sql", "load_csv_rows"] {
        let (one, two) = (define(name, "x"), define(name, "y"));
        assert_changes(
            "m",
            &[TABLE],
            &[
                ("macros/s.sql", "", &one, &["materialization"]),
                ("macros/s.sql", &one, &two, &["materialization"]),
            ],
        );
    }
    let (one, two) = (define("mine", "x"), define("mine", "y"));
    let rows: &[(&str, &str, &str, &[&str])] =
        &[("macros/s.sql", "", &one, &[]), ("macros/s.sql", &one, &two, &[])];
    assert_changes("m", &[TABLE], rows);
}

#[test]
fn a_contract_is_its_columns_and_constraints() {
    let with_contract = |enforced: bool, rest: &str| {
        format!("models: [{{name: m, config: {{contract: {{enforced: {enforced}}}}}, {rest}}}]")
    };
    let columns = "columns: [{name: id, data_type: integer, description: one}]";
    let plain = with_contract(true, columns);
    let edited = |from: &str, to: &str| with_contract(true, &columns.replace(from, to));
    let constrained = "data_type: integer, constraints: [{type: not_null}]";
    let check = "constraints: [{type: check, expression: id > 0}], ";
    let off = with_contract(false, columns);
    assert_changes(
        "m",
        &[TABLE],
        &[
            ("models/p.yml", &plain, &edited("integer", "bigint"), &["contract"]),
            ("models/p.yml", &plain, &edited("name: id", "name: key"), &["contract"]),
            ("models/p.yml", &plain, &edited("data_type: integer", constrained), &["contract"]),
            ("models/p.yml", &plain, &edited("columns", &format!("{check}columns")), &["contract"]),
            ("models/p.yml", &plain, &edited("one", "two"), &[]),
            ("models/p.yml", &off, &off.replace("integer", "bigint"), &[]),
            ("models/p.yml", &off, &plain, &["config", "contract"]),
        ],
    );
}

#[test]
fn descriptions_count_where_they_become_comments() {
    let persisted = "models: [{name: m, description: of m, \
        config: {persist_docs: {columns: true}}, \
        columns: [{name: id, description: of id}]}]";
    let not = persisted.replace("true", "false");
    let edited = |from: &str, to: &str| persisted.replace(from, to);
    assert_changes(
        "m",
        &[TABLE],
        &[
            ("models/p.yml", persisted, &edited("of m", "of it"), &["descriptions"]),
            ("models/p.yml", persisted, &edited("of id", "of it"), &["descriptions"]),
            ("models/p.yml", persisted, &edited("name: id", "name: key"), &["descriptions"]),
            ("models/p.yml", &not, persisted, &["descriptions"]),
            ("models/p.yml", &not, &not.replace("of m", "of it"), &[]),
        ],
    );
}

#[test]
fn a_seed_is_its_rows() {
    let types = "seeds: [{name: s, config: {column_types: {id: bigint}}}]";
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("seeds/s.csv", "id\n1\n", "id\n2\n", &["data"]),
        ("seeds/p.yml", "", types, &["config"]),
        ("models/m.sql", "select 1 as id", "select 2 as id", &[]),
    ];
    assert_changes("s", &[("seeds/s.csv", "id\n1\n")], rows);
}

#[test]
fn a_seed_whose_file_is_gone_is_broken() {
    let compiler = compiler(&[("seeds/s.csv", "id\n1\n"), TABLE], &[]);
    let broken = |name: &str| {
        let defined = define(&compiler, name, &mut CompileCache::default());
        (defined.error.map(|d| d.code), defined.parts.contains_key("data"))
    };
    assert_eq!(broken("s"), (None, true));
    compiler.context.system.remove("/project/seeds/s.csv".into()).unwrap();
    assert_eq!(broken("s"), (Some(Code::SeedData), false));
    assert_eq!(broken("m"), (None, false));
}

/// A properties file with tests of the model `m`.
fn tested(tests: &str) -> String {
    format!("models: [{{name: m, columns: [{{name: id, data_tests: [{tests}]}}]}}]")
}

#[test]
fn a_generic_test_is_its_arguments_and_its_config() {
    let of_values = |values: &str, rest: &str| {
        let arguments = format!("arguments: {{values: [{values}]}}");
        tested(&format!("{{accepted_values: {{name: t, {arguments}{rest}}}}}"))
    };
    let plain = of_values("'1'", "");
    assert_changes(
        "t",
        &[TABLE],
        &[
            ("models/p.yml", &plain, &of_values("'2'", ""), &["arguments"]),
            ("models/p.yml", &plain, &of_values("'1'", ", config: {severity: warn}"), &["config"]),
        ],
    );
    let asking = of_values("\"{{ var('v') }}\"", "");
    assert_changes(
        "t",
        &[TABLE, ("models/p.yml", &*asking)],
        &[
            (VARS.0, VARS.1, &vars_with("v"), &["arguments"]),
            (VARS.0, VARS.1, &vars_with("x"), &[]),
        ],
    );
}

#[test]
fn a_test_of_the_project_changes_with_its_macro_and_all_that_it_calls() {
    let own = "{% test own(model, column_name) %}select * from {{ model }} \
        where {{ inner() }} > {{ var('v') }}{% endtest %}";
    let inner = "{% macro inner() %}1{% endmacro %}";
    let properties = tested("{own: {name: t}}, {own: {name: t2}}");
    let files = [
        TABLE,
        VARS,
        ("tests/generic/own.sql", own),
        ("macros/m.sql", inner),
        ("models/p.yml", &*properties),
    ];
    assert_changes(
        "t",
        &files,
        &[
            ("tests/generic/own.sql", own, &own.replace(" > ", " < "), &["macro"]),
            ("macros/m.sql", inner, &inner.replace('1', "2"), &["macro"]),
            (VARS.0, VARS.1, &vars_with("v"), &["macro"]),
            (VARS.0, VARS.1, &vars_with("x"), &[]),
        ],
    );
    let compiler = compiler(&files, &[]);
    let part = |name: &str| parts_of(&compiler, name)["macro"].clone();
    assert_eq!(part("t"), part("t2"), "both call the same");
}

#[test]
fn a_built_in_test_has_a_macro_where_the_project_replaces_it() {
    let properties = tested("{not_null: {name: t}}");
    let own = "{% test not_null(model, column_name) %}select 1{% endtest %}";
    let files = [TABLE, ("models/p.yml", &*properties)];
    assert_changes("t", &files, &[("macros/t.sql", "", own, &["macro"])]);
}

#[test]
fn a_test_of_a_package_is_that_of_the_package() {
    let own = "{% test own(model, column_name) %}select 1{% endtest %}";
    let properties = tested("{dep.own: {name: t}}");
    let files = [
        TABLE,
        ("packages.yml", "packages: [{local: dep}]\n"),
        ("dbt_packages/dep/dbt_project.yml", "name: dep\n"),
        ("dbt_packages/dep/tests/generic/own.sql", own),
        ("tests/generic/own.sql", own),
        ("models/p.yml", &*properties),
    ];
    let other = own.replace('1', "2");
    assert_changes(
        "t",
        &files,
        &[
            ("dbt_packages/dep/tests/generic/own.sql", own, &other, &["macro"]),
            ("tests/generic/own.sql", own, &other, &[]),
        ],
    );
}
