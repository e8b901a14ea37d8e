//! Builds one node: compile, store, audit, publish.

use super::Shared;
use super::execute::{Executor, NodeError, sql_error};
use super::pool::Pool;
use super::publish::{Before, before, note};
use super::test::{Kept, TestRun, compile_failure, write_kept};
use crate::compile::{CompileError, Compiled};
use crate::config::{Json, python_str};
use crate::context::{Bindings, Db, LogLine, NodeScope, failure_diagnostic};
use crate::diag::{Code, Diagnostic, Severity, Weight};
use crate::engine::{
    Existing, ExistingRelation, Relation, Warehouse, candidate_name, own_names, rejected_name,
};
use crate::manifest::{Node, NodeId, NodeKind};
use crate::materialize::{
    Job, Materialize, Next, Reply, SeedJob, Statement, infer, materialization,
};
use crate::outcome::{Effect, NodeOutcome, RunStatus};
use crate::source::SqlText;
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

/// A node's outcome with those of its guards, and how what exists has changed.
pub(super) struct Built {
    pub(super) outcome: NodeOutcome,
    pub(super) guards: Vec<(NodeId, TestRun, f64)>,
    pub(super) changes: Vec<(Relation, Option<ExistingRelation>)>,
    pub(super) compiled: Option<Compiled>,
    pub(super) executed: String,
    /// What templates said while the node was stored.
    pub(super) logs: Vec<LogLine>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Built {
    pub(super) fn plain(outcome: NodeOutcome) -> Built {
        Built {
            outcome,
            guards: Vec::new(),
            changes: Vec::new(),
            compiled: None,
            executed: String::new(),
            logs: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Builds a node, alone: no other build has its relation meanwhile.
pub(super) fn build(
    shared: &Shared,
    pool: &Pool,
    id: NodeId,
    guards: &[NodeId],
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
    waiting: &dyn Fn(Option<&str>),
) -> Built {
    let node = shared.compiler.manifest.node(id);
    let locked = match (&node.relation, warehouse.as_mut()) {
        // Nothing is built yet: with a connection that was lost here the step begins anew.
        (Some(target), Some(own)) => match lock(node, target, own.as_mut(), existing, waiting) {
            Err(e) if e.again => lock(node, target, own.as_mut(), existing, waiting),
            other => other,
        },
        _ => Ok(existing.clone()),
    };
    let built = match locked {
        Ok(existing) => build_alone(shared, pool, id, guards, &existing, warehouse),
        Err(e) => Built::plain(NodeOutcome::error(*e.diagnostic, e.transient)),
    };
    if let (Some(target), Some(own)) = (&node.relation, warehouse.as_mut()) {
        own.unlock(target);
    }
    built
}

/// Locks a node's relation. Where others build as well, what stands there is asked for once more.
fn lock(
    node: &Node,
    target: &Relation,
    warehouse: &mut dyn Warehouse,
    existing: &Arc<Existing>,
    waiting: &dyn Fn(Option<&str>),
) -> Result<Arc<Existing>, NodeError> {
    let failed = |e: crate::engine::EngineError| sql_error(&e, &SqlText::new(), node.span);
    let name = target.short();
    warehouse
        .lock(target, &|text| waiting(text.map(|t| format!("{name}, {t}")).as_deref()))
        .map_err(failed)?;
    if !warehouse.capabilities().shared {
        return Ok(existing.clone());
    }
    let dialect = warehouse.capabilities().dialect;
    let found = warehouse.find(&own_names(target, dialect)).map_err(|e| {
        warehouse.unlock(target);
        failed(e)
    })?;
    Ok(Arc::new(Existing::known(dialect, found, HashSet::new())))
}

fn build_alone(
    shared: &Shared,
    pool: &Pool,
    id: NodeId,
    guards: &[NodeId],
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Built {
    let manifest = &shared.compiler.manifest;
    let node = manifest.node(id);
    let bindings = Arc::new(Bindings::new(shared.options.empty));
    let compiled = if matches!(node.kind, NodeKind::Seed) {
        None
    } else {
        match compile(shared, id, &bindings, existing, warehouse) {
            Ok(compiled) => Some(compiled),
            Err(e) => return Built::plain(compile_failure(e, node)),
        }
    };
    let name = node.materialized();
    let registry = shared.compiler.engine.registry();
    let custom = registry
        .materialization(&node.package, &name, shared.compiler.context.explicit_overrides)
        .cloned();
    let mut built = match custom {
        Some(def) => jinja(shared, node, &def, compiled.as_ref(), &bindings, existing, warehouse),
        None => native(
            shared,
            pool,
            node,
            &name,
            compiled.as_ref(),
            guards,
            &bindings,
            existing,
            warehouse,
        ),
    };
    built.outcome.compiled = compiled.as_ref().map(|c| c.sql.clone());
    built.compiled = compiled;
    built
}

/// Compiles a node. A warning of its text that counts as an error is one.
pub(super) fn compile(
    shared: &Shared,
    id: NodeId,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Result<Compiled, CompileError> {
    let compiled = shared.compiler.compile(id, bindings, existing, warehouse)?;
    let weighty = |d: &&Diagnostic| shared.options.warnings.weigh(d.code) == Weight::Error;
    match compiled.warnings.iter().find(weighty) {
        Some(d) => Err(CompileError::Diagnostic(Box::new(Diagnostic {
            severity: Severity::Error,
            ..d.clone()
        }))),
        None => Ok(compiled),
    }
}

/// How often a node is begun anew after a lost connection or where another session got in its way,
/// and the time before the first.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// What a materialization of ours needs to know.
fn job(
    shared: &Shared,
    node: &Node,
    existing: &Existing,
    warehouse: &dyn Warehouse,
) -> Result<Job, NodeError> {
    let Some(target) = node.relation.clone() else {
        return Err(
            Box::new(crate::context::internal(format!("`{}` has no relation", node.name))).into()
        );
    };
    let capabilities = warehouse.capabilities().clone();
    if let Some(max) = capabilities.dialect.max_identifier
        && target.identifier().len() > max
    {
        // The engine would cut it silently, and two names could become one.
        let name = target.identifier();
        let d = Diagnostic::error(
            Code::Runtime,
            format!("the name `{name}` has {} bytes, more than {max}", name.len()),
        );
        return Err(NodeError::lasting(d.primary(node.span, "").help("give it a shorter `alias`")));
    }
    let beside = [
        candidate_name(&target, capabilities.dialect),
        rejected_name(&target, capabilities.dialect),
    ];
    let inside = |h: &Json| h.get("transaction").and_then(Json::as_bool).unwrap_or(true);
    let hooks = |key: &str| {
        node.config.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
    };
    let full_refresh = node.config.flag("full_refresh").unwrap_or(shared.options.full_refresh);
    Ok(Job {
        existing: existing.find(&target).cloned(),
        config: node.config.clone(),
        full_refresh,
        has_inside_post_hooks: hooks("post-hook").iter().any(inside),
        has_outside_post_hooks: !hooks("post-hook").iter().all(inside),
        has_inside_pre_hooks: hooks("pre-hook").iter().any(inside),
        leftovers: beside.iter().filter_map(|r| existing.find(r).cloned()).collect(),
        seed: match node.kind {
            NodeKind::Seed => Some(seed(shared, node, capabilities.reads_files)?),
            _ => None,
        },
        target,
        capabilities,
    })
}

/// Rows from which the types of a big seed are taken first: the rest is looked at while it is sent.
const FIRST_ROWS: usize = 10_000;

/// Reads a seed's header and infers its types, streaming: of all rows where the engine reads the
/// file itself, else of the first ones.
fn seed(shared: &Shared, node: &Node, reads_files: bool) -> Result<SeedJob, NodeError> {
    let path = camino::Utf8Path::new(shared.compiler.manifest.root_of(&node.package))
        .join(&*node.original_file_path);
    let problem = |message: String, line: Option<u64>| -> NodeError {
        let at = line
            .map(|l| format!("{}:{l}: ", node.original_file_path))
            .unwrap_or_else(|| format!("{}: ", node.original_file_path));
        let d = Diagnostic::error(Code::SeedData, format!("{at}{message}"));
        Box::new(d.help("mend the file; the published relation is as it was")).into()
    };
    let given = types_given(node);
    let delimiter =
        node.config.text("delimiter").map_or_else(|| ",".to_owned(), |d| d.into_owned());
    let byte = match delimiter.as_str() {
        "\\t" => b'\t',
        other => *other.as_bytes().first().unwrap_or(&b','),
    };
    let types = node.config.map("column_types").cloned().unwrap_or_default();
    let forced = |column: &str| types.get(column).map(python_str);
    let input = shared.system.open(&path).map_err(|e| problem(e.to_string(), None))?;
    let limit = (!reads_files).then_some(FIRST_ROWS);
    let (found, complete) =
        infer(input, byte, &forced, limit).map_err(|e| problem(e.message, Some(e.line)))?;
    // The engine's reader takes such values without their offsets, as it does for dbt.
    let offsets_dropped = if reads_files {
        found.with_offsets().into_iter().map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    Ok(SeedJob {
        path: path.into_string(),
        file: node.original_file_path.to_string(),
        offsets_dropped,
        columns: found.columns(),
        rows: complete.then(|| found.rows()),
        given,
        provisional: (!complete).then_some(found),
        delimiter: (byte as char).to_string(),
        quote_columns: node.config.flag("quote_columns").unwrap_or(true),
    })
}

#[allow(clippy::too_many_arguments)] // what one build is made of
fn native(
    shared: &Shared,
    pool: &Pool,
    node: &Node,
    name: &str,
    compiled: Option<&Compiled>,
    guards: &[NodeId],
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Built {
    let Some(connection) = warehouse.take() else { return Built::plain(lost(node)) };
    let job = match job(shared, node, existing, connection.as_ref()) {
        Ok(job) => job,
        Err(e) => {
            *warehouse = Some(connection);
            return Built::plain(NodeOutcome::error(*e.diagnostic, e.transient));
        }
    };
    let target = job.target.clone();
    let loaded = job.seed.as_ref().and_then(|s| s.rows).map(crate::engine::Reply::of_load);
    let offsets_dropped = job.seed.as_ref().map(|s| offset_warnings(node, s)).unwrap_or_default();
    let checked = job.capabilities.checks_strategy_first;
    let unknown = || unknown_strategy(shared, node, name, job.capabilities.strategies);
    if let Some(unknown) = checked.then(unknown).flatten() {
        *warehouse = Some(connection);
        return Built::plain(NodeOutcome::error(unknown, false));
    }
    let Some(machine) = materialization(name, job.clone()) else {
        *warehouse = Some(connection);
        let d = Diagnostic::error(Code::Unsupported, format!("there is no materialization `{name}`"))
            .primary_if(node.config.entry("materialized").and_then(|e| e.span), "asked for here")
            .primary(node.span, "")
            .help(
                "table, view, materialized_view, incremental and ephemeral are built in; a project can define others",
            );
        return Built::plain(NodeOutcome::error(d, false));
    };
    let mut connection = Some(connection);
    let notes = shared.notes.as_deref();
    let before =
        notes.map(|n| before(n, &shared.compiler.manifest, node, existing, connection.as_mut()));
    let db = connection.map_or(Db::Offline, Db::Live);
    let session = shared.compiler.building(node, bindings, existing, db);
    let mut build = Machine {
        exec: Executor {
            shared,
            node,
            session: session.clone(),
            compiled: compiled.map(|c| c.sql.clone()).unwrap_or_default(),
            in_transaction: false,
            committed: false,
            existing: job.existing.clone(),
            reply: None,
            executed: String::new(),
            turn: RefCell::new(None),
        },
        pool,
        guards,
        existing,
        results: Vec::new(),
        rejected: None,
        kept: Vec::new(),
        before,
        effect: None,
    };
    let mut result = build.drive(machine);
    if build.exec.in_transaction {
        let _ = build.exec.plain("rollback");
        build.exec.in_transaction = false;
    }
    build.exec.end_turn();
    let mut again = 0;
    while result.as_ref().is_err_and(|e| e.again) && !build.exec.committed && again < TRIES {
        // Nothing was published: once more, from the beginning, without what the last attempt left.
        again += 1;
        std::thread::sleep(PAUSE * again);
        if let Db::Live(connection) = &mut *session.db()
            && connection.ready().is_ok()
        {
            drop_candidate(&target, connection.as_mut());
        }
        build.results.clear();
        build.kept.clear();
        if let Some(machine) = materialization(name, job.clone()) {
            result = build.drive(machine);
        }
        if build.exec.in_transaction {
            let _ = build.exec.plain("rollback");
            build.exec.in_transaction = false;
        }
        build.exec.end_turn();
    }
    let Machine { exec, results, rejected, kept, effect, .. } = build;
    let reply = loaded.or(exec.reply.clone()).unwrap_or_else(crate::engine::Reply::ok);
    let mut changes = Vec::new();
    let mut stored = Ok(());
    if let Some(mut connection) = session.take_warehouse() {
        stored = kept.iter().try_for_each(|k| write_kept(k, connection.as_mut()));
        // What is there now, also under the names beside the published one.
        let dialect = connection.capabilities().dialect;
        if result.is_err() {
            drop_candidate(&target, connection.as_mut());
        }
        let published = result.is_ok() && rejected.is_none();
        for (i, relation) in own_names(&target, dialect).into_iter().enumerate() {
            // A build that went well leaves nothing beside that was not there before: to ask for a
            // relation that is not there is dear in a large catalog.
            if published && i > 0 && existing.find(&relation).is_none() {
                changes.push((relation, None));
                continue;
            }
            let columns = connection.columns(&relation).unwrap_or_default();
            let now = (!columns.is_empty()).then(|| {
                let kind = kind_now(node, &relation, &target, existing, result.is_ok());
                ExistingRelation::new(relation.clone().with_kind(kind), kind, columns)
            });
            changes.push((relation, now));
        }
        *warehouse = Some(connection);
    }
    let result = result
        .and_then(|r| stored.map(|()| r).map_err(|e| sql_error(&e, &SqlText::new(), node.span)));
    let outcome = match (result, rejected) {
        (Ok(_), None) => NodeOutcome {
            message: Some(reply.message.clone()),
            adapter_response: reply.to_json(),
            effect,
            ..NodeOutcome::new(RunStatus::Success)
        },
        (Ok(_), Some(kept)) => {
            not_published(shared, node, &results, &kept, existing.find(&target).is_some())
        }
        (Err(e), _) => NodeOutcome::error(*e.diagnostic, e.transient),
    };
    let said = session.take_record();
    Built {
        guards: results,
        changes,
        executed: exec.executed,
        logs: said.logs,
        warnings: offsets_dropped
            .into_iter()
            .chain(crate::parse::warnings(said.warnings, node.span))
            .collect(),
        ..Built::plain(outcome)
    }
}

/// A warning for each column of a seed that loses the offsets of its time stamps.
fn offset_warnings(node: &Node, seed: &SeedJob) -> Vec<Diagnostic> {
    let one = |column: &String| {
        let message = format!("{}: the offsets from UTC in `{column}` are dropped", seed.file);
        let d = Diagnostic::warning(Code::SeedData, message).primary(node.span, "");
        d.help(format!("write the times in UTC, or give the column a type: column_types: {{{column}: timestamptz}}"))
    };
    seed.offsets_dropped.iter().map(one).collect()
}

/// An incremental strategy that no macro makes.
fn unknown_strategy(
    shared: &Shared,
    node: &Node,
    materialized: &str,
    strategies: &[&str],
) -> Option<Diagnostic> {
    let strategy = node
        .config
        .text("incremental_strategy")
        .filter(|s| materialized == "incremental" && s != "default")?;
    let wanted = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let found = shared.compiler.engine.registry().lookup(&node.package, &wanted);
    // A built-in macro of a strategy that this engine does not have is none.
    if found.is_some_and(|d| !d.package.starts_with("dbt") || strategies.contains(&&*strategy)) {
        return None;
    }
    let message = format!(
        "the incremental strategy `{strategy}` needs a macro `{wanted}`, which does not exist"
    );
    let span = node.config.entry("incremental_strategy").and_then(|e| e.span);
    let d = Diagnostic::error(Code::UnknownMacro, message)
        .primary(span.unwrap_or(node.span), "asked for here");
    Some(d.help(
        "append, delete+insert and merge are built in; a project defines others by such a macro",
    ))
}

/// A node that failed leaves no half-built candidate behind.
fn drop_candidate(target: &Relation, connection: &mut dyn Warehouse) {
    let dialect = connection.capabilities().dialect;
    let candidate = candidate_name(target, dialect);
    for found in connection.find(std::slice::from_ref(&candidate)).unwrap_or_default() {
        let sql = format!("drop {} if exists {}", found.kind.sql(), candidate.render(dialect));
        let _ = connection.run(&sql.into(), crate::engine::Fetch::Nothing);
    }
}

/// A seed's columns whose types the project gives.
fn types_given(node: &Node) -> Vec<String> {
    node.config.map("column_types").into_iter().flat_map(|m| m.keys().cloned()).collect()
}

/// The kind of a relation after a build: views stay views, all else is a table; what was not
/// replaced is what it was.
fn kind_now(
    node: &Node,
    relation: &Relation,
    target: &Relation,
    existing: &Existing,
    ok: bool,
) -> crate::engine::RelationKind {
    use crate::engine::RelationKind;
    let made = match &*node.materialized() {
        "view" => RelationKind::View,
        "materialized_view" => RelationKind::MaterializedView,
        _ => RelationKind::Table,
    };
    if relation == target && !ok { existing.find(relation).map_or(made, |e| e.kind) } else { made }
}

fn lost(node: &Node) -> NodeOutcome {
    NodeOutcome::error(
        crate::context::internal(format!("the connection of `{}` is gone", node.name)),
        true,
    )
}

/// The status of a node whose guards held it back.
fn not_published(
    shared: &Shared,
    node: &Node,
    results: &[(NodeId, TestRun, f64)],
    kept: &Option<Relation>,
    is_published: bool,
) -> NodeOutcome {
    let failed: Vec<String> = results
        .iter()
        .filter(|(_, r, _)| matches!(r.outcome.status, RunStatus::Fail | RunStatus::Error))
        .map(|(id, ..)| shared.compiler.manifest.node(*id).name.to_string())
        .collect();
    let tests = if failed.len() == 1 { "test" } else { "tests" };
    let message =
        format!("built, not published: {} {tests} failed ({})", failed.len(), failed.join(", "));
    let stands = if is_published {
        "this node's published relation is as it was"
    } else {
        "nothing is published yet"
    };
    let mut d = Diagnostic::error(Code::NotBuilt, message).primary(node.span, stands);
    if let Some(kept) = kept {
        d = d.help(format!("the new version is kept as {} for inspection", kept.short()));
    }
    NodeOutcome::error(d, false)
}

/// A materialization being driven.
pub(super) struct Machine<'a> {
    pub(super) exec: Executor<'a>,
    pub(super) pool: &'a Pool,
    pub(super) guards: &'a [NodeId],
    pub(super) existing: &'a Arc<Existing>,
    pub(super) results: Vec<(NodeId, TestRun, f64)>,
    /// Set when the guards held the node back: what is kept of it.
    rejected: Option<Option<Relation>>,
    /// Failing rows to store once the transaction has ended.
    pub(super) kept: Vec<Kept>,
    /// What was known of the node before, where publications are noted.
    before: Option<Before>,
    effect: Option<Effect>,
}

impl Machine<'_> {
    fn drive(&mut self, mut machine: Box<dyn Materialize>) -> Result<Vec<Relation>, NodeError> {
        let mut reply = Reply::Start;
        let shared = self.exec.shared;
        loop {
            self.exec.may_go_on()?;
            let next = machine.next(reply).map_err(|message| {
                let d = Diagnostic::error(Code::Runtime, message).primary(self.exec.node.span, "");
                NodeError::lasting(d)
            })?;
            reply = match next {
                Next::Run(statements) => {
                    self.exec.run_all(&statements)?;
                    Reply::Ok
                }
                Next::Describe(relation) => {
                    Reply::Columns(self.exec.columns_of_existing(&relation)?)
                }
                Next::DescribeQuery => Reply::Columns(self.exec.query_columns()?),
                Next::Commit => {
                    self.exec.plain("commit")?;
                    self.exec.in_transaction = false;
                    // Hooks that ran in it would run again.
                    self.exec.committed |= self.exec.node.config.get("pre-hook").is_some();
                    Reply::Ok
                }
                Next::Begin(statements) => {
                    self.begin()?;
                    self.exec.run_all(&statements)?;
                    Reply::Ok
                }
                Next::Audit(audited) => Reply::Passed(self.audit(&audited)?),
                Next::Publish(statements) => {
                    if !self.exec.in_transaction {
                        self.begin()?;
                    }
                    // A swap takes its turn by itself.
                    if !statements.iter().any(|s| matches!(s, Statement::Swap { .. })) {
                        self.exec.take_turn();
                    }
                    self.exec.run_all(&statements)?;
                    if let Some(before) = &self.before {
                        self.effect = self.exec.note_publication(before)?;
                    }
                    self.exec.committed = true;
                    self.exec.plain("commit")?;
                    self.exec.in_transaction = false;
                    if let Some(relation) = &self.exec.node.relation {
                        let key = relation.key(shared.compiler.manifest.project.dialect);
                        shared.published.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
                    }
                    self.exec.end_turn();
                    Reply::Ok
                }
                Next::Discard(statements) => {
                    let keeps = !statements.is_empty();
                    if self.exec.in_transaction {
                        self.exec.plain("rollback")?;
                        self.exec.in_transaction = false;
                    }
                    self.exec.end_turn();
                    self.exec.run_all(&statements)?;
                    let kept = self.exec.node.relation.as_ref().filter(|_| keeps);
                    let dialect = self.exec.shared.compiler.manifest.project.dialect;
                    self.rejected = Some(kept.map(|r| rejected_name(r, dialect)));
                    Reply::Ok
                }
                Next::Done(relations) => return Ok(relations),
            };
        }
    }

    fn begin(&mut self) -> Result<(), NodeError> {
        self.exec.plain("begin")?;
        self.exec.in_transaction = true;
        Ok(())
    }
}

/// A `{% materialization %}` of the project: it runs its SQL itself and publishes by itself.
fn jinja(
    shared: &Shared,
    node: &Node,
    def: &Arc<crate::jinja::MacroDef>,
    compiled: Option<&Compiled>,
    bindings: &Arc<Bindings>,
    existing: &Arc<Existing>,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Built {
    let Some(mut connection) = warehouse.take() else { return Built::plain(lost(node)) };
    let notes = shared.notes.as_deref();
    let known =
        notes.map(|n| before(n, &shared.compiler.manifest, node, existing, Some(&mut connection)));
    let mut unit = crate::compile::unit_of(node);
    unit.compiled = compiled.map(|c| Arc::from(c.sql.as_str()));
    let runtime = shared.compiler.runtime(bindings, existing);
    let session = crate::context::Session::execute(
        &shared.compiler.context,
        &node.package,
        unit,
        runtime,
        Db::Live(connection),
    );
    let scope = Arc::new(NodeScope(session.clone()));
    let result =
        shared.compiler.engine.call_macro(true, def, &[], &node.package, scope, session.clone());
    let mut outcome = match &result {
        Ok(_) => {
            NodeOutcome { message: Some("OK".to_owned()), ..NodeOutcome::new(RunStatus::Success) }
        }
        Err(failure) => NodeOutcome::error(failure_diagnostic(failure, &session, node.span), false),
    };
    let mut changes = Vec::new();
    if let Some(mut connection) = session.take_warehouse() {
        if result.is_err() {
            let _ = connection.run(&"rollback".into(), crate::engine::Fetch::Nothing);
        }
        if let Some(target) = &node.relation
            && let dialect = connection.capabilities().dialect
            && let Some((database, schema)) = target.stored_schema(dialect)
            && let Ok(all) = connection.list(&database, &schema)
        {
            changes
                .push((target.clone(), all.into_iter().find(|r| r.relation.same(target, dialect))));
        }
        // It has published by itself, and committed.
        if let (Ok(_), Some(notes), Some(known)) = (&result, notes, &known) {
            match note(notes, node, known, connection.as_mut()) {
                Ok(effect) => outcome.effect = effect,
                Err(e) => {
                    outcome = NodeOutcome::error(
                        *sql_error(&e, &SqlText::new(), node.span).diagnostic,
                        false,
                    )
                }
            }
        }
        *warehouse = Some(connection);
    }
    let said = session.take_record();
    Built {
        changes,
        logs: said.logs,
        warnings: crate::parse::warnings(said.warnings, node.span).collect(),
        ..Built::plain(outcome)
    }
}
