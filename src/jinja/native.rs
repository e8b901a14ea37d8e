//! Values of YAML texts: a text that is one single expression keeps the expression's type.

use super::blocks::{Segment, segments, tag_tail};

/// How a YAML text renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Native<'a> {
    /// No Jinja: the text itself.
    Plain,
    /// One expression and nothing else: its value.
    Expression(&'a str),
    /// A template: its text.
    Template,
}

/// Tells which of the three a text is.
pub(crate) fn native_shape(text: &str) -> Native<'_> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Native::Plain;
    }
    let parts = segments(text, 0, text.len());
    match parts.as_slice() {
        [Segment::Print(start, end)] if text[..*end].ends_with("}}") => {
            let tail = tag_tail(text, *start, *end);
            let inner = text[start + 2..tail].trim_start_matches(['-', '+']);
            Native::Expression(inner.trim())
        }
        _ => Native::Template,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        assert_eq!(native_shape("a"), Native::Plain);
        assert_eq!(native_shape("{{ var('x') }}"), Native::Expression("var('x')"));
        assert_eq!(native_shape("{{- 1 -}}"), Native::Expression("1"));
        assert_eq!(native_shape("{{ a }}_{{ b }}"), Native::Template);
        assert_eq!(native_shape(" {{ a }}"), Native::Template);
    }
}
