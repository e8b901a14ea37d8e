//! What dbt's semantic layer asks of all semantic models, metrics, saved queries and time spines
//! together.
//!
//! In: the nodes of a project whose references are bound. Out: diagnostics, with the place of what
//! does not fit. Must not know: files, how metrics become SQL.
//!
//! Source: the validations of the project dbt-semantic-interfaces 0.9, which dbt 1.11 runs.

mod measures;
mod metrics;
mod models;
mod names;
mod queries;
mod spines;

use crate::config::ProjectFlags;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{
    Metric, Node, NodeKind, NodeLookup, SavedQuery, SemanticModel, SemanticNode, TimeGrain,
    TimeSpine,
};
use crate::source::Span;
use std::sync::Arc;

/// The resources that are enabled.
#[derive(Default)]
struct SemanticLayer<'a> {
    models: Vec<(&'a Node, &'a SemanticModel)>,
    metrics: Vec<(&'a Node, &'a Metric)>,
    queries: Vec<(&'a Node, &'a SavedQuery)>,
    spines: Vec<(&'a Node, &'a TimeSpine)>,
}

impl<'a> SemanticLayer<'a> {
    fn new(nodes: &'a [Arc<Node>]) -> SemanticLayer<'a> {
        let mut layer = SemanticLayer::default();
        for node in nodes {
            match &node.kind {
                NodeKind::Semantic(SemanticNode::Model(model)) => layer.models.push((node, model)),
                NodeKind::Semantic(SemanticNode::Metric(m)) => layer.metrics.push((node, m)),
                NodeKind::Semantic(SemanticNode::SavedQuery(q)) => layer.queries.push((node, q)),
                NodeKind::Model { time_spine: Some(spine), .. } => layer.spines.push((node, spine)),
                _ => {}
            }
        }
        layer
    }

    /// The names of the grains that the time spines add.
    fn custom_grains(&self) -> Vec<String> {
        let all = self.spines.iter().flat_map(|(_, spine)| &spine.custom);
        all.map(|grain| grain.name.text.clone()).collect()
    }

    /// The semantic model that has a measure.
    fn model_of(&self, measure: &str) -> Option<(&'a Node, &'a SemanticModel)> {
        let has = |model: &SemanticModel| model.measures.iter().any(|m| m.name.text == measure);
        self.models.iter().find(|(_, model)| has(model)).copied()
    }
}

/// Collects what is found.
#[derive(Default)]
struct SemanticFindings {
    out: Vec<Diagnostic>,
}

impl SemanticFindings {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.out.push(Diagnostic::error(Code::Semantic, message).primary(span, ""));
    }

    fn doubt(&mut self, span: Span, message: impl Into<String>) {
        self.out.push(
            Diagnostic::dbt_warning(
                Code::SemanticDoubt,
                DbtEvent::SemanticValidationFailure,
                message,
            )
            .primary(span, ""),
        );
    }

    fn outdated(&mut self, span: Span, event: DbtEvent, message: impl Into<String>) {
        let warning = Diagnostic::dbt_warning(Code::Deprecated, event, message);
        self.out.push(warning.primary(span, ""));
    }
}

/// As in dbt, metrics alone, and semantic models alone, are checked only by the needs of the files
/// that are written.
pub(in crate::resolve) fn check_layer(
    nodes: &[Arc<Node>],
    lookup: &NodeLookup,
    flags: &ProjectFlags,
    root: &str,
) -> Vec<Diagnostic> {
    let layer = SemanticLayer::new(nodes);
    let mut findings = SemanticFindings::default();
    if layer.models.is_empty() {
        return findings.out;
    }
    let legacy = spines::find_legacy_spine(nodes, lookup, root);
    spines::check_presence(&layer, legacy, &mut findings);
    if layer.metrics.is_empty() {
        return findings.out;
    }
    for (node, model) in &layer.models {
        models::check_model(node, model, &mut findings);
        measures::check_measures(node, model, &mut findings);
        names::check_elements(model, &mut findings);
    }
    models::check_across(&layer, &mut findings);
    measures::check_uniqueness(&layer, &mut findings);
    metrics::check_metrics(&layer, &mut findings);
    metrics::check_older_params(&layer, flags, &mut findings);
    names::check_resources(&layer, &mut findings);
    names::check_grains(&layer, &mut findings);
    queries::check_queries(&layer, &mut findings);
    spines::check_spines(&layer, legacy, flags, &mut findings);
    findings.out
}

/// Whether a grain is one of those that need no time spine.
fn is_standard(grain: &str) -> bool {
    TimeGrain::WORDS.contains(&grain)
}

#[cfg(test)]
mod tests {
    use crate::diag::{Code, Diagnostic};
    use crate::manifest::{NodeKind, SemanticNode};
    use crate::resolve::testing::{project, read};

    const SPINE: &str = "models:\n  - name: days\n    time_spine: {standard_granularity_column: d}\n    \
        columns: [{name: d, granularity: day}]\n";

    const MODEL: &str = "semantic_models:\n  - name: orders\n    model: ref('orders')\n    \
        defaults: {agg_time_dimension: at}\n    entities: [{name: order_id, type: primary}]\n    \
        dimensions: [{name: at, type: time, type_params: {time_granularity: day}}]\n    \
        measures: [{name: amount, agg: sum, create_metric: true}]\n";

    fn files<'a>(model: &'a str, metrics: &'a str, spine: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("models/orders.sql", "select 1 as order_id, 2 as amount"),
            ("models/days.sql", "select 1 as d"),
            ("models/spine.yml", spine),
            ("models/semantic.yml", model),
            ("models/metrics.yml", metrics),
        ]
    }

    fn messages(said: Vec<Diagnostic>) -> Vec<(Code, String)> {
        said.into_iter().map(|d| (d.code, d.message)).collect()
    }

    #[test]
    fn metrics_have_their_measures_and_parents() {
        let metrics = "metrics:\n  - {name: twice, label: Twice, type: derived, type_params: \
            {expr: amount * 2, metrics: [amount]}}\n";
        let (manifest, said) = project(&files(MODEL, metrics, SPINE));
        assert_eq!(messages(said), []);
        let node = manifest.get("metric.shop.twice").unwrap();
        let parents: Vec<&str> =
            node.depends_on.iter().map(|id| &*manifest.node(*id).unique_id).collect();
        assert_eq!(parents, ["metric.shop.amount"], "the metric that the measure asks for");
        let NodeKind::Semantic(SemanticNode::Metric(metric)) = &node.kind else { panic!() };
        let measures: Vec<&str> =
            metric.input_measures.iter().map(|input| input.name.text.as_str()).collect();
        assert_eq!(measures, ["amount"]);
        let with_model = [
            files(MODEL, metrics, SPINE),
            vec![("models/m.sql", "select 1 as id -- {{ metric('twice') }}")],
        ];
        let (manifest, said) = project(&with_model.concat());
        assert_eq!(messages(said), []);
        let model = manifest.get("model.shop.m").unwrap();
        assert_eq!(&*manifest.node(model.depends_on[0]).unique_id, "metric.shop.twice");
    }

    #[test]
    fn mistakes_have_the_place_of_what_is_wrong() {
        let metrics = "metrics:\n  - {name: m, label: M, type: simple, type_params: {measure: \
            {name: amount, filter: \"{{ Dimension('at') }} > 1\"}}}\n";
        let (read, said) = read(&files(MODEL, metrics, SPINE), &[]);
        let map = read.unwrap().map;
        let places: Vec<(&str, String)> = said
            .iter()
            .map(|d| {
                let span = d.primary.as_ref().unwrap().span;
                let range =
                    usize::try_from(span.start).unwrap()..usize::try_from(span.end).unwrap();
                (d.code.as_str(), map.text(span.file)[range].to_owned())
            })
            .collect();
        let filter = "\"{{ Dimension('at') }} > 1\"".to_owned();
        assert_eq!(places.len(), 2, "{said:?}");
        assert_eq!(places[0], ("E2016", filter));
        assert_eq!(said[1].message.split(':').next().unwrap(), "the name `m` cannot be used");
    }

    #[test]
    fn a_time_spine_is_needed() {
        let wanted = "semantic models need a time spine: a model with a row for each day, or finer";
        let (_, said) = project(&files(MODEL, "", "models: []\n"));
        assert_eq!(messages(said), [(Code::Semantic, wanted.to_owned())]);
        let monthly = SPINE.replace("granularity: day", "granularity: month");
        let (_, said) = project(&files(MODEL, "", &monthly));
        assert!(messages(said).contains(&(Code::Semantic, wanted.to_owned())));
    }
}
