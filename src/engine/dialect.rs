//! How an engine writes and compares names.

/// How an engine writes identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) quote: char,
    /// The longest identifier in bytes, where there is a limit.
    pub(crate) max_identifier: Option<usize>,
    /// Whether names are compared without regard to case even when quoted (DuckDB) or not
    /// (Postgres).
    pub(crate) ignores_case: bool,
    /// Whether one connection sees several databases, so that a schema is named with its database.
    pub(crate) sees_databases: bool,
    /// Whether a relation's name in SQL has its database in front.
    pub(crate) names_databases: bool,
    /// Whether a foreign key names the schema of the table that it points to.
    pub(crate) qualifies_references: bool,
}

impl Dialect {
    /// An identifier in quotes, quotes inside doubled.
    pub(crate) fn quoted(self, name: &str) -> String {
        let double: String = [self.quote, self.quote].iter().collect();
        format!("{0}{1}{0}", self.quote, name.replace(self.quote, &double))
    }

    /// A schema's name in `create schema`.
    pub(crate) fn schema(self, database: &str, schema: &str) -> String {
        let schema = self.quoted(schema);
        if self.sees_databases { format!("{}.{schema}", self.quoted(database)) } else { schema }
    }

    /// A text in SQL: single quotes, those inside doubled (standard SQL).
    pub(crate) fn literal(text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }

    /// The form in which two names are compared.
    pub(crate) fn folded(self, name: &str) -> String {
        self.folded_as(name, true)
    }

    /// ... when the name is written in quotes or not: Postgres reads one without quotes in lower
    /// case.
    pub(crate) fn folded_as(self, name: &str, quoted: bool) -> String {
        if self.ignores_case || !quoted { name.to_lowercase() } else { name.to_owned() }
    }
}
