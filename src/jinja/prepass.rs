//! The rewrite of dbt's Jinja to what minijinja parses. Every change is an edit that maps back (see
//! `Edits`).
//!
//! | written | becomes | why |
//! |---|---|---|
//! | `[1]`, `{'a': 1}` | `__l([1])`, `__d({'a': 1})` | Python's lists and dicts can be changed |
//! | `x + y`, `x < y`, `-x`, ... | `__add(x, y)`, `__lt(x, y)`, `__neg(x)` | Python's operators know decimals, dates, lists |
//! | `x.y`, `x[y]`, `x[1:2]` | `__attr(x, 'y')`, `__item(x, y)`, `__slice(x, 1, 2)` | methods are values; `-1`; lists stay lists |
//! | `f(x)`, `x.m(y)` | `__c(f, 'f')(x)`, `__meth(x, 'm')(y)` | errors name what is undefined |
//! | `ref(x)` | `__at(offset, ref, 'ref')(x)` | the call's position |
//! | `{% do x %}` | `{% do __do(x) %}` | minijinja wants a call |
//! | `{% print x %}` | `{{ x }}` | |
//! | `{% if x: %}` | `{% if x %}` | |
//! | `{{ a, b }}`, `{% set x = 1, 2 %}` | in parentheses | implicit tuples |
//! | `+x`, NBSP | `x`, space | |
//!
//! Expressions are rewritten by `expressions.rs`.

use super::blocks::{Segment, split_segments, tag_tail, tag_word};
use super::edits::{Edits, Rewriter};
use super::expressions::rewrite_expressions;
use serde::{Deserialize, Serialize};

/// Functions that need the position of their call.
pub(super) const POSITIONAL: &[&str] =
    &["ref", "source", "config", "var", "env_var", "metric", "function", "doc"];

/// The maximum number of `elif` in a template, since minijinja nests them.
const ELIFS: usize = 500;

/// A call in a text, for `depends_on.macros`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum CallName {
    Plain(String),
    Package(String, String),
    Dispatch(String, Option<String>),
}

pub(crate) fn calls_of(text: &str) -> Vec<CallName> {
    let mut calls = Vec::new();
    rewrite_template(text, 0, text.len(), &mut calls);
    calls
}

/// Rewrites `text[from..to]`, and appends the calls in it to `calls`.
pub(crate) fn rewrite_template(
    text: &str,
    from: usize,
    to: usize,
    calls: &mut Vec<CallName>,
) -> (String, Edits) {
    let mut pass = TemplateRewriter::new(text, Rewriter::new(text, from, to - from), calls, true);
    pass.body(from, to);
    pass.rw.finish(to)
}

/// Rewrites an expression that is not part of a file, such as a YAML value. Calls carry no
/// positions.
pub(crate) fn rewrite_expression(text: &str) -> String {
    let mut calls = Vec::new();
    let mut pass =
        TemplateRewriter::new(text, Rewriter::new(text, 0, text.len()), &mut calls, false);
    pass.maybe_tuple(0, text.len());
    pass.rw.finish(text.len()).0
}

/// Rewrites a template that is not part of a file, such as a YAML value. Calls carry no positions.
pub(super) fn rewrite_detached(text: &str) -> (String, Edits) {
    let mut calls = Vec::new();
    let mut pass =
        TemplateRewriter::new(text, Rewriter::new(text, 0, text.len()), &mut calls, false);
    pass.body(0, text.len());
    pass.rw.finish(text.len())
}

pub(super) struct TemplateRewriter<'a, 'c> {
    pub(super) text: &'a str,
    pub(super) rw: Rewriter<'a>,
    pub(super) calls: &'c mut Vec<CallName>,
    pub(super) sites: bool,
    elifs: usize,
}

impl<'a, 'c> TemplateRewriter<'a, 'c> {
    pub(super) fn new(
        text: &'a str,
        rw: Rewriter<'a>,
        calls: &'c mut Vec<CallName>,
        sites: bool,
    ) -> TemplateRewriter<'a, 'c> {
        TemplateRewriter { text, rw, calls, sites, elifs: 0 }
    }

    pub(super) fn body(&mut self, from: usize, to: usize) {
        for segment in split_segments(self.text, from, to) {
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
            "print" if self.text[..end].ends_with("%}") => {
                self.rw.replace(start + 1, start + 2, "{");
                self.rw.replace(at, after, "");
                self.maybe_tuple(after, tail);
                self.rw.replace(end - 2, end - 1, "}");
            }
            "if" | "elif" | "else" | "for" => {
                let body = self.text[after..tail].trim_end();
                let body_end = after + body.len();
                self.elifs += usize::from(word == "elif");
                if self.elifs > ELIFS && word == "elif" {
                    self.rw.replace(after, tail, " __too_deep() ");
                } else if body.ends_with(':') {
                    self.expression(after, body_end - 1);
                    self.rw.replace(body_end - 1, body_end, " ");
                } else if word == "for" {
                    self.loop_header(after, tail);
                } else {
                    self.expression(after, tail);
                }
            }
            "set" => self.set(after, tail),
            // `filter` is followed by filters, not by an expression.
            "raw" | "endraw" | "filter" => {}
            _ => self.expression(after, tail),
        }
    }

    /// `for x in 1, 2`: the sequence may be an implicit tuple.
    fn loop_header(&mut self, from: usize, to: usize) {
        match find_word(self.text, from, to, "in") {
            Some(at) => {
                // The loop variables before `in` are not an expression.
                let rest = at + 2;
                // A condition (`for x in y if z`) or `recursive` ends the sequence.
                let stop = ["if", "recursive"]
                    .iter()
                    .filter_map(|w| find_word(self.text, rest, to, w))
                    .min()
                    .unwrap_or(to);
                self.rw.insert(rest, " __iter(");
                self.maybe_tuple(rest, stop);
                self.rw.insert(stop, ") ");
                self.expression(stop, to);
            }
            None => self.expression(from, to),
        }
    }

    fn set(&mut self, from: usize, to: usize) {
        let Some(eq) = top_level(self.text.as_bytes(), from, to, |b, i| {
            b[i] == b'=' && b.get(i + 1) != Some(&b'=')
        }) else {
            // A block: `{% set x %}...{% endset %}`, which may have filters.
            self.expression(from, to);
            return;
        };
        // The variables before `=` are not an expression.
        self.maybe_tuple(eq + 1, to);
    }

    /// Rewrites an expression that is an implicit tuple if it has a comma outside of brackets.
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
        let rw = &mut self.rw;
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        let too_deep = rewrite_expressions(
            self.text,
            (from, to),
            self.calls,
            self.sites,
            &mut |at: usize, len: usize, text: &str| edits.push((at, len, text.to_owned())),
        );
        if too_deep.is_some() {
            rw.replace(from, to, " __too_deep() ");
            return;
        }
        for (at, len, text) in edits {
            rw.replace(at, at + len, &text);
        }
    }
}

/// The call in `adapter.dispatch('name', 'namespace')`; `None` unless the name is a literal.
pub(super) fn dispatch_call(args: &str) -> Option<CallName> {
    let from = keyword_end(args, "macro_name");
    let (name, end) = leading_literal(&args[from..])?;
    let rest = args[from + end..].trim_start();
    let namespace = rest.strip_prefix(',').and_then(|rest| {
        let from = keyword_end(rest, "macro_namespace");
        leading_literal(&rest[from..]).map(|(ns, _)| ns)
    });
    Some(CallName::Dispatch(name, namespace))
}

/// The string literal at the start of a text, and the offset of its end.
fn leading_literal(text: &str) -> Option<(String, usize)> {
    let lead = text.len() - text.trim_start().len();
    let quote = text[lead..].chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let end = text[lead + 1..].find(quote)?;
    Some((text[lead + 1..lead + 1 + end].to_owned(), lead + end + 2))
}

/// The offset after `key =` at the start of a text; 0 if the text begins with something else.
fn keyword_end(text: &str, key: &str) -> usize {
    let lead = text.len() - text.trim_start().len();
    let Some(rest) = text[lead..].strip_prefix(key) else { return 0 };
    let trimmed = rest.trim_start();
    if trimmed.starts_with('=') { text.len() - trimmed.len() + 1 } else { 0 }
}

fn inside(text: &str, start: usize, end: usize) -> usize {
    let begin = (start + 2).min(end);
    if matches!(text.as_bytes().get(begin), Some(b'-' | b'+')) && begin + 2 < end {
        begin + 1
    } else {
        begin
    }
}

/// The offset after the string literal that begins at `i`.
pub(super) fn string_end(b: &[u8], i: usize) -> usize {
    let quote = b[i];
    let mut j = i + 1;
    while j < b.len() && b[j] != quote {
        j += if b[j] == b'\\' { 2 } else { 1 };
    }
    (j + 1).min(b.len())
}

/// The first offset outside of brackets and strings for which `hit` holds.
fn top_level(
    b: &[u8],
    from: usize,
    to: usize,
    hit: impl Fn(&[u8], usize) -> bool,
) -> Option<usize> {
    let (mut i, mut depth) = (from, 0i32);
    while i < to {
        match b[i] {
            b'\'' | b'"' => {
                i = string_end(&b[..to], i);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            // These operators are not assignments.
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

/// The offset of a whole word outside of brackets and strings.
fn find_word(text: &str, from: usize, to: usize, word: &str) -> Option<usize> {
    top_level(text.as_bytes(), from, to, |b, i| {
        b[i..to].starts_with(word.as_bytes())
            && (i == from || !b.get(i.wrapping_sub(1)).is_some_and(is_word_byte))
            && !b[..to].get(i + word.len()).is_some_and(is_word_byte)
    })
}

fn is_word_byte(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || *b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rw(text: &str) -> String {
        rewrite_template(text, 0, text.len(), &mut Vec::new()).0
    }

    #[test]
    fn literals_become_mutable() {
        assert_eq!(rw("{% set x = [] %}"), "{% set x =  __l([]) %}");
        assert_eq!(
            rw("{{ f({'a': [1]})['b'] }}"),
            "{{ __item(__c(f, 'f')( __d({'a':  __l([1])})), 'b') }}"
        );
        assert_eq!(rw("{{ d[a, b] }}"), "{{ __item(d, (a, b)) }}");
        assert_eq!(
            rw("{{ x[1:] }}{{ x[::2] }}"),
            "{{ __slice(x, 1, none) }}{{ __slice(x, none, none, 2) }}"
        );
    }

    #[test]
    fn statements() {
        assert_eq!(rw("{%- do xs.append(1) -%}"), "{%- do __do( __meth(xs, 'append')(1) )-%}");
        assert_eq!(rw("{% if x: %}"), "{% if x  %}");
        assert_eq!(rw("{%- print x -%}"), "{{-  x -}}");
        assert_eq!(rw("{% set a = 1, 2 %}"), "{% set a = ( 1, 2 )%}");
        assert_eq!(rw("{% set n.a = b + [1] %}"), "{% set n.a = __add(b ,  __l([1])) %}");
        assert_eq!(rw("{% for i, j in 1, 2 if i %}"), "{% for i, j in __iter( ( 1, 2 )) if i %}");
        assert_eq!(rw("{% raw %}{{ [1] }}{% endraw %}"), "{% raw %}{{ [1] }}{% endraw %}");
        assert_eq!(rw("{%- do é %}"), "{%- do __do( é )%}");
    }

    #[test]
    fn operators_are_calls() {
        assert_eq!(rw("{{ '%s-%s' % (a, b.c) }}"), "{{ __mod('%s-%s' , (a, __attr(b, 'c'))) }}");
        assert_eq!(rw("{{ a + b * -c }}"), "{{ __add(a , __mul(b , __neg(c))) }}");
        assert_eq!(rw("{{ a - b - 1 }}"), "{{ __fold(a , 'sub',  b , 'sub',  1) }}");
        assert_eq!(
            rw("{{ 1 < a <= 2 }}{{ a not in b }}"),
            "{{ __chain(1 , 'lt',  a , 'le',  2) }}{{ __not_in(a , b) }}"
        );
        assert_eq!(rw("{{ (+1) ~ -2|abs }}"), "{{ __cat(( 1) , -2|abs) }}");
        assert_eq!(
            rw("{{ a if not b == 1 else c and d }}"),
            "{{ a if not __eq(b , 1) else c and d }}"
        );
        assert_eq!(
            rw("{{ x is divisibleby 3 or y is not none }}"),
            "{{ x is divisibleby (3) or y is not none }}"
        );
        assert_eq!(rw("{{\u{a0}x }}"), "{{ x }}");
        assert_eq!(
            rw("{{ (b(1) - a).days }}"),
            "{{ __attr((__sub(__c(b, 'b')(1) , a)), 'days') }}"
        );
    }

    #[test]
    fn what_is_no_expression_stays() {
        assert_eq!(rw("{{ a + }}"), "{{ a + }}");
        assert_eq!(rw("{{ a b }}"), "{{ a b }}");
        assert_eq!(rw("{{ x[ }}"), "{{ x[ }}");
    }

    #[test]
    fn what_is_nested_too_deep_is_cut() {
        let deep = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(rw(&deep), "{{ __too_deep() }}");
        for link in ["|f", " and 1", "[0]", ".a"] {
            assert_eq!(
                rw(&format!("{{{{ x{} }}}}", link.repeat(100_000))),
                "{{ __too_deep() }}",
                "{link}"
            );
        }
        let sum = format!("{{{{ 1{} }}}}", " + 1".repeat(2000));
        assert!(rw(&sum).starts_with("{{ __fold(1 , 'add',  1"));
    }

    #[test]
    fn calls_have_positions_and_names() {
        let mut calls = Vec::new();
        let text = "{{ ref(var('x')) }}{{ dbt_utils.star(ref('y')) }}{{ adapter.dispatch('m', 'p')() }}{{ config.get('a') }}";
        let (out, _) = rewrite_template(text, 0, text.len(), &mut calls);
        assert!(out.starts_with("{{ __at(3, ref, 'ref')(__at(7, var, 'var')('x')) }}"), "{out}");
        assert!(calls.contains(&CallName::Package("dbt_utils".into(), "star".into())));
        assert!(calls.contains(&CallName::Dispatch("m".into(), Some("p".into()))));
        assert!(out.contains("__meth(config, 'get')('a')"));
    }
}
