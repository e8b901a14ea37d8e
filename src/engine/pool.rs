//! The connections of a run: at most one per thread, opened when they are first needed.

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
    /// The number of idle and leased connections.
    count: usize,
    cancels: Vec<Arc<dyn Cancel>>,
}

impl Pool {
    /// A pool of at most `limit` connections; `first` is already open.
    pub(crate) fn new(first: Box<dyn Warehouse>, limit: usize) -> Result<Arc<Pool>, EngineError> {
        let open = first.connection_opener()?;
        let cancels = vec![first.cancel_handle()];
        let state = State { cancels, idle: vec![Connection::new(first)], count: 1 };
        let (state, given_back) = (Mutex::new(state), Condvar::new());
        Ok(Arc::new(Pool { state, given_back, limit: limit.max(1), open }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases a connection; waits if all of them are in use.
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

    /// Leases a connection without waiting. `None` if all are in use, or if none can be opened.
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

    /// Opens a connection that `count` already includes.
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
                // A waiting thread may now try to open a connection, or fail in its turn.
                self.given_back.notify_one();
                Err(e)
            }
        }
    }

    /// Takes a connection back; `None` stands for one that was closed.
    pub(super) fn take_back(&self, connection: Option<Connection>) {
        let mut state = self.lock();
        match connection {
            Some(connection) => state.idle.push(connection),
            None => state.count -= 1,
        }
        self.given_back.notify_one();
    }

    /// Cancels the statements of all connections.
    pub(crate) fn cancel(&self) {
        let cancels = self.lock().cancels.clone();
        cancels.iter().for_each(|c| c.cancel());
    }
}

#[cfg(test)]
mod tests {
    use super::super::EngineErrorKind;
    use super::super::testing::{FakeWarehouse, TRANSACTIONAL};
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// A pool and the fake database behind it.
    fn pool(limit: usize) -> (Arc<Pool>, FakeWarehouse) {
        let fake = FakeWarehouse::new(&TRANSACTIONAL);
        (Pool::new(Box::new(fake.clone()), limit).unwrap(), fake)
    }

    #[test]
    fn connections_are_opened_when_they_are_needed_and_used_again() {
        let (pool, fake) = pool(2);
        let first = pool.lease().unwrap();
        assert!(fake.log().is_empty(), "the first one was open");
        let second = pool.lease().unwrap();
        assert_eq!(fake.log(), ["open"]);
        assert!(pool.lease_spare().is_none(), "as many as it may have are out");
        drop(first);
        let again = pool.lease_spare().unwrap();
        drop((second, again));
        drop((pool.lease().unwrap(), pool.lease().unwrap()));
        assert_eq!(fake.log(), ["open"], "idle ones are taken first");
    }

    #[test]
    fn a_spare_one_is_opened_up_to_the_limit() {
        let (pool, fake) = pool(2);
        let out = (pool.lease_spare().unwrap(), pool.lease_spare().unwrap());
        assert_eq!(fake.log(), ["open"]);
        assert!(pool.lease_spare().is_none());
        drop(out);
    }

    #[test]
    fn who_finds_none_waits_for_one() {
        let (pool, fake) = pool(1);
        let only = pool.lease().unwrap();
        let (sender, receiver) = mpsc::channel();
        let waits = pool.clone();
        let waiting = std::thread::spawn(move || {
            let lease = waits.lease().unwrap();
            sender.send(()).unwrap();
            drop(lease);
        });
        let early = receiver.recv_timeout(Duration::from_millis(50));
        assert!(early.is_err(), "there was none to give");
        drop(only);
        receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        waiting.join().unwrap();
        assert!(fake.log().is_empty(), "no second one was opened");
    }

    #[test]
    fn one_that_was_closed_makes_room_for_another() {
        let (pool, fake) = pool(1);
        pool.lease().unwrap().close();
        drop(pool.lease().unwrap());
        assert_eq!(fake.log(), ["open"]);
    }

    #[test]
    fn one_that_cannot_be_opened_takes_no_room() {
        let (pool, fake) = pool(2);
        let refuse = || {
            let failure = ("open".to_owned(), EngineErrorKind::Connection);
            fake.state().failures.push(failure);
        };
        let first = pool.lease().unwrap();
        refuse();
        assert!(pool.lease().is_err());
        refuse();
        assert!(pool.lease_spare().is_none());
        let second = pool.lease().unwrap();
        assert_eq!(fake.log(), ["open"; 3]);
        drop((first, second));
    }

    #[test]
    fn all_connections_are_told_to_stop() {
        let (pool, fake) = pool(2);
        let out = (pool.lease().unwrap(), pool.lease().unwrap());
        pool.cancel();
        assert_eq!(fake.log(), ["open", "cancel", "cancel"]);
        drop(out);
    }
}
