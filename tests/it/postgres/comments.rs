//! Query comments: what the server sees of a node.

use super::{Server, project};

const SENT: &str = "{{ config(materialized='table') }} select current_query() as sent";
const FILE: &str = "name: shop\nversion: '1.0'\nprofile: shop\n";

#[test]
fn the_server_sees_whose_statement_it_runs() {
    let Some(server) = Server::new("comments") else { return };
    let p = project(&server, &[("models/m.sql", SENT)]);
    let s = server.schema("direct");
    let sent = || server.rows(&format!("select sent from {s}.m")).concat();
    p.ok(&["run"]);
    let usual = sent();
    assert!(usual.starts_with("/* {\"app\": \"strata\", \"dbt_version\": "), "{usual}");
    assert!(usual.contains("\"node_id\": \"model.shop.m\"} */\n"), "{usual}");

    p.write("project.yml", &format!("{FILE}query-comment: 'of {{{{ node.name }}}}'\n"));
    p.ok(&["run"]);
    assert!(sent().starts_with("/* of m */\n"), "{}", sent());

    p.write("project.yml", &format!("{FILE}query-comment: {{comment: last, append: true}}\n"));
    p.ok(&["run"]);
    assert!(sent().trim_end().trim_end_matches(';').ends_with("/* last */"), "{}", sent());

    p.write("project.yml", &format!("{FILE}query-comment:\n"));
    p.ok(&["run"]);
    assert!(!sent().contains("/*"), "{}", sent());
}

#[test]
fn an_error_has_its_place_behind_a_comment() {
    let Some(server) = Server::new("comment_error") else { return };
    let p = project(&server, &[("models/m.sql", "select 1 as a,\n  nope as b\n")]);
    let ran = p.run(&["run"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("models/m.sql:2:3"), "{}", ran.err);
}
