//! `strata watch`: reads the project again after each save, and builds what has changed.
//!
//! In: a `Workspace`, events of the file system. Out: a screen, or lines. One loop owns the project
//! and the screen; a build runs on a thread of its own, on an open database, and reports its
//! progress to the loop. A save that makes the build obsolete cancels it. Must not know: how a
//! project is read or built (`workspace`, `ops`), how a screen looks (`report`).

mod files;
mod session;

pub(crate) use session::{WatchOptions, run_watch};
