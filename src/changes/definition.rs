//! Defines a node by fingerprints of its parts.
//!
//! A text that uses only variables, macros and references was rendered by the parser: that is its
//! SQL, but for the names of relations. All other nodes are compiled without a database, in all
//! their forms, and the result is cached under a fingerprint of its inputs. Comments and white
//! space do not count in SQL.

use super::cache::{CachedDefinition, CompileCache, CompiledText};
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

/// The definition of a node, and how far it can be relied on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeDefinition {
    /// The value, or the fingerprint of a long value, of each part by name.
    pub(crate) parts: Arc<BTreeMap<String, String>>,
    /// A function or input in it that gives another value each time.
    pub(crate) volatile: Option<String>,
    /// Whether the template queries the database when it is compiled.
    pub(crate) introspective: bool,
    /// The error, if the node cannot be compiled or a seed's file cannot be read.
    pub(crate) error: Option<Box<Diagnostic>>,
}

/// Defines nodes, from the cache or by compiling them.
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

/// The SQL of a node, as far as it is known without compiling the node.
enum Text {
    /// The node has no SQL of its own.
    None,
    Known(KnownText),
    /// The node has to be compiled. Holds the key of the result in the cache.
    Unknown(Fingerprint),
}

#[derive(Default)]
struct KnownText {
    text: CompiledText,
    error: Option<Box<Diagnostic>>,
}

/// Looks for a node's SQL without compiling the node.
fn ask_text(compiler: &Compiler, id: NodeId, cache: &CompileCache, answers: &Answers) -> Text {
    let node = compiler.manifest.node(id);
    if !has_text(node) {
        return Text::None;
    }
    if let Some(text) = steady_text(compiler, node) {
        return Text::Known(KnownText { text, error: None });
    }
    let key = fingerprint_sources(compiler, node);
    match cache.texts.find(&*node.unique_id, key, answers) {
        Some(text) => Text::Known(KnownText { text: text.clone(), error: None }),
        None => Text::Unknown(key),
    }
}

/// Fills in the texts that were compiled and adds them to the cache.
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
        *text = Text::Known(KnownText { text: made, error: found.error.clone() });
    }
}

/// The definitions of nodes whose texts are known. The parts of the earlier definition are reused
/// if the node, its text, all macros and the variables are the same.
fn define_all(
    compiler: &Compiler,
    texts: &[(NodeId, Text)],
    cache: &mut CompileCache,
) -> FastMap<NodeId, NodeDefinition> {
    let manifest = &compiler.manifest;
    let writer = PartWriter::new(compiler);
    // Besides the node, its parts other than SQL depend on the macros, the variables and the
    // environment. The environment is left out, since it is constant within a process.
    let macros_and_vars =
        [compiler.renderer.registry().fingerprint(), compiler.context.vars.fingerprint()]
            .map(Fingerprint::hex);
    let macros_and_vars = Fingerprint::of_parts(macros_and_vars);
    let known = &cache.definitions;
    let defined: Vec<(NodeId, (NodeDefinition, Option<Fingerprint>))> = texts
        .par_iter()
        .map(|(id, text)| {
            let node = &manifest.nodes[id.index()];
            let before = known.get(&node.unique_id);
            let before = before
                .filter(|k| Arc::ptr_eq(&k.node, node) && k.macros_and_vars == macros_and_vars);
            (*id, define_node(&writer, node, text, before))
        })
        .collect();
    let mut out = FastMap::with_capacity_and_hasher(defined.len(), Default::default());
    cache.definitions.reserve(defined.len().saturating_sub(cache.definitions.len()));
    for (id, (definition, fingerprint)) in defined {
        let node = manifest.nodes[id.index()].clone();
        let (unique_id, parts) = (node.unique_id.clone(), definition.parts.clone());
        cache
            .definitions
            .insert(unique_id, CachedDefinition { node, macros_and_vars, fingerprint, parts });
        out.insert(id, definition);
    }
    out
}

/// A node's definition, and the fingerprint of its text if it has one.
fn define_node(
    writer: &PartWriter<'_>,
    node: &Node,
    text: &Text,
    before: Option<&CachedDefinition>,
) -> (NodeDefinition, Option<Fingerprint>) {
    let known = match text {
        Text::Known(known) => Some(known),
        Text::None | Text::Unknown(_) => None,
    };
    let fingerprint = known.map(|k| k.text.fingerprint.unwrap_or_else(|| Fingerprint::of("")));
    let mut definition = NodeDefinition {
        parts: Arc::default(),
        volatile: known.and_then(|k| k.text.volatile.clone()).or_else(|| batches_until_now(node)),
        introspective: known.is_some_and(|k| k.text.introspective),
        error: known.and_then(|k| k.error.clone()),
    };
    // A seed's file is read each time: nothing else shows that it changed. A unit test is defined by
    // its model, too.
    let is_made_anew = is_seed(node) || matches!(node.kind, NodeKind::UnitTest(_));
    match before.filter(|k| k.fingerprint == fingerprint && !is_made_anew) {
        Some(before) => definition.parts = before.parts.clone(),
        None => {
            let mut parts = BTreeMap::new();
            if let Some(fingerprint) = fingerprint {
                parts.insert("SQL".to_owned(), fingerprint.short());
            }
            let wrong = writer.write(node, &mut parts);
            definition.error = definition.error.or(wrong);
            definition.parts = Arc::new(parts);
        }
    }
    (definition, fingerprint)
}

/// Each day may add a batch to a model that is built in batches, whatever it reads.
fn batches_until_now(node: &Node) -> Option<String> {
    node.typed.microbatch().map(|_| "the time for its batches".to_owned())
}

pub(super) fn is_seed(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Seed)
}

/// Whether the definition of a node includes SQL of its own.
fn has_text(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Model { .. } => node.sql && !node.is_ephemeral(),
        NodeKind::Snapshot | NodeKind::Test(TestKind::Singular) => true,
        NodeKind::Function(_) => node.sql,
        _ => false,
    }
}

/// The text of a node that need not be compiled, with the relations that it refers to. `None` if
/// the text, or that of an ephemeral model that it reads, has to be compiled.
fn steady_text(compiler: &Compiler, node: &Node) -> Option<CompiledText> {
    let own = node.text.as_ref()?.steady.as_ref()?;
    let mut volatile = own.volatile.clone();
    let mut parts = vec![own.fingerprint.hex(), relation_text(compiler, node).unwrap_or_default()];
    for id in reached(&compiler.manifest, node) {
        let parent = compiler.manifest.node(id);
        parts.push(parent.unique_id.to_string());
        parts.push(relation_text(compiler, parent).unwrap_or_default());
        if parent.is_ephemeral() {
            let inside = parent.text.as_ref()?.steady.as_ref()?;
            parts.push(inside.fingerprint.hex());
            volatile = volatile.or_else(|| inside.volatile.clone());
        }
    }
    let fingerprint = Some(Fingerprint::of_parts(parts));
    Some(CompiledText { fingerprint, volatile, introspective: false })
}

/// The cache key of a compiled text: texts and config of the node and of the ephemeral models that
/// it reads, and names of relations. External inputs are compared separately.
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

/// Adds a node's text and config to a key.
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

/// The fingerprint of all forms of a node together.
fn fingerprint_forms(compiler: &Compiler, node: &Node, compiled: &CompiledNode) -> CompiledText {
    if compiled.error.is_some() {
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
                // The SQL is unknown, so the template's text stands for it.
                texts.push(node.text.as_ref().map(|t| normalize_sql(&t.raw)).unwrap_or_default());
            }
            CompiledForm::None => {}
        }
    }
    let asked = compiled.reads.iter();
    out.volatile = out.volatile.or_else(|| asked.clone().find_map(|r| changing(&r.question)));
    out.fingerprint = Some(Fingerprint::of_parts(texts));
    out
}

/// The name of an external input that is different in each command; `None` for all others.
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
