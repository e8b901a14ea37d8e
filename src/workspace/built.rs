//! The state of the database after a build, reused by the next build if nobody has written since.

use super::changes::read_publications;
use super::{KnownPublications, Revision};
use crate::engine::{DatabaseState, ExistingRelations, Warehouse};
use crate::inspect::{Schemas, inspect_relations, schemas_of};
use crate::manifest::NodeSet;

pub(crate) struct KnownDatabase {
    state: DatabaseState,
    schemas: Schemas,
    existing: ExistingRelations,
    recorded: KnownPublications,
}

impl KnownDatabase {
    /// Inspects the database after a build. `None` if the database is not made of files, so that
    /// writes by others cannot be detected, if an inspection failed, or if the files changed during
    /// it.
    pub(crate) fn look(
        revision: &Revision,
        selected: &NodeSet,
        warehouse: &mut dyn Warehouse,
    ) -> Option<KnownDatabase> {
        let manifest = &revision.manifest;
        let (connection, system) =
            (&revision.target().connection, revision.settings.system.as_ref());
        if connection.database_files().is_empty() {
            return None;
        }
        warehouse.checkpoint();
        let state = connection.database_state(system)?;
        let schemas = schemas_of(manifest, selected.iter());
        let existing = inspect_relations(warehouse, manifest, selected.iter()).ok()?;
        let recorded = read_publications(revision, selected, warehouse, false).ok()??;
        // Another process may have written during the inspection; the result would then be mixed.
        let now = connection.database_state(system);
        let is_same = now.as_ref() == Some(&state);
        is_same.then_some(KnownDatabase { state, schemas, existing, recorded })
    }

    /// The inspected state, or `None` if the database was written to since, or if the selection
    /// needs other schemas.
    pub(crate) fn take_if_same(
        self,
        revision: &Revision,
        selected: &NodeSet,
    ) -> Option<(ExistingRelations, KnownPublications)> {
        let now = revision.target().connection.database_state(revision.settings.system.as_ref());
        let is_same = now.as_ref() == Some(&self.state)
            && schemas_of(&revision.manifest, selected.iter()) == self.schemas;
        is_same.then_some((self.existing, self.recorded))
    }
}
