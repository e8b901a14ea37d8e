//! The rewrite of dbt's Jinja to what minijinja parses. Every change is an edit that maps back (see `Edits`).
//!
//! | written | becomes | why |
//! |---|---|---|
//! | `[1]`, `{'a': 1}` | `__l([1])`, `__d({'a': 1})` | Python's lists and dicts can be changed |
//! | `{% do x %}` | `{% do __do(x) %}` | minijinja wants a call |
//! | `{% print x %}` | `{{ x }}` | |
//! | `{% if x: %}` | `{% if x %}` | |
//! | `{{ a, b }}`, `{% set x = 1, 2 %}` | in parentheses | implicit tuples |
//! | `d[a, b]` | `d[(a, b)]` | |
//! | `'%s' % x` | `'%s'\|__fmt(x)` | minijinja's `%` is for numbers |
//! | `ref(x)` | `__at(offset, ref)(x)` | the call's position |
//! | `x + y` after `set` | `__m(x + y)` | a sum of lists can be changed |
//! | `t - timedelta(..)`, `(a - b).days` | `t\|__sub(timedelta(..))` | dates are objects, which have no operators |
//! | `+x`, NBSP | `x`, space | |

use super::blocks::{Segment, segments, tag_tail, tag_word};
use super::edits::{Edits, Rewriter};
use serde::{Deserialize, Serialize};

/// Functions that want to know where they are called.
const POSITIONAL: &[&str] = &["ref", "source", "config", "var", "env_var", "metric", "function", "doc"];

const KEYWORDS: &[&str] = &[
    "in",
    "if",
    "else",
    "elif",
    "and",
    "or",
    "not",
    "is",
    "set",
    "do",
    "call",
    "for",
    "include",
    "import",
    "from",
    "filter",
    "print",
    "return",
    "recursive",
    "with",
];

/// A call found in a text, for `depends_on.macros`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum CallName {
    Plain(String),
    Package(String, String),
    Dispatch(String, Option<String>),
}

/// The calls in a template's text.
pub(crate) fn calls_of(text: &str) -> Vec<CallName> {
    let mut calls = Vec::new();
    rewrite(text, 0, text.len(), &mut calls);
    calls
}

/// Rewrites `text[from..to]`. Calls found are added to `calls`.
pub(crate) fn rewrite(text: &str, from: usize, to: usize, calls: &mut Vec<CallName>) -> (String, Edits) {
    let mut pass = Pass { text, rw: Rewriter::new(text, from, to - from), calls, sites: true };
    pass.body(from, to);
    pass.rw.finish(to)
}

/// Rewrites an expression that stands alone (a YAML value). Calls carry no positions.
pub(crate) fn rewrite_expression(text: &str) -> String {
    let mut calls = Vec::new();
    let mut pass = Pass { text, rw: Rewriter::new(text, 0, text.len()), calls: &mut calls, sites: false };
    pass.expression(0, text.len());
    pass.rw.finish(text.len()).0
}

/// Rewrites a whole template outside of any file (a YAML value). Calls carry no positions.
pub(super) fn rewrite_detached(text: &str) -> (String, Edits) {
    let mut calls = Vec::new();
    let mut pass = Pass { text, rw: Rewriter::new(text, 0, text.len()), calls: &mut calls, sites: false };
    pass.body(0, text.len());
    pass.rw.finish(text.len())
}

pub(super) struct Pass<'a, 'c> {
    pub(super) text: &'a str,
    pub(super) rw: Rewriter<'a>,
    pub(super) calls: &'c mut Vec<CallName>,
    pub(super) sites: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Prev {
    Start,
    Op,
    Name,
    Value,
}

#[derive(Clone, Copy)]
enum Close {
    /// A literal that was wrapped: `)` follows its bracket.
    Wrapped,
    /// A subscript with a tuple: `)` precedes its bracket.
    Tuple,
    Plain,
}

impl Pass<'_, '_> {
    pub(super) fn body(&mut self, from: usize, to: usize) {
        for segment in segments(self.text, from, to) {
            match segment {
                Segment::Print(start, end) => {
                    let begin = inside(self.text, start, end);
                    let tail = tag_tail(self.text, start, end).max(begin);
                    self.maybe_tuple(begin, tail);
                }
                Segment::Tag(start, end) => self.tag(start, end),
                Segment::Text | Segment::Comment => {}
            }
        }
    }

    fn tag(&mut self, start: usize, end: usize) {
        let (word, at) = tag_word(self.text, start, end);
        let after = at + word.len();
        let tail = tag_tail(self.text, start, end).max(after);
        match word {
            "do" => {
                self.rw.insert(after, " __do(");
                self.expression(after, tail);
                self.rw.insert(tail, ")");
            }
            "print" => {
                self.rw.replace(start + 1, start + 2, "{");
                self.rw.replace(at, after, "");
                self.maybe_tuple(after, tail);
                self.rw.replace(end - 2, end - 1, "}");
            }
            "if" | "elif" | "else" | "for" => {
                let body = self.text[after..tail].trim_end();
                let body_end = after + body.len();
                if body.ends_with(':') {
                    self.expression(after, body_end - 1);
                    self.rw.replace(body_end - 1, body_end, " ");
                } else if word == "for" {
                    self.loop_header(after, tail);
                } else {
                    self.expression(after, tail);
                }
            }
            "set" => self.set(after, tail),
            "raw" | "endraw" => {}
            _ => self.expression(after, tail),
        }
    }

    /// `for x in 1, 2`: the sequence may be an implicit tuple.
    fn loop_header(&mut self, from: usize, to: usize) {
        match find_word(self.text, from, to, "in") {
            Some(at) => {
                self.expression(from, at);
                let rest = at + 2;
                // A filter (`for x in y if z`) or `recursive` ends the sequence.
                let stop =
                    ["if", "recursive"].iter().filter_map(|w| find_word(self.text, rest, to, w)).min().unwrap_or(to);
                self.maybe_tuple(rest, stop);
                self.expression(stop, to);
            }
            None => self.expression(from, to),
        }
    }

    fn set(&mut self, from: usize, to: usize) {
        let Some(eq) = top_level(self.text.as_bytes(), from, to, |b, i| b[i] == b'=' && b.get(i + 1) != Some(&b'='))
        else {
            // A block: `{% set x %}...{% endset %}`, perhaps with filters.
            self.expression(from, to);
            return;
        };
        self.expression(from, eq);
        let begin = eq + 1;
        let sum = top_level(self.text.as_bytes(), begin, to, |b, i| b[i] == b'+').is_some();
        if sum {
            self.rw.insert(begin, " __m(");
        }
        self.maybe_tuple(begin, to);
        if sum {
            self.rw.insert(to, ")");
        }
    }

    /// An expression that is a tuple when it has a comma outside of brackets.
    fn maybe_tuple(&mut self, from: usize, to: usize) {
        let comma = top_level(self.text.as_bytes(), from, to, |b, i| b[i] == b',').is_some();
        if comma {
            self.rw.insert(from, " (");
        }
        self.expression(from, to);
        if comma {
            self.rw.insert(to, ")");
        }
    }

    pub(super) fn expression(&mut self, from: usize, to: usize) {
        let text = self.text;
        let b = &text.as_bytes()[..to];
        let mut stack: Vec<Close> = Vec::new();
        let mut prev = Prev::Start;
        let mut i = from;
        while i < to {
            let c = b[i];
            match c {
                b'\'' | b'"' => {
                    i = string_end(b, i);
                    prev = Prev::Value;
                    i = self.percent(i, to);
                    continue;
                }
                b'[' | b'{' => {
                    let literal = !matches!(prev, Prev::Value | Prev::Name);
                    if literal {
                        self.rw.insert(i, if c == b'[' { " __l(" } else { " __d(" });
                        stack.push(Close::Wrapped);
                    } else if c == b'[' && has_tuple_subscript(b, i) {
                        self.rw.replace(i, i + 1, "[(");
                        stack.push(Close::Tuple);
                    } else {
                        stack.push(Close::Plain);
                    }
                    prev = Prev::Op;
                }
                b'(' => {
                    stack.push(Close::Plain);
                    prev = Prev::Op;
                    if let Some(minus) = date_difference(b, i) {
                        self.rw.copy_to(i + 1);
                        self.expression(i + 1, minus);
                        i = self.date_operand(minus, "__sub", to);
                        prev = Prev::Value;
                        continue;
                    }
                }
                b'+' | b'-' if matches!(prev, Prev::Value | Prev::Name) && duration_follows(b, i + 1) => {
                    i = self.date_operand(i, if c == b'+' { "__add" } else { "__sub" }, to);
                    prev = Prev::Value;
                    continue;
                }
                b']' | b'}' | b')' => {
                    match stack.pop() {
                        Some(Close::Wrapped) => self.rw.insert(i + 1, ")"),
                        Some(Close::Tuple) => self.rw.replace(i, i + 1, ")]"),
                        Some(Close::Plain) | None => {}
                    }
                    prev = Prev::Value;
                }
                b'+' if !matches!(prev, Prev::Value | Prev::Name) => self.rw.replace(i, i + 1, " "),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                    let word_at = i;
                    while i < to && (b[i].is_ascii_alphanumeric() || b[i] == b'_') {
                        i += 1;
                    }
                    let word = &text[word_at..i];
                    let attribute = word_at > from && b[..word_at].trim_ascii_end().ends_with(b".");
                    if !attribute && KEYWORDS.contains(&word) {
                        prev = Prev::Op;
                    } else {
                        self.name(word, word_at, i, attribute);
                        prev = Prev::Name;
                    }
                    continue;
                }
                b'0'..=b'9' => {
                    while i < to && (b[i].is_ascii_alphanumeric() || b[i] == b'_') {
                        i += 1;
                    }
                    prev = Prev::Value;
                    continue;
                }
                c if c.is_ascii_whitespace() => {}
                c if c >= 0x80 => {
                    let ch = text[i..].chars().next().unwrap_or(' ');
                    let len = ch.len_utf8();
                    if ch.is_whitespace() || ch == '\u{feff}' {
                        self.rw.replace(i, i + len, " ");
                    }
                    i += len;
                    continue;
                }
                _ => prev = Prev::Op,
            }
            i += 1;
        }
    }

    /// Notes a call, and marks the position of one that wants it.
    fn name(&mut self, word: &str, at: usize, end: usize, attribute: bool) {
        let b = self.text.as_bytes();
        let open = end + b[end..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        if b.get(open) != Some(&b'(') {
            return;
        }
        if !attribute {
            if self.sites && POSITIONAL.contains(&word) {
                self.rw.replace(at, end, &format!("__at({at}, {word})"));
            }
            self.calls.push(CallName::Plain(word.to_owned()));
            return;
        }
        let before = self.text[..at].trim_end().trim_end_matches('.').trim_end();
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |i| i + 1);
        // `a.b.c()` is a method of a value, not a macro of a package.
        if before[start..].is_empty() || before[..start].trim_end().ends_with('.') {
            return;
        }
        let package = &before[start..];
        if (package, word) == ("adapter", "dispatch") {
            self.calls.extend(dispatch_call(&self.text[open + 1..]));
        } else {
            self.calls.push(CallName::Package(package.to_owned(), word.to_owned()));
        }
    }

    /// The operator at `at` and its right operand become a filter. Returns where to go on.
    fn date_operand(&mut self, at: usize, filter: &str, to: usize) -> usize {
        let b = &self.text.as_bytes()[..to];
        let begin = at + 1 + b[at + 1..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        let end = operand_end(b, begin);
        self.rw.replace(at, at + 1, &format!("|{filter}("));
        self.expression(begin, end);
        self.rw.insert(end, ")");
        end
    }

    /// Behind a string literal: `% x` becomes a filter. Returns where to go on.
    fn percent(&mut self, i: usize, to: usize) -> usize {
        let b = &self.text.as_bytes()[..to];
        let at = i + b[i..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        if b.get(at) != Some(&b'%') {
            return i;
        }
        let begin = at + 1 + b[at + 1..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        let end = operand_end(b, begin);
        self.rw.replace(at, at + 1, "|__fmt(");
        self.expression(begin, end);
        self.rw.insert(end, ")");
        end
    }
}

/// Whether a duration is what follows: `modules.datetime.timedelta(...)`.
fn duration_follows(b: &[u8], at: usize) -> bool {
    let rest = b[at..].trim_ascii_start();
    ["modules.datetime.timedelta", "datetime.timedelta", "timedelta("].iter().any(|w| rest.starts_with(w.as_bytes()))
}

/// The minus in `(a - b).days` and the like, whose parenthesis opens at `open`.
fn date_difference(b: &[u8], open: usize) -> Option<usize> {
    let close = operand_end(b, open).min(b.len());
    // `operand_end` runs on over attributes: the bracket itself ends where its depth is back at zero.
    let mut depth = 0i32;
    let mut end = open;
    for (i, c) in b.iter().enumerate().take(close).skip(open) {
        match c {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            end = i;
            break;
        }
    }
    let rest = &b[(end + 1).min(b.len())..];
    let wanted = [".days", ".seconds", ".total_seconds"].iter().any(|w| rest.starts_with(w.as_bytes()));
    if !wanted {
        return None;
    }
    top_level(b, open + 1, end, |b, i| b[i] == b'-')
}

/// The literal arguments of `adapter.dispatch('name', 'namespace')`.
fn dispatch_call(args: &str) -> Option<CallName> {
    let literal = |text: &str| -> Option<(String, usize)> {
        let lead = text.len() - text.trim_start().len();
        let quote = text[lead..].chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let end = text[lead + 1..].find(quote)?;
        Some((text[lead + 1..lead + 1 + end].to_owned(), lead + end + 2))
    };
    let skip = |text: &str, key: &str| -> usize {
        let lead = text.len() - text.trim_start().len();
        let Some(rest) = text[lead..].strip_prefix(key) else { return 0 };
        let trimmed = rest.trim_start();
        if trimmed.starts_with('=') { text.len() - trimmed.len() + 1 } else { 0 }
    };
    let from = skip(args, "macro_name");
    let (name, end) = literal(&args[from..])?;
    let rest = args[from + end..].trim_start();
    let namespace = rest.strip_prefix(',').and_then(|rest| {
        let from = skip(rest, "macro_namespace");
        literal(&rest[from..]).map(|(ns, _)| ns)
    });
    Some(CallName::Dispatch(name, namespace))
}

fn inside(text: &str, start: usize, end: usize) -> usize {
    let begin = (start + 2).min(end);
    if matches!(text.as_bytes().get(begin), Some(b'-' | b'+')) && begin + 2 < end { begin + 1 } else { begin }
}

/// The byte behind a string literal that begins at `i`.
fn string_end(b: &[u8], i: usize) -> usize {
    let quote = b[i];
    let mut j = i + 1;
    while j < b.len() && b[j] != quote {
        j += if b[j] == b'\\' { 2 } else { 1 };
    }
    (j + 1).min(b.len())
}

/// The first byte outside of brackets and strings for which `hit` holds.
fn top_level(b: &[u8], from: usize, to: usize, hit: impl Fn(&[u8], usize) -> bool) -> Option<usize> {
    let (mut i, mut depth) = (from, 0i32);
    while i < to {
        match b[i] {
            b'\'' | b'"' => {
                i = string_end(&b[..to], i);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            // `==`, `!=`, `<=`, `>=` are no assignment.
            b'=' | b'!' | b'<' | b'>' if b.get(i + 1) == Some(&b'=') => {
                i += 2;
                continue;
            }
            _ => {}
        }
        if depth == 0 && hit(b, i) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// A whole word outside of brackets and strings.
fn find_word(text: &str, from: usize, to: usize, word: &str) -> Option<usize> {
    let wordy = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_';
    top_level(text.as_bytes(), from, to, |b, i| {
        b[i..to].starts_with(word.as_bytes())
            && (i == from || !b.get(i.wrapping_sub(1)).is_some_and(wordy))
            && !b[..to].get(i + word.len()).is_some_and(wordy)
    })
}

fn has_tuple_subscript(b: &[u8], open: usize) -> bool {
    let (mut i, mut depth) = (open + 1, 0i32);
    while i < b.len() {
        match b[i] {
            b'\'' | b'"' => {
                i = string_end(b, i);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return false,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => return true,
            _ => {}
        }
        i += 1;
    }
    false
}

/// The end of one operand: a name, literal or bracket with its attributes, subscripts and calls.
fn operand_end(b: &[u8], from: usize) -> usize {
    let mut i = from;
    let wordy = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    if i < b.len() && matches!(b[i], b'\'' | b'"') {
        i = string_end(b, i);
    }
    while i < b.len() {
        match b[i] {
            b'(' | b'[' | b'{' => {
                let mut depth = 0i32;
                while i < b.len() {
                    match b[i] {
                        b'\'' | b'"' => {
                            i = string_end(b, i);
                            continue;
                        }
                        b'(' | b'[' | b'{' => depth += 1,
                        b')' | b']' | b'}' => depth -= 1,
                        _ => {}
                    }
                    i += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            c if wordy(c) || c == b'.' => i += 1,
            _ => break,
        }
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rw(text: &str) -> String {
        rewrite(text, 0, text.len(), &mut Vec::new()).0
    }

    #[test]
    fn literals_become_mutable() {
        assert_eq!(rw("{% set x = [] %}"), "{% set x =  __l([]) %}");
        assert_eq!(rw("{{ f({'a': [1]})['b'] }}"), "{{ f( __d({'a':  __l([1])}))['b'] }}");
        assert_eq!(rw("{{ d[a, b] }}"), "{{ d[(a, b)] }}");
    }

    #[test]
    fn statements() {
        assert_eq!(rw("{%- do xs.append(1) -%}"), "{%- do __do( xs.append(1) )-%}");
        assert_eq!(rw("{% if x: %}"), "{% if x  %}");
        assert_eq!(rw("{%- print x -%}"), "{{-  x -}}");
        assert_eq!(rw("{% set a = 1, 2 %}"), "{% set a = ( 1, 2 )%}");
        assert_eq!(rw("{% set a = b + [1] %}"), "{% set a = __m( b +  __l([1]) )%}");
        assert_eq!(rw("{% for i in 1, 2 if i %}"), "{% for i in ( 1, 2 )if i %}");
        assert_eq!(rw("{% raw %}{{ [1] }}{% endraw %}"), "{% raw %}{{ [1] }}{% endraw %}");
    }

    #[test]
    fn formatting_and_signs() {
        assert_eq!(rw("{{ '%s-%s' % (a, b.c(1)) }}"), "{{ '%s-%s' |__fmt( (a, b.c(1))) }}");
        assert_eq!(rw("{{ x % 2 }}"), "{{ x % 2 }}");
        assert_eq!(rw("{{ (+1) + 2 }}"), "{{ ( 1) + 2 }}");
        assert_eq!(rw("{{\u{a0}x }}"), "{{ x }}");
        assert_eq!(
            rw("{{ (t - modules.datetime.timedelta(days=1)).x }}"),
            "{{ (t |__sub( modules.datetime.timedelta(days=1))).x }}"
        );
        assert_eq!(rw("{{ (b(1) - a).days - 1 }}"), "{{ (b(1) |__sub( a)).days - 1 }}");
    }

    #[test]
    fn calls_have_positions_and_names() {
        let mut calls = Vec::new();
        let text =
            "{{ ref(var('x')) }}{{ dbt_utils.star(ref('y')) }}{{ adapter.dispatch('m', 'p')() }}{{ config.get('a') }}";
        let (out, _) = rewrite(text, 0, text.len(), &mut calls);
        assert!(out.starts_with("{{ __at(3, ref)(__at(7, var)('x')) }}"), "{out}");
        assert!(calls.contains(&CallName::Package("dbt_utils".into(), "star".into())));
        assert!(calls.contains(&CallName::Dispatch("m".into(), Some("p".into()))));
        assert!(out.contains("config.get('a')"));
    }
}
