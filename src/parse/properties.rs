//! Parses properties files: descriptions of nodes, and nodes that are defined in YAML only.

use super::columns;
use super::generic_tests::{self, ParsedTest, TestTarget};
use super::nodes::NodeParser;
use super::time_spine;
use crate::config::{
    Json, JsonMap, Yaml, YamlMap, check_properties, parse_yaml, python_str, unknown_keys,
};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic};
use crate::hash::{FastMap, FastSet};
use crate::load::{LoadedFile, YamlRenderer};
use crate::manifest::{Column, ResourceType, TestSpec, TimeSpine, json_texts, same_version};
use crate::source::Span;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// What an entry of a properties file describes or defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    /// Describes a node that has a file of its own.
    Describes(ResourceType),
    Macro,
    Group,
    Defines(ResourceType),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionPatch {
    pub(crate) version: Json,
    pub(crate) defined_in: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) config: Vec<(String, Json, Span)>,
    /// The values of `config:` before they were rendered, where rendering changed them.
    pub(crate) unrendered: JsonMap,
    pub(crate) access: Option<String>,
    pub(crate) deprecation_date: Option<(String, Span)>,
    pub(crate) constraints: Option<Vec<Json>>,
}

/// The properties that all kinds of nodes have in common.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Patch {
    pub(crate) description: String,
    pub(crate) columns: Vec<Column>,
    /// The values of `config:`, and of config keys that may be beside it.
    pub(crate) config: Vec<(String, Json, Span)>,
    /// The values of `config:` before they were rendered, where rendering changed them.
    pub(crate) unrendered: JsonMap,
    pub(crate) access: Option<(String, Span)>,
    pub(crate) group: Option<String>,
    pub(crate) constraints: Vec<Json>,
    pub(crate) deprecation_date: Option<(String, Span)>,
    pub(crate) latest_version: Option<Json>,
    pub(crate) versions: Vec<VersionPatch>,
    pub(crate) time_spine: Option<TimeSpine>,
}

/// An entry with its rendered mapping, which is empty for entries that only describe a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PropertyEntry {
    pub(crate) kind: EntryKind,
    pub(crate) name: Arc<str>,
    pub(crate) map: YamlMap,
    pub(crate) patch: Patch,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ParsedSource {
    pub(crate) source: Arc<str>,
    pub(crate) table: Arc<str>,
    pub(crate) source_map: YamlMap,
    pub(crate) table_map: YamlMap,
    /// The `database` and `schema` of the source before they were rendered.
    pub(crate) unrendered: [Option<String>; 2],
    pub(crate) columns: Vec<Column>,
    pub(crate) span: Span,
}

/// The override of another package's source (`overrides:`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceOverride {
    /// The package that has the source.
    pub(crate) package: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) map: YamlMap,
    pub(crate) tables: Vec<TableOverride>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TableOverride {
    pub(crate) table: Arc<str>,
    pub(crate) map: YamlMap,
    pub(crate) columns: Vec<Column>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Properties {
    pub(crate) package: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) entries: Vec<PropertyEntry>,
    pub(crate) sources: Vec<ParsedSource>,
    pub(crate) overrides: Vec<SourceOverride>,
    pub(crate) tests: Vec<ParsedTest>,
}

const SECTIONS: &[(&str, EntryKind)] = &[
    ("models", EntryKind::Describes(ResourceType::Model)),
    ("seeds", EntryKind::Describes(ResourceType::Seed)),
    ("snapshots", EntryKind::Describes(ResourceType::Snapshot)),
    ("analyses", EntryKind::Describes(ResourceType::Analysis)),
    ("data_tests", EntryKind::Describes(ResourceType::Test)),
    ("functions", EntryKind::Describes(ResourceType::Function)),
    ("macros", EntryKind::Macro),
    ("groups", EntryKind::Group),
    ("exposures", EntryKind::Defines(ResourceType::Exposure)),
    ("exports", EntryKind::Defines(ResourceType::Export)),
    ("metrics", EntryKind::Defines(ResourceType::Metric)),
    ("semantic_models", EntryKind::Defines(ResourceType::SemanticModel)),
    ("saved_queries", EntryKind::Defines(ResourceType::SavedQuery)),
    ("unit_tests", EntryKind::Defines(ResourceType::UnitTest)),
];

const NODE_KEYS: &[&str] = &[
    "name",
    "description",
    "columns",
    "tests",
    "data_tests",
    "config",
    "meta",
    "docs",
    "tags",
    "access",
    "group",
    "latest_version",
    "versions",
    "constraints",
    "deprecation_date",
    "time_spine",
    "relation",
    "arguments",
    "returns",
    "type",
    "url",
    "maturity",
    "label",
    "owner",
    "depends_on",
    "enabled",
    "materialized",
    "schema",
    "database",
    "alias",
    "model",
    "primary_entity",
    "semantic_model",
    "derived_semantics",
    "metrics",
    "agg_time_dimension",
    "quote_columns",
];

/// The keys of an export that are rendered at parse.
const EXPORT_NODE_KEYS: &[&str] = &["name", "type", "config", "enabled", "tags", "meta"];

/// Config keys that older projects write outside of `config:`.
const CONFIG_BESIDE: &[&str] = &["meta", "docs", "tags", "group"];

/// Whether the value at a path is rendered later. Descriptions, tests and queries are rendered when
/// they are used; unit tests have contexts of their own.
fn renders_later(path: &[&str]) -> bool {
    match path {
        // Below `config:` keys are names of configs, so a key `description` there is not a
        // description.
        [section, "#", "config", key, ..] if *section != "exports" => {
            matches!(*key, "pre-hook" | "post-hook" | "pre_hook" | "post_hook" | "loaded_at_query")
        }
        [section, "#", rest @ ..] => {
            (*section == "unit_tests" && rest.first().is_some_and(|key| *key != "config"))
                // The fields of an export are rendered when it runs: they may need variables that
                // are not set on a developer's machine.
                || (*section == "exports" && rest.first().is_some_and(|k| !EXPORT_NODE_KEYS.contains(k)))
                || renders_with_query(section, rest)
                || matches!(
                    rest.last(),
                    Some(&("description" | "tests" | "data_tests" | "loaded_at_query"))
                )
                || rest.iter().any(|k| matches!(*k, "tests" | "data_tests"))
                || rest.iter().any(|k| matches!(*k, "pre-hook" | "post-hook" | "pre_hook" | "post_hook"))
                || (*section == "exposures" && rest.first() == Some(&"depends_on"))
                || (*section == "snapshots" && rest == ["relation"])
        }
        _ => false,
    }
}

/// Whether a value is a filter of the semantic layer, which is rendered when a query is made of it.
fn renders_with_query(section: &str, rest: &[&str]) -> bool {
    match section {
        "metrics" => rest.iter().rev().take(2).any(|key| *key == "filter"),
        "saved_queries" => rest.starts_with(&["query_params", "where"]),
        _ => false,
    }
}

pub(super) fn parse_properties(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
) -> Checked<Properties> {
    let mut out = Vec::new();
    let mut properties = Properties {
        package: package.clone(),
        path: file.path.clone(),
        original_file_path: file.original_file_path.clone(),
        entries: Vec::new(),
        sources: Vec::new(),
        overrides: Vec::new(),
        tests: Vec::new(),
    };
    let id = file.file;
    // As dbt strips the file, a folded text at its end has no line break behind it.
    let tree = parse_yaml(id, parser.map.text(id).trim_end()).drain_into(&mut out);
    let has_jinja = ["{{", "{%", "{#"].iter().any(|mark| parser.map.text(id).contains(mark));
    let (tree, as_written) = if has_jinja || tree.has_final_newline() {
        let renderer = YamlRenderer::new(parser.context, package);
        let rendered = renderer.tree(&tree, &renders_later, &mut out);
        parser.note(renderer.reads());
        (rendered, Some(tree))
    } else {
        (tree, None)
    };
    let Some(map) = tree.as_map() else {
        if !tree.is_null() {
            out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    format!("a properties file is a mapping, not {}", tree.kind()),
                )
                .primary(tree.span, ""),
            );
        }
        return Checked::new(properties, out);
    };
    check_properties(&tree, &mut out);
    let mut known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
    // dbt ignores `tests` at the top level; it is accepted without a warning here.
    known.extend(["version", "sources", "anchors", "selectors", "packages", "tests"]);
    let before = out.len();
    unknown_keys(map, &known, "a properties file", &mut out);
    for unknown in &mut out[before..] {
        unknown.event = Some(DbtEvent::CustomTopLevelKeyDeprecation);
    }
    for (section, kind) in SECTIONS {
        for item in map.get(section).map(Yaml::items).unwrap_or_default() {
            entry(parser, package, file, section, *kind, item, &mut properties, &mut out);
        }
    }
    for item in map.get("sources").map(Yaml::items).unwrap_or_default() {
        source(parser, package, file, item, &mut properties, &mut out);
    }
    if let Some(map) = as_written.as_ref().and_then(Yaml::as_map) {
        keep_written(map, &mut properties);
    }
    Checked::new(properties, out)
}

/// Adds the values before rendering to the parsed properties: dbt can compare states by them.
fn keep_written(map: &YamlMap, properties: &mut Properties) {
    let described = SECTIONS.iter().filter(|(_, kind)| matches!(kind, EntryKind::Describes(_)));
    let items =
        described.flat_map(|(section, _)| map.get(section).map(Yaml::items).unwrap_or_default());
    let items: FastMap<Span, &YamlMap> =
        items.filter_map(|item| Some((item.span, item.as_map()?))).collect();
    for entry in &mut properties.entries {
        let Some(map) = items.get(&entry.span) else { continue };
        entry.patch.unrendered = unrendered_config(map, &entry.patch.config);
        let versions = map.get("versions").map(Yaml::items).unwrap_or_default();
        for version in versions.iter().filter_map(Yaml::as_map) {
            let number = version.get("v").map(Yaml::to_json);
            if let Some(patch) =
                entry.patch.versions.iter_mut().find(|p| Some(&p.version) == number.as_ref())
            {
                patch.unrendered = unrendered_config(version, &patch.config);
            }
        }
    }
    for item in map.get("sources").map(Yaml::items).unwrap_or_default() {
        let Some(source) = item.as_map() else { continue };
        let tables: FastSet<Span> = source
            .get("tables")
            .map(Yaml::items)
            .unwrap_or_default()
            .iter()
            .map(|table| table.span)
            .collect();
        for parsed in properties.sources.iter_mut().filter(|parsed| tables.contains(&parsed.span)) {
            parsed.unrendered = written_place(source);
        }
    }
}

/// The values of `config:` that rendering has changed.
fn unrendered_config(map: &YamlMap, rendered: &[(String, Json, Span)]) -> JsonMap {
    let mut written = JsonMap::new();
    for (key, value) in map.get("config").and_then(Yaml::as_map).into_iter().flat_map(YamlMap::iter)
    {
        let value = value.to_json();
        if rendered
            .iter()
            .rfind(|(k, ..)| **k == *key.text)
            .is_some_and(|(_, became, _)| *became != value)
        {
            written.insert(key.text.to_string(), value);
        }
    }
    written
}

fn written_place(source: &YamlMap) -> [Option<String>; 2] {
    ["database", "schema"].map(|key| source.get(key).and_then(Yaml::scalar_text))
}

/// The mapping and the name of an entry.
fn named<'a>(
    item: &'a Yaml,
    section: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<(&'a YamlMap, String)> {
    let map = item.as_map();
    match (map, map.and_then(|m| m.get("name")).and_then(Yaml::scalar_text)) {
        (Some(map), Some(name)) => Some((map, name)),
        // A generic test with arguments, as one would write it on a column. dbt ignores it, too.
        _ if section == "data_tests" => {
            let d = Diagnostic::warning(
                Code::YamlShape,
                "this entry of `data_tests` has no `name` and is left out",
            );
            out.push(d.primary(item.span, "tests are written on what they test"));
            None
        }
        _ => {
            out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    format!("an entry of `{section}` is a mapping with a `name`"),
                )
                .primary(item.span, format!("this is {}", item.kind())),
            );
            None
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
fn entry(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
    section: &str,
    kind: EntryKind,
    item: &Yaml,
    properties: &mut Properties,
    out: &mut Vec<Diagnostic>,
) {
    let Some((map, name)) = named(item, section, out) else { return };
    if matches!(kind, EntryKind::Describes(_)) {
        unknown_keys(map, NODE_KEYS, &format!("an entry of `{section}`"), out);
    }
    let mut patch = Patch {
        description: map.get("description").and_then(Yaml::scalar_text).unwrap_or_default(),
        ..Patch::default()
    };
    if let EntryKind::Describes(resource) = kind {
        let (columns, tests) = columns_and_tests(map, out);
        patch.columns = columns;
        patch.config = config_of(map);
        patch.access = map.get("access").and_then(|y| Some((y.scalar_text()?, y.span)));
        patch.group = map.get("group").and_then(Yaml::scalar_text);
        patch.constraints = columns::read_constraints(map);
        patch.deprecation_date = read_date(map);
        patch.latest_version =
            map.get("latest_version").map(Yaml::to_json).filter(|v| !v.is_null());
        patch.time_spine = time_spine::read_time_spine(map, out);
        let versions = map.get("versions").map(Yaml::items).unwrap_or_default();
        if resource.is_refable() && versions.is_empty() {
            let target =
                TestTarget::Node { kind: resource, name: name.as_str().into(), version: None };
            let tested = quoted(&patch.columns, map.get("quote_columns"));
            properties
                .tests
                .extend(generic_tests::build(parser, package, file, &target, &tested, &tests, out));
        } else {
            for item in versions {
                let Some(version) =
                    version(parser, package, file, &name, item, &patch, &tests, properties, out)
                else {
                    continue;
                };
                if patch.versions.iter().any(|other| same_version(&other.version, &version.version))
                {
                    let message = format!(
                        "the version {} of `{name}` is there twice",
                        python_str(&version.version)
                    );
                    out.push(
                        Diagnostic::error(Code::ModelVersion, message)
                            .primary(item.span, "again here"),
                    );
                }
                patch.versions.push(version);
            }
            let latest = patch.latest_version.as_ref().filter(|_| !patch.versions.is_empty());
            if let Some(latest) =
                latest.filter(|v| !patch.versions.iter().any(|p| same_version(&p.version, v)))
            {
                let place = map.get("latest_version").map_or(item.span, |y| y.span);
                let all: Vec<String> =
                    patch.versions.iter().map(|p| python_str(&p.version)).collect();
                let message =
                    format!("`{name}` has no version {}: {}", python_str(latest), all.join(", "));
                out.push(
                    Diagnostic::error(Code::ModelVersion, message)
                        .primary(place, "which is to be the latest"),
                );
            }
        }
    } else {
        patch.config = config_of(map);
    }
    // A description has been read into the patch. The mappings of other entries are read later.
    let described = matches!(kind, EntryKind::Describes(resource) if resource != ResourceType::Function)
        && map.get("relation").is_none();
    let map = if described { YamlMap::default() } else { map.clone() };
    properties.entries.push(PropertyEntry { kind, name: name.into(), map, patch, span: item.span });
}

/// The columns for their tests: quoted by `quote_all` unless the column itself has `quote`.
fn quoted<'a>(columns: &'a [Column], quote_all: Option<&Yaml>) -> Cow<'a, [Column]> {
    match quote_all.and_then(Yaml::as_bool) {
        None => Cow::Borrowed(columns),
        all => columns.iter().map(|c| Column { quote: c.quote.or(all), ..c.clone() }).collect(),
    }
}

/// Reads the columns of an entry, with the tests of the columns and of the entry itself.
fn columns_and_tests(map: &YamlMap, out: &mut Vec<Diagnostic>) -> (Vec<Column>, Vec<TestSpec>) {
    let (columns, mut tests) = columns::read_columns(map, out);
    let own = columns::tests_of(map, out).map(Yaml::items).unwrap_or_default();
    tests.extend(own.iter().map(|y| TestSpec { definition: y.clone(), column: None }));
    (columns, tests)
}

#[expect(clippy::too_many_arguments, reason = "the parts of one version")]
fn version(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
    name: &str,
    item: &Yaml,
    base: &Patch,
    base_tests: &[TestSpec],
    properties: &mut Properties,
    out: &mut Vec<Diagnostic>,
) -> Option<VersionPatch> {
    let map = item.as_map();
    let Some(version) =
        map.and_then(|m| m.get("v")).map(Yaml::to_json).filter(|v| v.is_number() || v.is_string())
    else {
        out.push(
            Diagnostic::error(Code::ModelVersion, "a version needs `v`, a number or text")
                .primary(item.span, ""),
        );
        return None;
    };
    let map = map?;
    let (columns, mut tests) = columns::columns_of_version(&base.columns, base_tests, map, out);
    let own = columns::tests_of(map, out);
    match own {
        Some(list) => tests
            .extend(list.items().iter().map(|y| TestSpec { definition: y.clone(), column: None })),
        None => tests.extend(base_tests.iter().filter(|t| t.column.is_none()).cloned()),
    }
    let target = TestTarget::Node {
        kind: ResourceType::Model,
        name: name.into(),
        version: Some(version.clone()),
    };
    properties
        .tests
        .extend(generic_tests::build(parser, package, file, &target, &columns, &tests, out));
    Some(VersionPatch {
        version,
        defined_in: map.get("defined_in").and_then(Yaml::scalar_text),
        description: map.get("description").and_then(Yaml::scalar_text),
        columns,
        config: config_of(map),
        unrendered: JsonMap::new(),
        access: map.get("access").filter(|y| !y.is_null()).and_then(Yaml::scalar_text),
        deprecation_date: read_date(map),
        constraints: map.get("constraints").map(|_| columns::read_constraints(map)),
    })
}

fn read_date(map: &YamlMap) -> Option<(String, Span)> {
    let written = map.get("deprecation_date")?;
    Some((written.scalar_text()?, written.span))
}

/// The configs of an entry with their spans. Keys beside `config:` come first, so that those in
/// `config:` override them.
fn config_of(map: &YamlMap) -> Vec<(String, Json, Span)> {
    let mut config = Vec::new();
    for key in CONFIG_BESIDE {
        if let Some(value) = map.get(key) {
            config.push(((*key).to_owned(), value.to_json(), value.span));
        }
    }
    for (key, value) in map.get("config").and_then(Yaml::as_map).into_iter().flat_map(YamlMap::iter)
    {
        config.push((key.text.to_string(), value.to_json(), value.span));
    }
    config
}

const SOURCE_KEYS: &[&str] = &[
    "name",
    "description",
    "database",
    "schema",
    "loader",
    "loaded_at_field",
    "loaded_at_query",
    "meta",
    "tags",
    "quoting",
    "freshness",
    "tables",
    "config",
    "overrides",
    "enabled",
    "tests",
    "data_tests",
];
const TABLE_KEYS: &[&str] = &[
    "name",
    "description",
    "identifier",
    "loader",
    "loaded_at_field",
    "loaded_at_query",
    "meta",
    "tags",
    "quoting",
    "freshness",
    "columns",
    "tests",
    "data_tests",
    "config",
    "external",
    "enabled",
    "docs",
];

fn source(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
    item: &Yaml,
    properties: &mut Properties,
    out: &mut Vec<Diagnostic>,
) {
    let Some((map, source)) = named(item, "sources", out) else { return };
    unknown_keys(map, SOURCE_KEYS, "a source", out);
    let overridden: Option<Arc<str>> =
        map.get("overrides").and_then(Yaml::scalar_text).map(Arc::from);
    // Tests belong to the package of the tested source.
    let package = overridden.as_ref().unwrap_or(package);
    let mut tables = Vec::new();
    for table in map.get("tables").map(Yaml::items).unwrap_or_default() {
        let Some((table_map, name)) = named(table, "tables", out) else { continue };
        unknown_keys(table_map, TABLE_KEYS, "a source table", out);
        let (columns, tests) = columns_and_tests(table_map, out);
        let target =
            TestTarget::Source { source: source.as_str().into(), table: name.as_str().into() };
        let quote_all = column_quoting(table_map).or_else(|| column_quoting(map));
        let tested = quoted(&columns, quote_all);
        let mut built = generic_tests::build(parser, package, file, &target, &tested, &tests, out);
        // As in dbt, unlike those of models: tests have the tags of their source and table.
        let tags = [map, table_map].into_iter().filter_map(|m| m.get("tags"));
        let tags: Vec<String> = tags.flat_map(|y| json_texts(&y.to_json())).collect();
        built.iter_mut().for_each(|test| test.column_tags.extend(tags.iter().cloned()));
        properties.tests.extend(built);
        if overridden.is_some() {
            tables.push(TableOverride {
                table: name.into(),
                map: table_map.clone(),
                columns,
                span: table.span,
            });
            continue;
        }
        properties.sources.push(ParsedSource {
            source: source.as_str().into(),
            table: name.into(),
            source_map: map.clone(),
            table_map: table_map.clone(),
            unrendered: written_place(map),
            columns,
            span: table.span,
        });
    }
    if let Some(package) = overridden {
        let map = map.clone();
        properties.overrides.push(SourceOverride {
            package,
            source: source.into(),
            map,
            tables,
            span: item.span,
        });
    }
}

fn column_quoting(map: &YamlMap) -> Option<&Yaml> {
    map.get("quoting").and_then(Yaml::as_map).and_then(|m| m.get("column"))
}

/// A rendered mapping as JSON, without the keys that are read into fields.
pub(crate) fn rest_json(map: &YamlMap, without: &[&str]) -> JsonMap {
    map.iter()
        .filter(|(k, _)| !without.contains(&&*k.text))
        .map(|(k, v)| (k.text.to_string(), v.to_json()))
        .collect()
}
