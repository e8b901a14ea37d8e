//! `plan`, `compile`, `ls`, `show`: commands that publish nothing.

use super::super::args::{BuildArgs, SelectionArgs, ShowOutput};
use super::super::exit::Exit;
use super::super::{Ended, Session};
use super::build::build_options;
use crate::ops::{self, CompileOptions, OpsError, ShowOptions};
use crate::report::{ListOutput, print_compiled, print_list, print_plan, print_rows};
use crate::select::Indirect;
use std::cell::RefCell;

pub(super) fn print_steps(
    session: Session<'_>,
    selection: &SelectionArgs,
    run: &BuildArgs,
    is_json: bool,
) -> Ended {
    let options = build_options(session.flags, selection, run);
    let Session { console, workspace, .. } = session;
    let report = ops::plan_build(workspace, &options, &mut |n| console.notice(n))?;
    print_plan(console, &report, is_json);
    Ok(Exit::success())
}

pub(super) fn compile_sql(
    session: Session<'_>,
    selection: &SelectionArgs,
    inline: Option<String>,
    introspect: bool,
) -> Ended {
    let Session { flags, console, workspace } = session;
    let options = CompileOptions { selection: flags.selection(selection), inline, introspect };
    let report = ops::compile_nodes(workspace, &options, &mut |n| console.notice(n))?;
    print_compiled(console, &report);
    Ok(Exit::success())
}

pub(super) fn list_nodes(
    session: Session<'_>,
    selection: &SelectionArgs,
    output: ListOutput,
    keys: &[String],
) -> Ended {
    let Session { flags, console, workspace } = session;
    let selection = flags.list_selection(selection);
    let keys: Vec<String> =
        keys.iter().flat_map(|k| k.split_whitespace()).map(str::to_owned).collect();
    let report = ops::list_nodes(workspace, &selection, &mut |n| console.notice(n))?;
    print_list(console, &report, output, &keys);
    Ok(Exit::success())
}

/// The arguments of `show` other than the selection.
pub(super) struct Shown<'a> {
    pub(super) names: &'a [String],
    pub(super) inline: Option<String>,
    /// A negative number: all rows.
    pub(super) limit: i64,
}

pub(super) fn show_rows(
    session: Session<'_>,
    selection: &SelectionArgs,
    asked: Shown<'_>,
    output: ShowOutput,
) -> Ended {
    let Session { flags, console, workspace } = session;
    let mut selection = flags.selection(selection);
    selection.select.extend(asked.names.iter().cloned());
    // Tests of a model have no rows to show.
    selection.indirect = Indirect::Empty;
    if selection.select.is_empty() && asked.inline.is_none() && selection.selector.is_none() {
        let hint = "strata show MODEL, or strata show --inline 'select ...'";
        return Err(OpsError::usage_with_hint("name what to show", hint));
    }
    let limit = usize::try_from(asked.limit).ok();
    let options = ShowOptions { selection, inline: asked.inline, limit };
    let is_json = output == ShowOutput::Json;
    // The two closures share the console: rows and notices alternate.
    let console = RefCell::new(console);
    ops::show_rows(workspace, &options, &mut |n| console.borrow_mut().notice(n), &mut |rows| {
        print_rows(*console.borrow(), &rows, is_json);
    })?;
    Ok(Exit::success())
}
