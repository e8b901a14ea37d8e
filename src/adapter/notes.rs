//! SQL for the table of recorded publications, for all engines that support such tables.

use crate::engine::{Dialect, Relation, StateRow};

pub(super) fn create_table_sql(table: &Relation, dialect: Dialect) -> String {
    let (database, schema) =
        (table.database().unwrap_or_default(), table.schema().unwrap_or_default());
    format!(
        "create schema if not exists {}; create table if not exists {} (node varchar, print varchar, \
         published_at timestamp with time zone)",
        dialect.schema(database, schema),
        table.render(dialect)
    )
}

pub(super) fn select_notes_sql(table: &Relation, dialect: Dialect) -> String {
    format!("select node, print from {}", table.render(dialect))
}

/// Parses the rows of `select_notes_sql`.
pub(super) fn note_pairs(rows: Vec<Vec<String>>) -> Vec<(String, String)> {
    rows.into_iter()
        .filter_map(|row| <[String; 2]>::try_from(row).ok())
        .map(|[node, print]| (node, print))
        .collect()
}

pub(super) fn write_notes_sql(
    table: &Relation,
    notes: &[StateRow<'_>],
    dialect: Dialect,
) -> String {
    let name = table.render(dialect);
    let nodes: Vec<String> = notes.iter().map(|note| Dialect::literal(note.node)).collect();
    let values: Vec<String> = notes.iter().map(write_row).collect();
    format!(
        "delete from {name} where node in ({}); \
         insert into {name} (node, print, published_at) values {}",
        nodes.join(", "),
        values.join(", ")
    )
}

fn write_row(note: &StateRow<'_>) -> String {
    let (node, print) = (Dialect::literal(note.node), Dialect::literal(note.fingerprint));
    format!("({node}, {print}, current_timestamp)")
}
