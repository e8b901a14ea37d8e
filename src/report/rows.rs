//! The rows of a node or of a query.

use super::console::{Console, count};
use super::table::{grid, rows_json};
use crate::ops::ShownRows;

pub(crate) fn print_rows(console: &Console, rows: &ShownRows, is_json: bool) {
    let ShownRows { name, table, is_cut } = rows;
    if is_json {
        let value = serde_json::json!({ "node": name, "show": rows_json(table) });
        console.out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return;
    }
    console.out(&grid(table, console.width()));
    let more = if *is_cut { ", --limit shows more" } else { "" };
    console.say(&format!("{name}: {} shown{more}", count(table.rows.len(), "row")));
}
