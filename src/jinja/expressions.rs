//! Parses expressions as Jinja2 does, and rewrites them to function calls.
//!
//! In: a range of a template. Out: edits that turn operators, attributes, subscripts and calls into
//! calls of the engine's own functions (`operators.rs`), which do what Python does with lists,
//! decimals, dates and undefined values. minijinja handles the rest: names, literals, calls,
//! filters, tests, `and`, `or`, `not` and conditions. The grammar and its precedence are those of
//! Jinja2's `parser.py`. An expression that cannot be parsed is left as it is, so that minijinja
//! reports the error. Must not know: values.

use super::prepass::{CallName, POSITIONAL, dispatch_call, string_end};

/// An edit of the text. At the same offset, edits that close an expression come before those that
/// open one.
struct Mark {
    at: usize,
    len: usize,
    class: Class,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Inserted after an expression that ends here; innermost expressions first.
    Close(usize),
    /// Inserted before an expression that begins here; outermost expressions first.
    Open(std::cmp::Reverse<usize>),
    /// Replaces a token.
    Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Number,
    Text,
    Operator,
    /// White space that minijinja does not accept.
    Blank,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The range of a parsed expression.
#[derive(Clone, Copy)]
struct Read {
    start: usize,
    end: usize,
    /// Whether it is a number literal.
    literal: bool,
}

/// The maximum nesting of expressions. Deeper ones are refused, as in Python.
const DEPTH: usize = 120;

/// The maximum length of chains of `and`, `or` and filters.
const LENGTH: usize = 1000;

/// Names that minijinja itself handles when they are called.
const SPECIAL: [&str; 4] = ["caller", "loop", "super", "self"];

const OPERATORS: [&str; 28] = [
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[",
    "]", "{", "}", "|", ".", ",", ":", "!", ";", "@",
];

/// The reason why an expression was not parsed.
pub(super) enum Unread {
    /// It is not an expression, or one that is left to minijinja.
    Other,
    /// It is nested too deep at this offset.
    TooDeep(usize),
}

pub(super) struct ExpressionRewriter<'a, 'c> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    marks: Vec<Mark>,
    sequence: usize,
    calls: &'c mut Vec<CallName>,
    /// Whether calls carry their positions.
    sites: bool,
}

type Found = Result<Read, Unread>;

/// Parses all expressions in a range and calls `edit(at, len, text)` for each edit, in order.
/// Returns the offset at which one is nested too deep.
pub(super) fn rewrite_expressions(
    text: &str,
    (from, to): (usize, usize),
    calls: &mut Vec<CallName>,
    sites: bool,
    edit: &mut dyn FnMut(usize, usize, &str),
) -> Option<usize> {
    let mut reader = ExpressionRewriter {
        text,
        tokens: tokenize_range(text, from, to),
        next: 0,
        depth: 0,
        marks: Vec::new(),
        sequence: 0,
        calls,
        sites,
    };
    let mut too_deep = None;
    while reader.next < reader.tokens.len() {
        let (before, marks, calls) = (reader.next, reader.marks.len(), reader.calls.len());
        match reader.condition() {
            Ok(_) => {}
            Err(unread) => {
                reader.marks.truncate(marks);
                reader.calls.truncate(calls);
                reader.depth = 0;
                reader.next = before + 1;
                if let Unread::TooDeep(at) = unread {
                    too_deep.get_or_insert(at);
                    break;
                }
            }
        }
    }
    for token in reader.tokens.iter().filter(|t| t.kind == TokenKind::Blank) {
        let mark = Mark {
            at: token.start,
            len: token.end - token.start,
            class: Class::Token,
            text: " ".to_owned(),
        };
        reader.marks.push(mark);
    }
    let mut marks = reader.marks;
    marks.sort_by_key(|mark| (mark.at, mark.class));
    for mark in marks {
        edit(mark.at, mark.len, &mark.text);
    }
    too_deep
}

pub(super) fn tokenize_range(text: &str, from: usize, to: usize) -> Vec<Token> {
    let b = &text.as_bytes()[..to];
    let mut out = Vec::new();
    let mut i = from;
    while i < to {
        let start = i;
        let kind = match b[i] {
            c if c.is_ascii_whitespace() => {
                i += 1;
                continue;
            }
            b'\'' | b'"' => {
                i = string_end(b, i);
                TokenKind::Text
            }
            b'0'..=b'9' => {
                i = number_end(b, i);
                TokenKind::Number
            }
            c if c.is_ascii_alphabetic() || c == b'_' || c >= 0x80 => {
                let ch = text[i..].chars().next().unwrap_or(' ');
                if ch.is_whitespace() || ch == '\u{feff}' {
                    i += ch.len_utf8();
                    TokenKind::Blank
                } else {
                    let rest = &text[i..to];
                    let end = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
                    i += end.max(ch.len_utf8());
                    TokenKind::Name
                }
            }
            _ => {
                let operator = OPERATORS.iter().find(|op| b[i..].starts_with(op.as_bytes()));
                i += operator.map_or(1, |op| op.len());
                TokenKind::Operator
            }
        };
        out.push(Token { kind, start, end: i });
    }
    out
}

pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The end of a number, by Jinja2's `integer_re` and `float_re`.
fn number_end(b: &[u8], start: usize) -> usize {
    if b[start] == b'0' {
        let digits: Option<fn(&u8) -> bool> = match b.get(start + 1).map(u8::to_ascii_lowercase) {
            Some(b'x') => Some(u8::is_ascii_hexdigit),
            Some(b'o') => Some(|c| (b'0'..=b'7').contains(c)),
            Some(b'b') => Some(|c| matches!(c, b'0' | b'1')),
            _ => None,
        };
        if let Some(digits) = digits {
            return digits_end(b, start + 2, digits);
        }
    }
    let mut i = digits_end(b, start, u8::is_ascii_digit);
    if b.get(i) == Some(&b'.') && b.get(i + 1).is_some_and(u8::is_ascii_digit) {
        i = digits_end(b, i + 1, u8::is_ascii_digit);
    }
    if b.get(i).is_some_and(|c| matches!(c, b'e' | b'E')) {
        let sign = usize::from(b.get(i + 1).is_some_and(|c| matches!(c, b'+' | b'-')));
        if b.get(i + 1 + sign).is_some_and(u8::is_ascii_digit) {
            i = digits_end(b, i + 1 + sign, u8::is_ascii_digit);
        }
    }
    i
}

/// The argument for a bound that a slice leaves out.
fn absent_bound(is_written: bool) -> &'static str {
    if is_written { "" } else { "none" }
}

/// The end of a run of digits and underscores.
fn digits_end(b: &[u8], start: usize, is_digit: fn(&u8) -> bool) -> usize {
    let mut i = start;
    while b.get(i).is_some_and(|c| is_digit(c) || *c == b'_') {
        i += 1;
    }
    i
}

impl<'a> ExpressionRewriter<'a, '_> {
    fn peek(&self) -> Option<Token> {
        self.tokens[self.next..].iter().find(|t| t.kind != TokenKind::Blank).copied()
    }

    fn word(&self, token: Token) -> &'a str {
        &self.text[token.start..token.end]
    }

    /// The next token; empty if there is none or it is a string.
    fn ahead(&self) -> &'a str {
        self.peek().filter(|t| t.kind != TokenKind::Text).map_or("", |t| self.word(t))
    }

    fn take(&mut self) -> Option<Token> {
        while self.tokens.get(self.next).is_some_and(|t| t.kind == TokenKind::Blank) {
            self.next += 1;
        }
        let token = self.tokens.get(self.next).copied();
        self.next += usize::from(token.is_some());
        token
    }

    fn expect(&mut self, text: &str) -> Result<Token, Unread> {
        if self.ahead() == text { self.take().ok_or(Unread::Other) } else { Err(Unread::Other) }
    }

    fn open(&mut self, at: usize, text: String) {
        self.sequence += 1;
        self.marks.push(Mark {
            at,
            len: 0,
            class: Class::Open(std::cmp::Reverse(self.sequence)),
            text,
        });
    }

    fn close(&mut self, at: usize) {
        self.sequence += 1;
        self.marks.push(Mark {
            at,
            len: 0,
            class: Class::Close(self.sequence),
            text: ")".to_owned(),
        });
    }

    fn replace(&mut self, from: usize, to: usize, text: impl Into<String>) {
        self.marks.push(Mark { at: from, len: to - from, class: Class::Token, text: text.into() });
    }

    fn call(
        &mut self,
        function: &str,
        left: Read,
        (op_start, op_end): (usize, usize),
        right: Read,
    ) -> Read {
        self.open(left.start, format!("{function}("));
        self.replace(op_start, op_end, ",");
        self.close(right.end);
        Read { start: left.start, end: right.end, literal: false }
    }

    /// Counts a link of a chain, since minijinja nests them.
    fn lengthen(&self, length: &mut usize) -> Result<(), Unread> {
        *length += 1;
        if *length > LENGTH {
            Err(Unread::TooDeep(self.peek().map_or(0, |t| t.start)))
        } else {
            Ok(())
        }
    }

    fn condition(&mut self) -> Found {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Unread::TooDeep(self.peek().map_or(0, |t| t.start)));
        }
        let mut read = self.or()?;
        let mut length = LENGTH - DEPTH;
        while self.ahead() == "if" {
            self.lengthen(&mut length)?;
            self.take();
            read.end = self.or()?.end;
            read.literal = false;
            if self.ahead() == "else" {
                self.take();
                read.end = self.condition()?.end;
            }
        }
        self.depth -= 1;
        Ok(read)
    }

    fn or(&mut self) -> Found {
        let mut read = self.and()?;
        let mut length = 0;
        while self.ahead() == "or" {
            self.lengthen(&mut length)?;
            self.take();
            read = Read { end: self.and()?.end, literal: false, ..read };
        }
        Ok(read)
    }

    fn and(&mut self) -> Found {
        let mut read = self.not()?;
        let mut length = 0;
        while self.ahead() == "and" {
            self.lengthen(&mut length)?;
            self.take();
            read = Read { end: self.not()?.end, literal: false, ..read };
        }
        Ok(read)
    }

    fn not(&mut self) -> Found {
        let mut start = None;
        let mut length = LENGTH - DEPTH;
        while self.ahead() == "not" {
            self.lengthen(&mut length)?;
            let token = self.take().ok_or(Unread::Other)?;
            start.get_or_insert(token.start);
        }
        let read = self.comparison()?;
        Ok(match start {
            Some(start) => Read { start, literal: false, ..read },
            None => read,
        })
    }

    fn comparison(&mut self) -> Found {
        let left = self.sum()?;
        let mut rest: Vec<(&'static str, usize, usize)> = Vec::new();
        let mut end = left.end;
        loop {
            let name = match self.ahead() {
                "==" => "eq",
                "!=" => "ne",
                "<" => "lt",
                "<=" => "le",
                ">" => "gt",
                ">=" => "ge",
                "in" => "in",
                "not" if self.second() == "in" => "not_in",
                _ => break,
            };
            let first = self.take().ok_or(Unread::Other)?;
            let last = if name == "not_in" { self.take().ok_or(Unread::Other)? } else { first };
            rest.push((name, first.start, last.end));
            end = self.sum()?.end;
        }
        match rest.as_slice() {
            [] => return Ok(left),
            [(name, from, to)] => {
                self.open(left.start, format!("__{name}("));
                self.replace(*from, *to, ",");
            }
            many => {
                self.open(left.start, "__chain(".to_owned());
                for (name, from, to) in many {
                    self.replace(*from, *to, format!(", '{name}', "));
                }
            }
        }
        self.close(end);
        Ok(Read { start: left.start, end, literal: false })
    }

    /// The token after the next one; empty if there is none.
    fn second(&self) -> &'a str {
        let mut rest = self.tokens[self.next..].iter().filter(|t| t.kind != TokenKind::Blank);
        rest.nth(1).map_or("", |t| self.word(*t))
    }

    /// Parses operators of the same precedence, which associate to the left.
    fn operators(&mut self, functions: &[(&str, &str)], operand: fn(&mut Self) -> Found) -> Found {
        let left = operand(self)?;
        let mut rest: Vec<(&str, Token)> = Vec::new();
        let mut right = left;
        while let Some((_, function)) = functions.iter().find(|(op, _)| *op == self.ahead()) {
            rest.push((function, self.take().ok_or(Unread::Other)?));
            right = operand(self)?;
        }
        Ok(match rest.as_slice() {
            [] => left,
            [(function, op)] => self.call(function, left, (op.start, op.end), right),
            // A long sum becomes a single call instead of nested ones, which could overflow the
            // stack.
            many => {
                self.open(left.start, "__fold(".to_owned());
                for (function, op) in many {
                    self.replace(
                        op.start,
                        op.end,
                        format!(", '{}', ", function.trim_start_matches('_')),
                    );
                }
                self.close(right.end);
                Read { start: left.start, end: right.end, literal: false }
            }
        })
    }

    fn sum(&mut self) -> Found {
        self.operators(&[("+", "__add"), ("-", "__sub")], Self::concatenation)
    }

    fn concatenation(&mut self) -> Found {
        self.operators(&[("~", "__cat")], Self::product)
    }

    fn product(&mut self) -> Found {
        self.operators(
            &[("*", "__mul"), ("/", "__div"), ("//", "__floordiv"), ("%", "__mod")],
            Self::power,
        )
    }

    fn power(&mut self) -> Found {
        self.operators(&[("**", "__pow")], |reader| reader.unary(true))
    }

    /// A sign binds tighter than filters: `-x|abs` is `(-x)|abs`.
    fn unary(&mut self, with_filters: bool) -> Found {
        let sign = self.ahead();
        let mut read = if sign == "-" || sign == "+" {
            let token = self.take().ok_or(Unread::Other)?;
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(Unread::TooDeep(token.start));
            }
            let operand = self.unary(false)?;
            self.depth -= 1;
            match (sign, operand.literal) {
                ("-", true) => {}
                ("+", true) => self.replace(token.start, token.end, " "),
                _ => {
                    self.replace(
                        token.start,
                        token.end,
                        if sign == "-" { "__neg(" } else { "__pos(" },
                    );
                    self.close(operand.end);
                }
            }
            Read { start: token.start, end: operand.end, literal: false }
        } else {
            self.primary()?
        };
        read = self.postfix(read)?;
        if with_filters { self.filters(read) } else { Ok(read) }
    }

    fn primary(&mut self) -> Found {
        let token = self.take().ok_or(Unread::Other)?;
        let whole = Read { start: token.start, end: token.end, literal: false };
        match (token.kind, self.word(token)) {
            (TokenKind::Name, word) => {
                if matches!(
                    word,
                    "in" | "is" | "if" | "else" | "elif" | "and" | "or" | "not" | "recursive"
                ) {
                    return Err(Unread::Other);
                }
                if self.ahead() == "(" {
                    self.called_name(word, token);
                }
                Ok(whole)
            }
            (TokenKind::Number, word) => {
                // minijinja's integers are limited to 128 bits.
                if word.len() > 36 && word.bytes().all(|c| c.is_ascii_digit() || c == b'_') {
                    self.replace(
                        token.start,
                        token.end,
                        format!("__int('{}')", word.replace('_', "")),
                    );
                    return Ok(whole);
                }
                Ok(Read { literal: true, ..whole })
            }
            (TokenKind::Text, _) => self.texts(whole),
            (_, "(") => {
                let end = self.items(")")?;
                Ok(Read { end, ..whole })
            }
            (_, "[") => {
                self.open(token.start, " __l(".to_owned());
                let end = self.items("]")?;
                self.close(end);
                Ok(Read { end, ..whole })
            }
            (_, "{") => {
                self.open(token.start, " __d(".to_owned());
                let end = self.pairs()?;
                self.close(end);
                Ok(Read { end, ..whole })
            }
            _ => Err(Unread::Other),
        }
    }

    /// Adjacent string literals are concatenated.
    fn texts(&mut self, first: Read) -> Found {
        let mut read = first;
        while self.peek().is_some_and(|t| t.kind == TokenKind::Text) {
            let next = self.take().ok_or(Unread::Other)?;
            let right = Read { start: next.start, end: next.end, literal: false };
            read = self.call("__cat", read, (next.start, next.start), right);
        }
        Ok(read)
    }

    /// Parses expressions between commas up to a bracket. Returns the end of the bracket.
    fn items(&mut self, closing: &str) -> Result<usize, Unread> {
        loop {
            if self.ahead() == closing {
                return self.take().map(|t| t.end).ok_or(Unread::Other);
            }
            self.condition()?;
            if self.ahead() != closing {
                self.expect(",")?;
            }
        }
    }

    fn pairs(&mut self) -> Result<usize, Unread> {
        loop {
            if self.ahead() == "}" {
                return self.take().map(|t| t.end).ok_or(Unread::Other);
            }
            self.condition()?;
            self.expect(":")?;
            self.condition()?;
            if self.ahead() != "}" {
                self.expect(",")?;
            }
        }
    }

    /// Records a call by name. The call is rewritten so that an undefined name is reported with its
    /// name.
    fn called_name(&mut self, word: &str, token: Token) {
        self.calls.push(CallName::Plain(word.to_owned()));
        if self.sites && POSITIONAL.contains(&word) {
            self.replace(
                token.start,
                token.end,
                format!("__at({}, {word}, '{word}')", token.start),
            );
        } else if !SPECIAL.contains(&word) {
            self.replace(token.start, token.end, format!("__c({word}, '{word}')"));
        }
    }

    /// Parses attributes, subscripts and calls that follow an expression.
    fn postfix(&mut self, mut read: Read) -> Found {
        let mut name = (self.word_of(read), 1);
        let mut length = LENGTH - DEPTH;
        loop {
            self.lengthen(&mut length)?;
            match self.ahead() {
                "." => {
                    let dot = self.take().ok_or(Unread::Other)?;
                    let key = self.take().ok_or(Unread::Other)?;
                    let word = self.word(key);
                    if !matches!(key.kind, TokenKind::Name | TokenKind::Number) {
                        return Err(Unread::Other);
                    }
                    let called = self.ahead() == "(";
                    if called && name.1 == 1 {
                        self.called_member(name.0, word, key.end);
                    }
                    // minijinja would read the `0.1` of `a.0.1` as a float.
                    let key_text = if key.kind == TokenKind::Number {
                        word.to_owned()
                    } else {
                        format!("'{word}'")
                    };
                    self.open(read.start, if called { "__meth(" } else { "__attr(" }.to_owned());
                    self.replace(dot.start, key.end, format!(", {key_text})"));
                    read = Read { end: key.end, literal: false, ..read };
                    name = ("", 2);
                }
                "[" => {
                    read = self.subscript(read)?;
                    name = ("", 2);
                }
                "(" => {
                    self.take();
                    let end = self.arguments()?;
                    read = Read { end, literal: false, ..read };
                    name = ("", 2);
                }
                _ => return Ok(read),
            }
        }
    }

    fn word_of(&self, read: Read) -> &'a str {
        let word = &self.text[read.start..read.end];
        if word.starts_with(|c: char| c.is_alphabetic() || c == '_') { word } else { "" }
    }

    /// Records a call `package.name(` or `adapter.dispatch('name', 'package')`.
    fn called_member(&mut self, package: &str, word: &str, end: usize) {
        if package.is_empty() {
            return;
        }
        if (package, word) == ("adapter", "dispatch") {
            let open = self.text[end..].find('(').map_or(end, |i| end + i + 1);
            self.calls.extend(dispatch_call(&self.text[open..]));
        } else {
            self.calls.push(CallName::Package(package.to_owned(), word.to_owned()));
        }
    }

    fn subscript(&mut self, read: Read) -> Found {
        let open = self.take().ok_or(Unread::Other)?;
        let (mut parts, mut colons, mut commas) = (Vec::new(), Vec::new(), 0);
        let mut part_open = true;
        let end = loop {
            match self.ahead() {
                "]" => break self.take().ok_or(Unread::Other)?,
                ":" => {
                    let colon = self.take().ok_or(Unread::Other)?;
                    parts.push(!part_open);
                    colons.push(colon);
                    part_open = true;
                }
                "," if !part_open => {
                    self.take();
                    commas += 1;
                    part_open = true;
                }
                _ if part_open => {
                    self.condition()?;
                    part_open = false;
                }
                _ => return Err(Unread::Other),
            }
        };
        parts.push(!part_open);
        if colons.is_empty() {
            if parts == [false] && commas == 0 {
                return Err(Unread::Other);
            }
            self.open(read.start, "__item(".to_owned());
            self.replace(open.start, open.end, if commas > 0 { ", (" } else { ", " });
            self.replace(end.start, end.end, if commas > 0 { "))" } else { ")" });
        } else {
            if commas > 0 || colons.len() > 2 {
                return Err(Unread::Other);
            }
            self.open(read.start, "__slice(".to_owned());
            self.replace(open.start, open.end, format!(", {}", absent_bound(parts[0])));
            for (colon, present) in colons.iter().zip(&parts[1..]) {
                self.replace(colon.start, colon.end, format!(", {}", absent_bound(*present)));
            }
            self.replace(end.start, end.end, ")");
        }
        Ok(Read { end: end.end, literal: false, ..read })
    }

    /// Parses the arguments of a call. Returns the end of the closing bracket.
    fn arguments(&mut self) -> Result<usize, Unread> {
        loop {
            match self.ahead() {
                ")" => return self.take().map(|t| t.end).ok_or(Unread::Other),
                "*" | "**" => {
                    self.take();
                    self.condition()?;
                }
                _ => {
                    let named = self.peek().is_some_and(|t| t.kind == TokenKind::Name)
                        && self.second() == "=";
                    if named {
                        self.take();
                        self.take();
                    }
                    self.condition()?;
                }
            }
            if self.ahead() != ")" {
                self.expect(",")?;
            }
        }
    }

    /// Parses filters and tests, and calls of their results.
    fn filters(&mut self, mut read: Read) -> Found {
        let mut length = 0;
        loop {
            self.lengthen(&mut length)?;
            match self.ahead() {
                "|" => {
                    self.take();
                    read.end = self.dotted_name()?;
                    if self.ahead() == "(" {
                        self.take();
                        read.end = self.arguments()?;
                    }
                }
                "is" => {
                    self.take();
                    if self.ahead() == "not" {
                        self.take();
                    }
                    read.end = self.dotted_name()?;
                    if self.ahead() == "(" {
                        self.take();
                        read.end = self.arguments()?;
                    } else if self.starts_argument() {
                        let argument = self.primary()?;
                        let argument = self.postfix(argument)?;
                        self.open(argument.start, "(".to_owned());
                        self.close(argument.end);
                        read.end = argument.end;
                    }
                }
                "(" => {
                    self.take();
                    read.end = self.arguments()?;
                }
                _ => return Ok(read),
            }
            read.literal = false;
        }
    }

    /// Whether the next token is an argument of a test without brackets: `is divisibleby 3`.
    fn starts_argument(&self) -> bool {
        let Some(token) = self.peek() else { return false };
        match token.kind {
            TokenKind::Name => {
                let keyword = ["else", "or", "and", "if", "is", "in", "not", "recursive"];
                !keyword.contains(&self.word(token))
            }
            TokenKind::Text | TokenKind::Number => true,
            _ => matches!(self.word(token), "(" | "[" | "{"),
        }
    }

    fn dotted_name(&mut self) -> Result<usize, Unread> {
        let mut token = self.take().filter(|t| t.kind == TokenKind::Name).ok_or(Unread::Other)?;
        while self.ahead() == "." {
            self.take();
            token = self.take().filter(|t| t.kind == TokenKind::Name).ok_or(Unread::Other)?;
        }
        Ok(token.end)
    }
}
