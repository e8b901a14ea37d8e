//! Reads from the files: relations, columns, types, violated foreign keys.

use super::errors::with_offset;
use super::{Sqlite, columns_of, literal, runtime_error};
use crate::engine::sqlite::{DIALECT, SPEC, affinity_of};
use crate::engine::{
    EngineError, ExistingColumn, ExistingRelation, Relation, RelationKind, SqlType,
};

/// The names of a connection's schemas, except that of temporary tables.
pub(super) fn attached_schemas(sqlite: &Sqlite) -> Result<Vec<String>, EngineError> {
    let rows = sqlite.texts("select name from pragma_database_list where name <> 'temp'")?;
    Ok(rows.into_iter().flatten().collect())
}

/// The relations of a schema; empty if the schema does not exist.
pub(super) fn list_relations(
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
        // A view that is no longer valid is listed without columns.
        let columns = list_columns(sqlite, &relation).unwrap_or_default();
        out.push(ExistingRelation::new(relation, kind, columns));
    }
    Ok(out)
}

/// The relations that exist under any of these names.
pub(super) fn find_relations(
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
        let columns = list_columns(sqlite, relation).unwrap_or_default();
        out.push(ExistingRelation::new(relation.clone().with_kind(kind), kind, columns));
    }
    Ok(out)
}

/// The columns of a relation with their declared types; empty if it does not exist.
pub(super) fn list_columns(
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

/// The columns with types to which their values can be cast without a change. SQLite's own cast
/// would convert a date to a number, and any text if the column has no type. A column without a
/// type gets that of its values.
pub(super) fn columns_to_cast(
    sqlite: &Sqlite,
    relation: &Relation,
) -> Result<Vec<ExistingColumn>, EngineError> {
    let mut columns = list_columns(sqlite, relation)?;
    let (mut untyped, mut questions) = (Vec::new(), Vec::new());
    for column in &mut columns {
        if column.data_type.is_empty() {
            let name = DIALECT.quoted(&column.name);
            questions.push(format!(
                "max(typeof({name}) in ('text', 'blob')), max(typeof({name}) = 'real')"
            ));
            untyped.push(column);
        } else if affinity_of(&column.data_type) == "NUMERIC"
            && !matches!(
                (SPEC.types.read)(&column.data_type),
                SqlType::Decimal { .. } | SqlType::Boolean
            )
        {
            column.data_type = "TEXT".to_owned();
        }
    }
    if untyped.is_empty() {
        return Ok(columns);
    }
    let name = relation.render(DIALECT);
    let rows = sqlite.texts(&format!("select {} from {name}", questions.join(", ")))?;
    let answers = rows.into_iter().next().unwrap_or_default();
    for (column, answer) in untyped.into_iter().zip(answers.chunks(2)) {
        let data_type = match answer {
            [text, real] if text == "0" && real == "0" => "INTEGER",
            [text, _] if text == "0" => "NUMERIC",
            _ => "TEXT",
        };
        column.data_type = data_type.to_owned();
    }
    Ok(columns)
}

fn column(row: Vec<String>) -> ExistingColumn {
    let [name, data_type] = <[String; 2]>::try_from(row).unwrap_or_default();
    ExistingColumn { name, data_type }
}

/// The temporary table that reveals the types of expressions.
const PROBE: &str = "strata_probe";

/// The columns that a query would return. A column of a table has its declared type, an expression
/// the type of its affinity. For a union, SQLite reports the type of the last query, which may not
/// fit the values of the others, so it is used only if the union's affinity is the same.
pub(super) fn describe_query(
    sqlite: &Sqlite,
    query: &str,
) -> Result<Vec<ExistingColumn>, EngineError> {
    let text = query.trim().trim_end_matches(';');
    let lead = query.len() - query.trim_start().len();
    let statement = sqlite.prepare(text).map_err(|e| with_offset(e, lead))?;
    let mut columns = columns_of(&statement);
    drop(statement);
    sqlite.batch(&format!("drop table if exists temp.{PROBE}"))?;
    let made = format!("create temp table {PROBE} as select * from (\n{text}\n) limit 0");
    if sqlite.batch(&made).is_err() {
        return Ok(columns);
    }
    let found =
        sqlite.texts(&format!("select name, type from pragma_table_info('{PROBE}', 'temp')"))?;
    sqlite.batch(&format!("drop table temp.{PROBE}"))?;
    for (column, row) in columns.iter_mut().zip(found) {
        let probed = affinity(row.get(1).map(String::as_str).unwrap_or_default());
        if column.data_type.is_empty() || affinity_of(&column.data_type) != probed {
            column.data_type = probed;
        }
    }
    Ok(columns)
}

/// The type that declares an affinity, from the type that `create table as` reports. No type
/// declares "no affinity", so that stays empty.
fn affinity(told: &str) -> String {
    let name = match told {
        "INT" => "INTEGER",
        "NUM" => "NUMERIC",
        other => other,
    };
    name.to_owned()
}

/// A foreign key with the number of rows that violate it.
#[derive(Debug, PartialEq)]
struct BrokenForeignKey {
    table: String,
    parent: String,
    rows: usize,
}

/// Checks before a commit that the transaction violates no foreign keys. Earlier violations do not
/// count; a second connection, which sees the last commit, finds those.
pub(super) fn check_foreign_keys(sqlite: &Sqlite) -> Result<(), EngineError> {
    for schema in sqlite.written_schemas() {
        let now = broken_keys(sqlite, &schema);
        if matches!(&now, Ok(broken) if broken.is_empty()) {
            continue;
        }
        let earlier = Sqlite::open(sqlite.files.clone())?;
        let Ok(before) = broken_keys(&earlier, &schema) else { continue };
        if let Some(new) = now?.iter().find(|key| key.rows > count_rows_of(key, &before)) {
            return Err(broken_key(sqlite, &schema, new));
        }
    }
    Ok(())
}

/// The number of rows that violate the foreign key `key`, according to the list `all`.
fn count_rows_of(key: &BrokenForeignKey, all: &[BrokenForeignKey]) -> usize {
    let same = all.iter().find(|b| b.table == key.table && b.parent == key.parent);
    same.map_or(0, |b| b.rows)
}

/// The error for a violated foreign key.
fn broken_key(sqlite: &Sqlite, schema: &str, broken: &BrokenForeignKey) -> EngineError {
    let BrokenForeignKey { table, parent, rows } = broken;
    let relation = Relation::new(None, Some(schema), parent);
    let is_there = list_columns(sqlite, &relation).is_ok_and(|columns| !columns.is_empty());
    let (noun, verb) = if *rows == 1 { ("row", "has") } else { ("rows", "have") };
    let (message, hint) = if is_there {
        (
            format!(
                "{rows} {noun} of {schema}.{table} {verb} a foreign key without a row in {parent}"
            ),
            format!("rows of {parent} that others point to cannot go before those do"),
        )
    } else {
        (
            format!(
                "the foreign key of {schema}.{table} points to {parent}, which {schema} does not have"
            ),
            "a schema is a file, and a key does not lead out of it".to_owned(),
        )
    };
    let mut error = runtime_error(message);
    error.hint = Some(hint);
    error
}

fn broken_keys(sqlite: &Sqlite, schema: &str) -> Result<Vec<BrokenForeignKey>, EngineError> {
    let mut out: Vec<BrokenForeignKey> = Vec::new();
    let name = DIALECT.quoted(schema);
    let keys = sqlite.texts(&format!(
        "select 1 from {name}.sqlite_schema where sql like '%references%' limit 1"
    ))?;
    if keys.is_empty() {
        return Ok(out);
    }
    for row in sqlite.texts(&format!("pragma {name}.foreign_key_check"))? {
        let [table, _, parent, _] = <[String; 4]>::try_from(row).unwrap_or_default();
        match out.iter_mut().find(|b| b.table == table && b.parent == parent) {
            Some(found) => found.rows += 1,
            None => out.push(BrokenForeignKey { table, parent, rows: 1 }),
        }
    }
    Ok(out)
}
