//! The server that `./test` started, with schemas of its own for each test.

use crate::project::Project;
use postgres::{Client, NoTls};
use std::collections::HashMap;

pub(crate) struct Server {
    env: HashMap<String, String>,
    /// The name of the test, which is the prefix of its schemas.
    name: &'static str,
}

impl Server {
    /// `None`, with a printed reason, if no server was started. Drops schemas that an earlier run
    /// left.
    pub(crate) fn new(name: &'static str) -> Option<Server> {
        let Ok(file) = std::env::var("STRATA_TEST_PG") else {
            println!("skipped: STRATA_TEST_PG names no server (./test starts one)");
            return None;
        };
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let env = text
            .lines()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let server = Server { env, name };
        let mut client = server.superuser();
        let left = client
            .query(
                "select quote_ident(nspname) from pg_namespace where nspname like $1",
                &[&format!("{name}\\_%")],
            )
            .unwrap();
        for row in left {
            client
                .batch_execute(&format!("drop schema {} cascade", row.get::<_, String>(0)))
                .unwrap();
        }
        Some(server)
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        &self.env[&format!("STRATA_TEST_PG_{key}")]
    }

    /// The schema of one of the project's targets.
    pub(crate) fn schema(&self, target: &str) -> String {
        format!("{}_{target}", self.name)
    }

    fn client(&self, user: &str) -> Client {
        let text = format!(
            "host={} port={} user={user} password={} dbname={}",
            self.get("HOST"),
            self.get("PORT"),
            self.get("PASSWORD"),
            self.get("DATABASE")
        );
        Client::connect(&text, NoTls).unwrap()
    }

    /// A connection as the role that builds.
    pub(crate) fn connect(&self) -> Client {
        self.client(self.get("USER"))
    }

    pub(crate) fn superuser(&self) -> Client {
        self.client(self.get("SUPERUSER"))
    }

    /// Runs statements as the role that builds.
    pub(crate) fn run(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// The rows as text, with columns joined by `|`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        rows(&mut self.connect(), sql)
    }

    /// `profiles.yml` with the targets `direct`, `pooled`, `tls` and `socket`, each with a schema
    /// of its own.
    pub(crate) fn profiles(&self) -> String {
        let output = |target: &str, host: &str, port: &str, user: &str, more: &str| {
            format!(
                "    {target}: {{type: postgres, host: {host}, port: {port}, user: {user}, password: {}, dbname: {}, schema: {}, threads: 2{more}}}\n",
                self.get("PASSWORD"),
                self.get("DATABASE"),
                self.schema(target)
            )
        };
        let (host, port, user) = (self.get("HOST"), self.get("PORT"), self.get("USER"));
        let tls = format!(", sslmode: verify-full, sslrootcert: {}", self.get("CA"));
        let mut out = "shop:\n  target: direct\n  outputs:\n".to_owned();
        out.push_str(&output("direct", host, port, user, ""));
        out.push_str(&output("pooled", "localhost", self.get("BOUNCER_PORT"), user, &tls));
        out.push_str(&output("tls", "localhost", port, user, &tls));
        out.push_str(&output(
            "socket",
            self.get("SOCKET"),
            port,
            self.get("SUPERUSER"),
            ", role: strata",
        ));
        out
    }
}

pub(crate) fn rows(client: &mut Client, sql: &str) -> Vec<String> {
    let found = client.simple_query(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let mut out = Vec::new();
    for message in found {
        if let postgres::SimpleQueryMessage::Row(row) = message {
            let cells: Vec<String> = (0..row.len())
                .map(|i| match row.get(i) {
                    None => "null".to_owned(),
                    Some("t") => "true".to_owned(),
                    Some("f") => "false".to_owned(),
                    Some(text) => text.to_owned(),
                })
                .collect();
            out.push(cells.join("|"));
        }
    }
    out
}

/// A project whose default target is the server.
pub(crate) fn project(server: &Server, files: &[(&str, &str)]) -> Project {
    let profiles = server.profiles();
    let mut all: Vec<(&str, &str)> = vec![("profiles.yml", &profiles)];
    all.extend(files);
    Project::new(&all)
}
