//! `packages.yml` and the `packages:` of `dependencies.yml`.

use super::Yaml;
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::Span;

/// One package that a project asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PackageSpec {
    Local { path: String, span: Span },
    Hub { name: String, span: Span },
    Git { url: String, span: Span },
    Tarball { url: String, name: Option<String>, span: Span },
}

impl PackageSpec {
    pub(crate) fn span(&self) -> Span {
        match self {
            PackageSpec::Local { span, .. }
            | PackageSpec::Hub { span, .. }
            | PackageSpec::Git { span, .. }
            | PackageSpec::Tarball { span, .. } => *span,
        }
    }
}

/// Reads the `packages:` list of a rendered tree.
pub(crate) fn parse_packages(tree: &Yaml) -> Checked<Vec<PackageSpec>> {
    let (mut specs, mut out) = (Vec::new(), Vec::new());
    let entries =
        tree.as_map().and_then(|m| m.get("packages")).map(Yaml::items).unwrap_or_default();
    for entry in entries {
        let text = |key: &str| entry.as_map().and_then(|m| m.get(key)).and_then(Yaml::scalar_text);
        let span = entry.span;
        if let Some(path) = text("local") {
            specs.push(PackageSpec::Local { path, span });
        } else if let Some(name) = text("package") {
            specs.push(PackageSpec::Hub { name, span });
        } else if let Some(url) = text("git") {
            specs.push(PackageSpec::Git { url, span });
        } else if let Some(url) = text("tarball") {
            specs.push(PackageSpec::Tarball { url, name: text("name"), span });
        } else {
            out.push(
                Diagnostic::error(
                    Code::Package,
                    "a package needs `local`, `package`, `git` or `tarball`",
                )
                .primary(span, ""),
            );
        }
    }
    Checked::new(specs, out)
}
