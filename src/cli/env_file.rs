//! Adds the variables of an `.env` file to the environment.
//!
//! dbt 1.12 reads such a file of every folder that it is called in; here it has to be wanted. In: the
//! system, a path. Out: what was read, for a line that names it. Must not know: what the variables
//! are for. Values are never shown, and neither are lines that cannot be read.

use crate::config::parse_env_file;
use crate::system::{System, SystemError, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;

/// The name that is searched for.
const NAME: &str = ".env";

/// A file whose variables have been added to the environment.
#[derive(Debug)]
pub(super) struct LoadedEnvFile {
    path: Utf8PathBuf,
    count: usize,
    /// The variables that the environment had before, which stay as they were.
    kept: usize,
    unread: Vec<usize>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum EnvFileError {
    #[error("`--env-file` names {0}, which is not there")]
    Missing(Utf8PathBuf),
    #[error(transparent)]
    Unreadable(#[from] SystemError),
}

/// Reads the named file or the nearest `.env`, from the working directory upwards. `None` if there is
/// no such file.
pub(super) fn load_env_file(
    system: &dyn System,
    named: Option<&Utf8Path>,
) -> Result<Option<LoadedEnvFile>, EnvFileError> {
    let Some(path) = find_env_file(system, named)? else { return Ok(None) };
    let outer = |name: &str| system.env(name);
    let file = parse_env_file(&system.read(&path)?, &outer);
    let kept = file.variables.keys().filter(|name| outer(name).is_some()).count();
    let count = file.variables.len();
    system.set_env_defaults(file.variables);
    Ok(Some(LoadedEnvFile { path, count, kept, unread: file.unread }))
}

fn find_env_file(
    system: &dyn System,
    named: Option<&Utf8Path>,
) -> Result<Option<Utf8PathBuf>, EnvFileError> {
    let here = system.current_dir();
    let Some(named) = named else {
        return Ok(here.ancestors().map(|folder| folder.join(NAME)).find(|p| system.is_file(p)));
    };
    let path = normalize_path(&here.join(named));
    if system.is_file(&path) { Ok(Some(path)) } else { Err(EnvFileError::Missing(path)) }
}

impl fmt::Display for LoadedEnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "environment: {} variable{plural} from {}", self.count, self.path)?;
        if self.kept > 0 {
            write!(f, ", {} of them set by the shell", self.kept)?;
        }
        let lines: Vec<String> = self.unread.iter().map(usize::to_string).collect();
        match lines.len() {
            0 => Ok(()),
            1 => write!(f, "; line {} is not NAME=value and is ignored", lines[0]),
            _ => write!(f, "; lines {} are not NAME=value and are ignored", lines.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    fn loaded(files: &[(&str, &str)], named: Option<&str>) -> (MemorySystem, String) {
        let mut system = MemorySystem::with_files(files.iter().copied());
        system.set_env("A", "shell");
        let read = load_env_file(&system, named.map(Utf8Path::new));
        let told = match read {
            Ok(Some(file)) => file.to_string(),
            Ok(None) => String::new(),
            Err(problem) => problem.to_string(),
        };
        (system, told)
    }

    #[test]
    fn the_shell_comes_before_the_nearest_file() {
        let here = MemorySystem::default().current_dir();
        let above = here.parent().unwrap().join(".env");
        let (system, told) = loaded(&[(above.as_str(), "A=1\nB=${A}\nC d\n")], None);
        assert_eq!(
            told,
            format!(
                "environment: 2 variables from {above}, 1 of them set by the shell; line 3 is not \
                 NAME=value and is ignored"
            )
        );
        assert_eq!(system.env("A").as_deref(), Some("shell"));
        assert_eq!(system.env("B").as_deref(), Some("shell"));
        assert_eq!(loaded(&[], None).1, "");
    }

    #[test]
    fn a_named_file_has_to_be_there() {
        let here = MemorySystem::default().current_dir();
        let path = here.join("ci.env");
        assert_eq!(
            loaded(&[(path.as_str(), "B=1")], Some("ci.env")).1,
            format!("environment: 1 variable from {path}")
        );
        assert_eq!(
            loaded(&[], Some("ci.env")).1,
            format!("`--env-file` names {path}, which is not there")
        );
    }
}
