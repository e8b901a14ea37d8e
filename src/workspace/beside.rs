//! Work that runs on a thread beside the command's own: opening the database while the project is
//! resolved, and writing the manifest while the database is inspected. Dropping either one joins
//! its thread, so that the process does not exit in the middle of the work.

use super::artifacts::{is_manifest_written, manifest_metadata, write_plain_manifest};
use super::{Revision, Settings};
use crate::engine::{EngineError, Target, Warehouse};
use crate::state::{CompiledCode, write_manifest};
use crate::system::SystemError;
use std::thread::{Builder, JoinHandle};

/// A background thread that is joined on drop.
struct BackgroundThread<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> BackgroundThread<T> {
    /// `None` if no thread could be started.
    fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<BackgroundThread<T>> {
        Builder::new().name(name.to_owned()).spawn(work).ok().map(|h| BackgroundThread(Some(h)))
    }
}

impl<T> BackgroundThread<T> {
    /// The thread's result; `None` if it panicked.
    fn wait(mut self) -> Option<T> {
        self.0.take()?.join().ok()
    }
}

impl<T> Drop for BackgroundThread<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            let _ = handle.join();
        }
    }
}

/// A database connection that is being opened in the background.
pub(crate) struct DatabaseOpening(BackgroundThread<Result<Box<dyn Warehouse>, EngineError>>);

impl DatabaseOpening {
    /// Starts to open the database, but only if its files exist and their state can be observed
    /// from outside (see `ConnectionOptions::database_state`): a command that fails before it needs the
    /// database must not create it.
    pub(crate) fn start(settings: &Settings, target: &Target) -> Option<DatabaseOpening> {
        target.connection.database_state(settings.system.as_ref())?;
        let (target, patience) = (target.clone(), settings.patience);
        BackgroundThread::start("open", move || crate::adapter::connect(&target, patience))
            .map(DatabaseOpening)
    }

    /// The connection. It is opened here if there is no `opening`, or if its thread failed.
    pub(crate) fn wait(
        opening: Option<DatabaseOpening>,
        revision: &Revision,
    ) -> Result<Box<dyn Warehouse>, EngineError> {
        match opening.and_then(|o| o.0.wait()) {
            Some(opened) => opened,
            None => revision.connect(),
        }
    }
}

/// A `manifest.json` that is being written in the background; `None` if there is nothing to wait
/// for.
pub(crate) struct ManifestWriting(Option<BackgroundThread<Result<(), SystemError>>>);

impl ManifestWriting {
    /// Writes nothing if artifacts are off or, with `if_new`, if the manifest on disk already has
    /// the same inputs. Writes in this thread if no other can be started.
    pub(crate) fn start(revision: &Revision, if_new: bool) -> Result<ManifestWriting, SystemError> {
        let (settings, folder) = (&revision.settings, &revision.manifest.project.target_path);
        if !settings.write_json || if_new && is_manifest_written(settings, folder, revision.inputs)
        {
            return Ok(ManifestWriting(None));
        }
        let (system, manifest) = (revision.settings.system.clone(), revision.manifest.clone());
        let metadata = manifest_metadata(revision);
        let started = BackgroundThread::start("manifest", move || {
            let folder = &manifest.project.target_path;
            write_manifest(system.as_ref(), folder, &manifest, &metadata, &CompiledCode::new())
        });
        match started {
            Some(writing) => Ok(ManifestWriting(Some(writing))),
            None => write_plain_manifest(revision).map(|()| ManifestWriting(None)),
        }
    }

    pub(crate) fn wait(self) -> Result<(), SystemError> {
        self.0.and_then(BackgroundThread::wait).unwrap_or(Ok(()))
    }
}
