//! Loads, parses and resolves the project's files into a revision.

use super::notice::tell_warnings;
use super::{Notice, Notices, Revision, Workspace, WorkspaceError};
use crate::cache::{KeyWriter, read_cache_file, write_cache_file};
use crate::config::PathKind;
use crate::context::{LogLine, RenderRead};
use crate::diag::{Code, Diagnostic};
use crate::engine::Target;
use crate::hash::Fingerprint;
use crate::load::{LoadOutcome, LoadedProject, load_project};
use crate::parse::{ParseCache, ParseCounts, ParsedProject, parse_sources};
use crate::resolve::{ResolveCache, resolve_project};
use crate::source::SourceMap;
use crate::system::{SystemError, normalize_path};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The caches that one reading leaves for the next.
#[derive(Default)]
pub(super) struct ReadingCache {
    map: SourceMap,
    parse: ParseCache,
    nodes: ResolveCache,
    /// Whether the parse cache of an earlier process was already looked for.
    is_begun: bool,
}

impl ReadingCache {
    /// Round-trips the parse cache through its stored form.
    #[cfg(test)]
    pub(super) fn round_trip_bytes(&mut self) {
        use crate::cache::CacheFile;
        *self = ReadingCache {
            parse: ParseCache::from_bytes(&self.parse.to_bytes()).unwrap(),
            is_begun: true,
            ..ReadingCache::default()
        };
    }

    /// Whether every file was found in the cache, so that none had to be parsed.
    pub(super) fn is_known(&self) -> bool {
        !self.parse.is_changed()
    }

    /// The external inputs read (variables, environment, target, macros) when the manifest was
    /// resolved.
    pub(super) fn reads(&self) -> impl Iterator<Item = &RenderRead> {
        self.nodes.reads()
    }
}

/// The result of reading the project: the revision and everything to report about it.
pub(crate) struct ProjectReading {
    /// `None` if the project could not be loaded; the diagnostics say why.
    pub(crate) revision: Option<Arc<Revision>>,
    pub(crate) map: Arc<SourceMap>,
    /// Warnings first, then errors.
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) logs: Vec<LogLine>,
    /// The folders that hold the project's files. Empty without a revision.
    pub(crate) folders: Vec<WatchedFolder>,
    /// How many files were parsed, and how many came from the cache.
    pub(crate) counts: ParseCounts,
    /// How many nodes were resolved again.
    pub(crate) resolved: usize,
}

impl ProjectReading {
    pub(crate) fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// A folder that holds files of the project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchedFolder {
    pub(crate) path: Utf8PathBuf,
    /// Whether all folders below it belong to it too.
    pub(crate) is_recursive: bool,
}

/// A project whose files are parsed but not yet resolved into a manifest.
pub(crate) struct ParsedFiles {
    /// `None` if the project could not be loaded.
    pub(super) parsed: Option<(LoadedProject, ParsedProject)>,
    /// The source map if the project could not be loaded; otherwise `parsed` holds it.
    map: SourceMap,
    diagnostics: Vec<Diagnostic>,
    /// A fingerprint of the files, the target, the selectors and the package options, without the
    /// external inputs read when the project is resolved. `None` if it was not requested, or if a
    /// part of the project is different in each invocation.
    pub(super) inputs: Option<Fingerprint>,
}

impl ParsedFiles {
    /// The target that is built on; `None` if the project could not be loaded.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.parsed.as_ref().map(|(sources, _)| &sources.target)
    }
}

/// Codes that are dropped after a file could not be read: whatever the file defines looks missing,
/// so these diagnostics may be false.
const FOLLOWS: [Code; 7] = [
    Code::UnknownRef,
    Code::UnknownSource,
    Code::UnknownNode,
    Code::UnknownMacro,
    Code::UnknownTest,
    Code::UnusedConfig,
    Code::NoteTest,
];

impl Workspace {
    /// Reads the project's current files. Whatever is unchanged is taken from the caches.
    pub(crate) fn read(&mut self) -> Result<ProjectReading, SystemError> {
        let parsed = self.parse_files()?;
        Ok(self.put_together(parsed))
    }

    /// Reads a project for a command: sends its warnings, and fails if it has errors.
    pub(crate) fn open(
        &mut self,
        notices: &mut Notices<'_>,
    ) -> Result<Arc<Revision>, WorkspaceError> {
        let parsed = self.parse_with_inputs()?;
        self.open_parsed(parsed, notices)
    }

    /// `open` for files that are already parsed.
    pub(crate) fn open_parsed(
        &mut self,
        parsed: ParsedFiles,
        notices: &mut Notices<'_>,
    ) -> Result<Arc<Revision>, WorkspaceError> {
        let reading = self.put_together(parsed);
        announce_files_and_logs(reading.map.clone(), &reading.logs, notices);
        let has_errors = reading.has_errors();
        let Some(revision) = reading.revision else {
            return Err(WorkspaceError::Diagnostics(reading.diagnostics));
        };
        self.store_caches();
        if has_errors {
            return Err(WorkspaceError::Diagnostics(reading.diagnostics));
        }
        tell_warnings(&self.settings, &reading.diagnostics, notices)?;
        Ok(revision)
    }

    /// Loads only the project's own files, for commands that work without installed packages.
    pub(crate) fn load_own_files(
        &mut self,
        notices: &mut Notices<'_>,
    ) -> Result<LoadedProject, WorkspaceError> {
        self.change_settings(|settings| settings.load.without_packages = true);
        let LoadOutcome { project: sources, map, diagnostics } =
            load_project(&self.settings.system, &self.settings.load, SourceMap::default())?;
        sources.ok_or_else(|| {
            notices(Notice::Files(Arc::new(map)));
            WorkspaceError::Diagnostics(diagnostics)
        })
    }

    /// Loads the files and parses those that changed, with everything that depends on them.
    fn parse_files(&mut self) -> Result<ParsedFiles, SystemError> {
        let (settings, cache) = (&self.settings, &mut self.cache);
        let before = std::mem::take(&mut cache.map);
        let LoadOutcome { project: sources, map, mut diagnostics } =
            load_project(&settings.system, &settings.load, before)?;
        let Some(mut sources) = sources else {
            return Ok(ParsedFiles { parsed: None, map, diagnostics, inputs: None });
        };
        if !std::mem::replace(&mut cache.is_begun, true)
            && let Some(store) = settings.cache_system()
        {
            cache.parse = read_cache_file(store, &sources.target_path).unwrap_or_default();
        }
        let parsed = parse_sources(&mut sources, &mut cache.parse).drain_into(&mut diagnostics);
        Ok(ParsedFiles { parsed: Some((sources, parsed)), map, diagnostics, inputs: None })
    }

    /// `parse_files` plus the `inputs` fingerprint, which artifacts and the "nothing to do" check
    /// need.
    pub(crate) fn parse_with_inputs(&mut self) -> Result<ParsedFiles, SystemError> {
        let mut parsed = self.parse_files()?;
        if let Some((sources, _)) = &parsed.parsed {
            let files = self.cache.parse.fingerprint(sources);
            parsed.inputs = files.map(|files| fingerprint_inputs(sources, files));
        }
        Ok(parsed)
    }

    fn put_together(&mut self, files: ParsedFiles) -> ProjectReading {
        let ParsedFiles { parsed, map, mut diagnostics, inputs } = files;
        let cache = &mut self.cache;
        let Some((mut sources, parsed)) = parsed else {
            cache.map = map.clone();
            diagnostics.sort_by_key(Diagnostic::is_error);
            return ProjectReading {
                revision: None,
                map: Arc::new(map),
                diagnostics,
                logs: Vec::new(),
                folders: Vec::new(),
                counts: cache.parse.counts(),
                resolved: 0,
            };
        };
        let manifest =
            resolve_project(&parsed, &sources, &mut cache.nodes).drain_into(&mut diagnostics);
        if diagnostics.iter().any(is_unread_file) {
            // The contents of an unread file or package look missing; see `FOLLOWS`.
            diagnostics.retain(|d| !FOLLOWS.contains(&d.code));
        }
        diagnostics.sort_by_key(Diagnostic::is_error);
        cache.map = sources.map.clone();
        let map = Arc::new(std::mem::take(&mut sources.map));
        let folders = folders_of(&sources);
        let revision = Arc::new(Revision {
            settings: self.settings.clone(),
            inputs: inputs.and_then(|inputs| with_reads(inputs, cache.reads())),
            airflow: sources.root().options.airflow.clone(),
            manifest,
            renderer: parsed.renderer,
            context: parsed.context,
            map: map.clone(),
            selectors: sources.selectors,
            diagnostics: diagnostics.clone(),
            compiled: self.compiled.clone(),
        });
        self.current = Some(revision.clone());
        ProjectReading {
            folders,
            revision: Some(revision),
            map,
            diagnostics,
            logs: parsed.logs,
            counts: cache.parse.counts(),
            resolved: cache.nodes.made(),
        }
    }

    /// Stores the parse cache for other processes. A failure is ignored: it costs only time.
    pub(crate) fn store_caches(&mut self) {
        if let (Some(store), Some(revision)) = (self.settings.cache_system(), &self.current)
            && self.cache.parse.is_changed()
        {
            let folder = &revision.manifest.project.target_path;
            let _ = write_cache_file(store, folder, &mut self.cache.parse);
        }
    }

    /// Whether every file was found in the cache, so that none had to be parsed.
    pub(crate) fn is_parse_known(&self) -> bool {
        self.cache.is_known()
    }

    /// The external inputs read (variables, environment, target, macros) when the current revision
    /// was resolved.
    pub(super) fn reads(&self) -> impl Iterator<Item = &RenderRead> {
        self.cache.reads()
    }

    #[cfg(test)]
    pub(super) fn store_and_read_caches(&mut self) {
        self.cache.round_trip_bytes();
        self.compiled.round_trip_bytes();
    }
}

/// Sends the source map and the log lines of a reading, before the notices of the work itself.
pub(super) fn announce_files_and_logs(
    map: Arc<SourceMap>,
    logs: &[LogLine],
    notices: &mut Notices<'_>,
) {
    notices(Notice::Files(map));
    for line in logs {
        notices(Notice::log(line.clone()));
    }
}

fn is_unread_file(d: &Diagnostic) -> bool {
    d.is_error() && matches!(d.code, Code::Yaml | Code::Package | Code::ProjectFile)
}

/// A fingerprint of the files, the target, the selectors and the options of the packages.
fn fingerprint_inputs(sources: &LoadedProject, files: Fingerprint) -> Fingerprint {
    let key = KeyWriter::new("inputs").fingerprint(Some(files));
    let key = key.fingerprint(Some(sources.context.facts.target()));
    key.value(&sources.selectors).fingerprint(Some(sources.fingerprint_options())).finish()
}

fn with_reads<'a>(
    inputs: Fingerprint,
    reads: impl Iterator<Item = &'a RenderRead>,
) -> Option<Fingerprint> {
    let reads: Option<Vec<String>> = reads.map(|r| Some(r.fingerprint()?.hex())).collect();
    Some(Fingerprint::of_parts(reads?.into_iter().chain([inputs.hex()])))
}

/// The folders that hold the project's files: resource folders with everything below them, and the
/// folders of the project file and the profiles.
fn folders_of(sources: &LoadedProject) -> Vec<WatchedFolder> {
    let root = sources.root();
    let alone =
        |path: &camino::Utf8Path| WatchedFolder { path: path.to_owned(), is_recursive: false };
    let mut folders = vec![alone(&root.root)];
    let profiles = sources.profiles_path.as_ref().and_then(|p| p.parent());
    folders.extend(profiles.map(alone));
    let paths = PathKind::ALL.into_iter().flat_map(|kind| root.options.paths(kind));
    for path in paths.chain([&root.options.packages_install_path]) {
        folders.push(WatchedFolder {
            path: normalize_path(&root.root.join(path)),
            is_recursive: true,
        });
    }
    folders.sort();
    folders.dedup();
    folders
}
