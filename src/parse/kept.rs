//! What a parse keeps for the next one: each file's result, with its text's print and what it asked
//! of the world.
//!
//! A result is used again when its file has the same text and all its reads get the same answers.
//! Reads are held in one table, since most files ask the same: each is answered once a parse.
//! Results are plain data whose places are relative to their file, so that they can be stored
//! (`store`); the tool's own print is part of what must be equal.

use super::nodes::raw_text;
use super::{DocBlock, ParsedNode, Properties};
use crate::context::{Answers, ContextProject, LogLine, Read, ReadTable};
use crate::diag::Diagnostic;
use crate::hash::{FastMap, FastSet, Fingerprint};
use crate::jinja::{Engine, MacroDef};
use crate::load::{FileKind, LoadedFile, Sources};
use crate::source::{FileId, SourceMap, Span, of_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a file's text becomes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Item {
    Nothing,
    Nodes(Vec<Arc<ParsedNode>>),
    Properties(Arc<Properties>),
    Docs(Vec<DocBlock>),
}

/// The result of a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ParsedFile {
    pub(super) item: Item,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) logs: Vec<LogLine>,
}

/// A file of a project: its package, its path there, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

#[derive(Debug)]
enum Form {
    Live(Arc<ParsedFile>),
    /// As it was stored.
    Bytes(Vec<u8>),
}

#[derive(Debug)]
struct KeptFile {
    text: Fingerprint,
    form: Form,
    /// Numbers in the table of reads.
    reads: Vec<u32>,
}

/// The macros of a file.
#[derive(Clone, Debug)]
pub(super) struct KeptMacros {
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

/// Results of an earlier parse.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Of the tool and of what all results depend on. Another one: nothing can be used.
    base: Option<Fingerprint>,
    pub(super) macros: FastMap<Place, KeptMacros>,
    pub(super) engine: Option<Arc<Engine>>,
    files: FastMap<Place, KeptFile>,
    reads: ReadTable,
    /// Some results are as they were stored.
    frozen: bool,
    pub(super) counts: Counts,
    /// Whether there is something to store that was not there.
    changed: bool,
}

impl Kept {
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the last parse made something that was not stored yet.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Begins a parse: drops everything if it was made under other circumstances.
    pub(super) fn begin(&mut self, sources: &Sources) {
        let base = base(sources);
        if self.base != Some(base) {
            *self = Kept { base: Some(base), changed: true, ..Kept::default() };
        }
        self.counts = Counts::default();
    }

    /// A print of what the files of a project became with this parse: of their texts, and of what
    /// they asked of the world with the answers. None: something in it is made anew each time.
    pub(crate) fn print(&self, sources: &Sources) -> Option<Fingerprint> {
        let reads = self.reads.prints();
        let mut parts = vec![self.base?.hex()];
        for package in &sources.packages {
            for file in &package.files {
                let place = Place::new(package.name(), file);
                parts.push(format!(
                    "{} {} {:?} {}",
                    place.package,
                    place.path,
                    place.kind,
                    file.print.hex()
                ));
                let Some(kept) = self.files.get(&place) else { continue };
                let mut asked: Vec<Fingerprint> = kept
                    .reads
                    .iter()
                    .map(|r| reads.get(*r as usize).copied().flatten())
                    .collect::<Option<_>>()?;
                asked.sort_unstable();
                parts.extend(asked.into_iter().map(Fingerprint::hex));
            }
        }
        Some(Fingerprint::of_parts(parts))
    }

    /// Which reads still get the answer that they got.
    pub(super) fn answers(&self, context: &ContextProject) -> Answers {
        self.reads.answers(context)
    }

    /// The result of a file from before, if it holds.
    pub(super) fn find(
        &self,
        place: &Place,
        file: &LoadedFile,
        map: &SourceMap,
        answers: &Answers,
    ) -> Option<Arc<ParsedFile>> {
        let kept =
            self.files.get(place).filter(|k| k.text == file.print && answers.hold(&k.reads))?;
        match &kept.form {
            Form::Live(parsed) => Some(parsed.clone()),
            Form::Bytes(bytes) => thaw(bytes, file.file, map.text(file.file)),
        }
    }

    /// Takes the results of a parse in place of those before it.
    pub(super) fn replace(&mut self, results: Vec<Parsed>) {
        let known = |p: &&Parsed| p.reads.is_none() || self.files.contains_key(&p.place);
        if self.files.len() != results.iter().filter(known).count() {
            let there: FastSet<&Place> = results.iter().map(|p| &p.place).collect();
            self.files.retain(|place, _| there.contains(place));
            self.changed = true;
        }
        for Parsed { place, text, file, reads } in results {
            match reads {
                Some(reads) => {
                    self.changed = true;
                    let reads = self.reads.numbers(reads);
                    self.files.insert(place, KeptFile { text, form: Form::Live(file), reads });
                }
                // What was stored is in memory now.
                None if self.frozen => {
                    if let Some(kept) = self.files.get_mut(&place) {
                        kept.form = Form::Live(file);
                    }
                }
                None => {}
            }
        }
        self.frozen = false;
    }

    /// For storing: what can be used by another process. Results that complain of places in other
    /// files stay out. Secrets cannot be among it: they can be read in profiles and packages only.
    pub(crate) fn store(&mut self) -> Vec<u8> {
        self.changed = false;
        self.reads.compact(self.files.values_mut().map(|f| &mut f.reads));
        let mut files = Vec::with_capacity(self.files.len());
        for (place, kept) in &self.files {
            let bytes = match &kept.form {
                // With names: numbers of JSON are known by the name of their only field.
                Form::Live(parsed) => rmp_serde::to_vec_named(&**parsed).unwrap_or_default(),
                Form::Bytes(bytes) => bytes.clone(),
            };
            files.push(StoredFile {
                place: place.clone(),
                text: kept.text,
                reads: kept.reads.clone(),
                bytes,
            });
        }
        // The same parse gives the same file.
        files.sort_by(|a, b| {
            (&a.place.package, &a.place.path).cmp(&(&b.place.package, &b.place.path))
        });
        let stored =
            Stored { base: self.base, reads: std::borrow::Cow::Borrowed(&self.reads), files };
        rmp_serde::to_vec(&stored).unwrap_or_default()
    }

    /// What `store` gave; bytes that cannot be read are nothing.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Kept {
        let Ok(stored) = rmp_serde::from_slice::<Stored<'_>>(bytes) else { return Kept::default() };
        let one = |f: StoredFile| {
            (f.place, KeptFile { text: f.text, form: Form::Bytes(f.bytes), reads: f.reads })
        };
        Kept {
            base: stored.base,
            files: stored.files.into_iter().map(one).collect(),
            reads: stored.reads.into_owned(),
            frozen: true,
            ..Kept::default()
        }
    }
}

/// A file's result, with its reads when it is new.
pub(super) struct Parsed {
    pub(super) place: Place,
    pub(super) text: Fingerprint,
    pub(super) file: Arc<ParsedFile>,
    pub(super) reads: Option<BTreeSet<Read>>,
}

#[derive(Serialize, Deserialize)]
struct StoredFile {
    place: Place,
    text: Fingerprint,
    reads: Vec<u32>,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    base: Option<Fingerprint>,
    reads: std::borrow::Cow<'a, ReadTable>,
    files: Vec<StoredFile>,
}

/// What all results of a parse depend on.
fn base(sources: &Sources) -> Fingerprint {
    let context = &sources.context;
    let mut parts = vec![
        crate::BUILD.to_owned(),
        context.target.adapter.to_string(),
        format!("{:?} {} {:?}", context.quoting, context.explicit_overrides, context.flags_set),
    ];
    parts.extend(sources.packages.iter().map(|p| p.name().to_string()));
    parts.extend(
        sources
            .root()
            .options
            .dispatch
            .iter()
            .map(|d| format!("{} {:?}", d.namespace, d.search_order)),
    );
    Fingerprint::of_parts(parts)
}

/// A stored result, with the texts that it was stored without.
fn thaw(bytes: &[u8], file: FileId, text: &Arc<str>) -> Option<Arc<ParsedFile>> {
    let mut parsed: ParsedFile = of_file(file, || rmp_serde::from_slice(bytes)).ok()?;
    if let Item::Nodes(nodes) = &mut parsed.item {
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
    let own = |span: Span| span.file == file;
    diagnostics.iter().all(|d| d.primary.iter().chain(&d.secondary).all(|l| own(l.span)))
}
