//! The record that `build --changed` stores when it has nothing to do, with all inputs of that
//! result.

use crate::cache::CacheFile;
use crate::context::RenderRead;
use crate::diag::{Diagnostic, Label};
use crate::engine::DatabaseState;
use crate::hash::Fingerprint;
use crate::manifest::ResourceType;
use crate::source::{FileId, SourceMap, of_file};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnchangedRecord {
    /// A fingerprint of the request.
    pub(crate) request: Fingerprint,
    /// A fingerprint of the project without the external inputs read when it is resolved and
    /// compiled.
    pub(crate) inputs: Fingerprint,
    /// A fingerprint of the definitions of nodes (`changes::fingerprint_definitions`).
    pub(crate) definitions: Fingerprint,
    /// The external inputs read (variables, environment, target, macros) after parsing.
    pub(crate) reads: Vec<RenderRead>,
    /// Seeds whose rows the fingerprint of the files does not cover.
    pub(crate) seeds: Vec<(Utf8PathBuf, Fingerprint)>,
    pub(crate) database: DatabaseState,
    /// The stamp of `manifest.json`; `None` if it is not written.
    pub(crate) manifest: Option<String>,
    /// The nodes that are up to date: (unique id, type, name).
    pub(crate) nodes: Vec<(String, ResourceType, String)>,
    pub(crate) warnings: Vec<StoredDiagnostic>,
}

/// A diagnostic with the paths of its labels, because file ids are only valid within one process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredDiagnostic {
    diagnostic: Diagnostic,
    paths: Vec<Utf8PathBuf>,
}

fn labels(diagnostic: &mut Diagnostic) -> impl Iterator<Item = &mut Label> {
    diagnostic.primary.iter_mut().chain(&mut diagnostic.secondary)
}

impl StoredDiagnostic {
    pub(crate) fn new(diagnostic: &Diagnostic, map: &SourceMap) -> StoredDiagnostic {
        let mut diagnostic = diagnostic.clone();
        let paths = labels(&mut diagnostic).map(|l| map.path(l.span.file).to_owned()).collect();
        StoredDiagnostic { diagnostic, paths }
    }

    /// The diagnostic with file ids of this process; `None` if one of the files is not loaded.
    pub(crate) fn diagnostic(&self, map: &SourceMap) -> Option<Diagnostic> {
        let mut diagnostic = self.diagnostic.clone();
        for (label, path) in labels(&mut diagnostic).zip(&self.paths) {
            label.span.file = map.find(path)?;
        }
        Some(diagnostic)
    }
}

impl CacheFile for UnchangedRecord {
    const FILE: &'static str = "strata_settled.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        // Field names are needed, because JSON numbers are recognized by the name of their only
        // field.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<UnchangedRecord> {
        of_file(FileId(u32::MAX), || rmp_serde::from_slice(bytes)).ok()
    }
}
