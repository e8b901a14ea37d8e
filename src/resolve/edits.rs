//! Resolves an edit of nodes' texts without another pass over the whole project.
//!
//! In: the parsed project, and the last pass. Out: the manifest and diagnostics that a full pass
//! would give, or `None` if the edit reaches further than the nodes whose texts it changes. A
//! node's text decides what the node refers to, but nothing that other nodes can see: names,
//! configs and descriptions come from elsewhere, or an edit of them is not one of texts
//! (`ParsedNode::differs_only_in_text`).

use super::bind::{Binder, Placed, connect_nodes};
use super::cache::{NodeDescription, ResolvedItem};
use super::unit_tests::calls_is_incremental;
use super::{Findings, NodeMaker, ResolveCache, ResolveContext, project_info};
use crate::context::RenderRead;
use crate::diag::Diagnostic;
use crate::hash::Fingerprint;
use crate::jinja::Renderer;
use crate::load::LoadedProject;
use crate::manifest::{Manifest, Node};
use crate::parse::{DocBlock, ParsedNode, ParsedProject, Properties};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A pass over the whole project, with the edits that were resolved since.
#[derive(Debug)]
pub(super) struct LastPass {
    options: Fingerprint,
    renderer: Arc<Renderer>,
    properties: Vec<Arc<Properties>>,
    docs: Vec<DocBlock>,
    nodes: Vec<Arc<ParsedNode>>,
    /// Where the node of each of `nodes` is; `None` if it is not in the graph.
    placed: Vec<Option<Placed>>,
    pub(super) manifest: Arc<Manifest>,
    pub(super) findings: Findings,
}

impl LastPass {
    /// `placed` says where the parsed nodes are, in their order.
    pub(super) fn new(
        sources: &LoadedProject,
        parsed: &ParsedProject,
        placed: Vec<Option<Placed>>,
        manifest: Arc<Manifest>,
        findings: Findings,
    ) -> LastPass {
        LastPass {
            options: sources.fingerprint_options(),
            renderer: parsed.renderer.clone(),
            properties: parsed.properties.clone(),
            docs: parsed.docs.clone(),
            nodes: parsed.nodes.clone(),
            placed,
            manifest,
            findings,
        }
    }

    /// The parsed nodes whose texts were edited, by their index, and where their nodes are. `None`
    /// if anything else has changed, too.
    fn find_edited(
        &self,
        sources: &LoadedProject,
        parsed: &ParsedProject,
    ) -> Option<Vec<(usize, Placed)>> {
        let is_same = Arc::ptr_eq(&self.renderer, &parsed.renderer)
            && share_all(&self.properties, &parsed.properties)
            && self.docs == parsed.docs
            && self.nodes.len() == parsed.nodes.len()
            && self.options == sources.fingerprint_options();
        if !is_same {
            return None;
        }
        let mut edited = Vec::new();
        for (i, (before, now)) in self.nodes.iter().zip(&parsed.nodes).enumerate() {
            // Hooks of the project file are not cached: they are made anew, and are mostly equal.
            if Arc::ptr_eq(before, now) || before == now {
                continue;
            }
            let placed = self.placed[i].filter(|_| before.differs_only_in_text(now))?;
            edited.push((i, placed));
        }
        Some(edited)
    }
}

fn share_all<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| Arc::ptr_eq(a, b))
}

/// An edited node, made again, with the diagnostics of making it and of binding its references.
struct Remade<'a> {
    item: usize,
    placed: Placed,
    described: Option<NodeDescription<'a>>,
    node: Arc<Node>,
    made: Vec<Diagnostic>,
    bound: Vec<Diagnostic>,
    reads: BTreeSet<RenderRead>,
}

/// The pass that results from an edit of texts. `None` if the whole project has to be resolved.
pub(super) fn resolve_edit(
    last: LastPass,
    parsed: &ParsedProject,
    sources: &LoadedProject,
    cache: &mut ResolveCache,
) -> Option<LastPass> {
    let edited = last.find_edited(sources, parsed)?;
    let mut findings = last.findings;
    edited.iter().for_each(|(item, placed)| findings.forget(*item, placed.place));
    let files = edited.iter().map(|(item, _)| parsed.nodes[*item].span.file).collect();
    if findings.have_label_in(&files) {
        return None;
    }
    let ground = ResolveContext::new(parsed, sources, &mut Vec::new());
    let binder = Binder::new(&last.manifest, &sources.packages);
    let remade = edited.into_iter().map(|(item, placed)| remake(&ground, &binder, item, placed));
    let remade: Vec<Remade<'_>> = remade.collect::<Option<_>>()?;
    let mut nodes = last.manifest.nodes.clone();
    let mut are_edges_same = true;
    for Remade { placed, node, .. } in &remade {
        let before = &mut nodes[placed.id.index()];
        // What its unit tests have to say depends on it.
        if calls_is_incremental(before) != calls_is_incremental(node) {
            return None;
        }
        are_edges_same &= before.depends_on == node.depends_on;
        *before = node.clone();
    }
    let graph = match are_edges_same {
        true => last.manifest.graph.clone(),
        false => Arc::new(connect_nodes(&nodes)),
    };
    if !are_edges_same && !graph.cycles().is_empty() {
        return None;
    }
    for Remade { item, placed, described, node, made, bound, reads } in remade {
        let parsed = &parsed.nodes[item];
        cache.forget(&ResolvedItem::Node(last.nodes[item].clone()));
        cache.insert(ResolvedItem::Node(parsed.clone()), described.as_ref(), Some(node), &made);
        cache.note_reads(reads);
        findings.made.extend(made.into_iter().map(|d| (item, d)));
        findings.bound.extend(bound.into_iter().map(|d| (placed.place, d)));
    }
    findings.sort();
    cache.note_reads(ground.names.reads());
    cache.note_reads(ground.docs.reads());
    let project = project_info(&ground);
    let manifest = Manifest { project, nodes, graph, ..(*last.manifest).clone() };
    let nodes = parsed.nodes.clone();
    Some(LastPass { nodes, manifest: Arc::new(manifest), findings, ..last })
}

/// Makes an edited node and binds its references. `None` if it is a test that is left out now, or
/// if it names metrics.
fn remake<'a>(
    ground: &'a ResolveContext<'a>,
    binder: &Binder<'_>,
    item: usize,
    placed: Placed,
) -> Option<Remade<'a>> {
    let parsed = &ground.parsed.nodes[item];
    let described = ground.entries.describe(parsed);
    let mut maker = NodeMaker { ground, reads: BTreeSet::new(), out: Vec::new() };
    let node = maker.node(parsed, described);
    let mut node = maker.finish(node);
    if !node.metrics.is_empty() {
        return None;
    }
    let bound = binder.bind(&node);
    if bound.dropped {
        return None;
    }
    (node.id, node.depends_on) = (placed.id, bound.parents);
    Some(Remade {
        item,
        placed,
        described,
        node: Arc::new(node),
        made: maker.out,
        bound: bound.complaints,
        reads: maker.reads,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ResolveCache, resolve_project};
    use crate::diag::Code;
    use crate::load::{LoadOptions, load_project};
    use crate::manifest::Manifest;
    use crate::parse::{ParseCache, parse_files, parse_macros};
    use crate::source::SourceMap;
    use crate::system::{MemorySystem, System};
    use camino::Utf8Path;
    use std::sync::Arc;

    /// A project whose caches are used by the next reading.
    struct Resident {
        system: Arc<dyn System>,
        map: SourceMap,
        parse: ParseCache,
        resolve: ResolveCache,
    }

    impl Resident {
        fn new(files: &[(&str, &str)]) -> Resident {
            let all: Vec<(String, &str)> =
                files.iter().map(|(path, text)| (format!("/project/{path}"), *text)).collect();
            let files = all.iter().map(|(path, text)| (path.as_str(), *text));
            Resident {
                system: Arc::new(MemorySystem::with_files(files)),
                map: SourceMap::default(),
                parse: ParseCache::default(),
                resolve: ResolveCache::default(),
            }
        }

        fn write(&self, path: &str, text: &str) {
            let path = Utf8Path::new("/project").join(path);
            self.system.write_atomic(&path, text.as_bytes()).unwrap();
        }

        fn read(&mut self) -> (Arc<Manifest>, Vec<Code>) {
            let map = std::mem::take(&mut self.map);
            let loaded = load_project(&self.system, &LoadOptions::default(), map).unwrap();
            let (mut sources, mut out) = (loaded.project.unwrap(), Vec::new());
            let macros = parse_macros(&mut sources, &mut self.parse);
            let parsed = parse_files(&sources, macros, &mut self.parse).drain_into(&mut out);
            let manifest =
                resolve_project(&parsed, &sources, &mut self.resolve).drain_into(&mut out);
            self.map = sources.map;
            (manifest, out.iter().map(|d| d.code).collect())
        }
    }

    const FILES: &[(&str, &str)] = &[
        ("project.yml", "name: shop\non-run-end: ['select 1']\n"),
        ("models/a.sql", "select 1 as x"),
        ("models/b.sql", "select * from {{ ref('a') }}"),
        ("models/c.sql", "select * from {{ ref('b') }}"),
        ("models/p.yml", "models: [{name: c, columns: [{name: x, data_tests: [unique]}]}]\n"),
    ];

    fn parents<'a>(manifest: &'a Manifest, name: &str) -> Vec<&'a str> {
        let node = manifest.get(&format!("model.shop.{name}")).unwrap();
        node.depends_on.iter().map(|id| &*manifest.node(*id).name).collect()
    }

    #[test]
    fn an_edit_of_a_text_leaves_everything_else_shared() {
        let mut project = Resident::new(FILES);
        let (first, _) = project.read();
        project.write("models/b.sql", "select 2 as y, * from {{ ref('a') }}");
        let (second, _) = project.read();
        assert!(Arc::ptr_eq(&first.graph, &second.graph), "no edge has changed");
        assert_eq!(project.resolve.made(), 1);
        project.write("models/c.sql", "select * from {{ ref('a') }}");
        let (third, _) = project.read();
        assert!(Arc::ptr_eq(&second.lookup, &third.lookup), "names have not changed");
        assert_eq!(parents(&third, "c"), ["a"]);
        let a = third.get("model.shop.a").unwrap().id;
        let names = |ids: Vec<_>| -> Vec<_> {
            ids.into_iter().map(|id| third.node(id).name.to_string()).collect()
        };
        assert_eq!(names(third.graph.children(a)), ["b", "c"]);
    }

    #[test]
    fn errors_of_the_edited_node_come_and_go() {
        let mut project = Resident::new(FILES);
        project.read();
        project.write("models/c.sql", "select * from {{ ref('gone') }}");
        assert_eq!(project.read().1, [Code::UnknownRef]);
        project.write("models/c.sql", "select * from {{ ref('nowhere') }}");
        assert_eq!(project.read().1, [Code::UnknownRef]);
        project.write("models/b.sql", "select 3");
        assert_eq!(project.read().1, [Code::UnknownRef], "that of another node stays");
        project.write("models/c.sql", "select * from {{ ref('b') }}");
        assert_eq!(project.read().1, []);
        project.write("models/b.sql", "select * from {{ ref('c') }}");
        assert_eq!(project.read().1, [Code::Cycle]);
        project.write("models/b.sql", "select * from {{ ref('a') }}");
        let (last, said) = project.read();
        assert_eq!((said, parents(&last, "b")), (Vec::new(), vec!["a"]));
    }

    #[test]
    fn an_edit_that_others_can_see_resolves_the_whole_project() {
        for (path, text) in [
            ("models/b.sql", "{{ config(alias='other') }} select * from {{ ref('a') }}"),
            ("models/d.sql", "select 1"),
            ("models/p.yml", "models: [{name: c, description: it}]\n"),
            ("macros/m.sql", "{% macro m() %}{% endmacro %}"),
            ("project.yml", "name: shop\nflags: {require_resource_names_without_spaces: false}\n"),
        ] {
            let mut project = Resident::new(FILES);
            let (first, _) = project.read();
            project.write(path, text);
            let (second, said) = project.read();
            assert!(said.is_empty(), "{path}: {said:?}");
            assert!(!Arc::ptr_eq(&first.lookup, &second.lookup), "{path}");
        }
    }
}
