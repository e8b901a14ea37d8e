//! The parts of a node's definition besides its SQL: config, arguments, hooks, materialization,
//! contract, descriptions, a seed's data.

use super::definition::is_seed;
use crate::compile::Compiler;
use crate::config::Json;
use crate::context::{ContextProject, RenderQuestion};
use crate::diag::{Code, Diagnostic};
use crate::hash::{FastMap, Fingerprint};
use crate::jinja::{CallName, MacroDef, VariableCall, calls_of, variable_calls};
use crate::manifest::{GenericTest, Node, NodeKind, ResourceType, TestKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Config keys that do not affect the data, or that have a part of their own.
const ASIDE: &[&str] = &[
    "tags",
    "meta",
    "docs",
    "group",
    "access",
    "description",
    "enabled",
    "packages",
    "freshness",
    "audit",
    "pre-hook",
    "post-hook",
    "persist_docs",
    "full_refresh",
    "event_time",
    "lookback",
    "begin",
    "batch_size",
    "concurrent_batches",
];

/// Computes the parts of nodes of one project.
pub(super) struct PartWriter<'a> {
    compiler: &'a Compiler,
    /// A fingerprint of the macros that override how every node is stored; empty if there are none.
    storage: String,
    /// The macros reached by each call, cached because many tests make the same call.
    known_calls: RwLock<FastMap<Call, Arc<Vec<String>>>>,
}

/// A call, with the package that it is made from.
type Call = (Arc<str>, CallName);

/// The parts of a node's definition, by name.
pub(super) type Parts = BTreeMap<String, String>;

impl<'a> PartWriter<'a> {
    pub(super) fn new(compiler: &'a Compiler) -> PartWriter<'a> {
        let storage = fingerprint_storage(compiler);
        PartWriter { compiler, storage, known_calls: RwLock::default() }
    }

    /// Adds all parts but the SQL. Returns the error if a seed's file cannot be read.
    pub(super) fn write(&self, node: &Node, parts: &mut Parts) -> Option<Box<Diagnostic>> {
        parts.insert("config".into(), config_text(node));
        match &node.kind {
            NodeKind::Test(TestKind::Generic(test)) => self.write_call(node, test, parts),
            NodeKind::UnitTest(_) => self.write_tested(node, parts),
            _ if node.resource_type() == ResourceType::Test => {}
            _ => {
                self.write_hooks(node, parts);
                self.write_materialization(node, parts);
                write_contract(node, parts);
                write_descriptions(node, parts);
                insert_part(parts, "signature", signature_of(node));
            }
        }
        if is_seed(node) { self.write_data(node, parts) } else { None }
    }

    /// The macro of a generic test, and the test's arguments.
    fn write_call(&self, node: &Node, test: &GenericTest, parts: &mut Parts) {
        let arguments = Json::Object((*test.kwargs).clone()).to_string();
        let name = format!("test_{}", test.name);
        let call = match &test.namespace {
            Some(namespace) => CallName::Package(namespace.to_string(), name),
            None => CallName::Plain(name),
        };
        let asked = self.answers(&node.package, &variable_calls(&arguments));
        insert_part(parts, "arguments", std::iter::once(arguments).chain(asked).collect());
        insert_part(parts, "macro", self.closure_of_call(&node.package, call).to_vec());
    }

    /// What a unit test is made of, and the model that it tests: its text, the variables that it
    /// reads and the macros that it calls.
    fn write_tested(&self, node: &Node, parts: &mut Parts) {
        parts.insert("rows".into(), node.checksum.value.clone());
        for tested in node.depends_on.iter().map(|id| self.compiler.manifest.node(*id)) {
            let text = tested.text.as_ref().map_or("", |text| &*text.raw);
            let mut texts = vec![text.to_owned()];
            texts.extend(self.answers(&tested.package, &variable_calls(text)));
            texts.extend(self.closure_of(&tested.package, calls_of(text)));
            texts.extend(self.functions_of(tested));
            insert_part(parts, "model", texts);
        }
    }

    /// The texts and signatures of the functions that a node calls, and of those that they call.
    fn functions_of(&self, node: &Node) -> Vec<String> {
        let manifest = &self.compiler.manifest;
        let mut stack = node.depends_on.clone();
        let mut seen = BTreeMap::new();
        while let Some(id) = stack.pop() {
            let called = manifest.node(id);
            let text = called.text.as_ref().filter(|_| called.is_function());
            let Some(text) = text.filter(|_| !seen.contains_key(&id)) else { continue };
            let mut texts = signature_of(called);
            texts.push(text.raw.to_string());
            texts.extend(self.answers(&called.package, &variable_calls(&text.raw)));
            texts.extend(self.closure_of(&called.package, calls_of(&text.raw)));
            seen.insert(id, Fingerprint::of_parts(texts).short());
            stack.extend(&called.depends_on);
        }
        seen.into_values().collect()
    }

    /// The unrendered hooks, with the variables that they read and the macros that they call.
    fn write_hooks(&self, node: &Node, parts: &mut Parts) {
        let keys = ["pre-hook", "post-hook"].into_iter();
        let hooks: Vec<(&str, &Json)> =
            keys.filter_map(|key| Some((key, node.config.get(key)?))).collect();
        let lists = || hooks.iter().flat_map(|(_, h)| h.as_array().into_iter().flatten());
        if lists().next().is_none() {
            return;
        }
        let mut texts: Vec<String> =
            hooks.iter().map(|(key, hooks)| format!("{key} {hooks}")).collect();
        let sql: Vec<&str> = lists().filter_map(|h| h.get("sql").and_then(Json::as_str)).collect();
        for text in &sql {
            texts.extend(self.answers(&node.package, &variable_calls(text)));
        }
        let calls: Vec<CallName> = sql.into_iter().flat_map(calls_of).collect();
        texts.extend(self.closure_of(&node.package, calls));
        insert_part(parts, "hooks", texts);
    }

    /// The custom materialization of the node, and the macros that override storage.
    fn write_materialization(&self, node: &Node, parts: &mut Parts) {
        let (registry, context) = (self.compiler.renderer.registry(), &self.compiler.context);
        let materialized = node.materialized();
        let custom =
            registry.materialization(&node.package, &materialized, context.explicit_overrides);
        let mut stored = vec![self.storage.clone()];
        stored.extend(custom.into_iter().flat_map(|def| self.closure_of_macro(def)));
        stored.retain(|text| !text.is_empty());
        insert_part(parts, "materialization", stored);
    }

    /// The fingerprint of a seed's file. Returns the error if the file cannot be read.
    fn write_data(&self, node: &Node, parts: &mut Parts) -> Option<Box<Diagnostic>> {
        let root = camino::Utf8Path::new(self.compiler.manifest.root_of(&node.package));
        let path = root.join(&*node.original_file_path);
        match self.compiler.context.system.fingerprint(&path) {
            Ok(fingerprint) => {
                parts.insert("data".into(), fingerprint.short());
                None
            }
            Err(e) => {
                let d = Diagnostic::error(Code::SeedData, e.to_string());
                Some(Box::new(d.primary(node.span, "")))
            }
        }
    }

    /// The variables and environment variables that an unrendered text reads, with their values.
    fn answers(&self, package: &Arc<str>, calls: &[VariableCall]) -> Vec<String> {
        calls.iter().map(|call| answer_text(&self.compiler.context, package, call)).collect()
    }

    /// Fingerprints of all user macros that calls lead to, as far as the macros' texts show, with
    /// the variables that they read.
    fn closure_of(
        &self,
        package: &Arc<str>,
        calls: impl IntoIterator<Item = CallName>,
    ) -> Vec<String> {
        let registry = self.compiler.renderer.registry();
        let mut stack: Vec<Arc<MacroDef>> =
            calls.into_iter().filter_map(|c| registry.find_call(package, &c).cloned()).collect();
        let mut seen: BTreeMap<Arc<str>, Fingerprint> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        while let Some(def) = stack.pop() {
            if registry.is_internal(&def)
                || seen.insert(def.unique_id.clone(), def.fingerprint).is_some()
            {
                continue;
            }
            asked.extend(self.answers(package, &def.variables));
            stack.extend(def.calls.iter().filter_map(|c| registry.find_call(package, c).cloned()));
        }
        seen.into_iter()
            .map(|(id, fingerprint)| format!("{id} {}", fingerprint.hex()))
            .chain(asked)
            .collect()
    }

    fn closure_of_call(&self, package: &Arc<str>, call: CallName) -> Arc<Vec<String>> {
        let key = (package.clone(), call.clone());
        let known = self.known_calls.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return found.clone();
        }
        drop(known);
        let made = Arc::new(self.closure_of(package, [call]));
        let mut known = self.known_calls.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(key, made.clone());
        made
    }

    fn closure_of_macro(&self, def: &Arc<MacroDef>) -> Vec<String> {
        let mut out = vec![def.fingerprint.hex()];
        out.extend(self.answers(&def.package, &def.variables));
        out.extend(self.closure_of(&def.package, def.calls.iter().cloned()));
        out
    }
}

/// Inserts a part, unless it is empty.
fn insert_part(parts: &mut Parts, name: &str, texts: Vec<String>) {
    if !texts.is_empty() {
        parts.insert(name.to_owned(), Fingerprint::of_parts(texts).short());
    }
}

fn config_text(node: &Node) -> String {
    let counted = node.config.iter().filter(|(k, e)| !ASIDE.contains(k) && !e.value.is_null());
    let config: BTreeMap<&str, &Json> = counted.map(|(k, e)| (k, &e.value)).collect();
    serde_json::to_string(&config).unwrap_or_default()
}

fn write_contract(node: &Node, parts: &mut Parts) {
    if !node.typed.build().is_some_and(|config| config.has_contract) {
        return;
    }
    let columns = node.columns.iter();
    let mut texts: Vec<String> =
        columns.map(|c| format!("{} {:?} {:?}", c.name, c.data_type, c.constraints)).collect();
    if let NodeKind::Model { constraints, .. } = &node.kind {
        texts.extend(constraints.iter().map(Json::to_string));
    }
    insert_part(parts, "contract", texts);
}

/// What a function takes and gives, as it is in the manifest.
fn signature_of(node: &Node) -> Vec<String> {
    let NodeKind::Function(function) = &node.kind else { return Vec::new() };
    let arguments = function.arguments.iter();
    let mut texts: Vec<String> =
        arguments.map(|a| format!("{} {} {:?}", a.name, a.data_type, a.default)).collect();
    texts.extend(function.returns.iter().map(|r| r.data_type.clone()));
    for overload in &function.overloads {
        let arguments = overload.arguments.iter();
        texts.extend(arguments.map(|a| format!("{} {} {:?}", a.name, a.data_type, a.default)));
        texts.extend(overload.returns.iter().map(|r| r.data_type.clone()));
        texts.push(overload.text.raw.to_string());
    }
    texts
}

fn write_descriptions(node: &Node, parts: &mut Parts) {
    if !node.typed.build().is_some_and(|config| config.persists_docs) {
        return;
    }
    let columns = node.columns.iter().flat_map(|c| [c.name.clone(), c.description.clone()]);
    let texts = std::iter::once(node.description.clone()).chain(columns).collect();
    insert_part(parts, "descriptions", texts);
}

fn answer_text(context: &ContextProject, package: &Arc<str>, call: &VariableCall) -> String {
    match (call.is_env, &call.name) {
        (false, Some(name)) => {
            let question = RenderQuestion::Var { package: package.clone(), name: name.clone() };
            format!("var {name} {:?}", context.answer(&question))
        }
        // The name is not a literal, so the call may read any variable.
        (false, None) => format!("vars {}", context.vars.fingerprint().hex()),
        (true, name) => {
            let name = name.clone().unwrap_or_default();
            format!("env {name} {:?}", context.answer(&RenderQuestion::Env(name.clone())))
        }
    }
}

/// A fingerprint of the user macros that override how every node is stored; empty if there are
/// none.
fn fingerprint_storage(compiler: &Compiler) -> String {
    const PUBLIC: &[&str] = &[
        "create_table_as",
        "create_view_as",
        "get_create_view_as_sql",
        "get_create_table_as_sql",
        "get_create_materialized_view_as_sql",
        "create_indexes",
        "strata_snapshot_table",
        "apply_grants",
        "persist_docs",
        "get_incremental_merge_sql",
        "get_incremental_append_sql",
        "get_incremental_delete_insert_sql",
        "get_incremental_microbatch_sql",
        "get_incremental_insert_overwrite_sql",
        "snapshot_staging_table",
        "snapshot_merge_sql",
        "get_merge_sql",
        "get_delete_insert_merge_sql",
        "load_csv_rows",
        "create_csv_table",
        "scalar_function_sql",
    ];
    let registry = compiler.renderer.registry();
    let root = &compiler.manifest.project.name;
    let prints = PUBLIC.iter().flat_map(|name| {
        let plain = CallName::Plain((*name).to_owned());
        let dispatched = CallName::Dispatch((*name).to_owned(), Some("dbt".to_owned()));
        [plain, dispatched].into_iter().filter_map(|call| registry.find_call(root, &call).cloned())
    });
    let own: Vec<String> =
        prints.filter(|d| !registry.is_internal(d)).map(|d| d.fingerprint.hex()).collect();
    if own.is_empty() { String::new() } else { Fingerprint::of_parts(own).hex() }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
