//! `parse`: reads the project, reports its errors and writes its manifest.

use super::OpsError;
use crate::workspace::{Notices, Workspace, is_manifest_written, write_plain_manifest};

pub(crate) struct ParseReport {
    /// The number of nodes in the project.
    pub(crate) nodes: usize,
}

pub(crate) fn parse_project(
    workspace: &mut Workspace,
    notices: &mut Notices<'_>,
) -> Result<ParseReport, OpsError> {
    let revision = workspace.open(notices)?;
    if !is_manifest_written(&revision) {
        write_plain_manifest(&revision)?;
    }
    Ok(ParseReport { nodes: revision.manifest.nodes.len() })
}
