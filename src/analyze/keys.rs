//! Derives keys and references from constraints and tests.

use crate::config::{Json, JsonMap};
use crate::manifest::{FoundNode, Manifest, Node, NodeId, NodeKind, json_texts};
use std::collections::{BTreeMap, BTreeSet};

/// The origin of a key or a reference. Constraints take precedence over tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyOrigin {
    Constraint,
    Test,
}

impl KeyOrigin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            KeyOrigin::Constraint => "constraint",
            KeyOrigin::Test => "test",
        }
    }
}

/// Columns that are unique together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableKey {
    pub(crate) columns: Vec<String>,
    pub(crate) origin: KeyOrigin,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TableKeys {
    /// The declared primary key, or else the first unique key whose columns are never null.
    pub(crate) primary: Option<TableKey>,
    /// All other keys.
    pub(crate) unique: Vec<TableKey>,
    pub(crate) not_null: BTreeSet<String>,
}

impl TableKeys {
    /// Whether no two rows have equal values in these columns.
    fn is_unique(&self, columns: &[String]) -> bool {
        let mut keys = self.primary.iter().chain(&self.unique);
        keys.any(|key| key.columns.iter().all(|c| columns.contains(c)))
    }
}

/// Columns of a child table that identify a row of a parent table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyReference {
    pub(crate) child: NodeId,
    pub(crate) columns: Vec<String>,
    pub(crate) parent: NodeId,
    pub(crate) parent_columns: Vec<String>,
    pub(crate) origin: KeyOrigin,
    /// Whether each row of the parent has at most one row of the child.
    pub(crate) one_to_one: bool,
    /// Whether a row of the child may have no row of the parent.
    pub(crate) optional: bool,
}

/// The keys of all tables and the references between them, in the order of nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KeyGraph {
    pub(crate) tables: BTreeMap<NodeId, TableKeys>,
    pub(crate) references: Vec<KeyReference>,
}

/// The facts about one table, from which its keys are chosen.
#[derive(Default)]
struct DeclaredKeys {
    declared: Option<Vec<String>>,
    unique: Vec<TableKey>,
    not_null: BTreeSet<String>,
}

/// Reads the tests `unique`, `not_null`, `relationships` and those for unique combinations of
/// columns, and the primary keys, foreign keys, `unique` and `not_null` constraints of columns and
/// models. A test with `where` says nothing about the other rows, so it yields no key, and only an
/// optional reference.
pub(crate) fn build_key_graph(manifest: &Manifest) -> KeyGraph {
    let mut facts: BTreeMap<NodeId, DeclaredKeys> = BTreeMap::new();
    let mut references: Vec<KeyReference> = Vec::new();
    for node in &manifest.nodes {
        if has_rows(node) {
            let facts = facts.entry(node.id).or_default();
            constraints(manifest, node, facts, &mut references);
        }
    }
    for node in &manifest.nodes {
        test(manifest, node, &mut facts, &mut references);
    }
    let tables: BTreeMap<NodeId, TableKeys> =
        facts.into_iter().map(|(id, f)| (id, weigh(f))).collect();
    // A constraint and a test for the same reference are merged, and the constraint is its origin.
    references.sort_by(|a, b| {
        (a.child, &a.columns, a.parent, &a.parent_columns, a.origin).cmp(&(
            b.child,
            &b.columns,
            b.parent,
            &b.parent_columns,
            b.origin,
        ))
    });
    references.dedup_by(|b, a| {
        (a.child, &a.columns, a.parent, &a.parent_columns)
            == (b.child, &b.columns, b.parent, &b.parent_columns)
    });
    for reference in &mut references {
        let Some(child) = tables.get(&reference.child) else { continue };
        reference.one_to_one = child.is_unique(&reference.columns);
        reference.optional |= !reference.columns.iter().all(|c| child.not_null.contains(c));
    }
    KeyGraph { tables, references }
}

/// Whether a node is a table or a view, and so part of a diagram.
fn has_rows(node: &Node) -> bool {
    matches!(
        node.kind,
        NodeKind::Model { .. } | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Source(_)
    )
}

fn weigh(facts: DeclaredKeys) -> TableKeys {
    let DeclaredKeys { declared, mut unique, mut not_null } = facts;
    unique.sort_by_key(|k| (k.origin, k.columns.len()));
    let mut seen = BTreeSet::new();
    unique.retain(|k| {
        seen.insert(
            k.columns.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect::<Vec<_>>(),
        )
    });
    let primary = match declared {
        Some(columns) => Some(TableKey { columns, origin: KeyOrigin::Constraint }),
        None => unique.iter().find(|k| k.columns.iter().all(|c| not_null.contains(c))).cloned(),
    };
    if let Some(primary) = &primary {
        unique.retain(|k| k.columns != primary.columns);
        not_null.extend(primary.columns.iter().cloned());
    }
    TableKeys { primary, unique, not_null }
}

fn constraints(
    manifest: &Manifest,
    node: &Node,
    facts: &mut DeclaredKeys,
    references: &mut Vec<KeyReference>,
) {
    let of_columns = node
        .columns
        .iter()
        .flat_map(|column| column.constraints.iter().map(move |c| (c, vec![column.name.clone()])));
    let of_model: &[Json] = match &node.kind {
        NodeKind::Model { constraints, .. } => constraints,
        _ => &[],
    };
    let of_model =
        of_model.iter().map(|c| (c, c.get("columns").map(json_texts).unwrap_or_default()));
    for (c, columns) in of_columns.chain(of_model) {
        match c.get("type").and_then(Json::as_str) {
            _ if columns.is_empty() => {}
            Some("not_null") => facts.not_null.extend(columns),
            Some("unique") => {
                facts.unique.push(TableKey { columns, origin: KeyOrigin::Constraint })
            }
            Some("primary_key") => facts.declared = Some(columns),
            Some("foreign_key") => {
                if let Some((parent, parent_columns)) = target(manifest, node, c) {
                    references.push(KeyReference {
                        child: node.id,
                        columns,
                        parent,
                        parent_columns,
                        origin: KeyOrigin::Constraint,
                        one_to_one: false,
                        optional: false,
                    });
                }
            }
            _ => {}
        }
    }
}

/// The target of a foreign key: `to: ref('x')` with `to_columns`, or `expression: schema.x (id)`.
fn target(manifest: &Manifest, node: &Node, c: &Json) -> Option<(NodeId, Vec<String>)> {
    if let Some(to) = filled_text(c, "to") {
        let columns = c.get("to_columns").map(json_texts).unwrap_or_default();
        return named(manifest, node, to).map(|id| (id, columns));
    }
    let (relation, columns) = filled_text(c, "expression")?.split_once('(')?;
    let columns = columns.split(')').next()?.split(',').map(|c| unquoted(c).to_owned()).collect();
    named(manifest, node, relation).map(|id| (id, columns))
}

fn filled_text<'a>(constraint: &'a Json, key: &str) -> Option<&'a str> {
    constraint.get(key).and_then(Json::as_str).filter(|s| !s.is_empty())
}

/// The node of `ref('x')`, `source('a', 'b')`, or the name of a relation.
fn named(manifest: &Manifest, node: &Node, text: &str) -> Option<NodeId> {
    let inner = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
    let found = match inner.split_once('(') {
        Some((kind @ ("ref" | "source"), arguments)) => {
            let names: Vec<&str> = arguments.split(['\'', '"']).skip(1).step_by(2).collect();
            match (kind, names.as_slice()) {
                ("ref", [name]) => manifest.lookup.find_ref(None, name, None, &node.package),
                ("ref", [package, name]) => {
                    manifest.lookup.find_ref(Some(package), name, None, &node.package)
                }
                ("source", [source, table]) => {
                    manifest.lookup.find_source(source, table, &node.package)
                }
                _ => FoundNode::Nothing,
            }
        }
        _ => {
            let name = unquoted(inner.rsplit('.').next().unwrap_or(inner));
            manifest
                .all()
                .filter(|n| has_rows(n))
                .find(|n| is_called(n, name))
                .map_or(FoundNode::Nothing, |n| FoundNode::Node(n.id))
        }
    };
    match found {
        FoundNode::Node(id) => Some(id),
        _ => None,
    }
}

fn is_called(node: &Node, name: &str) -> bool {
    node.relation.as_ref().is_some_and(|r| r.identifier().eq_ignore_ascii_case(name))
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '`'])
}

fn test(
    manifest: &Manifest,
    node: &Node,
    facts: &mut BTreeMap<NodeId, DeclaredKeys>,
    references: &mut Vec<KeyReference>,
) {
    let Some(test) = node.generic_test() else { return };
    let Some(attached) = test.attached else { return };
    let Some(own) = facts.get_mut(&attached) else { return };
    let all_rows = node.typed.test().is_some_and(|test| !test.has_condition);
    let column = test
        .column
        .as_deref()
        .or_else(|| text(&test.kwargs, "column_name"))
        .map(|c| unquoted(c).to_owned());
    match (&*test.name, column) {
        ("not_null", Some(column)) if all_rows => {
            own.not_null.insert(column);
        }
        ("unique", Some(column)) if all_rows => {
            own.unique.push(TableKey { columns: vec![column], origin: KeyOrigin::Test });
        }
        // The first is a test of dbt_utils, the second one that projects often define themselves.
        ("unique_combination_of_columns" | "unique_together", _) if all_rows => {
            let list =
                test.kwargs.get("combination_of_columns").or_else(|| test.kwargs.get("columns"));
            let columns: Vec<String> = list.map(json_texts).unwrap_or_default();
            if !columns.is_empty() {
                own.unique.push(TableKey { columns, origin: KeyOrigin::Test });
            }
        }
        ("relationships", Some(column)) => {
            let others: Vec<NodeId> =
                node.depends_on.iter().copied().filter(|id| *id != attached).collect();
            let parent = match others.as_slice() {
                [] => attached,
                [parent] => *parent,
                _ => return,
            };
            let Some(field) =
                text(&test.kwargs, "field").filter(|_| has_rows(manifest.node(parent)))
            else {
                return;
            };
            references.push(KeyReference {
                child: attached,
                columns: vec![column],
                parent,
                parent_columns: vec![unquoted(field).to_owned()],
                origin: KeyOrigin::Test,
                one_to_one: false,
                optional: !all_rows,
            });
        }
        _ => {}
    }
}

fn text<'a>(kwargs: &'a JsonMap, key: &str) -> Option<&'a str> {
    kwargs.get(key).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::testing::project;

    fn graph(yml: &str) -> (Manifest, KeyGraph) {
        let sql = "select 1 as id";
        let files = [
            ("models/a.sql", sql),
            ("models/b.sql", sql),
            ("models/c.sql", sql),
            ("models/s.yml", yml),
        ];
        let (manifest, out) = project(&files);
        assert!(out.iter().all(|d| !d.is_error()), "{out:?}");
        let graph = build_key_graph(&manifest);
        (manifest, graph)
    }

    fn table<'a>(m: &Manifest, g: &'a KeyGraph, name: &str) -> &'a TableKeys {
        &g.tables[&m.get(&format!("model.shop.{name}")).unwrap().id]
    }

    #[test]
    fn tests_give_keys_and_references() {
        let (m, g) = graph(
            "models:\n\
             - name: a\n  columns: [{name: id, data_tests: [unique, not_null]}, {name: mail, data_tests: [unique]}]\n\
             - name: b\n  columns:\n  - {name: id, data_tests: [unique, {relationships: {arguments: {to: ref('a'), field: id}}}]}\n\
             - name: c\n  columns:\n  - {name: a_id, data_tests: [not_null, {relationships: {arguments: {to: ref('a'), field: id}}}]}\n",
        );
        assert_eq!(table(&m, &g, "a").primary.as_ref().unwrap().columns, ["id"]);
        assert_eq!(table(&m, &g, "a").unique[0].columns, ["mail"]);
        assert_eq!(table(&m, &g, "b").primary, None);
        let shape: Vec<(bool, bool)> =
            g.references.iter().map(|r| (r.one_to_one, r.optional)).collect();
        assert_eq!(shape, [(true, true), (false, false)]);
    }

    #[test]
    fn constraints_count_before_tests_and_may_have_several_columns() {
        let (m, g) = graph(
            "models:\n\
             - name: a\n  constraints: [{type: primary_key, columns: [x, y]}]\n  columns: [{name: x}, {name: y}]\n\
             - name: b\n  constraints: [{type: foreign_key, columns: [ax, ay], to: ref('a'), to_columns: [x, y]}]\n  \
               columns: [{name: ax}, {name: ay, constraints: [{type: not_null}]}]\n\
             - name: c\n  columns:\n  - name: b_id\n    constraints: [{type: foreign_key, expression: 'main.b (id)'}]\n    \
               data_tests: [{relationships: {arguments: {to: ref('b'), field: id}}}]\n",
        );
        assert_eq!(table(&m, &g, "a").primary.as_ref().unwrap().columns, ["x", "y"]);
        assert!(table(&m, &g, "a").not_null.contains("x"));
        assert_eq!(g.references.len(), 2, "{:?}", g.references);
        assert_eq!(g.references[0].parent_columns, ["x", "y"]);
        assert!(g.references[0].optional);
        assert_eq!(g.references[1].origin, KeyOrigin::Constraint);
    }

    #[test]
    fn a_test_of_some_rows_gives_no_key() {
        let (m, g) = graph(
            "models:\n- name: a\n  columns:\n  - name: id\n    data_tests: [{unique: {config: {where: 'id > 1'}}}, not_null]\n",
        );
        assert_eq!(table(&m, &g, "a").primary, None);
    }
}
