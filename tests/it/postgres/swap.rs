//! Candidates replace published relations: what depends on these, what belongs to them, and which
//! sessions wait for which.

use super::server::{Server, project, rows};
use crate::project::Project;
use postgres::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn table(sql: &str) -> String {
    format!("{{{{ config(materialized='table') }}}} {sql}")
}

/// Runs a command that must fail, and whose output must contain all of these texts.
fn refused(p: &Project, args: &[&str], said: &[&str]) {
    let ran = p.run(args);
    let text = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 1, "strata {args:?}\n{text}");
    for part in said {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

/// The oid of a relation, which is different after a swap.
fn number(server: &Server, relation: &str) -> Vec<String> {
    server.rows(&format!("select '{relation}'::regclass::oid"))
}

/// Names and types of a relation's columns.
fn columns(server: &Server, relation: &str) -> String {
    server
        .rows(&format!(
            "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) \
             from pg_attribute where attrelid = '{relation}'::regclass and attnum > 0 and not attisdropped"
        ))
        .concat()
}

/// Relations that a build left beside the published ones.
fn beside(server: &Server, schema: &str) -> Vec<String> {
    server.rows(&format!(
        "select relname from pg_class where relnamespace = '{schema}'::regnamespace and relkind in ('r', 'v', 'm') \
         and (relname like '%\\_\\_candidate' or relname like '%\\_\\_rejected') order by 1"
    ))
}

/// The rights on a relation, except those of its owner.
fn rights(server: &Server, relation: &str) -> String {
    server
        .rows(&format!(
            "select coalesce(string_agg(a.grantee::regrole || ' ' || a.privilege_type, ', ' \
             order by a.grantee::regrole::text, a.privilege_type), '') from pg_class c, aclexplode(c.relacl) a \
             where c.oid = '{relation}'::regclass and a.grantee <> c.relowner"
        ))
        .concat()
}

/// Everything that belongs to the views of a schema.
fn views(server: &Server, schema: &str) -> Vec<String> {
    server.rows(&format!(
        "select c.relname, c.relowner::regrole, c.reloptions, obj_description(c.oid), col_description(c.oid, 1), \
         (select string_agg(g::text, ' ' order by g::text) from unnest(c.relacl) g), \
         (select string_agg(a.attname || a.attacl::text, ' ') from pg_attribute a where a.attrelid = c.oid), \
         pg_get_viewdef(c.oid) \
         from pg_class c where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'v' order by 1"
    ))
}

/// Everything that belongs to a table, other than its columns, rows and indexes.
fn belongings(server: &Server, schema: &str, name: &str) -> Vec<String> {
    let oid = format!("'{schema}.{name}'::regclass");
    server.rows(&format!(
        "select 'owner ' || relowner::regrole from pg_class where oid = {oid} \
         union all select 'right ' || g::text from pg_class c, unnest(c.relacl) g where c.oid = {oid} \
         union all select 'column right ' || attname || ' ' || attacl::text from pg_attribute \
           where attrelid = {oid} and attacl is not null \
         union all select 'policy ' || concat_ws(' ', polname, polcmd, polpermissive, polroles::regrole[], \
           pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy where polrelid = {oid} \
         union all select 'row security ' || relrowsecurity || ' ' || relforcerowsecurity from pg_class where oid = {oid} \
         union all select 'trigger ' || concat_ws(' ', pg_get_triggerdef(oid), tgenabled) from pg_trigger \
           where tgrelid = {oid} and not tgisinternal \
         union all select 'publication ' || concat_ws(' ', pubname, attnames, rowfilter) from pg_publication_tables \
           where schemaname = '{schema}' and tablename = '{name}' \
         union all select 'identity ' || relreplident::text from pg_class where oid = {oid} \
         union all select 'option ' || o from pg_class c, unnest(c.reloptions) o where c.oid = {oid} order by 1"
    ))
}

/// A session that has read a relation and keeps its transaction open. The server ends it after a
/// few seconds, so that a build that waits forever does not block the tests.
fn reader(server: &Server, relation: &str) -> Client {
    let mut client = server.connect();
    client.batch_execute("set idle_in_transaction_session_timeout = '4s'; begin").unwrap();
    client
        .batch_execute(&format!("select /* the slow report */ count(*) from {relation}"))
        .unwrap();
    client
}

#[test]
fn views_survive_with_all_they_have() {
    let Some(server) = Server::new("swap_views") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let p =
            project(&server, &[("models/orders.sql", &table("select 1 as id, 'a'::text as note"))]);
        p.ok(&["build", "--target", target]);
        server.run(&format!(
            "grant usage, create on schema {s} to strata_other; grant select on {s}.orders to strata_other; \
             create view {s}.\"Open \"\"ones\"\"\" with (security_barrier = true, check_option = local) as \
               select id, note from {s}.orders where id > 0; \
             create view {s}.ids as select id from {s}.\"Open \"\"ones\"\"\"; \
             create view {s}.twice as select id, i.id as again from {s}.orders join {s}.ids i using (id); \
             create recursive view {s}.up (n) as select id from {s}.orders union all select n + 1 from up where n < 4; \
             comment on view {s}.ids is 'it''s \\ all'; comment on column {s}.twice.id is 'the id'; \
             grant select on {s}.\"Open \"\"ones\"\"\" to strata_other; \
             grant select, update on {s}.ids to strata_reader with grant option; grant select (again) on {s}.twice to public; \
             alter view {s}.ids owner to strata_other"
        ));
        let (before, old) = (views(&server, &s), number(&server, &format!("{s}.orders")));
        assert_eq!(before.len(), 4, "{before:?}");
        p.write("models/orders.sql", &table("select 3 as id, 'b'::text as note, 5 as more"));
        p.ok(&["build", "--target", target]);
        assert_ne!(
            number(&server, &format!("{s}.orders")),
            old,
            "{target}: swapped, not filled in place"
        );
        assert_eq!(views(&server, &s), before, "{target}");
        assert_eq!(server.rows(&format!("select id, again from {s}.twice")), ["3|3"], "{target}");
        assert_eq!(
            server.rows(&format!("select n from {s}.up order by 1")),
            ["3", "4"],
            "{target}"
        );
    }
}

#[test]
fn what_belongs_to_a_table_is_carried_over() {
    let Some(server) = Server::new("swap_belongings") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let model =
            "{{ config(materialized='table', indexes=[{'columns': ['id'], 'unique': true}]) }} ";
        let p = project(
            &server,
            &[("models/orders.sql", &format!("{model} select 1 as id, 'a'::text as note, 2 as k"))],
        );
        p.ok(&["build", "--target", target]);
        let publication = format!("swap_belongings_of_{target}");
        server
            .superuser()
            .batch_execute(&format!("drop publication if exists {publication}"))
            .unwrap();
        let noop = "language plpgsql as 'begin return new; end'";
        server.run(&format!(
            "grant usage, create on schema {s} to strata_other; \
             create function {s}.noop() returns trigger {noop}; \
             create trigger on_insert before insert on {s}.orders for each row when (new.id > 1) execute function {s}.noop(); \
             create trigger is_off after update of note on {s}.orders for each row execute function {s}.noop(); \
             create trigger is_always after delete on {s}.orders for each statement execute function {s}.noop(); \
             alter table {s}.orders disable trigger is_off; alter table {s}.orders enable always trigger is_always; \
             create policy few on {s}.orders as restrictive for select to strata_reader, strata_other using (id > 0); \
             create policy k_positive on {s}.orders using (id > 0) with check (k > 0); \
             alter table {s}.orders enable row level security; alter table {s}.orders force row level security; \
             alter table {s}.orders set (fillfactor = 70, autovacuum_enabled = false); \
             alter table {s}.orders replica identity full; \
             create publication {publication} for table {s}.orders (id, note) where (id > 5); \
             grant select, insert on {s}.orders to strata_reader with grant option; grant select on {s}.orders to public; \
             grant update (note) on {s}.orders to strata_reader; alter table {s}.orders owner to strata_other"
        ));
        let (before, old) =
            (belongings(&server, &s, "orders"), number(&server, &format!("{s}.orders")));
        let kinds = "owner strata_other;right strata_reader;right =r;column right note;policy few;row security true true;\
                     trigger;publication;identity f;option fillfactor=70";
        for kind in kinds.split(';') {
            assert!(before.iter().any(|b| b.starts_with(kind)), "{kind} is not in {before:#?}");
        }
        p.write("models/orders.sql", &format!("{model} select 7 as id, 'b'::text as note, 3 as k"));
        p.ok(&["build", "--target", target]);
        assert_ne!(
            number(&server, &format!("{s}.orders")),
            old,
            "{target}: swapped, not filled in place"
        );
        assert_eq!(belongings(&server, &s, "orders"), before, "{target}");
        // The columns of a new table allow nulls, so this index cannot identify its rows. The
        // replica identity becomes that of all columns.
        server.run(&format!(
            "alter table {s}.orders alter id set not null; \
             do $$ begin execute (select format('alter table {s}.orders replica identity using index %I', relname) \
             from pg_index join pg_class on oid = indexrelid where indrelid = '{s}.orders'::regclass); end $$"
        ));
        p.ok(&["build", "--target", target]);
        let identity =
            format!("select relreplident::text from pg_class where oid = '{s}.orders'::regclass");
        assert!(
            ["i", "false"].contains(&&*server.rows(&identity).concat()),
            "`f` for full reads as false"
        );
        // Rights on a column are dropped with it, but a policy that reads it prevents the swap.
        server.run(&format!("grant select (k) on {s}.orders to strata_reader"));
        p.write("models/orders.sql", &format!("{model} select 8 as id, 'c'::text as note"));
        refused(&p, &["build", "--target", target], &["nothing was published", "k_positive"]);
        assert!(columns(&server, &format!("{s}.orders")).contains("k integer"));
        server.run(&format!("drop policy k_positive on {s}.orders"));
        p.ok(&["build", "--target", target]);
        assert_eq!(columns(&server, &format!("{s}.orders")), "id integer, note text");
        server.superuser().batch_execute(&format!("drop publication {publication}")).unwrap();
    }
}

#[test]
fn a_view_that_no_longer_fits_holds_the_swap_back_or_is_built_in_its_turn() {
    let Some(server) = Server::new("swap_unfit") else { return };
    let p = project(
        &server,
        &[
            ("models/orders.sql", &table("select 1 as id, 'a'::text as note")),
            ("models/wide.sql", "select id, note from {{ ref('orders') }}"),
            ("models/wider.sql", "select *, 1 as one from {{ ref('wide') }}"),
        ],
    );
    let s = server.schema("direct");
    p.ok(&["build"]);
    server.run(&format!("create view {s}.dashboard as select note from {s}.orders"));
    p.write("models/orders.sql", &table("select 2 as id"));
    p.write("models/wide.sql", "select id from {{ ref('orders') }}");
    refused(&p, &["build"], &["nothing was published", "dashboard", "note"]);
    assert_eq!(server.rows(&format!("select id, note from {s}.wider")), ["1|a"]);
    assert_eq!(server.rows(&format!("select note from {s}.dashboard")), ["a"]);
    assert!(beside(&server, &s).is_empty(), "{:?}", beside(&server, &s));
    refused(&p, &["build", "--select", "orders"], &["nothing was published", "note"]);
    // Views that earlier runs left behind do not prevent the swap.
    server.run(&format!(
        "drop view {s}.dashboard; create view {s}.wide__dbt_tmp as select note from {s}.orders; \
         create view {s}.wider__rejected as select note from {s}.orders"
    ));
    p.ok(&["build"]);
    assert_eq!(server.rows(&format!("select id, one from {s}.wider")), ["2|1"]);
    assert!(beside(&server, &s).is_empty(), "{:?}", beside(&server, &s));
    // A further build succeeds, too.
    p.ok(&["build"]);
}

#[test]
fn a_view_that_this_run_has_built_is_not_dropped() {
    let Some(server) = Server::new("swap_early") else { return };
    let s = server.schema("direct");
    let p = project(
        &server,
        &[
            ("models/orders.sql", &table("select 1 as id, 'a'::text as note")),
            // It reads a source, so that nothing puts it after the table.
            ("models/early.sql", "select note from {{ source('made', 'orders') }}"),
            (
                "models/s.yml",
                &format!("sources: [{{name: made, schema: {s}, tables: [{{name: orders}}]}}]"),
            ),
        ],
    );
    p.ok(&["build", "--select", "orders"]);
    p.ok(&["build", "--select", "early"]);
    p.write("models/orders.sql", &table("select 2 as id -- after {{ ref('early') }}"));
    refused(&p, &["build"], &["nothing was published", "early"]);
    assert_eq!(server.rows(&format!("select note from {s}.early")), ["a"]);
}

#[test]
fn what_cannot_be_made_again_keeps_its_table_and_gets_new_rows() {
    let Some(server) = Server::new("swap_inplace") else { return };
    let s = server.schema("direct");
    let p = project(&server, &[("models/orders.sql", &table("select 0 as id, 'a'::text as note"))]);
    p.ok(&["build"]);
    let mut superuser = server.superuser();
    let mut other = server.connect();
    let relation = format!("{s}.orders");
    let found = |sql: &str| rows(&mut server.superuser(), sql);
    let cases = [
        (
            "theirs",
            format!("create view {s}.theirs as select id from {relation}"),
            format!("drop view {s}.theirs"),
        ),
        (
            "kept",
            format!("create materialized view {s}.kept as select id from {relation}"),
            format!("drop materialized view {s}.kept"),
        ),
        (
            "counted",
            format!(
                "create function {s}.counted() returns bigint language sql begin atomic select count(note) from {relation}; end"
            ),
            format!("drop function {s}.counted"),
        ),
        (
            "typed",
            format!("create table {s}.typed (one {relation})"),
            format!("drop table {s}.typed"),
        ),
        (
            "ruled",
            format!(
                "create table {s}.ruled (id int); create rule pass_on as on insert to {s}.ruled do also \
                 insert into {relation} values (new.id, 'by rule')"
            ),
            format!("drop table {s}.ruled"),
        ),
        (
            "heirs",
            format!(
                "create table {s}.heirs () inherits ({relation}); insert into {s}.heirs values (77, 'heir')"
            ),
            format!("drop table {s}.heirs"),
        ),
        (
            "passing",
            format!("create temp view passing as select id from {relation}"),
            "drop view passing".to_owned(),
        ),
    ];
    for (i, (name, make, remove)) in (1..).zip(&cases) {
        // The first view belongs to another owner, the last one is temporary in another session.
        let by = if i == 1 { &mut superuser } else { &mut other };
        by.batch_execute(make).unwrap();
        let old = number(&server, &relation);
        p.write("models/orders.sql", &table(&format!("select 'new'::text as note, {i} as id")));
        p.ok(&["build"]);
        assert_eq!(number(&server, &relation), old, "{name}");
        assert_eq!(
            found(&format!("select id, note from only {relation}")),
            [format!("{i}|new")],
            "{name}"
        );
        assert_eq!(
            found(&format!("select count(*) from {relation} where id = 77")).concat() == "1",
            *name == "heirs"
        );
        p.write("models/orders.sql", &table("select 99 as id"));
        refused(&p, &["build"], &["nothing was published", *name]);
        assert_eq!(
            found(&format!("select id, note from only {relation}")),
            [format!("{i}|new")],
            "{name}"
        );
        assert!(beside(&server, &s).is_empty(), "{name}");
        by.batch_execute(remove).unwrap();
    }
    // Readers do not have to wait when rows are replaced in place: they see the old ones until the
    // commit.
    superuser
        .batch_execute(&format!("create view {s}.theirs as select id from {relation}"))
        .unwrap();
    let slow = reader(&server, &relation);
    p.write("models/orders.sql", &table("select 50 as id, 'b'::text as note"));
    p.ok(&["build", "--lock-timeout", "0.3"]);
    drop(slow);
    assert_eq!(found(&format!("select id from {s}.theirs")), ["50"]);
    // Rows that a policy hides from the owner would stay among the new ones.
    server.run(&format!(
        "alter table {relation} enable row level security; alter table {relation} force row level security; \
         create policy hides on {relation} using (id > 60) with check (true)"
    ));
    p.write("models/orders.sql", &table("select 70 as id, 'c'::text as note"));
    p.run(&["build"]);
    assert_eq!(found(&format!("select count(*) from {relation}")), ["1"]);
}

#[test]
fn foreign_keys_that_point_to_a_swapped_table_are_made_again() {
    let Some(server) = Server::new("swap_keys") else { return };
    let s = server.schema("direct");
    let parents = |sql: &str| {
        format!(
            "{{{{ config(materialized='table', indexes=[{{'columns': ['id'], 'unique': true}}]) }}}} {sql}"
        )
    };
    let p = project(
        &server,
        &[
            ("models/parents.sql", &parents("select * from (values (1), (2)) as v(id)")),
            (
                "models/children.sql",
                "{{ config(materialized='table', post_hook=\"alter table {{ this }} add constraint known foreign key (parent) references {{ ref('parents') }} (id)\") }} select id as parent from {{ ref('parents') }}",
            ),
        ],
    );
    p.ok(&["build"]);
    server.run(&format!(
        "create table {s}.notes (parent int constraint noted references {s}.parents (id) on delete cascade deferrable); \
         insert into {s}.notes values (1)"
    ));
    let keys = || {
        server.rows(&format!(
            "select conname, pg_get_constraintdef(oid) from pg_constraint \
             where contype = 'f' and confrelid = '{s}.parents'::regclass order by 1"
        ))
    };
    let before = keys();
    assert_eq!(before.len(), 2, "{before:?}");
    let old = number(&server, &format!("{s}.parents"));
    p.ok(&["build"]);
    assert_ne!(number(&server, &format!("{s}.parents")), old);
    assert_eq!(keys(), before);
    p.write("models/parents.sql", &parents("select 2 as id"));
    refused(&p, &["build"], &["nothing was published", "noted"]);
    assert_eq!(server.rows(&format!("select id from {s}.parents order by 1")), ["1", "2"]);
    // The model whose old rows violate the key is built later in the same run, with its key.
    server.run(&format!("delete from {s}.notes"));
    p.ok(&["build"]);
    assert_eq!(server.rows(&format!("select parent from {s}.children")), ["2"]);
    assert_eq!(keys(), before);
}

#[test]
fn a_locked_relation_is_given_up_cleanly_with_the_query_that_blocks() {
    let Some(server) = Server::new("swap_locked") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let events = |sql: &str| {
            format!(
                "{{{{ config(materialized='incremental', on_schema_change='sync_all_columns') }}}} {sql}"
            )
        };
        let orders = "{{ config(materialized='table', indexes=[{'columns': ['id'], 'unique': true}]) }} select ";
        let p = project(
            &server,
            &[
                ("models/orders.sql", &format!("{orders} 1 as id")),
                ("models/open.sql", "select id from {{ ref('orders') }}"),
                ("models/events.sql", &events("select 1 as id, 2 as gone")),
            ],
        );
        p.ok(&["build", "--target", target]);
        server.run(&format!("create table {s}.lines (id int references {s}.orders (id))"));
        p.write("models/orders.sql", &format!("{orders} 2 as id"));
        let swaps = |relation: &str| {
            let held = reader(&server, &format!("{s}.{relation}"));
            let args =
                ["build", "--select", "orders", "--lock-timeout", "0.15", "--target", target];
            refused(
                &p,
                &args,
                &["nothing was published", "locked", "the slow report", "--lock-timeout"],
            );
            // Other readers are not blocked, neither meanwhile nor afterwards.
            assert_eq!(
                server.rows(&format!("select id from {s}.open")),
                ["1"],
                "{target} {relation}"
            );
            assert!(beside(&server, &s).is_empty(), "{target} {relation}");
            drop(held);
        };
        for relation in ["orders", "open", "lines"] {
            swaps(relation);
        }
        // A change of columns waits no longer for a lock than a swap, and blocks others no longer.
        for (sql, columns_then) in [
            ("select 1 as id, 2 as gone, 3 as fresh", "id integer, gone integer"),
            ("select 1 as id", "id integer, gone integer"),
        ] {
            p.write("models/events.sql", &events(sql));
            let held = reader(&server, &format!("{s}.events"));
            let args =
                ["build", "--select", "events", "--lock-timeout", "0.15", "--target", target];
            refused(&p, &args, &["locked", "the slow report", "--lock-timeout"]);
            assert_eq!(columns(&server, &format!("{s}.events")), columns_then, "{target} {sql}");
            assert_eq!(
                server.rows(&format!("select count(*) from {s}.events")),
                ["1"],
                "{target} {sql}"
            );
            drop(held);
        }
        p.ok(&["build", "--target", target]);
    }
}

#[test]
fn a_reader_in_a_loop_never_sees_an_error_or_an_empty_table() {
    let Some(server) = Server::new("swap_readers") else { return };
    let s = server.schema("direct");
    let model = table("select g as id from generate_series(1, 100) as g");
    let p = project(
        &server,
        &[
            ("models/orders.sql", &model),
            ("models/people.sql", &model),
            (
                "models/both.sql",
                "select id from {{ ref('orders') }} join {{ ref('people') }} using (id)",
            ),
        ],
    );
    p.ok(&["build"]);
    server.run(&format!("create view {s}.over as select id from {s}.both"));
    let queries = [
        format!("select count(*) from {s}.orders"),
        format!("select count(*) from {s}.over"),
        // This locks the table before the view, the opposite order to that of a reader of the view.
        format!("select count(*) from {s}.people join {s}.over using (id)"),
    ];
    let done = AtomicBool::new(false);
    let read = &|sql: &str| {
        let mut client = server.connect();
        let mut reads = 0;
        while !done.load(Ordering::Relaxed) {
            assert_eq!(rows(&mut client, sql), ["100"], "{sql}");
            reads += 1;
            thread::sleep(Duration::from_millis(1));
        }
        reads
    };
    let (builds, readers) = thread::scope(|scope| {
        let readers: Vec<_> = queries.iter().map(|sql| scope.spawn(move || read(sql))).collect();
        // Each build swaps two tables.
        let builds: Vec<_> =
            (0..25).map(|_| p.run(&["build", "--select", "orders people"])).collect();
        done.store(true, Ordering::Relaxed);
        let readers: Vec<_> = readers.into_iter().map(|r| r.join()).collect();
        (builds, readers)
    });
    for ran in builds {
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    }
    for (reads, sql) in readers.into_iter().zip(&queries) {
        let reads = reads.unwrap_or_else(|_| panic!("this reader failed, see above: {sql}"));
        assert!(reads > 20, "{sql}: only {reads} reads");
    }
}

#[test]
fn tables_views_and_materialized_views_take_each_others_place() {
    let Some(server) = Server::new("swap_kinds") else { return };
    let s = server.schema("direct");
    let model = |kind: &str, n: usize| {
        format!(
            "{{{{ config(materialized='{kind}', unlogged=true, indexes=[{{'columns': ['id'], 'unique': true}}, {{'columns': ['note'], 'type': 'hash'}}]) }}}} select {n} as id, 'a'::text as note"
        )
    };
    let p = project(&server, &[("models/shape.sql", &model("table", 0))]);
    p.ok(&["build"]);
    server.run(&format!(
        "grant usage, create on schema {s} to strata_other; create view {s}.over as select id from {s}.shape; \
         grant select on {s}.over to strata_reader; grant select on {s}.shape to strata_reader; \
         alter table {s}.shape owner to strata_other"
    ));
    let kinds = [
        "table",
        "view",
        "view",
        "table",
        "materialized_view",
        "materialized_view",
        "view",
        "materialized_view",
        "table",
    ];
    for (n, kind) in (1..).zip(kinds) {
        p.write("models/shape.sql", &model(kind, n));
        p.ok(&["build"]);
        let what = format!("{n}: {kind}");
        assert_eq!(server.rows(&format!("select id from {s}.over")), [n.to_string()], "{what}");
        let letter = match kind {
            "table" => "r u",
            "view" => "v p",
            _ => "m p",
        };
        let is = server.rows(&format!(
            "select relkind::text || ' ' || relpersistence::text, relowner::regrole from pg_class where oid = '{s}.shape'::regclass"
        ));
        assert_eq!(is, [format!("{letter}|strata_other")], "{what}");
        for relation in ["shape", "over"] {
            assert_eq!(
                rights(&server, &format!("{s}.{relation}")),
                "strata_reader SELECT",
                "{what} {relation}"
            );
        }
        let indexes = server.rows(&format!(
            "select amname, indisunique, pg_get_indexdef(indexrelid, 1, true) from pg_index \
             join pg_class c on c.oid = indexrelid join pg_am a on a.oid = c.relam \
             where indrelid = '{s}.shape'::regclass order by 1"
        ));
        let made: &[&str] =
            if kind == "view" { &[] } else { &["btree|true|id", "hash|false|note"] };
        assert_eq!(indexes, made, "{what}");
    }
}

#[test]
fn grants_and_comments_are_what_the_config_says() {
    let Some(server) = Server::new("swap_grants") else { return };
    let s = server.schema("direct");
    let kinds = ["table", "view", "incremental", "materialized_view"];
    let p = project(
        &server,
        &[(
            "models/s.yml",
            "models: [{name: a_view, description: it's all, columns: [{name: id, description: the id}]}]",
        )],
    );
    for kind in kinds {
        p.write(
            &format!("models/a_{kind}.sql"),
            &format!("{{{{ config(materialized='{kind}') }}}} select 1 as id"),
        );
    }
    let configured = |grants: &str| {
        p.write(
            "project.yml",
            &format!(
                "name: shop\nprofile: shop\nmodels: {{shop: {{+persist_docs: {{relation: true, columns: true}}{grants}}}}}\n"
            ),
        );
        p.ok(&["build"]);
    };
    let all = |expected: &str| {
        for kind in kinds {
            assert_eq!(rights(&server, &format!("{s}.a_{kind}")), expected, "{kind}");
        }
    };
    configured(", +grants: {select: [strata_reader]}");
    all("strata_reader SELECT");
    for kind in kinds {
        server.run(&format!("grant select, update on {s}.a_{kind} to strata_other"));
    }
    // Without a config, rights that were granted by hand are kept.
    configured("");
    all("strata_other SELECT, strata_other UPDATE, strata_reader SELECT");
    // With a config, it alone decides on the rights.
    configured(", +grants: {select: [strata_other]}");
    all("strata_other SELECT");
    let comments = server.rows(&format!(
        "select obj_description(oid), col_description(oid, 1) from pg_class where oid = '{s}.a_view'::regclass"
    ));
    assert_eq!(comments, ["it's all|the id"]);
    // A member of the owner's role can revoke rights in the owner's name.
    server.run(&format!(
        "grant usage, create on schema {s} to strata_other; alter table {s}.a_incremental owner to strata_other; \
         grant select on {s}.a_incremental to strata_reader"
    ));
    p.ok(&["build", "--select", "a_incremental"]);
    assert_eq!(rights(&server, &format!("{s}.a_incremental")), "");
}

#[test]
fn constraints_of_a_contract_keep_their_names() {
    let Some(server) = Server::new("swap_contracts") else { return };
    let p = project(
        &server,
        &[
            ("models/parents.sql", &table("select 1 as id, 'a'::text as note")),
            ("models/children.sql", &table("select id, id as parent from {{ ref('parents') }}")),
            (
                "models/s.yml",
                "models:
  - name: parents
    config: {contract: {enforced: true}}
    constraints:
      - {type: primary_key, columns: [id], name: parents_key}
      - {type: unique, columns: [note], name: note_once}
      - {type: check, expression: id > 0, name: id_positive}
    columns: [{name: id, data_type: int, constraints: [{type: not_null}]}, {name: note, data_type: text}]
  - name: children
    config: {contract: {enforced: true}}
    constraints: [{type: foreign_key, columns: [parent], name: known, to: ref('parents'), to_columns: [id]}]
    columns: [{name: id, data_type: int, constraints: [{type: primary_key}]}, {name: parent, data_type: int}]
",
            ),
        ],
    );
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        for build in 1..=3 {
            p.ok(&["build", "--target", target]);
            let found = server.rows(&format!(
                "select c.relname, k.conname, k.contype from pg_constraint k join pg_class c on c.oid = k.conrelid \
                 where c.relnamespace = '{s}'::regnamespace and c.relname <> 'strata_lock' and k.contype <> 'n' order by 1, 2"
            ));
            let names: Vec<&str> =
                found.iter().filter(|f| !f.contains("_pkey")).map(String::as_str).collect();
            // A foreign key has the type `f`, which the test's `rows` shows as `false`.
            assert_eq!(
                names,
                [
                    "children|known|false",
                    "parents|id_positive|c",
                    "parents|note_once|u",
                    "parents|parents_key|p"
                ],
                "{target} {build}"
            );
            assert_eq!(found.len(), 5, "{target} {build}: {found:?}");
            if build == 1 {
                server.run(&format!(
                    "alter table {s}.parents replica identity using index parents_key"
                ));
            }
        }
        let identity =
            format!("select relreplident::text from pg_class where oid = '{s}.parents'::regclass");
        assert_eq!(server.rows(&identity), ["i"], "{target}");
    }
}

#[test]
fn a_delta_widens_first_and_narrows_last() {
    let Some(server) = Server::new("swap_deltas") else { return };
    let s = server.schema("direct");
    let events = |mode: &str, sql: &str| {
        format!(
            "{{{{ config(materialized='incremental', unique_key='id', unlogged=true, on_schema_change='{mode}', indexes=[{{'columns': ['id']}}]) }}}} {sql}"
        )
    };
    let relation = format!("{s}.events");
    let p = project(
        &server,
        &[
            ("models/events.sql", &events("sync_all_columns", "select 1 as id, 1 as gone")),
            ("models/all_events.sql", "select * from {{ ref('events') }}"),
            (
                "models/s.yml",
                "models: [{name: events, columns: [{name: id, data_tests: [not_null]}]}]",
            ),
        ],
    );
    p.ok(&["build"]);
    server.run(&format!(
        "create view {s}.seen as select id from {relation}; grant select on {s}.seen to strata_reader; \
         grant select on {relation} to strata_reader"
    ));
    // The new column was committed before the test failed. The old one would have been dropped
    // after it.
    p.write("models/events.sql", &events("sync_all_columns", "select null::int as id, 1 as fresh"));
    refused(&p, &["build"], &["built, not published"]);
    assert_eq!(columns(&server, &relation), "id integer, gone integer, fresh integer");
    assert_eq!(server.rows(&format!("select id, gone, fresh from {relation}")), ["1|1|null"]);
    // A type is changed on a candidate.
    p.write(
        "models/events.sql",
        &events("sync_all_columns", "select null::bigint as id, 1 as fresh"),
    );
    refused(&p, &["build"], &["built, not published", "events__rejected"]);
    assert_eq!(columns(&server, &relation), "id integer, gone integer, fresh integer");
    assert_eq!(columns(&server, &format!("{relation}__rejected")), "id bigint, fresh integer");
    p.write("models/events.sql", &events("sync_all_columns", "select 2::bigint as id, 1 as fresh"));
    p.ok(&["build"]);
    assert_eq!(columns(&server, &relation), "id bigint, fresh integer");
    assert_eq!(
        server.rows(&format!("select id, fresh from {relation} order by id")),
        ["1|null", "2|1"]
    );
    assert_eq!(server.rows(&format!("select id from {s}.seen order by id")), ["1", "2"]);
    assert_eq!(server.rows(&format!("select count(*) from {s}.all_events")), ["2"]);
    assert!(beside(&server, &s).is_empty(), "{:?}", beside(&server, &s));
    for relation in ["events", "seen"] {
        assert_eq!(
            rights(&server, &format!("{s}.{relation}")),
            "strata_reader SELECT",
            "{relation}"
        );
    }
    let made = server.rows(&format!(
        "select relpersistence::text, (select count(*) from pg_index where indrelid = c.oid) from pg_class c where c.oid = '{relation}'::regclass"
    ));
    assert_eq!(made, ["u|1"]);
    // Columns that the query lacks are kept, with nulls in new rows.
    p.write(
        "models/events.sql",
        &events("append_new_columns", "select 3::bigint as id, 'x'::text as more"),
    );
    p.ok(&["build"]);
    assert_eq!(
        server.rows(&format!("select id, fresh, more from {relation} where id > 1 order by id")),
        ["2|1|null", "3|null|x"]
    );
    // A column can be dropped even if a view reads it, provided that this run builds the view
    // later.
    p.write("models/events.sql", &events("sync_all_columns", "select 4::bigint as id"));
    p.ok(&["build"]);
    assert_eq!(columns(&server, &relation), "id bigint");
    assert_eq!(columns(&server, &format!("{s}.all_events")), "id bigint");
    p.write("models/events.sql", &events("sync_all_columns", "select 5::bigint as id, 1 as again"));
    p.ok(&["build"]);
    server.run(&format!("create view {s}.dashboard as select again from {relation}"));
    p.write("models/events.sql", &events("sync_all_columns", "select 6::bigint as id"));
    refused(&p, &["build"], &["dashboard"]);
    assert_eq!(server.rows(&format!("select max(id), max(again) from {relation}")), ["5|1"]);
}

#[test]
fn strategies_with_a_key_of_two_columns() {
    let Some(server) = Server::new("swap_strategies") else { return };
    let p = project(
        &server,
        &[(
            "models/new.sql",
            &table("select * from (values (1, 1, 'x'), (1, 2, 'y')) as v(a, b, w)"),
        )],
    );
    for strategy in ["append", "merge", "delete+insert"] {
        p.write(
            &format!("models/by_{}.sql", strategy.replace('+', "_")),
            &format!(
                "{{{{ config(materialized='incremental', incremental_strategy='{strategy}', unique_key=['a', 'b']) }}}} select * from {{{{ ref('new') }}}}"
            ),
        );
    }
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        p.write(
            "models/new.sql",
            &table("select * from (values (1, 1, 'x'), (1, 2, 'y')) as v(a, b, w)"),
        );
        p.ok(&["build", "--target", target]);
        let old = number(&server, &format!("{s}.by_merge"));
        p.write(
            "models/new.sql",
            &table("select * from (values (1, 2, 'Y'), (2, 1, 'z')) as v(a, b, w)"),
        );
        p.ok(&["build", "--target", target]);
        let found = |name: &str| {
            server.rows(&format!(
                "select a || ' ' || b || ' ' || w from {s}.{name} order by w collate \"C\""
            ))
        };
        assert_eq!(found("by_append"), ["1 2 Y", "1 1 x", "1 2 y", "2 1 z"], "{target}");
        assert_eq!(found("by_merge"), ["1 2 Y", "1 1 x", "2 1 z"], "{target}");
        assert_eq!(found("by_delete_insert"), ["1 2 Y", "1 1 x", "2 1 z"], "{target}");
        assert_eq!(
            number(&server, &format!("{s}.by_merge")),
            old,
            "{target}: a delta, not a rebuild"
        );
    }
}

#[test]
fn a_candidate_is_audited_without_a_lock_on_the_published_table() {
    let Some(server) = Server::new("swap_audited") else { return };
    let s = server.schema("direct");
    let p = project(
        &server,
        &[
            ("models/plain.sql", &table("select 1 as id")),
            (
                "models/hooked.sql",
                "{{ config(materialized='table', post_hook='select 1') }} select 1 as id",
            ),
        ],
    );
    p.ok(&["build"]);
    for name in ["plain", "hooked"] {
        let locks = format!("select mode from pg_locks where relation = to_regclass('{s}.{name}')");
        p.write(
            &format!("tests/{name}_is_free.sql"),
            &format!("{locks} -- {{{{ ref('{name}') }}}}"),
        );
    }
    p.run(&["build"]);
    assert_eq!(p.status("model.shop.plain"), "success");
    assert_eq!(p.status("test.shop.plain_is_free"), "pass");
    // The exception: hooks need the published name, so they run inside the swap. (This also proves
    // that the test finds locks.)
    assert_eq!(p.status("test.shop.hooked_is_free"), "fail");
    assert_eq!(p.status("model.shop.hooked"), "error");
}

#[test]
fn tables_with_hooks_that_share_a_view_wait_for_each_other() {
    let Some(server) = Server::new("swap_hooks") else { return };
    let s = server.schema("direct");
    let names = ["one", "two", "three", "four"];
    let p = project(&server, &[]);
    for name in names {
        p.write(
            &format!("models/{name}.sql"),
            "{{ config(materialized='table', post_hook='select 1') }} select g as id from generate_series(1, 100) as g",
        );
    }
    p.ok(&["build", "--threads", "4"]);
    let from: Vec<String> = names.iter().map(|n| format!("{s}.{n}")).collect();
    server
        .run(&format!("create view {s}.shared as select id from {}", from.join(" natural join ")));
    for _ in 0..3 {
        p.ok(&["build", "--threads", "4"]);
    }
    assert_eq!(server.rows(&format!("select count(*) from {s}.shared")), ["100"]);
}

#[test]
fn a_materialized_view_of_the_project_follows_its_table() {
    let Some(server) = Server::new("swap_follow") else { return };
    let p = project(
        &server,
        &[
            (
                "models/base.sql",
                "{{ config(materialized='table', indexes=[{'columns': ['a']}]) }} select 1 as a, 2 as b",
            ),
            (
                "models/mv.sql",
                "{{ config(materialized='materialized_view') }} select a from {{ ref('base') }}",
            ),
        ],
    );
    p.ok(&["build"]);
    let schema = server.schema("direct");
    // Rows are replaced in place; indexes and persistence follow the config.
    p.write(
        "models/base.sql",
        "{{ config(materialized='table', unlogged=true, indexes=[{'columns': ['b'], 'unique': true}]) }} select 3 as a, 4 as b",
    );
    p.ok(&["build"]);
    let found = server.rows(&format!(
        "select string_agg(regexp_replace(indexdef, 'INDEX .* USING', 'USING'), ';'), (select relpersistence::text from pg_class where oid = '{schema}.base'::regclass), (select a from {schema}.mv) from pg_indexes where schemaname = '{schema}' and tablename = 'base'"
    ));
    assert_eq!(found, ["CREATE UNIQUE USING btree (b)|u|3"]);
    // With another column, the view is dropped until its own build.
    p.write("models/base.sql", "{{ config(materialized='table') }} select 5 as a, 6 as b, 7 as c");
    p.ok(&["build"]);
    assert_eq!(
        server.rows(&format!("select c, (select a from {schema}.mv) from {schema}.base")),
        ["7|5"]
    );
    // If only the table is selected, it cannot be changed as long as the view exists.
    p.write("models/base.sql", "{{ config(materialized='table') }} select 5 as a");
    let ran = p.run(&["build", "--select", "base"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("{schema}.mv (a materialized view)")), "{}", ran.err);
}

#[test]
fn names_without_quotes_are_folded_wherever_they_stand() {
    let Some(server) = Server::new("swap_folded") else { return };
    let s = server.schema("direct");
    let p = project(
        &server,
        &[
            (
                "project.yml",
                "name: shop\nprofile: shop\nquoting: {schema: false, identifier: false}\n\
                 models: {shop: {+schema: Mart}}\nseeds: {shop: {+schema: Mart}}\n",
            ),
            ("seeds/Sd.csv", "id\n1\n"),
            (
                "models/Tab.sql",
                "{{ config(materialized='table', indexes=[{'columns': ['id']}]) }} select {{ var('n', 1) }} as id",
            ),
            ("models/Vw.sql", "select id, count(*) as n from {{ ref('Tab') }} group by id"),
            (
                "models/Mv.sql",
                "{{ config(materialized='materialized_view') }} select id from {{ ref('Sd') }}",
            ),
            (
                "models/Inc.sql",
                "{{ config(materialized='incremental', unique_key='id') }} select {{ 2 if is_incremental() else 1 }} as id",
            ),
            ("models/s.yml", "models: [{name: Tab, columns: [{name: id, data_tests: [unique]}]}]"),
        ],
    );
    let mart = format!("{s}_mart");
    for n in 1..4 {
        p.ok(&["build", "--vars", &format!("{{n: {n}}}")]);
        assert_eq!(server.rows(&format!("select id, n from {mart}.vw")), [format!("{n}|1")]);
    }
    assert_eq!(server.rows(&format!("select id from {mart}.inc order by 1")), ["1", "2"]);
    // The first build fails. The rejected relation that it keeps has a folded name, too.
    p.write(
        "models/Tab.sql",
        "{{ config(materialized='table') }} select 7 as id union all select 7",
    );
    assert_eq!(p.run(&["build", "--select", "Tab"]).code, 1);
    p.ok(&["run", "--select", "Tab"]);
    let all = format!(
        "select relname from pg_class where relnamespace = '{mart}'::regnamespace and relkind in ('r', 'v', 'm') order by 1"
    );
    assert_eq!(server.rows(&all), ["inc", "mv", "sd", "tab", "vw"]);
    let ran = p.run(&["run", "--select", "Tab", "--full-refresh"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

/// Everything that a user can create on a table by hand and that `belongings` does not show.
fn by_hand(server: &Server, schema: &str, name: &str) -> Vec<String> {
    let oid = format!("'{schema}.{name}'::regclass");
    server.rows(&format!(
        "select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where conrelid = {oid} \
         union all select 'default ' || adnum || ' ' || pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = {oid} \
         union all select 'not null ' || attname from pg_attribute where attrelid = {oid} and attnum > 0 and attnotnull \
         union all select 'target ' || attname || ' ' || attstattarget from pg_attribute where attrelid = {oid} and attstattarget > 0 \
         union all select 'option ' || attname || ' ' || attoptions::text from pg_attribute where attrelid = {oid} and attoptions is not null \
         union all select 'statistics ' || pg_get_statisticsobjdef(oid) from pg_statistic_ext where stxrelid = {oid} \
         union all select 'rule ' || rulename from pg_rewrite where ev_class = {oid} \
         union all select 'comment ' || objsubid || ' ' || description from pg_description where objoid = {oid} \
         union all select 'index ' || pg_get_indexdef(indexrelid) from pg_index where indrelid = {oid} order by 1"
    ))
}

#[test]
fn what_was_made_by_hand_on_a_table_is_carried_over() {
    let Some(server) = Server::new("swap_by_hand") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let model = |note: &str| {
            format!(
                "{{{{ config(materialized='table', indexes=[{{'columns': ['id']}}]) }}}} select 1 as id, {note} as note"
            )
        };
        let p = project(&server, &[("models/orders.sql", &model("'a'::text"))]);
        p.ok(&["build", "--target", target]);
        server.run(&format!(
            "alter table {s}.orders add constraint positive check (id > 0), add constraint one unique (id), \
               alter note set default 'none', alter note set not null, alter note set statistics 500, \
               alter note set (n_distinct = 5); \
             create statistics {s}.both on id, note from {s}.orders; create table {s}.log (id int); \
             create rule logs as on delete to {s}.orders do also insert into {s}.log values (old.id); \
             create index by_note on {s}.orders (lower(note)) where id > 3; \
             comment on table {s}.orders is 'it''s theirs'; comment on column {s}.orders.note is 'a note'"
        ));
        let rest = |all: Vec<String>| -> Vec<String> {
            all.into_iter().filter(|l| !l.contains("btree (id)")).collect()
        };
        let (before, old) =
            (rest(by_hand(&server, &s, "orders")), number(&server, &format!("{s}.orders")));
        assert_eq!(before.len(), 11, "{before:#?}");
        p.write("models/orders.sql", &model("'b'::text"));
        p.ok(&["build", "--target", target]);
        assert_ne!(number(&server, &format!("{s}.orders")), old, "{target}");
        assert_eq!(rest(by_hand(&server, &s, "orders")), before, "{target}");
        assert_eq!(server.rows(&format!("select count(*) from {s}.log")), ["0"], "no rule fired");
        // Rows that violate a constraint which a user created are not published.
        p.write("models/orders.sql", &model("null::text"));
        refused(
            &p,
            &["build", "--target", target],
            &["nothing was published", "the not null of note"],
        );
        p.write(
            "models/orders.sql",
            "{{ config(materialized='view') }} select 1 as id, 'c' as note",
        );
        refused(
            &p,
            &["build", "--target", target],
            &["nothing was published", "would be lost, since a view has none"],
        );
        assert_eq!(server.rows(&format!("select note from {s}.orders")), ["b"], "{target}");
    }
}

#[test]
fn keys_made_by_hand_come_before_what_needs_them() {
    let Some(server) = Server::new("swap_keys_by_hand") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let model = |id: i32| table(&format!("select {id} as id, 'a'::text as name, now() as at"));
        let p = project(&server, &[("models/customers.sql", &model(1))]);
        p.ok(&["build", "--target", target]);
        server.run(&format!(
            "alter table {s}.customers add primary key (id), add constraint named unique (name); \
             create table {s}.pay (c text references {s}.customers (name)); insert into {s}.pay values ('a'); \
             create view {s}.grouped as select id, name, count(*) from {s}.customers group by id; \
             alter table {s}.customers replica identity using index customers_pkey; \
             comment on constraint named on {s}.customers is 'by name'; \
             create index late on {s}.customers (at); comment on index {s}.late is 'when'; \
             alter table {s}.customers cluster on late; alter table {s}.customers alter name set storage external"
        ));
        let said = || {
            server.rows(&format!(
                "select relreplident::text, (select count(*) from {s}.grouped), \
                   (select string_agg(conname, ',' order by conname) from pg_constraint \
                     where conrelid = c.oid or confrelid = c.oid), \
                   (select string_agg(d.description, ',' order by d.description) from pg_description d \
                     where d.objoid in (select oid from pg_constraint where conrelid = c.oid union select '{s}.late'::regclass)), \
                   (select indexrelid::regclass from pg_index where indrelid = c.oid and indisclustered), \
                   (select attstorage::text from pg_attribute where attrelid = c.oid and attname = 'name') \
                 from pg_class c where oid = '{s}.customers'::regclass"
            ))
        };
        let (before, old) = (said(), number(&server, &format!("{s}.customers")));
        p.write("models/customers.sql", &model(2));
        p.ok(&["build", "--target", target]);
        assert_ne!(number(&server, &format!("{s}.customers")), old, "{target}");
        assert_eq!(said(), before, "{target}");
        assert!(
            before[0].starts_with("i|1|customers_pkey,named,pay_c_fkey|by name,when|"),
            "{before:?}"
        );
    }
}

#[test]
fn constraints_of_a_contract_come_and_go_with_it() {
    let Some(server) = Server::new("swap_contract") else { return };
    let s = server.schema("direct");
    let yaml = |constraints: &str| {
        format!(
            "models:\n  - name: orders\n    config: {{contract: {{enforced: true}}, materialized: table}}\n\
             \x20   columns: [{{name: id, data_type: int, constraints: [{constraints}]}}, {{name: name, data_type: string}}]\n"
        )
    };
    let p = project(
        &server,
        &[
            ("models/orders.sql", "select 1 as id, 'x' as name"),
            (
                "models/s.yml",
                &yaml("{type: not_null}, {type: primary_key}, {type: check, expression: id > 0}"),
            ),
        ],
    );
    p.ok(&["build"]);
    let found = |all: Vec<String>| {
        all.into_iter().filter(|l| l.starts_with("constraint")).collect::<Vec<_>>()
    };
    assert_eq!(found(by_hand(&server, &s, "orders")).len(), 2);
    server.run(&format!("alter table {s}.orders add constraint mine check (id < 9)"));
    p.write("models/s.yml", &yaml("{type: check, expression: id > -1}"));
    p.ok(&["build"]);
    let now = found(by_hand(&server, &s, "orders"));
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(
        now.iter().any(|l| l.contains("mine")) && now.iter().any(|l| l.contains("'-1'")),
        "{now:?}"
    );
    // Constraints follow the contract even if rows are replaced in place.
    server
        .superuser()
        .batch_execute(&format!("create view {s}.theirs as select id from {s}.orders"))
        .unwrap();
    p.write("models/s.yml", &yaml("{type: not_null}, {type: check, expression: id > -2}"));
    p.ok(&["build"]);
    let now = by_hand(&server, &s, "orders");
    assert!(
        now.iter().any(|l| l.contains("'-2'")) && !now.iter().any(|l| l.contains("'-1'")),
        "{now:?}"
    );
    assert!(now.iter().any(|l| l == "not null id"), "{now:?}");
}

#[test]
fn a_partition_stays_in_its_table() {
    let Some(server) = Server::new("swap_partition") else { return };
    let s = server.schema("direct");
    let day = |sql: &str| table(&format!("{sql} as id, date '2024-01-01' as d"));
    let p = project(
        &server,
        &[
            ("models/sales_2024.sql", &day("select 1")),
            (
                "models/sales_2025.sql",
                "{{ config(materialized='incremental', unique_key='id') }} select {{ 2 if is_incremental() else 1 }} as id, date '2025-01-01' as d",
            ),
            (
                "models/parted.sql",
                "{{ config(materialized='incremental') }} select 1 as id, date '2024-01-01' as d",
            ),
            ("models/heir.sql", &table("select 1 as id")),
        ],
    );
    p.ok(&["build"]);
    server.run(&format!(
        "create table {s}.sales (id int, d date) partition by range (d); \
         alter table {s}.sales attach partition {s}.sales_2024 for values from ('2024-01-01') to ('2025-01-01'); \
         alter table {s}.sales attach partition {s}.sales_2025 for values from ('2025-01-01') to ('2026-01-01'); \
         create table {s}.parent (id int); alter table {s}.heir inherit {s}.parent; drop table {s}.parted; \
         create table {s}.parted (id int, d date) partition by range (d); \
         create table {s}.parted_2024 partition of {s}.parted for values from ('2024-01-01') to ('2025-01-01')"
    ));
    p.write(
        "models/sales_2024.sql",
        &day("select 10 as id, date '2024-05-05' as d union all select 11"),
    );
    p.write(
        "models/sales_2024.sql",
        &table("select 10 as id, date '2024-05-05' as d union all select 11, date '2024-06-06'"),
    );
    for _ in 0..4 {
        p.ok(&["build", "--threads", "2"]);
    }
    assert_eq!(server.rows(&format!("select count(*), max(id) from {s}.sales")), ["4|11"]);
    assert_eq!(server.rows(&format!("select count(*) from {s}.parent")), ["1"]);
    p.ok(&["build", "--full-refresh", "--select", "parted"]);
    assert_eq!(server.rows(&format!("select count(*) from {s}.parted_2024")), ["1"]);
    p.write("models/sales_2024.sql", &table("select 10 as id"));
    let place = format!("its place in the partitioned table {s}.sales");
    refused(
        &p,
        &["build", "--select", "sales_2024"],
        &["nothing was published", &place, "the columns differ"],
    );
    assert_eq!(server.rows(&format!("select count(*) from {s}.sales")), ["4"]);
}

#[test]
fn small_tables_and_views_are_replaced_where_they_are() {
    let Some(server) = Server::new("swap_small") else { return };
    for target in ["direct", "pooled"] {
        let s = server.schema(target);
        let p = project(
            &server,
            &[
                ("models/base.sql", &table("select 1 as id")),
                ("models/over.sql", "select id, 1 as one from {{ ref('base') }}"),
                ("models/top.sql", "select id from {{ ref('over') }}"),
            ],
        );
        p.ok(&["build", "--target", target]);
        let numbers = || {
            let all =
                ["base", "over", "top"].map(|n| number(&server, &format!("{s}.{n}")).concat());
            all.join(" ")
        };
        let before = numbers();
        p.write("models/base.sql", &table("select 2 as id"));
        p.write("models/over.sql", "select id, 2 as one, 'new' as more from {{ ref('base') }}");
        p.ok(&["build", "--target", target]);
        assert_eq!(numbers(), before, "{target}");
        assert_eq!(
            server.rows(&format!("select id, one, more from {s}.over")),
            ["2|2|new"],
            "{target}"
        );
        // No view can lose a column in place, so it is recreated.
        p.write("models/over.sql", "select id from {{ ref('base') }}");
        p.ok(&["build", "--target", target]);
        assert_eq!(columns(&server, &format!("{s}.over")), "id integer", "{target}");
        assert!(beside(&server, &s).is_empty(), "{target}");
    }
}
