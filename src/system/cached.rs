//! A system that caches what it has read, until it is told which paths may have changed.
//!
//! In: another system, and paths that may have changed. Out: that system's results, from the cache;
//! and which of the paths have really changed. The content decides: a file that was only touched is
//! unchanged.

use super::{FoundFile, PathType, ProgramCall, ProgramEnd, System, SystemError, TreeEntry};
use crate::hash::{FastMap, Fingerprint};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

/// The files below a folder, with their sizes.
type Files = BTreeMap<Utf8PathBuf, u64>;

/// The cached results. Most keys are texts, which are hashed faster than paths.
#[derive(Default)]
struct Memory {
    texts: FastMap<String, (Arc<str>, Fingerprint)>,
    prints: FastMap<String, Fingerprint>,
    walked: FastMap<Utf8PathBuf, Files>,
    /// The results of looking at paths, including those that do not exist.
    looked: FastMap<String, PathType>,
    /// The names of entries in folders.
    listed: FastMap<String, Vec<String>>,
    /// Files that could not be read. Any event may mean that one has become readable.
    unreadable: HashSet<String>,
}

/// Whether two results are the same, except for the size of a file.
fn alike(a: PathType, b: PathType) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

pub(crate) struct CachedSystem {
    inner: Arc<dyn System>,
    /// Whether a file that was never read may be part of a project; false for an editor's temporary
    /// files.
    counts: fn(&Utf8Path) -> bool,
    memory: RwLock<Memory>,
}

impl CachedSystem {
    pub(crate) fn new(inner: Arc<dyn System>, counts: fn(&Utf8Path) -> bool) -> CachedSystem {
        CachedSystem { inner, counts, memory: RwLock::default() }
    }

    pub(crate) fn inner(&self) -> &dyn System {
        self.inner.as_ref()
    }

    /// Updates the cache at these paths, and returns the paths whose content has changed.
    pub(crate) fn find_changed_paths<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a Utf8Path>,
    ) -> Vec<Utf8PathBuf> {
        let mut changed = Vec::new();
        for path in paths {
            let now = self.inner.path_type(path);
            self.compare_look(path, now, &mut changed);
            match now {
                PathType::File(size) => self.file(path, size, &mut changed),
                PathType::Folder => {
                    let found = self.inner.walk(path).unwrap_or_default();
                    for gone in self.below(path) {
                        if found.binary_search_by(|f| f.path.cmp(&gone)).is_err() {
                            self.gone(&gone, &mut changed);
                        }
                    }
                    found.iter().for_each(|f| self.file(&f.path, f.size, &mut changed));
                }
                PathType::Nothing => {
                    self.below(path).iter().for_each(|below| self.gone(below, &mut changed));
                    self.gone(path, &mut changed);
                }
            }
        }
        changed.sort();
        changed.dedup();
        changed
    }

    /// Adds a path to `changed` if it is of another kind than before, or if the names in its folder
    /// have changed.
    fn compare_look(&self, path: &Utf8Path, now: PathType, changed: &mut Vec<Utf8PathBuf>) {
        let folder = path.parent().unwrap_or(path);
        let (looked, listed) = {
            let memory = self.read_memory();
            (memory.looked.get(path.as_str()).copied(), memory.listed.get(folder.as_str()).cloned())
        };
        if looked.is_some_and(|then| !alike(then, now)) {
            self.write_memory().looked.insert(path.to_string(), now);
            changed.push(path.to_owned());
        }
        if let Some(names) = listed {
            let now = self.inner.list(folder);
            if now != names {
                self.write_memory().listed.insert(folder.to_string(), now);
                changed.push(path.to_owned());
            }
        }
    }

    fn file(&self, path: &Utf8Path, size: u64, changed: &mut Vec<Utf8PathBuf>) {
        let (known, text, fingerprint) = {
            let memory = self.read_memory();
            let known = memory.walked.values().any(|files| files.contains_key(path));
            (
                known,
                memory.texts.get(path.as_str()).map(|(_, p)| *p),
                memory.prints.get(path.as_str()).copied(),
            )
        };
        let text_now = text.map(|_| self.inner.read_with_fingerprint(path).ok());
        let print_now = fingerprint.map(|_| self.inner.fingerprint(path).ok());
        let mut memory = self.write_memory();
        let mut different = memory.unreadable.remove(path.as_str());
        if let Some(now) = text_now {
            different |= now.as_ref().map(|(_, p)| *p) != text;
            match now {
                Some(now) => memory.texts.insert(path.to_string(), now),
                None => memory.texts.remove(path.as_str()),
            };
        }
        if let Some(now) = print_now {
            different |= now != fingerprint;
            match now {
                Some(now) => memory.prints.insert(path.to_string(), now),
                None => memory.prints.remove(path.as_str()),
            };
        }
        let mut inside = false;
        #[expect(clippy::iter_over_hash_type, reason = "each folder is told")]
        for (folder, files) in &mut memory.walked {
            if path.starts_with(folder) {
                files.insert(path.to_owned(), size);
                inside = true;
            }
        }
        if different || inside && !known && (self.counts)(path) {
            changed.push(path.to_owned());
        }
    }

    /// The known paths below a folder, sorted.
    fn below(&self, folder: &Utf8Path) -> Vec<Utf8PathBuf> {
        let memory = self.read_memory();
        let range = (Bound::Excluded(folder.to_owned()), Bound::Unbounded);
        let walked = memory.walked.values().flat_map(|files| {
            files
                .range::<Utf8PathBuf, _>(range.clone())
                .map(|(path, _)| path)
                .take_while(|p| p.starts_with(folder))
        });
        let mut out: Vec<Utf8PathBuf> = walked.cloned().collect();
        out.sort();
        out.dedup();
        out
    }

    fn gone(&self, path: &Utf8Path, changed: &mut Vec<Utf8PathBuf>) {
        let mut memory = self.write_memory();
        let mut known = memory.texts.remove(path.as_str()).is_some();
        known |= memory.prints.remove(path.as_str()).is_some();
        #[expect(clippy::iter_over_hash_type, reason = "each folder is told")]
        for files in memory.walked.values_mut() {
            known |= files.remove(path).is_some() && (self.counts)(path);
        }
        if known {
            changed.push(path.to_owned());
        }
    }

    fn read_memory(&self) -> std::sync::RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_memory(&self) -> std::sync::RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn found_in(files: &Files) -> Vec<FoundFile> {
    files.iter().map(|(path, size)| FoundFile { path: path.clone(), size: *size }).collect()
}

impl System for CachedSystem {
    fn read(&self, path: &Utf8Path) -> Result<Arc<str>, SystemError> {
        self.read_with_fingerprint(path).map(|(text, _)| text)
    }

    fn read_with_fingerprint(
        &self,
        path: &Utf8Path,
    ) -> Result<(Arc<str>, Fingerprint), SystemError> {
        if let Some(found) = self.read_memory().texts.get(path.as_str()) {
            return Ok(found.clone());
        }
        let read = self.inner.read_with_fingerprint(path);
        if read.as_ref().is_err_and(SystemError::not_found) {
            // `.dbtignore` is read without looking for it first, so that it does not exist must be
            // recorded here.
            self.write_memory().looked.insert(path.to_string(), PathType::Nothing);
        }
        let read = read.inspect_err(|_| {
            self.write_memory().unreadable.insert(path.to_string());
        })?;
        self.write_memory().texts.insert(path.to_string(), read.clone());
        Ok(read)
    }

    fn fingerprint(&self, path: &Utf8Path) -> Result<Fingerprint, SystemError> {
        if let Some(found) = self.read_memory().prints.get(path.as_str()) {
            return Ok(*found);
        }
        let fingerprint = self.inner.fingerprint(path)?;
        self.write_memory().prints.insert(path.to_string(), fingerprint);
        Ok(fingerprint)
    }

    fn walk(&self, folder: &Utf8Path) -> Result<Vec<FoundFile>, SystemError> {
        if let Some(files) = self.read_memory().walked.get(folder) {
            return Ok(found_in(files));
        }
        let files: Files = self.inner.walk(folder)?.into_iter().map(|f| (f.path, f.size)).collect();
        let found = found_in(&files);
        self.write_memory().walked.insert(folder.to_owned(), files);
        Ok(found)
    }

    fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read + Send>, SystemError> {
        self.inner.open(path)
    }

    fn path_type(&self, path: &Utf8Path) -> PathType {
        if let Some(found) = self.read_memory().looked.get(path.as_str()) {
            return *found;
        }
        let found = self.inner.path_type(path);
        self.write_memory().looked.insert(path.to_string(), found);
        found
    }

    fn stamp(&self, path: &Utf8Path) -> Option<String> {
        self.inner.stamp(path)
    }

    fn is_private(&self, path: &Utf8Path) -> bool {
        self.inner.is_private(path)
    }

    fn list(&self, folder: &Utf8Path) -> Vec<String> {
        if let Some(found) = self.read_memory().listed.get(folder.as_str()) {
            return found.clone();
        }
        let found = self.inner.list(folder);
        self.write_memory().listed.insert(folder.to_string(), found.clone());
        found
    }

    fn write_atomic(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError> {
        self.inner.write_atomic(path, content)
    }

    fn write_stream(
        &self,
        path: &Utf8Path,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> Result<(), SystemError> {
        self.inner.write_stream(path, write)
    }

    fn links(&self, folder: &Utf8Path) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        self.inner.links(folder)
    }

    fn has_content(&self, path: &Utf8Path, content: &[u8]) -> bool {
        self.inner.has_content(path, content)
    }

    fn remove(&self, path: &Utf8Path) -> Result<(), SystemError> {
        self.inner.remove(path)
    }

    fn symlink(&self, to: &Utf8Path, link: &Utf8Path) -> Result<(), SystemError> {
        self.inner.symlink(to, link)
    }

    fn is_link(&self, path: &Utf8Path) -> bool {
        self.inner.is_link(path)
    }

    fn real_path(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        self.inner.real_path(path)
    }

    fn list_tree(&self, folder: &Utf8Path) -> Result<Vec<TreeEntry>, SystemError> {
        self.inner.list_tree(folder)
    }

    fn make_folder(&self, path: &Utf8Path) -> Result<(), SystemError> {
        self.inner.make_folder(path)
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), SystemError> {
        self.inner.rename(from, to)
    }

    fn replace_folder(&self, new: &Utf8Path, old: &Utf8Path) -> Result<(), SystemError> {
        self.inner.replace_folder(new, old)
    }

    fn run_program(&self, call: &ProgramCall<'_>) -> Result<ProgramEnd, SystemError> {
        self.inner.run_program(call)
    }

    fn set_env_defaults(&self, variables: BTreeMap<String, String>) {
        self.inner.set_env_defaults(variables);
    }

    fn env(&self, key: &str) -> Option<String> {
        self.inner.env(key)
    }

    fn env_all(&self) -> Vec<(String, String)> {
        self.inner.env_all()
    }

    fn now(&self) -> jiff::Timestamp {
        self.inner.now()
    }

    fn current_dir(&self) -> Utf8PathBuf {
        self.inner.current_dir()
    }

    fn home_dir(&self) -> Option<Utf8PathBuf> {
        self.inner.home_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[test]
    fn content_decides() {
        let files = [("/p/models/a.sql", "select 1"), ("/p/models/b.sql", "select 2")];
        let inner: Arc<dyn System> = Arc::new(MemorySystem::with_files(files));
        let kept = CachedSystem::new(inner.clone(), |_| true);
        let a = Utf8Path::new("/p/models/a.sql");
        assert_eq!(kept.walk("/p/models".into()).unwrap().len(), 2);
        assert_eq!(&*kept.read(a).unwrap(), "select 1");
        assert!(kept.find_changed_paths([a]).is_empty());
        inner.write_atomic(a, b"select 3").unwrap();
        assert_eq!(&*kept.read(a).unwrap(), "select 1", "nobody has said that it changed");
        assert_eq!(kept.find_changed_paths([a]), [a.to_owned()]);
        assert_eq!(&*kept.read(a).unwrap(), "select 3");
        inner.remove(a).unwrap();
        inner.write_atomic("/p/models/new/c.sql".into(), b"select 4").unwrap();
        assert_eq!(kept.find_changed_paths([Utf8Path::new("/p/models")]).len(), 2);
        assert_eq!(kept.walk("/p/models".into()).unwrap().len(), 2);
        assert!(kept.read(a).is_err());
        let asked = Utf8Path::new("/p/packages.yml");
        assert!(!kept.is_file(asked));
        inner.write_atomic(asked, b"packages: []").unwrap();
        inner.write_atomic("/p/shop.duckdb".into(), b"...").unwrap();
        assert_eq!(
            kept.find_changed_paths([asked, Utf8Path::new("/p/shop.duckdb")]),
            [asked.to_owned()]
        );
        assert!(kept.is_file(asked));
    }
}
