//! A previous state to compare with: the artifacts of `--state`.

use crate::config::Json;
use std::collections::HashMap;

/// Nodes of an earlier manifest, and statuses of an earlier run, by unique id.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreviousState {
    pub(crate) nodes: HashMap<String, Json>,
    pub(crate) macros: HashMap<String, String>,
    pub(crate) statuses: HashMap<String, String>,
}

impl PreviousState {
    /// From the parsed artifacts; either may be missing.
    pub(crate) fn new(manifest: Option<&Json>, run_results: Option<&Json>) -> PreviousState {
        let mut state = PreviousState::default();
        for section in ["nodes", "sources", "exposures", "unit_tests", "metrics", "semantic_models", "saved_queries"] {
            for (id, node) in manifest.and_then(|m| m.get(section)).and_then(Json::as_object).into_iter().flatten() {
                state.nodes.insert(id.clone(), node.clone());
            }
        }
        for (id, def) in manifest.and_then(|m| m.get("macros")).and_then(Json::as_object).into_iter().flatten() {
            let sql = def.get("macro_sql").and_then(Json::as_str).unwrap_or_default();
            state.macros.insert(id.clone(), sql.trim().to_owned());
        }
        for result in run_results.and_then(|r| r.get("results")).and_then(Json::as_array).into_iter().flatten() {
            if let (Some(id), Some(status)) =
                (result.get("unique_id").and_then(Json::as_str), result.get("status").and_then(Json::as_str))
            {
                state.statuses.insert(id.to_owned(), status.to_owned());
            }
        }
        state
    }
}
