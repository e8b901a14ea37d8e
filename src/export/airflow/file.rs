//! Writes the text of the DAG file.

use super::hash::hash_dag;
use super::python::{clean_comment, quote_literal, quote_string, write_list};
use super::tasks::{Dag, DagTask};
use crate::config::{AirflowOptions, Json};
use crate::export::GeneratedFile;
use crate::manifest::Manifest;
use std::fmt::Write;

/// Imports and the operator, which are the same in each file.
const IMPORTS: &str = include_str!("dag.py");
const OPERATOR: &str = include_str!("operator.py");

/// The inputs of the file besides the graph.
pub(crate) struct DagFileRequest<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) dag: &'a Dag,
    pub(crate) options: &'a AirflowOptions,
    /// The selection and the granularity, as tasks pass them to Strata.
    pub(crate) spec: &'a Json,
    /// The command line that writes the file again.
    pub(crate) command: &'a str,
    /// The engine's name, if only one process at a time can use the database.
    pub(crate) serial: Option<&'static str>,
}

/// Writes `dags/<project>.py`.
pub(crate) fn dag_file(request: &DagFileRequest<'_>) -> GeneratedFile {
    let name = &request.manifest.project.name;
    let mut out = String::new();
    header(&mut out, request);
    match request.options.callbacks.iter().any(Option::is_some) {
        true => out.push_str(&IMPORTS.replacen(
            "timedelta\n",
            "timedelta\nfrom importlib import import_module\n",
            1,
        )),
        false => out.push_str(IMPORTS),
    }
    if request.options.deadline.is_some() {
        out.push_str(DEADLINE_IMPORTS);
    }
    tasks(&mut out, request);
    environment(&mut out, request);
    settings(&mut out, request.options);
    out.push_str("\n\n");
    out.push_str(OPERATOR);
    graph(&mut out, request);
    GeneratedFile { path: format!("dags/{name}.py").into(), content: out }
}

fn header(out: &mut String, request: &DagFileRequest<'_>) {
    let Json::Object(spec) = request.spec else { return };
    let selected: Vec<String> = spec
        .iter()
        .filter(|(key, _)| *key != "by")
        .map(|(key, value)| format!("{key} {}", crate::manifest::json_texts(value).join(" ")))
        .collect();
    let selected = if selected.is_empty() { "everything".to_owned() } else { selected.join(", ") };
    let _ = write!(
        out,
        "# The DAG of {} for Airflow 2.10, 2.11 and 3, written by: {}\n\
         # Do not edit it; change the project and write it again. `--check` says whether it is up to date.\n\
         #\n\
         # selection:  {}\n\
         # one task:   a {}\n\
         # graph:      {}\n\n",
        clean_comment(&request.manifest.project.name),
        clean_comment(request.command),
        clean_comment(&selected),
        request.dag.granularity.as_str(),
        hash_dag(request.manifest, request.dag, request.options),
    );
}

fn tasks(out: &mut String, request: &DagFileRequest<'_>) {
    out.push_str("\n# What each task builds and tests, and which tasks come before.\n# fmt: off\nTASKS = [\n");
    for task in &request.dag.tasks {
        task_row(out, request, task);
    }
    out.push_str("]\n");
    out.push_str(
        "\n# The box that each group of tasks is drawn in. Groups that wait for each other share one.\nGROUPS = {\n",
    );
    for (group, drawn) in &request.dag.boxes {
        let _ = writeln!(out, "    {}: {},", quote_string(group), quote_string(drawn));
    }
    out.push_str("}\n# fmt: on\n");
}

fn task_row(out: &mut String, request: &DagFileRequest<'_>, task: &DagTask) {
    let nodes: Vec<&str> =
        task.nodes.iter().map(|id| &*request.manifest.node(*id).unique_id).collect();
    let after: Vec<&str> =
        task.upstream.iter().map(|n| request.dag.tasks[*n].id.as_str()).collect();
    let mut fields = vec![
        format!("\"task\": {}", quote_string(&task.id)),
        format!("\"run\": {}", quote_string(task.kind.as_str())),
        format!("\"after\": {}", write_list(&after, 8)),
        format!("\"nodes\": {}", write_list(&nodes, 8)),
    ];
    if !task.inlets.is_empty() {
        fields.push(format!("\"reads\": {}", write_list(&task.inlets, 8)));
    }
    if !task.outlets.is_empty() {
        fields.push(format!("\"writes\": {}", write_list(&task.outlets, 8)));
    }
    let _ = writeln!(out, "    {{\n        {}\n    }},", fields.join(",\n        "));
}

fn environment(out: &mut String, request: &DagFileRequest<'_>) {
    let options = request.options;
    let project = match &options.project_dir {
        Some(folder) => quote_literal(folder),
        None => "os.path.dirname(os.path.dirname(os.path.abspath(__file__)))".to_owned(),
    };
    let mut pairs = vec![
        ("STRATA_COMMAND", quote_literal(&options.command)),
        ("STRATA_PROJECT_DIR", project),
        ("STRATA_ORCHESTRATED", "\"1\"".to_owned()),
        ("STRATA_GRAPH", quote_literal(&hash_dag(request.manifest, request.dag, options))),
        ("STRATA_GRAPH_SPEC", quote_literal(&request.spec.to_string())),
        ("STRATA_GRAPH_FILE", "os.path.abspath(__file__)".to_owned()),
    ];
    for (key, value) in
        [("STRATA_TARGET", &options.target), ("STRATA_PROFILES_DIR", &options.profiles_dir)]
    {
        pairs.extend(value.as_ref().map(|v| (key, quote_literal(v))));
    }
    out.push_str(
        "\n# The environment of every task. Airflow renders none of it: braces are only braces.\nENVIRONMENT = {\n",
    );
    for (key, value) in pairs {
        let _ = writeln!(out, "    \"{key}\": {value},");
    }
    out.push_str("}\n");
}

fn settings(out: &mut String, options: &AirflowOptions) {
    let retries = options.retries;
    let export = format!(
        "{{\"retries\": {}, \"retry_exponential_backoff\": True, \"max_retry_delay\": timedelta(hours=1)}}",
        retries.exports
    );
    let _ = write!(
        out,
        "\n# Only what another try may mend is tried again: see the operator.\n\
         RETRIES = {{\n    \"build\": {{\"retries\": {}}},\n    \"test\": {{\"retries\": {}}},\n    \
         \"export sheets\": {export},\n    \"export files\": {export},\n}}\n\n\
         # What models read as var('data_interval_start') and var('data_interval_end'). A run without a logical date has no\n\
         # interval: it gets the {hours} hours before it was due.\n\
         INTERVAL = \"\"\"\\\n\
         {{%- if data_interval_start is defined and data_interval_start -%}}\n\
         {{%- set start, end = data_interval_start, data_interval_end -%}}\n\
         {{%- else -%}}\n\
         {{%- set start, end = dag_run.run_after - macros.timedelta(hours={hours}), dag_run.run_after -%}}\n\
         {{%- endif -%}}\n\
         {{\"data_interval_start\": \"{{{{ start.isoformat() }}}}\", \"data_interval_end\": \"{{{{ end.isoformat() }}}}\"}}\"\"\"\n",
        retries.models,
        retries.tests,
        hours = options.manual_interval_hours,
    );
    if options.callbacks.iter().any(Option::is_some) {
        out.push_str(CALLBACK);
    }
    if let Some(deadline) = &options.deadline {
        let _ = write!(
            out,
            "\n# Whom to tell of a run that takes too long: an async function, which the triggerer runs (Airflow 3.1 and later).\n\
             deadline = {{}}\nif DeadlineAlert is not None:\n    deadline[\"deadline\"] = DeadlineAlert(\n        \
             reference=DeadlineReference.DAGRUN_QUEUED_AT,\n        interval=timedelta(minutes={}),\n        \
             callback=AsyncCallback({}),\n    )\n",
            deadline.minutes,
            quote_literal(&deadline.callback)
        );
    }
}

const DEADLINE_IMPORTS: &str = r#"try:
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:  # before Airflow 3.1
    DeadlineAlert = None
"#;

const CALLBACK: &str = r#"

def callback(path):
    """A callback that imports what it calls when it is called, not when Airflow reads this file."""

    def call(context):
        module, _, name = path.rpartition(".")
        getattr(import_module(module), name)(context)

    return call

"#;

fn graph(out: &mut String, request: &DagFileRequest<'_>) {
    let (options, project) = (request.options, &request.manifest.project);
    let id = options.dag_id.as_deref().unwrap_or(&project.name);
    let (year, month, day) = options.start_date;
    let tags: Vec<&str> = options.tags.iter().map(String::as_str).collect();
    let mut dag = vec![
        format!("dag_id={}", quote_literal(id)),
        format!(
            "schedule=CronDataIntervalTimetable({}, timezone={})",
            quote_literal(&options.schedule),
            quote_literal(&options.timezone)
        ),
        format!(
            "start_date=datetime({year}, {month}, {day}, tzinfo=ZoneInfo({}))",
            quote_literal(&options.timezone)
        ),
        "catchup=False".to_owned(),
        "max_active_runs=1".to_owned(),
    ];
    dag.extend(options.description.as_ref().map(|d| format!("description={}", quote_literal(d))));
    if let Some(minutes) = options.timeout_minutes {
        dag.push(format!("dagrun_timeout=timedelta(minutes={minutes})"));
    }
    let [failure, success, retry] = &options.callbacks;
    dag.extend(
        success
            .as_ref()
            .map(|path| format!("on_success_callback=callback({})", quote_literal(path))),
    );
    if !tags.is_empty() {
        dag.push(format!("tags={}", write_list(&tags, 4)));
    }
    out.push_str("\n\nwith DAG(\n");
    for argument in dag {
        let _ = writeln!(out, "    {argument},");
    }
    match (request.serial, options.max_active_tasks) {
        (Some(engine), _) => {
            let _ = writeln!(out, "    # {engine}: one process at a time can have the file open.");
            out.push_str("    max_active_tasks=1,\n");
        }
        (None, Some(n)) => {
            let _ = writeln!(out, "    max_active_tasks={n},");
        }
        (None, None) => {}
    }
    out.push_str("    default_args={\n");
    let mut defaults = vec![
        format!("\"owner\": {}", quote_literal(&options.owner)),
        format!("\"retry_delay\": timedelta(seconds={})", options.retry_delay_seconds),
        "\"append_env\": True".to_owned(),
        "\"skip_on_exit_code\": None".to_owned(),
    ];
    defaults.extend(options.pool.as_ref().map(|p| format!("\"pool\": {}", quote_literal(p))));
    for (key, path) in [("on_failure_callback", failure), ("on_retry_callback", retry)] {
        defaults
            .extend(path.as_ref().map(|p| format!("\"{key}\": callback({})", quote_literal(p))));
    }
    for argument in defaults {
        let _ = writeln!(out, "        {argument},");
    }
    out.push_str("    },\n");
    if options.deadline.is_some() {
        out.push_str("    **deadline,\n");
    }
    out.push_str(LOOP);
}

const LOOP: &str = r#") as dag:
    groups, tasks = {}, {}
    for row in TASKS:
        group = GROUPS.get(row["task"].rpartition(".")[0])
        if group and group not in groups:
            groups[group] = TaskGroup(group, prefix_group_id=False)
        nodes = " ".join(row["nodes"])
        tasks[row["task"]] = StrataOperator(
            task_id=row["task"],
            task_group=groups.get(group),
            bash_command='exec "$STRATA_COMMAND" ' + row["run"],
            env={
                **ENVIRONMENT,
                "STRATA_TASK": row["task"],
                # A value holds 128 KiB at most; the tool finds a longer list by the name of the task.
                "STRATA_NODES": nodes if len(nodes) < 100_000 else "",
            },
            inlets=[Asset(asset) for asset in row.get("reads", [])],
            outlets=[Asset(asset) for asset in row.get("writes", [])],
            **RETRIES[row["run"]],
        )
    for row in TASKS:
        tasks[row["task"]].set_upstream([tasks[name] for name in row["after"]])
"#;
