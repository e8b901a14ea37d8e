//! Checks the types of values in YAML files.
//!
//! In: the tree of a file. Out: an error for each value of another shape, with its place. Texts
//! with Jinja are not checked: their value is not known yet. Keys without a rule take anything.
//! Must not know: what a value means.
//!
//! Source: dbt's JSON schemas, and the table `tests/dbt/yaml.json`.

use super::{Json, Yaml, YamlMap, YamlValue};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::source::Span;
use fancy_regex::Regex;
use std::sync::LazyLock;

/// The types of a value, as letters: `T`ext, `D`ate, `N`umber, `B`oolean, `0` for null, `L`ist,
/// `M`apping. A `!` makes the key required.
pub(crate) type TypeCodes = &'static str;

/// The rules of a mapping: for each key its types and the rules for what is below it.
pub(crate) type Rules = &'static [(&'static str, TypeCodes, ValueRules)];

/// The rules for what is below a key.
#[derive(Clone, Copy)]
pub(crate) enum ValueRules {
    Nothing,
    /// A mapping with these keys.
    Keys(Rules),
    /// A list of items of these types; those that are mappings have these keys.
    Items(TypeCodes, Rules),
    /// A mapping that has at least one of these keys.
    AnyOf(Rules),
    /// A text that is one of these words.
    Words(&'static [&'static str]),
    /// A text that can be read as a date.
    DateText,
    /// A text that is a version: `1.0`, `1.0.0-rc1`.
    VersionText,
    /// A list of data tests.
    Tests,
}

use ValueRules::{AnyOf, DateText, Items, Keys, Nothing, Tests, VersionText, Words};

const DOCS: Rules = &[("show", "B", Nothing), ("node_color", "T0", Nothing)];
const OWNER: Rules = &[("name", "TD", Nothing), ("email", "TL", Nothing)];
const ARGUMENT: Rules =
    &[("name", "TD", Nothing), ("type", "T0", Nothing), ("description", "T", Nothing)];
const QUOTING: Rules = &[
    ("database", "B0", Nothing),
    ("schema", "B0", Nothing),
    ("identifier", "B0", Nothing),
    ("column", "B0", Nothing),
];
const CONSTRAINT_TYPES: &[&str] =
    &["check", "not_null", "unique", "primary_key", "foreign_key", "custom"];
const CONSTRAINT: Rules = &[
    ("type", "T!", Words(CONSTRAINT_TYPES)),
    ("to_columns", "TL", Nothing),
    ("columns", "TLM", Nothing),
];
const TEST: Rules =
    &[("name", "T", Nothing), ("description", "T", Nothing), ("config", "M", Nothing)];
const CONFIG: Rules = &[("contract", "M", Keys(&[("enforced", "B", Nothing)]))];
const COLUMN: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("data_type", "T0", Nothing),
    ("quote", "B0", Nothing),
    ("tags", "L", Nothing),
    ("meta", "M", Nothing),
    ("config", "M", Nothing),
    ("constraints", "L", Items("M", CONSTRAINT)),
    ("data_tests", "L", Tests),
    ("tests", "L", Tests),
    ("docs", "M", Keys(DOCS)),
    ("granularity", "T0", Nothing),
];
const VERSION: Rules = &[
    ("v", "TDN", Nothing),
    ("defined_in", "T0", Nothing),
    ("description", "TD", Nothing),
    ("deprecation_date", "TD0", DateText),
    ("access", "T0", Nothing),
    ("config", "M", Nothing),
    ("columns", "L", Items("M", &[])),
    ("data_tests", "L0", Tests),
    ("tests", "L0", Tests),
    ("docs", "M", Keys(DOCS)),
    ("constraints", "L", Items("M", CONSTRAINT)),
];
const NODE: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("latest_version", "TDN0", Nothing),
    ("deprecation_date", "TD0", DateText),
    ("access", "T", Nothing),
    ("group", "T0", Nothing),
    ("docs", "M", Keys(DOCS)),
    ("meta", "M", Nothing),
    ("config", "M", Keys(CONFIG)),
    ("columns", "L", Items("M", COLUMN)),
    ("data_tests", "L", Tests),
    ("tests", "L", Tests),
    ("constraints", "L", Items("M", CONSTRAINT)),
    ("versions", "L", Items("M", VERSION)),
    ("time_spine", "M0", Nothing),
    ("data_type", "T0", Nothing),
    ("quote_columns", "B0", Nothing),
    ("relation", "T", Nothing),
];
/// Seeds, analyses and macros may have names that YAML reads as dates.
const DATED: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("access", "T", Nothing),
    ("group", "T0", Nothing),
    ("docs", "M", Keys(DOCS)),
    ("meta", "M", Nothing),
    ("config", "M", Nothing),
    ("columns", "L", Items("M", COLUMN)),
    ("data_tests", "L", Tests),
    ("tests", "L", Tests),
    ("quote_columns", "B0", Nothing),
    ("arguments", "L", Items("M", ARGUMENT)),
];
const WINDOW: Rules = &[("count", "TN0", Nothing), ("period", "T0", Nothing)];
const FRESHNESS: Rules = &[
    ("warn_after", "M0", Keys(WINDOW)),
    ("error_after", "M0", Keys(WINDOW)),
    ("filter", "T0", Nothing),
];
const fn config_of_source(meta: TypeCodes) -> [(&'static str, TypeCodes, ValueRules); 5] {
    [
        ("enabled", "B", Nothing),
        ("meta", meta, Nothing),
        ("freshness", "M0", Keys(FRESHNESS)),
        ("loaded_at_field", "T0", Nothing),
        ("loaded_at_query", "T0", Nothing),
    ]
}
const SOURCE_CONFIG: Rules = &config_of_source("M");
/// dbt takes an empty `meta` of a table for none.
const TABLE_CONFIG: Rules = &config_of_source("M0");
const TABLE: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("identifier", "TD0", Nothing),
    ("loaded_at_field", "T0", Nothing),
    ("loaded_at_query", "T0", Nothing),
    ("meta", "M", Nothing),
    ("config", "M", Keys(TABLE_CONFIG)),
    ("tags", "L", Nothing),
    ("quoting", "M", Keys(QUOTING)),
    ("external", "M0", Nothing),
    ("freshness", "M0", Keys(FRESHNESS)),
    ("columns", "L", Items("M", COLUMN)),
    ("data_tests", "L", Tests),
    ("tests", "L", Tests),
];
const SOURCE: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("loader", "T", Nothing),
    ("database", "T0", Nothing),
    ("schema", "TD0", Nothing),
    ("overrides", "T", Nothing),
    ("loaded_at_field", "T0", Nothing),
    ("loaded_at_query", "T0", Nothing),
    ("meta", "M", Nothing),
    ("source_meta", "M", Nothing),
    ("config", "M", Keys(SOURCE_CONFIG)),
    ("tags", "L", Nothing),
    ("quoting", "M", Keys(QUOTING)),
    ("freshness", "M0", Keys(FRESHNESS)),
    ("tables", "L", Items("M", TABLE)),
];
const EXPOSURE: Rules = &[
    ("name", "TD", Nothing),
    ("label", "TD0", Nothing),
    ("type", "T!", Words(&["dashboard", "notebook", "analysis", "ml", "application"])),
    ("maturity", "T0", Words(&["low", "medium", "high"])),
    ("url", "T0", Nothing),
    ("description", "T", Nothing),
    ("owner", "M!", AnyOf(OWNER)),
    ("depends_on", "L", Items("T", &[])),
    ("tags", "L", Nothing),
    ("meta", "M", Nothing),
    (
        "config",
        "M",
        Keys(&[("enabled", "B", Nothing), ("tags", "TL", Nothing), ("meta", "M", Nothing)]),
    ),
];
const GROUP: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T0", Nothing),
    ("owner", "M!", AnyOf(OWNER)),
    ("config", "M", Nothing),
];
const FORMATS: ValueRules = Words(&["csv", "dict", "sql"]);
const GIVEN: Rules = &[
    ("input", "T", Nothing),
    ("format", "T", FORMATS),
    ("fixture", "T", Nothing),
    ("rows", "TL", Nothing),
];
const UNIT_TEST: Rules = &[
    ("name", "TD", Nothing),
    ("model", "T!", Nothing),
    ("description", "T", Nothing),
    ("given", "L!", Items("M", GIVEN)),
    ("expect", "M!", Keys(GIVEN)),
    (
        "overrides",
        "M0",
        Keys(&[("vars", "M", Nothing), ("macros", "M", Nothing), ("env_vars", "M", Nothing)]),
    ),
    (
        "config",
        "M",
        Keys(&[("enabled", "B", Nothing), ("tags", "TL", Nothing), ("meta", "M", Nothing)]),
    ),
    ("versions", "M", Nothing),
];

const FUNCTION_ARGUMENT: Rules =
    &[("name", "T!", Nothing), ("data_type", "T!", Nothing), ("description", "T0", Nothing)];
const FUNCTION: Rules = &[
    ("name", "TD", Nothing),
    ("description", "T", Nothing),
    ("config", "M", Nothing),
    ("arguments", "L", Items("M", FUNCTION_ARGUMENT)),
    ("returns", "M!", Keys(&[("data_type", "T!", Nothing), ("description", "T0", Nothing)])),
];

const PROPERTIES: Rules = &[
    ("models", "L", Items("M", NODE)),
    ("snapshots", "L", Items("M", NODE)),
    ("seeds", "L", Items("M", DATED)),
    ("analyses", "L", Items("M", DATED)),
    ("macros", "L", Items("M", DATED)),
    ("sources", "L", Items("M", SOURCE)),
    ("exposures", "L", Items("M", EXPOSURE)),
    ("groups", "L", Items("M", GROUP)),
    ("functions", "L", Items("M", FUNCTION)),
    ("unit_tests", "L", Items("M", UNIT_TEST)),
];

const PROJECT: Rules = &[
    ("name", "T", Nothing),
    ("profile", "T", Nothing),
    ("config-version", "N", Nothing),
    ("model-paths", "L0", Items("T", &[])),
    ("seed-paths", "L0", Items("T", &[])),
    ("test-paths", "L0", Items("T", &[])),
    ("analysis-paths", "L0", Items("T", &[])),
    ("macro-paths", "L0", Items("T", &[])),
    ("snapshot-paths", "L0", Items("T", &[])),
    ("docs-paths", "L0", Items("T", &[])),
    ("asset-paths", "L0", Items("T", &[])),
    ("function-paths", "L0", Items("T", &[])),
    ("clean-targets", "L0", Items("T", &[])),
    ("target-path", "T0", Nothing),
    ("log-path", "T0", Nothing),
    ("packages-install-path", "T0", Nothing),
    ("restrict-access", "B", Nothing),
    ("dbt-cloud", "M0", Nothing),
    ("version", "TN0", VersionText),
    ("quoting", "M0", Keys(QUOTING)),
    ("on-run-start", "TL0", Nothing),
    ("on-run-end", "TL0", Nothing),
    ("dispatch", "L", Items("M", &[])),
    ("vars", "M0", Nothing),
    ("flags", "M", Nothing),
    ("query-comment", "TM0", Nothing),
    ("models", "M0", Nothing),
    ("seeds", "M0", Nothing),
    ("snapshots", "M0", Nothing),
    ("sources", "M", Nothing),
    ("exposures", "M", Nothing),
    ("data_tests", "M", Nothing),
    ("tests", "M", Nothing),
    ("unit_tests", "M", Nothing),
];

/// The types of configs of models, seeds and snapshots.
const NODE_CONFIGS: &[(&str, TypeCodes)] = &[
    ("materialized", "T"),
    ("schema", "TD0"),
    ("alias", "TD0"),
    ("database", "T0"),
    ("enabled", "B"),
    ("full_refresh", "B0"),
    ("quote_columns", "B0"),
    ("tags", "TL"),
    ("pre-hook", "TLM"),
    ("pre_hook", "TLM"),
    ("post-hook", "TLM"),
    ("post_hook", "TLM"),
    ("meta", "M"),
    ("grants", "M"),
    ("persist_docs", "M"),
    ("contract", "M"),
    ("column_types", "M"),
    ("docs", "M"),
    ("quoting", "M"),
    ("packages", "TL"),
    ("unique_key", "TL0"),
    ("group", "T0"),
    ("access", "T"),
    ("on_schema_change", "T0"),
    ("on_configuration_change", "T"),
    ("incremental_strategy", "T0"),
    ("delimiter", "T"),
    ("strategy", "T"),
    ("check_cols", "TL"),
    ("updated_at", "T0"),
    ("target_schema", "T0"),
    ("target_database", "T0"),
    ("dbt_valid_to_current", "T0"),
    ("snapshot_meta_column_names", "M"),
];

/// The types of configs of data tests.
const TEST_CONFIGS: &[(&str, TypeCodes)] = &[
    ("severity", "T"),
    ("where", "T0"),
    ("limit", "TN0"),
    ("error_if", "T"),
    ("warn_if", "T"),
    ("fail_calc", "T"),
    ("store_failures", "B0"),
    ("store_failures_as", "T0"),
    ("enabled", "B"),
    ("schema", "T0"),
    ("alias", "T0"),
    ("database", "T0"),
    ("group", "T0"),
    ("tags", "TL"),
    ("meta", "M"),
];

pub(crate) fn check_properties(tree: &Yaml, out: &mut Vec<Diagnostic>) {
    match &tree.value {
        YamlValue::Map(map) => check(map, PROPERTIES, "", out),
        YamlValue::Null => {}
        _ => out.push(wrong("the file", "M", tree)),
    }
}

/// Checks a project file, except for the configs in its sections.
pub(crate) fn check_project(tree: &Yaml, out: &mut Vec<Diagnostic>) {
    if let Some(map) = tree.as_map() {
        check(map, PROJECT, "", out);
    }
}

/// Checks a mapping by other rules, such as those for an output of a profile.
pub(crate) fn check_shape(map: &YamlMap, rules: Rules, out: &mut Vec<Diagnostic>) {
    check(map, rules, "", out);
}

fn check(map: &YamlMap, rules: Rules, path: &str, out: &mut Vec<Diagnostic>) {
    for (key, value) in map.iter() {
        let Some((_, shapes, below)) = rules.iter().find(|(name, ..)| *name == &*key.text) else {
            continue;
        };
        let here =
            if path.is_empty() { key.text.to_string() } else { format!("{path}.{}", key.text) };
        check_value(value, shapes, *below, &here, out);
    }
}

fn check_value(
    value: &Yaml,
    shapes: TypeCodes,
    below: ValueRules,
    path: &str,
    out: &mut Vec<Diagnostic>,
) {
    if !is_taken(value, shapes) {
        out.push(wrong(&format!("`{path}`"), shapes, value));
        return;
    }
    match (below, &value.value) {
        (Keys(rules), YamlValue::Map(map)) => check(map, rules, path, out),
        (Items(shapes, rules), YamlValue::Seq(items)) => {
            let each = format!("{path}[]");
            for item in items {
                check_value(item, shapes, Keys(rules), &each, out);
                check_present(item, rules, &each, out);
            }
        }
        (AnyOf(rules), YamlValue::Map(map)) => {
            check(map, rules, path, out);
            if rules.iter().all(|(key, ..)| map.get(key).is_none_or(Yaml::is_null)) {
                let keys: Vec<String> = rules.iter().map(|(key, ..)| format!("`{key}`")).collect();
                let message = format!("`{path}` needs {}", keys.join(" or "));
                out.push(Diagnostic::error(Code::YamlShape, message).primary(value.span, ""));
            }
        }
        (Words(words), YamlValue::Str(text)) if !has_jinja(text) && !words.contains(&&**text) => {
            let message = format!("`{path}` is {}, not `{text}`", words.join(", "));
            let near = nearest_name(text, words.iter().copied());
            let d = Diagnostic::error(Code::YamlShape, message).primary(value.span, "");
            out.push(d.did_you_mean(near));
        }
        // dbt parses dates in almost any form, but all of them have a digit.
        (DateText, YamlValue::Str(text))
            if !has_jinja(text) && !text.contains(|c: char| c.is_ascii_digit()) =>
        {
            let message = format!("`{path}` is a date, not `{text}`");
            let d = Diagnostic::error(Code::YamlShape, message).primary(value.span, "");
            out.push(d.help("write it as 2026-12-31"));
        }
        (VersionText, YamlValue::Str(text)) if !has_jinja(text) && !is_version(text) => {
            let message = format!("`{path}` is a version, not `{text}`");
            let d = Diagnostic::error(Code::YamlShape, message).primary(value.span, "");
            out.push(d.help("write it as 1.0.0"));
        }
        (Tests, YamlValue::Seq(items)) => items.iter().for_each(|item| check_test(item, path, out)),
        _ => {}
    }
}

/// Reports missing required keys.
fn check_present(item: &Yaml, rules: Rules, path: &str, out: &mut Vec<Diagnostic>) {
    let Some(map) = item.as_map() else { return };
    for (key, ..) in
        rules.iter().filter(|(key, shapes, _)| shapes.contains('!') && map.get(key).is_none())
    {
        let d = Diagnostic::error(Code::YamlShape, format!("`{path}` has no `{key}`"));
        out.push(d.primary(item.span, ""));
    }
}

/// Checks a data test: a name, or a name with arguments.
fn check_test(item: &Yaml, path: &str, out: &mut Vec<Diagnostic>) {
    if !is_taken(item, "TM") {
        out.push(wrong(&format!("`{path}[]`"), "TM", item));
        return;
    }
    let Some(map) = item.as_map() else { return };
    let arguments = map.iter().next().and_then(|(_, value)| value.as_map()).unwrap_or(map);
    check(arguments, TEST, path, out);
    if map.get("test_name").is_some() {
        return;
    }
    let mut keys = map.iter();
    match (keys.next(), keys.next()) {
        (Some((key, value)), None) if value.as_map().is_none() => {
            out.push(wrong(&format!("the value of the test `{}`", key.text), "M", value));
        }
        (Some(_), Some((second, _))) => out.push(
            Diagnostic::error(Code::YamlShape, "a data test is one key with its arguments below")
                .primary(second.span, "a second key")
                .help("indent it below the test, or name the test with `test_name`"),
        ),
        _ => {}
    }
}

fn letter(value: &YamlValue) -> char {
    match value {
        YamlValue::Null => '0',
        YamlValue::Bool(_) => 'B',
        YamlValue::Int(_) | YamlValue::BigInt(_) | YamlValue::Float(_) => 'N',
        YamlValue::Date(_) => 'D',
        YamlValue::Str(_) => 'T',
        YamlValue::Seq(_) => 'L',
        YamlValue::Map(_) => 'M',
    }
}

fn has_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn is_taken(value: &Yaml, shapes: TypeCodes) -> bool {
    shapes.contains(letter(&value.value)) || value.as_str().is_some_and(has_jinja)
}

/// The types in words, such as `a text or a list`.
fn listed(shapes: TypeCodes) -> String {
    let names: Vec<&str> = shapes
        .chars()
        .filter_map(|c| match c {
            'T' => Some("a text"),
            'N' => Some("a number"),
            'B' => Some("true or false"),
            'L' => Some("a list"),
            'M' => Some("a mapping"),
            _ => None,
        })
        .collect();
    names.join(" or ")
}

fn wrong(what: &str, shapes: TypeCodes, value: &Yaml) -> Diagnostic {
    let d = Diagnostic::error(
        Code::YamlShape,
        format!("{what} is {}, not {}", listed(shapes), value.kind()),
    )
    .primary(value.span, "");
    let scalar = !matches!(value.value, YamlValue::Seq(_) | YamlValue::Map(_) | YamlValue::Null);
    match (scalar && shapes.contains('T'), &value.value) {
        (true, _) => d.help("put quotes around it to make it a text"),
        (false, YamlValue::Null) => d.help("give it a value, or leave the key out"),
        _ => d,
    }
}

/// The error message if `text` is not one of the words that the config `key` accepts.
fn word_problem(key: &str, text: &str, of_test: bool) -> Option<String> {
    let (fits, words) = match key {
        "severity" if of_test => {
            (matches!(text.to_lowercase().as_str(), "error" | "warn"), "error or warn")
        }
        "store_failures_as" if of_test => {
            (matches!(text, "ephemeral" | "table" | "view"), "ephemeral, table or view")
        }
        "limit" if of_test => (text.trim().parse::<u64>().is_ok(), "a number"),
        "on_configuration_change" => {
            (matches!(text, "apply" | "continue" | "fail"), "apply, continue or fail")
        }
        // An empty one fails its seed, as in dbt.
        "delimiter" => (text.chars().count() <= 1, "one character"),
        _ => return None,
    };
    (!fits).then(|| format!("`{key}` is {words}, not `{text}`"))
}

/// The error if a config does not accept its value. `of_test` tells whether it is the config of a
/// test.
pub(crate) fn config_problem(
    key: &str,
    value: &Json,
    of_test: bool,
    span: Option<Span>,
) -> Option<Diagnostic> {
    let rules = if of_test { TEST_CONFIGS } else { NODE_CONFIGS };
    let (_, shapes) = rules.iter().find(|(name, _)| *name == key)?;
    let found = match value {
        Json::Null => '0',
        Json::Bool(_) => 'B',
        Json::Number(_) => 'N',
        Json::String(_) => 'T',
        Json::Array(_) => 'L',
        Json::Object(_) => 'M',
    };
    if shapes.contains(found) {
        let d = Diagnostic::error(Code::YamlShape, word_problem(key, value.as_str()?, of_test)?);
        return Some(d.primary_if(span, ""));
    }
    let kind = match found {
        '0' => "null",
        'B' => "true or false",
        'N' => "a number",
        'T' => "a text",
        'L' => "a list",
        _ => "a mapping",
    };
    let d =
        Diagnostic::error(Code::YamlShape, format!("`{key}` is {}, not {kind}", listed(shapes)));
    Some(d.primary_if(span, ""))
}

/// A version as semver.org has it (the regular expression in its FAQ), or one of two numbers.
static VERSION_TEXT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^(0|[1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*)",
        r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?",
        r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?)?$"
    ))
    .expect("the expression is constant")
});

fn is_version(text: &str) -> bool {
    VERSION_TEXT.is_match(text).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    #[test]
    fn wrong_shapes_have_their_place() {
        let text = "models:\n  - name: m\n    description: 5\n    columns: {id: x}\n    config: {own: [1]}\n    tags: 7\n";
        let mut out = Vec::new();
        check_properties(&parse_yaml(FileId(0), text).value, &mut out);
        let said: Vec<&str> = out.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "`models[].description` is a text, not a number",
                "`models[].columns` is a list, not a mapping"
            ]
        );
        assert_eq!(&text[out[0].primary.as_ref().unwrap().span.start as usize..][..1], "5");
        let text = "sources:\n  - name: s\n    config: {meta: }\n    tables:\n      - name: t\n        config: {meta: }\n";
        let mut out = Vec::new();
        check_properties(&parse_yaml(FileId(0), text).value, &mut out);
        let said: Vec<&str> = out.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(said, ["`sources[].config.meta` is a mapping, not nothing"]);
        let versions =
            ["1.0", "1.0.0", "10.2.3-rc.1+b", "1", "invalid", "01.0", "1.0-rc1", "v1.0.0"];
        assert_eq!(versions.map(is_version), [true, true, true, false, false, false, false, false]);
        assert!(config_problem("enabled", &Json::from("yes"), false, None).is_some());
        assert!(config_problem("enabled", &Json::Bool(true), false, None).is_none());
        assert!(config_problem("severity", &Json::Null, true, None).is_some());
    }
}
