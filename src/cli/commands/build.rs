//! `build`, `run`, `test`, `seed`, `snapshot`.

use super::super::args::{BuildArgs, SelectionArgs};
use super::super::exit::Exit;
use super::super::flags::Flags;
use super::super::{CommandResult, Invocation};
use crate::ops;
use crate::plan::CommandVerb;
use crate::report::print_run;
use crate::workspace::BuildOptions;

pub(super) fn build_selected(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    run: &BuildArgs,
) -> CommandResult {
    let options = build_options(invocation.flags, selection, run);
    carry_out(invocation, &options)
}

pub(super) fn run_selected(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    full_refresh: bool,
    empty: bool,
) -> CommandResult {
    let mut options = options_of(invocation.flags, CommandVerb::Run, selection);
    options.full_refresh |= full_refresh;
    options.empty |= empty;
    carry_out(invocation, &options)
}

pub(super) fn test_selected(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    store_failures: bool,
) -> CommandResult {
    let mut options = options_of(invocation.flags, CommandVerb::Test, selection);
    options.store_failures |= store_failures;
    carry_out(invocation, &options)
}

pub(super) fn load_seeds(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    full_refresh: bool,
) -> CommandResult {
    let mut options = options_of(invocation.flags, CommandVerb::Seed, selection);
    options.full_refresh |= full_refresh;
    carry_out(invocation, &options)
}

pub(super) fn take_snapshots(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    empty: bool,
) -> CommandResult {
    let mut options = options_of(invocation.flags, CommandVerb::Snapshot, selection);
    options.empty |= empty;
    carry_out(invocation, &options)
}

pub(super) fn clone_relations(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    full_refresh: bool,
) -> CommandResult {
    let mut options = options_of(invocation.flags, CommandVerb::Clone, selection);
    options.full_refresh |= full_refresh;
    options.audit = false;
    carry_out(invocation, &options)
}

/// The options that decide the steps of a build. `plan` uses them too, without executing the steps.
pub(super) fn build_options(
    flags: &Flags,
    selection: &SelectionArgs,
    run: &BuildArgs,
) -> BuildOptions {
    let mut options = options_of(flags, CommandVerb::Build, selection);
    options.full_refresh |= run.full_refresh;
    options.store_failures |= run.store_failures;
    options.empty |= run.rows.empty;
    options.audit &= !run.no_audit;
    options.changed = run.changed.options();
    options
}

/// The options from the resolved flags, without the flags of a single command.
fn options_of(flags: &Flags, verb: CommandVerb, selection: &SelectionArgs) -> BuildOptions {
    BuildOptions {
        verb,
        selection: flags.selection(selection),
        full_refresh: flags.full_refresh,
        fail_fast: flags.fail_fast,
        store_failures: flags.store_failures,
        empty: flags.empty,
        audit: !flags.no_audit,
        changed: None,
        times: flags.times,
    }
}

fn carry_out(invocation: Invocation<'_>, options: &BuildOptions) -> CommandResult {
    let is_scheduled = invocation.is_scheduled();
    let Invocation { flags, console, workspace } = invocation;
    let report =
        ops::build_nodes(workspace, options, flags.task.as_ref(), &mut |n| console.notice(n))?;
    print_run(console, &report);
    Ok(Exit::of_run(&report, is_scheduled))
}
