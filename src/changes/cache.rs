//! The cache of compiled texts and definitions.

use crate::cache::{Cache, CacheFile};
use crate::context::{RenderQuestion, RenderRead};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Node, UniqueId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The fingerprint of a compiled text, and how far it can be relied on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CompiledText {
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) volatile: Option<String>,
    pub(super) introspective: bool,
}

/// Compiled texts of earlier commands, by unique id.
#[derive(Debug, Default)]
pub(crate) struct CompileCache {
    pub(super) texts: Cache<String, RenderQuestion, CompiledText>,
    pub(super) compiled: usize,
    /// The latest definitions of nodes. They are kept within a process, but not stored.
    pub(super) definitions: FastMap<UniqueId, CachedDefinition>,
}

/// The parts of a definition. They are valid as long as the node, all macros and the compiled text
/// are the same.
#[derive(Clone, Debug)]
pub(super) struct CachedDefinition {
    pub(super) node: Arc<Node>,
    pub(super) macros_and_vars: Fingerprint,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) parts: Arc<BTreeMap<String, String>>,
}

impl CompileCache {
    pub(crate) fn is_changed(&self) -> bool {
        self.texts.is_changed()
    }

    /// How many nodes had to be compiled in the latest call of `define_nodes`.
    pub(crate) fn compiled(&self) -> usize {
        self.compiled
    }

    /// The external inputs read (variables, environment, target, macros) by the compiled texts of
    /// some nodes.
    pub(crate) fn reads<'a>(&self, nodes: impl Iterator<Item = &'a str>) -> BTreeSet<&RenderRead> {
        nodes.flat_map(|id| self.texts.reads_of(id)).collect()
    }
}

impl CacheFile for CompileCache {
    const FILE: &'static str = "strata_prints.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        self.texts.settle();
        rmp_serde::to_vec(&self.texts).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<CompileCache> {
        let texts = rmp_serde::from_slice(bytes).ok()?;
        Some(CompileCache { texts, ..CompileCache::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "what the text is made of";

    fn asks(variable: &str) -> RenderRead {
        RenderRead {
            question: RenderQuestion::Env(variable.to_owned()),
            answer: Some(Fingerprint::of("1")),
        }
    }

    fn text(print: &str) -> CompiledText {
        let volatile = Some("now".to_owned());
        CompiledText { fingerprint: Some(Fingerprint::of(print)), volatile, introspective: true }
    }

    /// A cache with two texts that read environment variables.
    fn filled() -> CompileCache {
        let mut cache = CompileCache::default();
        let mut add = |id: &str, asked: &[&str]| {
            let reads = asked.iter().map(|variable| asks(variable));
            cache.texts.insert(id.to_owned(), Fingerprint::of(KEY), reads, text(id));
        };
        add("model.shop.a", &["X", "Y"]);
        add("model.shop.b", &["Y", "Z"]);
        cache
    }

    #[test]
    fn what_is_stored_is_known_again() {
        assert!(!CompileCache::default().is_changed());
        let mut cache = filled();
        assert!(cache.is_changed());
        let bytes = cache.to_bytes();
        assert!(!cache.is_changed(), "it is stored");
        let again = CompileCache::from_bytes(&bytes).unwrap();
        assert!(!again.is_changed());
        assert_eq!((again.compiled(), again.definitions.len()), (0, 0));
        let same = again.texts.answers(|_| Some(Some(Fingerprint::of("1"))));
        let found = again.texts.find("model.shop.a", Fingerprint::of(KEY), &same);
        assert_eq!(found, Some(&text("model.shop.a")));
        let other = again.texts.answers(|_| Some(Some(Fingerprint::of("2"))));
        assert_eq!(again.texts.find("model.shop.a", Fingerprint::of(KEY), &other), None);
    }

    #[test]
    fn bytes_that_cannot_be_read_are_nothing() {
        assert!(CompileCache::from_bytes(b"what?").is_none());
        assert!(CompileCache::from_bytes(&[]).is_none());
    }

    #[test]
    fn what_texts_ask_is_told_once() {
        let cache = filled();
        let asked = |ids: &[&'static str]| -> Vec<RenderRead> {
            cache.reads(ids.iter().copied()).into_iter().cloned().collect()
        };
        assert_eq!(asked(&["model.shop.b"]), [asks("Y"), asks("Z")]);
        assert_eq!(asked(&["model.shop.b", "model.shop.a"]), [asks("X"), asks("Y"), asks("Z")]);
        assert!(asked(&["model.shop.c"]).is_empty());
    }
}
