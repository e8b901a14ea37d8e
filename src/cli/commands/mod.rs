//! The commands. Each turns flags into options, calls a use case, prints its report and returns an
//! exit code.
//!
//! In: the parsed command line, an `Invocation`. Out: an `Exit`, or why there is none. Must not
//! know: how a use case goes about it, how a report looks.

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
use super::{CommandResult, Invocation};
use crate::ops::{CompileOptions, InlineQuery, SqlForm};

pub(super) fn run_command(cli: &Cli, invocation: Invocation<'_>) -> CommandResult {
    match &cli.command {
        Command::Build { selection, run } => build::build_selected(invocation, selection, run),
        Command::Run { selection, full_refresh, rows, .. } => {
            build::run_selected(invocation, selection, *full_refresh, rows.empty)
        }
        Command::Test { selection, store_failures } => {
            build::test_selected(invocation, selection, *store_failures)
        }
        Command::Seed { selection, full_refresh, .. } => {
            build::load_seeds(invocation, selection, *full_refresh)
        }
        Command::Snapshot { selection, rows } => {
            build::take_snapshots(invocation, selection, rows.empty)
        }
        Command::Clone { selection, full_refresh } => {
            build::clone_relations(invocation, selection, *full_refresh)
        }
        Command::Plan { selection, run, json } => {
            look::print_steps(invocation, selection, run, *json)
        }
        Command::Watch { selection, args } => watch::watch_project(invocation, selection, args),
        Command::Compile {
            selection,
            inline,
            rendering,
            rows,
            no_inject_ephemeral_ctes,
            output,
            ..
        } => {
            let options = CompileOptions {
                selection: invocation.flags.selection(selection),
                inline: inline.clone(),
                introspect: !rendering.no_introspect,
                form: SqlForm {
                    empty: rows.empty || invocation.flags.empty,
                    injects_ctes: !no_inject_ephemeral_ctes,
                },
            };
            look::compile_sql(invocation, &options, *output)
        }
        Command::Parse => project::parse_files(invocation),
        Command::Ls { selection, output, output_keys } => {
            look::list_nodes(invocation, selection, (*output).into(), output_keys)
        }
        Command::Show { names, selection, inline, inline_direct, rendering, limit, output } => {
            let template = inline.clone().map(InlineQuery::Template);
            let asked = look::ShowRequest {
                names,
                inline: template.or_else(|| inline_direct.clone().map(InlineQuery::Direct)),
                introspect: !rendering.no_introspect,
                limit: *limit,
            };
            look::show_rows(invocation, selection, asked, *output)
        }
        Command::Source { command: SourceCommand::Freshness { selection, output } } => {
            freshness::check_sources(invocation, selection, output.clone())
        }
        Command::RunOperation { name, args } => operation::call_macro(invocation, name, args),
        Command::Docs {
            command: DocsCommand::Generate { selection, no_compile, empty_catalog, .. },
        } => project::write_docs(invocation, selection, !no_compile, *empty_catalog),
        Command::Export { command } => export::run_export(invocation, command),
        Command::Deps { upgrade, lock, add_package, source } => {
            let added = add_package.as_ref().map(|text| (text.as_str(), (*source).into()));
            project::install_packages(invocation, added, *upgrade, *lock)
        }
        Command::Debug { .. } => project::check_setup(invocation),
        Command::Clean { command, no_clean_project_files_only, .. } => {
            project::clean(invocation, command.as_ref(), *no_clean_project_files_only)
        }
        Command::Init { name, sample, .. } => {
            project::make_project(invocation, name.clone(), *sample)
        }
        // `retry` is replaced by the command that it repeats.
        Command::Retry { .. } | Command::Explain { .. } | Command::Completions { .. } => {
            answer_help(cli, invocation.console).unwrap_or_else(|| Ok(super::Exit::success()))
        }
    }
}
