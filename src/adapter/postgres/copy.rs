//! Converts a seed's rows to the text format of `copy ... from stdin` (PostgreSQL documentation,
//! "COPY", "Text Format").

use crate::engine::SeedSource;
use std::io::{self, Read};

/// Streams the rows of a seed in the text format of `copy`.
pub(super) struct CopyText<'a> {
    rows: &'a mut dyn SeedSource,
    width: usize,
    out: Vec<u8>,
    sent: usize,
}

/// The buffer size in bytes.
const BUFFER: usize = 1 << 16;

impl<'a> CopyText<'a> {
    pub(super) fn new(rows: &'a mut dyn SeedSource, width: usize) -> CopyText<'a> {
        CopyText { rows, width, out: Vec::with_capacity(2 * BUFFER), sent: 0 }
    }

    /// Fills the buffer with rows; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.sent = 0;
        while self.out.len() < BUFFER && self.rows.next_row()? {
            for i in 0..self.width {
                if i > 0 {
                    self.out.push(b'\t');
                }
                match self.rows.value(i) {
                    Some(value) => escape(&value, &mut self.out),
                    None => self.out.extend_from_slice(b"\\N"),
                }
            }
            self.out.push(b'\n');
        }
        Ok(!self.out.is_empty())
    }
}

impl Read for CopyText<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.sent == self.out.len() && !self.fill()? {
            return Ok(0);
        }
        let n = buffer.len().min(self.out.len() - self.sent);
        buffer[..n].copy_from_slice(&self.out[self.sent..self.sent + n]);
        self.sent += n;
        Ok(n)
    }
}

fn escape(value: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for (i, c) in value.iter().enumerate() {
        let letter = match c {
            b'\\' => b'\\',
            b'\t' => b't',
            b'\n' => b'n',
            b'\r' => b'r',
            _ => continue,
        };
        out.extend_from_slice(&value[from..i]);
        out.extend_from_slice(&[b'\\', letter]);
        from = i + 1;
    }
    out.extend_from_slice(&value[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Postgres reads back the original text: no value breaks out of its field.
        #[test]
        fn escapes_can_be_undone(text in "[a-z\\\\\t\r\n,\" ]{0,12}") {
            let mut out = Vec::new();
            escape(text.as_bytes(), &mut out);
            let written = String::from_utf8(out).unwrap();
            prop_assert!(!written.contains(['\t', '\n', '\r']));
            let mut back = String::new();
            let mut chars = written.chars();
            while let Some(c) = chars.next() {
                back.push(match c {
                    '\\' => match chars.next() {
                        Some('t') => '\t',
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some(c) => c,
                        None => '\\',
                    },
                    c => c,
                });
            }
            prop_assert_eq!(back, text);
        }
    }
}
