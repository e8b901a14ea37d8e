//! Reads the rows of a seed as Python's `csv` does for dbt.
//!
//! In: the bytes of a CSV file. Out: its header, then one record per row; a blank line is an empty
//! record. Line breaks are `\n`, even inside quotes, because Python opens the file as text. A byte
//! order mark is dropped.

use super::seed_types::SeedError;
use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord};
use std::io::{self, Read};

pub(super) struct SeedReader<R> {
    reader: Reader<UniversalNewlines<R>>,
    /// The number of empty records to return before `held`, or before the end.
    blank: u64,
    held: Option<ByteRecord>,
    ended: bool,
}

fn problem(e: &csv::Error) -> SeedError {
    SeedError { line: e.position().map_or(1, csv::Position::line), message: e.to_string() }
}

impl<R: Read> SeedReader<R> {
    pub(super) fn new(input: R, delimiter: u8) -> SeedReader<R> {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(true)
            .buffer_capacity(1 << 17)
            .from_reader(UniversalNewlines::new(input));
        SeedReader { reader, blank: 0, held: None, ended: false }
    }

    pub(super) fn header(&mut self) -> Result<StringRecord, SeedError> {
        self.reader.headers().cloned().map_err(|e| problem(&e))
    }

    /// Reads the next row; `false` at the end.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> Result<bool, SeedError> {
        if self.blank == 0 && self.held.is_none() && !self.ended {
            self.look_ahead(record)?;
            // The usual case: no blank lines, and `record` is filled.
            if self.blank == 0 && !self.ended {
                return Ok(true);
            }
        }
        if self.blank > 0 {
            self.blank -= 1;
            record.clear();
            return Ok(true);
        }
        match self.held.take() {
            Some(held) => {
                *record = held;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Reads a record and counts the blank lines before it, which the `csv` crate skips silently.
    fn look_ahead(&mut self, record: &mut ByteRecord) -> Result<(), SeedError> {
        self.reader.byte_headers().map_err(|e| problem(&e))?;
        let before = self.reader.position().line();
        self.ended = !self.reader.read_byte_record(record).map_err(|e| problem(&e))?;
        let lines = self.reader.position().line() - before;
        if self.ended {
            // Do not count the line break that was added at the end of the file.
            self.blank = lines.saturating_sub(self.reader.get_ref().surplus());
            return Ok(());
        }
        let own = 1 + record.as_slice().iter().filter(|b| **b == b'\n').count() as u64;
        self.blank = lines.saturating_sub(own);
        if self.blank > 0 {
            self.held = Some(record.clone());
        }
        Ok(())
    }
}

/// Python's universal newlines: `\r\n` and `\r` are read as `\n`. A final `\n` is added, so that
/// every row ends in one.
struct UniversalNewlines<R> {
    inner: R,
    /// The last byte was `\r`: a following `\n` belongs to the same line break.
    after_return: bool,
    ends_in_newline: bool,
    started: bool,
    ended: bool,
}

impl<R> UniversalNewlines<R> {
    fn new(inner: R) -> UniversalNewlines<R> {
        UniversalNewlines {
            inner,
            after_return: false,
            ends_in_newline: true,
            started: false,
            ended: false,
        }
    }

    /// The number of line breaks at the end that were added and do not end a row.
    fn surplus(&self) -> u64 {
        u64::from(self.ended && self.ends_in_newline)
    }
}

impl<R: Read> Read for UniversalNewlines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.inner.read(buffer)?;
            if n == 0 {
                let first = !std::mem::replace(&mut self.ended, true);
                if first && !buffer.is_empty() {
                    buffer[0] = b'\n';
                    return Ok(1);
                }
                return Ok(0);
            }
            let mut to = 0;
            for from in 0..n {
                let byte = buffer[from];
                let joined = byte == b'\n' && self.after_return;
                self.after_return = byte == b'\r';
                if !joined {
                    buffer[to] = if byte == b'\r' { b'\n' } else { byte };
                    to += 1;
                }
            }
            if !std::mem::replace(&mut self.started, true)
                && buffer[..to].starts_with(b"\xef\xbb\xbf")
            {
                buffer.copy_within(3..to, 0);
                to -= 3;
            }
            if to > 0 {
                self.ends_in_newline = buffer[to - 1] == b'\n';
                return Ok(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(csv: &str) -> Vec<Vec<String>> {
        let mut reader = SeedReader::new(csv.as_bytes(), b',');
        reader.header().unwrap();
        let mut record = ByteRecord::new();
        let mut out = Vec::new();
        while reader.next(&mut record).unwrap() {
            out.push(record.iter().map(|f| String::from_utf8(f.to_vec()).unwrap()).collect());
        }
        out
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        let mut reader = SeedReader::new("\u{feff}a,b\n\u{feff}1,2\n".as_bytes(), b',');
        assert_eq!(reader.header().unwrap().iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            rows("a,b\n\u{feff}1,2\n"),
            [["\u{feff}1", "2"]],
            "further on it is a character"
        );
    }

    #[test]
    fn blank_lines_are_rows() {
        let row = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let (a, b, none) = (row(&["1", "2"]), row(&["3", "4"]), row(&[]));
        for (csv, expected) in [
            ("a,b\n1,2\n3,4\n", vec![a.clone(), b.clone()]),
            ("a,b\n1,2\n3,4", vec![a.clone(), b.clone()]),
            ("a,b\n1,2\n\n3,4\n", vec![a.clone(), none.clone(), b.clone()]),
            ("a,b\n1,2\n\n\n3,4", vec![a.clone(), none.clone(), none.clone(), b.clone()]),
            ("a,b\n1,2\n\n", vec![a.clone(), none.clone()]),
            ("a,b\n1,2\n\n\n\n", vec![a.clone(), none.clone(), none.clone(), none.clone()]),
            ("a,b\n\n1,2\n", vec![none.clone(), a.clone()]),
            ("a,b\r\n1,2\r\n\r\n3,4\r\n", vec![a.clone(), none.clone(), b.clone()]),
            ("a,b\r1,2\r3,4\r", vec![a.clone(), b.clone()]),
            ("\u{feff}a,b\n", vec![]),
            ("a,b", vec![]),
            ("a,b\n\"x\r\ny\",2\n\n", vec![row(&["x\ny", "2"]), none.clone()]),
        ] {
            assert_eq!(rows(csv), expected, "{csv:?}");
        }
    }
}
