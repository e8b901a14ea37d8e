//! Literate specs: `tests/specs/*.md`.
//!
//! Each `##` section is a project: fenced blocks whose info string has a path are its files, blocks
//! of `console` hold commands (`$ strata ...`) with the standard output that they must give, and a
//! comment at the end of a line of a file (`-- error: [E2001] "part of the message"`, also
//! `warning:`, in YAML with `#`) says that a diagnostic has its place on this line, in whatever the
//! section's commands (without any: `strata build`) say. `[..]` in an expected output stands for
//! anything within its line.

use crate::project::Project;
use std::fs;
use std::path::PathBuf;

pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) consoles: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            out.push(Section { title: title.to_owned(), files: Vec::new(), consoles: Vec::new() });
        }
        let Some(info) = line.strip_prefix("```").filter(|i| !i.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        let body = body.join("\n") + "\n";
        let Some(section) = out.last_mut() else { continue };
        match info.split_once(' ') {
            Some((_, path)) => section.files.push((path.trim().to_owned(), body)),
            None if info == "console" => section.consoles.push(body),
            None => {}
        }
    }
    out
}

/// A diagnostic that a line must have.
struct Expected {
    path: String,
    line: usize,
    severity: &'static str,
    code: String,
    message: String,
}

fn expectations(path: &str, text: &str) -> Vec<Expected> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for severity in ["error", "warning"] {
            for mark in ["--", "#"] {
                let Some(at) = line.find(&format!("{mark} {severity}: [")) else { continue };
                let rest = &line[at + mark.len() + severity.len() + 4..];
                let (code, rest) = rest.split_once(']').unwrap();
                let message = rest.trim().trim_matches('"').to_owned();
                out.push(Expected {
                    path: path.to_owned(),
                    line: i + 1,
                    severity,
                    code: code.to_owned(),
                    message,
                });
            }
        }
    }
    out
}

/// Splits arguments as a shell does: blanks, single and double quotes.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut quote, mut any) = (Vec::new(), String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                any = true;
            }
            (None, c) if c.is_whitespace() => {
                if any || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, c) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        out.push(word);
    }
    out
}

/// Commands with what each must print.
pub(crate) fn commands(consoles: &[String]) -> Vec<(Vec<String>, String)> {
    let mut out: Vec<(Vec<String>, String)> = Vec::new();
    for line in consoles.iter().flat_map(|c| c.lines()) {
        match line.strip_prefix("$ strata") {
            Some(args) => out.push((words(args), String::new())),
            None => {
                if let Some((_, text)) = out.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    out
}

/// Line by line; `[..]` stands for anything.
fn same(found: &str, expected: &str) -> bool {
    let lines = |t: &str| t.trim_end().lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    let (found, expected) = (lines(found), lines(expected));
    let fits = |found: &str, expected: &str| {
        let parts: Vec<&str> = expected.split("[..]").collect();
        let mut rest = found;
        for (i, part) in parts.iter().enumerate() {
            let Some(at) = rest.find(part).filter(|at| i > 0 || *at == 0) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.is_empty() || parts.last().is_some_and(|p| p.is_empty())
    };
    found.len() == expected.len() && found.iter().zip(&expected).all(|(f, e)| fits(f, e))
}

fn check(chapter: &str, section: &Section) {
    let mut files: Vec<(&str, &str)> =
        section.files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let given = |name: &str| files.iter().any(|(p, _)| *p == name);
    let (own_project, own_profile) =
        (given("project.yml") || given("dbt_project.yml"), given("profiles.yml"));
    if !own_project {
        files.push(("project.yml", "name: spec\n"));
    }
    let p = Project::new(&files);
    if !own_profile {
        p.remove("profiles.yml");
    }
    let place = format!("{chapter}, {}", section.title);
    let mut said = String::new();
    for (args, expected) in commands(&section.consoles) {
        let ran = p.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            same(&ran.out, &expected),
            "{place}: strata {args:?}\n{}\nexpected:\n{expected}\n{}",
            ran.out,
            ran.err
        );
        said.push_str(&ran.err);
    }
    let expected: Vec<Expected> =
        files.iter().flat_map(|(path, text)| expectations(path, text)).collect();
    if expected.is_empty() {
        return;
    }
    if section.consoles.is_empty() {
        said.push_str(&p.run(&["build"]).err);
    }
    // One diagnostic is a block of lines that begins with its severity.
    let mut blocks: Vec<String> = Vec::new();
    for line in said.lines() {
        if line.starts_with("error[") || line.starts_with("warning[") {
            blocks.push(String::new());
        }
        if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    for e in expected {
        let head = format!("{}[{}]:", e.severity, e.code);
        let at = format!("--> {}:{}:", e.path, e.line);
        let hit = blocks
            .iter()
            .any(|b| b.starts_with(&head) && b.contains(&e.message) && b.contains(&at));
        assert!(hit, "{place}: no {head} {:?} at {}:{} in\n{said}", e.message, e.path, e.line);
    }
}

/// All sections with their chapters, in order.
pub(crate) fn every_section() -> Vec<(String, Section)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/specs");
    let mut chapters: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    chapters.sort();
    let read = |chapter: PathBuf| {
        let name = chapter.file_name().unwrap().to_string_lossy().into_owned();
        let all = sections(&fs::read_to_string(&chapter).unwrap());
        all.into_iter().map(move |section| (name.clone(), section))
    };
    chapters.into_iter().flat_map(read).collect()
}

#[test]
fn the_specs_hold() {
    let all = every_section();
    assert!(!all.is_empty(), "no specs");
    for (chapter, section) in &all {
        check(chapter, section);
    }
}
