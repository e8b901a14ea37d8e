//! Adds the queries of ephemeral models to a query as CTEs.

use crate::source::SqlText;

/// Adds definitions `name as (sql)` before a query. If it has a `with`, they are added to it. Blanks are where dbt has them, so
/// that its compiled files and ours are equal.
pub(crate) fn inject_ctes(sql: SqlText, ctes: &[(String, SqlText)]) -> SqlText {
    if ctes.is_empty() {
        return sql;
    }
    let mut definitions = SqlText::new();
    for (i, (name, body)) in ctes.iter().enumerate() {
        definitions.push_str(if i > 0 { ",  " } else { " " });
        definitions.push_str(name);
        definitions.push_str(" as (\n");
        definitions.push(body);
        definitions.push_str("\n)");
    }
    let mut out = sql;
    match with_clause(out.as_str()) {
        Some(at) => {
            definitions.push_str(", ");
            let blanks = out.as_str()[at..].len() - out.as_str()[at..].trim_start().len();
            out.insert(at + blanks, &definitions);
            out
        }
        None => {
            let mut head = SqlText::from("with");
            head.push(&definitions);
            head.push_str(" ");
            out.insert(0, &head);
            out
        }
    }
}

/// The offset after the `with` (or `with recursive`) at the start of a query; `None` if there is
/// none.
fn with_clause(sql: &str) -> Option<usize> {
    let at = skip_blank(sql, 0);
    let end = keyword(sql, at, "with")?;
    let next = skip_blank(sql, end);
    Some(keyword(sql, next, "recursive").unwrap_or(end))
}

fn keyword(sql: &str, at: usize, word: &str) -> Option<usize> {
    let found = sql.get(at..at + word.len())?;
    let after = sql[at + word.len()..].chars().next();
    let whole = !after.is_some_and(|c| c.is_alphanumeric() || c == '_');
    (found.eq_ignore_ascii_case(word) && whole).then_some(at + word.len())
}

/// Skips white space and comments.
fn skip_blank(sql: &str, mut at: usize) -> usize {
    loop {
        let rest = &sql[at..];
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        if trimmed.starts_with("--") {
            at += trimmed.find('\n').map_or(trimmed.len(), |i| i + 1);
        } else if trimmed.starts_with("/*") {
            at += trimmed.find("*/").map_or(trimmed.len(), |i| i + 2);
        } else {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injected(sql: &str) -> String {
        inject_ctes(sql.into(), &[("a".into(), "select 1".into()), ("b".into(), "select 2".into())])
            .into_string()
    }

    #[test]
    fn definitions_join_a_with_or_make_one() {
        assert_eq!(injected("select 3"), "with a as (\nselect 1\n),  b as (\nselect 2\n) select 3");
        assert_eq!(
            injected("-- with\n/* x */ WITH c as (select 3) select 4"),
            "-- with\n/* x */ WITH  a as (\nselect 1\n),  b as (\nselect 2\n), c as (select 3) select 4"
        );
        assert!(
            injected("with recursive c as (select 3) select 4")
                .starts_with("with recursive  a as (")
        );
        assert!(injected("withdrawals").starts_with("with a as ("));
    }
}
