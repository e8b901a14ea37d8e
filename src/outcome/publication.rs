//! The record of a publication: its inputs, which are stored in the database, and its effect.

use crate::engine::ExistingColumn;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The recorded inputs of a publication, or of a test that was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PublicationFingerprint {
    /// The parts of the node's definition by name. A part that differs is a reason to build again.
    pub(crate) own: BTreeMap<String, String>,
    /// The version of each parent that was read, by unique id.
    pub(crate) parents: BTreeMap<String, String>,
    /// The version that children compare: equal contents have equal versions. For a test, its
    /// status.
    pub(crate) version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stored: Option<StoredRelation>,
}

/// The relation as it was published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRelation {
    pub(crate) relation: String,
    pub(crate) kind: String,
    pub(crate) columns: Vec<(String, String)>,
    /// The engine's own id of the relation; `None` if the engine has none that is stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<i64>,
}

/// The changes that a publication made to a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PublicationEffect {
    /// Whether content or columns differ from the previous publication.
    pub(crate) changed: bool,
    pub(crate) rows_before: Option<i64>,
    pub(crate) rows_after: Option<i64>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// (Column, old type, new type).
    pub(crate) retyped: Vec<(String, String, String)>,
}

impl PublicationEffect {
    /// The effect of a publication on columns. Without `before` it lists none of them.
    pub(crate) fn of_columns(
        before: Option<&[(String, String)]>,
        now: &[(String, String)],
    ) -> PublicationEffect {
        let mut effect = PublicationEffect { changed: true, ..PublicationEffect::default() };
        let Some(before) = before else { return effect };
        for (name, kind) in now {
            match type_of(before, name) {
                None => effect.added.push(name.clone()),
                Some(old) if old != kind => {
                    effect.retyped.push((name.clone(), old.to_owned(), kind.clone()));
                }
                Some(_) => {}
            }
        }
        effect.removed =
            before.iter().map(|(n, _)| n).filter(|n| type_of(now, n).is_none()).cloned().collect();
        effect
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        let retyped = self
            .retyped
            .iter()
            .map(|(c, a, b)| serde_json::json!({ "column": c, "from": a, "to": b }));
        serde_json::json!({
            "changed": self.changed, "rows_before": self.rows_before, "rows_after": self.rows_after,
            "added": self.added, "removed": self.removed, "retyped": retyped.collect::<Vec<_>>(),
        })
    }
}

fn type_of<'a>(columns: &'a [(String, String)], name: &str) -> Option<&'a str> {
    columns.iter().find(|(n, _)| n == name).map(|(_, kind)| kind.as_str())
}

/// The names and types of columns, as a publication records them.
pub(crate) fn column_pairs(columns: &[ExistingColumn]) -> Vec<(String, String)> {
    columns.iter().map(|c| (c.name.clone(), c.data_type.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_noted_with_their_types() {
        let column = |name: &str, data_type: &str| ExistingColumn {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
        };
        let pairs = column_pairs(&[column("a", "DATE"), column("b", "INTEGER")]);
        let expected = [("a", "DATE"), ("b", "INTEGER")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(pairs, expected);
    }

    #[test]
    fn columns_are_compared_by_name() {
        let of = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        let before = of(&[("a", "INTEGER"), ("b", "VARCHAR")]);
        let effect =
            PublicationEffect::of_columns(Some(&before), &of(&[("c", "DATE"), ("a", "BIGINT")]));
        assert_eq!((effect.added, effect.removed), (vec!["c".to_owned()], vec!["b".to_owned()]));
        assert_eq!(effect.retyped, [("a".to_owned(), "INTEGER".to_owned(), "BIGINT".to_owned())]);
    }
}
