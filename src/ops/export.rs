//! `export`: files that hand the graph on, and exports that carry relations out.

use super::dag::{options, spec, tasks, tell_merged, verified};
use super::destinations::check_destinations;
use super::prepare::checked_plan;
use super::prepare::{options as run_options, shared};
use super::project::{Project, choose, connect, open, write};
use super::run::{carry_out, results};
use super::{CliError, Exit, Invocation};
use crate::config::{ExportType, Json};
use crate::diag::{Code, Diagnostic};
use crate::engine::{EngineSpec, Existing, Writers};
use crate::export::GeneratedFile;
use crate::export::airflow::{FileRequest, Granularity, dag_file};
use crate::manifest::{NodeKind, ResourceType};
use crate::plan::{PlanRequest, StartOrder, Verb};
use crate::report::count;
use crate::run::{RunOptions, RunRequest};
use crate::select::Selection;

pub(crate) struct AirflowArgs {
    pub(crate) selection: Selection,
    pub(crate) by: Granularity,
    pub(crate) check: bool,
}

pub(crate) fn export_airflow(inv: &mut Invocation, args: &AirflowArgs) -> Exit {
    let mut project = open(inv)?;
    let mut airflow = options(inv, project)?;
    // The file is made for the target that its tasks will use.
    if let Some(target) =
        airflow.target.clone().filter(|t| inv.load.target.is_none() && *t != *project.target().name)
    {
        inv.load.target = Some(target);
        project = open(inv)?;
        airflow = options(inv, project)?;
    }
    let dag = tasks(inv, project, &airflow, &args.selection, args.by)?;
    if dag.tasks.is_empty() {
        return Err(CliError::Usage {
            message: "the selection matches nothing that a DAG could run".to_owned(),
            hints: vec!["`strata ls` shows what there is".to_owned()],
        });
    }
    tell_merged(inv, &dag);
    let spec = spec(&args.selection, args.by);
    let command = command_line("strata export airflow", &spec);
    let engine = project.target().engine;
    let file = dag_file(&FileRequest {
        manifest: &project.manifest,
        dag: &dag,
        options: &airflow,
        spec: &spec,
        command: &command,
        serial: is_serial(engine).then_some(engine.label),
    });
    let tests = dag.tasks.iter().flat_map(|t| &t.nodes).map(|id| project.manifest.node(*id));
    let tests = tests.filter(|n| n.resource_type() == ResourceType::Test).count();
    let what = format!("{}, {}", count(dag.tasks.len(), "task"), count(tests, "test"));
    deliver(inv, project, &[file], args.check, &what, &command)
}

/// The command that a selection was given with.
pub(super) fn command_line(command: &str, spec: &Json) -> String {
    let mut line = command.to_owned();
    for (key, value) in
        spec.as_object().into_iter().flatten().filter(|(k, v)| *k != "by" || *v != "model")
    {
        line.push_str(&format!(" --{}", key.replace('_', "-")));
        for text in crate::manifest::json_texts(value) {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/+@,".contains(c));
            line.push_str(&if plain {
                format!(" {text}")
            } else {
                format!(" '{}'", text.replace('\'', "'\\''"))
            });
        }
    }
    line
}

/// What generated files have in common, before the command that wrote them.
const WRITTEN_BY: &str = "ritten by: ";

/// The command in the first lines of a generated file.
fn written_by(text: &str) -> Option<String> {
    let line = text.lines().take(6).find_map(|l| l.split_once(WRITTEN_BY))?.1;
    Some(line.trim_end_matches("-->").trim().to_owned())
}

/// Writes files, or says which of them differ from those that are there.
pub(super) fn deliver(
    inv: &mut Invocation,
    project: &Project,
    files: &[GeneratedFile],
    check: bool,
    what: &str,
    command: &str,
) -> Exit {
    let root = &project.manifest.project.root;
    let (mut stale, mut others) = (Vec::new(), Vec::new());
    for file in files {
        let path = root.join(&file.path);
        let content = &file.content;
        let now = inv.system.read(&path).ok();
        let same = now.as_deref() == Some(content.as_str());
        let writer = now.as_deref().and_then(written_by);
        if !check && !same && now.is_some() && writer.is_none() && content.contains(WRITTEN_BY) {
            return Err(CliError::Usage {
                message: format!("{} was not written by `strata export`", file.path),
                hints: vec!["move it away, then run this again".to_owned()],
            });
        }
        others.extend(
            writer
                .filter(|w| !same && *w != command)
                .map(|w| format!("{} was written by: {w}", file.path)),
        );
        if check {
            if !same {
                let why = if inv.system.is_file(&path) { "is out of date" } else { "is not there" };
                stale.push(format!("{} {why}", file.path));
            }
            continue;
        }
        if !same {
            inv.system.write_atomic(&path, content.as_bytes())?;
        }
        let done = if same { "is up to date" } else { "written" };
        inv.console.say(&format!("{} {done}: {what}", file.path));
    }
    if stale.is_empty() {
        if check {
            let names: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
            inv.console.say(&format!("{} up to date: {what}", names.join(", ")));
        }
        return Ok(0);
    }
    others.insert(0, format!("write it again: {command}"));
    inv.console.failure(&stale.join("; "), &others);
    Ok(1)
}

/// Which exports a command carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sinks {
    Sheets,
    Files,
}

impl Sinks {
    fn takes(self, kind: ExportType) -> bool {
        (kind == ExportType::GoogleSheets) == (self == Sinks::Sheets)
    }
}

pub(crate) struct ExportArgs {
    pub(crate) sinks: Sinks,
    pub(crate) selection: Selection,
    pub(crate) dry_run: bool,
    pub(crate) fail_fast: bool,
}

/// `export sheets` and `export files`: published relations are written to where `exports:` say.
pub(crate) fn export_relations(inv: &mut Invocation, args: &ExportArgs) -> Exit {
    let project = open(inv)?;
    let mut selection = args.selection.clone();
    if let Some(nodes) = verified(inv, project)? {
        selection.nodes = Some(nodes);
    }
    let mut selected = choose(inv, project, &selection, &[ResourceType::Export])?;
    selected.retain(|id| match &project.manifest.node(id).kind {
        NodeKind::Export(e) => args.sinks.takes(e.kind),
        _ => false,
    });
    write(inv, project)?;
    if selected.len() == 0 {
        inv.nothing_for_a_task()?;
        let d = Diagnostic::warning(
            Code::EmptySelection,
            "the selection matches no export of this type",
        );
        let d = d.help(
            "exports are declared under `exports:`; `strata ls --resource-type export` lists them",
        );
        results(inv, project, &[], 0.0)?;
        inv.warn(&[d])?;
        return Ok(0);
    }
    check_destinations(inv, project, &selected)?;
    let warehouse = connect(inv, project)?;
    let itself = |_| false;
    let request = PlanRequest {
        manifest: &project.manifest,
        selected: &selected,
        existing: &Existing::Unknown,
        verb: Verb::Export,
        audit: false,
        full_refresh: false,
        store_failures: false,
        order: StartOrder::Level,
        publishes_itself: &itself,
    };
    let plan = checked_plan(inv, &request)?;
    let options = RunOptions { dry_run: args.dry_run, ..run_options(inv, project, args.fail_fast) };
    let shared = shared(inv, project, &selected, &plan, options);
    let request = RunRequest {
        shared,
        plan: &plan,
        existing: Existing::Unknown,
        warehouse,
        interrupt: inv.interrupt.clone(),
        hooks: false,
    };
    let (all, seconds) = carry_out(inv, request)?;
    results(inv, project, &all, seconds)?;
    Ok(inv.conclude(&all, seconds))
}

/// Whether tasks of their own would be in each other's way.
fn is_serial(engine: &EngineSpec) -> bool {
    !engine.abilities.shared || engine.abilities.writers == Writers::One
}
