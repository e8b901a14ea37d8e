//! Whether a database file has been written, told without opening it: that takes a second where
//! there are thousands of tables.
//!
//! The first three blocks of a file (4 KiB each) are its header and the two database headers, of
//! which each checkpoint writes one with a higher number and a new checksum. What is not in the
//! file yet is in a file beside it (`.wal`). Together with what the system knows a file by, that
//! tells a file that was written, replaced or restored.

use super::{Attach, DuckDbOptions};
use crate::engine::{DatabaseState, FileState};
use crate::hash::Fingerprint;
use crate::system::{System, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::io::Read;

const HEAD: u64 = 3 * 4096;

/// The state of a target's files. None: it has others than local DuckDB files, or one that is not
/// written out.
pub(super) fn read_state(system: &dyn System, profile: &DuckDbOptions) -> Option<DatabaseState> {
    if profile.is_ducklake {
        return None;
    }
    let attached = profile.attach.iter().map(|a| is_duckdb(a).then_some(a.path.as_str()));
    let paths: Option<Vec<&str>> =
        std::iter::once(Some(profile.path.as_str())).chain(attached).collect();
    paths?.into_iter().map(|path| file(system, path)).collect::<Option<_>>().map(DatabaseState)
}

fn is_duckdb(attach: &Attach) -> bool {
    attach.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("duckdb"))
}

fn file(system: &dyn System, path: &str) -> Option<FileState> {
    let path = normalize_path(&system.current_dir().join(path));
    let beside = Utf8PathBuf::from(format!("{path}.wal"));
    // Asked before and after the head is read.
    let stamp = system.stamp(&path)?;
    let head = head(system, &path)?;
    let same = system.stamp(&path)? == stamp && system.stamp(&beside).is_none();
    same.then_some(FileState { path, stamp, head })
}

fn head(system: &dyn System, path: &Utf8Path) -> Option<Fingerprint> {
    Fingerprint::of_stream(&mut system.open(path).ok()?.take(HEAD)).ok()
}
