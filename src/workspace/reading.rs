//! Loads, parses and resolves the project's files into a revision.

use super::notice::tell_warnings;
use super::{Notice, Notices, Revision, Settings, Workspace, WorkspaceError};
use crate::cache::{CacheFile, KeyWriter, read_cache_file, write_cache_file};
use crate::config::PathKind;
use crate::context::{LogLine, RenderRead};
use crate::diag::{Code, Diagnostic};
use crate::engine::Target;
use crate::hash::Fingerprint;
use crate::load::{LoadOutcome, LoadedProject, load_project};
use crate::parse::{
    ParseCache, ParseCounts, ParsedMacros, ParsedProject, parse_files, parse_macros,
};
use crate::resolve::{ResolveCache, resolve_project};
use crate::source::SourceMap;
use crate::state::ReadingRecord;
use crate::system::{SystemError, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
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
        *self = ReadingCache {
            parse: ParseCache::from_bytes(&self.parse.to_bytes()).unwrap(),
            is_begun: true,
            ..ReadingCache::default()
        };
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

/// A project whose files are loaded, and of which only the macros are parsed.
pub(crate) struct LoadedFiles {
    /// `None` if the project could not be loaded.
    pub(super) loaded: Option<(LoadedProject, ParsedMacros)>,
    /// The source map if the project could not be loaded; otherwise `loaded` holds it.
    map: SourceMap,
    diagnostics: Vec<Diagnostic>,
}

impl LoadedFiles {
    /// The target that is built on; `None` if the project could not be loaded.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.loaded.as_ref().map(|(sources, _)| &sources.target)
    }

    /// The folder of the artifacts; `None` if the project could not be loaded.
    pub(crate) fn target_path(&self) -> Option<&Utf8Path> {
        self.loaded.as_ref().map(|(sources, _)| &*sources.target_path)
    }
}

/// A project whose files are parsed but not yet resolved into a manifest.
struct ParsedFiles {
    /// `None` if the project could not be loaded.
    parsed: Option<(LoadedProject, ParsedProject)>,
    /// The source map if the project could not be loaded; otherwise `parsed` holds it.
    map: SourceMap,
    /// The diagnostics of loading.
    loading: Vec<Diagnostic>,
    /// The diagnostics of parsing.
    parsing: Vec<Diagnostic>,
    /// A fingerprint of the files, the target, the selectors and the package options, without the
    /// external inputs read when the project is resolved. `None` if it was not requested, or if a
    /// part of the project is different in each invocation.
    inputs: Option<Fingerprint>,
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
        let loaded = self.load_files()?;
        let parsed = self.parse_loaded(loaded);
        Ok(self.put_together(parsed))
    }

    /// Reads a project for a command: sends its warnings, and fails if it has errors.
    pub(crate) fn open(
        &mut self,
        notices: &mut Notices<'_>,
    ) -> Result<Arc<Revision>, WorkspaceError> {
        let loaded = self.load_files()?;
        self.open_loaded(loaded, notices)
    }

    /// `open` for files that are already loaded.
    pub(crate) fn open_loaded(
        &mut self,
        files: LoadedFiles,
        notices: &mut Notices<'_>,
    ) -> Result<Arc<Revision>, WorkspaceError> {
        let mut parsed = self.parse_loaded(files);
        if let Some((sources, _)) = &parsed.parsed {
            parsed.inputs = self.fingerprint_inputs(sources);
        }
        let reading = self.put_together(parsed);
        announce_files_and_logs(reading.map.clone(), &reading.logs, notices);
        let has_errors = reading.has_errors();
        let Some(revision) = reading.revision else {
            return Err(WorkspaceError::Diagnostics(reading.diagnostics));
        };
        self.store_parse_cache();
        if has_errors {
            return Err(WorkspaceError::Diagnostics(reading.diagnostics));
        }
        self.store_reading(&revision);
        tell_warnings(&self.settings, &reading.diagnostics, notices)?;
        Ok(revision)
    }

    /// Loads only the project's own files, for commands that work without installed packages. What
    /// is wrong with them is left to the command.
    pub(crate) fn load_own_files(
        &mut self,
        notices: &mut Notices<'_>,
    ) -> Result<(LoadedProject, Vec<Diagnostic>), WorkspaceError> {
        self.change_settings(|settings| settings.load.without_packages = true);
        let LoadOutcome { project: sources, map, diagnostics } =
            load_project(&self.settings.system, &self.settings.load, SourceMap::default())?;
        match sources {
            Some(sources) => Ok((sources, diagnostics)),
            None => {
                notices(Notice::Files(Arc::new(map)));
                Err(WorkspaceError::Diagnostics(diagnostics))
            }
        }
    }

    /// Loads the files, and parses the macros that changed.
    pub(crate) fn load_files(&mut self) -> Result<LoadedFiles, SystemError> {
        let (settings, cache) = (&self.settings, &mut self.cache);
        let before = std::mem::take(&mut cache.map);
        let LoadOutcome { project, map, diagnostics } =
            load_project(&settings.system, &settings.load, before)?;
        let Some(mut sources) = project else {
            return Ok(LoadedFiles { loaded: None, map, diagnostics });
        };
        if !std::mem::replace(&mut cache.is_begun, true)
            && let Some(system) = settings.cache_system()
        {
            cache.parse = read_cache_file(system, &sources.target_path).unwrap_or_default();
        }
        let macros = parse_macros(&mut sources, &mut cache.parse);
        Ok(LoadedFiles { loaded: Some((sources, macros)), map, diagnostics })
    }

    /// A fingerprint of the project's inputs, if it could be loaded without errors and all files were
    /// parsed before with the same result.
    pub(crate) fn known_inputs(&self, files: &LoadedFiles) -> Option<Fingerprint> {
        let (sources, macros) = files.loaded.as_ref()?;
        let has_errors = files.diagnostics.iter().any(Diagnostic::is_error);
        let is_known = !has_errors && macros.are_results_known(sources, &self.cache.parse);
        is_known.then(|| self.fingerprint_inputs(sources)).flatten()
    }

    /// The record of an earlier reading that would have the same result now.
    pub(crate) fn find_reading(&self, files: &LoadedFiles) -> Option<ReadingRecord> {
        let inputs = self.known_inputs(files)?;
        let (sources, _) = files.loaded.as_ref()?;
        let system = self.settings.cache_system()?;
        let record: ReadingRecord = read_cache_file(system, &sources.target_path)?;
        record.holds(inputs, sources).then_some(record)
    }

    /// Parses the files that changed, with everything that depends on them.
    fn parse_loaded(&mut self, files: LoadedFiles) -> ParsedFiles {
        let LoadedFiles { loaded, map, diagnostics: loading } = files;
        let Some((sources, macros)) = loaded else {
            return ParsedFiles { parsed: None, map, loading, parsing: Vec::new(), inputs: None };
        };
        let mut parsing = Vec::new();
        let parsed = parse_files(&sources, macros, &mut self.cache.parse).drain_into(&mut parsing);
        ParsedFiles { parsed: Some((sources, parsed)), map, loading, parsing, inputs: None }
    }

    /// A fingerprint of the parsed files, the target, the selectors and the options of the packages.
    fn fingerprint_inputs(&self, sources: &LoadedProject) -> Option<Fingerprint> {
        let files = self.cache.parse.fingerprint(sources)?;
        let key = KeyWriter::new("inputs").fingerprint(Some(files));
        let key = key.fingerprint(Some(sources.context.facts.target()));
        let key = key.value(&sources.selectors).flag(sources.context.store_failures);
        Some(key.fingerprint(Some(sources.fingerprint_options())).finish())
    }

    fn put_together(&mut self, files: ParsedFiles) -> ProjectReading {
        let ParsedFiles { parsed, map, loading: mut diagnostics, parsing: mut found, inputs } =
            files;
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
        let manifest = resolve_project(&parsed, &sources, &mut cache.nodes).drain_into(&mut found);
        let reads: BTreeSet<RenderRead> =
            cache.nodes.reads().cloned().chain(parsed.hook_reads).collect();
        let record = inputs.filter(|_| !found.iter().any(Diagnostic::is_error)).map(|inputs| {
            let (nodes, logs) = (manifest.nodes.len(), parsed.logs.clone());
            ReadingRecord::new(inputs, reads, nodes, &found, &sources.map, logs)
        });
        diagnostics.append(&mut found);
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
            inputs: record.as_ref().and_then(ReadingRecord::fingerprint),
            reading: record,
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
    pub(crate) fn store_parse_cache(&mut self) {
        if let (Some(system), Some(revision)) = (self.settings.cache_system(), &self.current)
            && self.cache.parse.is_changed()
        {
            let folder = &revision.manifest.project.target_path;
            let _ = write_cache_file(system, folder, &mut self.cache.parse);
        }
    }

    /// Stores the record of a reading, unless that of an equal one is stored. A failure is ignored.
    fn store_reading(&self, revision: &Revision) {
        let (Some(system), Some(record)) = (self.settings.cache_system(), &revision.reading) else {
            return;
        };
        let folder = &revision.manifest.project.target_path;
        let mut record = record.clone();
        let stored: Option<ReadingRecord> = read_cache_file(system, folder);
        // Fingerprints are not enough: a folder that is called otherwise shows in the warnings alone.
        if stored.is_none_or(|mut stored| stored.to_bytes() != record.to_bytes()) {
            let _ = write_cache_file(system, folder, &mut record);
        }
    }

    #[cfg(test)]
    pub(super) fn store_and_read_caches(&mut self) {
        self.cache.round_trip_bytes();
        self.compiled.round_trip_bytes();
    }
}

/// Sends the source map and the log lines of a reading, before the notices of the work itself.
fn announce_files_and_logs(map: Arc<SourceMap>, logs: &[LogLine], notices: &mut Notices<'_>) {
    notices(Notice::Files(map));
    for line in logs {
        notices(Notice::log(line.clone()));
    }
}

/// Sends what an earlier reading sent, in place of reading the project again.
pub(crate) fn repeat_reading(
    settings: &Settings,
    record: &ReadingRecord,
    files: LoadedFiles,
    notices: &mut Notices<'_>,
) -> Result<(), WorkspaceError> {
    let LoadedFiles { loaded, diagnostics: mut warnings, .. } = files;
    let Some((sources, _)) = loaded else { return Ok(()) };
    warnings.extend(record.warnings(&sources.map));
    announce_files_and_logs(Arc::new(sources.map), &record.logs, notices);
    tell_warnings(settings, &warnings, notices)
}

fn is_unread_file(d: &Diagnostic) -> bool {
    d.is_error() && matches!(d.code, Code::Yaml | Code::Package | Code::ProjectFile)
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
