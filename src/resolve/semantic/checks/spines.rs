//! Time spines: one is there, one for each granularity.

use super::{SemanticFindings, SemanticLayer};
use crate::config::ProjectFlags;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{FoundNode, Node, NodeLookup, TimeGrain};
use std::collections::HashMap;
use std::sync::Arc;

/// The model that was the time spine before models could say that they are one.
const LEGACY: &str = "metricflow_time_spine";

pub(super) fn find_legacy_spine<'a>(
    nodes: &'a [Arc<Node>],
    lookup: &NodeLookup,
    root: &str,
) -> Option<&'a Node> {
    match lookup.find_ref(None, LEGACY, None, root) {
        FoundNode::Node(id) => Some(&*nodes[id.index()]),
        FoundNode::Disabled(_) | FoundNode::Nothing => None,
    }
}

/// Semantic models need a time spine of days or finer.
pub(super) fn check_presence(
    layer: &SemanticLayer<'_>,
    legacy: Option<&Node>,
    findings: &mut SemanticFindings,
) {
    let finest = layer.spines.iter().map(|(_, spine)| spine.grain).min();
    if legacy.is_some() || finest.is_some_and(|grain| grain <= TimeGrain::Day) {
        return;
    }
    let Some((node, _)) = layer.models.first() else { return };
    let message = "semantic models need a time spine: a model with a row for each day, or finer";
    let d = Diagnostic::error(Code::Semantic, message).primary(node.span, "");
    findings.out.push(d.help(
        "describe a model with `time_spine: {standard_granularity_column: day}` and give the column \
         `granularity: day`",
    ));
}

pub(super) fn check_spines(
    layer: &SemanticLayer<'_>,
    legacy: Option<&Node>,
    flags: &ProjectFlags,
    findings: &mut SemanticFindings,
) {
    let has_days = layer.spines.iter().any(|(_, spine)| spine.grain == TimeGrain::Day);
    if let Some(legacy) = legacy.filter(|node| !is_spine(layer, node))
        && !has_days
        && !flags.is_set("require_yaml_configuration_for_mf_time_spines", false)
    {
        let message = format!("`{LEGACY}` is a time spine by its name: give it `time_spine:`");
        let event = DbtEvent::MFTimespineWithoutYamlConfigurationDeprecation;
        findings.outdated(legacy.span, event, message);
    }
    let mut seen: HashMap<TimeGrain, &Node> = HashMap::new();
    for (node, spine) in &layer.spines {
        if let Some(first) = seen.insert(spine.grain, node) {
            let message = format!(
                "`{}` and `{}` are both time spines of the granularity `{}`",
                first.name,
                node.name,
                spine.grain.as_str()
            );
            findings.doubt(spine.column.span, message);
        }
    }
    let times = layer.models.iter().flat_map(|(_, model)| &model.dimensions);
    let finest = times.filter_map(|d| Some((d.time?.grain, d))).min_by_key(|(grain, _)| *grain);
    let spine = layer.spines.iter().map(|(_, spine)| spine.grain).min();
    if let (Some((grain, dimension)), Some(spine)) = (finest, spine)
        && grain < spine
    {
        let message = format!(
            "the time dimension `{}` has the granularity `{}`, the finest time spine has `{}`",
            dimension.name.text,
            grain.as_str(),
            spine.as_str()
        );
        findings.doubt(dimension.name.span, message);
    }
}

fn is_spine(layer: &SemanticLayer<'_>, node: &Node) -> bool {
    layer.spines.iter().any(|(spine, _)| spine.unique_id == node.unique_id)
}
