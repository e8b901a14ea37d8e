//! Detects without opening a database whether its file was written. Opening it takes a second if
//! there are thousands of tables.
//!
//! The first three blocks of a file (4 KiB each) are its header and two database headers; each
//! checkpoint writes one of the latter, with a higher number and a new checksum. Changes that are
//! not in the file yet are in a `.wal` file beside it. The blocks together with the file's stamp
//! reveal whether the file was written, replaced or restored.

use super::{AttachedDatabase, DuckDbOptions};
use crate::engine::{DatabaseState, FileState};
use crate::hash::Fingerprint;
use crate::system::{System, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::io::Read;

const HEAD: u64 = 3 * 4096;

/// The state of a target's files. `None` if one of them is not a local DuckDB file, or has changes
/// that are not checkpointed.
pub(super) fn read_state(system: &dyn System, profile: &DuckDbOptions) -> Option<DatabaseState> {
    if profile.is_ducklake {
        return None;
    }
    let attached = profile.attach.iter().map(|a| is_duckdb(a).then_some(a.path.as_str()));
    let paths: Option<Vec<&str>> =
        std::iter::once(Some(profile.path.as_str())).chain(attached).collect();
    paths?.into_iter().map(|path| file(system, path)).collect::<Option<_>>().map(DatabaseState)
}

fn is_duckdb(attach: &AttachedDatabase) -> bool {
    attach.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("duckdb"))
}

fn file(system: &dyn System, path: &str) -> Option<FileState> {
    let path = normalize_path(&system.current_dir().join(path));
    let beside = Utf8PathBuf::from(format!("{path}.wal"));
    // The stamp is read before and after the head, to detect a write in between.
    let stamp = system.stamp(&path)?;
    let head = head(system, &path)?;
    let same = system.stamp(&path)? == stamp && system.stamp(&beside).is_none();
    same.then_some(FileState { path, stamp, head })
}

fn head(system: &dyn System, path: &Utf8Path) -> Option<Fingerprint> {
    Fingerprint::of_stream(&mut system.open(path).ok()?.take(HEAD)).ok()
}
