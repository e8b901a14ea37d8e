//! Which files a package has, and what each is for.

use crate::config::{PathKind, ProjectOptions};
use crate::diag::{Code, Diagnostic};
use crate::source::{FileId, SourceMap};
use crate::system::{Found, System, SystemError};
use camino::{Utf8Path, Utf8PathBuf};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Macro,
    /// Test macros below `<test-path>/generic`.
    GenericTest,
    Model,
    PythonModel,
    Snapshot,
    Analysis,
    SingularTest,
    Fixture,
    Function,
    Seed,
    Properties,
    Docs,
}

/// A file of a package.
#[derive(Clone, Debug)]
pub(crate) struct LoadedFile {
    pub(crate) kind: FileKind,
    /// Seeds are streamed: their text in the map is empty.
    pub(crate) file: FileId,
    /// Below its resource folder, and below the package's root.
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) absolute: Utf8PathBuf,
    pub(crate) size: u64,
}

/// dbt's limit for hashing a seed's text; larger ones are known by path.
pub(crate) const SEED_HASH_LIMIT: u64 = 1 << 20;

fn kind_of(folder: PathKind, path: &Utf8Path) -> Option<FileKind> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let in_folder =
        |name: &str| path.components().next().is_some_and(|c| c.as_str() == name) && path.components().count() > 1;
    Some(match (folder, extension.as_str()) {
        (_, "yml" | "yaml") if !matches!(folder, PathKind::Docs | PathKind::Asset) => FileKind::Properties,
        (_, "md") => FileKind::Docs,
        (PathKind::Model, "sql") => FileKind::Model,
        (PathKind::Model, "py") => FileKind::PythonModel,
        (PathKind::Seed, "csv") => FileKind::Seed,
        (PathKind::Macro, "sql") => FileKind::Macro,
        (PathKind::Snapshot, "sql") => FileKind::Snapshot,
        (PathKind::Analysis, "sql") => FileKind::Analysis,
        (PathKind::Function, "sql" | "py") => FileKind::Function,
        (PathKind::Test, "sql") if in_folder("generic") => FileKind::GenericTest,
        (PathKind::Test, "sql" | "csv") if in_folder("fixtures") => FileKind::Fixture,
        (PathKind::Test, "sql") => FileKind::SingularTest,
        _ => return None,
    })
}

/// Finds and reads the files of a package. `install` is where packages are installed, which is no part of the project.
pub(super) fn read_package(
    system: &dyn System,
    root: &Utf8Path,
    options: &ProjectOptions,
    skip: &[Utf8PathBuf],
    shown: &dyn Fn(&Utf8Path) -> Utf8PathBuf,
    map: &mut SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Result<Vec<LoadedFile>, SystemError> {
    let ignored = ignore_file(system, root, out);
    let mut found: BTreeMap<(Utf8PathBuf, FileKind), (Found, Arc<str>)> = BTreeMap::new();
    for kind in PathKind::ALL {
        let mut folders = options.paths(kind).to_vec();
        if kind == PathKind::Docs && folders.is_empty() {
            folders = [
                PathKind::Model,
                PathKind::Seed,
                PathKind::Analysis,
                PathKind::Macro,
                PathKind::Snapshot,
                PathKind::Test,
            ]
            .iter()
            .flat_map(|k| options.paths(*k).iter().cloned())
            .collect();
        }
        for folder in folders {
            let base = crate::system::normalize(&root.join(&folder));
            for file in system.walk(&base)? {
                let below = file.path.strip_prefix(&base).unwrap_or(&file.path);
                let hidden = below.file_name().is_none_or(|n| n.starts_with(['.', '#', '~']));
                let foreign = skip.iter().any(|s| file.path.starts_with(s));
                let Some(kind) = kind_of(kind, below).filter(|_| !hidden && !foreign) else { continue };
                let local = file.path.strip_prefix(root).unwrap_or(&file.path);
                if ignored
                    .as_ref()
                    .is_some_and(|i| i.matched_path_or_any_parents(local.as_std_path(), false).is_ignore())
                {
                    continue;
                }
                let relative: Arc<str> = below.as_str().into();
                found.entry((file.path.clone(), kind)).or_insert((file, relative));
            }
        }
    }
    let files: Vec<_> = found.into_iter().collect();
    let texts: Vec<Result<Option<Arc<str>>, SystemError>> = files
        .par_iter()
        .map(|((path, kind), _)| if *kind == FileKind::Seed { Ok(None) } else { system.read(path).map(Some) })
        .collect();
    let mut loaded = Vec::with_capacity(files.len());
    for (((absolute, kind), (file, relative)), text) in files.into_iter().zip(texts) {
        let original: Arc<str> = absolute.strip_prefix(root).unwrap_or(&absolute).as_str().into();
        let id = match text {
            Ok(text) => map.add(&shown(&absolute), text.unwrap_or_default()),
            Err(e) => {
                out.push(Diagnostic::error(Code::ProjectFile, e.to_string()));
                continue;
            }
        };
        loaded.push(LoadedFile {
            kind,
            file: id,
            path: relative,
            original_file_path: original,
            absolute,
            size: file.size,
        });
    }
    Ok(loaded)
}

fn ignore_file(system: &dyn System, root: &Utf8Path, out: &mut Vec<Diagnostic>) -> Option<Gitignore> {
    let text = system.read(&root.join(".dbtignore")).ok()?;
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines() {
        if let Err(e) = builder.add_line(None, line) {
            out.push(Diagnostic::warning(Code::Ignored, format!("a line of .dbtignore cannot be read: {e}")));
        }
    }
    builder.build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_folder_and_ending() {
        assert_eq!(kind_of(PathKind::Test, "generic/x.sql".into()), Some(FileKind::GenericTest));
        assert_eq!(kind_of(PathKind::Test, "generic.sql".into()), Some(FileKind::SingularTest));
        assert_eq!(kind_of(PathKind::Model, "a/b.YML".into()), Some(FileKind::Properties));
        assert_eq!(kind_of(PathKind::Model, "a.csv".into()), None);
        assert_eq!(kind_of(PathKind::Macro, "m.md".into()), Some(FileKind::Docs));
    }
}
