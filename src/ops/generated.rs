//! Files that a use case generates: written, or compared with those that are there.

use super::OpsError;
use crate::config::Json;
use crate::export::GeneratedFile;
use crate::manifest::json_texts;
use crate::system::System;
use crate::workspace::Revision;

/// What became of generated files.
pub(crate) struct Delivery {
    pub(crate) files: Vec<DeliveredFile>,
    /// They were compared only.
    pub(crate) is_check: bool,
    /// The command that writes them.
    pub(crate) command: String,
}

pub(crate) struct DeliveredFile {
    /// Below the project.
    pub(crate) path: String,
    pub(crate) state: DeliveryState,
    /// Another command that wrote the file that is there.
    pub(crate) other_writer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    UpToDate,
    Written,
    /// Not as it would be written: found by a check.
    OutOfDate,
    /// Not there: found by a check.
    Missing,
}

impl Delivery {
    /// Whether a check found a file that is not as it would be written.
    pub(crate) fn is_stale(&self) -> bool {
        let is_stale = |f: &DeliveredFile| {
            matches!(f.state, DeliveryState::OutOfDate | DeliveryState::Missing)
        };
        self.files.iter().any(is_stale)
    }
}

/// What generated files have in common, before the command that wrote them.
const WRITTEN_BY: &str = "ritten by: ";

/// The command in the first lines of a generated file.
fn read_writer(text: &str) -> Option<String> {
    let line = text.lines().take(6).find_map(|l| l.split_once(WRITTEN_BY))?.1;
    Some(line.trim_end_matches("-->").trim().to_owned())
}

/// Writes files, or with `is_check` says which of them differ from those that are there.
pub(super) fn deliver_files(
    revision: &Revision,
    files: &[GeneratedFile],
    is_check: bool,
    command: &str,
) -> Result<Delivery, OpsError> {
    let delivered: Result<Vec<DeliveredFile>, OpsError> =
        files.iter().map(|file| deliver_file(revision, file, is_check, command)).collect();
    Ok(Delivery { files: delivered?, is_check, command: command.to_owned() })
}

fn deliver_file(
    revision: &Revision,
    file: &GeneratedFile,
    is_check: bool,
    command: &str,
) -> Result<DeliveredFile, OpsError> {
    let system: &dyn System = revision.settings.system.as_ref();
    let path = revision.manifest.project.root.join(&file.path);
    let now = system.read(&path).ok();
    let is_same = now.as_deref() == Some(file.content.as_str());
    let writer = now.as_deref().and_then(read_writer);
    let is_foreign = now.is_some() && writer.is_none() && file.content.contains(WRITTEN_BY);
    if !is_check && !is_same && is_foreign {
        return Err(OpsError::usage_with_hint(
            format!("{} was not written by `strata export`", file.path),
            "move it away, then run this again",
        ));
    }
    let state = match (is_same, is_check) {
        (true, _) => DeliveryState::UpToDate,
        (false, true) if system.is_file(&path) => DeliveryState::OutOfDate,
        (false, true) => DeliveryState::Missing,
        (false, false) => {
            system.write_atomic(&path, file.content.as_bytes())?;
            DeliveryState::Written
        }
    };
    let other_writer = writer.filter(|w| !is_same && *w != command);
    Ok(DeliveredFile { path: file.path.to_string(), state, other_writer })
}

/// The command that a selection was given with.
pub(super) fn write_command_line(command: &str, spec: &Json) -> String {
    let mut line = command.to_owned();
    let entries = spec.as_object().into_iter().flatten();
    for (key, value) in entries.filter(|(k, v)| *k != "by" || *v != "model") {
        line.push_str(&format!(" --{}", key.replace('_', "-")));
        for text in json_texts(value) {
            line.push(' ');
            line.push_str(&quote_for_shell(&text));
        }
    }
    line
}

fn quote_for_shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/+@,".contains(c);
    match text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
