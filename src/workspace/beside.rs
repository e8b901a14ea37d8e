//! What is done beside a command's own work, on threads: a database is opened while the project is
//! put together, the manifest is written while the database is looked at. Each waits when it is
//! dropped: the process does not end under it.

use super::artifacts::{is_manifest_written, manifest_metadata, write_plain_manifest};
use super::{Revision, Settings};
use crate::engine::{EngineError, Target, Warehouse};
use crate::state::{CompiledCode, write_manifest};
use crate::system::SystemError;
use std::thread::{Builder, JoinHandle};

/// Work on a thread.
struct Beside<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Beside<T> {
    /// None: there is no thread to be had.
    fn start(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<Beside<T>> {
        Builder::new().name(name.to_owned()).spawn(work).ok().map(|h| Beside(Some(h)))
    }
}

impl<T> Beside<T> {
    /// None: it panicked.
    fn wait(mut self) -> Option<T> {
        self.0.take()?.join().ok()
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            let _ = handle.join();
        }
    }
}

/// A database that is being opened.
pub(crate) struct Opening(Beside<Result<Box<dyn Warehouse>, EngineError>>);

impl Opening {
    /// Only what is there and whole: a command that fails before it needs the database makes none.
    pub(crate) fn start(settings: &Settings, target: &Target) -> Option<Opening> {
        target.connection.state(settings.system.as_ref())?;
        let (target, patience) = (target.clone(), settings.patience);
        Beside::start("open", move || crate::adapter::connect(&target, patience)).map(Opening)
    }

    /// The database; opened now where nobody has begun to.
    pub(crate) fn wait(
        opening: Option<Opening>,
        revision: &Revision,
    ) -> Result<Box<dyn Warehouse>, EngineError> {
        match opening.and_then(|o| o.0.wait()) {
            Some(opened) => opened,
            None => revision.connect(),
        }
    }
}

/// `manifest.json` that is being written.
pub(crate) struct ManifestWriting(Option<Beside<Result<(), SystemError>>>);

impl ManifestWriting {
    /// Writes nothing where no artifacts are written; with `if_new` also where the manifest is
    /// there already.
    pub(crate) fn start(revision: &Revision, if_new: bool) -> Result<ManifestWriting, SystemError> {
        if !revision.settings.write_json || if_new && is_manifest_written(revision) {
            return Ok(ManifestWriting(None));
        }
        let (system, manifest) = (revision.settings.system.clone(), revision.manifest.clone());
        let metadata = manifest_metadata(revision);
        let started = Beside::start("manifest", move || {
            let folder = &manifest.project.target_path;
            write_manifest(system.as_ref(), folder, &manifest, &metadata, &CompiledCode::new())
        });
        match started {
            Some(writing) => Ok(ManifestWriting(Some(writing))),
            None => write_plain_manifest(revision).map(|()| ManifestWriting(None)),
        }
    }

    pub(crate) fn wait(self) -> Result<(), SystemError> {
        self.0.and_then(Beside::wait).unwrap_or(Ok(()))
    }
}
