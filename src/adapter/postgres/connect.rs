//! Connects to a target: address, encryption, and the first statements of each session.

use super::Postgres;
use super::errors::{connection_error, engine_error};
use super::locks::Locks;
use super::tls;
use super::wire::TlsNegotiator;
use crate::engine::postgres::{PostgresOptions, SslMode};
use crate::engine::{EngineError, EngineErrorKind, Target, WaitTimeouts};
use postgres::config::SslNegotiation;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long to wait for a lock by default.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long to wait by default for a relation that another run is building.
const BUILD_WAIT: Duration = Duration::from_secs(60 * 60);

/// How long to wait for a server that went away.
const RESTART: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(200);

/// A setting that poolers do not pass on: if the session has it, the connection goes directly to
/// the server.
const PROBE: &str = "strata.direct";

/// Prepared statements are planned once per session, instead of also for each of the first five
/// executions (PostgreSQL documentation, `plan_cache_mode`, since version 12).
const PLAN_ONCE: &str = "select set_config(name, 'force_generic_plan', false) from pg_catalog.pg_settings \
     where name = 'plan_cache_mode'";

/// The state that all connections to a server share.
pub(super) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// Whether TLS is used only if the server supports it.
    prefer: bool,
    /// Whether the server is reached through a Unix socket.
    socket: bool,
    /// Set when the server did not come back in time, so that nobody waits for it again.
    gone: AtomicBool,
    /// The settings that each session starts with or, behind a pooler, each transaction.
    session: Vec<String>,
    /// Whether there is a transaction pooler, so that sessions do not outlast transactions.
    pub(super) pooled: bool,
    /// `user@host:port/database`, for messages.
    place: String,
    retries: u32,
    pub(super) lock_wait: Duration,
    pub(super) build_wait: Duration,
    pub(super) locks: Locks,
    /// For views that this run dropped and will build again, by key: the statements that restore
    /// their owner, grants, comments and triggers.
    pub(super) dropped: Mutex<HashMap<String, Vec<String>>>,
}

pub(crate) fn open_session(
    target: &Target,
    patience: WaitTimeouts,
) -> Result<Postgres, EngineError> {
    let mut server = Server::of(target, patience)?;
    let client = match target.options::<PostgresOptions>()?.pooled {
        Some(pooled) => {
            server.pooled = pooled;
            server.open_patiently(&server.config)?
        }
        None => server.probe()?,
    };
    let mut pg = Postgres::begin_session(Arc::new(server), client)?;
    // Report a wrong role or search path at once, not in the first transaction.
    if pg.server.pooled {
        pg.begin_transaction()?;
        pg.client.batch_execute("rollback").map_err(|e| engine_error(&e, ""))?;
    }
    Ok(pg)
}

/// Whether a failed connection may succeed a moment later, because the server is restarting or has
/// too many connections.
fn may_come_back(e: &EngineError) -> bool {
    match e.code.as_deref() {
        Some("57P03" | "53300") => true,
        // PgBouncer reports that its server is unavailable.
        Some("08P01") => e.message.contains("server login"),
        Some(_) => false,
        None => {
            let signs = [
                "refused",
                "reset",
                "closed",
                "broken pipe",
                "Broken pipe",
                "timed out",
                "eof",
                "EOF",
            ];
            !e.message.contains("certificate") && signs.iter().any(|s| e.message.contains(s))
        }
    }
}

fn dial(config: &Config, wire: Option<TlsNegotiator>) -> Result<Client, postgres::Error> {
    match wire {
        Some(wire) => config.connect(wire),
        None => config.connect(NoTls),
    }
}

impl Server {
    pub(super) fn of(target: &Target, patience: WaitTimeouts) -> Result<Server, EngineError> {
        let p: &PostgresOptions = target.options()?;
        let host = p.host.as_deref().unwrap_or("localhost");
        let port = p.port.unwrap_or(5432);
        let user = p.user.as_deref().unwrap_or_default();
        let mut config = Config::new();
        for one in host.split(',') {
            config.host(one.trim());
        }
        config.port(port).user(user).dbname(&target.database).application_name(&p.application_name);
        if let Some(password) = &p.password {
            config.password(password.reveal());
        }
        if p.connect_timeout > 0 {
            config.connect_timeout(Duration::from_secs(p.connect_timeout));
        }
        if p.keepalives_idle > 0 {
            config.keepalives_idle(Duration::from_secs(p.keepalives_idle));
        }
        // Unix sockets are not encrypted: libpq ignores `sslmode` for them.
        let socket = host.starts_with('/');
        let tls = if socket { None } else { tls::build_connector(p)? };
        // `TlsNegotiator` negotiates TLS itself.
        if socket {
            config.ssl_mode(postgres::config::SslMode::Disable);
        } else {
            config
                .ssl_mode(postgres::config::SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
        }
        let mut session = Vec::new();
        session.extend(p.role.as_ref().map(|role| format!("role {role}")));
        session.extend(p.search_path.as_ref().map(|path| format!("search_path = {path}")));
        Ok(Server {
            config,
            tls,
            prefer: p.sslmode.is_none_or(|m| m == SslMode::Prefer),
            socket,
            gone: AtomicBool::new(false),
            session,
            pooled: false,
            place: format!("{user}@{host}:{port}/{}", target.database),
            retries: p.retries,
            lock_wait: patience.lock.unwrap_or(LOCK_WAIT),
            build_wait: patience.build.unwrap_or(BUILD_WAIT),
            locks: Locks::default(),
            dropped: Mutex::default(),
        })
    }

    /// Connects with the probe setting to detect a pooler, which either rejects the setting or
    /// drops it silently.
    fn probe(&mut self) -> Result<Client, EngineError> {
        let mut probing = self.config.clone();
        probing.options(&format!("-c {PROBE}=on"));
        match self.open_patiently(&probing) {
            Ok(mut client) => {
                let seen = client
                    .simple_query(&format!("select current_setting('{PROBE}', true)"))
                    .map_err(|e| self.failed(&engine_error(&e, "")))?;
                let direct = seen
                    .iter()
                    .any(|m| matches!(m, postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("on")));
                self.pooled = !direct;
                Ok(client)
            }
            Err(e) if e.code.as_deref() == Some(SqlState::PROTOCOL_VIOLATION.code()) => {
                self.pooled = true;
                self.open_patiently(&self.config)
            }
            Err(e) => Err(e),
        }
    }

    /// The statement that applies the profile's settings to a session or, behind a pooler, to a
    /// transaction. `None` if there are none.
    pub(super) fn session_sql(&self) -> Option<String> {
        let word = if self.pooled { "set local" } else { "set" };
        let mut all: Vec<String> = self.session.iter().map(|s| format!("{word} {s}")).collect();
        if !self.pooled {
            all.push(PLAN_ONCE.to_owned());
        }
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The statement that begins a transaction; behind a pooler it also applies the settings.
    pub(super) fn begin_sql(&self) -> String {
        match self.session_sql().filter(|_| self.pooled) {
            Some(settings) => format!("begin; {settings}"),
            None => "begin".to_owned(),
        }
    }

    /// The TLS connector; `None` for a Unix socket. For `waits`, see `TlsNegotiator`.
    pub(super) fn wire(&self, waits: bool) -> Option<TlsNegotiator> {
        (!self.socket).then(|| TlsNegotiator { tls: self.tls.clone(), prefer: self.prefer, waits })
    }

    /// Opens another connection, or replaces a lost one. Waits for a server that is restarting.
    pub(super) fn reopen(&self) -> Result<Client, EngineError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.open_once(&self.config).and_then(|client| self.reaches_the_server(client)) {
                Err(e)
                    if may_come_back(&e)
                        && waited < RESTART
                        && !self.gone.load(Ordering::SeqCst) =>
                {
                    std::thread::sleep(STEP);
                    waited += STEP;
                }
                other => {
                    self.gone.store(other.is_err(), Ordering::SeqCst);
                    return other;
                }
            }
        }
    }

    /// Behind a pooler, which accepts clients even while its server is away, finds out with an
    /// empty transaction whether the server can be reached.
    fn reaches_the_server(&self, mut client: Client) -> Result<Client, EngineError> {
        if self.pooled {
            client
                .batch_execute("begin; rollback")
                .map_err(|e| self.failed(&engine_error(&e, "")))?;
        }
        Ok(client)
    }

    /// A function that opens connections without a reference to the server.
    pub(super) fn opener(&self) -> impl Fn() -> Option<Client> + Send + 'static {
        let (config, wire) = (self.config.clone(), self.wire(false));
        move || dial(&config, wire.clone()).ok()
    }

    fn open_patiently(&self, config: &Config) -> Result<Client, EngineError> {
        let mut tries = 0;
        loop {
            match self.open_once(config) {
                Ok(client) => return Ok(client),
                // A wrong password stays wrong, but a connection that was refused, or a server that
                // is starting up, may succeed later.
                Err(e) if may_come_back(&e) && tries < self.retries => {
                    tries += 1;
                    std::thread::sleep(Duration::from_secs(u64::from(tries * tries).min(10)));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Connects within the configured timeout, even if something accepts the connection but never
    /// replies.
    fn open_once(&self, config: &Config) -> Result<Client, EngineError> {
        let (config, wire) = (config.clone(), self.wire(false));
        let limit = config.get_connect_timeout().copied();
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let started = std::thread::Builder::new().name("connect".to_owned()).spawn(move || {
            let _ = sender.send(dial(&config, wire));
        });
        started.map_err(|e| connection_error(format!("cannot start a thread to connect: {e}")))?;
        let opened = match limit {
            // TCP alone may take up to the limit.
            Some(limit) => receiver.recv_timeout(limit * 2).map_err(|_| self.silent())?,
            None => receiver.recv().map_err(|_| self.silent())?,
        };
        opened.map_err(|e| {
            let mut error = engine_error(&e, "");
            let final_ =
                error.code.as_deref().is_some_and(|c| !c.starts_with("57") && !c.starts_with("53"));
            if !final_ {
                error.kind = EngineErrorKind::Connection;
            }
            self.failed(&error)
        })
    }

    fn silent(&self) -> EngineError {
        self.failed(&connection_error("the server takes the connection and says nothing"))
    }

    fn failed(&self, e: &EngineError) -> EngineError {
        let mut error =
            connection_error(format!("cannot connect to {}: {}", self.place, e.message));
        error.kind = e.kind;
        error.code.clone_from(&e.code);
        error.hint.clone_from(&e.hint);
        if error.code.as_deref() == Some("3D000") {
            error.hint = Some(
                "create the database, or name another one as `dbname` in profiles.yml".to_owned(),
            );
        }
        if error.message.contains("UnknownIssuer") {
            let hint = "give `sslrootcert` the certificate of the authority that signed the server's, or `system`";
            error.hint = Some(hint.to_owned());
        }
        if error.message.contains("not valid for name") || error.message.contains("NotValidForName")
        {
            error.hint =
                Some("`host` must be a name in the server's certificate; `verify-ca` does not look at it".to_owned());
        }
        if error.message.contains("password missing") {
            error.hint = Some(
                "set `password` in the profile, PGPASSWORD, or a line of ~/.pgpass".to_owned(),
            );
        }
        if e.kind == EngineErrorKind::Runtime || e.kind == EngineErrorKind::Sql {
            error.kind = EngineErrorKind::Unsupported;
        }
        error
    }
}
