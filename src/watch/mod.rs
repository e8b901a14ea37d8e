//! `strata watch`: after each save the project is read again, and what has changed is built.
//!
//! In: a `Workspace`, events of the file system. Out: a screen, or lines. One loop owns the
//! project and the screen; a build runs on a thread of its own, on an open database, and tells the
//! loop what happens. A save that makes the build obsolete ends it. Must not know: how a project is
//! read or built (`workspace`, `ops`), how a screen looks (`report`).

mod files;
mod session;

pub(crate) use session::{WatchOptions, run_watch};
