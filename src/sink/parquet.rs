//! Parquet files, which an engine that reads and writes files makes.

use super::files::{json, path_of, told};
use super::{Job, SinkError, SinkTable, Written};
use crate::config::FileTarget;
use crate::engine::{Dialect, Fetch, Warehouse};
use crate::source::SqlText;
use camino::Utf8Path;
use std::io;

/// Writes a Parquet file by `engine`, a scratch database: the rows go there by way of a file.
pub(crate) fn write_parquet(
    target: &FileTarget,
    table: &SinkTable,
    job: &Job<'_>,
    engine: &mut dyn Warehouse,
) -> Result<Written, SinkError> {
    let path = path_of(target, job.export, job.project, job.target_path);
    if job.dry_run {
        return Ok(told(&path, table.rows.len(), table.columns.len(), job));
    }
    let folder = job.target_path.join("exports");
    let (rows, made) = (
        folder.join(format!(".{}.rows", job.export)),
        folder.join(format!(".{}.parquet", job.export)),
    );
    let result = convert(table, job, engine, (&rows, &made, &path));
    for left in [&rows, &made] {
        let _ = job.system.remove(left);
    }
    result.map(|()| told(&path, table.rows.len(), table.columns.len(), job))
}

fn convert(
    table: &SinkTable,
    job: &Job<'_>,
    engine: &mut dyn Warehouse,
    (rows, made, path): (&Utf8Path, &Utf8Path, &Utf8Path),
) -> Result<(), SinkError> {
    let failed = |e: crate::system::SystemError| SinkError::new(e.to_string());
    job.system.write_stream(rows, &mut |out| json(out, table)).map_err(failed)?;
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|c| {
            format!("{}: {}", Dialect::literal(&c.header), Dialect::literal(type_of(&c.data_type)))
        })
        .collect();
    // The file of rows is a list; a value may be as large as it is.
    let sql = format!(
        "copy (select * from read_json({}, columns = {{{}}}, format = 'array', maximum_object_size = 1073741824)) to {} \
         (format parquet, compression zstd)",
        Dialect::literal(rows.as_str()),
        columns.join(", "),
        Dialect::literal(made.as_str())
    );
    engine.run(&SqlText::from(sql), Fetch::Nothing).map_err(|e| SinkError::new(e.message))?;
    let mut input = job.system.open(made).map_err(failed)?;
    job.system.write_stream(path, &mut |out| io::copy(&mut input, out).map(|_| ())).map_err(failed)
}

/// A type of the source as the scratch database calls it. A `numeric` without a precision becomes a
/// double.
fn type_of(data_type: &str) -> &str {
    let lower = data_type.to_ascii_lowercase();
    let base = lower.split('(').next().unwrap_or_default().trim();
    if lower.ends_with("[]")
        || lower.starts_with("struct")
        || lower.starts_with("map")
        || lower.starts_with("list")
    {
        return "JSON";
    }
    match base {
        "boolean"
        | "tinyint"
        | "smallint"
        | "integer"
        | "bigint"
        | "hugeint"
        | "utinyint"
        | "usmallint"
        | "uinteger"
        | "ubigint"
        | "float"
        | "double"
        | "date"
        | "timestamp with time zone" => data_type,
        "real" => "FLOAT",
        "double precision" => "DOUBLE",
        "decimal" | "numeric" if lower.contains('(') => data_type,
        "decimal" | "numeric" => "DOUBLE",
        "timestamp" if lower.ends_with("with time zone") => "TIMESTAMPTZ",
        "timestamp" | "timestamp without time zone" => "TIMESTAMP",
        "time" | "time without time zone" => "TIME",
        "json" | "jsonb" => "JSON",
        _ => "VARCHAR",
    }
}

#[cfg(test)]
mod tests {
    use super::type_of;

    #[test]
    fn types_of_both_engines() {
        let pairs = [
            ("DECIMAL(18,2)", "DECIMAL(18,2)"),
            ("numeric", "DOUBLE"),
            ("timestamp(3) with time zone", "TIMESTAMPTZ"),
            ("timestamp without time zone", "TIMESTAMP"),
            ("character varying(10)", "VARCHAR"),
            ("integer[]", "JSON"),
            ("BIGINT", "BIGINT"),
        ];
        for (from, to) in pairs {
            assert_eq!(type_of(from), to, "{from}");
        }
    }
}
