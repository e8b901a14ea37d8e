//! The keys of a DuckDB output, as in dbt-duckdb.

use super::untouched;
use crate::cache::KeyWriter;
use crate::config::{Json, JsonMap, ShapeRules, ValueRules, Yaml, YamlMap, unknown_keys};
use crate::diag::{Code, Diagnostic};
use crate::engine::target::{pairs_of, text_of};
use crate::engine::{
    AdapterMembers, ConnectionOptions, DatabaseState, OutputContext, Target, TargetParts,
    TargetSpec,
};
use crate::hash::Fingerprint;
use crate::system::{System, normalize_path};
use camino::Utf8Path;
use serde::Serialize;
use std::any::Any;
use std::sync::Arc;

/// An entry of `attach:`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AttachedDatabase {
    pub(crate) path: String,
    pub(crate) alias: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) options: Vec<(String, Json)>,
}

/// The keys that only dbt-duckdb has.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct DuckDbOptions {
    /// A file, `:memory:`, or any other location that DuckDB can open.
    pub(crate) path: String,
    pub(crate) attach: Vec<AttachedDatabase>,
    /// (Name, repository). Extensions that are not built in are downloaded.
    pub(crate) extensions: Vec<(String, Option<String>)>,
    pub(crate) settings: Vec<(String, Json)>,
    pub(crate) config_options: Vec<(String, Json)>,
    /// Credentials, which are not part of the fingerprint.
    #[serde(skip)]
    pub(crate) secrets: Vec<Vec<(String, Json)>>,
    pub(crate) external_root: String,
    pub(crate) disable_transactions: bool,
    pub(crate) is_ducklake: bool,
    /// The project's folder, if commands run in another one. Relative paths of files are those of the
    /// project, as in dbt, which runs there.
    #[serde(skip)]
    pub(crate) file_folder: Option<String>,
}

const KEYS: &[&str] = &[
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

const SHAPES: ShapeRules = &[
    ("type", "T", ValueRules::Nothing),
    ("schema", "TD", ValueRules::Nothing),
    ("path", "T", ValueRules::Nothing),
    ("database", "T", ValueRules::Nothing),
    ("threads", "TN", ValueRules::Nothing),
    ("settings", "M0", ValueRules::Nothing),
    ("attach", "L0", ValueRules::Nothing),
    ("plugins", "L0", ValueRules::Nothing),
    ("secrets", "LM0", ValueRules::Nothing),
    ("extensions", "L0", ValueRules::Nothing),
];

/// The keys that dbt-duckdb always shows in `target`, even if they are not set.
const VISIBLE: [&str; 7] = [
    "config_options",
    "extensions",
    "settings",
    "external_root",
    "attach",
    "plugins",
    "disable_transactions",
];

pub(super) const TARGET: TargetSpec = TargetSpec { keys: KEYS, shapes: SHAPES, read };

const IN_MEMORY: &str = ":memory:";

impl ConnectionOptions for DuckDbOptions {
    fn database_files(&self) -> Vec<&str> {
        let attached = self.attach.iter().map(|a| a.path.as_str());
        std::iter::once(self.path.as_str()).chain(attached).collect()
    }

    fn schema_path(&self, _: &str) -> Option<String> {
        (!self.path.is_empty()).then(|| self.path.clone())
    }

    fn fingerprint(&self) -> Fingerprint {
        KeyWriter::new("duckdb").value(self).finish()
    }

    fn adapter_members(&self) -> AdapterMembers<'_> {
        AdapterMembers {
            disable_transactions: self.disable_transactions,
            external_root: &self.external_root,
        }
    }

    fn database_state(&self, system: &dyn System) -> Option<DatabaseState> {
        untouched::read_state(system, self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn read(
    map: &YamlMap,
    mut visible: JsonMap,
    surroundings: &OutputContext<'_>,
    out: &mut Vec<Diagnostic>,
) -> TargetParts {
    let mut options = parse(map, out);
    let database = text_of(map, &["database"]).unwrap_or_else(|| database_of(&options.path));
    let schema = text_of(map, &["schema"]).unwrap_or_else(|| "main".to_owned());
    for key in VISIBLE {
        visible.entry(key).or_insert(Json::Null);
    }
    visible.insert("path".into(), Json::from(options.path.as_str()));
    visible.insert("database".into(), Json::from(database.as_str()));
    visible.insert("schema".into(), Json::from(schema.as_str()));
    options.path = absolute(&options.path, surroundings.root);
    let is_elsewhere = surroundings.system.current_dir() != surroundings.root;
    options.file_folder = is_elsewhere.then(|| surroundings.root.to_string());
    TargetParts { database, schema, visible, connection: Arc::new(options) }
}

/// Resolves a relative path against the project's folder, in which dbt runs.
fn absolute(path: &str, root: &Utf8Path) -> String {
    let remote = path.contains("://") || path.starts_with("md:");
    if remote || path == IN_MEMORY || path.is_empty() {
        return path.to_owned();
    }
    normalize_path(&root.join(path)).into_string()
}

/// A target with only a path: a file, `:memory:`, or empty if the location is not known yet.
pub(crate) fn target_of_path(profile: &str, path: &str) -> Target {
    let database = database_of(path);
    let keys =
        [("type", super::SPEC.name), ("path", path), ("database", &database), ("schema", "main")];
    Target {
        profile_name: profile.into(),
        name: "dev".into(),
        engine: &super::SPEC,
        adapter: super::SPEC.name.into(),
        schema: "main".into(),
        threads: 4,
        visible: keys.into_iter().map(|(key, value)| (key.to_owned(), Json::from(value))).collect(),
        connection: Arc::new(DuckDbOptions {
            path: path.to_owned(),
            external_root: ".".to_owned(),
            ..DuckDbOptions::default()
        }),
        database: database.into(),
    }
}

/// The name of the database in a file: the file name without its last extension.
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

fn parse(map: &YamlMap, out: &mut Vec<Diagnostic>) -> DuckDbOptions {
    let mut profile = DuckDbOptions {
        path: map.get("path").and_then(Yaml::scalar_text).unwrap_or_else(|| ":memory:".to_owned()),
        settings: pairs_of(map.get("settings")),
        config_options: pairs_of(map.get("config_options")),
        external_root: map
            .get("external_root")
            .and_then(Yaml::scalar_text)
            .unwrap_or_else(|| ".".to_owned()),
        disable_transactions: flag_of(map, "disable_transactions"),
        is_ducklake: flag_of(map, "is_ducklake"),
        ..DuckDbOptions::default()
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
        profile.attach.push(AttachedDatabase {
            path,
            alias: m.get("alias").and_then(Yaml::scalar_text),
            kind: m.get("type").and_then(Yaml::scalar_text),
            read_only: flag_of(m, "read_only"),
            options: pairs_of(m.get("options")),
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
    profile.secrets = secrets.iter().map(|s| pairs_of(Some(s))).collect();
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

fn flag_of(map: &YamlMap, key: &str) -> bool {
    map.get(key).and_then(Yaml::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::engine::read_target;
    use crate::source::FileId;
    use crate::system::MemorySystem;

    #[test]
    fn an_output() {
        let text = "type: duckdb\npath: data/shop.duckdb\nthreads: 3\npassword: x\nthreds: 4";
        let tree = parse_yaml(FileId(0), text).value;
        let surroundings =
            OutputContext { system: &MemorySystem::default(), root: Utf8Path::new("/project") };
        let checked = read_target("p", "dev", &tree, &surroundings);
        let target = checked.value.unwrap();
        assert_eq!((&*target.database, &*target.schema, target.threads), ("shop", "main", 3));
        assert_eq!(target.place(), "/project/data/shop.duckdb");
        assert!(!target.visible.contains_key("password"));
        assert!(target.options::<DuckDbOptions>().unwrap().settings.is_empty());
        assert!(checked.diagnostics.iter().any(|d| d.help == ["did you mean `threads`?"]));
    }

    #[test]
    fn settings_are_read_with_their_values() {
        let tree = parse_yaml(FileId(0), "type: duckdb\nsettings: {threads: 2, order: desc}").value;
        let surroundings =
            OutputContext { system: &MemorySystem::default(), root: Utf8Path::new("/project") };
        let target = read_target("p", "dev", &tree, &surroundings).value.unwrap();
        let settings = &target.options::<DuckDbOptions>().unwrap().settings;
        let expected = [("threads", Json::from(2)), ("order", Json::from("desc"))];
        assert_eq!(*settings, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn paths_of_this_machine_begin_in_the_project() {
        let root = Utf8Path::new("/project");
        for (path, expected) in [
            ("a.duckdb", "/project/a.duckdb"),
            ("../a.duckdb", "/a.duckdb"),
            ("/data/a.duckdb", "/data/a.duckdb"),
            ("md:shop", "md:shop"),
            ("s3://bucket/a.duckdb", "s3://bucket/a.duckdb"),
            (":memory:", ":memory:"),
            ("", ""),
        ] {
            assert_eq!(absolute(path, root), expected);
        }
    }

    #[test]
    fn what_needs_python_is_told_and_another_file_is_another_database() {
        let read = |text: &str| {
            let tree = parse_yaml(FileId(0), text).value;
            let surroundings =
                OutputContext { system: &MemorySystem::default(), root: Utf8Path::new("/project") };
            let checked = read_target("p", "dev", &tree, &surroundings);
            let codes: Vec<Code> = checked.diagnostics.iter().map(|d| d.code).collect();
            (checked.value.unwrap().connection.fingerprint(), codes)
        };
        let (first, codes) = read("type: duckdb\npath: a.duckdb\nplugins: [{module: excel}]");
        assert_eq!(codes, [Code::PythonNeeded]);
        let (again, codes) = read("type: duckdb\npath: a.duckdb\nplugins: []");
        assert!(codes.is_empty() && again == first);
        assert_ne!(read("type: duckdb\npath: b.duckdb").0, first);
    }

    #[test]
    fn database_names() {
        assert_eq!(database_of(":memory:"), "memory");
        assert_eq!(database_of("/a/b.c/x.y.duckdb"), "x.y");
        assert_eq!(database_of("plain"), "plain");
    }
}
