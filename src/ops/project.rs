//! Load, parse, resolve: what every command begins with.

use super::{CliError, Exit, Invocation};
use crate::cache::{read_stored, write_stored};
use crate::config::{PathKind, SelectorDefinition, Yaml};
use crate::context::{ContextProject, LogLine, Read};
use crate::diag::{Checked, Code, Diagnostic};
use crate::engine::{Connection, Target, Warehouse};
use crate::hash::Fingerprint;
use crate::jinja::Engine;
use crate::load::{Sources, load};
use crate::manifest::{Manifest, NodeId, NodeSet, ResourceType};
use crate::parse::{Counts, ParseCache, ParsedProject, parse};
use crate::resolve::{ResolveCache, resolve};
use crate::run::Watch;
use crate::select::{PreviousState, Selection, select};
use crate::source::SourceMap;
use crate::state::{ArtifactMetadata, CompiledCode, load_state, manifest_inputs, write_manifest};
use crate::system::normalize;
use camino::Utf8PathBuf;
use std::sync::Arc;

/// A resolved project with what its passes need.
pub(crate) struct Project {
    pub(crate) manifest: Arc<Manifest>,
    pub(super) engine: Arc<Engine>,
    pub(super) context: Arc<ContextProject>,
    pub(super) map: Arc<SourceMap>,
    pub(super) selectors: Vec<SelectorDefinition>,
    /// A print of all that it is made of. None: something in it is made anew each time, or nobody
    /// asked.
    pub(super) inputs: Option<Fingerprint>,
    /// The `airflow:` block of the project file.
    pub(super) airflow: Option<Yaml>,
}

impl Project {
    /// A print of all macros.
    pub(crate) fn macros(&self) -> Fingerprint {
        self.engine.registry().print()
    }

    pub(super) fn target(&self) -> &Target {
        &self.manifest.project.target
    }
}

/// What a reading of the project leaves for the next one.
#[derive(Default)]
pub(super) struct ProjectCache {
    map: SourceMap,
    parse: ParseCache,
    nodes: ResolveCache,
    /// What there was to say of it.
    said: Vec<Diagnostic>,
    /// The stored parse was looked for.
    begun: bool,
}

impl ProjectCache {
    /// What the last reading parsed again.
    pub(super) fn counts(&self) -> Counts {
        self.parse.counts()
    }

    /// The same after it was stored and read again.
    #[cfg(test)]
    pub(super) fn through_bytes(&mut self) {
        use crate::cache::Stored;
        *self = ProjectCache {
            parse: ParseCache::from_bytes(&self.parse.to_bytes()).unwrap(),
            begun: true,
            ..ProjectCache::default()
        };
    }

    /// Whether all of it was parsed by an earlier command.
    pub(super) fn is_known(&self) -> bool {
        !self.parse.is_changed()
    }

    /// What was asked of the world when it was put together.
    pub(super) fn reads(&self) -> impl Iterator<Item = &Read> {
        self.nodes.reads()
    }

    pub(super) fn said(&self) -> &[Diagnostic] {
        &self.said
    }

    /// How many nodes it resolved again.
    pub(super) fn resolved(&self) -> usize {
        self.nodes.made()
    }
}

/// A project as it was read, with all that there is to say of it.
pub(super) struct Reading {
    /// None: there is no project to speak of, and the diagnostics say why.
    pub(super) project: Option<Project>,
    pub(super) map: Arc<SourceMap>,
    /// Warnings first.
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) logs: Vec<LogLine>,
    /// Where its files are, or would be.
    pub(super) folders: Vec<Folder>,
}

/// A folder whose files a project is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Folder {
    pub(crate) path: Utf8PathBuf,
    /// With all below it.
    pub(crate) deep: bool,
}

impl Reading {
    pub(super) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// A project whose files are parsed, and not yet put together.
pub(super) struct Begun {
    /// None: there is no project to speak of.
    pub(super) parsed: Option<(Sources, ParsedProject)>,
    /// The files, where there is no project.
    map: SourceMap,
    diagnostics: Vec<Diagnostic>,
    /// A print of all that the project is made of, but for what is asked of the world when it is
    /// put together. None: something in it is made anew each time, or nobody asked.
    pub(super) inputs: Option<Fingerprint>,
}

/// Reads and parses the files: what has changed since `kept` was made, and what reads that, is
/// parsed again.
fn begin(inv: &Invocation, cache: &mut ProjectCache) -> Result<Begun, CliError> {
    let (sources, map, mut diagnostics) =
        load(&inv.system, &inv.load, std::mem::take(&mut cache.map))?;
    let Some(mut sources) = sources else {
        return Ok(Begun { parsed: None, map, diagnostics, inputs: None });
    };
    if !std::mem::replace(&mut cache.begun, true) && inv.cache {
        cache.parse = read_stored(inv.system.as_ref(), &sources.target_path).unwrap_or_default();
    }
    let parsed = parse(&mut sources, &mut cache.parse).drain_into(&mut diagnostics);
    Ok(Begun { parsed: Some((sources, parsed)), map, diagnostics, inputs: None })
}

fn inputs(sources: &Sources, files: Fingerprint) -> Fingerprint {
    let mut parts =
        vec![files.hex(), sources.context.facts.target().hex(), format!("{:?}", sources.selectors)];
    parts.extend(sources.packages.iter().map(|p| format!("{:?}", p.options)));
    Fingerprint::of_parts(parts)
}

/// Reads the project.
pub(super) fn read(inv: &Invocation, cache: &mut ProjectCache) -> Result<Reading, CliError> {
    Ok(put_together(begin(inv, cache)?, cache))
}

/// What is said where a file could not be read, true or not.
const FOLLOWS: [Code; 7] = [
    Code::UnknownRef,
    Code::UnknownSource,
    Code::UnknownNode,
    Code::UnknownMacro,
    Code::UnknownTest,
    Code::UnusedConfig,
    Code::NoteTest,
];

fn put_together(begun: Begun, cache: &mut ProjectCache) -> Reading {
    let Begun { parsed, map, mut diagnostics, inputs } = begun;
    let Some((mut sources, parsed)) = parsed else {
        cache.map = map.clone();
        diagnostics.sort_by_key(Diagnostic::is_error);
        return Reading {
            project: None,
            map: Arc::new(map),
            diagnostics,
            logs: Vec::new(),
            folders: Vec::new(),
        };
    };
    let manifest = resolve(&parsed, &sources, &mut cache.nodes).drain_into(&mut diagnostics);
    let unread = |d: &Diagnostic| {
        d.is_error() && matches!(d.code, Code::Yaml | Code::Package | Code::ProjectFile)
    };
    if diagnostics.iter().any(unread) {
        // A file or package that could not be read makes everything that it has look missing.
        diagnostics.retain(|d| !FOLLOWS.contains(&d.code));
    }
    diagnostics.sort_by_key(Diagnostic::is_error);
    cache.map = sources.map.clone();
    let map = Arc::new(std::mem::take(&mut sources.map));
    let folders = folders(&sources);
    let airflow = sources.root().options.airflow.clone();
    let project = Project {
        inputs: inputs.and_then(|inputs| with_reads(inputs, cache.reads())),
        airflow,
        manifest: Arc::new(manifest),
        engine: parsed.engine,
        context: parsed.context,
        map: map.clone(),
        selectors: sources.selectors,
    };
    Reading { project: Some(project), map, diagnostics, logs: parsed.logs, folders }
}

fn with_reads<'a>(
    inputs: Fingerprint,
    reads: impl Iterator<Item = &'a Read>,
) -> Option<Fingerprint> {
    let reads: Option<Vec<String>> = reads.map(|r| Some(r.fingerprint()?.hex())).collect();
    Some(Fingerprint::of_parts(reads?.into_iter().chain([inputs.hex()])))
}

/// Where the files of a project are: resource folders with all below them, and the folders of
/// single files.
fn folders(sources: &Sources) -> Vec<Folder> {
    let root = sources.root();
    let mut out = vec![Folder { path: root.root.clone(), deep: false }];
    out.extend(
        sources
            .profiles_path
            .as_ref()
            .and_then(|p| p.parent())
            .map(|p| Folder { path: p.into(), deep: false }),
    );
    let paths = PathKind::ALL.into_iter().flat_map(|kind| root.options.paths(kind));
    let install = std::iter::once(&root.options.packages_install_path);
    out.extend(
        paths.chain(install).map(|p| Folder { path: normalize(&root.root.join(p)), deep: true }),
    );
    out.sort();
    out.dedup();
    out
}

/// Stores what was parsed, for the next command. A cache that cannot be written costs time only.
pub(super) fn store(inv: &Invocation, project: &Project, cache: &mut ProjectCache) {
    if inv.cache && cache.parse.is_changed() {
        let folder = &project.manifest.project.target_path;
        let _ = write_stored(inv.system.as_ref(), folder, &mut cache.parse);
    }
}

/// A value that lasts as long as the process: freeing a project of thousands of nodes takes a part
/// of a second.
pub(super) fn lasting<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

/// Reads the project. Errors of load, parse and resolve end the command, all of them shown.
pub(super) fn open(inv: &mut Invocation) -> Result<&'static Project, CliError> {
    let (begun, cache) = begin_command(inv)?;
    open_begun(inv, begun, cache)
}

/// Begins to read the project of a command, which reads one and ends with it.
pub(super) fn begin_command(
    inv: &Invocation,
) -> Result<(Begun, &'static mut ProjectCache), CliError> {
    let cache = lasting(ProjectCache::default());
    let mut begun = begin(inv, cache)?;
    if let Some((sources, _)) = &begun.parsed {
        begun.inputs = cache.parse.fingerprint(sources).map(|files| inputs(sources, files));
    }
    Ok((begun, cache))
}

/// The same from where its files are parsed.
pub(super) fn open_begun(
    inv: &mut Invocation,
    begun: Begun,
    cache: &mut ProjectCache,
) -> Result<&'static Project, CliError> {
    let reading = put_together(begun, cache);
    introduce(inv, reading.map.clone(), &reading.logs);
    let has_errors = reading.has_errors();
    let Reading { project, diagnostics, .. } = reading;
    let Some(project) = project else { return Err(complain(inv, &diagnostics)) };
    store(inv, &project, cache);
    cache.said.clone_from(&diagnostics);
    if has_errors {
        return Err(complain(inv, &diagnostics));
    }
    inv.warn(&diagnostics)?;
    Ok(lasting(project))
}

/// What a command has to say of a project that was read, before what it says of its work.
pub(super) fn introduce(inv: &mut Invocation, map: Arc<SourceMap>, logs: &[LogLine]) {
    inv.console.set_map(map);
    for line in logs {
        inv.console.event(&crate::run::Event::Log { line: line.clone() });
    }
}

fn complain(inv: &mut Invocation, diagnostics: &[Diagnostic]) -> CliError {
    inv.console.diagnostics(diagnostics);
    CliError::Reported
}

/// Loads the project's own files only, for commands that work without installed packages.
pub(super) fn own_sources(inv: &mut Invocation) -> Result<Sources, CliError> {
    inv.load.without_packages = true;
    let (sources, map, diagnostics) = load(&inv.system, &inv.load, SourceMap::default())?;
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
    let mut diagnostics = Vec::new();
    let set = own_selection(inv, project, selection, types)?.drain_into(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        if inv.orchestrated.is_some() && selection.nodes.is_some() {
            return Err(CliError::Drift {
                changes: diagnostics.into_iter().map(|d| d.message).collect(),
            });
        }
        inv.console.diagnostics(&diagnostics);
        return Err(CliError::Reported);
    }
    inv.warn(&diagnostics)?;
    Ok(set)
}

/// The same, with what there is to say of it.
pub(super) fn own_selection(
    inv: &Invocation,
    project: &Project,
    selection: &Selection,
    types: &[ResourceType],
) -> Result<Checked<NodeSet>, CliError> {
    let previous = previous_state(inv, project)?;
    Ok(select(&project.manifest, selection, &project.selectors, previous.as_ref(), types))
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

/// The same for an artifact that says what it was made of.
pub(super) fn metadata_of(inv: &Invocation, project: &Project) -> ArtifactMetadata {
    ArtifactMetadata { inputs: project.inputs, ..metadata(inv) }
}

pub(super) fn metadata(inv: &Invocation) -> ArtifactMetadata {
    ArtifactMetadata {
        inputs: None,
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

/// Whether `manifest.json` is there and of this project.
pub(super) fn is_written(inv: &Invocation, project: &Project) -> bool {
    let there = manifest_inputs(inv.system.as_ref(), &project.manifest.project.target_path);
    project.inputs.is_some_and(|now| there == Some(now))
}

/// Writes `manifest.json` with the SQL of what was compiled.
pub(super) fn write_compiled(
    inv: &Invocation,
    project: &Project,
    compiled: &CompiledCode,
) -> Result<(), CliError> {
    if inv.write_json {
        let manifest = &project.manifest;
        write_manifest(
            inv.system.as_ref(),
            &manifest.project.target_path,
            manifest,
            &metadata_of(inv, project),
            compiled,
        )?;
    }
    Ok(())
}

/// Connects to the target.
pub(super) fn connect(inv: &Invocation, project: &Project) -> Result<Box<dyn Warehouse>, CliError> {
    Ok(crate::adapter::connect(&project.manifest.project.target, inv.patience)?)
}

/// The same for a command without a run: what it asks is stopped when the user wants to stop.
pub(super) fn connect_alone(
    inv: &Invocation,
    project: &Project,
) -> Result<(Connection, Watch), CliError> {
    let warehouse = connect(inv, project)?;
    let watch = Watch::new(&inv.interrupt, warehouse.cancel_handle());
    Ok((Connection::new(warehouse), watch))
}

/// `strata parse`.
pub(crate) fn parse_only(inv: &mut Invocation) -> Exit {
    let project = open(inv)?;
    // One of the same files says the same, but for when it was written.
    if !is_written(inv, project) {
        write(inv, project)?;
    }
    let n = project.manifest.nodes.len();
    inv.console.say(&format!("{n} nodes parsed"));
    Ok(0)
}

/// The version with those of the engines that are linked.
pub(crate) fn version_line() -> String {
    let engines: String = crate::engine::embedded_engines()
        .map(|(label, version)| format!("; {label} {version}"))
        .collect();
    format!("strata {} (follows dbt {}{engines})", crate::VERSION, crate::DBT_VERSION)
}

/// All nodes that can be built, for commands that look at existing relations.
pub(super) fn stored(project: &Project) -> impl Iterator<Item = NodeId> + '_ {
    project.manifest.nodes.iter().filter(|n| n.resource_type().is_refable()).map(|n| n.id)
}
