//! `compile`: writes the SQL of nodes below the target path.

use super::OpsError;
use super::choose::choose_nodes;
use super::inline::render_inline;
use crate::compile::CompileError;
use crate::context::Bindings;
use crate::engine::{Connection, ExistingRelations};
use crate::manifest::{NodeId, ResourceType};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, Timing};
use crate::plan::CommandVerb;
use crate::run::artifact_path;
use crate::select::Selection;
use crate::source::SqlText;
use crate::system::SystemError;
use crate::workspace::{
    Notice, Notices, Revision, Workspace, WorkspaceError, compiled_code, resource_types_of,
    write_compiled_manifest, write_plain_manifest, write_results,
};
use camino::Utf8PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct CompileOptions {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<String>,
    pub(crate) introspect: bool,
}

pub(crate) enum CompileReport {
    /// The SQL of an inline query, or of the only node that was selected.
    Text(Arc<SqlText>),
    /// The number of nodes that were compiled into `folder`.
    Files { nodes: usize, folder: Utf8PathBuf },
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
    let revision = workspace.open(notices)?;
    let cancel = workspace.cancel_token();
    if let Some(text) = &options.inline {
        let (connection, _watch) = revision.connect_alone(cancel).ok().unzip();
        let sql = render_inline(&revision, text, connection.as_ref())?;
        return Ok(CompileReport::Text(Arc::new(sql)));
    }
    let types = resource_types_of(CommandVerb::Compile);
    let selected = choose_nodes(&revision, &options.selection, types, notices)?;
    let chosen: Vec<NodeId> = selected.iter().collect();
    let opened = match options.introspect {
        true => Some(revision.connect_alone(cancel)),
        false => None,
    };
    let compiled = opened.transpose().map_err(OpsError::from).and_then(|opened| {
        let (connection, _watch) = opened.unzip();
        let existing = revision.inspect_stored(connection.as_ref())?;
        compile_into_files(&revision, &chosen, existing, connection.as_ref(), notices)
    });
    if compiled.is_err() {
        // Without compiled SQL, the manifest is still complete otherwise.
        write_plain_manifest(&revision)?;
    }
    let compiled = compiled?;
    write_compiled(&revision, &compiled)?;
    write_compile_results(&revision, &compiled)?;
    Ok(match only_node(&revision, &compiled) {
        Some(one) => CompileReport::Text(one.sql.clone()),
        None => CompileReport::Files {
            nodes: compiled.len(),
            folder: revision.manifest.project.target_path.join("compiled"),
        },
    })
}

/// The only compiled node, not counting tests: they are selected along with the node that they
/// test.
fn only_node<'c>(revision: &Revision, compiled: &'c [TimedSql]) -> Option<&'c TimedSql> {
    if let [one] = compiled {
        return Some(one);
    }
    let mut others = compiled.iter().filter(|one| {
        let kind = revision.manifest.node(one.id).resource_type();
        !matches!(kind, ResourceType::Test | ResourceType::UnitTest)
    });
    others.next().filter(|_| others.next().is_none())
}

/// Writes `manifest.json` with the SQL of compiled nodes.
pub(super) fn write_compiled(
    revision: &Revision,
    compiled: &[TimedSql],
) -> Result<(), SystemError> {
    let sql = compiled.iter().map(|one| (one.id, &one.sql));
    write_compiled_manifest(revision, &compiled_code(&revision.manifest, sql))
}

/// Writes `run_results.json`, with a success for each compiled node.
fn write_compile_results(revision: &Revision, compiled: &[TimedSql]) -> Result<(), OpsError> {
    let results: Vec<RunResult> = compiled.iter().map(|one| success(revision, one)).collect();
    let seconds = compiled.iter().map(TimedSql::seconds).sum();
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
    }
}

/// Compiles nodes into files below the target path. As in dbt, the first error ends the command.
pub(super) fn compile_into_files(
    revision: &Revision,
    chosen: &[NodeId],
    existing: ExistingRelations,
    connection: Option<&Connection>,
    notices: &mut Notices<'_>,
) -> Result<Vec<TimedSql>, OpsError> {
    let (manifest, system) = (&revision.manifest, &revision.settings.system);
    let ids = chosen.iter().map(|id| manifest.node(*id).unique_id.clone()).collect();
    let compiler = revision.compiler(ids);
    let (existing, bindings) = (Arc::new(existing), Arc::new(Bindings::default()));
    let mut all = Vec::with_capacity(chosen.len());
    for id in chosen {
        let node = manifest.node(*id);
        let started = system.now();
        let compiled = match compiler.compile(*id, &bindings, &existing, connection) {
            Ok(compiled) => compiled,
            Err(CompileError::Diagnostic(d)) => return Err(WorkspaceError::from(*d).into()),
            Err(CompileError::NeedsDatabase) => {
                return Err(OpsError::usage_with_hint(
                    format!("`{}` asks the database something while it is compiled", node.name),
                    "leave out --no-introspect",
                ));
            }
        };
        for line in compiled.logs {
            notices(Notice::log(line));
        }
        let path = manifest.project.target_path.join("compiled").join(artifact_path(node));
        system.write_generated(&path, compiled.sql.as_str().as_bytes())?;
        all.push(TimedSql { id: *id, sql: compiled.sql, started, completed: system.now() });
    }
    Ok(all)
}
