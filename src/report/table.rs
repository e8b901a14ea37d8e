//! Formats query results as a text table or as JSON.

use crate::engine::{Cell, Table};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement};

/// A text table that is no wider than `width`, with numbers aligned right.
pub(crate) fn render_table(table: &Table, width: Option<u16>) -> String {
    let mut out = comfy_table::Table::new();
    out.load_style(UTF8_FULL_CONDENSED);
    if let Some(width) = width {
        out.set_content_arrangement(ContentArrangement::Dynamic);
        out.set_width(width);
    }
    out.set_header(table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>());
    for row in &table.rows {
        out.add_row(
            row.iter()
                .map(|c| comfy_table::Cell::new(c.display()).set_alignment(alignment(c)))
                .collect::<Vec<_>>(),
        );
    }
    out.to_string()
}

fn alignment(cell: &Cell) -> CellAlignment {
    match cell {
        Cell::Int(_) | Cell::Float(_) | Cell::Decimal(_) => CellAlignment::Right,
        _ => CellAlignment::Left,
    }
}

/// The rows as JSON objects, by column name.
pub(crate) fn rows_json(table: &Table) -> serde_json::Value {
    let mut rows = Vec::with_capacity(table.rows.len());
    for cells in &table.rows {
        let pairs =
            table.columns.iter().zip(cells).map(|(c, cell)| (c.name.clone(), cell.to_json()));
        rows.push(serde_json::Value::Object(pairs.collect()));
    }
    serde_json::Value::Array(rows)
}
