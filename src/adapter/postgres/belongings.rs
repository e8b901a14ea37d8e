//! Reads what belongs to a relation (grants, triggers, policies, indexes and so on) from the
//! catalog, as statements that give it to the relation's successor.

use super::{Postgres, oid_of};
use crate::engine::postgres::DIALECT;
use crate::engine::{Dialect, EngineError, Publication, Relation};

/// The comment that marks constraints of a contract. The contract alone decides which of these
/// stay, while constraints that users created are carried over.
const OF_CONTRACT: &str = "from the contract";

/// A regular expression for the names that dbt and Strata give to indexes of the config `indexes`.
/// The config alone decides which of these stay.
const OF_CONFIG: &str = "^[0-9a-f]{32}$";

/// A property of the old relation that the new one gets.
#[derive(Clone)]
pub(super) struct AttachedObject {
    /// The position in the order of statements, so that each runs after the ones that it needs.
    statement_order: u8,
    /// A description for messages.
    pub(super) description: String,
    pub(super) statement: String,
    /// The reason why the building role cannot give it to the new relation; `None` if it can.
    pub(super) obstacle: Option<String>,
}

impl AttachedObject {
    /// Parses a row (place, what, statement, reason why not); an empty reason means that it can be
    /// given.
    fn from_row([place, what, statement, cannot]: [String; 4]) -> AttachedObject {
        AttachedObject {
            statement_order: place.parse().unwrap_or_default(),
            description: what,
            statement,
            obstacle: (!cannot.is_empty()).then_some(cannot),
        }
    }

    /// Whether a view can have it too: an owner, grants, comments.
    pub(super) fn is_for_all_kinds(&self) -> bool {
        matches!(self.statement_order, 0..=2 | 18 | 19)
    }

    /// Whether hooks of the project may create the same thing. If so, it is given only after the
    /// hooks have run.
    pub(super) fn waits_for_hooks(&self) -> bool {
        matches!(self.statement_order, 3 | 4 | 6 | 9 | 13..=17 | 22..=24)
    }

    /// The statement without the name of what it creates, because hooks may create the same thing
    /// under another name.
    pub(super) fn shape(&self) -> String {
        let name = self.description.rsplit(' ').next().unwrap_or_default();
        let quoted = format!(" {} ", DIALECT.quoted(name));
        self.statement.replacen(&quoted, " ", 1).replacen(&format!(" {name} "), " ", 1)
    }

    /// Whether its loss would be noticed too late if a view replaced the table: triggers, policies,
    /// constraints and the like.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self.statement_order, 3 | 4 | 6..=9 | 13..=17)
    }
}

/// A condition: relation `c` has more than rows, columns and the indexes of its config.
pub(super) fn has_attached_objects_sql() -> String {
    format!(
        "(c.relacl is not null or c.relhastriggers or c.reloptions is not null or c.relrowsecurity or c.relispartition \
     or c.relhassubclass or c.relkind = 'p' or c.relkind = 'r' and (c.relhasrules or c.relreplident <> 'd') \
     or pg_get_userbyid(c.relowner) <> current_user \
     or exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
       and (a.attacl is not null or a.attoptions is not null or a.attnotnull or a.atthasdef or a.attidentity <> '' \
         or coalesce(a.attstattarget, -1) <> -1 or a.attcompression in ('p', 'l') \
         or a.attstorage <> (select t.typstorage from pg_catalog.pg_type t where t.oid = a.atttypid))) \
     or exists (select from pg_catalog.pg_description d where d.objoid = c.oid and d.classoid = 'pg_class'::regclass) \
     or exists (select from pg_catalog.pg_constraint k where k.conrelid = c.oid) \
     or exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid) \
     or exists (select from pg_catalog.pg_publication_rel p where p.prrelid = c.oid) \
     or exists (select from pg_catalog.pg_statistic_ext s where s.stxrelid = c.oid) \
     or exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid) \
     or exists (select from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid \
       where i.indrelid = c.oid and x.relname !~ '{OF_CONFIG}'))"
    )
}

/// Selects the grants on a relation, and on those of its columns that `new` has, as rows (place,
/// what, statement).
pub(super) fn select_grants_sql(oid: &str, new: &str) -> String {
    let to = "case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, \
              case when a.is_grantable then ' with grant option' else '' end";
    format!(
        "select 1 as place, 'a grant' as what, \
                format('grant %s on %I.%I to %s%s', a.privilege_type, n.nspname, c.relname, {to}) as statement \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a \
         where c.oid = {oid} and a.grantee <> c.relowner \
         union all select 2, 'a grant on the column ' || t.attname, \
                format('grant %s (%I) on %I.%I to %s%s', a.privilege_type, t.attname, n.nspname, c.relname, {to}) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a \
         where c.oid = {oid} and not t.attisdropped and exists (select from pg_catalog.pg_attribute o \
           where o.attrelid = {new} and o.attname = t.attname and not o.attisdropped)"
    )
}

/// Selects the triggers that users created, and whether they are enabled.
pub(super) fn select_triggers_sql(oid: &str) -> String {
    format!(
        "select 3, 'the trigger ' || t.tgname, pg_get_triggerdef(t.oid) \
         from pg_catalog.pg_trigger t where t.tgrelid = {oid} and not t.tgisinternal \
         union all select 4, 'the trigger ' || t.tgname, format('alter table %I.%I %s trigger %I', n.nspname, c.relname, \
                case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end, t.tgname) \
         from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where t.tgrelid = {oid} and not t.tgisinternal and t.tgenabled <> 'O'"
    )
}

/// Reads what belongs to the old relation and has to be given to the new one.
pub(super) fn read_attached_objects(
    pg: &mut Postgres,
    old: &Relation,
    swap: &Publication<'_>,
) -> Result<Vec<AttachedObject>, EngineError> {
    let (oid, new) = (oid_of(old), oid_of(swap.candidate));
    let table =
        "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace";
    // Row filters and column lists of publications exist since version 15.
    let version = pg.texts("show server_version_num")?.into_iter().flatten().next();
    let published = if version.and_then(|v| v.parse::<i64>().ok()).unwrap_or(0) >= 150_000 {
        "coalesce((select ' (' || string_agg(quote_ident(a.attname), ', ') || ')' from pg_catalog.pg_attribute a \
          where a.attrelid = c.oid and a.attnum = any(r.prattrs::int2[])), ''), \
         coalesce(' where (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')"
    } else {
        "'', ''"
    };
    let sql = format!(
        "select place::text, what, statement, case \
             when what like 'the publication %' and not exists (select from pg_catalog.pg_publication p \
               where 'the publication ' || p.pubname = what and pg_has_role(p.pubowner, 'usage')) then 'owned by another role' \
             when what = 'the owner' and not (select has_schema_privilege(c.relowner, c.relnamespace, 'create') \
               from pg_catalog.pg_class c where c.oid = {oid}) then 'it may not create in the schema' \
             else '' end \
         from ({grants} union all {triggers} \
         union all select 0, 'the owner', format('alter table %I.%I owner to %I', n.nspname, c.relname, pg_get_userbyid(c.relowner)) \
         {table} where c.oid = {oid} and pg_get_userbyid(c.relowner) <> current_user \
         union all select 5, 'an option', format('alter table %I.%I set (%s)', n.nspname, c.relname, array_to_string(c.reloptions, ', ')) \
         {table} where c.oid = {oid} and c.relkind = 'r' and c.reloptions is not null \
         union all select 6, 'the policy ' || p.polname, \
                format('create policy %I on %I.%I as %s for %s to %s%s%s', p.polname, n.nspname, c.relname, \
                case when p.polpermissive then 'permissive' else 'restrictive' end, \
                case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end, \
                (select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ') from unnest(p.polroles) r), \
                coalesce(' using (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''), \
                coalesce(' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')) \
         {table} join pg_catalog.pg_policy p on p.polrelid = c.oid where c.oid = {oid} \
         union all select 7, 'row-level security', format('alter table %I.%I enable row level security', n.nspname, c.relname) \
         {table} where c.oid = {oid} and c.relrowsecurity \
         union all select 8, 'row-level security', format('alter table %I.%I force row level security', n.nspname, c.relname) \
         {table} where c.oid = {oid} and c.relforcerowsecurity \
         union all select 9, 'the publication ' || p.pubname, \
                format('alter publication %I add table %I.%I%s%s', p.pubname, n.nspname, c.relname, {published}) \
         {table} join pg_catalog.pg_publication_rel r on r.prrelid = c.oid join pg_catalog.pg_publication p on p.oid = r.prpubid \
         where c.oid = {oid} \
         union all select 22, 'the replica identity', format('alter table %I.%I replica identity %s', n.nspname, c.relname, \
                case when c.relreplident = 'n' then 'nothing' else coalesce((select 'using index ' || quote_ident(replace(x.relname, '__dbt_tmp', '')) \
                  from pg_catalog.pg_index o join pg_catalog.pg_index i on i.indrelid = {new} and i.indisunique \
                  join pg_catalog.pg_class x on x.oid = i.indexrelid \
                  where c.relreplident = 'i' and o.indrelid = c.oid and o.indisreplident and {was} = {is} \
                    and i.indimmediate and i.indpred is null and i.indexprs is null \
                    and not exists (select from pg_catalog.pg_attribute a where a.attrelid = i.indrelid \
                      and a.attnum = any(i.indkey::int2[]) and not a.attnotnull) limit 1), {identity}, 'full') end) \
         {table} where c.oid = {oid} and c.relkind = 'r' and c.relreplident <> 'd' \
         union all {made_by_hand} union all {said_by_hand}) all_of order by all_of.place, what",
        made_by_hand = made_by_hand(&oid, &new, swap.kind.sql()),
        said_by_hand = said_by_hand(&oid, &new),
        grants = select_grants_sql(&oid, &new),
        triggers = select_triggers_sql(&oid),
        identity = identity_by_hand(),
        was = index_columns("o"),
        is = index_columns("i"),
    );
    let rows = pg.texts(&sql)?.into_iter().filter_map(|r| <[String; 4]>::try_from(r).ok());
    Ok(rows.map(AttachedObject::from_row).collect())
}

/// Selects the index, created by a user, that is the replica identity of `c`; the new relation gets
/// it too.
fn identity_by_hand() -> String {
    format!(
        "(select 'using index ' || quote_ident(x.relname) from pg_catalog.pg_index h \
          join pg_catalog.pg_class x on x.oid = h.indexrelid left join pg_catalog.pg_constraint k on k.conindid = h.indexrelid \
          where h.indrelid = c.oid and h.indisreplident and (k.oid is null and x.relname !~ '{OF_CONFIG}' \
            or k.oid is not null and obj_description(k.oid, 'pg_constraint') is distinct from '{OF_CONTRACT}') limit 1)"
    )
}

/// Selects comments on objects that users created, storage and compression of columns, and the
/// index for `cluster`. Rows are (place, what, statement).
fn said_by_hand(oid: &str, new: &str) -> String {
    let of_table = "join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid =";
    format!(
        "select 24, 'the comment on the constraint ' || k.conname, \
                format('comment on constraint %I on %I.%I is %L', k.conname, n.nspname, c.relname, d.description) \
         from pg_catalog.pg_class c join pg_catalog.pg_constraint k on k.conrelid = c.oid {of_constraint} \
         {of_table} {oid} and d.description <> '{OF_CONTRACT}' \
         union all select 24, 'the comment on the trigger ' || t.tgname, \
                format('comment on trigger %I on %I.%I is %L', t.tgname, n.nspname, c.relname, d.description) \
         from pg_catalog.pg_class c join pg_catalog.pg_trigger t on t.tgrelid = c.oid {of_trigger} {of_table} {oid} \
         union all select 24, 'the comment on the policy ' || p.polname, \
                format('comment on policy %I on %I.%I is %L', p.polname, n.nspname, c.relname, d.description) \
         from pg_catalog.pg_class c join pg_catalog.pg_policy p on p.polrelid = c.oid {of_policy} {of_table} {oid} \
         union all select 24, 'the comment on the statistics ' || s.stxname, \
                format('comment on statistics %I.%I is %L', n.nspname, s.stxname, d.description) \
         from pg_catalog.pg_statistic_ext s join pg_catalog.pg_namespace n on n.oid = s.stxnamespace {of_statistics} \
         where s.stxrelid = {oid} \
         union all select 24, 'the comment on the index ' || x.relname, \
                format('comment on index %I.%I is %L', n.nspname, x.relname, d.description) \
         from pg_catalog.pg_class c join pg_catalog.pg_index i on i.indrelid = c.oid \
         join pg_catalog.pg_class x on x.oid = i.indexrelid and x.relname !~ '{OF_CONFIG}' {of_index} {of_table} {oid} \
         union all select 23, 'the order of its rows', \
                format('alter table %I.%I cluster on %I', n.nspname, c.relname, x.relname) \
         from pg_catalog.pg_class c join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisclustered \
         join pg_catalog.pg_class x on x.oid = i.indexrelid and x.relname !~ '{OF_CONFIG}' {of_table} {oid} \
         union all select 20, 'the storage of ' || a.attname, format('alter table %I.%I alter %I set storage %s', \
                n.nspname, c.relname, a.attname, case a.attstorage when 'p' then 'plain' when 'e' then 'external' \
                when 'm' then 'main' else 'extended' end) \
         from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
         join pg_catalog.pg_attribute o on o.attrelid = {new} and o.attname = a.attname and o.atttypid = a.atttypid \
           and o.attstorage <> a.attstorage {of_table} {oid} and c.relkind = 'r' \
         union all select 20, 'the compression of ' || a.attname, format('alter table %I.%I alter %I set compression %s', \
                n.nspname, c.relname, a.attname, case a.attcompression when 'p' then 'pglz' else 'lz4' end) \
         from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
         join pg_catalog.pg_attribute o on o.attrelid = {new} and o.attname = a.attname and o.atttypid = a.atttypid \
           and o.attcompression <> a.attcompression {of_table} {oid} and c.relkind = 'r' and a.attcompression in ('p', 'l')",
        of_constraint = join_comment("pg_constraint", "k"),
        of_trigger = join_comment("pg_trigger", "t"),
        of_policy = join_comment("pg_policy", "p"),
        of_statistics = join_comment("pg_statistic_ext", "s"),
        of_index = join_comment("pg_class", "x"),
    )
}

/// Joins the comment on an object of a catalog table as `d`; objects without a comment are left
/// out.
fn join_comment(class: &str, object: &str) -> String {
    format!(
        "join pg_catalog.pg_description d on d.objoid = {object}.oid and d.classoid = '{class}'::regclass and d.objsubid = 0"
    )
}

/// The shapes of everything on a table that users can create.
pub(super) fn read_shapes(
    pg: &mut Postgres,
    relation: &Relation,
) -> Result<Vec<String>, EngineError> {
    let sql = format!(
        "select place::text, what, statement from ({}) all_of",
        made_by_hand(&oid_of(relation), "0", "table")
    );
    let rows = pg.texts(&sql)?.into_iter().filter_map(|r| <[String; 3]>::try_from(r).ok());
    Ok(rows
        .map(|[place, what, statement]| [place, what, statement, String::new()])
        .map(|row| AttachedObject::from_row(row).shape())
        .collect())
}

/// Selects what users created on a table: defaults, constraints, statistics, rules, indexes,
/// comments. Rows are (place, what, statement).
fn made_by_hand(oid: &str, new: &str, kind: &str) -> String {
    let place =
        "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace";
    let columns = format!(
        "{place} join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
         join pg_catalog.pg_attribute o on o.attrelid = {new} and o.attname = a.attname and not o.attisdropped"
    );
    // If a contract is enforced, it alone decides which columns are not null.
    let contract = format!(
        "exists (select from pg_catalog.pg_constraint k where k.conrelid = {new}) or exists (select from \
         pg_catalog.pg_attribute x where x.attrelid = {new} and x.attnum > 0 and x.attnotnull)"
    );
    let column = "n.nspname, c.relname, a.attname";
    let (was, is) = (index_text("i"), index_text("o"));
    format!(
        "select 11 as place, 'the default of ' || a.attname as what, format('alter table %I.%I alter %I set default %s', {column}, \
                pg_get_expr(d.adbin, d.adrelid)) as statement \
         {columns} join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum \
         where c.oid = {oid} and c.relkind = 'r' and a.attgenerated = '' and not o.atthasdef \
         union all select 12, 'the not null of ' || a.attname, format('alter table %I.%I alter %I set not null', {column}) \
         {columns} where c.oid = {oid} and c.relkind = 'r' and a.attnotnull and not ({contract}) \
         union all select case k.contype when 'f' then 14 else 13 end, 'the constraint ' || k.conname, \
                format('alter table %I.%I add constraint %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) \
         {place} join pg_catalog.pg_constraint k on k.conrelid = c.oid \
         where c.oid = {oid} and k.contype in ('c', 'u', 'p', 'x', 'f') and k.coninhcount = 0 \
           and obj_description(k.oid, 'pg_constraint') is distinct from '{OF_CONTRACT}' \
           and not exists (select from pg_catalog.pg_constraint o \
             where o.conrelid = {new} and pg_get_constraintdef(o.oid) = pg_get_constraintdef(k.oid)) \
         union all select 15, 'the statistics ' || s.stxname, pg_get_statisticsobjdef(s.oid) \
         from pg_catalog.pg_statistic_ext s where s.stxrelid = {oid} \
         union all select 16, 'the rule ' || r.rulename, pg_get_ruledef(r.oid) \
         from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class \
         where c.oid = {oid} and c.relkind = 'r' \
         union all select 17, 'the index ' || x.relname, pg_get_indexdef(i.indexrelid) \
         from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid \
         join pg_catalog.pg_class c on c.oid = i.indrelid \
         where c.oid = {oid} and c.relkind = 'r' and x.relname !~ '{OF_CONFIG}' \
           and not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid) \
           and not exists (select from pg_catalog.pg_index o where o.indrelid = {new} and {was} = {is}) \
         union all select 18, 'a comment', format('comment on {kind} %I.%I is %L', n.nspname, c.relname, d.description) \
         {place} join pg_catalog.pg_description d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0 \
         where c.oid = {oid} and obj_description({new}, 'pg_class') is null \
         union all select 19, 'the comment on ' || a.attname, format('comment on column %I.%I.%I is %L', {column}, \
                col_description(c.oid, a.attnum)) \
         {columns} where c.oid = {oid} and col_description(c.oid, a.attnum) is not null \
           and col_description({new}, o.attnum) is null \
         union all select 20, 'the statistics target of ' || a.attname, \
                format('alter table %I.%I alter %I set statistics %s', {column}, a.attstattarget) \
         {columns} where c.oid = {oid} and c.relkind = 'r' and coalesce(a.attstattarget, -1) <> -1 \
         union all select 21, 'an option of ' || a.attname, \
                format('alter table %I.%I alter %I set (%s)', {column}, array_to_string(a.attoptions, ', ')) \
         {columns} where c.oid = {oid} and c.relkind = 'r' and a.attoptions is not null"
    )
}

/// An SQL expression for everything about an index but its name and its table.
fn index_text(index: &str) -> String {
    format!("({index}.indisunique, {})", index_definition(index))
}

/// An SQL expression for the method, columns and condition of an index, regardless of its name, its
/// table and its uniqueness.
fn index_definition(index: &str) -> String {
    format!("regexp_replace(pg_get_indexdef({index}.indexrelid), '^.*? USING ', '')")
}

/// The names of an index's columns in order; expressions are left out.
fn index_columns(index: &str) -> String {
    format!(
        "(select array_agg(a.attname order by k.place) from unnest({index}.indkey::int2[]) with ordinality k(attnum, place) \
          join pg_catalog.pg_attribute a on a.attrelid = {index}.indrelid and a.attnum = k.attnum)"
    )
}

/// The reasons why no other relation can replace this one, such as partitions and sequences, as
/// (what, why).
pub(super) fn find_ties(
    pg: &mut Postgres,
    relation: &Relation,
) -> Result<Vec<[String; 2]>, EngineError> {
    let (oid, kept) = (oid_of(relation), "only rows can be replaced there");
    let rows = pg.texts(&format!(
        "select case when c.relispartition then 'its place in the partitioned table ' else 'its parent ' end \
                || i.inhparent::regclass::text, '{kept}' \
         from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid where i.inhrelid = {oid} \
         union all select 'its partitions', '{kept}' from pg_catalog.pg_class c where c.oid = {oid} and c.relkind = 'p' \
         union all select 'its heir ' || i.inhrelid::regclass::text, '{kept}' \
         from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhparent \
         where i.inhparent = {oid} and c.relkind = 'r' \
         union all select 'the sequence of ' || a.attname, 'it belongs to the table' from pg_catalog.pg_depend d \
         join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S' \
         join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid \
         where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = {oid} \
           and d.deptype in ('a', 'i') \
         union all select 'how ' || a.attname || ' is generated', 'it belongs to the table' from pg_catalog.pg_attribute a \
         where a.attrelid = {oid} and a.attgenerated <> '' order by 1"
    ))?;
    Ok(rows.into_iter().filter_map(|r| <[String; 2]>::try_from(r).ok()).collect())
}

/// The statements that give a table the indexes of another one: those that drop indexes of the
/// config which only the table has, and those that create the missing ones. Indexes of constraints
/// and indexes that users created are not dropped.
pub(super) fn indexes_like(
    pg: &mut Postgres,
    table: &Relation,
    other: &Relation,
) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let (own, wanted) = (read_indexes(pg, table)?, read_indexes(pg, other)?);
    let schema = DIALECT.quoted(table.schema().unwrap_or("public"));
    let drop = (own.iter())
        .filter(|i| i[3] == "true" && !has_index(&wanted, i))
        .map(|i| format!("drop index {schema}.{}", DIALECT.quoted(&i[0])));
    let add = wanted.iter().filter(|i| !has_index(&own, i)).map(|[name, unique, rest, _]| {
        format!(
            "create {unique}index {} on {} using {rest}",
            DIALECT.quoted(name),
            table.render(DIALECT)
        )
    });
    Ok((drop.collect(), add.collect()))
}

/// The indexes of a table that belong to no constraint, sorted by name, as rows (name, `unique ` or
/// empty, definition, `true` for an index of the config).
fn read_indexes(pg: &mut Postgres, table: &Relation) -> Result<Vec<[String; 4]>, EngineError> {
    let rows = pg.texts(&format!(
        "select c.relname, case when i.indisunique then 'unique ' else '' end, \
                {}, (c.relname ~ '{OF_CONFIG}')::text \
         from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid \
         where i.indrelid = {} and not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid) \
         order by 1",
        index_definition("i"),
        oid_of(table)
    ))?;
    Ok(rows.into_iter().filter_map(|r| <[String; 4]>::try_from(r).ok()).collect())
}

/// Whether one of the indexes equals this one, regardless of names.
fn has_index(indexes: &[[String; 4]], index: &[String; 4]) -> bool {
    indexes.iter().any(|i| i[1..3] == index[1..3])
}

/// The statement that makes a table `logged` or `unlogged` like another one; `None` if it already
/// is.
pub(super) fn persistence_like(
    pg: &mut Postgres,
    table: &Relation,
    other: &Relation,
) -> Result<Option<String>, EngineError> {
    let rows = pg.texts(&format!(
        "select format('alter table %s set %s', {}, case n.relpersistence when 'u' then 'unlogged' else 'logged' end) \
         from pg_catalog.pg_class o, pg_catalog.pg_class n \
         where o.oid = {} and n.oid = {} and o.relpersistence <> n.relpersistence",
        Dialect::literal(&table.render(DIALECT)),
        oid_of(table),
        oid_of(other)
    ))?;
    Ok(rows.into_iter().flatten().next())
}

/// The statements that give a table the contract constraints of another one, and drop those that
/// the other one lacks.
pub(super) fn constraints_like(
    pg: &mut Postgres,
    table: &Relation,
    other: &Relation,
) -> Result<Vec<String>, EngineError> {
    let (name, oid, new) = (Dialect::literal(&table.render(DIALECT)), oid_of(table), oid_of(other));
    let rows = pg.texts(&format!(
        "select format('alter table %s drop constraint %I', {name}, k.conname) from pg_catalog.pg_constraint k \
         where k.conrelid = {oid} and obj_description(k.oid, 'pg_constraint') = '{OF_CONTRACT}' and {lost} \
         union all select format('alter table %1$s add constraint %2$I %3$s; comment on constraint %2$I on %1$s is %4$L', \
                {name}, replace(k.conname, '__dbt_tmp', ''), pg_get_constraintdef(k.oid), '{OF_CONTRACT}') \
         from pg_catalog.pg_constraint k where k.conrelid = {new} and {gained} \
         union all select format('alter table %s alter %I set not null', {name}, a.attname) \
         from pg_catalog.pg_attribute a join pg_catalog.pg_attribute o on o.attrelid = {oid} and o.attname = a.attname \
         where a.attrelid = {new} and a.attnum > 0 and a.attnotnull and not o.attnotnull order by 1 desc",
        lost = lacks_constraint(&new, "k"),
        gained = lacks_constraint(&oid, "k"),
    ))?;
    Ok(rows.into_iter().flatten().collect())
}

fn lacks_constraint(table: &str, constraint: &str) -> String {
    format!(
        "not exists (select from pg_catalog.pg_constraint x where x.conrelid = {table} \
         and pg_get_constraintdef(x.oid) = pg_get_constraintdef({constraint}.oid))"
    )
}

/// The statements that mark the candidate's constraints as those of a contract, and give them their
/// names on the published relation.
pub(super) fn rename_constraints_sql(
    pg: &mut Postgres,
    candidate: &Relation,
) -> Result<Vec<String>, EngineError> {
    let rows = pg.texts(&format!(
        "select format('alter table %I.%I rename constraint %I to %I', n.nspname, c.relname, k.conname, \
                replace(k.conname, '__dbt_tmp', '')) \
         from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where k.conrelid = {oid} and position('__dbt_tmp' in k.conname) > 0 \
         union all select format('comment on constraint %I on %I.%I is %L', k.conname, n.nspname, c.relname, '{OF_CONTRACT}') \
         from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace where k.conrelid = {oid} order by 1 desc",
        oid = oid_of(candidate)
    ))?;
    Ok(rows.into_iter().flatten().collect())
}
