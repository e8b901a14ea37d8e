//! Downloaded archives, kept for all projects of a user.
//!
//! An archive is found by what it was fetched as: the version of a package of a hub, the commit of a repository, an
//! address. A record beside it holds the fingerprint of its unpacked content; an archive that no longer has it is
//! removed and fetched again.

use super::archive::{ArchiveContent, ArchiveError, ArchiveFormat, UnpackTarget, read_archive};
use super::error::PackageError;
use crate::hash::Fingerprint;
use crate::system::{System, SystemError, find_cache_folder};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// Changes when archives or records have another form.
const FOLDER: &str = "strata/packages/1";

/// By what an archive is found again. Holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArchiveKey {
    fingerprint: Fingerprint,
    pub(super) format: ArchiveFormat,
}

impl ArchiveKey {
    pub(super) fn of_release(hub: &str, package: &str, version: &str) -> ArchiveKey {
        let fingerprint = Fingerprint::of_parts(["hub", hub, package, version]);
        ArchiveKey { fingerprint, format: ArchiveFormat::Folder }
    }

    pub(super) fn of_commit(address: &str, commit: &str, folder: Option<&str>) -> ArchiveKey {
        let parts = ["git", address, commit, folder.unwrap_or_default()];
        ArchiveKey { fingerprint: Fingerprint::of_parts(parts), format: ArchiveFormat::Bare }
    }

    pub(super) fn of_tarball(address: &str) -> ArchiveKey {
        let fingerprint = Fingerprint::of_parts(["tarball", address]);
        ArchiveKey { fingerprint, format: ArchiveFormat::Folder }
    }
}

/// The record of an archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ArchiveRecord {
    content: String,
    /// The name of the package's folder, where only the hub tells it.
    name: Option<String>,
}

/// An archive of the store.
#[derive(Clone, Debug)]
pub(crate) struct StoredArchive {
    key: ArchiveKey,
    pub(crate) fingerprint: Fingerprint,
    pub(super) name: Option<String>,
}

pub(crate) struct PackageStore<'a> {
    system: &'a dyn System,
    folder: Utf8PathBuf,
}

impl<'a> PackageStore<'a> {
    /// The store of the user, or one in `instead` where that cannot be written or is not wanted.
    pub(crate) fn open(
        system: &'a dyn System,
        is_shared: bool,
        instead: &Utf8Path,
    ) -> PackageStore<'a> {
        let shared = find_cache_folder(system).filter(|_| is_shared).map(|f| f.join(FOLDER));
        let folder = shared.filter(|folder| system.make_folder(folder).is_ok());
        PackageStore { system, folder: folder.unwrap_or_else(|| instead.join("archives")) }
    }

    fn archive_path(&self, key: &ArchiveKey) -> Utf8PathBuf {
        let ending = match key.format {
            ArchiveFormat::Folder => "tar.gz",
            ArchiveFormat::Bare => "tar",
        };
        self.folder.join(format!("{}.{ending}", key.fingerprint.hex()))
    }

    fn record_path(&self, key: &ArchiveKey) -> Utf8PathBuf {
        self.folder.join(format!("{}.json", key.fingerprint.hex()))
    }

    pub(super) fn find(&self, key: &ArchiveKey) -> Option<StoredArchive> {
        let path = self.archive_path(key);
        let record = self.system.read(&self.record_path(key)).ok()?;
        let record: ArchiveRecord = serde_json::from_str(&record).ok()?;
        let fingerprint = Fingerprint::from_hex(&record.content)?;
        let archive = StoredArchive { key: key.clone(), fingerprint, name: record.name };
        self.system.is_file(&path).then_some(archive)
    }

    /// A file for an archive that is being made.
    pub(super) fn temporary_file(&self) -> Utf8PathBuf {
        self.folder.join(format!(".{}.part", uuid::Uuid::new_v4()))
    }

    /// Moves a checked archive into the store.
    pub(super) fn adopt(
        &self,
        key: &ArchiveKey,
        file: &Utf8Path,
        content: &ArchiveContent,
        name: Option<&str>,
    ) -> Result<StoredArchive, SystemError> {
        let path = self.archive_path(key);
        // The record comes last: without it there is no archive. Another process may read the old one.
        self.system.rename(file, &path)?;
        let record =
            ArchiveRecord { content: content.fingerprint.hex(), name: name.map(str::to_owned) };
        let text = serde_json::to_string(&record).unwrap_or_default();
        self.system.write_atomic(&self.record_path(key), text.as_bytes())?;
        let fingerprint = content.fingerprint;
        Ok(StoredArchive { key: key.clone(), fingerprint, name: record.name })
    }

    pub(super) fn forget(&self, archive: &StoredArchive) -> Result<(), SystemError> {
        self.system.remove(&self.record_path(&archive.key))?;
        self.system.remove(&self.archive_path(&archive.key))
    }

    /// Reads what an archive holds, and unpacks it into a folder if there is one. `None` if it is not
    /// what its record says.
    pub(super) fn read(
        &self,
        archive: &StoredArchive,
        folder: Option<&Utf8Path>,
    ) -> Result<Option<ArchiveContent>, ArchiveError> {
        let target = folder.map(|folder| UnpackTarget { system: self.system, folder });
        let input = self.system.open(&self.archive_path(&archive.key))?;
        match read_archive(input, archive.key.format, target) {
            Ok(content) => {
                Ok(Some(content).filter(|content| content.fingerprint == archive.fingerprint))
            }
            Err(e @ ArchiveError::System(_)) => Err(e),
            Err(_) => Ok(None),
        }
    }
}

/// Checks a new archive before it is stored.
pub(super) fn check_archive(
    system: &dyn System,
    file: &Utf8Path,
    format: ArchiveFormat,
    package: &str,
) -> Result<ArchiveContent, PackageError> {
    let input = system.open(file)?;
    read_archive(input, format, None)
        .map_err(|source| PackageError::Archive { package: package.to_owned(), source })
}
