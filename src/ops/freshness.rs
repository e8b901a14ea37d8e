//! `source freshness`: how old the data of sources is.

use super::prepare::{options as run_options, shared};
use super::project::{choose, connect, metadata, open, write};
use super::{Exit, Invocation};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{Manifest, NodeId, NodeKind, ResourceType};
use crate::outcome::SourceFreshness;
use crate::plan::Plan;
use crate::run::{FreshnessRequest, RunOptions, check_sources};
use crate::select::Selection;
use crate::state::write_sources;
use camino::{Utf8Path, Utf8PathBuf};

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
    let selected = choose(inv, project, &args.selection, &[ResourceType::Source])?;
    // A source without a limit is not asked.
    let mut sources: Vec<NodeId> = selected.iter().filter(|id| has_limit(manifest, *id)).collect();
    sources.sort_by(|a, b| manifest.node(*a).unique_id.cmp(&manifest.node(*b).unique_id));
    write(inv, project)?;
    let path = match &args.output {
        Some(path) => crate::system::normalize(&inv.system.current_dir().join(path)),
        None => manifest.project.target_path.join("sources.json"),
    };
    if sources.is_empty() {
        let d = Diagnostic::warning(
            Code::EmptySelection,
            "the selection has no source with a `freshness` to check",
        );
        results(inv, &path, &[], 0.0)?;
        inv.warn(&[d.help(
            "below `config:` of a source: freshness: {warn_after: {count: 1, period: day}}",
        )])?;
        return Ok(0);
    }
    let warehouse = connect(inv, project)?;
    let options = RunOptions { write_files: false, ..run_options(inv, project, args.fail_fast) };
    let shared =
        shared(inv, project, &sources.iter().copied().collect(), &Plan::default(), options);
    let request = FreshnessRequest {
        shared,
        sources: &sources,
        warehouse,
        interrupt: inv.interrupt.clone(),
        hooks: args.hooks,
    };
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
        write_sources(inv.system.as_ref(), path, sources, seconds, &metadata(inv))?;
    }
    Ok(())
}
