//! Infers the column types of a CSV file over all rows, as dbt does with agate (semantics 3.8).

use super::agate;
use super::seed_reader::SeedReader;
use crate::engine::{EngineSpec, SqlType};
use std::io::Read;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedError {
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// The types that a column may still have; the first one that fits all values wins.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fits {
    number: bool,
    date: bool,
    timestamp: bool,
    iso_timestamp: bool,
    boolean: bool,
    /// The maximum numbers of digits before and after the point.
    whole: i64,
    fraction: i64,
    /// Whether a timestamp has an offset from UTC.
    offset: bool,
    /// Whether a number is too large for a 64-bit float.
    too_large: bool,
}

/// The precision of Python's decimal context, which limits the fractional digits that agate counts.
const CONTEXT_DIGITS: i64 = 28;

impl Fits {
    const ALL: Fits = Fits {
        number: true,
        date: true,
        timestamp: true,
        iso_timestamp: true,
        boolean: true,
        whole: 1,
        fraction: 0,
        offset: false,
        too_large: false,
    };

    /// Whether only text remains, so that further values cannot change the type.
    fn is_text(self) -> bool {
        !(self.number || self.date || self.timestamp || self.iso_timestamp || self.boolean)
    }

    fn see(&mut self, value: &str) {
        if agate::is_null(value) {
            return;
        }
        if self.number {
            self.see_number(value);
        }
        self.date = self.date && (is_plain_date(value) || agate::parse_date(value).is_some());
        self.timestamp = self.timestamp && agate::parse_timestamp(value).is_some();
        if self.iso_timestamp {
            let found = agate::iso_timestamp(value);
            self.iso_timestamp = found.is_some();
            self.offset |=
                found.is_some_and(|(_, offset)| offset.is_some_and(|minutes| minutes != 0));
        }
        self.boolean = self.boolean && agate::parse_boolean(value).is_some();
    }

    fn see_number(&mut self, value: &str) {
        // Most numbers are a few plain digits, which need no parsing.
        if value.len() <= 18 && value.bytes().all(|b| b.is_ascii_digit()) {
            self.whole = self.whole.max(value.trim_start_matches('0').len() as i64);
            return;
        }
        match agate::parse_number(value) {
            // Infinities and NaN have no digits to count.
            Some(number) => {
                self.too_large |= number.is_finite() && number.to_float().is_infinite();
                if let Some((whole, fraction)) = number.digit_counts() {
                    self.whole = self.whole.max(whole);
                    self.fraction = self.fraction.max(fraction);
                }
            }
            None => self.number = false,
        }
    }

    /// Whether all values are timestamps, of which some have an offset from UTC.
    fn has_offsets(self) -> bool {
        !self.number && !self.date && !self.timestamp && self.iso_timestamp && self.offset
    }

    fn kind(self) -> SqlType {
        if self.number {
            // A column without any values is a number too.
            let behind = if self.whole + self.fraction > CONTEXT_DIGITS {
                CONTEXT_DIGITS - self.whole
            } else {
                self.fraction
            };
            if behind == 0 {
                SqlType::Integer { bits: 32, signed: true }
            } else {
                SqlType::Float { bits: 64 }
            }
        } else if self.date {
            SqlType::Date
        } else if self.timestamp || self.iso_timestamp {
            SqlType::Timestamp { zoned: false, nanos: false }
        } else if self.boolean {
            SqlType::Boolean
        } else {
            SqlType::Text { length: None }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedColumn {
    pub(crate) name: String,
    /// The inferred type; `None` if the project declares the type.
    pub(crate) found: Option<SqlType>,
    /// The type as the engine spells it.
    pub(crate) data_type: String,
}

/// Whether a text is `YYYY-MM-DD` with a day of at most 28, as a fast check for most dates.
fn is_plain_date(text: &str) -> bool {
    let [_, _, _, _, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return false };
    let digits = text.bytes().enumerate().all(|(i, b)| i == 4 || i == 7 || b.is_ascii_digit());
    digits
        && (1..=12).contains(&number_of_digits(*m1, *m2))
        && (1..=28).contains(&number_of_digits(*d1, *d2))
        && !text.starts_with("0000")
}

/// The number with these two ASCII digits.
fn number_of_digits(tens: u8, ones: u8) -> u8 {
    tens.wrapping_sub(b'0') * 10 + ones.wrapping_sub(b'0')
}

/// The names in a header as agate corrects them: an empty name becomes the letter of its position,
/// a repeated one gets a number.
pub(crate) fn column_names<'a>(header: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (i, name) in header.enumerate() {
        let name = if name.is_empty() { letter_name(i) } else { name.to_owned() };
        let mut unique = name.clone();
        let mut n = 2;
        while names.contains(&unique) {
            unique = format!("{name}_{n}");
            n += 1;
        }
        names.push(unique);
    }
    names
}

/// `a` to `z`, then `aa`, `bb`, ...
fn letter_name(index: usize) -> String {
    let letter = char::from(b'a' + (index % 26) as u8);
    std::iter::repeat_n(letter, index / 26 + 1).collect()
}

/// The state of the type inference, after some rows of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeInference {
    names: Vec<String>,
    /// The types that the project declares; the values of these columns are not examined.
    given: Vec<Option<String>>,
    fits: Vec<Fits>,
    /// For each column, the line and the text of the first number that is too large.
    too_large: Vec<Option<(u64, String)>>,
    rows: u64,
}

impl TypeInference {
    fn new(names: Vec<String>, forced: &dyn Fn(&str) -> Option<String>) -> TypeInference {
        TypeInference {
            given: names.iter().map(|n| forced(n)).collect(),
            fits: vec![Fits::ALL; names.len()],
            too_large: vec![None; names.len()],
            rows: 0,
            names,
        }
    }

    /// Examines a row. Missing values at its end are null.
    pub(super) fn see(&mut self, record: &csv::ByteRecord) -> Result<(), SeedError> {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() > self.names.len() {
            let (fields, names) = (record.len(), self.names.len());
            let message = format!("this row has {fields} fields, the header {names}");
            return Err(SeedError { line, message });
        }
        if std::str::from_utf8(record.as_slice()).is_err() {
            return Err(SeedError { line, message: "this row is not UTF-8 text".to_owned() });
        }
        self.rows += 1;
        let columns = self.fits.iter_mut().zip(record).zip(&self.given).zip(&mut self.too_large);
        for (((fit, value), given), too_large) in columns {
            if given.is_none() && !fit.is_text() {
                let value = std::str::from_utf8(value).unwrap_or_default();
                fit.see(value);
                if fit.too_large && too_large.is_none() {
                    *too_large = Some((line, value.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Columns with timestamps whose offsets from UTC an engine may drop.
    pub(crate) fn with_offsets(&self) -> Vec<&str> {
        let columns = self.names.iter().zip(&self.fits).zip(&self.given);
        columns
            .filter(|((_, fit), given)| given.is_none() && fit.has_offsets())
            .map(|((n, _), _)| n.as_str())
            .collect()
    }

    /// The error for the first number that is too large for any numeric type of the engine: it
    /// would silently become infinite.
    fn overflow(&self) -> Option<SeedError> {
        let numbers = self.fits.iter().zip(&self.too_large).filter(|(fit, _)| fit.number);
        let (line, value) =
            numbers.filter_map(|(_, found)| found.as_ref()).min_by_key(|(line, _)| *line)?;
        let message = format!("the number {value} is too large; as a text it needs `column_types`");
        Some(SeedError { line: *line, message })
    }

    /// The number of rows seen.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns with the types inferred so far.
    pub(crate) fn columns(&self, engine: &EngineSpec) -> Vec<SeedColumn> {
        let columns = self.names.iter().zip(&self.fits).zip(&self.given);
        columns.map(|((name, fits), given)| column(name, *fits, given.as_ref(), engine)).collect()
    }
}

fn column(name: &str, fits: Fits, given: Option<&String>, engine: &EngineSpec) -> SeedColumn {
    let name = name.to_owned();
    if let Some(given) = given {
        // Some engines accept any word as a type; give them their own name for it.
        let own = (engine.types.write)(&(engine.types.read)(given));
        let own = own.filter(|_| !engine.capabilities.keeps_types_of_queries);
        return SeedColumn { name, found: None, data_type: own.unwrap_or_else(|| given.clone()) };
    }
    let kind = fits.kind();
    let data_type = (engine.types.write)(&kind).unwrap_or_default();
    SeedColumn { name, found: Some(kind), data_type }
}

/// Infers types from a stream, or from its first `limit` rows. Also returns whether the stream was
/// read to its end. `forced` returns the type that the project declares for a column.
pub(crate) fn infer_types(
    input: impl Read,
    delimiter: u8,
    forced: &dyn Fn(&str) -> Option<String>,
    limit: Option<usize>,
) -> Result<(TypeInference, bool), SeedError> {
    let mut reader = SeedReader::new(input, delimiter);
    let names = column_names(reader.header()?.iter());
    if names.is_empty() {
        return Err(SeedError {
            line: 1,
            message: "the file is empty: a header line is needed".to_owned(),
        });
    }
    let mut inference = TypeInference::new(names, forced);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.next(&mut record)? {
        inference.see(&record)?;
        // Engines that read the file themselves reject rows with missing fields.
        if limit.is_none() && !record.is_empty() && record.len() < inference.names.len() {
            let message = format!(
                "this row has {} fields, the header {}",
                record.len(),
                inference.names.len()
            );
            return Err(SeedError {
                line: record.position().map_or(0, csv::Position::line),
                message,
            });
        }
        rows += 1;
        if limit == Some(rows) {
            return Ok((inference, false));
        }
    }
    inference.overflow().map_or(Ok((inference, true)), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::postgres;

    fn types(csv: &str) -> Vec<String> {
        let (found, all) = infer_types(csv.as_bytes(), b',', &|_| None, None).unwrap();
        assert!(all);
        found.columns(&postgres::SPEC).into_iter().map(|c| c.data_type).collect()
    }

    /// The types that dbt 1.11 infers from each value on Postgres.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads a table")]
    fn types_as_in_dbt() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dbt/seeds.json");
        let table: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let values = table["values"].as_array().unwrap();
        let mut wrong = Vec::new();
        // Python's dates accept digits of other scripts; Strata's do not.
        let known = ["dates: ２０２４-01-05"];
        let told = |row: &&serde_json::Value| {
            row["postgres"]["type"].is_string() && !known.contains(&row["name"].as_str().unwrap())
        };
        for row in values.iter().filter(told) {
            let found = match infer_types(
                row["csv"].as_str().unwrap().as_bytes(),
                b',',
                &|_| None,
                Some(1000),
            ) {
                Ok((found, _)) => found
                    .columns(&postgres::SPEC)
                    .into_iter()
                    .find(|c| c.name == "v")
                    .map(|c| c.data_type)
                    .unwrap_or_default(),
                Err(e) => e.message,
            };
            let expected = row["postgres"]["type"].as_str().unwrap();
            if found != expected {
                wrong.push(format!("{}: {expected}, not {found}", row["name"]));
            }
        }
        assert!(
            values.len() > 500 && wrong.is_empty(),
            "{} of {}: {wrong:#?}",
            wrong.len(),
            values.len()
        );
    }

    #[test]
    fn one_column_of_each_kind() {
        for (values, expected) in [
            ("1\n2\n", "integer"),
            ("1.0\n007\n", "integer"),
            ("1.5\n2\n", "double precision"),
            ("$1\n10%\n\"1,000\"\n", "integer"),
            ("2024-01-31\nnull\n", "date"),
            ("2024-01-31 10:00:00\n\n", "timestamp without time zone"),
            ("2024-01-31T10:00:00Z\n", "timestamp without time zone"),
            ("true\nFALSE\n", "boolean"),
            ("yes\nno\n", "text"),
            ("1\nx\n", "text"),
            ("10:00:00\n", "text"),
            ("2024-01-31\n2024-01-31 10:00:00\n", "text"),
            ("\nNULL\n", "integer"),
        ] {
            assert_eq!(types(&format!("a\n{values}")), [expected], "{values:?}");
        }
    }

    #[test]
    fn headers_are_repaired() {
        let names = |header: &str| column_names(header.split(',')).join(",");
        assert_eq!(names("id,id,id"), "id,id_2,id_3");
        assert_eq!(names("id,,name"), "id,b,name");
        assert_eq!(names("b,"), "b,b_2");
        assert_eq!(names("id_2,id,id"), "id_2,id,id_3");
        assert_eq!(letter_name(30), "ee");
    }

    #[test]
    fn long_rows_have_a_line() {
        let e = infer_types("a,b\n1,2\n3,4,5\n".as_bytes(), b',', &|_| None, None).unwrap_err();
        assert_eq!((e.line, e.message.as_str()), (3, "this row has 3 fields, the header 2"));
        assert_eq!(types("1\n\n2\n"), ["integer"]);
        assert!(infer_types("".as_bytes(), b',', &|_| None, None).is_err());
    }

    #[test]
    fn dates_that_are_told_at_a_glance_are_dates() {
        for (text, is_plain) in [
            ("2024-01-28", true),
            ("2024-12-01", true),
            ("2024-01-29", false),
            ("2024-13-01", false),
            ("2024-00-01", false),
            ("2024-01-00", false),
            ("0000-01-01", false),
            ("2024-0a-01", false),
            ("2024/01-01", false),
            ("2024-01/01", false),
            ("2024-1-01", false),
        ] {
            assert_eq!(is_plain_date(text), is_plain, "{text}");
        }
    }

    #[test]
    fn offsets_are_told_where_a_type_is_found_for_them() {
        let csv =
            "a,b,c,d\n2024-01-31T10:00:00+02:00,2024-01-31T10:00:00,x,2024-01-31T10:00:00+02:00\n";
        let given = |name: &str| (name == "d").then(|| "timestamptz".to_owned());
        let (found, _) = infer_types(csv.as_bytes(), b',', &given, None).unwrap();
        assert_eq!(found.with_offsets(), ["a"]);
    }

    #[test]
    fn a_limit_ends_the_reading() {
        let csv = "a\n1\n2\nx\n".as_bytes();
        let kind = |limit: usize| {
            let (found, all) = infer_types(csv, b',', &|_| None, Some(limit)).unwrap();
            (found.columns(&postgres::SPEC)[0].data_type.clone(), all)
        };
        assert_eq!(kind(2), ("integer".to_owned(), false));
        assert_eq!(kind(4), ("text".to_owned(), true));
        let csv = "a\n1234567890123456789012345678.5\n0.5\n";
        assert_eq!(types(csv), ["integer"], "digits beyond Python's 28 count for nothing");
    }

    #[test]
    fn given_types_are_taken_as_they_are() {
        let found = infer_types(
            "id;n\nx;1\n".as_bytes(),
            b';',
            &|n| (n == "id").then(|| "varchar(9)".to_owned()),
            None,
        )
        .unwrap()
        .0;
        let types: Vec<String> =
            found.columns(&postgres::SPEC).into_iter().map(|c| c.data_type).collect();
        assert_eq!(types, ["varchar(9)", "integer"]);
    }
}
