//! Runs statements in the open transaction, records them for the artifact, and starts over if a
//! lock is not available.

use super::{Postgres, catalog};
use crate::engine::{EngineError, EngineErrorKind, Relation, Warehouse};
use std::time::Duration;

/// How long one attempt waits for a lock: much less than `deadlock_timeout`.
const ATTEMPT: Duration = Duration::from_millis(80);
const PAUSE: Duration = Duration::from_millis(10);
/// How often a read of the catalog is repeated if other sessions change it meanwhile.
pub(super) const TRIES: usize = 5;

/// Runs statements and records them.
pub(super) struct Script<'a> {
    pub(super) pg: &'a mut Postgres,
    pub(super) executed: Vec<String>,
    /// The relations of the latest call of `lock`.
    locking: Vec<Relation>,
    /// Whether `lock_timeout` was set back to the full time.
    patient: bool,
}

impl<'a> Script<'a> {
    pub(super) fn begin(pg: &'a mut Postgres) -> Script<'a> {
        Script { pg, executed: Vec::new(), locking: Vec::new(), patient: false }
    }

    /// Runs `work` in the open transaction. If a lock is not available, `work` is rolled back,
    /// `pause` lets other nodes go on, and `work` starts over, until the time for locks is used up.
    /// So this session holds none of the locks of `work` while it waits.
    pub(super) fn run_with_retries(
        pg: &mut Postgres,
        pause: &dyn Fn(Duration),
        work: impl Fn(&mut Script<'_>) -> Result<(), EngineError>,
    ) -> Result<Vec<String>, EngineError> {
        let wait = pg.server.lock_wait;
        let mut waited = Duration::ZERO;
        loop {
            pg.may_wait()?;
            let time = ATTEMPT.min(wait.saturating_sub(waited)).as_millis().max(1);
            let begin = format!("savepoint strata_insist; set local lock_timeout = {time}");
            pg.run(&begin)?;
            let mut script = Script::begin(&mut *pg);
            let done = work(&mut script);
            let done = done.and_then(|()| script.wait_longer());
            let Script { executed, locking, .. } = script;
            waited += ATTEMPT + PAUSE;
            match done {
                Ok(()) => return Ok(executed),
                Err(e)
                    if !matches!(e.kind, EngineErrorKind::Locked | EngineErrorKind::Conflict) =>
                {
                    return Err(e);
                }
                Err(e) if waited >= wait && e.kind == EngineErrorKind::Locked => {
                    return Err(blocked(pg, &locking, e));
                }
                Err(e) if waited >= wait => return Err(e),
                Err(_) => {
                    pg.run("rollback to savepoint strata_insist")?;
                    pause(PAUSE);
                }
            }
        }
    }

    pub(super) fn run(&mut self, sql: &str) -> Result<(), EngineError> {
        self.pg.run(sql)?;
        self.executed.push(sql.to_owned());
        Ok(())
    }

    /// Runs statements in one message.
    pub(super) fn all<'s>(
        &mut self,
        statements: impl IntoIterator<Item = &'s String>,
    ) -> Result<(), EngineError> {
        let statements: Vec<&String> = statements.into_iter().collect();
        if statements.is_empty() {
            return Ok(());
        }
        self.pg.run(&joined("", &statements))?;
        self.executed.extend(statements.into_iter().cloned());
        Ok(())
    }

    /// Runs the last statements of a script, which may fail, together with `wait_longer` in one
    /// message.
    pub(super) fn attempt_last(
        &mut self,
        statements: &[String],
    ) -> Result<Option<EngineError>, EngineError> {
        let patience = self.patience();
        let refused = self.attempt(statements.iter().chain([&patience]))?;
        if refused.is_none() {
            self.executed.pop();
            self.patient = true;
        }
        Ok(refused)
    }

    /// Runs statements that the server may refuse. If it does, they are rolled back and its error
    /// is returned as `Some`. Conflicts with other sessions and lost connections are `Err`.
    pub(super) fn attempt<'s>(
        &mut self,
        statements: impl IntoIterator<Item = &'s String>,
    ) -> Result<Option<EngineError>, EngineError> {
        let statements: Vec<&String> = statements.into_iter().collect();
        if statements.is_empty() {
            return Ok(None);
        }
        let text = joined("savepoint strata_attempt; ", &statements);
        match self.pg.run(&format!("{text}; release savepoint strata_attempt")) {
            Ok(_) => {
                self.executed.extend(statements.into_iter().cloned());
                Ok(None)
            }
            Err(e) if matches!(e.kind, EngineErrorKind::Sql | EngineErrorKind::Runtime) => {
                self.pg.run("rollback to savepoint strata_attempt")?;
                Ok(Some(e))
            }
            Err(e) => Err(e),
        }
    }

    /// Runs statements that lock relations `of`, all in one message.
    pub(super) fn lock(&mut self, locks: &[String], of: &[&Relation]) -> Result<(), EngineError> {
        self.locking = of.iter().map(|r| (*r).clone()).collect();
        self.all(locks)
    }

    /// Sets `lock_timeout` back to the full time, once all locks are held: writing rows may take
    /// long.
    pub(super) fn wait_longer(&mut self) -> Result<(), EngineError> {
        if !std::mem::replace(&mut self.patient, true) {
            self.pg.run(&self.patience())?;
        }
        Ok(())
    }

    fn patience(&self) -> String {
        format!("set local lock_timeout = {}", self.pg.server.lock_wait.as_millis().max(1))
    }

    /// Reads from the catalog before anything is locked; repeats the read if another build replaces
    /// a relation meanwhile.
    pub(super) fn read_until_stable<T>(
        &mut self,
        read: impl Fn(&mut Postgres) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut tries = 0;
        loop {
            self.pg.run("savepoint strata_read")?;
            match read(self.pg) {
                // The error is `could not open relation with OID ...`.
                Err(e) if e.code.as_deref() == Some("XX000") && tries < TRIES => {
                    self.pg.run("rollback to savepoint strata_read")?;
                    std::thread::sleep(PAUSE);
                    tries += 1;
                }
                other => return other,
            }
        }
    }
}

/// Joins statements. Definitions from the server end in a semicolon of their own.
fn joined(before: &str, statements: &[&String]) -> String {
    let trimmed: Vec<&str> =
        statements.iter().map(|s| s.trim_end().trim_end_matches(';')).collect();
    format!("{before}{}", trimmed.join(";\n"))
}

/// The error for a lock that was not available, with the sessions that hold it.
fn blocked(pg: &mut Postgres, relations: &[Relation], e: EngineError) -> EngineError {
    // The transaction was aborted, and the next query needs a new one.
    let _ = pg.rollback();
    let mut holders: Vec<String> = Vec::new();
    for relation in relations {
        let found = pg
            .texts(&catalog::select_lock_holders_sql(relation))
            .unwrap_or_default()
            .into_iter()
            .flatten();
        holders.extend(found.filter(|h| !holders.contains(h)).collect::<Vec<_>>());
    }
    let seconds = pg.server.lock_wait.as_secs_f64();
    let name = relations.first().map(|r| r.short()).unwrap_or_default();
    let mut error = EngineError::new(
        EngineErrorKind::Locked,
        format!(
            "nothing was published: {name} is locked, still after {seconds} s (SQLSTATE 55P03)"
        ),
    );
    for holder in holders.iter().take(4) {
        error.message.push_str(&format!("\nheld by {holder}"));
    }
    error.code = e.code;
    error.hint = Some("end that session, or wait longer with --lock-timeout SECONDS".to_owned());
    error
}
