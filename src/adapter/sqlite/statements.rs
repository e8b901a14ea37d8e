//! Recognizes statements that SQLite lacks or treats differently, by their first words.

use crate::sql::{first_word, split_statements};
use std::ops::Range;

/// The range of each statement in a text. A trigger is one statement, including those inside it.
pub(super) fn statements_of(text: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    for range in split_statements(text) {
        let piece = &text[range.clone()];
        match out.last_mut() {
            Some(trigger) if is_open => trigger.end = range.end,
            _ => {
                is_open = creates(piece, "trigger").is_some();
                out.push(range);
            }
        }
        is_open &= first_word(piece) != "end";
    }
    out
}

/// `create schema` or `drop schema`, which SQLite lacks, because a schema is a file.
#[derive(Debug, PartialEq)]
pub(super) enum SchemaStatement {
    Create(String),
    Drop(String),
}

impl SchemaStatement {
    pub(super) fn read(sql: &str) -> Option<SchemaStatement> {
        let mut words = tokens(sql).filter(|t| t.text != ";");
        let verb = words.next()?.text.to_ascii_lowercase();
        if !matches!(verb.as_str(), "create" | "drop") || !words.next()?.is("schema") {
            return None;
        }
        let optional = ["if", "not", "exists", "cascade"];
        let mut rest = words.filter(|t| !optional.iter().any(|word| t.is(word)));
        let (Some(name), None) = (rest.next(), rest.next()) else { return None };
        let name = name.name();
        Some(if verb == "create" {
            SchemaStatement::Create(name)
        } else {
            SchemaStatement::Drop(name)
        })
    }
}

/// `create view SCHEMA.NAME as QUERY`.
#[derive(Debug, PartialEq)]
pub(super) struct ViewStatement {
    /// The schema in the view's name.
    schema: Option<String>,
    /// The offset of the query in bytes.
    pub(super) query: usize,
}

impl ViewStatement {
    pub(super) fn read(sql: &str) -> Option<ViewStatement> {
        let mut at = creates(sql, "view")?;
        let all: Vec<Token<'_>> = tokens(sql).collect();
        let word = |at: usize, text: &str| all.get(at).is_some_and(|t| t.is(text));
        if word(at, "if") && word(at + 1, "not") && word(at + 2, "exists") {
            at += 3;
        }
        let first = all.get(at)?;
        let has_schema = word(at + 1, ".");
        at += if has_schema { 3 } else { 1 };
        let keyword = (at..all.len()).find(|i| word(*i, "as"))?;
        let schema = has_schema.then(|| first.name());
        Some(ViewStatement { schema, query: all.get(keyword + 1)?.at })
    }

    /// Blanks out the view's own schema before names in its query. Without it, a view refers to its
    /// own file, which can then be attached under any name.
    pub(super) fn without_schema(&self, sql: &str) -> String {
        let Some(schema) = &self.schema else { return sql.to_owned() };
        let mut out = sql.to_owned();
        let all: Vec<Token<'_>> = tokens(sql).collect();
        for window in all.windows(3) {
            let [name, dot, next] = window else { continue };
            let is_adjacent = name.end() == dot.at && dot.end() == next.at;
            let is_of_schema = name.name().eq_ignore_ascii_case(schema);
            if dot.text == "."
                && is_adjacent
                && is_of_schema
                && name.at >= self.query
                && next.text.starts_with('"')
            {
                let blanks = " ".repeat(next.at - name.at);
                out.replace_range(name.at..next.at, &blanks);
            }
        }
        out
    }
}

/// The index of the token after `create [temporary] WHAT`; `None` if the statement creates
/// something else or nothing.
fn creates(sql: &str, what: &str) -> Option<usize> {
    let mut words = tokens(sql);
    if !words.next()?.is("create") {
        return None;
    }
    let second = words.next()?;
    if second.is("temp") || second.is("temporary") {
        return words.next()?.is(what).then_some(3);
    }
    second.is(what).then_some(2)
}

/// A word, a quoted name or text, or a sign. Blanks and comments are not tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Token<'a> {
    at: usize,
    text: &'a str,
}

impl Token<'_> {
    fn is(&self, text: &str) -> bool {
        self.text.eq_ignore_ascii_case(text)
    }

    fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// The token without quotes.
    fn name(&self) -> String {
        for quote in ["\"", "`"] {
            if let Some(rest) = self.text.strip_prefix(quote)
                && let Some(name) = rest.strip_suffix(quote)
            {
                return name.replace(&quote.repeat(2), quote);
            }
        }
        self.text.trim_start_matches('[').trim_end_matches(']').to_owned()
    }
}

/// The tokens of a statement, read lazily because the first ones usually suffice (SQLite
/// documentation, "SQLite Keywords" and "Comments").
fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &sql[next..];
            let c = rest.chars().next()?;
            let at = next;
            let length = match c {
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
                '\'' | '"' | '`' => quoted_length(rest, c),
                '[' => rest.find(']').map_or(rest.len(), |end| end + 1),
                c if is_of_word(c) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            next += length;
            let is_blank = c.is_whitespace() || rest.starts_with("--") || rest.starts_with("/*");
            if !is_blank {
                return Some(Token { at, text: &rest[..length] });
            }
        }
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of a quoted token; a doubled quote is part of it.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::SchemaStatement::{Create, Drop};
    use super::*;

    #[test]
    fn statements_of_schemas() {
        let read = SchemaStatement::read;
        assert_eq!(read("create schema if not exists \"a b\""), Some(Create("a b".into())));
        assert_eq!(read("create schema if not exists \"marts\""), Some(Create("marts".into())));
        assert_eq!(read("drop schema if exists marts cascade;"), Some(Drop("marts".into())));
        assert_eq!(read("create table schema (a)"), None);
    }

    #[test]
    fn a_trigger_is_one_statement() {
        let text = "create table t (a); create trigger x after insert on t begin\n  \
                    update t set a = 1; delete from t;\nend; select 1";
        let found: Vec<&str> = statements_of(text).into_iter().map(|r| text[r].trim()).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[1].starts_with("create trigger") && found[1].ends_with("end"));
        assert_eq!(found[2], "select 1");
    }

    #[test]
    fn a_view_names_its_own_file_without_schema() {
        let sql = "create view marts.\"v\" as\n  with main as (select 1 as id)\n  \
                   select main.id, 'marts.\"x\"' from marts.\"a\" join MARTS.\"b\" join other.\"c\"";
        let view = ViewStatement::read(sql).unwrap();
        assert_eq!(view.schema.as_deref(), Some("marts"));
        assert!(sql[view.query..].starts_with("with main"));
        let without = view.without_schema(sql);
        assert_eq!(without.len(), sql.len(), "places stay");
        assert!(
            without.contains("from       \"a\" join       \"b\" join other.\"c\""),
            "{without}"
        );
        assert!(
            without.contains("'marts.\"x\"'") && without.starts_with("create view marts.\"v\"")
        );
        assert_eq!(ViewStatement::read("create table v as select 1"), None);
        let plain = ViewStatement::read("create temp view if not exists v (a, b) as select 1, 2");
        assert_eq!(plain.map(|v| (v.schema, v.query)), Some((None, 43)));
    }
}
