//! `compile`: the SQL of nodes, written below the target path.

use super::project::{
    Project, choose, connect_alone, metadata, open, stored, write, write_compiled,
};
use super::run::types;
use super::{CliError, Exit, Invocation};
use crate::compile::{CompileError, Compiler};
use crate::context::Bindings;
use crate::engine::{Connection, Existing};
use crate::inspect::inspect;
use crate::manifest::{NodeId, ResourceType};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, Timing};
use crate::plan::Verb;
use crate::run::artifact_path;
use crate::select::Selection;
use crate::source::SqlText;
use crate::state::{CompiledCode, write_run_results};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct CompileArgs {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<String>,
    pub(crate) introspect: bool,
}

/// A node with its SQL, and when that was made.
#[derive(Debug)]
pub(super) struct CompiledNode {
    id: NodeId,
    sql: Arc<SqlText>,
    started: jiff::Timestamp,
    completed: jiff::Timestamp,
}

/// A compiler for all of a project.
pub(super) fn compiler(project: &Project, ids: Vec<Arc<str>>) -> Compiler {
    Compiler::new(
        project.manifest.clone(),
        project.engine.clone(),
        project.context.clone(),
        project.map.clone(),
        ids,
    )
}

pub(crate) fn compile(inv: &mut Invocation, args: &CompileArgs) -> Exit {
    let project = open(inv)?;
    if let Some(text) = &args.inline {
        let (connection, _watch) = connect_alone(inv, project).ok().unzip();
        let sql = super::show::inline(inv, project, text, connection.as_ref())?;
        inv.console.out(sql.as_str());
        return Ok(0);
    }
    let selected = choose(inv, project, &args.selection, types(Verb::Compile))?;
    let chosen: Vec<NodeId> = selected.iter().collect();
    let compiled = match connected(inv, project, &chosen, args.introspect) {
        Ok(compiled) => compiled,
        Err(e) => {
            write(inv, project)?;
            return Err(e);
        }
    };
    write_compiled(inv, project, &code_of(project, &compiled))?;
    results(inv, project, &compiled)?;
    let is_test = |one: &&CompiledNode| {
        matches!(
            project.manifest.node(one.id).resource_type(),
            ResourceType::Test | ResourceType::UnitTest
        )
    };
    // Tests come along with what they test.
    let named: Vec<&CompiledNode> = match compiled.len() {
        1 => compiled.iter().collect(),
        _ => compiled.iter().filter(|one| !is_test(one)).collect(),
    };
    if let [one] = named.as_slice() {
        inv.console.out(one.sql.as_str());
    } else {
        let folder = project.manifest.project.target_path.join("compiled");
        inv.console.say(&format!("{} nodes compiled into {folder}", compiled.len()));
    }
    Ok(0)
}

/// Compiles nodes, with a database to ask unless told not to.
fn connected(
    inv: &mut Invocation,
    project: &Project,
    chosen: &[NodeId],
    introspect: bool,
) -> Result<Vec<CompiledNode>, CliError> {
    let opened = if introspect { Some(connect_alone(inv, project)?) } else { None };
    let (connection, _watch) = opened.unzip();
    let existing = look_up(project, connection.as_ref())?;
    compile_nodes(inv, project, chosen, existing, connection.as_ref())
}

/// What exists of all that a project stores; nothing is known without a database.
pub(super) fn look_up(
    project: &Project,
    connection: Option<&Connection>,
) -> Result<Existing, CliError> {
    let Some(connection) = connection else { return Ok(Existing::Unknown) };
    Ok(connection.with(|warehouse| inspect(warehouse, &project.manifest, stored(project)))?)
}

/// What `manifest.json` says of compiled nodes.
pub(super) fn code_of(project: &Project, compiled: &[CompiledNode]) -> CompiledCode {
    let entry = |one: &CompiledNode| {
        let node = project.manifest.node(one.id);
        (
            node.unique_id.clone(),
            (one.sql.clone(), format!("target/compiled/{}", artifact_path(node))),
        )
    };
    compiled.iter().map(entry).collect()
}

/// `run_results.json`: to have been compiled is a success.
fn results(inv: &Invocation, project: &Project, compiled: &[CompiledNode]) -> Result<(), CliError> {
    if !inv.write_json {
        return Ok(());
    }
    let manifest = &project.manifest;
    let seconds =
        |one: &CompiledNode| one.completed.duration_since(one.started).as_secs_f64().max(0.0);
    let result = |one: &CompiledNode| {
        let node = manifest.node(one.id);
        let stored = node.relation.as_ref().filter(|_| node.resource_type().is_refable());
        let outcome =
            NodeOutcome { compiled: Some(one.sql.clone()), ..NodeOutcome::new(RunStatus::Success) };
        RunResult {
            unique_id: node.unique_id.clone(),
            outcome,
            thread: "main".to_owned(),
            seconds: seconds(one),
            timing: vec![Timing {
                name: "compile",
                started: one.started,
                completed: one.completed,
            }],
            relation_name: stored.map(|r| r.render(manifest.project.dialect)),
        }
    };
    let all: Vec<RunResult> = compiled.iter().map(result).collect();
    let folder = &manifest.project.target_path;
    let total = compiled.iter().map(seconds).sum();
    write_run_results(
        inv.system.as_ref(),
        folder,
        &all,
        total,
        &metadata(inv),
        &inv.load.scrubber,
    )?;
    Ok(())
}

/// Compiles nodes into files below the target path.
pub(super) fn compile_nodes(
    inv: &mut Invocation,
    project: &Project,
    chosen: &[NodeId],
    existing: Existing,
    connection: Option<&Connection>,
) -> Result<Vec<CompiledNode>, CliError> {
    let ids = chosen.iter().map(|id| project.manifest.node(*id).unique_id.clone()).collect();
    let (compiler, existing, bindings) =
        (compiler(project, ids), Arc::new(existing), Arc::new(Bindings::default()));
    let mut all = Vec::with_capacity(chosen.len());
    for id in chosen {
        let node = project.manifest.node(*id);
        let started = inv.system.now();
        let compiled = match compiler.compile(*id, &bindings, &existing, connection) {
            Ok(compiled) => compiled,
            Err(CompileError::Diagnostic(d)) => {
                // As in dbt, the first mistake ends the command.
                inv.console.diagnostic(&d);
                return Err(CliError::Reported);
            }
            Err(CompileError::NeedsDatabase) => {
                return Err(CliError::Usage {
                    message: format!(
                        "`{}` asks the database something while it is compiled",
                        node.name
                    ),
                    hints: vec!["leave out --no-introspect".to_owned()],
                });
            }
        };
        for line in compiled.logs {
            inv.console.event(&crate::run::Event::Log { line });
        }
        let path = project.manifest.project.target_path.join("compiled").join(artifact_path(node));
        inv.system.write_generated(&path, compiled.sql.as_str().as_bytes())?;
        all.push(CompiledNode { id: *id, sql: compiled.sql, started, completed: inv.system.now() });
    }
    Ok(all)
}
