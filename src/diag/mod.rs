//! Errors and warnings about the user's files, as data.
//!
//! In: what a pass found. Out: `Diagnostic` values with a stable code, a message that stands alone
//! on one line, labels with spans and the next step; and their renderings. Must not know: who found
//! it, or where it is printed.

mod code;
mod dbt_event;
mod render;
mod warnings;

pub(crate) use code::{Code, explain_code};
pub(crate) use dbt_event::DbtEvent;
pub(crate) use render::{diagnostic_json, one_line, render_diagnostic};
pub(crate) use warnings::{WarningLevel, WarningOptions};

use crate::source::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Severity {
    Warning,
    Error,
}

/// A span with a text about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Label {
    pub(crate) span: Span,
    pub(crate) text: String,
}

/// An error or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Diagnostic {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) primary: Option<Label>,
    pub(crate) secondary: Vec<Label>,
    pub(crate) notes: Vec<String>,
    pub(crate) help: Vec<String>,
    /// Whether it reports a missing relation, which may exist by the time of the build.
    pub(crate) names_missing: bool,
    /// What dbt calls the warning; `None` for an error, and if dbt does not warn of it.
    pub(crate) event: Option<DbtEvent>,
}

impl Diagnostic {
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, message.into())
    }

    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, message.into())
    }

    /// A warning that dbt has, too, by the name of its event.
    pub(crate) fn dbt_warning(
        code: Code,
        event: DbtEvent,
        message: impl Into<String>,
    ) -> Diagnostic {
        let mut warning = Diagnostic::warning(code, message);
        warning.event = Some(event);
        warning
    }

    fn new(severity: Severity, code: Code, message: String) -> Diagnostic {
        Diagnostic {
            code,
            severity,
            message,
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            names_missing: false,
            event: None,
        }
    }

    /// Sets the main location, unless there is one: the first caller knows it best.
    pub(crate) fn primary(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        if self.primary.is_none() {
            self.primary = Some(Label { span, text: text.into() });
        }
        self
    }

    pub(crate) fn primary_if(self, span: Option<Span>, text: impl Into<String>) -> Diagnostic {
        match span {
            Some(span) => self.primary(span, text),
            None => self,
        }
    }

    pub(crate) fn secondary(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    pub(crate) fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    pub(crate) fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Adds a help line made from a value, if there is one.
    pub(crate) fn help_if<T>(self, value: Option<T>, text: impl FnOnce(T) -> String) -> Diagnostic {
        match value {
            Some(value) => self.help(text(value)),
            None => self,
        }
    }

    /// Suggests the nearest existing name, if there is one.
    pub(crate) fn did_you_mean(self, near: Option<impl fmt::Display>) -> Diagnostic {
        self.help_if(near, |name| format!("did you mean `{name}`?"))
    }

    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A value with the diagnostics of the pass that made it. After errors it is the best value
/// possible.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked<T> {
    pub(crate) value: T,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<T> Checked<T> {
    pub(crate) fn new(value: T, diagnostics: Vec<Diagnostic>) -> Checked<T> {
        Checked { value, diagnostics }
    }

    /// Moves the diagnostics to `sink` and returns the value.
    pub(crate) fn drain_into(self, sink: &mut Vec<Diagnostic>) -> T {
        sink.extend(self.diagnostics);
        self.value
    }
}

impl<T> From<T> for Checked<T> {
    fn from(value: T) -> Checked<T> {
        Checked { value, diagnostics: Vec::new() }
    }
}

/// The name that is most similar to `name`; `None` if no name is close enough.
pub(crate) fn nearest_name<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    names
        .into_iter()
        .filter(|n| *n != name)
        .map(|n| (strsim::damerau_levenshtein(&wanted, &n.to_lowercase()), n))
        .filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, n)| n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_wants_likeness() {
        assert_eq!(nearest_name("ordres", ["orders", "customers"]), Some("orders"));
        assert_eq!(nearest_name("x", ["orders"]), None);
        assert_eq!(nearest_name("materialised", ["materialized", "meta"]), Some("materialized"));
    }
}
