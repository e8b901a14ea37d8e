//! The previous state for comparisons: the artifacts in `--state`.

use crate::config::Json;
use std::collections::{HashMap, HashSet};

/// The sources that have newer data than in the earlier `sources.json`.
#[derive(Clone, Debug, Default)]
pub(crate) enum FresherSources {
    /// There is no earlier `sources.json`.
    #[default]
    NoPrevious,
    /// There is no `sources.json` below the target path.
    NoCurrent,
    Known(HashSet<String>),
}

/// The nodes of an earlier manifest, and the statuses of an earlier run, by unique id.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreviousState {
    pub(crate) nodes: HashMap<String, Json>,
    pub(crate) macros: HashMap<String, String>,
    pub(crate) statuses: HashMap<String, String>,
    pub(crate) fresher: FresherSources,
    /// When the artifacts were read.
    pub(crate) read_at: Option<jiff::Timestamp>,
}

/// The load time of the newest row of each source; sources that could not be measured are left out.
fn load_times(sources: &Json) -> HashMap<String, String> {
    let results = sources.get("results").and_then(Json::as_array);
    results
        .into_iter()
        .flatten()
        .filter_map(|r| Some((text_of(r, "unique_id")?, text_of(r, "max_loaded_at")?)))
        .collect()
}

fn text_of(result: &Json, key: &str) -> Option<String> {
    result.get(key).and_then(Json::as_str).map(str::to_owned)
}

fn later(new: &str, old: &str) -> bool {
    match (new.parse::<jiff::Timestamp>(), old.parse::<jiff::Timestamp>()) {
        (Ok(new), Ok(old)) => new > old,
        _ => new > old,
    }
}

impl PreviousState {
    /// Reads the parsed artifacts, either of which may be missing.
    pub(crate) fn new(manifest: Option<&Json>, run_results: Option<&Json>) -> PreviousState {
        let mut state = PreviousState::default();
        for section in [
            "nodes",
            "sources",
            "exposures",
            "unit_tests",
            "functions",
            "metrics",
            "semantic_models",
            "saved_queries",
        ] {
            for (id, node) in manifest
                .and_then(|m| m.get(section))
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
            {
                // Exports are written to artifacts as exposures.
                let export = node.pointer("/meta/strata_export").is_some();
                let name = id.strip_prefix("exposure.").filter(|_| export);
                state.nodes.insert(
                    name.map_or_else(|| id.clone(), |n| format!("export.{n}")),
                    node.clone(),
                );
            }
        }
        for (id, def) in
            manifest.and_then(|m| m.get("macros")).and_then(Json::as_object).into_iter().flatten()
        {
            let sql = def.get("macro_sql").and_then(Json::as_str).unwrap_or_default();
            state.macros.insert(id.clone(), sql.trim().to_owned());
        }
        for result in run_results
            .and_then(|r| r.get("results"))
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            if let (Some(id), Some(status)) = (
                result.get("unique_id").and_then(Json::as_str),
                result.get("status").and_then(Json::as_str),
            ) {
                let export = id.strip_prefix("exposure.").map(|n| format!("export.{n}"));
                let id =
                    export.filter(|e| state.nodes.contains_key(e)).unwrap_or_else(|| id.to_owned());
                state.statuses.insert(id, status.to_owned());
            }
        }
        state
    }

    /// Compares the earlier `sources.json` with the current one.
    pub(crate) fn with_sources(
        mut self,
        previous: Option<&Json>,
        current: Option<&Json>,
    ) -> PreviousState {
        self.fresher = match (previous, current) {
            (None, _) => FresherSources::NoPrevious,
            (Some(_), None) => FresherSources::NoCurrent,
            (Some(previous), Some(current)) => {
                let before = load_times(previous);
                let mut now = load_times(current);
                now.retain(|id, at| before.get(id).is_none_or(|old| later(at, old)));
                FresherSources::Known(now.into_keys().collect())
            }
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sources_with_newer_rows_are_fresher() {
        let of = |rows: &[(&str, &str)]| {
            let results =
                rows.iter().map(|(id, at)| json!({ "unique_id": id, "max_loaded_at": at }));
            json!({ "results": results.collect::<Vec<_>>() })
        };
        let old = of(&[("a", "2024-01-01T00:00:00+00:00"), ("b", "2024-01-01T00:00:00+00:00")]);
        let new = of(&[
            ("a", "2024-01-01T00:00:00+00:00"),
            ("b", "2024-01-01T00:00:00.5+00:00"),
            ("c", "x"),
        ]);
        let state = PreviousState::new(None, None).with_sources(Some(&old), Some(&new));
        let FresherSources::Known(fresher) = state.fresher else { panic!("{:?}", state.fresher) };
        let mut fresher: Vec<String> = fresher.into_iter().collect();
        fresher.sort();
        assert_eq!(fresher, ["b", "c"]);
    }
}
