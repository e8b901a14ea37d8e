//! What a parse leaves for the next one: each file's result, with its text's fingerprint and what it
//! asked of the world (`cache`).
//!
//! Results are plain data whose places are relative to their file, so that they can be stored
//! (`Stored`).

use super::nodes::raw_text;
use super::{DocBlock, ParsedNode, Properties};
use crate::cache::{Answers, Cache, KeyWriter, Stored};
use crate::context::{ContextProject, LogLine, RenderQuestion, RenderRead};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::jinja::{MacroDef, Renderer};
use crate::load::{FileKind, LoadedFile, Sources};
use crate::source::{FileId, SourceMap, of_file};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a file's text becomes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ParsedItem {
    Nothing,
    Nodes(Vec<Arc<ParsedNode>>),
    Properties(Arc<Properties>),
    Docs(Vec<DocBlock>),
}

/// The result of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParsedFile {
    pub(super) item: ParsedItem,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) logs: Vec<LogLine>,
}

/// A file of a project: its package, its path there, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Place {
    package: Arc<str>,
    path: Arc<str>,
    kind: FileKind,
}

impl Place {
    pub(super) fn new(package: &Arc<str>, file: &LoadedFile) -> Place {
        Place { package: package.clone(), path: file.original_file_path.clone(), kind: file.kind }
    }
}

/// A result in memory, or as it was stored.
#[derive(Debug)]
enum Form {
    Live(Arc<ParsedFile>),
    Bytes(Vec<u8>),
}

impl Serialize for Form {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // With names: numbers of JSON are known by the name of their only field.
            Form::Live(parsed) => {
                let bytes = rmp_serde::to_vec_named(&**parsed).map_err(S::Error::custom)?;
                serializer.serialize_bytes(&bytes)
            }
            Form::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Form, D::Error> {
        serde_bytes::deserialize(deserializer).map(Form::Bytes)
    }
}

/// The macros of a file.
#[derive(Clone, Debug)]
pub(super) struct CachedMacros {
    pub(super) text: Fingerprint,
    pub(super) defs: Vec<Arc<MacroDef>>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What is wrong with those that cannot be compiled.
    pub(super) unusable: Vec<Diagnostic>,
}

/// What was made again and what was used again, in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) parsed: usize,
    pub(crate) reused: usize,
    pub(crate) macro_files: usize,
}

/// Results of an earlier parse, by file: the key is the file's text, the reads are what its render
/// asked.
#[derive(Debug, Default)]
pub(crate) struct ParseCache {
    /// Of what all results depend on. Another one: nothing can be used.
    base: Option<Fingerprint>,
    pub(super) macros: FastMap<Place, CachedMacros>,
    pub(super) renderer: Option<Arc<Renderer>>,
    files: Cache<Place, RenderQuestion, Form>,
    /// Some results are as they were stored.
    is_frozen: bool,
    pub(super) counts: Counts,
    /// Nothing of it is stored, since it was made under other circumstances.
    is_new: bool,
}

impl ParseCache {
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the last parse made something that was not stored yet.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_new || self.files.is_changed()
    }

    /// Begins a parse: drops everything if it was made under other circumstances.
    pub(super) fn begin(&mut self, sources: &Sources) {
        let base = base(sources);
        if self.base != Some(base) {
            *self = ParseCache { base: Some(base), is_new: true, ..ParseCache::default() };
        }
        self.counts = Counts::default();
    }

    /// A fingerprint of what the files of a project became with this parse: of their texts, and of
    /// what they asked of the world with the answers. None: something in it is made anew each time.
    pub(crate) fn fingerprint(&self, sources: &Sources) -> Option<Fingerprint> {
        let reads_of = self.files.fingerprints_of_reads();
        let mut key = KeyWriter::new("files").fingerprint(Some(self.base?));
        for package in &sources.packages {
            for file in &package.files {
                let place = Place::new(package.name(), file);
                key = key.text(&place.package).text(&place.path).number(place.kind as u64);
                key = key.fingerprint(Some(file.print));
                for read in reads_of(&place)? {
                    key = key.fingerprint(Some(read));
                }
            }
        }
        Some(key.finish())
    }

    /// Which reads still get the answer that they got.
    pub(super) fn answers(&self, context: &ContextProject) -> Answers {
        self.files.answers(|question| context.answer(question))
    }

    /// The result of a file from before, if it holds.
    pub(super) fn find(
        &self,
        place: &Place,
        file: &LoadedFile,
        map: &SourceMap,
        answers: &Answers,
    ) -> Option<Arc<ParsedFile>> {
        match self.files.find(place, file.print, answers)? {
            Form::Live(parsed) => Some(parsed.clone()),
            Form::Bytes(bytes) => thaw(bytes, file.file, map.text(file.file)),
        }
    }

    /// Takes the results of a parse in place of those before it.
    pub(super) fn replace(&mut self, results: Vec<Parsed>) {
        let known = results.iter().filter(|p| p.reads.is_none() || self.files.has(&p.place));
        if self.files.len() != known.count() {
            let there: FastSet<&Place> = results.iter().map(|p| &p.place).collect();
            self.files.retain(|place| there.contains(place));
        }
        for Parsed { place, text, file, reads } in results {
            match reads {
                Some(reads) => self.files.insert(place, text, reads, Form::Live(file)),
                // What was stored is in memory now.
                None if self.is_frozen => self.files.replace_value(&place, Form::Live(file)),
                None => {}
            }
        }
        self.is_frozen = false;
    }
}

/// For storing: what can be used by another process. Results that complain of places in other files
/// stay out. Secrets cannot be among it: they can be read in profiles and packages only.
impl Stored for ParseCache {
    const FILE: &'static str = "strata_parse.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        self.is_new = false;
        self.files.settle();
        rmp_serde::to_vec(&(self.base, &self.files)).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<ParseCache> {
        let (base, files) = rmp_serde::from_slice(bytes).ok()?;
        Some(ParseCache { base, files, is_frozen: true, ..ParseCache::default() })
    }
}

/// A file's result, with its reads when it is new.
pub(super) struct Parsed {
    pub(super) place: Place,
    pub(super) text: Fingerprint,
    pub(super) file: Arc<ParsedFile>,
    pub(super) reads: Option<BTreeSet<RenderRead>>,
}

/// What all results of a parse depend on.
fn base(sources: &Sources) -> Fingerprint {
    let context = &sources.context;
    let mut key = KeyWriter::new("parse").text(&context.target.adapter);
    for is_quoted in context.quoting {
        key = key.flag(is_quoted);
    }
    key = key.flag(context.explicit_overrides).texts(&context.flags_set);
    key = key.texts(sources.packages.iter().map(|p| p.name()));
    for dispatch in &sources.root().options.dispatch {
        key = key.text(&dispatch.namespace).texts(&dispatch.search_order);
    }
    key.finish()
}

/// A stored result, with the texts that it was stored without.
fn thaw(bytes: &[u8], file: FileId, text: &Arc<str>) -> Option<Arc<ParsedFile>> {
    let mut parsed: ParsedFile = of_file(file, || rmp_serde::from_slice(bytes)).ok()?;
    if let ParsedItem::Nodes(nodes) = &mut parsed.item {
        for node in nodes.iter_mut().filter_map(Arc::get_mut) {
            if let Some(own) = &mut node.text {
                own.raw =
                    raw_text(node.kind, text.get(own.range.0 as usize..own.range.1 as usize)?);
            }
        }
    }
    Some(Arc::new(parsed))
}

/// Whether a result holds whatever becomes of other files: it complains of no place in another one.
pub(super) fn is_own(diagnostics: &[Diagnostic], file: FileId) -> bool {
    diagnostics.iter().all(|d| d.primary.iter().chain(&d.secondary).all(|l| l.span.file == file))
}
