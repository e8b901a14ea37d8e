//! Column types of a CSV file, as dbt (agate) infers them over all rows (RULES 3.8).

use std::io::Read;

/// What is wrong with a file, with the line it is on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeedError {
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// The kinds that a column still can be; the first that fits all values wins.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fits {
    number: bool,
    integral: bool,
    date: bool,
    timestamp: bool,
    iso_timestamp: bool,
    boolean: bool,
}

impl Fits {
    const ALL: Fits =
        Fits { number: true, integral: true, date: true, timestamp: true, iso_timestamp: true, boolean: true };

    /// Nothing that comes can change the type any more.
    fn is_text(self) -> bool {
        !(self.number || self.date || self.timestamp || self.iso_timestamp || self.boolean)
    }

    fn see(&mut self, value: &str) {
        let text = value.trim();
        // Empty and `null` fit everything.
        if text.is_empty() || text.eq_ignore_ascii_case("null") {
            return;
        }
        if self.number {
            match number(text) {
                Some(integral) => self.integral &= integral,
                None => self.number = false,
            }
        }
        self.date = self.date && date(text);
        self.timestamp = self.timestamp && timestamp(text);
        self.iso_timestamp = self.iso_timestamp && iso_timestamp(text);
        self.boolean = self.boolean && (text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"));
    }

    fn sql_type(self) -> &'static str {
        if self.number {
            // A column without any value is a number, too.
            if self.integral { "integer" } else { "float8" }
        } else if self.date {
            "date"
        } else if self.timestamp || self.iso_timestamp {
            "timestamp without time zone"
        } else if self.boolean {
            "boolean"
        } else {
            "text"
        }
    }
}

/// Whether a text is a number to agate, and an integral one: spaces, `%`, currency signs and thousands commas count not.
fn number(text: &str) -> Option<bool> {
    // Most are plain digits with at most one dot.
    let plain = text.as_bytes();
    if plain.first().is_some_and(u8::is_ascii_digit) && plain.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        let mut parts = plain.splitn(2, |b| *b == b'.');
        let fraction = parts.nth(1).unwrap_or_default();
        return (!fraction.contains(&b'.')).then(|| fraction.iter().all(|b| *b == b'0'));
    }
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean: String = text
        .trim_matches(|c: char| c == '%' || c.is_whitespace() || currency(c))
        .chars()
        .filter(|c| *c != ',')
        .collect();
    let (sign_len, rest) = if clean.starts_with(['-', '+']) { (1, &clean[1..]) } else { (0, clean.as_str()) };
    let rest = if sign_len == 1 { rest.trim_start_matches(currency) } else { rest };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((m, e)) => (m, Some(e)),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    match exponent {
        None => Some(fraction.bytes().all(|b| b == b'0')),
        Some(e) => {
            let e: i32 = e.parse().ok()?;
            let value: f64 = format!("{whole}.{fraction}0e{e}").parse().ok()?;
            Some(value.fract() == 0.0)
        }
    }
}

fn currency(c: char) -> bool {
    matches!(
        c,
        '$' | '€'
            | '£'
            | '¥'
            | '₤'
            | '₦'
            | '₩'
            | '₪'
            | '₫'
            | '₭'
            | '₮'
            | '₱'
            | '₲'
            | '₴'
            | '₵'
            | '₹'
            | '₺'
            | '؋'
            | '฿'
            | '៛'
            | '﷼'
    )
}

/// `%Y-%m-%d`; Python's strptime takes one-digit months and days.
fn date(text: &str) -> bool {
    // Most are `2024-01-31`, and no later than the 28th.
    if let [_, _, _, _, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() {
        let digits = text.bytes().enumerate().all(|(i, b)| i == 4 || i == 7 || b.is_ascii_digit());
        let two = |a: &u8, b: &u8| a.wrapping_sub(b'0') * 10 + b.wrapping_sub(b'0');
        if digits && (1..=12).contains(&two(m1, m2)) && (1..=28).contains(&two(d1, d2)) && !text.starts_with("0000") {
            return true;
        }
    }
    let mut parts = text.split('-');
    let (Some(y), Some(m), Some(d), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let small = |s: &str| (1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
    if y.len() != 4 || !y.bytes().all(|b| b.is_ascii_digit()) || !small(m) || !small(d) {
        return false;
    }
    let parse = |s: &str| s.parse::<i8>().unwrap_or(0);
    jiff::civil::Date::new(y.parse().unwrap_or(0), parse(m), parse(d)).is_ok()
}

/// `%Y-%m-%d %H:%M:%S`.
fn timestamp(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(day, time)| {
        let parts: Vec<&str> = time.split(':').collect();
        let small = |s: &&str| (1..=2).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        date(day) && parts.len() == 3 && parts.iter().all(small) && clock(&parts)
    })
}

fn clock(parts: &[&str]) -> bool {
    let n = |i: usize| parts.get(i).and_then(|p| p.parse::<u8>().ok());
    n(0).is_some_and(|h| h < 24) && n(1).is_some_and(|m| m < 60) && n(2).is_some_and(|s| s < 62)
}

/// ISO 8601 with date and time: `2024-01-31T10:00:00.5Z`, also with a space and a zone.
fn iso_timestamp(text: &str) -> bool {
    let Some(at) = text.find(['T', 't', ' ']) else { return false };
    let (day, time) = (&text[..at], &text[at + 1..]);
    let full_date = day.len() == 10 && date(day);
    let time = time.trim_end_matches(['Z', 'z']);
    let (clock_text, zone) = match time.find(['+', '-']) {
        Some(i) => (&time[..i], &time[i + 1..]),
        None => (time, ""),
    };
    let zone_ok = zone.is_empty() || (zone.len() >= 2 && zone.bytes().all(|b| b.is_ascii_digit() || b == b':'));
    let whole = clock_text.split_once('.').map_or(clock_text, |(w, _)| w);
    let parts: Vec<&str> = whole.split(':').collect();
    let clock_ok = (2..=3).contains(&parts.len())
        && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit()))
        && clock(&[parts[0], parts[1], parts.get(2).copied().unwrap_or("00")]);
    full_date && zone_ok && clock_ok
}

/// What the columns of a file can still be, as far as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inference {
    names: Vec<String>,
    /// Types that the project gives: the text of those columns is not looked at.
    given: Vec<Option<String>>,
    fits: Vec<Fits>,
}

impl Inference {
    fn new(names: Vec<String>, forced: &dyn Fn(&str) -> Option<String>) -> Inference {
        Inference { given: names.iter().map(|n| forced(n)).collect(), fits: vec![Fits::ALL; names.len()], names }
    }

    /// Takes a row into account.
    pub(super) fn see(&mut self, record: &csv::ByteRecord) -> Result<(), SeedError> {
        let failed =
            |message: String| Err(SeedError { line: record.position().map_or(0, csv::Position::line), message });
        if record.len() != self.names.len() {
            return failed(format!("this row has {} fields, the header {}", record.len(), self.names.len()));
        }
        if std::str::from_utf8(record.as_slice()).is_err() {
            return failed("this row is not UTF-8 text".to_owned());
        }
        for ((fit, value), given) in self.fits.iter_mut().zip(record).zip(&self.given) {
            if given.is_none() && !fit.is_text() {
                fit.see(std::str::from_utf8(value).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Names with types, as the rows that were seen have them.
    pub(crate) fn columns(&self) -> Vec<(String, String)> {
        let types = self.fits.iter().zip(&self.given);
        let types = types.map(|(fit, given)| given.clone().unwrap_or_else(|| fit.sql_type().to_owned()));
        self.names.iter().cloned().zip(types).collect()
    }
}

/// Streams a file, or the first `limit` rows of it, and infers its types; whether the file was read to its end. `forced`
/// gives the types of columns (as in the header) that the project sets.
pub(crate) fn infer(
    input: impl Read,
    delimiter: u8,
    forced: &dyn Fn(&str) -> Option<String>,
    limit: Option<usize>,
) -> Result<(Inference, bool), SeedError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(true)
        .buffer_capacity(1 << 17)
        .from_reader(input);
    let problem =
        |e: &csv::Error| SeedError { line: e.position().map_or(1, csv::Position::line), message: e.to_string() };
    let header = reader.headers().map_err(|e| problem(&e))?.clone();
    let names: Vec<String> = header.iter().map(|h| h.trim_start_matches('\u{feff}').to_owned()).collect();
    if names.is_empty() {
        return Err(SeedError { line: 1, message: "the file is empty: a header line is needed".to_owned() });
    }
    let mut inference = Inference::new(names, forced);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).map_err(|e| problem(&e))? {
        inference.see(&record)?;
        rows += 1;
        if limit == Some(rows) {
            return Ok((inference, false));
        }
    }
    Ok((inference, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(csv: &str) -> Vec<String> {
        let (found, all) = infer(csv.as_bytes(), b',', &|_| None, None).unwrap();
        assert!(all);
        found.columns().into_iter().map(|(_, t)| t).collect()
    }

    #[test]
    fn one_column_of_each_kind() {
        for (values, expected) in [
            ("1\n2\n", "integer"),
            ("1.0\n007\n", "integer"),
            ("1.5\n2\n", "float8"),
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
    fn ragged_rows_have_a_line() {
        let e = infer("a,b\n1,2\n3\n".as_bytes(), b',', &|_| None, None).unwrap_err();
        assert_eq!((e.line, e.message.as_str()), (3, "this row has 1 fields, the header 2"));
        assert!(infer("".as_bytes(), b',', &|_| None, None).is_err());
    }

    #[test]
    fn given_types_are_taken_as_they_are() {
        let found =
            infer("id;n\nx;1\n".as_bytes(), b';', &|n| (n == "id").then(|| "varchar(9)".to_owned()), None).unwrap().0;
        assert_eq!(found.columns(), [("id".into(), "varchar(9)".into()), ("n".into(), "integer".to_owned())]);
    }
}
