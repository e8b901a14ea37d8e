//! Strata: SQL models, built, tested and published.
//!
//! | stage | from | to |
//! |---|---|---|
//! | `load` | files through `System` | `Sources` |
//! | `parse` | `Sources` | `Checked<ParsedProject>` |
//! | `resolve` | `ParsedProject` | `Checked<Manifest>` |
//! | `select` | `Manifest`, selector text | `Checked<NodeSet>` |
//! | `inspect` | schemas of the selection | `Existing` |
//! | `changes` | `Manifest`, prints of publications | verdicts with reasons |
//! | `plan` | `NodeSet`, `Existing` | `Plan` |
//! | `analyze` | `Manifest` | `KeyGraph` |
//! | `compile` | node, `Bindings`, `Existing` | `Compiled` |
//! | `run` | `Plan`, `Warehouse` | events, `RunResult`s |
//! | `sink` | a published relation | a sheet, a file |
//! | `report`, `state` | events, results | console, artifacts |
//! | `export` | `Manifest`, `Plan`, `KeyGraph` | `GeneratedFile`s |
//!
//! `workspace` holds a project and puts the stages together, `ops` are the use cases, `cli` and
//! `watch` call them.
//!
//! Modules lie on floors; a module imports lower floors only (see ARCHITECTURE.md and
//! `tests/it/layering.rs`).

mod adapter;
mod analyze;
mod cache;
mod changes;
mod cli;
mod compile;
mod config;
mod context;
mod decimal;
mod diag;
mod engine;
mod export;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hash;
mod inspect;
mod jinja;
mod load;
mod manifest;
mod materialize;
mod ops;
mod outcome;
mod parse;
mod plan;
mod report;
mod resolve;
mod run;
mod secret;
mod select;
mod sink;
mod source;
mod sql;
mod state;
mod system;
mod watch;
mod workspace;

pub use cli::main as run_command_line;

/// As in the program, so that tests are as fast.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The dbt version whose behaviour is followed; what projects see as `dbt_version`.
pub(crate) const DBT_VERSION: &str = "1.11.16";
/// Our own version; what projects see as `strata_version`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version with a fingerprint of the sources: what another build has cached is not used.
pub(crate) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("STRATA_SOURCES"));
