//! The difference between the rows that a unit test expects and those that its model has.
//!
//! In: column names, two lists of rows. Out: the text that dbt puts into the message of a failed
//! unit test, byte for byte: dbt draws it with the table comparison of the daff project, which pairs
//! the rows (`align`), shows what is not equal with a row of context (`mark`), and lays it out
//! (`layout`). Must not know: tests, models, where the rows come from.

mod align;
mod layout;
mod mark;
mod value;

use crate::engine::Cell;
use value::DiffValue;

/// The rows of one side, the header first.
type Sheet = Vec<Vec<DiffValue>>;

/// The message, or `None` if the rows are the same in any order. Both sides have these columns.
#[cfg_attr(not(test), expect(dead_code, reason = "for unit tests, which are not run yet"))]
pub(crate) fn describe_difference(
    columns: &[String],
    expected: &[Vec<Cell>],
    actual: &[Vec<Cell>],
) -> Option<String> {
    let expected = sorted_sheet(columns, expected);
    let actual = sorted_sheet(columns, actual);
    let alignment = align::align_rows(&expected, &actual);
    let drawn = mark::mark_changes(&expected, &actual, &alignment)?;
    let rendered = layout::lay_out(&drawn);
    Some(format!("\n\nactual differs from expected:\n\n{rendered}\n"))
}

fn sorted_sheet(columns: &[String], rows: &[Vec<Cell>]) -> Sheet {
    let mut rows: Vec<&Vec<Cell>> = rows.iter().collect();
    rows.sort_by(|a, b| value::compare_rows(a, b));
    let header = columns.iter().map(|name| DiffValue::text(name)).collect();
    let cells = rows.into_iter().map(|row| row.iter().map(DiffValue::from_cell).collect());
    std::iter::once(header).chain(cells).collect()
}
