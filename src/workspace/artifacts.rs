//! Writes `manifest.json` and `run_results.json` for a revision, if the settings ask for artifacts.

use super::{Revision, Settings};
use crate::hash::Fingerprint;
use crate::manifest::{Manifest, NodeId};
use crate::outcome::RunResult;
use crate::plan::{CommandVerb, list_test_edges};
use crate::run::artifact_path;
use crate::source::SqlText;
use crate::state::{
    ArtifactMetadata, CompiledCode, manifest_inputs, write_graph_summary, write_manifest,
    write_run_results,
};
use crate::system::SystemError;
use camino::Utf8Path;
use std::sync::Arc;

/// The `metadata` block that every artifact carries about the invocation that wrote it.
pub(crate) fn run_metadata(settings: &Settings) -> ArtifactMetadata {
    ArtifactMetadata {
        inputs: None,
        invocation_id: settings.load.settings.invocation_id.clone(),
        started: settings.started,
        generated: settings.system.now(),
        args: serde_json::Value::Object(settings.load.settings.args.clone()),
        env: crate::context::metadata_env(settings.system.as_ref()).collect(),
    }
}

/// `run_metadata` plus the fingerprint of the project's inputs, for `manifest.json`.
pub(super) fn manifest_metadata(revision: &Revision) -> ArtifactMetadata {
    ArtifactMetadata { inputs: revision.inputs, ..run_metadata(&revision.settings) }
}

/// Writes `manifest.json` without compiled SQL.
pub(crate) fn write_plain_manifest(revision: &Revision) -> Result<(), SystemError> {
    write_compiled_manifest(revision, &CompiledCode::new())
}

/// Writes `manifest.json` with the SQL of the compiled nodes. Does nothing if artifacts are off.
pub(crate) fn write_compiled_manifest(
    revision: &Revision,
    compiled: &CompiledCode,
) -> Result<(), SystemError> {
    if !revision.settings.write_json {
        return Ok(());
    }
    let (system, manifest) = (revision.settings.system.as_ref(), &revision.manifest);
    let metadata = manifest_metadata(revision);
    write_manifest(system, &manifest.project.target_path, manifest, &metadata, compiled)
}

/// Writes `graph_summary.json`, for a build with the edges that its tests add. Does nothing if
/// artifacts are off.
pub(crate) fn write_graph(revision: &Revision, verb: CommandVerb) -> Result<(), SystemError> {
    if !revision.settings.write_json {
        return Ok(());
    }
    let (system, manifest) = (revision.settings.system.as_ref(), &revision.manifest);
    let metadata = run_metadata(&revision.settings);
    let test_edges = (verb == CommandVerb::Build).then(|| list_test_edges(manifest));
    write_graph_summary(system, manifest, &metadata, test_edges.as_deref())
}

/// Whether a folder has a `manifest.json` that was written from these inputs. A rewrite would then
/// change only its timestamps.
pub(crate) fn is_manifest_written(
    settings: &Settings,
    target_path: &Utf8Path,
    inputs: Option<Fingerprint>,
) -> bool {
    inputs.is_some() && manifest_inputs(settings.system.as_ref(), target_path) == inputs
}

/// The entries of `manifest.json` for the SQL of compiled nodes.
pub(crate) fn compiled_code<'a>(
    manifest: &Manifest,
    compiled: impl IntoIterator<Item = (NodeId, &'a Arc<SqlText>)>,
) -> CompiledCode {
    let mut code = CompiledCode::new();
    for (id, sql) in compiled {
        let node = manifest.node(id);
        let path = format!("target/compiled/{}", artifact_path(node));
        code.insert(node.unique_id.clone(), (sql.clone(), path));
    }
    code
}

/// Writes `run_results.json` to the target path. Does nothing if artifacts are off.
pub(crate) fn write_results(
    settings: &Settings,
    target_path: &Utf8Path,
    results: &[RunResult],
    seconds: f64,
) -> Result<(), SystemError> {
    if !settings.write_json {
        return Ok(());
    }
    let metadata = run_metadata(settings);
    let system = settings.system.as_ref();
    write_run_results(system, target_path, results, seconds, &metadata, &settings.load.scrubber)
}
