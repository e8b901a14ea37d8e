//! Resolves references to node ids, and makes the graph.

use super::Resolver;
use super::cache::ResolvedItem;
use super::deprecations::check_reader;
use super::microbatch::check_inputs;
use super::semantic::{SemanticNames, collect_inputs};
use crate::context::{resolve_function, resolve_ref};
use crate::diag::{Code, DbtEvent, Diagnostic, nearest_name};
use crate::load::LoadedPackage;
use crate::manifest::{
    Access, FoundNode, Graph, Manifest, Node, NodeId, NodeKind, NodeLookup, RefCall, SemanticNode,
    SourceCall, TestKind,
};
use crate::parse::ParsedProject;
use rayon::prelude::*;
use std::sync::Arc;

/// The resolved references of a node.
#[derive(Default)]
pub(super) struct BoundReferences {
    pub(super) parents: Vec<NodeId>,
    /// Whether the node is a test of a missing or disabled node.
    pub(super) dropped: bool,
    pub(super) complaints: Vec<Diagnostic>,
}

/// The result of resolving all references.
pub(super) struct Bound {
    pub(super) graph: Graph,
    /// The final ids of the nodes, by the ids that they had before; `None` for a node that is not
    /// in the graph.
    pub(super) ids: Vec<Option<NodeId>>,
}

/// The tables in which references are looked up.
pub(super) struct Binder<'a> {
    lookup: &'a NodeLookup,
    nodes: &'a [Arc<Node>],
    disabled: &'a [Arc<Node>],
    packages: &'a [LoadedPackage],
    semantic: SemanticNames<'a>,
}

impl<'a> Binder<'a> {
    /// A binder for nodes of files that name no metric.
    pub(super) fn new(manifest: &'a Manifest, packages: &'a [LoadedPackage]) -> Binder<'a> {
        let Manifest { lookup, nodes, disabled, .. } = manifest;
        Binder { lookup, nodes, disabled, packages, semantic: SemanticNames::default() }
    }

    pub(super) fn bind(&self, node: &Node) -> BoundReferences {
        let mut bound = BoundReferences::default();
        let test = matches!(node.kind, NodeKind::Test(_) | NodeKind::UnitTest(_));
        // Sources come first, as in dbt.
        for call in &node.sources {
            self.source(node, call, test, &mut bound);
        }
        for call in &node.refs {
            self.reference(node, call, test, &mut bound);
        }
        if matches!(node.kind, NodeKind::Semantic(_)) || !node.metrics.is_empty() {
            let (parents, complaints) = self.semantic.parents(node);
            parents.into_iter().for_each(|parent| push(&mut bound.parents, parent));
            bound.complaints.extend(complaints);
        }
        for call in &node.functions {
            self.function(node, call, &mut bound);
        }
        let inputs = bound.parents.iter().map(|id| &self.nodes[id.index()]);
        bound.complaints.extend(check_inputs(node, inputs));
        bound
    }

    /// As in dbt, a missing or disabled function takes a data test out of the graph.
    fn function(&self, node: &Node, call: &RefCall, bound: &mut BoundReferences) {
        let (message, help) = match resolve_function(self.lookup, call, &node.package) {
            Ok(id) => return push(&mut bound.parents, id),
            Err(why) => why,
        };
        let is_test = matches!(node.kind, NodeKind::Test(_));
        bound.dropped |= is_test;
        let d = match is_test {
            true => Diagnostic::dbt_warning(
                Code::NoteTest,
                DbtEvent::NodeNotFoundOrDisabled,
                format!("the test `{}` is left out: {message}", node.name),
            ),
            false => Diagnostic::error(Code::UnknownRef, message),
        };
        let place = call.span.unwrap_or(node.span);
        bound.complaints.push(d.primary(place, "called here").help_if(help, |h| h));
    }

    fn reference(&self, node: &Node, call: &RefCall, test: bool, bound: &mut BoundReferences) {
        match self.lookup.find_ref(
            call.package.as_deref(),
            &call.name,
            call.version.as_deref(),
            &node.package,
        ) {
            FoundNode::Node(id) => {
                push(&mut bound.parents, id);
                bound.complaints.extend(self.undecided(node, call));
                bound.complaints.extend(check_reader(node, call, &self.nodes[id.index()]));
                bound.complaints.extend(self.access(node, call, &self.nodes[id.index()]));
            }
            FoundNode::Disabled(_) if test => bound.dropped = true,
            // As in dbt, a unit test of a missing model is an error.
            FoundNode::Nothing if matches!(node.kind, NodeKind::Test(_)) => {
                bound.dropped = true;
                // A description of a missing node is reported where the description is.
                let described = node.generic_test().is_some_and(|test| test.attached.is_none());
                bound
                    .complaints
                    .extend((!described).then(|| missing(self.lookup, call, node, true)));
            }
            FoundNode::Disabled(index) => bound.complaints.push(
                Diagnostic::error(
                    Code::DisabledRef,
                    format!("`{}` uses `{}`, which is disabled", node.name, call.name),
                )
                .primary(call.span.unwrap_or(node.span), "referenced here")
                .secondary(self.disabled[index].span, "disabled: `enabled: false`"),
            ),
            FoundNode::Nothing => bound.complaints.push(missing(self.lookup, call, node, false)),
        }
    }

    fn source(&self, node: &Node, call: &SourceCall, test: bool, bound: &mut BoundReferences) {
        match self.lookup.find_source(&call.source, &call.table, &node.package) {
            FoundNode::Node(id) => push(&mut bound.parents, id),
            FoundNode::Disabled(_) | FoundNode::Nothing if test => bound.dropped = true,
            FoundNode::Disabled(index) => bound.complaints.push(
                Diagnostic::error(
                    Code::DisabledRef,
                    format!(
                        "`{}` uses source `{}.{}`, which is disabled",
                        node.name, call.source, call.table
                    ),
                )
                .primary(call.span.unwrap_or(node.span), "used here")
                .secondary(self.disabled[index].span, "disabled here"),
            ),
            FoundNode::Nothing => {
                let full = format!("{}.{}", call.source, call.table);
                let names: Vec<String> = self.lookup.source_names().collect();
                bound.complaints.push(
                    Diagnostic::error(
                        Code::UnknownSource,
                        format!("`{}` uses source `{full}`, which was not found", node.name),
                    )
                    .primary(call.span.unwrap_or(node.span), "used here")
                    .help_if(nearest_name(&full, names.iter().map(String::as_str)), |n| {
                        format!("a source `{n}` is declared")
                    })
                    .help("declare it under `sources:` in a properties file"),
                );
            }
        }
    }

    /// The error for a reference that names no package, if several packages have a node of that
    /// name.
    fn undecided(&self, node: &Node, call: &RefCall) -> Option<Diagnostic> {
        let packages = match call.package {
            None => self.lookup.undecided(&call.name, &node.package),
            Some(_) => return None,
        };
        let first = packages.first()?;
        let message = format!("`{}` is in several packages: {}", call.name, packages.join(", "));
        let d = Diagnostic::error(Code::DuplicateName, message)
            .primary(call.span.unwrap_or(node.span), "which one?");
        Some(d.help(format!("name the package: `ref('{first}', '{}')`", call.name)))
    }

    /// The error for a reference that the model's `access:` does not allow.
    fn access(&self, node: &Node, call: &RefCall, target: &Node) -> Option<Diagnostic> {
        let NodeKind::Model { access, group, .. } = &target.kind else { return None };
        if matches!(node.kind, NodeKind::Export(_)) {
            return None;
        }
        let own_group = match &node.kind {
            NodeKind::Model { group, .. } => group.clone(),
            NodeKind::UnitTest(_) => return None,
            // A test belongs to the group of the model that it tests.
            NodeKind::Test(TestKind::Generic(test)) => {
                let tested = test.attached.map(|id| &self.nodes[id.index()])?;
                if tested.unique_id == target.unique_id {
                    return None;
                }
                tested.config.text("group").map(|g| g.into_owned().into())
            }
            _ => node.config.text("group").map(|g| g.into_owned().into()),
        };
        let restricted =
            self.packages.iter().any(|p| *p.name() == target.package && p.options.restrict_access);
        let wrong = match access {
            Access::Private => {
                (group.is_some() && own_group != *group)
                    || (restricted && node.package != target.package)
            }
            Access::Protected => restricted && node.package != target.package,
            Access::Public => false,
        };
        wrong.then(|| {
            let why = match (access, group) {
                (Access::Private, Some(g)) => format!("it is private to group `{g}`"),
                _ => format!("it is {} in package `{}`", access.as_str(), target.package),
            };
            Diagnostic::error(
                Code::Access,
                format!("`{}` may not use `{}`: {why}", node.name, target.name),
            )
            .primary(call.span.unwrap_or(node.span), "referenced here")
        })
    }
}

impl Resolver<'_> {
    /// Resolves all references, and sets aside tests whose parents are missing or disabled.
    pub(super) fn bind(&mut self, lookup: &NodeLookup) -> Bound {
        let packages = &self.ground.sources.packages;
        let (nodes, disabled) = (&self.nodes, &self.disabled);
        let semantic = SemanticNames::new(self.ground.sources.root().name(), nodes, disabled);
        let binder = Binder { lookup, nodes, disabled, packages, semantic };
        let mut bound: Vec<BoundReferences> =
            self.nodes.par_iter().map(|node| binder.bind(node)).collect();
        for (place, bound) in bound.iter_mut().enumerate() {
            self.findings.bound.extend(bound.complaints.drain(..).map(|d| (place, d)));
        }
        self.keep(bound)
    }

    /// Assigns the final ids to the remaining nodes and makes the graph.
    fn keep(&mut self, bound: Vec<BoundReferences>) -> Bound {
        let mut next = 0;
        let mut ids: Vec<Option<NodeId>> = Vec::with_capacity(bound.len());
        for bound in &bound {
            ids.push((!bound.dropped).then_some(NodeId(next)));
            next += u32::from(!bound.dropped);
        }
        let nodes = std::mem::take(&mut self.nodes);
        let mut inputs = collect_inputs(&nodes, &|i| bound[i].parents.clone());
        for (i, (mut node, bound)) in nodes.into_iter().zip(bound).enumerate() {
            let mut depends_on = bound.parents;
            depends_on
                .retain_mut(|parent| ids[parent.index()].inspect(|id| *parent = *id).is_some());
            let attached = node.generic_test().and_then(|test| test.attached);
            let attached_now = attached.and_then(|id| ids[id.index()]);
            // A node that is not in the graph keeps its provisional id, which is never used.
            let id = ids[i];
            let own_id = id.unwrap_or(node.id);
            // A node that has not changed stays shared with the previous manifest.
            let measures = inputs.remove(&i);
            let has_measures = match (&node.kind, &measures) {
                (NodeKind::Semantic(SemanticNode::Metric(metric)), Some(measures)) => {
                    metric.input_measures == *measures
                }
                _ => true,
            };
            if node.id != own_id
                || node.depends_on != depends_on
                || attached != attached_now
                || !has_measures
            {
                self.cache.change(self.keys[i], &mut node, |own| {
                    (own.id, own.depends_on) = (own_id, depends_on);
                    if let NodeKind::Semantic(SemanticNode::Metric(metric)) = &mut own.kind {
                        metric.input_measures = measures.unwrap_or_default();
                    }
                    if let NodeKind::Test(TestKind::Generic(test)) = &mut own.kind {
                        test.attached = attached_now;
                    }
                });
            }
            match id {
                Some(_) => self.nodes.push(node),
                None if matches!(node.kind, NodeKind::UnitTest(_)) => self.disabled.push(node),
                None => self.unplaced.push(node),
            }
        }
        Bound { graph: connect_nodes(&self.nodes), ids }
    }

    /// Where the nodes of files are; `None` for one that is not in the graph.
    pub(super) fn places_of(
        &self,
        parsed: &ParsedProject,
        ids: &[Option<NodeId>],
    ) -> Vec<Option<Placed>> {
        // The nodes of files come first, in their order; those that are disabled are left out.
        let mut places = self.keys.iter().zip(ids).enumerate().peekable();
        let mut placed = Vec::with_capacity(parsed.nodes.len());
        for item in &parsed.nodes {
            let key = ResolvedItem::Node(item.clone()).key();
            let found = places.next_if(|(_, (of, _))| **of == key);
            placed.push(found.and_then(|(place, (_, id))| Some(Placed { place, id: (*id)? })));
        }
        placed
    }
}

/// The graph of nodes whose references are bound.
pub(super) fn connect_nodes(nodes: &[Arc<Node>]) -> Graph {
    let mut graph = Graph::new(nodes.len());
    for node in nodes {
        node.depends_on.iter().for_each(|parent| graph.add_edge(*parent, node.id));
    }
    graph
}

/// The place of a node in the pass, and its id in the manifest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) place: usize,
    pub(super) id: NodeId,
}

fn push(parents: &mut Vec<NodeId>, id: NodeId) {
    if !parents.contains(&id) {
        parents.push(id);
    }
}

fn missing(lookup: &NodeLookup, call: &RefCall, node: &Node, test: bool) -> Diagnostic {
    let (message, help) = match resolve_ref(lookup, call, &node.package, &node.name) {
        Err(found) => found,
        Ok(_) => (format!("`{}` uses model `{}`, which was not found", node.name, call.name), None),
    };
    let place = call.span.unwrap_or(node.span);
    let d = if test {
        Diagnostic::dbt_warning(
            Code::NoteTest,
            DbtEvent::NodeNotFoundOrDisabled,
            format!("the test `{}` is left out: {message}", node.name),
        )
    } else {
        Diagnostic::error(Code::UnknownRef, message)
    };
    d.primary(place, "referenced here").help_if(help, |h| h)
}

/// A cycle of the graph, with the references that make it.
pub(super) fn cycle_diagnostic(nodes: &[Arc<Node>], cycle: &[NodeId]) -> Diagnostic {
    let names: Vec<String> = cycle.iter().map(|id| nodes[id.index()].display_name()).collect();
    let first = names.first().cloned().unwrap_or_default();
    let path = format!("{} -> {first}", names.join(" -> "));
    let mut d = Diagnostic::error(
        Code::Cycle,
        format!("Found a cycle of models that depend on each other: {path}"),
    );
    for (i, id) in cycle.iter().enumerate() {
        // For each node, the call by which the next one in the cycle refers to it.
        let next = &nodes[cycle[(i + 1) % cycle.len()].index()];
        let from = &nodes[id.index()];
        let call = next.refs.iter().find(|r| r.name == from.name).and_then(|r| r.span);
        let label = format!("`{}` uses `{}` here", next.name, from.name);
        let span = call.unwrap_or(next.span);
        d = if i == 0 { d.primary(span, label) } else { d.secondary(span, label) };
    }
    d.help("break the circle: move what both need into a model of its own")
}
