//! Converts nodes to the JSON of dbt's `manifest.json` v12, which is also that of `model` and
//! `graph` in Jinja.

use super::contract::{ConstraintPlace, constraint_json, contract_checksum, primary_key};
use super::{
    Column, GenericTest, Manifest, Node, NodeKind, RefCall, ResourceType, TestKind, UniqueId,
    UnitTest, artifact_id,
};
use crate::config::{Json, JsonMap, python_str};
use serde_json::json;

fn text(value: Option<&str>) -> Json {
    value.map_or(Json::Null, Json::from)
}

fn columns_json(columns: &[Column]) -> Json {
    let entries = columns.iter().map(|c| (c.name.clone(), Json::Object(column_json(c))));
    Json::Object(entries.collect())
}

fn column_json(c: &Column) -> JsonMap {
    let mut map = JsonMap::new();
    map.insert("name".into(), Json::from(c.name.as_str()));
    map.insert("description".into(), Json::from(c.description.as_str()));
    map.insert("meta".into(), Json::Object(c.meta.clone()));
    map.insert("data_type".into(), text(c.data_type.as_deref()));
    let constraints = c.constraints.iter().map(|c| constraint_json(c, ConstraintPlace::Column));
    map.insert("constraints".into(), constraints.collect());
    map.insert("quote".into(), c.quote.map_or(Json::Null, Json::Bool));
    let mut config = c.config.clone().unwrap_or_default();
    config.entry("meta").or_insert_with(|| Json::Object(c.meta.clone()));
    config.entry("tags").or_insert_with(|| Json::from(c.tags.clone()));
    map.insert("config".into(), Json::Object(config));
    map.insert("tags".into(), Json::from(c.tags.clone()));
    map.insert("granularity".into(), text(c.granularity.as_deref()));
    map.insert("doc_blocks".into(), ids_json(&c.doc_blocks));
    map
}

fn ids_json(ids: &[UniqueId]) -> Json {
    ids.iter().map(|id| Json::from(&**id)).collect()
}

/// The keys that most nodes have and those of a resource type do not, by dbt's schema of the
/// manifest, which admits no others.
fn foreign_keys(kind: ResourceType) -> &'static [&'static str] {
    match kind {
        ResourceType::Seed => {
            &["compiled_path", "contract", "functions", "language", "metrics", "refs", "sources"]
        }
        ResourceType::Source => {
            &["compiled_path", "depends_on", "functions", "metrics", "refs", "sources"]
        }
        ResourceType::Exposure | ResourceType::Export => {
            &["columns", "compiled_path", "doc_blocks", "functions", "patch_path", "relation_name"]
        }
        _ => &[],
    }
}

impl Manifest {
    #[expect(clippy::too_many_lines, reason = "a line for each key of the artifact")]
    pub(crate) fn node_json(&self, node: &Node) -> JsonMap {
        match &node.kind {
            NodeKind::UnitTest(test) => return self.unit_test_json(node, test),
            NodeKind::Semantic(item) => return self.semantic_json(node, item),
            _ => {}
        }
        let mut m = JsonMap::new();
        let kind = node.resource_type();
        if !matches!(kind, ResourceType::Exposure | ResourceType::Export) {
            m.insert(
                "database".into(),
                text(
                    node.relation
                        .as_ref()
                        .map_or(Some(&*self.project.target.database), |r| r.database()),
                ),
            );
            m.insert(
                "schema".into(),
                text(
                    node.relation
                        .as_ref()
                        .map_or(Some(&*self.project.target.schema), |r| r.schema()),
                ),
            );
        }
        m.insert("name".into(), Json::from(&*node.name));
        let exported = kind == ResourceType::Export;
        m.insert(
            "resource_type".into(),
            Json::from(if exported { "exposure" } else { kind.as_str() }),
        );
        m.insert("package_name".into(), Json::from(&*node.package));
        m.insert("path".into(), Json::from(&*node.path));
        m.insert("original_file_path".into(), Json::from(&*node.original_file_path));
        m.insert("unique_id".into(), Json::from(&*artifact_id(&node.unique_id)));
        m.insert("fqn".into(), node.fqn.iter().map(|p| Json::from(&**p)).collect());
        let mut config = node.config.to_json(kind);
        match &node.kind {
            NodeKind::Source(source) => {
                m.insert("source_name".into(), Json::from(&*source.source_name));
                m.insert(
                    "source_description".into(),
                    Json::from(source.source_description.as_str()),
                );
                m.insert("loader".into(), Json::from(source.loader.as_str()));
                m.insert("identifier".into(), Json::from(source.identifier.as_str()));
                let part = |key: &str| source.quoting.get(key).cloned().unwrap_or_default();
                let quoting = ["database", "schema", "identifier", "column"];
                let quoting = quoting.map(|key| (key.to_owned(), part(key)));
                m.insert("quoting".into(), Json::Object(quoting.into_iter().collect()));
                m.insert("loaded_at_field".into(), text(source.loaded_at_field.as_deref()));
                m.insert("loaded_at_query".into(), text(source.loaded_at_query.as_deref()));
                let freshness = source.freshness.as_ref().map_or(Json::Null, |f| f.to_json());
                m.insert("freshness".into(), freshness);
                m.insert("external".into(), source.external.clone());
                let [database, schema] = &source.unrendered;
                m.insert("unrendered_database".into(), text(database.as_deref()));
                m.insert("unrendered_schema".into(), text(schema.as_deref()));
                m.insert("source_meta".into(), Json::Object(source.source_meta.clone()));
            }
            NodeKind::Exposure(e) => {
                m.insert("type".into(), Json::from(e.kind.as_str()));
                m.insert("owner".into(), Json::Object(e.owner.clone()));
                m.insert("label".into(), text(e.label.as_deref()));
                m.insert("maturity".into(), text(e.maturity.as_deref()));
                m.insert("url".into(), text(e.url.as_deref()));
            }
            // dbt's manifest has no exports; they are written as exposures of the type
            // `application`.
            NodeKind::Export(export) => {
                let fields: JsonMap =
                    export.fields.iter().map(|(k, v)| (k.text.to_string(), v.to_json())).collect();
                let own = fields.get("owner").filter(|o| o.is_object()).cloned();
                m.insert("type".into(), Json::from("application"));
                m.insert("owner".into(), own.unwrap_or_else(|| json!({ "name": &*node.package })));
                for key in ["label", "maturity", "url"] {
                    m.insert(key.into(), fields.get(key).cloned().unwrap_or(Json::Null));
                }
                if let Some(meta) =
                    config.entry("meta").or_insert_with(|| json!({})).as_object_mut()
                {
                    meta.insert("strata_export".into(), Json::Object(fields));
                }
            }
            _ => {
                m.insert("alias".into(), Json::from(&*node.alias));
                m.insert(
                    "checksum".into(),
                    json!({ "name": node.checksum.name, "checksum": node.checksum.value }),
                );
                m.insert("group".into(), config.get("group").cloned().unwrap_or(Json::Null));
                m.insert(
                    "docs".into(),
                    config
                        .get("docs")
                        .cloned()
                        .unwrap_or_else(|| json!({ "show": true, "node_color": null })),
                );
                m.insert("build_path".into(), Json::Null);
                m.insert("raw_code".into(), Json::from(node.text.as_ref().map_or("", |t| &*t.raw)));
                m.insert("language".into(), Json::from(node.language()));
                let contract = config
                    .get("contract")
                    .cloned()
                    .unwrap_or_else(|| json!({ "enforced": false, "alias_types": true }));
                let enforced = contract.get("enforced").cloned().unwrap_or(Json::Bool(false));
                let alias_types = contract.get("alias_types").cloned().unwrap_or(Json::Bool(true));
                let checksum = self.contract_checksum_of(node, enforced == Json::Bool(true));
                let mut contract = json!({ "enforced": enforced, "alias_types": alias_types });
                if let Some(written) = config.get_mut("contract") {
                    *written = contract.clone();
                }
                contract["checksum"] = checksum.map_or(Json::Null, Json::from);
                m.insert("contract".into(), contract);
                if kind == ResourceType::Seed {
                    m.insert("root_path".into(), Json::from(self.root_of(&node.package)));
                }
            }
        }
        if let NodeKind::Model { version, access, deprecation, constraints, group, time_spine } =
            &node.kind
        {
            m.insert("access".into(), Json::from(access.as_str()));
            m.insert("group".into(), text(group.as_deref()));
            let all = constraints.iter().map(|c| constraint_json(c, ConstraintPlace::Model));
            m.insert("constraints".into(), all.collect());
            m.insert("version".into(), version.as_ref().map_or(Json::Null, |v| v.version.clone()));
            m.insert(
                "latest_version".into(),
                version.as_ref().map_or(Json::Null, |v| v.latest.clone()),
            );
            let date = deprecation.as_ref().map(|d| &*d.date);
            m.insert("deprecation_date".into(), text(date));
            let key = primary_key(&node.columns, constraints, self.tests_of(node));
            m.insert("primary_key".into(), Json::from(key));
            m.insert("time_spine".into(), time_spine.as_ref().map_or(Json::Null, |s| s.to_json()));
        }
        if let NodeKind::Function(function) = &node.kind {
            function.write_json(&mut m);
        }
        if let NodeKind::Test(test) = &node.kind {
            if let TestKind::Generic(test) = test {
                // As in dbt, a test of a source has no attached node.
                let attached = test
                    .attached
                    .map(|id| self.node(id))
                    .filter(|n| n.resource_type() != ResourceType::Source);
                m.insert(
                    "group".into(),
                    text(attached.and_then(|n| n.config.text("group")).as_deref()),
                );
                m.insert(
                    "test_metadata".into(),
                    json!({ "name": &*test.name, "kwargs": &*test.kwargs, "namespace": test.namespace.as_deref() }),
                );
                m.insert("column_name".into(), text(test.column.as_deref()));
                m.insert("attached_node".into(), text(attached.map(|n| &*n.unique_id)));
            }
            let key =
                node.generic_test().and_then(|t| t.attached).map(|id| self.node(id)).and_then(
                    |n| {
                        if let NodeKind::Source(table) = &n.kind {
                            return Some(format!("sources.{}", table.source_name));
                        }
                        let section = match n.resource_type() {
                            ResourceType::Model => "models",
                            ResourceType::Seed => "seeds",
                            ResourceType::Snapshot => "snapshots",
                            _ => return None,
                        };
                        Some(format!("{section}.{}", n.name))
                    },
                );
            if node.generic_test().is_some() {
                m.insert("file_key_name".into(), text(key.as_deref()));
            }
        }
        m.insert("tags".into(), Json::from(node.tags.clone()));
        if let NodeKind::Operation { index, on_run_end } = &node.kind {
            m.insert("index".into(), Json::from(*index));
            let tag = if *on_run_end { "on-run-end" } else { "on-run-start" };
            m.insert("tags".into(), json!([tag]));
        }
        m.insert("description".into(), Json::from(node.description.as_str()));
        m.insert("columns".into(), columns_json(&node.columns));
        m.insert("meta".into(), config.get("meta").cloned().unwrap_or_else(|| json!({})));
        m.insert("config".into(), Json::Object(config));
        m.insert("patch_path".into(), text(node.patch_path.as_deref()));
        m.insert("unrendered_config".into(), Json::Object(node.config.unrendered().clone()));
        m.insert("created_at".into(), Json::from(0.0));
        let stored = match &node.kind {
            NodeKind::Exposure(_) | NodeKind::Export(_) | NodeKind::Function(_) => false,
            // A test stores its failing rows only on request.
            NodeKind::Test(_) => node.stores_failures(false).is_some(),
            _ => !node.is_ephemeral(),
        };
        let name =
            node.relation.as_ref().filter(|_| stored).map(|r| r.render(self.project.dialect));
        m.insert("relation_name".into(), text(name.as_deref()));
        m.insert("doc_blocks".into(), ids_json(&node.doc_blocks));
        m.insert("refs".into(), node.refs.iter().map(ref_json).collect());
        m.insert(
            "sources".into(),
            node.sources.iter().map(|s| json!([&*s.source, &*s.table])).collect(),
        );
        m.insert("metrics".into(), node.metrics.iter().map(call_path).collect());
        m.insert("functions".into(), node.functions.iter().map(call_path).collect());
        let nodes: Vec<&str> =
            node.depends_on.iter().map(|id| &*self.node(*id).unique_id).collect();
        let macros: Vec<&str> = node.macros.iter().map(|m| &**m).collect();
        let depends_on = match kind {
            ResourceType::Seed => json!({ "macros": macros }),
            _ => json!({ "macros": macros, "nodes": nodes }),
        };
        m.insert("depends_on".into(), depends_on);
        m.insert("compiled_path".into(), Json::Null);
        foreign_keys(kind).iter().for_each(|key| {
            m.shift_remove(*key);
        });
        m
    }

    fn unit_test_json(&self, node: &Node, test: &UnitTest) -> JsonMap {
        let mut m = JsonMap::new();
        test.write_json(&mut m);
        let tested = node.depends_on.first().map(|id| self.node(*id));
        let schema = tested.and_then(|model| model.relation.as_ref()?.schema());
        m.insert("name".into(), Json::from(&*node.name));
        m.insert("resource_type".into(), Json::from("unit_test"));
        m.insert("package_name".into(), Json::from(&*node.package));
        m.insert("path".into(), Json::from(&*node.path));
        m.insert("original_file_path".into(), Json::from(&*node.original_file_path));
        m.insert("unique_id".into(), Json::from(&*node.unique_id));
        m.insert("fqn".into(), node.fqn.iter().map(|p| Json::from(&**p)).collect());
        m.insert("description".into(), Json::from(node.description.as_str()));
        let nodes: Vec<&str> = tested.iter().map(|model| &*model.unique_id).collect();
        m.insert("depends_on".into(), json!({ "macros": [], "nodes": nodes }));
        m.insert("config".into(), Json::Object(node.config.to_json(ResourceType::UnitTest)));
        m.insert("checksum".into(), Json::from(node.checksum.value.as_str()));
        m.insert("schema".into(), text(schema));
        m.insert("created_at".into(), Json::from(0.0));
        m
    }

    /// The generic tests of a node.
    fn tests_of<'m>(&'m self, node: &Node) -> impl Iterator<Item = &'m GenericTest> {
        let id = node.id;
        let children = self.graph.children(id).into_iter().map(|child| self.node(child));
        children.filter_map(Node::generic_test).filter(move |test| test.attached == Some(id))
    }

    fn contract_checksum_of(&self, node: &Node, is_enforced: bool) -> Option<String> {
        let NodeKind::Model { constraints, .. } = &node.kind else { return None };
        is_enforced.then(|| contract_checksum(&node.columns, constraints, &node.materialized()))
    }

    /// The root folder of a package; empty if there is no such package.
    pub(crate) fn root_of(&self, package: &str) -> &str {
        self.project.packages.iter().find(|p| &*p.name == package).map_or("", |p| p.root.as_str())
    }
}

pub(super) fn ref_json(call: &RefCall) -> Json {
    let version = call.version.as_deref().map(version_json);
    json!({ "name": &*call.name, "package": call.package.as_deref(), "version": version })
}

/// The name of a metric or a function with its package, if it is given.
fn call_path(call: &RefCall) -> Json {
    call.package.iter().chain([&call.name]).map(|part| Json::from(&**part)).collect()
}

/// The JSON of a version: as in dbt, numbers stay numbers.
fn version_json(text: &str) -> Json {
    text.parse::<i64>()
        .map(Json::from)
        .or_else(|_| text.parse::<f64>().map(Json::from))
        .unwrap_or_else(|_| Json::from(text))
}

/// The texts of a JSON list, or of a single value as a list; empty for null.
pub(crate) fn json_texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(items) => items.iter().map(python_str).collect(),
        Json::Null => Vec::new(),
        other => vec![python_str(other)],
    }
}
