//! Postgres' type names (PostgreSQL documentation, "Data Types").

use crate::engine::types::{decimal_digits, split_type};
use crate::engine::{SqlType, TypeParts};

pub(super) fn parse_type(text: &str) -> SqlType {
    let (name, numbers) = split_type(text);
    if name.ends_with("[]") {
        return SqlType::Nested;
    }
    match name.as_str() {
        "boolean" | "bool" => SqlType::Boolean,
        "smallint" | "int2" | "smallserial" => SqlType::signed(16),
        "integer" | "int" | "int4" | "serial" => SqlType::signed(32),
        "bigint" | "int8" | "bigserial" => SqlType::signed(64),
        "real" | "float4" => SqlType::Float { bits: 32 },
        "double precision" | "float8" | "float" => SqlType::Float { bits: 64 },
        "numeric" | "decimal" => SqlType::Decimal { digits: decimal_digits(&numbers) },
        "text" | "character varying" | "varchar" | "character" | "char" | "bpchar" => {
            SqlType::Text { length: numbers.first().copied() }
        }
        "date" => SqlType::Date,
        "time" | "time without time zone" => SqlType::Time,
        "timestamp" | "timestamp without time zone" => {
            SqlType::Timestamp { zoned: false, nanos: false }
        }
        "timestamptz" | "timestamp with time zone" => {
            SqlType::Timestamp { zoned: true, nanos: false }
        }
        "json" | "jsonb" => SqlType::Json,
        _ => SqlType::Other(text.to_owned()),
    }
}

pub(super) fn write_type(kind: &SqlType) -> Option<String> {
    let name = match kind {
        SqlType::Boolean => "boolean",
        SqlType::Integer { bits: 0..=16, .. } => "smallint",
        SqlType::Integer { bits: 0..=32, signed: true } => "integer",
        SqlType::Integer { bits: 0..=64, signed: true } | SqlType::Integer { bits: 0..=32, .. } => {
            "bigint"
        }
        SqlType::Integer { .. } => "numeric",
        SqlType::Float { bits: 32 } => "real",
        SqlType::Float { .. } => "double precision",
        SqlType::Decimal { digits: Some((digits, scale)) } => {
            return Some(format!("numeric({digits},{scale})"));
        }
        SqlType::Decimal { digits: None } => "numeric",
        SqlType::Text { length: Some(length) } => {
            return Some(format!("character varying({length})"));
        }
        SqlType::Text { length: None } => "text",
        SqlType::Date => "date",
        SqlType::Time => "time without time zone",
        SqlType::Timestamp { zoned: false, .. } => "timestamp without time zone",
        SqlType::Timestamp { zoned: true, .. } => "timestamp with time zone",
        SqlType::Json | SqlType::Nested => "jsonb",
        SqlType::Other(_) => return None,
    };
    Some(name.to_owned())
}

/// Splits a type as `format_type` prints it into the parts that `information_schema.columns` has.
pub(super) fn type_parts(data_type: &str) -> TypeParts {
    let (precision, scale) = match data_type {
        "smallint" => (Some(16), Some(0)),
        "integer" => (Some(32), Some(0)),
        "bigint" => (Some(64), Some(0)),
        "real" => (Some(24), None),
        "double precision" => (Some(53), None),
        _ => (None, None),
    };
    let plain = TypeParts { name: data_type.to_owned(), length: None, precision, scale };
    let (Some(open), Some(close)) = (data_type.find('('), data_type.find(')')) else {
        return plain;
    };
    let name = format!("{}{}", &data_type[..open], &data_type[close + 1..]);
    let mut numbers = data_type[open + 1..close].split(',').map(|n| n.trim().parse::<i64>().ok());
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    match name.as_str() {
        "numeric" => TypeParts { name, length: None, precision: first, scale: second.or(Some(0)) },
        "character varying" | "character" => {
            TypeParts { name, length: first, ..TypeParts::default() }
        }
        _ => TypeParts { name, ..TypeParts::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double precision",
            "numeric",
            "numeric(10,2)",
            "text",
            "character varying(20)",
            "date",
            "time without time zone",
            "timestamp without time zone",
            "timestamp with time zone",
            "jsonb",
        ] {
            assert_eq!(write_type(&parse_type(text)).as_deref(), Some(text));
        }
        assert_eq!(
            parse_type("timestamp(3) with time zone"),
            SqlType::Timestamp { zoned: true, nanos: false }
        );
        assert_eq!(parse_type("integer[]"), SqlType::Nested);
    }

    #[test]
    fn sizes() {
        assert_eq!(type_parts("character varying(20)").length, Some(20));
        assert_eq!(type_parts("numeric(10)").scale, Some(0));
        assert_eq!(type_parts("timestamp(3) with time zone").name, "timestamp with time zone");
    }
}
