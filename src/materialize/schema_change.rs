//! `on_schema_change` of incremental models (semantics 3.9).

use super::{PublicMacroArg, PublicMacroCall};
use crate::engine::{EngineSpec, ExistingColumn, Relation, SqlType};
use crate::manifest::OnSchemaChange;

/// The effect of a change of columns on the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SchemaChange {
    /// Statements that add or widen columns, to be run before rows are written.
    pub(super) add: Vec<String>,
    /// Statements that drop columns.
    pub(super) drop: Vec<String>,
    /// Macro calls that change types; `retyped` are the columns that they change.
    pub(super) retype: Vec<PublicMacroCall>,
    pub(super) retyped: Vec<ExistingColumn>,
    /// The columns that are written.
    pub(super) columns: Vec<ExistingColumn>,
    /// The columns of the table after the change.
    pub(super) after: Vec<ExistingColumn>,
}

/// The error for changed columns with `on_schema_change: fail`.
#[derive(Debug, thiserror::Error)]
#[error(
    "the columns of the query are not those of the table: new [{new}], missing [{missing}], \
     other type [{retyped}]; `on_schema_change: fail` stops here"
)]
pub(super) struct ColumnsDiffer {
    new: String,
    missing: String,
    retyped: String,
}

/// The difference between the columns of a table and those of a query, by exact names and types.
struct Difference<'a> {
    added: Vec<&'a ExistingColumn>,
    removed: Vec<&'a ExistingColumn>,
    retyped: Vec<&'a ExistingColumn>,
}

impl<'a> Difference<'a> {
    fn new(published: &'a [ExistingColumn], rows: &'a [ExistingColumn]) -> Difference<'a> {
        Difference {
            added: rows.iter().filter(|c| find(published, &c.name).is_none()).collect(),
            removed: published.iter().filter(|c| find(rows, &c.name).is_none()).collect(),
            retyped: rows.iter().filter(|c| has_other_type(c, published)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.retyped.is_empty()
    }
}

fn has_other_type(column: &ExistingColumn, published: &[ExistingColumn]) -> bool {
    let Some(old) = find(published, &column.name) else { return false };
    // A column without a declared type accepts all values.
    let is_typed = !old.data_type.is_empty() && !column.data_type.is_empty();
    is_typed && !old.data_type.eq_ignore_ascii_case(&column.data_type)
}

fn find<'a>(columns: &'a [ExistingColumn], name: &str) -> Option<&'a ExistingColumn> {
    columns.iter().find(|c| c.name == name)
}

fn names_of(columns: &[&ExistingColumn]) -> String {
    columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The change that a table needs so that the rows of a query can be written to it.
pub(super) fn change_columns(
    mode: OnSchemaChange,
    target: &Relation,
    published: &[ExistingColumn],
    rows: &[ExistingColumn],
    engine: &EngineSpec,
) -> Result<SchemaChange, ColumnsDiffer> {
    let table = target.render(engine.dialect);
    let found = Difference::new(published, rows);
    let mut change = SchemaChange {
        add: widen(&table, published, rows, engine),
        drop: Vec::new(),
        retype: Vec::new(),
        retyped: Vec::new(),
        columns: published.to_vec(),
        after: published.to_vec(),
    };
    if found.is_empty() {
        if mode.widens() {
            change.columns = rows.to_vec();
        }
        return Ok(change);
    }
    match mode {
        OnSchemaChange::Ignore => {}
        OnSchemaChange::Fail => {
            let Difference { added, removed, retyped } = &found;
            let (new, missing) = (names_of(added), names_of(removed));
            return Err(ColumnsDiffer { new, missing, retyped: names_of(retyped) });
        }
        OnSchemaChange::AppendNewColumns => {
            change.add.extend(found.added.iter().map(|c| add_column(&table, c, engine)));
            change.after.extend(found.added.iter().map(|c| (*c).clone()));
            // A column that the query lacks is not dropped; new rows have null there.
            change.columns = change.after.clone();
            change.columns.retain(|c| find(rows, &c.name).is_some());
        }
        OnSchemaChange::SyncAllColumns => {
            change.add = found.added.iter().map(|c| add_column(&table, c, engine)).collect();
            change.drop = found.removed.iter().map(|c| drop_column(&table, c, engine)).collect();
            change.retype = found.retyped.iter().map(|c| alter_type(target, c)).collect();
            change.retyped = found.retyped.iter().map(|c| (*c).clone()).collect();
            change.columns = rows.to_vec();
            change.after = rows.to_vec();
        }
    }
    Ok(change)
}

fn add_column(table: &str, column: &ExistingColumn, engine: &EngineSpec) -> String {
    let name = engine.dialect.quoted(&column.name);
    format!("alter table {table} add column {name} {}", column.data_type)
}

fn drop_column(table: &str, column: &ExistingColumn, engine: &EngineSpec) -> String {
    format!("alter table {table} drop column {}", engine.dialect.quoted(&column.name))
}

fn alter_type(target: &Relation, column: &ExistingColumn) -> PublicMacroCall {
    let (name, data_type) = (column.name.clone(), column.data_type.clone());
    let args = vec![
        PublicMacroArg::Relation(target.clone()),
        PublicMacroArg::Text(name),
        PublicMacroArg::Text(data_type),
    ];
    PublicMacroCall::new("alter_column_type", args)
}

/// Statements that lengthen text columns which are too short for the query's. Only engines with
/// maximum lengths need them.
fn widen(
    table: &str,
    published: &[ExistingColumn],
    delta: &[ExistingColumn],
    engine: &EngineSpec,
) -> Vec<String> {
    let mut out = Vec::new();
    for new in delta {
        let old = published.iter().find(|p| p.name == new.name);
        let Some(old) = old.and_then(|old| text_length(old, engine)) else { continue };
        if text_length(new, engine).is_some_and(|new| new > old) {
            let name = engine.dialect.quoted(&new.name);
            out.push(format!("alter table {table} alter column {name} type {}", new.data_type));
        }
    }
    out
}

/// The maximum length of a text column; `None` if it has no limit or is of another type.
fn text_length(column: &ExistingColumn, engine: &EngineSpec) -> Option<u32> {
    match (engine.types.read)(&column.data_type) {
        SqlType::Text { length } => length,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{duckdb, postgres};

    fn columns(list: &[(&str, &str)]) -> Vec<ExistingColumn> {
        list.iter()
            .map(|(n, t)| ExistingColumn { name: (*n).into(), data_type: (*t).into() })
            .collect()
    }

    fn names_in(columns: &[ExistingColumn]) -> Vec<&str> {
        columns.iter().map(|c| c.name.as_str()).collect()
    }

    fn names(change: &SchemaChange) -> Vec<&str> {
        names_in(&change.columns)
    }

    #[test]
    fn modes() {
        let target = Relation::new(None, Some("main"), "t");
        let published = columns(&[("a", "INTEGER"), ("b", "VARCHAR")]);
        let delta = columns(&[("a", "BIGINT"), ("c", "DATE")]);
        let run = |mode| change_columns(mode, &target, &published, &delta, &duckdb::SPEC);
        assert_eq!(names(&run(OnSchemaChange::Ignore).unwrap()), ["a", "b"]);
        assert!(
            run(OnSchemaChange::Fail)
                .unwrap_err()
                .to_string()
                .contains("new [c], missing [b], other type [a]")
        );
        let append = run(OnSchemaChange::AppendNewColumns).unwrap();
        assert_eq!((names(&append), append.add.len()), (vec!["a", "c"], 1));
        let sync = run(OnSchemaChange::SyncAllColumns).unwrap();
        assert_eq!(names(&sync), ["a", "c"]);
        assert_eq!((sync.add.len(), sync.drop.len(), sync.retype.len()), (1, 1, 1));
        assert_eq!(names_in(&append.after), ["a", "b", "c"]);
        // A text column without a limit is never lengthened.
        let widened = |old, new| {
            let (old, new) = (columns(&[("a", old)]), columns(&[("a", new)]));
            let change =
                change_columns(OnSchemaChange::Ignore, &target, &old, &new, &postgres::SPEC);
            change.unwrap().add.len()
        };
        assert_eq!(widened("character varying(5)", "character varying(9)"), 1);
        assert_eq!(widened("character varying(9)", "character varying(5)"), 0);
        assert_eq!(widened("text", "character varying(5)"), 0);
        let same =
            change_columns(OnSchemaChange::Fail, &target, &published, &published, &duckdb::SPEC);
        assert!(same.is_ok());
    }
}
