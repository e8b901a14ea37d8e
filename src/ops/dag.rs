//! The graph of tasks of a project: for the DAG file, and for a task that makes sure that its file
//! still fits.

use super::prepare::checked_plan;
use super::prepare::publishes_itself;
use super::project::{Project, choose};
use super::{CliError, Invocation};
use crate::config::{AirflowOptions, Json, JsonMap, read_airflow};
use crate::diag::{Code, Diagnostic};
use crate::engine::Existing;
use crate::export::airflow::{Dag, DagRequest, Granularity, dag, drift};
use crate::manifest::ResourceType;
use crate::plan::{PlanRequest, StartOrder, Verb};
use crate::select::{Indirect, Selection};

/// What an orchestrator tells a task about the file that it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orchestrated {
    /// The hash of the graph that the file was made of.
    pub(crate) graph: Option<String>,
    /// The selection and the granularity of the file.
    pub(crate) spec: Option<String>,
    /// Where the file is.
    pub(crate) file: Option<String>,
    /// The task's id in it.
    pub(crate) task: Option<String>,
}

/// What a scheduled run works on. Unit tests check code, not data: they belong to the checks of a
/// change.
const TYPES: &[ResourceType] = &[
    ResourceType::Model,
    ResourceType::Seed,
    ResourceType::Snapshot,
    ResourceType::Test,
    ResourceType::Function,
    ResourceType::Export,
];

/// The options of the project file; all that is wrong with them is shown.
pub(super) fn options(inv: &mut Invocation, project: &Project) -> Result<AirflowOptions, CliError> {
    let mut found = Vec::new();
    let options = read_airflow(project.airflow.as_ref()).drain_into(&mut found);
    let wrong = found.iter().any(Diagnostic::is_error);
    inv.console.diagnostics(&found);
    if wrong { Err(CliError::Reported) } else { Ok(options) }
}

/// Cuts the plan of a selection into tasks.
pub(super) fn tasks(
    inv: &mut Invocation,
    project: &Project,
    options: &AirflowOptions,
    selection: &Selection,
    by: Granularity,
) -> Result<Dag, CliError> {
    // The whole file is planned, whatever the task that asks works on.
    let selection = Selection { nodes: None, ..selection.clone() };
    let selected = choose(inv, project, &selection, TYPES)?;
    let itself = publishes_itself(project);
    let request = PlanRequest {
        manifest: &project.manifest,
        selected: &selected,
        existing: &Existing::Unknown,
        verb: Verb::Build,
        audit: true,
        full_refresh: false,
        store_failures: false,
        order: StartOrder::Level,
        publishes_itself: &itself,
    };
    let plan = checked_plan(inv, &request)?;
    Ok(dag(&DagRequest {
        manifest: &project.manifest,
        plan: &plan,
        by,
        asset_layers: &options.asset_layers,
    }))
}

/// A selection and a granularity as a task tells them to the tool.
pub(super) fn spec(selection: &Selection, by: Granularity) -> Json {
    let mut map = JsonMap::new();
    map.insert("by".into(), by.as_str().into());
    let mut list = |key: &str, items: &[String]| {
        if !items.is_empty() {
            map.insert(key.into(), items.to_vec().into());
        }
    };
    list("select", &selection.select);
    list("exclude", &selection.exclude);
    let types =
        |types: &[ResourceType]| types.iter().map(|t| t.as_str().to_owned()).collect::<Vec<_>>();
    list("resource_type", &types(&selection.resource_types));
    list("exclude_resource_type", &types(&selection.exclude_resource_types));
    if let Some(name) = &selection.selector {
        map.insert("selector".into(), name.as_str().into());
    }
    if selection.indirect != Indirect::default() {
        map.insert("indirect_selection".into(), selection.indirect.as_str().into());
    }
    Json::Object(map)
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
        indirect: word("indirect_selection").and_then(Indirect::parse).unwrap_or_default(),
        resource_types: types("resource_type"),
        exclude_resource_types: types("exclude_resource_type"),
        nodes: None,
    };
    Some((selection, Granularity::parse(word("by")?)?))
}

/// Makes sure that the project is the one that the task's file was made of, and gives the nodes of
/// the task: those that the file names, but for tests whose arguments, and with them their ids, are
/// new. None: nothing is known of a file.
pub(super) fn verified(
    inv: &mut Invocation,
    project: &Project,
) -> Result<Option<Vec<String>>, CliError> {
    let Some(orchestrated) = inv.orchestrated.clone() else { return Ok(None) };
    let Some(expected) = &orchestrated.graph else { return Ok(None) };
    let Some((selection, by)) = orchestrated.spec.as_deref().and_then(read_spec) else {
        return Err(CliError::usage(
            "STRATA_GRAPH needs STRATA_GRAPH_SPEC, as `strata export airflow` writes it",
        ));
    };
    let options = options(inv, project)?;
    let dag = tasks(inv, project, &options, &selection, by)?;
    let text = orchestrated.file.as_deref().and_then(|f| inv.system.read(f.into()).ok());
    if let Some(changes) = drift(&project.manifest, &dag, &options, expected, text.as_deref()) {
        return Err(CliError::Drift { changes });
    }
    let Some(id) = &orchestrated.task else { return Ok(None) };
    match dag.tasks.iter().find(|t| t.id == *id) {
        Some(task) => Ok(Some(
            task.nodes.iter().map(|n| project.manifest.node(*n).unique_id.to_string()).collect(),
        )),
        None => Err(CliError::Drift { changes: vec![format!("there is no task {id}")] }),
    }
}

/// Told when layers had to become one task.
pub(super) fn tell_merged(inv: &mut Invocation, dag: &Dag) {
    for names in &dag.merged {
        let message = format!("{} need each other: they are one task", names.join(", "));
        inv.console
            .diagnostic(&Diagnostic::warning(Code::Ignored, message).help("or use --by model"));
    }
}
