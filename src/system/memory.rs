//! A system in memory, for tests.

use super::{
    FoundFile, PathType, ProgramCall, ProgramEnd, System, SystemError, TreeEntry, TreeKind,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The files and variables that a test sets. The clock does not advance, links are copies, and
/// there are no programs.
#[derive(Debug, Default)]
pub(crate) struct MemorySystem {
    files: Mutex<BTreeMap<Utf8PathBuf, Arc<[u8]>>>,
    env: BTreeMap<String, String>,
    env_defaults: OnceLock<BTreeMap<String, String>>,
}

impl MemorySystem {
    pub(crate) fn with_files<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> MemorySystem {
        let files = files
            .into_iter()
            .map(|(path, text)| (Utf8PathBuf::from(path), text.as_bytes().into()))
            .collect();
        MemorySystem { files: Mutex::new(files), ..MemorySystem::default() }
    }

    pub(crate) fn set_env(&mut self, key: &str, value: &str) {
        self.env.insert(key.to_owned(), value.to_owned());
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<Utf8PathBuf, Arc<[u8]>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self, path: &Utf8Path) -> Result<Arc<[u8]>, SystemError> {
        self.files().get(path).cloned().ok_or_else(|| SystemError {
            action: "read",
            path: path.to_owned(),
            source: io::Error::from(io::ErrorKind::NotFound),
        })
    }
}

impl System for MemorySystem {
    fn read(&self, path: &Utf8Path) -> Result<Arc<str>, SystemError> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).into())
    }

    fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read + Send>, SystemError> {
        Ok(Box::new(io::Cursor::new(self.bytes(path)?)))
    }

    fn walk(&self, folder: &Utf8Path) -> Result<Vec<FoundFile>, SystemError> {
        let files = self.files();
        let below = files.iter().filter(|(path, _)| path.starts_with(folder) && *path != folder);
        Ok(below
            .map(|(path, bytes)| FoundFile { path: path.clone(), size: bytes.len() as u64 })
            .collect())
    }

    fn path_type(&self, path: &Utf8Path) -> PathType {
        let files = self.files();
        match files.get(path) {
            Some(bytes) => PathType::File(bytes.len() as u64),
            None if files.keys().any(|p| p.starts_with(path)) => PathType::Folder,
            None => PathType::Nothing,
        }
    }

    fn list(&self, folder: &Utf8Path) -> Vec<String> {
        let files = self.files();
        let below = files.keys().filter_map(|p| p.strip_prefix(folder).ok());
        let mut names: Vec<String> =
            below.filter_map(|p| p.components().next()).map(|c| c.as_str().to_owned()).collect();
        names.dedup();
        names
    }

    fn write_atomic(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError> {
        self.files().insert(path.to_owned(), content.into());
        Ok(())
    }

    fn write_stream(
        &self,
        path: &Utf8Path,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), SystemError> {
        let mut out = Vec::new();
        write(&mut out).map_err(|source| SystemError {
            action: "write",
            path: path.to_owned(),
            source,
        })?;
        self.write_atomic(path, &out)
    }

    fn stamp(&self, path: &Utf8Path) -> Option<String> {
        let bytes = self.bytes(path).ok()?;
        Some(crate::hash::Fingerprint::of_stream(&mut &bytes[..]).ok()?.hex())
    }

    fn has_content(&self, path: &Utf8Path, content: &[u8]) -> bool {
        self.files().get(path).is_some_and(|c| c[..] == *content)
    }

    fn remove(&self, path: &Utf8Path) -> Result<(), SystemError> {
        self.files().retain(|p, _| !p.starts_with(path));
        Ok(())
    }

    fn symlink(&self, to: &Utf8Path, link: &Utf8Path) -> Result<(), SystemError> {
        let copies: Vec<_> = (self.files().iter())
            .filter_map(|(p, bytes)| Some((link.join(p.strip_prefix(to).ok()?), bytes.clone())))
            .collect();
        self.files().extend(copies);
        Ok(())
    }

    fn is_link(&self, _: &Utf8Path) -> bool {
        false
    }

    fn real_path(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        (self.path_type(path) != PathType::Nothing).then(|| super::normalize_path(path))
    }

    fn list_tree(&self, folder: &Utf8Path) -> Result<Vec<TreeEntry>, SystemError> {
        let files = self.files();
        let below = files.keys().filter_map(|path| path.strip_prefix(folder).ok());
        Ok(below.map(|p| TreeEntry { path: p.to_owned(), kind: TreeKind::File }).collect())
    }

    fn make_folder(&self, _: &Utf8Path) -> Result<(), SystemError> {
        Ok(())
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), SystemError> {
        self.symlink(from, to)?;
        self.remove(from)
    }

    fn replace_folder(&self, new: &Utf8Path, old: &Utf8Path) -> Result<(), SystemError> {
        self.remove(old)?;
        self.rename(new, old)
    }

    fn run_program(&self, call: &ProgramCall<'_>) -> Result<ProgramEnd, SystemError> {
        Err(SystemError {
            action: "run",
            path: call.program.into(),
            source: io::Error::from(io::ErrorKind::NotFound),
        })
    }

    fn set_env_defaults(&self, variables: BTreeMap<String, String>) {
        let _ = self.env_defaults.set(variables);
    }

    fn env(&self, key: &str) -> Option<String> {
        self.env.get(key).or_else(|| self.env_defaults.get()?.get(key)).cloned()
    }

    fn env_all(&self) -> Vec<(String, String)> {
        let mut all = self.env_defaults.get().cloned().unwrap_or_default();
        all.extend(self.env.clone());
        all.into_iter().collect()
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn current_dir(&self) -> Utf8PathBuf {
        Utf8PathBuf::from("/project")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_what_files_lie_in() {
        let system = MemorySystem::with_files([("/p/models/a.sql", "select 1"), ("/p/x.yml", "")]);
        assert_eq!(system.list("/p".into()), ["models", "x.yml"]);
        assert_eq!(system.walk("/p/models".into()).unwrap().len(), 1);
        assert!(system.read("/p/none".into()).unwrap_err().not_found());
    }
}
