//! `run-operation`.

use super::super::exit::Exit;
use super::super::flags::read_mapping;
use super::super::{Ended, Session};
use crate::ops::{OperationOptions, OpsError, run_operation};

pub(super) fn call_macro(session: Session<'_>, name: &str, args: &str) -> Ended {
    let args = read_mapping("--args", args).map_err(|e| OpsError::usage(e.to_string()))?;
    let Session { console, workspace, .. } = session;
    let options = OperationOptions { name: name.to_owned(), args };
    let report = run_operation(workspace, &options, &mut |n| console.notice(n))?;
    Ok(Exit::of_check(report.has_failed))
}
