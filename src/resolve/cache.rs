//! The nodes that the last pass resolved, reused as long as their inputs are the same.
//!
//! The inputs of a node are its item (a parsed node, or a place in a properties file), the entry
//! that describes it, and inputs that all nodes share: project files, names of macros, doc
//! blocks, the target, and the external inputs that the macros of names and hooks read. Items are
//! compared by address: `parse` returns the same item if nothing in it has changed. Ids and
//! edges are not cached, since they belong to one manifest.

use super::edits::LastPass;
use crate::cache::KeyWriter;
use crate::config::{COMPARE_UNRENDERED, Yaml, YamlMap, YamlValue};
use crate::context::{ContextProject, RenderRead};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::load::{FileKind, LoadedProject};
use crate::manifest::Node;
use crate::parse::{ParsedNode, ParsedProject, Properties, PropertyEntry, VersionPatch};
use std::collections::BTreeSet;
use std::ptr;
use std::sync::Arc;

/// The item that a node is made from. Holding it keeps its address from being reused.
#[derive(Clone, Debug)]
pub(super) enum ResolvedItem {
    Node(Arc<ParsedNode>),
    /// A function and its overloads.
    Function(Arc<ParsedNode>, Vec<Arc<ParsedNode>>),
    Source(Arc<Properties>, usize),
    Entry(Arc<Properties>, usize),
    Test(Arc<Properties>, usize),
    /// A unit test of one version of a model, by the version's place among them.
    UnitTest(Arc<Properties>, usize, usize),
    /// A measure of a semantic model, by the index of the entry and its own: it becomes a metric.
    Measure(Arc<Properties>, usize, usize),
}

/// Identifies an item while it is held: its kind, its address, its index there and a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ItemKey(u8, usize, usize, usize);

impl ResolvedItem {
    pub(super) fn key(&self) -> ItemKey {
        match self {
            ResolvedItem::Node(node) => ItemKey(0, Arc::as_ptr(node).addr(), 0, 0),
            ResolvedItem::Function(node, overloads) => {
                let of_overloads = Fingerprint::of_parts(
                    overloads.iter().map(|file| Arc::as_ptr(file).addr().to_string()),
                );
                ItemKey(6, Arc::as_ptr(node).addr(), first_word(&of_overloads), overloads.len())
            }
            ResolvedItem::Source(file, i) => ItemKey(1, Arc::as_ptr(file).addr(), *i, 0),
            ResolvedItem::Entry(file, i) => ItemKey(2, Arc::as_ptr(file).addr(), *i, 0),
            ResolvedItem::Test(file, i) => ItemKey(3, Arc::as_ptr(file).addr(), *i, 0),
            ResolvedItem::UnitTest(file, i, n) => ItemKey(4, Arc::as_ptr(file).addr(), *i, *n),
            ResolvedItem::Measure(file, i, n) => ItemKey(5, Arc::as_ptr(file).addr(), *i, *n),
        }
    }
}

fn first_word(fingerprint: &Fingerprint) -> usize {
    let bytes = fingerprint.as_bytes().iter().take(size_of::<usize>());
    bytes.fold(0, |word, byte| word << 8 | usize::from(*byte))
}

/// The entry that describes a node, and the version that it describes.
#[derive(Clone, Copy)]
pub(super) struct NodeDescription<'a> {
    pub(super) entry: &'a PropertyEntry,
    pub(super) file: &'a Arc<Properties>,
    pub(super) version: Option<&'a VersionPatch>,
}

#[derive(Debug)]
struct CachedNode {
    /// Held so that no other item can get its address, which is part of the key.
    item: ResolvedItem,
    /// The file of the description, held for the same reason, and the addresses of the entry and of
    /// the version (0 if there is none).
    described: Option<(Arc<Properties>, usize, usize)>,
    /// `None`: the item did not result in a node.
    node: Option<Arc<Node>>,
    diagnostics: Vec<Diagnostic>,
}

/// The nodes of the last pass.
#[derive(Debug, Default)]
pub(crate) struct ResolveCache {
    circumstances: Option<Fingerprint>,
    reads: BTreeSet<RenderRead>,
    nodes: FastMap<ItemKey, CachedNode>,
    made: usize,
    pub(super) last: Option<LastPass>,
}

fn addresses(described: Option<&NodeDescription<'_>>) -> Option<(usize, usize)> {
    described
        .map(|d| (ptr::from_ref(d.entry).addr(), d.version.map_or(0, |v| ptr::from_ref(v).addr())))
}

impl ResolveCache {
    /// The number of nodes that the last pass made instead of reusing them.
    pub(crate) fn made(&self) -> usize {
        self.made
    }

    /// The external inputs that the nodes read.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &RenderRead> {
        self.reads.iter()
    }

    /// Starts a pass. Clears the cache if the shared inputs have changed.
    pub(super) fn begin(&mut self, sources: &LoadedProject, parsed: &ParsedProject) {
        let context = &parsed.context;
        let circumstances = Some(circumstances(sources, parsed));
        if self.circumstances != circumstances
            || !self.reads.iter().all(|read| context.still_answers(read))
        {
            self.nodes.clear();
            self.reads.clear();
            self.last = None;
            self.circumstances = circumstances;
        }
        self.made = 0;
    }

    /// Makes room for the nodes of this many items.
    pub(super) fn reserve(&mut self, items: usize) {
        self.nodes.reserve(items.saturating_sub(self.nodes.len()));
    }

    /// Ends a pass: drops the nodes of items that no longer exist, and adds the inputs that were
    /// read.
    pub(super) fn end(&mut self, items: Vec<ItemKey>, reads: BTreeSet<RenderRead>) {
        if items.len() != self.nodes.len() {
            let items: FastSet<ItemKey> = items.into_iter().collect();
            self.nodes.retain(|key, _| items.contains(key));
        }
        self.note_reads(reads);
    }

    /// Adds the external inputs that nodes read.
    pub(super) fn note_reads(&mut self, reads: BTreeSet<RenderRead>) {
        self.reads.extend(reads);
    }

    /// Drops the node of an item that was edited.
    pub(super) fn forget(&mut self, item: &ResolvedItem) {
        self.nodes.remove(&item.key());
    }

    /// The cached node of an item, with its diagnostics. `None`: the node has to be made.
    pub(super) fn find(
        &self,
        item: &ResolvedItem,
        described: Option<&NodeDescription<'_>>,
    ) -> Option<(Option<Arc<Node>>, Vec<Diagnostic>)> {
        let known = self.nodes.get(&item.key())?;
        if known.described.as_ref().map(|(_, entry, version)| (*entry, *version))
            != addresses(described)
        {
            return None;
        }
        Some((known.node.clone(), known.diagnostics.clone()))
    }

    pub(super) fn insert(
        &mut self,
        item: ResolvedItem,
        described: Option<&NodeDescription<'_>>,
        node: Option<Arc<Node>>,
        diagnostics: &[Diagnostic],
    ) {
        self.made += 1;
        let described = described
            .zip(addresses(described))
            .map(|(d, (entry, version))| (d.file.clone(), entry, version));
        let made = CachedNode { described, node, diagnostics: diagnostics.to_vec(), item };
        self.nodes.insert(made.item.key(), made);
    }

    /// Changes a node to its final form in the manifest, with ids and edges, and puts it into the
    /// cache, so that the next pass shares it. The node is copied only if the previous manifest
    /// shares it, too; therefore the cache drops its own reference first.
    pub(super) fn change(
        &mut self,
        key: ItemKey,
        node: &mut Arc<Node>,
        change: impl FnOnce(&mut Node),
    ) {
        let mut known = self.nodes.get_mut(&key);
        if let Some(known) = &mut known {
            known.node = None;
        }
        change(Arc::make_mut(node));
        if let Some(known) = known {
            known.node = Some(node.clone());
        }
    }
}

/// The fingerprint of the inputs that all nodes share.
fn circumstances(sources: &LoadedProject, parsed: &ParsedProject) -> Fingerprint {
    let mut key = KeyWriter::new("circumstances");
    for package in &sources.packages {
        let options = &package.options;
        key = key.text(package.name());
        for fixture in package.files.iter().filter(|file| file.kind == FileKind::Fixture) {
            key = key.text(&fixture.path).fingerprint(Some(fixture.fingerprint));
        }
        for dispatch in &options.dispatch {
            key = key.text(&dispatch.namespace).texts(&dispatch.search_order);
        }
        for (name, section) in &options.sections {
            key = write_yaml(key.text(name), section);
            if let Some(written) = options.unrendered_section(name) {
                key = write_yaml(key, written);
            }
        }
    }
    key = key.flag(sources.root().options.flags.is_set(COMPARE_UNRENDERED, false));
    let registry = parsed.renderer.registry();
    for def in registry.defs() {
        key = key.text(&def.unique_id).flag(registry.is_internal(def));
    }
    for doc in &parsed.docs {
        key = key.text(&doc.package).text(&doc.name).text(&doc.text);
    }
    for change in parsed.properties.iter().flat_map(|file| &file.overrides) {
        key = key.text(&change.package).text(&change.source);
        key = key.number(u64::from(change.span.start)).number(u64::from(change.span.end));
        key = write_map(key, &change.map);
    }
    write_target(key, &parsed.context).flag(parsed.context.store_failures).finish()
}

/// Writes a tree with the start of each value's span. The ends are left out, because that of the
/// last mapping changes with the end of the file.
fn write_yaml(key: KeyWriter, yaml: &Yaml) -> KeyWriter {
    let key = key.number(u64::from(yaml.span.start));
    match &yaml.value {
        YamlValue::Map(map) => write_map(key.text("map"), map),
        YamlValue::Seq(items) => {
            let key = key.text("list").number(items.len() as u64);
            items.iter().fold(key, write_yaml)
        }
        YamlValue::Null => key.optional(None),
        YamlValue::Bool(value) => key.flag(*value),
        YamlValue::Int(value) => key.text("int").number(value.cast_unsigned()),
        YamlValue::BigInt(digits) => key.text("int").text(digits),
        YamlValue::Float(value) => key.text("float").number(value.to_bits()),
        YamlValue::Date(text) => key.text("date").text(text),
        YamlValue::Str(text) => key.text("text").text(text),
    }
}

fn write_map(key: KeyWriter, map: &YamlMap) -> KeyWriter {
    let key = key.number(map.iter().count() as u64);
    map.iter().fold(key, |key, (name, value)| {
        write_yaml(key.number(u64::from(name.span.start)).text(&name.text), value)
    })
}

/// Writes the parts of the target that decide where nodes are stored.
fn write_target(key: KeyWriter, context: &ContextProject) -> KeyWriter {
    let target = &context.target;
    let key = key.text(&target.adapter).text(&target.database).text(&target.schema);
    context.quoting.into_iter().fold(key, KeyWriter::flag)
}
