//! Runs an export: reads the published relation and writes it to the export's target.

use super::RunContext;
use super::failure::database_error;
use crate::config::{
    ExportColumn, ExportTarget, ExportType, Yaml, YamlMap, YamlValue, read_export,
};
use crate::context::{ContextProject, internal_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, EngineError, EngineSpec, ExistingColumn, SqlType, select_columns};
use crate::load::YamlRenderer;
use crate::manifest::{Export, Node, NodeKind};
use crate::outcome::{NodeOutcome, RunStatus};
use crate::sink::{
    SinkColumn, SinkError, SinkJob, SinkTable, WrittenRows, write_file, write_parquet, write_sheet,
};
use std::sync::Arc;

pub(super) fn run_export(shared: &RunContext, node: &Node, connection: &Connection) -> NodeOutcome {
    let NodeKind::Export(export) = &node.kind else {
        return NodeOutcome::error(
            internal_diagnostic(format!("`{}` is no export", node.name)),
            false,
        );
    };
    match export_target(&shared.compiler.context, node, export)
        .and_then(|target| write(shared, node, &target, connection))
    {
        Ok(written) => NodeOutcome {
            message: Some(written.message),
            adapter_response: serde_json::json!({
                "rows_affected": written.rows, "cells": written.cells, "requests": written.requests,
            }),
            ..NodeOutcome::new(RunStatus::Success)
        },
        Err(e) => NodeOutcome::error(*e.diagnostic, e.transient),
    }
}

/// Why an export failed.
pub(crate) struct ExportError {
    pub(crate) diagnostic: Box<Diagnostic>,
    /// Whether a retry can help.
    pub(crate) transient: bool,
}

fn lasting_error(d: Diagnostic) -> ExportError {
    ExportError { diagnostic: Box::new(d), transient: false }
}

/// Renders the fields of an export, which parsing left unrendered, and checks them.
pub(crate) fn export_target(
    context: &Arc<ContextProject>,
    node: &Node,
    export: &Export,
) -> Result<ExportTarget, ExportError> {
    let mut out = Vec::new();
    let own = export.kind.keys();
    let entries = export.fields.iter().filter(|(key, _)| own.contains(&&*key.text));
    let fields = YamlMap { entries: entries.map(|(k, v)| (k.clone(), v.clone())).collect() };
    let tree = Yaml { span: node.span, value: YamlValue::Map(fields) };
    let rendered = YamlRenderer::new(context, &node.package).tree(&tree, &|_| false, &mut out);
    let Some(map) = rendered.as_map() else {
        return Err(lasting_error(internal_diagnostic("fields are no mapping")));
    };
    if let Some(wrong) = out.into_iter().find(Diagnostic::is_error) {
        return Err(lasting_error(wrong));
    }
    let checked = read_export(export.kind, map, node.span);
    match (checked.value, checked.diagnostics.into_iter().find(Diagnostic::is_error)) {
        (Some(target), None) => Ok(target),
        (_, Some(wrong)) => Err(lasting_error(wrong)),
        (None, None) => Err(lasting_error(internal_diagnostic("an export without a target"))),
    }
}

fn write(
    shared: &RunContext,
    node: &Node,
    target: &ExportTarget,
    connection: &Connection,
) -> Result<WrittenRows, ExportError> {
    let table = read(shared, node, target, connection)?;
    let run = run_id(shared);
    let project = &shared.compiler.manifest.project;
    let job = SinkJob {
        export_name: &node.name,
        run_id: &run,
        dry_run: shared.options.dry_run,
        system: shared.system.as_ref(),
        project: &project.root,
        target_path: &shared.target_path,
        is_stopped: &|| shared.cancel.is_cancelled(),
        pace: &shared.pace,
    };
    let written = match target {
        ExportTarget::Sheet(sheet) => write_sheet(sheet, &table, &job),
        ExportTarget::File(file) if file.format == ExportType::Parquet => (shared.scratch)()
            .map_err(|e| SinkError { message: e.message, help: e.hint, transient: false })
            .and_then(|mut engine| write_parquet(file, &table, &job, engine.as_mut())),
        ExportTarget::File(file) => write_file(file, &table, &job),
    };
    written.map_err(|e| {
        let d = Diagnostic::error(Code::ExportFailed, e.message).primary(node.span, "this export");
        ExportError { diagnostic: Box::new(d.help_if(e.help, |h| h)), transient: e.transient }
    })
}

/// The id that all attempts of one run share: the scheduler's, or else a random one.
fn run_id(shared: &RunContext) -> String {
    read_variable(shared, "STRATA_RUN_ID")
        .or_else(|| airflow_run(shared))
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

fn airflow_run(shared: &RunContext) -> Option<String> {
    let dag = read_variable(shared, "AIRFLOW_CTX_DAG_ID")?;
    let run = read_variable(shared, "AIRFLOW_CTX_DAG_RUN_ID")?;
    Some(format!("{dag} {run}"))
}

/// An environment variable; `None` if it is unset or empty.
fn read_variable(shared: &RunContext, name: &str) -> Option<String> {
    shared.system.env(name).filter(|value| !value.is_empty())
}

/// Reads the rows of the published relation.
fn read(
    shared: &RunContext,
    node: &Node,
    target: &ExportTarget,
    connection: &Connection,
) -> Result<SinkTable, ExportError> {
    let manifest = &shared.compiler.manifest;
    let Some(model) = node.depends_on.first().map(|id| manifest.node(*id)) else {
        return Err(lasting_error(internal_diagnostic("an export without a model")));
    };
    let Some(relation) = model.relation.as_ref().filter(|_| !model.is_ephemeral()) else {
        let message = format!("`{}` is not stored: it is {}", model.name, model.materialized());
        return Err(mistake(node, message, "export a table or a view that reads it"));
    };
    let known = connection.with(|w| w.list_columns(relation)).map_err(|e| unreadable(node, &e))?;
    if known.is_empty() {
        let message = format!("{} is not in the database", relation.short());
        let help = format!("build it first: strata build --select {}", model.name);
        return Err(mistake(node, message, help));
    }
    let asked = match target {
        ExportTarget::Sheet(sheet) => &sheet.columns,
        ExportTarget::File(file) => &file.columns,
    };
    let columns = columns(asked, &known, connection.engine()).map_err(|(column, message)| {
        let names: Vec<&str> = known.iter().map(|c| c.name.as_str()).collect();
        let d = Diagnostic::error(Code::ExportFailed, message).primary(column.span, "");
        lasting_error(d.help(format!("{} has {}", relation.short(), names.join(", "))))
    })?;
    if let Some(twice) = columns
        .iter()
        .enumerate()
        .find_map(|(i, c)| columns[..i].iter().find(|d| d.header == c.header))
    {
        let message = format!("two columns have the header `{}`", twice.header);
        return Err(mistake(node, message, "give one of them another `header`"));
    }
    let engine = connection.engine();
    let items: Vec<String> = columns.iter().map(|column| select_item(column, engine)).collect();
    let sql = select_columns(&items, relation, engine);
    let found = connection.with(|w| w.fetch(&sql, None));
    let (_, table) = found.map_err(|e| unreadable(node, &e))?;
    Ok(SinkTable { columns, rows: table.rows })
}

/// The failure of an export's query.
fn unreadable(node: &Node, e: &EngineError) -> ExportError {
    let e = database_error(e, node);
    ExportError { diagnostic: e.diagnostic, transient: e.transient }
}

/// An error in the export itself.
fn mistake(node: &Node, message: String, help: impl Into<String>) -> ExportError {
    let d = Diagnostic::error(Code::ExportFailed, message).primary(node.span, "this export");
    lasting_error(d.help(help))
}

/// A column in the query of an export. Types that the driver returns as bytes are cast to text.
fn select_item(column: &SinkColumn, engine: &EngineSpec) -> String {
    let name = engine.dialect.quoted(&column.name);
    match &column.kind {
        SqlType::Other(kind) if engine.types.opaque.contains(&kind.as_str()) => {
            format!("cast({name} as varchar)")
        }
        _ => name,
    }
}

/// The requested columns, as the relation spells them; all columns if none are requested.
fn columns<'a>(
    asked: &'a [ExportColumn],
    known: &[ExistingColumn],
    engine: &EngineSpec,
) -> Result<Vec<SinkColumn>, (&'a ExportColumn, String)> {
    if asked.is_empty() {
        return Ok(known.iter().map(|c| sink_column(c, None, engine)).collect());
    }
    let mut out = Vec::with_capacity(asked.len());
    for column in asked {
        let Some(found) = find_column(&column.name, known) else {
            return Err((column, format!("there is no column `{}`", column.name)));
        };
        out.push(sink_column(found, Some(column), engine));
    }
    Ok(out)
}

/// Finds a column by its exact name, or else regardless of case.
fn find_column<'a>(name: &str, known: &'a [ExistingColumn]) -> Option<&'a ExistingColumn> {
    let exact = known.iter().find(|c| c.name == name);
    exact.or_else(|| known.iter().find(|c| c.name.eq_ignore_ascii_case(name)))
}

fn sink_column(
    column: &ExistingColumn,
    asked: Option<&ExportColumn>,
    engine: &EngineSpec,
) -> SinkColumn {
    SinkColumn {
        name: column.name.clone(),
        header: asked.and_then(|a| a.header.clone()).unwrap_or_else(|| column.name.clone()),
        kind: (engine.types.read)(&column.data_type),
        format: asked.and_then(|a| a.format.clone()),
    }
}
