//! Tests of whatever stops or delays a run: failures, interrupts, the time budget, too few threads.

use super::testing::{
    APART, FILES, PROFILES, Trial, failing, named, one_thread, options, outcome_of, reasons_of,
    statuses_of, table,
};
use super::{Event, RunOptions};
use crate::engine::EngineErrorKind;
use crate::engine::testing::TRANSACTIONAL;
use crate::outcome::{RunStatus, SkipReason};
use std::collections::HashSet;
use std::time::Duration;

#[test]
fn with_fail_fast_nothing_begins_after_a_failure() {
    let stops = RunOptions { fail_fast: true, ..one_thread() };
    let trial = Trial::with_options(&APART, &TRANSACTIONAL, stops);
    trial.warehouse.state().failures = failing("\"a__dbt_tmp\"", EngineErrorKind::Sql);
    let results = trial.run();
    let expected = [("a", RunStatus::Error), ("b", RunStatus::Skipped), ("c", RunStatus::Skipped)];
    assert_eq!(statuses_of(&results), named(&expected));
    let stopped = [("b", SkipReason::Stopped), ("c", SkipReason::Stopped)];
    assert_eq!(reasons_of(&results), named(&stopped));
    let message = outcome_of(&results, "b").message.as_deref();
    assert_eq!(message, Some("stopped after the first failure"));
    let log = trial.warehouse.log();
    assert_eq!(log.iter().filter(|l| *l == "cancel").count(), 1, "what runs is stopped: {log:?}");
    assert!(!log.iter().any(|l| l.contains("b__dbt_tmp")), "{log:?}");
}

#[test]
fn without_fail_fast_the_others_are_built() {
    let trial = Trial::with_options(&APART, &TRANSACTIONAL, one_thread());
    trial.warehouse.state().failures = failing("\"a__dbt_tmp\"", EngineErrorKind::Sql);
    let expected = [("a", RunStatus::Error), ("b", RunStatus::Success), ("c", RunStatus::Success)];
    assert_eq!(trial.statuses(), named(&expected));
    assert_eq!(trial.relations(), ["b", "c"]);
    assert!(!trial.warehouse.log().contains(&"cancel".to_owned()));
}

#[test]
fn with_fail_fast_a_failed_guard_stops_the_run_too() {
    for spec in PROFILES {
        let stops = RunOptions { fail_fast: true, ..one_thread() };
        let trial = Trial::with_options(&[&FILES[..], &APART[2..]].concat(), spec, stops);
        trial.warehouse.state().counts = vec![("a__dbt_tmp".to_owned(), 3)];
        let parent = SkipReason::ParentFailed("main.a".to_owned());
        let skipped =
            [("b", parent.clone()), ("c", SkipReason::Stopped), ("not_null_b_id", parent)];
        assert_eq!(trial.skipped(), named(&skipped), "{}", spec.label);
        assert_eq!(trial.relations(), ["a__rejected"]);
    }
}

#[test]
fn what_is_below_a_failure_is_skipped_and_names_it() {
    let (b, c) = (table("select * from {{ ref('a') }}"), table("select * from {{ ref('b') }}"));
    let files = [APART[0], ("models/b.sql", b.as_str()), ("models/c.sql", c.as_str())];
    let trial = Trial::new(&files, &TRANSACTIONAL);
    trial.warehouse.state().failures = failing("\"a__dbt_tmp\"", EngineErrorKind::Runtime);
    let results = trial.run();
    let cause = SkipReason::ParentFailed("main.a".to_owned());
    assert_eq!(reasons_of(&results), named(&[("b", cause.clone()), ("c", cause)]));
    let message = outcome_of(&results, "c").message.as_deref();
    assert_eq!(message, Some("`main.a` failed or was skipped"));
    assert_eq!(outcome_of(&results, "a").skipped, None);
}

#[test]
fn tests_of_what_was_not_built_are_skipped_with_it() {
    let trial = Trial::new(&FILES, &TRANSACTIONAL);
    trial.warehouse.state().failures = failing("\"a__dbt_tmp\"", EngineErrorKind::Runtime);
    let parent = SkipReason::ParentFailed("main.a".to_owned());
    let not_built = SkipReason::NotBuilt("a".to_owned());
    let skipped = [("b", parent.clone()), ("not_null_b_id", parent), ("unique_a_id", not_built)];
    assert_eq!(trial.skipped(), named(&skipped));
    assert!(!trial.log_words().contains(&"test"));
}

#[test]
fn a_test_whose_other_relation_was_not_built_holds_nothing_back() {
    let properties = "models: [{name: b, columns: [{name: id, data_tests: \
        [{relationships: {name: t, arguments: {to: ref('a'), field: id}}}]}]}]";
    let files = [APART[0], APART[1], ("models/p.yml", properties)];
    let trial = Trial::new(&files, &TRANSACTIONAL);
    trial.warehouse.state().failures = failing("\"a__dbt_tmp\"", EngineErrorKind::Runtime);
    let results = trial.run();
    let expected = [("a", RunStatus::Error), ("b", RunStatus::Success), ("t", RunStatus::Skipped)];
    assert_eq!(statuses_of(&results), named(&expected));
    assert_eq!(reasons_of(&results), named(&[("t", SkipReason::ReadNotBuilt("a".to_owned()))]));
    assert_eq!(trial.relations(), ["b"]);
}

#[test]
fn without_an_audit_a_failed_test_holds_back_what_reads_the_node_that_is_published() {
    let trial = Trial::new(&FILES, &TRANSACTIONAL).unaudited();
    trial.warehouse.state().counts = vec![("\"a\"".to_owned(), 3)];
    let results = trial.run();
    let expected = [
        ("a", RunStatus::Success),
        ("b", RunStatus::Skipped),
        ("not_null_b_id", RunStatus::Skipped),
        ("unique_a_id", RunStatus::Fail),
    ];
    assert_eq!(statuses_of(&results), named(&expected));
    let cause = SkipReason::ParentFailed("unique_a_id".to_owned());
    assert_eq!(outcome_of(&results, "b").skipped, Some(cause));
    assert_eq!(trial.relations(), ["a"]);
}

#[test]
fn what_is_asked_to_stop_after_a_node_has_ended_leaves_that_published() {
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, one_thread());
    let mut interruptions = 0;
    let results = trial.run_watched(&mut |event| match event {
        Event::NodeFinished { name, .. } if name == "main.a" => trial.cancel.cancel(),
        Event::Interrupted => interruptions += 1,
        _ => {}
    });
    let expected = [
        ("a", RunStatus::Success),
        ("b", RunStatus::Skipped),
        ("not_null_b_id", RunStatus::Skipped),
        ("unique_a_id", RunStatus::Pass),
    ];
    assert_eq!(statuses_of(&results), named(&expected));
    assert_eq!(outcome_of(&results, "b").skipped, Some(SkipReason::Interrupted));
    assert_eq!(interruptions, 1);
    assert_eq!(trial.relations(), ["a"]);
}

#[test]
fn what_is_asked_to_stop_while_a_node_is_built_publishes_nothing() {
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, one_thread());
    let results = trial.run_watched(&mut |event| {
        if matches!(event, Event::NodeStarted { .. }) {
            trial.cancel.cancel();
        }
    });
    let failed = outcome_of(&results, "a").failed.as_ref().unwrap();
    assert_eq!(failed.diagnostic.message, "`a` was interrupted");
    assert_eq!(failed.diagnostic.help, ["its published relation is as it was"]);
    let parent = SkipReason::ParentFailed("main.a".to_owned());
    let not_built = SkipReason::NotBuilt("a".to_owned());
    let skipped = [("b", parent.clone()), ("not_null_b_id", parent), ("unique_a_id", not_built)];
    assert_eq!(reasons_of(&results), named(&skipped));
    assert_eq!(trial.relations(), Vec::<String>::new());
}

#[test]
fn steps_that_have_not_begun_when_the_time_is_used_up_are_left() {
    let late = RunOptions { budget: Some(Duration::ZERO), ..options() };
    let trial = Trial::with_options(&APART, &TRANSACTIONAL, late);
    let left = ["a", "b", "c"].map(|name| (name, SkipReason::OutOfTime));
    assert_eq!(trial.skipped(), named(&left));
    assert_eq!(trial.log_words(), ["schema"]);
}

/// Eight models that do not depend on each other.
fn eight_models() -> Vec<(String, String)> {
    (1..=8).map(|n| (format!("models/m{n}.sql"), table(&format!("select {n} as id")))).collect()
}

#[test]
fn fewer_threads_than_steps_take_one_after_the_other_in_the_order_of_the_plan() {
    let models = eight_models();
    let files: Vec<(&str, &str)> = models.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let trial = Trial::with_options(&files, &TRANSACTIONAL, one_thread());
    let (mut started, mut totals) = (Vec::new(), (0, 0));
    let results = trial.run_watched(&mut |event| match event {
        Event::NodeStarted { name, .. } => started.push(name),
        Event::RunStarted { steps, threads, .. } => totals = (steps, threads),
        _ => {}
    });
    let expected: Vec<String> = (1..=8).map(|n| format!("main.m{n}")).collect();
    assert_eq!(started, expected);
    assert_eq!(totals, (8, 1));
    assert!(results.iter().all(|(_, result)| result.thread == "Thread-1"));
    assert!(!trial.log_words().contains(&"open"), "one connection is enough");
}

#[test]
fn two_threads_build_eight_models_on_two_connections() {
    let models = eight_models();
    let files: Vec<(&str, &str)> = models.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let trial = Trial::new(&files, &TRANSACTIONAL);
    let results = trial.run();
    assert!(results.iter().all(|(_, result)| result.outcome.status == RunStatus::Success));
    let threads: HashSet<&str> = results.iter().map(|(_, result)| &*result.thread).collect();
    assert!(threads.is_subset(&HashSet::from(["Thread-1", "Thread-2"])), "{threads:?}");
    let opened = trial.log_words().iter().filter(|word| **word == "open").count();
    assert!(opened <= 1, "{opened} besides the first");
    assert_eq!(trial.relations(), ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"]);
}

#[test]
fn results_are_told_with_their_number_guards_before_the_node() {
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, one_thread());
    let mut told = Vec::new();
    trial.run_watched(&mut |event| {
        if let Event::NodeFinished { name, index, total, guarded, .. } = event {
            told.push((index, total, name, guarded));
        }
    });
    let expected: [(usize, usize, &str, bool); 4] = [
        (1, 4, "unique_a_id", true),
        (2, 4, "main.a", false),
        (3, 4, "not_null_b_id", true),
        (4, 4, "main.b", false),
    ];
    let expected = expected.map(|(i, n, name, guarded)| (i, n, name.to_owned(), guarded));
    assert_eq!(told, expected);
}

#[test]
fn after_a_failed_hook_at_the_start_steps_run_unless_the_project_says_otherwise() {
    let run = |project: &str| {
        let files = [("project.yml", project), APART[0]];
        let mut trial = Trial::with_options(&files, &TRANSACTIONAL, one_thread());
        trial.hooks = true;
        trial.warehouse.state().failures = failing("'hook'", EngineErrorKind::Sql);
        let results = trial.run();
        let errors = results.iter().filter(|(_, r)| r.outcome.status == RunStatus::Error);
        assert_eq!(errors.count(), 1, "the hook");
        let a = outcome_of(&results, "a");
        (a.status, a.message.clone())
    };
    let project = "name: shop\non-run-start: [\"select 'hook'\"]\n";
    assert_eq!(run(project).0, RunStatus::Success);
    let skips = format!("{project}flags: {{skip_nodes_if_on_run_start_fails: true}}\n");
    let message = Some("an on-run-start hook failed".to_owned());
    assert_eq!(run(&skips), (RunStatus::Skipped, message));
}
