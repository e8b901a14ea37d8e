//! `build`, `run`, `test`, `seed`, `snapshot`.

use super::beside::{Opening, Writing};
use super::changed::{Judge, own, read_compile_cache};
use super::dag::verified;
use super::prepare::{Prepared, Wanted, prepare};
use super::project::{
    Project, begin_command, choose, lasting, metadata, open_begun, write_compiled,
};
use super::settled::{self, Done, Premises};
use super::{CliError, Exit, Invocation};
use crate::changes::{Verdict, nodes_print};
use crate::diag::{Code, Diagnostic};
use crate::engine::Target;
use crate::hash::FastMap;
use crate::manifest::{Node, NodeId, NodeSet, ResourceType};
use crate::outcome::{RunResult, RunStatus};
use crate::plan::Verb;
use crate::run::{Event, NodeVerdict, RunRequest, artifact_path, run};
use crate::select::Selection;
use crate::state::write_run_results;
use camino::Utf8Path;
use std::collections::HashSet;

/// What a run is asked for.
#[derive(Clone, Debug)]
pub(crate) struct RunArgs {
    pub(crate) verb: Verb,
    pub(crate) selection: Selection,
    pub(crate) full_refresh: bool,
    pub(crate) fail_fast: bool,
    pub(crate) store_failures: bool,
    pub(crate) empty: bool,
    pub(crate) audit: bool,
    /// Build only what has changed since the last time.
    pub(crate) changed: Option<Judge>,
}

/// The resource types of a command (`ls` uses those of `build` and more).
pub(super) fn types(verb: Verb) -> &'static [ResourceType] {
    match verb {
        Verb::Build => &[
            ResourceType::Model,
            ResourceType::Seed,
            ResourceType::Snapshot,
            ResourceType::Test,
            ResourceType::UnitTest,
            ResourceType::Exposure,
            ResourceType::SavedQuery,
            ResourceType::Function,
        ],
        Verb::Run => &[ResourceType::Model],
        Verb::Test => &[ResourceType::Test, ResourceType::UnitTest],
        Verb::Seed => &[ResourceType::Seed],
        Verb::Snapshot => &[ResourceType::Snapshot],
        Verb::Export => &[ResourceType::Export],
        Verb::Compile => &[
            ResourceType::Model,
            ResourceType::Snapshot,
            ResourceType::Analysis,
            ResourceType::Test,
        ],
    }
}

pub(crate) fn run_verb(inv: &mut Invocation, args: &RunArgs) -> Exit {
    let (begun, cache) = begin_command(inv)?;
    let mut premises = Premises::new(inv, args, &begun);
    if let Some(found) = premises.as_mut().and_then(|p| p.before_resolve(inv, &begun, cache)) {
        return settled::tell_all(inv, args, found, begun);
    }
    // Where it may not be needed, it is opened only if it is.
    let may_hold =
        premises.as_ref().is_some_and(Premises::may_hold) && (cache.is_known() || !inv.cache);
    let target = begun.parsed.as_ref().map(|(sources, _)| &sources.target).filter(|_| !may_hold);
    let opening = target.and_then(|target| Opening::start(inv, target));
    let project = open_begun(inv, begun, cache)?;
    let mut selection = args.selection.clone();
    if let Some(nodes) = verified(inv, project)? {
        selection.nodes = Some(nodes);
    }
    let selected = choose(inv, project, &selection, types(args.verb))?;
    let writing = Writing::start(inv, project, args.changed.is_some())?;
    if selected.len() == 0 {
        inv.nothing_for_a_task()?;
        let d = Diagnostic::warning(Code::EmptySelection, "the selection matches nothing to do");
        results(inv, project, &[], 0.0)?;
        inv.warn(&[d.help("`strata ls` shows what there is")])?;
        return Ok(0);
    }
    let store = inv.store();
    let mut prints = None;
    let mut says = |nodes: &NodeSet| {
        own(
            &store,
            project,
            nodes,
            prints.get_or_insert_with(|| read_compile_cache(&store, project)),
        )
    };
    let mut said = may_hold.then(|| says(&selected));
    let found =
        said.as_ref().zip(premises.as_mut()).and_then(|(own, p)| p.after_compile(project, own));
    if let Some(found) = found {
        writing.wait()?;
        lasting(said);
        let prints = lasting(prints.unwrap_or_default());
        let done = Done { project, args, cache, selected: &selected, prints, verdicts: None };
        return settled::tell_again(inv, premises, &done, found);
    }
    let warehouse = Opening::wait(opening, inv, project)?;
    let held = premises.map(|p| Ok::<_, CliError>((p, warehouse.fork()?))).transpose()?;
    let mut print = None;
    let say = &mut |nodes: &NodeSet| {
        let own = said.take().unwrap_or_else(|| says(nodes));
        print = Some(nodes_print(&project.manifest, &own));
        own
    };
    let all = Wanted { budget: None, seen: None, say, leave: &mut |_, _, _| {} };
    let Prepared { plan, request, verdicts } =
        prepare(inv, project, args, selected.clone(), warehouse, all)?;
    if let Some(verdicts) = &verdicts {
        inv.console.event(&judged(project, verdicts, false));
    }
    writing.wait()?;
    let (all, seconds) = carry_out(inv, request.of(&plan))?;
    results(inv, project, &all, seconds)?;
    let compiled = all.iter().filter_map(|r| {
        let node = project.manifest.get(&r.unique_id)?;
        let path = format!("target/compiled/{}", artifact_path(node));
        Some((r.unique_id.clone(), (r.outcome.compiled.clone()?, path)))
    });
    if !all.is_empty() {
        write_compiled(inv, project, &compiled.collect())?;
    }
    let failed = all.iter().any(|r| r.outcome.status.is_failure());
    if let (Some((premises, mut warehouse)), false) = (held, failed || inv.interrupt.is_set()) {
        let verdicts = verdicts.zip(print).filter(|_| all.is_empty());
        let prints = &mut prints.unwrap_or_default();
        premises.keep(
            inv,
            Done { project, args, cache, selected: &selected, prints, verdicts },
            warehouse.as_mut(),
        );
    }
    advice(inv, project, args, &all, failed);
    Ok(inv.conclude(&all, seconds))
}

/// What is thought of the nodes, for those who look on: of tests, and with `due` of all, only what
/// is to be done.
pub(super) fn judged(project: &Project, verdicts: &FastMap<NodeId, Verdict>, due: bool) -> Event {
    let manifest = &project.manifest;
    let told = |id: &NodeId| !due && manifest.node(*id).resource_type() != ResourceType::Test;
    let mut ids: Vec<&NodeId> = verdicts
        .iter()
        .filter(|(id, v)| **v != Verdict::Same || told(id))
        .map(|(id, _)| id)
        .collect();
    ids.sort();
    let one = |id: &&NodeId| {
        let node = manifest.node(**id);
        NodeVerdict {
            unique_id: node.unique_id.clone(),
            kind: node.resource_type(),
            name: node.display_name(),
            verdict: verdicts[*id].clone(),
        }
    };
    Event::Judged { nodes: ids.iter().map(one).collect() }
}

/// Carries out a plan and shows it; the results and the seconds that it took.
pub(super) fn carry_out(
    inv: &mut Invocation,
    request: RunRequest<'_>,
) -> Result<(Vec<RunResult>, f64), CliError> {
    let mut seconds = 0.0;
    let console = &mut inv.console;
    let all = run(request, &mut |event| {
        if let Event::RunFinished { seconds: s, .. } = &event {
            seconds = *s;
        }
        console.event(&event);
    })?;
    Ok((all, seconds))
}

pub(super) fn results(
    inv: &Invocation,
    project: &Project,
    all: &[RunResult],
    seconds: f64,
) -> Result<(), CliError> {
    results_in(inv, &project.manifest.project.target_path, all, seconds)
}

pub(super) fn results_in(
    inv: &Invocation,
    folder: &Utf8Path,
    all: &[RunResult],
    seconds: f64,
) -> Result<(), CliError> {
    if inv.write_json {
        write_run_results(
            inv.system.as_ref(),
            folder,
            all,
            seconds,
            &metadata(inv),
            &inv.load.scrubber,
        )?;
    }
    Ok(())
}

/// What is to be built again, a few names: nodes that failed, else those that failed tests are
/// written on.
fn to_build_again<'p>(project: &'p Project, all: &[RunResult]) -> Vec<&'p str> {
    const MOST: usize = 6;
    let is_bad = |r: &&RunResult| matches!(r.outcome.status, RunStatus::Error | RunStatus::Fail);
    let bad: Vec<&Node> =
        all.iter().filter(is_bad).filter_map(|r| project.manifest.get(&r.unique_id)).collect();
    let failed: Vec<&str> =
        bad.iter().filter(|n| n.resource_type().is_refable()).map(|n| &*n.name).collect();
    let tested = |test: &&Node| {
        let attached =
            test.generic_test().and_then(|t| t.attached).or(test.depends_on.last().copied());
        attached.map(|id| &*project.manifest.node(id).name)
    };
    let mut names: Vec<&str> =
        if failed.is_empty() { bad.iter().filter_map(tested).collect() } else { failed };
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    names.truncate(MOST);
    names
}

/// Where the result is, and the next command to try.
fn advice(inv: &Invocation, project: &Project, args: &RunArgs, all: &[RunResult], failed: bool) {
    if inv.console.is_json() {
        return;
    }
    // The next command is for the same database.
    let there = inv.load.target.as_deref().map(|t| format!(" --target {t}")).unwrap_or_default();
    // What was interrupted needs no mending.
    if failed && inv.interrupt.is_set() {
        return;
    }
    if failed {
        let again = to_build_again(project, all);
        if !again.is_empty() {
            let changed = if args.changed.is_some() { " --changed" } else { "" };
            let them = if again.len() == 1 { "it" } else { "them" };
            let select: Vec<String> = again.iter().map(|name| format!("{name}+")).collect();
            let select = select.join(" ");
            inv.console.say(&format!(
                "after mending {them}: strata build{changed} --select {select}{there}"
            ));
        }
        return;
    }
    tell_place(inv, &project.manifest.project.target, args);
    // The last model that was built is what most readers came for.
    let mut built = all.iter().rev().filter_map(|r| project.manifest.get(&r.unique_id));
    let last = built
        .find(|n| n.resource_type() == ResourceType::Model)
        .filter(|_| args.verb != Verb::Test);
    if let Some(node) = last {
        inv.console.say(&format!("look at it: strata show {}{there}", node.name));
    }
}

/// Where the result of a command is.
pub(super) fn tell_place(inv: &Invocation, target: &Target, args: &RunArgs) {
    if args.verb == Verb::Test || inv.console.is_json() {
        return;
    }
    inv.console.say(&format!("the result is in {}, schema {}", target.place(), target.schema));
}
