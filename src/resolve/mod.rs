//! Items become the manifest: names bound, configs merged, tests attached, the graph checked for
//! cycles.
//!
//! In: `ParsedProject` and the sources it came from. Out: `Checked<Manifest>`. Items are made into
//! nodes independently, on all cores (`NodeMaker`), and collected in the order of items
//! (`Resolver`); then references are bound. Texts are rendered only where a name or a description
//! needs it (`generate_schema_name`, doc blocks, hooks). Must not know: selections, databases,
//! output.

mod addresses;
mod bind;
mod cache;
mod deprecations;
mod docs;
mod edits;
mod external_location;
mod findings;
mod fixtures;
mod freshness;
mod functions;
mod macros;
mod microbatch;
mod names;
mod nodes;
mod others;
mod overrides;
mod refusals;
mod semantic;
mod snapshots;
mod sources;
#[cfg(test)]
pub(crate) mod testing;
mod tests;
mod unit_tests;
mod unused_configs;

pub(crate) use cache::ResolveCache;

use crate::config::{COMPARE_UNRENDERED, JsonMap, PathKind, python_str};
use crate::context::{ContextProject, RenderRead};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic, Severity};
use crate::hash::{FastMap, FastSet};
use crate::jinja::Renderer;
use crate::load::LoadedProject;
use crate::manifest::{
    Manifest, Node, NodeId, NodeKind, NodeLookup, Package, ProjectInfo, ResourceType, UniqueId,
};
use crate::parse::{EntryKind, ParsedProject, ProjectConfigs, Properties, PropertyEntry};
use bind::Bound;
use cache::{ItemKey, NodeDescription, ResolvedItem};
use edits::{LastPass, resolve_edit};
use findings::Findings;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The entries of all properties files, by what they describe.
struct Entries<'a> {
    by_name: FastMap<(EntryKind, &'a str, &'a str), (&'a PropertyEntry, &'a Arc<Properties>)>,
    /// Entries for a name that their own package does not have: they describe a node of another
    /// package.
    of_others: FastMap<(EntryKind, &'a str), (&'a PropertyEntry, &'a Arc<Properties>)>,
    /// The models with `versions:`.
    versioned: Vec<(&'a PropertyEntry, &'a Arc<Properties>)>,
}

impl<'a> Entries<'a> {
    fn new(parsed: &'a ParsedProject, out: &mut Vec<Diagnostic>) -> Entries<'a> {
        let properties = &parsed.properties;
        let packages = parsed
            .nodes
            .iter()
            .map(|n| &n.package)
            .chain(properties.iter().map(|file| &file.package));
        let several = properties
            .first()
            .is_some_and(|first| packages.into_iter().any(|p| *p != first.package));
        let own: FastSet<(EntryKind, &str, &str)> = match several {
            true => parsed
                .nodes
                .iter()
                .map(|n| (EntryKind::Describes(n.kind), &*n.package, &*n.name))
                .collect(),
            false => FastSet::default(),
        };
        let mut of_others = FastMap::default();
        let mut by_name: FastMap<_, (&PropertyEntry, &Arc<Properties>)> = FastMap::default();
        let mut versioned = Vec::new();
        for file in properties {
            for entry in &file.entries {
                let key = (entry.kind, &*file.package, &*entry.name);
                // A unit test is identified by its name and its model.
                let unit_test = entry.kind == EntryKind::Defines(ResourceType::UnitTest);
                if let Some((first, _)) = by_name.get(&key).filter(|_| !unit_test) {
                    out.push(
                        Diagnostic::error(
                            Code::DuplicateName,
                            format!("`{}` is described twice", entry.name),
                        )
                        .primary(entry.span, "again here")
                        .secondary(first.span, "first here")
                        .help("describe it in one place"),
                    );
                } else {
                    by_name.insert(key, (entry, file));
                    let describes = matches!(entry.kind, EntryKind::Describes(_))
                        && entry.patch.versions.is_empty();
                    if several && describes && !own.contains(&key) {
                        of_others.entry((entry.kind, &*entry.name)).or_insert((entry, file));
                    }
                    if !entry.patch.versions.is_empty() {
                        versioned.push((entry, file));
                    }
                }
            }
        }
        // A node that is also described by its own package is an error, since neither entry takes
        // precedence.
        let mut described: Vec<_> = of_others.iter().collect();
        described.sort_by_key(|(_, (entry, _))| (entry.span.file, entry.span.start));
        for ((kind, name), (entry, _)) in described {
            let same = by_name
                .iter()
                .find(|(key, _)| key.0 == *kind && key.2 == *name && own.contains(key));
            if let Some((_, (first, _))) = same {
                let message =
                    format!("`{name}` is described by its own package and by another one");
                let d = Diagnostic::error(Code::DuplicateName, message)
                    .primary(entry.span, "again here");
                out.push(d.secondary(first.span, "first here").help("describe it in one place"));
            }
        }
        Entries { by_name, of_others, versioned }
    }

    /// The entry that describes a node or macro: one of the same package, else one of a package
    /// that has no such node itself.
    fn get(
        &self,
        kind: EntryKind,
        package: &str,
        name: &str,
    ) -> Option<(&'a PropertyEntry, &'a Arc<Properties>)> {
        self.by_name
            .get(&(kind, package, name))
            .or_else(|| self.of_others.get(&(kind, name)))
            .copied()
    }
}

/// The inputs from which nodes are made.
struct ResolveContext<'a> {
    sources: &'a LoadedProject,
    parsed: &'a ParsedProject,
    renderer: &'a Arc<Renderer>,
    /// For YAML values: no macro, not even an override of `ref`, is known there.
    yaml_renderer: Renderer,
    context: &'a Arc<ContextProject>,
    entries: Entries<'a>,
    configs: ProjectConfigs<'a>,
    docs: docs::DocRenderer<'a>,
    names: names::RelationNames<'a>,
    overrides: overrides::Overrides<'a>,
    compare_unrendered: bool,
}

impl<'a> ResolveContext<'a> {
    fn new(
        parsed: &'a ParsedProject,
        sources: &'a LoadedProject,
        out: &mut Vec<Diagnostic>,
    ) -> ResolveContext<'a> {
        let entries = Entries::new(parsed, out);
        docs::check_names(&parsed.docs, out);
        ResolveContext {
            sources,
            parsed,
            renderer: &parsed.renderer,
            yaml_renderer: Renderer::new(Arc::default()),
            context: &parsed.context,
            entries,
            configs: ProjectConfigs::new(sources),
            docs: docs::DocRenderer::new(parsed, sources),
            names: names::RelationNames::new(parsed),
            overrides: overrides::Overrides::new(parsed, out),
            compare_unrendered: sources.root().options.flags.is_set(COMPARE_UNRENDERED, false),
        }
    }
}

/// Makes a single node, and collects its diagnostics.
struct NodeMaker<'a> {
    ground: &'a ResolveContext<'a>,
    /// The external inputs that were read, except those of names and descriptions.
    reads: BTreeSet<RenderRead>,
    out: Vec<Diagnostic>,
}

impl NodeMaker<'_> {
    /// Checks a node that is made.
    fn finish(&mut self, mut node: Node) -> Node {
        self.check_enabled(&node);
        node.columns.shrink_to_fit();
        node
    }

    /// Reports an `enabled` that is not a boolean, which would count as true.
    fn check_enabled(&mut self, node: &Node) {
        let Some(entry) = node.config.entry("enabled") else { return };
        if !entry.value.is_boolean() {
            let message = format!(
                "`enabled` of `{}` is true or false, not `{}`",
                node.name,
                python_str(&entry.value)
            );
            self.out.push(
                Diagnostic::error(Code::YamlShape, message)
                    .primary(entry.span.unwrap_or(node.span), ""),
            );
        }
    }
}

/// An item that becomes a node, its description, and the function that makes the node.
struct Job<'j> {
    item: ResolvedItem,
    described: Option<NodeDescription<'j>>,
    make: Make<'j>,
}

type Make<'j> = Box<dyn Fn(&mut NodeMaker<'_>) -> Option<Node> + Send + Sync + 'j>;

/// Collects the nodes in the order of their items.
struct Resolver<'a> {
    ground: &'a ResolveContext<'a>,
    cache: &'a mut ResolveCache,
    /// The keys of all items, including those without a node.
    items: Vec<ItemKey>,
    reads: BTreeSet<RenderRead>,
    /// Until `bind`, the id of a node is its index here.
    nodes: Vec<Arc<Node>>,
    /// The keys of the items of `nodes`, by index.
    keys: Vec<ItemKey>,
    disabled: Vec<Arc<Node>>,
    /// Tests of missing or disabled nodes.
    unplaced: Vec<Arc<Node>>,
    findings: Findings,
}

impl<'a> Resolver<'a> {
    fn new(
        ground: &'a ResolveContext<'a>,
        cache: &'a mut ResolveCache,
        out: Vec<Diagnostic>,
    ) -> Resolver<'a> {
        let parsed = ground.parsed;
        let properties = parsed.properties.iter();
        let items = parsed.nodes.len()
            + properties.map(|file| file.entries.len() + file.tests.len()).sum::<usize>();
        cache.reserve(items);
        Resolver {
            ground,
            cache,
            items: Vec::with_capacity(items),
            reads: BTreeSet::new(),
            nodes: Vec::with_capacity(items),
            keys: Vec::with_capacity(items),
            disabled: Vec::new(),
            unplaced: Vec::new(),
            findings: Findings { project: out, ..Findings::default() },
        }
    }

    /// Adds the nodes of items, in their order.
    fn add(&mut self, jobs: Vec<Job<'_>>) {
        for (key, node) in self.nodes_of(jobs) {
            if let Some(node) = node {
                self.push(key, node);
            }
        }
    }

    /// The nodes of items, cached or newly made, on all cores.
    fn nodes_of<'j>(&mut self, jobs: Vec<Job<'j>>) -> Vec<(ItemKey, Option<Arc<Node>>)> {
        let (ground, cache) = (self.ground, &*self.cache);
        let all: Vec<MadeNode<'j>> =
            jobs.into_par_iter().map(|job| make_node(ground, cache, job)).collect();
        all.into_iter().map(|made| self.take(made)).collect()
    }

    fn take(&mut self, made: MadeNode<'_>) -> (ItemKey, Option<Arc<Node>>) {
        let MadeNode { key, node, out, new } = made;
        if let Some((item, described, reads)) = new {
            self.cache.insert(item, described.as_ref(), node.clone(), &out);
            self.reads.extend(reads);
        }
        let item = self.items.len();
        self.findings.made.extend(out.into_iter().map(|d| (item, d)));
        self.items.push(key);
        (key, node)
    }

    /// Adds a finished node, or sets it aside if it is disabled.
    fn push(&mut self, key: ItemKey, node: Arc<Node>) {
        if node.config.enabled() {
            self.nodes.push(node);
            self.keys.push(key);
        } else {
            self.disabled.push(node);
        }
    }
}

/// The node of an item, from the cache if it is valid there.
fn make_node<'a, 'j>(
    ground: &'a ResolveContext<'a>,
    cache: &ResolveCache,
    job: Job<'j>,
) -> MadeNode<'j> {
    let Job { item, described, make } = job;
    let key = item.key();
    if let Some((node, out)) = cache.find(&item, described.as_ref()) {
        return MadeNode { key, node, out, new: None };
    }
    let mut maker = NodeMaker { ground, reads: BTreeSet::new(), out: Vec::new() };
    let node = make(&mut maker).map(|node| Arc::new(maker.finish(node)));
    MadeNode { key, node, out: maker.out, new: Some((item, described, maker.reads)) }
}

/// The node of an item with its diagnostics.
struct MadeNode<'j> {
    key: ItemKey,
    node: Option<Arc<Node>>,
    out: Vec<Diagnostic>,
    /// The item, its description and the inputs read, if the node is newly made.
    new: Option<(ResolvedItem, Option<NodeDescription<'j>>, BTreeSet<RenderRead>)>,
}

/// Resolves a parsed project. After an edit of texts, only the edited nodes are resolved; else the
/// nodes in `cache` are reused if they are still valid.
pub(crate) fn resolve_project(
    parsed: &ParsedProject,
    sources: &LoadedProject,
    cache: &mut ResolveCache,
) -> Checked<Arc<Manifest>> {
    cache.begin(sources, parsed);
    let edit = cache.last.take().and_then(|last| resolve_edit(last, parsed, sources, cache));
    let pass = edit.unwrap_or_else(|| resolve_all(parsed, sources, cache));
    let resolved = Checked::new(pass.manifest.clone(), pass.findings.to_diagnostics());
    cache.last = Some(pass);
    resolved
}

/// Resolves the whole project.
fn resolve_all(
    parsed: &ParsedProject,
    sources: &LoadedProject,
    cache: &mut ResolveCache,
) -> LastPass {
    let mut out = Vec::new();
    let ground = ResolveContext::new(parsed, sources, &mut out);
    let mut resolver = Resolver::new(&ground, cache, out);
    resolver.nodes();
    resolver.sources();
    resolver.others();
    let (root, flags) = (sources.root().name(), &sources.root().options.flags);
    // Generic tests are added after all nodes that can be looked up, which keep their places.
    let unique = flags.is_set("require_unique_project_resource_names", false);
    let own_first = flags.is_set("require_ref_searches_node_package_before_root", false);
    let (mut lookup, twice) = rayon::join(
        || NodeLookup::new(root, own_first, &resolver.nodes, &resolver.disabled),
        || duplicates(&resolver.nodes, unique),
    );
    resolver.findings.project.extend(twice);
    resolver.tests(&lookup);
    let strict = flags.is_set("require_resource_names_without_spaces", true);
    resolver.findings.project.extend(blanks(&resolver.nodes, strict));
    let Bound { graph, ids } = resolver.bind(&lookup);
    lookup.renumber(&ids);
    let placed = resolver.places_of(parsed, &ids);
    let Resolver { nodes, disabled, unplaced, mut findings, cache, mut reads, items, .. } =
        resolver;
    let out = &mut findings.project;
    unused_configs::warn_unused_configs(sources, &[&nodes, &disabled, &unplaced], out);
    let groups = others::collect_groups(parsed);
    out.extend(others::check_groups(&nodes, &groups));
    out.extend(deprecations::check_deprecated(&nodes));
    out.extend(deprecations::check_overrides(&nodes, &ground));
    out.extend(snapshots::check_snapshots(&nodes));
    out.extend(unit_tests::check_incremental(&nodes));
    out.extend(semantic::check_layer(&nodes, &lookup, flags, root));
    let macros = macros::macro_infos(&ground);
    out.extend(macros::check_dispatches(&ground));
    let docs = ground.docs.resources();
    reads.extend(ground.names.reads());
    reads.extend(ground.docs.reads());
    cache.end(items, reads);
    let context = &parsed.context;
    let (same_relation, (cycles, by_unique_id)) = rayon::join(
        || addresses::check_relations(&nodes, context.dialect, context.store_failures),
        || (graph.cycles(), index_by_unique_id(&nodes)),
    );
    out.extend(cycles.iter().map(|cycle| bind::cycle_diagnostic(&nodes, cycle)));
    out.extend(same_relation);
    let (on_run_start, on_run_end) = on_run_hooks(&nodes, sources);
    let manifest = Manifest {
        project: project_info(&ground),
        nodes,
        disabled,
        unplaced,
        graph: Arc::new(graph),
        lookup: Arc::new(lookup),
        macros: Arc::new(macros),
        docs: Arc::new(docs),
        groups,
        selectors: JsonMap::new(),
        by_unique_id: Arc::new(by_unique_id),
        on_run_start,
        on_run_end,
    };
    LastPass::new(sources, parsed, placed, Arc::new(manifest), findings)
}

fn index_by_unique_id(nodes: &[Arc<Node>]) -> FastMap<UniqueId, NodeId> {
    nodes.iter().map(|node| (node.unique_id.clone(), node.id)).collect()
}

fn project_info(ground: &ResolveContext<'_>) -> ProjectInfo {
    let sources = ground.sources;
    ProjectInfo {
        name: sources.root().name().clone(),
        root: sources.root().root.clone(),
        packages: sources
            .packages
            .iter()
            .map(|p| Package { name: p.name().clone(), root: p.root.clone() })
            .collect(),
        target: sources.target.clone(),
        dialect: ground.context.dialect,
        target_path: sources.target_path.clone(),
        asset_paths: sources.root().options.paths(PathKind::Asset).to_vec(),
        query_comment: sources.root().options.query_comment.clone(),
        compare_unrendered: ground.compare_unrendered,
    }
}

/// The hooks at the start and at the end of a run, ordered by package and index.
fn on_run_hooks(nodes: &[Arc<Node>], sources: &LoadedProject) -> (Vec<NodeId>, Vec<NodeId>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for node in nodes {
        let NodeKind::Operation { on_run_end, index } = node.kind else { continue };
        let package = sources.packages.iter().position(|p| *p.name() == node.package).unwrap_or(0);
        let hooks = if on_run_end { &mut ends } else { &mut starts };
        hooks.push((package, index, node.id));
    }
    (sort_hooks(starts), sort_hooks(ends))
}

fn sort_hooks(mut hooks: Vec<(usize, usize, NodeId)>) -> Vec<NodeId> {
    hooks.sort();
    hooks.into_iter().map(|(.., id)| id).collect()
}

/// Reports duplicate unique ids and names. A seed, a snapshot and a model may share a name, which
/// `ref` resolves in this order of kinds, unless the project's flag
/// `require_unique_project_resource_names` is set.
fn duplicates(nodes: &[Arc<Node>], unique_names: bool) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut seen: FastMap<&str, &Node> =
        FastMap::with_capacity_and_hasher(nodes.len(), Default::default());
    let mut names: FastMap<(&str, &str), &Node> =
        FastMap::with_capacity_and_hasher(nodes.len(), Default::default());
    for node in nodes {
        if let Some(first) = seen.insert(&node.unique_id, node) {
            out.push(duplicate(first, node));
            continue;
        }
        if node.resource_type().is_refable()
            && node.version().is_none()
            && let Some(first) = names.insert((&node.package, &node.name), node)
        {
            let mut d = duplicate(first, node);
            if !unique_names && first.resource_type() != node.resource_type() {
                d.severity = Severity::Warning;
                d.event = Some(DbtEvent::DuplicateNameDistinctNodeTypesDeprecation);
                d.help = vec![
                    "`ref` means the seed, else the snapshot; dbt will refuse this: rename one"
                        .to_owned(),
                ];
            }
            out.push(d);
        }
    }
    out
}

/// Reports names with spaces. dbt refuses them unless the project's flag is off.
fn blanks(nodes: &[Arc<Node>], strict: bool) -> Vec<Diagnostic> {
    let named = nodes.iter().filter(|node| may_not_have_blanks(node));
    let said = named.filter(|node| node.name.contains(' ')).map(|node| {
        let message = format!(
            "the {} `{}` has a blank in its name",
            node.resource_type().as_str(),
            node.name
        );
        let d = match strict {
            true => Diagnostic::error(Code::NodeName, message)
                .help("rename it; `_` in place of the blank is usual"),
            false => Diagnostic::dbt_warning(
                Code::Deprecated,
                DbtEvent::ResourceNamesWithSpacesDeprecation,
                message,
            )
            .help("dbt will refuse it: rename it"),
        };
        d.primary(node.span, "")
    });
    said.collect()
}

/// Whether dbt refuses spaces in the node's name.
fn may_not_have_blanks(node: &Node) -> bool {
    node.resource_type().is_refable() || matches!(node.kind, NodeKind::Test(_) | NodeKind::Analysis)
}

fn duplicate(first: &Node, second: &Node) -> Diagnostic {
    Diagnostic::error(
        Code::DuplicateName,
        format!(
            "{} `{}` ({}) and {} `{}` ({}) have one name",
            first.resource_type().as_str(),
            first.name,
            first.original_file_path,
            second.resource_type().as_str(),
            second.name,
            second.original_file_path
        ),
    )
    .primary(second.span, "again here")
    .secondary(first.span, "first here")
    .help("rename one of them, or disable it with `enabled: false`")
}

#[cfg(test)]
mod resolve_tests {
    use super::testing::{attempt, project};
    use crate::diag::Code;
    use crate::manifest::FoundNode;

    fn codes(files: &[(&str, &str)]) -> Vec<Code> {
        attempt(files, &[]).1.iter().map(|d| d.code).collect()
    }

    const PACKAGES: &[(&str, &str)] = &[
        ("packages.yml", "packages: [{local: dep}, {local: other}]\n"),
        ("dbt_packages/dep/dbt_project.yml", "name: dep\n"),
        ("dbt_packages/dep/models/pm.sql", "select 1 as id"),
        ("dbt_packages/other/dbt_project.yml", "name: other\n"),
    ];

    #[test]
    fn properties_describe_nodes_of_any_package() {
        let root = (
            "models/p.yml",
            "models: [{name: pm, description: root, columns: [{name: id, data_tests: [unique]}]}]\n",
        );
        let (manifest, said) = project(&[PACKAGES, &[root]].concat());
        assert_eq!(manifest.get("model.dep.pm").unwrap().description, "root");
        assert!(
            manifest.all().any(|n| n.unique_id.starts_with("test.shop.unique_pm_id")),
            "{said:?}"
        );
        let own = ("dbt_packages/dep/models/p.yml", "models: [{name: pm, description: own}]\n");
        let (_, said) = project(&[PACKAGES, &[root, own]].concat());
        assert!(said.iter().any(|d| d.code == Code::DuplicateName), "{said:?}");
    }

    #[test]
    fn a_ref_that_several_packages_could_mean_is_an_error() {
        let other = ("dbt_packages/other/models/pm.sql", "{{ config(alias='q') }} select 2 as id");
        let complaints = |sql: &'static str| {
            let (_, said) = project(&[PACKAGES, &[other, ("models/r.sql", sql)]].concat());
            said.into_iter().map(|d| d.message).collect::<Vec<_>>()
        };
        assert_eq!(
            complaints("select * from {{ ref('pm') }}"),
            ["`pm` is in several packages: dep, other"]
        );
        assert!(complaints("select * from {{ ref('dep', 'pm') }}").is_empty());
    }

    #[test]
    fn configs_merge_in_order() {
        let (manifest, out) = project(&[
            (
                "project.yml",
                "name: shop\nmodels:\n  +tags: [a]\n  shop:\n    +materialized: table\n    marts: {+schema: m, +tags: b}\n",
            ),
            ("models/marts/x.sql", "{{ config(tags='c', alias='y') }} select 1"),
            (
                "models/marts/x.yml",
                "models: [{name: x, config: {materialized: view, meta: {k: 1}}}]",
            ),
        ]);
        assert!(out.is_empty(), "{out:?}");
        let node = manifest.get("model.shop.x").unwrap();
        assert_eq!(node.tags, ["a", "b", "c"]);
        assert_eq!(node.materialized(), "view");
        let relation = node.relation.as_ref().unwrap();
        assert_eq!((relation.schema(), relation.identifier()), (Some("main_m"), "y"));
    }

    #[test]
    fn names_macros_decide_where_a_node_is_stored() {
        let (manifest, _) = project(&[
            (
                "macros/n.sql",
                "{% macro generate_schema_name(custom, node) %} {{ custom or 'base' }}_{{ node.name }} {% endmacro %}",
            ),
            ("models/x.sql", "{{ config(schema='s') }} select 1"),
        ]);
        assert_eq!(
            manifest.get("model.shop.x").unwrap().relation.as_ref().unwrap().schema(),
            Some("s_x")
        );
    }

    #[test]
    fn mistakes_have_codes() {
        assert_eq!(codes(&[("models/a.sql", "select * from {{ ref('b') }}")]), [Code::UnknownRef]);
        assert_eq!(
            codes(&[("models/a.sql", "select * from {{ source('x', 'y') }}")]),
            [Code::UnknownSource]
        );
        assert_eq!(
            codes(&[
                ("models/a.sql", "select * from {{ ref('b') }}"),
                ("models/b.sql", "select * from {{ ref('a') }}")
            ]),
            [Code::Cycle]
        );
        assert_eq!(codes(&[("models/a.sql", "{{ nope() }}")]), [Code::UnknownMacro]);
        assert_eq!(codes(&[("models/a.sql", "{{ env_var('NOPE') }}")]), [Code::MissingEnvVar]);
        assert_eq!(
            codes(&[("models/x/a.sql", "select 1"), ("models/y/a.sql", "select 1")])[0],
            Code::DuplicateName
        );
        assert_eq!(
            codes(&[
                ("models/a.sql", "{{ config(alias='t') }} select 1"),
                ("models/t.sql", "select 1")
            ]),
            [Code::DuplicateRelation]
        );
        assert_eq!(codes(&[("models/a.sql", "{% if x %}")]), [Code::JinjaSyntax]);
        assert_eq!(
            codes(&[("macros/a.sql", "{% macro x() %}{{ }}{% endmacro %}")]),
            [Code::MacroSyntax]
        );
    }

    #[test]
    fn a_test_that_is_left_out_does_not_shift_the_nodes_behind_it() {
        let files = [
            ("packages.yml", "packages: [{local: dep}]\n"),
            ("dbt_packages/dep/dbt_project.yml", "name: dep\n"),
            ("dbt_packages/dep/models/pa.sql", "select 1"),
            ("dbt_packages/dep/models/pb.sql", "select 2"),
            ("models/m.sql", "select * from {{ ref('pa') }}"),
            ("tests/t.sql", "select * from {{ ref('gone') }}"),
        ];
        let (manifest, _) = project(&files);
        let found = manifest.lookup.find_ref(None, "pa", None, "shop");
        let id = manifest.get("model.dep.pa").unwrap().id;
        assert_eq!(found, FoundNode::Node(id));
    }

    #[test]
    fn secret_variables_are_for_profiles_only() {
        let (_, out) = attempt(
            &[("models/a.sql", "{{ env_var('DBT_ENV_SECRET_X') }}")],
            &[("DBT_ENV_SECRET_X", "hush")],
        );
        assert_eq!(out[0].code, Code::SecretEnvVar);
    }

    #[test]
    fn versions_have_ids_aliases_and_a_latest() {
        let (manifest, out) = project(&[
            ("models/m_v1.sql", "select 1 as a"),
            ("models/m_v2.sql", "select 2 as a"),
            (
                "models/r.sql",
                "select * from {{ ref('m') }} union all select * from {{ ref('m', v=1) }}",
            ),
            (
                "models/m.yml",
                "models: [{name: m, columns: [{name: a, data_tests: [not_null]}], versions: [{v: 1}, {v: 2}]}]",
            ),
        ]);
        assert!(out.is_empty(), "{out:?}");
        let parents: Vec<&str> = manifest
            .get("model.shop.r")
            .unwrap()
            .depends_on
            .iter()
            .map(|id| &*manifest.node(*id).unique_id)
            .collect();
        assert_eq!(parents, ["model.shop.m.v2", "model.shop.m.v1"]);
        assert_eq!(&*manifest.get("model.shop.m.v1").unwrap().alias, "m_v1");
        assert!(
            manifest.nodes.iter().any(|n| n.unique_id.starts_with("test.shop.not_null_m_v1_a."))
        );
    }
}
