//! `profiles.yml`: one output of one profile, rendered, as typed options.

use super::postgres::{self, PostgresProfile};
use super::{Json, JsonMap, Yaml, YamlMap, unknown_keys};
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::Span;
use std::sync::Arc;

/// What a profile says before one of its outputs is chosen; values are not rendered yet.
#[derive(Clone, Debug)]
pub(crate) struct ProfileOptions {
    pub(crate) target: Option<Yaml>,
    pub(crate) outputs: YamlMap,
    pub(crate) span: Span,
}

/// One output: where to build.
#[derive(Clone, Debug)]
pub(crate) struct TargetOptions {
    pub(crate) profile_name: Arc<str>,
    pub(crate) name: Arc<str>,
    /// The adapter's name: `duckdb`, `postgres`.
    pub(crate) adapter: Arc<str>,
    pub(crate) database: Arc<str>,
    pub(crate) schema: Arc<str>,
    pub(crate) threads: usize,
    /// The connection keys that may be shown: what `target` has in Jinja.
    pub(crate) visible: JsonMap,
    pub(crate) duckdb: DuckDbProfile,
    pub(crate) postgres: PostgresProfile,
}

/// An entry of `attach:`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attach {
    pub(crate) path: String,
    pub(crate) alias: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) options: Vec<(String, Json)>,
}

/// dbt-duckdb's own keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DuckDbProfile {
    /// A file, `:memory:`, or what DuckDB itself can open.
    pub(crate) path: String,
    pub(crate) attach: Vec<Attach>,
    /// Name and repository; loading one that is not built in downloads it.
    pub(crate) extensions: Vec<(String, Option<String>)>,
    pub(crate) settings: Vec<(String, Json)>,
    pub(crate) config_options: Vec<(String, Json)>,
    pub(crate) secrets: Vec<Vec<(String, Json)>>,
    pub(crate) external_root: String,
    pub(crate) disable_transactions: bool,
    pub(crate) is_ducklake: bool,
}

const DUCKDB_KEYS: &[&str] = &[
    "type",
    "path",
    "database",
    "schema",
    "threads",
    "extensions",
    "settings",
    "config_options",
    "secrets",
    "attach",
    "plugins",
    "filesystems",
    "external_root",
    "module_paths",
    "retries",
    "disable_transactions",
    "keep_open",
    "use_credential_provider",
    "is_ducklake",
    "remote",
];

/// Keys of any adapter that hold credentials and never reach Jinja or a message.
const CREDENTIALS: &[&str] =
    &["password", "pass", "token", "private_key", "keyfile_json", "motherduck_token", "secrets"];

/// Finds a profile in the (unrendered) tree of `profiles.yml`.
pub(crate) fn parse_profile(
    tree: &Yaml,
    name: &str,
    asked_by: Option<Span>,
) -> Checked<Option<ProfileOptions>> {
    let found = tree.as_map().and_then(|m| m.get(name));
    let outputs =
        found.and_then(Yaml::as_map).and_then(|m| m.get("outputs")).and_then(Yaml::as_map);
    let (Some(profile), Some(outputs)) = (found, outputs) else {
        let names: Vec<&str> =
            tree.as_map().into_iter().flat_map(|m| m.iter().map(|(k, _)| &*k.text)).collect();
        let names = names.into_iter().filter(|n| *n != "config").collect::<Vec<_>>();
        let message = match found {
            None => format!("profile `{name}` not found in profiles.yml"),
            Some(_) => format!("profile `{name}` has no `outputs`"),
        };
        // The key alone: values of a profile may be secret.
        let key = tree.as_map().and_then(|m| m.key(name).or(m.entries.first().map(|(k, _)| k)));
        let place = key.map_or(Span::file(tree.span.file), |k| k.span);
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let d = Diagnostic::error(Code::Profile, message)
            .primary(place, "looked for here")
            .note(format!("profiles there: {listed}"));
        let d = match asked_by {
            Some(span) => d.secondary(span, "asked for here"),
            None => d,
        };
        return Checked::new(None, vec![d]);
    };
    let target = profile.as_map().and_then(|m| m.get("target")).cloned();
    Checked::from(Some(ProfileOptions {
        target,
        outputs: outputs.clone(),
        span: tree
            .as_map()
            .and_then(|m| m.key(name))
            .map_or(Span::file(tree.span.file), |k| k.span),
    }))
}

impl TargetOptions {
    /// Reads one rendered output. `path_base` is the folder that relative database paths start
    /// from.
    pub(crate) fn parse(profile: &str, name: &str, tree: &Yaml) -> Checked<Option<TargetOptions>> {
        let mut out = Vec::new();
        let Some(map) = tree.as_map() else {
            out.push(
                Diagnostic::error(
                    Code::Profile,
                    format!("output `{name}` is a mapping, not {}", tree.kind()),
                )
                .primary(tree.span, ""),
            );
            return Checked::new(None, out);
        };
        let Some(adapter) = map.get("type").and_then(Yaml::as_str) else {
            out.push(
                Diagnostic::error(Code::Profile, format!("output `{name}` has no `type`"))
                    .primary(tree.span, "`type: duckdb` or `type: postgres`"),
            );
            return Checked::new(None, out);
        };
        if !matches!(adapter, "duckdb" | "postgres") {
            let place = map.get("type").map_or(tree.span, |y| y.span);
            let d = Diagnostic::error(
                Code::Profile,
                format!("output `{name}` is of type `{adapter}`, which is not built in"),
            );
            out.push(d.primary(place, "").help("duckdb and postgres are"));
            return Checked::new(None, out);
        }
        super::check_target(map, adapter, &mut out);
        let text = |keys: &[&str]| map.get_any(keys).and_then(Yaml::scalar_text);
        let threads = match text(&["threads"]).map(|t| t.parse::<usize>()) {
            None => 1,
            Some(Ok(n)) if n > 0 => n,
            Some(_) => {
                let span = map.get("threads").map_or(tree.span, |y| y.span);
                out.push(
                    Diagnostic::error(Code::Profile, "`threads` is a number of at least 1")
                        .primary(span, ""),
                );
                1
            }
        };
        let mut duckdb = DuckDbProfile::default();
        let mut postgres = PostgresProfile::default();
        let (database, schema) = if adapter == "duckdb" {
            unknown_keys(map, DUCKDB_KEYS, "a DuckDB output", &mut out);
            duckdb = parse_duckdb(map, &mut out);
            let database = text(&["database"]).unwrap_or_else(|| database_of(&duckdb.path));
            (database, text(&["schema"]).unwrap_or_else(|| "main".to_owned()))
        } else {
            if adapter == "postgres" {
                postgres = postgres::parse(map, &mut out);
            }
            (
                text(&["database", "dbname"]).unwrap_or_default(),
                text(&["schema"]).unwrap_or_else(|| "public".to_owned()),
            )
        };
        let mut visible = JsonMap::new();
        for (key, value) in map.iter().filter(|(k, _)| !CREDENTIALS.contains(&&*k.text)) {
            visible.insert(key.text.to_string(), value.to_json());
        }
        if adapter == "duckdb" {
            // dbt-duckdb's target has all its keys, set or not.
            for key in [
                "config_options",
                "extensions",
                "settings",
                "external_root",
                "attach",
                "plugins",
                "disable_transactions",
            ] {
                visible.entry(key).or_insert(Json::Null);
            }
            visible.insert("path".into(), Json::from(duckdb.path.as_str()));
        }
        visible.insert("database".into(), Json::from(database.as_str()));
        if adapter == "postgres" {
            // dbt-postgres's target has all its keys, set or not.
            for (key, default) in postgres::VISIBLE_DEFAULTS {
                visible.entry(*key).or_insert_with(|| default.parse().unwrap_or(Json::Null));
            }
            visible.insert("dbname".into(), Json::from(database.as_str()));
        }
        visible.insert("schema".into(), Json::from(schema.as_str()));
        let target = TargetOptions {
            profile_name: profile.into(),
            name: name.into(),
            adapter: adapter.into(),
            database: database.into(),
            schema: schema.into(),
            threads,
            visible,
            duckdb,
            postgres,
        };
        Checked::new(Some(target), out)
    }

    /// The target of a project without `profiles.yml`: a DuckDB file in the project folder.
    pub(crate) fn default_duckdb(project: &str, path: &str) -> TargetOptions {
        let mut visible = JsonMap::new();
        let database = database_of(path);
        for (key, value) in
            [("type", "duckdb"), ("path", path), ("database", &database), ("schema", "main")]
        {
            visible.insert(key.to_owned(), Json::from(value));
        }
        TargetOptions {
            profile_name: project.into(),
            name: "dev".into(),
            adapter: "duckdb".into(),
            database: database.into(),
            schema: "main".into(),
            threads: 4,
            visible,
            duckdb: DuckDbProfile {
                path: path.to_owned(),
                external_root: ".".to_owned(),
                ..DuckDbProfile::default()
            },
            postgres: PostgresProfile::default(),
        }
    }
}

/// DuckDB names a database after its file: the name up to the first dot.
fn database_of(path: &str) -> String {
    if path == ":memory:" || path.is_empty() {
        return "memory".to_owned();
    }
    let plain = path.split_once('?').map_or(path, |(p, _)| p);
    if let Some(rest) = plain.strip_prefix("md:") {
        return rest.to_owned();
    }
    let file = plain.rsplit(['/', '\\']).next().unwrap_or(plain);
    file.rsplit_once('.')
        .map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem })
        .to_owned()
}

fn pairs(y: Option<&Yaml>) -> Vec<(String, Json)> {
    let map = y.and_then(Yaml::as_map);
    map.into_iter()
        .flat_map(YamlMap::iter)
        .map(|(k, v)| (k.text.to_string(), v.to_json()))
        .collect()
}

fn parse_duckdb(map: &YamlMap, out: &mut Vec<Diagnostic>) -> DuckDbProfile {
    let flag = |key: &str| map.get(key).and_then(Yaml::as_bool).unwrap_or(false);
    let mut profile = DuckDbProfile {
        path: map.get("path").and_then(Yaml::scalar_text).unwrap_or_else(|| ":memory:".to_owned()),
        settings: pairs(map.get("settings")),
        config_options: pairs(map.get("config_options")),
        external_root: map
            .get("external_root")
            .and_then(Yaml::scalar_text)
            .unwrap_or_else(|| ".".to_owned()),
        disable_transactions: flag("disable_transactions"),
        is_ducklake: flag("is_ducklake"),
        ..DuckDbProfile::default()
    };
    for entry in map.get("attach").map(Yaml::items).unwrap_or_default() {
        let Some(m) = entry.as_map() else { continue };
        let Some(path) = m.get("path").and_then(Yaml::scalar_text) else {
            out.push(
                Diagnostic::error(Code::Profile, "an entry of `attach` needs a `path`")
                    .primary(entry.span, ""),
            );
            continue;
        };
        unknown_keys(
            m,
            &["path", "alias", "type", "read_only", "secret", "options", "is_ducklake"],
            "`attach`",
            out,
        );
        profile.attach.push(Attach {
            path,
            alias: m.get("alias").and_then(Yaml::scalar_text),
            kind: m.get("type").and_then(Yaml::scalar_text),
            read_only: m.get("read_only").and_then(Yaml::as_bool).unwrap_or(false),
            options: pairs(m.get("options")),
        });
    }
    for entry in map.get("extensions").map(Yaml::items).unwrap_or_default() {
        let (name, repo) = match entry.as_map() {
            Some(m) => (
                m.get("name").and_then(Yaml::scalar_text),
                m.get_any(&["repo", "repository"]).and_then(Yaml::scalar_text),
            ),
            None => (entry.scalar_text(), None),
        };
        profile.extensions.extend(name.map(|n| (n, repo)));
    }
    let secrets = map.get("secrets").map(Yaml::items).unwrap_or_default();
    profile.secrets = secrets.iter().map(|s| pairs(Some(s))).collect();
    for key in ["plugins", "filesystems"] {
        if let Some(k) = map.get(key).filter(|y| !y.items().is_empty()).and(map.key(key)) {
            out.push(
                Diagnostic::warning(
                    Code::PythonNeeded,
                    format!("`{key}` of dbt-duckdb need Python and are not used"),
                )
                .primary(k.span, "what needs them will fail"),
            );
        }
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    #[test]
    fn a_duckdb_output() {
        let tree = parse_yaml(
            FileId(0),
            "type: duckdb\npath: data/shop.duckdb\nthreads: 3\npassword: x\nthreds: 4",
        )
        .value;
        let checked = TargetOptions::parse("p", "dev", &tree);
        let target = checked.value.unwrap();
        assert_eq!((&*target.database, &*target.schema, target.threads), ("shop", "main", 3));
        assert!(!target.visible.contains_key("password"));
        assert!(checked.diagnostics.iter().any(|d| d.help == ["did you mean `threads`?"]));
    }

    #[test]
    fn database_names() {
        assert_eq!(database_of(":memory:"), "memory");
        assert_eq!(database_of("/a/b.c/x.y.duckdb"), "x.y");
        assert_eq!(database_of("plain"), "plain");
    }

    #[test]
    fn a_missing_profile_lists_the_others() {
        let tree = parse_yaml(FileId(0), "shop: {outputs: {}}\nconfig: {}").value;
        let checked = parse_profile(&tree, "shpo", None);
        assert_eq!(checked.diagnostics[0].notes, ["profiles there: shop"]);
    }
}
