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
    assert_eq!(events[0]["event"], "main_report_version");
    assert_eq!(events[1]["event"], "run_started");
    assert!(events.iter().any(|e| e["event"] == "node_finished"
        && e["unique_id"] == "model.shop.mart"
        && e["status"] == "success"));
    assert_eq!(events.last().unwrap()["totals"]["success"], 3);
}

/// `event`, dbt's name and code, level and message of each line, and the names in its data.
fn log_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let shown = lines.map(|line| {
        let part = |name: &str| line["info"][name].as_str().unwrap_or("-").to_owned();
        let mut data: Vec<&String> = line["data"].as_object().unwrap().keys().collect();
        data.sort();
        let event = line["event"].as_str().unwrap_or("-");
        format!("{event} {} {} {} {data:?}", part("name"), part("code"), part("level"))
    });
    shown.collect()
}

#[test]
fn log_lines_have_the_names_and_the_data_of_dbt() {
    let p = Project::new(&[
        (
            "models/a.sql",
            "{{ config(materialized='table') }} select 1 as id {{ log('hi', info=true) if execute }}",
        ),
        ("models/b.sql", "select id from {{ ref('a') }} union all select null"),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        ("models/p.yml", "models: [{name: b, columns: [{name: id, data_tests: [not_null]}]}]"),
        ("seeds/s.csv", "id\n1\n"),
        ("project.yml", "name: shop\nprofile: shop\non-run-start: select 1\n"),
    ]);
    let ran = p.run(&["build", "--no-audit", "--threads", "1", "--log-format", "json", "--debug"]);
    insta::assert_snapshot!(log_lines(&ran.out).join("\n"));
    // The file has the same lines as dbt writes them.
    let file = p.read("logs/strata.log");
    assert_eq!(log_lines(&file).len(), log_lines(&ran.out).len(), "{file}");
    let line = |name: &str| {
        let lines =
            file.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.into_iter().find(|line| line["info"]["name"] == name).unwrap()
    };
    let info = &line("LogModelResult")["data"]["node_info"];
    assert_eq!(info["unique_id"], "model.shop.a");
    assert_eq!((&info["materialized"], &info["node_status"]), (&"table".into(), &"success".into()));
    assert_eq!(info["node_relation"]["relation_name"], "\"shop\".\"main\".\"a\"");
    assert_eq!(line("StatsLine")["data"]["stats"]["error"], 1);
    assert_eq!(line("RunResultError")["data"]["msg"], "Got 1 result, configured to fail if != 0");
}

#[test]
fn the_log_file_is_where_and_what_was_asked_for() {
    let p = shop();
    p.ok(&["build"]);
    let text = p.read("logs/strata.log");
    assert!(text.contains("[debug] running strata build\n"), "{text}");
    assert!(text.contains(" OK table model main.mart"), "{text}");
    p.ok(&["build", "--log-path", "other", "--log-level-file", "error"]);
    assert_eq!(p.read("other/strata.log"), "");
    p.ok(&["build", "--log-path", "none", "--log-level-file", "none"]);
    assert!(!p.path().join("none").exists());
    // What cannot be written is not worth a failure.
    p.write("taken", "a file");
    p.ok(&["build", "--log-path", "taken"]);
    assert_eq!(p.read("logs/strata.log"), text);
}

#[test]
fn a_log_file_has_no_secrets() {
    let p = shop();
    p.write(
        "models/marts/loud.sql",
        "{{ config(materialized='view') }} select '{{ log(env_var('X', 'x')) }}' as a, hush",
    );
    let mut command = p.command(&["build", "--vars", "{DBT_ENV_SECRET_K: s3cr3t}"]);
    let ran = command.env("DBT_ENV_SECRET_X", "hush").output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let text = p.read("logs/strata.log");
    assert!(text.contains("*****") && !text.contains("hush") && !text.contains("s3cr3t"), "{text}");
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
fn relations_of_removed_models_are_listed_and_dropped_on_demand() {
    let p = Project::new(&[
        ("models/kept.sql", "select 1 as id"),
        ("models/old.sql", "{{ config(materialized='table') }} select 1 as id"),
        ("models/old_view.sql", "select * from {{ ref('old') }}"),
        ("models/s.yml", "sources: [{name: main, tables: [{name: raw}]}]"),
    ]);
    p.database().execute_batch("create table raw (id int); create table by_hand (id int)").unwrap();
    p.ok(&["build"]);
    std::fs::rename(p.path().join("target"), p.path().join("before")).unwrap();
    p.remove("models/old.sql");
    p.remove("models/old_view.sql");
    let relations = || p.rows("select table_name from information_schema.tables order by 1");
    let all = ["by_hand", "kept", "old", "old_view", "raw"];

    let listed = p.ok(&["clean", "relations"]).out;
    assert!(
        listed.starts_with("table main.by_hand\ntable main.old\nview main.old_view\n")
            && listed.contains("strata clean relations NAME"),
        "{listed}"
    );
    // Only what the state names belongs to a removed model.
    let of_state = p.ok(&["clean", "relations", "--state", "before", "--all", "--dry-run"]).out;
    assert_eq!(
        of_state,
        "would drop table main.old of model.shop.old\n\
         would drop view main.old_view of model.shop.old_view\n"
    );
    let wrong = p.run(&["clean", "relations", "old", "kept"]);
    assert!(wrong.code == 2 && wrong.err.contains("`kept` is not among"), "{}", wrong.err);
    assert_eq!(relations(), all);

    assert_eq!(p.ok(&["clean", "relations", "main.old_view"]).out, "dropped view main.old_view\n");
    p.ok(&["clean", "relations", "--state", "before", "--all"]);
    assert_eq!(relations(), ["by_hand", "kept", "raw"]);
    p.ok(&["clean", "relations", "--all"]);
    assert_eq!(relations(), ["kept", "raw"]);
    assert!(p.ok(&["clean", "relations"]).out.contains("no relation is left over"));
}

#[test]
fn an_env_file_is_read_if_asked_and_the_shell_comes_first() {
    let p = Project::new(&[
        ("models/a.sql", "select '{{ env_var('WHO') }}' as who, '{{ env_var('WHERE') }}' as place"),
        (".env", "WHO=file # a comment\nexport WHERE='${WHO} here'\nnot a statement\n"),
    ]);
    let without = p.run(&["build"]);
    assert!(without.code == 2 && without.err.contains("`WHO` is not set"), "{}", without.err);
    let folder = p.path().join("models");
    let ran = p.command(&["build", "--env-file"]).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    let path = p.path().canonicalize().unwrap().join(".env");
    let first = format!("environment: 2 variables from {}; line 3 is not", path.display());
    assert!(ran.status.success() && said.starts_with(&first), "{said}");
    assert_eq!(p.rows("from a"), ["file|file here"]);

    p.write("project.yml", "name: shop\nprofile: shop\nflags: {env_file: true}\n");
    assert!(p.command(&["build"]).env("WHO", "shell").output().unwrap().status.success());
    assert_eq!(p.rows("from a"), ["shell|shell here"]);
    assert_eq!(p.run(&["build", "--no-env-file"]).code, 2);
    assert!(p.run(&["ls", "--env-file=other.env"]).err.contains("which is not there"));
    assert_eq!(p.ok(&["ls"]).out, "shop.a\n", "a pipe gets the list alone");
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

#[test]
fn docs_have_the_assets_of_the_project() {
    let file = "name: shop\nprofile: shop\nasset-paths: [pictures, nowhere, '..', .]\n";
    let p = Project::new(&[
        ("project.yml", file),
        ("models/a.sql", "select 1 as id"),
        ("pictures/in/one.txt", "first"),
    ]);
    p.ok(&["build"]);
    p.ok(&["docs", "generate"]);
    assert_eq!(p.read("target/pictures/in/one.txt"), "first");
    p.remove("pictures/in/one.txt");
    p.write("pictures/two.txt", "second");
    p.ok(&["docs", "generate"]);
    assert_eq!(p.read("target/pictures/two.txt"), "second");
    assert!(!p.path().join("target/pictures/in").exists());
    assert!(!p.path().join("target/nowhere").exists() && p.path().join("models/a.sql").exists());
}

#[test]
fn a_seed_with_an_empty_delimiter_fails_alone() {
    let file = "name: shop\nprofile: shop\nseeds: {shop: {s: {+delimiter: ''}}}\n";
    let p = Project::new(&[
        ("project.yml", file),
        ("seeds/s.csv", "id\n1\n"),
        ("seeds/t.csv", "id\n1\n"),
    ]);
    assert_eq!(p.run(&["build"]).code, 1);
    assert_eq!(
        (p.status("seed.shop.s").as_str(), p.status("seed.shop.t").as_str()),
        ("error", "success")
    );
    let results = p.read("target/run_results.json");
    let class = "\"Compilation Error in seed s (seeds/s.csv)\\n  `delimiter` of the seed `s` is one character, not ``\"";
    assert!(results.contains(class), "{results}");
}

#[test]
fn the_file_of_a_run_has_the_statements_that_make_the_relation() {
    let p = Project::new(&[(
        "models/a.sql",
        "{{ config(materialized='table', pre_hook='select 5', post_hook='select 6') }} select 1 as id",
    )]);
    p.write(
        "macros/m.sql",
        "{% materialization own, default %}{% do run_query('select 7') %}{% call statement('main') %}create or replace table {{ this }} as {{ sql }}{% endcall %}{{ return({'relations': [this]}) }}{% endmaterialization %}",
    );
    p.write("models/b.sql", "{{ config(materialized='own') }} select 2 as id");
    p.ok(&["build"]);
    let own = p.read("target/run/shop/models/b.sql");
    assert!(own.starts_with("create or replace table") && own.matches(';').count() == 1, "{own}");
    let text = p.read("target/run/shop/models/a.sql");
    assert!(text.trim().starts_with("create table") && text.matches(';').count() == 1, "{text}");
    // The log has all of them.
    let log = p.read("logs/strata.log");
    for sql in ["begin", "select 5", "create table", "rename to", "select 6", "commit", "select 7"]
    {
        assert!(log.contains(sql), "{sql}: {log}");
    }
}
