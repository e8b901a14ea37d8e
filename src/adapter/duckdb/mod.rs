//! The DuckDB driver; the engine runs in this process.

mod cells;
mod connect;
mod errors;

pub(super) use connect::in_memory;

use connect::open_database;
use errors::engine_error;

use crate::adapter::{Driver, content, count_of, diagnose_embedded, notes};
use crate::engine::duckdb::{DIALECT, SPEC};
use crate::engine::{
    Cancel, Cell, ColumnChange, Content, Dialect, EachRow, EngineError, EngineSpec, ExistingColumn,
    ExistingRelation, Opener, ParquetFile, Publication, QueryComment, Relation, RelationKind,
    Reply, SeedLoad, SeedLoadReport, StateRow, Target, WaitTimeouts, Warehouse,
};
use crate::hash::FastMap;
use crate::source::SqlText;
use duckdb::arrow::array::{AsArray, StringArray};
use duckdb::{Connection, InterruptHandle};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) static DRIVER: Driver =
    Driver { engine: &SPEC, connect: open_target, diagnose: diagnose_embedded };

fn open_target(target: &Target, patience: WaitTimeouts) -> Result<Box<dyn Warehouse>, EngineError> {
    // A process that has the file open usually keeps it for long, so by default there is no wait.
    open_database(target, patience.lock.unwrap_or_default())
}

struct DuckDb {
    connection: Connection,
    interrupt: Arc<InterruptHandle>,
    /// The statements that each connection starts with.
    session: Arc<Vec<String>>,
    /// Whether a transaction is open, which any error would abort.
    in_transaction: bool,
    comment: Option<Arc<QueryComment>>,
}

struct Interrupt(Arc<InterruptHandle>);

impl Cancel for Interrupt {
    fn cancel(&self) {
        self.0.interrupt();
    }
}

impl DuckDb {
    fn new(connection: Connection, session: Arc<Vec<String>>) -> Result<DuckDb, EngineError> {
        for statement in session.iter() {
            connection.execute_batch(statement).map_err(engine_error)?;
        }
        let interrupt = connection.interrupt_handle();
        Ok(DuckDb { connection, interrupt, session, in_transaction: false, comment: None })
    }

    /// Passes each row of a query to `each` and returns the columns.
    fn query(&self, sql: &str, each: &mut EachRow<'_>) -> Result<Vec<ExistingColumn>, EngineError> {
        let mut statement = self.connection.prepare(sql).map_err(engine_error)?;
        let mut rows = statement.query([]).map_err(engine_error)?;
        let mut columns = Vec::new();
        let mut has_begun = false;
        while let Some(row) = rows.next().map_err(engine_error)? {
            let source = row.as_ref();
            if !has_begun {
                columns = columns_of(source);
                has_begun = true;
            }
            let mut cells = Vec::with_capacity(columns.len());
            for (i, column) in columns.iter().enumerate() {
                let value = row.get::<_, duckdb::types::Value>(i).map_err(engine_error)?;
                cells.push(cells::decode_cell(value, &column.data_type));
            }
            if each(cells).is_break() {
                break;
            }
        }
        drop(rows);
        if !has_begun {
            columns = columns_of(&statement);
        }
        Ok(columns)
    }

    fn batch(&self, sql: &str) -> Result<(), EngineError> {
        self.connection.execute_batch(sql).map_err(engine_error)
    }

    fn rename(
        &self,
        from: &Relation,
        to: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError> {
        let (name, new) = (from.render(DIALECT), DIALECT.quoted(to.identifier()));
        let sql = format!("alter {} {name} rename to {new}", kind.sql());
        self.batch(&sql)?;
        Ok(vec![sql])
    }

    /// The rows of a query with text columns only, such as those of the catalog. Each text is
    /// copied only once.
    fn texts(&self, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
        let mut statement = self.connection.prepare(sql).map_err(engine_error)?;
        let mut out = Vec::new();
        for batch in statement.query_arrow([]).map_err(engine_error)? {
            let columns: Vec<_> =
                batch.columns().iter().map(|c| c.as_string_opt::<i32>()).collect();
            out.extend((0..batch.num_rows()).map(|row| texts_of_row(&columns, row)));
        }
        Ok(out)
    }
}

impl Warehouse for DuckDb {
    fn engine(&self) -> &'static EngineSpec {
        &SPEC
    }

    fn version(&mut self) -> Result<String, EngineError> {
        Ok(self.texts("select version()")?.into_iter().flatten().next().unwrap_or_default())
    }

    fn set_comment(&mut self, comment: Option<Arc<QueryComment>>) -> Option<Arc<QueryComment>> {
        std::mem::replace(&mut self.comment, comment)
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        self.batch("begin")?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.in_transaction = false;
        self.batch("commit")
    }

    fn rollback(&mut self) -> Result<(), EngineError> {
        self.in_transaction = false;
        self.batch("rollback")
    }

    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError> {
        // SQL of a project may begin and end transactions itself.
        match sql.as_str().trim().trim_end_matches(';') {
            "begin" => self.in_transaction = true,
            "commit" | "rollback" => self.in_transaction = false,
            _ => {}
        }
        QueryComment::send(self.comment.as_deref(), sql.as_str(), |sql| self.batch(sql))?;
        Ok(Reply::ok())
    }

    fn stream_rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError> {
        let send = |sql: &str| self.query(sql, each);
        let columns = QueryComment::send(self.comment.as_deref(), sql.as_str(), send)?;
        Ok(Reply { columns, ..Reply::ok() })
    }

    fn describe_query(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError> {
        // Errors are located in the query, without the prefix.
        const PREFIX: &str = "describe ";
        let text = query.as_str().trim().trim_end_matches(';');
        let lead = query.as_str().len() - query.as_str().trim_start().len();
        let rows = self.texts(&format!("{PREFIX}{text}")).map_err(|mut e| {
            e.position =
                e.position.and_then(|(at, len)| Some((at.checked_sub(PREFIX.len())? + lead, len)));
            e
        })?;
        Ok(rows.into_iter().map(column).collect())
    }

    fn list_relations(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        self.list_relations_of_schemas(&[(database, schema)])
    }

    // The catalog functions scan the relations of all schemas, so each is called only once.
    fn list_relations_of_schemas(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let of = format!("not internal and {}", is_in_schemas(schemas));
        let relations = self.texts(&format!(
            "select database_name, schema_name, table_name, 'table' from duckdb_tables() where {of} \
             union all select database_name, schema_name, view_name, 'view' from duckdb_views() where {of} order by all"
        ))?;
        let columns = self.texts(&format!(
            "select database_name, schema_name, table_name, column_name, data_type from duckdb_columns() where {of} \
             order by 1, 2, 3, column_index"
        ))?;
        let mut by_table: FastMap<[String; 3], Vec<ExistingColumn>> = FastMap::default();
        for row in columns {
            let [database, schema, table, name, data_type] =
                <[String; 5]>::try_from(row).unwrap_or_default();
            by_table
                .entry([database, schema, table])
                .or_default()
                .push(ExistingColumn { name, data_type });
        }
        let mut out = Vec::with_capacity(relations.len());
        for row in relations {
            let [database, schema, name, kind] = <[String; 4]>::try_from(row).unwrap_or_default();
            let asked = schemas.iter().find(|(d, s)| {
                d.eq_ignore_ascii_case(&database) && s.eq_ignore_ascii_case(&schema)
            });
            let (d, s) = asked.copied().unwrap_or((&database, &schema));
            let kind = RelationKind::parse(&kind).unwrap_or(RelationKind::Table);
            let relation = Relation::new(Some(d), Some(s), &name).with_kind(kind);
            let columns = by_table.remove(&[database, schema, name]).unwrap_or_default();
            out.push(ExistingRelation::new(relation, kind, columns));
        }
        Ok(out)
    }

    fn list_functions(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let rows = self.texts(&format!(
            "select database_name, schema_name, function_name, md5(string_agg(definition, ' ' order by definition)) \
             from (select database_name, schema_name, function_name, \
             concat_ws(' ', function_type, parameters::varchar, macro_definition) as definition \
             from duckdb_functions() where not internal and function_type like '%macro' \
             and {}) group by 1, 2, 3 order by 1, 2, 3",
            is_in_schemas(schemas)
        ))?;
        let rows = rows.into_iter().filter_map(|row| <[String; 4]>::try_from(row).ok());
        let functions = rows.map(|[database, schema, name, definition]| {
            let kind = RelationKind::Function;
            let relation = Relation::new(Some(&database), Some(&schema), &name).with_kind(kind);
            let id = Some(definition);
            ExistingRelation { id, ..ExistingRelation::new(relation, kind, Vec::new()) }
        });
        Ok(functions.collect())
    }

    fn list_columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        if relation.external.is_some() {
            return self
                .describe_query(&format!("select * from {}", relation.render(DIALECT)).into());
        }
        // The catalog functions scan the relations of all schemas, which is slow if there are many.
        if !self.in_transaction && relation.schema().is_some() {
            match self.list_columns_of_existing(relation) {
                Ok(columns) => return Ok(columns),
                Err(e)
                    if e.message
                        .contains(&format!("name {} does not exist", relation.identifier())) =>
                {
                    return Ok(Vec::new());
                }
                // A view that is no longer valid fails to describe, but still has columns in the
                // catalog.
                Err(_) => {}
            }
        }
        let mut conditions =
            vec![format!("lower(table_name) = lower({})", Dialect::literal(relation.identifier()))];
        match relation.schema() {
            Some(schema) => {
                conditions.push(format!("lower(schema_name) = lower({})", Dialect::literal(schema)))
            }
            // Temporary tables are found by name alone.
            None => conditions.push("database_name = 'temp'".to_owned()),
        }
        if let Some(database) = relation.database() {
            conditions
                .push(format!("lower(database_name) = lower({})", Dialect::literal(database)));
        }
        let rows = self.texts(&format!(
            "select column_name, data_type from duckdb_columns() where {} order by column_index",
            conditions.join(" and ")
        ))?;
        Ok(rows.into_iter().map(column).collect())
    }

    fn list_columns_of_existing(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        let rows = self.texts(&format!("describe {}", relation.render(DIALECT)))?;
        Ok(rows.into_iter().map(column).collect())
    }

    fn list_schemas(&mut self) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts("select database_name, schema_name from duckdb_schemas()")?;
        Ok(rows
            .into_iter()
            .filter_map(|r| <[String; 2]>::try_from(r).ok())
            .map(|[d, s]| (d, s))
            .collect())
    }

    fn create_schema(&mut self, database: &str, schema: &str) -> Result<(), EngineError> {
        self.batch(&format!("create schema if not exists {}", DIALECT.schema(database, schema)))
    }

    fn load_seed(&mut self, load: &mut SeedLoad<'_>) -> Result<SeedLoadReport, EngineError> {
        let sql = format!(
            "copy {} from {} (format csv, header true, delimiter {})",
            load.place(DIALECT),
            Dialect::literal(load.path),
            Dialect::literal(load.delimiter)
        );
        self.batch(&sql)?;
        Ok(SeedLoadReport { rows: None, executed: vec![sql] })
    }

    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError> {
        (publication.take_turn)();
        let mut done = match publication.existing {
            Some(old) => self.drop_relation(old)?,
            None => Vec::new(),
        };
        let Publication { candidate, published, kind, .. } = publication;
        done.extend(self.rename(candidate, published, *kind)?);
        Ok(done)
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError> {
        self.rename(candidate, &rejected.stored(DIALECT), kind)
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError> {
        let name = relation.relation.render(DIALECT);
        let sql = format!("drop {} if exists {name} cascade", relation.kind.sql());
        self.batch(&sql)?;
        Ok(vec![sql])
    }

    fn alter_columns(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError> {
        change.statements.iter().try_for_each(|sql| self.batch(sql))?;
        Ok(change.statements.to_vec())
    }

    fn read_state(&mut self, table: &Relation) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts(&notes::select_notes_sql(table, DIALECT))?;
        Ok(notes::note_pairs(rows))
    }

    fn create_state_table(&mut self, table: &Relation) -> Result<(), EngineError> {
        self.batch(&notes::create_table_sql(table, DIALECT))
    }

    fn record_state(
        &mut self,
        table: &Relation,
        notes: &[StateRow<'_>],
    ) -> Result<(), EngineError> {
        let sql = notes::write_notes_sql(table, notes, DIALECT);
        // The two statements run in the open transaction, or in one of their own.
        self.batch(&if self.in_transaction { sql } else { format!("begin; {sql}; commit") })
    }

    fn count_rows(
        &mut self,
        relation: &Relation,
        conditions: &[String],
    ) -> Result<Vec<Cell>, EngineError> {
        if self.in_transaction {
            // An error would abort the transaction, and DuckDB has no savepoints.
            return Err(EngineError::unsupported("rows are not counted inside a transaction"));
        }
        let sql = SqlText::from(count_of(relation, conditions, DIALECT));
        let (_, table) = (self as &mut dyn Warehouse).fetch(&sql, Some(1))?;
        Ok(table.rows.into_iter().next().unwrap_or_default())
    }

    fn write_parquet(&mut self, file: &ParquetFile<'_>) -> Result<(), EngineError> {
        let columns: Vec<String> = file
            .columns
            .iter()
            .map(|(name, kind)| format!("{}: {}", Dialect::literal(name), Dialect::literal(kind)))
            .collect();
        // The file of rows is a JSON list; a value may be up to 1 GiB.
        self.batch(&format!(
            "copy (select * from read_json({}, columns = {{{}}}, format = 'array', \
             maximum_object_size = 1073741824)) to {} (format parquet, compression zstd)",
            Dialect::literal(file.json_path),
            columns.join(", "),
            Dialect::literal(file.parquet_path)
        ))
    }

    fn find_relations(
        &mut self,
        relations: &[Relation],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for relation in relations {
            let (Some(database), Some(schema)) = (relation.database(), relation.schema()) else {
                continue;
            };
            out.extend(
                self.list_relations(database, schema)?
                    .into_iter()
                    .filter(|r| r.relation.same(relation, DIALECT)),
            );
        }
        Ok(out)
    }

    fn fingerprint_content(
        &mut self,
        relation: &Relation,
        columns: &[ExistingColumn],
    ) -> Result<Content, EngineError> {
        let texts: String = columns
            .iter()
            .filter(|c| needs_text_hash(c))
            .map(|c| format!(", {}::varchar", DIALECT.quoted(&c.name)))
            .collect();
        let hash = format!("hash(strata_row{texts})");
        let rows = self.texts(&format!(
            "select count(*)::varchar, coalesce(bit_xor({hash}), 0) || ':' || coalesce(sum({hash}), 0) from {} as strata_row",
            relation.render(DIALECT)
        ))?;
        Ok(content(rows))
    }

    // The database runs in this process, so no connection can be lost.
    fn ensure_connected(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    // Only one process can open the file, so nobody else builds in it.
    fn lock(&mut self, _: &Relation, _: &dyn Fn(Option<&str>)) -> Result<(), EngineError> {
        Ok(())
    }

    fn unlock(&mut self, _: &Relation) {}

    fn checkpoint(&mut self) {
        let _ = self.connection.execute_batch("checkpoint");
    }

    fn connection_opener(&self) -> Result<Opener, EngineError> {
        let template = Mutex::new(self.connection.try_clone().map_err(engine_error)?);
        let session = self.session.clone();
        Ok(Arc::new(move || {
            let connection = template
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .try_clone()
                .map_err(engine_error)?;
            Ok(Box::new(DuckDb::new(connection, session.clone())?))
        }))
    }

    fn cancel_handle(&self) -> Arc<dyn Cancel> {
        Arc::new(Interrupt(self.interrupt.clone()))
    }
}

fn columns_of(statement: &duckdb::Statement<'_>) -> Vec<ExistingColumn> {
    (0..statement.column_count()).map(|at| column_at(statement, at)).collect()
}

fn column_at(statement: &duckdb::Statement<'_>, at: usize) -> ExistingColumn {
    ExistingColumn {
        name: statement.column_name(at).cloned().unwrap_or_default(),
        data_type: cells::type_name(&statement.column_type(at)),
    }
}

/// One row of text columns; null, and columns of other types, are empty.
fn texts_of_row(columns: &[Option<&StringArray>], row: usize) -> Vec<String> {
    columns.iter().map(|c| c.map(|c| c.value(row).to_owned()).unwrap_or_default()).collect()
}

/// Whether the fingerprint must include the column's text: the engine hashes values alike that it
/// considers equal (a month and 30 days), and lists that are nested differently.
fn needs_text_hash(column: &ExistingColumn) -> bool {
    ["[", "STRUCT", "MAP", "UNION", "INTERVAL"].iter().any(|t| column.data_type.contains(t))
}

/// The condition that a row of a catalog function is of one of the schemas, each with its database.
fn is_in_schemas(schemas: &[(&str, &str)]) -> String {
    let wanted: Vec<String> = schemas
        .iter()
        .map(|(d, s)| format!("({}, {})", lower_literal(d), lower_literal(s)))
        .collect();
    format!("(lower(database_name), lower(schema_name)) in ({})", wanted.join(", "))
}

fn lower_literal(text: &str) -> String {
    format!("lower({})", Dialect::literal(text))
}

fn column(row: Vec<String>) -> ExistingColumn {
    let mut row = row.into_iter();
    ExistingColumn {
        name: row.next().unwrap_or_default(),
        data_type: row.next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineErrorKind;
    use crate::engine::duckdb::target_of_path;
    use std::time::Duration;

    fn memory() -> Box<dyn Warehouse> {
        open_database(&target_of_path("t", ":memory:"), Duration::ZERO).unwrap()
    }

    #[test]
    fn values_of_all_kinds() {
        let mut w = memory();
        let sql = "select 1::bigint, 1.50::decimal(9,2), 'x', date '2024-01-31', timestamp '2024-01-31 10:00:00.5', null, \
                   [1, 2], {'a': 1}, true, 170141183460469231731687303715884105727::hugeint, time '10:00:00', current_date is not null";
        let (_, table) = w.fetch(&sql.into(), None).unwrap();
        let shown: Vec<String> = table.rows[0].iter().map(Cell::display).collect();
        assert_eq!(
            shown,
            [
                "1",
                "1.50",
                "x",
                "2024-01-31",
                "2024-01-31 10:00:00.5",
                "",
                "[1,2]",
                "{\"a\":1}",
                "true",
                "170141183460469231731687303715884105727",
                "10:00:00",
                "true"
            ]
        );
    }

    #[test]
    fn errors_have_a_kind_and_a_position() {
        let mut w = memory();
        let e = w.execute(&"select 1 as a, nope from (select 2 as b)".into()).unwrap_err();
        assert_eq!((e.kind, e.position), (EngineErrorKind::Sql, Some((15, 1))), "{e:?}");
        let e = w.describe_query(&"select nope".into()).unwrap_err();
        assert_eq!(e.position.map(|p| p.0), Some(7));
        let e = w.execute(&"select 'x'::integer".into()).unwrap_err();
        assert_eq!(e.kind, EngineErrorKind::Runtime);
    }

    #[test]
    fn content_that_differs_has_another_print() {
        let mut w = memory();
        let mut print = |value: &str| {
            w.execute(&format!("create or replace table t as select 1 as id, {value} as x").into())
                .unwrap();
            let relation = Relation::new(Some("memory"), Some("main"), "t");
            let columns = w.list_columns(&relation).unwrap();
            w.fingerprint_content(&relation, &columns).unwrap().fingerprint
        };
        for (one, other) in [
            ("[[1], [2]]", "[[1, 2]]"),
            ("[]::int[][]", "[[]]::int[][]"),
            ("interval '1 month'", "interval '30 days'"),
            ("{'a': [[1], [2]]}", "{'a': [[1, 2]]}"),
            ("1.0::decimal(4, 1)", "1.5::decimal(4, 1)"),
        ] {
            assert_ne!(print(one), print(other), "{one} {other}");
            assert_eq!(print(one), print(one), "{one}");
        }
    }

    #[test]
    fn what_exists() {
        let mut w = memory();
        w.execute(
            &"create table t (a integer, b varchar); create view v as select a from t".into(),
        )
        .unwrap();
        let all = w.list_relations("memory", "main").unwrap();
        assert_eq!(
            all.iter().map(|r| (r.relation.identifier(), r.kind)).collect::<Vec<_>>(),
            [("t", RelationKind::Table), ("v", RelationKind::View)]
        );
        assert_eq!(all[0].columns[1].data_type, "VARCHAR");
        assert_eq!(w.list_columns(&all[1].relation).unwrap().len(), 1);
        assert!(
            w.open_another()
                .unwrap()
                .list_schemas()
                .unwrap()
                .contains(&("memory".into(), "main".into()))
        );
    }
}
