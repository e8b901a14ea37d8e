//! Saved queries and filters.

use super::item::{ItemProblem, QueryItem, parse_filter};
use super::types::PlacedText;
use super::words::ExportedAs;
use crate::config::JsonMap;
use crate::source::Span;

/// A condition in SQL, in which dimensions and entities are named by calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WhereFilter {
    pub(crate) sql: PlacedText,
    /// The calls in it, in their order.
    pub(crate) items: Result<Vec<QueryItem>, ItemProblem>,
}

impl WhereFilter {
    pub(crate) fn new(text: String, span: Span) -> WhereFilter {
        WhereFilter { items: parse_filter(&text), sql: PlacedText { text, span } }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SavedQuery {
    pub(crate) label: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metrics: Vec<PlacedText>,
    pub(crate) group_by: Vec<PlacedText>,
    pub(crate) filter: Option<Vec<WhereFilter>>,
    pub(crate) order_by: Vec<PlacedText>,
    pub(crate) limit: Option<(i64, Span)>,
    pub(crate) exports: Vec<ExportPlan>,
}

/// A table or view that a saved query is to be written to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExportPlan {
    pub(crate) name: PlacedText,
    pub(crate) exported_as: ExportedAs,
    pub(crate) schema: Option<String>,
    pub(crate) alias: Option<String>,
    pub(crate) database: Option<String>,
    /// The config as it is written.
    pub(crate) written: JsonMap,
}
