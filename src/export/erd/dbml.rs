//! Writes DBML (https://dbml.dbdiagram.io/docs), which dbdiagram.io opens.

use super::model::{Diagram, DiagramColumn, DiagramTable};
use std::fmt::Write;

/// A name in double quotes. DBML has no escapes for double quotes and line breaks in names, so they
/// are replaced.
fn name(text: &str) -> String {
    format!("\"{}\"", text.chars().map(clean_character).collect::<String>())
}

fn clean_character(c: char) -> char {
    match c {
        '"' => '\u{201d}',
        '\\' => '\u{2216}',
        c if c.is_control() => ' ',
        c => c,
    }
}

/// A text in single quotes, on one line.
fn text(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// The name of a table, with its schema if it has one.
fn table_name(table: &DiagramTable) -> String {
    match table.schema.as_str() {
        "" => name(&table.name),
        schema => format!("{}.{}", name(schema), name(&table.name)),
    }
}

pub(crate) fn write_dbml(diagram: &Diagram, command: &str) -> String {
    let command = command.replace(char::is_control, " ");
    let mut out = format!("// Written by: {command}\n");
    let _ = write!(out, "Project {} {{\n  database_type: 'Generic'\n}}\n", name(&diagram.project));
    for table in &diagram.tables {
        let _ = writeln!(out, "\nTable {} {{", table_name(table));
        for field in &table.columns {
            let _ = writeln!(out, "  {}", column(table, field));
        }
        if !table.composite.is_empty() {
            out.push_str("\n  indexes {\n");
            for key in &table.composite {
                let columns: Vec<String> = key.columns.iter().map(|c| name(c)).collect();
                let kind = if key.primary { "pk" } else { "unique" };
                let from = text(&format!("from a {}", key.origin.as_str()));
                let _ = writeln!(out, "    ({}) [{kind}, note: {from}]", columns.join(", "));
            }
            out.push_str("  }\n");
        }
        if !table.description.is_empty() {
            let _ = write!(out, "\n  Note: {}\n", text(&table.description));
        }
        out.push_str("}\n");
    }
    out.push('\n');
    for link in &diagram.references {
        let (child, parent) = (&diagram.tables[link.child], &diagram.tables[link.parent]);
        // The sign is the cardinality. DBML expresses optional references only by nullable columns,
        // so a comment says it.
        let kind = if link.one_to_one { "-" } else { ">" };
        let must = if link.optional { "optional" } else { "mandatory" };
        let _ = writeln!(
            out,
            "Ref: {} {kind} {} // {must}, from a {}",
            endpoint(child, &link.columns),
            endpoint(parent, &link.parent_columns),
            link.origin.as_str()
        );
    }
    for group in &diagram.groups {
        let _ = writeln!(out, "\nTableGroup {} {{", name(&group.name));
        for table in &group.tables {
            let _ = writeln!(out, "  {}", table_name(&diagram.tables[*table]));
        }
        out.push_str("}\n");
    }
    out
}

/// One end of a reference.
fn endpoint(table: &DiagramTable, columns: &[String]) -> String {
    match columns {
        [one] => format!("{}.{}", table_name(table), name(one)),
        many => {
            let many: Vec<String> = many.iter().map(|c| name(c)).collect();
            format!("{}.({})", table_name(table), many.join(", "))
        }
    }
}

fn column(table: &DiagramTable, field: &DiagramColumn) -> String {
    let mut settings = Vec::new();
    // A key of several columns is written as an index.
    let alone = field.primary && !table.composite.iter().any(|k| k.primary);
    if alone {
        settings.push("pk".to_owned());
    } else if field.unique {
        settings.push("unique".to_owned());
    }
    if field.not_null && !alone {
        settings.push("not null".to_owned());
    }
    if !field.description.is_empty() {
        settings.push(format!("note: {}", text(&field.description)));
    }
    let settings =
        if settings.is_empty() { String::new() } else { format!(" [{}]", settings.join(", ")) };
    // Types are quoted too, because some contain spaces and parentheses.
    let data_type = name(field.data_type.as_deref().unwrap_or("unknown"));
    format!("{} {data_type}{settings}", name(&field.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::erd::model::testing::hostile;

    #[test]
    fn hostile_texts_stay_on_their_line() {
        let out = write_dbml(&hostile(), "x");
        let open = out.matches('{').count() - out.matches("{{").count() * 2;
        assert_eq!(open, 1 + 2 + 2 + 1, "{out}");
        assert!(out.lines().all(|l| l.matches('"').count().is_multiple_of(2)), "{out}");
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(text("it's\n\\ x"), r"'it\'s \\ x'");
        assert_eq!(name("a\"b"), "\"a\u{201d}b\"");
    }
}
