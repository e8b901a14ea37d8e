//! Loads the project, its packages, its target and all their texts as `LoadedProject`.
//!
//! In: a `System`, where to look, the command's variables. Out: `Checked<LoadedProject>`. Walks the
//! folders once. Determines the kind of each file by its folder and extension, without parsing it
//! (except the YAML of the project itself). Must not know: nodes, databases.

mod files;
mod packages;
mod project;
mod render;
mod version;

pub(crate) use files::{FileKind, LoadedFile, SEED_HASH_LIMIT, has_known_ending};
pub(crate) use packages::{NeedsOwner, PackageNeeds, PackagesText, read_package_needs};
pub(crate) use project::{
    LoadOptions, LoadOutcome, find_project_file, load_project, profiles_file,
};
pub(crate) use render::{YamlRenderer, yaml_of};

use crate::cache::KeyWriter;
use crate::config::{ProjectOptions, SelectorDefinition};
use crate::context::ContextProject;
use crate::engine::Target;
use crate::hash::Fingerprint;
use crate::source::SourceMap;
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The root project or an installed package, with its files.
#[derive(Debug)]
pub(crate) struct LoadedPackage {
    pub(crate) options: ProjectOptions,
    pub(crate) root: Utf8PathBuf,
    pub(crate) files: Vec<LoadedFile>,
}

impl LoadedPackage {
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.options.name
    }
}

#[derive(Debug)]
pub(crate) struct LoadedProject {
    pub(crate) map: SourceMap,
    /// The root project first, then packages by name.
    pub(crate) packages: Vec<LoadedPackage>,
    pub(crate) target: Target,
    pub(crate) target_path: Utf8PathBuf,
    pub(crate) profiles_path: Option<Utf8PathBuf>,
    pub(crate) selectors: Vec<SelectorDefinition>,
    /// The packages that the project asks for.
    pub(crate) needs: PackageNeeds,
    /// What the files that name packages are rendered with: secrets can be read there.
    pub(crate) package_context: Arc<ContextProject>,
    pub(crate) context: Arc<ContextProject>,
}

impl LoadedProject {
    pub(crate) fn root(&self) -> &LoadedPackage {
        &self.packages[0]
    }

    /// A fingerprint of the options of all packages, with the places where they are written.
    pub(crate) fn fingerprint_options(&self) -> Fingerprint {
        let options = self.packages.iter().map(|package| &package.options);
        options.fold(KeyWriter::new("options"), KeyWriter::value).finish()
    }
}
