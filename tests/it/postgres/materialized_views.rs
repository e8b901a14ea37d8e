//! Materialized views: made anew each time, and what `on_configuration_change` says of their indexes.

use super::{Server, project};

fn view(config: &str, query: &str) -> String {
    format!("{{{{ config(materialized='materialized_view', {config}) }}}} {query}")
}

const QUERY: &str = "select id, id * 2 as twice from {{ ref('base') }}";
const BASE: &str =
    "{{ config(materialized='table') }} select generate_series(1, {{ var('n', 3) }}) as id";
const ONE_INDEX: &str = "indexes=[{'columns': ['id'], 'unique': true}]";
const TWO_INDEXES: &str =
    "indexes=[{'columns': ['id'], 'unique': true}, {'columns': ['twice'], 'type': 'hash'}]";

#[test]
fn other_indexes_are_applied_left_or_refused() {
    let Some(server) = Server::new("mv_change") else { return };
    let p =
        project(&server, &[("models/base.sql", BASE), ("models/mv.sql", &view(ONE_INDEX, QUERY))]);
    p.ok(&["build"]);
    let s = server.schema("direct");
    let indexes = || {
        server.rows(&format!(
            "select replace(regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX .* USING ', '\\1'), 'UNIQUE ', 'unique ') from pg_indexes where schemaname = '{s}' and tablename = 'mv' order by 1"
        ))
    };
    let rows = || server.rows(&format!("select count(*) from {s}.mv"));
    assert_eq!(indexes(), ["unique btree (id)"]);
    // Left as it is: neither indexes nor rows change.
    p.write(
        "models/mv.sql",
        &view(&format!("{TWO_INDEXES}, on_configuration_change='continue'"), QUERY),
    );
    let ran = p.ok(&["build", "--vars", "{n: 4}"]);
    assert!(ran.err.contains("stays as it is: + index on twice using hash"), "{}", ran.err);
    assert_eq!((indexes(), rows()), (vec!["unique btree (id)".to_owned()], vec!["3".to_owned()]));
    assert_eq!(p.status("model.shop.mv"), "success");
    assert!(p.read("target/run_results.json").contains("skip "), "as dbt says it");
    // Refused.
    p.write(
        "models/mv.sql",
        &view(&format!("{TWO_INDEXES}, on_configuration_change='fail'"), QUERY),
    );
    let ran = p.run(&["build", "--vars", "{n: 4}"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("\"mv\"`: + index on twice using hash"), "{}", ran.err);
    assert!(ran.err.contains("makes its indexes as the config says"), "{}", ran.err);
    assert_eq!((indexes(), rows()), (vec!["unique btree (id)".to_owned()], vec!["3".to_owned()]));
    // Applied, by default and by a full refresh.
    p.ok(&["build", "--vars", "{n: 4}", "--full-refresh"]);
    assert_eq!(
        (indexes(), rows()),
        (vec!["hash (twice)".to_owned(), "unique btree (id)".to_owned()], vec!["4".to_owned()])
    );
    p.write("models/mv.sql", &view("indexes=[{'columns': ['twice', 'id']}]", QUERY));
    p.ok(&["build", "--vars", "{n: 5}"]);
    assert_eq!((indexes(), rows()), (vec!["btree (twice, id)".to_owned()], vec!["5".to_owned()]));
    // What is as its config is made anew under each word, and so is a changed query.
    for (word, query, count) in [
        ("fail", QUERY, "6"),
        ("continue", QUERY, "7"),
        ("fail", "select id, id * 3 as twice from {{ ref('base') }} where id > 1", "7"),
    ] {
        p.write(
            "models/mv.sql",
            &view(
                &format!(
                    "indexes=[{{'columns': ['id', 'twice']}}], on_configuration_change='{word}'"
                ),
                query,
            ),
        );
        let n = if query == QUERY { count } else { "8" };
        p.ok(&["build", "--vars", &format!("{{n: {n}}}")]);
        assert_eq!(rows(), [count]);
    }
    // An index that somebody made by hand is none of the config's; it goes with `apply`.
    server.run(&format!("create index by_hand on {s}.mv (twice)"));
    let ran = p.run(&["build"]);
    assert!(ran.code == 1 && ran.err.contains("- index on twice"), "{}", ran.err);
    assert_eq!(indexes().len(), 2);
    p.write("models/mv.sql", &view("indexes=[{'columns': ['id', 'twice']}]", QUERY));
    p.ok(&["build"]);
    assert_eq!(indexes(), ["btree (id, twice)"]);
    p.write("models/mv.sql", &view("on_configuration_change='sometimes'", QUERY));
    let ran = p.run(&["build"]);
    assert!(
        ran.code == 2 && ran.err.contains("`on_configuration_change` is apply, continue or fail"),
        "{}",
        ran.err
    );
}

#[test]
fn what_continue_leaves_is_tested_as_it_is() {
    let Some(server) = Server::new("mv_tested") else { return };
    let p = project(
        &server,
        &[
            ("models/base.sql", BASE),
            ("models/mv.sql", &view("on_configuration_change='continue'", QUERY)),
            (
                "models/mv.yml",
                "models: [{name: mv, columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1, 2, 3], quote: false}}}]}]}]",
            ),
        ],
    );
    p.ok(&["build"]);
    p.write(
        "models/mv.sql",
        &view(&format!("{ONE_INDEX}, on_configuration_change='continue'"), QUERY),
    );
    p.ok(&["build", "--vars", "{n: 4}"]);
    p.write("models/mv.sql", &view("on_configuration_change='continue'", QUERY));
    let ran = p.run(&["build", "--vars", "{n: 4}"]);
    assert_eq!(ran.code, 1, "made anew, with a row that is not accepted");
    let s = server.schema("direct");
    assert_eq!(server.rows(&format!("select count(*) from {s}.mv")), ["3"]);
}

#[test]
fn a_view_that_another_one_reads_is_made_anew_with_it() {
    let Some(server) = Server::new("mv_chain") else { return };
    let p = project(
        &server,
        &[
            ("models/base.sql", BASE),
            ("models/mv.sql", &view("", QUERY)),
            ("models/top.sql", &view("", "select max(id) as most from {{ ref('mv') }}")),
        ],
    );
    p.ok(&["build"]);
    let s = server.schema("direct");
    for args in [["build", "--vars", "{n: 4}"], ["run", "--full-refresh", "--vars={n: 5}"]] {
        p.ok(&args);
        let n = if args[0] == "build" { "4" } else { "5" };
        assert_eq!(server.rows(&format!("select most from {s}.top")), [n]);
    }
    // Alone it cannot be replaced: the other one would be gone.
    let ran = p.run(&["build", "-s", "mv", "--full-refresh"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("depends on") && ran.err.contains("top"), "{}", ran.err);
}

#[test]
fn a_header_goes_before_the_query_that_a_contract_describes() {
    let Some(server) = Server::new("contract_header") else { return };
    let model = "{{ config(materialized='table', sql_header=\"set session time zone 'Asia/Kolkata';\") }} select current_setting('timezone') as zone";
    let p = project(
        &server,
        &[
            ("models/m.sql", model),
            (
                "models/p.yml",
                "models: [{name: m, config: {contract: {enforced: true}}, columns: [{name: zone, data_type: text}]}]",
            ),
        ],
    );
    p.ok(&["build"]);
    let s = server.schema("direct");
    assert_eq!(server.rows(&format!("select zone from {s}.m")), ["Asia/Kolkata"]);
}
