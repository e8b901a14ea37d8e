//! The output of `strata watch`: a screen that is redrawn, or lines if there is no terminal.
//!
//! `Screen::lines` depends only on what has happened and on the size of the terminal; `draw` writes
//! exactly these lines.

use super::console::{Console, count_of, duration_text};
use super::row_diff::short_message;
use super::table::render_table;
use crate::changes::Verdict;
use crate::diag::{Code, Diagnostic};
use crate::engine::Table;
use crate::manifest::ResourceType;
use crate::outcome::{PublicationEffect, RowDiff, RunStatus, SkipReason};
use crate::run::{BatchProgress, Event, NodeVerdict, ShowRowsError, SkippedStale, StatusTotals};
use crate::source::SourceMap;
use anstyle::AnsiColor;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use unicode_width::UnicodeWidthChar;

/// An event of the watch loop.
pub(crate) enum WatchEvent {
    /// The project was read, because the paths in `changed` changed.
    Read {
        files: Arc<SourceMap>,
        changed: Vec<String>,
        seconds: f64,
        parsed: usize,
        reused: usize,
        macro_files: usize,
        resolved: usize,
        diagnostics: Vec<Diagnostic>,
    },
    Project {
        name: String,
        target: String,
        adapter: String,
    },
    Building,
    /// The database is locked by another process.
    Waiting(String),
    Event(Box<Event>),
    /// A save made the running build obsolete.
    Obsolete,
    Built {
        ended: bool,
        seconds: f64,
        /// The number of nodes and tests that failed.
        failed: usize,
        left: Vec<SkippedStale>,
        compiled: usize,
    },
    /// The first rows of a relation, or the reason why there are none.
    Shown(String, Result<Table, ShowRowsError>),
    /// The diagnostics of a check without a database.
    Checked(Vec<Diagnostic>),
    /// The diagnostics of the selection, in addition to those of the project.
    Complaints(Vec<Diagnostic>),
    Failure(String, Vec<String>),
}

const WAITS: &str = "waiting for a save that mends it; what is published is as it was";

/// A line for a node.
#[derive(Clone, Debug)]
struct Row {
    unique_id: String,
    kind: ResourceType,
    name: String,
    state: State,
    reason: String,
    effect: Option<PublicationEffect>,
    detail: String,
    seconds: f64,
    sample: Option<Arc<Table>>,
    row_diff: Option<Arc<RowDiff>>,
    diagnostic: Option<Diagnostic>,
}

impl Row {
    fn new(unique_id: String, kind: ResourceType, name: String, state: State) -> Row {
        Row {
            unique_id,
            kind,
            name,
            state,
            reason: String::new(),
            effect: None,
            detail: String::new(),
            seconds: 0.0,
            sample: None,
            row_diff: None,
            diagnostic: None,
        }
    }
}

impl Row {
    fn of_verdict(n: NodeVerdict) -> Row {
        let is_sure = matches!(n.verdict, Verdict::Stale(_));
        let state = if is_sure { State::Due } else { State::Maybe };
        let reason = n.verdict.to_string();
        Row { reason, ..Row::new(n.unique_id.to_string(), n.kind, n.name, state) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Due,
    Maybe,
    Running,
    Built,
    /// Built, with the same content as before.
    Equal,
    /// Not built: its inputs have not changed.
    Same,
    Failed,
    Warned,
    Skipped,
    Left,
}

impl State {
    /// The order of rows on the screen; lower ranks come first.
    fn rank(self) -> usize {
        match self {
            State::Failed => 0,
            State::Warned => 1,
            State::Skipped => 3,
            _ => 2,
        }
    }

    fn word(self) -> (&'static str, AnsiColor) {
        match self {
            State::Due => ("due", AnsiColor::BrightBlack),
            State::Maybe => ("maybe", AnsiColor::BrightBlack),
            State::Running => ("build", AnsiColor::Cyan),
            State::Built => ("ok", AnsiColor::Green),
            State::Equal => ("equal", AnsiColor::Green),
            State::Same => ("same", AnsiColor::BrightBlack),
            State::Failed => ("FAIL", AnsiColor::Red),
            State::Warned => ("warn", AnsiColor::Yellow),
            State::Skipped => ("skip", AnsiColor::Yellow),
            State::Left => ("stale", AnsiColor::Yellow),
        }
    }
}

pub(crate) struct Screen {
    console: Console,
    /// Whether standard output is a terminal to draw on.
    terminal: bool,
    open: bool,
    dirty: bool,
    /// The terminal's columns and lines.
    size: (usize, usize),
    title: String,
    saved: String,
    diagnostics: Vec<Diagnostic>,
    rows: Vec<Row>,
    totals: StatusTotals,
    status: String,
    failure: Option<(String, Vec<String>)>,
    shown: Option<(String, Result<Table, ShowRowsError>)>,
}

impl Screen {
    pub(crate) fn new(console: &Console) -> Screen {
        let terminal = std::io::stdout().is_terminal() && !console.is_json();
        Screen {
            console: console.copy(),
            terminal,
            open: false,
            dirty: false,
            size: (0, 0),
            title: "strata watch".to_owned(),
            saved: String::new(),
            diagnostics: Vec::new(),
            rows: Vec::new(),
            totals: StatusTotals::default(),
            status: "reading".to_owned(),
            failure: None,
            shown: None,
        }
    }

    /// Updates the screen. Without a terminal, the event is printed at once.
    pub(crate) fn show_event(&mut self, happening: WatchEvent) {
        self.dirty = true;
        if !self.terminal {
            self.tell(&happening);
        }
        match happening {
            WatchEvent::Read { files, changed, seconds, parsed, diagnostics, .. } => {
                self.console.set_map(files);
                self.diagnostics = diagnostics;
                // Other commands tell what is out of date; the screen is for the work at hand.
                self.diagnostics.retain(|d| d.code != Code::Deprecated);
                self.failure = None;
                // The locations of these diagnostics refer to the previous versions of the files.
                self.rows.iter_mut().for_each(|r| r.diagnostic = None);
                let what = saved(&changed);
                self.saved = format!(
                    "{what}: {} parsed in {}",
                    count_of(parsed, "file"),
                    duration_text(seconds)
                );
                if self.diagnostics.iter().any(Diagnostic::is_error) {
                    self.status = WAITS.to_owned();
                }
            }
            WatchEvent::Project { name, target, adapter } => {
                self.title = format!("strata watch  {name}  {target} ({adapter})");
            }
            WatchEvent::Building => {
                self.rows.clear();
                self.totals = StatusTotals::default();
                self.failure = None;
                self.status = "looking at the database".to_owned();
            }
            WatchEvent::Waiting(message) => self.status = format!("waiting: {message}"),
            WatchEvent::Event(event) => self.event(*event),
            WatchEvent::Obsolete => self.status = "a save made this obsolete: stopping".to_owned(),
            WatchEvent::Shown(name, table) => self.shown = Some((name, table)),
            WatchEvent::Built { ended, seconds, left, .. } => {
                self.left(left);
                self.status = match ended {
                    true => "stopped for a newer save".to_owned(),
                    // A later save has errors; they matter more than the result of this build.
                    false if self.diagnostics.iter().any(Diagnostic::is_error) => WAITS.to_owned(),
                    false => format!("{} in {}", self.summary(), duration_text(seconds)),
                };
            }
            WatchEvent::Checked(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                self.status = match errors(&self.diagnostics) {
                    0 => "no errors".to_owned(),
                    n => count_of(n, "error"),
                };
            }
            WatchEvent::Complaints(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                self.status = "nothing is built".to_owned();
            }
            WatchEvent::Failure(message, hints) => {
                self.status = "nothing is built".to_owned();
                self.failure = Some((message, hints));
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::VerdictsReached { nodes } => {
                let due = nodes
                    .into_iter()
                    .filter(|n| n.verdict != Verdict::Fresh && n.kind != ResourceType::Test);
                self.rows = due.map(Row::of_verdict).collect();
            }
            Event::RunStarted { steps, .. } => {
                self.status = if steps == 0 {
                    "nothing to build".to_owned()
                } else {
                    format!("building, {}", count_of(steps, "step"))
                };
            }
            Event::NodeStarted { unique_id, .. } => {
                if let Some(row) = self.rows.iter_mut().find(|r| r.unique_id == *unique_id) {
                    row.state = State::Running;
                }
            }
            Event::BatchChanged { unique_id, progress, .. } => {
                let running = self.rows.iter_mut().find(|r| r.unique_id == *unique_id);
                if let (Some(row), None) = (running, &progress.ended) {
                    let BatchProgress { batch, index, total, .. } = progress;
                    row.detail = format!("batch {index} of {total}: {batch}");
                }
            }
            Event::NodeFinished { name, kind, result, .. } => {
                self.totals.add(result.outcome.status);
                let outcome = result.outcome;
                let state = match outcome.status {
                    RunStatus::Success if outcome.effect.as_ref().is_some_and(|e| !e.changed) => {
                        State::Equal
                    }
                    RunStatus::Success | RunStatus::Pass => State::Built,
                    RunStatus::NoOp => State::Same,
                    RunStatus::Warn => State::Warned,
                    RunStatus::Skipped if outcome.skipped == Some(SkipReason::OutOfTime) => {
                        State::Left
                    }
                    RunStatus::Skipped => State::Skipped,
                    RunStatus::Fail | RunStatus::Error | RunStatus::PartialSuccess => State::Failed,
                };
                let at = self.rows.iter().position(|r| r.unique_id == *result.unique_id);
                let quiet = matches!(
                    state,
                    State::Built | State::Same | State::Equal | State::Skipped | State::Left
                );
                let at = match at {
                    Some(at) => at,
                    // A node without a line gets one only if it failed or has a warning.
                    None if quiet => return,
                    None => {
                        self.rows.push(Row::new(result.unique_id.to_string(), kind, name, state));
                        self.rows.len() - 1
                    }
                };
                let row = &mut self.rows[at];
                row.state = state;
                row.seconds = result.seconds;
                row.detail = match state {
                    State::Failed | State::Warned | State::Skipped => {
                        short_message(&outcome).unwrap_or_default()
                    }
                    _ => String::new(),
                };
                row.effect = outcome.effect;
                row.sample = outcome.sample;
                row.row_diff = outcome.row_diff;
                row.diagnostic = outcome.failed.map(|f| f.diagnostic);
            }
            _ => {}
        }
    }

    fn left(&mut self, left: Vec<SkippedStale>) {
        for l in left {
            self.rows.retain(|r| r.unique_id != l.unique_id);
            let row = Row::new(l.unique_id, ResourceType::Model, l.name, State::Left);
            let (reason, detail) = (l.verdict.to_string(), l.why.to_string());
            self.rows.push(Row { reason, detail, ..row });
        }
    }

    fn summary(&self) -> String {
        let of = |state: &[State]| self.rows.iter().filter(|r| state.contains(&r.state)).count();
        let tests = self.totals.get(RunStatus::Pass);
        let parts = [
            (of(&[State::Built, State::Equal]), "built"),
            (of(&[State::Equal]), "with the same content"),
            (of(&[State::Same]), "not needed"),
            (of(&[State::Failed]), "failed"),
            (of(&[State::Warned]), "warned"),
            (of(&[State::Skipped]), "skipped"),
            (of(&[State::Left]), "stale and left"),
            (tests, if tests == 1 { "test passed" } else { "tests passed" }),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if parts.is_empty() { "up to date".to_owned() } else { parts.join(", ") }
    }

    /// The lines of the screen, at most as many as fit.
    fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let c = &self.console;
        let mut out = vec![c.bold(&self.title), self.saved.clone(), String::new()];
        if let Some((message, hints)) = &self.failure {
            out.push(format!("{}: {message}", c.paint("error", AnsiColor::Red)));
            out.extend(hints.iter().map(|h| format!("hint: {h}")));
            out.push(String::new());
        }
        let errors = self.diagnostics.iter().filter(|d| d.is_error());
        let failed = self.rows.iter().filter_map(|r| r.diagnostic.as_ref());
        for d in errors.chain(failed) {
            out.extend(c.rendered(d).lines().map(str::to_owned));
            out.push(String::new());
        }
        const WARNINGS: usize = 3;
        let warnings: Vec<&Diagnostic> =
            self.diagnostics.iter().filter(|d| !d.is_error()).collect();
        out.extend(warnings.iter().take(WARNINGS).map(|d| c.one_line(d)));
        if warnings.len() > WARNINGS {
            out.push(format!(
                "... {} more (strata parse shows them)",
                count_of(warnings.len() - WARNINGS, "warning")
            ));
        }
        if !warnings.is_empty() {
            out.push(String::new());
        }
        // Failures come first. Skipped nodes, which only follow from failures, come last and share
        // a line.
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.state.rank());
        let skipped = rows.iter().filter(|r| r.state == State::Skipped).count();
        for row in rows.iter().filter(|r| r.state != State::Skipped || skipped == 1) {
            out.extend(self.row(row, width));
        }
        if skipped > 1 {
            let (word, colour) = State::Skipped.word();
            let word = c.paint(&format!("{word:>5}"), colour);
            out.push(format!("{word}  {} that read what failed", count_of(skipped, "node")));
        }
        let mut below = vec![String::new(), c.bold(&self.status)];
        if let Some((name, shown)) = &self.shown {
            below.push(String::new());
            match shown {
                Ok(table) => {
                    below.push(format!("{name}, first {}", count_of(table.rows.len(), "row")));
                    below.extend(
                        render_table(table, u16::try_from(width).ok()).lines().map(str::to_owned),
                    );
                }
                Err(why) => {
                    let why = why.to_string();
                    below.push(format!("{name}: {}", why.lines().next().unwrap_or_default()));
                }
            }
        }
        // The status and the rows of `--show` at the bottom are kept; the lines above them are
        // truncated.
        below.truncate(height.saturating_sub(4).max(2));
        let room = height.saturating_sub(below.len());
        if out.len() > room {
            let more = out.len() + 1 - room;
            out.truncate(room.saturating_sub(1));
            out.push(format!("... {} more", count_of(more, "line")));
        }
        out.extend(below);
        out.into_iter().map(|line| cut(&line, width)).collect()
    }

    fn row(&self, row: &Row, width: usize) -> Vec<String> {
        let (word, colour) = row.state.word();
        let mut line = format!(
            "{}  {} {}",
            self.console.paint(&format!("{word:>5}"), colour),
            row.kind.as_str().replace('_', " "),
            row.name
        );
        for part in [&row.reason, &row.detail].into_iter().filter(|p| !p.is_empty()) {
            line.push_str(&format!("  {part}"));
        }
        if let Some(effect) = &row.effect {
            line.push_str(&effect_words(effect));
        }
        if row.seconds > 0.0 && matches!(row.state, State::Built | State::Equal | State::Failed) {
            line.push_str(&format!("  {}", duration_text(row.seconds)));
        }
        let mut out = vec![line];
        if let Some(diff) = &row.row_diff {
            out.extend(self.console.row_diff_lines(diff).map(|line| format!("     {line}")));
        }
        if let Some(table) = &row.sample {
            let room = width.saturating_sub(7);
            out.extend(
                render_table(table, u16::try_from(room).ok())
                    .lines()
                    .map(|l| format!("       {l}")),
            );
        }
        out
    }

    /// Whether the reader of standard output has closed it.
    pub(crate) fn is_reader_gone(&self) -> bool {
        self.console.is_reader_gone()
    }

    /// Draws the screen if it or the size of the terminal has changed.
    pub(crate) fn draw(&mut self) {
        if !self.terminal {
            return;
        }
        let size = terminal_size::terminal_size()
            .map_or((80, 24), |(w, h)| (usize::from(w.0), usize::from(h.0)));
        if !std::mem::take(&mut self.dirty) && self.size == size {
            return;
        }
        self.size = size;
        let (width, height) = size;
        let mut text = String::new();
        if !std::mem::replace(&mut self.open, true) {
            // Switch to the alternate screen, so that the previous content comes back at the end,
            // and hide the cursor.
            text.push_str("\x1b[?1049h\x1b[?25l");
        }
        text.push_str("\x1b[H");
        for line in self.lines(width, height.saturating_sub(1)) {
            text.push_str(&self.console.scrubbed(&line));
            text.push_str("\x1b[K\r\n");
        }
        text.push_str("\x1b[J");
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Restores the terminal's previous screen and its cursor.
    pub(crate) fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
        }
    }

    /// Prints an event as text or JSON, if there is no terminal.
    #[expect(clippy::too_many_lines, reason = "an arm for each event")]
    fn tell(&mut self, happening: &WatchEvent) {
        let json = self.console.is_json();
        match happening {
            WatchEvent::Read {
                files,
                changed,
                seconds,
                parsed,
                reused,
                macro_files,
                resolved,
                diagnostics,
            } => {
                self.console.set_map(files.clone());
                self.console.diagnostics(diagnostics);
                let errors = errors(diagnostics);
                let data = serde_json::json!({
                    "changed": changed, "seconds": seconds, "parsed": parsed, "reused": reused,
                    "macro_files": macro_files, "resolved": resolved, "errors": errors,
                    "warnings": diagnostics.len() - errors,
                });
                let what = saved(changed);
                let text = format!(
                    "{what}: {} parsed in {}, {}",
                    count_of(*parsed, "file"),
                    duration_text(*seconds),
                    count_of(errors, "error")
                );
                self.console.emit_event("read", data, &text);
            }
            WatchEvent::Project { .. } => {}
            WatchEvent::Building => {
                self.console.emit_event("build_started", serde_json::json!({}), "")
            }
            WatchEvent::Waiting(message) => {
                self.console.emit_event(
                    "waiting",
                    serde_json::json!({ "message": message }),
                    &format!("waiting: {message}"),
                );
            }
            WatchEvent::Event(event) => self.console.event(event),
            WatchEvent::Obsolete => {
                self.console.emit_event(
                    "obsolete",
                    serde_json::json!({}),
                    "a save made this obsolete: stopping",
                );
            }
            WatchEvent::Shown(name, shown) => {
                let (data, text) = match shown {
                    Ok(table) => {
                        let rows = super::table::rows_json(table);
                        (
                            serde_json::json!({ "node": name, "show": rows }),
                            render_table(table, self.console.width()),
                        )
                    }
                    Err(why) => {
                        let message = why.to_string();
                        (serde_json::json!({ "node": name, "message": message }), message)
                    }
                };
                self.console.emit_event("rows", data, &text);
            }
            WatchEvent::Built { ended, seconds, failed, left, compiled } => {
                for l in left {
                    let (reason, why) = (l.verdict.to_string(), l.why.to_string());
                    let text = format!("stale  {}: {reason} ({why})", l.name);
                    let data = serde_json::json!({
                        "unique_id": l.unique_id, "name": l.name, "message": reason, "why": why,
                    });
                    self.console.emit_event("node_left", data, &text);
                }
                let data = serde_json::json!({
                    "obsolete": ended, "seconds": seconds, "failed": failed, "left": left.len(),
                    "compiled": compiled,
                });
                self.console.emit_event("built", data, "");
            }
            WatchEvent::Checked(diagnostics) | WatchEvent::Complaints(diagnostics) => {
                for d in diagnostics {
                    self.console.diagnostic(d);
                }
                let data = serde_json::json!({ "errors": errors(diagnostics) });
                self.console.emit_event(
                    "checked",
                    data,
                    if json || !diagnostics.is_empty() { "" } else { "no errors" },
                );
            }
            WatchEvent::Failure(message, hints) => self.console.failure(message, hints),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

/// The reason for a reading: the saved files, or none for the first one.
fn saved(changed: &[String]) -> String {
    match changed {
        [] => "read".to_owned(),
        [one] => format!("saved {one}"),
        many => format!("saved {}", count_of(many.len(), "file")),
    }
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|d| d.is_error()).count()
}

/// The number of rows before and after, and the columns that were added, removed or retyped.
fn effect_words(effect: &PublicationEffect) -> String {
    let mut out = String::new();
    match (effect.rows_before, effect.rows_after) {
        (Some(before), Some(after)) if before != after => {
            out.push_str(&format!("  {before} -> {after} rows"))
        }
        (_, Some(after)) => {
            out.push_str(&format!("  {}", count_of(usize::try_from(after).unwrap_or(0), "row")))
        }
        _ => {}
    }
    effect.added.iter().for_each(|c| out.push_str(&format!("  +{c}")));
    effect.removed.iter().for_each(|c| out.push_str(&format!("  -{c}")));
    effect.retyped.iter().for_each(|(c, a, b)| out.push_str(&format!("  {c}: {a} -> {b}")));
    out
}

/// Truncates a line to the width of the terminal. Colour sequences take no width; if the line is
/// cut, the colours are reset.
fn cut(line: &str, width: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            out.push(c);
            for c in chars.by_ref() {
                out.push(c);
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
            continue;
        }
        let w = c.width().unwrap_or(0);
        if used + w > width {
            if out.contains('\x1b') {
                out.push_str("\x1b[0m");
            }
            break;
        }
        used += w;
        out.push(if c == '\t' { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_width() {
        assert_eq!(cut("abcdef", 4), "abcd");
        assert_eq!(cut("\x1b[31mabc\x1b[0m def", 5), "\x1b[31mabc\x1b[0m d\x1b[0m");
        assert_eq!(cut("日本語", 5), "日本");
    }
}
