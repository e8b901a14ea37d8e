//! Checks the destinations of the selected exports: no two may be the same, and none may overwrite
//! a file of the project.

use super::OpsError;
use crate::config::{ExportTarget, SheetTarget};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Node, NodeKind, NodeSet, OutputAddress, OutputRole, check_addresses};
use crate::run::export_target;
use crate::sink::output_path;
use crate::system::normalize_path;
use crate::workspace::{Revision, WorkspaceError};
use camino::Utf8Path;

/// Fails before anything is written if two exports have the same destination. An export whose
/// fields cannot be rendered is ignored here: it fails on its own later.
pub(super) fn check_destinations(revision: &Revision, selected: &NodeSet) -> Result<(), OpsError> {
    let mut outputs = Vec::new();
    let mut complaints = Vec::new();
    for node in selected.iter().map(|id| revision.manifest.node(id)) {
        let NodeKind::Export(export) = &node.kind else { continue };
        let Ok(target) = export_target(&revision.context, node, export) else { continue };
        let output = destination(revision, node, &target);
        if let ExportTarget::File(_) = target {
            complaints.extend(overwritten(revision, node, Utf8Path::new(&output.address)));
        }
        outputs.push(output);
    }
    complaints.extend(check_addresses(&outputs, Code::ExportFailed));
    if complaints.is_empty() {
        return Ok(());
    }
    Err(WorkspaceError::Diagnostics(complaints).into())
}

fn destination(revision: &Revision, node: &Node, target: &ExportTarget) -> OutputAddress {
    let info = &revision.manifest.project;
    let (address, shown) = match target {
        ExportTarget::Sheet(SheetTarget { spreadsheet, sheet, .. }) => {
            // Google Sheets ignores case when it compares the names of tabs.
            (
                format!("{spreadsheet}\u{1f}{}", sheet.to_lowercase()),
                format!("the tab `{sheet}` of {spreadsheet}"),
            )
        }
        ExportTarget::File(file) => {
            let path =
                normalize_path(&output_path(file, &node.name, &info.root, &info.target_path));
            let shown = path.strip_prefix(&info.root).unwrap_or(&path).to_string();
            (path.into_string(), shown)
        }
    };
    OutputAddress {
        address,
        shown,
        writer: node.unique_id.to_string(),
        span: node.span,
        role: OutputRole::Published,
    }
}

/// The error for an export that would overwrite a project file, an artifact or the database.
fn overwritten(revision: &Revision, node: &Node, path: &Utf8Path) -> Option<Diagnostic> {
    let info = &revision.manifest.project;
    let relative = path.strip_prefix(&info.root).unwrap_or(path);
    let read = revision.map.find(relative).is_some() || revision.map.find(path).is_some();
    let what = if read || revision.manifest.all().any(|n| *n.original_file_path == *relative) {
        "a file of the project"
    } else if is_database(revision, path) {
        "the database"
    } else if path.parent() == Some(&info.target_path) {
        "among the artifacts"
    } else {
        return None;
    };
    let d = Diagnostic::error(
        Code::ExportFailed,
        format!("`{}` would write over {relative}, which is {what}", node.name),
    );
    Some(d.primary(node.span, "this export").help("give it another `path`"))
}

/// Whether a file belongs to the target's database.
fn is_database(revision: &Revision, path: &Utf8Path) -> bool {
    let info = &revision.manifest.project;
    let files = info.target.connection.database_files();
    files.into_iter().any(|file| path == normalize_path(&info.root.join(file)))
}
