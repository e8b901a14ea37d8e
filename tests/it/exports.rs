//! Exports: nodes of the graph, files, the DAG file, diagrams.

use crate::project::Project;
use serde_json::{Value, json};

const EXPORTS: &str = "
exports:
  - name: totals_csv
    type: csv
    model: ref('totals')
    path: out/totals.csv
    columns: [id, {name: amount, header: 'Amount, net'}]
  - {name: totals_json, type: json, model: ref('totals')}
  - {name: totals_parquet, type: parquet, model: ref('totals'), tags: [slow]}
  - name: totals_sheet
    type: google_sheets
    model: ref('totals')
    spreadsheet: \"{{ env_var('SHEET_ID') }}\"
";

fn shop() -> Project {
    Project::new(&[
        (
            "models/staging/orders.sql",
            "select * from (values (1, 2.50, date '2024-01-31'), (2, null, null)) t(id, amount, day)",
        ),
        (
            "models/marts/totals.sql",
            "{{ config(materialized='table') }} select *, '=1+1' as note from {{ ref('orders') }}",
        ),
        (
            "models/marts/totals.yml",
            "models: [{name: totals, columns: [{name: id, data_tests: [unique, not_null]}]}]",
        ),
        ("models/marts/exports.yml", EXPORTS),
    ])
}

#[test]
fn an_export_is_a_node_of_the_graph() {
    let p = shop();
    assert_eq!(
        p.ok(&["ls", "--select", "orders+", "--resource-type", "export"])
            .out
            .lines()
            .collect::<Vec<_>>(),
        [
            "export:shop.totals_csv",
            "export:shop.totals_json",
            "export:shop.totals_parquet",
            "export:shop.totals_sheet"
        ]
    );
    assert_eq!(
        p.ok(&["ls", "--select", "export:*,tag:slow"]).out.trim(),
        "export:shop.totals_parquet"
    );
    assert!(p.ok(&["ls", "--select", "+export:totals_csv"]).out.contains("shop.staging.orders"));
    // A build needs no variables that only exports use.
    p.ok(&["build"]);
    let manifest: Value = serde_json::from_str(&p.read("target/manifest.json")).unwrap();
    let exposure = &manifest["exposures"]["exposure.shop.totals_sheet"];
    assert_eq!(exposure["type"], "application");
    assert_eq!(exposure["depends_on"]["nodes"], json!(["model.shop.totals"]));
    assert_eq!(exposure["meta"]["strata_export"]["spreadsheet"], "{{ env_var('SHEET_ID') }}");
    assert_eq!(manifest["child_map"]["model.shop.totals"].as_array().unwrap().len(), 6);
}

#[test]
fn files_have_the_rows_of_the_published_relation() {
    let p = shop();
    let ran = p.run(&["export", "files"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!((ran.out + &ran.err).contains("strata build --select totals"));
    p.ok(&["build"]);
    let dry = p.ok(&["export", "files", "--dry-run"]);
    assert!(dry.out.contains("out/totals.csv: would get 2 rows, 2 columns"), "{}", dry.out);
    assert!(!p.path().join("out").exists());
    p.ok(&["export", "files"]);
    assert_eq!(p.read("out/totals.csv"), "id,\"Amount, net\"\n1,2.50\n2,\n");
    let rows: Value = serde_json::from_str(&p.read("target/exports/totals_json.json")).unwrap();
    assert_eq!(rows[0], json!({ "id": 1, "amount": 2.5, "day": "2024-01-31", "note": "=1+1" }));
    let parquet = "select typeof(amount), typeof(day), note from 'target/exports/totals_parquet.parquet' limit 1";
    let parquet = parquet.replace("target", p.path().join("target").to_str().unwrap());
    assert_eq!(p.rows(&parquet), ["DECIMAL(3,2)|DATE|=1+1"]);
    assert_eq!(p.status("exposure.shop.totals_json"), "success");
    // An error is reported with its location, and the other exports are still written.
    p.write("models/marts/exports.yml", &EXPORTS.replace("columns: [id,", "columns: [idd,"));
    p.write("out/totals.csv", "old");
    let ran = p.run(&["export", "files"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("there is no column `idd`") && ran.err.contains("exports.yml:7:15"),
        "{}",
        ran.err
    );
    assert_eq!(
        (p.read("out/totals.csv").as_str(), p.status("exposure.shop.totals_json").as_str()),
        ("old", "success")
    );
}

#[test]
fn mistakes_in_exports_are_found_when_the_project_is_read() {
    let p = shop();
    p.write(
        "models/marts/exports.yml",
        "exports:\n  - {name: a, type: excel, model: ref('totals')}\n  - {name: b, type: csv}\n  - {name: c, type: \
         csv, model: ref('nope')}\n  - {name: d, type: google_sheets, model: ref('totals')}\n",
    );
    let ran = p.run(&["parse"]);
    assert_eq!(ran.code, 2);
    for message in
        ["`excel` is no type of export", "needs a `model`", "`nope`", "needs a `spreadsheet`"]
    {
        assert!(ran.err.contains(message), "{message}\n{}", ran.err);
    }
}

/// The tasks of the DAG file, by id.
fn tasks(p: &Project) -> serde_json::Map<String, Value> {
    let text = p.read("dags/shop.py");
    let (_, rest) = text.split_once("\nTASKS = ").unwrap();
    let list = rest.split_once("\n]\n").unwrap().0;
    let rows: Vec<Value> =
        serde_json::from_str(&format!("{}\n]", list.trim_end_matches(','))).unwrap();
    rows.into_iter().map(|r| (r["task"].as_str().unwrap().to_owned(), r)).collect()
}

fn value(p: &Project, key: &str) -> String {
    let text = p.read("dags/shop.py");
    let line = text.lines().find(|l| l.contains(&format!("\"{key}\": "))).unwrap();
    let literal = line.split_once(": ").unwrap().1.trim_end_matches(',');
    match literal.strip_prefix('\'') {
        Some(rest) => rest.trim_end_matches('\'').to_owned(),
        None => serde_json::from_str(literal).unwrap(),
    }
}

#[test]
fn every_node_and_test_is_in_one_task() {
    let p = shop();
    p.write(
        "tests/on_both.sql",
        "select 1 from {{ ref('orders') }} join {{ ref('totals') }} using (id) where false",
    );
    p.write("models/marts/late.sql", "{{ config(audit=false) }} select * from {{ ref('totals') }}");
    p.write(
        "models/marts/late.yml",
        "models: [{name: late, columns: [{name: id, data_tests: [not_null, unique]}]}]",
    );
    let nodes: Vec<String> = {
        let all =
            p.ok(&["ls", "--output", "json", "--output-keys", "unique_id", "resource_type"]).out;
        let json = all.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        json.map(|n| n["unique_id"].as_str().unwrap().replacen("exposure.", "export.", 1)).collect()
    };
    for by in ["model", "layer", "component", "project"] {
        p.ok(&["export", "airflow", "--by", by]);
        p.ok(&["export", "airflow", "--by", by, "--check"]);
        let tasks = tasks(&p);
        let mut placed: Vec<&str> = tasks
            .values()
            .flat_map(|t| t["nodes"].as_array().unwrap())
            .map(|n| n.as_str().unwrap())
            .collect();
        placed.sort_unstable();
        let mut expected: Vec<&str> = nodes.iter().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(placed, expected, "--by {by}");
        let written =
            tasks.values().filter_map(|t| t.get("writes")).flat_map(|w| w.as_array().unwrap());
        let mut announced: Vec<&str> = written.map(|w| w.as_str().unwrap()).collect();
        announced.sort_unstable();
        assert_eq!(announced, ["shop/marts/late", "shop/marts/totals"], "--by {by}");
        for export in tasks.keys().filter(|id| id.starts_with("exports.")) {
            assert!(!tasks[export]["after"].as_array().unwrap().is_empty(), "{export}");
        }
    }
    p.ok(&["export", "airflow"]);
    let by_model = tasks(&p);
    // The tests of `late` run after its publication, so the last of them announces the asset.
    let writes = |id: &str| by_model[id].get("writes").is_some();
    assert!(
        !writes("marts.late")
            && by_model.keys().filter(|id| id.ends_with("_late_id")).any(|id| writes(id))
    );
    assert_eq!(by_model["marts.totals"]["after"], json!(["staging.orders"]));
    assert_eq!(by_model["exports.totals_sheet"]["run"], "export sheets");
}

#[test]
fn a_task_runs_its_nodes_and_stops_when_the_project_is_another() {
    let p = shop();
    p.ok(&["export", "airflow"]);
    let (graph, spec) = (value(&p, "STRATA_GRAPH"), value(&p, "STRATA_GRAPH_SPEC"));
    let run = |task: &str, args: &[&str]| {
        let nodes = tasks(&p)[task]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ");
        let mut command = p.command(args);
        command
            .env("STRATA_ORCHESTRATED", "1")
            .env("STRATA_GRAPH", &graph)
            .env("STRATA_GRAPH_SPEC", &spec);
        command.env("STRATA_GRAPH_FILE", p.path().join("dags/shop.py")).env("STRATA_TASK", task);
        crate::project::Ran::from(command.env("STRATA_NODES", nodes).output().unwrap())
    };
    let summary = |out: &str| serde_json::from_str::<Value>(out.lines().last().unwrap()).unwrap();
    assert_eq!(run("staging.orders", &["build"]).code, 0);
    let ran = run("marts.totals", &["build"]);
    let last = summary(&ran.out);
    assert_eq!(
        (ran.code, &last["exit_code"], &last["success"], &last["pass"]),
        (0, &json!(0), &json!(1), &json!(2))
    );
    // Changes of SQL, texts and arguments of tests do not stop the task. The changed tests have new
    // ids, but still belong to it.
    p.write(
        "models/marts/totals.sql",
        "select id, 2 as amount, 'x' as note from {{ ref('orders') }}",
    );
    p.write("models/marts/totals.yml", "models: [{name: totals, columns: [{name: id, data_tests: [unique, {not_null: {config: {where: 'id > 0'}}}]}]}]");
    let ran = run("marts.totals", &["build"]);
    assert_eq!((ran.code, &summary(&ran.out)["pass"]), (0, &json!(2)), "{}{}", ran.out, ran.err);
    // A retry cannot fix a failing test, so the exit code is 1, not 75.
    p.write(
        "models/marts/totals.sql",
        "select null as id, 2 as amount, 'x' as note from {{ ref('orders') }}",
    );
    p.write(
        "models/marts/totals.yml",
        "models: [{name: totals, columns: [{name: id, data_tests: [unique, not_null]}]}]",
    );
    let ran = run("marts.totals", &["build"]);
    assert_eq!(
        (ran.code, summary(&ran.out)["failed"].as_array().map(Vec::len)),
        (1, Some(2)),
        "{}",
        ran.out
    );
    // If the graph has changed, nothing runs.
    p.write("models/marts/more.sql", "select * from {{ ref('totals') }}");
    let ran = run("marts.totals", &["build"]);
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("`model.shop.more` is new, in the task marts.more"), "{}", ran.err);
    assert_eq!(summary(&ran.out)["exit_code"], 3);
    let stale = p.run(&["export", "airflow", "--check"]);
    assert_eq!(stale.code, 1);
    assert!(stale.err.contains("dags/shop.py is out of date"), "{}", stale.err);
}

#[test]
fn what_can_pass_by_itself_is_told_by_its_exit_code() {
    let p = shop();
    p.ok(&["build"]);
    // Another process has the database open.
    let held = p.database();
    held.execute_batch("select 1").unwrap();
    let mut command = p.command(&["build"]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert_eq!(command.env("STRATA_ORCHESTRATED", "1").output().unwrap().status.code(), Some(75));
}

#[test]
fn options_of_airflow_reach_the_file_and_mistakes_are_shown() {
    let p = shop();
    p.write(
        "project.yml",
        "name: shop\nprofile: shop\nairflow:\n  dag_id: night\n  schedule: '30 4 * * 1-5'\n  timezone: Europe/Berlin\n  \
         pool: 'a \"pool\"'\n  callbacks: {on_failure: alerts.chat.post}\n  deadline: {minutes: 90, callback: alerts.late}\n",
    );
    p.ok(&["export", "airflow", "--select", "staging"]);
    let text = p.read("dags/shop.py");
    for part in [
        "dag_id=\"night\"",
        "CronDataIntervalTimetable(\"30 4 * * 1-5\", timezone=\"Europe/Berlin\")",
        "\"pool\": 'a \"pool\"'",
        "callback(\"alerts.chat.post\")",
        "timedelta(minutes=90)",
        "catchup=False",
        "max_active_runs=1",
        "max_active_tasks=1",
        "# selection:  select staging",
        "written by: strata export airflow --select staging",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    p.write(
        "project.yml",
        "name: shop\nprofile: shop\nairflow: {schedule: daily, retries: {models: many}}\n",
    );
    let ran = p.run(&["export", "airflow"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("`schedule` is five fields of cron")
            && ran.err.contains("`models` of `retries`"),
        "{}",
        ran.err
    );
    // A build does not read these options.
    p.ok(&["build"]);
}

#[test]
fn diagrams_need_no_database_once_the_types_are_known() {
    let p = shop();
    p.ok(&["build"]);
    p.ok(&["export", "erd", "--refresh"]);
    std::fs::remove_file(p.path().join("shop.duckdb")).unwrap();
    p.ok(&["export", "erd", "--check"]);
    assert!(!p.path().join("shop.duckdb").exists());
    let dbml = p.read("docs/erd.dbml");
    assert!(
        dbml.contains("\"id\" \"integer\" [pk]") && dbml.contains("\"day\" \"date\""),
        "{dbml}"
    );
    p.write("models/marts/new.sql", "select 1 as id");
    let ran = p.run(&["export", "erd", "--check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("docs/erd.dbml is out of date"), "{}", ran.err);
    p.ok(&["export", "erd", "--format", "svg", "--select", "totals"]);
    let command = "strata export erd --select totals";
    assert!(
        p.read("docs/erd.svg").contains("totals") && !p.read("docs/erd.svg").contains("orders"),
        "{command}"
    );
}

/// The generated files of the sample project are those that are committed.
#[test]
fn the_samples_files_are_up_to_date() {
    let root = env!("CARGO_MANIFEST_DIR");
    let p = Project::new(&[]);
    for args in [["export", "airflow", "--check"], ["export", "erd", "--check"]] {
        let mut command = p.command(&args);
        command.args([
            "--project-dir",
            root,
            "--profiles-dir",
            root,
            "--target-path",
            p.path().join("target").to_str().unwrap(),
        ]);
        let ran = crate::project::Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
}

/// The diagram of the sample's raw tables is the one that the commands in docs/data-model.md
/// generate.
#[test]
fn the_samples_raw_tables_are_drawn_as_they_are() {
    let committed = |name: &str| {
        let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let p = Project::new(&[]);
    p.ok(&["init", "demo", "--sample"]);
    p.write("demo/docs/catalog.json", &committed("catalog.json"));
    p.ok(&[
        "export",
        "erd",
        "--select",
        "resource_type:seed",
        "--project-dir",
        "demo",
        "--profiles-dir",
        "demo",
    ]);
    for kind in ["dbml", "svg"] {
        let drawn = p.read(&format!("demo/docs/erd.{kind}"));
        assert!(
            drawn == committed(&format!("erd-raw.{kind}")),
            "docs/erd-raw.{kind} is not up to date"
        );
    }
}

/// The JSON Schemas for editors know the keys that the tool knows, and no others.
#[test]
fn the_schemas_have_the_keys_that_are_read() {
    let schema = |name: &str| -> Value {
        let path = format!("{}/docs/schema/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let p = shop();
    // Unknown keys cause a warning that names them, so each key of the schema is written once, with
    // a value of its type.
    let airflow = schema("project.json")["properties"]["airflow"]["properties"].clone();
    let lines: Vec<String> = airflow
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| format!("  {k}: {}", v["examples"][0]))
        .collect();
    p.write("project.yml", &format!("name: shop\nprofile: shop\nairflow:\n{}\n", lines.join("\n")));
    let mut command = p.command(&["export", "airflow", "--target", "dev"]);
    let ran = crate::project::Ran::from(command.output().unwrap());
    assert!(ran.code == 0 && ran.err.is_empty(), "{}", ran.err);
    assert_eq!(lines.len(), 20);
    for (kind, n) in [("google_sheets", 8), ("csv", 4), ("parquet", 2), ("json", 2)] {
        let all = schema("properties.json");
        let variants = all["properties"]["exports"]["items"]["oneOf"].as_array().unwrap();
        let found = variants.iter().find(|v| v["properties"]["type"]["const"] == kind).unwrap();
        let common = all["$defs"]["export"]["properties"].as_object().unwrap();
        let own: Vec<String> = found["properties"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(k, v)| !common.contains_key(*k) && v.get("examples").is_some())
            .map(|(k, v)| format!("    {k}: {}", v["examples"][0]))
            .collect();
        assert_eq!(own.len(), n, "{kind}");
        let text = format!(
            "exports:\n  - name: x\n    type: {kind}\n    model: ref('totals')\n{}\n",
            own.join("\n")
        );
        p.write("models/marts/exports.yml", &text);
        let ran = p.ok(&["parse"]);
        assert!(ran.err.is_empty(), "{kind}: {}", ran.err);
    }
}
