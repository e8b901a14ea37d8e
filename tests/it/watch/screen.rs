//! The screen on a real terminal, which tmux provides. Snapshots hold the expected screens.

use super::SHOP;
use super::driver::copy;
use crate::project::{Project, binary};
use std::process::Command;
use std::time::{Duration, Instant};

struct Terminal {
    socket: String,
}

impl Terminal {
    /// `None`, with a printed reason, if tmux is not installed.
    fn start(project: &Project, args: &str, size: (u16, u16)) -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("skipped: there is no tmux");
            return None;
        }
        let terminal = Terminal { socket: format!("strata-{}-{}", std::process::id(), size.0) };
        let command = format!(
            "exec env -u STRATA_TEST_PG NO_COLOR=1 HOME=/nonexistent {} watch {args}",
            binary().display()
        );
        let started = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size.0.to_string(),
            "-y",
            &size.1.to_string(),
            "-c",
            project.path().to_str().unwrap(),
            &command,
        ]);
        assert!(started.is_some());
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Option<String> {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(args).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until the screen contains a text, and returns the screen.
    fn shows(&self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]).unwrap_or_default();
            let shown = steady(&screen);
            if shown.contains(text) {
                return shown;
            }
            assert!(Instant::now() < end, "`{text}` does not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

/// Replaces durations and fingerprints, which differ in each run.
fn steady(screen: &str) -> String {
    let time = fancy_regex::Regex::new(r"\b\d+(\.\d+)? (ms|s)\b").unwrap();
    let print = fancy_regex::Regex::new(r"\b[0-9a-f]{8}\b").unwrap();
    let text = time.replace_all(screen, "TIME");
    let text = print.replace_all(&text, "PRINT");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn what_a_user_sees() {
    let p = Project::new(SHOP);
    p.write("models/s.yml", "models: [{name: mid, columns: [{name: amount, data_tests: [{accepted_values: {values: [20, 40, 60, 21, 41]}}]}]}]");
    let Some(t) = Terminal::start(&p, "--show mart", (100, 30)) else { return };
    insta::assert_snapshot!("first_build", t.shows("passed in TIME"));
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount * 2 + 1 as amount, 'x' as note from {{ ref('stg') }}",
    );
    insta::assert_snapshot!("a_failing_test", t.shows("1 skipped in TIME"));
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, {{ doubel('amount') }} as amount from {{ ref('stgg') }}",
    );
    insta::assert_snapshot!("mistakes", t.shows("waiting for a save"));
    p.write(
        "models/mid.sql",
        "{{ config(materialized='table') }} select id, amount::bigint * 2 as amount from {{ ref('stg') }} where id < 3",
    );
    insta::assert_snapshot!("mended", t.shows("2 built, 1 test passed in TIME"));
    let narrow = copy(&p);
    drop(t);
    let Some(t) = Terminal::start(&narrow, "--no-build", (40, 12)) else { return };
    insta::assert_snapshot!("narrow", t.shows("no errors"));
}
