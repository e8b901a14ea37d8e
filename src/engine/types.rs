//! Types of columns as all engines have them in common.

/// A type, whatever an engine calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SqlType {
    Boolean,
    /// Whole numbers of so many bits.
    Integer {
        bits: u16,
        signed: bool,
    },
    /// Numbers with a binary point, of 32 or 64 bits.
    Float {
        bits: u16,
    },
    /// Exact numbers: all digits, and those behind the point; none: as many as there are.
    Decimal {
        digits: Option<(u16, u16)>,
    },
    /// Texts, of so many characters at most.
    Text {
        length: Option<u32>,
    },
    Date,
    Time,
    /// `nanos`: with nine digits behind the seconds; else with six or fewer.
    Timestamp {
        zoned: bool,
        nanos: bool,
    },
    Json,
    /// Lists, structs, maps.
    Nested,
    /// What is only known by the engine's own name.
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

/// `name(10,2) rest` in lower case, as name with rest and the numbers in brackets.
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

/// Digits of a decimal; the second number may be left out.
pub(super) fn decimal_digits(numbers: &[u32]) -> Option<(u16, u16)> {
    let mut digits = numbers.iter().map(|n| u16::try_from(*n).ok());
    let all = digits.next().flatten()?;
    Some((all, digits.next().flatten().unwrap_or(0)))
}
