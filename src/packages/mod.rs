//! Packages: which are needed, in which version, where they are, and how they get into their folder.
//!
//! In: the packages that a project asks for, a `System`, the hub and repositories that they name.
//! Out: pinned packages, the text of the lock file, a folder with the packages. `version`, `resolve`,
//! `lock` and `edit` are pure; `http`, `git` and `archive` meet what strangers wrote. Must not know:
//! flags, consoles, what a package's models mean.

mod archive;
mod edit;
mod error;
mod fetch;
mod git;
mod http;
mod hub;
mod install;
mod lock;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod store;
mod version;
mod yaml_text;

pub(crate) use edit::{EditError, NewPackage, NewPackageError, NewPackageSource, add_package};
pub(crate) use fetch::{FetchGround, FetchStep, FetchedPackage, PackageFetcher};
pub(crate) use install::{Workshop, are_in_place, stage_packages};
pub(crate) use lock::{LOCK_FILE, LockEntry, LockText, hash_specs, restore_login, write_lock};
pub(crate) use resolve::{
    PinnedPackage, ResolveFailure, ResolvedPackage, VersionRules, check_names, fail_package_at,
    pin_locked, resolve_packages,
};
pub(crate) use store::PackageStore;
