//! `source freshness`: checks the age of the data of sources.

use super::OpsError;
use super::choose::{choose_nodes, tell_empty_selection};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{Manifest, NodeId, NodeKind, NodeSet, ResourceType};
use crate::outcome::SourceFreshness;
use crate::plan::Plan;
use crate::run::{FreshnessRequest, RunOptions, check_sources};
use crate::select::Selection;
use crate::state::write_sources;
use crate::system::{SystemError, normalize_path};
use crate::workspace::{
    Notice, Notices, Revision, Workspace, build_run_context, default_run_options, run_metadata,
    tell_warnings, write_plain_manifest,
};
use camino::{Utf8Path, Utf8PathBuf};

#[derive(Clone, Debug, Default)]
pub(crate) struct FreshnessOptions {
    pub(crate) selection: Selection,
    /// The output file. `None`: `sources.json` below the target path.
    pub(crate) output: Option<Utf8PathBuf>,
    pub(crate) fail_fast: bool,
    /// Run the project's on-run hooks.
    pub(crate) hooks: bool,
}

pub(crate) struct FreshnessReport {
    /// Whether a source is older than its error limit, or could not be queried.
    pub(crate) has_failed: bool,
}

pub(crate) fn check_freshness(
    workspace: &mut Workspace,
    options: &FreshnessOptions,
    notices: &mut Notices<'_>,
) -> Result<FreshnessReport, OpsError> {
    let revision = workspace.open(notices)?;
    let (manifest, cancel) = (&revision.manifest, workspace.cancel_token());
    let selected = choose_nodes(&revision, &options.selection, &[ResourceType::Source], notices)?;
    // Sources without a limit are not checked.
    let mut sources: Vec<NodeId> = selected.iter().filter(|id| has_limit(manifest, *id)).collect();
    let has_hooks = !manifest.on_run_start.is_empty() || !manifest.on_run_end.is_empty();
    if has_hooks && !options.hooks {
        let message = "on-run hooks do not run around `source freshness`";
        let event = DbtEvent::SourceFreshnessProjectHooksNotRun;
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message)
            .help("`source_freshness_run_project_hooks: false` is out of date");
        tell_warnings(&revision.settings, &[d], notices)?;
    }
    sources.sort_by(|a, b| manifest.node(*a).unique_id.cmp(&manifest.node(*b).unique_id));
    write_plain_manifest(&revision)?;
    let path = match &options.output {
        Some(path) => normalize_path(&revision.settings.system.current_dir().join(path)),
        None => manifest.project.target_path.join("sources.json"),
    };
    if sources.is_empty() {
        write_freshness(&revision, &path, &[], 0.0)?;
        let message = "the selection has no source with a `freshness` to check";
        let help = "below `config:` of a source: freshness: {warn_after: {count: 1, period: day}}";
        tell_empty_selection(&revision, message, Some(help), notices)?;
        return Ok(FreshnessReport { has_failed: false });
    }
    let warehouse = revision.connect()?;
    let run_options = default_run_options(&revision, options.fail_fast);
    let run_options = RunOptions { write_files: false, ..run_options };
    let nodes: NodeSet = sources.iter().copied().collect();
    let shared = build_run_context(&revision, cancel, &nodes, &Plan::default(), run_options, None);
    let request = FreshnessRequest {
        shared,
        sources: &sources,
        warehouse,
        cancel: cancel.clone(),
        hooks: options.hooks,
    };
    let run = check_sources(request, &mut |event| notices(Notice::Run(event)))?;
    write_freshness(&revision, &path, &run.sources, run.seconds)?;
    Ok(FreshnessReport { has_failed: run.failed })
}

fn has_limit(manifest: &Manifest, id: NodeId) -> bool {
    match &manifest.node(id).kind {
        NodeKind::Source(table) => table.freshness.as_ref().is_some_and(|f| f.is_set()),
        _ => false,
    }
}

fn write_freshness(
    revision: &Revision,
    path: &Utf8Path,
    sources: &[SourceFreshness],
    seconds: f64,
) -> Result<(), SystemError> {
    if !revision.settings.write_json {
        return Ok(());
    }
    let metadata = run_metadata(&revision.settings);
    write_sources(revision.settings.system.as_ref(), path, sources, seconds, &metadata)
}
