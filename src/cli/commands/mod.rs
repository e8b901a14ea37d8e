//! The commands. Each turns flags into options, calls a use case, prints its report and returns an
//! exit code.
//!
//! In: the parsed command line, a `Session`. Out: an `Exit`, or why there is none. Must not know:
//! how a use case goes about it, how a report looks.

mod build;
mod export;
mod freshness;
mod help;
mod look;
mod operation;
mod project;
mod watch;

pub(super) use help::answer_help;

use super::args::{Cli, Command, DocsCommand, SourceCommand};
use super::{Ended, Session};

/// Runs the command that the command line names.
pub(super) fn run_command(cli: &Cli, session: Session<'_>) -> Ended {
    match &cli.command {
        Command::Build { selection, run } => build::build_selected(session, selection, run),
        Command::Run { selection, full_refresh, empty } => {
            build::run_selected(session, selection, *full_refresh, *empty)
        }
        Command::Test { selection, store_failures } => {
            build::test_selected(session, selection, *store_failures)
        }
        Command::Seed { selection, full_refresh, .. } => {
            build::load_seeds(session, selection, *full_refresh)
        }
        Command::Snapshot { selection } => build::take_snapshots(session, selection),
        Command::Plan { selection, run, json } => look::print_steps(session, selection, run, *json),
        Command::Watch { selection, args } => watch::watch_project(session, selection, args),
        Command::Compile { selection, inline, no_introspect } => {
            look::compile_sql(session, selection, inline.clone(), !no_introspect)
        }
        Command::Parse => project::parse_files(session),
        Command::Ls { selection, output, output_keys } => {
            look::list_nodes(session, selection, (*output).into(), output_keys)
        }
        Command::Show { names, selection, inline, limit, output } => {
            let asked = look::Shown { names, inline: inline.clone(), limit: *limit };
            look::show_rows(session, selection, asked, *output)
        }
        Command::Source { command: SourceCommand::Freshness { selection, output } } => {
            freshness::check_sources(session, selection, output.clone())
        }
        Command::RunOperation { name, args } => operation::call_macro(session, name, args),
        Command::Docs {
            command: DocsCommand::Generate { selection, no_compile, empty_catalog, .. },
        } => project::write_docs(session, selection, !no_compile, *empty_catalog),
        Command::Export { command } => export::run_export(session, command),
        Command::Deps { .. } => project::install_packages(session),
        Command::Debug { .. } => project::check_setup(session),
        Command::Clean { .. } => project::remove_generated(session),
        Command::Init { name, sample, .. } => project::make_project(session, name.clone(), *sample),
        Command::Explain { .. } | Command::Completions { .. } => {
            answer_help(cli, session.console).unwrap_or_else(|| Ok(super::Exit::success()))
        }
    }
}
