//! The `config` call of a text as it is written, unrendered.
//!
//! In: a template's text. Out: the named arguments of its first `config(...)`, each as Jinja2
//! prints the node of its syntax tree: dbt writes that text to manifests (`unrendered_config` with
//! `state_modified_compare_more_unrendered_values`), and compares it as text. The grammar is that
//! of Jinja2's `parser.py`, the fields of nodes are those of its `nodes.py`. Must not know: values.

use super::blocks::{Segment, split_segments, tag_tail};
use super::expressions::{Token, TokenKind, tokenize_range};
use crate::config::{Json, JsonMap, float_text, python_quoted};
use bigdecimal::num_bigint::BigInt;

/// The named arguments of the first call of `config` in a text. `None` if there is no such call, or
/// it cannot be parsed.
pub(crate) fn unrendered_config(text: &str) -> Option<JsonMap> {
    if !text.contains("config(") && !text.contains("config (") {
        return None;
    }
    for segment in split_segments(text, 0, text.len()) {
        let (Segment::Print(start, end) | Segment::Tag(start, end)) = segment else { continue };
        let tokens = tokenize_range(text, start + 2, tag_tail(text, start, end).max(start + 2));
        let tokens: Vec<Token> =
            tokens.into_iter().filter(|t| t.kind != TokenKind::Blank).collect();
        let mut reader = Reader { text, tokens: &tokens, next: 0 };
        let Some(at) = (0..tokens.len()).find(|at| reader.is_config_call(*at)) else { continue };
        reader.next = at + 1;
        return Some(
            reader.arguments()?.keywords.into_iter().map(|(k, v)| (k, Json::from(v))).collect(),
        );
    }
    None
}

/// Whether dbt parses a model's text statically, by the rules of its `dbt_extractor`. If so, it
/// stores the values of config calls instead of their syntax nodes.
pub(crate) fn is_read_statically(text: &str) -> bool {
    // To the extractor, a brace at the end of the text begins a tag.
    let open = text.trim_end().ends_with('{');
    !open
        && split_segments(text, 0, text.len()).iter().all(|segment| match *segment {
            Segment::Tag(..) => false,
            Segment::Print(start, end) => {
                let inside = text[start..end].strip_prefix("{{").and_then(|t| t.strip_suffix("}}"));
                inside.is_some_and(|inside| {
                    let tokens = tokenize_range(text, start + 2, start + 2 + inside.len());
                    let mut reader = Reader { text, tokens: &tokens, next: 0 };
                    reader.static_print().is_some() && reader.next == tokens.len()
                })
            }
            Segment::Text | Segment::Comment => true,
        })
}

struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    next: usize,
}

/// The arguments of a call, each as the text of its node.
#[derive(Default)]
struct Arguments {
    positional: Vec<String>,
    keywords: Vec<(String, String)>,
    star: Option<String>,
    stars: Option<String>,
}

impl Arguments {
    /// The fields that the nodes of calls, filters and tests have in common.
    fn fields(&self) -> String {
        let keywords: Vec<&str> =
            self.keywords.iter().map(|(_, printed)| printed.as_str()).collect();
        format!(
            "args=[{}], kwargs=[{}], dyn_args={}, dyn_kwargs={}",
            self.positional.join(", "),
            keywords.join(", "),
            self.star.as_deref().unwrap_or("None"),
            self.stars.as_deref().unwrap_or("None")
        )
    }
}

fn constant_node(value: &str) -> String {
    format!("Const(value={value})")
}

const COMPARISONS: &[(&str, &str)] =
    &[("==", "eq"), ("!=", "ne"), ("<=", "lteq"), (">=", "gteq"), ("<", "lt"), (">", "gt")];

impl Reader<'_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).copied()
    }

    /// The next token; empty if it is a string.
    fn ahead(&self) -> &str {
        self.word_at(self.next)
    }

    fn word_at(&self, at: usize) -> &str {
        self.tokens
            .get(at)
            .filter(|t| t.kind != TokenKind::Text)
            .map_or("", |t| &self.text[t.start..t.end])
    }

    /// Whether the tokens at `at` are a call of the function `config`.
    fn is_config_call(&self, at: usize) -> bool {
        self.word_at(at) == "config"
            && self.word_at(at + 1) == "("
            && (at == 0 || self.word_at(at - 1) != ".")
    }

    fn skip(&mut self, word: &str) -> bool {
        let found = self.ahead() == word;
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.skip(word).then_some(())
    }

    fn name(&mut self) -> Option<String> {
        let token = self.peek().filter(|t| t.kind == TokenKind::Name)?;
        self.next += 1;
        Some(self.text[token.start..token.end].to_owned())
    }

    /// Parses a call of `config`, `ref` or `source` with literal arguments, or a literal.
    fn static_print(&mut self) -> Option<()> {
        let function = self.ahead().to_owned();
        if !matches!(function.as_str(), "config" | "ref" | "source")
            || self.word_at(self.next + 1) != "("
        {
            return if self.peek()?.kind == TokenKind::Number {
                self.static_version()
            } else {
                self.static_value()
            };
        }
        self.next += 1;
        let named = self.items("(", ")", |r| r.static_argument(&function))?;
        let keywords = named.iter().filter(|named| **named).count();
        let positional = named.len() - keywords;
        let right = match function.as_str() {
            "config" => positional == 0 && keywords > 0,
            "ref" => matches!(positional, 1 | 2) && keywords < 2,
            _ => positional + keywords == 2,
        };
        right.then_some(())
    }

    /// Parses an argument of a statically parsed call. Returns whether it is a named one.
    fn static_argument(&mut self, function: &str) -> Option<bool> {
        if self.word_at(self.next + 1) != "=" {
            return self.static_text().map(|()| false);
        }
        let key = self.name()?;
        self.expect("=")?;
        match (function, key.as_str()) {
            // Hooks are rendered, so dbt does not parse the model statically.
            ("config", "pre_hook" | "post_hook") => return None,
            ("config", _) => self.static_value()?,
            ("ref", "v" | "version") => self.static_version()?,
            ("source", "source_name" | "table_name") => self.static_text()?,
            _ => return None,
        }
        Some(true)
    }

    fn static_text(&mut self) -> Option<()> {
        self.peek().filter(|t| t.kind == TokenKind::Text)?;
        self.next += 1;
        Some(())
    }

    fn static_version(&mut self) -> Option<()> {
        self.peek().filter(|t| matches!(t.kind, TokenKind::Text | TokenKind::Number))?;
        self.next += 1;
        Some(())
    }

    /// Parses a text, `True`, `False`, or a list or mapping of these.
    fn static_value(&mut self) -> Option<()> {
        match self.ahead() {
            "True" | "False" => {
                self.next += 1;
                Some(())
            }
            "[" => self.items("[", "]", Self::static_value).map(drop),
            "{" => self.items("{", "}", Self::static_pair).map(drop),
            _ => self.static_text(),
        }
    }

    fn static_pair(&mut self) -> Option<()> {
        self.static_text()?;
        self.expect(":")?;
        self.static_value()
    }

    fn expression(&mut self) -> Option<String> {
        let mut value = self.or()?;
        while self.skip("if") {
            let test = self.or()?;
            let other = if self.skip("else") { self.expression()? } else { "None".to_owned() };
            value = format!("CondExpr(test={test}, expr1={value}, expr2={other})");
        }
        Some(value)
    }

    /// Parses a chain of operators that associate to the left.
    fn chain(
        &mut self,
        operators: &[(&str, &str)],
        part: fn(&mut Self) -> Option<String>,
    ) -> Option<String> {
        let mut left = part(self)?;
        while let Some((operator, node)) =
            operators.iter().find(|(operator, _)| *operator == self.ahead())
        {
            self.expect(operator)?;
            let right = part(self)?;
            left = format!("{node}(left={left}, right={right})");
        }
        Some(left)
    }

    fn or(&mut self) -> Option<String> {
        self.chain(&[("or", "Or")], Self::and)
    }

    fn and(&mut self) -> Option<String> {
        self.chain(&[("and", "And")], Self::not)
    }

    fn not(&mut self) -> Option<String> {
        if self.skip("not") {
            return Some(format!("Not(node={})", self.not()?));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<String> {
        let left = self.sum()?;
        let mut operands = Vec::new();
        while let Some(operator) = self.comparison_operator() {
            operands.push(format!("Operand(op='{operator}', expr={})", self.sum()?));
        }
        Some(if operands.is_empty() {
            left
        } else {
            format!("Compare(expr={left}, ops=[{}])", operands.join(", "))
        })
    }

    fn comparison_operator(&mut self) -> Option<&'static str> {
        if let Some((word, name)) = COMPARISONS.iter().find(|(word, _)| *word == self.ahead()) {
            self.expect(word)?;
            return Some(name);
        }
        if self.skip("in") {
            return Some("in");
        }
        if self.ahead() == "not" && self.word_at(self.next + 1) == "in" {
            self.next += 2;
            return Some("notin");
        }
        None
    }

    fn sum(&mut self) -> Option<String> {
        self.chain(&[("+", "Add"), ("-", "Sub")], Self::concatenation)
    }

    fn concatenation(&mut self) -> Option<String> {
        let mut parts = vec![self.product()?];
        while self.skip("~") {
            parts.push(self.product()?);
        }
        if parts.len() == 1 {
            parts.pop()
        } else {
            Some(format!("Concat(nodes=[{}])", parts.join(", ")))
        }
    }

    fn product(&mut self) -> Option<String> {
        self.chain(&[("*", "Mul"), ("/", "Div"), ("//", "FloorDiv"), ("%", "Mod")], Self::power)
    }

    fn power(&mut self) -> Option<String> {
        self.chain(&[("**", "Pow")], Self::filtered)
    }

    fn filtered(&mut self) -> Option<String> {
        let mut value = self.signed()?;
        loop {
            value = match self.ahead() {
                "|" => self.filter(&value)?,
                "is" => self.test(&value)?,
                "(" => self.call(&value)?,
                _ => return Some(value),
            };
        }
    }

    /// Parses a value with its sign: `-x.y` is the attribute of `-x`, as in Jinja2.
    fn signed(&mut self) -> Option<String> {
        let value = if self.skip("-") {
            format!("Neg(node={})", self.signed()?)
        } else if self.skip("+") {
            format!("Pos(node={})", self.signed()?)
        } else {
            self.primary()?
        };
        self.postfix(value)
    }

    fn primary(&mut self) -> Option<String> {
        let token = self.peek()?;
        let word = &self.text[token.start..token.end];
        match token.kind {
            TokenKind::Text => {
                let mut whole = String::new();
                while let Some(token) = self.peek().filter(|t| t.kind == TokenKind::Text) {
                    whole.push_str(&unescaped(self.text.get(token.start + 1..token.end - 1)?));
                    self.next += 1;
                }
                Some(constant_node(&python_quoted(&whole)))
            }
            TokenKind::Number => {
                self.next += 1;
                Some(constant_node(&number(word)?))
            }
            TokenKind::Name => {
                self.next += 1;
                match word {
                    "true" | "True" => Some(constant_node("True")),
                    "false" | "False" => Some(constant_node("False")),
                    "none" | "None" => Some(constant_node("None")),
                    name => Some(format!("Name(name={}, ctx='load')", python_quoted(name))),
                }
            }
            TokenKind::Operator => match word {
                "(" => self.parenthesized(),
                "[" => Some(format!(
                    "List(items=[{}])",
                    self.items("[", "]", Self::expression)?.join(", ")
                )),
                "{" => {
                    Some(format!("Dict(items=[{}])", self.items("{", "}", Self::pair)?.join(", ")))
                }
                _ => None,
            },
            TokenKind::Blank => None,
        }
    }

    fn pair(&mut self) -> Option<String> {
        let key = self.expression()?;
        self.expect(":")?;
        Some(format!("Pair(key={key}, value={})", self.expression()?))
    }

    /// Parses items between brackets; the last one may be followed by a comma.
    fn items<T>(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.skip(close) {
            if !items.is_empty() {
                self.expect(",")?;
                if self.skip(close) {
                    break;
                }
            }
            items.push(item(self)?);
        }
        Some(items)
    }

    fn parenthesized(&mut self) -> Option<String> {
        let start = self.next;
        let mut items = self.items("(", ")", Self::expression)?;
        let comma = self.word_at(self.next - 2) == "," && self.next - 2 > start;
        if items.len() == 1 && !comma { items.pop() } else { Some(tuple(&items)) }
    }

    fn postfix(&mut self, mut value: String) -> Option<String> {
        loop {
            value = match self.ahead() {
                "." => self.member(&value)?,
                "[" => {
                    let mut keys = self.items("[", "]", Self::subscript)?;
                    let key = if keys.len() == 1 { keys.pop()? } else { tuple(&keys) };
                    format!("Getitem(node={value}, arg={key}, ctx='load')")
                }
                "(" => self.call(&value)?,
                _ => return Some(value),
            };
        }
    }

    fn member(&mut self, of: &str) -> Option<String> {
        self.expect(".")?;
        let token = self.peek()?;
        self.next += 1;
        let word = &self.text[token.start..token.end];
        match token.kind {
            TokenKind::Name => {
                Some(format!("Getattr(node={of}, attr={}, ctx='load')", python_quoted(word)))
            }
            TokenKind::Number => {
                Some(format!("Getitem(node={of}, arg=Const(value={}), ctx='load')", number(word)?))
            }
            _ => None,
        }
    }

    fn subscript(&mut self) -> Option<String> {
        let first = if self.ahead() == ":" { "None".to_owned() } else { self.expression()? };
        if !self.skip(":") {
            return Some(first);
        }
        let stop = self.bound()?;
        let step = if self.skip(":") { self.bound()? } else { "None".to_owned() };
        Some(format!("Slice(start={first}, stop={stop}, step={step})"))
    }

    fn bound(&mut self) -> Option<String> {
        if matches!(self.ahead(), ":" | "]" | ",") {
            Some("None".to_owned())
        } else {
            self.expression()
        }
    }

    fn call(&mut self, of: &str) -> Option<String> {
        Some(format!("Call(node={of}, {})", self.arguments()?.fields()))
    }

    fn filter(&mut self, of: &str) -> Option<String> {
        self.expect("|")?;
        let name = self.dotted()?;
        let arguments = if self.ahead() == "(" { self.arguments()? } else { Arguments::default() };
        Some(format!("Filter(node={of}, name={}, {})", python_quoted(&name), arguments.fields()))
    }

    fn test(&mut self, of: &str) -> Option<String> {
        self.expect("is")?;
        let negated = self.skip("not");
        let name = self.dotted()?;
        let mut arguments = Arguments::default();
        if self.ahead() == "(" {
            arguments = self.arguments()?;
        } else if self.begins_argument() {
            let value = self.primary()?;
            arguments.positional.push(self.postfix(value)?);
        }
        let test =
            format!("Test(node={of}, name={}, {})", python_quoted(&name), arguments.fields());
        Some(if negated { format!("Not(node={test})") } else { test })
    }

    /// Whether the next token is the argument of a test.
    fn begins_argument(&self) -> bool {
        let Some(token) = self.peek() else { return false };
        match token.kind {
            TokenKind::Text | TokenKind::Number => true,
            // Jinja2 takes any other name as an argument, even `if`.
            TokenKind::Name => !matches!(self.ahead(), "else" | "or" | "and"),
            _ => matches!(self.ahead(), "[" | "{"),
        }
    }

    fn dotted(&mut self) -> Option<String> {
        let mut name = self.name()?;
        while self.skip(".") {
            name = format!("{name}.{}", self.name()?);
        }
        Some(name)
    }

    fn arguments(&mut self) -> Option<Arguments> {
        let mut arguments = Arguments::default();
        self.items("(", ")", |r| r.argument(&mut arguments))?;
        Some(arguments)
    }

    fn argument(&mut self, arguments: &mut Arguments) -> Option<()> {
        if self.skip("*") {
            arguments.star = Some(self.expression()?);
        } else if self.skip("**") {
            arguments.stars = Some(self.expression()?);
        } else if self.word_at(self.next + 1) == "=" {
            let key = self.name()?;
            self.expect("=")?;
            let printed =
                format!("Keyword(key={}, value={})", python_quoted(&key), self.expression()?);
            arguments.keywords.push((key, printed));
        } else {
            arguments.positional.push(self.expression()?);
        }
        Some(())
    }
}

fn tuple(items: &[String]) -> String {
    format!("Tuple(items=[{}], ctx='load')", items.join(", "))
}

/// A number in Python's notation.
fn number(text: &str) -> Option<String> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let radix = match text.get(..2) {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ if text.contains(['.', 'e']) => return text.parse().ok().map(float_text),
        _ => return BigInt::parse_bytes(text.as_bytes(), 10).map(|n| n.to_string()),
    };
    BigInt::parse_bytes(&text.as_bytes()[2..], radix).map(|n| n.to_string())
}

/// Resolves the escapes in a text, as Python's `unicode-escape` does.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(letter) = rest.chars().next() else { break };
        let after = &rest[letter.len_utf8()..];
        let digits = match letter {
            'x' => after.get(..2),
            'u' => after.get(..4),
            'U' => after.get(..8),
            _ => None,
        };
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
        if let (Some(c), Some(digits)) = (code, digits) {
            out.push(c);
            rest = &after[digits.len()..];
            continue;
        }
        match letter {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'v' => out.push('\u{b}'),
            '\n' => {}
            '\\' | '\'' | '"' => out.push(letter),
            other => out.extend(['\\', other]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those that dbt 1.11 writes to `unrendered_config`.
    #[test]
    fn nodes_are_printed_as_jinja2_prints_them() {
        let rows: Vec<(String, Option<JsonMap>)> =
            serde_json::from_str(include_str!("../../tests/dbt/written.json")).unwrap();
        assert!(rows.len() > 40);
        for (text, expected) in rows {
            assert_eq!(unrendered_config(&text), expected, "{text}");
        }
    }

    /// The expected results are those of dbt's `dbt_extractor` 0.6.
    #[test]
    fn what_dbt_reads_without_rendering() {
        let rows: Vec<(String, bool)> =
            serde_json::from_str(include_str!("../../tests/dbt/static.json")).unwrap();
        assert!(rows.len() > 80);
        for (text, expected) in rows {
            assert_eq!(is_read_statically(&text), expected, "{text}");
        }
    }
}
