//! SQLite's type names. Any text is one, and its letters determine how values are stored (SQLite
//! documentation, "Datatypes In SQLite", 3.1 "Determination Of Column Affinity"). Type names of
//! other engines keep their meaning there, so that the declared type describes the column.

use crate::engine::types::{decimal_digits, split_type};
use crate::engine::{SqlType, TypeParts};

pub(super) fn parse_type(text: &str) -> SqlType {
    let (name, numbers) = split_type(text);
    match name.as_str() {
        "boolean" | "bool" => SqlType::Boolean,
        "tinyint" => SqlType::signed(8),
        "smallint" | "int2" => SqlType::signed(16),
        "int" | "integer" | "bigint" | "int4" | "int8" | "mediumint" => SqlType::signed(64),
        "real" | "double" | "double precision" | "float" | "float8" | "float4" => {
            SqlType::Float { bits: 64 }
        }
        "decimal" | "numeric" | "number" => SqlType::Decimal { digits: decimal_digits(&numbers) },
        "text" | "varchar" | "character varying" | "char" | "character" | "clob" | "string"
        | "uuid" => SqlType::Text { length: None },
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" | "datetime" | "timestamp without time zone" => {
            SqlType::Timestamp { zoned: false, nanos: false }
        }
        "timestamptz" | "timestamp with time zone" => {
            SqlType::Timestamp { zoned: true, nanos: false }
        }
        "json" | "jsonb" | "json text" => SqlType::Json,
        _ => SqlType::Other(text.to_owned()),
    }
}

pub(super) fn write_type(kind: &SqlType) -> Option<String> {
    let name = match kind {
        SqlType::Boolean => "BOOLEAN",
        SqlType::Integer { .. } => "INTEGER",
        SqlType::Float { .. } => "REAL",
        SqlType::Decimal { digits: Some((digits, scale)) } => {
            return Some(format!("DECIMAL({digits},{scale})"));
        }
        SqlType::Decimal { digits: None } => "NUMERIC",
        SqlType::Text { .. } => "TEXT",
        SqlType::Date => "DATE",
        SqlType::Time => "TIME",
        SqlType::Timestamp { zoned: false, .. } => "TIMESTAMP",
        SqlType::Timestamp { zoned: true, .. } => "TIMESTAMPTZ",
        // Without `TEXT` in its name, the type would make SQLite convert texts that look like
        // numbers.
        SqlType::Json | SqlType::Nested => "JSON TEXT",
        SqlType::Other(name) if name.trim().is_empty() => return None,
        SqlType::Other(name) if affinity_of(name) != "NUMERIC" => return Some(name.clone()),
        SqlType::Other(name) => return Some(format!("{name} TEXT")),
    };
    Some(name.to_owned())
}

/// The affinity of a declared type, as a type name that has it; empty for none (SQLite
/// documentation, "Datatypes In SQLite", 3.1).
pub(crate) fn affinity_of(declared: &str) -> &'static str {
    let name = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match () {
        () if has(&["INT"]) => "INTEGER",
        () if has(&["CHAR", "CLOB", "TEXT"]) => "TEXT",
        () if name.is_empty() || has(&["BLOB"]) => "",
        () if has(&["REAL", "FLOA", "DOUB"]) => "REAL",
        // All other names have numeric affinity.
        () => "NUMERIC",
    }
}

pub(super) fn type_parts(data_type: &str) -> TypeParts {
    let (name, numbers) = split_type(data_type);
    let mut numbers = numbers.into_iter().map(i64::from);
    let (first, second) = (numbers.next(), numbers.next());
    let plain = TypeParts { name: data_type.to_owned(), ..TypeParts::default() };
    match parse_type(data_type) {
        SqlType::Decimal { .. } => {
            TypeParts { name, length: None, precision: first, scale: second }
        }
        SqlType::Text { .. } => TypeParts { name, length: first, ..TypeParts::default() },
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "BOOLEAN",
            "INTEGER",
            "REAL",
            "TEXT",
            "DECIMAL(18,2)",
            "NUMERIC",
            "DATE",
            "TIME",
            "TIMESTAMP",
            "TIMESTAMPTZ",
            "JSON TEXT",
            "hstore TEXT",
            "BLOB",
        ] {
            assert_eq!(write_type(&parse_type(text)).as_deref(), Some(text));
        }
        assert_eq!(parse_type("varchar(20)"), SqlType::Text { length: None });
        assert_eq!(parse_type(""), SqlType::Other(String::new()));
        let own = |text: &str| write_type(&parse_type(text)).unwrap();
        assert_eq!([own("uuid"), own("jsonb"), own("inet")], ["TEXT", "JSON TEXT", "inet TEXT"]);
        assert_eq!(write_type(&parse_type("")), None);
        let decimal = type_parts("numeric(18,2)");
        let found = (decimal.name.as_str(), decimal.precision, decimal.scale, decimal.length);
        assert_eq!(found, ("numeric", Some(18), Some(2), None));
        let text = type_parts("varchar(9)");
        assert_eq!((text.name.as_str(), text.precision, text.length), ("varchar", None, Some(9)));
    }
}
