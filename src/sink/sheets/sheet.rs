//! The content of a tab, and which rows of a table go where in it.

use super::cells::SheetValue;
use crate::sink::SinkTable;
use serde_json::Value as Json;
use std::collections::HashMap;

/// The keys of an upsert.
pub(super) struct RowKeys {
    /// The key of each row of the table.
    pub(super) table_keys: Vec<Vec<String>>,
    /// The rows of the tab, by key.
    pub(super) sheet_rows: HashMap<Vec<String>, usize>,
}

/// The content of a tab.
pub(super) struct Sheet {
    pub(super) header: Vec<String>,
    /// The number of columns, and of rows with content including the header.
    pub(super) width: usize,
    pub(super) used_rows: usize,
    /// The position of each of the table's columns.
    pub(super) columns: Vec<usize>,
    pub(super) segments: Vec<ColumnSegment>,
    /// The values, by column.
    pub(super) values: Vec<Vec<Json>>,
}

impl Sheet {
    pub(super) fn empty(width: usize) -> Sheet {
        let columns: Vec<usize> = (0..width).collect();
        Sheet {
            header: Vec::new(),
            width,
            used_rows: 1,
            segments: group_columns(&columns),
            columns,
            values: Vec::new(),
        }
    }
}

/// Adjacent columns of a tab, and the table's columns that go there.
#[derive(Debug, PartialEq)]
pub(super) struct ColumnSegment {
    pub(super) first_tab_column: usize,
    pub(super) table_columns: Vec<usize>,
}

pub(super) fn group_columns(columns: &[usize]) -> Vec<ColumnSegment> {
    let mut pairs: Vec<(usize, usize)> =
        columns.iter().copied().enumerate().map(|(own, at)| (at, own)).collect();
    pairs.sort_unstable();
    let mut out: Vec<ColumnSegment> = Vec::new();
    for (at, own) in pairs {
        match out.last_mut() {
            Some(s) if s.first_tab_column + s.table_columns.len() == at => {
                s.table_columns.push(own)
            }
            _ => out.push(ColumnSegment { first_tab_column: at, table_columns: vec![own] }),
        }
    }
    out
}

/// The table with its columns in the order of the sheet.
pub(super) fn reorder_columns(table: &SinkTable, sheet: &Sheet) -> SinkTable {
    let order: Vec<usize> = sheet.segments.iter().flat_map(|s| &s.table_columns).copied().collect();
    SinkTable {
        columns: order.iter().map(|c| table.columns[*c].clone()).collect(),
        rows: table
            .rows
            .iter()
            .map(|row| order.iter().map(|c| row[*c].clone()).collect())
            .collect(),
    }
}

/// Which rows of the exported table update existing rows of the tab, and which are appended.
pub(super) struct RowPlan {
    /// Rows that exist already: (row of the tab, row of the table), sorted by the former.
    pub(super) updated: Vec<(usize, usize)>,
    pub(super) added: Vec<usize>,
    /// The first free row of the tab.
    first_free_row: usize,
}

/// Lines that go to adjacent rows of the tab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RowRun {
    pub(super) first_line: usize,
    pub(super) first_tab_row: usize,
    pub(super) length: usize,
}

impl RowPlan {
    pub(super) fn new(keys: &Option<RowKeys>, sheet: &Sheet, rows: usize) -> RowPlan {
        let (mut known, mut new) = (Vec::new(), Vec::new());
        for row in 0..rows {
            match keys.as_ref().and_then(|k| k.sheet_rows.get(&k.table_keys[row])) {
                Some(at) => known.push((*at, row)),
                None => new.push(row),
            }
        }
        known.sort_unstable();
        RowPlan { updated: known, added: new, first_free_row: sheet.used_rows }
    }

    /// The rows of the table in the order of the tab.
    pub(super) fn order(&self) -> Vec<Option<usize>> {
        self.updated
            .iter()
            .map(|(_, row)| Some(*row))
            .chain(self.added.iter().map(|row| Some(*row)))
            .collect()
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = RowRun> {
        let places = self
            .updated
            .iter()
            .map(|(at, _)| *at)
            .chain(self.first_free_row..self.first_free_row + self.added.len());
        let mut runs: Vec<RowRun> = Vec::new();
        for (line, at) in places.enumerate() {
            match runs.last_mut() {
                Some(run) if run.first_tab_row + run.length == at => run.length += 1,
                _ => runs.push(RowRun { first_line: line, first_tab_row: at, length: 1 }),
            }
        }
        runs.into_iter()
    }
}

/// The key of a value that was read, as `SheetValue::key` would give it.
pub(super) fn key_of(json: &Json) -> String {
    match json {
        Json::Bool(b) => SheetValue::Bool(*b).key(),
        Json::Number(n) => SheetValue::Number(n.as_f64().unwrap_or_default()).key(),
        Json::String(s) if s.is_empty() => String::new(),
        Json::String(s) => SheetValue::Text(s.clone()).key(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_written_together() {
        assert_eq!(
            group_columns(&[4, 0, 1]),
            [
                ColumnSegment { first_tab_column: 0, table_columns: vec![1, 2] },
                ColumnSegment { first_tab_column: 4, table_columns: vec![0] },
            ]
        );
        let rows = RowPlan {
            updated: vec![(2, 7), (3, 1), (9, 0)],
            added: vec![5, 6],
            first_free_row: 10,
        };
        let runs: Vec<RowRun> = rows.runs().collect();
        assert_eq!(
            runs,
            [
                RowRun { first_line: 0, first_tab_row: 2, length: 2 },
                RowRun { first_line: 2, first_tab_row: 9, length: 3 },
            ]
        );
        assert_eq!(rows.order(), [Some(7), Some(1), Some(0), Some(5), Some(6)]);
    }
}
