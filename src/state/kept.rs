//! What a command leaves for the next one, files below the target path: the parse, prints of
//! compiled nodes, and that there was nothing to do. A file that is missing, broken or of another
//! build counts as empty.

use super::Settled;
use crate::cache::{CacheFile, read_cache_file, write_cache_file};
use crate::changes::CompileCache;
use crate::parse::ParseCache;
use crate::system::{System, SystemError};
use camino::Utf8Path;

pub(crate) fn read_parse(system: &dyn System, target_path: &Utf8Path) -> ParseCache {
    ParseCache::from_bytes(&read_cache_file(system, target_path, CacheFile::Parse))
}

pub(crate) fn write_parse(
    system: &dyn System,
    target_path: &Utf8Path,
    cache: &mut ParseCache,
) -> Result<(), SystemError> {
    write_cache_file(system, target_path, CacheFile::Parse, &cache.store())
}

pub(crate) fn read_prints(system: &dyn System, target_path: &Utf8Path) -> CompileCache {
    CompileCache::from_bytes(&read_cache_file(system, target_path, CacheFile::Compile))
}

pub(crate) fn write_prints(
    system: &dyn System,
    target_path: &Utf8Path,
    kept: &mut CompileCache,
) -> Result<(), SystemError> {
    write_cache_file(system, target_path, CacheFile::Compile, &kept.store())
}

pub(crate) fn read_settled(system: &dyn System, target_path: &Utf8Path) -> Option<Settled> {
    Settled::from_bytes(&read_cache_file(system, target_path, CacheFile::Unchanged))
}

pub(crate) fn write_settled(
    system: &dyn System,
    target_path: &Utf8Path,
    settled: &Settled,
) -> Result<(), SystemError> {
    write_cache_file(system, target_path, CacheFile::Unchanged, &settled.to_bytes())
}
