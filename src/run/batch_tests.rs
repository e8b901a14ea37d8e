//! Tests of models that are built in batches, on a fake engine with both profiles.

use super::testing::{
    PROFILES, Trial, failing, named, one_thread, options, outcome_of, statuses_of,
};
use super::{BatchOptions, Event, RunOptions};
use crate::engine::EngineErrorKind;
use crate::engine::testing::TRANSACTIONAL;
use crate::manifest::EventWindow;
use crate::outcome::RunStatus;

/// A model in batches of a day with a test of it, and a model that reads it.
const FILES: [(&str, &str); 4] = [
    ("models/a.sql", "{{ config(materialized='table', event_time='id') }} select 1 as id"),
    (
        "models/m.sql",
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='id', \
         batch_size='day', begin='2024-01-01', pre_hook=\"select 'before'\", post_hook=\"select 'hook'\") }} \
         select * from {{ ref('a') }}",
    ),
    ("models/z.sql", "{{ config(materialized='table') }} select * from {{ ref('m') }}"),
    ("models/p.yml", "models: [{name: m, columns: [{name: id, data_tests: [unique]}]}]"),
];

/// The options with batches of the first days of January.
fn days(count: i8, options: RunOptions) -> RunOptions {
    let day = |day: i8| jiff::civil::date(2024, 1, day).at(0, 0, 0, 0);
    let window = Some(EventWindow { start: day(1), end: day(1 + count) });
    RunOptions { batches: BatchOptions { window, ..BatchOptions::default() }, ..options }
}

/// The relations but for the table of new rows, which the fake engine does not drop.
fn stored(trial: &Trial) -> Vec<String> {
    trial.relations().into_iter().filter(|name| name != "strata_delta").collect()
}

#[test]
fn each_batch_is_published_by_itself_and_tested_with_the_others() {
    for spec in PROFILES {
        let trial = Trial::with_options(&FILES, spec, days(3, one_thread()));
        let results = trial.run();
        let success = RunStatus::Success;
        let expected =
            [("a", success), ("m", success), ("unique_m_id", RunStatus::Pass), ("z", success)];
        assert_eq!(statuses_of(&results), named(&expected), "{}", spec.label);
        let batches = outcome_of(&results, "m").batches.clone().unwrap();
        assert_eq!((batches.successful.len(), batches.failed.len()), (3, 0));
        assert_eq!(stored(&trial), ["a", "m", "z"]);
        let log = trial.warehouse.log();
        let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
        assert_eq!((count("'before'"), count("'hook'"), count("delete from")), (1, 1, 2));
        let at = |part: &str| log.iter().position(|line| line.contains(part)).unwrap();
        assert!(at("'hook'") < at("as failures"), "tests run after the last batch: {log:?}");
        assert!(at("as failures") < at("\"z__dbt_tmp\""), "readers wait for them: {log:?}");
    }
}

#[test]
fn a_batch_that_fails_is_one_of_several() {
    for spec in PROFILES {
        let trial = Trial::with_options(&FILES, spec, days(4, one_thread()));
        trial.warehouse.state().failures = failing("id >= '2024-01-02", EngineErrorKind::Sql);
        let results = trial.run();
        let outcome = outcome_of(&results, "m");
        assert_eq!(outcome.status, RunStatus::PartialSuccess, "{}", spec.label);
        assert_eq!(outcome.message.as_deref(), Some("PARTIAL SUCCESS (3/4)"));
        assert_eq!(outcome.batches.as_ref().unwrap().failed.len(), 1);
        assert_eq!(outcome_of(&results, "z").status, RunStatus::Skipped);
        assert_eq!(stored(&trial), ["a", "m"], "no candidate is left: {}", spec.label);
    }
}

#[test]
fn batches_between_the_first_and_the_last_run_on_idle_connections() {
    let several = RunOptions { threads: 4, ..options() };
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, days(20, several));
    let mut told = Vec::new();
    trial.run_watched(&mut |event| {
        if let Event::BatchChanged { progress, .. } = event {
            told.push((progress.index, progress.ended.is_some()));
        }
    });
    assert_eq!(told.len(), 40);
    assert_eq!(
        (&told[..2], &told[38..]),
        (&[(1, false), (1, true)][..], &[(20, false), (20, true)][..])
    );
    assert!(trial.warehouse.log().iter().filter(|line| *line == "open").count() > 1);
}

#[test]
fn a_panic_in_a_batch_fails_its_node() {
    let several = RunOptions { threads: 4, ..options() };
    let trial = Trial::with_options(&FILES, &TRANSACTIONAL, days(9, several));
    trial.warehouse.state().panics = vec!["id >= '2024-01-05".to_owned()];
    let results = trial.run();
    assert_eq!(outcome_of(&results, "m").status, RunStatus::Error);
    assert_eq!(outcome_of(&results, "z").status, RunStatus::Skipped);
}
