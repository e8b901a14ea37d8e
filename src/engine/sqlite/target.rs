//! The keys of a SQLite output, as in dbt-sqlite: a schema is a file that is attached under its
//! name.

use super::state;
use crate::cache::KeyWriter;
use crate::config::{Json, JsonMap, ShapeRules, ValueRules, Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::engine::target::text_of;
use crate::engine::{ConnectionOptions, DatabaseState, OutputContext, TargetParts, TargetSpec};
use crate::hash::Fingerprint;
use crate::system::{System, normalize_path};
use camino::Utf8Path;
use serde::Serialize;
use std::any::Any;
use std::io::Read;
use std::sync::Arc;

/// The locations of a database's files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct SqliteOptions {
    /// The file of the schema `main`.
    pub(crate) main: String,
    /// The other schemas listed in the profile, with their files.
    pub(crate) schemas: Vec<(String, String)>,
    /// The folder of the files of all other schemas, `NAME.db`, existing or new.
    pub(crate) directory: String,
}

const KEYS: &[&str] = &[
    "type",
    "threads",
    "database",
    "schema",
    "schemas_and_paths",
    "schema_directory",
    "extensions",
];

const SHAPES: ShapeRules = &[
    ("type", "T", ValueRules::Nothing),
    ("threads", "TN", ValueRules::Nothing),
    ("database", "T", ValueRules::Nothing),
    ("schema", "T", ValueRules::Nothing),
    ("schemas_and_paths", "M", ValueRules::Nothing),
    ("schema_directory", "T", ValueRules::Nothing),
    ("extensions", "L0", ValueRules::Nothing),
];

pub(super) const TARGET: TargetSpec = TargetSpec { keys: KEYS, shapes: SHAPES, read };

/// The extension of the files in that folder.
const ENDING: &str = ".db";

impl SqliteOptions {
    /// The schemas in the folder that the profile does not list, with their files. Files with such
    /// a name that are not SQLite databases are ignored.
    pub(crate) fn found_in_directory(&self, system: &dyn System) -> Vec<(String, String)> {
        let directory = Utf8Path::new(&self.directory);
        let mut out = Vec::new();
        for name in system.list(directory) {
            let Some(schema) = name.strip_suffix(ENDING) else { continue };
            let path = normalize_path(&directory.join(&name)).into_string();
            let is_named = path == self.main || self.schemas.iter().any(|(_, p)| *p == path);
            if !is_named && is_database(system, Utf8Path::new(&path)) {
                out.push((schema.to_owned(), path));
            }
        }
        out
    }

    /// The file that the profile lists for a schema.
    pub(crate) fn named(&self, schema: &str) -> Option<&str> {
        let named = self.schemas.iter().find(|(name, _)| name.eq_ignore_ascii_case(schema));
        named.map(|(_, path)| path.as_str())
    }

    /// The file of a schema, listed or not.
    pub(crate) fn path_of(&self, schema: &str) -> String {
        match self.named(schema) {
            Some(path) => path.to_owned(),
            None => format!("{}/{schema}{ENDING}", self.directory.trim_end_matches('/')),
        }
    }
}

/// The first bytes of a database (SQLite documentation, "Database File Format", 1.3.1).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

fn is_database(system: &dyn System, path: &Utf8Path) -> bool {
    let mut head = Vec::new();
    let read = system.open(path).map(|file| file.take(16).read_to_end(&mut head));
    // A new database that was never written to is empty.
    matches!(read, Ok(Ok(_))) && (head.is_empty() || head == MAGIC)
}

impl ConnectionOptions for SqliteOptions {
    fn database_files(&self) -> Vec<&str> {
        let others = self.schemas.iter().map(|(_, path)| path.as_str());
        std::iter::once(self.main.as_str()).chain(others).collect()
    }

    fn schema_path(&self, schema: &str) -> Option<String> {
        let is_main = schema.eq_ignore_ascii_case(MAIN);
        Some(if is_main { self.main.clone() } else { self.path_of(schema) })
    }

    fn fingerprint(&self) -> Fingerprint {
        KeyWriter::new("sqlite").value(self).finish()
    }

    fn database_state(&self, system: &dyn System) -> Option<DatabaseState> {
        state::read_state(system, self)
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
    let options = parse(map, surroundings.root, out);
    let database = text_of(map, &["database"]).unwrap_or_else(|| "database".to_owned());
    let schema = text_of(map, &["schema"]).unwrap_or_else(|| MAIN.to_owned());
    visible.insert("database".into(), Json::from(database.as_str()));
    visible.insert("schema".into(), Json::from(schema.as_str()));
    visible.entry("schema_directory").or_insert(Json::from(options.directory.as_str()));
    TargetParts { database, schema, visible, connection: Arc::new(options) }
}

/// The schema whose file a connection opens; the files of all others are attached.
const MAIN: &str = "main";

fn parse(map: &YamlMap, root: &Utf8Path, out: &mut Vec<Diagnostic>) -> SqliteOptions {
    if let Some(extensions) = map.get("extensions").filter(|y| !y.items().is_empty()) {
        let message = "extensions of SQLite are not loaded: nothing can check what they do";
        let d = Diagnostic::error(Code::Profile, message).primary(extensions.span, "");
        out.push(d.help("leave `extensions` out; functions of the `dbt` macros are built in"));
    }
    let mut options = SqliteOptions::default();
    let listed = map.get("schemas_and_paths").and_then(Yaml::as_map);
    for (key, value) in listed.into_iter().flat_map(YamlMap::iter) {
        let Some(path) = value.scalar_text() else { continue };
        if path == ":memory:" {
            let message =
                "a database in memory ends with its connection, of which a run has several";
            let d = Diagnostic::error(Code::Profile, message).primary(value.span, "");
            out.push(d.help("name a file"));
        }
        let path = normalize_path(&root.join(path)).into_string();
        let is_twice = options
            .schemas
            .iter()
            .any(|(name, file)| name.eq_ignore_ascii_case(&key.text) || *file == path);
        let is_main_again = !options.main.is_empty()
            && (key.text.eq_ignore_ascii_case(MAIN) || options.main == path);
        if is_main_again || is_twice {
            let message =
                format!("`{}` names a schema or a file that an earlier line names", key.text);
            let d = Diagnostic::error(Code::Profile, message).primary(value.span, "");
            out.push(d.help("a schema is a file: each has one name, and one path"));
            continue;
        }
        if key.text.eq_ignore_ascii_case(MAIN) {
            options.main = path;
        } else {
            options.schemas.push((key.text.to_string(), path));
        }
    }
    if options.main.is_empty() {
        let message = "`schemas_and_paths` names no file for the schema `main`";
        let span = map.get("schemas_and_paths").or(map.get("type")).map(|y| y.span);
        let d = Diagnostic::error(Code::Profile, message).primary_if(span, "");
        out.push(d.help("schemas_and_paths: {main: shop.db}"));
    }
    options.directory = match text_of(map, &["schema_directory"]) {
        Some(path) => normalize_path(&root.join(path)).into_string(),
        None => Utf8Path::new(&options.main).parent().map(ToString::to_string).unwrap_or_default(),
    };
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::engine::{Target, read_target};
    use crate::source::FileId;
    use crate::system::MemorySystem;

    fn target(yaml: &str) -> (Option<Target>, Vec<String>) {
        let system = MemorySystem::with_files([("/p/data/raw.db", ""), ("/p/data/shop.db", "")]);
        let surroundings = OutputContext { system: &system, root: Utf8Path::new("/p") };
        let tree = parse_yaml(FileId(0), yaml).value;
        let checked = read_target("p", "dev", &tree, &surroundings);
        let messages = checked.diagnostics.into_iter().map(|d| d.message).collect();
        (checked.value, messages)
    }

    #[test]
    fn an_output() {
        let (target, messages) = target(
            "type: sqlite\nthreads: 1\ndatabase: d\nschema: main\n\
             schemas_and_paths: {main: data/shop.db, ref: /other/ref.db}\nschema_directory: data",
        );
        assert!(messages.is_empty(), "{messages:?}");
        let target = target.unwrap();
        let options = target.options::<SqliteOptions>().unwrap();
        assert_eq!(target.place(), "/p/data/shop.db");
        let place = |schema: &str| target.connection.schema_path(schema).unwrap();
        assert_eq!([place("marts"), place("Ref")], ["/p/data/marts.db", "/other/ref.db"]);
        assert_eq!(options.database_files(), ["/p/data/shop.db", "/other/ref.db"]);
        assert_eq!(options.path_of("marts"), "/p/data/marts.db");
        assert_eq!(options.path_of("REF"), "/other/ref.db");
        let system = MemorySystem::with_files([
            ("/p/data/raw.db", "SQLite format 3\0..."),
            ("/p/data/new.db", ""),
            ("/p/data/shop.db", ""),
            ("/p/data/thumbs.db", "pictures, not tables"),
        ]);
        let found = options.found_in_directory(&system);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["new", "raw"]);
    }

    #[test]
    fn mistakes() {
        let (_, messages) = target("type: sqlite\nextensions: [text.so]");
        assert_eq!(messages.len(), 2, "{messages:?}");
        for twice in ["{main: a.db, Main: b.db}", "{main: a.db, b: a.db}", "{b: a.db, main: a.db}"]
        {
            let (_, messages) = target(&format!("type: sqlite\nschemas_and_paths: {twice}"));
            assert!(messages[0].contains("an earlier line names"), "{twice}: {messages:?}");
        }
        let (_, messages) = target("type: sqlite\nschemas_and_paths: {main: ':memory:'}");
        assert!(messages[0].contains("in memory"), "{messages:?}");
    }
}
