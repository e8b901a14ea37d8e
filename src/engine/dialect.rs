//! How an engine writes and compares names.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) quote: char,
    /// The maximum length of an identifier in bytes; `None` for no limit.
    pub(crate) max_identifier: Option<usize>,
    /// Whether names are compared case-insensitively even if they are quoted (DuckDB), or not
    /// (Postgres).
    pub(crate) ignores_case: bool,
    /// Whether one connection sees several databases, so that schemas are qualified with their
    /// database.
    pub(crate) sees_databases: bool,
    /// Whether names of relations are qualified with their database in SQL.
    pub(crate) names_databases: bool,
    pub(crate) reference_name: ReferenceName,
}

/// How a foreign key may name the referenced table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceName {
    /// As anywhere.
    Whole,
    /// Without its database: DuckDB takes any other than none for another database.
    InDatabase,
    /// Without its schema, too.
    Alone,
}

impl Dialect {
    /// A quoted identifier; quotes inside are doubled.
    pub(crate) fn quoted(self, name: &str) -> String {
        let double: String = [self.quote, self.quote].iter().collect();
        format!("{0}{1}{0}", self.quote, name.replace(self.quote, &double))
    }

    /// The name of a schema for `create schema`.
    pub(crate) fn schema(self, database: &str, schema: &str) -> String {
        let schema = self.quoted(schema);
        if self.sees_databases { format!("{}.{schema}", self.quoted(database)) } else { schema }
    }

    /// A string literal of standard SQL; single quotes inside are doubled.
    pub(crate) fn literal(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// A name in the form in which it is compared.
    pub(crate) fn folded(self, name: &str) -> String {
        self.folded_as(name, true)
    }

    /// `folded` for a name that is quoted or not: unquoted names are case-insensitive (Postgres
    /// folds them to lower case).
    pub(crate) fn folded_as(self, name: &str, quoted: bool) -> String {
        if self.ignores_case || !quoted { name.to_lowercase() } else { name.to_owned() }
    }
}
