//! The part of Python's `re` that templates use.
//!
//! In: patterns and texts. Out: matches, whose places count characters. Must not know: what a
//! template does with them.

use crate::jinja::{Args, METHODS, REPR, dict, error, list, python_repr};
use fancy_regex::{Captures, Regex};
use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

/// The functions of the module that take a pattern.
pub(super) const FUNCTIONS: &[&str] = &[
    "match",
    "fullmatch",
    "search",
    "compile",
    "escape",
    "findall",
    "finditer",
    "sub",
    "subn",
    "split",
];

/// A flag of `re`: its name and its bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag(&'static str, i64);

impl Flag {
    pub(super) fn named(name: &str) -> Option<Flag> {
        Some(match name {
            "IGNORECASE" | "I" => Flag("IGNORECASE", 2),
            "MULTILINE" | "M" => Flag("MULTILINE", 8),
            "DOTALL" | "S" => Flag("DOTALL", 16),
            "UNICODE" | "U" => Flag("UNICODE", 32),
            "VERBOSE" | "X" => Flag("VERBOSE", 64),
            "ASCII" | "A" => Flag("ASCII", 256),
            _ => return None,
        })
    }

    /// The bits of an argument: a flag, or a number that combines several.
    fn bits(value: Option<&Value>) -> i64 {
        value.map_or(0, |v| {
            v.downcast_object_ref::<Flag>().map_or_else(|| v.as_i64().unwrap_or(0), |f| f.1)
        })
    }
}

impl Object for Flag {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "value" => Some(Value::from(self.1)),
            "name" => Some(Value::from(self.0)),
            REPR => Some(Value::from(format!("re.{}", self.0))),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "__add__" | "__radd__" => Ok(Value::from(self.1 + Flag::bits(args.first()))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "re.{}", self.0)
    }
}

/// Python's match object. Each group has its text, start and end.
struct Match {
    groups: Vec<Option<(String, usize, usize)>>,
    names: Vec<(String, usize)>,
    text: String,
}

impl Match {
    /// Converts byte offsets to character offsets.
    fn new(re: &Regex, found: &Captures<'_, str>, text: &str) -> Match {
        Match {
            groups: (0..found.len()).map(|i| found.get(i).map(|m| group_of(m, text))).collect(),
            names: re
                .capture_names()
                .enumerate()
                .filter_map(|(i, n)| n.map(|n| (n.to_owned(), i)))
                .collect(),
            text: text.to_owned(),
        }
    }

    fn find(&self, wanted: &Value) -> Result<Option<&(String, usize, usize)>, Error> {
        let index = match wanted.as_str() {
            Some(name) => self.names.iter().find(|(n, _)| n == name).map(|(_, i)| *i),
            None => wanted.as_usize(),
        };
        let group = index.and_then(|i| self.groups.get(i)).ok_or_else(|| error("no such group"))?;
        Ok(group.as_ref())
    }

    /// The start and end of a group; -1 if the group did not participate in the match.
    fn place(&self, wanted: &Value) -> Result<(i64, i64), Error> {
        let found = self.find(wanted)?;
        Ok(found.map_or((-1, -1), |(_, start, end)| (*start as i64, *end as i64)))
    }
}

/// A group's text, with its start and end in characters.
fn group_of(found: fancy_regex::Match<'_>, text: &str) -> (String, usize, usize) {
    let start = text[..found.start()].chars().count();
    (found.as_str().to_owned(), start, start + found.as_str().chars().count())
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, start, end) = self.groups.first().cloned().flatten().unwrap_or_default();
        let text = python_repr(&Value::from(text)).map_err(|_| fmt::Error)?;
        write!(f, "<re.Match object; span=({start}, {end}), match={text}>")
    }
}

fn text_or(group: Option<&(String, usize, usize)>, default: &Value) -> Value {
    group.map_or_else(|| default.clone(), |(text, ..)| Value::from(text.as_str()))
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(REPR) => Some(Value::from(format!("{self:?}"))),
            Some("string") => Some(Value::from(self.text.as_str())),
            Some("lastindex") => {
                let last = (1..self.groups.len()).rev().find(|i| self.groups[*i].is_some());
                Some(last.map_or_else(super::none, Value::from))
            }
            Some(METHODS) => {
                Some(Value::from(vec!["group", "groups", "groupdict", "start", "end", "span"]))
            }
            // `match['name']`: undefined if there is no such group.
            Some(name) if !self.names.iter().any(|(n, _)| n == name) => None,
            _ => self.find(key).ok().map(|group| text_or(group, &super::none())),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let none = super::none();
        let first = args.first().cloned().unwrap_or_else(|| Value::from(0));
        Ok(match method {
            "group" if args.len() > 1 => {
                let groups = args.iter().map(|a| self.find(a).map(|g| text_or(g, &none)));
                Value::from(Tuple::from(groups.collect::<Result<Vec<_>, _>>()?))
            }
            "group" => text_or(self.find(&first)?, &none),
            "groups" => {
                let default = args.first().unwrap_or(&none);
                let groups = self.groups.iter().skip(1).map(|g| text_or(g.as_ref(), default));
                Value::from(Tuple::from(groups.collect::<Vec<_>>()))
            }
            "groupdict" => {
                dict(self.names.iter().map(|(n, i)| {
                    (Value::from(n.as_str()), text_or(self.groups[*i].as_ref(), &none))
                }))
            }
            "start" => Value::from(self.place(&first)?.0),
            "end" => Value::from(self.place(&first)?.1),
            "span" => {
                let (start, end) = self.place(&first)?;
                Value::from(Tuple::from(vec![Value::from(start), Value::from(end)]))
            }
            other => {
                return Err(Error::new(
                    ErrorKind::UnknownMethod,
                    format!("a match has no `{other}`"),
                ));
            }
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn compile(pattern: &str, flags: i64, anchor: &str, end: &str) -> Result<Regex, Error> {
    let letters = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')];
    let options: String =
        letters.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, letter)| letter).collect();
    let options = if options.is_empty() { options } else { format!("(?{options})") };
    // Named groups, `(?P<name>...)`, are the same in Python and in this engine.
    Regex::new(&format!("{options}{anchor}(?:{pattern}){end}"))
        .map_err(|e| error(format!("invalid regular expression: {e}")))
}

fn match_error(e: fancy_regex::Error) -> Error {
    error(e.to_string())
}

/// Calls a function of the module, or a method of a compiled pattern.
pub(super) fn call_regex(method: &str, args: &Args) -> Result<Value, Error> {
    if !FUNCTIONS.contains(&method) {
        return Err(Error::new(ErrorKind::UnknownMethod, format!("module 're' has no `{method}`")));
    }
    let pattern = Pattern::of(args.require(0, "pattern")?);
    match method {
        "match" => pattern.find(args, r"\A", ""),
        "fullmatch" => pattern.find(args, r"\A", r"\z"),
        "search" => pattern.find(args, "", ""),
        "compile" => {
            let flags = pattern.flags_with(args, 1);
            compile(&pattern.text, flags, "", "")?;
            Ok(Value::from_object(Pattern { text: pattern.text, flags }))
        }
        "escape" => Ok(Value::from(escape(&pattern.text))),
        "findall" | "finditer" => {
            let text = args.text(1, "string")?;
            let re = compile(&pattern.text, pattern.flags_with(args, 2), "", "")?;
            let mut out = Vec::new();
            for found in re.captures_iter(text.as_str()) {
                let found = found.map_err(match_error)?;
                out.push(match found.len() {
                    _ if method == "finditer" => Value::from_object(Match::new(&re, &found, &text)),
                    1 => group_text(&found, 0),
                    2 => group_text(&found, 1),
                    n => {
                        let groups: Vec<Value> = (1..n).map(|i| group_text(&found, i)).collect();
                        Value::from(Tuple::from(groups))
                    }
                });
            }
            Ok(list(out))
        }
        "sub" | "subn" => {
            let (replacement, text) = (args.text(1, "repl")?, args.text(2, "string")?);
            let limit = args.get(3, "count").and_then(Value::as_usize).unwrap_or(0);
            let re = compile(&pattern.text, pattern.flags_with(args, 4), "", "")?;
            let times =
                re.find_iter(&text).take(if limit == 0 { usize::MAX } else { limit }).count();
            let new = Value::from(
                re.replacen(&text, limit, python_replacement(&replacement).as_str()).into_owned(),
            );
            Ok(if method == "sub" {
                new
            } else {
                Value::from(Tuple::from(vec![new, Value::from(times)]))
            })
        }
        _ => {
            let text = args.text(1, "string")?;
            let limit = args.get(2, "maxsplit").and_then(Value::as_usize).unwrap_or(0);
            let re = compile(&pattern.text, pattern.flags_with(args, 3), "", "")?;
            let (mut out, mut from) = (Vec::new(), 0);
            for found in
                re.captures_iter(text.as_str()).take(if limit == 0 { usize::MAX } else { limit })
            {
                let found = found.map_err(match_error)?;
                let Some(whole) = found.get(0) else { continue };
                out.push(Value::from(&text[from..whole.start()]));
                out.extend((1..found.len()).map(|i| {
                    found.get(i).map_or_else(super::none, |group| Value::from(group.as_str()))
                }));
                from = whole.end();
            }
            out.push(Value::from(&text[from..]));
            Ok(list(out))
        }
    }
}

/// The text of a group; empty if it did not participate in the match.
fn group_text(found: &Captures<'_, str>, group: usize) -> Value {
    Value::from(found.get(group).map_or("", |m| m.as_str()))
}

/// Escapes the same characters as Python.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Converts `\1` and `\g<name>` to this engine's syntax, and escapes dollars.
fn python_replacement(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(d) if d.is_ascii_digit() => out.push_str(&format!("${{{d}}}")),
                Some('g') if chars.peek() == Some(&'<') => {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                    out.push_str(&format!("${{{name}}}"));
                }
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

#[derive(Debug)]
struct Pattern {
    text: String,
    flags: i64,
}

impl Pattern {
    /// The pattern in an argument, which is a compiled pattern or a text.
    fn of(given: &Value) -> Pattern {
        match given.downcast_object_ref::<Pattern>() {
            Some(compiled) => Pattern { text: compiled.text.clone(), flags: compiled.flags },
            None => Pattern { text: given.to_string(), flags: 0 },
        }
    }

    /// The pattern's own flags combined with those of a call.
    fn flags_with(&self, args: &Args, at: usize) -> i64 {
        self.flags | Flag::bits(args.get(at, "flags"))
    }

    /// The first match in the call's text, else none.
    fn find(&self, args: &Args, anchor: &str, end: &str) -> Result<Value, Error> {
        let text = args.text(1, "string")?;
        let re = compile(&self.text, self.flags_with(args, 2), anchor, end)?;
        let found = re.captures(text.as_str()).map_err(match_error)?;
        Ok(found
            .map_or_else(super::none, |found| Value::from_object(Match::new(&re, &found, &text))))
    }
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "pattern" => Some(Value::from(self.text.as_str())),
            // Python sets the flag `UNICODE` in all patterns of text.
            "flags" => Some(Value::from(self.flags | 32)),
            METHODS => Some(Value::from(FUNCTIONS.to_vec())),
            REPR => Some(Value::from(self.to_string())),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut args = Args::parse(args)?;
        let own = Value::from_object(Pattern { text: self.text.clone(), flags: self.flags });
        args.positional.insert(0, own);
        call_regex(method, &args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = python_repr(&Value::from(self.text.as_str())).map_err(|_| fmt::Error)?;
        let named = [(2, "IGNORECASE"), (8, "MULTILINE"), (16, "DOTALL"), (64, "VERBOSE")];
        let flags: Vec<String> = named
            .iter()
            .filter(|(bit, _)| self.flags & bit != 0)
            .map(|(_, name)| format!("re.{name}"))
            .collect();
        let flags = if flags.is_empty() { String::new() } else { format!(", {}", flags.join("|")) };
        write!(f, "re.compile({text}{flags})")
    }
}
