//! Decides whether and why a node has to be built.

use super::NodeDefinition;
use crate::config::Json;
use crate::engine::{ExistingColumn, ExistingRelations};
use crate::hash::{FastMap, Fingerprint};
use crate::manifest::{Manifest, Node, NodeId, NodeKind, ResourceType};
use crate::outcome::{PublicationFingerprint, column_pairs};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt;

/// Why a node has to be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reason {
    /// There is no record of an earlier publication.
    New,
    /// The published relation no longer exists.
    Missing,
    /// The relation differs from the published one. Holds a description of the difference.
    Altered(String),
    /// A part of the node's own definition changed.
    Own {
        part: String,
        before: String,
        now: String,
    },
    /// The version of a parent is not the one that the node was built from.
    Parent {
        id: String,
        before: String,
        now: String,
    },
    /// A source has new rows.
    Source {
        id: String,
        before: String,
        now: String,
    },
    /// Nothing shows whether a parent has changed. Holds the parent's unique id.
    Unknown(String),
    Volatile(String),
    Introspective,
    /// The node cannot be compiled.
    Broken,
    /// The test's last result was neither a pass nor a warning. Holds that result.
    NotPassed(String),
    /// A parent is to be built; the node has to be built only if that changes the parent.
    Follows(String),
}

impl Reason {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Reason::New => "new",
            Reason::Missing => "missing",
            Reason::Altered(_) => "altered",
            Reason::Own { .. } => "changed",
            Reason::Parent { .. } => "parent",
            Reason::Source { .. } => "source",
            Reason::Unknown(_) => "unknown",
            Reason::Volatile(_) => "volatile",
            Reason::Introspective => "introspective",
            Reason::Broken => "broken",
            Reason::NotPassed(_) => "not_passed",
            Reason::Follows(_) => "follows",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::New => f.write_str("no record of an earlier build"),
            Reason::Missing => f.write_str("its relation is gone"),
            Reason::Altered(what) => write!(f, "altered outside: {what}"),
            Reason::Own { part, before, now } if part == "config" => {
                write!(f, "{}", config_change(before, now))
            }
            Reason::Own { part, before, now } if part == "name" => {
                write!(f, "name changed: {before} -> {now}")
            }
            Reason::Own { part, before, .. } if part == "empty" => {
                f.write_str(if before.is_empty() {
                    "is built with --empty"
                } else {
                    "was built with --empty"
                })
            }
            Reason::Own { part, before, .. } if part == "sample" => {
                f.write_str(if before.is_empty() {
                    "is built with --sample"
                } else {
                    "was built with --sample"
                })
            }
            Reason::Own { part, .. } if part == FAILED_BATCHES => {
                f.write_str("some of its batches failed")
            }
            Reason::Own { part, before, now } if before.is_empty() => {
                write!(f, "{part} {} new ({})", be(part), brief(now))
            }
            Reason::Own { part, before, now } if now.is_empty() => {
                write!(f, "{part} {} gone ({})", be(part), brief(before))
            }
            Reason::Own { part, before, now } => {
                write!(f, "{part} changed: {} -> {}", brief(before), brief(now))
            }
            Reason::Parent { id, before, now } => {
                write!(f, "{} changed: {} -> {}", name(id), brief(before), brief(now))
            }
            Reason::Source { id, before, now } => {
                write!(f, "{} has new rows: {before} -> {now}", name(id))
            }
            Reason::Unknown(id) => {
                write!(f, "reads {}, of which nothing tells whether it has changed", name(id))
            }
            Reason::Volatile(what) => write!(f, "uses {what}, which differs each time"),
            Reason::Introspective => f.write_str("asks the database while it is compiled"),
            Reason::Broken => f.write_str("cannot be compiled"),
            Reason::NotPassed(status) => write!(f, "the last result was {status}"),
            Reason::Follows(id) => write!(f, "if {} changes", name(id)),
        }
    }
}

/// A unique id without resource type and package.
fn name(id: &str) -> &str {
    id.splitn(3, '.').nth(2).unwrap_or(id)
}

/// The verb for a part, whose name may be a plural such as `hooks`.
fn be(part: &str) -> &'static str {
    if part.ends_with('s') { "are" } else { "is" }
}

/// The first eight characters of a version or fingerprint, for messages.
fn brief(version: &str) -> &str {
    let text = version.split_once(':').map_or(version, |(_, t)| t);
    text.get(..8).unwrap_or(text)
}

/// The keys of a config that changed, with both values.
fn config_change(before: &str, now: &str) -> String {
    let read =
        |text: &str| serde_json::from_str::<BTreeMap<String, Json>>(text).unwrap_or_default();
    let (before, now) = (read(before), read(now));
    let shown = |v: Option<&Json>| {
        v.map_or_else(|| "not set".to_owned(), |v| v.as_str().map_or(v.to_string(), str::to_owned))
    };
    let keys = before.keys().chain(now.keys());
    let mut changed: Vec<&String> = keys.filter(|k| before.get(*k) != now.get(*k)).collect();
    changed.sort();
    changed.dedup();
    let one = |k: &&String| {
        format!("config {k} changed: {} -> {}", shown(before.get(*k)), shown(now.get(*k)))
    };
    changed.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whether a node has to be built.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Stale(Reason),
    /// The node has to be built only if one of its parents turns out to have changed.
    MaybeStale(Reason),
    Fresh,
}

impl Verdict {
    pub(crate) fn reason(&self) -> Option<&Reason> {
        match self {
            Verdict::Stale(reason) | Verdict::MaybeStale(reason) => Some(reason),
            Verdict::Fresh => None,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Verdict::Stale(_) => "build",
            Verdict::MaybeStale(_) => "maybe",
            Verdict::Fresh => "same",
        }
    }

    /// The reason's code, or `same`.
    pub(crate) fn code(&self) -> &'static str {
        self.reason().map_or("same", Reason::code)
    }
}

/// Writes the reason as users see it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(reason) => reason.fmt(f),
            None => f.write_str("unchanged"),
        }
    }
}

pub(crate) struct ComparisonInputs<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) definitions: &'a FastMap<NodeId, NodeDefinition>,
    /// The fingerprints recorded by publications, by unique id.
    pub(crate) recorded: &'a FastMap<String, PublicationFingerprint>,
    pub(crate) existing: &'a ExistingRelations,
    /// The versions of sources; those whose load time is unknown are left out.
    pub(crate) source_versions: &'a FastMap<NodeId, String>,
    /// Whether sources without a version count as unchanged.
    pub(crate) assume_sources: bool,
    /// Whether volatile and introspective nodes count as unchanged, because only edits matter.
    pub(crate) edits_only: bool,
    /// Whether this command may build a node.
    pub(crate) is_selected: &'a dyn Fn(NodeId) -> bool,
}

/// The part of a recorded definition that says that some batches failed.
pub(crate) const FAILED_BATCHES: &str = "failed batches";

/// The version of a source whose load time is unknown.
const UNKNOWN: &str = "unknown";

/// The version of a view. A view has no rows of its own, so its definition and the versions of its
/// parents stand for them.
pub(crate) fn version_of_view(
    parts: &BTreeMap<String, String>,
    parents: &BTreeMap<String, String>,
) -> String {
    let own = parts.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
    let parents = parents.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
    format!("view:{}", Fingerprint::of_parts(own.chain(parents)).hex())
}

/// What a comparison found.
pub(crate) struct Judgement {
    pub(crate) verdicts: FastMap<NodeId, Verdict>,
    /// The current versions of the relations.
    pub(crate) versions: FastMap<NodeId, String>,
}

/// Gives a verdict on every selected node, in the order of dependencies.
pub(crate) fn judge_nodes(compare: &ComparisonInputs<'_>) -> Judgement {
    let manifest = compare.manifest;
    let mut state = State {
        compare,
        verdicts: FastMap::default(),
        versions: FastMap::default(),
        taints: FastMap::default(),
    };
    for id in manifest.graph.order().unwrap_or_default() {
        state.node(manifest.node(id));
    }
    Judgement { verdicts: state.verdicts, versions: state.versions }
}

/// A fingerprint of everything that leads to verdicts, but for the database and the options of the
/// command.
pub(crate) fn fingerprint_definitions(
    manifest: &Manifest,
    own: &FastMap<NodeId, NodeDefinition>,
) -> Fingerprint {
    let nodes = manifest.nodes.par_iter();
    let prints = nodes.map(|node| fingerprint_node(manifest, node, own.get(&node.id)).hex());
    Fingerprint::of_parts(prints.collect::<Vec<_>>())
}

fn fingerprint_node(manifest: &Manifest, node: &Node, own: Option<&NodeDefinition>) -> Fingerprint {
    let kind = node.materialized();
    let mut parts = vec![&*node.unique_id, &*kind];
    if let Some(relation) = &node.relation {
        let names = [relation.database(), relation.schema(), Some(relation.identifier())];
        parts.extend(names.into_iter().flatten());
    }
    parts.extend(node.depends_on.iter().map(|id| &*manifest.node(*id).unique_id));
    if let NodeKind::Source(table) = &node.kind {
        let asked = [&table.loaded_at_field, &table.loaded_at_query];
        parts.extend(asked.map(|text| text.as_deref().unwrap_or_default()));
    }
    if let Some(own) = own {
        parts.push(own.volatile.as_deref().unwrap_or_default());
        parts.extend([own.introspective, own.error.is_some()].map(yes_or_no));
        parts.extend(own.parts.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()]));
    }
    Fingerprint::of_parts(parts)
}

fn yes_or_no(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

/// Why the children of a node cannot be assumed to be unchanged even though the node's version is.
#[derive(Clone, Debug)]
enum Taint {
    Unknown(String),
    Volatile(String),
}

struct State<'a> {
    compare: &'a ComparisonInputs<'a>,
    verdicts: FastMap<NodeId, Verdict>,
    versions: FastMap<NodeId, String>,
    /// The taints of nodes without rows of their own: sources, views and ephemeral models.
    taints: FastMap<NodeId, Taint>,
}

impl State<'_> {
    fn node(&mut self, node: &Node) {
        match node.resource_type() {
            ResourceType::Source => self.source(node),
            ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot
                if node.is_ephemeral() =>
            {
                if let Some(taint) =
                    node.depends_on.iter().find_map(|p| self.taints.get(p)).cloned()
                {
                    self.taints.insert(node.id, taint);
                }
            }
            ResourceType::Model
            | ResourceType::Seed
            | ResourceType::Snapshot
            | ResourceType::Function
            | ResourceType::Test
            | ResourceType::UnitTest => self.stored(node),
            _ => {}
        }
    }

    fn source(&mut self, node: &Node) {
        match self.compare.source_versions.get(&node.id) {
            Some(version) => {
                self.versions.insert(node.id, version.clone());
            }
            None => {
                self.versions.insert(node.id, UNKNOWN.to_owned());
                if !self.compare.assume_sources {
                    self.taints.insert(node.id, Taint::Unknown(node.unique_id.to_string()));
                }
            }
        }
    }

    fn stored(&mut self, node: &Node) {
        let test = node.resource_type().is_check();
        let parents = read_parents(self.compare.manifest, node);
        let before = self.compare.recorded.get(&*node.unique_id);
        let taint = parents.iter().find_map(|p| self.taints.get(p)).cloned();
        let own = self.compare.definitions.get(&node.id);
        let view = !test && node.materialization().is_some_and(|m| !m.has_rows());
        if let (true, Some(taint)) =
            (view, taint.clone().or_else(|| own?.volatile.clone().map(Taint::Volatile)))
        {
            self.taints.insert(node.id, taint);
        }
        if let Some(before) = before {
            self.versions.insert(node.id, before.version.clone());
        }
        if !(self.compare.is_selected)(node.id) {
            return;
        }
        let Some(own) = own else { return };
        let verdict = self.verdict(node, own, before, &parents, taint, test);
        self.verdicts.insert(node.id, verdict);
    }

    fn verdict(
        &self,
        node: &Node,
        own: &NodeDefinition,
        before: Option<&PublicationFingerprint>,
        parents: &[NodeId],
        taint: Option<Taint>,
        test: bool,
    ) -> Verdict {
        let Some(before) = before else { return Verdict::Stale(Reason::New) };
        if own.error.is_some() {
            return Verdict::Stale(Reason::Broken);
        }
        if let Some(reason) = differs(own, before) {
            return Verdict::Stale(reason);
        }
        if test && !matches!(&*before.version, "pass" | "warn") {
            return Verdict::Stale(Reason::NotPassed(before.version.clone()));
        }
        // A unit test reads no rows but its own.
        if node.resource_type() == ResourceType::UnitTest {
            return Verdict::Fresh;
        }
        if let Some(reason) = (!test).then(|| altered(self.compare, node, before)).flatten() {
            return Verdict::Stale(reason);
        }
        let edits_only = self.compare.edits_only;
        let mut follows = None;
        for parent in parents {
            let id = &self.compare.manifest.node(*parent).unique_id;
            if let Some(Verdict::Stale(_) | Verdict::MaybeStale(_)) = self.verdicts.get(parent) {
                follows.get_or_insert_with(|| Reason::Follows(id.to_string()));
                continue;
            }
            let (then, now) = (before.parents.get(&**id), self.versions.get(parent));
            match (then, now) {
                (Some(then), Some(now)) if then == now => {}
                // The parent has no known version, so nothing shows whether it has changed.
                (_, None) => return Verdict::Stale(Reason::Unknown(id.to_string())),
                (then, Some(now)) => {
                    let (id, before, now) =
                        (id.to_string(), then.cloned().unwrap_or_default(), now.clone());
                    let source =
                        matches!(self.compare.manifest.node(*parent).kind, NodeKind::Source(_));
                    return Verdict::Stale(match source {
                        true if now == UNKNOWN => Reason::Unknown(id),
                        true => Reason::Source { id, before, now },
                        false => Reason::Parent { id, before, now },
                    });
                }
            }
        }
        match taint {
            Some(Taint::Unknown(id)) => return Verdict::Stale(Reason::Unknown(id)),
            Some(Taint::Volatile(what)) if !edits_only => {
                return Verdict::Stale(Reason::Volatile(what));
            }
            _ => {}
        }
        if let (Some(what), false) = (&own.volatile, edits_only) {
            return Verdict::Stale(Reason::Volatile(what.clone()));
        }
        if own.introspective && !edits_only {
            return Verdict::Stale(Reason::Introspective);
        }
        follows.map_or(Verdict::Fresh, Verdict::MaybeStale)
    }
}

/// The nodes that a node's rows come from: its parents, where the parents of an ephemeral model
/// stand in for the model.
pub(crate) fn read_parents(manifest: &Manifest, node: &Node) -> Vec<NodeId> {
    let mut out = reached(manifest, node);
    out.retain(|id| !manifest.node(*id).is_ephemeral());
    out
}

/// `read_parents` including the ephemeral models on the way.
pub(super) fn reached(manifest: &Manifest, node: &Node) -> Vec<NodeId> {
    let mut out: Vec<NodeId> = Vec::new();
    let mut stack: Vec<NodeId> = node.depends_on.iter().rev().copied().collect();
    while let Some(id) = stack.pop() {
        if out.contains(&id) {
            continue;
        }
        out.push(id);
        let parent = manifest.node(id);
        if parent.is_ephemeral() {
            stack.extend(&parent.depends_on);
        }
    }
    out
}

/// The first part of the definition that changed.
fn differs(own: &NodeDefinition, before: &PublicationFingerprint) -> Option<Reason> {
    if *own.parts == before.own {
        return None;
    }
    let none = String::new();
    let keys = own.parts.keys().chain(before.own.keys());
    let mut changed: Vec<&String> =
        keys.filter(|k| own.parts.get(*k) != before.own.get(*k)).collect();
    // SQL and config first: the user edits these, and other parts may follow from them.
    changed.sort_by_key(|k| (*k != "SQL", *k != "config", (*k).clone()));
    let part = changed.first()?;
    let of = |parts: &BTreeMap<String, String>| parts.get(*part).unwrap_or(&none).clone();
    Some(Reason::Own { part: (*part).clone(), before: of(&before.own), now: of(&own.parts) })
}

/// How the relation in the database differs from the published one; `None` if it does not.
fn altered(
    compare: &ComparisonInputs<'_>,
    node: &Node,
    before: &PublicationFingerprint,
) -> Option<Reason> {
    let (Some(relation), Some(stored)) = (&node.relation, &before.stored) else { return None };
    let dialect = compare.manifest.project.dialect;
    let name = relation.render(dialect);
    if name != stored.relation {
        return Some(Reason::Own {
            part: "name".to_owned(),
            before: stored.relation.clone(),
            now: name,
        });
    }
    if !compare.existing.is_known() {
        return None;
    }
    let Some(found) = compare.existing.find(relation) else { return Some(Reason::Missing) };
    if found.kind.as_str() != stored.kind {
        return Some(Reason::Altered(format!("a {}, not a {}", found.kind.as_str(), stored.kind)));
    }
    let is = |(column, (name, kind)): (&ExistingColumn, &(String, String))| {
        column.name == *name && column.data_type == *kind
    };
    if found.columns.len() != stored.columns.len()
        || !found.columns.iter().zip(&stored.columns).all(is)
    {
        let columns = column_pairs(&found.columns);
        let other = columns.iter().find(|c| !stored.columns.contains(c));
        let what = match other.or_else(|| stored.columns.iter().find(|c| !columns.contains(c))) {
            Some((name, kind)) => format!("column {name} {kind}"),
            None => "the order of its columns".to_owned(),
        };
        return Some(Reason::Altered(what));
    }
    match (&found.id, &stored.id) {
        (Some(now), Some(then)) if now != then => {
            Some(Reason::Altered("it was made again".to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "reasons_tests.rs"]
mod tests;
