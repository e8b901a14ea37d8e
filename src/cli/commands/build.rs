//! `build`, `run`, `test`, `seed`, `snapshot`.

use super::super::args::{BuildArgs, SelectionArgs};
use super::super::exit::Exit;
use super::super::flags::Flags;
use super::super::{Ended, Session};
use crate::ops;
use crate::plan::Verb;
use crate::report::print_run;
use crate::workspace::BuildOptions;

pub(super) fn build_selected(
    session: Session<'_>,
    selection: &SelectionArgs,
    run: &BuildArgs,
) -> Ended {
    let options = build_options(session.flags, selection, run);
    carry_out(session, &options)
}

pub(super) fn run_selected(
    session: Session<'_>,
    selection: &SelectionArgs,
    full_refresh: bool,
    empty: bool,
) -> Ended {
    let mut options = options_of(session.flags, Verb::Run, selection);
    options.full_refresh |= full_refresh;
    options.empty |= empty;
    carry_out(session, &options)
}

pub(super) fn test_selected(
    session: Session<'_>,
    selection: &SelectionArgs,
    store_failures: bool,
) -> Ended {
    let mut options = options_of(session.flags, Verb::Test, selection);
    options.store_failures |= store_failures;
    carry_out(session, &options)
}

pub(super) fn load_seeds(
    session: Session<'_>,
    selection: &SelectionArgs,
    full_refresh: bool,
) -> Ended {
    let mut options = options_of(session.flags, Verb::Seed, selection);
    options.full_refresh |= full_refresh;
    carry_out(session, &options)
}

pub(super) fn take_snapshots(session: Session<'_>, selection: &SelectionArgs) -> Ended {
    let options = options_of(session.flags, Verb::Snapshot, selection);
    carry_out(session, &options)
}

/// The options that decide the steps of a build. `plan` uses them too, without executing the steps.
pub(super) fn build_options(
    flags: &Flags,
    selection: &SelectionArgs,
    run: &BuildArgs,
) -> BuildOptions {
    let mut options = options_of(flags, Verb::Build, selection);
    options.full_refresh |= run.full_refresh;
    options.store_failures |= run.store_failures;
    options.empty |= run.empty;
    options.audit &= !run.no_audit;
    options.changed = run.changed.options();
    options
}

/// The options from the resolved flags, without the flags of a single command.
fn options_of(flags: &Flags, verb: Verb, selection: &SelectionArgs) -> BuildOptions {
    BuildOptions {
        verb,
        selection: flags.selection(selection),
        full_refresh: flags.full_refresh,
        fail_fast: flags.fail_fast,
        store_failures: flags.store_failures,
        empty: flags.empty,
        audit: !flags.no_audit,
        changed: None,
    }
}

fn carry_out(session: Session<'_>, options: &BuildOptions) -> Ended {
    let is_scheduled = session.is_scheduled();
    let Session { flags, console, workspace } = session;
    let report =
        ops::build_nodes(workspace, options, flags.task.as_ref(), &mut |n| console.notice(n))?;
    print_run(console, &report);
    Ok(Exit::of_run(&report, is_scheduled))
}
