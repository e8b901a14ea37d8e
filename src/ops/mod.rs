//! The use cases. Each takes an options struct and an `Invocation`, and gives an exit code.
//!
//! In: what a door (the command line, watch) asks for. Out: effects and an exit code: 0 all good, 1
//! a node or test failed, 2 usage, configuration or internal. Must not know: flags and their
//! spelling.

mod beside;
#[cfg(test)]
mod cache_law;
mod changed;
mod clean;
mod compile;
mod dag;
#[cfg(test)]
mod dbt_tables;
mod debug;
mod deps;
mod destinations;
mod docs;
mod erd;
mod export;
mod freshness;
mod init;
mod list;
mod operation;
mod plan;
mod prepare;
mod project;
mod resident;
mod run;
mod settled;
mod show;

pub(crate) use changed::{Judge, read_compile_cache};
pub(crate) use clean::clean;
pub(crate) use compile::{CompileArgs, compile};
pub(crate) use dag::Orchestrated;
pub(crate) use debug::debug;
pub(crate) use deps::deps;
pub(crate) use docs::{DocsArgs, docs_generate};
pub(crate) use erd::{ErdArgs, ErdFormat, export_erd};
pub(crate) use export::{AirflowArgs, ExportArgs, Sinks, export_airflow, export_relations};
pub(crate) use freshness::{FreshnessArgs, source_freshness};
pub(crate) use init::{InitArgs, init};
pub(crate) use list::{ListArgs, ListOutput, list};
pub(crate) use operation::{OperationArgs, run_operation};
pub(crate) use plan::show_plan;
pub(crate) use project::{Folder, Project, parse_only, version_line};
pub(crate) use resident::{
    BuildRequest, Built, Limits, Progress, Resident, Revision, Seen, Tried, build_changed, chosen,
    compile_errors,
};
pub(crate) use run::{RunArgs, run_verb};
pub(crate) use show::{ShowArgs, show};

use crate::config::JsonMap;
use crate::diag::{Diagnostic, WarningOptions, Weight};
use crate::engine::{EngineError, EngineErrorKind, Patience};
use crate::load::LoadOptions;
use crate::outcome::{RunResult, RunStatus};
use crate::plan::StartOrder;
use crate::report::Console;
use crate::run::Interrupt;
use crate::system::{System, SystemError};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// What holds for the whole command.
pub(crate) struct Invocation {
    pub(crate) system: Arc<dyn System>,
    pub(crate) load: LoadOptions,
    pub(crate) console: Console,
    pub(crate) interrupt: Interrupt,
    pub(crate) write_json: bool,
    /// Whether an earlier parse is used, and this one kept.
    pub(crate) cache: bool,
    pub(crate) warnings: WarningOptions,
    /// Which of the steps that are ready begins first.
    pub(crate) start_order: StartOrder,
    pub(crate) patience: Patience,
    pub(crate) state: Option<Utf8PathBuf>,
    pub(crate) started: jiff::Timestamp,
    /// Set when the command is a task of a scheduler, with what that says of its file.
    pub(crate) orchestrated: Option<Orchestrated>,
    /// What a scheduler is told at the end.
    pub(crate) summary: JsonMap,
}

/// A run whose only failures can pass by themselves (`EX_TEMPFAIL` of sysexits.h).
const TRY_AGAIN: u8 = 75;

/// The project is not the one that the scheduler's file was made of.
const DRIFTED: u8 = 3;

impl Invocation {
    /// The same for work that is told about otherwise, with its own end.
    pub(crate) fn quietly(&self, interrupt: Interrupt) -> Invocation {
        Invocation {
            system: self.system.clone(),
            load: self.load.clone(),
            console: self.console.muted(),
            interrupt,
            write_json: self.write_json,
            cache: self.cache,
            warnings: self.warnings.clone(),
            start_order: self.start_order,
            patience: self.patience,
            state: self.state.clone(),
            started: self.system.now(),
            orchestrated: None,
            summary: JsonMap::new(),
        }
    }

    /// Where results are kept for other commands; none: they are not.
    pub(crate) fn store(&self) -> Option<Arc<dyn System>> {
        self.cache.then(|| self.system.clone())
    }

    /// Shows what there is to say, warnings by their weight. Those that are errors end the command.
    pub(crate) fn warn(&mut self, diagnostics: &[Diagnostic]) -> Result<(), CliError> {
        let weight = |d: &Diagnostic| {
            if d.is_error() { Weight::Warning } else { self.warnings.weigh(d.code) }
        };
        let shown: Vec<Diagnostic> =
            diagnostics.iter().filter(|d| weight(d) != Weight::Silent).cloned().collect();
        let stops = shown.iter().any(|d| weight(d) == Weight::Error);
        self.console.diagnostics(&shown);
        match stops {
            true => Err(CliError::usage(
                "stopped: this warning is an error here (--warn-error, --warn-error-options)",
            )),
            false => Ok(()),
        }
    }

    /// A task of a scheduler that has nothing to do is a mistake in how it was called.
    pub(crate) fn nothing_for_a_task(&self) -> Result<(), CliError> {
        match self.orchestrated {
            Some(_) => Err(CliError::usage("the task names nothing that this command works on")),
            None => Ok(()),
        }
    }

    /// The exit code of a run, and its summary. Only a scheduler is told that another try may help.
    pub(crate) fn conclude(&mut self, results: &[RunResult], seconds: f64) -> u8 {
        let mut counts = crate::run::Totals::default();
        results.iter().for_each(|r| counts.add(r.outcome.status));
        for (status, n) in counts.iter() {
            self.summary.insert(status.to_owned(), n.into());
        }
        let bad = |r: &&RunResult| matches!(r.outcome.status, RunStatus::Error | RunStatus::Fail);
        let failed: Vec<&str> =
            results.iter().filter(bad).map(|r| &*r.unique_id).take(20).collect();
        if !failed.is_empty() {
            self.summary.insert("failed".into(), failed.into());
        }
        self.summary.insert("seconds".into(), ((seconds * 1000.0).round() / 1000.0).into());
        let passing = |r: &RunResult| r.outcome.failed.as_ref().is_some_and(|f| f.transient);
        match results.iter().any(|r| r.outcome.status.is_failure()) {
            false => 0,
            true if self.orchestrated.is_none() => 1,
            true if self.interrupt.is_set() || results.iter().filter(bad).all(passing) => TRY_AGAIN,
            true => 1,
        }
    }
}

/// Why a command could not do its work. The kind decides the exit code, hints say the next action.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Diagnostics were shown; there is nothing to add.
    #[error("the project has errors")]
    Reported,
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    #[error(transparent)]
    System(#[from] SystemError),
    #[error("{0}")]
    Engine(#[from] EngineError),
    #[error("the project no longer matches the file that runs it: {}", changes.join("; "))]
    Drift { changes: Vec<String> },
}

impl CliError {
    pub(crate) fn usage(message: impl Into<String>) -> CliError {
        CliError::Usage { message: message.into(), hints: Vec::new() }
    }

    pub(crate) fn hints(&self) -> Vec<String> {
        match self {
            CliError::Usage { hints, .. } => hints.clone(),
            CliError::Engine(e) => {
                let mut hints: Vec<String> = e.hint.iter().cloned().collect();
                if e.kind == EngineErrorKind::Connection {
                    hints.push("`strata debug` checks the connection step by step".to_owned());
                }
                hints
            }
            CliError::Drift { .. } => {
                vec!["write the file again and deploy both: strata export airflow".to_owned()]
            }
            _ => Vec::new(),
        }
    }

    /// The exit code: 2, but for what a scheduler has to tell apart.
    pub(crate) fn code(&self, orchestrated: bool) -> u8 {
        match self {
            CliError::Drift { .. } => DRIFTED,
            CliError::Engine(e) if orchestrated && e.is_transient() => TRY_AGAIN,
            _ => 2,
        }
    }
}

/// An exit code.
pub(crate) type Exit = Result<u8, CliError>;
