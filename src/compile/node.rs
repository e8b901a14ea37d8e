//! Compiles one node, with `execute` set to true.

use super::form::{UnboundSql, cut_pieces};
use crate::config::Json;
use crate::context::{
    Abort, BatchContext, Bindings, ContextProject, DatabaseAccess, DeferredRelations, LogLine,
    NodeScope, RefForm, RenderRead, RenderSession, RenderSubject, Runtime, failure_diagnostic,
};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, ExistingRelations, Relation};
use crate::jinja::{RenderFailure, Rendered, Renderer, TextOrigin};
use crate::manifest::{Manifest, Node, NodeId, NodeKind, TestKind, UniqueId, UnitTestOverrides};
use crate::parse::evaluate_argument;
use crate::source::{Origin, SourceMap, Span, SqlText};
use crate::sql::inject_ctes;
use minijinja::value::{Kwargs, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A node's SQL and the record of its render.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) sql: Arc<SqlText>,
    pub(crate) ctes: Vec<NodeId>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) warnings: Vec<Diagnostic>,
    /// The external inputs read (variables, environment, target, macros), including those of the
    /// ephemeral models that are inlined.
    pub(crate) reads: BTreeSet<RenderRead>,
}

#[derive(Debug)]
pub(crate) enum CompileError {
    Diagnostic(Box<Diagnostic>),
    /// The node's template queries the database, and there is no connection.
    NeedsDatabase,
}

/// A compiler for the nodes of one manifest, shared by all workers.
pub(crate) struct Compiler {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) context: Arc<ContextProject>,
    pub(crate) map: Arc<SourceMap>,
    pub(crate) selected: Arc<Vec<UniqueId>>,
    deferred: DeferredRelations,
    graph: Arc<OnceLock<Value>>,
    /// The forms of nodes, as far as they were needed. `None` means that the node has no form, and
    /// has to be rendered for each binding.
    forms: Mutex<HashMap<NodeId, Option<Arc<UnboundSql>>>>,
    /// Ephemeral models without a form, rendered with default bindings; every node that reads one
    /// needs its text.
    ephemeral: Mutex<HashMap<NodeId, Compiled>>,
}

/// CTEs by name, in order of their dependencies, and the external inputs that their renders read.
type Definitions = (Vec<(String, SqlText)>, BTreeSet<RenderRead>);

/// Describes a node to a session. The texts of operations and generic tests are not ranges of
/// files, so errors in them cannot be located there.
pub(crate) fn subject_of(node: &Node) -> RenderSubject {
    let yaml =
        matches!(node.kind, NodeKind::Operation { .. } | NodeKind::Test(TestKind::Generic(_)));
    RenderSubject {
        unique_id: node.unique_id.clone(),
        name: node.name.clone(),
        kind: node.resource_type(),
        file: node.text.as_ref().filter(|_| !yaml).map(|t| t.file),
        this: node.relation.clone(),
        config: node.config.clone(),
        node: Some(node.id),
        model: Json::Null,
        compiled: None,
        extra: Vec::new(),
        overrides: None,
        overload: None,
    }
}

/// What stands for macros while the materialization of a batch runs: one that is applied to the
/// table that is there is incremental, whatever the flags say.
pub(crate) fn overrides_in(batch: &BatchContext) -> Option<Arc<UnitTestOverrides>> {
    let macros = [("is_incremental", Json::Bool(true)), ("should_full_refresh", Json::Bool(false))];
    let macros = macros.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    batch
        .is_incremental
        .then(|| Arc::new(UnitTestOverrides { macros, ..UnitTestOverrides::default() }))
}

impl Compiler {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        renderer: Arc<Renderer>,
        context: Arc<ContextProject>,
        map: Arc<SourceMap>,
        selected: Vec<UniqueId>,
    ) -> Compiler {
        Compiler {
            manifest,
            renderer,
            context,
            map,
            selected: Arc::new(selected),
            deferred: DeferredRelations::default(),
            graph: Arc::default(),
            forms: Mutex::default(),
            ephemeral: Mutex::default(),
        }
    }

    /// The compiler, with relations of another state that stand for nodes.
    pub(crate) fn with_deferred(self, deferred: DeferredRelations) -> Compiler {
        Compiler { deferred, ..self }
    }

    /// The relation of another state that stands for a node.
    pub(crate) fn deferred_relation(&self, node: NodeId) -> Option<&Relation> {
        self.deferred.get(&node)
    }

    /// What references print where nothing else is said, as queries without rows if `empty`.
    pub(crate) fn bindings(&self, empty: bool) -> Bindings {
        Bindings::deferring(&self.deferred, empty)
    }

    pub(crate) fn runtime(
        &self,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
    ) -> Runtime {
        Runtime {
            manifest: self.manifest.clone(),
            bindings: bindings.clone(),
            existing: existing.clone(),
            graph: self.graph.clone(),
            selected: self.selected.clone(),
        }
    }

    pub(crate) fn session(
        &self,
        node: &Node,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: DatabaseAccess,
    ) -> Arc<RenderSession> {
        self.session_of(subject_of(node), node, bindings, existing, db)
    }

    /// A session in which a node builds a candidate, beside the published relation. `compiled` is
    /// its SQL, for macros that read it from `model`.
    pub(crate) fn building(
        &self,
        node: &Node,
        compiled: Option<&SqlText>,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: DatabaseAccess,
    ) -> Arc<RenderSession> {
        let mut subject = subject_of(node);
        subject.compiled = compiled.map(|sql| Arc::from(sql.as_str()));
        subject.extra.push((crate::context::BUILDS_CANDIDATE, true.into()));
        subject.overrides = bindings.batch().and_then(overrides_in);
        self.session_of(subject, node, bindings, existing, db)
    }

    pub(super) fn session_of(
        &self,
        subject: RenderSubject,
        node: &Node,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: DatabaseAccess,
    ) -> Arc<RenderSession> {
        RenderSession::execute(
            &self.context,
            &node.package,
            subject,
            self.runtime(bindings, existing),
            db,
        )
    }

    /// Compiles a node. Without a connection, a query to the database is an error.
    pub(crate) fn compile(
        &self,
        id: NodeId,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        connection: Option<&Connection>,
    ) -> Result<Compiled, CompileError> {
        self.compile_with(id, bindings, existing, &DatabaseAccess::of(connection))
    }

    /// `compile` with the given access to the database.
    pub(crate) fn compile_with(
        &self,
        id: NodeId,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Compiled, CompileError> {
        let compiled = self.compile_body(id, bindings, existing, db)?;
        self.add_ctes(compiled, bindings, existing, db)
    }

    /// An error for a model or a function that is not SQL.
    pub(super) fn check_sql(&self, node: &Node) -> Result<(), CompileError> {
        if node.sql {
            return Ok(());
        }
        let kind = node.resource_type().as_str();
        let language = if node.language() == "javascript" { "JavaScript" } else { "Python" };
        let message = format!("`{}` is a {language} {kind}, which cannot be run", node.name);
        let d = Diagnostic::error(Code::PythonNeeded, message)
            .primary(node.span, "rewrite it in SQL, or leave it out: --exclude");
        Err(CompileError::Diagnostic(Box::new(d)))
    }

    /// Adds the CTEs that a node's own text refers to.
    pub(super) fn add_ctes(
        &self,
        mut compiled: Compiled,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Compiled, CompileError> {
        if !compiled.ctes.is_empty() {
            let outside = bindings.outside_batch();
            let (ctes, reads) = self.definitions(&compiled.ctes, &outside, existing, db)?;
            compiled.reads.extend(reads);
            let own = Arc::try_unwrap(compiled.sql).unwrap_or_else(|shared| (*shared).clone());
            compiled.sql = Arc::new(inject_ctes(own, &ctes));
        }
        Ok(compiled)
    }

    /// Renders a node's own text with the given bindings, without CTEs.
    pub(super) fn render(
        &self,
        node: &Node,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Compiled, CompileError> {
        let session = self.session(node, bindings, existing, db.clone());
        self.render_in_session(node, &session)
    }

    /// Renders a node's own text in a session, without CTEs.
    pub(super) fn render_in_session(
        &self,
        node: &Node,
        session: &Arc<RenderSession>,
    ) -> Result<Compiled, CompileError> {
        let rendered =
            self.render_in(node, session).map_err(|failure| self.error(&failure, session, node))?;
        let record = session.take_record();
        Ok(Compiled {
            sql: Arc::new(rendered.sql.trimmed()),
            ctes: record.ctes,
            logs: record.logs,
            warnings: crate::parse::warning_diagnostics(record.warnings, node.span).collect(),
            reads: record.reads,
        })
    }

    /// Compiles the text of an overload of a function, and opens the session that creates it.
    pub(crate) fn compile_overload(
        &self,
        node: &Node,
        index: usize,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<(Compiled, Arc<RenderSession>), CompileError> {
        let mut one = node.clone();
        if let NodeKind::Function(function) = &node.kind
            && let Some(overload) = function.overloads.get(index)
        {
            one.text = Some(overload.text.clone());
            one.original_file_path = overload.original_file_path.clone();
        }
        let subject = || RenderSubject { overload: Some(index), ..subject_of(&one) };
        let session = self.session_of(subject(), &one, bindings, existing, db.clone());
        let compiled = self.render_in_session(&one, &session)?;
        let compiled = self.add_ctes(compiled, bindings, existing, db)?;
        let mut creating = subject();
        creating.compiled = Some(Arc::from(compiled.sql.as_str()));
        Ok((compiled, self.session_of(creating, &one, bindings, existing, db.clone())))
    }

    /// Compiles a node from its form. `None` if it has no form, or if a reference cannot be bound.
    pub(super) fn bind_form(&self, node: &Node, bindings: &Bindings) -> Option<Compiled> {
        let form = self.unbound_sql_of(node)?;
        let bound = form.bind(&self.manifest, bindings, self.context.target.engine)?;
        Some(Compiled {
            sql: Arc::new(bound.sql),
            ctes: bound.ctes,
            logs: form.logs.clone(),
            warnings: form.warnings.clone(),
            reads: form.reads.clone(),
        })
    }

    /// The form of a node: of a text that parsing found to depend on nothing that differs at run
    /// time, or of a generic test, whose macro gets its model as an argument. `None` for all
    /// others.
    pub(super) fn unbound_sql_of(&self, node: &Node) -> Option<Arc<UnboundSql>> {
        let is_steady = node.text.as_ref().is_some_and(|text| text.steady.is_some());
        if !is_steady && node.generic_test().is_none() {
            return None;
        }
        let known =
            self.forms.lock().unwrap_or_else(PoisonError::into_inner).get(&node.id).cloned();
        if let Some(form) = known {
            return form;
        }
        let form = self.render_form(node).map(Arc::new);
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.entry(node.id).or_insert(form).clone()
    }

    /// Makes the compiler render every node anew for each binding.
    #[cfg(test)]
    pub(super) fn forget_unbound_sql(&self) {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.extend(self.manifest.nodes.iter().map(|n| (n.id, None)));
    }

    /// Renders a node with open references. `None` if the text needs a database, has an error, or
    /// inspects its references. An error is reported when the text is rendered with its actual
    /// bindings.
    fn render_form(&self, node: &Node) -> Option<UnboundSql> {
        let (open, existing) = (Arc::new(Bindings::open()), Arc::new(ExistingRelations::Unknown));
        let session = self.session(node, &open, &existing, DatabaseAccess::Offline);
        let rendered = self.render_in(node, &session).ok()?;
        if !session.leaves_references_open() {
            return None;
        }
        let record = session.take_record();
        let pieces = cut_pieces(rendered, &self.manifest, self.context.target.engine)?;
        Some(UnboundSql {
            pieces,
            logs: record.logs,
            warnings: crate::parse::warning_diagnostics(record.warnings, node.span).collect(),
            reads: record.reads,
        })
    }

    /// Renders a node's own text, or calls the macro of a generic test, in a session.
    fn render_in(
        &self,
        node: &Node,
        session: &Arc<RenderSession>,
    ) -> Result<Rendered, RenderFailure> {
        match &node.kind {
            NodeKind::Test(TestKind::Generic(_)) => self.generic(node, session),
            _ => self.text(node, session),
        }
    }

    /// Adds the CTEs of the ephemeral models that a query reads.
    pub(crate) fn with_ctes(
        &self,
        sql: SqlText,
        ids: &[NodeId],
        existing: &Arc<ExistingRelations>,
        connection: Option<&Connection>,
    ) -> Result<SqlText, CompileError> {
        let db = DatabaseAccess::of(connection);
        let (ctes, _) = self.definitions(ids, &Arc::new(self.bindings(false)), existing, &db)?;
        Ok(inject_ctes(sql, &ctes))
    }

    fn error(&self, failure: &RenderFailure, session: &RenderSession, node: &Node) -> CompileError {
        match session.take_abort() {
            Some(Abort::NeedsDatabase) => CompileError::NeedsDatabase,
            other => {
                if let Some(abort) = other {
                    // `failure_diagnostic` takes the abort from the session for its message.
                    let _ = session.stop(abort);
                }
                CompileError::Diagnostic(Box::new(failure_diagnostic(failure, session, node.span)))
            }
        }
    }

    fn text(&self, node: &Node, session: &Arc<RenderSession>) -> Result<Rendered, RenderFailure> {
        let Some(text) = &node.text else {
            return Ok(Rendered { sql: SqlText::new(), is_inspected: false });
        };
        let template = format!("{}/{}", node.package, node.original_file_path);
        let scope = Arc::new(NodeScope(session.clone()));
        // The text of a YAML snapshot or of a hook is a value in a properties file, so its
        // positions are not those of the file.
        let whole = self.map.text(text.file).clone();
        let range = (text.range.0 as usize, text.range.1 as usize);
        let in_file = whole.get(range.0..range.1).is_some_and(|t| t.trim() == &*text.raw);
        let yaml = matches!(node.kind, NodeKind::Operation { .. }) || !in_file;
        let origin = if yaml {
            TextOrigin { file: text.file, text: &text.raw, range: (0, text.raw.len()) }
        } else {
            TextOrigin { file: text.file, text: &whole, range }
        };
        let rendered =
            self.renderer.render(&template, origin, &node.package, scope, session.clone());
        match rendered {
            Ok(rendered) if yaml => {
                let mut sql = SqlText::new();
                sql.push_from(rendered.sql.as_str(), Origin::Expr(node.span));
                Ok(Rendered { sql, ..rendered })
            }
            Ok(rendered) => Ok(rendered),
            Err(failure) => Err(RenderFailure { span: failure.span.filter(|_| !yaml), ..failure }),
        }
    }

    /// Calls the macro of a generic test with the test's arguments.
    fn generic(
        &self,
        node: &Node,
        session: &Arc<RenderSession>,
    ) -> Result<Rendered, RenderFailure> {
        let NodeKind::Test(TestKind::Generic(test)) = &node.kind else {
            return Ok(Rendered { sql: SqlText::new(), is_inspected: false });
        };
        let registry = self.renderer.registry();
        let name = format!("test_{}", test.name);
        let def = match &test.namespace {
            Some(ns) => registry.lookup_in(ns, &name),
            None => registry.lookup(&node.package, &name),
        };
        let Some(def) = def else {
            let message = format!("there is no test `{}`", test.name);
            return Err(test_failure(node, message));
        };
        let mut kwargs = Vec::new();
        for (key, value) in &*test.kwargs {
            let value =
                evaluate_argument(&self.renderer, true, &node.package, session, value, node.span)
                    .map_err(|d| test_failure(node, d.message.clone()))?;
            kwargs.push((key.clone(), value));
        }
        let args = [Value::from(Kwargs::from_iter(kwargs))];
        let scope = Arc::new(NodeScope(session.clone()));
        let (value, is_inspected) = self.renderer.call_macro_with_marks(
            true,
            def,
            &args,
            &node.package,
            scope,
            session.clone(),
        )?;
        let mut sql = SqlText::new();
        sql.push_from(&value.to_string(), Origin::Expr(node.span));
        Ok(Rendered { sql, is_inspected })
    }

    /// The CTEs of ephemeral models, each after those that it reads.
    pub(super) fn definitions(
        &self,
        ids: &[NodeId],
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Definitions, CompileError> {
        let mut done: Vec<NodeId> = Vec::new();
        let mut out = Definitions::default();
        self.collect(ids, bindings, existing, db, &mut done, &mut out)?;
        Ok(out)
    }

    fn collect(
        &self,
        ids: &[NodeId],
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
        done: &mut Vec<NodeId>,
        out: &mut Definitions,
    ) -> Result<(), CompileError> {
        for id in ids {
            if done.contains(id) {
                continue;
            }
            done.push(*id);
            let compiled = self.ephemeral(*id, bindings, existing, db)?;
            self.collect(&compiled.ctes, bindings, existing, db, done, out)?;
            out.0.push((self.cte_name(*id, bindings), (*compiled.sql).clone()));
            out.1.extend(compiled.reads);
        }
        Ok(())
    }

    /// The name under which references to a node are printed.
    fn cte_name(&self, id: NodeId, bindings: &Bindings) -> String {
        match bindings.target(&self.manifest, id).map(|target| target.shape) {
            Some(RefForm::Cte(name)) => name,
            _ => format!("__dbt__cte__{}", self.manifest.node(id).alias),
        }
    }

    /// An ephemeral model's text without CTEs, and the ephemeral models that it reads. Logs and
    /// warnings are dropped: the model's own check reports them.
    fn ephemeral(
        &self,
        id: NodeId,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Compiled, CompileError> {
        let node = self.manifest.node(id);
        if let Some(query) = bindings.query(id) {
            let (sql, ctes) = (query.sql.clone(), query.ctes.clone());
            let (logs, warnings, reads) = Default::default();
            return Ok(Compiled { sql, ctes, logs, warnings, reads });
        }
        if let Some(bound) = self.bind_form(node, bindings) {
            return Ok(Compiled { logs: Vec::new(), warnings: Vec::new(), ..bound });
        }
        // Only default bindings are cached: special ones belong to a single test.
        let is_kept = !bindings.is_special();
        let known = self.ephemeral.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(found) = known.filter(|_| is_kept) {
            return Ok(found);
        }
        let rendered = self.render(node, bindings, existing, db)?;
        let compiled = Compiled { logs: Vec::new(), warnings: Vec::new(), ..rendered };
        if is_kept {
            let mut all = self.ephemeral.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(id, compiled.clone());
        }
        Ok(compiled)
    }
}

/// The error for a test whose macro cannot be called.
fn test_failure(node: &Node, message: String) -> RenderFailure {
    RenderFailure {
        message,
        syntax: false,
        span: Some(node.span),
        trace: Vec::new(),
        unknown: None,
    }
}

/// Renders a pre- or post-hook in its node's session.
pub(crate) fn render_hook(
    renderer: &Renderer,
    session: &Arc<RenderSession>,
    sql: &str,
    span: Span,
) -> Result<SqlText, Box<Diagnostic>> {
    if !sql.contains("{{") && !sql.contains("{%") && !sql.contains("{#") {
        return Ok(sql.into());
    }
    let scope = Arc::new(NodeScope(session.clone()));
    match renderer.render_detached(true, sql, &session.package, scope, session.clone()) {
        Ok(text) => {
            let mut out = SqlText::new();
            out.push_from(&text, Origin::Expr(span));
            Ok(out)
        }
        Err(failure) => Err(Box::new(failure_diagnostic(&failure, session, span))),
    }
}
