//! The live view on a terminal: the running nodes with their duration, and the progress of the run.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;

/// A progress bar for the run and a line for each running node, drawn on standard error.
pub(super) struct ProgressBars {
    multi: MultiProgress,
    bar: ProgressBar,
    running: BTreeMap<String, ProgressBar>,
}

impl ProgressBars {
    pub(super) fn new(total: usize) -> ProgressBars {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = multi.add(ProgressBar::new(total as u64).with_style(style));
        bar.enable_steady_tick(Duration::from_millis(200));
        ProgressBars { multi, bar, running: BTreeMap::new() }
    }

    /// Lines only, for work of which nobody knows how much there is.
    pub(super) fn without_total() -> ProgressBars {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let bar = multi.add(ProgressBar::hidden());
        ProgressBars { multi, bar, running: BTreeMap::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    pub(super) fn started(&mut self, id: &str, text: &str) {
        // A node that had to wait is started twice.
        if self.running.contains_key(id) {
            return self.changed(id, text);
        }
        let style = ProgressStyle::with_template("  {spinner} {msg}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = self.multi.insert_before(
            &self.bar,
            ProgressBar::new_spinner().with_style(style).with_message(text.to_owned()),
        );
        line.enable_steady_tick(Duration::from_millis(200));
        self.running.insert(id.to_owned(), line);
    }

    /// Changes the text of a running node.
    pub(super) fn changed(&mut self, id: &str, text: &str) {
        if let Some(line) = self.running.get(id) {
            line.set_message(text.to_owned());
        }
    }

    /// Removes a running node. `counts`: whether it is one of the steps that the bar counts.
    pub(super) fn finished(&mut self, id: &str, counts: bool) {
        if let Some(line) = self.running.remove(id) {
            line.finish_and_clear();
            self.multi.remove(&line);
        }
        self.bar.inc(u64::from(counts));
    }

    /// Prints a line above the view.
    pub(super) fn print(&self, line: &str) {
        self.multi.suspend(|| anstream::println!("{line}"));
    }

    pub(super) fn close(self) {
        for line in self.running.values() {
            line.finish_and_clear();
        }
        self.bar.finish_and_clear();
    }
}
