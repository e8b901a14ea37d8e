//! SQL statements that templates run, and their stored results.

use super::session::{Abort, DatabaseAccess, Phase, RenderSession, StoredResult};
use super::table::table_value;
use super::{function, none};
use crate::config::{Json, JsonMap};
use crate::engine::{Reply, Table};
use crate::hash::FastMap;
use crate::jinja::{dict, error, list};
use crate::source::SqlText;
use minijinja::Error;
use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use std::fmt;
use std::sync::{Arc, PoisonError};

pub(super) fn install_statements(out: &mut FastMap<&'static str, Value>) {
    out.insert(
        "store_result",
        function(|_, session, args| {
            let name = args.text(0, "name")?;
            let response = args.require(1, "response")?.clone();
            let table = args
                .get(2, "agate_table")
                .filter(|v| !v.is_none())
                .cloned()
                .unwrap_or_else(empty_table);
            store(session, &name, response, table);
            Ok(Value::from(""))
        }),
    );
    out.insert(
        "store_raw_result",
        function(|_, session, args| {
            let name = args.text(0, "name")?;
            let message = args.get(1, "message").cloned().unwrap_or_else(none);
            let response = ResponseValue {
                message: message.to_string(),
                code: args.get(2, "code").map(Value::to_string),
                rows: args.get(3, "rows_affected").and_then(Value::as_i64),
            };
            let table = args
                .get(4, "agate_table")
                .filter(|v| !v.is_none())
                .cloned()
                .unwrap_or_else(empty_table);
            store(session, &name, Value::from_object(response), table);
            Ok(Value::from(""))
        }),
    );
    out.insert(
        "load_result",
        function(|_, session, args| {
            let name = args.text(0, "name")?;
            let mut results = session.results.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(slot) = results.get_mut(&name) else { return Ok(none()) };
            // A result can be loaded only once, except `main`.
            let found = if name == "main" { slot.clone() } else { slot.take() };
            match found {
                Some(result) => Ok(dict([
                    (Value::from("response"), result.response),
                    (Value::from("data"), result.data),
                    (Value::from("table"), result.table),
                ])),
                None => Err(error(format!(
                    "The 'statement' result named '{name}' has already been loaded into a variable"
                ))),
            }
        }),
    );
    out.insert("sql_now", Value::from("current_timestamp"));
}

fn store(session: &RenderSession, name: &str, response: Value, table: Value) {
    let rows = table.get_attr("rows").ok().and_then(|r| r.try_iter().ok()).map(|rows| {
        rows.map(|row| {
            Value::from(Tuple::from(
                row.try_iter().map(|i| i.collect::<Vec<_>>()).unwrap_or_default(),
            ))
        })
        .collect()
    });
    let result = StoredResult { response, table, data: list(rows.unwrap_or_default()) };
    session
        .results
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.to_owned(), Some(result));
}

pub(super) fn empty_table() -> Value {
    table_value(&Table::default())
}

/// The engine's response to a statement. It prints as its message.
#[derive(Debug)]
struct ResponseValue {
    message: String,
    code: Option<String>,
    rows: Option<i64>,
}

impl Object for ResponseValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "code" => self.code.as_deref().map_or_else(none, Value::from),
            "rows_affected" => self.rows.map_or_else(none, Value::from),
            "query_id" => none(),
            _ => return None,
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The rows of a statement that a template reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    Nothing,
    /// At most this many rows; `None`: all.
    Rows(Option<usize>),
}

/// Runs a statement and returns `(response, table)`. `begin` asks for a transaction (dbt's
/// `auto_begin`).
pub(super) fn run_statement(
    session: &Arc<RenderSession>,
    sql: &str,
    fetch: Fetch,
    begin: bool,
) -> Result<(Value, Value), Error> {
    if session.phase == Phase::Parse {
        return Ok((Value::from(""), empty_table()));
    }
    let text = SqlText::from(sql);
    session.record_statement();
    let DatabaseAccess::Live(connection) = session.db() else {
        return Err(session.stop(Abort::NeedsDatabase));
    };
    session.record().executed.push(sql.to_owned());
    let result = connection.with(|warehouse| {
        session.begin(warehouse, begin)?;
        match fetch {
            Fetch::Nothing => Ok((warehouse.execute(&text)?, None)),
            Fetch::Rows(limit) => {
                let (reply, table) = warehouse.fetch(&text, limit)?;
                Ok((reply, Some(table)))
            }
        }
    });
    match result {
        Ok((reply, table)) => Ok(values(reply, table)),
        Err(error) => Err(session.stop(Abort::Database { error, sql: sql.to_owned() })),
    }
}

/// The response in a result of `load_result`, in the form that artifacts have.
pub(crate) fn response_json(result: &Value) -> Json {
    let mut map = JsonMap::new();
    let response = result.get_attr("response").ok();
    if let Some(found) = response.as_ref().and_then(|r| r.downcast_object_ref::<ResponseValue>()) {
        map.insert("_message".into(), Json::from(found.message.as_str()));
        if let Some(rows) = found.rows {
            // The code is the message without numbers: `SELECT` for `SELECT 5`.
            let words = found.message.split_whitespace().filter(|w| w.parse::<i64>().is_err());
            map.insert("code".into(), Json::from(words.collect::<Vec<_>>().join(" ")));
            map.insert("rows_affected".into(), Json::from(rows));
        }
    }
    Json::Object(map)
}

fn values(reply: Reply, table: Option<Table>) -> (Value, Value) {
    let table = table.as_ref().map_or_else(empty_table, table_value);
    let response = ResponseValue {
        message: reply.message.clone(),
        code: Some(reply.message),
        rows: reply.rows_affected,
    };
    (Value::from_object(response), table)
}
