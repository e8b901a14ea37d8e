//! Replaces the published relation by its candidate, in one short transaction.
//!
//! Postgres binds views to a table by oid, not by name. So a view gets the candidate's query, and a
//! small table its rows; both remain the same objects. If that is not possible, the dependents of
//! the old relation are dropped and recreated from their definitions (`dependents`), and its
//! belongings are given to the new one (`belongings`). If something cannot be recreated, the rows
//! are replaced in place (`in_place`), however many there are.
//!
//! All locks are taken before anything changes, in the order in which readers take them: the
//! outermost view first. They are taken in short attempts that release all of them on failure
//! (`script`). So a reader that queues behind such a lock waits only for one attempt, and two
//! sessions that wait for each other separate before the server detects a deadlock.

use super::belongings::{
    AttachedObject, find_ties, read_attached_objects, read_shapes, rename_constraints_sql,
};
use super::dependents::{
    Dependent, ForeignKey, RelationSurroundings, are_unchanged, foreign_keys, read_surroundings,
};
use super::in_place::{
    ReplaceMethod, choose_replace_method, fitting_columns, redefine_view, refill_table,
    replace_in_place,
};
use super::locks::keep_lock_alive;
use super::script::{Script, TRIES};
use super::{Postgres, oid_of};
use crate::engine::postgres::DIALECT;
use crate::engine::{
    ColumnChange, EngineError, EngineErrorKind, ExistingRelation, Publication, Relation,
    RelationKind, Warehouse, is_helper_name,
};
use std::sync::PoisonError;

pub(super) fn swap_relation(
    pg: &mut Postgres,
    swap: &Publication<'_>,
) -> Result<Vec<String>, EngineError> {
    // The names as in the catalog, however they are quoted in the project.
    let (published, candidate) = (swap.published.stored(DIALECT), swap.candidate.stored(DIALECT));
    let swap = Publication { published: &published, candidate: &candidate, ..*swap };
    keep_lock_alive(pg, &published)?;
    Script::run_with_retries(pg, swap.pause, |script| publish(script, &swap))
}

fn publish(script: &mut Script<'_>, swap: &Publication<'_>) -> Result<(), EngineError> {
    let are_views = (swap.existing.map(|old| old.kind), swap.kind)
        == (Some(RelationKind::View), RelationKind::View);
    if let Some(old) = swap.existing.filter(|_| are_views)
        && redefine_view(script, swap, old)?.is_none()
    {
        return Ok(());
    }
    // A view may have been dropped by the swap of a relation that it reads.
    let there =
        script.pg.texts(&format!("select 1 where {} is not null", oid_of(swap.published)))?;
    if let Some(old) = swap.existing.filter(|_| !there.is_empty()) {
        return take_over(script, swap, old);
    }
    rename(script, swap)?;
    let lost = script
        .pg
        .server
        .dropped
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key(swap.published))
        .cloned();
    lost.unwrap_or_default().iter().try_for_each(|sql| script.attempt([sql]).map(drop))
}

/// Changes columns of a table, in the open transaction or in a short one of its own.
pub(super) fn alter_table(
    pg: &mut Postgres,
    change: &ColumnChange<'_>,
) -> Result<Vec<String>, EngineError> {
    in_transaction(pg, |pg| {
        Script::run_with_retries(pg, change.pause, |script| alter_columns(script, change))
    })
}

/// Runs `work` in the open transaction, or in one of its own.
fn in_transaction<T>(
    pg: &mut Postgres,
    work: impl FnOnce(&mut Postgres) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    if pg.in_transaction {
        return work(pg);
    }
    pg.begin()?;
    let done = work(pg);
    match done {
        Ok(_) => pg.commit()?,
        Err(_) => pg.rollback()?,
    }
    done
}

fn alter_columns(script: &mut Script<'_>, change: &ColumnChange<'_>) -> Result<(), EngineError> {
    let locks = vec![lock_table(change.relation)];
    if !change.takes_away {
        // Views do not see a new column, so they need not be recreated.
        script.lock(&locks, &[change.relation])?;
        return script.all(change.statements);
    }
    let found = script.read_until_stable(|pg| read_surroundings(pg, change.relation))?;
    let dependents = found.map(|s| s.dependents).unwrap_or_default();
    if let Some(text) = lasting_dependents(&dependents) {
        let message =
            format!("{text} depends on {} and cannot be made again", change.relation.short());
        return Err(EngineError::new(EngineErrorKind::Runtime, message));
    }
    let all: Vec<String> = dependents.iter().rev().map(|d| d.lock.clone()).chain(locks).collect();
    script.lock(&all, &[change.relation])?;
    script.all(&drops(&dependents))?;
    script.all(change.statements)?;
    restore(script, change.is_built_later, &dependents)
}

/// Gives the candidate its published name, and its constraints theirs.
fn rename(script: &mut Script<'_>, swap: &Publication<'_>) -> Result<(), EngineError> {
    // The names of constraints and of their indexes contain the candidate's name. Only tables have
    // constraints.
    if swap.kind == RelationKind::Table {
        for rename in rename_constraints_sql(script.pg, swap.candidate)? {
            script.attempt([&rename])?;
        }
    }
    let (word, name) = (swap.kind.sql(), DIALECT.quoted(swap.published.identifier()));
    script.run(&format!("alter {word} {} rename to {name}", swap.candidate.render(DIALECT)))
}

fn key(relation: &Relation) -> String {
    relation.key(DIALECT)
}

fn lock_table(relation: &Relation) -> String {
    format!("lock table {} in access exclusive mode", relation.render(DIALECT))
}

/// The dependents that cannot be recreated, with the reasons; `None` if all can.
fn lasting_dependents(dependents: &[Dependent]) -> Option<String> {
    let all: Vec<String> = (dependents.iter())
        .filter_map(|d| Some(format!("{} ({})", d.relation.short(), d.obstacle()?)))
        .collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn take_over(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<(), EngineError> {
    if old.kind == RelationKind::Table && swap.kind == RelationKind::Table {
        match choose_replace_method(script.pg, swap, old)? {
            ReplaceMethod::RefillRows => return refill_table(script, swap, old),
            ReplaceMethod::Rename if take_plain_place(script, swap, old)? => return Ok(()),
            ReplaceMethod::Rename | ReplaceMethod::Undecided => {}
        }
    }
    (swap.take_turn)();
    for _ in 0..TRIES {
        let Some(found) = script.read_until_stable(|pg| read_surroundings(pg, &old.relation))?
        else {
            return rename(script, swap);
        };
        if take_place(script, swap, old, &found)? {
            return Ok(());
        }
        script.run("rollback to savepoint strata_swap")?;
    }
    let message = format!("nothing was published: views on {} come and go", old.relation.short());
    Err(EngineError::new(EngineErrorKind::Conflict, message))
}

/// Replaces a table that nothing reads and that has no belongings. `false` if that is no longer the
/// case.
fn take_plain_place(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<bool, EngineError> {
    script.lock(&[lock_table(&old.relation)], &[&old.relation])?;
    if choose_replace_method(script.pg, swap, old)? != ReplaceMethod::Rename {
        return Ok(false);
    }
    script.run(&format!("drop table {}", old.relation.render(DIALECT)))?;
    rename(script, swap)?;
    Ok(true)
}

/// Drops the old relation and gives its name and belongings to the candidate, or replaces its rows
/// if something cannot be recreated. `false` if the dependents have changed meanwhile.
fn take_place(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
    found: &RelationSurroundings,
) -> Result<bool, EngineError> {
    let name = old.relation.render(DIALECT);
    let (keys, belongings, ties) = match found.bare {
        true => (Vec::new(), Vec::new(), Vec::new()),
        false => script.read_until_stable(|pg| {
            Ok((
                foreign_keys(pg, &old.relation)?,
                read_attached_objects(pg, &old.relation, swap)?,
                find_ties(pg, &old.relation)?,
            ))
        })?,
    };
    script.run("savepoint strata_swap")?;
    if let Some(why) = why_in_place(script, swap, old, found, &belongings, &ties)? {
        return replace_in_place(script, swap, old, &keys, &why).map(|()| true);
    }
    if let Some(belonging) =
        belongings.iter().find(|b| swap.kind != RelationKind::Table && b.is_lasting())
    {
        let message = format!(
            "nothing was published: {} would be lost, since a view has none",
            belonging.description
        );
        let mut e = EngineError::new(EngineErrorKind::Runtime, message);
        e.hint = Some("drop it, or keep the model a table".to_owned());
        return Err(e);
    }
    let dependents = &found.dependents;
    let mut locks: Vec<String> = dependents.iter().rev().map(|d| d.lock.clone()).collect();
    locks.extend(keys.iter().map(|k| lock_table(&k.child)));
    locks.push(match old.kind {
        RelationKind::Table => lock_table(&old.relation),
        kind => format!("alter {} {name} owner to {}", kind.sql(), found.owner),
    });
    let mut of: Vec<&Relation> = vec![&old.relation];
    of.extend(dependents.iter().map(|d| &d.relation).chain(keys.iter().map(|k| &k.child)));
    match script.lock(&locks, &of) {
        // A view was dropped, or renamed by its own build, before it could be locked.
        Err(e) if e.code.as_deref() == Some("42P01") => return Ok(false),
        other => other?,
    }
    // With all locks held, nothing changes from here on. Changes during the wait for the locks are
    // detected here.
    if !are_unchanged(script.pg, &old.relation, dependents)? {
        return Ok(false);
    }
    let mut dropped: Vec<String> = keys.iter().map(|k| k.drop.clone()).collect();
    dropped.extend(drops(dependents));
    dropped.push(format!("drop {} {name}", old.kind.sql()));
    if let Err(e) = script.all(&dropped) {
        if e.code.as_deref() != Some("2BP01") {
            return Err(e);
        }
        // The dependent is not a view: a function with an SQL body, or a column of the table's row
        // type.
        script.run("rollback to savepoint strata_swap")?;
        let who = e
            .message
            .lines()
            .nth(1)
            .and_then(|l| l.split(" depends on ").next())
            .unwrap_or("something");
        return replace_in_place(script, swap, old, &keys, &depends(who, old)).map(|()| true);
    }
    rename(script, swap)?;
    give(script, swap, old, &belongings)?;
    restore(script, swap.is_built_later, dependents)?;
    keys.iter().try_for_each(|k| add_key(script, swap, k))?;
    Ok(true)
}

/// The reason why rows have to be replaced in place, as the start of a sentence; `None` if there is
/// none.
fn why_in_place(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
    found: &RelationSurroundings,
    belongings: &[AttachedObject],
    ties: &[[String; 2]],
) -> Result<Option<String>, EngineError> {
    if let Some([what, why]) = ties.first() {
        return Ok(Some(would_lose(old, what, why)));
    }
    if let Some(text) = lasting_dependents(&found.dependents) {
        let stays = found.dependents.iter().any(|d| d.obstacle().is_some() && !makes_way(swap, d));
        if stays || fitting_columns(script.pg, swap, old)?.is_some() {
            return Ok(Some(depends(&text, old)));
        }
    }
    let kept = belongings
        .iter()
        .find_map(|b| Some(would_lose(old, &b.description, b.obstacle.as_deref()?)));
    Ok(kept)
}

/// Whether a dependent may be dropped if rows cannot be replaced in place: a materialized view that
/// this run builds later.
fn makes_way(swap: &Publication<'_>, dependent: &Dependent) -> bool {
    dependent.kind == RelationKind::MaterializedView && (swap.is_built_later)(&dependent.relation)
}

fn would_lose(old: &ExistingRelation, what: &str, why: &str) -> String {
    format!("{} would lose {what} ({why})", old.relation.short())
}

fn depends(who: &str, old: &ExistingRelation) -> String {
    format!("{who} depends on {} and cannot be made again", old.relation.short())
}

/// Gives the new relation the belongings of the old one.
fn give(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
    all: &[AttachedObject],
) -> Result<(), EngineError> {
    let tables = swap.kind == RelationKind::Table && old.kind == RelationKind::Table;
    // Of a table's belongings, a view can only have those that exist for all kinds of relations.
    let fitting = all.iter().filter(|b| tables || b.is_for_all_kinds());
    let (later, now): (Vec<&AttachedObject>, Vec<&AttachedObject>) =
        fitting.partition(|b| swap.has_hooks && b.waits_for_hooks());
    script.pg.pending = later.into_iter().cloned().collect();
    now.into_iter()
        .try_for_each(|b| script.run(&b.statement).map_err(|e| unfit(&b.description, &e)))
}

/// Gives a swapped-in relation the belongings that had to wait for the hooks. Those that the hooks
/// have created, under whatever name, are left as they are.
pub(super) fn reattach_objects(
    pg: &mut Postgres,
    relation: &Relation,
) -> Result<Vec<String>, EngineError> {
    let pending = std::mem::take(&mut pg.pending);
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    in_transaction(pg, |pg| {
        let there = read_shapes(pg, relation)?;
        let mut script = Script::begin(pg);
        pending
            .iter()
            .filter(|b| !there.contains(&b.shape()))
            .try_for_each(|b| carry_one(&mut script, b))?;
        Ok(script.executed)
    })
}

fn carry_one(script: &mut Script<'_>, belonging: &AttachedObject) -> Result<(), EngineError> {
    match script.attempt([&belonging.statement])? {
        // The hooks created an object with this name, or another primary key.
        Some(e) if matches!(e.code.as_deref(), Some("42710" | "42P07" | "42P16")) => Ok(()),
        Some(e) => Err(unfit(&belonging.description, &e)),
        None => Ok(()),
    }
}

/// Statements that drop views, the outermost first.
fn drops(dependents: &[Dependent]) -> Vec<String> {
    dependents
        .iter()
        .rev()
        .map(|d| format!("drop {} {}", d.kind.sql(), d.relation.render(DIALECT)))
        .collect()
}

/// Recreates views: all in one message or, if that fails, one by one to find the one that fails.
fn restore(
    script: &mut Script<'_>,
    built_later: &dyn Fn(&Relation) -> bool,
    dependents: &[Dependent],
) -> Result<(), EngineError> {
    let made = dependents.iter().filter_map(|d| d.statement().map(|sql| (sql, &d.restore)));
    let all: Vec<&String> = made.flat_map(|(sql, rest)| std::iter::once(sql).chain(rest)).collect();
    match script.attempt(all)? {
        None => Ok(()),
        Some(_) => dependents.iter().try_for_each(|d| restore_one(script, built_later, d)),
    }
}

/// Recreates a view. One that is no longer valid makes the swap fail, unless this run builds it
/// later.
fn restore_one(
    script: &mut Script<'_>,
    built_later: &dyn Fn(&Relation) -> bool,
    dependent: &Dependent,
) -> Result<(), EngineError> {
    let Some(definition) = dependent.statement() else { return Ok(()) };
    match script.attempt([definition])? {
        None => script.all(&dependent.restore),
        Some(e) if e.kind != EngineErrorKind::Sql => Err(e),
        Some(_) if is_helper_name(dependent.relation.identifier()) => Ok(()),
        Some(_) if built_later(&dependent.relation) => {
            let mut dropped =
                script.pg.server.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            dropped.insert(key(&dependent.relation), dependent.restore.clone());
            Ok(())
        }
        Some(e) => {
            let what =
                format!("the view {}, which this run does not build,", dependent.relation.short());
            Err(unfit(&what, &e))
        }
    }
}

/// Recreates a foreign key of another table. A failure is ignored if this run builds that table
/// later, with its keys.
pub(super) fn add_key(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    key: &ForeignKey,
) -> Result<(), EngineError> {
    match script.attempt([&key.add])? {
        Some(e) if !(swap.is_built_later)(&key.child) => {
            Err(unfit(&format!("the foreign key {} of {}", key.name, key.child.short()), &e))
        }
        _ => Ok(()),
    }
}

fn unfit(what: &str, e: &EngineError) -> EngineError {
    // Return conflicts with other sessions unchanged, so that they are retried.
    if matches!(
        e.kind,
        EngineErrorKind::Locked | EngineErrorKind::Conflict | EngineErrorKind::Connection
    ) {
        return e.clone();
    }
    let mut error = EngineError::new(
        EngineErrorKind::Runtime,
        format!("nothing was published: {what} no longer fits: {}", e.message),
    );
    error.hint = Some("build it with this one (`--select NAME+`), or drop it".to_owned());
    error
}
