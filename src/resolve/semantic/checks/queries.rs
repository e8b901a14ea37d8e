//! Saved queries: what they ask for exists, and is sorted by what they show.

use super::{SemanticFindings, SemanticLayer, metrics};
use crate::manifest::{ItemProblem, QueryItem, SavedQuery, parse_item};
use std::collections::HashSet;

pub(super) fn check_queries(layer: &SemanticLayer<'_>, findings: &mut SemanticFindings) {
    let grains = layer.custom_grains();
    let metrics: HashSet<&str> = layer.metrics.iter().map(|(node, _)| &*node.name).collect();
    let mut elements: HashSet<&str> = metrics.clone();
    elements.insert("metric_time");
    for (_, model) in &layer.models {
        elements.extend(model.dimensions.iter().map(|d| d.name.text.as_str()));
        elements.extend(model.entities.iter().map(|e| e.name.text.as_str()));
    }
    for (_, query) in &layer.queries {
        let mut shown: Vec<QueryItem> = Vec::new();
        for metric in &query.metrics {
            shown.extend(parse_item(&format!("Metric('{}')", metric.text), false).ok());
        }
        let mut all_readable = true;
        for group in &query.group_by {
            match read_group(&group.text, &grains, &elements) {
                Ok(item) => shown.push(item),
                Err(message) => {
                    all_readable = false;
                    findings.error(group.span, message);
                }
            }
        }
        if all_readable {
            check_order(query, &shown, findings);
        }
        if let Some((limit, span)) = query.limit.filter(|(limit, _)| *limit < 0) {
            findings.error(span, format!("`limit` is not below 0: {limit}"));
        }
        for filter in query.filter.iter().flatten() {
            metrics::check_filter(filter, &grains, findings);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum GroupProblem {
    #[error("{0}")]
    Unreadable(#[from] ItemProblem),
    #[error("`{0}` is no dimension, entity or metric")]
    Unknown(String),
}

impl From<GroupProblem> for String {
    fn from(problem: GroupProblem) -> String {
        problem.to_string()
    }
}

fn read_group(
    text: &str,
    custom_grains: &[String],
    elements: &HashSet<&str>,
) -> Result<QueryItem, GroupProblem> {
    let item = parse_item(text, false)?;
    let (name, _) = item.element(custom_grains)?;
    match elements.contains(name.as_str()) {
        true => Ok(item),
        false => Err(GroupProblem::Unknown(name)),
    }
}

fn check_order(query: &SavedQuery, shown: &[QueryItem], findings: &mut SemanticFindings) {
    for order in &query.order_by {
        match parse_item(&order.text, true) {
            Err(problem) => findings.error(order.span, problem.to_string()),
            Ok(item) => {
                let item = QueryItem { is_descending: None, ..item };
                if !shown.contains(&item) {
                    let message = format!(
                        "`{}` is neither a metric nor a group-by of the query, so it cannot be \
                         sorted by",
                        order.text
                    );
                    findings.error(order.span, message);
                }
            }
        }
    }
}
