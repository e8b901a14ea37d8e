//! What an engine can do, as far as it decides how a node is built.

use super::Dialect;

/// What an engine can do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capabilities {
    pub(crate) adapter: &'static str,
    pub(crate) dialect: Dialect,
    /// A predicate scan over many columns beats many queries (DESIGN: measured per engine).
    pub(crate) fuse_predicates: bool,
    /// A transaction can go on after a statement of it failed.
    pub(crate) savepoints: bool,
    /// Indexes must be made after a table got its final name.
    pub(crate) index_after_rename: bool,
    /// Others build in the same database at the same time.
    pub(crate) shared: bool,
    /// A change of columns locks the table for all readers: it is made in a transaction of its own.
    pub(crate) locks_for_columns: bool,
    /// `copy` reads files of this machine; else rows are sent.
    pub(crate) reads_files: bool,
    /// The strategy of an incremental model that names none: (with unique key, without).
    pub(crate) default_strategy: (&'static str, &'static str),
    pub(crate) strategies: &'static [&'static str],
    /// Whether dbt looks for the macro of an incremental strategy on the first build, too, which
    /// does not need it yet.
    pub(crate) checks_strategy_first: bool,
    /// Whether dbt begins nothing on this engine for a macro of `run-operation`: each statement is
    /// committed by itself (seen with dbt-postgres 1.10.2, whose `BEGIN` is left to the driver,
    /// which thinks that one is open).
    pub(crate) commits_each_statement: bool,
    /// Whether dbt asks the catalog by relations (`get_catalog_relations`), not only by schemas
    /// (`get_catalog`).
    pub(crate) catalog_by_relations: bool,
}
