//! What an engine can do, as far as it decides how a node is built.

/// How far a transaction reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transactions {
    /// Any statements, definitions of relations among them.
    Full,
    /// Each statement is committed by itself.
    OneStatement,
}

/// What rows that nobody else may see are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scratch {
    /// A temporary table of the session.
    Temporary,
    /// A table beside the published one, dropped when it is done with.
    Named,
}

/// How a seed's rows come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsIn {
    /// The engine reads files of this machine.
    File,
    /// They are sent as one stream.
    Stream,
}

/// How many transactions can write at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writers {
    Many,
    /// One after the other: a run sends one building step at a time, and reads beside it.
    One,
}

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities {
    pub(crate) transactions: Transactions,
    pub(crate) scratch: Scratch,
    pub(crate) rows_in: RowsIn,
    /// One scan that counts for many row tests beats a query for each (measured per engine).
    pub(crate) fuses_row_tests: bool,
    /// Indexes must be made after a table got its final name.
    pub(crate) index_after_rename: bool,
    /// Constraints have names that are unique in their schema: a candidate's differ from those of
    /// the published table until it is swapped in.
    pub(crate) unique_constraint_names: bool,
    /// Others build in the same database at the same time.
    pub(crate) shared: bool,
    pub(crate) writers: Writers,
    /// A query stands in brackets when it is stored, so that it can be one statement only.
    pub(crate) brackets_queries: bool,
    /// A table that is made of a query has its columns' types.
    pub(crate) keeps_types_of_queries: bool,
    /// Times have no type of their own: they are ISO texts.
    pub(crate) times_are_texts: bool,
    /// The type of a column can be changed in place; else the table is copied.
    pub(crate) alters_types: bool,
    /// A change of columns locks the table for all readers: it is made in a transaction of its own.
    pub(crate) locks_for_columns: bool,
    /// The strategy of an incremental model that names none: (with unique key, without).
    pub(crate) default_strategy: (&'static str, &'static str),
    pub(crate) strategies: &'static [&'static str],
}
