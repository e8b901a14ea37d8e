//! Draws the rows in which a unit test's result differs from the expected one, cell by cell.

use super::console::count_of;
use crate::engine::Cell;
use crate::outcome::{DifferingRow, NodeOutcome, RowDiff};
use unicode_width::UnicodeWidthStr;

/// The rows that are drawn; the others are counted.
const SHOWN_ROWS: usize = 20;
/// The characters of a value that are drawn.
const SHOWN_CHARS: usize = 40;

/// How a piece of the drawing is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiffColour {
    Plain,
    Expected,
    Actual,
}

/// A piece of text in one colour.
type Piece = (String, DiffColour);

/// What a test found, in a line.
fn summarize_row_diff(diff: &RowDiff) -> String {
    let count = |of: fn(&DifferingRow) -> bool| diff.rows.iter().filter(|row| of(row)).count();
    let changed = count(|row| matches!(row, DifferingRow::Changed { .. }));
    let missing = count(|row| matches!(row, DifferingRow::Missing(_)));
    let surplus = count(|row| matches!(row, DifferingRow::Surplus(_)));
    let parts = [
        (changed, "differ", "differs"),
        (missing, "missing", "missing"),
        (surplus, "too many", "too many"),
    ];
    let said = parts.iter().filter(|(n, ..)| *n > 0).map(|(n, many, one)| {
        let word = if *n == 1 { one } else { many };
        format!("{} {word}", count_of(*n, "row"))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// The message of a result in one line: that of a unit test is a drawing for artifacts.
pub(super) fn short_message(outcome: &NodeOutcome) -> Option<String> {
    match &outcome.row_diff {
        Some(diff) => Some(summarize_row_diff(diff)),
        None => outcome.message.clone(),
    }
}

/// The drawing, line by line. `paint` colours a piece of text.
pub(super) fn draw_row_diff(
    diff: &RowDiff,
    paint: &dyn Fn(&str, DiffColour) -> String,
) -> Vec<String> {
    let header = diff.columns.iter().map(|name| vec![(name.clone(), DiffColour::Plain)]).collect();
    let mut lines: Vec<(Piece, Vec<Vec<Piece>>)> =
        vec![((String::new(), DiffColour::Plain), header)];
    lines.extend(diff.rows.iter().take(SHOWN_ROWS).map(draw_row));
    let widths: Vec<usize> = (0..diff.columns.len())
        .map(|i| lines.iter().map(|(_, cells)| width_of(&cells[i])).max().unwrap_or(0))
        .collect();
    let mut out = Vec::with_capacity(lines.len() + 2);
    for ((mark, colour), cells) in &lines {
        let mut line = format!("  {}", paint(&format!("{mark:1}"), *colour));
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str("  ");
            cell.iter().for_each(|(text, colour)| line.push_str(&paint(text, *colour)));
            line.push_str(&" ".repeat(width - width_of(cell)));
        }
        out.push(line.trim_end().to_owned());
    }
    if diff.rows.len() > SHOWN_ROWS {
        out.push(format!("  and {} more", count_of(diff.rows.len() - SHOWN_ROWS, "row")));
    }
    let (minus, plus) = (paint("-", DiffColour::Expected), paint("+", DiffColour::Actual));
    let equal = if diff.equal == 1 {
        "1 row is equal".to_owned()
    } else {
        format!("{} are equal", count_of(diff.equal, "row"))
    };
    out.push(format!("  {minus} expected, {plus} actual; {equal}"));
    out
}

fn draw_row(row: &DifferingRow) -> (Piece, Vec<Vec<Piece>>) {
    let whole =
        |cells: &[Cell], colour| cells.iter().map(|cell| vec![(text_of(cell), colour)]).collect();
    match row {
        DifferingRow::Missing(cells) => {
            (("-".to_owned(), DiffColour::Expected), whole(cells, DiffColour::Expected))
        }
        DifferingRow::Surplus(cells) => {
            (("+".to_owned(), DiffColour::Actual), whole(cells, DiffColour::Actual))
        }
        DifferingRow::Changed { expected, actual } => {
            let cells = expected.iter().zip(actual).map(|(e, a)| draw_pair(e, a));
            (("~".to_owned(), DiffColour::Plain), cells.collect())
        }
    }
}

fn draw_pair(expected: &Cell, actual: &Cell) -> Vec<Piece> {
    if expected == actual {
        return vec![(text_of(expected), DiffColour::Plain)];
    }
    vec![
        (text_of(expected), DiffColour::Expected),
        (" -> ".to_owned(), DiffColour::Plain),
        (text_of(actual), DiffColour::Actual),
    ]
}

/// A value in one line, cut if it is long. A text that reads NULL is quoted.
fn text_of(cell: &Cell) -> String {
    let text = match cell {
        Cell::Null => return "NULL".to_owned(),
        Cell::Text(text) if text == "NULL" || text.is_empty() => format!("'{text}'"),
        other => other.display().replace(['\n', '\r', '\t'], " "),
    };
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn width_of(pieces: &[Piece]) -> usize {
    pieces.iter().map(|(text, _)| text.width()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Cell {
        Cell::Text(value.to_owned())
    }

    #[test]
    fn each_differing_cell_has_both_values() {
        let diff = RowDiff::new(
            vec!["id".to_owned(), "name".to_owned()],
            vec![
                vec![Cell::Int(1), text("a")],
                vec![Cell::Int(2), Cell::Null],
                vec![Cell::Int(3), text("NULL")],
            ],
            vec![
                vec![Cell::Int(2), text("x")],
                vec![Cell::Int(1), text("a")],
                vec![Cell::Int(40), text("")],
            ],
        );
        let tagged = |piece: &str, colour: DiffColour| match colour {
            DiffColour::Plain => piece.to_owned(),
            DiffColour::Expected => format!("[{piece}]"),
            DiffColour::Actual => format!("<{piece}>"),
        };
        let drawn = draw_row_diff(&diff, &tagged);
        assert_eq!(
            drawn,
            [
                "     id  name",
                "  ~  2   [NULL] -> <x>",
                "  [-]  [3]   ['NULL']",
                "  <+>  <40>  <''>",
                "  [-] expected, <+> actual; 1 row is equal",
            ]
        );
        assert_eq!(summarize_row_diff(&diff), "1 row differs, 1 row missing, 1 row too many");
    }
}
