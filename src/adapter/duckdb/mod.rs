//! DuckDB, in this process.

mod cells;
mod connect;
mod errors;
mod untouched;

pub(super) use connect::{connect, in_memory};
pub(super) use untouched::state;

use crate::adapter::content;
use crate::engine::{
    Cancel, Capabilities, Cell, Change, Content, Dialect, EngineError, EngineErrorKind,
    ExistingColumn, ExistingRelation, Fetch, Opener, Relation, RelationKind, Reply, Swap, Table,
    Warehouse,
};
use crate::hash::FastMap;
use crate::source::SqlText;
use duckdb::arrow::array::AsArray;
use duckdb::{Connection, InterruptHandle};
use std::sync::{Arc, Mutex, PoisonError};

/// What DuckDB 1.5 can do.
fn capabilities() -> Capabilities {
    Capabilities {
        adapter: "duckdb",
        dialect: Dialect::DUCKDB,
        // Its statistics answer `not_null` for nothing: measured slower when fused.
        fuse_predicates: false,
        savepoints: false,
        index_after_rename: true,
        shared: false,
        locks_for_columns: false,
        reads_files: true,
        default_strategy: ("delete+insert", "append"),
        strategies: &["append", "delete+insert", "merge", "microbatch"],
        checks_strategy_first: false,
        commits_each_statement: false,
        catalog_by_relations: false,
    }
}

struct DuckDb {
    connection: Connection,
    interrupt: Arc<InterruptHandle>,
    capabilities: Capabilities,
    /// Statements that every connection begins with.
    session: Arc<Vec<String>>,
    /// A transaction is open, which a mistake would end.
    in_transaction: bool,
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
            connection.execute_batch(statement).map_err(|e| errors::engine_error(&e))?;
        }
        let interrupt = connection.interrupt_handle();
        Ok(DuckDb {
            connection,
            interrupt,
            capabilities: capabilities(),
            session,
            in_transaction: false,
        })
    }

    fn query(&self, sql: &str, limit: Option<usize>) -> Result<Table, EngineError> {
        let failed = |e: duckdb::Error| errors::engine_error(&e);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut table = Table::default();
        while let Some(row) = rows.next().map_err(failed)? {
            if limit.is_some_and(|l| table.rows.len() >= l) {
                break;
            }
            let width = row.as_ref().column_count();
            let cells: Result<Vec<Cell>, EngineError> = (0..width)
                .map(|i| row.get::<_, duckdb::types::Value>(i).map(cells::cell).map_err(failed))
                .collect();
            table.rows.push(cells?);
        }
        drop(rows);
        table.columns = (0..statement.column_count())
            .map(|i| ExistingColumn {
                name: statement.column_name(i).cloned().unwrap_or_default(),
                data_type: cells::type_name(&statement.column_type(i)),
            })
            .collect();
        let zoned = |c: &ExistingColumn| c.data_type == "TIMESTAMP WITH TIME ZONE";
        for i in (0..table.columns.len()).filter(|i| zoned(&table.columns[*i])) {
            for row in &mut table.rows {
                if let Some(Cell::Timestamp(text)) = row.get_mut(i) {
                    text.push_str("+00:00");
                }
            }
        }
        Ok(table)
    }

    /// Rows of a query whose columns are texts, as those of the catalog: each text is copied once.
    fn texts(&self, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
        let failed = |e: duckdb::Error| errors::engine_error(&e);
        let mut statement = self.connection.prepare(sql).map_err(failed)?;
        let mut out = Vec::new();
        for batch in statement.query_arrow([]).map_err(failed)? {
            let columns: Vec<_> =
                batch.columns().iter().map(|c| c.as_string_opt::<i32>()).collect();
            let text = |row: usize| {
                columns.iter().map(move |c| c.map(|c| c.value(row).to_owned()).unwrap_or_default())
            };
            out.extend((0..batch.num_rows()).map(|row| text(row).collect()));
        }
        Ok(out)
    }
}

impl Warehouse for DuckDb {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn run(&mut self, sql: &SqlText, fetch: Fetch) -> Result<Reply, EngineError> {
        match sql.as_str().trim().trim_end_matches(';') {
            "begin" => self.in_transaction = true,
            "commit" | "rollback" => self.in_transaction = false,
            _ => {}
        }
        let table = match fetch {
            Fetch::Nothing => {
                self.connection
                    .execute_batch(sql.as_str())
                    .map_err(|e| errors::engine_error(&e))?;
                None
            }
            Fetch::Rows(limit) => Some(self.query(sql.as_str(), limit)?),
        };
        Ok(Reply { message: "OK".to_owned(), rows_affected: None, table })
    }

    fn describe(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError> {
        // The position of an error is one of the query, without the word in front.
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

    fn list(&mut self, database: &str, schema: &str) -> Result<Vec<ExistingRelation>, EngineError> {
        self.list_all(&[(database, schema)])
    }

    // The catalog's functions go through all relations of all schemas: they are asked once.
    fn list_all(&mut self, schemas: &[(&str, &str)]) -> Result<Vec<ExistingRelation>, EngineError> {
        let text = |n: &str| format!("lower({})", Dialect::literal(n));
        let wanted: Vec<String> =
            schemas.iter().map(|(d, s)| format!("({}, {})", text(d), text(s))).collect();
        let of = format!(
            "not internal and (lower(database_name), lower(schema_name)) in ({})",
            wanted.join(", ")
        );
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

    fn columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        if relation.external.is_some() {
            return self
                .describe(&format!("select * from {}", relation.render(Dialect::DUCKDB)).into());
        }
        // The catalog's functions go through all relations of all schemas, which takes as long as
        // there are many.
        if !self.in_transaction && relation.schema().is_some() {
            match self.columns_of_existing(relation) {
                Ok(columns) => return Ok(columns),
                Err(e)
                    if e.message
                        .contains(&format!("name {} does not exist", relation.identifier())) =>
                {
                    return Ok(Vec::new());
                }
                // A view that no longer fits has columns all the same.
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

    fn columns_of_existing(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        let rows = self.texts(&format!("describe {}", relation.render(Dialect::DUCKDB)))?;
        Ok(rows.into_iter().map(column).collect())
    }

    fn schemas(&mut self) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts("select database_name, schema_name from duckdb_schemas()")?;
        Ok(rows
            .into_iter()
            .filter_map(|r| <[String; 2]>::try_from(r).ok())
            .map(|[d, s]| (d, s))
            .collect())
    }

    fn copy_in(&mut self, _: &str, _: &mut dyn std::io::Read) -> Result<u64, EngineError> {
        Err(EngineError::new(EngineErrorKind::Unsupported, "DuckDB reads files itself"))
    }

    fn swap(&mut self, swap: &Swap<'_>) -> Result<Vec<String>, EngineError> {
        (swap.take_turn)();
        let mut all = Vec::new();
        if let Some(old) = swap.existing {
            all.push(format!(
                "drop {} if exists {} cascade",
                old.kind.sql(),
                old.relation.render(Dialect::DUCKDB)
            ));
        }
        all.push(format!(
            "alter {} {} rename to {}",
            swap.kind.sql(),
            swap.candidate.render(Dialect::DUCKDB),
            Dialect::DUCKDB.quoted(swap.published.identifier())
        ));
        for sql in &all {
            self.connection.execute_batch(sql).map_err(|e| errors::engine_error(&e))?;
        }
        Ok(all)
    }

    fn alter(&mut self, change: &Change<'_>) -> Result<Vec<String>, EngineError> {
        for sql in change.statements {
            self.connection.execute_batch(sql).map_err(|e| errors::engine_error(&e))?;
        }
        Ok(change.statements.to_vec())
    }

    fn find(&mut self, relations: &[Relation]) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for relation in relations {
            let (Some(database), Some(schema)) = (relation.database(), relation.schema()) else {
                continue;
            };
            out.extend(
                self.list(database, schema)?
                    .into_iter()
                    .filter(|r| r.relation.same(relation, Dialect::DUCKDB)),
            );
        }
        Ok(out)
    }

    fn content(
        &mut self,
        relation: &Relation,
        columns: &[ExistingColumn],
    ) -> Result<Content, EngineError> {
        // The engine's hash is the same for what it calls equal (a month and 30 days) and for lists
        // that are nested in another way: these count as text, too.
        let odd = |c: &ExistingColumn| {
            ["[", "STRUCT", "MAP", "UNION", "INTERVAL"].iter().any(|t| c.data_type.contains(t))
        };
        let as_text =
            |c: &ExistingColumn| format!(", {}::varchar", Dialect::DUCKDB.quoted(&c.name));
        let texts: String = columns.iter().filter(|c| odd(c)).map(as_text).collect();
        let hash = format!("hash(strata_row{texts})");
        let rows = self.texts(&format!(
            "select count(*)::varchar, coalesce(bit_xor({hash}), 0) || ':' || coalesce(sum({hash}), 0) from {} as strata_row",
            relation.render(Dialect::DUCKDB)
        ))?;
        Ok(content(rows))
    }

    // The database is in this process.
    fn ready(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    // One process at a time has the file: nobody else builds.
    fn lock(&mut self, _: &Relation, _: &dyn Fn(Option<&str>)) -> Result<(), EngineError> {
        Ok(())
    }

    fn unlock(&mut self, _: &Relation) {}

    fn settle(&mut self) {
        let _ = self.connection.execute_batch("checkpoint");
    }

    fn opener(&self) -> Result<Opener, EngineError> {
        let failed = |e: duckdb::Error| errors::engine_error(&e);
        let template = Mutex::new(self.connection.try_clone().map_err(failed)?);
        let session = self.session.clone();
        Ok(Arc::new(move || {
            let connection = template
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .try_clone()
                .map_err(failed)?;
            Ok(Box::new(DuckDb::new(connection, session.clone())?))
        }))
    }

    fn cancel_handle(&self) -> Arc<dyn Cancel> {
        Arc::new(Interrupt(self.interrupt.clone()))
    }
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
    use crate::config::TargetOptions;
    use crate::engine::EngineErrorKind;
    use std::time::Duration;

    fn memory() -> Box<dyn Warehouse> {
        connect(&TargetOptions::default_duckdb("t", ":memory:"), Duration::ZERO).unwrap()
    }

    #[test]
    fn values_of_all_kinds() {
        let mut w = memory();
        let sql = "select 1::bigint, 1.50::decimal(9,2), 'x', date '2024-01-31', timestamp '2024-01-31 10:00:00.5', null, \
                   [1, 2], {'a': 1}, true, 170141183460469231731687303715884105727::hugeint, time '10:00:00', current_date is not null";
        let table = w.run(&sql.into(), Fetch::Rows(None)).unwrap().table.unwrap();
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
        let e =
            w.run(&"select 1 as a, nope from (select 2 as b)".into(), Fetch::Nothing).unwrap_err();
        assert_eq!((e.kind, e.position), (EngineErrorKind::Sql, Some((15, 1))), "{e:?}");
        let e = w.describe(&"select nope".into()).unwrap_err();
        assert_eq!(e.position.map(|p| p.0), Some(7));
        let e = w.run(&"select 'x'::integer".into(), Fetch::Nothing).unwrap_err();
        assert_eq!(e.kind, EngineErrorKind::Runtime);
    }

    #[test]
    fn content_that_differs_has_another_print() {
        let mut w = memory();
        let mut print = |value: &str| {
            w.run(
                &format!("create or replace table t as select 1 as id, {value} as x").into(),
                Fetch::Nothing,
            )
            .unwrap();
            let relation = Relation::new(Some("memory"), Some("main"), "t");
            let columns = w.columns(&relation).unwrap();
            w.content(&relation, &columns).unwrap().fingerprint
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
        w.run(
            &"create table t (a integer, b varchar); create view v as select a from t".into(),
            Fetch::Nothing,
        )
        .unwrap();
        let all = w.list("memory", "main").unwrap();
        assert_eq!(
            all.iter().map(|r| (r.relation.identifier(), r.kind)).collect::<Vec<_>>(),
            [("t", RelationKind::Table), ("v", RelationKind::View)]
        );
        assert_eq!(all[0].columns[1].data_type, "VARCHAR");
        assert_eq!(w.columns(&all[1].relation).unwrap().len(), 1);
        assert!(w.fork().unwrap().schemas().unwrap().contains(&("memory".into(), "main".into())));
    }
}
