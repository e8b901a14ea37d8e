//! A watch that runs, its JSON lines, and what they say of a build.

use crate::project::{Project, binary, clean, interrupt, rows};
use duckdb::{AccessMode, Config, Connection};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Far more than anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Watch {
    child: Child,
    lines: Receiver<Value>,
    /// The build at the start.
    pub(super) first: Build,
}

/// The lines of a build, or of a reading.
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

    /// The lines up to one that is wanted.
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

    /// The next build that goes to its end.
    pub(super) fn build(&mut self) -> Build {
        self.wait_for(|l| l["event"] == "built" && l["obsolete"] == false)
    }

    /// The next reading of the project.
    pub(super) fn reading(&mut self) -> Build {
        self.wait_for(|l| l["event"] == "read")
    }

    /// Builds until it is quiet.
    pub(super) fn settle(&mut self) -> Build {
        let mut all = Build::default();
        let mut quiet = false;
        while !quiet {
            match self.lines.recv_timeout(Duration::from_millis(1500)) {
                Ok(line) => all.lines.push(line),
                // Between a start and an end it is not quiet, however long that takes.
                Err(_) => {
                    let count =
                        |event: &str| all.lines.iter().filter(|l| l["event"] == event).count();
                    quiet = count("build_started") == count("built") + count("error");
                }
            }
        }
        all
    }

    /// Stops it as Ctrl-C does, and waits.
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

    /// Nodes that were built.
    pub(super) fn built(&self) -> Vec<String> {
        self.finished(&["model", "seed", "snapshot"], &["success"])
    }

    /// Tests that were run.
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

    /// Code and text.
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

    /// A number of the last reading.
    pub(super) fn read(&self, key: &str) -> i64 {
        let line = self.lines.iter().rfind(|l| l["event"] == "read");
        line.and_then(|l| l[key].as_i64())
            .unwrap_or_else(|| panic!("no reading: {:#?}", self.lines))
    }

    /// The last line of an event.
    pub(super) fn last(&self, event: &str) -> Value {
        self.lines.iter().rfind(|l| l["event"] == event).cloned().unwrap_or_default()
    }

    /// The rows of `--show`.
    pub(super) fn shown(&self) -> Vec<Value> {
        let line = self.lines.iter().rfind(|l| l["event"] == "rows");
        line.and_then(|l| l["show"].as_array().cloned()).unwrap_or_default()
    }
}

pub(super) fn read_only(path: &Path) -> Result<Connection, duckdb::Error> {
    Connection::open_with_flags(path, Config::default().access_mode(AccessMode::ReadOnly)?)
}

/// All relations of the main schema with their columns and rows, the tool's own table apart.
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

/// Builds the same files in a database of their own, and compares.
pub(super) fn equals_a_fresh_build(project: &Project) {
    let fresh = copy(project);
    fresh.ok(&["build"]);
    assert_eq!(content(&project.database()), content(&fresh.database()));
}

/// The same files elsewhere, without what was built.
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
