//! `state:`: compares nodes with an earlier manifest, by dbt's rules.
//!
//! In: nodes of the project and, as JSON, of an earlier manifest that dbt or Strata wrote. Out:
//! whether a criterion holds. Both sides are compared as artifacts have them, configs as they were
//! written (`unrendered_config`): a variable with another value is no change, a default that
//! is now written out is one.
//!
//! Source: `state:` in dbt's documentation of node selection, and the table `tests/dbt/state.json`.

use super::methods::{ModifiedPart, StateKind};
use super::previous::PreviousState;
use crate::config::{Json, JsonMap};
use crate::engine::is_built_in_package;
use crate::manifest::{Manifest, Node, NodeKind, ResourceType, SemanticNode};
use std::collections::{BTreeSet, HashMap};

/// Caches whether macros have changed.
#[derive(Debug, Default)]
pub(super) struct StateCache {
    macros: HashMap<String, bool>,
}

pub(super) fn matches_state(
    kind: StateKind,
    manifest: &Manifest,
    node: &Node,
    previous: &PreviousState,
    cache: &mut StateCache,
) -> bool {
    let old = previous.nodes.get(&*node.unique_id);
    match (kind, old) {
        (StateKind::New, old) => old.is_none(),
        (StateKind::Old, old) => old.is_some(),
        (StateKind::Modified(part), old) => modified(part, manifest, node, old, previous, cache),
        (StateKind::Unmodified, old) => {
            !modified(ModifiedPart::Any, manifest, node, old, previous, cache)
        }
    }
}

/// Whether dbt compares the node by fields of its own kind, since it has no body.
fn is_described(node: &Node) -> bool {
    matches!(
        node.kind,
        NodeKind::Source(_)
            | NodeKind::Exposure(_)
            | NodeKind::Export(_)
            | NodeKind::Semantic(..)
            | NodeKind::UnitTest(_)
    )
}

fn modified(
    part: ModifiedPart,
    manifest: &Manifest,
    node: &Node,
    old: Option<&Json>,
    previous: &PreviousState,
    cache: &mut StateCache,
) -> bool {
    if part == ModifiedPart::Macros {
        return macros_modified(manifest, node, previous, cache);
    }
    let Some(old) = old else { return counts_when_new(part, node) };
    let new = Json::Object(manifest.node_json(node));
    let both =
        Both { node, new: &new, old, compare_unrendered: manifest.project.compare_unrendered };
    match part {
        ModifiedPart::Body => both.body(),
        ModifiedPart::Configs => both.configs(),
        ModifiedPart::Relation => both.relation(),
        ModifiedPart::Descriptions => both.descriptions(),
        ModifiedPart::Contract => both.contract(),
        ModifiedPart::Macros => false,
        ModifiedPart::Any => {
            both.any() || both.contract() || macros_modified(manifest, node, previous, cache)
        }
    }
}

/// Whether a node that the earlier manifest lacks counts as modified in a part. Sources, exposures
/// and the resources of the semantic layer have only some of the parts.
fn counts_when_new(part: ModifiedPart, node: &Node) -> bool {
    match (part, &node.kind) {
        (ModifiedPart::Macros, _) => false,
        (ModifiedPart::Any, NodeKind::UnitTest(_)) => true,
        (_, NodeKind::UnitTest(_)) => false,
        (ModifiedPart::Configs, _) => true,
        (ModifiedPart::Relation, NodeKind::Source(_)) => true,
        _ => !is_described(node),
    }
}

/// The current and the earlier version of a node.
struct Both<'a> {
    node: &'a Node,
    new: &'a Json,
    old: &'a Json,
    /// Whether the database and schema of sources are compared unrendered.
    compare_unrendered: bool,
}

/// The only configs of tests that are compared.
const OF_TESTS: &[&str] = &[
    "severity",
    "where",
    "limit",
    "fail_calc",
    "warn_if",
    "error_if",
    "store_failures",
    "store_failures_as",
];

/// Configs that are not compared here. `relation` compares where a node is stored.
const ASIDE: &[&str] = &["alias", "schema", "database", "tags", "group"];

impl Both<'_> {
    fn differs(&self, pointer: &str) -> bool {
        self.new.pointer(pointer).unwrap_or(&Json::Null)
            != self.old.pointer(pointer).unwrap_or(&Json::Null)
    }

    fn any_differs(&self, pointers: &[&str]) -> bool {
        pointers.iter().any(|pointer| self.differs(pointer))
    }

    fn any(&self) -> bool {
        match &self.node.kind {
            NodeKind::Source(_) => {
                let own = ["/fqn", "/quoting", "/freshness", "/loaded_at_field", "/external"];
                self.relation() || self.configs() || self.any_differs(&own)
            }
            NodeKind::Exposure(_) | NodeKind::Export(_) => {
                let own =
                    ["/fqn", "/type", "/owner", "/maturity", "/url", "/description", "/label"];
                self.any_differs(&own) || self.parents() || self.configs()
            }
            NodeKind::UnitTest(_) => self.differs("/checksum"),
            NodeKind::Semantic(SemanticNode::Metric(_)) => {
                self.any_differs(&["/type", "/description", "/label"]) || self.configs()
            }
            NodeKind::Semantic(SemanticNode::Model(_)) => {
                let own = [
                    "/model",
                    "/description",
                    "/defaults",
                    "/entities",
                    "/dimensions",
                    "/measures",
                    "/config",
                    "/primary_entity",
                    "/group",
                ];
                self.any_differs(&own)
            }
            NodeKind::Semantic(..) => {
                let own = [
                    "/query_params/metrics",
                    "/query_params/group_by",
                    "/query_params/where",
                    "/description",
                    "/label",
                    "/config",
                    "/group",
                    "/tags",
                ];
                self.any_differs(&own) || written_exports(self.new) != written_exports(self.old)
            }
            NodeKind::Test(crate::manifest::TestKind::Generic(_)) => {
                self.configs() || self.differs("/fqn")
            }
            _ => {
                let own: &[&str] = match self.node.kind {
                    NodeKind::Model { .. } => &["/latest_version", "/access"],
                    NodeKind::Function(_) => &["/arguments", "/returns", "/overloads"],
                    _ => &[],
                };
                let described = self.descriptions() || self.relation() || self.differs("/fqn");
                let date = moment(self.new) != moment(self.old);
                self.body() || self.configs() || described || self.any_differs(own) || date
            }
        }
    }

    fn body(&self) -> bool {
        if is_described(self.node) {
            return false;
        }
        if self.node.resource_type() == ResourceType::Seed {
            return self.differs("/checksum");
        }
        self.differs("/raw_code")
    }

    /// Compares unrendered configs; of tests only those that affect the result.
    fn configs(&self) -> bool {
        if matches!(self.node.kind, NodeKind::UnitTest(_)) {
            return false;
        }
        if matches!(
            self.node.kind,
            NodeKind::Semantic(SemanticNode::Model(_) | SemanticNode::SavedQuery(_))
        ) {
            return self.differs("/config");
        }
        let (new, old) = (written_configs(self.new), written_configs(self.old));
        let keys: BTreeSet<&String> =
            new.keys().chain(old.keys()).filter(|key| self.counts_config(key)).collect();
        // A key that is set to null differs from a missing key.
        keys.into_iter().any(|key| new.get(key) != old.get(key))
    }

    fn counts_config(&self, key: &str) -> bool {
        if self.node.resource_type() == ResourceType::Test {
            return OF_TESTS.contains(&key);
        }
        is_described(self.node) || !ASIDE.contains(&key)
    }

    fn relation(&self) -> bool {
        if matches!(self.node.kind, NodeKind::Source(_)) {
            return self.differs("/identifier")
                || match self.compare_unrendered {
                    true => self.any_differs(&["/unrendered_database", "/unrendered_schema"]),
                    false => self.any_differs(&["/database", "/schema"]),
                };
        }
        if is_described(self.node) {
            return false;
        }
        ["database", "schema", "alias"]
            .iter()
            .any(|key| self.differs(&format!("/unrendered_config/{key}")))
    }

    fn descriptions(&self) -> bool {
        if is_described(self.node) {
            return false;
        }
        (self.persists("relation") && self.differs("/description"))
            || (self.persists("columns")
                && column_descriptions(self.new) != column_descriptions(self.old))
    }

    /// Whether descriptions of the relation or of its columns are persisted as comments.
    fn persists(&self, what: &str) -> bool {
        self.new.pointer(&format!("/config/persist_docs/{what}")) == Some(&Json::Bool(true))
    }

    /// Whether the contract differs: whether it is enforced, its columns, their types or
    /// constraints.
    fn contract(&self) -> bool {
        if !matches!(self.node.kind, NodeKind::Model { .. }) {
            return false;
        }
        match (enforces_contract(self.old), enforces_contract(self.new)) {
            (false, false) => false,
            (true, true) => {
                promised_columns(self.new) != promised_columns(self.old)
                    || self.differs("/config/materialized")
            }
            _ => true,
        }
    }

    fn parents(&self) -> bool {
        parent_ids(self.new) != parent_ids(self.old)
    }
}

/// The exports of a saved query: of each its name and what its own config says of the place.
fn written_exports(node: &Json) -> Vec<[Json; 4]> {
    let exports = node.get("exports").and_then(Json::as_array).into_iter().flatten();
    let written = exports.map(|export| {
        let setting = |key: &str| {
            export.pointer(&format!("/unrendered_config/{key}")).cloned().unwrap_or_default()
        };
        [value_of(export, "name"), setting("export_as"), setting("schema"), setting("alias")]
    });
    written.collect()
}

fn written_configs(node: &Json) -> JsonMap {
    node.get("unrendered_config").and_then(Json::as_object).cloned().unwrap_or_default()
}

fn column_descriptions(node: &Json) -> Vec<(String, Json)> {
    let columns = node.get("columns").and_then(Json::as_object).into_iter().flatten();
    let mut all: Vec<(String, Json)> =
        columns.map(|(name, column)| (name.clone(), value_of(column, "description"))).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

pub(super) fn enforces_contract(node: &Json) -> bool {
    node.pointer("/contract/enforced") == Some(&Json::Bool(true))
}

/// The names, types and constraints of columns. The constraints of the table are added under an
/// empty name.
fn promised_columns(node: &Json) -> Vec<(String, Json, Json)> {
    let mut all = Vec::new();
    for (name, column) in node.get("columns").and_then(Json::as_object).into_iter().flatten() {
        all.push((name.clone(), value_of(column, "data_type"), value_of(column, "constraints")));
    }
    all.push((String::new(), Json::Null, value_of(node, "constraints")));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn value_of(map: &Json, key: &str) -> Json {
    map.get(key).cloned().unwrap_or_default()
}

fn parent_ids(node: &Json) -> BTreeSet<String> {
    let list = node.pointer("/depends_on/nodes").and_then(Json::as_array);
    list.into_iter().flatten().filter_map(|id| id.as_str().map(str::to_owned)).collect()
}

/// The deprecation date of a model. A date without a time is the same as its midnight.
fn moment(node: &Json) -> Option<String> {
    let text = node.get("deprecation_date")?.as_str()?.trim().replacen(' ', "T", 1);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let midnight = time
        .trim_end_matches("+00:00")
        .trim_end_matches('Z')
        .chars()
        .all(|c| matches!(c, '0' | ':' | '.'));
    Some(if midnight { date.to_owned() } else { text })
}

fn macros_modified(
    manifest: &Manifest,
    node: &Node,
    previous: &PreviousState,
    cache: &mut StateCache,
) -> bool {
    node.macros.iter().any(|m| macro_modified(m, manifest, previous, cache, &mut Vec::new()))
}

/// Whether a macro or one that it calls has changed. Cycles of calls count as unchanged.
fn macro_modified(
    id: &str,
    manifest: &Manifest,
    previous: &PreviousState,
    cache: &mut StateCache,
    path: &mut Vec<String>,
) -> bool {
    if let Some(known) = cache.macros.get(id) {
        return *known;
    }
    let Some(info) = manifest.macros.iter().find(|m| &*m.unique_id == id) else { return false };
    if path.iter().any(|p| p == id) {
        return false;
    }
    path.push(id.to_owned());
    // dbt has different texts of the built-in macros, so only the macros that these call are
    // compared.
    let built_in = is_built_in_package(&info.package);
    let changed = (!built_in && previous.macros.get(id).is_none_or(|sql| sql != info.sql.trim()))
        || info.depends_on.iter().any(|d| macro_modified(d, manifest, previous, cache, path));
    path.pop();
    cache.macros.insert(id.to_owned(), changed);
    changed
}
