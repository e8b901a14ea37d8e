//! Parses models, snapshots, tests, analyses, seeds and hooks: each is rendered once with `execute`
//! false. This comes after all macros are parsed.

use super::project_configs::ProjectConfigs;
use super::python;
use crate::config::Json;
use crate::context::{
    ContextProject, LogLine, NodeScope, RenderQuestion, RenderRead, RenderSession, RenderSubject,
    failure_diagnostic,
};
use crate::diag::{Checked, Code, Diagnostic};
use crate::engine::Relation;
use crate::hash::{Fingerprint, sha256_hex};
use crate::jinja::{BlockKind, ParseRendering, Renderer, TextOrigin, find_blocks};
use crate::load::{FileKind, LoadedFile, LoadedProject, SEED_HASH_LIMIT};
use crate::manifest::{
    Checksum, ConfigLayer, NodeConfig, NodeText, RefCall, ResourceType, SourceCall, StaticSql,
};
use crate::source::{FileId, SourceMap, Span};
use crate::sql::{find_volatile, normalize_sql};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A parsed node, before its references are resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParsedNode {
    pub(crate) kind: ResourceType,
    pub(crate) package: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) fqn: Vec<Arc<str>>,
    pub(crate) text: Option<NodeText>,
    pub(crate) sql: bool,
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    pub(crate) metrics: Vec<RefCall>,
    pub(crate) functions: Vec<RefCall>,
    pub(crate) config: Vec<(String, Json, Option<Span>)>,
    /// The unique ids of the macros that the text called, in the order of the calls.
    pub(crate) macros: Vec<Arc<str>>,
    pub(crate) checksum: Checksum,
    pub(crate) span: Span,
    pub(crate) logs: Vec<LogLine>,
    /// For on-run hooks: whether it is at the end of the run, and its position.
    pub(crate) hook: Option<(bool, usize)>,
    pub(crate) broken: bool,
}

impl ParsedNode {
    /// A node without references and configs. Without a text it is a file that is streamed (a
    /// seed).
    pub(crate) fn new(
        kind: ResourceType,
        package: &Arc<str>,
        fqn: Vec<Arc<str>>,
        text: Option<NodeText>,
        span: Span,
    ) -> ParsedNode {
        let value = text.as_ref().map(|t| sha256_hex(&t.raw)).unwrap_or_default();
        ParsedNode {
            kind,
            package: package.clone(),
            name: fqn.last().cloned().unwrap_or_default(),
            path: "".into(),
            original_file_path: "".into(),
            fqn,
            text,
            sql: true,
            refs: Vec::new(),
            sources: Vec::new(),
            metrics: Vec::new(),
            functions: Vec::new(),
            config: Vec::new(),
            macros: Vec::new(),
            checksum: Checksum { name: "sha256".into(), value },
            span,
            logs: Vec::new(),
            hook: None,
            broken: false,
        }
    }

    /// Whether two nodes agree in all that other nodes can see of them, and differ at most in their
    /// texts and in what these refer to.
    pub(crate) fn differs_only_in_text(&self, other: &ParsedNode) -> bool {
        let ParsedNode {
            kind,
            package,
            name,
            path,
            original_file_path,
            fqn,
            text: _,
            sql,
            refs: _,
            sources: _,
            metrics: _,
            functions: _,
            config,
            macros: _,
            checksum: _,
            span: _,
            logs: _,
            hook,
            broken,
        } = self;
        let values = |config: &[(String, Json, Option<Span>)]| {
            config.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect::<Vec<_>>()
        };
        *kind == other.kind
            && *package == other.package
            && *name == other.name
            && *path == other.path
            && *original_file_path == other.original_file_path
            && *fqn == other.fqn
            && *sql == other.sql
            && values(config) == values(&other.config)
            && *hook == other.hook
            && *broken == other.broken
    }

    /// The node with the paths of a file.
    fn at(self, file: &LoadedFile) -> ParsedNode {
        ParsedNode {
            path: file.path.clone(),
            original_file_path: file.original_file_path.clone(),
            ..self
        }
    }
}

pub(super) struct NodeParser<'a> {
    pub(super) renderer: &'a Arc<Renderer>,
    pub(super) context: &'a Arc<ContextProject>,
    pub(super) map: &'a SourceMap,
    configs: &'a ProjectConfigs<'a>,
    /// The external inputs that renders of the file read; the result is valid as long as these are
    /// the same.
    reads: RefCell<BTreeSet<RenderRead>>,
}

/// The fqn `[package, dirs.., name]` of a path in its resource folder.
pub(super) fn fqn_of(package: &Arc<str>, path: &str, name: &str) -> Vec<Arc<str>> {
    let dirs = path.rsplit_once('/').map_or("", |(d, _)| d);
    let mut fqn: Vec<Arc<str>> = vec![package.clone()];
    fqn.extend(dirs.split('/').filter(|d| !d.is_empty()).map(Arc::from));
    fqn.push(name.into());
    fqn
}

impl<'a> NodeParser<'a> {
    pub(super) fn new(
        renderer: &'a Arc<Renderer>,
        context: &'a Arc<ContextProject>,
        map: &'a SourceMap,
        configs: &'a ProjectConfigs<'a>,
    ) -> NodeParser<'a> {
        NodeParser { renderer, context, map, configs, reads: RefCell::default() }
    }

    pub(super) fn note(&self, reads: BTreeSet<RenderRead>) {
        self.reads.borrow_mut().extend(reads);
    }

    pub(super) fn record_read(&self, question: RenderQuestion) {
        self.reads.borrow_mut().insert(self.context.read(question));
    }

    pub(super) fn reads(self) -> BTreeSet<RenderRead> {
        self.reads.into_inner()
    }

    pub(super) fn file(&self, package: &Arc<str>, file: &LoadedFile) -> Checked<Vec<ParsedNode>> {
        let mut out = Vec::new();
        let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
        let stem = stem.rsplit_once('.').map_or(stem, |(s, _)| s);
        if file.kind == FileKind::Seed {
            return Checked::from(vec![self.seed(package, file, stem)]);
        }
        let id = file.file;
        let text = self.map.text(id).clone();
        let whole = (0, text.len());
        let nodes = match file.kind {
            FileKind::Model => vec![self.text(
                ResourceType::Model,
                package,
                file,
                id,
                &text,
                whole,
                stem,
                &mut out,
            )],
            FileKind::PythonModel => {
                vec![self.python(ResourceType::Model, package, file, id, &text, stem)]
            }
            FileKind::SingularTest => {
                vec![self.text(ResourceType::Test, package, file, id, &text, whole, stem, &mut out)]
            }
            FileKind::Analysis => {
                let mut node = self.text(
                    ResourceType::Analysis,
                    package,
                    file,
                    id,
                    &text,
                    whole,
                    stem,
                    &mut out,
                );
                node.fqn.insert(1, "analysis".into());
                node.path = format!("analysis/{}", file.path).into();
                vec![node]
            }
            FileKind::Function if !file.path.to_ascii_lowercase().ends_with(".sql") => {
                vec![self.python(ResourceType::Function, package, file, id, &text, stem)]
            }
            FileKind::Function => {
                vec![self.text(
                    ResourceType::Function,
                    package,
                    file,
                    id,
                    &text,
                    whole,
                    stem,
                    &mut out,
                )]
            }
            FileKind::Snapshot => self.snapshots(package, file, id, &text, stem, &mut out),
            _ => Vec::new(),
        };
        Checked::new(nodes, out)
    }

    fn snapshots(
        &self,
        package: &Arc<str>,
        file: &LoadedFile,
        id: FileId,
        text: &str,
        stem: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<ParsedNode> {
        let mut nodes = Vec::new();
        for block in find_blocks(text, &[BlockKind::Snapshot]) {
            let span = Span::new(id, block.start, block.body.0);
            if block.unclosed {
                out.push(
                    Diagnostic::error(
                        Code::JinjaSyntax,
                        format!("the block `{}` is never closed", block.name),
                    )
                    .primary(span, "opened here"),
                );
                continue;
            }
            let mut node = self.text(
                ResourceType::Snapshot,
                package,
                file,
                id,
                text,
                block.body,
                &block.name,
                out,
            );
            let at = node.fqn.len() - 1;
            node.fqn.insert(at, stem.into());
            // As in dbt, that of the whole file, in which other snapshots may be.
            node.checksum.value = sha256_hex(text.trim());
            nodes.push(node);
        }
        nodes
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one node")]
    fn text(
        &self,
        kind: ResourceType,
        package: &Arc<str>,
        file: &LoadedFile,
        id: FileId,
        text: &str,
        range: (usize, usize),
        name: &str,
        out: &mut Vec<Diagnostic>,
    ) -> ParsedNode {
        let raw = raw_text(kind, &text[range.0..range.1]);
        let span = Span::new(id, range.0, range.0);
        if raw.is_empty() && kind == ResourceType::Model {
            // dbt gives no warning here.
            let d = Diagnostic::warning(
                Code::EmptyModel,
                format!("the model `{name}` is empty, so nothing is built of it"),
            );
            out.push(d.primary(span, "there is no query here"));
        }
        let text_of =
            NodeText { file: id, range: (range.0 as u32, range.1 as u32), raw, steady: None };
        let mut node =
            ParsedNode::new(kind, package, fqn_of(package, &file.path, name), Some(text_of), span)
                .at(file);
        let origin = TextOrigin { file: id, text, range };
        self.render(&mut node, origin, out);
        node
    }

    fn render(&self, node: &mut ParsedNode, origin: TextOrigin<'_>, out: &mut Vec<Diagnostic>) {
        let template = format!("{}/{}", node.package, node.original_file_path);
        let session = RenderSession::parse(self.context, &node.package, self.subject_of_node(node));
        let scope = Arc::new(NodeScope(session.clone()));
        let ParseRendering { result, called_macros, unknown_calls } = self
            .renderer
            .render_for_parse(&template, origin, &node.package, scope, session.clone());
        if let (Ok(rendered), Some(text)) =
            (&result, node.text.as_mut().filter(|_| node.hook.is_none()))
        {
            text.steady = (session.is_steady() && unknown_calls.is_empty())
                .then(|| self.steady(rendered.sql.as_str()));
        }
        if let Err(mut failure) = result {
            node.broken = true;
            if node.hook.is_some() {
                // A hook is a YAML value, so offsets in its text are not offsets in the file.
                failure.span = None;
            }
            out.push(failure_diagnostic(&failure, &session, node.span));
        }
        let record = session.take_record();
        for name in unknown_calls.into_iter().filter(|name| !name.is_empty()) {
            self.record_read(RenderQuestion::MacroNames(node.package.clone()));
            let names = self
                .renderer
                .registry()
                .names(&node.package)
                .chain(self.context.members.keys().copied());
            let near = crate::diag::nearest_name(&name, names).map(str::to_owned);
            let text = &origin.text[origin.range.0..origin.range.1];
            let at = find_name(text, &name).map_or(node.span, |i| {
                Span::new(origin.file, origin.range.0 + i, origin.range.0 + i + name.len())
            });
            out.push(
                Diagnostic::warning(
                    Code::UnknownMacro,
                    format!("`{name}` is not defined; `{}` will fail when it is built", node.name),
                )
                .primary(at, "nothing has this name")
                .did_you_mean(near),
            );
        }
        out.extend(super::warning_diagnostics(record.warnings, node.span));
        node.refs = record.refs;
        node.sources = record.sources;
        node.metrics = record.metrics;
        node.functions = record.functions;
        node.config = record.config;
        self.note(record.reads);
        node.logs = record.logs;
        node.macros = called_macros;
    }

    fn steady(&self, sql: &str) -> StaticSql {
        let volatile = find_volatile(sql, self.context.target.engine.volatile_functions);
        StaticSql { fingerprint: Fingerprint::of(&normalize_sql(sql)), volatile }
    }

    /// The configs of a node in project files. As in dbt, its template sees no others at parse.
    fn project_config(&self, node: &ParsedNode) -> NodeConfig {
        let mut config = NodeConfig::default();
        let (root, kind, fqn) = (&self.context.name, node.kind, &node.fqn);
        self.configs.apply(&node.package, kind, fqn, ConfigLayer::ProjectFile, &mut config);
        if *root != node.package {
            self.configs.apply(root, kind, fqn, ConfigLayer::RootProject, &mut config);
        }
        config
    }

    fn subject_of_node(&self, node: &ParsedNode) -> RenderSubject {
        let target = &self.context.target;
        let this = Relation {
            quote: self.context.quoting,
            ..Relation::new(Some(&target.database), Some(&target.schema), &node.name)
        };
        let unique_id: Arc<str> =
            format!("{}.{}.{}", node.kind.as_str(), node.package, node.name).into();
        let model = json!({
            "name": &*node.name, "package_name": &*node.package, "resource_type": node.kind.as_str(),
            "unique_id": &*unique_id, "path": &*node.path, "original_file_path": &*node.original_file_path,
            "alias": &*node.name, "fqn": node.fqn.iter().map(|p| &**p).collect::<Vec<_>>(),
            "database": &*target.database, "schema": &*target.schema, "tags": [], "columns": {}, "meta": {},
            "description": "", "depends_on": {"macros": [], "nodes": []}, "refs": [], "sources": [],
            "raw_code": node.text.as_ref().map_or("", |t| &*t.raw), "language": "sql",
        });
        RenderSubject {
            unique_id,
            name: node.name.clone(),
            kind: node.kind,
            file: node.text.as_ref().filter(|_| node.hook.is_none()).map(|t| t.file),
            this: (node.kind != ResourceType::Operation).then_some(this),
            config: Arc::new(self.project_config(node)),
            node: None,
            model,
            compiled: None,
            extra: Vec::new(),
            overrides: None,
            overload: None,
        }
    }

    fn python(
        &self,
        kind: ResourceType,
        package: &Arc<str>,
        file: &LoadedFile,
        id: FileId,
        text: &str,
        stem: &str,
    ) -> ParsedNode {
        let found = python::parse_calls(id, text);
        let text_of = NodeText {
            file: id,
            range: (0, text.len() as u32),
            raw: text.trim().into(),
            steady: None,
        };
        let fqn = fqn_of(package, &file.path, stem);
        let node = ParsedNode::new(kind, package, fqn, Some(text_of), Span::file(id)).at(file);
        ParsedNode {
            sql: false,
            refs: found.refs,
            sources: found.sources,
            config: found.config,
            ..node
        }
    }

    fn seed(&self, package: &Arc<str>, file: &LoadedFile, stem: &str) -> ParsedNode {
        // As in dbt, only small seeds are hashed; larger ones are identified by their path.
        let small = file.size < SEED_HASH_LIMIT;
        let text = small.then(|| self.context.system.read(&file.absolute).ok()).flatten();
        let checksum = match text {
            Some(text) => Checksum { name: "sha256".into(), value: sha256_hex(text.trim()) },
            None => Checksum { name: "path".into(), value: file.original_file_path.to_string() },
        };
        let fqn = fqn_of(package, &file.path, stem);
        let node =
            ParsedNode::new(ResourceType::Seed, package, fqn, None, Span::file(file.file)).at(file);
        ParsedNode { checksum, ..node }
    }
}

/// The `raw_code` of a text. As in dbt, only the text of a file is trimmed, not that of a block.
pub(super) fn raw_text(kind: ResourceType, inside: &str) -> Arc<str> {
    if kind == ResourceType::Snapshot { inside.into() } else { inside.trim().into() }
}

/// The offset of a whole word in a text.
fn find_name(text: &str, name: &str) -> Option<usize> {
    text.match_indices(name).map(|(i, _)| i).find(|i| {
        !text[..*i].chars().next_back().is_some_and(is_word_char)
            && !text[i + name.len()..].chars().next().is_some_and(is_word_char)
    })
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The on-run hooks of all packages: the root project's first, then packages by name
/// (semantics 3.11).
pub(super) fn parse_hooks(
    parser: &NodeParser<'_>,
    sources: &LoadedProject,
) -> Checked<Vec<ParsedNode>> {
    let (mut nodes, mut out) = (Vec::new(), Vec::new());
    for package in &sources.packages {
        for (end, list) in
            [(false, &package.options.on_run_start), (true, &package.options.on_run_end)]
        {
            for (index, (sql, span)) in list.iter().enumerate() {
                let which = if end { "end" } else { "start" };
                let name: Arc<str> = format!("{}-on-run-{which}-{index}", package.name()).into();
                let text = NodeText {
                    file: span.file,
                    range: (span.start, span.end),
                    raw: sql.trim().into(),
                    steady: None,
                };
                let fqn = vec![package.name().clone(), "hooks".into(), name.clone()];
                let mut node = ParsedNode::new(
                    ResourceType::Operation,
                    package.name(),
                    fqn,
                    Some(text),
                    *span,
                );
                node.path = format!("hooks/{name}.sql").into();
                node.original_file_path = "./dbt_project.yml".into();
                node.hook = Some((end, index));
                // As in dbt, that of the project file.
                node.checksum.value = sha256_hex(parser.map.text(span.file).trim());
                let origin = TextOrigin { file: span.file, text: sql, range: (0, sql.len()) };
                parser.render(&mut node, origin, &mut out);
                nodes.push(node);
            }
        }
    }
    Checked::new(nodes, out)
}

/// The references, macro calls and inputs of a pre- or post-hook.
#[derive(Debug, Default)]
pub(crate) struct ParsedHook {
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    pub(crate) functions: Vec<RefCall>,
    pub(crate) macros: Vec<Arc<str>>,
    /// The external inputs that the hook reads.
    pub(crate) reads: BTreeSet<RenderRead>,
}

/// Renders a pre- or post-hook at parse to find its references, macro calls and inputs.
pub(crate) fn parse_hook_text(
    renderer: &Arc<Renderer>,
    context: &Arc<ContextProject>,
    subject: RenderSubject,
    package: &Arc<str>,
    sql: &str,
    span: Span,
) -> Checked<ParsedHook> {
    if !sql.contains("{{") && !sql.contains("{%") {
        return Checked::default();
    }
    let session = RenderSession::parse(context, package, subject);
    let scope = Arc::new(NodeScope(session.clone()));
    let origin = TextOrigin { file: span.file, text: sql, range: (0, sql.len()) };
    let ParseRendering { result, called_macros, .. } =
        renderer.render_for_parse("strata/hook", origin, package, scope, session.clone());
    let mut out = Vec::new();
    if let Err(mut failure) = result {
        failure.span = None;
        out.push(failure_diagnostic(&failure, &session, span));
    }
    let record = session.take_record();
    // Spans within the text are replaced by that of the hook, since they are not offsets in the
    // file.
    let placed = |calls: Vec<RefCall>| {
        calls.into_iter().map(|r| RefCall { span: r.span.map(|_| span), ..r }).collect()
    };
    let (refs, functions) = (placed(record.refs), placed(record.functions));
    let sources = record
        .sources
        .into_iter()
        .map(|s| SourceCall { span: s.span.map(|_| span), ..s })
        .collect();
    let reads = record.reads;
    Checked::new(ParsedHook { refs, sources, functions, macros: called_macros, reads }, out)
}
