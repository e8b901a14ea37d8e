//! Runs the steps of a materialization, in the session of its node.

use super::ExecutedSql;
use super::audit::GuardResult;
use super::failure::{compile_error, database_error, internal_error, sql_error};
use super::node::NodeRun;
use super::publish::StateBeforeBuild;
use super::seed::open_rows;
use super::test::FailingRows;
use crate::compile::render_hook;
use crate::context::{
    DatabaseAccess, LogLine, NodeScope, RelationValue, RenderSession, TemplateWarning,
    column_value, failure_diagnostic,
};
use crate::diag::{Code, Diagnostic};
use crate::engine::{
    ColumnChange, EngineError, EngineErrorKind, ExistingColumn, ExistingRelation, Pool,
    Publication, Relation, RelationKind, Reply, SeedLoad,
};
use crate::jinja::{dict, from_json, list};
use crate::manifest::NodeId;
use crate::materialize::{
    AuditSubject, HookTime, PublicMacroArg, PublicMacroCall, SeedJob, SeedLoadOutcome, SeedRows,
    StepResult, Steps,
};
use crate::outcome::{NodeError, PublicationEffect};
use crate::source::SqlText;
use crate::system::{PathType, SystemError};
use camino::Utf8PathBuf;
use minijinja::value::Value;
use std::cell::RefCell;
use std::io::Read;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Macros that run beside the node's main statement, so that their replies are not the node's.
const BESIDE: [&str; 3] = ["create_indexes", "apply_grants", "persist_docs"];

/// The state of a node that is being stored.
pub(super) struct NodeSteps<'a> {
    pub(super) run: NodeRun<'a>,
    pub(super) pool: &'a Arc<Pool>,
    pub(super) guards: &'a [NodeId],
    /// The session that renders hooks and public macros; it has the node's connection.
    pub(super) session: Arc<RenderSession>,
    pub(super) compiled: Arc<SqlText>,
    pub(super) in_transaction: bool,
    /// A candidate was swapped in since the last commit. `publish` has then taken the turn itself.
    pub(super) has_published: bool,
    /// The work cannot be repeated: a commit was sent, or a hook ran outside of a transaction.
    pub(super) is_committed: bool,
    /// The relation that has the published name.
    pub(super) published: Option<ExistingRelation>,
    /// The engine's reply to the node's main statement: the last one that a public macro generated.
    pub(super) reply: Option<Reply>,
    pub(super) executed: ExecutedSql,
    /// Held while a publication is open that touches other relations: two that touch relations
    /// joined by a view would deadlock.
    pub(super) turn: RefCell<Option<MutexGuard<'a, ()>>>,
    pub(super) results: Vec<GuardResult>,
    /// Failing rows that are stored after the transaction has ended.
    pub(super) failing_rows: Vec<FailingRows>,
    /// The state before the build; `None` if publications are not recorded.
    pub(super) state_before: Option<StateBeforeBuild>,
    pub(super) effect: Option<PublicationEffect>,
}

impl<'a> NodeSteps<'a> {
    /// Waits until no other node of the run publishes.
    fn take_turn(&self) {
        let mut turn = self.turn.borrow_mut();
        if turn.is_none() {
            let publishing: &'a _ = &self.run.shared.publishing;
            *turn = Some(publishing.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn end_turn(&self) {
        *self.turn.borrow_mut() = None;
    }

    /// Sleeps between two attempts to take a lock. The turn is released meanwhile, because the
    /// lock's holder may be another node of this run that waits for the turn.
    fn pause(&self, time: Duration) {
        let held = self.turn.borrow().is_some();
        self.end_turn();
        std::thread::sleep(time);
        if held {
            self.take_turn();
        }
    }

    /// Called between statements: fails once the user has interrupted the run.
    pub(super) fn may_go_on(&self) -> StepResult {
        if !self.run.shared.cancel.is_cancelled() {
            return Ok(());
        }
        let node = self.run.node;
        let d = Diagnostic::error(Code::Runtime, format!("`{}` was interrupted", node.name));
        Err(NodeError::lasting(
            d.primary(node.span, "").help("its published relation is as it was"),
        ))
    }

    /// Replaces the types of columns with those that the project declares.
    fn set_declared_types(&self, columns: &mut [ExistingColumn]) {
        for column in columns {
            let declared =
                self.run.node.columns.iter().find(|c| c.name.eq_ignore_ascii_case(&column.name));
            if let Some(data_type) = declared.and_then(|c| c.data_type.as_ref()) {
                column.data_type.clone_from(data_type);
            }
        }
    }

    /// Rolls back whatever is still open after a failure, and releases the turn.
    pub(super) fn abandon(&mut self) {
        if self.in_transaction {
            self.executed.add_beside("rollback");
            // The connection may be lost, and its transaction with it.
            let _ = self.run.ask(|warehouse| warehouse.rollback());
            self.in_transaction = false;
        }
        self.has_published = false;
        self.end_turn();
    }

    /// Drops the results of an attempt before the next one.
    pub(super) fn forget_attempt(&mut self) {
        self.results.clear();
        self.failing_rows.clear();
    }

    fn relation(&self) -> Result<&'a Relation, NodeError> {
        let node = self.run.node;
        node.relation.as_ref().ok_or_else(|| internal_error("the node has no relation"))
    }

    /// The text generated by a macro of that name; a macro of the project takes precedence.
    fn write(&mut self, call: &PublicMacroCall) -> Result<String, NodeError> {
        let (renderer, node) = (&self.run.shared.compiler.renderer, self.run.node);
        let Some(def) = renderer.registry().lookup(&node.package, &call.name).cloned() else {
            let message =
                format!("`{}` needs a macro `{}`, which does not exist", node.name, call.name);
            let d = Diagnostic::error(Code::UnknownMacro, message);
            return Err(NodeError::lasting(d.primary(node.span, "")));
        };
        let args: Vec<Value> = call.args.iter().map(|arg| self.value_of(arg)).collect();
        let scope = Arc::new(NodeScope(self.session.clone()));
        let called =
            renderer.call_macro(true, &def, &args, &node.package, scope, self.session.clone());
        self.note_queries();
        match called {
            Ok(value) if value.is_none() => Ok(String::new()),
            Ok(value) => Ok(value.to_string()),
            Err(failure) => {
                Err(NodeError::lasting(failure_diagnostic(&failure, &self.session, node.span)))
            }
        }
    }

    /// Notes the statements that the last template sent itself.
    fn note_queries(&mut self) {
        let sent = std::mem::take(&mut self.session.record().executed);
        self.executed.add_all_beside(&sent);
    }

    fn value_of(&self, arg: &PublicMacroArg) -> Value {
        let engine = self.run.engine();
        match arg {
            PublicMacroArg::None => Value::from(()),
            PublicMacroArg::Flag(b) => Value::from(*b),
            PublicMacroArg::Text(s) => Value::from(s.as_str()),
            PublicMacroArg::Relation(r) => RelationValue::value(r.clone(), engine),
            PublicMacroArg::Model => self.session.model(),
            PublicMacroArg::Compiled => Value::from(self.compiled.as_str()),
            PublicMacroArg::Columns(columns) => {
                list(columns.iter().map(|c| column_value(c, engine)).collect())
            }
            PublicMacroArg::Json(json) => from_json(json),
            PublicMacroArg::Dict(pairs) => {
                let pairs = pairs.iter().map(|(k, v)| (Value::from(*k), self.value_of(v)));
                dict(pairs.collect::<Vec<_>>())
            }
        }
    }

    /// The error for a seed that could not be loaded. Either its file is wrong, or a value does not
    /// fit its column.
    fn seed_error(&self, e: &EngineError) -> NodeError {
        let mut failed = database_error(e, self.run.node);
        // SQLSTATE class 22: the value does not fit the type.
        let is_value = e.code.as_deref().is_none_or(|code| code.starts_with("22"));
        if is_value && e.kind == EngineErrorKind::Runtime {
            let d = failed
                .diagnostic
                .help("rows are counted without the header; `column_types` gives another type");
            failed.diagnostic = Box::new(Diagnostic { code: Code::SeedData, ..d });
        }
        failed
    }

    /// A path as the database reads it: from the working directory.
    fn absolute(&self, path: &str) -> Utf8PathBuf {
        self.run.shared.system.current_dir().join(path)
    }

    fn file_error(&self, e: &SystemError) -> NodeError {
        let d = Diagnostic::error(Code::Runtime, e.to_string());
        NodeError::lasting(d.primary(self.run.node.span, ""))
    }

    fn run_hook(&mut self, key: &str, text: &str) -> StepResult {
        let node = self.run.node;
        let span = node.config.entry(key).and_then(|entry| entry.span).unwrap_or(node.span);
        let rendered = render_hook(&self.run.shared.compiler.renderer, &self.session, text, span);
        self.note_queries();
        let sql = rendered?;
        if sql.as_str().trim().is_empty() {
            return Ok(());
        }
        self.is_committed |= !self.in_transaction;
        self.may_go_on()?;
        self.executed.add_beside(sql.as_str());
        self.run.execute(&sql).map(drop).map_err(|e| {
            let first = sql.as_str().trim().lines().next().unwrap_or_default().to_owned();
            let diagnostic = Box::new(e.diagnostic.note(format!("in the {key} `{first}`")));
            NodeError { diagnostic, ..e }
        })
    }
}

impl Steps for NodeSteps<'_> {
    fn execute(&mut self, sql: SqlText) -> StepResult {
        self.may_go_on()?;
        self.executed.add_main(sql.as_str());
        self.run.execute(&sql).map(drop)
    }

    fn call_macro(&mut self, call: &PublicMacroCall) -> StepResult {
        self.may_go_on()?;
        let text = self.write(call)?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let sql = SqlText::around(text, &self.compiled);
        let is_main = !BESIDE.contains(&call.name.as_str());
        match is_main {
            true => self.executed.add_main(sql.as_str()),
            false => self.executed.add_beside(sql.as_str()),
        }
        let reply = self.run.execute(&sql)?;
        if is_main {
            self.reply = Some(reply);
        }
        Ok(())
    }

    fn create_overload(&mut self, index: usize, call: &PublicMacroCall) -> StepResult {
        self.may_go_on()?;
        let NodeRun { shared, node, bindings, existing, connection } = self.run;
        let db = DatabaseAccess::Live(connection.clone());
        let compiled = shared.compiler.compile_overload(node, index, bindings, existing, &db);
        let (compiled, session) = compiled.map_err(|e| compile_error(e, node))?;
        let own_session = std::mem::replace(&mut self.session, session);
        let own_text = std::mem::replace(&mut self.compiled, compiled.sql);
        let created = self.call_macro(call);
        (self.session, self.compiled) = (own_session, own_text);
        created
    }

    fn ask_macro(&mut self, call: &PublicMacroCall) -> Result<String, NodeError> {
        self.may_go_on()?;
        self.write(call)
    }

    fn warn(&mut self, message: String) {
        self.session.record().warnings.push(TemplateWarning::raised(message, None));
    }

    fn log(&mut self, message: String) {
        self.session.record().logs.push(LogLine { text: message, info: false, print: false });
    }

    fn skip(&mut self, message: String) {
        self.reply = Some(Reply { message, ..Reply::default() });
    }

    fn locate_file(&self, path: &str) -> String {
        let root = &self.run.manifest().project.root;
        match self.run.shared.system.current_dir() == *root {
            true => path.to_owned(),
            false => root.join(path).to_string(),
        }
    }

    fn move_file(&mut self, from: &str, to: &str) -> StepResult {
        self.may_go_on()?;
        let (from, to) = (self.absolute(from), self.absolute(to));
        let system = &self.run.shared.system;
        let done = match system.path_type(&from) {
            PathType::Folder => system.replace_folder(&from, &to),
            _ => system.rename(&from, &to),
        };
        done.map_err(|e| self.file_error(&e))
    }

    fn remove_file(&mut self, path: &str) -> StepResult {
        self.may_go_on()?;
        let path = self.absolute(path);
        self.run.shared.system.remove(&path).map_err(|e| self.file_error(&e))
    }

    fn run_hooks(&mut self, time: HookTime) -> StepResult {
        self.may_go_on()?;
        let Some(config) = self.run.node.typed.build() else { return Ok(()) };
        let is_due = self.run.bindings.batch().is_none_or(|batch| match time {
            HookTime::BeforeOutside | HookTime::BeforeInside => batch.is_first,
            HookTime::AfterInside | HookTime::AfterOutside => batch.is_last,
        });
        if !is_due {
            return Ok(());
        }
        let (key, hooks, inside) = match time {
            HookTime::BeforeOutside => ("pre-hook", &config.pre_hooks, false),
            HookTime::BeforeInside => ("pre-hook", &config.pre_hooks, true),
            HookTime::AfterInside => ("post-hook", &config.post_hooks, true),
            HookTime::AfterOutside => ("post-hook", &config.post_hooks, false),
        };
        let mut due = hooks.iter().filter(|hook| hook.is_inside == inside);
        due.try_for_each(|hook| self.run_hook(key, &hook.sql))
    }

    fn load_seed(
        &mut self,
        table: &Relation,
        seed: &SeedJob,
    ) -> Result<SeedLoadOutcome, NodeError> {
        self.may_go_on()?;
        let mut rows: SeedRows<Box<dyn Read + Send>> = open_rows(&self.run, seed)?;
        let columns = seed.column_names(self.run.engine().dialect);
        let mut load = SeedLoad {
            table,
            columns: &columns,
            path: &seed.path,
            delimiter: &seed.delimiter,
            rows: &mut rows,
        };
        let error = match self.run.connection.with(|warehouse| warehouse.load_seed(&mut load)) {
            Ok(loaded) => {
                loaded.executed.iter().for_each(|sql| self.executed.add_main(sql));
                self.reply = loaded.rows.or(seed.rows).map(Reply::of_load).or(self.reply.take());
                return Ok(SeedLoadOutcome::Loaded);
            }
            Err(e) => e,
        };
        // Perhaps the types inferred from the first rows are too narrow for a later value: read the
        // rest of the file for types that fit all rows. If the rest is malformed, the engine's
        // error is returned.
        if seed.provisional.is_some() && rows.read_remaining_rows().is_err() {
            return Err(self.seed_error(&error));
        }
        match rows.changed_types() {
            Some(columns) => Ok(SeedLoadOutcome::OtherTypes(columns)),
            None => Err(self.seed_error(&error)),
        }
    }

    fn alter_columns(
        &mut self,
        table: &Relation,
        statements: &[String],
        takes_away: bool,
    ) -> StepResult {
        self.may_go_on()?;
        let (shared, dialect) = (self.run.shared, self.run.engine().dialect);
        if takes_away && self.in_transaction {
            self.take_turn();
        }
        let change = ColumnChange {
            relation: table,
            statements,
            takes_away,
            is_built_later: &|relation| shared.builds_later(relation, dialect),
            pause: &|time| self.pause(time),
        };
        let done = self.run.ask(|warehouse| warehouse.alter_columns(&change))?;
        self.executed.add_all_beside(&done);
        Ok(())
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> StepResult {
        self.may_go_on()?;
        let done = self.run.ask(|warehouse| warehouse.drop_relation(relation))?;
        self.executed.add_all_beside(&done);
        Ok(())
    }

    fn describe_relation(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, NodeError> {
        self.may_go_on()?;
        self.run.ask(|warehouse| warehouse.list_columns_of_existing(relation))
    }

    fn describe_query(&mut self) -> Result<Vec<ExistingColumn>, NodeError> {
        self.may_go_on()?;
        let sql = &self.compiled;
        let found = self.run.connection.with(|warehouse| warehouse.describe_query(sql));
        let mut columns = found.map_err(|e| sql_error(&e, sql, self.run.node.span))?;
        if !self.run.engine().capabilities.keeps_types_of_queries {
            self.set_declared_types(&mut columns);
        }
        Ok(columns)
    }

    fn begin(&mut self) -> StepResult {
        self.may_go_on()?;
        self.executed.add_beside("begin");
        self.run.ask(|warehouse| warehouse.begin())?;
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> StepResult {
        self.may_go_on()?;
        self.executed.add_beside("commit");
        self.run.ask(|warehouse| warehouse.commit())?;
        self.in_transaction = false;
        // The pre-hooks in this transaction would run a second time in a retry.
        self.is_committed |=
            self.run.node.typed.build().is_some_and(|config| !config.pre_hooks.is_empty());
        Ok(())
    }

    fn audit(&mut self, audited: &AuditSubject) -> Result<bool, NodeError> {
        self.may_go_on()?;
        self.run_guards(audited)
    }

    fn publish(&mut self, candidate: &Relation, kind: RelationKind) -> StepResult {
        self.may_go_on()?;
        let (shared, dialect) = (self.run.shared, self.run.engine().dialect);
        let published = self.relation()?;
        let config = self.run.node.typed.build();
        let publication = Publication {
            published,
            existing: self.published.as_ref(),
            candidate,
            kind,
            has_hooks: config.is_some_and(|config| !config.post_hooks.is_empty()),
            is_built_later: &|relation| shared.builds_later(relation, dialect),
            take_turn: &|| self.take_turn(),
            pause: &|time| self.pause(time),
        };
        let done = self.run.ask(|warehouse| warehouse.publish(&publication))?;
        self.executed.add_all_beside(&done);
        self.has_published = true;
        Ok(())
    }

    fn reattach_objects(&mut self) -> StepResult {
        self.may_go_on()?;
        let relation = self.relation()?;
        let done = self.run.ask(|warehouse| warehouse.reattach_objects(relation))?;
        self.executed.add_all_beside(&done);
        Ok(())
    }

    fn finish(&mut self) -> StepResult {
        self.may_go_on()?;
        if !std::mem::take(&mut self.has_published) {
            self.take_turn();
        }
        if let Some(before) = &self.state_before {
            self.effect = self.record_publication(before)?;
        }
        // If the commit fails, nobody knows whether it took effect, so there is no retry from here
        // on.
        self.is_committed = true;
        if self.in_transaction {
            self.executed.add_beside("commit");
            self.run.ask(|warehouse| warehouse.commit())?;
            self.in_transaction = false;
        }
        let key = self.relation()?.key(self.run.engine().dialect);
        let published = &self.run.shared.published;
        published.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        self.end_turn();
        Ok(())
    }

    fn roll_back(&mut self) -> StepResult {
        self.may_go_on()?;
        if self.in_transaction {
            self.executed.add_beside("rollback");
            self.run.ask(|warehouse| warehouse.rollback())?;
            self.in_transaction = false;
        }
        self.has_published = false;
        self.end_turn();
        Ok(())
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        kept: &Relation,
        kind: RelationKind,
    ) -> StepResult {
        self.may_go_on()?;
        let done = self.run.ask(|warehouse| warehouse.keep_rejected(candidate, kept, kind))?;
        self.executed.add_all_beside(&done);
        Ok(())
    }
}
