//! A table as lines of values, and its division into pieces that fit into one request.

use super::cells::{CellOptions, SheetValue, sheet_value};
use crate::sink::{SinkError, SinkTable};

/// The maximum number of cells of one request; `MOST_BYTES` is its approximate maximum size.
const MOST_CELLS: usize = 20_000;
/// The maximum number of cells of a piece: the API's client needs about 6 kB per cell while it
/// sends.
const PIECE: usize = 10_000;
const MOST_BYTES: usize = 1_900_000;

/// The lines of a table: the header and the rows, or only rows in some order. They are computed on
/// demand, so that a large table is not held twice.
pub(super) struct SheetLines<'a> {
    table: &'a SinkTable,
    choices: CellOptions,
    /// Indices of rows; `None` is the header.
    order: Vec<Option<usize>>,
}

/// Some lines and the position of their first cell.
#[derive(Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) lines: Vec<Vec<SheetValue>>,
}

impl<'a> SheetLines<'a> {
    pub(super) fn new(
        table: &'a SinkTable,
        choices: CellOptions,
        order: Vec<Option<usize>>,
    ) -> SheetLines<'a> {
        SheetLines { table, choices, order }
    }

    pub(super) fn with_header(table: &'a SinkTable, choices: CellOptions) -> SheetLines<'a> {
        SheetLines::new(
            table,
            choices,
            std::iter::once(None).chain((0..table.rows.len()).map(Some)).collect(),
        )
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn width(&self) -> usize {
        self.table.columns.len()
    }

    pub(super) fn cells(&self) -> usize {
        self.len() * self.width()
    }

    pub(super) fn line(&self, number: usize) -> Vec<SheetValue> {
        match self.order[number] {
            None => self.table.columns.iter().map(|c| SheetValue::Text(c.header.clone())).collect(),
            // Texts that are too long were rejected by `check_lengths`.
            Some(row) => self.table.rows[row]
                .iter()
                .map(|c| sheet_value(c, self.choices).unwrap_or(SheetValue::Empty))
                .collect(),
        }
    }

    pub(super) fn all(&self) -> Vec<Vec<SheetValue>> {
        (0..self.len()).map(|n| self.line(n)).collect()
    }

    /// Whether all lines fit into one request that has `more` bytes besides them.
    pub(super) fn is_small(&self, more: usize) -> bool {
        if self.cells() > MOST_CELLS {
            return false;
        }
        let mut bytes = more;
        for number in 0..self.len() {
            bytes += size(&self.line(number));
            if bytes > MOST_BYTES {
                return false;
            }
        }
        true
    }

    /// All lines in pieces of at most 10,000 cells and about 2 MB. A longer line is split between
    /// columns.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let mut next = 0;
        // The rest of a line that was split.
        let mut rest: Option<(usize, usize, Vec<SheetValue>)> = None;
        std::iter::from_fn(move || {
            if let Some((line, column, values)) = rest.take() {
                let (now, later) = cut(values);
                if !later.is_empty() {
                    rest = Some((line, column + now.len(), later));
                }
                return Some(Piece { line, column, lines: vec![now] });
            }
            let first = next;
            let (mut lines, mut bytes, mut cells) = (Vec::new(), 0, 0);
            while next < self.len() {
                let line = self.line(next);
                let size = size(&line);
                if size > MOST_BYTES && lines.is_empty() {
                    next += 1;
                    let (now, later) = cut(line);
                    rest = (!later.is_empty()).then_some((first, now.len(), later));
                    return Some(Piece { line: first, column: 0, lines: vec![now] });
                }
                if !lines.is_empty() && (bytes + size > MOST_BYTES || cells + line.len() > PIECE) {
                    break;
                }
                (bytes, cells, next) = (bytes + size, cells + line.len(), next + 1);
                lines.push(line);
            }
            (!lines.is_empty()).then_some(Piece { line: first, column: 0, lines })
        })
    }
}

fn size(line: &[SheetValue]) -> usize {
    20 + line.iter().map(SheetValue::size).sum::<usize>()
}

/// Splits a line into the cells that fit, at least one, and the others.
fn cut(mut values: Vec<SheetValue>) -> (Vec<SheetValue>, Vec<SheetValue>) {
    let mut sum = 0;
    let fits = values.iter().take_while(|v| {
        sum += v.size();
        sum <= MOST_BYTES
    });
    let n = fits.count().max(1);
    let later = values.split_off(n.min(values.len()));
    (values, later)
}

/// Checks that every text fits into a cell.
pub(super) fn check_lengths(table: &SinkTable, choices: CellOptions) -> Result<(), SinkError> {
    for (i, row) in table.rows.iter().enumerate() {
        for (column, cell) in table.columns.iter().zip(row) {
            if let Err(length) = sheet_value(cell, choices) {
                let e = SinkError::new(format!(
                    "the text in row {}, column {} has {length} characters, and a cell holds 50,000",
                    i + 1,
                    column.name
                ));
                return Err(e.help("shorten it in the model, or set `long_text: cut`"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Cell;
    use crate::sink::SinkColumn;
    use proptest::prelude::*;

    const PLAIN: CellOptions = CellOptions { nan_as_text: false, cut_long_text: false };

    fn table(columns: usize, rows: Vec<Vec<Cell>>) -> SinkTable {
        let column = |i: usize| SinkColumn {
            name: format!("c{i}"),
            header: format!("c{i}"),
            kind: crate::engine::SqlType::Text { length: None },
            format: None,
        };
        SinkTable { columns: (0..columns).map(column).collect(), rows }
    }

    /// Puts pieces back together.
    fn together(lines: &SheetLines<'_>) -> Vec<Vec<SheetValue>> {
        let mut out = vec![vec![SheetValue::Bool(false); lines.width()]; lines.len()];
        for piece in lines.pieces() {
            assert!(piece.lines.iter().map(Vec::len).sum::<usize>() <= PIECE.max(lines.width()));
            let bytes: usize = piece.lines.iter().map(|l| size(l)).sum();
            assert!(
                bytes <= MOST_BYTES + 20 || piece.lines.len() == 1 && piece.lines[0].len() == 1,
                "{bytes}"
            );
            for (i, line) in piece.lines.into_iter().enumerate() {
                for (j, value) in line.into_iter().enumerate() {
                    out[piece.line + i][piece.column + j] = value;
                }
            }
        }
        out
    }

    #[test]
    fn a_line_that_is_too_large_is_cut() {
        let long = Cell::Text("x".repeat(49_000));
        let table = table(100, vec![vec![long; 100], vec![Cell::Null; 100]]);
        let lines = SheetLines::with_header(&table, PLAIN);
        assert!(!lines.is_small(0));
        assert_eq!(together(&lines), lines.all());
        assert!(lines.pieces().count() > 3);
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole(columns in 1usize..40, texts in prop::collection::vec(0usize..60_000, 0..120)) {
            let rows: Vec<Vec<Cell>> = texts
                .iter()
                .map(|n| (0..columns).map(|c| if c == 0 { Cell::Text("\u{1}".repeat(n % 50_000)) } else { Cell::Int(1) }).collect())
                .collect();
            let table = table(columns, rows);
            let lines = SheetLines::with_header(&table, PLAIN);
            prop_assert_eq!(together(&lines), lines.all());
        }
    }
}
