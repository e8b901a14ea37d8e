//! The loop, the pool, audits and publications on a fake engine, in both its profiles.

use super::{CancelToken, Event, RunOptions, RunRequest, Shared, run_plan};
use crate::compile::Compiler;
use crate::engine::testing::{FakeWarehouse, POINTER, TRANSACTIONAL};
use crate::engine::{EngineErrorKind, EngineSpec, Existing, ExistingColumn};
use crate::manifest::{Manifest, NodeSet};
use crate::outcome::{RunResult, RunStatus};
use crate::plan::{Action, Plan, PlanRequest, StartOrder, Verb, plan_steps};
use crate::resolve::testing::read;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// A model, one that reads it, and a test of each.
const FILES: [(&str, &str); 3] = [
    ("models/a.sql", "{{ config(materialized='table') }} select 1 as id"),
    ("models/b.sql", "{{ config(materialized='table') }} select * from {{ ref('a') }}"),
    (
        "models/p.yml",
        "models:\n  - {name: a, columns: [{name: id, data_tests: [unique]}]}\n  \
         - {name: b, columns: [{name: id, data_tests: [not_null]}]}\n",
    ),
];

/// A run of all of a project.
struct Trial {
    shared: Arc<Shared>,
    plan: Plan,
    warehouse: FakeWarehouse,
    cancel: CancelToken,
}

impl Trial {
    fn new(files: &[(&str, &str)], spec: &'static EngineSpec) -> Trial {
        let (project, diagnostics) = read(files, &[]);
        let project = project.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let manifest = Arc::new(project.manifest);
        let selected: NodeSet = manifest.all().map(|n| n.id).collect();
        let plan = planned(&manifest, &selected);
        let built = plan.steps.iter().filter(|s| s.action == Action::Build);
        let relations = built.filter_map(|s| manifest.node(s.node).relation.as_ref());
        let builds: HashSet<String> = relations.map(|r| r.key(manifest.project.dialect)).collect();
        let target_path = manifest.project.target_path.clone();
        let (renderer, context) = (project.renderer, project.context);
        let compiler =
            Compiler::new(manifest, renderer, context, Arc::new(project.map), Vec::new());
        let cancel = CancelToken::default();
        let options = RunOptions { threads: 2, tests_hold_back: true, ..RunOptions::default() };
        let shared = Arc::new(Shared {
            compiler: Arc::new(compiler),
            options,
            system: project.system,
            target_path,
            cancel: cancel.clone(),
            builds,
            published: Mutex::default(),
            pace: Default::default(),
            scratch: || unreachable!("nothing is exported"),
            publishing: Mutex::new(()),
            notes: None,
        });
        let warehouse = FakeWarehouse::new(spec);
        let column = ExistingColumn { name: "id".to_owned(), data_type: "INTEGER".to_owned() };
        warehouse.state().columns = vec![column];
        Trial { shared, plan, warehouse, cancel }
    }

    /// Runs the plan; the results by the names of their nodes.
    fn run(&self) -> Vec<(String, RunResult)> {
        let request = RunRequest {
            shared: self.shared.clone(),
            plan: &self.plan,
            existing: self.existing(),
            warehouse: Box::new(self.warehouse.clone()),
            cancel: self.cancel.clone(),
            hooks: false,
        };
        let results = run_plan(request, &mut |_: Event| {}).unwrap();
        let name = |result: &RunResult| {
            let node = self.shared.compiler.manifest.get(&result.unique_id).unwrap();
            node.name.to_string()
        };
        results.into_iter().map(|result| (name(&result), result)).collect()
    }

    fn existing(&self) -> Existing {
        let dialect = self.shared.compiler.manifest.project.dialect;
        Existing::known(dialect, Vec::new(), HashSet::new())
    }

    fn statuses(&self) -> Vec<(String, RunStatus)> {
        let mut all: Vec<(String, RunStatus)> =
            self.run().into_iter().map(|(name, result)| (name, result.outcome.status)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// What is in the database.
    fn relations(&self) -> Vec<String> {
        self.warehouse.state().relations.keys().cloned().collect()
    }
}

fn planned(manifest: &Manifest, selected: &NodeSet) -> Plan {
    let request = PlanRequest {
        manifest,
        selected,
        existing: &Existing::Unknown,
        verb: Verb::Build,
        audit: true,
        full_refresh: false,
        store_failures: false,
        order: StartOrder::Level,
        publishes_itself: &|_| false,
    };
    plan_steps(&request).unwrap_or_else(|d| panic!("{}", d.message))
}

fn named(list: &[(&str, RunStatus)]) -> Vec<(String, RunStatus)> {
    list.iter().map(|(name, status)| ((*name).to_owned(), *status)).collect()
}

const PROFILES: [&EngineSpec; 2] = [&TRANSACTIONAL, &POINTER];

#[test]
fn what_passes_is_published_in_its_order() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES, spec);
        let (pass, success) = (RunStatus::Pass, RunStatus::Success);
        let expected =
            [("a", success), ("b", success), ("not_null_b_id", pass), ("unique_a_id", pass)];
        assert_eq!(trial.statuses(), named(&expected), "{}", spec.label);
        assert_eq!(trial.relations(), ["a", "b"]);
        let log = trial.warehouse.log();
        let at = |part: &str| log.iter().position(|l| l.contains(part)).unwrap();
        assert!(at("\"a__candidate\"") < at("publish a__candidate as a"));
        assert!(at("publish a__candidate as a") < at("\"b__candidate\""), "{log:?}");
    }
}

#[test]
fn what_fails_its_test_is_kept_aside_and_holds_back_what_reads_it() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES, spec);
        trial.warehouse.state().counts = vec![("a__candidate".to_owned(), 3)];
        let skipped = RunStatus::Skipped;
        let expected = [
            ("a", RunStatus::Error),
            ("b", skipped),
            ("not_null_b_id", skipped),
            ("unique_a_id", RunStatus::Fail),
        ];
        assert_eq!(trial.statuses(), named(&expected), "{}", spec.label);
        assert_eq!(trial.relations(), ["a__rejected"]);
    }
}

#[test]
fn a_statement_that_fails_leaves_no_candidate() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES, spec);
        let fault = ("publish a__candidate".to_owned(), EngineErrorKind::Runtime);
        trial.warehouse.state().failures = vec![fault];
        let found = trial.run();
        let a = &found.iter().find(|(name, _)| name == "a").unwrap().1.outcome;
        assert_eq!(a.message.as_deref(), Some("told to fail at `publish a__candidate`"));
        assert_eq!(trial.relations(), Vec::<String>::new(), "{}", spec.label);
    }
}

#[test]
fn a_conflict_is_tried_again_from_the_beginning_a_few_times() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES[..1], spec);
        let fault = |_| ("publish".to_owned(), EngineErrorKind::Conflict);
        trial.warehouse.state().failures = (0..2).map(fault).collect();
        assert_eq!(trial.statuses(), named(&[("a", RunStatus::Success)]));
        let log = trial.warehouse.log();
        let builds =
            log.iter().filter(|l| l.contains("create  table") || l.contains("as (")).count();
        assert_eq!(builds, 3, "{log:?}");
        let trial = Trial::new(&FILES[..1], spec);
        trial.warehouse.state().failures = (0..9).map(fault).collect();
        assert_eq!(trial.statuses(), named(&[("a", RunStatus::Error)]));
        assert_eq!(trial.warehouse.state().failures.len(), 5, "four attempts");
        assert_eq!(trial.relations(), Vec::<String>::new());
    }
}

#[test]
fn what_may_be_committed_is_not_done_again() {
    let trial = Trial::new(&FILES[..1], &TRANSACTIONAL);
    trial.warehouse.state().failures = vec![("commit".to_owned(), EngineErrorKind::Connection)];
    assert_eq!(trial.statuses(), named(&[("a", RunStatus::Error)]));
    let log = trial.warehouse.log();
    assert_eq!(log.iter().filter(|l| l.starts_with("publish")).count(), 1, "{log:?}");
}

#[test]
fn a_panic_fails_its_node_and_nothing_else() {
    let other = ("models/c.sql", "{{ config(materialized='table') }} select 2 as id");
    let trial = Trial::new(&[FILES[0], FILES[1], other], &TRANSACTIONAL);
    trial.warehouse.state().panics = vec!["publish a__candidate".to_owned()];
    let expected = [("a", RunStatus::Error), ("b", RunStatus::Skipped), ("c", RunStatus::Success)];
    assert_eq!(trial.statuses(), named(&expected));
}

#[test]
fn nothing_begins_once_the_user_asked_to_stop() {
    let trial = Trial::new(&FILES, &TRANSACTIONAL);
    trial.cancel.cancel();
    assert!(trial.statuses().iter().all(|(_, status)| *status == RunStatus::Skipped));
    assert_eq!(trial.relations(), Vec::<String>::new());
}

#[test]
fn connections_come_back_to_their_pool() {
    use crate::engine::Pool;
    let warehouse = FakeWarehouse::new(&TRANSACTIONAL);
    let pool = Pool::new(Box::new(warehouse), 1).unwrap();
    let lease = pool.lease().unwrap();
    assert!(pool.lease_spare().is_none(), "the only one is out");
    drop(lease);
    let lease = pool.lease_spare().unwrap();
    lease.close();
    // A closed one makes room for another.
    assert!(pool.lease_spare().is_some());
}
