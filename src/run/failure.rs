//! Turns errors of engines and of the compiler into failures of nodes.

use crate::compile::CompileError;
use crate::context::internal_diagnostic;
use crate::diag::{Code, Diagnostic};
use crate::engine::{EngineError, EngineErrorKind};
use crate::manifest::Node;
use crate::outcome::{NodeError, NodeOutcome};
use crate::source::{Span, SqlText};

/// The error for a bug in Strata itself.
pub(super) fn internal_error(message: &str) -> NodeError {
    NodeError::lasting(internal_diagnostic(message))
}

/// The outcome of a node that cannot be compiled.
pub(super) fn compile_failure(e: CompileError, node: &Node) -> NodeOutcome {
    match e {
        CompileError::Diagnostic(d) => NodeOutcome::error(*d, false),
        CompileError::NeedsDatabase => {
            let message =
                format!("`{}` asks the database something while it is compiled", node.name);
            let d = Diagnostic::error(Code::JinjaRender, message);
            NodeOutcome::error(d.primary(node.span, ""), false)
        }
    }
}

/// The error of a text that cannot be compiled.
pub(super) fn compile_error(e: CompileError, node: &Node) -> NodeError {
    match compile_failure(e, node).failed {
        Some(failed) => NodeError::lasting(failed.diagnostic),
        None => internal_error("a text that cannot be compiled has no error"),
    }
}

/// An engine error that has no place in a template.
pub(super) fn database_error(e: &EngineError, node: &Node) -> NodeError {
    sql_error(e, &SqlText::new(), node.span)
}

/// An engine error, located in the template that the SQL was rendered from.
pub(super) fn sql_error(e: &EngineError, sql: &SqlText, whole: Span) -> NodeError {
    let code = match e.kind {
        EngineErrorKind::Sql => Code::SqlError,
        EngineErrorKind::Connection => Code::Connection,
        EngineErrorKind::Locked => Code::Locked,
        EngineErrorKind::Unsupported => Code::Unsupported,
        EngineErrorKind::Runtime | EngineErrorKind::Cancelled | EngineErrorKind::Conflict => {
            Code::Runtime
        }
    };
    let found = e.position.and_then(|(at, len)| {
        // Engines report the start of a word; mark the whole word.
        let word = sql
            .as_str()
            .get(at..)?
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))
            .map(char::len_utf8)
            .sum();
        let len = len.max(word);
        Some((sql.locate(at, len)?, at, len))
    });
    let mut lines = e.message.lines();
    let mut d = Diagnostic::error(code, lines.next().unwrap_or("the statement failed").trim());
    // The first lines describe the error; advice of the engine follows.
    let rest: Vec<&str> = lines
        .take_while(|l| !l.starts_with("LINE "))
        .filter(|l| !l.trim().is_empty())
        .take(5)
        .collect();
    d = match found {
        Some((span, at, len)) => {
            let text: String = sql.as_str()[at..]
                .chars()
                .take(len.clamp(1, 40))
                .take_while(|c| *c != '\n')
                .collect();
            d.primary(span, format!("`{}` here", text.trim()))
        }
        None => d.primary(whole, "in this node"),
    };
    for line in rest {
        d = d.note(line.trim());
    }
    if let Some(hint) = &e.hint {
        d = d.help(hint);
    }
    d.names_missing = e.names_missing;
    NodeError {
        diagnostic: Box::new(d),
        transient: e.is_transient(),
        is_retryable_now: matches!(e.kind, EngineErrorKind::Connection | EngineErrorKind::Conflict),
    }
}
