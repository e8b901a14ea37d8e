//! Marks around pieces of a rendered text, so that the pieces can be found and replaced later.
//!
//! They are noncharacters (Unicode 16.0, section 23.7), which should not occur in text: open, a
//! number, bar, the printed text, close. If a template changes the text between them, the printed
//! text is not found unchanged. If it compares or counts the text, the operators record that
//! (`Rendered::is_inspected`).

const OPEN: char = '\u{fdd0}';
const BAR: char = '\u{fdd1}';
const CLOSE: char = '\u{fdd2}';

/// A marked piece of a rendered text: its byte range with the marks, and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MarkedPiece {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) number: u32,
    /// The text between the marks.
    pub(crate) text: String,
}

pub(crate) fn mark_piece(number: u32, text: &str) -> String {
    format!("{OPEN}{number}{BAR}{text}{CLOSE}")
}

pub(crate) fn has_mark(text: &str) -> bool {
    text.contains(OPEN) || text.contains(CLOSE) || text.contains(BAR)
}

/// The marked pieces of a rendered text, in order. `None`: the marks are incomplete or out of
/// order, since the template has changed the text.
pub(crate) fn find_marked(text: &str) -> Option<Vec<MarkedPiece>> {
    let mut found = Vec::new();
    let mut done = 0;
    while let Some(at) = text[done..].find([OPEN, BAR, CLOSE]) {
        let start = done + at;
        let inside = text[start..].strip_prefix(OPEN)?;
        let (inside, _) = inside.split_once(CLOSE)?;
        let (number, printed) = inside.split_once(BAR)?;
        let end = start + OPEN.len_utf8() + inside.len() + CLOSE.len_utf8();
        let number = number.parse().ok()?;
        found.push(MarkedPiece { start, end, number, text: printed.to_owned() });
        done = end;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_where_they_were_printed() {
        let text = format!("from {}, {}", mark_piece(3, "x.y"), mark_piece(12, "z"));
        let found = find_marked(&text).unwrap();
        assert_eq!([found[0].number, found[1].number], [3, 12]);
        assert_eq!([&*found[0].text, &*found[1].text], ["x.y", "z"]);
        assert_eq!(&text[found[0].end..found[1].start], ", ");
        assert_eq!(find_marked("select 1"), Some(Vec::new()));
    }

    #[test]
    fn marks_that_were_taken_apart_are_told() {
        let text = mark_piece(3, "x.y");
        assert!(has_mark(&text) && !has_mark("x.y"));
        let cut = [&text[3..], &text[..text.len() - 3], "\u{fdd1}", "\u{fdd0}a\u{fdd1}x\u{fdd2}"];
        for cut in cut {
            assert_eq!(find_marked(cut), None, "{cut:?}");
        }
    }
}
