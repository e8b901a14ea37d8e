//! `run-operation`.

use super::super::exit::Exit;
use super::super::flags::read_mapping;
use super::super::{CommandResult, Invocation};
use crate::ops::{OperationOptions, OpsError, run_operation};

pub(super) fn call_macro(invocation: Invocation<'_>, name: &str, args: &str) -> CommandResult {
    let args = read_mapping("--args", args).map_err(|e| OpsError::usage(e.to_string()))?;
    let Invocation { console, workspace, .. } = invocation;
    let options = OperationOptions { name: name.to_owned(), args };
    let report = run_operation(workspace, &options, &mut |n| console.notice(n))?;
    Ok(Exit::of_check(report.has_failed))
}
