//! What is in the files: relations, columns, types, broken keys.

use super::errors::with_offset;
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
    sqlite.attach_if_there(schema)?;
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
    for schema in relations.iter().filter_map(Relation::schema) {
        sqlite.attach_if_there(schema)?;
    }
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
    // Temporary tables are found by name alone.
    let schema = relation.schema().unwrap_or("temp");
    if schema != "temp" && !sqlite.attach_if_there(schema)? {
        return Ok(Vec::new());
    }
    let (name, schema) = (literal(relation.identifier()), literal(schema));
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
    let statement = sqlite.prepare(text).map_err(|e| with_offset(e, lead))?;
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

/// A foreign key, and how many rows point to what is not there.
#[derive(Debug, PartialEq)]
struct Broken {
    schema: String,
    table: String,
    parent: String,
    rows: usize,
}

/// Rows that a transaction makes point to what is not there, before they are committed. What was
/// broken before is nobody's fault here: it is looked up by a connection that sees the last commit.
pub(super) fn check_foreign_keys(sqlite: &Sqlite) -> Result<(), EngineError> {
    let broken = broken_keys(sqlite)?;
    if broken.is_empty() {
        return Ok(());
    }
    let earlier = broken_keys(&Sqlite::open(sqlite.files.clone())?)?;
    let rows_before = |key: &Broken| {
        let same = earlier
            .iter()
            .find(|e| (&e.schema, &e.table, &e.parent) == (&key.schema, &key.table, &key.parent));
        same.map_or(0, |e| e.rows)
    };
    let Some(new) = broken.iter().find(|key| key.rows > rows_before(key)) else { return Ok(()) };
    let Broken { schema, table, parent, rows } = new;
    let there = columns(sqlite, &Relation::new(None, Some(schema), parent))?;
    let mut error = if there.is_empty() {
        let message = format!(
            "the foreign key of {schema}.{table} points to {parent}, which {schema} does not have"
        );
        runtime_error(message)
    } else {
        let (noun, verb) = if *rows == 1 { ("row", "has") } else { ("rows", "have") };
        runtime_error(format!(
            "{rows} {noun} of {schema}.{table} {verb} a foreign key without a row in {parent}"
        ))
    };
    error.hint = Some(if there.is_empty() {
        "a schema is a file, and a key does not lead out of it".to_owned()
    } else {
        format!("rows of {parent} that others point to cannot go before those do")
    });
    Err(error)
}

fn broken_keys(sqlite: &Sqlite) -> Result<Vec<Broken>, EngineError> {
    let mut out: Vec<Broken> = Vec::new();
    for schema in attached_schemas(sqlite)? {
        let name = DIALECT.quoted(&schema);
        let keys = sqlite.texts(&format!(
            "select 1 from {name}.sqlite_schema where sql like '%references%' limit 1"
        ))?;
        if keys.is_empty() {
            continue;
        }
        for row in sqlite.texts(&format!("pragma {name}.foreign_key_check"))? {
            let [table, _, parent, _] = <[String; 4]>::try_from(row).unwrap_or_default();
            let same =
                |b: &&mut Broken| b.schema == schema && b.table == table && b.parent == parent;
            match out.iter_mut().find(same) {
                Some(found) => found.rows += 1,
                None => out.push(Broken { schema: schema.clone(), table, parent, rows: 1 }),
            }
        }
    }
    Ok(out)
}
