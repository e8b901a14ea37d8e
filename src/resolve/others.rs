//! Resolves nodes that are defined in YAML only: exposures, exports, groups. Unit tests are in
//! `unit_tests`, the semantic layer in `semantic`.

use super::cache::ResolvedItem;
use super::unit_tests::unit_test_jobs;
use super::{Job, NodeMaker, Resolver};
use crate::config::{ExportType, Json, JsonMap, Yaml, YamlMap, check_export};
use crate::context::{NodeScope, RenderSession, RenderSubject, failure_diagnostic};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{
    Checksum, ConfigLayer, Export, Exposure, Group, Node, NodeConfig, NodeId, NodeKind, RefCall,
    ResourceType, SourceCall, TypedConfig,
};
use crate::parse::{EntryKind, ParsedProject, Properties, PropertyEntry, rest_json};
use crate::source::Span;
use std::sync::Arc;

impl Resolver<'_> {
    pub(super) fn others(&mut self) {
        let mut jobs = Vec::new();
        for file in &self.ground.parsed.properties {
            for (i, entry) in file.entries.iter().enumerate() {
                let EntryKind::Defines(kind) = entry.kind else { continue };
                if kind == ResourceType::UnitTest {
                    jobs.extend(unit_test_jobs(self.ground, file, i));
                    continue;
                }
                let make = Box::new(move |maker: &mut NodeMaker<'_>| match kind {
                    ResourceType::Exposure => Some(maker.exposure(file, entry)),
                    ResourceType::Export => maker.export(file, entry),
                    _ => maker.semantic(kind, file, entry),
                });
                jobs.push(Job {
                    item: ResolvedItem::Entry(file.clone(), i),
                    described: None,
                    make,
                });
                for measure in super::semantic::metric_measures(entry) {
                    let make = Box::new(move |maker: &mut NodeMaker<'_>| {
                        maker.measure_metric(file, entry, measure)
                    });
                    let item = ResolvedItem::Measure(file.clone(), i, measure);
                    jobs.push(Job { item, described: None, make });
                }
            }
        }
        self.add(jobs);
    }
}

pub(super) fn collect_groups(parsed: &ParsedProject) -> Vec<Group> {
    let mut groups = Vec::new();
    for file in &parsed.properties {
        for entry in file.entries.iter().filter(|e| e.kind == EntryKind::Group) {
            groups.push(Group {
                name: entry.name.clone(),
                package: file.package.clone(),
                owner: owner_of(&entry.map),
                path: file.path.to_string(),
                original_file_path: file.original_file_path.to_string(),
                description: entry.map.get("description").and_then(Yaml::scalar_text),
            });
        }
    }
    groups
}

/// Reports nodes in a group that is not declared. As in dbt, generic tests are not checked.
pub(super) fn check_groups(nodes: &[Arc<Node>], groups: &[Group]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for node in nodes.iter().filter(|node| node.generic_test().is_none()) {
        let Some(group) =
            node.config.text("group").filter(|name| !groups.iter().any(|g| *g.name == **name))
        else {
            continue;
        };
        let place = node.config.entry("group").and_then(|entry| entry.span).unwrap_or(node.span);
        let message = format!("`{}` is in the group `{group}`, which is not declared", node.name);
        let near =
            crate::diag::nearest_name(&group, groups.iter().map(|g| &*g.name)).map(str::to_owned);
        let d = Diagnostic::error(Code::Access, message).primary(place, "");
        let d = d.did_you_mean(near);
        out.push(d.help("groups are declared under `groups:` in a properties file"));
    }
    out
}

/// The fqn of what a properties file defines.
pub(super) fn yaml_fqn(file: &Properties, name: &Arc<str>) -> Vec<Arc<str>> {
    let dirs = file.path.rsplit_once('/').map_or("", |(dirs, _)| dirs);
    let dirs = dirs.split('/').filter(|dir| !dir.is_empty()).map(Arc::from);
    std::iter::once(file.package.clone()).chain(dirs).chain([name.clone()]).collect()
}

impl NodeMaker<'_> {
    /// The config of what a properties file defines: from the project file, and its own over it.
    pub(super) fn merge_config(
        &self,
        kind: ResourceType,
        file: &Properties,
        fqn: &[Arc<str>],
        own: &[(String, Json, Span)],
    ) -> NodeConfig {
        let mut config = NodeConfig::default();
        self.ground.configs.apply(&file.package, kind, fqn, ConfigLayer::ProjectFile, &mut config);
        for (key, value, span) in own {
            config.merge(key, value.clone(), ConfigLayer::Properties, Some(*span));
        }
        config
    }

    /// Makes a node that is defined in a properties file.
    pub(super) fn yaml_node(
        &mut self,
        kind: ResourceType,
        file: &Properties,
        entry: &PropertyEntry,
        unique_id: String,
        data: NodeKind,
    ) -> Node {
        let mut fqn = yaml_fqn(file, &entry.name);
        if let (ResourceType::UnitTest, Some(model)) =
            (kind, entry.map.get("model").and_then(Yaml::scalar_text))
        {
            fqn.insert(fqn.len() - 1, model.into());
        }
        let mut config = NodeConfig::default();
        self.ground.configs.apply(&file.package, kind, &fqn, ConfigLayer::ProjectFile, &mut config);
        let of_project = config.unrendered().get("meta").cloned();
        for (key, value, span) in &entry.patch.config {
            config.merge(key, value.clone(), ConfigLayer::Properties, Some(*span));
        }
        // dbt treats a `meta` beside `config:` as a property of the exposure, not as a config.
        let in_config =
            entry.map.get("config").and_then(Yaml::as_map).is_some_and(|c| c.get("meta").is_some());
        if kind == ResourceType::Exposure && !in_config {
            config.restate("meta", of_project);
        }
        if let Some(enabled) = entry.map.get("enabled").and_then(Yaml::as_bool) {
            config.merge("enabled", Json::Bool(enabled), ConfigLayer::Properties, None);
        }
        Node {
            id: NodeId(0),
            unique_id: unique_id.into(),
            kind: data,
            name: entry.name.clone(),
            package: file.package.clone(),
            path: file.path.clone(),
            original_file_path: file.original_file_path.clone(),
            fqn,
            text: None,
            sql: true,
            tags: super::nodes::remove_duplicates(config.list("tags")),
            typed: Arc::new(TypedConfig::read(kind, &config)),
            config: Arc::new(config),
            description: self.ground.docs.render(
                &entry.patch.description,
                &file.package,
                entry.span,
                &mut self.out,
            ),
            doc_blocks: Vec::new(),
            patch_path: None,
            columns: Vec::new(),
            alias: entry.name.clone(),
            relation: None,
            refs: Vec::new(),
            sources: Vec::new(),
            metrics: Vec::new(),
            functions: Vec::new(),
            depends_on: Vec::new(),
            macros: Vec::new(),
            checksum: Checksum {
                name: "sha256".into(),
                value: crate::hash::sha256_hex(
                    &Json::Object(rest_json(&entry.map, &[])).to_string(),
                ),
            },
            span: entry.span,
        }
    }

    fn exposure(&mut self, file: &Properties, entry: &PropertyEntry) -> Node {
        let data = Exposure {
            kind: entry.map.get_text("type").unwrap_or_default(),
            owner: owner_of(&entry.map),
            maturity: entry.map.get_text("maturity"),
            url: entry.map.get_text("url"),
            label: entry.map.get_text("label"),
        };
        if !entry.name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            let message = format!(
                "the exposure `{}` has other characters than letters, digits, `_` and `-` in its name",
                entry.name
            );
            let event = DbtEvent::ExposureNameDeprecation;
            let d = Diagnostic::dbt_warning(Code::Deprecated, event, message);
            self.out.push(d.primary(entry.span, "").help("rename it; `label:` takes any text"));
        }
        let id = format!("exposure.{}.{}", file.package, entry.name);
        let mut node = self.yaml_node(
            ResourceType::Exposure,
            file,
            entry,
            id,
            NodeKind::Exposure(Box::new(data)),
        );
        for item in entry.map.get("depends_on").map(Yaml::items).unwrap_or_default() {
            let Some(text) = item.scalar_text() else { continue };
            node.metrics.extend(metric_call(&text, item.span));
            if let Some((refs, sources)) =
                self.expression_references(&text, &file.package, item.span)
            {
                node.refs.extend(refs);
                node.sources.extend(sources);
            }
        }
        node
    }

    /// An export; `None` if its model or its destination is missing, which is reported.
    fn export(&mut self, file: &Properties, entry: &PropertyEntry) -> Option<Node> {
        let place = entry.map.get("name").map_or(entry.span, |y| y.span);
        let kind: ExportType = check_export(&entry.map, place).drain_into(&mut self.out)?;
        if !entry.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            let message = format!(
                "the export `{}` may have letters, digits, `_` and `-` in its name only",
                entry.name
            );
            self.out.push(Diagnostic::error(Code::Export, message).primary(place, ""));
            return None;
        }
        let id = format!("export.{}.{}", file.package, entry.name);
        let data = Export { kind, fields: entry.map.clone() };
        let mut node =
            self.yaml_node(ResourceType::Export, file, entry, id, NodeKind::Export(Box::new(data)));
        let model = entry.map.get("model")?;
        let (refs, sources) =
            self.expression_references(&model.scalar_text()?, &file.package, model.span)?;
        (node.refs, node.sources) = (refs, sources);
        node.span = place;
        Some(node)
    }

    /// The references in a YAML value `ref('x')` or `source('a', 'b')`.
    pub(super) fn expression_references(
        &mut self,
        text: &str,
        package: &Arc<str>,
        span: Span,
    ) -> Option<(Vec<RefCall>, Vec<SourceCall>)> {
        let inner = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        if !crate::parse::string_is_expression(inner) {
            self.out.push(
                Diagnostic::error(
                    Code::YamlShape,
                    format!("expected `ref('...')` or `source('...', '...')`, not `{text}`"),
                )
                .primary(span, ""),
            );
            return None;
        }
        let subject = RenderSubject {
            unique_id: "yaml".into(),
            name: "yaml".into(),
            kind: ResourceType::Exposure,
            file: None,
            this: None,
            config: Arc::new(NodeConfig::default()),
            node: None,
            model: Json::Null,
            compiled: None,
            extra: Vec::new(),
            overrides: None,
            overload: None,
        };
        let session = RenderSession::parse(self.ground.context, package, subject);
        let scope = Arc::new(NodeScope(session.clone()));
        let result =
            self.ground.yaml_renderer.evaluate(false, inner, package, scope, session.clone());
        if let Err(failure) = &result {
            self.out.push(failure_diagnostic(failure, &session, span));
        }
        let record = session.take_record();
        self.reads.extend(record.reads);
        result.ok()?;
        let refs = record.refs.into_iter().map(|r| RefCall { span: Some(span), ..r }).collect();
        let sources =
            record.sources.into_iter().map(|s| SourceCall { span: Some(span), ..s }).collect();
        Some((refs, sources))
    }
}

/// The metric that `metric('name')` or `metric('package', 'name')` names.
fn metric_call(text: &str, span: Span) -> Option<RefCall> {
    let inner = text.trim().strip_prefix("metric(")?.strip_suffix(')')?;
    let names: Vec<&str> =
        inner.split(',').map(|part| part.trim().trim_matches(['\'', '"'])).collect();
    let (package, name) = match names.as_slice() {
        [name] => (None, *name),
        [package, name] => (Some(Arc::from(*package)), *name),
        _ => return None,
    };
    Some(RefCall { package, name: name.into(), version: None, span: Some(span) })
}

/// An owner, with both keys that every owner has.
fn owner_of(map: &YamlMap) -> JsonMap {
    let written = map.get("owner").map(Yaml::to_json);
    let mut owner = written.and_then(|json| json.as_object().cloned()).unwrap_or_default();
    for key in ["email", "name"] {
        owner.entry(key).or_insert(Json::Null);
    }
    owner
}
