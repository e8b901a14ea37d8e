//! Modules lie on floors: a module imports lower floors, and on its own floor only the edges that
//! ARCHITECTURE.md lists.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// Floor numbers and allowed edges of the block ```` ```layering ```` in ARCHITECTURE.md.
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

/// The modules that a text names as `crate::x`; test modules may look anywhere.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let mut out = BTreeSet::new();
    for (i, _) in code.match_indices("crate::") {
        let rest = &code[i + 7..];
        if let Some(group) = rest.strip_prefix('{') {
            // `use crate::{a::b, c}`: the first name of each part.
            let inner = group.split("};").next().unwrap_or_default();
            for part in inner.split(',') {
                let name: String = part
                    .trim()
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                if !name.is_empty() {
                    out.insert(name);
                }
            }
            continue;
        }
        let name: String =
            rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        if !name.is_empty() {
            out.insert(name);
        }
    }
    out
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
        let module = local
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if matches!(module.as_str(), "lib" | "main") || file.ends_with("testing.rs") {
            continue;
        }
        let from = *floors
            .get(&module)
            .unwrap_or_else(|| panic!("`{module}` has no floor in ARCHITECTURE.md"));
        for to in imports(&fs::read_to_string(&file).unwrap()).into_iter().filter(|m| *m != module)
        {
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
