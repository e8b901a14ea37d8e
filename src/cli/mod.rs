//! The command line: turns flags into options and calls `ops`.
//!
//! In: arguments and environment. Out: an exit code. A flag beats its `STRATA_` variable, that its
//! `DBT_` one, that the project file's `flags:`. Must not know: how anything is done.

mod args;
mod commands;
mod deprecated;
mod env_file;
mod event_times;
mod exit;
mod flags;
mod invocation_args;
mod retry;

use crate::config::{Json, JsonMap};
use crate::diag::{Code, Diagnostic};
use crate::ops::OpsError;
use crate::report::{CommandLog, Console};
use crate::run::CancelToken;
use crate::secret::Scrubber;
use crate::system::{OsSystem, System};
use crate::workspace::{Settings, Workspace, tell_warnings};
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use deprecated::list_deprecated;
use exit::Exit;
use flags::Flags;
use retry::find_retried_command;
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
    let words: Vec<String> = arguments.iter().skip(1).cloned().collect();
    let parsed =
        Cli::command().try_get_matches_from(arguments).and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => Cli { words: words.clone(), ..cli },
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
    let log = flags.log.clone().map_or_else(CommandLog::default, CommandLog::in_file);
    let mut console = Console::new(flags.style(), scrubber.clone(), log);
    if let Some(problem) = problems.first() {
        tell_env_file(&flags, &console);
        console.failure(problem, &[]);
        std::process::exit(i32::from(Exit::unusable().code))
    }
    let (cli, flags) = match repeat_command(cli, flags, system.as_ref()) {
        Ok(Some(command)) => command,
        Ok(None) => {
            console.say("nothing failed in that run: there is nothing to retry");
            std::process::exit(0)
        }
        Err(e) => {
            console.failure(&e.to_string(), &e.hints());
            std::process::exit(i32::from(Exit::unusable().code))
        }
    };
    for (flag, why) in cli.idle_flags() {
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
    let invocation = &settings.load.settings;
    let command = invocation.args.get("invocation_command").and_then(Json::as_str);
    let command = command.unwrap_or_default().to_owned();
    console.start_log(&invocation.invocation_id, &command);
    tell_env_file(&flags, &console);
    let cancel = CancelToken::default();
    handle_signals(&cancel, settings.system.clone());
    let list = list_deprecated(&cli, &flags, settings.system.as_ref());
    if let Err(e) = tell_warnings(&settings, &list, &mut |notice| console.notice(notice)) {
        std::process::exit(i32::from(end(Err(e.into()), &cli, &flags, &mut console)))
    }
    let mut workspace = Workspace::new(settings, cancel);
    let invocation = Invocation { flags: &flags, console: &mut console, workspace: &mut workspace };
    let ended = commands::run_command(&cli, invocation);
    console.sum_up_deprecations();
    let code = end(ended, &cli, &flags, &mut console);
    console.end_log(&command, code == 0);
    std::process::exit(i32::from(code))
}

/// Names the file that variables of the environment came from.
fn tell_env_file(flags: &Flags, console: &Console) {
    if let Some(file) = &flags.env_file {
        console.caption(&file.to_string());
    }
}

/// The command to carry out: the one that was asked for or, for `retry`, the one that it repeats.
/// `None`: there is nothing to repeat.
fn repeat_command(
    cli: Cli,
    flags: Flags,
    system: &dyn System,
) -> Result<Option<(Cli, Flags)>, OpsError> {
    if !matches!(cli.command, Command::Retry { .. }) {
        return Ok(Some((cli, flags)));
    }
    let Some(retried) = find_retried_command(&cli, &flags, system)? else { return Ok(None) };
    let (mut flags, problems) = Flags::new(&retried.cli, system);
    if let Some(problem) = problems.into_iter().next() {
        return Err(OpsError::usage(problem));
    }
    flags.retried = Some(retried.nodes);
    Ok(Some((retried.cli, flags)))
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
        defer: flags.defer.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

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
    fn a_flag_without_an_effect_is_told_with_its_reason() {
        let idle = |words: &[&str]| parse(words).idle_flags();
        assert!(idle(&["ls", "--static-parser", "--no-populate-cache", "--no-cache"]).is_empty());
        assert_eq!(
            idle(&["ls", "--printer-width", "80", "--log-cache-events", "--populate-cache"]),
            [
                ("--printer-width", "lines are as wide as the terminal"),
                ("--populate-cache", "what is there is read as far as a command needs it"),
                ("--log-cache-events", "`--debug` prints all there is"),
            ]
        );
        assert_eq!(
            idle(&[
                "build",
                "--sqlparse",
                "{}",
                "--export-saved-queries",
                "--no-empty",
                "--no-debug"
            ]),
            [
                ("--sqlparse", "no such parser is used"),
                ("--export-saved-queries", "saved queries are exported by dbt Cloud"),
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
