//! The stand-in for engines that are not built in: their projects can be parsed, listed and
//! compiled as standard SQL, but not built.

use super::target::text_of;
use super::{
    AdapterTraits, BatchConcurrency, ConnectionOptions, Dialect, EngineCapabilities, EngineSpec,
    OutputContext, ReferenceName, ScratchTables, SeedLoading, SqlType, TargetParts, TargetSpec,
    TransactionSupport, TypeNames, TypeParts, WriteConcurrency, names_of_engines,
};
use crate::cache::KeyWriter;
use crate::config::{Json, JsonMap, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::hash::Fingerprint;
use std::any::Any;
use std::sync::Arc;

/// Stands for every engine that is not built in. Names follow standard SQL.
pub(super) static SPEC: EngineSpec = EngineSpec {
    name: "unknown",
    label: "unknown",
    dialect: Dialect {
        quote: '"',
        max_identifier: None,
        ignores_case: false,
        sees_databases: true,
        names_databases: true,
        reference_name: ReferenceName::Whole,
    },
    capabilities: EngineCapabilities {
        transactions: TransactionSupport::OneStatement,
        scratch: ScratchTables::Named,
        seed_loading: SeedLoading::Stream,
        fuses_row_tests: false,
        index_after_rename: false,
        unique_constraint_names: false,
        is_shared: true,
        writers: WriteConcurrency::Many,
        batches: BatchConcurrency::Never,
        brackets_queries: true,
        keeps_types_of_queries: true,
        times_are_texts: false,
        alters_types: true,
        locks_for_columns: false,
        reads_files: false,
        has_functions: false,
        has_overloads: false,
        default_strategy: ("append", "append"),
        strategies: &["append", "delete+insert", "merge", "microbatch"],
    },
    adapter: AdapterTraits {
        package: "dbt_unknown",
        relation_class: "BaseRelation",
        binding_char: "%s",
        quoting: [true; 3],
        materializations: &[],
        names_limited_subquery: false,
        has_unlimited_texts: false,
        checks_strategy_first: false,
        commits_each_statement: false,
        catalog_by_relations: false,
    },
    types: TypeNames { read: read_type, write: write_type, opaque: &[], parts: type_parts },
    volatile_functions: &[],
    embedded_version: None,
    target: TargetSpec { keys: &[], shapes: &[], read },
};

#[derive(Clone, Debug)]
struct NoConnection;

impl ConnectionOptions for NoConnection {
    fn fingerprint(&self) -> Fingerprint {
        KeyWriter::new("unknown").finish()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The warning for an output whose engine is not built in.
pub(super) fn not_built_in(output: &str, adapter: &str) -> Diagnostic {
    let message = format!("output `{output}` is of type `{adapter}`, which is not built in");
    let help =
        "its project can be parsed, listed and compiled, as standard SQL; nothing can be built";
    Diagnostic::warning(Code::UnknownEngine, message)
        .help(format!("targets of type {} can be built", names_of_engines().join(", ")))
        .note(help)
}

/// Keys that hold no credentials with any adapter.
const SHOWN: [&str; 12] = [
    "type",
    "threads",
    "database",
    "dbname",
    "project",
    "catalog",
    "schema",
    "dataset",
    "host",
    "port",
    "role",
    "warehouse",
];

fn read(
    map: &YamlMap,
    mut visible: JsonMap,
    _: &OutputContext<'_>,
    _: &mut Vec<Diagnostic>,
) -> TargetParts {
    let database = text_of(map, &["database", "dbname", "project", "catalog"]).unwrap_or_default();
    let schema = text_of(map, &["schema", "dataset"]).unwrap_or_default();
    visible.retain(|key, _| SHOWN.contains(&key.as_str()));
    visible.insert("database".into(), Json::from(database.as_str()));
    visible.insert("schema".into(), Json::from(schema.as_str()));
    TargetParts { database, schema, visible, connection: Arc::new(NoConnection) }
}

fn read_type(text: &str) -> SqlType {
    SqlType::Other(text.to_owned())
}

fn write_type(_: &SqlType) -> Option<String> {
    None
}

fn type_parts(text: &str) -> TypeParts {
    TypeParts { name: text.to_owned(), ..TypeParts::default() }
}
