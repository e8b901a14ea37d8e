//! Mermaid's `erDiagram` (https://mermaid.js.org/syntax/entityRelationshipDiagram.html), which GitHub and GitLab draw.

use super::model::{Diagram, Field};
use std::collections::HashSet;
use std::fmt::Write;

/// Ids of entities, types and attributes are words.
fn word(text: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out: String = text.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert_str(0, "x_");
    }
    out
}

/// A text in double quotes. Markup, and what ends a quote or a line, becomes a code that Mermaid shows as the character.
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
            c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) => {
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

pub(crate) fn mermaid(diagram: &Diagram, command: &str) -> String {
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
        // A key that a constraint enforces is a solid line, one that a test checks a broken one.
        let line = match link.origin {
            crate::analyze::Origin::Constraint => "--",
            crate::analyze::Origin::Test => "..",
        };
        let label = text(&link.columns.join(", "));
        let _ = writeln!(out, "    {} {child}{line}{parent} {} : {label}", ids[link.child], ids[link.parent]);
    }
    out
}

/// An id for each table, told apart by a number where names fold into one.
fn ids(diagram: &Diagram) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    for table in &diagram.tables {
        let base = word(&table.name);
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

fn attribute(field: &Field) -> String {
    let kind = field.data_type.as_deref().unwrap_or("unknown");
    let kind: String =
        kind.chars().map(|c| if c.is_ascii_alphanumeric() || "_()[]".contains(c) { c } else { '_' }).collect();
    let kind = if kind.starts_with(|c: char| c.is_ascii_alphabetic()) { kind } else { word(&kind) };
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
    let note = if field.description.is_empty() { String::new() } else { format!(" {}", text(&field.description)) };
    format!("{kind} {}{keys}{note}", word(&field.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::erd::model::testing::hostile;

    #[test]
    fn hostile_texts_stay_in_their_quotes() {
        let out = mermaid(&hostile(), "x");
        for line in out.lines() {
            assert!(line.matches('"').count().is_multiple_of(2), "{line}");
        }
        assert!(!out.contains("<x>") && !out.contains("{{"), "{out}");
    }
}
