//! A build that left nothing to do leaves nothing to do again, while all that this was found from is as it was. Then
//! the project is not put together and the database is not opened.
//!
//! What it is found from: the texts and what parsing, resolving and compiling ask of the world, the target, what the
//! command is asked for, the rows of seeds, and the database: `adapter::untouched` says whether it has been written.
//! Whatever cannot be told makes the command look for itself.

use super::Invocation;
use super::changed::{Look, asked_sources, judge, noted, own};
use super::project::{Begun, KeptProject, Project, introduce};
use super::run::{RunArgs, results_in, tell_place};
use crate::adapter::{is_shared, untouched};
use crate::changes::{KeptPrints, Verdict};
use crate::context::{Question, Read};
use crate::diag::Diagnostic;
use crate::engine::{Existing, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::inspect;
use crate::load::{FileKind, SEED_HASH_LIMIT, Sources};
use crate::manifest::{Node, NodeId, NodeKind, RelationKind, ResourceType};
use crate::run::{Event, Judged, nothing};
use crate::select::NodeSet;
use crate::state::{Said, Settled, read_settled, write_settled};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a command rests on before it has looked at the database.
pub(super) struct Premises {
    inputs: Fingerprint,
    /// Seeds whose rows are not in the print, with prints of their own.
    seeds: Vec<(Utf8PathBuf, Fingerprint)>,
}

impl Premises {
    /// None: the command has to look for itself, and there is nothing to keep of it.
    pub(super) fn new(inv: &Invocation, args: &RunArgs, begun: &Begun, kept: &KeptProject) -> Option<Premises> {
        let (sources, _) = begun.parsed.as_ref()?;
        let alone = inv.orchestrated.is_none() && inv.state.is_none() && !is_shared(&sources.target);
        if !inv.cache || args.changed.is_none() || !alone {
            return None;
        }
        let files = sources.packages.iter().flat_map(|p| &p.files);
        let large = files.filter(|f| f.kind == FileKind::Seed && f.size >= SEED_HASH_LIMIT);
        let seeds = large.map(|f| Some((f.absolute.clone(), inv.system.print(&f.absolute).ok()?)));
        Some(Premises { inputs: inputs(inv, args, sources, kept)?, seeds: seeds.collect::<Option<_>>()? })
    }

    /// What an earlier command found that rests on the same.
    pub(super) fn recall(&self, inv: &Invocation, begun: &Begun, kept: &KeptProject) -> Option<Settled> {
        let (sources, parsed) = begun.parsed.as_ref()?;
        let settled = read_settled(inv.system.as_ref(), &sources.target_path).filter(|_| kept.is_known())?;
        let holds = |read: &Read| parsed.context.answer(&read.question) == Some(read.answer);
        let same = settled.inputs == self.inputs
            && settled.manifest == manifest_stamp(inv, &sources.target_path)
            && settled.reads.iter().all(holds)
            && settled.seeds == self.seeds
            && untouched(inv.system.as_ref(), &sources.target).is_some_and(|now| now == settled.database);
        same.then_some(settled)
    }

    /// Looks whether a command that has ended well left nothing to do, and keeps that. `warehouse` has been open all the
    /// time, so that nobody else wrote.
    pub(super) fn keep(self, inv: &Invocation, mut done: Done<'_>, warehouse: &mut dyn Warehouse) {
        let (selected, manifest) = (done.selected, &done.project.manifest);
        let target = &manifest.project.target;
        if untouched(inv.system.as_ref(), target).is_none() {
            warehouse.settle();
        }
        let Some(database) = untouched(inv.system.as_ref(), target) else { return };
        let Some(mut same) = done.same(inv, warehouse) else { return };
        same.sort();
        let ids = selected.iter().map(|id| &*manifest.node(id).unique_id);
        let reads: BTreeSet<&Read> =
            done.kept.reads().chain(done.prints.reads(ids)).filter(|r| is_of_the_world(r)).collect();
        let nodes = same.iter().map(|id| manifest.node(*id)).filter(|n| n.resource_type() != ResourceType::Test);
        let settled = Settled {
            inputs: self.inputs,
            reads: reads.into_iter().cloned().collect(),
            seeds: self.seeds,
            database,
            manifest: manifest_stamp(inv, &manifest.project.target_path),
            nodes: nodes.map(|n| (n.unique_id.to_string(), n.resource_type(), n.display_name())).collect(),
            said: done.kept.said().iter().map(|d| Said::new(d, &done.project.map)).collect(),
        };
        // What cannot be written costs time only.
        let _ = write_settled(inv.system.as_ref(), &manifest.project.target_path, &settled, &inv.load.scrubber);
    }
}

/// A command that has ended.
pub(super) struct Done<'a> {
    pub(super) project: &'a Project,
    pub(super) args: &'a RunArgs,
    pub(super) kept: &'a KeptProject,
    /// What it was asked for, before it was narrowed to what had changed.
    pub(super) selected: &'a NodeSet,
    pub(super) prints: KeptPrints,
    /// What was thought of the nodes, if nothing was built.
    pub(super) verdicts: Option<FastMap<NodeId, Verdict>>,
}

impl Done<'_> {
    /// The nodes that are as they have to be. None: there are others, or they can change while no file is written.
    fn same(&mut self, inv: &Invocation, warehouse: &mut dyn Warehouse) -> Option<Vec<NodeId>> {
        let (manifest, selected, how) = (&self.project.manifest, self.selected, self.args.changed?);
        let asked = asked_sources(manifest, selected);
        let mut existing = Existing::Unknown;
        if self.verdicts.is_none() || !asked.is_empty() {
            existing = inspect(warehouse, manifest, selected.iter()).ok()?;
        }
        let verdicts = match self.verdicts.take() {
            Some(verdicts) => verdicts,
            None => {
                let noted = noted(self.project, selected, warehouse, false).ok()??;
                let own = own(&inv.store(), self.project, selected, &mut self.prints);
                let at = Look { project: self.project, selected, existing: &existing, how };
                let mut quiet = inv.quietly(inv.interrupt.clone());
                judge(&mut quiet, &at, noted, own, warehouse).ok()?.1.0
            }
        };
        let stored = asked.iter().all(|id| is_table(manifest.node(*id), &existing));
        (stored && verdicts.values().all(|v| *v == Verdict::Same)).then(|| verdicts.into_keys().collect())
    }
}

/// What `manifest.json` is known by, where a command writes it.
fn manifest_stamp(inv: &Invocation, folder: &Utf8Path) -> Option<String> {
    inv.write_json.then(|| inv.system.stamp(&folder.join("manifest.json"))).flatten()
}

/// The project itself answers what is not: the graph, the node, the selection.
fn is_of_the_world(read: &Read) -> bool {
    !matches!(read.question, Question::Graph | Question::Node | Question::Selected)
}

/// Whether a source that says when it was loaded is a table: what a view or a query gives can change without anything
/// being written to the database.
fn is_table(source: &Node, existing: &Existing) -> bool {
    let asks = matches!(&source.kind, NodeKind::Source(table) if table.loaded_at_query.is_some());
    let found = source.relation.as_ref().and_then(|r| existing.find(r));
    !asks && found.is_some_and(|f| f.kind == RelationKind::Table)
}

/// A print of what is not asked of the world. None: it cannot be told.
fn inputs(inv: &Invocation, args: &RunArgs, sources: &Sources, kept: &KeptProject) -> Option<Fingerprint> {
    let facts = &sources.context.facts;
    let mut duckdb = sources.target.duckdb.clone();
    duckdb.secrets.clear();
    let mut parts = vec![
        kept.print(sources)?.hex(),
        facts.target().hex(),
        facts.flags().hex(),
        format!("{duckdb:?}"),
        format!("{args:?} {:?} {:?}", inv.load.vars, sources.selectors),
    ];
    parts.extend(sources.packages.iter().map(|p| format!("{:?}", p.options)));
    Some(Fingerprint::of_parts(parts))
}

/// Says what the earlier command said in the end.
pub(super) fn tell(inv: &mut Invocation, args: &RunArgs, settled: Settled, begun: Begun) -> super::Exit {
    let Some((sources, parsed)) = begun.parsed else { return Ok(0) };
    let said: Vec<Diagnostic> = settled.said.iter().filter_map(|s| s.diagnostic(&sources.map)).collect();
    introduce(inv, Arc::new(sources.map), &parsed.logs);
    inv.console.diagnostics(&said);
    let one = |(id, kind, name): (String, ResourceType, String)| Judged::same(id.into(), kind, name);
    inv.console.event(&Event::Judged { nodes: settled.nodes.into_iter().map(one).collect() });
    nothing(sources.target.threads, &mut |event| inv.console.event(&event));
    results_in(inv, &sources.target_path, &[], 0.0)?;
    tell_place(inv, &sources.target, args);
    Ok(inv.conclude(&[], 0.0))
}
