//! What `build --changed` found when it left nothing to do, with all that it was found from.

use crate::cache::Stored;
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
    /// Of what the command was asked for.
    pub(crate) asked: Fingerprint,
    /// Of what the project is made of, but for what is asked of the world when it is put together
    /// and compiled.
    pub(crate) inputs: Fingerprint,
    /// Of what the nodes said (`changes::nodes_print`).
    pub(crate) own: Fingerprint,
    /// What was asked of the world after the files were parsed.
    pub(crate) reads: Vec<RenderRead>,
    /// Seeds whose rows the print of the files does not cover.
    pub(crate) seeds: Vec<(Utf8PathBuf, Fingerprint)>,
    pub(crate) database: DatabaseState,
    /// What the system knew `manifest.json` by; none where it is not written.
    pub(crate) manifest: Option<String>,
    /// The nodes that are as they have to be: unique id, type, name.
    pub(crate) nodes: Vec<(String, ResourceType, String)>,
    pub(crate) warnings: Vec<StoredDiagnostic>,
}

/// A complaint, with the paths of its places: numbers of files are of one process.
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

    /// With places in the files of this process; none if one of them is not there.
    pub(crate) fn diagnostic(&self, map: &SourceMap) -> Option<Diagnostic> {
        let mut diagnostic = self.diagnostic.clone();
        for (label, path) in labels(&mut diagnostic).zip(&self.paths) {
            label.span.file = map.find(path)?;
        }
        Some(diagnostic)
    }
}

impl Stored for UnchangedRecord {
    const FILE: &'static str = "strata_settled.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        // With names: numbers of JSON are known by the name of their only field.
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<UnchangedRecord> {
        of_file(FileId(u32::MAX), || rmp_serde::from_slice(bytes)).ok()
    }
}
