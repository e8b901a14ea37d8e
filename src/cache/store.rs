//! Files of caches, below the target path. One that is missing, broken or of another build counts as
//! empty: that costs time only.

use crate::system::{System, SystemError};
use camino::Utf8Path;
use std::io::Read;

/// The files that a command leaves for the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CacheFile {
    Parse,
    Compile,
    /// That there was nothing to do.
    Unchanged,
}

impl CacheFile {
    fn name(self) -> &'static str {
        match self {
            CacheFile::Parse => "strata_parse.bin",
            CacheFile::Compile => "strata_prints.bin",
            CacheFile::Unchanged => "strata_settled.bin",
        }
    }
}

pub(crate) fn read_cache_file(
    system: &dyn System,
    target_path: &Utf8Path,
    file: CacheFile,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let opened = system.open(&target_path.join(file.name()));
    match opened.map(|mut opened| opened.read_to_end(&mut bytes)) {
        Ok(Ok(_)) => bytes,
        _ => Vec::new(),
    }
}

pub(crate) fn write_cache_file(
    system: &dyn System,
    target_path: &Utf8Path,
    file: CacheFile,
    bytes: &[u8],
) -> Result<(), SystemError> {
    system.write_stream(&target_path.join(file.name()), &mut |out| out.write_all(bytes))
}
