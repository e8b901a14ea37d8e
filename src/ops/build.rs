//! `build`, `run`, `test`, `seed`, `snapshot`.

use super::OpsError;
use super::choose::{choose_for_task, tell_empty_selection};
use super::schedule::{ScheduledTask, verify_task};
use crate::changes::{NodeDefinition, fingerprint_definitions};
use crate::engine::{Target, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, Node, NodeId, NodeSet, ResourceType};
use crate::outcome::RunResult;
use crate::plan::CommandVerb;
use crate::workspace::{
    BuildOptions, DatabaseOpening, FinishedBuild, ManifestWriting, Notices, PreparedRun, Revision,
    RunInputs, Settings, UnchangedCheck, Workspace, compiled_code, prepare_run, resource_types_of,
    write_compiled_manifest, write_graph, write_results,
};
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct RunReport {
    pub(crate) results: Vec<RunResult>,
    pub(crate) seconds: f64,
    /// The database and schema of the relations. `None` if a node failed, or if the verb stores
    /// nothing (`test`).
    pub(crate) place: Option<RelationPlace>,
    pub(crate) next: Option<NextCommand>,
    pub(crate) is_interrupted: bool,
}

#[derive(Debug)]
pub(crate) struct RelationPlace {
    pub(crate) database: String,
    pub(crate) schema: String,
}

/// A suggestion for the user's next command. `target` is the `--target` of this run, if one was
/// given.
#[derive(Debug)]
pub(crate) enum NextCommand {
    /// Fix some nodes and build them again.
    BuildAgain { names: Vec<String>, changed: bool, target: Option<String> },
    /// Look at a relation that was built.
    Show { name: String, target: Option<String> },
}

/// Why a build ends before its last stage: it has nothing more to do, or it failed.
enum Ended {
    Early(Box<RunReport>),
    Failed(OpsError),
}

impl<E: Into<OpsError>> From<E> for Ended {
    fn from(e: E) -> Ended {
        Ended::Failed(e.into())
    }
}

pub(crate) fn build_nodes(
    workspace: &mut Workspace,
    options: &BuildOptions,
    task: Option<&ScheduledTask>,
    notices: &mut Notices<'_>,
) -> Result<RunReport, OpsError> {
    match go_through_stages(workspace, options, task, notices) {
        Ok(report) => Ok(report),
        Err(Ended::Early(report)) => Ok(*report),
        Err(Ended::Failed(e)) => Err(e),
    }
}

fn go_through_stages(
    workspace: &mut Workspace,
    options: &BuildOptions,
    task: Option<&ScheduledTask>,
    notices: &mut Notices<'_>,
) -> Result<RunReport, Ended> {
    let mut build = Build::read(workspace, options, task, notices)?;
    let selected = build.select()?;
    let warehouse = build.open_database(&selected)?;
    let prepared = build.prepare(&selected, warehouse)?;
    let ran = build.run(prepared)?;
    Ok(build.conclude(&selected, ran)?)
}

/// The state of a build, handed from stage to stage.
struct Build<'a, 'n> {
    workspace: &'a mut Workspace,
    options: &'a BuildOptions,
    task: Option<&'a ScheduledTask>,
    notices: &'a mut Notices<'n>,
    revision: Arc<Revision>,
    /// Checks whether an earlier build found nothing to do, and records it if this one does. `None`
    /// for scheduled tasks, or if this cannot be checked.
    unchanged: Option<UnchangedCheck>,
    opening: Option<DatabaseOpening>,
    writing: Option<ManifestWriting>,
    /// The definitions of the selected nodes, if they were needed before the database was opened.
    definitions: Option<FastMap<NodeId, NodeDefinition>>,
    /// The fingerprint of all definitions.
    defined: Option<Fingerprint>,
    /// A second handle to the database. It keeps the database open for the queries at the end of
    /// the build; set only together with `unchanged`.
    after: Option<Box<dyn Warehouse>>,
}

/// The results of the executed plan.
struct Ran {
    results: Vec<RunResult>,
    seconds: f64,
    verdicts: Option<FastMap<NodeId, crate::changes::Verdict>>,
}

impl<'a, 'n> Build<'a, 'n> {
    /// Reads the project and starts opening its database in the background. Ends the build here if
    /// no file has changed since a build that found nothing to do.
    fn read(
        workspace: &'a mut Workspace,
        options: &'a BuildOptions,
        task: Option<&'a ScheduledTask>,
        notices: &'a mut Notices<'n>,
    ) -> Result<Build<'a, 'n>, Ended> {
        let files = workspace.load_files()?;
        let settings = workspace.settings().clone();
        let check = || UnchangedCheck::new(workspace, options, &files);
        let mut unchanged = if task.is_none() { check() } else { None };
        let found = unchanged.as_mut().and_then(|u| u.holds_for_files(&settings, &files));
        if let Some(found) = found {
            found.tell_warnings(&settings, files, notices)?;
            found.tell(&settings, notices)?;
            return Err(Ended::Early(Box::new(nothing_to_do(options, &found.target))));
        }
        // If the definitions may show that there is nothing to do, the database is opened only
        // after they were compared.
        let may_hold = unchanged
            .as_ref()
            .is_some_and(|check| check.may_hold() && (check.are_files_known() || !settings.cache));
        let target = files.target().filter(|_| !may_hold);
        let opening = target.and_then(|target| DatabaseOpening::start(&settings, target));
        let revision = workspace.open_loaded(files, notices)?;
        Ok(Build {
            workspace,
            options,
            task,
            notices,
            revision,
            unchanged,
            opening,
            writing: None,
            definitions: None,
            defined: None,
            after: None,
        })
    }

    fn settings(&self) -> &Settings {
        &self.revision.settings
    }

    /// Selects the nodes, and starts writing the manifest in the background. Ends the build here if
    /// nothing is selected.
    fn select(&mut self) -> Result<NodeSet, Ended> {
        let revision = self.revision.clone();
        let mut selection = self.options.selection.clone();
        if let Some(nodes) = verify_task(&revision, self.task, self.notices)? {
            selection.nodes = Some(nodes);
        }
        let types = resource_types_of(self.options.verb);
        let selected = choose_for_task(&revision, &selection, types, self.task, self.notices)?;
        let is_new_only = self.options.changed.is_some();
        self.writing = Some(ManifestWriting::start(&revision, is_new_only)?);
        if selected.len() > 0 {
            return Ok(selected);
        }
        ScheduledTask::refuse_nothing(self.task)?;
        write_results(self.settings(), &revision.manifest.project.target_path, &[], 0.0)?;
        let (message, help) =
            ("the selection matches nothing to do", "`strata ls` shows what there is");
        tell_empty_selection(&revision, message, Some(help), self.notices)?;
        Err(Ended::Early(Box::default()))
    }

    /// Opens the database. Ends the build here, without a database, if the definitions of all nodes
    /// are those of a build that found nothing to do.
    fn open_database(&mut self, selected: &NodeSet) -> Result<Box<dyn Warehouse>, Ended> {
        let revision = self.revision.clone();
        if self.unchanged.as_ref().is_some_and(UnchangedCheck::may_hold) && self.opening.is_none() {
            self.definitions = Some(revision.define_selected(selected).nodes);
        }
        let found = match (&self.definitions, &mut self.unchanged) {
            (Some(own), Some(unchanged)) => unchanged.holds_for_nodes(&revision, own),
            _ => None,
        };
        if let Some(found) = found {
            self.wait_for_manifest()?;
            if let Some(unchanged) = self.unchanged.take() {
                unchanged.renew(self.workspace, &revision, selected, &found);
            }
            found.tell(&revision.settings, self.notices)?;
            return Err(Ended::Early(Box::new(nothing_to_do(self.options, &found.target))));
        }
        let warehouse = DatabaseOpening::wait(self.opening.take(), &revision)?;
        if self.unchanged.is_some() {
            self.after = Some(warehouse.open_another()?);
        }
        Ok(warehouse)
    }

    fn wait_for_manifest(&mut self) -> Result<(), Ended> {
        Ok(self.writing.take().map_or(Ok(()), ManifestWriting::wait)?)
    }

    /// Makes the plan and the verdict on each node.
    fn prepare(
        &mut self,
        selected: &NodeSet,
        warehouse: Box<dyn Warehouse>,
    ) -> Result<PreparedRun, Ended> {
        let (revision, cancel) = (self.revision.clone(), self.workspace.cancel_token().clone());
        let (known, defined) = (&mut self.definitions, &mut self.defined);
        let inputs = RunInputs {
            cancel: &cancel,
            budget: None,
            known: None,
            define: &mut |nodes| {
                let own = known.take().unwrap_or_else(|| revision.define_selected(nodes).nodes);
                *defined = Some(fingerprint_definitions(&revision.manifest, &own));
                own
            },
            narrow: &mut |_, _, _| {},
        };
        let notices = &mut *self.notices;
        let prepared =
            prepare_run(&revision, self.options, selected.clone(), warehouse, inputs, notices)?;
        prepared.tell_verdicts(&revision.manifest, false, self.notices);
        self.wait_for_manifest()?;
        Ok(prepared)
    }

    fn run(&mut self, mut prepared: PreparedRun) -> Result<Ran, Ended> {
        let verdicts = prepared.verdicts.take();
        let (results, seconds) = prepared.carry_out(self.notices)?;
        Ok(Ran { results, seconds, verdicts })
    }

    /// Writes the artifacts, and records that there is nothing more to do if nothing failed.
    fn conclude(self, selected: &NodeSet, ran: Ran) -> Result<RunReport, OpsError> {
        let Ran { results, seconds, verdicts } = ran;
        let revision = &*self.revision;
        let target_path = &revision.manifest.project.target_path;
        write_results(&revision.settings, target_path, &results, seconds)?;
        if !results.is_empty() {
            let compiled = results.iter().filter_map(|r| {
                let node = revision.manifest.get(&r.unique_id)?;
                Some((node.id, r.outcome.compiled.as_ref()?))
            });
            write_compiled_manifest(revision, &compiled_code(&revision.manifest, compiled))?;
            write_graph(revision, self.options.verb)?;
        }
        let has_failed = results.iter().any(|r| r.outcome.status.is_failure());
        let is_interrupted = self.workspace.cancel_token().is_cancelled();
        if let (Some(unchanged), Some(mut after)) = (self.unchanged, self.after)
            && !has_failed
            && !is_interrupted
        {
            let finished = FinishedBuild {
                revision,
                changed: self.options.changed,
                selected,
                verdicts: verdicts.zip(self.defined).filter(|_| results.is_empty()),
            };
            unchanged.keep(self.workspace, finished, after.as_mut());
        }
        let place = (!has_failed).then(|| place_of(self.options, revision.target())).flatten();
        let next = match has_failed {
            // After an interruption there is nothing to fix.
            true if is_interrupted => None,
            true => next_to_mend(revision, self.options, &results),
            false => next_to_show(revision, self.options, &results),
        };
        Ok(RunReport { results, seconds, place, next, is_interrupted })
    }
}

/// The report of a build that found nothing to do.
fn nothing_to_do(options: &BuildOptions, target: &Target) -> RunReport {
    RunReport { place: place_of(options, target), ..RunReport::default() }
}

fn place_of(options: &BuildOptions, target: &Target) -> Option<RelationPlace> {
    let is_stored = options.verb != CommandVerb::Test;
    is_stored.then(|| RelationPlace {
        database: target.place().to_string(),
        schema: target.schema.to_string(),
    })
}

/// The names of at most six nodes to build again: the nodes that failed or, if only tests failed,
/// the nodes that those tests are attached to.
fn names_to_mend(manifest: &Manifest, results: &[RunResult]) -> Vec<String> {
    const MOST: usize = 6;
    let is_bad = |r: &&RunResult| r.outcome.status.is_bad();
    let bad: Vec<&Node> =
        results.iter().filter(is_bad).filter_map(|r| manifest.get(&r.unique_id)).collect();
    let failed: Vec<&Node> =
        bad.iter().copied().filter(|n| n.resource_type().is_published()).collect();
    let to_mend: Vec<&Node> = match failed.is_empty() {
        true => bad.iter().filter_map(|test| tested_node(manifest, test)).collect(),
        false => failed,
    };
    let mut seen = HashSet::new();
    let names = to_mend.into_iter().map(|n| n.name.to_string());
    names.filter(|name| seen.insert(name.clone())).take(MOST).collect()
}

/// The node that a test is attached to, else the last one that it depends on.
fn tested_node<'m>(manifest: &'m Manifest, test: &Node) -> Option<&'m Node> {
    let attached = test.generic_test().and_then(|t| t.attached);
    attached.or(test.depends_on.last().copied()).map(|id| manifest.node(id))
}

fn next_to_mend(
    revision: &Revision,
    options: &BuildOptions,
    results: &[RunResult],
) -> Option<NextCommand> {
    let names = names_to_mend(&revision.manifest, results);
    let (changed, target) = (options.changed.is_some(), revision.settings.load.target.clone());
    (!names.is_empty()).then_some(NextCommand::BuildAgain { names, changed, target })
}

/// Suggests showing the last model that was built: it is what most users are after.
fn next_to_show(
    revision: &Revision,
    options: &BuildOptions,
    results: &[RunResult],
) -> Option<NextCommand> {
    let mut built = results.iter().rev().filter_map(|r| revision.manifest.get(&r.unique_id));
    let last = built.find(|n| n.resource_type() == ResourceType::Model)?;
    let target = revision.settings.load.target.clone();
    (options.verb != CommandVerb::Test)
        .then(|| NextCommand::Show { name: last.name.to_string(), target })
}
