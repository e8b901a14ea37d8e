//! The entry points for fuzzing. Each passes a text to a parser, which must return for any text:
//! errors are diagnostics, never panics, and the time must be reasonable for the length of the
//! text.
//!
//! `fuzz/` has a target for each entry point (`./test fuzz`). Inputs that once failed are stored in
//! `tests/fuzz/`, and the tests below run them again.

use crate::config::{
    PackagesFile, check_project, check_properties, parse_packages, parse_profile, parse_project,
    parse_selectors, parse_yaml,
};
use crate::jinja::{BlockKind, NativeForm};
use crate::jinja::{
    calls_of, find_blocks, native_shape, parse_macro_file, rewrite_expression, variable_calls,
};
use crate::materialize::infer_types;
use crate::select::{Selection, is_readable};
use crate::source::FileId;
use crate::sql::{find_volatile, normalize_sql};

/// An entry point with its name, which is also that of its target and its folder of inputs.
pub type FuzzTarget = (&'static str, fn(&[u8]));

pub const FUZZ_TARGETS: [FuzzTarget; 7] = [
    ("prepass", prepass),
    ("blocks", blocks),
    ("yaml", yaml),
    ("sql", sql),
    ("selectors", selectors),
    ("csv", csv),
    ("profiles", profiles),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fuzzes the rewriting of templates and expressions.
pub fn prepass(bytes: &[u8]) {
    let text = text(bytes);
    calls_of(&text);
    variable_calls(&text);
    rewrite_expression(&text);
    if let NativeForm::Expression(expression) = native_shape(&text) {
        rewrite_expression(expression);
    }
}

/// Fuzzes files of macros, snapshots and docs.
pub fn blocks(bytes: &[u8]) {
    let text = text(bytes);
    let kinds = [
        BlockKind::Macro,
        BlockKind::Test,
        BlockKind::Snapshot,
        BlockKind::Docs,
        BlockKind::Materialization,
    ];
    find_blocks(&text, &kinds);
    let _ = parse_macro_file(FileId(0), &"p".into(), "macros/m.sql", &text);
}

/// Fuzzes YAML files of all kinds.
pub fn yaml(bytes: &[u8]) {
    let text = text(bytes);
    let tree = parse_yaml(FileId(0), &text).value;
    let mut out = Vec::new();
    check_properties(&tree, &mut out);
    check_project(&tree, &mut out);
    let _ = parse_project(FileId(0), &tree);
    let _ = parse_packages(PackagesFile::Packages, &tree, &tree);
}

/// Fuzzes the normalization of compiled SQL and the search for volatile functions.
pub fn sql(bytes: &[u8]) {
    let text = text(bytes);
    normalize_sql(&text);
    find_volatile(&text, &["read_csv"]);
}

/// Fuzzes `--select` and files of selectors.
pub fn selectors(bytes: &[u8]) {
    let text = text(bytes);
    is_readable(&Selection { select: vec![text.clone()], ..Selection::default() }, &[]);
    let found = parse_selectors(&parse_yaml(FileId(0), &text).value).value;
    for selector in &found {
        is_readable(
            &Selection { selector: Some(selector.name.clone()), ..Selection::default() },
            &found,
        );
    }
}

/// Fuzzes the files of seeds.
pub fn csv(bytes: &[u8]) {
    for delimiter in [b',', b';'] {
        let _ = infer_types(bytes, delimiter, &|_| None, None);
    }
}

/// Fuzzes `profiles.yml`.
pub fn profiles(bytes: &[u8]) {
    let text = text(bytes);
    let tree = parse_yaml(FileId(0), &text).value;
    let _ = parse_profile(&tree, "p", None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Inputs that once failed must not fail again.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the inputs")]
    fn inputs_that_were_found_come_back() {
        for (name, run_target) in FUZZ_TARGETS {
            let folder = format!("{}/tests/fuzz/{name}", env!("CARGO_MANIFEST_DIR"));
            let files: Vec<_> =
                std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}")).collect();
            assert!(!files.is_empty(), "{folder} is empty");
            for file in files {
                run_target(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }

    /// Random combinations of tokens of all the parsed languages.
    #[expect(clippy::too_many_lines, reason = "a list of pieces")]
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "-",
            "+",
            "'",
            "\"",
            "\\",
            "|",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            ".",
            "é",
            "\u{1F600}",
            "\u{0}",
            "\n",
            "\r\n",
            "\t",
            " ",
            "do",
            "set",
            "if",
            "endif",
            "macro",
            "endmacro",
            "raw",
            "endraw",
            "snapshot",
            "print ",
            "elif ",
            "for ",
            "call(x) ",
            "filter ",
            "docs",
            "not",
            "in",
            "is",
            "and",
            "x",
            "1",
            "1e5",
            "- ",
            "? ",
            "&a",
            "*a",
            "!!str",
            "|-",
            ">",
            "---",
            "%YAML",
            "models:",
            "name:",
            "$$",
            "/*",
            "*/",
            "--",
            "e'",
            ";",
            "@",
            "+1",
            "state:",
            "tag:",
            "a,b",
            "\u{feff}",
            "2024-01-01",
            "~",
            "null",
            "<<:",
            "p:",
            "outputs:",
            "target:",
            "type:",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in pieces()) {
            for (_, run_target) in FUZZ_TARGETS {
                run_target(text.as_bytes());
            }
        }
    }
}
