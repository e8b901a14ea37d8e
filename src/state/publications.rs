//! Records what publications were made from, in the database itself: in a table `strata_state` in
//! the target's schema, one in each database that is written to. A row is written in the
//! transaction of its publication, so that it is correct whoever built the relation, and even in a
//! copy of the database.

use crate::engine::{EngineError, EngineErrorKind, Relation, StateRow, Warehouse};
use crate::hash::FastMap;
use crate::manifest::{Manifest, NodeId, UniqueId};
use crate::outcome::PublicationFingerprint;
use rayon::prelude::*;
use std::collections::BTreeMap;

pub(crate) const STATE_TABLE_NAME: &str = "strata_state";

/// The tables of a target, by folded name of the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publications {
    tables: BTreeMap<String, Relation>,
    /// The table for tests, which may have no relation.
    home: Option<Relation>,
}

impl Publications {
    /// The existing tables in the databases of some nodes; `None` if there are none.
    pub(crate) fn find(
        warehouse: &mut dyn Warehouse,
        manifest: &Manifest,
        nodes: impl Iterator<Item = NodeId>,
    ) -> Result<Option<Publications>, EngineError> {
        let mut found = Publications::wanted(manifest, nodes);
        let mut there = BTreeMap::new();
        for (database, table) in found.tables {
            if !warehouse.list_columns(&table)?.is_empty() {
                there.insert(database, table);
            }
        }
        found.tables = there;
        Ok((!found.tables.is_empty()).then_some(found))
    }

    /// Creates the tables that do not exist.
    pub(crate) fn make(
        warehouse: &mut dyn Warehouse,
        manifest: &Manifest,
        nodes: impl Iterator<Item = NodeId>,
    ) -> Result<Publications, EngineError> {
        let wanted = Publications::wanted(manifest, nodes);
        for table in wanted.tables.values() {
            if warehouse.list_columns(table)?.is_empty() {
                warehouse.create_state_table(table).map_err(|e| explain(e, table))?;
            }
        }
        Ok(wanted)
    }

    fn wanted(manifest: &Manifest, nodes: impl Iterator<Item = NodeId>) -> Publications {
        let project = &manifest.project;
        let own = project.target.database.to_string();
        let mut tables = BTreeMap::from([(project.dialect.folded(&own), table_in(&own, manifest))]);
        for id in nodes {
            let node = manifest.node(id);
            if let Some(database) = node
                .relation
                .as_ref()
                .filter(|_| node.resource_type().is_published())
                .and_then(Relation::database)
            {
                tables
                    .entry(project.dialect.folded(database))
                    .or_insert_with(|| table_in(database, manifest));
            }
        }
        Publications { home: tables.get(&project.dialect.folded(&own)).cloned(), tables }
    }

    /// All records, by unique id.
    pub(crate) fn read(
        &self,
        warehouse: &mut dyn Warehouse,
    ) -> Result<FastMap<String, PublicationFingerprint>, EngineError> {
        let mut out = FastMap::default();
        for table in self.tables.values() {
            let rows = warehouse.read_state(table).map_err(|e| explain(e, table))?;
            // A record that this version cannot parse counts as missing.
            out.par_extend(
                rows.into_par_iter()
                    .filter_map(|(node, text)| Some((node, serde_json::from_str(&text).ok()?))),
            );
        }
        Ok(out)
    }

    /// Records a publication. Does nothing if the database has no table.
    pub(crate) fn note(
        &self,
        warehouse: &mut dyn Warehouse,
        relation: &Relation,
        unique_id: &str,
        fingerprint: &PublicationFingerprint,
    ) -> Result<(), EngineError> {
        let dialect = warehouse.engine().dialect;
        let table = relation.database().and_then(|d| self.tables.get(&dialect.folded(d)));
        let Some(table) = table else { return Ok(()) };
        let text = serde_json::to_string(fingerprint).unwrap_or_default();
        warehouse.record_state(table, &[StateRow { node: unique_id, fingerprint: &text }])
    }

    /// Records tests. They go to the table `home`, since a test may have no relation. Does nothing
    /// without that table.
    pub(crate) fn record_tests(
        &self,
        warehouse: &mut dyn Warehouse,
        tests: &[(UniqueId, PublicationFingerprint)],
    ) -> Result<(), EngineError> {
        let Some(home) = self.home.as_ref().filter(|_| !tests.is_empty()) else { return Ok(()) };
        let texts: Vec<String> = tests
            .iter()
            .map(|(_, fingerprint)| serde_json::to_string(fingerprint).unwrap_or_default())
            .collect();
        let notes: Vec<StateRow<'_>> = (tests.iter().zip(&texts))
            .map(|((node, _), fingerprint)| StateRow { node, fingerprint })
            .collect();
        warehouse.record_state(home, &notes)
    }
}

fn table_in(database: &str, manifest: &Manifest) -> Relation {
    Relation::new(Some(database), Some(&manifest.project.target.schema), STATE_TABLE_NAME)
}

fn explain(e: EngineError, table: &Relation) -> EngineError {
    let message = format!("cannot use {}, where builds are noted: {}", table.short(), e.message);
    let mut out = EngineError { message, ..e };
    if out.kind != EngineErrorKind::Connection {
        out.hint = Some("the role needs the right to make and write this table".to_owned());
    }
    out
}
