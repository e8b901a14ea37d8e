//! The record of a project that was read without errors, with everything that the result depends on.

use crate::cache::CacheFile;
use crate::context::{LogLine, RenderQuestion, RenderRead};
use crate::diag::{Diagnostic, Label};
use crate::hash::Fingerprint;
use crate::load::LoadedProject;
use crate::source::{FileId, SourceMap, of_file};
use camino::Utf8PathBuf;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReadingRecord {
    /// A fingerprint of the project without `reads`.
    pub(crate) inputs: Fingerprint,
    /// The external inputs read (variables, environment, target, macros) by hooks and when the
    /// project was resolved.
    reads: Vec<RenderRead>,
    /// How many nodes the project has.
    pub(crate) nodes: usize,
    /// The warnings of parsing and resolving.
    warnings: Vec<StoredDiagnostic>,
    /// The lines that templates logged.
    pub(crate) logs: Vec<LogLine>,
}

/// Whether an external input was read. The graph, the node and the selection are parts of the
/// project.
pub(crate) fn is_external(read: &RenderRead) -> bool {
    !matches!(
        read.question,
        RenderQuestion::Graph | RenderQuestion::Node | RenderQuestion::Selected
    )
}

impl ReadingRecord {
    pub(crate) fn new(
        inputs: Fingerprint,
        reads: impl IntoIterator<Item = RenderRead>,
        nodes: usize,
        warnings: &[Diagnostic],
        map: &SourceMap,
        logs: Vec<LogLine>,
    ) -> ReadingRecord {
        let warnings = warnings.iter().map(|d| StoredDiagnostic::new(d, map)).collect();
        let reads = reads.into_iter().filter(is_external).collect();
        ReadingRecord { inputs, reads, nodes, warnings, logs }
    }

    /// A fingerprint of everything that the result depends on. `None` if an input is different at
    /// every read.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let reads = self.reads.iter().map(|read| Some(read.fingerprint()?.hex()));
        let reads: Vec<String> = reads.collect::<Option<_>>()?;
        Some(Fingerprint::of_parts(reads.into_iter().chain([self.inputs.hex()])))
    }

    /// Whether the project would be read with the same result. `inputs` are those that it has now.
    pub(crate) fn holds(&self, inputs: Fingerprint, project: &LoadedProject) -> bool {
        self.inputs == inputs
            && self.reads.iter().all(|read| project.context.still_answers(read))
            // A package's folder may have another name, which is not an input but is shown.
            && self.warnings.iter().all(|stored| stored.diagnostic(&project.map).is_some())
    }

    /// The warnings, with the file ids of this process.
    pub(crate) fn warnings(&self, map: &SourceMap) -> Vec<Diagnostic> {
        self.warnings.iter().filter_map(|stored| stored.diagnostic(map)).collect()
    }
}

impl CacheFile for ReadingRecord {
    const FILE: &'static str = "strata_reading.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        encode_record(self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<ReadingRecord> {
        decode_record(bytes)
    }
}

/// The stored form of a record. Field names are needed, because JSON numbers are recognized by the
/// name of their only field.
pub(super) fn encode_record<T: Serialize>(record: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(record).unwrap_or_default()
}

/// Reads the result of `encode_record`. Spans have no file until they get one of this process.
pub(super) fn decode_record<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    of_file(FileId(u32::MAX), || rmp_serde::from_slice(bytes)).ok()
}

/// A diagnostic with the paths of its labels, because file ids are only valid within one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredDiagnostic {
    diagnostic: Diagnostic,
    paths: Vec<Utf8PathBuf>,
}

fn labels(diagnostic: &mut Diagnostic) -> impl Iterator<Item = &mut Label> {
    diagnostic.primary.iter_mut().chain(&mut diagnostic.secondary)
}

impl StoredDiagnostic {
    fn new(diagnostic: &Diagnostic, map: &SourceMap) -> StoredDiagnostic {
        let mut diagnostic = diagnostic.clone();
        let paths = labels(&mut diagnostic).map(|l| map.path(l.span.file).to_owned()).collect();
        StoredDiagnostic { diagnostic, paths }
    }

    /// The diagnostic with file ids of this process; `None` if one of the files is not loaded.
    fn diagnostic(&self, map: &SourceMap) -> Option<Diagnostic> {
        let mut diagnostic = self.diagnostic.clone();
        for (label, path) in labels(&mut diagnostic).zip(&self.paths) {
            label.span.file = map.find(path)?;
        }
        Some(diagnostic)
    }
}
