//! Encodes names and texts as Python. No other module does so.

/// A string literal in ASCII on one line, whose value is the text. Uses the quotes that need no
/// escapes, as formatters do.
pub(super) fn quote_literal(text: &str) -> String {
    quoted(text, if text.contains('"') && !text.contains('\'') { '\'' } else { '"' })
}

/// A string literal in double quotes, which is valid JSON too.
pub(super) fn quote_string(text: &str) -> String {
    quoted(text, '"')
}

fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c if u32::from(c) <= 0xFFFF => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push(quote);
    out
}

/// A text for a comment. Characters other than printable ASCII, some of which could end or disguise
/// the line, become `?`.
pub(super) fn clean_comment(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// A list of strings, on one line if it fits, otherwise with one item per line. It is valid JSON
/// too.
pub(super) fn write_list(items: &[impl AsRef<str>], indent: usize) -> String {
    let literals: Vec<String> = items.iter().map(|item| quote_string(item.as_ref())).collect();
    let line = format!("[{}]", literals.join(", "));
    if line.len() + indent <= 100 {
        return line;
    }
    let pad = " ".repeat(indent + 4);
    format!("[\n{pad}{}\n{}]", literals.join(&format!(",\n{pad}")), " ".repeat(indent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_literal() {
        assert_eq!(quote_string("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(
            quote_string("é\n\u{202e}😀{{ x }}"),
            r#""\u00e9\u000a\u202e\U0001f600{{ x }}""#
        );
        assert_eq!(quote_literal("{\"a\": 1}"), "'{\"a\": 1}'");
        assert_eq!(quote_literal("it's \"x\""), "\"it's \\\"x\\\"\"");
        assert_eq!(clean_comment("a\nimport os"), "a?import os");
    }

    #[test]
    fn long_lists_have_an_item_a_line() {
        assert_eq!(write_list(&["a", "b"], 4), "[\"a\", \"b\"]");
        let long = "x".repeat(60);
        assert_eq!(
            write_list(&[&long, &long], 0),
            format!("[\n    \"{long}\",\n    \"{long}\"\n]")
        );
    }
}
