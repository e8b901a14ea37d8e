//! Writes Mermaid's `erDiagram` (https://mermaid.js.org/syntax/entityRelationshipDiagram.html),
//! which GitHub and GitLab render.

use super::model::{Diagram, DiagramColumn};
use std::collections::HashSet;
use std::fmt::Write;

/// A valid id for an entity, a type or an attribute.
fn word(text: &str) -> String {
    let mut out: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert_str(0, "x_");
    }
    out
}

/// Words that cannot be ids of entities, in any case (observed with mermaid 11).
const NO_ENTITIES: [&str; 11] = [
    "class",
    "classdef",
    "style",
    "one",
    "many",
    "to",
    "end",
    "subgraph",
    "erdiagram",
    "acctitle",
    "accdescr",
];

/// Words that cannot be attributes or types, because they mark keys.
const NO_ATTRIBUTES: [&str; 3] = ["pk", "fk", "uk"];

/// A valid id that is none of the reserved words.
fn word_beside(text: &str, taken: &[&str]) -> String {
    let word = word(text);
    if taken.contains(&word.to_ascii_lowercase().as_str()) { format!("{word}_") } else { word }
}

/// A text in double quotes. Markup, and characters that would end the quotes or the line, are
/// replaced by similar characters.
fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '"' => out.push('\''),
            '\\' => out.push('/'),
            '<' | '>' => out.push(if c == '<' { '\u{2039}' } else { '\u{203a}' }),
            '%' | ';' | '#' | '{' | '}' | '`' => out.push(match c {
                '%' => '\u{ff05}',
                ';' => ',',
                '#' => '\u{ff03}',
                '{' => '(',
                '}' => ')',
                _ => '\'',
            }),
            c if c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c) =>
            {
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(crate) fn write_mermaid(diagram: &Diagram, command: &str) -> String {
    let command = command.replace(|c: char| c.is_control() || "{}%".contains(c), " ");
    let ids = ids(diagram);
    let mut out = format!("%% Written by: {command}\nerDiagram\n    direction LR\n");
    for group in &diagram.groups {
        let _ = writeln!(out, "    %% {}", word(&group.name));
        for number in &group.tables {
            let table = &diagram.tables[*number];
            let _ = writeln!(out, "    {}[{}] {{", ids[*number], text(&table.name));
            for field in &table.columns {
                let _ = writeln!(out, "        {}", attribute(field));
            }
            out.push_str("    }\n");
        }
    }
    for link in &diagram.references {
        // Crow's feet: the child's end, then the parent's.
        let child = if link.one_to_one { "|o" } else { "}o" };
        let parent = if link.optional { "o|" } else { "||" };
        // A solid line is a key enforced by a constraint, a dashed one a key checked by a test.
        let line = match link.origin {
            crate::analyze::KeyOrigin::Constraint => "--",
            crate::analyze::KeyOrigin::Test => "..",
        };
        let label = text(&link.columns.join(", "));
        let _ = writeln!(
            out,
            "    {} {child}{line}{parent} {} : {label}",
            ids[link.child], ids[link.parent]
        );
    }
    out
}

/// An id for each table; a number distinguishes tables whose ids would be equal.
fn ids(diagram: &Diagram) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for table in &diagram.tables {
        let base = word_beside(&table.name, &NO_ENTITIES);
        let mut id = base.clone();
        let mut n = 2;
        while !seen.insert(id.clone()) {
            id = format!("{base}_{n}");
            n += 1;
        }
        out.push(id);
    }
    out
}

fn attribute(field: &DiagramColumn) -> String {
    let kind = field.data_type.as_deref().unwrap_or("unknown");
    let kind: String = kind
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_()[]".contains(c) { c } else { '_' })
        .collect();
    let starts_well = kind.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_key = NO_ATTRIBUTES.contains(&kind.to_ascii_lowercase().as_str());
    let kind = if starts_well && !is_key { kind } else { word_beside(&kind, &NO_ATTRIBUTES) };
    let mut keys = Vec::new();
    if field.primary {
        keys.push("PK");
    }
    if field.foreign {
        keys.push("FK");
    }
    if field.unique && !field.primary {
        keys.push("UK");
    }
    let keys = if keys.is_empty() { String::new() } else { format!(" {}", keys.join(", ")) };
    let note = if field.description.is_empty() {
        String::new()
    } else {
        format!(" {}", text(&field.description))
    };
    format!("{kind} {}{keys}{note}", word_beside(&field.name, &NO_ATTRIBUTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::erd::model::testing::hostile;

    #[test]
    fn words_of_the_language_are_no_names() {
        assert_eq!(word_beside("Class", &NO_ENTITIES), "Class_");
        assert_eq!(word_beside("classes", &NO_ENTITIES), "classes");
        let field = |name: &str, kind: &str| DiagramColumn {
            name: name.to_owned(),
            data_type: Some(kind.to_owned()),
            primary: true,
            ..DiagramColumn::default()
        };
        assert_eq!(attribute(&field("pk", "UK")), "UK_ pk_ PK");
        assert_eq!(attribute(&field("pk_id", "int")), "int pk_id PK");
    }

    #[test]
    fn hostile_texts_stay_in_their_quotes() {
        let out = write_mermaid(&hostile(), "x");
        for line in out.lines() {
            assert!(line.matches('"').count().is_multiple_of(2), "{line}");
        }
        assert!(!out.contains("<x>") && !out.contains("{{"), "{out}");
    }
}
