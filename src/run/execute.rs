//! Runs what a materialization asks for, in the session of its node.

use super::Shared;
use crate::compile::hook_text;
use crate::config::Json;
use crate::context::{Db, NodeScope, Session, failure_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{
    Change, EngineError, EngineErrorKind, ExistingColumn, ExistingRelation, Fetch, Relation,
    RelationKind, Reply, Swap,
};
use crate::jinja::{dict, from_json, list};
use crate::manifest::Node;
use crate::materialize::{Arg, MacroCall, SeedJob, SeedRows, Statement};
use crate::source::{Span, SqlText};
use minijinja::value::Value;
use std::cell::RefCell;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// A failure of a node: what to tell, and whether a retry can help.
#[derive(Debug)]
pub(super) struct NodeError {
    pub(super) diagnostic: Box<Diagnostic>,
    /// Trying again later can help.
    pub(super) transient: bool,
    /// Trying again at once can help: a lost connection, a deadlock.
    pub(super) again: bool,
}

impl NodeError {
    /// A mistake that stays one.
    pub(super) fn lasting(diagnostic: Diagnostic) -> NodeError {
        Box::new(diagnostic).into()
    }
}

impl From<Box<Diagnostic>> for NodeError {
    fn from(diagnostic: Box<Diagnostic>) -> NodeError {
        NodeError { diagnostic, transient: false, again: false }
    }
}

/// Macros whose SQL is not the statement of the node, whose reply is that of the node.
const BESIDE: [&str; 3] = ["create_indexes", "apply_grants", "persist_docs"];

/// One node being stored.
pub(super) struct Executor<'a> {
    pub(super) shared: &'a Shared,
    pub(super) node: &'a Node,
    pub(super) session: Arc<Session>,
    pub(super) compiled: Arc<SqlText>,
    pub(super) in_transaction: bool,
    /// What was done cannot be done again: a commit was sent, or a hook ran outside a transaction.
    pub(super) committed: bool,
    /// What stands under the published name.
    pub(super) existing: Option<ExistingRelation>,
    /// What the engine said to the node's own statement: the last that a macro wrote for it.
    pub(super) reply: Option<Reply>,
    /// What was run, for the files under `run/`.
    pub(super) executed: String,
    /// Held while a swap that touches other relations is open: those of relations that views join
    /// would wait for each other.
    pub(super) turn: RefCell<Option<MutexGuard<'a, ()>>>,
}

impl<'a> Executor<'a> {
    /// Waits until no other node of the run publishes.
    pub(super) fn take_turn(&self) {
        let mut turn = self.turn.borrow_mut();
        if turn.is_none() {
            let shared: &'a Shared = self.shared;
            *turn = Some(shared.publishing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(super) fn end_turn(&self) {
        *self.turn.borrow_mut() = None;
    }

    /// Between two attempts to lock. What is in the way may be another node of this run, which
    /// waits for its turn.
    fn pause(&self, time: Duration) {
        let held = self.turn.borrow().is_some();
        self.end_turn();
        std::thread::sleep(time);
        if held {
            self.take_turn();
        }
    }

    /// Between two statements: nothing more is begun once the user asked to stop.
    pub(super) fn may_go_on(&self) -> Result<(), NodeError> {
        if !self.shared.interrupt.is_set() {
            return Ok(());
        }
        let d = Diagnostic::error(Code::Runtime, format!("`{}` was interrupted", self.node.name));
        Err(NodeError::lasting(
            d.primary(self.node.span, "").help("its published relation is as it was"),
        ))
    }

    pub(super) fn run_all(&mut self, statements: &[Statement]) -> Result<(), NodeError> {
        for statement in statements {
            self.may_go_on()?;
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), NodeError> {
        match statement {
            Statement::Sql(sql) => self.sql(sql),
            Statement::Call(call) => {
                let text = self.call(call)?;
                if text.trim().is_empty() {
                    return Ok(());
                }
                let sql = SqlText::around(text, &self.compiled.clone());
                self.write_down(&sql);
                let reply = self.query(&sql, Fetch::Nothing)?;
                if !BESIDE.contains(&call.name.as_str()) {
                    self.reply = Some(reply);
                }
                Ok(())
            }
            Statement::Load { copy, seed, typed } => self.load(copy, seed, typed.as_deref()),
            Statement::Swap { candidate, kind } => self.swap(candidate, *kind),
            Statement::Alter { statements, takes_away } => self.alter(statements, *takes_away),
            Statement::Carry => self.carry(),
            Statement::Hooks { post, inside } => self.hooks(*post, *inside),
        }
    }

    fn sql(&mut self, sql: &SqlText) -> Result<(), NodeError> {
        self.write_down(sql);
        self.query(sql, Fetch::Nothing).map(drop)
    }

    fn write_down(&mut self, sql: &SqlText) {
        self.executed.push_str(sql.as_str().trim().trim_end_matches(';'));
        self.executed.push_str(";\n");
    }

    /// Asks the connection for something that belongs to no template.
    fn ask<T>(
        &self,
        question: impl FnOnce(&mut dyn crate::engine::Warehouse) -> Result<T, EngineError>,
    ) -> Result<T, NodeError> {
        match &mut *self.session.db() {
            Db::Live(warehouse) => question(warehouse.as_mut())
                .map_err(|e| sql_error(&e, &SqlText::new(), self.node.span)),
            _ => Err(internal("the connection is gone")),
        }
    }

    /// Streams a seed's file to the server. Where the types of its first rows do not fit all, the
    /// table, still empty, gets the right ones, and the file is sent again.
    fn load(&mut self, copy: &str, seed: &SeedJob, typed: Option<&str>) -> Result<(), NodeError> {
        self.executed.push_str(copy);
        self.executed.push_str(";\n");
        let mut seed = seed.clone();
        loop {
            let mut rows = self.seed_rows(&seed)?;
            let loaded = match &mut *self.session.db() {
                Db::Live(warehouse) => warehouse.copy_in(copy, &mut rows),
                _ => return Err(internal("the connection is gone")),
            };
            let error = match loaded {
                Ok(count) => {
                    self.reply = Some(Reply::of_load(count));
                    return Ok(());
                }
                Err(e) => e,
            };
            // A value that does not fit the type of the first rows is the server's error, at once.
            let rest = if seed.provisional.is_some() { rows.look_at_the_rest() } else { Ok(()) };
            if let (Some(types), Ok(())) = (rows.other_types(), rest) {
                let dialect = self.shared.compiler.manifest.project.dialect;
                let other = types.iter().zip(&seed.columns).filter(|(new, old)| new != old);
                let changes: Vec<String> = other
                    .map(|((name, kind), _)| {
                        let column =
                            if seed.quote_columns { dialect.quoted(name) } else { name.clone() };
                        format!("alter column {column} type {kind} using null::{kind}")
                    })
                    .collect();
                if let Some(table) = typed {
                    self.plain(&format!("alter table {table} {}", changes.join(", ")))?;
                }
                (seed.columns, seed.provisional) = (types, None);
                continue;
            }
            let mut failed = sql_error(&error, &SqlText::new(), self.node.span);
            // A value that does not fit: SQLSTATE class 22.
            if error.code.as_deref().is_none_or(|c| c.starts_with("22"))
                && error.kind == EngineErrorKind::Runtime
            {
                let d = failed
                    .diagnostic
                    .help("rows are counted without the header; `column_types` gives another type");
                failed.diagnostic = Box::new(Diagnostic { code: Code::SeedData, ..d });
            }
            return Err(failed);
        }
    }

    fn seed_rows(
        &self,
        seed: &SeedJob,
    ) -> Result<SeedRows<Box<dyn std::io::Read + Send>>, NodeError> {
        let file = &self.node.original_file_path;
        let input = self.shared.system.open(seed.path.as_str().into());
        let input = input.map_err(|e| {
            NodeError::lasting(Diagnostic::error(Code::SeedData, format!("{file}: {e}")))
        })?;
        let delimiter = seed.delimiter.bytes().next().unwrap_or(b',');
        let given = |name: &str| seed.given.iter().any(|g| g == name);
        Ok(SeedRows::new(input, delimiter, &seed.columns, &given, seed.provisional.clone()))
    }

    /// Swaps a candidate in, in the open transaction.
    fn swap(&mut self, candidate: &Relation, kind: RelationKind) -> Result<(), NodeError> {
        let Some(published) = self.node.relation.clone() else {
            return Err(internal("the node has no relation"));
        };
        let dialect = self.shared.compiler.manifest.project.dialect;
        let built_later = |r: &Relation| self.shared.builds_later(r, dialect);
        let has_hooks = self
            .node
            .config
            .get("post-hook")
            .and_then(Json::as_array)
            .is_some_and(|h| !h.is_empty());
        let done = self.ask(|warehouse| {
            warehouse.swap(&Swap {
                published: &published,
                existing: self.existing.as_ref(),
                candidate,
                kind,
                has_hooks,
                built_later: &built_later,
                take_turn: &|| self.take_turn(),
                pause: &|time| self.pause(time),
            })
        })?;
        self.note(&done);
        Ok(())
    }

    /// Changes columns of the published table.
    fn alter(&mut self, statements: &[String], takes_away: bool) -> Result<(), NodeError> {
        let Some(relation) = self.node.relation.clone() else {
            return Err(internal("the node has no relation"));
        };
        let dialect = self.shared.compiler.manifest.project.dialect;
        let built_later = |r: &Relation| self.shared.builds_later(r, dialect);
        let done = self.ask(|warehouse| {
            let pause = |time| self.pause(time);
            let built_later = &built_later;
            warehouse.alter(&Change {
                relation: &relation,
                statements,
                takes_away,
                built_later,
                pause: &pause,
            })
        })?;
        self.note(&done);
        Ok(())
    }

    fn carry(&mut self) -> Result<(), NodeError> {
        let Some(relation) = self.node.relation.clone() else {
            return Err(internal("the node has no relation"));
        };
        let done = self.ask(|warehouse| warehouse.carry(&relation))?;
        self.note(&done);
        Ok(())
    }

    fn note(&mut self, statements: &[String]) {
        for sql in statements {
            self.executed.push_str(sql);
            self.executed.push_str(";\n");
        }
    }

    /// Columns that the node's own query would give.
    pub(super) fn query_columns(&self) -> Result<Vec<ExistingColumn>, NodeError> {
        let sql = self.compiled.clone();
        match &mut *self.session.db() {
            Db::Live(warehouse) => {
                warehouse.describe(&sql).map_err(|e| sql_error(&e, &sql, self.node.span))
            }
            _ => Err(internal("the connection is gone")),
        }
    }

    pub(super) fn query(&self, sql: &SqlText, fetch: Fetch) -> Result<Reply, NodeError> {
        let result = match &mut *self.session.db() {
            Db::Live(warehouse) => warehouse.run(sql, fetch),
            _ => return Err(internal("the connection is gone")),
        };
        result.map_err(|e| sql_error(&e, sql, self.node.span))
    }

    pub(super) fn columns_of_existing(
        &self,
        relation: &Relation,
    ) -> Result<Vec<ExistingColumn>, NodeError> {
        self.ask(|warehouse| warehouse.columns_of_existing(relation))
    }

    /// Runs a plain statement that belongs to no template.
    pub(super) fn plain(&mut self, sql: &str) -> Result<(), NodeError> {
        self.sql(&SqlText::from(sql))
    }

    /// The text that a macro gives, by name: the project's when it has one.
    fn call(&self, call: &MacroCall) -> Result<String, NodeError> {
        let engine = &self.shared.compiler.engine;
        let Some(def) = engine.registry().lookup(&self.node.package, &call.name).cloned() else {
            let d = Diagnostic::error(
                Code::UnknownMacro,
                format!("`{}` needs a macro `{}`, which does not exist", self.node.name, call.name),
            );
            return Err(Box::new(d.primary(self.node.span, "")).into());
        };
        let args: Vec<Value> = call.args.iter().map(|a| self.value(a)).collect();
        let scope = Arc::new(NodeScope(self.session.clone()));
        match engine.call_macro(true, &def, &args, &self.node.package, scope, self.session.clone())
        {
            Ok(value) if value.is_none() => Ok(String::new()),
            Ok(value) => Ok(value.to_string()),
            Err(failure) => {
                Err(NodeError::lasting(failure_diagnostic(&failure, &self.session, self.node.span)))
            }
        }
    }

    fn value(&self, arg: &Arg) -> Value {
        match arg {
            Arg::None => Value::from(()),
            Arg::Flag(b) => Value::from(*b),
            Arg::Text(s) if s == "model" => self.session.model(),
            Arg::Text(s) => Value::from(s.as_str()),
            Arg::Relation(r) => crate::context::RelationValue::value(r.clone()),
            Arg::Compiled => Value::from(self.compiled.as_str()),
            Arg::Columns(columns) => {
                let dialect = self.shared.compiler.manifest.project.dialect;
                list(columns.iter().map(|c| crate::context::column_value(c, dialect)).collect())
            }
            Arg::Json(json) => from_json(json),
            Arg::Dict(pairs) => dict(
                pairs.iter().map(|(k, v)| (Value::from(*k), self.value(v))).collect::<Vec<_>>(),
            ),
        }
    }

    /// The node's hooks of one kind, each rendered just before it runs.
    fn hooks(&mut self, post: bool, inside: bool) -> Result<(), NodeError> {
        let key = if post { "post-hook" } else { "pre-hook" };
        let Some(entry) = self.node.config.entry(key).cloned() else { return Ok(()) };
        let span = entry.span.unwrap_or(self.node.span);
        for hook in entry.value.as_array().into_iter().flatten() {
            let transaction = hook.get("transaction").and_then(Json::as_bool).unwrap_or(true);
            let text = hook.get("sql").and_then(Json::as_str).unwrap_or_default();
            if transaction != inside {
                continue;
            }
            let sql = hook_text(&self.shared.compiler.engine, &self.session, text, span)?;
            if !sql.as_str().trim().is_empty() {
                self.committed |= !self.in_transaction;
                self.sql(&sql).map_err(|e| {
                    let first = sql.as_str().trim().lines().next().unwrap_or_default().to_owned();
                    NodeError {
                        diagnostic: Box::new(e.diagnostic.note(format!("in the {key} `{first}`"))),
                        ..e
                    }
                })?;
            }
        }
        Ok(())
    }
}

fn internal(message: &str) -> NodeError {
    NodeError::lasting(crate::context::internal(message))
}

/// An engine's complaint at its place in the template.
pub(super) fn sql_error(e: &EngineError, sql: &SqlText, whole: Span) -> NodeError {
    let code = match e.kind {
        EngineErrorKind::Sql => Code::SqlError,
        EngineErrorKind::Connection => Code::Connection,
        EngineErrorKind::Locked => Code::Locked,
        EngineErrorKind::Unsupported => Code::Unsupported,
        EngineErrorKind::Runtime | EngineErrorKind::Cancelled | EngineErrorKind::Conflict => {
            Code::Runtime
        }
    };
    let found = e.position.and_then(|(at, len)| {
        // Engines point at the beginning of a word: mark all of it.
        let word = sql
            .as_str()
            .get(at..)?
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))
            .map(char::len_utf8)
            .sum();
        let len = len.max(word);
        Some((sql.locate(at, len)?, at, len))
    });
    let mut lines = e.message.lines();
    let mut d = Diagnostic::error(code, lines.next().unwrap_or("the statement failed").trim());
    // Engines add advice of their own; the first lines are what is wrong.
    let rest: Vec<&str> = lines
        .take_while(|l| !l.starts_with("LINE "))
        .filter(|l| !l.trim().is_empty())
        .take(5)
        .collect();
    d = match found {
        Some((span, at, len)) => {
            let text: String = sql.as_str()[at..]
                .chars()
                .take(len.clamp(1, 40))
                .take_while(|c| *c != '\n')
                .collect();
            d.primary(span, format!("`{}` here", text.trim()))
        }
        None => d.primary(whole, "in this node"),
    };
    for line in rest {
        d = d.note(line.trim());
    }
    if let Some(hint) = &e.hint {
        d = d.help(hint);
    }
    NodeError {
        diagnostic: Box::new(d),
        transient: e.is_transient(),
        again: matches!(e.kind, EngineErrorKind::Connection | EngineErrorKind::Conflict),
    }
}
