//! `show`: the first rows of a model, or of a query given on the command line.

use super::compile::compiler;
use super::compile::look_up;
use super::project::{Project, choose, connect_alone, open};
use super::{CliError, Exit, Invocation};
use crate::compile::CompileError;
use crate::context::{Bindings, Db, NodeScope, Session, Unit, failure_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, limit_rows, select_all};
use crate::jinja::TextOrigin;
use crate::manifest::{NodeConfig, NodeKind, ResourceType};
use crate::report::{grid, rows_json};
use crate::select::Selection;
use crate::source::{FileId, Span, SqlText};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct ShowArgs {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<String>,
    /// None: all rows.
    pub(crate) limit: Option<usize>,
    pub(crate) json: bool,
}

pub(crate) fn show(inv: &mut Invocation, args: &ShowArgs) -> Exit {
    let project = open(inv)?;
    let (connection, _watch) = connect_alone(inv, project)?;
    if let Some(text) = &args.inline {
        let sql = inline(inv, project, text, Some(&connection))?;
        return print(inv, "inline query", None, &sql, args, &connection);
    }
    let types =
        [ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot, ResourceType::Analysis];
    let selected = choose(inv, project, &args.selection, &types)?;
    let ids: Vec<_> = selected.iter().collect();
    if ids.is_empty() {
        let asked = args.selection.select.join(" ");
        return Err(CliError::Usage {
            message: match asked.is_empty() {
                true => "there is nothing to show".to_owned(),
                false => format!("`{asked}` names nothing that can be shown"),
            },
            hints: vec!["name a model: strata show NAME; `strata ls` lists them".to_owned()],
        });
    }
    let existing = Arc::new(look_up(project, Some(&connection))?);
    let all = ids.iter().map(|id| project.manifest.node(*id).unique_id.clone()).collect();
    let (compiler, bindings) = (compiler(project, all), Arc::new(Bindings::default()));
    for id in ids {
        let node = project.manifest.node(id);
        let sql = if matches!(node.kind, NodeKind::Seed | NodeKind::Snapshot) {
            let relation = node.relation.as_ref();
            relation.map(|r| select_all(r, connection.engine())).unwrap_or_default()
        } else {
            match compiler.compile(id, &bindings, &existing, Some(&connection)) {
                Ok(compiled) => (*compiled.sql).clone(),
                Err(CompileError::Diagnostic(d)) => {
                    inv.console.diagnostic(&d);
                    return Err(CliError::Reported);
                }
                Err(CompileError::NeedsDatabase) => {
                    return Err(CliError::usage("the database is needed"));
                }
            }
        };
        let header =
            node.config.text("sql_header").filter(|_| node.resource_type() == ResourceType::Model);
        print(inv, &node.name, header.as_deref(), &sql, args, &connection)?;
    }
    Ok(0)
}

/// Runs a query with a limit and prints it. A header stands before what is run, outside the limit.
fn print(
    inv: &mut Invocation,
    name: &str,
    header: Option<&str>,
    sql: &SqlText,
    args: &ShowArgs,
    connection: &Connection,
) -> Exit {
    let mut query = SqlText::new();
    if let Some(header) = header {
        query.push_str(header);
        query.push_str("\n");
    }
    match args.limit {
        Some(limit) => query.push(&limit_rows(sql, limit)),
        None => query.push(sql),
    }
    let table = match connection.with(|warehouse| warehouse.fetch(&query, args.limit)) {
        Ok((_, table)) => table,
        Err(e) => {
            let span = e.position.and_then(|(at, len)| query.locate(at, len));
            let mut d =
                Diagnostic::error(Code::SqlError, e.message.lines().next().unwrap_or_default())
                    .primary_if(span, "here");
            if span.is_none() {
                d = d.note(format!("in {name}"));
            }
            inv.console.diagnostic(&d);
            return Err(CliError::Reported);
        }
    };
    if args.json {
        let value = serde_json::json!({ "node": name, "show": rows_json(&table) });
        inv.console.out(&serde_json::to_string_pretty(&value).unwrap_or_default());
        return Ok(0);
    }
    inv.console.out(&grid(&table, inv.console.width()));
    let rows = table.rows.len();
    let more = if args.limit == Some(rows) { ", --limit shows more" } else { "" };
    inv.console.say(&format!("{name}: {} shown{more}", crate::report::count(rows, "row")));
    Ok(0)
}

/// Renders a query given on the command line.
pub(super) fn inline(
    inv: &mut Invocation,
    project: &Project,
    text: &str,
    connection: Option<&Connection>,
) -> Result<SqlText, CliError> {
    let package = project.manifest.project.name.clone();
    let unit = Unit {
        unique_id: "sql_operation.inline_query".into(),
        name: "inline_query".into(),
        kind: ResourceType::Analysis,
        file: None,
        this: None,
        config: Arc::new(NodeConfig::default()),
        node: None,
        model: serde_json::json!({ "name": "inline_query", "resource_type": "sql_operation" }),
        compiled: None,
        extra: Vec::new(),
    };
    let compiler = compiler(project, Vec::new());
    let existing = Arc::new(look_up(project, connection)?);
    let runtime = compiler.runtime(&Arc::new(Bindings::default()), &existing);
    let session = Session::execute(&project.context, &package, unit, runtime, Db::of(connection));
    let scope = Arc::new(NodeScope(session.clone()));
    let origin = TextOrigin { file: FileId(0), text, range: (0, text.len()) };
    let rendered = project.engine.render("strata/inline", origin, &package, scope, session.clone());
    let record = session.take_record();
    match rendered {
        Ok(rendered) if record.ctes.is_empty() => Ok(SqlText::from(rendered.sql.into_string())),
        Ok(rendered) => compiler
            .with_ctes(rendered.sql.into_string().into(), &record.ctes, &existing, connection)
            .map_err(|_| {
                CliError::usage("an ephemeral model that the query reads cannot be compiled")
            }),
        Err(mut failure) => {
            failure.span = None;
            let mut d = failure_diagnostic(&failure, &session, Span::file(FileId(0)));
            d.primary = None;
            inv.console.diagnostic(&d);
            Err(CliError::Reported)
        }
    }
}
