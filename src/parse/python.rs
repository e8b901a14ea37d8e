//! Python models. Their references are read from their text, so that they are part of the graph.
//! They cannot be run: building one fails.

use crate::config::Json;
use crate::manifest::{RefCall, SourceCall};
use crate::source::{FileId, Span};

/// The calls `dbt.ref(...)`, `dbt.source(...)` and `dbt.config(...)` in a text.
#[derive(Debug, Default)]
pub(super) struct PythonCalls {
    pub(super) refs: Vec<RefCall>,
    pub(super) sources: Vec<SourceCall>,
    pub(super) config: Vec<(String, Json, Option<Span>)>,
}

pub(super) fn parse_calls(file: FileId, text: &str) -> PythonCalls {
    let mut out = PythonCalls::default();
    for (at, _) in text.match_indices("dbt.") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
            || in_comment(text, at)
        {
            continue;
        }
        let rest = &text[at + 4..];
        let Some(open) = rest.find('(') else { continue };
        let name = rest[..open].trim();
        let args = arguments(&rest[open + 1..]);
        let span = Some(Span::new(file, at, at + 4 + open));
        let positional: Vec<&String> =
            args.iter().filter(|(k, _)| k.is_none()).filter_map(|(_, v)| v.as_ref()).collect();
        match (name, positional.as_slice()) {
            ("ref", [name]) => out.refs.push(RefCall {
                package: None,
                name: name.as_str().into(),
                version: version_argument(&args).map(Into::into),
                span,
            }),
            ("ref", [package, name]) => out.refs.push(RefCall {
                package: Some(package.as_str().into()),
                name: name.as_str().into(),
                version: version_argument(&args).map(Into::into),
                span,
            }),
            ("source", [source, table]) => {
                out.sources.push(SourceCall {
                    source: source.as_str().into(),
                    table: table.as_str().into(),
                    span,
                });
            }
            ("config", _) => {
                for (key, value) in &args {
                    if let (Some(key), Some(value)) = (key, value) {
                        let value = match value.as_str() {
                            "True" => Json::Bool(true),
                            "False" => Json::Bool(false),
                            text => Json::from(text),
                        };
                        out.config.push((key.clone(), value, span));
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// The literal of `v=` or `version=`.
fn version_argument(args: &[(Option<String>, Option<String>)]) -> Option<String> {
    named_argument(args, "v").or_else(|| named_argument(args, "version"))
}

fn named_argument(args: &[(Option<String>, Option<String>)], name: &str) -> Option<String> {
    args.iter().find(|(k, _)| k.as_deref() == Some(name)).and_then(|(_, v)| v.clone())
}

fn in_comment(text: &str, at: usize) -> bool {
    let line = text[..at].rfind('\n').map_or(0, |i| i + 1);
    text[line..at].contains('#')
}

/// The arguments up to the closing parenthesis as (keyword, literal). The literal is `None` for
/// other expressions.
fn arguments(text: &str) -> Vec<(Option<String>, Option<String>)> {
    let mut out = Vec::new();
    let (mut depth, mut start, mut quote) = (0, 0, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')') if depth == 0 => {
                out.extend(argument(&text[start..i]));
                break;
            }
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                out.extend(argument(&text[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    out
}

fn argument(text: &str) -> Option<(Option<String>, Option<String>)> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let (key, value) = match text.split_once('=') {
        Some((k, v)) if k.trim().chars().all(|c| c.is_alphanumeric() || c == '_') => {
            (Some(k.trim().to_owned()), v.trim())
        }
        _ => (None, text),
    };
    let quoted = value.strip_prefix(['\'', '"']).and_then(|v| v.strip_suffix(['\'', '"']));
    let plain =
        (matches!(value, "True" | "False") || value.parse::<f64>().is_ok()).then_some(value);
    Some((key, quoted.or(plain).map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let text = "def model(dbt, s):\n    dbt.config(materialized='table', packages=['x'])\n    # dbt.ref('no')\n    a = dbt.ref(\"m\", v=2)\n    b = dbt.source('s', 't')\n";
        let found = parse_calls(FileId(0), text);
        assert_eq!(found.refs.len(), 1);
        assert_eq!((&*found.refs[0].name, found.refs[0].version.as_deref()), ("m", Some("2")));
        assert_eq!(found.sources.len(), 1);
        assert_eq!(found.config[0].0, "materialized");
    }
}
