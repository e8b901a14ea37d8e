//! How a node is defined, as fingerprints of the parts of what it says of itself.
//!
//! A text that asks for nothing but variables, macros and references was rendered at parse: that is
//! its SQL, but for the names of relations. Other nodes are compiled without a database, in all their
//! forms, and what that came to is kept with all that it was made of. SQL counts without comments
//! and white space.

use super::cache::{CompileCache, CompiledText, KnownDefinition};
use super::parts::PartWriter;
use super::reasons::reached;
use crate::cache::{Answers, KeyWriter};
use crate::compile::{CompiledForm, CompiledNode, CompiledProject, Compiler, compile_project};
use crate::context::{RenderQuestion, RenderRead};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Node, NodeId, NodeKind, TestKind};
use crate::sql::{find_volatile, normalize_sql};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node says of itself, and whether that is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeDefinition {
    /// By name: a value, or a fingerprint of a long one.
    pub(crate) parts: Arc<BTreeMap<String, String>>,
    /// What in it may have another value each time.
    pub(crate) volatile: Option<String>,
    /// It asks the database while it is compiled.
    pub(crate) introspective: bool,
    /// Why it cannot be compiled.
    pub(crate) broken: Option<Box<Diagnostic>>,
}

/// How nodes are defined, from what the cache knows of them and what has to be compiled.
pub(crate) fn define_nodes(
    compiler: &Compiler,
    nodes: &[NodeId],
    cache: &mut CompileCache,
) -> FastMap<NodeId, NodeDefinition> {
    let answers = cache.texts.answers(|question| compiler.context.answer(question));
    let mut texts: Vec<(NodeId, Text)> =
        nodes.par_iter().map(|id| (*id, ask_text(compiler, *id, cache, &answers))).collect();
    let unknown = texts.iter().filter(|(_, text)| matches!(text, Text::Unknown(_)));
    let unknown: Vec<NodeId> = unknown.map(|(id, _)| *id).collect();
    let compiled = compile_project(compiler, &unknown);
    cache.compiled = compiled.len();
    take_compiled(compiler, &compiled, &mut texts, cache);
    define_all(compiler, &texts, cache)
}

/// What is known of a node's SQL.
enum Text {
    /// The node has none of its own.
    None,
    Known(KnownText),
    /// It has to be compiled; its key.
    Unknown(Fingerprint),
}

#[derive(Default)]
struct KnownText {
    text: CompiledText,
    broken: Option<Box<Diagnostic>>,
}

/// What is known without compiling a node.
fn ask_text(compiler: &Compiler, id: NodeId, cache: &CompileCache, answers: &Answers) -> Text {
    let node = compiler.manifest.node(id);
    if !has_text(node) {
        return Text::None;
    }
    if let Some(text) = steady_text(compiler, node) {
        return Text::Known(KnownText { text, broken: None });
    }
    let key = fingerprint_sources(compiler, node);
    match cache.texts.find(&*node.unique_id, key, answers) {
        Some(text) => Text::Known(KnownText { text: text.clone(), broken: None }),
        None => Text::Unknown(key),
    }
}

/// Fills in what was compiled, and puts it into the cache.
fn take_compiled(
    compiler: &Compiler,
    compiled: &CompiledProject,
    texts: &mut [(NodeId, Text)],
    cache: &mut CompileCache,
) {
    if compiled.len() == 0 {
        return;
    }
    let manifest = compiled.manifest();
    cache.texts.retain(|id| manifest.by_unique_id.contains_key(&**id));
    for (id, text) in texts {
        let (Text::Unknown(key), Some(found)) = (&*text, compiled.node(*id)) else { continue };
        let node = manifest.node(*id);
        let made = fingerprint_forms(compiler, node, found);
        let unique_id = node.unique_id.to_string();
        let never = (!found.is_whole()).then(RenderRead::never);
        let reads = found.reads.iter().cloned().chain(never);
        cache.texts.insert(unique_id, *key, reads, made.clone());
        *text = Text::Known(KnownText { text: made, broken: found.broken.clone() });
    }
}

/// The definitions of nodes whose texts are known. Parts are taken over where a node, its text and
/// all macros are the same.
fn define_all(
    compiler: &Compiler,
    texts: &[(NodeId, Text)],
    cache: &mut CompileCache,
) -> FastMap<NodeId, NodeDefinition> {
    let manifest = &compiler.manifest;
    let writer = PartWriter::new(compiler);
    // What the parts besides SQL are made of, the node apart: the environment is that of the
    // process.
    let macros = [compiler.renderer.registry().fingerprint(), compiler.context.vars.fingerprint()]
        .map(Fingerprint::hex);
    let macros = Fingerprint::of_parts(macros);
    let known = &cache.known;
    let defined: Vec<(NodeId, (NodeDefinition, Option<Fingerprint>))> = texts
        .par_iter()
        .map(|(id, text)| {
            let node = &manifest.nodes[id.index()];
            let before = known.get(&node.unique_id);
            let before = before.filter(|k| Arc::ptr_eq(&k.node, node) && k.macros == macros);
            (*id, define_node(&writer, node, text, before))
        })
        .collect();
    let mut out = FastMap::with_capacity_and_hasher(defined.len(), Default::default());
    cache.known.reserve(defined.len().saturating_sub(cache.known.len()));
    for (id, (definition, print)) in defined {
        let node = manifest.nodes[id.index()].clone();
        let (unique_id, parts) = (node.unique_id.clone(), definition.parts.clone());
        cache.known.insert(unique_id, KnownDefinition { node, macros, print, parts });
        out.insert(id, definition);
    }
    out
}

/// A node's definition, and the fingerprint of its text if it has one.
fn define_node(
    writer: &PartWriter<'_>,
    node: &Node,
    text: &Text,
    before: Option<&KnownDefinition>,
) -> (NodeDefinition, Option<Fingerprint>) {
    let known = match text {
        Text::Known(known) => Some(known),
        Text::None | Text::Unknown(_) => None,
    };
    let print = known.map(|k| k.text.print.unwrap_or_else(|| Fingerprint::of("")));
    let mut definition = NodeDefinition {
        parts: Arc::default(),
        volatile: known.and_then(|k| k.text.volatile.clone()),
        introspective: known.is_some_and(|k| k.text.introspective),
        broken: known.and_then(|k| k.broken.clone()),
    };
    // A seed's file is looked at each time.
    match before.filter(|k| k.print == print && !is_seed(node)) {
        Some(before) => definition.parts = before.parts.clone(),
        None => {
            let mut parts = BTreeMap::new();
            if let Some(print) = print {
                parts.insert("SQL".to_owned(), print.short());
            }
            let wrong = writer.write(node, &mut parts);
            definition.broken = definition.broken.or(wrong);
            definition.parts = Arc::new(parts);
        }
    }
    (definition, print)
}

pub(super) fn is_seed(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Seed)
}

/// Whether a node has SQL of its own, which is part of its definition.
fn has_text(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Model { .. } => node.sql && !node.is_ephemeral(),
        NodeKind::Snapshot | NodeKind::Test(TestKind::Singular) => true,
        _ => false,
    }
}

/// A text that is known without compiling it, with the relations that it refers to.
fn steady_text(compiler: &Compiler, node: &Node) -> Option<CompiledText> {
    let own = node.text.as_ref()?.steady.as_ref()?;
    let mut volatile = own.volatile.clone();
    let mut parts = vec![own.print.hex(), relation_text(compiler, node).unwrap_or_default()];
    for id in reached(&compiler.manifest, node) {
        let parent = compiler.manifest.node(id);
        parts.push(parent.unique_id.to_string());
        parts.push(relation_text(compiler, parent).unwrap_or_default());
        if parent.is_ephemeral() {
            let inside = parent.text.as_ref()?.steady.as_ref()?;
            parts.push(inside.print.hex());
            volatile = volatile.or_else(|| inside.volatile.clone());
        }
    }
    let print = Some(Fingerprint::of_parts(parts));
    Some(CompiledText { print, volatile, introspective: false })
}

/// What a compiled text is made of, besides what its render asks: the text, names, config,
/// ephemeral models.
fn fingerprint_sources(compiler: &Compiler, node: &Node) -> Fingerprint {
    let manifest = &compiler.manifest;
    let key = write_text(KeyWriter::new("compile"), node);
    let mut key = key.optional(relation_text(compiler, node).as_deref());
    for parent in reached(manifest, node).into_iter().map(|id| manifest.node(id)) {
        if parent.is_ephemeral() {
            key = write_text(key, parent);
        }
        key = key.optional(relation_text(compiler, parent).as_deref());
    }
    key.finish()
}

/// Writes a node's text and config.
fn write_text(key: KeyWriter, node: &Node) -> KeyWriter {
    let mut key = key.optional(node.text.as_ref().map(|t| &*t.raw));
    for (name, entry) in node.config.iter() {
        key = key.text(name).text(&entry.value.to_string());
    }
    key
}

fn relation_text(compiler: &Compiler, node: &Node) -> Option<String> {
    let dialect = compiler.manifest.project.dialect;
    node.relation.as_ref().map(|relation| relation.render(dialect))
}

/// What the forms of a node came to.
fn fingerprint_forms(compiler: &Compiler, node: &Node, compiled: &CompiledNode) -> CompiledText {
    if compiled.broken.is_some() {
        return CompiledText::default();
    }
    let functions = compiler.manifest.project.target.engine.volatile_functions;
    let mut out = CompiledText::default();
    let mut texts = Vec::new();
    for form in compiled.forms() {
        match form {
            CompiledForm::Sql(sql) => {
                out.volatile = out.volatile.or_else(|| find_volatile(sql.as_str(), functions));
                texts.push(normalize_sql(sql.as_str()));
            }
            CompiledForm::NeedsDatabase => {
                out.introspective = true;
                // What it says can still be told by its text.
                texts.push(node.text.as_ref().map(|t| normalize_sql(&t.raw)).unwrap_or_default());
            }
            CompiledForm::None => {}
        }
    }
    let asked = compiled.reads.iter();
    out.volatile = out.volatile.or_else(|| asked.clone().find_map(|r| changing(&r.question)));
    out.print = Some(Fingerprint::of_parts(texts));
    out
}

/// What a template asks that has another answer in each command.
fn changing(question: &RenderQuestion) -> Option<String> {
    match question {
        RenderQuestion::Now => Some("the time".to_owned()),
        RenderQuestion::Started => Some("run_started_at".to_owned()),
        RenderQuestion::Invocation => Some("invocation_id".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "definition_tests.rs"]
mod tests;
