//! `compile`: the SQL of nodes, written below the target path.

use super::project::{Project, choose, connect, open, stored, write};
use super::run::types;
use super::{CliError, Exit, Invocation};
use crate::compile::{CompileError, Compiler};
use crate::context::Bindings;
use crate::engine::{Existing, Warehouse};
use crate::inspect::inspect;
use crate::manifest::NodeId;
use crate::plan::Verb;
use crate::run::artifact_path;
use crate::select::Selection;
use crate::source::SqlText;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct CompileArgs {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<String>,
    pub(crate) introspect: bool,
}

/// A compiler for all of a project.
pub(super) fn compiler(project: &Project, ids: Vec<Arc<str>>) -> Compiler {
    Compiler::new(project.manifest.clone(), project.engine.clone(), project.context.clone(), project.map.clone(), ids)
}

pub(crate) fn compile(inv: &mut Invocation, args: &CompileArgs) -> Exit {
    let project = open(inv)?;
    if let Some(text) = &args.inline {
        let mut warehouse = connect(inv, &project).ok();
        let sql = super::show::inline(inv, &project, text, &mut warehouse)?;
        inv.console.out(sql.as_str());
        return Ok(0);
    }
    let selected = choose(inv, &project, &args.selection, types(Verb::Compile))?;
    write(inv, &project)?;
    let mut warehouse: Option<Box<dyn Warehouse>> = if args.introspect { Some(connect(inv, &project)?) } else { None };
    let existing = match &mut warehouse {
        Some(w) => inspect(w.as_mut(), &project.manifest, stored(&project))?,
        None => Existing::Unknown,
    };
    let chosen: Vec<NodeId> = selected.iter().collect();
    let compiled = compile_nodes(inv, &project, &chosen, existing, &mut warehouse)?;
    if let [(_, sql)] = compiled.as_slice() {
        inv.console.out(sql.as_str());
    } else {
        let folder = project.manifest.project.target_path.join("compiled");
        inv.console.say(&format!("{} nodes compiled into {folder}", compiled.len()));
    }
    Ok(0)
}

/// Compiles nodes into files below the target path.
pub(super) fn compile_nodes(
    inv: &mut Invocation,
    project: &Project,
    chosen: &[NodeId],
    existing: Existing,
    warehouse: &mut Option<Box<dyn Warehouse>>,
) -> Result<Vec<(NodeId, Arc<SqlText>)>, CliError> {
    let ids = chosen.iter().map(|id| project.manifest.node(*id).unique_id.clone()).collect();
    let (compiler, existing, bindings) = (compiler(project, ids), Arc::new(existing), Arc::new(Bindings::default()));
    let mut all = Vec::with_capacity(chosen.len());
    for id in chosen {
        let node = project.manifest.node(*id);
        let compiled = match compiler.compile(*id, &bindings, &existing, warehouse) {
            Ok(compiled) => compiled,
            Err(CompileError::Diagnostic(d)) => {
                // As in dbt, the first mistake ends the command.
                inv.console.diagnostic(&d);
                return Err(CliError::Reported);
            }
            Err(CompileError::NeedsDatabase) => {
                return Err(CliError::Usage {
                    message: format!("`{}` asks the database something while it is compiled", node.name),
                    hints: vec!["leave out --no-introspect".to_owned()],
                });
            }
        };
        for line in compiled.logs {
            inv.console.event(&crate::run::Event::Log { line });
        }
        let path = project.manifest.project.target_path.join("compiled").join(artifact_path(node));
        inv.system.write_stream(&path, &mut |out| {
            out.write_all(project.context.scrubber.scrub(compiled.sql.as_str()).as_bytes())
        })?;
        all.push((*id, compiled.sql));
    }
    Ok(all)
}
