//! Filters, tests and functions of Jinja2 and dbt that minijinja lacks or implements differently.

use super::methods;
use super::number::{Number, int_value};
use super::python::{self, Type, python_repr, python_text, type_name, type_of};
use super::runtime::{Args, error, note_inspected};
use super::values::{dict, list, pairs_of};
use crate::config::python_str;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{RoundingMode, ToPrimitive};
use minijinja::value::{
    Enumerator, Object, ObjectRepr, Rest, Tuple, Value, ValueKind, ValueOrKwargs,
};
use minijinja::{Environment, Error, State};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub(super) fn install_filters(env: &mut Environment<'static>) {
    env.add_filter("list", |v: Value| -> Result<Value, Error> { Ok(list(collect_items(&v)?)) });
    env.add_filter("string", |v: Value| python_text(&v));
    env.add_filter("wordcount", |v: Value| -> Result<usize, Error> {
        Ok(python_text(&v)?.split_whitespace().count())
    });
    env.add_filter("truncate", truncate);
    for name in ["length", "count"] {
        env.add_filter(name, |state: &mut State<'_, '_>, v: Value| {
            note_inspected(state, &v);
            minijinja::filters::length(&v)
        });
    }
    env.add_filter("int", to_int);
    env.add_filter("float", to_float);
    env.add_filter("abs", absolute);
    env.add_filter("round", round);
    env.add_filter("sum", sum);
    env.add_filter("min", |state: &mut State<'_, '_>, v: Value, args: Rest<ValueOrKwargs>| {
        extreme(state, &v, args, Ordering::Less)
    });
    env.add_filter("max", |state: &mut State<'_, '_>, v: Value, args: Rest<ValueOrKwargs>| {
        extreme(state, &v, args, Ordering::Greater)
    });
    env.add_filter("sort", sort);
    env.add_filter("dictsort", dictsort);
    env.add_filter("unique", unique);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("random", |v: Value| -> Result<Value, Error> {
        // Renders must be deterministic, so always the first item is chosen.
        Ok(collect_items(&v)?.into_iter().next().unwrap_or_default())
    });
    env.add_filter("pprint", |v: Value| python_repr(&v));
    for (name, change) in TEXT_FILTERS {
        env.add_filter(name, move |v: Value| -> Result<String, Error> {
            Ok(change(&python_text(&v)?))
        });
    }
    env.add_function("cycler", minijinja_contrib::globals::cycler);
    env.add_function("joiner", minijinja_contrib::globals::joiner);
    env.add_filter("format", |text: Value, args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = filter_arguments(args)?;
        let given = match args.named.is_empty() {
            true => Tuple::from(args.positional).into(),
            false => dict(args.named.into_iter().map(|(k, v)| (Value::from(k), v))),
        };
        percent_format(&text, &given)
    });
    // In SQL, dbt's markers of native values have no effect.
    for name in ["as_native", "as_bool", "as_number"] {
        env.add_filter(name, |v: Value| v);
    }
    env.add_filter("as_text", |v: Value| -> Result<Value, Error> {
        if v.is_none() { Ok(Value::from("")) } else { python_text(&v).map(Value::from) }
    });
    env.add_filter("is_list", |v: Value| type_of(&v) == Type::List);
    super::layout::install_layout_filters(env);
    tests(env);
    env.add_function("dict", |args: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        let args = filter_arguments(args)?;
        let mut pairs = Vec::new();
        for source in &args.positional {
            pairs.extend(pairs_of(source)?);
        }
        pairs.extend(args.named.into_iter().map(|(k, v)| (Value::from(k), v)));
        Ok(dict(pairs))
    });
    env.add_function("list", |v: Option<Value>| -> Result<Value, Error> {
        Ok(list(v.map(|v| collect_items(&v)).transpose()?.unwrap_or_default()))
    });
    env.add_function("range", range);
}

/// The name of a filter and its function on text.
type TextFilter = (&'static str, fn(&str) -> String);

const TEXT_FILTERS: [TextFilter; 5] = [
    ("upper", |s| s.to_uppercase()),
    ("lower", |s| s.to_lowercase()),
    ("title", title),
    ("capitalize", methods::capitalize_text),
    ("striptags", striptags),
];

/// Jinja2's `title`: a word begins after white space and after `-`, `(`, `{`, `[`, `<`.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn striptags(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn filter_arguments(args: Rest<ValueOrKwargs>) -> Result<Args, Error> {
    let values: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
    Args::parse(&values)
}

/// The items of a value when iterated over as in Python.
pub(super) fn collect_items(value: &Value) -> Result<Vec<Value>, Error> {
    match type_of(value) {
        Type::Str => Ok(value
            .as_str()
            .unwrap_or_default()
            .chars()
            .map(|c| Value::from(c.to_string()))
            .collect()),
        Type::Undefined => Ok(Vec::new()),
        Type::None | Type::Bool | Type::Int | Type::Float | Type::Decimal => {
            Err(error(format!("'{}' object is not iterable", type_name(value))))
        }
        _ => match value.try_iter() {
            Ok(items) => Ok(items.collect()),
            Err(_) => Err(error(format!("'{}' object is not iterable", type_name(value)))),
        },
    }
}

/// `int(default=0, base=10)`: the default if the value is not a number.
fn to_int(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let default = args.get(0, "default").cloned().unwrap_or_else(|| Value::from(0));
    let base = args
        .get(1, "base")
        .and_then(Value::as_i64)
        .and_then(|b| u32::try_from(b).ok())
        .unwrap_or(10);
    if value.is_undefined() {
        return Err(super::operators::undefined_error());
    }
    if let Some(text) = value.as_str() {
        let text = text.trim();
        if let Some(n) = int_of_text(text, base) {
            return Ok(n);
        }
        // A text with a fraction is parsed as a float and truncated, as in Jinja2.
        let float = crate::decimal::Decimal::parse(text).filter(|d| d.is_finite());
        return Ok(float
            .map(|d| d.to_float())
            .filter(|f| f.is_finite())
            .and_then(cut)
            .unwrap_or(default));
    }
    Ok(match Number::of(&value) {
        Some(Number::Int(n)) => int_value(&n),
        Some(Number::Float(f)) => cut(f).unwrap_or(default),
        Some(Number::Decimal(d)) => d.to_int().map_or(default, |n| int_value(&n)),
        None => default,
    })
}

/// The whole part of a float; `None` if it is not finite.
fn cut(f: f64) -> Option<Value> {
    crate::decimal::Decimal::from_float(f).to_int().map(|n| int_value(&n))
}

/// Python's `int(text, base)`; `None` if the text is not an integer.
fn int_of_text(text: &str, base: u32) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (if text.starts_with('-') { "-" } else { "" }, rest),
        None => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefix = match base {
        16 => "0x",
        8 => "0o",
        2 => "0b",
        _ => "",
    };
    let digits = lower.strip_prefix(prefix).unwrap_or(&lower).replace('_', "");
    if !(2..=36).contains(&base) || digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        // Python also accepts the digits of other scripts.
        let whole = crate::decimal::Decimal::parse(text)
            .filter(|_| base == 10 && !lower.contains(['.', 'e', 'n', 'i']));
        return whole.and_then(|d| d.to_int()).map(|n| int_value(&n));
    }
    BigInt::parse_bytes(format!("{sign}{digits}").as_bytes(), base).map(|n| int_value(&n))
}

fn to_float(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    if value.is_undefined() {
        return Err(super::operators::undefined_error());
    }
    let number = match value.as_str() {
        Some(text) => crate::decimal::Decimal::parse(text).map(|d| d.to_float()),
        None => Number::of(&value).map(|n| n.to_float()),
    };
    Ok(number.map_or_else(
        || args.get(0, "default").cloned().unwrap_or_else(|| Value::from(0.0)),
        Value::from,
    ))
}

fn absolute(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    match Number::of(&value) {
        Some(Number::Int(n)) => Ok(int_value(&BigInt::from(n.magnitude().clone()))),
        Some(Number::Float(f)) => Ok(Value::from(f.abs())),
        Some(Number::Decimal(d)) => Ok(Number::Decimal(d.absolute()).to_value()),
        None if value.is_undefined() => Err(super::operators::undefined_error()),
        None => match value.call_method(state, "__abs__", &[]) {
            Ok(v) => Ok(v),
            Err(_) => Err(error(format!("bad operand type for abs(): '{}'", type_name(&value)))),
        },
    }
}

/// `round(precision=0, method='common')`. An integer stays one where Python's `round(x, n)` returns
/// one.
fn round(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let precision = args.get(0, "precision").and_then(Value::as_i64).unwrap_or(0);
    let method = args.get(1, "method").map_or_else(|| "common".to_owned(), Value::to_string);
    let Some(number) = Number::of(&value) else {
        return Err(match value.is_undefined() {
            true => super::operators::undefined_error(),
            false => error(format!("type {} doesn't define __round__ method", type_name(&value))),
        });
    };
    let mode = match method.as_str() {
        "common" => RoundingMode::HalfEven,
        "ceil" => RoundingMode::Ceiling,
        "floor" => RoundingMode::Floor,
        _ => return Err(error("method must be common, ceil or floor")),
    };
    if mode != RoundingMode::HalfEven {
        // The result is always a float, since Jinja2 scales, rounds and scales back.
        let scaled = match &number {
            Number::Decimal(d) => d.to_float() * 10f64.powi(precision as i32),
            other => other.to_float() * 10f64.powi(precision as i32),
        };
        let whole = if mode == RoundingMode::Ceiling { scaled.ceil() } else { scaled.floor() };
        return Ok(Value::from(whole / 10f64.powi(precision as i32)));
    }
    match number {
        Number::Int(n) if precision >= 0 => Ok(int_value(&n)),
        Number::Int(n) => {
            let rounded =
                crate::decimal::Decimal::from_int(n).quantized(precision, mode).map_err(error)?;
            Ok(rounded.to_int().map_or_else(Value::default, |n| int_value(&n)))
        }
        Number::Float(f) if !f.is_finite() => Ok(Value::from(f)),
        Number::Float(f) => {
            let exact = crate::decimal::Decimal::from_float(f);
            let crate::decimal::Decimal::Finite(exact) = exact else { return Ok(Value::from(f)) };
            let rounded = exact.with_scale_round(precision, mode);
            Ok(Value::from(rounded.to_string().parse::<f64>().unwrap_or(f)))
        }
        Number::Decimal(d) => {
            Ok(Number::Decimal(d.quantized(precision, mode).map_err(error)?).to_value())
        }
    }
}

fn sum(state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let attribute = args.get(0, "attribute").filter(|v| !v.is_none()).cloned();
    let mut total = args.get(1, "start").cloned().unwrap_or_else(|| Value::from(0));
    for item in collect_items(&value)? {
        let item =
            attribute.as_ref().map_or_else(|| Ok(item.clone()), |a| attribute_of(&item, a))?;
        total = super::operators::add_values(state, &total, &item)?;
    }
    Ok(total)
}

/// Jinja2's `make_attrgetter`: the attribute at a path of names and indexes, separated by dots.
fn attribute_of(value: &Value, path: &Value) -> Result<Value, Error> {
    let text = path.to_string();
    let mut value = value.clone();
    for part in text.split('.') {
        let key = part.parse::<i64>().map_or_else(|_| Value::from(part), Value::from);
        value = super::operators::plain_item(&value, &key)?;
    }
    Ok(value)
}

/// The sort key of an item: its attributes if given, with texts in lower case unless
/// `case_sensitive`.
fn sort_key(item: &Value, attribute: Option<&Value>, case_sensitive: bool) -> Result<Value, Error> {
    match attribute {
        None => Ok(folded(item.clone(), case_sensitive)),
        Some(names) if names.to_string().contains(',') => {
            let mut parts = Vec::new();
            for name in names.to_string().split(',') {
                let part = attribute_of(item, &Value::from(name.trim()))?;
                parts.push(folded(part, case_sensitive));
            }
            Ok(list(parts))
        }
        Some(name) => attribute_of(item, name).map(|v| folded(v, case_sensitive)),
    }
}

fn folded(value: Value, case_sensitive: bool) -> Value {
    match value.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    }
}

fn sort(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let attribute = args.get(2, "attribute").filter(|v| !v.is_none()).cloned();
    let case = args.flag(1, "case_sensitive", false);
    let mut items = collect_items(&value)?;
    // As in Python, a reversed sort keeps equal items in their order.
    let reverse = args.flag(0, "reverse", false);
    if reverse {
        items.reverse();
    }
    python::sort_values(&mut items, &|item| sort_key(item, attribute.as_ref(), case))?;
    if reverse {
        items.reverse();
    }
    Ok(list(items))
}

fn dictsort(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let by = args.get(1, "by").map_or_else(|| "key".to_owned(), Value::to_string);
    let place = match by.as_str() {
        "key" => 0,
        "value" => 1,
        _ => return Err(error("You can only sort by either \"key\" or \"value\"")),
    };
    let case = args.flag(0, "case_sensitive", false);
    let mut items: Vec<Value> =
        pairs_of(&value)?.into_iter().map(|(k, v)| super::make_pair(k, v)).collect();
    let reverse = args.flag(2, "reverse", false);
    if reverse {
        items.reverse();
    }
    python::sort_values(&mut items, &|item| Ok(folded(item.get_item_by_index(place)?, case)))?;
    if reverse {
        items.reverse();
    }
    Ok(list(items))
}

fn unique(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let attribute = args.get(1, "attribute").filter(|v| !v.is_none()).cloned();
    let case = args.flag(0, "case_sensitive", false);
    let (mut seen, mut kept) = (Vec::new(), Vec::new());
    for item in collect_items(&value)? {
        let key = sort_key(&item, attribute.as_ref(), case)?;
        if !python::contains_value(&seen, &key)? {
            seen.push(key);
            kept.push(item);
        }
    }
    Ok(list(kept))
}

fn extreme(
    _: &mut State<'_, '_>,
    value: &Value,
    args: Rest<ValueOrKwargs>,
    wanted: Ordering,
) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let attribute = args.get(1, "attribute").filter(|v| !v.is_none()).cloned();
    let case = args.flag(0, "case_sensitive", false);
    let mut best: Option<(Value, Value)> = None;
    for item in collect_items(value)? {
        let key = sort_key(&item, attribute.as_ref(), case)?;
        let symbol = if wanted == Ordering::Less { "<" } else { ">" };
        let better = match &best {
            None => true,
            Some((best, _)) => python::compare_values(&key, best, symbol)? == Some(wanted),
        };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn join(value: Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let args = filter_arguments(args)?;
    let separator = args.get(0, "d").map(python_text).transpose()?.unwrap_or_default();
    let attribute = args.get(1, "attribute").filter(|v| !v.is_none()).cloned();
    let mut texts = Vec::new();
    for item in collect_items(&value)? {
        let item =
            attribute.as_ref().map_or_else(|| Ok(item.clone()), |a| attribute_of(&item, a))?;
        texts.push(python_text(&item)?);
    }
    Ok(texts.join(&separator))
}

fn replace(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let (old, new) = (python_text(args.require(0, "old")?)?, python_text(args.require(1, "new")?)?);
    let count = args.get(2, "count").and_then(Value::as_usize).unwrap_or(usize::MAX);
    methods::replace_text(&python_text(&value)?, &old, &new, count).map(Value::from)
}

fn default(value: Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = filter_arguments(args)?;
    let missing = value.is_undefined() || (args.flag(1, "boolean", false) && !value.is_true());
    Ok(if missing {
        args.get(0, "default_value").cloned().unwrap_or_else(|| Value::from(""))
    } else {
        value
    })
}

/// The maximum length of a range.
const LONGEST_RANGE: i64 = 10_000_000;

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`. Like Jinja2's sandbox, it
/// limits the length.
fn range(args: Rest<Value>) -> Result<Value, Error> {
    let mut numbers = Vec::new();
    for arg in &args.0 {
        let n = arg.as_i64().filter(|_| arg.is_integer() || arg.kind() == ValueKind::Bool);
        let n = n.or_else(|| (arg.kind() == ValueKind::Bool).then(|| i64::from(arg.is_true())));
        numbers.push(n.ok_or_else(|| {
            error(format!("'{}' object cannot be interpreted as an integer", type_name(arg)))
        })?);
    }
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        _ => return Err(error(format!("range expected 1 to 3 arguments, got {}", numbers.len()))),
    };
    if step == 0 {
        return Err(error("range() arg 3 must not be zero"));
    }
    let length =
        if step > 0 { (stop - start + step - 1) / step } else { (start - stop - step - 1) / -step };
    if length > LONGEST_RANGE {
        return Err(error(format!(
            "a range of {length} numbers is too long: at most {LONGEST_RANGE}"
        )));
    }
    Ok(Value::from_object(RangeValue {
        start,
        step,
        length: usize::try_from(length.max(0)).unwrap_or(0),
    }))
}

/// Python's `range`, which produces its items on demand.
struct RangeValue {
    start: i64,
    step: i64,
    length: usize,
}

impl RangeValue {
    fn at(&self, i: usize) -> i64 {
        self.start + self.step * i as i64
    }
}

impl fmt::Debug for RangeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stop = self.at(self.length);
        match self.step {
            1 => write!(f, "range({}, {stop})", self.start),
            step => write!(f, "range({}, {stop}, {step})", self.start),
        }
    }
}

impl Object for RangeValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("start") => Some(Value::from(self.start)),
            Some("stop") => Some(Value::from(self.at(self.length))),
            Some("step") => Some(Value::from(self.step)),
            Some(_) => None,
            None => {
                let i = key.as_i64()?;
                let i = if i < 0 { i + self.length as i64 } else { i };
                usize::try_from(i)
                    .ok()
                    .filter(|i| *i < self.length)
                    .map(|i| Value::from(self.at(i)))
            }
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let own = self.clone();
        Enumerator::Iter(Box::new((0..self.length).map(move |i| Value::from(own.at(i)))))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.length)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Jinja2's tests, based on Python's types.
fn tests(env: &mut Environment<'static>) {
    const BY_TYPE: [(&str, &[Type]); 5] = [
        ("string", &[Type::Str]),
        ("number", &[Type::Int, Type::Float, Type::Decimal, Type::Bool]),
        ("integer", &[Type::Int]),
        ("float", &[Type::Float]),
        ("boolean", &[Type::Bool]),
    ];
    for (name, types) in BY_TYPE {
        env.add_test(name, move |v: Value| types.contains(&type_of(&v)));
    }
    env.add_test("mapping", |v: Value| match type_of(&v) {
        Type::Dict => true,
        Type::Object => v.kind() == ValueKind::Map,
        _ => false,
    });
    env.add_test("sequence", |v: Value| match type_of(&v) {
        Type::Str | Type::List | Type::Tuple | Type::Dict | Type::Bytes | Type::Undefined => true,
        Type::Object => matches!(v.kind(), ValueKind::Seq | ValueKind::Map),
        _ => false,
    });
    env.add_test("iterable", |v: Value| match type_of(&v) {
        Type::None | Type::Bool | Type::Int | Type::Float | Type::Decimal => false,
        Type::Object => matches!(v.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable),
        _ => true,
    });
    env.add_test("callable", |v: Value| {
        // At parse, an unknown name can be called.
        v.is_undefined()
            || v.as_object()
                .is_some_and(|o| o.repr() == ObjectRepr::Plain && type_of(&v) == Type::Object)
    });
    env.add_test("in", |state: &mut State<'_, '_>, v: Value, container: Value| {
        super::operators::is_in(state, &v, &container)
    });
    env.add_test("divisibleby", |v: Value, by: Value| -> Result<bool, Error> {
        match (Number::of(&v), Number::of(&by)) {
            (Some(Number::Int(a)), Some(Number::Int(b))) if b != BigInt::from(0) => {
                Ok(a % b == BigInt::from(0))
            }
            (Some(a), Some(b)) if !b.is_zero() => Ok(a.to_float() % b.to_float() == 0.0),
            (Some(_), Some(_)) => Err(error("integer division or modulo by zero")),
            _ => Err(error("divisibleby needs numbers")),
        }
    });
    for (name, rest) in [("even", 0), ("odd", 1)] {
        env.add_test(name, move |v: Value| -> Result<bool, Error> {
            match Number::of(&v) {
                Some(Number::Int(n)) => Ok((n % 2u8).magnitude() == BigInt::from(rest).magnitude()),
                Some(n) => Ok(n.to_float().rem_euclid(2.0) == f64::from(rest)),
                None => Err(error(format!("'{}' is no number", type_name(&v)))),
            }
        });
    }
    for names in [["eq", "equalto", "=="], ["ne", "!=", "__ne"]] {
        let wanted = names[0] == "eq";
        for name in names {
            env.add_test(name, move |a: Value, b: Value| {
                python::values_equal(&a, &b).map(|same| same == wanted)
            });
        }
    }
    for (names, orders) in [
        (["lt", "lessthan", "<"], [Some(Ordering::Less), None]),
        (["le", "<=", "__le"], [Some(Ordering::Less), Some(Ordering::Equal)]),
        (["gt", "greaterthan", ">"], [Some(Ordering::Greater), None]),
        (["ge", ">=", "__ge"], [Some(Ordering::Greater), Some(Ordering::Equal)]),
    ] {
        for name in names {
            env.add_test(name, move |a: Value, b: Value| -> Result<bool, Error> {
                let order = python::compare_values(&a, &b, "<")?;
                Ok(order.is_some() && orders.contains(&order))
            });
        }
    }
}

fn truncate(
    state: &mut State<'_, '_>,
    text: Value,
    args: Rest<ValueOrKwargs>,
) -> Result<String, Error> {
    note_inspected(state, &text);
    let args = filter_arguments(args)?;
    let length = args.get(0, "length").and_then(Value::as_usize).unwrap_or(255);
    let leeway = args.get(3, "leeway").and_then(Value::as_usize).unwrap_or(5);
    let end = args.get(2, "end").map_or_else(|| "...".to_owned(), Value::to_string);
    let text = text.to_string();
    if text.chars().count() <= length + leeway {
        return Ok(text);
    }
    let cut: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let kept = if args.flag(1, "killwords", false) {
        cut.as_str()
    } else {
        cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head)
    };
    Ok(format!("{kept}{end}"))
}

/// Checks that a value can be converted by Python's `json.dumps`. It refuses undefined values,
/// decimals, dates, sets and objects.
pub(crate) fn check_json(value: &Value) -> Result<(), Error> {
    check_json_at(value, 0)
}

fn check_json_at(value: &Value, depth: usize) -> Result<(), Error> {
    let kind = type_of(value);
    if depth > 300 {
        return Err(error("the value is nested too deep"));
    }
    match kind {
        Type::List | Type::Tuple => {
            value.try_iter()?.try_for_each(|item| check_json_at(&item, depth + 1))
        }
        Type::Dict => super::values::pairs_of(value)?.into_iter().try_for_each(|(key, item)| {
            match type_of(&key) {
                Type::Str | Type::Int | Type::Float | Type::Bool | Type::None => {
                    check_json_at(&item, depth + 1)
                }
                _ => Err(error(format!(
                    "keys must be str, int, float, bool or None, not {}",
                    type_name(&key)
                ))),
            }
        }),
        Type::Undefined
        | Type::Decimal
        | Type::Set
        | Type::Bytes
        | Type::Iterator
        | Type::Object => Err(no_json(value)),
        _ => Ok(()),
    }
}

fn no_json(value: &Value) -> Error {
    error(format!("Object of type {} is not JSON serializable", type_name(value)))
}

pub(crate) fn python_json(value: &serde_json::Value, html: bool) -> String {
    python_json_indented(value, html, None)
}

/// Writes JSON as Python's `json.dumps` does: with `", "` and `": "` as separators and characters
/// other than ASCII escaped. `html` also escapes markup, as Jinja's `tojson` filter does. With
/// `indent`, each item is on a line of its own.
pub(super) fn python_json_indented(
    value: &serde_json::Value,
    html: bool,
    indent: Option<usize>,
) -> String {
    let mut out = String::new();
    write_json(value, &JsonStyle { html, indent }, 0, &mut out);
    out
}

struct JsonStyle {
    html: bool,
    indent: Option<usize>,
}

impl JsonStyle {
    /// Writes the separator before an item, or before the closing bracket.
    fn separate(&self, first: bool, depth: usize, out: &mut String) {
        match self.indent {
            Some(indent) => {
                out.push_str(if first { "\n" } else { ",\n" });
                out.extend(std::iter::repeat_n(' ', indent * depth));
            }
            None => out.push_str(if first { "" } else { ", " }),
        }
    }
}

fn write_json(value: &serde_json::Value, style: &JsonStyle, depth: usize, out: &mut String) {
    use serde_json::Value as Json;
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Json::Number(_) => out.push_str(&python_str(value)),
        Json::String(s) => write_string(s, style.html, out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                style.separate(i == 0, depth + 1, out);
                write_json(item, style, depth + 1, out);
            }
            if !items.is_empty() {
                style.separate(true, depth, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            for (i, (k, v)) in map.iter().enumerate() {
                style.separate(i == 0, depth + 1, out);
                write_string(k, style.html, out);
                out.push_str(": ");
                write_json(v, style, depth + 1, out);
            }
            if !map.is_empty() {
                style.separate(true, depth, out);
            }
            out.push('}');
        }
    }
}

fn write_string(s: &str, html: bool, out: &mut String) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\'' if html => out.push_str(&format!("\\u{:04x}", c as u32)),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Sorts the keys of all objects in a JSON value.
pub(crate) fn sort_json_keys(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => Json::Array(items.into_iter().map(sort_json_keys).collect()),
        Json::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, sort_json_keys(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(pairs.into_iter().collect())
        }
        other => other,
    }
}

/// Python's `text % args`: `%s %r %d %i %f %e %g %x %o %c %%` with flags, width and precision, and
/// `%(name)s`.
pub(super) fn percent_format(text: &Value, args: &Value) -> Result<Value, Error> {
    let text = python_text(text)?;
    let positional: Vec<Value> =
        if args.is_tuple() { args.try_iter()?.collect() } else { vec![args.clone()] };
    let mut next = positional.into_iter();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let named = rest.strip_prefix('(').and_then(|r| r.split_once(')'));
        if let Some((_, after)) = named {
            rest = after;
        }
        let spec_len = rest
            .find(|c: char| c.is_ascii_alphabetic() || c == '%')
            .ok_or_else(|| error("incomplete format"))?;
        let (spec, kind) = (&rest[..spec_len], rest[spec_len..].chars().next().unwrap_or('%'));
        rest = &rest[spec_len + kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match named {
            Some((key, _)) => args.get_item(&Value::from(key))?,
            None => next.next().ok_or_else(|| error("not enough arguments for format string"))?,
        };
        out.push_str(&format_one(&value, spec, kind)?);
    }
    if next.next().is_some() && type_of(args) != Type::Dict {
        return Err(error("not all arguments converted during string formatting"));
    }
    out.push_str(rest);
    Ok(Value::from(out))
}

fn format_one(value: &Value, spec: &str, kind: char) -> Result<String, Error> {
    let flags: String =
        spec.chars().take_while(|c| matches!(c, '-' | '+' | ' ' | '0' | '#')).collect();
    let (width, precision) = spec[flags.len()..]
        .split_once('.')
        .map_or((&spec[flags.len()..], None), |(w, p)| (w, Some(p)));
    let width: usize = width.parse().unwrap_or(0);
    let precision: Option<usize> = precision.map(|p| p.parse().unwrap_or(0));
    let mut text = match kind {
        's' => python_text(value)?.chars().take(precision.unwrap_or(usize::MAX)).collect(),
        'r' => python_repr(value)?,
        'd' | 'i' | 'u' => percent_int(value, kind)?.to_string(),
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
            let float = Value::from(percent_number(value, kind)?.to_float());
            super::format::format_value(&float, &format!(".{}{kind}", precision.unwrap_or(6)))?
        }
        'x' => percent_int(value, kind)?.to_str_radix(16),
        'X' => percent_int(value, kind)?.to_str_radix(16).to_uppercase(),
        'o' => percent_int(value, kind)?.to_str_radix(8),
        'c' => match value.as_str() {
            Some(text) => text.to_owned(),
            None => percent_int(value, kind)?
                .to_u32()
                .and_then(char::from_u32)
                .map(String::from)
                .ok_or_else(|| error("%c needs a char"))?,
        },
        other => return Err(error(format!("unsupported format character `{other}`"))),
    };
    if flags.contains('+') && kind != 's' && !text.starts_with('-') {
        text.insert(0, '+');
    }
    let missing = width.saturating_sub(text.chars().count());
    Ok(if flags.contains('-') {
        format!("{text}{}", " ".repeat(missing))
    } else if flags.contains('0') && kind != 's' {
        let sign = usize::from(text.starts_with(['-', '+']));
        format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
    } else {
        format!("{}{text}", " ".repeat(missing))
    })
}

fn percent_number(value: &Value, kind: char) -> Result<Number, Error> {
    Number::of(value).ok_or_else(|| error(format!("%{kind} needs a number, not {value:?}")))
}

/// The whole part of a number; an error if it is not a finite number.
fn percent_int(value: &Value, kind: char) -> Result<BigInt, Error> {
    match percent_number(value, kind)? {
        Number::Int(n) => Ok(n),
        other => other.truncated().ok_or_else(|| error(format!("%{kind} needs a finite number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_python_writes_it() {
        let v = serde_json::json!({"b": [1, 2.0, null], "a": "é<"});
        assert_eq!(python_json(&v, false), r#"{"b": [1, 2.0, null], "a": "\u00e9<"}"#);
        assert_eq!(
            python_json(&sort_json_keys(v), true),
            r#"{"a": "\u00e9\u003c", "b": [1, 2.0, null]}"#
        );
    }
}
