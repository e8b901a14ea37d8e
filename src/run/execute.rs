//! Runs what a materialization asks for, in the session of its node.

use super::Shared;
use crate::compile::hook_text;
use crate::config::Json;
use crate::context::{Db, NodeScope, Session, failure_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{EngineError, EngineErrorKind, ExistingColumn, Fetch, Reply};
use crate::jinja::{dict, from_json, list};
use crate::manifest::{Node, Relation};
use crate::materialize::{Arg, MacroCall, Statement};
use crate::source::{Span, SqlText};
use minijinja::value::Value;
use std::sync::Arc;

/// A failure of a node: what to tell, and whether a retry can help.
#[derive(Debug)]
pub(super) struct NodeError {
    pub(super) diagnostic: Box<Diagnostic>,
    pub(super) transient: bool,
}

impl From<Box<Diagnostic>> for NodeError {
    fn from(diagnostic: Box<Diagnostic>) -> NodeError {
        NodeError { diagnostic, transient: false }
    }
}

/// One node being stored.
pub(super) struct Executor<'a> {
    pub(super) shared: &'a Shared,
    pub(super) node: &'a Node,
    pub(super) session: Arc<Session>,
    pub(super) compiled: Arc<SqlText>,
    pub(super) in_transaction: bool,
    /// What was run, for the files under `run/`.
    pub(super) executed: String,
}

impl Executor<'_> {
    pub(super) fn run_all(&mut self, statements: &[Statement]) -> Result<(), NodeError> {
        for statement in statements {
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), NodeError> {
        match statement {
            Statement::Sql(sql) => self.sql(sql),
            Statement::Call(call) => {
                let text = self.call(call)?;
                if text.trim().is_empty() { Ok(()) } else { self.sql(&SqlText::around(text, &self.compiled.clone())) }
            }
            Statement::Hooks { post, inside } => self.hooks(*post, *inside),
        }
    }

    fn sql(&mut self, sql: &SqlText) -> Result<(), NodeError> {
        self.executed.push_str(sql.as_str().trim());
        self.executed.push_str(";\n");
        self.query(sql, Fetch::Nothing).map(|_| ())
    }

    pub(super) fn query(&self, sql: &SqlText, fetch: Fetch) -> Result<Reply, NodeError> {
        let result = match &mut *self.session.db() {
            Db::Live(warehouse) => warehouse.run(sql, fetch),
            _ => return Err(internal("the connection is gone")),
        };
        result.map_err(|e| sql_error(&e, sql, self.node.span))
    }

    pub(super) fn columns(&self, relation: &Relation) -> Result<Vec<ExistingColumn>, NodeError> {
        match &mut *self.session.db() {
            Db::Live(warehouse) => {
                warehouse.columns(relation).map_err(|e| sql_error(&e, &SqlText::new(), self.node.span))
            }
            _ => Err(internal("the connection is gone")),
        }
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
        match engine.call_macro(true, &def, &args, &self.node.package, scope, self.session.clone()) {
            Ok(value) if value.is_none() => Ok(String::new()),
            Ok(value) => Ok(value.to_string()),
            Err(failure) => {
                let transient = false;
                Err(NodeError {
                    diagnostic: Box::new(failure_diagnostic(&failure, &self.session, self.node.span)),
                    transient,
                })
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
            Arg::Columns(columns) => list(columns.iter().map(crate::context::column_value).collect()),
            Arg::Json(json) => from_json(json),
            Arg::Dict(pairs) => dict(pairs.iter().map(|(k, v)| (Value::from(*k), self.value(v))).collect::<Vec<_>>()),
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
                self.sql(&sql)?;
            }
        }
        Ok(())
    }
}

fn internal(message: &str) -> NodeError {
    NodeError { diagnostic: Box::new(crate::context::internal(message)), transient: false }
}

/// An engine's complaint at its place in the template.
pub(super) fn sql_error(e: &EngineError, sql: &SqlText, whole: Span) -> NodeError {
    let code = match e.kind {
        EngineErrorKind::Sql => Code::SqlError,
        EngineErrorKind::Connection => Code::Connection,
        EngineErrorKind::Locked => Code::Locked,
        EngineErrorKind::Unsupported => Code::Unsupported,
        EngineErrorKind::Runtime | EngineErrorKind::Cancelled => Code::Runtime,
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
    let rest: Vec<&str> =
        lines.take_while(|l| !l.starts_with("LINE ")).filter(|l| !l.trim().is_empty()).take(5).collect();
    d = match found {
        Some((span, at, len)) => {
            let text: String = sql.as_str()[at..].chars().take(len.clamp(1, 40)).take_while(|c| *c != '\n').collect();
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
    NodeError { diagnostic: Box::new(d), transient: e.is_transient() }
}
