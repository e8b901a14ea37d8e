//! Resolves generic tests, attached to the nodes that they test.

use super::cache::{NodeDescription, ResolvedItem};
use super::names::NodeNaming;
use super::refusals;
use super::{Job, NodeMaker, Resolver};
use crate::config::Json;
use crate::diag::{Code, Diagnostic};
use crate::hash::FastMap;
use crate::jinja::unrendered_config;
use crate::manifest::{
    Checksum, ConfigLayer, FoundNode, GenericTest, Node, NodeConfig, NodeId, NodeKind, NodeLookup,
    NodeText, ResourceType, TestKind, TypedConfig, UniqueId,
};
use crate::parse::{CONFIG_KEYS, EntryKind, ParsedTest, Properties, TestTarget};
use crate::source::Span;
use rayon::prelude::*;
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn tests(&mut self, lookup: &NodeLookup) {
        let ground = self.ground;
        let files = &ground.parsed.properties;
        let all: Vec<(&Arc<Properties>, usize)> =
            files.iter().flat_map(|file| (0..file.tests.len()).map(move |i| (file, i))).collect();
        let jobs: Vec<(Job<'_>, (&ParsedTest, Option<NodeId>))> = all
            .into_par_iter()
            .filter_map(|(file, i)| {
                let parsed = &file.tests[i];
                if ground.overrides.replace(file, parsed) {
                    return None;
                }
                let attached = attached(lookup, parsed);
                let kind = EntryKind::Describes(ResourceType::Test);
                let described = ground.entries.get(kind, &parsed.package, &parsed.name);
                let described =
                    described.map(|(entry, file)| NodeDescription { entry, file, version: None });
                let make =
                    Box::new(move |maker: &mut NodeMaker<'_>| Some(maker.test(parsed, attached)));
                Some((
                    Job { item: ResolvedItem::Test(file.clone(), i), described, make },
                    (parsed, attached),
                ))
            })
            .collect();
        let (jobs, places): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let mut seen: FastMap<UniqueId, Span> =
            FastMap::with_capacity_and_hasher(places.len(), Default::default());
        for ((key, node), (parsed, attached)) in self.nodes_of(jobs).into_iter().zip(places) {
            let Some(mut node) = node else { continue };
            if node.generic_test().is_some_and(|t| t.attached != attached) {
                self.cache.change(key, &mut node, |own| {
                    if let NodeKind::Test(TestKind::Generic(test)) = &mut own.kind {
                        test.attached = attached;
                    }
                });
            }
            if let Some(first) = seen.insert(node.unique_id.clone(), parsed.span) {
                self.findings.project.push(
                    Diagnostic::error(
                        Code::DuplicateName,
                        format!("the test `{}` is written twice", parsed.name),
                    )
                    .primary(parsed.span, "again here")
                    .secondary(first, "first here")
                    .help("give one of them a `name`, or remove it"),
                );
                continue;
            }
            self.push(key, node);
        }
    }
}

/// The call of `config` that dbt appends to the call of a test's macro.
fn config_call(mut pairs: Vec<(String, Json)>) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    pairs.sort_by_key(|(key, _)| {
        CONFIG_KEYS.iter().position(|k| k == key).unwrap_or(CONFIG_KEYS.len())
    });
    let one = |(key, value): &(String, Json)| match value {
        Json::String(text) => format!("{key}=\"{}\"", text.replace('"', "\\\"")),
        other => format!("{key}={}", crate::config::python_str(other)),
    };
    format!("{{{{ config({}) }}}}", pairs.iter().map(one).collect::<Vec<_>>().join(","))
}

impl NodeMaker<'_> {
    #[expect(clippy::too_many_lines, reason = "a line or two for each field of a test")]
    fn test(&mut self, parsed: &ParsedTest, attached: Option<NodeId>) -> Node {
        let package = &parsed.package;
        let unique_id: Arc<str> = format!("test.{package}.{}.{}", parsed.name, parsed.hash).into();
        let dirs = parsed.path.rsplit_once('/').map_or("", |(d, _)| d);
        let mut fqn: Vec<Arc<str>> = vec![package.clone()];
        fqn.extend(dirs.split('/').filter(|d| !d.is_empty()).map(Arc::from));
        fqn.push(parsed.name.clone());
        let root = self.ground.sources.root().name().clone();
        let mut config = NodeConfig::default();
        self.ground.configs.apply(
            package,
            ResourceType::Test,
            &fqn,
            ConfigLayer::ProjectFile,
            &mut config,
        );
        let of_project = self.ground.compare_unrendered.then(|| config.unrendered().clone());
        for (key, value, span) in &parsed.macro_config {
            config.merge(key, value.clone(), ConfigLayer::InFile, *span);
        }
        if let Some((entry, _)) =
            self.ground.entries.get(EntryKind::Describes(ResourceType::Test), package, &parsed.name)
        {
            for (key, value, span) in &entry.patch.config {
                config.merge(key, value.clone(), ConfigLayer::Properties, Some(*span));
            }
        }
        let mut own = Vec::new();
        // Null in the properties counts as not set.
        for (key, value, span) in parsed.config.iter().filter(|(_, value, _)| !value.is_null()) {
            let value = self.rendered(value, package, *span);
            if value.is_null() {
                continue;
            }
            own.push((key.clone(), value.clone()));
            config.merge(key, value, ConfigLayer::InFile, Some(*span));
        }
        if *root != **package {
            self.ground.configs.apply(
                &root,
                ResourceType::Test,
                &fqn,
                ConfigLayer::RootProject,
                &mut config,
            );
        }
        self.check_shapes(&config, ResourceType::Test, parsed.span);
        if parsed.short_name != parsed.name && config.get("alias").is_none() {
            config.merge("alias", Json::from(&*parsed.short_name), ConfigLayer::InFile, None);
        }
        let named = NodeNaming {
            kind: ResourceType::Test,
            package,
            name: &parsed.short_name,
            unique_id: &unique_id,
            path: &parsed.path,
            original_file_path: &parsed.original_file_path,
            fqn: &fqn,
            config: &config,
            version: None,
            span: parsed.span,
        };
        let (alias, relation) = self.ground.names.relation(&named, &mut self.out);
        // The tags of the column and of the test, sorted; those of the model are not inherited
        // (semantics 3.5).
        let mut tags = parsed.column_tags.clone();
        tags.extend(config.list("tags"));
        tags.sort();
        tags.dedup();
        let call = match &parsed.namespace {
            Some(ns) => format!("{ns}.test_{}", parsed.test),
            None => format!("test_{}", parsed.test),
        };
        if parsed.short_name != parsed.name && !own.iter().any(|(key, _)| key == "alias") {
            own.push(("alias".into(), Json::from(&*alias)));
        }
        let raw: Arc<str> =
            format!("{{{{ {call}(**_dbt_generic_test_kwargs) }}}}{}", config_call(own)).into();
        // dbt does not render these two tests, so their unrendered config is not set.
        let rendered = !parsed
            .macro_id
            .as_deref()
            .is_some_and(|id| matches!(id, "macro.dbt.test_unique" | "macro.dbt.test_not_null"));
        if let Some(mut written) = of_project.filter(|_| rendered)
            && let Some(calls) = unrendered_config(&raw)
        {
            written.extend(calls);
            config.set_unrendered(written);
        }
        let mut macros: Vec<Arc<str>> = parsed.macro_id.iter().cloned().collect();
        if rendered
            && let Some(reading) =
                self.ground.renderer.registry().lookup(package, "get_where_subquery")
        {
            macros.push(reading.unique_id.clone());
        }
        let test = GenericTest {
            name: parsed.test.clone(),
            namespace: parsed.namespace.clone(),
            kwargs: parsed.kwargs.clone(),
            column: parsed.column.clone(),
            attached,
            macro_id: parsed.macro_id.clone(),
        };
        let node = Node {
            id: NodeId(0),
            unique_id,
            kind: NodeKind::Test(TestKind::Generic(Box::new(test))),
            name: parsed.name.clone(),
            package: package.clone(),
            path: format!("{}.sql", parsed.short_name).into(),
            original_file_path: parsed.original_file_path.clone(),
            fqn,
            text: Some(NodeText {
                file: parsed.span.file,
                range: (parsed.span.start, parsed.span.end),
                raw,
                steady: None,
            }),
            sql: true,
            tags,
            typed: Arc::new(TypedConfig::read(ResourceType::Test, &config)),
            config: Arc::new(config),
            description: parsed.description.clone(),
            doc_blocks: Vec::new(),
            patch_path: None,
            columns: Vec::new(),
            alias,
            relation: Some(relation),
            refs: parsed.refs.clone(),
            sources: parsed.sources.clone(),
            metrics: Vec::new(),
            functions: parsed.functions.clone(),
            depends_on: Vec::new(),
            macros,
            checksum: Checksum { name: "none".into(), value: String::new() },
            span: parsed.span,
        };
        refusals::check_node(&node, &mut self.out);
        node
    }

    /// Renders a config value of a test, now that all macros are known.
    fn rendered(&mut self, value: &Json, package: &Arc<str>, span: Span) -> Json {
        let Json::String(text) = value else { return value.clone() };
        if !text.contains("{{") && !text.contains("{%") {
            return value.clone();
        }
        let renderer = crate::load::YamlRenderer::new(self.ground.context, package);
        let rendered = renderer
            .value(text, span, &mut self.out)
            .map_or_else(|| value.clone(), |y| y.to_json());
        self.reads.extend(renderer.reads());
        rendered
    }
}

/// The tested node; `None` if it is missing or disabled.
fn attached(lookup: &NodeLookup, parsed: &ParsedTest) -> Option<NodeId> {
    let found = match &parsed.target {
        TestTarget::Node { name, version, .. } => {
            let version = version.as_ref().map(crate::config::python_str);
            // A package may test a node of another package.
            let own =
                lookup.find_ref(Some(&parsed.package), name, version.as_deref(), &parsed.package);
            match own {
                FoundNode::Nothing => {
                    lookup.find_ref(None, name, version.as_deref(), &parsed.package)
                }
                found => found,
            }
        }
        TestTarget::Source { source, table } => lookup.find_source(source, table, &parsed.package),
    };
    match found {
        FoundNode::Node(id) => Some(id),
        FoundNode::Disabled(_) | FoundNode::Nothing => None,
    }
}
