//! Literate specs: `tests/specs/*.md`.
//!
//! Each `##` section is a project: fenced blocks whose info string has a path are its files, blocks
//! of `console` hold commands (`$ strata ...`, `$ cat FILE`) with the standard output that they
//! must give, and a comment at the end of a line of a file (`-- error: [E2001] "part of the
//! message"`, also `warning:`, in YAML with `#`) says that a diagnostic has its place on this line,
//! in whatever the section's commands (without any: `strata build`) say. `[..]` in an expected
//! output stands for anything within its line. A file that is given once more is edited there,
//! between two consoles.

use crate::project::Project;
use std::fs;
use std::path::PathBuf;

pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) files: Vec<(String, String)>,
    pub(crate) consoles: Vec<String>,
    /// Files that are given again, each with the number of consoles before it.
    edits: Vec<(usize, String, String)>,
}

impl Section {
    fn new(title: &str) -> Section {
        let title = title.to_owned();
        Section { title, files: Vec::new(), consoles: Vec::new(), edits: Vec::new() }
    }

    fn add_file(&mut self, path: &str, text: String) {
        if self.files.iter().any(|(known, _)| known == path) {
            self.edits.push((self.consoles.len(), path.to_owned(), text));
        } else {
            self.files.push((path.to_owned(), text));
        }
    }

    /// Whether its relations are compared on DuckDB only: it names the database, has its own
    /// profile, or compares with recorded publications, whose fingerprints differ per engine.
    pub(crate) fn is_for_duckdb(&self) -> bool {
        let names = |(path, text): &(String, String)| {
            path == "profiles.yml" || text.contains("spec.main") || text.contains("type: duckdb")
        };
        self.files.iter().any(names) || self.consoles.iter().any(|c| c.contains("--changed"))
    }
}

fn sections(text: &str) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            out.push(Section::new(title));
        }
        let Some(info) = line.strip_prefix("```").filter(|i| !i.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        let body = body.join("\n") + "\n";
        let Some(section) = out.last_mut() else { continue };
        match info.split_once(' ') {
            Some((_, path)) => section.add_file(path.trim(), body),
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

/// The commands of a console, each with its expected output.
fn typed(console: &str) -> Vec<(Vec<String>, String)> {
    let mut out: Vec<(Vec<String>, String)> = Vec::new();
    for line in console.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => out.push((words(command), String::new())),
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

/// The arguments of all `strata` commands, with their expected output.
pub(crate) fn commands(consoles: &[String]) -> Vec<(Vec<String>, String)> {
    let all = consoles.iter().flat_map(|console| typed(console));
    let arguments = |(command, text): (Vec<String>, String)| {
        let (program, args) = command.split_first()?;
        (program == "strata").then(|| (args.to_vec(), text))
    };
    all.filter_map(arguments).collect()
}

/// Runs a command, and returns its standard output and standard error.
fn carry_out(p: &Project, command: &[String]) -> (String, String) {
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    match command.as_slice() {
        ["strata", args @ ..] => {
            let ran = p.run(args);
            (ran.out, ran.err)
        }
        ["cat", path] => (p.read(path), String::new()),
        other => panic!("a console has `strata` and `cat`, not {other:?}"),
    }
}

/// Compares two texts line by line. `[..]` matches anything within a line.
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
    for (n, console) in section.consoles.iter().enumerate() {
        for (_, path, text) in section.edits.iter().filter(|(before, ..)| *before == n) {
            p.write(path, text);
        }
        for (command, expected) in typed(console) {
            let (out, err) = carry_out(&p, &command);
            assert!(
                same(&out, &expected),
                "{place}: {command:?}\n{out}\nexpected:\n{expected}\n{err}"
            );
            said.push_str(&err);
        }
    }
    let is_idle = |(before, ..): &(usize, String, String)| *before >= section.consoles.len();
    assert!(!section.edits.iter().any(is_idle), "{place}: nothing is run after an edit");
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
    // STRATA_SPEC=selectors: the sections of that page alone.
    let page = std::env::var("STRATA_SPEC").map(|name| format!("{name}.md")).ok();
    let mut all = every_section();
    all.retain(|(chapter, _)| page.as_ref().is_none_or(|page| page == chapter));
    assert!(!all.is_empty(), "no specs");
    for (chapter, section) in &all {
        check(chapter, section);
    }
}

#[test]
fn a_file_that_is_given_again_is_an_edit_between_consoles() {
    let page = "# Title\n## One\n```sql a.sql\n1\n```\n\
                ```console\n$ strata ls -s 'a b'\nout\n\nmore\n```\n\
                ```sql a.sql\n2\n```\n```console\n$ cat a.sql\n2\n```\n## Two\n";
    let all = sections(page);
    assert_eq!(all.iter().map(|s| s.title.as_str()).collect::<Vec<_>>(), ["One", "Two"]);
    let one = &all[0];
    assert_eq!(one.files, [("a.sql".to_owned(), "1\n".to_owned())]);
    assert_eq!(one.edits, [(1, "a.sql".to_owned(), "2\n".to_owned())]);
    let args = ["ls", "-s", "a b"].map(str::to_owned).to_vec();
    assert_eq!(commands(&one.consoles), [(args, "out\n\nmore\n".to_owned())]);
    let cat = ["cat", "a.sql"].map(str::to_owned).to_vec();
    assert_eq!(typed(&one.consoles[1]), [(cat, "2\n".to_owned())]);
}
