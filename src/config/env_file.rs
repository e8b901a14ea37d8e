//! Parses `.env` files.
//!
//! As python-dotenv reads them, which dbt 1.12 uses: blanks around `=` are allowed, a value without
//! quotes ends before ` #`, `${NAME}` and `${NAME:-otherwise}` are replaced wherever they stand, and
//! a bare `$` stays what it is. The crates made for this format replace `$NAME` too, which would
//! change passwords in silence.

use std::collections::BTreeMap;

/// The variables of a file, and the lines (from 1) at which a statement begins that cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct EnvFile {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) unread: Vec<usize>,
}

/// Parses a file. `outer` tells the variables of the environment, which replace those of the file.
/// A name without `=` sets nothing.
pub(crate) fn parse_env_file(text: &str, outer: &dyn Fn(&str) -> Option<String>) -> EnvFile {
    let mut file = EnvFile::default();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while !rest.is_empty() {
        match split_statement(rest) {
            Some((statement, after)) => {
                if let Some((name, value)) = statement {
                    let value = replace_references(&value, outer, &file.variables);
                    file.variables.insert(name, value);
                }
                rest = after;
            }
            None => {
                file.unread.push(line_of(text, rest));
                rest = &rest[end_of_line(rest)..];
            }
        }
        rest = rest.trim_start();
    }
    file
}

/// The line on which `rest`, the end of `text`, begins.
fn line_of(text: &str, rest: &str) -> usize {
    let before = &text[..text.len() - rest.len()];
    before.matches('\n').count() + 1
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() && !is_line_end(c)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

fn end_of_line(text: &str) -> usize {
    text.find(is_line_end).unwrap_or(text.len())
}

/// A name with its value; `None` for a comment and for a name alone.
type Statement = Option<(String, String)>;

/// The statement at the beginning of a text, and what follows it. `None` if it cannot be read.
fn split_statement(text: &str) -> Option<(Statement, &str)> {
    let text = match text.strip_prefix("export") {
        Some(after) if after.starts_with(is_blank) => skip_blanks(after),
        _ => text,
    };
    if text.starts_with('#') {
        return Some((None, end_statement(text)?));
    }
    let (name, after) = split_name(text)?;
    let after = skip_blanks(after);
    match after.strip_prefix('=') {
        Some(after) => {
            let (value, after) = split_value(after)?;
            Some((Some((name.to_owned(), value)), end_statement(after)?))
        }
        None => Some((None, end_statement(after)?)),
    }
}

fn split_name(text: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return quoted.split_once('\'').filter(|(name, _)| !name.is_empty());
    }
    let end =
        text.find(|c: char| matches!(c, '=' | '#') || c.is_whitespace()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The value that follows `=`, and what follows it.
fn split_value(text: &str) -> Option<(String, &str)> {
    let quoted = skip_blanks(text);
    match quoted.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (raw, after) = split_quoted(&quoted[1..], quote)?;
            let value = if quote == '"' { unescape_double(raw) } else { unescape_single(raw) };
            Some((value, after))
        }
        _ => {
            let (raw, after) = text.split_at(end_of_line(text));
            Some((without_comment(raw).trim().to_owned(), after))
        }
    }
}

/// The text up to the closing quote, and what follows it. A backslash takes the character behind it
/// with it.
fn split_quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A value without quotes up to a `#` that follows a blank.
fn without_comment(value: &str) -> &str {
    let hashes = value.match_indices('#').map(|(at, _)| at);
    let mut comments = hashes.filter(|at| value[..*at].ends_with(char::is_whitespace));
    comments.next().map_or(value, |at| &value[..at])
}

fn unescape_single(raw: &str) -> String {
    unescape(raw, |c| matches!(c, '\\' | '\'').then_some(c))
}

fn unescape_double(raw: &str) -> String {
    unescape(raw, |c| match c {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' | '\'' | '"' => Some(c),
        _ => None,
    })
}

/// Replaces a backslash and the character behind it by what they stand for, if they do.
fn unescape(raw: &str, meaning: impl Fn(char) -> Option<char>) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let meant = if c == '\\' { chars.peek().copied().and_then(&meaning) } else { None };
        if meant.is_some() {
            chars.next();
        }
        out.push(meant.unwrap_or(c));
    }
    out
}

/// What follows a statement, which only blanks and a comment may do on its line.
fn end_statement(text: &str) -> Option<&str> {
    let after = skip_blanks(text);
    let after = if after.starts_with('#') { &after[end_of_line(after)..] } else { after };
    let after = skip_blanks(after);
    (after.is_empty() || after.starts_with(is_line_end)).then_some(after)
}

/// Replaces `${NAME}` and `${NAME:-otherwise}`.
fn replace_references(
    value: &str,
    outer: &dyn Fn(&str) -> Option<String>,
    known: &BTreeMap<String, String>,
) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        match split_reference(&rest[at + 2..]) {
            Some((name, otherwise, after)) => {
                let found = outer(name).or_else(|| known.get(name).cloned());
                out.push_str(found.as_deref().unwrap_or(otherwise));
                rest = after;
            }
            None => {
                out.push_str("${");
                rest = &rest[at + 2..];
            }
        }
    }
    out + rest
}

/// The name, the text for a variable that is not set, and what follows `}`.
fn split_reference(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_at(text.find(['}', ':'])?);
    if let Some(after) = after.strip_prefix('}') {
        return Some((name, "", after));
    }
    let (otherwise, after) = after.strip_prefix(":-")?.split_once('}')?;
    Some((name, otherwise, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What python-dotenv made of texts, with `OUTER=shell` in its environment.
    const ANSWERS: &str = include_str!("../../tests/dbt/env-files.json");

    #[derive(serde::Deserialize)]
    struct Answer {
        text: String,
        variables: BTreeMap<String, String>,
        unread: Vec<usize>,
    }

    #[test]
    fn files_are_read_as_python_dotenv_does() {
        let answers: Vec<Answer> = serde_json::from_str(ANSWERS).unwrap();
        assert!(answers.len() > 40);
        let outer = |name: &str| (name == "OUTER").then(|| "shell".to_owned());
        for answer in answers {
            let wanted = EnvFile { variables: answer.variables, unread: answer.unread };
            assert_eq!(parse_env_file(&answer.text, &outer), wanted, "{:?}", answer.text);
        }
    }
}
