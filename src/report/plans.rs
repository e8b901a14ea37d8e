//! Prints the steps of a plan, as text or JSON.

use super::console::{Console, count_of};
use crate::manifest::{Manifest, NodeId};
use crate::ops::PlanReport;
use crate::plan::{Action, Plan, Step};

pub(crate) fn print_plan(console: &Console, report: &PlanReport, is_json: bool) {
    if let Some(e) = &report.without_database {
        console.say(&format!("planned without the database: {e}"));
    }
    if report.is_unrecorded {
        console.say(
            "no build was noted in this database: `strata build --changed` begins to note them",
        );
    }
    if is_json {
        let json = plan_json(report);
        console.out(&serde_json::to_string_pretty(&json).unwrap_or_default());
        return;
    }
    let PlanReport { manifest, plan, unchanged, .. } = report;
    for (_, schema) in &plan.schemas {
        console.out(&format!("      create schema {schema}"));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        for line in step_lines(manifest, plan, number, step) {
            console.out(&line);
        }
    }
    let unchanged = unchanged.iter().map(|id| manifest.node(*id));
    for node in unchanged.filter(|n| n.resource_type().is_published()) {
        let (kind, name) = (node.resource_type().as_str(), node.display_name());
        console.out(&format!("    - {kind} {name}  (unchanged)"));
    }
    let guards: usize = plan.steps.iter().map(|s| s.guards.len()).sum();
    let (steps, tests) = (count_of(plan.steps.len(), "step"), count_of(guards, "test"));
    console.say(&format!("{steps}, {tests} before publication"));
}

/// The lines of a step: its number, counted from 1, and below it the steps that it waits for, its
/// guards and notes.
fn step_lines(manifest: &Manifest, plan: &Plan, number: usize, step: &Step) -> Vec<String> {
    let node = manifest.node(step.node);
    let name = match (&node.relation, step.action) {
        (Some(relation), Action::Build) => relation.short(),
        _ => node.display_name(),
    };
    let kind = node.resource_type().as_str().replace('_', " ");
    let reason = match step.reason.is_empty() {
        true => String::new(),
        false => format!("  ({})", step.reason),
    };
    let mut lines = vec![format!("{:>5} {kind} {name}{reason}", number + 1)];
    let order_only = step.after.iter().filter(|a| !step.parents.contains(a));
    let waits: Vec<String> = order_only.map(|a| (a + 1).to_string()).collect();
    if !waits.is_empty() {
        lines.push(format!("        waits for {}", waits.join(", ")));
    }
    let guards = step.guards.iter().map(|guard| &manifest.node(*guard).name);
    lines.extend(guards.map(|name| format!("        guarded by {name}")));
    if let Some((_, why)) = plan.unguarded.iter().find(|(t, _)| *t == step.node) {
        lines.push(format!("        guards nothing: {why}"));
    }
    let notes = plan.notes.iter().filter(|(n, _)| *n == step.node);
    lines.extend(notes.map(|(_, why)| format!("        note: {why}")));
    lines
}

fn plan_json(report: &PlanReport) -> serde_json::Value {
    let PlanReport { manifest, plan, unchanged, .. } = report;
    let id = |n: &NodeId| manifest.node(*n).unique_id.to_string();
    let ids = |nodes: &[NodeId]| nodes.iter().map(id).collect::<Vec<_>>();
    let ids_of_steps =
        |steps: &[usize]| steps.iter().map(|i| id(&plan.steps[*i].node)).collect::<Vec<_>>();
    let mut steps = Vec::new();
    for step in &plan.steps {
        let action = format!("{:?}", step.action).to_lowercase();
        steps.push(serde_json::json!({
            "node": id(&step.node), "action": action, "reason": step.reason, "guards": ids(&step.guards),
            "parents": ids_of_steps(&step.parents), "after": ids_of_steps(&step.after),
        }));
    }
    let unguarded = plan.unguarded.iter();
    let unguarded: Vec<_> =
        unguarded.map(|(t, why)| serde_json::json!({ "test": id(t), "reason": why })).collect();
    let notes = plan.notes.iter();
    let notes: Vec<_> =
        notes.map(|(n, why)| serde_json::json!({ "node": id(n), "note": why })).collect();
    let schemas: Vec<&str> = plan.schemas.iter().map(|(_, s)| &**s).collect();
    serde_json::json!({
        "schemas": schemas, "steps": steps, "unguarded": unguarded, "notes": notes,
        "unchanged": ids(unchanged),
    })
}
