//! `seeds.json`: one seed per row. One command loads all of them on each engine.

use super::{compare, table};
use crate::postgres::Server;
use crate::project::Project;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The seeds, each with a name.
fn cases(table: &Value) -> Vec<(String, bool, Value)> {
    let of = |kind: &str| table[kind].as_array().unwrap().clone();
    let all = of("values")
        .into_iter()
        .map(|case| (false, case))
        .chain(of("shapes").into_iter().map(|case| (true, case)));
    all.enumerate().map(|(i, (shape, case))| (format!("s{i:04}"), shape, case)).collect()
}

/// Loads all seeds in a project, and returns the status of each.
fn load(profiles: &str, cases: &[(String, bool, Value)]) -> (Project, BTreeMap<String, String>) {
    let mut seeds = Vec::new();
    for (name, _, case) in cases {
        if let Some(config) = case.get("config") {
            seeds.push(json!({ "name": name, "config": config }));
        }
    }
    let described = json!({ "seeds": seeds }).to_string();
    let project = Project::new(&[("profiles.yml", profiles), ("seeds/seeds.yml", &described)]);
    for (name, _, case) in cases {
        project.write(&format!("seeds/{name}.csv"), case["csv"].as_str().unwrap());
    }
    let ran = project.run(&["seed", "--quiet"]);
    assert!(ran.code < 2, "{}", ran.err);
    let short = |id: &str| id.rsplit('.').next().unwrap_or_default().to_owned();
    let statuses =
        project.statuses().into_iter().map(|(id, status)| (short(&id), status)).collect();
    (project, statuses)
}

/// The result of loading a seed, in the form of the table.
fn told(
    shape: bool,
    status: Option<&String>,
    columns: Vec<(String, String)>,
    rows: &dyn Fn(&str) -> Vec<Vec<Option<String>>>,
) -> Value {
    if status.is_none_or(|status| status != "success") {
        return json!({ "error": true });
    }
    let columns: Vec<(String, String)> =
        columns.into_iter().filter(|(name, _)| shape || name == "v").collect();
    if columns.is_empty() {
        return json!({ "columns": [], "rows": [] });
    }
    let quoted = |name: &str| format!("cast(\"{}\" as text)", name.replace('"', "\"\""));
    let list: Vec<String> = columns.iter().map(|(name, _)| quoted(name)).collect();
    let rows = rows(&list.join(", "));
    match shape {
        true => json!({ "columns": columns, "rows": rows }),
        false => {
            json!({ "type": columns[0].1, "rows": rows.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>() })
        }
    }
}

/// Of an error, only its existence is compared, not its message. Whether a table without columns
/// exists is not compared.
fn expected(case: &Value, engine: &str) -> Option<Value> {
    let mut told = case[engine].clone();
    if told.is_null() {
        return None;
    }
    if told.get("error").is_some() {
        return Some(json!({ "error": true }));
    }
    told.as_object_mut().unwrap().remove("exists");
    Some(told)
}

fn different(
    cases: &[(String, bool, Value)],
    engine: &str,
    found: &dyn Fn(&str, bool) -> Value,
) -> BTreeMap<String, String> {
    let mut different = BTreeMap::new();
    for (name, shape, case) in cases {
        let Some(expected) = expected(case, engine) else { continue };
        let here = found(name, *shape);
        if here != expected {
            let row = case["name"].as_str().unwrap().to_owned();
            different.insert(row, format!("dbt {expected}, here {here}"));
        }
    }
    different
}

#[test]
fn seeds_become_what_they_become_in_dbt_on_duckdb() {
    let table = table("seeds.json");
    let cases = cases(&table);
    let profiles =
        "shop: {target: t, outputs: {t: {type: duckdb, path: shop.duckdb, threads: 2}}}\n";
    let (project, statuses) = load(profiles, &cases);
    let database = project.database();
    let text = |sql: &str| -> Vec<Vec<Option<String>>> {
        let mut statement = database.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut out = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let width = row.as_ref().column_count();
            out.push((0..width).map(|i| row.get(i).unwrap()).collect());
        }
        out
    };
    let columns = by_table(text(
        "select table_name, column_name, data_type from duckdb_columns() order by table_name, column_index",
    ));
    let found = |name: &str, shape: bool| {
        let rows = |list: &str| text(&format!("select {list} from main.{name} order by rowid"));
        told(shape, statuses.get(name), columns.get(name).cloned().unwrap_or_default(), &rows)
    };
    let different = different(&cases, "duckdb", &found);
    compare(different, &super::table("seeds-known.json")["duckdb"], &|_| true);
}

#[test]
fn seeds_become_what_they_become_in_dbt_on_postgres() {
    let Some(server) = Server::new("seedtable") else { return };
    let table = table("seeds.json");
    let cases = cases(&table);
    let (_project, statuses) = load(&server.profiles(), &cases);
    let schema = server.schema("direct");
    let client = std::cell::RefCell::new(server.connect());
    let text = |sql: &str| -> Vec<Vec<Option<String>>> {
        let messages = client.borrow_mut().simple_query(sql).unwrap();
        let mut out = Vec::new();
        for message in messages {
            if let postgres::SimpleQueryMessage::Row(row) = message {
                out.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
            }
        }
        out
    };
    let columns = by_table(text(&format!(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = '{schema}' \
         order by table_name, ordinal_position"
    )));
    let found = |name: &str, shape: bool| {
        let rows = |list: &str| text(&format!("select {list} from {schema}.{name} order by ctid"));
        told(shape, statuses.get(name), columns.get(name).cloned().unwrap_or_default(), &rows)
    };
    let different = different(&cases, "postgres", &found);
    compare(different, &super::table("seeds-known.json")["postgres"], &|_| true);
}

fn by_table(rows: Vec<Vec<Option<String>>>) -> BTreeMap<String, Vec<(String, String)>> {
    let mut columns: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in rows {
        let [table, column, kind] = row.try_into().unwrap();
        columns.entry(table.unwrap()).or_default().push((column.unwrap(), kind.unwrap()));
    }
    columns
}
