//! Python's sets.

use super::python::{contains_value, is_subset};
use super::runtime::error;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The items in the order in which they were added.
#[derive(Default)]
pub(crate) struct SetValue(Mutex<Vec<Value>>);

/// A set of the items without duplicates. As in Python, mutable items are an error.
pub(crate) fn set_value(items: impl IntoIterator<Item = Value>) -> Result<Value, Error> {
    let mut unique: Vec<Value> = Vec::new();
    for item in items {
        add(&mut unique, item)?;
    }
    Ok(Value::from_object(SetValue(Mutex::new(unique))))
}

fn add(items: &mut Vec<Value>, item: Value) -> Result<(), Error> {
    check_hashable(&item)?;
    if !contains_value(items, &item)? {
        items.push(item);
    }
    Ok(())
}

/// Fails if a value is mutable, and so cannot be a key or a member of a set.
pub(super) fn check_hashable(value: &Value) -> Result<(), Error> {
    use super::python::{Type, type_name, type_of};
    match type_of(value) {
        Type::List | Type::Dict | Type::Set => {
            Err(error(format!("unhashable type: '{}'", type_name(value))))
        }
        Type::Tuple => value.try_iter()?.try_for_each(|item| check_hashable(&item)),
        _ => Ok(()),
    }
}

impl SetValue {
    pub(super) fn items(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, items: Vec<Value>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = items;
    }
}

/// The items of `a` that are in `b` or, if `wanted` is false, those that are not.
pub(super) fn filter_members(a: &[Value], b: &[Value], wanted: bool) -> Result<Vec<Value>, Error> {
    let mut out = Vec::new();
    for item in a {
        if contains_value(b, item)? == wanted {
            out.push(item.clone());
        }
    }
    Ok(out)
}

impl fmt::Debug for SetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.items();
        if items.is_empty() {
            return f.write_str("set()");
        }
        f.write_str("{")?;
        for (i, item) in items.iter().enumerate() {
            let text = super::python::python_repr(item).map_err(|_| fmt::Error)?;
            write!(f, "{}{text}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str("}")
    }
}

fn require_first<T: Clone>(given: &[T], method: &str) -> Result<T, Error> {
    given.first().cloned().ok_or_else(|| error(format!("{method}() needs an argument")))
}

impl Object for SetValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.items().len())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.items().is_empty()
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut own = self.items();
        let mut others = Vec::new();
        let item_method = matches!(method, "add" | "remove" | "discard");
        for arg in args.iter().filter(|_| !item_method) {
            others.push(arg.try_iter()?.collect::<Vec<Value>>());
        }
        let none = Ok(Value::from(()));
        match method {
            "add" => {
                add(&mut own, require_first(args, method)?)?;
                self.change(own);
                none
            }
            "remove" | "discard" => {
                let wanted = require_first(args, method)?;
                let before = own.len();
                own = filter_members(&own, &[wanted], false)?;
                if method == "remove" && own.len() == before {
                    return Err(error("KeyError"));
                }
                self.change(own);
                none
            }
            "pop" => {
                let first = own.first().cloned().ok_or_else(|| error("pop from an empty set"))?;
                self.change(own.split_off(1));
                Ok(first)
            }
            "clear" => {
                self.change(Vec::new());
                none
            }
            "copy" => set_value(own),
            "union" => set_value(own.into_iter().chain(others.into_iter().flatten())),
            "update" => {
                others.into_iter().flatten().try_for_each(|item| add(&mut own, item))?;
                self.change(own);
                none
            }
            "intersection" | "intersection_update" | "difference" | "difference_update" => {
                for other in &others {
                    own = filter_members(&own, other, method.starts_with("intersection"))?;
                }
                if method.ends_with("_update") {
                    self.change(own);
                    return none;
                }
                set_value(own)
            }
            "symmetric_difference" | "symmetric_difference_update" => {
                let other = require_first(&others, method)?;
                let mut both = filter_members(&own, &other, false)?;
                both.extend(filter_members(&other, &own, false)?);
                if method.ends_with("_update") {
                    self.change(both);
                    return none;
                }
                set_value(both)
            }
            "issubset" => Ok(Value::from(is_subset(&own, &require_first(&others, method)?)?)),
            "issuperset" => Ok(Value::from(is_subset(&require_first(&others, method)?, &own)?)),
            "isdisjoint" => Ok(Value::from(
                filter_members(&own, &require_first(&others, method)?, true)?.is_empty(),
            )),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
