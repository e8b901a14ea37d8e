//! Finds the variables that a template reads, without rendering it.
//!
//! In: a template's text, as it was written. Out: its calls of `var` and `env_var`. Must not know:
//! values.

use super::expressions::is_word_char;

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

fn leading_quoted(text: &str, quote: char) -> Option<String> {
    text.strip_prefix(quote)?.split_once(quote).map(|(inside, _)| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
