//! `packages.yml` and the `packages:` of `dependencies.yml`.

use super::Yaml;
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::Span;

/// A package that a project requires.
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
        match read_package(entry) {
            Some(spec) => specs.push(spec),
            None => out.push(
                Diagnostic::error(
                    Code::Package,
                    "a package needs `local`, `package`, `git` or `tarball`",
                )
                .primary(entry.span, ""),
            ),
        }
    }
    Checked::new(specs, out)
}

fn read_package(entry: &Yaml) -> Option<PackageSpec> {
    let map = entry.as_map()?;
    let span = entry.span;
    if let Some(path) = map.get_text("local") {
        return Some(PackageSpec::Local { path, span });
    }
    if let Some(name) = map.get_text("package") {
        return Some(PackageSpec::Hub { name, span });
    }
    if let Some(url) = map.get_text("git") {
        return Some(PackageSpec::Git { url, span });
    }
    let url = map.get_text("tarball")?;
    Some(PackageSpec::Tarball { url, name: map.get_text("name"), span })
}
