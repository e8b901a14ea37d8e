//! The parts of the context that all renders of an invocation share.

use super::reads::ConstantFingerprints;
use super::session::{Phase, RenderSession};
use super::{base, configuration, exceptions, modules, refs, statements};
use crate::config::{Json, JsonMap, Yaml};
use crate::engine::{Dialect, Target};
use crate::hash::{FastMap, Fingerprint};
use crate::jinja::{MacroRegistry, from_json};
use crate::manifest::{Manifest, ResourceType};
use crate::secret::{SECRET_PREFIX, fill_placeholders, secret_placeholder};
use crate::system::System;
use minijinja::value::{Object, ObjectRepr, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// The places where variables are set: the command line, the root project and packages
/// (semantics 1.18).
#[derive(Clone, Debug, Default)]
pub(crate) struct VarSource {
    pub(crate) cli: JsonMap,
    pub(crate) root: Json,
    pub(crate) packages: HashMap<Arc<str>, Json>,
}

impl VarSource {
    /// A single fingerprint of all variables, wherever they are set.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let packages: BTreeMap<&str, &Json> =
            self.packages.iter().map(|(name, vars)| (&**name, vars)).collect();
        Fingerprint::of(&format!("{} {} {packages:?}", Json::Object(self.cli.clone()), self.root))
    }

    /// The value of a variable for nodes of `package`.
    pub(crate) fn find(&self, package: &str, name: &str) -> Option<&Json> {
        if let Some(found) = self.cli.get(name) {
            return Some(found);
        }
        let own = self.packages.get(package);
        for vars in [Some(&self.root), own].into_iter().flatten() {
            let scoped = vars.get(package).and_then(|v| v.get(name));
            if let Some(found) = scoped.or_else(|| vars.get(name)) {
                return Some(found);
            }
        }
        None
    }
}

/// The parts of a command line that templates can see.
#[derive(Clone, Debug, Default)]
pub(crate) struct InvocationContext {
    /// `flags`: upper-case names.
    pub(crate) flags: JsonMap,
    pub(crate) args: JsonMap,
    pub(crate) invocation_id: String,
}

pub(crate) struct ContextProject {
    pub(crate) name: Arc<str>,
    pub(crate) target: Target,
    pub(crate) dialect: Dialect,
    pub(crate) vars: VarSource,
    pub(crate) system: Arc<dyn System>,
    /// `--store-failures`: tests without a setting of their own store their failing rows.
    pub(crate) store_failures: bool,
    pub(crate) registry: OnceLock<Arc<MacroRegistry>>,
    /// Fingerprints of facts that are constant during the command.
    pub(crate) facts: ConstantFingerprints,
    pub(crate) members: FastMap<&'static str, Value>,
    /// Whether secret variables can be read, which is so only in profiles and packages.
    pub(crate) secrets: bool,
    /// The `quoting` of database, schema and identifier in the project, else in the adapter.
    pub(crate) quoting: [bool; 3],
    /// If set, a package can replace a built-in materialization only if the root project allows it.
    pub(crate) explicit_overrides: bool,
    /// If set, arguments of tests outside of `arguments:` are out of date.
    pub(crate) wants_test_arguments: bool,
    /// The name, version and folders of each package, by name.
    pub(crate) packages: Json,
    /// The names in `flags:` that are true.
    pub(crate) flags_set: BTreeSet<String>,
}

impl std::fmt::Debug for ContextProject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextProject").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ContextProject {
    /// The macro registry; `None` until all macros are parsed.
    pub(crate) fn registry(&self) -> Option<&Arc<MacroRegistry>> {
        self.registry.get()
    }

    /// The value of an environment variable. For a secret one, a placeholder is returned instead.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        let value = self.system.env(name)?;
        if name.starts_with(SECRET_PREFIX) {
            return Some(secret_placeholder(name));
        }
        Some(value)
    }

    /// Replaces the placeholders of secret variables in a rendered text with their values.
    pub(crate) fn with_secrets(&self, text: &str) -> String {
        fill_placeholders(text, |name| self.system.env(name))
    }
}

/// The members that are the same in every render: functions and values of the invocation.
pub(crate) fn invocation_members(
    project: &str,
    target: &Target,
    settings: &InvocationContext,
    started: jiff::Timestamp,
    system: &dyn System,
) -> FastMap<&'static str, Value> {
    let mut out: FastMap<&'static str, Value> = FastMap::default();
    base::install_base_members(&mut out);
    refs::install_references(&mut out);
    configuration::install_config(&mut out);
    statements::install_statements(&mut out);
    out.insert("exceptions", exceptions::exceptions_value());
    out.insert("api", super::relation::api_value());
    out.insert("modules", modules::modules_value());
    out.insert("project_name", Value::from(project));
    out.insert("dbt_version", Value::from(crate::DBT_VERSION));
    out.insert("strata_version", Value::from(crate::VERSION));
    out.insert("invocation_id", Value::from(settings.invocation_id.as_str()));
    out.insert("run_started_at", super::datetime::from_timestamp(started));
    out.insert("invocation_args_dict", from_json(&Json::Object(settings.args.clone())));
    out.insert("flags", Value::from_object(Flags(settings.flags.clone())));
    let target = from_json(&Json::Object(target_json(target)));
    out.insert("target", target.clone());
    out.insert("env", target);
    let metadata = metadata_env(system).map(|(name, v)| (Value::from(name), Value::from(v)));
    out.insert("dbt_metadata_envs", crate::jinja::dict(metadata.collect::<Vec<_>>()));
    out
}

/// The variables `DBT_ENV_CUSTOM_ENV_<NAME>` of the environment, for artifacts and templates, by
/// `<NAME>`.
pub(crate) fn metadata_env(system: &dyn System) -> impl Iterator<Item = (String, String)> {
    system.env_all().into_iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.to_owned(), value))
    })
}

pub(super) fn target_json(target: &Target) -> JsonMap {
    let mut map = target.visible.clone();
    map.insert("type".to_owned(), Json::from(&*target.adapter));
    map.insert("threads".to_owned(), Json::from(target.threads));
    map.insert("name".to_owned(), Json::from(&*target.name));
    map.insert("target_name".to_owned(), Json::from(&*target.name));
    map.insert("profile_name".to_owned(), Json::from(&*target.profile_name));
    map
}

/// `flags`: an object with upper-case attributes.
#[derive(Debug)]
struct Flags(JsonMap);

impl Object for Flags {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(from_json)
    }
}

/// `graph`: empty at parse, else all nodes as mappings.
pub(super) fn graph_value(session: &RenderSession) -> Option<Value> {
    let Some(runtime) = session.runtime.as_ref().filter(|_| session.phase == Phase::Execute) else {
        let keys = [
            "exposures",
            "functions",
            "groups",
            "metrics",
            "nodes",
            "sources",
            "semantic_models",
            "saved_queries",
        ];
        return Some(from_json(&Json::Object(
            keys.map(|k| (k.to_owned(), Json::Object(JsonMap::new()))).into_iter().collect(),
        )));
    };
    Some(runtime.graph.get_or_init(|| from_json(&graph_json(&runtime.manifest))).clone())
}

fn graph_json(manifest: &Manifest) -> Json {
    let mut sections: JsonMap = JsonMap::new();
    for key in [
        "exposures",
        "functions",
        "groups",
        "metrics",
        "nodes",
        "sources",
        "semantic_models",
        "saved_queries",
    ] {
        sections.insert(key.to_owned(), Json::Object(JsonMap::new()));
    }
    let groups = manifest.groups.iter().map(|group| (group.unique_id(), group.to_json()));
    sections.insert("groups".to_owned(), Json::Object(groups.collect()));
    for node in &manifest.nodes {
        let section = match node.resource_type() {
            ResourceType::Exposure | ResourceType::Export => "exposures",
            ResourceType::Source => "sources",
            ResourceType::Function => "functions",
            ResourceType::Metric => "metrics",
            ResourceType::SemanticModel => "semantic_models",
            ResourceType::SavedQuery => "saved_queries",
            ResourceType::UnitTest => continue,
            _ => "nodes",
        };
        if let Some(Json::Object(map)) = sections.get_mut(section) {
            let id = crate::manifest::artifact_id(&node.unique_id).into_owned();
            map.insert(id, Json::Object(manifest.node_json(node)));
        }
    }
    Json::Object(sections)
}

/// The variables of a project file as JSON, without their locations.
pub(crate) fn vars_json(vars: Option<&Yaml>) -> Json {
    vars.map_or(Json::Null, Yaml::to_json)
}
