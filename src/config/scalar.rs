//! Resolves plain YAML scalars as PyYAML's safe loader does (YAML 1.1, its resolver's regular
//! expressions).

use super::YamlValue;
use bigdecimal::ToPrimitive;
use bigdecimal::num_bigint::BigInt;

/// Resolves a plain (unquoted) scalar.
pub(super) fn resolve_scalar(text: &str) -> YamlValue {
    let Some(&first) = text.as_bytes().first() else { return YamlValue::Null };
    match text {
        "~" | "null" | "Null" | "NULL" => return YamlValue::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return YamlValue::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return YamlValue::Bool(false);
        }
        _ => {}
    }
    if (first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.'))
        && let Some(value) = int(text).or_else(|| float(text)).or_else(|| date(text))
    {
        return value;
    }
    YamlValue::Str(text.into())
}

fn digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c == '_' || c.is_digit(radix))
}

fn int(text: &str) -> Option<YamlValue> {
    let (negative, body) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(rest) = body.strip_prefix("0b") {
        return parse_digits(rest, 2).map(|n| signed_int(n, negative));
    }
    if let Some(rest) = body.strip_prefix("0x") {
        return parse_digits(rest, 16).map(|n| signed_int(n, negative));
    }
    if body == "0" {
        return Some(YamlValue::Int(0));
    }
    if let Some(rest) = body.strip_prefix('0') {
        return parse_digits(rest, 8).map(|n| signed_int(n, negative));
    }
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits(body, 10) {
        return parse_digits(body, 10).map(|n| signed_int(n, negative));
    }
    // Sexagesimal: 1:30 is 90.
    let mut parts = body.split(':');
    let mut total = parse_digits(parts.next()?, 10)?;
    let mut any = false;
    for part in parts {
        if !minute(part) {
            return None;
        }
        any = true;
        total = total * 60 + part.parse::<u32>().ok()?;
    }
    any.then(|| signed_int(total, negative))
}

/// Parses digits of a base, with underscores between them. `None` for other text.
fn parse_digits(text: &str, radix: u32) -> Option<BigInt> {
    if !digits(text, radix) {
        return None;
    }
    BigInt::parse_bytes(text.replace('_', "").as_bytes(), radix)
}

fn signed_int(n: BigInt, negative: bool) -> YamlValue {
    let n = if negative { -n } else { n };
    n.to_i64().map_or_else(|| YamlValue::BigInt(n.to_string().into()), YamlValue::Int)
}

/// Whether a part of a sexagesimal number is below sixty, in one or two digits.
fn minute(part: &str) -> bool {
    let b = part.as_bytes();
    match b.len() {
        1 => b[0].is_ascii_digit(),
        2 => (b'0'..=b'5').contains(&b[0]) && b[1].is_ascii_digit(),
        _ => false,
    }
}

fn float(text: &str) -> Option<YamlValue> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(YamlValue::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body == text => return Some(YamlValue::Float(f64::NAN)),
        _ => {}
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(i) => {
            // PyYAML requires a sign in the exponent: 1e3 is text.
            let e = &body[i + 1..];
            if !(e.starts_with(['-', '+'])
                && e.len() > 1
                && e[1..].bytes().all(|b| b.is_ascii_digit()))
            {
                return None;
            }
            (&body[..i], &body[i..])
        }
        None => (body, ""),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let fraction_ok = fraction.chars().all(|c| c == '_' || c.is_ascii_digit());
    if whole.is_empty() {
        if fraction.starts_with(|c: char| c.is_ascii_digit()) && fraction_ok && (body == text) {
            return format!("0.{}{exponent}", fraction.replace('_', ""))
                .parse()
                .ok()
                .map(YamlValue::Float);
        }
        return None;
    }
    if !whole.starts_with(|c: char| c.is_ascii_digit()) || !fraction_ok {
        return None;
    }
    if digits(whole, 10) {
        let text = format!("{}.{}0{exponent}", whole.replace('_', ""), fraction.replace('_', ""));
        return text.parse::<f64>().ok().map(|f| YamlValue::Float(sign * f));
    }
    let mut parts = whole.split(':');
    let mut total: f64 = parts.next().filter(|h| digits(h, 10))?.replace('_', "").parse().ok()?;
    let mut any = false;
    for part in parts {
        if !minute(part) {
            return None;
        }
        any = true;
        total = total * 60.0 + part.parse::<f64>().ok()?;
    }
    let rest: f64 = format!("0.{}0", fraction.replace('_', "")).parse().ok()?;
    (any && exponent.is_empty()).then_some(YamlValue::Float(sign * (total + rest)))
}

/// A date or a timestamp, as the text of Python's `str`.
fn date(text: &str) -> Option<YamlValue> {
    let b = text.as_bytes();
    if text.len() == 10
        && all_digits(&b[0..4])
        && b[4] == b'-'
        && all_digits(&b[5..7])
        && b[7] == b'-'
        && all_digits(&b[8..10])
    {
        return text.parse::<jiff::civil::Date>().ok().map(|_| YamlValue::Date(text.to_owned()));
    }
    let at = text.find(['T', 't', ' '])?;
    let (day, time) = (&text[..at], text[at + 1..].trim_start());
    let mut parts = day.split('-');
    let year = parts.next().filter(|y| y.len() == 4)?;
    let (month, date) = (parts.next()?, parts.next()?);
    if parts.next().is_some()
        || !all_digits(year.as_bytes())
        || !has_one_or_two_digits(month)
        || !has_one_or_two_digits(date)
    {
        return None;
    }
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = (time[..zone_at].trim_end(), &time[zone_at..]);
    let mut clock_parts = clock.split(':');
    let (hour, minute, second) = (clock_parts.next()?, clock_parts.next()?, clock_parts.next()?);
    if clock_parts.next().is_some() || !has_one_or_two_digits(hour) || minute.len() != 2 {
        return None;
    }
    let iso = format!("{year}-{month:0>2}-{date:0>2}T{hour:0>2}:{minute}:{second}");
    let civil: jiff::civil::DateTime = iso.parse().ok()?;
    let zone = match zone {
        "" => String::new(),
        "Z" => "+00:00".to_owned(),
        z if z.len() >= 2 && z[1..].bytes().all(|b| b.is_ascii_digit() || b == b':') => {
            let (h, m) = z[1..].split_once(':').unwrap_or((&z[1..], "00"));
            format!("{}{h:0>2}:{m}", &z[..1])
        }
        _ => return None,
    };
    Some(YamlValue::Date(format!("{}{zone}", civil.strftime("%Y-%m-%d %H:%M:%S%.f"))))
}

fn all_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn has_one_or_two_digits(text: &str) -> bool {
    (1..=2).contains(&text.len()) && all_digits(text.as_bytes())
}

/// Python's `str` of a value: `None`, `True`, `1.0`. Containers are printed as Python literals.
pub(crate) fn python_str(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(s) => s.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => number_str(n),
        Value::String(s) => python_quoted(s),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(python_repr).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let items =
                map.iter().map(|(k, v)| format!("{}: {}", python_quoted(k), python_repr(v)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
    }
}

fn number_str(n: &serde_json::Number) -> String {
    if is_whole(n) { n.to_string() } else { n.as_f64().map_or_else(|| n.to_string(), float_text) }
}

/// Python's `json.dumps(value, sort_keys=True)`.
pub(crate) fn python_json(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Number(n) => number_str(n),
        Value::String(text) => python_json_string(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(python_json).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries = entries
                .iter()
                .map(|(k, v)| format!("{}: {}", python_json_string(k), python_json(v)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

/// A JSON string in ASCII, as `json.dumps` writes it.
fn python_json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
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
    out
}

/// Whether a JSON number has neither a fraction nor an exponent.
pub(crate) fn is_whole(n: &serde_json::Number) -> bool {
    n.as_str().bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// Python's `repr` of a float: the shortest digits that parse to the same float, with an exponent
/// below 1e-4 and from 1e16.
pub(crate) fn float_text(f: f64) -> String {
    if f.is_nan() {
        return "nan".to_owned();
    }
    if f.is_infinite() {
        return if f < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{f:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f == 0.0 || (-4..16).contains(&exponent) {
        let plain = format!("{f}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// A Python string literal. It has single quotes, unless the text contains one and no double quote.
pub(crate) fn python_quoted(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(mark);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of `repr(yaml.safe_load(text))` in PyYAML 6.
    #[test]
    fn plain_scalars_as_pyyaml_reads_them() {
        for (text, expected) in [
            ("y", "Str(\"y\")"),
            ("yes", "Bool(true)"),
            ("Off", "Bool(false)"),
            ("~", "Null"),
            ("", "Null"),
            ("nan", "Str(\"nan\")"),
            ("0", "Int(0)"),
            ("-12", "Int(-12)"),
            ("9223372036854775808", "BigInt(\"9223372036854775808\")"),
            ("-9223372036854775808", "Int(-9223372036854775808)"),
            ("-9223372036854775809", "BigInt(\"-9223372036854775809\")"),
            ("12345678901234567890123", "BigInt(\"12345678901234567890123\")"),
            ("+3", "Int(3)"),
            ("0755", "Int(493)"),
            ("0x1F", "Int(31)"),
            ("0b101", "Int(5)"),
            ("089", "Str(\"089\")"),
            ("1_000", "Int(1000)"),
            ("1:30", "Int(90)"),
            ("1:60", "Str(\"1:60\")"),
            ("1e3", "Str(\"1e3\")"),
            ("1.0e3", "Str(\"1.0e3\")"),
            ("1.0e+3", "Float(1000.0)"),
            ("1.", "Float(1.0)"),
            (".5", "Float(0.5)"),
            ("-.5", "Str(\"-.5\")"),
            (".inf", "Float(inf)"),
            ("1.5.2", "Str(\"1.5.2\")"),
            ("2024-01-31", "Date(\"2024-01-31\")"),
            ("2024-1-3 4:05:06", "Date(\"2024-01-03 04:05:06\")"),
            ("2024-01-03T04:05:06Z", "Date(\"2024-01-03 04:05:06+00:00\")"),
            ("2024-13-01", "Str(\"2024-13-01\")"),
            ("-", "Str(\"-\")"),
            ("+", "Str(\"+\")"),
        ] {
            assert_eq!(format!("{:?}", resolve_scalar(text)), expected, "{text}");
        }
    }

    /// The expected texts are Python's `repr`.
    #[test]
    fn floats_as_python_prints_them() {
        for (f, text) in [
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (1.5e300, "1.5e+300"),
            (-2.5e-7, "-2.5e-07"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_text(f), text);
        }
    }

    #[test]
    fn python_text_of_values() {
        let v = serde_json::json!(["a", 1, 1.0, true, null, {"k": "it's"}, 1e20]);
        assert_eq!(python_str(&v), "['a', 1, 1.0, True, None, {'k': \"it's\"}, 1e+20]");
    }
}
