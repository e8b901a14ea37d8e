//! One build at a time for each relation.
//!
//! A connection of the server's own takes an advisory lock, which the server lets go when the connection ends. Behind a
//! pooler sessions do not last, so that a row of the table `strata_lock` stands for the lock: taken and renewed in short
//! transactions, free for others once it was not renewed for a minute.

use super::Postgres;
use super::connect::Server;
use crate::engine::{EngineError, EngineErrorKind, Fetch, Warehouse};
use crate::manifest::{Dialect, Relation};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(100);
/// Seconds after which a row that was not renewed is free.
const STALE: u64 = 60;
const RENEW: Duration = Duration::from_secs(15);

/// Who holds the rows of this run, and the thread that renews them.
pub(super) struct Locks {
    owner: String,
    /// Schemas (quoted) that have a lock table.
    tables: Arc<Mutex<BTreeSet<String>>>,
    /// Dropped with the last connection: then the thread ends.
    keeper: Mutex<Option<Sender<()>>>,
}

impl Default for Locks {
    fn default() -> Locks {
        Locks { owner: uuid::Uuid::new_v4().to_string(), tables: Arc::default(), keeper: Mutex::default() }
    }
}

pub(super) fn lock(pg: &mut Postgres, relation: &Relation) -> Result<(), EngineError> {
    let mut waited = Duration::ZERO;
    let server = pg.server.clone();
    pg.cancelled.store(false, Ordering::SeqCst);
    loop {
        pg.may_wait()?;
        let taken = if server.pooled { take_row(pg, relation)? } else { take_advisory(pg, relation)? };
        if taken {
            pg.locked.push(relation.clone());
            return Ok(());
        }
        if waited >= server.lock_wait {
            break;
        }
        std::thread::sleep(STEP);
        waited += STEP;
    }
    let holder = if server.pooled { row_holder(relation) } else { advisory_holder(relation) };
    let holder = pg.texts(&holder)?.into_iter().flatten().next();
    let mut e = EngineError::new(
        EngineErrorKind::Locked,
        format!("{} is being built by {}", relation.short(), holder.unwrap_or_else(|| "another process".to_owned())),
    );
    e.hint = Some("wait for it, longer with --lock-timeout SECONDS, or end it there".to_owned());
    Err(e)
}

pub(super) fn unlock(pg: &mut Postgres, relation: &Relation) {
    pg.locked.retain(|r| r != relation);
    let sql = if pg.server.pooled {
        format!(
            "delete from {} where relation = {} and owner = {}",
            table(relation),
            Dialect::literal(&name(relation)),
            Dialect::literal(&pg.server.locks.owner)
        )
    } else {
        format!("select pg_advisory_unlock({})", key(relation))
    };
    // A connection that is gone holds no lock; a row that stays is free after a minute.
    let _ = pg.run(&sql.into(), Fetch::Nothing);
}

/// `schema.identifier`: the lock's name inside its database.
fn name(relation: &Relation) -> String {
    format!("{}.{}", relation.schema().unwrap_or_default(), relation.identifier())
}

fn table(relation: &Relation) -> String {
    format!("{}.strata_lock", Dialect::POSTGRES.quoted(relation.schema().unwrap_or("public")))
}

fn key(relation: &Relation) -> i64 {
    let hash = blake3::hash(format!("strata {}", name(relation)).as_bytes());
    i64::from_be_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

fn take_advisory(pg: &mut Postgres, relation: &Relation) -> Result<bool, EngineError> {
    let table = table(relation);
    let sql = format!(
        "select pg_try_advisory_lock({}), to_regclass({}) is not null",
        key(relation),
        Dialect::literal(&table)
    );
    let row = pg.texts(&sql)?.pop().unwrap_or_default();
    let [taken, has_table] = <[String; 2]>::try_from(row).unwrap_or_default();
    // A build behind a pooler holds a row instead.
    if taken == "t" && has_table == "t" {
        let held = pg.texts(&format!(
            "select 1 from {table} where relation = {} and heartbeat > clock_timestamp() - interval '{STALE} seconds'",
            Dialect::literal(&name(relation))
        ))?;
        if !held.is_empty() {
            pg.texts(&format!("select pg_advisory_unlock({})", key(relation)))?;
            return Ok(false);
        }
    }
    Ok(taken == "t")
}

fn advisory_holder(relation: &Relation) -> String {
    let key = key(relation);
    let (high, low) = ((key >> 32) as u32, key as u32);
    format!(
        "select 'process ' || a.pid || ' of ' || coalesce(a.usename::text, '?') || ' on the server' || \
         coalesce(' from ' || host(a.client_addr), '') || ', since ' || to_char(a.backend_start, 'HH24:MI:SS') \
         from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'advisory' and l.classid = {high} and l.objid = {low} and l.objsubid = 1 and l.granted"
    )
}

fn row_holder(relation: &Relation) -> String {
    format!(
        "select 'process ' || pid || ' on ' || host || ', which was alive ' || \
         extract(epoch from date_trunc('second', clock_timestamp() - heartbeat))::int || ' s ago' \
         from {} where relation = {}",
        table(relation),
        Dialect::literal(&name(relation))
    )
}

fn take_row(pg: &mut Postgres, relation: &Relation) -> Result<bool, EngineError> {
    make_table(pg, relation)?;
    let owner = Dialect::literal(&pg.server.locks.owner);
    let host = rustix::system::uname();
    let rows = pg.texts(&format!(
        "insert into {table} as held (relation, owner, host, pid, heartbeat) select {}, {owner}, {}, {}, clock_timestamp() where pg_try_advisory_xact_lock({key}) \
         on conflict (relation) do update set owner = excluded.owner, host = excluded.host, pid = excluded.pid, \
         heartbeat = excluded.heartbeat \
         where held.owner = excluded.owner or held.heartbeat < clock_timestamp() - interval '{STALE} seconds' returning 1",
        Dialect::literal(&name(relation)),
        Dialect::literal(&host.nodename().to_string_lossy()),
        std::process::id(),
        table = table(relation),
        // A build on a connection of the server's own holds this lock.
        key = key(relation),
    ))?;
    Ok(!rows.is_empty())
}

/// Makes the table once a schema, and starts what renews the rows.
fn make_table(pg: &mut Postgres, relation: &Relation) -> Result<(), EngineError> {
    let table = table(relation);
    let server = pg.server.clone();
    let tables = &server.locks.tables;
    if tables.lock().unwrap_or_else(PoisonError::into_inner).contains(&table) {
        return Ok(());
    }
    let there = pg.texts(&format!("select 1 where to_regclass({}) is not null", Dialect::literal(&table)))?;
    if there.is_empty() {
        let made = pg.run(
            &format!(
                "create table if not exists {table} (relation text primary key, owner text not null, host text not null, \
                 pid integer not null, heartbeat timestamptz not null)"
            )
            .into(),
            Fetch::Nothing,
        );
        // Two builds that make it at once: one of them is told so.
        match made {
            Err(e) if !e.is_made_meanwhile() => return Err(e),
            _ => {}
        }
    }
    tables.lock().unwrap_or_else(PoisonError::into_inner).insert(table);
    keep(&server);
    Ok(())
}

/// Starts the thread that renews this run's rows, on a connection of its own.
fn keep(server: &Arc<Server>) {
    let mut keeper = server.locks.keeper.lock().unwrap_or_else(PoisonError::into_inner);
    if keeper.is_some() {
        return;
    }
    let (sender, receiver) = bounded::<()>(0);
    let (tables, owner) = (server.locks.tables.clone(), Dialect::literal(&server.locks.owner));
    let opener = server.opener();
    let spawned = std::thread::Builder::new().name("locks".to_owned()).spawn(move || {
        let mut client = None;
        while receiver.recv_timeout(RENEW) == Err(RecvTimeoutError::Timeout) {
            client = client.take().or_else(&opener);
            let all: Vec<String> = tables.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
            for table in all {
                let sql = format!("update {table} set heartbeat = clock_timestamp() where owner = {owner}");
                if client.as_mut().is_some_and(|c: &mut postgres::Client| c.batch_execute(&sql).is_err()) {
                    client = None;
                }
            }
        }
    });
    if spawned.is_ok() {
        *keeper = Some(sender);
    }
}
