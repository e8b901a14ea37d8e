//! Output as text for people or as JSON lines for machines.

use super::dbt_log::{
    DbtLine, LogLevel, describe_command_end, describe_command_start, describe_diagnostic,
};
use super::event_json::event_lines;
use super::live::ProgressBars;
use super::log_file::CommandLog;
use super::row_diff::{DiffColour, draw_row_diff, short_message};
use crate::changes::Verdict;
use crate::diag::{Code, DbtEvent, Diagnostic, diagnostic_json, one_line, render_diagnostic};
use crate::manifest::ResourceType;
use crate::outcome::{NodeOutcome, RowDiff, RunResult, RunStatus};
use crate::run::{BatchProgress, EndedBatch, Event, NodeVerdict, StatusTotals};
use crate::secret::Scrubber;
use crate::source::SourceMap;
use crate::workspace::Notice;
use anstyle::{AnsiColor, Effects};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

/// The number of diagnostics that text output shows at once; JSON has all of them.
const MOST: usize = 100;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
    /// Records in the shape of OpenTelemetry's, which dbt 1.12 passes on to its users.
    Otel,
}

/// The settings of the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsoleStyle {
    pub(crate) format: LogFormat,
    pub(crate) quiet: bool,
    pub(crate) debug: bool,
    /// `None`: use colours if standard output is a terminal and `NO_COLOR` is not set.
    pub(crate) colours: Option<bool>,
    /// Whether the output of `print()` in templates is shown.
    pub(crate) print: bool,
    /// Whether each warning that something is out of date is shown, not only the first of a kind.
    pub(crate) all_deprecations: bool,
}

pub(crate) struct Console {
    style: ConsoleStyle,
    colours: bool,
    scrubber: Scrubber,
    map: Arc<SourceMap>,
    live: Option<ProgressBars>,
    terminal: bool,
    failures: Vec<(String, RunResult)>,
    kept_old: usize,
    /// Whether the run consists only of exports.
    exports: bool,
    /// Whether the reader of standard output has closed it.
    closed: Cell<bool>,
    /// How many warnings of each kind of deprecation there were.
    deprecations: BTreeMap<&'static str, usize>,
    /// The lines of dbt's log: what they need to know of earlier events, and where they go.
    log: CommandLog,
}

impl Console {
    pub(crate) fn new(style: ConsoleStyle, scrubber: Scrubber, log: CommandLog) -> Console {
        let terminal = std::io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let colours = style.colours.unwrap_or(terminal && !no_colour);
        Console {
            style,
            colours,
            scrubber,
            map: Arc::default(),
            live: None,
            terminal,
            failures: Vec::new(),
            kept_old: 0,
            closed: Cell::new(false),
            exports: false,
            deprecations: BTreeMap::new(),
            log,
        }
    }

    /// A stream with colours as the user asked for, else with colours if it is a terminal that
    /// supports them.
    fn painted<S: anstream::stream::RawStream>(&self, stream: S) -> anstream::AutoStream<S> {
        let choice = match self.style.colours {
            Some(true) => anstream::ColorChoice::Always,
            Some(false) => anstream::ColorChoice::Never,
            None => anstream::ColorChoice::Auto,
        };
        anstream::AutoStream::new(stream, choice)
    }

    pub(crate) fn set_map(&mut self, map: Arc<SourceMap>) {
        self.map = map;
    }

    fn json_lines(&self) -> bool {
        self.style.format != LogFormat::Text
    }

    /// Prints a line of the command's result, such as a list or a table, to standard output in any
    /// format. Secrets are not masked in it.
    pub(crate) fn out(&self, text: &str) {
        let written = match &self.live {
            Some(live) => {
                live.print(text);
                Ok(())
            }
            None => writeln!(self.painted(std::io::stdout()), "{text}"),
        };
        if written.is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            self.closed.set(true);
        }
    }

    /// Whether the reader of standard output has closed it.
    pub(super) fn is_reader_gone(&self) -> bool {
        self.closed.get()
    }

    /// Prints a line of progress or advice, unless quiet.
    pub(crate) fn say(&self, text: &str) {
        let lines = vec![DbtLine::note(text)];
        if !self.record(|| vec![("info", serde_json::json!({ "message": text }))], lines) {
            self.show(text);
        }
    }

    /// Prints what the following lines of the result are, unless quiet. It goes to standard error, so that what reads the
    /// result from a pipe gets nothing else.
    pub(crate) fn caption(&self, text: &str) {
        let is_written = self.record(Vec::new, vec![DbtLine::note(text)]);
        if !is_written && !self.style.quiet {
            let _ = writeln!(self.painted(std::io::stderr()), "{}", self.scrubber.scrub(text));
        }
    }

    /// Prints a line of text that stands for no message of its own in the log.
    fn show(&self, text: &str) {
        if !self.style.quiet {
            self.out(&self.scrubber.scrub(text));
        }
    }

    /// Writes what happened to the log file and, as JSON, to standard output: our own lines, and
    /// dbt's. One that dbt has, too, is one line with the members of both. Whether it was printed.
    fn record(
        &self,
        own: impl FnOnce() -> Vec<(&'static str, serde_json::Value)>,
        lines: Vec<DbtLine>,
    ) -> bool {
        let now = jiff::Timestamp::now();
        lines.iter().for_each(|line| self.log.write(now, line, &self.scrubber));
        match self.style.format {
            LogFormat::Text => return false,
            LogFormat::Json => {}
            LogFormat::Otel => {
                let told = lines.iter().filter(|line| line.level > LogLevel::Debug);
                told.for_each(|line| self.out(&self.scrubber.scrub(&line.to_otel(now))));
                return true;
            }
        }
        let mut own = own().into_iter().peekable();
        let shared = lines.iter().rposition(|line| line.level > LogLevel::Debug);
        for (i, line) in lines.iter().enumerate() {
            let mut data = self.log.json(now, line);
            match own.next_if(|_| Some(i) == shared) {
                Some((event, mut both)) => {
                    if let (Some(both), Some(data)) = (both.as_object_mut(), data.as_object_mut()) {
                        both.append(data);
                    }
                    self.line(now, event, both);
                }
                None if line.level > LogLevel::Debug || self.style.debug => {
                    self.line(now, &line.event(), data);
                }
                None => {}
            }
        }
        own.for_each(|(event, data)| self.line(now, event, data));
        true
    }

    /// Prints one JSON line: `{ts, event, ...}`.
    fn line(&self, now: jiff::Timestamp, event: &str, data: serde_json::Value) {
        let mut map = serde_json::Map::new();
        map.insert("ts".into(), now.to_string().into());
        map.insert("event".into(), event.into());
        if let serde_json::Value::Object(mut data) = data {
            self.scrub_messages(&mut data);
            map.extend(data);
        }
        self.out(&serde_json::Value::Object(map).to_string());
    }

    /// Masks secrets in the members of a JSON line that hold messages, but not in ids, names and
    /// rows.
    fn scrub_messages(&self, data: &mut serde_json::Map<String, serde_json::Value>) {
        const MESSAGES: [&str; 10] = [
            "message",
            "hints",
            "notes",
            "help",
            "label",
            "related",
            "diagnostic",
            "reason",
            "msg",
            "exc",
        ];
        for inner in ["info", "data"] {
            if let Some(serde_json::Value::Object(inner)) = data.get_mut(inner) {
                self.scrub_messages(inner);
            }
        }
        for (_, value) in data.iter_mut().filter(|(key, _)| MESSAGES.contains(&key.as_str())) {
            self.scrub_texts(value);
        }
    }

    fn scrub_texts(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let std::borrow::Cow::Owned(masked) = self.scrubber.scrub(text) {
                    *text = masked;
                }
            }
            serde_json::Value::Array(items) => {
                items.iter_mut().for_each(|item| self.scrub_texts(item))
            }
            serde_json::Value::Object(map) => {
                map.values_mut().for_each(|item| self.scrub_texts(item))
            }
            _ => {}
        }
    }

    /// A new console with the same settings.
    pub(super) fn copy(&self) -> Console {
        Console::new(self.style.clone(), self.scrubber.clone(), self.log.copy())
    }

    /// Reports a notice of a running use case.
    pub(crate) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Files(map) => self.set_map(map),
            Notice::Diagnostics(list) => self.diagnostics(&list),
            Notice::Run(event) => self.event(&event),
            Notice::Packages(step) => self.fetch_step(&step),
        }
    }

    /// Shows a line with a clock while something lasts. `false` if there is no terminal for it.
    pub(super) fn show_work(&mut self, text: &str) -> bool {
        if !self.terminal || self.json_lines() {
            return false;
        }
        if !self.style.quiet {
            self.live.get_or_insert_with(ProgressBars::without_total).started(text, text);
        }
        true
    }

    pub(super) fn change_work(&mut self, id: &str, text: &str) {
        if let Some(live) = &mut self.live {
            live.changed(id, text);
        }
    }

    pub(super) fn end_work(&mut self, id: &str) {
        if let Some(live) = self.live.as_mut() {
            live.finished(id, false);
        }
        if let Some(live) = self.live.take_if(|live| live.is_idle()) {
            live.close();
        }
    }

    /// Emits an event: its data for machines, the text for people unless it is empty.
    pub(super) fn emit_event(&self, event: &'static str, data: serde_json::Value, text: &str) {
        let lines = if text.is_empty() { Vec::new() } else { vec![DbtLine::note(text)] };
        if !self.record(|| vec![(event, data)], lines) && !text.is_empty() {
            self.show(text);
        }
    }

    /// A diagnostic as text, with its source lines.
    pub(super) fn rendered(&self, d: &Diagnostic) -> String {
        render_diagnostic(d, &self.map, self.colours)
    }

    pub(super) fn one_line(&self, d: &Diagnostic) -> String {
        one_line(d, &self.map)
    }

    pub(super) fn scrubbed<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        self.scrubber.scrub(text)
    }

    pub(super) fn paint(&self, text: &str, colour: AnsiColor) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let style = anstyle::Style::new().fg_color(Some(colour.into()));
        format!("{style}{text}{style:#}")
    }

    pub(super) fn bold(&self, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let style = anstyle::Style::new().effects(Effects::BOLD);
        format!("{style}{text}{style:#}")
    }

    /// Prints all diagnostics in JSON output. Text output is limited, with errors first.
    pub(crate) fn diagnostics(&mut self, list: &[Diagnostic]) {
        let list = self.without_repeated(list);
        let list = list.as_ref();
        if list.len() <= MOST || self.json_lines() {
            return self.some_diagnostics(list);
        }
        let (errors, warnings): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
            list.iter().partition(|d| d.is_error());
        let shown: Vec<Diagnostic> =
            errors.into_iter().chain(warnings).take(MOST).cloned().collect();
        self.some_diagnostics(&shown);
        let text = format!("and {} more: `--log-format json` has all of them", list.len() - MOST);
        let _ = writeln!(self.painted(std::io::stderr()), "{text}");
    }

    /// The diagnostics without those that something is out of date, but for the first one of a kind.
    fn without_repeated<'l>(&mut self, list: &'l [Diagnostic]) -> Cow<'l, [Diagnostic]> {
        let mut repeated = Vec::new();
        for (i, d) in list.iter().enumerate() {
            let event = d.event.filter(|_| d.code == Code::Deprecated);
            let Some(event) = event else { continue };
            let count = self.deprecations.entry(event.name()).or_default();
            *count += 1;
            if *count > 1 && !self.style.all_deprecations {
                repeated.push(i);
            }
        }
        if repeated.is_empty() {
            return Cow::Borrowed(list);
        }
        let kept = (0..list.len()).filter(|i| repeated.binary_search(i).is_err());
        Cow::Owned(kept.map(|i| list[i].clone()).collect())
    }

    /// Tells how many deprecations were not shown, if any.
    pub(crate) fn sum_up_deprecations(&mut self) {
        let more = self.deprecations.iter().filter(|(_, count)| **count > 1);
        let more: Vec<String> =
            more.map(|(name, count)| format!("{} of {name}", count - 1)).collect();
        if more.is_empty() || self.style.all_deprecations {
            return;
        }
        let message = format!("more is out of date: {}", more.join(", "));
        let event = DbtEvent::DeprecationsSummary;
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message);
        self.diagnostic(&d.help("`--show-all-deprecations` shows each"));
    }

    fn some_diagnostics(&mut self, list: &[Diagnostic]) {
        for (i, d) in list.iter().enumerate() {
            // After the first 20, warnings take one line each, so that a long list can be skimmed.
            if i >= 20 && !d.is_error() && !self.json_lines() && !self.style.quiet {
                let _ = writeln!(
                    self.painted(std::io::stderr()),
                    "{}",
                    self.scrubber.scrub(&one_line(d, &self.map))
                );
            } else {
                self.diagnostic(d);
            }
        }
    }

    /// Prints a diagnostic. Warnings are left out if quiet, errors never are.
    pub(crate) fn diagnostic(&mut self, d: &Diagnostic) {
        let line = describe_diagnostic(d, render_diagnostic(d, &self.map, false));
        if !self.record(|| vec![("diagnostic", diagnostic_json(d, &self.map))], vec![line]) {
            self.show_diagnostic(d);
        }
    }

    fn show_diagnostic(&self, d: &Diagnostic) {
        if d.is_error() || !self.style.quiet {
            let text =
                self.scrubber.scrub(&render_diagnostic(d, &self.map, self.colours)).into_owned();
            match &self.live {
                Some(live) => live.print(&text),
                None => {
                    let _ = writeln!(self.painted(std::io::stderr()), "{text}");
                }
            }
        }
    }

    pub(crate) fn event(&mut self, event: &Event) {
        if let Event::Warning { diagnostic } = event {
            return self.diagnostics(std::slice::from_ref(diagnostic));
        }
        let lines = self.log.describe_event(event);
        if !self.record(|| event_lines(event, &self.map), lines) {
            self.show_event(event);
        }
    }

    fn show_event(&mut self, event: &Event) {
        match event {
            Event::VerdictsReached { nodes } => self.judged(nodes),
            Event::RunStarted { steps, tests, threads } => {
                self.show(&format!(
                    "{}, {}, {}",
                    count_of(*steps, "step"),
                    count_of(*tests, "test"),
                    count_of(*threads, "thread")
                ));
                if self.terminal && !self.style.quiet {
                    self.live = Some(ProgressBars::new(*steps));
                }
            }
            Event::FreshnessStarted { sources, threads } => {
                self.show(&format!(
                    "{}, {}",
                    count_of(*sources, "source"),
                    count_of(*threads, "thread")
                ));
                if self.terminal && !self.style.quiet {
                    self.live = Some(ProgressBars::new(*sources));
                }
            }
            Event::SchemaCreated { name } => self.show(&format!("created schema {name}")),
            Event::NodeStarted { unique_id, name, what, kind, .. } => {
                self.exports |= *kind == ResourceType::Export;
                if let Some(live) = &mut self.live {
                    live.started(unique_id, &format!("{what} {name}"));
                }
            }
            Event::NodeWaiting { unique_id, name, what, text, .. } => {
                match (&mut self.live, text) {
                    (Some(live), Some(text)) => {
                        live.changed(unique_id, &format!("waiting for {text}"))
                    }
                    (Some(live), None) => live.changed(unique_id, &format!("{what} {name}")),
                    (None, Some(text)) => self.show(&format!("waiting for {text}")),
                    (None, None) => {}
                }
            }
            Event::BatchChanged { unique_id, name, what, progress, .. } => {
                self.batch_changed(unique_id, name, what, progress);
            }
            Event::Executed { sql, .. } => {
                if self.style.debug {
                    sql.texts().for_each(|text| self.out(&self.scrubber.scrub(&text)));
                }
            }
            Event::NodeFinished { name, what, kind, result, guarded, .. } => {
                if let Some(live) = self.live.as_mut().filter(|_| !guarded) {
                    live.finished(&result.unique_id, *kind != ResourceType::Operation);
                }
                self.node_finished(name, what, *kind, result, *guarded);
            }
            Event::Log { line } => {
                if line.print && self.style.print
                    || line.info && !self.style.quiet
                    || self.style.debug
                {
                    self.out(&self.scrubber.scrub(&line.text));
                }
            }
            Event::Warning { diagnostic } => self.show_diagnostic(diagnostic),
            Event::Interrupted => {
                self.show("stopping: running statements are cancelled, the rest is skipped")
            }
            Event::RunFinished { totals, seconds } => {
                if let Some(live) = self.live.take() {
                    live.close();
                }
                self.finished(totals, *seconds);
            }
        }
    }

    /// Prints the reasons why nodes are built, and the number of nodes that are not.
    fn judged(&self, nodes: &[NodeVerdict]) {
        const SHOWN: usize = 40;
        let stored = |n: &&NodeVerdict| n.kind != ResourceType::Test;
        let due: Vec<&NodeVerdict> =
            nodes.iter().filter(stored).filter(|n| n.verdict != Verdict::Fresh).collect();
        for node in due.iter().take(if self.style.debug { usize::MAX } else { SHOWN }) {
            self.show(&format!(
                "{:>5}  {} {}: {}",
                node.verdict.word(),
                node.kind.as_str(),
                node.name,
                node.verdict
            ));
        }
        if due.len() > SHOWN && !self.style.debug {
            self.show(&format!(
                "       and {} more (strata plan --changed lists them)",
                due.len() - SHOWN
            ));
        }
        let same = nodes.iter().filter(stored).filter(|n| n.verdict == Verdict::Fresh).count();
        if same > 0 {
            self.show(&format!("{} unchanged", count_of(same, "node")));
        }
    }

    /// Whether a result has a line of its own. Guarding tests that pass are only counted, unless
    /// debug is on.
    fn shows(&self, result: &RunResult, guarded: bool) -> bool {
        match result.outcome.status {
            RunStatus::Error | RunStatus::PartialSuccess | RunStatus::Fail | RunStatus::Warn => {
                true
            }
            RunStatus::Pass => self.style.debug || !guarded && !self.style.quiet,
            RunStatus::NoOp => self.style.debug,
            _ => !self.style.quiet,
        }
    }

    fn node_finished(
        &mut self,
        name: &str,
        what: &str,
        kind: ResourceType,
        result: &RunResult,
        guarded: bool,
    ) {
        let status = result.outcome.status;
        if status.is_bad() || status == RunStatus::Warn {
            self.failures.push((format!("{what} {name}"), result.clone()));
        }
        if status == RunStatus::Error
            && result
                .outcome
                .failed
                .as_ref()
                .is_some_and(|f| f.diagnostic.code == crate::diag::Code::NotBuilt)
        {
            self.kept_old += 1;
        }
        if !self.shows(result, guarded) {
            return;
        }
        let (word, colour) = match status {
            RunStatus::Success => ("ok", AnsiColor::Green),
            RunStatus::Pass => ("pass", AnsiColor::Green),
            RunStatus::Warn => ("warn", AnsiColor::Yellow),
            RunStatus::Fail => ("FAIL", AnsiColor::Red),
            RunStatus::Error => ("ERROR", AnsiColor::Red),
            RunStatus::PartialSuccess => ("part", AnsiColor::Red),
            RunStatus::Skipped => ("skip", AnsiColor::Yellow),
            RunStatus::NoOp => ("no-op", AnsiColor::BrightBlack),
        };
        let word = self.paint(&format!("{word:>5}"), colour);
        let seconds = if result.seconds > 0.0 {
            format!("  {}", duration_text(result.seconds))
        } else {
            String::new()
        };
        let detail = match status {
            // The message says what the export wrote, or would write in a dry run.
            RunStatus::Success if kind == ResourceType::Export => {
                result.outcome.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default()
            }
            RunStatus::Success | RunStatus::PartialSuccess if result.outcome.batches.is_some() => {
                batches_text(&result.outcome).unwrap_or_default()
            }
            RunStatus::Fail | RunStatus::Warn | RunStatus::Skipped => {
                short_message(&result.outcome).map(|m| format!("  {m}")).unwrap_or_default()
            }
            _ => String::new(),
        };
        self.out(&self.scrubber.scrub(&format!("{word}  {what} {name}{detail}{seconds}")));
    }

    /// Shows which batch of a running node is built. Where nothing is redrawn, each batch that has
    /// ended has a line.
    fn batch_changed(&mut self, id: &str, name: &str, what: &str, progress: &BatchProgress) {
        let BatchProgress { batch, index, total, ended } = progress;
        if let (Some(live), None) = (&mut self.live, ended) {
            live.changed(id, &format!("{what} {name}  batch {index} of {total}: {batch}"));
        }
        let Some(EndedBatch { status, seconds, .. }) = ended else { return };
        let is_bad = status.is_bad();
        // A model of one batch has a line of its own, and failures are told with it.
        if !is_bad && (self.live.is_some() || self.style.quiet || *total == 1) {
            return;
        }
        let (word, colour) =
            if is_bad { ("ERROR", AnsiColor::Red) } else { ("ok", AnsiColor::Green) };
        let word = self.paint(&format!("{word:>5}"), colour);
        let time = duration_text(*seconds);
        let text = format!("{word}  batch {index} of {total} of {name}: {batch}  {time}");
        self.out(&self.scrubber.scrub(&text));
    }

    /// Prints the failures with their locations, the totals and the next action.
    fn finished(&mut self, totals: &StatusTotals, seconds: f64) {
        let failures = std::mem::take(&mut self.failures);
        if !failures.is_empty() {
            self.out("");
        }
        for (name, result) in &failures {
            match &result.outcome.failed {
                Some(failed) => self.show_diagnostic(&failed.diagnostic),
                None => {
                    let message = short_message(&result.outcome).unwrap_or_default();
                    let word =
                        if result.outcome.status == RunStatus::Warn { "warning" } else { "failed" };
                    let place = result.outcome.place.map(|span| {
                        let at = self.map.line_col(span.file, span.start);
                        format!(" ({}:{}:{})", self.map.path(span.file), at.line, at.column)
                    });
                    let text = format!("{word}: {name}: {message}{}", place.unwrap_or_default());
                    self.out(&self.scrubber.scrub(&text));
                    if let Some(diff) = &result.outcome.row_diff {
                        self.show_row_diff(diff);
                    }
                }
            }
        }
        let order = [
            (RunStatus::Success, if self.exports { "exported" } else { "built" }),
            (RunStatus::Pass, "passed"),
            (RunStatus::Warn, "warned"),
            (RunStatus::Fail, "failed"),
            (RunStatus::Error, "errors"),
            (RunStatus::PartialSuccess, "built in part"),
            (RunStatus::Skipped, "skipped"),
            (RunStatus::NoOp, "no-op"),
        ];
        let counts: Vec<String> = order
            .iter()
            .filter(|(s, _)| totals.get(*s) > 0)
            .map(|(s, word)| {
                if *word == "errors" {
                    count_of(totals.get(*s), "error")
                } else {
                    format!("{} {word}", totals.get(*s))
                }
            })
            .collect();
        let counts = if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") };
        if !self.style.quiet || !failures.is_empty() {
            self.out(&self.bold(&format!("{counts} in {}", duration_text(seconds))));
        }
        let kept_old = std::mem::take(&mut self.kept_old);
        if kept_old > 0 {
            let what = if kept_old == 1 { "1 relation stays" } else { "some relations stay" };
            self.show(&format!("{what} as before: the new version did not pass its tests"));
        }
    }

    /// Prints the rows in which a unit test's result differs from the expected one.
    fn show_row_diff(&self, diff: &RowDiff) {
        for line in self.row_diff_lines(diff) {
            self.out(&self.scrubber.scrub(&line));
        }
    }

    /// The rows in which a unit test's result differs from the expected one, coloured.
    pub(super) fn row_diff_lines(&self, diff: &RowDiff) -> impl Iterator<Item = String> {
        let lines = draw_row_diff(diff, &|text, colour| match colour {
            DiffColour::Plain => text.to_owned(),
            DiffColour::Expected => self.paint(text, AnsiColor::Red),
            DiffColour::Actual => self.paint(text, AnsiColor::Green),
        });
        lines.into_iter()
    }

    /// Prints the error that made the command fail, with hints.
    pub(crate) fn failure(&self, message: &str, hints: &[String]) {
        let own = || vec![("error", serde_json::json!({ "message": message, "hints": hints }))];
        if self.record(own, vec![DbtLine::failure(message)]) {
            return;
        }
        let word = self.paint("error", AnsiColor::Red);
        let _ =
            writeln!(self.painted(std::io::stderr()), "{word}: {}", self.scrubber.scrub(message));
        for hint in hints {
            let _ =
                writeln!(self.painted(std::io::stderr()), "hint: {}", self.scrubber.scrub(hint));
        }
    }

    /// Writes the first lines of the log: the version, and the command line without secrets.
    pub(crate) fn start_log(&mut self, invocation: &str, command: &str) {
        self.log.set_invocation(invocation);
        self.record(Vec::new, describe_command_start(command));
    }

    /// Writes the last line of the log.
    pub(crate) fn end_log(&self, command: &str, is_success: bool) {
        let now = jiff::Timestamp::now();
        let seconds = now.duration_since(self.log.started).as_secs_f64();
        let line = describe_command_end(command, is_success, seconds, now);
        self.record(Vec::new, vec![line]);
    }

    /// The width of the terminal in columns. `None`: standard output is not a terminal.
    pub(crate) fn width(&self) -> Option<u16> {
        if !self.terminal {
            return None;
        }
        terminal_size::terminal_size().map(|(w, _)| w.0)
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json_lines()
    }
}

/// How many batches were built, for the line of a node that has some.
fn batches_text(outcome: &NodeOutcome) -> Option<String> {
    let batches = outcome.batches.as_ref()?;
    let (good, bad) = (batches.successful.len(), batches.failed.len());
    Some(match bad {
        0 => format!(
            "  {}",
            if good == 1 { "1 batch".to_owned() } else { format!("{good} batches") }
        ),
        _ => format!("  {good} of {} batches", good + bad),
    })
}

/// `1 step`, `2 steps`.
pub(super) fn count_of(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `12 ms`, `1.23 s`, `2 min 3 s`.
pub(super) fn duration_text(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(
            [duration_text(0.0123), duration_text(1.234), duration_text(123.0)],
            ["12 ms", "1.23 s", "2 min 3 s"]
        );
    }
}
