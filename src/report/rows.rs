//! Prints the rows of a node or a query.

use super::console::{Console, count_of};
use super::table::{render_table, rows_json};
use crate::ops::ShownRows;
use serde_json::json;

pub(crate) fn print_rows(console: &Console, rows: &ShownRows, is_json: bool) {
    let ShownRows { name, table, is_cut } = rows;
    if is_json {
        let value = match name {
            Some(name) => json!({ "node": name, "show": rows_json(table) }),
            None => json!({ "show": rows_json(table) }),
        };
        console.out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return;
    }
    console.caption(&match name {
        Some(name) => format!("Previewing node '{name}':"),
        None => "Previewing inline node:".to_owned(),
    });
    console.out(&render_table(table, console.width()));
    let more = if *is_cut { ", --limit shows more" } else { "" };
    console.say(&format!("{} shown{more}", count_of(table.rows.len(), "row")));
}
