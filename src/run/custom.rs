//! Builds nodes with a custom `{% materialization %}`, which runs its SQL and publishes itself.

use super::ExecutedSql;
use super::build::BuildResult;
use super::failure::database_error;
use super::node::NodeRun;
use super::publish::{StateBeforeBuild, write_publication};
use crate::compile::{Compiled, overrides_in, subject_of};
use crate::context::{DatabaseAccess, NodeScope, RenderSession, failure_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{ExistingRelation, Relation};
use crate::jinja::MacroDef;
use crate::manifest::Node;
use crate::outcome::{NodeError, NodeOutcome, RunStatus};
use minijinja::value::{Value, ValueKind};
use std::sync::Arc;

pub(super) fn build_by_macro(
    run: &NodeRun<'_>,
    def: &Arc<MacroDef>,
    compiled: Option<&Compiled>,
    before: Option<&StateBeforeBuild>,
) -> BuildResult {
    let (compiler, node) = (&run.shared.compiler, run.node);
    if !def.languages.iter().any(|language| language == "sql") {
        return BuildResult::failed(refused_language(node, def));
    }
    let mut subject = subject_of(node);
    subject.compiled = compiled.map(|c| Arc::from(c.sql.as_str()));
    subject.overrides = run.bindings.batch().and_then(overrides_in);
    let runtime = compiler.runtime(run.bindings, run.existing);
    let db = DatabaseAccess::Live(run.connection.clone());
    let session = RenderSession::execute(&compiler.context, &node.package, subject, runtime, db);
    let scope = Arc::new(NodeScope(session.clone()));
    let renderer = &compiler.renderer;
    let result = renderer.call_macro(true, def, &[], &node.package, scope, session.clone());
    let result = match result {
        Ok(value) => check_returned(&value, node),
        Err(failure) => Err(Box::new(failure_diagnostic(&failure, &session, node.span))),
    };
    let mut outcome = match &result {
        Ok(()) => {
            let message = Some("OK".to_owned());
            NodeOutcome { message, ..NodeOutcome::new(RunStatus::Success) }
        }
        Err(d) => {
            // A transaction that the macro left open is rolled back.
            let _ = run.connection.with(|warehouse| warehouse.rollback());
            NodeOutcome::error((**d).clone(), false)
        }
    };
    let changes = node.relation.iter().filter_map(|target| found_now(run, target)).collect();
    // The macro has committed, so this record is not part of its transaction.
    if let (Ok(_), Some(notes), Some(before)) =
        (&result, run.shared.publication_state.as_deref(), before)
    {
        match run.connection.with(|warehouse| write_publication(notes, node, before, warehouse)) {
            Ok(effect) => outcome.effect = effect,
            Err(e) => outcome = NodeOutcome::error(*database_error(&e, node).diagnostic, false),
        }
    }
    let said = session.take_record();
    BuildResult {
        changes,
        executed: ExecutedSql::of_template(&said.executed, said.written.as_deref()),
        logs: said.logs,
        warnings: crate::parse::warning_diagnostics(said.warnings, node.span).collect(),
        ..BuildResult::plain(outcome)
    }
}

/// A materialization returns `{'relations': [...]}`, which tells dbt what it made.
fn check_returned(value: &Value, node: &Node) -> Result<(), Box<Diagnostic>> {
    let relations = value.get_attr("relations").unwrap_or_default();
    if relations.kind() == ValueKind::Seq || relations.kind() == ValueKind::Iterable {
        return Ok(());
    }
    let message = format!(
        "the materialization `{}` did not return the relations that it made",
        node.materialized()
    );
    let d = Diagnostic::error(Code::Materialization, message).primary(node.span, "");
    Err(Box::new(d.help("end it with {{ return({'relations': [this]}) }}")))
}

/// The error for a model in SQL whose materialization does not build such models.
fn refused_language(node: &Node, def: &MacroDef) -> NodeError {
    let message = format!(
        "the materialization `{}` only supports languages [{}], not SQL",
        node.materialized(),
        def.languages.join(", ")
    );
    let place = node.config.entry("materialized").and_then(|entry| entry.span);
    let d = Diagnostic::error(Code::Materialization, message);
    NodeError::lasting(d.primary(place.unwrap_or(node.span), "asked for here"))
}

/// The relation that now exists under a name. `None` if the database cannot be asked.
fn found_now(run: &NodeRun<'_>, target: &Relation) -> Option<(Relation, Option<ExistingRelation>)> {
    let dialect = run.engine().dialect;
    let (database, schema) = target.stored_schema(dialect)?;
    let all = run.connection.with(|warehouse| warehouse.list_relations(&database, &schema)).ok()?;
    Some((target.clone(), all.into_iter().find(|r| r.relation.same(target, dialect))))
}
