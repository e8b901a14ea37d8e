//! A project that is open: what commands, `watch` and an editor work with.
//!
//! In: `Settings`, a token to stop with. Out: `Workspace::read` gives a `Revision`, the project as
//! its files are now. A revision does not change: it is selected from, compared, planned, compiled
//! and run by several threads at once. What there is to tell meanwhile goes to a sink of `Notice`s.
//! Must not know: consoles, flags, exit codes, which command asks.

mod artifacts;
mod beside;
mod built;
mod changes;
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
    is_manifest_written, run_metadata, write_compiled_manifest, write_plain_manifest, write_results,
};
pub(crate) use beside::{ManifestWriting, Opening};
pub(crate) use built::KnownDatabase;
pub(crate) use changes::{
    ChangeRequest, KnownPublications, comparable_nodes, compare_with_publications, keep_stale,
    read_publications,
};
pub(crate) use error::WorkspaceError;
pub(crate) use notice::{Notice, Notices, tell_warnings};
pub(crate) use prepare::{
    PreparedRun, Wishes, default_run_options, prepare_run, run_and_time, share_run,
};
pub(crate) use reading::{Folder, ParsedFiles, Reading};
pub(crate) use request::{BuildOptions, ChangeOptions, resource_types_of};
pub(crate) use revision::{Definitions, Revision};
pub(crate) use settings::Settings;
pub(crate) use unchanged::{FinishedBuild, UnchangedCheck};

use crate::run::CancelToken;
use std::sync::Arc;

/// A project that is open. Reading it is exclusive; what a reading gives is not.
pub(crate) struct Workspace {
    settings: Arc<Settings>,
    /// Stops what is done for the command that the workspace was opened for.
    cancel: CancelToken,
    cache: reading::ReadingCache,
    /// What revisions have compiled: each goes on from what the one before it knew.
    compiled: Arc<revision::CompiledBefore>,
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

    /// Changes what holds from now on. Caches are of the settings that they were made with.
    pub(crate) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(Arc::make_mut(&mut self.settings));
        self.cache = reading::ReadingCache::default();
        self.compiled = Arc::default();
        self.current = None;
    }

    /// From now on what is done is of another invocation, as in a loop that reads again and again.
    pub(crate) fn begin_invocation(&mut self, id: String) {
        Arc::make_mut(&mut self.settings).load.settings.invocation_id = id;
    }
}
