//! `source freshness`.

use super::super::args::SelectionArgs;
use super::super::exit::Exit;
use super::super::{Ended, Session};
use crate::ops::{FreshnessOptions, check_freshness};
use camino::Utf8PathBuf;

pub(super) fn check_sources(
    session: Session<'_>,
    selection: &SelectionArgs,
    output: Option<Utf8PathBuf>,
) -> Ended {
    let Session { flags, console, workspace } = session;
    let options = FreshnessOptions {
        selection: flags.selection(selection),
        output,
        fail_fast: flags.fail_fast,
        hooks: flags.freshness_hooks,
    };
    let report = check_freshness(workspace, &options, &mut |n| console.notice(n))?;
    Ok(Exit::of_check(report.has_failed))
}
