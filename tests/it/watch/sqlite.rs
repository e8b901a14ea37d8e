//! A watch of a project on SQLite, while other programs read and write the file between and during
//! builds.

use super::SHOP;
use super::driver::Watch;
use crate::sqlite::{database, project, rows};

#[test]
fn a_save_builds_what_it_changes_while_others_have_the_file_open() {
    let p = project(SHOP);
    let mut w = Watch::start(&p, &["--show", "mart"]);
    assert_eq!(w.first.built(), ["mart", "mid", "other", "raw", "stg"]);
    assert_eq!(w.first.shown(), [serde_json::json!({ "n": 3, "total": 120 })]);
    let reader = database(&p);
    assert_eq!(rows(&reader, "select total from mart"), ["120"]);
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ double('amount') }} + 1 as amount from {{ ref('stg') }}",
    );
    let build = w.build();
    assert_eq!(build.built(), ["mart", "mid"]);
    assert_eq!(build.tests(), ["not_null_mid_id", "unique_mid_id"]);
    assert_eq!(rows(&reader, "select total from mart"), ["123"], "the same connection sees it");
    // A node that came out the same does not cause its descendants to be built.
    p.write("models/stg.sql", "select id, amount + 0 as amount from {{ ref('raw') }}");
    let build = w.build();
    assert_eq!(build.built(), ["mid", "stg"]);
    w.stop();
    reader.execute_batch("delete from other").unwrap();
    drop(reader);
    p.ok(&["build"]);
    assert_eq!(rows(&database(&p), "select x from other"), ["1"]);
}
