//! Load, parse, resolve: what every command begins with.

use super::{CliError, Exit, Invocation};
use crate::config::{SelectorDefinition, TargetOptions, Yaml};
use crate::context::ContextProject;
use crate::diag::{Code, Diagnostic};
use crate::engine::Warehouse;
use crate::jinja::Engine;
use crate::load::{Sources, load};
use crate::manifest::ResourceType;
use crate::manifest::{Manifest, NodeId};
use crate::parse::parse;
use crate::resolve::resolve;
use crate::select::{NodeSet, PreviousState, Selection, select};
use crate::source::SourceMap;
use crate::state::{ArtifactMetadata, CompiledCode, load_state, write_manifest};
use std::sync::Arc;

/// A resolved project with what its passes need.
pub(super) struct Project {
    pub(super) manifest: Arc<Manifest>,
    pub(super) engine: Arc<Engine>,
    pub(super) context: Arc<ContextProject>,
    pub(super) map: Arc<SourceMap>,
    pub(super) selectors: Vec<SelectorDefinition>,
    /// The `airflow:` block of the project file.
    pub(super) airflow: Option<Yaml>,
}

impl Project {
    pub(super) fn target(&self) -> &TargetOptions {
        &self.manifest.project.target
    }
}

/// Reads the project. Errors of load, parse and resolve end the command, all of them shown.
pub(super) fn open(inv: &mut Invocation) -> Result<Project, CliError> {
    let (sources, map, mut diagnostics) = load(&inv.system, &inv.load)?;
    let Some(mut sources) = sources else {
        inv.console.set_map(Arc::new(map));
        return Err(complain(inv, &diagnostics));
    };
    let parsed = parse(&mut sources).drain_into(&mut diagnostics);
    let manifest = resolve(&parsed, &sources).drain_into(&mut diagnostics);
    for line in &parsed.logs {
        inv.console.event(&crate::run::Event::Log { line: line.clone() });
    }
    let map = Arc::new(std::mem::take(&mut sources.map));
    inv.console.set_map(map.clone());
    if diagnostics.iter().any(|d| d.code == Code::Yaml) {
        // A file that could not be read makes everything that it describes look missing.
        let follows = [Code::UnknownRef, Code::UnknownSource, Code::UnknownNode, Code::UnusedConfig, Code::NoteTest];
        diagnostics.retain(|d| !follows.contains(&d.code));
    }
    diagnostics.sort_by_key(|d| d.is_error());
    let failed = diagnostics.iter().any(Diagnostic::is_error) || (inv.warn_error && !diagnostics.is_empty());
    if failed {
        let error = complain(inv, &diagnostics);
        if !diagnostics.iter().any(Diagnostic::is_error) {
            return Err(CliError::usage("stopped: --warn-error makes warnings errors"));
        }
        return Err(error);
    }
    inv.console.diagnostics(&diagnostics);
    let airflow = sources.root().options.airflow.clone();
    Ok(Project {
        airflow,
        manifest: Arc::new(manifest),
        engine: parsed.engine,
        context: parsed.context,
        map,
        selectors: sources.selectors,
    })
}

fn complain(inv: &mut Invocation, diagnostics: &[Diagnostic]) -> CliError {
    inv.console.diagnostics(diagnostics);
    CliError::Reported
}

/// Loads the project's own files only, for commands that work without installed packages.
pub(super) fn own_sources(inv: &mut Invocation) -> Result<Sources, CliError> {
    inv.load.without_packages = true;
    let (sources, map, diagnostics) = load(&inv.system, &inv.load)?;
    sources.ok_or_else(|| {
        inv.console.set_map(Arc::new(map));
        complain(inv, &diagnostics)
    })
}

/// Resolves a selection; nothing selected is a warning.
pub(super) fn choose(
    inv: &mut Invocation,
    project: &Project,
    selection: &Selection,
    types: &[ResourceType],
) -> Result<NodeSet, CliError> {
    let previous = previous_state(inv, project)?;
    let mut diagnostics = Vec::new();
    let set =
        select(&project.manifest, selection, &project.selectors, previous.as_ref(), types).drain_into(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        if inv.orchestrated.is_some() && selection.nodes.is_some() {
            return Err(CliError::Drift { changes: diagnostics.into_iter().map(|d| d.message).collect() });
        }
        inv.console.diagnostics(&diagnostics);
        return Err(CliError::Reported);
    }
    Ok(set)
}

fn previous_state(inv: &Invocation, project: &Project) -> Result<Option<PreviousState>, CliError> {
    match &inv.state {
        Some(folder) => {
            let folder = crate::system::normalize(&inv.system.current_dir().join(folder));
            Ok(load_state(inv.system.as_ref(), &folder, &project.manifest.project.target_path)?)
        }
        None => Ok(None),
    }
}

pub(super) fn metadata(inv: &Invocation) -> ArtifactMetadata {
    ArtifactMetadata {
        invocation_id: inv.load.settings.invocation_id.clone(),
        started: inv.started,
        generated: inv.system.now(),
        args: serde_json::Value::Object(inv.load.settings.args.clone()),
        env: crate::context::metadata_env(inv.system.as_ref()).collect(),
    }
}

/// Writes `manifest.json`, unless told not to.
pub(super) fn write(inv: &Invocation, project: &Project) -> Result<(), CliError> {
    write_compiled(inv, project, &CompiledCode::new())
}

/// Writes `manifest.json` with the SQL of what was compiled.
pub(super) fn write_compiled(inv: &Invocation, project: &Project, compiled: &CompiledCode) -> Result<(), CliError> {
    if inv.write_json {
        let manifest = &project.manifest;
        write_manifest(
            inv.system.as_ref(),
            &manifest.project.target_path,
            manifest,
            &metadata(inv),
            compiled,
            &inv.load.scrubber,
        )?;
    }
    Ok(())
}

/// Connects to the target.
pub(super) fn connect(inv: &Invocation, project: &Project) -> Result<Box<dyn Warehouse>, CliError> {
    Ok(crate::adapter::connect(&project.manifest.project.target, inv.lock_timeout)?)
}

/// `strata parse`.
pub(crate) fn parse_only(inv: &mut Invocation) -> Exit {
    let project = open(inv)?;
    write(inv, &project)?;
    let n = project.manifest.nodes.len();
    inv.console.say(&format!("{n} nodes parsed"));
    Ok(0)
}

/// The version with that of the engine that is linked.
pub(crate) fn version_line() -> String {
    format!("strata {} (follows dbt {}; DuckDB {})", crate::VERSION, crate::DBT_VERSION, crate::DUCKDB_VERSION)
}

/// All nodes that can be built, for commands that look at existing relations.
pub(super) fn stored(project: &Project) -> impl Iterator<Item = NodeId> + '_ {
    project.manifest.nodes.iter().filter(|n| n.resource_type().is_refable()).map(|n| n.id)
}
