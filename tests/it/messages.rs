//! The messages that users read when something is wrong. Those that should be better are in
//! `ledger`.

use crate::project::Project;

/// The errors of a build, without the path of the temporary folder.
fn errors(files: &[(&str, &str)]) -> String {
    let p = Project::new(files);
    let ran = p.run(&["build"]);
    assert_ne!(ran.code, 0, "{}", ran.out);
    let root = p.path().to_string_lossy().into_owned();
    ran.err.replace(&format!("{root}/"), "").replace(&root, ".")
}

#[test]
fn sql_errors_point_into_the_template() {
    let text = errors(&[
        ("models/a.sql", "select 1 as id"),
        (
            "models/b.sql",
            "with x as (\n    {# a comment #}\n    select * from {{ ref('a') }}\n)\nselect\n    {% for c in ['id'] %}{{ c }},{% endfor %}\n    amount\nfrom x\n",
        ),
    ]);
    insta::assert_snapshot!(text, @r#"
    error[E3001]: Binder Error: Referenced column "amount" not found in FROM clause!
     --> models/b.sql:7:5
      |
    7 |     amount
      |     ^^^^^^ `amount` here
      |
      = note: Candidate bindings: "id"
    "#);
}

#[test]
fn an_error_inside_a_macro_names_the_macro_and_the_model() {
    let text = errors(&[
        ("macros/m.sql", "{% macro money(c) %}\n  round({{ c.x.y }}, 2)\n{% endmacro %}"),
        ("models/b.sql", "select\n  {{ money('a') }} as m"),
    ]);
    insta::assert_snapshot!(text, @r#"
    error[E1002]: something that is undefined is used here
     --> macros/m.sql:2:12
      |
    2 |   round({{ c.x.y }}, 2)
      |            ^^^^^
      |
      = note: in macro shop.money, called by `model.shop.b`
    "#);
}

#[test]
fn unknown_references_name_the_nearest() {
    let text = errors(&[
        ("models/orders.sql", "select 1 as id"),
        ("models/b.sql", "select *\nfrom {{ ref('ordres') }}"),
    ]);
    insta::assert_snapshot!(text, @r#"
    error[E2001]: `b` uses model `ordres`, which was not found
     --> models/b.sql:2:9
      |
    2 | from {{ ref('ordres') }}
      |         ^ referenced here
      |
      = help: a model named `orders` exists
    "#);
}

#[test]
fn circles_show_their_way() {
    let text = errors(&[
        ("models/a.sql", "select * from {{ ref('c') }}"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "select * from {{ ref('b') }}"),
    ]);
    assert!(
        text.contains(
            "error[E2003]: Found a cycle of models that depend on each other: a -> b -> c -> a"
        ),
        "{text}"
    );
    assert!(text.contains("models/a.sql:1:18") && text.contains("models/c.sql:1:18"), "{text}");
}

#[test]
fn seeds_with_ragged_rows_name_file_and_line() {
    let text = errors(&[("seeds/raw.csv", "id,name\n1,a\n2\n")]);
    assert!(
        text.contains("error[E4004]: seeds/raw.csv:3: this row has 1 fields, the header 2"),
        "{text}"
    );
}

#[test]
fn missing_variables_say_who_asks() {
    let text = errors(&[("models/a.sql", "select '{{ env_var('NOT_SET_ANYWHERE') }}' as x")]);
    assert!(
        text.contains("error[E0005]: environment variable `NOT_SET_ANYWHERE` is not set"),
        "{text}"
    );
    assert!(text.contains("models/a.sql:1:12"), "{text}");
}

#[test]
fn yaml_mistakes_have_a_place() {
    let text = errors(&[
        ("models/a.sql", "select 1 as x"),
        ("models/a.yml", "models:\n  - name: a\n    description: [oops\n"),
    ]);
    assert!(
        text.contains("error[E0002]: invalid YAML") && text.contains("models/a.yml:"),
        "{text}"
    );
}

#[test]
fn a_profile_that_is_not_there_lists_the_others() {
    let text = errors(&[
        ("project.yml", "name: shop\nprofile: shpo\n"),
        ("models/a.sql", "select 1 as x"),
    ]);
    assert!(
        text.contains("error[E0004]: profile `shpo` not found")
            && text.contains("profiles there: shop"),
        "{text}"
    );
}

#[test]
fn unknown_keys_are_warnings_with_the_nearest_key() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as x"),
        ("models/a.yml", "models:\n  - name: a\n    descripton: x\n"),
    ]);
    let ran = p.ok(&["build"]);
    assert!(
        ran.err.contains("warning[W0001]") && ran.err.contains("did you mean `description`?"),
        "{}",
        ran.err
    );
}

/// Messages that are known to be poor. To improve one, change it and move its test out of this
/// module.
mod ledger {
    use super::errors;

    #[test]
    fn a_duplicate_relation_could_show_both_configs() {
        let text = errors(&[
            ("models/a.sql", "{{ config(alias='t') }} select 1 as x"),
            ("models/t.sql", "select 1 as x"),
        ]);
        assert!(text.contains("error[E2006]"), "{text}");
    }
}

#[test]
fn a_criterion_of_a_selector_is_told_with_its_place() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id"),
        (
            "selectors.yml",
            "selectors:\n  - name: mine\n    definition:\n      union:\n        - fqn:a\n        - tga:nightly\n",
        ),
    ]);
    let ran = p.run(&["ls", "--selector", "mine"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("unknown selector method `tga`") && ran.err.contains("selectors.yml:6:11"),
        "{}",
        ran.err
    );
}

#[test]
fn a_count_of_failures_is_whole() {
    let p = Project::new(&[
        ("models/a.sql", "select 1 as id union all select 2"),
        ("tests/t.sql", "{{ config(fail_calc='avg(id)') }} select id from {{ ref('a') }}"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("`fail_calc` of the test `t` gave 1.5, not a whole number"),
        "{}",
        ran.err
    );
}

#[test]
fn a_criterion_that_matches_nothing_is_told_beside_others_that_do() {
    let p = Project::new(&[
        ("models/customers.sql", "select 1 as id"),
        ("models/b.sql", "select 1 as id"),
    ]);
    let ran = p.ok(&["build", "--select", "customers", "custmers", "--exclude", "tag:nightly"]);
    assert!(
        ran.err.contains("`custmers` matches nothing")
            && ran.err.contains("did you mean `customers`?"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("`tag:nightly` matches nothing"), "{}", ran.err);
    assert_eq!(p.run(&["build", "--select", "custmers", "customers", "--warn-error"]).code, 2);
}

#[test]
fn hooks_are_not_built() {
    let p = Project::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-start: select 1\non-run-end: [select 1, select 2]\n",
        ),
        ("models/a.sql", "select 1 as id"),
    ]);
    let ran = p.ok(&["build"]);
    assert!(ran.out.contains("1 built"), "{}", ran.out);
}

/// A project with one of each thing that dbt has deprecated.
fn out_of_date() -> Project {
    Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nprofile: shop\nsource-paths: [models]\ndata-paths: [seeds]\ntarget-path: built\nlog-path: logged\non-run-start: select 1\nflags: {source_freshness_run_project_hooks: false}\n",
        ),
        ("models/a.sql", "select {{ modules.itertools.chain([1], [2]) | list | length }} as id"),
        ("models/b.sql", "select {{ modules.itertools.chain([1], [2]) | list | length }} as id"),
        (
            "models/s.yml",
            "models:
  - {name: a, columns: [{name: id, data_tests: [{accepted_values: {values: [2], quote: false}}]}]}
  - {name: b, columns: [{name: id, data_tests: [{accepted_values: {values: [2], quote: false}}]}]}
exposures: [{name: a board, type: dashboard, owner: {name: o}}]
",
        ),
    ])
}

#[test]
fn what_is_out_of_date_is_told_once_with_dbts_name_for_it() {
    let p = out_of_date();
    let mut command = p.command(&["source", "freshness", "--models", "a", "-o", "x.json"]);
    let ran = command.env("DBT_ENGINE_OF_MINE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    for part in [
        "`source-paths` is out of date",
        "`data-paths` is out of date",
        "`target-path` in the project file is out of date",
        "`log-path` in the project file is out of date",
        "`--models` is out of date",
        "`--output` of `source freshness` is out of date",
        "`DBT_ENGINE_OF_MINE` is no setting",
        "`modules.itertools` is out of date",
        "the exposure `a board` has other characters",
        "the arguments of the test `accepted_values` stand beside its configs",
        "on-run hooks do not run around `source freshness`",
        "1 of MissingArgumentsPropertyInGenericTestDeprecation, 1 of ModulesItertoolsUsageDeprecation",
    ] {
        assert_eq!(said.matches(part).count(), 1, "{part}\n{said}");
    }
    let all = p.ok(&["ls", "--show-all-deprecations"]).err;
    assert_eq!(all.matches("stand beside its configs").count(), 2, "{all}");
    assert!(!all.contains("--show-all-deprecations"), "{all}");

    // Each is an error if asked for, by its name or with all others.
    for name in ["Deprecations", "ConfigSourcePathDeprecation", "ExposureNameDeprecation"] {
        let ran = p.run(&["parse", "--warn-error-options", &format!("{{error: [{name}]}}")]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.err);
    }
    let ran = p.run(&["ls", "--models", "a", "--warn-error-options", "{include: all}"]);
    assert!(ran.code == 2 && ran.err.contains("`include` of `warn_error_options`"), "{}", ran.err);
}

#[test]
fn flags_in_the_profiles_file_count_if_the_project_has_none() {
    let profiles = "config: {warn_error: true}\nshop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n";
    let p = Project::new(&[("profiles.yml", profiles), ("models/a.sql", "select 1 as id")]);
    let ran = p.run(&["parse"]);
    assert!(
        ran.code == 2 && ran.err.contains("`config` in profiles.yml is out of date"),
        "{}",
        ran.err
    );
    p.write("project.yml", "name: shop\nprofile: shop\nflags: {fail_fast: false}\n");
    p.ok(&["parse"]);
}

#[test]
fn a_file_of_catalogs_is_told_to_have_no_effect() {
    let p = Project::new(&[("catalogs.yml", "catalogs: []\n"), ("models/a.sql", "select 1 as id")]);
    assert!(p.ok(&["build"]).err.contains("warning[W0005]: `catalogs.yml` has no effect"));
}

#[test]
fn two_names_of_one_key_are_an_error() {
    let p = Project::new(&[(
        "dbt_project.yml",
        "name: shop\nprofile: shop\nsource-paths: [m]\nmodel-paths: [m]\n",
    )]);
    let ran = p.run(&["parse"]);
    assert!(ran.code == 2 && ran.err.contains("cannot both be defined"), "{}", ran.err);
}

#[test]
fn lines_can_have_the_form_that_dbt_reads_of_a_parser() {
    let p = Project::new(&[("models/a.sql", "select * from {{ ref('nope') }}")]);
    let id = "0c5a1b7e-5f0e-4b5a-9d55-0a3f4f2b7e11";
    let args = ["parse", "--log-format", "otel", "--log-level-file", "off", "--invocation-id", id];
    let ran = p.run(&args);
    assert_eq!((ran.code, p.path().join("logs").exists()), (2, false));
    let records: Vec<serde_json::Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors: Vec<_> = records.iter().filter(|r| r["severity_number"] == 17).collect();
    assert!(
        errors.iter().any(
            |r| r["record_type"] == "LogRecord" && r["body"].as_str().unwrap().contains("nope")
        ),
        "{}",
        ran.out
    );
    p.write("models/a.sql", "select 1");
    p.ok(&args);
    let manifest: serde_json::Value =
        serde_json::from_str(&p.read("target/manifest.json")).unwrap();
    assert_eq!(manifest["metadata"]["invocation_id"], id);
}
