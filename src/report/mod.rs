//! What people and machines see of a command.
//!
//! In: events, diagnostics, tables. Out: lines on a terminal or a pipe, a live view, JSON lines.
//! Every sink scrubs secrets. Must not know: anything that an event does not say.
#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "the place that prints")]

mod console;
mod live;
mod screen;
mod table;

pub(crate) use console::{Console, LogFormat, Style, count};
pub(crate) use screen::{Happening, Screen};
pub(crate) use table::{grid, rows_json};
