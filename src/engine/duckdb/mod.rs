//! DuckDB, as far as it is known without opening a database.
//!
//! In: an output of a profile, names of types. Out: `SPEC`, typed options, the state of a file.
//! Must not know: the driver.

mod target;
mod types;
mod untouched;

pub(crate) use target::{AttachedDatabase, DuckDbOptions, target_of_path};

use super::{
    AdapterTraits, BatchConcurrency, Dialect, EngineCapabilities, EngineSpec, ReferenceName,
    ScratchTables, SeedLoading, TransactionSupport, TypeNames, WriteConcurrency,
};

/// How DuckDB writes and compares names.
pub(crate) const DIALECT: Dialect = Dialect {
    quote: '"',
    max_identifier: None,
    ignores_case: true,
    sees_databases: true,
    names_databases: true,
    reference_name: ReferenceName::InDatabase,
};

/// The version of the linked library; change it together with the `duckdb` crate in `Cargo.toml`
/// and with `scripts/lib.sh`.
const VERSION: &str = "1.5.6";

/// DuckDB 1.5.
pub(crate) static SPEC: EngineSpec = EngineSpec {
    name: "duckdb",
    label: "DuckDB",
    dialect: DIALECT,
    capabilities: EngineCapabilities {
        transactions: TransactionSupport::Full,
        scratch: ScratchTables::Temporary,
        seed_loading: SeedLoading::File,
        // DuckDB answers `not_null` from its statistics; fused tests were measured to be slower.
        fuses_row_tests: false,
        index_after_rename: true,
        unique_constraint_names: false,
        is_shared: false,
        writers: WriteConcurrency::Many,
        batches: BatchConcurrency::Usual,
        brackets_queries: true,
        keeps_types_of_queries: true,
        times_are_texts: false,
        alters_types: true,
        locks_for_columns: false,
        reads_files: true,
        has_functions: true,
        has_overloads: false,
        default_strategy: ("delete+insert", "append"),
        strategies: &["append", "delete+insert", "merge", "microbatch"],
    },
    adapter: AdapterTraits {
        package: "dbt_duckdb",
        relation_class: "DuckDBRelation",
        binding_char: "?",
        quoting: [true; 3],
        materializations: &["table", "incremental"],
        names_limited_subquery: false,
        has_unlimited_texts: false,
        checks_strategy_first: false,
        commits_each_statement: false,
        catalog_by_relations: false,
    },
    types: TypeNames {
        read: types::parse_type,
        write: types::write_type,
        opaque: &["BIT", "BIGNUM"],
        parts: types::type_parts,
    },
    volatile_functions: &[
        "getenv",
        "getvariable",
        "read_csv",
        "read_csv_auto",
        "read_parquet",
        "parquet_scan",
        "read_json",
        "read_json_auto",
        "read_json_objects",
        "read_ndjson",
        "read_ndjson_auto",
        "read_text",
        "read_blob",
        "read_xlsx",
        "glob",
        "sniff_csv",
        "sqlite_scan",
        "postgres_scan",
        "postgres_query",
        "mysql_scan",
        "mysql_query",
        "iceberg_scan",
        "delta_scan",
        "st_read",
        "duckdb_tables",
        "duckdb_columns",
        "duckdb_views",
    ],
    embedded_version: Some(VERSION),
    target: target::TARGET,
};
