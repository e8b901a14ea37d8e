//! Columns as properties files describe them.

use crate::config::{Json, JsonMap};
use crate::source::Span;
use serde::{Deserialize, Serialize};

/// A column entry of a properties file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) data_type: Option<String>,
    pub(crate) meta: JsonMap,
    pub(crate) tags: Vec<String>,
    pub(crate) quote: Option<bool>,
    pub(crate) constraints: Vec<Json>,
    pub(crate) granularity: Option<String>,
    /// `config:` of the column, where it was written.
    pub(crate) config: Option<JsonMap>,
    pub(crate) span: Option<Span>,
}

/// An entry of `tests:` or `data_tests:`, as written, before it becomes nodes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestSpec {
    pub(crate) definition: crate::config::Yaml,
    pub(crate) column: Option<usize>,
}
