//! The use cases behind the commands, callable by other programs too.
//!
//! In: a `Workspace`, options, a sink of `Notice`s. Out: a report of the results, as data; progress
//! and diagnostics go to the sink. Must not know: consoles, the spelling of flags, exit codes.

mod build;
mod choose;
mod clean;
mod compile;
#[cfg(test)]
mod dbt_tables;
mod debug;
mod deps;
mod destinations;
mod docs;
mod erd;
mod error;
mod export;
mod freshness;
mod generated;
mod init;
mod inline;
mod list;
mod operation;
mod orphans;
mod parse;
mod plan;
mod rebuild;
mod schedule;
mod show;

pub(crate) use build::{NextCommand, RelationPlace, RunReport, build_nodes};
pub(crate) use clean::clean_project;
pub(crate) use compile::{CompileOptions, CompileReport, NamedSql, SqlForm, compile_nodes};
pub(crate) use debug::{DebugCheck, debug_setup};
pub(crate) use deps::{AddedPackage, DepsOptions, DepsReport, Installation, install_packages};
pub(crate) use docs::{DocsOptions, DocsReport, generate_docs};
pub(crate) use erd::{ErdFormat, ErdOptions, ErdReport, RefreshReport, export_erd};
pub(crate) use error::OpsError;
pub(crate) use export::{
    DagOptions, DagReport, ExportOptions, SinkKind, export_airflow, export_relations,
};
pub(crate) use freshness::{FreshnessOptions, check_freshness};
pub(crate) use generated::{DeliveredFile, Delivery, DeliveryState};
pub(crate) use init::{InitOptions, InitReport, init_project};
pub(crate) use list::{ListReport, list_nodes};
pub(crate) use operation::{OperationOptions, run_operation};
pub(crate) use orphans::{Orphan, OrphanChoice, OrphanFate, clean_relations};
pub(crate) use parse::{ParseReport, parse_project};
pub(crate) use plan::{PlanReport, plan_build};
pub(crate) use rebuild::{
    FailedCauses, RebuildLimits, RebuildProgress, RebuildReport, RebuildRequest, rebuild_changed,
    select_for_watch,
};
pub(crate) use schedule::ScheduledTask;
pub(crate) use show::{InlineQuery, ShowOptions, ShownRows, show_rows};
