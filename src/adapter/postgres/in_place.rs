//! Replaces the rows of a table, or the query of a view, in place: readers are not interrupted, and
//! the relation keeps everything that belongs to it or depends on it.

use super::belongings::has_attached_objects_sql;
use super::belongings::{constraints_like, indexes_like, persistence_like};
use super::dependents::ForeignKey;
use super::script::Script;
use super::swap::add_key;
use super::{Postgres, oid_of};
use crate::engine::postgres::DIALECT;
use crate::engine::{
    EngineError, EngineErrorKind, ExistingColumn, ExistingRelation, Publication, RelationKind,
    Warehouse,
};

/// The candidate's columns if its rows fit into the old table; otherwise `None`, also where the old
/// relation is no table, into which nothing can be written.
pub(super) fn fitting_columns(
    pg: &mut Postgres,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<Option<Vec<ExistingColumn>>, EngineError> {
    if (old.kind, swap.kind) != (RelationKind::Table, RelationKind::Table) {
        return Ok(None);
    }
    let (before, after) = (pg.list_columns(&old.relation)?, pg.list_columns(swap.candidate)?);
    let same = before.len() == after.len() && before.iter().all(|c| after.contains(c));
    Ok(same.then_some(after))
}

/// Selects the options and the query of the candidate $1 for the view $2.
const QUERY_OF_VIEW: &str = "select coalesce(' with (' || array_to_string(coalesce(c.reloptions, o.reloptions), ', ') || ')', ''), \
     pg_get_viewdef(c.oid) from pg_catalog.pg_class c, pg_catalog.pg_class o \
     where c.oid = to_regclass($1) and o.oid = to_regclass($2)";

/// Gives a view the candidate's query. It keeps everything that belongs to it and reads it. Returns
/// the server's error if the view cannot take the query, such as when its columns differ.
pub(super) fn redefine_view(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<Option<EngineError>, EngineError> {
    let (name, candidate) = (old.relation.render(DIALECT), swap.candidate.render(DIALECT));
    let Some(row) = script.pg.ask(QUERY_OF_VIEW, &[&candidate, &name])?.pop() else {
        let gone =
            EngineError::new(EngineErrorKind::Sql, format!("{} is gone", old.relation.short()));
        return Ok(Some(gone));
    };
    let [options, definition] = <[String; 2]>::try_from(row).unwrap_or_default();
    let statements = [
        format!("create or replace view {name}{options} as {definition}"),
        format!("drop view {candidate}"),
    ];
    script.attempt_last(&statements)
}

/// Up to this size on disk, in bytes, a table's rows are replaced rather than its dependent views
/// recreated.
const SMALL: u32 = 1 << 20;

/// How a table can get the contents of its candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplaceMethod {
    /// By replacing its rows, rather than recreating its readers: it is small and differs only in
    /// rows (it has the same columns in the same order, no indexes and no constraints).
    RefillRows,
    /// By renaming: nothing reads it, and nothing belongs to it.
    Rename,
    /// Further queries are needed to decide.
    Undecided,
}

/// Decides with one cheap query how the old table gets the contents of its candidate.
pub(super) fn choose_replace_method(
    pg: &mut Postgres,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<ReplaceMethod, EngineError> {
    let is_bound = "exists (select from pg_catalog.pg_depend d where d.refclassid = 'pg_class'::regclass \
         and d.refobjid = c.oid and d.classid <> 'pg_type'::regclass and (d.classid <> 'pg_class'::regclass \
           or exists (select from pg_catalog.pg_class s where s.oid = d.objid and s.relkind = 'S'))) \
         or exists (select from pg_catalog.pg_depend d where d.refclassid = 'pg_type'::regclass and d.refobjid = c.reltype \
         and d.deptype = 'n')";
    let has_belongings = has_attached_objects_sql();
    let asked = format!(
        "select case when c.relkind <> 'r' or o.relkind <> 'r' or {has_belongings} then 'look' \
           when not ({is_bound}) then 'plain' \
           when not o.relhasindex and not c.relhasindex and o.relpersistence = c.relpersistence \
             and pg_relation_size(c.oid) + pg_relation_size(o.oid) <= {SMALL} and {} = {} \
             and not exists (select from pg_catalog.pg_constraint k where k.conrelid = o.oid) then 'fill' else 'look' end \
         from pg_catalog.pg_class c, pg_catalog.pg_class o where c.oid = to_regclass($1) and o.oid = to_regclass($2)",
        column_shapes("o"),
        column_shapes("c")
    );
    let rows = pg.ask(&asked, &[&old.relation.render(DIALECT), &swap.candidate.render(DIALECT)])?;
    Ok(match rows.into_iter().flatten().next().as_deref() {
        Some("fill") => ReplaceMethod::RefillRows,
        Some("plain") => ReplaceMethod::Rename,
        _ => ReplaceMethod::Undecided,
    })
}

/// The names and types of a relation's columns, in order.
fn column_shapes(relation: &str) -> String {
    format!(
        "(select array_agg((a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull)::text order by a.attnum) \
          from pg_catalog.pg_attribute a where a.attrelid = {relation}.oid and a.attnum > 0 and not a.attisdropped)"
    )
}

/// Replaces the rows of a table that has the same columns as its candidate.
pub(super) fn refill_table(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
) -> Result<(), EngineError> {
    let (name, candidate) = (old.relation.render(DIALECT), swap.candidate.render(DIALECT));
    script.lock(&[format!("lock table {name} in share row exclusive mode")], &[&old.relation])?;
    let statements = [
        format!("delete from only {name}"),
        format!("insert into {name} select * from {candidate}"),
        format!("drop table {candidate}"),
    ];
    script.attempt_last(&statements)?.map_or(Ok(()), Err)
}

/// Replaces the rows of a table, or the query of a view. `why` is the reason why no other relation
/// can take its place.
pub(super) fn replace_in_place(
    script: &mut Script<'_>,
    swap: &Publication<'_>,
    old: &ExistingRelation,
    keys: &[ForeignKey],
    why: &str,
) -> Result<(), EngineError> {
    match (old.kind, swap.kind) {
        (RelationKind::Table, RelationKind::Table) => {}
        (RelationKind::View, RelationKind::View) => {
            return match redefine_view(script, swap, old)? {
                None => Ok(()),
                Some(e) if e.kind == EngineErrorKind::Sql => {
                    Err(refused(why, "the view's columns differ"))
                }
                Some(e) => Err(e),
            };
        }
        _ => return Err(refused(why, "a view cannot become a table in place, nor a table a view")),
    }
    let Some(columns) = fitting_columns(script.pg, swap, old)? else {
        return Err(refused(why, "the columns differ, so that rows cannot be replaced in place"));
    };
    let (name, candidate) = (old.relation.render(DIALECT), swap.candidate.render(DIALECT));
    let columns: Vec<String> = columns.iter().map(|c| DIALECT.quoted(&c.name)).collect();
    let columns = columns.join(", ");
    let (drop_indexes, add_indexes) = indexes_like(script.pg, &old.relation, swap.candidate)?;
    let constraints = constraints_like(script.pg, &old.relation, swap.candidate)?;
    let persistence = persistence_like(script.pg, &old.relation, swap.candidate)?;
    // The rows of a partitioned table are in its partitions.
    let kind = script.pg.texts(&format!(
        "select case when relkind = 'p' then '' else 'only ' end from pg_catalog.pg_class where oid = {}",
        oid_of(&old.relation)
    ))?;
    let only = kind.into_iter().flatten().next().unwrap_or_default();
    script.lock(&[format!("lock table {name} in share row exclusive mode")], &[&old.relation])?;
    script.wait_longer()?;
    // Rows hidden by a policy would remain among the new ones; this setting turns that into an
    // error.
    script.run("set local row_security = off")?;
    script.all(keys.iter().map(|k| &k.drop))?;
    script.run(&format!("delete from {only}{name}"))?;
    script.run(&format!("insert into {name} ({columns}) select {columns} from {candidate}"))?;
    keys.iter().try_for_each(|k| add_key(script, swap, k))?;
    script.run(&format!("drop table {candidate}"))?;
    // The properties that a table has independently of its rows.
    script.all(drop_indexes.iter().chain(&add_indexes).chain(&constraints).chain(&persistence))
}

fn refused(why: &str, but: &str) -> EngineError {
    let mut e = EngineError::new(
        EngineErrorKind::Runtime,
        format!("nothing was published: {why}, and {but}"),
    );
    e.hint = Some("drop what is in the way, or make it part of the project".to_owned());
    e
}
