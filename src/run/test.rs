//! Runs a data test: one query whose counts decide the result.

use super::failure::{compile_failure, internal_error};
use super::node::NodeRun;
use crate::compile::Compiled;
use crate::config::Json;
use crate::context::{NodeScope, failure_diagnostic};
use crate::diag::{Code, Diagnostic, WarningLevel};
use crate::engine::{
    Cell, EngineError, Relation, RelationKind, Reply, Table, Warehouse, select_all,
};
use crate::jinja::from_json;
use crate::manifest::{Node, ResourceType, TestConfig, TestSeverity};
use crate::materialize::{create_rows, insert_rows};
use crate::outcome::{NodeError, NodeOutcome, RunStatus, SkipReason};
use crate::source::SqlText;
use minijinja::value::Value;
use std::sync::Arc;

/// The outcome of a test, and its compiled SQL if it compiled.
pub(super) struct TestRun {
    pub(super) outcome: NodeOutcome,
    pub(super) compiled: Option<Compiled>,
    /// Set if the test failed together with its connection or transaction, so that a retry can
    /// help.
    pub(super) lost: Option<NodeError>,
}

impl TestRun {
    fn plain(outcome: NodeOutcome) -> TestRun {
        TestRun { outcome, compiled: None, lost: None }
    }

    /// A test that could not be run.
    pub(super) fn failed(e: NodeError) -> TestRun {
        let outcome = NodeOutcome::error((*e.diagnostic).clone(), e.transient);
        TestRun { lost: Some(e).filter(|e| e.is_retryable_now), ..TestRun::plain(outcome) }
    }

    pub(super) fn ended(outcome: NodeOutcome, compiled: Compiled) -> TestRun {
        TestRun { outcome, compiled: Some(compiled), lost: None }
    }

    pub(super) fn skipped(why: SkipReason) -> TestRun {
        TestRun::plain(NodeOutcome::skipped(why))
    }
}

/// Failing rows of a test inside a transaction, to be stored after the transaction has ended.
pub(super) struct FailingRows {
    relation: Relation,
    rows: Table,
}

/// The maximum number of failing rows that are stored for a test inside a transaction.
const KEPT_ROWS: usize = 10_000;

/// The result of a test that a fused scan has shown to pass: it is compiled for its artifact only.
pub(super) fn passed_test(run: &NodeRun<'_>) -> TestRun {
    match run.compile() {
        Ok(compiled) => {
            let passed = NodeOutcome::new(RunStatus::Pass);
            let outcome = NodeOutcome { place: Some(run.node.span), failures: Some(0), ..passed };
            // The reply that the engine would have given to the test's own query.
            let message = "SELECT 1".to_owned();
            let reply = Reply { message, rows_affected: Some(1), ..Reply::default() };
            let (compiled_sql, adapter_response) = (Some(compiled.sql.clone()), reply.to_json());
            let outcome = NodeOutcome { compiled: compiled_sql, adapter_response, ..outcome };
            TestRun { outcome, compiled: Some(compiled), lost: None }
        }
        Err(e) => TestRun::plain(compile_failure(e, run.node)),
    }
}

/// Compiles and runs a test. With `kept`, failing rows that are to be stored are fetched into it:
/// if they were stored inside the transaction, a rollback would remove them.
pub(super) fn run_test(run: &NodeRun<'_>, kept: Option<&mut Vec<FailingRows>>) -> TestRun {
    let compiled = match run.compile() {
        Ok(compiled) => compiled,
        Err(e) => return TestRun::plain(compile_failure(e, run.node)),
    };
    let is_inside = kept.is_some();
    let mut measured = measure(run, &compiled.sql, kept);
    // A test only reads, so after a lost connection or a deadlock it is run again. Inside a
    // transaction that is impossible, because the transaction is lost.
    if !is_inside && measured.as_ref().is_err_and(|e| e.is_retryable_now) {
        measured = measure(run, &compiled.sql, None);
    }
    let (outcome, lost) = match measured {
        Ok(outcome) => (outcome, None),
        Err(e) => {
            let outcome = NodeOutcome::error((*e.diagnostic).clone(), e.transient);
            (outcome, Some(e).filter(|e| e.is_retryable_now))
        }
    };
    let outcome = NodeOutcome {
        sample: sample(run, &outcome, &compiled.sql),
        compiled: Some(compiled.sql.clone()),
        ..outcome
    };
    TestRun { outcome, compiled: Some(compiled), lost }
}

/// The first failing rows, if the run asks for a sample. An error is ignored.
fn sample(run: &NodeRun<'_>, outcome: &NodeOutcome, sql: &SqlText) -> Option<Arc<Table>> {
    let wanted = run.shared.options.sample;
    if wanted == 0 || !matches!(outcome.status, RunStatus::Fail | RunStatus::Warn) {
        return None;
    }
    run.fetch(sql, wanted).ok().map(|(_, table)| Arc::new(table))
}

fn measure(
    run: &NodeRun<'_>,
    main: &SqlText,
    kept: Option<&mut Vec<FailingRows>>,
) -> Result<NodeOutcome, NodeError> {
    let node = run.node;
    let mut main = main.clone();
    if let (Some(kind), Some(relation)) =
        (node.stores_failures(run.shared.options.store_failures), &node.relation)
    {
        if let Some(limit) = node.typed.test().and_then(|test| test.limit.as_deref()) {
            main.push_str(&format!("\nlimit {limit}"));
        }
        match kept {
            Some(kept) => {
                let (_, rows) = run.fetch(&main, KEPT_ROWS)?;
                kept.push(FailingRows { relation: relation.clone(), rows });
            }
            None => main = store_rows(run, relation, kind, &main)?,
        }
    }
    let sql = counting_query(run, &main)?;
    let (reply, table) = run.fetch(&sql, 2)?;
    let Some([failures, warn, error]) = table.rows.first().and_then(|r| r.get(..3)) else {
        let d =
            Diagnostic::error(Code::Runtime, format!("the test `{}` gave no counts", node.name));
        return Err(NodeError::lasting(d.primary(node.span, "`fail_calc` must give one row")));
    };
    check_count(node, failures)?;
    let warned_fails = run.shared.options.warnings.weigh_test() == WarningLevel::Error;
    let Some(config) = node.typed.test() else {
        return Err(internal_error(&format!("`{}` is no test", node.name)));
    };
    let judged = judge(config, failures, warn.is_true(), error.is_true(), warned_fails);
    let place = Some(node.span);
    Ok(NodeOutcome { adapter_response: reply.to_json(), place, ..judged })
}

/// Checks that `fail_calc` gave a whole number.
fn check_count(node: &Node, failures: &Cell) -> Result<(), NodeError> {
    let of = format!("`fail_calc` of the test `{}` gave", node.name);
    if *failures == Cell::Null {
        let d = Diagnostic::error(Code::Runtime, format!("{of} null, not a number"));
        return Err(NodeError::lasting(d.primary(node.span, "this test")));
    }
    if !failures.is_whole() {
        let message = format!("{of} {}, not a whole number", failures.display());
        let d = Diagnostic::error(Code::Runtime, message).primary(node.span, "this test");
        return Err(NodeError::lasting(d.help("count rows, or round it: `fail_calc: round(...)`")));
    }
    Ok(())
}

/// Decides the result by severity and thresholds, as dbt does (semantics 3.5). With `warned_fails`,
/// a warning is a failure.
fn judge(
    config: &TestConfig,
    failures: &Cell,
    warn: bool,
    error: bool,
    warned_fails: bool,
) -> NodeOutcome {
    let count = failures.as_i64().unwrap_or(0);
    let results = if count == 1 { "result" } else { "results" };
    let mut outcome = if config.severity == TestSeverity::Error && error {
        NodeOutcome {
            message: Some(format!(
                "Got {count} {results}, configured to fail if {}",
                config.error_if
            )),
            ..NodeOutcome::new(RunStatus::Fail)
        }
    } else if warn {
        NodeOutcome {
            message: Some(format!(
                "Got {count} {results}, configured to warn if {}",
                config.warn_if
            )),
            ..NodeOutcome::new(if warned_fails { RunStatus::Fail } else { RunStatus::Warn })
        }
    } else {
        NodeOutcome::new(RunStatus::Pass)
    };
    outcome.failures = Some(if outcome.status == RunStatus::Pass { 0 } else { count });
    outcome
}

/// The query that counts the failures of a test's query, made by the macro `get_test_sql`.
fn counting_query(run: &NodeRun<'_>, main: &SqlText) -> Result<SqlText, NodeError> {
    let (renderer, node) = (&run.shared.compiler.renderer, run.node);
    let Some(def) = renderer.registry().lookup(&node.package, "get_test_sql").cloned() else {
        return Err(internal_error("there is no macro `get_test_sql`"));
    };
    let mut args = vec![Value::from(main.as_str())];
    for key in ["fail_calc", "warn_if", "error_if", "limit"] {
        let value = node.config.effective(ResourceType::Test, key).unwrap_or(Json::Null);
        args.push(from_json(&value));
    }
    let session = run.offline_session();
    let scope = Arc::new(NodeScope(session.clone()));
    match renderer.call_macro(true, &def, &args, &node.package, scope, session.clone()) {
        Ok(text) => Ok(SqlText::around(text.to_string(), main)),
        Err(failure) => Err(NodeError::lasting(failure_diagnostic(&failure, &session, node.span))),
    }
}

/// Stores rows that were fetched, in place of those of an earlier run.
pub(super) fn write_rows(
    failing: &FailingRows,
    warehouse: &mut dyn Warehouse,
) -> Result<(), EngineError> {
    let FailingRows { relation, rows } = failing;
    warehouse.drop_found(relation)?;
    for sql in insert_rows(relation, &rows.columns, &rows.rows, warehouse.engine()) {
        warehouse.execute(&sql)?;
    }
    Ok(())
}

/// Stores the failing rows and returns the query that reads them back, to be counted.
fn store_rows(
    run: &NodeRun<'_>,
    relation: &Relation,
    kind: RelationKind,
    main: &SqlText,
) -> Result<SqlText, NodeError> {
    run.ask(|warehouse| warehouse.drop_found(relation))?;
    run.execute(&create_rows(relation, kind, main, run.engine()))?;
    Ok(select_all(relation, run.engine()))
}
