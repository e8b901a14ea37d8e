//! A connection that several parts of the same work share, and its lease from a pool.

use super::{EngineError, EngineSpec, Pool, Warehouse};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// A shared connection: a node's run and the templates that it renders use the same one. It is
/// never locked while a template renders, because the template may query the database itself.
#[derive(Clone)]
pub(crate) struct Connection {
    engine: &'static EngineSpec,
    warehouse: Arc<Mutex<Box<dyn Warehouse>>>,
}

impl Connection {
    pub(crate) fn new(warehouse: Box<dyn Warehouse>) -> Connection {
        Connection { engine: warehouse.engine(), warehouse: Arc::new(Mutex::new(warehouse)) }
    }

    pub(crate) fn engine(&self) -> &'static EngineSpec {
        self.engine
    }

    /// Gives exclusive access to the connection. `ask` must not call `with` on the same connection:
    /// it would deadlock.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&mut dyn Warehouse) -> T) -> T {
        let mut warehouse = self.warehouse.lock().unwrap_or_else(PoisonError::into_inner);
        ask(warehouse.as_mut())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection to {}", self.engine.label)
    }
}

/// A connection from a pool, to which it returns when it is dropped.
pub(crate) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
    is_lost: bool,
}

impl Lease {
    pub(super) fn new(connection: Connection, pool: Arc<Pool>) -> Lease {
        Lease { connection, pool, is_lost: false }
    }

    /// Checks the connection before work begins, and reopens it if it was lost.
    pub(crate) fn ready(self) -> Result<Lease, EngineError> {
        self.connection.with(|warehouse| warehouse.ensure_connected())?;
        Ok(self)
    }

    /// Closes the connection instead of returning it, because its state is unknown.
    pub(crate) fn close(mut self) {
        self.is_lost = true;
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let back = (!self.is_lost).then(|| self.connection.clone());
        self.pool.take_back(back);
    }
}
