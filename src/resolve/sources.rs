//! Resolves source tables.

use super::cache::ResolvedItem;
use super::external_location::find_location;
use super::{Job, NodeMaker, Resolver};
use crate::config::{Json, JsonMap, Yaml, YamlMap};
use crate::engine::Relation;
use crate::manifest::{
    Checksum, ConfigLayer, Node, NodeConfig, NodeId, NodeKind, ResourceType, SourceTable,
    TypedConfig, json_texts,
};
use crate::parse::{ParsedSource, Properties};
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn sources(&mut self) {
        let mut jobs = Vec::new();
        for file in &self.ground.parsed.properties {
            for (i, source) in file.sources.iter().enumerate() {
                let make =
                    Box::new(move |maker: &mut NodeMaker<'_>| Some(maker.source(file, source)));
                jobs.push(Job {
                    item: ResolvedItem::Source(file.clone(), i),
                    described: None,
                    make,
                });
            }
        }
        self.add(jobs);
    }
}

impl NodeMaker<'_> {
    #[expect(clippy::too_many_lines, reason = "a line or two for each field of a source")]
    fn source(&mut self, file: &Properties, parsed: &ParsedSource) -> Node {
        let package = &file.package;
        let parsed = &*self.ground.overrides.apply(package, parsed);
        let (outer, inner) = (&parsed.source_map, &parsed.table_map);
        let dirs = file.path.rsplit_once('/').map_or("", |(d, _)| d);
        let mut fqn: Vec<Arc<str>> = vec![package.clone()];
        fqn.extend(dirs.split('/').filter(|d| !d.is_empty()).map(Arc::from));
        fqn.extend([parsed.source.clone(), parsed.table.clone()]);
        let mut config = NodeConfig::default();
        self.ground.configs.apply(
            package,
            ResourceType::Source,
            &fqn,
            ConfigLayer::ProjectFile,
            &mut config,
        );
        for map in [outer, inner] {
            for key in ["enabled", "meta", "tags"] {
                for y in find_places(map, key).into_iter().flatten() {
                    config.merge(key, y.to_json(), ConfigLayer::Properties, Some(y.span));
                }
            }
            for (key, y) in
                map.get("config").and_then(Yaml::as_map).into_iter().flat_map(YamlMap::iter)
            {
                if !matches!(
                    &*key.text,
                    "enabled"
                        | "meta"
                        | "tags"
                        | "freshness"
                        | "loaded_at_field"
                        | "loaded_at_query"
                ) {
                    config.merge(&key.text, y.to_json(), ConfigLayer::Properties, Some(y.span));
                }
            }
        }
        self.loaded_at(parsed, &mut config);
        self.freshness_of_places(parsed, &mut config);
        restate(parsed, &mut config);
        let root = self.ground.sources.root().name().clone();
        if *root != **package {
            self.ground.configs.apply(
                &root,
                ResourceType::Source,
                &fqn,
                ConfigLayer::RootProject,
                &mut config,
            );
        }
        let freshness = self.freshness(parsed, &mut config);
        let target = &self.ground.context.target;
        let database =
            filled_text(outer, "database").unwrap_or_else(|| target.database.to_string());
        let schema = filled_text(outer, "schema").unwrap_or_else(|| parsed.source.to_string());
        let identifier =
            filled_text(inner, "identifier").unwrap_or_else(|| parsed.table.to_string());
        let mut relation = Relation::new(Some(&database), Some(&schema), &identifier);
        let mut quoting = JsonMap::new();
        for map in [outer, inner] {
            let columns = map.get("quoting").and_then(Yaml::as_map).and_then(|m| m.get("column"));
            if let Some(flag) = columns.and_then(Yaml::as_bool) {
                quoting.insert("column".to_owned(), Json::Bool(flag));
            }
        }
        for (i, key) in ["database", "schema", "identifier"].into_iter().enumerate() {
            for map in [outer, inner] {
                if let Some(flag) = map
                    .get("quoting")
                    .and_then(Yaml::as_map)
                    .and_then(|m| m.get(key))
                    .and_then(Yaml::as_bool)
                {
                    relation.quote[i] = flag;
                    quoting.insert(key.to_owned(), Json::Bool(flag));
                }
            }
        }
        let meta = config.map("meta").cloned().unwrap_or_default();
        let names = [
            ("name", &*parsed.table),
            ("identifier", identifier.as_str()),
            ("schema", schema.as_str()),
            ("database", database.as_str()),
            ("source_name", &*parsed.source),
        ];
        relation.external = find_location(&config, &meta, &names).map(Arc::from);
        let columns = self.describe_columns(&parsed.columns, package, parsed.span);
        let description = filled_text(inner, "description").unwrap_or_default();
        let description =
            self.ground.docs.describe(&description, package, parsed.span, &mut self.out);
        let unique_id: Arc<str> =
            format!("source.{package}.{}.{}", parsed.source, parsed.table).into();
        let table = SourceTable {
            source_name: parsed.source.clone(),
            source_description: filled_text(outer, "description")
                .map(|d| self.ground.docs.render(&d, package, parsed.span, &mut self.out))
                .unwrap_or_default(),
            loader: filled_text(inner, "loader")
                .or_else(|| filled_text(outer, "loader"))
                .unwrap_or_default(),
            identifier,
            quoting,
            source_meta: meta_of_source(outer),
            loaded_at_field: config.text("loaded_at_field").map(|t| t.into_owned()),
            loaded_at_query: config.text("loaded_at_query").map(|t| t.into_owned()),
            freshness,
            unrendered: parsed.unrendered.clone(),
            external: inner.get("external").map(Yaml::to_json).unwrap_or_default(),
        };
        Node {
            id: NodeId(0),
            unique_id,
            kind: NodeKind::Source(Box::new(table)),
            name: parsed.table.clone(),
            package: package.clone(),
            path: file.original_file_path.clone(),
            original_file_path: file.original_file_path.clone(),
            fqn,
            text: None,
            sql: true,
            tags: super::nodes::remove_duplicates(json_texts(
                config.get("tags").unwrap_or(&Json::Null),
            )),
            typed: Arc::new(TypedConfig::read(ResourceType::Source, &config)),
            config: Arc::new(config),
            description: description.text,
            doc_blocks: description.doc_blocks,
            patch_path: None,
            columns,
            alias: parsed.table.clone(),
            relation: Some(relation),
            refs: Vec::new(),
            sources: Vec::new(),
            metrics: Vec::new(),
            functions: Vec::new(),
            depends_on: Vec::new(),
            macros: Vec::new(),
            checksum: Checksum::default(),
            span: parsed.span,
        }
    }
}

/// Sets the unrendered configs of a source as dbt does: always these keys, with values of the
/// properties only.
fn restate(parsed: &ParsedSource, config: &mut NodeConfig) {
    let mut tags: Vec<String> =
        written_values(parsed, "tags").flat_map(|tags| json_texts(&tags)).collect();
    tags.sort();
    tags.dedup();
    let meta: JsonMap = written_values(parsed, "meta")
        .filter_map(|meta| meta.as_object().cloned())
        .flatten()
        .collect();
    config.restate("tags", Some(Json::from(tags)));
    config.restate("meta", Some(Json::Object(meta)));
    for key in ["loaded_at_field", "loaded_at_query"] {
        let own = config
            .entry(key)
            .filter(|entry| entry.layer == ConfigLayer::Properties)
            .map(|entry| entry.value.clone());
        config.restate(key, Some(own.unwrap_or_default()));
    }
}

/// The values of a key in a source and its table, in the order of their precedence.
fn written_values(parsed: &ParsedSource, key: &str) -> impl Iterator<Item = Json> {
    let maps = [&parsed.source_map, &parsed.table_map];
    maps.into_iter().flat_map(move |map| find_places(map, key)).flatten().map(Yaml::to_json)
}

/// The text of a key; `None` if it is null or missing.
/// The `meta` of a whole source; a key in its `config:` comes before one beside it.
fn meta_of_source(map: &YamlMap) -> JsonMap {
    let places = find_places(map, "meta").into_iter().flatten().map(Yaml::to_json);
    places.filter_map(|meta| meta.as_object().cloned()).flatten().collect()
}

fn filled_text(map: &YamlMap, key: &str) -> Option<String> {
    map.get(key).filter(|y| !y.is_null()).and_then(Yaml::scalar_text)
}

/// The values of a key beside `config:` and in it.
pub(super) fn find_places<'a>(map: &'a YamlMap, key: &str) -> [Option<&'a Yaml>; 2] {
    [map.get(key), map.get("config").and_then(Yaml::as_map).and_then(|m| m.get(key))]
}
