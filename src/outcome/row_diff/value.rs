//! Cells as Python prints them, and their order.

use crate::config::float_text;
use crate::decimal::Decimal;
use crate::engine::Cell;
use jiff::civil::{Date, DateTime};
use std::cmp::Ordering;

/// A value in both of its printed forms.
#[derive(Clone, Debug)]
pub(super) struct DiffValue {
    /// As `str()` prints it; `None` for null.
    plain: Option<String>,
    /// In rows that one side lacks, where numbers and times are printed as `repr()` does.
    alone: Option<String>,
}

impl DiffValue {
    pub(super) fn text(text: &str) -> DiffValue {
        DiffValue { plain: Some(text.to_owned()), alone: None }
    }

    pub(super) fn from_cell(cell: &Cell) -> DiffValue {
        let (plain, alone) = match cell {
            Cell::Null => return DiffValue { plain: None, alone: Some("null".to_owned()) },
            Cell::Bool(true) => ("True".to_owned(), Some("true".to_owned())),
            Cell::Bool(false) => ("False".to_owned(), Some("false".to_owned())),
            Cell::Int(i) => (i.to_string(), None),
            Cell::Float(f) => decimal_forms(&float_text(*f)),
            Cell::Decimal(text) => decimal_forms(text),
            Cell::Date(text) => (text.clone(), date_repr(text)),
            Cell::Timestamp(text) => timestamp_forms(text),
            Cell::Time(text) => (with_micros(text), None),
            Cell::Text(text) => (text.clone(), None),
            Cell::Json(json) => (crate::jinja::python_json(json, false), None),
        };
        DiffValue { plain: Some(plain), alone }
    }

    /// The text that rows are matched by: null is empty.
    pub(super) fn key(&self) -> &str {
        self.plain.as_deref().unwrap_or_default()
    }

    /// The text that is compared: null equals the text `None`.
    fn compared(&self) -> &str {
        self.plain.as_deref().unwrap_or("None")
    }

    pub(super) fn equals(&self, other: &DiffValue) -> bool {
        self.compared() == other.compared()
    }

    /// The text on one side of an arrow. A text that reads `NULL` gets an underscore more.
    pub(super) fn beside_arrow(&self) -> String {
        let text = self.compared();
        match text {
            "None" => "NULL".to_owned(),
            _ if text.trim_start_matches('_') == "NULL" => format!("_{text}"),
            _ => text.to_owned(),
        }
    }

    pub(super) fn in_context(&self) -> &str {
        self.plain.as_deref().unwrap_or("NULL")
    }

    pub(super) fn alone(&self) -> &str {
        self.alone.as_deref().unwrap_or_else(|| self.key())
    }
}

fn decimal_forms(text: &str) -> (String, Option<String>) {
    match Decimal::parse(text) {
        Some(decimal) => (decimal.to_string(), Some(format!("Decimal('{decimal}')"))),
        None => (text.to_owned(), None),
    }
}

fn date_repr(text: &str) -> Option<String> {
    let date: Date = text.parse().ok()?;
    Some(format!("datetime.date({}, {}, {})", date.year(), date.month(), date.day()))
}

/// A time's text whose fraction has six digits or is absent.
fn with_micros(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, fraction)) => {
            let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
            if digits == "000000" { whole.to_owned() } else { format!("{whole}.{digits}") }
        }
        None => text.to_owned(),
    }
}

fn timestamp_forms(text: &str) -> (String, Option<String>) {
    const UTC: &str = "+00:00";
    let (civil, zone) = match text.strip_suffix(UTC) {
        Some(civil) => (civil, UTC),
        None => (text, ""),
    };
    let Ok(at) = civil.parse::<DateTime>() else { return (text.to_owned(), None) };
    let micros = at.subsec_nanosecond() / 1000;
    let mut repr =
        format!("{}, {}, {}, {}, {}", at.year(), at.month(), at.day(), at.hour(), at.minute());
    if at.second() != 0 || micros != 0 {
        repr.push_str(&format!(", {}", at.second()));
    }
    if micros != 0 {
        repr.push_str(&format!(", {micros}"));
    }
    if !zone.is_empty() {
        repr.push_str(", tzinfo=datetime.timezone.utc");
    }
    (format!("{}{zone}", with_micros(civil)), Some(format!("datetime.datetime({repr})")))
}

/// The order of rows by their cells from the first to the last.
pub(super) fn compare_rows(a: &[Cell], b: &[Cell]) -> Ordering {
    let unequal = a.iter().zip(b).map(|(a, b)| compare_cells(a, b)).find(|order| order.is_ne());
    unequal.unwrap_or(Ordering::Equal)
}

/// Nulls come last; the cells of a column are of one type.
fn compare_cells(a: &Cell, b: &Cell) -> Ordering {
    match (a, b) {
        (Cell::Null, _) | (_, Cell::Null) => (*a == Cell::Null).cmp(&(*b == Cell::Null)),
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.compare(&b).unwrap_or(Ordering::Equal),
            _ => DiffValue::from_cell(a).key().cmp(DiffValue::from_cell(b).key()),
        },
    }
}

fn number(cell: &Cell) -> Option<Decimal> {
    match cell {
        Cell::Int(i) => Some(Decimal::from_int(*i)),
        Cell::Float(f) => Decimal::parse(&float_text(*f)),
        Cell::Decimal(text) => Decimal::parse(text),
        _ => None,
    }
}
