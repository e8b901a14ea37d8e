//! The results of a parse, cached for the next one: the result of each file, with the fingerprint
//! of its text and the external inputs that it read (`cache`).
//!
//! Results are plain data whose places are relative to their file, so that they can be stored
//! (`CacheFile`).

use super::nodes::raw_text;
use super::{DocBlock, ParsedNode, Properties};
use crate::cache::{Answers, Cache, CacheFile, KeyWriter};
use crate::context::{ContextProject, LogLine, RenderQuestion, RenderRead};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::jinja::{MacroDef, Renderer};
use crate::load::{FileKind, LoadedFile, LoadedProject};
use crate::source::{FileId, SourceMap, of_file};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ParsedItem {
    Nothing,
    Nodes(Vec<Arc<ParsedNode>>),
    Properties(Arc<Properties>),
    Docs(Vec<DocBlock>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParsedFile {
    pub(super) item: ParsedItem,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) logs: Vec<LogLine>,
}

/// Identifies a file of a project: its package, its path there and its kind.
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

/// A result in memory, or where its stored form is.
enum Form {
    Live(Arc<ParsedFile>),
    Stored(StoredRange),
}

impl Form {
    /// Appends the result in its stored form.
    fn append_to(&self, results: &mut Vec<u8>, stored: &StoredResults) -> StoredRange {
        let start = results.len();
        match self {
            Form::Live(parsed) => results.extend(encode_result(parsed)),
            Form::Stored(range) => {
                results.extend(range.bytes(stored.bytes()).unwrap_or_default());
            }
        }
        let length = u32::try_from(results.len() - start).unwrap_or_default();
        StoredRange(start as u64, length)
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Form, D::Error> {
        StoredRange::deserialize(deserializer).map(Form::Stored)
    }
}

/// A range of the stored results: its start and its length, in bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct StoredRange(u64, u32);

impl StoredRange {
    fn bytes(self, all: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.0).ok()?;
        all.get(start..start.checked_add(self.1 as usize)?)
    }
}

/// The stored results. They are read when the first one is needed, because often none is.
#[derive(Default)]
enum StoredResults {
    #[default]
    None,
    /// The file, read up to the results.
    Unread(Mutex<Box<dyn Read + Send>>),
    Bytes(Vec<u8>),
}

impl StoredResults {
    /// Reads the results. What cannot be read is missing, so that the files are parsed again.
    fn load(&mut self) {
        let StoredResults::Unread(reader) = self else { return };
        let reader = reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes);
        *self = StoredResults::Bytes(bytes);
    }

    fn bytes(&self) -> &[u8] {
        match self {
            StoredResults::Bytes(bytes) => bytes,
            StoredResults::None | StoredResults::Unread(_) => &[],
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CachedMacros {
    pub(super) text: Fingerprint,
    pub(super) defs: Vec<Arc<MacroDef>>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The diagnostics of macros that cannot be compiled.
    pub(super) unusable: Vec<Diagnostic>,
}

/// The number of files that were parsed and that were reused from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParseCounts {
    pub(crate) parsed: usize,
    pub(crate) reused: usize,
    pub(crate) macro_files: usize,
}

/// The results of an earlier parse, by file. A result is valid if the file's text and the inputs
/// that it read are the same.
#[derive(Default)]
pub(crate) struct ParseCache {
    /// The fingerprint of what all results depend on. If it changes, the cache is cleared.
    base: Option<Fingerprint>,
    pub(super) macros: FastMap<Place, CachedMacros>,
    pub(super) renderer: Option<Arc<Renderer>>,
    files: Cache<Place, RenderQuestion, Form>,
    /// The results that are not in memory yet.
    stored: StoredResults,
    pub(super) counts: ParseCounts,
    /// Whether the cache was cleared, so that none of it is stored yet.
    is_new: bool,
}

impl ParseCache {
    pub(crate) fn counts(&self) -> ParseCounts {
        self.counts
    }

    /// Whether the cache has results that are not stored yet.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_new || self.files.is_changed()
    }

    /// Starts a parse. Clears the cache if what all results depend on has changed.
    pub(super) fn begin(&mut self, sources: &LoadedProject) {
        let base = base(sources);
        if self.base != Some(base) {
            *self = ParseCache { base: Some(base), is_new: true, ..ParseCache::default() };
        }
        self.counts = ParseCounts::default();
    }

    /// The fingerprint of the files of a project: their texts, and the external inputs that they
    /// read. `None` if an input differs at every read.
    pub(crate) fn fingerprint(&self, sources: &LoadedProject) -> Option<Fingerprint> {
        let reads_of = self.files.fingerprints_of_reads();
        let mut key = KeyWriter::new("files").fingerprint(Some(self.base?));
        for package in &sources.packages {
            for file in &package.files {
                let place = Place::new(package.name(), file);
                key = key.text(&place.package).text(&place.path).number(place.kind as u64);
                key = key.fingerprint(Some(file.fingerprint));
                for read in reads_of(&place)? {
                    key = key.fingerprint(Some(read));
                }
            }
        }
        Some(key.finish())
    }

    /// Whether the cache has a valid result of every file and of no other.
    pub(crate) fn has_all(&self, sources: &LoadedProject, answers: &Answers) -> bool {
        let mut known = 0;
        for package in &sources.packages {
            for file in package.files.iter().filter(|file| is_parsed_alone(file)) {
                let place = Place::new(package.name(), file);
                if self.files.find(&place, file.fingerprint, answers).is_none() {
                    return false;
                }
                known += 1;
            }
        }
        known == self.files.len() && !self.is_new
    }

    /// Loads the stored results, which `find` needs.
    pub(super) fn load_results(&mut self) {
        self.stored.load();
    }

    /// Which reads still have the same answer.
    pub(super) fn answers(&self, context: &ContextProject) -> Answers {
        self.files.answers(|question| context.answer(question))
    }

    /// The cached result of a file, if it is still valid.
    pub(super) fn find(
        &self,
        place: &Place,
        file: &LoadedFile,
        map: &SourceMap,
        answers: &Answers,
    ) -> Option<Arc<ParsedFile>> {
        match self.files.find(place, file.fingerprint, answers)? {
            Form::Live(parsed) => Some(parsed.clone()),
            Form::Stored(range) => {
                let bytes = range.bytes(self.stored.bytes())?;
                decode_result(bytes, file.file, map.text(file.file))
            }
        }
    }

    /// Replaces the results by those of the current parse.
    pub(super) fn replace(&mut self, results: Vec<ParseResult>) {
        let known = results.iter().filter(|p| p.reads.is_none() || self.files.has(&p.place));
        if self.files.len() != known.count() {
            let there: FastSet<&Place> = results.iter().map(|p| &p.place).collect();
            self.files.retain(|place| there.contains(place));
        }
        let has_stored = !matches!(self.stored, StoredResults::None);
        for ParseResult { place, text, file, reads } in results {
            match reads {
                Some(reads) => self.files.insert(place, text, reads, Form::Live(file)),
                // The result was in its stored form and has been decoded.
                None if has_stored => self.files.replace_value(&place, Form::Live(file)),
                None => {}
            }
        }
        self.stored = StoredResults::None;
    }
}

/// Stores the results for another process. One with diagnostics in other files is never reused
/// (`RenderRead::never`). Results cannot contain secrets: those can be read in profiles and packages only.
impl CacheFile for ParseCache {
    const FILE: &'static str = "strata_parse.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        self.is_new = false;
        self.files.settle();
        self.stored.load();
        let mut results = Vec::new();
        let files = self.files.map_values(|form| form.append_to(&mut results, &self.stored));
        let index = rmp_serde::to_vec(&(self.base, files)).unwrap_or_default();
        [&(index.len() as u64).to_le_bytes(), &*index, &*results].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<ParseCache> {
        Self::from_reader(Box::new(Cursor::new(bytes.to_vec())))
    }

    fn from_reader(mut reader: Box<dyn Read + Send>) -> Option<ParseCache> {
        let mut length = [0; 8];
        reader.read_exact(&mut length).ok()?;
        let mut index = Vec::new();
        (&mut reader).take(u64::from_le_bytes(length)).read_to_end(&mut index).ok()?;
        let (base, files) = rmp_serde::from_slice(&index).ok()?;
        let stored = StoredResults::Unread(Mutex::new(reader));
        Some(ParseCache { base, files, stored, ..ParseCache::default() })
    }
}

/// The stored form of a result. The names of fields are kept: serde_json recognizes its numbers by
/// the name of their only field.
fn encode_result(parsed: &ParsedFile) -> Vec<u8> {
    rmp_serde::to_vec_named(parsed).unwrap_or_default()
}

/// Whether the file is parsed on its own: macros are parsed together, and fixtures when a unit test
/// reads them.
pub(super) fn is_parsed_alone(file: &LoadedFile) -> bool {
    !matches!(file.kind, FileKind::Macro | FileKind::GenericTest | FileKind::Fixture)
}

/// The result of a file. `reads` is `None` if it came from the cache.
pub(super) struct ParseResult {
    pub(super) place: Place,
    pub(super) text: Fingerprint,
    pub(super) file: Arc<ParsedFile>,
    pub(super) reads: Option<BTreeSet<RenderRead>>,
}

/// The fingerprint of what all results of a parse depend on.
fn base(sources: &LoadedProject) -> Fingerprint {
    let context = &sources.context;
    let mut key = KeyWriter::new("parse").text(&context.target.adapter);
    for is_quoted in context.quoting {
        key = key.flag(is_quoted);
    }
    key = key.flag(context.explicit_overrides).flag(context.wants_test_arguments);
    key = key.texts(&context.flags_set);
    key = key.texts(sources.packages.iter().map(|p| p.name()));
    for dispatch in &sources.root().options.dispatch {
        key = key.text(&dispatch.namespace).texts(&dispatch.search_order);
    }
    key.finish()
}

/// Decodes a stored result and adds the texts, which are not stored.
fn decode_result(bytes: &[u8], file: FileId, text: &Arc<str>) -> Option<Arc<ParsedFile>> {
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

/// Whether all diagnostics of a result are in its own file, so that it does not depend on other
/// files.
pub(super) fn is_own(diagnostics: &[Diagnostic], file: FileId) -> bool {
    diagnostics.iter().all(|d| d.primary.iter().chain(&d.secondary).all(|l| l.span.file == file))
}
