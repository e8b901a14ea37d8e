//! The entries of macros in the manifest.

use super::ResolveContext;
use crate::config::{Json, Yaml};
use crate::diag::{Code, Diagnostic};
use crate::jinja::{CallName, MacroDef};
use crate::manifest::MacroInfo;
use crate::parse::{EntryKind, rest_json};
use std::sync::Arc;

pub(super) fn macro_infos(ground: &ResolveContext<'_>) -> Vec<MacroInfo> {
    ground.parsed.macro_defs().iter().map(|def| info(ground, def)).collect()
}

/// Reports dispatches without a matching macro in the macros of the project and its packages. As in
/// dbt, this is an error even if no node calls the macro.
pub(super) fn check_dispatches(ground: &ResolveContext<'_>) -> Vec<Diagnostic> {
    let registry = ground.renderer.registry();
    let mut out = Vec::new();
    for def in ground.parsed.macro_defs().iter().filter(|def| !registry.is_internal(def)) {
        for call in &def.calls {
            let CallName::Dispatch(name, namespace) = call else { continue };
            if let Err(why) = registry.dispatch(&def.package, name, namespace.as_deref()) {
                let d = Diagnostic::error(Code::UnknownMacro, why.to_string());
                out.push(d.primary(def.span, format!("`{}` dispatches to it", def.name)));
            }
        }
    }
    out
}

fn info(ground: &ResolveContext<'_>, def: &Arc<MacroDef>) -> MacroInfo {
    let entry = ground.entries.get(EntryKind::Macro, &def.package, &def.name);
    let text = ground.sources.map.text(def.file);
    let arguments = entry.and_then(|(e, _)| e.map.get("arguments")).map(described_arguments);
    let mut quiet = Vec::new();
    MacroInfo {
        unique_id: def.unique_id.clone(),
        name: def.name.clone(),
        package: def.package.clone(),
        path: def.path.clone(),
        original_file_path: def.path.clone(),
        sql: text[def.span.start as usize..def.span.end as usize].into(),
        depends_on: ground.renderer.registry().resolve_calls(&def.package, &def.calls),
        description: entry
            .map(|(e, p)| ground.docs.render(&e.patch.description, &p.package, e.span, &mut quiet))
            .unwrap_or_default(),
        meta: entry
            .map(|(e, _)| {
                rest_json(&e.map, &["name", "description", "arguments", "config", "docs"])
            })
            .and_then(|m| m.get("meta").and_then(Json::as_object).cloned())
            .unwrap_or_default(),
        arguments: arguments.unwrap_or_else(|| arguments_json(def)),
        patch_path: entry.map(|(_, p)| format!("{}://{}", p.package, p.original_file_path)),
        languages: def.languages.clone(),
    }
}

/// The arguments that a properties file describes.
fn described_arguments(written: &Yaml) -> Json {
    let all = written.items().iter().map(Yaml::to_json).map(|argument| {
        let of = |key: &str| argument.get(key).cloned().unwrap_or_default();
        let description = argument.get("description").cloned().unwrap_or_else(|| "".into());
        serde_json::json!({ "name": of("name"), "type": of("type"), "description": description })
    });
    all.collect()
}

/// The arguments of a macro that no properties file describes.
fn arguments_json(def: &MacroDef) -> Json {
    def.args
        .iter()
        .map(|a| serde_json::json!({ "name": a.name, "type": null, "description": "" }))
        .collect()
}
