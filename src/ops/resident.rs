//! A project that stays in memory: read again after each change, and what has changed is built. The
//! passes are those of every command; what differs is that their results are kept.

use super::changed::{self, Judge, Noted, noted};
use super::prepare::{Prepared, Wanted, prepare};
use super::project::{Folder, Project, ProjectCache, connect, own_selection, read, store};
use super::run::{RunArgs, judged, types};
use super::{CliError, Invocation};
use crate::changes::{CompileCache, Verdict, own_prints};
use crate::diag::{Checked, Diagnostic};
use crate::engine::{
    DatabaseState, EngineErrorKind, Existing, Table, Warehouse, limit_rows, select_all,
};
use crate::hash::{FastMap, Fingerprint};
use crate::inspect::{Schemas, inspect, schemas};
use crate::manifest::{Manifest, NodeId, NodeSet, ResourceType};
use crate::outcome::RunResult;
use crate::parse::Counts;
use crate::plan::Verb;
use crate::run::{Event, Left, LeftReason, NoRows, run};
use crate::select::Selection;
use crate::source::SourceMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

/// What is kept between two readings.
#[derive(Default)]
pub(crate) struct Resident {
    cache: ProjectCache,
}

/// The project after a change.
pub(crate) struct Revision {
    /// None: the files are no project.
    pub(crate) project: Option<Arc<Project>>,
    pub(crate) map: Arc<SourceMap>,
    /// Errors first.
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) counts: Counts,
    /// Nodes that were resolved again.
    pub(crate) resolved: usize,
    pub(crate) folders: Vec<Folder>,
}

impl Revision {
    pub(crate) fn is_whole(&self) -> bool {
        self.project.is_some() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

impl Resident {
    /// Reads the project again.
    pub(crate) fn read(&mut self, inv: &Invocation) -> Result<Revision, CliError> {
        let mut reading = read(inv, &mut self.cache)?;
        reading.diagnostics.reverse();
        Ok(Revision {
            project: reading.project.map(Arc::new),
            map: reading.map,
            diagnostics: reading.diagnostics,
            counts: self.cache.counts(),
            resolved: self.cache.resolved(),
            folders: reading.folders,
        })
    }

    /// Stores the parse for other commands.
    pub(crate) fn store(&mut self, inv: &Invocation, project: &Project) {
        store(inv, project, &mut self.cache);
    }
}

/// The nodes that a loop works on.
pub(crate) fn chosen(
    inv: &Invocation,
    project: &Project,
    selection: &Selection,
) -> Result<Checked<NodeSet>, CliError> {
    let mut chosen = own_selection(inv, project, selection, types(Verb::Build))?;
    // They cannot be run yet: an error at each save would tell nothing.
    chosen.value.retain(|id| project.manifest.node(id).resource_type() != ResourceType::UnitTest);
    Ok(chosen)
}

/// What is wrong with nodes that cannot be compiled, found without a database.
pub(crate) fn compile_errors(
    project: &Project,
    selected: &NodeSet,
    prints: &mut CompileCache,
) -> Vec<Diagnostic> {
    let compiler = super::compile::compiler(project, Vec::new());
    let ids: Vec<NodeId> = selected.iter().collect();
    let own = own_prints(&compiler, &ids, prints);
    let mut broken: Vec<(NodeId, Diagnostic)> =
        own.into_iter().filter_map(|(id, own)| Some((id, *own.broken?))).collect();
    broken.sort_by_key(|(id, _)| *id);
    broken.into_iter().map(|(_, d)| d).collect()
}

/// How far a build goes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Steps of the graph below what has changed.
    pub(crate) depth: Option<usize>,
    pub(crate) budget: Option<Duration>,
}

/// What was tried and failed: the same is not tried again.
pub(crate) type Tried = FastMap<String, Fingerprint>;

/// What the last build left in the database, used again as long as nobody writes there.
pub(crate) struct Seen {
    state: DatabaseState,
    schemas: Schemas,
    existing: Existing,
    noted: Noted,
}

impl Seen {
    /// Looks at the database after a build.
    fn new(
        inv: &Invocation,
        project: &Project,
        selected: &NodeSet,
        warehouse: &mut dyn Warehouse,
    ) -> Option<Seen> {
        let manifest = &project.manifest;
        if project.target().connection.files().is_empty() {
            return None;
        }
        warehouse.settle();
        let state = project.target().connection.state(inv.system.as_ref())?;
        let schemas = schemas(manifest, selected.iter());
        let existing = inspect(warehouse, manifest, selected.iter()).ok()?;
        let noted = noted(project, selected, warehouse, false).ok()??;
        // Others may write where they can build at the same time.
        let now = project.target().connection.state(inv.system.as_ref());
        (now.as_ref() == Some(&state)).then_some(Seen { state, schemas, existing, noted })
    }

    /// What is there, if nobody has written since.
    fn holds(
        self,
        inv: &Invocation,
        project: &Project,
        selected: &NodeSet,
    ) -> Option<(Existing, Noted)> {
        let same = project
            .target()
            .connection
            .state(inv.system.as_ref())
            .is_some_and(|now| now == self.state)
            && schemas(&project.manifest, selected.iter()) == self.schemas;
        same.then_some((self.existing, self.noted))
    }
}

/// What a build of the loop is asked for.
pub(crate) struct BuildRequest<'a> {
    pub(crate) project: &'a Arc<Project>,
    pub(crate) selected: NodeSet,
    pub(crate) limits: Limits,
    pub(crate) tried: &'a Tried,
    /// The relation whose first rows are shown afterwards.
    pub(crate) show: Option<NodeId>,
    pub(crate) rows: usize,
}

/// What became of it.
#[derive(Default)]
pub(crate) struct Built {
    pub(crate) results: Vec<RunResult>,
    pub(crate) left: Vec<Left>,
    /// What failed, with the print of what it was tried with.
    pub(crate) failed: Tried,
    /// Nodes that were compiled to be compared.
    pub(crate) compiled: usize,
}

/// What is told while a build goes on.
pub(crate) enum Progress {
    /// The database is held by somebody else.
    Waiting(String),
    /// The first rows of what was asked for: before the database is closed, which takes as long as
    /// it is large.
    Shown(Result<Table, NoRows>),
    Event(Event),
}

/// Builds what has changed. The database is open only as long as this takes.
pub(crate) fn build_changed(
    inv: &mut Invocation,
    request: BuildRequest<'_>,
    prints: &mut CompileCache,
    seen: &mut Option<Seen>,
    emit: &mut dyn FnMut(Progress),
) -> Result<Built, CliError> {
    let BuildRequest { project, selected, limits, tried, show, rows } = request;
    let store = inv.store();
    let (mut said, opened) = std::thread::scope(|scope| {
        let said = scope.spawn(|| changed::own(&store, project, &selected, prints));
        let opened = patient(inv, project, emit);
        (Some(said.join().unwrap_or_else(|panic| resume_unwind(panic))), opened)
    });
    let Some(warehouse) = opened? else { return Ok(Built::default()) };
    // Keeps the database open for what is shown afterwards.
    let mut after = warehouse.fork()?;
    let args = RunArgs {
        verb: Verb::Build,
        selection: Selection::default(),
        full_refresh: false,
        fail_fast: false,
        store_failures: false,
        empty: false,
        audit: true,
        changed: Some(Judge { assume_sources: true, edits_only: true }),
    };
    let mut left = Vec::new();
    let mut causes: FastMap<String, Fingerprint> = FastMap::default();
    let manifest = project.manifest.clone();
    let mut narrow = |selected: &mut NodeSet,
                      verdicts: &mut FastMap<NodeId, Verdict>,
                      known: &changed::Known| {
        causes = known.causes(&manifest, verdicts);
        leave(&manifest, selected, verdicts, &limits, tried, &causes, &mut left);
    };
    let say = &mut |_: &NodeSet| said.take().unwrap_or_default();
    let known = seen.take().and_then(|s| s.holds(inv, project, &selected));
    let wanted = Wanted { budget: limits.budget, seen: known, say, leave: &mut narrow };
    let prepared = prepare(inv, project, &args, selected.clone(), warehouse, wanted)?;
    let Prepared { plan, request, verdicts } = prepared;
    if let Some(verdicts) = &verdicts {
        emit(Progress::Event(judged(project, verdicts, true)));
    }
    let results = run(request.of(&plan), &mut |event| emit(Progress::Event(event)))?;
    let bad =
        results.iter().filter(|r| r.outcome.failed.is_some() || r.outcome.status.is_failure());
    let bad = bad.filter(|r| {
        r.outcome.status != crate::outcome::RunStatus::Skipped && !inv.interrupt.is_set()
    });
    let failed =
        bad.filter_map(|r| Some((r.unique_id.to_string(), *causes.get(&*r.unique_id)?))).collect();
    if let Some(id) = show {
        emit(Progress::Shown(first_rows(&project.manifest, id, rows, after.as_mut())));
    }
    if !inv.interrupt.is_set() {
        *seen = Seen::new(inv, project, &selected, after.as_mut());
    }
    Ok(Built { results, left, failed, compiled: prints.compiled() })
}

/// Waits for a database that another process holds, as long as nobody wants to stop.
fn patient(
    inv: &Invocation,
    project: &Project,
    emit: &mut dyn FnMut(Progress),
) -> Result<Option<Box<dyn Warehouse>>, CliError> {
    const STEP: Duration = Duration::from_millis(15);
    let mut told = false;
    while !inv.interrupt.is_set() {
        match connect(inv, project) {
            Err(CliError::Engine(e)) if e.kind == EngineErrorKind::Locked => {
                if !std::mem::replace(&mut told, true) {
                    emit(Progress::Waiting(e.message));
                }
                std::thread::sleep(STEP);
            }
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// Takes out of a selection what is not built now: too far below what has changed, or tried before
/// with the same result.
fn leave(
    manifest: &Manifest,
    selected: &mut NodeSet,
    verdicts: &mut FastMap<NodeId, Verdict>,
    limits: &Limits,
    tried: &Tried,
    causes: &FastMap<String, Fingerprint>,
    left: &mut Vec<Left>,
) {
    let mut far: FastMap<NodeId, usize> = FastMap::default();
    let mut out: FastMap<NodeId, LeftReason> = FastMap::default();
    for id in manifest.graph.order().unwrap_or_default() {
        let node = manifest.node(id);
        let above = node.depends_on.iter().filter_map(|p| far.get(p)).max().copied();
        if node.is_ephemeral() {
            far.extend(above.map(|n| (id, n)));
        }
        let Some(verdict) = verdicts.get(&id).filter(|v| **v != Verdict::Same) else { continue };
        let stored = node.resource_type().is_refable();
        let steps = match verdict {
            Verdict::Stale(_) if !stored => above.unwrap_or(0),
            Verdict::Stale(_) => 0,
            _ => above.map_or(0, |n| n + usize::from(stored)),
        };
        far.insert(id, steps);
        let again = tried
            .get(&*node.unique_id)
            .is_some_and(|then| causes.get(&*node.unique_id) == Some(then));
        let waits = node
            .depends_on
            .iter()
            .any(|p| out.get(p).is_some_and(|_| manifest.node(*p).resource_type().is_refable()));
        let why = if again {
            LeftReason::FailedBefore
        } else if waits && stored {
            LeftReason::ReadsLeft
        } else if limits.depth.is_some_and(|d| steps > d) {
            LeftReason::TooDeep
        } else {
            continue;
        };
        out.insert(id, why);
        if stored {
            left.push(Left {
                unique_id: node.unique_id.to_string(),
                name: node.display_name(),
                verdict: verdict.clone(),
                why,
            });
        }
    }
    selected.retain(|id| !out.contains_key(&id));
    verdicts.retain(|id, _| !out.contains_key(id));
}

/// The first rows of what is published.
fn first_rows(
    manifest: &Manifest,
    id: NodeId,
    rows: usize,
    warehouse: &mut dyn Warehouse,
) -> Result<Table, NoRows> {
    let node = manifest.node(id);
    let Some(relation) = node.relation.as_ref().filter(|_| !node.is_ephemeral()) else {
        return Err(NoRows::NotStored(node.name.to_string()));
    };
    let sql = limit_rows(&select_all(relation, warehouse.engine()), rows);
    warehouse.fetch(&sql, Some(rows)).map(|(_, table)| table).map_err(|e| NoRows::Engine(e.message))
}
