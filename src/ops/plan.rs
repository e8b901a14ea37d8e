//! `plan`: the steps of a build, printed and not taken.

use super::changed::{Judge, Look, judge, narrow, noted, own, read_compile_cache};
use super::prepare::planned;
use super::project::{Project, choose, connect, open};
use super::run::{RunArgs, types};
use super::{CliError, Exit, Invocation};
use crate::changes::Verdict;
use crate::engine::{Existing, Warehouse};
use crate::hash::FastMap;
use crate::inspect::inspect;
use crate::manifest::{NodeId, NodeSet};
use crate::plan::Action;
use crate::report::count;

pub(crate) fn show_plan(inv: &mut Invocation, args: &RunArgs, json: bool) -> Exit {
    let project = open(inv)?;
    let mut selected = choose(inv, project, &args.selection, types(args.verb))?;
    // Without a database the plan is made as if nothing were known.
    let mut verdicts = None;
    let existing = match connect(inv, project) {
        Ok(mut warehouse) => {
            let existing = inspect(warehouse.as_mut(), &project.manifest, selected.iter())?;
            if let Some(how) = args.changed {
                verdicts = judged(inv, project, &selected, &existing, how, warehouse.as_mut())?;
            }
            existing
        }
        Err(e) => {
            inv.console.say(&format!("planned without the database: {e}"));
            Existing::Unknown
        }
    };
    if let Some(verdicts) = &verdicts {
        narrow(project, &mut selected, verdicts);
    }
    let manifest = &project.manifest;
    let mut plan = planned(inv, project, args, &selected, &existing)?;
    let mut unchanged: Vec<NodeId> = Vec::new();
    if let Some(verdicts) = &verdicts {
        for step in &mut plan.steps {
            if let Some(why) = verdicts.get(&step.node).and_then(Verdict::reason) {
                let how = std::mem::take(&mut step.reason);
                step.reason =
                    if how.is_empty() { why.to_string() } else { format!("{how}; {why}") };
            }
        }
        unchanged.extend(verdicts.iter().filter(|(_, v)| **v == Verdict::Same).map(|(id, _)| *id));
        unchanged.sort();
    }
    let id = |n| manifest.node(n).unique_id.to_string();
    if json {
        let steps = plan.steps.iter().map(|s| {
            serde_json::json!({
                "node": id(s.node), "action": format!("{:?}", s.action).to_lowercase(), "reason": s.reason,
                "guards": s.guards.iter().map(|g| id(*g)).collect::<Vec<_>>(),
                "parents": s.parents.iter().map(|p| id(plan.steps[*p].node)).collect::<Vec<_>>(),
                "after": s.after.iter().map(|p| id(plan.steps[*p].node)).collect::<Vec<_>>(),
            })
        });
        let unguarded = plan
            .unguarded
            .iter()
            .map(|(t, why)| serde_json::json!({ "test": id(*t), "reason": why }));
        let notes =
            plan.notes.iter().map(|(n, why)| serde_json::json!({ "node": id(*n), "note": why }));
        let value = serde_json::json!({
            "schemas": plan.schemas.iter().map(|(_, s)| s).collect::<Vec<_>>(),
            "steps": steps.collect::<Vec<_>>(), "unguarded": unguarded.collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
            "unchanged": unchanged.iter().map(|n| id(*n)).collect::<Vec<_>>(),
        });
        inv.console.out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(0);
    }
    for (_, schema) in &plan.schemas {
        inv.console.out(&format!("      create schema {schema}"));
    }
    for (i, step) in plan.steps.iter().enumerate() {
        let node = manifest.node(step.node);
        let name = match (&node.relation, step.action) {
            (Some(relation), Action::Build) => relation.short(),
            _ => node.display_name(),
        };
        let kind = node.resource_type().as_str().replace('_', " ");
        let reason =
            if step.reason.is_empty() { String::new() } else { format!("  ({})", step.reason) };
        inv.console.out(&format!("{:>5} {kind} {name}{reason}", i + 1));
        let waits: Vec<String> = step
            .after
            .iter()
            .filter(|a| !step.parents.contains(a))
            .map(|a| (a + 1).to_string())
            .collect();
        if !waits.is_empty() {
            inv.console.out(&format!("        waits for {}", waits.join(", ")));
        }
        for guard in &step.guards {
            inv.console.out(&format!("        guarded by {}", manifest.node(*guard).name));
        }
        if let Some((_, why)) = plan.unguarded.iter().find(|(t, _)| *t == step.node) {
            inv.console.out(&format!("        guards nothing: {why}"));
        }
        for (_, why) in plan.notes.iter().filter(|(n, _)| *n == step.node) {
            inv.console.out(&format!("        note: {why}"));
        }
    }
    for node in
        unchanged.iter().map(|id| manifest.node(*id)).filter(|n| n.resource_type().is_refable())
    {
        inv.console.out(&format!(
            "    - {} {}  (unchanged)",
            node.resource_type().as_str(),
            node.display_name()
        ));
    }
    let guards: usize = plan.steps.iter().map(|s| s.guards.len()).sum();
    inv.console.say(&format!(
        "{}, {} before publication",
        count(plan.steps.len(), "step"),
        count(guards, "test")
    ));
    Ok(0)
}

/// The verdicts of `--changed`. Nothing is written: without a record of earlier builds everything
/// is new.
fn judged(
    inv: &mut Invocation,
    project: &Project,
    selected: &NodeSet,
    existing: &Existing,
    how: Judge,
    warehouse: &mut dyn Warehouse,
) -> Result<Option<FastMap<NodeId, Verdict>>, CliError> {
    match noted(project, selected, warehouse, false)? {
        Some(noted) => {
            let store = inv.store();
            let own = own(&store, project, selected, &mut read_compile_cache(&store, project));
            let at = Look { project, selected, existing, how };
            Ok(Some(judge(inv, &at, noted, own, warehouse)?.1.0))
        }
        None => {
            inv.console.say(
                "no build was noted in this database: `strata build --changed` begins to note them",
            );
            Ok(None)
        }
    }
}
