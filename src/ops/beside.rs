//! What a command does beside its own work, on threads: a database is opened while the project is
//! put together, the manifest is written while the database is looked at. Each waits when it is
//! dropped: the process does not end under it.

use super::project::{Project, connect, is_written, metadata_of};
use super::{CliError, Invocation};
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
pub(super) struct Opening(Beside<Result<Box<dyn Warehouse>, EngineError>>);

impl Opening {
    /// Only what is there and whole: a command that fails before it needs the database makes none.
    pub(super) fn start(inv: &Invocation, target: &Target) -> Option<Opening> {
        target.connection.state(inv.system.as_ref())?;
        let (target, patience) = (target.clone(), inv.patience);
        Beside::start("open", move || crate::adapter::connect(&target, patience)).map(Opening)
    }

    /// The database; opened now where nobody has begun to.
    pub(super) fn wait(
        opening: Option<Opening>,
        inv: &Invocation,
        project: &Project,
    ) -> Result<Box<dyn Warehouse>, CliError> {
        match opening.and_then(|o| o.0.wait()) {
            Some(opened) => Ok(opened?),
            None => connect(inv, project),
        }
    }
}

/// `manifest.json` that is being written.
pub(super) struct Writing(Option<Beside<Result<(), SystemError>>>);

impl Writing {
    /// Writes nothing where a command writes no artifacts; with `if_new` also where the manifest is
    /// there already.
    pub(super) fn start(
        inv: &Invocation,
        project: &Project,
        if_new: bool,
    ) -> Result<Writing, CliError> {
        if !inv.write_json || if_new && is_written(inv, project) {
            return Ok(Writing(None));
        }
        let (system, manifest) = (inv.system.clone(), project.manifest.clone());
        let metadata = metadata_of(inv, project);
        let write = move || {
            let folder = &manifest.project.target_path;
            write_manifest(system.as_ref(), folder, &manifest, &metadata, &CompiledCode::new())
        };
        match Beside::start("manifest", write) {
            Some(writing) => Ok(Writing(Some(writing))),
            None => super::project::write(inv, project).map(|()| Writing(None)),
        }
    }

    pub(super) fn wait(self) -> Result<(), CliError> {
        match self.0.and_then(Beside::wait) {
            Some(written) => Ok(written?),
            None => Ok(()),
        }
    }
}
