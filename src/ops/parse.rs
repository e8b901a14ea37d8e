//! `parse`: reads the project, reports its errors and writes its manifest.

use super::OpsError;
use crate::workspace::{
    Notices, Workspace, is_manifest_written, repeat_reading, write_plain_manifest,
};

pub(crate) struct ParseReport {
    /// The number of nodes in the project.
    pub(crate) nodes: usize,
}

/// Ends early if the project was read before with the same result, and its manifest is written.
pub(crate) fn parse_project(
    workspace: &mut Workspace,
    notices: &mut Notices<'_>,
) -> Result<ParseReport, OpsError> {
    let files = workspace.load_files()?;
    let settings = workspace.settings().clone();
    if let Some(record) = workspace.find_reading(&files)
        && let Some(folder) = files.target_path()
        && is_manifest_written(&settings, folder, record.fingerprint())
    {
        repeat_reading(&settings, &record, files, notices)?;
        return Ok(ParseReport { nodes: record.nodes });
    }
    let revision = workspace.open_loaded(files, notices)?;
    let folder = &revision.manifest.project.target_path;
    if !is_manifest_written(&settings, folder, revision.inputs) {
        write_plain_manifest(&revision)?;
    }
    Ok(ParseReport { nodes: revision.manifest.nodes.len() })
}
