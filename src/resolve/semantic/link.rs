//! What the names of metrics and measures mean: the parents of metrics, saved queries and exposures,
//! and the measures that a metric comes from.

use crate::diag::{Code, Diagnostic, nearest_name};
use crate::hash::FastMap;
use crate::manifest::{
    InputMeasure, Metric, MetricKind, Node, NodeId, NodeKind, PlacedText, RefCall, SemanticNode,
};
use crate::source::Span;
use std::sync::Arc;

/// The metrics and the measures of a project, by name. Until binding ends, an id is an index of
/// `nodes`.
#[derive(Default)]
pub(in crate::resolve) struct SemanticNames<'a> {
    root: Option<&'a str>,
    metrics: FastMap<&'a str, Vec<Named<'a>>>,
    measures: FastMap<&'a str, Vec<Named<'a>>>,
}

#[derive(Clone, Copy)]
struct Named<'a> {
    package: &'a str,
    node: &'a Node,
    /// `None`: it is disabled.
    id: Option<NodeId>,
}

impl<'a> SemanticNames<'a> {
    pub(in crate::resolve) fn new(
        root: &'a str,
        nodes: &'a [Arc<Node>],
        disabled: &'a [Arc<Node>],
    ) -> SemanticNames<'a> {
        let mut names = SemanticNames { root: Some(root), ..SemanticNames::default() };
        for (i, node) in nodes.iter().enumerate() {
            names.add(node, u32::try_from(i).ok().map(NodeId));
        }
        disabled.iter().for_each(|node| names.add(node, None));
        names
    }

    fn add(&mut self, node: &'a Node, id: Option<NodeId>) {
        let named = Named { package: &node.package, node, id };
        match &node.kind {
            NodeKind::Semantic(SemanticNode::Metric(_)) => {
                self.metrics.entry(&node.name).or_default().push(named);
            }
            NodeKind::Semantic(SemanticNode::Model(model)) => {
                for measure in &model.measures {
                    self.measures.entry(&measure.name.text).or_default().push(named);
                }
            }
            _ => {}
        }
    }

    /// The one that a name means to a package: of the root project, of the package itself, of any;
    /// one that is enabled before one that is not.
    fn pick(
        &self,
        all: Option<&Vec<Named<'a>>>,
        package: Option<&str>,
        asking: &str,
    ) -> Option<Named<'a>> {
        let all = all.map(Vec::as_slice).unwrap_or_default().iter();
        let fitting = all.filter(|named| package.is_none_or(|package| named.package == package));
        let rank = |named: &&Named<'_>| {
            (named.id.is_none(), Some(named.package) != self.root, named.package != asking)
        };
        fitting.min_by_key(rank).copied()
    }

    /// The parents of a node by metrics and measures, with what is wrong.
    pub(in crate::resolve) fn parents(&self, node: &Node) -> (Vec<NodeId>, Vec<Diagnostic>) {
        let (mut parents, mut out) = (Vec::new(), Vec::new());
        for call in &node.metrics {
            let place = call.span.unwrap_or(node.span);
            parents.extend(self.metric(node, call, place, &mut out));
        }
        if let NodeKind::Semantic(SemanticNode::Metric(metric)) = &node.kind {
            out.extend(lacking(node, metric));
            for input in metric.input_metrics() {
                let call = RefCall {
                    package: None,
                    name: input.name.text.as_str().into(),
                    version: None,
                    span: None,
                };
                parents.extend(self.metric(node, &call, input.name.span, &mut out));
            }
            for measure in metric.own_measures() {
                parents.extend(self.measure(node, &measure.name, &mut out));
            }
        }
        (parents, out)
    }

    fn metric(
        &self,
        node: &Node,
        call: &RefCall,
        place: Span,
        out: &mut Vec<Diagnostic>,
    ) -> Option<NodeId> {
        let all = self.metrics.get(&*call.name);
        let Some(found) = self.pick(all, call.package.as_deref(), &node.package) else {
            let near = nearest_name(&call.name, self.metrics.keys().copied());
            let message =
                format!("`{}` uses the metric `{}`, which is not there", node.name, call.name);
            let d = Diagnostic::error(Code::UnknownRef, message).primary(place, "used here");
            out.push(d.did_you_mean(near).help("metrics are declared under `metrics:`"));
            return None;
        };
        if found.id.is_none() {
            let message =
                format!("`{}` uses the metric `{}`, which is disabled", node.name, call.name);
            let d = Diagnostic::error(Code::DisabledRef, message).primary(place, "used here");
            out.push(d.secondary(found.node.span, "disabled: `enabled: false`"));
        }
        found.id
    }

    fn measure(
        &self,
        node: &Node,
        measure: &PlacedText,
        out: &mut Vec<Diagnostic>,
    ) -> Option<NodeId> {
        let name = measure.text.as_str();
        let Some(found) = self.pick(self.measures.get(name), None, &node.package) else {
            let near = nearest_name(name, self.measures.keys().copied());
            let message = format!("no semantic model has the measure `{name}`");
            let d = Diagnostic::error(Code::UnknownRef, message).primary(measure.span, "used here");
            out.push(d.did_you_mean(near).help("measures are declared in `semantic_models:`"));
            return None;
        };
        if found.id.is_none() {
            let message = format!("the measure `{name}` is of a semantic model that is disabled");
            let d =
                Diagnostic::error(Code::DisabledRef, message).primary(measure.span, "used here");
            out.push(d.secondary(found.node.span, "disabled: `enabled: false`"));
        }
        found.id
    }
}

/// The error for a metric without an input that its type needs.
fn lacking(node: &Node, metric: &Metric) -> Option<Diagnostic> {
    let (lacks, what) = match metric.kind {
        MetricKind::Simple | MetricKind::Cumulative => (metric.measure.is_none(), "`measure`"),
        MetricKind::Conversion => (metric.conversion.is_none(), "`conversion_type_params`"),
        MetricKind::Ratio => (
            metric.numerator.is_none() || metric.denominator.is_none(),
            "`numerator` and `denominator`",
        ),
        MetricKind::Derived => (false, ""),
    };
    lacks.then(|| {
        let kind = metric.kind.as_str();
        let message = format!("the {kind} metric `{}` needs {what} in `type_params`", node.name);
        Diagnostic::error(Code::Semantic, message).primary(node.span, "")
    })
}

/// The measures that each metric comes from, for the metrics among the nodes. `parents` are those
/// of each node.
pub(in crate::resolve) fn collect_inputs(
    nodes: &[Arc<Node>],
    parents: &dyn Fn(usize) -> Vec<NodeId>,
) -> FastMap<usize, Vec<InputMeasure>> {
    let mut found = FastMap::default();
    for (i, node) in nodes.iter().enumerate() {
        if matches!(node.kind, NodeKind::Semantic(SemanticNode::Metric(_))) {
            inputs_of(i, nodes, parents, &mut found, &mut Vec::new());
        }
    }
    found
}

fn inputs_of(
    index: usize,
    nodes: &[Arc<Node>],
    parents: &dyn Fn(usize) -> Vec<NodeId>,
    found: &mut FastMap<usize, Vec<InputMeasure>>,
    path: &mut Vec<usize>,
) -> Vec<InputMeasure> {
    if let Some(known) = found.get(&index) {
        return known.clone();
    }
    let NodeKind::Semantic(SemanticNode::Metric(metric)) = &nodes[index].kind else {
        return Vec::new();
    };
    // A cycle is reported with the graph.
    if path.contains(&index) {
        return Vec::new();
    }
    path.push(index);
    let mut inputs: Vec<InputMeasure> = Vec::new();
    let of_parents = parents(index)
        .into_iter()
        .flat_map(|parent| inputs_of(parent.index(), nodes, parents, found, path))
        .collect::<Vec<_>>();
    for input in metric.own_measures().into_iter().cloned().chain(of_parents) {
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    path.pop();
    found.insert(index, inputs.clone());
    inputs
}
