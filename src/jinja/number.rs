//! Numbers that minijinja lacks: decimals, and integers of any size.
//!
//! In: values of databases, YAML and JSON. Out: values that print, compare and calculate as
//! Python's do (`operators.rs`). Must not know: where they come from.

use super::runtime::error;
use crate::decimal::{Decimal, DecimalError};
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{RoundingMode, ToPrimitive};
use minijinja::value::{Object, ObjectRepr, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A value as a Python number.
#[derive(Clone, Debug)]
pub(super) enum Number {
    Int(BigInt),
    Float(f64),
    Decimal(Decimal),
}

impl Number {
    /// The number of a value; `None` if it is not one. Booleans are the integers 0 and 1.
    pub(super) fn of(value: &Value) -> Option<Number> {
        match value.kind() {
            ValueKind::Bool => Some(Number::Int(BigInt::from(u8::from(value.is_true())))),
            ValueKind::Number if value.is_integer() => Some(Number::Int(whole(value)?)),
            ValueKind::Number => f64::try_from(value.clone()).ok().map(Number::Float),
            _ => {
                if let Some(decimal) = value.downcast_object_ref::<DecimalValue>() {
                    return Some(Number::Decimal(decimal.0.clone()));
                }
                value.downcast_object_ref::<BigIntValue>().map(|n| Number::Int(n.0.clone()))
            }
        }
    }

    pub(super) fn to_value(&self) -> Value {
        match self {
            Number::Int(n) => int_value(n),
            Number::Float(f) => Value::from(*f),
            Number::Decimal(d) => decimal_value(d.clone()),
        }
    }

    pub(super) fn to_float(&self) -> f64 {
        match self {
            Number::Int(n) => n.to_f64().unwrap_or(f64::INFINITY),
            Number::Float(f) => *f,
            Number::Decimal(d) => d.to_float(),
        }
    }

    /// The exact value, for comparisons; NaN and infinity included.
    pub(super) fn exact(&self) -> Decimal {
        match self {
            Number::Int(n) => Decimal::from_int(n.clone()),
            Number::Float(f) => Decimal::from_float(*f),
            Number::Decimal(d) => d.clone(),
        }
    }

    pub(super) fn compare(&self, other: &Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(b),
            (a, b) => a.exact().compare(&b.exact()),
        }
    }

    /// The whole part; `None` if the number is not finite.
    pub(super) fn truncated(&self) -> Option<BigInt> {
        match self {
            Number::Int(n) => Some(n.clone()),
            Number::Float(f) => f
                .is_finite()
                .then(|| Decimal::from_float(f.trunc()))
                .and_then(|d| d.ratio())
                .map(|(n, m)| n / m),
            Number::Decimal(d) => d.ratio().map(|(n, m)| n / m),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        match self {
            Number::Int(n) => *n == BigInt::from(0),
            Number::Float(f) => *f == 0.0,
            Number::Decimal(d) => d.is_zero(),
        }
    }
}

fn whole(value: &Value) -> Option<BigInt> {
    match i64::try_from(value.clone()) {
        Ok(n) => Some(BigInt::from(n)),
        Err(_) => value.to_string().parse().ok(),
    }
}

/// An integer as a value: as minijinja's own type if it fits, else as an object.
pub(crate) fn int_value(n: &BigInt) -> Value {
    match (n.to_i64(), n.to_i128()) {
        (Some(small), _) => Value::from(small),
        (None, Some(large)) => Value::from(large),
        (None, None) => Value::from_object(BigIntValue(n.clone())),
    }
}

/// Parses an integer of any size.
pub(crate) fn int_from_text(text: &str) -> Option<Value> {
    text.parse::<BigInt>().ok().map(|n| int_value(&n))
}

pub(crate) fn decimal_value(decimal: Decimal) -> Value {
    Value::from_object(DecimalValue(decimal))
}

/// The digits of an integer of any size, as in JSON and SQL. `None` for other values and booleans.
pub(crate) fn int_text(value: &Value) -> Option<String> {
    match Number::of(value)? {
        Number::Int(n) if value.kind() != ValueKind::Bool => Some(n.to_string()),
        _ => None,
    }
}

/// An integer of more than 128 bits.
pub(super) struct BigIntValue(BigInt);

pub(super) struct DecimalValue(Decimal);

impl fmt::Debug for BigIntValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for DecimalValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decimal('{}')", self.0)
    }
}

impl Object for BigIntValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some(super::REPR)).then(|| Value::from(self.0.to_string()))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "bit_length" => Ok(Value::from(self.0.bits())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The first argument of a method, which must be an integer or a decimal.
fn decimal_operand(method: &str, args: &[Value]) -> Result<Decimal, Error> {
    let value = args.first().ok_or_else(|| error(format!("{method}() needs an argument")))?;
    match Number::of(value) {
        Some(Number::Float(_)) | None => {
            Err(error(format!("{method}() needs a decimal, not {value}")))
        }
        Some(number) => Ok(number.exact()),
    }
}

fn decimal_result(result: Result<Decimal, DecimalError>) -> Result<Value, Error> {
    result.map(decimal_value).map_err(error)
}

/// The rounding mode of an argument, by its name in Python.
fn rounding(args: &[Value], at: usize) -> RoundingMode {
    let named = args.last().filter(|v| v.is_kwargs()).and_then(|k| k.get_attr("rounding").ok());
    let name = named.or_else(|| args.get(at).cloned()).unwrap_or_default();
    match name.as_str().unwrap_or_default() {
        "ROUND_UP" => RoundingMode::Up,
        "ROUND_DOWN" => RoundingMode::Down,
        "ROUND_CEILING" => RoundingMode::Ceiling,
        "ROUND_FLOOR" => RoundingMode::Floor,
        "ROUND_HALF_UP" => RoundingMode::HalfUp,
        "ROUND_HALF_DOWN" => RoundingMode::HalfDown,
        _ => RoundingMode::HalfEven,
    }
}

impl Object for DecimalValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_zero()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "real" => Some(decimal_value(self.0.clone())),
            "imag" => Some(decimal_value(Decimal::from_int(0))),
            super::REPR => Some(Value::from(format!("{self:?}"))),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let d = &self.0;
        match method {
            "is_nan" | "is_qnan" => Ok(Value::from(d.is_nan())),
            "is_zero" => Ok(Value::from(d.is_zero())),
            "is_signed" => Ok(Value::from(d.is_negative())),
            "is_finite" => Ok(Value::from(d.is_finite())),
            "is_infinite" => Ok(Value::from(!d.is_finite() && !d.is_nan())),
            "is_normal" => Ok(Value::from(d.is_finite() && !d.is_zero())),
            "is_subnormal" | "is_snan" => Ok(Value::from(false)),
            "is_canonical" => Ok(Value::from(true)),
            "copy_abs" => Ok(decimal_value(if d.is_negative() { d.negated() } else { d.clone() })),
            "copy_negate" => Ok(decimal_value(d.negated())),
            "canonical" | "conjugate" => Ok(decimal_value(d.clone())),
            "normalize" => Ok(decimal_value(d.normalized())),
            "to_integral_value" | "to_integral" | "to_integral_exact" => {
                decimal_result(d.quantized(0, rounding(args, 0)))
            }
            "quantize" => match decimal_operand(method, args)? {
                Decimal::Finite(exponent) => decimal_result(
                    d.quantized(exponent.fractional_digit_count(), rounding(args, 1)),
                ),
                _ => Err(error("quantize() needs a finite decimal")),
            },
            "compare" => {
                let order = d
                    .compare(&decimal_operand(method, args)?)
                    .map_or(Decimal::NaN, |o| Decimal::from_int(o as i8));
                Ok(decimal_value(order))
            }
            "max" => decimal_operand(method, args).map(|o| {
                decimal_value(if d.compare(&o) == Some(Ordering::Less) { o } else { d.clone() })
            }),
            "min" => decimal_operand(method, args).map(|o| {
                decimal_value(if d.compare(&o) == Some(Ordering::Greater) { o } else { d.clone() })
            }),
            "sqrt" => decimal_result(d.to_power(&Decimal::parse("0.5").unwrap_or(Decimal::NaN))),
            "adjusted" => Ok(Value::from(d.adjusted())),
            "to_eng_string" => Ok(Value::from(d.to_string())),
            "as_tuple" => {
                let (negative, digits, exponent) = d.parts();
                let digits: Vec<Value> = digits.bytes().map(|b| Value::from(b - b'0')).collect();
                let parts = vec![
                    Value::from(u8::from(negative)),
                    Value::from(Tuple::from(digits)),
                    Value::from(exponent),
                ];
                Ok(Value::from(Tuple::from(parts)))
            }
            "as_integer_ratio" => {
                let (n, m) =
                    d.ratio().ok_or_else(|| error("cannot convert to an integer ratio"))?;
                Ok(Value::from(Tuple::from(vec![int_value(&n), int_value(&m)])))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
