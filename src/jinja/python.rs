//! Python's view of values: text, equality, order and names of types.
//!
//! In: values. Out: what `str`, `repr`, `==`, `<` and `type` give. Recursion is bounded: a value
//! that contains itself prints as in Python, and one that is nested too deep is an error. Must
//! not know: templates.

use super::number::{BigIntValue, DecimalValue, Number};
use super::runtime::error;
use super::set::SetValue;
use super::values::{MutableDict, MutableList, pairs_of};
use super::views::DictView;
use crate::config::{float_text, python_quoted};
use minijinja::Error;
use minijinja::value::{Value, ValueKind};
use std::cmp::Ordering;

/// The maximum nesting of values. It is below Python's recursion limit of a thousand.
const DEPTH: usize = 400;

fn too_deep() -> Error {
    error("the value is nested too deep")
}

/// The attribute in which an object has its `repr`, if that differs from its `Debug` text.
pub(crate) const REPR: &str = "__repr__";

/// The Python type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Undefined,
    None,
    Bool,
    Int,
    Float,
    Decimal,
    Str,
    Bytes,
    List,
    Tuple,
    Dict,
    Set,
    Iterator,
    Object,
}

pub(super) fn type_of(value: &Value) -> Type {
    match value.kind() {
        ValueKind::Undefined => Type::Undefined,
        ValueKind::None => Type::None,
        ValueKind::Bool => Type::Bool,
        ValueKind::Number if value.is_integer() => Type::Int,
        ValueKind::Number => Type::Float,
        ValueKind::String => Type::Str,
        ValueKind::Bytes => Type::Bytes,
        ValueKind::Seq if value.is_tuple() => Type::Tuple,
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => container_type(value),
        _ if value.downcast_object_ref::<DecimalValue>().is_some() => Type::Decimal,
        _ if value.downcast_object_ref::<BigIntValue>().is_some() => Type::Int,
        _ => Type::Object,
    }
}

fn container_type(value: &Value) -> Type {
    if value.downcast_object_ref::<SetValue>().is_some() {
        return Type::Set;
    }
    if value.downcast_object_ref::<MutableList>().is_some() {
        return Type::List;
    }
    if value.downcast_object_ref::<MutableDict>().is_some() {
        return Type::Dict;
    }
    // minijinja's own containers are lists and dicts. Iterable objects of the context are objects.
    let native = value.as_object().is_none_or(|object| !object.type_name().starts_with("strata::"));
    match value.kind() {
        ValueKind::Seq if native => Type::List,
        ValueKind::Map if native => Type::Dict,
        ValueKind::Iterable => Type::Iterator,
        _ => Type::Object,
    }
}

/// The name of a value's type in Python's error messages.
pub(super) fn type_name(value: &Value) -> String {
    match type_of(value) {
        Type::Undefined => "Undefined".to_owned(),
        Type::None => "NoneType".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Float => "float".to_owned(),
        Type::Decimal => "decimal.Decimal".to_owned(),
        Type::Str => "str".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::List => "list".to_owned(),
        Type::Tuple => "tuple".to_owned(),
        Type::Dict => "dict".to_owned(),
        Type::Set => "set".to_owned(),
        Type::Iterator => value
            .downcast_object_ref::<DictView>()
            .map_or("generator", DictView::type_name)
            .to_owned(),
        Type::Object => {
            let name = value.as_object().map_or("object", |o| o.type_name());
            name.rsplit("::").next().unwrap_or("object").to_owned()
        }
    }
}

/// `str(value)`; empty for undefined.
pub(crate) fn python_text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Undefined => Ok(String::new()),
        _ => python_repr_or_text(value),
    }
}

fn python_repr_or_text(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match type_of(value) {
        // An object has its own way of printing.
        Type::Object | Type::Decimal => out = value.to_string(),
        _ => write_repr(value, &mut Vec::new(), &mut out)?,
    }
    Ok(out)
}

pub(crate) fn python_repr(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    write_repr(value, &mut Vec::new(), &mut out)?;
    Ok(out)
}

/// The address of a list or dict, to detect those that contain themselves.
fn identity(value: &Value) -> Option<usize> {
    let list = value.downcast_object_ref::<MutableList>().map(|l| std::ptr::from_ref(l).addr());
    list.or_else(|| {
        value.downcast_object_ref::<MutableDict>().map(|d| std::ptr::from_ref(d).addr())
    })
}

fn write_repr(value: &Value, path: &mut Vec<usize>, out: &mut String) -> Result<(), Error> {
    let kind = type_of(value);
    match kind {
        Type::Undefined => out.push_str("Undefined"),
        Type::None => out.push_str("None"),
        Type::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        Type::Float => out.push_str(&float_text(f64::try_from(value.clone()).unwrap_or(f64::NAN))),
        Type::Str => out.push_str(&python_quoted(value.as_str().unwrap_or_default())),
        Type::Bytes => write_bytes(value.as_bytes().unwrap_or_default(), out),
        Type::Int | Type::Iterator => out.push_str(&value.to_string()),
        Type::Decimal | Type::Object => match value.get_attr(REPR) {
            Ok(text) if !text.is_undefined() => out.push_str(&text.to_string()),
            _ => out.push_str(&format!("{value:?}")),
        },
        Type::List | Type::Tuple | Type::Set | Type::Dict => {
            let own = identity(value);
            if own.is_some_and(|own| path.contains(&own)) {
                out.push_str(if kind == Type::Dict { "{...}" } else { "[...]" });
                return Ok(());
            }
            if path.len() >= DEPTH {
                return Err(too_deep());
            }
            path.push(own.unwrap_or_default());
            write_items(value, kind, path, out)?;
            path.pop();
        }
    }
    Ok(())
}

fn write_items(
    value: &Value,
    kind: Type,
    path: &mut Vec<usize>,
    out: &mut String,
) -> Result<(), Error> {
    if kind == Type::Dict {
        out.push('{');
        for (i, (key, item)) in pairs_of(value)?.into_iter().enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            write_repr(&key, path, out)?;
            out.push_str(": ");
            write_repr(&item, path, out)?;
        }
        out.push('}');
        return Ok(());
    }
    let items: Vec<Value> = value.try_iter()?.collect();
    let (open, close) = match kind {
        Type::Tuple => ("(", if items.len() == 1 { ",)" } else { ")" }),
        Type::Set if items.is_empty() => ("set(", ")"),
        Type::Set => ("{", "}"),
        _ => ("[", "]"),
    };
    out.push_str(open);
    for (i, item) in items.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        write_repr(item, path, out)?;
    }
    out.push_str(close);
    Ok(())
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    let mark = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    out.push('b');
    out.push(mark);
    for b in bytes {
        match b {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            b if char::from(*b) == mark => out.push_str(&format!("\\{mark}")),
            b' '..=b'~' => out.push(char::from(*b)),
            b => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push(mark);
}

pub(super) fn values_equal(a: &Value, b: &Value) -> Result<bool, Error> {
    equal_at(a, b, 0)
}

fn equal_at(a: &Value, b: &Value, depth: usize) -> Result<bool, Error> {
    if depth > DEPTH {
        return Err(error("maximum recursion depth exceeded in comparison"));
    }
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return Ok(a.compare(&b) == Some(Ordering::Equal));
    }
    let (left, right) = (type_of(a), type_of(b));
    match (left, right) {
        (Type::List, Type::List) | (Type::Tuple, Type::Tuple) => {
            let (a, b): (Vec<Value>, Vec<Value>) =
                (a.try_iter()?.collect(), b.try_iter()?.collect());
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(&b) {
                if !equal_at(a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Type::Dict, Type::Dict) => {
            let (a, b) = (pairs_of(a)?, pairs_of(b)?);
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in &a {
                let mut found = false;
                for (other, item) in &b {
                    if equal_at(key, other, depth + 1)? {
                        found = equal_at(value, item, depth + 1)?;
                        break;
                    }
                }
                if !found {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Type::Set, Type::Set) => {
            let (a, b): (Vec<Value>, Vec<Value>) =
                (a.try_iter()?.collect(), b.try_iter()?.collect());
            Ok(a.len() == b.len() && is_subset(&a, &b)?)
        }
        (Type::Iterator, Type::Iterator) => {
            match (a.downcast_object_ref::<DictView>(), b.downcast_object_ref::<DictView>()) {
                (Some(a), Some(b)) => super::views::views_equal(a, b),
                _ => Ok(a == b),
            }
        }
        // A relation or a row may compare equal to a text or a tuple.
        (Type::Object, _) | (_, Type::Object) => Ok(a == b),
        _ if left == right => Ok(a == b),
        _ => Ok(false),
    }
}

pub(super) fn contains_value(items: &[Value], wanted: &Value) -> Result<bool, Error> {
    for item in items {
        if values_equal(item, wanted)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `b` contains all items of `a`.
pub(super) fn is_subset(a: &[Value], b: &[Value]) -> Result<bool, Error> {
    for item in a {
        if !contains_value(b, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The order of two values, for `<` and the like; `None` if they have none (NaN).
pub(super) fn compare_values(
    a: &Value,
    b: &Value,
    operator: &str,
) -> Result<Option<Ordering>, Error> {
    compare_at(a, b, operator, 0)
}

fn compare_at(
    a: &Value,
    b: &Value,
    operator: &str,
    depth: usize,
) -> Result<Option<Ordering>, Error> {
    if depth > DEPTH {
        return Err(error("maximum recursion depth exceeded in comparison"));
    }
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return Ok(a.compare(&b));
    }
    match (type_of(a), type_of(b)) {
        (Type::Str, Type::Str) => Ok(Some(a.as_str().cmp(&b.as_str()))),
        (Type::Bytes, Type::Bytes) => Ok(Some(a.as_bytes().cmp(&b.as_bytes()))),
        (Type::List, Type::List) | (Type::Tuple, Type::Tuple) => {
            let (a, b): (Vec<Value>, Vec<Value>) =
                (a.try_iter()?.collect(), b.try_iter()?.collect());
            for (a, b) in a.iter().zip(&b) {
                if !equal_at(a, b, depth + 1)? {
                    return compare_at(a, b, operator, depth + 1);
                }
            }
            Ok(Some(a.len().cmp(&b.len())))
        }
        (Type::Object, Type::Object)
            if kind_of_order(a).is_some_and(|kind| kind_of_order(b) == Some(kind)) =>
        {
            Ok(a.partial_cmp(b))
        }
        (Type::Undefined, _) | (_, Type::Undefined) => Err(super::operators::undefined_error()),
        _ => Err(unordered(a, b, operator)),
    }
}

/// The attribute of objects that are ordered. Its text names their kind; only objects of the same
/// kind can be compared.
pub(crate) const ORDER: &str = "__order__";

fn kind_of_order(value: &Value) -> Option<String> {
    value.get_attr(ORDER).ok()?.as_str().map(str::to_owned)
}

fn unordered(a: &Value, b: &Value, operator: &str) -> Error {
    error(format!(
        "'{operator}' not supported between instances of '{}' and '{}'",
        type_name(a),
        type_name(b)
    ))
}

/// Sorts by `key` as Python does. Keys that cannot be compared are an error.
pub(crate) fn sort_values(
    items: &mut [Value],
    key: &dyn Fn(&Value) -> Result<Value, Error>,
) -> Result<(), Error> {
    let mut failed = None;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.iter() {
        keyed.push((key(item)?, item.clone()));
    }
    keyed.sort_by(|(a, _), (b, _)| match compare_values(a, b, "<") {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(e) => {
            failed.get_or_insert(e);
            Ordering::Equal
        }
    });
    match failed {
        Some(e) => Err(e),
        None => {
            for (slot, (_, item)) in items.iter_mut().zip(keyed) {
                *slot = item;
            }
            Ok(())
        }
    }
}
