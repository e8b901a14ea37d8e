//! `export`.

use super::super::args::{ExportCommand, SelectionArgs};
use super::super::exit::Exit;
use super::super::{Ended, Session};
use crate::ops::{
    DagOptions, ErdOptions, ExportOptions, Sinks, export_airflow, export_erd, export_relations,
};
use crate::report::{print_dag, print_erd, print_run};

pub(super) fn run_export(session: Session<'_>, command: &ExportCommand) -> Ended {
    match command {
        ExportCommand::Airflow { selection, by, check } => {
            let selection = session.flags.selection(selection);
            export_dag(session, &DagOptions { selection, by: (*by).into(), check: *check })
        }
        ExportCommand::Sheets { selection, dry_run } => {
            write_relations(session, Sinks::Sheets, selection, *dry_run)
        }
        ExportCommand::Files { selection, dry_run } => {
            write_relations(session, Sinks::Files, selection, *dry_run)
        }
        ExportCommand::Erd { selection, format, check, refresh } => {
            let options = ErdOptions {
                selection: session.flags.selection(selection),
                format: format.map(Into::into),
                check: *check,
                refresh: *refresh,
            };
            export_diagrams(session, &options)
        }
    }
}

fn export_dag(session: Session<'_>, options: &DagOptions) -> Ended {
    let Session { console, workspace, .. } = session;
    let report = export_airflow(workspace, options, &mut |n| console.notice(n))?;
    print_dag(console, &report);
    Ok(Exit::of_check(report.delivery.is_stale()))
}

fn export_diagrams(session: Session<'_>, options: &ErdOptions) -> Ended {
    let Session { console, workspace, .. } = session;
    let report = export_erd(workspace, options, &mut |n| console.notice(n))?;
    print_erd(console, &report);
    Ok(Exit::of_check(report.delivery.is_stale()))
}

fn write_relations(
    session: Session<'_>,
    sinks: Sinks,
    selection: &SelectionArgs,
    dry_run: bool,
) -> Ended {
    let is_scheduled = session.is_scheduled();
    let Session { flags, console, workspace } = session;
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
