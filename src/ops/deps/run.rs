//! A run of `deps` on a project that is loaded.

use super::{DepsOptions, DepsReport, Installation};
use crate::config::{PackageSpec, PackagesFile, Yaml, parse_packages, parse_yaml};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::load::{LoadedProject, YamlRenderer};
use crate::ops::OpsError;
use crate::packages::{
    FetchGround, FetchedPackage, LOCK_FILE, LockEntry, LockText, PackageFetcher, PackageStore,
    PinnedPackage, ResolveFailure, ResolvedPackage, VersionRules, Workshop, are_in_place,
    check_names, fail_package_at, hash_specs, pin_locked, resolve_packages, restore_login,
    stage_packages, write_lock,
};
use crate::source::{SourceMap, Span};
use crate::system::{System, SystemError};
use crate::workspace::{Notice, Notices, Settings, tell_warnings};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// Why packages were not installed.
pub(super) enum DepsFailure {
    Packages(ResolveFailure),
    Ops(OpsError),
}

impl From<ResolveFailure> for DepsFailure {
    fn from(e: ResolveFailure) -> DepsFailure {
        DepsFailure::Packages(e)
    }
}

impl From<Diagnostic> for DepsFailure {
    fn from(d: Diagnostic) -> DepsFailure {
        DepsFailure::Packages(d.into())
    }
}

impl From<SystemError> for DepsFailure {
    fn from(e: SystemError) -> DepsFailure {
        DepsFailure::Ops(e.into())
    }
}

/// The packages to install.
struct ChosenPackages {
    packages: Vec<(PinnedPackage, Span)>,
    /// What the lock file is to say; `None` if it fits as it is.
    lock: Option<LockText>,
    /// Packages of the hub of which there is a newer version, with it.
    newer: Vec<(String, String)>,
}

pub(super) struct DepsRun<'a> {
    pub(super) settings: &'a Settings,
    pub(super) sources: &'a LoadedProject,
    pub(super) options: &'a DepsOptions,
    /// The folder of installed packages.
    pub(super) folder: Utf8PathBuf,
    pub(super) lock_path: Utf8PathBuf,
    pub(super) is_stopped: &'a dyn Fn() -> bool,
}

impl<'a> DepsRun<'a> {
    fn system(&self) -> &'a dyn System {
        self.settings.system.as_ref()
    }

    fn specs(&self) -> &'a [PackageSpec] {
        &self.sources.needs.specs
    }

    pub(super) fn carry_out(
        &self,
        map: &mut SourceMap,
        notices: &mut Notices<'_>,
    ) -> Result<DepsReport, DepsFailure> {
        if self.specs().is_empty() {
            return Ok(self.remove_all()?);
        }
        let root = self.sources.root();
        let renderer = YamlRenderer::new(&self.sources.package_context, root.name());
        let locked = match self.options.upgrade {
            true => None,
            false => self.read_fitting_lock(&renderer, map)?,
        };
        let workshop = Workshop::beside(self.system(), &self.folder);
        let store = PackageStore::open(self.system(), self.settings.cache, workshop.path());
        let ground = FetchGround {
            system: self.system(),
            root: &root.root,
            install_shown: root.options.packages_install_path.clone().into(),
            workshop: workshop.path(),
            renderer: &renderer,
            is_stopped: self.is_stopped,
        };
        let mut warnings = Vec::new();
        let (chosen, staged) = self.fetch_all(
            &mut PackageFetcher::new(ground, &store, map, &mut |s| notices(Notice::Packages(s))),
            locked.as_deref(),
            &workshop,
            &mut warnings,
        )?;
        if !warnings.is_empty() {
            notices(Notice::Files(Arc::new(map.clone())));
            tell_warnings(self.settings, &warnings, notices)
                .map_err(|e| DepsFailure::Ops(e.into()))?;
        }
        if (self.is_stopped)() {
            return Err(ResolveFailure::Interrupted.into());
        }
        if let Some(lock) = &chosen.lock {
            self.system().write_atomic(&self.lock_path, lock.text.as_bytes())?;
        }
        if let Some(stage) = staged.folder {
            self.system().replace_folder(&stage, &self.folder)?;
        }
        Ok(DepsReport {
            added: None,
            is_asked: true,
            is_lock_written: chosen.lock.is_some(),
            installation: staged.installation,
            newer: chosen.newer,
        })
    }

    /// Chooses the packages and makes their new folder.
    fn fetch_all(
        &self,
        fetcher: &mut PackageFetcher<'_>,
        locked: Option<&[PackageSpec]>,
        workshop: &Workshop<'_>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<(ChosenPackages, StagedPackages), DepsFailure> {
        let chosen = match locked {
            Some(specs) => self.take_locked(specs, fetcher)?,
            None => self.choose(fetcher, warnings)?,
        };
        let staged = match self.options.lock_only {
            true => StagedPackages { installation: Installation::LeftAlone, folder: None },
            false => self.stage(&chosen.packages, fetcher, workshop)?,
        };
        warnings.extend(fetcher.moved.iter().map(|(old, new)| self.tell_moved(old, new)));
        Ok((chosen, staged))
    }

    /// A project that asks for nothing has no packages. A folder that no file speaks of is left alone.
    fn remove_all(&self) -> Result<DepsReport, SystemError> {
        let (system, hash) = (self.system(), hash_specs(&[]));
        let is_file_there = self.sources.needs.file.is_some();
        let is_lock_stale =
            is_file_there && system.read(&self.lock_path).is_ok_and(|text| !text.contains(&hash));
        if is_lock_stale {
            let lock = write_lock(&[], &hash, &self.settings.load.scrubber);
            system.write_atomic(&self.lock_path, lock.text.as_bytes())?;
        }
        if is_file_there && !self.options.lock_only {
            let workshop = Workshop::beside(system, &self.folder);
            for name in system.list(&self.folder) {
                system.rename(&self.folder.join(&name), &workshop.path().join(&name))?;
            }
        }
        Ok(DepsReport {
            added: None,
            is_asked: false,
            is_lock_written: is_lock_stale,
            installation: Installation::LeftAlone,
            newer: Vec::new(),
        })
    }

    /// The packages of the lock file, if it was made from what the project asks for now.
    fn read_fitting_lock(
        &self,
        renderer: &YamlRenderer,
        map: &mut SourceMap,
    ) -> Result<Option<Vec<PackageSpec>>, DepsFailure> {
        if !self.system().is_file(&self.lock_path) {
            return Ok(None);
        }
        let text = self.system().read(&self.lock_path)?;
        let id = map.add(LOCK_FILE.into(), text.clone());
        let mut out = Vec::new();
        let tree = parse_yaml(id, &text).drain_into(&mut out);
        if out.iter().any(Diagnostic::is_error) {
            return Err(broken_lock(out));
        }
        let hash = tree.as_map().and_then(|m| m.get("sha1_hash")).and_then(Yaml::scalar_text);
        if hash.as_deref() != Some(&hash_specs(self.specs())) {
            return Ok(None);
        }
        let rendered = renderer.tree(&tree, &|_| false, &mut out);
        let specs = parse_packages(PackagesFile::Lock, &rendered, &tree).drain_into(&mut out);
        match out.iter().any(Diagnostic::is_error) {
            true => Err(broken_lock(out)),
            false => Ok(Some(specs)),
        }
    }

    fn rules(&self) -> VersionRules<'static> {
        let is_checked = !self.settings.load.ignore_version;
        VersionRules { dbt_version: crate::DBT_VERSION, is_checked }
    }

    fn take_locked(
        &self,
        specs: &[PackageSpec],
        fetcher: &mut PackageFetcher<'_>,
    ) -> Result<ChosenPackages, DepsFailure> {
        let mut packages = pin_locked(specs, fetcher, self.rules())?;
        for (package, _) in &mut packages {
            restore_login(package, self.specs());
        }
        Ok(ChosenPackages { packages, lock: None, newer: Vec::new() })
    }

    fn choose(
        &self,
        fetcher: &mut PackageFetcher<'_>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<ChosenPackages, DepsFailure> {
        let resolved = resolve_packages(self.specs(), fetcher, self.rules())?;
        check_names(&resolved, self.sources.root().name())?;
        warnings.extend(resolved.iter().filter_map(warn_of_unpinned));
        let entries: Vec<LockEntry> = resolved.iter().map(LockEntry::of).collect();
        let hash = hash_specs(self.specs());
        let lock = write_lock(&entries, &hash, &self.settings.load.scrubber);
        warnings.extend(lock.scrubbed.iter().map(|address| {
            let message = format!("{address} stands in {LOCK_FILE} without its credentials");
            Diagnostic::dbt_warning(
                Code::ScrubbedAddress,
                DbtEvent::DepsScrubbedPackageName,
                message,
            )
            .help("take them from a variable: {{ env_var('DBT_ENV_SECRET_GIT_TOKEN') }}")
        }));
        let newer = resolved.iter().filter_map(|r| match &r.package {
            PinnedPackage::Hub { name, version, latest: Some(latest) } if version != latest => {
                Some((format!("{name} {version}"), latest.clone()))
            }
            _ => None,
        });
        let newer = newer.collect();
        let packages = resolved.iter().zip(entries).map(|(r, entry)| (entry.package, r.span));
        Ok(ChosenPackages { packages: packages.collect(), lock: Some(lock), newer })
    }

    /// Fetches the packages, and makes their folder beside the old one unless that holds them already.
    fn stage(
        &self,
        packages: &[(PinnedPackage, Span)],
        fetcher: &mut PackageFetcher<'_>,
        workshop: &Workshop<'_>,
    ) -> Result<StagedPackages, DepsFailure> {
        let mut fetched: Vec<FetchedPackage> = Vec::new();
        for (package, span) in packages {
            if (self.is_stopped)() {
                return Err(ResolveFailure::Interrupted.into());
            }
            let found = fetcher.fetch(package, *span).map_err(|e| fail_package_at(e, *span))?;
            fetched.push(found);
        }
        if are_in_place(self.system(), &self.folder, &fetched)? {
            let installation = Installation::InPlace(fetched.len());
            return Ok(StagedPackages { installation, folder: None });
        }
        let stage = stage_packages(fetcher, self.system(), workshop, &fetched)?;
        let told = fetched.iter().map(|f| (f.name.clone(), f.package.to_string()));
        let installation = Installation::Installed(told.collect());
        Ok(StagedPackages { installation, folder: Some(stage) })
    }

    fn tell_moved(&self, old: &str, new: &str) -> Diagnostic {
        let message = format!("the package `{old}` is named `{new}` now");
        let asked = self.specs().iter().find(|spec| spec.hub_name() == Some(old));
        Diagnostic::dbt_warning(Code::Deprecated, DbtEvent::PackageRedirectDeprecation, message)
            .primary_if(asked.map(|spec| spec.span), "asked for here")
            .help(format!("ask for `{new}`"))
    }
}

/// The new folder of packages; `None` if the old one stays.
struct StagedPackages {
    installation: Installation,
    folder: Option<Utf8PathBuf>,
}

fn broken_lock(diagnostics: Vec<Diagnostic>) -> DepsFailure {
    let help = "`strata deps --upgrade` writes the lock file anew";
    let told = diagnostics.into_iter().map(|d| d.help(help)).collect();
    ResolveFailure::Diagnostics(told).into()
}

fn warn_of_unpinned(resolved: &ResolvedPackage) -> Option<Diagnostic> {
    let PinnedPackage::Git { url, revision, warn_unpinned: true, .. } = &resolved.package else {
        return None;
    };
    ["HEAD", "main", "master"].contains(&revision.as_str()).then(|| {
        let message = format!("the package {url} is not pinned: its revision is {revision}");
        Diagnostic::dbt_warning(Code::UnpinnedPackage, DbtEvent::DepsUnpinned, message)
            .primary(resolved.span, "asked for here")
            .help("name a tag or a commit as `revision:`, or write `warn-unpinned: false`")
    })
}
