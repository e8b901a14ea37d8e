//! A build that left nothing to do leaves nothing to do again, while all that this was found from
//! is as it was.
//!
//! That is asked twice. When the files are parsed: if nothing in them, and nothing that was asked
//! of the world later on, has moved, the project is not put together. And when it is compiled: if
//! its nodes say what they said, the database is not opened. Both need a database that has not been
//! written since: the target's options say so. Whatever cannot be told makes the command look for
//! itself.

use super::changed::{Judge, Look, asked_sources, judge, noted, own};
use super::project::{Begun, Project, ProjectCache, introduce};
use super::run::{RunArgs, results_in, tell_place};
use super::{Exit, Invocation};
use crate::cache::{KeyWriter, read_stored, write_stored};
use crate::changes::{CompileCache, Own, Verdict, nodes_print};
use crate::config::Json;
use crate::context::{Question, Read};
use crate::diag::Diagnostic;
use crate::engine::{DatabaseState, Existing, RelationKind, Target, Warehouse};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::inspect;
use crate::load::{FileKind, SEED_HASH_LIMIT, Sources};
use crate::manifest::{Node, NodeId, NodeKind, NodeSet, ResourceType};
use crate::run::{Event, NodeVerdict, nothing};
use crate::select::Selection;
use crate::state::{Said, Settled};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a command rests on before it has looked at the database.
pub(super) struct Premises {
    /// A print of what it is asked for.
    asked: Fingerprint,
    inputs: Option<Fingerprint>,
    /// Seeds whose rows no print of the files covers, with prints of their own.
    seeds: Vec<(Utf8PathBuf, Fingerprint)>,
    /// What an earlier command with the same request found in the database as it is.
    found: Option<Settled>,
}

impl Premises {
    /// None: the command has to look for itself, and there is nothing to keep of it.
    pub(super) fn new(inv: &Invocation, args: &RunArgs, begun: &Begun) -> Option<Premises> {
        let (sources, _) = begun.parsed.as_ref()?;
        let alone = inv.orchestrated.is_none()
            && inv.state.is_none()
            && !sources.target.connection.files().is_empty();
        if args.changed.is_none() || !alone {
            return None;
        }
        let asked = asked(inv, args, sources);
        let files = sources.packages.iter().flat_map(|p| &p.files);
        let large = files.filter(|f| f.kind == FileKind::Seed && f.size >= SEED_HASH_LIMIT);
        let seeds = large.map(|f| Some((f.absolute.clone(), inv.system.print(&f.absolute).ok()?)));
        let database = sources.target.connection.state(inv.system.as_ref());
        let found = read_stored(inv.system.as_ref(), &sources.target_path)
            .filter(|f: &Settled| f.asked == asked && database.as_ref() == Some(&f.database));
        Some(Premises { asked, inputs: begun.inputs, seeds: seeds.collect::<Option<_>>()?, found })
    }

    /// Whether something was found that may still hold.
    pub(super) fn may_hold(&self) -> bool {
        self.found.is_some()
    }

    /// What was found, if nothing has moved by which the project is made.
    pub(super) fn before_resolve(
        &mut self,
        inv: &Invocation,
        begun: &Begun,
        cache: &ProjectCache,
    ) -> Option<Settled> {
        let (sources, parsed) = begun.parsed.as_ref()?;
        let found = self.found.as_ref().filter(|_| inv.cache && cache.is_known())?;
        let holds = |read: &Read| parsed.context.answer(&read.question) == Some(read.answer);
        let same = self.inputs == Some(found.inputs)
            && found.seeds == self.seeds
            && found.manifest == manifest_stamp(inv, &sources.target_path)
            && found.reads.iter().all(holds);
        self.found.take_if(|_| same)
    }

    /// What was found, if the nodes say what they said.
    pub(super) fn after_compile(
        &mut self,
        project: &Project,
        own: &FastMap<NodeId, Own>,
    ) -> Option<Settled> {
        let now = self.found.as_ref().map(|_| nodes_print(&project.manifest, own));
        self.found.take_if(|found| now == Some(found.own))
    }

    /// Looks whether a command that has ended well left nothing to do, and keeps that, unless somebody
    /// else has written meanwhile.
    pub(super) fn keep(self, inv: &Invocation, mut done: Done<'_>, warehouse: &mut dyn Warehouse) {
        if !inv.cache {
            return;
        }
        let target = &done.project.manifest.project.target;
        if target.connection.state(inv.system.as_ref()).is_none() {
            warehouse.settle();
        }
        let Some(database) = target.connection.state(inv.system.as_ref()) else { return };
        let Some((mut same, own)) = done.same(inv, warehouse) else { return };
        if target.connection.state(inv.system.as_ref()).as_ref() != Some(&database) {
            return;
        }
        same.sort();
        let nodes = same.iter().map(|id| done.project.manifest.node(*id));
        let nodes = nodes.filter(|n| n.resource_type() != ResourceType::Test);
        let nodes = nodes.map(|n| (n.unique_id.to_string(), n.resource_type(), n.display_name()));
        self.write(inv, &done, Looked { database, own, nodes: nodes.collect() });
    }

    /// Keeps that what an earlier command found holds for the project as it is now.
    fn renew(self, inv: &Invocation, done: &Done<'_>, found: &Settled) {
        let (database, nodes) = (found.database.clone(), found.nodes.clone());
        self.write(inv, done, Looked { database, own: found.own, nodes });
    }

    fn write(self, inv: &Invocation, done: &Done<'_>, looked: Looked) {
        let manifest = &done.project.manifest;
        let (Some(inputs), true) = (self.inputs, inv.cache) else { return };
        let ids = done.selected.iter().map(|id| &*manifest.node(id).unique_id);
        let reads: BTreeSet<&Read> = done
            .cache
            .reads()
            .chain(done.prints.reads(ids))
            .filter(|r| is_of_the_world(r))
            .collect();
        let mut settled = Settled {
            asked: self.asked,
            inputs,
            own: looked.own,
            reads: reads.into_iter().cloned().collect(),
            seeds: self.seeds,
            database: looked.database,
            manifest: manifest_stamp(inv, &manifest.project.target_path),
            nodes: looked.nodes,
            said: done.cache.said().iter().map(|d| Said::new(d, &done.project.map)).collect(),
        };
        // What cannot be written costs time only.
        let _ = write_stored(inv.system.as_ref(), &manifest.project.target_path, &mut settled);
    }
}

/// What a look at the database gave.
struct Looked {
    database: DatabaseState,
    own: Fingerprint,
    nodes: Vec<(String, ResourceType, String)>,
}

/// A command that has nothing more to do.
pub(super) struct Done<'a> {
    pub(super) project: &'a Project,
    pub(super) args: &'a RunArgs,
    pub(super) cache: &'a ProjectCache,
    /// What it was asked for, before it was narrowed to what had changed.
    pub(super) selected: &'a NodeSet,
    pub(super) prints: &'a mut CompileCache,
    /// What was thought of the nodes, and a print of what they said, if nothing was built.
    pub(super) verdicts: Option<(FastMap<NodeId, Verdict>, Fingerprint)>,
}

impl Done<'_> {
    /// The nodes that are as they have to be, and a print of what they say. None: there are others,
    /// or they can change while no file is written.
    fn same(
        &mut self,
        inv: &Invocation,
        warehouse: &mut dyn Warehouse,
    ) -> Option<(Vec<NodeId>, Fingerprint)> {
        let (manifest, selected, how) = (&self.project.manifest, self.selected, self.args.changed?);
        let asked = asked_sources(manifest, selected);
        let mut existing = Existing::Unknown;
        if self.verdicts.is_none() || !asked.is_empty() {
            existing = inspect(warehouse, manifest, selected.iter()).ok()?;
        }
        let (verdicts, print) = match self.verdicts.take() {
            Some(known) => known,
            None => {
                let noted = noted(self.project, selected, warehouse, false).ok()??;
                let own = own(&inv.store(), self.project, selected, self.prints);
                let print = nodes_print(manifest, &own);
                let at = Look { project: self.project, selected, existing: &existing, how };
                let mut quiet = inv.quietly(inv.interrupt.clone());
                (judge(&mut quiet, &at, noted, own, warehouse).ok()?.1.0, print)
            }
        };
        let stored = asked.iter().all(|id| is_table(manifest.node(*id), &existing));
        let same = stored && verdicts.values().all(|v| *v == Verdict::Same);
        same.then(|| (verdicts.into_keys().collect(), print))
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

/// Whether a source that says when it was loaded is a table: what a view or a query gives can
/// change without anything being written to the database.
fn is_table(source: &Node, existing: &Existing) -> bool {
    let asks = matches!(&source.kind, NodeKind::Source(table) if table.loaded_at_query.is_some());
    let found = source.relation.as_ref().and_then(|r| existing.find(r));
    !asks && found.is_some_and(|f| f.kind == RelationKind::Table)
}

/// The key of what a command is asked for, and of which database.
fn asked(inv: &Invocation, args: &RunArgs, sources: &Sources) -> Fingerprint {
    let vars = Json::Object(inv.load.vars.clone()).to_string();
    let key = KeyWriter::new("asked").text(&vars);
    let key = key.fingerprint(Some(sources.context.facts.target()));
    let key = key.text(&sources.target.connection.identity());
    write_args(key, args).finish()
}

/// Writes all of what a run is asked for: a field that is new has to be added here.
fn write_args(key: KeyWriter, args: &RunArgs) -> KeyWriter {
    let RunArgs { verb, selection, full_refresh, fail_fast, store_failures, empty, audit, changed } =
        args;
    let key = [full_refresh, fail_fast, store_failures, empty, audit]
        .into_iter()
        .fold(key.number(*verb as u64), |key, flag| key.flag(*flag));
    let key = match changed {
        Some(Judge { assume_sources, edits_only }) => key.flag(*assume_sources).flag(*edits_only),
        None => key.optional(None),
    };
    let Selection {
        select,
        exclude,
        selector,
        indirect,
        resource_types,
        exclude_resource_types,
        nodes,
    } = selection;
    let types = |types: &[ResourceType]| types.iter().map(|t| t.as_str()).collect::<Vec<_>>();
    let key = key.texts(select).texts(exclude).optional(selector.as_deref());
    let key = key.number(*indirect as u64);
    let key = key.texts(types(resource_types)).texts(types(exclude_resource_types));
    match nodes {
        Some(nodes) => key.texts(nodes),
        None => key.optional(None),
    }
}

/// Says what the earlier command said in the end, of a project that is not put together.
pub(super) fn tell_all(
    inv: &mut Invocation,
    args: &RunArgs,
    settled: Settled,
    begun: Begun,
) -> Exit {
    let Some((sources, parsed)) = begun.parsed else { return Ok(0) };
    let said: Vec<Diagnostic> =
        settled.said.iter().filter_map(|s| s.diagnostic(&sources.map)).collect();
    introduce(inv, Arc::new(sources.map), &parsed.logs);
    inv.warn(&said)?;
    tell(inv, args, settled.nodes, &sources.target, &sources.target_path)
}

/// Says that there is nothing to do, of a project that says what it said.
pub(super) fn tell_again(
    inv: &mut Invocation,
    premises: Option<Premises>,
    done: &Done<'_>,
    found: Settled,
) -> Exit {
    premises.into_iter().for_each(|p| p.renew(inv, done, &found));
    let info = &done.project.manifest.project;
    tell(inv, done.args, found.nodes, &info.target, &info.target_path)
}

/// Says that there is nothing to do.
fn tell(
    inv: &mut Invocation,
    args: &RunArgs,
    nodes: Vec<(String, ResourceType, String)>,
    target: &Target,
    target_path: &Utf8Path,
) -> Exit {
    let one = |(id, kind, name): (String, ResourceType, String)| NodeVerdict {
        unique_id: id.into(),
        kind,
        name,
        verdict: Verdict::Same,
    };
    inv.console.event(&Event::Judged { nodes: nodes.into_iter().map(one).collect() });
    nothing(target.threads, &mut |event| inv.console.event(&event));
    results_in(inv, target_path, &[], 0.0)?;
    tell_place(inv, target, args);
    Ok(inv.conclude(&[], 0.0))
}
