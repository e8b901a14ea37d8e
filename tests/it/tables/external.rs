//! Models that are files: what dbt-duckdb makes of them, and what the binary does.

use super::{compare, table};
use crate::project::Project;
use duckdb::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The columns and the sorted rows of a query, as the table has them.
fn rows(connection: &Connection, sql: &str) -> Value {
    let Ok(mut statement) = connection.prepare(sql) else { return json!("error") };
    let described = format!("describe {sql}");
    let columns: Vec<Value> = match connection.prepare(&described) {
        Err(_) => return json!("error"),
        Ok(mut described) => {
            let pairs = described.query_map([], |row| {
                Ok(json!([row.get::<_, String>(0)?, row.get::<_, String>(1)?]))
            });
            pairs.unwrap().map(Result::unwrap).collect()
        }
    };
    drop(statement.query([]));
    let texts: Vec<String> = columns
        .iter()
        .map(|c| format!("coalesce(\"{}\"::varchar, 'None')", c[0].as_str().unwrap()))
        .collect();
    let listed = format!("select [{}]::varchar[] from ({sql})", texts.join(", "));
    let mut listing =
        connection.prepare(&format!("select to_json(x)::varchar from ({listed}) as t(x)")).unwrap();
    let found = listing.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut found: Vec<String> = found.map(Result::unwrap).map(|text| python_list(&text)).collect();
    found.sort();
    json!({ "columns": columns, "rows": found })
}

/// A JSON list of texts as Python prints it.
fn python_list(json: &str) -> String {
    let texts: Vec<String> = serde_json::from_str(json).unwrap();
    let quoted: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
    format!("[{}]", quoted.join(", "))
}

#[test]
fn files_and_views_over_them_are_those_of_dbt_duckdb() {
    let table = table("external.json");
    let files: BTreeMap<String, String> = serde_json::from_value(table["files"].clone()).unwrap();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let p = Project::new(&files);
    for folder in ["root", "o"] {
        std::fs::create_dir(p.path().join(folder)).unwrap();
    }
    let mut statuses: Vec<BTreeMap<String, String>> = Vec::new();
    for _ in 0..2 {
        p.run(&["run"]);
        let of_run = p.statuses().into_iter();
        statuses.push(
            of_run
                .map(|(id, status)| (id.rsplit('.').next().unwrap().to_owned(), status))
                .collect(),
        );
    }
    let connection = p.database();
    connection.execute_batch(&format!("set file_search_path = '{}'", p.path().display())).unwrap();
    let mut different = BTreeMap::new();
    for (name, row) in table["models"].as_object().unwrap() {
        let relation = if name == "aliased" { "other_name" } else { name };
        let read = row["read"].as_str().unwrap();
        let from = if read.contains('(') { read.to_owned() } else { format!("'{read}'") };
        let ours = json!({
            "status": statuses.iter().map(|s| s.get(name)).collect::<Vec<_>>(),
            "view": rows(&connection, &format!("select * from \"{relation}\"")),
            "file": if read.is_empty() { Value::Null } else { rows(&connection, &format!("select * from {from}")) },
        });
        for key in ["status", "view", "file"] {
            if ours[key] != row[key] {
                different.insert(
                    format!("{name} {key}"),
                    format!("dbt {}, strata {}", row[key], ours[key]),
                );
            }
        }
    }
    compare(different, &super::table("external-known.json"), &|_| true);
}
