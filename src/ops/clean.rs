//! `clean`: removes what commands generate. Never a database, nor anything outside the project.

use super::project::own_sources;
use super::{CliError, Exit, Invocation};
use crate::system::normalize;

pub(crate) fn clean(inv: &mut Invocation) -> Exit {
    let sources = own_sources(inv)?;
    let package = sources.root();
    let root = normalize(&package.root);
    let mut targets = package.options.clean_targets.clone();
    if targets.is_empty() {
        targets = vec![
            sources.target_path.strip_prefix(&root).unwrap_or(&sources.target_path).to_string(),
        ];
    }
    let protected: Vec<_> = crate::config::PathKind::ALL
        .iter()
        .flat_map(|kind| package.options.paths(*kind))
        .map(|p| normalize(&root.join(p)))
        .collect();
    let files = sources.target.connection.files();
    let databases: Vec<_> = files.into_iter().map(|file| normalize(&root.join(file))).collect();
    for target in targets {
        let path = normalize(&root.join(&target));
        let why = if !path.starts_with(&root) || path == root {
            Some("it is not inside the project")
        } else if protected.iter().any(|p| p.starts_with(&path)) {
            Some("it holds the project's own files")
        } else if databases.iter().any(|database| database.starts_with(&path)) {
            Some("it holds the database")
        } else {
            None
        };
        match why {
            Some(why) => return Err(CliError::usage(format!("`{target}` is not removed: {why}"))),
            None => {
                inv.system.remove(&path)?;
                inv.console.say(&format!("removed {target}"));
            }
        }
    }
    Ok(0)
}
