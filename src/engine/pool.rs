//! A run's connections: as many as it has threads, opened when they are first needed.

use super::{Cancel, Connection, EngineError, Lease, Opener, Warehouse};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) struct Pool {
    state: Mutex<State>,
    given_back: Condvar,
    limit: usize,
    open: Opener,
}

struct State {
    idle: Vec<Connection>,
    /// Idle ones and those that are out.
    count: usize,
    cancels: Vec<Arc<dyn Cancel>>,
}

impl Pool {
    /// A pool of `limit` connections at most, of which the first is open.
    pub(crate) fn new(first: Box<dyn Warehouse>, limit: usize) -> Result<Arc<Pool>, EngineError> {
        let open = first.opener()?;
        let cancels = vec![first.cancel_handle()];
        let state = State { cancels, idle: vec![Connection::new(first)], count: 1 };
        let (state, given_back) = (Mutex::new(state), Condvar::new());
        Ok(Arc::new(Pool { state, given_back, limit: limit.max(1), open }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that can be used; waits for one when all are out.
    pub(crate) fn lease(self: &Arc<Pool>) -> Result<Lease, EngineError> {
        let mut state = self.lock();
        loop {
            if let Some(found) = state.idle.pop() {
                drop(state);
                return Lease::new(found, self.clone()).ready();
            }
            if state.count < self.limit {
                state.count += 1;
                drop(state);
                return self.open_another()?.ready();
            }
            state = self.given_back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A connection that nobody uses now, if there is any that can be used.
    pub(crate) fn lease_spare(self: &Arc<Pool>) -> Option<Lease> {
        let mut state = self.lock();
        if let Some(found) = state.idle.pop() {
            drop(state);
            return Lease::new(found, self.clone()).ready().ok();
        }
        if state.count >= self.limit {
            return None;
        }
        state.count += 1;
        drop(state);
        self.open_another().and_then(Lease::ready).ok()
    }

    /// Opens a connection that is counted already.
    fn open_another(self: &Arc<Pool>) -> Result<Lease, EngineError> {
        let opened = (self.open)();
        let mut state = self.lock();
        match opened {
            Ok(warehouse) => {
                state.cancels.push(warehouse.cancel_handle());
                Ok(Lease::new(Connection::new(warehouse), self.clone()))
            }
            Err(e) => {
                state.count -= 1;
                // Somebody who waits may open one in its place, or learn that none can be opened.
                self.given_back.notify_one();
                Err(e)
            }
        }
    }

    /// Takes a connection back; none is one that was closed.
    pub(super) fn take_back(&self, connection: Option<Connection>) {
        let mut state = self.lock();
        match connection {
            Some(connection) => state.idle.push(connection),
            None => state.count -= 1,
        }
        self.given_back.notify_one();
    }

    /// Stops what all connections run.
    pub(crate) fn cancel(&self) {
        let cancels = self.lock().cancels.clone();
        cancels.iter().for_each(|c| c.cancel());
    }
}
