//! Names: what they may look like, and what may not share one.

use super::{SemanticFindings, SemanticLayer};
use crate::manifest::{Node, PlacedText, SemanticModel, TimeGrain};
use crate::source::Span;
use std::collections::HashMap;

/// Words that no database takes as a name without quotes.
const RESERVED: &[&str] = &[
    "and", "as", "create", "distinct", "for", "from", "full", "having", "in", "inner", "into",
    "is", "join", "left", "like", "natural", "not", "null", "on", "or", "right", "select", "union",
    "using", "where", "with",
];

/// Names that queries use themselves.
const TAKEN: &[&str] = &["metric_time", "mf_internal_uuid"];

pub(super) fn check_name(name: &str, span: Span, findings: &mut SemanticFindings) {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_fine = name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && ends(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__");
    if !is_fine {
        findings.error(
            span,
            format!(
                "the name `{name}` cannot be used: names of the semantic layer have lower-case \
                 letters, digits and single underscores, begin with a letter, do not end with an \
                 underscore, and have at least two characters"
            ),
        );
    }
    let lower = name.to_lowercase();
    if TimeGrain::WORDS.contains(&lower.as_str()) {
        findings.error(span, format!("the name `{name}` is that of a time granularity"));
    }
    if TAKEN.contains(&lower.as_str()) {
        findings.error(span, format!("the name `{name}` is taken: queries use it themselves"));
    }
}

/// The names of the elements of a model, with their kinds: measures, entities, dimensions.
fn elements(model: &SemanticModel) -> Vec<(&PlacedText, &'static str)> {
    let measures = model.measures.iter().map(|measure| (&measure.name, "measure"));
    let entities = model.entities.iter().map(|entity| (&entity.name, "entity"));
    let dimensions = model.dimensions.iter().map(|dimension| (&dimension.name, "dimension"));
    measures.chain(entities).chain(dimensions).collect()
}

pub(super) fn check_elements(model: &SemanticModel, findings: &mut SemanticFindings) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (name, kind) in elements(model) {
        check_name(&name.text, name.span, findings);
        if RESERVED.contains(&name.text.to_lowercase().as_str()) {
            let message = format!("`{}` is a word of SQL: name the {kind} otherwise", name.text);
            findings.error(name.span, message);
        }
        if let Some(first) = seen.get(name.text.as_str()) {
            let message =
                format!("the name `{}` is used twice: for a {first} and a {kind}", name.text);
            findings.error(name.span, message);
        } else {
            seen.insert(&name.text, kind);
        }
    }
}

/// Reports names that stand for several kinds of elements in different models.
pub(super) fn check_kinds(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let mut first: HashMap<&str, (&str, &str)> = HashMap::new();
    for (node, model) in &layer.models {
        for (name, kind) in elements(model) {
            let known = first.entry(&name.text).or_insert((kind, &node.name));
            if known.0 != kind {
                let message = format!(
                    "`{}` is a {kind} here, but a {} in the semantic model `{}`",
                    name.text, known.0, known.1
                );
                findings.error(name.span, message);
            }
        }
    }
}

pub(super) fn check_resources(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let models: Vec<&Node> = layer.models.iter().map(|(node, _)| *node).collect();
    let metrics: Vec<&Node> = layer.metrics.iter().map(|(node, _)| *node).collect();
    let queries: Vec<&Node> = layer.queries.iter().map(|(node, _)| *node).collect();
    for (nodes, kind) in [(models, "semantic model"), (metrics, "metric"), (queries, "saved query")]
    {
        let mut seen: HashMap<&str, &Node> = HashMap::new();
        for node in nodes {
            check_name(&node.name, node.span, findings);
            if let Some(first) = seen.insert(&node.name, node) {
                let message = format!(
                    "the name `{}` of a {kind} is used twice: in {} and {}",
                    node.name, first.original_file_path, node.original_file_path
                );
                findings.error(node.span, message);
            }
        }
    }
}

/// The grains that time spines add are named by nothing else.
pub(super) fn check_grains(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let mut used: HashMap<&str, &str> = HashMap::new();
    for (_, model) in &layer.models {
        used.extend(elements(model).into_iter().map(|(name, kind)| (name.text.as_str(), kind)));
    }
    used.extend(layer.metrics.iter().map(|(node, _)| (&*node.name, "metric")));
    used.extend(layer.models.iter().map(|(node, _)| (&*node.name, "semantic model")));
    for grain in layer.spines.iter().flat_map(|(_, spine)| &spine.custom) {
        let name = grain.name.text.as_str();
        check_name(name, grain.name.span, findings);
        match used.insert(name, "granularity") {
            Some("granularity") => {
                findings.error(grain.name.span, format!("the granularity `{name}` is there twice"));
            }
            Some(kind) => findings.error(
                grain.name.span,
                format!("the granularity `{name}` has the name of a {kind}"),
            ),
            None => {}
        }
    }
}
