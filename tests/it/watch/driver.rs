//! Runs a watch and reads the JSON lines that it prints about each build.

use crate::project::{Project, binary, clean, interrupt, rows};
use duckdb::{AccessMode, Config, Connection};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Watch {
    child: Child,
    lines: Receiver<Value>,
    /// The first build.
    pub(super) first: Build,
}

/// The lines that belong to one build or to one reading.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) lines: Vec<Value>,
}

impl Watch {
    /// Starts a watch and waits for its first build.
    pub(super) fn start(project: &Project, args: &[&str]) -> Watch {
        let mut watch = Watch::begin(project, args);
        watch.first = watch.build();
        watch
    }

    pub(super) fn begin(project: &Project, args: &[&str]) -> Watch {
        let mut command = Command::new(binary());
        command.args(["watch", "--log-format", "json"]).args(args).current_dir(project.path());
        clean(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line)
                    && sender.send(value).is_err()
                {
                    break;
                }
            }
        });
        Watch { child, lines, first: Build::default() }
    }

    /// Reads lines up to one that `wanted` accepts.
    pub(super) fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Build {
        let end = Instant::now() + PATIENCE;
        let mut build = Build::default();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = wanted(&line);
                    build.lines.push(line);
                    if found {
                        return build;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("nothing came of it: {:#?}", build.lines),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the watch has ended: {:#?}", build.lines)
                }
            }
        }
    }

    /// The lines up to the end of the next build that is not made obsolete.
    pub(super) fn build(&mut self) -> Build {
        self.wait_for(|l| l["event"] == "built" && l["obsolete"] == false)
    }

    /// The lines up to the next reading of the project.
    pub(super) fn reading(&mut self) -> Build {
        self.wait_for(|l| l["event"] == "read")
    }

    /// The lines up to the first quiet moment.
    pub(super) fn settle(&mut self) -> Build {
        let mut all = Build::default();
        let mut quiet = false;
        while !quiet {
            match self.lines.recv_timeout(Duration::from_millis(1500)) {
                Ok(line) => all.lines.push(line),
                // It is not quiet between the start and the end of a build, however long that
                // takes.
                Err(_) => {
                    let count =
                        |event: &str| all.lines.iter().filter(|l| l["event"] == event).count();
                    quiet = count("build_started") == count("built") + count("error");
                }
            }
        }
        all
    }

    /// Interrupts the watch as Ctrl-C does, and waits for its end.
    pub(super) fn stop(mut self) {
        interrupt(&self.child);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the watch does not end");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Build {
    fn text<'a>(line: &'a Value, key: &str) -> &'a str {
        line[key].as_str().unwrap_or_default()
    }

    fn name(line: &Value) -> String {
        Build::text(line, "unique_id").split('.').nth(2).unwrap_or_default().to_owned()
    }

    fn finished(&self, kinds: &[&str], statuses: &[&str]) -> Vec<String> {
        let of = |l: &&Value| {
            l["event"] == "node_finished"
                && kinds.contains(&Build::text(l, "resource_type"))
                && statuses.contains(&Build::text(l, "status"))
        };
        let mut names: Vec<String> = self.lines.iter().filter(of).map(Build::name).collect();
        names.sort();
        names
    }

    pub(super) fn built(&self) -> Vec<String> {
        self.finished(&["model", "seed", "snapshot"], &["success"])
    }

    pub(super) fn tests(&self) -> Vec<String> {
        self.finished(&["test"], &["pass", "fail", "warn", "error"])
    }

    pub(super) fn left(&self) -> Vec<String> {
        let left = self.lines.iter().filter(|l| l["event"] == "node_left");
        left.map(Build::name).collect()
    }

    pub(super) fn status(&self, name: &str) -> String {
        let of = |l: &&Value| l["event"] == "node_finished" && Build::name(l) == name;
        self.lines.iter().rfind(of).map(|l| Build::text(l, "status").to_owned()).unwrap_or_default()
    }

    /// The code and the text of the reason to build a node.
    pub(super) fn reason(&self, name: &str) -> (String, String) {
        let of = |l: &&Value| l["event"] == "node_judged" && Build::name(l) == name;
        let line = self
            .lines
            .iter()
            .rfind(of)
            .unwrap_or_else(|| panic!("{name} was not judged: {:#?}", self.lines));
        (Build::text(line, "reason").to_owned(), Build::text(line, "message").to_owned())
    }

    pub(super) fn effect(&self, name: &str) -> Value {
        let of = |l: &&Value| l["event"] == "node_finished" && Build::name(l) == name;
        self.lines.iter().rfind(of).map(|l| l["effect"].clone()).unwrap_or_default()
    }

    /// A number that the last reading reported.
    pub(super) fn read(&self, key: &str) -> i64 {
        let line = self.lines.iter().rfind(|l| l["event"] == "read");
        line.and_then(|l| l[key].as_i64())
            .unwrap_or_else(|| panic!("no reading: {:#?}", self.lines))
    }

    /// The last line with this event.
    pub(super) fn last(&self, event: &str) -> Value {
        self.lines.iter().rfind(|l| l["event"] == event).cloned().unwrap_or_default()
    }

    /// The rows that `--show` printed.
    pub(super) fn shown(&self) -> Vec<Value> {
        let line = self.lines.iter().rfind(|l| l["event"] == "rows");
        line.and_then(|l| l["show"].as_array().cloned()).unwrap_or_default()
    }
}

pub(super) fn read_only(path: &Path) -> Result<Connection, duckdb::Error> {
    Connection::open_with_flags(path, Config::default().access_mode(AccessMode::ReadOnly)?)
}

/// All relations of the main schema with their columns and rows, except Strata's own table.
pub(super) fn content(connection: &Connection) -> Vec<String> {
    let relations = rows(
        connection,
        "select table_name from information_schema.tables where table_schema = 'main' \
         and table_name not in ('strata_state') and table_name not like '%__rejected' order by 1",
    );
    let mut out = Vec::new();
    for name in relations {
        let columns = rows(
            connection,
            &format!(
                "select column_name || ' ' || data_type from duckdb_columns() where table_name = '{name}' order by column_index"
            ),
        );
        out.push(format!("{name}: {}", columns.join(", ")));
        out.extend(rows(connection, &format!("select t::varchar from \"{name}\" t order by 1")));
    }
    out
}

/// Builds the same files in a new database, and compares the results.
pub(super) fn equals_a_fresh_build(project: &Project) {
    let fresh = copy(project);
    fresh.ok(&["build"]);
    assert_eq!(content(&project.database()), content(&fresh.database()));
}

/// A copy of the project without its database and artifacts.
pub(super) fn copy(project: &Project) -> Project {
    let fresh = Project::new(&[]);
    let copied = Command::new("sh")
        .args(["-c", "cp -r \"$0\"/. \"$1\" && cd \"$1\" && rm -rf target shop.duckdb*"])
        .arg(project.path())
        .arg(fresh.path())
        .status();
    assert!(copied.unwrap().success());
    fresh
}
