//! The relations that exist in the database.

use super::{Dialect, Relation, RelationKind};
use crate::hash::FastMap;
use std::collections::HashSet;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExistingColumn {
    pub(crate) name: String,
    /// The type as the engine spells it.
    pub(crate) data_type: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExistingRelation {
    pub(crate) relation: Relation,
    pub(crate) kind: RelationKind,
    pub(crate) columns: Vec<ExistingColumn>,
    /// The engine's own id of the relation; `None` if it has none that lasts as long as the
    /// relation.
    pub(crate) id: Option<String>,
}

impl ExistingRelation {
    pub(crate) fn new(
        relation: Relation,
        kind: RelationKind,
        columns: Vec<ExistingColumn>,
    ) -> ExistingRelation {
        ExistingRelation { relation, kind, columns, id: None }
    }
}

/// The relations in the schemas that a command uses. `Unknown` if the command does not connect to a
/// database.
#[derive(Clone, Debug, Default)]
pub(crate) enum ExistingRelations {
    #[default]
    Unknown,
    Known {
        relations: FastMap<String, ExistingRelation>,
        schemas: HashSet<String>,
        dialect: Dialect,
        /// Names of relations that are not there, but in whose place others are read.
        stand_ins: HashSet<String>,
    },
}

impl ExistingRelations {
    pub(crate) fn known(
        dialect: Dialect,
        relations: Vec<ExistingRelation>,
        schemas: HashSet<String>,
    ) -> ExistingRelations {
        let relations = relations.into_iter().map(|r| (r.relation.key(dialect), r)).collect();
        let stand_ins = HashSet::new();
        ExistingRelations::Known { relations, schemas, dialect, stand_ins }
    }

    /// The relation with this name; also `None` if nothing is known.
    pub(crate) fn find(&self, relation: &Relation) -> Option<&ExistingRelation> {
        match self {
            ExistingRelations::Unknown => None,
            ExistingRelations::Known { relations, dialect, .. } => {
                relations.get(&relation.key(*dialect))
            }
        }
    }

    /// Notes relations in whose place others are read.
    pub(crate) fn add_stand_ins<'r>(&mut self, replaced: impl Iterator<Item = &'r Relation>) {
        if let ExistingRelations::Known { stand_ins, dialect, .. } = self {
            let dialect = *dialect;
            stand_ins.extend(replaced.map(|relation| relation.key(dialect)));
        }
    }

    /// Whether what refers to a relation finds rows: its own, or those of another one.
    pub(crate) fn is_readable(&self, relation: &Relation) -> bool {
        match self {
            ExistingRelations::Unknown => false,
            ExistingRelations::Known { stand_ins, dialect, .. } => {
                self.find(relation).is_some() || stand_ins.contains(&relation.key(*dialect))
            }
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        matches!(self, ExistingRelations::Known { .. })
    }

    pub(crate) fn has_schema(&self, database: &str, schema: &str) -> bool {
        match self {
            ExistingRelations::Unknown => false,
            ExistingRelations::Known { schemas, dialect, .. } => {
                schemas.contains(&schema_key(*dialect, database, schema))
            }
        }
    }

    /// Records that a relation now exists or, with `None`, that it is gone.
    pub(crate) fn update(&mut self, relation: &Relation, now: Option<ExistingRelation>) {
        if let ExistingRelations::Known { relations, dialect, .. } = self {
            let key = relation.key(*dialect);
            match now {
                Some(now) => {
                    relations.insert(key, now);
                }
                None => {
                    relations.remove(&key);
                }
            }
        }
    }

    pub(crate) fn add_schema(&mut self, database: &str, schema: &str) {
        if let ExistingRelations::Known { schemas, dialect, .. } = self {
            let key = schema_key(*dialect, database, schema);
            schemas.insert(key);
        }
    }
}

pub(crate) fn schema_key(dialect: Dialect, database: &str, schema: &str) -> String {
    format!("{}\u{1f}{}", dialect.folded(database), dialect.folded(schema))
}

/// The number of rows of a relation, and a fingerprint of them that does not depend on their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) rows: i64,
    pub(crate) fingerprint: String,
}
