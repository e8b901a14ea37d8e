//! The use cases. Each takes an options struct and an `Invocation`, and gives an exit code.
//!
//! In: what a door (the command line, watch) asks for. Out: effects and an exit code: 0 all good, 1 a node or test
//! failed, 2 usage, configuration or internal. Must not know: flags and their spelling.

mod clean;
mod compile;
mod debug;
mod deps;
mod docs;
mod freshness;
mod init;
mod list;
mod operation;
mod plan;
mod project;
mod run;
mod show;

pub(crate) use clean::clean;
pub(crate) use compile::{CompileArgs, compile};
pub(crate) use debug::debug;
pub(crate) use deps::deps;
pub(crate) use docs::{DocsArgs, docs_generate};
pub(crate) use freshness::{FreshnessArgs, source_freshness};
pub(crate) use init::{InitArgs, init};
pub(crate) use list::{ListArgs, ListOutput, list};
pub(crate) use operation::{OperationArgs, run_operation};
pub(crate) use plan::show_plan;
pub(crate) use project::{parse_only, version_line};
pub(crate) use run::{RunArgs, run_verb};
pub(crate) use show::{ShowArgs, show};

use crate::engine::{EngineError, EngineErrorKind};
use crate::load::LoadOptions;
use crate::report::Console;
use crate::run::Interrupt;
use crate::system::{System, SystemError};
use camino::Utf8PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What holds for the whole command.
pub(crate) struct Invocation {
    pub(crate) system: Arc<dyn System>,
    pub(crate) load: LoadOptions,
    pub(crate) console: Console,
    pub(crate) interrupt: Interrupt,
    pub(crate) write_json: bool,
    pub(crate) warn_error: bool,
    /// None: the engine decides.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) state: Option<Utf8PathBuf>,
    pub(crate) started: jiff::Timestamp,
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
            _ => Vec::new(),
        }
    }
}

/// An exit code.
pub(crate) type Exit = Result<u8, CliError>;
