//! The keys of a Postgres output: dbt-postgres's, and some more.

use super::environment;
use crate::cache::KeyWriter;
use crate::config::{Json, JsonMap, ShapeRules, ValueRules, Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::engine::target::text_of;
use crate::engine::{ConnectionOptions, OutputContext, TargetParts, TargetSpec};
use crate::hash::Fingerprint;
use crate::secret::Secret;
use serde::Serialize;
use std::any::Any;
use std::sync::Arc;

/// The use of TLS: libpq's `sslmode` (PostgreSQL documentation, "SSL Mode Descriptions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum SslMode {
    Disable,
    /// TLS if the server supports it; certificates are not verified.
    Prefer,
    /// Always TLS; certificates are verified only if a root certificate is given.
    Require,
    /// The certificate must be signed by a known authority.
    VerifyCa,
    /// The certificate must be signed by a known authority and be valid for this host.
    VerifyFull,
}

impl SslMode {
    pub(crate) const NAMES: [&str; 6] =
        ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

    pub(crate) fn parse(text: &str) -> Option<SslMode> {
        Some(match text {
            "disable" => SslMode::Disable,
            "allow" | "prefer" => SslMode::Prefer,
            "require" => SslMode::Require,
            "verify-ca" => SslMode::VerifyCa,
            "verify-full" => SslMode::VerifyFull,
            _ => return None,
        })
    }
}

/// The address of a Postgres server and the credentials. Missing values are filled in from the
/// environment when the target is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PostgresOptions {
    /// A host name, an address, or the folder of a Unix socket.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    /// Not part of the fingerprint.
    #[serde(skip)]
    pub(crate) password: Option<Secret>,
    pub(crate) sslmode: Option<SslMode>,
    /// A PEM file, or `system` for the authorities that the machine trusts.
    pub(crate) sslrootcert: Option<String>,
    pub(crate) sslcert: Option<String>,
    pub(crate) sslkey: Option<String>,
    /// In seconds.
    pub(crate) connect_timeout: u64,
    /// In seconds; 0 for the operating system's default.
    pub(crate) keepalives_idle: u64,
    pub(crate) search_path: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) application_name: String,
    /// How often a failed connection is retried.
    pub(crate) retries: u32,
    /// Whether there is a transaction-pooling proxy. `None`: it is detected on connecting.
    pub(crate) pooled: Option<bool>,
}

const KEYS: &[&str] = &[
    "type",
    "host",
    "port",
    "user",
    "password",
    "pass",
    "database",
    "dbname",
    "schema",
    "threads",
    "connect_timeout",
    "keepalives_idle",
    "search_path",
    "role",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "application_name",
    "retries",
    "pooled",
];

const SHAPES: ShapeRules = &[
    ("type", "T", ValueRules::Nothing),
    ("host", "T", ValueRules::Nothing),
    ("user", "T", ValueRules::Nothing),
    ("password", "T", ValueRules::Nothing),
    ("pass", "T", ValueRules::Nothing),
    ("dbname", "T", ValueRules::Nothing),
    ("database", "T", ValueRules::Nothing),
    ("schema", "T", ValueRules::Nothing),
    // Values from environment variables are texts.
    ("port", "TN", ValueRules::Nothing),
    ("threads", "TN", ValueRules::Nothing),
    ("keepalives_idle", "TN", ValueRules::Nothing),
    ("connect_timeout", "TN", ValueRules::Nothing),
    ("retries", "TN", ValueRules::Nothing),
    ("search_path", "T0", ValueRules::Nothing),
    ("role", "T0", ValueRules::Nothing),
];

/// The keys that are always in `target`, even if they are not set, with their default values as
/// JSON.
const VISIBLE_DEFAULTS: &[(&str, &str)] = &[
    ("connect_timeout", "10"),
    ("role", "null"),
    ("search_path", "null"),
    ("keepalives_idle", "0"),
    ("sslmode", "null"),
    ("sslcert", "null"),
    ("sslkey", "null"),
    ("sslrootcert", "null"),
    ("application_name", "\"strata\""),
    ("retries", "1"),
];

pub(super) const TARGET: TargetSpec = TargetSpec { keys: KEYS, shapes: SHAPES, read };

impl ConnectionOptions for PostgresOptions {
    fn fingerprint(&self) -> Fingerprint {
        KeyWriter::new("postgres").value(self).finish()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn read(
    map: &YamlMap,
    mut visible: JsonMap,
    surroundings: &OutputContext<'_>,
    out: &mut Vec<Diagnostic>,
) -> TargetParts {
    let options = parse(map, out);
    let database = text_of(map, &["database", "dbname"]).unwrap_or_default();
    let schema = text_of(map, &["schema"]).unwrap_or_else(|| "public".to_owned());
    visible.insert("database".into(), Json::from(database.as_str()));
    for (key, default) in VISIBLE_DEFAULTS {
        visible.entry(*key).or_insert_with(|| default.parse().unwrap_or(Json::Null));
    }
    visible.insert("dbname".into(), Json::from(database.as_str()));
    visible.insert("schema".into(), Json::from(schema.as_str()));
    let mut open = environment::IncompleteOutput { options, database, visible };
    environment::complete_output(&mut open, surroundings, out);
    let environment::IncompleteOutput { options, database, visible } = open;
    TargetParts { database, schema, visible, connection: Arc::new(options) }
}

fn parse(map: &YamlMap, out: &mut Vec<Diagnostic>) -> PostgresOptions {
    let port = read_number(map, "port", out).and_then(|n| match u16::try_from(n) {
        Ok(port) if port > 0 => Some(port),
        _ => {
            let span = map.get("port").map(|y| y.span);
            out.push(
                Diagnostic::error(Code::Profile, "`port` is a number from 1 to 65535")
                    .primary_if(span, ""),
            );
            None
        }
    });
    let sslmode = filled_text(map, "sslmode").and_then(|t| {
        let mode = SslMode::parse(&t);
        if mode.is_none() {
            let span = map.get("sslmode").map(|y| y.span);
            let known = SslMode::NAMES.join(", ");
            out.push(
                Diagnostic::error(Code::Profile, format!("`sslmode` is one of {known}"))
                    .primary_if(span, "not this"),
            );
        }
        mode
    });
    PostgresOptions {
        host: filled_text(map, "host"),
        port,
        user: filled_text(map, "user"),
        password: filled_text(map, "password")
            .or_else(|| filled_text(map, "pass"))
            .map(|p| Secret::new(&p)),
        sslmode,
        sslrootcert: filled_text(map, "sslrootcert"),
        sslcert: filled_text(map, "sslcert"),
        sslkey: filled_text(map, "sslkey"),
        connect_timeout: read_number(map, "connect_timeout", out).unwrap_or(10),
        keepalives_idle: read_number(map, "keepalives_idle", out).unwrap_or(0),
        search_path: filled_text(map, "search_path"),
        role: filled_text(map, "role"),
        application_name: filled_text(map, "application_name")
            .unwrap_or_else(|| "strata".to_owned()),
        retries: read_number(map, "retries", out).map_or(1, |n| n.min(20) as u32),
        pooled: map.get("pooled").and_then(Yaml::as_bool),
    }
}

/// A text; `None` if it is empty, as an unset environment variable leaves it.
fn filled_text(map: &YamlMap, key: &str) -> Option<String> {
    map.get(key).and_then(Yaml::scalar_text).filter(|t| !t.is_empty())
}

fn read_number(map: &YamlMap, key: &str, out: &mut Vec<Diagnostic>) -> Option<u64> {
    let value = map.get(key)?;
    let text = value.scalar_text().filter(|t| !t.is_empty())?;
    let number = text.trim().parse::<u64>().ok();
    if number.is_none() {
        out.push(
            Diagnostic::error(Code::Profile, format!("`{key}` is a number"))
                .primary(value.span, ""),
        );
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    fn read_keys(text: &str) -> (PostgresOptions, Vec<Diagnostic>) {
        let tree = parse_yaml(FileId(0), text).value;
        let mut out = Vec::new();
        (parse(tree.as_map().unwrap(), &mut out), out)
    }

    #[test]
    fn an_output() {
        let (p, out) = read_keys(
            "type: postgres\nhost: db\nport: '5433'\npass: hunter2\nsslmode: verify-full\npooled: true",
        );
        assert!(out.is_empty(), "{out:?}");
        assert_eq!(
            (p.host.as_deref(), p.port, p.sslmode),
            (Some("db"), Some(5433), Some(SslMode::VerifyFull))
        );
        assert_eq!(
            (p.password, p.pooled, p.connect_timeout),
            (Some(Secret::new("hunter2")), Some(true), 10)
        );
    }

    #[test]
    fn mistakes() {
        let (_, out) = read_keys("type: postgres\nport: 99999\nsslmode: full\nretries: many");
        let messages: Vec<&str> = out.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(messages.len(), 3, "{messages:?}");
        for (port, mistakes) in [("0", 1), ("1", 0), ("65535", 0), ("-1", 1)] {
            let (_, out) = read_keys(&format!("type: postgres\nport: {port}"));
            assert_eq!(out.len(), mistakes, "{port}");
        }
    }
}
