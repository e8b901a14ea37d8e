//! Semantic models: their entities, dimensions and labels.

use super::{SemanticFindings, SemanticLayer, names};
use crate::manifest::{
    Dimension, DimensionKind, EntityKind, Node, PlacedText, SemanticModel, ValidityWindow,
};
use std::collections::HashMap;

pub(super) fn check_model(node: &Node, model: &SemanticModel, findings: &mut SemanticFindings) {
    check_validity(node, model, findings);
    check_natural_entities(node, model, findings);
    check_row_entity(node, model, findings);
    if let Some(time) = &model.agg_time_dimension
        && model.time_dimension(&time.text).is_none()
    {
        let message = format!(
            "the default time dimension `{}` is no time dimension of the semantic model `{}`",
            time.text, node.name
        );
        findings.error(time.span, message);
    }
    check_labels("dimensions", model.dimensions.iter().map(|d| d.label.as_ref()), findings);
    check_labels("entities", model.entities.iter().map(|e| e.label.as_ref()), findings);
    check_labels("measures", model.measures.iter().map(|m| m.label.as_ref()), findings);
}

fn check_labels<'a>(
    what: &str,
    labels: impl Iterator<Item = Option<&'a PlacedText>>,
    findings: &mut SemanticFindings,
) {
    let mut seen: Vec<&str> = Vec::new();
    for label in labels.flatten() {
        if seen.contains(&label.text.as_str()) {
            let message = format!("two {what} of a semantic model have the label `{}`", label.text);
            findings.error(label.span, message);
        }
        seen.push(&label.text);
    }
}

/// The dimensions that say when a row is valid: none, or a start and an end, in a model with a
/// natural entity and without measures.
fn check_validity(node: &Node, model: &SemanticModel, findings: &mut SemanticFindings) {
    let ends: Vec<(&Dimension, ValidityWindow)> = model
        .dimensions
        .iter()
        .filter_map(|dimension| Some((dimension, dimension.time?.validity?)))
        .collect();
    let Some((first, _)) = ends.first() else { return };
    let span = first.name.span;
    let count = |is: fn(&ValidityWindow) -> bool| ends.iter().filter(|(_, v)| is(v)).count();
    let name = &node.name;
    if ends.len() != 2 || count(|v| v.is_start) != 1 || count(|v| v.is_end) != 1 {
        let message = format!(
            "the semantic model `{name}` needs two time dimensions with `validity_params`, one \
             with `is_start`, the other with `is_end`; it has {}",
            ends.len()
        );
        findings.error(span, message);
    }
    if model.entities.iter().all(|entity| entity.kind != EntityKind::Natural) {
        let message =
            format!("the semantic model `{name}` has `validity_params`, but no `natural` entity");
        findings.error(span, message);
    }
    let is_row = |kind: EntityKind| matches!(kind, EntityKind::Primary | EntityKind::Unique);
    if let Some(entity) = model.entities.iter().find(|entity| is_row(entity.kind)) {
        let message = format!(
            "the semantic model `{name}` has `validity_params`, so that none of its entities is \
             `primary` or `unique`"
        );
        findings.error(entity.name.span, message);
    }
    if let Some(measure) = model.measures.first() {
        let message = format!(
            "the semantic model `{name}` has `validity_params`, so it can have no measures"
        );
        findings.error(measure.name.span, message);
    }
}

fn check_natural_entities(node: &Node, model: &SemanticModel, findings: &mut SemanticFindings) {
    let mut natural: Vec<&PlacedText> = Vec::new();
    for entity in model.entities.iter().filter(|entity| entity.kind == EntityKind::Natural) {
        if natural.iter().all(|other| other.text != entity.name.text) {
            natural.push(&entity.name);
        }
    }
    if let Some(second) = natural.get(1) {
        let message =
            format!("the semantic model `{}` has more than one natural entity", node.name);
        findings.error(second.span, message);
    }
    let has_window = model.dimensions.iter().any(|d| d.time.is_some_and(|t| t.validity.is_some()));
    if let Some(first) = natural.first().filter(|_| !has_window) {
        let message = format!(
            "`{}` is a natural entity, which needs time dimensions with `validity_params`",
            first.text
        );
        findings.error(first.span, message);
    }
}

/// A model with dimensions has one entity that identifies its rows.
fn check_row_entity(node: &Node, model: &SemanticModel, findings: &mut SemanticFindings) {
    let primary: Vec<&PlacedText> = model
        .entities
        .iter()
        .filter(|entity| entity.kind == EntityKind::Primary)
        .map(|entity| &entity.name)
        .collect();
    match (primary.as_slice(), &model.primary_entity) {
        ([_, second, ..], _) => {
            let message =
                format!("the semantic model `{}` has more than one primary entity", node.name);
            findings.error(second.span, message);
        }
        ([entity], Some(named)) => {
            let message = format!(
                "`primary_entity` is for semantic models without a primary entity, here it is `{}`",
                entity.text
            );
            findings.error(named.span, message);
        }
        ([], None) if !model.dimensions.is_empty() => {
            let message = format!(
                "the semantic model `{}` has dimensions, so it needs a primary entity: an entity of \
                 this type, or `primary_entity`",
                node.name
            );
            findings.error(node.span, message);
        }
        _ => {}
    }
}

/// What several models have by one name.
pub(super) fn check_across(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    names::check_kinds(layer, findings);
    let mut dimensions: HashMap<&str, (DimensionKind, bool, &Node)> = HashMap::new();
    let mut pairs: HashMap<(&str, &str), &Node> = HashMap::new();
    let mut entity_labels: HashMap<&str, (&str, &Node)> = HashMap::new();
    let mut labels: HashMap<&str, &Node> = HashMap::new();
    for (node, model) in &layer.models {
        if let Some(label) = &model.label
            && let Some(first) = labels.insert(&label.text, node)
        {
            let message = format!("the semantic model `{}` has the same label", first.name);
            findings.error(label.span, message);
        }
        for dimension in &model.dimensions {
            let name = dimension.name.text.as_str();
            let same = (dimension.kind, dimension.is_partition, *node);
            let first = *dimensions.entry(name).or_insert(same);
            if (first.0, first.1) != (same.0, same.1) {
                let message = format!(
                    "the dimension `{name}` has another `type` or `is_partition` in the semantic \
                     model `{}`",
                    first.2.name
                );
                findings.error(dimension.name.span, message);
            }
            let Some(entity) = model.row_entity() else { continue };
            if let Some(first) = pairs.insert((entity, name), node)
                && first.unique_id != node.unique_id
            {
                let message = format!(
                    "`{entity}__{name}` is a dimension of the semantic model `{}` already: two \
                     models with one primary entity have different dimensions",
                    first.name
                );
                findings.error(dimension.name.span, message);
            }
        }
        for entity in &model.entities {
            let Some(label) = &entity.label else { continue };
            let (first, of) =
                *entity_labels.entry(&entity.name.text).or_insert((&label.text, node));
            if first != label.text {
                let message = format!(
                    "the entity `{}` has another label in the semantic model `{}`",
                    entity.name.text, of.name
                );
                findings.error(label.span, message);
            }
        }
    }
}
