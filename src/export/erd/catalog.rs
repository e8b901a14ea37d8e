//! `docs/catalog.json`: columns and types of a target's relations, committed so that diagrams need
//! no database. It has the format of dbt's `catalog.json`, without everything that differs between
//! runs.

use crate::config::{Json, JsonMap};
use crate::export::GeneratedFile;
use crate::manifest::UniqueId;
use serde_json::json;
use std::collections::HashMap;

/// The columns (name, type) of each relation in order, by unique id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CatalogTypes {
    pub(crate) tables: HashMap<String, Vec<(String, String)>>,
}

impl CatalogTypes {
    /// Parses a catalog; `None` if the text is not one.
    pub(crate) fn read(text: &str) -> Option<CatalogTypes> {
        let json: Json = serde_json::from_str(text).ok()?;
        let mut tables = HashMap::new();
        let sections = ["nodes", "sources"].map(|s| json.get(s).and_then(Json::as_object));
        if sections.iter().all(Option::is_none) {
            return None;
        }
        for (id, table) in sections.into_iter().flatten().flatten() {
            let mut columns: Vec<(i64, String, String)> = table
                .get("columns")
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
                .map(|(key, column)| read_column(key, column))
                .collect();
            columns.sort_by_key(|(index, ..)| *index);
            tables.insert(
                id.clone(),
                columns.into_iter().map(|(_, name, kind)| (name, kind)).collect(),
            );
        }
        Some(CatalogTypes { tables })
    }
}

/// A column as (index, name, type).
fn read_column(key: &str, column: &Json) -> (i64, String, String) {
    let index = column.get("index").and_then(Json::as_i64).unwrap_or(i64::MAX);
    let name = column.get("name").and_then(Json::as_str).unwrap_or(key);
    let kind = column.get("type").and_then(Json::as_str).unwrap_or_default();
    (index, name.to_owned(), kind.to_owned())
}

/// The catalog file, with relations in the order of their ids.
pub(crate) fn catalog_file(tables: &[(UniqueId, Vec<(String, String)>)]) -> GeneratedFile {
    let mut sections = [JsonMap::new(), JsonMap::new()];
    let mut sorted: Vec<_> = tables.iter().collect();
    sorted.sort();
    for (id, columns) in sorted {
        let columns: JsonMap = columns
            .iter()
            .enumerate()
            .map(|(i, (name, kind))| {
                (name.clone(), json!({ "type": kind, "index": i + 1, "name": name }))
            })
            .collect();
        let section = usize::from(id.starts_with("source."));
        sections[section].insert(id.to_string(), json!({ "columns": columns }));
    }
    let [nodes, sources] = sections;
    let whole = json!({ "nodes": nodes, "sources": sources });
    let content = format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default());
    GeneratedFile { path: "docs/catalog.json".into(), content }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let columns =
            vec![("id".to_owned(), "BIGINT".to_owned()), ("a".to_owned(), "VARCHAR".to_owned())];
        let file = catalog_file(&[
            ("model.x.b".into(), columns.clone()),
            ("source.x.s.t".into(), Vec::new()),
        ]);
        let read = CatalogTypes::read(&file.content).unwrap();
        assert_eq!(read.tables["model.x.b"], columns);
        assert_eq!(CatalogTypes::read("{}"), None);
    }
}
