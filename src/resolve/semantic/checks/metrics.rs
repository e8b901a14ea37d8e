//! Metrics: their inputs, times, filters and labels.

use super::{SemanticFindings, SemanticLayer, is_standard, names};
use crate::config::ProjectFlags;
use crate::diag::DbtEvent;
use crate::manifest::{
    Aggregation, Conversion, InputMeasure, Metric, MetricKind, Node, PlacedText, SemanticModel,
    TimeWindow, WhereFilter,
};
use std::collections::{HashMap, HashSet};

pub(super) fn check_metrics(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let grains = layer.custom_grains();
    let mut labels: HashMap<&str, &Node> = HashMap::new();
    for (node, metric) in &layer.metrics {
        if let Some(first) = labels.insert(&metric.label.text, node) {
            let message = format!("the metric `{}` has the same label", first.name);
            findings.error(metric.label.span, message);
        }
        match metric.kind {
            MetricKind::Derived => check_derived(node, metric, findings),
            MetricKind::Cumulative => check_cumulative(node, metric, &grains, findings),
            MetricKind::Conversion => check_conversion(layer, metric, &grains, findings),
            MetricKind::Simple | MetricKind::Ratio => {}
        }
        for input in &metric.metrics {
            if let Some(window) = &input.offset_window {
                check_window(window, &grains, true, findings);
            }
            if let Some(grain) = &input.offset_to_grain {
                check_grain(grain, "offset_to_grain", findings);
            }
            if input.offset_window.is_some() && input.offset_to_grain.is_some() {
                let message = format!(
                    "`{}` has both `offset_window` and `offset_to_grain`: leave one out",
                    input.name.text
                );
                findings.error(input.name.span, message);
            }
        }
        let of_inputs = metric.numerator.iter().chain(&metric.denominator).chain(&metric.metrics);
        let filters = (metric.filter.iter())
            .chain(metric.measure.iter().filter_map(|measure| measure.filter.as_ref()))
            .chain(of_inputs.filter_map(|input| input.filter.as_ref()));
        filters.flatten().for_each(|filter| check_filter(filter, &grains, findings));
    }
    check_aliases(layer, findings);
}

/// A filter whose calls can be read, and whose grains exist.
pub(super) fn check_filter(
    filter: &WhereFilter,
    custom_grains: &[String],
    findings: &mut SemanticFindings,
) {
    let items = match &filter.items {
        Ok(items) => items,
        Err(problem) => return findings.error(filter.sql.span, problem.to_string()),
    };
    for item in items {
        match item.element(custom_grains) {
            Err(problem) => findings.error(filter.sql.span, problem.to_string()),
            Ok((name, Some(grain))) if !is_standard(&grain) && !custom_grains.contains(&grain) => {
                let message =
                    format!("`{grain}`, by which `{name}` is filtered, is no granularity");
                findings.doubt(filter.sql.span, message);
            }
            Ok(_) => {}
        }
    }
}

fn check_grain(grain: &PlacedText, key: &str, findings: &mut SemanticFindings) {
    if !is_standard(&grain.text.to_lowercase()) {
        let message =
            format!("`{key}` is a granularity that needs no time spine, not `{}`", grain.text);
        findings.error(grain.span, message);
    }
}

fn check_window(
    window: &TimeWindow,
    custom_grains: &[String],
    custom_allowed: bool,
    findings: &mut SemanticFindings,
) {
    let is_known = |grain: &str| {
        is_standard(grain) || (custom_allowed && custom_grains.iter().any(|custom| custom == grain))
    };
    let singular = window.grain.strip_suffix('s');
    if !is_known(&window.grain) && !singular.is_some_and(is_known) {
        let message = format!("`{}` is no granularity of a window", window.grain);
        findings.error(window.span, message);
    }
}

fn check_derived(node: &Node, metric: &Metric, findings: &mut SemanticFindings) {
    if metric.metrics.is_empty() {
        let message =
            format!("the derived metric `{}` has no `metrics` in `type_params`", node.name);
        findings.error(node.span, message);
    }
    let mut used: HashSet<&str> = metric.metrics.iter().map(|m| m.name.text.as_str()).collect();
    for input in &metric.metrics {
        let Some(alias) = &input.alias else { continue };
        names::check_name(alias, input.name.span, findings);
        if !used.insert(alias) {
            let message = format!("the alias `{alias}` is used already: choose another one");
            findings.error(input.name.span, message);
        }
    }
    let expr = metric.expr.as_deref().filter(|expr| !expr.is_empty());
    let Some(expr) = expr else {
        return findings
            .doubt(node.span, format!("the derived metric `{}` has no `expr`", node.name));
    };
    for input in &metric.metrics {
        let name = input.alias.as_ref().unwrap_or(&input.name.text);
        if !expr.contains(name.as_str()) {
            let message = format!("`expr` of `{}` does not use its input `{name}`", node.name);
            findings.doubt(input.name.span, message);
        }
    }
}

fn check_cumulative(
    node: &Node,
    metric: &Metric,
    custom_grains: &[String],
    findings: &mut SemanticFindings,
) {
    let Some(cumulative) = &metric.cumulative else { return };
    if let (Some(own), Some(nested)) = (&metric.window, &cumulative.window)
        && (own.count, &own.grain) != (nested.count, &nested.grain)
    {
        let message = format!("the metric `{}` has two windows: leave this one out", node.name);
        findings.error(own.span, message);
    }
    if let Some(grain) = &cumulative.grain_to_date {
        check_grain(grain, "grain_to_date", findings);
    }
    let Some(window) = &cumulative.window else { return };
    if cumulative.grain_to_date.is_some() {
        let message = format!(
            "the metric `{}` has both `window` and `grain_to_date`: leave one out",
            node.name
        );
        findings.error(window.span, message);
    }
    check_window(window, custom_grains, false, findings);
}

/// The windows of cumulative metrics where older projects have them.
pub(super) fn check_older_params(
    layer: &SemanticLayer<'_>,
    flags: &ProjectFlags,
    findings: &mut SemanticFindings,
) {
    let is_refused = flags.is_set("require_nested_cumulative_type_params", false);
    let older = layer
        .metrics
        .iter()
        .filter(|(_, metric)| metric.window.is_some() || metric.grain_to_date.is_some());
    for (node, _) in older {
        let message = format!(
            "`window` and `grain_to_date` of the metric `{}` belong below `cumulative_type_params`",
            node.name
        );
        match is_refused {
            true => findings.error(node.span, message),
            false => {
                let event = DbtEvent::MFCumulativeTypeParamsDeprecation;
                findings.outdated(node.span, event, message);
            }
        }
    }
}

fn check_conversion(
    layer: &SemanticLayer<'_>,
    metric: &Metric,
    custom_grains: &[String],
    findings: &mut SemanticFindings,
) {
    let Some(conversion) = &metric.conversion else { return };
    let base = layer.model_of(&conversion.base.name.text);
    let converted = layer.model_of(&conversion.conversion.name.text);
    // A measure that is not there is reported where names are resolved.
    let (Some(base), Some(converted)) = (base, converted) else { return };
    for (node, model) in [base, converted] {
        if model.entities.iter().all(|entity| entity.name.text != conversion.entity.text) {
            let message = format!(
                "`{}` is no entity of the semantic model `{}`",
                conversion.entity.text, node.name
            );
            findings.error(conversion.entity.span, message);
        }
    }
    check_counted(&conversion.base, base.1, findings);
    check_counted(&conversion.conversion, converted.1, findings);
    if conversion.conversion.filter.is_some() {
        let message = format!(
            "a filter of `{}`, the measure of the conversion, may not be applied to all rows",
            conversion.conversion.name.text
        );
        findings.doubt(conversion.conversion.name.span, message);
    }
    if let Some(window) = &conversion.window {
        check_window(window, custom_grains, false, findings);
    }
    check_constant(conversion, base, converted, findings);
}

fn check_constant(
    conversion: &Conversion,
    base: (&Node, &SemanticModel),
    converted: (&Node, &SemanticModel),
    findings: &mut SemanticFindings,
) {
    for constant in conversion.constant_properties.iter().flatten() {
        for (property, (node, model)) in [(&constant.base, base), (&constant.conversion, converted)]
        {
            let is_entity = model.entities.iter().any(|e| e.name.text == property.text);
            if !is_entity && model.dimension(&property.text).is_none() {
                let message = format!(
                    "`{}` is no entity or dimension of the semantic model `{}`",
                    property.text, node.name
                );
                findings.error(property.span, message);
            }
        }
    }
}

/// A conversion counts its measures.
fn check_counted(input: &InputMeasure, model: &SemanticModel, findings: &mut SemanticFindings) {
    let Some(measure) = model.measures.iter().find(|m| m.name.text == input.name.text) else {
        return;
    };
    let counts = matches!(measure.aggregation, Aggregation::Count | Aggregation::CountDistinct)
        || (measure.aggregation == Aggregation::Sum && measure.expr.as_deref() == Some("1"));
    if !counts {
        let message = format!(
            "a conversion takes measures that count: count, count_distinct, or sum of 1; `{}` is \
             of the type `{}`",
            measure.name.text,
            measure.aggregation.as_str()
        );
        findings.error(input.name.span, message);
    }
}

/// Aliases of measures are names of their own.
fn check_aliases(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let mut aliases: HashMap<&str, &Node> = HashMap::new();
    for (node, metric) in &layer.metrics {
        check_repeated(node, metric, findings);
        for input in &metric.input_measures {
            let Some(alias) = &input.alias else { continue };
            let span = input.name.span;
            names::check_name(alias, span, findings);
            if layer.model_of(alias).is_some() {
                let message = format!("the alias `{alias}` is the name of a measure");
                findings.error(span, message);
            }
            if let Some(first) = aliases.insert(alias, node) {
                let message = format!(
                    "the alias `{alias}` is used in the metric `{}`, too: choose another one",
                    first.name
                );
                findings.error(span, message);
            }
        }
    }
}

/// A metric that has a measure more than once needs aliases for those with a filter.
fn check_repeated(node: &Node, metric: &Metric, findings: &mut SemanticFindings) {
    let inputs = &metric.input_measures;
    for input in inputs {
        let is_repeated = inputs.iter().filter(|i| i.name.text == input.name.text).count() > 1;
        if is_repeated && input.filter.is_some() && input.alias.is_none() {
            let message = format!(
                "the metric `{}` uses the measure `{}` with different filters: it needs an `alias` \
                 here",
                node.name, input.name.text
            );
            findings.error(input.name.span, message);
        }
    }
}
