//! Converts SQLite's values to cells, by the declared type of their column.

use crate::engine::{Cell, SqlType};
use rusqlite::types::ValueRef;

pub(super) fn decode_cell(value: ValueRef<'_>, kind: &SqlType) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(i @ (0 | 1)) if *kind == SqlType::Boolean => Cell::Bool(i == 1),
        ValueRef::Integer(i) => whole(i, kind),
        ValueRef::Real(f) => real(f, kind),
        ValueRef::Text(bytes) => text(String::from_utf8_lossy(bytes).into_owned(), kind),
        ValueRef::Blob(bytes) => Cell::Text(crate::hash::hex(bytes)),
    }
}

fn whole(value: i64, kind: &SqlType) -> Cell {
    match kind {
        SqlType::Decimal { digits: Some((_, scale)) } if *scale > 0 => {
            Cell::Decimal(format!("{value}.{}", "0".repeat(usize::from(*scale))))
        }
        SqlType::Float { .. } => Cell::Float(value as f64),
        _ => Cell::Int(value),
    }
}

/// Converts a double. SQLite has no decimals, so values of such a column are formatted with its
/// declared scale, unless that would change more than the last bits.
fn real(value: f64, kind: &SqlType) -> Cell {
    let SqlType::Decimal { digits: Some((_, scale)) } = kind else { return Cell::Float(value) };
    let text = format!("{value:.*}", usize::from(*scale));
    let rounded: f64 = text.parse().unwrap_or(f64::NAN);
    let is_same = (rounded - value).abs() <= 1e-9 * value.abs().max(1.0);
    if is_same { Cell::Decimal(text) } else { Cell::Float(value) }
}

fn text(value: String, kind: &SqlType) -> Cell {
    match kind {
        SqlType::Date => Cell::Date(value),
        SqlType::Time => Cell::Time(value),
        SqlType::Timestamp { .. } => Cell::Timestamp(value.replacen('T', " ", 1)),
        SqlType::Json => match serde_json::from_str(&value) {
            Ok(json) => Cell::Json(Box::new(json)),
            Err(_) => Cell::Text(value),
        },
        _ => Cell::Text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_say_what_a_value_is() {
        let money = SqlType::Decimal { digits: Some((18, 2)) };
        assert_eq!(decode_cell(ValueRef::Real(1.5), &money), Cell::Decimal("1.50".to_owned()));
        assert_eq!(
            decode_cell(ValueRef::Real(0.1 + 0.2), &money),
            Cell::Decimal("0.30".to_owned())
        );
        assert_eq!(
            decode_cell(ValueRef::Real(12.345), &money),
            Cell::Float(12.345),
            "as it is stored"
        );
        assert_eq!(decode_cell(ValueRef::Integer(2), &SqlType::Boolean), Cell::Int(2));
        assert_eq!(decode_cell(ValueRef::Integer(3), &money), Cell::Decimal("3.00".to_owned()));
        assert_eq!(decode_cell(ValueRef::Integer(1), &SqlType::Boolean), Cell::Bool(true));
        let stamp = SqlType::Timestamp { zoned: false, nanos: false };
        let value = ValueRef::Text(b"2024-01-31T10:00:00");
        assert_eq!(decode_cell(value, &stamp), Cell::Timestamp("2024-01-31 10:00:00".to_owned()));
        assert_eq!(
            decode_cell(value, &SqlType::Text { length: None }).display(),
            "2024-01-31T10:00:00"
        );
    }
}
