//! Filters, tests and functions of Jinja2 and dbt that minijinja does not have, or has otherwise.

use super::runtime::{Args, error};
use super::values::{dict, from_json, list, pairs_of, to_json};
use crate::config::python_str;
use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_filter("list", |v: Value| -> Result<Value, Error> { Ok(list(v.try_iter()?.collect())) });
    env.add_filter("__fmt", percent_format);
    env.add_filter("wordcount", |v: Value| v.to_string().split_whitespace().count());
    env.add_filter("truncate", truncate);
    env.add_function("cycler", minijinja_contrib::globals::cycler);
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    for (name, method) in [("__add", "__add__"), ("__sub", "__sub__")] {
        env.add_filter(name, move |state: &mut minijinja::State<'_, '_>, left: Value, right: Value| {
            left.call_method(state, method, &[right])
        });
    }
    env.add_filter("format", |text: Value, args: Rest<Value>| {
        percent_format(text, minijinja::value::Tuple::from(args.0).into())
    });
    env.add_filter("tojson", |v: Value| python_json(&sorted(to_json(&v)), true));
    env.add_filter("as_text", |v: Value| v.to_string());
    env.add_filter("as_native", as_native);
    env.add_filter("as_bool", |v: Value| match as_native(v.clone()) {
        b if b.kind() == ValueKind::Bool => Ok(b),
        _ => Err(error(format!("cannot convert {v:?} to a bool"))),
    });
    env.add_filter("as_number", |v: Value| match as_native(v.clone()) {
        n if n.kind() == ValueKind::Number => Ok(n),
        _ => Err(error(format!("cannot convert {v:?} to a number"))),
    });
    env.add_filter("is_list", |v: Value| v.kind() == ValueKind::Seq);
    env.add_filter("forceescape", |v: Value| minijinja::HtmlEscape(&v.to_string()).to_string());
    env.add_test("callable", |v: Value| v.as_object().is_some_and(|o| o.repr() == minijinja::value::ObjectRepr::Plain));
    env.add_function("dict", |args: Rest<minijinja::value::ValueOrKwargs>| -> Result<Value, Error> {
        let values: Vec<Value> = args.0.into_iter().map(minijinja::value::ValueOrKwargs::into_value).collect();
        let args = Args::parse(&values)?;
        let mut pairs = Vec::new();
        for source in &args.positional {
            pairs.extend(pairs_of(source)?);
        }
        pairs.extend(args.named.into_iter().map(|(k, v)| (Value::from(k), v)));
        Ok(dict(pairs))
    });
    env.add_function("list", |v: Option<Value>| -> Result<Value, Error> {
        Ok(list(v.map(|v| v.try_iter().map(Iterator::collect)).transpose()?.unwrap_or_default()))
    });
}

/// Jinja2's `truncate(length=255, killwords=false, end='...', leeway=5)`.
fn truncate(text: Value, args: Rest<minijinja::value::ValueOrKwargs>) -> Result<String, Error> {
    let values: Vec<Value> = args.0.into_iter().map(minijinja::value::ValueOrKwargs::into_value).collect();
    let args = Args::parse(&values)?;
    let number = |i: usize, key: &str, default: usize| args.get(i, key).and_then(Value::as_usize).unwrap_or(default);
    let (length, leeway) = (number(0, "length", 255), number(3, "leeway", 5));
    let end = args.get(2, "end").map_or_else(|| "...".to_owned(), Value::to_string);
    let text = text.to_string();
    if text.chars().count() <= length + leeway {
        return Ok(text);
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if args.flag(1, "killwords", false) {
        cut.as_str()
    } else {
        cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head)
    };
    Ok(format!("{kept}{end}"))
}

/// Text that is a Python literal becomes its value (`ast.literal_eval`); anything else stays.
fn as_native(value: Value) -> Value {
    let Some(text) = value.as_str() else { return value };
    match text.trim() {
        "True" | "true" => Value::from(true),
        "False" | "false" => Value::from(false),
        "None" => Value::from(()),
        trimmed => {
            if let Ok(i) = trimmed.parse::<i64>() {
                return Value::from(i);
            }
            let numeric = trimmed.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
            if let (true, Ok(f)) = (numeric, trimmed.parse::<f64>()) {
                return Value::from(f);
            }
            let quoted = trimmed.len() > 1
                && ((trimmed.starts_with('\'') && trimmed.ends_with('\''))
                    || (trimmed.starts_with('"') && trimmed.ends_with('"')));
            if quoted {
                return Value::from(&trimmed[1..trimmed.len() - 1]);
            }
            match serde_json::from_str::<serde_json::Value>(&trimmed.replace('\'', "\"")) {
                Ok(json) if json.is_array() || json.is_object() => from_json(&json),
                _ => value.clone(),
            }
        }
    }
}

/// `json.dumps` of Python: `", "` and `": "` between, other characters than ASCII escaped; `html` escapes as Jinja's
/// `tojson` filter does.
pub(crate) fn python_json(value: &serde_json::Value, html: bool) -> String {
    let mut out = String::new();
    write_json(value, html, &mut out);
    out
}

fn write_json(value: &serde_json::Value, html: bool, out: &mut String) {
    use serde_json::Value as Json;
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Json::Number(_) => out.push_str(&python_str(value)),
        Json::String(s) => write_string(s, html, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_json(item, html, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            for (i, (k, v)) in map.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_string(k, html, out);
                out.push_str(": ");
                write_json(v, html, out);
            }
            out.push('}');
        }
    }
}

fn write_string(s: &str, html: bool, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\'' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// The same JSON with the keys of every object in order.
pub(crate) fn sorted(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
        Json::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(pairs.into_iter().collect())
        }
        other => other,
    }
}

/// Python's `text % args`: `%s %r %d %i %f %e %g %x %o %c %%`, flags, width, precision and `%(name)s`.
fn percent_format(text: Value, args: Value) -> Result<Value, Error> {
    let text = text.to_string();
    let positional: Vec<Value> = if args.is_tuple() { args.try_iter()?.collect() } else { vec![args.clone()] };
    let mut next = positional.into_iter();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let named = rest.strip_prefix('(').and_then(|r| r.split_once(')'));
        if let Some((_, after)) = named {
            rest = after;
        }
        let spec_len =
            rest.find(|c: char| c.is_ascii_alphabetic() || c == '%').ok_or_else(|| error("incomplete format"))?;
        let (spec, kind) = (&rest[..spec_len], rest[spec_len..].chars().next().unwrap_or('%'));
        rest = &rest[spec_len + kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some((key, _)) => args.get_item(&Value::from(key))?,
            None => next.next().ok_or_else(|| error("not enough arguments for format string"))?,
        };
        out.push_str(&format_one(&value, spec, kind)?);
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn format_one(value: &Value, spec: &str, kind: char) -> Result<String, Error> {
    let flags: String = spec.chars().take_while(|c| matches!(c, '-' | '+' | ' ' | '0' | '#')).collect();
    let (width, precision) =
        spec[flags.len()..].split_once('.').map_or((&spec[flags.len()..], None), |(w, p)| (w, Some(p)));
    let width: usize = width.parse().unwrap_or(0);
    let precision: Option<usize> = precision.map(|p| p.parse().unwrap_or(0));
    let float = || f64::try_from(value.clone()).map_err(|_| error(format!("%{kind} needs a number, not {value:?}")));
    let whole = || value.as_i64().map_or_else(|| float().map(|f| f.trunc() as i64), Ok);
    let mut text = match kind {
        's' => value.to_string().chars().take(precision.unwrap_or(usize::MAX)).collect(),
        'r' => format!("{value:?}"),
        'd' | 'i' | 'u' => whole()?.to_string(),
        'f' | 'F' => format!("{:.*}", precision.unwrap_or(6), float()?),
        'e' | 'E' => format!("{:.*e}", precision.unwrap_or(6), float()?),
        'g' | 'G' => float()?.to_string(),
        'x' => format!("{:x}", whole()?),
        'X' => format!("{:X}", whole()?),
        'o' => format!("{:o}", whole()?),
        'c' => value.to_string(),
        other => return Err(error(format!("unsupported format character `{other}`"))),
    };
    if flags.contains('+') && kind != 's' && !text.starts_with('-') {
        text.insert(0, '+');
    }
    let missing = width.saturating_sub(text.chars().count());
    Ok(if flags.contains('-') {
        format!("{text}{}", " ".repeat(missing))
    } else if flags.contains('0') && kind != 's' {
        let sign = usize::from(text.starts_with(['-', '+']));
        format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
    } else {
        format!("{}{text}", " ".repeat(missing))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_python_writes_it() {
        let v = serde_json::json!({"b": [1, 2.0, null], "a": "é<"});
        assert_eq!(python_json(&v, false), r#"{"b": [1, 2.0, null], "a": "\u00e9<"}"#);
        assert_eq!(python_json(&sorted(v), true), r#"{"a": "\u00e9\u003c", "b": [1, 2.0, null]}"#);
    }

    #[test]
    fn literals() {
        assert_eq!(as_native(Value::from("12")), Value::from(12));
        assert!(as_native(Value::from("True")).is_true());
        assert_eq!(as_native(Value::from("['a']")).len(), Some(1));
        assert_eq!(as_native(Value::from("abc")), Value::from("abc"));
    }
}
