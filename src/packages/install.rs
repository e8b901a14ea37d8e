//! Puts packages into their folder: made beside it, then exchanged, so that a failure leaves it as it was.

use super::archive::fingerprint_folder;
use super::error::PackageError;
use super::fetch::{FetchedPackage, PackageContent, PackageFetcher};
use super::resolve::{ResolveFailure, fail_package_at};
use crate::system::{System, SystemError, TreeKind, command_line_of_process};
use camino::{Utf8Path, Utf8PathBuf};

/// A folder for what is being made, beside the one that it becomes. It is removed at the end.
pub(crate) struct Workshop<'a> {
    system: &'a dyn System,
    path: Utf8PathBuf,
}

impl<'a> Workshop<'a> {
    /// The workshop of this process for a folder. Those that killed processes left are removed.
    pub(crate) fn beside(system: &'a dyn System, folder: &Utf8Path) -> Workshop<'a> {
        let parent = folder.parent().unwrap_or(Utf8Path::new("."));
        let prefix = format!(".{}.strata-", folder.file_name().unwrap_or("packages"));
        // Without `/proc` it is not known which processes there are.
        if command_line_of_process(std::process::id()).is_some() {
            for name in system.list(parent) {
                let pid = name.strip_prefix(&prefix).and_then(|pid| pid.parse::<u32>().ok());
                if pid.is_some_and(|pid| command_line_of_process(pid).is_none()) {
                    // What cannot be removed now is tried again next time.
                    let _ = system.remove(&parent.join(name));
                }
            }
        }
        Workshop { system, path: parent.join(format!("{prefix}{}", std::process::id())) }
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for Workshop<'_> {
    fn drop(&mut self) {
        // Nothing depends on it any more.
        let _ = self.system.remove(&self.path);
    }
}

/// Whether a folder holds exactly these packages, unchanged.
pub(crate) fn are_in_place(
    system: &dyn System,
    folder: &Utf8Path,
    packages: &[FetchedPackage],
) -> Result<bool, SystemError> {
    let mut there = system.list(folder);
    there.retain(|name| !name.starts_with('.'));
    let mut names: Vec<&str> = packages.iter().map(|package| &*package.name).collect();
    names.sort_unstable();
    if there != names {
        return Ok(false);
    }
    for package in packages {
        let path = folder.join(&package.name);
        let is_same = match &package.content {
            PackageContent::Folder(target) => {
                system.is_link(&path) && system.real_path(&path) == system.real_path(target)
            }
            PackageContent::Archive(archive) => {
                !system.is_link(&path)
                    && fingerprint_folder(system, &path)? == Some(archive.fingerprint)
            }
        };
        if !is_same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the folder of packages anew beside the old one, which stays in place.
pub(crate) fn stage_packages(
    fetcher: &mut PackageFetcher<'_>,
    system: &dyn System,
    workshop: &Workshop<'_>,
    packages: &[FetchedPackage],
) -> Result<Utf8PathBuf, ResolveFailure> {
    let stage = workshop.path().join("packages");
    for package in packages {
        let path = stage.join(&package.name);
        let done = match &package.content {
            PackageContent::Folder(target) => link_or_copy(system, target, &path),
            PackageContent::Archive(archive) => fetcher.unpack(package, archive, &path),
        };
        done.map_err(|e| fail_package_at(e, package.span))?;
    }
    Ok(stage)
}

/// Links a local package. Where links are not allowed, it is copied, as dbt does.
fn link_or_copy(system: &dyn System, from: &Utf8Path, to: &Utf8Path) -> Result<(), PackageError> {
    if system.symlink(from, to).is_ok() {
        return Ok(());
    }
    for entry in system.list_tree(from)? {
        if entry.kind == TreeKind::File {
            let mut input = system.open(&from.join(&entry.path))?;
            system.write_stream(&to.join(&entry.path), &mut |out| {
                std::io::copy(&mut input, out).map(drop)
            })?;
        }
    }
    Ok(())
}
