//! Python's `str.format` (Python documentation, "Format String Syntax" and "Format Specification
//! Mini-Language").
//!
//! In: a format and arguments. Out: the text. Must not know: templates.

use super::number::Number;
use super::operators::plain_item;
use super::python::{Type, python_repr, python_text, type_name, type_of};
use super::runtime::{Args, error};
use bigdecimal::RoundingMode;
use minijinja::Error;
use minijinja::value::Value;
use std::iter::Peekable;
use std::str::Chars;

/// The maximum width of a field.
const WIDEST: usize = 10_000_000;

pub(super) fn format_text(text: &str, args: &[Value], from_map: bool) -> Result<Value, Error> {
    let args = Args::parse(args)?;
    let mut next = 0;
    expand(text, &args, from_map, &mut next, 0).map(Value::from)
}

fn expand(
    text: &str,
    args: &Args,
    from_map: bool,
    next: &mut usize,
    depth: usize,
) -> Result<String, Error> {
    if depth > 2 {
        return Err(error("Max string recursion exceeded"));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let mark = &rest[at..at + 1];
        rest = &rest[at + 1..];
        if rest.starts_with(mark) {
            out.push_str(mark);
            rest = &rest[1..];
            continue;
        }
        if mark == "}" {
            return Err(error("Single '}' encountered in format string"));
        }
        let end = field_end(rest).ok_or_else(|| error("expected '}' before end of string"))?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (reference, spec) = field.split_once(':').unwrap_or((field, ""));
        let (reference, conversion) = match reference.rsplit_once('!') {
            Some((reference, conversion)) => (reference, Some(conversion)),
            None => (reference, None),
        };
        let value = find(reference, args, from_map, next)?;
        let spec = expand(spec, args, from_map, next, depth + 1)?;
        let value = match conversion {
            None => value,
            Some("r" | "a") => Value::from(python_repr(&value)?),
            Some("s") => Value::from(python_text(&value)?),
            Some(other) => return Err(error(format!("Unknown conversion specifier '{other}'"))),
        };
        out.push_str(&format_value(&value, &spec)?);
    }
    out.push_str(rest);
    Ok(out)
}

/// The offset of the bracket that closes a field. Its specification may contain fields.
fn field_end(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Resolves `0`, `name`, `a.b`, `a[0]`, or the next argument if empty.
fn find(reference: &str, args: &Args, from_map: bool, next: &mut usize) -> Result<Value, Error> {
    let end = reference.find(['.', '[']).unwrap_or(reference.len());
    let (first, mut rest) = reference.split_at(end);
    let mut value = if first.is_empty() {
        *next += 1;
        args.positional.get(*next - 1).cloned().ok_or_else(|| out_of_range(first))?
    } else if from_map {
        let map = args.positional.first().cloned().unwrap_or_default();
        let found = plain_item(&map, &Value::from(first))?;
        if found.is_undefined() {
            return Err(error(format!("KeyError: '{first}'")));
        }
        found
    } else if let Ok(index) = first.parse::<usize>() {
        args.positional.get(index).cloned().ok_or_else(|| out_of_range(first))?
    } else {
        args.named.get(first).cloned().ok_or_else(|| error(format!("KeyError: '{first}'")))?
    };
    while !rest.is_empty() {
        let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
            inner.split_once(']').ok_or_else(|| error("Missing ']' in format string"))?
        } else {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
        };
        let key = key.parse::<i64>().map_or_else(|_| Value::from(key), Value::from);
        value = plain_item(&value, &key)?;
        rest = after;
    }
    Ok(value)
}

fn out_of_range(index: &str) -> Error {
    error(format!("Replacement index {index} out of range for positional args tuple"))
}

/// `[[fill]align][sign][z][#][0][width][grouping][.precision][type]`
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

impl Spec {
    fn parse(text: &str) -> Result<Spec, Error> {
        let mut spec = Spec::default();
        let mut chars = text.chars().peekable();
        let mut ahead = text.chars();
        let first = ahead.next();
        if ahead.next().is_some_and(is_align) {
            spec.fill = first;
            spec.align = chars.nth(1);
        } else if first.is_some_and(is_align) {
            spec.align = chars.next();
        }
        spec.sign = chars.next_if(|c| matches!(c, '+' | '-' | ' '));
        spec.alternate = chars.next_if_eq(&'#').is_some();
        spec.zero = chars.next_if_eq(&'0').is_some();
        spec.width = take_number(&mut chars)?.unwrap_or(0);
        spec.grouping = chars.next_if(|c| matches!(c, ',' | '_'));
        if chars.next_if_eq(&'.').is_some() {
            let precision = take_number(&mut chars)?;
            spec.precision =
                Some(precision.ok_or_else(|| error("Format specifier missing precision"))?);
        }
        spec.kind = chars.next();
        if chars.next().is_some() {
            return Err(error(format!("Invalid format specifier '{text}'")));
        }
        Ok(spec)
    }

    fn pad(&self, sign: &str, body: String, default_align: char) -> String {
        let length = sign.chars().count() + body.chars().count();
        let missing = self.width.saturating_sub(length);
        let numeric = default_align == '>';
        let fill = self.fill.unwrap_or(if self.zero && numeric { '0' } else { ' ' });
        let align = self.align.unwrap_or(if self.zero && numeric { '=' } else { default_align });
        match align {
            '<' => format!("{sign}{body}{}", repeat_char(fill, missing)),
            '^' => {
                let (before, after) = (missing / 2, missing - missing / 2);
                format!("{}{sign}{body}{}", repeat_char(fill, before), repeat_char(fill, after))
            }
            '=' => format!("{sign}{}{body}", repeat_char(fill, missing)),
            _ => format!("{}{sign}{body}", repeat_char(fill, missing)),
        }
    }
}

fn is_align(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '^')
}

/// Parses the next number in a specification; `None` if there is none.
fn take_number(chars: &mut Peekable<Chars<'_>>) -> Result<Option<usize>, Error> {
    let mut digits = String::new();
    while let Some(c) = chars.next_if(char::is_ascii_digit) {
        digits.push(c);
    }
    match digits.as_str() {
        "" => Ok(None),
        digits => match digits.parse::<usize>() {
            Ok(n) if n <= WIDEST => Ok(Some(n)),
            _ => Err(error("Too many decimal digits in format string")),
        },
    }
}

pub(super) fn repeat_char(c: char, times: usize) -> String {
    std::iter::repeat_n(c, times).collect()
}

pub(super) fn format_value(value: &Value, spec: &str) -> Result<String, Error> {
    if spec.is_empty() {
        return python_text(value);
    }
    let kind = type_of(value);
    let parsed = Spec::parse(spec)?;
    match (Number::of(value), kind) {
        (Some(number), _) => {
            format_number(&number, &parsed).ok_or_else(|| unknown_code(&parsed, value))
        }
        (None, Type::Str) => {
            if !matches!(parsed.kind, None | Some('s'))
                || parsed.sign.is_some()
                || parsed.grouping.is_some()
            {
                return Err(unknown_code(&parsed, value));
            }
            let text: String =
                python_text(value)?.chars().take(parsed.precision.unwrap_or(usize::MAX)).collect();
            Ok(parsed.pad("", text, '<'))
        }
        // A date is refused here, since it takes the formats of `strftime`.
        (None, Type::Object) if value.get_attr("year").is_ok_and(|y| !y.is_undefined()) => {
            Err(error("use strftime to format a date"))
        }
        _ => Err(error(format!(
            "unsupported format string passed to {}.__format__",
            type_name(value)
        ))),
    }
}

fn unknown_code(spec: &Spec, value: &Value) -> Error {
    let code = spec.kind.unwrap_or(' ');
    error(format!("Unknown format code '{code}' for object of type '{}'", type_name(value)))
}

fn format_number(number: &Number, spec: &Spec) -> Option<String> {
    let negative = match number {
        Number::Int(n) => *n < 0.into(),
        Number::Float(f) => f.is_sign_negative() && !f.is_nan(),
        Number::Decimal(d) => d.is_negative(),
    };
    let body = match (spec.kind, number) {
        (None | Some('d' | 'n'), Number::Int(n)) if spec.precision.is_none() => {
            n.magnitude().to_string()
        }
        (Some('x'), Number::Int(n)) => prefixed(spec, "0x", n.magnitude().to_str_radix(16)),
        (Some('X'), Number::Int(n)) => {
            prefixed(spec, "0X", n.magnitude().to_str_radix(16).to_uppercase())
        }
        (Some('o'), Number::Int(n)) => prefixed(spec, "0o", n.magnitude().to_str_radix(8)),
        (Some('b'), Number::Int(n)) => prefixed(spec, "0b", n.magnitude().to_str_radix(2)),
        (Some('c'), Number::Int(n)) => char::from_u32(n.try_into().ok()?)?.to_string(),
        (Some('f' | 'F'), n) => fixed(n, spec.precision.unwrap_or(6)),
        (Some('%'), n) => format!("{}%", fixed(&times_hundred(n), spec.precision.unwrap_or(6))),
        (Some('e' | 'E'), n) => {
            let text = exponential(n.to_float().abs(), spec.precision.unwrap_or(6));
            if spec.kind == Some('E') { text.to_uppercase() } else { text }
        }
        (Some('g' | 'G' | 'n'), n) => {
            let text = format_general(n.to_float().abs(), spec.precision.unwrap_or(6));
            if spec.kind == Some('G') { text.to_uppercase() } else { text }
        }
        (None, Number::Float(f)) => match spec.precision {
            Some(precision) => format_general(f.abs(), precision),
            None => crate::config::float_text(f.abs()),
        },
        (None, Number::Decimal(d)) => match spec.precision {
            Some(precision) => format_general(d.to_float().abs(), precision),
            None => d.to_string().trim_start_matches('-').to_owned(),
        },
        _ => return None,
    };
    let body = match spec.grouping {
        Some(mark) => grouped(
            &body,
            mark,
            if matches!(spec.kind, Some('x' | 'X' | 'o' | 'b')) { 4 } else { 3 },
        ),
        None => body,
    };
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    Some(spec.pad(sign, body, '>'))
}

fn prefixed(spec: &Spec, prefix: &str, digits: String) -> String {
    if spec.alternate { format!("{prefix}{digits}") } else { digits }
}

fn times_hundred(number: &Number) -> Number {
    match number {
        Number::Decimal(d) => {
            let hundred = crate::decimal::Decimal::from_int(100);
            d.times(&hundred).map_or(Number::Float(d.to_float() * 100.0), Number::Decimal)
        }
        other => Number::Float(other.to_float() * 100.0),
    }
}

/// Rounds exactly to this many decimal places. The sign is left out.
fn fixed(number: &Number, precision: usize) -> String {
    match number.exact() {
        crate::decimal::Decimal::Finite(d) => {
            let rounded = d.abs().with_scale_round(precision as i64, RoundingMode::HalfEven);
            rounded.to_plain_string()
        }
        crate::decimal::Decimal::NaN => "nan".to_owned(),
        crate::decimal::Decimal::Infinity(_) => "inf".to_owned(),
    }
}

fn exponential(f: f64, precision: usize) -> String {
    let text = format!("{f:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

/// C's `%g`: significant digits without trailing zeros, with an exponent if that is shorter.
pub(super) fn format_general(f: f64, precision: usize) -> String {
    if !f.is_finite() {
        return crate::config::float_text(f);
    }
    let precision = precision.max(1);
    let scientific = format!("{f:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.unsigned_abs());
    }
    let places = usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0);
    trim_zeros(&format!("{f:.places$}")).to_owned()
}

/// Removes trailing zeros of a fraction, and the point if no digits follow it.
fn trim_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

fn grouped(body: &str, mark: char, size: usize) -> String {
    let end = body.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(body.len());
    let (whole, rest) = body.split_at(end);
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(size) {
            out.push(mark);
        }
        out.push(c);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are the output of Python 3.11.
    #[test]
    fn formats_as_python() {
        for (text, value, expected) in [
            ("{:,}", Value::from(1_234_567), "1,234,567"),
            ("{:.2f}", Value::from(2.675), "2.67"),
            ("{:%}", Value::from(0.25), "25.000000%"),
            ("{:.1%}", Value::from(0.256), "25.6%"),
            ("{:>6}|", Value::from("ab"), "    ab|"),
            ("{:*^6}", Value::from("ab"), "**ab**"),
            ("{:06.1f}", Value::from(-3.13), "-003.1"),
            ("{:+d}", Value::from(5), "+5"),
            ("{:#x}", Value::from(255), "0xff"),
            ("{:e}", Value::from(12345.678), "1.234568e+04"),
            ("{:g}", Value::from(0.00001), "1e-05"),
            ("{0!r}", Value::from("a"), "'a'"),
            ("{{{}}}", Value::from(1), "{1}"),
        ] {
            assert_eq!(format_text(text, &[value], false).unwrap().to_string(), expected, "{text}");
        }
        assert!(format_text("{:99999999999}", &[Value::from(1)], false).is_err());
        assert!(format_text("{", &[], false).is_err());
    }
}
