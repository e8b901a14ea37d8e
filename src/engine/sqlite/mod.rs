//! SQLite, as far as it is known without opening a database.
//!
//! In: an output of a profile, names of types. Out: `SPEC`, typed options, the state of the files.
//! Must not know: the driver.

mod state;
mod target;
mod types;

pub(crate) use target::SqliteOptions;
pub(crate) use types::affinity_of;

use super::{
    AdapterTraits, BatchConcurrency, Dialect, EngineCapabilities, EngineSpec, ReferenceName,
    ScratchTables, SeedLoading, TransactionSupport, TypeNames, WriteConcurrency,
};

/// How SQLite writes and compares names: a schema is a file, and names have no database.
pub(crate) const DIALECT: Dialect = Dialect {
    quote: '"',
    max_identifier: None,
    ignores_case: true,
    sees_databases: false,
    names_databases: false,
    reference_name: ReferenceName::Alone,
};

/// SQLite 3.54.
pub(crate) static SPEC: EngineSpec = EngineSpec {
    name: "sqlite",
    label: "SQLite",
    dialect: DIALECT,
    capabilities: EngineCapabilities {
        transactions: TransactionSupport::Full,
        scratch: ScratchTables::Temporary,
        seed_loading: SeedLoading::Stream,
        // One scan of the file instead of several.
        fuses_row_tests: true,
        // Names of indexes are unique within a file, and the published table uses them until the
        // swap.
        index_after_rename: true,
        unique_constraint_names: false,
        // Other processes may write between two transactions.
        is_shared: true,
        writers: WriteConcurrency::One,
        batches: BatchConcurrency::Never,
        brackets_queries: false,
        keeps_types_of_queries: false,
        times_are_texts: true,
        alters_types: false,
        locks_for_columns: false,
        reads_files: false,
        has_functions: false,
        has_overloads: false,
        default_strategy: ("delete+insert", "append"),
        strategies: &["append", "delete+insert", "microbatch"],
    },
    adapter: AdapterTraits {
        package: "dbt_sqlite",
        relation_class: "SQLiteRelation",
        quoting: [false, false, true],
        binding_char: "?",
        materializations: &[],
        names_limited_subquery: false,
        has_unlimited_texts: true,
        checks_strategy_first: true,
        commits_each_statement: false,
        catalog_by_relations: false,
    },
    types: TypeNames {
        read: types::parse_type,
        write: types::write_type,
        opaque: &[],
        parts: types::type_parts,
    },
    volatile_functions: &[
        "'now'",
        "date()",
        "time()",
        "datetime()",
        "julianday()",
        "unixepoch()",
        "randomblob",
        "last_insert_rowid",
        "changes",
        "total_changes",
    ],
    embedded_version: Some(VERSION),
    target: target::TARGET,
};

/// The version of the linked library; a test compares the two.
pub(crate) const VERSION: &str = "3.54.1";
