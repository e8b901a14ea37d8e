//! `watch`.

use super::super::args::{SelectionArgs, WatchFlags};
use super::super::exit::Exit;
use super::super::{CommandResult, Invocation};
use crate::ops::{OpsError, RebuildLimits};
use crate::watch::{WatchOptions, run_watch};
use std::time::Duration;

pub(super) fn watch_project(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    args: &WatchFlags,
) -> CommandResult {
    let budget = args.time_budget.map(read_budget).transpose()?;
    let Invocation { flags, console, workspace } = invocation;
    let options = WatchOptions {
        selection: flags.selection(selection),
        show: args.show.clone(),
        build: !args.no_build,
        poll: args.poll,
        limits: RebuildLimits { depth: args.depth, budget },
        rows: args.limit,
    };
    run_watch(workspace, console, options)?;
    Ok(Exit::success())
}

fn read_budget(seconds: f64) -> Result<Duration, OpsError> {
    let is_above_zero = seconds.is_finite() && seconds > 0.0;
    let budget = Duration::try_from_secs_f64(seconds).ok().filter(|_| is_above_zero);
    budget.ok_or_else(|| OpsError::usage("--time-budget is a number of seconds above zero"))
}
