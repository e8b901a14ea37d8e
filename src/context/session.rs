//! The session of one render: the text's node, the record of its calls and inputs, and its access
//! to the database.

use super::ContextProject;
use super::batch::BatchContext;
use super::column::translate_type;
use super::reads::{RenderQuestion, RenderRead, fingerprint_macro};
use crate::config::{Json, JsonMap};
use crate::diag::{Code, DbtEvent};
use crate::engine::{
    Connection, EngineError, ExistingRelations, Relation, RelationKind, Warehouse,
};
use crate::jinja::{CallName, MacroDef, Scope};
use crate::manifest::{
    EventWindow, Manifest, NodeConfig, NodeId, RefCall, ResourceType, SourceCall, UniqueId,
    UnitTestOverrides, take_overload,
};
use crate::source::{FileId, Span, SqlText};
use minijinja::Error;
use minijinja::value::Value;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `execute` is false. Calls are recorded and the output is discarded.
    Parse,
    Execute,
}

/// The node, macro or query that is rendered.
#[derive(Clone, Debug)]
pub(crate) struct RenderSubject {
    pub(crate) unique_id: UniqueId,
    pub(crate) name: Arc<str>,
    pub(crate) kind: ResourceType,
    /// The file that spans of calls refer to.
    pub(crate) file: Option<FileId>,
    pub(crate) this: Option<Relation>,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) node: Option<NodeId>,
    /// `model` as JSON, for units that are not nodes of the manifest.
    pub(crate) model: Json,
    /// The compiled SQL that a materialization builds (`sql`, `compiled_code`).
    pub(crate) compiled: Option<Arc<str>>,
    /// Members that the caller adds, such as `results` and `schemas` of on-run-end hooks.
    pub(crate) extra: Vec<(&'static str, Value)>,
    /// What stands for macros, variables and environment variables, in a unit test.
    pub(crate) overrides: Option<Arc<UnitTestOverrides>>,
    /// The overload of the function that is rendered or created.
    pub(crate) overload: Option<usize>,
}

/// How a reference to a node is printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RefForm {
    Plain,
    /// A CTE of this name, for an ephemeral model.
    Cte(String),
    /// A query without rows, for `--empty`.
    LimitZero,
}

/// The relation that a reference to a node prints, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RefTarget {
    pub(crate) relation: Relation,
    pub(crate) shape: RefForm,
}

/// The relations that references print. Nodes without an override print their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    overrides: HashMap<NodeId, RefTarget>,
    /// Whether all nodes and sources without an override print a query without rows.
    pub(crate) empty: bool,
    /// Whether references print with marks around them, so that they can be bound later.
    is_open: bool,
    /// Whether a reference to a node without an override is an error.
    is_closed: bool,
    /// Queries that stand for nodes, in place of what the nodes themselves say.
    queries: HashMap<NodeId, BoundQuery>,
    /// The node whose override `this` prints.
    this: Option<NodeId>,
    /// The event times of a sample, to which inputs are filtered.
    sample: Option<EventWindow>,
    /// The batch that is built, to which inputs are filtered.
    batch: Option<Arc<BatchContext>>,
}

/// The relations of another state that stand for nodes (`--defer`).
pub(crate) type DeferredRelations = Arc<HashMap<NodeId, Relation>>;

/// A query that stands for a node as a CTE, and the nodes that it refers to as CTEs itself.
#[derive(Clone, Debug)]
pub(crate) struct BoundQuery {
    pub(crate) sql: Arc<SqlText>,
    pub(crate) ctes: Vec<NodeId>,
}

impl Bindings {
    /// Every node prints its own relation with marks, so that references can be bound to others
    /// later.
    pub(crate) fn open() -> Bindings {
        Bindings { is_open: true, ..Bindings::default() }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Every node prints its own relation, as a query without rows if `empty`.
    pub(crate) fn new(empty: bool) -> Bindings {
        Bindings { empty, ..Bindings::default() }
    }

    /// Every node prints its own relation, and those in `deferred` another one.
    pub(crate) fn deferring(deferred: &DeferredRelations, empty: bool) -> Bindings {
        let targets = deferred.iter().map(|(node, relation)| {
            let shape = plain_form(relation, empty);
            (*node, RefTarget { relation: relation.clone(), shape })
        });
        Bindings { overrides: targets.collect(), ..Bindings::new(empty) }
    }

    /// Inputs with an event time are filtered to a sample.
    pub(crate) fn sampling(self, sample: Option<EventWindow>) -> Bindings {
        Bindings { sample, ..self }
    }

    /// Inputs with an event time are filtered to a batch, too.
    pub(crate) fn in_batch(&self, batch: BatchContext) -> Bindings {
        Bindings { batch: Some(Arc::new(batch)), ..self.clone() }
    }

    /// The bindings of the ephemeral models that the text of a batch reads: a batch filters only
    /// what its own text refers to.
    pub(crate) fn outside_batch(self: &Arc<Bindings>) -> Arc<Bindings> {
        match self.batch {
            Some(_) => Arc::new(Bindings { batch: None, ..(**self).clone() }),
            None => self.clone(),
        }
    }

    pub(crate) fn batch(&self) -> Option<&BatchContext> {
        self.batch.as_deref()
    }

    /// The event times to which inputs are filtered.
    pub(super) fn window(&self) -> Option<EventWindow> {
        match (self.batch(), self.sample) {
            (Some(batch), Some(sample)) => Some(batch.window.intersect(sample)),
            (Some(batch), None) => Some(batch.window),
            (None, sample) => sample,
        }
    }

    /// Only nodes that are bound can be referred to, as in a unit test.
    pub(crate) fn closed() -> Bindings {
        Bindings { is_closed: true, ..Bindings::default() }
    }

    /// Whether a node can be referred to.
    pub(super) fn admits(&self, node: NodeId) -> bool {
        !self.is_closed || self.overrides.contains_key(&node)
    }

    /// References to the node print the name of a CTE, which is defined by the query.
    pub(crate) fn bind_query(&mut self, node: NodeId, name: String, query: BoundQuery) {
        let relation = Relation::new(None, None, &name);
        self.bind(node, RefTarget { relation, shape: RefForm::Cte(name) });
        self.queries.insert(node, query);
    }

    /// The query that stands for a node.
    pub(crate) fn query(&self, node: NodeId) -> Option<&BoundQuery> {
        self.queries.get(&node)
    }

    /// Makes `this` print the override of a node.
    pub(crate) fn bind_this(&mut self, node: NodeId) {
        self.this = Some(node);
    }

    pub(super) fn this(&self) -> Option<NodeId> {
        self.this
    }

    pub(crate) fn bind(&mut self, node: NodeId, target: RefTarget) {
        self.overrides.insert(node, target);
    }

    /// Whether a node may print anything but its own relation.
    pub(crate) fn is_special(&self) -> bool {
        self.empty || self.is_open || !self.overrides.is_empty() || self.window().is_some()
    }

    pub(crate) fn with(mut self, node: NodeId, relation: Relation) -> Bindings {
        self.bind(node, RefTarget { relation, shape: RefForm::Plain });
        self
    }

    pub(crate) fn target(&self, manifest: &Manifest, id: NodeId) -> Option<RefTarget> {
        if let Some(found) = self.overrides.get(&id) {
            return Some(found.clone());
        }
        let node = manifest.node(id);
        if node.is_ephemeral() {
            let name = format!("__dbt__cte__{}", node.alias);
            return Some(RefTarget {
                relation: Relation::new(None, None, &name),
                shape: RefForm::Cte(name),
            });
        }
        let relation = node.relation.clone()?;
        let shape = plain_form(&relation, self.empty);
        Some(RefTarget { relation, shape })
    }
}

/// The form of a reference to what is in the database. With `empty` a relation is read without
/// rows; a function is called all the same.
fn plain_form(relation: &Relation, empty: bool) -> RefForm {
    match empty && relation.kind != Some(RelationKind::Function) {
        true => RefForm::LimitZero,
        false => RefForm::Plain,
    }
}

/// The context of a render with `execute` true.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) bindings: Arc<Bindings>,
    pub(crate) existing: Arc<ExistingRelations>,
    /// `graph`, made at the first access.
    pub(crate) graph: Arc<OnceLock<Value>>,
    pub(crate) selected: Arc<Vec<UniqueId>>,
}

/// The access of a render to the database.
#[derive(Clone, Debug, Default)]
pub(crate) enum DatabaseAccess {
    /// No access, at parse: stubs answer.
    #[default]
    None,
    /// No access, at compile: only `ExistingRelations` answers questions about `this`; any other
    /// question stops the render.
    Offline,
    /// No access yet, at compile: a connection follows, with which a render that asks is repeated.
    Deferred,
    Live(Connection),
}

impl DatabaseAccess {
    /// The connection, or `Offline` without one.
    pub(crate) fn of(connection: Option<&Connection>) -> DatabaseAccess {
        connection
            .map_or(DatabaseAccess::Offline, |connection| DatabaseAccess::Live(connection.clone()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) text: String,
    /// Whether the line is shown by default (`info=true`, or `print`).
    pub(crate) info: bool,
    pub(crate) print: bool,
}

/// The calls, inputs and output of a render, apart from its text.
#[derive(Debug, Default)]
pub(crate) struct RenderRecord {
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    pub(crate) metrics: Vec<RefCall>,
    pub(crate) functions: Vec<RefCall>,
    /// The arguments of `config()` calls, in order.
    pub(crate) config: Vec<(String, Json, Option<Span>)>,
    pub(crate) reads: BTreeSet<RenderRead>,
    /// The plain names that macros were looked up by, so that each is recorded only once.
    macros: HashSet<String>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) warnings: Vec<TemplateWarning>,
    /// The referenced ephemeral models, in order.
    pub(crate) ctes: Vec<NodeId>,
    /// The statements that the template sent to the database, in order.
    pub(crate) executed: Vec<String>,
    /// The text that the template gave to `write`: the statement that makes the relation.
    pub(crate) written: Option<String>,
}

/// A warning that came up while a template was rendered.
#[derive(Clone, Debug)]
pub(crate) struct TemplateWarning {
    pub(crate) code: Code,
    pub(crate) event: DbtEvent,
    pub(crate) text: String,
    pub(crate) site: Option<Span>,
}

impl TemplateWarning {
    /// A warning that the project raised.
    pub(crate) fn raised(text: String, site: Option<Span>) -> TemplateWarning {
        TemplateWarning { code: Code::UserWarning, event: DbtEvent::JinjaLogWarning, text, site }
    }

    /// A warning that what the template uses is out of date.
    pub(super) fn deprecated(event: DbtEvent, text: &str, site: Option<Span>) -> TemplateWarning {
        TemplateWarning { code: Code::Deprecated, event, text: text.to_owned(), site }
    }
}

/// Why a render was stopped.
#[derive(Clone, Debug)]
pub(crate) enum Abort {
    /// It needs the database, which it has no access to.
    NeedsDatabase,
    /// The project raised an error.
    Raised(String),
    MissingEnv(String),
    SecretEnv(String),
    MissingVar(String),
    UnknownRef {
        message: String,
        span: Option<Span>,
        help: Option<String>,
    },
    Database {
        error: EngineError,
        sql: String,
    },
    FailFast(String),
}

/// Who begins and ends the transactions of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TransactionControl {
    /// The creator of the session. Statements run in the transaction that is open.
    #[default]
    Creator,
    /// The session, as in dbt: a statement with `auto_begin` opens a transaction, and only the
    /// project commits it.
    Session { open: bool },
}

#[derive(Clone, Debug)]
pub(super) struct StoredResult {
    pub(super) response: Value,
    pub(super) table: Value,
    pub(super) data: Value,
}

#[derive(Debug)]
pub(crate) struct RenderSession {
    pub(crate) project: Arc<ContextProject>,
    pub(crate) phase: Phase,
    pub(crate) package: Arc<str>,
    pub(crate) subject: RenderSubject,
    pub(crate) runtime: Option<Runtime>,
    record: Mutex<RenderRecord>,
    db: DatabaseAccess,
    pub(super) results: Mutex<HashMap<String, Option<StoredResult>>>,
    abort: Mutex<Option<Abort>>,
    transactions: Mutex<TransactionControl>,
    /// Whether an undefined variable is an error even at parse, because the output is used.
    strict: bool,
    /// The variables whose templates are being rendered, innermost last. Used to detect cycles.
    variables: Mutex<Vec<String>>,
    /// Whether the render read anything that differs between parse and run.
    unsteady: Arc<AtomicBool>,
    /// Whether anything but the text of an open reference was read.
    references_asked: Arc<AtomicBool>,
    ran: AtomicBool,
}

/// Members that are the same at parse and at run, except for the relations that references print.
pub(super) const STEADY: &[&str] = &[
    "config",
    "dbt_version",
    "diff_of_two_dicts",
    "env_var",
    "fromjson",
    "fromyaml",
    "local_md5",
    "log",
    "print",
    "project_name",
    "ref",
    "return",
    "set",
    "set_strict",
    "source",
    "strata_version",
    "target",
    "tojson",
    "toyaml",
    "var",
    "zip",
    "zip_strict",
];

/// Members that do not exist at parse.
pub(super) const RUN_ONLY: &[&str] = &["compiled_code", "selected_resources", "sql"];

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RenderSession {
    pub(crate) fn parse(
        project: &Arc<ContextProject>,
        package: &Arc<str>,
        subject: RenderSubject,
    ) -> Arc<RenderSession> {
        Arc::new(RenderSession::new(
            project,
            Phase::Parse,
            package,
            subject,
            None,
            DatabaseAccess::None,
        ))
    }

    /// A session at parse for a macro whose result is used at once.
    pub(crate) fn parse_strictly(
        project: &Arc<ContextProject>,
        package: &Arc<str>,
        subject: RenderSubject,
    ) -> Arc<RenderSession> {
        let session =
            RenderSession::new(project, Phase::Parse, package, subject, None, DatabaseAccess::None);
        Arc::new(RenderSession { strict: true, ..session })
    }

    /// Whether an undefined variable is none instead of an error.
    pub(super) fn leaves_variables(&self) -> bool {
        self.phase == Phase::Parse && !self.strict
    }

    pub(crate) fn execute(
        project: &Arc<ContextProject>,
        package: &Arc<str>,
        subject: RenderSubject,
        runtime: Runtime,
        db: DatabaseAccess,
    ) -> Arc<RenderSession> {
        Arc::new(RenderSession::new(project, Phase::Execute, package, subject, Some(runtime), db))
    }

    fn new(
        project: &Arc<ContextProject>,
        phase: Phase,
        package: &Arc<str>,
        subject: RenderSubject,
        runtime: Option<Runtime>,
        db: DatabaseAccess,
    ) -> RenderSession {
        RenderSession {
            project: project.clone(),
            phase,
            package: package.clone(),
            subject,
            runtime,
            record: Mutex::default(),
            db,
            results: Mutex::default(),
            abort: Mutex::default(),
            transactions: Mutex::default(),
            strict: false,
            variables: Mutex::default(),
            unsteady: Arc::default(),
            references_asked: Arc::default(),
            ran: AtomicBool::new(false),
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, RenderRecord> {
        lock(&self.record)
    }

    pub(crate) fn take_record(&self) -> RenderRecord {
        std::mem::take(&mut lock(&self.record))
    }

    pub(crate) fn db(&self) -> &DatabaseAccess {
        &self.db
    }

    pub(crate) fn set_transactions(&self, transactions: TransactionControl) {
        *lock(&self.transactions) = transactions;
    }

    /// Begins a transaction before a statement, if the session controls transactions, the statement
    /// asks for one and none is open.
    pub(super) fn begin(
        &self,
        warehouse: &mut dyn Warehouse,
        asked: bool,
    ) -> Result<(), EngineError> {
        let mut transactions = lock(&self.transactions);
        match &mut *transactions {
            TransactionControl::Session { open } if asked && !*open => *open = true,
            _ => return Ok(()),
        }
        warehouse.begin()
    }

    /// Commits the transaction that the session has begun, if any.
    pub(super) fn commit(&self) -> Result<(), EngineError> {
        self.end(|warehouse| warehouse.commit())
    }

    /// Rolls back the transaction that the session has begun, if any. Errors are ignored: the
    /// project may have ended the transaction by a statement of its own.
    pub(crate) fn roll_back(&self) {
        let _ = self.end(|warehouse| warehouse.rollback());
    }

    fn end(
        &self,
        how: impl FnOnce(&mut dyn Warehouse) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut transactions = lock(&self.transactions);
        match &mut *transactions {
            TransactionControl::Session { open } if *open => *open = false,
            _ => return Ok(()),
        }
        match &self.db {
            DatabaseAccess::Live(connection) => connection.with(how),
            DatabaseAccess::None | DatabaseAccess::Offline | DatabaseAccess::Deferred => Ok(()),
        }
    }

    /// Whether the output is the same at parse and at run, except for the relations that references
    /// print.
    pub(crate) fn is_steady(&self) -> bool {
        !self.unsteady.load(Ordering::Relaxed)
    }

    /// Whether the output depends only on the texts of its open references.
    pub(crate) fn leaves_references_open(&self) -> bool {
        !self.references_asked.load(Ordering::Relaxed)
    }

    pub(super) fn note_references_asked(&self) {
        self.references_asked.store(true, Ordering::Relaxed);
    }

    /// The flag that open references set when anything but their text is read.
    pub(super) fn references_asked(&self) -> Arc<AtomicBool> {
        self.references_asked.clone()
    }

    /// Records that the render ran SQL.
    pub(super) fn record_statement(&self) {
        self.ran.store(true, Ordering::Relaxed);
    }

    /// Whether the node has only been compiled so far, so that `ExistingRelations` is still
    /// accurate.
    pub(super) fn only_compiles(&self) -> bool {
        self.subject.compiled.is_none()
            && !self.builds_candidate()
            && !self.ran.load(Ordering::Relaxed)
    }

    /// Whether the node is built as a candidate, beside its published relation.
    pub(super) fn builds_candidate(&self) -> bool {
        self.subject.extra.iter().any(|(name, _)| *name == super::BUILDS_CANDIDATE)
    }

    pub(super) fn note_unsteady(&self) {
        self.unsteady.store(true, Ordering::Relaxed);
    }

    /// The flag behind [`RenderSession::note_unsteady`], for values that outlive a call.
    pub(super) fn unsteady(&self) -> Arc<AtomicBool> {
        self.unsteady.clone()
    }

    /// Records that an external input was read.
    pub(crate) fn record_read(&self, question: RenderQuestion) {
        let read = self.project.read(question);
        self.record().reads.insert(read);
    }

    /// Records that a macro was looked up.
    pub(crate) fn record_macro_read(&self, call: CallName, found: Option<&MacroDef>) {
        let question = RenderQuestion::Macro { package: self.package.clone(), call };
        self.record().reads.insert(RenderRead { question, answer: fingerprint_macro(found) });
    }

    /// The macro that a call resolves to in the session's package. The lookup is recorded.
    pub(crate) fn find_macro(&self, call: CallName) -> Option<Arc<MacroDef>> {
        let found = self.project.registry()?.find_call(&self.package, &call).cloned();
        self.record_macro_read(call, found.as_deref());
        found
    }

    /// Marks a variable's template as being rendered. An error if it already is: the variable needs
    /// itself.
    pub(super) fn enter_variable(&self, name: &str) -> Result<(), Error> {
        let mut inside = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.iter().any(|n| n == name) {
            let way = inside.iter().map(|n| format!("`{n}` -> ")).collect::<String>();
            return Err(crate::jinja::error(format!(
                "the variable `{name}` needs itself: {way}`{name}`"
            )));
        }
        inside.push(name.to_owned());
        Ok(())
    }

    pub(super) fn leave_variable(&self) {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).pop();
    }

    /// The value of a variable in the session's package. The read is recorded.
    pub(super) fn var(&self, name: &str) -> Option<&Json> {
        self.record_read(RenderQuestion::Var {
            package: self.package.clone(),
            name: name.to_owned(),
        });
        let overridden = self.overrides().and_then(|overrides| overrides.vars.get(name));
        overridden.or_else(|| self.project.vars.find(&self.package, name))
    }

    pub(super) fn overrides(&self) -> Option<&UnitTestOverrides> {
        self.subject.overrides.as_deref()
    }

    /// Records the external input that the member `name` depends on.
    fn record_member_read(&self, name: &str) {
        let parsing = self.phase == Phase::Parse;
        self.record_read(match name {
            "target" | "env" => RenderQuestion::Target,
            // At parse these depend on the node, which the cache compares on its own, and on the
            // target, which decides the database and schema.
            "this" | "database" | "schema" | "model" | "node" if parsing => RenderQuestion::Target,
            "model" | "node" => RenderQuestion::Node,
            "graph" if !parsing => RenderQuestion::Graph,
            "selected_resources" => RenderQuestion::Selected,
            "flags" => RenderQuestion::Flags,
            "invocation_args_dict" => RenderQuestion::Arguments,
            "invocation_id" => RenderQuestion::Invocation,
            "run_started_at" => RenderQuestion::Started,
            "dbt_metadata_envs" => RenderQuestion::MetadataEnv,
            _ => return,
        });
    }

    /// Records why the render stops and returns the error that stops it. The first reason is kept.
    pub(crate) fn stop(&self, abort: Abort) -> minijinja::Error {
        let message = match &abort {
            Abort::NeedsDatabase => "this needs the database".to_owned(),
            Abort::Raised(m) | Abort::FailFast(m) => m.clone(),
            Abort::MissingEnv(name) => format!("environment variable `{name}` is not set"),
            Abort::SecretEnv(name) => {
                format!("`{name}` is secret: it can be read in profiles.yml and packages.yml only")
            }
            Abort::MissingVar(name) => format!("required variable `{name}` is not set"),
            Abort::UnknownRef { message, .. } => message.clone(),
            Abort::Database { error, .. } => error.message.clone(),
        };
        lock(&self.abort).get_or_insert(abort);
        crate::jinja::error(message)
    }

    pub(crate) fn take_abort(&self) -> Option<Abort> {
        lock(&self.abort).take()
    }

    /// The span of the call that is executed; `None` if it is not in the unit's own file.
    pub(crate) fn site(&self, state: &mut minijinja::State<'_, '_>) -> Option<Span> {
        let file = self.subject.file?;
        if state.name().contains('#') {
            return None;
        }
        let at = crate::jinja::call_site(state)? as usize;
        Some(Span::new(file, at, at + 1))
    }

    /// The batch that the node's text or its materialization builds.
    pub(super) fn batch(&self) -> Option<&BatchContext> {
        self.runtime.as_ref()?.bindings.batch()
    }

    /// `model` as a mapping.
    pub(crate) fn model(&self) -> Value {
        match (&self.runtime, self.subject.node) {
            (Some(runtime), Some(id)) => {
                let mut model = runtime.manifest.node_json(runtime.manifest.node(id));
                if let Some(index) = self.subject.overload {
                    take_overload(&mut model, index);
                }
                translate_types(&mut model);
                if let Some(compiled) = &self.subject.compiled {
                    model.insert("compiled_code".into(), Json::from(&**compiled));
                }
                match self.batch() {
                    Some(batch) => model_in_batch(&model, batch),
                    None => {
                        // As in dbt, so that `model.batch.id` is nothing instead of an error.
                        if self.subject.kind == ResourceType::Model {
                            model.insert("batch".to_owned(), Json::Null);
                        }
                        crate::jinja::from_json(&Json::Object(model))
                    }
                }
            }
            _ if self.phase == Phase::Parse => {
                let mut model = self.subject.model.as_object().cloned().unwrap_or_default();
                let config = self.subject.config.to_json(self.subject.kind);
                model.insert("config".into(), Json::Object(config));
                crate::jinja::from_json(&Json::Object(model))
            }
            _ => crate::jinja::from_json(&self.subject.model),
        }
    }
}

/// `model` with the batch that is built, also in its config.
fn model_in_batch(model: &JsonMap, batch: &BatchContext) -> Value {
    use crate::jinja::{dict, from_json};
    let own = model.iter().filter(|(key, _)| *key != "config");
    let own = own.map(|(key, value)| (Value::from(key.as_str()), from_json(value)));
    let config = model.get("config").and_then(Json::as_object).into_iter().flatten();
    let config = config.map(|(key, value)| (Value::from(key.as_str()), from_json(value)));
    let times = batch.config_keys().map(|(key, time)| (Value::from(key), time));
    let config = dict(config.chain(times).collect::<Vec<_>>());
    let added = [(Value::from("config"), config), (Value::from("batch"), batch.value())];
    dict(own.chain(added).collect::<Vec<_>>())
}

/// Translates column types to those of the engine, as macros see them, unless the contract has
/// `alias_types: false`. The manifest keeps the types as they are written.
fn translate_types(model: &mut JsonMap) {
    let translates =
        model.get("contract").and_then(|c| c.get("alias_types")).and_then(Json::as_bool);
    let columns =
        model.get_mut("columns").and_then(Json::as_object_mut).filter(|_| translates == Some(true));
    for column in columns.into_iter().flat_map(|c| c.values_mut()) {
        if let Some(Json::String(data_type)) = column.get_mut("data_type") {
            *data_type = translate_type(std::mem::take(data_type));
        }
    }
}

/// The members of a session, as a scope for `jinja`.
#[derive(Clone, Debug)]
pub(crate) struct NodeScope(pub(crate) Arc<RenderSession>);

impl Scope for NodeScope {
    fn member(&self, name: &str) -> Option<Value> {
        let found = self.find(name);
        if !STEADY.contains(&name) && (found.is_some() || RUN_ONLY.contains(&name)) {
            self.0.note_unsteady();
        }
        found
    }

    fn record_macro_lookup(&self, package: Option<&str>, name: &str, found: Option<&MacroDef>) {
        let call = match package {
            Some(package) => CallName::Package(package.to_owned(), name.to_owned()),
            None => {
                let mut record = self.0.record();
                if record.macros.contains(name) {
                    return;
                }
                record.macros.insert(name.to_owned());
                CallName::Plain(name.to_owned())
            }
        };
        self.0.record_macro_read(call, found);
    }

    fn record_macro_listing(&self) {
        self.0.record_read(RenderQuestion::MacroNames(self.0.package.clone()));
    }

    fn replacement(&self, package: Option<&str>, name: &str) -> Option<Value> {
        self.0.overrides()?.of_name(package, name).map(crate::jinja::from_json)
    }

    fn names(&self) -> Vec<&'static str> {
        let own = [
            "adapter",
            "builtins",
            "execute",
            "this",
            "model",
            "database",
            "schema",
            "graph",
            "thread_id",
        ];
        own.into_iter().chain(self.0.project.members.keys().copied()).collect()
    }
}

impl NodeScope {
    fn find(&self, name: &str) -> Option<Value> {
        let session = &self.0;
        let subject = &session.subject;
        session.record_member_read(name);
        if let Some((_, value)) = subject.extra.iter().find(|(n, _)| *n == name) {
            return Some(value.clone());
        }
        Some(match name {
            "execute" => Value::from(session.phase == Phase::Execute),
            "this" => match super::refs::bound_this(session) {
                Some(bound) => bound,
                None => subject.this.as_ref().map_or_else(
                    || Value::from(()),
                    |r| super::RelationValue::value(r.clone(), session.project.target.engine),
                ),
            },
            "model" | "node" => session.model(),
            "database" => Value::from(
                subject
                    .this
                    .as_ref()
                    .and_then(Relation::database)
                    .unwrap_or(&session.project.target.database),
            ),
            "schema" => Value::from(
                subject
                    .this
                    .as_ref()
                    .and_then(Relation::schema)
                    .unwrap_or(&session.project.target.schema),
            ),
            "sql" | "compiled_code" => Value::from(subject.compiled.as_deref()?),
            "pre_hooks" | "post_hooks" => {
                let (key, is_due) = match (name, session.batch()) {
                    ("pre_hooks", batch) => ("pre-hook", batch.is_none_or(|b| b.is_first)),
                    (_, batch) => ("post-hook", batch.is_none_or(|b| b.is_last)),
                };
                let hooks = subject.config.get(key).filter(|_| is_due);
                crate::jinja::from_json(hooks.unwrap_or(&Json::Array(Vec::new())))
            }
            // The name of the worker thread, which hooks and macros write to logs.
            "thread_id" => {
                let name = std::thread::current()
                    .name()
                    .filter(|n| n.starts_with("Thread-"))
                    .map(str::to_owned);
                Value::from(name.unwrap_or_else(|| "MainThread".to_owned()))
            }
            "adapter" => super::adapter::adapter_value(session),
            "builtins" => super::builtins::builtins_value(session),
            "ref" | "source" => {
                super::builtins::attach_session(session, session.project.members.get(name)?.clone())
            }
            "graph" => return super::project::graph_value(session),
            "selected_resources" => {
                let runtime = session.runtime.as_ref()?;
                crate::jinja::list(runtime.selected.iter().map(|id| Value::from(&**id)).collect())
            }
            _ => return session.project.members.get(name).cloned(),
        })
    }
}
