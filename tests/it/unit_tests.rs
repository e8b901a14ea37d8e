//! Unit tests on a real database: where their rows come from, what stands for inputs, macros and
//! variables, and what is said when the rows differ.

use crate::project::Project;

const A: (&str, &str) = (
    "models/a.sql",
    "{{ config(materialized='table') }} select 1 as id, 'x' as name, 1.5::decimal(10, 2) as price",
);

fn tested(sql: &'static str, unit_tests: &'static str) -> Project {
    Project::new(&[A, ("models/b.sql", sql), ("models/b.yml", unit_tests)])
}

fn artifact(p: &Project) -> serde_json::Value {
    serde_json::from_str(&p.read("target/run_results.json")).unwrap()
}

fn edit(p: &Project, path: &str, old: &str, new: &str) {
    let text = p.read(path);
    assert!(text.contains(old), "{path} has no {old}");
    p.write(path, &text.replace(old, new));
}

/// The results of the last command, as `name status`, by name.
fn results(p: &Project) -> Vec<String> {
    let found = artifact(p);
    let results = found["results"].as_array().unwrap().iter().map(|result| {
        let id = result["unique_id"].as_str().unwrap();
        let name = id.split('.').skip(3).collect::<Vec<_>>().join(".");
        let name = if name.is_empty() { id.rsplit('.').next().unwrap().to_owned() } else { name };
        format!("{name} {}", result["status"].as_str().unwrap())
    });
    let mut results: Vec<String> = results.collect();
    results.sort();
    results
}

const UPPER: &str = "select id, upper(name) as name, price * 2 as total from {{ ref('a') }}";

#[test]
fn nothing_has_to_be_built_before_a_unit_test() {
    let p = tested(
        UPPER,
        "unit_tests:
  - name: u
    model: b
    given:
      - input: ref('a')
        rows: [{id: 2, name: q, price: 2.25}, {id: 1, price: 1}]
    expect:
      rows: [{id: 1, name: null, total: 2}, {id: 2, name: Q, total: 4.5}]
",
    );
    let out = p.ok(&["test"]);
    assert!(out.out.contains("pass  unit test b::u"), "{}", out.out);
    let tables = "select count(*) from duckdb_tables() where not internal";
    assert_eq!(p.rows(tables), ["0"], "only temporary input");
    p.ok(&["build"]);
    let order: Vec<String> = p.statuses().into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, ["model.shop.a", "unit_test.shop.b.u", "model.shop.b"]);
}

#[test]
fn a_failing_unit_test_holds_its_model_back_and_shows_the_rows() {
    let p = tested(
        UPPER,
        "unit_tests:
  - name: u
    model: b
    given: [{input: ref('a'), rows: [{id: 1, name: q}, {id: 2, name: r}, {id: 3, name: s}]}]
    expect: {rows: [{id: 1, name: Q}, {id: 2, name: X}, {id: 4, name: Z}]}
",
    );
    let out = p.run(&["build"]);
    assert_eq!(out.code, 1);
    assert_eq!(results(&p), ["a success", "b skipped", "u fail"]);
    for line in [
        " FAIL  unit test b::u  1 row differs, 1 row missing, 1 row too many",
        "     id  name",
        "  ~  2   X -> R",
        "  -  4   Z",
        "  +  3   S",
        "  - expected, + actual; 1 row is equal",
    ] {
        assert!(out.out.contains(line), "{line}: {}", out.out);
    }
    let found = artifact(&p);
    let message = found["results"][1]["message"].as_str().unwrap();
    assert!(message.starts_with("\n\nactual differs from expected:\n\n@@ ,id,name"), "{message}");
    assert_eq!(found["results"][1]["failures"], 1);
}

#[test]
fn rows_are_mappings_csv_or_queries_beside_the_test_or_in_files() {
    let p = tested(
        "select a.id, a.name, s.v from {{ ref('a') }} as a join {{ ref('s') }} as s using (id)",
        "unit_tests:
  - name: csv
    model: b
    given:
      - input: ref('a')
        format: csv
        rows: |
          id,name
          1,x
          2,
      - {input: ref('s'), format: csv, fixture: few}
    expect: {format: csv, rows: \"id,name,v\\n1,x,10\\n2,,20\\n\"}
  - name: sql
    model: b
    given:
      - {input: ref('a'), format: sql, rows: select 7 as id union all select 8}
      - {input: ref('s'), format: sql, fixture: query}
    expect: {format: sql, rows: \"select 7 as id, null as name, 70 as v\"}
  - name: seed
    model: b
    given:
      - {input: ref('a'), rows: [{id: 3, name: z}]}
      - {input: ref('s')}
    expect: {rows: [{id: 3, name: z, v: 33}]}
",
    );
    p.write("seeds/s.csv", "id,v\n3,33\n4,\n");
    p.write("tests/fixtures/few.csv", "id,v\n1,10\n2,20\n");
    p.write("tests/fixtures/query.sql", "select 7 as id, 70 as v");
    // `select 7 as id` has no column `name`, which the model reads.
    let sql = "select 7 as id, null as name union all select 8, null";
    let text = p
        .read("models/b.yml")
        .replace("select 7 as id union all select 8}", &format!("\"{sql}\"}}"));
    p.write("models/b.yml", &text);
    let model =
        "select x.id, x.name, y.v from {{ ref('a') }} as x join {{ ref('s') }} as y using (id)";
    p.write("models/b.sql", model);
    p.ok(&["test"]);
    assert_eq!(results(&p), ["csv pass", "seed pass", "sql pass"]);
    // A changed fixture counts, and so does a changed seed.
    p.write("tests/fixtures/few.csv", "id,v\n1,11\n2,20\n");
    p.write("seeds/s.csv", "id,v\n3,34\n");
    assert_eq!(p.run(&["test"]).code, 1);
    assert_eq!(results(&p), ["csv fail", "seed fail", "sql pass"]);
}

#[test]
fn an_incremental_model_is_tested_with_and_without_rows_of_its_own() {
    let p = tested(
        "{{ config(materialized='incremental', unique_key='id') }}
select id, price * {{ var('factor', 1) }} as price, '{{ env_var('PLACE', 'here') }}' as place, {{ extra() }} as extra
from {{ ref('a') }} {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}",
        "unit_tests:
  - name: full
    model: b
    overrides: {macros: {is_incremental: false, extra: 5}, vars: {factor: 3}, env_vars: {PLACE: there}}
    given: [{input: ref('a'), rows: [{id: 1, price: 2}]}]
    expect: {rows: [{id: 1, price: 6, place: there, extra: 5}]}
  - name: delta
    model: b
    overrides: {macros: {is_incremental: true}}
    given:
      - {input: ref('a'), rows: [{id: 1, price: 2}, {id: 2, price: 2}]}
      - {input: this, rows: [{id: 1}]}
    expect: {rows: [{id: 2, place: here, extra: 42}]}
",
    );
    p.write("macros/m.sql", "{% macro extra() %}42{% endmacro %}");
    p.ok(&["test"]);
    p.ok(&["build"]);
    p.ok(&["build"]);
    assert_eq!(results(&p), ["a success", "b success", "delta pass", "full pass"]);
}

#[test]
fn each_version_of_a_model_has_its_test() {
    let p = Project::new(&[
        A,
        ("models/v_v1.sql", "select id from {{ ref('a') }}"),
        ("models/v_v2.sql", "select id + 1 as id from {{ ref('a') }}"),
        (
            "models/v.yml",
            "models: [{name: v, latest_version: 2, versions: [{v: 1}, {v: 2}]}]
unit_tests:
  - {name: all, model: v, given: [{input: ref('a'), rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}
  - name: one
    model: v
    versions: {exclude: [1]}
    given: [{input: ref('a'), rows: [{id: 1}]}]
    expect: {rows: [{id: 2}]}
",
        ),
    ]);
    assert_eq!(p.run(&["test"]).code, 1);
    assert_eq!(results(&p), ["all_v1 pass", "all_v2 fail", "one_v2 pass"]);
    for (selector, expected) in [
        ("unit_test:all", vec!["all_v1", "all_v2"]),
        ("one", vec!["one_v2"]),
        ("test_name:one", vec!["one_v2"]),
        ("v.v1,test_type:unit", vec!["all_v1"]),
    ] {
        let out = p.ok(&["ls", "-s", selector, "--output", "json", "--output-keys", "unique_id"]);
        let found: Vec<&str> = expected.iter().copied().filter(|n| out.out.contains(n)).collect();
        assert_eq!(found, expected, "{selector}: {}", out.out);
        assert_eq!(out.out.lines().count(), expected.len(), "{selector}: {}", out.out);
    }
}

#[test]
fn a_mistake_of_a_test_is_an_error_of_that_test_at_its_place() {
    let p = tested(
        UPPER,
        "unit_tests:
  - name: column
    model: b
    given:
      - input: ref('a')
        format: csv
        rows: |
          id,nam
          1,x
    expect: {rows: [{id: 1}]}
  - {name: expected, model: b, given: [{input: ref('a'), rows: []}], expect: {rows: [{idx: 1}]}}
  - {name: gone, model: b, given: [{input: ref('zz'), rows: []}], expect: {rows: [{id: 1}]}}
  - {name: none, model: b, given: [], expect: {rows: [{id: 1}]}}
  - {name: odd, model: b, given: [{input: zz, rows: []}], expect: {rows: [{id: 1}]}}
  - {name: right, model: b, given: [{input: ref('a'), rows: []}], expect: {rows: []}}
",
    );
    let out = p.run(&["test"]);
    assert_eq!(out.code, 1);
    assert_eq!(
        results(&p),
        ["column error", "expected error", "gone error", "none error", "odd error", "right pass"]
    );
    let said = format!("{}{}", out.out, out.err);
    for part in [
        "Invalid column name: 'nam' in unit test fixture for 'a'.\n --> models/b.yml:9:11",
        "did you mean `name`?",
        "Invalid column name: 'idx' in unit test fixture for expected output.\n  --> models/b.yml:11:",
        "the input `ref('zz')` of the unit test `gone` was not found",
        "the unit test `none` gives no input for `a`\n --> models/b.sql:1:",
        "an input is `ref('..')`, `source('..', '..')` or `this`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn what_a_unit_test_must_say_is_checked_at_parse() {
    let incremental = "{{ config(materialized='incremental') }} select 1 as id {% if is_incremental() %} where 1 = 1 {% endif %}";
    let test = |rest: &str| format!("unit_tests: [{{name: u, model: b, {rest}}}]");
    let rows = "given: [], expect: {rows: [{id: 1}]}";
    for (sql, unit_test, message) in [
        (incremental, test(rows), "does not say what `is_incremental()` is"),
        (
            incremental,
            test(&format!("{rows}, overrides: {{macros: {{is_incremental: true}}}}")),
            "has no input `this`",
        ),
        (UPPER, test(&format!("{rows}, versions: {{include: [1]}}")), "its model `b` has none"),
        (
            UPPER,
            test("given: [], expect: {format: csv, rows: [{id: 1}]}"),
            "do not match their format `csv`",
        ),
        (UPPER, test("given: [], expect: {rows: 'a,b'}"), "do not match their format `dict`"),
        (
            UPPER,
            test("given: [], expect: {format: csv, fixture: few}"),
            "there is no file for the fixture `few`",
        ),
        (
            UPPER,
            test("given: [{input: ref('a')}], expect: {rows: [{id: 1}]}"),
            "Unable to find seed 'shop.a'",
        ),
        (
            UPPER,
            format!(
                "{}\n",
                test(rows)
                    .replace("}]}}]", "}]}}, {name: u, model: b, given: [], expect: {rows: []}}]")
            ),
            "have one name",
        ),
    ] {
        let p = Project::new(&[A, ("models/b.sql", sql), ("models/b.yml", &unit_test)]);
        let out = p.run(&["parse"]);
        let said = format!("{}{}", out.out, out.err);
        assert_eq!(out.code, 2, "{unit_test}: {said}");
        assert!(said.contains(message), "{unit_test}: {said}");
    }
}

#[test]
fn parents_that_are_not_built_have_the_columns_of_their_queries() {
    let p = Project::new(&[
        ("seeds/s.csv", "id,born\n1,2020-01-02\n"),
        ("models/e.sql", "{{ config(materialized='ephemeral') }} select * from {{ ref('s') }}"),
        ("models/a.sql", "select id, born + 1 as born, 'n' as name from {{ ref('e') }}"),
        ("models/b.sql", "select id, born, x.k from {{ ref('a') }} join {{ source('raw', 'x') }} as x using (id)"),
        (
            "models/b.yml",
            "sources: [{name: raw, tables: [{name: x, columns: [{name: id, data_type: integer}, {name: k, data_type: text}]}]}]
unit_tests:
  - name: u
    model: b
    given:
      - {input: ref('a'), rows: [{id: 1, born: 2020-02-03}]}
      - {input: \"source('raw', 'x')\", rows: [{id: 1, k: o'k}]}
    expect: {rows: [{id: 1, born: 2020-02-03, k: o'k}]}
",
        ),
    ]);
    p.ok(&["test"]);
    assert_eq!(results(&p), ["u pass"]);
}

#[test]
fn only_a_changed_test_or_model_is_tested_again() {
    let p = tested(
        UPPER,
        "unit_tests: [{name: u, model: b, given: [{input: ref('a'), rows: [{id: 1, price: 1}]}], expect: {rows: [{id: 1}]}}]",
    );
    p.ok(&["build", "--changed"]);
    let out = p.ok(&["build", "--changed"]);
    assert!(out.out.contains("nothing to do"), "{}", out.out);
    edit(&p, "models/b.yml", "rows: [{id: 1}]", "rows: [{id: 1, total: 2}]");
    p.ok(&["build", "--changed"]);
    assert_eq!(results(&p), ["u pass"]);
    edit(&p, "models/b.sql", "price * 2", "2 * price");
    p.ok(&["build", "--changed"]);
    assert_eq!(results(&p), ["b success", "u pass"]);
}
