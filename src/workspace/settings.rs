//! What holds for all that is done in a workspace.

use crate::diag::{Diagnostic, WarningOptions, Weight};
use crate::engine::Patience;
use crate::load::LoadOptions;
use crate::plan::StartOrder;
use crate::system::{System, normalize_path};
use camino::Utf8PathBuf;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) system: Arc<dyn System>,
    pub(crate) load: LoadOptions,
    /// Whether artifacts are written below the target path.
    pub(crate) write_json: bool,
    /// Whether what an earlier process stored is used, and what this one makes is stored.
    pub(crate) cache: bool,
    pub(crate) warnings: WarningOptions,
    /// Which of the steps that are ready begins first.
    pub(crate) start_order: StartOrder,
    pub(crate) patience: Patience,
    /// The folder of the artifacts that `state:` compares with.
    pub(crate) state: Option<Utf8PathBuf>,
    pub(crate) started: jiff::Timestamp,
}

/// Diagnostics by what they weigh here.
pub(crate) struct Weighed {
    /// Those that are not silenced.
    pub(crate) shown: Vec<Diagnostic>,
    /// A warning among them is an error here.
    pub(crate) is_promoted: bool,
}

impl Settings {
    /// Where caches are stored; none: they are not.
    pub(crate) fn store(&self) -> Option<&dyn System> {
        self.cache.then_some(self.system.as_ref())
    }

    /// The folder of `state`, from the working directory on.
    pub(crate) fn state_folder(&self) -> Option<Utf8PathBuf> {
        let folder = self.state.as_ref()?;
        Some(normalize_path(&self.system.current_dir().join(folder)))
    }

    /// Sorts out what the user has silenced, and tells whether a warning counts as an error. Errors
    /// are shown whatever the options say.
    pub(crate) fn weigh(&self, diagnostics: &[Diagnostic]) -> Weighed {
        let shown = diagnostics.iter().filter(|d| self.weight_of(d) != Weight::Silent);
        let shown: Vec<Diagnostic> = shown.cloned().collect();
        let is_promoted = shown.iter().any(|d| self.weight_of(d) == Weight::Error);
        Weighed { shown, is_promoted }
    }

    fn weight_of(&self, d: &Diagnostic) -> Weight {
        if d.is_error() { Weight::Warning } else { self.warnings.weigh(d.code) }
    }
}
