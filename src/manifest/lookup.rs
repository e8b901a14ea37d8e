//! Resolves the names in `ref` and `source` to nodes.

use super::{Node, NodeId, ResourceType};
use crate::config::{Json, python_str};
use crate::hash::FastMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FoundNode {
    Node(NodeId),
    /// A node with `enabled: false`, by its index in the disabled list.
    Disabled(usize),
    Nothing,
}

/// The source's name and the table's.
type SourceKey = (Arc<str>, Arc<str>);

#[derive(Clone, Debug)]
struct Refable {
    package: Arc<str>,
    version: Option<String>,
    latest: bool,
    kind: ResourceType,
    found: FoundNode,
}

impl Refable {
    /// Whether a `ref` with this version refers to it. Without a version, it refers to the latest.
    fn has_version(&self, version: Option<&str>) -> bool {
        let Some(wanted) = version else { return self.latest };
        self.version.as_deref().is_some_and(|own| own == wanted || same_number(own, wanted))
    }
}

/// The nodes and sources that can be referred to, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeLookup {
    root: Arc<str>,
    /// Whether the referring package is searched before the root project.
    own_first: bool,
    refs: FastMap<Arc<str>, Vec<Refable>>,
    sources: FastMap<SourceKey, Vec<(Arc<str>, FoundNode)>>,
    functions: FastMap<Arc<str>, Vec<Refable>>,
}

impl NodeLookup {
    /// The ids of nodes are their indexes in the list.
    pub(crate) fn new(
        root: &Arc<str>,
        own_first: bool,
        nodes: &[Arc<Node>],
        disabled: &[Arc<Node>],
    ) -> NodeLookup {
        let mut lookup = NodeLookup { root: root.clone(), own_first, ..NodeLookup::default() };
        lookup.refs.reserve(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            lookup.add(node, FoundNode::Node(NodeId(i as u32)));
        }
        for (i, node) in disabled.iter().enumerate() {
            lookup.add(node, FoundNode::Disabled(i));
        }
        lookup
    }

    /// Replaces the ids of nodes, after some nodes that cannot be referred to were removed.
    pub(crate) fn renumber(&mut self, ids: &[Option<NodeId>]) {
        let functions = self.functions.values_mut();
        let refs =
            self.refs.values_mut().chain(functions).flatten().map(|refable| &mut refable.found);
        let sources = self.sources.values_mut().flatten().map(|(_, found)| found);
        for found in refs.chain(sources) {
            if let FoundNode::Node(id) = found {
                *found = ids[id.index()].map_or(FoundNode::Nothing, FoundNode::Node);
            }
        }
    }

    fn add(&mut self, node: &Node, found: FoundNode) {
        if let super::NodeKind::Source(table) = &node.kind {
            let key = (table.source_name.clone(), node.name.clone());
            self.sources.entry(key).or_default().push((node.package.clone(), found));
        } else if node.resource_type().is_published() {
            let version = node.version();
            let by_name = match node.resource_type() {
                ResourceType::Function => &mut self.functions,
                _ => &mut self.refs,
            };
            by_name.entry(node.name.clone()).or_default().push(Refable {
                package: node.package.clone(),
                version: version.map(|v| python_str(&v.version)),
                latest: version.is_none_or(|v| same_version(&v.version, &v.latest)),
                kind: node.resource_type(),
                found,
            });
        }
    }

    /// Resolves `ref([package,] name[, version])` in the package `asking`. Searched are the root
    /// project, then `asking` (vice versa with `require_ref_searches_node_package_before_root`),
    /// then all packages. A disabled node is found only if there is no enabled one.
    pub(crate) fn find_ref(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
        asking: &str,
    ) -> FoundNode {
        let Some(all) = self.refs.get(name) else { return FoundNode::Nothing };
        self.pick(all, package, version, asking)
    }

    /// Resolves `function([package,] name)` in the package `asking`, like a `ref`.
    pub(crate) fn find_function(
        &self,
        package: Option<&str>,
        name: &str,
        asking: &str,
    ) -> FoundNode {
        let Some(all) = self.functions.get(name) else { return FoundNode::Nothing };
        self.pick(all, package, None, asking)
    }

    fn pick(
        &self,
        all: &[Refable],
        package: Option<&str>,
        version: Option<&str>,
        asking: &str,
    ) -> FoundNode {
        let found = match package {
            Some(p) => pick_ref(all, Some(p), version),
            None => {
                let [first, second] =
                    if self.own_first { [asking, &*self.root] } else { [&*self.root, asking] };
                let mut tries = [Some(first), Some(second), None]
                    .into_iter()
                    .filter_map(|package| pick_ref(all, package, version));
                match tries.next() {
                    // A disabled node counts only if there is no enabled one.
                    Some(disabled @ FoundNode::Disabled(_)) => {
                        Some(tries.find(|f| matches!(f, FoundNode::Node(_))).unwrap_or(disabled))
                    }
                    first => first,
                }
            }
        };
        found.unwrap_or(FoundNode::Nothing)
    }

    /// The packages that make a `ref` without a package ambiguous: several have the name, but
    /// neither the root project nor the referring package does.
    pub(crate) fn undecided(&self, name: &str, asking: &str) -> Vec<&str> {
        let all = self.refs.get(name).into_iter().flatten();
        let enabled = all.filter(|r| matches!(r.found, FoundNode::Node(_)));
        let mut packages: Vec<&str> = enabled.map(|r| &*r.package).collect();
        packages.sort_unstable();
        packages.dedup();
        let decided = packages.iter().any(|p| *p == &*self.root || *p == asking);
        if decided || packages.len() < 2 { Vec::new() } else { packages }
    }

    /// Resolves a source. As in dbt, the root project's take precedence over those of the referring
    /// package.
    pub(crate) fn find_source(&self, source: &str, table: &str, asking: &str) -> FoundNode {
        let Some(all) = self.sources.get(&(Arc::from(source), Arc::from(table))) else {
            return FoundNode::Nothing;
        };
        let mut sorted: Vec<&(Arc<str>, FoundNode)> = all.iter().collect();
        sorted.sort_by_key(|(p, f)| {
            let (root, own) = (**p != *self.root, **p != *asking);
            (
                matches!(f, FoundNode::Disabled(_)),
                if self.own_first { (own, root) } else { (root, own) },
            )
        });
        sorted.first().map_or(FoundNode::Nothing, |(_, f)| f.clone())
    }

    /// The names of models, seeds and snapshots, for suggestions.
    pub(crate) fn ref_names(&self) -> impl Iterator<Item = &str> {
        self.refs.keys().map(|n| &**n)
    }

    /// The names of functions, for suggestions.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(|n| &**n)
    }

    /// The versions of a model, for messages.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        self.refs.get(name).into_iter().flatten().filter_map(|r| r.version.clone()).collect()
    }

    pub(crate) fn source_names(&self) -> impl Iterator<Item = String> {
        self.sources.keys().map(|(s, t)| format!("{s}.{t}"))
    }
}

/// The node of a version, in one package or in any.
fn pick_ref(all: &[Refable], package: Option<&str>, version: Option<&str>) -> Option<FoundNode> {
    all.iter()
        .filter(|r| package.is_none_or(|package| &*r.package == package))
        .filter(|r| r.has_version(version))
        .min_by_key(|r| (matches!(r.found, FoundNode::Disabled(_)), precedence(r.kind)))
        .map(|r| r.found.clone())
}

/// The precedence among nodes of the same name: seeds, then snapshots, then models, as in dbt.
fn precedence(kind: ResourceType) -> u8 {
    match kind {
        ResourceType::Seed => 0,
        ResourceType::Snapshot => 1,
        _ => 2,
    }
}

/// Whether two versions are the same: `1`, `1.0` and `"1"` are.
pub(crate) fn same_version(a: &Json, b: &Json) -> bool {
    let (a, b) = (python_str(a), python_str(b));
    a == b || same_number(&a, &b)
}

fn same_number(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}
