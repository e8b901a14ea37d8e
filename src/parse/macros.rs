//! The first wave: all macros, built in and of the project, in one registry.

use crate::diag::{Code, Diagnostic};
use crate::jinja::{BUILTIN_FILES, Engine, MacroDef, MacroRegistry, parse_macro_file};
use crate::load::{FileKind, Sources};
use camino::Utf8PathBuf;
use rayon::prelude::*;
use std::sync::Arc;

/// The package name of a folder of built-in files.
fn internal_package(folder: &str) -> Arc<str> {
    if folder == "core" { "dbt".into() } else { format!("dbt_{folder}").into() }
}

pub(super) fn engine(sources: &mut Sources, out: &mut Vec<Diagnostic>) -> Engine {
    let adapter = sources.target.adapter.clone();
    let mut internal: Vec<MacroDef> = Vec::new();
    // The core comes first, so that the adapter's macros replace it.
    for folder in ["core", &*adapter] {
        let package = internal_package(folder);
        for file in BUILTIN_FILES.iter().filter(|f| f.folder == folder) {
            let path = Utf8PathBuf::from(format!("builtin/{}", file.path));
            let id = sources.map.add(&path, file.text.into());
            internal.extend(parse_macro_file(id, &package, path.as_str(), file.text).drain_into(out));
        }
    }
    let map = &sources.map;
    let jobs: Vec<_> = sources.packages.iter().flat_map(|p| p.files.iter().map(move |f| (p.name(), f))).collect();
    let parsed: Vec<_> = jobs
        .par_iter()
        .filter(|(_, f)| matches!(f.kind, FileKind::Macro | FileKind::GenericTest))
        .map(|(package, file)| parse_macro_file(file.file, package, &file.original_file_path, map.text(file.file)))
        .collect();
    let mut project = Vec::new();
    for checked in parsed {
        project.extend(checked.drain_into(out));
    }
    duplicates(&project, out);
    let own = project.len();
    let root = sources.root().name().clone();
    let installed = sources.packages.iter().map(|p| p.name().clone()).collect();
    let orders =
        sources.root().options.dispatch.iter().map(|d| (d.namespace.clone(), d.search_order.clone())).collect();
    let registry = Arc::new(MacroRegistry::new(&root, &adapter, installed, orders, internal, project));
    let engine = Engine::new(registry.clone());
    // The project's own macros are compiled now, so that their mistakes are found; built-in ones when they are called.
    let defs = registry.defs();
    let failures: Vec<_> = defs[defs.len() - own..]
        .par_iter()
        .filter_map(|def| engine.check_macro(def).err().map(|failure| (def.clone(), failure)))
        .collect();
    for (def, failure) in failures {
        out.push(
            Diagnostic::error(Code::MacroSyntax, format!("macro `{}` cannot be parsed: {}", def.name, failure.message))
                .primary(failure.span.unwrap_or(def.span), ""),
        );
    }
    engine
}

/// One package may define a macro once.
fn duplicates(defs: &[MacroDef], out: &mut Vec<Diagnostic>) {
    let mut seen = std::collections::HashMap::new();
    for def in defs {
        if let Some(first) = seen.insert((def.package.clone(), def.name.clone()), def) {
            out.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("macro `{}` is defined twice in package `{}`", def.name, def.package),
                )
                .primary(def.span, "again here")
                .secondary(first.span, "first here"),
            );
        }
    }
}
