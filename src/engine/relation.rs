//! Names of relations.

use super::Dialect;
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RelationKind {
    Table,
    View,
    Cte,
    MaterializedView,
    External,
    Function,
}

impl RelationKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::View => "view",
            RelationKind::Cte => "cte",
            RelationKind::MaterializedView => "materialized_view",
            RelationKind::External => "external",
            RelationKind::Function => "function",
        }
    }

    /// The keyword in `drop`, `alter` and `comment on`.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized view",
            RelationKind::Function => "function",
            RelationKind::Table | RelationKind::Cte | RelationKind::External => "table",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<RelationKind> {
        Some(match text {
            "table" => RelationKind::Table,
            "view" => RelationKind::View,
            "cte" => RelationKind::Cte,
            "materialized_view" => RelationKind::MaterializedView,
            "external" => RelationKind::External,
            "function" => RelationKind::Function,
            _ => return None,
        })
    }
}

/// The name of a relation: database, schema and identifier, each with whether it is quoted and
/// whether it is included when the name is rendered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Relation {
    pub(crate) path: [Option<Arc<str>>; 3],
    pub(crate) quote: [bool; 3],
    pub(crate) include: [bool; 3],
    pub(crate) kind: Option<RelationKind>,
    /// SQL that stands for the relation (`read_csv(...)` of an external source).
    pub(crate) external: Option<Arc<str>>,
}

impl Relation {
    pub(crate) fn new(database: Option<&str>, schema: Option<&str>, identifier: &str) -> Relation {
        Relation {
            path: [database.map(Arc::from), schema.map(Arc::from), Some(identifier.into())],
            quote: [true; 3],
            include: [true; 3],
            kind: None,
            external: None,
        }
    }

    pub(crate) fn with_kind(mut self, kind: RelationKind) -> Relation {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn database(&self) -> Option<&str> {
        self.path[0].as_deref()
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.path[1].as_deref()
    }

    pub(crate) fn identifier(&self) -> &str {
        self.path[2].as_deref().unwrap_or_default()
    }

    /// The same database and schema with another identifier.
    pub(crate) fn renamed(&self, identifier: &str) -> Relation {
        let mut out = self.clone();
        out.path[2] = Some(identifier.into());
        out.external = None;
        out
    }

    /// The name as SQL. Parts that are not set or not included are left out.
    pub(crate) fn render(&self, dialect: Dialect) -> String {
        if let Some(external) = &self.external {
            return external.to_string();
        }
        let mut out = String::with_capacity(48);
        let shown = [self.include[0] && dialect.names_databases, self.include[1], self.include[2]];
        for ((part, quote), is_shown) in self.path.iter().zip(self.quote).zip(shown) {
            let Some(part) = part.as_deref().filter(|_| is_shown) else { continue };
            if !out.is_empty() {
                out.push('.');
            }
            if quote {
                out.push_str(&dialect.quoted(part));
            } else {
                let _ = write!(out, "{part}");
            }
        }
        out
    }

    /// Whether two names refer to the same relation, by the engine's rules. A part that one of them
    /// lacks matches anything.
    pub(crate) fn same(&self, other: &Relation, dialect: Dialect) -> bool {
        // Without databases in names, the database does not count.
        let first = if dialect.names_databases { 0 } else { 1 };
        (first..3).all(|i| match (&self.path[i], &other.path[i]) {
            (Some(a), Some(b)) => {
                dialect.folded_as(a, self.quote[i]) == dialect.folded_as(b, other.quote[i])
            }
            _ => true,
        })
    }

    /// `database.schema.identifier`, folded for use as a map key. Functions have names of their own:
    /// a table may be called like one.
    pub(crate) fn key(&self, dialect: Dialect) -> String {
        let first = if dialect.names_databases { 0 } else { 1 };
        let mut parts: Vec<String> = Vec::new();
        for (part, quoted) in self.path.iter().zip(self.quote).skip(first) {
            parts.push(match part {
                Some(name) => dialect.folded_as(name, quoted),
                None => String::new(),
            });
        }
        if self.kind == Some(RelationKind::Function) {
            parts.push("()".to_owned());
        }
        parts.join("\u{1f}")
    }

    /// The name as in the engine's catalog: unquoted parts are folded, and all parts are quoted.
    pub(crate) fn stored(&self, dialect: Dialect) -> Relation {
        let mut out = self.clone();
        for (part, quoted) in out.path.iter_mut().zip(&mut out.quote) {
            // Engines that ignore case keep names as they were first written.
            if !*quoted && !dialect.ignores_case {
                *part = part.as_deref().map(|p| dialect.folded_as(p, false).into());
            }
            *quoted = true;
        }
        out
    }

    /// Database and schema as in the engine's catalog; `None` if one of them is not set.
    pub(crate) fn stored_schema(&self, dialect: Dialect) -> Option<(String, String)> {
        let stored = self.stored(dialect);
        Some((stored.database()?.to_owned(), stored.schema()?.to_owned()))
    }

    /// `schema.identifier`, for messages.
    pub(crate) fn short(&self) -> String {
        match self.schema() {
            Some(schema) => format!("{schema}.{}", self.identifier()),
            None => self.identifier().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{duckdb, postgres, sqlite};

    #[test]
    fn kinds_and_their_words() {
        let kinds = ["table", "view", "cte", "materialized_view", "external", "function"];
        let parsed = kinds.map(|text| RelationKind::parse(text).unwrap());
        assert_eq!(parsed.map(RelationKind::as_str), kinds, "what is written is read back");
        let words = ["table", "view", "table", "materialized view", "table", "function"];
        assert_eq!(parsed.map(RelationKind::sql), words);
        assert_eq!(RelationKind::parse("index"), None);
    }

    #[test]
    fn parts_of_a_name() {
        let r = Relation::new(Some("db"), Some("mart"), "tab").with_kind(RelationKind::View);
        assert_eq!(r.kind, Some(RelationKind::View));
        assert_eq!((r.database(), r.schema(), r.identifier()), (Some("db"), Some("mart"), "tab"));
        assert_eq!(r.short(), "mart.tab");
        let alone = Relation::new(None, None, "tab");
        assert_eq!((alone.database(), alone.schema()), (None, None));
        assert_eq!(alone.short(), "tab");
        let schema_of = |r: &Relation| r.stored_schema(duckdb::DIALECT);
        assert_eq!(schema_of(&r), Some(("db".to_owned(), "mart".to_owned())));
        assert_eq!(schema_of(&Relation::new(None, Some("mart"), "tab")), None);
        let external = Relation { external: Some("read_csv('a')".into()), ..r };
        assert_eq!(external.render(duckdb::DIALECT), "read_csv('a')");
        assert_eq!(external.renamed("b").render(duckdb::DIALECT), r#""db"."mart"."b""#);
    }

    #[test]
    fn names_are_equal_as_their_engine_folds_them() {
        let of =
            |database: &str, identifier: &str| Relation::new(Some(database), Some("s"), identifier);
        assert!(!of("one", "t").same(&of("two", "t"), duckdb::DIALECT));
        assert!(!of("one", "t").same(&of("one", "u"), duckdb::DIALECT));
        assert!(of("one", "t").same(&of("two", "t"), sqlite::DIALECT), "there are no databases");
        let key = |r: &Relation, dialect: Dialect| r.key(dialect);
        assert_eq!(key(&of("one", "T"), duckdb::DIALECT), key(&of("One", "t"), duckdb::DIALECT));
        assert_ne!(
            key(&of("one", "T"), postgres::DIALECT),
            key(&of("one", "t"), postgres::DIALECT)
        );
        assert_ne!(key(&of("one", "t"), duckdb::DIALECT), key(&of("two", "t"), duckdb::DIALECT));
        assert_eq!(key(&of("one", "t"), sqlite::DIALECT), key(&of("two", "t"), sqlite::DIALECT));
        assert_eq!(of("one", "t").render(sqlite::DIALECT), r#""s"."t""#);
    }

    #[test]
    fn rendering_and_equality() {
        let r = Relation::new(Some("db"), Some("main"), "a\"b");
        assert_eq!(r.render(duckdb::DIALECT), r#""db"."main"."a""b""#);
        let mut unquoted = Relation::new(Some("db"), Some("Mart"), "Tab");
        unquoted.quote = [true, false, false];
        assert_eq!(
            unquoted.stored(postgres::DIALECT).render(postgres::DIALECT),
            r#""db"."mart"."tab""#
        );
        assert_eq!(
            unquoted.stored(duckdb::DIALECT).render(duckdb::DIALECT),
            r#""db"."Mart"."Tab""#
        );
        let mut s = r.clone();
        s.include[0] = false;
        s.quote[2] = false;
        assert_eq!(s.renamed("x").render(duckdb::DIALECT), r#""main".x"#);
        assert!(
            Relation::new(None, Some("MAIN"), "T")
                .same(&Relation::new(Some("db"), Some("main"), "t"), duckdb::DIALECT)
        );
        assert!(
            !Relation::new(None, Some("MAIN"), "T")
                .same(&Relation::new(None, Some("main"), "t"), postgres::DIALECT)
        );
    }
}
