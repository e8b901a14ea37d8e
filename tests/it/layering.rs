//! Modules are in layers: a module may import lower layers and, in its own layer, only the modules
//! that ARCHITECTURE.md lists for it.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// The layer of each module and the allowed edges, from the block ```` ```layering ```` in
/// ARCHITECTURE.md.
fn table() -> (HashMap<String, usize>, BTreeSet<(String, String)>) {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let block = text
        .split("```layering")
        .nth(1)
        .and_then(|b| b.split("```").next())
        .expect("a layering block");
    let (mut floors, mut edges) = (HashMap::new(), BTreeSet::new());
    for line in block.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(edge) = line.strip_prefix("edge:") {
            let (from, to) = edge.split_once("->").expect("an edge is `a -> b`");
            edges.insert((from.trim().to_owned(), to.trim().to_owned()));
        } else if let Some((floor, modules)) = line.split_once(':') {
            let number = floor.trim_start_matches('F').parse().expect("a floor is `F0:`");
            floors.extend(modules.split_whitespace().map(|m| (m.to_owned(), number)));
        }
    }
    (floors, edges)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The tokens of a file without its test modules, which may import anything.
fn tokens_of(file: &Path) -> Vec<TokenTree> {
    let text = fs::read_to_string(file).unwrap();
    let all: TokenStream = text.parse().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    without_tests(all)
}

/// Leaves out every item with `#[cfg(test)]` or `#[cfg(any(test, ..))]`.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let mut out = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if is_sign(Some(&token), '#') && rest.peek().is_some_and(is_of_tests) {
            // Up to the end of the item: its body in braces, or a semicolon.
            let is_end = |t: &TokenTree| match t {
                TokenTree::Group(g) => g.delimiter() == Delimiter::Brace,
                other => is_sign(Some(other), ';'),
            };
            let _ = rest.by_ref().find(is_end);
            continue;
        }
        out.push(match token {
            TokenTree::Group(g) => {
                let inner: TokenStream = without_tests(g.stream()).into_iter().collect();
                TokenTree::Group(Group::new(g.delimiter(), inner))
            }
            other => other,
        });
    }
    out
}

/// Whether an attribute is a `cfg` that mentions `test`.
fn is_of_tests(attribute: &TokenTree) -> bool {
    let text = attribute.to_string();
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let words: Vec<&str> = words.collect();
    words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not")
}

fn is_sign(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == sign)
}

/// Adds the modules that are imported as `crate::x` or `crate::{x, y::{..}}`.
fn imports(tokens: &[TokenTree], out: &mut BTreeSet<String>) {
    for (i, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(g) => imports(&g.stream().into_iter().collect::<Vec<_>>(), out),
            TokenTree::Ident(word) if word == "crate" => out.extend(named(&tokens[i + 1..])),
            _ => {}
        }
    }
}

/// The names after `crate`: one module, or a list of them in braces.
fn named(rest: &[TokenTree]) -> Vec<String> {
    if !is_sign(rest.first(), ':') || !is_sign(rest.get(1), ':') {
        return Vec::new();
    }
    match rest.get(2) {
        Some(TokenTree::Ident(module)) => vec![module.to_string()],
        Some(TokenTree::Group(g)) => {
            let inner: Vec<TokenTree> = g.stream().into_iter().collect();
            let parts = inner.split(|t| is_sign(Some(t), ','));
            parts.filter_map(|part| part.first()).map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// The words in tokens: identifiers and string literals, without comments.
fn words_of(tokens: &[TokenTree], out: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(g) => {
                let inner: Vec<TokenTree> = g.stream().into_iter().collect();
                // A documentation comment is an attribute.
                if !matches!(inner.first(), Some(TokenTree::Ident(word)) if word == "doc") {
                    words_of(&inner, out);
                }
            }
            TokenTree::Ident(word) => out.push(word.to_string()),
            TokenTree::Literal(text) => out.push(text.to_string()),
            TokenTree::Punct(_) => {}
        }
    }
}

/// The top-level module that a file belongs to.
fn module_of(file: &Path) -> String {
    let local = file.strip_prefix(root().join("src")).unwrap();
    let first = local.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn imports_follow_the_floors() {
    let (floors, edges) = table();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for file in files {
        let local = file.strip_prefix(root().join("src")).unwrap();
        let module = module_of(&file);
        let is_test = is_test_module(&local.to_string_lossy());
        if matches!(module.as_str(), "lib" | "main") || is_test {
            continue;
        }
        let from = *floors
            .get(&module)
            .unwrap_or_else(|| panic!("`{module}` has no floor in ARCHITECTURE.md"));
        let mut named = BTreeSet::new();
        imports(&tokens_of(&file), &mut named);
        for to in named.into_iter().filter(|m| *m != module) {
            let Some(floor) = floors.get(&to).copied() else { continue };
            let edge = (module.clone(), to.clone());
            used.insert(edge.clone());
            if floor > from || (floor == from && !edges.contains(&edge)) {
                wrong.push(format!(
                    "{}: {module} (F{from}) imports {to} (F{floor})",
                    local.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
    let idle: Vec<_> = edges.difference(&used).collect();
    assert!(idle.is_empty(), "edges that ARCHITECTURE.md lists and nothing uses: {idle:?}");
}

#[test]
fn every_module_says_what_it_must_not_know() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files.iter().filter(|f| f.ends_with("mod.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let header: String = text.lines().take_while(|l| l.starts_with("//!")).collect();
        let top = file.parent().unwrap().parent().unwrap().ends_with("src");
        if top {
            assert!(
                header.contains("In:") && header.contains("Out:")
                    || file.ends_with("inspect/mod.rs"),
                "{}",
                file.display()
            );
        }
        assert!(!header.is_empty(), "{} has no header", file.display());
    }
}

/// Engines are named only in their folders, in the built-in macros and in the two lists of all
/// engines. Any other place needs a reason.
#[test]
fn engines_are_named_in_their_folders_only() {
    let folders = fs::read_dir(root().join("src/engine")).unwrap().flatten();
    let engines: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(engines.len() >= 2, "{engines:?}");
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let local = file.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned();
        let has_reason = fs::read_to_string(&file).unwrap().contains("\n// engine-name: ");
        if may_name_engines(&local, &engines) || has_reason || is_test_module(&local) {
            continue;
        }
        let mut words = Vec::new();
        words_of(&tokens_of(&file), &mut words);
        let names_one =
            |word: &&String| engines.iter().any(|engine| word.to_lowercase().contains(engine));
        wrong.extend(words.iter().filter(names_one).map(|word| format!("{local}: {word}")));
    }
    assert!(wrong.is_empty(), "engines are named outside their folders:\n{}", wrong.join("\n"));
}

/// Whether a file is a test module that is declared elsewhere. `parse/generic_tests.rs` reads tests
/// of projects.
fn is_test_module(local: &str) -> bool {
    let is_beside = local.ends_with("_tests.rs") && local != "parse/generic_tests.rs";
    let is_named = ["law.rs", "testing.rs"].iter().any(|name| local.ends_with(name));
    is_beside || is_named || local.contains("/dbt_tables/")
}

/// Whether a file belongs to an engine, or is one of the two lists of all engines.
fn may_name_engines(local: &str, engines: &[String]) -> bool {
    let in_folder = |part: &str| {
        let of = |engine: &String| local.starts_with(&format!("{part}/{engine}/"));
        engines.iter().any(of)
    };
    in_folder("engine")
        || in_folder("adapter")
        || ["engine/mod.rs", "adapter/mod.rs"].contains(&local)
}

/// Errors are types that tell what can go wrong, so `Result<_, String>` is not allowed.
#[test]
fn errors_have_types() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        // Only tests compare the tables of dbt's results.
        if file.components().any(|c| c.as_os_str() == "dbt_tables") {
            continue;
        }
        let text: TokenStream = tokens_of(&file).into_iter().collect();
        let text: String = text.to_string().split_whitespace().collect();
        let results = text.match_indices("Result<").map(|(at, _)| &text[at..]);
        if results.map(type_arguments).any(|arguments| arguments.ends_with(",String")) {
            wrong.push(file.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "`Result<_, String>` in {wrong:?}");
}

/// The text between the outer angle brackets of a type.
fn type_arguments(text: &str) -> &str {
    let start = text.find('<').map_or(0, |at| at + 1);
    let mut depth = 1;
    for (at, c) in text[start..].char_indices() {
        match c {
            '<' => depth += 1,
            // The arrow of a function is not a closing bracket.
            '>' if !text[..start + at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[start..start + at];
        }
    }
    ""
}

#[test]
fn type_arguments_are_told_from_arrows() {
    assert_eq!(type_arguments("Result<Vec<u8>,String>{"), "Vec<u8>,String");
    assert_eq!(type_arguments("Result<fn(u8)->u8,String>"), "fn(u8)->u8,String");
}

/// The points of docs/semantics.md: `1.16` is a numbered line of the section `## 1.`, `2` is a
/// section.
fn points_of_semantics() -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    let mut part = String::new();
    for line in fs::read_to_string(root().join("docs/semantics.md")).unwrap().lines() {
        let number_of = |text: &str| text.split_once(". ").map(|(number, _)| number.to_owned());
        let is_number = |text: &String| text.parse::<u8>().is_ok();
        if let Some(title) = line.strip_prefix("## ") {
            part = number_of(title).filter(is_number).unwrap_or_default();
            points.insert(part.clone());
        } else if let Some(number) = number_of(line.trim_start_matches('*')).filter(is_number) {
            points.insert(format!("{part}.{number}"));
        }
    }
    points
}

#[test]
fn comments_cite_points_that_are_there() {
    let points = points_of_semantics();
    assert!(points.len() > 40, "{points:?}");
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let (mut cited, mut wrong) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let comments = text.lines().filter(|line| line.trim_start().starts_with("//"));
        for rest in comments.flat_map(|line| line.split("semantics ").skip(1)) {
            let list = rest.split([')', ';']).next().unwrap_or_default();
            let numbers = list.split([',', ' ']).map(|n| n.trim_end_matches('.'));
            for number in numbers.filter(|n| n.starts_with(|c: char| c.is_ascii_digit())) {
                cited += 1;
                if !points.contains(number) {
                    wrong.push(format!("{}: semantics {number}", file.display()));
                }
            }
        }
    }
    assert!(cited > 20, "{cited}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
