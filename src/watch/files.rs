//! Which paths something happened to.

use super::session::LoopMessage;
use crate::system::{Look, System};
use crate::workspace::Folder;
use camino::{Utf8Path, Utf8PathBuf};
use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Something happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) path: Utf8PathBuf,
    /// Whoever writes has finished: the file was closed, renamed or removed.
    pub(super) settled: bool,
    /// A folder has appeared: files may be in it of which nothing was told.
    pub(super) folder: bool,
    /// Something is gone.
    pub(super) gone: bool,
}

/// How often a poll looks.
const POLL: Duration = Duration::from_millis(250);

pub(super) struct FileWatcher {
    watcher: Box<dyn Watcher>,
    /// What is watched: with all below it, or by itself.
    watched: BTreeMap<Utf8PathBuf, bool>,
    links: Arc<Mutex<Links>>,
}

/// Links that lead out of the project. What happens to a target happens to its link.
#[derive(Default)]
struct Links {
    /// By what they lead to.
    by_target: BTreeMap<Utf8PathBuf, Utf8PathBuf>,
    /// Folders that are watched for targets only: of their other files nothing is told.
    outside: BTreeSet<Utf8PathBuf>,
}

impl Links {
    /// The path as the project has it; none for what is no part of it.
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

/// Tells the loop of what happens to files.
struct Teller {
    sender: Sender<LoopMessage>,
    links: Arc<Mutex<Links>>,
    poll: bool,
}

impl Teller {
    fn tell(&self, event: Result<notify::Event, notify::Error>) {
        // An error of the watcher means that events may be lost.
        let Ok(event) = event else { return self.tell_lost() };
        if event.need_rescan() {
            self.tell_lost();
        }
        let Some(kind) = classify(&event.kind, self.poll) else { return };
        for path in event.paths.into_iter().filter_map(|p| Utf8PathBuf::from_path_buf(p).ok()) {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(path) = links.path_in_project(path) {
                let _ = self.sender.send(LoopMessage::Touched(Touched { path, ..kind.clone() }));
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

    /// Watches these folders and no others. A folder that is not there is waited for in the nearest
    /// one above it. Gives the folders that are new, in which something may have happened before.
    pub(super) fn watch(&mut self, folders: &[Folder], system: &dyn System) -> Vec<Utf8PathBuf> {
        let mut wanted: BTreeMap<Utf8PathBuf, bool> = BTreeMap::new();
        for folder in folders {
            let there = folder.path.ancestors().find(|p| system.look(p) == Look::Folder);
            let Some(there) = there else { continue };
            let deep = folder.deep && there == folder.path;
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
            // One that went away meanwhile is looked for the next time.
            if self.watcher.watch(path.as_std_path(), mode).is_ok() {
                self.watched.insert(path.clone(), deep);
                new.push(path);
            }
        }
        new
    }

    /// Adds what links of the folders lead to, where that is not watched anyway.
    fn follow_links(
        &self,
        folders: &[Folder],
        system: &dyn System,
        wanted: &mut BTreeMap<Utf8PathBuf, bool>,
    ) {
        let mut links = Links::default();
        let inside = |path: &Utf8Path| folders.iter().any(|f| f.deep && path.starts_with(&f.path));
        let all = folders.iter().filter(|f| f.deep).flat_map(|f| system.links(&f.path));
        for (link, target) in all.filter(|(_, target)| !inside(target)) {
            if system.look(&target) == Look::Folder {
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

    /// A path is gone, or another one stands there now: what was watched at or below it has to be
    /// watched anew.
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

/// What an event says; none for reading and the like.
fn classify(kind: &EventKind, poll: bool) -> Option<Touched> {
    // Only inotify tells when a file is closed; elsewhere every event may be the last one.
    let closes = cfg!(target_os = "linux") && !poll;
    let touched =
        |settled: bool| Touched { path: Utf8PathBuf::new(), settled, folder: false, gone: false };
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => touched(true),
        EventKind::Access(_) => return None,
        EventKind::Create(CreateKind::Folder) => Touched { folder: true, ..touched(true) },
        EventKind::Create(_) => Touched { folder: !closes, ..touched(!closes) },
        EventKind::Remove(_) => Touched { gone: true, ..touched(true) },
        EventKind::Modify(ModifyKind::Name(_)) => {
            Touched { folder: true, gone: true, ..touched(true) }
        }
        EventKind::Modify(ModifyKind::Metadata(_)) if closes => return None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => touched(!closes),
    })
}
