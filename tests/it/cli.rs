//! Commands, flags and their outputs.

use crate::project::Project;

fn shop() -> Project {
    Project::new(&[
        ("seeds/raw.csv", "id,n\n1,2\n"),
        ("models/staging/stg.sql", "{{ config(tags='nightly') }} select * from {{ ref('raw') }}"),
        (
            "models/marts/mart.sql",
            "{{ config(materialized='table') }} select * from {{ ref('stg') }}",
        ),
        (
            "models/m.yml",
            "models: [{name: mart, columns: [{name: id, data_tests: [unique]}]}]\nexposures: [{name: board, type: dashboard, owner: {email: a@b.c}, depends_on: [ref('mart')]}]",
        ),
    ])
}

#[test]
fn ls_prints_all_forms() {
    let p = shop();
    assert_eq!(
        p.ok(&["ls"]).out,
        "exposure:shop.board\nshop.marts.mart\nshop.staging.stg\nshop.raw\nshop.unique_mart_id\n"
    );
    assert_eq!(
        p.ok(&["ls", "--output", "name", "--select", "+mart", "--exclude", "test_type:data"]).out,
        "mart\nstg\nraw\n"
    );
    assert_eq!(
        p.ok(&["ls", "--output", "path", "-s", "tag:nightly"]).out,
        "models/staging/stg.sql\n"
    );
    let json = p
        .ok(&[
            "ls",
            "--output",
            "json",
            "--output-keys",
            "name config.materialized",
            "-s",
            "mart",
            "--resource-type",
            "model",
        ])
        .out;
    assert_eq!(json, "{\"name\":\"mart\",\"config.materialized\":\"table\"}\n");
    let nothing = p.ok(&["ls", "--select", "nope"]);
    assert!(nothing.out.is_empty() && nothing.err.contains("W0006"));
    assert_eq!(p.run(&["ls", "--select", "tga:x"]).code, 2);
}

#[test]
fn selectors_by_graph_and_folder() {
    let p = shop();
    let names =
        |select: &str| p.ok(&["ls", "--output", "name", "--select", select]).out.replace('\n', " ");
    assert_eq!(names("marts"), "mart unique_mart_id ");
    assert_eq!(names("1+mart,config.materialized:*"), "mart stg unique_mart_id ");
    assert_eq!(names("@stg"), "board mart stg raw unique_mart_id ");
    assert_eq!(names("raw+1"), "stg raw ");
    assert_eq!(names("path:models/staging config.materialized:table"), "mart stg unique_mart_id ");
    assert_eq!(names("exposure:board"), "board ");
}

#[test]
fn flags_stand_before_or_after_and_beat_variables() {
    let p = shop();
    p.ok(&["--target", "dev", "ls"]);
    assert_eq!(p.run(&["ls", "--target", "prod"]).code, 2);
    let prod = p.command(&["ls"]).env("STRATA_TARGET", "prod").output().unwrap();
    assert_eq!(prod.status.code(), Some(2));
    let both = p.command(&["ls", "--target", "dev"]).env("DBT_TARGET", "prod").output().unwrap();
    assert_eq!(both.status.code(), Some(0));
    assert_eq!(p.run(&["build", "--nope"]).code, 2);
    assert_eq!(p.run(&["frobnicate"]).code, 2);
}

#[test]
fn without_a_profile_the_database_is_in_the_project() {
    let p = shop();
    p.remove("profiles.yml");
    p.ok(&["build"]);
    assert!(p.path().join("shop.duckdb").is_file());
}

#[test]
fn show_prints_rows_and_json() {
    let p = shop();
    p.ok(&["build"]);
    let shown = p.ok(&["show", "mart"]);
    assert!(shown.out.contains("│ 1  ┆ 2 │") || shown.out.contains('1'), "{}", shown.out);
    let json: serde_json::Value = serde_json::from_str(
        &p.ok(&["-q", "show", "--inline", "select n from {{ ref('mart') }}", "--output", "json"])
            .out,
    )
    .unwrap();
    assert_eq!(json["show"], serde_json::json!([{ "n": 2 }]));
    assert_eq!(p.run(&["show"]).code, 2);
}

#[test]
fn json_lines_are_json() {
    let p = shop();
    let ran = p.ok(&["build", "--log-format", "json"]);
    let events: Vec<serde_json::Value> =
        ran.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(events[0]["event"], "run_started");
    assert!(events.iter().any(|e| e["event"] == "node_finished"
        && e["unique_id"] == "model.shop.mart"
        && e["status"] == "success"));
    assert_eq!(events.last().unwrap()["totals"]["success"], 3);
}

#[test]
fn clean_removes_what_is_generated_and_nothing_else() {
    let p = shop();
    p.ok(&["build"]);
    p.ok(&["clean"]);
    assert!(!p.path().join("target").exists() && p.path().join("shop.duckdb").exists());
    p.write("project.yml", "name: shop\nprofile: shop\nclean-targets: ['..']\n");
    assert_eq!(p.run(&["clean"]).code, 2);
    p.write("project.yml", "name: shop\nprofile: shop\nclean-targets: [models]\n");
    assert_eq!(p.run(&["clean"]).code, 2);
    assert!(p.path().join("models/marts/mart.sql").exists());
}

#[test]
fn clean_removes_what_is_outside_if_asked_but_not_what_holds_the_project() {
    let p = shop();
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("generated");
    std::fs::create_dir(&folder).unwrap();
    let project = |target: &str| {
        p.write(
            "project.yml",
            &format!("name: shop\nprofile: shop\nclean-targets: ['{target}']\n"),
        );
    };
    project(folder.to_str().unwrap());
    assert_eq!(p.run(&["clean"]).code, 2);
    assert!(folder.exists());
    p.ok(&["clean", "--no-clean-project-files-only"]);
    assert!(!folder.exists());
    project("..");
    assert_eq!(p.run(&["clean", "--no-clean-project-files-only"]).code, 2);
    assert!(p.path().join("models/marts/mart.sql").exists());
}

#[test]
fn compiled_sql_is_printed_as_json() {
    let p = shop();
    let object = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&p.ok(&[&["compile", "--output", "json"], args].concat()).out).unwrap()
    };
    let mart = object(&["--select", "mart"]);
    assert_eq!(mart["node"], "mart");
    assert!(mart["compiled"].as_str().unwrap().contains("select"));
    let inline = object(&["--inline", "select 1 as one"]);
    assert_eq!(inline, serde_json::json!({ "compiled": "select 1 as one" }));
}

#[test]
fn init_makes_a_project_that_builds() {
    let p = Project::new(&[]);
    p.ok(&["init", "fresh"]);
    let inner =
        |args: &[&str]| p.command(args).current_dir(p.path().join("fresh")).output().unwrap();
    let built = inner(&["build"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert!(p.path().join("fresh/fresh.duckdb").exists());
    assert_eq!(p.run(&["init", "fresh"]).code, 2);
}

#[test]
fn explain_debug_and_completions() {
    let p = shop();
    assert!(p.ok(&["explain", "e2003"]).out.starts_with("E2003:"));
    assert_eq!(p.run(&["explain", "E2999"]).code, 2);
    assert!(p.ok(&["debug"]).out.contains("all checks passed"));
    assert!(p.ok(&["completions", "bash"]).out.contains("strata"));
}

#[test]
fn packages_have_their_own_names() {
    let p = Project::new(&[
        ("packages.yml", "packages: [{local: ../lib}]"),
        ("lib/dbt_project.yml", "name: lib\n"),
        (
            "lib/macros/m.sql",
            "{% macro who() %}'lib'{% endmacro %}{% macro ask() %}{{ who() }}{% endmacro %}",
        ),
        ("lib/models/lib_model.sql", "select {{ ask() }} as who"),
        ("inner/project.yml", "name: shop\nprofile: shop\n"),
        (
            "inner/profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: duckdb, path: ../shop.duckdb}}}\n",
        ),
        ("inner/packages.yml", "packages: [{local: ../lib}]"),
        ("inner/macros/m.sql", "{% macro who() %}'root'{% endmacro %}"),
        (
            "inner/models/m.sql",
            "select {{ lib.ask() }} as a, {{ lib.who() }} as b, {{ who() }} as c, (select who from {{ ref('lib', 'lib_model') }}) as d",
        ),
    ]);
    let inner =
        |args: &[&str]| p.command(args).current_dir(p.path().join("inner")).output().unwrap();
    let missing = inner(&["ls"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("strata deps"));
    assert!(inner(&["deps"]).status.success());
    let built = inner(&["build"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert_eq!(p.rows("select * from m"), ["root|lib|root|lib"]);
}

#[test]
fn a_state_folder_without_artifacts_is_no_state() {
    let p = Project::new(&[("models/a.sql", "select 1 as id")]);
    let ran = p.run(&["ls", "--state", "nothing", "--select", "state:modified"]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("needs earlier artifacts: give `--state` a folder"), "{}", ran.err);
    p.ok(&["ls", "--state", "nothing"]);
}

#[test]
fn a_seed_whose_columns_move_keeps_its_values() {
    let p = Project::new(&[("seeds/pair.csv", "k,gross,net\na,10,8\n")]);
    p.ok(&["seed"]);
    p.write("seeds/pair.csv", "k,Net,gross\na,8,10\n");
    p.ok(&["seed"]);
    assert_eq!(p.rows("select k, gross, net from pair"), ["a|10|8"]);
}

#[test]
fn the_next_command_is_for_the_same_target() {
    let p = Project::new(&[
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: duckdb, path: dev.duckdb}, prod: {type: duckdb, path: prod.duckdb}}}",
        ),
        ("models/a.sql", "select {{ var('column', '1') }} as id"),
    ]);
    let ran = p.ok(&["build", "--target", "prod"]);
    assert!(
        format!("{}{}", ran.out, ran.err).contains("strata show a --target prod"),
        "{}{}",
        ran.out,
        ran.err
    );
    let ran = p.run(&["build", "--target", "prod", "--vars", "column: nope"]);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("strata build --select a+ --target prod"), "{said}");
}
