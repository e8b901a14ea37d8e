//! The task graph of a project, for writing the DAG file and for checking in a task that its file
//! is up to date.

use super::OpsError;
use super::choose::choose_nodes;
use crate::config::{AirflowOptions, Json, JsonMap, read_airflow};
use crate::diag::Diagnostic;
use crate::engine::ExistingRelations;
use crate::export::airflow::{Dag, DagRequest, Granularity, build_dag, find_drift};
use crate::manifest::ResourceType;
use crate::plan::{CommandVerb, PlanRequest, StartOrder, plan_steps};
use crate::select::{IndirectSelection, Selection};
use crate::workspace::{Notice, Notices, Revision, WorkspaceError};

/// What a scheduler's environment tells a command that is one of its tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScheduledTask {
    /// The hash of the graph that the file was made from.
    pub(crate) graph: Option<String>,
    /// The file's selection and granularity, as JSON.
    pub(crate) spec: Option<String>,
    /// The path of the file.
    pub(crate) file: Option<String>,
    /// The id of the task in the file.
    pub(crate) task: Option<String>,
}

/// The resource types of scheduled runs. Unit tests are left out: they check code, not data, and
/// belong to the checks of a code change.
const TYPES: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Test,
    ResourceType::Function,
    ResourceType::Export,
];

impl ScheduledTask {
    /// Fails for the task of a scheduler, which must have called it wrongly if nothing is selected.
    pub(super) fn refuse_nothing(task: Option<&ScheduledTask>) -> Result<(), OpsError> {
        match task {
            Some(_) => Err(OpsError::usage("the task names nothing that this command works on")),
            None => Ok(()),
        }
    }
}

/// Reads the options in the project file, and reports all problems with them.
pub(super) fn read_airflow_options(
    revision: &Revision,
    notices: &mut Notices<'_>,
) -> Result<AirflowOptions, OpsError> {
    let mut found = Vec::new();
    let options = read_airflow(revision.airflow.as_ref()).drain_into(&mut found);
    if found.iter().any(Diagnostic::is_error) {
        return Err(WorkspaceError::Diagnostics(found).into());
    }
    if !found.is_empty() {
        notices(Notice::Diagnostics(found));
    }
    Ok(options)
}

/// Makes the plan of a selection and divides it into tasks.
pub(super) fn cut_into_tasks(
    revision: &Revision,
    options: &AirflowOptions,
    selection: &Selection,
    by: Granularity,
    notices: &mut Notices<'_>,
) -> Result<Dag, OpsError> {
    // The graph covers the whole file, not only the nodes of the calling task.
    let selection = Selection { nodes: None, ..selection.clone() };
    let selected = choose_nodes(revision, &selection, TYPES, notices)?;
    let plan = plan_steps(&PlanRequest {
        manifest: &revision.manifest,
        selected: &selected,
        existing: &ExistingRelations::Unknown,
        verb: CommandVerb::Build,
        audit: true,
        full_refresh: false,
        store_failures: false,
        order: StartOrder::Level,
        publishes_itself: &|id| revision.publishes_itself(id),
    })
    .map_err(|d| *d)?;
    Ok(build_dag(&DagRequest {
        manifest: &revision.manifest,
        plan: &plan,
        granularity: by,
        asset_layers: &options.asset_layers,
    }))
}

/// A selection and a granularity as the JSON that a task hands to `strata`.
pub(super) fn write_spec(selection: &Selection, by: Granularity) -> Json {
    let mut map = JsonMap::new();
    map.insert("by".into(), by.as_str().into());
    let lists = [
        ("select", selection.select.clone()),
        ("exclude", selection.exclude.clone()),
        ("resource_type", names_of_types(&selection.resource_types)),
        ("exclude_resource_type", names_of_types(&selection.exclude_resource_types)),
    ];
    for (key, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        map.insert(key.into(), items.into());
    }
    if let Some(name) = &selection.selector {
        map.insert("selector".into(), name.as_str().into());
    }
    if selection.indirect != IndirectSelection::default() {
        map.insert("indirect_selection".into(), selection.indirect.as_str().into());
    }
    Json::Object(map)
}

fn names_of_types(types: &[ResourceType]) -> Vec<String> {
    types.iter().map(|t| t.as_str().to_owned()).collect()
}

fn read_spec(text: &str) -> Option<(Selection, Granularity)> {
    let json: Json = serde_json::from_str(text).ok()?;
    let word = |key: &str| json.get(key).and_then(Json::as_str);
    let list = |key: &str| json.get(key).map(crate::manifest::json_texts).unwrap_or_default();
    let types = |key: &str| list(key).iter().filter_map(|t| ResourceType::parse(t)).collect();
    let selection = Selection {
        select: list("select"),
        exclude: list("exclude"),
        selector: word("selector").map(str::to_owned),
        indirect: word("indirect_selection").and_then(IndirectSelection::parse).unwrap_or_default(),
        resource_types: types("resource_type"),
        exclude_resource_types: types("exclude_resource_type"),
        nodes: None,
        retried: None,
    };
    Some((selection, Granularity::parse(word("by")?)?))
}

/// Checks that the project is the one that the task's file was made from, and returns the unique
/// ids of the task's nodes: those in the file, except that tests with new arguments have new ids.
/// `None` without a scheduler, or if it passes no graph.
pub(super) fn verify_task(
    revision: &Revision,
    task: Option<&ScheduledTask>,
    notices: &mut Notices<'_>,
) -> Result<Option<Vec<String>>, OpsError> {
    let Some(task) = task else { return Ok(None) };
    let Some(expected) = &task.graph else { return Ok(None) };
    let Some((selection, by)) = task.spec.as_deref().and_then(read_spec) else {
        return Err(OpsError::usage(
            "STRATA_GRAPH needs STRATA_GRAPH_SPEC, as `strata export airflow` writes it",
        ));
    };
    let options = read_airflow_options(revision, notices)?;
    let dag = cut_into_tasks(revision, &options, &selection, by, notices)?;
    let system = &revision.settings.system;
    let text = task.file.as_deref().and_then(|f| system.read(f.into()).ok());
    let manifest = &revision.manifest;
    if let Some(changes) = find_drift(manifest, &dag, &options, expected, text.as_deref()) {
        return Err(OpsError::Drift { changes });
    }
    let Some(id) = &task.task else { return Ok(None) };
    let Some(found) = dag.tasks.iter().find(|t| t.id == *id) else {
        return Err(OpsError::Drift { changes: vec![format!("there is no task {id}")] });
    };
    Ok(Some(found.nodes.iter().map(|n| manifest.node(*n).unique_id.to_string()).collect()))
}
