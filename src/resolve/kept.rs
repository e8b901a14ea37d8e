//! Nodes that the last pass has resolved, used again while what they were made of is the same.
//!
//! What a node is made of: its item (a parsed node, or a place in a properties file), the entry
//! that describes it, and circumstances that all nodes share: project files, names of macros, doc
//! blocks, the target, and what the macros of names and hooks asked of the world. Items are
//! compared by identity: `parse` hands on the same item when nothing in it has changed. Ids and
//! edges are not kept: they are of one manifest.

use crate::config::{COMPARE_WRITTEN, Yaml, YamlMap, YamlValue};
use crate::context::{ContextProject, Read};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::load::Sources;
use crate::manifest::Node;
use crate::parse::{ParsedNode, ParsedProject, Properties, PropertyEntry, VersionPatch};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ptr;
use std::sync::Arc;

/// What a node is made of. Holding it keeps its address from being given to another.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Node(Arc<ParsedNode>),
    Source(Arc<Properties>, usize),
    Entry(Arc<Properties>, usize),
    Test(Arc<Properties>, usize),
}

/// A name for an item while it is held: which kind, its address, its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u8, usize, usize);

impl Item {
    pub(super) fn key(&self) -> Key {
        match self {
            Item::Node(node) => Key(0, Arc::as_ptr(node).addr(), 0),
            Item::Source(file, i) => Key(1, Arc::as_ptr(file).addr(), *i),
            Item::Entry(file, i) => Key(2, Arc::as_ptr(file).addr(), *i),
            Item::Test(file, i) => Key(3, Arc::as_ptr(file).addr(), *i),
        }
    }
}

/// The entry that describes a node, and of which version it is.
#[derive(Clone, Copy)]
pub(super) struct Described<'a> {
    pub(super) entry: &'a PropertyEntry,
    pub(super) file: &'a Arc<Properties>,
    pub(super) version: Option<&'a VersionPatch>,
}

#[derive(Debug)]
struct KeptNode {
    #[allow(dead_code)] // held, so that its address stays its own
    item: Item,
    /// The description's file, held for the same reason, with the addresses of the entry and the
    /// version.
    described: Option<(Arc<Properties>, usize, usize)>,
    /// None: the item made no node.
    node: Option<Arc<Node>>,
    diagnostics: Vec<Diagnostic>,
}

/// The result of the last pass.
#[derive(Debug, Default)]
pub(crate) struct KeptNodes {
    circumstances: Option<Fingerprint>,
    reads: BTreeSet<Read>,
    nodes: FastMap<Key, KeptNode>,
    made: usize,
}

fn addresses(described: Option<&Described<'_>>) -> Option<(usize, usize)> {
    described
        .map(|d| (ptr::from_ref(d.entry).addr(), d.version.map_or(0, |v| ptr::from_ref(v).addr())))
}

impl KeptNodes {
    /// How many nodes the last pass made anew.
    pub(crate) fn made(&self) -> usize {
        self.made
    }

    /// What the nodes asked of the world.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &Read> {
        self.reads.iter()
    }

    /// Begins a pass over so many items: what was made under other circumstances is dropped.
    pub(super) fn begin(&mut self, sources: &Sources, parsed: &ParsedProject, items: usize) {
        let context = &parsed.context;
        let circumstances = Some(circumstances(sources, parsed));
        let same = |r: &Read| context.answer(&r.question).is_some_and(|now| now == r.answer);
        if self.circumstances != circumstances || !self.reads.iter().all(same) {
            self.nodes.clear();
            self.reads.clear();
            self.circumstances = circumstances;
        }
        self.nodes.reserve(items.saturating_sub(self.nodes.len()));
        self.made = 0;
    }

    /// Ends a pass, with the items that it was over and what it asked of the world.
    pub(super) fn end(&mut self, items: Vec<Key>, reads: BTreeSet<Read>) {
        if items.len() != self.nodes.len() {
            let items: FastSet<Key> = items.into_iter().collect();
            self.nodes.retain(|key, _| items.contains(key));
        }
        self.reads.extend(reads);
    }

    /// The node of an item from before, with what there was to say of it. None: it has to be made.
    pub(super) fn find(
        &self,
        item: &Item,
        described: Option<&Described<'_>>,
    ) -> Option<(Option<Arc<Node>>, Vec<Diagnostic>)> {
        let kept = self.nodes.get(&item.key())?;
        if kept.described.as_ref().map(|(_, entry, version)| (*entry, *version))
            != addresses(described)
        {
            return None;
        }
        Some((kept.node.clone(), kept.diagnostics.clone()))
    }

    pub(super) fn keep(
        &mut self,
        item: Item,
        described: Option<&Described<'_>>,
        node: Option<Arc<Node>>,
        diagnostics: &[Diagnostic],
    ) {
        self.made += 1;
        let described = described
            .zip(addresses(described))
            .map(|(d, (entry, version))| (d.file.clone(), entry, version));
        let kept = KeptNode { described, node, diagnostics: diagnostics.to_vec(), item };
        self.nodes.insert(kept.item.key(), kept);
    }

    /// Changes a node to what it is in the finished manifest, ids and edges included, and takes it
    /// over, so that the next pass shares it. It is copied only if the last manifest has it too.
    pub(super) fn change(
        &mut self,
        key: Key,
        node: &mut Arc<Node>,
        change: impl FnOnce(&mut Node),
    ) {
        let mut kept = self.nodes.get_mut(&key);
        if let Some(kept) = &mut kept {
            kept.node = None;
        }
        change(Arc::make_mut(node));
        if let Some(kept) = kept {
            kept.node = Some(node.clone());
        }
    }
}

/// What all nodes depend on.
fn circumstances(sources: &Sources, parsed: &ParsedProject) -> Fingerprint {
    let mut parts: Vec<String> = Vec::new();
    for package in &sources.packages {
        let options = &package.options;
        parts.push(format!("{} {:?}", package.name(), options.dispatch));
        let mut shape = String::new();
        for (name, section) in &options.sections {
            shape.push_str(name);
            print_of(section, &mut shape);
            options
                .written_section(name)
                .into_iter()
                .for_each(|written| print_of(written, &mut shape));
        }
        parts.push(shape);
    }
    parts.push(sources.root().options.flags.is_set(COMPARE_WRITTEN, false).to_string());
    let registry = parsed.engine.registry();
    parts.extend(
        registry.defs().iter().map(|d| format!("{} {}", d.unique_id, registry.is_internal(d))),
    );
    parts.extend(
        parsed.docs.iter().flat_map(|d| [d.package.to_string(), d.name.clone(), d.text.clone()]),
    );
    for change in parsed.properties.iter().flat_map(|file| &file.overrides) {
        let mut shape = format!("{} {} {:?}", change.package, change.source, change.span);
        print_map(&change.map, &mut shape);
        parts.push(shape);
    }
    parts.push(target(&parsed.context));
    Fingerprint::of_parts(parts)
}

/// A tree with the places of its values, but for their ends: that of the last mapping moves with
/// the end of the file.
fn print_of(y: &Yaml, out: &mut String) {
    let _ = write!(out, " {}:", y.span.start);
    match &y.value {
        YamlValue::Map(map) => print_map(map, out),
        YamlValue::Seq(items) => {
            items.iter().for_each(|item| print_of(item, out));
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar:?}");
        }
    }
}

fn print_map(map: &YamlMap, out: &mut String) {
    for (key, value) in map.iter() {
        let _ = write!(out, " {}={}", key.span.start, key.text);
        print_of(value, out);
    }
    out.push('}');
}

/// Where nodes are stored if nothing says otherwise.
fn target(context: &ContextProject) -> String {
    let t = &context.target;
    format!("{} {} {} {:?}", t.adapter, t.database, t.schema, context.quoting)
}
