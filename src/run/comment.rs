//! The comment that the statements of a node carry (`query-comment:` of the project file).

use super::RunContext;
use crate::compile::{render_hook, subject_of};
use crate::config::{CommentText, QueryCommentOption};
use crate::context::DatabaseAccess;
use crate::diag::{Code, Diagnostic};
use crate::engine::{CommentPlace, QueryComment};
use crate::manifest::Node;
use minijinja::Value;
use std::sync::Arc;

/// The comment of a node's statements; an error if the project's template for it fails.
pub(super) fn make_comment(
    shared: &RunContext,
    node: &Node,
) -> Result<Option<Arc<QueryComment>>, Box<Diagnostic>> {
    let option = &shared.compiler.manifest.project.query_comment;
    let text = match &option.text {
        CommentText::None => return Ok(None),
        CommentText::Usual => describe_node(shared, node),
        CommentText::Written(text) => render_comment(shared, node, text, option)?,
    };
    let place = if option.append { CommentPlace::After } else { CommentPlace::Before };
    QueryComment::new(&text, place).map(|comment| comment.map(Arc::new)).map_err(|e| {
        Box::new(Diagnostic::error(Code::Runtime, e.to_string()).primary_if(option.span, ""))
    })
}

/// What is said of a node where the project says nothing: the keys of dbt's comment. Nobody sees the statements that an
/// engine in this process gets, so that there they have none.
fn describe_node(shared: &RunContext, node: &Node) -> String {
    let target = &shared.compiler.manifest.project.target;
    if !target.engine.capabilities.is_shared {
        return String::new();
    }
    let keys = [
        ("app", "strata"),
        ("dbt_version", crate::DBT_VERSION),
        ("profile_name", &target.profile_name),
        ("target_name", &target.name),
        ("node_id", &node.unique_id),
    ];
    let members = keys.map(|(key, value)| format!("\"{key}\": {}", serde_json::Value::from(value)));
    format!("{{{}}}", members.join(", ")).replace("*/", "* /")
}

/// Renders the comment of the project file, which has the variables `connection_name` and `node`, as in dbt.
fn render_comment(
    shared: &RunContext,
    node: &Node,
    text: &str,
    option: &QueryCommentOption,
) -> Result<String, Box<Diagnostic>> {
    if !text.contains('{') {
        return Ok(text.to_owned());
    }
    let mut subject = subject_of(node);
    subject.extra = vec![("connection_name", Value::from(node.unique_id.to_string()))];
    let compiler = &shared.compiler;
    let project = &compiler.manifest.project.name;
    let session = shared.open_session(project, subject, DatabaseAccess::Offline);
    // As the body of a macro it may end by `return`, which prints nothing else.
    let template = text.replace("{{ return(", "{{ (").replace("{{return(", "{{ (");
    let template = format!("{{% set node = model %}}{template}");
    let span = option.span.unwrap_or(node.span);
    render_hook(&compiler.renderer, &session, &template, span).map(|sql| sql.as_str().to_owned())
}
