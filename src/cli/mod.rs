//! The command line: flags become options, options go to `ops`.
//!
//! In: arguments and environment. Out: an exit code. A flag beats its `STRATA_` variable, that its
//! `DBT_` one, that the project file's `flags:`. Must not know: how anything is done.

mod args;
mod flags;

use crate::config::JsonMap;
use crate::diag::{Code, Diagnostic};
use crate::ops::{self, CliError, Exit, Invocation};
use crate::plan::Verb;
use crate::report::Console;
use crate::run::Interrupt;
use crate::secret::Scrubber;
use crate::system::{OsSystem, System};
use crate::watch::{WatchArgs, watch};
use args::{Cli, Command, DocsCommand, ExportCommand, ShellArg, SourceCommand};
use clap::{CommandFactory, FromArgMatches};
use flags::Flags;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Runs the command line and gives the process's exit code.
pub fn main(arguments: Vec<String>) -> u8 {
    let cli =
        Cli::command().try_get_matches_from(arguments).and_then(|m| Cli::from_arg_matches(&m));
    let cli = match cli {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are no failure; a usage error is 2.
            let code = u8::try_from(e.exit_code()).unwrap_or(2);
            let _ = e.print();
            return code;
        }
    };
    let system: Arc<dyn System> = Arc::new(OsSystem::default());
    let scrubber = Scrubber::default();
    let (flags, problems) = Flags::new(&cli, system.as_ref());
    let mut console = Console::new(flags.style(), scrubber.clone());
    if let Some(problem) = problems.first() {
        console.failure(problem, &[]);
        return 2;
    }
    for (flag, why) in cli.global.idle_flags() {
        console.diagnostic(&Diagnostic::warning(
            Code::Ignored,
            format!("`{flag}` has no effect: {why}"),
        ));
    }
    dispatch(&cli, &flags, system, scrubber, console)
}

/// An exit code; a failure of the command itself is shown.
fn finish(result: Exit, console: &Console, orchestrated: bool) -> u8 {
    result.unwrap_or_else(|e| {
        if !matches!(e, CliError::Reported) {
            console.failure(&e.to_string(), &e.hints());
        }
        e.code(orchestrated)
    })
}

/// Signals that come within this time, in milliseconds, are one.
const TOGETHER: i64 = 500;

fn dispatch(
    cli: &Cli,
    flags: &Flags,
    system: Arc<dyn System>,
    scrubber: Scrubber,
    console: Console,
) -> u8 {
    match &cli.command {
        Command::Explain { code } => return finish(explain(code, &console), &console, false),
        Command::Completions { shell } => {
            completions(*shell, &console);
            return 0;
        }
        _ => {}
    }
    let load = match flags.load_options(cli, scrubber) {
        Ok(load) => load,
        Err(e) => return finish(Err(CliError::usage(e.to_string())), &console, false),
    };
    let interrupt = Interrupt::default();
    let handler = interrupt.clone();
    let clock = system.clone();
    let first = AtomicI64::new(0);
    // A second signal ends the process at once; one that comes with the first is the same wish,
    // sent to the process and to its group.
    let _ = ctrlc::set_handler(move || {
        let now = clock.now().as_millisecond();
        if !handler.is_set() {
            first.store(now, Ordering::SeqCst);
            handler.set();
        } else if now - first.load(Ordering::SeqCst) > TOGETHER {
            std::process::exit(130);
        }
    });
    let started = system.now();
    let mut inv = Invocation {
        system,
        load,
        console,
        interrupt,
        write_json: flags.write_json,
        cache: flags.cache,
        warnings: flags.warnings.clone(),
        start_order: flags.start_order,
        patience: flags.patience,
        state: flags.state.clone(),
        started,
        orchestrated: flags.orchestrated.clone(),
        summary: JsonMap::new(),
    };
    let result = run(cli, flags, &mut inv);
    let error =
        result.as_ref().err().filter(|e| !matches!(e, CliError::Reported)).map(ToString::to_string);
    let code = finish(result, &inv.console, inv.orchestrated.is_some());
    if inv.orchestrated.is_some() {
        // The last line of standard output, which Airflow hands on as the task's result.
        let mut summary = JsonMap::new();
        summary.insert("command".into(), cli.command.words().into());
        summary.insert("exit_code".into(), code.into());
        summary.extend(error.map(|e| ("error".to_owned(), e.into())));
        summary.append(&mut inv.summary);
        inv.console.out(&serde_json::Value::Object(summary).to_string());
    }
    code
}

fn run(cli: &Cli, flags: &Flags, inv: &mut Invocation) -> Exit {
    let verb = |verb: Verb, s: &args::SelectionArgs, full_refresh: bool| ops::RunArgs {
        verb,
        selection: flags.selection(s),
        full_refresh: full_refresh || flags.full_refresh,
        fail_fast: flags.fail_fast,
        store_failures: flags.store_failures,
        empty: flags.empty,
        audit: !flags.no_audit,
        changed: None,
    };
    match &cli.command {
        Command::Build { selection, run } => {
            let mut args = verb(Verb::Build, selection, run.full_refresh);
            args.store_failures |= run.store_failures;
            args.empty |= run.empty;
            args.audit &= !run.no_audit;
            args.changed = run.changed.judge();
            ops::run_verb(inv, &args)
        }
        Command::Run { selection, full_refresh, empty } => {
            let mut args = verb(Verb::Run, selection, *full_refresh);
            args.empty |= empty;
            ops::run_verb(inv, &args)
        }
        Command::Test { selection, store_failures } => {
            let mut args = verb(Verb::Test, selection, false);
            args.store_failures |= store_failures;
            ops::run_verb(inv, &args)
        }
        Command::Seed { selection, full_refresh, .. } => {
            ops::run_verb(inv, &verb(Verb::Seed, selection, *full_refresh))
        }
        Command::Snapshot { selection } => {
            ops::run_verb(inv, &verb(Verb::Snapshot, selection, false))
        }
        Command::Plan { selection, run, json } => {
            let mut args = verb(Verb::Build, selection, run.full_refresh);
            args.audit &= !run.no_audit;
            args.changed = run.changed.judge();
            ops::show_plan(inv, &args, *json)
        }
        Command::Watch { selection, show, limit, no_build, depth, time_budget, poll } => {
            let budget = match time_budget {
                Some(s) if !(s.is_finite() && *s > 0.0) => {
                    return Err(CliError::usage("--time-budget is a number of seconds above zero"));
                }
                other => other.map(std::time::Duration::from_secs_f64),
            };
            let args = WatchArgs {
                selection: flags.selection(selection),
                show: show.clone(),
                build: !no_build,
                poll: *poll,
                limits: ops::Limits { depth: *depth, budget },
                rows: *limit,
            };
            watch(inv, args)
        }
        Command::Compile { selection, inline, no_introspect } => ops::compile(
            inv,
            &ops::CompileArgs {
                selection: flags.selection(selection),
                inline: inline.clone(),
                introspect: !no_introspect,
            },
        ),
        Command::Parse => ops::parse_only(inv),
        Command::Ls { selection, output, output_keys } => {
            let keys =
                output_keys.iter().flat_map(|k| k.split_whitespace()).map(str::to_owned).collect();
            ops::list(
                inv,
                &ops::ListArgs {
                    selection: flags.list_selection(selection),
                    output: (*output).into(),
                    keys,
                },
            )
        }
        Command::Show { names, selection, inline, limit, output } => {
            let mut selected = flags.selection(selection);
            selected.select.extend(names.iter().cloned());
            if selected.select.is_empty() && inline.is_none() && selected.selector.is_none() {
                return Err(CliError::Usage {
                    message: "name what to show".to_owned(),
                    hints: vec![
                        "strata show MODEL, or strata show --inline 'select ...'".to_owned(),
                    ],
                });
            }
            let limit = usize::try_from(*limit).ok();
            let json = *output == args::ShowOutput::Json;
            // Tests of a model have no rows to show.
            selected.indirect = crate::select::Indirect::Empty;
            ops::show(
                inv,
                &ops::ShowArgs { selection: selected, inline: inline.clone(), limit, json },
            )
        }
        Command::Source { command: SourceCommand::Freshness { selection, output } } => {
            ops::source_freshness(
                inv,
                &ops::FreshnessArgs {
                    selection: flags.selection(selection),
                    output: output.clone(),
                    fail_fast: flags.fail_fast,
                    hooks: flags.freshness_hooks,
                },
            )
        }
        Command::RunOperation { name, args } => {
            let args =
                flags::mapping("--args", args).map_err(|e| CliError::usage(e.to_string()))?;
            ops::run_operation(inv, &ops::OperationArgs { name: name.clone(), args })
        }
        Command::Docs {
            command: DocsCommand::Generate { selection, no_compile, empty_catalog, .. },
        } => {
            let selection = flags.selection(selection);
            ops::docs_generate(
                inv,
                &ops::DocsArgs { selection, compile: !no_compile, empty: *empty_catalog },
            )
        }
        Command::Export { command } => export(command, flags, inv),
        Command::Deps { .. } => ops::deps(inv),
        Command::Debug { .. } => ops::debug(inv),
        Command::Clean { .. } => ops::clean(inv),
        Command::Init { name, sample, .. } => {
            ops::init(inv, &ops::InitArgs { name: name.clone(), sample: *sample })
        }
        Command::Explain { .. } | Command::Completions { .. } => Ok(0),
    }
}

fn export(command: &ExportCommand, flags: &Flags, inv: &mut Invocation) -> Exit {
    let relations =
        |sinks: ops::Sinks, selection: &args::SelectionArgs, dry_run: bool| ops::ExportArgs {
            sinks,
            selection: flags.selection(selection),
            dry_run,
            fail_fast: flags.fail_fast,
        };
    match command {
        ExportCommand::Airflow { selection, by, check } => ops::export_airflow(
            inv,
            &ops::AirflowArgs {
                selection: flags.selection(selection),
                by: (*by).into(),
                check: *check,
            },
        ),
        ExportCommand::Sheets { selection, dry_run } => {
            ops::export_relations(inv, &relations(ops::Sinks::Sheets, selection, *dry_run))
        }
        ExportCommand::Files { selection, dry_run } => {
            ops::export_relations(inv, &relations(ops::Sinks::Files, selection, *dry_run))
        }
        ExportCommand::Erd { selection, format, check, refresh } => ops::export_erd(
            inv,
            &ops::ErdArgs {
                selection: flags.selection(selection),
                format: format.map(Into::into),
                check: *check,
                refresh: *refresh,
            },
        ),
    }
}

fn explain(code: &str, console: &Console) -> Exit {
    match crate::diag::explain(code) {
        Some(page) => {
            console.out(page.trim_end());
            Ok(0)
        }
        None => {
            let codes = crate::diag::Code::ALL.iter().map(|c| c.as_str());
            let near = crate::diag::nearest(code, codes).map(|c| format!("did you mean {c}?"));
            Err(CliError::Usage {
                message: format!("there is no code `{code}`"),
                hints: near.into_iter().collect(),
            })
        }
    }
}

fn completions(shell: ShellArg, console: &Console) {
    let mut out = Vec::new();
    clap_complete::generate(
        clap_complete::Shell::from(shell),
        &mut Cli::command(),
        "strata",
        &mut out,
    );
    console.out(String::from_utf8_lossy(&out).trim_end());
}

/// The arguments of a command as `invocation_args_dict` has them.
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
        let args = flags::mapping("--args", args).unwrap_or_default();
        map.insert("args".into(), serde_json::Value::Object(args));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help of a command and of those below it, each under its words.
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
