//! What a node itself says, as prints of its parts.
//!
//! A text that asks for nothing but variables, macros and references was rendered at parse: that is
//! its SQL, but for the names of relations. Other nodes are compiled without a database, as on a
//! first build and, where that differs, as on a later one, and what has been compiled is kept with
//! all that it was made of. SQL counts without comments and white space.

use super::reasons::reached;
use crate::cache::{Cache, KeyWriter, Stored};
use crate::compile::{CompileError, Compiler};
use crate::config::Json;
use crate::context::{Bindings, ContextProject, Question, Read};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Existing, ExistingRelation, RelationKind};
use crate::hash::{FastMap, Fingerprint};
use crate::jinja::{CallName, MacroDef, VariableCall, variable_calls};
use crate::manifest::{Materialization, Node, NodeId, NodeKind, ResourceType, TestKind, UniqueId};
use crate::sql::{find_volatile, normalize_sql};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// What a node says, and whether that is all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Own {
    pub(crate) parts: Arc<BTreeMap<String, String>>,
    /// What in it may have another value each time.
    pub(crate) volatile: Option<String>,
    /// It asks the database while it is compiled.
    pub(crate) introspective: bool,
    /// Why it cannot be compiled.
    pub(crate) broken: Option<Box<Diagnostic>>,
}

/// A compiled text: its print and what else there is to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Compiled {
    print: Option<Fingerprint>,
    volatile: Option<String>,
    introspective: bool,
}

/// Compiled prints of earlier commands, by unique id.
#[derive(Debug, Default)]
pub(crate) struct CompileCache {
    nodes: Cache<String, Question, Compiled>,
    compiled: usize,
    /// What nodes said the last time, within a process.
    said: FastMap<UniqueId, Said>,
}

/// What a node said, and what that holds for: the same node, macros and compiled text.
#[derive(Clone, Debug)]
struct Said {
    node: Arc<Node>,
    macros: Fingerprint,
    print: Option<Fingerprint>,
    parts: Arc<BTreeMap<String, String>>,
}

impl CompileCache {
    pub(crate) fn is_changed(&self) -> bool {
        self.nodes.is_changed()
    }

    /// How many nodes were compiled the last time.
    pub(crate) fn compiled(&self) -> usize {
        self.compiled
    }

    /// What the compiled texts of some nodes, by unique id, asked of the world.
    pub(crate) fn reads<'a>(&self, nodes: impl Iterator<Item = &'a str>) -> BTreeSet<&Read> {
        nodes.flat_map(|id| self.nodes.reads_of(id)).collect()
    }
}

impl Stored for CompileCache {
    const FILE: &'static str = "strata_prints.bin";

    fn to_bytes(&mut self) -> Vec<u8> {
        self.nodes.settle();
        rmp_serde::to_vec(&self.nodes).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<CompileCache> {
        let nodes = rmp_serde::from_slice(bytes).ok()?;
        Some(CompileCache { nodes, ..CompileCache::default() })
    }
}

/// Config that says nothing of the data.
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

/// The parts of all nodes that can be built or tested.
pub(crate) fn own_prints(
    compiler: &Compiler,
    nodes: &[NodeId],
    cache: &mut CompileCache,
) -> FastMap<NodeId, Own> {
    let manifest = &compiler.manifest;
    let answers = cache.nodes.answers(|question| compiler.context.answer(question));
    let storage = storage(compiler);
    // What the parts besides SQL are made of, the node apart: the environment is that of the
    // process.
    let macros =
        [compiler.engine.registry().print(), compiler.context.vars.print()].map(Fingerprint::hex);
    let macros = Fingerprint::of_parts(macros);
    let closures = Closures { compiler, known: RwLock::default() };
    let made: Vec<(NodeId, Own, Option<New>, Option<Fingerprint>)> = nodes
        .par_iter()
        .map(|id| {
            let node = &manifest.nodes[id.index()];
            let mut own = Own::default();
            let mut new = None;
            let mut print = None;
            if let Some((text, differs)) = steady(compiler, node) {
                own.volatile = differs;
                print = Some(text);
            } else if needs_compiling(node) {
                let key = key(compiler, node);
                let compiled = match cache.nodes.find(&*node.unique_id, key, &answers) {
                    Some(compiled) => compiled.clone(),
                    None => {
                        let (compiled, reads, broken) = compile(compiler, node);
                        own.broken = broken;
                        new = Some(New { key, reads, compiled: compiled.clone() });
                        compiled
                    }
                };
                own.introspective = compiled.introspective;
                own.volatile = compiled.volatile;
                print = Some(compiled.print.unwrap_or_else(|| Fingerprint::of("")));
            }
            // A seed's file is looked at each time.
            let said = cache.said.get(&node.unique_id).filter(|s| {
                Arc::ptr_eq(&s.node, node)
                    && s.macros == macros
                    && s.print == print
                    && !is_seed(node)
            });
            match said {
                Some(said) => own.parts = said.parts.clone(),
                None => {
                    let mut parts = BTreeMap::new();
                    if let Some(print) = print {
                        parts.insert("SQL".to_owned(), print.short());
                    }
                    own.broken =
                        own.broken.take().or(say(compiler, node, &closures, &storage, &mut parts));
                    own.parts = Arc::new(parts);
                }
            }
            (*id, own, new, print)
        })
        .collect();
    cache.compiled = made.iter().filter(|(_, _, new, _)| new.is_some()).count();
    if cache.compiled > 0 {
        cache.nodes.retain(|id| manifest.by_unique_id.contains_key(&**id));
    }
    let mut out = FastMap::with_capacity_and_hasher(made.len(), Default::default());
    cache.said.reserve(made.len().saturating_sub(cache.said.len()));
    for (id, own, new, print) in made {
        let node = &manifest.nodes[id.index()];
        if let Some(New { key, reads, compiled }) = new {
            cache.nodes.insert(node.unique_id.to_string(), key, reads, compiled);
        }
        let said = Said { node: node.clone(), macros, print, parts: own.parts.clone() };
        cache.said.insert(node.unique_id.clone(), said);
        out.insert(id, own);
    }
    out
}

struct New {
    key: Fingerprint,
    reads: BTreeSet<Read>,
    compiled: Compiled,
}

fn is_seed(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Seed)
}

fn needs_compiling(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Model { .. } => node.sql && !node.is_ephemeral(),
        NodeKind::Snapshot | NodeKind::Test(TestKind::Singular) => true,
        _ => false,
    }
}

/// The print of a text that is known without compiling it, with the relations that it refers to,
/// and what in it differs each time.
fn steady(compiler: &Compiler, node: &Node) -> Option<(Fingerprint, Option<String>)> {
    let of = |node: &Node| node.text.as_ref()?.steady.clone();
    let own = of(node).filter(|_| needs_compiling(node))?;
    let relation =
        |node: &Node| node.relation.as_ref().map(|r| r.render(compiler.manifest.project.dialect));
    let mut volatile = own.volatile;
    let mut parts = vec![own.print.hex(), relation(node).unwrap_or_default()];
    for parent in reached(&compiler.manifest, node).into_iter().map(|id| compiler.manifest.node(id))
    {
        parts.push(parent.unique_id.to_string());
        parts.push(relation(parent).unwrap_or_default());
        if parent.is_ephemeral() {
            let inside = of(parent)?;
            parts.push(inside.print.hex());
            volatile = volatile.or(inside.volatile);
        }
    }
    Some((Fingerprint::of_parts(parts), volatile))
}

/// What a compiled text is made of, besides what its render asks: the text, names, config,
/// ephemeral models.
fn key(compiler: &Compiler, node: &Node) -> Fingerprint {
    let manifest = &compiler.manifest;
    let relation = |node: &Node| node.relation.as_ref().map(|r| r.render(manifest.project.dialect));
    let written = |mut key: KeyWriter, node: &Node| {
        key = key.optional(node.text.as_ref().map(|t| &*t.raw));
        for (name, entry) in node.config.iter() {
            key = key.text(name).text(&entry.value.to_string());
        }
        key
    };
    let mut key = written(KeyWriter::new("compile"), node).optional(relation(node).as_deref());
    for parent in reached(manifest, node).into_iter().map(|id| manifest.node(id)) {
        if parent.is_ephemeral() {
            key = written(key, parent);
        }
        key = key.optional(relation(parent).as_deref());
    }
    key.finish()
}

fn compile(
    compiler: &Compiler,
    node: &Node,
) -> (Compiled, BTreeSet<Read>, Option<Box<Diagnostic>>) {
    let bindings = Arc::new(Bindings::default());
    let mut forms = vec![Existing::Unknown];
    if let (true, Some(relation)) =
        (node.materialization().is_some_and(Materialization::grows), &node.relation)
    {
        // As on a later build: the table is there. Its columns are left out, so that the print does
        // not follow them.
        let relation = ExistingRelation::new(relation.clone(), RelationKind::Table, Vec::new());
        forms.push(Existing::known(
            compiler.manifest.project.dialect,
            vec![relation],
            HashSet::new(),
        ));
    }
    let volatile = compiler.manifest.project.target.engine.volatile_functions;
    let mut reads = BTreeSet::new();
    let mut texts = Vec::new();
    let mut out = Compiled::default();
    for existing in forms {
        match compiler.compile(node.id, &bindings, &Arc::new(existing), None) {
            Ok(compiled) => {
                let sql = compiled.sql.as_str();
                out.volatile = out.volatile.or_else(|| find_volatile(sql, volatile));
                out.volatile = out
                    .volatile
                    .or_else(|| compiled.reads.iter().find_map(|r| changing(&r.question)));
                reads.extend(compiled.reads);
                texts.push(normalize_sql(compiled.sql.as_str()));
            }
            Err(CompileError::NeedsDatabase) => {
                out.introspective = true;
                // What it says can still be told by its text.
                texts.push(node.text.as_ref().map(|t| normalize_sql(&t.raw)).unwrap_or_default());
                reads.insert(Read::never());
            }
            Err(CompileError::Diagnostic(d)) => {
                reads.insert(Read::never());
                return (Compiled::default(), reads, Some(d));
            }
        }
    }
    out.print = Some(Fingerprint::of_parts(texts));
    (out, reads, None)
}

/// What a template asks that has another answer in each command.
fn changing(question: &Question) -> Option<String> {
    match question {
        Question::Now => Some("the time".to_owned()),
        Question::Started => Some("run_started_at".to_owned()),
        Question::Invocation => Some("invocation_id".to_owned()),
        _ => None,
    }
}

/// The parts besides compiled SQL; what is wrong with a seed's file.
fn say(
    compiler: &Compiler,
    node: &Node,
    closures: &Closures<'_>,
    storage: &str,
    parts: &mut BTreeMap<String, String>,
) -> Option<Box<Diagnostic>> {
    let config: BTreeMap<&str, &Json> = node
        .config
        .iter()
        .filter(|(k, e)| !ASIDE.contains(k) && !e.value.is_null())
        .map(|(k, e)| (k, &e.value))
        .collect();
    parts.insert("config".into(), serde_json::to_string(&config).unwrap_or_default());
    let mut part = |name: &str, texts: Vec<String>| {
        if !texts.is_empty() {
            parts.insert(name.to_owned(), Fingerprint::of_parts(texts).short());
        }
    };
    if let NodeKind::Test(TestKind::Generic(test)) = &node.kind {
        let arguments = Json::Object((*test.kwargs).clone()).to_string();
        let call = match &test.namespace {
            Some(ns) => CallName::Package(ns.to_string(), format!("test_{}", test.name)),
            None => CallName::Plain(format!("test_{}", test.name)),
        };
        let asked = world(&compiler.context, &node.package, &variable_calls(&arguments));
        part("arguments", std::iter::once(arguments).chain(asked).collect());
        part("macro", closures.of_call(&node.package, call).to_vec());
        return None;
    }
    if node.resource_type() == ResourceType::Test {
        return None;
    }
    let hooks: Vec<&Json> =
        ["pre-hook", "post-hook"].iter().filter_map(|k| node.config.get(k)).collect();
    if hooks.iter().any(|h| h.as_array().is_some_and(|list| !list.is_empty())) {
        let mut texts: Vec<String> = hooks.iter().map(|h| h.to_string()).collect();
        let sql = hooks.iter().flat_map(|h| h.as_array().into_iter().flatten());
        let sql: Vec<&str> = sql.filter_map(|h| h.get("sql").and_then(Json::as_str)).collect();
        texts.extend(
            sql.iter()
                .flat_map(|text| world(&compiler.context, &node.package, &variable_calls(text))),
        );
        let calls: Vec<CallName> = sql.into_iter().flat_map(crate::jinja::calls_of).collect();
        texts.extend(closures.of(&node.package, calls));
        part("hooks", texts);
    }
    let context = &compiler.context;
    let registry = compiler.engine.registry();
    let custom =
        registry.materialization(&node.package, &node.materialized(), context.explicit_overrides);
    let mut stored = vec![storage.to_owned()];
    if let Some(custom) = custom {
        stored.extend(closures.of_macro(custom));
    }
    part("materialization", stored.into_iter().filter(|s| !s.is_empty()).collect());
    let config = node.typed.build();
    if config.is_some_and(|config| config.has_contract) {
        let columns = node
            .columns
            .iter()
            .map(|c| format!("{} {:?} {:?}", c.name, c.data_type, c.constraints));
        let own: Vec<String> = match &node.kind {
            NodeKind::Model { constraints, .. } => {
                constraints.iter().map(Json::to_string).collect()
            }
            _ => Vec::new(),
        };
        part("contract", columns.chain(own).collect());
    }
    if config.is_some_and(|config| config.persists_docs) {
        let columns = node.columns.iter().flat_map(|c| [c.name.clone(), c.description.clone()]);
        part("descriptions", std::iter::once(node.description.clone()).chain(columns).collect());
    }
    if !is_seed(node) {
        return None;
    }
    let root = camino::Utf8Path::new(compiler.manifest.root_of(&node.package));
    match context.system.print(&root.join(&*node.original_file_path)) {
        Ok(print) => {
            parts.insert("data".into(), print.short());
            None
        }
        Err(e) => {
            Some(Box::new(Diagnostic::error(Code::SeedData, e.to_string()).primary(node.span, "")))
        }
    }
}

/// The macros by which a project changes how all nodes are stored.
fn storage(compiler: &Compiler) -> String {
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
    ];
    let registry = compiler.engine.registry();
    let root = &compiler.manifest.project.name;
    let prints = PUBLIC.iter().flat_map(|name| {
        let plain = CallName::Plain((*name).to_owned());
        let dispatched = CallName::Dispatch((*name).to_owned(), Some("dbt".to_owned()));
        [plain, dispatched].into_iter().filter_map(|call| registry.find_call(root, &call).cloned())
    });
    let own: Vec<String> =
        prints.filter(|d| !registry.is_internal(d)).map(|d| d.print.hex()).collect();
    if own.is_empty() { String::new() } else { Fingerprint::of_parts(own).hex() }
}

/// What a text that is not rendered here asks of variables and the environment, with the answers.
fn world(context: &ContextProject, package: &Arc<str>, calls: &[VariableCall]) -> Vec<String> {
    let one = |call: &VariableCall| match (call.env, &call.name) {
        (false, Some(name)) => {
            let question = Question::Var { package: package.clone(), name: name.clone() };
            format!("var {name} {:?}", context.answer(&question))
        }
        // Which one is not written out: all count.
        (false, None) => format!("vars {}", context.vars.print().hex()),
        (true, name) => {
            let name = name.clone().unwrap_or_default();
            format!("env {name} {:?}", context.answer(&Question::Env(name.clone())))
        }
    };
    calls.iter().map(one).collect()
}

/// What macros may call, as far as their texts tell.
struct Closures<'a> {
    compiler: &'a Compiler,
    /// Those of single calls: many tests make the same one.
    known: RwLock<FastMap<Call, Arc<Vec<String>>>>,
}

/// A call, and the package in which it is written.
type Call = (Arc<str>, CallName);

impl Closures<'_> {
    /// Prints of the project's macros that calls lead to.
    fn of(&self, package: &Arc<str>, calls: impl IntoIterator<Item = CallName>) -> Vec<String> {
        let registry = self.compiler.engine.registry();
        let mut stack: Vec<Arc<MacroDef>> =
            calls.into_iter().filter_map(|c| registry.find_call(package, &c).cloned()).collect();
        let mut seen: BTreeMap<Arc<str>, Fingerprint> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        while let Some(def) = stack.pop() {
            if registry.is_internal(&def) || seen.insert(def.unique_id.clone(), def.print).is_some()
            {
                continue;
            }
            asked.extend(world(&self.compiler.context, package, &def.variables));
            stack.extend(def.calls.iter().filter_map(|c| registry.find_call(package, c).cloned()));
        }
        seen.into_iter().map(|(id, print)| format!("{id} {}", print.hex())).chain(asked).collect()
    }

    fn of_call(&self, package: &Arc<str>, call: CallName) -> Arc<Vec<String>> {
        let key = (package.clone(), call.clone());
        if let Some(found) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return found.clone();
        }
        let made = Arc::new(self.of(package, [call]));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        made
    }

    fn of_macro(&self, def: &Arc<MacroDef>) -> Vec<String> {
        let mut out = vec![def.print.hex()];
        out.extend(world(&self.compiler.context, &def.package, &def.variables));
        out.extend(self.of(&def.package, def.calls.iter().cloned()));
        out
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::Steady;
    use crate::resolve::testing::project;

    /// What is known of a model's text without compiling it.
    fn steady(sql: &str) -> Option<Steady> {
        let (manifest, _) = project(&[
            ("models/a.sql", "select 1 as id"),
            ("models/b.sql", "select 1 as id"),
            ("models/m.sql", sql),
            (
                "macros/m.sql",
                "{% macro plain(x) %}{{ x }} + {{ var('n', 1) }}{% endmacro %}{% macro asks() %}{{ this }}{% endmacro %}",
            ),
        ]);
        manifest.get("model.shop.m").unwrap().text.as_ref().unwrap().steady.clone()
    }

    #[test]
    fn a_text_is_rendered_once_unless_running_may_make_it_another() {
        let same = [
            "select 1 as id",
            "{{ config(materialized='table') }} select {{ plain('id') }} from {{ ref('a') }} -- {{ target.name }}",
            "{% set x = ref('a') %}{% for i in range(2) %}select {{ i }} from {{ x }}{% endfor %}",
        ];
        for sql in same {
            assert!(steady(sql).is_some(), "{sql}");
        }
        let other = [
            "{% if execute %}select 1{% endif %}",
            "select '{{ this }}' as x",
            "select '{{ asks() }}' as x",
            "select 1 {% if is_incremental() %}where true{% endif %}",
            "select '{{ config.get('x') }}' as x",
            "select '{{ ref('a').identifier }}' as x",
            "select '{{ ref('a').render() }}' as x",
            "select {% if ref('a') == ref('b') %}1{% else %}2{% endif %} as x",
            "select '{{ run_started_at }}' as x",
            "select {{ nobody() }}",
            "{% set rows = run_query('select 1') %}select 1",
            "select {{ adapter.quote('x') }} from {{ ref('a') }}",
        ];
        for sql in other {
            assert!(steady(sql).is_none(), "{sql}");
        }
    }

    #[test]
    fn what_a_text_refers_to_counts_by_place() {
        let sets = "{% set x = ref('a') %}{% set y = ref('b') %}";
        let print = |sql: &str| steady(sql).unwrap().print;
        let text = print(&format!("{sets}select * from {{{{ x }}}}, {{{{ y }}}}"));
        assert_ne!(text, print(&format!("{sets}select * from {{{{ y }}}}, {{{{ x }}}}")));
        assert_eq!(text, print("select *  from {{ ref('a') }}, -- two\n {{ ref('b') }}"));
        assert_eq!(
            steady("select current_date as d").unwrap().volatile.as_deref(),
            Some("current_date")
        );
    }
}
