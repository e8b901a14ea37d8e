//! Decimal numbers with the behaviour of Python's `decimal.Decimal` in its default context: 28
//! digits, ties to even.
//!
//! In: text, whole numbers. Out: exact values that keep their trailing zeros, arithmetic rounded to
//! the context, text as Python prints it (the General Decimal Arithmetic Specification,
//! "to-scientific-string"). Must not know: who asks.

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};
use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU64;

/// The number of significant digits of results.
const PRECISION: u64 = 28;

/// The maximum number of digits of an integer power or of a written-out exponent.
const LARGEST: u64 = 100_000;

#[derive(Clone, Debug)]
pub(crate) enum Decimal {
    Finite(BigDecimal),
    /// Whether it is negative.
    Infinity(bool),
    NaN,
}

/// The reason why an operation has no result, as Python names it.
pub(crate) type DecimalError = &'static str;

/// Python's error for a division by zero.
fn by_zero(dividend: &BigDecimal) -> DecimalError {
    if dividend.is_zero() {
        "[<class 'decimal.DivisionUndefined'>]"
    } else {
        "[<class 'decimal.DivisionByZero'>]"
    }
}

/// The number times ten to the power of `zeros`.
fn scale_up(n: &BigInt, zeros: i64) -> Result<BigInt, DecimalError> {
    let zeros = u32::try_from(zeros).ok().filter(|zeros| u64::from(*zeros) <= LARGEST);
    Ok(n * BigInt::from(10).pow(zeros.ok_or("the exponents are too far apart")?))
}

impl Decimal {
    /// Python's `Decimal(text)`. It accepts digits of any script, underscores, `inf`, `nan`, and
    /// white space around.
    pub(crate) fn parse(text: &str) -> Option<Decimal> {
        let text: String = text.trim().chars().filter(|c| *c != '_').map(ascii_digit).collect();
        let (negative, rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text.as_str()),
        };
        let lower = rest.to_ascii_lowercase();
        if matches!(lower.as_str(), "inf" | "infinity") {
            return Some(Decimal::Infinity(negative));
        }
        let payload = lower.strip_prefix("nan").or_else(|| lower.strip_prefix("snan"));
        if payload.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit())) {
            return Some(Decimal::NaN);
        }
        let (mantissa, exponent) = match lower.split_once('e') {
            Some((m, e)) => (m, exponent(e)?),
            None => (lower.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut value = digits.parse::<BigInt>().ok()?;
        if negative {
            value = -value;
        }
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        Some(Decimal::Finite(BigDecimal::new(value, scale)))
    }

    pub(crate) fn from_int(value: impl Into<BigInt>) -> Decimal {
        Decimal::Finite(BigDecimal::new(value.into(), 0))
    }

    /// The exact value of a float.
    pub(crate) fn from_float(value: f64) -> Decimal {
        if value.is_nan() {
            return Decimal::NaN;
        }
        match BigDecimal::try_from(value) {
            Ok(exact) => Decimal::Finite(exact),
            Err(_) => Decimal::Infinity(value < 0.0),
        }
    }

    pub(crate) fn to_float(&self) -> f64 {
        match self {
            Decimal::Finite(d) => d.to_f64().unwrap_or(f64::NAN),
            Decimal::Infinity(true) => f64::NEG_INFINITY,
            Decimal::Infinity(false) => f64::INFINITY,
            Decimal::NaN => f64::NAN,
        }
    }

    /// The integer part, truncated towards zero; `None` if the number is not finite or too long.
    pub(crate) fn to_int(&self) -> Option<BigInt> {
        match self {
            Decimal::Finite(d) if d.fractional_digit_count().unsigned_abs() <= LARGEST => {
                Some(d.with_scale_round(0, RoundingMode::Down).into_bigint_and_scale().0)
            }
            _ => None,
        }
    }

    pub(crate) fn is_zero(&self) -> bool {
        matches!(self, Decimal::Finite(d) if d.is_zero())
    }

    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Decimal::NaN)
    }

    pub(crate) fn is_finite(&self) -> bool {
        matches!(self, Decimal::Finite(_))
    }

    /// The number of digits before and after the point without trailing zeros, as agate counts
    /// them.
    pub(crate) fn digit_counts(&self) -> Option<(i64, i64)> {
        let Decimal::Finite(d) = self.rounded() else { return None };
        let (digits, exponent) = d.normalized().into_bigint_and_exponent();
        Some((digits_of(&digits) as i64 - exponent, exponent))
    }

    /// The number rounded to the context.
    pub(crate) fn rounded(&self) -> Decimal {
        let precision = NonZeroU64::new(PRECISION).unwrap_or(NonZeroU64::MIN);
        match self {
            Decimal::Finite(d) if d.digits() > PRECISION => {
                Decimal::Finite(d.with_precision_round(precision, RoundingMode::HalfEven))
            }
            other => other.clone(),
        }
    }

    pub(crate) fn negated(&self) -> Decimal {
        match self {
            Decimal::Finite(d) => Decimal::Finite(-d.clone()).rounded(),
            Decimal::Infinity(negative) => Decimal::Infinity(!negative),
            Decimal::NaN => Decimal::NaN,
        }
    }

    pub(crate) fn absolute(&self) -> Decimal {
        if self.is_negative() { self.negated() } else { self.rounded() }
    }

    pub(crate) fn is_negative(&self) -> bool {
        match self {
            Decimal::Finite(d) => d.sign() == Sign::Minus,
            Decimal::Infinity(negative) => *negative,
            Decimal::NaN => false,
        }
    }

    pub(crate) fn plus(&self, other: &Decimal) -> Result<Decimal, DecimalError> {
        match (self, other) {
            (Decimal::Finite(a), Decimal::Finite(b)) => {
                // If the exponents are far apart, the smaller number affects only the rounding, but
                // writing out both could use up all memory.
                let apart =
                    (a.fractional_digit_count() - b.fractional_digit_count()).unsigned_abs();
                if apart > LARGEST {
                    return Err("the exponents are too far apart");
                }
                Ok(Decimal::Finite(a + b).rounded())
            }
            (Decimal::NaN, _) | (_, Decimal::NaN) => Ok(Decimal::NaN),
            (Decimal::Infinity(a), Decimal::Infinity(b)) if a != b => {
                Err("[<class 'decimal.InvalidOperation'>]")
            }
            (Decimal::Infinity(a), _) | (_, Decimal::Infinity(a)) => Ok(Decimal::Infinity(*a)),
        }
    }

    pub(crate) fn minus(&self, other: &Decimal) -> Result<Decimal, DecimalError> {
        match other {
            Decimal::Finite(b) => self.plus(&Decimal::Finite(-b.clone())),
            other => self.plus(&other.negated()),
        }
    }

    pub(crate) fn times(&self, other: &Decimal) -> Result<Decimal, DecimalError> {
        match (self, other) {
            (Decimal::Finite(a), Decimal::Finite(b)) => Ok(Decimal::Finite(a * b).rounded()),
            (Decimal::NaN, _) | (_, Decimal::NaN) => Ok(Decimal::NaN),
            _ if self.is_zero() || other.is_zero() => Err("[<class 'decimal.InvalidOperation'>]"),
            _ => Ok(Decimal::Infinity(self.is_negative() != other.is_negative())),
        }
    }

    /// True division. If the exact quotient fits into 28 digits, it is returned with as few
    /// trailing zeros as the operands allow.
    pub(crate) fn divided_by(&self, other: &Decimal) -> Result<Decimal, DecimalError> {
        let (a, b) = match (self, other) {
            (Decimal::NaN, _) | (_, Decimal::NaN) => return Ok(Decimal::NaN),
            (Decimal::Infinity(_), Decimal::Infinity(_)) => {
                return Err("[<class 'decimal.InvalidOperation'>]");
            }
            (Decimal::Infinity(_), _) => {
                return Ok(Decimal::Infinity(self.is_negative() != other.is_negative()));
            }
            (_, Decimal::Infinity(_)) => return Ok(Decimal::from_int(0)),
            (Decimal::Finite(a), Decimal::Finite(b)) => (a, b),
        };
        if b.is_zero() {
            return Err(by_zero(a));
        }
        let ((x, x_scale), (y, y_scale)) = (a.as_bigint_and_scale(), b.as_bigint_and_scale());
        let ideal = x_scale - y_scale;
        if x.is_zero() {
            return Ok(Decimal::Finite(BigDecimal::new(BigInt::zero(), ideal)));
        }
        // The number of zeros that gives the integer quotient more digits than the context.
        let shift = (digits_of(&y) + PRECISION + 1).saturating_sub(digits_of(&x));
        let numerator = x.as_ref() * BigInt::from(10).pow(shift as u32);
        let (mut quotient, remainder) = (&numerator / y.as_ref(), &numerator % y.as_ref());
        let mut scale = ideal + shift as i64;
        if remainder.is_zero() {
            while scale > ideal && (&quotient % 10) == BigInt::zero() {
                quotient /= 10;
                scale -= 1;
            }
        } else if (&quotient % 5) == BigInt::zero() {
            // The last digit of an inexact quotient is moved off 0 and 5, so that it is not rounded
            // as an exact tie.
            quotient +=
                if (numerator.sign() == Sign::Minus) == (y.sign() == Sign::Minus) { 1 } else { -1 };
        }
        Ok(Decimal::Finite(BigDecimal::new(quotient, scale)).rounded())
    }

    /// `//` and `%`: the quotient is truncated towards zero, and the remainder has the sign of the
    /// dividend.
    pub(crate) fn divide_with_remainder(
        &self,
        other: &Decimal,
    ) -> Result<(Decimal, Decimal), DecimalError> {
        let (Decimal::Finite(a), Decimal::Finite(b)) = (self, other) else {
            return match (self, other) {
                (Decimal::NaN, _) | (_, Decimal::NaN) => Ok((Decimal::NaN, Decimal::NaN)),
                (Decimal::Finite(_), Decimal::Infinity(_)) => {
                    Ok((Decimal::from_int(0), self.clone()))
                }
                _ => Err("[<class 'decimal.InvalidOperation'>]"),
            };
        };
        if b.is_zero() {
            return Err(by_zero(a));
        }
        let ((x, x_scale), (y, y_scale)) = (a.as_bigint_and_scale(), b.as_bigint_and_scale());
        let scale = x_scale.max(y_scale);
        let (x, y) = (scale_up(&x, scale - x_scale)?, scale_up(&y, scale - y_scale)?);
        let quotient = &x / &y;
        if digits_of(&quotient) > PRECISION {
            return Err("[<class 'decimal.DivisionImpossible'>]");
        }
        let remainder = Decimal::Finite(BigDecimal::new(&x % &y, scale)).rounded();
        Ok((Decimal::from_int(quotient), remainder))
    }

    /// A power. With an integer exponent it is exact until it is rounded; otherwise it is computed
    /// with floats, to about 15 digits.
    pub(crate) fn to_power(&self, other: &Decimal) -> Result<Decimal, DecimalError> {
        let (Decimal::Finite(base), Decimal::Finite(exponent)) = (self, other) else {
            return Ok(Decimal::from_float(self.to_float().powf(other.to_float())));
        };
        if !exponent.is_integer() {
            if self.is_negative() {
                return Err("[<class 'decimal.InvalidOperation'>]");
            }
            let float = self.to_float().powf(other.to_float());
            return Decimal::parse(&float.to_string()).ok_or("the power is no number");
        }
        let n = other.to_int().and_then(|n| n.to_i64()).ok_or("[<class 'decimal.Overflow'>]")?;
        if n == 0 && base.is_zero() {
            return Err("[<class 'decimal.InvalidOperation'>]");
        }
        let digits = base.digits().saturating_mul(n.unsigned_abs());
        if digits > LARGEST {
            return Err("[<class 'decimal.Overflow'>]");
        }
        let (value, scale) = base.as_bigint_and_scale();
        let power = u32::try_from(n.unsigned_abs()).map_err(|_| "[<class 'decimal.Overflow'>]")?;
        let scale = scale.checked_mul(i64::from(power)).ok_or("[<class 'decimal.Overflow'>]")?;
        let whole = Decimal::Finite(BigDecimal::new(value.pow(power), scale));
        if n < 0 { Decimal::from_int(1).divided_by(&whole) } else { Ok(whole.rounded()) }
    }

    /// Rounds to `places` digits after the point. An error if the result has more digits than the
    /// context.
    pub(crate) fn quantized(
        &self,
        places: i64,
        mode: RoundingMode,
    ) -> Result<Decimal, DecimalError> {
        match self {
            Decimal::Finite(d) => {
                let rounded = d.with_scale_round(places, mode);
                if rounded.digits() > PRECISION {
                    return Err("[<class 'decimal.InvalidOperation'>]");
                }
                Ok(Decimal::Finite(rounded))
            }
            other => Ok(other.clone()),
        }
    }

    /// The number without trailing zeros.
    pub(crate) fn normalized(&self) -> Decimal {
        match self.rounded() {
            Decimal::Finite(d) if d.is_zero() => Decimal::from_int(0),
            Decimal::Finite(d) => Decimal::Finite(d.normalized()),
            other => other,
        }
    }

    /// The exponent of the first digit.
    pub(crate) fn adjusted(&self) -> i64 {
        let (_, digits, exponent) = self.parts();
        exponent + digits.len() as i64 - 1
    }

    /// Whether it is negative, its digits, and the exponent of the last digit.
    pub(crate) fn parts(&self) -> (bool, String, i64) {
        match self {
            Decimal::Finite(d) => {
                let (value, exponent) = d.as_bigint_and_exponent();
                (value.sign() == Sign::Minus, value.magnitude().to_string(), -exponent)
            }
            other => (other.is_negative(), "0".to_owned(), 0),
        }
    }

    /// The number as a fraction in lowest terms; `None` if it is not finite, or too long.
    pub(crate) fn ratio(&self) -> Option<(BigInt, BigInt)> {
        let (negative, digits, exponent) = match self {
            Decimal::Finite(_) => self.parts(),
            _ => return None,
        };
        let power =
            u32::try_from(exponent.unsigned_abs()).ok().filter(|p| u64::from(*p) <= LARGEST)?;
        let ten = BigInt::from(10).pow(power);
        let value: BigInt = digits.parse().ok()?;
        let (mut n, mut m) =
            if exponent < 0 { (value, ten) } else { (value * ten, BigInt::from(1)) };
        let (mut a, mut b) = (n.clone(), m.clone());
        while !b.is_zero() {
            (a, b) = (b.clone(), a % b);
        }
        if !a.is_zero() {
            n /= &a;
            m /= &a;
        }
        Some((if negative { -n } else { n }, m))
    }

    /// The order of two numbers; `None` if one of them is NaN.
    pub(crate) fn compare(&self, other: &Decimal) -> Option<Ordering> {
        match (self, other) {
            (Decimal::NaN, _) | (_, Decimal::NaN) => None,
            (Decimal::Finite(a), Decimal::Finite(b)) => Some(a.cmp(b)),
            (Decimal::Infinity(a), Decimal::Infinity(b)) => Some(b.cmp(a)),
            (Decimal::Infinity(negative), _) => {
                Some(if *negative { Ordering::Less } else { Ordering::Greater })
            }
            (_, Decimal::Infinity(negative)) => {
                Some(if *negative { Ordering::Greater } else { Ordering::Less })
            }
        }
    }
}

/// Converts a digit of any script to ASCII (Unicode general category Nd, whose ten digits are
/// consecutive in each script).
fn ascii_digit(c: char) -> char {
    const ZEROS: [u32; 66] = [
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
        0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
        0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
        0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
        0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x16A60, 0x16AC0,
        0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
    ];
    if c.is_ascii() {
        return c;
    }
    let code = u32::from(c);
    let at = ZEROS.partition_point(|zero| *zero <= code);
    match code - ZEROS[at.saturating_sub(1)] {
        digit @ 0..=9 => char::from_digit(digit, 10).unwrap_or(c),
        _ => c,
    }
}

/// Parses an exponent; `None` if it is not a number or too large.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Python's limit is 10^18 - 1. Exponents from 10^12 are refused here.
    text.parse::<i64>().ok().filter(|e| e.unsigned_abs() < 1_000_000_000_000)
}

fn digits_of(n: &BigInt) -> u64 {
    BigDecimal::new(n.clone(), 0).digits()
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = match self {
            Decimal::NaN => return f.write_str("NaN"),
            Decimal::Infinity(true) => return f.write_str("-Infinity"),
            Decimal::Infinity(false) => return f.write_str("Infinity"),
            Decimal::Finite(d) => d,
        };
        let (value, scale) = d.as_bigint_and_scale();
        let digits = value.magnitude().to_string();
        let sign = if value.sign() == Sign::Minus { "-" } else { "" };
        let exponent = -scale;
        let adjusted = exponent + digits.len() as i64 - 1;
        if exponent > 0 || adjusted < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{sign}{first}{point}{rest}E{adjusted:+}");
        }
        let behind = scale.unsigned_abs() as usize;
        if behind == 0 {
            return write!(f, "{sign}{digits}");
        }
        if digits.len() > behind {
            let (whole, fraction) = digits.split_at(digits.len() - behind);
            return write!(f, "{sign}{whole}.{fraction}");
        }
        write!(f, "{sign}0.{}{digits}", "0".repeat(behind - digits.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    /// The expected texts are those of `str(Decimal(text))` in Python 3.11.
    #[test]
    fn text_as_python_reads_and_prints_it() {
        for (text, printed) in [
            ("1.50", "1.50"),
            ("-0.001", "-0.001"),
            ("1e5", "1E+5"),
            ("1.5e-9", "1.5E-9"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("1_000", "1000"),
            (" +12. ", "12"),
            (".5", "0.5"),
            ("１２", "12"),
            ("٣", "3"),
            ("inf", "Infinity"),
            ("-Infinity", "-Infinity"),
            ("nan12", "NaN"),
            (
                "123456789012345678901234567890.123456789",
                "123456789012345678901234567890.123456789",
            ),
            ("0E+3", "0E+3"),
            ("0.00", "0.00"),
        ] {
            assert_eq!(d(text).to_string(), printed, "{text}");
        }
        for text in ["", "-", ".", "1e", "0x10", "1 000", "--5", "1.2.3", "e5", "infin"] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    /// The expected values are those of the same expressions in Python 3.11.
    #[test]
    fn arithmetic_in_the_default_context() {
        let ok = |r: Result<Decimal, DecimalError>| r.unwrap().to_string();
        assert_eq!(ok(d("1.10").plus(&d("2.2"))), "3.30");
        assert_eq!(ok(d("1.5").times(&d("2"))), "3.0");
        assert_eq!(ok(d("1").divided_by(&d("3"))), "0.3333333333333333333333333333");
        assert_eq!(ok(d("2").divided_by(&d("3"))), "0.6666666666666666666666666667");
        assert_eq!(ok(d("-2").divided_by(&d("3"))), "-0.6666666666666666666666666667");
        assert_eq!(ok(d("1.00").divided_by(&d("2"))), "0.50");
        assert_eq!(ok(d("10").divided_by(&d("5"))), "2");
        assert_eq!(ok(d("100").divided_by(&d("1E+2"))), "1.00");
        assert_eq!(ok(d("1.5").to_power(&d("3"))), "3.375");
        assert_eq!(ok(d("2").to_power(&d("-2"))), "0.25");
        assert_eq!(
            ok(d("12345678901234567890123456789").plus(&d("1"))),
            "1.234567890123456789012345679E+28"
        );
        let (q, r) = d("-7.5").divide_with_remainder(&d("2")).unwrap();
        assert_eq!((q.to_string(), r.to_string()), ("-3".into(), "-1.5".into()));
        assert!(d("1").divided_by(&d("0")).is_err());
        assert_eq!(ok(d("2.675").quantized(2, RoundingMode::HalfEven)), "2.68");
        assert_eq!(d("1.5").compare(&Decimal::from_float(1.5)), Some(Ordering::Equal));
        assert_eq!(d("0.1").compare(&Decimal::from_float(0.1)), Some(Ordering::Less));
        assert_eq!(d("100.50").digit_counts(), Some((3, 1)));
        assert_eq!(d("1e5").digit_counts(), Some((6, -5)));
    }
}
