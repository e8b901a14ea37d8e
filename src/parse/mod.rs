//! Parses texts into items: macros first, then the files that may call them.
//!
//! In: `LoadedProject`. Out: `Checked<ParsedProject>`: macros in a registry with a `Renderer`,
//! nodes with the references and configs of their render (`execute` is false), properties with
//! their generic tests, doc blocks. Each item is a function of its file and its reads. Must not
//! know: how references are resolved, merged configs, databases.

mod cache;
mod columns;
mod docs;
mod generic_tests;
mod macros;
mod nodes;
mod project_configs;
mod properties;
mod python;
mod time_spine;

pub(crate) use cache::{ParseCache, ParseCounts};
pub(crate) use generic_tests::{
    CONFIG_KEYS, ParsedTest, TestTarget, evaluate_argument, string_is_expression,
};
pub(crate) use nodes::{ParsedNode, parse_hook_text};
pub(crate) use project_configs::{ProjectConfigs, folders, sections};
pub(crate) use properties::{
    EntryKind, ParsedSource, Patch, Properties, PropertyEntry, SourceOverride, TableOverride,
    VersionPatch, rest_json,
};

use crate::cache::Answers;
use crate::context::{ContextProject, RenderRead, TemplateWarning};
use crate::diag::{Checked, Code, Diagnostic};
use crate::jinja::{MacroDef, Renderer};
use crate::load::{FileKind, LoadedFile, LoadedProject};
use crate::source::Span;
use cache::{ParseResult, ParsedFile, ParsedItem, Place};
use nodes::NodeParser;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A rendered doc block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DocBlock {
    pub(crate) package: Arc<str>,
    pub(crate) name: String,
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) text: String,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct ParsedProject {
    pub(crate) renderer: Arc<Renderer>,
    pub(crate) context: Arc<ContextProject>,
    pub(crate) nodes: Vec<Arc<ParsedNode>>,
    pub(crate) properties: Vec<Arc<Properties>>,
    pub(crate) docs: Vec<DocBlock>,
    /// The lines that templates logged at parse.
    pub(crate) logs: Vec<crate::context::LogLine>,
    /// The external inputs that hooks of the project file read. Hooks are not cached.
    pub(crate) hook_reads: BTreeSet<RenderRead>,
}

impl ParsedProject {
    pub(crate) fn macro_defs(&self) -> &[Arc<MacroDef>] {
        self.renderer.registry().defs()
    }
}

/// The macros of a project, which have to be parsed before any other file.
pub(crate) struct ParsedMacros {
    renderer: Arc<Renderer>,
    /// Whether what the cached results read is still the same.
    answers: Answers,
    diagnostics: Vec<Diagnostic>,
}

impl ParsedMacros {
    /// Whether the cache has valid results of all other files, so that none has to be parsed.
    pub(crate) fn are_results_known(&self, sources: &LoadedProject, cache: &ParseCache) -> bool {
        cache.has_all(sources, &self.answers)
    }
}

/// Parses the macros that have changed.
pub(crate) fn parse_macros(sources: &mut LoadedProject, cache: &mut ParseCache) -> ParsedMacros {
    let mut diagnostics = Vec::new();
    cache.begin(sources);
    let renderer = macros::build_renderer(sources, cache, &mut diagnostics);
    let context = &sources.context;
    let _ = context.registry.set(renderer.registry().clone());
    ParsedMacros { renderer, answers: cache.answers(context), diagnostics }
}

/// Parses on all cores the files that have no valid result in `cache`, and adds their results to
/// it.
pub(crate) fn parse_files(
    sources: &LoadedProject,
    macros: ParsedMacros,
    cache: &mut ParseCache,
) -> Checked<ParsedProject> {
    let ParsedMacros { renderer, answers, diagnostics: mut out } = macros;
    cache.load_results();
    let (context, map) = (sources.context.clone(), &sources.map);
    let jobs: Vec<(&Arc<str>, &LoadedFile)> =
        sources.packages.iter().flat_map(|p| p.files.iter().map(move |f| (p.name(), f))).collect();
    let configs = ProjectConfigs::new(sources);
    let parsed: Vec<ParseResult> = jobs
        .par_iter()
        .filter(|(_, file)| cache::is_parsed_alone(file))
        .map(|(package, file)| {
            let place = Place::new(package, file);
            if let Some(again) = cache.find(&place, file, map, &answers) {
                return ParseResult { place, text: file.fingerprint, file: again, reads: None };
            }
            let parser = NodeParser::new(&renderer, &context, map, &configs);
            let parsed = parse_file(&parser, package, file);
            let mut reads = parser.reads();
            if !cache::is_own(&parsed.diagnostics, file.file) {
                reads.insert(RenderRead::never());
            }
            ParseResult {
                place,
                text: file.fingerprint,
                file: Arc::new(parsed),
                reads: Some(reads),
            }
        })
        .collect();
    let mut project = ParsedProject {
        renderer: renderer.clone(),
        context: context.clone(),
        nodes: Vec::new(),
        properties: Vec::new(),
        docs: Vec::new(),
        logs: Vec::new(),
        hook_reads: BTreeSet::new(),
    };
    for ParseResult { file, reads, .. } in &parsed {
        *(if reads.is_some() { &mut cache.counts.parsed } else { &mut cache.counts.reused }) += 1;
        out.extend(file.diagnostics.iter().cloned());
        project.logs.extend(file.logs.iter().cloned());
        match &file.item {
            ParsedItem::Nothing => {}
            ParsedItem::Nodes(nodes) => project.nodes.extend(nodes.iter().cloned()),
            ParsedItem::Properties(p) => project.properties.push(p.clone()),
            ParsedItem::Docs(docs) => project.docs.extend(docs.iter().cloned()),
        }
    }
    cache.replace(parsed);
    let parser = NodeParser::new(&renderer, &context, map, &configs);
    for mut hook in nodes::parse_hooks(&parser, sources).drain_into(&mut out) {
        project.logs.append(&mut hook.logs);
        project.nodes.push(Arc::new(hook));
    }
    project.hook_reads = parser.reads();
    Checked::new(project, out)
}

fn parse_file(parser: &NodeParser<'_>, package: &Arc<str>, file: &LoadedFile) -> ParsedFile {
    let mut diagnostics = Vec::new();
    let mut logs = Vec::new();
    let item = match file.kind {
        FileKind::Macro | FileKind::GenericTest | FileKind::Fixture => ParsedItem::Nothing,
        FileKind::Properties => ParsedItem::Properties(Arc::new(
            properties::parse_properties(parser, package, file).drain_into(&mut diagnostics),
        )),
        FileKind::Docs => {
            ParsedItem::Docs(docs::parse_docs(parser, package, file).drain_into(&mut diagnostics))
        }
        _ => {
            let nodes = parser.file(package, file).drain_into(&mut diagnostics);
            let mut shared = Vec::with_capacity(nodes.len());
            for mut node in nodes {
                logs.append(&mut node.logs);
                shared.push(Arc::new(node));
            }
            ParsedItem::Nodes(shared)
        }
    };
    ParsedFile { item, diagnostics, logs }
}

/// Converts warnings that a template raised to diagnostics.
pub(crate) fn warning_diagnostics(
    found: Vec<TemplateWarning>,
    whole: Span,
) -> impl Iterator<Item = Diagnostic> {
    found.into_iter().map(move |warning| {
        let TemplateWarning { code, event, text, site } = warning;
        let what = if code == Code::UserWarning { "raised here" } else { "" };
        Diagnostic::dbt_warning(code, event, text).primary(site.unwrap_or(whole), what)
    })
}
