//! A target: an output of a profile, parsed by its engine's rules.

use super::{
    DatabaseState, EngineError, EngineErrorKind, EngineSpec, find_engine, names_of_engines, unknown,
};
use crate::config::{Json, JsonMap, ShapeRules, Yaml, YamlMap, check_shape, unknown_keys};
use crate::diag::{Checked, Code, Diagnostic};
use crate::hash::Fingerprint;
use crate::system::System;
use camino::Utf8Path;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

/// How an engine parses an output.
#[derive(Clone, Copy)]
pub(crate) struct TargetSpec {
    /// All known keys.
    pub(crate) keys: &'static [&'static str],
    /// The shapes of the keys' values.
    pub(crate) shapes: ShapeRules,
    /// Parses an output. The second argument is the initial `target` of templates, to be completed.
    pub(crate) read: fn(&YamlMap, JsonMap, &OutputContext<'_>, &mut Vec<Diagnostic>) -> TargetParts,
}

/// Relative paths in an output are resolved against `root`.
pub(crate) struct OutputContext<'a> {
    pub(crate) system: &'a dyn System,
    pub(crate) root: &'a Utf8Path,
}

/// The result of parsing an output.
pub(crate) struct TargetParts {
    pub(crate) database: String,
    pub(crate) schema: String,
    /// The value of `target` in templates.
    pub(crate) visible: JsonMap,
    pub(crate) connection: Arc<dyn ConnectionOptions>,
}

pub(crate) trait ConnectionOptions: Any + Debug + Send + Sync {
    /// The local files of the database and of attached ones.
    fn database_files(&self) -> Vec<&str> {
        Vec::new()
    }
    /// The location of a schema, for messages. `None` if the name of the database says enough.
    fn schema_path(&self, _schema: &str) -> Option<String> {
        None
    }
    /// A fingerprint of everything that decides which database is opened and how, without
    /// credentials.
    fn fingerprint(&self) -> Fingerprint;
    /// Settings that templates can read from `adapter`.
    fn adapter_members(&self) -> AdapterMembers<'_> {
        AdapterMembers::default()
    }
    /// The state of the database, observed without opening it. `None` if it cannot be observed.
    fn database_state(&self, system: &dyn System) -> Option<DatabaseState> {
        let _ = system;
        None
    }
    fn as_any(&self) -> &dyn Any;
}

/// Settings of a connection that templates can read from `adapter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdapterMembers<'a> {
    pub(crate) disable_transactions: bool,
    /// The folder for files of external relations.
    pub(crate) external_root: &'a str,
}

/// An output of a profile: where to build.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) profile_name: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) engine: &'static EngineSpec,
    /// The value of `type:`, which is not the engine's name if the engine is not built in.
    pub(crate) adapter: Arc<str>,
    pub(crate) database: Arc<str>,
    pub(crate) schema: Arc<str>,
    pub(crate) threads: usize,
    /// The keys without credentials: the value of `target` in Jinja.
    pub(crate) visible: JsonMap,
    pub(crate) connection: Arc<dyn ConnectionOptions>,
}

/// Keys of any adapter that hold credentials; they never reach Jinja or a message.
const CREDENTIALS: &[&str] =
    &["password", "pass", "token", "private_key", "keyfile_json", "motherduck_token", "secrets"];

impl Target {
    /// The options as the engine's own type; an error if the target is for another engine.
    pub(crate) fn options<T: ConnectionOptions>(&self) -> Result<&T, EngineError> {
        self.connection.as_any().downcast_ref().ok_or_else(|| {
            let message = format!("the target `{}` is of another engine", self.name);
            EngineError::new(EngineErrorKind::Unsupported, message)
        })
    }

    /// Where the results of a build are, for messages.
    pub(crate) fn place(&self) -> String {
        self.connection.schema_path(&self.schema).unwrap_or_else(|| self.database.to_string())
    }
}

/// Parses a rendered output.
pub(crate) fn read_target(
    profile: &str,
    name: &str,
    tree: &Yaml,
    surroundings: &OutputContext<'_>,
) -> Checked<Option<Target>> {
    let Some(map) = tree.as_map() else {
        let message = format!("output `{name}` is a mapping, not {}", tree.kind());
        let d = Diagnostic::error(Code::Profile, message).primary(tree.span, "");
        return Checked::new(None, vec![d]);
    };
    let Some(adapter) = map.get("type").and_then(Yaml::as_str) else {
        let d = Diagnostic::error(Code::Profile, format!("output `{name}` has no `type`"));
        let types: Vec<String> =
            names_of_engines().iter().map(|name| format!("`type: {name}`")).collect();
        return Checked::new(None, vec![d.primary(tree.span, types.join(" or "))]);
    };
    let mut out = Vec::new();
    let engine = find_engine(adapter).unwrap_or(&unknown::SPEC);
    if engine == &unknown::SPEC {
        let place = map.get("type").map_or(tree.span, |y| y.span);
        out.push(unknown::not_built_in(name, adapter).primary(place, ""));
    } else {
        check_shape(map, engine.target.shapes, &mut out);
        let what = format!("a {} output", engine.label);
        unknown_keys(map, engine.target.keys, &what, &mut out);
    }
    let threads = read_threads(map, tree, &mut out);
    let shown = map.iter().filter(|(key, _)| !CREDENTIALS.contains(&&*key.text));
    let visible = shown.map(|(key, value)| (key.text.to_string(), value.to_json())).collect();
    let parts = (engine.target.read)(map, visible, surroundings, &mut out);
    let target = Target {
        profile_name: profile.into(),
        name: name.into(),
        engine,
        adapter: adapter.into(),
        database: parts.database.into(),
        schema: parts.schema.into(),
        threads,
        visible: parts.visible,
        connection: parts.connection,
    };
    Checked::new(Some(target), out)
}

fn read_threads(map: &YamlMap, tree: &Yaml, out: &mut Vec<Diagnostic>) -> usize {
    let Some(value) = map.get("threads") else { return 1 };
    match value.scalar_text().map(|t| t.parse::<usize>()) {
        None => 1,
        Some(Ok(n)) if n > 0 => n,
        Some(_) => {
            let span = map.get("threads").map_or(tree.span, |y| y.span);
            let d = Diagnostic::error(Code::Profile, "`threads` is a number of at least 1");
            out.push(d.primary(span, ""));
            1
        }
    }
}

/// The value of the first of these keys that is set, as text.
pub(super) fn text_of(map: &YamlMap, keys: &[&str]) -> Option<String> {
    map.get_any(keys).and_then(Yaml::scalar_text)
}

/// The keys and values of a mapping; empty if it is not one.
pub(super) fn pairs_of(value: Option<&Yaml>) -> Vec<(String, Json)> {
    let map = value.and_then(Yaml::as_map);
    let pairs = map.into_iter().flat_map(YamlMap::iter);
    pairs.map(|(key, value)| (key.text.to_string(), value.to_json())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;
    use crate::system::MemorySystem;

    fn read(yaml: &str) -> (Option<Target>, Vec<String>) {
        let system = MemorySystem::with_files([]);
        let surroundings = OutputContext { system: &system, root: Utf8Path::new("/p") };
        let tree = parse_yaml(FileId(0), yaml).value;
        let checked = read_target("shop", "dev", &tree, &surroundings);
        (checked.value, checked.diagnostics.into_iter().map(|d| d.message).collect())
    }

    #[test]
    fn an_output_says_its_engine_and_threads() {
        let (target, messages) = read(
            "{type: postgres, threads: 8, host: h, user: u, pass: secret, dbname: d, schema: s}",
        );
        assert!(messages.is_empty(), "{messages:?}");
        let target = target.unwrap();
        assert_eq!((&*target.profile_name, &*target.name), ("shop", "dev"));
        assert_eq!((target.engine.name, &*target.adapter), ("postgres", "postgres"));
        assert_eq!((target.threads, &*target.database, &*target.schema), (8, "d", "s"));
        assert_eq!(target.place(), "d", "its name says where it is");
        assert_eq!(target.visible["host"], "h");
        assert!(!target.visible.contains_key("pass"), "templates see no credentials");
        assert!(target.connection.database_files().is_empty());
        assert_eq!(target.connection.adapter_members(), AdapterMembers::default());
        let wrong = target.options::<crate::engine::sqlite::SqliteOptions>().unwrap_err();
        assert_eq!(wrong.kind, EngineErrorKind::Unsupported);
    }

    #[test]
    fn mistakes_of_an_output() {
        for (yaml, expected) in [
            ("[]", "output `dev` is a mapping, not"),
            ("{threads: 1}", "output `dev` has no `type`"),
            ("{type: duckdb, threads: 0}", "`threads` is a number of at least 1"),
            ("{type: duckdb, pth: a.db}", "pth"),
        ] {
            let (_, messages) = read(yaml);
            assert!(messages.iter().any(|m| m.contains(expected)), "{yaml}: {messages:?}");
        }
        let (target, _) = read("{type: duckdb, threads: 0}");
        assert_eq!(target.unwrap().threads, 1);
        let (target, messages) = read("{type: oracle, schema: s}");
        let target = target.unwrap();
        assert_eq!((&*target.adapter, target.engine), ("oracle", &unknown::SPEC));
        assert_eq!(format!("{:?}", target.engine), unknown::SPEC.name);
        assert_ne!(target.engine, find_engine("duckdb").unwrap());
        assert_eq!(messages.len(), 1, "{messages:?}");
    }
}
