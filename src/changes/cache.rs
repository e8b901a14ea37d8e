//! What is known of compiled texts and definitions from before.

use crate::cache::{Cache, Stored};
use crate::context::{RenderQuestion, RenderRead};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Node, UniqueId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A compiled text: its print and what else there is to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CompiledText {
    pub(super) print: Option<Fingerprint>,
    pub(super) volatile: Option<String>,
    pub(super) introspective: bool,
}

/// Compiled prints of earlier commands, by unique id.
#[derive(Debug, Default)]
pub(crate) struct CompileCache {
    pub(super) texts: Cache<String, RenderQuestion, CompiledText>,
    pub(super) compiled: usize,
    /// How nodes were defined the last time, within a process.
    pub(super) known: FastMap<UniqueId, KnownDefinition>,
}

/// The parts of a definition, and what they hold for: the same node, macros and compiled text.
#[derive(Clone, Debug)]
pub(super) struct KnownDefinition {
    pub(super) node: Arc<Node>,
    pub(super) macros: Fingerprint,
    pub(super) print: Option<Fingerprint>,
    pub(super) parts: Arc<BTreeMap<String, String>>,
}

impl CompileCache {
    pub(crate) fn is_changed(&self) -> bool {
        self.texts.is_changed()
    }

    /// How many nodes were compiled the last time.
    pub(crate) fn compiled(&self) -> usize {
        self.compiled
    }

    /// What the compiled texts of some nodes, by unique id, asked of the world.
    pub(crate) fn reads<'a>(&self, nodes: impl Iterator<Item = &'a str>) -> BTreeSet<&RenderRead> {
        nodes.flat_map(|id| self.texts.reads_of(id)).collect()
    }
}

impl Stored for CompileCache {
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
