//! The materializations that are built in, and what is known of each. A new one is a row here and a
//! function in `materialize/`.

use crate::engine::RelationKind;

/// How a node is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Materialization {
    Table,
    View,
    MaterializedView,
    Incremental,
    Snapshot,
    Seed,
    Ephemeral,
}

/// What is known of a materialization.
struct Facts {
    /// What `materialized:` says.
    name: &'static str,
    /// What stands under the node's name once it is built; none: nothing.
    kind: Option<RelationKind>,
    /// The macro of (relation, SQL) that writes the statement for a whole build.
    create: Option<&'static str>,
    /// A later build adds to what is there, and its SQL may differ from that of the first.
    grows: bool,
}

impl Materialization {
    const ALL: [Materialization; 7] = [
        Materialization::Table,
        Materialization::View,
        Materialization::MaterializedView,
        Materialization::Incremental,
        Materialization::Snapshot,
        Materialization::Seed,
        Materialization::Ephemeral,
    ];

    fn facts(self) -> Facts {
        let (name, kind, create, grows) = match self {
            Materialization::Table => {
                ("table", Some(RelationKind::Table), Some("create_table_as"), false)
            }
            Materialization::View => {
                ("view", Some(RelationKind::View), Some("get_create_view_as_sql"), false)
            }
            Materialization::MaterializedView => (
                "materialized_view",
                Some(RelationKind::MaterializedView),
                Some("get_create_materialized_view_as_sql"),
                false,
            ),
            Materialization::Incremental => {
                ("incremental", Some(RelationKind::Table), Some("create_table_as"), true)
            }
            Materialization::Snapshot => {
                ("snapshot", Some(RelationKind::Table), Some("strata_snapshot_table"), true)
            }
            Materialization::Seed => ("seed", Some(RelationKind::Table), None, false),
            Materialization::Ephemeral => ("ephemeral", None, None, false),
        };
        Facts { name, kind, create, grows }
    }

    pub(crate) fn parse(name: &str) -> Option<Materialization> {
        Materialization::ALL.into_iter().find(|m| m.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        self.facts().name
    }

    /// What stands under the node's name once it is built; none: nothing.
    pub(crate) fn relation_kind(self) -> Option<RelationKind> {
        self.facts().kind
    }

    /// The macro of (relation, SQL) that writes the statement for a whole build.
    pub(crate) fn create_macro(self) -> Option<&'static str> {
        self.facts().create
    }

    /// Whether a later build adds to what is there.
    pub(crate) fn grows(self) -> bool {
        self.facts().grows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for materialization in Materialization::ALL {
            assert_eq!(Materialization::parse(materialization.name()), Some(materialization));
        }
        assert_eq!(Materialization::parse("mine"), None);
    }
}
