//! The config of a node: the values that are set, their origins and dbt's defaults.

use super::ResourceType;
use crate::config::{Json, JsonMap};
use crate::source::Span;
use indexmap::IndexMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Where a value is set. In the root project later layers take precedence (semantics 1.19, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ConfigLayer {
    ProjectFile,
    Properties,
    InFile,
    RootProject,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigEntry {
    pub(crate) value: Json,
    pub(crate) layer: ConfigLayer,
    pub(crate) span: Option<Span>,
}

/// The values that are set. Readers fall back to the default of the node's type. Keys are in dbt's
/// spelling (`pre-hook`).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeConfig {
    entries: IndexMap<Arc<str>, ConfigEntry, foldhash::fast::RandomState>,
    /// The unrendered values, each of the last layer that set the key. dbt compares these between
    /// states.
    unrendered: JsonMap,
}

/// Keys whose mappings are merged instead of replaced.
const MERGED: &[&str] = &["meta", "quoting", "column_types", "docs", "contract"];
/// Keys whose lists are concatenated instead of replaced.
const APPENDED: &[&str] = &["tags", "packages", "pre-hook", "post-hook"];

pub(crate) fn canonical_key(key: &str) -> &str {
    match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        other => other,
    }
}

impl NodeConfig {
    /// A config with values of a single layer.
    #[cfg(test)]
    pub(crate) fn of(layer: ConfigLayer, entries: &[(&str, Json)]) -> NodeConfig {
        let mut config = NodeConfig::default();
        for (key, value) in entries {
            config.merge(key, value.clone(), layer, None);
        }
        config
    }

    /// Sets or merges a value (semantics 1.20). A `+` before a privilege in `grants` extends its
    /// grantees.
    pub(crate) fn merge(&mut self, key: &str, value: Json, layer: ConfigLayer, span: Option<Span>) {
        let written = value.clone();
        self.merge_unrendered(key, value, written, layer, span);
    }

    /// Like [`NodeConfig::merge`], with the value as it was before rendering.
    pub(crate) fn merge_unrendered(
        &mut self,
        key: &str,
        value: Json,
        written: Json,
        layer: ConfigLayer,
        span: Option<Span>,
    ) {
        // dbt normalizes the spelling of all layers except properties.
        let spelt = if layer == ConfigLayer::Properties { key } else { canonical_key(key) };
        self.unrendered.insert(spelt.to_owned(), written);
        let key = canonical_key(key);
        let value = shaped(key, value);
        let old = self.entries.get(key);
        let value = match (key, old.map(|e| &e.value), value) {
            (k, Some(Json::Object(old)), Json::Object(new)) if MERGED.contains(&k) => {
                let mut merged = old.clone();
                merged.extend(new);
                Json::Object(merged)
            }
            (k, Some(Json::Array(old)), Json::Array(new)) if APPENDED.contains(&k) => {
                Json::Array(old.iter().cloned().chain(new).collect())
            }
            ("grants", old, Json::Object(new)) => merge_grants(old.and_then(Json::as_object), new),
            (_, _, value) => value,
        };
        self.entries.insert(key.into(), ConfigEntry { value, layer, span });
    }

    /// Replaces a value that is set by another spelling of it.
    pub(crate) fn respell(&mut self, key: &str, value: Json) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.value = value;
        }
    }

    pub(crate) fn set_unrendered(&mut self, written: JsonMap) {
        self.unrendered = written;
    }

    /// Sets the unrendered value of a key, or removes it if `None`.
    pub(crate) fn restate(&mut self, key: &str, written: Option<Json>) {
        match written {
            Some(value) => self.unrendered.insert(key.to_owned(), value),
            None => self.unrendered.shift_remove(key),
        };
    }

    pub(crate) fn unrendered(&self) -> &JsonMap {
        &self.unrendered
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&ConfigEntry> {
        self.entries.get(canonical_key(key))
    }

    /// The value of a key. `None` if it is not set or null.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.entry(key).map(|e| &e.value).filter(|v| !v.is_null())
    }

    pub(crate) fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key).map(|v| match v {
            Json::String(s) => Cow::Borrowed(s.as_str()),
            other => Cow::Owned(crate::config::python_str(other)),
        })
    }

    /// The value of a boolean key. As dbt does with rendered values, texts such as `"true"` are
    /// accepted.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Json::Bool(b) => Some(*b),
            Json::String(s) => match s.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            Json::Number(n) => n.as_i64().map(|n| n != 0),
            _ => None,
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.flag("enabled").unwrap_or(true)
    }

    /// The texts of a key that takes one or several.
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Json::Array(items)) => items.iter().map(crate::config::python_str).collect(),
            Some(other) => vec![crate::config::python_str(other)],
            None => Vec::new(),
        }
    }

    pub(crate) fn map(&self, key: &str) -> Option<&JsonMap> {
        self.get(key).and_then(Json::as_object)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &ConfigEntry)> {
        self.entries.iter().map(|(k, v)| (&**k, v))
    }

    /// The effective value: the one that is set, else the default of the resource type.
    pub(crate) fn effective(&self, kind: ResourceType, key: &str) -> Option<Json> {
        let key = canonical_key(key);
        match self.entries.get(key) {
            Some(entry) => Some(entry.value.clone()),
            None => defaults(kind).into_iter().find(|(k, _)| *k == key).map(|(_, v)| v),
        }
    }

    /// All effective values: defaults in dbt's order, then the other values that are set.
    pub(crate) fn to_json(&self, kind: ResourceType) -> JsonMap {
        let mut out: JsonMap = defaults(kind).into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        for (key, entry) in self.iter() {
            out.insert(key.to_owned(), entry.value.clone());
        }
        complete(&mut out);
        out
    }
}

/// Adds what dbt derives from values that are given in part.
fn complete(config: &mut JsonMap) {
    if let Some(Json::Object(docs)) = config.get_mut("docs") {
        docs.entry("show").or_insert(Json::Bool(true));
        docs.entry("node_color").or_insert(Json::Null);
    }
    let stored = config.get("store_failures").and_then(Json::as_bool);
    if let (Some(stored), Some(form @ Json::Null)) = (stored, config.get_mut("store_failures_as")) {
        *form = Json::from(if stored { "table" } else { "ephemeral" });
    }
}

/// Normalizes a value: `tags: a` to a list, hooks to `{sql, transaction}`, `contract: true` to
/// `{enforced}`.
fn shaped(key: &str, value: Json) -> Json {
    match (key, value) {
        (k, Json::Null) if APPENDED.contains(&k) => Json::Array(Vec::new()),
        ("pre-hook" | "post-hook", value) => {
            let items = match value {
                Json::Array(items) => items,
                other => vec![other],
            };
            Json::Array(items.into_iter().map(hook).collect())
        }
        ("tags" | "packages", value @ Json::String(_)) => Json::Array(vec![value]),
        ("contract", Json::Bool(b)) => serde_json::json!({ "enforced": b }),
        (_, value) => value,
    }
}

/// Normalizes a hook, which may be SQL, JSON text or a mapping, to `{sql, transaction}`.
fn hook(value: Json) -> Json {
    let map = match value {
        Json::String(text) => match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(map)) if map.contains_key("sql") => map,
            _ => return serde_json::json!({ "sql": text, "transaction": true, "index": null }),
        },
        Json::Object(map) => map,
        other => {
            return serde_json::json!({ "sql": crate::config::python_str(&other), "transaction": true, "index": null });
        }
    };
    let sql = map.get("sql").cloned().unwrap_or_default();
    let transaction = map.get("transaction").cloned().unwrap_or(Json::Bool(true));
    serde_json::json!({ "sql": sql, "transaction": transaction, "index": null })
}

fn merge_grants(old: Option<&JsonMap>, new: JsonMap) -> Json {
    let mut out = old.cloned().unwrap_or_default();
    for (key, value) in new {
        let grantees = grantees_of(&value);
        match key.strip_prefix('+') {
            Some(privilege) => {
                let mut all = out.get(privilege).map(grantees_of).unwrap_or_default();
                all.extend(grantees);
                out.insert(privilege.to_owned(), Json::Array(all));
            }
            None => {
                out.insert(key, Json::Array(grantees));
            }
        }
    }
    Json::Object(out)
}

fn grantees_of(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => items.clone(),
        Json::Null => Vec::new(),
        other => vec![other.clone()],
    }
}

/// The defaults that models, seeds and snapshots have in common.
fn relation_defaults(materialized: &str) -> Vec<(&'static str, Json)> {
    vec![
        ("enabled", Json::Bool(true)),
        ("alias", Json::Null),
        ("schema", Json::Null),
        ("database", Json::Null),
        ("tags", Json::Array(Vec::new())),
        ("meta", Json::Object(JsonMap::new())),
        ("group", Json::Null),
        ("materialized", Json::from(materialized)),
        ("incremental_strategy", Json::Null),
        ("batch_size", Json::Null),
        ("lookback", Json::from(1)),
        ("begin", Json::Null),
        ("persist_docs", Json::Object(JsonMap::new())),
        ("post-hook", Json::Array(Vec::new())),
        ("pre-hook", Json::Array(Vec::new())),
        ("quoting", Json::Object(JsonMap::new())),
        ("column_types", Json::Object(JsonMap::new())),
        ("full_refresh", Json::Null),
        ("unique_key", Json::Null),
        ("on_schema_change", Json::from("ignore")),
        ("on_configuration_change", Json::from("apply")),
        ("grants", Json::Object(JsonMap::new())),
        ("packages", Json::Array(Vec::new())),
        ("docs", serde_json::json!({ "show": true, "node_color": null })),
        ("contract", serde_json::json!({ "enforced": false, "alias_types": true })),
        ("event_time", Json::Null),
        ("concurrent_batches", Json::Null),
        ("static_analysis", Json::Null),
    ]
}

/// The defaults of dbt 1.11, in the order of its artifacts.
/// The defaults of the semantic layer.
fn layer_defaults(kind: ResourceType) -> Vec<(&'static str, Json)> {
    let mut all = vec![
        ("enabled", Json::from(true)),
        ("group", Json::Null),
        ("meta", Json::Object(JsonMap::new())),
    ];
    if kind == ResourceType::SavedQuery {
        all.push(("export_as", Json::Null));
        all.push(("schema", Json::Null));
        all.push(("cache", serde_json::json!({ "enabled": false })));
    }
    all
}

fn defaults(kind: ResourceType) -> Vec<(&'static str, Json)> {
    match kind {
        ResourceType::Model => {
            let mut all = relation_defaults("view");
            all.push(("access", Json::from("protected")));
            all.push(("freshness", Json::Null));
            all
        }
        ResourceType::Seed => {
            let mut all = relation_defaults("seed");
            all.push(("delimiter", Json::from(",")));
            all.push(("quote_columns", Json::Null));
            all
        }
        ResourceType::Snapshot => {
            let mut all = relation_defaults("snapshot");
            all.extend([
                ("strategy", Json::Null),
                ("target_schema", Json::Null),
                ("target_database", Json::Null),
                ("updated_at", Json::Null),
                ("check_cols", Json::Null),
                ("snapshot_meta_column_names", serde_json::json!({
                    "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null, "dbt_updated_at": null, "dbt_is_deleted": null,
                })),
                ("dbt_valid_to_current", Json::Null),
            ]);
            all
        }
        ResourceType::Test => vec![
            ("enabled", Json::Bool(true)),
            ("alias", Json::Null),
            ("schema", Json::from("dbt_test__audit")),
            ("database", Json::Null),
            ("tags", Json::Array(Vec::new())),
            ("meta", Json::Object(JsonMap::new())),
            ("group", Json::Null),
            ("materialized", Json::from("test")),
            ("severity", Json::from("ERROR")),
            ("store_failures", Json::Null),
            ("store_failures_as", Json::Null),
            ("where", Json::Null),
            ("limit", Json::Null),
            ("fail_calc", Json::from("count(*)")),
            ("warn_if", Json::from("!= 0")),
            ("error_if", Json::from("!= 0")),
            ("static_analysis", Json::Null),
        ],
        ResourceType::Source => vec![
            ("enabled", Json::Bool(true)),
            ("static_analysis", Json::Null),
            ("event_time", Json::Null),
            ("freshness", super::FreshnessThreshold::default().to_json()),
            ("loaded_at_field", Json::Null),
            ("loaded_at_query", Json::Null),
            ("meta", Json::Object(JsonMap::new())),
            ("tags", Json::Array(Vec::new())),
        ],
        ResourceType::Exposure | ResourceType::Export => vec![
            ("enabled", Json::Bool(true)),
            ("tags", Json::Array(Vec::new())),
            ("meta", Json::Object(JsonMap::new())),
        ],
        ResourceType::Metric | ResourceType::SemanticModel | ResourceType::SavedQuery => {
            layer_defaults(kind)
        }
        ResourceType::UnitTest => vec![
            ("tags", Json::Array(Vec::new())),
            ("meta", Json::Object(JsonMap::new())),
            ("enabled", Json::Bool(true)),
            ("static_analysis", Json::Null),
        ],
        ResourceType::Function => {
            let mut all = relation_defaults("function");
            all.push(("type", Json::from("scalar")));
            let others = ["volatility", "runtime_version", "entry_point"];
            all.extend(others.map(|key| (key, Json::Null)));
            all
        }
        _ => relation_defaults("view"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(steps: &[(&str, Json)]) -> NodeConfig {
        NodeConfig::of(ConfigLayer::ProjectFile, steps)
    }

    #[test]
    fn lists_add_up_and_mappings_merge() {
        let c = merged(&[
            ("tags", json!("a")),
            ("tags", json!(["b"])),
            ("meta", json!({"x": 1})),
            ("meta", json!({"y": 2})),
        ]);
        assert_eq!(c.list("tags"), ["a", "b"]);
        assert_eq!(c.get("meta"), Some(&json!({"x": 1, "y": 2})));
    }

    #[test]
    fn a_plus_extends_a_privilege() {
        let c = merged(&[
            ("grants", json!({"select": "a"})),
            ("grants", json!({"+select": ["b"]})),
            ("grants", json!({"insert": ["c"]})),
        ]);
        assert_eq!(c.get("grants"), Some(&json!({"select": ["a", "b"], "insert": ["c"]})));
    }

    #[test]
    fn hooks_have_one_form() {
        let c = merged(&[
            ("pre_hook", json!("select 1")),
            ("pre-hook", json!({"sql": "x", "transaction": false})),
        ]);
        assert_eq!(c.get("pre-hook").and_then(|v| v[1]["transaction"].as_bool()), Some(false));
        assert_eq!(c.effective(ResourceType::Model, "materialized"), Some(json!("view")));
    }
}
