//! `{% docs name %}` blocks: found textually, then rendered with an empty context and stripped
//! (semantics 1.5).

use super::DocBlock;
use super::nodes::NodeParser;
use crate::diag::{Checked, Code, Diagnostic};
use crate::jinja::{BlockKind, find_blocks};
use crate::load::LoadedFile;
use crate::source::Span;
use std::sync::Arc;

pub(super) fn parse_docs(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
) -> Checked<Vec<DocBlock>> {
    let (mut blocks, mut out) = (Vec::new(), Vec::new());
    let id = file.file;
    let text = parser.map.text(id).clone();
    for block in find_blocks(&text, &[BlockKind::Docs]) {
        let span = Span::new(id, block.start, block.body.0);
        if block.unclosed {
            out.push(
                Diagnostic::error(
                    Code::JinjaSyntax,
                    format!("the block `{}` is never closed", block.name),
                )
                .primary(span, "opened here"),
            );
            continue;
        }
        let body = &text[block.body.0..block.body.1];
        let rendered = if body.contains("{{") || body.contains("{%") || body.contains("{#") {
            render_alone(body)
        } else {
            body.to_owned()
        };
        blocks.push(DocBlock {
            package: package.clone(),
            name: block.name.clone(),
            path: file.path.clone(),
            original_file_path: file.original_file_path.clone(),
            text: rendered.trim().to_owned(),
            span,
        });
    }
    Checked::new(blocks, out)
}

/// Renders a text without any names. Text that cannot be rendered is returned unchanged.
fn render_alone(body: &str) -> String {
    minijinja::Environment::new().render_str(body, ()).unwrap_or_else(|_| body.to_owned())
}
