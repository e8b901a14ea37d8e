//! Flags of dbt: each has an effect, or reports that it has none.

use crate::project::Project;

const MODEL: (&str, &str) = ("models/a.sql", "select 1 as id");

fn project_file(flags: &str) -> String {
    format!("name: shop\nprofile: shop\nflags: {flags}\n")
}

#[test]
fn single_warnings_are_errors_or_silent() {
    let p = Project::new(&[
        MODEL,
        ("models/p.yml", "models: [{name: gone}]"),
        ("tests/t.sql", "select 1 as id"),
    ]);
    assert!(
        p.ok(&["parse"]).err.contains("W0")
            || p.ok(&["parse"]).err.contains("there is no model `gone`")
    );
    let with = |options: &str| p.run(&["parse", "--warn-error-options", options]);
    assert_eq!(with("{error: [NoNodeForYamlKey]}").code, 2);
    assert_eq!(with("{error: [UnusedResourceConfigPath]}").code, 0);
    assert_eq!(with("{error: all, warn: [NoNodeForYamlKey]}").code, 0);
    let silent = with("{silence: [E2007]}");
    assert!(silent.code == 0 && !silent.err.contains("gone"), "{}", silent.err);
    let wrong = with("{error: [NoNodeForYamlKeys]}");
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("did you mean `NoNodeForYamlKey`?"), "{}", wrong.err);
    let both = p.run(&["parse", "--warn-error", "--warn-error-options", "{}"]);
    assert!(both.code == 2 && both.err.contains("not both"), "{}", both.err);
}

#[test]
fn a_test_that_warns_fails_where_the_project_says_so() {
    let file = project_file("{warn_error_options: {error: [LogTestResult]}}");
    let p = Project::new(&[
        ("project.yml", &file),
        MODEL,
        ("tests/t.sql", "{{ config(severity='warn') }} select * from {{ ref('a') }}"),
    ]);
    assert_eq!(p.run(&["build"]).code, 1);
    assert_eq!(p.status("test.shop.t"), "fail");
    p.ok(&["build", "--warn-error-options", "{warn: [], error: []}"]);
}

#[test]
fn a_flag_without_an_effect_says_so() {
    let file =
        project_file("{validate_macro_args: true, printer_width: 120, cache_selected_only: false}");
    let p = Project::new(&[("project.yml", &file), MODEL]);
    let ran = p.ok(&[
        "build",
        "--log-cache-events",
        "--no-use-colors-file",
        "--no-send-anonymous-usage-stats",
    ]);
    for said in [
        "`--log-cache-events` has no effect",
        "`validate_macro_args` has no effect",
        "`printer_width`",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    assert!(
        !ran.err.contains("`--no-") && !ran.err.contains("`cache_selected_only` has"),
        "{}",
        ran.err
    );
    // The warnings are Strata's own, so they must not stop projects that come from dbt.
    p.ok(&["build", "--warn-error"]);
    let one = p.ok(&["build", "--single-threaded", "--log-level", "warn"]);
    assert!(!one.out.contains("threads") && !one.out.contains("built"), "{}", one.out);
}

#[test]
fn nodes_are_skipped_after_a_failed_hook_where_the_project_says_so() {
    let hook = "name: shop\nprofile: shop\non-run-start: [select * from nowhere]\n";
    let file = format!("{hook}flags: {{skip_nodes_if_on_run_start_fails: true}}\n");
    let p = Project::new(&[("project.yml", &file), MODEL]);
    assert_eq!(p.run(&["run"]).code, 1);
    assert_eq!(p.status("model.shop.a"), "skipped");
    p.write("project.yml", hook);
    assert_eq!(p.run(&["run"]).code, 1);
    assert_eq!(p.status("model.shop.a"), "success");
}

/// A project with one local package, installed.
fn with_package(flags: &str, files: &[(&str, &str)]) -> Project {
    let file = project_file(flags);
    let mut all = vec![
        ("project.yml", file.as_str()),
        ("packages.yml", "packages: [{local: dep}]"),
        ("dep/dbt_project.yml", "name: dep\nversion: '2.5'\n"),
    ];
    all.extend(files);
    let p = Project::new(&all);
    p.ok(&["deps"]);
    p
}

#[test]
fn a_package_reads_its_own_model_first_where_the_project_says_so() {
    let files: &[(&str, &str)] = &[
        ("models/base.sql", "select 'root' as whose"),
        ("dep/models/base.sql", "{{ config(alias='dep_base') }} select 'dep' as whose"),
        (
            "dep/models/reads.sql",
            "{{ config(materialized='table') }} select whose from {{ ref('base') }}",
        ),
    ];
    let whose = |flags: &str| {
        let p = with_package(flags, files);
        p.ok(&["run"]);
        p.rows("select whose from reads")
    };
    assert_eq!(whose("{}"), ["root"]);
    assert_eq!(whose("{require_ref_searches_node_package_before_root: true}"), ["dep"]);
}

#[test]
fn templates_see_the_flags_and_versions_of_packages() {
    let p = with_package(
        "{enable_truthy_nulls_equals_macro: true}",
        &[(
            "models/a.sql",
            "select '{{ builtins.ref.config.dependencies['dep'].version }}' as version, \
             '{{ adapter.config.project_name }}' as name, {{ dbt.equals('null', 'null') }} as same",
        )],
    );
    p.ok(&["run"]);
    assert_eq!(p.rows("select version, name, same from a"), ["2.5|shop|true"]);
}

#[test]
fn a_source_of_a_package_is_overridden() {
    let p = with_package(
        "{}",
        &[
            (
                "dep/models/s.yml",
                "sources:\n  - name: src\n    schema: old\n    tables:\n      - {name: t, columns: [{name: c, data_tests: [unique]}]}\n      - {name: u, columns: [{name: c, data_tests: [not_null]}]}\n",
            ),
            ("dep/models/m.sql", "select c from {{ source('src', 't') }}"),
            (
                "models/o.yml",
                "sources:\n  - name: src\n    overrides: dep\n    schema: new\n    tables:\n      - {name: t, identifier: t_new, columns: [{name: c, data_tests: [not_null]}]}\n      - name: gone\n",
            ),
        ],
    );
    p.database()
        .execute_batch(
            "create schema new; create table new.t_new as select 7 as c; create table new.u as select 1 as c",
        )
        .unwrap();
    let ran = p.ok(&["build"]);
    assert!(
        ran.err.contains("the source `src` of `dep` has no table `gone` to override"),
        "{}",
        ran.err
    );
    assert_eq!(p.rows("select c from m"), ["7"]);
    let tests: Vec<String> =
        p.statuses().into_iter().map(|(id, _)| id).filter(|id| id.starts_with("test.")).collect();
    let named = |name: &str| tests.iter().any(|id| id.contains(name));
    assert!(named("source_not_null_src_t_c") && named("source_not_null_src_u_c"), "{tests:?}");
    assert!(!named("source_unique_src_t_c"), "{tests:?}");
}

#[test]
fn names_with_blanks_are_refused() {
    let p = Project::new(&[("models/my model.sql", "select 1 as id")]);
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 2 && ran.err.contains("the model `my model` has a blank in its name"),
        "{}",
        ran.err
    );
    p.write("project.yml", &project_file("{require_resource_names_without_spaces: false}"));
    p.ok(&["build"]);
}

#[test]
fn a_unit_test_of_a_missing_model_is_an_error() {
    let test = "unit_tests: [{name: u, model: gone, given: [], expect: {rows: [{id: 1}]}}]";
    let p = Project::new(&[MODEL, ("models/u.yml", test)]);
    let ran = p.run(&["parse"]);
    assert!(
        ran.code == 2 && ran.err.contains("model `gone` in package `shop`, which was not found"),
        "{}",
        ran.err
    );
}

#[test]
fn an_empty_model_is_told() {
    let p = Project::new(&[MODEL, ("models/e.sql", "  \n")]);
    let ran = p.ok(&["build"]);
    assert!(ran.err.contains("the model `e` is empty, so nothing is built of it"), "{}", ran.err);
}

#[test]
fn what_cannot_be_read_is_the_only_thing_that_is_told() {
    let p = Project::new(&[
        MODEL,
        ("models/b.sql", "select * from {{ dep.m() }}"),
        ("packages.yml", "packages: [{package: org/dep, version: 1.0.0}]"),
    ]);
    let ran = p.run(&["parse"]);
    assert!(ran.code == 2 && ran.err.contains("run `strata deps`"), "{}", ran.err);
    assert_eq!(
        ran.err.matches("error[").count() + ran.err.matches("warning[").count(),
        1,
        "{}",
        ran.err
    );
    p.remove("packages.yml");
    p.remove("models/b.sql");
    p.write("profiles.yml", "shop: [\n");
    let ran = p.run(&["parse"]);
    assert_eq!(ran.err.matches("error[").count(), 1, "{}", ran.err);
}

#[test]
fn packages_have_names_of_their_own() {
    let p = Project::new(&[
        MODEL,
        ("packages.yml", "packages: [{local: dep}]"),
        ("dep/dbt_project.yml", "name: shop\n"),
    ]);
    let ran = p.run(&["deps"]);
    assert!(
        ran.code == 2 && ran.err.contains("named `shop`, a name that the project itself has"),
        "{}",
        ran.err
    );
}

#[test]
fn a_warning_that_is_an_error_fails_the_node_that_raises_it() {
    let text = "{% if execute %}{{ exceptions.warn('hmm') }}{% endif %}select 1 as id";
    let p = Project::new(&[("models/a.sql", text), ("models/b.sql", "select 1 as id")]);
    p.ok(&["build"]);
    assert_eq!(p.run(&["build", "--warn-error"]).code, 1);
    assert_eq!(
        (p.status("model.shop.a").as_str(), p.status("model.shop.b").as_str()),
        ("error", "success")
    );
    assert_eq!(p.run(&["run", "--warn-error-options", "{error: [JinjaLogWarning]}"]).code, 1);
}

#[test]
fn an_unchanged_snapshot_is_not_modified_after_a_kept_parse() {
    let block = "{% snapshot s %}\n{{ config(strategy='check', unique_key='id', check_cols='all') }}\nselect 1 as id\n{% endsnapshot %}\n";
    let p = Project::new(&[("snapshots/s.sql", block)]);
    p.ok(&["parse"]);
    let kept = p.read("target/manifest.json");
    p.write("st/manifest.json", &kept);
    let ran = p.ok(&["ls", "-q", "-s", "state:modified", "--state", "st"]);
    assert_eq!(ran.out, "");
    assert!(kept.contains("\"raw_code\":\"\\n{{ config(strategy"), "{kept}");
}

#[test]
fn a_ref_of_the_project_s_own_serves_generic_tests() {
    let p = Project::new(&[
        (
            "macros/ref.sql",
            "{% macro ref(name) %}{{ return(builtins.ref(name).include(database=false)) }}{% endmacro %}",
        ),
        MODEL,
        ("models/b.sql", "select id from {{ ref('a') }}"),
        (
            "models/p.yml",
            "models:\n  - name: b\n    columns: [{name: id, data_tests: [{relationships: {arguments: {to: ref('a'), field: id}}}]}]\n",
        ),
    ]);
    p.ok(&["build"]);
}

#[test]
fn words_that_a_key_does_not_take_are_errors() {
    for (yaml, said) in [
        (
            "models: [{name: a, columns: [{name: id, data_tests: [{unique: {config: {severity: wran}}}]}]}]",
            "`severity` is error or warn",
        ),
        (
            "models: [{name: a, columns: [{name: id, data_tests: [{unique: {config: {store_failures_as: tabel}}}]}]}]",
            "ephemeral, table or view",
        ),
        ("exposures: [{name: e, type: dashbord, owner: {name: o}}]", "did you mean `dashboard`?"),
        ("seeds: [{name: s, config: {delimiter: ';;'}}]", "`delimiter` is one character"),
        ("groups: [{name: g}]", "`groups[]` has no `owner`"),
        ("groups: [{name: g, owner: {slack: a}}]", "`groups[].owner` needs `name` or `email`"),
        ("exposures: [{name: e, owner: {name: o}}]", "`exposures[]` has no `type`"),
        (
            "models: [{name: a, deprecation_date: soon}]",
            "`models[].deprecation_date` is a date, not `soon`",
        ),
        (
            "models: [{name: a, columns: [{name: id, constraints: [{type: NOT_NULL}]}]}]",
            "not `NOT_NULL`",
        ),
        ("models: [{name: a, config: {on_configuration_change: stop}}]", "apply, continue or fail"),
        ("unit_tests: [{name: u, model: a, given: []}]", "`unit_tests[]` has no `expect`"),
        (
            "snapshots: [{name: sn, relation: ref('a'), config: {unique_key: id, strategy: timestamp}}]",
            "`updated_at`",
        ),
        (
            "snapshots: [{name: sn, relation: ref('a'), config: {unique_key: id, strategy: check, check_cols: id}}]",
            "`check_cols` is `all` or a list, not `id`",
        ),
    ] {
        let p = Project::new(&[MODEL, ("seeds/s.csv", "id\n1\n"), ("models/p.yml", yaml)]);
        let ran = p.run(&["parse"]);
        assert!(ran.code == 2 && ran.err.contains(said), "{yaml}: {}", ran.err);
    }
}

#[test]
fn a_source_without_a_schema_is_where_it_is_by_default() {
    let yaml = "sources: [{name: main, schema: , database: , tables: [{name: t, identifier: }]}]";
    let p = Project::new(&[
        ("models/p.yml", yaml),
        ("models/a.sql", "select c from {{ source('main', 't') }}"),
    ]);
    p.database().execute_batch("create table t as select 7 as c").unwrap();
    p.ok(&["build"]);
    assert_eq!(p.rows("select c from a"), ["7"]);
}

#[test]
fn a_hook_whose_template_fails_ends_the_run() {
    let file = "name: shop\nprofile: shop\non-run-start: \"{{ run_query('select * from nowhere') if execute }}\"\n";
    let p = Project::new(&[("project.yml", file), MODEL]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.err.contains(
            "nothing was run, since the template of the hook `shop-on-run-start-0` failed"
        ),
        "{}",
        ran.err
    );
    assert!(p.rows("select table_name from information_schema.tables").is_empty());
}

#[test]
fn what_dbt_refuses_is_refused() {
    let refused = |files: &[(&str, &str)], said: &str| {
        let ran = Project::new(files).run(&["parse"]);
        assert!(ran.code == 2 && ran.err.contains(said), "{said}: {} {}", ran.code, ran.err);
    };
    let project = |more: &str| format!("name: shop\nprofile: shop\n{more}\n");
    for (more, said) in [
        ("version: invalid", "`version` is a version, not `invalid`"),
        ("dbt-cloud: Some string", "`dbt-cloud` is a mapping, not text"),
        ("archive: [1]", "unknown key `archive` in the project file"),
        ("config-version: 3", "`config-version` of a project file is 2"),
        ("seeds: {+materialized: view}", "`materialized` of the seed `s` is seed, not `view`"),
        (
            "models: {+docs: {node_color: gren}}",
            "`node_color` is a color of CSS or like #1f6feb, not `gren`",
        ),
        ("models: {+pre-hook: {sqll: select 1}}", "a `pre-hook` of `a` has no `sql`"),
        (
            "seeds: {+post-hook: \"select * from {{ ref('a') }}\"}",
            "a hook of the seed `s` uses `ref`",
        ),
    ] {
        refused(
            &[
                ("project.yml", &project(more)),
                ("seeds/s.csv", "id\n1\n"),
                ("models/a.sql", "select 1 as id"),
            ],
            said,
        );
    }
    let with_contract = |config: &str, columns: &str| {
        format!(
            "models: [{{name: a, config: {{contract: {{enforced: true}}{config}}}, columns: [{columns}]}}]"
        )
    };
    let key = "data_type: int, constraints: [{type: primary_key}]";
    for (properties, said) in [
        (with_contract(", materialized: incremental", "{name: id, data_type: int}"), "append_new_columns or fail, not `ignore`"),
        (with_contract("", &format!("{{name: id, {key}}}, {{name: b, {key}}}")), "`a` has more than one primary key"),
        (
            with_contract("", "{name: id, data_type: int, constraints: [{type: foreign_key, to: other, to_columns: [id]}]}"),
            "`to` of a foreign key of `a` is a ref or a source, not `other`",
        ),
        (
            "models: [{name: a, columns: [{name: id, data_tests: [{not_null: {config: {materialized: view}}}]}]}]".to_owned(),
            "`materialized` of the test `not_null_a_id` is test, not `view`",
        ),
    ] {
        refused(&[("models/a.sql", "select 1 as id, 2 as b"), ("models/p.yml", &properties)], said);
    }
    let private = "groups: [{name: g, owner: {name: me}}]\nmodels: [{name: a, config: {group: g, access: private}}]\nexposures: [{name: e, type: dashboard, owner: {name: me}, depends_on: [ref('a')]}]";
    refused(
        &[("models/a.sql", "select 1 as id"), ("models/p.yml", private)],
        "`e` may not use `a`: it is private to group `g`",
    );
    let own = "groups: [{name: g, owner: {name: me}}]\nmodels: [{name: a, config: {group: g, access: private}, columns: [{name: id, data_tests: [unique]}]}]";
    let singular = ("tests/t.sql", "select * from {{ ref('a') }} where id is null");
    refused(
        &[("models/a.sql", "select 1 as id"), ("models/p.yml", own), singular],
        "`t` may not use `a`: it is private to group `g`",
    );
    let related = own.replace("[unique]}]}]", "[unique]}]}, {name: b, columns: [{name: id, data_tests: [{relationships: {arguments: {to: ref('a'), field: id}}}]}]}]");
    refused(
        &[
            ("models/a.sql", "select 1 as id"),
            ("models/b.sql", "select 1 as id"),
            ("models/p.yml", &related),
        ],
        "may not use `a`: it is private to group `g`",
    );
    Project::new(&[("models/a.sql", "select 1 as id"), ("models/p.yml", own)]).ok(&["build"]);
    let test = "unit_tests: [{name: u, model: a, given: [], expect: {format: csv, fixture: f}}]";
    refused(
        &[
            ("models/a.sql", "select 1 as id"),
            ("models/p.yml", test),
            ("tests/fixtures/one/f.csv", "id\n1\n"),
            ("tests/fixtures/two/f.csv", "id\n1\n"),
        ],
        "two fixtures have the name `f`: tests/fixtures/one/f.csv and tests/fixtures/two/f.csv",
    );
}

#[test]
fn a_materialization_says_which_languages_it_builds() {
    let p = Project::new(&[
        (
            "macros/m.sql",
            "{% materialization own, default, supported_languages=['python'] %}{{ return({'relations': [this]}) }}{% endmaterialization %}",
        ),
        ("models/a.sql", "{{ config(materialized='own') }} select 1 as id"),
    ]);
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 1
            && ran
                .err
                .contains("the materialization `own` only supports languages [python], not SQL"),
        "{}",
        ran.err
    );
}

#[test]
fn statements_carry_the_query_comment() {
    let file = "name: shop\nversion: '1.0'\nprofile: shop\n";
    let p = Project::new(&[
        MODEL,
        ("macros/c.sql", "{% macro whose(node) %}{{ return('of ' ~ node.name) }}{% endmacro %}"),
    ]);
    let ran = p.ok(&["run", "--debug"]);
    assert!(!ran.out.contains("/*"), "nobody watches a file's statements: {}", ran.out);
    p.write("project.yml", &format!("{file}query-comment: '{{{{ whose(node) }}}}'\n"));
    let ran = p.ok(&["run", "--debug"]);
    assert!(ran.out.contains("/* of a */\ncreate"), "{}", ran.out);
    for (comment, said) in
        [("{{ nobody() }}", "'nobody' is undefined"), ("a */ b", "has `*/` in it")]
    {
        p.write("project.yml", &format!("{file}query-comment: '{comment}'\n"));
        let ran = p.run(&["run"]);
        assert_eq!(ran.code, 2, "nothing is run: {}", ran.err);
        assert!(ran.err.contains(said) && ran.err.contains("project.yml:4:16"), "{}", ran.err);
    }
}

#[test]
fn sql_is_compiled_in_other_forms() {
    let p = Project::new(&[
        ("models/e.sql", "{{ config(materialized='ephemeral') }} select 1 as id"),
        ("models/m.sql", "select * from {{ ref('e') }}"),
        ("models/t.sql", "select '{{ flags.INTROSPECT }}' as i from {{ ref('i') }}"),
        (
            "models/i.sql",
            "{{ config(materialized='incremental') }} select 2 as id{% if is_incremental() %} where 1 = 0{% endif %}",
        ),
    ]);
    p.ok(&["build"]);
    let compiled = |words: &[&str]| p.ok(&[&["compile"], words].concat()).out;
    assert!(compiled(&["-s", "m"]).starts_with("with __dbt__cte__e as"));
    let alone = compiled(&["-s", "m", "--no-inject-ephemeral-ctes"]);
    assert_eq!(alone.trim(), "select * from __dbt__cte__e");
    assert!(compiled(&["-s", "i"]).contains("where 1 = 0"));
    assert!(!compiled(&["-s", "i", "--full-refresh"]).contains("where"));
    assert!(compiled(&["-s", "t", "--empty"]).contains("limit 0"));
    assert!(compiled(&["-s", "t", "--no-introspect"]).contains("'False'"));
    let shown = p.ok(&["show", "--inline-direct", "select '{{ x }}' as text"]);
    assert!(shown.out.contains("{{ x }}"), "{}", shown.out);
}

#[test]
fn variables_have_a_file_of_their_own() {
    let p = Project::new(&[
        ("vars.yml", "vars: {who: you, shop: {what: that}}\n"),
        ("models/m.sql", "select '{{ var(\"who\") }} {{ var(\"what\") }}' as text"),
    ]);
    p.write(
        "project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nmodels: {+alias: 'of_{{ var(\"who\") }}'}\n",
    );
    let compiled = |words: &[&str]| p.ok(&[&["compile", "-s", "m"], words].concat()).out;
    assert_eq!(compiled(&[]).trim(), "select 'you that' as text");
    assert_eq!(compiled(&["--vars", "{who: me}"]).trim(), "select 'me that' as text");
    p.ok(&["run"]);
    assert_eq!(p.rows("select text from of_you"), ["you that"]);
    p.write("vars.yml", "vars: {who: us, what: this}\n");
    assert_eq!(compiled(&[]).trim(), "select 'us this' as text");
    // The project file wins.
    p.write(
        "project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\nvars: {who: they, what: x}\n",
    );
    let ran = p.ok(&["compile", "-s", "m"]);
    assert_eq!(ran.out.trim(), "select 'they x' as text");
    assert!(ran.err.contains("`vars.yml` is not read"), "{}", ran.err);
    p.write("vars.yml", "vars: [who]\n");
    let ran = p.run(&["parse"]);
    assert!(ran.code == 2 && ran.err.contains("`vars` is a mapping, not a list"), "{}", ran.err);
}

#[test]
fn a_named_selector_counts_and_names_beside_it_do_not() {
    let p = Project::new(&[
        MODEL,
        ("models/b.sql", "select 1 as id"),
        ("selectors.yml", "selectors: [{name: one, definition: b}]\n"),
    ]);
    let ran = p.ok(&["ls", "--selector", "one", "--select", "a"]);
    assert_eq!(ran.out.trim(), "shop.b");
    assert!(ran.err.contains("`--select` has no effect: `--selector` says"), "{}", ran.err);
}
