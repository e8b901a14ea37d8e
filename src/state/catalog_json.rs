//! Writes `catalog.json` v1.

use super::{ArtifactMetadata, head};
use crate::config::{Json, JsonMap, python_str};
use crate::engine::Relation;
use crate::manifest::{Manifest, Node, NodeId, NodeKind};
use crate::system::{System, SystemError};
use camino::Utf8Path;
use indexmap::IndexMap;
use serde_json::json;
use std::collections::HashMap;
use std::io::{self, Write};

/// (Database, schema, name).
type Key = [String; 3];

/// The relations of a database with their columns, as the catalog macros return them.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tables: IndexMap<Key, Table>,
}

#[derive(Debug)]
struct Table {
    metadata: Json,
    stats: Json,
    columns: JsonMap,
}

/// The columns that each row of the macros' result must have.
pub(crate) const REQUIRED_COLUMNS: [&str; 4] =
    ["table_schema", "table_name", "column_name", "column_index"];

impl Catalog {
    /// Adds a row of the macros' result: a column, with the properties of its relation
    /// (`table_...`, `stats:...`).
    pub(crate) fn add(&mut self, row: &JsonMap) {
        let key = ["table_database", "table_schema", "table_name"].map(|key| text_at(row, key));
        let table = self.tables.entry(key).or_insert_with(|| Table {
            metadata: json!({
                "type": value_at(row, "table_type"),
                "schema": value_at(row, "table_schema"),
                "name": value_at(row, "table_name"),
                "database": value_at(row, "table_database"),
                "comment": value_at(row, "table_comment"),
                "owner": value_at(row, "table_owner"),
            }),
            stats: stats(row),
            columns: JsonMap::new(),
        });
        let index =
            row.get("column_index").and_then(|v| v.as_i64().or_else(|| python_str(v).parse().ok()));
        let column = json!({
            "type": value_at(row, "column_type"),
            "index": index,
            "name": value_at(row, "column_name"),
            "comment": value_at(row, "column_comment"),
        });
        table.columns.insert(text_at(row, "column_name"), column);
    }

    /// The entries of the wanted nodes and of the wanted sources, by unique id. Names match
    /// regardless of case; among several relations that match, the one spelled like the node wins.
    pub(crate) fn entries(
        &self,
        manifest: &Manifest,
        wanted: &dyn Fn(NodeId) -> bool,
    ) -> (JsonMap, JsonMap) {
        let mut by_key: HashMap<Key, Vec<(&Node, Key)>> = HashMap::new();
        for node in manifest.nodes.iter().filter(|n| is_cataloged(n) && wanted(n.id)) {
            if let Some(relation) = &node.relation {
                let key = key_of(relation);
                by_key.entry(folded(&key)).or_default().push((node, key));
            }
        }
        let (mut nodes, mut sources) = (JsonMap::new(), JsonMap::new());
        for (key, table) in &self.tables {
            for (node, own) in by_key.get(&folded(key)).into_iter().flatten() {
                let section = if matches!(node.kind, NodeKind::Source(_)) {
                    &mut sources
                } else {
                    &mut nodes
                };
                if own == key || !section.contains_key(&*node.unique_id) {
                    section.insert(node.unique_id.to_string(), table.json(&node.unique_id));
                }
            }
        }
        (nodes, sources)
    }
}

fn value_at(row: &JsonMap, key: &str) -> Json {
    row.get(key).cloned().unwrap_or(Json::Null)
}

fn text_at(row: &JsonMap, key: &str) -> String {
    row.get(key).filter(|v| !v.is_null()).map(python_str).unwrap_or_default()
}

impl Table {
    fn json(&self, unique_id: &str) -> Json {
        json!({
            "metadata": self.metadata, "columns": self.columns, "stats": self.stats, "unique_id": unique_id,
        })
    }
}

/// Whether a node can have an entry: it is stored or a source.
pub(crate) fn is_cataloged(node: &Node) -> bool {
    let stored = node.resource_type().is_refable() && !node.is_ephemeral();
    (stored || matches!(node.kind, NodeKind::Source(_))) && node.relation.is_some()
}

fn key_of(relation: &Relation) -> Key {
    [relation.database(), relation.schema(), Some(relation.identifier())]
        .map(|p| p.unwrap_or_default().to_owned())
}

fn folded(key: &Key) -> Key {
    key.each_ref().map(|part| part.to_lowercase())
}

/// Collects `stats:rows:label`, `stats:rows:value` and so on into one entry per statistic, if its
/// `include` is true.
fn stats(row: &JsonMap) -> Json {
    let mut out = JsonMap::new();
    for key in row.keys() {
        let Some(name) = key.strip_prefix("stats:").and_then(|rest| rest.strip_suffix(":label"))
        else {
            continue;
        };
        if value_at(row, &format!("stats:{name}:include")) == Json::Bool(true) {
            let stat = json!({
                "id": name,
                "label": value_at(row, &format!("stats:{name}:label")),
                "value": value_at(row, &format!("stats:{name}:value")),
                "include": true,
                "description": value_at(row, &format!("stats:{name}:description")),
            });
            out.insert(name.to_owned(), stat);
        }
    }
    let has_stats = json!({
        "id": "has_stats", "label": "Has Stats?", "value": !out.is_empty(), "include": false,
        "description": "Indicates whether there are statistics for this table",
    });
    out.insert("has_stats".to_owned(), has_stats);
    Json::Object(out)
}

/// Writes `catalog.json` to a folder. `errors` are the failures of catalog queries.
pub(crate) fn write_catalog(
    system: &dyn System,
    folder: &Utf8Path,
    entries: (&JsonMap, &JsonMap),
    errors: &[String],
    metadata: &ArtifactMetadata,
) -> Result<(), SystemError> {
    system.write_stream(&folder.join("catalog.json"), &mut |out| {
        write_json(out, entries, errors, metadata)
    })
}

fn write_json(
    out: &mut dyn Write,
    (nodes, sources): (&JsonMap, &JsonMap),
    errors: &[String],
    metadata: &ArtifactMetadata,
) -> io::Result<()> {
    write!(out, "{{\"metadata\": {}", head("catalog/v1", metadata))?;
    for (name, section) in [("nodes", nodes), ("sources", sources)] {
        write!(out, ",\n\"{name}\": {{")?;
        for (i, (id, entry)) in section.iter().enumerate() {
            out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
            let text = format!("{}: {entry}", Json::from(id.as_str()));
            out.write_all(text.as_bytes())?;
        }
        out.write_all(b"}")?;
    }
    let errors = if errors.is_empty() { Json::Null } else { Json::from(errors) };
    writeln!(out, ",\n\"errors\": {}}}", errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::testing::project;

    fn row(name: &str, column: &str, index: i64) -> JsonMap {
        let json = json!({
            "table_database": "shop", "table_schema": "MAIN", "table_name": name, "table_type": "VIEW",
            "column_name": column, "column_index": index, "column_type": "INTEGER",
            "stats:rows:label": "Rows", "stats:rows:value": 3, "stats:rows:include": true, "stats:rows:description": "",
        });
        json.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn relations_are_found_whatever_their_case() {
        let (manifest, _) =
            project(&[("models/a.sql", "select 1 as id"), ("models/b.sql", "select 1 as id")]);
        let mut catalog = Catalog::default();
        for (column, index) in [("id", 1), ("n", 2)] {
            catalog.add(&row("A", column, index));
            catalog.add(&row("other", column, index));
        }
        let (nodes, sources) = catalog.entries(&manifest, &|_| true);
        assert!(sources.is_empty());
        assert_eq!(nodes.keys().collect::<Vec<_>>(), ["model.shop.a"]);
        let a = &nodes["model.shop.a"];
        assert_eq!(
            a["columns"]["n"],
            json!({ "type": "INTEGER", "index": 2, "name": "n", "comment": null })
        );
        assert_eq!(a["stats"]["has_stats"]["value"], true);
        assert_eq!(a["stats"]["rows"]["value"], 3);
        let (nodes, _) = catalog.entries(&manifest, &|id| &*manifest.node(id).name == "b");
        assert!(nodes.is_empty());
    }
}
