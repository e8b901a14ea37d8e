//! What belongs to a relation and what depends on it, read from the catalog as statements that make it again.

use super::Postgres;
use crate::engine::{EngineError, Swap};
use crate::manifest::{Dialect, Relation, RelationKind};

const DIALECT: Dialect = Dialect::POSTGRES;

/// Something that reads a relation.
pub(super) struct Dependent {
    pub(super) relation: Relation,
    pub(super) kind: RelationKind,
    /// How to make it again; or why that cannot be done.
    pub(super) definition: Result<String, String>,
    /// Locks it and nothing that it reads, changing nothing.
    pub(super) lock: String,
    /// Statements that give it back its owner, grants, comments and triggers.
    pub(super) restore: Vec<String>,
}

/// A foreign key of another table that points to the relation.
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) child: Relation,
    pub(super) drop: String,
    pub(super) add: String,
}

/// Something of the old relation that the new one gets.
pub(super) struct Belonging {
    /// In words, for messages.
    pub(super) what: String,
    pub(super) statement: String,
    /// Why the building role may not give it to the new one.
    pub(super) cannot: Option<String>,
}

impl Belonging {
    pub(super) fn is_for_all_kinds(&self) -> bool {
        self.statement.starts_with("grant ") || self.what == "the owner"
    }
}

fn oid_of(relation: &Relation) -> String {
    format!("to_regclass({})", Dialect::literal(&relation.render(DIALECT)))
}

/// Views on the relation, and on those, each behind what it reads.
pub(super) fn dependents(pg: &mut Postgres, relation: &Relation) -> Result<Vec<Dependent>, EngineError> {
    let rows = pg.texts(&format!(
        "with recursive reads as ( \
           select d.refobjid as base, r.ev_class as reader from pg_catalog.pg_depend d \
           join pg_catalog.pg_rewrite r on r.oid = d.objid \
           where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and r.ev_class <> d.refobjid), \
         found(oid, depth) as ( \
           select reader, 1 from reads where base = {root} \
           union select reads.reader, found.depth + 1 from found join reads on reads.base = found.oid) \
         select n.nspname, c.relname, format('create view %I.%I%s as %s', n.nspname, c.relname, \
                  coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''), pg_get_viewdef(c.oid)), \
                quote_ident(pg_get_userbyid(c.relowner)), c.oid, c.relkind, \
                pg_get_userbyid(c.relowner) = current_user, \
                case when c.relkind = 'm' then 'a materialized view' when c.relkind <> 'v' then 'a rule on a table' \
                  when c.relpersistence = 't' then 'a temporary view of another session' \
                  when not pg_has_role(c.relowner, 'usage') then 'owned by ' || pg_get_userbyid(c.relowner) \
                  when not has_schema_privilege(c.relowner, c.relnamespace, 'create') \
                    then 'owned by ' || pg_get_userbyid(c.relowner) || ', who may not create in ' || n.nspname \
                  else '' end \
         from (select oid, max(depth) as depth from found group by oid) f \
         join pg_catalog.pg_class c on c.oid = f.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         order by f.depth, n.nspname, c.relname",
        root = oid_of(relation)
    ))?;
    let mut out = Vec::new();
    for row in rows {
        let [schema, name, definition, owner, oid, kind, own, cannot] =
            <[String; 8]>::try_from(row).unwrap_or_default();
        let kind = if kind == "m" { RelationKind::MaterializedView } else { RelationKind::View };
        let path = Relation::new(relation.database(), Some(&schema), &name).with_kind(kind);
        let to_owner = format!("alter {} {} owner to {owner}", kind.sql(), path.render(DIALECT));
        let mut restore = Vec::new();
        if cannot.is_empty() {
            restore.extend((own != "t").then(|| to_owner.clone()));
            restore.extend(pg.texts(&details(&oid))?.into_iter().flatten());
        }
        let definition = if cannot.is_empty() { Ok(definition) } else { Err(cannot) };
        out.push(Dependent { relation: path, kind, definition, lock: to_owner, restore });
    }
    Ok(out)
}

/// Grants of a relation and of those of its columns that `new` has, as rows (place, what, statement).
fn grants(oid: &str, new: &str) -> String {
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

/// Triggers that somebody made, with whether they are on.
fn triggers(oid: &str) -> String {
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

/// What a view loses when it is made again.
fn details(oid: &str) -> String {
    format!(
        "select statement from ({} union all {} \
         union all select 5, '', format('comment on view %I.%I is %L', n.nspname, c.relname, obj_description(c.oid, 'pg_class')) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.oid = {oid} and obj_description(c.oid, 'pg_class') is not null \
         union all select 6, '', format('comment on column %I.%I.%I is %L', n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum)) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 \
         where c.oid = {oid} and col_description(c.oid, a.attnum) is not null \
         union all select 7, '', format('alter view %I.%I alter column %I set default %s', n.nspname, c.relname, a.attname, \
                pg_get_expr(d.adbin, d.adrelid)) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid \
         join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum \
         where c.oid = {oid}) all_of order by place",
        grants(oid, oid),
        triggers(oid)
    )
}

/// What belongs to the old relation and goes on to the new one.
pub(super) fn belongings(pg: &mut Postgres, old: &Relation, swap: &Swap<'_>) -> Result<Vec<Belonging>, EngineError> {
    let (oid, new) = (oid_of(old), oid_of(swap.candidate));
    let table = "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace";
    // Row filters and column lists of publications came with 15.
    let version = pg.texts("show server_version_num")?.into_iter().flatten().next();
    let published = if version.and_then(|v| v.parse::<i64>().ok()).unwrap_or(0) >= 150_000 {
        "coalesce((select ' (' || string_agg(quote_ident(a.attname), ', ') || ')' from pg_catalog.pg_attribute a \
          where a.attrelid = c.oid and a.attnum = any(r.prattrs::int2[])), ''), \
         coalesce(' where (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')"
    } else {
        "'', ''"
    };
    let columns_of = |index: &str| {
        format!(
            "(select array_agg(a.attname order by k.place) from unnest({index}.indkey::int2[]) with ordinality k(attnum, place) \
              join pg_catalog.pg_attribute a on a.attrelid = {index}.indrelid and a.attnum = k.attnum)"
        )
    };
    let sql = format!(
        "select what, statement, case \
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
         union all select 10, 'the replica identity', format('alter table %I.%I replica identity %s', n.nspname, c.relname, \
                case when c.relreplident = 'n' then 'nothing' else coalesce((select 'using index ' || quote_ident(replace(x.relname, '__candidate', '')) \
                  from pg_catalog.pg_index o join pg_catalog.pg_index i on i.indrelid = {new} and i.indisunique \
                  join pg_catalog.pg_class x on x.oid = i.indexrelid \
                  where c.relreplident = 'i' and o.indrelid = c.oid and o.indisreplident and {was} = {is} \
                    and i.indimmediate and i.indpred is null and i.indexprs is null \
                    and not exists (select from pg_catalog.pg_attribute a where a.attrelid = i.indrelid \
                      and a.attnum = any(i.indkey::int2[]) and not a.attnotnull) limit 1), 'full') end) \
         {table} where c.oid = {oid} and c.relkind = 'r' and c.relreplident <> 'd') all_of order by place",
        grants = grants(&oid, &new),
        triggers = triggers(&oid),
        was = columns_of("o"),
        is = columns_of("i"),
    );
    let rows = pg.texts(&sql)?.into_iter().filter_map(|r| <[String; 3]>::try_from(r).ok());
    let one = |[what, statement, cannot]: [String; 3]| Belonging {
        what,
        statement,
        cannot: (!cannot.is_empty()).then_some(cannot),
    };
    Ok(rows.map(one).collect())
}

/// Statements that give a table the indexes of another one: (those that it has alone are dropped, those that it lacks are
/// made). Indexes behind constraints are left alone.
pub(super) fn indexes_like(
    pg: &mut Postgres,
    table: &Relation,
    other: &Relation,
) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let mut of = |relation: &Relation| -> Result<Vec<[String; 3]>, EngineError> {
        let rows = pg.texts(&format!(
            "select c.relname, case when i.indisunique then 'unique ' else '' end, \
                    regexp_replace(pg_get_indexdef(i.indexrelid), '^.*? USING ', '') \
             from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid \
             where i.indrelid = {} and not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid) \
             order by 1",
            oid_of(relation)
        ))?;
        Ok(rows.into_iter().filter_map(|r| <[String; 3]>::try_from(r).ok()).collect())
    };
    let (own, wanted) = (of(table)?, of(other)?);
    let has = |list: &[[String; 3]], index: &[String; 3]| list.iter().any(|i| i[1..] == index[1..]);
    let schema = DIALECT.quoted(table.schema().unwrap_or("public"));
    let drop =
        own.iter().filter(|i| !has(&wanted, i)).map(|i| format!("drop index {schema}.{}", DIALECT.quoted(&i[0])));
    let add = wanted.iter().filter(|i| !has(&own, i)).map(|[name, unique, rest]| {
        format!("create {unique}index {} on {} using {rest}", DIALECT.quoted(name), table.render(DIALECT))
    });
    Ok((drop.collect(), add.collect()))
}

/// `set logged` or `set unlogged`, where a table is not as another one.
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

/// Foreign keys of other tables that point to the relation.
pub(super) fn foreign_keys(pg: &mut Postgres, relation: &Relation) -> Result<Vec<ForeignKey>, EngineError> {
    let rows = pg.texts(&format!(
        "select k.conname, n.nspname, c.relname, \
                format('alter table %I.%I drop constraint %I', n.nspname, c.relname, k.conname), \
                format('alter table %I.%I add constraint %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) \
         from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where k.contype = 'f' and k.confrelid = {} and k.conrelid <> k.confrelid and k.conparentid = 0 order by 2, 3, 1",
        oid_of(relation)
    ))?;
    let rows = rows.into_iter().filter_map(|r| <[String; 5]>::try_from(r).ok());
    let one = |[name, schema, table, drop, add]: [String; 5]| ForeignKey {
        name,
        child: Relation::new(relation.database(), Some(&schema), &table),
        drop,
        add,
    };
    Ok(rows.map(one).collect())
}

/// Statements that give the candidate's constraints the names that they have on the published relation.
pub(super) fn renames(pg: &mut Postgres, candidate: &Relation) -> Result<Vec<String>, EngineError> {
    let rows = pg.texts(&format!(
        "select format('alter table %I.%I rename constraint %I to %I', n.nspname, c.relname, k.conname, \
                replace(k.conname, '__candidate', '')) \
         from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where k.conrelid = {} and position('__candidate' in k.conname) > 0 order by 1",
        oid_of(candidate)
    ))?;
    Ok(rows.into_iter().flatten().collect())
}
