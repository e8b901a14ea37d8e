//! The operating system: files, environment, clock.
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
pub(crate) use os::{OsSystem, command_line_of_process};

use crate::hash::Fingerprint;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// An IO error with the path and the failed action.
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
pub(crate) struct FoundFile {
    pub(crate) path: Utf8PathBuf,
    pub(crate) size: u64,
}

/// Orders by path components without splitting the paths: slashes come before all other characters.
impl Ord for FoundFile {
    fn cmp(&self, other: &FoundFile) -> std::cmp::Ordering {
        let (a, b) = (self.path.as_str().bytes(), other.path.as_str().bytes());
        a.map(slash_first).cmp(b.map(slash_first)).then(self.size.cmp(&other.size))
    }
}

fn slash_first(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

impl PartialOrd for FoundFile {
    fn partial_cmp(&self, other: &FoundFile) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a path refers to, after following symbolic links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathType {
    Nothing,
    /// A file with its size in bytes.
    File(u64),
    Folder,
}

/// An entry below a folder, by its path in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) path: Utf8PathBuf,
    pub(crate) kind: TreeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TreeKind {
    File,
    /// A symbolic link with its target.
    Link(String),
    /// A device, a socket, or a name that is not UTF-8.
    Other,
}

/// A program to run and to wait for.
pub(crate) struct ProgramCall<'a> {
    pub(crate) program: &'a str,
    pub(crate) args: &'a [&'a str],
    pub(crate) folder: &'a Utf8Path,
    /// Environment variables that are set, or removed.
    pub(crate) env: &'a [(&'a str, Option<&'a str>)],
    /// Asked now and then: whether the program is to be stopped.
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProgramEnd {
    Done {
        is_success: bool,
        stdout: String,
        stderr: String,
    },
    /// It was stopped, because the caller asked for it.
    Stopped,
}

pub(crate) trait System: Send + Sync {
    /// Reads a text file. Bytes that are not UTF-8 are an error.
    fn read(&self, path: &Utf8Path) -> Result<Arc<str>, SystemError>;
    /// Reads a text file and computes its fingerprint.
    fn read_with_fingerprint(
        &self,
        path: &Utf8Path,
    ) -> Result<(Arc<str>, Fingerprint), SystemError> {
        let text = self.read(path)?;
        let fingerprint = Fingerprint::of(&text);
        Ok((text, fingerprint))
    }
    /// The fingerprint of a file's bytes. The file need not fit into memory.
    fn fingerprint(&self, path: &Utf8Path) -> Result<Fingerprint, SystemError> {
        Fingerprint::of_stream(&mut self.open(path)?).map_err(|source| SystemError {
            action: "read",
            path: path.to_owned(),
            source,
        })
    }
    /// Opens a file as a stream, since it may be large.
    fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read + Send>, SystemError>;
    /// All files below a folder, sorted by path. Symbolic links are followed. Empty if the folder
    /// does not exist.
    fn walk(&self, folder: &Utf8Path) -> Result<Vec<FoundFile>, SystemError>;
    fn path_type(&self, path: &Utf8Path) -> PathType;
    fn is_file(&self, path: &Utf8Path) -> bool {
        matches!(self.path_type(path), PathType::File(_))
    }
    /// A stamp that changes when a file is written or replaced, made from its inode, size and
    /// times. `None` if there is no file, or the system does not support this.
    fn stamp(&self, path: &Utf8Path) -> Option<String> {
        let _ = path;
        None
    }
    /// Whether only its owner can read a file; true if the system has no such permissions.
    fn is_private(&self, path: &Utf8Path) -> bool {
        let _ = path;
        true
    }
    /// The names of a folder's entries, sorted; empty if it does not exist.
    fn list(&self, folder: &Utf8Path) -> Vec<String>;
    /// Writes a file with a temporary file, fsync and rename, and creates its folders. Readers see
    /// either the old or the new content, never a part.
    fn write_atomic(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError>;
    /// Like `write_atomic`, for content that is produced in parts, and without fsync: generated
    /// files below the target path can be made again by any command.
    fn write_stream(
        &self,
        path: &Utf8Path,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), SystemError>;
    /// The symbolic links in a folder and below it, with their targets. Links are not followed.
    fn links(&self, folder: &Utf8Path) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        let _ = folder;
        Vec::new()
    }
    /// Whether a file currently has this content. Never answered from a cache.
    fn has_content(&self, path: &Utf8Path, content: &[u8]) -> bool;
    /// Writes a generated file unless it already has this content: file systems take longer to
    /// create thousands of files than to read them.
    fn write_generated(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError> {
        if self.has_content(path, content) {
            return Ok(());
        }
        self.write_stream(path, &mut |out| out.write_all(content))
    }
    /// Removes a file, or a folder with its content. A missing path is not an error.
    fn remove(&self, path: &Utf8Path) -> Result<(), SystemError>;
    /// Creates the symbolic link `link` to `to`, replacing an existing link.
    fn symlink(&self, to: &Utf8Path, link: &Utf8Path) -> Result<(), SystemError>;
    /// Whether a path is a symbolic link.
    fn is_link(&self, path: &Utf8Path) -> bool;
    /// The path of an existing file or folder without links in it.
    fn real_path(&self, path: &Utf8Path) -> Option<Utf8PathBuf>;
    /// All files and links below a folder. Links are not followed.
    fn list_tree(&self, folder: &Utf8Path) -> Result<Vec<TreeEntry>, SystemError>;
    fn make_folder(&self, path: &Utf8Path) -> Result<(), SystemError>;
    /// Renames a file or folder. A file at the new path is replaced.
    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), SystemError>;
    /// Puts the folder `new` in the place of `old`, which is then removed. Readers see one of them
    /// whole; if this fails, `old` is as it was.
    fn replace_folder(&self, new: &Utf8Path, old: &Utf8Path) -> Result<(), SystemError>;
    /// Runs a program without input. That it fails is no error, that it cannot be started is one.
    fn run_program(&self, call: &ProgramCall<'_>) -> Result<ProgramEnd, SystemError>;
    /// Variables that count where the environment does not set them, here and in programs. Only the
    /// first call has an effect.
    fn set_env_defaults(&self, variables: BTreeMap<String, String>);
    fn env(&self, key: &str) -> Option<String>;
    /// All environment variables, sorted by name.
    fn env_all(&self) -> Vec<(String, String)>;
    fn now(&self) -> jiff::Timestamp;
    fn current_dir(&self) -> Utf8PathBuf;
    fn home_dir(&self) -> Option<Utf8PathBuf> {
        self.env("HOME").or_else(|| self.env("USERPROFILE")).map(Utf8PathBuf::from)
    }
}

/// The folder in which programs keep what they can get again. `None` where no home is known.
pub(crate) fn find_cache_folder(system: &dyn System) -> Option<Utf8PathBuf> {
    let variable = if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_CACHE_HOME" };
    let named = system.env(variable).map(Utf8PathBuf::from).filter(|path| path.is_absolute());
    let usual = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    named.or_else(|| Some(system.home_dir()?.join(usual)))
}

/// Resolves `.` and `..` in a path without accessing the file system.
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
    #[cfg(target_os = "linux")]
    fn the_cache_folder_is_where_the_environment_says() {
        let mut system = MemorySystem::default();
        assert_eq!(find_cache_folder(&system), None);
        system.set_env("HOME", "/home/me");
        assert_eq!(find_cache_folder(&system), Some("/home/me/.cache".into()));
        system.set_env("XDG_CACHE_HOME", "/caches");
        assert_eq!(find_cache_folder(&system), Some("/caches".into()));
    }

    #[test]
    fn normal_paths() {
        assert_eq!(normalize_path("/a/./b/../c".into()), Utf8PathBuf::from("/a/c"));
        assert_eq!(normalize_path(".".into()), Utf8PathBuf::from("."));
    }
}
