//! Texts become items: macros first, then everything that may call them.
//!
//! In: `Sources`. Out: `Checked<ParsedProject>`: macros in a registry with an `Engine`, nodes with what their render
//! asked for (`execute` is false), properties with their generic tests, doc blocks. Each item is a function of its file
//! and its reads. Must not know: which names are bound to what, configs that hold in the end, databases.

mod columns;
mod docs;
mod generic_tests;
mod macros;
mod nodes;
mod properties;
mod python;

pub(crate) use generic_tests::{ParsedTest, TestTarget, evaluate_argument, string_is_expression};
pub(crate) use nodes::{ParsedNode, parse_hook_text};
pub(crate) use properties::{EntryKind, ParsedSource, Patch, Properties, PropertyEntry, VersionPatch, rest_json};

use crate::context::ContextProject;
use crate::diag::{Checked, Diagnostic};
use crate::jinja::{Engine, MacroDef};
use crate::load::{FileKind, Sources};
use crate::source::Span;
use rayon::prelude::*;
use std::sync::Arc;

/// A doc block, rendered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DocBlock {
    pub(crate) package: Arc<str>,
    pub(crate) name: String,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// All items of a project.
#[derive(Debug)]
pub(crate) struct ParsedProject {
    pub(crate) engine: Arc<Engine>,
    pub(crate) context: Arc<ContextProject>,
    pub(crate) nodes: Vec<ParsedNode>,
    pub(crate) properties: Vec<Properties>,
    pub(crate) docs: Vec<DocBlock>,
    /// What templates logged while they were parsed.
    pub(crate) logs: Vec<crate::context::LogLine>,
}

impl ParsedProject {
    pub(crate) fn macro_defs(&self) -> &[Arc<MacroDef>] {
        self.engine.registry().defs()
    }
}

/// Parses everything, on all cores.
pub(crate) fn parse(sources: &mut Sources) -> Checked<ParsedProject> {
    let mut out = Vec::new();
    let engine = Arc::new(macros::engine(sources, &mut out));
    let context = sources.context.clone();
    let _ = context.registry.set(engine.registry().clone());
    let map = &sources.map;
    let jobs: Vec<(&Arc<str>, &crate::load::LoadedFile)> =
        sources.packages.iter().flat_map(|p| p.files.iter().map(move |f| (p.name(), f))).collect();
    let parser = nodes::NodeParser { engine: &engine, context: &context, map };
    let parsed: Vec<Checked<Item>> = jobs
        .par_iter()
        .map(|(package, file)| match file.kind {
            FileKind::Macro | FileKind::GenericTest | FileKind::Fixture => Item::Nothing.into(),
            FileKind::Properties => properties::parse(&parser, package, file).map(Item::Properties),
            FileKind::Docs => docs::parse(&parser, package, file).map(Item::Docs),
            _ => parser.file(package, file).map(Item::Nodes),
        })
        .collect();
    let mut project = ParsedProject {
        engine: engine.clone(),
        context: context.clone(),
        nodes: Vec::new(),
        properties: Vec::new(),
        docs: Vec::new(),
        logs: Vec::new(),
    };
    for item in parsed {
        match item.drain_into(&mut out) {
            Item::Nothing => {}
            Item::Nodes(nodes) => project.nodes.extend(nodes),
            Item::Properties(p) => project.properties.push(p),
            Item::Docs(docs) => project.docs.extend(docs),
        }
    }
    project.nodes.extend(nodes::hooks(&parser, sources).drain_into(&mut out));
    for node in &mut project.nodes {
        project.logs.append(&mut node.logs);
    }
    Checked::new(project, out)
}

enum Item {
    Nothing,
    Nodes(Vec<ParsedNode>),
    Properties(Properties),
    Docs(Vec<DocBlock>),
}

impl<T> Checked<T> {
    fn map<U>(self, f: impl FnOnce(T) -> U) -> Checked<U> {
        Checked { value: f(self.value), diagnostics: self.diagnostics }
    }
}

/// Warnings that a template raised, as diagnostics.
pub(crate) fn warnings(found: Vec<(String, Option<Span>)>, whole: Span) -> impl Iterator<Item = Diagnostic> {
    found.into_iter().map(move |(text, span)| {
        Diagnostic::warning(crate::diag::Code::UserWarning, text).primary(span.unwrap_or(whole), "raised here")
    })
}
