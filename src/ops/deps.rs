//! `deps`: links local packages. Other packages are reported as unsupported.

use super::OpsError;
use crate::config::{PackageSpec, parse_yaml};
use crate::load::{LoadedPackage, find_project_file};
use crate::source::FileId;
use crate::system::{System, normalize_path};
use crate::workspace::{Notices, Workspace};
use camino::{Utf8Path, Utf8PathBuf};

pub(crate) struct DepsReport {
    pub(crate) is_asked: bool,
    /// Package names, with the paths as they are written in the packages file.
    pub(crate) installed: Vec<(String, String)>,
    /// Packages that cannot be installed, since they are not local.
    pub(crate) unsupported: Vec<String>,
    /// The folder that packages are linked into.
    pub(crate) folder: Utf8PathBuf,
}

pub(crate) fn install_packages(
    workspace: &mut Workspace,
    notices: &mut Notices<'_>,
) -> Result<DepsReport, OpsError> {
    let sources = workspace.load_own_files(notices)?;
    let package = sources.root();
    let system = workspace.settings().system.as_ref();
    let mut report = DepsReport {
        is_asked: !sources.package_specs.is_empty(),
        installed: Vec::new(),
        unsupported: Vec::new(),
        folder: normalize_path(&package.root.join(&package.options.packages_install_path)),
    };
    for spec in &sources.package_specs {
        match spec {
            PackageSpec::Local { path, .. } => {
                let folder = normalize_path(&package.root.join(path));
                let name = read_package_name(system, &folder)?;
                refuse_second_package(package, &report, &name, path)?;
                system.symlink(&folder, &report.folder.join(&name))?;
                report.installed.push((name, path.clone()));
            }
            PackageSpec::Hub { name, .. } => report.unsupported.push(name.clone()),
            PackageSpec::Git { url, .. } => report.unsupported.push(url.clone()),
            PackageSpec::Tarball { url, name, .. } => {
                report.unsupported.push(name.clone().unwrap_or_else(|| url.clone()));
            }
        }
    }
    Ok(report)
}

/// Reads the `name` in the project file of a package's folder.
fn read_package_name(system: &dyn System, folder: &Utf8Path) -> Result<String, OpsError> {
    let Some(file) = find_project_file(system, folder) else {
        return Err(OpsError::usage(format!("{folder} has no project file")));
    };
    let text = system.read(&file)?;
    let tree = parse_yaml(FileId(0), &text).value;
    let name = tree.as_map().and_then(|m| m.get("name"));
    let name = name.and_then(|y| y.as_str().map(str::to_owned));
    name.ok_or_else(|| OpsError::usage(format!("{file} has no `name`")))
}

/// Fails if a package has the name of the project or of another package: names must be unique.
fn refuse_second_package(
    root: &LoadedPackage,
    report: &DepsReport,
    name: &str,
    path: &str,
) -> Result<(), OpsError> {
    let other = if **root.name() == *name {
        "the project itself has"
    } else if report.installed.iter().any(|(other, _)| other == name) {
        "another package has"
    } else {
        return Ok(());
    };
    let message = format!("the package in {path} is named `{name}`, a name that {other}");
    Err(OpsError::usage(message))
}
