//! DuckDB's type names (DuckDB documentation, "Data Types").

use crate::engine::types::{decimal_digits, split_type};
use crate::engine::{SqlType, TypeParts};

pub(super) fn parse_type(text: &str) -> SqlType {
    let (name, numbers) = split_type(text);
    if name.ends_with(']') || ["struct", "map", "union", "list"].iter().any(|n| name.starts_with(n))
    {
        return SqlType::Nested;
    }
    match name.as_str() {
        "boolean" | "bool" | "logical" => SqlType::Boolean,
        "tinyint" | "int1" => SqlType::signed(8),
        "smallint" | "int2" | "short" => SqlType::signed(16),
        "integer" | "int" | "int4" | "signed" => SqlType::signed(32),
        "bigint" | "int8" | "long" => SqlType::signed(64),
        "hugeint" => SqlType::signed(128),
        "utinyint" => SqlType::unsigned(8),
        "usmallint" => SqlType::unsigned(16),
        "uinteger" => SqlType::unsigned(32),
        "ubigint" => SqlType::unsigned(64),
        "uhugeint" => SqlType::unsigned(128),
        "float" | "float4" | "real" => SqlType::Float { bits: 32 },
        "double" | "float8" | "double precision" => SqlType::Float { bits: 64 },
        "decimal" | "numeric" => SqlType::Decimal { digits: decimal_digits(&numbers) },
        "varchar" | "text" | "char" | "bpchar" | "string" => SqlType::Text { length: None },
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" | "datetime" | "timestamp_s" | "timestamp_ms" => {
            SqlType::Timestamp { zoned: false, nanos: false }
        }
        "timestamp_ns" => SqlType::Timestamp { zoned: false, nanos: true },
        "timestamptz" | "timestamp with time zone" => {
            SqlType::Timestamp { zoned: true, nanos: false }
        }
        "json" => SqlType::Json,
        _ => SqlType::Other(text.to_owned()),
    }
}

pub(super) fn write_type(kind: &SqlType) -> Option<String> {
    let name = match kind {
        SqlType::Boolean => "BOOLEAN",
        SqlType::Integer { bits, signed } => match (bits, signed) {
            (0..=8, true) => "TINYINT",
            (0..=16, true) => "SMALLINT",
            (0..=32, true) => "INTEGER",
            (0..=64, true) => "BIGINT",
            (_, true) => "HUGEINT",
            (0..=8, false) => "UTINYINT",
            (0..=16, false) => "USMALLINT",
            (0..=32, false) => "UINTEGER",
            (0..=64, false) => "UBIGINT",
            (_, false) => "UHUGEINT",
        },
        SqlType::Float { bits: 32 } => "FLOAT",
        SqlType::Float { .. } => "DOUBLE",
        SqlType::Decimal { digits: Some((digits, scale)) } => {
            return Some(format!("DECIMAL({digits},{scale})"));
        }
        // A number without a declared precision fits no decimal type of DuckDB.
        SqlType::Decimal { digits: None } => "DOUBLE",
        SqlType::Text { .. } => "VARCHAR",
        SqlType::Date => "DATE",
        SqlType::Time => "TIME",
        SqlType::Timestamp { zoned: true, .. } => "TIMESTAMPTZ",
        SqlType::Timestamp { nanos: true, .. } => "TIMESTAMP_NS",
        SqlType::Timestamp { .. } => "TIMESTAMP",
        SqlType::Json | SqlType::Nested => "JSON",
        SqlType::Other(_) => return None,
    };
    Some(name.to_owned())
}

/// Precision and scale as in `information_schema.columns`.
pub(super) fn type_parts(data_type: &str) -> TypeParts {
    let (precision, scale) = match data_type {
        "TINYINT" | "UTINYINT" => (Some(8), Some(0)),
        "SMALLINT" | "USMALLINT" => (Some(16), Some(0)),
        "INTEGER" | "UINTEGER" => (Some(32), Some(0)),
        "BIGINT" | "UBIGINT" => (Some(64), Some(0)),
        "HUGEINT" | "UHUGEINT" => (Some(128), Some(0)),
        "FLOAT" => (Some(24), Some(0)),
        "DOUBLE" => (Some(53), Some(0)),
        other => {
            let inner = other.strip_prefix("DECIMAL(").and_then(|r| r.strip_suffix(')'));
            let mut numbers =
                inner.unwrap_or_default().split(',').map(|n| n.trim().parse::<i64>().ok());
            (numbers.next().flatten(), numbers.next().flatten())
        }
    };
    TypeParts { name: data_type.to_owned(), length: None, precision, scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "HUGEINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "UBIGINT",
            "FLOAT",
            "DOUBLE",
            "VARCHAR",
            "DECIMAL(18,2)",
            "DATE",
            "TIME",
            "TIMESTAMP",
            "TIMESTAMPTZ",
            "JSON",
        ] {
            assert_eq!(write_type(&parse_type(text)).as_deref(), Some(text));
        }
        assert_eq!(parse_type("INTEGER[]"), SqlType::Nested);
        assert_eq!(parse_type("STRUCT(a INTEGER)"), SqlType::Nested);
        assert_eq!(write_type(&parse_type("GEOMETRY")), None);
    }

    #[test]
    fn sizes() {
        let parts = type_parts("DECIMAL(18,2)");
        assert_eq!((parts.precision, parts.scale), (Some(18), Some(2)));
    }
}
