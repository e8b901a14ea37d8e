//! `explain` and `completions`: commands that need no project.

use super::super::CommandResult;
use super::super::args::{Cli, Command, ShellArg};
use super::super::exit::Exit;
use crate::diag::{Code, nearest_name};
use crate::ops::OpsError;
use crate::report::Console;
use clap::CommandFactory;

/// `None` if the command needs a project.
pub(in super::super) fn answer_help(cli: &Cli, console: &Console) -> Option<CommandResult> {
    match &cli.command {
        Command::Explain { code } => Some(explain(code, console)),
        Command::Completions { shell } => Some(complete(*shell, console)),
        _ => None,
    }
}

fn explain(code: &str, console: &Console) -> CommandResult {
    let Some(page) = crate::diag::explain_code(code) else {
        let codes = Code::ALL.iter().map(|c| c.as_str());
        let near = nearest_name(code, codes).map(|c| format!("did you mean {c}?"));
        let message = format!("there is no code `{code}`");
        return Err(OpsError::Usage { message, hints: near.into_iter().collect() });
    };
    console.out(page.trim_end());
    Ok(Exit::success())
}

fn complete(shell: ShellArg, console: &Console) -> CommandResult {
    let (mut command, mut out) = (Cli::command(), Vec::new());
    clap_complete::generate(clap_complete::Shell::from(shell), &mut command, "strata", &mut out);
    console.out(String::from_utf8_lossy(&out).trim_end());
    Ok(Exit::success())
}
