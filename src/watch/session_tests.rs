//! Tests of when files are read after a burst of events, and of which changes make a build
//! obsolete.

use super::{AT_MOST, GONE, Pending, QUIET, TICK, touches};
use crate::system::{MemorySystem, System};
use crate::watch::files::FileChange;
use crate::workspace::Revision;
use crate::workspace::testing::workspace;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const FILE: &str = "/project/models/a.sql";

fn milliseconds(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A change of `FILE`; `settled`: its writer has finished.
fn touched(settled: bool) -> FileChange {
    FileChange { path: FILE.into(), settled, is_folder: false, is_removed: false }
}

/// The pending changes after events at these times, in milliseconds after `start`.
fn pending_after(start: Instant, events: &[(u64, bool)]) -> Pending {
    let mut pending = Pending::default();
    for (at, settled) in events {
        pending.add(start + milliseconds(*at), touched(*settled));
    }
    pending
}

#[test]
fn when_files_are_read_depends_on_the_events_and_on_the_last_reading() {
    // The events, the time of the last reading, the current time, and the expected wait.
    type Row = (&'static [(u64, bool)], Option<u64>, u64, u64, &'static str);
    let rows: [Row; 12] = [
        (&[(0, true)], None, 0, 0, "a file that was closed is read at once"),
        (&[(0, false)], None, 0, 40, "one that is still written when it is quiet"),
        (&[(0, false)], None, 30, 10, "which comes nearer"),
        (&[(0, false)], None, 40, 0, "and is there"),
        (&[(0, false), (30, false)], None, 30, 40, "each event begins the quiet anew"),
        (&[(0, false), (10, true)], None, 10, 0, "the last event says whether it was closed"),
        (&[(0, true), (10, false)], None, 10, 40, "and whether it is written again"),
        (&[(39, true)], Some(0), 39, 40, "within the quiet after a reading is a burst"),
        (&[(40, true)], Some(0), 40, 0, "behind it is a save of its own"),
        (&[(0, true)], Some(20), 20, 20, "what came before the reading ended is a burst"),
        (&[(0, false), (480, false)], None, 480, 20, "a burst is read after half a second"),
        (&[(0, false), (499, false)], None, 600, 0, "however long it goes on"),
    ];
    let start = Instant::now();
    for (events, last_reading, now, wait, name) in rows {
        let pending = pending_after(start, events);
        let last_reading = last_reading.map(|at| start + milliseconds(at));
        let waits = pending.wait(start + milliseconds(now), last_reading);
        assert_eq!(waits, milliseconds(wait), "{name}");
    }
}

#[test]
fn where_nothing_has_happened_the_loop_looks_up_at_every_tick() {
    let pending = Pending::default();
    assert!(pending.is_empty());
    assert_eq!(pending.wait(Instant::now(), None), TICK);
}

#[test]
fn when_events_were_lost_everything_is_read_once_it_is_quiet() {
    let (start, nothing) = (Instant::now(), MemorySystem::default());
    let mut pending = Pending::default();
    pending.add_everything(start);
    assert!(!pending.is_empty() && pending.paths.is_empty());
    assert_eq!(pending.wait(start, None), QUIET);
    // A closed file does not shorten the wait, and a missing one does not prolong it.
    pending.add(start + milliseconds(10), touched(true));
    assert_eq!(pending.wait(start + milliseconds(10), None), QUIET);
    assert!(!pending.waits_for_one(start + milliseconds(50), &nothing));
}

#[test]
fn a_file_that_is_gone_is_waited_for() {
    let (start, nothing) = (Instant::now(), MemorySystem::default());
    let mut pending = pending_after(start, &[(0, true)]);
    assert!(pending.waits_for_one(start, &nothing));
    assert_eq!(pending.wait(start, None), GONE);
    assert_eq!(pending.wait(start + milliseconds(30), None), milliseconds(50));
    assert!(pending.waits_for_one(start + milliseconds(79), &nothing));
    assert_eq!(pending.wait(start + GONE, None), Duration::ZERO);
    assert!(!pending.waits_for_one(start + GONE, &nothing), "it is gone for good");
}

#[test]
fn a_file_that_is_back_is_waited_for_no_longer() {
    let (start, system) = (Instant::now(), MemorySystem::default());
    let mut pending = pending_after(start, &[(0, true)]);
    assert!(pending.waits_for_one(start, &system));
    system.write_atomic(FILE.into(), b"select 1 as id").unwrap();
    let later = start + milliseconds(10);
    assert!(!pending.waits_for_one(later, &system));
    assert_eq!(pending.wait(later, None), Duration::ZERO, "as a file that was closed");
}

#[test]
fn another_event_begins_the_wait_for_a_file_that_is_gone_anew() {
    let (start, nothing) = (Instant::now(), MemorySystem::default());
    let mut pending = pending_after(start, &[(0, true)]);
    assert!(pending.waits_for_one(start, &nothing));
    let second = start + milliseconds(50);
    pending.add(second, touched(true));
    assert!(pending.waits_for_one(second, &nothing));
    assert!(pending.waits_for_one(second + milliseconds(79), &nothing));
    assert!(!pending.waits_for_one(second + GONE, &nothing));
}

#[test]
fn a_file_that_is_gone_puts_a_burst_off_no_longer_than_any_other() {
    let (start, nothing) = (Instant::now(), MemorySystem::default());
    let mut pending = pending_after(start, &[(0, true)]);
    assert!(pending.waits_for_one(start + AT_MOST, &nothing));
    let mut late = pending_after(start, &[(0, true)]);
    assert!(!late.waits_for_one(start + AT_MOST + milliseconds(1), &nothing));
}

#[test]
fn a_file_that_no_project_is_made_of_is_not_waited_for() {
    let (start, nothing) = (Instant::now(), MemorySystem::default());
    let mut pending = Pending::default();
    pending.add(start, FileChange { path: "/project/models/4913".into(), ..touched(true) });
    assert!(!pending.waits_for_one(start, &nothing));
}

const SHOP: &[(&str, &str)] = &[
    ("/project/project.yml", "name: shop"),
    ("/project/seeds/raw.csv", "id\n1\n"),
    (FILE, "select {{ one() }} as id"),
    ("/project/models/b.sql", "select id from {{ ref('a') }}"),
    ("/project/models/other.sql", "select 1 as id"),
    ("/project/models/s.yml", "models: [{name: a, description: first}]"),
    ("/project/macros/m.sql", "{% macro one() %}1{% endmacro %}"),
];

/// The project before and after a file gets another text or, with `None`, is removed.
fn revisions(path: &str, text: Option<&str>) -> (Arc<Revision>, Arc<Revision>) {
    let system = Arc::new(MemorySystem::with_files(SHOP.iter().copied()));
    let mut workspace = workspace(system.clone());
    let mut read = || {
        let reading = workspace.read().unwrap();
        assert!(!reading.has_errors(), "{path}: {:?}", reading.diagnostics);
        reading.revision.unwrap()
    };
    let old = read();
    let path = camino::Utf8Path::new("/project").join(path);
    match text {
        Some(text) => system.write_atomic(&path, text.as_bytes()).unwrap(),
        None => system.remove(&path).unwrap(),
    }
    (old, read())
}

#[test]
fn a_change_makes_a_build_obsolete_where_it_touches_what_is_still_to_do() {
    // The changed file, its new text (`None`: removed), the nodes still to be built, and whether
    // the build becomes obsolete.
    type Row = (&'static str, Option<&'static str>, &'static [&'static str], bool);
    let rows: [Row; 15] = [
        ("models/a.sql", Some("select 2 as id"), &["model.shop.a"], true),
        ("models/a.sql", Some("select 2 as id"), &["model.shop.b"], true),
        ("models/a.sql", Some("select 2 as id"), &["model.shop.other"], false),
        ("models/a.sql", Some("select 2 as id"), &[], false),
        ("models/b.sql", Some("select 2 as id"), &["model.shop.a"], false),
        ("models/a.sql", Some("select {{ one() }} as id"), &["model.shop.a"], false),
        ("models/s.yml", Some("models: [{name: a, description: x}]"), &["model.shop.a"], false),
        ("models/s.yml", Some("models: [{name: a, config: {tags: x}}]"), &["model.shop.a"], true),
        ("models/s.yml", Some("models: [{name: a, config: {tags: x}}]"), &["model.shop.b"], true),
        ("seeds/raw.csv", Some("id\n2\n"), &["seed.shop.raw"], true),
        ("seeds/raw.csv", Some("id\n2\n"), &["model.shop.a"], false),
        ("macros/m.sql", Some("{% macro one() %}2{% endmacro %}"), &[], true),
        ("models/new.sql", Some("select 1 as id"), &["model.shop.a"], false),
        ("models/b.sql", None, &["model.shop.b"], true),
        ("models/b.sql", None, &["model.shop.a"], false),
    ];
    for (path, text, open, is_touched) in rows {
        let (old, new) = revisions(path, text);
        let open: HashSet<String> = open.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(touches(&old, &new, &open), is_touched, "{path} {text:?} {open:?}");
    }
}
