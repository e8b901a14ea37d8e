//! The run's connections: as many as it has threads, opened when they are first needed.

use crate::engine::{Cancel, EngineError, Opener, Warehouse};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Pool {
    state: Mutex<State>,
    given: Condvar,
    limit: usize,
    open: Opener,
}

struct State {
    idle: Vec<Box<dyn Warehouse>>,
    /// Idle ones and those that are out.
    count: usize,
    cancels: Vec<Arc<dyn Cancel>>,
}

impl Pool {
    pub(super) fn new(first: Box<dyn Warehouse>, limit: usize) -> Result<Pool, EngineError> {
        let open = first.opener()?;
        let state = State { cancels: vec![first.cancel_handle()], idle: vec![first], count: 1 };
        Ok(Pool { state: Mutex::new(state), given: Condvar::new(), limit: limit.max(1), open })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection; waits for one when all are out.
    pub(super) fn take(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        let mut state = self.lock();
        loop {
            if let Some(found) = state.idle.pop() {
                return Ok(found);
            }
            if state.count < self.limit {
                state.count += 1;
                drop(state);
                return self.another();
            }
            state = self.given.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A connection that nobody uses now, if there is any.
    pub(super) fn spare(&self) -> Option<Box<dyn Warehouse>> {
        let mut spare = self.idle_or_new()?;
        if spare.ready().is_ok() {
            return Some(spare);
        }
        self.give(Some(spare));
        None
    }

    fn idle_or_new(&self) -> Option<Box<dyn Warehouse>> {
        let mut state = self.lock();
        if let Some(found) = state.idle.pop() {
            return Some(found);
        }
        if state.count >= self.limit {
            return None;
        }
        state.count += 1;
        drop(state);
        self.another().ok()
    }

    fn another(&self) -> Result<Box<dyn Warehouse>, EngineError> {
        let opened = (self.open)();
        let mut state = self.lock();
        match &opened {
            Ok(warehouse) => state.cancels.push(warehouse.cancel_handle()),
            Err(_) => state.count -= 1,
        }
        opened
    }

    /// Takes a connection back; none is one that was lost with what used it.
    pub(super) fn give(&self, warehouse: Option<Box<dyn Warehouse>>) {
        let mut state = self.lock();
        match warehouse {
            Some(warehouse) => state.idle.push(warehouse),
            None => state.count -= 1,
        }
        self.given.notify_one();
    }

    /// Stops what all connections run.
    pub(super) fn cancel(&self) {
        let cancels = self.lock().cancels.clone();
        cancels.iter().for_each(|c| c.cancel());
    }
}
