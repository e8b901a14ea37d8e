//! Column types, common to all engines.

/// A column type, independent of an engine's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SqlType {
    Boolean,
    /// Integers of `bits` bits.
    Integer {
        bits: u16,
        signed: bool,
    },
    /// Binary floating-point numbers of 32 or 64 bits.
    Float {
        bits: u16,
    },
    /// Exact numbers: (total digits, digits after the point); `None` if they are not declared.
    Decimal {
        digits: Option<(u16, u16)>,
    },
    /// Texts; `length` is the maximum number of characters.
    Text {
        length: Option<u32>,
    },
    Date,
    Time,
    /// `nanos`: nine fractional digits of seconds, otherwise at most six.
    Timestamp {
        zoned: bool,
        nanos: bool,
    },
    Json,
    /// Lists, structs, maps.
    Nested,
    /// A type that is only known by the engine's own name.
    Other(String),
}

impl SqlType {
    pub(super) fn signed(bits: u16) -> SqlType {
        SqlType::Integer { bits, signed: true }
    }

    pub(super) fn unsigned(bits: u16) -> SqlType {
        SqlType::Integer { bits, signed: false }
    }
}

/// Splits `name(10,2) rest` into `name rest` in lower case and the numbers in parentheses.
pub(super) fn split_type(text: &str) -> (String, Vec<u32>) {
    let lower = text.trim().to_ascii_lowercase();
    let (Some(open), Some(close)) = (lower.find('('), lower.find(')')) else {
        return (lower, Vec::new());
    };
    if close < open {
        return (lower, Vec::new());
    }
    let numbers = lower[open + 1..close].split(',').filter_map(|n| n.trim().parse().ok()).collect();
    (format!("{}{}", lower[..open].trim_end(), &lower[close + 1..]), numbers)
}

/// The digits of a decimal from the numbers in parentheses; the scale defaults to 0.
pub(super) fn decimal_digits(numbers: &[u32]) -> Option<(u16, u16)> {
    let mut digits = numbers.iter().map(|n| u16::try_from(*n).ok());
    let all = digits.next().flatten()?;
    Some((all, digits.next().flatten().unwrap_or(0)))
}
