//! The world outside: files, environment, clock.
//!
//! In: paths and names. Out: texts, streams, times. Everything that the tool reads or writes passes
//! through `System`, so that tests run in memory; clippy's `disallowed-methods` keeps `std::fs`,
//! `std::env` and clocks out of the other modules. Must not know: what a file means.

mod cached;
#[cfg(test)]
mod memory;
mod os;

pub(crate) use cached::CachedSystem;
#[cfg(test)]
pub(crate) use memory::MemorySystem;
pub(crate) use os::{OsSystem, process_is_alive};

use crate::hash::Fingerprint;
use camino::{Utf8Path, Utf8PathBuf};
use std::io::Read;
use std::sync::Arc;

/// A file system failure with its path and what was tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub(crate) struct SystemError {
    pub(crate) action: &'static str,
    pub(crate) path: Utf8PathBuf,
    pub(crate) source: std::io::Error,
}

impl SystemError {
    pub(crate) fn not_found(&self) -> bool {
        self.source.kind() == std::io::ErrorKind::NotFound
    }
}

/// A file found by `walk`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: Utf8PathBuf,
    pub(crate) size: u64,
}

/// As paths are ordered, part by part, but without taking them apart: a slash is before all else.
impl Ord for Found {
    fn cmp(&self, other: &Found) -> std::cmp::Ordering {
        let (a, b) = (self.path.as_str().bytes(), other.path.as_str().bytes());
        a.map(slash_first).cmp(b.map(slash_first)).then(self.size.cmp(&other.size))
    }
}

fn slash_first(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Found) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Nothing,
    /// With its size.
    File(u64),
    Folder,
}

pub(crate) trait System: Send + Sync {
    /// A text file, whole. Bytes that are no UTF-8 are an error.
    fn read(&self, path: &Utf8Path) -> Result<Arc<str>, SystemError>;
    /// A text file with its print.
    fn read_with_print(&self, path: &Utf8Path) -> Result<(Arc<str>, Fingerprint), SystemError> {
        let text = self.read(path)?;
        let print = Fingerprint::of(&text);
        Ok((text, print))
    }
    /// The print of a file's bytes, streamed.
    fn fingerprint(&self, path: &Utf8Path) -> Result<Fingerprint, SystemError> {
        Fingerprint::of_stream(&mut self.open(path)?).map_err(|source| SystemError {
            action: "read",
            path: path.to_owned(),
            source,
        })
    }
    /// A file as a stream, for what may be big.
    fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read + Send>, SystemError>;
    /// All files below a folder, sorted by path; a folder that is not there has none. Symbolic
    /// links are followed.
    fn walk(&self, folder: &Utf8Path) -> Result<Vec<Found>, SystemError>;
    fn look(&self, path: &Utf8Path) -> Look;
    fn is_file(&self, path: &Utf8Path) -> bool {
        matches!(self.look(path), Look::File(_))
    }
    /// What a file is known by: its number, size and times. Another one where it was written or
    /// replaced; none where there is no file, or no such knowledge.
    fn stamp(&self, path: &Utf8Path) -> Option<String> {
        let _ = path;
        None
    }
    /// Whether only its owner can read a file; true where the system has no such rights.
    fn is_private(&self, path: &Utf8Path) -> bool {
        let _ = path;
        true
    }
    /// Names of the entries of a folder, sorted; none if it is not there.
    fn list(&self, folder: &Utf8Path) -> Vec<String>;
    /// Writes through a temporary file, fsync and rename, making folders as needed: a reader sees
    /// the old or the new content, never a part.
    fn write_atomic(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError>;
    /// Like `write_atomic`, for content that is produced piece by piece. Generated files under the
    /// target path are made anew by every command, so they are renamed into place without waiting
    /// for the disk.
    fn write_stream(
        &self,
        path: &Utf8Path,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), SystemError>;
    /// Links in a folder and all below it, with what they lead to; those behind a link are not
    /// looked for.
    fn links(&self, folder: &Utf8Path) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        let _ = folder;
        Vec::new()
    }
    /// Whether a file has this content now, whatever is known of it.
    fn holds(&self, path: &Utf8Path, content: &[u8]) -> bool;
    /// Writes a generated file, unless it has that content already: to make thousands of files anew
    /// takes a file system longer than to read them.
    fn write_generated(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError> {
        if self.holds(path, content) {
            return Ok(());
        }
        self.write_stream(path, &mut |out| out.write_all(content))
    }
    /// Removes a file or a folder with all below it; what is not there is no error.
    fn remove(&self, path: &Utf8Path) -> Result<(), SystemError>;
    /// Links `to` as `link`, replacing a link that is there.
    fn symlink(&self, to: &Utf8Path, link: &Utf8Path) -> Result<(), SystemError>;
    fn env(&self, key: &str) -> Option<String>;
    /// All variables, sorted by name.
    fn env_all(&self) -> Vec<(String, String)>;
    fn now(&self) -> jiff::Timestamp;
    fn current_dir(&self) -> Utf8PathBuf;
    fn home_dir(&self) -> Option<Utf8PathBuf> {
        self.env("HOME").or_else(|| self.env("USERPROFILE")).map(Utf8PathBuf::from)
    }
}

/// A path with `.` and `..` taken out, as text; nothing on disk is asked.
pub(crate) fn normalize_path(path: &Utf8Path) -> Utf8PathBuf {
    let mut out = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            camino::Utf8Component::CurDir => {}
            camino::Utf8Component::ParentDir => {
                if !out.pop() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    if out.as_str().is_empty() { Utf8PathBuf::from(".") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_paths() {
        assert_eq!(normalize_path("/a/./b/../c".into()), Utf8PathBuf::from("/a/c"));
        assert_eq!(normalize_path(".".into()), Utf8PathBuf::from("."));
    }
}
