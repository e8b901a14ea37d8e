//! Python's methods of strings, numbers and plain containers that minijinja and its `pycompat` do not have.

use super::runtime::error;
use super::values::{dict, list, pairs_of};
use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// The environment's unknown-method callback.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Number => number(value, method),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, args)?,
        ValueKind::Map if method == "copy" => Some(dict(pairs_of(value)?)),
        _ => None,
    };
    if let Some(found) = own {
        return Ok(found);
    }
    let found = minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)?;
    // Lists that methods make can be changed.
    let listy = matches!(method, "split" | "splitlines" | "keys" | "values" | "items");
    Ok(if listy && found.kind() != ValueKind::String && !found.is_tuple() {
        list(found.try_iter()?.collect())
    } else {
        found
    })
}

fn text(args: &[Value], i: usize) -> Result<&str, Error> {
    args.get(i).and_then(Value::as_str).ok_or_else(|| error("expected a text argument"))
}

fn tuple(parts: [&str; 3]) -> Value {
    Value::from(Tuple::from(parts.map(Value::from).to_vec()))
}

fn string(s: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let pad = |left: bool, right: bool| -> Result<Value, Error> {
        let width = args.first().and_then(Value::as_usize).ok_or_else(|| error("expected a width"))?;
        let fill = args.get(1).and_then(Value::as_str).and_then(|f| f.chars().next()).unwrap_or(' ');
        let missing = width.saturating_sub(s.chars().count());
        let before = match (left, right) {
            // As Python centres: the odd one goes to the left when the width is odd.
            (true, true) => missing / 2 + (missing & width & 1),
            (true, false) => missing,
            _ => 0,
        };
        let fill_with = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
        Ok(Value::from(format!("{}{s}{}", fill_with(before), fill_with(missing - before))))
    };
    Ok(Some(match method {
        "rsplit" => {
            let limit = args.get(1).and_then(Value::as_usize);
            let parts: Vec<&str> = match (args.first().and_then(Value::as_str), limit) {
                (Some(sep), Some(n)) => s.rsplitn(n + 1, sep).collect(),
                (Some(sep), None) => s.rsplit(sep).collect(),
                (None, _) => s.split_whitespace().rev().collect(),
            };
            list(parts.into_iter().rev().map(Value::from).collect())
        }
        "index" | "rindex" => {
            let wanted = text(args, 0)?;
            let at = if method == "index" { s.find(wanted) } else { s.rfind(wanted) };
            let at = at.ok_or_else(|| error("substring not found"))?;
            Value::from(s[..at].chars().count())
        }
        "zfill" => {
            let width = args.first().and_then(Value::as_usize).unwrap_or(0);
            let (sign, digits) = match s.strip_prefix(['-', '+']) {
                Some(rest) => s.split_at(s.len() - rest.len()),
                None => ("", s),
            };
            let missing = width.saturating_sub(s.chars().count());
            Value::from(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "ljust" => pad(false, true)?,
        "rjust" => pad(true, false)?,
        "center" => pad(true, true)?,
        "swapcase" => {
            let swap =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            Value::from(s.chars().map(swap).collect::<String>())
        }
        "partition" => {
            let sep = text(args, 0)?;
            s.split_once(sep).map_or_else(|| tuple([s, "", ""]), |(a, b)| tuple([a, sep, b]))
        }
        "rpartition" => {
            let sep = text(args, 0)?;
            s.rsplit_once(sep).map_or_else(|| tuple(["", "", s]), |(a, b)| tuple([a, sep, b]))
        }
        "removeprefix" => Value::from(s.strip_prefix(text(args, 0)?).unwrap_or(s)),
        "removesuffix" => Value::from(s.strip_suffix(text(args, 0)?).unwrap_or(s)),
        "casefold" => Value::from(s.to_lowercase()),
        "encode" => Value::from_bytes(s.as_bytes().to_vec()),
        "istitle" => Value::from(s.split_whitespace().all(|w| w.starts_with(char::is_uppercase))),
        "isidentifier" => {
            let head = s.starts_with(|c: char| c.is_alphabetic() || c == '_');
            Value::from(head && s.chars().all(|c| c.is_alphanumeric() || c == '_'))
        }
        "isdecimal" => Value::from(!s.is_empty() && s.chars().all(|c| c.is_ascii_digit())),
        "expandtabs" => Value::from(s.replace('\t', &" ".repeat(args.first().and_then(Value::as_usize).unwrap_or(8)))),
        _ => return Ok(None),
    }))
}

fn number(value: &Value, method: &str) -> Option<Value> {
    match method {
        "bit_length" => value.as_i64().map(|i| Value::from(64 - i.unsigned_abs().leading_zeros())),
        "is_integer" => Some(Value::from(f64::try_from(value.clone()).is_ok_and(|f| f.fract() == 0.0))),
        _ => None,
    }
}

fn sequence(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "copy" => list(value.try_iter()?.collect()),
        "index" => {
            let wanted = args.first().ok_or_else(|| error("index() needs an argument"))?;
            let at = value.try_iter()?.position(|v| &v == wanted);
            Value::from(at.ok_or_else(|| error(format!("{wanted:?} is not in the sequence")))?)
        }
        "append" | "extend" | "insert" | "pop" | "remove" | "clear" => {
            let message =
                format!("this sequence cannot be changed by `{method}`; make a list of it: `{{% set x = x | list %}}`");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        _ => return Ok(None),
    }))
}
