//! Rewrites a text, keeping the map from new to original offsets.

/// A replacement: the `new_len` bytes at `new_at` replace the `old_len` bytes at `old_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edit {
    new_at: u32,
    new_len: u32,
    old_at: u32,
    old_len: u32,
}

/// The replacements in a text, in order. Original offsets are relative to the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edits {
    /// The offset of the text in its file.
    base: u32,
    list: Vec<Edit>,
}

impl Edits {
    /// The offset in the original file of an offset in the rewritten text.
    pub(crate) fn original(&self, offset: usize) -> usize {
        let offset = offset as u32;
        let i = self.list.partition_point(|e| e.new_at + e.new_len <= offset);
        let inside = self.list.get(i).filter(|e| offset >= e.new_at);
        let at = match (inside, i.checked_sub(1).map(|i| self.list[i])) {
            (Some(e), _) => e.old_at,
            (None, Some(e)) => offset - (e.new_at + e.new_len) + e.old_at + e.old_len,
            (None, None) => offset + self.base,
        };
        at as usize
    }
}

/// Copies a text with replacements.
pub(super) struct Rewriter<'a> {
    source: &'a str,
    pub(super) out: String,
    pos: usize,
    edits: Edits,
    /// Whether line ends must be normalized. Only templates need it, not plain text.
    carriage_returns: bool,
}

impl<'a> Rewriter<'a> {
    /// Rewrites `source[from..]`. The original offsets of the edits are relative to the whole
    /// source.
    pub(super) fn new(source: &'a str, from: usize, room: usize) -> Rewriter<'a> {
        Rewriter {
            source,
            out: String::with_capacity(room + room / 8 + 32),
            pos: from,
            edits: Edits { base: from as u32, list: Vec::new() },
            carriage_returns: source.contains('\r')
                && ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)),
        }
    }

    pub(super) fn copy_to(&mut self, to: usize) {
        if to > self.pos {
            match self.carriage_returns {
                true => self.copy_lines(to),
                false => self.out.push_str(&self.source[self.pos..to]),
            }
            self.pos = to;
        }
    }

    /// Copies text with every line end as a single `\n`, as in Jinja2.
    fn copy_lines(&mut self, to: usize) {
        let mut from = self.pos;
        for (found, _) in self.source[self.pos..to].match_indices('\r') {
            let at = self.pos + found;
            self.out.push_str(&self.source[from..at]);
            from = at + 1;
            let with = if self.source[from..].starts_with('\n') { "" } else { "\n" };
            self.note(with.len(), at, 1);
            self.out.push_str(with);
        }
        self.out.push_str(&self.source[from..to]);
    }

    fn note(&mut self, new_len: usize, old_at: usize, old_len: usize) {
        self.edits.list.push(Edit {
            new_at: self.out.len() as u32,
            new_len: new_len as u32,
            old_at: old_at as u32,
            old_len: old_len as u32,
        });
    }

    pub(super) fn replace(&mut self, from: usize, to: usize, with: &str) {
        self.copy_to(from);
        self.note(with.len(), from, to - from);
        self.out.push_str(with);
        self.pos = to;
    }

    pub(super) fn insert(&mut self, at: usize, text: &str) {
        self.replace(at, at, text);
    }

    pub(super) fn finish(mut self, to: usize) -> (String, Edits) {
        self.copy_to(to);
        (self.out, self.edits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_are_alike_in_templates() {
        let copied = |text: &str| Rewriter::new(text, 0, text.len()).finish(text.len());
        let (text, edits) = copied("a\r\n{{ b }}\rc");
        assert_eq!(text, "a\n{{ b }}\nc");
        assert_eq!((edits.original(2), edits.original(10)), (3, 11));
        assert_eq!(copied("a\r\nb").0, "a\r\nb");
    }

    #[test]
    fn offsets_map_back() {
        let mut rw = Rewriter::new("xx a [1] b", 3, 7);
        rw.insert(5, "__l(");
        rw.insert(8, ")");
        let (text, edits) = rw.finish(10);
        assert_eq!(text, "a __l([1]) b");
        assert_eq!(edits.original(0), 3);
        assert_eq!(edits.original(2), 5);
        assert_eq!(edits.original(6), 5);
        assert_eq!(edits.original(7), 6);
        assert_eq!(edits.original(11), 9);
    }
}
