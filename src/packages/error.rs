//! Why a package cannot be found, fetched or installed.

use super::archive::ArchiveError;
use super::git::GitError;
use super::http::HttpError;
use super::version::VersionError;
use crate::config::PackageUrl;
use crate::diag::Diagnostic;
use crate::system::SystemError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    #[error("`{package}`: {source}")]
    Version { package: String, source: VersionError },
    #[error("no version of `{package}` fits {range}")]
    NoVersion {
        package: String,
        range: String,
        installable: Vec<String>,
        /// Versions that do not accept the dbt version.
        refused: Vec<String>,
        dbt_version: String,
    },
    #[error("the repository {url} is asked for in several revisions: {}", revisions.join(", "))]
    ManyRevisions { url: PackageUrl, revisions: Vec<String> },
    #[error("`{name}` is a private package, which only dbt Cloud can find")]
    Private { name: String },
    #[error("`{package}` is not on the hub {hub}")]
    NotOnHub { package: String, hub: String },
    #[error("the hub's answer at {address} cannot be used: {problem}")]
    HubAnswer { address: String, problem: String },
    #[error("the hub has no version {version} of `{package}`")]
    GoneFromHub { package: String, version: String },
    #[error("{package} has no project file in {place}")]
    NoProject { package: String, place: String },
    #[error("the project file of {package} has no `name`")]
    NoName { package: String },
    #[error("{package} cannot be installed: `{name}` is no name of a folder")]
    UnsafeName { package: String, name: String },
    #[error("the archive of {package} cannot be used: {source}")]
    Archive { package: String, source: ArchiveError },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error("the files of a package have errors")]
    Files(Vec<Diagnostic>),
    #[error("interrupted")]
    Interrupted,
}

/// The number of versions that a message names at most.
const MOST: usize = 12;

impl PackageError {
    /// What the user can do next.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            PackageError::NoVersion { installable, refused, dbt_version, .. } => {
                return explain_choice(installable, refused, dbt_version);
            }
            PackageError::Version { source: VersionError::NotAVersion(text), .. }
                if text.contains(',') =>
            {
                "write several conditions as a list: version: [\">=1.0.0\", \"<2.0.0\"]"
            }
            PackageError::Version { source: VersionError::Incompatible(_), .. } => {
                "loosen one of the conditions, or take another version of a package that asks for it"
            }
            PackageError::ManyRevisions { .. } => "ask for one revision everywhere",
            PackageError::Private { .. } => "ask for it with `git:` and its address",
            PackageError::NotOnHub { .. } => {
                "look the name up on the hub; a package elsewhere is asked for with `git:` or `tarball:`"
            }
            PackageError::HubAnswer { .. } => {
                "check DBT_PACKAGE_HUB_URL, which ends with a slash, or try again later"
            }
            PackageError::GoneFromHub { .. } => "`strata deps --upgrade` chooses another version",
            PackageError::NoProject { .. } => {
                "a package is a folder with a dbt_project.yml; a folder of a repository is named by `subdirectory:`"
            }
            PackageError::Archive { .. } => {
                "check the address; an archive is a .tar.gz with one folder, in which the package is"
            }
            PackageError::Http(e) => return e.hints(),
            PackageError::Git(e) => return e.hints(),
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

fn explain_choice(installable: &[String], refused: &[String], dbt_version: &str) -> Vec<String> {
    let mut hints = Vec::new();
    hints.push(match installable.is_empty() {
        true => "there is no version that could be installed".to_owned(),
        false => format!("there are {}", name_last(installable)),
    });
    if !refused.is_empty() {
        hints.push(format!(
            "`--no-version-check` also takes those that do not accept dbt {dbt_version}: {}",
            name_last(refused)
        ));
    }
    hints
}

fn name_last(versions: &[String]) -> String {
    let left = versions.len().saturating_sub(MOST);
    let named = versions[left..].join(", ");
    if left > 0 { format!("{named}, and {left} older ones") } else { named }
}
