//! `export`: writes DAG files for schedulers, and carries out the project's `exports`.

use super::OpsError;
use super::build::RunReport;
use super::choose::{choose_for_task, tell_empty_selection};
use super::destinations::check_destinations;
use super::generated::{Delivery, deliver_files, write_command_line};
use super::schedule::{
    ScheduledTask, cut_into_tasks, read_airflow_options, verify_task, write_spec,
};
use crate::config::ExportType;
use crate::engine::{EngineSpec, ExistingRelations, WriteConcurrency};
use crate::export::airflow::{DagFileRequest, Granularity, dag_file};
use crate::manifest::{NodeKind, ResourceType};
use crate::plan::CommandVerb;
use crate::run::{RunOptions, RunRequest};
use crate::select::Selection;
use crate::workspace::{
    BuildOptions, Notices, Workspace, build_run_context, default_run_options, run_and_time,
    write_plain_manifest, write_results,
};

pub(crate) struct DagOptions {
    pub(crate) selection: Selection,
    pub(crate) granularity: Granularity,
    pub(crate) check: bool,
}

pub(crate) struct DagReport {
    pub(crate) delivery: Delivery,
    pub(crate) tasks: usize,
    pub(crate) tests: usize,
    /// Layers that were merged into one task, since they depend on each other.
    pub(crate) merged: Vec<Vec<String>>,
}

pub(crate) fn export_airflow(
    workspace: &mut Workspace,
    options: &DagOptions,
    notices: &mut Notices<'_>,
) -> Result<DagReport, OpsError> {
    let mut revision = workspace.open(notices)?;
    let mut airflow = read_airflow_options(&revision, notices)?;
    // The file must be made for the target that its tasks will use.
    let is_other = |target: &String| {
        revision.settings.load.target.is_none() && *target != *revision.target().name
    };
    if let Some(target) = airflow.target.clone().filter(is_other) {
        workspace.change_settings(|settings| settings.load.target = Some(target));
        revision = workspace.open(notices)?;
        airflow = read_airflow_options(&revision, notices)?;
    }
    let dag =
        cut_into_tasks(&revision, &airflow, &options.selection, options.granularity, notices)?;
    if dag.tasks.is_empty() {
        return Err(OpsError::usage_with_hint(
            "the selection matches nothing that a DAG could run",
            "`strata ls` shows what there is",
        ));
    }
    let spec = write_spec(&options.selection, options.granularity);
    let command = write_command_line("strata export airflow", &spec);
    let engine = revision.target().engine;
    let file = dag_file(&DagFileRequest {
        manifest: &revision.manifest,
        dag: &dag,
        options: &airflow,
        spec: &spec,
        command: &command,
        serial: is_serial(engine).then_some(engine.label),
    });
    let nodes = dag.tasks.iter().flat_map(|t| &t.nodes).map(|id| revision.manifest.node(*id));
    let tests = nodes.filter(|n| n.resource_type() == ResourceType::Test).count();
    let delivery = deliver_files(&revision, &[file], options.check, &command)?;
    Ok(DagReport { delivery, tasks: dag.tasks.len(), tests, merged: dag.merged })
}

/// Whether concurrent tasks would block each other, since the engine allows only one writer or
/// process.
fn is_serial(engine: &EngineSpec) -> bool {
    !engine.capabilities.is_shared || engine.capabilities.writers == WriteConcurrency::One
}

/// The kind of exports that a command carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinkKind {
    Sheets,
    Files,
}

impl SinkKind {
    fn takes(self, kind: ExportType) -> bool {
        (kind == ExportType::GoogleSheets) == (self == SinkKind::Sheets)
    }
}

pub(crate) struct ExportOptions {
    pub(crate) sinks: SinkKind,
    pub(crate) selection: Selection,
    pub(crate) dry_run: bool,
    pub(crate) fail_fast: bool,
}

/// Writes relations to the destinations that `exports:` declare.
pub(crate) fn export_relations(
    workspace: &mut Workspace,
    options: &ExportOptions,
    task: Option<&ScheduledTask>,
    notices: &mut Notices<'_>,
) -> Result<RunReport, OpsError> {
    let revision = workspace.open(notices)?;
    let cancel = workspace.cancel_token();
    let mut selection = options.selection.clone();
    if let Some(nodes) = verify_task(&revision, task, notices)? {
        selection.nodes = Some(nodes);
    }
    let types = &[ResourceType::Export];
    let mut selected = choose_for_task(&revision, &selection, types, task, notices)?;
    selected.retain(|id| match &revision.manifest.node(id).kind {
        NodeKind::Export(e) => options.sinks.takes(e.kind),
        _ => false,
    });
    write_plain_manifest(&revision)?;
    let target_path = &revision.manifest.project.target_path;
    if selected.len() == 0 {
        ScheduledTask::refuse_nothing(task)?;
        write_results(&revision.settings, target_path, &[], 0.0)?;
        let message = "the selection matches no export of this type";
        let help =
            "exports are declared under `exports:`; `strata ls --resource-type export` lists them";
        tell_empty_selection(&revision, message, Some(help), notices)?;
        return Ok(RunReport::default());
    }
    check_destinations(&revision, &selected)?;
    let warehouse = revision.connect()?;
    let request = BuildOptions { audit: false, ..BuildOptions::of(CommandVerb::Export) };
    let plan = revision.plan(&request, &selected, &ExistingRelations::Unknown).map_err(|d| *d)?;
    let run_options = default_run_options(&revision, options.fail_fast);
    let run_options = RunOptions { dry_run: options.dry_run, ..run_options };
    let request = RunRequest {
        shared: build_run_context(&revision, cancel, &selected, &plan, run_options, None),
        plan: &plan,
        existing: ExistingRelations::Unknown,
        warehouse,
        cancel: cancel.clone(),
        hooks: false,
    };
    let (results, seconds) = run_and_time(request, notices)?;
    write_results(&revision.settings, target_path, &results, seconds)?;
    let is_interrupted = cancel.is_cancelled();
    Ok(RunReport { results, seconds, is_interrupted, ..RunReport::default() })
}
