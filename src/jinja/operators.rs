//! The functions that the pre-pass substitutes for operators, attributes, subscripts and calls.
//! They behave as in Python.
//!
//! In: values. Out: values, or the error that Python or Jinja2 would raise. An object of the
//! context may take part in an operation: it has a method of Python's name (`__add__`, `__rsub__`,
//! ...). Must not know: what objects there are.

use super::number::{Number, int_value};
use super::python::{
    Type, compare_values, contains_value, is_subset, python_text, type_name, type_of, values_equal,
};
use super::runtime::{error, note_inspected};
use super::set::{filter_members, set_value};
use super::values::{list, pairs_of};
use super::views::DictView;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{ToPrimitive, Zero};
use minijinja::value::{Object, ObjectRepr, Rest, Tuple, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The maximum length of a text or list that one operation produces, in characters or items.
const LONGEST: usize = 50_000_000;

/// The error for the use of an undefined value. The engine adds the name (`environment.rs`).
pub(super) fn undefined_error() -> Error {
    Error::from(ErrorKind::UndefinedError)
}

/// Adds the functions to an environment. With `parse`, undefined values in a node's own text can be
/// used further, since some names are defined only at run.
pub(super) fn install_operators(env: &mut Environment<'static>, parse: bool) {
    for (name, operator) in BINARY {
        env.add_function(
            format!("__{name}"),
            move |state: &mut State<'_, '_>, a: Value, b: Value| operator.apply(state, &a, &b),
        );
    }
    for (name, test) in COMPARISONS {
        env.add_function(
            format!("__{name}"),
            move |state: &mut State<'_, '_>, a: Value, b: Value| test.apply(state, &a, &b),
        );
    }
    env.add_function("__chain", chain);
    env.add_function("__fold", fold);
    env.add_function("__neg", |state: &mut State<'_, '_>, v: Value| signed(state, &v, true));
    env.add_function("__pos", |state: &mut State<'_, '_>, v: Value| signed(state, &v, false));
    env.add_function("__int", |digits: String| {
        super::number::int_from_text(&digits).ok_or_else(|| error("no number"))
    });
    env.add_function("__too_deep", || -> Result<Value, Error> {
        Err(error("the expression is nested too deep"))
    });
    env.add_function("__slice", slice);
    env.add_function("__iter", walked);
    env.add_function("__attr", move |state: &mut State<'_, '_>, v: Value, key: Value| {
        attribute(state, &v, &key, parse)
    });
    env.add_function("__item", move |state: &mut State<'_, '_>, v: Value, key: Value| {
        note_inspected(state, &v);
        note_inspected(state, &key);
        item(state, &v, &key, parse)
    });
    env.add_function("__meth", move |state: &mut State<'_, '_>, v: Value, name: Value| {
        let own = parse && is_own_text(state);
        if v.is_undefined() {
            lenient(state, own)?;
        }
        note_inspected(state, &v);
        Ok(Value::from_object(BoundMethod {
            value: v,
            name: name.to_string().into(),
            lenient: own,
        }))
    });
    env.add_function("__c", move |state: &mut State<'_, '_>, callee: Value, name: String| {
        if !callee.is_undefined() {
            return Ok(callee);
        }
        if parse && is_own_text(state) {
            super::runtime::note_unknown(state, &name);
            return Ok(Value::from_object(Nothing));
        }
        Err(Error::new(ErrorKind::UnknownFunction, format!("'{name}' is undefined")))
    });
}

/// Called when an undefined value is used further. In a node's own text at parse it is recorded,
/// elsewhere it is an error.
fn lenient(state: &mut State<'_, '_>, own: bool) -> Result<(), Error> {
    if !own {
        return Err(undefined_error());
    }
    super::runtime::note_unknown(state, "");
    Ok(())
}

/// Whether the text being rendered is a node's own, not a macro's.
pub(super) fn is_own_text(state: &State<'_, '_>) -> bool {
    !state.name().contains('#')
}

#[derive(Clone, Copy)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    Cat,
}

const BINARY: [(&str, Binary); 8] = [
    ("add", Binary::Add),
    ("sub", Binary::Sub),
    ("mul", Binary::Mul),
    ("div", Binary::Div),
    ("floordiv", Binary::FloorDiv),
    ("mod", Binary::Mod),
    ("pow", Binary::Pow),
    ("cat", Binary::Cat),
];

impl Binary {
    fn symbol(self) -> &'static str {
        match self {
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::FloorDiv => "//",
            Binary::Mod => "%",
            Binary::Pow => "** or pow()",
            Binary::Cat => "~",
        }
    }

    /// The names of the methods that an object implements, for the left and the right operand.
    fn methods(self) -> (&'static str, &'static str) {
        match self {
            Binary::Add => ("__add__", "__radd__"),
            Binary::Sub => ("__sub__", "__rsub__"),
            Binary::Mul => ("__mul__", "__rmul__"),
            Binary::Div => ("__truediv__", "__rtruediv__"),
            Binary::FloorDiv => ("__floordiv__", "__rfloordiv__"),
            Binary::Mod => ("__mod__", "__rmod__"),
            Binary::Pow => ("__pow__", "__rpow__"),
            Binary::Cat => ("", ""),
        }
    }

    fn apply(self, state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
        if matches!(self, Binary::Cat) {
            return joined(python_text(a)?, &python_text(b)?);
        }
        if let (Some(left), Some(right)) = (Number::of(a), Number::of(b)) {
            return arithmetic(self, &left, &right, a, b);
        }
        let (left, right) = (type_of(a), type_of(b));
        if left == Type::Undefined || right == Type::Undefined {
            return Err(undefined_error());
        }
        match (self, left, right) {
            (Binary::Add, Type::Str, Type::Str) => {
                joined(python_text(a)?, b.as_str().unwrap_or_default())
            }
            (Binary::Add, Type::List, Type::List) => {
                Ok(list(a.try_iter()?.chain(b.try_iter()?).collect()))
            }
            (Binary::Add, Type::Tuple, Type::Tuple) => {
                Ok(Value::from(Tuple::from(a.try_iter()?.chain(b.try_iter()?).collect::<Vec<_>>())))
            }
            (Binary::Add, Type::Str, _) => {
                Err(error(format!("can only concatenate str (not \"{}\") to str", type_name(b))))
            }
            (Binary::Sub, Type::Set, Type::Set) => {
                let (a, b): (Vec<Value>, Vec<Value>) =
                    (a.try_iter()?.collect(), b.try_iter()?.collect());
                set_value(filter_members(&a, &b, false)?)
            }
            (Binary::Sub, Type::Iterator, _)
                if a.downcast_object_ref::<DictView>().is_some_and(DictView::is_set) =>
            {
                let (a, b): (Vec<Value>, Vec<Value>) =
                    (a.try_iter()?.collect(), super::filters::collect_items(b)?);
                set_value(filter_members(&a, &b, false)?)
            }
            (Binary::Mul, Type::Str | Type::List | Type::Tuple, Type::Int | Type::Bool) => {
                repeated(a, b)
            }
            (Binary::Mul, Type::Int | Type::Bool, Type::Str | Type::List | Type::Tuple) => {
                repeated(b, a)
            }
            (Binary::Mod, Type::Str, _) => super::filters::percent_format(a, b),
            _ => self.by_object(state, a, b),
        }
    }

    /// Calls the operator's method of the left operand, else of the right one.
    fn by_object(self, state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
        let (method, reflected) = self.methods();
        for (value, method, other) in [(a, method, b), (b, reflected, a)] {
            if type_of(value) != Type::Object {
                continue;
            }
            match value.call_method(state, method, std::slice::from_ref(other)) {
                Err(e) if e.kind() == ErrorKind::UnknownMethod => {}
                answer => return answer,
            }
        }
        let names = (type_name(a), type_name(b));
        Err(error(format!(
            "unsupported operand type(s) for {}: '{}' and '{}'",
            self.symbol(),
            names.0,
            names.1
        )))
    }
}

fn joined(mut left: String, right: &str) -> Result<Value, Error> {
    if left.len() + right.len() > LONGEST {
        return Err(too_long());
    }
    left.push_str(right);
    Ok(Value::from(left))
}

fn too_long() -> Error {
    error(format!("the result is longer than {LONGEST} characters or items"))
}

fn repeated(value: &Value, times: &Value) -> Result<Value, Error> {
    let times = times.as_i64().unwrap_or(i64::from(times.is_true())).max(0);
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    let length = value.as_str().map_or_else(|| value.len().unwrap_or(0), str::len);
    if length.saturating_mul(times) > LONGEST {
        return Err(too_long());
    }
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.repeat(times)));
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    let all: Vec<Value> = (0..times).flat_map(|_| items.iter().cloned()).collect();
    Ok(if value.is_tuple() { Value::from(Tuple::from(all)) } else { list(all) })
}

fn arithmetic(
    op: Binary,
    a: &Number,
    b: &Number,
    left: &Value,
    right: &Value,
) -> Result<Value, Error> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => whole(op, a, b),
        (Number::Decimal(_), Number::Float(_)) | (Number::Float(_), Number::Decimal(_)) => {
            let names = (type_name(left), type_name(right));
            Err(error(format!(
                "unsupported operand type(s) for {}: '{}' and '{}'",
                op.symbol(),
                names.0,
                names.1
            )))
        }
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            let (a, b) = (a.exact(), b.exact());
            let result = match op {
                Binary::Add => a.plus(&b),
                Binary::Sub => a.minus(&b),
                Binary::Mul => a.times(&b),
                Binary::Div => a.divided_by(&b),
                Binary::FloorDiv => a.divide_with_remainder(&b).map(|(quotient, _)| quotient),
                Binary::Mod => a.divide_with_remainder(&b).map(|(_, rest)| rest),
                Binary::Pow => a.to_power(&b),
                Binary::Cat => Err("no arithmetic"),
            };
            result.map(|d| Number::Decimal(d).to_value()).map_err(error)
        }
        _ => float(op, a.to_float(), b.to_float()),
    }
}

fn whole(op: Binary, a: &BigInt, b: &BigInt) -> Result<Value, Error> {
    if b.is_zero() && matches!(op, Binary::FloorDiv | Binary::Mod | Binary::Div) {
        return Err(error(match op {
            Binary::Div => "division by zero",
            _ => "integer division or modulo by zero",
        }));
    }
    Ok(match op {
        Binary::Add => int_value(&(a + b)),
        Binary::Sub => int_value(&(a - b)),
        Binary::Mul => int_value(&(a * b)),
        Binary::Div => Value::from(quotient(a, b)),
        Binary::FloorDiv => int_value(&floored(a, b).0),
        Binary::Mod => int_value(&floored(a, b).1),
        Binary::Pow if *b < BigInt::zero() => {
            if a.is_zero() {
                return Err(error("0.0 cannot be raised to a negative power"));
            }
            Value::from(
                a.to_f64().unwrap_or(f64::INFINITY).powf(b.to_f64().unwrap_or(f64::NEG_INFINITY)),
            )
        }
        Binary::Pow => {
            let exponent =
                b.to_u32().filter(|e| a.bits().saturating_mul(u64::from(*e)) < 1_000_000);
            int_value(&a.pow(exponent.ok_or_else(|| error("the power is too large"))?))
        }
        Binary::Cat => Value::from(""),
    })
}

/// Python's floor division and modulo: the quotient is rounded down, and the rest has the sign of
/// the divisor.
fn floored(a: &BigInt, b: &BigInt) -> (BigInt, BigInt) {
    let (mut quotient, mut rest) = (a / b, a % b);
    if !rest.is_zero() && (rest < BigInt::zero()) != (*b < BigInt::zero()) {
        quotient -= 1;
        rest += b;
    }
    (quotient, rest)
}

/// True division of integers, correctly rounded even if they are too large for a float.
fn quotient(a: &BigInt, b: &BigInt) -> f64 {
    match (a.to_f64(), b.to_f64()) {
        (Some(x), Some(y)) if a.bits() <= 53 && b.bits() <= 53 => x / y,
        _ => crate::decimal::Decimal::from_int(a.clone())
            .divided_by(&crate::decimal::Decimal::from_int(b.clone()))
            .map_or(f64::NAN, |d| d.to_float()),
    }
}

fn float(op: Binary, a: f64, b: f64) -> Result<Value, Error> {
    if b == 0.0 && matches!(op, Binary::Div | Binary::FloorDiv | Binary::Mod) {
        return Err(error(match op {
            Binary::Div => "float division by zero",
            Binary::FloorDiv => "float floor division by zero",
            _ => "float modulo",
        }));
    }
    Ok(Value::from(match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::FloorDiv => ((a - modulo(a, b)) / b).round(),
        Binary::Mod => modulo(a, b),
        Binary::Pow => {
            if a == 0.0 && b < 0.0 {
                return Err(error("0.0 cannot be raised to a negative power"));
            }
            a.powf(b)
        }
        Binary::Cat => f64::NAN,
    }))
}

/// Python's modulo: the rest has the sign of the divisor.
fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

/// `a + b - c`. The arguments alternate between operands and the names of operators.
fn fold(state: &mut State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    let mut args = args.0.into_iter();
    let mut value = args.next().unwrap_or_default();
    while let (Some(name), Some(right)) = (args.next(), args.next()) {
        let name = name.to_string();
        let operator = BINARY.iter().find(|(n, _)| *n == name).map(|(_, op)| *op);
        value = operator.ok_or_else(|| error("unknown operator"))?.apply(state, &value, &right)?;
    }
    Ok(value)
}

fn signed(state: &mut State<'_, '_>, value: &Value, negative: bool) -> Result<Value, Error> {
    match Number::of(value) {
        Some(Number::Int(n)) => Ok(int_value(&if negative { -n } else { n })),
        Some(Number::Float(f)) => Ok(Value::from(if negative { -f } else { f })),
        Some(Number::Decimal(d)) => {
            Ok(Number::Decimal(if negative { d.negated() } else { d.rounded() }).to_value())
        }
        None if value.is_undefined() => Err(undefined_error()),
        None => {
            let (method, sign) = if negative { ("__neg__", '-') } else { ("__pos__", '+') };
            if type_of(value) != Type::Object {
                return Err(bad_operand(sign, value));
            }
            match value.call_method(state, method, &[]) {
                Err(e) if e.kind() == ErrorKind::UnknownMethod => Err(bad_operand(sign, value)),
                answer => answer,
            }
        }
    }
}

fn bad_operand(sign: char, value: &Value) -> Error {
    error(format!("bad operand type for unary {sign}: '{}'", type_name(value)))
}

#[derive(Clone, Copy)]
enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

const COMPARISONS: [(&str, Comparison); 8] = [
    ("eq", Comparison::Eq),
    ("ne", Comparison::Ne),
    ("lt", Comparison::Lt),
    ("le", Comparison::Le),
    ("gt", Comparison::Gt),
    ("ge", Comparison::Ge),
    ("in", Comparison::In),
    ("not_in", Comparison::NotIn),
];

impl Comparison {
    fn apply(self, state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
        note_inspected(state, a);
        note_inspected(state, b);
        Ok(Value::from(match self {
            Comparison::Eq => values_equal(a, b)?,
            Comparison::Ne => !values_equal(a, b)?,
            Comparison::In => is_in(state, a, b)?,
            Comparison::NotIn => !is_in(state, a, b)?,
            Comparison::Lt => self.ordered(a, b, "<")?,
            Comparison::Le => self.ordered(a, b, "<=")?,
            Comparison::Gt => self.ordered(a, b, ">")?,
            Comparison::Ge => self.ordered(a, b, ">=")?,
        }))
    }

    fn ordered(self, a: &Value, b: &Value, symbol: &str) -> Result<bool, Error> {
        if type_of(a) == Type::Set && type_of(b) == Type::Set {
            let (a, b): (Vec<Value>, Vec<Value>) =
                (a.try_iter()?.collect(), b.try_iter()?.collect());
            return match self {
                Comparison::Lt => Ok(a.len() < b.len() && is_subset(&a, &b)?),
                Comparison::Le => is_subset(&a, &b),
                Comparison::Gt => Ok(b.len() < a.len() && is_subset(&b, &a)?),
                _ => is_subset(&b, &a),
            };
        }
        if a.is_undefined() || b.is_undefined() {
            return Err(undefined_error());
        }
        let order = compare_values(a, b, symbol)?;
        Ok(match self {
            Comparison::Lt => order == Some(Ordering::Less),
            Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Gt => order == Some(Ordering::Greater),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        })
    }
}

/// `a < b < c`. The arguments alternate between operands and the names of operators.
fn chain(state: &mut State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    let mut args = args.0.into_iter();
    let mut left = args.next().unwrap_or_default();
    while let (Some(name), Some(right)) = (args.next(), args.next()) {
        let name = name.to_string();
        let test = COMPARISONS.iter().find(|(n, _)| *n == name).map(|(_, test)| *test);
        let holds = test.ok_or_else(|| error("unknown operator"))?.apply(state, &left, &right)?;
        if !holds.is_true() {
            return Ok(holds);
        }
        left = right;
    }
    Ok(Value::from(true))
}

pub(super) fn is_in(
    state: &mut State<'_, '_>,
    item: &Value,
    container: &Value,
) -> Result<bool, Error> {
    match type_of(container) {
        Type::Str => match item.as_str() {
            Some(part) => Ok(container.as_str().unwrap_or_default().contains(part)),
            None if item.is_undefined() => Err(undefined_error()),
            None => Err(error(format!(
                "'in <string>' requires string as left operand, not {}",
                type_name(item)
            ))),
        },
        Type::Undefined => Ok(false),
        Type::Dict => {
            let keys: Vec<Value> = container.try_iter()?.collect();
            contains_value(&keys, item)
        }
        Type::Object => {
            match container.call_method(state, "__contains__", std::slice::from_ref(item)) {
                Err(e) if e.kind() == ErrorKind::UnknownMethod => walk(container, item),
                answer => answer.map(|v| v.is_true()),
            }
        }
        _ => walk(container, item),
    }
}

fn walk(container: &Value, item: &Value) -> Result<bool, Error> {
    match container.try_iter() {
        Ok(items) => {
            let items: Vec<Value> = items.collect();
            contains_value(&items, item)
        }
        Err(_) => {
            Err(error(format!("argument of type '{}' is not iterable", type_name(container))))
        }
    }
}

/// The value that a loop iterates over; an error if Python cannot iterate over it. A text is
/// iterated by characters.
fn walked(value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return Ok(list(text.chars().map(|c| Value::from(c.to_string())).collect()));
    }
    match type_of(&value) {
        Type::None | Type::Bool | Type::Int | Type::Float | Type::Decimal => {
            Err(error(format!("'{}' object is not iterable", type_name(&value))))
        }
        _ => Ok(value),
    }
}

fn slice(state: &mut State<'_, '_>, value: Value, args: Rest<Value>) -> Result<Value, Error> {
    note_inspected(state, &value);
    let step = slice_bound(args.0.get(2))?.unwrap_or(1);
    if step == 0 {
        return Err(error("slice step cannot be zero"));
    }
    if value.is_undefined() {
        return Ok(Value::UNDEFINED);
    }
    if let Some(text) = value.as_str() {
        let chars: Vec<char> = text.chars().collect();
        let indexes =
            indexes(chars.len(), slice_bound(args.0.first())?, slice_bound(args.0.get(1))?, step);
        return Ok(Value::from(indexes.into_iter().map(|i| chars[i]).collect::<String>()));
    }
    if value.kind() == ValueKind::Map {
        return Ok(Value::UNDEFINED);
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    let indexes =
        indexes(items.len(), slice_bound(args.0.first())?, slice_bound(args.0.get(1))?, step);
    let kept: Vec<Value> = indexes.into_iter().map(|i| items[i].clone()).collect();
    Ok(if value.is_tuple() || type_of(&value) == Type::Object {
        Value::from(Tuple::from(kept))
    } else {
        list(kept)
    })
}

/// A bound or the step of a slice; `None` if it is not given. A number that is too large is
/// clamped.
fn slice_bound(given: Option<&Value>) -> Result<Option<i64>, Error> {
    match given.filter(|v| !v.is_none()) {
        None => Ok(None),
        Some(v) if v.is_undefined() => Err(undefined_error()),
        Some(v) => match Number::of(v) {
            Some(Number::Int(n)) => {
                let nearest = if n < BigInt::zero() { i64::MIN } else { i64::MAX };
                Ok(Some(n.to_i64().unwrap_or(nearest)))
            }
            _ => Err(error("slice indices must be integers or None")),
        },
    }
}

/// The indexes that a Python slice selects from a sequence of this length.
fn indexes(length: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> Vec<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // Negative bounds count from the end.
    let [start, stop] =
        [start, stop].map(|bound| bound.map(|i| if i < 0 { i.saturating_add(length) } else { i }));
    let (from, to) = if step > 0 {
        (start.map_or(0, |s| s.clamp(0, length)), stop.map_or(length, |s| s.clamp(0, length)))
    } else {
        (
            start.map_or(length - 1, |s| s.clamp(-1, length - 1)),
            stop.map_or(-1, |s| s.clamp(-1, length - 1)),
        )
    };
    let mut out = Vec::new();
    let mut i = from;
    while (step > 0 && i < to) || (step < 0 && i > to) {
        out.extend(usize::try_from(i).ok());
        i = i.saturating_add(step);
    }
    out
}

pub(crate) fn add_values(state: &mut State<'_, '_>, a: &Value, b: &Value) -> Result<Value, Error> {
    Binary::Add.apply(state, a, b)
}

/// An item or an attribute of a value, for filters that take its name.
pub(super) fn plain_item(value: &Value, key: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(undefined_error());
    }
    let found = subscript(value, key)?;
    match key.as_str() {
        Some(name) if found.is_undefined() => Ok(value.get_attr(name).unwrap_or_default()),
        _ => Ok(found),
    }
}

/// `x.name`: a method of the value, else its attribute or, for a dict, its item.
fn attribute(
    state: &mut State<'_, '_>,
    value: &Value,
    key: &Value,
    parse: bool,
) -> Result<Value, Error> {
    if value.is_undefined() {
        let own = parse && is_own_text(state);
        return lenient(state, own).map(|()| Value::UNDEFINED);
    }
    let Some(name) = key.as_str() else { return subscript(value, key) };
    let kind = type_of(value);
    if super::methods::has_method(kind, name) {
        return Ok(method_of(value, name));
    }
    if kind == Type::Dict {
        return subscript(value, key);
    }
    let found = value.get_attr(name).unwrap_or_default();
    if found.is_undefined()
        && kind == Type::Object
        && super::methods::object_has_method(state, value, name)
    {
        return Ok(method_of(value, name));
    }
    Ok(found)
}

fn method_of(value: &Value, name: &str) -> Value {
    Value::from_object(BoundMethod { value: value.clone(), name: name.into(), lenient: false })
}

/// `x[key]`: an item, else a method of that name, else undefined.
fn item(
    state: &mut State<'_, '_>,
    value: &Value,
    key: &Value,
    parse: bool,
) -> Result<Value, Error> {
    if value.is_undefined() {
        let own = parse && is_own_text(state);
        return lenient(state, own).map(|()| Value::UNDEFINED);
    }
    let found = subscript(value, key)?;
    match key.as_str() {
        Some(name) if found.is_undefined() && super::methods::has_method(type_of(value), name) => {
            Ok(method_of(value, name))
        }
        _ => Ok(found),
    }
}

fn subscript(value: &Value, key: &Value) -> Result<Value, Error> {
    match type_of(value) {
        Type::Str => {
            let chars: Vec<char> = value.as_str().unwrap_or_default().chars().collect();
            Ok(place(key, chars.len())
                .map_or(Value::UNDEFINED, |i| Value::from(chars[i].to_string())))
        }
        Type::List | Type::Tuple => match place(key, value.len().unwrap_or(0)) {
            Some(i) => value.get_item_by_index(i),
            None => Ok(Value::UNDEFINED),
        },
        Type::Dict => {
            let found = value.get_item(key)?;
            if !found.is_undefined() || matches!(key.kind(), ValueKind::String) {
                return Ok(found);
            }
            // Keys of different types may be equal, such as `1` and `1.0`.
            for (other, item) in pairs_of(value)? {
                if values_equal(&other, key)? {
                    return Ok(item);
                }
            }
            Ok(Value::UNDEFINED)
        }
        // As in Python, a dict view cannot be subscripted.
        Type::Iterator if value.downcast_object_ref::<DictView>().is_some() => Ok(Value::UNDEFINED),
        Type::Object | Type::Decimal | Type::Iterator => {
            Ok(value.get_item(key).unwrap_or_default())
        }
        _ => Ok(Value::UNDEFINED),
    }
}

/// An index, which may count from the end; `None` if it is out of range.
fn place(key: &Value, length: usize) -> Option<usize> {
    let i = match Number::of(key)? {
        Number::Int(n) => n.to_i64()?,
        _ => return None,
    };
    let i = if i < 0 { i + i64::try_from(length).ok()? } else { i };
    usize::try_from(i).ok().filter(|i| *i < length)
}

pub(super) struct BoundMethod {
    value: Value,
    name: Arc<str>,
    /// Whether a missing method is not an error, since it may exist at run.
    lenient: bool,
}

impl fmt::Debug for BoundMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in method {} of {} object>", self.name, type_name(&self.value))
    }
}

impl Object for BoundMethod {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if self.value.is_undefined() {
            return Ok(Value::UNDEFINED);
        }
        match self.value.call_method(state, &self.name, args) {
            Err(e) if e.kind() == ErrorKind::UnknownMethod => {
                let said = e.detail().map(str::to_owned);
                // A callable item of a dict, or a callable attribute.
                let held = self.value.get_attr(&self.name).unwrap_or_default();
                if !held.is_undefined() {
                    return held.call(state, args);
                }
                if self.lenient {
                    super::runtime::note_unknown(state, &self.name);
                    return Ok(Value::UNDEFINED);
                }
                let message = said.unwrap_or_else(|| {
                    format!("'{}' has no method '{}'", shown_type(&self.value), self.name)
                });
                Err(Error::new(ErrorKind::UnknownMethod, message))
            }
            answer => answer,
        }
    }
}

/// How error messages name a value that lacks a method.
fn shown_type(value: &Value) -> String {
    match type_of(value) {
        Type::Object => value.to_string().chars().take(60).collect(),
        _ => type_name(value),
    }
}

/// Stands in for an unknown callable. Calling it returns undefined.
#[derive(Debug)]
struct Nothing;

impl Object for Nothing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::UNDEFINED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_as_python_has_them() {
        let all = |start, stop, step| indexes(5, start, stop, step);
        assert_eq!(all(None, None, 1), [0, 1, 2, 3, 4]);
        assert_eq!(all(Some(-2), None, 1), [3, 4]);
        assert_eq!(all(None, Some(-1), 2), [0, 2]);
        assert_eq!(all(None, None, -2), [4, 2, 0]);
        assert_eq!(all(Some(10), Some(1), -1), [4, 3, 2]);
        assert!(all(Some(3), Some(1), 1).is_empty());
    }

    #[test]
    fn rests_have_the_sign_of_the_divisor() {
        let n = |i: i64| BigInt::from(i);
        assert_eq!(floored(&n(-7), &n(2)), (n(-4), n(1)));
        assert_eq!(floored(&n(7), &n(-2)), (n(-4), n(-1)));
        assert_eq!(modulo(-7.5, 2.0), 0.5);
    }
}
