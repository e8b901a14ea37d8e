//! The typed configs of nodes that are built as relations.

use super::super::{FunctionKind, MicrobatchConfig, NodeConfig};
use crate::config::{Json, python_str};
use std::collections::BTreeMap;

/// The configs that models, seeds and snapshots have in common.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BuildConfig {
    /// Whether the relation is always rebuilt; `None`: only with `--full-refresh`.
    pub(crate) full_refresh: Option<bool>,
    /// Whether the tests of the node must pass before it is published.
    pub(crate) is_audited: bool,
    pub(crate) pre_hooks: Vec<Hook>,
    pub(crate) post_hooks: Vec<Hook>,
    /// The argument of the macro `apply_grants`; `None` if there are no grants.
    pub(crate) grants: Option<Json>,
    /// Whether the query must have the columns of the contract (`contract: {enforced: true}`).
    pub(crate) has_contract: bool,
    /// Whether descriptions of the relation or of its columns are stored as comments.
    pub(crate) persists_docs: bool,
}

/// A statement that runs before or after the build of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    pub(crate) sql: String,
    /// Whether it runs in the transaction of the build.
    pub(crate) is_inside: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelConfig {
    pub(crate) build: BuildConfig,
    pub(crate) incremental: IncrementalConfig,
    /// `None`: the model is not built in batches.
    pub(crate) microbatch: Option<MicrobatchConfig>,
    pub(crate) on_configuration_change: OnConfigurationChange,
}

/// What happens if a materialized view has other indexes than its config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnConfigurationChange {
    #[default]
    Apply,
    /// It is left as it is, with a warning.
    Continue,
    Fail,
}

impl OnConfigurationChange {
    /// Other words are reported when the config is checked.
    fn read(text: Option<&str>) -> OnConfigurationChange {
        match text {
            Some("continue") => OnConfigurationChange::Continue,
            Some("fail") => OnConfigurationChange::Fail,
            _ => OnConfigurationChange::Apply,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IncrementalConfig {
    /// `None`: the default of the engine, which depends on whether there is a key.
    pub(crate) strategy: Option<String>,
    /// A text or a list, as macros get it; `None`: there is no key.
    pub(crate) unique_key: Option<Json>,
    pub(crate) predicates: Option<Json>,
    pub(crate) on_schema_change: OnSchemaChange,
}

/// What happens if the query has other columns than the table (`on_schema_change`, semantics 3.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnSchemaChange {
    /// Only the columns of the table are written. If the query lacks one, the database reports an
    /// error.
    #[default]
    Ignore,
    Fail,
    AppendNewColumns,
    SyncAllColumns,
}

impl OnSchemaChange {
    /// As in dbt, unknown values mean `ignore`.
    fn read(text: Option<&str>) -> OnSchemaChange {
        match text {
            Some("fail") => OnSchemaChange::Fail,
            Some("append_new_columns") => OnSchemaChange::AppendNewColumns,
            Some("sync_all_columns") => OnSchemaChange::SyncAllColumns,
            _ => OnSchemaChange::Ignore,
        }
    }

    /// Whether columns may be added to the table.
    pub(crate) fn widens(self) -> bool {
        matches!(self, OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedConfig {
    pub(crate) build: BuildConfig,
    /// The separator between values, a single byte.
    /// `None` if it is empty, with which no file can be read.
    pub(crate) delimiter: Option<u8>,
    pub(crate) quotes_columns: bool,
    /// The types of columns whose type is not inferred, by column.
    pub(crate) column_types: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SnapshotConfig {
    pub(crate) build: BuildConfig,
    pub(crate) hard_deletes: HardDeletes,
    /// The custom names of the columns that snapshots add, by default name.
    column_names: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionConfig {
    pub(crate) build: BuildConfig,
    pub(crate) kind: FunctionKind,
}

/// What happens to the versions of a row that was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HardDeletes {
    #[default]
    Ignore,
    Invalidate,
    NewRecord,
}

impl BuildConfig {
    fn read(config: &NodeConfig) -> BuildConfig {
        let documents = config.map("persist_docs");
        let grants = config.get("grants");
        BuildConfig {
            full_refresh: config.flag("full_refresh"),
            is_audited: config.flag("audit").unwrap_or(true),
            pre_hooks: hooks(config.get("pre-hook")),
            post_hooks: hooks(config.get("post-hook")),
            grants: grants.filter(|g| g.as_object().is_some_and(|m| !m.is_empty())).cloned(),
            has_contract: config.map("contract").and_then(|c| c.get("enforced"))
                == Some(&Json::Bool(true)),
            persists_docs: documents.is_some_and(|m| m.values().any(|v| v.as_bool() == Some(true))),
        }
    }
}

/// Reads hooks in the form that `NodeConfig` normalizes them to.
fn hooks(value: Option<&Json>) -> Vec<Hook> {
    value.and_then(Json::as_array).into_iter().flatten().map(read_hook).collect()
}

fn read_hook(hook: &Json) -> Hook {
    Hook {
        sql: hook.get("sql").and_then(Json::as_str).unwrap_or_default().to_owned(),
        is_inside: hook.get("transaction").and_then(Json::as_bool).unwrap_or(true),
    }
}

impl ModelConfig {
    pub(super) fn read(config: &NodeConfig) -> ModelConfig {
        ModelConfig {
            build: BuildConfig::read(config),
            incremental: IncrementalConfig::read(config),
            microbatch: None,
            on_configuration_change: OnConfigurationChange::read(
                config.text("on_configuration_change").as_deref(),
            ),
        }
    }
}

impl FunctionConfig {
    pub(super) fn read(config: &NodeConfig) -> FunctionConfig {
        let kind = config.text("type").and_then(|word| FunctionKind::parse(&word));
        FunctionConfig { build: BuildConfig::read(config), kind: kind.unwrap_or_default() }
    }
}

impl IncrementalConfig {
    fn read(config: &NodeConfig) -> IncrementalConfig {
        let strategy = config.text("incremental_strategy").filter(|s| s != "default");
        let predicates = config.get("predicates").or(config.get("incremental_predicates"));
        IncrementalConfig {
            strategy: strategy.map(|s| s.into_owned()),
            unique_key: config.get("unique_key").cloned(),
            predicates: predicates.cloned(),
            on_schema_change: OnSchemaChange::read(config.text("on_schema_change").as_deref()),
        }
    }

    /// An empty list is not a key.
    pub(crate) fn has_key(&self) -> bool {
        self.unique_key.as_ref().is_some_and(|key| key.as_array().is_none_or(|k| !k.is_empty()))
    }
}

impl SeedConfig {
    pub(super) fn read(config: &NodeConfig) -> SeedConfig {
        let types = config.map("column_types").into_iter().flatten();
        SeedConfig {
            build: BuildConfig::read(config),
            delimiter: delimiter(config.text("delimiter").as_deref()),
            quotes_columns: config.flag("quote_columns").unwrap_or(true),
            column_types: types.map(|(name, kind)| (name.clone(), python_str(kind))).collect(),
        }
    }
}

fn delimiter(text: Option<&str>) -> Option<u8> {
    match text {
        None => Some(b','),
        Some("\\t") => Some(b'\t'),
        Some(other) => other.bytes().next(),
    }
}

impl SnapshotConfig {
    pub(super) fn read(config: &NodeConfig) -> SnapshotConfig {
        let hard_deletes = match config.text("hard_deletes").as_deref() {
            Some("new_record") => HardDeletes::NewRecord,
            Some("invalidate") => HardDeletes::Invalidate,
            _ => HardDeletes::Ignore,
        };
        let names = config.map("snapshot_meta_column_names").into_iter().flatten();
        let named = names.filter_map(|(key, name)| Some((key.clone(), name.as_str()?.to_owned())));
        SnapshotConfig {
            build: BuildConfig::read(config),
            hard_deletes,
            column_names: named.collect(),
        }
    }

    /// The name of a column that snapshots add, given its default name.
    pub(crate) fn column_name<'a>(&'a self, usual: &'a str) -> &'a str {
        self.column_names.get(usual).map_or(usual, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ConfigLayer;
    use super::*;
    use serde_json::json;

    fn config(entries: &[(&str, Json)]) -> NodeConfig {
        NodeConfig::of(ConfigLayer::InFile, entries)
    }

    #[test]
    fn what_is_not_said_has_dbts_meaning() {
        let model = ModelConfig::read(&NodeConfig::default());
        assert_eq!(model.incremental, IncrementalConfig::default());
        assert!(
            model.build.is_audited && !model.build.persists_docs && !model.incremental.has_key()
        );
        assert_eq!((model.build.full_refresh, model.build.grants), (None, None));
        let seed = SeedConfig::read(&NodeConfig::default());
        assert!(
            seed.quotes_columns && seed.delimiter == Some(b',') && seed.column_types.is_empty()
        );
        let snapshot = SnapshotConfig::read(&NodeConfig::default());
        assert_eq!(snapshot.hard_deletes, HardDeletes::Ignore);
        assert_eq!(snapshot.column_name("dbt_valid_to"), "dbt_valid_to");
    }

    #[test]
    fn what_is_said() {
        let model = ModelConfig::read(&config(&[
            ("incremental_strategy", json!("append")),
            ("unique_key", json!(["id"])),
            ("on_schema_change", json!("sync_all_columns")),
            ("predicates", json!(["a > 1"])),
            ("audit", json!(false)),
            ("full_refresh", json!(false)),
            ("contract", json!(true)),
            ("grants", json!({"select": ["a"]})),
            ("persist_docs", json!({"columns": true, "relation": false})),
            ("post_hook", json!([{"sql": "x", "transaction": false}, "y"])),
        ]));
        let IncrementalConfig { strategy, predicates, on_schema_change, .. } = &model.incremental;
        assert_eq!(strategy.as_deref(), Some("append"));
        assert_eq!(*predicates, Some(json!(["a > 1"])));
        assert!(on_schema_change.widens() && *on_schema_change == OnSchemaChange::SyncAllColumns);
        assert!(model.incremental.has_key() && !model.build.is_audited);
        assert!(model.build.persists_docs && model.build.grants.is_some());
        assert!(model.build.has_contract);
        assert_eq!(model.build.full_refresh, Some(false));
        let inside: Vec<(&str, bool)> =
            model.build.post_hooks.iter().map(|h| (h.sql.as_str(), h.is_inside)).collect();
        assert_eq!(inside, [("x", false), ("y", true)]);
        let by_default =
            config(&[("incremental_strategy", json!("default")), ("unique_key", json!([]))]);
        let model = ModelConfig::read(&by_default);
        assert!(model.incremental.strategy.is_none() && !model.incremental.has_key());
    }

    #[test]
    fn modes_of_change() {
        let of = |word: &str| OnSchemaChange::read(Some(word));
        assert_eq!(of("fail"), OnSchemaChange::Fail);
        assert_eq!(of("append_new_columns"), OnSchemaChange::AppendNewColumns);
        assert_eq!(of("whatever"), OnSchemaChange::Ignore);
        assert!(
            of("append_new_columns").widens() && !of("fail").widens() && !of("ignore").widens()
        );
    }

    #[test]
    fn seeds_and_snapshots() {
        let seed = SeedConfig::read(&config(&[
            ("delimiter", json!("\\t")),
            ("quote_columns", json!(false)),
            ("column_types", json!({"code": "varchar(9)"})),
        ]));
        assert_eq!((seed.delimiter, seed.quotes_columns), (Some(b'\t'), false));
        assert_eq!(seed.column_types["code"], "varchar(9)");
        assert_eq!(SeedConfig::read(&config(&[("delimiter", json!("|"))])).delimiter, Some(b'|'));
        assert_eq!(SeedConfig::read(&config(&[("delimiter", json!(""))])).delimiter, None);
        let snapshot = SnapshotConfig::read(&config(&[
            ("hard_deletes", json!("new_record")),
            ("snapshot_meta_column_names", json!({"dbt_valid_to": "until", "dbt_scd_id": null})),
        ]));
        assert_eq!(snapshot.hard_deletes, HardDeletes::NewRecord);
        assert_eq!(snapshot.column_name("dbt_valid_to"), "until");
        assert_eq!(snapshot.column_name("dbt_scd_id"), "dbt_scd_id");
    }
}
