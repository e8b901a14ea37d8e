//! Writes CSV and JSON files, and decides where exported files go.

use super::{SinkError, SinkJob, SinkTable, WrittenRows, count};
use crate::config::{ExportType, FileTarget};
use crate::engine::{Cell, SqlType};
use camino::{Utf8Path, Utf8PathBuf};
use std::io::{self, Write};

/// The path of a file: the configured `path`, relative to the project's folder, or
/// `exports/NAME.TYPE` below the target path.
pub(crate) fn output_path(
    target: &FileTarget,
    export: &str,
    project: &Utf8Path,
    target_path: &Utf8Path,
) -> Utf8PathBuf {
    match &target.path {
        Some(path) => project.join(path),
        None => target_path.join("exports").join(format!("{export}.{}", target.format.as_str())),
    }
}

/// The result of writing a file, or of a dry run.
pub(super) fn describe_written(
    path: &Utf8Path,
    rows: usize,
    columns: usize,
    job: &SinkJob<'_>,
) -> WrittenRows {
    let what = format!("{}, {}", count(rows, "row"), count(columns, "column"));
    let path = path.strip_prefix(job.project).unwrap_or(path);
    let message =
        if job.dry_run { format!("{path}: would get {what}") } else { format!("{path}: {what}") };
    WrittenRows { message, rows, cells: rows * columns, requests: 0 }
}

/// Writes a CSV file (RFC 4180, nulls are empty) or a JSON file (a list with an object per row).
/// Equal values give equal bytes, whatever engine they come from.
pub(crate) fn write_file(
    target: &FileTarget,
    table: &SinkTable,
    job: &SinkJob<'_>,
) -> Result<WrittenRows, SinkError> {
    let path = output_path(target, job.export_name, job.project, job.target_path);
    if !job.dry_run {
        let written = job.system.write_stream(&path, &mut |out| write_rows(out, table, target));
        written.map_err(SinkError::of_file)?;
    }
    Ok(describe_written(&path, table.rows.len(), table.columns.len(), job))
}

fn write_rows(out: &mut dyn Write, table: &SinkTable, target: &FileTarget) -> io::Result<()> {
    match target.format {
        ExportType::Json => write_json(out, table),
        _ => csv(out, table, target),
    }
}

fn csv(out: &mut dyn Write, table: &SinkTable, target: &FileTarget) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().delimiter(target.delimiter as u8).from_writer(out);
    if target.header {
        writer.write_record(table.columns.iter().map(|c| c.header.as_str()))?;
    }
    for row in &table.rows {
        writer.write_record(row.iter().map(Cell::display))?;
    }
    writer.flush()
}

pub(super) fn write_json(out: &mut dyn Write, table: &SinkTable) -> io::Result<()> {
    out.write_all(b"[")?;
    for (i, row) in table.rows.iter().enumerate() {
        let fields =
            table.columns.iter().zip(row).map(|(c, cell)| (c.header.clone(), value(cell, &c.kind)));
        let object = serde_json::Value::Object(fields.collect());
        write!(out, "{}\n{object}", if i == 0 { "" } else { "," })?;
    }
    out.write_all(b"\n]\n")
}

/// The JSON value of a cell. A decimal keeps all its digits: it is a number if a double can hold
/// them, otherwise a text. JSON stays JSON.
fn value(cell: &Cell, kind: &SqlType) -> serde_json::Value {
    match cell {
        // Some engines return JSON as text.
        Cell::Text(text) if *kind == SqlType::Json => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        Cell::Decimal(text) => match text.parse::<f64>() {
            Ok(number) if significant_digits(text) <= 15 => number.into(),
            _ => text.as_str().into(),
        },
        other => other.to_json(),
    }
}

/// The number of digits without zeros at both ends; a double can hold any 15.
pub(super) fn significant_digits(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::SinkColumn;

    fn table() -> SinkTable {
        let column = |name: &str| SinkColumn {
            name: name.to_owned(),
            header: name.to_uppercase(),
            kind: SqlType::Other("x".to_owned()),
            format: None,
        };
        SinkTable {
            columns: vec![column("a"), column("b")],
            rows: vec![
                vec![Cell::Int(1), Cell::Text("x, \"y\"\n=1".to_owned())],
                vec![Cell::Null, Cell::Decimal("12345678901234567.25".to_owned())],
            ],
        }
    }

    fn target(format: ExportType) -> FileTarget {
        FileTarget { format, path: None, columns: Vec::new(), header: true, delimiter: ',' }
    }

    #[test]
    fn text_is_quoted_and_nulls_are_empty() {
        let mut out = Vec::new();
        csv(&mut out, &table(), &target(ExportType::Csv)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "A,B\n1,\"x, \"\"y\"\"\n=1\"\n,12345678901234567.25\n"
        );
    }

    #[test]
    fn json_is_a_list_with_a_row_a_line() {
        let mut out = Vec::new();
        write_json(&mut out, &table()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 4);
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed[1], serde_json::json!({ "A": null, "B": "12345678901234567.25" }));
    }
}
