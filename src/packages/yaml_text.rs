//! Writes scalars of YAML as PyYAML writes them in block style, without folding long lines.

use crate::config::{Json, parse_yaml, python_json};
use crate::source::FileId;

pub(super) fn scalar_text(text: &str) -> String {
    let is_special = |c: char| !matches!(c, ' '..='~');
    if text.chars().any(is_special) {
        // JSON's escapes are among those of YAML.
        return python_json(&Json::from(text));
    }
    let is_read_back = || parse_yaml(FileId(0), text).value.as_str() == Some(text);
    if may_be_plain(text) && is_read_back() {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Whether no character of the text is taken for an indicator of YAML.
fn may_be_plain(text: &str) -> bool {
    let starts_badly = |c: char| "#,[]{}&*!|>'\"%@`".contains(c);
    !text.is_empty()
        && text.trim() == text
        && !text.starts_with(starts_badly)
        && !["---", "...", "- ", "? ", ": "].iter().any(|start| text.starts_with(start))
        && !["-", "?", ":", "="].contains(&text)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are those of `yaml.dump` in PyYAML 6.
    #[test]
    fn scalars_as_pyyaml_writes_them() {
        for (text, written) in [
            ("1.1.1", "1.1.1"),
            ("1.0", "'1.0'"),
            ("yes", "'yes'"),
            ("", "''"),
            ("https://{{ env_var('T') }}@h/x.git", "https://{{ env_var('T') }}@h/x.git"),
            ("{{ x }}", "'{{ x }}'"),
            ("it's: so", "'it''s: so'"),
            ("../x", "../x"),
            (">=1.0.0", "'>=1.0.0'"),
            ("1e5", "1e5"),
            ("0123456789", "0123456789"),
            ("0123456701", "'0123456701'"),
            ("é", "\"\\u00e9\""),
        ] {
            assert_eq!(scalar_text(text), written);
        }
    }
}
