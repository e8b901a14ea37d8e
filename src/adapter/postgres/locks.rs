//! Ensures that only one build at a time works on a relation.
//!
//! A direct connection takes an advisory lock, which the server releases when the connection ends.
//! Behind a pooler, sessions do not last, so a row of the table `strata_lock` stands for the lock.
//! It is taken and renewed in short transactions. Others may take it once it has not been renewed
//! for a while, or at once if it belongs to a process of this machine that has ended.

use super::Postgres;
use super::connect::Server;
use super::errors::is_made_meanwhile;
use crate::engine::postgres::DIALECT;
use crate::engine::{Dialect, EngineError, EngineErrorKind, Relation};
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The initial time between two attempts; it grows with the time waited.
const STEP: Duration = Duration::from_millis(50);
const LONGEST_STEP: Duration = Duration::from_secs(2);
/// How long a node waits before the user is told so, and the longest time between two such
/// messages.
const FIRST_WORD: Duration = Duration::from_secs(1);
const NEXT_WORD: Duration = Duration::from_secs(60);
/// Seconds after which a row that was not renewed is free.
const STALE: u64 = 15;
const RENEW: Duration = Duration::from_secs(5);

/// The owner of this run's lock rows, and the thread that renews them.
pub(super) struct Locks {
    /// `machine/run`. Only for its own machine can a run find out whether a process is alive.
    owner: String,
    /// Schemas (quoted) with a lock table.
    tables: Arc<Mutex<BTreeSet<String>>>,
    /// Dropped with the last connection, which ends the thread.
    keeper: Mutex<Option<Sender<()>>>,
}

impl Default for Locks {
    fn default() -> Locks {
        let owner = format!("{}/{}", machine(), uuid::Uuid::new_v4());
        Locks { owner, tables: Arc::default(), keeper: Mutex::default() }
    }
}

/// Identifies the processes that can see each other: the boot id of the machine and the namespace
/// of process ids, because containers have their own. Empty if either is unknown.
#[expect(
    clippy::disallowed_methods,
    reason = "what the kernel says of this process is no file of the project"
)]
fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let parts = [boot.trim(), namespace.to_str().unwrap_or_default()];
    if parts.iter().any(|p| p.is_empty()) { String::new() } else { parts.join(" ") }
}

/// Whether the process that holds a row has ended. `false` if the row is from another machine.
fn has_ended(own: &str, owner: &str, pid: &str) -> bool {
    let same = machine_of(owner).is_some_and(|of| machine_of(own) == Some(of));
    let process = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    same && process
        .is_some_and(|p| rustix::process::test_kill_process(p) == Err(rustix::io::Errno::SRCH))
}

/// The machine of `machine/run`; `None` if it is unknown.
fn machine_of(owner: &str) -> Option<&str> {
    owner.rsplit_once('/').map(|(machine, _)| machine).filter(|machine| !machine.is_empty())
}

pub(super) fn lock_relation(
    pg: &mut Postgres,
    relation: &Relation,
    waiting: &dyn Fn(Option<&str>),
) -> Result<(), EngineError> {
    let relation = &relation.stored(DIALECT);
    let mut waited = Duration::ZERO;
    let mut tell_at = FIRST_WORD;
    let server = pg.server.clone();
    pg.cancelled.store(false, Ordering::SeqCst);
    loop {
        pg.may_wait()?;
        let taken =
            if server.pooled { take_row(pg, relation)? } else { take_advisory(pg, relation)? };
        if taken {
            pg.locked.push(relation.clone());
            if tell_at > FIRST_WORD {
                waiting(None);
            }
            return Ok(());
        }
        if waited >= server.build_wait {
            let holder = holder(pg, relation)?;
            let message = format!("{} is being built by {holder}", relation.short());
            let mut e = EngineError::new(EngineErrorKind::Locked, message);
            e.hint =
                Some("wait for it, longer with --wait-timeout SECONDS, or end it there".to_owned());
            return Err(e);
        }
        if waited >= tell_at {
            let text =
                format!("being built by {}, for {} s", holder(pg, relation)?, waited.as_secs());
            waiting(Some(&text));
            tell_at += NEXT_WORD.min(tell_at * 4);
        }
        let step = STEP.max(waited / 20).min(LONGEST_STEP);
        std::thread::sleep(step);
        waited += step;
    }
}

/// A description of the holder of a relation's lock.
fn holder(pg: &mut Postgres, relation: &Relation) -> Result<String, EngineError> {
    let sql = if pg.server.pooled { row_holder(relation) } else { advisory_holder(relation) };
    let row = pg.texts(&sql)?.into_iter().next();
    Ok(row.and_then(|r| r.into_iter().next()).unwrap_or_else(|| "another process".to_owned()))
}

pub(super) fn unlock_relation(pg: &mut Postgres, relation: &Relation) {
    let relation = &relation.stored(DIALECT);
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
    // A lost connection holds no lock, and a remaining row expires.
    let _ = pg.run(&sql);
}

/// `schema.identifier`: the name of the lock within its database.
fn name(relation: &Relation) -> String {
    format!("{}.{}", relation.schema().unwrap_or_default(), relation.identifier())
}

fn table(relation: &Relation) -> String {
    format!("{}.strata_lock", DIALECT.quoted(relation.schema().unwrap_or("public")))
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
    // A build behind a pooler holds a row instead of the advisory lock.
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

/// Takes the row of a relation. Deletes the row of a process that has ended, so that the next
/// attempt succeeds.
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
        // A build on a direct connection holds this lock.
        key = key(relation),
    ))?;
    if !rows.is_empty() {
        return Ok(true);
    }
    let table = table(relation);
    let relation = Dialect::literal(&name(relation));
    let row = pg
        .texts(&format!("select owner, pid from {table} where relation = {relation}"))?
        .pop()
        .unwrap_or_default();
    let [owner, pid] = <[String; 2]>::try_from(row).unwrap_or_default();
    if has_ended(&pg.server.locks.owner, &owner, &pid) {
        let owner = Dialect::literal(&owner);
        pg.texts(&format!("delete from {table} where relation = {relation} and owner = {owner}"))?;
    }
    Ok(false)
}

/// Fails if this run no longer holds a relation's lock: behind a pooler, another run may have taken
/// a row that could not be renewed in time.
pub(super) fn keep_lock_alive(pg: &mut Postgres, relation: &Relation) -> Result<(), EngineError> {
    if !pg.server.pooled || !pg.locked.contains(relation) {
        return Ok(());
    }
    let held = pg.texts(&format!(
        "update {} set heartbeat = clock_timestamp() where relation = {} and owner = {} returning 1",
        table(relation),
        Dialect::literal(&name(relation)),
        Dialect::literal(&pg.server.locks.owner)
    ))?;
    if !held.is_empty() {
        return Ok(());
    }
    let message = format!(
        "nothing was published: another run has begun to build {} meanwhile",
        relation.short()
    );
    let mut e = EngineError::new(EngineErrorKind::Locked, message);
    e.hint =
        Some("this run could not reach the server in time to keep it; run it again".to_owned());
    Err(e)
}

/// Creates the lock table of a schema if needed, and starts to renew rows.
fn make_table(pg: &mut Postgres, relation: &Relation) -> Result<(), EngineError> {
    let table = table(relation);
    let server = pg.server.clone();
    let tables = &server.locks.tables;
    if tables.lock().unwrap_or_else(PoisonError::into_inner).contains(&table) {
        return Ok(());
    }
    let there =
        pg.texts(&format!("select 1 where to_regclass({}) is not null", Dialect::literal(&table)))?;
    if there.is_empty() {
        let sql = format!(
            "create table if not exists {table} (relation text primary key, owner text not null, host text not null, \
             pid integer not null, heartbeat timestamptz not null)"
        );
        // If two builds create it at the same time, one of them gets an error.
        match pg.run(&sql) {
            Err(e) if !is_made_meanwhile(&e) => return Err(e),
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
            let all: Vec<String> =
                tables.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
            for table in all {
                let sql = format!(
                    "update {table} set heartbeat = clock_timestamp() where owner = {owner}"
                );
                if client
                    .as_mut()
                    .is_some_and(|c: &mut postgres::Client| c.batch_execute(&sql).is_err())
                {
                    client = None;
                }
            }
        }
    });
    if spawned.is_ok() {
        *keeper = Some(sender);
    }
}
