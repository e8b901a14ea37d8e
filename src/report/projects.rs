//! Reports of the commands that maintain a project: parse, compile, docs, clean, init, debug.

use super::console::{Console, count_of};
use crate::ops::{
    CompileReport, DebugCheck, DocsReport, InitReport, NamedSql, OpsError, Orphan, OrphanFate,
    ParseReport,
};
use serde_json::{Value, json};

pub(crate) fn print_parsed(console: &Console, report: &ParseReport) {
    console.say(&format!("{} nodes parsed", report.nodes));
}

pub(crate) fn print_compiled(console: &Console, report: &CompileReport) {
    match report {
        CompileReport::Inline(sql) => {
            console.caption("Compiled inline node is:");
            console.out(sql.as_str());
        }
        CompileReport::Node(one) => {
            console.caption(&format!("Compiled node '{}' is:", one.node));
            console.out(one.sql.as_str());
        }
        CompileReport::Files { nodes, folder } => {
            console.say(&format!("{} nodes compiled into {folder}", nodes.len()));
        }
    }
}

/// Prints a JSON object for each node, as `dbt compile --output json` does.
pub(crate) fn print_compiled_json(console: &Console, report: &CompileReport) {
    let object = |one: &NamedSql| json!({ "node": one.node, "compiled": one.sql.as_str() });
    let objects: Vec<Value> = match report {
        CompileReport::Inline(sql) => vec![json!({ "compiled": sql.as_str() })],
        CompileReport::Node(one) => vec![object(one)],
        CompileReport::Files { nodes, .. } => nodes.iter().map(object).collect(),
    };
    objects.iter().for_each(|object| console.out(&format!("{object:#}")));
}

pub(crate) fn print_docs(console: &mut Console, report: &DocsReport) {
    console.diagnostics(&report.problems);
    let relations = count_of(report.relations, "relation");
    console.say(&format!("catalog of {relations} written to {}", report.path));
}

pub(crate) fn print_cleaned(console: &Console, removed: &[String]) {
    for target in removed {
        console.say(&format!("removed {target}"));
    }
}

/// A line for each relation, and what can be done with those that are still there.
pub(crate) fn print_orphans(console: &Console, orphans: &[Orphan]) {
    for orphan in orphans {
        console.out(&describe_orphan(orphan));
    }
    let is_there = orphans.iter().any(|o| o.fate == OrphanFate::Listed);
    match orphans.len() {
        0 => console.say("no relation is left over: each belongs to a node or a source"),
        _ if is_there => console.say("drop some: strata clean relations NAME.., or all: --all"),
        _ => {}
    }
}

fn describe_orphan(orphan: &Orphan) -> String {
    let Orphan { relation, node, fate } = orphan;
    let name = format!("{} {}", relation.kind.sql(), relation.relation.short());
    let of_node = node.as_ref().map(|id| format!(" of {id}")).unwrap_or_default();
    match fate {
        OrphanFate::Listed => format!("{name}{of_node}"),
        OrphanFate::Chosen => format!("would drop {name}{of_node}"),
        OrphanFate::Dropped => format!("dropped {name}{of_node}"),
        OrphanFate::Refused(why) => format!("{name}{of_node}: not dropped: {why}"),
    }
}

pub(crate) fn print_new_project(console: &Console, report: &InitReport) {
    let InitReport { name, files } = report;
    console.say(&format!("made {name} ({files} files)"));
    console.say(&format!("next: cd {name} && strata build"));
}

pub(crate) fn print_check(console: &Console, check: DebugCheck) {
    match check {
        DebugCheck::Unusable => console.out("project and profile: not usable"),
        DebugCheck::Project { name, root } => console.out(&format!("project:  {name} in {root}")),
        DebugCheck::Profiles(Some(path)) => console.out(&format!("profiles: {path}")),
        DebugCheck::Profiles(None) => {
            console.out("profiles: none found, the default target is used");
        }
        DebugCheck::Target { name, profile, adapter, fields } => {
            console.out(&format!("target:   {name} of profile {profile} ({adapter})"));
            for (key, value) in fields {
                console.out(&format!("            {key}: {value}"));
            }
        }
        DebugCheck::Connection { name, found: Ok(line) } => {
            console.out(&format!("{:<9} {line}", format!("{name}:")));
        }
        DebugCheck::Connection { name, found: Err(e) } => {
            console.out(&format!("{:<9} failed", format!("{name}:")));
            let error = OpsError::from(e);
            // The hint to run `strata debug` is left out: this is that command.
            let hints = error.hints().into_iter().filter(|h| !h.contains("strata debug"));
            console.failure(&error.to_string(), &hints.collect::<Vec<_>>());
        }
    }
}

/// The version of Strata, with those of dbt and the linked engines.
pub(crate) fn version_line() -> String {
    let engines: String = crate::engine::embedded_engine_versions()
        .map(|(label, version)| format!("; {label} {version}"))
        .collect();
    format!("strata {} (follows dbt {}{engines})", crate::VERSION, crate::DBT_VERSION)
}
