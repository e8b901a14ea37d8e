//! `on_schema_change` of incremental models (RULES 3.9).

use super::{Arg, Statement};
use crate::engine::{Dialect, ExistingColumn, Relation};

/// What a change of columns does to the published table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Statements that widen the table, before anything is written to it.
    pub(super) add: Vec<String>,
    /// Statements that take away columns.
    pub(super) drop: Vec<String>,
    /// Statements that change types, and the columns they are for.
    pub(super) retype: Vec<Statement>,
    pub(super) retyped: Vec<ExistingColumn>,
    /// The columns that are written.
    pub(super) columns: Vec<ExistingColumn>,
}

/// Compares names as they are written, and types. Unknown modes are `ignore`.
pub(super) fn change(
    mode: &str,
    target: &Relation,
    published: &[ExistingColumn],
    delta: &[ExistingColumn],
    dialect: Dialect,
) -> Result<Change, String> {
    let find = |list: &[ExistingColumn], name: &str| list.iter().find(|c| c.name == name).cloned();
    let added: Vec<&ExistingColumn> =
        delta.iter().filter(|c| find(published, &c.name).is_none()).collect();
    let removed: Vec<&ExistingColumn> =
        published.iter().filter(|c| find(delta, &c.name).is_none()).collect();
    let retyped: Vec<&ExistingColumn> = delta
        .iter()
        .filter(|c| {
            find(published, &c.name)
                .is_some_and(|p| !p.data_type.eq_ignore_ascii_case(&c.data_type))
        })
        .collect();
    let changed = !(added.is_empty() && removed.is_empty() && retyped.is_empty());
    let table = target.render(dialect);
    let add = added.iter().map(|c| {
        format!("alter table {table} add column {} {}", dialect.quoted(&c.name), c.data_type)
    });
    let plain = |columns: Vec<ExistingColumn>| Change {
        add: widened(&table, published, delta, dialect),
        drop: Vec::new(),
        retype: Vec::new(),
        retyped: Vec::new(),
        columns,
    };
    match mode {
        "fail" if changed => {
            let names = |list: &[&ExistingColumn]| {
                list.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
            };
            Err(format!(
                "the columns of the query are not those of the table: new [{}], missing [{}], other type [{}]; \
                 `on_schema_change: fail` stops here",
                names(&added),
                names(&removed),
                names(&retyped)
            ))
        }
        "append_new_columns" if changed => {
            let mut columns = published.to_vec();
            columns.extend(added.iter().copied().cloned());
            // A column that the query does not have stays, and gets nulls.
            columns.retain(|c| find(delta, &c.name).is_some());
            let mut change = plain(columns);
            change.add.extend(add);
            Ok(change)
        }
        "sync_all_columns" if changed => {
            let drop = removed
                .iter()
                .map(|c| format!("alter table {table} drop column {}", dialect.quoted(&c.name)));
            let retype = retyped.iter().map(|c| {
                Statement::call(
                    "alter_column_type",
                    vec![
                        Arg::Relation(target.clone()),
                        Arg::Text(c.name.clone()),
                        Arg::Text(c.data_type.clone()),
                    ],
                )
            });
            Ok(Change {
                add: add.collect(),
                drop: drop.collect(),
                retype: retype.collect(),
                retyped: retyped.iter().copied().cloned().collect(),
                columns: delta.to_vec(),
            })
        }
        "append_new_columns" | "sync_all_columns" => Ok(plain(delta.to_vec())),
        // Ignore: the table's columns are written; one that the query lacks is an error of the
        // database.
        _ => Ok(plain(published.to_vec())),
    }
}

/// Texts of the query that are longer than the table's: the column is made as long. Only engines
/// that keep lengths have such types.
fn widened(
    table: &str,
    published: &[ExistingColumn],
    delta: &[ExistingColumn],
    dialect: Dialect,
) -> Vec<String> {
    let length =
        |t: &str| t.strip_prefix("character varying(")?.strip_suffix(')')?.parse::<u32>().ok();
    let wider = delta.iter().filter(|d| {
        let old = published.iter().find(|p| p.name == d.name).and_then(|p| length(&p.data_type));
        old.is_some_and(|old| length(&d.data_type).is_some_and(|new| new > old))
    });
    let change = |c: &ExistingColumn| {
        format!("alter table {table} alter column {} type {}", dialect.quoted(&c.name), c.data_type)
    };
    wider.map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(list: &[(&str, &str)]) -> Vec<ExistingColumn> {
        list.iter()
            .map(|(n, t)| ExistingColumn { name: (*n).into(), data_type: (*t).into() })
            .collect()
    }

    fn names(change: &Change) -> Vec<&str> {
        change.columns.iter().map(|c| c.name.as_str()).collect()
    }

    #[test]
    fn modes() {
        let target = Relation::new(None, Some("main"), "t");
        let published = columns(&[("a", "INTEGER"), ("b", "VARCHAR")]);
        let delta = columns(&[("a", "BIGINT"), ("c", "DATE")]);
        let run = |mode| change(mode, &target, &published, &delta, Dialect::DUCKDB);
        assert_eq!(names(&run("ignore").unwrap()), ["a", "b"]);
        assert!(run("fail").unwrap_err().contains("new [c], missing [b], other type [a]"));
        let append = run("append_new_columns").unwrap();
        assert_eq!((names(&append), append.add.len()), (vec!["a", "c"], 1));
        let sync = run("sync_all_columns").unwrap();
        assert_eq!(names(&sync), ["a", "c"]);
        assert_eq!((sync.add.len(), sync.drop.len(), sync.retype.len()), (1, 1, 1));
        assert!(change("fail", &target, &published, &published, Dialect::DUCKDB).is_ok());
    }
}
