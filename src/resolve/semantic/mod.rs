//! The semantic layer becomes nodes: semantic models, metrics, saved queries.
//!
//! In: entries of properties files. Out: nodes with typed definitions (`read`), their parents
//! (`link`), and what dbt checks of all of them together (`checks`). Must not know: SQL, how a
//! metric is asked for.

mod checks;
mod link;
mod read;

pub(super) use checks::check_layer;
pub(super) use link::{SemanticNames, collect_inputs};

use super::NodeMaker;
use super::names::NodeNaming;
use crate::config::{Json, JsonMap, Yaml, YamlMap};
use crate::manifest::{
    ConfigLayer, ExportPlan, InputMeasure, Measure, Metric, MetricKind, Node, NodeConfig, NodeKind,
    RefCall, ResourceType, SemanticModel, SemanticNode, json_texts,
};
use crate::parse::{EntryKind, Patch, Properties, PropertyEntry};
use crate::source::Span;
use read::EntryReader;
use std::sync::Arc;

fn map_json(map: &YamlMap) -> JsonMap {
    map.iter().map(|(key, value)| (key.text.to_string(), value.to_json())).collect()
}

/// The measures of a semantic model that ask for a metric of their own, by their index.
pub(super) fn metric_measures(entry: &PropertyEntry) -> Vec<usize> {
    if entry.kind != EntryKind::Defines(ResourceType::SemanticModel) {
        return Vec::new();
    }
    let measures = entry.map.get("measures").map(Yaml::items).unwrap_or_default().iter();
    let asks = measures.map(|m| m.as_map()?.get("create_metric")?.as_bool()).enumerate();
    asks.filter(|(_, asks)| *asks == Some(true)).map(|(i, _)| i).collect()
}

/// An entry that has only what stands below `config:`.
fn config_entry(
    kind: ResourceType,
    name: &Arc<str>,
    config: Vec<(String, Json, Span)>,
    description: String,
    span: Span,
) -> PropertyEntry {
    let patch = Patch { description, config, ..Patch::default() };
    let (kind, map) = (EntryKind::Defines(kind), YamlMap::default());
    PropertyEntry { kind, name: name.clone(), map, patch, span }
}

/// What stands below `config:` of an entry.
fn own_config(map: &YamlMap) -> Vec<(String, Json, Span)> {
    let config = map.get("config").and_then(Yaml::as_map).into_iter().flat_map(YamlMap::iter);
    config.map(|(key, value)| (key.text.to_string(), value.to_json(), value.span)).collect()
}

impl NodeMaker<'_> {
    /// A node of the semantic layer; `None` if its entry lacks what it needs, which is reported.
    pub(super) fn semantic(
        &mut self,
        kind: ResourceType,
        file: &Properties,
        entry: &PropertyEntry,
    ) -> Option<Node> {
        match kind {
            ResourceType::SemanticModel => self.semantic_model(file, entry),
            ResourceType::Metric => self.metric(file, entry),
            _ => self.saved_query(file, entry),
        }
    }

    fn layer_node(
        &mut self,
        kind: ResourceType,
        file: &Properties,
        entry: &PropertyEntry,
        item: SemanticNode,
    ) -> Node {
        let id = format!("{}.{}.{}", kind.as_str(), file.package, entry.name);
        self.yaml_node(kind, file, entry, id, NodeKind::Semantic(item))
    }

    fn semantic_model(&mut self, file: &Properties, entry: &PropertyEntry) -> Option<Node> {
        let kind = ResourceType::SemanticModel;
        let config = own_config(&entry.map);
        let meta = self.layer_meta(kind, file, &entry.name, &config);
        let mut model =
            EntryReader { out: &mut self.out }.semantic_model(&entry.map, entry.span, &meta)?;
        self.describe(&mut model, file, entry.span);
        let references = self.expression_references(&model.model, &file.package, entry.span)?;
        let own = config_entry(kind, &entry.name, config, String::new(), entry.span);
        let mut node = self.layer_node(kind, file, &own, SemanticNode::Model(Box::new(model)));
        (node.refs, node.sources) = references;
        node.tags = Vec::new();
        keep_own_config(&mut node, &own);
        Some(node)
    }

    /// The meta of a resource: from the project file, and its own over it.
    fn layer_meta(
        &self,
        kind: ResourceType,
        file: &Properties,
        name: &Arc<str>,
        config: &[(String, Json, Span)],
    ) -> JsonMap {
        let merged = self.layer_config(kind, file, name, config);
        merged.map("meta").cloned().unwrap_or_default()
    }

    fn layer_config(
        &self,
        kind: ResourceType,
        file: &Properties,
        name: &Arc<str>,
        config: &[(String, Json, Span)],
    ) -> NodeConfig {
        let fqn = super::others::yaml_fqn(file, name);
        self.merge_config(kind, file, &fqn, config)
    }

    /// Inserts doc blocks into the descriptions of a semantic model and its elements.
    fn describe(&mut self, model: &mut SemanticModel, file: &Properties, span: Span) {
        let elements = (model.entities.iter_mut().map(|e| (&mut e.description, e.name.span)))
            .chain(model.dimensions.iter_mut().map(|d| (&mut d.description, d.name.span)))
            .chain(model.measures.iter_mut().map(|m| (&mut m.description, m.name.span)))
            .chain(std::iter::once((&mut model.description, span)));
        for (description, span) in elements {
            if let Some(text) = description {
                *text = self.ground.docs.render(text, &file.package, span, &mut self.out);
            }
        }
    }

    fn metric(&mut self, file: &Properties, entry: &PropertyEntry) -> Option<Node> {
        let metric = EntryReader { out: &mut self.out }.metric(&entry.map, entry.span)?;
        let tags = entry.map.get("tags").map(Yaml::to_json).unwrap_or_default();
        let config = own_config(&entry.map);
        Some(self.metric_node(file, &entry.name, entry.span, config, metric, json_texts(&tags)))
    }

    fn metric_node(
        &mut self,
        file: &Properties,
        name: &Arc<str>,
        span: Span,
        config: Vec<(String, Json, Span)>,
        mut metric: Metric,
        tags: Vec<String>,
    ) -> Node {
        let kind = ResourceType::Metric;
        let docs = &self.ground.docs;
        metric.description = docs.render(&metric.description, &file.package, span, &mut self.out);
        let description = metric.description.clone();
        let own = config_entry(kind, name, config, description, span);
        let mut node = self.layer_node(kind, file, &own, SemanticNode::Metric(Box::new(metric)));
        node.tags = tags;
        node
    }

    /// The metric of a measure that asks for one.
    pub(super) fn measure_metric(
        &mut self,
        file: &Properties,
        entry: &PropertyEntry,
        measure: usize,
    ) -> Option<Node> {
        let config = own_config(&entry.map);
        let of_model = self.layer_config(ResourceType::SemanticModel, file, &entry.name, &config);
        let meta = of_model.map("meta").cloned().unwrap_or_default();
        // What is wrong with the model is reported where the model itself is made.
        let model = EntryReader { out: &mut Vec::new() }.semantic_model(
            &entry.map,
            entry.span,
            &JsonMap::new(),
        )?;
        let written = entry.map.get("measures").map(Yaml::items)?.get(measure)?;
        let name = written.as_map()?.get_text("name")?;
        let measure = model.measures.into_iter().find(|m| m.name.text == name)?;
        let span = measure.name.span;
        let config = vec![
            ("enabled".to_owned(), Json::Bool(of_model.enabled()), span),
            ("meta".to_owned(), Json::Object(meta), span),
        ];
        let name: Arc<str> = name.into();
        Some(self.metric_node(file, &name, span, config, metric_of(measure), Vec::new()))
    }

    fn saved_query(&mut self, file: &Properties, entry: &PropertyEntry) -> Option<Node> {
        let kind = ResourceType::SavedQuery;
        let config = own_config(&entry.map);
        let merged = self.layer_config(kind, file, &entry.name, &config);
        let mut query = EntryReader { out: &mut self.out }.saved_query(
            &entry.map,
            entry.span,
            &merged.to_json(kind),
        )?;
        if let Some(text) = &mut query.description {
            *text = self.ground.docs.render(text, &file.package, entry.span, &mut self.out);
        }
        let metrics = query.metrics.iter().map(|metric| RefCall {
            package: None,
            name: metric.text.as_str().into(),
            version: None,
            span: Some(metric.span),
        });
        let metrics: Vec<RefCall> = metrics.collect();
        let own = config_entry(kind, &entry.name, config, String::new(), entry.span);
        let mut exports = std::mem::take(&mut query.exports);
        for export in &mut exports {
            self.place_export(file, &own, export);
        }
        query.exports = exports;
        let mut node = self.layer_node(kind, file, &own, SemanticNode::SavedQuery(Box::new(query)));
        node.metrics = metrics;
        let mut tags = json_texts(&entry.map.get("tags").map(Yaml::to_json).unwrap_or_default());
        tags.extend(node.config.list("tags"));
        tags.sort();
        tags.dedup();
        node.tags = tags;
        keep_own_config(&mut node, &own);
        Some(node)
    }

    /// Fills in where an export is written, by the project's macros of names. As in dbt, these are
    /// not asked about a schema that is given.
    fn place_export(&mut self, file: &Properties, entry: &PropertyEntry, export: &mut ExportPlan) {
        let mut config = NodeConfig::default();
        for (key, value) in [("alias", &export.alias), ("database", &export.database)] {
            if let Some(value) = value {
                let value = Json::from(value.as_str());
                config.merge(key, value, ConfigLayer::Properties, None);
            }
        }
        let fqn = super::others::yaml_fqn(file, &entry.name);
        let name: Arc<str> = export.name.text.as_str().into();
        let naming = NodeNaming {
            kind: ResourceType::SavedQuery,
            package: &file.package,
            name: &name,
            unique_id: &format!("saved_query.{}.{}", file.package, entry.name),
            path: &file.path,
            original_file_path: &file.original_file_path,
            fqn: &fqn,
            config: &config,
            version: None,
            span: export.name.span,
        };
        let (alias, relation) = self.ground.names.relation(&naming, &mut self.out);
        export.database = relation.database().map(str::to_owned).or(export.database.take());
        export.schema = export.schema.take().or(relation.schema().map(str::to_owned));
        export.alias = export.alias.take().or(Some(alias.to_string()));
    }
}

/// The metric that dbt makes of a measure.
fn metric_of(measure: Measure) -> Metric {
    let name = measure.name.clone();
    let description = measure.description.filter(|text| !text.is_empty());
    let label = measure.label.filter(|label| !label.text.is_empty());
    let expr = measure.expr.filter(|expr| !expr.is_empty());
    Metric {
        kind: MetricKind::Simple,
        label: label.unwrap_or_else(|| name.clone()),
        description: description
            .unwrap_or_else(|| format!("Metric created from measure {}", name.text)),
        filter: None,
        time_granularity: None,
        meta: JsonMap::new(),
        expr: Some(expr.unwrap_or_else(|| name.text.clone())),
        measure: Some(InputMeasure {
            name,
            filter: None,
            alias: None,
            joins_time_spine: false,
            fill_nulls_with: None,
        }),
        numerator: None,
        denominator: None,
        window: None,
        grain_to_date: None,
        metrics: Vec::new(),
        conversion: None,
        cumulative: None,
        input_measures: Vec::new(),
    }
}

/// dbt compares semantic models and saved queries without the configs of the project file.
fn keep_own_config(node: &mut Node, entry: &PropertyEntry) {
    let own = entry.patch.config.iter().map(|(key, value, _)| (key.clone(), value.clone()));
    Arc::make_mut(&mut node.config).set_unrendered(own.collect());
}
