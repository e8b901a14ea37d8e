//! Tests of the main loop, the pool, audits and publications on a fake engine with both profiles.

use super::{CancelToken, Event, RunContext, RunOptions, RunRequest, run_plan};
use crate::compile::Compiler;
use crate::engine::testing::{FakeWarehouse, POINTER, TRANSACTIONAL};
use crate::engine::{EngineErrorKind, EngineSpec, ExistingColumn, ExistingRelations, Warehouse};
use crate::manifest::{Manifest, NodeSet};
use crate::outcome::{NodeOutcome, RunResult, RunStatus, SkipReason};
use crate::plan::{Action, CommandVerb, Plan, PlanRequest, StartOrder, plan_steps};
use crate::resolve::testing::read;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// A model `a`, a model `b` that reads it, and a test of each.
pub(super) const FILES: [(&str, &str); 3] = [
    ("models/a.sql", "{{ config(materialized='table') }} select 1 as id"),
    ("models/b.sql", "{{ config(materialized='table') }} select * from {{ ref('a') }}"),
    (
        "models/p.yml",
        "models:\n  - {name: a, columns: [{name: id, data_tests: [unique]}]}\n  \
         - {name: b, columns: [{name: id, data_tests: [not_null]}]}\n",
    ),
];

/// Three models that do not depend on each other.
pub(super) const APART: [(&str, &str); 3] = [
    ("models/a.sql", "{{ config(materialized='table') }} select 1 as id"),
    ("models/b.sql", "{{ config(materialized='table') }} select 2 as id"),
    ("models/c.sql", "{{ config(materialized='table') }} select 3 as id"),
];

/// A model with a hook inside its transaction, and a test of it.
const HOOKED: [(&str, &str); 2] = [
    (
        "models/a.sql",
        "{{ config(materialized='table', post_hook=\"select 'hook'\") }} select 1 as id",
    ),
    ("models/p.yml", "models: [{name: a, columns: [{name: id, data_tests: [unique]}]}]"),
];

/// A run of a whole project.
pub(super) struct Trial {
    shared: Arc<RunContext>,
    plan: Plan,
    pub(super) warehouse: FakeWarehouse,
    pub(super) cancel: CancelToken,
    pub(super) hooks: bool,
}

/// The options of a `build` on two threads.
pub(super) fn options() -> RunOptions {
    RunOptions { threads: 2, tests_hold_back: true, ..RunOptions::default() }
}

/// The options of a `build` on one thread.
pub(super) fn one_thread() -> RunOptions {
    RunOptions { threads: 1, ..options() }
}

impl Trial {
    pub(super) fn new(files: &[(&str, &str)], spec: &'static EngineSpec) -> Trial {
        Trial::with_options(files, spec, options())
    }

    pub(super) fn with_options(
        files: &[(&str, &str)],
        spec: &'static EngineSpec,
        options: RunOptions,
    ) -> Trial {
        let (project, diagnostics) = read(files, &[]);
        let project = project.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let manifest = project.manifest;
        let plan = planned(&manifest, true);
        let built = plan.steps.iter().filter(|s| s.action == Action::Build);
        let relations = built.filter_map(|s| manifest.node(s.node).relation.as_ref());
        let builds: HashSet<String> = relations.map(|r| r.key(manifest.project.dialect)).collect();
        let target_path = manifest.project.target_path.clone();
        let (renderer, context) = (project.renderer, project.context);
        let compiler =
            Compiler::new(manifest, renderer, context, Arc::new(project.map), Vec::new());
        let cancel = CancelToken::default();
        let shared = Arc::new(RunContext {
            compiler: Arc::new(compiler),
            options,
            system: project.system,
            target_path,
            cancel: cancel.clone(),
            stopping: CancelToken::default(),
            builds,
            published: Mutex::default(),
            pace: Default::default(),
            scratch: || unreachable!("nothing is exported"),
            publishing: Mutex::new(()),
            publication_state: None,
        });
        let warehouse = FakeWarehouse::new(spec);
        let column = ExistingColumn { name: "id".to_owned(), data_type: "INTEGER".to_owned() };
        warehouse.state().columns = vec![column];
        Trial { shared, plan, warehouse, cancel, hooks: false }
    }

    /// Turns audits off (`--no-audit`), so that tests are steps of their own.
    pub(super) fn unaudited(self) -> Trial {
        let plan = planned(&self.shared.compiler.manifest, false);
        Trial { plan, ..self }
    }

    /// Runs the plan and returns the results with the names of their nodes.
    pub(super) fn run(&self) -> Vec<(String, RunResult)> {
        self.run_watched(&mut |_| {})
    }

    /// `run` with a callback for events.
    pub(super) fn run_watched(&self, emit: &mut dyn FnMut(Event)) -> Vec<(String, RunResult)> {
        let request = RunRequest {
            shared: self.shared.clone(),
            plan: &self.plan,
            existing: self.existing(),
            warehouse: Box::new(self.warehouse.clone()),
            cancel: self.cancel.clone(),
            hooks: self.hooks,
        };
        let results = run_plan(request, emit).unwrap();
        let name = |result: &RunResult| {
            let node = self.shared.compiler.manifest.get(&result.unique_id).unwrap();
            node.name.to_string()
        };
        results.into_iter().map(|result| (name(&result), result)).collect()
    }

    fn existing(&self) -> ExistingRelations {
        let project = &self.shared.compiler.manifest.project;
        let (database, schema) = (&project.target.database, &project.target.schema);
        let there = self.warehouse.clone().list_relations(database, schema).unwrap();
        ExistingRelations::known(project.dialect, there, HashSet::new())
    }

    pub(super) fn statuses(&self) -> Vec<(String, RunStatus)> {
        statuses_of(&self.run())
    }

    /// The reasons of the nodes that were skipped.
    pub(super) fn skipped(&self) -> Vec<(String, SkipReason)> {
        reasons_of(&self.run())
    }

    /// The statements that were sent to the database, each as one word.
    pub(super) fn log_words(&self) -> Vec<&'static str> {
        self.warehouse.log().iter().map(|line| word_of(line)).collect()
    }

    /// The names of the relations in the database.
    pub(super) fn relations(&self) -> Vec<String> {
        self.warehouse.state().relations.keys().cloned().collect()
    }
}

fn planned(manifest: &Manifest, audit: bool) -> Plan {
    let selected: NodeSet = manifest.all().map(|n| n.id).collect();
    let request = PlanRequest {
        manifest,
        selected: &selected,
        existing: &ExistingRelations::Unknown,
        verb: CommandVerb::Build,
        audit,
        full_refresh: false,
        store_failures: false,
        order: StartOrder::Level,
        publishes_itself: &|_| false,
    };
    plan_steps(&request).unwrap_or_else(|d| panic!("{}", d.message))
}

pub(super) fn named<T: Clone>(list: &[(&str, T)]) -> Vec<(String, T)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub(super) fn statuses_of(results: &[(String, RunResult)]) -> Vec<(String, RunStatus)> {
    let statuses = results.iter().map(|(name, result)| (name.clone(), result.outcome.status));
    let mut all: Vec<(String, RunStatus)> = statuses.collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

pub(super) fn reasons_of(results: &[(String, RunResult)]) -> Vec<(String, SkipReason)> {
    let reason = |(name, result): &(String, RunResult)| {
        Some((name.clone(), result.outcome.skipped.clone()?))
    };
    let mut all: Vec<(String, SkipReason)> = results.iter().filter_map(reason).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

pub(super) fn outcome_of<'a>(results: &'a [(String, RunResult)], name: &str) -> &'a NodeOutcome {
    let found = results.iter().find(|(n, _)| n == name);
    &found.unwrap_or_else(|| panic!("`{name}` has no result")).1.outcome
}

/// The purpose of a statement in one word. The query of the hook `select 'hook'` is not a test.
fn word_of(line: &str) -> &'static str {
    const WORDS: [(&str, &str); 11] = [
        ("create schema", "schema"),
        ("as failures", "test"),
        ("'hook'", "hook"),
        ("publish ", "publish"),
        ("keep ", "keep"),
        ("drop ", "drop"),
        ("begin", "begin"),
        ("commit", "commit"),
        ("rollback", "rollback"),
        ("open", "open"),
        ("create ", "create"),
    ];
    let found = WORDS.iter().find(|(part, _)| line.contains(part));
    found.map_or("other", |(_, word)| *word)
}

/// A table model with the given query.
pub(super) fn table(query: &str) -> String {
    format!("{{{{ config(materialized='table') }}}} {query}")
}

/// Makes one statement fail.
pub(super) fn failing(part: &str, kind: EngineErrorKind) -> Vec<(String, EngineErrorKind)> {
    vec![(part.to_owned(), kind)]
}

pub(super) const PROFILES: [&EngineSpec; 2] = [&TRANSACTIONAL, &POINTER];

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
        assert!(at("\"a__dbt_tmp\"") < at("publish a__dbt_tmp as a"));
        assert!(at("publish a__dbt_tmp as a") < at("\"b__dbt_tmp\""), "{log:?}");
    }
}

#[test]
fn what_fails_its_test_is_kept_aside_and_holds_back_what_reads_it() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES, spec);
        trial.warehouse.state().counts = vec![("a__dbt_tmp".to_owned(), 3)];
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
        let fault = ("publish a__dbt_tmp".to_owned(), EngineErrorKind::Runtime);
        trial.warehouse.state().failures = vec![fault];
        let found = trial.run();
        let a = &found.iter().find(|(name, _)| name == "a").unwrap().1.outcome;
        assert_eq!(a.message.as_deref(), Some("told to fail at `publish a__dbt_tmp`"));
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
    trial.warehouse.state().panics = vec!["publish a__dbt_tmp".to_owned()];
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
    // A closed connection makes room for a new one.
    assert!(pool.lease_spare().is_some());
}

#[test]
fn what_is_rejected_leaves_what_is_published_and_goes_when_the_next_one_passes() {
    for spec in PROFILES {
        let trial = Trial::new(&FILES[..], spec);
        trial.warehouse.clone().add_table("a");
        trial.warehouse.state().counts = vec![("a__dbt_tmp".to_owned(), 3)];
        let results = trial.run();
        let failed = outcome_of(&results, "a").failed.as_ref().unwrap();
        let d = &failed.diagnostic;
        assert_eq!(d.message, "built, not published: 1 test failed (unique_a_id)");
        let stands = "this node's published relation is as it was";
        assert_eq!(d.primary.as_ref().unwrap().text, stands);
        assert_eq!(d.help, ["the new version is kept as main.a__rejected for inspection"]);
        assert!(!failed.transient);
        assert_eq!(trial.relations(), ["a", "a__rejected"], "{}", spec.label);
        assert_eq!(trial.warehouse.state().relations["a"], 1, "the version that was there");
        trial.warehouse.state().counts.clear();
        assert!(trial.skipped().is_empty());
        assert_eq!(trial.relations(), ["a", "b"], "{}", spec.label);
    }
}

#[test]
fn a_guard_runs_on_the_candidate_before_that_is_published() {
    let one = [FILES[0], HOOKED[1]];
    let before = ["schema", "create", "test", "begin", "publish", "commit"];
    let trial = Trial::with_options(&one, &TRANSACTIONAL, one_thread());
    trial.run();
    assert_eq!(trial.log_words(), before);
    let trial = Trial::with_options(&one, &POINTER, one_thread());
    trial.run();
    assert_eq!(trial.log_words(), ["schema", "create", "test", "publish"]);
}

#[test]
fn after_a_hook_in_the_transaction_the_guard_runs_inside_it() {
    let trial = Trial::with_options(&HOOKED, &TRANSACTIONAL, one_thread());
    trial.run();
    let inside = ["schema", "create", "begin", "publish", "hook", "test", "commit"];
    assert_eq!(trial.log_words(), inside);
    // Without transactions, the candidate is tested and the hook runs last.
    let trial = Trial::with_options(&HOOKED, &POINTER, one_thread());
    trial.run();
    assert_eq!(trial.log_words(), ["schema", "create", "test", "publish", "hook"]);
}

#[test]
fn what_fails_inside_its_transaction_is_rolled_back_and_kept_aside() {
    let trial = Trial::with_options(&HOOKED, &TRANSACTIONAL, one_thread());
    // The guard reads the published name here.
    trial.warehouse.state().counts = vec![("\"a\"".to_owned(), 1)];
    let expected = [("a", RunStatus::Error), ("unique_a_id", RunStatus::Fail)];
    assert_eq!(trial.statuses(), named(&expected));
    let words = ["schema", "create", "begin", "publish", "hook", "test", "rollback", "keep"];
    assert_eq!(trial.log_words(), words);
    assert_eq!(trial.relations(), ["a__rejected"]);
}

#[test]
fn a_guard_that_errs_inside_the_transaction_ends_it_for_the_others() {
    let two = "models: [{name: a, columns: [{name: id, data_tests: [unique, not_null]}]}]";
    let trial =
        Trial::with_options(&[HOOKED[0], ("models/p.yml", two)], &TRANSACTIONAL, one_thread());
    trial.warehouse.state().failures = failing("as failures", EngineErrorKind::Sql);
    let results = trial.run();
    let mut tests: Vec<Option<&str>> = ["not_null_a_id", "unique_a_id"]
        .map(|name| outcome_of(&results, name).message.as_deref())
        .into();
    tests.sort_unstable();
    let ended = Some("an earlier test ended the transaction");
    assert_eq!(tests, [ended, Some("told to fail at `as failures`")]);
    assert_eq!(outcome_of(&results, "a").status, RunStatus::Error);
    assert_eq!(trial.log_words().iter().filter(|word| **word == "test").count(), 1);
    assert_eq!(trial.relations(), ["a__rejected"]);
}

#[test]
fn an_empty_build_reads_no_rows_and_its_tests_read_what_was_built() {
    let empty = RunOptions { empty: true, ..one_thread() };
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, empty);
    trial.run();
    let log = trial.warehouse.log();
    let of_b: Vec<&String> = log.iter().filter(|l| l.contains("\"b__dbt_tmp\"")).collect();
    let no_rows = "from (select * from \"shop\".\"main\".\"a\" where false limit 0)";
    assert!(word_of(of_b[0]) == "create" && of_b[0].contains(no_rows), "{log:?}");
    let reads = "from \"shop\".\"main\".\"b__dbt_tmp\"";
    assert!(word_of(of_b[1]) == "test" && of_b[1].contains(reads), "{log:?}");
    assert!(!of_b[1].contains("limit 0"), "{log:?}");
}

#[test]
fn after_a_lost_connection_a_node_is_built_from_the_beginning() {
    for spec in PROFILES {
        let trial = Trial::with_options(&APART[..1], spec, one_thread());
        let lost = failing("\"a__dbt_tmp\"", EngineErrorKind::Connection);
        trial.warehouse.state().failures = lost;
        assert_eq!(trial.statuses(), named(&[("a", RunStatus::Success)]), "{}", spec.label);
        assert_eq!(trial.log_words()[..3], ["schema", "create", "create"]);
        assert_eq!(trial.relations(), ["a"]);
    }
}

#[test]
fn a_guard_that_lost_its_connection_is_run_again_by_itself() {
    for spec in PROFILES {
        let trial = Trial::with_options(&[FILES[0], HOOKED[1]], spec, one_thread());
        trial.warehouse.state().failures = failing("as failures", EngineErrorKind::Connection);
        let expected = [("a", RunStatus::Success), ("unique_a_id", RunStatus::Pass)];
        assert_eq!(trial.statuses(), named(&expected), "{}", spec.label);
        assert_eq!(trial.log_words()[..4], ["schema", "create", "test", "test"]);
    }
}

#[test]
fn a_transaction_that_is_lost_in_a_guard_is_done_again_from_the_beginning() {
    let trial = Trial::with_options(&HOOKED, &TRANSACTIONAL, one_thread());
    trial.warehouse.state().failures = failing("as failures", EngineErrorKind::Connection);
    let expected = [("a", RunStatus::Success), ("unique_a_id", RunStatus::Pass)];
    assert_eq!(trial.statuses(), named(&expected));
    let first = ["schema", "create", "begin", "publish", "hook", "test", "rollback", "drop"];
    let second = ["create", "begin", "publish", "hook", "test", "commit"];
    assert_eq!(trial.log_words(), [&first[..], &second].concat());
}
