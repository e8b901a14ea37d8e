//! The settings of a workspace.

use super::DeferOptions;
use crate::diag::{Diagnostic, WarningLevel, WarningOptions};
use crate::engine::WaitTimeouts;
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
    /// Whether caches of earlier processes are read and those of this process are stored.
    pub(crate) cache: bool,
    pub(crate) warnings: WarningOptions,
    pub(crate) start_order: StartOrder,
    pub(crate) patience: WaitTimeouts,
    /// The folder of the artifacts that `state:` compares with.
    pub(crate) state: Option<Utf8PathBuf>,
    /// `--defer`; `None`: references print the project's own relations.
    pub(crate) defer: Option<DeferOptions>,
    pub(crate) started: jiff::Timestamp,
}

/// Diagnostics after the user's warning options were applied.
pub(crate) struct WeighedDiagnostics {
    /// Those that are not silenced.
    pub(crate) shown: Vec<Diagnostic>,
    /// Whether one of the warnings is promoted to an error.
    pub(crate) is_promoted: bool,
}

impl Settings {
    /// The system to store caches with; `None` if caching is off.
    pub(crate) fn cache_system(&self) -> Option<&dyn System> {
        self.cache.then_some(self.system.as_ref())
    }

    /// The folder of `state`, resolved against the working directory.
    pub(crate) fn state_folder(&self) -> Option<Utf8PathBuf> {
        let folder = self.state.as_ref()?;
        Some(normalize_path(&self.system.current_dir().join(folder)))
    }

    /// Removes silenced warnings and finds out whether one is promoted to an error. Errors are
    /// always shown.
    pub(crate) fn weigh(&self, diagnostics: &[Diagnostic]) -> WeighedDiagnostics {
        let shown = diagnostics.iter().filter(|d| self.weight_of(d) != WarningLevel::Silent);
        let shown: Vec<Diagnostic> = shown.cloned().collect();
        let is_promoted = shown.iter().any(|d| self.weight_of(d) == WarningLevel::Error);
        WeighedDiagnostics { shown, is_promoted }
    }

    fn weight_of(&self, d: &Diagnostic) -> WarningLevel {
        if d.is_error() { WarningLevel::Warning } else { self.warnings.weigh(d.code, d.event) }
    }
}
