//! The rows in which the result of a unit test differs from the expected one, for the screen.
//!
//! Equal rows are taken out first, each with one of the other side. Of the rest, each expected row is
//! shown beside the actual row that shares most cells with it.

use crate::engine::Cell;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowDiff {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<DifferingRow>,
    /// The number of rows that are the same on both sides.
    pub(crate) equal: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DifferingRow {
    /// Expected, and not there.
    Missing(Vec<Cell>),
    /// There, and not expected.
    Surplus(Vec<Cell>),
    /// A row that differs in some of its cells.
    Changed { expected: Vec<Cell>, actual: Vec<Cell> },
}

/// Rows of one side are compared with at most this many of the other one.
const COMPARED: usize = 500;

impl RowDiff {
    pub(crate) fn new(
        columns: Vec<String>,
        expected: Vec<Vec<Cell>>,
        actual: Vec<Vec<Cell>>,
    ) -> RowDiff {
        let total = expected.len();
        let (missing, mut surplus) = remove_equal(expected, actual);
        let equal = total - missing.len();
        let mut rows = Vec::with_capacity(missing.len() + surplus.len());
        for expected in missing {
            match nearest_row(&expected, &surplus) {
                Some(i) => {
                    rows.push(DifferingRow::Changed { expected, actual: surplus.remove(i) });
                }
                None => rows.push(DifferingRow::Missing(expected)),
            }
        }
        rows.extend(surplus.into_iter().map(DifferingRow::Surplus));
        RowDiff { columns, rows, equal }
    }
}

/// The rows of each side without an equal row on the other side.
fn remove_equal(
    expected: Vec<Vec<Cell>>,
    mut actual: Vec<Vec<Cell>>,
) -> (Vec<Vec<Cell>>, Vec<Vec<Cell>>) {
    let mut missing = Vec::new();
    for row in expected {
        match actual.iter().position(|other| *other == row) {
            Some(i) => {
                actual.remove(i);
            }
            None => missing.push(row),
        }
    }
    (missing, actual)
}

/// The index of the row that shares most cells with `row`. `None` if none shares any.
fn nearest_row(row: &[Cell], others: &[Vec<Cell>]) -> Option<usize> {
    let shared = |other: &[Cell]| row.iter().zip(other).filter(|(a, b)| a == b).count();
    let counted = others.iter().take(COMPARED).map(|other| shared(other)).enumerate();
    let best = counted.max_by_key(|(i, count)| (*count, usize::MAX - i))?;
    (best.1 > 0).then_some(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[i64]]) -> Vec<Vec<Cell>> {
        rows.iter().map(|row| row.iter().map(|n| Cell::Int(*n)).collect()).collect()
    }

    #[test]
    fn rows_are_paired_with_those_that_share_most_cells() {
        let columns = vec!["id".to_owned(), "n".to_owned(), "m".to_owned()];
        let expected = rows(&[&[1, 1, 1], &[2, 2, 2], &[9, 9, 9], &[1, 1, 1]]);
        let actual = rows(&[&[2, 2, 3], &[1, 1, 1], &[2, 5, 2], &[7, 7, 7]]);
        let diff = RowDiff::new(columns, expected, actual);
        assert_eq!(diff.equal, 1);
        let changed = |e: &[i64], a: &[i64]| DifferingRow::Changed {
            expected: rows(&[e]).remove(0),
            actual: rows(&[a]).remove(0),
        };
        assert_eq!(
            diff.rows,
            [
                changed(&[2, 2, 2], &[2, 2, 3]),
                DifferingRow::Missing(rows(&[&[9, 9, 9]]).remove(0)),
                DifferingRow::Missing(rows(&[&[1, 1, 1]]).remove(0)),
                DifferingRow::Surplus(rows(&[&[2, 5, 2]]).remove(0)),
                DifferingRow::Surplus(rows(&[&[7, 7, 7]]).remove(0)),
            ]
        );
    }
}
