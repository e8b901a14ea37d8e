//! The types of YAML texts: a text that is a single expression keeps the expression's type.

use super::blocks::{Segment, split_segments, tag_tail};

/// How a YAML text is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NativeForm<'a> {
    /// A text without Jinja, which stays as it is.
    Plain,
    /// A single expression, which is replaced by its value.
    Expression(&'a str),
    /// A template, which renders to text.
    Template,
}

pub(crate) fn native_shape(text: &str) -> NativeForm<'_> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return NativeForm::Plain;
    }
    let mut parts = split_segments(text, 0, text.len());
    parts.retain(|part| !matches!(part, Segment::Comment));
    match parts.as_slice() {
        [Segment::Print(start, end)] if text[..*end].ends_with("}}") => {
            let tail = tag_tail(text, *start, *end);
            let inner = text[start + 2..tail].trim_start_matches(['-', '+']);
            NativeForm::Expression(inner.trim())
        }
        _ => NativeForm::Template,
    }
}

/// Whether an expression consists only of literals, operators and filters, without names and calls.
pub(crate) fn is_constant(expression: &str) -> bool {
    const WORDS: &[&str] = &[
        "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if",
        "else",
    ];
    let bytes = expression.as_bytes();
    let (mut i, mut before) = (0, b' ');
    // The name of a test follows `is`, where no other name may be.
    let mut after_is = false;
    while i < bytes.len() {
        let b = bytes[i];
        if matches!(b, b'\'' | b'"') {
            i = super::prepass::string_end(bytes, i);
            before = b'"';
            continue;
        }
        if b.is_ascii_alphabetic() || b == b'_' || !b.is_ascii() {
            let end = bytes[i..]
                .iter()
                .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_' || !b.is_ascii()));
            let end = end.map_or(bytes.len(), |n| i + n);
            let word = &expression[i..end];
            let called = expression[end..].trim_start().starts_with('(');
            let known = match before {
                // An exponent of a number, or a filter. Markers such as `as_bool` are not constant.
                b'0'..=b'9' => true,
                b'|' => !word.starts_with("as_"),
                b'.' => !called,
                _ => WORDS.contains(&word) || after_is && !called,
            };
            after_is = word == "is" || after_is && word == "not";
            if !known {
                return false;
            }
            (i, before) = (end, b'a');
            continue;
        }
        if !b.is_ascii_whitespace() {
            before = b;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants() {
        for text in [
            "1 + 1",
            "true",
            "'a,b' | upper",
            "[1, 2][0]",
            "{'a': 1}.a",
            "1e5",
            "'a' if true else none",
            "1 is odd",
            "2 is not odd",
        ] {
            assert!(is_constant(text), "{text}");
        }
        for text in ["x", "range(3)", "'a,b'.split(',')", "var('n')", "1 + x", "'5' | as_number"] {
            assert!(!is_constant(text), "{text}");
        }
    }

    #[test]
    fn shapes() {
        assert_eq!(native_shape("a"), NativeForm::Plain);
        assert_eq!(native_shape("{{ var('x') }}"), NativeForm::Expression("var('x')"));
        assert_eq!(native_shape("{{- 1 -}}"), NativeForm::Expression("1"));
        assert_eq!(native_shape("{# why #}{{ x }}"), NativeForm::Expression("x"));
        assert_eq!(native_shape("{{ a }}_{{ b }}"), NativeForm::Template);
        assert_eq!(native_shape(" {{ a }}"), NativeForm::Template);
    }
}
