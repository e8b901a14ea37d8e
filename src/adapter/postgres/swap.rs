//! A candidate takes the place of the published relation, in one short transaction.
//!
//! Postgres binds views to a table by its number, not by its name: what depends on the old relation is dropped and made
//! again from its definition. What belongs to the old relation (owner, grants, policies, triggers, publications, ...)
//! is read from the catalog as statements and applied to the new one. Where something that depends on it cannot be made
//! again, the rows are replaced in place.

use super::Postgres;
use super::catalog;
use crate::engine::{EngineError, EngineErrorKind, ExistingRelation, Fetch, Swap, Warehouse};
use crate::manifest::{Dialect, Relation, RelationKind};
use crate::source::SqlText;

const DIALECT: Dialect = Dialect::POSTGRES;

/// Something that reads the old relation.
struct Dependent {
    relation: Relation,
    kind: RelationKind,
    /// None: cannot be made again, for the reason given.
    definition: Result<String, String>,
    /// Statements that give it back its owner, grants, comments and triggers.
    restore: Vec<String>,
}

pub(super) fn swap(pg: &mut Postgres, swap: &Swap<'_>) -> Result<Vec<String>, EngineError> {
    let wait = pg.server.lock_wait.as_millis().max(1);
    let mut script = Script { pg, executed: Vec::new() };
    script.run(&format!("set local lock_timeout = {wait}"))?;
    match swap.existing {
        Some(old) => replace(&mut script, swap, old).map_err(|e| blocked(script.pg, swap.published, e))?,
        None => script.rename(swap)?,
    }
    Ok(script.executed)
}

/// Runs statements and remembers them.
struct Script<'a> {
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

    fn rename(&mut self, swap: &Swap<'_>) -> Result<(), EngineError> {
        let (word, name) = (swap.kind.sql(), DIALECT.quoted(swap.published.identifier()));
        self.run(&format!("alter {word} {} rename to {name}", swap.candidate.render(DIALECT)))
    }
}

fn replace(script: &mut Script<'_>, swap: &Swap<'_>, old: &ExistingRelation) -> Result<(), EngineError> {
    let name = old.relation.render(DIALECT);
    if old.kind == RelationKind::Table {
        // Nothing that is read below changes until the end.
        script.run(&format!("lock table {name} in access exclusive mode"))?;
    }
    let dependents = dependents(script.pg, &old.relation)?;
    let cannot: Vec<String> = dependents
        .iter()
        .filter_map(|d| Some(format!("{} ({})", d.relation.short(), d.definition.as_ref().err()?)))
        .collect();
    if !cannot.is_empty() {
        return in_place(script, swap, old, &cannot.join(", "));
    }
    let belongings = belongings(script.pg, &old.relation, swap)?;
    let keys = foreign_keys(script.pg, &old.relation)?;
    script.run("savepoint strata_swap")?;
    let dropped = script
        .all(keys.iter().map(|k| &k.0))
        .and_then(|()| {
            dependents.iter().rev().try_for_each(|d| script.run(&format!("drop view {}", d.relation.render(DIALECT))))
        })
        .and_then(|()| script.run(&format!("drop {} {name}", old.kind.sql())));
    if let Err(e) = dropped {
        if e.code.as_deref() != Some("2BP01") {
            return Err(e);
        }
        // Something that is no view: a function with a body, a column of its row type.
        script.run("rollback to savepoint strata_swap")?;
        let who = e.message.lines().nth(1).and_then(|l| l.split(" depends on ").next()).unwrap_or("something");
        return in_place(script, swap, old, who);
    }
    script.rename(swap)?;
    if swap.kind == RelationKind::Table && old.kind == RelationKind::Table {
        script.all(&belongings)?;
    } else {
        // A view has a table's owner and grants, no policies or publications.
        script.all(belongings.iter().filter(|s| s.starts_with("grant ")))?;
    }
    for dependent in &dependents {
        restore(script, swap, dependent)?;
    }
    keys.iter().try_for_each(|(_, add)| script.run(add)).map_err(|e| unfit("a foreign key that points to it", &e))
}

/// Makes a view again. One that no longer fits holds the swap back, unless this run builds it later.
fn restore(script: &mut Script<'_>, swap: &Swap<'_>, dependent: &Dependent) -> Result<(), EngineError> {
    let Ok(definition) = &dependent.definition else { return Ok(()) };
    script.run("savepoint strata_view")?;
    match script.run(definition) {
        Ok(()) => {
            script.all(&dependent.restore)?;
            script.run("release savepoint strata_view")
        }
        Err(e) if e.kind == EngineErrorKind::Sql => {
            if !(swap.built_later)(&dependent.relation) && !dependent.relation.identifier().ends_with("__rejected") {
                let what = format!("the view {}, which this run does not build", dependent.relation.short());
                return Err(unfit(&what, &e));
            }
            script.run("rollback to savepoint strata_view")
        }
        Err(e) => Err(e),
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

/// Replaces rows (of a table) or the definition (of a view), where the columns allow.
fn in_place(script: &mut Script<'_>, swap: &Swap<'_>, old: &ExistingRelation, cannot: &str) -> Result<(), EngineError> {
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
            let (before, after) = (script.pg.columns(&old.relation)?, script.pg.columns(swap.candidate)?);
            let fits = before.len() == after.len() && before.iter().all(|c| after.contains(c));
            if !fits {
                return Err(refused("the columns differ, so that rows cannot be replaced in place"));
            }
            let columns: Vec<String> = after.iter().map(|c| DIALECT.quoted(&c.name)).collect();
            let columns = columns.join(", ");
            script.run(&format!("delete from {name}"))?;
            script.run(&format!("insert into {name} ({columns}) select {columns} from {candidate}"))?;
            script.run(&format!("drop table {candidate}"))
        }
        (RelationKind::View, RelationKind::View) => {
            let text = format!("select pg_get_viewdef(to_regclass({}))", Dialect::literal(&candidate));
            let definition = script.pg.texts(&text)?.into_iter().flatten().next().unwrap_or_default();
            script.run("savepoint strata_swap")?;
            match script.run(&format!("create or replace view {name} as {definition}")) {
                Ok(()) => script.run(&format!("drop view {candidate}")),
                Err(e) if e.kind == EngineErrorKind::Sql => Err(refused("the view's columns differ")),
                Err(e) => Err(e),
            }
        }
        _ => Err(refused("a view cannot become a table in place, nor a table a view")),
    }
}

/// Says who holds the lock that was not given.
fn blocked(pg: &mut Postgres, relation: &Relation, e: EngineError) -> EngineError {
    if e.kind != EngineErrorKind::Locked {
        return e;
    }
    // The transaction is lost; the question needs a new one.
    let _ = pg.run(&"rollback".into(), Fetch::Nothing);
    let holders: Vec<String> =
        pg.texts(&catalog::holders(relation)).unwrap_or_default().into_iter().flatten().collect();
    let seconds = pg.server.lock_wait.as_secs_f64();
    let mut error = EngineError::new(
        EngineErrorKind::Locked,
        format!("nothing was published: {} is locked, still after {seconds} s (SQLSTATE 55P03)", relation.short()),
    );
    for holder in holders.iter().take(4) {
        error.message.push_str(&format!("\nheld by {holder}"));
    }
    error.code = e.code;
    error.hint = Some("end that session, or wait longer with --lock-timeout SECONDS".to_owned());
    error
}

/// Views on the relation, and on those, each behind what it reads.
fn dependents(pg: &mut Postgres, relation: &Relation) -> Result<Vec<Dependent>, EngineError> {
    let root = Dialect::literal(&relation.render(DIALECT));
    let rows = pg.texts(&format!(
        "with recursive reads as ( \
           select d.refobjid as base, r.ev_class as reader from pg_catalog.pg_depend d \
           join pg_catalog.pg_rewrite r on r.oid = d.objid \
           where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and r.ev_class <> d.refobjid), \
         found(oid, depth) as ( \
           select reader, 1 from reads where base = to_regclass({root}) \
           union select reads.reader, found.depth + 1 from found join reads on reads.base = found.oid) \
         select n.nspname, c.relname, c.relkind, format('create view %I.%I%s as %s', n.nspname, c.relname, \
                  coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''), pg_get_viewdef(c.oid)), \
                pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'usage'), c.oid, \
                c.relowner = (select oid from pg_catalog.pg_roles where rolname = current_user) \
         from (select oid, max(depth) as depth from found group by oid) f \
         join pg_catalog.pg_class c on c.oid = f.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         order by f.depth, n.nspname, c.relname"
    ))?;
    let mut out = Vec::new();
    for row in rows {
        let [schema, name, kind, definition, owner, may, oid, own] = <[String; 8]>::try_from(row).unwrap_or_default();
        let path = Relation::new(relation.database(), Some(&schema), &name);
        let kind = if kind == "v" { RelationKind::View } else { RelationKind::MaterializedView };
        let definition = if kind == RelationKind::MaterializedView {
            Err("a materialized view".to_owned())
        } else if may != "t" {
            Err(format!("owned by {owner}"))
        } else {
            Ok(definition)
        };
        let mut restore = Vec::new();
        if definition.is_ok() {
            if own != "t" {
                restore.push(format!("alter view {} owner to {}", path.render(DIALECT), DIALECT.quoted(&owner)));
            }
            restore.extend(pg.texts(&details(&oid))?.into_iter().flatten());
        }
        out.push(Dependent { relation: path.with_kind(kind), kind, definition, restore });
    }
    debug_assert!(out.iter().all(|d| d.kind == RelationKind::View || d.definition.is_err()));
    Ok(out)
}

/// Grants of a relation and its columns, as statements for the same name.
fn grants(oid: &str) -> String {
    format!(
        "select 1 as place, format('grant %s on %I.%I to %s%s', a.privilege_type, n.nspname, c.relname, \
                case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, \
                case when a.is_grantable then ' with grant option' else '' end) as statement \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a \
         where c.oid = {oid} and a.grantee <> c.relowner \
         union all select 2, format('grant %s (%I) on %I.%I to %s%s', a.privilege_type, t.attname, n.nspname, c.relname, \
                case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end, \
                case when a.is_grantable then ' with grant option' else '' end) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a \
         where c.oid = {oid} and not t.attisdropped"
    )
}

/// Triggers that somebody made, with whether they are on.
fn triggers(oid: &str) -> String {
    format!(
        "select 3, pg_get_triggerdef(t.oid) from pg_catalog.pg_trigger t where t.tgrelid = {oid} and not t.tgisinternal \
         union all select 4, format('alter table %I.%I %s trigger %I', n.nspname, c.relname, \
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
         union all select 5, format('comment on view %I.%I is %L', n.nspname, c.relname, obj_description(c.oid, 'pg_class')) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.oid = {oid} and obj_description(c.oid, 'pg_class') is not null \
         union all select 6, format('comment on column %I.%I.%I is %L', n.nspname, c.relname, a.attname, col_description(c.oid, a.attnum)) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 \
         where c.oid = {oid} and col_description(c.oid, a.attnum) is not null) all_of order by place",
        grants(oid),
        triggers(oid)
    )
}

/// What belongs to the old relation and goes on to the new one.
fn belongings(pg: &mut Postgres, old: &Relation, swap: &Swap<'_>) -> Result<Vec<String>, EngineError> {
    let oid = format!("to_regclass({})", Dialect::literal(&old.render(DIALECT)));
    let new = format!("to_regclass({})", Dialect::literal(&swap.candidate.render(DIALECT)));
    let table = "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace";
    // Row filters and column lists of publications came with 15.
    let version: i64 =
        pg.texts("show server_version_num")?.into_iter().flatten().next().and_then(|v| v.parse().ok()).unwrap_or(0);
    let published = if version >= 150_000 {
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
        "select statement from ({grants} union all {triggers} \
         union all select 0, format('alter table %I.%I owner to %I', n.nspname, c.relname, pg_get_userbyid(c.relowner)) \
         {table} where c.oid = {oid} and pg_get_userbyid(c.relowner) <> current_user \
         union all select 5, format('alter table %I.%I set (%s)', n.nspname, c.relname, array_to_string(c.reloptions, ', ')) \
         {table} where c.oid = {oid} and c.relkind = 'r' and c.reloptions is not null \
         union all select 6, format('create policy %I on %I.%I as %s for %s to %s%s%s', p.polname, n.nspname, c.relname, \
                case when p.polpermissive then 'permissive' else 'restrictive' end, \
                case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end, \
                (select string_agg(case r when 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', ') from unnest(p.polroles) r), \
                coalesce(' using (' || pg_get_expr(p.polqual, p.polrelid) || ')', ''), \
                coalesce(' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')) \
         {table} join pg_catalog.pg_policy p on p.polrelid = c.oid where c.oid = {oid} \
         union all select 7, format('alter table %I.%I enable row level security', n.nspname, c.relname) \
         {table} where c.oid = {oid} and c.relrowsecurity \
         union all select 8, format('alter table %I.%I force row level security', n.nspname, c.relname) \
         {table} where c.oid = {oid} and c.relforcerowsecurity \
         union all select 9, format('alter publication %I add table %I.%I%s%s', p.pubname, n.nspname, c.relname, {published}) \
         {table} join pg_catalog.pg_publication_rel r on r.prrelid = c.oid join pg_catalog.pg_publication p on p.oid = r.prpubid \
         where c.oid = {oid} \
         union all select 10, format('alter table %I.%I replica identity %s', n.nspname, c.relname, \
                case when c.relreplident = 'n' then 'nothing' else coalesce((select 'using index ' || quote_ident(x.relname) \
                  from pg_catalog.pg_index o join pg_catalog.pg_index i on i.indrelid = {new} and i.indisunique \
                  join pg_catalog.pg_class x on x.oid = i.indexrelid \
                  where c.relreplident = 'i' and o.indrelid = c.oid and o.indisreplident and {was} = {is} limit 1), 'full') end) \
         {table} where c.oid = {oid} and c.relkind = 'r' and c.relreplident <> 'd') all_of order by place",
        grants = grants(&oid),
        triggers = triggers(&oid),
        was = columns_of("o"),
        is = columns_of("i"),
    );
    Ok(pg.texts(&sql)?.into_iter().flatten().collect())
}

/// Foreign keys of other tables that point to the relation: how to drop each and how to make it again.
fn foreign_keys(pg: &mut Postgres, relation: &Relation) -> Result<Vec<(String, String)>, EngineError> {
    let rows = pg.texts(&format!(
        "select format('alter table %I.%I drop constraint %I', n.nspname, c.relname, k.conname), \
                format('alter table %I.%I add constraint %I %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)) \
         from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where k.contype = 'f' and k.confrelid = to_regclass({}) and k.conrelid <> k.confrelid and k.conparentid = 0 order by 1",
        Dialect::literal(&relation.render(DIALECT))
    ))?;
    Ok(rows.into_iter().filter_map(|r| <[String; 2]>::try_from(r).ok()).map(|[drop, add]| (drop, add)).collect())
}
