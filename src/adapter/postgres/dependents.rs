//! Reads the dependents of a relation from the catalog, as statements that recreate them.

use super::belongings::{has_attached_objects_sql, select_grants_sql, select_triggers_sql};
use super::{Postgres, oid_of};
use crate::engine::postgres::DIALECT;
use crate::engine::{EngineError, Relation, RelationKind};

/// How a dependent can be recreated.
pub(super) enum Definition {
    /// The statement that creates it.
    Statement(String),
    /// The reason why it cannot be recreated.
    Lost(String),
}

/// A relation that reads another one.
pub(super) struct Dependent {
    pub(super) relation: Relation,
    pub(super) kind: RelationKind,
    pub(super) definition: Definition,
    /// A statement that changes nothing, but locks the dependent without the relations that it
    /// reads.
    pub(super) lock: String,
    /// The statements that restore its owner, grants, comments and triggers.
    pub(super) restore: Vec<String>,
}

impl Dependent {
    pub(super) fn statement(&self) -> Option<&String> {
        match &self.definition {
            Definition::Statement(sql) => Some(sql),
            Definition::Lost(_) => None,
        }
    }

    /// The reason why it cannot be recreated; `None` if it can.
    pub(super) fn obstacle(&self) -> Option<&str> {
        match &self.definition {
            Definition::Statement(_) => None,
            Definition::Lost(why) => Some(why),
        }
    }
}

/// A relation that is to be replaced, with its dependents.
pub(super) struct RelationSurroundings {
    /// The relation's owner, quoted.
    pub(super) owner: String,
    /// Whether it has only rows, columns and the indexes of its config.
    pub(super) bare: bool,
    /// Direct and indirect views on it, each after the views that it reads.
    pub(super) dependents: Vec<Dependent>,
}

/// A foreign key of another table that references the relation.
pub(super) struct ForeignKey {
    pub(super) name: String,
    pub(super) child: Relation,
    pub(super) drop: String,
    pub(super) add: String,
}

impl ForeignKey {
    /// Parses a row (name, schema, table, statement to drop it, statement to add it).
    fn from_row(row: [String; 5], database: Option<&str>) -> ForeignKey {
        let [name, schema, table, drop, add] = row;
        ForeignKey { name, child: Relation::new(database, Some(&schema), &table), drop, add }
    }
}

/// Finds the readers of a relation through its rewrite rules. The query follows indexes of the
/// catalog, so that its time depends on the number of readers, not on the size of the catalog. The
/// depth limit ends cycles that rules on tables can form.
const READERS: &str = "with recursive found(oid, depth) as ( \
     select to_regclass($1)::oid, 0 \
     union \
     select r.ev_class, f.depth + 1 from found f \
     join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = f.oid \
       and d.classid = 'pg_rewrite'::regclass \
     join pg_catalog.pg_rewrite r on r.oid = d.objid where r.ev_class <> f.oid and f.depth < 100)";

/// The rest of the query for the surroundings of a relation.
fn all_of_it() -> String {
    let has_belongings = has_attached_objects_sql();
    format!(
        "{READERS} select n.nspname::text, c.relname::text, c.relkind::text, c.oid::text, \
         quote_ident(pg_get_userbyid(c.relowner)), (pg_get_userbyid(c.relowner) = current_user)::text, \
         case when f.depth > 0 and c.relkind = 'v' then format('create view %I.%I%s as %s', n.nspname, c.relname, \
           coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''), pg_get_viewdef(c.oid)) else '' end, \
         case when c.relkind = 'm' then 'a materialized view' when c.relkind <> 'v' then 'a rule on a table' \
           when c.relpersistence = 't' then 'a temporary view of another session' \
           when not pg_has_role(c.relowner, 'usage') then 'owned by ' || pg_get_userbyid(c.relowner) \
           when not has_schema_privilege(c.relowner, c.relnamespace, 'create') \
             then 'owned by ' || pg_get_userbyid(c.relowner) || ', who may not create in ' || n.nspname \
           else '' end, \
         {has_belongings}::text \
     from (select oid, max(depth) as depth from found group by oid) f \
     join pg_catalog.pg_class c on c.oid = f.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
     order by f.depth, n.nspname, c.relname"
    )
}

/// The rest of the query for the names of the readers only.
const NAMES: &str = " select n.nspname::text, c.relname::text \
     from (select oid, max(depth) as depth from found group by oid) f \
     join pg_catalog.pg_class c on c.oid = f.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
     where f.depth > 0 order by f.depth, n.nspname, c.relname";

/// Reads the surroundings of a relation in one query; `None` if it does not exist.
pub(super) fn read_surroundings(
    pg: &mut Postgres,
    relation: &Relation,
) -> Result<Option<RelationSurroundings>, EngineError> {
    let rows = pg.ask(&all_of_it(), &[&relation.render(DIALECT)])?;
    let mut found: Option<RelationSurroundings> = None;
    for row in rows {
        let [schema, name, kind, oid, owner, own, definition, cannot, belongings] =
            <[String; 9]>::try_from(row).unwrap_or_default();
        let Some(surroundings) = &mut found else {
            found = Some(RelationSurroundings {
                owner,
                bare: belongings != "true",
                dependents: Vec::new(),
            });
            continue;
        };
        let kind = if kind == "m" { RelationKind::MaterializedView } else { RelationKind::View };
        let path = Relation::new(relation.database(), Some(&schema), &name).with_kind(kind);
        let to_owner = format!("alter {} {} owner to {owner}", kind.sql(), path.render(DIALECT));
        let mut restore = Vec::new();
        if cannot.is_empty() {
            restore.extend((own != "true").then(|| to_owner.clone()));
            if belongings == "true" {
                restore.extend(pg.texts(&details(&oid))?.into_iter().flatten());
            }
        }
        let definition = if cannot.is_empty() {
            Definition::Statement(definition)
        } else {
            Definition::Lost(cannot)
        };
        surroundings.dependents.push(Dependent {
            relation: path,
            kind,
            definition,
            lock: to_owner,
            restore,
        });
    }
    Ok(found)
}

/// Whether the readers of a relation are still the same.
pub(super) fn are_unchanged(
    pg: &mut Postgres,
    relation: &Relation,
    these: &[Dependent],
) -> Result<bool, EngineError> {
    let now = pg.ask(&format!("{READERS}{NAMES}"), &[&relation.render(DIALECT)])?;
    let known =
        these.iter().map(|d| (d.relation.schema().unwrap_or_default(), d.relation.identifier()));
    Ok(now.len() == these.len()
        && now.iter().zip(known).all(|(row, (schema, name))| row[..] == [schema, name]))
}

/// Selects the statements that restore what a view loses when it is recreated.
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
        select_grants_sql(oid, oid),
        select_triggers_sql(oid)
    )
}

/// The foreign keys of other tables that reference the relation.
pub(super) fn foreign_keys(
    pg: &mut Postgres,
    relation: &Relation,
) -> Result<Vec<ForeignKey>, EngineError> {
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
    let database = relation.database();
    Ok(rows.map(|row| ForeignKey::from_row(row, database)).collect())
}
