//! What is in the files: relations, columns, types, broken keys.

use super::errors::{engine_error, with_offset};
use super::{Sqlite, columns_of, literal, runtime_error};
use crate::engine::sqlite::DIALECT;
use crate::engine::{EngineError, ExistingColumn, ExistingRelation, Relation, RelationKind};

/// Names of the schemas of a connection, without that of temporary tables.
pub(super) fn attached_schemas(sqlite: &Sqlite) -> Result<Vec<String>, EngineError> {
    let rows = sqlite.texts("select name from pragma_database_list where name <> 'temp'")?;
    Ok(rows.into_iter().flatten().collect())
}

/// The relations of a schema; none of one that is not attached.
pub(super) fn list(
    sqlite: &Sqlite,
    database: &str,
    schema: &str,
) -> Result<Vec<ExistingRelation>, EngineError> {
    let all = attached_schemas(sqlite)?;
    let Some(name) = all.iter().find(|name| name.eq_ignore_ascii_case(schema)) else {
        return Ok(Vec::new());
    };
    let rows = sqlite.texts(&format!(
        "select name, type from {}.sqlite_schema \
         where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\' order by name",
        DIALECT.quoted(name)
    ))?;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let [name, kind] = <[String; 2]>::try_from(row).unwrap_or_default();
        let kind = RelationKind::parse(&kind).unwrap_or(RelationKind::Table);
        let relation = Relation::new(Some(database), Some(schema), &name).with_kind(kind);
        // A view that no longer fits has no columns.
        let columns = columns(sqlite, &relation).unwrap_or_default();
        out.push(ExistingRelation::new(relation, kind, columns));
    }
    Ok(out)
}

/// What stands under each of some names.
pub(super) fn find(
    sqlite: &Sqlite,
    relations: &[Relation],
) -> Result<Vec<ExistingRelation>, EngineError> {
    let all = attached_schemas(sqlite)?;
    let mut out = Vec::new();
    for relation in relations {
        let schema = relation.schema().unwrap_or("main");
        let Some(schema) = all.iter().find(|name| name.eq_ignore_ascii_case(schema)) else {
            continue;
        };
        let rows = sqlite.texts(&format!(
            "select type from {}.sqlite_schema \
             where type in ('table', 'view') and lower(name) = lower({})",
            DIALECT.quoted(schema),
            literal(relation.identifier())
        ))?;
        let Some(kind) = rows.into_iter().flatten().next() else { continue };
        let kind = RelationKind::parse(&kind).unwrap_or(RelationKind::Table);
        let columns = columns(sqlite, relation).unwrap_or_default();
        out.push(ExistingRelation::new(relation.clone().with_kind(kind), kind, columns));
    }
    Ok(out)
}

/// Columns of a relation with the types that were declared; none if it is not there.
pub(super) fn columns(
    sqlite: &Sqlite,
    relation: &Relation,
) -> Result<Vec<ExistingColumn>, EngineError> {
    let name = literal(relation.identifier());
    // Temporary tables are found by name alone.
    let schema = literal(relation.schema().unwrap_or("temp"));
    let rows =
        sqlite.texts(&format!("select name, type from pragma_table_info({name}, {schema})"))?;
    Ok(rows.into_iter().map(column).collect())
}

fn column(row: Vec<String>) -> ExistingColumn {
    let [name, data_type] = <[String; 2]>::try_from(row).unwrap_or_default();
    ExistingColumn { name, data_type }
}

/// Where an expression's type is looked at.
const PROBE: &str = "strata_probe";

/// Columns that a query would give: a column of a table has its declared type, an expression the one
/// of its affinity.
pub(super) fn describe(sqlite: &Sqlite, query: &str) -> Result<Vec<ExistingColumn>, EngineError> {
    let text = query.trim().trim_end_matches(';');
    let lead = query.len() - query.trim_start().len();
    let failed = |e: rusqlite::Error| with_offset(engine_error(&e), lead);
    let statement = sqlite.connection.prepare(text).map_err(failed)?;
    let mut columns = columns_of(&statement);
    drop(statement);
    if columns.iter().all(|c| !c.data_type.is_empty()) {
        return Ok(columns);
    }
    sqlite.batch(&format!("drop table if exists temp.{PROBE}"))?;
    let made = format!("create temp table {PROBE} as select * from (\n{text}\n) limit 0");
    if sqlite.batch(&made).is_err() {
        return Ok(columns);
    }
    let found =
        sqlite.texts(&format!("select name, type from pragma_table_info('{PROBE}', 'temp')"))?;
    sqlite.batch(&format!("drop table temp.{PROBE}"))?;
    for (column, row) in columns.iter_mut().zip(found) {
        if column.data_type.is_empty() {
            column.data_type = affinity(row.get(1).map(String::as_str).unwrap_or_default());
        }
    }
    Ok(columns)
}

/// The type that declares an affinity, as `create table as` tells it. One without any keeps values
/// as they come: no type says that.
fn affinity(told: &str) -> String {
    let name = match told {
        "INT" => "INTEGER",
        "NUM" => "NUMERIC",
        other => other,
    };
    name.to_owned()
}

/// Rows that point to what is not there, before they are committed.
pub(super) fn check_foreign_keys(sqlite: &Sqlite) -> Result<(), EngineError> {
    for schema in attached_schemas(sqlite)? {
        let name = DIALECT.quoted(&schema);
        let keys = sqlite.texts(&format!(
            "select 1 from {name}.sqlite_schema where sql like '%references%' limit 1"
        ))?;
        if keys.is_empty() {
            continue;
        }
        let broken = sqlite.texts(&format!("pragma {name}.foreign_key_check"))?;
        if let Some(first) = broken.first() {
            let (table, parent) =
                (first.first().cloned().unwrap_or_default(), first.get(2).cloned());
            let message = format!(
                "{} rows of {schema}.{table} have a foreign key that {} does not have",
                broken.len(),
                parent.unwrap_or_default()
            );
            return Err(runtime_error(message));
        }
    }
    Ok(())
}
