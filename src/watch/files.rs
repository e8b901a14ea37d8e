//! Watches files and reports the paths that changed.

use super::session::LoopMessage;
use crate::system::{PathType, System};
use crate::workspace::WatchedFolder;
use camino::{Utf8Path, Utf8PathBuf};
use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A change of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileChange {
    pub(super) path: Utf8PathBuf,
    /// Whether the writer has finished: the file was closed, renamed or removed.
    pub(super) settled: bool,
    /// Whether a folder may have appeared. It may hold files for which there were no events.
    pub(super) is_folder: bool,
    /// Whether the path may no longer exist.
    pub(super) is_removed: bool,
}

const POLL: Duration = Duration::from_millis(250);

pub(super) struct FileWatcher {
    watcher: Box<dyn Watcher>,
    /// The watched folders, each with whether it is watched recursively.
    watched: BTreeMap<Utf8PathBuf, bool>,
    links: Arc<Mutex<Links>>,
}

/// Symbolic links that lead out of the project. A change of a target is reported as one of its
/// link.
#[derive(Default)]
struct Links {
    /// Links by their targets.
    by_target: BTreeMap<Utf8PathBuf, Utf8PathBuf>,
    /// Folders that are watched only since they hold targets; changes of their other files are
    /// ignored.
    outside: BTreeSet<Utf8PathBuf>,
}

impl Links {
    /// The path within the project; `None` if it is outside.
    fn path_in_project(&self, path: Utf8PathBuf) -> Option<Utf8PathBuf> {
        for target in path.ancestors() {
            if let Some(link) = self.by_target.get(target) {
                let below = path.strip_prefix(target).unwrap_or(Utf8Path::new(""));
                return Some(if below.as_str().is_empty() {
                    link.clone()
                } else {
                    link.join(below)
                });
            }
        }
        let outside = path.parent().is_some_and(|folder| self.outside.contains(folder));
        (!outside).then_some(path)
    }
}

/// Sends changes of files to the watch loop.
struct Teller {
    sender: Sender<LoopMessage>,
    links: Arc<Mutex<Links>>,
    poll: bool,
}

impl Teller {
    fn tell(&self, event: Result<notify::Event, notify::Error>) {
        // After an error of the watcher, events may have been lost.
        let Ok(event) = event else { return self.tell_lost() };
        if event.need_rescan() {
            self.tell_lost();
        }
        let Some(kind) = classify(&event.kind, self.poll) else { return };
        for path in event.paths.into_iter().filter_map(|p| Utf8PathBuf::from_path_buf(p).ok()) {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(path) = links.path_in_project(path) {
                let _ =
                    self.sender.send(LoopMessage::FileChanged(FileChange { path, ..kind.clone() }));
            }
        }
    }

    fn tell_lost(&self) {
        let _ = self.sender.send(LoopMessage::Lost);
    }
}

impl FileWatcher {
    pub(super) fn new(
        sender: Sender<LoopMessage>,
        poll: bool,
    ) -> Result<FileWatcher, notify::Error> {
        let links: Arc<Mutex<Links>> = Arc::default();
        let teller = Teller { sender, links: links.clone(), poll };
        let tell = move |event| teller.tell(event);
        let watcher: Box<dyn Watcher> = if poll {
            let config = Config::default().with_poll_interval(POLL).with_compare_contents(false);
            Box::new(notify::PollWatcher::new(tell, config)?)
        } else {
            Box::new(RecommendedWatcher::new(tell, Config::default())?)
        };
        Ok(FileWatcher { watcher, watched: BTreeMap::new(), links })
    }

    /// Watches exactly these folders. For a folder that does not exist, its nearest existing
    /// ancestor is watched until it appears. Returns the newly watched folders: changes in them
    /// before this call went unnoticed.
    pub(super) fn watch(
        &mut self,
        folders: &[WatchedFolder],
        system: &dyn System,
    ) -> Vec<Utf8PathBuf> {
        let mut wanted: BTreeMap<Utf8PathBuf, bool> = BTreeMap::new();
        for folder in folders {
            let there = folder.path.ancestors().find(|p| system.path_type(p) == PathType::Folder);
            let Some(there) = there else { continue };
            let deep = folder.is_recursive && there == folder.path;
            *wanted.entry(there.to_owned()).or_default() |= deep;
        }
        self.follow_links(folders, system, &mut wanted);
        let gone: Vec<Utf8PathBuf> = self
            .watched
            .iter()
            .filter(|(path, deep)| wanted.get(*path) != Some(deep))
            .map(|(p, _)| p.clone())
            .collect();
        gone.iter().for_each(|path| self.forget(path));
        let mut new = Vec::new();
        for (path, deep) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            let mode = if deep { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            // A folder that was removed in the meantime is tried again at the next call.
            if self.watcher.watch(path.as_std_path(), mode).is_ok() {
                self.watched.insert(path.clone(), deep);
                new.push(path);
            }
        }
        new
    }

    /// Adds the targets of symbolic links in the folders, unless they are watched already.
    fn follow_links(
        &self,
        folders: &[WatchedFolder],
        system: &dyn System,
        wanted: &mut BTreeMap<Utf8PathBuf, bool>,
    ) {
        let mut links = Links::default();
        let inside =
            |path: &Utf8Path| folders.iter().any(|f| f.is_recursive && path.starts_with(&f.path));
        let all = folders.iter().filter(|f| f.is_recursive).flat_map(|f| system.links(&f.path));
        for (link, target) in all.filter(|(_, target)| !inside(target)) {
            if system.path_type(&target) == PathType::Folder {
                wanted.insert(target.clone(), true);
            } else if let Some(folder) = target.parent() {
                if !wanted.contains_key(folder) {
                    links.outside.insert(folder.to_owned());
                }
                wanted.entry(folder.to_owned()).or_default();
            }
            links.by_target.insert(target, link);
        }
        *self.links.lock().unwrap_or_else(PoisonError::into_inner) = links;
    }

    /// Stops watching all at or below a path that was removed or replaced. The next `watch` starts
    /// again for what exists then.
    pub(super) fn lost(&mut self, path: &Utf8Path) {
        let below: Vec<Utf8PathBuf> =
            self.watched.keys().filter(|w| w.starts_with(path)).cloned().collect();
        below.iter().for_each(|path| self.forget(path));
    }

    fn forget(&mut self, path: &Utf8Path) {
        let _ = self.watcher.unwatch(path.as_std_path());
        self.watched.remove(path);
    }
}

/// A change of a file. Its path is filled in later.
fn touched(settled: bool) -> FileChange {
    FileChange { path: Utf8PathBuf::new(), settled, is_folder: false, is_removed: false }
}

/// The change that an event means; `None` for reads and other events that change nothing.
fn classify(kind: &EventKind, poll: bool) -> Option<FileChange> {
    // Only inotify reports when a file is closed. Elsewhere any event may be the last one of a
    // write.
    let closes = cfg!(target_os = "linux") && !poll;
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => touched(true),
        EventKind::Access(_) => return None,
        EventKind::Create(CreateKind::Folder) => FileChange { is_folder: true, ..touched(true) },
        EventKind::Create(_) => FileChange { is_folder: !closes, ..touched(!closes) },
        EventKind::Remove(_) => FileChange { is_removed: true, ..touched(true) },
        EventKind::Modify(ModifyKind::Name(_)) => {
            FileChange { is_folder: true, is_removed: true, ..touched(true) }
        }
        EventKind::Modify(ModifyKind::Metadata(_)) if closes => return None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => touched(!closes),
    })
}
