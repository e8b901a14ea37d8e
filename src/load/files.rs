//! Finds the files of a package and determines their kinds.

use crate::config::{PathKind, ProjectOptions};
use crate::diag::{Code, Diagnostic};
use crate::hash::{FastMap, Fingerprint};
use crate::source::{FileId, SourceMap};
use crate::system::{FoundFile, System, SystemError};
use camino::{Utf8Path, Utf8PathBuf};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::hash_map::Entry;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum FileKind {
    Macro,
    /// A file of test macros below `<test-path>/generic`.
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

#[derive(Clone, Debug)]
pub(crate) struct LoadedFile {
    pub(crate) kind: FileKind,
    /// The file's id. Seeds are streamed, so their text in the map is empty.
    pub(crate) file: FileId,
    /// The path in its resource folder.
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) absolute: Utf8PathBuf,
    pub(crate) size: u64,
    /// The fingerprint of the text. For a seed beyond [`SEED_HASH_LIMIT`] it is constant.
    pub(crate) fingerprint: Fingerprint,
}

/// The size in bytes from which dbt identifies a seed by its path instead of a hash of its text.
pub(crate) const SEED_HASH_LIMIT: u64 = 1 << 20;

/// Whether a path has an extension that a project's files can have.
pub(crate) fn has_known_ending(path: &Utf8Path) -> bool {
    const ENDINGS: [&str; 6] = ["sql", "py", "yml", "yaml", "csv", "md"];
    path.extension().is_some_and(|ending| ENDINGS.iter().any(|e| e.eq_ignore_ascii_case(ending)))
}

fn kind_of(folder: PathKind, path: &Utf8Path) -> Option<FileKind> {
    let extension = path.extension().unwrap_or_default();
    let lower;
    let extension = if extension.bytes().any(|b| b.is_ascii_uppercase()) {
        lower = extension.to_ascii_lowercase();
        lower.as_str()
    } else {
        extension
    };
    Some(match (folder, extension) {
        (_, "yml" | "yaml") if !matches!(folder, PathKind::Docs | PathKind::Asset) => {
            FileKind::Properties
        }
        (PathKind::Docs, "md") => FileKind::Docs,
        (PathKind::Model, "sql") => FileKind::Model,
        (PathKind::Model, "py") => FileKind::PythonModel,
        (PathKind::Seed, "csv") => FileKind::Seed,
        (PathKind::Macro, "sql") => FileKind::Macro,
        (PathKind::Snapshot, "sql") => FileKind::Snapshot,
        (PathKind::Analysis, "sql") => FileKind::Analysis,
        (PathKind::Function, "sql" | "py" | "js") => FileKind::Function,
        (PathKind::Test, "sql") if is_in_folder(path, "generic") => FileKind::GenericTest,
        (PathKind::Test, "sql" | "csv") if is_in_folder(path, "fixtures") => FileKind::Fixture,
        (PathKind::Test, "sql") => FileKind::SingularTest,
        _ => return None,
    })
}

fn is_in_folder(path: &Utf8Path, name: &str) -> bool {
    path.components().next().is_some_and(|c| c.as_str() == name) && path.components().count() > 1
}

/// Finds and reads the files of a package. Folders in `skip` are not part of it: installed packages
/// and the target path, unless one of the package's own paths leads into them.
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
    let mut files: Vec<(FoundFile, FileKind, Arc<str>)> = Vec::new();
    // Doc blocks are in the folders of all other kinds, so each folder is walked only once.
    let mut walked: FastMap<Utf8PathBuf, Vec<FoundFile>> = FastMap::default();
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
            let base = crate::system::normalize_path(&root.join(&folder));
            let foreign: Vec<&Utf8PathBuf> = skip.iter().filter(|s| !base.starts_with(s)).collect();
            let found = match walked.entry(base.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(system.walk(&base)?),
            };
            for file in found {
                let path = Utf8Path::new(path_below(&base, &file.path));
                let hidden = path.file_name().is_none_or(|n| n.starts_with(['.', '#', '~']));
                let foreign = foreign
                    .iter()
                    .any(|s| path_below(s, &file.path).len() < file.path.as_str().len());
                let Some(kind) = kind_of(kind, path).filter(|_| !hidden && !foreign) else {
                    continue;
                };
                let ignored = ignored.as_ref().is_some_and(|i| {
                    let local = std::path::Path::new(path_below(root, &file.path));
                    i.matched_path_or_any_parents(local, false).is_ignore()
                });
                if !ignored {
                    let relative: Arc<str> = path.as_str().into();
                    files.push((file.clone(), kind, relative));
                }
            }
        }
    }
    // Folders may be nested: the first folder that contains a file counts.
    files.sort_by(|(a, ka, _), (b, kb, _)| a.cmp(b).then(ka.cmp(kb)));
    files.dedup_by(|(a, ka, _), (b, kb, _)| a.path.as_str() == b.path.as_str() && ka == kb);
    let texts: Vec<Result<(Arc<str>, Fingerprint), SystemError>> = files
        .par_iter()
        .map(|(found, kind, _)| match kind {
            FileKind::Seed if found.size < SEED_HASH_LIMIT => {
                Ok((Arc::default(), system.fingerprint(&found.path)?))
            }
            FileKind::Seed => Ok((Arc::default(), Fingerprint::of("known by its path"))),
            _ => system.read_with_fingerprint(&found.path),
        })
        .collect();
    let mut loaded = Vec::with_capacity(files.len());
    for ((FoundFile { path: absolute, size }, kind, relative), text) in files.into_iter().zip(texts)
    {
        let original: Arc<str> = path_below(root, &absolute).into();
        let (id, fingerprint) = match text {
            Ok((text, fingerprint)) => (map.add(&shown(&absolute), text), fingerprint),
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
            size,
            fingerprint,
        });
    }
    Ok(loaded)
}

/// A path relative to a folder, as text; the whole path if it is outside. Much faster than
/// comparing the components of paths.
pub(super) fn path_below<'a>(folder: &Utf8Path, path: &'a Utf8Path) -> &'a str {
    let inside =
        path.as_str().strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
    inside.unwrap_or(path.as_str())
}

fn ignore_file(
    system: &dyn System,
    root: &Utf8Path,
    out: &mut Vec<Diagnostic>,
) -> Option<Gitignore> {
    let text = system.read(&root.join(".dbtignore")).ok()?;
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines() {
        if let Err(e) = builder.add_line(None, line) {
            out.push(Diagnostic::warning(
                Code::Ignored,
                format!("a line of .dbtignore cannot be read: {e}"),
            ));
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
        assert_eq!(kind_of(PathKind::Docs, "m.md".into()), Some(FileKind::Docs));
        assert_eq!(kind_of(PathKind::Macro, "m.md".into()), None);
    }
}
