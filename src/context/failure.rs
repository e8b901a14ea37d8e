//! Turns a failed render into a diagnostic.

use super::reads::RenderQuestion;
use super::session::{Abort, RenderSession};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::engine::EngineErrorKind;
use crate::jinja::{MacroDef, RenderFailure};
use crate::source::Span;

pub(crate) fn internal_diagnostic(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::Internal, message)
}

/// The diagnostic of a failed render. `whole` is its location if no better one is known.
pub(crate) fn failure_diagnostic(
    failure: &RenderFailure,
    session: &RenderSession,
    whole: Span,
) -> Diagnostic {
    let place = failure_place(failure, session, whole);
    let abort = session.take_abort();
    let diagnostic = match &abort {
        Some(Abort::Raised(message) | Abort::FailFast(message)) => {
            Diagnostic::error(Code::RaisedByProject, message.clone()).primary(place, "raised here")
        }
        Some(Abort::MissingEnv(name)) => Diagnostic::error(
            Code::MissingEnvVar,
            format!("environment variable `{name}` is not set"),
        )
        .primary(place, "asked for here")
        .help(format!("set it, or give a default: env_var('{name}', '...')")),
        Some(Abort::SecretEnv(name)) => Diagnostic::error(
            Code::SecretEnvVar,
            format!("secret variable `{name}` cannot be read here"),
        )
        .primary(place, "secret variables can be read in profiles.yml and packages.yml only"),
        Some(Abort::MissingVar(name)) => {
            Diagnostic::error(Code::JinjaRender, format!("required variable `{name}` is not set"))
                .primary(place, "asked for here")
                .help(format!(
                    "set it under `vars:` in the project file, or with --vars '{{{name}: ...}}'"
                ))
        }
        Some(Abort::UnknownRef { message, span, help }) => {
            Diagnostic::error(Code::UnknownRef, message.clone())
                .primary(span.unwrap_or(place), "referenced here")
                .help_if(help.as_ref(), Clone::clone)
        }
        Some(Abort::Database { error, sql }) => {
            let code = match error.kind {
                EngineErrorKind::Sql => Code::SqlError,
                EngineErrorKind::Connection => Code::Connection,
                EngineErrorKind::Locked => Code::Locked,
                EngineErrorKind::Unsupported => Code::Unsupported,
                _ => Code::Runtime,
            };
            let shown: String = sql.trim().chars().take(400).collect();
            let d = Diagnostic::error(code, error.message.clone())
                .primary(place, "this query failed")
                .note(format!("the query was:\n{shown}"))
                .help_if(error.hint.as_ref(), Clone::clone);
            Diagnostic { names_missing: error.names_missing, ..d }
        }
        Some(Abort::NeedsDatabase) => Diagnostic::error(
            Code::JinjaRender,
            "this can be answered only while the node is built",
        )
        .primary(place, ""),
        None if failure.syntax => {
            Diagnostic::error(Code::JinjaSyntax, failure.message.clone()).primary(place, "")
        }
        None => {
            let code =
                if failure.unknown.is_some() { Code::UnknownMacro } else { Code::JinjaRender };
            Diagnostic::error(code, failure.message.clone())
                .primary(place, "")
                .did_you_mean(nearest_member(failure, session))
        }
    };
    if failure.trace.is_empty() {
        return diagnostic;
    }
    let calls: Vec<String> =
        failure.trace.iter().map(|d| format!("{}.{}", d.package, d.name)).collect();
    let shown = if calls.len() > 8 {
        format!("{} ... {}", calls[..4].join(" in "), calls[calls.len() - 2..].join(" in "))
    } else {
        calls.join(", called by ")
    };
    diagnostic.note(format!("in macro {shown}, called by `{}`", session.subject.unique_id))
}

/// The location of a failure. If it is in a built-in macro, where users cannot look, the innermost
/// macro of the project is the location, else the node.
fn failure_place(failure: &RenderFailure, session: &RenderSession, whole: Span) -> Span {
    match failure.trace.first() {
        Some(first) if is_built_in(session, first) => failure
            .trace
            .iter()
            .find(|def| !is_built_in(session, def))
            .map_or(whole, |def| Span { end: def.span.start + 1, ..def.span }),
        _ => failure.span.unwrap_or(whole),
    }
}

fn is_built_in(session: &RenderSession, def: &MacroDef) -> bool {
    session.project.registry().is_some_and(|registry| registry.is_internal(def))
}

/// The name of a macro or member that is most similar to the undefined one.
fn nearest_member(failure: &RenderFailure, session: &RenderSession) -> Option<String> {
    let unknown = failure.unknown.as_deref()?;
    let registry = session.project.registry()?;
    session.record_read(RenderQuestion::MacroNames(session.package.clone()));
    let members = session.project.members.keys().copied();
    nearest_name(unknown, registry.names(&session.package).chain(members)).map(str::to_owned)
}
