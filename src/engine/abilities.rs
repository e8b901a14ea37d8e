//! The abilities of an engine that decide how a node is built.

/// What a transaction can contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionSupport {
    /// Any statements, including definitions of relations.
    Full,
    /// Each statement is committed by itself.
    OneStatement,
}

/// Where rows are stored that only the current build may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScratchTables {
    /// A temporary table of the session.
    Temporary,
    /// A table beside the published one, dropped after use.
    Named,
}

/// How the rows of a seed are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeedLoading {
    /// The engine reads files on this machine.
    File,
    /// Rows are sent as one stream.
    Stream,
}

/// How many transactions can write at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteConcurrency {
    Many,
    /// A run builds one node at a time, but reads in parallel.
    One,
}

/// Whether batches of one model may be built at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchConcurrency {
    Never,
    /// With `concurrent_batches: true`.
    Asked,
    /// Unless `concurrent_batches` is false, or the text of the model reads `this`.
    Usual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EngineCapabilities {
    pub(crate) transactions: TransactionSupport,
    pub(crate) scratch: ScratchTables,
    pub(crate) seed_loading: SeedLoading,
    /// Counting the failures of several row tests in one scan is faster than a query for each
    /// (measured per engine).
    pub(crate) fuses_row_tests: bool,
    /// Indexes must be created after a table has got its final name.
    pub(crate) index_after_rename: bool,
    /// Names of constraints are unique in their schema, so that a candidate's differ from those of
    /// the published table until the swap.
    pub(crate) unique_constraint_names: bool,
    /// Other processes may build in the same database at the same time.
    pub(crate) is_shared: bool,
    pub(crate) writers: WriteConcurrency,
    pub(crate) batches: BatchConcurrency,
    /// Queries are stored in parentheses, which ensures that they are single statements.
    pub(crate) brackets_queries: bool,
    /// A table created from a query has the types of the query's columns.
    pub(crate) keeps_types_of_queries: bool,
    /// There are no types for times: they are stored as ISO texts.
    pub(crate) times_are_texts: bool,
    /// The type of a column can be changed in place; otherwise the table is copied.
    pub(crate) alters_types: bool,
    /// A change of columns locks the table against readers, so it runs in a transaction of its own.
    pub(crate) locks_for_columns: bool,
    /// Models can be files that the database reads (`external`), and functions that give rows
    /// (`table_function`).
    pub(crate) reads_files: bool,
    /// A project can define functions of the database.
    pub(crate) has_functions: bool,
    /// Whether functions of one name may take different arguments, each created by itself.
    pub(crate) has_overloads: bool,
    /// The default incremental strategy: (with a unique key, without).
    pub(crate) default_strategy: (&'static str, &'static str),
    pub(crate) strategies: &'static [&'static str],
}
