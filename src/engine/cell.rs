//! Values of results, as every engine gives them.

use super::ExistingColumn;

/// A value of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Exact numbers that no `i64` or `f64` holds: decimals, huge integers.
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
    /// For people: null is empty.
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
            // Whole numbers are exact, however many digits they have.
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

    /// Whether it is a number without a fraction.
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
            Cell::Decimal(s) => s.parse::<f64>().ok().map(|f| f as i64),
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

/// Rows that were fetched.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<ExistingColumn>,
    pub(crate) rows: Vec<Vec<Cell>>,
}
