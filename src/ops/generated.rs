//! Writes generated files, or compares them with the existing ones.

use super::OpsError;
use crate::config::Json;
use crate::export::GeneratedFile;
use crate::manifest::json_texts;
use crate::system::System;
use crate::workspace::Revision;

/// The result of writing or comparing generated files.
pub(crate) struct Delivery {
    pub(crate) files: Vec<DeliveredFile>,
    /// Whether the files were only compared.
    pub(crate) is_check: bool,
    /// The command that writes them.
    pub(crate) command: String,
}

pub(crate) struct DeliveredFile {
    /// Relative to the project's root.
    pub(crate) path: String,
    pub(crate) state: DeliveryState,
    /// The command that wrote the existing file, if it is another one.
    pub(crate) other_writer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    UpToDate,
    Written,
    /// The existing file differs; set by a check only.
    OutOfDate,
    /// There is no such file; set by a check only.
    Missing,
}

impl Delivery {
    /// Whether a check found a file that differs or is missing.
    pub(crate) fn is_stale(&self) -> bool {
        let is_stale = |f: &DeliveredFile| {
            matches!(f.state, DeliveryState::OutOfDate | DeliveryState::Missing)
        };
        self.files.iter().any(is_stale)
    }
}

/// The text before the command in the header of every generated file. It starts with the second
/// letter since headers spell both "Written" and "written".
const WRITTEN_BY: &str = "ritten by: ";

/// The command in the header of a generated file, searched in its first six lines.
fn read_writer(text: &str) -> Option<String> {
    let line = text.lines().take(6).find_map(|l| l.split_once(WRITTEN_BY))?.1;
    Some(line.trim_end_matches("-->").trim().to_owned())
}

/// Writes files or, with `is_check`, reports which of them differ from the existing ones.
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

/// The command line with the flags of a selection.
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
