//! `deps`: finds the packages that the project needs, locks their versions and installs them.

mod run;

use super::OpsError;
use crate::config::PackagesFile;
use crate::diag::Diagnostic;
use crate::load::LoadedProject;
use crate::packages::{EditError, LOCK_FILE, NewPackage, ResolveFailure, add_package};
use crate::source::SourceMap;
use crate::system::{System, normalize_path};
use crate::workspace::{Notice, Notices, Workspace, WorkspaceError};
use camino::Utf8Path;
use run::{DepsFailure, DepsRun};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct DepsOptions {
    /// A package that is added to the packages file first.
    pub(crate) add: Option<NewPackage>,
    /// Whether versions are chosen anew though the lock file fits.
    pub(crate) upgrade: bool,
    /// Whether only the lock file is written.
    pub(crate) lock_only: bool,
}

/// A package that was added to a file, and those that it has replaced there.
pub(crate) struct AddedPackage {
    pub(crate) name: String,
    pub(crate) file: PackagesFile,
    pub(crate) replaced: Vec<String>,
}

/// What became of the folder of packages.
pub(crate) enum Installation {
    /// Only the lock file was asked for.
    LeftAlone,
    /// Everything was there already; the number of packages.
    InPlace(usize),
    /// The packages by name, with where they come from.
    Installed(Vec<(String, String)>),
}

pub(crate) struct DepsReport {
    pub(crate) added: Option<AddedPackage>,
    /// Whether the project asks for packages.
    pub(crate) is_asked: bool,
    pub(crate) is_lock_written: bool,
    pub(crate) installation: Installation,
    /// Packages of the hub of which there is a newer version, with it.
    pub(crate) newer: Vec<(String, String)>,
}

pub(crate) fn install_packages(
    workspace: &mut Workspace,
    options: &DepsOptions,
    notices: &mut Notices<'_>,
) -> Result<DepsReport, OpsError> {
    let mut sources = load_sources(workspace, notices)?;
    let Some(new) = &options.add else {
        return install_needs(workspace, &mut sources, options, notices);
    };
    let file = sources.needs.file.unwrap_or(PackagesFile::Packages);
    let path = sources.root().root.join(file.name());
    let system = workspace.settings().system.clone();
    let before = match system.is_file(&path) {
        true => Some(system.read(&path)?),
        false => None,
    };
    let replaced = write_new_package(system.as_ref(), &path, before.as_deref(), file, new)?;
    let done = load_sources(workspace, notices)
        .and_then(|mut sources| install_needs(workspace, &mut sources, options, notices));
    match done {
        Ok(report) => {
            let added = AddedPackage { name: new.name.clone(), file, replaced };
            Ok(DepsReport { added: Some(added), ..report })
        }
        // A package that cannot be had would stop every command.
        Err(e) => {
            match before {
                Some(text) => system.write_atomic(&path, text.as_bytes())?,
                None => system.remove(&path)?,
            }
            Err(e)
        }
    }
}

/// Loads the project without its packages. All its errors count.
fn load_sources(
    workspace: &mut Workspace,
    notices: &mut Notices<'_>,
) -> Result<LoadedProject, OpsError> {
    let (sources, diagnostics) = workspace.load_own_files(notices)?;
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(fail_with(diagnostics, &sources.map, notices));
    }
    Ok(sources)
}

fn fail_with(diagnostics: Vec<Diagnostic>, map: &SourceMap, notices: &mut Notices<'_>) -> OpsError {
    notices(Notice::Files(Arc::new(map.clone())));
    WorkspaceError::Diagnostics(diagnostics).into()
}

fn write_new_package(
    system: &dyn System,
    path: &Utf8Path,
    before: Option<&str>,
    file: PackagesFile,
    new: &NewPackage,
) -> Result<Vec<String>, OpsError> {
    let edited = add_package(before.unwrap_or_default(), new).map_err(|e| {
        let hint = match &e {
            EditError::NoList => {
                "it has a list of mappings: packages: [{package: .., version: ..}]"
            }
            EditError::Unreadable(_) => "`strata parse` shows where",
        };
        OpsError::usage_with_hint(format!("nothing can be added to {}: {e}", file.name()), hint)
    })?;
    system.write_atomic(path, edited.text.as_bytes())?;
    Ok(edited.removed)
}

fn install_needs(
    workspace: &Workspace,
    sources: &mut LoadedProject,
    options: &DepsOptions,
    notices: &mut Notices<'_>,
) -> Result<DepsReport, OpsError> {
    let mut map = std::mem::take(&mut sources.map);
    let cancel = workspace.cancel_token().clone();
    let root = sources.root();
    let install = Utf8Path::new(&root.options.packages_install_path);
    let run = DepsRun {
        settings: workspace.settings(),
        sources,
        options,
        folder: normalize_path(&root.root.join(install)),
        lock_path: root.root.join(LOCK_FILE),
        is_stopped: &|| cancel.is_cancelled(),
    };
    match run.carry_out(&mut map, notices) {
        Ok(report) => Ok(report),
        Err(DepsFailure::Ops(e)) => Err(e),
        Err(DepsFailure::Packages(ResolveFailure::Diagnostics(list))) => {
            Err(fail_with(list, &map, notices))
        }
        Err(DepsFailure::Packages(ResolveFailure::Interrupted)) => {
            Err(OpsError::usage_with_hint("stopped", "the installed packages are as they were"))
        }
    }
}
