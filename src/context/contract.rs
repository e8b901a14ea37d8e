//! Renders the differences between a contract and its query as a table.

use crate::config::Json;

/// The column heads of dbt's table, which tools that read logs search for.
const HEADS: [&str; 4] = ["column_name", "definition_type", "contract_type", "mismatch_reason"];

/// A row for each column that exists on one side only or whose types differ. Both sides are lists
/// of mappings with `name` and `data_type`; names are compared without regard to case.
pub(super) fn render_mismatches(contract: &Json, query: &Json) -> String {
    let (promised, found) = (columns(contract), columns(query));
    let mut rows: Vec<[String; 4]> = Vec::new();
    for (name, found_type) in &found {
        match find_column(&promised, name) {
            None => rows.push([
                name.clone(),
                found_type.clone(),
                String::new(),
                "missing in contract".to_owned(),
            ]),
            Some((_, kind)) if kind != found_type => {
                rows.push([
                    name.clone(),
                    found_type.clone(),
                    kind.clone(),
                    "data type mismatch".to_owned(),
                ]);
            }
            Some(_) => {}
        }
    }
    for (name, kind) in promised.iter().filter(|(name, _)| find_column(&found, name).is_none()) {
        rows.push([name.clone(), String::new(), kind.clone(), "missing in definition".to_owned()]);
    }
    rows.sort();
    table(&rows)
}

/// The names and types of the columns of one side.
fn columns(side: &Json) -> Vec<(String, String)> {
    let columns = side.as_array().into_iter().flatten();
    columns.map(|c| (text_of(c, "name"), text_of(c, "data_type"))).collect()
}

fn text_of(column: &Json, key: &str) -> String {
    column.get(key).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn find_column<'a>(side: &'a [(String, String)], name: &str) -> Option<&'a (String, String)> {
    side.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))
}

fn table(rows: &[[String; 4]]) -> String {
    let heads = HEADS.map(str::to_owned);
    let widths = [0, 1, 2, 3].map(|i| {
        rows.iter().chain([&heads]).map(|row| row[i].chars().count()).max().unwrap_or_default()
    });
    let rule = widths.map(|width| "-".repeat(width));
    let lines: Vec<String> =
        [&heads, &rule].into_iter().chain(rows).map(|row| table_line(row, widths)).collect();
    lines.join("\n")
}

fn table_line(row: &[String; 4], widths: [usize; 4]) -> String {
    let cells: Vec<String> =
        row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_is_a_row() {
        let contract = json!([
            { "name": "id", "data_type": "INTEGER" },
            { "name": "color", "data_type": "TEXT" },
            { "name": "gone", "data_type": "DATE" },
        ]);
        let query = json!([
            { "name": "ID", "data_type": "INTEGER" },
            { "name": "color", "data_type": "INTEGER" },
            { "name": "error", "data_type": "TEXT" },
        ]);
        let text = render_mismatches(&contract, &query);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert_eq!(
            lines[0],
            "| column_name | definition_type | contract_type | mismatch_reason       |"
        );
        assert_eq!(
            lines[2],
            "| color       | INTEGER         | TEXT          | data type mismatch    |"
        );
        assert_eq!(
            lines[3],
            "| error       | TEXT            |               | missing in contract   |"
        );
        assert_eq!(
            lines[4],
            "| gone        |                 | DATE          | missing in definition |"
        );
    }
}
