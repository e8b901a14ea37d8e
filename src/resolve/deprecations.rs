//! Models that should no longer be used: their dates, and the warnings about them and those that
//! read them.
//!
//! Source: `deprecation_date` in dbt's documentation.

use super::NodeMaker;
use crate::context::RenderQuestion;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{Deprecation, Node, NodeKind, RefCall, read_moment, write_moment};
use crate::source::Span;
use std::sync::Arc;

impl NodeMaker<'_> {
    /// The deprecation of a model. A date in a form that is not known is kept, and never past.
    pub(super) fn deprecation(&mut self, (written, span): &(String, Span)) -> Deprecation {
        let Some(moment) = read_moment(written) else {
            return Deprecation { date: written.clone(), is_past: false, span: *span };
        };
        let context = self.ground.context;
        let microseconds = moment.timestamp().as_microsecond();
        self.reads.insert(context.read(RenderQuestion::IsPast(microseconds)));
        let is_past = context.is_past(microseconds);
        Deprecation { date: write_moment(&moment), is_past, span: *span }
    }
}

fn deprecation_of(node: &Node) -> Option<&Deprecation> {
    match &node.kind {
        NodeKind::Model { deprecation, .. } => deprecation.as_deref(),
        _ => None,
    }
}

/// Warns of models that are past their date.
pub(super) fn check_deprecated(nodes: &[Arc<Node>]) -> impl Iterator<Item = Diagnostic> {
    nodes.iter().filter_map(|node| {
        let deprecation = deprecation_of(node).filter(|d| d.is_past)?;
        let message = format!(
            "the model `{}` has been out of date since {}",
            node.display_name(),
            deprecation.date
        );
        let warning =
            Diagnostic::dbt_warning(Code::DeprecatedModel, DbtEvent::DeprecatedModel, message);
        Some(warning.primary(deprecation.span, "").help("disable or remove it"))
    })
}

/// Warns of a model that reads one that is or will be out of date.
pub(super) fn check_reader(node: &Node, call: &RefCall, read: &Node) -> Option<Diagnostic> {
    let deprecation = deprecation_of(read)?;
    if !matches!(node.kind, NodeKind::Model { .. }) {
        return None;
    }
    let name = read.display_name();
    let (code, event, when) = match deprecation.is_past {
        true => {
            (Code::DeprecatedReference, DbtEvent::DeprecatedReference, "has been out of date since")
        }
        false => (
            Code::UpcomingDeprecation,
            DbtEvent::UpcomingReferenceDeprecation,
            "will be out of date on",
        ),
    };
    let message = format!("`{}` reads `{name}`, which {when} {}", node.name, deprecation.date);
    let warning = Diagnostic::dbt_warning(code, event, message)
        .primary(call.span.unwrap_or(node.span), "read here");
    Some(match &read.kind {
        NodeKind::Model { version: Some(version), .. } if version.version != version.latest => {
            warning.help(format!("the latest version of `{}` is {}", read.name, version.latest))
        }
        _ => warning.help("read another model"),
    })
}
