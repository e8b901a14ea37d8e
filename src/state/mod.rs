//! Artifacts: what a command leaves for others, and what an earlier one left.
//!
//! In: a `Manifest`, results. Out: `manifest.json` v12 and `run_results.json` v6 below the target path, written as
//! streams; `PreviousState` from a folder of them. Must not know: how a run went about it.

mod manifest_json;
mod run_results;

pub(crate) use manifest_json::{CompiledCode, write_manifest};
pub(crate) use run_results::write_run_results;

use crate::config::Json;
use crate::select::PreviousState;
use crate::system::{System, SystemError};
use camino::Utf8Path;

/// What every artifact says of the command that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactMetadata {
    pub(crate) invocation_id: String,
    pub(crate) started: jiff::Timestamp,
    pub(crate) generated: jiff::Timestamp,
    pub(crate) args: Json,
}

/// A time as dbt writes it: RFC 3339 with microseconds.
fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Reads the artifacts of `--state`; none when there are none in the folder.
pub(crate) fn load_state(system: &dyn System, folder: &Utf8Path) -> Result<Option<PreviousState>, SystemError> {
    let read = |name: &str| -> Result<Option<Json>, SystemError> {
        match system.read(&folder.join(name)) {
            Ok(text) => Ok(serde_json::from_str(&text).ok()),
            Err(e) if e.not_found() => Ok(None),
            Err(e) => Err(e),
        }
    };
    let (manifest, results) = (read("manifest.json")?, read("run_results.json")?);
    let found = manifest.is_some() || results.is_some();
    Ok(found.then(|| PreviousState::new(manifest.as_ref(), results.as_ref())))
}
