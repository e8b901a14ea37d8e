//! Models that are files, and functions that give rows (DuckDB).

use crate::project::Project;

const ROWS: &str = "select range as id, 'x' || range as name from range(3)";

fn model(config: &str, sql: &str) -> String {
    format!("{{{{ config(materialized='external', {config}) }}}} {sql}")
}

fn exists(p: &Project, path: &str) -> bool {
    p.path().join(path).exists()
}

#[test]
fn a_file_is_written_in_each_format_and_read_back() {
    let p = Project::new(&[
        ("models/plain.sql", &model("", ROWS)),
        ("models/a.sql", &model("location='out/a.csv', delimiter='|'", ROWS)),
        ("models/b.sql", &model("location='out/b.json'", ROWS)),
        ("models/c.sql", &model("format='csv', options={'header': true, 'quote': '\"'}", ROWS)),
        ("models/d.sql", &model("location='out/d', options={'partition_by': 'id'}", ROWS)),
        (
            "models/none.sql",
            &model("location='out/none.parquet'", &format!("{ROWS} where range > 7")),
        ),
        (
            "models/z.sql",
            &model(
                "location='out/z.parquet', options={'compression': 'zstd', 'row_group_size': 5000}, parquet_read_options={'filename': true}",
                ROWS,
            ),
        ),
        (
            "models/reader.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ ref('plain') }} join {{ ref('d') }} using (id)",
        ),
    ]);
    std::fs::create_dir(p.path().join("out")).unwrap();
    for _ in 0..2 {
        p.ok(&["build"]);
    }
    for (name, path) in [
        ("plain", "plain.parquet"),
        ("a", "out/a.csv"),
        ("b", "out/b.json"),
        ("c", "c.csv"),
        ("z", "out/z.parquet"),
    ] {
        assert!(exists(&p, path), "{path}");
        let from_file =
            format!("select sum(id), max(name) from '{}'", p.path().join(path).display());
        assert_eq!(p.rows(&from_file), ["3|x2"], "{name}");
    }
    assert!(exists(&p, "out/d/id=1"));
    assert!(p.read("out/a.csv").starts_with("id|name\n0|x0"));
    assert_eq!(
        p.rows("select view_name from duckdb_views() where not internal and view_name like 'p%'"),
        ["plain"]
    );
    assert_eq!(p.rows("select n from reader"), ["3"]);
    let shown = p.ok(&[
        "show",
        "--inline",
        "select count(*) as n, count(filename) as f from {{ ref('z') }}",
        "--output",
        "json",
    ]);
    assert!(shown.out.contains("3"), "{}", shown.out);
    let shown = p.ok(&[
        "show",
        "--inline",
        "select count(*) + 40 as n from {{ ref('none') }}",
        "--output",
        "json",
    ]);
    assert!(shown.out.contains("40"), "a file of no rows has none: {}", shown.out);
    let left: Vec<String> =
        p.rows("select view_name from duckdb_views() where view_name like '%\\_\\_%' escape '\\'");
    assert!(left.is_empty(), "{left:?}");
    assert!(!exists(&p, "out/a__dbt_tmp.csv") && !exists(&p, "out/d__dbt_tmp"));
}

#[test]
fn a_file_whose_tests_fail_is_not_published() {
    let tested = "models: [{name: m, columns: [{name: id, data_tests: [not_null]}]}]";
    let p = Project::new(&[
        ("models/m.sql", &model("location='m.csv'", "select 1 as id, 'a' as name")),
        ("models/m.yml", tested),
    ]);
    p.ok(&["build"]);
    p.write("models/m.sql", &model("location='m.csv'", "select null::int as id, 'b' as name"));
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the new version is kept as main.m__rejected"), "{}", ran.err);
    assert_eq!(p.read("m.csv"), "id,name\n1,a\n", "as it was");
    assert!(p.read("m__rejected.csv").contains(",b"));
    assert!(!exists(&p, "m__dbt_tmp.csv"));
    // Once it passes nothing of this is left.
    p.write("models/m.sql", &model("location='m.csv'", "select 2 as id, 'c' as name"));
    p.ok(&["build"]);
    assert_eq!(p.read("m.csv"), "id,name\n2,c\n");
    assert!(!exists(&p, "m__rejected.csv"));
    assert_eq!(p.rows("select count(*) from duckdb_views() where not internal"), ["1"]);
    // Where files are added to a folder, they cannot be taken back.
    p.write(
        "models/m.sql",
        &model(
            "location='parts', options={'partition_by': 'name', 'overwrite_or_ignore': true}",
            "select null::int as id, 'b' as name",
        ),
    );
    let ran = p.run(&["build"]);
    assert!(ran.code == 1 && ran.err.contains("parts is written in its place"), "{}", ran.err);
}

#[test]
fn a_changed_file_model_is_built_again() {
    let p = Project::new(&[
        ("models/m.sql", &model("location='m.csv'", "select 1 as id")),
        ("models/r.sql", "{{ config(materialized='table') }} select * from {{ ref('m') }}"),
    ]);
    p.ok(&["build", "--changed"]);
    assert!(p.ok(&["build", "--changed"]).out.contains("nothing to do"));
    p.write("models/m.sql", &model("location='m.csv'", "select 2 as id"));
    p.ok(&["build", "--changed"]);
    assert_eq!(p.rows("select id from r"), ["2"]);
}

#[test]
fn files_are_those_of_the_project_wherever_a_command_runs() {
    let p = Project::new(&[
        ("data/raw.csv", "id\n1\n2\n"),
        (
            "models/s.yml",
            "sources: [{name: raw, tables: [{name: raw, config: {external_location: 'data/{name}.csv'}}]}]",
        ),
        (
            "models/m.sql",
            &model("location='data/m.csv'", "select * from {{ source('raw', 'raw') }}"),
        ),
        (
            "models/parts.sql",
            &model(
                "location='data/parts', options={'partition_by': 'id'}",
                "select id, 1 as n from {{ ref('m') }}",
            ),
        ),
        (
            "models/r.sql",
            "{{ config(materialized='table') }} select id from {{ ref('m') }} union all select id from {{ ref('parts') }}",
        ),
    ]);
    let elsewhere = p.path().join("data");
    let folder = p.path().to_str().unwrap();
    let run = |args: &[&str]| {
        let all = [args, &["--project-dir", folder]].concat();
        p.command(&all).current_dir(&elsewhere).output().unwrap()
    };
    let ran = run(&["build"]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(exists(&p, "data/m.csv") && exists(&p, "data/parts/id=1"));
    assert_eq!(p.rows("select count(*) from r"), ["4"]);
    p.ok(&["build"]);
    let ran = run(&["build", "-s", "r"]);
    assert!(
        ran.status.success(),
        "a view of a relative path: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn what_a_plugin_would_do_is_told() {
    let p = Project::new(&[
        ("models/m.sql", &model("location='m.csv', plugin='glue'", "select 1 as id")),
        ("models/s.sql", "select * from {{ source('sheets', 't') }}"),
        ("models/other.sql", "select 1 as id"),
        ("models/bad.sql", &model("format='xml'", "select 1 as id")),
        ("models/s.yml", "sources: [{name: sheets, meta: {plugin: gsheet}, tables: [{name: t}]}]"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    for line in [
        "`plugin` of `m` needs a plugin of dbt's adapter, which is Python",
        "source `sheets.t` is read by the plugin `gsheet` of dbt's adapter, which is Python",
        "`format` of an external model is csv, parquet, json, not xml",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    assert_eq!(p.status("model.shop.other"), "success");
}

#[test]
fn views_over_files_come_back_in_a_database_that_forgets() {
    let p = Project::new(&[
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-start: \"{{ register_upstream_external_models() }}\"\n",
        ),
        (
            "profiles.yml",
            "shop: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:', external_root: data}}}\n",
        ),
        ("models/m.sql", &model("format='csv'", "select 1 as id")),
        ("models/d.sql", &model("options={'partition_by': 'id'}", ROWS)),
        (
            "models/r.sql",
            &model("", "select * from {{ ref('m') }} union all select id from {{ ref('d') }}"),
        ),
    ]);
    std::fs::create_dir(p.path().join("data")).unwrap();
    p.ok(&["run"]);
    assert!(exists(&p, "data/m.csv") && exists(&p, "data/d/id=0") && exists(&p, "data/r.parquet"));
    std::fs::remove_file(p.path().join("data/r.parquet")).unwrap();
    p.ok(&["run", "-s", "r"]);
    assert!(exists(&p, "data/r.parquet"));
}

#[test]
fn a_model_can_be_a_function_of_rows() {
    let p = Project::new(&[
        ("models/base.sql", "{{ config(materialized='table') }} select range as id from range(5)"),
        (
            "models/f.sql",
            "{{ config(materialized='table_function', parameters=['least', 'most']) }} select * from {{ ref('base') }} where id between least and most",
        ),
        (
            "models/one.sql",
            "{{ config(materialized='table_function', parameters='n') }} select n as n",
        ),
        ("models/none.sql", "{{ config(materialized='table_function') }} select 7 as n"),
        (
            "models/r.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ ref('f') }}(1, 3), {{ ref('one') }}(1), {{ ref('none') }}()",
        ),
    ]);
    p.ok(&["build", "--changed"]);
    assert_eq!(p.rows("select n from r"), ["3"]);
    assert!(p.ok(&["build", "--changed"]).out.contains("nothing to do"));
    p.write(
        "models/none.sql",
        "{{ config(materialized='table_function') }} select 7 as n union all select 8",
    );
    p.ok(&["build", "--changed"]);
    assert_eq!(p.rows("select n from r"), ["6"]);
    p.ok(&["build", "--empty"]);
    assert_eq!(p.rows("select n from r"), ["0"]);
}

#[test]
fn sources_are_files_with_placeholders() {
    let p = Project::new(&[
        ("data/raw_t.csv", "id\n1\n2\n"),
        ("data/u.csv", "id\n3\n"),
        (
            "models/s.yml",
            "sources:
  - name: raw
    config: {external_location: 'data/{schema}_{name}.csv'}
    tables:
      - {name: t}
      - {name: u, config: {external_location: \"read_csv('data/%(identifier)s.csv', header=%(header)s)\", formatter: oldstyle, header: true}}
      - {name: v, config: {external_location: 'data/${x}.csv', formatter: template}, meta: {x: u}}
",
        ),
        ("models/m.sql", "{{ config(materialized='table') }} select * from {{ source('raw', 't') }} union all select * from {{ source('raw', 'u') }} union all select * from {{ source('raw', 'v') }}"),
    ]);
    p.ok(&["build"]);
    assert_eq!(p.rows("select id from m order by id"), ["1", "2", "3", "3"]);
}

#[test]
fn python_models_hold_up_their_readers_only() {
    let p = Project::new(&[
        (
            "models/py.py",
            "def model(dbt, session):\n    dbt.config(materialized='table')\n    return dbt.ref('a')\n",
        ),
        ("models/a.sql", "select 1 as id"),
        ("models/b.sql", "select * from {{ ref('py') }}"),
        ("models/c.sql", "select * from {{ ref('a') }}"),
    ]);
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`py` is a Python model, which cannot be run"), "{}", ran.err);
    assert!(ran.err.contains("rewrite it in SQL, or leave it out: --exclude"), "{}", ran.err);
    let status = |name: &str| p.status(&format!("model.shop.{name}"));
    assert_eq!(["py", "a", "b", "c"].map(status), ["error", "success", "skipped", "success"]);
    p.ok(&["build", "--exclude", "py+"]);
}
