//! Queries of `pg_catalog` for existing relations. `information_schema` hides relations on which
//! the user has no rights, and materialized views.

use crate::engine::postgres::DIALECT;
use crate::engine::{Dialect, Relation};

/// The kind of a relation with rows, as `RelationKind` spells it.
const KIND: &str =
    "case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end";

/// Separates the names in a list that is passed as one text.
pub(super) const SEPARATOR: &str = "\u{1f}";

/// Selects (relation, kind, column, type, oid) for the schema $1, or only for those of its
/// relations that the list $2 names. Column and type are null for a relation without columns. The
/// oid is null for views, which are recreated whenever a table below them is.
pub(super) fn list_relations_sql(named: bool) -> String {
    let these =
        if named { "and c.relname = any(string_to_array($2, e'\\x1f')::name[]) " } else { "" };
    format!(
        "select c.relname::text, {KIND}, a.attname::text, format_type(a.atttypid, a.atttypmod), \
         case when c.relkind <> 'v' then c.oid::text end from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
         where n.nspname = $1 and c.relkind in ('r', 'p', 'f', 'v', 'm') {these}order by c.relname, a.attnum"
    )
}

/// Selects the names of those relations in the schema $1 that are partitions or heirs of another, or
/// belong to an extension.
pub(super) const PARTS: &str = "select c.relname::text from pg_catalog.pg_class c \
     join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 \
     and (exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid) or exists (select from pg_catalog.pg_depend d \
     where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))";

/// Selects (name, definition) of the functions in the schema $1. Functions of one name count
/// together. What an aggregate is made of cannot be asked for, so that its oid stands for it.
pub(super) const FUNCTIONS: &str = "select p.proname::text, md5(string_agg(case p.prokind when 'a' then p.oid::text \
     else pg_get_functiondef(p.oid) end, ' ' order by p.oid)) from pg_catalog.pg_proc p \
     join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = $1 and p.prokind in ('f', 'p', 'a') \
     group by p.proname order by p.proname";

/// Selects (column, type) of the relation $1; no rows if it does not exist. A name without a schema
/// is looked up as in a query, so that temporary tables are found.
pub(super) const COLUMNS: &str = "select a.attname::text, format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a \
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum";

/// Selects the oid of a table; no rows for views and for what does not exist.
pub(super) fn select_oid_sql(relation: &Relation) -> String {
    let name = Dialect::literal(&relation.render(DIALECT));
    format!(
        "select oid::text from pg_catalog.pg_class where oid = to_regclass({name}) and relkind <> 'v'"
    )
}

/// Selects the number of rows and their fingerprint. Values count as they are printed, which is
/// exact for all types.
pub(super) fn fingerprint_rows_sql(relation: &Relation) -> String {
    let name = relation.render(DIALECT);
    let (first, second) = (sum_hashes(0), sum_hashes(1));
    format!("select count(*)::text, {first} || ':' || {second} from {name} as strata_row")
}

fn sum_hashes(seed: u8) -> String {
    format!("coalesce(sum(hashtextextended(strata_row::text, {seed})::numeric), 0)::text")
}

pub(super) const SCHEMAS: &str =
    "select current_database()::text, nspname::text from pg_catalog.pg_namespace";

/// Selects the sessions that hold a lock on a relation, each as one text.
pub(super) fn select_lock_holders_sql(relation: &Relation) -> String {
    format!(
        "select distinct 'process ' || a.pid || ' of ' || coalesce(a.usename::text, '?') || \
         coalesce(' (' || nullif(a.application_name, '') || ')', '') || ', ' || coalesce(a.state, '?') || \
         coalesce(' for ' || extract(epoch from date_trunc('second', now() - a.xact_start))::bigint || ' s', '') || \
         ': ' || left(regexp_replace(a.query, '\\s+', ' ', 'g'), 200) \
         from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid \
         where l.relation = to_regclass({})::oid and l.granted and l.pid <> pg_backend_pid() order by 1",
        Dialect::literal(&relation.render(DIALECT))
    )
}
