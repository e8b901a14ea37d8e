//! Projects in memory, for tests of this pass and later ones.

use crate::context::ContextProject;
use crate::diag::Diagnostic;
use crate::jinja::Renderer;
use crate::load::{LoadOptions, LoadOutcome, load_project};
use crate::manifest::Manifest;
use crate::parse::{ParseCache, parse_files, parse_macros};
use crate::source::SourceMap;
use crate::system::{MemorySystem, System};
use std::sync::Arc;

/// Loads, parses and resolves files below `/project`. A `project.yml` is added if there is none.
pub(crate) fn project(files: &[(&str, &str)]) -> (Manifest, Vec<Diagnostic>) {
    let (manifest, diagnostics) = attempt(files, &[]);
    (manifest.unwrap_or_else(|| panic!("{diagnostics:?}")), diagnostics)
}

/// Like [`project`], with environment variables. The manifest is `None` if the project is too
/// broken to be resolved.
pub(crate) fn attempt(
    files: &[(&str, &str)],
    env: &[(&str, &str)],
) -> (Option<Manifest>, Vec<Diagnostic>) {
    let (read, diagnostics) = read(files, env);
    (read.map(|read| Arc::unwrap_or_clone(read.manifest)), diagnostics)
}

/// A resolved project, with the means to render it.
pub(crate) struct ReadProject {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) context: Arc<ContextProject>,
    pub(crate) map: SourceMap,
    pub(crate) system: Arc<dyn System>,
}

pub(crate) fn read(
    files: &[(&str, &str)],
    env: &[(&str, &str)],
) -> (Option<ReadProject>, Vec<Diagnostic>) {
    let mut all: Vec<(String, &str)> =
        files.iter().map(|(p, t)| (format!("/project/{p}"), *t)).collect();
    if !files.iter().any(|(p, _)| *p == "project.yml") {
        all.push(("/project/project.yml".to_owned(), "name: shop\n"));
    }
    let mut system = MemorySystem::with_files(all.iter().map(|(p, t)| (p.as_str(), *t)));
    env.iter().for_each(|(k, v)| system.set_env(k, v));
    let system: Arc<dyn System> = Arc::new(system);
    let LoadOutcome { project: sources, mut diagnostics, .. } =
        load_project(&system, &LoadOptions::default(), SourceMap::default()).unwrap();
    let Some(mut sources) = sources else { return (None, diagnostics) };
    let mut cache = ParseCache::default();
    let macros = parse_macros(&mut sources, &mut cache);
    let parsed = parse_files(&sources, macros, &mut cache).drain_into(&mut diagnostics);
    let manifest = super::resolve_project(&parsed, &sources, &mut super::ResolveCache::default())
        .drain_into(&mut diagnostics);
    let (renderer, context, map) = (parsed.renderer, sources.context, sources.map);
    (Some(ReadProject { manifest, renderer, context, map, system }), diagnostics)
}
