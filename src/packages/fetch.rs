//! Looks packages up and fetches them: from folders, the hub, repositories and tarballs.

use super::archive::{ArchiveContent, ArchiveError};
use super::error::PackageError;
use super::git::{FoundRevision, GitError, GitProgram, is_commit, plain_address};
use super::http::{DownloadStep, DownloadWatch, HttpClient, HttpError, WebAddress};
use super::hub::{
    HubPackage, hub_base, index_address, package_address, read_hub_package, read_index,
};
use super::resolve::{HubRelease, PackageFacts, PackageIndex, PinnedPackage};
use super::store::{ArchiveKey, PackageStore, StoredArchive, check_archive};
use crate::config::{PackageSpec, PackageUrl, PackagesFile, Yaml, parse_packages, parse_yaml};
use crate::diag::Diagnostic;
use crate::load::{NeedsOwner, PackagesText, YamlRenderer, find_project_file, read_package_needs};
use crate::secret::mask_address;
use crate::source::{SourceMap, Span};
use crate::system::{System, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a server may be silent; `DBT_HTTP_TIMEOUT` says another number of seconds.
const PATIENCE: f64 = 30.0;

/// What happens while packages are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchStep {
    Started { what: String },
    Received { what: String, bytes: usize, total: Option<usize> },
    Retried { what: String, attempt: u32 },
    Ended { what: String },
}

impl FetchStep {
    fn of_download(what: &str, step: DownloadStep) -> FetchStep {
        let what = what.to_owned();
        match step {
            DownloadStep::Received { bytes, total } => FetchStep::Received { what, bytes, total },
            DownloadStep::Retry { attempt } => FetchStep::Retried { what, attempt },
        }
    }
}

/// Where a package is taken from when it is installed.
#[derive(Clone, Debug)]
pub(crate) enum PackageContent {
    Folder(Utf8PathBuf),
    Archive(StoredArchive),
}

/// A package that is at hand.
#[derive(Clone, Debug)]
pub(crate) struct FetchedPackage {
    pub(crate) package: PinnedPackage,
    pub(crate) name: String,
    pub(crate) content: PackageContent,
    /// Where it is asked for.
    pub(crate) span: Span,
}

/// What fetching needs to know of the project.
pub(crate) struct FetchGround<'a> {
    pub(crate) system: &'a dyn System,
    /// The folder that local packages are relative to.
    pub(crate) root: &'a Utf8Path,
    /// The folder of installed packages, as messages show it.
    pub(crate) install_shown: Utf8PathBuf,
    /// A folder for temporary files, which the caller removes.
    pub(crate) workshop: &'a Utf8Path,
    pub(crate) renderer: &'a YamlRenderer,
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

pub(crate) struct PackageFetcher<'a> {
    ground: FetchGround<'a>,
    store: &'a PackageStore<'a>,
    tell: &'a mut dyn FnMut(FetchStep),
    map: &'a mut SourceMap,
    hub: String,
    http: Option<HttpClient>,
    /// The names of all packages of the hub, once they were asked for.
    index: Option<Vec<String>>,
    hub_packages: HashMap<String, HubPackage>,
    described: Vec<(PinnedPackage, Arc<PackageFacts>)>,
    /// Packages of the hub that have moved, with their new names.
    pub(crate) moved: Vec<(String, String)>,
}

/// The archive of a commit.
struct PackedCommit {
    archive: StoredArchive,
    content: ArchiveContent,
    commit: String,
}

impl<'a> PackageFetcher<'a> {
    pub(crate) fn new(
        ground: FetchGround<'a>,
        store: &'a PackageStore<'a>,
        map: &'a mut SourceMap,
        tell: &'a mut dyn FnMut(FetchStep),
    ) -> PackageFetcher<'a> {
        let hub = hub_base(ground.system.env("DBT_PACKAGE_HUB_URL"));
        PackageFetcher {
            ground,
            store,
            tell,
            map,
            hub,
            http: None,
            index: None,
            hub_packages: HashMap::new(),
            described: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Brings a package to hand, without the network if it is stored.
    pub(crate) fn fetch(
        &mut self,
        package: &PinnedPackage,
        span: Span,
    ) -> Result<FetchedPackage, PackageError> {
        let label = package.to_string();
        let (name, content) = match package {
            PinnedPackage::Local { path } => {
                let folder = self.local_folder(path);
                let name = self.local_name(&folder, path)?;
                (name, PackageContent::Folder(folder))
            }
            PinnedPackage::Hub { name, version, .. } => {
                let archive = self.release_archive(name, version, &label)?;
                let folder = archive.name.clone().unwrap_or_default();
                (folder, PackageContent::Archive(archive))
            }
            PinnedPackage::Tarball { url, name } => {
                let key = ArchiveKey::of_tarball(&plain_address(url));
                let archive = match self.store.find(&key) {
                    Some(archive) => archive,
                    None => self.download(url.reveal(), &key, None, &label)?.0,
                };
                (name.clone(), PackageContent::Archive(archive))
            }
            PinnedPackage::Git { url, revision, subdirectory, .. } => {
                let found = self.find_revision(url, revision)?;
                let folder = subdirectory.as_deref();
                let packed = self.commit_archive(url, &found, folder, &label)?;
                let (name, _) = self.project_of(&packed.content, &label)?;
                (name, PackageContent::Archive(packed.archive))
            }
        };
        check_folder_name(&name, &label)?;
        Ok(FetchedPackage { package: package.clone(), name, content, span })
    }

    /// Unpacks an archive into a folder. A stored one that was damaged is fetched again.
    pub(crate) fn unpack(
        &mut self,
        fetched: &FetchedPackage,
        archive: &StoredArchive,
        folder: &Utf8Path,
    ) -> Result<(), PackageError> {
        let package = fetched.package.to_string();
        let failed = |source| PackageError::Archive { package: package.clone(), source };
        let mut archive = archive.clone();
        for _ in 0..2 {
            if self.store.read(&archive, Some(folder)).map_err(failed)?.is_some() {
                return Ok(());
            }
            self.ground.system.remove(folder)?;
            self.store.forget(&archive)?;
            match self.fetch(&fetched.package, fetched.span)?.content {
                PackageContent::Archive(fresh) => archive = fresh,
                PackageContent::Folder(_) => break,
            }
        }
        let damaged = std::io::Error::other("it changed while it was read");
        Err(failed(ArchiveError::Damaged(damaged)))
    }

    fn local_folder(&self, path: &str) -> Utf8PathBuf {
        normalize_path(&self.ground.root.join(path))
    }

    /// The name in the project file of a local package.
    fn local_name(&mut self, folder: &Utf8Path, path: &str) -> Result<String, PackageError> {
        let file = find_project_file(self.ground.system, folder).ok_or_else(|| {
            PackageError::NoProject { package: format!("`{path}`"), place: folder.to_string() }
        })?;
        let text = self.ground.system.read(&file)?;
        self.project_name(&self.shown(&file), text, path)
    }

    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(self.ground.root).unwrap_or(path).to_owned()
    }

    fn project_name(
        &mut self,
        shown: &Utf8Path,
        text: Arc<str>,
        package: &str,
    ) -> Result<String, PackageError> {
        let id = self.map.add(shown, text.clone());
        let mut out = Vec::new();
        let tree = parse_yaml(id, &text).drain_into(&mut out);
        fail_on_errors(out)?;
        let name = tree.as_map().and_then(|m| m.get("name")).and_then(Yaml::as_str);
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        name.ok_or_else(|| PackageError::NoName { package: package.to_owned() })
    }

    /// The name of an archive's project, and the path of its folder in messages.
    fn project_of(
        &mut self,
        content: &ArchiveContent,
        label: &str,
    ) -> Result<(String, Utf8PathBuf), PackageError> {
        let file = ["project.yml", "dbt_project.yml"]
            .into_iter()
            .find_map(|name| Some((name, content.texts.get(name)?.clone())));
        let (file, text) = file.ok_or_else(|| PackageError::NoProject {
            package: label.to_owned(),
            place: "its top folder".to_owned(),
        })?;
        let name = self.project_name(&Utf8Path::new(label).join(file), text, label)?;
        Ok((name.clone(), self.ground.install_shown.join(name)))
    }

    /// What the files of a package ask for.
    fn needs_of(&mut self, texts: &[PackagesText]) -> Result<Vec<PackageSpec>, PackageError> {
        let renderer = self.ground.renderer;
        let checked = read_package_needs(texts, NeedsOwner::Package, renderer, self.map);
        let mut out = Vec::new();
        let needs = checked.drain_into(&mut out);
        fail_on_errors(out)?;
        Ok(needs.specs)
    }

    fn describe(&mut self, package: &PinnedPackage) -> Result<PackageFacts, PackageError> {
        let label = package.to_string();
        Ok(match package {
            PinnedPackage::Local { path } => {
                let folder = self.local_folder(path);
                let name = self.local_name(&folder, path)?;
                let mut texts = Vec::new();
                for file in [PackagesFile::Packages, PackagesFile::Dependencies] {
                    let path = folder.join(file.name());
                    if self.ground.system.is_file(&path) {
                        let text = self.ground.system.read(&path)?;
                        texts.push(PackagesText { file, shown: self.shown(&path), text });
                    }
                }
                PackageFacts::placed(name, self.needs_of(&texts)?)
            }
            PinnedPackage::Hub { name, version, .. } => {
                let hub = self.hub_package(name)?;
                let address = package_address(&self.hub, name);
                let download = hub.download(&address, name, version)?;
                let needs =
                    parse_packages(PackagesFile::Dependencies, &download.needs, &download.needs);
                if let Some(d) = needs.diagnostics.into_iter().next() {
                    return Err(PackageError::HubAnswer { address, problem: d.message });
                }
                PackageFacts::unplaced(download.name, needs.value)
            }
            PinnedPackage::Tarball { url, name } => {
                let key = ArchiveKey::of_tarball(&plain_address(url));
                let (_, content) = self.download(url.reveal(), &key, None, &label)?;
                let (_, folder) = self.project_of(&content, &label)?;
                let needs = self.needs_of(&texts_of(&content, &folder))?;
                PackageFacts::placed(name.clone(), needs)
            }
            PinnedPackage::Git { url, revision, subdirectory, .. } => {
                let found = self.find_revision(url, revision)?;
                let folder = subdirectory.as_deref();
                let packed = self.commit_archive(url, &found, folder, &label)?;
                let (name, folder) = self.project_of(&packed.content, &label)?;
                let needs = self.needs_of(&texts_of(&packed.content, &folder))?;
                PackageFacts { commit: Some(packed.commit), ..PackageFacts::placed(name, needs) }
            }
        })
    }

    fn hub_package(&mut self, package: &str) -> Result<HubPackage, PackageError> {
        if let Some(known) = self.hub_packages.get(package) {
            return Ok(known.clone());
        }
        let address = package_address(&self.hub, package);
        let text = self.get(&address, &format!("asking the hub for {package}"))?;
        let shown = mask_address(&address).into_owned();
        let found = read_hub_package(&shown, package, &text)?;
        if let Some(new) = &found.moved_to {
            self.moved.push((package.to_owned(), new.clone()));
        }
        self.hub_packages.insert(package.to_owned(), found.clone());
        Ok(found)
    }

    fn release_archive(
        &mut self,
        package: &str,
        version: &str,
        label: &str,
    ) -> Result<StoredArchive, PackageError> {
        let key = ArchiveKey::of_release(&self.hub, package, version);
        if let Some(archive) = self.store.find(&key).filter(|a| a.name.is_some()) {
            return Ok(archive);
        }
        let hub = self.hub_package(package)?;
        let download = hub.download(&package_address(&self.hub, package), package, version)?;
        let (archive, content) =
            self.download(&download.tarball, &key, Some(&download.name), label)?;
        self.project_of(&content, label)?;
        Ok(archive)
    }

    fn git(&self, folder: &'a Utf8Path) -> GitProgram<'a> {
        GitProgram { system: self.ground.system, folder, is_stopped: self.ground.is_stopped }
    }

    fn find_revision(
        &mut self,
        url: &PackageUrl,
        revision: &str,
    ) -> Result<FoundRevision, PackageError> {
        let what = format!("asking {url} for {revision}");
        let is_asked = !is_commit(revision);
        if is_asked {
            self.ground.system.make_folder(self.ground.workshop)?;
            (self.tell)(FetchStep::Started { what: what.clone() });
        }
        let found = self.git(self.ground.workshop).find_revision(url, revision);
        if is_asked {
            (self.tell)(FetchStep::Ended { what });
        }
        found.map_err(interruption_of_git)
    }

    /// The archive of a commit, from the store or the repository.
    fn commit_archive(
        &mut self,
        url: &PackageUrl,
        revision: &FoundRevision,
        subdirectory: Option<&str>,
        label: &str,
    ) -> Result<PackedCommit, PackageError> {
        let subdirectory = subdirectory.map(|folder| {
            let folder = normalize_path(Utf8Path::new(folder)).to_string();
            folder.trim_matches('/').to_owned()
        });
        let subdirectory = subdirectory.as_deref().filter(|folder| *folder != ".");
        let failed = |source| PackageError::Archive { package: label.to_owned(), source };
        let address = plain_address(url);
        let key = ArchiveKey::of_commit(&address, &revision.commit, subdirectory);
        if let Some(archive) = self.store.find(&key)
            && let Some(content) = self.store.read(&archive, None).map_err(failed)?
        {
            return Ok(PackedCommit { archive, content, commit: revision.commit.clone() });
        }
        let what = format!("fetching {label}");
        (self.tell)(FetchStep::Started { what: what.clone() });
        let folder = self.ground.workshop.join(uuid::Uuid::new_v4().to_string());
        self.ground.system.make_folder(&folder)?;
        let file = self.store.temporary_file();
        if let Some(parent) = file.parent() {
            self.ground.system.make_folder(parent)?;
        }
        let git = GitProgram {
            system: self.ground.system,
            folder: &folder,
            is_stopped: self.ground.is_stopped,
        };
        let packed = git.pack_revision(url, revision, subdirectory, &file);
        (self.tell)(FetchStep::Ended { what });
        self.ground.system.remove(&folder)?;
        let stored = packed.map_err(interruption_of_git).and_then(|commit| {
            let content = check_archive(self.ground.system, &file, key.format, label)?;
            let key = ArchiveKey::of_commit(&address, &commit, subdirectory);
            let archive = self.store.adopt(&key, &file, &content, None)?;
            Ok(PackedCommit { archive, content, commit })
        });
        self.keep_or_remove(&file, stored)
    }

    fn download(
        &mut self,
        url: &str,
        key: &ArchiveKey,
        name: Option<&str>,
        label: &str,
    ) -> Result<(StoredArchive, ArchiveContent), PackageError> {
        let first = self.try_download(url, key, name, label);
        match first {
            // A download may end early and look complete.
            Err(PackageError::Archive { source: ArchiveError::Damaged(_), .. }) => {
                self.try_download(url, key, name, label)
            }
            other => other,
        }
    }

    fn try_download(
        &mut self,
        url: &str,
        key: &ArchiveKey,
        name: Option<&str>,
        label: &str,
    ) -> Result<(StoredArchive, ArchiveContent), PackageError> {
        let bytes = self.get(url, &format!("downloading {label}"))?;
        let file = self.store.temporary_file();
        self.ground.system.write_stream(&file, &mut |out| out.write_all(&bytes))?;
        let stored = check_archive(self.ground.system, &file, key.format, label)
            .and_then(|content| Ok((self.store.adopt(key, &file, &content, name)?, content)));
        self.keep_or_remove(&file, stored)
    }

    /// Removes a file that could not be stored.
    fn keep_or_remove<T>(
        &self,
        file: &Utf8Path,
        stored: Result<T, PackageError>,
    ) -> Result<T, PackageError> {
        if stored.is_err() {
            self.ground.system.remove(file)?;
        }
        stored
    }

    fn get(&mut self, url: &str, what: &str) -> Result<Vec<u8>, PackageError> {
        let address = WebAddress::parse(url)?;
        let client = match self.http.take() {
            Some(client) => client,
            None => HttpClient::new(self.ground.system, self.patience())?,
        };
        (self.tell)(FetchStep::Started { what: what.to_owned() });
        let tell = &mut *self.tell;
        let answer = client.get(
            &address,
            &mut DownloadWatch {
                tell: &mut |step| tell(FetchStep::of_download(what, step)),
                is_stopped: self.ground.is_stopped,
            },
        );
        (self.tell)(FetchStep::Ended { what: what.to_owned() });
        self.http = Some(client);
        answer.map_err(|e| match e {
            HttpError::Interrupted => PackageError::Interrupted,
            other => other.into(),
        })
    }

    fn patience(&self) -> Duration {
        let seconds = self.ground.system.env("DBT_HTTP_TIMEOUT").and_then(|v| v.parse().ok());
        let seconds = seconds.filter(|s: &f64| *s > 0.0).unwrap_or(PATIENCE);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

impl PackageIndex for PackageFetcher<'_> {
    fn list_releases(&mut self, package: &str) -> Result<Arc<[HubRelease]>, PackageError> {
        let index = match self.index.take() {
            Some(index) => index,
            None => {
                let address = index_address(&self.hub);
                let text = self.get(&address, "asking the hub for its packages")?;
                read_index(&mask_address(&address), &text)?
            }
        };
        let is_there = index.iter().any(|name| name == package);
        self.index = Some(index);
        if !is_there {
            let hub = mask_address(&self.hub).into_owned();
            return Err(PackageError::NotOnHub { package: package.to_owned(), hub });
        }
        Ok(self.hub_package(package)?.releases)
    }

    fn describe_package(
        &mut self,
        package: &PinnedPackage,
    ) -> Result<Arc<PackageFacts>, PackageError> {
        if let Some((_, facts)) = self.described.iter().find(|(known, _)| known == package) {
            return Ok(facts.clone());
        }
        let facts = self.describe(package)?;
        check_folder_name(&facts.name, &package.to_string())?;
        let facts = Arc::new(facts);
        self.described.push((package.clone(), facts.clone()));
        Ok(facts)
    }
}

fn texts_of(content: &ArchiveContent, folder: &Utf8Path) -> Vec<PackagesText> {
    let files = [PackagesFile::Packages, PackagesFile::Dependencies].into_iter();
    let texts = files.filter_map(|file| {
        let text = content.texts.get(file.name())?.clone();
        Some(PackagesText { file, shown: folder.join(file.name()), text })
    });
    texts.collect()
}

fn fail_on_errors(diagnostics: Vec<Diagnostic>) -> Result<(), PackageError> {
    match diagnostics.iter().any(Diagnostic::is_error) {
        true => Err(PackageError::Files(diagnostics)),
        false => Ok(()),
    }
}

/// A name from a hub, an archive or a repository becomes the name of a folder.
fn check_folder_name(name: &str, package: &str) -> Result<(), PackageError> {
    let is_word = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(is_word) {
        return Ok(());
    }
    Err(PackageError::UnsafeName { package: package.to_owned(), name: name.to_owned() })
}

fn interruption_of_git(error: GitError) -> PackageError {
    match error {
        GitError::Interrupted => PackageError::Interrupted,
        other => other.into(),
    }
}
