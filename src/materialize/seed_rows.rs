//! The rows of a seed with the values that dbt inserts: texts that agate takes as numbers are
//! written as numbers; empty texts and `null` are null.

use super::agate;
use super::seed_reader::SeedReader;
use super::seed_types::{SeedColumn, SeedError, TypeInference};
use crate::engine::{EngineSpec, SeedSource, SqlType};
use csv::ByteRecord;
use std::borrow::Cow;
use std::io::{self, Read};

/// Streams the rows of a CSV file.
pub(crate) struct SeedRows<R> {
    reader: SeedReader<R>,
    columns: Vec<SeedColumn>,
    engine: &'static EngineSpec,
    /// Set if the types were inferred from the first rows only: it then observes all rows.
    watch: Option<TypeInference>,
    record: ByteRecord,
}

impl<R: Read> SeedRows<R> {
    /// With `watch`, which knows only the first rows, the stream ends in an error if the types of
    /// `columns` do not fit all rows.
    pub(crate) fn new(
        input: R,
        delimiter: u8,
        columns: &[SeedColumn],
        engine: &'static EngineSpec,
        watch: Option<TypeInference>,
    ) -> SeedRows<R> {
        SeedRows {
            reader: SeedReader::new(input, delimiter),
            columns: columns.to_vec(),
            engine,
            watch,
            record: ByteRecord::new(),
        }
    }

    /// The columns with types that fit all rows read so far; `None` if they are the current types.
    pub(crate) fn changed_types(&self) -> Option<Vec<SeedColumn>> {
        let columns = self.watch.as_ref()?.columns(self.engine);
        (columns != self.columns).then_some(columns)
    }

    /// Reads to the end of the file, to infer types from all rows.
    pub(crate) fn read_remaining_rows(&mut self) -> io::Result<()> {
        while self.read_record()? {}
        Ok(())
    }

    fn read_record(&mut self) -> io::Result<bool> {
        if !self.reader.next(&mut self.record).map_err(read_error)? {
            return Ok(false);
        }
        if let Some(watch) = &mut self.watch {
            watch.see(&self.record).map_err(read_error)?;
        }
        Ok(true)
    }
}

fn read_error(e: SeedError) -> io::Error {
    io::Error::other(format!("line {}: {}", e.line, e.message))
}

impl<R: Read> SeedSource for SeedRows<R> {
    fn next_row(&mut self) -> io::Result<bool> {
        let more = self.read_record()?;
        if !more && self.changed_types().is_some() {
            return Err(io::Error::other("the first rows have other types than the whole file"));
        }
        Ok(more)
    }

    fn value(&self, column: usize) -> Option<Cow<'_, [u8]>> {
        // A short row ends in nulls.
        let value = self.record.get(column)?;
        let found = self.columns.get(column).and_then(|c| c.found.as_ref());
        value_of(value, found)
    }
}

/// A value as the engine parses it; `None` is null.
fn value_of<'a>(value: &'a [u8], found: Option<&SqlType>) -> Option<Cow<'a, [u8]>> {
    // Python strips all Unicode white space.
    let text = match std::str::from_utf8(value) {
        Ok(text) if !value.is_ascii() => text.trim().as_bytes(),
        _ => value.trim_ascii(),
    };
    if text.is_empty() || text.eq_ignore_ascii_case(b"null") {
        return None;
    }
    Some(match found {
        None | Some(SqlType::Text { .. }) => Cow::Borrowed(value),
        Some(SqlType::Integer { .. }) if text.iter().all(u8::is_ascii_digit) => Cow::Borrowed(text),
        Some(kind) => match converted(&String::from_utf8_lossy(text), kind) {
            Some(converted) => Cow::Owned(converted.into_bytes()),
            // A value that does not fit its column is sent unchanged, so that the engine reports
            // the error.
            None => Cow::Borrowed(text),
        },
    })
}

/// A value as agate would convert it; `None` if it does not fit the type.
fn converted(text: &str, kind: &SqlType) -> Option<String> {
    match kind {
        SqlType::Integer { .. } => {
            let number = agate::parse_number(text)?;
            Some(number.to_int().map_or_else(|| number.to_string(), |whole| whole.to_string()))
        }
        SqlType::Float { .. } => agate::parse_number(text).map(|n| n.to_string()),
        SqlType::Date => agate::parse_date(text).map(|d| d.to_string()),
        SqlType::Timestamp { .. } => {
            let stamp = agate::parse_timestamp(text).or_else(|| agate::iso_timestamp(text))?;
            agate::in_utc(stamp).map(|t| t.strftime("%Y-%m-%d %H:%M:%S%.f").to_string())
        }
        SqlType::Boolean => agate::parse_boolean(text).map(|b| b.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres;

    fn rows(csv: &str, kinds: &[SqlType]) -> String {
        let column = |kind: &SqlType| SeedColumn {
            name: "c".to_owned(),
            found: Some(kind.clone()),
            data_type: String::new(),
        };
        let columns: Vec<SeedColumn> = kinds.iter().map(column).collect();
        let mut rows = SeedRows::new(csv.as_bytes(), b',', &columns, &postgres::SPEC, None);
        let mut out = String::new();
        while rows.next_row().unwrap() {
            let value = |i| rows.value(i).map(|v| String::from_utf8_lossy(&v).into_owned());
            let values: Vec<Option<String>> = (0..kinds.len()).map(value).collect();
            out.push_str(&format!("{values:?}\n"));
        }
        out
    }

    #[test]
    fn types_of_the_first_rows_that_do_not_fit_the_rest_are_told() {
        use crate::materialize::seed_types::infer_types;
        let csv = "a\n1\nx\n".as_bytes();
        let (first, _) = infer_types(csv, b',', &|_| None, Some(1)).unwrap();
        let columns = first.columns(&postgres::SPEC);
        let mut rows = SeedRows::new(csv, b',', &columns, &postgres::SPEC, Some(first));
        assert!(rows.next_row().unwrap() && rows.changed_types().is_none());
        rows.read_remaining_rows().unwrap();
        let types: Vec<String> =
            rows.changed_types().unwrap().into_iter().map(|c| c.data_type).collect();
        assert_eq!(types, ["text"]);
        assert!(rows.next_row().is_err());
    }

    #[test]
    fn values() {
        let csv = "a,b,c\n1.0,$1.50,x\n\"1,000\",10%,NULL\n-007,,\"a\tb\nc\\\"\n1e3,1e-3,\"\"\n";
        let expected = [
            r#"[Some("1"), Some("1.50"), Some("x")]"#,
            r#"[Some("1000"), Some("10"), None]"#,
            r#"[Some("-7"), None, Some("a\tb\nc\\")]"#,
            r#"[Some("1000"), Some("0.001"), None]"#,
        ];
        let kinds = [
            SqlType::Integer { bits: 32, signed: true },
            SqlType::Float { bits: 64 },
            SqlType::Text { length: None },
        ];
        let expected = expected.map(|row| format!("{row}\n")).concat();
        assert_eq!(rows(csv, &kinds), expected);
        let blanks = "a\n\u{3000}7\u{a0}\n \u{a0}\n";
        let integer = [SqlType::Integer { bits: 32, signed: true }];
        assert_eq!(rows(blanks, &integer), "[Some(\"7\")]\n[None]\n", "of other scripts");
    }
}
