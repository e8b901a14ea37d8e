//! `show`: the first rows of a model or of an inline query.

use super::OpsError;
use super::choose::choose_nodes;
use super::compile::needs_database;
use super::inline::render_inline;
use crate::compile::{CompileError, Compiler};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, EngineError, ExistingRelations, Table, limit_rows, select_all};
use crate::manifest::{Node, NodeId, NodeKind, ResourceType};
use crate::select::Selection;
use crate::source::SqlText;
use crate::workspace::{Notices, Revision, Workspace, WorkspaceError};
use std::sync::Arc;

/// A query of the command line.
#[derive(Clone, Debug)]
pub(crate) enum InlineQuery {
    Template(String),
    /// SQL that is run as it is.
    Direct(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ShowOptions {
    pub(crate) selection: Selection,
    pub(crate) inline: Option<InlineQuery>,
    /// Whether templates may ask the database.
    pub(crate) introspect: bool,
    /// `None`: all rows.
    pub(crate) limit: Option<usize>,
}

/// The rows of a node or an inline query.
pub(crate) struct ShownRows {
    /// The node's name, with its version; `None` for an inline query.
    pub(crate) name: Option<String>,
    pub(crate) table: Table,
    /// Whether the limit was reached, so that there may be more rows.
    pub(crate) is_cut: bool,
}

const TYPES: [ResourceType; 4] =
    [ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot, ResourceType::Analysis];

/// Hands the rows of each node to `each` as soon as they are fetched.
pub(crate) fn show_rows(
    workspace: &mut Workspace,
    options: &ShowOptions,
    notices: &mut Notices<'_>,
    each: &mut dyn FnMut(ShownRows),
) -> Result<(), OpsError> {
    let revision = workspace.open(notices)?;
    let (connection, _watch) = revision.connect_alone(workspace.cancel_token())?;
    let asked = Some(&connection).filter(|_| options.introspect);
    if let Some(query) = &options.inline {
        let sql = match query {
            InlineQuery::Template(text) => render_inline(&revision, text, asked)?,
            InlineQuery::Direct(sql) => sql.as_str().into(),
        };
        each(fetch_rows(None, None, &sql, options.limit, &connection)?);
        return Ok(());
    }
    let selected = choose_nodes(&revision, &options.selection, &TYPES, notices)?;
    if selected.len() == 0 {
        let asked = options.selection.select.join(" ");
        let message = match asked.is_empty() {
            true => "there is nothing to show".to_owned(),
            false => format!("`{asked}` names nothing that can be shown"),
        };
        let hint = "name a model: strata show NAME; `strata ls` lists them";
        return Err(OpsError::usage_with_hint(message, hint));
    }
    let existing = Arc::new(revision.inspect_stored(Some(&connection))?);
    let all = selected.iter().map(|id| revision.manifest.node(id).unique_id.clone()).collect();
    let deferred = revision.defer_relations(&selected, &|_| false, &existing)?;
    let compiler = revision.compiler(all).with_deferred(deferred);
    for id in selected.iter() {
        let node = revision.manifest.node(id);
        let sql = query_of(&revision, &compiler, id, &existing, asked)?;
        let header = node.config.text("sql_header");
        let header = header.filter(|_| node.resource_type() == ResourceType::Model);
        each(fetch_rows(Some(node), header.as_deref(), &sql, options.limit, &connection)?);
    }
    Ok(())
}

/// The query that selects a node's rows.
fn query_of(
    revision: &Revision,
    compiler: &Compiler,
    id: NodeId,
    existing: &Arc<ExistingRelations>,
    connection: Option<&Connection>,
) -> Result<SqlText, OpsError> {
    let node: &Node = revision.manifest.node(id);
    if matches!(node.kind, NodeKind::Seed | NodeKind::Snapshot) {
        let relation = node.relation.as_ref();
        return Ok(relation
            .map(|r| select_all(r, revision.manifest.project.target.engine))
            .unwrap_or_default());
    }
    match compiler.compile(id, &Arc::new(compiler.bindings(false)), existing, connection) {
        Ok(compiled) => Ok((*compiled.sql).clone()),
        Err(CompileError::Diagnostic(d)) => Err(WorkspaceError::from(*d).into()),
        Err(CompileError::NeedsDatabase) => Err(needs_database(node)),
    }
}

/// Runs a query with a limit. The SQL header comes before the query, outside of the limit.
fn fetch_rows(
    node: Option<&Node>,
    header: Option<&str>,
    sql: &SqlText,
    limit: Option<usize>,
    connection: &Connection,
) -> Result<ShownRows, OpsError> {
    let mut query = SqlText::new();
    if let Some(header) = header {
        query.push_str(header);
        query.push_str("\n");
    }
    match limit {
        Some(limit) => query.push(&limit_rows(sql, limit)),
        None => query.push(sql),
    }
    let fetched = connection.with(|warehouse| warehouse.fetch(&query, limit));
    let (_, table) = fetched.map_err(|e| WorkspaceError::from(query_error(node, &query, &e)))?;
    let is_cut = limit == Some(table.rows.len());
    Ok(ShownRows { name: node.map(Node::display_name), table, is_cut })
}

fn query_error(node: Option<&Node>, query: &SqlText, e: &EngineError) -> Diagnostic {
    let span = e.position.and_then(|(at, len)| query.locate(at, len));
    let first_line = e.message.lines().next().unwrap_or_default();
    let place = match node {
        Some(node) => format!("{} {}", node.resource_type().as_str(), node.display_name()),
        None => "inline query".to_owned(),
    };
    let message = format!("Database Error in {place}: {first_line}");
    Diagnostic::error(Code::SqlError, message).primary_if(span, "here")
}
