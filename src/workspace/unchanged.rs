//! Skips a build that has nothing to do: after a build found all nodes up to date, a record of its
//! inputs is stored, and the next build ends early if they are all the same.
//!
//! There are two checks. After parsing: if neither the files nor the external inputs read later
//! (variables, environment, target, macros) have changed, the project is not resolved. After
//! compiling: if the definitions of the nodes are the same, the database is not opened. Both need a
//! database that has not been written to since, which the files of the target show. Whenever
//! anything cannot be determined, the command runs in full.

use super::artifacts::write_results;
use super::changes::{ChangeRequest, compare_selected, sources_with_load_time};
use super::reading::{LoadedFiles, repeat_reading};
use super::request::{BuildOptions, ChangeOptions};
use super::{Notice, Notices, Revision, Settings, Workspace, WorkspaceError};
use crate::cache::{KeyWriter, read_cache_file, write_cache_file};
use crate::changes::{NodeDefinition, Verdict, fingerprint_definitions};
use crate::config::Json;
use crate::engine::{DatabaseState, ExistingRelations, RelationKind, Target, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::inspect_relations;
use crate::load::{FileKind, LoadedProject, SEED_HASH_LIMIT};
use crate::manifest::{Node, NodeId, NodeKind, NodeSet, ResourceType};
use crate::run::{Event, NodeVerdict, report_empty_run};
use crate::select::{RetriedNodes, Selection};
use crate::state::{UnchangedRecord, is_external};
use crate::system::SystemError;
use camino::{Utf8Path, Utf8PathBuf};

/// The inputs of a command that are known before it inspects the database.
pub(crate) struct UnchangedCheck {
    /// A fingerprint of the request.
    request: Fingerprint,
    /// The inputs of the project, if no file has to be parsed.
    known: Option<Fingerprint>,
    /// Large seeds, which the fingerprint of the files covers without their rows, with fingerprints
    /// of their contents.
    seeds: Vec<(Utf8PathBuf, Fingerprint)>,
    /// The record of an earlier command with the same request, if the database has not changed
    /// since.
    record: Option<UnchangedRecord>,
}

/// Shows that there is nothing to do, because the record of an earlier command still holds.
pub(crate) struct UnchangedBuild {
    record: UnchangedRecord,
    pub(crate) target: Target,
    target_path: Utf8PathBuf,
}

impl UnchangedCheck {
    /// `None` if the command has to run in full and no record of it can be stored.
    pub(crate) fn new(
        workspace: &Workspace,
        options: &BuildOptions,
        files: &LoadedFiles,
    ) -> Option<UnchangedCheck> {
        let settings = workspace.settings();
        let (sources, _) = files.loaded.as_ref()?;
        let is_alone = settings.state.is_none()
            && settings.defer.is_none()
            && !sources.target.connection.database_files().is_empty();
        if options.changed.is_none() || !is_alone {
            return None;
        }
        let system = settings.system.as_ref();
        let asked = fingerprint_request(settings, options, sources);
        let all = sources.packages.iter().flat_map(|p| &p.files);
        let large = all.filter(|f| f.kind == FileKind::Seed && f.size >= SEED_HASH_LIMIT);
        let seeds =
            large.map(|f| Some((f.absolute.clone(), system.fingerprint(&f.absolute).ok()?)));
        let database = sources.target.connection.database_state(system);
        let record = read_cache_file(system, &sources.target_path).filter(|r: &UnchangedRecord| {
            r.request == asked && database.as_ref() == Some(&r.database)
        });
        let seeds = seeds.collect::<Option<_>>()?;
        let known = workspace.known_inputs(files);
        Some(UnchangedCheck { request: asked, known, seeds, record })
    }

    /// Whether there is a record that may still hold.
    pub(crate) fn may_hold(&self) -> bool {
        self.record.is_some()
    }

    /// Whether no file has to be parsed.
    pub(crate) fn are_files_known(&self) -> bool {
        self.known.is_some()
    }

    /// The record, if neither the files nor the external inputs read have changed.
    pub(crate) fn holds_for_files(
        &mut self,
        settings: &Settings,
        files: &LoadedFiles,
    ) -> Option<UnchangedBuild> {
        let (sources, _) = files.loaded.as_ref()?;
        let (record, known) = (self.record.as_ref()?, self.known?);
        let is_same = record.reading.holds(known, sources)
            && record.seeds == self.seeds
            && record.manifest == manifest_stamp(settings, &sources.target_path)
            && record.reads.iter().all(|read| sources.context.still_answers(read));
        let record = self.record.take_if(|_| is_same)?;
        let target_path = sources.target_path.clone();
        Some(UnchangedBuild { record, target: sources.target.clone(), target_path })
    }

    /// The record, if the definitions of the nodes are the same.
    pub(crate) fn holds_for_nodes(
        &mut self,
        revision: &Revision,
        own: &FastMap<NodeId, NodeDefinition>,
    ) -> Option<UnchangedBuild> {
        let now = self.record.as_ref().map(|_| fingerprint_definitions(&revision.manifest, own));
        let record = self.record.take_if(|record| now == Some(record.definitions))?;
        let project = &revision.manifest.project;
        let target_path = project.target_path.clone();
        Some(UnchangedBuild { record, target: project.target.clone(), target_path })
    }

    /// After a command has succeeded, checks whether all nodes are now up to date and stores a
    /// record of it, unless the database was written to during the check.
    pub(crate) fn keep(
        self,
        workspace: &Workspace,
        mut finished: FinishedBuild<'_>,
        warehouse: &mut dyn Warehouse,
    ) {
        let settings = workspace.settings();
        if !settings.cache {
            return;
        }
        let (system, target) = (settings.system.as_ref(), finished.revision.target());
        if target.connection.database_state(system).is_none() {
            warehouse.checkpoint();
        }
        let Some(database) = target.connection.database_state(system) else { return };
        let Some((mut same, own)) = finished.find_unchanged_nodes(workspace, warehouse) else {
            return;
        };
        if target.connection.database_state(system).as_ref() != Some(&database) {
            return;
        }
        same.sort();
        let nodes = same.iter().map(|id| finished.revision.manifest.node(*id));
        let nodes = nodes.filter(|n| !n.resource_type().is_check());
        let nodes = nodes.map(|n| (n.unique_id.to_string(), n.resource_type(), n.display_name()));
        let found = Found { database, definitions: own, nodes: nodes.collect() };
        self.write(workspace, finished.revision, finished.selected, found);
    }

    /// Stores an earlier record again, with the current inputs of the project.
    pub(crate) fn renew(
        self,
        workspace: &Workspace,
        revision: &Revision,
        selected: &NodeSet,
        unchanged: &UnchangedBuild,
    ) {
        let record = &unchanged.record;
        let (database, nodes) = (record.database.clone(), record.nodes.clone());
        self.write(
            workspace,
            revision,
            selected,
            Found { database, definitions: record.definitions, nodes },
        );
    }

    fn write(self, workspace: &Workspace, revision: &Revision, selected: &NodeSet, found: Found) {
        let settings = workspace.settings();
        let (Some(reading), true) = (revision.reading.clone(), settings.cache) else { return };
        let compiled = revision.reads_of_compiled(selected);
        let target_path = &revision.manifest.project.target_path;
        let mut record = UnchangedRecord {
            request: self.request,
            reading,
            definitions: found.definitions,
            reads: compiled.into_iter().filter(is_external).collect(),
            seeds: self.seeds,
            database: found.database,
            manifest: manifest_stamp(settings, target_path),
            nodes: found.nodes,
        };
        // A failure to write the record costs only time.
        let _ = write_cache_file(settings.system.as_ref(), target_path, &mut record);
    }
}

/// The result of inspecting the database.
struct Found {
    database: DatabaseState,
    definitions: Fingerprint,
    nodes: Vec<(String, ResourceType, String)>,
}

/// A command that has finished its work.
pub(crate) struct FinishedBuild<'a> {
    pub(crate) revision: &'a Revision,
    pub(crate) changed: Option<ChangeOptions>,
    /// The selection that was asked for, before it was narrowed to stale nodes.
    pub(crate) selected: &'a NodeSet,
    /// The verdicts and the fingerprint of the definitions, if nothing was built since. `None`
    /// after a build: they have to be computed again.
    pub(crate) verdicts: Option<(FastMap<NodeId, Verdict>, Fingerprint)>,
}

impl FinishedBuild<'_> {
    /// The compared nodes and the fingerprint of their definitions. `None` if a node is not up to
    /// date, if a source can change without a write to the database, or if an inspection failed.
    fn find_unchanged_nodes(
        &mut self,
        workspace: &Workspace,
        warehouse: &mut dyn Warehouse,
    ) -> Option<(Vec<NodeId>, Fingerprint)> {
        let (manifest, selected) = (&self.revision.manifest, self.selected);
        let dated = sources_with_load_time(manifest, selected);
        let mut existing = ExistingRelations::Unknown;
        if self.verdicts.is_none() || !dated.is_empty() {
            existing = inspect_relations(warehouse, manifest, selected.iter()).ok()?;
        }
        let (verdicts, fingerprint) = match self.verdicts.take() {
            Some(known) => known,
            None => {
                let request = ChangeRequest {
                    revision: self.revision,
                    selected,
                    existing: &existing,
                    options: self.changed?,
                    cancel: workspace.cancel_token(),
                };
                let compared = compare_selected(&request, warehouse, &mut |_| {});
                let (known, judgement) = compared.ok()??;
                (judgement.verdicts, known.fingerprint_definitions(manifest))
            }
        };
        let is_stored = dated.iter().all(|id| is_table(manifest.node(*id), &existing));
        let is_same = is_stored && verdicts.values().all(|v| *v == Verdict::Fresh);
        is_same.then(|| (verdicts.into_keys().collect(), fingerprint))
    }
}

/// A stamp of `manifest.json`; `None` if artifacts are off or the file does not exist.
fn manifest_stamp(settings: &Settings, folder: &Utf8Path) -> Option<String> {
    settings.write_json.then(|| settings.system.stamp(&folder.join("manifest.json"))).flatten()
}

/// Whether a source that declares its load time is a table. The result of a view or of a query can
/// change without a write to the database.
fn is_table(source: &Node, existing: &ExistingRelations) -> bool {
    let asks = matches!(&source.kind, NodeKind::Source(table) if table.loaded_at_query.is_some());
    let found = source.relation.as_ref().and_then(|r| existing.find(r));
    !asks && found.is_some_and(|f| f.kind == RelationKind::Table)
}

/// A fingerprint of the request and of the database that it is for.
fn fingerprint_request(
    settings: &Settings,
    options: &BuildOptions,
    sources: &LoadedProject,
) -> Fingerprint {
    let vars = Json::Object(settings.load.vars.clone()).to_string();
    let install = settings.load.packages_install_path.as_deref().unwrap_or_default();
    let key = KeyWriter::new("asked").text(&vars).text(install);
    let key = key.fingerprint(Some(sources.context.facts.target()));
    let key = key.fingerprint(Some(sources.target.connection.fingerprint()));
    write_options(key, options).finish()
}

/// Adds every option of the request to the key. The destructuring makes a new field a compile error
/// here.
fn write_options(key: KeyWriter, options: &BuildOptions) -> KeyWriter {
    let BuildOptions {
        verb,
        selection,
        full_refresh,
        fail_fast,
        store_failures,
        empty,
        audit,
        changed,
        times,
    } = options;
    let key = [full_refresh, fail_fast, store_failures, empty, audit]
        .into_iter()
        .fold(key.number(*verb as u64), |key, flag| key.flag(*flag));
    let key = match changed {
        Some(ChangeOptions { assume_sources, edits_only }) => {
            key.flag(*assume_sources).flag(*edits_only)
        }
        None => key.optional(None),
    };
    let key = [times.window, times.sample].into_iter().fold(key, |key, window| {
        key.optional(window.map(|w| format!("{} {}", w.start, w.end)).as_deref())
    });
    let Selection {
        select,
        exclude,
        selector,
        indirect,
        resource_types,
        exclude_resource_types,
        nodes,
        retried,
    } = selection;
    let types = |types: &[ResourceType]| types.iter().map(|t| t.as_str()).collect::<Vec<_>>();
    let key = key.texts(select).texts(exclude).optional(selector.as_deref());
    let key = key.number(*indirect as u64);
    let key = key.texts(types(resource_types)).texts(types(exclude_resource_types));
    let key = match nodes {
        Some(nodes) => key.texts(nodes),
        None => key.optional(None),
    };
    match retried {
        Some(RetriedNodes { failed, passed_tests, .. }) => key.texts(failed).texts(passed_tests),
        None => key.optional(None),
    }
}

impl UnchangedBuild {
    /// Sends the warnings of the earlier command again, because the project is not resolved.
    pub(crate) fn tell_warnings(
        &self,
        settings: &Settings,
        files: LoadedFiles,
        notices: &mut Notices<'_>,
    ) -> Result<(), WorkspaceError> {
        repeat_reading(settings, &self.record.reading, files, notices)
    }

    /// Reports that there is nothing to do, and writes empty results.
    pub(crate) fn tell(
        &self,
        settings: &Settings,
        notices: &mut Notices<'_>,
    ) -> Result<(), SystemError> {
        let nodes = self.record.nodes.iter();
        let nodes = nodes.map(|(id, kind, name)| NodeVerdict {
            unique_id: id.as_str().into(),
            kind: *kind,
            name: name.clone(),
            verdict: Verdict::Fresh,
        });
        notices(Notice::Run(Event::VerdictsReached { nodes: nodes.collect() }));
        report_empty_run(self.target.threads, &mut |event| notices(Notice::Run(event)));
        write_results(settings, &self.target_path, &[], 0.0)
    }
}
