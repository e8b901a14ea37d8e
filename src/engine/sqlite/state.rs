//! Detects without opening a database whether its files were written.
//!
//! Changes that are committed but not in the database file yet are in a `-wal` file beside it,
//! which exists while a connection is open. It counts as soon as it is not empty (SQLite
//! documentation, "Write-Ahead Logging").

use super::SqliteOptions;
use crate::engine::{DatabaseState, FileState};
use crate::hash::Fingerprint;
use crate::system::System;
use camino::{Utf8Path, Utf8PathBuf};
use std::io::Read;

/// The size in bytes of a file's header, which includes a change counter (SQLite documentation,
/// "Database File Format", 1.3).
const HEADER: u64 = 100;

pub(super) fn read_state(system: &dyn System, options: &SqliteOptions) -> Option<DatabaseState> {
    let mut files = vec![file(system, Utf8Path::new(&options.main))?];
    let others = options.schemas.iter().map(|(_, path)| Utf8PathBuf::from(path));
    let found = options.found_in_directory(system).into_iter().map(|(_, path)| path.into());
    for path in others.chain(found) {
        // A schema's file may not exist yet: it is created by the first write.
        files.extend(file(system, &path));
    }
    let logs: Vec<FileState> = files.iter().filter_map(|f| log_of(system, &f.path)).collect();
    files.extend(logs);
    Some(DatabaseState(files))
}

fn file(system: &dyn System, path: &Utf8Path) -> Option<FileState> {
    // The stamp is read before and after the header, to detect a write in between.
    let stamp = system.stamp(path)?;
    let head = Fingerprint::of_stream(&mut system.open(path).ok()?.take(HEADER)).ok()?;
    let is_same = system.stamp(path)? == stamp;
    is_same.then(|| FileState { path: path.to_owned(), stamp, head })
}

/// The log of a database file; `None` if it is missing or empty.
fn log_of(system: &dyn System, path: &Utf8Path) -> Option<FileState> {
    let log = Utf8PathBuf::from(format!("{path}-wal"));
    let mut first = [0];
    let is_empty = system.open(&log).ok()?.read(&mut first).ok()? == 0;
    if is_empty { None } else { file(system, &log) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[test]
    fn a_log_counts_once_it_holds_something() {
        let options = SqliteOptions {
            main: "/p/shop.db".to_owned(),
            directory: "/p".to_owned(),
            ..Default::default()
        };
        let paths = |files: &[(&str, &str)]| {
            let system = MemorySystem::with_files(files.iter().copied());
            let found = read_state(&system, &options)?;
            Some(found.0.into_iter().map(|f| f.path.into_string()).collect::<Vec<_>>())
        };
        assert_eq!(paths(&[]), None, "there is no database");
        let magic = "SQLite format 3\0";
        let one = vec!["/p/shop.db".to_owned()];
        assert_eq!(paths(&[("/p/shop.db", magic)]), Some(one.clone()));
        assert_eq!(paths(&[("/p/shop.db", magic), ("/p/shop.db-wal", "")]), Some(one));
        let files = [("/p/shop.db", magic), ("/p/marts.db", magic), ("/p/marts.db-wal", "pages")];
        let all = ["/p/shop.db", "/p/marts.db", "/p/marts.db-wal"].map(str::to_owned);
        assert_eq!(paths(&files), Some(all.to_vec()));
    }
}
