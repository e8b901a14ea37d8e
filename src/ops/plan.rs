//! `plan`: the steps of a build, printed and not taken.

use super::project::{choose, connect, open};
use super::run::{RunArgs, publishes_itself, types};
use super::{Exit, Invocation};
use crate::engine::Existing;
use crate::inspect::inspect;
use crate::plan::{Action, PlanRequest, plan};
use crate::report::count;

pub(crate) fn show_plan(inv: &mut Invocation, args: &RunArgs, json: bool) -> Exit {
    let project = open(inv)?;
    let selected = choose(inv, &project, &args.selection, types(args.verb))?;
    // Without a database the plan is made as if nothing were known.
    let existing = match connect(inv, &project) {
        Ok(mut warehouse) => inspect(warehouse.as_mut(), &project.manifest, selected.iter())?,
        Err(e) => {
            inv.console.say(&format!("planned without the database: {e}"));
            Existing::Unknown
        }
    };
    let itself = publishes_itself(&project);
    let manifest = &project.manifest;
    let plan = plan(&PlanRequest {
        manifest,
        selected: &selected,
        existing: &existing,
        verb: args.verb,
        audit: args.audit,
        full_refresh: args.full_refresh,
        store_failures: args.store_failures,
        publishes_itself: &itself,
    });
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
        let unguarded = plan.unguarded.iter().map(|(t, why)| serde_json::json!({ "test": id(*t), "reason": why }));
        let value = serde_json::json!({
            "schemas": plan.schemas.iter().map(|(_, s)| s).collect::<Vec<_>>(),
            "steps": steps.collect::<Vec<_>>(), "unguarded": unguarded.collect::<Vec<_>>(),
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
        let reason = if step.reason.is_empty() { String::new() } else { format!("  ({})", step.reason) };
        inv.console.out(&format!("{:>5} {kind} {name}{reason}", i + 1));
        let waits: Vec<String> =
            step.after.iter().filter(|a| !step.parents.contains(a)).map(|a| (a + 1).to_string()).collect();
        if !waits.is_empty() {
            inv.console.out(&format!("        waits for {}", waits.join(", ")));
        }
        for guard in &step.guards {
            inv.console.out(&format!("        guarded by {}", manifest.node(*guard).name));
        }
        if let Some((_, why)) = plan.unguarded.iter().find(|(t, _)| *t == step.node) {
            inv.console.out(&format!("        guards nothing: {why}"));
        }
    }
    let guards: usize = plan.steps.iter().map(|s| s.guards.len()).sum();
    inv.console.say(&format!("{}, {} before publication", count(plan.steps.len(), "step"), count(guards, "test")));
    Ok(0)
}
