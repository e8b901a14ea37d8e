//! Reads which packages a project asks for: `packages.yml`, or the `packages:` of `dependencies.yml`.

use super::YamlRenderer;
use crate::config::{PackageSpec, PackagesFile, Yaml, parse_packages, parse_yaml};
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::SourceMap;
use camino::Utf8PathBuf;
use std::sync::Arc;

/// A file that names packages.
#[derive(Clone, Debug)]
pub(crate) struct PackagesText {
    pub(crate) file: PackagesFile,
    /// Its path in messages.
    pub(crate) shown: Utf8PathBuf,
    pub(crate) text: Arc<str>,
}

/// The packages that a project asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackageNeeds {
    pub(crate) specs: Vec<PackageSpec>,
    /// The file that they stand in; `None` if there is none.
    pub(crate) file: Option<PackagesFile>,
}

/// Whose files are read: dbt renders the `dependencies.yml` of packages, but not that of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NeedsOwner {
    Project,
    Package,
}

/// Reads the packages that the files of a project name.
pub(crate) fn read_package_needs(
    texts: &[PackagesText],
    owner: NeedsOwner,
    renderer: &YamlRenderer,
    map: &mut SourceMap,
) -> Checked<PackageNeeds> {
    let mut out = Vec::new();
    let mut trees: Vec<(PackagesFile, Yaml)> = Vec::new();
    for PackagesText { file, shown, text } in texts {
        let id = map.add(shown, text.clone());
        trees.push((*file, parse_yaml(id, text).drain_into(&mut out)));
    }
    let keys = trees.iter().filter_map(|(file, tree)| {
        let key = tree.as_map().and_then(|m| m.key("packages"))?;
        Some((*file, key.span))
    });
    let keys: Vec<_> = keys.collect();
    if let [(first, here), (second, there)] = keys[..] {
        let message = format!("`packages:` stands in {} and in {}", first.name(), second.name());
        out.push(
            Diagnostic::error(Code::Package, message)
                .primary(there, "")
                .secondary(here, "the other one")
                .help("put all packages into one of the two files"),
        );
    }
    // Without `packages:` in dependencies.yml the other file is read, so that its wrong keys are found.
    let named = keys.iter().map(|(file, _)| *file).find(|f| *f == PackagesFile::Dependencies);
    let used = named.unwrap_or(PackagesFile::Packages);
    let Some((file, tree)) = trees.iter().find(|(file, _)| *file == used) else {
        return Checked::new(PackageNeeds::default(), out);
    };
    let rendered = match (file, owner) {
        (PackagesFile::Dependencies, NeedsOwner::Project) => tree.clone(),
        _ => renderer.tree(tree, &|_| false, &mut out),
    };
    let specs = parse_packages(*file, &rendered, tree).drain_into(&mut out);
    Checked::new(PackageNeeds { specs, file: Some(*file) }, out)
}
