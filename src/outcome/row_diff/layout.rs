//! Drawn rows as text: cells quoted as in CSV, columns padded unless the lines become too long.

use super::mark::{Drawing, DrawnCell, DrawnRow, RowSign};

/// Lines longer than this are not padded.
const WIDEST: usize = 130;

/// A space that only one of two texts has.
const OPEN_BOX: char = '\u{2423}';

/// A cell as it is shown, and as wide as it counts. The two differ where a value prints otherwise in
/// a coloured cell, whose colours are left out here.
struct LaidCell {
    shown: String,
    width: usize,
}

/// What a column's name makes of its cells, since daff reads `+++` and `---` in it as a column that
/// was added or removed.
#[derive(Clone, Copy, PartialEq)]
enum ColumnLook<'a> {
    Usual,
    Added,
    /// Changes are not drawn, but written with this arrow.
    Removed(&'a str),
}

pub(super) fn lay_out(drawing: &Drawing) -> String {
    let names = drawing.rows[0].cells.iter().map(|cell| plain_text(cell, ColumnLook::Usual));
    let looks: Vec<ColumnLook<'_>> = names.map(|name| look_of(&name, &drawing.arrow)).collect();
    let lines: Vec<Vec<LaidCell>> = drawing.rows.iter().map(|row| lay_row(row, &looks)).collect();
    let widths: Vec<usize> =
        (0..lines[0].len()).map(|column| column_width(&lines, column)).collect();
    let is_padded = widths.iter().sum::<usize>() + widths.len() - 1 <= WIDEST;
    let mut out = String::new();
    for line in &lines {
        let (mut at, mut target) = (0, 0);
        for (column, cell) in line.iter().enumerate() {
            if is_padded && target > at {
                out.push_str(&" ".repeat(target - at));
                at = target;
            }
            if column > 0 {
                out.push(',');
            }
            out.push_str(&cell.shown);
            at += cell.width;
            target += widths[column];
        }
        out.push_str("\r\n");
    }
    out
}

fn look_of<'a>(name: &str, arrow: &'a str) -> ColumnLook<'a> {
    match name {
        _ if name.contains("+++") => ColumnLook::Added,
        _ if name.contains("---") => ColumnLook::Removed(arrow),
        _ => ColumnLook::Usual,
    }
}

fn lay_row(row: &DrawnRow, looks: &[ColumnLook<'_>]) -> Vec<LaidCell> {
    let sign = match row.sign {
        RowSign::Header => "@@",
        RowSign::Same => "",
        RowSign::Changed => "→",
        RowSign::Added => "+++",
        RowSign::Removed => "---",
        RowSign::Dots => "...",
    };
    let marker = LaidCell { shown: sign.to_owned(), width: sign.chars().count() };
    let cells = row.cells.iter().zip(looks).map(|(cell, look)| {
        let is_coloured = *look != ColumnLook::Usual
            || matches!(row.sign, RowSign::Header | RowSign::Added | RowSign::Removed)
            || matches!(cell, DrawnCell::Change(..));
        let plain = plain_text(cell, *look);
        let width = quote_cell(&plain, has_edge_spaces(&plain)).chars().count();
        let shown = match (cell, is_coloured) {
            (DrawnCell::Value(value), true) => quote_cell(value.alone(), false),
            (_, true) => quote_cell(&plain, false),
            (_, false) => quote_cell(&plain, has_edge_spaces(&plain)),
        };
        LaidCell { shown: strip_escapes(&shown), width }
    });
    std::iter::once(marker).chain(cells).collect()
}

fn plain_text(cell: &DrawnCell, look: ColumnLook<'_>) -> String {
    match cell {
        DrawnCell::Value(value) => value.in_context().to_owned(),
        DrawnCell::Dots => "...".to_owned(),
        DrawnCell::Change(before, after) => {
            if let ColumnLook::Removed(arrow) = look {
                return format!("{before}{arrow}{after}");
            }
            let before = mark_spaces(before, after);
            let after = mark_spaces(after, &before);
            format!("{before}→{after}")
        }
    }
}

/// Shows the spaces of a text that the other lacks, if they differ by nothing else.
fn mark_spaces(text: &str, other: &str) -> String {
    if text == other || text.replace(' ', "") != other.replace(' ', "") {
        return text.to_owned();
    }
    let mut rest = other.chars().peekable();
    let mut out = String::new();
    for c in text.chars() {
        if c != ' ' {
            while rest.next_if_eq(&' ').is_some() {}
        }
        out.push(if rest.next_if_eq(&c).is_some() { c } else { OPEN_BOX });
    }
    out
}

fn has_edge_spaces(text: &str) -> bool {
    text.starts_with(' ') || text.ends_with(' ')
}

fn quote_cell(text: &str, always: bool) -> String {
    if always || text.contains(['"', '\r', '\n', '\t', ',']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The width of a column: of its longest cell that is not an outlier, at least of its name.
fn column_width(lines: &[Vec<LaidCell>], column: usize) -> usize {
    let widths: Vec<usize> = lines.iter().map(|line| line[column].width).collect();
    let count = widths.len() as f64;
    let mean = widths.iter().sum::<usize>() as f64 / count;
    let squares = widths.iter().map(|width| width * width).sum::<usize>() as f64 / count;
    let deviation = (squares - mean * mean).max(0.0).sqrt();
    let usual = (mean + deviation * 2.0 + 0.5) as usize;
    let longest = widths.iter().copied().filter(|width| *width <= usual).max().unwrap_or(0);
    longest.max(widths[0])
}

/// Takes out the control sequences of terminals, those of the data included.
fn strip_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&rest[..at]);
        let len = escape_len(&rest[at..]);
        if len == 0 {
            out.push('\u{1b}');
        }
        rest = &rest[at + len.max(1)..];
    }
    out.push_str(rest);
    out
}

/// The length of the sequence at the beginning of the text; 0 if there is none.
fn escape_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let mut at = 2;
            while bytes.get(at).is_some_and(|b| (0x30..=0x3f).contains(b)) {
                at += 1;
            }
            while bytes.get(at).is_some_and(|b| (0x20..=0x2f).contains(b)) {
                at += 1;
            }
            let is_whole = bytes.get(at).is_some_and(|b| (0x40..=0x7e).contains(b));
            if is_whole { at + 1 } else { 0 }
        }
        Some(0x40..=0x5a | 0x5c..=0x5f) => 2,
        _ => 0,
    }
}
