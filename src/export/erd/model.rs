//! The content of a diagram, in the order of the data.

use super::catalog::CatalogTypes;
use crate::analyze::{KeyGraph, KeyOrigin, TableKey};
use crate::export::airflow::layer_of;
use crate::manifest::{Manifest, Node, NodeId, NodeKind, NodeSet};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Diagram {
    pub(crate) project: String,
    /// In the order of the data, each with its tables.
    pub(crate) groups: Vec<TableGroup>,
    pub(crate) tables: Vec<DiagramTable>,
    pub(crate) references: Vec<DiagramReference>,
}

/// A layer and the indices of its tables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableGroup {
    pub(crate) name: String,
    pub(crate) tables: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiagramTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `view`, `table`, `seed`, `source`.
    pub(crate) kind: String,
    pub(crate) columns: Vec<DiagramColumn>,
    /// Keys of several columns; if one is the primary key, it is the first.
    pub(crate) composite: Vec<CompositeKey>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompositeKey {
    pub(crate) columns: Vec<String>,
    pub(crate) primary: bool,
    pub(crate) origin: KeyOrigin,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DiagramColumn {
    pub(crate) name: String,
    /// `None` if neither the properties nor the catalog give a type.
    pub(crate) data_type: Option<String>,
    pub(crate) description: String,
    /// Whether it is the primary key or part of it.
    pub(crate) primary: bool,
    pub(crate) unique: bool,
    pub(crate) not_null: bool,
    /// Whether it refers to another table.
    pub(crate) foreign: bool,
}

/// A reference between two tables of the diagram, given by their indices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiagramReference {
    pub(crate) child: usize,
    pub(crate) columns: Vec<String>,
    pub(crate) parent: usize,
    pub(crate) parent_columns: Vec<String>,
    pub(crate) one_to_one: bool,
    pub(crate) optional: bool,
    pub(crate) origin: KeyOrigin,
}

/// Builds a diagram of the selected models, seeds, snapshots and sources.
pub(crate) fn build_diagram(
    manifest: &Manifest,
    keys: &KeyGraph,
    selected: &NodeSet,
    catalog: &CatalogTypes,
) -> Diagram {
    let mut numbers: HashMap<NodeId, usize> = HashMap::new();
    let mut tables = Vec::new();
    let mut layers: BTreeMap<(usize, usize, String), Vec<(String, NodeId)>> = BTreeMap::new();
    let depth = depths(manifest);
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut shown = manifest.graph.order().unwrap_or_default();
    shown.retain(|id| selected.contains(*id) && shows(manifest.node(*id)));
    for id in &shown {
        let name = layer_of(manifest, manifest.node(*id));
        let least = first.entry(name).or_insert(usize::MAX);
        *least = (*least).min(depth[id.index()]);
    }
    for id in &shown {
        let node = manifest.node(*id);
        let name = layer_of(manifest, node);
        layers
            .entry((first[&name], usual(&name), name))
            .or_default()
            .push((node.display_name(), *id));
    }
    let mut groups = Vec::new();
    for ((.., name), mut members) in layers {
        members.sort();
        let mut group = TableGroup { name, tables: Vec::new() };
        for (_, id) in members {
            group.tables.push(tables.len());
            numbers.insert(id, tables.len());
            tables.push(table(manifest.node(id), keys, catalog));
        }
        groups.push(group);
    }
    let mut references = Vec::new();
    for reference in &keys.references {
        let (Some(child), Some(parent)) =
            (numbers.get(&reference.child), numbers.get(&reference.parent))
        else {
            continue;
        };
        for (table, columns) in [(*child, &reference.columns), (*parent, &reference.parent_columns)]
        {
            // A test may name a column that is not described anywhere.
            for column in columns {
                if !tables[table].columns.iter().any(|f| f.name == *column) {
                    tables[table].columns.push(undescribed(column));
                }
            }
        }
        for field in
            tables[*child].columns.iter_mut().filter(|f| reference.columns.contains(&f.name))
        {
            field.foreign = true;
        }
        references.push(DiagramReference {
            child: *child,
            columns: reference.columns.clone(),
            parent: *parent,
            parent_columns: reference.parent_columns.clone(),
            one_to_one: reference.one_to_one,
            optional: reference.optional,
            origin: reference.origin,
        });
    }
    references
        .sort_by(|a, b| (a.child, &a.columns, a.parent).cmp(&(b.child, &b.columns, b.parent)));
    Diagram { project: manifest.project.name.to_string(), groups, tables, references }
}

/// The usual order of layers by name, for layers at the same distance from the sources.
fn usual(name: &str) -> usize {
    const NAMES: [&str; 6] = ["sources", "seeds", "snapshots", "staging", "intermediate", "marts"];
    NAMES.iter().position(|n| *n == name).unwrap_or(NAMES.len())
}

fn shows(node: &Node) -> bool {
    let kind = matches!(
        node.kind,
        NodeKind::Model { .. } | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Source(_)
    );
    kind && !node.is_ephemeral()
}

/// The length of the longest path to each node from one without parents.
fn depths(manifest: &Manifest) -> Vec<usize> {
    let mut depth = vec![0; manifest.nodes.len()];
    for id in manifest.graph.order().unwrap_or_default() {
        let parents = &manifest.node(id).depends_on;
        depth[id.index()] = parents.iter().map(|p| depth[p.index()] + 1).max().unwrap_or_default();
    }
    depth
}

fn undescribed(name: &str) -> DiagramColumn {
    DiagramColumn {
        name: name.to_owned(),
        data_type: None,
        description: String::new(),
        primary: false,
        unique: false,
        not_null: false,
        foreign: false,
    }
}

fn table(node: &Node, keys: &KeyGraph, catalog: &CatalogTypes) -> DiagramTable {
    let known = keys.tables.get(&node.id).cloned().unwrap_or_default();
    let in_database = catalog.tables.get(&*node.unique_id).map(Vec::as_slice).unwrap_or_default();
    let mut columns: Vec<DiagramColumn> = in_database
        .iter()
        .map(|(name, data_type)| DiagramColumn {
            data_type: Some(data_type.to_lowercase()),
            ..undescribed(name)
        })
        .collect();
    for column in &node.columns {
        let at = columns
            .iter()
            .position(|f| f.name.eq_ignore_ascii_case(&column.name))
            .unwrap_or_else(|| {
                columns.push(undescribed(&column.name));
                columns.len() - 1
            });
        columns[at].description.clone_from(&column.description);
        if let Some(own) = &column.data_type {
            columns[at].data_type = Some(own.to_lowercase());
        }
    }
    let all_keys: Vec<&TableKey> = known.primary.iter().chain(&known.unique).collect();
    for name in all_keys.iter().flat_map(|k| &k.columns) {
        if !columns.iter().any(|f| f.name == *name) {
            columns.push(undescribed(name));
        }
    }
    for field in &mut columns {
        field.primary = known.primary.as_ref().is_some_and(|k| k.columns.contains(&field.name));
        field.unique = all_keys.iter().any(|k| k.columns.len() == 1 && k.columns[0] == field.name);
        field.not_null = known.not_null.contains(&field.name);
    }
    let composite =
        all_keys.iter().enumerate().filter(|(_, k)| k.columns.len() > 1).map(|(i, k)| {
            CompositeKey {
                columns: k.columns.clone(),
                primary: i == 0 && known.primary.is_some(),
                origin: k.origin,
            }
        });
    let kind = match &node.kind {
        NodeKind::Model { .. } => node.materialized().into_owned(),
        _ => node.resource_type().as_str().to_owned(),
    };
    DiagramTable {
        schema: node.relation.as_ref().and_then(|r| r.schema()).unwrap_or_default().to_owned(),
        name: node
            .relation
            .as_ref()
            .map_or_else(|| node.name.to_string(), |r| r.identifier().to_owned()),
        description: node.description.trim().to_owned(),
        kind,
        composite: composite.collect(),
        columns,
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A diagram of two tables with hostile names and texts.
    pub(in crate::export::erd) fn hostile() -> Diagram {
        let text = "a 'q' \"d\" `b` \\ <x> & é 😀 {{ y }} ''' --> %% ]; \n\u{202e}*/ <!--";
        let field = |name: &str, foreign| DiagramColumn {
            data_type: Some("decimal(18,2)[]; drop".to_owned()),
            description: text.to_owned(),
            foreign,
            primary: !foreign,
            ..undescribed(name)
        };
        let table = |name: &str, foreign| DiagramTable {
            schema: "main".to_owned(),
            name: name.to_owned(),
            description: text.to_owned(),
            kind: "table".to_owned(),
            columns: vec![field(text, foreign), field("end", false)],
            composite: vec![CompositeKey {
                columns: vec![text.to_owned(), "end".to_owned()],
                primary: !foreign,
                origin: KeyOrigin::Test,
            }],
        };
        Diagram {
            project: "x".to_owned(),
            groups: vec![TableGroup { name: text.to_owned(), tables: vec![0, 1] }],
            tables: vec![table(text, false), table("class", true)],
            references: vec![DiagramReference {
                child: 1,
                columns: vec![text.to_owned()],
                parent: 0,
                parent_columns: vec![text.to_owned()],
                one_to_one: false,
                optional: true,
                origin: KeyOrigin::Constraint,
            }],
        }
    }
}
