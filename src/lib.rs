//! Strata: SQL models, built, tested and published.
//!
//! | stage | from | to |
//! |---|---|---|
//! | `load` | files through `System` | `LoadedProject` |
//! | `parse` | `LoadedProject` | `Checked<ParsedProject>` |
//! | `resolve` | `ParsedProject` | `Checked<Manifest>` |
//! | `select` | `Manifest`, selector text | `Checked<NodeSet>` |
//! | `inspect` | schemas of the selection | `ExistingRelations` |
//! | `changes` | `Manifest`, fingerprints of publications | verdicts with reasons |
//! | `plan` | `NodeSet`, `ExistingRelations` | `Plan` |
//! | `analyze` | `Manifest` | `KeyGraph` |
//! | `compile` | node, `Bindings`, `ExistingRelations` | `Compiled` |
//! | `run` | `Plan`, `Warehouse` | events, `RunResult`s |
//! | `sink` | a published relation | a sheet, a file |
//! | `packages` | packages that are asked for | pinned packages, their folder |
//! | `report`, `state` | events, results | console, artifacts |
//! | `export` | `Manifest`, `Plan`, `KeyGraph` | `GeneratedFile`s |
//!
//! `workspace` holds a project and runs the stages; `ops` has the use cases, which `cli` and
//! `watch` call.
//!
//! Modules are in layers and import from lower layers only (see ARCHITECTURE.md and
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
mod packages;
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

/// Tests use the allocator of the program, so that they are as fast.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The dbt version whose behaviour Strata follows, which projects see as `dbt_version`.
pub(crate) const DBT_VERSION: &str = "1.11.16";
/// The version of Strata, which projects see as `strata_version`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version with a fingerprint of the sources. Caches of other builds are not used.
pub(crate) const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("STRATA_SOURCES"));
