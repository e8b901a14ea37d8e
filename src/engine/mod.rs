//! Descriptions of engines, and the types and traits with which all other modules talk about
//! databases. No drivers.
//!
//! In: names, SQL, outputs of profiles, what a database holds. Out: an `EngineSpec` for each engine
//! (a folder of its own), `Relation`s and `Dialect`s, targets, existing relations, and `Warehouse`,
//! the trait that adapters implement, with its replies and errors. Must not know: any driver,
//! nodes, how one is built, what became of it.

mod abilities;
mod beside;
mod cell;
mod comment;
mod connection;
mod dialect;
pub(crate) mod duckdb;
mod error;
mod existing;
mod load;
mod pool;
pub(crate) mod postgres;
mod query;
mod relation;
mod reply;
mod spec;
pub(crate) mod sqlite;
mod state;
mod target;
#[cfg(test)]
pub(crate) mod testing;
mod types;
mod unknown;
mod warehouse;

pub(crate) use abilities::{
    BatchConcurrency, EngineCapabilities, ScratchTables, SeedLoading, TransactionSupport,
    WriteConcurrency,
};
pub(crate) use beside::{
    CANDIDATE_SUFFIX, backup_name, candidate_name, helper_names, is_helper_name, rejected_name,
    scratch_name,
};
pub(crate) use cell::{Cell, Table};
pub(crate) use comment::{CommentPlace, QueryComment};
pub(crate) use connection::{Connection, Lease};
pub(crate) use dialect::{Dialect, ReferenceName};
pub(crate) use error::{EngineError, EngineErrorKind};
pub(crate) use existing::{
    Content, ExistingColumn, ExistingRelation, ExistingRelations, schema_key,
};
pub(crate) use load::{ParquetFile, SeedLoad, SeedLoadReport, SeedSource};
pub(crate) use pool::Pool;
pub(crate) use query::{
    limit_rows, select_all, select_columns, select_no_rows, select_rows_between,
};
pub(crate) use relation::{Relation, RelationKind};
pub(crate) use reply::Reply;
pub(crate) use spec::{AdapterTraits, EngineSpec, TypeNames, TypeParts};
pub(crate) use state::{DatabaseState, FileState};
pub(crate) use target::{
    AdapterMembers, ConnectionOptions, OutputContext, Target, TargetParts, TargetSpec, read_target,
};
pub(crate) use types::SqlType;
pub(crate) use warehouse::{
    Cancel, ColumnChange, EachRow, Opener, Publication, StateRow, WaitTimeouts, Warehouse,
};

/// All built-in engines. `adapter::DRIVERS` is the only other list of them.
static ENGINES: [&EngineSpec; 3] = [&duckdb::SPEC, &postgres::SPEC, &sqlite::SPEC];

/// The engine of a profile's `type:`; `None` if it is not built in.
pub(crate) fn find_engine(name: &str) -> Option<&'static EngineSpec> {
    ENGINES.into_iter().find(|engine| engine.name == name)
}

pub(crate) fn names_of_engines() -> Vec<&'static str> {
    ENGINES.into_iter().map(|engine| engine.name).collect()
}

/// The engines whose code is inside this program, with their versions.
pub(crate) fn embedded_engine_versions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ENGINES.into_iter().filter_map(|engine| Some((engine.label, engine.embedded_version?)))
}

/// Whether a package of macros is built in.
pub(crate) fn is_built_in_package(name: &str) -> bool {
    name == "dbt" || ENGINES.into_iter().any(|engine| engine.adapter.package == name)
}

/// The target of a project without a profile: a DuckDB file in the project's folder.
pub(crate) fn default_target(project: &str, root: &camino::Utf8Path) -> Target {
    let file = root.join(format!("{project}.{}", duckdb::SPEC.name));
    duckdb::target_of_path(project, file.as_str())
}

/// A target for rendering before the actual target is known.
pub(crate) fn placeholder_target(project: &str) -> Target {
    duckdb::target_of_path(project, ":memory:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_found_by_their_names() {
        let names = names_of_engines();
        assert_eq!(names, ["duckdb", "postgres", "sqlite"]);
        for name in names {
            assert_eq!(find_engine(name).unwrap().name, name);
        }
        assert!(find_engine("oracle").is_none());
        let embedded: Vec<&str> = embedded_engine_versions().map(|(label, _)| label).collect();
        assert_eq!(embedded, ["DuckDB", "SQLite"], "a server is not inside the program");
        assert!(["dbt", "dbt_duckdb", "dbt_sqlite"].into_iter().all(is_built_in_package));
        assert!(!is_built_in_package("dbt_utils"));
        assert_eq!(default_target("shop", "/p".into()).place(), "/p/shop.duckdb");
    }
}
