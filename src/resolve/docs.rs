//! Renders descriptions, in which `{{ doc('name') }}` inserts a doc block.

use crate::context::{
    ContextProject, NodeScope, RenderRead, RenderSession, RenderSubject, failure_diagnostic,
};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::hash::FastMap;
use crate::jinja::{Renderer, Scope};
use crate::load::LoadedProject;
use crate::manifest::{DocResource, NodeConfig, ResourceType};
use crate::parse::{DocBlock, ParsedProject};
use crate::source::Span;
use minijinja::value::{Rest, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(super) struct DocRenderer<'a> {
    blocks: Arc<Vec<DocBlock>>,
    renderer: &'a Arc<Renderer>,
    context: &'a Arc<ContextProject>,
    root: Arc<str>,
    /// The external inputs that descriptions read, other than doc blocks.
    reads: Mutex<BTreeSet<RenderRead>>,
    /// The results of descriptions without diagnostics. Columns of different models often have the
    /// same description.
    known: RwLock<FastMap<(Arc<str>, String), Described>>,
}

/// A rendered description, and the unique ids of the doc blocks that it inserts.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    pub(super) text: String,
    pub(super) doc_blocks: Vec<Arc<str>>,
}

/// The names in a description: `doc`, and the members of every context.
#[derive(Debug)]
struct DocScope {
    inner: NodeScope,
    doc: Value,
}

impl Scope for DocScope {
    fn member(&self, name: &str) -> Option<Value> {
        if name == "doc" { Some(self.doc.clone()) } else { self.inner.member(name) }
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["doc"]
    }
}

/// Reports doc blocks of the same name in a package, since references to them would be ambiguous.
pub(super) fn check_names(blocks: &[DocBlock], out: &mut Vec<Diagnostic>) {
    let mut first: FastMap<(&str, &str), Span> = FastMap::default();
    for block in blocks {
        if let Some(known) = first.insert((&block.package, &block.name), block.span) {
            let d = Diagnostic::error(
                Code::DuplicateName,
                format!("there are two docs blocks `{}`", block.name),
            );
            out.push(
                d.primary(block.span, "again here")
                    .secondary(known, "first here")
                    .help("rename one of them"),
            );
        }
    }
}

impl<'a> DocRenderer<'a> {
    pub(super) fn new(parsed: &'a ParsedProject, sources: &LoadedProject) -> DocRenderer<'a> {
        DocRenderer {
            blocks: Arc::new(parsed.docs.clone()),
            renderer: &parsed.renderer,
            context: &parsed.context,
            root: sources.root().name().clone(),
            reads: Mutex::default(),
            known: RwLock::default(),
        }
    }

    pub(super) fn reads(&self) -> BTreeSet<RenderRead> {
        std::mem::take(&mut *self.reads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text of a rendered description.
    pub(super) fn render(
        &self,
        text: &str,
        package: &Arc<str>,
        span: Span,
        out: &mut Vec<Diagnostic>,
    ) -> String {
        self.describe(text, package, span, out).text
    }

    /// Renders a description. A doc block that does not exist is reported and left out.
    pub(super) fn describe(
        &self,
        text: &str,
        package: &Arc<str>,
        span: Span,
        out: &mut Vec<Diagnostic>,
    ) -> Described {
        if !text.contains("{{") && !text.contains("{%") {
            return Described { text: text.to_owned(), doc_blocks: Vec::new() };
        }
        let key = (package.clone(), text.to_owned());
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let before = out.len();
        let subject = RenderSubject {
            unique_id: "description".into(),
            name: "description".into(),
            kind: ResourceType::Model,
            file: None,
            this: None,
            config: Arc::new(NodeConfig::default()),
            node: None,
            model: serde_json::Value::Null,
            compiled: None,
            extra: Vec::new(),
            overrides: None,
            overload: None,
        };
        let session = RenderSession::parse(self.context, package, subject);
        let calls = Arc::new(Mutex::new(DocCalls::default()));
        let scope = DocScope {
            inner: NodeScope(session.clone()),
            doc: self.function(package, calls.clone()),
        };
        let result =
            self.renderer.render_detached(false, text, package, Arc::new(scope), session.clone());
        let calls = std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner));
        for name in &calls.missing {
            let near =
                nearest_name(name, self.blocks.iter().map(|b| b.name.as_str())).map(str::to_owned);
            out.push(
                Diagnostic::error(Code::UnknownNode, format!("doc block `{name}` not found"))
                    .primary(span, "described here")
                    .help_if(near, |n| format!("a block named `{n}` exists")),
            );
        }
        let text = result.unwrap_or_else(|failure| {
            out.push(failure_diagnostic(&failure, &session, span));
            String::new()
        });
        self.reads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(session.take_record().reads);
        let described = Described { text, doc_blocks: calls.found };
        if out.len() == before {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.insert(key, described.clone());
        }
        described
    }

    /// `doc([package,] name)`: looks in the node's package first, then in the root project, then in
    /// any package.
    fn function(&self, package: &Arc<str>, calls: Arc<Mutex<DocCalls>>) -> Value {
        let (blocks, package, root) = (self.blocks.clone(), package.clone(), self.root.clone());
        Value::from_function(move |args: Rest<Value>| {
            let (within, name) = match args.0.as_slice() {
                [name] => (None, name.to_string()),
                [within, name] => (Some(within.to_string()), name.to_string()),
                _ => (None, String::new()),
            };
            let mut found: Vec<&DocBlock> = blocks
                .iter()
                .filter(|b| b.name == name && within.as_ref().is_none_or(|w| *w == *b.package))
                .collect();
            found.sort_by_key(|b| (b.package != package, b.package != root));
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            match found.first() {
                Some(block) => {
                    calls.found.push(id_of(block));
                    block.text.clone()
                }
                None => {
                    calls.missing.push(name);
                    String::new()
                }
            }
        })
    }

    pub(super) fn resources(&self) -> Vec<DocResource> {
        self.blocks.iter().map(resource_of).collect()
    }
}

/// The calls of `doc` in one description.
#[derive(Debug, Default)]
struct DocCalls {
    /// The unique ids of the blocks, in the order of the calls.
    found: Vec<Arc<str>>,
    missing: Vec<String>,
}

fn id_of(block: &DocBlock) -> Arc<str> {
    format!("doc.{}.{}", block.package, block.name).into()
}

fn resource_of(block: &DocBlock) -> DocResource {
    DocResource {
        unique_id: id_of(block),
        name: block.name.as_str().into(),
        package: block.package.clone(),
        path: block.path.to_string(),
        original_file_path: block.original_file_path.to_string(),
        text: block.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::Code;
    use crate::resolve::testing::project;

    #[test]
    fn a_name_is_given_once() {
        let block = "{% docs about %}x{% enddocs %}";
        let (_, said) = project(&[("models/a.md", block), ("models/b.md", block)]);
        assert_eq!(said.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::DuplicateName]);
    }
}
