//! Which packages a project needs, and which version or revision of each, by dbt's rules: breadth first and
//! without backtracking. Pure: an index says what there is.

use super::error::PackageError;
use super::version::{
    VersionRange, VersionSpecifier, choose_version, fits_all, reduce_versions, sort_installable,
};
use crate::config::{PackageSource, PackageSpec, PackageUrl};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The branch that a repository shows first.
pub(super) const DEFAULT_REVISION: &str = "HEAD";

/// A package with its version or revision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PinnedPackage {
    Local {
        path: String,
    },
    Hub {
        name: String,
        version: String,
        /// The highest version that may be installed; `None` if the hub was not asked.
        latest: Option<String>,
    },
    Git {
        url: PackageUrl,
        revision: String,
        warn_unpinned: bool,
        subdirectory: Option<String>,
    },
    Tarball {
        url: PackageUrl,
        name: String,
    },
}

impl fmt::Display for PinnedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinnedPackage::Local { path } => f.write_str(path),
            PinnedPackage::Hub { name, version, .. } => write!(f, "{name} {version}"),
            PinnedPackage::Git { url, revision, subdirectory, .. } => {
                write!(f, "{url}")?;
                if let Some(folder) = subdirectory {
                    write!(f, " ({folder})")?;
                }
                match revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit()) {
                    true => write!(f, " at {}", &revision[..7]),
                    false => write!(f, " at {revision}"),
                }
            }
            PinnedPackage::Tarball { url, .. } => write!(f, "{url}"),
        }
    }
}

/// What is known of a pinned package once it was looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackageFacts {
    /// The name of its folder below the packages' folder.
    pub(crate) name: String,
    /// The packages that it asks for itself.
    pub(crate) needs: Vec<PackageSpec>,
    /// Whether these have a place in a file; those that the hub tells have none.
    pub(super) are_needs_placed: bool,
    /// The commit of a git package.
    pub(crate) commit: Option<String>,
}

impl PackageFacts {
    pub(crate) fn placed(name: String, needs: Vec<PackageSpec>) -> PackageFacts {
        PackageFacts { name, needs, are_needs_placed: true, commit: None }
    }

    pub(crate) fn unplaced(name: String, needs: Vec<PackageSpec>) -> PackageFacts {
        PackageFacts { are_needs_placed: false, ..PackageFacts::placed(name, needs) }
    }
}

/// A version of a package on the hub.
#[derive(Clone, Debug)]
pub(crate) struct HubRelease {
    pub(crate) version: String,
    /// The versions of dbt that it accepts; empty if it says nothing.
    pub(crate) require_dbt_version: Vec<String>,
}

/// Where packages are looked up.
pub(crate) trait PackageIndex {
    /// All versions of a package on the hub.
    fn list_releases(&mut self, package: &str) -> Result<Arc<[HubRelease]>, PackageError>;
    fn describe_package(
        &mut self,
        package: &PinnedPackage,
    ) -> Result<Arc<PackageFacts>, PackageError>;
}

/// How versions of the hub are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionRules<'a> {
    pub(crate) dbt_version: &'a str,
    /// Whether versions that do not accept this dbt version are left out.
    pub(crate) is_checked: bool,
}

/// A package that is to be installed.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedPackage {
    pub(crate) package: PinnedPackage,
    pub(crate) facts: Arc<PackageFacts>,
    /// Where it was asked for first.
    pub(crate) span: Span,
}

/// A request for a package.
#[derive(Clone, Debug)]
struct PackageRequest {
    span: Span,
    /// The package that asks; `None` for the project itself.
    by: Option<String>,
}

impl PackageRequest {
    fn label(&self) -> String {
        match &self.by {
            Some(by) => format!("asked for by {by}"),
            None => "asked for here".to_owned(),
        }
    }
}

/// A package with all requests for it so far.
#[derive(Clone, Debug)]
struct WantedPackage {
    source: PackageSource,
    /// The revisions that were asked for, of a git package.
    revisions: BTreeSet<String>,
    requests: Vec<PackageRequest>,
}

impl WantedPackage {
    fn new(spec: &PackageSpec, request: PackageRequest) -> WantedPackage {
        let revisions = match &spec.source {
            PackageSource::Git { revision, .. } => revision.iter().cloned().collect(),
            _ => BTreeSet::new(),
        };
        WantedPackage { source: spec.source.clone(), revisions, requests: vec![request] }
    }

    /// By which it is found again. Addresses of git packages may end with `.git` or not.
    fn keys(&self) -> Vec<String> {
        match &self.source {
            PackageSource::Local { path } => vec![path.clone()],
            PackageSource::Hub { name, .. } | PackageSource::Private { name } => vec![name.clone()],
            PackageSource::Tarball { url, .. } => vec![url.reveal().to_owned()],
            PackageSource::Git { url, subdirectory, .. } => {
                let url = url.reveal();
                let other =
                    url.strip_suffix(".git").map_or_else(|| format!("{url}.git"), str::to_owned);
                let below = subdirectory.as_ref().map(|s| format!("/{s}")).unwrap_or_default();
                vec![format!("{url}{below}"), format!("{other}{below}")]
            }
        }
    }

    /// Adds another request for the same package.
    fn incorporate(&mut self, other: WantedPackage) -> Result<(), ResolveFailure> {
        match (&mut self.source, other.source) {
            (PackageSource::Hub { versions, .. }, PackageSource::Hub { versions: more, .. }) => {
                versions.extend(more);
            }
            (
                PackageSource::Git { warn_unpinned, .. },
                PackageSource::Git { warn_unpinned: other, .. },
            ) => *warn_unpinned &= other,
            (PackageSource::Local { .. }, PackageSource::Local { .. })
            | (PackageSource::Tarball { .. }, PackageSource::Tarball { .. }) => {}
            (mine, theirs) => {
                let message = format!(
                    "one package is asked for as {} and as {}",
                    source_word(mine),
                    source_word(&theirs)
                );
                let both = self.requests.iter().chain(&other.requests);
                return Err(tell_requests(message, both).help("ask for it in one way").into());
            }
        }
        self.revisions.extend(other.revisions);
        self.requests.extend(other.requests);
        Ok(())
    }

    fn pin(
        &self,
        index: &mut dyn PackageIndex,
        rules: VersionRules<'_>,
    ) -> Result<PinnedPackage, PackageError> {
        Ok(match &self.source {
            PackageSource::Local { path } => PinnedPackage::Local { path: path.clone() },
            PackageSource::Tarball { url, name } => {
                PinnedPackage::Tarball { url: url.clone(), name: name.clone() }
            }
            PackageSource::Private { name } => {
                return Err(PackageError::Private { name: name.clone() });
            }
            PackageSource::Git { url, warn_unpinned, subdirectory, .. } => {
                let mut revisions = self.revisions.iter();
                let revision = revisions.next().map_or(DEFAULT_REVISION, String::as_str);
                if revisions.next().is_some() {
                    let revisions = self.revisions.iter().cloned().collect();
                    return Err(PackageError::ManyRevisions { url: url.clone(), revisions });
                }
                PinnedPackage::Git {
                    url: url.clone(),
                    revision: revision.to_owned(),
                    warn_unpinned: *warn_unpinned,
                    subdirectory: subdirectory.clone(),
                }
            }
            PackageSource::Hub { name, versions, install_prerelease } => {
                pin_release(name, versions, *install_prerelease, index, rules)?
            }
        })
    }
}

fn source_word(source: &PackageSource) -> &'static str {
    match source {
        PackageSource::Local { .. } => "a local package",
        PackageSource::Hub { .. } => "a package of the hub",
        PackageSource::Git { .. } => "a git repository",
        PackageSource::Tarball { .. } => "a tarball",
        PackageSource::Private { .. } => "a private package",
    }
}

fn pin_release(
    name: &str,
    versions: &[String],
    install_prerelease: bool,
    index: &mut dyn PackageIndex,
    rules: VersionRules<'_>,
) -> Result<PinnedPackage, PackageError> {
    let specifiers = versions
        .iter()
        .map(|text| VersionSpecifier::parse(text))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| PackageError::Version { package: name.to_owned(), source })?;
    let releases = index.list_releases(name)?;
    let in_package = |source| PackageError::Version { package: name.to_owned(), source };
    let range: VersionRange = reduce_versions(&specifiers).map_err(in_package)?;
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for release in releases.iter() {
        let accepts = !rules.is_checked || accepts_dbt(release, rules.dbt_version, name)?;
        if accepts { &mut accepted } else { &mut refused }.push(release.version.clone());
    }
    let is_named = specifiers.iter().any(VersionSpecifier::is_prerelease);
    let installable = sort_installable(&accepted, install_prerelease || is_named);
    let installable = installable.map_err(in_package)?;
    match choose_version(&range, &installable).map_err(in_package)? {
        Some(version) => Ok(PinnedPackage::Hub {
            name: name.to_owned(),
            version,
            latest: installable.last().cloned(),
        }),
        None => Err(PackageError::NoVersion {
            package: name.to_owned(),
            range: range.to_string(),
            installable,
            refused,
            dbt_version: rules.dbt_version.to_owned(),
        }),
    }
}

fn accepts_dbt(
    release: &HubRelease,
    dbt_version: &str,
    package: &str,
) -> Result<bool, PackageError> {
    let parse = |text: &String| VersionSpecifier::parse(text);
    let conditions = release.require_dbt_version.iter().map(parse).collect::<Result<Vec<_>, _>>();
    let in_package = |source| PackageError::Version { package: package.to_owned(), source };
    let dbt = VersionSpecifier::parse(dbt_version).map_err(in_package)?;
    Ok(fits_all(&dbt, &conditions.map_err(in_package)?))
}

/// Packages in the order in which they were first asked for.
#[derive(Default)]
struct PackageListing {
    packages: IndexMap<String, WantedPackage>,
}

impl PackageListing {
    fn incorporate(&mut self, wanted: WantedPackage) -> Result<&mut WantedPackage, ResolveFailure> {
        let keys = wanted.keys();
        let known = keys.iter().find(|key| self.packages.contains_key(*key));
        let key = known.unwrap_or(&keys[0]).clone();
        match self.packages.entry(key) {
            indexmap::map::Entry::Occupied(entry) => {
                let package = entry.into_mut();
                package.incorporate(wanted)?;
                Ok(package)
            }
            indexmap::map::Entry::Vacant(entry) => Ok(entry.insert(wanted)),
        }
    }

    fn add_specs(&mut self, specs: &[PackageSpec]) -> Result<(), ResolveFailure> {
        for spec in specs {
            let request = PackageRequest { span: spec.span, by: None };
            self.incorporate(WantedPackage::new(spec, request))?;
        }
        Ok(())
    }

    /// Adds what a package asks for. `asked`: where the package is asked for itself.
    fn add_needs(&mut self, facts: &PackageFacts, asked: Span) -> Result<(), ResolveFailure> {
        for spec in &facts.needs {
            let span = if facts.are_needs_placed { spec.span } else { asked };
            let request = PackageRequest { span, by: Some(facts.name.clone()) };
            self.incorporate(WantedPackage::new(spec, request))?;
        }
        Ok(())
    }
}

/// Why packages could not be resolved.
#[derive(Debug)]
pub(crate) enum ResolveFailure {
    Diagnostics(Vec<Diagnostic>),
    Interrupted,
}

impl From<Diagnostic> for ResolveFailure {
    fn from(d: Diagnostic) -> ResolveFailure {
        ResolveFailure::Diagnostics(vec![d])
    }
}

fn tell_requests<'a>(
    message: String,
    requests: impl IntoIterator<Item = &'a PackageRequest>,
) -> Diagnostic {
    let mut d = Diagnostic::error(Code::Package, message);
    let mut told = BTreeSet::new();
    for request in requests {
        if !told.insert((request.span.file, request.span.start, request.by.clone())) {
            continue;
        }
        d = match d.primary {
            None => d.primary(request.span, request.label()),
            Some(_) => d.secondary(request.span, request.label()),
        };
    }
    d
}

/// The error with the places where the package is asked for.
fn fail_package(error: PackageError, requests: &[PackageRequest]) -> ResolveFailure {
    let (message, help) = (error.to_string(), error.hints());
    match error {
        PackageError::Interrupted => ResolveFailure::Interrupted,
        PackageError::Files(diagnostics) => ResolveFailure::Diagnostics(diagnostics),
        _ => {
            let d = tell_requests(message, requests);
            help.into_iter().fold(d, Diagnostic::help).into()
        }
    }
}

/// The error with the place where the package is asked for.
pub(crate) fn fail_package_at(error: PackageError, span: Span) -> ResolveFailure {
    fail_package(error, &[PackageRequest { span, by: None }])
}

/// Finds all packages that the specs ask for, and those that these ask for.
pub(crate) fn resolve_packages(
    specs: &[PackageSpec],
    index: &mut dyn PackageIndex,
    rules: VersionRules<'_>,
) -> Result<Vec<ResolvedPackage>, ResolveFailure> {
    let mut pending = PackageListing::default();
    pending.add_specs(specs)?;
    let mut found = PackageListing::default();
    // A package that was looked at asks for nothing new; without this a circle would have no end.
    let mut expanded: Vec<PinnedPackage> = Vec::new();
    while !pending.packages.is_empty() {
        let mut next = PackageListing::default();
        for (_, wanted) in pending.packages {
            let package = found.incorporate(wanted)?;
            let pinned = package.pin(index, rules);
            let pinned = pinned.map_err(|e| fail_package(e, &package.requests))?;
            if expanded.contains(&pinned) {
                continue;
            }
            let facts = index.describe_package(&pinned);
            let facts = facts.map_err(|e| fail_package(e, &package.requests))?;
            next.add_needs(&facts, package.requests[0].span)?;
            expanded.push(pinned);
        }
        pending = next;
    }
    let mut resolved: Vec<ResolvedPackage> = Vec::new();
    for package in found.packages.values() {
        let fail = |e| fail_package(e, &package.requests);
        let pinned = package.pin(index, rules).map_err(fail)?;
        let facts = index.describe_package(&pinned).map_err(fail)?;
        let span = package.requests[0].span;
        resolved.push(ResolvedPackage { package: pinned, facts, span });
    }
    Ok(resolved)
}

fn taken_name(package: &ResolvedPackage, whose: &str) -> Diagnostic {
    let ResolvedPackage { package, facts, span } = package;
    let message = format!("the package {package} is named `{}`, a name that {whose}", facts.name);
    Diagnostic::error(Code::Package, message).primary(*span, "asked for here")
}

/// Fails if two packages, or a package and the project, have one name.
pub(crate) fn check_names(
    resolved: &[ResolvedPackage],
    project: &str,
) -> Result<(), ResolveFailure> {
    for (i, package) in resolved.iter().enumerate() {
        let name = &package.facts.name;
        if let Some(other) = resolved[..i].iter().find(|other| other.facts.name == *name) {
            return Err(taken_name(package, "another package has")
                .secondary(other.span, "the other one")
                .note(format!("the other one is {}", other.package))
                .help("ask for one of them only, or rename one")
                .into());
        }
        if *name == project {
            return Err(taken_name(package, "the project itself has")
                .help("rename one of them")
                .into());
        }
    }
    Ok(())
}

/// Pins the packages of a lock file. Where it names an exact version, nothing is asked.
pub(crate) fn pin_locked(
    specs: &[PackageSpec],
    index: &mut dyn PackageIndex,
    rules: VersionRules<'_>,
) -> Result<Vec<(PinnedPackage, Span)>, ResolveFailure> {
    let mut listing = PackageListing::default();
    listing.add_specs(specs)?;
    let packages = listing.packages.values().map(|package| {
        let pinned = match exact_release(&package.source) {
            Some((name, version)) => Ok(PinnedPackage::Hub { name, version, latest: None }),
            None => package.pin(index, rules),
        };
        let pinned = pinned.map_err(|e| fail_package(e, &package.requests))?;
        Ok((pinned, package.requests[0].span))
    });
    packages.collect()
}

fn exact_release(source: &PackageSource) -> Option<(String, String)> {
    let PackageSource::Hub { name, versions, .. } = source else { return None };
    let [version] = &versions[..] else { return None };
    let is_exact = VersionSpecifier::parse(version).is_ok_and(|v| v.is_exact());
    is_exact.then(|| (name.clone(), version.trim_start_matches('=').to_owned()))
}
