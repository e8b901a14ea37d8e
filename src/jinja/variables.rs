//! Finds the variables that a template reads, without rendering it.
//!
//! In: a template's text, as it was written. Out: its calls of `var` and `env_var`. Must not know:
//! values.

use super::blocks::{Segment, split_segments};
use super::expressions::is_word_char;
use super::prepass::string_end;

/// A call of `var` or `env_var`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VariableCall {
    pub(crate) is_env: bool,
    /// `None` if the name is not a literal.
    pub(crate) name: Option<String>,
}

pub(crate) fn variable_calls(text: &str) -> Vec<VariableCall> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("var") {
        let start = text[..at]
            .char_indices()
            .rfind(|(_, c)| !is_word_char(*c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        let function = &text[start..at + 3];
        let rest = text[at + 3..].trim_start();
        let Some(rest) = rest.strip_prefix('(').filter(|_| matches!(function, "var" | "env_var"))
        else {
            continue;
        };
        let rest = rest.trim_start();
        let name = leading_quoted(rest, '\'').or_else(|| leading_quoted(rest, '"'));
        out.push(VariableCall { is_env: function == "env_var", name });
    }
    out
}

/// Whether the Jinja of a template names a variable, other than as a part of a string.
pub(crate) fn names_variable(text: &str, name: &str) -> bool {
    split_segments(text, 0, text.len()).into_iter().any(|segment| match segment {
        Segment::Print(start, end) | Segment::Tag(start, end) => has_word(&text[start..end], name),
        Segment::Text | Segment::Comment => false,
    })
}

/// Whether an expression has a word that is neither in a string nor behind a dot.
fn has_word(expression: &str, word: &str) -> bool {
    let bytes = expression.as_bytes();
    let (mut at, mut before) = (0, ' ');
    while let Some(c) = expression.get(at..).and_then(|rest| rest.chars().next()) {
        if matches!(c, '\'' | '"') {
            at = string_end(bytes, at);
            before = c;
            continue;
        }
        let is_start = !is_word_char(before) && before != '.';
        if is_start && expression[at..].starts_with(word) {
            let after = expression[at + word.len()..].chars().next();
            if !after.is_some_and(is_word_char) {
                return true;
            }
        }
        before = c;
        at += c.len_utf8();
    }
    false
}

fn leading_quoted(text: &str, quote: char) -> Option<String> {
    text.strip_prefix(quote)?.split_once(quote).map(|(inside, _)| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_texts() {
        for text in ["select {{ this }}", "{% if this.name %}{% endif %}", "{{ f('é', x=this) }}"]
        {
            assert!(names_variable(text, "this"), "{text}");
        }
        for text in [
            "select this",
            "{{ a.this }} {# {{ this }} #}",
            "{{ is_incremental() }} {{ this_one }} {{ not_this }}",
            "{{ config(post_hook=\"insert into {{ this }} select 'this'\") }}",
        ] {
            assert!(!names_variable(text, "this"), "{text}");
        }
    }

    #[test]
    fn calls_in_texts() {
        let text = "{{ var('a', 1) }} {{ var ( \"b\" ) }} {{ env_var('C') }} {{ my_var('d') }} {{ var(name) }} variant";
        let found = variable_calls(text);
        let found: Vec<(bool, Option<&str>)> =
            found.iter().map(|c| (c.is_env, c.name.as_deref())).collect();
        assert_eq!(
            found,
            [(false, Some("a")), (false, Some("b")), (true, Some("C")), (false, None)]
        );
    }
}
