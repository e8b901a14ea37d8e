//! dbt's markers of native values. A YAML text that ends in `| as_bool`, `| as_number` or `|
//! as_native` is converted as a Python literal; one that ends in `| as_text` stays a text. As in
//! dbt (documentation of `as_bool`; `quoted_native_concat`), the filter must apply to the whole
//! text, not to a part of it.

use super::expressions::{Token, TokenKind, tokenize_range};
use super::python::{Type, python_text, type_of};
use super::to_json;
use minijinja::value::Value;
use serde_json::Value as Json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Bool,
    Number,
    Native,
    Text,
}

/// Why a value cannot be converted to YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoNativeValue {
    #[error("`{expression}` is {what}")]
    Other { expression: String, what: &'static str },
    #[error("`{0}` is neither `True` nor `False`")]
    NoBool(String),
    #[error("`{0}` is not a number")]
    NoNumber(String),
    /// The value cannot be converted to text.
    #[error("{0}")]
    NoText(String),
}

/// The value of an expression as YAML, with a warning if there is one.
pub(crate) fn native_value(
    expression: &str,
    value: &Value,
) -> Result<(Json, Option<String>), NoNativeValue> {
    match no_value(value) {
        Some(what) => Err(NoNativeValue::Other { expression: expression.to_owned(), what }),
        None => marked_value(expression, value),
    }
}

/// Describes a value that neither YAML nor a config can contain; `None` if it can.
fn no_value(value: &Value) -> Option<&'static str> {
    match type_of(value) {
        Type::Undefined => Some("not defined"),
        Type::Set => Some("a set: make it a list"),
        Type::Iterator => Some("an iterator: make it a list"),
        _ => None,
    }
}

/// Like [`no_value`], but searches containers too, for configs.
pub(crate) fn no_config_value(value: &Value) -> Option<&'static str> {
    fn inside(value: &Value, depth: usize) -> Option<&'static str> {
        // Cyclic values are reported elsewhere; the depth is limited so that the search ends.
        no_value(value).or_else(|| match type_of(value) {
            Type::List | Type::Tuple if depth < 32 => {
                value.try_iter().ok()?.find_map(|v| inside(&v, depth + 1))
            }
            Type::Dict if depth < 32 => {
                let mut keys = value.try_iter().ok()?;
                keys.find_map(|key| inside(&value.get_item(&key).ok()?, depth + 1))
            }
            _ => None,
        })
    }
    inside(value, 0)
}

fn marked_value(expression: &str, value: &Value) -> Result<(Json, Option<String>), NoNativeValue> {
    let Some(marker) = Marker::of(expression) else { return Ok((to_json(value), None)) };
    match (marker, value.as_str()) {
        // dbt refuses YAML's `true` and `false` here. They are accepted with a warning, since their
        // meaning is clear.
        (Marker::Bool, Some(word @ ("true" | "false"))) => {
            let warning = format!(
                "`{expression}` gives `{word}`, which dbt takes as `True` and `False` only"
            );
            Ok((Json::Bool(word == "true"), Some(warning)))
        }
        _ => Ok((marker.convert(value)?, None)),
    }
}

impl Marker {
    /// The marker that is applied last to the whole expression, if any.
    fn of(expression: &str) -> Option<Marker> {
        let mut filters = outer_filters(expression)?;
        // The filter `string` does not change the effect of a marker before it.
        while filters.last() == Some(&"string") {
            filters.pop();
        }
        Some(match *filters.last()? {
            "as_bool" => Marker::Bool,
            "as_number" => Marker::Number,
            "as_native" => Marker::Native,
            "as_text" => Marker::Text,
            _ => return None,
        })
    }

    /// Converts a value as the marker demands.
    fn convert(self, value: &Value) -> Result<Json, NoNativeValue> {
        let text = if value.is_none() {
            "None".to_owned()
        } else {
            python_text(value).map_err(|e| NoNativeValue::NoText(e.to_string()))?
        };
        if self == Marker::Text {
            return Ok(Json::String(text));
        }
        let literal = python_literal(&text);
        match (self, literal) {
            (Marker::Bool, Some(Json::Bool(b))) => Ok(Json::Bool(b)),
            (Marker::Number, Some(Json::Number(n))) => Ok(Json::Number(n)),
            (Marker::Native, found) => Ok(found.unwrap_or(Json::String(text))),
            (Marker::Bool, _) => Err(NoNativeValue::NoBool(text)),
            (_, _) => Err(NoNativeValue::NoNumber(text)),
        }
    }
}

/// Whether an expression ends in a marker. If so it is not a constant, even if its operands are.
pub(crate) fn ends_in_marker(expression: &str) -> bool {
    Marker::of(expression).is_some()
}

/// The names of the filters that apply to the whole expression, first to last. `None` if an
/// operator binds looser than they do.
fn outer_filters(expression: &str) -> Option<Vec<&str>> {
    let all = tokenize_range(expression, 0, expression.len());
    let mut inner = &all[..];
    while is_in_parentheses(inner, expression) {
        inner = &inner[1..inner.len() - 1];
    }
    let mut depth = 0usize;
    let mut filters = Vec::new();
    let mut after_bar = false;
    for (i, token) in inner.iter().enumerate() {
        let text = word_of(expression, token);
        match (token.kind, text) {
            (TokenKind::Operator, "(" | "[" | "{") => depth += 1,
            (TokenKind::Operator, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            // A sign binds tighter than a filter, all other operators bind looser.
            (TokenKind::Operator, "-") if i == 0 => {}
            (TokenKind::Operator, "|" | "." | "," | ":") => {}
            (TokenKind::Operator, _)
            | (TokenKind::Name, "and" | "or" | "not" | "is" | "in" | "if" | "else") => return None,
            (TokenKind::Name, name) if after_bar => filters.push(name),
            _ => {}
        }
        after_bar = depth == 0 && text == "|";
    }
    Some(filters)
}

fn word_of<'t>(expression: &'t str, token: &Token) -> &'t str {
    &expression[token.start..token.end]
}

/// Whether the tokens are within one pair of parentheses.
fn is_in_parentheses(all: &[Token], expression: &str) -> bool {
    let [first, .., last] = all else { return false };
    if word_of(expression, first) != "(" || word_of(expression, last) != ")" {
        return false;
    }
    let mut depth = 0usize;
    for token in &all[..all.len() - 1] {
        match word_of(expression, token) {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    true
}

/// Parses a Python literal (`ast.literal_eval`): numbers, texts, `True`, `False`, `None`, and
/// lists, tuples and dicts of those. `None` if the text is not a literal.
fn python_literal(text: &str) -> Option<Json> {
    let text = text.trim();
    match text {
        "True" => return Some(Json::Bool(true)),
        "False" => return Some(Json::Bool(false)),
        "None" => return Some(Json::Null),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return number(text);
    }
    if !text.starts_with(['[', '{', '(', '\'', '"']) || !is_literal(text) {
        return None;
    }
    // Such literals are the same in Python and minijinja.
    let env = minijinja::Environment::empty();
    let value = env.compile_expression(text).ok()?.eval(()).ok()?;
    Some(to_json(&value))
}

/// Parses a number in Python's syntax, which has no leading zeros.
fn number(text: &str) -> Option<Json> {
    let plain = text.replace('_', "");
    let digits = plain.trim_start_matches(['-', '+']);
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let padded =
            digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|b| b != b'0');
        return if padded {
            None
        } else {
            plain.trim_start_matches('+').parse().ok().map(Json::Number)
        };
    }
    if !digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    plain.parse::<f64>().ok().map(Json::from)
}

/// Whether a text has no names except the three constants, and no operators except signs.
fn is_literal(text: &str) -> bool {
    tokenize_range(text, 0, text.len()).iter().all(|token| {
        match (token.kind, &text[token.start..token.end]) {
            (TokenKind::Text | TokenKind::Number, _) => true,
            (TokenKind::Name, word) => matches!(word, "True" | "False" | "None"),
            (TokenKind::Operator, sign) => {
                matches!(sign, "[" | "]" | "{" | "}" | "(" | ")" | "," | ":" | "." | "-" | "+")
            }
            (TokenKind::Blank, _) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_filter_decides() {
        assert_eq!(Marker::of("var('x') | as_bool"), Some(Marker::Bool));
        assert_eq!(Marker::of("(env_var('X', '1') | as_number)"), Some(Marker::Number));
        assert_eq!(Marker::of("'5' | as_number | string"), Some(Marker::Number));
        assert_eq!(Marker::of("target.name == 'dev' | as_bool"), None);
        assert_eq!(Marker::of("(target.name == 'dev') | as_bool"), Some(Marker::Bool));
        assert_eq!(Marker::of("'a | as_bool'"), None);
        assert_eq!(Marker::of("x | as_bool | length"), None);
    }

    #[test]
    fn literals_are_pythons() {
        let of = |marker: Marker, text: &str| marker.convert(&Value::from(text));
        assert_eq!(of(Marker::Bool, "True"), Ok(Json::Bool(true)));
        assert!(of(Marker::Bool, "1").is_err() && of(Marker::Number, "007").is_err());
        assert_eq!(of(Marker::Number, "1e3"), Ok(Json::from(1000.0)));
        assert_eq!(
            of(Marker::Native, "{'a': [1, None]}"),
            Ok(serde_json::json!({ "a": [1, null] }))
        );
        assert_eq!(of(Marker::Native, "target"), Ok(Json::from("target")));
        assert_eq!(of(Marker::Native, "true"), Ok(Json::from("true")));
    }
}
