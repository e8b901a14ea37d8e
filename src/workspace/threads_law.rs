//! Several threads work on one revision while files change and the next revision is read.
#![expect(clippy::disallowed_methods, reason = "a project of real files, edited by the test")]

use super::testing::settings;
use super::{Revision, Workspace};
use crate::load::LoadOptions;
use crate::manifest::{NodeId, NodeSet};
use crate::ops::{
    FailedCauses, RebuildLimits, RebuildReport, RebuildRequest, rebuild_changed, select_for_watch,
};
use crate::outcome::RunStatus;
use crate::run::CancelToken;
use crate::select::Selection;
use crate::system::OsSystem;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const EDITS: usize = 12;

/// Writes a project with a database file of its own and three models that depend on each other.
fn write_project(folder: &Utf8Path) {
    let profiles = "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb}\n";
    let files = [
        ("project.yml", "name: shop\nprofile: shop\nmodels: {shop: {+materialized: table}}\n"),
        ("profiles.yml", profiles),
        ("models/middle.sql", "select n, {{ var('factor', 2) }} as factor from {{ ref('base') }}"),
        ("models/top.sql", "select n * factor as product from {{ ref('middle') }}"),
        (
            "models/s.yml",
            "models: [{name: top, columns: [{name: product, data_tests: [not_null]}]}]",
        ),
    ];
    std::fs::create_dir_all(folder.join("models")).unwrap();
    for (path, text) in files {
        std::fs::write(folder.join(path), text).unwrap();
    }
    write_base(folder, 0);
}

fn write_base(folder: &Utf8Path, n: usize) {
    std::fs::write(folder.join("models/base.sql"), format!("select {n} as n")).unwrap();
}

fn open_project(folder: &Utf8Path) -> Workspace {
    let mut settings = settings(Arc::new(OsSystem::default()));
    let folder = Some(folder.to_owned());
    settings.load =
        LoadOptions { project_dir: folder.clone(), profiles_dir: folder, ..LoadOptions::default() };
    Workspace::new(settings, CancelToken::default())
}

fn choose_all(revision: &Revision) -> NodeSet {
    select_for_watch(revision, &Selection::default()).unwrap().value
}

fn build(revision: &Revision) -> RebuildReport {
    let request = RebuildRequest {
        revision,
        selected: choose_all(revision),
        limits: RebuildLimits::default(),
        failed_before: &FailedCauses::default(),
        show: None,
        rows: 0,
        cancel: &CancelToken::default(),
    };
    rebuild_changed(request, &mut None, &mut |_| {}).unwrap()
}

/// The number that the model `top` was built with.
fn read_product(revision: &Revision) -> String {
    let mut warehouse = revision.connect().unwrap();
    let top = revision.manifest.get("model.shop.top").unwrap().relation.as_ref().unwrap();
    let sql = crate::engine::select_all(top, warehouse.engine());
    let (_, table) = warehouse.fetch(&sql, None).unwrap();
    table.rows[0][0].display()
}

#[test]
fn threads_build_check_and_list_while_files_change() {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
    write_project(&folder);
    let mut workspace = open_project(&folder);
    let first = workspace.read().unwrap();
    let first = first.revision.unwrap_or_else(|| panic!("{:?}", first.diagnostics));
    let (current, is_over) = (Mutex::new(first), AtomicBool::new(false));
    let take = || current.lock().unwrap().clone();
    let rounds = |mut work: Box<dyn FnMut(&Revision) + Send + '_>| {
        let mut n = 0;
        while !is_over.load(Ordering::SeqCst) || n == 0 {
            work(&take());
            n += 1;
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            rounds(Box::new(|revision| {
                let built = build(revision);
                let is_good = |status| matches!(status, RunStatus::Success | RunStatus::Pass);
                assert!(built.results.iter().all(|r| is_good(r.outcome.status)));
            }));
        });
        scope.spawn(|| {
            rounds(Box::new(|revision| {
                assert!(revision.check(&choose_all(revision)).is_empty());
            }));
        });
        scope.spawn(|| {
            rounds(Box::new(|revision| {
                let select = vec!["middle+".to_owned()];
                let selection = Selection { select, ..Selection::default() };
                let types = super::resource_types_of(crate::plan::CommandVerb::Build);
                let listed = revision.select(&selection, types).unwrap().value;
                let ids: Vec<NodeId> = listed.iter().collect();
                assert_eq!(ids.len(), 3, "middle, top and its test");
            }));
        });
        for n in 1..=EDITS {
            write_base(&folder, n);
            let reading = workspace.read().unwrap();
            assert!(!reading.has_errors());
            *current.lock().unwrap() = reading.revision.unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
    });
    let last = take();
    build(&last);
    assert_eq!(read_product(&last), (EDITS * 2).to_string());
    assert!(build(&last).results.is_empty(), "there is nothing left to build");
}
