//! A seed's rows in the text format of `copy ... from stdin` (PostgreSQL documentation, "COPY",
//! "Text Format"), with the values that dbt inserts: what agate takes for a number is written as
//! one, empty and `null` are null.

use super::agate;
use super::seed_reader::SeedReader;
use super::seed_types::{Inference, SeedError};
use csv::ByteRecord;
use std::io::{self, Read};

/// How the values of a column are written: as what agate takes them for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// As they are.
    Text,
    Integer,
    Float,
    Date,
    Timestamp,
    Boolean,
}

/// Reads a CSV file and gives rows; streams, a row at a time.
pub(crate) struct SeedRows<R> {
    reader: SeedReader<R>,
    columns: Vec<Write>,
    /// The types were inferred from the first rows: all rows are looked at, from the first one on.
    watch: Option<Inference>,
    types: Vec<(String, String)>,
    record: ByteRecord,
    out: Vec<u8>,
    sent: usize,
}

impl<R: Read> SeedRows<R> {
    /// `types` are the SQL types of the columns; those that `is_given` names are written as they
    /// are. With `watch`, which knows no more than the first rows, the stream breaks off at its end
    /// when `types` do not fit all rows.
    pub(crate) fn new(
        input: R,
        delimiter: u8,
        types: &[(String, String)],
        is_given: &dyn Fn(&str) -> bool,
        watch: Option<Inference>,
    ) -> SeedRows<R> {
        let columns = types.iter().map(|(name, kind)| match kind.as_str() {
            _ if is_given(name) => Write::Text,
            "integer" => Write::Integer,
            "float8" => Write::Float,
            "date" => Write::Date,
            "timestamp without time zone" => Write::Timestamp,
            "boolean" => Write::Boolean,
            _ => Write::Text,
        });
        SeedRows {
            reader: SeedReader::new(input, delimiter),
            columns: columns.collect(),
            watch,
            types: types.to_vec(),
            record: ByteRecord::new(),
            out: Vec::with_capacity(1 << 17),
            sent: 0,
        }
    }

    /// The types that fit all rows, when they are others than those that were taken.
    pub(crate) fn other_types(&self) -> Option<Vec<(String, String)>> {
        self.watch.as_ref().map(Inference::columns).filter(|types| *types != self.types)
    }

    /// Reads on to the end of the file, writing nothing, to learn the types of all rows.
    pub(crate) fn look_at_the_rest(&mut self) -> io::Result<()> {
        while self.next_record()? {}
        Ok(())
    }

    fn next_record(&mut self) -> io::Result<bool> {
        let failed = |e: SeedError| io::Error::other(format!("line {}: {}", e.line, e.message));
        if !self.reader.next(&mut self.record).map_err(failed)? {
            return Ok(false);
        }
        if let Some(watch) = &mut self.watch {
            watch.see(&self.record).map_err(failed)?;
        }
        Ok(true)
    }

    /// Writes rows until a buffer is full; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.sent = 0;
        while self.out.len() < 1 << 16 {
            if !self.next_record()? {
                if self.other_types().is_some() {
                    return Err(io::Error::other(
                        "the first rows have other types than the whole file",
                    ));
                }
                return Ok(!self.out.is_empty());
            }
            for (i, column) in self.columns.iter().enumerate() {
                if i > 0 {
                    self.out.push(b'\t');
                }
                // A row that is too short ends in nulls.
                put(self.record.get(i).unwrap_or_default(), *column, &mut self.out);
            }
            self.out.push(b'\n');
        }
        Ok(true)
    }
}

impl<R: Read> Read for SeedRows<R> {
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

fn put(value: &[u8], column: Write, out: &mut Vec<u8>) {
    // Python strips all blanks, also those of other scripts.
    let text = match std::str::from_utf8(value) {
        Ok(text) if !value.is_ascii() => text.trim().as_bytes(),
        _ => value.trim_ascii(),
    };
    if text.is_empty() || text.eq_ignore_ascii_case(b"null") {
        out.extend_from_slice(b"\\N");
        return;
    }
    match column {
        Write::Text => escape(value, out),
        Write::Integer if text.iter().all(u8::is_ascii_digit) => out.extend_from_slice(text),
        _ => escape(converted(&String::from_utf8_lossy(text), column).as_bytes(), out),
    }
}

/// A value as Postgres reads it; one that is not what its column holds stays as it is, and Postgres
/// says what is wrong.
fn converted(text: &str, column: Write) -> String {
    let value = match column {
        Write::Text => None,
        Write::Integer => {
            agate::number(text).map(|n| n.to_int().map_or_else(|| n.to_string(), |i| i.to_string()))
        }
        Write::Float => agate::number(text).map(|n| n.to_string()),
        Write::Date => agate::date(text).map(|d| d.to_string()),
        Write::Timestamp => {
            let stamp = agate::timestamp(text).or_else(|| agate::iso_timestamp(text));
            stamp.and_then(agate::in_utc).map(|t| t.strftime("%Y-%m-%d %H:%M:%S%.f").to_string())
        }
        Write::Boolean => agate::boolean(text).map(|b| b.to_string()),
    };
    value.unwrap_or_else(|| text.to_owned())
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

    fn rows(csv: &str, types: &[&str]) -> String {
        let types: Vec<(String, String)> =
            types.iter().enumerate().map(|(i, t)| (format!("c{i}"), (*t).to_owned())).collect();
        let mut out = String::new();
        SeedRows::new(csv.as_bytes(), b',', &types, &|_| false, None)
            .read_to_string(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn values() {
        let csv = "a,b,c\n1.0,$1.50,x\n\"1,000\",10%,NULL\n-007,,\"a\tb\nc\\\"\n1e3,1e-3,\"\"\n";
        let expected = "1\t1.50\tx\n1000\t10\t\\N\n-7\t\\N\ta\\tb\\nc\\\\\n1000\t0.001\t\\N\n";
        assert_eq!(rows(csv, &["integer", "float8", "text"]), expected);
    }

    proptest! {
        /// What Postgres reads back is what was written: no value breaks out of its field.
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
                    '\\' => match chars.next() { Some('t') => '\t', Some('n') => '\n', Some('r') => '\r', Some(c) => c, None => '\\' },
                    c => c,
                });
            }
            prop_assert_eq!(back, text);
        }
    }
}
