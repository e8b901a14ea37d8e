//! A project in a temporary folder, with the real binary to run in it.

use duckdb::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Project {
    folder: TempDir,
}

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    /// Creates a project with files by path. A project file and a profile are added if they are not
    /// given.
    pub(crate) fn new(files: &[(&str, &str)]) -> Project {
        let project = Project { folder: TempDir::new().unwrap() };
        let given = |name: &str| files.iter().any(|(p, _)| *p == name);
        if !given("project.yml") && !given("dbt_project.yml") {
            project.write("project.yml", "name: shop\nprofile: shop\n");
        }
        if !given("profiles.yml") {
            project.write(
                "profiles.yml",
                "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 2}}}\n",
            );
        }
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path().join(path)).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.path());
        clean(&mut command);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::from(self.command(args).output().unwrap())
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "strata {args:?}\n{}\n{}", ran.out, ran.err);
        ran
    }

    /// Starts a command. Its output can be read after it has ended.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a build that waits until `let_go` releases the database.
    pub(crate) fn build_after(&self, let_go: impl FnOnce()) {
        let waiting = self.start(&["build", "--lock-timeout", "60"]);
        std::thread::sleep(Duration::from_millis(400));
        let_go();
        let ran = Ran::from(waiting.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}", ran.err);
    }

    /// Interrupts a build while it works. It has to end soon afterwards.
    #[cfg(unix)]
    pub(crate) fn interrupted_build(&self) -> Ran {
        let child = self.start(&["build"]);
        std::thread::sleep(Duration::from_millis(800));
        let begun = Instant::now();
        interrupt(&child);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
        ran
    }

    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.path().join("shop.duckdb")).unwrap()
    }

    /// Runs a query and returns its rows as text, with columns joined by `|`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.database(), sql)
    }

    /// The statuses of the last run by unique id.
    pub(crate) fn statuses(&self) -> Vec<(String, String)> {
        let json: serde_json::Value =
            serde_json::from_str(&self.read("target/run_results.json")).unwrap();
        let text =
            |r: &serde_json::Value, key: &str| r[key].as_str().unwrap_or_default().to_owned();
        json["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| (text(r, "unique_id"), text(r, "status")))
            .collect()
    }

    pub(crate) fn status(&self, id: &str) -> String {
        let all = self.statuses();
        let found = all.iter().find(|(i, _)| i.starts_with(id));
        found.unwrap_or_else(|| panic!("{id} is not among {all:?}")).1.clone()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Sends the signal that Ctrl-C sends.
pub(crate) fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_strata"))
}

/// Removes the environment variables that would change what the tool does.
pub(crate) fn clean(command: &mut Command) {
    for (key, _) in std::env::vars() {
        if key.starts_with("DBT_") || key.starts_with("STRATA_") {
            command.env_remove(key);
        }
    }
    command.env("NO_COLOR", "1").env("HOME", "/nonexistent");
}

pub(crate) fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut out = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let width = row.as_ref().column_count();
        let cells: Vec<String> =
            (0..width).map(|i| show(row.get::<_, duckdb::types::Value>(i).unwrap())).collect();
        out.push(cells.join("|"));
    }
    out
}

fn show(value: duckdb::types::Value) -> String {
    use duckdb::types::Value;
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(s) => s,
        Value::Int(i) => i.to_string(),
        Value::BigInt(i) => i.to_string(),
        Value::HugeInt(i) => i.to_string(),
        Value::Double(f) => f.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Decimal(d) => d.to_string(),
        other => format!("{other:?}"),
    }
}
