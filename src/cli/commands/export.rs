//! `export`.

use super::super::args::{ExportCommand, SelectionArgs};
use super::super::exit::Exit;
use super::super::{CommandResult, Invocation};
use crate::ops::{
    DagOptions, ErdOptions, ExportOptions, SinkKind, export_airflow, export_erd, export_relations,
};
use crate::report::{print_dag, print_erd, print_run};

pub(super) fn run_export(invocation: Invocation<'_>, command: &ExportCommand) -> CommandResult {
    match command {
        ExportCommand::Airflow { selection, by, check } => {
            let selection = invocation.flags.selection(selection);
            export_dag(
                invocation,
                &DagOptions { selection, granularity: (*by).into(), check: *check },
            )
        }
        ExportCommand::Sheets { selection, dry_run } => {
            write_relations(invocation, SinkKind::Sheets, selection, *dry_run)
        }
        ExportCommand::Files { selection, dry_run } => {
            write_relations(invocation, SinkKind::Files, selection, *dry_run)
        }
        ExportCommand::Erd { selection, format, check, refresh } => {
            let options = ErdOptions {
                selection: invocation.flags.selection(selection),
                format: format.map(Into::into),
                check: *check,
                refresh: *refresh,
            };
            export_diagrams(invocation, &options)
        }
    }
}

fn export_dag(invocation: Invocation<'_>, options: &DagOptions) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let report = export_airflow(workspace, options, &mut |n| console.notice(n))?;
    print_dag(console, &report);
    Ok(Exit::of_check(report.delivery.is_stale()))
}

fn export_diagrams(invocation: Invocation<'_>, options: &ErdOptions) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let report = export_erd(workspace, options, &mut |n| console.notice(n))?;
    print_erd(console, &report);
    Ok(Exit::of_check(report.delivery.is_stale()))
}

fn write_relations(
    invocation: Invocation<'_>,
    sinks: SinkKind,
    selection: &SelectionArgs,
    dry_run: bool,
) -> CommandResult {
    let is_scheduled = invocation.is_scheduled();
    let Invocation { flags, console, workspace } = invocation;
    let options = ExportOptions {
        sinks,
        selection: flags.selection(selection),
        dry_run,
        fail_fast: flags.fail_fast,
    };
    let task = flags.task.as_ref();
    let report = export_relations(workspace, &options, task, &mut |n| console.notice(n))?;
    print_run(console, &report);
    Ok(Exit::of_run(&report, is_scheduled))
}
