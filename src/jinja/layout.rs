//! Jinja2's filters that format texts and lists.
//!
//! In: values. Out: values. Must not know: templates.
//!
//! Source: `jinja2.filters`; for `wordwrap` Python's `textwrap`.

use super::filters::{
    check_json, collect_items, filter_arguments, python_json_indented, sort_json_keys,
};
use super::methods;
use super::number::Number;
use super::python::{Type, python_text, type_of};
use super::runtime::{Args, error, note_inspected};
use super::values::{list, pairs_of, to_json};
use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, State};
use std::collections::VecDeque;

type Filter = fn(&Value, &Args) -> Result<Value, Error>;

const FILTERS: [(&str, Filter); 13] = [
    ("batch", batch),
    ("center", center),
    ("e", escape),
    ("escape", escape),
    ("filesizeformat", filesizeformat),
    ("forceescape", escape),
    ("indent", indent),
    ("slice", slice),
    ("tojson", tojson),
    ("trim", trim),
    ("urlencode", urlencode),
    ("wordwrap", wordwrap),
    ("xmlattr", xmlattr),
];

pub(super) fn install_layout_filters(env: &mut Environment<'static>) {
    for (name, filter) in FILTERS {
        env.add_filter(
            name,
            move |state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>| {
                // Most of these filters depend on the length of the text.
                note_inspected(state, &value);
                filter(&value, &filter_arguments(args)?)
            },
        );
    }
}

/// An argument that is given and not none.
fn given<'a>(args: &'a Args, i: usize, name: &str) -> Option<&'a Value> {
    args.get(i, name).filter(|v| !v.is_none() && !v.is_undefined())
}

fn number(args: &Args, i: usize, name: &str, default: usize) -> Result<usize, Error> {
    match given(args, i, name) {
        None => Ok(default),
        Some(v) => v.as_usize().ok_or_else(|| error(format!("`{name}` is a number, not {v}"))),
    }
}

fn batch(value: &Value, args: &Args) -> Result<Value, Error> {
    let count = number(args, 0, "linecount", 0)?;
    if count == 0 {
        return Err(error("`linecount` of batch is at least 1"));
    }
    let fill = given(args, 1, "fill_with");
    let items = collect_items(value)?;
    let rows = items.chunks(count).map(|row| {
        let missing = fill.map_or(0, |_| count - row.len());
        let filled = row
            .iter()
            .cloned()
            .chain(std::iter::repeat_n(fill.cloned().unwrap_or_default(), missing));
        list(filled.collect())
    });
    Ok(list(rows.collect()))
}

/// `slice(slices, fill_with=none)`: columns whose lengths differ by at most one.
fn slice(value: &Value, args: &Args) -> Result<Value, Error> {
    let slices = number(args, 0, "slices", 0)?;
    if slices == 0 {
        return Err(error("`slices` of slice is at least 1"));
    }
    let fill = given(args, 1, "fill_with");
    let items = collect_items(value)?;
    let (length, longer) = (items.len() / slices, items.len() % slices);
    let mut out = Vec::with_capacity(slices);
    let mut start = 0;
    for i in 0..slices {
        let end = start + length + usize::from(i < longer);
        let mut part = items[start..end].to_vec();
        if let Some(fill) = fill.filter(|_| longer > 0 && i >= longer) {
            part.push(fill.clone());
        }
        out.push(list(part));
        start = end;
    }
    Ok(list(out))
}

fn center(value: &Value, args: &Args) -> Result<Value, Error> {
    methods::center_text(&python_text(value)?, number(args, 0, "width", 80)?, ' ').map(Value::from)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn escape(value: &Value, _: &Args) -> Result<Value, Error> {
    python_text(value).map(|text| Value::from(escaped(&text)))
}

fn filesizeformat(value: &Value, args: &Args) -> Result<Value, Error> {
    let bytes = Number::of(value)
        .map(|n| n.to_float())
        .or_else(|| python_text(value).ok()?.trim().parse::<f64>().ok())
        .ok_or_else(|| error("no number of bytes"))?;
    let binary = args.flag(0, "binary", false);
    let (base, names) = match binary {
        true => (1024.0, ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]),
        false => (1000.0, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]),
    };
    if bytes == 1.0 {
        return Ok(Value::from("1 Byte"));
    }
    if bytes < base {
        return Ok(Value::from(format!("{} Bytes", bytes.trunc())));
    }
    let mut unit = base;
    for name in names {
        unit *= base;
        if bytes < unit || name == names[7] {
            return Ok(Value::from(format!("{:.1} {name}", base * bytes / unit)));
        }
    }
    Ok(Value::default())
}

/// The lines of a text, as in Python's `str.splitlines(keepends)`.
pub(super) fn split_lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find([
            '\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}',
            '\u{2029}',
        ]) else {
            out.push(rest);
            break;
        };
        let end = if rest[at..].starts_with("\r\n") {
            2
        } else {
            rest[at..].chars().next().map_or(1, char::len_utf8)
        };
        out.push(&rest[..if keep_ends { at + end } else { at }]);
        rest = &rest[at + end..];
    }
    out
}

/// `indent(width=4, first=false, blank=false)`. A text as the width is used as the indent.
fn indent(value: &Value, args: &Args) -> Result<Value, Error> {
    let width = match args.get(0, "width") {
        Some(v) if v.as_str().is_some() => v.as_str().unwrap_or_default().to_owned(),
        _ => methods::center_text("", number(args, 0, "width", 4)?, ' ')?,
    };
    let text = format!("{}\n", python_text(value)?);
    let mut out = String::new();
    for (i, line) in split_lines(&text, false).into_iter().enumerate() {
        out.push_str(if i > 0 { "\n" } else { "" });
        let wanted = if i == 0 {
            args.flag(1, "first", false)
        } else {
            !line.is_empty() || args.flag(2, "blank", false)
        };
        out.push_str(if wanted { &width } else { "" });
        out.push_str(line);
    }
    Ok(Value::from(out))
}

/// `tojson(indent=none)`: keys are sorted and markup is escaped.
fn tojson(value: &Value, args: &Args) -> Result<Value, Error> {
    check_json(value)?;
    let indent = given(args, 0, "indent").map(|_| number(args, 0, "indent", 0)).transpose()?;
    Ok(Value::from(python_json_indented(&sort_json_keys(to_json(value)), true, indent)))
}

fn trim(value: &Value, args: &Args) -> Result<Value, Error> {
    let text = python_text(value)?;
    let trimmed = match given(args, 0, "chars").map(Value::to_string) {
        Some(chars) => text.trim_matches(|c| chars.contains(c)),
        None => text.trim(),
    };
    Ok(Value::from(trimmed))
}

/// Python's `quote(text, safe='/')`, or `quote_plus` if `plus`.
fn quoted(text: &str, plus: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                out.push(char::from(b))
            }
            b'/' if !plus => out.push('/'),
            b' ' if plus => out.push('+'),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn urlencode(value: &Value, _: &Args) -> Result<Value, Error> {
    let pairs = match type_of(value) {
        Type::Dict | Type::List | Type::Tuple | Type::Iterator => pairs_of(value)?,
        _ => return Ok(Value::from(quoted(&python_text(value)?, false))),
    };
    let mut parts = Vec::with_capacity(pairs.len());
    for (key, value) in &pairs {
        let (key, value) = (python_text(key)?, python_text(value)?);
        parts.push(format!("{}={}", quoted(&key, true), quoted(&value, true)));
    }
    Ok(Value::from(parts.join("&")))
}

fn xmlattr(value: &Value, args: &Args) -> Result<Value, Error> {
    let mut out = Vec::new();
    for (key, value) in pairs_of(value)? {
        if !value.is_none() && !value.is_undefined() {
            out.push(format!(
                "{}=\"{}\"",
                escaped(&python_text(&key)?),
                escaped(&python_text(&value)?)
            ));
        }
    }
    let text = out.join(" ");
    Ok(Value::from(if args.flag(0, "autospace", true) && !text.is_empty() {
        format!(" {text}")
    } else {
        text
    }))
}

fn wordwrap(value: &Value, args: &Args) -> Result<Value, Error> {
    let width = number(args, 0, "width", 79)?.max(1);
    let (long, hyphens) =
        (args.flag(1, "break_long_words", true), args.flag(3, "break_on_hyphens", true));
    let newline = given(args, 2, "wrapstring").map_or_else(|| "\n".to_owned(), Value::to_string);
    let text = python_text(value)?;
    let wrapped: Vec<String> = split_lines(&text, false)
        .into_iter()
        .map(|l| wrap(l, width, long, hyphens).join(&newline))
        .collect();
    Ok(Value::from(wrapped.join(&newline)))
}

/// Splits a line where it may be broken: into white space and words and, if `hyphens`, after
/// hyphens within words.
fn pieces(line: &str, hyphens: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut last: Option<char> = None;
    for c in line.chars() {
        let same = last.is_some_and(|l| l.is_whitespace() == c.is_whitespace());
        let after_hyphen = hyphens && last == Some('-') && c.is_alphabetic();
        match out.last_mut().filter(|_| same && !after_hyphen) {
            Some(piece) => piece.push(c),
            None => out.push(c.to_string()),
        }
        last = Some(c);
    }
    out
}

fn take_if(pieces: &mut VecDeque<String>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    pieces.front().is_some_and(|piece| wanted(piece)).then(|| pieces.pop_front())?
}

fn count_chars(text: &str) -> usize {
    text.chars().count()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

fn wrap(line: &str, width: usize, long: bool, hyphens: bool) -> Vec<String> {
    let mut rest: VecDeque<String> = pieces(line, hyphens).into();
    let mut out: Vec<String> = Vec::new();
    while !rest.is_empty() {
        if !out.is_empty() && rest.front().is_some_and(|piece| is_blank(piece)) {
            rest.pop_front();
        }
        let mut current: Vec<String> = Vec::new();
        let mut used = 0;
        while let Some(piece) = take_if(&mut rest, |piece| used + count_chars(piece) <= width) {
            used += count_chars(&piece);
            current.push(piece);
        }
        if let Some(piece) = take_if(&mut rest, |piece| count_chars(piece) > width) {
            if long {
                let cut = piece.char_indices().nth(width - used).map_or(piece.len(), |(i, _)| i);
                let (head, tail) = piece.split_at(cut);
                current.push(head.to_owned());
                rest.push_front(tail.to_owned());
            } else if current.is_empty() {
                current.push(piece);
            } else {
                rest.push_front(piece);
            }
        }
        if current.last().is_some_and(|piece| is_blank(piece)) {
            current.pop();
        }
        if !current.is_empty() {
            out.push(current.concat());
        }
    }
    out
}
