//! A candidate takes the place of the published relation, in one short transaction.
//!
//! Postgres binds views to a table by its number, not by its name: what depends on the old relation is dropped and made
//! again from its definition (`belongings`). Where something that depends on it cannot be made again, the rows are
//! replaced in place.
//!
//! Locks are taken before anything changes, the outermost view first, as readers take them, and in short attempts that
//! are given up together: a reader that queues behind one waits that long at most, and two that wait for each other part
//! before the server calls it a deadlock.

use super::belongings::{
    Belonging, Dependent, ForeignKey, belongings, dependents, foreign_keys, indexes_like, persistence_like, renames,
};
use super::{Postgres, catalog};
use crate::engine::{Change, EngineError, EngineErrorKind, ExistingRelation, Fetch, Swap, Warehouse};
use crate::manifest::{Dialect, Relation, RelationKind};
use crate::materialize::is_beside;
use crate::source::SqlText;
use std::sync::PoisonError;
use std::time::Duration;

const DIALECT: Dialect = Dialect::POSTGRES;

/// How long one attempt waits for a lock: well below `deadlock_timeout`.
const ATTEMPT: Duration = Duration::from_millis(80);
const PAUSE: Duration = Duration::from_millis(10);
/// How often a reading of the catalog is begun anew when others change what is read.
const TRIES: usize = 5;

pub(super) fn swap(pg: &mut Postgres, swap: &Swap<'_>) -> Result<Vec<String>, EngineError> {
    let mut script = Script { pg, executed: Vec::new() };
    script.give_up_after_wait()?;
    // A view may have been dropped in the swap of what it reads.
    let there = script.pg.texts(&format!("select 1 where {} is not null", oid_of(swap.published)))?;
    match swap.existing.filter(|_| !there.is_empty()) {
        Some(old) => replace(&mut script, swap, old)?,
        None => {
            script.rename(swap)?;
            let lost =
                script.pg.server.dropped.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(swap.published));
            for sql in lost.unwrap_or_default() {
                script.attempt(&sql)?;
            }
        }
    }
    Ok(script.executed)
}

/// Changes columns of a table, in the open transaction or a short one of its own.
pub(super) fn alter(pg: &mut Postgres, change: &Change<'_>) -> Result<Vec<String>, EngineError> {
    let own = !pg.in_transaction;
    if own {
        pg.run(&"begin".into(), Fetch::Nothing)?;
    }
    let mut script = Script { pg, executed: Vec::new() };
    let altered = script.give_up_after_wait().and_then(|()| altered(&mut script, change));
    if own {
        let end = if altered.is_ok() { "commit" } else { "rollback" };
        script.pg.run(&end.into(), Fetch::Nothing)?;
    }
    altered.map(|()| script.executed)
}

fn altered(script: &mut Script<'_>, change: &Change<'_>) -> Result<(), EngineError> {
    let locks = vec![lock_table(change.relation)];
    if !change.takes_away {
        // Views do not see a new column.
        take(script, &locks, &[change.relation])?;
        return script.all(change.statements);
    }
    let dependents = steady(script, |pg| dependents(pg, change.relation))?;
    if let Some(text) = cannot(&dependents) {
        let message = format!("{text} depends on {} and cannot be made again", change.relation.short());
        return Err(EngineError::new(EngineErrorKind::Runtime, message));
    }
    let all: Vec<String> = dependents.iter().rev().map(|d| d.lock.clone()).chain(locks).collect();
    take(script, &all, &[change.relation])?;
    drop_views(script, &dependents)?;
    script.all(change.statements)?;
    dependents.iter().try_for_each(|d| restore(script, change.built_later, d))
}

/// Runs statements and remembers them.
pub(super) struct Script<'a> {
    pg: &'a mut Postgres,
    executed: Vec<String>,
}

impl Script<'_> {
    fn run(&mut self, sql: &str) -> Result<(), EngineError> {
        self.pg.run(&SqlText::from(sql), Fetch::Nothing)?;
        self.executed.push(sql.to_owned());
        Ok(())
    }

    fn all<'s>(&mut self, statements: impl IntoIterator<Item = &'s String>) -> Result<(), EngineError> {
        statements.into_iter().try_for_each(|s| self.run(s))
    }

    /// Runs a statement that may be refused: then it is as if it had not been tried.
    fn attempt(&mut self, sql: &str) -> Result<Option<EngineError>, EngineError> {
        self.run("savepoint strata_attempt")?;
        match self.run(sql) {
            Ok(()) => self.run("release savepoint strata_attempt").map(|()| None),
            Err(e) if matches!(e.kind, EngineErrorKind::Sql | EngineErrorKind::Runtime) => {
                self.run("rollback to savepoint strata_attempt").map(|()| Some(e))
            }
            Err(e) => Err(e),
        }
    }

    fn give_up_after_wait(&mut self) -> Result<(), EngineError> {
        let wait = self.pg.server.lock_wait.as_millis().max(1);
        self.run(&format!("set local lock_timeout = {wait}"))
    }

    fn rename(&mut self, swap: &Swap<'_>) -> Result<(), EngineError> {
        // Constraints, and the indexes behind them, are named after the candidate as well.
        for rename in renames(self.pg, swap.candidate)? {
            self.attempt(&rename)?;
        }
        let (word, name) = (swap.kind.sql(), DIALECT.quoted(swap.published.identifier()));
        self.run(&format!("alter {word} {} rename to {name}", swap.candidate.render(DIALECT)))
    }
}

fn oid_of(relation: &Relation) -> String {
    format!("to_regclass({})", Dialect::literal(&relation.render(DIALECT)))
}

fn key(relation: &Relation) -> String {
    relation.key(DIALECT)
}

fn lock_table(relation: &Relation) -> String {
    format!("lock table {} in access exclusive mode", relation.render(DIALECT))
}

/// What keeps the dependents from being made again.
fn cannot(dependents: &[Dependent]) -> Option<String> {
    let all: Vec<String> = (dependents.iter())
        .filter_map(|d| Some(format!("{} ({})", d.relation.short(), d.definition.as_ref().err()?)))
        .collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// All locks or none.
fn take(script: &mut Script<'_>, locks: &[String], of: &[&Relation]) -> Result<(), EngineError> {
    let (wait, mut waited) = (script.pg.server.lock_wait, Duration::ZERO);
    loop {
        script.pg.may_wait()?;
        let time = ATTEMPT.min(wait.saturating_sub(waited)).as_millis().max(1);
        let begin = format!("savepoint strata_locks; set local lock_timeout = {time}");
        script.pg.run(&begin.into(), Fetch::Nothing)?;
        let taken = locks.iter().try_for_each(|lock| script.pg.run(&lock.as_str().into(), Fetch::Nothing).map(drop));
        waited += ATTEMPT;
        match taken {
            Ok(()) => {
                script.executed.extend(locks.iter().cloned());
                return script.give_up_after_wait();
            }
            Err(e) if !matches!(e.kind, EngineErrorKind::Locked | EngineErrorKind::Conflict) => return Err(e),
            Err(e) if waited >= wait => return Err(blocked(script.pg, of, e)),
            Err(_) => {
                script.pg.run(&"rollback to savepoint strata_locks".into(), Fetch::Nothing)?;
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
        }
    }
}

/// Says who holds the lock that was not given.
fn blocked(pg: &mut Postgres, relations: &[&Relation], e: EngineError) -> EngineError {
    // The transaction is lost; the question needs a new one.
    let _ = pg.run(&"rollback".into(), Fetch::Nothing);
    let mut holders: Vec<String> = Vec::new();
    for relation in relations {
        let found = pg.texts(&catalog::holders(relation)).unwrap_or_default().into_iter().flatten();
        holders.extend(found.filter(|h| !holders.contains(h)).collect::<Vec<_>>());
    }
    let seconds = pg.server.lock_wait.as_secs_f64();
    let name = relations.first().map(|r| r.short()).unwrap_or_default();
    let mut error = EngineError::new(
        EngineErrorKind::Locked,
        format!("nothing was published: {name} is locked, still after {seconds} s (SQLSTATE 55P03)"),
    );
    for holder in holders.iter().take(4) {
        error.message.push_str(&format!("\nheld by {holder}"));
    }
    error.code = e.code;
    error.hint = Some("end that session, or wait longer with --lock-timeout SECONDS".to_owned());
    error
}

fn replace(script: &mut Script<'_>, swap: &Swap<'_>, old: &ExistingRelation) -> Result<(), EngineError> {
    let name = old.relation.render(DIALECT);
    for _ in 0..TRIES {
        let (found, keys, belongings) = steady(script, |pg| {
            Ok((dependents(pg, &old.relation)?, foreign_keys(pg, &old.relation)?, belongings(pg, &old.relation, swap)?))
        })?;
        let refused = belongings.iter().find_map(|b| b.cannot.as_ref().map(|why| format!("{} ({why})", b.what)));
        // A materialized view that this run builds later makes way where rows cannot be replaced in place.
        let makes_way = |d: &Dependent| d.kind == RelationKind::MaterializedView && (swap.built_later)(&d.relation);
        let stays = found.iter().any(|d| d.definition.is_err() && !makes_way(d));
        let fits = same_columns(script.pg, swap, old)?;
        if let Some(text) = cannot(&found).filter(|_| fits || stays).or(refused) {
            return in_place(script, swap, old, &keys, &text);
        }
        let lasting = belongings.iter().find(|b| b.what.starts_with("the policy"));
        if let Some(policy) = lasting.filter(|_| swap.kind != RelationKind::Table) {
            let message = format!("nothing was published: {} would be lost, since a view has none", policy.what);
            return Err(EngineError::new(EngineErrorKind::Runtime, message));
        }
        script.run("savepoint strata_swap")?;
        let mut locks: Vec<String> = found.iter().rev().map(|d| d.lock.clone()).collect();
        locks.extend(keys.iter().map(|k| lock_table(&k.child)));
        locks.push(match old.kind {
            RelationKind::Table => lock_table(&old.relation),
            kind => format!("alter {} {name} owner to {}", kind.sql(), owner(script.pg, &old.relation)?),
        });
        let mut of: Vec<&Relation> = vec![&old.relation];
        of.extend(found.iter().map(|d| &d.relation).chain(keys.iter().map(|k| &k.child)));
        match take(script, &locks, &of) {
            // A view went, or was renamed by the build that makes it, before it could be locked.
            Err(e) if e.code.as_deref() == Some("42P01") => {
                script.run("rollback to savepoint strata_swap")?;
                continue;
            }
            other => other?,
        }
        // Nothing changes from here on. What came while the locks were waited for is seen now.
        let now = dependents(script.pg, &old.relation)?;
        if now.iter().map(|d| &d.relation).ne(found.iter().map(|d| &d.relation)) {
            script.run("rollback to savepoint strata_swap")?;
            continue;
        }
        let dropped = script
            .all(keys.iter().map(|k| &k.drop))
            .and_then(|()| drop_views(script, &found))
            .and_then(|()| script.run(&format!("drop {} {name}", old.kind.sql())));
        if let Err(e) = dropped {
            if e.code.as_deref() != Some("2BP01") {
                return Err(e);
            }
            // Something that is no view: a function with a body, a column of its row type.
            script.run("rollback to savepoint strata_swap")?;
            let who = e.message.lines().nth(1).and_then(|l| l.split(" depends on ").next()).unwrap_or("something");
            return in_place(script, swap, old, &keys, who);
        }
        script.rename(swap)?;
        give(script, swap, old, &belongings)?;
        for dependent in &found {
            restore(script, swap.built_later, dependent)?;
        }
        return keys.iter().try_for_each(|k| add_key(script, swap, k));
    }
    let message = format!("nothing was published: views on {} come and go", old.relation.short());
    Err(EngineError::new(EngineErrorKind::Conflict, message))
}

/// Reads from the catalog before anything is locked: what another build replaces meanwhile is looked for again.
fn steady<T>(
    script: &mut Script<'_>,
    read: impl Fn(&mut Postgres) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut tries = 0;
    loop {
        script.pg.run(&"savepoint strata_read".into(), Fetch::Nothing)?;
        match read(script.pg) {
            // `could not open relation with OID ...`
            Err(e) if e.code.as_deref() == Some("XX000") && tries < TRIES => {
                script.pg.run(&"rollback to savepoint strata_read".into(), Fetch::Nothing)?;
                std::thread::sleep(PAUSE);
                tries += 1;
            }
            other => return other,
        }
    }
}

fn owner(pg: &mut Postgres, relation: &Relation) -> Result<String, EngineError> {
    let sql = format!(
        "select quote_ident(pg_get_userbyid(relowner)) from pg_catalog.pg_class where oid = {}",
        oid_of(relation)
    );
    Ok(pg.texts(&sql)?.into_iter().flatten().next().unwrap_or_else(|| "current_user".to_owned()))
}

/// Gives the new relation what the old one had.
fn give(
    script: &mut Script<'_>,
    swap: &Swap<'_>,
    old: &ExistingRelation,
    all: &[Belonging],
) -> Result<(), EngineError> {
    let tables = swap.kind == RelationKind::Table && old.kind == RelationKind::Table;
    for belonging in all {
        // A view has an owner and grants like a table, and nothing else of what a table has.
        if tables || belonging.is_for_all_kinds() {
            script.run(&belonging.statement).map_err(|e| unfit(&belonging.what, &e))?;
        }
    }
    Ok(())
}

fn drop_views(script: &mut Script<'_>, dependents: &[Dependent]) -> Result<(), EngineError> {
    dependents
        .iter()
        .rev()
        .try_for_each(|d| script.run(&format!("drop {} {}", d.kind.sql(), d.relation.render(DIALECT))))
}

/// Makes a view again. One that no longer fits holds the swap back, unless this run builds it later.
fn restore(
    script: &mut Script<'_>,
    built_later: &dyn Fn(&Relation) -> bool,
    dependent: &Dependent,
) -> Result<(), EngineError> {
    let Ok(definition) = &dependent.definition else { return Ok(()) };
    match script.attempt(definition)? {
        None => script.all(&dependent.restore),
        Some(e) if e.kind != EngineErrorKind::Sql => Err(e),
        Some(_) if is_beside(dependent.relation.identifier()) => Ok(()),
        Some(_) if built_later(&dependent.relation) => {
            let mut dropped = script.pg.server.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            dropped.insert(key(&dependent.relation), dependent.restore.clone());
            Ok(())
        }
        Some(e) => {
            let what = format!("the view {}, which this run does not build,", dependent.relation.short());
            Err(unfit(&what, &e))
        }
    }
}

/// Makes a foreign key of another table again; the key of a table that this run builds later comes with that.
fn add_key(script: &mut Script<'_>, swap: &Swap<'_>, key: &ForeignKey) -> Result<(), EngineError> {
    match script.attempt(&key.add)? {
        Some(e) if !(swap.built_later)(&key.child) => {
            Err(unfit(&format!("the foreign key {} of {}", key.name, key.child.short()), &e))
        }
        _ => Ok(()),
    }
}

fn unfit(what: &str, e: &EngineError) -> EngineError {
    let mut error = EngineError::new(
        EngineErrorKind::Runtime,
        format!("nothing was published: {what} no longer fits: {}", e.message),
    );
    error.hint = Some("build it with this one (`--select NAME+`), or drop it".to_owned());
    error
}

/// Whether the rows of the candidate fit into the old table.
fn same_columns(pg: &mut Postgres, swap: &Swap<'_>, old: &ExistingRelation) -> Result<bool, EngineError> {
    let (before, after) = (pg.columns(&old.relation)?, pg.columns(swap.candidate)?);
    Ok(before.len() == after.len() && before.iter().all(|c| after.contains(c)))
}

/// Replaces rows (of a table) or the definition (of a view), where the columns allow. Readers go on reading.
fn in_place(
    script: &mut Script<'_>,
    swap: &Swap<'_>,
    old: &ExistingRelation,
    keys: &[ForeignKey],
    cannot: &str,
) -> Result<(), EngineError> {
    let (name, candidate) = (old.relation.render(DIALECT), swap.candidate.render(DIALECT));
    let refused = |why: &str| {
        let message = format!(
            "nothing was published: {cannot} depends on {} and cannot be made again, and {why}",
            old.relation.short()
        );
        let mut e = EngineError::new(EngineErrorKind::Runtime, message);
        e.hint = Some("drop what depends on it, or make it part of the project".to_owned());
        e
    };
    match (old.kind, swap.kind) {
        (RelationKind::Table, RelationKind::Table) => {
            if !same_columns(script.pg, swap, old)? {
                return Err(refused("the columns differ, so that rows cannot be replaced in place"));
            }
            let after = script.pg.columns(swap.candidate)?;
            let (drop_indexes, add_indexes) = indexes_like(script.pg, &old.relation, swap.candidate)?;
            let persistence = persistence_like(script.pg, &old.relation, swap.candidate)?;
            let columns: Vec<String> = after.iter().map(|c| DIALECT.quoted(&c.name)).collect();
            let columns = columns.join(", ");
            take(script, &[format!("lock table {name} in share row exclusive mode")], &[&old.relation])?;
            // Rows that a policy hides from its owner would stay among the new ones: better an error.
            script.run("set local row_security = off")?;
            script.all(keys.iter().map(|k| &k.drop))?;
            script.run(&format!("delete from only {name}"))?;
            script.run(&format!("insert into {name} ({columns}) select {columns} from {candidate}"))?;
            keys.iter().try_for_each(|k| add_key(script, swap, k))?;
            script.run(&format!("drop table {candidate}"))?;
            // The configs that a table keeps apart from its rows.
            script.all(drop_indexes.iter().chain(&add_indexes).chain(&persistence))
        }
        (RelationKind::View, RelationKind::View) => {
            let text = format!("select pg_get_viewdef(to_regclass({}))", Dialect::literal(&candidate));
            let definition = script.pg.texts(&text)?.into_iter().flatten().next().unwrap_or_default();
            match script.attempt(&format!("create or replace view {name} as {definition}"))? {
                None => script.run(&format!("drop view {candidate}")),
                Some(e) if e.kind == EngineErrorKind::Sql => Err(refused("the view's columns differ")),
                Some(e) => Err(e),
            }
        }
        _ => Err(refused("a view cannot become a table in place, nor a table a view")),
    }
}
