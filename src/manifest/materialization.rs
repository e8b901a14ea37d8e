//! The built-in materializations and their properties. To add one, add a row here and an arm in
//! `store_node` of `materialize/`.

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
    /// A file outside the database, with a view over it.
    External,
    Function,
    /// A function that gives rows.
    TableFunction,
}

/// The properties of a materialization.
struct Facts {
    /// The value of `materialized:`.
    name: &'static str,
    /// The kind of the node's relation after the build; `None`: it has none.
    kind: Option<RelationKind>,
    /// The macro that returns the statement for a full build, given the relation and the SQL.
    create: Option<&'static str>,
    /// Whether later builds add to the relation, so that their SQL may differ from that of the
    /// first.
    grows: bool,
}

impl Materialization {
    const ALL: &[Materialization] = &[
        Materialization::Table,
        Materialization::View,
        Materialization::MaterializedView,
        Materialization::Incremental,
        Materialization::Snapshot,
        Materialization::Seed,
        Materialization::Ephemeral,
        Materialization::External,
        Materialization::Function,
        Materialization::TableFunction,
    ];

    /// The names of those that a model can have, on an engine that reads files or not.
    pub(crate) fn of_models(reads_files: bool) -> Vec<&'static str> {
        let others = [Materialization::Seed, Materialization::Snapshot, Materialization::Function];
        let of_files = [Materialization::External, Materialization::TableFunction];
        let all = Materialization::ALL.iter().filter(|one| !others.contains(one));
        let all = all.filter(|one| reads_files || !of_files.contains(one));
        all.map(|one| one.name()).collect()
    }

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
            Materialization::External => ("external", Some(RelationKind::View), None, false),
            Materialization::TableFunction => {
                ("table_function", Some(RelationKind::Function), None, false)
            }
            Materialization::Function => ("function", Some(RelationKind::Function), None, false),
        };
        Facts { name, kind, create, grows }
    }

    pub(crate) fn parse(name: &str) -> Option<Materialization> {
        Materialization::ALL.iter().copied().find(|m| m.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        self.facts().name
    }

    /// The kind of the node's relation after the build; `None`: it has none.
    pub(crate) fn relation_kind(self) -> Option<RelationKind> {
        self.facts().kind
    }

    /// The macro that returns the statement for a full build, given the relation and the SQL.
    pub(crate) fn create_macro(self) -> Option<&'static str> {
        self.facts().create
    }

    /// Whether what is stored has rows of its own, which change only when it is built.
    pub(crate) fn has_rows(self) -> bool {
        let kind = self.facts().kind;
        self == Materialization::External
            || !matches!(kind, Some(RelationKind::View | RelationKind::Function))
    }

    /// Whether later builds add to the relation.
    pub(crate) fn grows(self) -> bool {
        self.facts().grows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for &materialization in Materialization::ALL {
            assert_eq!(Materialization::parse(materialization.name()), Some(materialization));
        }
        assert_eq!(Materialization::parse("mine"), None);
    }
}
