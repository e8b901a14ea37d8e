//! `clean`: removes generated files, but never a database, nor, unless asked, anything outside the
//! project.

use super::OpsError;
use crate::config::PathKind;
use crate::load::LoadedProject;
use crate::system::normalize_path;
use crate::workspace::{Notices, Workspace};
use camino::Utf8Path;

/// Removes the clean targets and returns them as the project file spells them. If one of them must
/// not be removed, none is. `outside`: those outside of the project may be removed.
pub(crate) fn clean_project(
    workspace: &mut Workspace,
    outside: bool,
    notices: &mut Notices<'_>,
) -> Result<Vec<String>, OpsError> {
    let (sources, _) = workspace.load_own_files(notices)?;
    let root = normalize_path(&sources.root().root);
    let targets = clean_targets(&sources, &root);
    for target in &targets {
        let path = normalize_path(&root.join(target));
        if let Some(why) = reason_to_stay(&sources, &root, &path, outside) {
            return Err(OpsError::usage(format!("`{target}` is not removed: {why}")));
        }
    }
    for target in &targets {
        workspace.settings().system.remove(&normalize_path(&root.join(target)))?;
    }
    Ok(targets)
}

/// The `clean-targets` of the project file, else the target path.
fn clean_targets(sources: &LoadedProject, root: &Utf8Path) -> Vec<String> {
    let written = &sources.root().options.clean_targets;
    if !written.is_empty() {
        return written.clone();
    }
    let path = &sources.target_path;
    vec![path.strip_prefix(root).unwrap_or(path).to_string()]
}

fn reason_to_stay(
    sources: &LoadedProject,
    root: &Utf8Path,
    path: &Utf8Path,
    outside: bool,
) -> Option<&'static str> {
    let options = &sources.root().options;
    let holds = |inner: &str| normalize_path(&root.join(inner)).starts_with(path);
    if !path.starts_with(root) && !outside {
        return Some("it is not inside the project");
    }
    if root.starts_with(path) {
        return Some("it holds the project");
    }
    let mut own = PathKind::ALL.iter().flat_map(|kind| options.paths(*kind));
    if own.any(|folder| holds(folder)) {
        return Some("it holds the project's own files");
    }
    let mut databases = sources.target.connection.database_files().into_iter();
    databases.any(holds).then_some("it holds the database")
}
