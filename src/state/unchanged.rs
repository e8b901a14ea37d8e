//! The record that `build --changed` stores when it has nothing to do, with all inputs of that
//! result.

use super::ReadingRecord;
use super::reading::{decode_record, encode_record};
use crate::cache::CacheFile;
use crate::context::RenderRead;
use crate::engine::DatabaseState;
use crate::hash::Fingerprint;
use crate::manifest::ResourceType;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnchangedRecord {
    /// A fingerprint of the request.
    pub(crate) request: Fingerprint,
    pub(crate) reading: ReadingRecord,
    /// A fingerprint of the definitions of nodes (`changes::fingerprint_definitions`).
    pub(crate) definitions: Fingerprint,
    /// The external inputs read (variables, environment, target, macros) when nodes are compiled.
    pub(crate) reads: Vec<RenderRead>,
    /// Seeds whose rows the fingerprint of the files does not cover.
    pub(crate) seeds: Vec<(Utf8PathBuf, Fingerprint)>,
    pub(crate) database: DatabaseState,
    /// The stamp of `manifest.json`; `None` if it is not written.
    pub(crate) manifest: Option<String>,
    /// The nodes that are up to date: (unique id, type, name).
    pub(crate) nodes: Vec<(String, ResourceType, String)>,
}

impl CacheFile for UnchangedRecord {
    const FILE: &'static str = "strata_settled.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        encode_record(self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<UnchangedRecord> {
        decode_record(bytes)
    }
}
