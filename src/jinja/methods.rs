//! Methods of Python's strings, numbers and containers that minijinja and its `pycompat` lack.

use super::format::repeat_char;
use super::python::{Type, type_name, values_equal};
use super::runtime::error;
use super::values::{dict, list, pairs_of};
use super::views::{View, make_view};
use minijinja::value::{Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// Whether values of a Python type have a method. If so, `x.name` is the bound method.
pub(super) fn has_method(kind: Type, name: &str) -> bool {
    let names: &[&str] = match kind {
        Type::Str => STRING,
        Type::List => &[
            "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove",
            "reverse", "sort",
        ],
        Type::Tuple => &["count", "index"],
        Type::Dict => &[
            "clear",
            "copy",
            "fromkeys",
            "get",
            "items",
            "keys",
            "pop",
            "popitem",
            "setdefault",
            "update",
            "values",
        ],
        Type::Set => SET,
        Type::Int => &["bit_length", "bit_count", "to_bytes", "conjugate", "as_integer_ratio"],
        Type::Float => &["is_integer", "hex", "conjugate", "as_integer_ratio"],
        Type::Decimal => {
            &["quantize", "normalize", "is_nan", "is_zero", "to_integral_value", "sqrt", "as_tuple"]
        }
        Type::Bytes => &["decode", "hex"],
        _ => &[],
    };
    names.contains(&name)
}

/// Whether an object of the context lists a method.
pub(super) fn object_has_method(_: &State<'_, '_>, value: &Value, name: &str) -> bool {
    let methods = value.get_attr(METHODS).unwrap_or_default();
    methods.try_iter().is_ok_and(|mut names| names.any(|n| n.as_str() == Some(name)))
}

/// The attribute in which an object lists its methods.
pub(crate) const METHODS: &str = "__methods__";

const STRING: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

const SET: &[&str] = &[
    "add",
    "clear",
    "copy",
    "difference",
    "difference_update",
    "discard",
    "intersection",
    "intersection_update",
    "isdisjoint",
    "issubset",
    "issuperset",
    "pop",
    "remove",
    "symmetric_difference",
    "symmetric_difference_update",
    "union",
    "update",
];

/// The maximum length of a text that a method produces, in characters or bytes.
const LONGEST: usize = 50_000_000;

pub(super) fn replace_text(
    text: &str,
    old: &str,
    new: &str,
    count: usize,
) -> Result<String, Error> {
    let times = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() }
        .min(count);
    if text.len() + times.saturating_mul(new.len()) > LONGEST {
        return Err(error("the text that `replace` makes is too long"));
    }
    Ok(text.replacen(old, new, count))
}

pub(super) fn center_text(text: &str, width: usize, fill: char) -> Result<String, Error> {
    padded(text, width, fill, true, true)
}

fn padded(text: &str, width: usize, fill: char, left: bool, right: bool) -> Result<String, Error> {
    if width > LONGEST {
        return Err(error(format!("a text of {width} characters is too long")));
    }
    let missing = width.saturating_sub(text.chars().count());
    let before = match (left, right) {
        // As in Python: an odd space goes to the left if the width is odd.
        (true, true) => missing / 2 + (missing & width & 1),
        (true, false) => missing,
        _ => 0,
    };
    Ok(format!("{}{text}{}", repeat_char(fill, before), repeat_char(fill, missing - before)))
}

/// The first character in upper case, the others in lower case.
pub(super) fn capitalize_text(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect()
    })
}

/// minijinja's callback for methods that it does not know.
pub(super) fn call_python_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let own = match value.kind() {
        ValueKind::String => string(value.as_str().unwrap_or_default(), method, args)?,
        ValueKind::Number => number(value, method, args)?,
        ValueKind::Seq | ValueKind::Iterable => sequence(value, method, args)?,
        ValueKind::Map if method == "copy" => Some(dict(pairs_of(value)?)),
        ValueKind::Map => View::of_method(method).map(|kind| make_view(kind, value.clone())),
        ValueKind::Bytes => bytes(value.as_bytes().unwrap_or_default(), method)?,
        _ => None,
    };
    if let Some(found) = own {
        return Ok(found);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

fn text(args: &[Value], i: usize) -> Result<&str, Error> {
    args.get(i).and_then(Value::as_str).ok_or_else(|| error("expected a text argument"))
}

fn tuple(parts: [&str; 3]) -> Value {
    Value::from(Tuple::from(parts.map(Value::from).to_vec()))
}

fn justify_text(s: &str, args: &[Value], left: bool, right: bool) -> Result<Value, Error> {
    let width = args.first().and_then(Value::as_i64).ok_or_else(|| error("expected a width"))?;
    let fill = args.get(1).and_then(Value::as_str).and_then(|f| f.chars().next()).unwrap_or(' ');
    padded(s, usize::try_from(width).unwrap_or(0), fill, left, right).map(Value::from)
}

fn swap_case(c: char) -> String {
    if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() }
}

fn string(s: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
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
        "index" | "rindex" | "find" | "rfind" | "count" | "startswith" | "endswith" => {
            searched(s, method, args)?
        }
        "split" => split(s, args)?,
        "splitlines" => {
            let keep = super::Args::parse(args)?.flag(0, "keepends", false);
            list(super::layout::split_lines(s, keep).into_iter().map(Value::from).collect())
        }
        "maketrans" => translation(args)?,
        "translate" => {
            translated(s, args.first().ok_or_else(|| error("translate() takes one argument"))?)?
        }
        "join" => joined(s, args)?,
        "title" => Value::from(titled(s)),
        "isprintable" => Value::from(!s.chars().any(char::is_control)),
        "zfill" => {
            let width = args.first().and_then(Value::as_usize).unwrap_or(0);
            let (sign, digits) = match s.strip_prefix(['-', '+']) {
                Some(rest) => s.split_at(s.len() - rest.len()),
                None => ("", s),
            };
            let zeros = padded("", width.saturating_sub(s.chars().count()), '0', true, false)?;
            Value::from(format!("{sign}{zeros}{digits}"))
        }
        "ljust" => justify_text(s, args, false, true)?,
        "rjust" => justify_text(s, args, true, false)?,
        "center" => justify_text(s, args, true, true)?,
        "swapcase" => Value::from(s.chars().map(swap_case).collect::<String>()),
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
        "casefold" => Value::from(s.to_lowercase().replace('ß', "ss")),
        "replace" => {
            let count = args
                .get(2)
                .and_then(Value::as_i64)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(usize::MAX);
            Value::from(replace_text(s, text(args, 0)?, text(args, 1)?, count)?)
        }
        "format" | "format_map" => {
            return super::format::format_text(s, args, method == "format_map").map(Some);
        }
        "encode" => Value::from_bytes(encoded(s, &super::Args::parse(args)?)?),
        "istitle" => Value::from(s.split_whitespace().all(|w| w.starts_with(char::is_uppercase))),
        "isidentifier" => {
            let head = s.starts_with(|c: char| c.is_alphabetic() || c == '_');
            Value::from(head && s.chars().all(|c| c.is_alphanumeric() || c == '_'))
        }
        "isdecimal" => Value::from(!s.is_empty() && s.chars().all(|c| c.is_ascii_digit())),
        "expandtabs" => {
            Value::from(expanded(s, args.first().and_then(Value::as_usize).unwrap_or(8)))
        }
        _ => return Ok(None),
    }))
}

/// A bound of a search; a negative one counts from the end.
fn search_bound(given: Option<&Value>, default: i64, length: i64) -> usize {
    let at = given.and_then(Value::as_i64).unwrap_or(default);
    usize::try_from(if at < 0 { at + length } else { at }).unwrap_or(0)
}

fn has_affix(text: &str, method: &str, affix: &str) -> bool {
    if method == "startswith" { text.starts_with(affix) } else { text.ends_with(affix) }
}

/// The search methods, limited to the range that the second and third argument give.
fn searched(s: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let chars: Vec<char> = s.chars().collect();
    let length = chars.len() as i64;
    let from = search_bound(args.get(1), 0, length);
    let to = search_bound(args.get(2), length, length).min(chars.len());
    let inside = from <= to;
    let part: String = if inside { chars[from..to].iter().collect() } else { String::new() };
    if let "startswith" | "endswith" = method {
        let wanted = args.first().ok_or_else(|| error(format!("{method}() needs an argument")))?;
        return match wanted.as_str() {
            Some(wanted) => Ok(Value::from(inside && has_affix(&part, method, wanted))),
            None if wanted.is_tuple() => {
                let mut any = false;
                for item in wanted.try_iter()? {
                    any |= inside && {
                        let affix = item.as_str().ok_or_else(|| error("expected a text"))?;
                        has_affix(&part, method, affix)
                    };
                }
                Ok(Value::from(any))
            }
            None => Err(error(format!(
                "{method} first arg must be str or a tuple of str, not {}",
                type_name(wanted)
            ))),
        };
    }
    let wanted = text(args, 0)?;
    if method == "count" {
        let empty = if inside { part.chars().count() + 1 } else { 0 };
        return Ok(Value::from(if wanted.is_empty() {
            empty
        } else {
            part.matches(wanted).count()
        }));
    }
    let at = if method.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
    match at.filter(|_| inside) {
        Some(at) => Ok(Value::from(from + part[..at].chars().count())),
        None if method.ends_with("find") => Ok(Value::from(-1)),
        None => Err(error("substring not found")),
    }
}

fn split(s: &str, args: &[Value]) -> Result<Value, Error> {
    let args = super::Args::parse(args)?;
    let limit =
        args.get(1, "maxsplit").and_then(Value::as_i64).and_then(|n| usize::try_from(n).ok());
    let separator = args.get(0, "sep").filter(|v| !v.is_none());
    let parts: Vec<&str> = match (separator.map(Value::as_str), limit) {
        (Some(None), _) => return Err(error("must be str or None")),
        (Some(Some("")), _) => return Err(error("empty separator")),
        (Some(Some(sep)), None) => s.split(sep).collect(),
        (Some(Some(sep)), Some(n)) => s.splitn(n + 1, sep).collect(),
        (None, None) => s.split_whitespace().collect(),
        (None, Some(n)) => {
            let mut rest = s.trim_start();
            let mut parts = Vec::new();
            while !rest.is_empty() && parts.len() < n {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                parts.push(&rest[..end]);
                rest = rest[end..].trim_start();
            }
            parts.extend((!rest.is_empty()).then_some(rest));
            parts
        }
    };
    Ok(list(parts.into_iter().map(Value::from).collect()))
}

/// `text.join(items)`; an error if an item is not a text.
fn joined(s: &str, args: &[Value]) -> Result<Value, Error> {
    let items = args.first().ok_or_else(|| error("join() needs an argument"))?;
    if let Some(text) = items.as_str() {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        return Ok(Value::from(chars.join(s)));
    }
    let mut out = String::new();
    for (i, item) in items.try_iter()?.enumerate() {
        let text = item.as_str();
        let text = text.ok_or_else(|| {
            error(format!("sequence item {i}: expected str instance, {} found", type_name(&item)))
        })?;
        if out.len() + text.len() + s.len() > LONGEST {
            return Err(error("the text that `join` makes is too long"));
        }
        out.push_str(if i > 0 { s } else { "" });
        out.push_str(text);
    }
    Ok(Value::from(out))
}

/// Python's `str.title`: letters after a non-letter in upper case, the others in lower case.
fn titled(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside = false;
    for c in s.chars() {
        if inside {
            out.extend(c.to_lowercase())
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphabetic();
    }
    out
}

/// Replaces tabs by spaces up to the next multiple of `size`.
fn expanded(s: &str, size: usize) -> String {
    let mut out = String::with_capacity(s.len());
    let mut column = 0;
    for c in s.chars() {
        match c {
            '\t' => {
                let spaces = if size == 0 { 0 } else { size - column % size };
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    out
}

/// `str.maketrans`: a dict by code points.
fn translation(args: &[Value]) -> Result<Value, Error> {
    match args {
        [map] => Ok(dict(pairs_of(map)?.into_iter().map(|(k, v)| (translation_key(&k), v)))),
        [from, to, rest @ ..] => {
            let (from, to) = (from.to_string(), to.to_string());
            if from.chars().count() != to.chars().count() {
                return Err(error("the first two maketrans arguments must have equal length"));
            }
            let mut pairs: Vec<(Value, Value)> =
                from.chars().map(code_point).zip(to.chars().map(code_point)).collect();
            pairs.extend(
                rest.iter()
                    .flat_map(|v| v.to_string().chars().collect::<Vec<_>>())
                    .map(|c| (code_point(c), Value::from(()))),
            );
            Ok(dict(pairs))
        }
        [] => Err(error("maketrans() takes an argument")),
    }
}

fn code_point(c: char) -> Value {
    Value::from(u32::from(c))
}

/// The code point of a key, which is a character or a code point.
fn translation_key(key: &Value) -> Value {
    match key.as_str() {
        Some(text) => text.chars().next().map(code_point).unwrap_or_default(),
        None => key.clone(),
    }
}

/// `str.translate`: replaces characters by others or by texts, or removes them.
fn translated(s: &str, table: &Value) -> Result<Value, Error> {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match table.get_item(&Value::from(u32::from(c))).ok().filter(|v| !v.is_undefined()) {
            None => out.push(c),
            Some(v) if v.is_none() => {}
            Some(v) => match (v.as_str(), v.as_usize().and_then(|n| char::from_u32(n as u32))) {
                (Some(text), _) => out.push_str(text),
                (None, Some(other)) => out.push(other),
                (None, None) => {
                    return Err(error("character mapping must return integer, None or str"));
                }
            },
        }
    }
    Ok(Value::from(out))
}

fn encoded(s: &str, args: &super::Args) -> Result<Vec<u8>, Error> {
    let encoding = args.get(0, "encoding").map_or_else(|| "utf-8".to_owned(), Value::to_string);
    let limit = match encoding.to_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" => return Ok(s.as_bytes().to_vec()),
        "latin-1" | "latin1" | "iso-8859-1" => 256,
        "ascii" | "us-ascii" => 128,
        other => return Err(error(format!("unknown encoding: {other}"))),
    };
    let bytes: Option<Vec<u8>> = s
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) < limit))
        .collect();
    bytes.ok_or_else(|| error(format!("'{encoding}' codec can't encode all characters")))
}

fn bytes(bytes: &[u8], method: &str) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "decode" => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(e) => return Err(error(format!("'utf-8' codec can't decode: {e}"))),
        },
        "hex" => Value::from(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        _ => return Ok(None),
    }))
}

fn number(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match (method, value.as_i64().filter(|_| value.is_integer())) {
        ("conjugate", _) => Some(value.clone()),
        ("is_integer", _) => Some(Value::from(float_of(value).fract() == 0.0)),
        ("bit_length", Some(i)) => Some(Value::from(64 - i.unsigned_abs().leading_zeros())),
        ("bit_count", Some(i)) => Some(Value::from(i.unsigned_abs().count_ones())),
        ("as_integer_ratio", Some(i)) => Some(super::make_pair(Value::from(i), Value::from(1))),
        ("as_integer_ratio", None) => Some(ratio(float_of(value))?),
        ("to_bytes", Some(i)) => Some(to_bytes(i, &super::Args::parse(args)?)?),
        _ => None,
    })
}

fn float_of(value: &Value) -> f64 {
    f64::try_from(value.clone()).unwrap_or(f64::NAN)
}

/// `float.as_integer_ratio`. Doubling the float until it is whole is exact.
fn ratio(f: f64) -> Result<Value, Error> {
    if !f.is_finite() {
        return Err(error("cannot convert NaN or Infinity to integer ratio"));
    }
    let (mut above, mut below) = (f, 0u32);
    while above.fract() != 0.0 {
        above *= 2.0;
        below += 1;
    }
    let above = crate::decimal::Decimal::from_float(above).to_int();
    let above = above.map(|n| super::number::int_value(&n)).unwrap_or_default();
    let below = super::number::int_value(&(bigdecimal::num_bigint::BigInt::from(1) << below));
    Ok(super::make_pair(above, below))
}

/// `int.to_bytes(length=1, byteorder='big')` for integers that are not negative.
fn to_bytes(i: i64, args: &super::Args) -> Result<Value, Error> {
    let length = args.get(0, "length").and_then(Value::as_usize).unwrap_or(1);
    let n = u64::try_from(i).map_err(|_| error("can't convert negative int to unsigned"))?;
    let all = n.to_be_bytes();
    let (cut, kept) = all.split_at(all.len() - length.min(all.len()));
    if cut.iter().any(|b| *b > 0) {
        return Err(error("int too big to convert"));
    }
    let mut bytes = vec![0; length.min(LONGEST) - kept.len()];
    bytes.extend(kept);
    if args.get(1, "byteorder").and_then(Value::as_str) == Some("little") {
        bytes.reverse();
    }
    Ok(Value::from_bytes(bytes))
}

fn sequence(value: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "copy" => list(value.try_iter()?.collect()),
        "index" => {
            let wanted = args.first().ok_or_else(|| error("index() needs an argument"))?;
            let from = args.get(1).and_then(Value::as_usize).unwrap_or(0);
            let mut at = None;
            for (i, item) in value.try_iter()?.enumerate().skip(from) {
                if values_equal(&item, wanted)? {
                    at = Some(i);
                    break;
                }
            }
            Value::from(at.ok_or_else(|| error(format!("{wanted:?} is not in the sequence")))?)
        }
        "append" | "extend" | "insert" | "pop" | "remove" | "clear" => {
            let message = format!(
                "this sequence cannot be changed by `{method}`; make a list of it: `{{% set x = x | list %}}`"
            );
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
        _ => return Ok(None),
    }))
}
