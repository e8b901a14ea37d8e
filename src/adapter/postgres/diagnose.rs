//! Checks a connection step by step.

use super::connect::{Server, open_session};
use super::errors::connection_error;
use super::tls::checks_certificate;
use crate::adapter::CheckStep;
use crate::engine::postgres::{DIALECT, PostgresOptions};
use crate::engine::{Dialect, EngineError, Target, WaitTimeouts, Warehouse};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Resolves the host, connects to it, logs in, and checks whether relations can be created.
pub(in crate::adapter) fn diagnose_connection(
    target: &Target,
    patience: WaitTimeouts,
) -> Vec<CheckStep> {
    let options: &PostgresOptions = match target.options() {
        Ok(options) => options,
        Err(e) => return vec![("target", Err(e))],
    };
    let mut steps: Vec<CheckStep> = Vec::new();
    if !reach_host(options, &mut steps) {
        return steps;
    }
    if let Err(e) = Server::of(target, patience) {
        steps.push(("TLS", Err(e)));
        return steps;
    }
    match open_session(target, patience) {
        Ok(mut pg) => diagnose_session(&mut pg, target, options, &mut steps),
        Err(e) => steps.push((failed_step(&e), Err(e))),
    }
    steps
}

/// Resolves the host and connects to its port; returns whether to continue. A Unix socket is only
/// named.
fn reach_host(options: &PostgresOptions, steps: &mut Vec<CheckStep>) -> bool {
    let hosts = options.host.as_deref().unwrap_or("localhost");
    let host = hosts.split(',').next().unwrap_or_default();
    let port = options.port.unwrap_or(5432);
    if host.starts_with('/') {
        steps.push(("socket", Ok(format!("{host}/.s.PGSQL.{port}"))));
        return true;
    }
    let found = look_up(host, port);
    let addresses = found.as_ref().ok().cloned().unwrap_or_default();
    steps.push((
        "DNS",
        found.map(|all| {
            format!(
                "{host} is {}",
                all.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>().join(", ")
            )
        }),
    ));
    if addresses.is_empty() {
        return false;
    }
    let reached = reach(&addresses, Duration::from_secs(options.connect_timeout.max(1)));
    let has_answered = reached.is_ok();
    steps.push(("TCP", reached));
    has_answered
}

/// The step in which connecting failed. Errors with a code come from the server itself, so TLS has
/// succeeded; others may be about TLS.
fn failed_step(e: &EngineError) -> &'static str {
    let is_about_tls = e.code.is_none()
        && ["TLS", "certificate", "peer", "handshake"].iter().any(|w| e.message.contains(w));
    match e.code.as_deref() {
        _ if is_about_tls => "TLS",
        Some("3D000") => "database",
        _ => "login",
    }
}

/// Checks the properties of an open connection and the rights of its role.
fn diagnose_session(
    pg: &mut super::Postgres,
    target: &Target,
    options: &PostgresOptions,
    steps: &mut Vec<CheckStep>,
) {
    let encrypted = first_text(
        pg,
        "select coalesce((select version || ', ' || cipher from pg_catalog.pg_stat_ssl where pid = pg_backend_pid() and ssl), '')",
    );
    steps.push((
        "TLS",
        encrypted.map(|text| match (text.is_empty(), checks_certificate(options)) {
            (false, true) => format!("{text}, certificate checked"),
            (false, false) => format!("{text}, certificate not checked"),
            (true, _) => "not used, or not between the server and its pooler".to_owned(),
        }),
    ));
    let login = first_text(
        pg,
        "select current_user || case when current_user <> session_user then ' (role of ' || session_user || ')' else '' end",
    );
    steps.push(("login", login));
    let database =
        first_text(pg, "select current_database() || ', ' || split_part(version(), ' (', 1)");
    steps.push(("database", database));
    let pooled = pg.server.pooled;
    steps.push((
        "sessions",
        Ok(if pooled { "through a transaction pooler" } else { "the server's own" }.to_owned()),
    ));
    steps.push(("schema", schema_rights(pg, &target.schema)));
}

/// The text in the only row of a query's result.
fn first_text(pg: &mut super::Postgres, sql: &str) -> Result<String, EngineError> {
    Ok(pg.texts(sql)?.into_iter().flatten().next().unwrap_or_default())
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, EngineError> {
    let found = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
    found.map_err(|e| {
        let mut error = connection_error(format!("the name {host} is not known: {e}"));
        error.hint = Some(
            "check `host` in profiles.yml, PGHOST, and that this machine is on the network"
                .to_owned(),
        );
        error
    })
}

fn reach(addresses: &[SocketAddr], timeout: Duration) -> Result<String, EngineError> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, timeout) {
            Ok(_) => return Ok(format!("{address} answers")),
            Err(e) => last = Some((address, e)),
        }
    }
    let (address, e) = last.ok_or_else(|| connection_error("there is no address"))?;
    let mut error = connection_error(format!("{address} cannot be reached: {e}"));
    error.hint = Some(match e.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            "no server listens there: check `port`, and that it is running".to_owned()
        }
        _ => "a firewall may be in between, or the server allows other addresses only".to_owned(),
    });
    Err(error)
}

/// Checks whether relations, or the schema itself, can be created. The changes are rolled back.
fn schema_rights(pg: &mut super::Postgres, schema: &str) -> Result<String, EngineError> {
    let name = DIALECT.quoted(schema);
    let there = pg.texts(&format!(
        "select 1 from pg_catalog.pg_namespace where nspname = {}",
        Dialect::literal(schema)
    ))?;
    pg.begin()?;
    let mut tried = Ok(());
    for sql in [
        format!("create schema if not exists {name}"),
        format!("create table {name}.strata_debug_check (a integer)"),
    ] {
        // An existing schema needs no rights on the database.
        if sql.starts_with("create schema") && !there.is_empty() {
            continue;
        }
        tried = tried.and_then(|()| pg.run(&sql).map(|_| ()));
    }
    pg.rollback()?;
    tried?;
    Ok(format!(
        "{schema} {}, relations can be made",
        if there.is_empty() { "can be created" } else { "is there" }
    ))
}
