//! What can happen to a run on Postgres from outside: concurrent builds, kills, lost connections,
//! deadlocks, signals.

use super::server::{Server, project, rows};
use crate::project::{Project, Ran, interrupt};
use postgres::{Client, NoTls, SimpleQueryMessage};
use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Waits until a query returns true.
fn until(client: &mut Client, sql: &str) {
    let begun = Instant::now();
    while rows(client, sql) != ["true"] {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never became true: {sql}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A query that tells whether another session is running such a statement. `more` is a further
/// condition.
fn runs(like: &str, more: &str) -> String {
    format!(
        "select exists (select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() \
         and query like '{like}' {more})"
    )
}

fn end(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

/// Waits for a command, which must end by itself within the limit.
fn end_within(mut child: Child, limit: Duration) -> Ran {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > limit {
            let _ = child.kill();
            panic!("it still ran after {limit:?}: {:?}", end(child));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    end(child)
}

fn said(ran: &Ran) -> String {
    format!("{}{}", ran.out, ran.err)
}

/// The status of each node, by name.
fn by_name(p: &Project) -> HashMap<String, String> {
    p.statuses()
        .into_iter()
        .map(|(id, s)| (id.split('.').nth(2).unwrap_or(&id).to_owned(), s))
        .collect()
}

/// A server of its own for a test that kills it. `None` if the server's programs are not installed.
struct Own {
    folder: TempDir,
    env: HashMap<String, String>,
}

impl Own {
    fn start() -> Option<Own> {
        if std::env::var_os("STRATA_TEST_PG").is_none() {
            println!("skipped: STRATA_TEST_PG names no server (./test starts one)");
            return None;
        }
        // Not in TMPDIR, which the user that the server runs as may not be able to enter.
        let folder = tempfile::Builder::new().prefix("strata-faults-").tempdir_in("/tmp").unwrap();
        let mut own = Own { folder, env: HashMap::new() };
        own.script("start");
        let text = std::fs::read_to_string(own.folder.path().join("env")).unwrap();
        own.env = text
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        Some(own)
    }

    fn script(&self, word: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let done = Command::new(script).arg(word).arg(self.folder.path()).output().unwrap();
        assert!(
            done.status.success(),
            "scripts/postgres {word}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn get(&self, key: &str) -> &str {
        &self.env[&format!("STRATA_TEST_PG_{key}")]
    }

    fn superuser(&self) -> Client {
        let (port, password) = (self.get("PORT"), self.get("PASSWORD"));
        let text =
            format!("host=127.0.0.1 port={port} user=postgres password={password} dbname=strata");
        Client::connect(&text, NoTls).unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let _ = Command::new(script).arg("stop").arg(self.folder.path()).output();
    }
}

/// Steps stop at gates: a call of `gate` sleeps until the server is killed, unless the step has
/// already been passed.
const GATES: &str = "
    create schema gates;
    create table gates.passed (step text);
    create function gates.gate(at text) returns boolean language plpgsql security definer as $$ begin
        if not exists (select from gates.passed where step = at) then
            perform set_config('application_name', 'at ' || at, false), pg_sleep(60);
        end if;
        return true;
    end $$;
    create function gates.before_rows() returns trigger language plpgsql as $$ begin
        perform gates.gate(tg_argv[0]);
        return null;
    end $$;
    create function gates.before_ddl() returns event_trigger language plpgsql as $$ begin
        if tg_tag = 'CREATE VIEW' and current_query() ilike '%v__dbt_tmp%' then perform gates.gate('view'); end if;
        if current_query() ilike '%rename to \"swapped\"%' then perform gates.gate('swap'); end if;
    end $$;
    create event trigger before_ddl on ddl_command_start when tag in ('CREATE VIEW', 'ALTER TABLE')
        execute function gates.before_ddl();
    create domain gates.gated as integer check (value is null or gates.gate('seed'));
    grant usage on schema gates to strata;
    insert into gates.passed values ('seed'), ('view'), ('table'), ('audit'), ('swap'), ('delta'), ('inside'),
        ('snapshot'), ('hook'), ('end')";

const RELATIONS: [&str; 9] =
    ["s", "v", "t", "audited", "swapped", "delta", "inside", "h", "n where dbt_valid_to is null"];

/// Runs one build, and kills and restarts the server at each kind of step.
fn killed_at_each_kind_of_step(port: &str, more: &str) {
    let Some(own) = Own::start() else { return };
    let profiles = format!(
        "shop: {{target: pg, outputs: {{pg: {{type: postgres, host: 127.0.0.1, port: {}, user: strata, password: {}, dbname: strata, schema: w, threads: 1{more}}}}}}}\n",
        own.get(port),
        own.get("PASSWORD")
    );
    let p = Project::new(&[
        ("profiles.yml", &profiles),
        (
            "project.yml",
            "name: shop\nprofile: shop\non-run-end: [\"select gates.gate('end')\"]\nseeds: {shop: {+column_types: {id: gates.gated}}}\n",
        ),
        ("seeds/s.csv", "id,version\n1,1\n2,1\n"),
        ("models/v.sql", "select id::int as id, version from {{ ref('s') }}"),
        (
            "models/t.sql",
            "{{ config(materialized='table') }} select id, version from {{ ref('v') }} where gates.gate('table')",
        ),
        ("models/audited.sql", "{{ config(materialized='table') }} select * from {{ ref('t') }}"),
        (
            "tests/on_audited.sql",
            "select 1 as x from {{ ref('audited') }} where not gates.gate('audit')",
        ),
        ("models/swapped.sql", "{{ config(materialized='table') }} select * from {{ ref('t') }}"),
        (
            "models/delta.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('t') }}",
        ),
        (
            "models/inside.sql",
            "{{ config(materialized='incremental', unique_key='id') }} select * from {{ ref('t') }}",
        ),
        (
            "tests/on_inside.sql",
            "select 1 as x from {{ ref('inside') }} where not gates.gate('inside')",
        ),
        (
            "models/h.sql",
            "{{ config(materialized='table', pre_hook=\"select gates.gate('hook')\") }} select * from {{ ref('t') }}",
        ),
        (
            "snapshots/n.yml",
            "snapshots: [{name: n, relation: ref('t'), config: {strategy: check, unique_key: id, check_cols: all}}]",
        ),
    ]);
    own.superuser().batch_execute(GATES).unwrap();
    p.ok(&["build"]);
    own.superuser()
        .batch_execute(
            "create trigger at before insert or update or delete on w.delta for each statement execute function gates.before_rows('delta');
             create trigger at before insert or update or delete on w.n for each statement execute function gates.before_rows('snapshot');
             delete from gates.passed",
        )
        .unwrap();
    p.write("seeds/s.csv", "id,version\n1,2\n2,2\n");
    let whole = |client: &mut Client, after: &str| {
        for relation in RELATIONS {
            // A relation that is just being swapped is locked. It is checked after the next kill.
            let sql = format!(
                "set lock_timeout = 50; select string_agg(version::text, ' ') from w.{relation}"
            );
            let Ok(found) = client.simple_query(&sql) else { continue };
            let found = found.into_iter().find_map(|m| match m {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            let found = found.unwrap_or_default();
            assert!(
                ["1 1", "2 2"].contains(&&*found),
                "{relation} after the kill at `{after}`: {found}"
            );
        }
    };
    let mut child = p.start(&["build"]);
    let mut client = own.superuser();
    let mut killed = BTreeSet::new();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it does not end; killed at {killed:?}"
        );
        let found = rows(
            &mut client,
            "select substr(application_name, 4) from pg_stat_activity where application_name like 'at %'",
        );
        let Some(step) = found.into_iter().next() else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        // Only the first attempt stops here. The commit also flushes the build's earlier commits to
        // the disk.
        client
            .batch_execute(&format!(
                "set synchronous_commit = on; insert into gates.passed values ('{step}')"
            ))
            .unwrap();
        own.script("kill");
        own.script("up");
        client = own.superuser();
        whole(&mut client, &step);
        assert!(killed.insert(step.clone()), "it stopped twice at `{step}`");
    }
    let ran = end(child);
    let all =
        ["audit", "delta", "end", "hook", "inside", "seed", "snapshot", "swap", "table", "view"];
    assert_eq!(killed, BTreeSet::from(all.map(str::to_owned)), "{}", said(&ran));
    // A hook outside of the transaction may have had an effect, so it is not run again. One inside
    // of it is.
    assert_eq!(ran.code, 1, "{}", said(&ran));
    let statuses = by_name(&p);
    for name in ["s", "v", "t", "audited", "swapped", "delta", "inside", "n", "h"] {
        assert_eq!(statuses[name], "success", "{name}: {}", said(&ran));
    }
    for (name, status) in
        [("on_audited", "pass"), ("on_inside", "pass"), ("shop-on-run-end-0", "error")]
    {
        assert_eq!(statuses[name], status, "{name}: {}", said(&ran));
    }
    p.ok(&["build"]);
    for relation in RELATIONS {
        let found =
            rows(&mut client, &format!("select string_agg(version::text, ' ') from w.{relation}"));
        assert_eq!(found, ["2 2"], "{relation}");
    }
    let left = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'w' and relname like '%\\_\\_%'";
    assert_eq!(rows(&mut client, left), ["0"]);
}

#[test]
fn a_server_killed_at_each_kind_of_step_costs_no_node_and_no_data() {
    killed_at_each_kind_of_step("PORT", "");
}

#[test]
fn a_server_killed_behind_its_pooler_costs_no_node_and_no_data() {
    killed_at_each_kind_of_step("BOUNCER_PORT", ", pooled: true");
}

/// A proxy in front of the server. Its connections can be cut, and new ones refused.
struct Proxy {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    fn before(server: &Server) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let proxy = Proxy { port, open: open.clone(), closed: closed.clone() };
        let there = format!("{}:{}", server.get("HOST"), server.get("PORT"));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&there) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let mut buffer = [0; 8192];
                        while let Ok(n @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..n]).is_err() {
                                break;
                            }
                        }
                        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
                open.lock().unwrap().push(near);
            }
        });
        proxy
    }

    fn cut(&self) {
        self.open.lock().unwrap().drain(..).for_each(|s| drop(s.shutdown(Shutdown::Both)));
    }
}

/// A project whose target is reached through a proxy; its model `t` waits for the advisory lock
/// `key`.
fn behind_a_proxy(server: &Server, proxy: &Proxy, key: i64) -> Project {
    let schema = server.schema("direct");
    let profiles = format!(
        "shop: {{target: proxy, outputs: {{proxy: {{type: postgres, host: 127.0.0.1, port: {}, user: {}, password: {}, dbname: {}, schema: {schema}, application_name: {schema}, threads: 3}}}}}}\n",
        proxy.port,
        server.get("USER"),
        server.get("PASSWORD"),
        server.get("DATABASE"),
    );
    let model = format!(
        "{{{{ config(materialized='table') }}}} select {{{{ var('x', 1) }}}} as x from (select pg_advisory_xact_lock_shared({key})) l"
    );
    project(
        server,
        &[
            ("profiles.yml", &profiles),
            ("models/t.sql", &model),
            ("models/one.sql", "select 1 as x"),
            ("models/two.sql", "select 2 as x"),
            // One of these is built by the worker that built `t`, the others by workers that have
            // been idle since then.
            ("models/after.sql", "{{ config(materialized='table') }} select * from {{ ref('t') }}"),
            ("models/also.sql", "{{ config(materialized='table') }} select * from {{ ref('t') }}"),
            (
                "models/asks.sql",
                "-- depends_on: {{ ref('t') }}\nselect {{ run_query('select 7').columns[0].values()[0] if execute }} as x",
            ),
        ],
    )
}

#[test]
fn a_connection_dropped_in_the_middle_is_opened_again_and_the_node_built_again() {
    let Some(server) = Server::new("faults_cut") else { return };
    let proxy = Proxy::before(&server);
    let p = behind_a_proxy(&server, &proxy, 7_301);
    let mut holder = server.connect();
    let schema = server.schema("direct");
    // Written when a node has ended, after its last statement.
    let ended =
        ["one", "two"].map(|name| p.path().join(format!("target/run/shop/models/{name}.sql")));
    for _ in 0..2 {
        let _ = std::fs::remove_dir_all(p.path().join("target/run"));
        rows(&mut holder, "select pg_advisory_lock(7301)");
        let child = p.start(&["build"]);
        // Once the other models have ended, only `t` is being built.
        let begun = Instant::now();
        while !ended.iter().all(|path| path.exists()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "they do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        until(&mut holder, &runs(&format!("%{schema}%7301%"), "and wait_event = 'advisory'"));
        let idle = "state = 'idle' and query like '%advisory_unlock%' and application_name";
        until(
            &mut holder,
            &format!("select count(*) >= 1 from pg_stat_activity where {idle} = '{schema}'"),
        );
        proxy.cut();
        rows(&mut holder, "select pg_advisory_unlock(7301)");
        let ran = end(child);
        assert_eq!(ran.code, 0, "{}", said(&ran));
        assert_eq!(rows(&mut holder, &format!("select x from {schema}.after")), ["1"]);
        assert_eq!(rows(&mut holder, &format!("select x from {schema}.asks")), ["7"]);
    }
}

#[test]
fn a_hook_whose_session_was_ended_fails_alone() {
    let Some(server) = Server::new("faults_ended") else { return };
    let hook =
        "on-run-start: [\"select pg_advisory_xact_lock_shared(7305), '{{ target.schema }}'\"]";
    let p = project(
        &server,
        &[
            ("project.yml", &format!("name: shop\nprofile: shop\n{hook}\n")),
            ("models/a.sql", "{{ config(materialized='table') }} select 1 as x"),
        ],
    );
    for target in ["direct", "pooled"] {
        let mut holder = server.superuser();
        rows(&mut holder, "select pg_advisory_lock(7305)");
        let child = p.start(&["build", "--target", target]);
        let waits = format!(
            "query like '/*%select pg_advisory_xact_lock_shared%{}%'",
            server.schema(target)
        );
        until(
            &mut holder,
            &format!(
                "select count(*) = 1 from pg_stat_activity where wait_event = 'advisory' and {waits}"
            ),
        );
        rows(
            &mut holder,
            &format!("select pg_terminate_backend(pid) from pg_stat_activity where {waits}"),
        );
        let ran = end(child);
        assert_eq!(ran.code, 1, "{target}: {}", said(&ran));
        assert!(said(&ran).contains("project.yml:3:"), "{target}: {}", said(&ran));
        let statuses = by_name(&p);
        assert_eq!(
            (&*statuses["shop-on-run-start-0"], &*statuses["a"]),
            ("error", "success"),
            "{target}: {}",
            said(&ran)
        );
    }
}

#[test]
fn a_server_that_stays_away_ends_the_run_with_its_results() {
    let Some(server) = Server::new("faults_away") else { return };
    let proxy = Proxy::before(&server);
    let p = behind_a_proxy(&server, &proxy, 7_302);
    p.ok(&["build"]);
    let mut holder = server.connect();
    let schema = server.schema("direct");
    rows(&mut holder, "select pg_advisory_lock(7302)");
    let child = p.start(&["build", "--vars", "x: 2"]);
    until(&mut holder, &runs(&format!("%{schema}%7302%"), "and wait_event = 'advisory'"));
    proxy.closed.store(true, Ordering::SeqCst);
    proxy.cut();
    let ran = end_within(child, Duration::from_secs(45));
    assert_eq!(ran.code, 1, "{}", said(&ran));
    let statuses = by_name(&p);
    assert_eq!((&*statuses["t"], &*statuses["after"]), ("error", "skipped"), "{}", said(&ran));
    let port = proxy.port;
    assert!(
        said(&ran).contains(&format!("127.0.0.1:{port}")) && said(&ran).contains("models/t.sql:1:"),
        "{}",
        said(&ran)
    );
    assert_eq!(rows(&mut holder, &format!("select x from {schema}.after")), ["1"]);
    // A connection that is lost before a run begins is an error of the command.
    let ran = p.run(&["build"]);
    assert_eq!(ran.code, 2, "{}", said(&ran));
    assert!(
        said(&ran).contains(&format!("127.0.0.1:{port}")) && said(&ran).contains("strata debug"),
        "{}",
        said(&ran)
    );
}

#[test]
fn builds_at_once_against_one_schema_all_succeed() {
    let Some(server) = Server::new("faults_at_once") else { return };
    let p = project(
        &server,
        &[
            ("seeds/s.csv", "id,n\n1,1\n2,2\n"),
            ("models/v.sql", "select id, n from {{ ref('s') }}"),
            (
                "models/t.sql",
                "{{ config(materialized='table') }} select id, n, pg_sleep(0.05)::text as z from {{ ref('v') }}",
            ),
            ("models/w.sql", "select id, n from {{ ref('t') }}"),
            (
                "models/i.sql",
                "{{ config(materialized='incremental', unique_key='id') }} select id, n from {{ ref('w') }}",
            ),
            (
                "models/s.yml",
                "models: [{name: t, columns: [{name: id, data_tests: [unique, not_null]}]}, {name: i, columns: [{name: id, data_tests: [unique]}]}]",
            ),
            (
                "snapshots/n.yml",
                "snapshots: [{name: n, relation: ref('t'), config: {strategy: check, unique_key: id, check_cols: [n]}}]",
            ),
        ],
    );
    for target in ["direct", "pooled"] {
        let schema = server.schema(target);
        // At first nothing exists yet, not even the schema.
        for round in 0..3 {
            let all = ["a", "b", "c"]
                .map(|path| p.start(&["build", "--target", target, "--target-path", path]));
            for ran in all.map(end) {
                assert_eq!(ran.code, 0, "{target}, round {round}: {}", said(&ran));
            }
            for relation in ["s", "v", "t", "w", "i", "n"] {
                let found =
                    server.rows(&format!("select id, n from {schema}.{relation} order by 1, 2"));
                assert_eq!(found, ["1|1", "2|2"], "{target}, round {round}: {relation}");
            }
        }
        let left = format!(
            "select relname from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = '{schema}' and relname like '%\\_\\_%'"
        );
        assert!(server.rows(&left).is_empty(), "{:?}", server.rows(&left));
    }
}

#[test]
fn a_schema_made_by_another_at_the_same_time_is_there() {
    let Some(server) = Server::new("faults_schema") else { return };
    let p = project(&server, &[("models/a.sql", "select 1 as x")]);
    let schema = server.schema("direct");
    let mut other = server.connect();
    other.batch_execute(&format!("begin; create schema {schema}")).unwrap();
    let child = p.start(&["build"]);
    until(
        &mut server.connect(),
        &runs(&format!("create schema%{schema}%"), "and wait_event_type = 'Lock'"),
    );
    other.batch_execute("commit").unwrap();
    let ran = end(child);
    assert_eq!(ran.code, 0, "{}", said(&ran));
}

#[test]
fn a_locked_relation_names_who_builds_it_and_an_interrupt_ends_the_wait() {
    let Some(server) = Server::new("faults_locks") else { return };
    let gated = "{{ config(materialized='table') }} select 1 as x from (select pg_advisory_xact_lock_shared(7303)) l";
    let p = project(&server, &[("models/a.sql", gated), ("models/b.sql", "select 2 as x")]);
    for target in ["direct", "pooled"] {
        let schema = server.schema(target);
        let mut client = server.connect();
        rows(&mut client, "select pg_advisory_lock(7303)");
        // Only this model, since the second build may build the other one itself.
        let first =
            p.start(&["build", "--select", "a", "--target", target, "--target-path", "first"]);
        until(&mut client, &runs(&format!("%{schema}%7303%"), "and wait_event = 'advisory'"));
        // The process that builds: the server's, or behind a pooler the one on this machine.
        let pid = if target == "pooled" {
            let held = rows(
                &mut client,
                &format!("select pid from {schema}.strata_lock where relation = '{schema}.a'"),
            );
            assert_eq!(held, [first.id().to_string()]);
            held[0].clone()
        } else {
            let held = "select l.pid from pg_locks l join pg_stat_activity a using (pid) where l.pid <> pg_backend_pid() and l.locktype = 'advisory' and l.granted and a.query like";
            rows(&mut client, &format!("{held} '%{schema}%7303%' limit 1"))[0].clone()
        };
        let ran = p.run(&["build", "--target", target, "--wait-timeout", "0"]);
        assert_eq!(ran.code, 1, "{target}: {}", said(&ran));
        assert!(
            said(&ran).contains(&format!("{schema}.a is being built by process {pid} ")),
            "{target}: {}",
            said(&ran)
        );
        assert!(said(&ran).contains("--wait-timeout"), "{target}: {}", said(&ran));
        assert_eq!(
            (p.status("model.shop.a"), p.status("model.shop.b")),
            ("error".into(), "success".into())
        );
        // A build that waits says so, and can be interrupted.
        let mut waiting = p.start(&["build", "--target", target, "--select", "a"]);
        let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
        let said_first = format!("waiting for {schema}.a, being built by process {pid} ");
        assert!(
            lines.any(|l| l.unwrap().starts_with(&said_first)),
            "{target}: it does not say {said_first}"
        );
        interrupt(&waiting);
        let ran = end_within(waiting, Duration::from_secs(10));
        assert_eq!(ran.code, 1, "{target}: {}", said(&ran));
        rows(&mut client, "select pg_advisory_unlock(7303)");
        let ran = end(first);
        assert_eq!(ran.code, 0, "{target}: {}", said(&ran));
    }
    // No row is left behind. A row of another machine is valid until it has not been renewed for 15
    // seconds.
    let schema = server.schema("pooled");
    assert_eq!(server.rows(&format!("select count(*) from {schema}.strata_lock")), ["0"]);
    server.run(&format!(
        "insert into {schema}.strata_lock values ('{schema}.b', 'x', 'elsewhere', 77, now() - interval '10 s')"
    ));
    let ran = p.run(&["build", "--target", "pooled", "--wait-timeout", "0", "--select", "b"]);
    assert!(ran.code == 1 && said(&ran).contains("process 77 on elsewhere"), "{}", said(&ran));
    server.run(&format!("update {schema}.strata_lock set heartbeat = now() - interval '16 s'"));
    p.ok(&["build", "--target", "pooled", "--wait-timeout", "0", "--select", "b"]);
}

/// Project A4 of the findings: nodes of all kinds that depend on each other, and a seed whose rows
/// tell which build loaded them.
fn shared_project(server: &Server, last: &str) -> Project {
    let seed: String = (1..400).map(|i| format!("{i},{},2024-01-01\n", i % 7)).collect();
    let snapshot = |name: &str, of: &str, how: &str| {
        format!(
            "snapshots:\n  - name: {name}\n    relation: ref('{of}')\n    config: {{unique_key: id, {how}}}\n"
        )
    };
    project(
        server,
        &[
            ("seeds/base.csv", &format!("id,amount,upd\n{seed}400,{last},2024-01-01\n")),
            ("models/stg_base.sql", "select id, amount, upd from {{ ref('base') }}"),
            (
                "models/inc.sql",
                "{{ config(materialized='incremental', unique_key='id') }} select id, amount from {{ ref('stg_base') }}",
            ),
            (
                "models/mart.sql",
                "{{ config(materialized='table') }} select count(*) as n, sum(amount) as total from {{ ref('inc') }}",
            ),
            (
                "models/v_mart.sql",
                "select *, (select count(*) from {{ ref('stg_base') }}) as m from {{ ref('mart') }}",
            ),
            (
                "models/t_grp.sql",
                "{{ config(materialized='table', post_hook='analyze {{ this }}') }} select amount, count(*) as n \
                 from {{ ref('stg_base') }}, (select pg_sleep(0.1)) s group by amount",
            ),
            (
                "snapshots/c.yml",
                &snapshot("snap_c", "stg_base", "strategy: check, check_cols: all"),
            ),
            (
                "snapshots/t.yml",
                &snapshot("snap_t", "base", "strategy: timestamp, updated_at: upd"),
            ),
            (
                "models/s.yml",
                "models:\n  - name: inc\n    columns: [{name: id, data_tests: [unique, not_null]}]\n\
                 \x20 - name: stg_base\n    columns: [{name: id, data_tests: [unique, not_null]}]\n",
            ),
        ],
    )
}

#[test]
fn builds_at_once_of_two_clones_wait_for_each_other_by_the_node() {
    let Some(server) = Server::new("faults_clones") else { return };
    for target in ["direct", "pooled"] {
        let clones = [shared_project(&server, "5"), shared_project(&server, "6")];
        clones[0].ok(&["build", "--target", target]);
        for round in 0..2 {
            let begin = |i: usize| {
                let own = format!("t{i}");
                let args = ["build", "--threads", "4", "--target", target, "--target-path", &own];
                (i, clones[i % 2].start(&args))
            };
            let builds: Vec<_> = (0..4).map(begin).collect();
            for (i, child) in builds {
                let ran = end_within(child, Duration::from_secs(120));
                assert_eq!(ran.code, 0, "{target}, round {round}, build {i}: {}", said(&ran));
            }
        }
        let s = server.schema(target);
        let sums = server.rows(&format!(
            "select (select total - sum(amount) from {s}.inc), n, m from {s}.v_mart"
        ));
        assert_eq!(sums, ["0|400|400"], "{target}");
        let left = format!(
            "select relname from pg_class where relnamespace = '{s}'::regnamespace and relname ~ '__'"
        );
        assert!(server.rows(&left).is_empty(), "{target}");
    }
}

#[test]
fn what_a_killed_build_held_is_free_at_once() {
    let Some(server) = Server::new("faults_killed") else { return };
    let gated = "{{ config(materialized='table') }} select 1 as x from (select pg_advisory_xact_lock_shared(7311)) l";
    let p = project(&server, &[("models/a.sql", gated)]);
    for target in ["direct", "pooled"] {
        let schema = server.schema(target);
        let mut client = server.connect();
        rows(&mut client, "select pg_advisory_lock(7311)");
        let mut first = p.start(&["build", "--target", target]);
        until(&mut client, &runs(&format!("%{schema}%7311%"), "and wait_event = 'advisory'"));
        first.kill().unwrap();
        first.wait().unwrap();
        rows(&mut client, "select pg_advisory_unlock(7311)");
        // The server may need a moment to notice that a connection is gone. Behind the pooler, the
        // row of a killed process would otherwise count for 15 seconds.
        p.ok(&["build", "--target", target, "--wait-timeout", "3"]);
    }
}

#[test]
fn each_fault_has_its_sqlstate_and_place_and_leaves_what_is_published() {
    let Some(server) = Server::new("faults_sql") else { return };
    let admin = |sql: &str| server.superuser().batch_execute(sql).unwrap();
    admin(
        "create schema faults_sql_x; grant usage on schema faults_sql_x to strata;
         create table faults_sql_x.secret (x int);
         create sequence faults_sql_x.calls; grant usage on sequence faults_sql_x.calls to strata;
         create function faults_sql_x.fails(code text, times int) returns int language plpgsql as $$ begin
            if nextval('faults_sql_x.calls') <= times then raise exception 'made to fail' using errcode = code; end if;
            return 2;
         end $$",
    );
    let model = |hook: &str, sql: &str| {
        format!(
            "{{{{ config(materialized='table'{hook}) }}}}\nselect\n  {{% if var('fail', false) %}}{sql}{{% else %}}1{{% endif %}} as x"
        )
    };
    let files = [
        ("models/denied.sql", model("", "(select x from faults_sql_x.secret)")),
        ("models/full.sql", model("", "faults_sql_x.fails('53100', 1000000)")),
        (
            "models/zero.sql",
            model("", "1 / (select count(*) from pg_class where relname = 'nothing')"),
        ),
        ("models/good.sql", model("", "2")),
        (
            "models/slow.sql",
            model(", pre_hook='set statement_timeout = 200'", "(select 1 from pg_sleep(30))"),
        ),
        ("models/again.sql", model("", "faults_sql_x.fails('40001', 1)")),
    ];
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let p = project(&server, &files);
    let schema = server.schema("direct");
    p.ok(&["build"]);
    let ran = p.run(&["build", "--vars", "fail: true", "--exclude", "slow", "again"]);
    assert_eq!(ran.code, 1, "{}", said(&ran));
    for (name, state, help) in
        [("denied", "42501", "grant"), ("full", "53100", "free space"), ("zero", "22012", "")]
    {
        let all = said(&ran);
        let own = all.split("error[").find(|t| t.contains(&format!("models/{name}.sql:")));
        let own = own.unwrap_or_else(|| panic!("{name}: {all}"));
        assert!(
            own.contains(&format!("(SQLSTATE {state})")) && own.contains(help),
            "{name}: {own}"
        );
        assert_eq!(server.rows(&format!("select x from {schema}.{name}")), ["1"], "{name}");
    }
    assert_eq!(server.rows(&format!("select x from {schema}.good")), ["2"]);
    let ran = p.run(&["build", "--vars", "fail: true", "--select", "slow"]);
    assert!(
        said(&ran).contains("SQLSTATE 57014") && said(&ran).contains("statement_timeout"),
        "{}",
        said(&ran)
    );
    assert_eq!(server.rows(&format!("select x from {schema}.slow")), ["1"]);
    assert_eq!(
        server.rows(&format!("select to_regclass('{schema}.slow__dbt_tmp') is null")),
        ["true"]
    );
    // After a serialization failure the node is built again.
    admin("alter sequence faults_sql_x.calls restart");
    p.ok(&["build", "--vars", "fail: true", "--select", "again"]);
    assert_eq!(server.rows(&format!("select x from {schema}.again")), ["2"]);
}

#[test]
fn a_deadlock_is_tried_once_more() {
    let Some(server) = Server::new("faults_deadlock") else { return };
    server.run(
        "create schema faults_deadlock_x;
         create table faults_deadlock_x.d (id int primary key, n int);
         insert into faults_deadlock_x.d values (1, 0), (2, 0);
         create sequence faults_deadlock_x.calls;
         create function faults_deadlock_x.both() returns bigint language plpgsql as $$
         declare call bigint := nextval('faults_deadlock_x.calls');
         begin
            update faults_deadlock_x.d set n = n + 1 where id = 1;
            perform pg_advisory_xact_lock(7304);
            update faults_deadlock_x.d set n = n + 1 where id = 2;
            return call;
         end $$",
    );
    let p = project(
        &server,
        &[(
            "models/a.sql",
            "{{ config(materialized='table') }} select faults_deadlock_x.both() as calls",
        )],
    );
    let (mut other, mut gate) = (server.superuser(), server.superuser());
    // The long timeout of the other session makes the build the one that detects the deadlock and
    // is aborted.
    other
        .batch_execute(
            "begin; set local deadlock_timeout = '60s'; update faults_deadlock_x.d set n = n + 10 where id = 2",
        )
        .unwrap();
    rows(&mut gate, "select pg_advisory_lock(7304)");
    let child = p.start(&["build"]);
    until(&mut gate, &runs("%faults_deadlock_x.both%", "and wait_event = 'advisory'"));
    let other = std::thread::spawn(move || {
        other
            .batch_execute(
                "update faults_deadlock_x.d set n = n + 10 where id = 1 /* other */; commit",
            )
            .unwrap();
    });
    until(&mut gate, &runs("%/* other */%", "and wait_event_type = 'Lock'"));
    rows(&mut gate, "select pg_advisory_unlock(7304)");
    let ran = end(child);
    other.join().unwrap();
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(server.rows(&format!("select calls from {}.a", server.schema("direct"))), ["2"]);
    assert_eq!(server.rows("select n from faults_deadlock_x.d"), ["11", "11"]);
}

#[test]
fn an_interrupt_cancels_what_runs_on_the_server() {
    let Some(server) = Server::new("faults_cancel") else { return };
    let p = project(
        &server,
        &[
            (
                "models/slow.sql",
                "{{ config(materialized='table') }} select pg_sleep(60)::text as x",
            ),
            ("models/after.sql", "select * from {{ ref('slow') }}"),
            ("models/tested.sql", "{{ config(materialized='table') }} select 1 as x"),
            ("tests/one.sql", "select 1 as x from {{ ref('tested') }} where pg_sleep(60) is null"),
            ("tests/two.sql", "select 2 as x from {{ ref('tested') }} where pg_sleep(60) is null"),
            (
                "tests/three.sql",
                "select 3 as x from {{ ref('tested') }} where pg_sleep(60) is null",
            ),
            (
                "project.yml",
                "name: shop\nprofile: shop\non-run-start: [\"select pg_sleep({{ 60 if var('hook', false) else 0 }}), '{{ target.schema }}'\"]\n",
            ),
        ],
    );
    let mut client = server.connect();
    for target in ["direct", "pooled"] {
        let like = format!("%{}%pg_sleep(60)%", server.schema(target));
        // What is interrupted: a statement, tests on several connections and those that would
        // follow, and a hook.
        for (what, more, marker) in [
            ("slow+", &[][..], like.clone()),
            ("tested", &[][..], like.clone()),
            (
                "slow",
                &["--vars", "hook: true"][..],
                format!("%pg_sleep(60),%{}%", server.schema(target)),
            ),
        ] {
            let args: Vec<&str> = ["build", "--target", target, "--select", what]
                .iter()
                .chain(more)
                .copied()
                .collect();
            let child = p.start(&args);
            until(&mut client, &runs(&marker, ""));
            interrupt(&child);
            let ran = end_within(child, Duration::from_secs(10));
            assert_eq!(ran.code, 1, "{target} {what}: {}", said(&ran));
            // An interrupted statement must not be reported as a timeout.
            assert!(!said(&ran).contains("statement_timeout"), "{target} {what}: {}", said(&ran));
            let statuses = by_name(&p);
            let expected: &[(&str, &str)] = match what {
                "slow+" => &[("slow", "error"), ("after", "skipped")],
                "tested" => &[("tested", "error")],
                _ => &[("slow", "skipped")],
            };
            for (name, status) in expected {
                assert_eq!(statuses[*name], *status, "{target} {what}: {}", said(&ran));
            }
            until(
                &mut client,
                &format!("select not ({})", runs(&like, "").trim_start_matches("select ")),
            );
        }
    }
    // The pooler has survived.
    assert_eq!(
        p.run(&[
            "build",
            "--target",
            "pooled",
            "--select",
            "tested",
            "--no-audit",
            "--exclude",
            "test_type:data"
        ])
        .code,
        0
    );
}

#[test]
fn debug_says_which_step_of_a_connection_fails() {
    let Some(server) = Server::new("faults_debug") else { return };
    server
        .superuser()
        .batch_execute(
            "do $$ begin if not exists (select from pg_roles where rolname = 'faults_nobody') then
                create role faults_nobody; end if; end $$;
             alter role faults_nobody login password 'faults-nobody';
             create schema faults_debug_closed",
        )
        .unwrap();
    // This server accepts connections, but never replies.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().map(|a| (a.port().to_string(), silent)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let folder = TempDir::new().unwrap();
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out other.pem -subj /CN=other"
                .split(' '),
        )
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let other = folder.path().join("other.pem");
    let (host, port, user, password) =
        (server.get("HOST"), server.get("PORT"), server.get("USER"), server.get("PASSWORD"));
    let (database, bouncer) = (server.get("DATABASE"), server.get("BOUNCER_PORT"));
    let output = |name: &str,
                  host: &str,
                  port: &str,
                  user: &str,
                  password: &str,
                  database: &str,
                  more: &str| {
        format!(
            "    {name}: {{type: postgres, host: {host}, port: {port}, user: {user}, password: {password}, dbname: {database}, connect_timeout: 2, {more}}}\n"
        )
    };
    let mut profiles = "shop:\n  target: ok\n  outputs:\n".to_owned();
    let here = "schema: faults_debug_new";
    profiles += &output("ok", host, port, user, password, database, here);
    profiles += &output("pooler", host, bouncer, user, password, database, here);
    profiles += &output("dns", "no-such-host.invalid", port, user, password, database, here);
    profiles += &output("tcp", host, &free, user, password, database, here);
    profiles += &output("mute", host, &silent.0, user, password, database, here);
    let root = format!("{here}, sslmode: verify-ca, sslrootcert: {}", other.display());
    profiles += &output("tls", host, port, user, password, database, &root);
    profiles += &output("login", host, port, user, "not-the-password", database, here);
    profiles += &output(
        "role",
        host,
        port,
        user,
        password,
        database,
        &format!("{here}, role: faults_debug_no_role"),
    );
    profiles += &output(
        "pooled_role",
        host,
        bouncer,
        user,
        password,
        database,
        &format!("{here}, role: faults_debug_no_role"),
    );
    profiles += &output("database", host, port, user, password, "faults_debug_no_database", here);
    profiles += &output("create", host, port, "faults_nobody", "faults-nobody", database, here);
    profiles += &output(
        "closed",
        host,
        port,
        "faults_nobody",
        "faults-nobody",
        database,
        "schema: faults_debug_closed",
    );
    let p = project(&server, &[("profiles.yml", &profiles)]);
    for (target, failed, passed, shown) in [
        ("ok", "", &["DNS", "TCP", "TLS", "login", "database", "schema"][..], "all checks passed"),
        ("pooler", "", &["DNS", "TCP", "TLS", "login", "database", "schema"][..], "pooler"),
        ("dns", "DNS", &[], "no-such-host.invalid"),
        ("tcp", "TCP", &["DNS"], "port"),
        ("tls", "TLS", &["DNS", "TCP"], "certificate"),
        ("login", "login", &["DNS", "TCP"], "28P01"),
        ("role", "login", &["DNS", "TCP"], "faults_debug_no_role"),
        ("pooled_role", "login", &["DNS", "TCP"], "faults_debug_no_role"),
        ("database", "database", &["DNS", "TCP"], "3D000"),
        ("create", "schema", &["DNS", "TCP", "login", "database"], "42501"),
        ("closed", "schema", &["DNS", "TCP", "login", "database"], "42501"),
    ] {
        let ran = p.run(&["debug", "--target", target]);
        let all = said(&ran);
        assert_eq!(ran.code, i32::from(!failed.is_empty()), "{target}: {all}");
        let line = |step: &str| {
            all.lines().find(|l| l.starts_with(&format!("{step}:"))).map(str::to_owned)
        };
        for step in passed {
            assert!(line(step).is_some_and(|l| !l.ends_with("failed")), "{target}, {step}: {all}");
        }
        if !failed.is_empty() {
            assert!(
                line(failed).is_some_and(|l| l.ends_with("failed")),
                "{target}, {failed}: {all}"
            );
        }
        assert!(all.contains(shown), "{target}: {all}");
        assert!(!all.contains(password) && !all.contains("not-the-password"), "{target}: {all}");
    }
    let ran = end_within(p.start(&["debug", "--target", "mute"]), Duration::from_secs(15));
    assert_eq!(ran.code, 1, "{}", said(&ran));
    assert!(said(&ran).contains("TCP:"), "{}", said(&ran));
    // Nothing was created.
    assert_eq!(
        server.rows("select count(*) from pg_namespace where nspname = 'faults_debug_new'"),
        ["0"]
    );
}

#[test]
fn what_the_profile_leaves_open_is_taken_from_the_environment() {
    let Some(server) = Server::new("faults_env") else { return };
    let schema = server.schema("direct");
    let asks = "select current_user::text as who, session_user::text as login, current_setting('application_name') as app, current_setting('search_path') as path, (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as tls, current_database()::text as db";
    let p = project(
        &server,
        &[
            ("models/a.sql", &format!("{{{{ config(materialized='table') }}}} {asks}")),
            (
                "profiles.yml",
                &format!(
                    "shop: {{target: open, outputs: {{open: {{type: postgres, schema: {schema}}}, set: {{type: postgres, schema: {schema}, search_path: \"faults_env_x, public\", role: strata_other, application_name: mine}}}}}}\n"
                ),
            ),
        ],
    );
    let pgpass = p.path().join("pgpass");
    let line =
        format!("*:{}:*:{}:{}", server.get("PORT"), server.get("USER"), server.get("PASSWORD"));
    std::fs::write(&pgpass, format!("# wrong ones first\nelsewhere:*:*:*:no\n{line}\n")).unwrap();
    let private = |mode: &str| {
        assert!(Command::new("chmod").arg(mode).arg(&pgpass).status().unwrap().success())
    };
    private("600");
    let build = |host: &str, target: &str, more: &[(&str, &str)]| {
        let mut command = p.command(&["build", "--target", target]);
        command
            .env("PGHOST", host)
            .env("PGPORT", server.get("PORT"))
            .env("PGUSER", server.get("USER"));
        command
            .env("PGDATABASE", server.get("DATABASE"))
            .env("PGPASSFILE", &pgpass)
            .envs(more.iter().copied());
        Ran::from(command.output().unwrap())
    };
    let found = || {
        server
            .superuser()
            .simple_query("select 1")
            .map(|_| rows(&mut server.superuser(), &format!("select * from {schema}.a")))
            .unwrap()
    };
    let database = server.get("DATABASE");
    let ran = build(server.get("HOST"), "open", &[("PGSSLMODE", "disable")]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(found(), [format!("strata|strata|strata|\"$user\", public|false|{database}")]);
    let verified = [
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", server.get("CA")),
        ("PGAPPNAME", "nightly"),
    ];
    let ran = build("localhost", "open", &verified);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(found(), [format!("strata|strata|nightly|\"$user\", public|true|{database}")]);
    // TLS is not used on a socket.
    let ran = build(server.get("SOCKET"), "open", &verified);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(found(), [format!("strata|strata|nightly|\"$user\", public|false|{database}")]);
    server
        .superuser()
        .batch_execute(&format!(
            "drop schema {schema} cascade; grant create on database {database} to strata_other"
        ))
        .unwrap();
    let ran = build(server.get("HOST"), "set", &[]);
    assert_eq!(ran.code, 0, "{}", said(&ran));
    assert_eq!(found(), [format!("strata_other|strata|mine|faults_env_x, public|null|{database}")]);
    // Logs in with a certificate instead of a password.
    let files = [
        ("PGSSLCERT", server.get("CERT")),
        ("PGSSLKEY", server.get("KEY")),
        ("PGDATABASE", "certonly"),
        ("PGPASSFILE", "/nonexistent"),
    ];
    let ran = build("localhost", "open", &[&verified[..], &files[..]].concat());
    assert_eq!(ran.code, 0, "{}", said(&ran));
    // The password file is ignored if others can read it.
    private("644");
    let ran = build(server.get("HOST"), "open", &[]);
    assert!(ran.code == 2 && said(&ran).contains("chmod 600"), "{}", said(&ran));
}

#[test]
fn a_password_is_never_printed_or_written() {
    let Some(server) = Server::new("faults_password") else { return };
    let password = "hunter\"22\\of:it";
    server
        .superuser()
        .batch_execute(&format!(
            "do $$ begin if not exists (select from pg_roles where rolname = 'faults_password') then
                create role faults_password; end if; end $$;
             alter role faults_password login password '{password}';
             grant create on database {} to faults_password",
            server.get("DATABASE")
        ))
        .unwrap();
    let profiles = format!(
        "shop: {{target: pg, outputs: {{pg: {{type: postgres, host: {}, port: {}, user: faults_password, password: '{password}', dbname: {}, schema: {}}}, away: {{type: postgres, host: 127.0.0.1, port: 1, user: x, pass: '{password}', dbname: d, schema: s}}}}}}\n",
        server.get("HOST"),
        server.get("PORT"),
        server.get("DATABASE"),
        server.schema("direct")
    );
    let p = project(
        &server,
        &[
            ("profiles.yml", &profiles),
            (
                "models/a.sql",
                "{{ config(materialized='table') }} {{ log(target, info=true) }} select 1 as x, '{{ target.password }}{{ target.pass }}' as y",
            ),
            ("models/b.sql", "{{ config(materialized='table') }} select '{{ target }}' as p, nope"),
            (
                "models/c.sql",
                "select 1 as x {% if execute %}{{ exceptions.raise_compiler_error(target | string) }}{% endif %}",
            ),
        ],
    );
    let mut written = String::new();
    for args in [
        &["build"][..],
        &["--debug", "build"],
        &["--debug", "--log-format", "json", "build"],
        &["compile", "--select", "b"],
        &["debug"],
        &["debug", "--target", "away"],
        &["build", "--target", "away"],
    ] {
        let ran = p.run(args);
        assert!(
            args.contains(&"compile") || args == ["debug"] || ran.code != 0,
            "{args:?}: {}",
            said(&ran)
        );
        written += &format!("{args:?}\n{}", said(&ran));
    }
    assert!(written.contains("SQLSTATE 42"), "{written}");
    let mut folders = vec![p.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.file_name().is_none_or(|n| n != "profiles.yml") {
                written += &format!(
                    "{}:\n{}\n",
                    entry.display(),
                    String::from_utf8_lossy(&std::fs::read(&entry).unwrap())
                );
            }
        }
    }
    assert!(written.contains("run_results.json"));
    // The plain text of each secret, and the escaped one of JSON.
    for shown in [password, "hunter\\\"22", "22\\\\of"] {
        let line = written.lines().find(|l| l.contains(shown));
        assert_eq!(line, None, "{shown}");
    }
}

#[test]
fn an_interrupt_ends_what_a_command_without_a_run_asks() {
    let Some(server) = Server::new("faults_alone") else { return };
    let p = project(
        &server,
        &[(
            "macros/m.sql",
            "{% macro slow() %}{% do run_query('select pg_sleep(30)') %}{% endmacro %}",
        )],
    );
    for args in
        [["show", "--inline", "select pg_sleep(30) as x"].as_slice(), &["run-operation", "slow"]]
    {
        let child = p.start(args);
        until(&mut server.connect(), &runs("%pg_sleep(30)%", ""));
        interrupt(&child);
        let ran = end_within(child, Duration::from_secs(5));
        assert_ne!(ran.code, 0, "{args:?}: {}", said(&ran));
        assert!(said(&ran).contains("canceling statement"), "{args:?}: {}", said(&ran));
    }
}
