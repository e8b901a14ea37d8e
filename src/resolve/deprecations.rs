//! Models that should no longer be used: their dates, and the warnings about them and those that
//! read them.
//!
//! Source: `deprecation_date` in dbt's documentation.

use super::{NodeMaker, ResolveContext};
use crate::context::RenderQuestion;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{Deprecation, Node, NodeKind, RefCall, read_moment, write_moment};
use crate::source::Span;
use std::collections::BTreeSet;
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

/// Warns of built-in materializations that an installed package replaces, which the project has to
/// allow by a flag.
pub(super) fn check_overrides(nodes: &[Arc<Node>], ground: &ResolveContext<'_>) -> Vec<Diagnostic> {
    let context = ground.context;
    if context.explicit_overrides {
        return Vec::new();
    }
    let registry = ground.renderer.registry();
    let built = nodes.iter().filter(|node| node.resource_type().is_published());
    let used: BTreeSet<(Arc<str>, String)> =
        built.map(|node| (node.package.clone(), node.materialized().into_owned())).collect();
    let mut out = Vec::new();
    for (package, name) in used {
        let own = registry.materialization(&package, &name, true);
        let Some(found) = registry.materialization(&package, &name, false) else { continue };
        if own.is_some_and(|own| own.unique_id == found.unique_id) || registry.is_internal(found) {
            continue;
        }
        let message =
            format!("the package `{}` replaces the materialization `{name}`", found.package);
        let event = DbtEvent::PackageMaterializationOverrideDeprecation;
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(found.span, "");
        out.push(d.help(
            "a macro of the project's own that calls the package's has the same effect; \
             `require_explicit_package_overrides_for_builtin_materializations: false` is out of date",
        ));
    }
    out
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
