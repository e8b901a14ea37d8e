//! What publications were made from, kept in the database beside them: a table `strata_state` in
//! the target's schema, one in each database that is written. A row is written in the transaction
//! of its publication, so that it is true of what stands there, whoever built it and wherever the
//! database was copied from.

use crate::engine::{Cell, Dialect, EngineError, EngineErrorKind, Fetch, Relation, Warehouse};
use crate::hash::FastMap;
use crate::manifest::{Manifest, NodeId};
use crate::outcome::PublicationFingerprint;
use crate::source::SqlText;
use rayon::prelude::*;
use std::collections::BTreeMap;

pub(crate) const NAME: &str = "strata_state";

/// The tables of a target, by database as it is folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publications {
    tables: BTreeMap<String, Relation>,
    /// Where tests are noted, whose relations may be nowhere.
    home: Option<Relation>,
}

impl Publications {
    /// Those that are there, for the databases of some nodes.
    pub(crate) fn find(
        warehouse: &mut dyn Warehouse,
        manifest: &Manifest,
        nodes: impl Iterator<Item = NodeId>,
    ) -> Result<Option<Publications>, EngineError> {
        let mut found = Publications::wanted(manifest, nodes);
        let mut there = BTreeMap::new();
        for (database, table) in found.tables {
            if !warehouse.columns(&table)?.is_empty() {
                there.insert(database, table);
            }
        }
        found.tables = there;
        Ok((!found.tables.is_empty()).then_some(found))
    }

    /// Makes those that are not there.
    pub(crate) fn make(
        warehouse: &mut dyn Warehouse,
        manifest: &Manifest,
        nodes: impl Iterator<Item = NodeId>,
    ) -> Result<Publications, EngineError> {
        let wanted = Publications::wanted(manifest, nodes);
        let dialect = warehouse.capabilities().dialect;
        for table in wanted.tables.values() {
            if !warehouse.columns(table)?.is_empty() {
                continue;
            }
            let (database, schema) =
                (table.database().unwrap_or_default(), table.schema().unwrap_or_default());
            let sql = format!(
                "create schema if not exists {}; create table if not exists {} (node varchar, print varchar, \
                 published_at timestamp with time zone)",
                dialect.schema(database, schema),
                table.render(dialect)
            );
            match warehouse.run(&sql.into(), Fetch::Nothing) {
                // Another build made it at the same time.
                Err(e) if !e.is_made_meanwhile() => {
                    return Err(explain(e, table));
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn wanted(manifest: &Manifest, nodes: impl Iterator<Item = NodeId>) -> Publications {
        let project = &manifest.project;
        let table =
            |database: &str| Relation::new(Some(database), Some(&project.target.schema), NAME);
        let own = project.target.database.to_string();
        let mut tables = BTreeMap::from([(project.dialect.folded(&own), table(&own))]);
        for id in nodes {
            let node = manifest.node(id);
            if let Some(database) = node
                .relation
                .as_ref()
                .filter(|_| node.resource_type().is_refable())
                .and_then(Relation::database)
            {
                tables.entry(project.dialect.folded(database)).or_insert_with(|| table(database));
            }
        }
        Publications { home: tables.get(&project.dialect.folded(&own)).cloned(), tables }
    }

    /// All rows, by unique id.
    pub(crate) fn read(
        &self,
        warehouse: &mut dyn Warehouse,
    ) -> Result<FastMap<String, PublicationFingerprint>, EngineError> {
        let dialect = warehouse.capabilities().dialect;
        let mut out = FastMap::default();
        for table in self.tables.values() {
            let sql = SqlText::from(format!("select node, print from {}", table.render(dialect)));
            let reply = warehouse.run(&sql, Fetch::Rows(None)).map_err(|e| explain(e, table))?;
            let read = |row: Vec<Cell>| {
                let [node, print] = <[Cell; 2]>::try_from(row).ok()?;
                // What another version wrote and this one cannot read counts as not there.
                Some((node.display(), serde_json::from_str(&print.display()).ok()?))
            };
            let rows = reply.table.map(|t| t.rows).unwrap_or_default();
            out.par_extend(rows.into_par_iter().filter_map(read));
        }
        Ok(out)
    }

    /// The statement that notes a publication; none where the database has no table.
    pub(crate) fn note(
        &self,
        dialect: Dialect,
        relation: &Relation,
        unique_id: &str,
        print: &PublicationFingerprint,
    ) -> Option<String> {
        let table = self.tables.get(&dialect.folded(relation.database()?))?;
        Some(write(table, dialect, &[(unique_id, print)]))
    }

    /// The statement that notes tests.
    pub(crate) fn note_tests(
        &self,
        dialect: Dialect,
        tests: &[(&str, &PublicationFingerprint)],
    ) -> Option<String> {
        let home = self.home.as_ref().filter(|_| !tests.is_empty())?;
        Some(write(home, dialect, tests))
    }
}

fn write(table: &Relation, dialect: Dialect, rows: &[(&str, &PublicationFingerprint)]) -> String {
    let name = table.render(dialect);
    let nodes: Vec<String> = rows.iter().map(|(node, _)| Dialect::literal(node)).collect();
    let values = rows.iter().map(|(node, print)| {
        let print = serde_json::to_string(print).unwrap_or_default();
        format!("({}, {}, current_timestamp)", Dialect::literal(node), Dialect::literal(&print))
    });
    format!(
        "delete from {name} where node in ({}); insert into {name} (node, print, published_at) values {}",
        nodes.join(", "),
        values.collect::<Vec<_>>().join(", ")
    )
}

fn explain(e: EngineError, table: &Relation) -> EngineError {
    let message = format!("cannot use {}, where builds are noted: {}", table.short(), e.message);
    let mut out = EngineError { message, ..e };
    if out.kind != EngineErrorKind::Connection {
        out.hint = Some("the role needs the right to make and write this table".to_owned());
    }
    out
}
