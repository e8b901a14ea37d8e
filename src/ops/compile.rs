//! `compile`: writes the SQL of nodes below the target path.

use super::OpsError;
use super::choose::choose_nodes;
use super::inline::render_inline;
use crate::compile::{CompileError, Compiled, Compiler};
use crate::context::{DatabaseAccess, LogLine};
use crate::engine::{Connection, ExistingRelations};
use crate::manifest::{Node, NodeId};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, Timing};
use crate::plan::CommandVerb;
use crate::run::{CancelWatch, artifact_path};
use crate::select::Selection;
use crate::source::SqlText;
use crate::system::SystemError;
use crate::workspace::{
    DatabaseOpening, Notice, Notices, Revision, Workspace, WorkspaceError, compiled_code,
    resource_types_of, write_compiled_manifest, write_graph, write_plain_manifest, write_results,
};
use camino::Utf8PathBuf;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct CompileOptions {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<String>,
    pub(crate) introspect: bool,
    pub(crate) form: SqlForm,
}

/// What the SQL of nodes is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SqlForm {
    /// Whether references are queries without rows.
    pub(crate) empty: bool,
    /// Whether queries get those of the ephemeral models that they read.
    pub(crate) injects_ctes: bool,
}

impl Default for SqlForm {
    fn default() -> SqlForm {
        SqlForm { empty: false, injects_ctes: true }
    }
}

pub(crate) enum CompileReport {
    Inline(Arc<SqlText>),
    /// The only node that was selected.
    Node(NamedSql),
    /// The nodes that were compiled into `folder`.
    Files {
        nodes: Vec<NamedSql>,
        folder: Utf8PathBuf,
    },
}

/// The SQL of a node, with the node's name.
pub(crate) struct NamedSql {
    pub(crate) node: Arc<str>,
    pub(crate) sql: Arc<SqlText>,
}

/// The compiled SQL of a node, and when its compilation started and ended.
#[derive(Debug)]
pub(super) struct TimedSql {
    id: NodeId,
    sql: Arc<SqlText>,
    started: jiff::Timestamp,
    completed: jiff::Timestamp,
}

impl TimedSql {
    fn seconds(&self) -> f64 {
        self.completed.duration_since(self.started).as_secs_f64().max(0.0)
    }
}

pub(crate) fn compile_nodes(
    workspace: &mut Workspace,
    options: &CompileOptions,
    notices: &mut Notices<'_>,
) -> Result<CompileReport, OpsError> {
    let files = workspace.load_files()?;
    // The database opens while the project is read.
    let target = files.target().filter(|_| options.introspect && options.inline.is_none());
    let opening = target.and_then(|target| DatabaseOpening::start(workspace.settings(), target));
    let revision = workspace.open_loaded(files, notices)?;
    let cancel = workspace.cancel_token();
    if let Some(text) = &options.inline {
        let (connection, _watch) = revision.connect_alone(cancel).ok().unzip();
        let sql = render_inline(&revision, text, connection.as_ref())?;
        return Ok(CompileReport::Inline(Arc::new(sql)));
    }
    let types = resource_types_of(CommandVerb::Compile);
    let selected = choose_nodes(&revision, &options.selection, types, notices)?;
    let chosen: Vec<NodeId> = selected.iter().collect();
    let opened = match options.introspect {
        true => Some(DatabaseOpening::wait(opening, &revision)),
        false => None,
    };
    let compiled = opened.transpose().map_err(OpsError::from).and_then(|warehouse| {
        let _watch = warehouse.as_ref().map(|w| CancelWatch::new(cancel, w.cancel_handle()));
        let connection = warehouse.map(Connection::new);
        let existing = revision.inspect_stored(connection.as_ref())?;
        compile_into_files(&revision, &chosen, options.form, existing, connection.as_ref(), notices)
    });
    if compiled.is_err() {
        // Without compiled SQL, the manifest is still complete otherwise.
        write_plain_manifest(&revision)?;
    }
    let compiled = compiled?;
    let (manifest, results) = rayon::join(
        || write_compiled(&revision, &compiled),
        || write_compile_results(&revision, &compiled),
    );
    manifest?;
    results?;
    Ok(match only_node(&revision, &compiled) {
        Some(one) => CompileReport::Node(text_of(&revision, one)),
        None => CompileReport::Files {
            nodes: compiled.iter().map(|one| text_of(&revision, one)).collect(),
            folder: revision.manifest.project.target_path.join("compiled"),
        },
    })
}

fn text_of(revision: &Revision, compiled: &TimedSql) -> NamedSql {
    let node = revision.manifest.node(compiled.id).name.clone();
    NamedSql { node, sql: compiled.sql.clone() }
}

/// The only compiled node, not counting tests: they are selected along with the node that they
/// test.
fn only_node<'c>(revision: &Revision, compiled: &'c [TimedSql]) -> Option<&'c TimedSql> {
    if let [one] = compiled {
        return Some(one);
    }
    let mut others =
        compiled.iter().filter(|one| !revision.manifest.node(one.id).resource_type().is_check());
    others.next().filter(|_| others.next().is_none())
}

/// Writes `manifest.json` with the SQL of compiled nodes, and the graph.
pub(super) fn write_compiled(
    revision: &Revision,
    compiled: &[TimedSql],
) -> Result<(), SystemError> {
    let sql = compiled.iter().map(|one| (one.id, &one.sql));
    write_compiled_manifest(revision, &compiled_code(&revision.manifest, sql))?;
    write_graph(revision, CommandVerb::Compile)
}

/// Writes `run_results.json`, with a success for each compiled node.
fn write_compile_results(revision: &Revision, compiled: &[TimedSql]) -> Result<(), OpsError> {
    let results: Vec<RunResult> = compiled.iter().map(|one| success(revision, one)).collect();
    let started = compiled.iter().map(|one| one.started).min();
    let completed = compiled.iter().map(|one| one.completed).max();
    let seconds = match (started, completed) {
        (Some(started), Some(completed)) => {
            completed.duration_since(started).as_secs_f64().max(0.0)
        }
        _ => 0.0,
    };
    let folder = &revision.manifest.project.target_path;
    Ok(write_results(&revision.settings, folder, &results, seconds)?)
}

fn success(revision: &Revision, one: &TimedSql) -> RunResult {
    let manifest = &revision.manifest;
    let node = manifest.node(one.id);
    let stored = node.relation.as_ref().filter(|_| node.resource_type().is_refable());
    let outcome =
        NodeOutcome { compiled: Some(one.sql.clone()), ..NodeOutcome::new(RunStatus::Success) };
    RunResult {
        unique_id: node.unique_id.clone(),
        outcome,
        thread: "main".to_owned(),
        seconds: one.seconds(),
        timing: vec![Timing { name: "compile", started: one.started, completed: one.completed }],
        relation_name: stored.map(|r| r.render(manifest.project.dialect)),
        title: None,
    }
}

/// Compiles nodes into files below the target path. As in dbt, the first error ends the command.
///
/// Nodes are compiled on all cores, without the connection. Those whose templates query the
/// database are compiled once more with it, one after the other, because a query may depend on an
/// earlier one. Nodes before an error have their files.
pub(super) fn compile_into_files(
    revision: &Revision,
    chosen: &[NodeId],
    form: SqlForm,
    existing: ExistingRelations,
    connection: Option<&Connection>,
    notices: &mut Notices<'_>,
) -> Result<Vec<TimedSql>, OpsError> {
    let ids = chosen.iter().map(|id| revision.manifest.node(*id).unique_id.clone()).collect();
    let selected = chosen.iter().copied().collect();
    let deferred = revision.defer_relations(&selected, &|_| false, &existing)?;
    let compiler = revision.compiler(ids).with_deferred(deferred);
    let compiling = Compiling { revision, compiler, form, existing: Arc::new(existing) };
    let mut all = Vec::with_capacity(chosen.len());
    let ended = compiling.compile_all(chosen, connection, &mut all, notices);
    write_sql_files(revision, &all)?;
    ended.map(|()| all)
}

/// Writes the SQL of nodes below the target path, on all cores. Of snapshots in one file, which
/// share theirs, the last one stays.
fn write_sql_files(revision: &Revision, compiled: &[TimedSql]) -> Result<(), SystemError> {
    let (manifest, system) = (&revision.manifest, &revision.settings.system);
    let folder = manifest.project.target_path.join("compiled");
    let files = compiled.iter().map(|one| (artifact_path(manifest.node(one.id)), &one.sql));
    let files: BTreeMap<_, _> = files.collect();
    let write = |(path, sql): (String, &Arc<SqlText>)| {
        system.write_generated(&folder.join(path), sql.as_str().as_bytes())
    };
    files.into_par_iter().map(write).collect()
}

fn compile_error(e: CompileError, node: &Node) -> OpsError {
    match e {
        CompileError::Diagnostic(d) => WorkspaceError::from(*d).into(),
        CompileError::NeedsDatabase => needs_database(node),
    }
}

/// The error for a template that asks the database something, which --no-introspect forbids.
pub(super) fn needs_database(node: &Node) -> OpsError {
    OpsError::usage_with_hint(
        format!("`{}` asks the database something while it is compiled", node.name),
        "leave out --no-introspect",
    )
}

/// The compilation of many nodes.
struct Compiling<'a> {
    revision: &'a Revision,
    compiler: Compiler,
    form: SqlForm,
    existing: Arc<ExistingRelations>,
}

impl Compiling<'_> {
    /// Compiles nodes, and adds them in their order up to the first error.
    fn compile_all(
        &self,
        chosen: &[NodeId],
        connection: Option<&Connection>,
        all: &mut Vec<TimedSql>,
        notices: &mut Notices<'_>,
    ) -> Result<(), OpsError> {
        let first = match connection {
            Some(_) => DatabaseAccess::Deferred,
            None => DatabaseAccess::Offline,
        };
        let compiled: Vec<_> = chosen.par_iter().map(|id| self.compile(*id, &first)).collect();
        for (id, compiled) in chosen.iter().zip(compiled) {
            let compiled = match (compiled, connection) {
                (Err(CompileError::NeedsDatabase), Some(connection)) => {
                    self.compile(*id, &DatabaseAccess::Live(connection.clone()))
                }
                (compiled, _) => compiled,
            };
            let node = self.revision.manifest.node(*id);
            let (one, logs) = compiled.map_err(|e| compile_error(e, node))?;
            for line in logs {
                notices(Notice::log(line));
            }
            all.push(one);
        }
        Ok(())
    }

    /// The SQL of a node, and what its template logged.
    fn compile(
        &self,
        id: NodeId,
        db: &DatabaseAccess,
    ) -> Result<(TimedSql, Vec<LogLine>), CompileError> {
        let system = &self.revision.settings.system;
        let (started, bindings) = (system.now(), self.compiler.bindings(self.form.empty));
        let bindings = Arc::new(bindings);
        let Compiled { sql, logs, .. } = match self.form.injects_ctes {
            true => self.compiler.compile_with(id, &bindings, &self.existing, db)?,
            false => self.compiler.compile_body(id, &bindings, &self.existing, db)?,
        };
        Ok((TimedSql { id, sql, started, completed: system.now() }, logs))
    }
}
