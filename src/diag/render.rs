//! Renders diagnostics: with source lines for people, on one line for pipes, and as JSON.

use super::{Diagnostic, Label, Severity};
use crate::source::{SourceMap, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// Renders a diagnostic with its source lines, in the style of rustc. Ends without a newline.
pub(crate) fn render_diagnostic(d: &Diagnostic, files: &SourceMap, colours: bool) -> String {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(d.message.as_str()).id(d.code.as_str());
    let labels: Vec<(&Label, AnnotationKind)> =
        (d.primary.iter().map(|l| (l, AnnotationKind::Primary)))
            .chain(d.secondary.iter().map(|l| (l, AnnotationKind::Context)))
            .collect();
    let mut group = Group::with_title(title);
    let mut done = Vec::new();
    for (label, _) in &labels {
        let file = label.span.file;
        if done.contains(&file) {
            continue;
        }
        done.push(file);
        let text = files.text(file);
        if text.is_empty() {
            // A file without text in the map, such as a seed: only its path is shown.
            group = group.element(Origin::path(files.path(file).as_str()));
            continue;
        }
        if files.is_private(file) {
            let at = files.line_col(file, label.span.start);
            let origin = Origin::path(files.path(file).as_str()).line(at.line);
            group = group.element(origin.char_column(at.column));
            continue;
        }
        let here = labels.iter().filter(|(l, _)| l.span.file == file);
        let annotations =
            here.map(|(l, kind)| kind.span(visible(text, l.span)).label(l.text.as_str()));
        group = group.element(
            Snippet::source(&**text)
                .path(files.path(file).as_str())
                .fold(true)
                .annotations(annotations),
        );
    }
    for note in &d.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    for help in &d.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The range of a span, limited to the text and moved to character boundaries.
fn visible(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = floor_to_char(text, span.start as usize);
    start..floor_to_char(text, span.end as usize).max(start)
}

/// The last character boundary at or before a byte.
fn floor_to_char(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `path:line:column: error[E2001]: message`.
pub(crate) fn one_line(d: &Diagnostic, files: &SourceMap) -> String {
    let severity = severity(d);
    let at = d.primary.as_ref().map(|l| format!("{}: ", place(l.span, files))).unwrap_or_default();
    format!("{at}{severity}[{}]: {}", d.code, d.message.replace('\n', " "))
}

/// The `path:line:column` of a span's start.
fn place(span: Span, files: &SourceMap) -> String {
    let at = files.line_col(span.file, span.start);
    format!("{}:{}:{}", files.path(span.file), at.line, at.column)
}

fn severity(d: &Diagnostic) -> &'static str {
    match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// `{code, severity, message, path, line, column, end_line, end_column, label, related, notes,
/// help}`.
pub(crate) fn diagnostic_json(d: &Diagnostic, files: &SourceMap) -> serde_json::Value {
    let related: Vec<serde_json::Value> =
        d.secondary.iter().map(|label| label_json(label, files)).collect();
    let mut out = serde_json::json!({
        "code": d.code.as_str(), "severity": severity(d), "message": d.message,
        "related": related, "notes": d.notes, "help": d.help,
    });
    if let (Some(label), Some(map)) = (&d.primary, out.as_object_mut())
        && let serde_json::Value::Object(place) = label_json(label, files)
    {
        map.extend(place);
    }
    out
}

fn label_json(label: &Label, files: &SourceMap) -> serde_json::Value {
    let span = label.span;
    let (start, end) = (files.line_col(span.file, span.start), files.line_col(span.file, span.end));
    serde_json::json!({
        "path": files.path(span.file).as_str(), "line": start.line, "column": start.column,
        "end_line": end.line, "end_column": end.column, "label": label.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Code;

    fn sample() -> (Diagnostic, SourceMap) {
        let mut files = SourceMap::default();
        let file = files.add("models/b.sql".into(), "select *\nfrom {{ ref('ordres') }}\n".into());
        let d = Diagnostic::error(Code::UnknownRef, "model `ordres` not found")
            .primary(Span::new(file, 17, 30), "referenced here")
            .help("a model named `orders` exists");
        (d, files)
    }

    #[test]
    fn renderings() {
        let (d, files) = sample();
        assert_eq!(
            one_line(&d, &files),
            "models/b.sql:2:9: error[E2001]: model `ordres` not found"
        );
        insta::assert_snapshot!(render_diagnostic(&d, &files, false), @r"
        error[E2001]: model `ordres` not found
         --> models/b.sql:2:9
          |
        2 | from {{ ref('ordres') }}
          |         ^^^^^^^^^^^^^ referenced here
          |
          = help: a model named `orders` exists
        ");
        assert_eq!(diagnostic_json(&d, &files)["line"], 2);
    }
}
