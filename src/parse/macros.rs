//! Parses all macros, built-in and of the project, into one registry. This comes before any other
//! file.

use super::cache::{CachedMacros, ParseCache, Place};
use crate::diag::{Code, Diagnostic};
use crate::jinja::{
    BUILTIN_FILES, DispatchAdapter, MacroDef, MacroRegistry, Renderer, parse_macro_file,
};
use crate::load::{FileKind, LoadedProject};
use camino::Utf8PathBuf;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// The renderer with all macros: the kept one when none has changed, so that what was compiled
/// stays compiled.
pub(super) fn build_renderer(
    sources: &mut LoadedProject,
    cache: &mut ParseCache,
    out: &mut Vec<Diagnostic>,
) -> Arc<Renderer> {
    let internal = internal(sources, cache.renderer.as_deref(), out);
    let map = &sources.map;
    let jobs: Vec<_> =
        sources.packages.iter().flat_map(|p| p.files.iter().map(move |f| (p.name(), f))).collect();
    let mut files: Vec<(Place, CachedMacros, bool)> = jobs
        .par_iter()
        .filter(|(_, f)| matches!(f.kind, FileKind::Macro | FileKind::GenericTest))
        .map(|(package, file)| {
            let place = Place::new(package, file);
            if let Some(same) = cache.macros.get(&place).filter(|m| m.text == file.fingerprint) {
                return (place, same.clone(), false);
            }
            let checked =
                parse_macro_file(file.file, package, &file.original_file_path, map.text(file.file));
            let defs = checked.value.into_iter().map(Arc::new).collect();
            let macros = CachedMacros {
                text: file.fingerprint,
                defs,
                diagnostics: checked.diagnostics,
                unusable: Vec::new(),
            };
            (place, macros, true)
        })
        .collect();
    let new = files.iter().filter(|(.., new)| *new).count();
    cache.counts.macro_files = new;
    let renderer = match &cache.renderer {
        Some(renderer) if new == 0 && files.len() == cache.macros.len() => renderer.clone(),
        _ => {
            let project = files.iter().flat_map(|(_, m, _)| m.defs.iter().cloned()).collect();
            let root = sources.root();
            let installed = sources.packages.iter().map(|p| p.name().clone()).collect();
            let orders = root
                .options
                .dispatch
                .iter()
                .map(|d| (d.namespace.clone(), d.search_order.clone()))
                .collect();
            let adapter = DispatchAdapter {
                name: sources.target.adapter.to_string(),
                materializations: sources.target.engine.adapter.materializations,
            };
            Arc::new(Renderer::new(Arc::new(MacroRegistry::new(
                root.name(),
                adapter,
                installed,
                orders,
                internal,
                project,
            ))))
        }
    };
    // The project's own macros are compiled now to report their errors. Built-in ones are compiled
    // when they are called.
    files.par_iter_mut().filter(|(.., new)| *new).for_each(|(_, macros, _)| {
        macros.unusable = macros.defs.iter().filter_map(|def| unusable(&renderer, def)).collect();
    });
    let mut seen = HashMap::new();
    for (_, macros, _) in &files {
        out.extend(macros.diagnostics.iter().cloned());
        macros.defs.iter().for_each(|def| out.extend(duplicate(def, &mut seen)));
        out.extend(macros.unusable.iter().cloned());
    }
    cache.macros = files.into_iter().map(|(place, macros, _)| (place, macros)).collect();
    cache.renderer = Some(renderer.clone());
    renderer
}

/// The built-in macros. The core's come first, since the adapter's replace them.
fn internal(
    sources: &mut LoadedProject,
    renderer: Option<&Renderer>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Arc<MacroDef>> {
    let engine_spec = sources.target.engine;
    let mut defs = Vec::new();
    for (folder, package) in [("core", "dbt"), (engine_spec.name, engine_spec.adapter.package)] {
        let package: Arc<str> = package.into();
        for file in BUILTIN_FILES.iter().filter(|f| f.folder == folder) {
            let path = Utf8PathBuf::from(format!("builtin/{}", file.path));
            let id = sources.map.add(&path, file.text.into());
            if renderer.is_none() {
                defs.extend(
                    parse_macro_file(id, &package, path.as_str(), file.text).drain_into(out),
                );
            }
        }
    }
    match renderer {
        Some(renderer) => renderer.registry().internal_defs().to_vec(),
        None => defs.into_iter().map(Arc::new).collect(),
    }
}

/// The error if a macro's text cannot be parsed.
fn unusable(renderer: &Renderer, def: &MacroDef) -> Option<Diagnostic> {
    let failure = renderer.check_macro(def).err()?;
    let message = format!("macro `{}` cannot be parsed: {}", def.name, failure.message);
    Some(
        Diagnostic::error(Code::MacroSyntax, message).primary(failure.span.unwrap_or(def.span), ""),
    )
}

/// The error for a macro that is defined twice in a package.
fn duplicate<'a>(
    def: &'a MacroDef,
    seen: &mut HashMap<(&'a str, &'a str), &'a MacroDef>,
) -> Option<Diagnostic> {
    let first = seen.insert((&def.package, &def.name), def)?;
    let message = format!("macro `{}` is defined twice in package `{}`", def.name, def.package);
    let d = Diagnostic::error(Code::DuplicateName, message).primary(def.span, "again here");
    Some(d.secondary(first.span, "first here"))
}
