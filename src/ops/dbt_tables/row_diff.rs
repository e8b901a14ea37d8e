//! Compares what `row-diff.json` says of pairs of tables: the message of a failed unit test.

use super::{report, table};
use crate::config::Json;
use crate::engine::Cell;
use crate::outcome::describe_difference;
use serde_json::json;

fn cell(kind: &str, value: &Json) -> Cell {
    let Some(text) = value.as_str() else { return Cell::Null };
    match kind {
        "text" => Cell::Text(text.to_owned()),
        "int" => Cell::Int(text.parse().unwrap()),
        "float" => Cell::Float(text.parse().unwrap()),
        "decimal" => Cell::Decimal(text.to_owned()),
        "bool" => Cell::Bool(text == "true"),
        "date" => Cell::Date(text.to_owned()),
        "timestamp" | "zoned" => Cell::Timestamp(text.to_owned()),
        other => panic!("{other} is no type of the table"),
    }
}

fn rows(columns: &[Json], rows: &Json) -> Vec<Vec<Cell>> {
    rows.as_array().unwrap().iter().map(|row| cells(columns, row)).collect()
}

fn cells(columns: &[Json], row: &Json) -> Vec<Cell> {
    let values = row.as_array().unwrap().iter().zip(columns);
    values.map(|(value, column)| cell(column[1].as_str().unwrap(), value)).collect()
}

#[test]
fn differences_of_rows_are_drawn_as_in_dbt() {
    let table = table("row-diff.json");
    let mut wrong = Vec::new();
    for case in table.as_array().unwrap() {
        let columns = case["columns"].as_array().unwrap();
        let names: Vec<String> =
            columns.iter().map(|column| column[0].as_str().unwrap().to_owned()).collect();
        let [expected, actual] = ["expected", "actual"].map(|side| rows(columns, &case[side]));
        let found = describe_difference(&names, &expected, &actual);
        if found.as_deref() != case["message"].as_str() {
            wrong.push(json!({ "case": case, "found": found }));
        }
    }
    report(&wrong);
    assert!(
        wrong.is_empty(),
        "{} of {} differ, the first: {:#}",
        wrong.len(),
        table.as_array().unwrap().len(),
        wrong[0]
    );
}
