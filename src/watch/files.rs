//! Which paths something happened to.

use super::session::Message;
use crate::ops::Folder;
use crate::system::{Look, System};
use camino::{Utf8Path, Utf8PathBuf};
use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
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

pub(super) struct Files {
    watcher: Box<dyn Watcher>,
    /// What is watched: with all below it, or by itself.
    watched: BTreeMap<Utf8PathBuf, bool>,
}

impl Files {
    pub(super) fn new(sender: Sender<Message>, poll: bool) -> Result<Files, notify::Error> {
        let tell = move |event: Result<notify::Event, notify::Error>| {
            // An error of the watcher means that events may be lost.
            let event =
                event.unwrap_or_else(|_| notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan));
            if event.need_rescan() {
                let _ = sender.send(Message::Lost);
            }
            let Some(kind) = classify(&event.kind, poll) else { return };
            for path in event.paths {
                if let Ok(path) = Utf8PathBuf::from_path_buf(path) {
                    let _ = sender.send(Message::Touched(Touched { path, ..kind.clone() }));
                }
            }
        };
        let watcher: Box<dyn Watcher> = if poll {
            let config = Config::default().with_poll_interval(POLL).with_compare_contents(false);
            Box::new(notify::PollWatcher::new(tell, config)?)
        } else {
            Box::new(RecommendedWatcher::new(tell, Config::default())?)
        };
        Ok(Files { watcher, watched: BTreeMap::new() })
    }

    /// Watches these folders and no others. A folder that is not there is waited for in the nearest one above it. Gives
    /// the folders that are new, in which something may have happened before.
    pub(super) fn watch(&mut self, folders: &[Folder], system: &dyn System) -> Vec<Utf8PathBuf> {
        let mut wanted: BTreeMap<Utf8PathBuf, bool> = BTreeMap::new();
        for folder in folders {
            let there = folder.path.ancestors().find(|p| system.look(p) == Look::Folder);
            let Some(there) = there else { continue };
            let deep = folder.deep && there == folder.path;
            *wanted.entry(there.to_owned()).or_default() |= deep;
        }
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

    /// A path is gone, or another one stands there now: what was watched at or below it has to be watched anew.
    pub(super) fn lost(&mut self, path: &Utf8Path) {
        let below: Vec<Utf8PathBuf> = self.watched.keys().filter(|w| w.starts_with(path)).cloned().collect();
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
    let touched = |settled: bool| Touched { path: Utf8PathBuf::new(), settled, folder: false, gone: false };
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => touched(true),
        EventKind::Access(_) => return None,
        EventKind::Create(CreateKind::Folder) => Touched { folder: true, ..touched(true) },
        EventKind::Create(_) => Touched { folder: !closes, ..touched(!closes) },
        EventKind::Remove(_) => Touched { gone: true, ..touched(true) },
        EventKind::Modify(ModifyKind::Name(_)) => Touched { folder: true, gone: true, ..touched(true) },
        EventKind::Modify(ModifyKind::Metadata(_)) if closes => return None,
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => touched(!closes),
    })
}
