//! Replaces the published relation by its candidate, in the open transaction.

use super::{Sqlite, runtime_error};
use crate::engine::sqlite::DIALECT;
use crate::engine::{EngineError, Publication, Relation, RelationKind, Warehouse};

pub(super) fn publish_candidate(
    sqlite: &mut Sqlite,
    publication: &Publication<'_>,
) -> Result<Vec<String>, EngineError> {
    (publication.take_turn)();
    let mut done = match publication.existing {
        Some(old) => sqlite.drop_relation(old)?,
        None => Vec::new(),
    };
    let Publication { candidate, published, kind, .. } = publication;
    done.extend(rename_relation(sqlite, candidate, published, *kind)?);
    Ok(done)
}

/// Renames a relation within its schema. A view cannot be renamed, so it is recreated.
pub(super) fn rename_relation(
    sqlite: &mut Sqlite,
    from: &Relation,
    to: &Relation,
    kind: RelationKind,
) -> Result<Vec<String>, EngineError> {
    let name = from.render(DIALECT);
    let statements = match kind {
        RelationKind::View => {
            let definition = definition_of(sqlite, from)?;
            vec![
                format!("create view {} {definition}", to.render(DIALECT)),
                format!("drop view {name}"),
            ]
        }
        _ => vec![format!("alter table {name} rename to {}", DIALECT.quoted(to.identifier()))],
    };
    sqlite.run_all(statements)
}

/// The definition of a view: the rest of its `create view` statement after the name.
fn definition_of(sqlite: &Sqlite, view: &Relation) -> Result<String, EngineError> {
    let schema = DIALECT.quoted(view.schema().unwrap_or("main"));
    let name = super::literal(view.identifier());
    let rows = sqlite.texts(&format!(
        "select sql from {schema}.sqlite_schema where type = 'view' and lower(name) = lower({name})"
    ))?;
    let sql = rows.into_iter().flatten().next();
    let sql = sql.ok_or_else(|| runtime_error(format!("view {} does not exist", view.short())))?;
    behind_name(&sql).map(str::to_owned).ok_or_else(|| {
        runtime_error(format!("the definition of the view {} cannot be read", view.short()))
    })
}

/// The text after `create view NAME`, as SQLite stores it: without a schema.
fn behind_name(sql: &str) -> Option<&str> {
    let words = ["create", "view"];
    let mut rest = sql;
    for word in words {
        rest = rest.trim_start();
        rest.get(..word.len()).filter(|found| found.eq_ignore_ascii_case(word))?;
        rest = &rest[word.len()..];
    }
    let rest = rest.trim_start();
    let close = match rest.chars().next()? {
        '[' => ']',
        quote @ ('"' | '`' | '\'') => quote,
        _ => {
            let end = rest.find(|c: char| c.is_whitespace() || c == '(')?;
            return Some(rest[end..].trim_start());
        }
    };
    let mut at = 1;
    loop {
        at += rest[at..].find(close)? + close.len_utf8();
        // A doubled quote is part of the name.
        if close != ']' && rest[at..].starts_with(close) {
            at += close.len_utf8();
            continue;
        }
        return Some(rest[at..].trim_start());
    }
}

#[cfg(test)]
mod tests {
    use super::behind_name;

    #[test]
    fn names_of_views_are_passed_over() {
        for sql in [
            "CREATE VIEW \"a\"\"b c\" as select 1",
            "create  view a as select 1",
            "CREATE VIEW [a b] as select 1",
        ] {
            assert_eq!(behind_name(sql), Some("as select 1"), "{sql}");
        }
        assert_eq!(behind_name("CREATE VIEW a(x) as select 1"), Some("(x) as select 1"));
    }
}
