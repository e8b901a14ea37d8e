//! The configs in project files, by folder, and how they apply to nodes.

use crate::config::{Json, Yaml, YamlMap};
use crate::hash::FastMap;
use crate::load::LoadedProject;
use crate::manifest::{ConfigLayer, NodeConfig, ResourceType};
use crate::source::Span;
use std::sync::{Arc, PoisonError, RwLock};

/// A config in a section, rendered and as it was written.
struct Value {
    key: Arc<str>,
    value: Json,
    unrendered: Json,
    span: Span,
}

/// The configs of a section that apply to a folder, outermost first.
type Values = Vec<Value>;

pub(crate) struct ProjectConfigs<'a> {
    sources: &'a LoadedProject,
    /// The configs by the address of the innermost folder, since all nodes of a folder share them.
    cache: RwLock<FastMap<usize, Arc<Values>>>,
}

/// The sections of a project file that configure a type of node.
pub(crate) fn sections(kind: ResourceType) -> &'static [&'static str] {
    match kind {
        // As in dbt, hooks of a run take the configs of models.
        ResourceType::Model | ResourceType::Analysis | ResourceType::Operation => &["models"],
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
    }
}

impl<'a> ProjectConfigs<'a> {
    pub(crate) fn new(sources: &'a LoadedProject) -> ProjectConfigs<'a> {
        ProjectConfigs { sources, cache: RwLock::default() }
    }

    /// Merges the configs in the project file of package `owner` into those of a node.
    pub(crate) fn apply(
        &self,
        owner: &str,
        kind: ResourceType,
        fqn: &[Arc<str>],
        layer: ConfigLayer,
        config: &mut NodeConfig,
    ) {
        for section in sections(kind) {
            for v in self.values(owner, section, fqn).iter() {
                config.merge_unrendered(
                    &v.key,
                    v.value.clone(),
                    v.unrendered.clone(),
                    layer,
                    Some(v.span),
                );
            }
        }
    }

    fn values(&self, owner: &str, section: &'static str, fqn: &[Arc<str>]) -> Arc<Values> {
        let package = self.sources.packages.iter().find(|p| &**p.name() == owner);
        let tree = package.and_then(|p| p.options.section(section)).and_then(Yaml::as_map);
        let levels: Vec<&YamlMap> = folders(tree, fqn).collect();
        let Some(innermost) = levels.last().map(|map| std::ptr::from_ref(*map).addr()) else {
            return Arc::default();
        };
        if let Some(known) =
            self.cache.read().unwrap_or_else(PoisonError::into_inner).get(&innermost)
        {
            return known.clone();
        }
        let mut values = Vec::new();
        let written =
            package.and_then(|p| p.options.unrendered_section(section)).and_then(Yaml::as_map);
        let mut as_written = folders(written, fqn);
        levels.iter().for_each(|map| read_level(map, as_written.next(), &mut values));
        let values = Arc::new(values);
        self.cache
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(innermost, values.clone());
        values
    }
}

/// The section, then the folders in it along a node's fqn, outermost first.
pub(crate) fn folders<'t>(
    tree: Option<&'t YamlMap>,
    fqn: &[Arc<str>],
) -> impl Iterator<Item = &'t YamlMap> {
    let mut parts = fqn.iter();
    std::iter::successors(tree, move |map| map.get(parts.next()?).and_then(Yaml::as_map))
}

/// Reads the configs of one level: keys with `+`, and keys whose value is not a mapping. A mapping
/// without `+` is a folder.
fn read_level(map: &YamlMap, as_written: Option<&YamlMap>, out: &mut Values) {
    for (key, value) in map.iter() {
        let name: Arc<str> = match key.text.strip_prefix('+') {
            Some(name) => name.into(),
            None if value.as_map().is_none() => key.text.clone(),
            None => continue,
        };
        let written = as_written.and_then(|m| m.get(&key.text)).map(Yaml::to_json);
        let json = value.to_json();
        out.push(Value {
            key: name,
            unrendered: written.unwrap_or_else(|| json.clone()),
            value: json,
            span: value.span,
        });
    }
}
