//! Workspaces for tests.

use super::{Settings, Workspace};
use crate::diag::WarningOptions;
use crate::engine::WaitTimeouts;
use crate::load::LoadOptions;
use crate::manifest::Manifest;
use crate::plan::StartOrder;
use crate::run::CancelToken;
use crate::state::{ArtifactMetadata, CompiledCode, write_manifest};
use crate::system::{MemorySystem, System};
use camino::Utf8Path;
use std::sync::Arc;

/// Whether tests run at full length: all rows of the tables of dbt's answers, many cases per
/// property test. `./test` asks for this with `STRATA_TABLES=all`; plain `cargo test` stays fast.
#[expect(clippy::disallowed_methods, reason = "a switch of tests")]
pub(crate) fn is_thorough() -> bool {
    std::env::var_os("STRATA_TABLES").is_some_and(|v| v == "all")
}

/// Settings of a project in `/project` that writes no artifacts and no caches.
pub(crate) fn settings(system: Arc<dyn System>) -> Settings {
    Settings {
        load: LoadOptions { project_dir: Some("/project".into()), ..LoadOptions::default() },
        write_json: false,
        cache: false,
        warnings: WarningOptions::default(),
        start_order: StartOrder::default(),
        patience: WaitTimeouts::default(),
        state: None,
        defer: None,
        started: system.now(),
        system,
    }
}

/// A project in `/project`.
pub(crate) fn workspace(system: Arc<dyn System>) -> Workspace {
    Workspace::new(settings(system), CancelToken::default())
}

/// The manifest as it would be written to `manifest.json`.
pub(crate) fn written_manifest(manifest: &Manifest) -> String {
    written_artifact(manifest, "manifest.json")
}

/// The manifest as it would be written to `semantic_manifest.json`.
pub(crate) fn semantic_manifest(manifest: &Manifest) -> serde_json::Value {
    serde_json::from_str(&written_artifact(manifest, "semantic_manifest.json")).unwrap()
}

fn written_artifact(manifest: &Manifest, name: &str) -> String {
    let out = MemorySystem::with_files([]);
    let metadata = ArtifactMetadata {
        inputs: None,
        invocation_id: String::new(),
        started: out.now(),
        generated: out.now(),
        args: serde_json::Value::Null,
        env: serde_json::Value::Null,
    };
    let folder = Utf8Path::new("/out");
    write_manifest(&out, folder, manifest, &metadata, &CompiledCode::new()).unwrap();
    out.read(&folder.join(name)).unwrap().to_string()
}
