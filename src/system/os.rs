//! The operating system.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place that may touch files, environment and clock"
)]

use super::{
    FoundFile, PathType, ProgramCall, ProgramEnd, System, SystemError, TreeEntry, TreeKind,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::env::VarError;
use std::fs;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

#[derive(Debug, Default)]
pub(crate) struct OsSystem {
    temporary: AtomicU32,
    /// The process's own environment stays as it is: to change it is not safe once there are threads.
    env_defaults: OnceLock<BTreeMap<String, String>>,
}

/// Adds the path and the failed action to an IO error.
fn failed(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> SystemError {
    let path = path.to_owned();
    move |source| SystemError { action, path, source }
}

impl OsSystem {
    /// The defaults of variables that the process's environment does not set.
    fn missing_env(&self) -> impl Iterator<Item = (&String, &String)> {
        let defaults = self.env_defaults.get().into_iter().flatten();
        defaults.filter(|(name, _)| std::env::var_os(name).is_none())
    }

    fn replace(
        &self,
        path: &Utf8Path,
        durable: bool,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), SystemError> {
        let n = self.temporary.fetch_add(1, Ordering::Relaxed);
        let folder = path.parent().unwrap_or(Utf8Path::new("."));
        let name =
            format!(".{}.{}.{n}.tmp", path.file_name().unwrap_or("file"), std::process::id());
        let temporary = folder.join(name);
        let file = match fs::File::create(&temporary) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir_all(folder)
                .and_then(|()| fs::File::create(&temporary))
                .map_err(failed("write", path))?,
            other => other.map_err(failed("write", path))?,
        };
        let mut out = io::BufWriter::with_capacity(1 << 16, file);
        let done = write(&mut out)
            .and_then(|()| out.flush())
            .and_then(|()| if durable { out.get_ref().sync_all() } else { Ok(()) })
            .and_then(|()| fs::rename(&temporary, path));
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done.map_err(failed("write", path))
    }
}

fn walk_into(folder: &Utf8Path, depth: usize, out: &mut Vec<FoundFile>) -> Result<(), SystemError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(e) => return Err(failed("read folder", folder)(e)),
    };
    for entry in entries {
        let entry = entry.map_err(failed("read folder", folder))?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else { continue };
        let kind = entry.file_type().map_err(failed("read", &path))?;
        // Symbolic links are followed; broken ones are ignored.
        let meta = if kind.is_symlink() || kind.is_file() {
            match fs::metadata(&path) {
                Ok(meta) => Some(meta),
                Err(_) => continue,
            }
        } else {
            None
        };
        if meta.as_ref().map_or(kind.is_dir(), fs::Metadata::is_dir) {
            // The limit ends cycles of links; no project is nested as deeply.
            if depth < 64 {
                walk_into(&path, depth + 1, out)?;
            }
        } else if let Some(meta) = meta {
            out.push(FoundFile { path, size: meta.len() });
        }
    }
    Ok(())
}

fn links_into(folder: &Utf8Path, out: &mut Vec<(Utf8PathBuf, Utf8PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (Ok(path), Ok(kind)) = (Utf8PathBuf::from_path_buf(entry.path()), entry.file_type())
        else {
            continue;
        };
        if kind.is_dir() {
            links_into(&path, out);
        } else if kind.is_symlink()
            && let Some(target) =
                fs::canonicalize(&path).ok().and_then(|t| Utf8PathBuf::from_path_buf(t).ok())
        {
            out.push((path, target));
        }
    }
}

fn list_into(
    root: &Utf8Path,
    folder: &Utf8Path,
    out: &mut Vec<TreeEntry>,
) -> Result<(), SystemError> {
    for entry in fs::read_dir(folder).map_err(failed("read folder", folder))? {
        let entry = entry.map_err(failed("read folder", folder))?;
        let Ok(path) = Utf8PathBuf::from_path_buf(entry.path()) else {
            out.push(TreeEntry { path: Utf8PathBuf::new(), kind: TreeKind::Other });
            continue;
        };
        let kind = entry.file_type().map_err(failed("read", &path))?;
        let kind = if kind.is_dir() {
            list_into(root, &path, out)?;
            continue;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).map_err(failed("read", &path))?;
            target.into_os_string().into_string().map_or(TreeKind::Other, TreeKind::Link)
        } else if kind.is_file() {
            TreeKind::File
        } else {
            TreeKind::Other
        };
        out.push(TreeEntry { path: path.strip_prefix(root).unwrap_or(&path).to_owned(), kind });
    }
    Ok(())
}

/// Exchanges two folders in one step. `false` if the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(a: &Utf8Path, b: &Utf8Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, a.as_std_path(), CWD, b.as_std_path(), RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Utf8Path, _: &Utf8Path) -> bool {
    false
}

/// How often it is looked whether a program has ended or is to be stopped.
const PROGRAM_TICK: std::time::Duration = std::time::Duration::from_millis(10);

/// Reads a pipe to its end in a thread of its own, so that the program never waits for its reader.
fn read_pipe(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is shown.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

impl System for OsSystem {
    fn read(&self, path: &Utf8Path) -> Result<Arc<str>, SystemError> {
        let bytes = fs::read(path).map_err(failed("read", path))?;
        match String::from_utf8(bytes) {
            // A byte order mark is not part of the text.
            Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).into()),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let what = format!("the file is not UTF-8 text (byte {at})");
                Err(failed("read", path)(io::Error::new(io::ErrorKind::InvalidData, what)))
            }
        }
    }

    fn open(&self, path: &Utf8Path) -> Result<Box<dyn Read + Send>, SystemError> {
        let file = fs::File::open(path).map_err(failed("read", path))?;
        Ok(Box::new(io::BufReader::with_capacity(1 << 16, file)))
    }

    fn walk(&self, folder: &Utf8Path) -> Result<Vec<FoundFile>, SystemError> {
        let mut out = Vec::new();
        walk_into(folder, 0, &mut out)?;
        out.sort();
        Ok(out)
    }

    fn path_type(&self, path: &Utf8Path) -> PathType {
        match fs::metadata(path) {
            Err(_) => PathType::Nothing,
            Ok(meta) if meta.is_dir() => PathType::Folder,
            Ok(meta) => PathType::File(meta.len()),
        }
    }

    #[cfg(unix)]
    fn stamp(&self, path: &Utf8Path) -> Option<String> {
        use std::os::unix::fs::MetadataExt;
        let m = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let (written, changed) = ((m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()));
        Some(format!("{} {} {} {written:?} {changed:?}", m.dev(), m.ino(), m.len()))
    }

    #[cfg(unix)]
    fn is_private(&self, path: &Utf8Path) -> bool {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 == 0)
    }

    fn list(&self, folder: &Utf8Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn write_atomic(&self, path: &Utf8Path, content: &[u8]) -> Result<(), SystemError> {
        self.replace(path, true, &mut |out| out.write_all(content))
    }

    fn write_stream(
        &self,
        path: &Utf8Path,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), SystemError> {
        self.replace(path, false, write)
    }

    fn links(&self, folder: &Utf8Path) -> Vec<(Utf8PathBuf, Utf8PathBuf)> {
        let mut out = Vec::new();
        links_into(folder, &mut out);
        out
    }

    fn has_content(&self, path: &Utf8Path, content: &[u8]) -> bool {
        fs::metadata(path).is_ok_and(|m| m.len() == content.len() as u64)
            && fs::read(path).is_ok_and(|c| c == content)
    }

    fn remove(&self, path: &Utf8Path) -> Result<(), SystemError> {
        let done = match fs::symlink_metadata(path) {
            Err(e) => Err(e),
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
        };
        match done {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(failed("remove", path)),
        }
    }

    fn symlink(&self, to: &Utf8Path, link: &Utf8Path) -> Result<(), SystemError> {
        self.remove(link)?;
        if let Some(folder) = link.parent() {
            fs::create_dir_all(folder).map_err(failed("make folder", folder))?;
        }
        #[cfg(unix)]
        let done = std::os::unix::fs::symlink(to, link);
        #[cfg(windows)]
        let done = std::os::windows::fs::symlink_dir(to, link);
        done.map_err(failed("link", link))
    }

    fn is_link(&self, path: &Utf8Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink())
    }

    fn real_path(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        fs::canonicalize(path).ok().and_then(|p| Utf8PathBuf::from_path_buf(p).ok())
    }

    fn list_tree(&self, folder: &Utf8Path) -> Result<Vec<TreeEntry>, SystemError> {
        let mut out = Vec::new();
        list_into(folder, folder, &mut out)?;
        Ok(out)
    }

    fn make_folder(&self, path: &Utf8Path) -> Result<(), SystemError> {
        fs::create_dir_all(path).map_err(failed("make folder", path))
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), SystemError> {
        if let Some(folder) = to.parent() {
            self.make_folder(folder)?;
        }
        fs::rename(from, to).map_err(failed("rename", from))
    }

    fn replace_folder(&self, new: &Utf8Path, old: &Utf8Path) -> Result<(), SystemError> {
        if fs::symlink_metadata(old).is_err() {
            return self.rename(new, old);
        }
        if exchange(new, old) {
            return self.remove(new);
        }
        let aside = Utf8PathBuf::from(format!("{new}.old"));
        self.rename(old, &aside)?;
        if let Err(e) = self.rename(new, old) {
            self.rename(&aside, old)?;
            return Err(e);
        }
        self.remove(&aside)
    }

    fn run_program(&self, call: &ProgramCall<'_>) -> Result<ProgramEnd, SystemError> {
        use std::process::{Command, Stdio};
        let program = Utf8Path::new(call.program);
        let mut command = Command::new(call.program);
        command.args(call.args).current_dir(call.folder).stdin(Stdio::null());
        command.envs(self.missing_env());
        for (name, value) in call.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(failed("run", program))?;
        let (out, err) = (read_pipe(child.stdout.take()), read_pipe(child.stderr.take()));
        let status = loop {
            if (call.is_stopped)() {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(ProgramEnd::Stopped);
            }
            match child.try_wait().map_err(failed("wait for", program))? {
                Some(status) => break status,
                None => std::thread::sleep(PROGRAM_TICK),
            }
        };
        let text = |pipe: std::thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&pipe.join().unwrap_or_default()).into_owned()
        };
        Ok(ProgramEnd::Done { is_success: status.success(), stdout: text(out), stderr: text(err) })
    }

    fn set_env_defaults(&self, variables: BTreeMap<String, String>) {
        let _ = self.env_defaults.set(variables);
    }

    fn env(&self, key: &str) -> Option<String> {
        match std::env::var(key) {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => self.env_defaults.get()?.get(key).cloned(),
            Err(VarError::NotUnicode(_)) => None,
        }
    }

    fn env_all(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect();
        all.extend(self.missing_env().map(|(name, value)| (name.clone(), value.clone())));
        all.sort();
        all
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn current_dir(&self) -> Utf8PathBuf {
        let here = std::env::current_dir().ok().and_then(|p| Utf8PathBuf::from_path_buf(p).ok());
        here.unwrap_or_else(|| Utf8PathBuf::from("."))
    }
}

/// The command line of a running process on this machine. `None` if there is no such process, or no
/// `/proc`.
pub(crate) fn command_line_of_process(pid: u32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = text.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
    Some(words.join(" ").trim().to_owned())
}
