//! The watch loop: reads the project after saves, and starts builds.
#![expect(
    clippy::disallowed_methods,
    reason = "measures how long a reading takes, and waits for quiet"
)]

use super::files::{FileChange, FileWatcher};
use crate::changes::Verdict;
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::load::has_known_ending;
use crate::manifest::{NodeId, NodeSet};
use crate::ops::{
    FailedCauses, OpsError, RebuildLimits, RebuildProgress, RebuildReport, RebuildRequest,
    rebuild_changed, select_for_watch,
};
use crate::report::{Console, Screen, WatchEvent};
use crate::run::{CancelToken, Event};
use crate::select::Selection;
use crate::system::{CachedSystem, PathType, System};
use crate::workspace::{KnownDatabase, ProjectReading, Revision, WatchedFolder, Workspace};
use camino::Utf8PathBuf;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Default)]
pub(crate) struct WatchOptions {
    pub(crate) selection: Selection,
    pub(crate) show: Option<String>,
    pub(crate) build: bool,
    pub(crate) poll: bool,
    pub(crate) limits: RebuildLimits,
    /// The number of rows that `show` prints.
    pub(crate) rows: usize,
}

/// What the loop waits for.
pub(super) enum LoopMessage {
    FileChanged(FileChange),
    /// Events may have been lost, so all files are checked for changes.
    Lost,
    Progress(RebuildProgress),
    Done(Box<FinishedRebuild>),
}

/// The result of a build, with the state that it left the database in.
pub(super) struct FinishedRebuild {
    result: Result<RebuildReport, OpsError>,
    known: Option<KnownDatabase>,
}

/// The time without events after which files are read. Applies to files that are still being
/// written, and to events shortly after the last reading (a burst).
const QUIET: Duration = Duration::from_millis(40);
/// The longest time that a burst can delay a reading.
const AT_MOST: Duration = Duration::from_millis(500);
/// How long to wait for a removed file to come back: git and some editors remove a file before they
/// write it again.
const GONE: Duration = Duration::from_millis(80);
/// When to check a folder again after it has appeared.
const AGAIN: [Duration; 2] = [Duration::from_millis(60), Duration::from_millis(400)];
/// The longest time that the loop waits for a message.
const TICK: Duration = Duration::from_millis(50);

/// The error if `--show` names no existing model.
#[derive(Debug, thiserror::Error)]
#[error("there is no model `{name}` to show{}", .near.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
struct NothingToShow {
    name: String,
    near: Option<String>,
}

/// Changes that have not been read yet.
#[derive(Default)]
struct Pending {
    paths: BTreeSet<Utf8PathBuf>,
    settled: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    /// When it was noticed that one of the files is gone.
    gone: Option<Instant>,
    everything: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.everything
    }

    /// How long to wait before the files are read. The first event of a burst is handled at once if
    /// the file was closed. For later events, and for files that are still being written, the loop
    /// waits until there are no more events.
    fn wait(&self, now: Instant, last_reading: Option<Instant>) -> Duration {
        let (Some(first), Some(last)) = (self.first, self.last) else { return TICK };
        if let Some(gone) = self.gone {
            return (gone + GONE).saturating_duration_since(now);
        }
        let burst = last_reading.is_some_and(|r| r + QUIET > first);
        if self.settled && !burst && !self.everything {
            return Duration::ZERO;
        }
        let ready = (last + QUIET).min(first + AT_MOST);
        ready.saturating_duration_since(now)
    }

    /// Whether to wait for a file that is gone, since it may come back in a moment.
    fn waits_for_one(&mut self, now: Instant, system: &dyn System) -> bool {
        let lost =
            |p: &Utf8PathBuf| has_known_ending(p) && system.path_type(p) == PathType::Nothing;
        if self.everything || !self.paths.iter().any(lost) {
            self.gone = None;
            return false;
        }
        let since = |then: Instant| now.saturating_duration_since(then);
        let late = self.first.is_some_and(|first| since(first) > AT_MOST);
        since(*self.gone.get_or_insert(now)) < GONE && !late
    }

    fn add(&mut self, now: Instant, touched: FileChange) {
        self.gone = None;
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.settled = touched.settled;
        self.paths.insert(touched.path);
    }

    /// Marks all files as changed, since events may have been lost.
    fn add_everything(&mut self, now: Instant) {
        self.everything = true;
        self.first.get_or_insert(now);
        self.last = Some(now);
    }
}

struct Build {
    thread: JoinHandle<()>,
    cancel: CancelToken,
    /// The unique ids of the nodes that are still to be built.
    open: HashSet<String>,
    started: Instant,
}

struct WatchLoop<'a> {
    workspace: &'a mut Workspace,
    options: WatchOptions,
    files: FileWatcher,
    system: Arc<CachedSystem>,
    /// The state in which the last build left the database.
    known: Option<KnownDatabase>,
    /// The last complete revision.
    good: Option<Arc<Revision>>,
    folders: Vec<WatchedFolder>,
    sender: Sender<LoopMessage>,
    build: Option<Build>,
    /// Whether to start another build once the running one has ended.
    due: bool,
    failed: FailedCauses,
    recheck: BTreeMap<Instant, Utf8PathBuf>,
    last_reading: Option<Instant>,
    screen: Screen,
}

/// Watches and builds the project until the user stops it.
pub(crate) fn run_watch(
    workspace: &mut Workspace,
    console: &Console,
    options: WatchOptions,
) -> Result<(), OpsError> {
    let screen = Screen::new(console);
    let outer = workspace.settings().system.clone();
    let system = Arc::new(CachedSystem::new(outer, has_known_ending));
    workspace.change_settings(|settings| settings.system = system.clone());
    let (sender, receiver) = unbounded();
    let files = FileWatcher::new(sender.clone(), options.poll).map_err(|e| {
        let hint = "`strata watch --poll` looks at the files instead of waiting for events";
        OpsError::usage_with_hint(format!("files cannot be watched: {e}"), hint)
    })?;
    let mut session = WatchLoop {
        workspace,
        options,
        files,
        system,
        known: None,
        good: None,
        folders: Vec::new(),
        sender,
        build: None,
        due: false,
        failed: FailedCauses::default(),
        recheck: BTreeMap::new(),
        last_reading: None,
        screen,
    };
    let result = session.run(&receiver);
    session.end();
    result
}

impl WatchLoop<'_> {
    fn run(&mut self, receiver: &Receiver<LoopMessage>) -> Result<(), OpsError> {
        self.read(&[])?;
        if let Some(project) = &self.good {
            // An invalid selection in the first revision is a usage error.
            let mut complaints = Vec::new();
            select_for_watch(project, &self.options.selection)?.drain_into(&mut complaints);
            if let Some(d) = complaints.into_iter().find(Diagnostic::is_error) {
                return Err(OpsError::Usage { message: d.message, hints: d.help });
            }
        }
        // Stores the cache now, so that other commands can use it, and the next watch if this one
        // is killed. It is stored again at the end.
        self.workspace.store_parse_cache();
        let mut pending = Pending::default();
        loop {
            self.begin_build();
            let now = Instant::now();
            let mut wait = match pending.is_empty() {
                true => TICK,
                false => pending.wait(now, self.last_reading).min(TICK),
            };
            if let Some((at, _)) = self.recheck.first_key_value() {
                wait = wait.min(at.saturating_duration_since(now));
            }
            match receiver.recv_timeout(wait) {
                Ok(message) => {
                    self.take(message, &mut pending)?;
                    // All messages that have arrived in the meantime belong to one burst.
                    while let Ok(message) = receiver.try_recv() {
                        self.take(message, &mut pending)?;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.workspace.cancel_token().is_cancelled() || self.screen.is_reader_gone() {
                return Ok(());
            }
            while let Some(path) = self.due_recheck() {
                let touched =
                    FileChange { path, settled: true, is_folder: false, is_removed: false };
                pending.add(Instant::now(), touched);
            }
            let now = Instant::now();
            let ready = !pending.is_empty() && pending.wait(now, self.last_reading).is_zero();
            if ready && !pending.waits_for_one(now, self.system.inner()) {
                let pending = std::mem::take(&mut pending);
                self.saved(&pending)?;
            }
            self.screen.draw();
        }
    }

    fn due_recheck(&mut self) -> Option<Utf8PathBuf> {
        let entry = self.recheck.first_entry().filter(|e| *e.key() <= Instant::now())?;
        Some(entry.remove())
    }

    fn take(&mut self, message: LoopMessage, pending: &mut Pending) -> Result<(), OpsError> {
        match message {
            LoopMessage::FileChanged(touched) => {
                if touched.is_folder {
                    for after in AGAIN {
                        self.recheck.insert(Instant::now() + after, touched.path.clone());
                    }
                }
                if touched.is_removed {
                    self.files.lost(&touched.path);
                }
                pending.add(Instant::now(), touched);
            }
            LoopMessage::Lost => pending.add_everything(Instant::now()),
            LoopMessage::Progress(progress) => self.progress(progress),
            LoopMessage::Done(finished) => self.finished(*finished)?,
        }
        Ok(())
    }

    /// Reads the project again if any of the pending files has changed.
    fn saved(&mut self, pending: &Pending) -> Result<(), OpsError> {
        let all: Vec<Utf8PathBuf> = match pending.everything {
            true => self.folders.iter().map(|f| f.path.clone()).collect(),
            false => pending.paths.iter().cloned().collect(),
        };
        let changed = self.system.find_changed_paths(all.iter().map(|p| &**p));
        if changed.is_empty() {
            // The watched folders may have been replaced.
            return self.rewatch().map(|_| ());
        }
        self.read(&changed)
    }

    fn read(&mut self, changed: &[Utf8PathBuf]) -> Result<(), OpsError> {
        let begun = Instant::now();
        self.workspace.begin_invocation(uuid::Uuid::new_v4().to_string());
        let mut reading = self.workspace.read()?;
        // The diagnostics are sorted so that errors come last. Show the errors first.
        reading.diagnostics.reverse();
        if self.last_reading.is_none() && reading.revision.is_none() {
            let nowhere = |d: &Diagnostic| d.code == Code::ProjectFile && d.primary.is_none();
            if let Some(d) = reading.diagnostics.iter().find(|d| nowhere(d)) {
                // Errors in a project are waited to be fixed, but a missing project is a usage
                // error.
                return Err(OpsError::Usage { message: d.message.clone(), hints: d.help.clone() });
            }
        }
        self.show(&reading, changed, begun);
        self.last_reading = Some(Instant::now());
        if !reading.folders.is_empty() {
            self.folders = reading.folders;
        }
        if self.folders.is_empty() {
            let here = self.system.current_dir();
            self.folders.push(WatchedFolder { path: here, is_recursive: false });
        }
        let unseen = self.rewatch()?;
        if let Some(revision) = reading.revision.filter(|r| r.is_whole()) {
            self.accept(revision);
        }
        // Changes that happened in the folders before they were watched.
        if !unseen.is_empty() && !changed.is_empty() {
            let changed = self.system.find_changed_paths(unseen.iter().map(|p| &**p));
            if !changed.is_empty() {
                return self.read(&changed);
            }
        }
        Ok(())
    }

    fn rewatch(&mut self) -> Result<Vec<Utf8PathBuf>, OpsError> {
        // The cached answers of `self.system` may be outdated.
        let new = self.files.watch(&self.folders, self.system.inner());
        Ok(new)
    }

    /// Shows the diagnostics of a reading before anything is built.
    fn show(&mut self, reading: &ProjectReading, changed: &[Utf8PathBuf], begun: Instant) {
        let first = reading.folders.first();
        let root = first.map_or_else(|| self.system.current_dir(), |f| f.path.clone());
        let short = |p: &Utf8PathBuf| p.strip_prefix(&root).unwrap_or(p).to_string();
        self.screen.show_event(WatchEvent::Read {
            files: reading.map.clone(),
            changed: changed.iter().map(short).collect(),
            seconds: begun.elapsed().as_secs_f64(),
            parsed: reading.counts.parsed,
            reused: reading.counts.reused,
            macro_files: reading.counts.macro_files,
            resolved: reading.resolved,
            diagnostics: reading.diagnostics.clone(),
        });
        if let Some(revision) = &reading.revision {
            let target = revision.target();
            self.screen.show_event(WatchEvent::Project {
                name: revision.manifest.project.name.to_string(),
                target: target.name.to_string(),
                adapter: target.adapter.to_string(),
            });
        }
        self.screen.draw();
    }

    /// Takes a revision without errors for the next build. The running build is cancelled if the
    /// revision makes it obsolete.
    fn accept(&mut self, revision: Arc<Revision>) {
        let obsolete = match (&self.good, &self.build) {
            (Some(old), Some(build)) => touches(old, &revision, &build.open),
            _ => false,
        };
        self.good = Some(revision);
        self.due = true;
        if let (true, Some(build)) = (obsolete, &self.build) {
            build.cancel.cancel();
            self.screen.show_event(WatchEvent::Obsolete);
        }
    }

    /// Starts a build if one is due and none is running.
    fn begin_build(&mut self) {
        if !self.due || self.build.is_some() {
            return;
        }
        self.due = false;
        let Some(revision) = self.good.clone() else { return };
        let Some(selected) = self.select(&revision) else { return };
        if !self.options.build {
            let complaints = revision.check(&selected);
            return self.screen.show_event(WatchEvent::Checked(complaints));
        }
        let show = match self.shown(&revision) {
            Ok(show) => show,
            Err(e) => {
                self.screen.show_event(WatchEvent::Failure(e.to_string(), Vec::new()));
                None
            }
        };
        self.spawn(revision, selected, show);
    }

    /// The selected nodes. `None` if there are none, or the selection is invalid; the reason is
    /// shown.
    fn select(&mut self, revision: &Revision) -> Option<NodeSet> {
        let mut complaints = Vec::new();
        let happening = match select_for_watch(revision, &self.options.selection) {
            Ok(checked) => {
                let selected = checked.drain_into(&mut complaints);
                if complaints.iter().any(Diagnostic::is_error) {
                    WatchEvent::Complaints(complaints)
                } else if selected.len() == 0 {
                    let hint = "`strata ls` shows what there is".to_owned();
                    WatchEvent::Failure("the selection matches nothing".to_owned(), vec![hint])
                } else {
                    return Some(selected);
                }
            }
            Err(e) => WatchEvent::Failure(e.to_string(), Vec::new()),
        };
        self.screen.show_event(happening);
        None
    }

    fn shown(&self, revision: &Revision) -> Result<Option<NodeId>, NothingToShow> {
        let Some(name) = &self.options.show else { return Ok(None) };
        let all = revision.manifest.all().filter(|n| n.resource_type().is_refable());
        let found = all
            .clone()
            .find(|n| *n.name == **name || *n.unique_id == **name || n.display_name() == *name);
        found.map(|n| Some(n.id)).ok_or_else(|| NothingToShow {
            name: name.clone(),
            near: nearest_name(name, all.map(|n| &*n.name)).map(str::to_owned),
        })
    }

    fn spawn(&mut self, revision: Arc<Revision>, selected: NodeSet, show: Option<NodeId>) {
        let cancel = CancelToken::default();
        let token = cancel.clone();
        let (sender, limits, rows) = (self.sender.clone(), self.options.limits, self.options.rows);
        let ids = selected.iter().map(|id| revision.manifest.node(id).unique_id.to_string());
        let open = ids.collect();
        let failed_before = self.failed.clone();
        let mut known = self.known.take();
        let builder = std::thread::Builder::new().name("build".to_owned()).stack_size(16 << 20);
        let spawned = builder.spawn(move || {
            let request = RebuildRequest {
                revision: &revision,
                selected,
                limits,
                failed_before: &failed_before,
                show,
                rows,
                cancel: &token,
            };
            let result = rebuild_changed(request, &mut known, &mut |progress| {
                let _ = sender.send(LoopMessage::Progress(progress));
            });
            let _ = sender.send(LoopMessage::Done(Box::new(FinishedRebuild { result, known })));
        });
        match spawned {
            Ok(thread) => {
                self.build = Some(Build { thread, cancel, open, started: Instant::now() });
                self.screen.show_event(WatchEvent::Building);
            }
            Err(e) => self.screen.show_event(WatchEvent::Failure(e.to_string(), Vec::new())),
        }
    }

    fn progress(&mut self, progress: RebuildProgress) {
        match progress {
            RebuildProgress::Waiting(message) => {
                self.screen.show_event(WatchEvent::Waiting(message))
            }
            RebuildProgress::Shown(table) => {
                let name = self.options.show.clone().unwrap_or_default();
                self.screen.show_event(WatchEvent::Shown(name, table));
            }
            RebuildProgress::Event(event) => {
                if let (Some(build), Event::NodeFinished { result, .. }) = (&mut self.build, &event)
                {
                    build.open.remove(&*result.unique_id);
                }
                if let (Some(build), Event::VerdictsReached { nodes }) = (&mut self.build, &event) {
                    let due = nodes.iter().filter(|n| n.verdict != Verdict::Fresh);
                    build.open = due.map(|n| n.unique_id.to_string()).collect();
                }
                self.screen.show_event(WatchEvent::Event(Box::new(event)));
            }
        }
    }

    fn finished(&mut self, finished: FinishedRebuild) -> Result<(), OpsError> {
        let Some(build) = self.build.take() else { return Ok(()) };
        let _ = build.thread.join();
        self.known = finished.known;
        let ended = build.cancel.is_cancelled();
        let seconds = build.started.elapsed().as_secs_f64();
        match finished.result {
            Ok(RebuildReport { results, left, failed, compiled }) => {
                for result in &results {
                    if !failed.contains_key(&*result.unique_id) && !ended {
                        self.failed.remove(&*result.unique_id);
                    }
                }
                self.failed.extend(failed);
                let failed = results.iter().filter(|r| r.outcome.status.is_failure()).count();
                self.screen.show_event(WatchEvent::Built {
                    ended,
                    seconds,
                    failed,
                    left,
                    compiled,
                });
            }
            Err(e) => self.screen.show_event(WatchEvent::Failure(e.to_string(), e.hints())),
        }
        Ok(())
    }

    /// Closes the screen, stores the cache and stops the running build.
    fn end(&mut self) {
        self.screen.close();
        self.workspace.store_parse_cache();
        if let Some(build) = self.build.take() {
            build.cancel.cancel();
            let _ = build.thread.join();
        }
    }
}

/// Whether a change concerns nodes that a build has still to build: nodes that changed or were
/// removed, and descendants of changed ones. A change of any macro concerns all nodes.
fn touches(old: &Revision, new: &Revision, open: &HashSet<String>) -> bool {
    if old.fingerprint_macros() != new.fingerprint_macros() {
        return true;
    }
    let mut dirty: HashSet<NodeId> = HashSet::new();
    for id in new.manifest.graph.order().unwrap_or_default() {
        let node = new.manifest.node(id);
        let same = old.manifest.get(&node.unique_id).is_some_and(|o| {
            std::ptr::eq(o, node)
                || (o.text == node.text && o.config == node.config && o.checksum == node.checksum)
        });
        if !same || node.depends_on.iter().any(|p| dirty.contains(p)) {
            dirty.insert(id);
            if open.contains(&*node.unique_id) {
                return true;
            }
        }
    }
    // A build of removed nodes is obsolete, too.
    open.iter().any(|id| new.manifest.get(id).is_none())
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
