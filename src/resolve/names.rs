//! Resolves the relation of a node: schema, alias and database, by the project's `generate_*_name`
//! macros.

use crate::config::Json;
use crate::context::{
    ContextProject, NodeScope, RenderQuestion, RenderRead, RenderSession, RenderSubject,
    failure_diagnostic,
};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Relation, RelationKind};
use crate::hash::FastMap;
use crate::jinja::{CallName, MacroDef, Renderer, from_json};
use crate::manifest::{Materialization, NodeConfig, ResourceType};
use crate::parse::ParsedProject;
use crate::source::Span;
use minijinja::value::{Value, ValueKind};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A package, and the name of a macro that is looked up from it.
type Wanted = (Arc<str>, &'static str);

pub(super) struct RelationNames<'a> {
    renderer: &'a Arc<Renderer>,
    context: &'a Arc<ContextProject>,
    /// The external inputs that the project's macros read.
    reads: Mutex<BTreeSet<RenderRead>>,
    /// The macros to call, by package and name, since they are the same for all nodes of a package.
    overridden: RwLock<FastMap<Wanted, Option<Arc<MacroDef>>>>,
}

/// The read of the macro itself, which the render does not record.
fn own_read(package: &Arc<str>, def: &MacroDef) -> RenderQuestion {
    RenderQuestion::Macro { package: package.clone(), call: CallName::Plain(def.name.to_string()) }
}

/// The parts of a node that determine its names.
pub(super) struct NodeNaming<'a> {
    pub(super) kind: ResourceType,
    pub(super) package: &'a Arc<str>,
    pub(super) name: &'a Arc<str>,
    pub(super) unique_id: &'a str,
    pub(super) path: &'a str,
    pub(super) original_file_path: &'a str,
    pub(super) fqn: &'a [Arc<str>],
    pub(super) config: &'a NodeConfig,
    pub(super) version: Option<&'a Json>,
    pub(super) span: Span,
}

/// A snapshot's `target_schema` or `target_database`, which take precedence over the macros.
fn snapshot_target(node: &NodeNaming<'_>, key: &str) -> Option<String> {
    if node.kind != ResourceType::Snapshot {
        return None;
    }
    node.config.text(key).map(|text| text.into_owned())
}

/// Whether the node's name in the database is that of a function.
fn makes_function(node: &NodeNaming<'_>) -> bool {
    let materialized = node.config.text("materialized");
    node.kind == ResourceType::Function
        || materialized.is_some_and(|name| name == Materialization::TableFunction.name())
}

impl<'a> RelationNames<'a> {
    pub(super) fn new(parsed: &'a ParsedProject) -> RelationNames<'a> {
        RelationNames {
            renderer: &parsed.renderer,
            context: &parsed.context,
            reads: Mutex::default(),
            overridden: RwLock::default(),
        }
    }

    pub(super) fn reads(&self) -> BTreeSet<RenderRead> {
        std::mem::take(&mut *self.reads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn relation(
        &self,
        node: &NodeNaming<'_>,
        out: &mut Vec<Diagnostic>,
    ) -> (Arc<str>, Relation) {
        let config = node.config;
        let target = &self.context.target;
        // As in dbt, a schema that is set to null means the target's schema.
        let default_schema = (node.kind == ResourceType::Test && config.entry("schema").is_none())
            .then(|| Json::from("dbt_test__audit"));
        let schema = snapshot_target(node, "target_schema")
            .or_else(|| self.schema(node, config.get("schema").cloned().or(default_schema), out));
        let database = snapshot_target(node, "target_database")
            .or_else(|| self.database(node, config.get("database").cloned(), out));
        let alias = self.alias(node, config.get("alias").cloned(), out);
        let mut relation = Relation::new(database.as_deref(), schema.as_deref(), &alias);
        relation.path[0] = relation.path[0].take().or_else(|| Some(target.database.clone()));
        relation.quote = self.context.quoting;
        if let Some(quoting) = config.map("quoting") {
            for (i, key) in ["database", "schema", "identifier"].into_iter().enumerate() {
                relation.quote[i] =
                    quoting.get(key).and_then(Json::as_bool).unwrap_or(relation.quote[i]);
            }
        }
        if makes_function(node) {
            relation.kind = Some(RelationKind::Function);
        }
        (alias.into(), relation)
    }

    fn schema(
        &self,
        node: &NodeNaming<'_>,
        custom: Option<Json>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let own = self.overridden(node, "generate_schema_name");
        match own {
            Some(def) => {
                // The result of the macro is trimmed; none means no schema.
                match self.call(&def, custom, node, out) {
                    Some(v) if v.is_none() => None,
                    Some(v) => Some(v.to_string().trim().to_owned()),
                    None => Some(self.context.target.schema.to_string()),
                }
            }
            None => Some(match custom {
                None => self.context.target.schema.to_string(),
                Some(custom) => format!(
                    "{}_{}",
                    self.context.target.schema,
                    crate::config::python_str(&custom).trim()
                ),
            }),
        }
    }

    fn database(
        &self,
        node: &NodeNaming<'_>,
        custom: Option<Json>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        match self.overridden(node, "generate_database_name") {
            Some(def) => match self.call(&def, custom, node, out) {
                Some(v) if v.is_none() => None,
                Some(v) => Some(v.to_string().trim().to_owned()),
                None => None,
            },
            None => Some(custom.map_or_else(
                || self.context.target.database.to_string(),
                |c| crate::config::python_str(&c).trim().to_owned(),
            )),
        }
    }

    fn alias(
        &self,
        node: &NodeNaming<'_>,
        custom: Option<Json>,
        out: &mut Vec<Diagnostic>,
    ) -> String {
        if let Some(def) = self.overridden(node, "generate_alias_name")
            && let Some(v) = self.call(&def, custom.clone(), node, out)
        {
            return v.to_string().trim().to_owned();
        }
        let custom = custom.map(|c| crate::config::python_str(&c)).filter(|c| !c.is_empty());
        match (custom, node.version) {
            (Some(custom), _) => custom.trim().to_owned(),
            (None, Some(v)) => {
                format!("{}_v{}", node.name, crate::config::python_str(v).replace('.', "_"))
            }
            (None, None) => node.name.to_string(),
        }
    }

    /// The macro to call; `None` if it and its implementation are built-in ones.
    fn overridden(&self, node: &NodeNaming<'_>, name: &'static str) -> Option<Arc<MacroDef>> {
        let key = (node.package.clone(), name);
        if let Some(found) =
            self.overridden.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return found.clone();
        }
        let registry = self.renderer.registry();
        let found = registry.lookup(node.package, name).filter(|def| {
            let inner = registry.dispatch(node.package, name, Some("dbt")).ok();
            !registry.is_internal(def) || inner.is_some_and(|d| !registry.is_internal(d))
        });
        self.overridden.write().unwrap_or_else(PoisonError::into_inner).insert(key, found.cloned());
        found.cloned()
    }

    fn call(
        &self,
        def: &Arc<MacroDef>,
        custom: Option<Json>,
        node: &NodeNaming<'_>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Value> {
        let model = json!({
            "name": &**node.name, "resource_type": node.kind.as_str(), "package_name": &**node.package,
            "unique_id": node.unique_id, "path": node.path, "original_file_path": node.original_file_path,
            "fqn": node.fqn.iter().map(|p| &**p).collect::<Vec<_>>(), "alias": &**node.name,
            "config": Json::Object(node.config.to_json(node.kind)), "tags": node.config.list("tags"),
            "version": node.version.cloned(), "meta": node.config.get("meta").cloned().unwrap_or_else(|| json!({})),
            "database": &*self.context.target.database, "schema": &*self.context.target.schema,
        });
        let subject = RenderSubject {
            unique_id: node.unique_id.into(),
            name: node.name.clone(),
            kind: node.kind,
            file: None,
            this: None,
            config: Arc::new(node.config.clone()),
            node: None,
            model: model.clone(),
            compiled: None,
            extra: Vec::new(),
            overrides: None,
            overload: None,
        };
        let session = RenderSession::parse_strictly(self.context, node.package, subject);
        let scope = Arc::new(NodeScope(session.clone()));
        let custom = custom.map_or_else(|| Value::from(()), |c| from_json(&c));
        // The arguments are positional, since overrides may name their parameters differently.
        let mut args = vec![custom];
        if def.args.len() > 1 {
            args.push(from_json(&model));
        }
        let result =
            self.renderer.call_macro(true, def, &args, node.package, scope, session.clone());
        let value = result
            .map_err(|failure| out.push(failure_diagnostic(&failure, &session, node.span)))
            .ok();
        let record = session.take_record();
        let wrong = match &value {
            _ if !record.refs.is_empty() => {
                Some("uses `ref`, which has no meaning there".to_owned())
            }
            Some(v)
                if matches!(v.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) =>
            {
                Some(format!("gave {v}, which is no name"))
            }
            _ => None,
        };
        if let Some(what) = wrong {
            let message = format!("`{}` {what} (for `{}`)", def.name, node.name);
            out.push(Diagnostic::error(Code::JinjaRender, message).primary(def.span, "this macro"));
        }
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.extend(record.reads);
        reads.insert(self.context.read(own_read(node.package, def)));
        value
    }
}
