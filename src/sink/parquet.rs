//! Writes Parquet files, with an engine that can read and write files.

use super::files::{describe_written, output_path, write_json};
use super::{SinkError, SinkJob, SinkTable, WrittenRows};
use crate::config::FileTarget;
use crate::engine::{EngineSpec, ParquetFile, SqlType, Warehouse};
use camino::Utf8Path;
use std::io;

/// Writes a Parquet file with `engine`, a scratch database, which reads the rows from a temporary
/// file.
pub(crate) fn write_parquet(
    target: &FileTarget,
    table: &SinkTable,
    job: &SinkJob<'_>,
    engine: &mut dyn Warehouse,
) -> Result<WrittenRows, SinkError> {
    let path = output_path(target, job.export_name, job.project, job.target_path);
    if job.dry_run {
        return Ok(describe_written(&path, table.rows.len(), table.columns.len(), job));
    }
    let folder = job.target_path.join("exports");
    let (rows, made) = (
        folder.join(format!(".{}.rows", job.export_name)),
        folder.join(format!(".{}.parquet", job.export_name)),
    );
    let result = convert(table, job, engine, (&rows, &made, &path));
    for left in [&rows, &made] {
        let _ = job.system.remove(left);
    }
    result.map(|()| describe_written(&path, table.rows.len(), table.columns.len(), job))
}

fn convert(
    table: &SinkTable,
    job: &SinkJob<'_>,
    engine: &mut dyn Warehouse,
    (rows, made, path): (&Utf8Path, &Utf8Path, &Utf8Path),
) -> Result<(), SinkError> {
    job.system.write_stream(rows, &mut |out| write_json(out, table)).map_err(SinkError::of_file)?;
    let columns: Vec<(String, String)> = table
        .columns
        .iter()
        .map(|c| (c.header.clone(), type_of(&c.kind, engine.engine())))
        .collect();
    let file =
        ParquetFile { json_path: rows.as_str(), columns: &columns, parquet_path: made.as_str() };
    engine.write_parquet(&file).map_err(|e| SinkError::new(e.message))?;
    let mut input = job.system.open(made).map_err(SinkError::of_file)?;
    let copied = job.system.write_stream(path, &mut |out| io::copy(&mut input, out).map(|_| ()));
    copied.map_err(SinkError::of_file)
}

/// The scratch database's name for a type; text if it has none. A `numeric` without precision
/// becomes a double.
fn type_of(kind: &SqlType, engine: &EngineSpec) -> String {
    let text = SqlType::Text { length: None };
    let write = engine.types.write;
    write(kind).or_else(|| write(&text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::type_of;
    use crate::engine::{EngineSpec, duckdb, postgres};

    #[test]
    fn types_of_both_engines() {
        let of =
            |engine: &EngineSpec, text: &str| type_of(&(engine.types.read)(text), &duckdb::SPEC);
        for (from, to) in [
            ("DECIMAL(18,2)", "DECIMAL(18,2)"),
            ("BIGINT", "BIGINT"),
            ("INTEGER[]", "JSON"),
            ("INTERVAL", "VARCHAR"),
        ] {
            assert_eq!(of(&duckdb::SPEC, from), to, "{from}");
        }
        for (from, to) in [
            ("numeric", "DOUBLE"),
            ("timestamp(3) with time zone", "TIMESTAMPTZ"),
            ("timestamp without time zone", "TIMESTAMP"),
            ("character varying(10)", "VARCHAR"),
            ("integer[]", "JSON"),
        ] {
            assert_eq!(of(&postgres::SPEC, from), to, "{from}");
        }
    }
}
