//! `clean relations`: what depends on what, and what is part of something else.

use super::{Server, project};

#[test]
fn a_left_over_relation_is_dropped_only_with_what_depends_on_it() {
    let Some(server) = Server::new("orphans") else { return };
    let p = project(
        &server,
        &[("models/kept.sql", "{{ config(materialized='table') }} select 1 as id")],
    );
    p.ok(&["build"]);
    let s = server.schema("direct");
    server.rows(&format!(
        "create table {s}.heir () inherits ({s}.kept); create table {s}.old (id int); \
         create view {s}.reader as select * from {s}.old; \
         create materialized view {s}.stored as select * from {s}.reader"
    ));
    let relations = || {
        server.rows(&format!(
            "select relname::text from pg_class where relnamespace = '{s}'::regnamespace and relkind in ('r', 'v', 'm') order by 1"
        ))
    };
    let listed = p.ok(&["clean", "relations"]).out;
    let expected = format!("table {s}.old\nview {s}.reader\nmaterialized view {s}.stored\n");
    assert!(listed.starts_with(&expected), "{listed}");
    let ran = p.run(&["clean", "relations", "old"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.starts_with(&format!("table {s}.old: not dropped: cannot drop table")),
        "{}",
        ran.out
    );
    assert_eq!(relations(), ["heir", "kept", "old", "reader", "stored"]);
    p.ok(&["clean", "relations", "--all"]);
    assert_eq!(relations(), ["heir", "kept"]);
}
