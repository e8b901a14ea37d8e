//! SQL with the origin of each piece of it in a template.

use super::{FileId, Span};

/// The origin of a piece of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Copied verbatim from the template, starting at this byte.
    Raw { file: FileId, start: u32 },
    /// Printed by this expression or block of the template.
    Expr(Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    start: u32,
    end: u32,
    origin: Origin,
}

/// SQL with its segments, which are in order and do not overlap. Bytes outside of all segments were
/// generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SqlText {
    text: String,
    segments: Vec<Segment>,
}

impl SqlText {
    pub(crate) fn new() -> SqlText {
        SqlText::default()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_string(self) -> String {
        self.text
    }

    /// Appends generated text, without an origin.
    pub(crate) fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn push_from(&mut self, text: &str, origin: Origin) {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        if !text.is_empty() {
            self.segments.push(Segment { start, end: self.text.len() as u32, origin });
        }
    }

    /// Appends another text with its segments.
    pub(crate) fn push(&mut self, other: &SqlText) {
        let by = self.text.len() as u32;
        self.text.push_str(&other.text);
        self.segments.extend(other.segments.iter().map(|s| Segment {
            start: s.start + by,
            end: s.end + by,
            origin: s.origin,
        }));
    }

    /// Inserts a text before byte `at`. A segment that contains `at` is split.
    pub(crate) fn insert(&mut self, at: usize, other: &SqlText) {
        let tail = self.split_off(at);
        self.push(other);
        self.push(&tail);
    }

    /// The origin of the first segment.
    pub(crate) fn first_origin(&self) -> Option<Origin> {
        self.segments.first().map(|s| s.origin)
    }

    /// Truncates the text at byte `at` and returns the rest. A segment that contains `at` is split.
    pub(crate) fn split_off(&mut self, at: usize) -> SqlText {
        let cut = at as u32;
        let text = self.text.split_off(at);
        let mut tail = SqlText { text, segments: Vec::new() };
        let mut head = Vec::with_capacity(self.segments.len());
        for s in self.segments.drain(..) {
            if s.end <= cut {
                head.push(s);
                continue;
            }
            if s.start < cut {
                head.push(Segment { end: cut, ..s });
            }
            let start = s.start.max(cut);
            let origin = match s.origin {
                Origin::Raw { file, start: from } => {
                    Origin::Raw { file, start: from + (start - s.start) }
                }
                expr => expr,
            };
            tail.segments.push(Segment { start: start - cut, end: s.end - cut, origin });
        }
        self.segments = head;
        tail
    }

    /// The text without white space at both ends.
    pub(crate) fn trimmed(mut self) -> SqlText {
        self.text.truncate(self.text.trim_end().len());
        let end = self.text.len() as u32;
        self.segments.retain(|s| s.start < end);
        if let Some(last) = self.segments.last_mut() {
            last.end = last.end.min(end);
        }
        let lead = self.text.len() - self.text.trim_start().len();
        if lead == 0 { self } else { self.split_off(lead) }
    }

    /// A text that was made from `inner`, such as by a macro. If it contains all of `inner`, that
    /// part keeps its origins.
    pub(crate) fn around(text: String, inner: &SqlText) -> SqlText {
        let needle = inner.text.trim();
        let mut out = SqlText { text, segments: Vec::new() };
        if needle.is_empty() {
            return out;
        }
        if let Some(at) = out.text.find(needle) {
            let lead = inner.text.len() - inner.text.trim_start().len();
            let len = needle.len();
            for s in &inner.segments {
                let (start, end) = ((s.start as usize).max(lead), (s.end as usize).min(lead + len));
                if start < end {
                    let by = start as u32 - s.start;
                    let origin = match s.origin {
                        Origin::Raw { file, start: from } => Origin::Raw { file, start: from + by },
                        expr => expr,
                    };
                    out.segments.push(Segment {
                        start: (start - lead + at) as u32,
                        end: (end - lead + at) as u32,
                        origin,
                    });
                }
            }
        }
        out
    }

    /// The span in the template of `len` bytes at `byte`; `None` for generated text.
    pub(crate) fn locate(&self, byte: usize, len: usize) -> Option<Span> {
        let byte = byte as u32;
        let i = self.segments.partition_point(|s| s.end <= byte);
        let s = self.segments.get(i).filter(|s| s.start <= byte)?;
        Some(match s.origin {
            Origin::Raw { file, start } => {
                let from = start + (byte - s.start);
                let most = start + (s.end - s.start);
                Span { file, start: from, end: (from + len.max(1) as u32).min(most) }
            }
            Origin::Expr(span) => span,
        })
    }
}

impl From<&str> for SqlText {
    fn from(text: &str) -> SqlText {
        SqlText { text: text.to_owned(), segments: Vec::new() }
    }
}

impl From<String> for SqlText {
    fn from(text: String) -> SqlText {
        SqlText { text, segments: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SqlText {
        let mut t = SqlText::new();
        t.push_from("  select a from ", Origin::Raw { file: FileId(0), start: 10 });
        t.push_from("\"main\".\"b\"", Origin::Expr(Span::new(FileId(0), 40, 50)));
        t
    }

    #[test]
    fn raw_bytes_map_one_to_one_and_expressions_to_their_call() {
        let t = sample();
        assert_eq!(t.locate(9, 1), Some(Span::new(FileId(0), 19, 20)));
        assert_eq!(t.locate(20, 3), Some(Span::new(FileId(0), 40, 50)));
    }

    #[test]
    fn insert_and_trim_keep_places() {
        let mut t = sample().trimmed();
        assert_eq!(t.locate(7, 1), Some(Span::new(FileId(0), 19, 20)));
        t.insert(7, &SqlText::from("distinct "));
        assert_eq!(t.as_str(), "select distinct a from \"main\".\"b\"");
        assert_eq!(t.locate(16, 1), Some(Span::new(FileId(0), 19, 20)));
        assert_eq!(t.locate(8, 1), None);
    }

    #[test]
    fn a_wrapped_text_keeps_places() {
        let inner = sample();
        let t =
            SqlText::around("create table t as (\nselect a from \"main\".\"b\"\n)".into(), &inner);
        assert_eq!(t.locate(27, 1), Some(Span::new(FileId(0), 19, 20)));
        assert_eq!(t.locate(2, 1), None);
    }
}
