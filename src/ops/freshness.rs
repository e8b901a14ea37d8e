//! `source freshness`: how old the data of sources is.

use super::compile::compiler;
use super::project::{choose, connect, metadata, open, write};
use super::{Exit, Invocation};
use crate::diag::{Code, Diagnostic};
use crate::engine::SourceFreshness;
use crate::manifest::{Manifest, NodeId, NodeKind, ResourceType};
use crate::run::{FreshnessRequest, RunOptions, Shared, check_sources};
use crate::select::Selection;
use crate::state::write_sources;
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub(crate) struct FreshnessArgs {
    pub(crate) selection: Selection,
    /// In place of `sources.json` below the target path.
    pub(crate) output: Option<Utf8PathBuf>,
    pub(crate) fail_fast: bool,
    /// Run the project's on-run hooks.
    pub(crate) hooks: bool,
}

pub(crate) fn source_freshness(inv: &mut Invocation, args: &FreshnessArgs) -> Exit {
    let project = open(inv)?;
    let manifest = &project.manifest;
    let selected = choose(inv, &project, &args.selection, &[ResourceType::Source])?;
    // A source without a limit is not asked.
    let mut sources: Vec<NodeId> = selected.iter().filter(|id| has_limit(manifest, *id)).collect();
    sources.sort_by(|a, b| manifest.node(*a).unique_id.cmp(&manifest.node(*b).unique_id));
    write(inv, &project)?;
    let path = match &args.output {
        Some(path) => crate::system::normalize(&inv.system.current_dir().join(path)),
        None => manifest.project.target_path.join("sources.json"),
    };
    if sources.is_empty() {
        let d = Diagnostic::warning(Code::EmptySelection, "the selection has no source with a `freshness` to check");
        inv.console
            .diagnostic(&d.help("below `config:` of a source: freshness: {warn_after: {count: 1, period: day}}"));
        results(inv, &path, &[], 0.0)?;
        return Ok(if inv.warn_error { 2 } else { 0 });
    }
    let warehouse = connect(inv, &project)?;
    let ids = sources.iter().map(|id| manifest.node(*id).unique_id.clone()).collect();
    let shared = Arc::new(Shared {
        compiler: Arc::new(compiler(&project, ids)),
        options: RunOptions {
            dry_run: false,
            threads: manifest.project.target.threads,
            fail_fast: args.fail_fast,
            full_refresh: false,
            store_failures: false,
            empty: false,
            write_files: false,
            tests_hold_back: false,
        },
        system: inv.system.clone(),
        target_path: manifest.project.target_path.clone(),
        builds: std::collections::HashSet::new(),
        interrupt: inv.interrupt.clone(),
        published: Mutex::default(),
        publishing: Mutex::new(()),
        scratch: crate::adapter::scratch,
    });
    let request =
        FreshnessRequest { shared, sources: &sources, warehouse, interrupt: inv.interrupt.clone(), hooks: args.hooks };
    let console = &mut inv.console;
    let run = check_sources(request, &mut |event| console.event(&event))?;
    results(inv, &path, &run.sources, run.seconds)?;
    Ok(u8::from(run.failed))
}

fn has_limit(manifest: &Manifest, id: NodeId) -> bool {
    match &manifest.node(id).kind {
        NodeKind::Source(table) => table.freshness.as_ref().is_some_and(|f| f.is_set()),
        _ => false,
    }
}

fn results(
    inv: &Invocation,
    path: &Utf8Path,
    sources: &[SourceFreshness],
    seconds: f64,
) -> Result<(), super::CliError> {
    if inv.write_json {
        write_sources(inv.system.as_ref(), path, sources, seconds, &metadata(inv), &inv.load.scrubber)?;
    }
    Ok(())
}
