//! `source freshness`.

use super::super::args::SelectionArgs;
use super::super::exit::Exit;
use super::super::{CommandResult, Invocation};
use crate::ops::{FreshnessOptions, check_freshness};
use camino::Utf8PathBuf;

pub(super) fn check_sources(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    output: Option<Utf8PathBuf>,
) -> CommandResult {
    let Invocation { flags, console, workspace } = invocation;
    let options = FreshnessOptions {
        selection: flags.selection(selection),
        output,
        fail_fast: flags.fail_fast,
        hooks: flags.freshness_hooks,
    };
    let report = check_freshness(workspace, &options, &mut |n| console.notice(n))?;
    Ok(Exit::of_check(report.has_failed))
}
