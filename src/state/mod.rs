//! Artifacts that a command writes, and reading those of an earlier one.
//!
//! In: a `Manifest`, results, rows of a catalog. Out: `manifest.json` v12, `run_results.json` v6,
//! `sources.json` v3, `catalog.json` v1 and `graph_summary.json` below the target path, written as streams;
//! `PreviousState` from a folder of them; records that are stored for the next command. Must not
//! know: how a run is carried out.

mod catalog_json;
mod graph_summary;
mod manifest_json;
mod publications;
mod reading;
mod run_results;
mod semantic_json;
mod sources_json;
mod unchanged;

pub(crate) use catalog_json::{Catalog, REQUIRED_COLUMNS, is_cataloged, write_catalog};
pub(crate) use graph_summary::write_graph_summary;
pub(crate) use manifest_json::{CompiledCode, manifest_inputs, write_manifest};
pub(crate) use publications::{Publications, STATE_TABLE_NAME};
pub(crate) use reading::{ReadingRecord, is_external};
pub(crate) use run_results::write_run_results;
pub(crate) use sources_json::write_sources;
pub(crate) use unchanged::UnchangedRecord;

use crate::config::Json;
use crate::hash::Fingerprint;
use crate::select::PreviousState;
use crate::system::{System, SystemError};
use camino::Utf8Path;

/// The metadata that every artifact has about the command that wrote it.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactMetadata {
    /// A fingerprint of all inputs of the project, written only to `manifest.json`.
    pub(crate) inputs: Option<Fingerprint>,
    pub(crate) invocation_id: String,
    pub(crate) started: jiff::Timestamp,
    pub(crate) generated: jiff::Timestamp,
    pub(crate) args: Json,
    /// The variables `DBT_ENV_CUSTOM_ENV_...`, which are added to every artifact.
    pub(crate) env: Json,
}

/// A time as dbt writes it: RFC 3339 with microseconds.
fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The metadata for a schema such as `sources/v3`. The schemas allow no further keys.
fn head(schema: &str, metadata: &ArtifactMetadata) -> Json {
    serde_json::json!({
        "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
        "dbt_version": crate::DBT_VERSION,
        "generated_at": time(metadata.generated),
        "invocation_id": metadata.invocation_id,
        "invocation_started_at": time(metadata.started),
        "env": metadata.env,
    })
}

/// Reads the artifacts of `--state`; `None` if the folder has none. `current` is the target path,
/// whose `sources.json` is compared with that of the folder.
pub(crate) fn load_state(
    system: &dyn System,
    folder: &Utf8Path,
    current: &Utf8Path,
) -> Result<Option<PreviousState>, SystemError> {
    let manifest = read_artifact(system, &folder.join("manifest.json"))?;
    let results = read_artifact(system, &folder.join("run_results.json"))?;
    let sources = read_artifact(system, &folder.join("sources.json"))?;
    let now = read_artifact(system, &current.join("sources.json"))?;
    let found = manifest.is_some() || results.is_some() || sources.is_some();
    let mut state = PreviousState::new(manifest.as_ref(), results.as_ref());
    state.read_at = Some(system.now());
    Ok(found.then(|| state.with_sources(sources.as_ref(), now.as_ref())))
}

/// Reads an artifact; `None` if it does not exist or is not JSON.
fn read_artifact(system: &dyn System, path: &Utf8Path) -> Result<Option<Json>, SystemError> {
    match system.read(path) {
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        Err(e) if e.not_found() => Ok(None),
        Err(e) => Err(e),
    }
}
