//! The log file: what a command does, in a file that people send along with a question.
//!
//! In: lines of the log with their moments. Out: `strata.log` in the log folder; when it has grown
//! too large, it becomes `strata.log.1`, the one before `strata.log.2`, and so on up to five. Must
//! not know: what is printed.
//!
//! Source: `log-path`, `log_level_file`, `log_format_file` and `log_file_max_bytes` in dbt's
//! documentation.

use super::console::LogFormat;
use super::dbt_log::{DbtLine, LogLevel, RunDescriber};
use crate::config::Json;
use crate::run::Event;
use crate::secret::Scrubber;
use camino::Utf8PathBuf;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// The log of a command: what its lines say of earlier ones, and the file that they go to.
#[derive(Debug)]
pub(crate) struct CommandLog {
    pub(super) started: jiff::Timestamp,
    invocation: String,
    run: RunDescriber,
    /// The consoles of a command share its file.
    file: Option<Arc<Mutex<LogFile>>>,
}

impl Default for CommandLog {
    fn default() -> CommandLog {
        let started = jiff::Timestamp::now();
        CommandLog { started, invocation: String::new(), run: RunDescriber::default(), file: None }
    }
}

impl CommandLog {
    pub(crate) fn in_file(settings: LogFileSettings) -> CommandLog {
        let file = Some(Arc::new(Mutex::new(LogFile::open(settings))));
        CommandLog { file, ..CommandLog::default() }
    }

    pub(super) fn set_invocation(&mut self, id: &str) {
        self.invocation = id.to_owned();
    }

    /// A log of other runs in the same file.
    pub(super) fn copy(&self) -> CommandLog {
        let (invocation, file) = (self.invocation.clone(), self.file.clone());
        CommandLog { started: self.started, invocation, run: RunDescriber::default(), file }
    }

    pub(super) fn describe_event(&mut self, event: &Event) -> Vec<DbtLine> {
        self.run.describe_event(event)
    }

    pub(super) fn json(&self, moment: jiff::Timestamp, line: &DbtLine) -> Json {
        line.to_json(moment, &self.invocation)
    }

    /// Writes a line to the file, without secrets.
    pub(super) fn write(&self, moment: jiff::Timestamp, line: &DbtLine, scrubber: &Scrubber) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if !file.takes(line) {
            return;
        }
        let text = match file.settings.format {
            LogFormat::Json => self.json(moment, line).to_string(),
            LogFormat::Text | LogFormat::Otel => format!(
                "{} [{:<5}] {}",
                moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ"),
                line.level.as_str(),
                line.message
            ),
        };
        file.write(&scrubber.scrub(&text));
    }
}

/// What is written to the log file.
#[derive(Clone, Debug)]
pub(crate) struct LogFileSettings {
    pub(crate) folder: Utf8PathBuf,
    /// The least level that is written. `None`: no file.
    pub(crate) level: Option<LogLevel>,
    pub(crate) format: LogFormat,
    /// How large the file may become, in bytes; 0 for any size.
    pub(crate) max_bytes: u64,
}

/// How many older files are kept.
const KEPT: u32 = 5;

#[derive(Debug)]
struct LogFile {
    settings: LogFileSettings,
    /// `None` after a failure: a command does not fail because nothing can be logged.
    file: Option<File>,
    bytes: u64,
}

impl LogFile {
    /// Opens the file, and makes its folder. Nothing is written where that is not possible.
    fn open(settings: LogFileSettings) -> LogFile {
        let path = settings.folder.join("strata.log");
        let file = settings.level.and_then(|_| {
            std::fs::create_dir_all(&settings.folder).ok()?;
            OpenOptions::new().create(true).append(true).open(&path).ok()
        });
        let bytes = file.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
        LogFile { settings, file, bytes }
    }

    fn takes(&self, line: &DbtLine) -> bool {
        self.file.is_some() && self.settings.level.is_some_and(|least| line.level >= least)
    }

    /// Writes a line, given without its end.
    fn write(&mut self, text: &str) {
        let size = text.len() as u64 + 1;
        let most = self.settings.max_bytes;
        if most > 0 && self.bytes > 0 && self.bytes + size > most {
            self.rotate();
        }
        let Some(file) = &mut self.file else { return };
        match file.write_all(format!("{text}\n").as_bytes()) {
            Ok(()) => self.bytes += size,
            Err(_) => self.file = None,
        }
    }

    fn rotate(&mut self) {
        let path = |n: u32| self.settings.folder.join(format!("strata.log.{n}"));
        for n in (1..KEPT).rev() {
            let _ = std::fs::rename(path(n), path(n + 1));
        }
        let _ = std::fs::rename(self.settings.folder.join("strata.log"), path(1));
        *self = LogFile::open(self.settings.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().join("logs")).unwrap();
        let settings = LogFileSettings {
            folder: folder.clone(),
            level: Some(LogLevel::Info),
            format: LogFormat::Text,
            max_bytes: 10,
        };
        let mut log = LogFile::open(settings);
        for text in ["first", "second", "third"] {
            log.write(text);
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(read("strata.log"), "third\n");
        assert_eq!(read("strata.log.1"), "second\n");
        assert_eq!(read("strata.log.2"), "first\n");
        assert!(!log.takes(&DbtLine { level: LogLevel::Debug, ..DbtLine::note("x") }));
    }
}
