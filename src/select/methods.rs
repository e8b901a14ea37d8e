//! The methods of selectors: their names, their values and the nodes that they match.

use super::contracts::check_contracts;
use super::expr::{Criterion, CriterionMethod, RawMethod, Resolved, SelectorExpr, Unresolved};
use super::modified::{StateCache, matches_state};
use super::previous::{FresherSources, PreviousState};
use crate::config::{Json, python_str};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic, nearest_name};
use crate::manifest::{Manifest, Node, NodeKind, ResourceType, TestKind};
use fixedbitset::FixedBitSet;
use glob::{MatchOptions, Pattern};

/// A method with a valid value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SelectorMethod {
    Fqn(String),
    Tag(String),
    Group(String),
    Access(String),
    Source(Vec<String>),
    Path(String),
    File(String),
    Package(String),
    Config(Vec<String>, String),
    TestName(String),
    TestType(TestType),
    ResourceType(ResourceType),
    /// A resource that is selected by its type and name: exposure, metric, unit_test and others.
    Resource(ResourceType, Vec<String>),
    State(StateKind),
    Result(String),
    FresherSources,
    Version(VersionKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TestType {
    Unit,
    Data,
    Generic,
    Singular,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateKind {
    New,
    Old,
    Modified(ModifiedPart),
    Unmodified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModifiedPart {
    Any,
    Body,
    Configs,
    Relation,
    Descriptions,
    Macros,
    Contract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionKind {
    Latest,
    Old,
    Prerelease,
    None,
}

const METHODS: &[&str] = &[
    "fqn",
    "tag",
    "group",
    "access",
    "source",
    "path",
    "file",
    "package",
    "config",
    "test_name",
    "test_type",
    "resource_type",
    "state",
    "exposure",
    "metric",
    "result",
    "source_status",
    "version",
    "semantic_model",
    "saved_query",
    "unit_test",
    "export",
];

/// Validates every method in an expression and replaces it by the nodes that it matches. All errors
/// are reported, not just the first.
pub(super) fn resolve_methods(
    expr: &SelectorExpr<Unresolved>,
    manifest: &Manifest,
    previous: Option<&PreviousState>,
) -> Checked<Option<SelectorExpr<Resolved>>> {
    let (cache, has_compared_contracts, out) = Default::default();
    let mut walk = Walk { manifest, previous, cache, has_compared_contracts, out };
    let resolved = walk.expr(expr);
    Checked::new(resolved, walk.out)
}

struct Walk<'a> {
    manifest: &'a Manifest,
    previous: Option<&'a PreviousState>,
    cache: StateCache,
    has_compared_contracts: bool,
    out: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn expr(&mut self, expr: &SelectorExpr<Unresolved>) -> Option<SelectorExpr<Resolved>> {
        Some(match expr {
            SelectorExpr::Union(list, mode) => SelectorExpr::Union(self.all(list)?, *mode),
            SelectorExpr::Intersection(list, mode) => {
                SelectorExpr::Intersection(self.all(list)?, *mode)
            }
            SelectorExpr::Difference(a, b) => {
                let (a, b) = (self.expr(a), self.expr(b));
                SelectorExpr::Difference(Box::new(a?), Box::new(b?))
            }
            SelectorExpr::Criterion(c) => {
                let CriterionMethod::Raw(raw) = &c.method else { return None };
                SelectorExpr::Criterion(Criterion {
                    at_operator: c.at_operator,
                    parents: c.parents,
                    children: c.children,
                    method: CriterionMethod::Method(self.matched(raw)?),
                    indirect: c.indirect,
                })
            }
        })
    }

    /// Resolves all parts before failing, so that all errors are reported.
    fn all(&mut self, list: &[SelectorExpr<Unresolved>]) -> Option<Vec<SelectorExpr<Resolved>>> {
        let parts: Vec<_> = list.iter().map(|expr| self.expr(expr)).collect();
        parts.into_iter().collect()
    }

    /// The nodes that match a criterion, without its graph operators. Warns if there are none,
    /// unless the value is `*`.
    fn matched(&mut self, raw: &RawMethod) -> Option<FixedBitSet> {
        let method = match method(raw, self.manifest, self.previous) {
            Ok(method) => method,
            Err(d) => {
                self.out.push(d.primary_if(raw.span, ""));
                return None;
            }
        };
        if compares_contracts(&method)
            && !std::mem::replace(&mut self.has_compared_contracts, true)
            && let Some(previous) = self.previous
        {
            self.out.extend(check_contracts(self.manifest, previous));
        }
        let mut set = FixedBitSet::with_capacity(self.manifest.nodes.len());
        for node in &self.manifest.nodes {
            if matches(&method, self.manifest, node, self.previous, &mut self.cache) {
                set.insert(node.id.index());
            }
        }
        if set.is_clear() && raw.value != "*" {
            self.out.push(matches_nothing(raw, self.manifest));
        }
        Some(set)
    }
}

/// Whether a method asks for modified nodes with their contracts.
fn compares_contracts(method: &SelectorMethod) -> bool {
    use ModifiedPart::{Any, Contract};
    let SelectorMethod::State(kind) = method else { return false };
    matches!(kind, StateKind::Modified(Any | Contract) | StateKind::Unmodified)
}

fn matches_nothing(raw: &RawMethod, manifest: &Manifest) -> Diagnostic {
    let named: Vec<&str> = raw.method.iter().chain(&raw.args).map(String::as_str).collect();
    let text = if named.is_empty() {
        raw.value.clone()
    } else {
        format!("{}:{}", named.join("."), raw.value)
    };
    let d = Diagnostic::dbt_warning(
        Code::EmptySelection,
        DbtEvent::NoNodesForSelectionCriteria,
        format!("`{text}` matches nothing"),
    )
    .primary_if(raw.span, "");
    d.did_you_mean(nearest_name(&raw.value, manifest.nodes.iter().map(|n| &*n.name)))
}

fn method(
    raw: &RawMethod,
    manifest: &Manifest,
    previous: Option<&PreviousState>,
) -> Result<SelectorMethod, Box<Diagnostic>> {
    let value = raw.value.clone();
    let name = match &raw.method {
        Some(name) => name.as_str(),
        None if value.contains('/') => "path",
        None if [".sql", ".py", ".csv"].iter().any(|e| value.to_ascii_lowercase().ends_with(e)) => {
            "file"
        }
        None => "fqn",
    };
    Ok(match name {
        "fqn" => SelectorMethod::Fqn(value),
        "tag" => SelectorMethod::Tag(value),
        "group" => SelectorMethod::Group(value),
        "access" => {
            if !["private", "protected", "public"].contains(&value.as_str()) {
                return Err(wrong_value(raw, &["private", "protected", "public"]));
            }
            SelectorMethod::Access(value)
        }
        "source" => SelectorMethod::Source(split_name(&value)),
        "path" => SelectorMethod::Path(value.trim_end_matches('/').to_owned()),
        "file" => SelectorMethod::File(value),
        "package" => SelectorMethod::Package(if value == "this" {
            manifest.project.name.to_string()
        } else {
            value
        }),
        "config" => {
            if raw.args.is_empty() {
                let message = "`config` needs a key: config.materialized:table";
                return Err(Box::new(Diagnostic::error(Code::Selector, message)));
            }
            SelectorMethod::Config(raw.args.clone(), value)
        }
        "test_name" => SelectorMethod::TestName(value),
        "test_type" => SelectorMethod::TestType(test_type(raw)?),
        "resource_type" => match ResourceType::parse(&value) {
            Some(kind) => SelectorMethod::ResourceType(kind),
            None => return Err(wrong_value(raw, &ResourceType::ALL.map(ResourceType::as_str))),
        },
        "exposure" | "export" | "metric" | "semantic_model" | "saved_query" | "unit_test" => {
            let kind = ResourceType::parse(name).unwrap_or(ResourceType::Exposure);
            SelectorMethod::Resource(kind, split_name(&value))
        }
        "state" => {
            require_state(name, previous)?;
            SelectorMethod::State(state_kind(raw)?)
        }
        "result" => {
            require_state(name, previous)?;
            SelectorMethod::Result(value)
        }
        "version" => SelectorMethod::Version(version_kind(raw)?),
        "source_status" => match previous.map_or(&FresherSources::NoPrevious, |p| &p.fresher) {
            FresherSources::NoPrevious => {
                return Err(no_sources_file("previous", "in the folder of --state"));
            }
            FresherSources::NoCurrent => {
                return Err(no_sources_file("current", "below the target path"));
            }
            FresherSources::Known(_) if value == "fresher" => SelectorMethod::FresherSources,
            FresherSources::Known(_) => return Err(wrong_value(raw, &["fresher"])),
        },
        other => {
            let d = Diagnostic::error(Code::Selector, format!("unknown selector method `{other}`"));
            return Err(Box::new(d.did_you_mean(nearest_name(other, METHODS.iter().copied()))));
        }
    })
}

/// Parses the value of `test_type:`.
fn test_type(raw: &RawMethod) -> Result<TestType, Box<Diagnostic>> {
    Ok(match raw.value.as_str() {
        "unit" => TestType::Unit,
        "data" => TestType::Data,
        "generic" | "schema" => TestType::Generic,
        "singular" => TestType::Singular,
        _ => return Err(wrong_value(raw, &["unit", "data", "generic", "singular"])),
    })
}

/// Parses the value of `version:`.
fn version_kind(raw: &RawMethod) -> Result<VersionKind, Box<Diagnostic>> {
    Ok(match raw.value.as_str() {
        "latest" => VersionKind::Latest,
        "old" => VersionKind::Old,
        "prerelease" => VersionKind::Prerelease,
        "none" => VersionKind::None,
        _ => return Err(wrong_value(raw, &["latest", "old", "prerelease", "none"])),
    })
}

/// Parses the value of `state:`.
fn state_kind(raw: &RawMethod) -> Result<StateKind, Box<Diagnostic>> {
    if let Some(("modified", part)) = raw.value.split_once('.') {
        return Ok(StateKind::Modified(match part {
            "body" => ModifiedPart::Body,
            "configs" => ModifiedPart::Configs,
            "relation" => ModifiedPart::Relation,
            "persisted_descriptions" => ModifiedPart::Descriptions,
            "macros" => ModifiedPart::Macros,
            "contract" => ModifiedPart::Contract,
            _ => {
                let parts = [
                    "modified.body",
                    "modified.configs",
                    "modified.relation",
                    "modified.macros",
                    "modified.contract",
                ];
                return Err(wrong_value(raw, &parts));
            }
        }));
    }
    match raw.value.as_str() {
        "new" => Ok(StateKind::New),
        "old" => Ok(StateKind::Old),
        "unmodified" => Ok(StateKind::Unmodified),
        "modified" => Ok(StateKind::Modified(ModifiedPart::Any)),
        _ => Err(wrong_value(raw, &["new", "old", "modified", "unmodified"])),
    }
}

/// Splits a name at its dots.
fn split_name(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn require_state<'a>(
    method: &str,
    previous: Option<&'a PreviousState>,
) -> Result<&'a PreviousState, Box<Diagnostic>> {
    previous.ok_or_else(|| {
        let message = format!(
            "`{method}:` needs earlier artifacts: give `--state` a folder that has a manifest.json \
             or run_results.json"
        );
        Box::new(Diagnostic::error(Code::Selector, message))
    })
}

fn wrong_value(raw: &RawMethod, values: &[&str]) -> Box<Diagnostic> {
    let method = raw.method.as_deref().unwrap_or_default();
    let message = format!("`{method}` takes {}, not `{}`", values.join(", "), raw.value);
    Box::new(Diagnostic::error(Code::Selector, message))
}

fn no_sources_file(time: &str, place: &str) -> Box<Diagnostic> {
    let message = format!("No {time} state comparison freshness results in sources.json");
    let d = Diagnostic::error(Code::Selector, message);
    Box::new(
        d.help(format!("`source_status:` reads it {place}; `strata source freshness` writes it")),
    )
}

/// Python's `fnmatch`, case-sensitive: `*`, `?` and `[ ]` are special.
fn fnmatch(text: &str, pattern: &str) -> bool {
    if !pattern.contains(['*', '?', '[']) {
        return text == pattern;
    }
    if pattern == "*" {
        return true;
    }
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: false,
        require_literal_leading_dot: false,
    };
    // `**` has no special meaning in `fnmatch`.
    let mut plain = pattern.to_owned();
    while plain.contains("**") {
        plain = plain.replace("**", "*");
    }
    Pattern::new(&plain).is_ok_and(|p| p.matches_with(text, options))
}

fn matches(
    method: &SelectorMethod,
    manifest: &Manifest,
    node: &Node,
    previous: Option<&PreviousState>,
    cache: &mut StateCache,
) -> bool {
    match method {
        SelectorMethod::Fqn(value) => matches_fqn(node, value),
        SelectorMethod::Tag(value) => node.tags.iter().any(|t| fnmatch(t, value)),
        // As in dbt, of the semantic layer only metrics are in a group here.
        SelectorMethod::Group(value) => {
            let kind = node.resource_type();
            !matches!(kind, ResourceType::SemanticModel | ResourceType::SavedQuery)
                && node.config.text("group").is_some_and(|g| fnmatch(&g, value))
        }
        SelectorMethod::Access(value) => {
            matches!(&node.kind, NodeKind::Model { access, .. } if access.as_str() == value)
        }
        SelectorMethod::Source(parts) => {
            let NodeKind::Source(table) = &node.kind else { return false };
            match parts.as_slice() {
                [source] => fnmatch(&table.source_name, source),
                [source, name] => {
                    (fnmatch(&table.source_name, source) && fnmatch(&node.name, name))
                        || (fnmatch(&node.package, source) && fnmatch(&table.source_name, name))
                }
                [package, source, name] => {
                    fnmatch(&node.package, package)
                        && fnmatch(&table.source_name, source)
                        && fnmatch(&node.name, name)
                }
                _ => false,
            }
        }
        SelectorMethod::Path(pattern) => matches_path(node, pattern),
        SelectorMethod::File(value) => {
            let file = node.original_file_path.rsplit('/').next().unwrap_or_default();
            let stem = file.rsplit_once('.').map_or(file, |(s, _)| s);
            fnmatch(file, value) || fnmatch(stem, value)
        }
        SelectorMethod::Package(value) => fnmatch(&node.package, value),
        SelectorMethod::Config(keys, value) => matches_config(node, keys, value),
        SelectorMethod::TestName(value) => {
            let is_unit_test = matches!(node.kind, NodeKind::UnitTest(_));
            node.generic_test().is_some_and(|t| fnmatch(&t.name, value))
                || (is_unit_test && fnmatch(&node.name, value))
        }
        SelectorMethod::TestType(kind) => matches!(
            (kind, &node.kind),
            (TestType::Unit, NodeKind::UnitTest(_))
                | (TestType::Data, NodeKind::Test(_))
                | (TestType::Generic, NodeKind::Test(TestKind::Generic(_)))
                | (TestType::Singular, NodeKind::Test(TestKind::Singular))
        ),
        SelectorMethod::ResourceType(kind) => node.resource_type() == *kind,
        SelectorMethod::Resource(kind, parts) => {
            node.resource_type() == *kind
                && match parts.as_slice() {
                    [name] => fnmatch(&node.name, name),
                    [package, name] => fnmatch(&node.package, package) && fnmatch(&node.name, name),
                    _ => false,
                }
        }
        SelectorMethod::Result(value) => {
            previous.and_then(|p| p.statuses.get(&*node.unique_id)).is_some_and(|s| s == value)
        }
        SelectorMethod::FresherSources => previous.is_some_and(|p| match &p.fresher {
            FresherSources::Known(ids) => ids.contains(&*node.unique_id),
            FresherSources::NoPrevious | FresherSources::NoCurrent => false,
        }),
        SelectorMethod::State(kind) => {
            previous.is_some_and(|p| matches_state(*kind, manifest, node, p, cache))
        }
        SelectorMethod::Version(kind) => {
            let version = node.version();
            match (kind, version) {
                (VersionKind::None, None) => matches!(node.kind, NodeKind::Model { .. }),
                (VersionKind::Latest, Some(v)) => {
                    crate::manifest::same_version(&v.version, &v.latest)
                }
                (VersionKind::Old, Some(v)) => is_older(&v.version, &v.latest),
                (VersionKind::Prerelease, Some(v)) => is_older(&v.latest, &v.version),
                _ => false,
            }
        }
    }
}

/// Whether version `a` is before `b`: compared as numbers if both can be parsed as such, else as
/// texts.
fn is_older(a: &Json, b: &Json) -> bool {
    match (version_number(a), version_number(b)) {
        (Some(a), Some(b)) => a < b,
        _ => python_str(a) < python_str(b),
    }
}

fn version_number(version: &Json) -> Option<f64> {
    python_str(version).parse().ok()
}

/// Whether a node matches by its fqn. Sources never do.
fn matches_fqn(node: &Node, value: &str) -> bool {
    if matches!(node.kind, NodeKind::Source(_) | NodeKind::Operation { .. }) {
        return false;
    }
    let fqn: Vec<&str> = node.fqn.iter().map(|p| &**p).collect();
    let versioned = node.version().is_some();
    fqn_selected(&fqn, value, versioned) || fqn_selected(&fqn[1..], value, versioned)
}

fn fqn_selected(fqn: &[&str], selector: &str, versioned: bool) -> bool {
    let wanted: Vec<&str> = selector.split('.').collect();
    if versioned && fqn.len() >= 2 {
        let tail = &fqn[fqn.len() - 2..];
        let wanted_tail = &wanted[wanted.len().saturating_sub(2)..];
        if fnmatch(tail[0], selector) || tail.join("_") == wanted_tail.join("_") {
            return true;
        }
    } else if fqn.last().is_some_and(|leaf| fnmatch(leaf, selector)) {
        return true;
    }
    let flat: Vec<&str> = fqn.iter().flat_map(|p| p.split('.')).collect();
    if flat.len() < wanted.len() {
        return false;
    }
    for (i, part) in wanted.iter().enumerate() {
        if part.contains(['*', '?', '[', ']']) {
            return fnmatch(&flat[i..].join("."), &wanted[i..].join("."));
        }
        if flat[i] != *part {
            return false;
        }
    }
    true
}

/// Whether a glob, relative to the project's root, matches the node's file, its properties file or
/// a parent folder of these; `**` matches any number of folders.
fn matches_path(node: &Node, pattern: &str) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let Ok(glob) = Pattern::new(pattern) else { return false };
    let properties =
        node.patch_path.as_deref().and_then(|p| p.split_once("://")).map(|(_, path)| path);
    for file in [Some(&*node.original_file_path), properties].into_iter().flatten() {
        let mut path = Some(file);
        while let Some(p) = path {
            if p == pattern || glob.matches_with(p, options) {
                return true;
            }
            path = p.rsplit_once('/').map(|(parent, _)| parent);
        }
    }
    false
}

/// Matches texts, booleans and members of lists, but not numbers (semantics 1.16).
fn matches_config(node: &Node, keys: &[String], value: &str) -> bool {
    let Some((first, rest)) = keys.split_first() else { return false };
    if matches!(
        node.kind,
        NodeKind::Exposure(_)
            | NodeKind::Export(_)
            | NodeKind::Semantic(..)
            | NodeKind::Operation { .. }
    ) || (matches!(node.kind, NodeKind::Source(_)) && first == "materialized")
    {
        return false;
    }
    let Some(mut found) = node.config.effective(node.resource_type(), first) else {
        return first == "materialized" && node.materialized() == value;
    };
    if first == "materialized" {
        found = Json::from(node.materialized());
    }
    for key in rest {
        found = match found.get(key) {
            Some(inner) => inner.clone(),
            None => return false,
        };
    }
    match &found {
        Json::Array(items) => items.iter().any(|item| matches_scalar(item, value)),
        Json::Object(map) => map.contains_key(value),
        other => matches_scalar(other, value),
    }
}

fn matches_scalar(found: &Json, value: &str) -> bool {
    match found {
        Json::String(s) => fnmatch(s, value),
        Json::Bool(b) => value.eq_ignore_ascii_case(if *b { "true" } else { "false" }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the documents of this repository")]
    fn the_reference_lists_all_methods() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
        let text = std::fs::read_to_string(path).unwrap();
        for method in METHODS {
            let is_listed = [format!("`{method}:`"), format!("`{method}.KEY:`")]
                .iter()
                .any(|written| text.contains(written.as_str()));
            assert!(is_listed, "docs/reference.md lacks {method}");
        }
    }

    #[test]
    fn fqn_rules() {
        let fqn = ["shop", "marts", "core", "orders"];
        for (selector, hit) in [
            ("orders", true),
            ("marts", false),
            ("shop.marts", true),
            ("shop.marts.core.orders", true),
            ("shop.marts.*", true),
            ("*", true),
            ("shop.core", false),
            ("ord*", true),
            ("order?", true),
        ] {
            assert_eq!(fqn_selected(&fqn, selector, false), hit, "{selector}");
        }
        assert!(fqn_selected(&fqn[1..], "marts", false));
        let versioned = ["shop", "m", "v2"];
        for selector in ["m", "m.v2", "m_v2", "shop.m.v2"] {
            assert!(fqn_selected(&versioned, selector, true), "{selector}");
        }
    }

    #[test]
    fn globs() {
        assert!(
            fnmatch("a_b", "a_*")
                && fnmatch("ab", "a?")
                && !fnmatch("abc", "a?")
                && fnmatch("x/y", "x*")
        );
    }
}
