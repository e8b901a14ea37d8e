//! Resolves the selection of a use case to nodes.

use super::OpsError;
use super::schedule::ScheduledTask;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{NodeSet, ResourceType};
use crate::select::Selection;
use crate::workspace::{Notices, Revision, tell_warnings};

/// Resolves a selection. An error in the selection ends the use case; an empty selection is not an
/// error.
pub(super) fn choose_nodes(
    revision: &Revision,
    selection: &Selection,
    types: &[ResourceType],
    notices: &mut Notices<'_>,
) -> Result<NodeSet, OpsError> {
    let mut diagnostics = Vec::new();
    let chosen = revision.select(selection, types)?.drain_into(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(crate::workspace::WorkspaceError::Diagnostics(diagnostics).into());
    }
    diagnostics.extend(warn_of_overwritten_state(revision));
    tell_warnings(&revision.settings, &diagnostics, notices)?;
    Ok(chosen)
}

/// A warning if the state to compare with is where this command writes its own artifacts.
fn warn_of_overwritten_state(revision: &Revision) -> Option<Diagnostic> {
    let state = revision.settings.state_folder()?;
    let target = &revision.manifest.project.target_path;
    let message = format!("`--state` is the target path, which is overwritten: {state}");
    (state == *target)
        .then(|| {
            Diagnostic::dbt_warning(Code::StateIsTarget, DbtEvent::WarnStateTargetEqual, message)
        })
        .map(|d| d.help("keep the artifacts to compare with in another folder"))
}

/// Like [`choose_nodes`], for a command that a scheduler may have started. If nodes that the task
/// names do not exist, the scheduler's file was made from another version of the project.
pub(super) fn choose_for_task(
    revision: &Revision,
    selection: &Selection,
    types: &[ResourceType],
    task: Option<&ScheduledTask>,
    notices: &mut Notices<'_>,
) -> Result<NodeSet, OpsError> {
    let chosen = choose_nodes(revision, selection, types, notices);
    if task.is_some()
        && selection.nodes.is_some()
        && let Err(e) = &chosen
        && let Some(list) = e.diagnostics()
    {
        return Err(OpsError::Drift { changes: list.iter().map(|d| d.message.clone()).collect() });
    }
    chosen
}

/// Warns that nothing was selected.
pub(super) fn tell_empty_selection(
    revision: &Revision,
    message: &str,
    help: Option<&str>,
    notices: &mut Notices<'_>,
) -> Result<(), OpsError> {
    let warning = Diagnostic::dbt_warning(Code::EmptySelection, DbtEvent::NoNodesSelected, message);
    let warning = warning.help_if(help, |text| text.to_owned());
    Ok(tell_warnings(&revision.settings, &[warning], notices)?)
}
