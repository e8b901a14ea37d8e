//! Configs of project files, by folder: which apply to a node, and which to none.

use crate::config::{Json, Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::load::Sources;
use crate::manifest::{Layer, NodeConfig, ResourceType};
use crate::source::Span;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Values of one section, from the top down.
type Values = Vec<(Arc<str>, Json, Span)>;

/// A section and a folder path in it.
type Folder = (&'static str, Vec<Arc<str>>);

/// What a file's section says of a folder, by the file's package.
type Cache = HashMap<(Arc<str>, Folder), Arc<Values>>;

pub(super) struct ProjectConfigs<'a> {
    sources: &'a Sources,
    /// Addresses of the folders of the root project's file that applied to a node.
    used: RefCell<HashSet<usize>>,
    /// Values by package (that whose file it is), section and folder: nodes of one folder share them.
    cache: RefCell<Cache>,
}

/// The sections of a project file that configure a type of node.
fn sections(kind: ResourceType) -> &'static [&'static str] {
    match kind {
        ResourceType::Model | ResourceType::Analysis => &["models"],
        ResourceType::Seed => &["seeds"],
        ResourceType::Snapshot => &["snapshots"],
        ResourceType::Test => &["tests", "data_tests"],
        ResourceType::UnitTest => &["unit_tests"],
        ResourceType::Source => &["sources"],
        ResourceType::Exposure => &["exposures"],
        ResourceType::Export => &["exports"],
        ResourceType::Function => &["functions"],
        ResourceType::Metric => &["metrics"],
        ResourceType::SemanticModel => &["semantic-models"],
        ResourceType::SavedQuery => &["saved-queries"],
        ResourceType::Operation => &[],
    }
}

impl<'a> ProjectConfigs<'a> {
    pub(super) fn new(sources: &'a Sources) -> ProjectConfigs<'a> {
        ProjectConfigs { sources, used: RefCell::default(), cache: RefCell::default() }
    }

    /// Merges what the file of `owner` says of a node into its config.
    pub(super) fn apply(
        &self,
        owner: &str,
        kind: ResourceType,
        fqn: &[Arc<str>],
        layer: Layer,
        config: &mut NodeConfig,
    ) {
        self.mark(owner, kind, fqn);
        for section in sections(kind) {
            for (key, value, span) in self.values(owner, section, fqn).iter() {
                config.merge(key, value.clone(), layer, Some(*span));
            }
        }
    }

    /// Notes that a node is in the folders of its path.
    pub(super) fn mark(&self, owner: &str, kind: ResourceType, fqn: &[Arc<str>]) {
        let root = self.sources.root();
        if owner != &**root.name() {
            return;
        }
        let mut used = self.used.borrow_mut();
        for section in sections(kind) {
            let mut level = root.options.section(section).and_then(Yaml::as_map);
            for part in fqn {
                level = level.and_then(|map| map.get(part)).and_then(Yaml::as_map);
                let Some(map) = level else { break };
                used.insert(std::ptr::from_ref(map).addr());
            }
        }
    }

    fn values(&self, owner: &str, section: &'static str, fqn: &[Arc<str>]) -> Arc<Values> {
        let Some(package) = self.sources.packages.iter().find(|p| &**p.name() == owner) else { return Arc::default() };
        let Some(tree) = package.options.section(section) else { return Arc::default() };
        let key = (package.name().clone(), (section, fqn.to_vec()));
        if let Some(found) = self.cache.borrow().get(&key) {
            return found.clone();
        }
        let mut values = Vec::new();
        let mut level = tree.as_map();
        let mut parts = fqn.iter();
        while let Some(map) = level {
            read_level(map, &mut values);
            let Some(part) = parts.next() else { break };
            level = map.get(part).and_then(Yaml::as_map);
        }
        let values = Arc::new(values);
        self.cache.borrow_mut().insert(key, values.clone());
        values
    }

    /// A warning for each folder of the root project's file that applied to nothing.
    pub(super) fn unused(&self, out: &mut Vec<Diagnostic>) {
        let used = self.used.borrow();
        for (section, tree) in &self.sources.root().options.sections {
            if let Some(map) = tree.as_map() {
                walk(section, map, &mut Vec::new(), &used, out);
            }
        }
    }
}

/// The configs of one level: keys with `+`, and keys whose value is no mapping (a mapping without `+` is a folder).
fn read_level(map: &YamlMap, out: &mut Values) {
    for (key, value) in map.iter() {
        match key.text.strip_prefix('+') {
            Some(name) => out.push((name.into(), value.to_json(), value.span)),
            None if value.as_map().is_none() => out.push((key.text.clone(), value.to_json(), value.span)),
            None => {}
        }
    }
}

fn walk(
    section: &'static str,
    map: &YamlMap,
    path: &mut Vec<Arc<str>>,
    used: &HashSet<usize>,
    out: &mut Vec<Diagnostic>,
) {
    for (key, value) in map.iter() {
        let Some(inner) = value.as_map().filter(|_| !key.text.starts_with('+')) else { continue };
        path.push(key.text.clone());
        if used.contains(&std::ptr::from_ref(inner).addr()) {
            walk(section, inner, path, used, out);
        } else {
            let shown = path.iter().map(|p| &**p).collect::<Vec<_>>().join(".");
            let config = matches!(
                &*key.text,
                "meta" | "grants" | "persist_docs" | "quoting" | "docs" | "contract" | "column_types"
            );
            let d = Diagnostic::warning(
                Code::UnusedConfig,
                format!("`{section}.{shown}` in the project file applies to nothing"),
            )
            .primary(key.span, "no node is in this folder");
            out.push(if config { d.help(format!("to set the config, write `+{}:`", key.text)) } else { d });
        }
        path.pop();
    }
}
