//! Sends the requests of each mode: replace, append, upsert.

use super::cells::{CellOptions, SheetValue, number_format_of, sheet_value};
use super::client::{Client, SpreadsheetState, Tab};
use super::requests::{
    Area, add_tab, append_cells, copy_area, delete_tab, fill_area, fill_from, freeze_header,
    number_format, set_bold, set_note,
};
use super::rows::{SheetLines, check_lengths};
use super::sheet::{RowKeys, RowPlan, Sheet, group_columns, key_of, reorder_columns};
use crate::config::{SheetMode, SheetTarget};
use crate::sink::{SinkError, SinkJob, SinkTable, WrittenRows, count};
use google_sheets4::api::Request;
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// Google's limits for a spreadsheet.
const MOST_CELLS: usize = 10_000_000;
const MOST_COLUMNS: usize = 18_278;

/// The maximum number of ranges that one batch writes or copies, to keep requests from growing to
/// many megabytes.
const MOST_COPIES: usize = 20_000;

/// The approximate size of a range in a request, in bytes, without its cells.
const RANGE: usize = 220;

/// The length of export names within titles of tabs, which Google limits to 100 characters.
const LONGEST_NAME: usize = 60;

/// The state of one write.
struct Write<'a> {
    client: &'a Client<'a>,
    target: &'a SheetTarget,
    table: &'a SinkTable,
    job: &'a SinkJob<'a>,
    choices: CellOptions,
    /// Identifies this write, even among those of the same run.
    token: String,
    book: SpreadsheetState,
    /// `None` if the tab does not exist.
    tab: Option<Tab>,
    /// The id of the tab, or the one that it will get.
    id: i32,
}

pub(super) async fn write_table(
    client: &Client<'_>,
    target: &SheetTarget,
    table: &SinkTable,
    job: &SinkJob<'_>,
) -> Result<WrittenRows, SinkError> {
    let choices =
        CellOptions { nan_as_text: target.nan_as_text, cut_long_text: target.cut_long_text };
    check_lengths(table, choices)?;
    if table.columns.len() > MOST_COLUMNS {
        return Err(SinkError::new(format!(
            "the relation has {} columns, and a sheet holds {MOST_COLUMNS}",
            table.columns.len()
        )));
    }
    let book = client.book().await?;
    let tab = book.tabs.iter().find(|t| t.title == target.sheet).cloned();
    let token = uuid::Uuid::new_v4().simple().to_string();
    let id = tab.as_ref().map_or_else(|| new_id(&book), |t| t.id);
    let write = Write { client, target, table, job, choices, token, book, tab, id };
    match &target.mode {
        SheetMode::Replace => write.replace().await,
        SheetMode::Append => write.add(&[]).await,
        SheetMode::Upsert(key) => write.add(key).await,
    }
}

/// An id that no tab has.
fn new_id(book: &SpreadsheetState) -> i32 {
    loop {
        let id = (uuid::Uuid::new_v4().as_fields().0 >> 1) as i32;
        if id > 0 && book.tabs.iter().all(|t| t.id != id) {
            return id;
        }
    }
}

impl Write<'_> {
    fn note_key(&self) -> String {
        format!("strata:{}", self.job.export_name)
    }

    fn note(&self) -> Request {
        let value = json!({ "run": self.job.run_id, "write": self.token }).to_string();
        set_note(self.id, self.tab.as_ref(), &self.note_key(), &value)
    }

    /// A field of our note on the tab.
    fn noted(&self, tab: &Tab, field: &str) -> Option<String> {
        let note = tab.notes.iter().find(|n| n.key == self.note_key())?;
        let json: Json = serde_json::from_str(&note.value).ok()?;
        json.get(field).and_then(Json::as_str).map(str::to_owned)
    }

    /// Sends the batch that makes this write visible.
    async fn show(&self, make: &dyn Fn() -> Vec<Request>) -> Result<(), SinkError> {
        self.client.update(make, Some(&|book| self.landed(book))).await
    }

    /// Whether the batch of this write was applied, as the note on the tab shows.
    fn landed(&self, book: &SpreadsheetState) -> bool {
        book.tabs.iter().any(|t| {
            t.id == self.id && self.noted(t, "write").as_deref() == Some(self.token.as_str())
        })
    }

    /// The prefix of the titles of this export's hidden tabs. A run that was killed may leave one
    /// behind.
    fn staging_prefix(&self) -> String {
        let name = self.job.export_name;
        let short = match name.chars().count() > LONGEST_NAME {
            true => {
                let start: String = name.chars().take(LONGEST_NAME - 9).collect();
                format!("{start} {}", &crate::hash::md5_hex(name)[..8])
            }
            false => name.to_owned(),
        };
        format!("__strata_staging {short} ")
    }

    fn stale(&self) -> impl Iterator<Item = &Tab> {
        let prefix = self.staging_prefix();
        self.book.tabs.iter().filter(move |t| t.title.starts_with(&prefix))
    }

    fn delete_stale(&self) -> Vec<Request> {
        self.stale().map(|tab| delete_tab(tab.id)).collect()
    }

    /// The required size of the tab. A tab never shrinks, so that formulas elsewhere keep their
    /// ranges. A frozen header needs a row below it.
    fn size(&self, rows: usize, columns: usize) -> (usize, usize) {
        let (r, c) = self.tab.as_ref().map_or((0, 0), |t| (t.rows, t.columns));
        (rows.max(r).max(2), columns.max(c))
    }

    /// Creates the tab, or lets it grow.
    fn prepare(&self, size: (usize, usize)) -> Vec<Request> {
        let mut requests = Vec::new();
        match &self.tab {
            None => requests.push(add_tab(self.id, &self.target.sheet, size, false)),
            Some(tab) => {
                requests.extend(append_cells(self.id, "ROWS", size.0 - tab.rows));
                requests.extend(append_cells(self.id, "COLUMNS", size.1 - tab.columns));
            }
        }
        requests
    }

    fn area(&self, rows: (usize, usize), columns: (usize, usize)) -> Area {
        Area { tab: self.id, rows, columns }
    }

    /// Number formats of columns, given as (column of the table, column of the tab).
    fn formats(&self, columns: &[(usize, usize)], rows: (usize, usize)) -> Vec<Request> {
        if rows.0 >= rows.1 {
            return Vec::new();
        }
        columns.iter().map(|(own, at)| self.format_column(*own, *at, rows)).collect()
    }

    fn format_column(&self, own: usize, at: usize, rows: (usize, usize)) -> Request {
        let column = &self.table.columns[own];
        let area = self.area(rows, (at, at + 1));
        number_format(area, number_format_of(&column.kind, column.format.as_deref()))
    }

    /// Fails before anything is written when the spreadsheet would have too many cells.
    fn check_cell_limit(&self, size: (usize, usize), staging: usize) -> Result<(), SinkError> {
        let stale: usize = self.stale().map(|t| t.rows * t.columns).sum();
        let now: usize = self.book.tabs.iter().map(|t| t.rows * t.columns).sum::<usize>() - stale;
        let old = self.tab.as_ref().map_or(0, |t| t.rows * t.columns);
        let then = now - old + size.0 * size.1 + staging;
        if then <= MOST_CELLS {
            return Ok(());
        }
        let hidden = if staging > 0 { ", a hidden copy included" } else { "" };
        let e = SinkError::new(format!(
            "the spreadsheet would have {} cells{hidden}, and Google allows {}",
            thousands(then),
            thousands(MOST_CELLS)
        ));
        Err(e.help("export fewer rows or columns, delete empty rows of other tabs, or use another spreadsheet"))
    }

    fn done(&self, what: String, lines: &SheetLines<'_>, requests: usize) -> WrittenRows {
        let (place, title) = (&self.target.sheet, &self.book.title);
        let message = if self.job.dry_run {
            format!(
                "{place} in {title}: would {what}, {} in {}",
                count(lines.cells(), "cell"),
                count(requests, "request")
            )
        } else {
            format!("{place} in {title}: {what}")
        };
        WrittenRows { message, rows: self.table.rows.len(), cells: lines.cells(), requests }
    }

    async fn replace(&self) -> Result<WrittenRows, SinkError> {
        let lines = SheetLines::with_header(self.table, self.choices);
        let size = self.size(lines.len(), lines.width());
        let what = format!(
            "replace all by {}, {}",
            count(self.table.rows.len(), "row"),
            count(lines.width(), "column")
        );
        let done =
            format!("{}, {}", count(self.table.rows.len(), "row"), count(lines.width(), "column"));
        let small = lines.is_small(0);
        self.check_cell_limit(size, if small { 0 } else { lines.cells() })?;
        if self.job.dry_run {
            let requests = if small { 1 } else { lines.pieces().count() + 2 };
            return Ok(self.done(what, &lines, requests));
        }
        if small {
            self.show(&|| self.replace_at_once(&lines)).await?;
        } else {
            let staging = self.stage(&lines).await?;
            self.show(&|| self.replace_from(staging, &lines)).await?;
        }
        Ok(self.done(done, &lines, self.client.sent()))
    }

    /// The batch that replaces everything and contains the values.
    fn replace_at_once(&self, lines: &SheetLines<'_>) -> Vec<Request> {
        let size = self.size(lines.len(), lines.width());
        let mut requests = self.delete_stale();
        let whole = self.area((0, size.0), (0, size.1));
        requests.extend(self.replace_by(lines, size, vec![fill_area(whole, &lines.all())]));
        requests
    }

    /// The batch that replaces everything by the content of a hidden tab.
    fn replace_from(&self, staging: i32, lines: &SheetLines<'_>) -> Vec<Request> {
        let size = self.size(lines.len(), lines.width());
        let whole = self.area((0, size.0), (0, size.1));
        let from = Area { tab: staging, rows: (0, lines.len()), columns: (0, lines.width()) };
        let to = self.area((0, lines.len()), (0, lines.width()));
        let mut requests =
            self.replace_by(lines, size, vec![fill_area(whole, &[]), copy_area(from, to)]);
        requests.push(delete_tab(staging));
        requests
    }

    /// Surrounds the requests that fill the cells with all others of a replacement.
    fn replace_by(
        &self,
        lines: &SheetLines<'_>,
        size: (usize, usize),
        cells: Vec<Request>,
    ) -> Vec<Request> {
        let mut requests = self.prepare(size);
        requests.push(freeze_header(self.id));
        requests.extend(cells);
        requests.push(set_bold(self.area((0, 1), (0, lines.width()))));
        let columns: Vec<(usize, usize)> = (0..lines.width()).map(|c| (c, c)).collect();
        requests.extend(self.formats(&columns, (1, size.0)));
        requests.push(self.note());
        requests
    }

    /// Fills a new hidden tab with lines and returns its id.
    async fn stage(&self, lines: &SheetLines<'_>) -> Result<i32, SinkError> {
        let id = loop {
            let id = new_id(&self.book);
            if id != self.id {
                break id;
            }
        };
        let size = (lines.len(), lines.width());
        self.client
            .update(
                &|| self.add_staging(id, size),
                Some(&|book| book.tabs.iter().any(|t| t.id == id)),
            )
            .await?;
        for piece in lines.pieces() {
            let place = (piece.line, piece.column);
            // No check is needed: writing the same cells twice changes nothing.
            self.client.update(&|| vec![fill_from(id, place, &piece.lines)], None).await?;
        }
        Ok(id)
    }

    fn add_staging(&self, id: i32, size: (usize, usize)) -> Vec<Request> {
        let title = format!("{}{}", self.staging_prefix(), &self.token[..8]);
        let mut requests = self.delete_stale();
        requests.push(add_tab(id, &title, size, true));
        requests
    }

    /// Adds rows below the last one. With a key, rows that exist already are overwritten in place.
    async fn add(&self, key: &[String]) -> Result<WrittenRows, SinkError> {
        if let Some(tab) =
            self.tab.as_ref().filter(|t| self.noted(t, "run").as_deref() == Some(self.job.run_id))
        {
            return Ok(self.written_before(tab));
        }
        let sheet = self.read().await?;
        let keys = self.keys(key, &sheet)?;
        let plan = RowPlan::new(&keys, &sheet, self.table.rows.len());
        let lines = SheetLines::new(self.table, self.choices, plan.order());
        let size = self.size(sheet.used_rows + plan.added.len(), sheet.width);
        let copies = plan.runs().count() * sheet.segments.len();
        let small = lines.is_small(copies * RANGE);
        if copies > MOST_COPIES {
            let e = SinkError::new(format!(
                "{} separate ranges would change, too many for one batch",
                thousands(copies)
            ));
            return Err(e.help("use `mode: replace`, or sort the sheet by its key"));
        }
        self.check_cell_limit(size, if small { 0 } else { lines.cells() })?;
        let (added, changed) = (count(plan.added.len(), "row"), count(plan.updated.len(), "row"));
        let what = if key.is_empty() {
            format!("add {added}")
        } else {
            format!("add {added}, write {changed} in place")
        };
        let done = if key.is_empty() {
            format!("{added} added")
        } else {
            format!("{added} added, {changed} in place")
        };
        if self.job.dry_run {
            let requests = if small { 1 } else { lines.pieces().count() + 2 };
            return Ok(self.done(what, &lines, requests));
        }
        if small {
            let all = lines.all();
            self.show(&|| self.add_at_once(&sheet, &plan, &all)).await?;
        } else {
            // The staging tab has the columns in the order of the sheet.
            let staged = reorder_columns(self.table, &sheet);
            let lines = SheetLines::new(&staged, self.choices, plan.order());
            let staging = self.stage(&lines).await?;
            self.show(&|| self.add_from(&sheet, &plan, staging)).await?;
        }
        Ok(self.done(done, &lines, self.client.sent()))
    }

    /// The result if an earlier attempt of this run has already written the rows.
    fn written_before(&self, tab: &Tab) -> WrittenRows {
        if self.job.dry_run {
            let lines = SheetLines::new(self.table, self.choices, Vec::new());
            return self.done("write nothing a second time".to_owned(), &lines, 0);
        }
        let message = format!("{}: this run has written its rows before", tab.title);
        WrittenRows { message, ..Default::default() }
    }

    /// The batch that adds `all` lines and contains their values.
    fn add_at_once(&self, sheet: &Sheet, plan: &RowPlan, all: &[Vec<SheetValue>]) -> Vec<Request> {
        let mut cells = Vec::new();
        for run in plan.runs() {
            let lines = &all[run.first_line..run.first_line + run.length];
            for s in &sheet.segments {
                let part: Vec<Vec<SheetValue>> = lines
                    .iter()
                    .map(|l| s.table_columns.iter().map(|c| l[*c].clone()).collect())
                    .collect();
                let place = self.area(
                    (run.first_tab_row, run.first_tab_row + run.length),
                    (s.first_tab_column, s.first_tab_column + s.table_columns.len()),
                );
                cells.push(fill_area(place, &part));
            }
        }
        let mut requests = self.delete_stale();
        requests.extend(self.add_by(sheet, plan, cells));
        requests
    }

    /// The batch that adds lines from a hidden tab.
    fn add_from(&self, sheet: &Sheet, plan: &RowPlan, staging: i32) -> Vec<Request> {
        let mut cells = Vec::new();
        for run in plan.runs() {
            let rows = (run.first_line, run.first_line + run.length);
            let mut from = 0;
            for s in &sheet.segments {
                let width = s.table_columns.len();
                let source = Area { tab: staging, rows, columns: (from, from + width) };
                from += width;
                let place = self.area(
                    (run.first_tab_row, run.first_tab_row + run.length),
                    (s.first_tab_column, s.first_tab_column + width),
                );
                cells.push(copy_area(source, place));
            }
        }
        let mut requests = self.add_by(sheet, plan, cells);
        requests.push(delete_tab(staging));
        requests
    }

    /// Surrounds the requests that fill the cells with all others: the header of a new tab, the
    /// formats of new rows, the note.
    fn add_by(&self, sheet: &Sheet, plan: &RowPlan, cells: Vec<Request>) -> Vec<Request> {
        let mut requests = self.prepare(self.size(sheet.used_rows + plan.added.len(), sheet.width));
        if sheet.header.is_empty() {
            requests.push(freeze_header(self.id));
            let header: Vec<SheetValue> =
                self.table.columns.iter().map(|c| SheetValue::Text(c.header.clone())).collect();
            requests.push(fill_area(self.area((0, 1), (0, header.len())), &[header]));
            requests.push(set_bold(self.area((0, 1), (0, self.table.columns.len()))));
        }
        requests.extend(cells);
        let columns: Vec<(usize, usize)> = sheet.columns.iter().copied().enumerate().collect();
        requests
            .extend(self.formats(&columns, (sheet.used_rows, sheet.used_rows + plan.added.len())));
        requests.push(self.note());
        requests
    }

    /// Reads the tab: its header, the positions of our columns, and the number of used rows.
    async fn read(&self) -> Result<Sheet, SinkError> {
        let own: Vec<&str> = self.table.columns.iter().map(|c| c.header.as_str()).collect();
        let Some(tab) = self.tab.as_ref().filter(|t| t.rows > 0 && t.columns > 0) else {
            return Ok(Sheet::empty(own.len()));
        };
        let quoted = format!("'{}'", tab.title.replace('\'', "''"));
        let columns: Vec<String> =
            (1..=tab.columns).map(|c| format!("{quoted}!{0}:{0}", letters(c))).collect();
        let values = self.client.columns(&columns).await?;
        let used = values.iter().map(Vec::len).max().unwrap_or_default();
        let header: Vec<String> = values.iter().map(|column| header_of(column)).collect();
        if used == 0 {
            return Ok(Sheet::empty(own.len()));
        }
        let mut at = Vec::new();
        for name in &own {
            let Some(column) = header.iter().position(|h| h == name) else {
                let known: Vec<&str> =
                    header.iter().map(String::as_str).filter(|h| !h.is_empty()).collect();
                let e = SinkError::new(format!("the sheet `{}` has no column `{name}`", tab.title));
                return Err(e.help(format!(
                    "its first row has {}; add the column, or use `mode: replace`",
                    known.join(", ")
                )));
            };
            at.push(column);
        }
        Ok(Sheet {
            width: tab.columns,
            used_rows: used,
            segments: group_columns(&at),
            columns: at,
            header,
            values,
        })
    }

    /// The keys of the table's rows, which have to be unique, and of the tab's rows. `None` without
    /// a key.
    fn keys(&self, key: &[String], sheet: &Sheet) -> Result<Option<RowKeys>, SinkError> {
        if key.is_empty() {
            return Ok(None);
        }
        let mut own = Vec::new();
        for name in key {
            match self.table.columns.iter().position(|c| c.name == *name) {
                Some(column) => own.push(column),
                None => {
                    let e = SinkError::new(format!(
                        "`key` names the column `{name}`, which is not exported"
                    ));
                    return Err(
                        e.help("name columns of the relation, and list them under `columns` when that is given")
                    );
                }
            }
        }
        let mut keys = Vec::with_capacity(self.table.rows.len());
        let mut seen = HashMap::new();
        for (i, row) in self.table.rows.iter().enumerate() {
            let parts: Vec<String> = own
                .iter()
                .map(|c| {
                    sheet_value(&row[*c], self.choices).map_or_else(|_| String::new(), |v| v.key())
                })
                .collect();
            if let Some(empty) = parts.iter().position(String::is_empty) {
                return Err(SinkError::new(format!(
                    "row {} has no value in the key column `{}`",
                    i + 1,
                    key[empty]
                )));
            }
            if let Some(first) = seen.insert(parts.clone(), i) {
                let shown: Vec<String> = own.iter().map(|c| row[*c].display()).collect();
                return Err(SinkError::new(format!(
                    "rows {} and {} have the same key: {}",
                    first + 1,
                    i + 1,
                    shown.join(", ")
                )));
            }
            keys.push(parts);
        }
        let mut known = HashMap::new();
        for row in 1..sheet.used_rows {
            let parts: Vec<String> = own
                .iter()
                .map(|c| {
                    sheet
                        .columns
                        .get(*c)
                        .and_then(|at| sheet.values[*at].get(row))
                        .map_or_else(String::new, key_of)
                })
                .collect();
            known.entry(parts).or_insert(row);
        }
        Ok(Some(RowKeys { table_keys: keys, sheet_rows: known }))
    }
}

/// The header of a column: its first value as text, or empty if it has no values.
fn header_of(column: &[Json]) -> String {
    match column.first() {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// The name of a column: 1 is A, 27 is AA.
fn letters(mut column: usize) -> String {
    let mut out = Vec::new();
    while column > 0 {
        column -= 1;
        out.push(b'A' + (column % 26) as u8);
        column /= 26;
    }
    out.reverse();
    String::from_utf8(out).unwrap_or_default()
}

/// A number with separators: `10,000,000`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        assert_eq!(
            [letters(1), letters(26), letters(27), letters(702), letters(703)],
            ["A", "Z", "AA", "ZZ", "AAA"]
        );
        assert_eq!(thousands(10_000_000), "10,000,000");
    }
}
