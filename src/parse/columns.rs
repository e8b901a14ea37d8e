//! Reads the columns in properties files.

use crate::config::{Json, JsonMap, Yaml, YamlMap, unknown_keys};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Column, TestSpec, json_texts};

const KNOWN: &[&str] = &[
    "name",
    "description",
    "data_type",
    "meta",
    "tags",
    "quote",
    "tests",
    "data_tests",
    "constraints",
    "config",
    "policy_tags",
    "granularity",
    "dimension",
    "entity",
    "docs",
    "databricks_tags",
    "expression",
];

/// Reads the columns of an entry and their tests.
pub(super) fn read_columns(
    map: &YamlMap,
    out: &mut Vec<Diagnostic>,
) -> (Vec<Column>, Vec<TestSpec>) {
    let (mut columns, mut tests) = (Vec::new(), Vec::new());
    for item in map.get("columns").map(Yaml::items).unwrap_or_default() {
        let Some(m) = item.as_map() else {
            out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    format!("a column is a mapping with a `name`, not {}", item.kind()),
                )
                .primary(item.span, ""),
            );
            continue;
        };
        // `include` and `exclude` are read for versions elsewhere.
        if m.get("name").is_none() && m.get_any(&["include", "exclude"]).is_some() {
            continue;
        }
        let Some(name) = m.get("name").and_then(Yaml::scalar_text) else {
            out.push(
                Diagnostic::error(Code::YamlShape, "a column needs a `name`")
                    .primary(item.span, ""),
            );
            continue;
        };
        unknown_keys(m, KNOWN, "a column", out);
        let config = m.get("config").and_then(Yaml::as_map);
        let mut meta = json_map(m.get("meta"));
        meta.extend(json_map(config.and_then(|c| c.get("meta"))));
        let mut tags = json_texts(&m.get("tags").map(Yaml::to_json).unwrap_or_default());
        tags.extend(json_texts(
            &config.and_then(|c| c.get("tags")).map(Yaml::to_json).unwrap_or_default(),
        ));
        let index = columns.len();
        for spec in tests_of(m, out).map(Yaml::items).unwrap_or_default() {
            tests.push(TestSpec { definition: spec.clone(), column: Some(index) });
        }
        columns.push(Column {
            name,
            description: m.get("description").and_then(Yaml::scalar_text).unwrap_or_default(),
            data_type: m.get("data_type").and_then(Yaml::scalar_text),
            meta,
            tags,
            quote: m.get("quote").and_then(Yaml::as_bool),
            constraints: m
                .get("constraints")
                .map(Yaml::items)
                .unwrap_or_default()
                .iter()
                .map(Yaml::to_json)
                .collect(),
            granularity: m.get("granularity").and_then(Yaml::scalar_text),
            config: config.map(|_| json_map(m.get("config"))),
            doc_blocks: Vec::new(),
            span: Some(item.span),
        });
    }
    (columns, tests)
}

/// A mapping as JSON; empty for other values.
fn json_map(y: Option<&Yaml>) -> JsonMap {
    y.map(Yaml::to_json).and_then(|j| j.as_object().cloned()).unwrap_or_default()
}

/// The columns that a version inherits from its model.
struct Inclusion {
    /// `None`: all.
    include: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Inclusion {
    /// Reads the entry of `columns:` with `include` or `exclude`. Without one, all columns are
    /// inherited.
    fn read(rule: Option<&YamlMap>) -> Inclusion {
        Inclusion {
            include: listed_texts(rule, "include"),
            exclude: listed_texts(rule, "exclude").unwrap_or_default(),
        }
    }

    fn takes(&self, column: &str) -> bool {
        let is_included = match &self.include {
            None => true,
            Some(list) => list.iter().any(|n| n == column || n == "all" || n == "*"),
        };
        is_included && !self.exclude.iter().any(|n| n == column)
    }
}

fn listed_texts(rule: Option<&YamlMap>, key: &str) -> Option<Vec<String>> {
    rule.and_then(|m| m.get(key)).map(|y| json_texts(&y.to_json()))
}

/// The columns of a version: those that it inherits, with its own ones replacing them or appended.
pub(super) fn columns_of_version(
    base: &[Column],
    base_tests: &[TestSpec],
    map: &YamlMap,
    out: &mut Vec<Diagnostic>,
) -> (Vec<Column>, Vec<TestSpec>) {
    // The tests of the model itself are left to the caller.
    let Some(list) = map.get("columns") else {
        return (
            base.to_vec(),
            base_tests.iter().filter(|t| t.column.is_some()).cloned().collect(),
        );
    };
    let (own, own_tests) = read_columns(map, out);
    let rule = list
        .items()
        .iter()
        .filter_map(Yaml::as_map)
        .find(|m| m.get_any(&["include", "exclude"]).is_some() && m.get("name").is_none());
    let inclusion = Inclusion::read(rule);
    let (mut columns, mut tests) = (Vec::new(), Vec::new());
    for (i, column) in base.iter().enumerate().filter(|(_, c)| inclusion.takes(&c.name)) {
        if own.iter().any(|o| o.name == column.name) {
            continue;
        }
        let at = columns.len();
        tests.extend(
            base_tests
                .iter()
                .filter(|t| t.column == Some(i))
                .map(|t| TestSpec { column: Some(at), ..t.clone() }),
        );
        columns.push(column.clone());
    }
    for (i, column) in own.into_iter().enumerate() {
        let at = columns.len();
        tests.extend(
            own_tests
                .iter()
                .filter(|t| t.column == Some(i))
                .map(|t| TestSpec { column: Some(at), ..t.clone() }),
        );
        columns.push(column);
    }
    (columns, tests)
}

/// `data_tests:`, or its former name `tests:`. dbt uses only one of them and ignores the tests in
/// the other, so having both is an error.
pub(super) fn tests_of<'a>(map: &'a YamlMap, out: &mut Vec<Diagnostic>) -> Option<&'a Yaml> {
    let (now, before) = (map.get("data_tests"), map.get("tests"));
    if let (Some(_), Some(before)) = (now, before.filter(|y| !y.is_null())) {
        let d =
            Diagnostic::error(Code::YamlShape, "`tests` and `data_tests` are two names of one key");
        out.push(
            d.primary(before.span, "these would be left out").help("move them to `data_tests`"),
        );
    }
    now.or(before)
}

/// The constraints of a model as they are written, for artifacts.
pub(super) fn read_constraints(map: &YamlMap) -> Vec<Json> {
    map.get("constraints").map(Yaml::items).unwrap_or_default().iter().map(Yaml::to_json).collect()
}
