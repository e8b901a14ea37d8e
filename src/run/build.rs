//! Builds one node: compiles, stores, audits and publishes it.

use super::ExecutedSql;
use super::RunContext;
use super::audit::GuardResult;
use super::batches::{BatchProgress, build_batches};
use super::clone::clone_node;
use super::custom::build_by_macro;
use super::failure::{compile_failure, internal_error};
use super::function::find_creating_macro;
use super::node::NodeRun;
use super::publish::{StateBeforeBuild, read_state_before_build};
use super::seed::{offset_warnings, read_seed};
use super::steps::NodeSteps;
use super::test::write_rows;
use crate::compile::Compiled;
use crate::context::{DatabaseAccess, LogLine};
use crate::diag::{Code, Diagnostic};
use crate::engine::{
    Connection, ExistingRelation, ExistingRelations, Pool, QueryComment, Relation, Reply,
    candidate_name, helper_names,
};
use crate::manifest::{Hook, Materialization, Node, NodeId, NodeKind};
use crate::materialize::{MaterializationJob, MaterializationOutcome, store_node};
use crate::outcome::{NodeError, NodeOutcome, PublicationEffect, RunStatus};
use crate::sql::split_statements;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The result of building a node and running its guards, with the changes to existing relations.
pub(super) struct BuildResult {
    pub(super) outcome: NodeOutcome,
    pub(super) guards: Vec<GuardResult>,
    pub(super) changes: Vec<(Relation, Option<ExistingRelation>)>,
    pub(super) compiled: Option<Compiled>,
    pub(super) executed: ExecutedSql,
    /// Log lines of the templates that were rendered while the node was stored.
    pub(super) logs: Vec<LogLine>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl BuildResult {
    pub(super) fn plain(outcome: NodeOutcome) -> BuildResult {
        BuildResult {
            outcome,
            guards: Vec::new(),
            changes: Vec::new(),
            compiled: None,
            executed: ExecutedSql::default(),
            logs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn failed(e: NodeError) -> BuildResult {
        BuildResult::plain(NodeOutcome::error(*e.diagnostic, e.transient))
    }
}

/// A node to build, with the tests that guard it.
#[derive(Clone, Copy)]
pub(super) struct BuildTask<'a> {
    pub(super) shared: &'a RunContext,
    pub(super) pool: &'a Arc<Pool>,
    pub(super) node: &'a Node,
    pub(super) guards: &'a [NodeId],
    pub(super) existing: &'a Arc<ExistingRelations>,
    pub(super) connection: &'a Connection,
    /// Is told of the batches of the node as they begin and end.
    pub(super) tell: &'a (dyn Fn(BatchProgress) + Sync),
    /// What the statements on `connection` carry.
    pub(super) comment: &'a Option<Arc<QueryComment>>,
}

/// Builds a node while it holds the lock on the node's relation.
pub(super) fn build_node(building: &BuildTask<'_>, waiting: &dyn Fn(Option<&str>)) -> BuildResult {
    let BuildTask { shared, node, existing, connection, .. } = *building;
    // As in dbt, only models and snapshots read a sample.
    let is_sampled = matches!(node.kind, NodeKind::Model { .. } | NodeKind::Snapshot);
    let sample = shared.options.sampled.filter(|_| is_sampled);
    let bindings = Arc::new(shared.compiler.bindings(shared.options.empty).sampling(sample));
    let run = NodeRun { shared, node, bindings: &bindings, existing, connection };
    let Some(target) = &node.relation else { return build_locked(building, &run) };
    // Nothing is built yet: with a connection that was lost here the step begins anew.
    let locked = match lock(&run, target, waiting) {
        Err(e) if e.is_retryable_now => lock(&run, target, waiting),
        other => other,
    };
    let built = match locked {
        Ok(existing) => build_locked(building, &NodeRun { existing: &existing, ..run }),
        Err(e) => BuildResult::failed(e),
    };
    connection.with(|warehouse| warehouse.unlock(target));
    built
}

/// Locks a node's relation. If others may build in the same database, the relation is inspected
/// again under the lock.
fn lock(
    run: &NodeRun<'_>,
    target: &Relation,
    waiting: &dyn Fn(Option<&str>),
) -> Result<Arc<ExistingRelations>, NodeError> {
    let name = target.short();
    let say = |text: Option<&str>| waiting(text.map(|t| format!("{name}, {t}")).as_deref());
    run.ask(|warehouse| warehouse.lock(target, &say))?;
    if !run.engine().capabilities.is_shared {
        return Ok(run.existing.clone());
    }
    let dialect = run.engine().dialect;
    let is_function = run.node.is_function();
    let found = run.ask(|warehouse| match is_function {
        true => Ok(warehouse.find_function(target)?.into_iter().collect()),
        false => warehouse.find_relations(&helper_names(target, dialect)),
    });
    match found {
        Ok(found) => Ok(Arc::new(ExistingRelations::known(dialect, found, HashSet::new()))),
        Err(e) => {
            run.connection.with(|warehouse| warehouse.unlock(target));
            Err(e)
        }
    }
}

fn build_locked(building: &BuildTask<'_>, run: &NodeRun<'_>) -> BuildResult {
    if let Some(cloned) = &run.shared.options.cloned {
        return clone_node(building, run, cloned.get(&run.node.id));
    }
    let state = run.shared.publication_state.as_deref();
    let before = state.map(|notes| read_state_before_build(notes, run));
    match run.node.typed.microbatch() {
        Some(batches) => build_batches(building, run, batches, before),
        None => build_once(building, run, before),
    }
}

/// Compiles a node, or one of its batches, and stores it. `before` is recorded with the
/// publication.
pub(super) fn build_once(
    building: &BuildTask<'_>,
    run: &NodeRun<'_>,
    before: Option<StateBeforeBuild>,
) -> BuildResult {
    let compiled = if matches!(run.node.kind, NodeKind::Seed) {
        None
    } else {
        match run.compile() {
            Ok(compiled) => Some(compiled),
            Err(e) => return BuildResult::plain(compile_failure(e, run.node)),
        }
    };
    let compiler = &run.shared.compiler;
    let name = run.node.materialized();
    let overrides = compiler.context.explicit_overrides;
    let custom = compiler.renderer.registry().materialization(&run.node.package, &name, overrides);
    let mut built = match custom.cloned() {
        Some(def) => build_by_macro(run, &def, compiled.as_ref(), before.as_ref()),
        None => built_in_materialization(run)
            .and_then(|found| build_native(building, run, compiled.as_ref(), found, before))
            .unwrap_or_else(BuildResult::failed),
    };
    built.outcome.compiled = compiled.as_ref().map(|c| c.sql.clone());
    built.compiled = compiled;
    built
}

/// The number of retries after a lost connection or a conflict with another session. The n-th retry
/// waits n times `PAUSE`.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// The built-in materialization of a node that is stored.
fn built_in_materialization(run: &NodeRun<'_>) -> Result<Materialization, NodeError> {
    let needs_files = [Materialization::External, Materialization::TableFunction];
    let reads_files = run.engine().capabilities.reads_files;
    let found = run.node.materialization().filter(|m| m.relation_kind().is_some());
    let found = found.filter(|m| reads_files || !needs_files.contains(m));
    let found = found.ok_or_else(|| unknown_materialization(run))?;
    match needs_python(run.node) {
        Some(e) if found == Materialization::External => Err(e),
        _ => Ok(found),
    }
}

/// The error for an external model that is handed to a plugin.
fn needs_python(node: &Node) -> Option<NodeError> {
    let set = |key: &&str| node.config.get(key).is_some_and(|v| !v.is_null() && *v != false);
    let key = ["plugin", "glue_register"].into_iter().find(set)?;
    let message =
        format!("`{key}` of `{}` needs a plugin of dbt's adapter, which is Python", node.name);
    let place = node.config.entry(key).and_then(|entry| entry.span).unwrap_or(node.span);
    let d = Diagnostic::error(Code::PythonNeeded, message).primary(place, "");
    Some(NodeError::lasting(
        d.help("leave it out: the file and the view over it are made without it"),
    ))
}

/// Builds a node with a built-in materialization.
pub(super) fn build_native(
    building: &BuildTask<'_>,
    run: &NodeRun<'_>,
    compiled: Option<&Compiled>,
    materialization: Materialization,
    before: Option<StateBeforeBuild>,
) -> Result<BuildResult, NodeError> {
    let node = run.node;
    let job = job_of(run, materialization)?;
    if run.engine().adapter.checks_strategy_first {
        check_strategy(run, materialization)?;
    }
    if !run.engine().capabilities.brackets_queries {
        check_query(run, compiled)?;
    }
    let db = DatabaseAccess::Live(run.connection.clone());
    // Only the macros of functions read the SQL from `model`.
    let read = compiled.filter(|_| node.is_function()).map(|compiled| &*compiled.sql);
    let session = run.shared.compiler.building(node, read, run.bindings, run.existing, db);
    let mut steps = NodeSteps {
        run: *run,
        pool: building.pool,
        guards: building.guards,
        session: session.clone(),
        compiled: compiled.map(|c| c.sql.clone()).unwrap_or_default(),
        in_transaction: false,
        has_published: false,
        is_committed: false,
        published: job.existing.clone(),
        reply: None,
        executed: ExecutedSql::default(),
        turn: RefCell::new(None),
        results: Vec::new(),
        failing_rows: Vec::new(),
        state_before: before,
        effect: None,
    };
    let mut ending = attempt(materialization, &job, &mut steps);
    let mut again = 0;
    while ending.as_ref().is_err_and(|e| e.is_retryable_now) && !steps.is_committed && again < TRIES
    {
        // Nothing was published, so the node is built again from the beginning, without the
        // candidate of the failed attempt.
        again += 1;
        std::thread::sleep(PAUSE * again);
        if run.connection.with(|warehouse| warehouse.ensure_connected()).is_ok() {
            drop_candidate(run, &job.target);
        }
        steps.forget_attempt();
        ending = attempt(materialization, &job, &mut steps);
    }
    let NodeSteps { results, failing_rows, reply, executed, effect, .. } = steps;
    let stored =
        run.ask(|warehouse| failing_rows.iter().try_for_each(|rows| write_rows(rows, warehouse)));
    let changes = changes_of(run, &job.target, &ending);
    let outcome = match ending.and_then(|ending| stored.map(|()| ending)) {
        Ok(MaterializationOutcome::Published) => published(reply, effect),
        Ok(MaterializationOutcome::Rejected(kept)) => {
            not_published(run, &job, &results, kept.as_ref())
        }
        Err(e) => NodeOutcome::error(*e.diagnostic, e.transient),
    };
    let said = session.take_record();
    let mut warnings = job.seed.map(|s| offset_warnings(node, &s)).unwrap_or_default();
    warnings.extend(crate::parse::warning_diagnostics(said.warnings, node.span));
    let rest = BuildResult::plain(outcome);
    Ok(BuildResult { guards: results, changes, executed, logs: said.logs, warnings, ..rest })
}

fn attempt(
    materialization: Materialization,
    job: &MaterializationJob,
    steps: &mut NodeSteps<'_>,
) -> Result<MaterializationOutcome, NodeError> {
    let ending = store_node(materialization, job, steps);
    steps.abandon();
    ending
}

fn published(reply: Option<Reply>, effect: Option<PublicationEffect>) -> NodeOutcome {
    let reply = reply.unwrap_or_else(Reply::ok);
    let (message, adapter_response) = (Some(reply.message.clone()), reply.to_json());
    NodeOutcome { message, adapter_response, effect, ..NodeOutcome::new(RunStatus::Success) }
}

/// The inputs of a built-in materialization.
fn job_of(
    run: &NodeRun<'_>,
    materialization: Materialization,
) -> Result<MaterializationJob, NodeError> {
    let (node, engine) = (run.node, run.engine());
    let Some(target) = node.relation.clone() else {
        return Err(internal_error(&format!("`{}` has no relation", node.name)));
    };
    if let Some(max) = engine.dialect.max_identifier
        && target.identifier().len() > max
    {
        // The engine would truncate the name silently, so that two names could become the same.
        let name = target.identifier();
        let message = format!("Relation name '{name}' is longer than {max} characters");
        let bytes = format!("it has {} bytes, which is what the database counts", name.len());
        let d = Diagnostic::error(Code::Runtime, message).primary(node.span, "").note(bytes);
        return Err(NodeError::lasting(d.help("give it a shorter `alias`")));
    }
    let [_, beside @ ..] = helper_names(&target, engine.dialect);
    let Some(config) = node.typed.build() else {
        return Err(internal_error(&format!("`{}` is not built", node.name)));
    };
    let is_seed = materialization == Materialization::Seed;
    let batch = run.bindings.batch();
    let is_first = batch.is_none_or(|batch| batch.is_first);
    let is_last = batch.is_none_or(|batch| batch.is_last);
    Ok(MaterializationJob {
        span: node.span,
        existing: run.existing.find(&target).cloned(),
        config: node.typed.clone(),
        full_refresh: !batch.is_some_and(|batch| batch.is_incremental)
            && config.full_refresh.unwrap_or(run.shared.options.full_refresh),
        has_inside_post_hooks: is_last && has_hook(&config.post_hooks, true),
        has_outside_post_hooks: is_last && has_hook(&config.post_hooks, false),
        has_inside_pre_hooks: is_first && has_hook(&config.pre_hooks, true),
        is_described: is_first || is_last,
        leftovers: beside.iter().filter_map(|r| run.existing.find(r).cloned()).collect(),
        seed: if is_seed { Some(read_seed(run)?) } else { None },
        function: find_creating_macro(run)?,
        overloads: node.function().map_or(0, |function| function.overloads.len()),
        target,
        engine,
    })
}

fn has_hook(hooks: &[Hook], inside: bool) -> bool {
    hooks.iter().any(|hook| hook.is_inside == inside)
}

fn unknown_materialization(run: &NodeRun<'_>) -> NodeError {
    let (node, reads_files) = (run.node, run.engine().capabilities.reads_files);
    let message = format!("there is no materialization `{}`", node.materialized());
    let d = Diagnostic::error(Code::Unsupported, message)
        .primary_if(node.config.entry("materialized").and_then(|e| e.span), "asked for here")
        .primary(node.span, "");
    let names = Materialization::of_models(reads_files).join(", ");
    NodeError::lasting(d.help(format!("built in are {names}; a project can define others")))
}

/// Checks that a model is a single statement: any others would be executed as well.
fn check_query(run: &NodeRun<'_>, compiled: Option<&Compiled>) -> Result<(), NodeError> {
    let Some(sql) = compiled.map(|compiled| &compiled.sql) else { return Ok(()) };
    let statements = split_statements(sql.as_str());
    let Some(second) = statements.get(1) else { return Ok(()) };
    let start = second.start + leading_blanks(&sql.as_str()[second.clone()]);
    let span = sql.locate(start, 1).unwrap_or(run.node.span);
    let message =
        format!("`{}` has {} statements, and is one query", run.node.name, statements.len());
    let d = Diagnostic::error(Code::SqlError, message).primary(span, "the second begins here");
    Err(NodeError::lasting(d.help("put other statements into hooks")))
}

fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Checks that the macro of an incremental strategy exists.
fn check_strategy(run: &NodeRun<'_>, materialization: Materialization) -> Result<(), NodeError> {
    let node = run.node;
    let strategy = node.typed.incremental().and_then(|config| config.strategy.as_deref());
    let Some(strategy) = strategy.filter(|_| materialization == Materialization::Incremental)
    else {
        return Ok(());
    };
    let wanted = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let found = run.shared.compiler.renderer.registry().lookup(&node.package, &wanted);
    // A built-in macro does not count if the engine does not have its strategy.
    let has_strategy = run.engine().capabilities.strategies.contains(&strategy);
    if found.is_some_and(|d| !d.package.starts_with("dbt") || has_strategy) {
        return Ok(());
    }
    let message = format!(
        "the incremental strategy `{strategy}` needs a macro `{wanted}`, which does not exist"
    );
    let span = node.config.entry("incremental_strategy").and_then(|e| e.span);
    let d = Diagnostic::error(Code::UnknownMacro, message)
        .primary(span.unwrap_or(node.span), "asked for here");
    let built_in = run.engine().capabilities.strategies.join(", ");
    Err(NodeError::lasting(d.help(format!(
        "{built_in} are built in on {}; a project defines others by such a macro",
        run.engine().label
    ))))
}

/// Drops the half-built candidate of a failed node.
fn drop_candidate(run: &NodeRun<'_>, target: &Relation) {
    if run.node.is_function() {
        return;
    }
    let candidate = candidate_name(target, run.engine().dialect);
    // The next build of the node drops it if this fails.
    let _ = run.connection.with(|warehouse| warehouse.drop_found(&candidate));
}

/// The current state of the node's relation and of the names beside it.
fn changes_of(
    run: &NodeRun<'_>,
    target: &Relation,
    ending: &Result<MaterializationOutcome, NodeError>,
) -> Vec<(Relation, Option<ExistingRelation>)> {
    if run.node.is_function() {
        let found = run.connection.with(|warehouse| warehouse.find_function(target));
        return found.into_iter().map(|found| (target.clone(), found)).collect();
    }
    if ending.is_err() {
        drop_candidate(run, target);
    }
    let is_published = matches!(ending, Ok(MaterializationOutcome::Published));
    let mut changes = Vec::new();
    for relation in helper_names(target, run.engine().dialect) {
        // A successful build leaves no relation beside the published one that was not there before.
        // Not asking for it saves a query that is slow in a large catalog.
        if is_published && relation != *target && run.existing.find(&relation).is_none() {
            changes.push((relation, None));
            continue;
        }
        let columns = run.connection.with(|w| w.list_columns(&relation)).unwrap_or_default();
        let now = (!columns.is_empty()).then(|| {
            let is_old = relation == *target && ending.is_err();
            let old = run.existing.find(&relation).filter(|_| is_old);
            let kind = old.map_or(run.node.relation_kind(), |old| old.kind);
            ExistingRelation::new(relation.clone().with_kind(kind), kind, columns)
        });
        changes.push((relation, now));
    }
    changes
}

/// The outcome of a node whose guards failed.
fn not_published(
    run: &NodeRun<'_>,
    job: &MaterializationJob,
    results: &[GuardResult],
    kept: Option<&Relation>,
) -> NodeOutcome {
    let failed: Vec<String> = results
        .iter()
        .filter(|result| result.has_failed())
        .map(|result| run.manifest().node(result.test).name.to_string())
        .collect();
    let tests = if failed.len() == 1 { "test" } else { "tests" };
    let message =
        format!("built, not published: {} {tests} failed ({})", failed.len(), failed.join(", "));
    let stands = match &job.existing {
        Some(_) => "this node's published relation is as it was",
        None => "nothing is published yet",
    };
    let mut d = Diagnostic::error(Code::NotBuilt, message).primary(run.node.span, stands);
    if let Some(kept) = kept {
        d = d.help(format!("the new version is kept as {} for inspection", kept.short()));
    }
    NodeOutcome::error(d, false)
}
