//! The output of commands, for people and machines.
//!
//! In: events, diagnostics, reports of use cases. Out: lines on a terminal or a pipe, a live view,
//! JSON lines. Every sink scrubs secrets. Must not know: anything that an event or a report does
//! not say.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "the place that prints")]

mod console;
mod dbt_log;
mod event_json;
mod files;
mod lists;
mod live;
mod log_file;
mod packages;
mod plans;
mod projects;
mod row_diff;
mod rows;
mod runs;
mod screen;
mod table;

pub(crate) use console::{Console, ConsoleStyle, LogFormat};
pub(crate) use dbt_log::LogLevel;
pub(crate) use files::{print_dag, print_erd};
pub(crate) use lists::{ListOutput, print_list};
pub(crate) use log_file::{CommandLog, LogFileSettings};
pub(crate) use packages::print_deps;
pub(crate) use plans::print_plan;
pub(crate) use projects::{
    print_check, print_cleaned, print_compiled, print_compiled_json, print_docs, print_new_project,
    print_orphans, print_parsed, version_line,
};
pub(crate) use rows::print_rows;
pub(crate) use runs::print_run;
pub(crate) use screen::{Screen, WatchEvent};
