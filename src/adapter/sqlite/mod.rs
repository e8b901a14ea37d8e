//! The SQLite driver; the engine runs in this process.
//!
//! In: SQL. Out: replies. Each schema is a file that every connection attaches for itself; what one
//! connection attaches or creates, the others attach before their next work (`files`). One
//! transaction writes at a time, and readers see the last committed one.

mod catalog;
mod cells;
mod connect;
mod errors;
mod files;
mod fingerprint;
mod functions;
mod locks;
mod publish;
mod seeds;
mod statements;

use crate::adapter::{CheckStep, Driver, can_build, content, count_of};
use crate::engine::sqlite::{DIALECT, SPEC};
use crate::engine::{
    Cancel, Cell, ColumnChange, Content, Dialect, EachRow, EngineError, EngineErrorKind,
    EngineSpec, ExistingColumn, ExistingRelation, Opener, Publication, Relation, RelationKind,
    Reply, SeedLoad, SeedLoadReport, SqlType, StateRow, Target, WaitTimeouts, Warehouse,
};
use crate::source::SqlText;
use errors::{engine_error, with_offset};
use files::{FileAccess, Files};
use rusqlite::{Connection, InterruptHandle, Statement};
use statements::{SchemaStatement, ViewStatement, statements_of};
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) static DRIVER: Driver = Driver { engine: &SPEC, connect: open_target, diagnose };

fn diagnose(target: &Target, patience: WaitTimeouts) -> Vec<CheckStep> {
    // The probe is a table: a schema is a file, whose creation could not be rolled back.
    let probe = "create table main.strata_debug_check (a)";
    vec![("database", open_target(target, patience).and_then(|mut w| can_build(w.as_mut(), probe)))]
}

fn open_target(target: &Target, patience: WaitTimeouts) -> Result<Box<dyn Warehouse>, EngineError> {
    Ok(Box::new(Sqlite::open(Arc::new(Files::of(target, patience)?))?))
}

struct Sqlite {
    connection: Connection,
    /// The state that all connections of a run share.
    files: Arc<Files>,
    /// The schemas besides `main` that this connection has attached.
    attached: RefCell<Vec<(String, FileAccess)>>,
    interrupt: Arc<InterruptHandle>,
    /// Set by another thread to make this connection stop waiting.
    cancelled: Arc<AtomicBool>,
}

struct Interrupt {
    handle: Arc<InterruptHandle>,
    cancelled: Arc<AtomicBool>,
}

impl Cancel for Interrupt {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.handle.interrupt();
    }
}

impl Sqlite {
    fn open(files: Arc<Files>) -> Result<Sqlite, EngineError> {
        let connection = connect::open_connection(&files)?;
        let interrupt = Arc::new(connection.get_interrupt_handle());
        let sqlite = Sqlite {
            connection,
            files,
            attached: Default::default(),
            interrupt,
            cancelled: Arc::default(),
        };
        sqlite.attach_new()?;
        Ok(sqlite)
    }

    /// Attaches the files that other connections have started to use.
    fn attach_new(&self) -> Result<(), EngineError> {
        let mut attached = self.attached.borrow_mut();
        for file in self.files.all() {
            let known = attached.iter().position(|(schema, _)| *schema == file.schema);
            if let Some(at) = known {
                // A transaction keeps its files as they are until it ends.
                if attached[at].1 == file.access || self.in_transaction() {
                    continue;
                }
                connect::detach_schema(&self.connection, &file.schema)?;
                attached.remove(at);
            }
            connect::attach_file(&self.connection, &file)?;
            attached.push((file.schema, file.access));
        }
        Ok(())
    }

    /// Prepares a statement. A schema that it names is attached if needed.
    fn prepare(&self, sql: &str) -> Result<Statement<'_>, EngineError> {
        let error = match self.connection.prepare(sql) {
            Ok(statement) => return Ok(statement),
            Err(e) => engine_error(e),
        };
        let Some(schema) = errors::missing_schema(&error) else { return Err(error) };
        if self.is_attached(schema)? || !self.attach_if_there(schema)? {
            return Err(self.missing_file(schema).unwrap_or(error));
        }
        self.prepare(sql)
    }

    fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Runs a generated statement.
    fn batch(&self, sql: &str) -> Result<(), EngineError> {
        self.with_write_access(|| self.connection.execute_batch(sql).map_err(engine_error))
    }

    /// Runs generated statements and returns them as the executed SQL.
    fn run_all(&self, statements: Vec<String>) -> Result<Vec<String>, EngineError> {
        statements.iter().try_for_each(|sql| self.batch(sql))?;
        Ok(statements)
    }

    /// Runs a query and returns its rows as texts; null is empty.
    fn texts(&self, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
        let mut out = Vec::new();
        self.query(sql, &mut |row| {
            out.push(row.iter().map(Cell::display).collect());
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(out)
    }

    /// Passes each row of a statement to `each` and returns the columns.
    fn query(&self, sql: &str, each: &mut EachRow<'_>) -> Result<Vec<ExistingColumn>, EngineError> {
        let mut statement = self.prepare(sql)?;
        let mut columns = columns_of(&statement);
        let mut kinds = kinds_of(&columns);
        let mut rows = statement.query([]).map_err(engine_error)?;
        let mut is_first = true;
        while let Some(row) = rows.next().map_err(engine_error)? {
            // Another connection may have changed the relation meanwhile; SQLite then prepares the
            // statement again on the first step.
            if std::mem::take(&mut is_first) {
                columns = columns_of(row.as_ref());
                kinds = kinds_of(&columns);
            }
            let mut cells = Vec::with_capacity(kinds.len());
            for (i, kind) in kinds.iter().enumerate() {
                cells.push(cells::decode_cell(row.get_ref(i).map_err(engine_error)?, kind));
            }
            if each(cells).is_break() {
                break;
            }
        }
        Ok(columns)
    }

    /// Checks the query of a view, because SQLite checks it only when the view is read.
    fn check_view(&self, sql: &str, view: &ViewStatement) -> Result<(), EngineError> {
        let checked = self.prepare(&sql[view.query..]);
        checked.map(drop).map_err(|e| with_offset(e, view.query))
    }

    /// Runs one statement and returns the number of rows that it changed.
    fn run_one(&self, sql: &str) -> Result<i64, EngineError> {
        self.with_write_access(|| self.try_one(sql))
    }

    fn try_one(&self, sql: &str) -> Result<i64, EngineError> {
        // SQLite has no statements for schemas, because a schema is a file.
        if let Some(statement) = SchemaStatement::read(sql) {
            return self.run_schema_statement(&statement).map(|()| 0);
        }
        let view = ViewStatement::read(sql);
        if let Some(view) = &view {
            self.check_view(sql, view)?;
        }
        let sql = view.map_or(Cow::Borrowed(sql), |view| Cow::Owned(view.without_schema(sql)));
        let mut statement = self.prepare(&sql)?;
        let reads = statement.readonly();
        let mut rows = statement.raw_query();
        while rows.next().map_err(engine_error)?.is_some() {}
        drop(rows);
        drop(statement);
        let changed = if reads { 0 } else { self.connection.changes() };
        Ok(i64::try_from(changed).unwrap_or(i64::MAX))
    }
}

fn kinds_of(columns: &[ExistingColumn]) -> Vec<SqlType> {
    columns.iter().map(|c| (SPEC.types.read)(&c.data_type)).collect()
}

/// The columns of a statement, with the declared types of the underlying columns.
fn columns_of(statement: &Statement<'_>) -> Vec<ExistingColumn> {
    statement.columns().map(|c| column_of(&c)).collect()
}

fn column_of(c: &rusqlite::Column<'_>) -> ExistingColumn {
    ExistingColumn {
        name: c.name().to_owned(),
        data_type: c.decl_type().unwrap_or_default().to_owned(),
    }
}

impl Warehouse for Sqlite {
    fn engine(&self) -> &'static EngineSpec {
        &SPEC
    }

    fn version(&mut self) -> Result<String, EngineError> {
        Ok(rusqlite::version().to_owned())
    }

    /// Takes the write lock at once: a transaction that starts as a reader is refused the lock if
    /// another one has written meanwhile.
    fn begin(&mut self) -> Result<(), EngineError> {
        self.attach_new()?;
        self.batch("begin immediate")
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        if let Err(e) = catalog::check_foreign_keys(self) {
            self.rollback()?;
            return Err(e);
        }
        self.batch("commit")
    }

    fn rollback(&mut self) -> Result<(), EngineError> {
        // Some errors end the transaction by themselves.
        if self.in_transaction() { self.batch("rollback") } else { Ok(()) }
    }

    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError> {
        self.attach_new()?;
        let text = sql.as_str();
        let mut changed = 0;
        for range in statements_of(text) {
            let done = self.run_one(&text[range.clone()]);
            changed = done.map_err(|e| with_offset(e, range.start))?;
        }
        Ok(Reply { rows_affected: Some(changed), ..Reply::ok() })
    }

    fn stream_rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError> {
        self.attach_new()?;
        let text = sql.as_str();
        let all = statements_of(text);
        let Some((last, before)) = all.split_last() else { return Ok(Reply::ok()) };
        for range in before {
            self.run_one(&text[range.clone()]).map_err(|e| with_offset(e, range.start))?;
        }
        let sql = &text[last.clone()];
        let columns = self.with_write_access(|| self.query(sql, each));
        let columns = columns.map_err(|e| with_offset(e, last.start))?;
        Ok(Reply { columns, ..Reply::ok() })
    }

    fn describe_query(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError> {
        self.attach_new()?;
        catalog::describe_query(self, query.as_str())
    }

    fn list_relations(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        self.attach_new()?;
        catalog::list_relations(self, database, schema)
    }

    fn list_columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        self.attach_new()?;
        catalog::list_columns(self, relation)
    }

    fn list_castable_columns(
        &mut self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        self.attach_new()?;
        catalog::columns_to_cast(self, relation)
    }

    fn list_schemas(&mut self) -> Result<Vec<(String, String)>, EngineError> {
        self.attach_new()?;
        let database = self.files.database.clone();
        let names = catalog::attached_schemas(self)?;
        Ok(names.into_iter().map(|name| (database.clone(), name)).collect())
    }

    fn find_relations(
        &mut self,
        relations: &[Relation],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        self.attach_new()?;
        catalog::find_relations(self, relations)
    }

    fn fingerprint_content(
        &mut self,
        relation: &Relation,
        columns: &[ExistingColumn],
    ) -> Result<Content, EngineError> {
        let names: Vec<String> = columns.iter().map(|c| DIALECT.quoted(&c.name)).collect();
        let name = relation.render(DIALECT);
        let function = fingerprint::NAME;
        let sql = format!("select count(*), {function}({}) from {name}", names.join(", "));
        Ok(content(self.texts(&sql)?))
    }

    fn create_schema(&mut self, _: &str, schema: &str) -> Result<(), EngineError> {
        self.make_schema(schema)
    }

    fn load_seed(&mut self, load: &mut SeedLoad<'_>) -> Result<SeedLoadReport, EngineError> {
        seeds::load_seed(self, load)
    }

    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError> {
        publish::publish_candidate(self, publication)
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError> {
        publish::rename_relation(self, candidate, rejected, kind)
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError> {
        let name = relation.relation.render(DIALECT);
        self.run_all(vec![format!("drop {} if exists {name}", relation.kind.sql())])
    }

    fn alter_columns(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError> {
        self.run_all(change.statements.to_vec())
    }

    fn read_state(&mut self, table: &Relation) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts(&crate::adapter::notes::select_notes_sql(table, DIALECT))?;
        Ok(crate::adapter::notes::note_pairs(rows))
    }

    fn create_state_table(&mut self, table: &Relation) -> Result<(), EngineError> {
        self.make_schema(table.schema().unwrap_or_default())?;
        let name = table.render(DIALECT);
        let columns = "node text, print text, published_at timestamp";
        self.batch(&format!("create table if not exists {name} ({columns})"))
    }

    fn record_state(
        &mut self,
        table: &Relation,
        notes: &[StateRow<'_>],
    ) -> Result<(), EngineError> {
        let sql = crate::adapter::notes::write_notes_sql(table, notes, DIALECT);
        if self.in_transaction() {
            return self.batch(&sql);
        }
        self.begin()?;
        let done = self.batch(&sql);
        if done.is_ok() { self.batch("commit") } else { self.rollback().and(done) }
    }

    fn count_rows(
        &mut self,
        relation: &Relation,
        conditions: &[String],
    ) -> Result<Vec<Cell>, EngineError> {
        // An error in a query does not abort the transaction.
        let sql = SqlText::from(count_of(relation, conditions, DIALECT));
        let (_, table) = (self as &mut dyn Warehouse).fetch(&sql, Some(1))?;
        Ok(table.rows.into_iter().next().unwrap_or_default())
    }

    // The database runs in this process, so no connection can be lost.
    fn ensure_connected(&mut self) -> Result<(), EngineError> {
        self.attach_new()
    }

    fn lock(
        &mut self,
        target: &Relation,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<(), EngineError> {
        if let Some(schema) = target.schema() {
            self.use_schema(schema, FileAccess::Write)?;
        }
        self.files.lock.take(&self.cancelled, waiting)
    }

    fn unlock(&mut self, _: &Relation) {
        self.files.lock.release();
    }

    fn checkpoint(&mut self) {
        // A failure is ignored: while there are readers, the log cannot be truncated, and it is
        // written later.
        let _ = self.texts("pragma wal_checkpoint(truncate)");
    }

    fn connection_opener(&self) -> Result<Opener, EngineError> {
        let files = self.files.clone();
        Ok(Arc::new(move || Ok(Box::new(Sqlite::open(files.clone())?))))
    }

    fn cancel_handle(&self) -> Arc<dyn Cancel> {
        let (handle, cancelled) = (self.interrupt.clone(), self.cancelled.clone());
        Arc::new(Interrupt { handle, cancelled })
    }
}

fn literal(text: &str) -> String {
    Dialect::literal(text)
}

/// An error that Strata itself detects.
fn runtime_error(message: impl Into<String>) -> EngineError {
    EngineError::new(EngineErrorKind::Runtime, message)
}
