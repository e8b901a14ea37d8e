//! Columns in properties files.

use super::UniqueId;
use crate::config::{Json, JsonMap};
use crate::source::Span;
use serde::{Deserialize, Serialize};

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
    /// The column's `config:`; `None` if it has none.
    pub(crate) config: Option<JsonMap>,
    /// The unique ids of the doc blocks that the description inserts, once it is rendered.
    #[serde(skip)]
    pub(crate) doc_blocks: Vec<UniqueId>,
    pub(crate) span: Option<Span>,
}

/// An entry of `tests:` or `data_tests:` as it is written. `column` is the index of its column;
/// `None`: it tests the node itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestSpec {
    pub(crate) definition: crate::config::Yaml,
    pub(crate) column: Option<usize>,
}
