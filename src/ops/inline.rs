//! Renders queries that are given on the command line.

use super::OpsError;
use crate::context::{DatabaseAccess, NodeScope, RenderSession, RenderSubject, failure_diagnostic};
use crate::engine::Connection;
use crate::jinja::TextOrigin;
use crate::manifest::{NodeConfig, NodeSet, ResourceType};
use crate::source::{FileId, Span, SqlText};
use crate::workspace::{Revision, WorkspaceError};
use std::sync::Arc;

/// Renders a query, with the CTEs of the ephemeral models that it references.
pub(super) fn render_inline(
    revision: &Revision,
    text: &str,
    connection: Option<&Connection>,
) -> Result<SqlText, OpsError> {
    let package = revision.manifest.project.name.clone();
    let existing = Arc::new(revision.inspect_stored(connection)?);
    let deferred = revision.defer_relations(&NodeSet::default(), &|_| false, &existing)?;
    let compiler = revision.compiler(Vec::new()).with_deferred(deferred);
    let runtime = compiler.runtime(&Arc::new(compiler.bindings(false)), &existing);
    let db = DatabaseAccess::of(connection);
    let session =
        RenderSession::execute(&revision.context, &package, inline_subject(), runtime, db);
    let scope = Arc::new(NodeScope(session.clone()));
    let origin = TextOrigin { file: FileId(0), text, range: (0, text.len()) };
    let renderer = &revision.renderer;
    let rendered = renderer.render("strata/inline", origin, &package, scope, session.clone());
    let record = session.take_record();
    match rendered {
        Ok(rendered) if record.ctes.is_empty() => Ok(SqlText::from(rendered.sql.into_string())),
        Ok(rendered) => {
            let sql = rendered.sql.into_string().into();
            let whole = compiler.with_ctes(sql, &record.ctes, &existing, connection);
            let message = "an ephemeral model that the query reads cannot be compiled";
            whole.map_err(|_| OpsError::usage(message))
        }
        Err(mut failure) => {
            failure.span = None;
            let mut d = failure_diagnostic(&failure, &session, Span::file(FileId(0)));
            d.primary = None;
            d.message = format!("Error parsing inline query: {}", d.message);
            Err(WorkspaceError::from(d).into())
        }
    }
}

/// Stands in for the node that an inline query does not have.
fn inline_subject() -> RenderSubject {
    RenderSubject {
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
        overrides: None,
        overload: None,
    }
}
