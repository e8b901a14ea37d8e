//! Draws the diagram as a single, self-contained SVG file.

use super::layout::{
    BADGE, HEADER, Layout, PADDING, ROW, Rect, place_tables, shown_columns, text_width,
};
use super::model::{Diagram, DiagramColumn, DiagramReference, DiagramTable};
use crate::analyze::KeyOrigin;
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// The colours of layers, in turn: (header of a table, box of the layer).
const COLOURS: [(&str, &str); 6] = [
    ("#3b6ea5", "#eef4fa"),
    ("#4c8a5b", "#eef7f0"),
    ("#a8652a", "#fbf3ec"),
    ("#7a5aa6", "#f4f0fa"),
    ("#a2475d", "#fbeff2"),
    ("#4d7d85", "#edf6f7"),
];

/// Escapes a text or an attribute value. Characters that are invalid in XML or change the text's
/// direction become spaces.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}') =>
            {
                out.push(' ')
            }
            c => out.push(c),
        }
    }
    out
}

/// A text that is cut to a width, with an ellipsis.
fn fit(text: &str, width: f64, size: f64) -> String {
    if text_width(text, size) <= width {
        return escape(text);
    }
    let mut out = String::new();
    let mut used = text_width("…", size);
    for c in text.chars() {
        used += c.width().unwrap_or(0) as f64 * size * 0.58;
        if used > width {
            break;
        }
        out.push(c);
    }
    escape(&format!("{}…", out.trim_end()))
}

pub(crate) fn write_svg(diagram: &Diagram, command: &str) -> String {
    // `--` would end the comment, so flags are written with an en dash.
    let command = escape(command).replace("--", "\u{2013}");
    let layout = place_tables(diagram);
    let Layout { width, height, .. } = layout;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" \
         font-size=\"12\" role=\"img\">\n<title>{}</title>\n<!-- Written by: {command} -->\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        escape(&format!("Tables of {}", diagram.project))
    );
    for (i, (group, rect)) in diagram.groups.iter().zip(&layout.groups).enumerate() {
        let (dark, light) = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"10\" fill=\"{light}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"14\" font-weight=\"600\" fill=\"{dark}\">{}</text>",
            rect.x,
            rect.y,
            rect.width,
            rect.height,
            rect.x + 14.0,
            rect.y + 22.0,
            fit(&group.name, rect.width - 20.0, 14.0)
        );
    }
    // Lines are below tables: a line that crosses a table emerges on its other side.
    for link in &diagram.references {
        line(&mut out, diagram, link, &layout);
    }
    for (i, group) in diagram.groups.iter().enumerate() {
        for table in &group.tables {
            draw(
                &mut out,
                &diagram.tables[*table],
                &layout.tables[*table],
                COLOURS[i % COLOURS.len()].0,
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

fn draw(out: &mut String, table: &DiagramTable, rect: &Rect, colour: &str) {
    let Rect { x, y, width, height } = *rect;
    let (shown, hidden) = shown_columns(table);
    let tip =
        if table.description.is_empty() { table.name.clone() } else { table.description.clone() };
    let kind = text_width(&table.kind, 11.0);
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\" \
         fill=\"#ffffff\" stroke=\"{colour}\"/><path d=\"M{x:.1} {bottom:.1}v-{side:.1}a6 6 0 0 1 6 -6h{top:.1}a6 6 0 0 1 6 \
         6v{side:.1}z\" fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" \
         fill=\"#ffffff\">{}</text><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" fill=\"#ffffff\" fill-opacity=\"0.8\" \
         text-anchor=\"end\">{}</text></g>",
        escape(&tip),
        x + PADDING,
        y + 18.5,
        fit(&table.name, width - kind - 3.0 * PADDING, 14.0),
        x + width - PADDING,
        y + 18.5,
        escape(&table.kind),
        bottom = y + HEADER,
        side = HEADER - 6.0,
        top = width - 12.0,
    );
    for (n, i) in shown.iter().enumerate() {
        row(out, &table.columns[*i], (x, y + HEADER + ROW * n as f64, width), n);
    }
    if hidden > 0 {
        let at = y + HEADER + ROW * shown.len() as f64 + 13.5;
        let more =
            if hidden == 1 { "1 more column".to_owned() } else { format!("{hidden} more columns") };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{at:.1}\" font-size=\"11\" font-style=\"italic\" fill=\"#777777\">{more}</text>",
            x + BADGE
        );
    }
}

fn row(out: &mut String, field: &DiagramColumn, (x, y, width): (f64, f64, f64), n: usize) {
    if n % 2 == 1 {
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{ROW:.1}\" fill=\"#f6f6f6\"/>",
            x + 1.0,
            width - 2.0
        );
    }
    let badge = match (field.primary, field.foreign, field.unique) {
        (true, true, _) => "PK FK",
        (true, false, _) => "PK",
        (false, true, true) => "FK U",
        (false, true, false) => "FK",
        (false, false, true) => "U",
        _ => "",
    };
    let data_type = field.data_type.as_deref().unwrap_or_default();
    let room = width - BADGE - 2.0 * PADDING;
    let left = room - text_width(&field.name, 12.0);
    let type_room = text_width(data_type, 11.0).min(left.max(room * 0.4));
    let weight = if field.primary { " font-weight=\"600\"" } else { "" };
    // Columns that may be null are paler.
    let colour = if field.not_null || field.primary { "#222222" } else { "#6a6a6a" };
    let at = y + 13.5;
    let tip = if field.description.is_empty() {
        String::new()
    } else {
        format!("<title>{}</title>", escape(&field.description))
    };
    let _ = writeln!(
        out,
        "<g>{tip}<text x=\"{:.1}\" y=\"{at:.1}\" font-size=\"9.5\" fill=\"#8a6d1d\">{badge}</text><text x=\"{:.1}\" \
         y=\"{at:.1}\" fill=\"{colour}\"{weight}>{}</text><text x=\"{:.1}\" y=\"{at:.1}\" font-size=\"11\" \
         fill=\"#8a8a8a\" text-anchor=\"end\">{}</text></g>",
        x + 6.0,
        x + BADGE,
        fit(&field.name, room - type_room, 12.0),
        x + width - PADDING,
        fit(data_type, type_room, 11.0),
    );
}

/// The vertical centre of a column's row; that of the header if the column is not shown.
fn row_y(table: &DiagramTable, rect: &Rect, column: Option<&String>) -> f64 {
    let (shown, _) = shown_columns(table);
    let at = column.and_then(|c| shown.iter().position(|i| table.columns[*i].name == *c));
    at.map_or(rect.y + HEADER / 2.0, |n| rect.y + HEADER + ROW * (n as f64 + 0.5))
}

/// Draws a line from the child's column to the parent's, with crow's feet: a fork for many, a bar
/// for one, a ring for optional.
fn line(out: &mut String, diagram: &Diagram, link: &DiagramReference, layout: &Layout) {
    let (child, parent) = (&layout.tables[link.child], &layout.tables[link.parent]);
    let y1 = row_y(&diagram.tables[link.child], child, link.columns.first());
    let y2 = row_y(&diagram.tables[link.parent], parent, link.parent_columns.first());
    // The sides that face each other; tables above each other are linked on their right sides.
    let (x1, side1, x2, side2) = if child.x >= parent.x + parent.width {
        (child.x, -1.0, parent.x + parent.width, 1.0)
    } else if parent.x >= child.x + child.width {
        (child.x + child.width, 1.0, parent.x, -1.0)
    } else {
        (child.x + child.width, 1.0, parent.x + parent.width, 1.0)
    };
    let foot = 16.0;
    let (a, b) = (x1 + side1 * foot, x2 + side2 * foot);
    let bend = ((a - b).abs() / 2.0).clamp(24.0, 160.0);
    let dash = if link.origin == KeyOrigin::Test { " stroke-dasharray=\"5 3\"" } else { "" };
    let must = if link.optional { "optional" } else { "mandatory" };
    let kind = if link.one_to_one { "one to one" } else { "many to one" };
    let (from, to) = (&diagram.tables[link.child].name, &diagram.tables[link.parent].name);
    let tip = format!(
        "{from} ({}) to {to}: {kind}, {must}, from a {}",
        link.columns.join(", "),
        link.origin.as_str()
    );
    let many = if link.one_to_one {
        format!("M{:.1} {:.1}v10", x1 + side1 * 8.0, y1 - 5.0)
    } else {
        format!("M{x1:.1} {:.1}L{a:.1} {y1:.1}L{x1:.1} {:.1}", y1 - 6.0, y1 + 6.0)
    };
    let one = format!("M{:.1} {:.1}v10", x2 + side2 * 6.0, y2 - 5.0);
    let ring = if link.optional {
        format!("<circle cx=\"{:.1}\" cy=\"{y2:.1}\" r=\"4\" fill=\"#ffffff\"/>", x2 + side2 * 12.0)
    } else {
        format!("<path d=\"M{:.1} {:.1}v10\"/>", x2 + side2 * 10.0, y2 - 5.0)
    };
    let _ = writeln!(
        out,
        "<g fill=\"none\" stroke=\"#5f6b7a\" stroke-width=\"1.2\"><title>{}</title><path d=\"M{x1:.1} {y1:.1}H{a:.1}C{:.1} \
         {y1:.1} {:.1} {y2:.1} {b:.1} {y2:.1}H{x2:.1}\"{dash}/><path d=\"{many}{one}\"/>{ring}</g>",
        escape(&tip),
        a + side1 * bend,
        b + side2 * bend,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::erd::model::testing::hostile;

    #[test]
    fn hostile_texts_are_escaped() {
        let out = write_svg(&hostile(), "x");
        assert!(!out.contains("<x>") && !out.contains('\u{202e}'));
        assert_eq!(out.matches("<!--").count(), 1);
        assert_eq!(out.matches("<g").count(), out.matches("</g>").count());
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fit("abcdef", 1000.0, 12.0), "abcdef");
        assert!(fit(&"abc".repeat(50), 100.0, 12.0).ends_with('…'));
    }
}
