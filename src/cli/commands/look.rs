//! `plan`, `compile`, `ls`, `show`: commands that publish nothing.

use super::super::args::{BuildArgs, SelectionArgs, ShowOutput};
use super::super::exit::Exit;
use super::super::{CommandResult, Invocation};
use super::build::build_options;
use crate::ops::{self, CompileOptions, InlineQuery, OpsError, ShowOptions};
use crate::report::{
    ListOutput, print_compiled, print_compiled_json, print_list, print_plan, print_rows,
};
use crate::select::IndirectSelection;
use std::cell::RefCell;

pub(super) fn print_steps(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    run: &BuildArgs,
    is_json: bool,
) -> CommandResult {
    let options = build_options(invocation.flags, selection, run);
    let Invocation { console, workspace, .. } = invocation;
    let report = ops::plan_build(workspace, &options, &mut |n| console.notice(n))?;
    print_plan(console, &report, is_json);
    Ok(Exit::success())
}

pub(super) fn compile_sql(
    invocation: Invocation<'_>,
    options: &CompileOptions,
    output: ShowOutput,
) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let report = ops::compile_nodes(workspace, options, &mut |n| console.notice(n))?;
    match output {
        ShowOutput::Text => print_compiled(console, &report),
        ShowOutput::Json => print_compiled_json(console, &report),
    }
    Ok(Exit::success())
}

pub(super) fn list_nodes(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    output: ListOutput,
    keys: &[String],
) -> CommandResult {
    let Invocation { flags, console, workspace } = invocation;
    let selection = flags.list_selection(selection);
    let keys: Vec<String> =
        keys.iter().flat_map(|k| k.split_whitespace()).map(str::to_owned).collect();
    let report = ops::list_nodes(workspace, &selection, &mut |n| console.notice(n))?;
    print_list(console, &report, output, &keys);
    Ok(Exit::success())
}

/// The arguments of `show` other than the selection.
pub(super) struct ShowRequest<'a> {
    pub(super) names: &'a [String],
    pub(super) inline: Option<InlineQuery>,
    /// Whether templates may ask the database.
    pub(super) introspect: bool,
    /// Negative to show all rows.
    pub(super) limit: i64,
}

pub(super) fn show_rows(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    asked: ShowRequest<'_>,
    output: ShowOutput,
) -> CommandResult {
    let Invocation { flags, console, workspace } = invocation;
    let mut selection = flags.selection(selection);
    selection.select.extend(asked.names.iter().cloned());
    // Tests of a model have no rows to show.
    selection.indirect = IndirectSelection::Empty;
    if selection.select.is_empty() && asked.inline.is_none() && selection.selector.is_none() {
        let hint = "strata show MODEL, or strata show --inline 'select ...'";
        return Err(OpsError::usage_with_hint(
            "Either --select or --inline must be passed to show",
            hint,
        ));
    }
    let limit = usize::try_from(asked.limit).ok();
    let ShowRequest { inline, introspect, .. } = asked;
    let options = ShowOptions { selection, inline, introspect, limit };
    let is_json = output == ShowOutput::Json;
    // The two closures share the console: rows and notices alternate.
    let console = RefCell::new(console);
    ops::show_rows(workspace, &options, &mut |n| console.borrow_mut().notice(n), &mut |rows| {
        print_rows(*console.borrow(), &rows, is_json);
    })?;
    Ok(Exit::success())
}
