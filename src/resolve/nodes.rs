//! Resolves models, seeds, snapshots, analyses, singular tests and hooks.

use super::cache::{NodeDescription, ResolvedItem};
use super::docs::Described;
use super::functions::{Overloads, add_overloads};
use super::names::NodeNaming;
use super::refusals;
use super::{Entries, Job, NodeMaker, Resolver};
use crate::config::{Json, JsonMap, config_problem, python_str};
use crate::context::RenderSubject;
use crate::diag::{Code, DbtEvent, Diagnostic, nearest_name};
use crate::engine::Relation;
use crate::hash::{FastSet, sha256_hex};
use crate::jinja::{is_read_statically, unrendered_config};
use crate::manifest::{
    Access, Checksum, Column, ConfigLayer, Node, NodeConfig, NodeId, NodeKind, ResourceType,
    TestKind, TypedConfig, VersionInfo, same_version,
};
use crate::parse::{
    EntryKind, ParsedNode, Patch, Properties, PropertyEntry, VersionPatch, parse_hook_text,
};
use crate::source::Span;
use std::ptr;
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn nodes(&mut self) {
        let mut described = FastSet::default();
        let overloads = Overloads::find(self.ground, &mut self.findings.project);
        let mut jobs = Vec::with_capacity(self.ground.parsed.nodes.len());
        for parsed in &self.ground.parsed.nodes {
            if overloads.has_absorbed(parsed) {
                continue;
            }
            let found = self.ground.entries.describe(parsed);
            described.extend(found.map(|d| ptr::from_ref(d.entry).addr()));
            let files = overloads.of(parsed);
            let make = Box::new(move |maker: &mut NodeMaker<'_>| {
                let mut node = maker.node(parsed, found);
                add_overloads(&mut node, files);
                Some(node)
            });
            let item = match files {
                [] => ResolvedItem::Node(parsed.clone()),
                files => {
                    let files = files.iter().map(|file| file.parsed.clone());
                    ResolvedItem::Function(parsed.clone(), files.collect())
                }
            };
            jobs.push(Job { item, described: found, make });
        }
        self.add(jobs);
        self.yaml_snapshots(&mut described);
        self.undescribed(&described);
    }

    /// Adds snapshots that are defined in YAML only: `relation: ref('x')`.
    fn yaml_snapshots(&mut self, described: &mut FastSet<usize>) {
        let mut jobs = Vec::new();
        for file in &self.ground.parsed.properties {
            for (i, entry) in file.entries.iter().enumerate() {
                let kind = EntryKind::Describes(ResourceType::Snapshot);
                let Some(relation) = entry.map.get("relation").filter(|_| entry.kind == kind)
                else {
                    continue;
                };
                let Some(text) = relation.scalar_text() else { continue };
                let d = NodeDescription { entry, file, version: None };
                described.insert(ptr::from_ref(entry).addr());
                let make = Box::new(move |maker: &mut NodeMaker<'_>| {
                    let whole = maker.ground.sources.map.text(relation.span.file);
                    let checksum =
                        Checksum { name: "sha256".into(), value: sha256_hex(whole.trim()) };
                    let parsed = ParsedNode {
                        checksum,
                        ..others_snapshot(entry, file, &text, relation.span)
                    };
                    let mut node = maker.node(&parsed, Some(d));
                    if let Some((refs, sources)) =
                        maker.expression_references(&text, &file.package, relation.span)
                    {
                        node.refs = refs;
                        node.sources = sources;
                    }
                    Some(node)
                });
                jobs.push(Job {
                    item: ResolvedItem::Entry(file.clone(), i),
                    described: Some(d),
                    make,
                });
            }
        }
        self.add(jobs);
    }

    /// Warns of entries that describe no node.
    fn undescribed(&mut self, described: &FastSet<usize>) {
        for file in &self.ground.parsed.properties {
            for entry in &file.entries {
                let EntryKind::Describes(kind) = entry.kind else { continue };
                // A generic test may be described by its name, which is not known yet. Duplicate
                // descriptions have been reported already.
                let first = self.ground.entries.get(entry.kind, &file.package, &entry.name);
                let twice = first.is_none_or(|(first, _)| !ptr::eq(first, entry));
                if kind == ResourceType::Test
                    || twice
                    || described.contains(&ptr::from_ref(entry).addr())
                {
                    continue;
                }
                let names =
                    self.nodes.iter().filter(|n| n.resource_type() == kind).map(|n| &*n.name);
                let near = nearest_name(&entry.name, names).map(str::to_owned);
                self.findings.project.push(
                    Diagnostic::dbt_warning(
                        Code::UnknownNode,
                        DbtEvent::NoNodeForYamlKey,
                        format!("there is no {} `{}` to describe", kind.as_str(), entry.name),
                    )
                    .primary(entry.span, "described here")
                    .did_you_mean(near),
                );
            }
        }
    }
}

impl<'a> Entries<'a> {
    /// The entry that describes a node. A model's file may be that of a version: `m_v2.sql`,
    /// `m.v2.sql`, the file in `defined_in`, or `m.sql` for the latest version.
    pub(super) fn describe(&self, parsed: &ParsedNode) -> Option<NodeDescription<'a>> {
        let kind = EntryKind::Describes(parsed.kind);
        if let Some((entry, file)) = self.get(kind, &parsed.package, &parsed.name) {
            if entry.patch.versions.is_empty() {
                return Some(NodeDescription { entry, file, version: None });
            }
            let latest = entry
                .patch
                .latest_version
                .clone()
                .unwrap_or_else(|| latest_of(&entry.patch.versions));
            let version = entry.patch.versions.iter().find(|v| {
                v.defined_in.as_deref() == Some(&*parsed.name)
                    || (v.defined_in.is_none() && same_version(&v.version, &latest))
            });
            return version.map(|v| NodeDescription { entry, file, version: Some(v) });
        }
        if parsed.kind != ResourceType::Model {
            return None;
        }
        // Look for a version that has this file.
        for (entry, file) in
            self.versioned.iter().filter(|(_, file)| file.package == parsed.package)
        {
            for v in &entry.patch.versions {
                let expected = match &v.defined_in {
                    Some(file) => file == &*parsed.name,
                    None => {
                        let text = python_str(&v.version);
                        parsed.name.strip_prefix(&*entry.name).is_some_and(|rest| {
                            rest == format!("_v{text}")
                                || rest == format!(".v{text}")
                                || rest == format!("_v{}", text.replace('.', "_"))
                        })
                    }
                };
                if expected {
                    return Some(NodeDescription { entry, file, version: Some(v) });
                }
            }
        }
        None
    }
}

impl NodeMaker<'_> {
    pub(super) fn node(
        &mut self,
        parsed: &ParsedNode,
        described: Option<NodeDescription<'_>>,
    ) -> Node {
        let mut fqn = parsed.fqn.clone();
        let mut name = parsed.name.clone();
        let mut version = None;
        if let Some((d, v)) = described.as_ref().and_then(|d| Some((d, d.version?))) {
            name = d.entry.name.clone();
            fqn.pop();
            fqn.extend([name.clone(), format!("v{}", python_str(&v.version)).into()]);
            let versions = &d.entry.patch.versions;
            let latest =
                d.entry.patch.latest_version.clone().unwrap_or_else(|| latest_of(versions));
            version = Some(VersionInfo { version: v.version.clone(), latest });
        }
        let suffix =
            version.as_ref().map(|v| format!(".v{}", python_str(&v.version))).unwrap_or_default();
        let unique_id: Arc<str> =
            format!("{}.{}.{}{suffix}", parsed.kind.as_str(), parsed.package, name).into();
        let mut config = self.config(parsed, &fqn, described.as_ref());
        let batches = self.microbatch(parsed, &mut config);
        if self.ground.compare_unrendered {
            config.set_unrendered(self.unrendered(parsed, &fqn, described.as_ref()));
        }
        let named = NodeNaming {
            kind: parsed.kind,
            package: &parsed.package,
            name: &name,
            unique_id: &unique_id,
            path: &parsed.path,
            original_file_path: &parsed.original_file_path,
            fqn: &fqn,
            config: &config,
            version: version.as_ref().map(|v| &v.version),
            span: parsed.span,
        };
        let (alias, relation) = if config.enabled() {
            self.ground.names.relation(&named, &mut self.out)
        } else {
            (name.clone(), Relation::new(None, None, &name))
        };
        let (description, columns) = self.described(&parsed.package, described.as_ref());
        let kind = self.node_kind(parsed, described.as_ref(), version, &config);
        let stored = !matches!(parsed.kind, ResourceType::Operation | ResourceType::Analysis);
        let mut node = Node {
            id: NodeId(0),
            unique_id,
            kind,
            name,
            package: parsed.package.clone(),
            path: parsed.path.clone(),
            original_file_path: parsed.original_file_path.clone(),
            fqn,
            text: parsed.text.clone(),
            sql: parsed.sql,
            tags: remove_duplicates(config.list("tags")),
            typed: Arc::new(TypedConfig::read(parsed.kind, &config).with_microbatch(batches)),
            config: Arc::new(config),
            description: description.text,
            doc_blocks: description.doc_blocks,
            patch_path: described
                .as_ref()
                .map(|d| format!("{}://{}", d.file.package, d.file.original_file_path)),
            columns,
            alias,
            relation: stored.then_some(relation),
            refs: parsed.refs.clone(),
            sources: parsed.sources.clone(),
            metrics: parsed.metrics.clone(),
            functions: parsed.functions.clone(),
            depends_on: Vec::new(),
            macros: parsed.macros.clone(),
            checksum: parsed.checksum.clone(),
            span: parsed.span,
        };
        if parsed.kind != ResourceType::Operation {
            self.hooks(&mut node);
        }
        self.constraints(&mut node);
        refusals::check_node(&node, &mut self.out);
        node
    }

    fn config(
        &mut self,
        parsed: &ParsedNode,
        fqn: &[Arc<str>],
        described: Option<&NodeDescription<'_>>,
    ) -> NodeConfig {
        let mut config = self.merge_layers(parsed.kind, parsed, fqn, described);
        self.check_shapes(&config, parsed.kind, parsed.span);
        if parsed.kind == ResourceType::Function {
            // dbt takes the unrendered configs of functions from the section of models.
            let of_models = self.merge_layers(ResourceType::Model, parsed, fqn, described);
            config.set_unrendered(of_models.unrendered().clone());
        }
        config
    }

    /// Merges the configs in dbt's order (semantics 3.1), those of project files from the sections
    /// of a resource type.
    fn merge_layers(
        &self,
        kind: ResourceType,
        parsed: &ParsedNode,
        fqn: &[Arc<str>],
        described: Option<&NodeDescription<'_>>,
    ) -> NodeConfig {
        let mut config = NodeConfig::default();
        let root = self.ground.sources.root().name().clone();
        let own = *root == *parsed.package;
        self.ground.configs.apply(
            &parsed.package,
            kind,
            fqn,
            ConfigLayer::ProjectFile,
            &mut config,
        );
        if let Some(d) = described {
            let version = d.version.map(|v| v.config.as_slice()).unwrap_or_default();
            if let Some((access, span)) = &d.entry.patch.access {
                config.merge(
                    "access",
                    Json::from(access.as_str()),
                    ConfigLayer::Properties,
                    Some(*span),
                );
            }
            for (key, value, span) in d.entry.patch.config.iter().chain(version) {
                config.merge(key, value.clone(), ConfigLayer::Properties, Some(*span));
            }
        }
        for (key, value, span) in &parsed.config {
            config.merge(key, value.clone(), ConfigLayer::InFile, *span);
        }
        if !own {
            self.ground.configs.apply(&root, kind, fqn, ConfigLayer::RootProject, &mut config);
        }
        config
    }

    /// dbt's `unrendered_config`, for the comparison of states by unrendered values: configs in
    /// properties before rendering, and arguments of config calls as they are in the text.
    fn unrendered(
        &self,
        parsed: &ParsedNode,
        fqn: &[Arc<str>],
        described: Option<&NodeDescription<'_>>,
    ) -> JsonMap {
        let mut config = NodeConfig::default();
        let root = self.ground.sources.root().name().clone();
        self.ground.configs.apply(
            &parsed.package,
            parsed.kind,
            fqn,
            ConfigLayer::ProjectFile,
            &mut config,
        );
        if let Some(d) = described {
            if let Some((access, _)) = &d.entry.patch.access {
                config.merge("access", Json::from(access.as_str()), ConfigLayer::Properties, None);
            }
            merge_as_written(&mut config, &d.entry.patch.config, &d.entry.patch.unrendered);
            if let Some(version) = d.version {
                merge_as_written(&mut config, &version.config, &version.unrendered);
            }
        }
        let mut written = config.unrendered().clone();
        let text = parsed
            .text
            .as_ref()
            .map(|text| &*text.raw)
            .filter(|raw| parsed.kind != ResourceType::Model || !is_read_statically(raw));
        match text.and_then(unrendered_config).filter(|calls| !calls.is_empty()) {
            Some(calls) => written.extend(calls),
            None => written
                .extend(parsed.config.iter().map(|(key, value, _)| (key.clone(), value.clone()))),
        }
        if *root != *parsed.package {
            let mut above = NodeConfig::default();
            self.ground.configs.apply(
                &root,
                parsed.kind,
                fqn,
                ConfigLayer::RootProject,
                &mut above,
            );
            written.extend(above.unrendered().clone());
        }
        written
    }

    /// Reports configs whose values have the wrong type. Templates are skipped, since their result
    /// is not known here.
    pub(super) fn check_shapes(&mut self, config: &NodeConfig, kind: ResourceType, span: Span) {
        let of_test = kind == ResourceType::Test;
        if !of_test
            && !matches!(kind, ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot)
        {
            return;
        }
        for (key, value) in config.unrendered() {
            if value.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%")) {
                continue;
            }
            let place = config.entry(key).and_then(|e| e.span).unwrap_or(span);
            self.out.extend(config_problem(key, value, of_test, Some(place)));
        }
    }

    fn node_kind(
        &mut self,
        parsed: &ParsedNode,
        described: Option<&NodeDescription<'_>>,
        version: Option<VersionInfo>,
        config: &NodeConfig,
    ) -> NodeKind {
        match parsed.kind {
            ResourceType::Seed => NodeKind::Seed,
            ResourceType::Snapshot => NodeKind::Snapshot,
            ResourceType::Analysis => NodeKind::Analysis,
            ResourceType::Test => NodeKind::Test(TestKind::Singular),
            ResourceType::Function => {
                let entry = described.map(|d| d.entry);
                let function = self.function(&parsed.name, entry, config, parsed.span);
                NodeKind::Function(Box::new(function))
            }
            ResourceType::Operation => {
                let (on_run_end, index) = parsed.hook.unwrap_or_default();
                NodeKind::Operation { on_run_end, index }
            }
            _ => {
                let patch = described.map(|d| &d.entry.patch);
                self.model_kind(patch, described.and_then(|d| d.version), version, config)
            }
        }
    }

    fn model_kind(
        &mut self,
        patch: Option<&Patch>,
        v: Option<&VersionPatch>,
        version: Option<VersionInfo>,
        config: &NodeConfig,
    ) -> NodeKind {
        let written = config.text("access").map(|a| a.into_owned());
        let written = written.or_else(|| v.and_then(|v| v.access.clone()));
        let written =
            written.or_else(|| patch.and_then(|p| p.access.as_ref()).map(|(a, _)| a.clone()));
        let access = match written.as_deref().map(Access::parse) {
            None => Access::default(),
            Some(Some(access)) => access,
            Some(None) => {
                let span = patch.and_then(|p| p.access.as_ref()).map(|(_, s)| *s);
                self.out.push(
                    Diagnostic::error(
                        Code::Access,
                        format!(
                            "`access` is private, protected or public, not `{}`",
                            written.unwrap_or_default()
                        ),
                    )
                    .primary_if(span, ""),
                );
                Access::default()
            }
        };
        if access == Access::Public && config.text("materialized").as_deref() == Some("ephemeral") {
            let span = patch.and_then(|p| p.access.as_ref()).map(|(_, s)| *s);
            let d = Diagnostic::error(
                Code::Access,
                "an ephemeral model is not public: others have nothing to read",
            );
            self.out.push(d.primary_if(span, ""));
        }
        // As in dbt, a version does not have the date of the whole model.
        let written = match v {
            Some(v) => v.deprecation_date.as_ref(),
            None => patch.and_then(|p| p.deprecation_date.as_ref()),
        };
        NodeKind::Model {
            version,
            access,
            group: config.text("group").map(|g| g.into_owned().into()),
            deprecation: written.map(|written| Box::new(self.deprecation(written))),
            constraints: v
                .and_then(|v| v.constraints.clone())
                .or_else(|| patch.map(|p| p.constraints.clone()))
                .unwrap_or_default(),
            time_spine: patch.and_then(|p| p.time_spine.clone()).map(Box::new),
        }
    }

    /// The description and the columns, with doc blocks inserted.
    fn described(
        &mut self,
        package: &Arc<str>,
        described: Option<&NodeDescription<'_>>,
    ) -> (Described, Vec<Column>) {
        let Some(d) = described else { return (Described::default(), Vec::new()) };
        let text =
            d.version.and_then(|v| v.description.as_ref()).unwrap_or(&d.entry.patch.description);
        let description = self.ground.docs.describe(text, package, d.entry.span, &mut self.out);
        let columns = d.version.map_or(&d.entry.patch.columns, |v| &v.columns);
        (description, self.describe_columns(columns, package, d.entry.span))
    }

    /// Columns with their descriptions rendered. `whole` is the place of those without one.
    pub(super) fn describe_columns(
        &mut self,
        columns: &[Column],
        package: &Arc<str>,
        whole: Span,
    ) -> Vec<Column> {
        let docs = &self.ground.docs;
        let mut out = Vec::with_capacity(columns.len());
        for column in columns {
            let place = column.span.unwrap_or(whole);
            let Described { text, doc_blocks } =
                docs.describe(&column.description, package, place, &mut self.out);
            out.push(Column { description: text, doc_blocks, ..column.clone() });
        }
        out
    }

    /// Adds the targets of a contract's foreign keys to the references, so that they are built
    /// first.
    fn constraints(&mut self, node: &mut Node) {
        let NodeKind::Model { constraints, .. } = &node.kind else { return };
        let of_columns = node.columns.iter().flat_map(|c| &c.constraints);
        let keys: Vec<String> = (constraints.iter().chain(of_columns))
            .filter_map(|c| c.get("to").and_then(Json::as_str))
            .filter(|to| to.contains("ref(") || to.contains("source("))
            .map(str::to_owned)
            .collect();
        for to in keys {
            if let Some((refs, sources)) =
                self.expression_references(&to, &node.package.clone(), node.span)
            {
                node.refs.extend(refs);
                node.sources.extend(sources);
            }
        }
    }

    /// Adds the references of pre- and post-hooks to those of the node.
    fn hooks(&mut self, node: &mut Node) {
        for key in ["pre-hook", "post-hook"] {
            let Some(entry) = node.config.entry(key).cloned() else { continue };
            let span = entry.span.unwrap_or(node.span);
            for hook in entry.value.as_array().into_iter().flatten() {
                let sql = hook.get("sql").and_then(Json::as_str).unwrap_or_default();
                let subject = RenderSubject {
                    unique_id: node.unique_id.clone(),
                    name: node.name.clone(),
                    kind: node.resource_type(),
                    file: None,
                    this: node.relation.clone(),
                    config: node.config.clone(),
                    node: None,
                    model: Json::Object(JsonMap::new()),
                    compiled: None,
                    extra: Vec::new(),
                    overrides: None,
                    overload: None,
                };
                let hook = parse_hook_text(
                    self.ground.renderer,
                    self.ground.context,
                    subject,
                    &node.package,
                    sql,
                    span,
                )
                .drain_into(&mut self.out);
                self.reads.extend(hook.reads);
                if node.resource_type() == ResourceType::Seed && !hook.refs.is_empty() {
                    let message = format!(
                        "Seeds cannot depend on other nodes, but a hook of the seed `{}` uses `ref`",
                        node.name
                    );
                    let d = Diagnostic::error(Code::UnknownRef, message).primary(span, "");
                    self.out.push(d.help("write it into a hook of a model that reads the seed"));
                    continue;
                }
                node.refs.extend(hook.refs);
                node.sources.extend(hook.sources);
                node.functions.extend(hook.functions);
                for called in hook.macros {
                    if !node.macros.contains(&called) {
                        node.macros.push(called);
                    }
                }
            }
        }
    }
}

fn others_snapshot(
    entry: &PropertyEntry,
    file: &Properties,
    relation: &str,
    span: crate::source::Span,
) -> ParsedNode {
    let raw = format!(
        "select * from {{{{ {} }}}}",
        relation.trim().trim_start_matches("{{").trim_end_matches("}}").trim()
    );
    let dirs = file.path.rsplit_once('/').map_or("", |(d, _)| d);
    let mut fqn: Vec<Arc<str>> = vec![file.package.clone()];
    fqn.extend(dirs.split('/').filter(|d| !d.is_empty()).map(Arc::from));
    fqn.push(entry.name.clone());
    let text = crate::manifest::NodeText {
        file: span.file,
        range: (span.start, span.end),
        raw: raw.as_str().into(),
        steady: None,
    };
    ParsedNode {
        path: format!("{}/{}.sql", file.path, entry.name).into(),
        original_file_path: file.original_file_path.clone(),
        ..ParsedNode::new(ResourceType::Snapshot, &file.package, fqn, Some(text), span)
    }
}

/// The latest version: the largest as numbers if all are, else as texts.
fn latest_of(versions: &[VersionPatch]) -> Json {
    let all_numbers = versions.iter().all(|v| version_number(&v.version).is_some());
    let mut sorted: Vec<&Json> = versions.iter().map(|v| &v.version).collect();
    sorted.sort_by(|a, b| {
        if all_numbers {
            let order = version_number(a).partial_cmp(&version_number(b));
            order.unwrap_or(std::cmp::Ordering::Equal)
        } else {
            python_str(a).cmp(&python_str(b))
        }
    });
    sorted.last().map(|v| (*v).clone()).unwrap_or_default()
}

fn version_number(version: &Json) -> Option<f64> {
    version.as_f64().or_else(|| python_str(version).parse().ok())
}

/// Merges the configs of properties as they were before rendering, if that is known.
fn merge_as_written(config: &mut NodeConfig, values: &[(String, Json, Span)], written: &JsonMap) {
    for (key, value, _) in values {
        let written = written.get(key).unwrap_or(value).clone();
        config.merge(key, written, ConfigLayer::Properties, None);
    }
}

/// Removes duplicates, keeping the first of each.
pub(super) fn remove_duplicates(texts: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for text in texts {
        if !out.contains(&text) {
            out.push(text);
        }
    }
    out
}
