//! The command line: turns flags into options and calls `ops`.
//!
//! In: arguments and environment. Out: an exit code. A flag beats its `STRATA_` variable, that its
//! `DBT_` one, that the project file's `flags:`. Must not know: how anything is done.

mod args;
mod commands;
mod exit;
mod flags;

use crate::config::JsonMap;
use crate::diag::{Code, Diagnostic};
use crate::ops::OpsError;
use crate::report::Console;
use crate::run::CancelToken;
use crate::secret::Scrubber;
use crate::system::{OsSystem, System};
use crate::workspace::{Settings, Workspace};
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use exit::Exit;
use flags::Flags;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The context that a command runs in.
struct Invocation<'a> {
    flags: &'a Flags,
    console: &'a mut Console,
    workspace: &'a mut Workspace,
}

impl Invocation<'_> {
    /// Whether a scheduler started the command.
    fn is_scheduled(&self) -> bool {
        self.flags.task.is_some()
    }
}

/// The end of a command: an exit, or the error that prevented it from doing its work.
type CommandResult = Result<Exit, OpsError>;

/// Runs the command line and ends the process. The project is not dropped before the exit: freeing
/// thousands of nodes takes a noticeable part of a second.
pub fn main(arguments: Vec<String>) -> ! {
    let parsed =
        Cli::command().try_get_matches_from(arguments).and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => {
            // `--help` and `--version` exit with 0, a usage error with 2.
            let code = e.exit_code();
            let _ = e.print();
            std::process::exit(code)
        }
    };
    let system: Arc<dyn System> = Arc::new(OsSystem::default());
    let scrubber = Scrubber::default();
    let (flags, problems) = Flags::new(&cli, system.as_ref());
    let mut console = Console::new(flags.style(), scrubber.clone());
    if let Some(problem) = problems.first() {
        console.failure(problem, &[]);
        std::process::exit(i32::from(Exit::unusable().code))
    }
    for (flag, why) in cli.global.idle_flags() {
        console.diagnostic(&Diagnostic::warning(
            Code::Ignored,
            format!("`{flag}` has no effect: {why}"),
        ));
    }
    if let Some(ended) = commands::answer_help(&cli, &console) {
        std::process::exit(i32::from(end(ended, &cli, &flags, &mut console)))
    }
    let settings = match settings(&cli, &flags, system, scrubber) {
        Ok(settings) => settings,
        Err(e) => std::process::exit(i32::from(end(Err(e), &cli, &flags, &mut console))),
    };
    let cancel = CancelToken::default();
    handle_signals(&cancel, settings.system.clone());
    let mut workspace = Workspace::new(settings, cancel);
    let invocation = Invocation { flags: &flags, console: &mut console, workspace: &mut workspace };
    let ended = commands::run_command(&cli, invocation);
    let code = end(ended, &cli, &flags, &mut console);
    std::process::exit(i32::from(code))
}

fn settings(
    cli: &Cli,
    flags: &Flags,
    system: Arc<dyn System>,
    scrubber: Scrubber,
) -> Result<Settings, OpsError> {
    let load = flags.load_options(cli, scrubber).map_err(|e| OpsError::usage(e.to_string()))?;
    let started = system.now();
    Ok(Settings {
        system,
        load,
        write_json: flags.write_json,
        cache: flags.cache,
        warnings: flags.warnings.clone(),
        start_order: flags.start_order,
        patience: flags.patience,
        state: flags.state.clone(),
        started,
    })
}

/// Signals within this number of milliseconds after the first count as the same request.
const TOGETHER: i64 = 500;

/// Cancels at the first signal and exits at the second. A signal right after the first is ignored:
/// Ctrl-C may be sent both to the process and to its group.
fn handle_signals(cancel: &CancelToken, clock: Arc<dyn System>) {
    let cancel = cancel.clone();
    let first = AtomicI64::new(0);
    let _ = ctrlc::set_handler(move || {
        let now = clock.now().as_millisecond();
        if !cancel.is_cancelled() {
            first.store(now, Ordering::SeqCst);
            cancel.cancel();
        } else if now - first.load(Ordering::SeqCst) > TOGETHER {
            std::process::exit(130);
        }
    });
}

/// Reports the error of a command, prints the summary for a scheduler and returns the exit code.
fn end(ended: CommandResult, cli: &Cli, flags: &Flags, console: &mut Console) -> u8 {
    let is_scheduled = flags.task.is_some();
    let exit = ended.unwrap_or_else(|e| {
        match e.diagnostics() {
            Some(list) => console.diagnostics(list),
            None => console.failure(&e.to_string(), &e.hints()),
        }
        Exit::of_error(&e, is_scheduled)
    });
    if is_scheduled {
        // Must be the last line of standard output: Airflow takes it as the result of the task.
        let mut summary = JsonMap::new();
        summary.insert("command".into(), cli.command.words().into());
        summary.insert("exit_code".into(), exit.code.into());
        summary.extend(exit.summary);
        console.out(&serde_json::Value::Object(summary).to_string());
    }
    exit.code
}

/// The arguments of a command for `invocation_args_dict`.
fn args_dict(which: &str, cli: &Cli) -> JsonMap {
    let mut map = JsonMap::new();
    map.insert("which".into(), which.into());
    map.insert("invocation_command".into(), format!("strata {}", cli.command.words()).into());
    let (select, exclude) =
        cli.command.selection().map(|s| (s.all_selected(), s.exclude.clone())).unwrap_or_default();
    map.insert("select".into(), serde_json::Value::from(select));
    map.insert("exclude".into(), serde_json::Value::from(exclude));
    map.insert("vars".into(), serde_json::Value::Object(JsonMap::new()));
    if let Command::RunOperation { name, args } = &cli.command {
        map.insert("macro".into(), name.as_str().into());
        let args = flags::read_mapping("--args", args).unwrap_or_default();
        map.insert("args".into(), serde_json::Value::Object(args));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    fn parse(words: &[&str]) -> Cli {
        Cli::try_parse_from(std::iter::once("strata").chain(words.iter().copied())).unwrap()
    }

    #[test]
    fn a_command_has_a_name_and_words_with_its_group() {
        let rows: [(&[&str], &str, &str); 22] = [
            (&["build"], "build", "build"),
            (&["run"], "run", "run"),
            (&["test"], "test", "test"),
            (&["seed"], "seed", "seed"),
            (&["snapshot"], "snapshot", "snapshot"),
            (&["plan", "--json"], "plan", "plan"),
            (&["watch"], "watch", "watch"),
            (&["compile"], "compile", "compile"),
            (&["parse"], "parse", "parse"),
            (&["ls"], "list", "list"),
            (&["list"], "list", "list"),
            (&["show", "a"], "show", "show"),
            (&["source", "freshness"], "freshness", "source freshness"),
            (&["source", "snapshot-freshness"], "freshness", "source freshness"),
            (&["run-operation", "m"], "run-operation", "run-operation"),
            (&["docs", "generate"], "generate", "docs generate"),
            (&["export", "airflow"], "airflow", "export airflow"),
            (&["export", "sheets"], "sheets", "export sheets"),
            (&["export", "files"], "files", "export files"),
            (&["export", "erd"], "erd", "export erd"),
            (&["deps"], "deps", "deps"),
            (&["explain", "E2003"], "explain", "explain"),
        ];
        for (words, name, all) in rows {
            let command = parse(words).command;
            assert_eq!((command.name(), command.words().as_str()), (name, all), "{words:?}");
        }
    }

    #[test]
    fn the_arguments_of_a_command_are_told_to_templates() {
        let rows: [(&[&str], serde_json::Value); 5] = [
            (
                &["build", "--select", "a", "b+", "--models", "c", "--exclude", "d", "-q"],
                json!({
                    "which": "build", "invocation_command": "strata build",
                    "select": ["a", "b+", "c"], "exclude": ["d"], "vars": {},
                }),
            ),
            (
                &["export", "erd", "-s", "tag:x"],
                json!({
                    "which": "erd", "invocation_command": "strata export erd",
                    "select": ["tag:x"], "exclude": [], "vars": {},
                }),
            ),
            (
                &["parse"],
                json!({
                    "which": "parse", "invocation_command": "strata parse",
                    "select": [], "exclude": [], "vars": {},
                }),
            ),
            (
                &["run-operation", "dep.m", "--args", "{n: 1, names: [x]}"],
                json!({
                    "which": "run-operation", "invocation_command": "strata run-operation",
                    "select": [], "exclude": [], "vars": {},
                    "macro": "dep.m", "args": {"n": 1, "names": ["x"]},
                }),
            ),
            (
                &["run-operation", "m", "--args", "[no mapping]"],
                json!({
                    "which": "run-operation", "invocation_command": "strata run-operation",
                    "select": [], "exclude": [], "vars": {}, "macro": "m", "args": {},
                }),
            ),
        ];
        for (words, expected) in rows {
            let cli = parse(words);
            let args = args_dict(cli.command.name(), &cli);
            assert_eq!(serde_json::Value::Object(args), expected, "{words:?}");
        }
    }

    #[test]
    fn a_flag_without_an_effect_is_told_with_its_reason() {
        let idle = |words: &[&str]| parse(words).global.idle_flags();
        assert!(idle(&["ls", "--static-parser", "--no-populate-cache", "--no-cache"]).is_empty());
        assert_eq!(
            idle(&["ls", "--log-path", "logs", "--log-cache-events", "--populate-cache"]),
            [
                ("--log-path", "no log file is written"),
                ("--populate-cache", "what is there is read as far as a command needs it"),
                ("--log-cache-events", "`--debug` prints all there is"),
            ]
        );
    }

    /// Appends the help of a command and its subcommands, each below its command line.
    fn render_helps(command: &mut clap::Command, words: &str, out: &mut String) {
        out.push_str(&format!("$ {words} --help\n{}\n", command.render_long_help()));
        let names: Vec<String> =
            command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names.iter().filter(|name| *name != "help") {
            if let Some(sub) = command.find_subcommand_mut(name) {
                render_helps(sub, &format!("{words} {name}"), out);
            }
        }
    }

    #[test]
    fn every_help_is_as_stored() {
        let mut command = Cli::command().term_width(100);
        command.build();
        command.clone().debug_assert();
        let mut helps = String::new();
        render_helps(&mut command, "strata", &mut helps);
        insta::assert_snapshot!(helps);
    }
}
