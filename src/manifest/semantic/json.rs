//! The resources of the semantic layer as `manifest.json` and `semantic_manifest.json` have them.

use super::query::{ExportPlan, SavedQuery, WhereFilter};
use super::types::{
    Conversion, Cumulative, Dimension, Entity, InputMeasure, InputMetric, Measure, Metric,
    PlacedText, SemanticModel, SemanticNode, TimeSpine, TimeWindow,
};
use crate::config::{Json, JsonMap};
use crate::manifest::{Manifest, Node};
use serde_json::json;

fn texts(all: &[PlacedText]) -> Vec<&str> {
    all.iter().map(|one| one.text.as_str()).collect()
}

fn text(one: Option<&PlacedText>) -> Option<&str> {
    one.map(|one| one.text.as_str())
}

fn fields(value: Json) -> JsonMap {
    match value {
        Json::Object(map) => map,
        _ => JsonMap::new(),
    }
}

fn filter_json(filter: Option<&Vec<WhereFilter>>) -> Json {
    let Some(filter) = filter else { return Json::Null };
    let all = filter.iter().map(|one| json!({ "where_sql_template": one.sql.text }));
    json!({ "where_filters": all.collect::<Vec<Json>>() })
}

fn window_json(window: Option<&TimeWindow>) -> Json {
    window.map_or(Json::Null, |w| json!({ "count": w.count, "granularity": w.grain }))
}

impl Entity {
    fn to_json(&self) -> Json {
        json!({
            "name": self.name.text, "type": self.kind.as_str(), "description": self.description,
            "label": text(self.label.as_ref()), "role": self.role, "expr": self.expr,
            "config": { "meta": self.meta },
        })
    }
}

impl Dimension {
    fn to_json(&self) -> Json {
        let params = self.time.map(|time| {
            let validity =
                time.validity.map(|v| json!({ "is_start": v.is_start, "is_end": v.is_end }));
            json!({ "time_granularity": time.grain.as_str(), "validity_params": validity })
        });
        json!({
            "name": self.name.text, "type": self.kind.as_str(), "description": self.description,
            "label": text(self.label.as_ref()), "is_partition": self.is_partition,
            "type_params": params, "expr": self.expr, "metadata": null,
            "config": { "meta": self.meta },
        })
    }
}

impl Measure {
    fn to_json(&self) -> Json {
        let percentile = self.percentile.map(|p| {
            json!({
                "percentile": p.percentile, "use_discrete_percentile": p.is_discrete,
                "use_approximate_percentile": p.is_approximate,
            })
        });
        let non_additive = self.non_additive.as_ref().map(|n| {
            json!({
                "name": n.name.text, "window_choice": n.window_choice.as_str(),
                "window_groupings": texts(&n.window_groupings),
            })
        });
        json!({
            "name": self.name.text, "agg": self.aggregation.as_str(),
            "description": self.description, "label": text(self.label.as_ref()),
            // dbt has made the metric and leaves the wish out.
            "create_metric": false,
            "expr": self.expr, "agg_params": percentile, "non_additive_dimension": non_additive,
            "agg_time_dimension": text(self.agg_time_dimension.as_ref()),
            "config": { "meta": self.meta },
        })
    }
}

impl InputMeasure {
    fn to_json(&self) -> Json {
        json!({
            "name": self.name.text, "filter": filter_json(self.filter.as_ref()),
            "alias": self.alias, "join_to_timespine": self.joins_time_spine,
            "fill_nulls_with": self.fill_nulls_with,
        })
    }
}

impl InputMetric {
    fn to_json(&self) -> Json {
        json!({
            "name": self.name.text, "filter": filter_json(self.filter.as_ref()),
            "alias": self.alias, "offset_window": window_json(self.offset_window.as_ref()),
            "offset_to_grain": text(self.offset_to_grain.as_ref()),
        })
    }
}

impl Conversion {
    fn to_json(&self) -> Json {
        let constant = self.constant_properties.as_ref().map(|all| {
            let pair = |one: &super::ConstantProperty| json!({ "base_property": one.base.text, "conversion_property": one.conversion.text });
            all.iter().map(pair).collect::<Vec<Json>>()
        });
        json!({
            "base_measure": self.base.to_json(), "conversion_measure": self.conversion.to_json(),
            "entity": self.entity.text, "calculation": self.calculation.as_str(),
            "window": window_json(self.window.as_ref()), "constant_properties": constant,
        })
    }
}

impl Cumulative {
    fn to_json(&self) -> Json {
        json!({
            "window": window_json(self.window.as_ref()),
            "grain_to_date": text(self.grain_to_date.as_ref()),
            "period_agg": self.period_aggregation.as_str(),
        })
    }
}

impl Metric {
    fn params_json(&self) -> Json {
        let measures: Vec<Json> = self.input_measures.iter().map(InputMeasure::to_json).collect();
        let metrics: Vec<Json> = self.metrics.iter().map(InputMetric::to_json).collect();
        json!({
            "measure": self.measure.as_ref().map(InputMeasure::to_json),
            "input_measures": measures,
            "numerator": self.numerator.as_ref().map(InputMetric::to_json),
            "denominator": self.denominator.as_ref().map(InputMetric::to_json),
            "expr": self.expr,
            "window": window_json(self.window.as_ref()),
            "grain_to_date": self.grain_to_date.map(|grain| grain.as_str()),
            "metrics": metrics,
            "conversion_type_params": self.conversion.as_ref().map(Conversion::to_json),
            "cumulative_type_params": self.cumulative.as_ref().map(Cumulative::to_json),
        })
    }

    fn fields(&self) -> JsonMap {
        fields(json!({
            "description": self.description, "label": self.label.text, "type": self.kind.as_str(),
            "type_params": self.params_json(), "filter": filter_json(self.filter.as_ref()),
            "time_granularity": self.time_granularity, "metadata": null,
        }))
    }
}

impl SemanticModel {
    fn fields(&self, relation: Json) -> JsonMap {
        let defaults = self
            .has_defaults
            .then(|| json!({ "agg_time_dimension": text(self.agg_time_dimension.as_ref()) }));
        fields(json!({
            "description": self.description, "label": text(self.label.as_ref()),
            "defaults": defaults, "node_relation": relation, "metadata": null,
            "entities": self.entities.iter().map(Entity::to_json).collect::<Vec<Json>>(),
            "measures": self.measures.iter().map(Measure::to_json).collect::<Vec<Json>>(),
            "dimensions": self.dimensions.iter().map(Dimension::to_json).collect::<Vec<Json>>(),
            "primary_entity": text(self.primary_entity.as_ref()),
        }))
    }
}

impl ExportPlan {
    fn to_json(&self, unrendered: bool) -> Json {
        let mut json = json!({
            "name": self.name.text,
            "config": {
                "export_as": self.exported_as.as_str(), "schema_name": self.schema,
                "alias": self.alias,
            },
        });
        if unrendered {
            json["config"]["database"] = json!(self.database);
            json["unrendered_config"] = json!(self.written);
        }
        json
    }
}

impl SavedQuery {
    fn fields(&self, whole: bool) -> JsonMap {
        fields(json!({
            "description": self.description, "label": self.label, "metadata": null,
            "query_params": {
                "metrics": texts(&self.metrics), "group_by": texts(&self.group_by),
                "where": filter_json(self.filter.as_ref()), "order_by": texts(&self.order_by),
                "limit": self.limit.map(|(limit, _)| limit),
            },
            "exports": self.exports.iter().map(|e| e.to_json(whole)).collect::<Vec<Json>>(),
        }))
    }
}

impl TimeSpine {
    fn custom_json(&self) -> Vec<Json> {
        let one = |c: &super::CustomGrain| json!({ "name": c.name.text, "column_name": c.column });
        self.custom.iter().map(one).collect()
    }

    pub(crate) fn to_json(&self) -> Json {
        json!({
            "standard_granularity_column": self.column.text,
            "custom_granularities": self.custom_json(),
        })
    }
}

impl Manifest {
    /// A resource of the semantic layer in `manifest.json`.
    pub(in crate::manifest) fn semantic_json(&self, node: &Node, item: &SemanticNode) -> JsonMap {
        let config = node.config.to_json(node.resource_type());
        let group = config.get("group").cloned().unwrap_or_default();
        let ids: Vec<&str> = node.depends_on.iter().map(|id| &*self.node(*id).unique_id).collect();
        let mut map = fields(json!({
            "name": &*node.name, "resource_type": node.resource_type().as_str(),
            "package_name": &*node.package, "path": &*node.path,
            "original_file_path": &*node.original_file_path, "unique_id": &*node.unique_id,
            "fqn": node.fqn.iter().map(|part| &**part).collect::<Vec<&str>>(),
            "depends_on": { "macros": [], "nodes": ids },
            "refs": node.refs.iter().map(super::super::artifact::ref_json).collect::<Vec<Json>>(),
            "unrendered_config": node.config.unrendered(), "group": group, "created_at": 0.0,
        }));
        match item {
            SemanticNode::Model(model) => {
                map.extend(model.fields(self.relation_json(node)));
                map.insert("model".to_owned(), json!(model.model));
            }
            SemanticNode::Metric(metric) => {
                map.extend(metric.fields());
                let params = &mut map["type_params"];
                params["metric_aggregation_params"] = Json::Null;
                if let Some(cumulative) = params["cumulative_type_params"].as_object_mut() {
                    cumulative.insert("metric".to_owned(), Json::Null);
                }
                let of_config = config.get("meta").and_then(Json::as_object);
                let meta = of_config.filter(|meta| !meta.is_empty()).unwrap_or(&metric.meta);
                map.insert("meta".to_owned(), json!(meta));
                map.insert("tags".to_owned(), json!(node.tags));
                for key in ["sources", "metrics"] {
                    map.insert(key.to_owned(), json!([]));
                }
            }
            SemanticNode::SavedQuery(query) => {
                map.extend(query.fields(true));
                map.insert("tags".to_owned(), json!(node.tags));
            }
        }
        map.insert("config".to_owned(), Json::Object(config));
        map
    }

    /// The place of a semantic model's table; null if the model is not in the graph.
    fn relation_json(&self, node: &Node) -> Json {
        let table = node.depends_on.first().map(|id| self.node(*id));
        table.map_or(Json::Null, |table| self.table_json(table))
    }

    fn table_json(&self, table: &Node) -> Json {
        let relation = table.relation.as_ref();
        json!({
            "alias": &*table.alias, "schema_name": relation.and_then(|r| r.schema()),
            "database": relation.and_then(|r| r.database()),
            "relation_name": relation.map(|r| r.render(self.project.dialect)),
        })
    }

    /// A resource of the semantic layer in `semantic_manifest.json`.
    pub(crate) fn semantic_layer_json(&self, node: &Node, item: &SemanticNode) -> Json {
        let mut map = match item {
            SemanticNode::Model(model) => {
                let mut map = model.fields(self.relation_json(node));
                for elements in ["entities", "measures"] {
                    for element in map[elements].as_array_mut().into_iter().flatten() {
                        element["metadata"] = Json::Null;
                    }
                }
                map
            }
            SemanticNode::Metric(metric) => {
                let mut map = metric.fields();
                let params = &mut map["type_params"];
                lower(params.pointer_mut("/cumulative_type_params/grain_to_date"));
                for input in params["metrics"].as_array_mut().into_iter().flatten() {
                    lower(input.get_mut("offset_to_grain"));
                }
                map
            }
            SemanticNode::SavedQuery(query) => {
                let mut map = query.fields(false);
                map.insert("tags".to_owned(), json!(node.tags));
                map
            }
        };
        map.insert("name".to_owned(), json!(&*node.name));
        if !matches!(item, SemanticNode::SavedQuery(_)) {
            let config = node.config.to_json(node.resource_type());
            let meta = config.get("meta").cloned().unwrap_or_else(|| json!({}));
            map.insert("config".to_owned(), json!({ "meta": meta }));
        }
        Json::Object(map)
    }

    /// A time spine in `semantic_manifest.json`.
    pub(crate) fn time_spine_json(&self, node: &Node, spine: &TimeSpine) -> Json {
        json!({
            "node_relation": self.table_json(node),
            "primary_column": {
                "name": spine.column.text, "time_granularity": spine.grain.as_str(),
            },
            "custom_granularities": spine.custom_json(),
        })
    }
}

fn lower(value: Option<&mut Json>) {
    if let Some(Json::String(text)) = value {
        *text = text.to_lowercase();
    }
}
