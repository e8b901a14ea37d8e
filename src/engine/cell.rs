//! Values of query results, common to all engines.

use super::ExistingColumn;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Exact numbers that fit neither `i64` nor `f64`: decimals and huge integers.
    Decimal(String),
    Text(String),
    /// ISO text: `2024-01-31`, `2024-01-31 10:00:00.5`, `10:00:00`.
    Date(String),
    Timestamp(String),
    Time(String),
    /// Lists, structs and maps, as JSON.
    Json(Box<serde_json::Value>),
}

impl Cell {
    /// The value as users see it; null is empty.
    pub(crate) fn display(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Bool(b) => b.to_string(),
            Cell::Int(i) => i.to_string(),
            Cell::Float(f) => f.to_string(),
            Cell::Decimal(s)
            | Cell::Text(s)
            | Cell::Date(s)
            | Cell::Timestamp(s)
            | Cell::Time(s) => s.clone(),
            Cell::Json(j) => j.to_string(),
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Cell::Null => Json::Null,
            Cell::Bool(b) => Json::Bool(*b),
            Cell::Int(i) => Json::from(*i),
            Cell::Float(f) => Json::from(*f),
            // Whole numbers keep all their digits.
            Cell::Decimal(s) if !s.contains(['.', 'e', 'E']) => {
                s.parse().map_or_else(|_| Json::String(s.clone()), Json::Number)
            }
            Cell::Decimal(s) => {
                s.parse::<f64>().map_or_else(|_| Json::String(s.clone()), Json::from)
            }
            Cell::Text(s) | Cell::Date(s) | Cell::Timestamp(s) | Cell::Time(s) => {
                Json::String(s.clone())
            }
            Cell::Json(j) => (**j).clone(),
        }
    }

    /// Whether the value is a number without a fraction.
    pub(crate) fn is_whole(&self) -> bool {
        match self {
            Cell::Int(_) | Cell::Bool(_) => true,
            Cell::Float(f) => f.fract() == 0.0,
            Cell::Decimal(s) => {
                s.split_once('.').is_none_or(|(_, rest)| rest.bytes().all(|b| b == b'0'))
            }
            _ => false,
        }
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        match self {
            Cell::Int(i) => Some(*i),
            Cell::Float(f) => Some(*f as i64),
            Cell::Decimal(s) => {
                let whole = s.split_once('.').map_or(s.as_str(), |(whole, _)| whole);
                whole.parse().ok().or_else(|| s.parse::<f64>().ok().map(|f| f as i64))
            }
            Cell::Bool(b) => Some(i64::from(*b)),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Cell::Bool(b) => *b,
            other => other.as_i64().is_some_and(|i| i != 0),
        }
    }
}

/// Fetched rows with their columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<ExistingColumn>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decimal(text: &str) -> Cell {
        Cell::Decimal(text.to_owned())
    }

    #[test]
    fn cells_as_json_and_text() {
        for (cell, expected, shown) in [
            (Cell::Null, json!(null), ""),
            (Cell::Bool(true), json!(true), "true"),
            (Cell::Int(-7), json!(-7), "-7"),
            (Cell::Float(1.5), json!(1.5), "1.5"),
            (decimal("1.50"), json!(1.5), "1.50"),
            (decimal("1e3"), json!(1000.0), "1e3"),
            (decimal("NaN"), json!("NaN"), "NaN"),
            (Cell::Text("a".to_owned()), json!("a"), "a"),
            (Cell::Date("2024-01-31".to_owned()), json!("2024-01-31"), "2024-01-31"),
            (Cell::Json(Box::new(json!([1]))), json!([1]), "[1]"),
        ] {
            assert_eq!(cell.to_json(), expected, "{cell:?}");
            assert_eq!(cell.display(), shown, "{cell:?}");
        }
        let long = "123456789012345678901234567890";
        assert_eq!(decimal(long).to_json().to_string(), long, "no digit is lost");
    }

    #[test]
    fn cells_as_numbers() {
        for (cell, number, is_whole) in [
            (Cell::Int(3), Some(3), true),
            (Cell::Bool(true), Some(1), true),
            (Cell::Float(2.5), Some(2), false),
            (Cell::Float(2.0), Some(2), true),
            (decimal("9007199254740993"), Some(9_007_199_254_740_993), true),
            (decimal("7.00"), Some(7), true),
            (decimal("7.01"), Some(7), false),
            (decimal("1e3"), Some(1000), true),
            (Cell::Text("3".to_owned()), None, false),
            (Cell::Null, None, false),
        ] {
            assert_eq!((cell.as_i64(), cell.is_whole()), (number, is_whole), "{cell:?}");
        }
        let trues = [Cell::Bool(true), Cell::Int(2), decimal("1"), Cell::Bool(false), Cell::Int(0)];
        assert_eq!(trues.map(|cell| cell.is_true()), [true, true, true, false, false]);
        assert!(!Cell::Null.is_true());
    }
}
