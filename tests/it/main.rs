//! All integration tests are in one binary, because each binary would link DuckDB again.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests are programs of their own"
)]

mod audit;
mod cli;
mod exports;
mod external;
mod faults;
mod flags;
mod found;
mod functions;
mod incremental;
mod layering;
mod messages;
mod microbatch;
mod operations;
mod packages;
mod postgres;
mod project;
mod sample;
mod specs;
mod sqlite;
mod starter;
mod states;
mod tables;
mod unit_tests;
mod watch;
