//! Ensures that only one process at a time builds in a file: an empty database beside it is locked
//! while a node is built.
//!
//! SQLite's own lock of the file lasts for one transaction, but a node needs several. The operating
//! system releases the lock of a killed process.

use super::errors::engine_error;
use crate::engine::{EngineError, EngineErrorKind};
use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub(super) struct BuildLock {
    path: String,
    wait: Duration,
    held: Mutex<LockHolders>,
}

#[derive(Default)]
struct LockHolders {
    /// The number of nodes that this process is building under the lock.
    nodes: usize,
    connection: Option<Connection>,
}

/// The time between two attempts, and the number of attempts between two reports of the wait.
const STEP: Duration = Duration::from_millis(100);
const SAY_EVERY: u32 = 20;

impl BuildLock {
    pub(super) fn new(main: &str, wait: Duration) -> BuildLock {
        BuildLock { path: format!("{main}-strata-lock"), wait, held: Mutex::default() }
    }

    pub(super) fn take(
        &self,
        cancelled: &AtomicBool,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<(), EngineError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.nodes == 0 {
            held.connection = Some(self.wait_for_lock(cancelled, waiting)?);
        }
        held.nodes += 1;
        Ok(())
    }

    fn wait_for_lock(
        &self,
        cancelled: &AtomicBool,
        waiting: &dyn Fn(Option<&str>),
    ) -> Result<Connection, EngineError> {
        let connection = Connection::open(&self.path).map_err(engine_error)?;
        connection.busy_timeout(Duration::ZERO).map_err(engine_error)?;
        let mut tries = 0;
        loop {
            match connection.execute_batch("begin exclusive").map_err(engine_error) {
                Ok(()) => break,
                Err(e) if e.kind != EngineErrorKind::Locked => return Err(e),
                Err(_) => {}
            }
            let waited = STEP * tries;
            if cancelled.load(Ordering::SeqCst) {
                let message = "interrupted while waiting for another build";
                return Err(EngineError::new(EngineErrorKind::Cancelled, message));
            }
            if waited >= self.wait {
                return Err(self.given_up());
            }
            if tries % SAY_EVERY == 0 && tries > 0 {
                let seconds = waited.as_secs();
                waiting(Some(&format!("being built by another process, for {seconds} s")));
            }
            std::thread::sleep(STEP);
            tries += 1;
        }
        if tries > SAY_EVERY {
            waiting(None);
        }
        Ok(connection)
    }

    fn given_up(&self) -> EngineError {
        let seconds = self.wait.as_secs();
        let message = format!("another process builds in this file, still after {seconds} s");
        let mut error = EngineError::new(EngineErrorKind::Locked, message);
        error.hint = Some("end it, or wait longer with --wait-timeout SECONDS".to_owned());
        error
    }

    pub(super) fn release(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.nodes = held.nodes.saturating_sub(1);
        if held.nodes == 0 {
            // Closing the connection ends its transaction, which releases the lock.
            held.connection = None;
        }
    }
}
