//! Runs one data test: one query whose counts decide.

use super::Shared;
use super::build::compile;
use super::execute::{NodeError, sql_error};
use crate::compile::{CompileError, Compiled};
use crate::config::Json;
use crate::context::{Bindings, Db, NodeScope, failure_diagnostic};
use crate::diag::{Code, Diagnostic, Weight};
use crate::engine::{
    Cell, Dialect, EngineError, Existing, Fetch, Relation, RelationKind, Reply, Table, Warehouse,
};
use crate::jinja::from_json;
use crate::manifest::{Node, NodeId};
use crate::outcome::{NodeOutcome, RunStatus};
use crate::source::SqlText;
use minijinja::value::Value;
use std::sync::Arc;

/// What a test ended with, and what its render said.
pub(super) struct TestRun {
    pub(super) outcome: NodeOutcome,
    pub(super) compiled: Option<Compiled>,
    /// It failed with its connection or its transaction, and would be worth another try.
    pub(super) lost: Option<NodeError>,
}

impl TestRun {
    pub(super) fn skipped(why: &str) -> TestRun {
        TestRun { outcome: NodeOutcome::skipped(why), compiled: None, lost: None }
    }
}

/// Failing rows of a test that ran inside a transaction, to be stored when that has ended.
pub(super) struct Kept {
    relation: Relation,
    rows: Table,
}

/// The most rows that are kept of one test.
const KEPT_ROWS: usize = 10_000;

/// A test that a scan of many has passed: compiled for its artifact, not run.
pub(super) fn passed_test(
    shared: &Shared,
    id: NodeId,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> TestRun {
    let node = shared.compiler.manifest.node(id);
    match compile(shared, id, bindings, existing, warehouse) {
        Ok(compiled) => {
            let outcome = judge(node, &Cell::Int(0), false, false, false);
            // As if it had been run by itself.
            let reply =
                Reply { message: "SELECT 1".to_owned(), rows_affected: Some(1), table: None };
            let adapter_response = reply.to_json();
            TestRun {
                outcome: NodeOutcome {
                    compiled: Some(compiled.sql.clone()),
                    adapter_response,
                    ..outcome
                },
                compiled: Some(compiled),
                lost: None,
            }
        }
        Err(e) => TestRun { outcome: compile_failure(e, node), compiled: None, lost: None },
    }
}

/// Compiles and runs a test with the given bindings. With `kept`, failing rows that are to be
/// stored are fetched instead: what is stored inside a transaction would be rolled back with it.
pub(super) fn run_test(
    shared: &Shared,
    id: NodeId,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
    kept: Option<&mut Vec<Kept>>,
) -> TestRun {
    let node = shared.compiler.manifest.node(id);
    let compiled = match compile(shared, id, bindings, existing, warehouse) {
        Ok(compiled) => compiled,
        Err(e) => return TestRun { outcome: compile_failure(e, node), compiled: None, lost: None },
    };
    let inside = kept.is_some();
    let mut measured = measure(shared, node, &compiled.sql, bindings, existing, warehouse, kept);
    // A test only reads: after a lost connection or a deadlock it is simply run again, unless its
    // transaction is lost.
    if !inside && measured.as_ref().is_err_and(|e| e.again) {
        measured = measure(shared, node, &compiled.sql, bindings, existing, warehouse, None);
    }
    let (outcome, lost) = match measured {
        Ok(outcome) => (outcome, None),
        Err(e) => {
            (NodeOutcome::error((*e.diagnostic).clone(), e.transient), Some(e).filter(|e| e.again))
        }
    };
    let outcome = NodeOutcome { compiled: Some(compiled.sql.clone()), ..outcome };
    let outcome =
        NodeOutcome { sample: sample(shared, &outcome, &compiled.sql, warehouse), ..outcome };
    TestRun { outcome, compiled: Some(compiled), lost }
}

/// The first rows that a test found, for those who look on.
fn sample(
    shared: &Shared,
    outcome: &NodeOutcome,
    sql: &SqlText,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Option<Arc<Table>> {
    let wanted = shared.options.sample;
    if wanted == 0 || !matches!(outcome.status, RunStatus::Fail | RunStatus::Warn) {
        return None;
    }
    warehouse.as_mut()?.run(sql, Fetch::Rows(Some(wanted))).ok()?.table.map(Arc::new)
}

/// A compile error as a result.
pub(super) fn compile_failure(e: CompileError, node: &Node) -> NodeOutcome {
    match e {
        CompileError::Diagnostic(d) => NodeOutcome::error(*d, false),
        CompileError::NeedsDatabase => NodeOutcome::error(
            Diagnostic::error(
                Code::JinjaRender,
                format!("`{}` asks the database something while it is compiled", node.name),
            )
            .primary(node.span, ""),
            false,
        ),
    }
}

fn measure(
    shared: &Shared,
    node: &Node,
    main: &SqlText,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
    kept: Option<&mut Vec<Kept>>,
) -> Result<NodeOutcome, NodeError> {
    let mut main = main.clone();
    if let (Some(kind), Some(relation)) =
        (node.stores_failures(shared.options.store_failures), &node.relation)
    {
        if let Some(limit) = node.config.text("limit") {
            main.push_str(&format!("\nlimit {limit}"));
        }
        match kept {
            Some(kept) => kept.push(fetch(node, relation, &main, warehouse)?),
            None => main = store(node, relation, kind, &main, warehouse)?,
        }
    }
    let sql = test_sql(shared, node, &main, bindings, existing)?;
    let Some(connection) = warehouse else { return Err(lost(node)) };
    let reply =
        connection.run(&sql, Fetch::Rows(Some(2))).map_err(|e| sql_error(&e, &sql, node.span))?;
    let response = reply.to_json();
    let rows = reply.table.map(|t| t.rows).unwrap_or_default();
    let Some([failures, warn, error]) = rows.first().and_then(|r| r.get(..3)) else {
        let d =
            Diagnostic::error(Code::Runtime, format!("the test `{}` gave no counts", node.name));
        return Err(Box::new(d.primary(node.span, "`fail_calc` must give one row")).into());
    };
    if *failures == Cell::Null {
        let d = Diagnostic::error(
            Code::Runtime,
            format!("`fail_calc` of the test `{}` gave null, not a number", node.name),
        );
        return Err(Box::new(d.primary(node.span, "this test")).into());
    }
    if !failures.is_whole() {
        let message = format!(
            "`fail_calc` of the test `{}` gave {}, not a whole number",
            node.name,
            failures.display()
        );
        let d = Diagnostic::error(Code::Runtime, message).primary(node.span, "this test");
        return Err(Box::new(d.help("count rows, or round it: `fail_calc: round(...)`")).into());
    }
    let judged = judge(
        node,
        failures,
        warn.is_true(),
        error.is_true(),
        shared.options.warnings.weigh_test() == Weight::Error,
    );
    Ok(NodeOutcome { adapter_response: response, ..judged })
}

/// Severity and thresholds, as dbt reads them (RULES 3.5). With `--warn-error` a warning is a
/// failure.
fn judge(node: &Node, failures: &Cell, warn: bool, error: bool, warned_fails: bool) -> NodeOutcome {
    let count = failures.as_i64().unwrap_or(0);
    let severity =
        node.config.text("severity").map_or_else(|| "ERROR".to_owned(), |s| s.to_uppercase());
    let text =
        |key: &str| node.config.text(key).map_or_else(|| "!= 0".to_owned(), |t| t.into_owned());
    let results = if count == 1 { "result" } else { "results" };
    let mut outcome = if severity == "ERROR" && error {
        NodeOutcome {
            message: Some(format!(
                "Got {count} {results}, configured to fail if {}",
                text("error_if")
            )),
            ..NodeOutcome::new(RunStatus::Fail)
        }
    } else if warn {
        NodeOutcome {
            message: Some(format!(
                "Got {count} {results}, configured to warn if {}",
                text("warn_if")
            )),
            ..NodeOutcome::new(if warned_fails { RunStatus::Fail } else { RunStatus::Warn })
        }
    } else {
        NodeOutcome::new(RunStatus::Pass)
    };
    outcome.place = Some(node.span);
    outcome.failures = Some(if outcome.status == RunStatus::Pass { 0 } else { count });
    outcome
}

/// The counting query around the test's own, by the macro `get_test_sql`.
fn test_sql(
    shared: &Shared,
    node: &Node,
    main: &SqlText,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
) -> Result<SqlText, NodeError> {
    let engine = &shared.compiler.engine;
    let Some(def) = engine.registry().lookup(&node.package, "get_test_sql").cloned() else {
        return Err(lost(node));
    };
    let config = |key: &str| {
        node.config.effective(crate::manifest::ResourceType::Test, key).unwrap_or(Json::Null)
    };
    let mut args = vec![Value::from(main.as_str())];
    args.extend(["fail_calc", "warn_if", "error_if", "limit"].map(|k| from_json(&config(k))));
    let session = shared.compiler.session(node, bindings, existing, Db::Offline);
    let scope = Arc::new(NodeScope(session.clone()));
    match engine.call_macro(true, &def, &args, &node.package, scope, session.clone()) {
        Ok(text) => Ok(SqlText::around(text.to_string(), main)),
        Err(failure) => Err(Box::new(failure_diagnostic(&failure, &session, node.span)).into()),
    }
}

/// Fetches the failing rows, up to a limit.
fn fetch(
    node: &Node,
    relation: &Relation,
    main: &SqlText,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Result<Kept, NodeError> {
    let Some(connection) = warehouse else { return Err(lost(node)) };
    let reply = connection
        .run(main, Fetch::Rows(Some(KEPT_ROWS)))
        .map_err(|e| sql_error(&e, main, node.span))?;
    Ok(Kept { relation: relation.clone(), rows: reply.table.unwrap_or_default() })
}

/// Stores rows that were fetched.
pub(super) fn write_kept(kept: &Kept, connection: &mut dyn Warehouse) -> Result<(), EngineError> {
    const ROWS_A_STATEMENT: usize = 1000;
    let dialect = connection.capabilities().dialect;
    drop_earlier(&kept.relation, connection)?;
    let name = kept.relation.render(dialect);
    let columns =
        kept.rows.columns.iter().map(|c| format!("{} {}", dialect.quoted(&c.name), c.data_type));
    connection.run(
        &format!("create table {name} ({})", columns.collect::<Vec<_>>().join(", ")).into(),
        Fetch::Nothing,
    )?;
    for piece in kept.rows.rows.chunks(ROWS_A_STATEMENT) {
        let rows = piece
            .iter()
            .map(|r| format!("({})", r.iter().map(literal).collect::<Vec<_>>().join(", ")));
        let sql = format!("insert into {name} values {}", rows.collect::<Vec<_>>().join(", "));
        connection.run(&sql.into(), Fetch::Nothing)?;
    }
    Ok(())
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(_) | Cell::Int(_) | Cell::Decimal(_) => cell.display(),
        other => Dialect::literal(&other.display()),
    }
}

/// Drops what an earlier run stored.
fn drop_earlier(relation: &Relation, connection: &mut dyn Warehouse) -> Result<(), EngineError> {
    let dialect = connection.capabilities().dialect;
    for old in connection.find(std::slice::from_ref(relation))? {
        let sql = format!("drop {} {}", old.kind.sql(), relation.render(dialect));
        connection.run(&sql.into(), Fetch::Nothing)?;
    }
    Ok(())
}

/// Stores the failing rows; what is counted is then read from there.
fn store(
    node: &Node,
    relation: &Relation,
    kind: RelationKind,
    main: &SqlText,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Result<SqlText, NodeError> {
    let Some(connection) = warehouse else { return Err(lost(node)) };
    let dialect = connection.capabilities().dialect;
    drop_earlier(relation, connection.as_mut())
        .map_err(|e| sql_error(&e, &SqlText::new(), node.span))?;
    let mut sql =
        SqlText::from(format!("create {} {} as (\n", kind.sql(), relation.render(dialect)));
    sql.push(main);
    sql.push_str("\n)");
    connection.run(&sql, Fetch::Nothing).map_err(|e| sql_error(&e, &sql, node.span))?;
    Ok(SqlText::from(format!("select * from {}", relation.render(dialect))))
}

fn lost(node: &Node) -> NodeError {
    NodeError::lasting(crate::context::internal(format!(
        "the connection of `{}` is gone",
        node.name
    )))
}
