//! Reads the rendered `project.yml` (or `dbt_project.yml`) into typed options.

use super::{
    ProjectFlags, Yaml, YamlMap, YamlValue, check_project, refuse_unknown_keys, unknown_keys,
};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic};
use crate::source::{FileId, Span};
use serde::Serialize;
use std::sync::Arc;

/// The kinds of folders in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PathKind {
    Model,
    Seed,
    Test,
    Analysis,
    Macro,
    Snapshot,
    Docs,
    Function,
    Asset,
}

impl PathKind {
    pub(crate) const ALL: [PathKind; 9] = [
        PathKind::Model,
        PathKind::Seed,
        PathKind::Test,
        PathKind::Analysis,
        PathKind::Macro,
        PathKind::Snapshot,
        PathKind::Docs,
        PathKind::Function,
        PathKind::Asset,
    ];

    fn keys(self) -> &'static [&'static str] {
        match self {
            PathKind::Model => &["model-paths", "source-paths"],
            PathKind::Seed => &["seed-paths", "data-paths"],
            PathKind::Test => &["test-paths"],
            PathKind::Analysis => &["analysis-paths"],
            PathKind::Macro => &["macro-paths"],
            PathKind::Snapshot => &["snapshot-paths"],
            PathKind::Docs => &["docs-paths"],
            PathKind::Function => &["function-paths"],
            PathKind::Asset => &["asset-paths"],
        }
    }

    fn default(self) -> &'static [&'static str] {
        match self {
            PathKind::Model => &["models"],
            PathKind::Seed => &["seeds"],
            PathKind::Test => &["tests"],
            PathKind::Analysis => &["analyses"],
            PathKind::Macro => &["macros"],
            PathKind::Snapshot => &["snapshots"],
            PathKind::Function => &["functions"],
            // Doc blocks are searched in all resource folders by default.
            PathKind::Docs | PathKind::Asset => &[],
        }
    }
}

/// The sections with configs by folder.
pub(crate) const RESOURCE_SECTIONS: &[&str] = &[
    "models",
    "seeds",
    "snapshots",
    "tests",
    "data_tests",
    "unit_tests",
    "sources",
    "exposures",
    "functions",
    "metrics",
    "semantic-models",
    "saved-queries",
    "exports",
];

/// An entry of `dispatch:`: the packages in which a namespace's macros are looked up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DispatchEntry {
    pub(crate) namespace: String,
    pub(crate) search_order: Vec<String>,
}

/// `query-comment:`, the comment that statements carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct QueryCommentOption {
    pub(crate) text: CommentText,
    /// Whether it stands after the statements.
    pub(crate) append: bool,
    pub(crate) span: Option<Span>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) enum CommentText {
    /// The project file does not say.
    #[default]
    Usual,
    None,
    /// A template with the variables `connection_name` and `node`.
    Written(String),
}

impl QueryCommentOption {
    /// Reads a text, or a mapping of `comment` and `append`. `job-label` is BigQuery's.
    fn read(map: &YamlMap) -> QueryCommentOption {
        let Some(given) = map.get("query-comment") else { return QueryCommentOption::default() };
        let (text, append) = match given.as_map() {
            Some(keys) => (
                keys.get("comment").map_or(CommentText::Usual, CommentText::read),
                keys.get("append").and_then(Yaml::as_bool).unwrap_or(false),
            ),
            None => (CommentText::read(given), false),
        };
        QueryCommentOption { text, append, span: Some(given.span) }
    }
}

impl CommentText {
    fn read(given: &Yaml) -> CommentText {
        match given.as_str() {
            Some(text) if !text.is_empty() => CommentText::Written(text.to_owned()),
            _ => CommentText::None,
        }
    }
}

/// The content of a project file, with defaults for missing values.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProjectOptions {
    pub(crate) name: Arc<str>,
    /// The project's own version, as it is written.
    pub(crate) version: Option<String>,
    paths: Vec<Vec<String>>,
    pub(crate) target_path: Option<String>,
    pub(crate) packages_install_path: String,
    pub(crate) clean_targets: Vec<String>,
    pub(crate) require_version: Vec<(String, Span)>,
    /// Unrendered, since variables are rendered when they are read.
    pub(crate) vars: Option<Yaml>,
    pub(crate) sections: Vec<(&'static str, Yaml)>,
    /// The file before rendering.
    pub(crate) unrendered: Option<Yaml>,
    pub(crate) on_run_start: Vec<(String, Span)>,
    pub(crate) on_run_end: Vec<(String, Span)>,
    pub(crate) query_comment: QueryCommentOption,
    pub(crate) dispatch: Vec<DispatchEntry>,
    /// Database, schema, identifier.
    pub(crate) quoting: [Option<bool>; 3],
    pub(crate) flags: ProjectFlags,
    pub(crate) restrict_access: bool,
    /// Read only for the DAG file.
    pub(crate) airflow: Option<Yaml>,
}

impl ProjectOptions {
    pub(crate) fn paths(&self, kind: PathKind) -> &[String] {
        &self.paths[kind as usize]
    }

    /// The folders of all kinds, by their keys.
    pub(crate) fn all_paths(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        PathKind::ALL.into_iter().map(|kind| (kind.keys()[0], self.paths(kind)))
    }

    /// A section before rendering.
    pub(crate) fn unrendered_section(&self, name: &str) -> Option<&Yaml> {
        self.unrendered.as_ref()?.as_map()?.get(name)
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Yaml> {
        self.sections.iter().find(|(n, _)| *n == name).map(|(_, y)| y)
    }
}

/// The keys other than the sections.
const KNOWN: &[&str] = &[
    "name",
    "version",
    "config-version",
    "profile",
    "model-paths",
    "source-paths",
    "seed-paths",
    "data-paths",
    "test-paths",
    "analysis-paths",
    "macro-paths",
    "snapshot-paths",
    "docs-paths",
    "function-paths",
    "asset-paths",
    "target-path",
    "log-path",
    "packages-install-path",
    "modules-path",
    "clean-targets",
    "require-dbt-version",
    "vars",
    "airflow",
    "on-run-start",
    "on-run-end",
    "dispatch",
    "quoting",
    "query-comment",
    "flags",
    "restrict-access",
    "packages",
    "project-root",
    "dbt-cloud",
    "anchors",
];

/// Names that would hide a member of the Jinja context (dbt's documented list).
const BANNED_NAMES: &[&str] = &[
    "adapter",
    "api",
    "column",
    "config",
    "context",
    "database",
    "env",
    "env_var",
    "exceptions",
    "execute",
    "flags",
    "fromjson",
    "fromyaml",
    "graph",
    "invocation_id",
    "load_agate_table",
    "load_result",
    "log",
    "model",
    "modules",
    "post_hooks",
    "pre_hooks",
    "ref",
    "render",
    "return",
    "run_started_at",
    "schema",
    "source",
    "sql",
    "sql_now",
    "store_result",
    "target",
    "this",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "var",
    "write",
];

/// Whether a value of the project file is rendered later: hooks, the query comment and variables.
pub(crate) fn renders_late(path: &[&str]) -> bool {
    match path.first() {
        Some(&("on-run-start" | "on-run-end" | "query-comment" | "vars")) => true,
        Some(first) if RESOURCE_SECTIONS.contains(first) => path.iter().any(|part| {
            matches!(
                part.trim_start_matches(['+', ' ']),
                "pre-hook" | "post-hook" | "pre_hook" | "post_hook"
            )
        }),
        _ => false,
    }
}

/// Reads the rendered tree of a project file.
pub(crate) fn parse_project(file: FileId, tree: &Yaml) -> Checked<Option<ProjectOptions>> {
    let mut out = Vec::new();
    let Some(map) = tree.as_map() else {
        out.push(
            Diagnostic::error(
                Code::ProjectFile,
                format!("a project file is a mapping, not {}", tree.kind()),
            )
            .primary(tree.span, "expected `name: ...` and other keys"),
        );
        return Checked::new(None, out);
    };
    check_project(tree, &mut out);
    // As in dbt, a project file has no other keys, so that a misspelled one is noticed.
    let known = [KNOWN, RESOURCE_SECTIONS].concat();
    refuse_unknown_keys(map, &known, "the project file", &mut out);
    check_config_version(map, &mut out);
    let name = match map.get("name").and_then(Yaml::as_str) {
        Some(name) => name,
        None => {
            let place = map.get("name").map_or(Span::file(file), |y| y.span);
            out.push(
                Diagnostic::error(Code::ProjectFile, "the project file has no `name`")
                    .primary(place, "`name:` needs letters, digits and underscores"),
            );
            return Checked::new(None, out);
        }
    };
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !legal || BANNED_NAMES.contains(&name) {
        let why = if legal {
            "hides a name of the Jinja context"
        } else {
            "may have letters, digits and underscores only"
        };
        let place = map.get("name").map_or(Span::file(file), |y| y.span);
        out.push(
            Diagnostic::error(Code::ProjectFile, format!("the project name `{name}` {why}"))
                .primary(place, ""),
        );
    }
    let mut paths = Vec::new();
    for kind in PathKind::ALL {
        let written = kind.keys().iter().find_map(|key| read_strings(map, key, &mut out));
        paths.push(match written {
            Some(list) => without_places(list),
            None => kind.default().iter().map(|s| (*s).to_owned()).collect(),
        });
    }
    let mut options = ProjectOptions {
        name: name.into(),
        version: map.get_text("version"),
        paths,
        target_path: map.get_text("target-path"),
        packages_install_path: map
            .get_text("packages-install-path")
            .unwrap_or_else(|| "dbt_packages".to_owned()),
        clean_targets: read_strings(map, "clean-targets", &mut out)
            .map(without_places)
            .unwrap_or_default(),
        require_version: read_strings(map, "require-dbt-version", &mut out).unwrap_or_default(),
        vars: map.get("vars").cloned(),
        sections: Vec::new(),
        unrendered: None,
        on_run_start: read_strings(map, "on-run-start", &mut out).unwrap_or_default(),
        on_run_end: read_strings(map, "on-run-end", &mut out).unwrap_or_default(),
        query_comment: QueryCommentOption::read(map),
        dispatch: Vec::new(),
        quoting: [None; 3],
        flags: ProjectFlags::default(),
        restrict_access: map.get("restrict-access").and_then(Yaml::as_bool).unwrap_or(false),
        airflow: map.get("airflow").cloned(),
    };
    check_old_keys(map, &mut out);
    read_sections(map, &mut options, &mut out);
    read_dispatch(map, &mut options, &mut out);
    read_quoting(map, &mut options, &mut out);
    if let Some(flags) = map.get("flags").and_then(Yaml::as_map) {
        options.flags = ProjectFlags::new(flags.clone(), &mut out);
    }
    Checked::new(Some(options), out)
}

/// Keys of the project file that have another name now.
fn check_old_keys(map: &YamlMap, out: &mut Vec<Diagnostic>) {
    for (old, new, event) in [
        ("source-paths", "model-paths", DbtEvent::ConfigSourcePathDeprecation),
        ("data-paths", "seed-paths", DbtEvent::ConfigDataPathDeprecation),
    ] {
        let Some(key) = map.key(old) else { continue };
        if map.key(new).is_some() {
            let message = format!("`{old}` and `{new}` are one key: cannot both be defined");
            let d = Diagnostic::error(Code::ProjectFile, message).primary(key.span, "");
            out.push(d.help(format!("keep `{new}`")));
            continue;
        }
        let message = format!("`{old}` is out of date");
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(key.span, "");
        out.push(d.help(format!("write `{new}`")));
    }
}

/// Warnings of keys whose place, to dbt, is the command line, unless they say what holds without
/// them. Not for a project file with a name of our own.
pub(crate) fn check_moved_keys(tree: &Yaml) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let Some(map) = tree.as_map() else { return out };
    for (old, usual, event) in [
        ("log-path", "logs", DbtEvent::ConfigLogPathDeprecation),
        ("target-path", "target", DbtEvent::ConfigTargetPathDeprecation),
    ] {
        let is_usual = map.get_text(old).is_none_or(|path| path == usual);
        let Some(key) = map.key(old).filter(|_| !is_usual) else { continue };
        let message = format!("`{old}` in the project file is out of date");
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(key.span, "");
        out.push(d.help(format!("use `--{old}`, or `{}` in `flags:`", old.replace('-', "_"))));
    }
    out
}

fn read_sections(map: &YamlMap, options: &mut ProjectOptions, out: &mut Vec<Diagnostic>) {
    for &section in RESOURCE_SECTIONS {
        let Some(tree) = map.get(section).filter(|y| !y.is_null()) else { continue };
        if tree.as_map().is_some() {
            options.sections.push((section, tree.clone()));
            continue;
        }
        let kind = tree.kind();
        let message = format!("`{section}:` is a mapping of folders and configs, not {kind}");
        out.push(Diagnostic::error(Code::YamlShape, message).primary(tree.span, ""));
    }
}

fn read_quoting(map: &YamlMap, options: &mut ProjectOptions, out: &mut Vec<Diagnostic>) {
    let Some(quoting) = map.get("quoting").and_then(Yaml::as_map) else { return };
    let known = ["database", "schema", "identifier", "snowflake_ignore_case"];
    unknown_keys(quoting, &known, "`quoting`", out);
    for (i, key) in ["database", "schema", "identifier"].into_iter().enumerate() {
        options.quoting[i] = quoting.get(key).and_then(Yaml::as_bool);
    }
}

fn read_dispatch(map: &YamlMap, options: &mut ProjectOptions, out: &mut Vec<Diagnostic>) {
    for entry in map.get("dispatch").map(Yaml::items).unwrap_or_default() {
        let namespace =
            entry.as_map().and_then(|m| m.get("macro_namespace")).and_then(Yaml::as_str);
        let order = entry.as_map().and_then(|m| m.get("search_order"));
        match (namespace, order) {
            (Some(namespace), Some(order)) => options.dispatch.push(DispatchEntry {
                namespace: namespace.to_owned(),
                search_order: without_places(string_list(order, "search_order", out)),
            }),
            _ => out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    "an entry of `dispatch` needs `macro_namespace` and `search_order`",
                )
                .primary(entry.span, ""),
            ),
        }
    }
}

/// The texts of a key that takes a text or a list of texts. `None` if it is missing or null.
fn read_strings(
    map: &YamlMap,
    key: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<(String, Span)>> {
    map.get(key).filter(|y| !y.is_null()).map(|y| string_list(y, key, out))
}

fn without_places(list: Vec<(String, Span)>) -> Vec<String> {
    list.into_iter().map(|(text, _)| text).collect()
}

/// Reads a text or a list of texts.
pub(super) fn string_list(y: &Yaml, key: &str, out: &mut Vec<Diagnostic>) -> Vec<(String, Span)> {
    let mut list = Vec::new();
    for item in y.items() {
        match (&item.value, item.scalar_text()) {
            (YamlValue::Null, _) => {}
            (_, Some(text)) => list.push((text, item.span)),
            (_, None) => out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    format!("`{key}` takes text or a list of texts, not {}", item.kind()),
                )
                .primary(item.span, ""),
            ),
        }
    }
    list
}

fn check_config_version(map: &YamlMap, out: &mut Vec<Diagnostic>) {
    let Some(version) = map.get("config-version").filter(|y| !y.is_null()) else { return };
    if !matches!(version.scalar_text().as_deref(), Some("2" | "2.0")) {
        let message = "`config-version` of a project file is 2";
        out.push(Diagnostic::error(Code::YamlShape, message).primary(version.span, ""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;

    fn parse(text: &str) -> Checked<Option<ProjectOptions>> {
        parse_project(FileId(0), &parse_yaml(FileId(0), text).value)
    }

    #[test]
    fn defaults_and_unknown_keys() {
        let checked = parse("name: shop\nmodle-paths: [x]\ntest-paths: [tests/data]\n");
        let options = checked.value.unwrap();
        assert_eq!(options.paths(PathKind::Model), ["models"]);
        assert_eq!(options.paths(PathKind::Test), ["tests/data"]);
        assert_eq!(checked.diagnostics[0].help, ["did you mean `model-paths`?"]);
    }

    #[test]
    fn a_name_is_needed() {
        assert!(parse("profile: x").value.is_none());
        assert!(parse("name: a-b").diagnostics[0].is_error());
        assert!(parse("name: ref").diagnostics[0].message.contains("hides"));
    }

    #[test]
    fn hooks_and_vars_render_late() {
        assert!(renders_late(&["vars", "x"]));
        assert!(renders_late(&["models", "shop", "+post-hook"]));
        assert!(!renders_late(&["models", "shop", "+schema"]));
    }
}
