//! The Postgres driver, on top of the wire protocol.
//!
//! In: SQL. Out: replies. A connection goes directly to the server, or to a pooler that keeps a
//! session for one transaction only. Behind a pooler, every group of statements is a transaction
//! that applies its settings again, statements are not named, and temporary tables exist within one
//! transaction.

mod belongings;
mod catalog;
mod cells;
mod connect;
mod copy;
mod dependents;
mod diagnose;
mod errors;
mod in_place;
mod locks;
mod script;
mod swap;
mod tls;
mod wire;

use crate::adapter::{Driver, content, count_of, notes};
use crate::engine::postgres::{DIALECT, SPEC};
use crate::engine::{
    Cancel, Cell, ColumnChange, Content, Dialect, EachRow, EngineError, EngineErrorKind,
    EngineSpec, ExistingColumn, ExistingRelation, Opener, Publication, QueryComment, Relation,
    RelationKind, Reply, SeedLoad, SeedLoadReport, StateRow, Target, WaitTimeouts, Warehouse,
};
use crate::source::SqlText;
use crate::sql::{first_word, split_statements};
use belongings::AttachedObject;
use connect::{Server, open_session};
use copy::CopyText;
use diagnose::diagnose_connection;
use errors::{engine_error, is_made_meanwhile};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use postgres::{CancelToken, Client, NoTls, SimpleQueryMessage, Statement};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wire::TlsNegotiator;

pub(super) static DRIVER: Driver =
    Driver { engine: &SPEC, connect: open_target, diagnose: diagnose_connection };

fn open_target(target: &Target, patience: WaitTimeouts) -> Result<Box<dyn Warehouse>, EngineError> {
    Ok(Box::new(open_session(target, patience)?))
}

pub(crate) struct Postgres {
    client: Client,
    server: Arc<Server>,
    in_transaction: bool,
    /// Set when a statement reports that the connection is lost; the driver itself notices this
    /// only when it sends something.
    lost: bool,
    /// Set by another thread to make this connection stop waiting.
    cancelled: Arc<AtomicBool>,
    /// The cancel token of the current connection; it changes when a lost connection is replaced.
    token: Arc<Mutex<CancelToken>>,
    /// The relations that this connection has locked.
    locked: Vec<Relation>,
    /// The belongings that the relation swapped in last gets after its hooks have run.
    pending: Vec<AttachedObject>,
    /// Prepared statements for Strata's own queries, by text. Empty behind a pooler.
    prepared: HashMap<String, Statement>,
    comment: Option<Arc<QueryComment>>,
}

/// Makes the server check regularly whether its client still exists (PostgreSQL documentation,
/// `client_connection_check_interval`, since version 14).
const END_WITH_CLIENT: &str = "select set_config(name, '2s', false) from pg_catalog.pg_settings \
     where name = 'client_connection_check_interval'";

/// The oid of a relation, as an SQL expression.
fn oid_of(relation: &Relation) -> String {
    format!("to_regclass({})", Dialect::literal(&relation.render(DIALECT)))
}

struct Canceller {
    token: Arc<Mutex<CancelToken>>,
    server: Arc<Server>,
    cancelled: Arc<AtomicBool>,
}

impl Cancel for Canceller {
    fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wire = self.server.wire(true);
        // Runs in a thread, because a pooler may take long to close the connection. An error is
        // ignored: a server that cannot be reached runs nothing that could be cancelled.
        let _ = std::thread::Builder::new()
            .name("cancel".to_owned())
            .spawn(move || cancel_query(&token, wire));
    }
}

fn cancel_query(token: &CancelToken, wire: Option<TlsNegotiator>) -> Result<(), postgres::Error> {
    match wire {
        Some(wire) => token.cancel_query(wire),
        None => token.cancel_query(NoTls),
    }
}

/// The effect of a statement on the transaction.
#[derive(Clone, Copy, PartialEq)]
enum Control {
    Begin,
    Commit,
    Rollback,
}

fn control(sql: &str) -> Option<Control> {
    let text = sql.trim().trim_end_matches(';').trim_end();
    if text.len() > 24 {
        return None;
    }
    match text.to_ascii_lowercase().as_str() {
        "begin" | "begin transaction" | "begin work" | "start transaction" => Some(Control::Begin),
        "commit" | "commit transaction" | "commit work" | "end" => Some(Control::Commit),
        "rollback" | "rollback transaction" | "abort" => Some(Control::Rollback),
        _ => None,
    }
}

impl Postgres {
    fn begin_session(server: Arc<Server>, mut client: Client) -> Result<Postgres, EngineError> {
        if let Some(sql) = server.session_sql().filter(|_| !server.pooled) {
            client.batch_execute(&sql).map_err(|e| engine_error(&e, &sql))?;
        }
        if !server.pooled {
            // With this, the statement of a killed build ends soon, and its locks with it. Servers
            // that do not support it are fine too.
            let _ = client.batch_execute(END_WITH_CLIENT);
        }
        let token = Arc::new(Mutex::new(client.cancel_token()));
        Ok(Postgres {
            client,
            server,
            in_transaction: false,
            lost: false,
            cancelled: Arc::default(),
            token,
            locked: Vec::new(),
            pending: Vec::new(),
            prepared: HashMap::new(),
            comment: None,
        })
    }

    /// Replaces a connection that was lost outside of a transaction, and takes its locks again.
    fn revive(&mut self) -> Result<(), EngineError> {
        if self.in_transaction || !(self.lost || self.client.is_closed()) {
            return Ok(());
        }
        let fresh = Postgres::begin_session(self.server.clone(), self.server.reopen()?)?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = fresh.client.cancel_token();
        self.client = fresh.client;
        self.prepared.clear();
        self.lost = false;
        for relation in std::mem::take(&mut self.locked) {
            self.lock(&relation, &|_| {})?;
        }
        Ok(())
    }

    /// Fails if this connection was asked to stop waiting for a lock.
    fn may_wait(&self) -> Result<(), EngineError> {
        if !self.cancelled.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(EngineError::new(EngineErrorKind::Cancelled, "interrupted while waiting for a lock"))
    }

    /// Remembers from an error that the connection is lost.
    fn noted<T>(&mut self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        self.lost |= result.as_ref().is_err_and(|e| e.kind == EngineErrorKind::Connection);
        result
    }

    /// Begins a transaction. If its settings cannot be applied, it is rolled back.
    fn begin_transaction(&mut self) -> Result<(), EngineError> {
        let begin = self.server.begin_sql();
        let begun = self.client.batch_execute(&begin).map_err(|e| engine_error(&e, ""));
        if begun.is_err() {
            let _ = self.client.batch_execute("rollback");
        }
        self.noted(begun)
    }

    /// Runs `work`, behind a pooler in a transaction of its own unless one is open.
    fn group<T>(
        &mut self,
        work: impl Fn(&mut Client) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.revive()?;
        if !self.server.pooled || self.in_transaction {
            let done = work(&mut self.client);
            return self.noted(done);
        }
        self.begin_transaction()?;
        let done = work(&mut self.client).and_then(|done| {
            self.client.batch_execute("commit").map_err(|e| engine_error(&e, ""))?;
            Ok(done)
        });
        let done = done.or_else(|e| {
            let _ = self.client.batch_execute("rollback");
            // Some statements, such as `vacuum`, cannot run in a transaction.
            if e.code.as_deref() == Some("25001") { work(&mut self.client) } else { Err(e) }
        });
        self.noted(done)
    }

    /// Ends the open transaction with a `commit` or `rollback` statement.
    fn end_transaction(&mut self, sql: &str, how: Control) -> Result<(), EngineError> {
        // The transaction is over even if the statement fails.
        self.in_transaction = false;
        if !(self.lost || self.client.is_closed()) {
            let ended = self.client.batch_execute(sql).map_err(|e| engine_error(&e, ""));
            return self.noted(ended);
        }
        match how {
            Control::Commit => Err(errors::connection_error(
                "the connection was lost before the transaction was committed",
            )),
            _ => Ok(()),
        }
    }

    /// Runs generated statements and returns them as the executed SQL.
    fn run_all(&mut self, statements: Vec<String>) -> Result<Vec<String>, EngineError> {
        statements.iter().try_for_each(|sql| self.run(sql).map(drop))?;
        Ok(statements)
    }

    /// Streams rows into a table and returns their number.
    fn copy_in(&mut self, statement: &str, input: &mut dyn Read) -> Result<u64, EngineError> {
        self.revive()?;
        // The driver uses a named statement. Behind a pooler, it has to be gone before another
        // session gets this server connection, and a statement with that name may be left from an
        // earlier session.
        let own = self.server.pooled && !self.in_transaction;
        if own {
            self.begin_transaction()?;
        }
        if self.server.pooled {
            self.client.batch_execute("deallocate all").map_err(|e| engine_error(&e, ""))?;
        }
        let copied = copy(&mut self.client, statement, input);
        if copied.is_err() {
            // After a copy that the server refuses at once, the driver counts one reply too many,
            // and would take each later reply for that of the query before. So the connection is
            // given up together with its transaction.
            self.lost = true;
        } else if own {
            self.client.batch_execute("commit").map_err(|e| engine_error(&e, ""))?;
        }
        copied
    }

    /// Runs statements in order and returns the number of rows of the last one.
    fn run(&mut self, sql: &str) -> Result<Option<i64>, EngineError> {
        self.group(|client| {
            // Result rows are not needed, so do not collect them.
            if matches!(first_word(sql).as_str(), "select" | "with" | "values" | "table" | "show") {
                client.batch_execute(sql).map_err(|e| engine_error(&e, sql))?;
                return Ok(None);
            }
            let replies = client.simple_query(sql).map_err(|e| engine_error(&e, sql))?;
            Ok(replies.iter().rev().find_map(|m| match m {
                SimpleQueryMessage::CommandComplete(rows) => i64::try_from(*rows).ok(),
                _ => None,
            }))
        })
    }

    /// Runs statements and passes on the rows of the last one; returns its columns.
    fn query(
        &mut self,
        sql: &str,
        each: &mut EachRow<'_>,
    ) -> Result<Vec<ExistingColumn>, EngineError> {
        let Some((before, last)) = split_last(sql) else { return Ok(Vec::new()) };
        let pooled = self.server.pooled;
        let each = RefCell::new(each);
        self.group(|client| {
            run_before(client, before)?;
            let each = &mut **each.borrow_mut();
            rows(client, &sql[last.clone()], each, pooled).map_err(|e| moved(e, last.start))
        })
    }

    /// Runs a query whose parameters and columns are all texts; null is returned as an empty text.
    /// Prepared once per session, for queries that are repeated often.
    fn ask(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, EngineError> {
        self.revive()?;
        if self.server.pooled {
            let typed: Vec<(&(dyn ToSql + Sync), Type)> =
                parameters.iter().map(|p| (p as &(dyn ToSql + Sync), Type::TEXT)).collect();
            return self.group(|client| {
                let rows = client.query_typed(sql, &typed).map_err(|e| engine_error(&e, sql))?;
                Ok(rows.iter().map(texts_of_row).collect())
            });
        }
        let plain: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        let statement = match self.prepared.get(sql) {
            Some(known) => known.clone(),
            None => {
                let types = vec![Type::TEXT; parameters.len()];
                let new = self.client.prepare_typed(sql, &types);
                let new = new.map_err(|e| engine_error(&e, sql));
                let new = self.noted(new)?;
                self.prepared.insert(sql.to_owned(), new.clone());
                new
            }
        };
        let rows = self.client.query(&statement, &plain).map_err(|e| engine_error(&e, sql));
        Ok(self.noted(rows)?.iter().map(texts_of_row).collect())
    }

    /// Runs a query and returns its rows as texts; null is empty.
    fn texts(&mut self, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
        self.group(|client| {
            let replies = client.simple_query(sql).map_err(|e| engine_error(&e, sql))?;
            Ok(replies.iter().filter_map(texts_of_message).collect())
        })
    }
}

/// The columns of a row of texts; null is empty.
fn texts_of_row(row: &postgres::Row) -> Vec<String> {
    (0..row.len())
        .map(|i| row.try_get::<_, Option<String>>(i).ok().flatten().unwrap_or_default())
        .collect()
}

/// The columns of a row in the simple protocol, with empty texts for null. `None` if the message is
/// not a row.
fn texts_of_message(message: &SimpleQueryMessage) -> Option<Vec<String>> {
    match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    }
}

/// Runs an unnamed statement of the extended protocol, which takes one round trip and works behind
/// poolers. Returns the columns.
fn rows(
    client: &mut Client,
    sql: &str,
    each: &mut EachRow<'_>,
    pooled: bool,
) -> Result<Vec<ExistingColumn>, EngineError> {
    let mut found = client
        .query_typed_raw(sql, std::iter::empty::<(&str, Type)>())
        .map_err(|e| engine_error(&e, sql))?;
    let mut columns: Vec<ExistingColumn> = Vec::new();
    let mut wanted = true;
    // Read to the end even after `each` breaks, because an error may follow.
    while let Some(row) = found.next().map_err(|e| engine_error(&e, sql))? {
        if columns.is_empty() {
            columns = row.columns().iter().map(column).collect();
        }
        if wanted {
            wanted = each((0..row.len()).map(|i| cell_at(&row, i)).collect()).is_continue();
        }
    }
    drop(found);
    if columns.is_empty() {
        columns = columns_of(client, sql, pooled)?;
    }
    Ok(columns)
}

/// The columns of a query that returned no rows; empty for other statements. The server describes
/// the statement without running it.
fn columns_of(
    client: &mut Client,
    sql: &str,
    pooled: bool,
) -> Result<Vec<ExistingColumn>, EngineError> {
    if pooled {
        // The driver names the statement, and one with that name may be left from an earlier
        // session.
        client.batch_execute("deallocate all").map_err(|e| engine_error(&e, sql))?;
    }
    let statement = client.prepare(sql).map_err(|e| engine_error(&e, sql))?;
    Ok(statement.columns().iter().map(column).collect())
}

fn cell_at(row: &postgres::Row, at: usize) -> Cell {
    let raw = row.try_get::<_, Option<cells::RawBytes<'_>>>(at).ok().flatten();
    cells::decode_cell(row.columns()[at].type_(), raw)
}

/// The names and types of a query's columns, including lengths and precisions, from a row of nulls.
/// The query itself is not run.
fn describe(client: &mut Client, query: &str) -> Result<Vec<ExistingColumn>, EngineError> {
    let sql = format!("{DESCRIBE}{query}\n) as query limit 0) as described on true");
    let mut found = client
        .query_typed_raw(&sql, std::iter::empty::<(&str, Type)>())
        .map_err(|e| describe_error(&e, &sql))?;
    let row = found.next().map_err(|e| describe_error(&e, &sql))?;
    Ok(row.map(|r| r.columns().iter().map(column).collect()).unwrap_or_default())
}

/// An error of `describe_query`, located in the query itself.
fn describe_error(e: &postgres::Error, sql: &str) -> EngineError {
    let mut e = engine_error(e, sql);
    e.position = e.position.and_then(|(at, len)| Some((at.checked_sub(DESCRIBE.len())?, len)));
    e
}

const DESCRIBE: &str = "select described.* from (select 1) as one left join (select * from (\n";

fn column(c: &postgres::Column) -> ExistingColumn {
    ExistingColumn {
        name: c.name().to_owned(),
        data_type: cells::type_name(c.type_(), c.type_modifier()),
    }
}

/// Streams rows in the format that the statement expects.
fn copy(client: &mut Client, statement: &str, input: &mut dyn Read) -> Result<u64, EngineError> {
    const PIECE: usize = 1 << 17;
    let mut writer = client.copy_in(statement).map_err(|e| engine_error(&e, statement))?;
    let mut buffer = vec![0; PIECE];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                if writer.write_all(&buffer[..n]).is_err() {
                    // The server gave up; `finish` returns its error.
                    break;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            // Dropping the writer aborts the copy.
            Err(e) => return Err(EngineError::new(EngineErrorKind::Runtime, e.to_string())),
        }
    }
    writer.finish().map_err(|e| engine_error(&e, statement))
}

/// The text before the last statement, if there is any, and where the last one is.
fn split_last(sql: &str) -> Option<(Option<&str>, Range<usize>)> {
    let all = split_statements(sql);
    let last = all.last()?.clone();
    Some(((all.len() > 1).then(|| &sql[..last.start]), last))
}

fn run_before(client: &mut Client, before: Option<&str>) -> Result<(), EngineError> {
    let Some(before) = before else { return Ok(()) };
    client.batch_execute(before).map_err(|e| engine_error(&e, before))
}

/// An error of a statement that begins at `start` of the whole text.
fn moved(mut e: EngineError, start: usize) -> EngineError {
    e.position = e.position.map(|(at, len)| (at + start, len));
    e
}

/// The status of a statement as in dbt: `SELECT 5`, `INSERT 0 5`, `CREATE VIEW`.
fn status(sql: &str, rows: Option<i64>) -> String {
    let last = split_statements(sql).pop().map_or("", |r| &sql[r]);
    let word = first_word(last).to_uppercase();
    let head: String = last.chars().take(400).collect::<String>().to_lowercase();
    match (word.as_str(), rows) {
        ("CREATE", Some(n)) if head.contains("table") && n > 0 => format!("SELECT {n}"),
        ("CREATE", _) if head.contains("table") => "CREATE TABLE".to_owned(),
        ("CREATE", _) if head.contains("view") => "CREATE VIEW".to_owned(),
        ("INSERT", Some(n)) => format!("INSERT 0 {n}"),
        ("DELETE" | "UPDATE" | "MERGE" | "SELECT", Some(n)) => format!("{word} {n}"),
        ("", _) => "OK".to_owned(),
        _ => word,
    }
}

/// Relations from rows (relation, kind, column, type, oid), which are sorted by relation.
fn relations(rows: Vec<Vec<String>>, database: &str, schema: &str) -> Vec<ExistingRelation> {
    let mut out: Vec<ExistingRelation> = Vec::new();
    for row in rows {
        let [name, kind, column, data_type, id] = <[String; 5]>::try_from(row).unwrap_or_default();
        if out.last().is_none_or(|r| r.relation.identifier() != name) {
            let kind = RelationKind::parse(&kind).unwrap_or(RelationKind::Table);
            let relation = Relation::new(Some(database), Some(schema), &name).with_kind(kind);
            let id = Some(id).filter(|id| !id.is_empty());
            out.push(ExistingRelation { id, ..ExistingRelation::new(relation, kind, Vec::new()) });
        }
        if let Some(relation) = out.last_mut().filter(|_| !column.is_empty()) {
            relation.columns.push(ExistingColumn { name: column, data_type });
        }
    }
    out
}

fn functions<'s>(
    rows: Vec<Vec<String>>,
    database: &'s str,
    schema: &'s str,
) -> impl Iterator<Item = ExistingRelation> + use<'s> {
    let rows = rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
    rows.map(move |[name, definition]| {
        let kind = RelationKind::Function;
        let relation = Relation::new(Some(database), Some(schema), &name).with_kind(kind);
        let id = Some(definition);
        ExistingRelation { id, ..ExistingRelation::new(relation, kind, Vec::new()) }
    })
}

impl Warehouse for Postgres {
    fn engine(&self) -> &'static EngineSpec {
        &SPEC
    }

    fn version(&mut self) -> Result<String, EngineError> {
        Ok(self.texts("select version()")?.into_iter().flatten().next().unwrap_or_default())
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        self.revive()?;
        self.begin_transaction()?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.end_transaction("commit", Control::Commit)
    }

    fn rollback(&mut self) -> Result<(), EngineError> {
        self.end_transaction("rollback", Control::Rollback)
    }

    fn set_comment(&mut self, comment: Option<Arc<QueryComment>>) -> Option<Arc<QueryComment>> {
        std::mem::replace(&mut self.comment, comment)
    }

    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError> {
        let text = sql.as_str();
        // SQL of a project may begin and end transactions itself.
        if let Some(control) = control(text) {
            match control {
                Control::Begin => self.begin()?,
                control => self.end_transaction(text, control)?,
            }
            let message = match control {
                Control::Begin => "BEGIN".to_owned(),
                _ => text.trim().trim_end_matches(';').to_uppercase(),
            };
            return Ok(Reply { message, ..Reply::default() });
        }
        let comment = self.comment.clone();
        let rows = QueryComment::send(comment.as_deref(), text, |sql| self.run(sql))?;
        Ok(Reply { message: status(text, rows), rows_affected: rows, ..Reply::default() })
    }

    fn stream_rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError> {
        let mut count = 0;
        let comment = self.comment.clone();
        let columns = QueryComment::send(comment.as_deref(), sql.as_str(), |sql| {
            self.query(sql, &mut |row| {
                count += 1;
                each(row)
            })
        })?;
        let rows_affected = Some(count);
        Ok(Reply { message: status(sql.as_str(), rows_affected), rows_affected, columns })
    }

    fn describe_query(&mut self, query: &SqlText) -> Result<Vec<ExistingColumn>, EngineError> {
        let sql = query.as_str();
        let Some((before, last)) = split_last(sql) else { return Ok(Vec::new()) };
        self.group(|client| {
            // A SQL header stands before the query, which may be good only after it.
            run_before(client, before)?;
            describe(client, &sql[last.clone()]).map_err(|e| moved(e, last.start))
        })
    }

    fn list_relations(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let rows = self.ask(&catalog::list_relations_sql(false), &[schema])?;
        Ok(relations(rows, database, schema))
    }

    fn list_independent_relations(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for (database, schema) in schemas {
            let parts: HashSet<String> =
                self.ask(catalog::PARTS, &[schema])?.into_iter().flatten().collect();
            let found = self.list_relations(database, schema)?;
            out.extend(found.into_iter().filter(|r| !parts.contains(r.relation.identifier())));
        }
        Ok(out)
    }

    fn find_relations(&mut self, these: &[Relation]) -> Result<Vec<ExistingRelation>, EngineError> {
        let Some(first) = these.first() else { return Ok(Vec::new()) };
        let (database, schema) = first.stored_schema(DIALECT).unwrap_or_default();
        let names: Vec<String> =
            these.iter().map(|r| r.stored(DIALECT).identifier().to_owned()).collect();
        let rows = self
            .ask(&catalog::list_relations_sql(true), &[&schema, &names.join(catalog::SEPARATOR)])?;
        Ok(relations(rows, &database, &schema))
    }

    fn list_functions(
        &mut self,
        schemas: &[(&str, &str)],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let mut out = Vec::new();
        for (database, schema) in schemas {
            let rows = self.ask(catalog::FUNCTIONS, &[schema])?;
            out.extend(functions(rows, database, schema));
        }
        Ok(out)
    }

    fn ensure_connected(&mut self) -> Result<(), EngineError> {
        if !self.in_transaction && self.client.simple_query("").is_err() {
            self.lost = true;
        }
        self.revive()
    }

    fn fingerprint_content(
        &mut self,
        relation: &Relation,
        _: &[ExistingColumn],
    ) -> Result<Content, EngineError> {
        Ok(content(self.texts(&catalog::fingerprint_rows_sql(relation))?))
    }

    fn relation_id(&mut self, relation: &Relation) -> Result<Option<String>, EngineError> {
        Ok(self.texts(&catalog::select_oid_sql(relation))?.into_iter().flatten().next())
    }

    fn list_columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        let rows = self.ask(catalog::COLUMNS, &[&relation.render(DIALECT)])?;
        let pairs = rows.into_iter().filter_map(|r| <[String; 2]>::try_from(r).ok());
        Ok(pairs.map(|[name, data_type]| ExistingColumn { name, data_type }).collect())
    }

    fn list_schemas(&mut self) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts(catalog::SCHEMAS)?;
        Ok(rows
            .into_iter()
            .filter_map(|r| <[String; 2]>::try_from(r).ok())
            .map(|[d, s]| (d, s))
            .collect())
    }

    fn create_schema(&mut self, database: &str, schema: &str) -> Result<(), EngineError> {
        let sql = format!("create schema if not exists {}", DIALECT.schema(database, schema));
        match self.run(&sql) {
            // No error if another session created it at the same moment.
            Err(e) if !is_made_meanwhile(&e) => Err(e),
            _ => Ok(()),
        }
    }

    fn load_seed(&mut self, load: &mut SeedLoad<'_>) -> Result<SeedLoadReport, EngineError> {
        let sql = format!("copy {} from stdin", load.place(DIALECT));
        let mut rows = CopyText::new(load.rows, load.columns.len());
        let count = self.copy_in(&sql, &mut rows)?;
        Ok(SeedLoadReport { rows: Some(count), executed: vec![sql] })
    }

    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError> {
        swap::swap_relation(self, publication)
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        kind: RelationKind,
    ) -> Result<Vec<String>, EngineError> {
        let (name, new) = (candidate.render(DIALECT), rejected.stored(DIALECT));
        let new = DIALECT.quoted(new.identifier());
        self.run_all(vec![format!("alter {} {name} rename to {new}", kind.sql())])
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError> {
        let name = relation.relation.render(DIALECT);
        self.run_all(vec![format!("drop {} if exists {name} cascade", relation.kind.sql())])
    }

    fn read_state(&mut self, table: &Relation) -> Result<Vec<(String, String)>, EngineError> {
        let rows = self.texts(&notes::select_notes_sql(table, DIALECT))?;
        Ok(notes::note_pairs(rows))
    }

    fn create_state_table(&mut self, table: &Relation) -> Result<(), EngineError> {
        match self.run(&notes::create_table_sql(table, DIALECT)) {
            // No error if another build created it at the same moment.
            Err(e) if !is_made_meanwhile(&e) => Err(e),
            _ => Ok(()),
        }
    }

    fn record_state(
        &mut self,
        table: &Relation,
        notes: &[StateRow<'_>],
    ) -> Result<(), EngineError> {
        // The statements of one message form a transaction, even outside of an open one.
        self.run(&notes::write_notes_sql(table, notes, DIALECT)).map(drop)
    }

    fn count_rows(
        &mut self,
        relation: &Relation,
        conditions: &[String],
    ) -> Result<Vec<Cell>, EngineError> {
        let sql = SqlText::from(count_of(relation, conditions, DIALECT));
        let inside = self.in_transaction;
        if inside {
            self.run("savepoint strata_count")?;
        }
        let found = (self as &mut dyn Warehouse).fetch(&sql, Some(1));
        if inside {
            let back = "rollback to savepoint strata_count";
            self.run(if found.is_ok() { "release savepoint strata_count" } else { back })?;
        }
        Ok(found?.1.rows.into_iter().next().unwrap_or_default())
    }

    fn reattach_objects(&mut self, relation: &Relation) -> Result<Vec<String>, EngineError> {
        swap::reattach_objects(self, relation)
    }

    fn alter_columns(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError> {
        swap::alter_table(self, change)
    }

    fn lock(
        &mut self,
        relation: &Relation,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<(), EngineError> {
        self.pending.clear();
        locks::lock_relation(self, relation, waiting)
    }

    fn unlock(&mut self, relation: &Relation) {
        locks::unlock_relation(self, relation);
    }

    fn connection_opener(&self) -> Result<Opener, EngineError> {
        let server = self.server.clone();
        Ok(Arc::new(move || {
            Ok(Box::new(Postgres::begin_session(server.clone(), server.reopen()?)?))
        }))
    }

    fn cancel_handle(&self) -> Arc<dyn Cancel> {
        Arc::new(Canceller {
            token: self.token.clone(),
            server: self.server.clone(),
            cancelled: self.cancelled.clone(),
        })
    }
}
