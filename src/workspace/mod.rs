//! An open project: the interface for commands, `watch` and editors.
//!
//! In: `Settings`, a token to cancel with. Out: `Workspace::read` gives a `Revision`, the project
//! as its files are now. A revision does not change: several threads can select from it, compare,
//! plan, compile and run it at once. Messages go to a sink of `Notice`s meanwhile. Must not know:
//! consoles, flags, exit codes, which command asks.

mod artifacts;
mod beside;
mod built;
mod changes;
mod deferral;
mod error;
mod notice;
mod prepare;
mod reading;
mod request;
mod revision;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
mod unchanged;

#[cfg(test)]
mod cache_law;
#[cfg(test)]
mod threads_law;

pub(crate) use artifacts::{
    compiled_code, is_manifest_written, run_metadata, write_compiled_manifest, write_graph,
    write_plain_manifest, write_results,
};
pub(crate) use beside::{DatabaseOpening, ManifestWriting};
pub(crate) use built::KnownDatabase;
pub(crate) use changes::{ChangeRequest, KnownPublications, compare_selected, retain_stale};
pub(crate) use deferral::DeferOptions;
pub(crate) use error::WorkspaceError;
pub(crate) use notice::{Notice, Notices, tell_warnings};
pub(crate) use prepare::{
    PreparedRun, RunInputs, build_run_context, default_run_options, prepare_run, run_and_time,
};
pub(crate) use reading::{ProjectReading, WatchedFolder, repeat_reading};
pub(crate) use request::{BuildOptions, ChangeOptions, EventTimeOptions, resource_types_of};
pub(crate) use revision::{NodeDefinitions, Revision};
pub(crate) use settings::Settings;
pub(crate) use unchanged::{FinishedBuild, UnchangedCheck};

use crate::run::CancelToken;
use std::sync::Arc;

/// An open project. Reading it needs exclusive access; the revisions that it returns can be shared.
pub(crate) struct Workspace {
    settings: Arc<Settings>,
    /// Cancels the work of the command that opened the workspace.
    cancel: CancelToken,
    cache: reading::ReadingCache,
    /// The compile cache, shared by all revisions so that each reuses the work of its predecessors.
    compiled: Arc<revision::SharedCompileCache>,
    current: Option<Arc<Revision>>,
}

impl Workspace {
    pub(crate) fn new(settings: Settings, cancel: CancelToken) -> Workspace {
        Workspace {
            settings: Arc::new(settings),
            cancel,
            cache: reading::ReadingCache::default(),
            compiled: Arc::default(),
            current: None,
        }
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Changes the settings and drops all caches, because these depend on the settings.
    pub(crate) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(Arc::make_mut(&mut self.settings));
        self.cache = reading::ReadingCache::default();
        self.compiled = Arc::default();
        self.current = None;
    }

    /// Starts a new invocation, for commands such as `watch` that read the project repeatedly.
    pub(crate) fn begin_invocation(&mut self, id: String) {
        Arc::make_mut(&mut self.settings).load.settings.invocation_id = id;
    }
}
