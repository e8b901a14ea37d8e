//! Measures: their aggregations and their times.

use super::{SemanticFindings, SemanticLayer};
use crate::manifest::{
    Aggregation, DimensionKind, Measure, Node, NonAdditive, PercentileParams, SemanticModel,
};
use std::collections::HashMap;

pub(super) fn check_measures(node: &Node, model: &SemanticModel, findings: &mut SemanticFindings) {
    for measure in &model.measures {
        check_percentile(measure, findings);
        check_count(measure, findings);
        check_time(node, model, measure, findings);
        if let Some(non_additive) = &measure.non_additive {
            check_non_additive(model, measure, non_additive, findings);
        }
    }
}

/// A name of a measure is used once in the whole project.
pub(super) fn check_uniqueness(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let mut seen: HashMap<&str, &Node> = HashMap::new();
    for (node, model) in &layer.models {
        for measure in &model.measures {
            if let Some(first) = seen.insert(&measure.name.text, node) {
                let message = format!(
                    "the semantic model `{}` has a measure `{}`, too: measures have names of \
                     their own in the whole project",
                    first.name, measure.name.text
                );
                findings.error(measure.name.span, message);
            }
        }
    }
}

fn check_percentile(measure: &Measure, findings: &mut SemanticFindings) {
    let (name, span) = (&measure.name.text, measure.name.span);
    let none = PercentileParams { percentile: None, is_discrete: false, is_approximate: false };
    let params = measure.percentile.unwrap_or(none);
    match (measure.aggregation, params.percentile) {
        (Aggregation::Percentile, None) => {
            findings.error(span, format!("the measure `{name}` needs `agg_params.percentile`"));
        }
        (Aggregation::Percentile, Some(p)) if p <= 0.0 || p >= 1.0 => {
            let message = format!(
                "`percentile` of the measure `{name}` is between 0 and 1, not {p}; use `min` and \
                 `max` for the ends"
            );
            findings.error(span, message);
        }
        (Aggregation::Percentile, _) => {}
        (Aggregation::Median, percentile) => {
            if percentile.is_some_and(|p| p != 0.5) || params.is_discrete {
                let message = format!(
                    "the measure `{name}` is a median, which is the continuous percentile 0.5: \
                     leave `agg_params` out"
                );
                findings.error(span, message);
            }
        }
        (aggregation, percentile) => {
            let is_set = percentile.is_some_and(|p| p != 0.0);
            if is_set || params.is_discrete || params.is_approximate {
                let message = format!(
                    "`agg_params` of the measure `{name}` are for percentiles, not for `{}`",
                    aggregation.as_str()
                );
                findings.error(span, message);
            }
        }
    }
}

fn check_count(measure: &Measure, findings: &mut SemanticFindings) {
    if measure.aggregation != Aggregation::Count {
        return;
    }
    let (name, span) = (&measure.name.text, measure.name.span);
    match &measure.expr {
        None => findings.error(
            span,
            format!("the measure `{name}` counts, so it needs `expr`; `expr: 1` counts all rows"),
        ),
        Some(expr) if expr.to_lowercase().starts_with("distinct ") => findings.error(
            span,
            format!("the measure `{name}` counts different values: use `agg: count_distinct`"),
        ),
        Some(_) => {}
    }
}

fn check_time(
    node: &Node,
    model: &SemanticModel,
    measure: &Measure,
    findings: &mut SemanticFindings,
) {
    let name = &measure.name.text;
    match model.time_of(measure) {
        None => findings.error(
            measure.name.span,
            format!(
                "the measure `{name}` has no time: write `agg_time_dimension` at it, or at \
                 `defaults` of its semantic model"
            ),
        ),
        Some(time) if model.time_dimension(&time.text).is_none() => {
            let message = format!(
                "`{}`, the time of the measure `{name}`, is no time dimension of the semantic \
                 model `{}`",
                time.text, node.name
            );
            findings.error(measure.agg_time_dimension.as_ref().unwrap_or(time).span, message);
        }
        Some(_) => {}
    }
}

fn check_non_additive(
    model: &SemanticModel,
    measure: &Measure,
    non_additive: &NonAdditive,
    findings: &mut SemanticFindings,
) {
    let (name, of, span) = (&measure.name.text, &non_additive.name.text, non_additive.name.span);
    match model.dimension(of) {
        None => {
            let message = format!(
                "the measure `{name}` cannot be added up over `{of}`, which is no dimension of its semantic model"
            );
            findings.error(span, message);
        }
        Some(dimension) if dimension.kind != DimensionKind::Time => {
            findings.error(span, format!("`{of}`, which the measure `{name}` cannot be added up over, is no time dimension"));
        }
        Some(dimension) => {
            let time = model.time_of(measure).and_then(|time| model.dimension(&time.text));
            if let (Some(own), Some(other)) = (time.and_then(|t| t.time), dimension.time)
                && own.grain != other.grain
            {
                let message = format!(
                    "`{of}` has the granularity `{}`, the time of the measure `{name}` has `{}`",
                    other.grain.as_str(),
                    own.grain.as_str()
                );
                findings.error(span, message);
            }
        }
    }
    if !matches!(non_additive.window_choice, Aggregation::Min | Aggregation::Max) {
        let message =
            format!("`window_choice` is min or max, not `{}`", non_additive.window_choice.as_str());
        findings.error(span, message);
    }
    for grouping in &non_additive.window_groupings {
        if model.entities.iter().all(|entity| entity.name.text != grouping.text) {
            let message = format!(
                "`{}` of `window_groupings` is no entity of the semantic model",
                grouping.text
            );
            findings.error(grouping.span, message);
        }
    }
}
